/*
 * The strict HTTP/1.1 reader (RFC 9112): a pure function over the bytes that are there. It is the
 * door that the stampede hits, and what a lenient reader lets through is what request smuggling is
 * made of, so whatever is not plainly right is refused: origin-form targets only, one
 * Content-Length of plain digits, no Transfer-Encoding, exactly one Host, no bare CR or LF, no
 * space before a colon, no folding, token characters only in names, no control characters in
 * values.
 */
#pragma once

#include "http/request.h"

/*
 * Why a request is refused. Each has one status; see http_fault_info(). After a fault the
 * connection is closed.
 */
enum http_fault {
	HTTP_FAULT_NONE = 0,
	HTTP_FAULT_REQUEST_LINE,
	HTTP_FAULT_VERSION, /* 505 */
	HTTP_FAULT_TARGET,
	HTTP_FAULT_HEADER,
	HTTP_FAULT_HEADERS_TOO_LARGE, /* 431 */
	HTTP_FAULT_HOST,
	HTTP_FAULT_REPEATED_HEADER,
	HTTP_FAULT_CONTENT_LENGTH,
	HTTP_FAULT_LENGTH_REQUIRED,   /* 411: Transfer-Encoding: chunked */
	HTTP_FAULT_TRANSFER_ENCODING, /* 501: any other transfer coding */
	HTTP_FAULT_BODY_TOO_LARGE,    /* 413 */
	HTTP_FAULT_EXPECTATION,       /* 417 */
	HTTP_FAULT_PROXY_HEADER, /* a PROXY protocol header was required and is missing or malformed: closed without an answer */
	HTTP_FAULT_TIMEOUT,      /* 408 */
	HTTP_FAULT_STOPPING,     /* 503: the loop stops, and it is not whole */
	HTTP_FAULT_COUNT,
};
struct http_fault_info {
	int status;
	const char *code;   /* "malformed-request", "length-required", "body-too-large", … */
	const char *detail; /* what was wrong and what would be right */
};
const struct http_fault_info *http_fault_info(enum http_fault fault);

enum http_read_outcome {
	HTTP_READ_WHOLE = 0, /* request is filled; *used bytes belong to it */
	HTTP_READ_MORE = 1,  /* not all there yet (headers); nothing used */
	HTTP_READ_BODY = 2, /* headers are whole and fine, the body is not all there yet; body holds what came of it, *used is what all will take */
	HTTP_READ_FAULT = 3, /* *fault says why */
};
/*
 * Reads one request from the start of data (one empty line before it is skipped: RFC 9112, section
 * 2.2). Stateless: the same bytes give the same result however they arrived, and a beginning of
 * them gives that result, MORE or BODY. Refused at the first byte that is wrong; what takes the
 * whole head to know (Host, Content-Length, ...) is refused at its end. After a fault the request
 * holds what was read so far.
 */
enum http_read_outcome http_read(const char *data, size_t size, const struct http_bounds *bounds, struct http_request *request,
				 size_t *used, enum http_fault *fault);

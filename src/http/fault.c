#include "base/error.h"
#include "http/reader.h"

static const struct http_fault_info faults[HTTP_FAULT_COUNT] = {
	[HTTP_FAULT_NONE] = {0, "", ""},
	[HTTP_FAULT_REQUEST_LINE] = {400, "malformed-request",
				     "The request line is not a method, a target and a version with one space between them."},
	[HTTP_FAULT_VERSION] = {505, "http-version", "Only HTTP/1.1 and HTTP/1.0 are spoken here."},
	[HTTP_FAULT_TARGET] = {400, "malformed-request",
			       "The request target must begin with a slash and hold only what a URI may; anything else is percent-encoded."},
	[HTTP_FAULT_HEADER] = {400, "malformed-request",
			       "A header line is not a name, a colon and a value without control characters, ended by CR LF."},
	[HTTP_FAULT_HEADERS_TOO_LARGE] = {431, "headers-too-large",
					  "The request line and headers together are more bytes, or more headers, than are taken here."},
	[HTTP_FAULT_HOST] = {400, "malformed-request", "There must be exactly one Host header with a valid host."},
	[HTTP_FAULT_REPEATED_HEADER] = {400, "malformed-request", "A header that may be given once was given twice."},
	[HTTP_FAULT_CONTENT_LENGTH] = {400, "malformed-request",
				       "There may be one Content-Length of plain digits, and no Transfer-Encoding beside it."},
	[HTTP_FAULT_LENGTH_REQUIRED] = {411, "length-required", "The request needs a Content-Length; chunked bodies are not accepted."},
	[HTTP_FAULT_TRANSFER_ENCODING] = {501, "transfer-encoding", "Transfer codings are not supported; send a Content-Length."},
	[HTTP_FAULT_BODY_TOO_LARGE] = {413, "body-too-large", "A body has at most 16384 bytes, on the operators' listener 524288."},
	[HTTP_FAULT_EXPECTATION] = {417, "expectation", "The only expectation that can be met is 100-continue."},
	[HTTP_FAULT_PROXY_HEADER] = {400, "malformed-request", "A PROXY protocol header was required and is missing or malformed."},
	[HTTP_FAULT_TIMEOUT] = {408, "request-timeout", "The request did not arrive whole in time."},
	[HTTP_FAULT_STOPPING] = {503, "shutting-down", "The server stops, and the request had not arrived whole: nothing was done."},
};

_Static_assert(HTTP_BODY_MAX == 16384 && HTTP_LARGE_BODY_MAX == 524288, "the text above names the limits");

const struct http_fault_info *http_fault_info(enum http_fault fault)
{
	ASSERT(fault < HTTP_FAULT_COUNT);
	return &faults[fault];
}

/*
 * An HTTP/1.1 request as the reader hands it over. All slices point into the connection's buffer.
 */
#pragma once

#include "base/address.h"
#include "text/slice.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PATCH, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };
const char *http_method_name(enum http_method method);

enum {
	HTTP_HEAD_MAX = 65536,        /* bytes of request line and headers that http_bounds can allow */
	HTTP_HEADERS_MAX = 256,       /* and fields */
	HTTP_BODY_MAX = 16384,        /* bytes */
	HTTP_LARGE_BODY_MAX = 524288, /* where bodies are lists: the operators' listener */
};

/* What is taken of one request: of its line and headers, and of its body. */
struct http_bounds {
	uint32_t head_bytes, header_fields, body_bytes;
};

struct http_header {
	struct slice name, value; /* name as sent; value without surrounding white space */
};

/*
 * Headers the program looks at; picked out while reading. data NULL: absent. A repeated one of
 * these is a fault, but X-Forwarded-For.
 */
enum http_known {
	HTTP_HOST,
	HTTP_AUTHORIZATION,
	HTTP_CONTENT_TYPE,
	HTTP_CONTENT_LENGTH,
	HTTP_IDEMPOTENCY_KEY,
	HTTP_TRACEPARENT,
	HTTP_IF_NONE_MATCH,
	HTTP_LAST_EVENT_ID,
	HTTP_ACCEPT,
	HTTP_KNOWN_COUNT,
};

struct http_request {
	enum http_method method;
	struct slice method_name, path, query; /* origin-form; query without '?', data NULL where there is none */
	struct slice known[HTTP_KNOWN_COUNT];
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct slice body;
	bool has_length; /* a Content-Length was given; without it there is no body, whatever the method (RFC 9112, section 6.3) */
	int minor_version; /* HTTP/1.0 or HTTP/1.1 */
	bool keep_alive;
	bool expect_continue;
};

/* First header of that name (case-insensitive), data NULL where absent. */
struct slice http_request_header(const struct http_request *request, struct slice name);
/* Whether If-None-Match names this tag (quoted), weak or not (RFC 9110, section 13.1.2). */
bool http_request_has_tag(const struct http_request *request, struct slice tag);
/*
 * Next value of that name after *place (start with 0); data NULL at the end. For X-Forwarded-For,
 * which may repeat.
 */
struct slice http_request_next_header(const struct http_request *request, struct slice name, size_t *place);
/*
 * "name=value" of the query, percent-decoded into `text` (with NUL; `size` bytes with it); '+' is
 * itself; a name without '=' has the empty value. 0, 1 absent, -EINVAL malformed, given twice, with
 * a NUL in it or too long.
 */
/*
 * The path with letters, digits, "-", ".", "_" and "~" in place of their percent-encodings, which
 * mean the same (RFC 3986, section 6.2.2.2): itself where there is none, else in `text`. Empty: it
 * does not fit (HTTP_PATH_MAX is more than any path that means something).
 */
enum { HTTP_PATH_MAX = 2048 };
struct slice http_path_normal(struct slice path, char *text, size_t size);
int http_request_query(const struct http_request *request, struct slice name, char *text, size_t size);
/*
 * The query's parameters one after the other, as they were sent: true, or false at the end. *place
 * begins with 0; value.data NULL: no '='. What is empty between two '&' is none.
 */
bool http_request_next_query(const struct http_request *request, size_t *place, struct slice *name, struct slice *value);

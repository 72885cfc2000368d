/*
 * The HTTP reader held against llhttp: what ours accepts, it accepts, and understands in the same
 * way. Request smuggling is made of two programs that disagree about where a request ends and what
 * is in it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* Both have these names. */
#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_OPTIONS LLHTTP_OPTIONS
#define HTTP_PATCH LLHTTP_PATCH
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_OPTIONS
#undef HTTP_PATCH
#include "base/error.h"
#include "http/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 8192, HEADER_FIELDS = 64, TEXT_MAX = HEAD_BYTES + HTTP_BODY_MAX };

struct text {
	char data[TEXT_MAX];
	size_t size;
};

/* What llhttp saw. */
static struct {
	struct text url, body, names[HEADER_FIELDS + 1], values[HEADER_FIELDS + 1];
	size_t headers;
	bool in_value, complete, keep_alive;
} seen;

static int append(struct text *text, const char *data, size_t size)
{
	ASSERT(text->size + size <= TEXT_MAX);
	memcpy(text->data + text->size, data, size);
	text->size += size;
	return 0;
}

static int on_url(llhttp_t *parser, const char *data, size_t size)
{
	(void)parser;
	return append(&seen.url, data, size);
}

static int on_field(llhttp_t *parser, const char *data, size_t size)
{
	(void)parser;
	if (seen.in_value) {
		seen.in_value = false;
		seen.headers++;
		ASSERT(seen.headers <= HEADER_FIELDS);
		seen.names[seen.headers].size = seen.values[seen.headers].size = 0;
	}
	return append(&seen.names[seen.headers], data, size);
}

static int on_value(llhttp_t *parser, const char *data, size_t size)
{
	(void)parser;
	seen.in_value = true;
	return append(&seen.values[seen.headers], data, size);
}

static int on_headers_complete(llhttp_t *parser)
{
	(void)parser;
	if (seen.in_value)
		seen.headers++;
	seen.in_value = false;
	return 0;
}

static int on_body(llhttp_t *parser, const char *data, size_t size)
{
	(void)parser;
	return append(&seen.body, data, size);
}

static int on_complete(llhttp_t *parser)
{
	seen.complete = true;
	seen.keep_alive = llhttp_should_keep_alive(parser);
	return HPE_PAUSED;
}

static void assert_same(const struct text *text, struct slice slice)
{
	ASSERT(slice_equal((struct slice){text->data, text->size}, slice));
}

/* llhttp leaves white space at the end of a value to its user. */
static void trim(struct text *text)
{
	while (text->size > 0 && (text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\t'))
		text->size--;
}

static void compare(const struct http_request *request)
{
	struct slice target = request->path;

	if (request->query.data)
		target.size += 1 + request->query.size;
	assert_same(&seen.url, target);
	ASSERT(seen.headers == request->header_count);
	for (size_t i = 0; i < seen.headers; i++) {
		trim(&seen.values[i]);
		assert_same(&seen.names[i], request->headers[i].name);
		assert_same(&seen.values[i], request->headers[i].value);
	}
}

static void compare_keep_alive(const struct http_request *request)
{
	struct slice value;
	size_t place = 0;

	/*
	 * It does not take a tab for white space around connection options: look at the whole line,
	 * up to its end.
	 */
	while ((value = http_request_next_header(request, SLICE("Connection"), &place)).data) {
		const char *end = rawmemchr(value.data, '\r');

		if (memchr(value.data, '\t', (size_t)(end - value.data)))
			return;
	}
	/* With HTTP/1.0 it lets keep-alive win over close. */
	if (request->keep_alive)
		ASSERT(seen.keep_alive);
	else if (request->minor_version == 1)
		ASSERT(!seen.keep_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const llhttp_settings_t settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_headers_complete,
		.on_body = on_body,
		.on_message_complete = on_complete,
	};
	static const struct http_bounds bounds = {HEAD_BYTES, HEADER_FIELDS, HTTP_BODY_MAX};
	static struct http_request request;
	const char *data = (const char *)bytes;
	enum http_fault fault;
	size_t used;
	llhttp_t parser;
	llhttp_errno_t error;

	if (http_read(data, size, &bounds, &request, &used, &fault) != HTTP_READ_WHOLE)
		return 0;
	seen.url.size = seen.body.size = seen.names[0].size = seen.values[0].size = 0;
	seen.headers = 0;
	seen.in_value = seen.complete = false;
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	error = llhttp_execute(&parser, data, size);

	/*
	 * It has a list of methods, where ours only asks for a token: the handler answers those
	 * with 405.
	 */
	if (error == HPE_INVALID_METHOD && request.method == HTTP_OTHER)
		return 0;
	/*
	 * Some of its methods are of other protocols (PRI, SOURCE, RTSP's), for which it wants
	 * other versions and targets.
	 */
	if (request.method == HTTP_OTHER && !seen.complete && error != HPE_PAUSED_UPGRADE)
		return 0;
	/*
	 * A tab behind Content-Length is white space (RFC 9110, section 5.6.3); it refuses that,
	 * which does no harm.
	 */
	if (error == HPE_INVALID_CONTENT_LENGTH && llhttp_get_error_pos(&parser)[0] == '\t')
		return 0;
	if (error != HPE_PAUSED && error != HPE_PAUSED_UPGRADE) {
		fprintf(stderr, "llhttp: %s: %s\n", llhttp_errno_name(error), llhttp_get_error_reason(&parser));
		abort();
	}
	ASSERT(parser.http_major == 1);
	ASSERT(parser.http_minor == request.minor_version);
	ASSERT(slice_equal(slice_of(llhttp_method_name((llhttp_method_t)parser.method)), request.method_name));
	compare(&request);
	/*
	 * Where the client offers another protocol, llhttp leaves what follows to its user. Ours
	 * never takes the offer.
	 */
	if (error == HPE_PAUSED_UPGRADE)
		return 0;
	assert_same(&seen.body, request.body);
	ASSERT(llhttp_get_error_pos(&parser) == data + used);
	compare_keep_alive(&request);
	return 0;
}

#include "crowd/answer.h"

#include <string.h>

/* Plain digits, up to 9 of them: the value, or -1. */
static int64_t number(struct slice text)
{
	int64_t value = 0;

	if (text.size == 0 || text.size > 9)
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		value = value * 10 + (text.data[i] - '0');
	}
	return value;
}

/* NULL, or why not. */
static const char *read_header(struct slice name, struct slice value, struct answer *answer, int64_t *length)
{
	if (slice_equal_any_case(name, SLICE("content-length"))) {
		if (*length >= 0)
			return "two Content-Length headers";
		*length = number(value);
		if (*length < 0)
			return "a Content-Length that is no number";
	} else if (slice_equal_any_case(name, SLICE("transfer-encoding"))) {
		return "a Transfer-Encoding";
	} else if (slice_equal_any_case(name, SLICE("connection"))) {
		answer->close = slice_equal_any_case(value, SLICE("close"));
	} else if (slice_equal_any_case(name, SLICE("retry-after"))) {
		answer->retry_after_s = number(value);
		if (answer->retry_after_s < 0)
			return "a Retry-After that is no number of seconds";
	} else if (slice_equal_any_case(name, SLICE("idempotent-replayed"))) {
		answer->replayed = slice_equal_any_case(value, SLICE("true"));
	}
	return NULL;
}

static const char *read_status(struct slice line, int *status)
{
	/* HTTP/1.1 200 OK */
	if (line.size < 12 || memcmp(line.data, "HTTP/1.1 ", 9) != 0)
		return "no HTTP/1.1 status line";
	*status = (int)number((struct slice){line.data + 9, 3});
	if (*status < 200 || *status > 599 || (line.size > 12 && line.data[12] != ' '))
		return "no final status code";
	return NULL;
}

int answer_read(const char *data, size_t size, struct answer *answer, size_t *used, const char **reason)
{
	const char *end = size > 0 ? memmem(data, size, "\r\n\r\n", 4) : NULL, *at = data;
	int64_t length = -1;
	const char *fault;

	*answer = (struct answer){.retry_after_s = -1};
	if (!end) {
		*reason = "headers without an end";
		return size > ANSWER_HEAD_MAX ? ANSWER_FAULT : ANSWER_MORE;
	}
	for (bool first = true; at < end + 2; first = false) {
		const char *stop = memmem(at, (size_t)(end + 2 - at), "\r\n", 2), *colon;

		if (first) {
			fault = read_status((struct slice){at, (size_t)(stop - at)}, &answer->status);
		} else {
			colon = memchr(at, ':', (size_t)(stop - at));
			fault = colon ? read_header((struct slice){at, (size_t)(colon - at)},
						    slice_trim((struct slice){colon + 1, (size_t)(stop - colon - 1)}), answer, &length)
				      : "a header line without a colon";
		}
		if (fault) {
			*reason = fault;
			return ANSWER_FAULT;
		}
		at = stop + 2;
	}
	if (answer->status == 204 || answer->status == 304)
		length = 0;
	if (length < 0 || length > ANSWER_BODY_MAX) {
		*reason = length < 0 ? "no Content-Length" : "a body too large";
		return ANSWER_FAULT;
	}
	*used = (size_t)(end + 4 - data) + (size_t)length;
	answer->body = (struct slice){end + 4, (size_t)length};
	return *used > size ? ANSWER_MORE : ANSWER_WHOLE;
}

struct slice answer_code(struct slice body)
{
	static const char label[] = "\"code\":\"";
	const char *at = body.size > 0 ? memmem(body.data, body.size, label, sizeof(label) - 1) : NULL, *end;

	if (!at)
		return SLICE_NULL;
	at += sizeof(label) - 1;
	end = memchr(at, '"', (size_t)(body.data + body.size - at));
	return end ? (struct slice){at, (size_t)(end - at)} : SLICE_NULL;
}

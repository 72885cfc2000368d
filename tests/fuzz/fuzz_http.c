/*
 * The HTTP reader by itself: it stays within its bytes and its contract, gives the same result
 * however the bytes arrive, and what it accepts keeps the rules when they are checked in a plainer
 * way.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/error.h"
#include "http/proxy.h"
#include "http/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_bounds bounds = {8192, 64, HTTP_BODY_MAX};
static struct http_request request, other;

static void assert_within(struct slice slice, const char *data, size_t size)
{
	if (!slice.data)
		return;
	ASSERT(slice.data >= data);
	ASSERT(slice.data + slice.size <= data + size);
}

static void check_request(const char *data, size_t size)
{
	assert_within(request.method_name, data, size);
	assert_within(request.path, data, size);
	assert_within(request.query, data, size);
	assert_within(request.body, data, size);
	ASSERT(request.header_count <= bounds.header_fields);
	for (size_t i = 0; i < request.header_count; i++) {
		struct slice name = request.headers[i].name, value = request.headers[i].value;

		assert_within(name, data, size);
		assert_within(value, data, size);
		ASSERT(name.size > 0);
		ASSERT(!memchr(value.data, '\n', value.size));
		ASSERT(!memchr(value.data, '\r', value.size));
		ASSERT(!memchr(value.data, '\0', value.size));
	}
}

/* A beginning gives the same, MORE or BODY. */
static void check_beginning(const char *data, size_t size, enum http_read_outcome whole, enum http_fault whole_fault, size_t whole_used)
{
	char *copy = malloc(size ? size : 1);
	enum http_fault fault;
	size_t used;
	enum http_read_outcome outcome;

	memcpy(copy, data, size);
	outcome = http_read(copy, size, &bounds, &other, &used, &fault);
	if (outcome == HTTP_READ_FAULT)
		ASSERT(whole == HTTP_READ_FAULT && fault == whole_fault);
	else if (outcome == HTTP_READ_WHOLE)
		ASSERT(whole == HTTP_READ_WHOLE && used == whole_used);
	else if (outcome == HTTP_READ_BODY)
		ASSERT((whole == HTTP_READ_BODY || whole == HTTP_READ_WHOLE) && used == whole_used);
	free(copy);
}

static void check_query(void)
{
	char text[32];
	int r = http_request_query(&request, SLICE("a"), text, sizeof(text));

	ASSERT(r == 0 || r == 1 || r == -EINVAL);
	ASSERT(r != 0 || strlen(text) < sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *data = (const char *)bytes;
	struct address source = {{0}};
	enum http_fault fault;
	size_t used;
	enum http_read_outcome outcome = http_read(data, size, &bounds, &request, &used, &fault);

	check_request(data, size);
	ASSERT((outcome == HTTP_READ_FAULT) == (fault != HTTP_FAULT_NONE));
	ASSERT(fault < HTTP_FAULT_COUNT);
	if (outcome == HTTP_READ_WHOLE) {
		ASSERT(used <= size);
		ASSERT(used <= bounds.head_bytes + HTTP_BODY_MAX);
		check_query();
	} else if (outcome == HTTP_READ_BODY) {
		ASSERT(used > size);
	}
	for (size_t i = 0, step = size / 64 + 1; i < size; i += step)
		check_beginning(data, i, outcome, fault, used);

	if (proxy_read(data, size, &source, &used) == PROXY_WHOLE)
		ASSERT(used > 0 && used <= size);
	return 0;
}

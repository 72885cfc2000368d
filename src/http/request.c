#include "http/request.h"

#include <errno.h>

static const char *const method_names[] = {
	[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",       [HTTP_PATCH] = "PATCH",
	[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "other",
};

const char *http_method_name(enum http_method method)
{
	return method_names[method];
}

struct slice http_request_header(const struct http_request *request, struct slice name)
{
	size_t place = 0;

	return http_request_next_header(request, name, &place);
}

bool http_request_has_tag(const struct http_request *request, struct slice tag)
{
	struct slice rest = request->known[HTTP_IF_NONE_MATCH], item;

	if (rest.data && slice_equal(rest, SLICE("*")))
		return true;
	while (slice_next_item(&rest, &item)) { /* our own tags have no comma */
		if (item.size > 2 && memcmp(item.data, "W/", 2) == 0)
			item = (struct slice){item.data + 2, item.size - 2};
		if (slice_equal(item, tag))
			return true;
	}
	return false;
}

struct slice http_request_next_header(const struct http_request *request, struct slice name, size_t *place)
{
	while (*place < request->header_count) {
		const struct http_header *header = &request->headers[(*place)++];

		if (slice_equal_any_case(header->name, name))
			return header->value;
	}
	return SLICE_NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool is_unreserved(int c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
}

struct slice http_path_normal(struct slice path, char *text, size_t size)
{
	size_t length = 0;

	if (!path.size || !memchr(path.data, '%', path.size))
		return path;
	if (path.size > size)
		return SLICE_NULL;
	for (size_t i = 0; i < path.size; i++) {
		bool encoded = path.data[i] == '%' && i + 2 < path.size;
		int high = encoded ? hex_digit(path.data[i + 1]) : -1, low = encoded ? hex_digit(path.data[i + 2]) : -1;
		int c = high >= 0 && low >= 0 ? high << 4 | low : -1;

		if (c >= 0 && is_unreserved(c)) {
			text[length++] = (char)c;
			i += 2;
		} else {
			text[length++] = path.data[i];
		}
	}
	return (struct slice){text, length};
}

static int percent_decode(struct slice from, char *text, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < from.size; i++) {
		int c = (unsigned char)from.data[i];

		if (c == '%') {
			int high = i + 2 < from.size ? hex_digit(from.data[i + 1]) : -1;
			int low = i + 2 < from.size ? hex_digit(from.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = high << 4 | low;
			i += 2;
		}
		if (c == '\0' || length + 1 >= size)
			return -EINVAL;
		text[length++] = (char)c;
	}
	text[length] = '\0';
	return 0;
}

bool http_request_next_query(const struct http_request *request, size_t *place, struct slice *name, struct slice *value)
{
	while (*place < request->query.size) {
		const char *start = request->query.data + *place, *end = request->query.data + request->query.size;
		const char *stop = memchr(start, '&', (size_t)(end - start)), *equals;

		if (!stop)
			stop = end;
		*place = (size_t)(stop - request->query.data) + 1;
		if (stop == start)
			continue;
		equals = memchr(start, '=', (size_t)(stop - start));
		*name = (struct slice){start, (size_t)((equals ? equals : stop) - start)};
		*value = equals ? (struct slice){equals + 1, (size_t)(stop - equals - 1)} : SLICE_NULL;
		return true;
	}
	return false;
}

int http_request_query(const struct http_request *request, struct slice name, char *text, size_t size)
{
	struct slice key, value, found = SLICE_NULL;
	size_t place = 0;

	while (http_request_next_query(request, &place, &key, &value)) {
		if (!slice_equal(key, name))
			continue;
		/* Which of two would count is a guess that two programs make differently. */
		if (found.data)
			return -EINVAL;
		found = value.data ? value : SLICE("");
	}
	if (!found.data)
		return 1;
	return percent_decode(found, text, size);
}

#include "gate/cors.h"

uint8_t cors_mark(const struct web_origin_list *origins, const struct http_request *request)
{
	struct slice origin;

	if (!origins->any && origins->count == 0)
		return 0;
	origin = http_request_header(request, SLICE("Origin"));
	if (!origin.data)
		return 0;
	return origins->any ? 1 : (uint8_t)(web_origin_list_find(origins, origin) + 1);
}

void cors_say(const struct web_origin_list *origins, uint8_t mark, struct buffer *headers)
{
	if (origins->count > 0) /* for caches: the same address is answered in another way to another origin */
		buffer_append_literal(headers, "Vary: Origin\r\n");
	if (mark == 0)
		return;
	buffer_append_literal(headers, "Access-Control-Allow-Origin: ");
	buffer_append_text(headers, origins->any ? "*" : origins->items[mark - 1]);
	buffer_append_literal(headers, "\r\nAccess-Control-Expose-Headers: Location, Retry-After, RateLimit, RateLimit-Policy, "
				       "Idempotent-Replayed, ETag, Date, traceparent\r\n");
}

void cors_say_preflight(uint8_t mark, const char *methods, struct buffer *headers)
{
	if (mark == 0)
		return;
	buffer_append_literal(headers, "Access-Control-Allow-Methods: ");
	buffer_append_text(headers, methods);
	buffer_append_literal(headers, "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, traceparent, "
				       "Last-Event-ID, If-None-Match\r\nAccess-Control-Max-Age: 86400\r\n");
}

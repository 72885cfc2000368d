/*
 * Routes: patterns like "/v1/sales/{sale}/orders", matched by segments. Immutable after it was
 * made; any thread.
 */
#pragma once

#include <stdint.h>
#include "http/request.h"

enum { HTTP_PARAMETERS_MAX = 3, HTTP_ALLOW_SIZE = 64 };

struct http_route {
	enum http_method method; /* a GET route answers HEAD as well */
	const char *pattern;
};
struct http_match {
	size_t route;                                 /* index into the table */
	struct slice parameters[HTTP_PARAMETERS_MAX]; /* in the pattern's order; raw segments, never empty, percent-encoding is not decoded (no id has any) */
};
enum http_route_outcome {
	HTTP_ROUTE_FOUND = 0,
	HTTP_ROUTE_UNKNOWN = 1, /* 404 */
	HTTP_ROUTE_METHOD = 2,  /* 405; allow says which; also for OPTIONS on a known path (answer 204 with Allow) */
};
struct http_router;
/*
 * `routes` is borrowed: entries at `stride` bytes from each other begin with a struct http_route.
 * 0, -EINVAL (two routes alike), -ENOMEM.
 */
int http_router_new(struct http_router **router, const void *routes, size_t count, size_t stride) MUST_CHECK;
void http_router_free(struct http_router *router);
int http_router_find(const struct http_router *router, enum http_method method, struct slice path, struct http_match *match,
		     char allow[static HTTP_ALLOW_SIZE]);

/*
 * Web origins (RFC 6454): "https://shop.example", "http://localhost:5173", "http://[::1]:8080". As
 * a browser sends one: scheme and host in small letters, no default port, nothing behind it.
 */
#pragma once

#include <stddef.h>
#include "text/slice.h"

enum { WEB_ORIGINS_MAX = 16, WEB_ORIGIN_MAX = 255 };

struct web_origin_list {
	char items[WEB_ORIGINS_MAX][WEB_ORIGIN_MAX + 1];
	size_t count;
	bool any; /* "*" */
};

/*
 * Comma-separated, or "*" alone; empty is none. 0; -EINVAL: *bad is none, or not as a browser
 * writes it; -E2BIG.
 */
int web_origin_list_parse(struct slice text, struct web_origin_list *list, struct slice *bad);
/* Its place among them, or -1. Compared as bytes, as browsers do. Not of a list of any. */
int web_origin_list_find(const struct web_origin_list *list, struct slice origin);

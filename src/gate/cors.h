/*
 * Pages of other origins: what a browser is told so that their scripts may ask the public listener
 * (the Fetch standard's CORS protocol). Credentials are tokens that the page sends itself, never
 * cookies, so nothing is allowed that a page could not do with the token anyway.
 *
 * The request's origin is remembered with its exchange until the answer: zero is none.
 */
#pragma once

#include "gate/reply.h"
#include "http/request.h"
#include "text/web_origin.h"

/* What to remember of a request; 0: its origin is not allowed, or it has none. */
uint8_t cors_mark(const struct web_origin_list *origins, const struct http_request *request);
/* The header lines of an answer to a request with that mark; none where no origin is allowed. */
void cors_say(const struct web_origin_list *origins, uint8_t mark, struct buffer *headers);
/* Those of the answer to a preflight, beside cors_say(): what its resource takes, for a day. */
void cors_say_preflight(uint8_t mark, const char *methods, struct buffer *headers);

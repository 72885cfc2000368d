/*
 * Request bodies: a JSON object read against a table of fields. What is unknown, missing, of the
 * wrong kind or out of its bounds is refused with words that say what would be right.
 */
#pragma once

#include <jansson.h>
#include "gate/reply.h"
#include "http/request.h"

enum body_kind {
	BODY_INTEGER, /* int64_t, from min to max */
	BODY_BOOLEAN, /* bool */
	BODY_TEXT,    /* struct slice into the document; `valid` judges it, `rule` says what it wants */
	BODY_TIME,    /* int64_t, wall ms; null gives SALE_NO_TIME */
	BODY_OBJECT,  /* json_t *, borrowed */
	BODY_ARRAY,   /* json_t *, borrowed; min to max elements */
};

struct body_field {
	const char *name;
	enum body_kind kind;
	bool required;
	void *target;
	int64_t min, max;
	bool (*valid)(struct slice text);
	const char *rule;
	bool given; /* out */
};

/*
 * The body as an object; the caller json_decref()s it. An empty body is an empty object. NULL:
 * refused, `reply` says why (415, 400).
 */
json_t *body_parse(const struct http_request *request, struct reply *reply);
/*
 * Fills the targets. 0, or 1: refused, `reply` says why. `path`: what the object is called in
 * messages ("", "lots[2].").
 */
int body_read(const json_t *object, struct body_field *fields, size_t count, const char *path, struct reply *reply) MUST_CHECK;

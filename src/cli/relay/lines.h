/*
 * Changes on their way out: a line for each sale, whose changes go one after the other, beside
 * those of the others. What is behind the low-water mark is done, all of it; ahead of it some lines
 * may be further. One thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/backoff.h"
#include "base/error.h"
#include "model/limits.h"

struct line {
	struct line *next;
	char sale[SALE_ID_MAX + 1];
	struct change *head, *tail; /* what is not done */
	bool in_flight;
	struct backoff backoff;
	int64_t failing_since_ns; /* monotonic; 0: it is not */
	bool told;                /* that it stands still */
	int64_t done_to;          /* numbers up to this one were done by an earlier process */
};

/* One of the feed; its texts are its own. */
struct change {
	struct change *behind; /* in its line */
	struct line *line;
	int64_t number;
	char *cursor, *id, *body;
	bool done;
};

struct lines {
	struct line *first;
	struct change **order; /* in the feed's order, from the first that is not done */
	size_t count, capacity;
	char *low; /* the cursor that all is done up to; NULL: none yet */
};

void lines_deinit(struct lines *lines);
/* From a position that was kept; NULL: the beginning. 0, -EBADMSG, -ENOMEM. */
int lines_restore(struct lines *lines, const json_t *position) MUST_CHECK;
/* What to keep. NULL where there is no memory. */
json_t *lines_position(const struct lines *lines);
/* The next of the feed, as /v1/changes has it. 0, -EBADMSG, -ENOMEM. */
int lines_add(struct lines *lines, const json_t *change) MUST_CHECK;
/* One whose turn it is, or NULL; *wait_ns: when to look again, at the most. */
struct change *lines_due(struct lines *lines, int64_t now_ns, int64_t *wait_ns);
void lines_done(struct lines *lines, struct change *change);
/* It goes again later. */
void lines_failed(struct change *change, int64_t now_ns);

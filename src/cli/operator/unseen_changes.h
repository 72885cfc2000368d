/*
 * Where the feed may be left, of who looks for what orders gave back. The feed has all sales'
 * changes and no end, and an order says how many units it has and when it was changed last, so who
 * has a sale's orders need not read on to the end: an order is done with when its reductions have
 * gone by, and where it was cancelled its last change too. That one may be a refund long
 * afterwards, and its time is known: once nothing but such ones is to come, what lies before them
 * may be passed over. 40 bytes for each order that was ever changed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"

struct unseen_order {
	struct uuid id;
	int64_t changed_ms, units;
	bool cancelled;
	bool counted; /* it has no more units than `units`: no reduction is to come */
	bool seen;    /* nor anything else */
};

struct unseen_changes {
	struct unseen_order *orders;  /* by id */
	size_t count, capacity, left; /* left: not seen */
	size_t uncounted;             /* of those */
	bool unknown;                 /* an order does not say when: an older program's */
	char since[CLOCK_TEXT_SIZE];  /* when the first of them was placed; empty: none was ever changed */
};

/* Orders come in the order of their ids, as a list has them. 0 or -ENOMEM. */
int unseen_changes_add(struct unseen_changes *unseen, const json_t *order) MUST_CHECK;
/* One change of the feed, of whichever sale. */
void unseen_changes_see(struct unseen_changes *unseen, const json_t *change);
/* Nothing of these orders is to come but what happened after they were read. */
bool unseen_changes_are_none(const struct unseen_changes *unseen);
/* Wall ms: nothing that was decided before it is to come. 0: it is not known, or there is none. */
int64_t unseen_changes_next_ms(const struct unseen_changes *unseen);
void unseen_changes_deinit(struct unseen_changes *unseen);

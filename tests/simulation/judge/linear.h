/*
 * Whether what happened to a sale can have happened one by one: the search of Wing and Gong, with
 * the memory of Lowe ("Testing for linearizability", 2016). The object is a sale: free units of
 * each lot, and the units of each buyer. Each thing took effect at one moment of its span; the
 * search looks for an order of those moments in which every one of them is lawful.
 *
 * What an order of effects leads to is the same in whatever order they are (they add up), so the
 * memory holds only which of them are done. A refusal changes nothing, so it is done as soon as it
 * is lawful: waiting could not help anybody else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINEAR_EVENTS = 512, LINEAR_LOTS = 4, LINEAR_BUYERS = 256 };

struct linear_event {
	int64_t from_ns, to_ns; /* it took effect in between; INT64_MAX: whenever, but it did */
	uint32_t lot, buyer;
	int64_t units;       /* what it adds to the lot's free units: a purchase less than 0 */
	int64_t buyer_units; /* what it adds to what the buyer has */
	int64_t limit;       /* a purchase: what the buyer may have with it; 0: nobody asks */
	int64_t free_below;  /* a refusal: lawful while the lot has fewer; 0: nobody asks */
	int64_t buyer_above; /* a refusal: lawful while the buyer has more; -1: nobody asks */
	int64_t spare; /* units that requests without an effect may have had meanwhile: they count as not free, and as the buyer's */
	uint32_t tag; /* the caller's */
};

enum linear_end {
	LINEAR_YES = 0,
	LINEAR_NO = 1,
	LINEAR_TOO_LONG = 2, /* too many events, or too many ways: nobody can say */
};
/*
 * free_units: of each lot at the beginning. *stuck: of LINEAR_NO, the event that the best order
 * could not do.
 */
enum linear_end linear_check(const struct linear_event *events, size_t count, const int64_t *free_units, size_t *stuck);

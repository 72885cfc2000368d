/*
 * The stops of a sale, as the ledger counts them, and which of them a release answers.
 *
 * A stop goes to the stock first, and its release too; the ledger hears of both later, and of a
 * stop that the stock could not be told of at once. So the ledger's order is not the one in which
 * they were made, and no clock says it (nothing compares two machines' clocks). A release therefore
 * carries how many stops its process knew the ledger to have, and its place in the stock's history.
 * It answers what was counted by then, and what lies before it in the history; what an earlier
 * release has answered needs none. A stop that is none of these may be newer, and wins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/uuid.h"
#include "text/slice.h"

/* Of how many the ledger knows the requests, and a release can name. */
enum { SALE_STOPS_KEPT = 16 };

struct sale_stops {
	uint32_t answered;                     /* by the release that let it go on last: all up to this one */
	uint32_t count;                        /* all there ever were, also of a sale that was paused already */
	struct uuid requests[SALE_STOPS_KEPT]; /* of the newest, oldest first; null: it had no key */
};

struct sale_release {
	uint32_t stops; /* what the ledger had counted when it was made */
	uint32_t before_count;
	struct uuid before[SALE_STOPS_KEPT]; /* requests of the stops before it in the stock's history */
};

void sale_stops_add(struct sale_stops *stops, const struct uuid *request);
/* Whether it is one of those that are kept. */
bool sale_stops_has(const struct sale_stops *stops, const struct uuid *request);
/* The requests that are kept, one behind the other; borrowed. */
struct slice sale_stops_bytes(const struct sale_stops *stops);
/* From what was kept so. Requests that are not as many as they should be are not known. */
void sale_stops_read(struct sale_stops *stops, uint32_t count, uint32_t answered, struct slice requests);
/* Whether no stop may be newer than the release. */
bool sale_release_answers(const struct sale_release *release, const struct sale_stops *stops);

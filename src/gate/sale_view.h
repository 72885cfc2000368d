/*
 * Private to the gate: what the operators' page shows of a sale, all of one instant: that of the
 * newest point of its history. The points before it, which a page that was just opened has not got,
 * come at most POINTS_AT_ONCE at a time, the oldest first.
 */
#pragma once

#include "gate/sale_history.h"

/* How far a stream has come. Zeroed: it has nothing. */
struct sale_view_place {
	uint64_t next; /* the number of the point that comes next */
	int64_t sent_ns;
};

/* Operators' thread. */
bool sale_view_due(const struct gate_thread *thread, const struct sale *sale, const struct sale_view_place *place, int64_t now_ns);
/* As an object, and moves the place on. */
void sale_view_render(struct gate_thread *thread, const struct sale *sale, struct sale_view_place *place, int64_t now_ns,
		      struct buffer *out);

/*
 * A lane: a bounded queue of pointers between threads that hands over batches. Many producers, one
 * consumer. A push never blocks and never grows: what does not fit is the caller's to answer
 * (overload). The lock is held for a copy of pointers only, never across I/O. Three classes, each
 * with its own bound, so that none can starve another out of room. Urgent items (confirm, cancel,
 * completions) are handed over before normal ones. What nobody waits for (expiries) comes behind
 * them and in slices: so many thousands of them never keep a normal item waiting for longer than a
 * slice takes, and a slice goes with every hand-over, so that they go on however much else there
 * is.
 *
 * The consumer either blocks in lane_pop(), or watches lane_event_fd() in an epoll loop, or
 * listens, and pops with timeout 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum lane_class { LANE_URGENT, LANE_NORMAL, LANE_BACKGROUND };

enum {
	LANE_SLICE = 32,        /* of the background, beside others; half as many as those where that is more */
	LANE_SLICE_ALONE = 128, /* where there are no others: who comes next waits for so many */
};

struct lane;

/* capacity: items of each class. 0, or negative errno. */
int lane_new(struct lane **lane, size_t capacity) MUST_CHECK;
void lane_free(struct lane *lane); /* NULL is fine; asserts that it is empty */
/* Takes the first items that fit, returns how many; 0 once closed. Any thread. */
size_t lane_push(struct lane *lane, enum lane_class class, void *const *items, size_t count) MUST_CHECK;
/*
 * Consumer only. Takes up to `max`, urgent first (of 1 there is no place for the background beside
 * others). Waits up to timeout_ns (0: not at all, negative:
 * until something comes or the lane is closed) while it is empty, by the clock of its node. Returns
 * how many; 0 after the time, when it was woken, or when closed and empty.
 */
size_t lane_pop(struct lane *lane, void **items, size_t max, int64_t timeout_ns) MUST_CHECK;
/*
 * The same, but waits until `enough` items are there: whoever brings the last of them wakes the
 * consumer, and those before do not. Fewer, or none, after the time, when it was woken, or when
 * closed.
 */
size_t lane_gather(struct lane *lane, void **items, size_t enough, size_t max, int64_t timeout_ns) MUST_CHECK;
/*
 * Ends the consumer's wait, or the next one, with what is there: for what it is to look at besides.
 * Any thread.
 */
void lane_wake(struct lane *lane);
/* No more pushes; the consumer still gets what is there. Any thread; may be repeated. */
void lane_close(struct lane *lane);
bool lane_closed(const struct lane *lane);
size_t lane_depth(const struct lane *lane);
/*
 * An eventfd that is readable while items wait (and at times for an empty lane); lane_pop() resets
 * it once the lane is empty. Owned by the lane, which begins to keep it with the first call.
 */
int lane_event_fd(struct lane *lane);
/*
 * In place of the eventfd, for a consumer that waits elsewhere: `arrived` is called once while
 * items wait (and at times for an empty lane), by who pushed them, outside of the lock. Before the
 * first push; lane_pop() asks for it again once the lane is empty.
 */
void lane_listen(struct lane *lane, void (*arrived)(void *context), void *context);

/*
 * A lane: a bounded queue of pointers between threads that hands over batches. Many producers, one
 * consumer. A push never blocks and never grows: what does not fit is the caller's to answer
 * (overload). The lock is held for a copy of pointers only, never across I/O. Two classes: urgent
 * items (confirm, cancel, expiry, completions) are handed over before normal ones, and each class
 * has its own bound, so neither can starve the other out of room.
 *
 * The consumer either blocks in lane_pop(), or watches lane_event_fd() in an epoll loop, or
 * listens, and pops with timeout 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum lane_class { LANE_URGENT, LANE_NORMAL };
struct lane;

/* capacity: items of each class. 0, or negative errno. */
int lane_new(struct lane **lane, size_t capacity) MUST_CHECK;
void lane_free(struct lane *lane); /* NULL is fine; asserts that it is empty */
/* Takes the first items that fit, returns how many; 0 once closed. Any thread. */
size_t lane_push(struct lane *lane, enum lane_class class, void *const *items, size_t count) MUST_CHECK;
/*
 * Consumer only. Takes up to `max`, urgent first. Waits up to timeout_ns (0: not at all, negative:
 * until something comes or the lane is closed) while it is empty, by the clock of its node. Returns
 * how many; 0 after the time, when it was woken, or when closed and empty.
 */
size_t lane_pop(struct lane *lane, void **items, size_t max, int64_t timeout_ns) MUST_CHECK;
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

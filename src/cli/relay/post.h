/*
 * Posts of a relay, many at once, by libcurl. It is loaded when the first poster is made, so no
 * other process of the program has it. One thread.
 */
#pragma once

#include <stdint.h>
#include "base/error.h"
#include "text/slice.h"

struct poster;

/* 0; -ENOENT: libcurl is not there (logged); -EINVAL: no URL of http or https; or negative. */
int post_new(struct poster **poster, const char *url) MUST_CHECK;
void post_free(struct poster *poster); /* NULL is fine; what is on its way is given up */
/* headers: lines, ended by NULL; body must stay until its end. 0 or negative. */
int post_send(struct poster *poster, const char *const *headers, struct slice body, void *what) MUST_CHECK;
size_t post_in_flight(const struct poster *poster);
/*
 * Waits at most so long for something to end, and tells each end: the status, or 0 and the reason
 * where no answer came.
 */
void post_turn(struct poster *poster, int64_t wait_ns, void (*ended)(void *context, void *what, long status, const char *reason),
	       void *context);

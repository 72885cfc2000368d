/*
 * A wrong operator's token is answered, but not at once: whoever tries one after the other gets few
 * answers a second from each connection. It is logged, at most once a second, with the address that
 * it came from. While such an answer waits, its connection is the first to go when there is no
 * room.
 *
 * The loop's thread only.
 */
#pragma once

#include "gate/thread.h"

struct slow_refusals;

int slow_refusals_new(struct slow_refusals **refusals) MUST_CHECK;
void slow_refusals_free(struct slow_refusals *refusals); /* NULL is fine */
/* Answers 401 after a while; at once where too many wait already. */
void slow_refusals_add(struct slow_refusals *refusals, struct gate_request *request);
/* Answers those that are due, all where the loop stops. Returns when it wants to be called next. */
int64_t slow_refusals_tick(struct slow_refusals *refusals, struct gate_thread *thread, int64_t now_ns);

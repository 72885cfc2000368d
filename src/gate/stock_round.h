/*
 * Private to the gate: what one thread asks of the stock is gathered over a round of its loop, and
 * asked as a batch at the end of it (workers/stock_executor.h): settlements and look-ups first,
 * then purchases. What is complete then completes there; the rest comes back by the replies lane.
 */
#pragma once

#include "gate/thread.h"

struct stock_round;

int stock_round_new(struct stock_round **round, struct gate_thread *thread, size_t purchases_max) MUST_CHECK;
void stock_round_free(struct stock_round *round); /* NULL is fine */
/*
 * The job goes with this round, and its message completes on this thread; its exchange is deferred.
 */
void stock_round_add(struct stock_round *round, struct job *job);
void stock_round_end(struct stock_round *round);

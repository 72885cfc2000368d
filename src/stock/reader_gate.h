/*
 * Readers that never wait, and a writer that knows when they are gone (the idea of sleepable RCU;
 * McKenney, "Is Parallel Programming Hard", chapter 9). A thread that uses a sale is inside the
 * gate; who has taken a sale out of the table waits until everybody who was inside then has left,
 * and frees it. Entering and leaving are one atomic addition each, on a cache line that threads
 * seldom share.
 *
 * Why it is right: entering counts before the table is read, and leaving discounts after the last
 * use, all sequentially consistent. So a reader that still sees the old pointer was counted before
 * it was taken out and stays so until it is done: a count that is seen at zero after that has no
 * such reader. The two phases only keep new readers out of the count that the writer waits for.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include "base/lock.h"

enum { READER_GATE_STRIPES = 64 };

struct reader_gate {
	struct lock waiting; /* one writer waits at a time */
	atomic_uint phase;
	struct {
		alignas(64) atomic_uint inside[2];
	} stripes[READER_GATE_STRIPES];
};

void reader_gate_init(struct reader_gate *gate);
void reader_gate_deinit(struct reader_gate *gate);
unsigned reader_gate_enter(struct reader_gate *gate); /* the stripe for reader_gate_leave() */
void reader_gate_leave(struct reader_gate *gate, unsigned stripe);
/* Waits until everybody who is inside now has left. Not from inside. */
void reader_gate_wait(struct reader_gate *gate);

#include "stock/reader_gate.h"

#include "base/thread.h"

static unsigned own_stripe(void)
{
	static atomic_uint threads;
	static _Thread_local unsigned stripe = READER_GATE_STRIPES;

	if (stripe == READER_GATE_STRIPES)
		stripe = atomic_fetch_add(&threads, 1) % READER_GATE_STRIPES;
	return stripe;
}

void reader_gate_init(struct reader_gate *gate)
{
	lock_init(&gate->waiting);
	atomic_init(&gate->phase, 0);
	for (int i = 0; i < READER_GATE_STRIPES; i++) {
		atomic_init(&gate->stripes[i].inside[0], 0);
		atomic_init(&gate->stripes[i].inside[1], 0);
	}
}

void reader_gate_deinit(struct reader_gate *gate)
{
	lock_deinit(&gate->waiting);
}

unsigned reader_gate_enter(struct reader_gate *gate)
{
	unsigned stripe = own_stripe() << 1 | (atomic_load(&gate->phase) & 1);

	atomic_fetch_add(&gate->stripes[stripe >> 1].inside[stripe & 1], 1);
	return stripe;
}

void reader_gate_leave(struct reader_gate *gate, unsigned stripe)
{
	atomic_fetch_sub(&gate->stripes[stripe >> 1].inside[stripe & 1], 1);
}

void reader_gate_wait(struct reader_gate *gate)
{
	lock_take(&gate->waiting);
	for (int turn = 0; turn < 2; turn++) {
		unsigned old = atomic_fetch_add(&gate->phase, 1) & 1;

		for (int i = 0; i < READER_GATE_STRIPES; i++)
			while (atomic_load(&gate->stripes[i].inside[old]) != 0)
				thread_yield();
	}
	lock_release(&gate->waiting);
}

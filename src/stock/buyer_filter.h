/*
 * Who may have an order in a sale: asked by every thread for every refused request, so it takes no
 * lock and never waits. A Bloom filter that grows by generations, each four times the one before:
 * an order's bits are in one 64-bit word, so that a question costs one cache line a generation. A
 * "yes" in error costs the check of a signature and a question to the stock, ten times what the
 * refusal does: so it is less than 1 in 100 up to a million orders. It never forgets and never says
 * no in error: where memory runs out it says yes to everybody.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/lock.h"
#include "base/siphash.h"

struct filter_generation;

struct buyer_filter {
	_Atomic(struct filter_generation *) newest;
	atomic_bool everybody;
	struct lock growing;     /* leaf: held while a generation is made */
	_Atomic int64_t *memory; /* bytes are counted here */
};

void buyer_filter_init(struct buyer_filter *filter, _Atomic int64_t *memory);
void buyer_filter_deinit(struct buyer_filter *filter);
void buyer_filter_add(struct buyer_filter *filter, struct hash128 buyer);
/* A hint to the processor. */
void buyer_filter_prefetch(struct buyer_filter *filter, struct hash128 buyer);
bool buyer_filter_may_have(struct buyer_filter *filter, struct hash128 buyer);

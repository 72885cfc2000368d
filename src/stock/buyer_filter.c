#include "stock/buyer_filter.h"

#include <stdlib.h>

enum {
	FIRST_WORDS = 256,
	GROWTH = 4,
	BITS = 5, /* of a buyer, in one word */
	/*
	 * How many buyers have a word, on average, when a generation is full: with 2, 1 in 1,600
	 * others is taken for one of them, with 4, 1 in 230. Questions go to every generation, so
	 * the older ones must hardly ever be wrong; the large ones, of which there is one or two,
	 * must not take too much memory.
	 */
	BUYERS_PER_WORD = 2,
	LARGE_WORDS = 256 * 1024,
	BUYERS_PER_WORD_LARGE = 4,
	LINE = 64,
};

/* `buyers` is written with each order; what is around it is read for each refusal. */
struct filter_generation {
	struct filter_generation *older;
	uint32_t word_count;
	char before[LINE];
	_Atomic uint32_t buyers;
	char behind[LINE];
	_Atomic uint64_t words[];
};

static size_t generation_bytes(uint32_t word_count)
{
	return sizeof(struct filter_generation) + word_count * sizeof(uint64_t);
}

void buyer_filter_init(struct buyer_filter *filter, _Atomic int64_t *memory)
{
	atomic_init(&filter->newest, NULL);
	atomic_init(&filter->everybody, false);
	lock_init(&filter->growing);
	filter->memory = memory;
}

void buyer_filter_deinit(struct buyer_filter *filter)
{
	struct filter_generation *generation = atomic_load(&filter->newest);

	while (generation) {
		struct filter_generation *older = generation->older;

		atomic_fetch_sub_explicit(filter->memory, (int64_t)generation_bytes(generation->word_count), memory_order_relaxed);
		free(generation);
		generation = older;
	}
	lock_deinit(&filter->growing);
}

static uint32_t room_of(const struct filter_generation *generation)
{
	uint32_t in_word = generation->word_count < LARGE_WORDS ? BUYERS_PER_WORD : BUYERS_PER_WORD_LARGE;

	return generation->word_count * in_word;
}

static _Atomic uint64_t *word_of(struct filter_generation *generation, struct hash128 buyer)
{
	return &generation->words[((buyer.high >> 32) * generation->word_count) >> 32];
}

static uint64_t mask_of(struct hash128 buyer)
{
	uint64_t mask = 0;

	for (int i = 0; i < BITS; i++)
		mask |= (uint64_t)1 << (buyer.low >> 6 * i & 63);
	return mask;
}

static void grow(struct buyer_filter *filter, struct filter_generation *full)
{
	lock_take(&filter->growing);
	if (atomic_load(&filter->newest) == full) {
		uint32_t word_count = full ? full->word_count * GROWTH : FIRST_WORDS;
		struct filter_generation *generation = calloc(1, generation_bytes(word_count));

		if (generation) {
			generation->older = full;
			generation->word_count = word_count;
			atomic_fetch_add_explicit(filter->memory, (int64_t)generation_bytes(word_count), memory_order_relaxed);
			atomic_store(&filter->newest, generation);
		} else {
			atomic_store(&filter->everybody, true);
		}
	}
	lock_release(&filter->growing);
}

void buyer_filter_add(struct buyer_filter *filter, struct hash128 buyer)
{
	struct filter_generation *generation = atomic_load_explicit(&filter->newest, memory_order_acquire);

	if (!generation || atomic_load_explicit(&generation->buyers, memory_order_relaxed) >= room_of(generation)) {
		grow(filter, generation);
		generation = atomic_load_explicit(&filter->newest, memory_order_acquire);
	}
	if (!generation)
		return;
	atomic_fetch_or(word_of(generation, buyer), mask_of(buyer));
	atomic_fetch_add_explicit(&generation->buyers, 1, memory_order_relaxed);
}

void buyer_filter_prefetch(struct buyer_filter *filter, struct hash128 buyer)
{
	struct filter_generation *generation = atomic_load_explicit(&filter->newest, memory_order_acquire);

	if (generation)
		__builtin_prefetch((const void *)word_of(generation, buyer), 1);
}

bool buyer_filter_may_have(struct buyer_filter *filter, struct hash128 buyer)
{
	struct filter_generation *generation = atomic_load_explicit(&filter->newest, memory_order_acquire);
	uint64_t mask = mask_of(buyer);

	for (; generation; generation = generation->older)
		if ((atomic_load_explicit(word_of(generation, buyer), memory_order_relaxed) & mask) == mask)
			return true;
	return atomic_load_explicit(&filter->everybody, memory_order_relaxed);
}

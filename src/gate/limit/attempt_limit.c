#include "gate/limit/attempt_limit.h"

#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "base/siphash.h"
#include "gate/limit/bucket_locks.h"
#include "model/limits.h"

enum {
	WAYS = 8,
	BUCKETS = 16384, /* 131,072 buyers: 4 MiB, touched as buyers are refused */
};

struct entry {
	struct hash128 name;
	int64_t start_ms; /* of this window; 0: free */
	uint32_t current, former;
};

struct attempt_limit {
	struct siphash_key key;
	uint32_t times;
	struct entry *entries;
	struct bucket_locks locks;
};

int attempt_limit_new(struct attempt_limit **out, uint32_t times)
{
	struct attempt_limit *limit = calloc(1, sizeof(*limit));

	ASSERT(times > 0);
	if (!limit)
		return error_origin(-ENOMEM);
	random_bytes(&limit->key, sizeof(limit->key));
	limit->times = times;
	limit->entries = calloc((size_t)BUCKETS * WAYS, sizeof(*limit->entries));
	if (!limit->entries) {
		free(limit);
		return error_origin(-ENOMEM);
	}
	bucket_locks_init(&limit->locks);
	*out = limit;
	return 0;
}

void attempt_limit_free(struct attempt_limit *limit)
{
	if (!limit)
		return;
	bucket_locks_deinit(&limit->locks);
	free(limit->entries);
	free(limit);
}

static struct hash128 name_of(const struct attempt_limit *limit, uint32_t sale, struct slice buyer)
{
	char text[sizeof(sale) + BUYER_MAX];

	ASSERT(buyer.size <= BUYER_MAX);
	memcpy(text, &sale, sizeof(sale));
	if (buyer.size)
		memcpy(text + sizeof(sale), buyer.data, buyer.size);
	return siphash128(&limit->key, text, sizeof(sale) + buyer.size);
}

/* The entry of this name in its bucket; else NULL and the one whose place it would take. */
static struct entry *find(struct attempt_limit *limit, struct hash128 name, struct entry **oldest)
{
	struct entry *bucket = limit->entries + name.low % BUCKETS * WAYS;

	*oldest = bucket;
	for (size_t way = 0; way < WAYS; way++) {
		struct entry *entry = &bucket[way];

		if (entry->start_ms && entry->name.low == name.low && entry->name.high == name.high)
			return entry;
		if (entry->start_ms < (*oldest)->start_ms)
			*oldest = entry;
	}
	return NULL;
}

static struct lock *lock_of(struct attempt_limit *limit, struct hash128 name)
{
	return bucket_locks_of(&limit->locks, name.low % BUCKETS);
}

static void turn(struct entry *entry, int64_t window_ms, int64_t now_ms)
{
	int64_t passed = now_ms - entry->start_ms;

	if (passed < window_ms)
		return;
	entry->former = passed < 2 * window_ms ? entry->current : 0;
	entry->current = 0;
	entry->start_ms += passed / window_ms * window_ms;
}

static int64_t quotient_up(int64_t dividend, int64_t divisor)
{
	ASSERT(divisor > 0);
	return (dividend + divisor - 1) / divisor;
}

/*
 * After how long one more would pass; 0: now. What is left of a window must be short enough for the
 * former one's share.
 */
static int64_t wait_ms(const struct entry *entry, int64_t window_ms, int64_t max, int64_t now_ms)
{
	int64_t left_ms = entry->start_ms + window_ms - now_ms; /* of this window */

	if (entry->current >= max) /* it becomes the former */
		return left_ms + window_ms - quotient_up(max * window_ms, entry->current) + 1;
	if (entry->former * left_ms < (max - entry->current) * window_ms)
		return 0;
	return left_ms - quotient_up((max - entry->current) * window_ms, entry->former) + 1;
}

bool attempt_limit_pass(struct attempt_limit *limit, const struct attempt_rate *rate, struct slice buyer, int64_t now_ms,
			int64_t *retry_after_ms)
{
	int64_t window_ms = (int64_t)rate->seconds * 1000, wait = 0;
	struct entry *entry, *oldest;
	struct hash128 name;

	if (rate->requests == 0 || window_ms == 0)
		return true;
	name = name_of(limit, rate->sale, buyer);
	lock_take(lock_of(limit, name));
	entry = find(limit, name, &oldest);
	if (entry) {
		turn(entry, window_ms, now_ms);
		wait = wait_ms(entry, window_ms, (int64_t)rate->requests * limit->times, now_ms);
	}
	lock_release(lock_of(limit, name));
	if (wait > 0)
		*retry_after_ms = wait;
	return wait <= 0;
}

void attempt_limit_count(struct attempt_limit *limit, const struct attempt_rate *rate, struct slice buyer, int64_t now_ms)
{
	int64_t window_ms = (int64_t)rate->seconds * 1000;
	struct entry *entry, *oldest;
	struct hash128 name;

	if (rate->requests == 0 || window_ms == 0)
		return;
	name = name_of(limit, rate->sale, buyer);
	lock_take(lock_of(limit, name));
	entry = find(limit, name, &oldest);
	if (!entry) {
		entry = oldest;
		*entry = (struct entry){.name = name, .start_ms = now_ms > 0 ? now_ms : 1};
	}
	turn(entry, window_ms, now_ms);
	entry->current++;
	lock_release(lock_of(limit, name));
}

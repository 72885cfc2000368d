#include "gate/limit/address_limit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/random.h"
#include "base/siphash.h"
#include "gate/limit/bucket_locks.h"

enum {
	WAYS = 8,
};

/*
 * One address: the times of its last `requests` passed requests, as a ring. Variable size:
 * entry_size.
 */
struct entry {
	uint8_t address[16];
	int64_t last_ms;      /* 0: free */
	uint32_t count, head; /* times in the ring; the oldest one's place */
	int64_t times_ms[];
};

struct address_limit {
	struct siphash_key key;
	uint32_t requests;
	size_t buckets;
	int64_t window_ms;
	_Atomic int64_t full_until_ms; /* nobody's ring is full longer than this */
	size_t entry_size;
	char *entries;
	struct bucket_locks locks;
};

int address_limit_new(struct address_limit **out, uint32_t requests, uint32_t seconds, enum address_limit_size size)
{
	struct address_limit *limit = calloc(1, sizeof(*limit));

	ASSERT(requests > 0);
	ASSERT(seconds > 0);
	if (!limit)
		return error_origin(-ENOMEM);
	random_bytes(&limit->key, sizeof(limit->key));
	limit->requests = requests;
	limit->buckets = size / WAYS;
	limit->window_ms = (int64_t)seconds * 1000;
	limit->entry_size = sizeof(struct entry) + requests * sizeof(int64_t);
	limit->entries = calloc(limit->buckets * WAYS, limit->entry_size);
	if (!limit->entries) {
		free(limit);
		return error_origin(-ENOMEM);
	}
	bucket_locks_init(&limit->locks);
	*out = limit;
	return 0;
}

void address_limit_free(struct address_limit *limit)
{
	if (!limit)
		return;
	bucket_locks_deinit(&limit->locks);
	free(limit->entries);
	free(limit);
}

/* A client's bucket, locked. */
struct place {
	struct address key;
	size_t bucket;
	struct lock *lock;
};

static struct place enter(struct address_limit *limit, const struct address *client)
{
	struct place place = {.key = address_client_key(client)};

	place.bucket = siphash64(&limit->key, place.key.bytes, sizeof(place.key.bytes)) % limit->buckets;
	place.lock = bucket_locks_of(&limit->locks, place.bucket);
	lock_take(place.lock);
	return place;
}

static void leave(const struct place *place)
{
	lock_release(place->lock);
}

/* The client's entry, or NULL; *oldest: the one whose place it may take. */
static struct entry *find(struct address_limit *limit, const struct place *place, struct entry **oldest)
{
	*oldest = NULL;
	for (size_t way = 0; way < WAYS; way++) {
		struct entry *entry = (struct entry *)(limit->entries + (place->bucket * WAYS + way) * limit->entry_size);

		if (entry->last_ms && memcmp(entry->address, place->key.bytes, sizeof(entry->address)) == 0)
			return entry;
		if (!*oldest || entry->last_ms < (*oldest)->last_ms)
			*oldest = entry;
	}
	return NULL;
}

static struct entry *take_over(struct entry *entry, const struct place *place)
{
	memcpy(entry->address, place->key.bytes, sizeof(entry->address));
	entry->count = entry->head = 0;
	return entry;
}

static void slide(const struct address_limit *limit, struct entry *entry, int64_t now_ms)
{
	while (entry->count && now_ms - entry->times_ms[entry->head] >= limit->window_ms) {
		entry->head = (entry->head + 1) % limit->requests;
		entry->count--;
	}
}

static int64_t free_ms(const struct address_limit *limit, const struct entry *entry)
{
	return entry->times_ms[entry->head] + limit->window_ms;
}

static void note_full(struct address_limit *limit, int64_t until_ms)
{
	int64_t known_ms = atomic_load_explicit(&limit->full_until_ms, memory_order_relaxed);

	while (known_ms < until_ms && !atomic_compare_exchange_weak(&limit->full_until_ms, &known_ms, until_ms))
		;
}

bool address_limit_pass(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms)
{
	struct place place = enter(limit, client);
	struct entry *oldest, *entry = find(limit, &place, &oldest);
	bool pass;

	if (!entry)
		entry = take_over(oldest, &place);
	entry->last_ms = now_ms > 0 ? now_ms : 1;
	slide(limit, entry, now_ms);
	pass = entry->count < limit->requests;
	if (pass)
		entry->times_ms[(entry->head + entry->count++) % limit->requests] = now_ms;
	else
		*retry_after_ms = free_ms(limit, entry) - now_ms;
	if (entry->count == limit->requests)
		note_full(limit, free_ms(limit, entry));
	leave(&place);
	return pass;
}

void address_limit_give_back(struct address_limit *limit, const struct address *client, int64_t counted_ms)
{
	struct place place = enter(limit, client);
	struct entry *oldest, *entry = find(limit, &place, &oldest);
	uint32_t i = entry ? entry->count : 0;

	while (i > 0 && entry->times_ms[(entry->head + i - 1) % limit->requests] != counted_ms)
		i--;
	/* What came after it moves up. */
	for (; i > 0 && i < entry->count; i++)
		entry->times_ms[(entry->head + i - 1) % limit->requests] = entry->times_ms[(entry->head + i) % limit->requests];
	if (i > 0)
		entry->count--;
	leave(&place);
}

bool address_limit_full(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms)
{
	struct place place;
	struct entry *oldest, *entry;
	bool full = false;

	if (!address_limit_may_be_full(limit, now_ms))
		return false;
	place = enter(limit, client);
	entry = find(limit, &place, &oldest);
	if (entry) {
		slide(limit, entry, now_ms);
		full = entry->count == limit->requests;
	}
	if (full)
		*retry_after_ms = free_ms(limit, entry) - now_ms;
	leave(&place);
	return full;
}

bool address_limit_may_be_full(const struct address_limit *limit, int64_t now_ms)
{
	return now_ms < atomic_load_explicit(&limit->full_until_ms, memory_order_relaxed);
}

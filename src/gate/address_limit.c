#include "gate/address_limit.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/random.h"
#include "base/siphash.h"

enum {
	WAYS = 8,
	BUCKETS = 16384, /* 131,072 addresses: 7 MiB with 3 requests a window, touched as addresses come */
	LOCKS = 64,
};

/* One address: the times of its last `requests` passed requests, as a ring. Variable size: entry_size. */
struct entry {
	uint8_t address[16];
	int64_t last_ms;      /* 0: free */
	uint32_t count, head; /* times in the ring; the oldest one's place */
	int64_t times_ms[];
};

struct address_limit {
	struct siphash_key key;
	uint32_t requests;
	int64_t window_ms;
	size_t entry_size;
	char *entries;
	pthread_mutex_t locks[LOCKS]; /* each guards the buckets whose number is its own modulo LOCKS; held for one look at one bucket */
};

int address_limit_new(struct address_limit **out, uint32_t requests, uint32_t seconds)
{
	struct address_limit *limit = calloc(1, sizeof(*limit));

	ASSERT(requests > 0);
	ASSERT(seconds > 0);
	if (!limit)
		return error_origin(-ENOMEM);
	random_bytes(&limit->key, sizeof(limit->key));
	limit->requests = requests;
	limit->window_ms = (int64_t)seconds * 1000;
	limit->entry_size = sizeof(struct entry) + requests * sizeof(int64_t);
	limit->entries = calloc((size_t)BUCKETS * WAYS, limit->entry_size);
	if (!limit->entries) {
		free(limit);
		return error_origin(-ENOMEM);
	}
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_init(&limit->locks[i], NULL);
	*out = limit;
	return 0;
}

void address_limit_free(struct address_limit *limit)
{
	if (!limit)
		return;
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&limit->locks[i]);
	free(limit->entries);
	free(limit);
}

/* The address's entry in its bucket, or the one whose place it takes. */
static struct entry *find(struct address_limit *limit, size_t bucket, const struct address *client)
{
	struct entry *oldest = NULL;

	for (size_t way = 0; way < WAYS; way++) {
		struct entry *entry = (struct entry *)(limit->entries + (bucket * WAYS + way) * limit->entry_size);

		if (entry->last_ms && memcmp(entry->address, client->bytes, sizeof(entry->address)) == 0)
			return entry;
		if (!oldest || entry->last_ms < oldest->last_ms)
			oldest = entry;
	}
	memcpy(oldest->address, client->bytes, sizeof(oldest->address));
	oldest->count = oldest->head = 0;
	return oldest;
}

bool address_limit_pass(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms)
{
	struct address key = address_client_key(client);
	size_t bucket = siphash64(&limit->key, key.bytes, sizeof(key.bytes)) % BUCKETS;
	pthread_mutex_t *lock = &limit->locks[bucket % LOCKS];
	struct entry *entry;
	bool pass;

	pthread_mutex_lock(lock);
	entry = find(limit, bucket, &key);
	entry->last_ms = now_ms > 0 ? now_ms : 1;
	while (entry->count && now_ms - entry->times_ms[entry->head] >= limit->window_ms) {
		entry->head = (entry->head + 1) % limit->requests;
		entry->count--;
	}
	pass = entry->count < limit->requests;
	if (pass)
		entry->times_ms[(entry->head + entry->count++) % limit->requests] = now_ms;
	else
		*retry_after_ms = entry->times_ms[entry->head] + limit->window_ms - now_ms;
	pthread_mutex_unlock(lock);
	return pass;
}

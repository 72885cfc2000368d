#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/assertion.h"
#include "base/node.h"

enum { POOL_SIZE = 512 };

/* One a thread: a system call is shared by 64 numbers, and nothing is locked. */
static _Thread_local struct {
	unsigned char pool[POOL_SIZE];
	size_t left; /* unused bytes, at the pool's end */
} source;

static void fill_from_kernel(void *data, size_t size)
{
	unsigned char *at = data;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		ASSERT(got > 0);
		at += got;
		size -= (size_t)got;
	}
}

/*
 * SplitMix64 (Steele, Lea, Flood 2014): only ever for tests and the simulation. A counter, so that
 * a node's threads share one without a lock.
 */
static uint64_t next_seeded(struct node *node)
{
	const uint64_t step = 0x9e3779b97f4a7c15;
	uint64_t mixed = atomic_fetch_add_explicit(&node->random, step, memory_order_relaxed) + step;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

static void fill_seeded(struct node *node, void *data, size_t size)
{
	unsigned char *at = data;

	while (size > 0) {
		uint64_t value = next_seeded(node);
		size_t part = size < sizeof(value) ? size : sizeof(value);

		memcpy(at, &value, part);
		at += part;
		size -= part;
	}
}

void random_bytes(void *data, size_t size)
{
	if (node_current->seeded) {
		fill_seeded(node_current, data, size);
		return;
	}
	if (size > POOL_SIZE) {
		fill_from_kernel(data, size);
		return;
	}
	if (size > source.left) {
		fill_from_kernel(source.pool, POOL_SIZE);
		source.left = POOL_SIZE;
	}
	unsigned char *from = source.pool + POOL_SIZE - source.left;

	memcpy(data, from, size);
	memset(from, 0, size); /* what was given out may be a key */
	source.left -= size;
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

void random_set_seed(uint64_t seed)
{
	node_current->seeded = seed != 0;
	atomic_store(&node_current->random, seed);
}

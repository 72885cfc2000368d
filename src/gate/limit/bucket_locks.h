/*
 * The locks of a table of buckets: each guards the buckets whose number is its own modulo
 * BUCKET_LOCKS, and is held for one look at one bucket.
 */
#pragma once

#include "base/lock.h"

enum { BUCKET_LOCKS = 64 };

struct bucket_locks {
	struct lock locks[BUCKET_LOCKS];
};

static inline void bucket_locks_init(struct bucket_locks *locks)
{
	for (int i = 0; i < BUCKET_LOCKS; i++)
		lock_init(&locks->locks[i]);
}

static inline void bucket_locks_deinit(struct bucket_locks *locks)
{
	for (int i = 0; i < BUCKET_LOCKS; i++)
		lock_deinit(&locks->locks[i]);
}

static inline struct lock *bucket_locks_of(struct bucket_locks *locks, size_t bucket)
{
	return &locks->locks[bucket % BUCKET_LOCKS];
}

/*
 * The connections that only read: which of them are free, open and still good. One for each thread
 * that reads (LEDGER_READERS_MAX), so that none waits for another's. The connections themselves are
 * the adapter's, by number. Private to the adapters.
 *
 * Lock order: the writer's, then the pool's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/lock.h"
#include "port/ledger.h"

struct reader_pool {
	struct lock lock;
	struct lock_condition returned;
	/*
	 * Under the lock; may be repeated. in_doubt: it failed, or what it has read is of a file
	 * that is gone.
	 */
	void (*close)(void *owner, size_t which, bool in_doubt);
	void *owner;
	struct {
		bool busy;
		bool open;
		bool stale; /* to be closed when it comes back */
	} readers[LEDGER_READERS_MAX];
};

void reader_pool_init(struct reader_pool *pool, void (*close)(void *owner, size_t which, bool in_doubt), void *owner);
void reader_pool_deinit(struct reader_pool *pool); /* closes all; asserts that none is out */
/* Waits while all are out. The number of one that is free: an open one (*open) if there is one. */
size_t reader_pool_take(struct reader_pool *pool, bool *open);
/* `usable`: it is open, and may be used again; else it is closed. */
void reader_pool_return(struct reader_pool *pool, size_t which, bool usable);
/* Whatever is open is closed, now or when it comes back. */
void reader_pool_renew(struct reader_pool *pool);

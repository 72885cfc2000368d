/*
 * Where a buyer's orders may lie, so that a list of them need not look at every order. Private to
 * the adapter.
 *
 * The problem: an index in the file costs every purchase a page at a random place, more than all
 * else that it writes, and nobody but a list of one buyer's orders has use for it.
 *
 * The model. It is kept in memory alone, by those who list: nothing of it is on the way of a
 * commit. Orders are taken in chunks, in the order of their ids, and of each chunk a Bloom filter
 * of its buyers is kept (two bytes an order). A list asks the filters and reads the chunks that may
 * have the buyer, and whatever has no filter yet: each list makes those of one slice more, so none
 * waits for all of a large ledger. What came since the last list is caught up with first, and that
 * is exact: an order and its first movement are in one commit, the numbers of movements rise with
 * commits, so whatever is not in the filters that has its place there has a movement above the last
 * one that was seen, in the very snapshot that is listed. An order whose id lies below others' goes
 * into the chunk that has its place.
 *
 * A filter may name a chunk in which there is nothing; it never leaves one out. After a commit
 * whose outcome was in doubt all is forgotten: the number of a movement could mean another one
 * then.
 */
#pragma once

#include <stdatomic.h>
#include "base/lock.h"
#include "base/siphash.h"
#include "ledger/sqlite/connection.h"
#include "port/ledger.h"

struct buyer_chunk;

struct buyer_index {
	struct lock lock; /* held while orders are read: lists alone wait for it */
	struct siphash_key key;
	struct buyer_chunk *chunks; /* by id */
	size_t count, room;
	size_t slice;     /* orders that one list makes filters of */
	int64_t movement; /* the highest number that was seen; -1: nothing was read yet */
	bool is_whole;    /* all have filters; else those up to and with this one: */
	struct uuid end;
	atomic_bool in_doubt;
};

/* Orders above `from`, up to and with `until`. */
struct buyer_range {
	struct uuid from, until;
};

void buyer_index_init(struct buyer_index *index);
void buyer_index_deinit(struct buyer_index *index);
/* Any thread: the file may be read anew from another state. */
void buyer_index_doubt(struct buyer_index *index);
/*
 * In a reading transaction: where the orders lie that filter->buyer may have, behind filter->after;
 * by id. *ranges is malloc'd. 0 or negative.
 */
int buyer_index_find(struct buyer_index *index, struct sqlite_connection *connection, const struct ledger_order_filter *filter,
		     struct buyer_range **ranges, size_t *count) MUST_CHECK;

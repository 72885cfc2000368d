/*
 * Which sales others may have changed, so that a refresh asks about those alone.
 *
 * Redis numbers the changes that its functions make, in a variable of the library
 * (functions/changes.lua). One call names the sales that were changed since the number that this
 * process heard last; of all others what is known stays known, as of that call. The number is of
 * one term on one server, and of the data that was there: where any of it is another, and where a
 * call was not answered, nothing rests on it and every sale is asked.
 *
 * What changes behind the functions' back (a sale that somebody deletes, another version's library)
 * has no number. So that call looks at some sales by themselves, each once a second, whether they
 * are there as they are known; and each is asked for all of it every thirty. An ended one
 * needs it ten times less; one that is not known to be armed, or that has something in its outbox,
 * is asked in each turn.
 *
 * A turn costs a server that sleeps in between more to wake than to answer. So where nothing was
 * changed for a second and nobody asks how old anything is (no purchase came), two turns in three
 * ask nothing: what is known is three turns old then, of the five for which it may be told.
 */
#pragma once

#include "base/lock.h"
#include "stock/redis/sales.h"

struct stock_redis;

enum { REDIS_TERM_SIZE = 32 };

struct redis_change {
	uint64_t generation; /* of the connections to the server that the number is of; 0: none was heard */
	char term[REDIS_TERM_SIZE];
	int64_t number;
};

struct redis_changes {
	struct lock lock; /* a leaf, held for a copy */
	struct redis_change heard;
	_Atomic int64_t heard_ns, news_ns; /* when it was asked last and answered; when anything was doubted last */
	atomic_bool wanted;                /* somebody has asked how old what is known is since the last turn */
};

enum redis_news {
	REDIS_NEWS_NONE,  /* it was not answered */
	REDIS_NEWS_HEARD, /* what was changed is doubted now; all else is as it was when this was asked */
};

void redis_changes_init(struct redis_changes *changes);
void redis_changes_deinit(struct redis_changes *changes);
/* Any thread: somebody wants to know how old it is. */
static inline void redis_changes_want(struct redis_changes *changes)
{
	if (!atomic_load_explicit(&changes->wanted, memory_order_relaxed))
		atomic_store_explicit(&changes->wanted, true, memory_order_relaxed);
}
/* Whether this turn need ask nothing: all stays as it is known, as of the last time. */
bool redis_changes_quiet(struct stock_redis *redis, const struct stock_refresh *sales, size_t count, int64_t now_ns);
/* One round trip, at now_ns. Of the `sales` those are looked at whose turn it is. */
enum redis_news redis_changes_hear(struct stock_redis *redis, const struct stock_refresh *sales, size_t count, int64_t now_ns);

/*
 * Behind redis_changes_hear(), which was sent at sent_ns: true where the sale need not be asked. It
 * is known as of then.
 */
bool redis_changes_rests(struct redis_sales *sales, uint32_t number, int64_t sent_ns);
/* How often the sale was doubted; read before it is asked. */
uint32_t redis_changes_doubts(struct redis_sales *sales, uint32_t number);
/*
 * It was asked at sent_ns, after so many doubts, and all of the answer, of this epoch, was learnt.
 * An ended sale is asked again seldom.
 */
void redis_changes_settle(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t doubts, bool ended, int64_t sent_ns);

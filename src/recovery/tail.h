/*
 * What the journal has of some sales and the ledger has not: the tail, from where the ledger's
 * drain stands to the barrier of a new epoch. A rebuild reads it twice: first to learn which epochs
 * were used and where each sale's last event is, then, over the ledger's orders, to apply it.
 *
 * It is applied by the judge that the drain's ledger uses (ledger/event_judge.h), to the stock that
 * is being loaded: an order is asked for by its id, moved, and loaded again. So nothing of a tail
 * is kept here but a batch of it, the sums of the sale's lots, and its operators' withdrawals.
 *
 * What the drain will do with an event is never guessed. Where the last line of the ledger would
 * keep one out, or one cannot be read, the sale gets a fault.
 */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct tail_sale {
	uint32_t number, partition;
	uint32_t epoch;      /* that was begun for it; 0: none yet */
	struct uuid barrier; /* the id of its barrier; null: none was appended yet */

	/* What the reading so far has met, before the barrier of `epoch`. */
	uint32_t highest; /* epoch of any event or barrier */
	int64_t last;     /* offset of the last event; -1: none */
	int64_t last_bad; /* offset of the last record that cannot be read; -1: none */
	bool reserved;    /* some order, be it void */
	bool withdrawn;   /* some units, be it void */
	bool barrier_met; /* that of `epoch` */
	bool overtaken;   /* a barrier of a newer epoch than ours, or of ours that is not ours: another process rebuilds it */

	/* What it is applied to; filled by tail_sale_start(). */
	struct ledger_snapshot snapshot; /* its lots' sums move on with the tail */
	int64_t next;                    /* the position of the snapshot */
	uint64_t mark;
	uint32_t oldest;                     /* the newest barrier met: events of older epochs are void */
	struct stock_withdrawn *withdrawals; /* the snapshot's, and behind them the tail's */
	size_t withdrawal_count, withdrawal_room;
	size_t applied;    /* events that changed something */
	bool ended;        /* its barrier was met: what is behind it is not its tail */
	const char *fault; /* static text: why it must stay fenced; NULL: none */
};

void tail_sale_init(struct tail_sale *sale, uint32_t number, uint32_t partition);
void tail_sale_deinit(struct tail_sale *sale);
/* Takes the snapshot over. 0, or -ENOMEM. */
int tail_sale_start(struct tail_sale *sale, struct ledger_snapshot *snapshot) MUST_CHECK;
/* Whether there is anything in the tail that the snapshot does not have. After the reading. */
bool tail_sale_has_tail(const struct tail_sale *sale);

/* Sales of one partition, by rising number; and room to work in. */
struct tail {
	struct stock *stock;
	struct tail_sale **sales;
	size_t count;
	uint64_t mark; /* of the last record that was learnt */
	struct tail_batch *batch;
};
/* 0 or -ENOMEM. The sales are borrowed. */
int tail_init(struct tail *tail, struct stock *stock, struct tail_sale **sales, size_t count) MUST_CHECK;
void tail_deinit(struct tail *tail);

/*
 * Both are journal_take, with a struct tail. The first learns, the second applies: negative where
 * the stock fails.
 */
int tail_learn(void *tail, struct journal_record *records, size_t count);
int tail_apply(void *tail, struct journal_record *records, size_t count);

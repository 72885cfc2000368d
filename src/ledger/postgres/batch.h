/*
 * A batch of events on its way into the tables: what is known of the orders and lots that it
 * touches, and the rows that are to be written, column by column. Here an event is judged and its
 * rows are made, in memory; reading and writing are rows.c's. Private to the adapter.
 */
#pragma once

#include "ledger/event_judge.h"
#include "ledger/postgres/postgres_ledger.h"

/*
 * What is known of a lot. Kept from batch to batch: only the sale's epoch and barrier can change,
 * and the server checks the one that is judged by.
 */
struct batch_lot {
	uint32_t sale, lot, epoch, barrier;
	int64_t item;
	char sale_id[SALE_ID_MAX + 1], sku[SKU_MAX + 1];
	int64_t held, confirmed, withdrawn;                         /* changes by this batch */
	int64_t barrier_held, barrier_confirmed, barrier_withdrawn; /* those of them that lie before the sale's newest barrier */
	bool used, touched, met_barrier;
};

/* What is known of an id in this batch. */
struct batch_order {
	struct uuid id;
	bool used;
	bool is_order, is_movement; /* there is such a row */
	bool changed;               /* the order's row is to be updated */
	struct order_row row;
	int64_t changed_at_ms, extended_to_ms; /* extended_to_ms 0: the deadline stays */
	int64_t confirmed_at_ms;               /* likewise, of one that is confirmed; else 0 */
	int64_t withdrawn;                     /* units that leave it, and are not for sale again */
	bool reduced;                          /* it has fewer units than its row */
	struct slice by, reason;              /* of the newest change, as of event_change and its event, from which they borrow */
	char paid[PAYMENT_REFERENCE_MAX + 1]; /* reference of its payment, where an event of this batch pays */
};

/* Columns, in the order of the statements' parameters. */
enum {
	NEW_ID,
	NEW_SALE,
	NEW_LOT,
	NEW_QUANTITY,
	NEW_STATE,
	NEW_EPOCH,
	NEW_BUYER_UNITS,
	NEW_LIMIT,
	NEW_AT,
	NEW_HOLD,
	NEW_BUYER,
	NEW_TRACE,
	NEW_KEY,
	NEW_PRICE,
	NEW_REFERENCE,
	NEW_METADATA,
	NEW_CONFIRMED,
	NEW_COLUMNS
};
enum {
	MOVE_AT,
	MOVE_CAUSE,
	MOVE_ITEM,
	MOVE_SALE,
	MOVE_LOT,
	MOVE_ORDER,
	MOVE_ID,
	MOVE_ON_HAND,
	MOVE_HELD,
	MOVE_CONFIRMED,
	MOVE_WITHDRAWN,
	MOVE_ACTOR,
	MOVE_EPOCH,
	MOVE_HOLD,
	MOVE_REASON,
	MOVE_LEFT,
	MOVE_REFUND,
	MOVE_COLUMNS
};
enum {
	CHANGE_SALE,
	CHANGE_ID,
	CHANGE_STATE,
	CHANGE_AT,
	CHANGE_HOLD,
	CHANGE_CONFIRMED,
	CHANGE_ACTOR,
	CHANGE_REASON,
	CHANGE_QUANTITY,
	CHANGE_WITHDRAWN,
	CHANGE_COLUMNS
};
enum {
	PAYMENT_SALE,
	PAYMENT_ORDER,
	PAYMENT_AT,
	PAYMENT_REFERENCE,
	PAYMENT_AMOUNT,
	PAYMENT_CURRENCY,
	PAYMENT_METHOD,
	PAYMENT_COLUMNS
};
enum { ASK_ID, ASK_SALE, ASK_COLUMNS };
enum { LOT_SALE, LOT_PLACE, LOT_HELD, LOT_CONFIRMED, LOT_WITHDRAWN, LOT_COLUMNS };
enum { RETURN_ITEM, RETURN_UNITS, RETURN_COLUMNS };
enum { LOG_NUMBER, LOG_AT, LOG_ACTOR, LOG_ACTION, LOG_SUBJECT, LOG_DETAIL, LOG_TRACE, LOG_HASH, LOG_COLUMNS };
enum { REQUEST_ID, REQUEST_BODY, REQUEST_OUTCOME, REQUEST_AT, REQUEST_COLUMNS };
enum { EPOCH_SALE, EPOCH_EPOCH, EPOCH_COLUMNS }; /* the barrier, where that is judged by */
enum { DEAD_AT, DEAD_REASON, DEAD_EVENT, DEAD_COLUMNS };
enum { POSITION_PARTITION, POSITION_FROM, POSITION_TO, POSITION_MARK, POSITION_COLUMNS };

struct pg_batch {
	struct batch_lot *lots;
	size_t lot_capacity, lot_count; /* capacity: a power of two */
	size_t *lot_order;              /* room to sort those that are written */
	struct batch_order *orders;
	size_t order_capacity;
	size_t *order_slots; /* in the order of first touch */
	size_t order_count;
	struct pg_log_head head;
	bool by_barrier; /* judged against the sales' barriers, not their epochs */
	bool has_new, has_moves, has_changes, has_lots, has_returns, has_log, has_requests, has_barriers, has_dead, has_payments;
	struct pg_array new[NEW_COLUMNS], moves[MOVE_COLUMNS], changes[CHANGE_COLUMNS], lot_changes[LOT_COLUMNS];
	struct pg_array returns[RETURN_COLUMNS], log[LOG_COLUMNS], epochs[EPOCH_COLUMNS];
	struct pg_array requests[REQUEST_COLUMNS], payments[PAYMENT_COLUMNS];
	struct pg_array barriers[EPOCH_COLUMNS], barrier_sums[LOT_COLUMNS], dead[DEAD_COLUMNS], positions[POSITION_COLUMNS];
	struct pg_array asked[ASK_COLUMNS]; /* of the events: an order is found by its sale and its id */
	struct pg_array sales;              /* likewise, each sale once in a row */
};

/* Room for a batch of so many events. 0 or -ENOMEM. */
int pg_batch_fit(struct pg_batch **batch, size_t events) MUST_CHECK;
void pg_batch_free(struct pg_batch *batch);

/* Forgets the orders and rows; the lots stay. by_barrier: how the next events are judged. */
void pg_batch_clear(struct pg_batch *batch, bool by_barrier);
void pg_batch_forget_lots(struct pg_batch *batch);
/* What the server has told. 0 or -ENOMEM. */
int pg_batch_know_lot(struct pg_batch *batch, const struct batch_lot *lot) MUST_CHECK;
struct batch_lot *pg_batch_lot(struct pg_batch *batch, uint32_t sale, uint32_t lot); /* NULL: not known */
/*
 * Fills batch->lot_order with the touched lots, and those whose sums at a barrier are written down,
 * by sale and place: each is locked as it is written, and whatever plan the server makes of the
 * statement, it goes through the array or through the table's key. How many.
 */
size_t pg_batch_sort_lots(struct pg_batch *batch);
struct batch_order *pg_batch_order(struct pg_batch *batch, const struct uuid *id); /* made at its first touch */

/* What the batch knows of the rows that an event is about. */
struct event_facts pg_batch_facts(struct pg_batch *batch, const struct event *event);
/* Judges an event and makes its rows. An outcome of a ledger_entry, or negative. */
int pg_batch_apply(struct pg_batch *batch, const struct event *event) MUST_CHECK;
/* After the last event: the rows that are sums of many. */
void pg_batch_finish(struct pg_batch *batch);
void pg_batch_dead_letter(struct pg_batch *batch, int64_t at_ms, const char *reason, struct slice json);
bool pg_batch_wrote(const struct pg_batch *batch);

/*
 * The transactions that operators ask for: sales and their lots, items, the operator log, dead
 * letters. Each is said once, in sale_transactions.c and the files beside it, over the rows of
 * whichever database holds the ledger. An adapter gives its rows (the tables of functions here),
 * begins and commits, and finds out what became of a commit that nobody answered. What may be done,
 * and in which order it is written, is decided here alone.
 *
 * What events do is not here: they come in batches, and are the hot path (event_judge.h, and each
 * adapter's apply.c).
 *
 * Private to the adapters.
 */
#pragma once

#include "ledger/rules.h"

/*
 * What a transaction changes besides the rows that it names; an adapter may have to lock it first.
 */
enum transaction_scope {
	TRANSACTION_LOGS = 1,          /* it writes a row of the operator log */
	TRANSACTION_CHANGES_SALES = 2, /* it changes a sale, and takes the next number of such changes */
};

/* One that is running. It is a part of the adapter's own state of it. */
struct transaction {
	const struct transaction_rows *rows;
};
/*
 * What is done in a transaction. 0: commit. An outcome of the port, or negative: nothing stays. It
 * may be called again where the database has undone the first try (a deadlock), so it begins from
 * its request alone.
 */
typedef int transaction_fn(struct transaction *transaction, void *request);

/*
 * The rows. Each call returns 0, negative, or the outcomes that stand beside it; what a call
 * changes is seen by the next one. A constraint that no rule here expects is negative.
 */

/* What a change of a sale must know of it. */
struct sale_head {
	char id[SALE_ID_MAX + 1];
	uint32_t version;
	enum sale_state state;
	bool opened;
	struct sale_stops stops;
};

/* What changes a sale's row also raises its version, and gives it the number of the change. */
struct sale_rows {
	/*
	 * A draft of epoch 1 and version 1; sale->number and sale->change are set. LEDGER_EXISTS.
	 */
	int (*insert)(struct transaction *transaction, struct sale *sale);
	/* LEDGER_NOT_FOUND. */
	int (*read_head)(struct transaction *transaction, uint32_t sale, struct sale_head *head);
	/* 1: the sale has an order; 0: it has none. */
	int (*has_orders)(struct transaction *transaction, uint32_t sale);
	int (*update_terms)(struct transaction *transaction, const struct sale *sale);
	/*
	 * now_ms is kept as the time of the end where that is the state; a draft is no longer the
	 * clock's to arm; that it was open stays known.
	 */
	int (*update_state)(struct transaction *transaction, uint32_t sale, enum sale_state state, int64_t now_ms);
	/* What it is paused by is not shown, so the version stays. */
	int (*write_stops)(struct transaction *transaction, uint32_t sale, const struct sale_stops *stops);
	/* Nothing but version and change. */
	int (*touch)(struct transaction *transaction, uint32_t sale);
	/*
	 * To above the newest barrier that was met, and above `above`. Waits for those who hold the
	 * epoch, so it comes before any other change of a sale, in a transaction without
	 * TRANSACTION_CHANGES_SALES: what is read behind it stays so. LEDGER_NOT_FOUND.
	 */
	int (*raise_epoch)(struct transaction *transaction, uint32_t sale, uint32_t above, uint32_t *epoch);
	/* The row stays, under an id that no sale can be made with. */
	int (*free_id)(struct transaction *transaction, uint32_t sale);
};

/* A lot of a sale. */
struct lot_row {
	uint32_t place;
	int64_t item, units; /* units: see who reads it */
};

struct lot_rows {
	/*
	 * By its SKU; units: what the sale has of it. LEDGER_NOT_FOUND: row->place is the next
	 * one's, the number of the sale's lots.
	 */
	int (*find)(struct transaction *transaction, uint32_t sale, const char *sku, struct lot_row *row);
	/* All of a sale, by place; units: what nobody has. */
	int (*read_free)(struct transaction *transaction, uint32_t sale, struct lot_row rows[static LOTS_MAX], uint32_t *count);
	/* LEDGER_NOT_FOUND. */
	int (*read_sku)(struct transaction *transaction, uint32_t sale, uint32_t lot, char sku[static SKU_MAX + 1]);
	/* LEDGER_CONSTRAINT: the sale has a lot of that item. */
	int (*insert)(struct transaction *transaction, uint32_t sale, uint32_t place, int64_t item, int64_t allocated);
	/* Units more that were given to the lot, and that went back from it. LEDGER_TOO_MANY. */
	int (*add_units)(struct transaction *transaction, uint32_t sale, uint32_t lot, int64_t allocated, int64_t withdrawn);
	/*
	 * With which units of it (held, confirmed, withdrawn) the stock is armed under this epoch;
	 * what is there of a newer one stays.
	 */
	int (*write_armed)(struct transaction *transaction, uint32_t sale, uint32_t place, uint32_t epoch, const struct sale_lot *lot);
};

struct item_rows {
	/* LEDGER_EXISTS. */
	int (*insert)(struct transaction *transaction, const struct ledger_item *item, int64_t *number);
	/* LEDGER_NOT_FOUND. */
	int (*find)(struct transaction *transaction, struct slice sku, int64_t *number, int64_t *on_hand);
	/* Units may be below zero. LEDGER_NOT_ENOUGH. */
	int (*add_on_hand)(struct transaction *transaction, int64_t item, int64_t units);
};

/* What is written beside a change. */
struct record_rows {
	int (*write_movement)(struct transaction *transaction, const struct movement *movement);
	/* 1: there is a movement with this id; 0: there is none. */
	int (*movement_exists)(struct transaction *transaction, const struct uuid *id);
	/* The next row of the operator log, and the actor's request where it has one. */
	int (*write_log)(struct transaction *transaction, const struct ledger_actor *actor, enum log_action action,
			 struct slice subject, struct slice detail_json);
	/* Whether it was done before: LEDGER_REPEATED, LEDGER_KEY_REUSED. */
	int (*find_request)(struct transaction *transaction, struct ledger_request *request);
	int (*write_request)(struct transaction *transaction, const struct ledger_request *request, int64_t at_ms);
	int (*write_dead_letter)(struct transaction *transaction, struct slice json, const char *reason, int64_t now_ms);
	/* Version 0: there is none. */
	int (*read_relay)(struct transaction *transaction, struct slice name, struct ledger_relay *relay);
	/* All of it, with the next version: LEDGER_CONFLICT where its version is not the row's. */
	int (*write_relay)(struct transaction *transaction, const struct ledger_relay *relay);
	/* LEDGER_NOT_FOUND. */
	int (*remove_dead_letter)(struct transaction *transaction, int64_t number);
};

struct transaction_rows {
	/*
	 * Runs one of this scope, and commits: what `body` returned, or what committing failed
	 * with.
	 */
	int (*run)(struct ledger *ledger, unsigned int scope, transaction_fn *body, void *request);
	const struct sale_rows *sales;
	const struct lot_rows *lots;
	const struct item_rows *items;
	const struct record_rows *records;
};

/* A ledger whose rows are reached so. */
struct sql_ledger {
	struct ledger base; /* first */
	const struct transaction_rows *rows;
};

/* --- For the files of transactions --- */

int transaction_run(struct ledger *ledger, unsigned int scope, transaction_fn *body, void *request) MUST_CHECK;
/*
 * Whether the actor's request was done before: 0 (also where it has none), LEDGER_REPEATED,
 * LEDGER_KEY_REUSED, or negative.
 */
int transaction_check_request(struct transaction *transaction, const struct ledger_actor *actor) MUST_CHECK;

/*
 * Sale control: every change of a sale's life and units, in the order that keeps the promises, over
 * ledger, stock and catalog together.
 *
 *   arm       epoch up in the ledger; stock pre-heated from the ledger; state in the ledger; then the gates see it
 *   disarm    epoch up and state in the ledger, in one transaction that finds no order; then the stock forgets it
 *   add       ledger first, then the counter (rule 1)
 *   withdraw  counter first, through the outbox and the journal, then the ledger has it (rule 1)
 *   end       state in the ledger; what is left goes back to the item by sale_control_care(), and again as holds run out
 *
 * It blocks, and belongs to one thread at a time, for the whole of a call (workers/sale_turn.h):
 * nothing in it is locked. Between processes the ledger's transactions and the epoch decide: what
 * lost is told so and leaves nothing behind.
 */
#pragma once

#include "core/order_control.h"
#include "core/sale_catalog.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct sale_control;

/*
 * Whether anything of an armed sale was sold, where the journal is not in the ledger, which alone
 * cannot say so: what lies in the journal may have been told. Ends what was armed: behind a new
 * epoch (*epoch) and its barrier nothing of an older one is told, and up to the barrier the
 * journal's tail is read. DONE: the tail has no order of it; what the ledger has is for the caller
 * to look at, under that epoch. HAS_ORDERS, CONFLICT, STOCK_AWAY, JOURNAL_AWAY, NO_PROOF: the sale
 * stays fenced until it is rebuilt, which it is by itself, unless nothing was begun yet.
 */
struct sale_proof {
	int (*unsold)(void *context, const struct sale *sale, uint32_t *epoch);
	void *context;
};

struct sale_control_settings {
	struct ledger *ledger; /* borrowed, like all here */
	struct stock *stock;
	struct sale_catalog *catalog;
	struct journal_commit commit; /* the stock has been told by the time it returns */
	bool stock_shared;       /* others sell from it too: a sale that it lacks was forgotten, and is rebuilt from the ledger */
	struct sale_proof proof; /* unsold NULL: what is durable is in the ledger, and of an older epoch nothing becomes durable */
	int64_t retention_ms;    /* how long an ended sale stays in memory, for replays */
};

/* What becomes of a call: all there is; negative is fatal, as the ledger tells it. */
enum sale_control_outcome {
	SALE_CONTROL_DONE = 0,
	SALE_CONTROL_ALREADY,       /* it is so already */
	SALE_CONTROL_REPEATED,      /* the actor's request was done before; nothing was done now */
	SALE_CONTROL_KEY_REUSED,    /* the key of the actor's request was used with another body */
	SALE_CONTROL_NO_SALE,       /* there is no such sale, or no such lot of it */
	SALE_CONTROL_NO_ITEM,       /* a lot of something that there is not */
	SALE_CONTROL_EXISTS,        /* the id is taken (with other content) */
	SALE_CONTROL_NOT_ENOUGH,    /* the item has not so many units on hand */
	SALE_CONTROL_TOO_MANY_LOTS, /* a sale has at most LOTS_MAX */
	SALE_CONTROL_TOO_MANY,      /* a lot is given at most UNITS_MAX, what went back from it counted */
	SALE_CONTROL_WRONG_STATE,   /* the sale's state does not allow it */
	SALE_CONTROL_CONFLICT,      /* somebody else has changed it meanwhile */
	SALE_CONTROL_HAS_ORDERS,    /* what has orders cannot be disarmed */
	SALE_CONTROL_NO_PROOF,      /* the journal cannot be read, so nobody can say that nothing was sold */
	SALE_CONTROL_FROZEN,        /* this field cannot be changed once the sale is open, or may be */
	SALE_CONTROL_LOADED,        /* this field is in the stock: disarm the sale first */
	SALE_CONTROL_BAD_TIMES,     /* it would close before it opens */
	SALE_CONTROL_PAST_OPENS,    /* its opening time is over already */
	SALE_CONTROL_PAST_CLOSES,   /* its closing time is */
	SALE_CONTROL_NO_OPENS,      /* it is to be opened by the clock, and has no time */
	SALE_CONTROL_NOT_SO_MANY,   /* the lot has not so many units available: nothing was done */
	SALE_CONTROL_NOT_IN_STOCK,  /* the stock does not have this sale: it ended long ago */
	SALE_CONTROL_FULL,          /* the stock has no room for it now: nothing was done */
	SALE_CONTROL_STOCK_AWAY,    /* the stock cannot be used now, or the sale is being rebuilt: nothing was done */
	SALE_CONTROL_JOURNAL_AWAY,  /* the journal refused: nothing was done */
	SALE_CONTROL_UNKNOWN,       /* the journal cannot say yet whether it is done; it is being driven */
};

/* What a change changes. */
enum sale_field {
	SALE_FIELD_NAME = 1,
	SALE_FIELD_PRICE = 2,
	SALE_FIELD_LIMIT = 4,
	SALE_FIELD_RATE = 8,
	SALE_FIELD_HOLD = 16,
	SALE_FIELD_OPENS = 32,
	SALE_FIELD_CLOSES = 64,
	SALE_FIELD_LATE_CONFIRM = 128,
	SALE_FIELD_SCHEDULE = 256,
	SALE_FIELD_ANNOUNCE = 512,
	SALE_FIELDS_HARMLESS = SALE_FIELD_NAME | SALE_FIELD_CLOSES, /* also while it is open */
	/* Also while it is armed: they are the gates' alone, and no order was made by them yet. */
	SALE_FIELDS_ARMED = SALE_FIELDS_HARMLESS | SALE_FIELD_PRICE | SALE_FIELD_HOLD | SALE_FIELD_OPENS | SALE_FIELD_LATE_CONFIRM,
};

/*
 * Of an actor whose request has a key every change may tell REPEATED and KEY_REUSED. Units that it
 * moves are a movement whose id is the request's, so that ledger, journal and stock all know it
 * again.
 */

int sale_control_new(struct sale_control **control, const struct sale_control_settings *settings) MUST_CHECK;
void sale_control_free(struct sale_control *control);

/*
 * EXISTS, NO_ITEM and NOT_ENOUGH (of lot number *lot), BAD_TIMES, PAST_OPENS, PAST_CLOSES or
 * NO_OPENS; DONE: the sale is in the catalog.
 */
int sale_control_create(struct sale_control *control, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot) MUST_CHECK;
/*
 * Items and sales, all of them or none; `import` says of which the outcome is. EXISTS, NO_ITEM,
 * NOT_ENOUGH, and of a sale's times as above; DONE: the sales are in the catalog, unless it was a
 * dry run.
 */
int sale_control_import(struct sale_control *control, struct ledger_import *import, const struct ledger_actor *actor) MUST_CHECK;
/* Changes the fields named in `fields` to those of `change`. DONE, NO_SALE, CONFLICT, WRONG_STATE (ended), FROZEN, LOADED, BAD_TIMES,
 * NO_OPENS, and of what is changed PAST_OPENS, PAST_CLOSES. */
int sale_control_update(struct sale_control *control, struct slice id, unsigned fields, const struct sale *change,
			const struct ledger_actor *actor) MUST_CHECK;
/*
 * What a draft sells. DONE, NO_SALE, WRONG_STATE (no draft), TOO_MANY_LOTS, NO_ITEM, NOT_ENOUGH and
 * TOO_MANY (of lot number *lot).
 */
int sale_control_set_lots(struct sale_control *control, struct slice id, const struct sale_lot *lots, uint32_t count,
			  const struct ledger_actor *actor, uint32_t *lot) MUST_CHECK;
/* SALE_DISARM may also tell HAS_ORDERS, NO_PROOF, JOURNAL_AWAY and CONFLICT: the sale is as it was, or will be as soon as its stock is rebuilt.
 * SALE_START arms first where that was not done; what is armed or opened by hand must not be past its times (PAST_OPENS, PAST_CLOSES). DONE, ALREADY, WRONG_STATE, NO_SALE, STOCK_AWAY (what is armed here is a draft still). */
int sale_control_move(struct sale_control *control, struct slice id, enum sale_action action,
		      const struct ledger_actor *actor) MUST_CHECK;
/* DONE, NO_SALE, NOT_ENOUGH, TOO_MANY, WRONG_STATE (draft or ended), NOT_IN_STOCK. */
int sale_control_add(struct sale_control *control, struct slice id, struct slice sku, uint32_t units,
		     const struct ledger_actor *actor) MUST_CHECK;
/* Takes up to `units`, or exactly so many; *taken: how many it took (REPEATED: how many it took before). DONE, NO_SALE, WRONG_STATE, NOT_SO_MANY,
 * NOT_IN_STOCK, FULL, STOCK_AWAY, JOURNAL_AWAY, UNKNOWN. */
int sale_control_withdraw(struct sale_control *control, struct slice id, struct slice sku, uint32_t units, bool exact,
			  const struct ledger_actor *actor, uint32_t *taken) MUST_CHECK;

/*
 * An operator's stop, and its release (core/brake.h): of a sale that the gates know. A stop does
 * not wait for the ledger; a release with a request asks it first, where it can be asked. Any
 * thread may call it, whoever has the turn. DONE, REPEATED (of the sale's newest changes, see
 * STOCK_BRAKE_CHANGES; a release also of those that the ledger has), STOCK_AWAY (a stop holds here,
 * but others may sell on), UNKNOWN, FULL, or negative.
 */
int sale_control_brake(const struct sale_control *control, uint32_t number, bool stopped, const struct ledger_actor *actor) MUST_CHECK;

/*
 * The sale keeper's turn: arms drafts that are scheduled, opens and ends what is armed, as the
 * clock says, returns what ended sales have left, finishes units whose addition the ledger could
 * not confirm, forgets sales that ended before the retention time. Of several processes on one
 * ledger one alone is elected to care for the sales, and tells the ledger of brakes; the others
 * finish what is their own. 0, or the first error (the rest was tried too); it is told again while
 * the next try waits.
 */
int sale_control_care(struct sale_control *control, int64_t wall_ms, bool elected) MUST_CHECK;

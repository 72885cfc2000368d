/*
 * Ledger port: the source of truth. Calls block. A handle may be used by any thread: an adapter
 * serialises its writes (one writer connection) and reads on connections of its own, so a slow read
 * never holds up a commit.
 *
 * Outcomes (positive) are declared in enum ledger_outcome; negative is fatal for the call: -EIO,
 * -ENOSPC, -EROFS, -EBUSY (locked, or the lease is lost), -EUCLEAN (corrupt), -ENOTCONN (its server
 * is away), -ETIMEDOUT, -EINPROGRESS (the outcome of the commit is unknown), -ENOMEM. A failed call
 * has changed nothing, unless -EINPROGRESS. Every change of state by an operator writes its row of
 * the operator log in the same transaction, and the row of its request where it has one; every call
 * with an actor that changes something may tell LEDGER_REPEATED and LEDGER_KEY_REUSED.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/uuid.h"
#include "model/event.h"
#include "model/log_action.h"
#include "model/order.h"
#include "model/payment.h"
#include "model/sale.h"
#include "port/ledger_audit.h"
#include "text/buffer.h"

/*
 * So many threads may read at once, and none waits for another: those of a gate, which
 * workers/ledger_workers.c counts.
 */
enum { LEDGER_READERS_MAX = 12 };

enum ledger_outcome {
	LEDGER_DONE = 0,
	LEDGER_ALREADY = 1, /* this was done before, with the same content */
	LEDGER_NOT_FOUND = 2,
	LEDGER_EXISTS = 3,      /* the name is taken (with other content) */
	LEDGER_NOT_ENOUGH = 4,  /* not so many units on hand */
	LEDGER_WRONG_STATE = 5, /* the sale's or order's state does not allow it */
	LEDGER_STALE_EPOCH = 6, /* apply: void, its sale has a newer epoch */
	LEDGER_CONSTRAINT = 7,  /* apply: a last-line constraint fired: this must never happen; logged and counted */
	LEDGER_LEASE_HELD = 8,  /* another process holds the lease */
	LEDGER_TOO_NEW = 9,     /* the schema is of a newer program */
	LEDGER_CONFLICT = 10,   /* sale_update: the version has moved on; sale_disarm: the epoch; sale_release: a stop is newer */
	LEDGER_STALE_POSITION = 11, /* drain: another drain has moved this partition on: nothing was done */
	LEDGER_OTHER_LOG = 12,      /* journal_identify: the rows here come from another log */
	LEDGER_HAS_ORDERS = 13,     /* sale_disarm: what has orders cannot be disarmed */
	LEDGER_TOO_MANY = 14,       /* the lot would have been given more than UNITS_MAX, what went back from it counted */
	LEDGER_REPEATED = 20,       /* the actor's request was done before; nothing was done now */
	LEDGER_KEY_REUSED = 21,     /* the key of the actor's request was used with another body */
};

/* How a ledger is opened; each adapter has its own function for that. */
enum ledger_open_flags {
	LEDGER_OPEN_LEASE = 1,     /* take the exclusive lease, migrate, open for writing */
	LEDGER_OPEN_READ_ONLY = 2, /* look only: audit, listing; needs no lease */
	LEDGER_OPEN_LATER = 8, /* with SHARED: asks nobody now; each call fails as of a ledger that is away until elect() has reached it */
	LEDGER_OPEN_SHARED = 4, /* one of several gates and drains: share the lease, which keeps exclusive ones out; migrate, open for writing */
};

struct ledger_item {
	char sku[SKU_MAX + 1];
	char name[NAME_MAX_BYTES + 1];
	int64_t on_hand;   /* units in the warehouse that no sale has */
	int64_t allocated; /* units that are in sales: allocated - withdrawn */
};

struct ledger_order {
	struct uuid id;
	uint32_t sale, lot, epoch;
	uint32_t quantity, first_quantity, withdrawn; /* as it is now, or when it ended; as granted; of those, withdrawn from the sale */
	char sale_id[SALE_ID_MAX + 1], sku[SKU_MAX + 1];
	char buyer[BUYER_MAX + 1], key[KEY_MAX + 1], trace[TRACE_SIZE + 1];
	enum order_state state;
	int64_t placed_at_ms, changed_at_ms;
	int64_t hold_expires_at_ms;       /* 0: none */
	int64_t first_hold_expires_at_ms; /* as granted */
	int64_t confirmed_at_ms;          /* 0: it never was, or an older program's */
	struct payment_row payment;       /* its reference is empty where there is none */
	int64_t paid_at_ms;               /* likewise 0 */
	bool priced;                      /* unit_price is known; of an older program's it is not */
	int64_t unit_price;
	char currency[4];                                                    /* of the price: the sale's */
	char reference[ORDER_REFERENCE_MAX + 1], metadata[METADATA_MAX + 1]; /* the shop's labels; empty: none */
	/*
	 * Of its newest change, at changed_at_ms: who (empty: an older program did not keep it),
	 * and why (empty: it was not said).
	 */
	enum actor_kind actor_kind;
	char actor[NAME_MAX_BYTES + 1];
	char reason[REASON_MAX + 1];
};

struct ledger_order_filter {
	uint32_t sale;          /* 0: any */
	enum order_state state; /* 0: any */
	struct slice buyer;     /* empty: any */
	struct slice payment;   /* reference of the payment; empty: any */
	struct slice reference; /* the shop's own name for it; empty: any */
	struct uuid after;      /* null: from the start; ids rise */
};

/*
 * A place in the feed of what happened: behind the change with this number, whose row is known by
 * its mark. Number 0: before the first.
 */
struct ledger_cursor {
	int64_t number;
	uint64_t mark;
};

/* Which changes: behind `after`, decided at since_ms or later. */
struct ledger_change_filter {
	struct ledger_cursor after;
	int64_t since_ms;
};

/* One thing that happened: an event as it was applied, all but barriers. */
struct ledger_change {
	struct ledger_cursor at;
	struct event event;        /* borrows from here; without the trace of what was not the purchase, and without `request` */
	struct ledger_order order; /* as it is now; of withdrawn units only sale, lot and their names, its id is null */
	enum order_state state;    /* of a reduction: what the order was, and stays */
	uint32_t buyer_units, limit_per_buyer; /* the order's, as granted */
	char actor[NAME_MAX_BYTES + 1], reason[REASON_MAX + 1], refund[PAYMENT_REFERENCE_MAX + 1];
};

struct ledger_log_row {
	int64_t number, at_ms;
	char actor[NAME_MAX_BYTES + 1], action[64], subject[128];
	char detail[1024]; /* JSON */
	char trace[TRACE_SIZE + 1];
	char hash[65]; /* SHA-256 in hex over the row before's hash and the fields above */
};

/* Which rows of the operator log. */
struct ledger_log_filter {
	int64_t after;               /* rows behind this number; newest_first: before it, 0: from the end */
	int64_t since_ms;            /* at or after */
	struct slice actor, subject; /* empty: any */
	struct slice action;         /* that, or what begins with it and a dot ("sale": all of sales); empty: any */
	enum { LEDGER_LOG_ALL, LEDGER_LOG_PAYMENTS, LEDGER_LOG_DOINGS } kind; /* what happened to orders; all else */
	bool newest_first;
};

struct ledger_dead_letter {
	int64_t number, at_ms;
	char reason[256];
	char *event; /* JSON, owned by the row: free() */
};

/* How far a relay of the feed has come. */
enum { LEDGER_RELAY_TEXT_MAX = 4096, LEDGER_RELAY_SKIPS_MAX = 16 };
struct ledger_relay {
	char name[SALE_ID_MAX + 1];
	int64_t version, at_ms;                   /* version 0: it has kept nothing yet */
	char position[LEDGER_RELAY_TEXT_MAX + 1]; /* JSON, the relay's own; empty: none */
	char skipped[LEDGER_RELAY_TEXT_MAX + 1];  /* ids of changes that were given up, with a space between; the newest last */
};

/*
 * A request of an operator that has an Idempotency-Key: it is done once, however often it is sent.
 * Written down in the change's own transaction, or with the event that carries it.
 */
struct ledger_request {
	struct uuid id;   /* hash of its actor, route and key; of a change that moves units, the movement's id too */
	struct uuid body; /* hash of its body: the same key with another body is another request */
	int64_t outcome; /* out, of one that was done before: the units that it withdrew, the end of the hold that it extends to; else 0 */
};

/* Who does it, for the operator log and for events. */
struct ledger_actor {
	enum actor_kind kind;
	struct slice name, trace;
	struct slice reason; /* why it changes an order; empty: it does not say, or changes none */
	int64_t now_ms;
	struct ledger_request *request; /* NULL: it has no key */
	int64_t until_ns; /* monotonic: then nobody waits for the answer any more, and a release is not made; 0: no end */
};

/*
 * One event to apply. outcome: DONE, ALREADY, STALE_EPOCH, CONSTRAINT, WRONG_STATE (a terminal
 * state absorbed it), NOT_FOUND. Where apply() failed: ALREADY (it is there from before: driven
 * again), -EINPROGRESS (nobody can say), or the failure (it is certainly not there).
 */
struct ledger_entry {
	const struct event *event;
	int outcome;
};

/* A partition of the journal moves from one position to the next. */
struct ledger_progress {
	uint32_t partition;
	int64_t from, to; /* offset of the next record: as the drain found it, and after this batch */
	uint64_t mark;    /* fingerprint of the record before `to` */
};

/* A record of the journal that is no event: it goes to the dead letters as it is. */
struct ledger_bad_record {
	const char *reason;
	struct slice record;
};

/* One transaction of a drain. */
struct ledger_drain {
	struct ledger_entry *entries; /* in the order of their partitions; outcomes as apply()'s */
	size_t count;
	const struct ledger_bad_record *bad;
	size_t bad_count;
	const struct ledger_progress *progress; /* each partition at most once */
	size_t progress_count;
	int64_t now_ms;
};

/* Items and sales that are made together, or none of them; items first. */
struct ledger_import {
	const struct ledger_item *items;
	size_t item_count;
	struct sale *const *sales; /* each as for sale_create() */
	size_t sale_count;
	bool dry_run; /* all is decided, and nothing stays */
	bool in_sale; /* out, of what was refused: whether it is a sale, else an item; */
	size_t at;    /* its place among those; */
	uint32_t lot; /* and of a sale the lot */
};

/* How far a partition of the journal has been read, and the fingerprint of the record before. */
struct ledger_position {
	uint32_t partition;
	int64_t next;
	uint64_t mark;
};

/* Units that an operator has withdrawn from a lot. */
struct ledger_withdrawal {
	struct uuid movement;
	uint32_t lot, units;
};

/* What a sale's stock is built again from, beside its orders: all of one moment. */
struct ledger_snapshot {
	struct sale *sale;                 /* with its epoch, its barrier, and the sums that the ledger keeps of each lot */
	uint32_t partitions;               /* of the log outside of the ledger, fixed for its life; 0: not known, or none */
	struct ledger_position *positions; /* of the partitions that something was read from */
	size_t position_count;
	struct ledger_withdrawal *withdrawals; /* in the order in which they were written */
	size_t withdrawal_count;
};
static inline void ledger_snapshot_deinit(struct ledger_snapshot *snapshot)
{
	free(snapshot->sale);
	free(snapshot->positions);
	free(snapshot->withdrawals);
	memset(snapshot, 0, sizeof(*snapshot));
}
/*
 * A page of the sale's orders, by rising id; the snapshot is whole before the first. 0: go on;
 * anything else ends the reading.
 */
typedef int ledger_orders_fn(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count);

struct ledger;
struct ledger_ops {
	const char *name;

	/*
	 * Applies every event in one transaction; 0 when committed (see each outcome), negative
	 * when nothing was.
	 */
	int (*apply)(struct ledger *ledger, struct ledger_entry *entries, size_t count);

	/*
	 * Applies what a drain has read, and moves its positions, in one transaction. An event is
	 * void (LEDGER_STALE_EPOCH) where its epoch is older than its sale's barrier (apply(): than
	 * its sale's epoch); EVENT_BARRIER raises the barrier, and never lowers it; the sums that
	 * the sale's lots have there, between what lies before it and behind it, are written down
	 * with it. What no transaction can apply (LEDGER_NOT_FOUND, LEDGER_CONSTRAINT) and the bad
	 * records become dead letters in the same transaction. 0: committed; LEDGER_STALE_POSITION;
	 * negative: nothing was done; -EINPROGRESS: nobody can say, the position tells.
	 */
	int (*drain)(struct ledger *ledger, struct ledger_drain *batch);
	/*
	 * Says which log this ledger is filled from; the first time it is written down, and with it
	 * how many partitions the log has: an event's partition follows from that number, so it is
	 * fixed from then on. *partitions: in, what the log has now; out, what was written down.
	 * DONE; LEDGER_OTHER_LOG: it is filled from another, `known` (malloc'd text, "CLUSTER
	 * TOPIC") says which.
	 */
	int (*journal_identify)(struct ledger *ledger, struct slice cluster, struct slice topic, uint32_t *partitions, char **known);
	/*
	 * The position of a partition of that log, and the fingerprint of the record before it.
	 * DONE, NOT_FOUND: nothing was read from it yet.
	 */
	int (*journal_position)(struct ledger *ledger, uint32_t partition, int64_t *next, uint64_t *mark);
	/*
	 * Tries to be, or to stay, the one process that cares for the sales and rebuilds their
	 * stock: DONE, LEDGER_LEASE_HELD (another is), or negative. It ends with the process, or
	 * with its session, or where it does not stand any more: then LEDGER_LEASE_HELD too. Where
	 * the lease is exclusive, its holder is always elected.
	 */
	int (*elect)(struct ledger *ledger, bool candidate);

	int (*item_create)(struct ledger *ledger, const struct ledger_item *item, const struct ledger_actor *actor);
	/* *on_hand: after. DONE, ALREADY (movement), NOT_FOUND. */
	int (*item_receive)(struct ledger *ledger, struct slice sku, int64_t units, const struct uuid *movement,
			    const struct ledger_actor *actor, int64_t *on_hand);
	/* The same with a reason; units may be below zero. DONE, ALREADY, NOT_FOUND, NOT_ENOUGH. */
	int (*item_adjust)(struct ledger *ledger, struct slice sku, int64_t units, struct slice reason,
			   const struct uuid *movement, const struct ledger_actor *actor, int64_t *on_hand);
	int (*item_get)(struct ledger *ledger, struct slice sku, struct ledger_item *item);
	/* Up to `max` items with sku > after, by sku; *count how many. */
	int (*items)(struct ledger *ledger, struct slice after, struct ledger_item *items, size_t max, size_t *count);

	/* DONE, EXISTS, NOT_FOUND (a lot's item), NOT_ENOUGH: `import` says of which. */
	int (*import)(struct ledger *ledger, struct ledger_import *import, const struct ledger_actor *actor);
	/*
	 * In: everything but number, epoch, version, state (draft), lots' item. Takes the units
	 * from the items. DONE, EXISTS, NOT_FOUND (item), NOT_ENOUGH; *lot: which.
	 */
	int (*sale_create)(struct ledger *ledger, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot);
	/*
	 * Writes name, price, limit, rate, hold, times, scheduled and announced of `sale` where its
	 * version is still the ledger's. DONE, NOT_FOUND, CONFLICT.
	 */
	int (*sale_update)(struct ledger *ledger, const struct sale *sale, const struct ledger_actor *actor);
	/*
	 * Sets how many units lots of a draft have, out of their items or back: those of `lots`
	 * (sku, allocated: what the lot is to have). A SKU that is no lot yet becomes the last one.
	 * DONE, NOT_FOUND (sale, item), NOT_ENOUGH, TOO_MANY, CONFLICT (version), WRONG_STATE (no
	 * draft); *lot: which of `lots`.
	 */
	int (*sale_set_lots)(struct ledger *ledger, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			     const struct ledger_actor *actor, uint32_t *lot);
	/*
	 * Moves the state (sale_next); on SALE_END the time is kept. SALE_PAUSE is counted
	 * (sale->stops), also of what is paused already. On SALE_DELETE the units of a draft go
	 * back to their items, and its id is free again: the row stays, under an id that none can
	 * be made with. DONE, ALREADY, WRONG_STATE, NOT_FOUND. Not SALE_DISARM.
	 */
	int (*sale_move)(struct ledger *ledger, uint32_t sale, enum sale_action action, const struct ledger_actor *actor);
	/*
	 * A release that the stock has had: SALE_RESUME where it answers the stops that are
	 * counted, else it is in the operator log and moves nothing. As sale_move(), and CONFLICT:
	 * a stop may be newer, and the release is in the log.
	 */
	int (*sale_release)(struct ledger *ledger, uint32_t sale, const struct sale_release *release,
			    const struct ledger_actor *actor);
	/*
	 * Makes an armed sale a draft again, where it has no order: its epoch, which must be this
	 * one, is raised in the same transaction, so that no event of an order comes behind it;
	 * and the clock does not arm it again. DONE, ALREADY, WRONG_STATE, NOT_FOUND, HAS_ORDERS,
	 * CONFLICT (it has another epoch).
	 */
	int (*sale_disarm)(struct ledger *ledger, uint32_t sale, uint32_t epoch, const struct ledger_actor *actor);
	/*
	 * Raises the epoch, to above the newest barrier that was met, and above `above` (what a
	 * journal has that was not drained yet), and tells it. DONE, NOT_FOUND.
	 */
	int (*sale_raise_epoch)(struct ledger *ledger, uint32_t sale, uint32_t above, uint32_t *epoch);
	/* One sale by number (or by id where number is 0); malloc'd. DONE, NOT_FOUND. */
	int (*sale_get)(struct ledger *ledger, uint32_t number, struct slice id, struct sale **sale);
	/*
	 * Up to `max` sales with number > after, deleted ones left out, by number, malloc'd each;
	 * live_since_ms: leave out sales that ended before then, unless they have units that are
	 * still held or have not gone back to their item (INT64_MIN: all).
	 */
	int (*sales)(struct ledger *ledger, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max, size_t *count);
	/*
	 * Up to `max` sales whose `change` is above `after`, by rising change, malloc'd each: what
	 * other processes have changed. Changes become visible in the order of their numbers.
	 */
	int (*sales_changed)(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count);
	/*
	 * More units for a lot out of the item: DONE, ALREADY (movement), NOT_FOUND, NOT_ENOUGH,
	 * TOO_MANY, WRONG_STATE (ended).
	 */
	int (*lot_add)(struct ledger *ledger, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *movement,
		       const struct ledger_actor *actor);

	/* By its id, which ends in its sale's number. DONE, NOT_FOUND. */
	int (*order_get)(struct ledger *ledger, const struct uuid *id, struct ledger_order *order);
	/* By id, up to `max`; *count how many. */
	int (*orders)(struct ledger *ledger, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max,
		      size_t *count);
	/*
	 * What happened, in the order in which it was applied (within a sale: in which the stock
	 * decided it), up to `max`; *count how many. None is ever left out: what may still get a
	 * place before one that is committed holds that one back. DONE; NOT_FOUND: there is no such
	 * place as `after` here (the ledger was restored from a backup, or is another). *next, if
	 * DONE: where a reader goes on. Where there was nothing that is behind all that was looked
	 * at, so that what is older than `since_ms` is read once.
	 */
	int (*changes)(struct ledger *ledger, const struct ledger_change_filter *filter, struct ledger_change *changes,
		       size_t max, size_t *count, struct ledger_cursor *next);
	/*
	 * Everything of one sale as it is at one moment, whatever is committed meanwhile: the
	 * snapshot, which is the caller's to deinit() whatever comes, and all orders, in pages.
	 * DONE, NOT_FOUND, what `page` returned, or negative: pages may have been given by then.
	 */
	int (*sale_snapshot)(struct ledger *ledger, uint32_t sale, struct ledger_snapshot *snapshot, ledger_orders_fn *page,
			     void *context);

	/*
	 * Writes down with which units of its lots (held, confirmed, withdrawn of `sale`) the stock
	 * is about to be armed under this epoch: whoever drains the journal past its barrier finds
	 * out whether the ledger comes to the same. What is there of a newer epoch stays. DONE.
	 */
	int (*lots_armed)(struct ledger *ledger, const struct sale *sale, uint32_t epoch);
	/* Up to `max` lots for which it did not; *count how many. */
	int (*lots_unequal)(struct ledger *ledger, struct ledger_unequal_lot *lots, size_t max, size_t *count);
	/* As ledger_audit.shared_payments. Looks at every payment. */
	int (*payments_shared)(struct ledger *ledger, int64_t *count);

	/*
	 * Whether it was done before: DONE (it was not), REPEATED (*request has its outcome),
	 * KEY_REUSED.
	 */
	int (*request_find)(struct ledger *ledger, struct ledger_request *request);
	/*
	 * Writes down a request whose change follows in a transaction of its own: what it is to
	 * come to (`outcome`) is fixed by who asks first. DONE; REPEATED (*request has the outcome
	 * that was fixed), KEY_REUSED.
	 */
	int (*request_note)(struct ledger *ledger, struct ledger_request *request, int64_t at_ms);

	/* *relay: as it is; of one that nobody has heard of, version 0. DONE. */
	int (*relay_get)(struct ledger *ledger, struct slice name, struct ledger_relay *relay);
	/*
	 * Keeps its position where its version is still the ledger's, and raises that. DONE,
	 * CONFLICT: another process has, or something was skipped.
	 */
	int (*relay_put)(struct ledger *ledger, struct ledger_relay *relay);
	/*
	 * Gives a change up: its id (ASCII without spaces) is the newest of `skipped`, of which the
	 * newest LEDGER_RELAY_SKIPS_MAX stay; with a row of the operator log, `relay.skip`. DONE,
	 * ALREADY.
	 */
	int (*relay_skip)(struct ledger *ledger, struct slice name, struct slice change, const struct ledger_actor *actor,
			  struct slice detail_json);

	int (*log_append)(struct ledger *ledger, const struct ledger_actor *actor, enum log_action action, struct slice subject,
			  struct slice detail_json);
	/* By number, up to `max`; *count how many. */
	int (*log_rows)(struct ledger *ledger, const struct ledger_log_filter *filter, struct ledger_log_row *rows, size_t max,
			size_t *count);

	/* Dead letters: events that no transaction could apply, with their reason. */
	int (*dead_letter)(struct ledger *ledger, const struct event *event, const char *reason, int64_t now_ms);
	int (*dead_letters)(struct ledger *ledger, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count);
	int (*dead_letter_remove)(struct ledger *ledger, int64_t number);
	/*
	 * Removes it unreplayed, with a row of the operator log, `dead-letter.forget`, in the same
	 * transaction. DONE or NOT_FOUND.
	 */
	int (*dead_letter_forget)(struct ledger *ledger, const struct ledger_actor *actor, int64_t number, struct slice detail_json);

	int (*audit)(struct ledger *ledger, struct ledger_audit *audit);
	/*
	 * 0, or negative with the reason (static text) while writes are failing. Never blocks; any
	 * thread.
	 */
	int (*health)(struct ledger *ledger, const char **reason);
	/*
	 * Tries to get well again after a failure: close, reopen, read what is there. 0, or
	 * negative. Called by the owner of the journal.
	 */
	int (*recover)(struct ledger *ledger);
	/*
	 * Work of the ledger's own that no commit need wait for, if there is some: a checkpoint.
	 * For when those who waited for a commit have been answered; where nobody calls it for
	 * long, a commit does it.
	 */
	void (*tidy)(struct ledger *ledger);
	/*
	 * The process ends, and nobody waits for what is read any more: what a server does not
	 * answer at once is given up. NULL where no read waits for a server.
	 */
	void (*leave)(struct ledger *ledger);
	void (*free)(struct ledger *ledger);
};
struct ledger {
	const struct ledger_ops *ops;
};

/* As the operation; `ledger` may be NULL. */
static inline void ledger_leave(struct ledger *ledger)
{
	if (ledger && ledger->ops->leave)
		ledger->ops->leave(ledger);
}

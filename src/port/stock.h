/*
 * Stock port: the hot counters of a sale and the memory of who has bought.
 *
 * Every call takes a batch and answers each item by itself. An adapter with `local` set does no I/O
 * and may be called by any thread at any time without blocking. Any other blocks, and is called by
 * threads that may block, several at once (it has a connection for each); only what says "any
 * thread" below never does: it tells what the adapter knew at its last refresh(). A sale lives in
 * the stock from preheat_begin() to drop(); every item names its sale's number and is refused with
 * STOCK_UNKNOWN_SALE where the stock has none armed, and with STOCK_FENCED where what is there must
 * not be sold from (it is being rebuilt, or an old term has come back).
 *
 * Several processes may share one stock. Then it has one clock, its own: deadlines are told and
 * kept by it, and now_ns, now_ms only say how long ago something was.
 *
 * The hot counter never runs ahead of the log (rule 1): units leave it in reserve() and withdraw(),
 * before anything is written; they come back in the acknowledgement of a cancel, refund, reduction
 * or expiry, after the journal has it, or in compensate() of a grant that was definitely refused.
 * Those that an operator sends to the warehouse, or has lost, are withdrawn there instead.
 *
 * The outbox: each grant or settlement that went out and is neither acknowledged nor compensated.
 * An entry whose journal end is unknown stays, is claimed, and is driven again until its end is
 * known (rule 2).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/uuid.h"
#include "model/event.h"
#include "model/order.h"
#include "model/payment.h"
#include "model/refusal.h"
#include "model/sale.h"

/* What a sale's stock must know; copied by preheat_begin(). */
struct stock_rules {
	uint32_t sale, epoch;
	uint32_t limit_per_buyer, rate_requests, rate_seconds; /* rate_requests 0: no limit */
	uint32_t lot_count;
};

/* One order as the stock remembers it. */
struct stock_order {
	struct uuid id;
	uint32_t lot, quantity;  /* quantity: as it is now, or was when the order ended */
	uint32_t first_quantity; /* as it was granted: what a replay says, and what its key is compared by */
	enum order_state state;
	bool settling;                    /* an action on it is on its way to the journal */
	bool durable;                     /* the journal has acknowledged its grant */
	int64_t hold_expires_at_ms;       /* wall; what the buyer was told (or the last extension); 0: none */
	int64_t first_hold_expires_at_ms; /* wall; as it was granted: what a replay says */
};

enum { STOCK_ENDANGERED = 1 }; /* of health() */
enum { STOCK_NEWEST = 8 };     /* of a buyer's orders a stock tells so many */

/*
 * Those of a purchase that is refused, among them STOCK_SOLD_OUT, are the rows of model/refusal.h.
 */
enum stock_outcome {
	STOCK_DONE = 0,
	STOCK_REPLAY = 1,       /* the key was used: `order` is what it got; answer it only when durable */
	STOCK_NO_REPLAY = 3,    /* replay_only, and there is no order for this key */
	STOCK_UNKNOWN_SALE = 7, /* of a sale that the ledger has on sale: the stock has forgotten it */
	STOCK_NO_ORDER = 12,    /* settle, find: no such order in this sale (or not this buyer's) */
	STOCK_ALREADY = 13,     /* settle: the order is there already */
	STOCK_REFUSED = 14,     /* settle: its state, or its quantity, does not allow it; `order` tells */
	STOCK_BUSY = 15,        /* settle: another action on it is on its way */
	STOCK_EXPIRED = 16, /* settle: confirm, extend, reduce: the deadline and grace have passed (also before the housekeeper came by) */
	/* settle: a confirm with a payment, which moves nothing */
	STOCK_WRONG_AMOUNT = 18,   /* it is not what the order costs */
	STOCK_PAID_ALREADY = 19,   /* the order is confirmed and has another payment: `paid`, where the stock keeps texts */
	STOCK_REFERENCE_USED = 20, /* it has paid for another order of the sale: `payer` */
#define STOCK_REFUSAL(name, number, ...) STOCK_##name = (number),
	REFUSALS_BY_STOCK(STOCK_REFUSAL)
#undef STOCK_REFUSAL
};

struct stock_reserve {
	/*
	 * In. event: sale, lot, quantity, id (proposed), at_ms, hold_expires_at_ms, buyer, key,
	 * labels, price, actor_kind, actor, trace, reason. The texts are copied. A key that was
	 * used with another lot, quantity or labels is STOCK_KEY_CONFLICT.
	 */
	struct event event;
	int64_t now_ns;      /* monotonic */
	int64_t hold_ns;     /* 0: born confirmed */
	bool replay_only;    /* answer an earlier order of this key, but grant nothing (sale not open, or latched) */
	bool unlimited_rate; /* by an operator: the buyer's rate is neither asked nor counted */
	/*
	 * Out. On STOCK_DONE event.epoch, event.buyer_units and event.limit_per_buyer are filled,
	 * event.hold_expires_at_ms is what the stock's clock makes of it, and the entry is in the
	 * outbox.
	 */
	enum stock_outcome outcome;
	struct stock_order order; /* STOCK_DONE, STOCK_REPLAY */
	int64_t retry_after_ms;   /* STOCK_RATE_LIMITED */
	uint32_t rate_left; /* grants left in the buyer's window: a refusal consumes none, and a compensated grant gives its own back */
	struct uuid own[STOCK_NEWEST]; /* STOCK_BUYER_LIMIT: orders of this buyer that are live, as far as the journal has them; newest first */
	uint32_t own_count;
	uint64_t version; /* STOCK_SOLD_OUT: the lot's version that was seen: the latch's */
	bool may_return;  /* STOCK_SOLD_OUT: live holds may still return units */
};

struct stock_settle {
	/* In */
	uint32_t sale;
	struct uuid id;
	enum order_action action;
	struct slice buyer;     /* empty: any (operator); else the order must be this buyer's */
	int64_t now_ns, now_ms; /* monotonic; wall */
	int64_t grace_ns;       /* a confirm or extend within deadline + grace is in time */
	int64_t extend_ns;      /* ORDER_EXTEND: new hold from now; where it has as much already: STOCK_ALREADY */
	/*
	 * ORDER_EXTEND: when the hold is to end, as the stock tells deadlines (stock_find.now_ms),
	 * at most extend_ns from now; where its end is not before that, STOCK_ALREADY: so the same
	 * may be asked again. 0: extend_ns from now.
	 */
	int64_t extend_to_ms;
	enum actor_kind actor_kind;
	struct slice actor, trace, reason; /* as the event's */
	struct uuid request;               /* confirm, cancel, refund, reduce: as the event's */
	/*
	 * ORDER_CANCEL, ORDER_REFUND, ORDER_REDUCE. from: units that the order must have, else
	 * STOCK_REFUSED, also where it is where the action leads: who says it gives back a number
	 * of units, and nobody else's may pass for that; 0: any. quantity: how many leave it,
	 * ORDER_REDUCE alone; fewer than `from`, which is then not 0.
	 */
	uint32_t from, quantity;
	bool held_only; /* ORDER_REDUCE: of one that is confirmed it would be a refund, which was not meant: STOCK_REFUSED */
	enum units_to units_to;
	struct slice refund; /* as the event's */
	/*
	 * ORDER_CONFIRM; its reference is empty where there is none. An order that is confirmed and
	 * has none takes it (EVENT_PAID). priced: its amount is compared with what the order costs
	 * at this price of a unit.
	 */
	struct payment payment;
	bool priced;
	int64_t unit_price;
	/* Out */
	enum stock_outcome outcome;
	struct stock_order order;             /* as it is now (as it will be, on STOCK_DONE) */
	char owner[BUYER_MAX + 1];            /* the order's buyer, with `order`; empty where the stock keeps no names */
	char paid[PAYMENT_REFERENCE_MAX + 1]; /* the order's payment, with `owner` */
	struct uuid payer;                    /* STOCK_REFERENCE_USED: the order that the reference has paid for */
	struct event event;                   /* STOCK_DONE: what the journal must get; its texts are the caller's */
};

struct stock_find {
	uint32_t sale;
	struct uuid id;
	struct slice buyer;         /* as in stock_settle */
	enum stock_outcome outcome; /* STOCK_DONE, STOCK_NO_ORDER, STOCK_UNKNOWN_SALE, STOCK_FENCED, STOCK_UNAVAILABLE */
	struct stock_order order;
	char owner[BUYER_MAX + 1]; /* as in stock_settle */
	char paid[PAYMENT_REFERENCE_MAX + 1];
	int64_t now_ms; /* STOCK_DONE: the time by which the sale's deadlines are told */
};

/* One buyer's orders in a sale. */
struct stock_orders {
	uint32_t sale;
	struct slice buyer;
	enum stock_outcome outcome; /* as of stock_find; STOCK_DONE also where there are none */
	/* The newest that the journal has, newest first. */
	struct stock_order orders[STOCK_NEWEST];
	uint32_t count;
	bool more;    /* there are older ones */
	bool waiting; /* there are newer ones of which the stock does not know yet whether the journal has them */
};

/* Units that an operator, or the end of the sale, takes back. */
struct stock_withdrawal {
	/* In */
	uint32_t sale, lot, units;
	bool exact; /* all of them or none */
	struct uuid movement;
	struct uuid request;    /* as the event's; copied to the outbox */
	int64_t now_ns, now_ms; /* monotonic; wall */
	enum actor_kind actor_kind;
	struct slice actor, trace; /* copied to the outbox */
	/* Out */
	struct event event; /* EVENT_WITHDRAWN; its texts are the caller's */
};

/* An outbox entry. `text` keeps the event's texts. */
struct stock_claim {
	struct event event;
	struct event_text text;
};

/* An order that preheat_load() puts back. */
struct stock_load {
	struct uuid id;
	uint32_t lot, quantity, first_quantity; /* as of stock_order */
	enum order_state state;
	struct slice buyer, key;
	int64_t hold_expires_at_ms, first_hold_expires_at_ms; /* wall */
	int64_t hold_left_ns;                                 /* from now; held orders */
	struct slice paid; /* reference of its payment; empty: none, or the one that was loaded with it before */
	uint64_t labels;   /* labels_fingerprint(); with `key` */
};

/* A withdrawal that preheat_withdrawals() puts back. */
struct stock_withdrawn {
	struct uuid movement;
	uint32_t lot, units;
};

struct stock_lot_state {
	int64_t available, held, confirmed, withdrawn, allocated; /* `held` includes orders that are releasing */
	uint64_t version;                                         /* rises each time units come back or are added */
};

/* A sale that this process sells, for refresh(). */
struct stock_refresh {
	/* In */
	uint32_t sale, epoch; /* the epoch as the ledger had it when it was last read; a stock with an older one is an old term */
	uint32_t lot_count;
	bool ended; /* nothing is sold of it any more: it may be asked about seldom */
	/* Out: STOCK_DONE, STOCK_UNKNOWN_SALE, STOCK_FENCED, STOCK_UNAVAILABLE */
	enum stock_outcome outcome;
};

/*
 * What a stock says to an acknowledgement. Only the first two prove that the event's epoch was
 * still the stock's when it was asked (rule 3).
 */
enum stock_ack {
	STOCK_ACK_UNANSWERED = 0, /* it could not be asked, or did not say */
	STOCK_ACK_DONE = 1,
	STOCK_ACK_ALREADY = 2,     /* it was acknowledged before */
	STOCK_ACK_UNKNOWN = 3,     /* no such order or movement, or nothing of this kind is on its way for it */
	STOCK_ACK_OTHER_EPOCH = 4, /* the sale is fenced, or armed under another epoch than the event's */
	STOCK_ACK_NO_SALE = 5,     /* the stock does not have the sale, and has not forgotten it either */
};

/* How many of a sale's newest stops and releases a stock remembers. */
enum { STOCK_BRAKE_CHANGES = SALE_STOPS_KEPT };

/* An operator's stop of a sale, or its release. */
struct stock_brake_change {
	uint32_t serial;     /* rises with each */
	bool stopped;        /* nothing is sold */
	int64_t at_ms;       /* wall, of the process that was asked */
	struct uuid request; /* of who asked; what was done for it once is not done again */
	uint32_t stops; /* of a release: how many the ledger had counted as far as who took it could know (model/sale_stops.h) */
	char actor[NAME_MAX_BYTES + 1], trace[TRACE_SIZE + 1];
};

/* What became of a sale by operators' stops and their releases. */
struct stock_brake {
	uint32_t serial;  /* of the newest, or above it where the sale was dropped since; 0: nobody has touched it */
	uint32_t written; /* the ledger has been told of all up to this one */
	bool stopped;     /* as the newest says */
	/*
	 * Whose changes this process has known that are in the history no more: of these the ledger
	 * is asked whether they were done. The newest, oldest first.
	 */
	uint32_t lost_count;
	struct uuid lost[STOCK_BRAKE_CHANGES];
	uint32_t count;
	struct stock_brake_change changes[STOCK_BRAKE_CHANGES]; /* the newest, oldest first */
};

/* Whether the ledger has not been told of all. */
static inline bool stock_brake_pending(const struct stock_brake *brake)
{
	return brake->written < brake->serial;
}

/* Whether a change was known that was made for this request, and the history has it no more. */
static inline bool stock_brake_has_lost(const struct stock_brake *brake, const struct uuid *request)
{
	for (uint32_t i = 0; i < brake->lost_count; i++)
		if (uuid_equal(&brake->lost[i], request))
			return true;
	return false;
}

/* Whose processes sell from a stock that those of several versions share. */
enum stock_sellers {
	STOCK_SELLERS_OURS = 0,
	STOCK_SELLERS_OTHERS = 1, /* another version's, and some of them live: this process stands by */
	STOCK_SELLERS_NONE = 2,   /* another version's, and nobody knows of a living one: who is elected may take over */
};

struct stock_totals {
	int64_t available, held, confirmed, withdrawn, buyers, orders, outbox, unreadable, memory_bytes; /* unreadable: since the start */
};

enum { STOCK_LOG_NAME_MAX = 249 };

/* The log that the ledger is filled from, as the ledger knows it. */
struct stock_log {
	char cluster[STOCK_LOG_NAME_MAX + 1], topic[STOCK_LOG_NAME_MAX + 1];
	uint32_t partitions;
};

struct stock;

struct stock_ops {
	const char *name;
	bool local;

	void (*reserve)(struct stock *stock, struct stock_reserve *items, size_t count);
	void (*settle)(struct stock *stock, struct stock_settle *items, size_t count);
	/*
	 * Holds whose deadline + grace has passed: moves up to `max` of them to releasing and
	 * writes their EVENT_EXPIRED to `out` (no texts but a static actor). Returns how many.
	 * *next_ns gets the monotonic time of the next deadline + grace, or INT64_MAX; it may be
	 * that of a hold which has ended in another way meanwhile.
	 */
	size_t (*expire)(struct stock *stock, int64_t now_ns, int64_t now_ms, int64_t grace_ns, struct event *out, size_t max,
			 int64_t *next_ns);
	/*
	 * The journal has these events durably. Unknown ids and repeated calls change nothing. In
	 * two halves, for a journal whose word is proof enough need not wait for the stock's:
	 * behind the first, whatever is asked of the stock finds them acknowledged; the second
	 * learns what it said to each, and tells it again where it said nothing. (One that is lost
	 * all the same stays in the outbox, and is claimed.) One at a time; the events may go after
	 * the first; `answers`, one for each event, is the stock's until the second has returned.
	 * NULL: nobody wants to know.
	 */
	void (*acknowledge_send)(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers);
	void (*acknowledge_wait)(struct stock *stock);
	/*
	 * These were definitely refused: undoes those that nobody else has claimed. Unknown ids
	 * change nothing. undone[i]: nothing of it is left; false: it is claimed, or the stock
	 * cannot be asked: it may still become true, and its end is unknown. Called once for each:
	 * a second call could undo what a retry of the same request has sent out since.
	 */
	void (*compensate)(struct stock *stock, const struct event *const *events, size_t count, bool *undone);
	/*
	 * Outbox entries that went out before `before_ns` (monotonic), oldest first; each is then
	 * owned by the claimer.
	 */
	size_t (*claim)(struct stock *stock, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max);
	void (*find)(struct stock *stock, struct stock_find *items, size_t count);
	void (*orders)(struct stock *stock, struct stock_orders *item);
	/*
	 * Whether this buyer may have an order in this sale: any thread, never blocks, may say yes
	 * in error but never no. For the one exception to the latch (a retry must get its order
	 * back).
	 */
	bool (*may_have_order)(struct stock *stock, uint32_t sale, struct slice buyer);
	/*
	 * How old may_have_order() and version() are for this sale: the monotonic time at which the
	 * newest refresh() that told all of it was sent; 0: none was answered yet. Only where the
	 * stock is not local: what a local one says is the truth of that moment. Any thread, never
	 * blocks.
	 */
	int64_t (*known_ns)(struct stock *stock, uint32_t sale);

	/*
	 * Pre-heat: begin, load (any number of batches), then units and arm in one step. Replaces
	 * what was there. 0 or negative. An order that is loaded again is as it was loaded last:
	 * its former state counts no more. Buyer, key, lot and quantity of an order never change.
	 */
	int (*preheat_begin)(struct stock *stock, const struct stock_rules *rules);
	int (*preheat_load)(struct stock *stock, uint32_t sale, const struct stock_load *orders, size_t count, int64_t now_ns);
	/* As find(), of a sale that is being loaded: what a rebuild has loaded of it so far. */
	void (*preheat_find)(struct stock *stock, struct stock_find *items, size_t count);
	/*
	 * Withdrawals that the ledger or the journal has, oldest first, so that one that is asked
	 * for again takes nothing. Their units are those of arm()'s `withdrawn`: they are not
	 * counted here. As preheat_load() otherwise.
	 */
	int (*preheat_withdrawals)(struct stock *stock, uint32_t sale, const struct stock_withdrawn *withdrawals, size_t count);
	/*
	 * allocated, withdrawn: per lot. Fails with -ERANGE where the loaded orders exceed a lot or
	 * a buyer's limit: the ledger is wrong; with -ESTALE where another process has begun a
	 * newer epoch since.
	 */
	int (*arm)(struct stock *stock, uint32_t sale, const int64_t *allocated, const int64_t *withdrawn);
	/* Forgets the sale, but for one that has a newer epoch than this. */
	void (*drop)(struct stock *stock, uint32_t sale, uint32_t epoch);

	/*
	 * The lot's allocation as the ledger has it now: ledger first, then here (rule 1). It only
	 * rises: one that is not above what is here changes nothing, so repeating is harmless. 0,
	 * or an outcome: STOCK_UNKNOWN_SALE, STOCK_FENCED, STOCK_UNAVAILABLE,
	 * STOCK_OUTCOME_UNKNOWN.
	 */
	int (*allocate)(struct stock *stock, uint32_t sale, uint32_t lot, int64_t allocated);
	/*
	 * Takes up to `units` of what is available out of the counter, all or what is there; the
	 * event, with the quantity taken, is in the outbox. Quantity 0: nothing was available, or
	 * not so many as it was to be exactly. A repeated movement takes nothing, and tells what it
	 * took once that is durable. 0, or an outcome: STOCK_BUSY (this movement is on its way
	 * already), STOCK_UNKNOWN_SALE, STOCK_FULL, STOCK_FENCED, STOCK_UNAVAILABLE,
	 * STOCK_OUTCOME_UNKNOWN (it may be in the outbox, and is then driven like any other).
	 */
	int (*withdraw)(struct stock *stock, struct stock_withdrawal *withdrawal);

	/*
	 * Stops a sale, or lets it go on, for every process from its next call on, whatever state
	 * the sale is in; it outlives preheat_begin(), and ends with drop(). The change gets its
	 * serial here. It is never refused for want of room in the history: the oldest makes way,
	 * written or not. 0; STOCK_REPLAY: one of the changes in the history has this request, and
	 * nothing was changed; or STOCK_FULL, STOCK_UNAVAILABLE, STOCK_OUTCOME_UNKNOWN: then a stop
	 * holds for this process, and for the others as soon as the stock can be reached.
	 */
	int (*brake)(struct stock *stock, uint32_t sale, const struct stock_brake_change *change);
	/* The ledger has been told of all up to this serial. */
	void (*brake_written)(struct stock *stock, uint32_t sale, uint32_t serial);
	/*
	 * Learns what other processes have said of the brake, whatever state the sale is in:
	 * refresh() does that of a sale that is armed. No loss where the stock cannot be reached.
	 */
	void (*brake_hear)(struct stock *stock, uint32_t sale);
	/* What is known without I/O; any thread. False: nobody has touched it. */
	bool (*brake_of)(struct stock *stock, uint32_t sale, struct stock_brake *brake);

	/*
	 * For processes that cannot ask the ledger, a stock that several share keeps the rows of
	 * its sales as the ledger had them, each with the epoch that it was armed under; one of
	 * another epoch than the stock's, or older than what is kept, changes nothing. It is no
	 * loss where it is not done: what is not kept now is kept with the next change.
	 */
	void (*keep)(struct stock *stock, const struct sale *const *sales, size_t count);
	/*
	 * The row of a sale that is armed, under the epoch that it is armed with: it may be sold
	 * from as if the ledger had told it; malloc'd. 0, or STOCK_UNKNOWN_SALE (none is kept),
	 * STOCK_FENCED, STOCK_UNAVAILABLE.
	 */
	int (*recall)(struct stock *stock, uint32_t number, struct sale **sale);
	/*
	 * Up to `max` numbers above `after` of sales whose rows may be kept, by number; *count how
	 * many. 0 or STOCK_UNAVAILABLE.
	 */
	int (*kept)(struct stock *stock, uint32_t after, uint32_t *numbers, size_t max, size_t *count);
	/* The same of the log: 0, or STOCK_UNKNOWN_SALE (none is kept), STOCK_UNAVAILABLE. */
	void (*keep_log)(struct stock *stock, const struct stock_log *log);
	int (*recall_log)(struct stock *stock, struct stock_log *log);

	/*
	 * Of a stock that processes of several versions share; NULL otherwise (stock_sellers()).
	 * While another version's sell, nothing here is granted, begun or dropped, refresh() says
	 * STOCK_UNAVAILABLE and health() why. take_over(), by who is elected, makes this version
	 * the one that sells, where nobody is: its sales are fenced then, each until its next
	 * preheat_begin(). 0 or negative. leave(): this process sells no more, and nobody need wait
	 * to find that out.
	 */
	enum stock_sellers (*sellers)(struct stock *stock); /* any thread, no I/O */
	int (*take_over)(struct stock *stock);
	void (*leave)(struct stock *stock);

	/*
	 * Learns what other processes have done to these sales: units, versions, who has bought,
	 * fences, brakes. Called every few tens of milliseconds; nothing to do for a stock that no
	 * other process has.
	 */
	void (*refresh)(struct stock *stock, struct stock_refresh *sales, size_t count);
	/*
	 * 0 while calls are expected to work; STOCK_ENDANGERED: they are, but what a promise stands
	 * on is not so any more, and an operator must mend it; negative: they are not. With why
	 * (static text) where it is not 0. Any thread.
	 */
	int (*health)(struct stock *stock, const char **reason);
	/*
	 * What it knows now without I/O; any thread. 0, or STOCK_UNKNOWN_SALE. `lots` has room for
	 * LOTS_MAX.
	 */
	int (*snapshot)(struct stock *stock, uint32_t sale, struct stock_lot_state *lots, uint32_t *lot_count);
	/* The version of one lot: one atomic read, any thread; for the latch. 0 where unknown. */
	uint64_t (*version)(struct stock *stock, uint32_t sale, uint32_t lot);
	void (*totals)(struct stock *stock, struct stock_totals *totals);
	void (*free)(struct stock *stock);
};

/* The first member of every adapter's own struct. */
struct stock {
	const struct stock_ops *ops;
	/*
	 * Monotonic: when a caller of a version that tells its buyers by the journal's word alone
	 * may last have had something granted; 0: there never was one. That may be told for another
	 * T_ack.
	 */
	_Atomic int64_t other_version_ns;
	int64_t quiesce_ns; /* after preheat_begin(): how long a term that was cut off from us may still grant elsewhere; 0 where it cannot */
	int64_t quiesce_other_ns; /* the same where processes of another version may have sold, which hold no lease of their server */
};

static inline enum stock_sellers stock_sellers(struct stock *stock)
{
	return stock->ops->sellers ? stock->ops->sellers(stock) : STOCK_SELLERS_OURS;
}

/* Both halves, for who need not know what the stock says. */
static inline void stock_acknowledge(struct stock *stock, const struct event *const *events, size_t count)
{
	stock->ops->acknowledge_send(stock, events, count, NULL);
	stock->ops->acknowledge_wait(stock);
}

/*
 * Admission: the purchase decision, in its order. It knows no socket and no thread: it is handed
 * purchases and says what becomes of them.
 *
 *   screen   what is public: the sale's window, the sold-out latch (steps 3 and 4 of the way of a purchase)
 *   reserve  the one atomic step in the stock (7), a batch at a time
 *   finish   what the journal's end means for the buyer (8, 9), told under the epoch that granted it (rule 3)
 *
 * Between screen and reserve the gate does what is its own: the limit per address and the identity
 * (5 and 6).
 *
 * What is remembered of a shared stock (latch, filter of buyers) is worth something only while it
 * is young: a gate that slept, or is cut off, knows nothing of what the others have done since. So
 * a refusal is said from memory only while the last refresh was sent less than ADMISSION_FRESH_NS
 * ago; else the stock is asked, by at most ADMISSION_ASKS_MAX requests a lot at a time, or a slow
 * stock would get the whole stampede. So: *sold out is said only if at some instant from
 * ADMISSION_FRESH_NS before the request (of a local stock: from the request) to its answer there
 * were not so many units.*
 */
#pragma once

#include <stdbool.h>
#include "core/ack_deadline.h"
#include "core/sale_catalog.h"
#include "port/stock.h"

/* The one defined answer of each request (P5). The refusals are the rows of model/refusal.h. */
enum verdict {
	VERDICT_NONE = 0, /* not decided yet */
	VERDICT_ACCEPTED,
	VERDICT_REPLAYED,
#define VERDICT_BY_STOCK(name, number, bare, verdict, ...) VERDICT_##verdict,
	REFUSALS_BY_STOCK(VERDICT_BY_STOCK)
#undef VERDICT_BY_STOCK
#define VERDICT_BY_GATE(verdict, ...) VERDICT_##verdict,
		REFUSALS_BY_GATE(VERDICT_BY_GATE)
#undef VERDICT_BY_GATE
			VERDICT_COUNT,
};

enum {
	ADMISSION_FRESH_NS = 100000000, /* five turns of the refresh */
	ADMISSION_ASKS_MAX = 64, /* a quarter of a batch: a stock that is well has answered them before the next refresh is due */
};

struct admission {
	struct stock *stock; /* borrowed */
	int64_t ack_deadline_ns;
	bool shared; /* others sell from it too: what is remembered of it has an age, and a sale that it lacks was forgotten */
};

struct purchase {
	struct event event;       /* lot, quantity, id, at_ms, texts filled by the gate; its texts are the caller's */
	int64_t started_ns;       /* monotonic; the acknowledgement deadline counts from here */
	int64_t hold_ns;          /* of the sale; 0: born confirmed */
	struct sale_entry *entry; /* must stay until admission_reserve() has returned: see admission_keep() */
	bool kept;                /* it is kept for this purchase */
	bool asks;                /* it has a place among those that ask: admission_ask() */
	enum verdict refusal;     /* what screen() said; a replay alone may pass it */
	/* Out */
	enum verdict verdict;
	struct stock_order order; /* accepted, replayed */
	int64_t retry_after_ms;
	uint32_t rate_left;
	struct uuid own[STOCK_NEWEST]; /* VERDICT_BUYER_LIMIT: live orders of this buyer, newest first */
	uint32_t own_count;
	bool may_return;
};

/* What else screen() has seen. */
struct admission_view {
	bool may_return; /* of VERDICT_SOLD_OUT */
	bool stale;      /* what is remembered of this stock is too old to be said: who goes on for that needs admission_ask() */
};

/*
 * Steps 3 and 4 at this moment of wall time, for so many units: VERDICT_NONE to go on, or the
 * refusal. A lot that is latched by what is too old is VERDICT_NONE with view->stale. No I/O, no
 * lock.
 */
enum verdict admission_screen(const struct admission *admission, struct sale_entry *entry, uint32_t lot, uint32_t quantity,
			      int64_t now_ms, struct admission_view *view);
/* Whether a buyer with an order in this sale may pass this refusal, to get that order again. */
bool admission_may_replay(enum verdict refusal);
/*
 * Whether this buyer may have an order in this sale; yes, with view->stale, where what is
 * remembered of it is too old. Any thread, no lock.
 */
bool admission_may_have_order(const struct admission *admission, uint32_t sale, struct slice buyer, struct admission_view *view);
/*
 * A place among those that ask the stock about this lot because of view->stale; false: there is
 * none, the answer is VERDICT_STOCK_UNAVAILABLE. Given back by whoever has it, or with
 * admission_let_go() of a purchase that `asks`.
 */
bool admission_ask(struct sale_latch *latch);
void admission_asked(struct sale_latch *latch);
/* Its entry stays until admission_let_go(): for one that goes to another thread. */
void admission_keep(struct purchase *purchase);
/* The stock has answered, or was never asked. */
void admission_let_go(struct purchase *purchase);

/*
 * Step 7 for a batch. Each purchase gets its verdict, or keeps VERDICT_NONE: then its units are
 * taken and its event must go to the journal, or be compensated (workers/stock_executor.h does
 * either). Thread: any where the stock is local, else one that may block.
 */
void admission_reserve(const struct admission *admission, struct purchase *const *purchases, size_t count);
/*
 * Steps 8 and 9: the verdict that the journal's end means for a purchase that began at started_ns,
 * told at now_ns.
 */
enum verdict admission_finish(const struct admission *admission, enum journal_end end, enum epoch_proof proof, int64_t started_ns,
			      int64_t now_ns);

/*
 * Admission: the purchase decision, in its order. It knows no socket and no thread: it is handed purchases and says what becomes of them.
 *
 *   screen   what is public: the sale's window, the sold-out latch (steps 3 and 4 of the way of a purchase)
 *   reserve  the one atomic step in the stock (7), a batch at a time
 *   finish   what the journal's end means for the buyer (8, 9), with the deadline on telling (rule 3)
 *
 * Between screen and reserve the gate does what is its own: the limit per address and the identity (5 and 6).
 */
#pragma once

#include <stdbool.h>
#include "core/message.h"
#include "core/sale_catalog.h"
#include "port/stock.h"

/* The one defined answer of each request (P5). One table names them for answers, metrics and logs: see gate/problems.c. */
enum verdict {
	VERDICT_NONE = 0, /* not decided yet */
	VERDICT_ACCEPTED,
	VERDICT_REPLAYED,
	VERDICT_SALE_NOT_OPEN,
	VERDICT_SALE_PAUSED,
	VERDICT_SALE_ENDED,
	VERDICT_SOLD_OUT,
	VERDICT_BUYER_LIMIT,
	VERDICT_RATE_LIMITED,
	VERDICT_KEY_CONFLICT,
	VERDICT_IN_FLIGHT,
	VERDICT_OVERLOADED,
	VERDICT_FENCED,
	VERDICT_JOURNAL_UNAVAILABLE,
	VERDICT_STOCK_UNAVAILABLE,
	VERDICT_OUTCOME_UNKNOWN,
	VERDICT_COUNT,
};

struct admission {
	struct stock *stock; /* borrowed */
	int64_t ack_deadline_ns;
};

struct purchase {
	struct job job;           /* event: lot, quantity, id, at_ms, texts filled by the gate */
	int64_t hold_ns;          /* of the sale; 0: born confirmed */
	struct sale_latch *latch; /* of the lot; its entry must stay until admission_reserve() has returned */
	enum verdict refusal;     /* what screen() said; a replay alone may pass it */
	/* Out */
	enum verdict verdict;
	struct stock_order order; /* accepted, replayed */
	int64_t retry_after_ms;
	uint32_t rate_left;
	bool may_return;
};

/*
 * Steps 3 and 4 at this moment of wall time, for so many units: VERDICT_NONE to go on, or the refusal. *may_return for
 * VERDICT_SOLD_OUT. No I/O, no lock.
 */
enum verdict admission_screen(const struct admission *admission, struct sale_entry *entry, uint32_t lot, uint32_t quantity,
			      int64_t now_ms, bool *may_return);
/* Whether a buyer with an order in this sale may pass this refusal, to get that order again. */
bool admission_may_replay(enum verdict refusal);

/*
 * Step 7 for a batch. Each purchase gets its verdict, or keeps VERDICT_NONE: then its units are taken and its job must go to the journal,
 * or admission_abandon() must be called. Thread: any where the stock is local, else one that may block.
 */
void admission_reserve(const struct admission *admission, struct purchase *const *purchases, size_t count);
/* The job never left (no room in the lane): gives the units back, the verdict is VERDICT_OVERLOADED, or unknown where another has claimed it. */
void admission_abandon(const struct admission *admission, struct purchase *purchase);
/* Steps 8 and 9: the verdict that the journal's end means, told at now_ns. */
enum verdict admission_finish(const struct admission *admission, const struct job *job, int64_t now_ns);

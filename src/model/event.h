/*
 * Order events: what the stock grants and the journal keeps. An event carries its sale and the
 * epoch that granted it; behind a barrier of its sale every event with an older epoch is void.
 * Applying an event twice is the same as once (by id and kind; of a reduction by what it leaves,
 * too, which falls with each).
 *
 * As JSON (Kafka values, dead letters): one object, "v":1, see docs/events.md. Decoding is strict:
 * unknown kinds, missing or wrong fields are -EBADMSG; unknown extra fields are let through, so
 * that a newer writer does not stop an older reader.
 */
#pragma once

#include <stdint.h>
#include "base/uuid.h"
#include "model/labels.h"
#include "model/limits.h"
#include "model/order.h"
#include "model/payment.h"
#include "text/buffer.h"
#include "text/slice.h"

enum event_kind {
	EVENT_RESERVED = 1,  /* an order was granted: id, lot, quantity, buyer, key, hold */
	EVENT_CONFIRMED = 2, /* id, payment, reason */
	EVENT_CANCELLED = 3, /* id, quantity, units_to, refund, reason; of a held order */
	EVENT_REFUNDED = 4,  /* likewise; of a confirmed order, by an operator */
	EVENT_EXPIRED = 5,   /* id */
	EVENT_EXTENDED = 6,  /* id, hold_expires_at_ms, reason */
	EVENT_WITHDRAWN = 7, /* id is the movement's; lot, quantity */
	EVENT_BARRIER = 8,   /* starts `epoch` of its sale: behind it, events of an older one are void; id is its own */
	EVENT_PAID = 9,      /* id, payment, reason: of an order that was confirmed without one */
	EVENT_REDUCED = 10,  /* id, quantity, left, units_to, refund, reason; of a live order, by an operator */
};

/* As in the pending records of a stock that is shared. */
enum actor_kind {
	ACTOR_UNSAID = 0, /* of an event that was written before events said it: names tell, see ledger_event_by_operator() of the ledger */
	ACTOR_BUYER = 1,
	ACTOR_OPERATOR = 2,
	ACTOR_CLOCK = 3,
};

struct event {
	enum event_kind kind;
	enum actor_kind actor_kind; /* who acted; names tell it to people only: a buyer may be called as an operator, or "clock" */
	uint32_t sale, epoch, lot;  /* sale: its number; lot: its place in the sale */
	/*
	 * Units of the order, withdrawn units, or units that leave the order. cancelled, refunded:
	 * all that it has; 0: it is not said, as by an older program, and by who cannot know.
	 */
	uint32_t quantity;
	uint32_t left;              /* reduced: units that the order has after it; at least 1 */
	enum units_to units_to;     /* cancelled, refunded, reduced */
	uint32_t buyer_units;       /* reserved: the buyer's live units of the sale with this order */
	uint32_t limit_per_buyer;   /* reserved: the limit it was granted under */
	struct uuid id;             /* order, or movement */
	int64_t at_ms;              /* wall time of the decision */
	int64_t hold_expires_at_ms; /* wall; reserved and extended; 0: born confirmed */
	struct slice buyer;         /* reserved */
	struct slice key;           /* reserved; empty: none */
	struct labels labels;       /* reserved */
	bool priced;                /* reserved: unit_price is told; an older program does not */
	int64_t unit_price;         /* in the currency's smallest unit */
	struct slice actor;         /* the buyer's own name, an operator's, or "clock" */
	struct slice trace;         /* traceparent, or empty */
	struct slice reason; /* why, in the words of who acted; empty: it was not said. Of what is reserved: a late confirm's */
	/*
	 * Of an operator's request with a key. withdrawn: hash of its body (its id is the
	 * movement's); confirmed, and what gives back a number of units: its id. Null: it had no
	 * key.
	 */
	struct uuid request;
	struct payment payment; /* confirmed, paid; its reference is empty where there is none */
	struct slice refund;    /* cancelled, refunded, reduced: the payment side's own name for what it pays back; empty: none */
	/*
	 * Reserved: where the stock that granted it has it, for the acknowledgement; 0: it does not
	 * say. Of this process alone: no journal has it.
	 */
	uint64_t stock_place;
};

/* Owned text of an event that outlives the request it came from. */
struct event_text {
	union { /* no event has both */
		struct {
			char buyer[BUYER_MAX], key[KEY_MAX];
		};
		struct {
			char reference[PAYMENT_REFERENCE_MAX], method[PAYMENT_METHOD_MAX]; /* of its payment, or refund */
		};
	};
	char actor[NAME_MAX_BYTES], trace[TRACE_SIZE];
	char labels[ORDER_REFERENCE_MAX + METADATA_MAX]; /* it and what follows last: of most orders it is never touched */
	char reason[REASON_MAX];
};
/*
 * Copies the texts of `event` into `text` and lets its slices point there. Longer texts than the
 * limits abort: they were checked.
 */
void event_own(struct event *event, struct event_text *text);

/* 1 to REASON_MAX bytes of text without control characters. */
bool event_reason_valid(struct slice reason);
/* Whether its id and texts are what event_decode() takes: for one that comes from elsewhere. */
bool event_valid(const struct event *event);

/*
 * ID/KIND/MS, or of a reduction ID/KIND/MS/LEFT: what names it once and for all, as ce_id and in
 * the feed.
 */
void event_name(const struct event *event, struct buffer *out);
/* Whether the text is made like one. */
bool event_name_valid(struct slice text);
/*
 * A request to give back a number of units has a row in the ledger before it is done, so that there
 * is one does not say that it was. A second one does, which comes with the event: by this id.
 */
struct uuid event_request_done(const struct uuid *request);
const char *event_kind_name(enum event_kind kind);       /* "order.reserved", … */
const char *event_actor_kind_name(enum actor_kind kind); /* "buyer", …; NULL: unsaid */
enum event_kind event_kind_of(enum order_action action);
void event_encode(const struct event *event, struct buffer *out);
/*
 * 0; -EPROTONOSUPPORT: an event of a later version, or of a kind that is not known here; -EBADMSG:
 * none at all (why, in *reason: static text); or -ENOMEM. The texts are copied to `text`.
 */
int event_decode(struct slice json, struct event *event, struct event_text *text, const char **reason);
/*
 * Of an event that could not be applied: whether a buyer may have been told of a purchase by it. A
 * reservation, or what cannot be read.
 */
bool event_may_be_purchase(struct slice json);

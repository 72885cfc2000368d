/* Of the model alone: the kinds of events as they are written and read. */
#pragma once

#include "model/event.h"

/*
 * What a kind carries beside what every event has: v, kind, id, sale, epoch, at, and actor,
 * actor_kind and trace where they are known.
 */
enum {
	WITH_LOT = 1,    /* lot, quantity */
	WITH_BUYER = 2,  /* buyer, buyer_units, limit_per_buyer, and key, price, reference, metadata where there is one */
	WITH_HOLD = 4,   /* hold_expires_at; null: none */
	HOLD_NEEDED = 8, /* it is never null */
	WITH_PAYMENT = 16, /* payment_reference, and payment_amount, payment_currency, payment_method where they were told; or nothing */
	PAYMENT_NEEDED = 32, /* it is there */
	WITH_REASON = 64,    /* reason, where it was said */
	WITH_UNITS = 128,    /* quantity, units, reference (of the refund), request: where they were said */
	WITH_LEFT = 256,     /* quantity and left, which are there */
};
enum { EVENT_KINDS_END = EVENT_REDUCED + 1, EVENT_ACTOR_KINDS_END = ACTOR_CLOCK + 1 };
struct event_kind_form {
	const char *name;
	unsigned carries;
};
extern const struct event_kind_form event_kind_forms[EVENT_KINDS_END];
extern const char *const event_actor_kinds[EVENT_ACTOR_KINDS_END];

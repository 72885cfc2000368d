/* Private to the gate: what a buyer is told of a purchase. */
#pragma once

#include "core/admission.h"
#include "gate/reply.h"

/* What the answer needs of the sale, which may be gone from the table by then. */
struct purchase_terms {
	char sale_id[SALE_ID_MAX + 1], sku[SKU_MAX + 1];
	uint32_t rate_requests, rate_seconds;
	int64_t opens_at_ms; /* SALE_NO_TIME: by hand */
};

/* Refusals that are the buyer's own affair; what the shop cannot do now is not. */
bool purchase_is_attempt(enum verdict verdict);
/* Fills an empty reply with what the verdict means. */
void purchase_say(const struct purchase *purchase, const struct purchase_terms *terms, enum verdict verdict, struct reply *reply);
/* The parts that need no purchase, because they are public. */
void purchase_say_window(enum verdict verdict, int64_t opens_at_ms, int64_t now_ms, struct reply *reply);
void purchase_say_coming(int64_t opens_at_ms, int64_t now_ms, struct reply *reply); /* a draft that is announced */
/* It had waited too long, and so have those behind it. */
void purchase_say_late(int64_t retry_after_ms, struct reply *reply);
void purchase_say_sold_out(bool may_return, struct reply *reply);

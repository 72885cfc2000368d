#include "gate/buyer/purchase_answer.h"

#include "base/clock.h"
#include "gate/render.h"

/*
 * What each refusal is told as, and whether it is counted as an attempt: the rows of
 * model/refusal.h.
 */
static const struct {
	enum problem problem;
	bool refusal, attempt;
} refusals[VERDICT_COUNT] = {
#define BY_STOCK(name, number, bare, verdict, problem, attempt) [VERDICT_##verdict] = {PROBLEM_##problem, true, attempt},
	REFUSALS_BY_STOCK(BY_STOCK)
#undef BY_STOCK
#define BY_GATE(verdict, problem, attempt) [VERDICT_##verdict] = {PROBLEM_##problem, true, attempt},
		REFUSALS_BY_GATE(BY_GATE)
#undef BY_GATE
};

bool purchase_is_attempt(enum verdict verdict)
{
	return refusals[verdict].attempt;
}

/*
 * What is said of a sale that does not sell now; also when it will, so that clients need not ask on
 * and on.
 */
static void say_not_open(const char *state, int64_t opens_at_ms, int64_t now_ms, struct reply *reply)
{
	bool paused = strcmp(state, "paused") == 0;
	struct problem_options options = {.detail = paused ? "The sale is paused." : "The sale has not opened yet."};
	struct buffer members;

	if (!paused && opens_at_ms != SALE_NO_TIME)
		options.retry_after_ms = opens_at_ms > now_ms ? opens_at_ms - now_ms : 1000;
	else
		options.retry_after_ms = 5000;
	buffer_init(&members, 256);
	buffer_printf(&members, ",\"state\":\"%s\"", state);
	buffer_append_literal(&members, ",\"opens_at\":");
	render_time(opens_at_ms, &members);
	options.members = buffer_slice(&members);
	reply_problem(reply, PROBLEM_SALE_NOT_OPEN, &options);
	buffer_deinit(&members);
}

void purchase_say_window(enum verdict verdict, int64_t opens_at_ms, int64_t now_ms, struct reply *reply)
{
	say_not_open(verdict == VERDICT_SALE_NOT_OPEN ? "armed" : "paused", opens_at_ms, now_ms, reply);
}

void purchase_say_coming(int64_t opens_at_ms, int64_t now_ms, struct reply *reply)
{
	say_not_open("coming", opens_at_ms, now_ms, reply);
}

void purchase_say_late(int64_t retry_after_ms, struct reply *reply)
{
	reply_problem(reply, PROBLEM_OVERLOADED,
		      &(struct problem_options){.detail = "More purchases wait than can be decided in time. Nothing was done.",
						.retry_after_ms = retry_after_ms});
}

void purchase_say_sold_out(bool may_return, struct reply *reply)
{
	struct problem_options options = {.members = may_return ? SLICE(",\"may_return\":true") : SLICE(",\"may_return\":false")};

	reply_problem(reply, PROBLEM_SOLD_OUT, &options);
}

/* An answer that was lost without a key can be found so. */
static void say_limit(const struct purchase *purchase, struct reply *reply)
{
	struct problem_options options = {0};
	char id[UUID_TEXT_SIZE];
	struct buffer members;

	buffer_init(&members, 1024);
	buffer_append_literal(&members, ",\"orders\":[");
	for (uint32_t i = 0; i < purchase->own_count; i++) {
		uuid_format(&purchase->own[i], id);
		buffer_append_text(&members, i ? ",\"" : "\"");
		buffer_append_text(&members, id);
		buffer_append_literal(&members, "\"");
	}
	buffer_append_literal(&members, "]");
	options.members = buffer_slice(&members);
	reply_problem(reply, PROBLEM_BUYER_LIMIT, &options);
	buffer_deinit(&members);
}

/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers). */
static void say_rate(struct reply *reply, uint32_t requests, uint32_t seconds, uint32_t left, int64_t reset_ms)
{
	if (requests == 0)
		return;
	buffer_append_literal(&reply->headers, "RateLimit-Policy: \"buyer\";q=");
	buffer_append_int(&reply->headers, requests);
	buffer_append_literal(&reply->headers, ";w=");
	buffer_append_int(&reply->headers, seconds);
	buffer_append_literal(&reply->headers, "\r\nRateLimit: \"buyer\";r=");
	buffer_append_int(&reply->headers, left);
	buffer_append_literal(&reply->headers, ";t=");
	buffer_append_int(&reply->headers, reset_ms > 0 ? (reset_ms + 999) / 1000 : seconds);
	buffer_append_literal(&reply->headers, "\r\n");
}

/*
 * The 202 is a function of what the order was when it was granted, so that every replay is the same
 * byte for byte.
 */
static void say_accepted(const struct purchase *purchase, const struct purchase_terms *terms, struct reply *reply)
{
	char id[UUID_TEXT_SIZE];

	reply->status = 202;
	uuid_format(&purchase->order.id, id);
	buffer_append_literal(&reply->headers, "Location: /v1/orders/");
	buffer_append(&reply->headers, id, UUID_TEXT_SIZE - 1);
	buffer_append_literal(&reply->headers, "\r\n");
	render_order(
		&(struct order_view){
			.id = purchase->order.id,
			.sale = slice_of(terms->sale_id),
			.sku = slice_of(terms->sku),
			.buyer = purchase->event.buyer,
			.quantity = purchase->order.first_quantity,
			.state = purchase->order.first_hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED,
			.hold_expires_at_ms = purchase->order.first_hold_expires_at_ms,
		},
		&reply->body);
}

void purchase_say(const struct purchase *purchase, const struct purchase_terms *terms, enum verdict verdict, struct reply *reply)
{
	struct problem_options options = {0};

	switch (verdict) {
	case VERDICT_ACCEPTED:
		say_rate(reply, terms->rate_requests, terms->rate_seconds, purchase->rate_left, 0);
		say_accepted(purchase, terms, reply);
		return;
	case VERDICT_REPLAYED:
		buffer_append_literal(&reply->headers, "Idempotent-Replayed: true\r\n");
		say_accepted(purchase, terms, reply);
		return;
	case VERDICT_SALE_NOT_OPEN:
	case VERDICT_SALE_PAUSED:
		purchase_say_window(verdict, terms->opens_at_ms, clock_wall_ms(), reply);
		return;
	case VERDICT_SOLD_OUT:
		purchase_say_sold_out(purchase->may_return, reply);
		return;
	case VERDICT_OVERLOADED:
		if (purchase->refusal != VERDICT_OVERLOADED)
			break;
		purchase_say_late(purchase->retry_after_ms, reply);
		return;
	case VERDICT_BUYER_LIMIT:
		say_limit(purchase, reply);
		return;
	case VERDICT_RATE_LIMITED:
		options.retry_after_ms = purchase->retry_after_ms;
		say_rate(reply, terms->rate_requests, terms->rate_seconds, 0, purchase->retry_after_ms);
		break;
	case VERDICT_ADDRESS_LIMITED:
		options.retry_after_ms = purchase->retry_after_ms;
		break;
	case VERDICT_IN_FLIGHT:
		options.retry_after_ms = 1000;
		break;
	default:
		break;
	}
	ASSERT(refusals[verdict].refusal);
	reply_problem(reply, refusals[verdict].problem, &options);
}

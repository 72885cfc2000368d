/*
 * POST /v1/sales/{sale}/orders. What is public is answered at once (screen); what passes is a
 * pending purchase (purchase_pool.h) and goes to the stock with the thread's round
 * (gate/stock_round.h). What was granted goes on to the journal's lane, and completes with its end.
 */
#include "base/clock.h"
#include "gate/body.h"
#include "gate/buyer/purchase_pool.h"
#include "gate/buyer/routes.h"
#include "model/sale.h"

/* The answer to a request that goes no further. */
static void refuse(struct gate_request *request, const struct sale *sale, enum problem problem, const struct problem_options *options)
{
	purchase_pool_count(request->thread, sale ? sale->number : 0, problem);
	gate_refuse(request, problem, options);
}

/* thread->reply is a problem already. */
static void refuse_as_said(struct gate_request *request, const struct sale *sale)
{
	purchase_pool_count(request->thread, sale->number, request->thread->reply.problem);
	gate_answer(request, &request->thread->reply);
}

/* --- The request --- */

static bool journal_is_well(const struct gate *gate)
{
	const char *reason;

	return gate->settings.journal->ops->health(gate->settings.journal, &reason) == 0;
}

struct purchase_request {
	uint32_t quantity, lot;
	struct slice key;
	struct labels labels; /* in `texts` */
	char texts[ORDER_REFERENCE_MAX + METADATA_MAX];
};

/* What was found out on the way to the stock. */
struct door {
	int64_t now_ms;       /* wall */
	enum verdict refusal; /* a replay alone may pass it */
	struct admission_view view;
	int64_t retry_after_ms; /* of VERDICT_ADDRESS_LIMITED, VERDICT_RATE_LIMITED, VERDICT_OVERLOADED */
	bool counted;           /* by gate.address_rate, at counted_ms: */
	struct address client;
	int64_t counted_ms;
};

/* What the shop writes on it, out of the body. False: `reply` says what is wrong. */
static bool keep_labels(struct purchase_request *asked, struct slice reference, const json_t *metadata, struct reply *reply)
{
	char *text = asked->texts + ORDER_REFERENCE_MAX;
	int size = metadata ? labels_write_metadata(metadata, text) : 0;

	if (size < 0) {
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "metadata",
				"metadata must be an object of at most %d texts, in %d bytes, with names of 1 to %d printable ASCII characters.",
				METADATA_PAIRS_MAX, METADATA_MAX, METADATA_NAME_MAX);
		return false;
	}
	asked->labels.metadata = (struct slice){text, (size_t)size};
	asked->labels.reference = (struct slice){asked->texts, reference.size};
	if (reference.size)
		memcpy(asked->texts, reference.data, reference.size);
	return true;
}

/* What is asked for. False: it has answered. */
static bool read_purchase(struct gate_request *request, const struct sale *sale, struct purchase_request *asked)
{
	int64_t quantity = 1;
	struct slice sku = SLICE_NULL, reference = SLICE_NULL;
	json_t *metadata = NULL;
	struct body_field fields[] = {
		{.name = "quantity", .kind = BODY_INTEGER, .target = &quantity, .min = 1, .max = sale->limit_per_buyer},
		{.name = "sku", .kind = BODY_TEXT, .target = &sku, .valid = sale_sku_valid, .rule = "the SKU of a lot of this sale"},
		{.name = "reference",
		 .kind = BODY_TEXT,
		 .target = &reference,
		 .valid = labels_reference_valid,
		 .rule = "1 to 128 printable ASCII characters without spaces"},
		{.name = "metadata", .kind = BODY_OBJECT, .target = &metadata},
	};
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);
	int lot = 0;
	bool bad = true;

	if (body && body_read(body, fields, sizeof(fields) / sizeof(fields[0]), "", reply) == 0) {
		bad = !keep_labels(asked, reference, metadata, reply);
		if (fields[1].given)
			lot = sale_find_lot(sale, sku);
		else if (sale->lot_count > 1)
			lot = -1;
		if (lot < 0 && !bad) {
			bad = true;
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, "sku",
					fields[1].given ? "sku must be the SKU of a lot of this sale."
							: "sku must be given: this sale has several lots.");
		}
	}
	json_decref(body);
	asked->key = request->http->known[HTTP_IDEMPOTENCY_KEY];
	if (!bad && asked->key.data && !sale_key_valid(asked->key)) {
		bad = true;
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "Idempotency-Key",
				"Idempotency-Key must be 1 to %d printable ASCII characters.", KEY_MAX);
	}
	if (!bad && sale_key_reserved(asked->key)) {
		bad = true;
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "Idempotency-Key",
				"Idempotency-Key must not begin with \"%s\": such keys are made by the server.", LATE_CONFIRM_KEY);
	}
	if (bad) {
		refuse_as_said(request, sale);
		return false;
	}
	asked->quantity = (uint32_t)quantity;
	asked->lot = (uint32_t)lot;
	return true;
}

static void refuse_public(struct gate_request *request, const struct sale *sale, const struct door *door)
{
	struct reply *reply = &request->thread->reply;

	if (door->refusal == VERDICT_OVERLOADED) {
		purchase_say_late(door->retry_after_ms, reply);
		purchase_pool_count_late(request->thread, sale->number);
		gate_answer(request, reply);
		return;
	}
	if (door->refusal == VERDICT_SOLD_OUT)
		purchase_say_sold_out(door->view.may_return, reply);
	else if (door->refusal == VERDICT_SALE_ENDED)
		reply_problem(reply, PROBLEM_SALE_ENDED, NULL);
	else
		purchase_say_window(door->refusal, sale->opens_at_ms, door->now_ms, reply);
	refuse_as_said(request, sale);
}

/*
 * New orders are refused: by the sale, or because this one had waited too long; and anybody is told
 * so. Only a buyer who may have an order in it
 * goes on, for a retry must get that order back. True and *buyer: it is one; else it has answered.
 * What it answers says nothing of who has bought: a token that does not verify gets what an unknown
 * buyer gets, and once the client's address has spent its budget, every token that must be checked
 * gets the same 429, whoever it names.
 */
static bool pass_refusal(struct gate_request *request, const struct sale *sale, const struct purchase_request *asked,
			 struct door *door, struct identity_buyer *buyer)
{
	const struct admission *admission = request->thread->gate->settings.admission;
	struct identity_buyer named;
	int64_t retry_after_ms;
	const char *reason;
	bool may_have = asked->key.data && admission_may_replay(door->refusal) && gate_brings_identity(request);

	if (may_have && gate_failures_spent(request, &retry_after_ms)) {
		purchase_pool_count(request->thread, sale->number, PROBLEM_ADDRESS_RATE_LIMITED);
		gate_refuse_address(request, retry_after_ms);
		return false;
	}
	if (may_have && gate_peek_buyer(request, &named))
		may_have = admission_may_have_order(admission, sale->number, (struct slice){named.name, named.size}, &door->view);
	if (may_have && gate_verify(request, buyer, &reason))
		return true;
	refuse_public(request, sale, door);
	return false;
}

/*
 * All purchases of one address, where a setting limits them. False: it has answered. One that may
 * be a replay goes on beyond the limit, for that alone; and one that turns out to be a replay is
 * not counted after all (tell).
 */
static bool pass_address(struct gate_request *request, const struct sale *sale, const struct purchase_request *asked,
			 const struct identity_buyer *buyer, struct door *door)
{
	struct address_limit *limit = request->thread->gate->address_limit;
	struct problem_options options = {0};

	if (!limit || door->refusal != VERDICT_NONE)
		return true;
	door->client = gate_client(request);
	door->counted_ms = http_exchange_started(request->exchange) / 1000000;
	door->counted = address_limit_pass(limit, &door->client, door->counted_ms, &options.retry_after_ms);
	if (door->counted)
		return true;
	if (asked->key.data && admission_may_have_order(request->thread->gate->settings.admission, sale->number,
							(struct slice){buyer->name, buyer->size}, &door->view)) {
		door->refusal = VERDICT_ADDRESS_LIMITED;
		door->retry_after_ms = options.retry_after_ms;
		return true;
	}
	refuse(request, sale, PROBLEM_ADDRESS_RATE_LIMITED, &options);
	return false;
}

/*
 * How often this buyer was refused of late. False: it has answered. One that may be a replay goes
 * on beyond the limit, for that alone. A sale that refuses anyhow has its own answer.
 */
static bool pass_attempts(struct gate_request *request, const struct sale *sale, const struct purchase_request *asked,
			  const struct identity_buyer *buyer, struct door *door)
{
	const struct attempt_rate rate = {sale->number, sale->rate_requests, sale->rate_seconds};
	struct attempt_limit *limit = request->thread->gate->attempt_limit;
	const struct slice name = {buyer->name, buyer->size};
	struct problem_options options = {0};

	if (!limit || door->refusal != VERDICT_NONE ||
	    attempt_limit_pass(limit, &rate, name, clock_mono_ms(), &options.retry_after_ms))
		return true;
	if (asked->key.data && admission_may_have_order(request->thread->gate->settings.admission, sale->number, name, &door->view)) {
		door->refusal = VERDICT_RATE_LIMITED;
		door->retry_after_ms = options.retry_after_ms;
		return true;
	}
	refuse(request, sale, PROBLEM_RATE_LIMITED, &options);
	return false;
}

/*
 * Whether it had waited for longer than gate.queue_target before it was read, or those before it
 * wait so long for the stock or the journal.
 */
static bool is_late(const struct gate_request *request)
{
	const struct gate_settings *settings = &request->thread->gate->settings;
	int64_t target_ns = settings->settings->gate.queue_target_ns;

	return target_ns > 0 && (http_exchange_overdue(request->exchange, target_ns) ||
				 journal_worker_wait_ns(settings->journal_worker) > target_ns ||
				 (settings->stock_worker && stock_worker_wait_ns(settings->stock_worker) > target_ns));
}

static void fill(struct pending_purchase *pending, struct gate_request *request, struct sale_entry *entry,
		 const struct purchase_request *asked, const struct identity_buyer *buyer, int64_t now_ms)
{
	struct gate_thread *thread = request->thread;
	const struct sale *sale = entry->sale;
	struct purchase *purchase = &pending->decision.purchase;
	struct job *job = &pending->decision.job;
	struct event *event = &purchase->event;

	pending->handle = gate_reply_handle(request);
	pending->terms.opens_at_ms = sale->opens_at_ms;
	memcpy(pending->terms.sale_id, sale->id, sizeof(pending->terms.sale_id));
	memcpy(pending->terms.sku, sale->lots[asked->lot].sku, sizeof(pending->terms.sku));
	pending->terms.rate_requests = sale->rate_requests;
	pending->terms.rate_seconds = sale->rate_seconds;
	job->kind = JOB_PURCHASE;
	job->end = (enum journal_end)0;
	job->event = event;
	job->started_ns = purchase->started_ns = clock_mono_ns();
	*event = (struct event){
		.kind = EVENT_RESERVED,
		.sale = sale->number,
		.lot = asked->lot,
		.quantity = asked->quantity,
		.id = uuid_make(&thread->ids, now_ms, sale->number),
		.buyer = {buyer->name, buyer->size},
		.key = asked->key,
		.labels = asked->labels,
		.priced = true,
		.unit_price = sale->price_minor,
		.actor_kind = ACTOR_BUYER,
		.actor = {buyer->name, buyer->size},
		.trace = trace_slice(&request->trace),
	};
	event->at_ms = uuid_wall_ms(&event->id); /* the id's time may run ahead by its counter; the answer must say the same from either */
	event->hold_expires_at_ms = sale->hold_seconds ? event->at_ms + (int64_t)sale->hold_seconds * 1000 : 0;
	event_own(event, &pending->decision.text);
	purchase->verdict = VERDICT_NONE;
	purchase->hold_ns = (int64_t)sale->hold_seconds * 1000000000;
	purchase->entry = entry;
	purchase->kept = false;
}

/* To the stock, with this round. */
static void send_to_stock(struct gate_request *request, struct sale_entry *entry, const struct purchase_request *asked,
			  const struct identity_buyer *buyer, const struct door *door)
{
	struct purchase_pool *pool = request->thread->purchases;
	struct sale_latch *latch = &entry->latches[asked->lot];
	struct pending_purchase *pending;

	if (door->view.stale && !admission_ask(latch)) {
		refuse(request, entry->sale, PROBLEM_STOCK_UNAVAILABLE, NULL);
		return;
	}
	pending = purchase_pool_take(pool);
	if (!pending) {
		if (door->view.stale)
			admission_asked(latch);
		refuse(request, entry->sale, PROBLEM_OVERLOADED, NULL);
		return;
	}
	fill(pending, request, entry, asked, buyer, door->now_ms);
	if (door->refusal == VERDICT_NONE)
		overload_decided(&request->thread->overload);
	pending->decision.purchase.refusal = door->refusal;
	pending->decision.purchase.may_return = door->view.may_return;
	pending->decision.purchase.retry_after_ms = door->retry_after_ms;
	pending->decision.purchase.asks = door->view.stale;
	pending->client = door->client;
	pending->counted_ms = door->counted ? door->counted_ms : 0;
	http_defer(request->exchange);
	purchase_pool_send(pool, pending);
}

void purchase_start(struct gate_request *request)
{
	struct gate_thread *thread = request->thread;
	struct gate *gate = thread->gate;
	struct sale_entry *entry = sale_table_find(gate_sales(thread), request->parameters[0]);
	struct door door = {.now_ms = clock_wall_ms()};
	struct identity_buyer buyer;
	struct purchase_request asked;

	if (atomic_load_explicit(&gate->stopping, memory_order_relaxed)) {
		refuse(request, NULL, PROBLEM_SHUTTING_DOWN, NULL);
		return;
	}
	if (!entry || sale_phase(entry->sale, door.now_ms) == SALE_PHASE_HIDDEN) {
		refuse(request, NULL, entry ? PROBLEM_UNKNOWN_SALE : gate_no_sale(gate), NULL);
		return;
	}
	if (!sale_in_stock(entry->sale)) {
		purchase_say_coming(entry->sale->opens_at_ms, door.now_ms, &thread->reply);
		refuse_as_said(request, entry->sale);
		return;
	}
	if (!read_purchase(request, entry->sale, &asked))
		return;
	door.refusal = admission_screen(gate->settings.admission, entry, asked.lot, asked.quantity, door.now_ms, &door.view);
	if (door.refusal == VERDICT_NONE && is_late(request) &&
	    overload_turns_away(&thread->overload, http_loop_now(thread->loop), &door.retry_after_ms))
		door.refusal = VERDICT_OVERLOADED;
	if (door.refusal != VERDICT_NONE) {
		if (!pass_refusal(request, entry->sale, &asked, &door, &buyer))
			return;
	} else if (!gate_identify(request, &buyer)) {
		purchase_pool_count(thread, entry->sale->number, thread->reply.problem);
		return;
	}
	if (!pass_attempts(request, entry->sale, &asked, &buyer, &door) || !pass_address(request, entry->sale, &asked, &buyer, &door))
		return;
	/*
	 * While nothing can be made durable no unit need leave the counter; earlier orders are
	 * still told.
	 */
	if (door.refusal == VERDICT_NONE && !journal_is_well(gate))
		door.refusal = VERDICT_JOURNAL_UNAVAILABLE;
	send_to_stock(request, entry, &asked, &buyer, &door);
}

/*
 * POST /v1/sales/{sale}/orders. What is public is answered at once (screen); what passes is gathered over a round of the loop and decided as one
 * batch in the stock; what was granted goes to the journal's lane, and comes home with its end. A stock that is not local is asked by its worker: the
 * round goes to the worker's lane, and from there what was refused comes home and what was granted goes on to the journal's.
 *
 * A pending purchase owns all its memory, so a client may hang up at any time: its answer is dropped, its order is not. The pool is fixed: when it is
 * empty, the answer is 503 overloaded.
 */
#include <stddef.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "gate/body.h"
#include "gate/buyer/purchase_answer.h"
#include "gate/buyer/routes.h"
#include "gate/readiness.h"
#include "gate/thread.h"
#include "model/sale.h"

enum { TELL_MARGIN_NS = 500000000 }; /* beyond T_ack, for the journal worker to refuse by itself what waited too long */

struct pending {
	struct purchase_job decision; /* first: its job's message is what the lanes carry */
	struct reply_handle handle;
	struct pending *previous, *next; /* in flight, oldest first; `next` also links the free ones */
	bool answered;                   /* it was answered outcome-unknown, and is on its way still */
	struct sale_entry *entry;        /* kept while it is with the stock's worker; else NULL */
	struct sale_latch *asking;       /* of that entry: it has a place among those that ask; else NULL */
	struct address client;           /* where counted_ms: by gate.address_rate */
	int64_t counted_ms;              /* 0: not counted */
	struct purchase_terms terms;
};

struct purchase_pool {
	struct gate_thread *thread;
	struct pending *slots, *free_list;
	struct pending *oldest, *newest; /* in flight */
	struct pending **round;          /* in_flight_max */
	struct purchase **batch;
	void **granted;
	size_t round_count, in_flight, in_flight_max;
};

int purchase_pool_new(struct purchase_pool **out, struct gate_thread *thread, size_t in_flight_max)
{
	struct purchase_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return error_origin(-ENOMEM);
	pool->thread = thread;
	pool->in_flight_max = in_flight_max;
	pool->slots = calloc(in_flight_max, sizeof(*pool->slots));
	pool->round = calloc(in_flight_max, sizeof(*pool->round));
	pool->batch = calloc(in_flight_max, sizeof(*pool->batch));
	pool->granted = calloc(in_flight_max, sizeof(*pool->granted));
	*out = pool;
	if (!pool->slots || !pool->round || !pool->batch || !pool->granted)
		return error_origin(-ENOMEM);
	return 0;
}

void purchase_pool_free(struct purchase_pool *pool)
{
	if (!pool)
		return;
	ASSERT(pool->in_flight == 0);
	free(pool->slots);
	free(pool->round);
	free(pool->batch);
	free(pool->granted);
	free(pool);
}

size_t purchase_pool_in_flight(const struct purchase_pool *pool)
{
	return pool->in_flight;
}

/* A place in the pool: a used one, or the first that was never touched (an idle server keeps the pool's pages unmapped). */
static struct pending *take_place(struct purchase_pool *pool)
{
	struct pending *pending = pool->free_list;

	if (pending)
		pool->free_list = pending->next;
	else if (pool->in_flight < pool->in_flight_max)
		pending = &pool->slots[pool->in_flight]; /* all before it are in use */
	else
		return NULL;
	pool->in_flight++;
	return pending;
}

static void give_back(struct purchase_pool *pool, struct pending *pending)
{
	pending->next = pool->free_list;
	pool->free_list = pending;
	pool->in_flight--;
}

static void link_newest(struct purchase_pool *pool, struct pending *pending)
{
	pending->next = NULL;
	pending->previous = pool->newest;
	if (pool->newest)
		pool->newest->next = pending;
	else
		pool->oldest = pending;
	pool->newest = pending;
}

static void unlink_flying(struct purchase_pool *pool, struct pending *pending)
{
	if (pending->previous)
		pending->previous->next = pending->next;
	else
		pool->oldest = pending->next;
	if (pending->next)
		pending->next->previous = pending->previous;
	else
		pool->newest = pending->previous;
}

/* --- Answers --- */

static void count_outcome(struct gate_thread *thread, size_t outcome)
{
	metrics_add(thread->cells, thread->gate->metrics.purchases[outcome], 1);
	readiness_note(thread->gate, (int)outcome);
}

/* The answer to a request that goes no further. */
static void refuse(struct gate_request *request, enum problem problem, const struct problem_options *options)
{
	count_outcome(request->thread, problem);
	gate_refuse(request, problem, options);
}

/* thread->reply is a problem already. */
static void refuse_as_said(struct gate_request *request)
{
	count_outcome(request->thread, request->thread->reply.problem);
	gate_answer(request, &request->thread->reply);
}

/* Refusals that are the buyer's own affair; what the shop cannot do now is not. */
static bool is_attempt(enum verdict verdict)
{
	return verdict == VERDICT_SOLD_OUT || verdict == VERDICT_BUYER_LIMIT || verdict == VERDICT_RATE_LIMITED ||
	       verdict == VERDICT_KEY_CONFLICT || verdict == VERDICT_IN_FLIGHT;
}

static void count_attempt(struct gate_thread *thread, const struct pending *pending)
{
	const struct attempt_rate rate = {pending->decision.purchase.event.sale, pending->terms.rate_requests,
					  pending->terms.rate_seconds};

	if (thread->gate->attempt_limit)
		attempt_limit_count(thread->gate->attempt_limit, &rate, pending->decision.purchase.event.buyer, clock_mono_ms());
}

static void tell(struct purchase_pool *pool, struct pending *pending, enum verdict verdict)
{
	struct gate_thread *thread = pool->thread;
	struct reply *reply = &thread->reply;

	if (verdict == VERDICT_REPLAYED && pending->counted_ms)
		address_limit_give_back(thread->gate->address_limit, &pending->client, pending->counted_ms);
	if (is_attempt(verdict))
		count_attempt(thread, pending);
	reply_clear(reply);
	purchase_say(&pending->decision.purchase, &pending->terms, verdict, reply);
	if (reply->problem != PROBLEM_COUNT)
		count_outcome(thread, reply->problem);
	else
		count_outcome(thread, verdict == VERDICT_REPLAYED ? OUTCOME_REPLAYED : OUTCOME_ACCEPTED);
	gate_answer_handle(thread, &pending->handle, reply);
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
};

/* What was found out on the way to the stock. */
struct door {
	int64_t now_ms;       /* wall */
	enum verdict refusal; /* a replay alone may pass it */
	struct admission_view view;
	int64_t retry_after_ms; /* of VERDICT_ADDRESS_LIMITED, VERDICT_RATE_LIMITED */
	bool counted;           /* by gate.address_rate, at counted_ms: */
	struct address client;
	int64_t counted_ms;
};

/* What is asked for. False: it has answered. */
static bool read_purchase(struct gate_request *request, const struct sale *sale, struct purchase_request *asked)
{
	int64_t quantity = 1;
	struct slice sku = SLICE_NULL;
	struct body_field fields[] = {
		{.name = "quantity", .kind = BODY_INTEGER, .target = &quantity, .min = 1, .max = sale->limit_per_buyer},
		{.name = "sku", .kind = BODY_TEXT, .target = &sku, .valid = sale_sku_valid, .rule = "the SKU of a lot of this sale"},
	};
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);
	int lot = 0;
	bool bad = true;

	if (body && body_read(body, fields, 2, "", reply) == 0) {
		bad = false;
		if (fields[1].given)
			lot = sale_find_lot(sale, sku);
		else if (sale->lot_count > 1)
			lot = -1;
		if (lot < 0) {
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
		refuse_as_said(request);
		return false;
	}
	asked->quantity = (uint32_t)quantity;
	asked->lot = (uint32_t)lot;
	return true;
}

static void refuse_public(struct gate_request *request, const struct sale *sale, const struct door *door)
{
	struct reply *reply = &request->thread->reply;

	if (door->refusal == VERDICT_SOLD_OUT)
		purchase_say_sold_out(door->view.may_return, reply);
	else if (door->refusal == VERDICT_SALE_ENDED)
		reply_problem(reply, PROBLEM_SALE_ENDED, NULL);
	else
		purchase_say_window(door->refusal, sale->opens_at_ms, door->now_ms, reply);
	refuse_as_said(request);
}

/*
 * The sale refuses new orders, and says so to anybody. Only a buyer who may have an order in it goes on, for a retry must get that order back. True and
 * *buyer: it is one; else it has answered. What it answers says nothing of who has bought: a token that does not verify gets what an unknown buyer gets, and
 * once the client's address has spent its budget, every token that must be checked gets the same 429, whoever it names.
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
		count_outcome(request->thread, PROBLEM_ADDRESS_RATE_LIMITED);
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
 * All purchases of one address, where a setting limits them. False: it has answered. One that may be a replay goes on beyond the limit, for that alone; and
 * one that turns out to be a replay is not counted after all (tell).
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
	refuse(request, PROBLEM_ADDRESS_RATE_LIMITED, &options);
	return false;
}

/*
 * How often this buyer was refused of late. False: it has answered. One that may be a replay goes on beyond the limit, for that alone. A sale that
 * refuses anyhow has its own answer.
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
	refuse(request, PROBLEM_RATE_LIMITED, &options);
	return false;
}

static void fill(struct pending *pending, struct gate_request *request, struct sale_entry *entry,
		 const struct purchase_request *asked, const struct identity_buyer *buyer, int64_t now_ms)
{
	struct gate_thread *thread = request->thread;
	const struct sale *sale = entry->sale;
	struct purchase *purchase = &pending->decision.purchase;
	struct job *job = &pending->decision.job;
	struct event *event = &purchase->event;

	pending->handle = gate_reply_handle(request);
	pending->answered = false;
	pending->entry = NULL;
	pending->asking = NULL;
	pending->terms.opens_at_ms = sale->opens_at_ms;
	memcpy(pending->terms.sale_id, sale->id, sizeof(pending->terms.sale_id));
	memcpy(pending->terms.sku, sale->lots[asked->lot].sku, sizeof(pending->terms.sku));
	pending->terms.rate_requests = sale->rate_requests;
	pending->terms.rate_seconds = sale->rate_seconds;
	job->message.reply = thread->replies;
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
		.actor_kind = ACTOR_BUYER,
		.actor = {buyer->name, buyer->size},
		.trace = trace_slice(&request->trace),
	};
	event->at_ms = uuid_wall_ms(&event->id); /* the id's time may run ahead by its counter; the answer must say the same from either */
	event->hold_expires_at_ms = sale->hold_seconds ? event->at_ms + (int64_t)sale->hold_seconds * 1000 : 0;
	event_own(event, &pending->decision.text);
	purchase->verdict = VERDICT_NONE;
	purchase->hold_ns = (int64_t)sale->hold_seconds * 1000000000;
	purchase->latch = &entry->latches[asked->lot];
}

/* The stock has answered, or was never asked. */
static void let_go(struct pending *pending)
{
	if (pending->asking)
		admission_asked(pending->asking);
	pending->asking = NULL;
	sale_entry_unref(pending->entry);
	pending->entry = NULL;
}

static void on_complete(struct message *message, void *receiver)
{
	struct pending *pending = (struct pending *)message;
	struct gate_thread *thread = receiver;
	struct purchase_pool *pool = thread->purchases;
	const struct job *job = &pending->decision.job;
	enum verdict verdict = pending->decision.purchase.verdict;

	if (verdict == VERDICT_NONE)
		verdict = admission_finish(thread->gate->settings.admission, job->end, job->proof, job->started_ns, clock_mono_ns());
	let_go(pending);
	if (!pending->answered) {
		unlink_flying(pool, pending);
		tell(pool, pending, verdict);
	}
	give_back(pool, pending);
}

/* The purchase as it goes to the stock; false: it has answered. */
static bool put_into_round(struct gate_request *request, struct sale_entry *entry, const struct purchase_request *asked,
			   const struct identity_buyer *buyer, const struct door *door)
{
	struct purchase_pool *pool = request->thread->purchases;
	struct sale_latch *latch = &entry->latches[asked->lot];
	struct pending *pending;

	if (door->view.stale && !admission_ask(latch)) {
		refuse(request, PROBLEM_STOCK_UNAVAILABLE, NULL);
		return false;
	}
	pending = take_place(pool);
	if (!pending) {
		if (door->view.stale)
			admission_asked(latch);
		refuse(request, PROBLEM_OVERLOADED, NULL);
		return false;
	}
	fill(pending, request, entry, asked, buyer, door->now_ms);
	pending->decision.job.message.on_complete = on_complete;
	pending->decision.purchase.refusal = door->refusal;
	pending->decision.purchase.may_return = door->view.may_return;
	pending->decision.purchase.retry_after_ms = door->retry_after_ms;
	pending->asking = door->view.stale ? latch : NULL;
	pending->client = door->client;
	pending->counted_ms = door->counted ? door->counted_ms : 0;
	pool->round[pool->round_count++] = pending;
	return true;
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
		refuse(request, PROBLEM_SHUTTING_DOWN, NULL);
		return;
	}
	if (!entry || sale_phase(entry->sale, door.now_ms) == SALE_PHASE_HIDDEN) {
		refuse(request, PROBLEM_UNKNOWN_SALE, NULL);
		return;
	}
	if (!sale_in_stock(entry->sale)) {
		purchase_say_coming(entry->sale->opens_at_ms, door.now_ms, &thread->reply);
		refuse_as_said(request);
		return;
	}
	if (!read_purchase(request, entry->sale, &asked))
		return;
	door.refusal = admission_screen(gate->settings.admission, entry, asked.lot, asked.quantity, door.now_ms, &door.view);
	if (door.refusal != VERDICT_NONE) {
		if (!pass_refusal(request, entry->sale, &asked, &door, &buyer))
			return;
	} else if (!gate_identify(request, &buyer)) {
		count_outcome(thread, thread->reply.problem);
		return;
	}
	if (!pass_attempts(request, entry->sale, &asked, &buyer, &door) || !pass_address(request, entry->sale, &asked, &buyer, &door))
		return;
	/* While nothing can be made durable no unit need leave the counter; earlier orders are still told. */
	if (door.refusal == VERDICT_NONE && !journal_is_well(gate))
		door.refusal = VERDICT_JOURNAL_UNAVAILABLE;
	if (!put_into_round(request, entry, &asked, &buyer, &door))
		return;
	http_defer(request->exchange);
	thread->gathering = true;
}

/* --- The round --- */

/* Decides the round's purchases. Those that are refused are told at once; returns how many were granted (pool->granted). */
static size_t decide(struct purchase_pool *pool)
{
	struct gate *gate = pool->thread->gate;
	size_t granted = 0;

	for (size_t i = 0; i < pool->round_count; i++)
		pool->batch[i] = &pool->round[i]->decision.purchase;
	admission_reserve(gate->settings.admission, pool->batch, pool->round_count);
	for (size_t i = 0; i < pool->round_count; i++) {
		struct pending *pending = pool->round[i];

		if (pending->decision.purchase.verdict == VERDICT_NONE) {
			link_newest(pool, pending);
			pool->granted[granted++] = pending;
			continue;
		}
		tell(pool, pending, pending->decision.purchase.verdict);
		give_back(pool, pending);
	}
	return granted;
}

static void abandon(struct purchase_pool *pool, struct pending *pending)
{
	admission_abandon(pool->thread->gate->settings.admission, &pending->decision.purchase);
	unlink_flying(pool, pending);
	tell(pool, pending, pending->decision.purchase.verdict);
	give_back(pool, pending);
}

/* The round for the stock's worker. A purchase may be home again before this returns: it is not touched once it is in the lane. */
static void send_to_stock(struct purchase_pool *pool)
{
	size_t count = pool->round_count, pushed;

	for (size_t i = 0; i < count; i++) {
		struct pending *pending = pool->round[i];

		pending->entry = sale_table_find(pool->thread->sales, slice_of(pending->terms.sale_id));
		sale_entry_ref(pending->entry);
		link_newest(pool, pending);
		pool->granted[i] = pending;
	}
	pushed = lane_push(pool->thread->gate->settings.stock_lane, LANE_NORMAL, pool->granted, count);
	for (size_t i = pushed; i < count; i++) {
		struct pending *pending = pool->round[i];

		let_go(pending);
		unlink_flying(pool, pending);
		tell(pool, pending, VERDICT_OVERLOADED);
		give_back(pool, pending);
	}
	pool->round_count = 0;
	pool->thread->gathering = false;
}

void purchase_pool_round_end(struct purchase_pool *pool)
{
	struct gate_thread *thread = pool->thread;
	size_t granted, pushed;

	if (pool->round_count == 0)
		return;
	metrics_observe(thread->cells, thread->gate->metrics.round_purchases, pool->round_count);
	if (!thread->gate->settings.admission->stock->ops->local) {
		send_to_stock(pool);
		return;
	}
	granted = decide(pool);
	pool->round_count = 0;
	thread->gathering = false;
	if (granted == 0)
		return;
	pushed = lane_push(thread->gate->settings.journal_lane, LANE_NORMAL, pool->granted, granted);
	for (size_t i = pushed; i < granted; i++)
		abandon(pool, pool->granted[i]);
}

int64_t purchase_pool_tick(struct purchase_pool *pool, int64_t now_ns)
{
	int64_t patience_ns = pool->thread->gate->settings.admission->ack_deadline_ns + TELL_MARGIN_NS;

	if (FAILPOINT("ack.clock_stands_still") > 0)
		patience_ns *= 10;
	while (pool->oldest && now_ns - pool->oldest->decision.job.started_ns >= patience_ns) {
		struct pending *pending = pool->oldest;

		unlink_flying(pool, pending);
		tell(pool, pending, VERDICT_OUTCOME_UNKNOWN);
		pending->answered = true;
	}
	return pool->oldest ? pool->oldest->decision.job.started_ns + patience_ns : INT64_MAX;
}

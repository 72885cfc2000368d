/*
 * What has come to its end, and what nobody has brought to one: acknowledge, compensate, claim. See
 * functions/outbox.lua.
 */
#include "base/clock.h"
#include "base/log.h"
#include "stock/redis/redis_stock.h"

enum { TRIES = 2 }; /* an acknowledgement may be told twice; what is not told at all is claimed later, and driven again */

static uint32_t sale_of(const void *items, size_t index)
{
	return ((const struct redis_ending *)items)[index].sale;
}

static void ask(struct buffer *out, const void *items, size_t index)
{
	const struct redis_ending *ending = (const struct redis_ending *)items + index;

	if (ending->run == 0)
		return;
	redis_write_id(out, &ending->id);
	redis_write(out, (uint64_t)ending->kind, 1);
	redis_write(out, ending->epoch, 4);
	redis_write(out, (uint64_t)ending->after, 8);
	redis_write(out, ending->place, 6);
	redis_write(out, ending->run, 2);
}

/*
 * What an event's byte means, where the call was answered; what the whole call came to, where it
 * was not.
 */
static enum stock_ack take_answer(int status, struct redis_reader *answer, const struct redis_head *head, uint32_t epoch)
{
	bool answered = status == STOCK_DONE || status == REDIS_UNKNOWN_EPOCH;
	uint8_t said = answered ? redis_read8(answer) : STOCK_ACK_UNANSWERED;

	if (status == STOCK_UNKNOWN_SALE)
		return STOCK_ACK_NO_SALE;
	if (status == STOCK_FENCED || (answered && head->epoch != epoch))
		return STOCK_ACK_OTHER_EPOCH;
	return said <= STOCK_ACK_OTHER_EPOCH ? (enum stock_ack)said : STOCK_ACK_UNANSWERED;
}

/* What is taken of a report, and whether some call has to be made again. */
struct report_ends {
	struct redis_report *report;
	bool unanswered;
};

static void take_sale(struct redis_gathered *gathered, void *items, void *context)
{
	struct report_ends *ends = context;

	for (size_t i = 0; i < gathered->count; i++) {
		const struct redis_ending *ending = (const struct redis_ending *)items + gathered->members[i];
		enum stock_ack said = take_answer(gathered->outcome, &gathered->answer, &gathered->head, ending->epoch);

		if (ends->report->answers)
			ends->report->answers[gathered->members[i]] = said;
	}
	ends->unanswered |= gathered->end != REDIS_ANSWERED || gathered->outcome == REDIS_STALE;
}

static const struct redis_question acknowledge_question = {REDIS_ACKNOWLEDGE, true, true, sale_of, ask, take_sale};
static const struct redis_question compensate_question = {REDIS_COMPENSATE, true, true, sale_of, ask, take_sale};

/*
 * Acknowledgements of grants that follow each other in their batch are told as one, by the first of
 * them.
 */
static void find_runs(struct redis_ending *items, size_t count)
{
	for (size_t first = 0, next; first < count; first = next) {
		const struct redis_ending *it = &items[first];

		for (next = first + 1; next < count; next++)
			if (it->place == 0 || items[next].sale != it->sale || items[next].epoch != it->epoch ||
			    items[next].place != it->place + redis_place(0, (uint16_t)(next - first)))
				break;
		for (size_t inside = first + 1; inside < next; inside++)
			items[inside].run = 0;
		items[first].run = (uint16_t)(next - first);
	}
}

static void prepare(struct redis_report *report, const struct redis_question *question, const struct event *const *events,
		    size_t count, enum stock_ack *answers)
{
	report->question = question;
	report->count = count;
	report->answers = answers;
	for (size_t i = 0; i < count; i++)
		report->items[i] = (struct redis_ending){
			.id = events[i]->id,
			.after = events[i]->kind == EVENT_REDUCED ? events[i]->left : events[i]->hold_expires_at_ms,
			.place = events[i]->stock_place,
			.sale = events[i]->sale,
			.epoch = events[i]->epoch,
			.kind = events[i]->kind,
			.run = 1,
		};
	if (question == &acknowledge_question)
		find_runs(report->items, count);
}

static void send(struct redis_report *report, struct stock_redis *redis)
{
	redis_scatter_send(&report->scatter, redis, report->question, report->items, report->count);
}

/* True where some call was not answered, or its runs are not what they were. */
static bool take(struct redis_report *report)
{
	struct report_ends ends = {.report = report};

	redis_scatter_take(&report->scatter, report->items, &ends);
	return ends.unanswered;
}

/*
 * The answers to what was sent; what was not answered is sent again, and then one by one: it may
 * have been done.
 */
static void conclude(struct redis_report *report)
{
	for (int i = 1; take(report) && i < TRIES; i++) {
		for (size_t item = 0; item < report->count; item++)
			report->items[item].run = 1;
		send(report, report->scatter.trip.redis);
	}
}

/* Up to REDIS_BATCH events. */
static void acknowledge(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	struct redis_report report;

	prepare(&report, &acknowledge_question, events, count, answers);
	send(&report, redis_of(stock));
	conclude(&report);
}

/*
 * Up to REDIS_BATCH events. Told once: where the second of two calls is answered, the first may
 * still be on its way, and would find what a retry of the same request has sent to the journal
 * since (its id and kind are the same), and undo that.
 */
static void compensate(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	struct redis_report report;

	prepare(&report, &compensate_question, events, count, answers);
	send(&report, redis_of(stock));
	take(&report);
}

/*
 * Of more than a call carries, the last part alone is on its way when this returns; the others have
 * arrived.
 */
void redis_acknowledge_send(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	struct redis_report *report = &redis_of(stock)->acknowledging;

	ASSERT(report->count == 0);
	for (; count > REDIS_BATCH; events += REDIS_BATCH, count -= REDIS_BATCH) {
		acknowledge(stock, events, REDIS_BATCH, answers);
		answers = answers ? answers + REDIS_BATCH : NULL;
	}
	prepare(report, &acknowledge_question, events, count, answers);
	if (count)
		send(report, redis_of(stock));
}

void redis_acknowledge_wait(struct stock *stock)
{
	struct redis_report *report = &redis_of(stock)->acknowledging;

	if (report->count)
		conclude(report);
	report->count = 0;
}

void redis_compensate(struct stock *stock, const struct event *const *events, size_t count, bool *undone)
{
	enum stock_ack answers[REDIS_BATCH];

	for (size_t start = 0; start < count; start += REDIS_BATCH) {
		size_t size = count - start < REDIS_BATCH ? count - start : REDIS_BATCH;

		compensate(stock, events + start, size, answers);
		for (size_t i = 0; i < size; i++)
			undone[start + i] = answers[i] == STOCK_ACK_DONE || answers[i] == STOCK_ACK_UNKNOWN ||
					    answers[i] == STOCK_ACK_NO_SALE;
	}
}

/* --- Claim --- */

static bool gives_back(enum event_kind kind)
{
	return kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_REDUCED;
}

/* What a settlement begins with: its units, its times, and where those go that it gives back. */
static void take_settlement(struct redis_reader *entry, struct event *event)
{
	int64_t after;

	event->lot = redis_read_within(entry, 2, 0, LOTS_MAX - 1);
	event->quantity = redis_read_within(entry, 2, 1, LIMIT_MAX);
	event->at_ms = redis_read_time(entry);
	after = redis_read_time(entry);
	redis_read8(entry); /* whether a broken build gave the units back too early */
	event->units_to = redis_read_within(entry, 1, UNITS_TO_SALE, gives_back(event->kind) ? UNITS_GONE : UNITS_TO_SALE);
	if (event->kind != EVENT_REDUCED) {
		event->hold_expires_at_ms = after;
		return;
	}
	if (after < 1 || after > LIMIT_MAX)
		redis_read_fail(entry);
	event->left = entry->failed ? 1 : (uint32_t)after;
}

/* What a confirm carries besides. */
static void take_confirm(struct redis_reader *entry, struct event *event)
{
	struct payment payment = {0};
	struct slice currency;

	event->request = redis_read_id(entry);
	payment.amount = redis_read64(entry);
	currency = redis_read_name(entry, sizeof(payment.currency) - 1);
	payment.method = redis_read_name(entry, PAYMENT_METHOD_MAX);
	payment.reference = redis_read_name(entry, PAYMENT_REFERENCE_MAX);
	if (currency.size && !payment_set_currency(&payment, currency))
		redis_read_fail(entry);
	if (payment.amount < PAYMENT_NO_AMOUNT || payment.amount > PAYMENT_AMOUNT_MAX)
		redis_read_fail(entry);
	if (event->kind == EVENT_PAID && payment.reference.size == 0)
		redis_read_fail(entry);
	if (payment.reference.size)
		event->payment = payment;
}

/* What a grant carries behind its trace. */
static void take_terms(struct redis_reader *entry, struct event *event)
{
	int64_t price = redis_read64(entry);

	if (price < REDIS_NO_PRICE || price > PAYMENT_AMOUNT_MAX)
		redis_read_fail(entry);
	event->priced = price != REDIS_NO_PRICE;
	event->unit_price = event->priced ? price : 0;
	if (entry->size == 0)
		return;
	event->labels.reference = redis_read_name(entry, ORDER_REFERENCE_MAX);
	event->labels.metadata = redis_read_bytes(entry, redis_read_within(entry, 2, 0, METADATA_MAX));
	event->reason = redis_read_name(entry, REASON_MAX);
}

/* A grant's is its buyer as a rule. */
static struct slice take_actor(struct redis_reader *entry, const struct event *event)
{
	return event->kind == EVENT_RESERVED && redis_read_short(entry) ? event->buyer : redis_read_name(entry, NAME_MAX_BYTES);
}

/* One entry, of as many bytes as the answer says. False: it cannot be read. */
static bool take_claim(struct redis_reader *answer, uint32_t sale, const struct redis_head *head, struct stock_claim *claim)
{
	struct slice bytes = redis_read_bytes(answer, redis_read16(answer));
	struct redis_reader entry = {.data = (const unsigned char *)bytes.data, .size = bytes.size};
	struct event *event = &claim->event;
	struct uuid again;
	char trace[TRACE_SIZE + 1];

	*event = (struct event){.kind = redis_read_within(&entry, 1, EVENT_RESERVED, EVENT_REDUCED), .sale = sale, .epoch = head->epoch};
	event->id = redis_read_id(&entry);
	switch (event->kind) {
	case EVENT_RESERVED:
		event->buyer_units = redis_read_within(&entry, 2, 1, LIMIT_MAX);
		event->hold_expires_at_ms = redis_read_time(&entry);
		event->limit_per_buyer = head->limit;
		event->lot = redis_read_within(&entry, 2, 0, LOTS_MAX - 1);
		event->quantity = redis_read_within(&entry, 2, 1, LIMIT_MAX);
		event->buyer = redis_read_name(&entry, BUYER_MAX);
		redis_read8(&entry); /* a size that only the functions read */
		event->key = redis_read_name(&entry, KEY_MAX);
		again = redis_read_id(&entry); /* as the request has it */
		event->at_ms = redis_read_time(&entry);
		if (!uuid_equal(&again, &event->id))
			redis_read_fail(&entry);
		break;
	case EVENT_WITHDRAWN:
		event->lot = redis_read_within(&entry, 2, 0, LOTS_MAX - 1);
		event->quantity = redis_read_within(&entry, 4, 1, UNITS_MAX);
		event->at_ms = redis_read_time(&entry);
		break;
	default:
		take_settlement(&entry, event);
		break;
	}
	event->actor_kind = redis_read_within(&entry, 1, ACTOR_UNSAID, ACTOR_CLOCK);
	event->actor = take_actor(&entry, event);
	event->trace = redis_read_trace(&entry, trace);
	if (event->kind == EVENT_RESERVED)
		take_terms(&entry, event);
	if (event->kind == EVENT_WITHDRAWN)
		event->request = redis_read_id(&entry);
	if (event->kind == EVENT_CONFIRMED || event->kind == EVENT_PAID)
		take_confirm(&entry, event);
	if (gives_back(event->kind)) {
		event->request = redis_read_id(&entry);
		event->refund = redis_read_name(&entry, PAYMENT_REFERENCE_MAX);
	}
	if (event->kind != EVENT_RESERVED && event->kind != EVENT_WITHDRAWN && event->kind != EVENT_EXPIRED)
		event->reason = redis_read_name(&entry, REASON_MAX);
	if (event->kind == EVENT_BARRIER)
		redis_read_fail(&entry);
	if (entry.failed || !event_valid(event))
		return false;
	event_own(event, &claim->text);
	return true;
}

/* What cannot be read does not hold up the others, and is told of each time that it is met. */
static void set_aside(struct stock_redis *redis, uint32_t sale, size_t count)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	atomic_fetch_add(&redis->unreadable, (int64_t)count);
	if (count && log_limiter_pass(&limiter, &suppressed))
		log_error("stock", "entries of the outbox in Redis cannot be read: they are set aside", LOG_INT("sale", sale),
			  LOG_INT("entries", (int64_t)count), LOG_INT("suppressed", suppressed));
}

static size_t claim_sale(struct stock_redis *redis, uint32_t sale, int64_t latest_ms, struct stock_claim *out, size_t max)
{
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	uint32_t asked = max < REDIS_BATCH ? (uint32_t)max : REDIS_BATCH;
	size_t count = 0, taken = 0, unreadable = 0;
	struct buffer *argument;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_CLAIM, sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write(argument, (uint64_t)latest_ms, 8);
	redis_write(argument, asked, 4);
	redis_trip_send(&trip);
	if (redis_take_head(redis, sale, redis_trip_next(&trip, &answer), &answer, &head) == STOCK_DONE) {
		redis_sales_learn_outbox(&redis->sales, sale, head.epoch, redis_read_time(&answer));
		unreadable = redis_read_within(&answer, 4, 0, asked);
		count = redis_read_within(&answer, 4, 0, asked);
	}
	for (size_t i = 0; i < count && !answer.failed; i++) {
		if (take_claim(&answer, sale, &head, &out[taken]))
			taken++;
		else
			unreadable++;
	}
	redis_trip_end(&trip);
	set_aside(redis, sale, unreadable);
	return taken;
}

/*
 * The next sale at or behind *number with an entry that this process has itself seen unchanged
 * since `before_ms` (monotonic): its last try is not after *latest_ms, which the sale's time had
 * reached by then. So a clock that was set claims nothing, and hinders nothing.
 */
static bool next_old(struct redis_sales *sales, uint32_t *number, int64_t before_ms, int64_t *latest_ms)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale;
	bool found = false;

	while ((sale = sale_registry_next(&sales->registry, number))) {
		int64_t oldest_ms = atomic_load(&sale->oldest_ms);

		*latest_ms = oldest_ms ? redis_sale_seen_ms(sale, before_ms) : 0;
		found = oldest_ms != 0 && oldest_ms <= *latest_ms && !atomic_load(&sale->dropped);
		if (found)
			break;
		++*number;
	}
	reader_gate_leave(&sales->registry.gate, stripe);
	return found;
}

size_t redis_claim(struct stock *stock, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max)
{
	struct stock_redis *redis = redis_of(stock);
	int64_t age_ms = redis_ms(now_ns - before_ns), before_ms = clock_mono_ms() - age_ms, latest_ms;
	size_t count = 0;

	redis_sales_look_back(&redis->sales, age_ms);
	for (uint32_t number = 0; count < max && next_old(&redis->sales, &number, before_ms, &latest_ms); number++)
		count += claim_sale(redis, number, latest_ms, out + count, max - count);
	return count;
}

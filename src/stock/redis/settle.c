/*
 * What becomes of an order after its grant: settle, find, expire. The decisions are in
 * functions/settle.lua.
 */
#include "base/clock.h"
#include "stock/redis/redis_stock.h"

enum {
	RETRY_NS = 100000000, /* a sale that could not be asked for its holds is asked again so soon */
	LOOKED_MAX = 4096,    /* before the caller's turn goes on: what is left is due in the next one */
	EXPIRY_SLICE = 64,    /* holds in one call: it holds up every other one for a quarter of a millisecond */
};

static uint32_t sale_of_settle(const void *items, size_t index)
{
	return ((const struct stock_settle *)items)[index].sale;
}

static uint32_t sale_of_find(const void *items, size_t index)
{
	return ((const struct stock_find *)items)[index].sale;
}

static void take_name(struct redis_reader *answer, size_t size_max, char *text)
{
	struct slice name = redis_read_name(answer, size_max);

	if (name.size)
		memcpy(text, name.data, name.size);
	text[name.size] = '\0';
}

/* The order, its buyer's name and its payment's reference. */
static void take_found(struct redis_reader *answer, struct stock_order *order, char *owner, char *paid)
{
	redis_take_order(answer, order);
	take_name(answer, BUYER_MAX, owner);
	take_name(answer, PAYMENT_REFERENCE_MAX, paid);
}

/*
 * What was moved under an epoch that the catalog does not know is moved back, and the sale counts
 * as fenced.
 */
static void move_back(struct stock_redis *redis, struct stock_settle *item)
{
	const struct event *event = &item->event;
	bool undone = true;

	if (item->outcome == STOCK_OUTCOME_UNKNOWN)
		return;
	if (item->outcome == STOCK_DONE)
		redis_compensate(&redis->stock, &event, 1, &undone);
	item->outcome = undone ? STOCK_FENCED : STOCK_OUTCOME_UNKNOWN;
}

static bool gives_back(enum order_action action)
{
	return action == ORDER_CANCEL || action == ORDER_REFUND || action == ORDER_REDUCE;
}

static void take_settled(struct redis_reader *answer, const struct redis_head *head, struct stock_settle *item)
{
	enum event_kind kind = event_kind_of(item->action);

	item->outcome = redis_read8(answer);
	switch (item->outcome) {
	case STOCK_NO_ORDER:
		break;
	case STOCK_DONE:
	case STOCK_FULL:
	case STOCK_ALREADY:
	case STOCK_REFUSED:
	case STOCK_BUSY:
	case STOCK_EXPIRED:
	case STOCK_WRONG_AMOUNT:
	case STOCK_PAID_ALREADY:
	case STOCK_REFERENCE_USED:
		take_found(answer, &item->order, item->owner, item->paid);
		if (item->outcome == STOCK_DONE && redis_read8(answer) == EVENT_PAID)
			kind = EVENT_PAID;
		if (item->outcome == STOCK_REFERENCE_USED)
			item->payer = redis_read_id(answer);
		break;
	default:
		redis_read_fail(answer);
	}
	if (item->outcome == STOCK_DONE && item->action == ORDER_REDUCE && item->order.quantity != item->from - item->quantity)
		redis_read_fail(answer);
	if (answer->failed)
		item->outcome = STOCK_OUTCOME_UNKNOWN;
	if (item->outcome != STOCK_DONE)
		return;
	item->event = (struct event){
		.kind = kind,
		.sale = item->sale,
		.epoch = head->epoch,
		.lot = item->order.lot,
		.quantity = item->action == ORDER_REDUCE ? item->quantity : item->order.quantity,
		.left = item->action == ORDER_REDUCE ? item->order.quantity : 0,
		.id = item->id,
		.at_ms = item->now_ms,
		.hold_expires_at_ms = item->action == ORDER_EXTEND ? item->order.hold_expires_at_ms : 0,
		.actor_kind = item->actor_kind,
		.actor = item->actor,
		.trace = item->trace,
		.reason = item->reason,
		.request = item->action == ORDER_CONFIRM || gives_back(item->action) ? item->request : (struct uuid){{0}},
	};
	if (item->action == ORDER_CONFIRM && item->payment.reference.size)
		item->event.payment = item->payment;
	if (gives_back(item->action)) {
		item->event.units_to = item->units_to;
		item->event.refund = item->refund;
	}
}

static void ask_settle(struct buffer *out, const void *items, size_t index)
{
	const struct stock_settle *item = (const struct stock_settle *)items + index;

	ASSERT(item->from <= LIMIT_MAX);
	ASSERT(item->action != ORDER_REDUCE || (item->quantity >= 1 && item->quantity < item->from));
	redis_write_id(out, &item->id);
	redis_write(out, (uint64_t)item->action, 1);
	redis_write(out, (uint64_t)item->now_ms, 8);
	redis_write(out, (uint64_t)redis_ms(item->grace_ns), 8);
	redis_write(out, (uint64_t)redis_ms(item->extend_ns), 8);
	redis_write(out, (uint64_t)item->extend_to_ms, 8);
	redis_write(out, item->from, 2);
	redis_write(out, item->quantity, 2);
	redis_write(out, item->held_only, 1);
	redis_write(out, (uint64_t)(gives_back(item->action) ? item->units_to : UNITS_TO_SALE), 1);
	redis_write(out, (uint64_t)(item->priced ? item->unit_price : PAYMENT_NO_AMOUNT), 8);
	redis_write(out, (uint64_t)item->payment.amount, 8);
	redis_write_text(out, item->payment.reference);
	redis_write_text(out, item->buyer);
	redis_write(out, (uint64_t)item->actor_kind, 1);
	redis_write_text(out, item->actor);
	redis_write_text(out, item->trace);
	if (item->action == ORDER_CONFIRM || gives_back(item->action))
		redis_write_id(out, &item->request);
	if (item->action == ORDER_CONFIRM) {
		redis_write(out, (uint64_t)item->payment.amount, 8);
		redis_write_text(out, slice_of(item->payment.currency));
		redis_write_text(out, item->payment.method);
		redis_write_text(out, item->payment.reference);
	}
	if (gives_back(item->action))
		redis_write_text(out, item->refund);
	redis_write_text(out, item->reason);
}

/* context: of each item, whether it was moved under an epoch that is not known. */
static void take_settled_sale(struct redis_gathered *gathered, void *items, void *context)
{
	bool *foreign = context;

	for (size_t i = 0; i < gathered->count; i++) {
		struct stock_settle *item = (struct stock_settle *)items + gathered->members[i];

		foreign[gathered->members[i]] = gathered->outcome == REDIS_UNKNOWN_EPOCH;
		if (gathered->outcome == STOCK_DONE || gathered->outcome == REDIS_UNKNOWN_EPOCH)
			take_settled(&gathered->answer, &gathered->head, item);
		else
			item->outcome = redis_outcome(gathered->outcome);
	}
}

static const struct redis_question settle_question = {REDIS_SETTLE, true, false, sale_of_settle, ask_settle, take_settled_sale};

static void settle_batch(struct stock_redis *redis, struct stock_settle *items, size_t count)
{
	bool foreign[REDIS_BATCH] = {0};
	struct redis_scatter scatter;

	redis_scatter_send(&scatter, redis, &settle_question, items, count);
	redis_scatter_take(&scatter, items, foreign);
	for (size_t i = 0; i < count; i++)
		if (foreign[i])
			move_back(redis, &items[i]);
}

void redis_settle(struct stock *stock, struct stock_settle *items, size_t count)
{
	for (size_t start = 0; start < count; start += REDIS_BATCH)
		settle_batch(redis_of(stock), items + start, count - start < REDIS_BATCH ? count - start : REDIS_BATCH);
}

/* An answer that was lost has changed nothing: the order could not be asked for. */
static enum stock_outcome found(int outcome)
{
	if (outcome == STOCK_FENCED || outcome == REDIS_UNKNOWN_EPOCH)
		return STOCK_FENCED;
	return outcome == STOCK_UNKNOWN_SALE ? STOCK_UNKNOWN_SALE : STOCK_UNAVAILABLE;
}

static void ask_find(struct buffer *out, const void *items, size_t index)
{
	const struct stock_find *item = (const struct stock_find *)items + index;

	redis_write_id(out, &item->id);
	redis_write_text(out, item->buyer);
}

static void take_found_sale(struct redis_gathered *gathered, void *items, void *context)
{
	struct redis_reader *answer = &gathered->answer;
	bool done = gathered->outcome == STOCK_DONE;

	(void)context;
	for (size_t i = 0; i < gathered->count; i++) {
		struct stock_find *item = (struct stock_find *)items + gathered->members[i];

		item->outcome = done ? (enum stock_outcome)redis_read8(answer) : found(gathered->outcome);
		if (done && item->outcome != STOCK_DONE && item->outcome != STOCK_NO_ORDER)
			redis_read_fail(answer);
		if (item->outcome == STOCK_DONE)
			take_found(answer, &item->order, item->owner, item->paid);
		if (answer->failed)
			item->outcome = STOCK_UNAVAILABLE;
		if (item->outcome == STOCK_DONE)
			item->now_ms = gathered->head.now_ms;
	}
}

static const struct redis_question find_question = {REDIS_FIND, false, false, sale_of_find, ask_find, take_found_sale};
static const struct redis_question find_loaded_question = {REDIS_FIND_LOADED, false,    false,
							   sale_of_find,      ask_find, take_found_sale};

static void find_all(struct stock *stock, const struct redis_question *question, struct stock_find *items, size_t count)
{
	struct redis_scatter scatter;

	for (size_t start = 0; start < count; start += REDIS_BATCH) {
		redis_scatter_send(&scatter, redis_of(stock), question, items + start,
				   count - start < REDIS_BATCH ? count - start : REDIS_BATCH);
		redis_scatter_take(&scatter, items + start, NULL);
	}
}

void redis_find(struct stock *stock, struct stock_find *items, size_t count)
{
	find_all(stock, &find_question, items, count);
}

void redis_preheat_find(struct stock *stock, struct stock_find *items, size_t count)
{
	find_all(stock, &find_loaded_question, items, count);
}

static void take_orders(struct redis_reader *answer, struct stock_orders *item)
{
	uint32_t total = redis_read32(answer);
	uint8_t waiting = redis_read8(answer), count = redis_read8(answer);

	answer->failed |= count > STOCK_NEWEST;
	for (; item->count < count && !answer->failed; item->count++)
		redis_take_order(answer, &item->orders[item->count]);
	item->waiting = waiting > 0;
	item->more = total > (uint32_t)waiting + count;
	item->outcome = answer->failed ? STOCK_UNAVAILABLE : STOCK_DONE;
}

void redis_orders(struct stock *stock, struct stock_orders *item)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, item->sale);
	struct redis_reader answer;
	struct redis_trip trip;
	struct redis_head head;
	int outcome;

	item->count = 0;
	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_ORDERS, item->sale, &look);
	buffer_append_slice(redis_trip_argument(&trip), item->buyer);
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, item->sale, redis_trip_next(&trip, &answer), &answer, &head);
	item->outcome = found(outcome);
	if (outcome == STOCK_DONE)
		take_orders(&answer, item);
	redis_trip_end(&trip);
}

/* --- Expire --- */

/*
 * Each is dated by the sale's time, which has passed its hold's end. Adds to *looked how many were
 * due, with those that are no holds any more.
 */
static size_t expire_sale(struct stock_redis *redis, uint32_t sale, int64_t grace_ns, struct event *out, size_t max, bool *asked,
			  size_t *looked)
{
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	uint32_t asked_for = max < EXPIRY_SLICE ? (uint32_t)max : EXPIRY_SLICE;
	struct buffer *argument;
	size_t count = 0;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_EXPIRE, sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write(argument, (uint64_t)redis_ms(grace_ns), 8);
	redis_write(argument, asked_for, 4);
	redis_write(argument, ACTOR_CLOCK, 1);
	redis_write_text(argument, SLICE("clock"));
	redis_write_text(argument, SLICE(""));
	redis_trip_send(&trip);
	*asked = redis_take_head(redis, sale, redis_trip_next(&trip, &answer), &answer, &head) == STOCK_DONE;
	if (*asked) {
		*looked += redis_read_within(&answer, 4, 0, asked_for);
		count = redis_read_within(&answer, 4, 0, asked_for);
	}
	for (size_t i = 0; i < count; i++) {
		out[i] = (struct event){.kind = EVENT_EXPIRED,
					.sale = sale,
					.epoch = head.epoch,
					.at_ms = head.now_ms,
					.actor_kind = ACTOR_CLOCK,
					.actor = SLICE("clock")};
		out[i].id = redis_read_id(&answer);
		out[i].lot = redis_read_within(&answer, 2, 0, LOTS_MAX - 1);
		out[i].quantity = redis_read_within(&answer, 2, 1, LIMIT_MAX);
	}
	redis_trip_end(&trip);
	return answer.failed ? 0 : count; /* what is not told here is claimed later */
}

/* The next sale at or behind *number with a deadline; in how much of its time. */
static bool next_deadline(struct redis_sales *sales, uint32_t *number, int64_t *left_ms)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale;
	bool found = false;

	for (; !found && (sale = sale_registry_next(&sales->registry, number)); ++*number) {
		int64_t deadline_ms = atomic_load(&sale->deadline_ms);

		*left_ms = deadline_ms - redis_sale_now_ms(sale);
		found = deadline_ms != 0 && atomic_load(&sale->state) == REDIS_SALE_ARMED && !atomic_load(&sale->dropped);
		if (found)
			break;
	}
	reader_gate_leave(&sales->registry.gate, stripe);
	return found;
}

/* At most a day away: what Redis says may lie in the year 9999, which no nanoseconds reach. */
static int64_t look_again_ns(int64_t now_ns, int64_t left_ms)
{
	const int64_t day_ms = INT64_C(24) * 3600 * 1000;

	return now_ns + (left_ms < -day_ms ? -day_ms : left_ms > day_ms ? day_ms : left_ms) * 1000000;
}

/* What is collected of holds that have run out. */
struct expiry {
	struct stock_redis *redis;
	int64_t now_ns, grace_ns, next_ns;
	struct event *out;
	size_t count, max;
	size_t looked; /* also at what was a hold when it was listed, and is none */
};

/* A slice of each sale of these numbers that has some. */
static void expire_slices(struct expiry *expiry, uint32_t number, uint32_t end)
{
	struct stock_redis *redis = expiry->redis;
	int64_t grace_ms = redis_ms(expiry->grace_ns), left_ms, next_ns;

	for (; next_deadline(&redis->sales, &number, &left_ms) && number < end; number++) {
		bool asked = true;

		if (left_ms + grace_ms <= 0 && expiry->count < expiry->max) {
			expiry->count += expire_sale(redis, number, expiry->grace_ns, expiry->out + expiry->count,
						     expiry->max - expiry->count, &asked, &expiry->looked);
			atomic_store(&redis->expire_from, number + 1);
			if (!next_deadline(&redis->sales, &(uint32_t){number}, &left_ms))
				break;
		}
		next_ns = asked ? look_again_ns(expiry->now_ns, left_ms + grace_ms) : expiry->now_ns + RETRY_NS;
		expiry->next_ns = next_ns < expiry->next_ns ? next_ns : expiry->next_ns;
	}
}

/* Behind the sale that was asked last, so that one with very many keeps no other one's. */
size_t redis_expire(struct stock *stock, int64_t now_ns, int64_t now_ms, int64_t grace_ns, struct event *out, size_t max,
		    int64_t *next_ns)
{
	struct expiry expiry = {.redis = redis_of(stock), .now_ns = now_ns, .grace_ns = grace_ns, .out = out, .max = max};
	size_t before;

	(void)now_ms;
	do {
		uint32_t from = atomic_load(&expiry.redis->expire_from);

		before = expiry.looked;
		expiry.next_ns = INT64_MAX;
		expire_slices(&expiry, from, UINT32_MAX);
		expire_slices(&expiry, 0, from);
	} while (expiry.looked > before && expiry.looked < LOOKED_MAX && expiry.count < max);
	*next_ns = expiry.next_ns;
	return expiry.count;
}

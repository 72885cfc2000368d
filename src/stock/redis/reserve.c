/*
 * The purchase decision: one call a sale, one round trip a batch. The decision itself is in
 * functions/reserve.lua.
 */
#include "stock/redis/redis_stock.h"

static uint32_t sale_of(const void *items, size_t index)
{
	return ((const struct stock_reserve *)items)[index].event.sale;
}

void redis_reserve_pack(struct buffer *out, const struct stock_reserve *item)
{
	const struct event *event = &item->event;
	uint64_t labels = labels_fingerprint(&event->labels);
	unsigned flags = (item->replay_only ? REDIS_REPLAY_ONLY : 0) | (item->unlimited_rate ? REDIS_UNLIMITED : 0);

	ASSERT(event->quantity >= 1);
	ASSERT(event->quantity <= LIMIT_MAX);
	redis_write(out, flags | (labels ? REDIS_LABELLED : 0), 1);
	redis_write(out, (uint64_t)redis_ms(item->hold_ns), 4);
	redis_write(out, event->lot, 2);
	redis_write(out, event->quantity, 2);
	redis_write_text(out, event->buyer);
	redis_write(out, event->key.size + 1, 1);
	redis_write_text(out, event->key);
	redis_write_id(out, &event->id);
	redis_write(out, (uint64_t)event->at_ms, 8);
	redis_write(out, (uint64_t)event->actor_kind, 1);
	if (slice_equal(event->actor, event->buyer))
		redis_write(out, REDIS_SHORT, 1);
	else
		redis_write_text(out, event->actor);
	redis_write_trace(out, event->trace);
	redis_write(out, (uint64_t)(event->priced ? event->unit_price : REDIS_NO_PRICE), 8);
	if (!labels && event->reason.size == 0)
		return;
	redis_write_text(out, event->labels.reference);
	redis_write(out, event->labels.metadata.size, 2);
	buffer_append_slice(out, event->labels.metadata);
	redis_write_text(out, event->reason);
	redis_write(out, labels, 8);
}

/* `place`: in its batch. */
static void take_grant(struct redis_reader *answer, const struct redis_head *head, struct stock_reserve *item, uint64_t place)
{
	struct event *event = &item->event;

	event->kind = EVENT_RESERVED;
	event->epoch = head->epoch;
	event->limit_per_buyer = head->limit;
	item->order = (struct stock_order){
		.id = event->id, .lot = event->lot, .quantity = event->quantity, .first_quantity = event->quantity};
	item->order.state = redis_read_within(answer, 1, ORDER_HELD, ORDER_CONFIRMED);
	event->buyer_units =
		redis_read_within(answer, 2, event->quantity, head->limit > event->quantity ? head->limit : event->quantity);
	event->hold_expires_at_ms = redis_read_time(answer);
	if ((item->order.state == ORDER_HELD) != (item->hold_ns > 0) || (event->hold_expires_at_ms > 0) != (item->hold_ns > 0))
		redis_read_fail(answer);
	item->order.hold_expires_at_ms = item->order.first_hold_expires_at_ms = event->hold_expires_at_ms;
	event->stock_place = place;
}

static void take_own(struct redis_reader *answer, struct stock_reserve *item)
{
	uint8_t count = redis_read8(answer);

	answer->failed |= count > STOCK_NEWEST;
	for (item->own_count = 0; item->own_count < count && !answer->failed; item->own_count++)
		item->own[item->own_count] = redis_read_id(answer);
}

/* `granted`: of the batch so far. */
static void take(struct stock_redis *redis, struct redis_reader *answer, const struct redis_head *head,
		 struct stock_reserve *item, uint32_t batch, uint16_t *granted)
{
	item->outcome = redis_read8(answer);
	item->rate_left = redis_read8(answer);
	switch (item->outcome) {
	case STOCK_DONE:
		if (item->replay_only) /* which may not be granted */
			redis_read_fail(answer);
		take_grant(answer, head, item, redis_place(batch, ++*granted));
		redis_sales_add_buyer(&redis->sales, item->event.sale, item->event.buyer);
		break;
	case STOCK_REPLAY:
		redis_take_order(answer, &item->order);
		break;
	case STOCK_RATE_LIMITED:
		item->retry_after_ms = redis_read32(answer);
		break;
	case STOCK_BUYER_LIMIT:
		take_own(answer, item);
		break;
	case STOCK_SOLD_OUT:
		item->version = (uint64_t)head->epoch << 32 | redis_read32(answer);
		item->may_return = redis_read8(answer);
		break;
	case STOCK_NO_REPLAY:
		if (!item->replay_only) /* it was asked for an order */
			redis_read_fail(answer);
		break;
#define BARE_0(name)
#define BARE_1(name) case STOCK_##name:
#define BARE(name, number, bare, ...) BARE_##bare(name)
		REFUSALS_BY_STOCK(BARE)
#undef BARE
#undef BARE_1
#undef BARE_0
		break;
	default:
		redis_read_fail(answer);
	}
	/* What was granted and cannot be read is in the outbox, and will be driven. */
	if (answer->failed)
		item->outcome = STOCK_OUTCOME_UNKNOWN;
}

struct reserve_end {
	uint32_t sale;
	const uint16_t *members;
	size_t count;
	bool foreign; /* what it grants is not to be kept */
	bool more;    /* there are names still to be read */
};

/* What is left to do when the trip has ended: a sale each. */
struct reserve_ends {
	struct reserve_end sales[REDIS_BATCH];
	size_t count;
};

static void take_sale(struct redis_gathered *gathered, void *items, void *context)
{
	struct stock_redis *redis = gathered->redis;
	struct reserve_ends *ends = context;
	struct reserve_end *end = &ends->sales[ends->count++];
	bool foreign = gathered->outcome == REDIS_UNKNOWN_EPOCH, answered = gathered->outcome == STOCK_DONE || foreign;
	uint16_t granted = 0;
	uint32_t batch = 0;

	*end = (struct reserve_end){gathered->sale, gathered->members, gathered->count, foreign, false};
	if (answered && redis_read8(&gathered->answer))
		end->more = redis_sales_learn_names(&redis->sales, gathered->sale, gathered->head.epoch, &gathered->answer);
	if (answered)
		batch = redis_read32(&gathered->answer);
	for (size_t i = 0; i < gathered->count; i++) {
		struct stock_reserve *item = (struct stock_reserve *)items + gathered->members[i];

		if (answered)
			take(redis, &gathered->answer, &gathered->head, item, batch, &granted);
		else
			item->outcome = redis_outcome(gathered->outcome);
		if (item->outcome == STOCK_OUTCOME_UNKNOWN)
			redis_sales_add_buyer(&redis->sales, gathered->sale, item->event.buyer);
	}
}

/*
 * Grants of an epoch that the catalog does not know would be told and recorded under it: they are
 * given back, and the sale counts as fenced.
 */
static void give_back(struct stock_redis *redis, struct stock_reserve *items, const uint16_t *members, size_t count)
{
	const struct event *granted[REDIS_BATCH];
	bool undone[REDIS_BATCH];
	size_t given = 0;

	for (size_t i = 0; i < count; i++)
		if (items[members[i]].outcome == STOCK_DONE)
			granted[given++] = &items[members[i]].event;
	redis_compensate(&redis->stock, granted, given, undone);
	given = 0;
	for (size_t i = 0; i < count; i++) {
		struct stock_reserve *item = &items[members[i]];

		if (item->outcome == STOCK_DONE)
			item->outcome = undone[given++] ? STOCK_FENCED : STOCK_OUTCOME_UNKNOWN;
		else if (item->outcome != STOCK_OUTCOME_UNKNOWN)
			item->outcome = STOCK_FENCED;
	}
}

static void ask(struct buffer *out, const void *items, size_t index)
{
	redis_reserve_pack(out, (const struct stock_reserve *)items + index);
}

static const struct redis_question question = {REDIS_RESERVE, true, true, sale_of, ask, take_sale};

static void reserve_batch(struct stock_redis *redis, struct stock_reserve *items, size_t count)
{
	struct redis_scatter scatter;
	struct reserve_ends ends;

	ends.count = 0;
	redis_scatter_send(&scatter, redis, &question, items, count);
	redis_scatter_take(&scatter, items, &ends);
	for (size_t i = 0; i < ends.count; i++) {
		const struct reserve_end *end = &ends.sales[i];

		if (end->foreign)
			give_back(redis, items, end->members, end->count);
		else if (end->more)
			redis_read_names(redis, end->sale);
	}
}

void redis_reserve(struct stock *stock, struct stock_reserve *items, size_t count)
{
	for (size_t start = 0; start < count; start += REDIS_BATCH)
		reserve_batch(redis_of(stock), items + start, count - start < REDIS_BATCH ? count - start : REDIS_BATCH);
}

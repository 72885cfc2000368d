#include "unit/stock/stock_model.h"

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/random.h"

#define MS INT64_C(1000000)

enum {
	SALE = 3,
	LOTS = 3,
	BUYERS = 16,
	KEYS = 12,
	ORDERS_MAX = 20000,
	MOVES_MAX = 2000,
	OUTBOX = 12,
	LIMIT = 3,
	RATE = 3,
	RATE_SECONDS = 10,
	HOLD_MS = 4000,
	GRACE_MS = 500,
	STALE_MAX = 64,
	FIND_BATCH = 256,
	GATES_MAX = 2,
};

/* One thing that may be on its way. */
struct model_way {
	bool on, claimed;
	int64_t at_ns;
	struct event event;
	int64_t next_deadline_ns;
};

struct model_order {
	struct uuid id;
	int buyer, key; /* key -1: none */
	uint32_t lot, quantity, first_quantity;
	enum order_state state;
	bool gone, durable;
	bool counted; /* in the buyer's rate window, since */
	int64_t granted_ns;
	int64_t deadline_ns, hold_ms, first_hold_ms;
	struct model_way way;
};

struct model_move {
	struct uuid id;
	uint32_t lot, quantity;
	struct model_way way;
};

static struct {
	const struct stock_factory *factory;
	struct stock *gates[GATES_MAX];
	size_t gate_count;
	struct stock *stock; /* whose turn it is */
	struct uuid_generator ids;
	int64_t now_ns, now_ms, available[LOTS], allocated[LOTS], withdrawn[LOTS];
	uint32_t epoch;
	uint64_t versions[LOTS];
	struct model_order orders[ORDERS_MAX];
	struct model_move moves[MOVES_MAX];
	struct event stale[STALE_MAX]; /* was on its way when its epoch ended */
	int order_count, move_count, stale_count;
	size_t claimed;
} m;

static const char *const buyers[BUYERS] = {"ann", "bob", "cid", "dan", "eve", "fay", "gil", "hal",
					   "ida", "jan", "kim", "leo", "mia", "ned", "ora", "pat"};
static const char *const keys[KEYS] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"};

static int64_t model_wall_us(const struct clock_source *source)
{
	(void)source;
	return m.now_ms * 1000;
}

static int64_t model_mono_ns(const struct clock_source *source)
{
	(void)source;
	return m.now_ns;
}

static void pass(int64_t ms)
{
	m.now_ns += ms * MS;
	m.now_ms += ms;
	if (m.factory->set_clock)
		m.factory->set_clock(m.stock, m.now_ms);
}

/* What a stock tells without I/O is asked after this. */
static void refresh(void)
{
	struct stock_refresh item = {.sale = SALE, .epoch = m.epoch, .lot_count = LOTS};

	if (m.stock->ops->known_ns) /* as a purchase asks it: a gate that nobody asks may leave its turn out */
		(void)m.stock->ops->known_ns(m.stock, SALE);
	m.stock->ops->refresh(m.stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
}

static uint32_t random_below(uint32_t bound)
{
	return (uint32_t)(random_u64() % bound);
}

static bool live(const struct model_order *order)
{
	return !order->gone && order_is_live(order->state);
}

static int outbox_count(void)
{
	int count = 0;

	for (int i = 0; i < m.order_count; i++)
		count += m.orders[i].way.on;
	for (int i = 0; i < m.move_count; i++)
		count += m.moves[i].way.on;
	return count;
}

static uint32_t units_of(int buyer)
{
	uint32_t units = 0;

	for (int i = 0; i < m.order_count; i++)
		if (m.orders[i].buyer == buyer && live(&m.orders[i]))
			units += m.orders[i].quantity;
	return units;
}

static uint32_t grants_of(int buyer, int64_t *oldest_ns)
{
	uint32_t count = 0;

	*oldest_ns = INT64_MAX;
	for (int i = 0; i < m.order_count; i++) {
		const struct model_order *order = &m.orders[i];

		if (order->gone || !order->counted || order->buyer != buyer || m.now_ns - order->granted_ns >= RATE_SECONDS * 1000 * MS)
			continue;
		*oldest_ns = order->granted_ns < *oldest_ns ? order->granted_ns : *oldest_ns;
		count++;
	}
	return count;
}

static struct model_order *order_with_key(int buyer, int key)
{
	for (int i = 0; key >= 0 && i < m.order_count; i++)
		if (!m.orders[i].gone && m.orders[i].buyer == buyer && m.orders[i].key == key)
			return &m.orders[i];
	return NULL;
}

static enum stock_outcome expect_reserve(int buyer, int key, const struct stock_reserve *item, int64_t *retry_ms)
{
	struct model_order *same = order_with_key(buyer, key);
	int64_t oldest_ns = 0;

	if (same)
		return same->lot == item->event.lot && same->first_quantity == item->event.quantity ? STOCK_REPLAY
												    : STOCK_KEY_CONFLICT;
	if (item->replay_only)
		return STOCK_NO_REPLAY;
	if (grants_of(buyer, &oldest_ns) >= RATE) {
		*retry_ms = (oldest_ns + RATE_SECONDS * 1000 * MS - m.now_ns) / MS;
		return STOCK_RATE_LIMITED;
	}
	if (units_of(buyer) + item->event.quantity > LIMIT)
		return STOCK_BUYER_LIMIT;
	if (m.available[item->event.lot] < item->event.quantity)
		return STOCK_SOLD_OUT;
	return outbox_count() == OUTBOX ? STOCK_FULL : STOCK_DONE;
}

static void granted(int buyer, int key, const struct stock_reserve *item)
{
	struct model_order *order = &m.orders[m.order_count++];

	assert_true(m.order_count < ORDERS_MAX);
	*order = (struct model_order){
		.id = item->event.id,
		.buyer = buyer,
		.key = key,
		.lot = item->event.lot,
		.quantity = item->event.quantity,
		.first_quantity = item->event.quantity,
		.state = item->hold_ns ? ORDER_HELD : ORDER_CONFIRMED,
		.counted = true,
		.granted_ns = m.now_ns,
		.deadline_ns = m.now_ns + item->hold_ns,
		.hold_ms = item->event.hold_expires_at_ms,
		.first_hold_ms = item->event.hold_expires_at_ms,
		.way = {.on = true, .at_ns = m.now_ns, .event = item->event},
	};
	m.available[order->lot] -= order->quantity;
	assert_int_equal(item->event.buyer_units, units_of(buyer));
}

/* Whoever has reached the limit hears of what is live among these. */
static void check_own(int buyer, const struct stock_reserve *item)
{
	struct stock_orders newest = {.sale = SALE, .buyer = slice_of(buyers[buyer])};
	uint32_t live_count = 0;

	m.stock->ops->orders(m.stock, &newest);
	for (uint32_t i = 0; i < newest.count; i++) {
		if (!order_is_live(newest.orders[i].state))
			continue;
		assert_true(live_count < item->own_count);
		assert_true(uuid_equal(&item->own[live_count++], &newest.orders[i].id));
	}
	assert_int_equal(live_count, item->own_count);
}

static void check_replay(const struct model_order *order, const struct stock_order *told)
{
	assert_true(uuid_equal(&told->id, &order->id));
	assert_int_equal(told->first_quantity, order->first_quantity);
}

static void do_reserve(void)
{
	int buyer = (int)random_below(BUYERS), key = (int)random_below(2 * KEYS) - KEYS;
	int64_t hold_ms = random_below(4) ? HOLD_MS : 0, retry_ms = 0;
	struct stock_reserve item = {
		.event = {.sale = SALE,
			  .lot = random_below(LOTS),
			  .quantity = 1 + random_below(2),
			  .id = uuid_make(&m.ids, m.now_ms, SALE),
			  .at_ms = m.now_ms,
			  .hold_expires_at_ms = hold_ms ? m.now_ms + hold_ms : 0,
			  .buyer = slice_of(buyers[buyer]),
			  .key = slice_of(key >= 0 ? keys[key] : "")},
		.now_ns = m.now_ns,
		.hold_ns = hold_ms * MS,
		.replay_only = random_below(10) == 0,
	};
	enum stock_outcome expected = expect_reserve(buyer, key, &item, &retry_ms);

	m.stock->ops->reserve(m.stock, &item, 1);
	assert_int_equal(item.outcome, expected);
	if (expected == STOCK_DONE)
		granted(buyer, key, &item);
	if (expected == STOCK_RATE_LIMITED)
		assert_int_equal(item.retry_after_ms, retry_ms);
	else
		assert_int_equal(item.rate_left, RATE - grants_of(buyer, &retry_ms));
	if (expected == STOCK_REPLAY)
		check_replay(order_with_key(buyer, key), &item.order);
	if (expected == STOCK_BUYER_LIMIT)
		check_own(buyer, &item);
	if (expected == STOCK_SOLD_OUT)
		assert_int_equal(item.version, m.versions[item.event.lot]);
}

static struct model_order *random_order(void)
{
	int recent = m.order_count < 40 ? m.order_count : 40;

	return m.order_count ? &m.orders[m.order_count - 1 - (int)random_below((uint32_t)recent)] : NULL;
}

static enum stock_outcome expect_settle(const struct model_order *order, const struct stock_settle *item)
{
	enum order_action action = item->action;
	bool over = order->state == ORDER_HELD && order->deadline_ns + GRACE_MS * MS <= m.now_ns;
	enum order_state next;

	if (order->gone)
		return STOCK_NO_ORDER;
	if (order->way.on)
		return STOCK_BUSY;
	if (item->from && (item->from != order->quantity || !order_is_live(order->state)))
		return STOCK_REFUSED;
	if (item->held_only && order->state == ORDER_CONFIRMED)
		return STOCK_REFUSED;
	if ((action == ORDER_CONFIRM || action == ORDER_EXTEND || action == ORDER_REDUCE) && (order->state == ORDER_EXPIRED || over))
		return STOCK_EXPIRED;
	switch (order_next(order->state, action, &next)) {
	case ORDER_ALREADY:
		return STOCK_ALREADY;
	case ORDER_MOVE_REFUSED:
		return STOCK_REFUSED;
	case ORDER_MOVED:
		break;
	}
	if (action == ORDER_EXTEND && m.now_ns + item->extend_ns <= order->deadline_ns)
		return STOCK_ALREADY;
	return outbox_count() == OUTBOX ? STOCK_FULL : STOCK_DONE;
}

/* How many it gives back, as who asks has heard of the order at some time, and to where. */
static void choose_units(const struct model_order *order, struct stock_settle *item)
{
	bool reduces = item->action == ORDER_REDUCE;

	item->units_to = (enum units_to)random_below(3);
	if (reduces || random_below(2))
		item->from = reduces && order->quantity < 2 ? 2 : order->quantity + (random_below(8) == 0);
	if (!reduces)
		return;
	item->quantity = 1 + random_below(item->from - 1);
	item->held_only = random_below(4) == 0;
}

static void do_settle(void)
{
	static const enum order_action actions[] = {ORDER_CONFIRM, ORDER_CANCEL, ORDER_REFUND, ORDER_EXTEND, ORDER_REDUCE};
	struct model_order *order = random_order();
	enum order_action action = actions[random_below(5)];
	int64_t extend_ns = (1 + random_below(8)) * 1000 * MS;
	struct stock_settle item;
	enum stock_outcome expected;

	if (!order)
		return;
	item = (struct stock_settle){.sale = SALE,
				     .id = order->id,
				     .action = action,
				     .now_ns = m.now_ns,
				     .now_ms = m.now_ms,
				     .grace_ns = GRACE_MS * MS,
				     .extend_ns = extend_ns,
				     .buyer = slice_of(random_below(2) ? buyers[order->buyer] : "")};
	if (action == ORDER_CANCEL || action == ORDER_REFUND || action == ORDER_REDUCE)
		choose_units(order, &item);
	expected = expect_settle(order, &item);
	m.stock->ops->settle(m.stock, &item, 1);
	assert_int_equal(item.outcome, expected);
	if (expected == STOCK_DONE)
		order->way = (struct model_way){
			.on = true, .at_ns = m.now_ns, .event = item.event, .next_deadline_ns = m.now_ns + item.extend_ns};
}

static void give_back(struct model_order *order, uint32_t quantity, enum units_to to)
{
	if (to != UNITS_TO_SALE) {
		m.withdrawn[order->lot] += quantity;
		return;
	}
	m.available[order->lot] += quantity;
	m.versions[order->lot]++;
}

static void end(struct model_order *order, enum order_state state, enum units_to to)
{
	order->state = state;
	give_back(order, order->quantity, to);
}

static void model_acknowledge(struct model_order *order)
{
	order->way.on = false;
	switch (order->way.event.kind) {
	case EVENT_RESERVED:
		order->durable = true;
		break;
	case EVENT_CONFIRMED:
		order->state = ORDER_CONFIRMED;
		break;
	case EVENT_EXTENDED:
		order->hold_ms = order->way.event.hold_expires_at_ms;
		order->deadline_ns = order->way.next_deadline_ns;
		break;
	case EVENT_EXPIRED:
		end(order, ORDER_EXPIRED, UNITS_TO_SALE);
		break;
	case EVENT_REDUCED:
		give_back(order, order->way.event.quantity, order->way.event.units_to);
		order->quantity = order->way.event.left;
		break;
	default:
		end(order, ORDER_CANCELLED, order->way.event.units_to);
	}
}

/* Tells the stock the end of something on its way, or repeats one that is over. */
static void do_end(bool durable)
{
	struct model_order *order = random_order();
	const struct event *event = order ? &order->way.event : NULL;

	if (!order)
		return;
	if (durable)
		stock_acknowledge(m.stock, &event, 1);
	else
		m.stock->ops->compensate(m.stock, &event, 1, &(bool){false});
	if (!order->way.on || (!durable && order->way.claimed))
		return;
	if (durable) {
		model_acknowledge(order);
		return;
	}
	order->way.on = false;
	if (event->kind == EVENT_RESERVED) {
		end(order, order->state, UNITS_TO_SALE);
		order->gone = true;
	}
}

static void do_movement_end(bool durable)
{
	struct model_move *move = m.move_count ? &m.moves[m.move_count - 1] : NULL;
	const struct event *event = move ? &move->way.event : NULL;

	if (!move)
		return;
	if (durable)
		stock_acknowledge(m.stock, &event, 1);
	else
		m.stock->ops->compensate(m.stock, &event, 1, &(bool){false});
	if (!move->way.on || (!durable && move->way.claimed))
		return;
	move->way.on = false;
	if (durable)
		return;
	m.available[move->lot] += move->quantity;
	m.withdrawn[move->lot] -= move->quantity;
	m.versions[move->lot]++;
}

static void do_move(void)
{
	struct uuid id = uuid_make(&m.ids, m.now_ms, SALE);
	uint32_t lot = random_below(LOTS), units = 1 + random_below(3);
	struct stock_withdrawal withdrawal;
	struct event event;

	if (random_below(2)) {
		m.allocated[lot] += units;
		for (int i = 0; i < 2; i++) /* the second changes nothing */
			assert_int_equal(m.stock->ops->allocate(m.stock, SALE, lot, m.allocated[lot]), 0);
		m.available[lot] += units;
		m.versions[lot]++;
		return;
	}
	withdrawal = (struct stock_withdrawal){
		.sale = SALE, .lot = lot, .units = units, .movement = id, .now_ns = m.now_ns, .now_ms = m.now_ms};
	if (outbox_count() == OUTBOX) {
		assert_int_equal(m.stock->ops->withdraw(m.stock, &withdrawal), STOCK_FULL);
		return;
	}
	assert_int_equal(m.stock->ops->withdraw(m.stock, &withdrawal), 0);
	event = withdrawal.event;
	units = m.available[lot] < units ? (uint32_t)m.available[lot] : units;
	assert_int_equal(event.quantity, units);
	if (units == 0)
		return;
	assert_true(m.move_count < MOVES_MAX);
	m.available[lot] -= units;
	m.withdrawn[lot] += units;
	m.moves[m.move_count++] = (struct model_move){id, lot, units, {.on = true, .at_ns = m.now_ns, .event = event}};
}

static bool waits(const struct model_order *order)
{
	return !order->gone && order->state == ORDER_HELD && order->durable && !order->way.on;
}

static struct model_order *order_with_id(const struct uuid *id)
{
	for (int i = 0; i < m.order_count; i++)
		if (uuid_equal(&m.orders[i].id, id))
			return &m.orders[i];
	return NULL;
}

static void do_expire(void)
{
	size_t max = random_below(4), due = 0, room = (size_t)(OUTBOX - outbox_count()), count;
	struct event out[4];
	int64_t next_ns, first_ns = INT64_MAX;

	refresh();
	for (int i = 0; i < m.order_count; i++)
		due += waits(&m.orders[i]) && m.orders[i].deadline_ns + GRACE_MS * MS <= m.now_ns;
	count = m.stock->ops->expire(m.stock, m.now_ns, m.now_ms, GRACE_MS * MS, out, max, &next_ns);
	due = due < max ? due : max;
	assert_int_equal(count, due < room ? due : room);
	for (size_t i = 0; i < count; i++) {
		struct model_order *order = order_with_id(&out[i].id);

		assert_true(waits(order));
		assert_true(order->deadline_ns + GRACE_MS * MS <= m.now_ns);
		order->way = (struct model_way){.on = true, .at_ns = m.now_ns, .event = out[i]};
	}
	for (int i = 0; i < m.order_count; i++)
		if (waits(&m.orders[i]) && m.orders[i].deadline_ns + GRACE_MS * MS < first_ns)
			first_ns = m.orders[i].deadline_ns + GRACE_MS * MS;
	assert_true(next_ns <= first_ns); /* earlier: of a hold that has ended in another way */
	assert_true(next_ns > m.now_ns || count == max || count == room);
}

static struct model_way *way_of(const struct event *event)
{
	for (int i = 0; i < m.move_count; i++)
		if (uuid_equal(&m.moves[i].id, &event->id))
			return &m.moves[i].way;
	return &order_with_id(&event->id)->way;
}

static size_t count_old(int64_t before_ns)
{
	size_t count = 0;

	for (int i = 0; i < m.order_count; i++)
		count += m.orders[i].way.on && m.orders[i].way.at_ns < before_ns;
	for (int i = 0; i < m.move_count; i++)
		count += m.moves[i].way.on && m.moves[i].way.at_ns < before_ns;
	return count;
}

/*
 * A stock with a clock of its own claims what this process has seen unchanged for so long: that may
 * be later, and is never earlier.
 */
static void do_claim(void)
{
	static struct stock_claim claims[OUTBOX];
	int64_t before_ns = m.now_ns - random_below(3000) * MS;
	size_t expected = count_old(m.factory->set_clock ? before_ns + 1 : before_ns), count;

	refresh();
	count = m.stock->ops->claim(m.stock, before_ns, m.now_ns, claims, OUTBOX);
	assert_true(m.factory->set_clock ? count <= expected : count == expected);
	m.claimed += count;
	for (size_t i = 0; i < count; i++) {
		struct model_way *way = way_of(&claims[i].event);
		struct model_order *order = order_with_id(&claims[i].event.id);

		assert_true(way->on);
		assert_true(way->at_ns <= before_ns);
		way->claimed = true;
		way->at_ns = m.now_ns;
		if (!order)
			continue; /* a withdrawal */
		assert_int_equal(claims[i].event.kind, order->way.event.kind);
		assert_int_equal(claims[i].event.quantity, order->way.event.quantity);
		assert_int_equal(claims[i].event.left, order->way.event.left);
		assert_int_equal(claims[i].event.units_to, order->way.event.units_to);
		if (claims[i].event.kind == EVENT_RESERVED)
			assert_true(slice_equal(claims[i].event.buyer, slice_of(buyers[order->buyer])));
	}
}

static void arm(void)
{
	for (int i = 0; i < LOTS; i++)
		m.versions[i] = 0;
	assert_int_equal(m.stock->ops->arm(m.stock, SALE, m.allocated, m.withdrawn), 0);
	/* The ledger has told every gate of the epoch. */
	for (size_t i = 0; i < m.gate_count; i++) {
		struct stock_refresh item = {.sale = SALE, .epoch = m.epoch, .lot_count = LOTS};

		m.gates[i]->ops->refresh(m.gates[i], &item, 1);
	}
	for (uint32_t i = 0; i < LOTS; i++)
		m.versions[i] = m.stock->ops->version(m.stock, SALE, i);
}

static void begin(void)
{
	struct stock_rules rules = {.sale = SALE,
				    .epoch = ++m.epoch,
				    .limit_per_buyer = LIMIT,
				    .rate_requests = RATE,
				    .rate_seconds = RATE_SECONDS,
				    .lot_count = LOTS};

	assert_int_equal(m.stock->ops->preheat_begin(m.stock, &rules), 0);
	for (int i = 0; i < m.order_count; i++)
		m.orders[i].counted = false; /* the rate is not in the ledger */
}

static void note_stale(struct model_way *way)
{
	if (way->on)
		m.stale[m.stale_count++ % STALE_MAX] = way->event;
	way->on = false;
}

/*
 * The end of something that went out under an old epoch is the journal's to say: it changes nothing
 * here.
 */
static void do_stale(void)
{
	const struct event *event;

	if (m.stale_count == 0)
		return;
	event = &m.stale[random_below((uint32_t)(m.stale_count < STALE_MAX ? m.stale_count : STALE_MAX))];
	if (random_below(2))
		stock_acknowledge(m.stock, &event, 1);
	else
		m.stock->ops->compensate(m.stock, &event, 1, &(bool){false});
}

/* A restart: what is durable is loaded again, what was on its way never happened. */
static void do_rebuild(void)
{
	begin();
	for (int i = 0; i < m.order_count; i++) {
		struct model_order *order = &m.orders[i];
		struct stock_load load = {.id = order->id,
					  .lot = order->lot,
					  .quantity = order->quantity,
					  .first_quantity = order->first_quantity,
					  .state = order->state,
					  .buyer = slice_of(buyers[order->buyer]),
					  .key = slice_of(order->key >= 0 ? keys[order->key] : ""),
					  .hold_expires_at_ms = order->hold_ms,
					  .first_hold_expires_at_ms = order->first_hold_ms,
					  .hold_left_ns = order->deadline_ns - m.now_ns};

		note_stale(&order->way);
		if (!order->durable && !order->gone) {
			order->gone = true;
			m.available[order->lot] += order->quantity;
		}
		if (!order->gone)
			assert_int_equal(m.stock->ops->preheat_load(m.stock, SALE, &load, 1, m.now_ns), 0);
	}
	for (int i = 0; i < m.move_count; i++) {
		struct model_move *move = &m.moves[i];

		if (move->way.on) {
			m.available[move->lot] += move->quantity;
			m.withdrawn[move->lot] -= move->quantity;
		}
		note_stale(&move->way);
	}
	arm();
}

static void check_order(const struct model_order *order, const struct stock_find *find)
{
	assert_int_equal(find->outcome, order->gone ? STOCK_NO_ORDER : STOCK_DONE);
	if (order->gone)
		return;
	assert_int_equal(find->order.state, order->state);
	assert_int_equal(find->order.durable, order->durable);
	assert_int_equal(find->order.settling, order->way.on && order->way.event.kind != EVENT_RESERVED);
	assert_int_equal(find->order.lot, order->lot);
	assert_int_equal(find->order.quantity, order->quantity);
	assert_int_equal(find->order.first_quantity, order->first_quantity);
	assert_true(find->order.hold_expires_at_ms == order->hold_ms);
	assert_true(find->order.first_hold_expires_at_ms == order->first_hold_ms);
	assert_true(m.stock->ops->may_have_order(m.stock, SALE, slice_of(buyers[order->buyer])));
}

static void check_orders(void)
{
	static struct stock_find finds[FIND_BATCH];

	for (int start = 0; start < m.order_count; start += FIND_BATCH) {
		int count = m.order_count - start < FIND_BATCH ? m.order_count - start : FIND_BATCH;

		for (int i = 0; i < count; i++)
			finds[i] = (struct stock_find){.sale = SALE, .id = m.orders[start + i].id};
		m.stock->ops->find(m.stock, finds, (size_t)count);
		for (int i = 0; i < count; i++)
			check_order(&m.orders[start + i], &finds[i]);
	}
}

/*
 * The newest of a buyer, newest first: those that are durable. A shared stock keeps just the newest
 * in mind: where one of them never was, one that is older than those may be missing at the end.
 */
static void check_newest(int buyer)
{
	struct stock_orders item = {.sale = SALE, .buyer = slice_of(buyers[buyer])};
	uint32_t seen = 0, durable = 0, total = 0;
	bool waiting;

	m.stock->ops->orders(m.stock, &item);
	assert_int_equal(item.outcome, STOCK_DONE);
	for (int i = m.order_count - 1; i >= 0; i--) {
		const struct model_order *order = &m.orders[i];

		if (order->gone || order->buyer != buyer)
			continue;
		total++;
		if (seen++ >= STOCK_NEWEST || !order->durable)
			continue;
		if (durable < item.count) {
			assert_true(uuid_equal(&item.orders[durable].id, &order->id));
			assert_int_equal(item.orders[durable].state, order->state);
		}
		durable++;
	}
	waiting = (total < STOCK_NEWEST ? total : STOCK_NEWEST) > durable;
	if (m.factory->join && item.more) {
		assert_true(item.count <= durable);
		assert_true(waiting || !item.waiting);
		assert_true(total > item.count);
		return;
	}
	assert_int_equal(item.count, durable);
	assert_int_equal(item.waiting, waiting);
	assert_int_equal(item.more, total > STOCK_NEWEST);
}

static void check(bool thoroughly)
{
	int64_t held[LOTS] = {0}, confirmed[LOTS] = {0};
	struct stock_lot_state lots[LOTS_MAX];
	struct stock_totals totals;
	uint32_t count;

	refresh();
	for (int i = 0; i < m.order_count; i++) {
		struct model_order *order = &m.orders[i];

		if (live(order))
			*(order->state == ORDER_HELD ? &held[order->lot] : &confirmed[order->lot]) += order->quantity;
	}
	if (thoroughly)
		check_orders();
	for (int i = 0; thoroughly && i < BUYERS; i++)
		check_newest(i);
	assert_int_equal(m.stock->ops->snapshot(m.stock, SALE, lots, &count), 0);
	assert_int_equal(count, LOTS);
	for (int i = 0; i < LOTS; i++) {
		assert_int_equal(lots[i].available, m.available[i]);
		assert_int_equal(lots[i].held, held[i]);
		assert_int_equal(lots[i].confirmed, confirmed[i]);
		assert_int_equal(lots[i].withdrawn, m.withdrawn[i]);
		assert_int_equal(lots[i].allocated, m.allocated[i]);
		assert_int_equal(lots[i].allocated, lots[i].available + lots[i].held + lots[i].confirmed + lots[i].withdrawn);
		assert_int_equal(lots[i].version, m.versions[i]);
	}
	m.stock->ops->totals(m.stock, &totals);
	assert_int_equal(totals.outbox, outbox_count());
}

static void step(void)
{
	uint32_t dice = random_below(100);

	m.stock = m.gates[random_below((uint32_t)m.gate_count)];
	if (dice < 30)
		do_reserve();
	else if (dice < 46)
		do_settle();
	else if (dice < 68)
		do_end(true);
	else if (dice < 74)
		do_end(false);
	else if (dice < 76)
		do_move();
	else if (dice < 80)
		do_movement_end(random_below(3) != 0);
	else if (dice < 86)
		do_expire();
	else if (dice < 88)
		do_claim();
	else if (dice < 89)
		do_stale();
	else if (random_below(100) == 0)
		do_rebuild();
	else
		pass(random_below(random_below(10) ? 300 : 3000));
}

static void open_gates(void)
{
	assert_int_equal(m.factory->make(&m.gates[0], OUTBOX), 0);
	m.gate_count = 1;
	if (m.factory->join) {
		assert_int_equal(m.factory->join(&m.gates[1], OUTBOX), 0);
		m.gate_count = 2;
	}
	m.stock = m.gates[0];
}

void stock_model_run(const struct stock_factory *factory, int steps)
{
	static const struct clock_source source = {model_wall_us, model_mono_ns};
	const char *given = getenv("PENSTOCK_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();

	print_message("PENSTOCK_TEST_SEED=%llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	m.factory = factory;
	m.now_ns = 5000 * MS;
	m.now_ms = INT64_C(1800000000000);
	clock_set_source(&source);
	open_gates();
	pass(0);
	for (int i = 0; i < LOTS; i++)
		m.allocated[i] = m.available[i] = 4;
	begin();
	arm();
	for (int i = 0; i < steps; i++) {
		step();
		check(i % 100 == 0);
	}
	check(true);
	print_message("%d orders, %d withdrawals, %zu claims, epoch %u\n", m.order_count, m.move_count, m.claimed, m.epoch);
	assert_true(m.claimed > 0);
	assert_true(m.order_count > steps / 150);
	while (m.gate_count > 0) {
		m.gate_count--;
		m.gates[m.gate_count]->ops->free(m.gates[m.gate_count]);
	}
	clock_set_source(NULL);
	random_set_seed(0);
}

#include "unit/stock/redis_gate.h"

#include "base/clock.h"

static void open_with(struct gate *gate, const char *url, int64_t timeout_ms, uint32_t version, const struct redis_transport *transport)
{
	struct stock_redis_settings settings = {
		.url = url, .outbox_max = 4096, .call_timeout_ns = timeout_ms * MS, .transport = transport, .library_version = version};

	*gate = (struct gate){.hold_ms = GATE_HOLD_MS};
	gate->rules = (struct stock_rules){.sale = GATE_SALE, .limit_per_buyer = 2, .lot_count = 1};
	assert_int_equal(stock_redis_open(&gate->stock, &settings), 0);
}

void gate_open(struct gate *gate, const char *url)
{
	open_with(gate, url, 200, 0, NULL);
}

void gate_open_patient(struct gate *gate, const char *url)
{
	open_with(gate, url, 3000, 0, NULL);
}

void gate_open_version(struct gate *gate, const char *url, uint32_t version)
{
	open_with(gate, url, 3000, version, NULL);
}

void gate_open_over(struct gate *gate, const struct redis_transport *transport, const char *url)
{
	open_with(gate, url, 1000, 0, transport);
}

void gate_close(struct gate *gate)
{
	gate->stock->ops->free(gate->stock);
}

int gate_sell(struct gate *gate, uint32_t epoch, int64_t units)
{
	int64_t withdrawn = 0;
	int r;

	gate->epoch = gate->rules.epoch = epoch;
	r = gate->stock->ops->preheat_begin(gate->stock, &gate->rules);
	return r < 0 ? r : gate->stock->ops->arm(gate->stock, GATE_SALE, &units, &withdrawn);
}

enum stock_outcome gate_refresh(struct gate *gate)
{
	struct stock_refresh item = {.sale = GATE_SALE, .epoch = gate->epoch, .lot_count = 1};

	gate->stock->ops->refresh(gate->stock, &item, 1);
	return item.outcome;
}

struct stock_reserve gate_ask(struct gate *gate, const char *buyer, const char *key)
{
	return (struct stock_reserve){
		.event = {.sale = GATE_SALE,
			  .quantity = 1,
			  .id = uuid_make(&gate->ids, clock_wall_ms(), GATE_SALE),
			  .at_ms = clock_wall_ms(),
			  .buyer = slice_of(buyer),
			  .key = slice_of(key),
			  .actor = slice_of(buyer)},
		.now_ns = clock_mono_ns(),
		.hold_ns = gate->hold_ms * MS,
	};
}

struct stock_reserve gate_buy(struct gate *gate, const char *buyer, const char *key)
{
	struct stock_reserve item = gate_ask(gate, buyer, key);

	gate->stock->ops->reserve(gate->stock, &item, 1);
	return item;
}

struct stock_reserve gate_order(struct gate *gate, const char *buyer, const char *key)
{
	struct stock_reserve item = gate_buy(gate, buyer, key);

	assert_int_equal(item.outcome, STOCK_DONE);
	gate_acknowledge(gate, &item.event);
	return item;
}

struct stock_settle gate_settle(struct gate *gate, const struct uuid *id, enum order_action action)
{
	struct stock_settle item = {
		.sale = GATE_SALE,
		.id = *id,
		.action = action,
		.now_ns = clock_mono_ns(),
		.now_ms = clock_wall_ms(),
		.grace_ns = GATE_GRACE_MS * MS,
		.extend_ns = GATE_HOLD_MS * MS,
		.actor = SLICE("operator"),
	};

	gate->stock->ops->settle(gate->stock, &item, 1);
	return item;
}

void gate_acknowledge(struct gate *gate, const struct event *event)
{
	stock_acknowledge(gate->stock, &event, 1);
}

void gate_compensate(struct gate *gate, const struct event *event)
{
	gate->stock->ops->compensate(gate->stock, &event, 1, &(bool){false});
}

struct stock_lot_state gate_lot(struct gate *gate)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	assert_int_equal(gate_refresh(gate), STOCK_DONE);
	assert_int_equal(gate->stock->ops->snapshot(gate->stock, GATE_SALE, lots, &count), 0);
	assert_int_equal(count, 1);
	assert_true(lots[0].allocated == lots[0].available + lots[0].held + lots[0].confirmed + lots[0].withdrawn);
	return lots[0];
}

int64_t gate_now_ns(void)
{
	return clock_mono_ns();
}

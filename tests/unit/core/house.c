#include "unit/core/house.h"

#include <string.h>
#include <time.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "journal/direct/direct.h"
#include "ledger/sqlite/sqlite.h"
#include "stock/memory/memory.h"

enum { OUTBOX = 512 };

static _Atomic int64_t wall_now_us, mono_now_ns;
static _Atomic int64_t running_since_ns; /* 0: time stands still */

static int64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t run_ns(void)
{
	int64_t since_ns = running_since_ns;

	return since_ns ? real_ns() - since_ns : 0;
}

static int64_t read_wall_us(const struct clock_source *source)
{
	(void)source;
	return wall_now_us + run_ns() / 1000;
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	(void)source;
	return mono_now_ns + run_ns();
}

void house_take_clock(void)
{
	static const struct clock_source source = {read_wall_us, read_mono_ns};

	log_set_level(LOG_OFF);
	running_since_ns = 0;
	wall_now_us = HOUSE_NOW_MS * 1000;
	mono_now_ns = INT64_C(1000000000000);
	clock_set_source(&source);
}

void house_let_time_run(void)
{
	running_since_ns = real_ns();
}

void house_wait(bool (*condition)(void *context), void *context)
{
	const struct timespec pause = {0, 1000000};
	int64_t deadline_ns = real_ns() + INT64_C(60000000000);

	while (!condition(context)) {
		assert_true(real_ns() < deadline_ns);
		nanosleep(&pause, NULL);
	}
}

void house_pass(int64_t ms)
{
	mono_now_ns += ms * 1000000;
	wall_now_us += ms * 1000;
}

void house_jump(int64_t ms)
{
	wall_now_us += ms * 1000;
}

struct ledger_actor house_actor(void)
{
	return (struct ledger_actor){.kind = ACTOR_OPERATOR,
				     .name = SLICE("olga"),
				     .trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
				     .now_ms = clock_wall_ms()};
}

/* As the journal worker: the stock is told before the caller is. */
enum journal_end house_append(void *context, const struct event *event, int64_t started_ns, bool *no_stock)
{
	struct house *house = context;
	struct journal_entry entry = {.event = event, .end = JOURNAL_UNKNOWN};

	assert_true(started_ns <= clock_mono_ns());
	house->last = *event;
	event_own(&house->last, &house->last_text);
	house->appends++;
	if (house->during) {
		house->during(house);
		house->during_ran = true;
	}
	if (house->pretend)
		entry.end = house->pretend;
	else
		house->journal->ops->append(house->journal, &entry, 1);
	if (entry.end == JOURNAL_DURABLE)
		stock_acknowledge(house->stock, &event, 1);
	else if (entry.end == JOURNAL_REFUSED)
		house->stock->ops->compensate(house->stock, &event, 1, &(bool){false});
	if (no_stock)
		*no_stock = house->no_stock && entry.end == JOURNAL_DURABLE;
	return house->no_stock && entry.end == JOURNAL_DURABLE ? JOURNAL_UNKNOWN : entry.end;
}

static void make_control(struct house *house, bool stock_shared)
{
	const struct sale_control_settings settings = {
		.ledger = house->ledger,
		.stock = house->stock,
		.catalog = house->catalog,
		.commit = {house_append, house},
		.stock_shared = stock_shared,
		.retention_ms = HOUSE_RETENTION_MS,
	};

	assert_int_equal(sale_control_new(&house->control, &settings), 0);
	house->orders = (struct order_control){house->ledger, house->stock, settings.commit};
}

void house_share_stock(struct house *house)
{
	sale_control_free(house->control);
	make_control(house, true);
}

static void begin(struct house *house)
{
	assert_int_equal(ledger_sqlite_open(&house->ledger, house->place->path, LEDGER_OPEN_LEASE), 0);
	assert_int_equal(journal_direct_new(&house->journal, house->ledger), 0);
	assert_int_equal(stock_memory_new(&house->stock, OUTBOX), 0);
	assert_int_equal(sale_catalog_new(&house->catalog), 0);
	make_control(house, false);
}

static void end(struct house *house)
{
	sale_control_free(house->control);
	sale_catalog_free(house->catalog);
	house->stock->ops->free(house->stock);
	house->journal->ops->free(house->journal);
	house->ledger->ops->free(house->ledger);
}

void house_restart(struct house *house)
{
	end(house);
	begin(house);
}

int house_open(void **state)
{
	struct house *house = calloc(1, sizeof(*house));
	struct ledger_item item = {.name = "A thing", .on_hand = HOUSE_ON_HAND};
	struct ledger_actor actor;

	house_take_clock();
	assert_non_null(house);
	house->place = sqlite_place_new();
	begin(house);
	actor = house_actor();
	strcpy(item.sku, "SHIRT");
	assert_int_equal(house->ledger->ops->item_create(house->ledger, &item, &actor), LEDGER_DONE);
	strcpy(item.sku, "SHOE");
	assert_int_equal(house->ledger->ops->item_create(house->ledger, &item, &actor), LEDGER_DONE);
	*state = house;
	return 0;
}

int house_close(void **state)
{
	struct house *house = *state;

	failpoints_set("");
	end(house);
	sqlite_place_free(house->place);
	free(house);
	clock_set_source(NULL);
	return 0;
}

struct sale *house_draft(const char *id)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));

	assert_non_null(sale);
	snprintf(sale->id, sizeof(sale->id), "%s", id);
	strcpy(sale->name, "The drop");
	strcpy(sale->currency, "EUR");
	sale->price_minor = 17900;
	sale->limit_per_buyer = 3;
	sale->hold_seconds = HOUSE_HOLD_S;
	sale->opens_at_ms = sale->closes_at_ms = sale->ended_at_ms = SALE_NO_TIME;
	sale->created_at_ms = clock_wall_ms();
	sale->lot_count = 2;
	strcpy(sale->lots[0].sku, "SHIRT");
	sale->lots[0].allocated = 10;
	strcpy(sale->lots[1].sku, "SHOE");
	sale->lots[1].allocated = 5;
	return sale;
}

void house_create(struct house *house, struct sale *draft)
{
	struct ledger_actor actor = house_actor();
	uint32_t lot;

	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_DONE);
	free(draft);
}

int house_move(struct house *house, const char *id, enum sale_action action)
{
	struct ledger_actor actor = house_actor();

	return sale_control_move(house->control, slice_of(id), action, &actor);
}

void house_sell(struct house *house, const char *id)
{
	house_create(house, house_draft(id));
	assert_int_equal(house_move(house, id, SALE_START), SALE_CONTROL_DONE);
}

struct sale *house_sale(struct house *house, const char *id)
{
	struct sale *sale;

	assert_int_equal(house->ledger->ops->sale_get(house->ledger, 0, slice_of(id), &sale), LEDGER_DONE);
	return sale;
}

uint32_t house_number(struct house *house, const char *id)
{
	struct sale *sale = house_sale(house, id);
	uint32_t number = sale->number;

	free(sale);
	return number;
}

enum sale_state house_shown(struct house *house, const char *id)
{
	const struct sale_table *table = sale_catalog_ref(house->catalog);
	const struct sale_entry *entry = sale_table_find(table, slice_of(id));
	enum sale_state state = entry ? entry->sale->state : (enum sale_state)0;

	sale_table_unref(table);
	return state;
}

struct uuid house_buy(struct house *house, const char *id, uint32_t lot, const char *buyer, const char *key, uint32_t quantity)
{
	struct sale *sale = house_sale(house, id);
	int64_t now_ms = clock_wall_ms();
	struct stock_reserve item = {
		.event = {.kind = EVENT_RESERVED,
			  .sale = sale->number,
			  .lot = lot,
			  .quantity = quantity,
			  .id = uuid_make(&house->ids, now_ms, sale->number),
			  .at_ms = now_ms,
			  .hold_expires_at_ms = sale->hold_seconds ? now_ms + (int64_t)sale->hold_seconds * 1000 : 0,
			  .buyer = slice_of(buyer),
			  .key = slice_of(key),
			  .actor = slice_of(buyer)},
		.now_ns = clock_mono_ns(),
		.hold_ns = (int64_t)sale->hold_seconds * 1000000000,
	};

	free(sale);
	house->stock->ops->reserve(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(house_append(house, &item.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	return item.order.id;
}

void house_settle(struct house *house, const struct uuid *order, enum order_action action)
{
	struct stock_settle item = {
		.sale = uuid_tag(order),
		.id = *order,
		.action = action,
		.now_ns = clock_mono_ns(),
		.now_ms = clock_wall_ms(),
		.extend_ns = INT64_C(3600000000000),
		.actor = SLICE("olga"),
	};

	house->stock->ops->settle(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(house_append(house, &item.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
}

size_t house_expire(struct house *house)
{
	struct event events[64];
	int64_t next_ns;
	size_t count = house->stock->ops->expire(house->stock, clock_mono_ns(), clock_wall_ms(), 0, events, 64, &next_ns);

	for (size_t i = 0; i < count; i++)
		assert_int_equal(house_append(house, &events[i], clock_mono_ns(), NULL), JOURNAL_DURABLE);
	return count;
}

struct ledger_order house_order(struct house *house, const struct uuid *id)
{
	struct ledger_order order;

	assert_int_equal(house->ledger->ops->order_get(house->ledger, id, &order), LEDGER_DONE);
	return order;
}

struct stock_lot_state house_lot(struct house *house, const char *id, uint32_t lot)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, id), lots, &count), 0);
	assert_in_range(lot, 0, count - 1);
	return lots[lot];
}

void house_assert_lot_at(struct house *house, const char *id, uint32_t lot, int64_t available, int64_t held, int64_t confirmed,
			 int64_t withdrawn, const char *file, int line)
{
	struct stock_lot_state state = house_lot(house, id, lot);
	struct sale *sale = house_sale(house, id);
	const struct sale_lot *row = &sale->lots[lot];

	_assert_int_equal((uintmax_t)state.available, (uintmax_t)available, file, line);
	_assert_int_equal((uintmax_t)state.held, (uintmax_t)held, file, line);
	_assert_int_equal((uintmax_t)state.confirmed, (uintmax_t)confirmed, file, line);
	_assert_int_equal((uintmax_t)state.withdrawn, (uintmax_t)withdrawn, file, line);
	_assert_int_equal((uintmax_t)state.allocated, (uintmax_t)row->allocated, file, line);
	_assert_int_equal((uintmax_t)row->held, (uintmax_t)held, file, line);
	_assert_int_equal((uintmax_t)row->confirmed, (uintmax_t)confirmed, file, line);
	_assert_int_equal((uintmax_t)row->withdrawn, (uintmax_t)withdrawn, file, line);
	free(sale);
}

int64_t house_on_hand(struct house *house, const char *sku)
{
	struct ledger_item item;

	assert_int_equal(house->ledger->ops->item_get(house->ledger, slice_of(sku), &item), LEDGER_DONE);
	return item.on_hand;
}

void house_assert_audit(struct house *house)
{
	struct ledger_audit audit;

	assert_int_equal(house->ledger->ops->audit(house->ledger, &audit), 0);
	assert_string_equal(audit.first, "");
	assert_int_equal(audit.p1_broken + audit.p2_broken + audit.p3_broken + audit.p4_broken + audit.log_broken, 0);
}

/*
 * Engines that are handed their ports and wires in place of sockets: two in one process, each in a
 * node with clocks of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/node.h"
#include "base/pause.h"
#include "base/random.h"
#include "contract/sqlite_place.h"
#include "engine/engine.h"
#include "journal/direct/direct.h"
#include "ledger/sqlite/sqlite.h"
#include "simulation/scheduler/scheduler.h"
#include "stock/memory/memory.h"
#include "unit/http/wire_client.h"

enum { UNITS = 3 };
#define TOKEN "a-token-of-the-test-that-is-long-enough"

/* It stands still until it is moved. */
struct moved_clock {
	struct clock_source source;
	_Atomic int64_t wall_ms, mono_ms;
};

static int64_t read_wall_us(const struct clock_source *source)
{
	return atomic_load(&((const struct moved_clock *)source)->wall_ms) * 1000;
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	return atomic_load(&((const struct moved_clock *)source)->mono_ms) * 1000000;
}

static void move(struct moved_clock *clock, int64_t ms)
{
	atomic_fetch_add(&clock->wall_ms, ms);
	atomic_fetch_add(&clock->mono_ms, ms);
}

/* A gate with all that it stands on. */
struct house {
	struct node node;
	struct moved_clock clock;
	struct sqlite_place *place;
	struct settings *settings;
	struct engine_ports ports;
	struct engine *engine;
};

static struct house *first, *second;
static struct wire_answer answer;

static struct settings *make_settings(const struct house *house)
{
	static char threads[] = "--gate.threads=1", identity[] = "--identity.mode=header", level[] = "--log.level=off",
		    proxies[] = "--gate.trusted_proxies=127.0.0.1", token[] = "--operator.token=" TOKEN;
	char ledger[256];
	char *flags[] = {ledger, threads, identity, level, proxies, token};
	const struct settings_sources sources = {.flag_count = sizeof(flags) / sizeof(flags[0]), .flags = flags};
	struct settings *settings;
	struct buffer error;

	snprintf(ledger, sizeof(ledger), "--ledger.url=sqlite:%s", house->place->path);
	buffer_init(&error, 4096);
	if (settings_load(&settings, &sources, &error) < 0)
		fail_msg("%.*s", (int)error.size, error.data);
	buffer_deinit(&error);
	return settings;
}

static bool never_told(int64_t wait_ns)
{
	pause_sleep(wait_ns);
	return false;
}

/* The ledger's operations, but that it says of no change while `deaf`: a gate that is behind. */
static struct ledger_ops ledger_ops;
static int (*really_changed)(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count);
static atomic_bool deaf;

static int sales_changed(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count)
{
	*count = 0;
	return atomic_load(&deaf) ? 0 : really_changed(ledger, after, sales, max, count);
}

/*
 * And that it hangs: a request that it is asked for it does not know within two seconds of `slow`,
 * and an order it tells a second later, when whoever asked has been answered.
 */
static int (*really_request_find)(struct ledger *ledger, struct ledger_request *request);
static int (*really_order_get)(struct ledger *ledger, const struct uuid *id, struct ledger_order *order);
static struct moved_clock *_Atomic slow;
static atomic_bool answered;

static int request_find(struct ledger *ledger, struct ledger_request *request)
{
	struct moved_clock *clock = atomic_load(&slow);

	if (!clock)
		return really_request_find(ledger, request);
	move(clock, 2000);
	return -ETIMEDOUT;
}

static int order_get(struct ledger *ledger, const struct uuid *id, struct ledger_order *order)
{
	struct moved_clock *clock = atomic_load(&slow);

	if (clock) {
		move(clock, 1000);
		for (int i = 0; i < 3000 && !atomic_load(&answered); i++) /* half of what a client waits */
			pause_sleep(10000000);
	}
	return really_order_get(ledger, id, order);
}

/* The stock's operations, but that it cannot find an order so many times. */
static struct stock_ops stock_ops;
static void (*really_find)(struct stock *stock, struct stock_find *finds, size_t count);
static _Atomic int blind;
static enum stock_outcome when_blind;

static void find(struct stock *stock, struct stock_find *finds, size_t count)
{
	really_find(stock, finds, count);
	for (size_t i = 0; i < count && atomic_load(&blind) > 0; i++) {
		atomic_fetch_sub(&blind, 1);
		finds[i].outcome = when_blind;
	}
}

/* And that a brake comes to this; 0: to what it does come to. */
static int (*really_brake)(struct stock *stock, uint32_t sale, const struct stock_brake_change *change);
static _Atomic int brake_outcome;

static int brake(struct stock *stock, uint32_t sale, const struct stock_brake_change *change)
{
	const int outcome = atomic_load(&brake_outcome);

	return outcome ? outcome : really_brake(stock, sale, change);
}

/* In the node of the caller. */
static void house_open(struct house *house)
{
	assert_int_equal(ledger_sqlite_open(&house->ports.ledger, house->place->path, LEDGER_OPEN_LEASE), 0);
	really_changed = house->ports.ledger->ops->sales_changed;
	ledger_ops = *house->ports.ledger->ops;
	ledger_ops.sales_changed = sales_changed;
	really_request_find = ledger_ops.request_find;
	ledger_ops.request_find = request_find;
	really_order_get = ledger_ops.order_get;
	ledger_ops.order_get = order_get;
	house->ports.ledger->ops = &ledger_ops;
	assert_int_equal(journal_direct_new(&house->ports.journal, house->ports.ledger), 0);
	assert_int_equal(stock_memory_new(&house->ports.stock, 1024), 0);
	if (!really_find) { /* once: threads of the house before may read it */
		stock_ops = *house->ports.stock->ops;
		really_find = stock_ops.find;
		stock_ops.find = find;
		really_brake = stock_ops.brake;
		stock_ops.brake = brake;
	}
	house->ports.stock->ops = &stock_ops;
	assert_int_equal(http_wire_new(&house->ports.buyers), 0);
	assert_int_equal(http_wire_new(&house->ports.operators), 0);
	assert_int_equal(engine_new(&house->engine, house->settings, &house->ports), 0);
	assert_int_equal(engine_start(house->engine, never_told), 0);
}

static struct house *house_new(const char *now, uint64_t seed)
{
	struct house *house = calloc(1, sizeof(*house));
	struct node *before;
	int64_t now_ms;

	assert_non_null(house);
	assert_int_equal(clock_parse(now, strlen(now), &now_ms), 0);
	house->clock = (struct moved_clock){{read_wall_us, read_mono_ns}, now_ms, 1000000};
	house->place = sqlite_place_new();
	house->settings = make_settings(house);
	before = node_enter(&house->node);
	clock_set_source(&house->clock.source);
	random_set_seed(seed);
	house_open(house);
	node_enter(before);
	return house;
}

static void house_close(struct house *house)
{
	engine_stop(house->engine);
	engine_free(house->engine);
	house->ports.stock->ops->free(house->ports.stock);
	house->ports.journal->ops->free(house->ports.journal);
	house->ports.ledger->ops->free(house->ports.ledger);
	http_wire_free(house->ports.buyers);
	http_wire_free(house->ports.operators);
	settings_free(house->settings);
	sqlite_place_free(house->place);
	free(house);
}

static void house_free(struct house *house)
{
	struct node *before = node_enter(&house->node);

	house_close(house);
	node_enter(before);
}

static int begin(void **state)
{
	(void)state;
	log_set_level(LOG_OFF);
	first = house_new("2027-01-01T10:00:00.000Z", 1);
	second = house_new("2030-06-01T12:00:00.000Z", 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	house_free(first);
	house_free(second);
	return 0;
}

static void expect(int status, const char *part)
{
	if (answer.status != status || !strstr(answer.text, part))
		fail_msg("not %d with '%s': %s", status, part, answer.text);
}

static void operate(struct house *house, const char *key, const char *target, const char *body, int status)
{
	char head[256];

	snprintf(head, sizeof(head), "Authorization: Bearer " TOKEN "\r\nIdempotency-Key: %s\r\n", key);
	wire_ask(house->ports.operators, "POST", target, head, body, &answer);
	expect(status, "");
}

/* A sale of three units with holds of a minute: a draft. */
static void make_sale(struct house *house)
{
	operate(house, "item", "/v1/items", "{\"sku\":\"A\",\"name\":\"Thing\",\"on_hand\":3}", 201);
	operate(house, "sale", "/v1/sales",
		"{\"id\":\"drop\",\"name\":\"Drop\",\"lots\":[{\"sku\":\"A\",\"units\":3}],\"price\":{\"amount\":100,\"currency\":\"EUR\"},"
		"\"limit_per_buyer\":1,\"rate\":null,\"hold_seconds\":60}",
		201);
}

static void open_sale(struct house *house)
{
	make_sale(house);
	operate(house, "open", "/v1/sales/drop/open", NULL, 200);
}

static void buy(struct house *house, const char *buyer)
{
	char head[256];

	snprintf(head, sizeof(head), "X-Buyer-Id: %s\r\nIdempotency-Key: %s\r\n", buyer, buyer);
	wire_ask(house->ports.buyers, "POST", "/v1/sales/drop/orders", head, "{\"quantity\":1}", &answer);
}

static void sell_out(struct house *house)
{
	static const char *const buyers[UNITS] = {"anna", "bert", "carl"};

	for (size_t i = 0; i < UNITS; i++) {
		buy(house, buyers[i]);
		expect(202, "\"state\":\"held\"");
	}
	buy(house, "dora");
	expect(410, "\"may_return\":true");
}

/* Asked again until it is so: what a move of the clock sets off is done by threads. */
static void await_purchase(struct house *house, const char *buyer, int status)
{
	int64_t until_ns = clock_mono_ns() + 60000000000;

	do {
		buy(house, buyer);
		if (answer.status == status)
			return;
		pause_sleep(5000000);
	} while (clock_mono_ns() < until_ns);
	expect(status, "");
}

static void test_two_engines_sell_in_one_process_each_by_its_own_clock(void **state)
{
	(void)state;
	open_sale(first);
	open_sale(second);
	buy(first, "anna");
	expect(202, "\"placed_at\":\"2027-01-01T10:00:00.000Z\"");
	expect(202, "\"hold_expires_at\":\"2027-01-01T10:01:00.000Z\"");
	expect(202, "Date: Fri, 01 Jan 2027 10:00:00 GMT");
	buy(second, "anna");
	expect(202, "\"placed_at\":\"2030-06-01T12:00:00.000Z\"");
	expect(202, "Date: Sat, 01 Jun 2030 12:00:00 GMT");
}

static void test_the_same_key_is_answered_with_the_same_order(void **state)
{
	char body[1024];

	(void)state;
	open_sale(first);
	buy(first, "anna");
	expect(202, "");
	snprintf(body, sizeof(body), "%s", answer.body);
	buy(first, "anna");
	expect(202, "Idempotent-Replayed: true");
	assert_string_equal(answer.body, body);
}

static void test_holds_run_out_with_the_clock_of_their_own_engine_alone(void **state)
{
	(void)state;
	open_sale(first);
	open_sale(second);
	sell_out(first);
	sell_out(second);
	/*
	 * No thread of the first has been woken but by its clock: the keeper's rest ends because
	 * that moves, not because time passes.
	 */
	move(&first->clock, 59000);
	buy(first, "dora");
	expect(410, "");
	move(&first->clock, 4000);
	await_purchase(first, "dora", 202);
	expect(202, "\"placed_at\":\"2027-01-01T10:01:03.000Z\"");
	buy(second, "dora");
	expect(410, "");
}

static void test_ports_that_were_handed_in_outlive_the_engine(void **state)
{
	struct node *before;
	struct engine *again;

	(void)state;
	open_sale(first);
	buy(first, "anna");
	expect(202, "");
	before = node_enter(&first->node);
	engine_stop(first->engine);
	engine_free(first->engine);
	/* Another gate on the same ledger, with a stock that knows nothing. */
	first->ports.stock->ops->free(first->ports.stock);
	assert_int_equal(stock_memory_new(&first->ports.stock, 1024), 0);
	assert_int_equal(engine_new(&again, first->settings, &first->ports), 0);
	assert_int_equal(engine_start(again, never_told), 0);
	first->engine = again;
	node_enter(before);
	buy(first, "anna");
	expect(202, "Idempotent-Replayed: true");
	buy(first, "bert");
	expect(202, "");
}

/*
 * The stop went to the ledger alone, where the gate that was asked had not heard yet that the sale
 * was opened: it was told, and the other gates sold on until they heard of it (world 64 of a
 * cluster).
 */
static void test_a_gate_that_is_behind_tells_the_stock_of_a_stop(void **state)
{
	const struct ledger_actor actor = {.name = SLICE("another gate's"), .now_ms = clock_wall_ms()};
	struct ledger *ledger = first->ports.ledger;
	struct stock_brake brake;
	struct node *before;

	(void)state;
	make_sale(first);
	atomic_store(&deaf, true);
	before = node_enter(&first->node);
	assert_int_equal(ledger->ops->sale_move(ledger, 1, SALE_ARM, &actor), LEDGER_DONE);
	assert_int_equal(ledger->ops->sale_move(ledger, 1, SALE_START, &actor), LEDGER_DONE);
	node_enter(before);
	operate(first, "pause", "/v1/sales/drop/pause", NULL, 200);
	expect(200, "\"state\":\"paused\"");
	assert_true(first->ports.stock->ops->brake_of(first->ports.stock, 1, &brake));
	assert_true(brake.stopped);
	operate(first, "resume", "/v1/sales/drop/resume", NULL, 200);
	assert_true(first->ports.stock->ops->brake_of(first->ports.stock, 1, &brake));
	assert_false(brake.stopped);
	atomic_store(&deaf, false);
}

/*
 * A release that the stock did not take in time, or that had waited until nobody knew, went on by
 * the ledger, and undid whatever stop was told meanwhile.
 */
static void test_a_gate_that_is_behind_releases_nothing_by_the_ledger_alone(void **state)
{
	const struct ledger_actor actor = {.name = SLICE("another gate's"), .now_ms = clock_wall_ms()};
	struct ledger *ledger = first->ports.ledger;
	struct sale *sale;
	struct node *before;

	(void)state;
	make_sale(first);
	atomic_store(&deaf, true);
	before = node_enter(&first->node);
	assert_int_equal(ledger->ops->sale_move(ledger, 1, SALE_ARM, &actor), LEDGER_DONE);
	assert_int_equal(ledger->ops->sale_move(ledger, 1, SALE_START, &actor), LEDGER_DONE);
	assert_int_equal(ledger->ops->sale_move(ledger, 1, SALE_PAUSE, &actor), LEDGER_DONE);
	node_enter(before);
	atomic_store(&brake_outcome, STOCK_OUTCOME_UNKNOWN);
	operate(first, "resume", "/v1/sales/drop/resume", NULL, 503);
	expect(503, "outcome-unknown");
	atomic_store(&brake_outcome, 0);
	assert_int_equal(ledger->ops->sale_get(ledger, 1, SLICE_NULL, &sale), LEDGER_DONE);
	assert_int_equal(sale->state, SALE_PAUSED);
	free(sale);
	atomic_store(&deaf, false);
}

static void extend(const char *order, int status)
{
	char target[128];

	snprintf(target, sizeof(target), "/v1/orders/%.36s/extend", order);
	operate(first, "longer", target, "{\"seconds\":60}", status);
}

/*
 * Where the stock could not be asked how the order stands, no end was fixed for the key, and the
 * extension went on without one: sent again it moved the hold once more (world 1198 of a cluster).
 */
static void test_an_extension_with_a_key_does_not_begin_before_its_end_is_fixed(void **state)
{
	static const enum stock_outcome unsure[] = {STOCK_FENCED, STOCK_UNAVAILABLE};
	char order[64];

	(void)state;
	open_sale(first);
	buy(first, "anna");
	expect(202, "\"hold_expires_at\":\"2027-01-01T10:01:00.000Z\"");
	snprintf(order, sizeof(order), "%s", strstr(answer.body, "\"id\":\"") + strlen("\"id\":\""));
	move(&first->clock, 5000);
	for (size_t i = 0; i < sizeof(unsure) / sizeof(unsure[0]); i++) {
		when_blind = unsure[i];
		atomic_store(&blind, 1);
		extend(order, 503);
		assert_int_equal(atomic_load(&blind), 0);
	}
	extend(order, 200);
	expect(200, "\"hold_expires_at\":\"2027-01-01T10:01:05.000Z\"");
	move(&first->clock, 5000);
	extend(order, 200);
	expect(200, "\"hold_expires_at\":\"2027-01-01T10:01:05.000Z\"");
}

/*
 * Each wait of a request had its whole bound: a cancel with a key took two while a ledger hung. The
 * clock stands still but for what the ledger takes: three seconds of the two and a half that there
 * are, and none of the two waits is over its own bound.
 */
static void test_what_waits_twice_is_answered_at_its_first_deadline(void **state)
{
	char target[128];

	(void)state;
	open_sale(first);
	buy(first, "anna");
	expect(202, "");
	snprintf(target, sizeof(target), "/v1/orders/%.36s/cancel", strstr(answer.body, "\"id\":\"") + strlen("\"id\":\""));
	atomic_store(&answered, false);
	atomic_store(&slow, &first->clock);
	operate(first, "cancel", target, NULL, 503);
	expect(503, "outcome-unknown");
	atomic_store(&answered, true);
	atomic_store(&slow, NULL);
	operate(first, "cancel", target, NULL, 200);
	expect(200, "\"state\":\"cancelled\"");
}

/* --- On a scheduler --- */

static void minute_of_sale(void *argument)
{
	const uint64_t *seed = argument;
	struct house *house = calloc(1, sizeof(*house));
	int64_t until_ns;

	assert_non_null(house);
	house->place = sqlite_place_new();
	house->settings = make_settings(house);
	random_set_seed(*seed);
	house_open(house);
	open_sale(house);
	sell_out(house);
	until_ns = clock_mono_ns() + 61000000000;
	/* Virtual seconds: nobody waits for them. */
	while (clock_mono_ns() < until_ns)
		pause_sleep(1000000000);
	await_purchase(house, "dora", 202);
	house_close(house);
}

static void test_an_engine_runs_on_a_scheduler_and_a_seed_repeats_it(void **state)
{
	static struct wire_answer first_answer;
	uint64_t fingerprint;

	(void)state;
	log_set_level(LOG_OFF);
	for (uint64_t seed = 1; seed <= 2; seed++) {
		fingerprint = scheduler_run_alone(seed, minute_of_sale, &seed);
		first_answer = answer;
		assert_true(scheduler_run_alone(seed, minute_of_sale, &seed) == fingerprint);
		assert_string_equal(answer.text, first_answer.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_engines_sell_in_one_process_each_by_its_own_clock, begin, end),
		cmocka_unit_test_setup_teardown(test_the_same_key_is_answered_with_the_same_order, begin, end),
		cmocka_unit_test_setup_teardown(test_holds_run_out_with_the_clock_of_their_own_engine_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_ports_that_were_handed_in_outlive_the_engine, begin, end),
		cmocka_unit_test_setup_teardown(test_a_gate_that_is_behind_tells_the_stock_of_a_stop, begin, end),
		cmocka_unit_test_setup_teardown(test_a_gate_that_is_behind_releases_nothing_by_the_ledger_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_an_extension_with_a_key_does_not_begin_before_its_end_is_fixed, begin, end),
		cmocka_unit_test_setup_teardown(test_what_waits_twice_is_answered_at_its_first_deadline, begin, end),
		cmocka_unit_test(test_an_engine_runs_on_a_scheduler_and_a_seed_repeats_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

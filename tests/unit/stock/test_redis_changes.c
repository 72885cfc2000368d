/*
 * A refresh asks about the sales that were changed, and about each by itself now and then. Time
 * passes by pass() alone, for the gates and for a real Redis.
 */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "stock/redis/library.h"

enum { GATES = 2, SALES = 40, TURN_MS = 20, SECOND_MS = 1000 };

static struct redis_place *place;
static struct gate gates[GATES];
static struct stock_refresh sales[GATES][SALES]; /* numbers GATE_SALE and the following */
static int64_t mono_ms, wall_ms;

static int64_t wall_us(const struct clock_source *source)
{
	(void)source;
	return wall_ms * 1000;
}

static int64_t mono_ns(const struct clock_source *source)
{
	(void)source;
	return mono_ms * MS;
}

static void pass(int64_t ms)
{
	mono_ms += ms;
	wall_ms += ms;
	stock_redis_set_clock(gates[0].stock, wall_ms);
}

static int set_up(void **state)
{
	static const struct clock_source source = {wall_us, mono_ns};

	(void)state;
	place = redis_place_new(NULL);
	mono_ms = 5002000; /* GATE_SALE was to be asked for all of it a second ago: it is again in 29 */
	wall_ms = INT64_C(1800000000000);
	clock_set_source(&source);
	for (int i = 0; i < GATES; i++)
		gate_open_patient(&gates[i], place->url);
	pass(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < GATES; i++)
		gate_close(&gates[i]);
	clock_set_source(NULL);
	redis_place_free(place);
	return 0;
}

/* A turn of a gate that keeps house. */
static void turn(int gate)
{
	pass(TURN_MS);
	gates[gate].stock->ops->refresh(gates[gate].stock, sales[gate], SALES);
}

static bool all_are(int gate, enum stock_outcome outcome)
{
	for (int i = 0; i < SALES; i++)
		if (sales[gate][i].outcome != outcome)
			return false;
	return true;
}

static void sell_all(void)
{
	for (uint32_t i = 0; i < SALES; i++) {
		const int64_t units = 5, withdrawn = 0;

		gates[0].rules.sale = GATE_SALE + i;
		gates[0].rules.epoch = 1;
		assert_int_equal(gates[0].stock->ops->preheat_begin(gates[0].stock, &gates[0].rules), 0);
		assert_int_equal(gates[0].stock->ops->arm(gates[0].stock, GATE_SALE + i, &units, &withdrawn), 0);
		for (int gate = 0; gate < GATES; gate++)
			sales[gate][i] = (struct stock_refresh){.sale = GATE_SALE + i, .epoch = 1, .lot_count = 1};
	}
	for (int gate = 0; gate < GATES; gate++) {
		turn(gate);
		assert_true(all_are(gate, STOCK_DONE));
	}
}

/* How often this Redis was asked for a command: by gates, and by the functions. */
static int64_t called(const char *command)
{
	redisReply *reply = redis_place_ask(place, "INFO commandstats");
	char name[64];
	const char *line;
	int64_t calls;

	snprintf(name, sizeof(name), "cmdstat_%s:calls=", command);
	line = strstr(reply->str, name);
	calls = line ? strtoll(strchr(line, '=') + 1, NULL, 10) : 0;

	freeReplyObject(reply);
	return calls;
}

static int64_t functions_called(void)
{
	return called("fcall");
}

static int64_t available(int gate, uint32_t sale)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	assert_int_equal(gates[gate].stock->ops->snapshot(gates[gate].stock, sale, lots, &count), 0);
	return lots[0].available;
}

static void test_sales_that_nobody_changes_are_not_asked_about_in_each_turn(void **state)
{
	enum { TURNS = 100 };
	int64_t before;

	(void)state;
	sell_all();
	before = functions_called();
	for (int i = 0; i < TURNS; i++)
		turn(1);
	assert_true(all_are(1, STOCK_DONE));
	/*
	 * In each turn the test's clock and what was changed, in some the gate says that it is
	 * there; before: SALES more in each.
	 */
	assert_true(functions_called() - before < 4 * TURNS);
}

static void test_a_sale_that_is_not_asked_about_is_known_as_of_each_turn(void **state)
{
	(void)state;
	sell_all();
	for (int i = 0; i < 10; i++) {
		turn(1);
		for (uint32_t sale = 0; sale < SALES; sale++)
			assert_int_equal(gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE + sale), mono_ms * MS);
	}
}

/* What a gate that nobody asks anything costs is mostly that it wakes a Redis that sleeps. */
static void test_a_gate_that_nobody_asks_asks_less_often_and_is_young_all_the_same(void **state)
{
	enum { TURNS = 60, QUIET_TURNS = 51 };
	int64_t before, quiet;

	(void)state;
	sell_all();
	for (int i = 0; i < QUIET_TURNS; i++)
		turn(1);
	before = functions_called();
	for (int i = 0; i < TURNS; i++)
		turn(1);
	quiet = functions_called() - before;
	assert_true(all_are(1, STOCK_DONE));
	assert_true(mono_ms * MS - gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE) <= 3 * TURN_MS * MS);
	/* Somebody asks in each turn how old it is, as a purchase does: it is as of each turn. */
	before = functions_called();
	for (int i = 0; i < TURNS; i++) {
		turn(1);
		assert_int_equal(gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE), mono_ms * MS);
	}
	assert_in_range(functions_called() - before - quiet, TURNS / 2, TURNS);
}

static void test_what_another_sells_to_a_quiet_gate_is_known_within_three_turns(void **state)
{
	enum { QUIET_TURNS = 55 };
	struct stock_reserve item;

	(void)state;
	sell_all();
	for (int i = 0; i < QUIET_TURNS; i++)
		turn(1);
	item = gate_buy(&gates[0], "ann", "");
	assert_int_equal(item.outcome, STOCK_DONE);
	for (int i = 0; i < 3; i++)
		turn(1);
	assert_int_equal(available(1, GATE_SALE), 4);
}

static void test_what_one_gate_sells_another_knows_after_its_next_turn(void **state)
{
	(void)state;
	sell_all();
	for (uint32_t i = 0; i < SALES; i++) {
		struct stock_reserve item = gate_ask(&gates[0], "ann", "");

		item.event.sale = GATE_SALE + i;
		gates[0].stock->ops->reserve(gates[0].stock, &item, 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		turn(1);
		assert_int_equal(available(1, GATE_SALE + i), 4);
		assert_true(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE + i, SLICE("ann")));
	}
}

static void test_a_resting_sale_that_somebody_deleted_is_found_within_a_second(void **state)
{
	int turns = 0;

	(void)state;
	sell_all();
	redis_place_run(place, "DEL {ps:%d}:m", GATE_SALE + 3);
	while (sales[1][3].outcome == STOCK_DONE && turns++ < SECOND_MS / TURN_MS)
		turn(1);
	assert_int_equal(sales[1][3].outcome, STOCK_FENCED);
	assert_int_equal(sales[1][4].outcome, STOCK_DONE);
}

static void test_of_many_resting_sales_those_that_somebody_deleted_are_found_and_no_others(void **state)
{
	(void)state;
	sell_all();
	for (int i = 3; i < SALES; i += 10) /* these have their turn together */
		redis_place_run(place, "DEL {ps:%d}:m", GATE_SALE + i);
	for (int i = 0; i <= SECOND_MS / TURN_MS; i++)
		turn(1);
	for (int i = 0; i < SALES; i++)
		assert_int_equal(sales[1][i].outcome, i % 10 == 3 ? STOCK_FENCED : STOCK_DONE);
}

/* One for each was a third of what a thousand idle sales cost Redis. */
static void test_resting_sales_are_looked_at_by_one_command_for_all_that_have_their_turn(void **state)
{
	enum { SECONDS = 3, PHASES = 10 };
	int64_t looks, fields;

	(void)state;
	sell_all();
	looks = called("exists");
	fields = called("hget");
	for (int i = 0; i < SECONDS * SECOND_MS / TURN_MS; i++)
		turn(1);
	assert_in_range(called("exists") - looks, SECONDS, SECONDS * PHASES + 1);
	/*
	 * The few that are asked for all of it meanwhile; a field of each that is looked at would
	 * be SECONDS * SALES.
	 */
	assert_true(called("hget") - fields < 2 * SALES);
}

/* The library's variables outlive it, and with them its numbers. */
static void test_a_flush_is_found_in_the_next_turn(void **state)
{
	(void)state;
	sell_all();
	turn(1);
	redis_place_run(place, "FLUSHALL");
	turn(1);
	assert_true(all_are(1, STOCK_FENCED));
}

/*
 * As on a server that was a replica for a while: nothing of what its master did has a number there.
 */
static void test_data_from_elsewhere_are_asked_about_in_the_next_turn(void **state)
{
	(void)state;
	sell_all();
	turn(1);
	redis_place_run(place, "HSET {ps:%d}:m term another", GATE_SALE);
	redis_place_run(place, "SET {ps:0}:c%d another", REDIS_LIBRARY_VERSION);
	turn(1);
	assert_int_equal(sales[1][0].outcome, STOCK_FENCED);
	assert_int_equal(sales[1][1].outcome, STOCK_DONE);
}

static void test_a_library_that_was_loaded_anew_lets_nothing_rest(void **state)
{
	(void)state;
	sell_all();
	turn(1);
	redis_place_run(place, "FUNCTION FLUSH");
	turn(1); /* puts it back */
	assert_true(all_are(1, STOCK_FENCED));
}

static void test_nothing_is_known_of_a_turn_that_was_not_answered(void **state)
{
	int64_t known_ns;

	(void)state;
	sell_all();
	turn(1);
	known_ns = gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE);
	redis_place_kill(place);
	mono_ms += TURN_MS;
	gates[1].stock->ops->refresh(gates[1].stock, sales[1], SALES);
	assert_true(all_are(1, STOCK_UNAVAILABLE));
	assert_int_equal(gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE), known_ns);
}

/* A second after the clock was set somebody who has measured nothing asks about the sale. */
static void set_the_clock_while_a_sale_rests(bool ended)
{
	struct gate newcomer;
	struct stock_reserve order;
	struct event expired[1];
	int64_t next_ns;

	sell_all();
	gates[0].hold_ms = 600 * SECOND_MS;
	order = gate_order(&gates[0], "ann", "");
	for (int gate = 0; gate < GATES; gate++)
		for (int i = 0; i < SALES; i++)
			sales[gate][i].ended = ended;
	for (int i = 0; i < 5; i++) {
		turn(0);
		turn(1);
	}
	wall_ms += INT64_C(3600000);
	for (int i = 0; i <= SECOND_MS / TURN_MS; i++)
		turn(1);
	gate_open_patient(&newcomer, place->url);
	newcomer.epoch = 1;
	assert_int_equal(gate_refresh(&newcomer), STOCK_DONE);
	assert_int_equal(newcomer.stock->ops->expire(newcomer.stock, gate_now_ns(), wall_ms, 0, expired, 1, &next_ns), 0);
	assert_int_equal(gate_settle(&newcomer, &order.event.id, ORDER_CONFIRM).outcome, STOCK_DONE);
	gate_close(&newcomer);
}

/*
 * What a gate has measured bounds the sale's time also while it only looks: who comes new would
 * believe a clock that was set.
 */
static void test_a_clock_that_was_set_while_a_sale_rests_ends_no_hold(void **state)
{
	(void)state;
	set_the_clock_while_a_sale_rests(false);
}

/* Found by the world 80023269 of a cluster. */
static void test_a_clock_that_was_set_behind_a_sales_end_ends_none_of_its_holds(void **state)
{
	(void)state;
	set_the_clock_while_a_sale_rests(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sales_that_nobody_changes_are_not_asked_about_in_each_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_sale_that_is_not_asked_about_is_known_as_of_each_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_gate_that_nobody_asks_asks_less_often_and_is_young_all_the_same, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_another_sells_to_a_quiet_gate_is_known_within_three_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_one_gate_sells_another_knows_after_its_next_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_resting_sale_that_somebody_deleted_is_found_within_a_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_of_many_resting_sales_those_that_somebody_deleted_are_found_and_no_others,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resting_sales_are_looked_at_by_one_command_for_all_that_have_their_turn,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_flush_is_found_in_the_next_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_data_from_elsewhere_are_asked_about_in_the_next_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_library_that_was_loaded_anew_lets_nothing_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_known_of_a_turn_that_was_not_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_clock_that_was_set_while_a_sale_rests_ends_no_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_clock_that_was_set_behind_a_sales_end_ends_none_of_its_holds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

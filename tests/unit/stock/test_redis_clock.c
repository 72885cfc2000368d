/*
 * The wall clock of a real Redis is set, while what has passed is measured by the gates: holds,
 * rates and claims go by the latter. Time passes by pass() alone, for the gates and, unless its
 * clock is set as well, for Redis.
 */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"

enum { GATES = 2, STEP_MS = 15 * 60 * 1000, ACK_MS = 3000 };

static struct redis_place *place;
static struct gate gates[GATES];
static int64_t mono_ms, wall_ms, redis_ms;

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

/* The clock of Redis is put forward or back. */
static void set_redis(int64_t by_ms)
{
	redis_ms += by_ms;
	stock_redis_set_clock(gates[0].stock, redis_ms);
}

static void pass(int64_t ms)
{
	mono_ms += ms;
	wall_ms += ms;
	set_redis(ms);
}

/* The time of its keeper too: every gate looks at its sales every few tens of milliseconds. */
static void pass_looking(struct gate *gate, int64_t ms)
{
	for (; ms > 0; ms -= 100) {
		pass(ms < 100 ? ms : 100);
		gate_refresh(gate);
	}
}

static int set_up(void **state)
{
	static const struct clock_source source = {wall_us, mono_ns};

	(void)state;
	place = redis_place_new(NULL);
	mono_ms = 5000000;
	wall_ms = redis_ms = INT64_C(1800000000000);
	clock_set_source(&source);
	for (int i = 0; i < GATES; i++)
		gate_open_patient(&gates[i], place->url);
	set_redis(0);
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

static void sell(int64_t units)
{
	assert_int_equal(gate_sell(&gates[0], 1, units), 0);
	gates[1].epoch = 1;
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
}

static size_t expire(struct gate *gate, struct event *out, size_t max)
{
	int64_t next_ns;

	gate_refresh(gate);
	return gate->stock->ops->expire(gate->stock, mono_ms * MS, wall_ms, GATE_GRACE_MS * MS, out, max, &next_ns);
}

static size_t claim(struct gate *gate, struct stock_claim *out)
{
	gate_refresh(gate);
	return gate->stock->ops->claim(gate->stock, mono_ms * MS - ACK_MS * MS, mono_ms * MS, out, 1);
}

/* Told for 600 s, and 3 s later the clock of Redis is a quarter of an hour ahead. */
static void test_a_hold_lasts_its_length_when_the_clock_is_put_forward(void **state)
{
	struct event out[2];
	struct stock_reserve item, other;

	(void)state;
	gates[0].hold_ms = 600000;
	sell(5);
	item = gate_order(&gates[0], "ann", "k");
	other = gate_order(&gates[1], "bob", "k");
	pass(3000);
	set_redis(STEP_MS);
	assert_int_equal(expire(&gates[0], out, 2), 0);
	assert_int_equal(expire(&gates[1], out, 2), 0);
	pass_looking(&gates[1], 590000);
	assert_int_equal(expire(&gates[0], out, 2), 1); /* bob's, of 120 s */
	assert_true(uuid_equal(&out[0].id, &other.order.id));
	assert_int_equal(gate_settle(&gates[0], &item.order.id, ORDER_CONFIRM).outcome, STOCK_DONE);
}

static void test_a_hold_ends_when_its_length_has_passed_though_the_clock_is_put_back(void **state)
{
	struct event out[2];
	struct stock_reserve item;

	(void)state;
	sell(5);
	item = gate_order(&gates[0], "ann", "k");
	pass(1000);
	set_redis(-STEP_MS);
	pass_looking(&gates[0], GATE_HOLD_MS);
	assert_int_equal(expire(&gates[0], out, 2), 0); /* the grace */
	pass_looking(&gates[0], 1000);
	assert_int_equal(expire(&gates[0], out, 2), 1);
	assert_true(out[0].at_ms >= item.order.hold_expires_at_ms + GATE_GRACE_MS);
	assert_true(out[0].at_ms <= item.order.hold_expires_at_ms + GATE_GRACE_MS + 1000);
}

/* No lease of a second for each look: what was not measured does not pass later either. */
static void test_a_step_is_not_caught_up_with(void **state)
{
	struct stock_reserve item;

	(void)state;
	sell(5);
	set_redis(STEP_MS);
	for (int i = 0; i < 2000; i++)
		gate_refresh(&gates[i % GATES]);
	item = gate_buy(&gates[0], "ann", "k");
	assert_true(item.order.hold_expires_at_ms <= wall_ms + GATE_HOLD_MS + 1000);
}

static void test_a_rate_goes_by_what_has_passed(void **state)
{
	struct stock_reserve item;

	(void)state;
	gates[0].rules.rate_requests = 1;
	gates[0].rules.rate_seconds = 60;
	sell(5);
	assert_int_equal(gate_buy(&gates[0], "ann", "").outcome, STOCK_DONE);
	assert_int_equal(gate_buy(&gates[0], "bob", "").outcome, STOCK_DONE);
	pass_looking(&gates[0], 1000);
	set_redis(STEP_MS);
	item = gate_buy(&gates[0], "ann", "");
	assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
	assert_true(item.retry_after_ms >= 58000);
	set_redis(-2 * STEP_MS);
	pass_looking(&gates[0], 57000);
	assert_int_equal(gate_buy(&gates[0], "ann", "").outcome, STOCK_RATE_LIMITED);
	pass_looking(&gates[0], 3000);
	assert_int_equal(gate_buy(&gates[0], "ann", "").outcome, STOCK_DONE);
}

static void test_an_unknown_end_is_claimed_though_the_clock_was_put_back(void **state)
{
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_reserve item;

	(void)state;
	assert_non_null(claims);
	sell(5);
	item = gate_buy(&gates[0], "ann", "k"); /* and nothing is heard of it */
	set_redis(-STEP_MS);
	pass_looking(&gates[1], ACK_MS - 100);
	assert_int_equal(claim(&gates[1], claims), 0);
	pass_looking(&gates[1], 1000);
	assert_int_equal(claim(&gates[1], claims), 1);
	assert_true(uuid_equal(&claims[0].event.id, &item.event.id));
	free(claims);
}

static void test_an_unknown_end_is_not_claimed_because_the_clock_was_put_forward(void **state)
{
	struct stock_claim *claims = calloc(1, sizeof(*claims));

	(void)state;
	assert_non_null(claims);
	sell(5);
	gate_buy(&gates[0], "ann", "k");
	pass_looking(&gates[1], 200);
	set_redis(STEP_MS);
	for (int i = 0; i < GATES; i++)
		assert_int_equal(claim(&gates[i], claims), 0);
	pass_looking(&gates[1], ACK_MS + 1000);
	assert_int_equal(claim(&gates[1], claims), 1);
	free(claims);
}

/*
 * Whoever claims has itself seen the entry unchanged for so long: a gate that has just come knows
 * nothing of how long that is.
 */
static void test_a_gate_that_has_just_come_claims_nothing(void **state)
{
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct gate late;

	(void)state;
	assert_non_null(claims);
	sell(5);
	gate_buy(&gates[0], "ann", "k");
	pass(20000);
	gate_open_patient(&late, place->url);
	late.epoch = 1;
	assert_int_equal(claim(&late, claims), 0);
	pass_looking(&late, ACK_MS - 100);
	assert_int_equal(claim(&late, claims), 0);
	pass_looking(&late, 300);
	assert_int_equal(claim(&late, claims), 1);
	gate_close(&late);
	free(claims);
}

/* However long T_ack is: what was seen reaches back so far. */
static void test_an_unknown_end_is_claimed_also_after_a_minute(void **state)
{
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	int64_t waited_ms = 0;

	(void)state;
	assert_non_null(claims);
	sell(5);
	gate_buy(&gates[0], "ann", "k");
	while (waited_ms <= 80000 &&
	       gates[1].stock->ops->claim(gates[1].stock, mono_ms * MS - 61000 * MS, mono_ms * MS, claims, 1) == 0) {
		pass_looking(&gates[1], 500);
		waited_ms += 500;
	}
	assert_true(waited_ms >= 61000);
	assert_true(waited_ms <= 61000 + 2 * 61000 / 16);
	free(claims);
}

/* A machine that was stopped with its clock must not stop the others' time, nor turn it back. */
static void test_time_goes_on_beside_a_gate_that_stood_still(void **state)
{
	struct event out[1];
	int64_t at_ms;

	(void)state;
	sell(5);
	gate_order(&gates[0], "ann", "k");
	at_ms = mono_ms;
	pass_looking(&gates[0], GATE_HOLD_MS + GATE_GRACE_MS);
	mono_ms = at_ms; /* gate 1 knows nothing of it */
	gate_refresh(&gates[1]);
	mono_ms = at_ms + GATE_HOLD_MS + GATE_GRACE_MS;
	assert_int_equal(expire(&gates[0], out, 1), 1);
}

/* Nothing was measured yet: then Redis is believed. */
static void test_without_an_earlier_reading_redis_is_believed(void **state)
{
	struct stock_reserve item;

	(void)state;
	set_redis(STEP_MS);
	sell(5);
	item = gate_buy(&gates[0], "ann", "k");
	assert_true(item.order.hold_expires_at_ms == wall_ms + STEP_MS + GATE_HOLD_MS);
}

/*
 * Redis has forgotten its functions and all: the gate that builds the sale again still knows what
 * has passed.
 */
static void test_what_was_measured_outlives_what_redis_knew(void **state)
{
	struct stock_reserve item;

	(void)state;
	sell(5);
	pass_looking(&gates[0], 1000);
	redis_place_run(place, "FLUSHALL");
	redis_place_run(place, "FUNCTION FLUSH");
	gate_refresh(&gates[0]);
	set_redis(STEP_MS);
	assert_int_equal(gate_sell(&gates[0], 2, 5), 0);
	item = gate_buy(&gates[0], "ann", "k");
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_true(item.order.hold_expires_at_ms <= wall_ms + GATE_HOLD_MS + 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_hold_lasts_its_length_when_the_clock_is_put_forward),
		TEST(test_a_hold_ends_when_its_length_has_passed_though_the_clock_is_put_back),
		TEST(test_a_step_is_not_caught_up_with),
		TEST(test_a_rate_goes_by_what_has_passed),
		TEST(test_an_unknown_end_is_claimed_though_the_clock_was_put_back),
		TEST(test_an_unknown_end_is_not_claimed_because_the_clock_was_put_forward),
		TEST(test_a_gate_that_has_just_come_claims_nothing),
		TEST(test_an_unknown_end_is_claimed_also_after_a_minute),
		TEST(test_time_goes_on_beside_a_gate_that_stood_still),
		TEST(test_without_an_earlier_reading_redis_is_believed),
		TEST(test_what_was_measured_outlives_what_redis_knew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

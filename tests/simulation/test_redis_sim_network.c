/*
 * What the adapter makes of a network and a server that are slow: replies that come late or not at
 * all, commands that arrive when nobody waits for them any more, a server that stands still, and
 * one whose clock is set.
 */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "simulation/lone_thread.h"
#include "simulation/redis/redis_sim.h"
#include "stock/redis/transport.h"

enum { UNITS = 5, CALL_MS = 1000 }; /* how long the gate waits for a reply */

static struct lone_thread lone;
static struct lone_clock clock_of_redis;
static struct node node_of_redis, node_of_other;
static struct redis_sim *sim;
static struct gate gate, other;

static void open_gate(struct gate *opened)
{
	gate_open_over(opened, redis_sim_transport(sim), "redis://in.process");
}

static int set_up(void **state)
{
	(void)state;
	lone_thread_begin(&lone);
	lone_clock_init(&clock_of_redis, &lone);
	node_of_redis = (struct node){.clock = &clock_of_redis.clock, .seeded = true};
	node_of_other = lone.node; /* another client on the same machine */
	sim = redis_sim_new(&node_of_redis);
	open_gate(&gate);
	node_enter(&node_of_other);
	open_gate(&other);
	node_enter(&lone.node);
	if (gate_sell(&gate, 1, UNITS) != 0)
		return -1;
	other.epoch = 1;
	return gate_refresh(&other) != STOCK_DONE;
}

static int tear_down(void **state)
{
	(void)state;
	gate_close(&gate);
	gate_close(&other);
	redis_sim_free(sim);
	lone_thread_end(&lone);
	return 0;
}

static int64_t now_ms(void)
{
	return clock_mono_ms();
}

static int held(void)
{
	return (int)gate_lot(&other).held;
}

static void go_on(void)
{
	redis_sim_set_delay(sim, 0, 0);
	redis_sim_set_paused(sim, false);
}

/* --- Late --- */

static void test_a_slow_reply_takes_its_time(void **state)
{
	int64_t from_ms = now_ms();

	(void)state;
	redis_sim_set_delay(sim, 300 * MS, 400 * MS);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	assert_int_equal(now_ms() - from_ms, 700);
}

static void test_a_reply_that_comes_too_late_leaves_open_what_was_done(void **state)
{
	int64_t from_ms = now_ms();

	(void)state;
	redis_sim_set_delay(sim, 0, 1500 * MS);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN);
	assert_int_equal(now_ms() - from_ms, CALL_MS);
	go_on();
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_REPLAY);
	assert_int_equal(held(), 1);
}

static int brake(struct gate *asked, uint8_t request, bool stopped)
{
	const struct stock_brake_change change = {.stopped = stopped, .actor = "anna", .request = {{request}}};

	return asked->stock->ops->brake(asked->stock, GATE_SALE, &change);
}

static void test_a_stop_that_was_done_and_not_heard_of_is_done(void **state)
{
	(void)state;
	redis_sim_cut(sim, 1, false);
	assert_int_equal(brake(&gate, 1, true), STOCK_DONE);
}

/* Its second try finds what an earlier call has done, not the first. */
static void test_a_late_retry_of_a_stop_whose_reply_is_lost_is_no_stop(void **state)
{
	struct stock_brake now;

	(void)state;
	assert_int_equal(brake(&gate, 1, true), STOCK_DONE);
	assert_int_equal(brake(&other, 2, false), STOCK_DONE);
	redis_sim_cut(sim, 1, false);
	assert_int_equal(brake(&gate, 1, true), STOCK_REPLAY);
	redis_sim_cut(sim, 1, false);
	assert_int_equal(brake(&gate, 2, false), STOCK_REPLAY);
	assert_true(gate.stock->ops->brake_of(gate.stock, GATE_SALE, &now));
	assert_false(now.stopped);
}

/* Nobody waits for it any more, and it is done all the same. */
static void test_a_command_is_done_when_it_arrives_though_its_client_has_given_up(void **state)
{
	(void)state;
	redis_sim_set_delay(sim, 1500 * MS, 0);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN);
	redis_sim_set_delay(sim, 0, 0);
	assert_int_equal(held(), 0);
	lone_thread_pass(&lone, 600);
	assert_int_equal(held(), 1);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_REPLAY);
}

/*
 * A retry of the cancel finds the order as it was only behind the undoing of the first; so nothing
 * of that may be on its way any more.
 */
static void test_an_undoing_that_arrives_late_leaves_a_retry_alone(void **state)
{
	struct stock_reserve order = gate_order(&gate, "ann", "k");
	struct stock_settle first = gate_settle(&gate, &order.order.id, ORDER_CANCEL), again;

	(void)state;
	redis_sim_set_delay(sim, 1500 * MS, 0);
	lone.meanwhile = go_on;
	gate_compensate(&gate, &first.event);
	while ((again = gate_settle(&gate, &order.order.id, ORDER_CANCEL)).outcome == STOCK_BUSY)
		lone_thread_pass(&lone, 100);
	assert_int_equal(again.outcome, STOCK_DONE);
	lone_thread_pass(&lone, 1000);
	gate_acknowledge(&gate, &again.event);
	assert_int_equal(held(), 0);
}

static void rebuild(void)
{
	redis_sim_set_delay(sim, 0, 0);
	assert_int_equal(gate_sell(&other, 2, UNITS), 0);
}

/* It was asked of the former epoch. */
static void test_a_command_that_arrives_behind_a_rebuild_is_fenced(void **state)
{
	(void)state;
	redis_sim_set_delay(sim, 500 * MS, 0);
	lone.meanwhile = rebuild;
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_FENCED);
	assert_int_equal(other.epoch, 2);
	assert_int_equal(gate_lot(&other).available, UNITS); /* what it took is given back */
}

static void buy_too(void)
{
	assert_int_equal(gate_buy(&other, "bob", "k").outcome, STOCK_DONE);
}

/* Between any two steps of a call others come and go. */
static void test_others_go_on_between_a_command_and_its_reply(void **state)
{
	unsigned before = lone.yields;

	(void)state;
	lone.at_yield = buy_too;
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	assert_true(lone.yields - before >= 6); /* three a call: before it leaves, when it has left, when its reply has come */
	assert_int_equal(held(), 2);
}

/* --- Nothing passes --- */

static void test_a_server_that_stands_still_does_later_what_it_was_sent(void **state)
{
	(void)state;
	redis_sim_set_paused(sim, true);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN);
	go_on();
	assert_int_equal(held(), 1);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_REPLAY);
}

static void test_a_server_that_goes_on_in_time_answers(void **state)
{
	(void)state;
	redis_sim_set_paused(sim, true);
	lone.meanwhile = go_on;
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
}

static void end_it(void)
{
	redis_sim_restart(sim, REDIS_SIM_ALL);
}

static void test_who_waits_for_a_server_hears_of_its_end_at_once(void **state)
{
	int64_t from_ms = now_ms();

	(void)state;
	redis_sim_set_paused(sim, true);
	lone.meanwhile = end_it;
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN);
	assert_int_equal(now_ms(), from_ms);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_FENCED);
}

static void test_a_client_that_is_cut_off_hears_nothing_and_others_go_on(void **state)
{
	enum stock_outcome outcome;
	int64_t from_ms;

	(void)state;
	redis_sim_set_cut_off(sim, &lone.node, true);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN); /* it was sent, into nothing */
	node_enter(&node_of_other);
	assert_int_equal(gate_buy(&other, "bob", "k").outcome, STOCK_DONE);
	node_enter(&lone.node);
	do { /* on each connection that it has; then one is not made */
		from_ms = now_ms();
		outcome = gate_buy(&gate, "ann", "k").outcome;
		assert_int_equal(now_ms() - from_ms, CALL_MS);
	} while (outcome == STOCK_OUTCOME_UNKNOWN);
	assert_int_equal(outcome, STOCK_UNAVAILABLE);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE); /* nor tried so soon */
	redis_sim_set_cut_off(sim, &lone.node, false);
	lone_thread_pass(&lone, 2000);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_REPLAY); /* what was held back has arrived */
	assert_int_equal(held(), 2);
}

static void test_a_refused_connection_is_unavailable_at_once(void **state)
{
	int64_t from_ms = now_ms();

	(void)state;
	redis_sim_set_down(sim, true);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	assert_int_equal(now_ms(), from_ms);
	redis_sim_set_down(sim, false);
	lone_thread_pass(&lone, 2000);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
}

/* --- A client that is no more --- */

static bool arrives;

static void die(void)
{
	redis_sim_end_client(sim, &node_of_other, arrives);
}

/*
 * What a client of its own, which dies while this is on the way, has asked for; and whether it was
 * done.
 */
static bool is_done_for_the_dead(const char *key)
{
	const struct redis_transport *transport = redis_sim_transport(sim);
	const struct redis_timeouts timeouts = {CALL_MS * MS, CALL_MS * MS};
	struct redis_link link = {.transport = transport};
	redisReply *reply;
	int done;
	bool is_there;

	node_enter(&node_of_other);
	redis_sim_set_delay(sim, 100 * MS, 0);
	assert_int_equal(transport->open(&link, NULL, &timeouts), REDIS_OK);
	assert_int_equal(redisAppendCommand(link.context, "SET %s 1", key), REDIS_OK);
	assert_int_equal(transport->write(&link, &done), REDIS_OK);
	die();
	redisFree(link.context); /* as its memory goes with it: it closes nothing */
	node_enter(&lone.node);
	reply = redis_sim_ask(sim, "EXISTS %s", key);
	assert_int_equal(reply->integer, 0);
	freeReplyObject(reply);
	lone_thread_pass(&lone, 200);
	reply = redis_sim_ask(sim, "EXISTS %s", key);
	is_there = reply->integer == 1;
	freeReplyObject(reply);
	return is_there;
}

static void test_what_a_client_has_sent_is_done_behind_its_death_or_lost_with_it(void **state)
{
	(void)state;
	gate_close(&other); /* its connections end with those of the dead */
	arrives = true;
	assert_true(is_done_for_the_dead("{ps:8}:a"));
	arrives = false;
	assert_false(is_done_for_the_dead("{ps:8}:b"));
	redis_sim_set_delay(sim, 0, 0);
	open_gate(&other);
	other.epoch = 1;
}

/* --- Its clock --- */

static size_t expire(void)
{
	struct event out[UNITS];
	int64_t next_ns;

	assert_int_equal(gate_refresh(&gate), STOCK_DONE);
	return gate.stock->ops->expire(gate.stock, clock_mono_ns(), clock_wall_ms(), GATE_GRACE_MS * MS, out, UNITS, &next_ns);
}

static void pass_looking(int64_t ms)
{
	for (; ms > 0; ms -= 100) {
		lone_thread_pass(&lone, 100);
		assert_int_equal(gate_refresh(&gate), STOCK_DONE);
		assert_int_equal(gate_refresh(&other), STOCK_DONE);
	}
}

static void check_holds_last(int64_t step_ms)
{
	gate_order(&gate, "ann", "k");
	pass_looking(3000);
	clock_of_redis.ahead_ms += step_ms;
	pass_looking(GATE_HOLD_MS - 5000);
	assert_int_equal(expire(), 0);
	pass_looking(10000);
	assert_int_equal(expire(), 1);
}

static void test_a_hold_lasts_its_length_when_the_servers_clock_is_put_forward(void **state)
{
	(void)state;
	check_holds_last(INT64_C(24) * 3600 * 1000);
}

static void test_a_hold_lasts_its_length_when_the_servers_clock_is_put_back(void **state)
{
	(void)state;
	check_holds_last(INT64_C(-24) * 3600 * 1000);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_slow_reply_takes_its_time),
		TEST(test_a_reply_that_comes_too_late_leaves_open_what_was_done),
		TEST(test_a_stop_that_was_done_and_not_heard_of_is_done),
		TEST(test_a_late_retry_of_a_stop_whose_reply_is_lost_is_no_stop),
		TEST(test_a_command_is_done_when_it_arrives_though_its_client_has_given_up),
		TEST(test_an_undoing_that_arrives_late_leaves_a_retry_alone),
		TEST(test_a_command_that_arrives_behind_a_rebuild_is_fenced),
		TEST(test_others_go_on_between_a_command_and_its_reply),
		TEST(test_a_server_that_stands_still_does_later_what_it_was_sent),
		TEST(test_a_server_that_goes_on_in_time_answers),
		TEST(test_who_waits_for_a_server_hears_of_its_end_at_once),
		TEST(test_a_client_that_is_cut_off_hears_nothing_and_others_go_on),
		TEST(test_a_refused_connection_is_unavailable_at_once),
		TEST(test_what_a_client_has_sent_is_done_behind_its_death_or_lost_with_it),
		TEST(test_a_hold_lasts_its_length_when_the_servers_clock_is_put_forward),
		TEST(test_a_hold_lasts_its_length_when_the_servers_clock_is_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

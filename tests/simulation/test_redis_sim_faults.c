/*
 * What the adapter makes of a Redis that loses, forgets and garbles: each call ends in one of its
 * declared ways, nothing that was granted is granted twice, and what Redis says of itself still
 * adds up. Time is the test's own, so nothing waits.
 */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "simulation/redis/redis_sim.h"

static struct redis_sim *sim;
static struct node node = {.seeded = true};
static int64_t now_ms = INT64_C(1800000000000);

static int64_t wall_us(const struct clock_source *source)
{
	(void)source;
	return now_ms * 1000;
}

static int64_t mono_ns(const struct clock_source *source)
{
	(void)source;
	return now_ms * MS;
}

static const struct clock_source source = {wall_us, mono_ns};

static int set_up(void **state)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	clock_set_source(&source);
	node.clock = &source;
	sim = redis_sim_new(&node);
	gate_open_over(gate, redis_sim_transport(sim), "redis://in.process");
	*state = gate;
	return gate_sell(gate, 1, 5);
}

static int tear_down(void **state)
{
	gate_close(*state);
	free(*state);
	redis_sim_free(sim);
	clock_set_source(NULL);
	return 0;
}

static void run(const char *command)
{
	redisReply *reply = redis_sim_ask(sim, command);

	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
}

/* Nobody tries to connect again for a while after it failed. */
static void wait_a_little(void)
{
	now_ms += 2000;
}

static void test_a_lost_reply_leaves_open_what_was_done(void **state)
{
	struct gate *gate = *state;
	struct stock_reserve item;

	redis_sim_cut(sim, 1, false);
	item = gate_buy(gate, "ann", "k");
	assert_int_equal(item.outcome, STOCK_OUTCOME_UNKNOWN);
	item = gate_buy(gate, "ann", "k"); /* it was done */
	assert_int_equal(item.outcome, STOCK_REPLAY);
	assert_int_equal(gate_lot(gate).held, 1);
}

static void test_a_batch_that_did_not_arrive_leaves_open_what_was_done(void **state)
{
	struct gate *gate = *state;
	struct stock_reserve item;

	redis_sim_cut(sim, 0, false);
	item = gate_buy(gate, "ann", "k");
	assert_int_equal(item.outcome, STOCK_OUTCOME_UNKNOWN);
	item = gate_buy(gate, "ann", "k"); /* it was not */
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(gate_lot(gate).held, 1);
}

static void sell_another(struct gate *gate)
{
	struct stock_rules rules = gate->rules;
	int64_t units = 5, withdrawn = 0;

	rules.sale = GATE_SALE + 1;
	assert_int_equal(gate->stock->ops->preheat_begin(gate->stock, &rules), 0);
	assert_int_equal(gate->stock->ops->arm(gate->stock, rules.sale, &units, &withdrawn), 0);
}

/* A batch is a call a sale: here of two. */
static void buy_two(struct gate *gate, struct stock_reserve items[2])
{
	items[0] = gate_ask(gate, "ann", "k");
	items[1] = gate_ask(gate, "bob", "k");
	items[1].event.sale = GATE_SALE + 1;
	gate->stock->ops->reserve(gate->stock, items, 2);
}

static void test_a_batch_that_was_half_sent_is_known_as_far_as_it_was_answered(void **state)
{
	struct gate *gate = *state;
	struct stock_reserve items[2];

	sell_another(gate);
	redis_sim_cut(sim, 1, true);
	buy_two(gate, items);
	assert_int_equal((items[0].outcome == STOCK_DONE) + (items[1].outcome == STOCK_DONE), 1);
	assert_int_equal((items[0].outcome == STOCK_OUTCOME_UNKNOWN) + (items[1].outcome == STOCK_OUTCOME_UNKNOWN), 1);
	buy_two(gate, items);
	assert_int_equal((items[0].outcome == STOCK_DONE) + (items[1].outcome == STOCK_DONE), 1);
	assert_int_equal((items[0].outcome == STOCK_REPLAY) + (items[1].outcome == STOCK_REPLAY), 1);
}

static void test_a_server_that_is_away_is_unavailable(void **state)
{
	struct gate *gate = *state;

	redis_sim_set_down(sim, true);
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	assert_int_equal(gate_refresh(gate), STOCK_UNAVAILABLE);
	redis_sim_set_down(sim, false);
	wait_a_little();
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_DONE);
}

/*
 * What was granted behind the mark is gone: the sale must be fenced, or its units are sold twice.
 */
static void test_a_log_that_lacks_its_end_is_fenced(void **state)
{
	struct gate *gate = *state;

	redis_sim_mark(sim);
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_DONE);
	redis_sim_restart(sim, REDIS_SIM_MARK);
	assert_int_equal(gate_buy(gate, "bob", "k").outcome, STOCK_FENCED);
	assert_int_equal(gate_sell(gate, 2, 5), 0);
	assert_int_equal(gate_buy(gate, "bob", "k").outcome, STOCK_DONE);
}

/* Even where it has everything: nobody can know that. */
static void test_a_restart_is_fenced(void **state)
{
	struct gate *gate = *state;

	redis_sim_restart(sim, REDIS_SIM_ALL);
	assert_int_equal(gate_buy(gate, "bob", "k").outcome, STOCK_FENCED);
}

static void test_a_flushall_is_fenced(void **state)
{
	struct gate *gate = *state;

	run("FLUSHALL");
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_FENCED);
}

static void test_functions_that_were_flushed_come_back_and_their_sales_are_fenced(void **state)
{
	struct gate *gate = *state;

	run("FUNCTION FLUSH");
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_FENCED); /* they are not there */
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_FENCED); /* they have no term */
	assert_int_equal(gate_sell(gate, 2, 5), 0);
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_DONE);
}

static void test_a_master_that_becomes_a_replica_sells_no_more(void **state)
{
	struct gate *gate = *state;

	redis_sim_set_replica(sim, true);
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	redis_sim_set_replica(sim, false); /* promoted again: another history */
	wait_a_little();
	assert_int_equal(gate_buy(gate, "ann", "k").outcome, STOCK_FENCED);
}

static void test_full_memory_refuses_and_lets_orders_end(void **state)
{
	struct gate *gate = *state;
	struct stock_reserve item = gate_order(gate, "ann", "k");
	struct stock_settle settle;

	run("CONFIG SET maxmemory 1");
	assert_int_equal(gate_buy(gate, "bob", "k").outcome, STOCK_FULL);
	settle = gate_settle(gate, &item.order.id, ORDER_CANCEL);
	assert_int_equal(settle.outcome, STOCK_DONE);
	gate_acknowledge(gate, &settle.event);
	assert_int_equal(gate_lot(gate).available, 5);
}

static void check_sums(struct gate *gate)
{
	struct stock_lot_state lot = gate_lot(gate);

	assert_int_equal(lot.available + lot.held + lot.confirmed + lot.withdrawn, lot.allocated);
	assert_true(lot.available >= 0 && lot.held >= 0);
}

/* Another gate, which has heard nothing wrong, finds the sale whole. */
static void check_from_outside(struct gate *gate)
{
	struct gate other;

	gate_open_over(&other, redis_sim_transport(sim), "redis://in.process");
	other.epoch = gate->epoch;
	assert_int_equal(gate_refresh(&other), STOCK_DONE);
	check_sums(&other);
	gate_close(&other);
}

static bool is_declared(enum stock_outcome outcome)
{
	switch (outcome) {
	case STOCK_DONE:
	case STOCK_REPLAY:
	case STOCK_NO_REPLAY:
	case STOCK_UNKNOWN_SALE:
	case STOCK_NO_ORDER:
	case STOCK_ALREADY:
	case STOCK_REFUSED:
	case STOCK_BUSY:
	case STOCK_EXPIRED:
	case STOCK_WRONG_AMOUNT:
	case STOCK_PAID_ALREADY:
	case STOCK_REFERENCE_USED:
#define DECLARED(name, ...) case STOCK_##name:
		REFUSALS_BY_STOCK(DECLARED)
#undef DECLARED
		return true;
	}
	return false;
}

static void end(struct gate *gate, const struct event *event, enum stock_outcome outcome)
{
	if (outcome != STOCK_DONE)
		return;
	redis_sim_corrupt(sim, 1);
	gate_acknowledge(gate, event);
}

/* A purchase and its end, and a look at it, each garbled. */
static void live_through(struct gate *gate, const char *buyer)
{
	struct stock_find find = {.sale = GATE_SALE};
	struct stock_reserve item;
	struct stock_settle settle;

	redis_sim_corrupt(sim, 1);
	item = gate_buy(gate, buyer, "");
	assert_true(is_declared(item.outcome));
	end(gate, &item.event, item.outcome);
	redis_sim_corrupt(sim, 1);
	find.id = item.event.id;
	gate->stock->ops->find(gate->stock, &find, 1);
	assert_true(is_declared(find.outcome));
	redis_sim_corrupt(sim, 1);
	settle = gate_settle(gate, &item.event.id, ORDER_CANCEL);
	assert_true(is_declared(settle.outcome));
	end(gate, &settle.event, settle.outcome);
	redis_sim_corrupt(sim, 1);
	(void)gate_refresh(gate);
	redis_sim_corrupt(sim, 0);
}

static void test_corrupt_replies_end_in_a_declared_outcome_and_harm_nothing_in_redis(void **state)
{
	enum { GATES = 100, ROUNDS = 10 };
	struct gate *gate = *state;
	char buyer[16];

	assert_int_equal(gate_sell(gate, 2, GATES * ROUNDS), 0);
	for (int i = 0; i < GATES * ROUNDS; i++) {
		if (i % ROUNDS == 0) { /* one that believes nothing wrong yet */
			gate_close(gate);
			gate_open_over(gate, redis_sim_transport(sim), "redis://in.process");
			gate->epoch = 2;
			assert_int_equal(gate_refresh(gate), STOCK_DONE);
		}
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		live_through(gate, buyer);
		now_ms += 100;
	}
	check_from_outside(gate);
}

static size_t count_libraries(void)
{
	redisReply *list = redis_sim_ask(sim, "FUNCTION LIST LIBRARYNAME penstock_*");
	size_t count;

	assert_int_equal(list->type, REDIS_REPLY_ARRAY);
	count = list->elements;
	freeReplyObject(list);
	return count;
}

/* The list is kept from one asking to the next. */
static void test_functions_are_listed_as_they_are_now(void **state)
{
	static const char library[] = "#!lua name=penstock_77\nredis.register_function('penstock_77_f', function() return 1 end)";

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(count_libraries(), 1);
		freeReplyObject(redis_sim_ask(sim, "FUNCTION LOAD %s", library));
		assert_int_equal(count_libraries(), 2);
		assert_int_equal(count_libraries(), 2);
		run("FUNCTION DELETE penstock_77");
	}
	run("FUNCTION FLUSH");
	assert_int_equal(count_libraries(), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_lost_reply_leaves_open_what_was_done),
		TEST(test_a_batch_that_did_not_arrive_leaves_open_what_was_done),
		TEST(test_a_batch_that_was_half_sent_is_known_as_far_as_it_was_answered),
		TEST(test_a_server_that_is_away_is_unavailable),
		TEST(test_a_log_that_lacks_its_end_is_fenced),
		TEST(test_a_restart_is_fenced),
		TEST(test_a_flushall_is_fenced),
		TEST(test_functions_that_were_flushed_come_back_and_their_sales_are_fenced),
		TEST(test_functions_are_listed_as_they_are_now),
		TEST(test_a_master_that_becomes_a_replica_sells_no_more),
		TEST(test_full_memory_refuses_and_lets_orders_end),
		TEST(test_corrupt_replies_end_in_a_declared_outcome_and_harm_nothing_in_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Two masters, a replica that was behind, Sentinels that are late: what the adapter makes of them.
 */
#include "simulation/redis/group_test.h"

static void test_a_gate_sells_while_a_replica_follows_and_stops_when_none_does(void **state)
{
	(void)state;
	set_lag(20 * MS);
	pass_looking(&gate, 3000);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	set_lag(200 * MS); /* its word takes longer than a gate waits for it */
	pass_looking(&gate, LEASE_MS + 500);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_UNAVAILABLE);
	set_lag(20 * MS);
	pass_looking(&gate, 1000);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_DONE);
}

/*
 * An old master goes on, and those who reach it alone buy from it: for as long as a rebuild waits
 * before its barrier, and not a moment longer, though the old master itself has not found out.
 */
static void test_of_two_masters_the_old_one_is_not_believed_beyond_the_lease(void **state)
{
	struct gate old;

	(void)state;
	open_gate(&old, OLD_URL);
	old.epoch = 1;
	assert_int_equal(gate_refresh(&old), STOCK_DONE);
	split();
	assert_int_equal(gate_buy(&old, "ann", "k").outcome, STOCK_DONE);
	lone_thread_pass(&lone, LEASE_MS);
	assert_int_equal(gate_buy(&old, "bob", "k").outcome, STOCK_UNAVAILABLE);
	(void)gate_refresh(&old);
	assert_int_equal(gate_buy(&old, "bob", "k").outcome, STOCK_UNAVAILABLE);
	expect(0, "SET a 1", "OK"); /* it would have */
	assert_true(gate.stock->quiesce_ns > LEASE_MS * MS);
	gate_close(&old);
}

/*
 * The replica's word is as old as the question, however long it was on its way. It is the second of
 * some replies: the lease is over since the first was asked for, and would not be since that came.
 */
static void test_a_lease_counts_from_when_it_was_asked_for(void **state)
{
	const int64_t reply_ns = (LEASE_MS / 2 - 100) * MS;
	int64_t asked_ns, took_ns;

	(void)state;
	pass_looking(&gate, LEASE_MS + 150); /* what is done once a second is done */
	lone_thread_pass(&lone, 100);        /* it asks so often */
	redis_sim_set_delay(redis_group_server(group, 0), 0, reply_ns);
	asked_ns = clock_mono_ns();
	(void)gate_refresh(&gate);
	took_ns = clock_mono_ns() - asked_ns;
	assert_true(took_ns > LEASE_MS * MS && took_ns - 2 * reply_ns < LEASE_MS * MS);
	redis_sim_set_delay(redis_group_server(group, 0), 0, 0);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	pass_looking(&gate, 200);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
}

static void lose_master(void)
{
	split();
	lone_thread_pass(&lone, LEASE_MS);
}

/* It was sent within the lease, and its answer comes behind it: a rebuild may have begun. */
static void test_an_old_masters_answer_that_comes_behind_the_lease_is_unknown(void **state)
{
	struct gate old;

	(void)state;
	open_gate(&old, OLD_URL);
	old.epoch = 1;
	assert_int_equal(gate_refresh(&old), STOCK_DONE);
	redis_sim_set_delay(redis_group_server(group, 0), 0, 10 * MS);
	lone.meanwhile = lose_master;
	assert_int_equal(gate_buy(&old, "ann", "k").outcome, STOCK_OUTCOME_UNKNOWN);
	gate_close(&old);
}

static void sell_again(struct gate *seller)
{
	assert_int_equal(gate_sell(seller, seller->epoch + 1, UNITS), 0);
	assert_int_equal(gate_buy(seller, "fay", "again").outcome, STOCK_DONE);
}

static void find_new_master(struct gate *looks)
{
	for (int i = 0; gate_refresh(looks) != STOCK_FENCED; i++) {
		assert_true(i < 100);
		lone_thread_pass(&lone, 100);
	}
}

static int stop(struct gate *asked)
{
	const struct stock_brake_change change = {.stopped = true, .actor = "anna", .request = uuid_make(&asked->ids, 0, GATE_SALE)};

	return asked->stock->ops->brake(asked->stock, GATE_SALE, &change);
}

static bool is_stopped(struct gate *asked)
{
	struct stock_brake brake;

	return asked->stock->ops->brake_of(asked->stock, GATE_SALE, &brake) && brake.stopped;
}

/* Another gate was not held up, and sells. */
static void test_a_stop_at_a_gate_that_was_held_up_beyond_its_lease_is_told_to_the_master(void **state)
{
	struct gate other;

	(void)state;
	set_lag(20 * MS);
	open_gate(&other, REDIS_GROUP_URL);
	other.epoch = 1;
	pass_looking(&other, LEASE_MS + 500);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	assert_int_equal(stop(&gate), STOCK_DONE);
	pass_looking(&other, 100);
	assert_true(is_stopped(&other));
	gate_close(&other);
}

/* It holds at this gate, and is put into the new master when that is found. */
static void test_a_stop_that_an_old_master_took_is_not_said_to_be_done(void **state)
{
	(void)state;
	split();
	assert_int_equal(stop(&gate), STOCK_OUTCOME_UNKNOWN);
	assert_true(is_stopped(&gate));
	expect(0, "HGET {ps:7}:z stopped", "1");
	assert_int_equal(number(1, "EXISTS {ps:7}:z"), 0);
	pass_looking(&gate, LEASE_MS);
	find_new_master(&gate);
	pass_looking(&gate, 500);
	assert_int_equal(gate_sell(&gate, gate.epoch + 1, UNITS), 0);
	expect(1, "HGET {ps:7}:z stopped", "1");
}

static int stop_again(struct gate *asked, const struct stock_brake_change *change)
{
	return asked->stock->ops->brake(asked->stock, GATE_SALE, change);
}

/*
 * Found by the world 31022573 of a cluster: one replica had it and was enough, the other was behind
 * and became the master, and was sold from before the ledger had heard of the stop.
 */
static void test_a_stop_that_one_replica_lacks_is_not_said_to_be_done_before_the_ledger_has_it(void **state)
{
	const struct stock_brake_change change = {.stopped = true, .actor = "anna", .request = uuid_make(&gate.ids, 0, GATE_SALE)};

	(void)state;
	set_lag(20 * MS);
	pass_looking(&gate, 500);
	redis_group_set_apart(group, 1, true); /* it may be promoted all the same */
	assert_int_equal(stop_again(&gate, &change), STOCK_OUTCOME_UNKNOWN);
	assert_true(is_stopped(&gate));
	expect(0, "HGET {ps:7}:z stopped", "1");
	assert_int_equal(stop_again(&gate, &change), STOCK_OUTCOME_UNKNOWN); /* that it is there already proves nothing */
	gate.stock->ops->brake_written(gate.stock, GATE_SALE, 1);
	assert_int_equal(stop_again(&gate, &change), STOCK_REPLAY);
}

static void test_a_stop_that_every_replica_has_heard_of_late_is_done(void **state)
{
	const struct stock_brake_change change = {.stopped = true, .actor = "anna", .request = uuid_make(&gate.ids, 0, GATE_SALE)};

	(void)state;
	set_lag(20 * MS);
	pass_looking(&gate, 500);
	redis_group_set_lag(group, 1, 400 * MS); /* longer than a gate waits */
	assert_int_equal(stop_again(&gate, &change), STOCK_OUTCOME_UNKNOWN);
	pass_looking(&gate, 2000);
	redis_group_set_lag(group, 1, 20 * MS);
	pass_looking(&gate, 500);
	assert_int_equal(stop_again(&gate, &change), STOCK_REPLAY);
	expect(1, "HGET {ps:7}:z stopped", "1");
}

static void test_a_stop_loads_the_functions_again_that_a_master_has_lost(void **state)
{
	(void)state;
	set_lag(20 * MS);
	pass_looking(&gate, 500);
	freeReplyObject(ask(0, "FUNCTION FLUSH"));
	assert_int_equal(stop(&gate), STOCK_DONE);
	expect(0, "HGET {ps:7}:z stopped", "1");
}

/* A gate that has begun meanwhile has never seen the other replica. */
static void test_how_many_replicas_must_have_a_stop_is_known_by_the_masters_settings(void **state)
{
	struct gate fresh;

	(void)state;
	redis_sim_set_down(redis_group_server(group, 2), true);
	lone_thread_pass(&lone, 1000);
	open_gate(&fresh, REDIS_GROUP_URL);
	fresh.epoch = 1;
	pass_looking(&fresh, 500);
	assert_int_equal(gate_buy(&fresh, "ann", "k").outcome, STOCK_DONE); /* one of them is enough for that */
	assert_int_equal(stop(&fresh), STOCK_OUTCOME_UNKNOWN);
	gate_close(&fresh);
}

static void test_a_replica_that_lagged_and_is_promoted_is_fenced(void **state)
{
	(void)state;
	set_lag(100 * MS);
	pass_looking(&gate, 500);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	redis_sim_set_down(redis_group_server(group, 0), true); /* the replicas will never hear of it */
	redis_group_promote(group, 1);
	redis_group_follow(group, 2, 1);
	point_to(1);
	lone_thread_pass(&lone, 1000);
	find_new_master(&gate);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_FENCED);
	pass_looking(&gate, 500); /* a replica of the new one has to follow it first */
	sell_again(&gate);
	assert_int_equal(gate_lot(&gate).held, 1);
}

/* It missed nothing, keeps its libraries with the term in them, and is yet of another history. */
static void test_an_old_master_that_missed_nothing_and_is_promoted_again_is_fenced(void **state)
{
	struct gate after;

	(void)state;
	pass_looking(&gate, 200);
	redis_group_promote(group, 1);
	redis_group_follow(group, 0, 1);
	redis_group_follow(group, 2, 1);
	assert_int_equal(number(0, "EXISTS {ps:7}:m"), 1);
	redis_group_promote(group, 0);
	redis_group_follow(group, 1, 0);
	redis_group_follow(group, 2, 0);
	open_gate(&after, REDIS_GROUP_URL);
	after.epoch = 1;
	assert_int_equal(gate_refresh(&after), STOCK_FENCED);
	lone_thread_pass(&lone, 1000);
	find_new_master(&gate);
	gate_close(&after);
}

static void test_a_sentinel_that_is_late_is_asked_in_vain_and_then_another(void **state)
{
	(void)state;
	redis_group_promote(group, 1);
	redis_group_follow(group, 0, 1);
	redis_group_follow(group, 2, 1);
	redis_group_point(group, 1, 1); /* the first still names the old one, which is a replica */
	lone_thread_pass(&lone, 1000);
	find_new_master(&gate);
	sell_again(&gate);
	expect(1, "HGET {ps:7}:m epoch", "2");
}

/* Nobody ends its connections, and it still says that it is the master. */
static void test_a_gate_leaves_an_old_master_that_goes_on(void **state)
{
	(void)state;
	split();
	pass_looking(&gate, 3 * LEASE_MS);
	find_new_master(&gate);
	sell_again(&gate);
	expect(1, "HGET {ps:7}:m epoch", "2");
	expect(0, "SET a 1", "OK");
}

static void test_where_no_sentinel_knows_a_master_nothing_is_sold(void **state)
{
	(void)state;
	point_to(REDIS_GROUP_NOBODY);
	redis_sim_set_down(redis_group_sentinel(group, 1), true);
	redis_sim_restart(redis_group_server(group, 0), REDIS_SIM_ALL);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	redis_group_point(group, 2, 0);
	lone_thread_pass(&lone, 1000);
	find_new_master(&gate);
}

/* What a master has forgotten its replicas forget too. */
static void test_a_master_that_restarts_with_nothing_empties_its_replicas(void **state)
{
	(void)state;
	assert_int_equal(number(1, "EXISTS {ps:7}:m"), 1);
	redis_sim_restart(redis_group_server(group, 0), REDIS_SIM_NOTHING);
	assert_int_equal(number(1, "EXISTS {ps:7}:m"), 0);
	lone_thread_pass(&lone, 1000);
	find_new_master(&gate);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_gate_sells_while_a_replica_follows_and_stops_when_none_does),
		TEST(test_of_two_masters_the_old_one_is_not_believed_beyond_the_lease),
		TEST(test_a_lease_counts_from_when_it_was_asked_for),
		TEST(test_a_stop_at_a_gate_that_was_held_up_beyond_its_lease_is_told_to_the_master),
		TEST(test_a_stop_that_an_old_master_took_is_not_said_to_be_done),
		TEST(test_a_stop_that_one_replica_lacks_is_not_said_to_be_done_before_the_ledger_has_it),
		TEST(test_a_stop_that_every_replica_has_heard_of_late_is_done),
		TEST(test_a_stop_loads_the_functions_again_that_a_master_has_lost),
		TEST(test_how_many_replicas_must_have_a_stop_is_known_by_the_masters_settings),
		TEST(test_an_old_masters_answer_that_comes_behind_the_lease_is_unknown),
		TEST(test_a_replica_that_lagged_and_is_promoted_is_fenced),
		TEST(test_an_old_master_that_missed_nothing_and_is_promoted_again_is_fenced),
		TEST(test_a_sentinel_that_is_late_is_asked_in_vain_and_then_another),
		TEST(test_a_gate_leaves_an_old_master_that_goes_on),
		TEST(test_where_no_sentinel_knows_a_master_nothing_is_sold),
		TEST(test_a_master_that_restarts_with_nothing_empties_its_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Two masters, a replica that was behind, Sentinels that are late: what the adapter makes of them,
 * and that the servers in the process do among themselves what real ones do.
 */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "simulation/lone_thread.h"
#include "simulation/redis/redis_group.h"
#include "stock/redis/transport.h"

enum { SERVERS = 3, UNITS = 5, LEASE_MS = 1000, MAX_LAG_MS = 10000 };
#define OLD_URL "redis://server-0"

static struct lone_thread lone;
static struct lone_clock clocks[SERVERS];
static struct node nodes[SERVERS];
static struct redis_group *group;
static struct gate gate;

static void open_gate(struct gate *opened, const char *url)
{
	gate_open_over(opened, redis_group_transport(group), url);
}

static int set_up(void **state)
{
	struct node *members[SERVERS];

	(void)state;
	lone_thread_begin(&lone);
	for (int i = 0; i < SERVERS; i++) {
		lone_clock_init(&clocks[i], &lone);
		nodes[i] = (struct node){.clock = &clocks[i].clock, .seeded = true, .random = (uint64_t)i};
		members[i] = &nodes[i];
	}
	group = redis_group_new(members, SERVERS);
	redis_group_configure(group, "min-replicas-to-write", "1");
	open_gate(&gate, REDIS_GROUP_URL);
	return gate_sell(&gate, 1, UNITS);
}

static int tear_down(void **state)
{
	(void)state;
	gate_close(&gate);
	redis_group_free(group);
	lone_thread_end(&lone);
	return 0;
}

/* Gates look at their sales all the time; what comes of it is no matter here. */
static void pass_looking(struct gate *looks, int64_t ms)
{
	for (; ms > 0; ms -= 50) {
		lone_thread_pass(&lone, 50);
		(void)gate_refresh(looks);
	}
}

static redisReply *ask(size_t server, const char *command)
{
	return redis_sim_ask(redis_group_server(group, server), command);
}

static void expect(size_t server, const char *command, const char *answer)
{
	redisReply *reply = ask(server, command);

	assert_non_null(reply->str);
	assert_memory_equal(reply->str, answer, strlen(answer));
	freeReplyObject(reply);
}

static int64_t number(size_t server, const char *command)
{
	redisReply *reply = ask(server, command);
	int64_t value = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	return value;
}

static void set_lag(int64_t lag_ns)
{
	for (size_t i = 1; i < SERVERS; i++)
		redis_group_set_lag(group, i, lag_ns);
}

static void point_to(size_t server)
{
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++)
		redis_group_point(group, i, server);
}

/* The second server is promoted, while the first is cut off from the others and hears nothing of it. */
static void split(void)
{
	redis_group_set_apart(group, 0, true);
	redis_group_promote(group, 1);
	redis_group_follow(group, 2, 1);
	point_to(1);
}

/* --- Among themselves --- */

static void compare_servers(size_t a, size_t b)
{
	redisReply *keys = ask(a, "KEYS *"), *others = ask(b, "KEYS *");

	assert_true(keys->elements > 0);
	assert_int_equal(keys->elements, others->elements);
	for (size_t i = 0; i < keys->elements; i++) {
		static const char *const looks[] = {"GET", "HGETALL", "ZRANGE"};

		assert_string_equal(keys->element[i]->str, others->element[i]->str);
		for (size_t j = 0; j < 3; j++) {
			const char *arguments[] = {looks[j], keys->element[i]->str, "0", "-1", "WITHSCORES"};
			int count = j == 2 ? 5 : 2;
			redisReply *one = redis_sim_ask_argv(redis_group_server(group, a), count, arguments, NULL);
			redisReply *other = redis_sim_ask_argv(redis_group_server(group, b), count, arguments, NULL);

			assert_int_equal(one->type, other->type);
			assert_int_equal(one->len, other->len);
			assert_int_equal(one->elements, other->elements);
			if (one->str)
				assert_memory_equal(one->str, other->str, one->len);
			for (size_t k = 0; k < one->elements; k++)
				assert_memory_equal(one->element[k]->str, other->element[k]->str, one->element[k]->len);
			freeReplyObject(one);
			freeReplyObject(other);
		}
	}
	freeReplyObject(keys);
	freeReplyObject(others);
}

static void test_a_replica_has_what_its_master_has_done(void **state)
{
	struct stock_reserve item;
	struct stock_settle settle;

	(void)state;
	assert_int_equal(gate_sell(&gate, 2, 100), 0);
	for (int i = 0; i < 60; i++) {
		char buyer[8];

		snprintf(buyer, sizeof(buyer), "b%d", i);
		item = gate_buy(&gate, buyer, i % 2 ? "k" : "");
		assert_int_equal(item.outcome, STOCK_DONE);
		if (i % 3)
			gate_acknowledge(&gate, &item.event);
		settle = gate_settle(&gate, &item.order.id, i % 2 ? ORDER_CONFIRM : ORDER_CANCEL);
		if (settle.outcome == STOCK_DONE && i % 5)
			gate_acknowledge(&gate, &settle.event);
		pass_looking(&gate, 100);
	}
	compare_servers(0, 1);
	compare_servers(0, 2);
}

static void test_a_replica_is_behind_by_its_lag(void **state)
{
	(void)state;
	set_lag(100 * MS);
	freeReplyObject(ask(0, "SET a 1"));
	lone_thread_pass(&lone, 99);
	assert_int_equal(number(1, "EXISTS a"), 0);
	lone_thread_pass(&lone, 1);
	assert_int_equal(number(1, "EXISTS a"), 1);
}

/* What a connection waits for: all that the server had behind the last command on it. */
static int64_t wait_for(struct redis_link *link, const char *command, int64_t *took_ms)
{
	const struct redis_transport *transport = link->transport;
	int64_t from_ms = clock_mono_ms(), count;
	void *reply;

	assert_int_equal(redisAppendCommand(link->context, command), REDIS_OK);
	assert_int_equal(transport->reply(link, &reply), REDIS_OK);
	assert_int_equal(((redisReply *)reply)->type, REDIS_REPLY_INTEGER);
	count = ((redisReply *)reply)->integer;
	freeReplyObject(reply);
	*took_ms = clock_mono_ms() - from_ms;
	return count;
}

static void open_raw(struct redis_link *link)
{
	const struct redis_address address = {.host = "server-0"};
	const struct redis_timeouts timeouts = {1000 * MS, 5000 * MS};

	*link = (struct redis_link){.transport = redis_group_transport(group)};
	assert_int_equal(link->transport->open(link, &address, &timeouts), REDIS_OK);
}

static void test_wait_tells_how_many_have_it_as_soon_as_they_do_or_when_its_time_is_over(void **state)
{
	struct redis_link link;
	int64_t took_ms;

	(void)state;
	redis_group_set_lag(group, 1, 30 * MS);
	redis_group_set_lag(group, 2, 400 * MS);
	open_raw(&link);
	assert_int_equal(wait_for(&link, "WAIT 2 100", &took_ms), 2); /* nothing was done on it */
	assert_int_equal(took_ms, 0);
	assert_int_equal(wait_for(&link, "APPEND a 1", &took_ms), 1);
	assert_int_equal(wait_for(&link, "WAIT 1 100", &took_ms), 1); /* there and back */
	assert_int_equal(took_ms, 60);
	assert_int_equal(wait_for(&link, "WAIT 2 100", &took_ms), 1);
	assert_int_equal(took_ms, 100);
	assert_int_equal(wait_for(&link, "WAIT 2 0", &took_ms), 2);
	assert_int_equal(took_ms, 640);
	redis_group_set_apart(group, 1, true);
	assert_int_equal(wait_for(&link, "APPEND a 1", &took_ms), 2);
	assert_int_equal(wait_for(&link, "WAIT 1 100", &took_ms), 0);
	assert_int_equal(took_ms, 100);
	link.transport->close(&link);
}

static void demote(void)
{
	redis_group_promote(group, 1);
	redis_group_follow(group, 0, 1);
}

static void test_a_wait_ends_with_the_masters_rule(void **state)
{
	struct redis_link link;
	int64_t took_ms;
	void *reply;

	(void)state;
	set_lag(100 * MS);
	open_raw(&link);
	assert_int_equal(wait_for(&link, "APPEND a 1", &took_ms), 1);
	lone.meanwhile = demote;
	assert_int_equal(redisAppendCommand(link.context, "WAIT 1 0"), REDIS_OK);
	assert_int_equal(link.transport->reply(&link, &reply), REDIS_OK);
	assert_memory_equal(((redisReply *)reply)->str, "UNBLOCKED", 9);
	freeReplyObject(reply);
	assert_false(link.transport->is_quiet(&link)); /* it is closed with that */
	link.transport->close(&link);
	expect(0, "WAIT 1 100", "ERR WAIT cannot be used with replica instances");
}

static void test_a_master_that_misses_its_replicas_for_too_long_refuses(void **state)
{
	(void)state;
	redis_group_set_apart(group, 0, true);
	lone_thread_pass(&lone, MAX_LAG_MS);
	expect(0, "SET a 1", "OK");
	lone_thread_pass(&lone, 1000);
	expect(0, "SET a 1", "NOREPLICAS Not enough good replicas to write.");
	expect(0, "FUNCTION DELETE penstock_2", "NOREPLICAS");
	redis_group_set_apart(group, 0, false);
	expect(0, "SET a 1", "OK");
}

/* All that it has granted alone is gone, as it is where a real one comes back. */
static void test_an_old_master_that_comes_back_takes_what_the_new_one_has(void **state)
{
	(void)state;
	split();
	expect(0, "SET old 1", "OK");
	expect(1, "SET new 1", "OK");
	redis_group_follow(group, 0, 1);
	assert_int_equal(number(0, "EXISTS old"), 1); /* it hears nothing yet */
	redis_group_set_apart(group, 0, false);
	assert_int_equal(number(0, "EXISTS old"), 0);
	assert_int_equal(number(0, "EXISTS new"), 1);
	expect(0, "SET a 1", "READONLY");
	compare_servers(0, 1);
}

/* --- What a gate makes of it --- */

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

/* The replica's word is as old as the question, however long it was on its way. */
static void test_a_lease_counts_from_when_it_was_asked_for(void **state)
{
	(void)state;
	pass_looking(&gate, LEASE_MS + 150); /* what is done once a second is done */
	lone_thread_pass(&lone, 100);        /* it asks so often */
	redis_sim_set_delay(redis_group_server(group, 0), 0, (LEASE_MS / 2 + 100) * MS);
	(void)gate_refresh(&gate); /* two replies */
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
		TEST(test_a_replica_has_what_its_master_has_done),
		TEST(test_a_replica_is_behind_by_its_lag),
		TEST(test_wait_tells_how_many_have_it_as_soon_as_they_do_or_when_its_time_is_over),
		TEST(test_a_wait_ends_with_the_masters_rule),
		TEST(test_a_master_that_misses_its_replicas_for_too_long_refuses),
		TEST(test_an_old_master_that_comes_back_takes_what_the_new_one_has),
		TEST(test_a_gate_sells_while_a_replica_follows_and_stops_when_none_does),
		TEST(test_of_two_masters_the_old_one_is_not_believed_beyond_the_lease),
		TEST(test_a_lease_counts_from_when_it_was_asked_for),
		TEST(test_an_old_masters_answer_that_comes_behind_the_lease_is_unknown),
		TEST(test_a_replica_that_lagged_and_is_promoted_is_fenced),
		TEST(test_an_old_master_that_missed_nothing_and_is_promoted_again_is_fenced),
		TEST(test_a_sentinel_that_is_late_is_asked_in_vain_and_then_another),
		TEST(test_where_no_sentinel_knows_a_master_nothing_is_sold),
		TEST(test_a_master_that_restarts_with_nothing_empties_its_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A master and its replicas in the process: that they do among themselves what real ones do. */
#include "simulation/redis/group_test.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What goes wrong between a gate and its Redis, and that each call ends in one of its declared
 * ways.
 */
#include "unit/stock/redis_gate.h"

#include "stock/redis/library.h"

static struct redis_place *place;

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new("--maxmemory-policy", "noeviction", NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	redis_place_free(place);
	return 0;
}

static int open_with(const char *url, bool force)
{
	struct stock_redis_settings settings = {
		.url = url, .outbox_max = 16, .connect_timeout_ns = 200 * MS, .call_timeout_ns = 200 * MS, .force = force};
	struct stock *stock;
	int r = stock_redis_open(&stock, &settings);

	if (r == 0)
		stock->ops->free(stock);
	return r;
}

static bool answers_again(void *context)
{
	enum stock_outcome outcome = gate_refresh(context);

	return outcome != STOCK_UNAVAILABLE;
}

static void test_a_call_that_is_not_answered_is_of_unknown_outcome(void **state)
{
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	struct gate gate;
	struct stock_reserve item;
	const char *reason;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	assert_int_equal(gate.stock->ops->health(gate.stock, &reason), 0);
	item = gate_ask(&gate, "ann", "k");
	redis_place_pause(place, true);
	gate.stock->ops->reserve(gate.stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_OUTCOME_UNKNOWN);
	assert_true(gate.stock->ops->may_have_order(gate.stock, GATE_SALE, SLICE("ann")));
	assert_true(gate.stock->ops->health(gate.stock, &reason) < 0);
	assert_non_null(reason);
	redis_place_pause(place, false);
	redis_place_await(answers_again, &gate);
	item = gate_buy(&gate, "ann", "k"); /* the retry tells which it was, and there is one order, not two */
	assert_true(item.outcome == STOCK_REPLAY || item.outcome == STOCK_DONE);
	assert_int_equal(gate_lot(&gate).held, 1);
	assert_int_equal(gate.stock->ops->health(gate.stock, &reason), 0);
	assert_int_equal(gate.stock->ops->withdraw(gate.stock, &withdrawal), 0);
	gate_close(&gate);
}

static void test_a_call_that_cannot_be_sent_is_unavailable(void **state)
{
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_find find = {.sale = GATE_SALE};
	struct gate gate;
	struct event out[1];
	const char *reason;
	int64_t next;

	(void)state;
	assert_non_null(claims);
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	gate_order(&gate, "bob", "");
	redis_place_kill(place); /* the connection that was used is looked at before it is used again */
	for (int i = 0; i < 3; i++)
		assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	assert_int_equal(gate_settle(&gate, &find.id, ORDER_CANCEL).outcome, STOCK_UNAVAILABLE);
	gate.stock->ops->find(gate.stock, &find, 1);
	assert_int_equal(find.outcome, STOCK_UNAVAILABLE);
	assert_int_equal(gate_refresh(&gate), STOCK_UNAVAILABLE);
	assert_int_equal(gate.stock->ops->allocate(gate.stock, GATE_SALE, 0, 9), STOCK_UNAVAILABLE);
	assert_int_equal(gate.stock->ops->withdraw(gate.stock, &withdrawal), STOCK_UNAVAILABLE);
	assert_int_equal(gate.stock->ops->expire(gate.stock, gate_now_ns(), 0, 0, out, 1, &next), 0);
	assert_int_equal(gate.stock->ops->claim(gate.stock, gate_now_ns(), gate_now_ns(), claims, 1), 0);
	assert_int_equal(gate_sell(&gate, 2, 5), -ENOTCONN);
	assert_true(gate.stock->ops->health(gate.stock, &reason) < 0);
	gate_close(&gate);
	free(claims);
}

static void test_a_drop_that_redis_did_not_hear_of_is_told_later(void **state)
{
	struct stock_lot_state lots[LOTS_MAX];
	struct stock_refresh none;
	struct gate gate;
	redisReply *reply;
	uint32_t count;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_pause(place, true);
	gate.stock->ops->drop(gate.stock, GATE_SALE, 1);
	assert_int_equal(gate.stock->ops->snapshot(gate.stock, GATE_SALE, lots, &count), STOCK_UNKNOWN_SALE);
	redis_place_pause(place, false);
	for (int i = 0; i < 1000; i++) {
		gate.stock->ops->refresh(gate.stock, &none, 0);
		reply = redis_place_ask(place, "EXISTS {ps:7}:m");
		count = (uint32_t)reply->integer;
		freeReplyObject(reply);
		if (count == 0)
			break;
	}
	assert_int_equal(count, 0);
	gate_close(&gate);
}

static void test_full_memory_is_told_before_anything_is_taken(void **state)
{
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	struct stock_settle settle;
	struct stock_reserve item;
	struct gate gate;
	redisReply *reply;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	item = gate_order(&gate, "ann", "k");
	redis_place_run(place, "CONFIG SET maxmemory 1");
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_FULL);
	assert_int_equal(gate.stock->ops->withdraw(gate.stock, &withdrawal), STOCK_FULL);
	assert_int_equal(gate_lot(&gate).available, 4);            /* what is there can be looked at, */
	settle = gate_settle(&gate, &item.order.id, ORDER_CANCEL); /* and ended */
	assert_int_equal(settle.outcome, STOCK_DONE);
	gate_acknowledge(&gate, &settle.event);
	assert_int_equal(gate_lot(&gate).available, 5);
	assert_int_equal(gate_sell(&gate, 2, 5), -ENOMEM);
	gate.stock->ops->drop(gate.stock, GATE_SALE, 1);
	reply = redis_place_ask(place, "KEYS {ps:%d}*", GATE_SALE);
	assert_int_equal(reply->elements, 0);
	freeReplyObject(reply);
	redis_place_run(place, "CONFIG SET maxmemory 0");
	gate_close(&gate);
}

static void test_too_few_replicas_refuse_definitely(void **state)
{
	struct gate gate;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_run(place, "CONFIG SET min-replicas-to-write 1");
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	redis_place_run(place, "CONFIG SET min-replicas-to-write 0");
	assert_int_equal(gate_lot(&gate).available, 5);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	gate_close(&gate);
}

/*
 * deploy/redis/users.acl is the one place that says what the user needs; the password there is a
 * hash, and here `secret`.
 */
static void allow_user(void)
{
	static const char user[] = "user penstock ", hash[] = "#PASSWORD_SHA256 ";
	const char *root = getenv("SOURCE_ROOT");
	char path[512], line[1024] = "", *rules;
	FILE *file;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/deploy/redis/users.acl", root);
	file = fopen(path, "r");
	assert_non_null(file);
	while (strncmp(line, user, sizeof(user) - 1) != 0)
		assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	rules = strstr(line, hash);
	assert_non_null(rules);
	rules += sizeof(hash) - 1;
	assert_null(strchr(rules, '%'));
	snprintf(path, sizeof(path), "ACL SETUSER penstock reset on >secret %s", rules);
	redis_place_run(place, path);
}

static int64_t quiesce_of(const char *url)
{
	struct gate gate;
	int64_t ns;

	gate_open(&gate, url);
	ns = gate.stock->quiesce_ns;
	gate_close(&gate);
	return ns;
}

static int64_t quiesce_of_others(const char *url)
{
	struct gate gate;
	int64_t ns;

	gate_open(&gate, url);
	ns = gate.stock->quiesce_other_ns;
	gate_close(&gate);
	return ns;
}

/*
 * Rule 4 waits until no gate takes the word of a master that was cut off; gates of other versions
 * do for as long as it goes on.
 */
static void test_a_rebuild_waits_until_no_gate_trusts_a_master_that_was_cut_off(void **state)
{
	(void)state;
	assert_true(quiesce_of(place->url) == 0);
	redis_place_run(place, "CONFIG SET min-replicas-max-lag 7");
	assert_true(quiesce_of(place->url) == 0); /* there is nobody to be cut off from */
	redis_place_run(place, "CONFIG SET min-replicas-to-write 1");
	assert_true(quiesce_of(place->url) == 1250 * MS);
	assert_true(quiesce_of_others(place->url) == 8 * 1000 * MS);
	redis_place_run(place, "CONFIG SET min-replicas-to-write 0");
}

static void test_a_user_with_just_these_rights_can_do_everything(void **state)
{
	struct stock_load order = {
		.id = {{9}}, .quantity = 1, .first_quantity = 1, .state = ORDER_CONFIRMED, .buyer = SLICE("cid"), .key = SLICE("k")};
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	int64_t units = 5, withdrawn = 0, next;
	struct stock_reserve item;
	struct stock_settle settle;
	struct event out[1];
	struct gate gate;
	char url[96];

	(void)state;
	assert_non_null(claims);
	allow_user();
	redis_place_run(place, "ACL SETUSER default -@all +ping +acl +exists");
	snprintf(url, sizeof(url), "redis://penstock:secret@127.0.0.1:%d/0", place->port);
	gate_open(&gate, url);
	gate.rules.rate_requests = 3;
	gate.rules.rate_seconds = 60;
	gate.epoch = gate.rules.epoch = 1;
	assert_int_equal(gate.stock->ops->preheat_begin(gate.stock, &gate.rules), 0);
	assert_int_equal(gate.stock->ops->preheat_load(gate.stock, GATE_SALE, &order, 1, 0), 0);
	assert_int_equal(gate.stock->ops->arm(gate.stock, GATE_SALE, &units, &withdrawn), 0);
	item = gate_buy(&gate, "ann", "k");
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(gate_refresh(&gate), STOCK_DONE);
	gate_compensate(&gate, &item.event);
	item = gate_order(&gate, "ann", "k");
	settle = gate_settle(&gate, &item.order.id, ORDER_CANCEL);
	assert_int_equal(settle.outcome, STOCK_DONE);
	gate_acknowledge(&gate, &settle.event);
	gate.hold_ms = 1;
	item = gate_order(&gate, "bob", "k");
	gate.stock->ops->expire(gate.stock, gate_now_ns(), 0, 0, out, 1, &next);
	assert_int_equal(gate.stock->ops->allocate(gate.stock, GATE_SALE, 0, 9), 0);
	assert_int_equal(gate.stock->ops->withdraw(gate.stock, &withdrawal), 0);
	assert_int_equal(gate_refresh(&gate), STOCK_DONE);
	gate.stock->ops->claim(gate.stock, gate_now_ns() + 1000 * MS, gate_now_ns(), claims, 1);
	gate.stock->ops->drop(gate.stock, GATE_SALE, 1);
	gate_close(&gate);
	free(claims);
}

static void test_each_right_that_is_missing_is_found_at_the_start(void **state)
{
	static const char *const rights[] = {
		"+time",   "+get",     "+set",  "+getrange", "+setrange",      "+strlen",        "+append",         "+hget",
		"+hmget",  "+hset",    "+hdel", "+hlen",     "+zadd",          "+zrem",          "+zrange",         "+zcard",
		"+unlink", "+pexpire", "+wait", "+fcall",    "+function|load", "+function|list", "+function|delete"};
	char url[96];

	(void)state;
	snprintf(url, sizeof(url), "redis://penstock:secret@127.0.0.1:%d/0", place->port);
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		redis_place_run(place, "FUNCTION FLUSH");
		allow_user();
		redis_place_run(place, "ACL SETUSER penstock -%s", rights[i] + 1);
		if (open_with(url, false) != -EACCES)
			fail_msg("%s is not missed", rights[i]);
	}
	allow_user();
	redis_place_run(place, "ACL SETUSER penstock resetkeys ~other:*");
	assert_int_equal(open_with(url, false), -EACCES);
	redis_place_run(place, "ACL SETUSER penstock allkeys");
	assert_int_equal(open_with(url, false), 0);
}

static void test_a_server_that_is_not_fit_is_refused(void **state)
{
	char url[96];

	(void)state;
	redis_place_run(place, "CONFIG SET maxmemory-policy allkeys-lru");
	assert_int_equal(open_with(place->url, false), -EPERM);
	assert_int_equal(open_with(place->url, true), 0);
	redis_place_run(place, "CONFIG SET maxmemory-policy noeviction");
	assert_int_equal(open_with("redis://127.0.0.1:1", false), -ENOTCONN);
	assert_int_equal(open_with("redis+sentinel://127.0.0.1:1/mymaster", false), -ENOTCONN);
	assert_int_equal(open_with("rediss://127.0.0.1", false), -EINVAL);
	snprintf(url, sizeof(url), "%s/99", place->url);
	assert_int_equal(open_with(url, false), -EACCES); /* there are 16 databases */
	snprintf(url, sizeof(url), "redis://nobody:wrong@127.0.0.1:%d", place->port);
	assert_int_equal(open_with(url, false), -EACCES);
	redis_place_run(place, "REPLICAOF 127.0.0.1 1");
	assert_int_equal(open_with(place->url, false), -ENOTCONN);
}

struct danger {
	struct gate *gate;
	int health;
	const char *reason;
};

static bool is_told(void *context)
{
	struct danger *danger = context;

	(void)gate_refresh(danger->gate);
	return danger->gate->stock->ops->health(danger->gate->stock, &danger->reason) == danger->health;
}

/* Found: what the start refuses was in the log alone where it came later, and nobody was told. */
static void test_an_eviction_that_is_set_later_endangers_and_is_lifted(void **state)
{
	struct gate gate;
	struct danger danger = {.gate = &gate, .health = STOCK_ENDANGERED};

	(void)state;
	gate_open_patient(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_run(place, "CONFIG SET maxmemory-policy allkeys-lru");
	redis_place_await(is_told, &danger);
	assert_non_null(strstr(danger.reason, "set maxmemory-policy noeviction"));
	assert_int_equal(gate_buy(&gate, "ann", "").outcome, STOCK_DONE); /* it goes on */
	redis_place_run(place, "CONFIG SET maxmemory-policy noeviction");
	danger.health = 0;
	redis_place_await(is_told, &danger);
	assert_null(danger.reason);
	gate_close(&gate);
}

static void test_an_eviction_that_is_allowed_is_no_danger(void **state)
{
	struct stock_redis_settings settings = {.url = place->url, .outbox_max = 16, .force = true};
	struct stock *stock;
	const char *reason;

	(void)state;
	redis_place_run(place, "CONFIG SET maxmemory-policy allkeys-lru");
	assert_int_equal(stock_redis_open(&stock, &settings), 0);
	assert_int_equal(stock->ops->health(stock, &reason), 0);
	stock->ops->free(stock);
}

/* A program under work: its version was not given out yet. */
static void test_functions_of_this_version_with_another_text_are_replaced(void **state)
{
	static const char text[] = "#!lua name=penstock_%d\n"
				   "redis.register_function('penstock_%d_check', function() return '' end)\n";
	char other[256];
	struct gate gate;

	(void)state;
	snprintf(other, sizeof(other), text, REDIS_LIBRARY_VERSION, REDIS_LIBRARY_VERSION);
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	assert_int_equal(open_with(place->url, false), 0); /* the same: nothing happens */
	assert_int_equal(gate_buy(&gate, "ann", "").outcome, STOCK_DONE);
	redis_place_run(place, "FUNCTION LOAD REPLACE %s", other);
	assert_int_equal(open_with(place->url, false), 0);
	assert_int_equal(gate_buy(&gate, "ann", "").outcome, STOCK_FENCED);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_call_that_is_not_answered_is_of_unknown_outcome, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_call_that_cannot_be_sent_is_unavailable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_drop_that_redis_did_not_hear_of_is_told_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_memory_is_told_before_anything_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_few_replicas_refuse_definitely, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_rebuild_waits_until_no_gate_trusts_a_master_that_was_cut_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_user_with_just_these_rights_can_do_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_right_that_is_missing_is_found_at_the_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_server_that_is_not_fit_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_eviction_that_is_set_later_endangers_and_is_lifted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_eviction_that_is_allowed_is_no_danger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_functions_of_this_version_with_another_text_are_replaced, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

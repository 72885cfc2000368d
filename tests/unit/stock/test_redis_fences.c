/*
 * Rule 4: whatever Redis forgets, or remembers again, is seen before anything is sold from it. Each
 * case fails without its part of the fence.
 */
#include "unit/stock/redis_gate.h"

static struct redis_place *place;

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new("--appendonly", "yes", "--appendfsync", "always", NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	redis_place_free(place);
	return 0;
}

/* Fenced for everything, and nothing is changed by asking. */
static void assert_fenced(struct gate *gate)
{
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	struct stock_find find = {.sale = GATE_SALE};

	assert_int_equal(gate_buy(gate, "eve", "fenced").outcome, STOCK_FENCED);
	assert_int_equal(gate_settle(gate, &find.id, ORDER_CANCEL).outcome, STOCK_FENCED);
	gate->stock->ops->find(gate->stock, &find, 1);
	assert_int_equal(find.outcome, STOCK_FENCED);
	assert_int_equal(gate->stock->ops->allocate(gate->stock, GATE_SALE, 0, 1000), STOCK_FENCED);
	assert_int_equal(gate->stock->ops->withdraw(gate->stock, &withdrawal), STOCK_FENCED);
	assert_int_equal(gate_refresh(gate), STOCK_FENCED);
	assert_true(gate->stock->ops->version(gate->stock, GATE_SALE, 0) == 0);
	assert_true(gate->stock->ops->may_have_order(gate->stock, GATE_SALE, SLICE("nobody")));
}

/* Once more from the ledger, with the next epoch, and it sells again. */
static void assert_rebuilt(struct gate *gate)
{
	assert_int_equal(gate_sell(gate, gate->epoch + 1, 5), 0);
	assert_int_equal(gate_buy(gate, "fay", "again").outcome, STOCK_DONE);
	assert_int_equal(gate_lot(gate).available, 4);
}

struct
try {
	struct gate *gate;
	enum stock_outcome outcome;
};

/* The server is away for a moment: the gate connects again by itself. */
static bool answers_again(void *context)
{
	struct try *try = context;

	try->outcome = gate_buy(try->gate, "eve", "once").outcome;
	return try->outcome != STOCK_UNAVAILABLE && try->outcome != STOCK_OUTCOME_UNKNOWN;
}

static void assert_fenced_soon(struct gate *gate)
{
	struct try try = {gate, STOCK_DONE};

	redis_place_await(answers_again, &try);
	assert_int_equal(try.outcome, STOCK_FENCED);
	assert_fenced(gate);
}

static void test_a_restart_is_fenced_though_the_log_has_everything(void **state)
{
	struct gate gate;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	gate_order(&gate, "ann", "k");
	redis_place_kill(place);
	redis_place_start(place);
	assert_fenced_soon(&gate);
	assert_rebuilt(&gate);
	gate_close(&gate);
}

static void test_a_restart_in_the_middle_of_loading_is_seen_by_who_loads(void **state)
{
	struct stock_load order = {.id = {{9}}, .quantity = 1, .first_quantity = 1, .state = ORDER_CONFIRMED, .buyer = SLICE("ann")};
	int64_t units = 5, withdrawn = 0;
	struct gate gate;

	(void)state;
	gate_open(&gate, place->url);
	gate.rules.epoch = 1;
	assert_int_equal(gate.stock->ops->preheat_begin(gate.stock, &gate.rules), 0);
	redis_place_kill(place);
	redis_place_start(place);
	while (gate.stock->ops->preheat_load(gate.stock, GATE_SALE, &order, 1, 0) == -ENOTCONN)
		;
	assert_int_equal(gate.stock->ops->preheat_load(gate.stock, GATE_SALE, &order, 1, 0), -EAGAIN);
	assert_int_equal(gate.stock->ops->arm(gate.stock, GATE_SALE, &units, &withdrawn), -EAGAIN);
	gate_close(&gate);
}

static void test_a_flush_of_everything_is_fenced_for_who_knew_the_sale(void **state)
{
	struct gate gate, stranger;

	(void)state;
	gate_open(&gate, place->url);
	gate_open(&stranger, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_run(place, "FLUSHALL");
	assert_fenced(&gate);
	assert_int_equal(gate_buy(&stranger, "ann", "").outcome, STOCK_UNKNOWN_SALE);
	stranger.epoch = 1; /* its ledger says that the sale was armed */
	assert_int_equal(gate_refresh(&stranger), STOCK_FENCED);
	assert_fenced(&stranger);
	assert_rebuilt(&gate);
	gate_close(&stranger);
	gate_close(&gate);
}

static void test_a_flush_of_the_functions_is_fenced_and_they_are_loaded_again(void **state)
{
	struct gate gate;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_run(place, "FUNCTION FLUSH");
	assert_fenced(&gate);
	assert_rebuilt(&gate);
	redis_place_run(place, "FUNCTION FLUSH");
	assert_rebuilt(&gate); /* nobody has asked in between */
	gate_close(&gate);
}

static void test_an_epoch_older_than_the_ledgers_is_fenced(void **state)
{
	struct gate gate, other;

	(void)state;
	gate_open(&gate, place->url);
	gate_open(&other, place->url);
	assert_int_equal(gate_sell(&gate, 3, 5), 0);
	other.epoch = 3;
	assert_int_equal(gate_refresh(&other), STOCK_DONE);
	other.epoch = 4; /* the ledger has raised it: a rebuild is under way */
	assert_int_equal(gate_refresh(&other), STOCK_FENCED);
	assert_fenced(&other);
	assert_int_equal(gate_sell(&gate, 4, 5), 0);
	assert_int_equal(gate_refresh(&other), STOCK_DONE);
	assert_int_equal(gate_buy(&other, "ann", "").outcome, STOCK_DONE);
	gate_close(&other);
	gate_close(&gate);
}

static void test_a_newer_epoch_is_followed_and_the_older_one_cannot_come_back(void **state)
{
	struct stock_load order = {.id = {{9}}, .quantity = 1, .first_quantity = 1, .state = ORDER_CONFIRMED, .buyer = SLICE("ann")};
	int64_t units = 5, withdrawn = 0;
	struct gate slow, fast;
	struct stock_reserve item;

	(void)state;
	gate_open(&slow, place->url);
	gate_open(&fast, place->url);
	slow.rules.epoch = 1;
	assert_int_equal(slow.stock->ops->preheat_begin(slow.stock, &slow.rules), 0);
	assert_int_equal(gate_sell(&fast, 2, 5), 0);
	slow.epoch = 2;
	assert_int_equal(gate_refresh(&slow), STOCK_DONE); /* it hears of the other's epoch, which must not become its own */
	assert_int_equal(slow.stock->ops->preheat_load(slow.stock, GATE_SALE, &order, 1, 0), -ESTALE);
	assert_int_equal(slow.stock->ops->arm(slow.stock, GATE_SALE, &units, &withdrawn), -ESTALE);
	assert_int_equal(slow.stock->ops->preheat_begin(slow.stock, &slow.rules), -ESTALE);
	slow.stock->ops->drop(slow.stock, GATE_SALE, 1);
	item = gate_buy(&slow, "ann", "");
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(item.event.epoch, 2);
	gate_close(&fast);
	gate_close(&slow);
}

static bool replica_is_in_step(void *context)
{
	redisReply *reply = redis_place_ask(context, "INFO replication");
	bool up = strstr(reply->str, "master_link_status:up") != NULL;

	freeReplyObject(reply);
	return up;
}

static struct redis_place *new_replica(const struct redis_place *master)
{
	struct redis_place *replica = redis_place_new(NULL);

	redis_place_run(replica, "REPLICAOF 127.0.0.1 %d", master->port);
	redis_place_await(replica_is_in_step, replica);
	return replica;
}

static bool replica_has_the_sale(void *context)
{
	redisReply *reply = redis_place_ask(context, "HGET {ps:7}:m state");
	bool armed = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "armed") == 0;

	freeReplyObject(reply);
	return armed;
}

static void test_a_replica_that_lagged_and_was_promoted_is_fenced(void **state)
{
	struct redis_place *replica = new_replica(place);
	struct gate gate, after;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_await(replica_has_the_sale, replica);
	redis_place_pause(replica, true);
	gate_order(&gate, "ann", "k"); /* the replica will never hear of it */
	redis_place_kill(place);
	redis_place_pause(replica, false);
	redis_place_run(replica, "REPLICAOF NO ONE");
	gate_open(&after, replica->url);
	after.epoch = 1;
	assert_fenced(&after);
	assert_rebuilt(&after);
	gate_close(&after);
	gate_close(&gate);
	redis_place_free(replica);
}

static void test_an_old_master_that_is_promoted_again_is_fenced(void **state)
{
	struct gate gate, after;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	redis_place_run(place, "REPLICAOF 127.0.0.1 1"); /* nobody is there: it keeps what it has */
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_UNAVAILABLE);
	redis_place_run(place, "REPLICAOF NO ONE");
	gate_open(&after, place->url);
	after.epoch = 1;
	assert_fenced(&after);
	assert_fenced_soon(&gate);
	assert_rebuilt(&gate);
	gate_close(&after);
	gate_close(&gate);
}

static bool replid_is_seen(void *context)
{
	return gate_refresh(context) == STOCK_FENCED;
}

static void test_a_connection_that_lived_through_it_finds_out_by_itself(void **state)
{
	struct gate gate;

	(void)state;
	gate_open(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	assert_int_equal(gate_refresh(&gate), STOCK_DONE);
	redis_place_run(place, "REPLICAOF 127.0.0.1 1");
	redis_place_run(place, "REPLICAOF NO ONE");
	redis_place_await(replid_is_seen, &gate); /* it asks once a second */
	gate_close(&gate);
}

static bool sentinel_sees_replica(void *context)
{
	redisReply *reply = redis_place_ask(context, "SENTINEL REPLICAS mymaster");
	bool seen = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1;

	freeReplyObject(reply);
	return seen;
}

static bool failover_begins(void *context)
{
	redisReply *reply = redis_place_ask(context, "SENTINEL FAILOVER mymaster");
	bool begun = reply->type == REDIS_REPLY_STATUS;

	freeReplyObject(reply);
	return begun;
}

static bool sold_by_the_new_master(void *context)
{
	return gate_sell(context, 2, 5) == 0;
}

static void test_a_failover_by_sentinel_is_followed_and_fenced(void **state)
{
	struct redis_place *replica = new_replica(place), *sentinel = redis_place_new_sentinel(place);
	struct gate gate;
	redisReply *reply;

	(void)state;
	gate_open(&gate, sentinel->url);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	gate_order(&gate, "ann", "k");
	redis_place_await(sentinel_sees_replica, sentinel);
	redis_place_await(failover_begins, sentinel);
	redis_place_await(replid_is_seen, &gate);
	redis_place_await(sold_by_the_new_master, &gate);
	reply = redis_place_ask(replica, "HGET {ps:7}:m epoch");
	assert_string_equal(reply->str, "2");
	freeReplyObject(reply);
	assert_int_equal(gate_buy(&gate, "ann", "k").outcome, STOCK_DONE);
	gate_close(&gate);
	redis_place_free(sentinel);
	redis_place_free(replica);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_restart_is_fenced_though_the_log_has_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_restart_in_the_middle_of_loading_is_seen_by_who_loads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_flush_of_everything_is_fenced_for_who_knew_the_sale, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_flush_of_the_functions_is_fenced_and_they_are_loaded_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_epoch_older_than_the_ledgers_is_fenced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_newer_epoch_is_followed_and_the_older_one_cannot_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_replica_that_lagged_and_was_promoted_is_fenced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_old_master_that_is_promoted_again_is_fenced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_connection_that_lived_through_it_finds_out_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_failover_by_sentinel_is_followed_and_fenced, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

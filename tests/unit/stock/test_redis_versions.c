/*
 * Gates of several versions at one Redis, with their libraries side by side: a sale is one
 * version's alone. The other versions' text is this one's with another number, as a program that
 * differs in nothing else would load it; the first version's is its own (tests/libraries).
 */
#include "unit/stock/redis_gate.h"

#include <string.h>
#include "base/clock.h"
#include "stock/redis/library.h"

enum { OLD = REDIS_LIBRARY_VERSION, NEW = OLD + 1 };

static struct redis_place *place;
static struct gate older, newer;

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new(NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	clock_set_source(NULL);
	redis_place_free(place);
	return 0;
}

/* --- What Redis has --- */

static int64_t ask_number(const char *command)
{
	redisReply *reply = redis_place_ask(place, command);
	int64_t number = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	return number;
}

static void assert_version(const char *command, int expected)
{
	redisReply *reply = redis_place_ask(place, command);

	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	assert_int_equal(strtol(reply->str, NULL, 10), expected);
	freeReplyObject(reply);
}

/* All that is kept of the sale, as one number: a call that changes a byte of it changes this. */
static uint64_t digest(void)
{
	uint64_t digest = 14695981039346656037U;

	for (const char *name = "mlokbnhgysxpvuz"; *name; name++) {
		char command[32];
		redisReply *reply;

		snprintf(command, sizeof(command), "DUMP {ps:%d}:%c", GATE_SALE, *name);
		reply = redis_place_ask(place, command);
		for (size_t i = 0; reply->type == REDIS_REPLY_STRING && i < reply->len; i++)
			digest = (digest ^ (unsigned char)reply->str[i]) * 1099511628211U;
		freeReplyObject(reply);
	}
	return digest;
}

static bool has_library(uint32_t version)
{
	redisReply *list = redis_place_ask(place, "FUNCTION LIST LIBRARYNAME penstock_%u", version);
	bool there = list->elements > 0;

	freeReplyObject(list);
	return there;
}

/* --- Gates --- */

static enum stock_sellers sellers(struct gate *gate)
{
	return gate->stock->ops->sellers(gate->stock);
}

/* Until the gate has looked again: it does so every tenth of a second. */
struct awaited {
	struct gate *gate;
	enum stock_sellers sellers;
};

static bool is_so(void *context)
{
	struct awaited *awaited = context;

	(void)gate_refresh(awaited->gate);
	return sellers(awaited->gate) == awaited->sellers;
}

static void await_sellers(struct gate *gate, enum stock_sellers wanted)
{
	struct awaited awaited = {gate, wanted};

	redis_place_await(is_so, &awaited);
}

static void leave(struct gate *gate)
{
	gate->stock->ops->leave(gate->stock);
}

/*
 * Nothing of it does anything: what it is asked for is fenced or refused, and not a byte of the
 * sale changes.
 */
static void assert_stands_by(struct gate *gate, const char *why)
{
	struct stock_find find = {.sale = GATE_SALE};
	struct stock_withdrawal withdrawal = {.sale = GATE_SALE, .units = 1, .movement = {{1}}};
	const char *reason = NULL;
	uint64_t before = digest();

	assert_int_equal(gate_buy(gate, "eve", "fenced").outcome, STOCK_FENCED);
	assert_int_equal(gate_settle(gate, &find.id, ORDER_CANCEL).outcome, STOCK_FENCED);
	assert_int_equal(gate->stock->ops->withdraw(gate->stock, &withdrawal), STOCK_FENCED);
	assert_int_equal(gate->stock->ops->allocate(gate->stock, GATE_SALE, 0, 1000), STOCK_FENCED);
	assert_int_equal(gate_refresh(gate), STOCK_UNAVAILABLE); /* it is not lost: nobody is to rebuild it */
	gate->rules.epoch = 1000;
	assert_int_equal(gate->stock->ops->preheat_begin(gate->stock, &gate->rules), -ENOTCONN);
	gate->stock->ops->drop(gate->stock, GATE_SALE, 1000);
	assert_true(gate->stock->ops->take_over(gate->stock) < 0);
	assert_true(gate->stock->ops->health(gate->stock, &reason) < 0);
	assert_non_null(strstr(reason, why));
	assert_true(digest() == before);
}

static void open_both(void)
{
	gate_open_version(&older, place->url, OLD);
	assert_int_equal(sellers(&older), STOCK_SELLERS_OURS);
	assert_int_equal(gate_sell(&older, 1, 5), 0);
	gate_open_version(&newer, place->url, NEW);
	newer.epoch = 1; /* as its ledger says */
}

static void close_both(void)
{
	gate_close(&newer);
	gate_close(&older);
}

/* --- Up --- */

static void test_a_newer_gate_stands_by_while_an_older_one_sells(void **state)
{
	struct stock_reserve order;

	(void)state;
	open_both();
	order = gate_order(&older, "ann", "k");
	assert_int_equal(sellers(&newer), STOCK_SELLERS_OTHERS);
	assert_stands_by(&newer, "an older version still sell");
	assert_int_equal(gate_settle(&older, &order.order.id, ORDER_CONFIRM).outcome, STOCK_DONE);
	assert_int_equal(gate_buy(&older, "bob", "k").outcome, STOCK_DONE);
	assert_int_equal(sellers(&older), STOCK_SELLERS_OURS);
	assert_true(has_library(OLD) && has_library(NEW));
	close_both();
}

static void test_the_sale_moves_when_the_last_older_gate_has_left(void **state)
{
	struct stock_reserve order;

	(void)state;
	open_both();
	order = gate_order(&older, "ann", "k");
	leave(&older);
	await_sellers(&newer, STOCK_SELLERS_NONE);
	assert_int_equal(gate_buy(&newer, "bob", "k").outcome, STOCK_FENCED); /* before it takes over, and before it has begun the sale */
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	assert_int_equal(sellers(&newer), STOCK_SELLERS_OURS);
	assert_int_equal(gate_buy(&newer, "bob", "k").outcome, STOCK_FENCED);
	assert_int_equal(gate_refresh(&newer), STOCK_FENCED); /* and now it is to be rebuilt */
	assert_int_equal(gate_sell(&newer, 2, 5), 0);
	assert_int_equal(gate_buy(&newer, "bob", "k").outcome, STOCK_DONE);
	assert_version("HGET {ps:7}:m version", NEW);
	/* The older one was asleep: it meets a sale that is not its own any more. */
	assert_int_equal(gate_buy(&older, "cid", "k").outcome, STOCK_FENCED);
	await_sellers(&older, STOCK_SELLERS_OTHERS);
	assert_stands_by(&older, "a newer version sell");
	gate_acknowledge(&older, &order.event);
	assert_int_equal(gate_lot(&newer).available, 4);
	close_both();
}

/*
 * The step that takes a sale is atomic in Redis: who has not heard of the change yet cannot take it
 * back.
 */
static void test_a_gate_that_has_not_heard_of_it_begins_nothing(void **state)
{
	(void)state;
	open_both();
	redis_place_run(place, "SET {ps:version} %d", NEW);
	assert_int_equal(sellers(&older), STOCK_SELLERS_OURS); /* so it thinks */
	assert_int_equal(gate_sell(&older, 2, 5), -EAGAIN);
	older.stock->ops->drop(older.stock, GATE_SALE, 9);
	assert_int_equal(ask_number("EXISTS {ps:7}:m"), 1);
	close_both();
}

/* Two of the newer version may be elected in turn; one whose news is old must not turn it back. */
static void test_only_what_was_seen_to_sell_is_taken_over(void **state)
{
	(void)state;
	open_both();
	leave(&older);
	await_sellers(&newer, STOCK_SELLERS_NONE);
	redis_place_run(place, "SET {ps:version} %d", NEW + 1);
	assert_true(newer.stock->ops->take_over(newer.stock) < 0);
	assert_version("GET {ps:version}", NEW + 1);
	close_both();
}

/* Whatever else fits: what another version keeps under the same names need not mean the same. */
static void test_a_sale_that_names_another_version_is_fenced(void **state)
{
	(void)state;
	open_both();
	redis_place_run(place, "HSET {ps:7}:m version %d", NEW);
	assert_int_equal(gate_buy(&older, "ann", "k").outcome, STOCK_FENCED);
	assert_int_equal(gate_refresh(&older), STOCK_FENCED);
	redis_place_run(place, "HSET {ps:7}:m version %d", OLD);
	assert_int_equal(gate_buy(&older, "ann", "k").outcome, STOCK_DONE);
	close_both();
}

static int64_t ahead_ns;

static int64_t test_wall_us(const struct clock_source *source)
{
	(void)source;
	return INT64_C(1700000000000000) + ahead_ns / 1000;
}

static int64_t test_mono_ns(const struct clock_source *source)
{
	(void)source;
	return INT64_C(1000000000000) + ahead_ns;
}

static const struct clock_source ahead = {test_wall_us, test_mono_ns};

/*
 * Killed: its number stands still. Redis' clock has no part in it, which is why it is not set here.
 */
static void test_an_older_gate_that_is_dead_is_not_waited_for_longer_than_three_seconds(void **state)
{
	(void)state;
	ahead_ns = 0;
	clock_set_source(&ahead);
	open_both();
	for (int i = 0; i < 29; i++) {
		ahead_ns += 100 * MS;
		(void)gate_refresh(&newer);
		assert_int_equal(sellers(&newer), STOCK_SELLERS_OTHERS);
	}
	ahead_ns += 200 * MS;
	(void)gate_refresh(&newer);
	assert_int_equal(sellers(&newer), STOCK_SELLERS_NONE);
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	ahead_ns += 100 * MS;
	(void)gate_refresh(&newer);
	assert_int_equal(ask_number("ZCARD {ps:gates}"), 1); /* the dead one is forgotten in Redis too */
	for (int i = 0; i < 2; i++) { /* it only slept; and its library is gone: the first look loads that again */
		ahead_ns += 100 * MS;
		(void)gate_refresh(&older);
	}
	assert_int_equal(sellers(&older), STOCK_SELLERS_OTHERS);
	close_both();
}

static void test_all_that_another_layout_has_goes(void **state)
{
	(void)state;
	open_both();
	gate_order(&older, "ann", "k");
	redis_place_run(place, "HSET {ps:7}:m version %d keys %s", OLD, "m l o k b n h x p v u q");
	redis_place_run(place, "SET {ps:7}:q what-this-version-does-not-know");
	redis_place_run(place, "ZADD {ps:7}:u 1 set-aside");
	leave(&older);
	await_sellers(&newer, STOCK_SELLERS_NONE);
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	assert_int_equal(gate_sell(&newer, 2, 5), 0);
	assert_int_equal(ask_number("EXISTS {ps:7}:q {ps:7}:u {ps:7}:o {ps:7}:k {ps:7}:b {ps:7}:n"), 0);
	close_both();
}

/* Tenths of a second go by, in each of which both look. */
static void pass(int tenths)
{
	for (int i = 0; i < tenths; i++) {
		ahead_ns += 100 * MS;
		(void)gate_refresh(&older);
		(void)gate_refresh(&newer);
	}
}

static void test_the_older_library_is_deleted_when_no_gate_of_it_is_left(void **state)
{
	(void)state;
	ahead_ns = 0;
	clock_set_source(&ahead);
	open_both();
	leave(&older);
	ahead_ns += 100 * MS;
	(void)gate_refresh(&newer);
	assert_int_equal(sellers(&newer), STOCK_SELLERS_NONE);
	assert_true(has_library(OLD)); /* not before this one sells */
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	ahead_ns += 1000 * MS;
	(void)gate_refresh(&newer);
	assert_true(has_library(NEW) && !has_library(OLD));
	/* Who comes back loads it again, stands by, and is left alone while it is there. */
	pass(30);
	assert_int_equal(sellers(&older), STOCK_SELLERS_OTHERS);
	assert_true(has_library(OLD));
	leave(&older);
	ahead_ns += 1100 * MS;
	(void)gate_refresh(&newer);
	assert_false(has_library(OLD));
	close_both();
}

static void load_older_library(void)
{
	struct gate gate = {0};

	gate_open_version(&gate, place->url, OLD);
	leave(&gate); /* nobody who looks later hears of it */
	gate_close(&gate);
	assert_true(has_library(OLD));
}

static void look_after(struct gate *gate, int64_t milliseconds)
{
	ahead_ns += milliseconds * MS;
	(void)gate_refresh(gate);
}

static void test_libraries_are_looked_for_each_second_only_while_others_are_there(void **state)
{
	(void)state;
	ahead_ns = 0;
	clock_set_source(&ahead);
	gate_open_version(&newer, place->url, NEW);
	assert_int_equal(sellers(&newer), STOCK_SELLERS_OURS);
	look_after(&newer, 100); /* there is none */
	load_older_library();
	look_after(&newer, 2000);
	look_after(&newer, 2000);
	assert_true(has_library(OLD));
	look_after(&newer, 26100);
	assert_false(has_library(OLD));
	look_after(&newer, 1100); /* once more, for what may have come meanwhile: now there is none */
	/* One that was heard of, once, is no reason to wait. */
	gate_open_version(&older, place->url, OLD);
	look_after(&newer, 100);
	leave(&older);
	look_after(&newer, 1000);
	assert_false(has_library(OLD));
	close_both();
}

/* --- Back again --- */

static void test_an_older_version_takes_the_sale_back_when_no_newer_gate_is_left(void **state)
{
	(void)state;
	open_both();
	leave(&older);
	await_sellers(&newer, STOCK_SELLERS_NONE);
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	assert_int_equal(gate_sell(&newer, 2, 5), 0);
	redis_place_run(place, "HSET {ps:7}:m keys %s", "m l o k b n h x p v u later");
	redis_place_run(place, "SET {ps:7}:later what-this-version-does-not-know");
	await_sellers(&older, STOCK_SELLERS_OTHERS);
	leave(&newer);
	await_sellers(&older, STOCK_SELLERS_NONE);
	assert_int_equal(older.stock->ops->take_over(older.stock), 0);
	assert_int_equal(gate_sell(&older, 3, 5), 0);
	assert_int_equal(gate_buy(&older, "ann", "k").outcome, STOCK_DONE);
	assert_int_equal(ask_number("EXISTS {ps:7}:later"), 0);
	assert_int_equal(gate_buy(&newer, "bob", "k").outcome, STOCK_FENCED);
	close_both();
}

/* --- What Redis forgets --- */

static void test_which_version_sells_is_put_back_where_redis_has_forgotten_it(void **state)
{
	(void)state;
	open_both();
	await_sellers(&newer, STOCK_SELLERS_OTHERS);
	redis_place_run(place, "FLUSHALL");
	for (int i = 0; i < 2; i++) {
		struct awaited stands_by = {&newer, STOCK_SELLERS_OTHERS};

		redis_place_await(is_so, &stands_by);
	}
	redis_place_run(place, "SET {ps:looked} 1");
	await_sellers(&older, STOCK_SELLERS_OURS);
	assert_int_equal(gate_sell(&older, 2, 5), 0); /* who sold before builds it again */
	assert_version("GET {ps:version}", OLD);
	assert_version("HGET {ps:7}:m version", OLD);
	close_both();
}

/* --- The first version --- */

static void load_first_library(void)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[512], text[65536];
	redisReply *reply;
	FILE *file;
	size_t size;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/tests/libraries/penstock_1.lua", root);
	file = fopen(path, "r");
	assert_non_null(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_true(size > 0 && size < sizeof(text));
	reply = redis_place_ask(place, "FUNCTION LOAD %b", text, size);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	freeReplyObject(reply);
}

static void put(unsigned char **at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		*(*at)++ = (unsigned char)(value >> 8 * i);
}

/*
 * A call as that version's gates make it. The first byte of its answer, or -1 with what it was
 * refused with.
 */
static int call_first(const char *function, const void *argument, size_t size, char *error, size_t error_size)
{
	unsigned char head[128], *at = head;
	redisReply *reply;
	int status = -1;

	put(&at, 1, 1);       /* version */
	put(&at, 0, 4);       /* known */
	put(&at, 0, 4);       /* names_epoch */
	put(&at, 0, 8);       /* names_from */
	put(&at, 1 << 20, 4); /* outbox_max */
	put(&at, 0, 1);
	memset(at, 'r', 80); /* run_id, replid */
	at += 80;
	reply = redis_place_ask(place, "FCALL %s 1 {ps:7} %b %b", function, head, (size_t)(at - head), argument, size);
	if (reply->type == REDIS_REPLY_STRING && reply->len > 0)
		status = (unsigned char)reply->str[0];
	else
		snprintf(error, error_size, "%s", reply->str);
	freeReplyObject(reply);
	return status;
}

/* A sale of that version's, armed under epoch 1. */
static void sell_by_first(void)
{
	unsigned char begin[52], arm[4], *at = begin;
	char error[256] = "";

	put(&at, 1, 4);
	put(&at, 2, 4);
	put(&at, 0, 4);
	put(&at, 0, 4);
	put(&at, 1, 4);
	memset(at, 't', 32);
	load_first_library();
	assert_int_equal(call_first("penstock_begin", begin, sizeof(begin), error, sizeof(error)), STOCK_DONE);
	at = arm;
	put(&at, 1, 4);
	assert_int_equal(call_first("penstock_arm", arm, sizeof(arm), error, sizeof(error)), STOCK_DONE);
	assert_int_equal(call_first("penstock_refresh", "", 0, error, sizeof(error)), STOCK_DONE);
}

/*
 * It says nothing of which of its gates live: so who is elected takes over, and its own are refused
 * from then on as they know it.
 */
static void test_the_first_versions_sale_is_taken_from_it(void **state)
{
	char error[256] = "";
	int64_t began_ns;

	(void)state;
	sell_by_first();
	redis_place_run(place, "HSET {ps:7}:b an-old-layouts 10001");
	gate_open_version(&newer, place->url, OLD);
	newer.epoch = 1;
	assert_int_equal(sellers(&newer), STOCK_SELLERS_NONE);
	assert_int_equal(gate_buy(&newer, "ann", "k").outcome, STOCK_FENCED);
	assert_int_equal(gate_refresh(&newer), STOCK_UNAVAILABLE);
	assert_int_equal(call_first("penstock_refresh", "", 0, error, sizeof(error)), STOCK_DONE); /* theirs sell on until then */
	began_ns = clock_mono_ns();
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	assert_int_equal(call_first("penstock_refresh", "", 0, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "PSVERSION"));
	atomic_store(&newer.stock->other_version_ns, 0);
	assert_int_equal(gate_sell(&newer, 2, 5), 0);
	assert_true(atomic_load(&newer.stock->other_version_ns) >= began_ns); /* its gates may still tell what they were granted */
	assert_int_equal(gate_buy(&newer, "ann", "k").outcome, STOCK_DONE);
	assert_version("GET {ps:version}", OLD);
	gate_close(&newer);
}

/* A rebuild that was broken off has not waited: the next one must. */
static void test_who_was_told_by_the_journal_alone_is_remembered_until_the_sale_is_armed(void **state)
{
	(void)state;
	sell_by_first();
	gate_open_version(&newer, place->url, OLD);
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	newer.epoch = newer.rules.epoch = 2;
	assert_int_equal(newer.stock->ops->preheat_begin(newer.stock, &newer.rules), 0);
	atomic_store(&newer.stock->other_version_ns, 0);
	assert_int_equal(gate_sell(&newer, 3, 5), 0);
	assert_true(atomic_load(&newer.stock->other_version_ns) > 0);
	atomic_store(&newer.stock->other_version_ns, 0);
	assert_int_equal(gate_sell(&newer, 4, 5), 0); /* from this version itself */
	assert_true(atomic_load(&newer.stock->other_version_ns) == 0);
	gate_close(&newer);
}

/* From the second version on success is told by the stock's word too, so nothing is waited for. */
static void test_after_a_version_that_asks_the_stock_nothing_is_waited_for(void **state)
{
	(void)state;
	open_both();
	leave(&older);
	await_sellers(&newer, STOCK_SELLERS_NONE);
	assert_int_equal(newer.stock->ops->take_over(newer.stock), 0);
	assert_int_equal(gate_sell(&newer, 2, 5), 0);
	assert_true(atomic_load(&newer.stock->other_version_ns) == 0);
	close_both();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_newer_gate_stands_by_while_an_older_one_sells),
		TEST(test_the_sale_moves_when_the_last_older_gate_has_left),
		TEST(test_a_gate_that_has_not_heard_of_it_begins_nothing),
		TEST(test_only_what_was_seen_to_sell_is_taken_over),
		TEST(test_a_sale_that_names_another_version_is_fenced),
		TEST(test_an_older_gate_that_is_dead_is_not_waited_for_longer_than_three_seconds),
		TEST(test_all_that_another_layout_has_goes),
		TEST(test_the_older_library_is_deleted_when_no_gate_of_it_is_left),
		TEST(test_libraries_are_looked_for_each_second_only_while_others_are_there),
		TEST(test_an_older_version_takes_the_sale_back_when_no_newer_gate_is_left),
		TEST(test_which_version_sells_is_put_back_where_redis_has_forgotten_it),
		TEST(test_the_first_versions_sale_is_taken_from_it),
		TEST(test_who_was_told_by_the_journal_alone_is_remembered_until_the_sale_is_armed),
		TEST(test_after_a_version_that_asks_the_stock_nothing_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

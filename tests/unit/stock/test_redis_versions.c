/*
 * Gates of two versions at one Redis: the library there is the newer one's. The other version's text is this one's with another number, as a program that
 * differs in nothing else would load it.
 */
#include "unit/stock/redis_gate.h"

#include <string.h>

static struct redis_place *place;
static struct gate gate;

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new(NULL);
	gate_open_patient(&gate, place->url);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gate_close(&gate);
	redis_place_free(place);
	return 0;
}

/* Another version's program comes by: the library that is there, so many versions on. */
static void load_other_version(int by)
{
	static const char mark[] = "\nlocal VERSION = ";
	redisReply *list = redis_place_ask(place, "FUNCTION LIST LIBRARYNAME penstock WITHCODE"), *reply;
	char *found = NULL;

	assert_int_equal(list->type, REDIS_REPLY_ARRAY);
	assert_int_equal(list->elements, 1);
	for (size_t i = 0; i + 1 < list->element[0]->elements; i += 2)
		if (strcmp(list->element[0]->element[i]->str, "library_code") == 0)
			found = list->element[0]->element[i + 1]->str;
	assert_non_null(found);
	assert_non_null(strstr(found, mark));
	strstr(found, mark)[sizeof(mark) - 1] = (char)(strstr(found, mark)[sizeof(mark) - 1] + by);
	reply = redis_place_ask(place, "FUNCTION LOAD REPLACE %s", found);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	freeReplyObject(reply);
	freeReplyObject(list);
}

static int open_another(void)
{
	struct stock_redis_settings settings = {.url = place->url, .outbox_max = 16};
	struct stock *stock;
	int r = stock_redis_open(&stock, &settings);

	if (r == 0)
		stock->ops->free(stock);
	return r;
}

/* It does nothing, says that it did nothing, and is not well: so it is taken out of the proxy, and does not stand for election. */
static void test_a_gate_that_meets_a_newer_library_is_not_well(void **state)
{
	const char *reason = NULL;

	(void)state;
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	gate_order(&gate, "ann", "k");
	assert_int_equal(gate.stock->ops->health(gate.stock, &reason), 0);
	load_other_version(1);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_UNAVAILABLE);
	assert_true(gate.stock->ops->health(gate.stock, &reason) < 0);
	assert_non_null(strstr(reason, "another version of penstock"));
	assert_true(gate_sell(&gate, 2, 5) < 0); /* nor does it build a sale that the newer ones have */
	assert_int_equal(gate_refresh(&gate), STOCK_UNAVAILABLE);
	assert_true(gate.stock->ops->health(gate.stock, &reason) < 0);
}

static void test_a_gate_does_not_start_beside_a_newer_library(void **state)
{
	(void)state;
	load_other_version(1);
	assert_int_equal(open_another(), -ENOTSUP);
	load_other_version(-2); /* an older one is replaced */
	assert_int_equal(open_another(), 0);
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
}

/* What the older one has sold is not trusted until it is built again; and then nothing of how it was written is left. */
static void test_a_sale_of_an_older_library_is_fenced_and_what_it_wrote_goes(void **state)
{
	redisReply *reply;

	(void)state;
	assert_int_equal(gate_sell(&gate, 1, 5), 0);
	gate_order(&gate, "ann", "k");
	load_other_version(-1);
	assert_int_equal(open_another(), 0); /* the newer gate */
	redis_place_run(place, "HSET {ps:%d}:b old-layout 10001", GATE_SALE);
	assert_int_equal(gate_refresh(&gate), STOCK_FENCED);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_FENCED);
	assert_int_equal(gate_sell(&gate, 2, 5), 0);
	reply = redis_place_ask(place, "EXISTS {ps:%d}:b {ps:%d}:o {ps:%d}:k {ps:%d}:n", GATE_SALE, GATE_SALE, GATE_SALE, GATE_SALE);
	assert_int_equal(reply->integer, 0);
	freeReplyObject(reply);
	assert_int_equal(gate_buy(&gate, "bob", "k").outcome, STOCK_DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_gate_that_meets_a_newer_library_is_not_well),
		TEST(test_a_gate_does_not_start_beside_a_newer_library),
		TEST(test_a_sale_of_an_older_library_is_fenced_and_what_it_wrote_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A buyer's orders are found without a look at every order, and not one is left out: whatever came
 * since, in whatever place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/buyer_index.h"
#include "ledger/sqlite/sqlite.h"

enum { BATCH = 500, BUYERS = 40, UNITS = 1000000, ORDERS_MAX = 20000, PAGE = 64, TEXT = 24 };

struct fixture {
	struct sqlite_place *place;
	struct kit kit;
	struct uuid_generator late; /* its ids lie below all others */
	uint32_t big;
	char names[BATCH][TEXT];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&fixture->kit.ledger, fixture->place->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(&fixture->kit, fixture->kit.ledger);
	fixture->big = kit_big_sale(&fixture->kit, UNITS);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	failpoints_set("");
	fixture->kit.ledger->ops->free(fixture->kit.ledger);
	sqlite_place_free(fixture->place);
	free(fixture);
	return 0;
}

static struct event order_of(struct fixture *fixture, const char *buyer, bool late)
{
	struct kit *kit = &fixture->kit;
	struct event event = kit_reserved(kit, 0, 1, buyer);

	kit_in_sale(kit, &event, fixture->big);
	event.key = SLICE_NULL;
	if (late)
		event.id = uuid_make(&fixture->late, kit->now_ms - 1000000, fixture->big);
	return event;
}

/* `count` orders; the i-th is of buyer (first + i) % buyers. */
static void sell(struct fixture *fixture, size_t count, size_t first, size_t buyers, bool late)
{
	static struct event events[BATCH];
	static struct ledger_entry entries[BATCH];
	struct ledger *ledger = fixture->kit.ledger;

	for (size_t done = 0; done < count; done += BATCH) {
		size_t size = count - done < BATCH ? count - done : BATCH;

		for (size_t i = 0; i < size; i++) {
			snprintf(fixture->names[i], TEXT, "b%zu", (first + done + i) % buyers);
			events[i] = order_of(fixture, fixture->names[i], late);
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		assert_int_equal(ledger->ops->apply(ledger, entries, size), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(entries[i].outcome, LEDGER_DONE);
	}
}

/* The ids of all pages, `max` at a time. */
static size_t list(struct fixture *fixture, uint32_t sale, const char *buyer, size_t max, struct uuid *ids)
{
	struct ledger *ledger = fixture->kit.ledger;
	struct ledger_order_filter filter = {.sale = sale, .buyer = slice_of(buyer)};
	static struct ledger_order page[PAGE];
	size_t count, total = 0;

	do {
		assert_int_equal(ledger->ops->orders(ledger, &filter, page, max, &count), 0);
		for (size_t i = 0; i < count; i++) {
			assert_string_equal(page[i].buyer, buyer);
			if (total)
				assert_true(uuid_compare(&ids[total - 1], &page[i].id) < 0);
			ids[total++] = page[i].id;
		}
		if (count)
			filter.after = page[count - 1].id;
	} while (count == max);
	return total;
}

static void assert_count(struct fixture *fixture, const char *buyer, size_t expected)
{
	static struct uuid of_sale[ORDERS_MAX], of_all[ORDERS_MAX];

	assert_int_equal(list(fixture, fixture->big, buyer, 7, of_sale), expected);
	assert_int_equal(list(fixture, 0, buyer, PAGE, of_all), expected);
	assert_memory_equal(of_sale, of_all, expected * sizeof(of_all[0]));
}

static void test_every_order_of_a_buyer_is_listed_once_and_in_order(void **state)
{
	struct fixture *fixture = *state;

	assert_count(fixture, "b0", 0);
	sell(fixture, 40 * 30, 0, BUYERS, false);
	for (int i = 0; i < BUYERS; i++) {
		char buyer[TEXT];

		snprintf(buyer, sizeof(buyer), "b%d", i);
		assert_count(fixture, buyer, 30);
	}
	assert_count(fixture, "nobody", 0);
}

static void test_what_came_since_the_last_list_is_in_the_next(void **state)
{
	struct fixture *fixture = *state;

	for (size_t round = 1; round <= 5; round++) {
		sell(fixture, 10 * BUYERS, 0, BUYERS, false);
		assert_count(fixture, "b7", 10 * round);
	}
}

/* Their place is among those that were read before. */
static void test_orders_whose_ids_lie_below_others_are_listed_too(void **state)
{
	struct fixture *fixture = *state;

	sell(fixture, 5 * BUYERS, 0, BUYERS, false);
	assert_count(fixture, "b3", 5);
	sell(fixture, 3 * BUYERS, 0, BUYERS, true);
	assert_count(fixture, "b3", 8);
	sell(fixture, BUYERS, 0, BUYERS, false);
	assert_count(fixture, "b3", 9);
}

static void test_a_sale_with_a_lower_number_is_listed_as_it_grows(void **state)
{
	struct fixture *fixture = *state;
	struct uuid ids[8];

	sell(fixture, 3 * BUYERS, 0, BUYERS, false);
	assert_count(fixture, "b1", 3);
	kit_reserve(&fixture->kit, KIT_SHIRT, 1, "b1");
	assert_int_equal(list(fixture, 0, "b1", 2, ids), 4);
	assert_int_equal(list(fixture, fixture->kit.sale, "b1", 2, ids), 1);
	assert_int_equal(list(fixture, fixture->big, "b1", 2, ids), 3);
}

static void test_a_list_is_right_behind_a_commit_in_doubt(void **state)
{
	struct fixture *fixture = *state;
	struct event event = order_of(fixture, "ann", false);

	sell(fixture, BUYERS, 0, BUYERS, false);
	assert_count(fixture, "ann", 0);
	failpoints_set("ledger.commit_lost=error:5x1");
	assert_true(kit_apply(&fixture->kit, &event) < 0);
	failpoints_set("");
	assert_count(fixture, "ann", 0);
	assert_int_equal(kit_apply(&fixture->kit, &event), LEDGER_DONE);
	assert_count(fixture, "ann", 1);
}

static bool is_in(const struct buyer_range *ranges, size_t count, const struct event *event)
{
	for (size_t i = 0; i < count; i++)
		if (uuid_compare(&ranges[i].from, &event->id) < 0 && uuid_compare(&event->id, &ranges[i].until) <= 0)
			return true;
	return false;
}

/*
 * A large ledger's filters are made by many lists: those before the last one find all the same what
 * has none yet, and what came meanwhile.
 */
static void test_nothing_is_left_out_while_the_filters_are_made(void **state)
{
	enum { ROUNDS = 16 };
	struct fixture *fixture = *state;
	struct ledger_order_filter filter = {.buyer = SLICE("ann")};
	struct sqlite_connection connection;
	struct event hers[2 * ROUNDS];
	struct buyer_index index;

	assert_int_equal(sqlite_connection_open(&connection, fixture->place->path, NULL, true), 0);
	buyer_index_init(&index);
	index.slice = 300;
	sell(fixture, 5 * BATCH, 0, ORDERS_MAX, false);
	for (size_t round = 0; round < ROUNDS; round++) {
		struct buyer_range *ranges;
		size_t count;

		for (size_t i = 2 * round; i < 2 * round + 2; i++) {
			hers[i] = order_of(fixture, "ann", i % 2);
			assert_int_equal(kit_apply(&fixture->kit, &hers[i]), LEDGER_DONE);
			sell(fixture, 50, 0, ORDERS_MAX, false);
		}
		assert_int_equal(buyer_index_find(&index, &connection, &filter, &ranges, &count), 0);
		for (size_t i = 0; i < 2 * round + 2; i++)
			assert_true(is_in(ranges, count, &hers[i]));
		if (round < 8) /* 300 a round, of 2,500 and more */
			assert_false(index.is_whole);
		free(ranges);
	}
	assert_true(index.is_whole);
	buyer_index_deinit(&index);
	sqlite_connection_close(&connection, false);
}

/* A list of one buyer's orders looked at all of a ledger: 77 ms at a million. */
static void test_few_orders_are_looked_at_for_a_buyer_who_has_few(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_order_filter filter = {.buyer = SLICE("ann")};
	struct sqlite_connection connection;
	struct buyer_index index;
	struct buyer_range *ranges;
	size_t count;
	struct event event;

	sell(fixture, ORDERS_MAX / 2, 0, ORDERS_MAX, false);
	event = order_of(fixture, "ann", false);
	assert_int_equal(kit_apply(&fixture->kit, &event), LEDGER_DONE);
	sell(fixture, ORDERS_MAX / 2, ORDERS_MAX / 2, ORDERS_MAX, false);
	assert_int_equal(sqlite_connection_open(&connection, fixture->place->path, NULL, true), 0);
	buyer_index_init(&index);
	assert_int_equal(buyer_index_find(&index, &connection, &filter, &ranges, &count), 0);
	assert_in_range(count, 1, 2); /* hers, and at most one in vain */
	assert_true(uuid_compare(&ranges[count - 1].until, &event.id) >= 0);
	filter.after = ranges[count - 1].until;
	free(ranges);
	assert_int_equal(buyer_index_find(&index, &connection, &filter, &ranges, &count), 0);
	assert_int_equal(count, 0);
	free(ranges);
	buyer_index_deinit(&index);
	sqlite_connection_close(&connection, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_order_of_a_buyer_is_listed_once_and_in_order),
		TEST(test_what_came_since_the_last_list_is_in_the_next),
		TEST(test_orders_whose_ids_lie_below_others_are_listed_too),
		TEST(test_a_sale_with_a_lower_number_is_listed_as_it_grows),
		TEST(test_a_list_is_right_behind_a_commit_in_doubt),
		TEST(test_nothing_is_left_out_while_the_filters_are_made),
		TEST(test_few_orders_are_looked_at_for_a_buyer_who_has_few),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("ledger: sqlite buyer index", tests, NULL, NULL);
}

/*
 * Reading orders by their sale: the snapshot that a stock is built again from, and lists of all
 * sales.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

/* More than two pages: a ledger may read the second before it tells of the first. */
enum { SNAPSHOT_ORDERS = 9000, SNAPSHOT_BATCH = 1000 };

struct seen {
	struct kit *kit;
	const struct event *later; /* applied in the middle of the reading: at the first page */
	size_t later_count;
	size_t orders, pages, held;
	struct uuid last;
	int end; /* what the page returns */
};

static int see(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	struct seen *seen = context;

	assert_non_null(snapshot->sale);
	for (size_t i = 0; i < count; i++) {
		assert_true(uuid_compare(&orders[i].id, &seen->last) > 0);
		assert_int_equal(orders[i].sale, snapshot->sale->number);
		assert_string_equal(orders[i].sale_id, snapshot->sale->id);
		assert_string_equal(orders[i].sku, snapshot->sale->lots[orders[i].lot].sku);
		seen->last = orders[i].id;
		seen->held += orders[i].state == ORDER_HELD ? orders[i].quantity : 0;
	}
	for (size_t i = 0; seen->pages == 0 && i < seen->later_count; i++)
		assert_int_equal(kit_apply(seen->kit, &seen->later[i]), LEDGER_DONE);
	seen->orders += count;
	seen->pages++;
	return seen->end;
}

static void test_snapshot_has_all_of_its_sale_and_nothing_else(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger *ledger = kit->ledger;
	struct event held = kit_reserve(kit, KIT_SHIRT, 2, "ann"), other = kit_reserved(kit, 0, 1, "ann"), withdrawn, cancelled;
	struct seen seen = {.kit = kit};
	struct ledger_snapshot snapshot;

	kit_in_sale(kit, &other, kit_big_sale(kit, 10));
	assert_int_equal(kit_apply(kit, &other), LEDGER_DONE);
	cancelled = kit_reserve(kit, KIT_SHOE, 1, "ben");
	cancelled = kit_settled(kit, EVENT_CANCELLED, &cancelled);
	assert_int_equal(kit_apply(kit, &cancelled), LEDGER_DONE);
	withdrawn = kit_withdrawn(kit, KIT_SHOE, 3);
	assert_int_equal(kit_apply(kit, &withdrawn), LEDGER_DONE);
	assert_int_equal(kit_drain(kit, 0, NULL, 0), LEDGER_DONE);

	assert_int_equal(ledger->ops->sale_snapshot(ledger, kit->sale, &snapshot, see, &seen), LEDGER_DONE);
	assert_int_equal(seen.orders, 2);
	assert_int_equal(seen.held, held.quantity);
	assert_int_equal(snapshot.sale->number, kit->sale);
	assert_int_equal(snapshot.sale->epoch, 1);
	assert_int_equal(snapshot.sale->lots[KIT_SHIRT].held, 2);
	assert_int_equal(snapshot.sale->lots[KIT_SHOE].withdrawn, 3);
	assert_int_equal(snapshot.withdrawal_count, 1);
	assert_true(uuid_equal(&snapshot.withdrawals[0].movement, &withdrawn.id));
	assert_int_equal(snapshot.withdrawals[0].lot, KIT_SHOE);
	assert_int_equal(snapshot.withdrawals[0].units, 3);
	assert_int_equal(snapshot.position_count, 1);
	assert_int_equal(snapshot.positions[0].partition, 0);
	ledger_snapshot_deinit(&snapshot);

	assert_int_equal(ledger->ops->sale_snapshot(ledger, 999, &snapshot, see, &seen), LEDGER_NOT_FOUND);
	ledger_snapshot_deinit(&snapshot);
	seen = (struct seen){.kit = kit, .end = -ECANCELED};
	assert_int_equal(ledger->ops->sale_snapshot(ledger, kit->sale, &snapshot, see, &seen), -ECANCELED);
	ledger_snapshot_deinit(&snapshot);
}

/*
 * What is committed between two pages is seen in none of them: not the order, not its sums, not the
 * change of one that is still to come.
 */
static void test_snapshot_is_of_one_moment_whatever_is_committed_meanwhile(void **state)
{
	struct kit *kit = kit_of(state);
	struct event *events = calloc(SNAPSHOT_ORDERS, sizeof(*events));
	struct ledger_entry *entries = calloc(SNAPSHOT_ORDERS, sizeof(*entries));
	uint32_t sale = kit_big_sale(kit, 2 * SNAPSHOT_ORDERS);
	struct seen seen = {.kit = kit, .later_count = 2};
	struct ledger_snapshot snapshot;
	struct event later[2];

	assert_non_null(events);
	assert_non_null(entries);
	for (size_t i = 0; i < SNAPSHOT_ORDERS; i++) {
		events[i] = kit_reserved(kit, 0, 1, "ann");
		kit_in_sale(kit, &events[i], sale);
		events[i].key = SLICE_NULL;
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	for (size_t i = 0; i < SNAPSHOT_ORDERS; i += SNAPSHOT_BATCH)
		assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries + i, SNAPSHOT_BATCH), 0);
	later[0] = kit_settled(kit, EVENT_CANCELLED, &events[SNAPSHOT_ORDERS - 1]);
	later[1] = kit_reserved(kit, 0, 1, "ben");
	kit_in_sale(kit, &later[1], sale);
	seen.later = later;
	assert_int_equal(kit->ledger->ops->sale_snapshot(kit->ledger, sale, &snapshot, see, &seen), LEDGER_DONE);
	assert_true(seen.pages > 2);
	assert_int_equal(seen.orders, SNAPSHOT_ORDERS);
	assert_int_equal(seen.held, SNAPSHOT_ORDERS);
	assert_int_equal(snapshot.sale->lots[0].held, SNAPSHOT_ORDERS);
	ledger_snapshot_deinit(&snapshot);
	seen = (struct seen){.kit = kit, .end = -ECANCELED}; /* in the middle */
	assert_int_equal(kit->ledger->ops->sale_snapshot(kit->ledger, sale, &snapshot, see, &seen), -ECANCELED);
	assert_int_equal(seen.pages, 1);
	ledger_snapshot_deinit(&snapshot);
	seen = (struct seen){.kit = kit};
	assert_int_equal(kit->ledger->ops->sale_snapshot(kit->ledger, sale, &snapshot, see, &seen), LEDGER_DONE);
	assert_int_equal(seen.orders, SNAPSHOT_ORDERS + 1);
	assert_int_equal(seen.held, SNAPSHOT_ORDERS);
	ledger_snapshot_deinit(&snapshot);
	free(events);
	free(entries);
}

/* A page of all sales is in the order of ids, whichever sale they are of. */
static void test_orders_of_all_sales_are_listed_by_id_page_by_page(void **state)
{
	enum { COUNT = 9 };
	struct kit *kit = kit_of(state);
	uint32_t other = kit_big_sale(kit, 10);
	struct ledger_order_filter filter = {0};
	struct ledger_order page[2];
	struct event events[COUNT];
	size_t seen = 0, count;

	for (size_t i = 0; i < COUNT; i++) {
		events[i] = kit_reserved(kit, 0, 1, "ann");
		events[i].buyer_units = 1;
		kit_in_sale(kit, &events[i], i % 3 == 1 ? other : kit->sale);
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
	}
	do {
		assert_int_equal(kit->ledger->ops->orders(kit->ledger, &filter, page, 2, &count), 0);
		for (size_t i = 0; i < count; i++, seen++) {
			assert_true(seen < COUNT);
			assert_true(uuid_equal(&page[i].id, &events[seen].id));
			assert_string_equal(page[i].sale_id, seen % 3 == 1 ? "big" : "drop");
		}
		filter.after = page[count ? count - 1 : 0].id;
	} while (count == 2);
	assert_int_equal(seen, COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_snapshot_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_snapshot_has_all_of_its_sale_and_nothing_else),
		TEST(test_snapshot_is_of_one_moment_whatever_is_committed_meanwhile),
		TEST(test_orders_of_all_sales_are_listed_by_id_page_by_page),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

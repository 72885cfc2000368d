/* Items and sales that are made together: all of them or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

/* Two items, and a sale of one of them and of one that there is already. */
struct parts {
	struct ledger_item items[2];
	struct sale *sale;
	struct ledger_import import;
};

static void make_parts(struct kit *kit, struct parts *parts)
{
	*parts = (struct parts){
		.items = {{.sku = "HAT", .name = "A hat", .on_hand = 9}, {.sku = "BAG", .name = "A bag", .on_hand = 0}}};
	parts->sale = kit_sale(kit);
	strcpy(parts->sale->id, "second");
	strcpy(parts->sale->lots[KIT_SHOE].sku, "HAT");
	parts->sale->lots[KIT_SHOE].allocated = 7;
	parts->sale->lots[KIT_SHIRT].allocated = 1;
	parts->import = (struct ledger_import){.items = parts->items, .item_count = 2, .sales = &parts->sale, .sale_count = 1};
}

static int64_t log_rows(struct kit *kit)
{
	struct ledger_audit audit;

	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	return audit.log_rows;
}

static void assert_nothing_made(struct kit *kit, int64_t rows)
{
	struct ledger_item item;
	struct sale *sale;

	assert_int_equal(kit->ledger->ops->item_get(kit->ledger, SLICE("HAT"), &item), LEDGER_NOT_FOUND);
	assert_int_equal(kit->ledger->ops->item_get(kit->ledger, SLICE("BAG"), &item), LEDGER_NOT_FOUND);
	assert_int_equal(kit->ledger->ops->sale_get(kit->ledger, 0, SLICE("second"), &sale), LEDGER_NOT_FOUND);
	kit_assert_item(kit, "SHIRT", KIT_ON_HAND - KIT_SHIRTS, KIT_SHIRTS);
	assert_int_equal(log_rows(kit), rows);
	kit_assert_audit(kit);
}

static void test_an_import_makes_all_of_it_in_one_transaction(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_request request = {.id = kit_id(kit), .body = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);
	struct ledger *ledger = kit->ledger;
	int64_t rows = log_rows(kit);
	struct parts parts;
	struct sale *sale;

	make_parts(kit, &parts);
	actor.request = &request;
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_DONE);
	kit_assert_item(kit, "HAT", 2, 7);
	kit_assert_item(kit, "BAG", 0, 0);
	kit_assert_item(kit, "SHIRT", KIT_ON_HAND - KIT_SHIRTS - 1, KIT_SHIRTS + 1);
	assert_int_equal(ledger->ops->sale_get(ledger, parts.sale->number, SLICE_NULL, &sale), LEDGER_DONE);
	assert_string_equal(sale->id, "second");
	assert_int_equal(sale->state, SALE_DRAFT);
	assert_int_equal(log_rows(kit), rows + 4);
	free(sale);
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_REPEATED);
	free(parts.sale);
	kit_assert_audit(kit);
}

static void test_an_import_that_cannot_be_made_whole_changes_nothing(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_actor actor = kit_actor(kit);
	struct ledger *ledger = kit->ledger;
	int64_t rows = log_rows(kit);
	struct parts parts;

	make_parts(kit, &parts);
	parts.sale->lots[KIT_SHOE].allocated = 10;
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_NOT_ENOUGH);
	assert_true(parts.import.in_sale);
	assert_int_equal(parts.import.lot, KIT_SHOE);
	assert_nothing_made(kit, rows);
	strcpy(parts.sale->lots[KIT_SHIRT].sku, "BOOT");
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_NOT_FOUND);
	assert_int_equal(parts.import.lot, KIT_SHIRT);
	assert_nothing_made(kit, rows);
	strcpy(parts.sale->id, "drop");
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_EXISTS);
	assert_true(parts.import.in_sale);
	free(parts.sale);
	make_parts(kit, &parts);
	strcpy(parts.items[1].sku, "SHOE");
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_EXISTS);
	assert_false(parts.import.in_sale);
	assert_int_equal(parts.import.at, 1);
	assert_nothing_made(kit, rows);
	free(parts.sale);
}

static void test_a_dry_run_decides_and_keeps_nothing(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_request request = {.id = kit_id(kit), .body = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);
	struct ledger *ledger = kit->ledger;
	int64_t rows = log_rows(kit);
	struct parts parts;

	make_parts(kit, &parts);
	parts.import.dry_run = true;
	actor.request = &request;
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_DONE);
	assert_nothing_made(kit, rows);
	parts.sale->lots[KIT_SHOE].allocated = 10;
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_NOT_ENOUGH);
	parts.sale->lots[KIT_SHOE].allocated = 7;
	parts.import.dry_run = false;
	assert_int_equal(ledger->ops->import(ledger, &parts.import, &actor), LEDGER_DONE);
	free(parts.sale);
	kit_assert_audit(kit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_import_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_import_makes_all_of_it_in_one_transaction),
		TEST(test_an_import_that_cannot_be_made_whole_changes_nothing),
		TEST(test_a_dry_run_decides_and_keeps_nothing),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

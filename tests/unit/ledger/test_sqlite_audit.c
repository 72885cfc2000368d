/*
 * The judge is judged: each promise is broken on purpose, by somebody with a shell or by a switch
 * in the program, and the audit must say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

struct fixture {
	struct sqlite_place *place;
	struct kit kit;
	struct event held, confirmed, cancelled;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct kit *kit = &fixture->kit;
	struct ledger *ledger;
	struct event event;

	fixture->place = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&ledger, fixture->place->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(kit, ledger);
	fixture->held = kit_reserve(kit, KIT_SHIRT, 2, "ann");
	fixture->confirmed = kit_reserve(kit, KIT_SHIRT, 1, "ben");
	fixture->cancelled = kit_reserve(kit, KIT_SHOE, 1, "cid");
	event = kit_settled(kit, EVENT_CONFIRMED, &fixture->confirmed);
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	event = kit_settled(kit, EVENT_CANCELLED, &fixture->cancelled);
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	kit_assert_audit(kit);
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

/* Breaks the ledger and asserts that the count is above nothing and the words begin so. */
static void assert_caught(struct fixture *fixture, const char *sql, size_t count_offset, const char *words)
{
	struct ledger_audit audit;
	int64_t count;

	if (sql)
		sqlite_place_run(fixture->place, sql);
	assert_int_equal(fixture->kit.ledger->ops->audit(fixture->kit.ledger, &audit), 0);
	memcpy(&count, (const char *)&audit + count_offset, sizeof(count));
	if (count == 0)
		fail_msg("not caught: %s (first: %s)", sql ? sql : "the switch", audit.first);
	if (!strstr(audit.first, words))
		fail_msg("caught, but not told: %s (first: %s)", sql ? sql : "the switch", audit.first);
}

#define CAUGHT(fixture, sql, promise, words) assert_caught((fixture), (sql), offsetof(struct ledger_audit, promise), (words))
#define DROP_MOVEMENT_TRIGGERS "DROP TRIGGER movements_no_update; DROP TRIGGER movements_no_delete;"
/* All orders are in rows: these. */
#define LISTED(rows)                                                    \
	"DELETE FROM sale_orders; INSERT INTO sale_orders VALUES " rows \
	"; UPDATE sale_orders_end SET movement = (SELECT max(number) FROM movements);"
#define IDS "cast(group_concat(id, '') AS blob)"
#define DROP_LOG_TRIGGERS "DROP TRIGGER operator_log_no_update; DROP TRIGGER operator_log_no_delete;"

static void test_oversold_lot_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE orders SET quantity = 11, limit_per_buyer = 99 WHERE buyer = 'ann'", p1_broken,
	       "P1: lot SHIRT of sale drop has");
}

static void test_told_order_among_the_dead_letters_is_caught(void **state)
{
	CAUGHT(*state, "INSERT INTO dead_letters (at_ms, reason, event) VALUES (1, 'as told', 'no event')", p2_broken,
	       "P2: dead letter 1 may be a purchase that its buyer was told of");
}

static void test_oversold_balance_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE lots SET held = 20 WHERE place = 0", p1_broken, "P1: lot SHIRT of sale drop");
}

static void test_order_of_no_lot_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE orders SET lot = 9 WHERE buyer = 'cid'", p1_broken, "P1: there is no lot 9");
}

static void test_lost_order_is_caught(void **state)
{
	CAUGHT(*state, "DELETE FROM orders WHERE buyer = 'cid'", p2_broken, "has movements, but no row");
}

/* A stock that is built again would not know of it. */
static void test_order_that_its_sale_does_not_have_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE sale_orders_end SET movement = (SELECT max(number) FROM movements)", p2_broken,
	       "P2: 0 orders are found by their sales, but there are 3");
}

/*
 * As many as there are, and yet not these: what another wrote into the rows, or a disk made of
 * them.
 */
static void test_a_sale_that_has_other_orders_is_caught(void **state)
{
	static const char *const rows[] = {
		/* Of another sale. */
		LISTED("(2, (SELECT max(id) FROM orders), (SELECT " IDS " FROM orders))"),
		/* One that is no order's, in place of one. */
		LISTED("(1, (SELECT max(id) FROM orders), (SELECT cast(zeroblob(16) || substr(" IDS ", 17) AS blob) FROM orders))"),
		/* One twice in a row, in place of another. */
		LISTED("(1, (SELECT max(id) FROM orders), (SELECT cast(max(id) || substr(" IDS ", 17) AS blob) FROM orders))"),
		/* One in two rows, in place of another. */
		LISTED("(1, (SELECT min(id) FROM orders), (SELECT min(id) FROM orders)),"
		       " (1, (SELECT max(id) FROM orders), (SELECT cast(min(id) || max(id) AS blob) FROM orders))"),
		/* Behind the end of its row: who begins there does not look into it. */
		LISTED("(1, (SELECT min(id) FROM orders), (SELECT " IDS " FROM orders))"),
		/* All, and one that is no order's. */
		LISTED("(1, (SELECT max(id) FROM orders), (SELECT cast(zeroblob(16) || " IDS " AS blob) FROM orders))"),
	};
	struct fixture *fixture = *state;

	sqlite_place_run(fixture->place, LISTED("(1, (SELECT max(id) FROM orders), (SELECT " IDS " FROM orders))"));
	kit_assert_audit(&fixture->kit);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CAUGHT(fixture, rows[i], p2_broken, "orders are found by their sales, but there are 3");
}

static void test_lost_movement_is_caught(void **state)
{
	CAUGHT(*state, DROP_MOVEMENT_TRIGGERS "DELETE FROM movements WHERE cause = 5 AND lot = 1", p2_broken,
	       "P4: lot SHOE of sale drop says 0 units held, but its movements come to -1");
}

static void test_movement_dropped_by_the_switch_is_caught(void **state)
{
	struct fixture *fixture = *state;

	failpoints_set("ledger.drop_movement=onx1");
	kit_reserve(&fixture->kit, KIT_SHOE, 1, "dan");
	CAUGHT(fixture, NULL, p2_broken, "P4: lot SHOE of sale drop says 1 units held, but its movements come to 0");
	CAUGHT(fixture, NULL, p4_broken, "P4");
}

static void test_state_that_no_movement_made_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE orders SET state = 4 WHERE buyer = 'ann'; UPDATE lots SET held = 0 WHERE place = 0", p2_broken,
	       "P4: lot SHIRT");
}

static void test_order_booked_twice_is_caught(void **state)
{
	CAUGHT(*state,
	       "INSERT INTO movements (at_ms, cause, sale, lot, order_id, on_hand, allocated, held, confirmed, withdrawn)"
	       " SELECT at_ms, cause, sale, lot, order_id, 0, 0, 0, 0, 0 FROM movements WHERE cause = 5 AND lot = 1",
	       p2_broken, "was reserved 2 times");
}

static void test_buyer_above_the_limit_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE orders SET buyer = 'ann' WHERE buyer = 'ben'; UPDATE orders SET limit_per_buyer = 2", p3_broken,
	       "P3: buyer ann has 3 live units of sale drop, above the limit of 2");
}

static void test_key_with_two_orders_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE orders SET buyer = 'ann', key = 'ann' WHERE buyer = 'cid'", p3_broken,
	       "P3: one idempotency key of buyer ann has 2 orders");
}

static void test_leaked_unit_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE lots SET held = held + 1 WHERE place = 1", p4_broken, "P4: lot SHOE of sale drop says 1 units held");
}

static void test_unit_from_nowhere_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE lots SET allocated = allocated + 1 WHERE place = 1", p4_broken,
	       "P4: lot SHOE of sale drop says 6 units allocated, but its movements come to 5");
}

static void test_item_that_does_not_add_up_is_caught(void **state)
{
	CAUGHT(*state, "UPDATE items SET on_hand = on_hand + 1 WHERE sku = 'SHOE'", p4_broken, "P4: item SHOE says 96 units on hand");
}

static void test_changed_log_row_is_caught(void **state)
{
	CAUGHT(*state, DROP_LOG_TRIGGERS "UPDATE operator_log SET actor = 'mallory' WHERE number = 2", log_broken,
	       "operator log, row 2: its hash does not follow");
}

static void test_removed_log_row_is_caught(void **state)
{
	CAUGHT(*state, DROP_LOG_TRIGGERS "DELETE FROM operator_log WHERE number = 2", log_broken,
	       "operator log, row 3: rows before it are gone");
}

static void test_removed_end_of_the_log_is_caught(void **state)
{
	CAUGHT(*state, DROP_LOG_TRIGGERS "DELETE FROM operator_log WHERE number = (SELECT max(number) FROM operator_log)",
	       log_broken, "it is the last that was written, and it is gone");
}

static void test_log_and_movements_refuse_to_be_changed(void **state)
{
	static const char *const changes[] = {"UPDATE movements SET held = 0", "DELETE FROM movements",
					      "UPDATE operator_log SET actor = 'x'", "DELETE FROM operator_log"};
	struct fixture *fixture = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(fixture->place->path, &db), SQLITE_OK);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
	kit_assert_audit(&fixture->kit);
}

static void test_event_that_a_forged_lot_cannot_bear_is_kept_out_alone(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	struct event confirmed = kit_settled(kit, EVENT_CONFIRMED, &fixture->held), reserved = kit_reserved(kit, KIT_SHOE, 1, "dan");
	struct ledger_entry entries[] = {{&confirmed, -1}, {&reserved, -1}};

	sqlite_place_run(fixture->place, "UPDATE lots SET held = 0 WHERE place = 0");
	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, 2), 0);
	assert_int_equal(entries[0].outcome, LEDGER_CONSTRAINT);
	assert_int_equal(entries[1].outcome, LEDGER_DONE);
	kit_assert_order(kit, &fixture->held.id, ORDER_HELD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_oversold_lot_is_caught),
		TEST(test_oversold_balance_is_caught),
		TEST(test_told_order_among_the_dead_letters_is_caught),
		TEST(test_order_of_no_lot_is_caught),
		TEST(test_lost_order_is_caught),
		TEST(test_order_that_its_sale_does_not_have_is_caught),
		TEST(test_a_sale_that_has_other_orders_is_caught),
		TEST(test_lost_movement_is_caught),
		TEST(test_movement_dropped_by_the_switch_is_caught),
		TEST(test_state_that_no_movement_made_is_caught),
		TEST(test_order_booked_twice_is_caught),
		TEST(test_buyer_above_the_limit_is_caught),
		TEST(test_key_with_two_orders_is_caught),
		TEST(test_leaked_unit_is_caught),
		TEST(test_unit_from_nowhere_is_caught),
		TEST(test_item_that_does_not_add_up_is_caught),
		TEST(test_changed_log_row_is_caught),
		TEST(test_removed_log_row_is_caught),
		TEST(test_removed_end_of_the_log_is_caught),
		TEST(test_log_and_movements_refuse_to_be_changed),
		TEST(test_event_that_a_forged_lot_cannot_bear_is_kept_out_alone),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("ledger: sqlite audit", tests, NULL, NULL);
}

/*
 * What a shop writes on an order, what a unit cost, and when it was confirmed: kept with the order,
 * and told by the feed.
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

static struct event labelled(struct kit *kit, const char *buyer, const char *reference, const char *metadata)
{
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, buyer);

	event.labels = (struct labels){slice_of(reference), slice_of(metadata)};
	event.priced = true;
	event.unit_price = 17900;
	return event;
}

static struct ledger_order read_order(struct kit *kit, const struct uuid *id)
{
	struct ledger_order order;

	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, id, &order), LEDGER_DONE);
	return order;
}

static void test_price_and_labels_are_kept(void **state)
{
	struct ledger_fixture *fixture = *state;
	struct kit *kit = kit_of(state);
	struct event full = labelled(kit, "ann", "INV-1", "{\"a\":\"\xc3\xbc\"}"), bare = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct ledger_order order;

	assert_int_equal(kit_apply(kit, &full), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &bare), LEDGER_DONE);
	ledger_suite_restart(fixture);
	order = read_order(kit, &full.id);
	assert_true(order.priced);
	assert_int_equal(order.unit_price, 17900);
	assert_string_equal(order.currency, "EUR");
	assert_string_equal(order.reference, "INV-1");
	assert_string_equal(order.metadata, "{\"a\":\"\xc3\xbc\"}");
	order = read_order(kit, &bare.id);
	assert_false(order.priced);
	assert_string_equal(order.reference, "");
	assert_string_equal(order.metadata, "");
}

/* As a drain that is behind meets them: so many that PostgreSQL gets them by COPY. */
static void test_price_and_labels_of_many_at_once_are_kept(void **state)
{
	enum { MANY = 300 };
	struct kit *kit = kit_of(state);
	struct event *events = calloc(MANY, sizeof(*events));
	struct ledger_entry *entries = calloc(MANY, sizeof(*entries));
	char(*names)[16] = calloc(MANY, sizeof(*names));
	uint32_t sale = kit_big_sale(kit, MANY);
	struct ledger_order order;

	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "name-%d", i);
		events[i] = labelled(kit, names[i], i % 2 ? names[i] : "", i % 3 ? "{\"a\":\"1\"}" : "");
		events[i].lot = 0;
		events[i].unit_price = i;
		events[i].hold_expires_at_ms = i % 5 ? events[i].hold_expires_at_ms : 0;
		kit_in_sale(kit, &events[i], sale);
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, MANY), 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(entries[i].outcome, LEDGER_DONE);
		order = read_order(kit, &events[i].id);
		assert_string_equal(order.reference, i % 2 ? names[i] : "");
		assert_string_equal(order.metadata, i % 3 ? "{\"a\":\"1\"}" : "");
		assert_int_equal(order.unit_price, i);
		assert_int_equal(order.confirmed_at_ms, i % 5 ? 0 : events[i].at_ms);
	}
	kit_assert_audit(kit);
	free(events);
	free(entries);
	free(names);
}

static void test_an_order_knows_when_it_was_confirmed_and_changed(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = labelled(kit, "ann", "INV-1", ""), confirmed, refunded;

	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	assert_int_equal(read_order(kit, &reserved.id).confirmed_at_ms, 0);
	assert_int_equal(read_order(kit, &reserved.id).changed_at_ms, reserved.at_ms);
	kit->now_ms += 5;
	confirmed = kit_settled(kit, EVENT_CONFIRMED, &reserved);
	kit->now_ms += 5;
	refunded = kit_settled(kit, EVENT_REFUNDED, &reserved);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(read_order(kit, &reserved.id).confirmed_at_ms, confirmed.at_ms);
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	assert_int_equal(read_order(kit, &reserved.id).confirmed_at_ms, confirmed.at_ms);
	assert_int_equal(read_order(kit, &reserved.id).changed_at_ms, refunded.at_ms);
	assert_true(confirmed.at_ms < refunded.at_ms);
}

static size_t find(struct kit *kit, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max)
{
	size_t count;

	assert_int_equal(kit->ledger->ops->orders(kit->ledger, filter, orders, max, &count), 0);
	return count;
}

static void test_orders_are_found_by_the_shops_own_name(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = labelled(kit, "ann", "INV-1", ""), ben = labelled(kit, "ben", "INV-2", ""),
		     other = labelled(kit, "ann", "INV-1", ""), bare = kit_reserved(kit, KIT_SHIRT, 1, "cid"), confirmed;
	struct ledger_order_filter filter = {.reference = SLICE("INV-1")};
	struct ledger_order orders[4];

	other.lot = 0;
	kit_in_sale(kit, &other, kit_big_sale(kit, 10));
	assert_int_equal(kit_apply(kit, &ann), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &ben), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &bare), LEDGER_DONE);
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	assert_true(uuid_equal(&orders[0].id, &ann.id));
	assert_string_equal(orders[0].sale_id, "drop");
	assert_int_equal(kit_apply(kit, &other), LEDGER_DONE);
	assert_int_equal(find(kit, &filter, orders, 4), 2);
	assert_true(uuid_compare(&orders[0].id, &orders[1].id) < 0);
	filter.after = orders[0].id;
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	filter = (struct ledger_order_filter){.reference = SLICE("INV-1"), .sale = other.sale};
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	assert_true(uuid_equal(&orders[0].id, &other.id));
	filter.buyer = SLICE("ben");
	assert_int_equal(find(kit, &filter, orders, 4), 0);
	filter = (struct ledger_order_filter){.reference = SLICE("INV-1"), .state = ORDER_CONFIRMED};
	assert_int_equal(find(kit, &filter, orders, 4), 0);
	/* With a payment too, both count. */
	confirmed = kit_settled(kit, EVENT_CONFIRMED, &ben);
	confirmed.payment = (struct payment){.reference = SLICE("pi_1"), .amount = PAYMENT_NO_AMOUNT};
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	filter = (struct ledger_order_filter){.reference = SLICE("INV-2"), .payment = SLICE("pi_1")};
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	filter.reference = SLICE("INV-1");
	assert_int_equal(find(kit, &filter, orders, 4), 0);
}

static void test_the_feed_tells_what_the_purchase_said(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = labelled(kit, "ann", "INV-1", "{\"a\":\"1\"}");
	struct ledger_change_filter filter = {{0}, 0};
	struct ledger_change change;
	size_t count;

	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &filter, &change, 1, &count, &(struct ledger_cursor){0}), LEDGER_DONE);
	assert_int_equal(count, 1);
	assert_int_equal(change.event.kind, EVENT_RESERVED);
	assert_true(change.event.priced);
	assert_int_equal(change.event.unit_price, 17900);
	assert_true(slice_equal(change.event.labels.reference, SLICE("INV-1")));
	assert_true(slice_equal(change.event.labels.metadata, SLICE("{\"a\":\"1\"}")));
	assert_string_equal(change.order.reference, "INV-1");
	assert_string_equal(change.order.currency, "EUR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_labels_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_price_and_labels_are_kept),
		TEST(test_price_and_labels_of_many_at_once_are_kept),
		TEST(test_an_order_knows_when_it_was_confirmed_and_changed),
		TEST(test_orders_are_found_by_the_shops_own_name),
		TEST(test_the_feed_tells_what_the_purchase_said),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

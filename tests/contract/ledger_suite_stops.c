/* An operator's stops as the ledger counts them, and the releases that the stock has had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static void arm(struct kit *kit)
{
	const struct ledger_actor actor = kit_actor(kit);

	assert_int_equal(kit->ledger->ops->sale_move(kit->ledger, kit->sale, SALE_ARM, &actor), LEDGER_DONE);
}

static int stop(struct kit *kit, struct uuid *id)
{
	struct ledger_request request = {.id = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);

	*id = request.id;
	actor.request = &request;
	return kit->ledger->ops->sale_move(kit->ledger, kit->sale, SALE_PAUSE, &actor);
}

static int release(struct kit *kit, const struct sale_release *release)
{
	struct ledger_request request = {.id = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);

	actor.request = &request;
	return kit->ledger->ops->sale_release(kit->ledger, kit->sale, release, &actor);
}

static void assert_stops(struct kit *kit, enum sale_state state, uint32_t count, const struct uuid *newest)
{
	struct sale *sale = kit_sale(kit);

	assert_int_equal(sale->state, state);
	assert_int_equal(sale->stops.count, count);
	assert_memory_equal(sale_stops_bytes(&sale->stops).data + (count - 1) * sizeof(*newest), newest, sizeof(*newest));
	free(sale);
}

static uint32_t newest_change(struct kit *kit, struct ledger_log_row *row)
{
	const struct ledger_log_filter filter = {.newest_first = true};
	size_t count;

	assert_int_equal(kit->ledger->ops->log_rows(kit->ledger, &filter, row, 1, &count), LEDGER_DONE);
	return (uint32_t)count;
}

/* Also of what is paused already: a release that was made before must not move it. */
static void test_each_stop_is_counted_once(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_request request = {.id = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);
	struct uuid first, second;
	struct sale *before, *after;

	arm(kit);
	assert_int_equal(stop(kit, &first), LEDGER_DONE);
	assert_stops(kit, SALE_PAUSED, 1, &first);
	before = kit_sale(kit);
	assert_int_equal(stop(kit, &second), LEDGER_ALREADY);
	assert_stops(kit, SALE_PAUSED, 2, &second);
	after = kit_sale(kit);
	assert_true(after->change > before->change); /* other gates hear of it */
	assert_int_equal(after->version, before->version);
	assert_true(sale_stops_has(&after->stops, &first));
	free(before);
	free(after);
	actor.request = &request;
	assert_int_equal(kit->ledger->ops->sale_move(kit->ledger, kit->sale, SALE_PAUSE, &actor), LEDGER_ALREADY);
	assert_int_equal(kit->ledger->ops->sale_move(kit->ledger, kit->sale, SALE_PAUSE, &actor), LEDGER_REPEATED);
	assert_stops(kit, SALE_PAUSED, 3, &request.id);
	ledger_suite_restart(*state);
	assert_stops(kit, SALE_PAUSED, 3, &request.id);
	actor = kit_actor(kit);
	assert_int_equal(kit->ledger->ops->sale_move(kit->ledger, kit->sale, SALE_PAUSE, &actor), LEDGER_ALREADY);
	assert_stops(kit, SALE_PAUSED, 4, &(struct uuid){{0}}); /* without a key */
	kit_assert_audit(kit);
}

static void test_a_release_moves_what_it_answers(void **state)
{
	struct kit *kit = kit_of(state);
	struct sale_release answer = {.stops = 1};
	struct uuid first, second;

	arm(kit);
	assert_int_equal(stop(kit, &first), LEDGER_DONE);
	assert_int_equal(release(kit, &answer), LEDGER_DONE);
	assert_stops(kit, SALE_ARMED, 1, &first);
	assert_int_equal(release(kit, &answer), LEDGER_ALREADY);
	assert_int_equal(stop(kit, &second), LEDGER_DONE);
	answer.before[answer.before_count++] = second;
	assert_int_equal(release(kit, &answer), LEDGER_DONE);
	assert_stops(kit, SALE_ARMED, 2, &second);
}

/* It is in the log, with what became of it, and is not done again. */
static void test_a_release_from_before_a_stop_is_in_the_log_alone(void **state)
{
	struct kit *kit = kit_of(state);
	const struct sale_release answer = {.stops = 1};
	struct ledger_request request = {.id = kit_id(kit)};
	struct ledger_actor actor = kit_actor(kit);
	struct ledger_log_row row;
	struct uuid first, second;

	arm(kit);
	assert_int_equal(stop(kit, &first), LEDGER_DONE);
	assert_int_equal(stop(kit, &second), LEDGER_ALREADY);
	actor.request = &request;
	assert_int_equal(kit->ledger->ops->sale_release(kit->ledger, kit->sale, &answer, &actor), LEDGER_CONFLICT);
	assert_stops(kit, SALE_PAUSED, 2, &second);
	assert_int_equal(newest_change(kit, &row), 1);
	assert_string_equal(row.action, "sale.resume");
	assert_string_equal(row.detail, "{\"overtaken\":true}");
	assert_int_equal(kit->ledger->ops->sale_release(kit->ledger, kit->sale, &answer, &actor), LEDGER_REPEATED);
	kit_assert_audit(kit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_stops_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_stop_is_counted_once),
		TEST(test_a_release_moves_what_it_answers),
		TEST(test_a_release_from_before_a_stop_is_in_the_log_alone),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "model/sale.h"

static void test_life_of_a_sale(void **state)
{
	static const struct {
		int from, action, move, to;
	} moves[] = {
		{SALE_DRAFT, SALE_ARM, SALE_MOVED, SALE_ARMED},
		{SALE_DRAFT, SALE_START, SALE_MOVE_REFUSED, SALE_DRAFT},
		{SALE_DRAFT, SALE_PAUSE, SALE_MOVE_REFUSED, SALE_DRAFT},
		{SALE_ARMED, SALE_PAUSE, SALE_MOVED, SALE_PAUSED},
		{SALE_DRAFT, SALE_RESUME, SALE_MOVE_REFUSED, SALE_DRAFT},
		{SALE_DRAFT, SALE_END, SALE_MOVE_REFUSED, SALE_DRAFT},
		{SALE_DRAFT, SALE_DELETE, SALE_MOVED, SALE_DELETED},
		{SALE_ARMED, SALE_DELETE, SALE_MOVE_REFUSED, SALE_ARMED},
		{SALE_OPEN, SALE_DELETE, SALE_MOVE_REFUSED, SALE_OPEN},
		{SALE_PAUSED, SALE_DELETE, SALE_MOVE_REFUSED, SALE_PAUSED},
		{SALE_ENDED, SALE_DELETE, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_DELETED, SALE_DELETE, SALE_MOVE_ALREADY, SALE_DELETED},
		{SALE_DELETED, SALE_ARM, SALE_MOVE_REFUSED, SALE_DELETED},
		{SALE_DELETED, SALE_END, SALE_MOVE_REFUSED, SALE_DELETED},
		{SALE_DRAFT, SALE_DISARM, SALE_MOVE_ALREADY, SALE_DRAFT},
		{SALE_ARMED, SALE_DISARM, SALE_MOVED, SALE_DRAFT},
		{SALE_OPEN, SALE_DISARM, SALE_MOVE_REFUSED, SALE_OPEN},
		{SALE_PAUSED, SALE_DISARM, SALE_MOVE_REFUSED, SALE_PAUSED},
		{SALE_ENDED, SALE_DISARM, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_DELETED, SALE_DISARM, SALE_MOVE_REFUSED, SALE_DELETED},
		{SALE_ARMED, SALE_ARM, SALE_MOVE_ALREADY, SALE_ARMED},
		{SALE_ARMED, SALE_START, SALE_MOVED, SALE_OPEN},
		{SALE_ARMED, SALE_RESUME, SALE_MOVE_ALREADY, SALE_ARMED},
		{SALE_ARMED, SALE_END, SALE_MOVED, SALE_ENDED},
		{SALE_OPEN, SALE_ARM, SALE_MOVE_REFUSED, SALE_OPEN},
		{SALE_OPEN, SALE_START, SALE_MOVE_ALREADY, SALE_OPEN},
		{SALE_OPEN, SALE_PAUSE, SALE_MOVED, SALE_PAUSED},
		{SALE_OPEN, SALE_RESUME, SALE_MOVE_ALREADY, SALE_OPEN},
		{SALE_OPEN, SALE_END, SALE_MOVED, SALE_ENDED},
		{SALE_PAUSED, SALE_ARM, SALE_MOVE_REFUSED, SALE_PAUSED},
		{SALE_PAUSED, SALE_START, SALE_MOVE_REFUSED, SALE_PAUSED},
		{SALE_PAUSED, SALE_PAUSE, SALE_MOVE_ALREADY, SALE_PAUSED},
		{SALE_PAUSED, SALE_RESUME, SALE_MOVED, SALE_OPEN},
		{SALE_PAUSED, SALE_END, SALE_MOVED, SALE_ENDED},
		{SALE_ENDED, SALE_ARM, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_ENDED, SALE_START, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_ENDED, SALE_PAUSE, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_ENDED, SALE_RESUME, SALE_MOVE_REFUSED, SALE_ENDED},
		{SALE_ENDED, SALE_END, SALE_MOVE_ALREADY, SALE_ENDED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		enum sale_state next = 0;

		assert_int_equal(sale_next((enum sale_state)moves[i].from, moves[i].from >= SALE_OPEN,
					   (enum sale_action)moves[i].action, &next),
				 moves[i].move);
		assert_int_equal(next, moves[i].to);
	}
}

static void assert_phase(enum sale_state state, int64_t opens, int64_t closes, int64_t now, enum sale_phase expected)
{
	const struct sale sale = {.state = state, .opens_at_ms = opens, .closes_at_ms = closes};

	assert_int_equal(sale_phase(&sale, now), expected);
}

/* One that was paused before it opened: it goes back to where it was, not to what it never was. */
static void test_a_sale_that_is_paused_and_was_never_open_is_as_one_that_is_armed(void **state)
{
	enum sale_state next;

	(void)state;
	assert_int_equal(sale_next(SALE_PAUSED, false, SALE_RESUME, &next), SALE_MOVED);
	assert_int_equal(next, SALE_ARMED);
	assert_int_equal(sale_next(SALE_PAUSED, false, SALE_DISARM, &next), SALE_MOVED);
	assert_int_equal(next, SALE_DRAFT);
	assert_int_equal(sale_next(SALE_PAUSED, false, SALE_START, &next), SALE_MOVE_REFUSED);
	assert_int_equal(sale_next(SALE_PAUSED, false, SALE_END, &next), SALE_MOVED);
	assert_int_equal(sale_next(SALE_PAUSED, false, SALE_PAUSE, &next), SALE_MOVE_ALREADY);
}

/* Each as a word of the action's path. */
static void assert_allows(enum sale_state sale_state, bool opened, const char *words)
{
	char found[128] = "";

	for (int action = SALE_ARM; action <= SALE_ACTION_LAST; action++)
		if (sale_allows(sale_state, opened, (enum sale_action)action)) {
			strcat(found, sale_action_name((enum sale_action)action));
			strcat(found, " ");
		}
	assert_string_equal(found, words);
}

static void test_what_an_operator_may_do_follows_from_the_state(void **state)
{
	(void)state;
	assert_allows(SALE_DRAFT, false, "arm open delete ");
	assert_allows(SALE_ARMED, false, "open pause end disarm ");
	assert_allows(SALE_OPEN, true, "pause end ");
	assert_allows(SALE_PAUSED, true, "resume end ");
	assert_allows(SALE_PAUSED, false, "resume end disarm ");
	assert_allows(SALE_ENDED, true, "");
	assert_allows(SALE_DELETED, false, "");
}

static void test_the_public_sees_of_a_draft_only_what_is_announced(void **state)
{
	struct sale sale = {.state = SALE_DRAFT, .opens_at_ms = 1000, .closes_at_ms = 2000};

	(void)state;
	assert_int_equal(sale_phase(&sale, 500), SALE_PHASE_HIDDEN);
	assert_false(sale_in_stock(&sale));
	sale.announced = true;
	assert_int_equal(sale_phase(&sale, 500), SALE_PHASE_COMING);
	assert_int_equal(sale_phase(&sale, 3000), SALE_PHASE_COMING); /* the clock does not open what was not armed */
	sale.state = SALE_DELETED;
	assert_int_equal(sale_phase(&sale, 500), SALE_PHASE_HIDDEN);
	assert_false(sale_in_stock(&sale));
	sale.state = SALE_ENDED;
	assert_true(sale_in_stock(&sale));
}

static void test_clock_opens_and_closes_to_the_millisecond(void **state)
{
	(void)state;
	assert_phase(SALE_ARMED, 1000, 2000, 999, SALE_PHASE_WAITING);
	assert_phase(SALE_ARMED, 1000, 2000, 1000, SALE_PHASE_OPEN);
	assert_phase(SALE_ARMED, 1000, 2000, 1999, SALE_PHASE_OPEN);
	assert_phase(SALE_ARMED, 1000, 2000, 2000, SALE_PHASE_ENDED);
	assert_phase(SALE_OPEN, 1000, 2000, 2000, SALE_PHASE_ENDED);
	assert_phase(SALE_PAUSED, 1000, 2000, 1500, SALE_PHASE_PAUSED);
	assert_phase(SALE_PAUSED, 1000, 2000, 2000, SALE_PHASE_ENDED);
}

static void test_hand_opens_before_the_clock(void **state)
{
	(void)state;
	assert_phase(SALE_OPEN, 1000, SALE_NO_TIME, 5, SALE_PHASE_OPEN);
	assert_phase(SALE_ARMED, SALE_NO_TIME, SALE_NO_TIME, INT64_MAX, SALE_PHASE_WAITING);
	assert_phase(SALE_OPEN, SALE_NO_TIME, SALE_NO_TIME, INT64_MAX, SALE_PHASE_OPEN);
}

static void test_draft_is_hidden_and_ended_stays_ended_at_any_time(void **state)
{
	(void)state;
	assert_phase(SALE_DRAFT, 1000, 2000, 1500, SALE_PHASE_HIDDEN);
	assert_phase(SALE_DRAFT, 1000, 2000, 2500, SALE_PHASE_HIDDEN);
	assert_phase(SALE_ENDED, 1000, 2000, 1500, SALE_PHASE_ENDED);
}

static void test_names_are_read_back(void **state)
{
	enum sale_state parsed;

	(void)state;
	for (int i = SALE_DRAFT; i <= SALE_DELETED; i++) {
		assert_int_equal(sale_state_parse(slice_of(sale_state_name((enum sale_state)i)), &parsed), 0);
		assert_int_equal(parsed, i);
	}
	assert_int_equal(sale_state_parse(SLICE("sold out"), &parsed), -EINVAL);
}

static void test_copy_has_the_lots_and_finds_them(void **state)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0])), *copy;

	(void)state;
	assert_non_null(sale);
	sale->lot_count = 2;
	strcpy(sale->lots[0].sku, "AJ1-42");
	strcpy(sale->lots[1].sku, "AJ1-43");
	sale->lots[1].allocated = 7;
	copy = sale_copy(sale);
	free(sale);
	assert_non_null(copy);
	assert_int_equal(sale_find_lot(copy, SLICE("AJ1-43")), 1);
	assert_int_equal(copy->lots[1].allocated, 7);
	assert_int_equal(sale_find_lot(copy, SLICE("AJ1-4")), -1);
	assert_int_equal(sale_find_lot(copy, SLICE("AJ1-433")), -1);
	assert_int_equal(sale_find_lot(copy, SLICE_NULL), -1);
	free(copy);
}

/* Whether `valid` takes a text of the size filled with `fill`. */
static bool takes(bool (*valid)(struct slice), size_t size, char fill)
{
	char text[512];

	memset(text, fill, sizeof(text));
	return valid((struct slice){text, size});
}

static void test_names_have_limits(void **state)
{
	static const struct {
		bool (*valid)(struct slice);
		size_t size_max;
	} names[] = {
		{sale_id_valid, SALE_ID_MAX},  {sale_sku_valid, SKU_MAX}, {sale_name_valid, NAME_MAX_BYTES},
		{sale_buyer_valid, BUYER_MAX}, {sale_key_valid, KEY_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_false(names[i].valid(SLICE_NULL));
		assert_true(takes(names[i].valid, 1, 'a'));
		assert_true(takes(names[i].valid, names[i].size_max, 'a'));
		assert_false(takes(names[i].valid, names[i].size_max + 1, 'a'));
		for (int byte = 0; byte < 0x20; byte++)
			assert_false(takes(names[i].valid, 2, (char)byte));
		assert_false(takes(names[i].valid, 2, 0x7f));
	}
}

static void test_names_have_their_letters(void **state)
{
	(void)state;
	assert_true(sale_id_valid(SLICE("aj1.drop_2-x")));
	assert_true(sale_id_valid(SLICE("1")));
	assert_false(sale_id_valid(SLICE("Aj1")));
	assert_false(sale_id_valid(SLICE("-aj1")));
	assert_false(sale_id_valid(SLICE("a/b")));
	assert_true(sale_sku_valid(SLICE("AJ1-42.5_b")));
	assert_false(sale_sku_valid(SLICE("AJ1 42")));
	assert_false(sale_sku_valid(SLICE("..")));
	assert_true(sale_name_valid(SLICE("Caf\xc3\xa9, size 42")));
	assert_true(sale_buyer_valid(SLICE("auth0|b1@example.com")));
	assert_false(sale_buyer_valid(SLICE("b 1")));
	assert_false(sale_buyer_valid(SLICE("\xc3\xa9")));
	assert_true(sale_key_valid(SLICE("a key")));
	assert_false(sale_key_reserved(SLICE("late-confirm")));
	assert_true(sale_key_reserved(SLICE("late-confirm 1")));
	assert_false(sale_key_valid(SLICE("\xc3\xa9")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sale_that_is_paused_and_was_never_open_is_as_one_that_is_armed),
		cmocka_unit_test(test_life_of_a_sale),
		cmocka_unit_test(test_what_an_operator_may_do_follows_from_the_state),
		cmocka_unit_test(test_the_public_sees_of_a_draft_only_what_is_announced),
		cmocka_unit_test(test_clock_opens_and_closes_to_the_millisecond),
		cmocka_unit_test(test_hand_opens_before_the_clock),
		cmocka_unit_test(test_draft_is_hidden_and_ended_stays_ended_at_any_time),
		cmocka_unit_test(test_names_are_read_back),
		cmocka_unit_test(test_copy_has_the_lots_and_finds_them),
		cmocka_unit_test(test_names_have_limits),
		cmocka_unit_test(test_names_have_their_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

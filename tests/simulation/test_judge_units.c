/*
 * Hand-made histories for the judge: what is sold: units, counters, and the search over a sale's
 * history. What is broken is found by its name, what is lawful is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story_test.h"

/* --- P1 --- */

static void test_more_orders_in_the_log_than_units_are_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "eve", "k2", 1);
	assert_found("p1-log");
	(void)state;
}

static void test_withdrawn_units_count_as_sold(void **state)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_move(&story, HISTORY_WITHDRAW, 2, "w");
	story_withdrawn(&story, 'w', 2);
	assert_found("p1-log");
	(void)state;
}

static void test_a_counter_that_runs_ahead_of_the_log_is_found(void **state)
{
	uint32_t cancel;

	begin(2);
	story_counter(&story, 1, 1, 1, 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', NULL);
	assert_null(judge_breach(story.judge));
	story_counter(&story, 1, 2, 0, 0); /* the unit is back before the record that frees it */
	assert_non_null(judge_breach(story.judge));
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	story_settled(&story, cancel, 'a', "cancelled");
	assert_found("p1-counter");
	(void)state;
}

static void test_a_counter_below_zero_is_found(void **state)
{
	begin(1);
	story_counter(&story, 1, -1, 2, 0);
	assert_found("p1-counter");
	(void)state;
}

static void test_units_that_are_sold_before_the_ledger_has_them_are_found(void **state)
{
	begin(1);
	story_counter(&story, 1, 3, 0, 0);
	assert_found("p1-counter");
	(void)state;
}

static void test_a_unit_comes_back_after_its_record(void **state)
{
	uint32_t cancel;

	begin(2);
	story_counter(&story, 1, 1, 1, 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', NULL);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	story_counter(&story, 1, 2, 0, 0);
	story_settled(&story, cancel, 'a', "cancelled");
	story_counter(&story, 1, 0, 2, 0);
	story_sell(&story, 'b', "eve", "k2", 1);
	story_sell(&story, 'c', "fay", "k3", 1);
	assert_lawful();
	(void)state;
}

static void test_a_counter_of_a_fenced_stock_does_not_count(void **state)
{
	begin_shared(1);
	story_counter(&story, 1, 1, 0, 0);
	history_stock_lost(story.judge, 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_counter(&story, 1, 1, 0, 0); /* the old memory, which nobody sells from */
	story_barrier(&story, 2);
	story_counter(&story, 2, 0, 1, 0);
	assert_lawful();
	(void)state;
}

static void test_an_old_masters_counter_does_not_count_behind_the_barrier(void **state)
{
	struct history_stock_lot old = {.available = 1, .allocated = 1}, new = {.held = 1, .allocated = 1};

	begin_shared(1);
	history_stock(story.judge, 1, 1, 1, true, &old, 1);
	story_barrier(&story, 2);
	story_buy(&story, "bob", "k1", 1, 0);
	story_reserved_under(&story, 2, 'a', "bob", "k1", 1);
	history_stock(story.judge, 0, 1, 2, true, &new, 1);
	assert_null(judge_breach(story.judge));
	(void)state;
}

static void test_a_stock_that_is_armed_with_too_many_units_is_found(void **state)
{
	begin_shared(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_stock_lost(story.judge, 0);
	story_barrier(&story, 2);
	story_counter(&story, 2, 1, 0, 0); /* without the order */
	assert_found("p1-counter");
	(void)state;
}

static void test_added_units_are_sold_when_the_ledger_has_them(void **state)
{
	uint32_t add;

	begin(1);
	story_counter(&story, 1, 1, 0, 0);
	add = story_move(&story, HISTORY_ADD, 2, "k");
	history_allocated(story.judge, 1, 0, 3);
	story_counter(&story, 1, 3, 0, 0);
	story_done(&story, add, 0);
	story_counter(&story, 1, 0, 3, 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "eve", "k2", 1);
	story_sell(&story, 'c', "fay", "k3", 1);
	assert_lawful();
	(void)state;
}

/* --- 410 --- */

static void test_sold_out_with_units_all_the_time_is_found(void **state)
{
	uint32_t buy;

	begin(1);
	story_counter(&story, 1, 1, 0, 0);
	story_at(&story, 2000);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_at(&story, 2010);
	story_refused(&story, buy, 410, "sold-out");
	assert_found("dishonest-410");
	(void)state;
}

static void sold_out_after(int64_t wait_ms)
{
	uint32_t cancel, buy;

	begin_shared(1);
	story_counter(&story, 1, 0, 1, 0);
	story_sell(&story, 'a', "eve", "k1", 1);
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', NULL);
	story_record(&story, RECORD_CANCELLED, 'a', "eve");
	story_counter(&story, 1, 1, 0, 0);
	story_settled(&story, cancel, 'a', "cancelled");
	story_at(&story, story.now_ms + wait_ms);
	buy = story_buy(&story, "bob", "k2", 1, 0);
	story_at(&story, story.now_ms + 5);
	story_refused(&story, buy, 410, "sold-out");
}

static void test_a_gate_may_know_the_stock_as_it_was_a_tenth_of_a_second_ago(void **state)
{
	sold_out_after(99);
	assert_lawful();
	(void)state;
}

static void test_what_a_gate_knew_before_is_too_old(void **state)
{
	sold_out_after(101);
	assert_found("dishonest-410");
	(void)state;
}

static void test_a_gate_that_stood_still_counts_by_its_own_clock(void **state)
{
	uint32_t cancel;

	begin_shared(1);
	story_counter(&story, 1, 0, 1, 0);
	story_sell(&story, 'a', "eve", "k1", 1);
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', NULL);
	story_record(&story, RECORD_CANCELLED, 'a', "eve");
	story_counter(&story, 1, 1, 0, 0);
	story_settled(&story, cancel, 'a', "cancelled");
	story_at(&story, 6000);
	history_stood(story.judge, 0, 4990 * STORY_MS);
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 410, "sold-out");
	assert_null(judge_breach(story.judge));
	(void)state;
}

static void test_two_units_of_one_are_sold_out(void **state)
{
	story_begin(&story, &(struct story_terms){.units = 1, .limit = 2});
	story_counter(&story, 1, 1, 0, 0);
	story_at(&story, 2000);
	story_refused(&story, story_buy(&story, "bob", "k1", 2, 0), 410, "sold-out");
	assert_lawful();
	(void)state;
}

static void test_sold_out_while_nobody_knows_the_counter_is_lawful(void **state)
{
	begin(1);
	story_sell(&story, 'a', "eve", "k1", 1);
	story_at(&story, 2000);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 410, "sold-out");
	assert_lawful();
	(void)state;
}

/* --- The history as a whole --- */

static void test_a_leaked_unit_is_found_by_who_was_told_that_there_is_none(void **state)
{
	uint32_t buy;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 5000);
	buy = story_buy(&story, "eve", "k2", 1, 0); /* nobody has told the judge of counters */
	story_refused(&story, buy, 410, "sold-out");
	assert_found("not-linear");
	(void)state;
}

static void test_a_unit_that_a_failing_purchase_had_meanwhile_is_lawful(void **state)
{
	uint32_t buy, other;

	begin(1);
	other = story_buy(&story, "eve", "k2", 1, 0);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_refused(&story, buy, 410, "sold-out");
	story_refused(&story, other, 503, "journal-unavailable");
	assert_lawful();
	(void)state;
}

/*
 * Bob has both units when eve hears that there is none, and does not hear so himself. A stock that
 * has forgotten that sells one to ann; she puts it back, and bob's retry is granted anew.
 */
enum { NEVER = 99999 };

static void lose_at(int64_t at_ms)
{
	if (at_ms == NEVER)
		return;
	story_at(&story, at_ms);
	history_stock_lost(story.judge, 0);
}

static void sell_what_an_unknown_purchase_had(int64_t refused_ms, int64_t lost_before_ms, int64_t lost_behind_ms)
{
	story_begin(&story, &(struct story_terms){.units = 2, .limit = 2, .shared = true});
	story_at(&story, 1000);
	story_refused(&story, story_buy(&story, "bob", "k1", 2, 0), 503, "outcome-unknown");
	lose_at(lost_before_ms);
	story_at(&story, refused_ms);
	story_refused(&story, story_buy(&story, "eve", "k2", 1, 0), 410, "sold-out");
	lose_at(lost_behind_ms);
	story_at(&story, 5000);
	story_sell(&story, 'a', "ann", "k3", 1);
	story_at(&story, 6000);
	story_record(&story, RECORD_CANCELLED, 'a', "ann");
	story_at(&story, 7000);
	story_sell(&story, 'b', "bob", "k1", 2);
}

/* Found by the worlds 70005209 and 80029207 of a cluster. */
static void test_units_that_a_purchase_had_until_the_stock_forgot_it_are_lawful(void **state)
{
	sell_what_an_unknown_purchase_had(2000, NEVER, 4000);
	assert_lawful();
	(void)state;
}

static void test_units_that_the_stock_had_forgotten_before_the_refusal_are_found(void **state)
{
	sell_what_an_unknown_purchase_had(4000, 2000, NEVER);
	assert_found("not-linear");
	(void)state;
}

static void test_units_that_the_stock_forgets_behind_the_order_are_found(void **state)
{
	sell_what_an_unknown_purchase_had(2000, NEVER, NEVER);
	lose_at(9000);
	assert_found("not-linear");
	(void)state;
}

static void test_a_limit_that_is_reached_by_nothing_is_found(void **state)
{
	begin(2);
	story_at(&story, 5000);
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 409, "buyer-limit-reached");
	assert_found("not-linear");
	(void)state;
}

static void test_a_limit_that_an_unknown_purchase_has_reached_is_lawful(void **state)
{
	begin(2);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "outcome-unknown");
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 409, "buyer-limit-reached");
	story_at(&story, 5000);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	assert_lawful();
	(void)state;
}

static void test_sold_out_before_the_last_unit_was_sold_is_found(void **state)
{
	uint32_t buy;

	begin(1);
	buy = story_buy(&story, "eve", "k2", 1, 0);
	story_refused(&story, buy, 410, "sold-out");
	story_at(&story, 5000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_found("not-linear");
	(void)state;
}

static void test_a_crowd_of_refusals_and_returns_has_an_order(void **state)
{
	static char keys[12][8];

	begin_shared(2);
	for (int round = 0; round < 12; round++) {
		char order = (char)('a' + round), *key = keys[round];
		uint32_t buy, refused, cancel;

		snprintf(key, sizeof(keys[round]), "k%d", round);
		buy = story_buy(&story, "bob", key, 1, 0);
		refused = story_buy(&story, "eve", key, 2, 0);
		story_at(&story, story.now_ms + 1);
		story_reserved(&story, order, "bob", key, 1, 0);
		story_refused(&story, refused, 410, "sold-out");
		story_bought(&story, buy, order);
		cancel = story_ask(&story, HISTORY_CANCEL, order, NULL);
		story_record(&story, RECORD_CANCELLED, order, "bob");
		story_settled(&story, cancel, order, "cancelled");
	}
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_more_orders_in_the_log_than_units_are_found),
		TEST(test_withdrawn_units_count_as_sold),
		TEST(test_a_counter_that_runs_ahead_of_the_log_is_found),
		TEST(test_a_counter_below_zero_is_found),
		TEST(test_units_that_are_sold_before_the_ledger_has_them_are_found),
		TEST(test_a_unit_comes_back_after_its_record),
		TEST(test_a_counter_of_a_fenced_stock_does_not_count),
		TEST(test_an_old_masters_counter_does_not_count_behind_the_barrier),
		TEST(test_a_stock_that_is_armed_with_too_many_units_is_found),
		TEST(test_added_units_are_sold_when_the_ledger_has_them),
		TEST(test_sold_out_with_units_all_the_time_is_found),
		TEST(test_a_gate_may_know_the_stock_as_it_was_a_tenth_of_a_second_ago),
		TEST(test_what_a_gate_knew_before_is_too_old),
		TEST(test_a_gate_that_stood_still_counts_by_its_own_clock),
		TEST(test_two_units_of_one_are_sold_out),
		TEST(test_sold_out_while_nobody_knows_the_counter_is_lawful),
		TEST(test_a_leaked_unit_is_found_by_who_was_told_that_there_is_none),
		TEST(test_a_unit_that_a_failing_purchase_had_meanwhile_is_lawful),
		TEST(test_units_that_a_purchase_had_until_the_stock_forgot_it_are_lawful),
		TEST(test_units_that_the_stock_had_forgotten_before_the_refusal_are_found),
		TEST(test_units_that_the_stock_forgets_behind_the_order_are_found),
		TEST(test_a_limit_that_is_reached_by_nothing_is_found),
		TEST(test_a_limit_that_an_unknown_purchase_has_reached_is_lawful),
		TEST(test_sold_out_before_the_last_unit_was_sold_is_found),
		TEST(test_a_crowd_of_refusals_and_returns_has_an_order),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

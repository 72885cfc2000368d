/*
 * Hand-made histories for the judge: what is told, and who asked for it. What is broken is found by
 * its name, what is lawful is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story_test.h"

/* --- P2 --- */

static void test_success_without_a_record_is_found(void **state)
{
	uint32_t buy;

	begin(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story.buyer['a'] = "bob";
	story.units['a'] = 1;
	story.held_until_ms['a'] = 1;
	story_bought(&story, buy, 'a');
	assert_found("p2-not-durable");
	(void)state;
}

static void test_success_of_what_is_void_is_found(void **state)
{
	uint32_t buy;

	begin_shared(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_barrier(&story, 2);
	story_reserved_under(&story, 1, 'a', "bob", "k1", 1);
	story_bought(&story, buy, 'a');
	assert_found("p2-void");
	(void)state;
}

static void test_a_void_record_that_is_not_told_is_lawful(void **state)
{
	uint32_t buy, again;

	begin_shared(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_barrier(&story, 2);
	story_reserved_under(&story, 1, 'a', "bob", "k1", 1);
	story_refused(&story, buy, 503, "outcome-unknown");
	again = story_buy(&story, "bob", "k1", 1, 0);
	story_reserved_under(&story, 2, 'b', "bob", "k1", 1);
	story_bought(&story, again, 'b');
	assert_lawful();
	(void)state;
}

static void test_a_copy_behind_the_barrier_of_a_record_before_it_is_lawful(void **state)
{
	uint32_t buy;

	begin_shared(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_reserved_under(&story, 1, 'a', "bob", "k1", 1);
	story_barrier(&story, 2);
	story_reserved_under(&story, 1, 'a', "bob", "k1", 1);
	story_bought(&story, buy, 'a');
	assert_lawful();
	(void)state;
}

static void test_a_confirm_that_is_told_and_not_logged_is_found(void **state)
{
	uint32_t confirm;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	assert_found("p2-not-durable");
	(void)state;
}

static void test_a_confirm_behind_a_barrier_is_found(void **state)
{
	uint32_t confirm;

	begin_shared(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_barrier(&story, 2);
	story_record_under(&story, 1, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	assert_found("p2-not-durable");
	(void)state;
}

static void test_an_extension_that_is_told_and_not_logged_is_found(void **state)
{
	uint32_t extend;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	extend = story_ask(&story, HISTORY_EXTEND, 'a', "ann");
	story.held_until_ms['a'] += 5000;
	story_settled(&story, extend, 'a', "held");
	assert_found("p2-not-durable");
	(void)state;
}

static void test_withdrawn_units_that_the_log_does_not_have_are_found(void **state)
{
	begin(3);
	story_done(&story, story_move(&story, HISTORY_WITHDRAW, 2, "w"), 2);
	assert_found("p2-not-durable");
	(void)state;
}

static void test_an_order_that_a_power_cut_takes_after_it_was_told_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_reread(story.judge, true);
	history_reread(story.judge, false);
	assert_found("p2-lost");
	(void)state;
}

static void test_what_nobody_was_told_may_go_with_a_power_cut(void **state)
{
	begin(1);
	history_none(story.judge, story_buy(&story, "bob", "k1", 1, 0));
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	history_reread(story.judge, true);
	history_reread(story.judge, false);
	story_sell(&story, 'b', "eve", "k2", 1);
	assert_lawful();
	(void)state;
}

static void test_a_log_that_is_told_again_is_the_same_log(void **state)
{
	uint32_t confirm;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "eve", "k2", 1);
	confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_reserved(&story, 'b', "eve", "k2", 1, 0);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	history_reread(story.judge, false);
	assert_lawful();
	(void)state;
}

static void test_a_confirm_that_a_power_cut_takes_after_it_was_told_is_found(void **state)
{
	uint32_t confirm;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	history_reread(story.judge, false);
	assert_found("p2-lost");
	(void)state;
}

/* --- What was asked --- */

static void test_an_order_that_nobody_asked_for_is_found(void **state)
{
	begin(2);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	assert_found("unasked");
	(void)state;
}

static void test_a_purchase_that_was_refused_and_is_in_the_log_is_found(void **state)
{
	uint32_t buy;

	begin(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_refused(&story, buy, 503, "journal-unavailable");
	assert_found("unasked");
	(void)state;
}

static void test_an_order_of_a_request_that_was_refused_before_is_found(void **state)
{
	begin(1);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "overloaded");
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	assert_found("unasked");
	(void)state;
}

static void test_an_unknown_outcome_may_come_true_late(void **state)
{
	begin(1);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "outcome-unknown");
	story_at(&story, 9000);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_bought(&story, story_buy(&story, "bob", "k1", 1, 0), 'a');
	assert_lawful();
	(void)state;
}

static void test_a_retry_that_is_refused_says_nothing_of_the_first_request(void **state)
{
	begin(1);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "outcome-unknown");
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "stock-unavailable");
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 409, "request-in-flight");
	story_bought(&story, story_buy(&story, "bob", "k1", 1, 0), 'a');
	assert_lawful();
	(void)state;
}

static void test_a_late_confirm_makes_an_order_of_its_own(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 20000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	confirm_late();
	assert_lawful();
	(void)state;
}

/* --- Answers --- */

static void test_who_gets_no_answer_is_found(void **state)
{
	begin(1);
	story_buy(&story, "bob", "k1", 1, 0);
	assert_found("unanswered");
	(void)state;
}

static void test_an_outcome_that_stays_unknown_is_found(void **state)
{
	begin(1);
	history_faults_end(story.judge);
	story_at(&story, 70000);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "outcome-unknown");
	assert_found("unresolved");
	(void)state;
}

static void test_a_request_that_stays_in_flight_is_found(void **state)
{
	begin(1);
	history_faults_end(story.judge);
	story_at(&story, 70000);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 409, "request-in-flight");
	assert_found("unresolved");
	(void)state;
}

static void test_while_faults_go_on_outcomes_may_be_unknown(void **state)
{
	begin(1);
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "outcome-unknown");
	history_faults_end(story.judge);
	story_at(&story, 30000);
	history_none(story.judge, story_buy(&story, "bob", "k1", 1, 0));
	assert_lawful();
	(void)state;
}

static void test_an_answer_of_another_buyers_order_is_found(void **state)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_bought(&story, story_buy(&story, "eve", "k2", 1, 0), 'a');
	assert_found("wrong-answer");
	(void)state;
}

static void test_a_sale_that_has_sold_and_is_disarmed_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_DISARM, 0, "d"), 0);
	assert_found("disarmed-sold");
	(void)state;
}

static void test_a_sale_that_has_not_sold_may_be_disarmed(void **state)
{
	uint32_t disarm;

	begin(1);
	disarm = story_move(&story, HISTORY_DISARM, 0, "d");
	story_at(&story, 2000);
	story_done(&story, disarm, 0);
	story_at(&story, 3000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_sale_that_has_sold_and_is_disarmed_is_found),
		TEST(test_a_sale_that_has_not_sold_may_be_disarmed),
		TEST(test_success_without_a_record_is_found),
		TEST(test_success_of_what_is_void_is_found),
		TEST(test_a_void_record_that_is_not_told_is_lawful),
		TEST(test_a_copy_behind_the_barrier_of_a_record_before_it_is_lawful),
		TEST(test_a_confirm_that_is_told_and_not_logged_is_found),
		TEST(test_a_confirm_behind_a_barrier_is_found),
		TEST(test_an_extension_that_is_told_and_not_logged_is_found),
		TEST(test_withdrawn_units_that_the_log_does_not_have_are_found),
		TEST(test_an_order_that_a_power_cut_takes_after_it_was_told_is_found),
		TEST(test_what_nobody_was_told_may_go_with_a_power_cut),
		TEST(test_a_log_that_is_told_again_is_the_same_log),
		TEST(test_a_confirm_that_a_power_cut_takes_after_it_was_told_is_found),
		TEST(test_an_order_that_nobody_asked_for_is_found),
		TEST(test_a_purchase_that_was_refused_and_is_in_the_log_is_found),
		TEST(test_an_order_of_a_request_that_was_refused_before_is_found),
		TEST(test_an_unknown_outcome_may_come_true_late),
		TEST(test_a_retry_that_is_refused_says_nothing_of_the_first_request),
		TEST(test_a_late_confirm_makes_an_order_of_its_own),
		TEST(test_who_gets_no_answer_is_found),
		TEST(test_an_outcome_that_stays_unknown_is_found),
		TEST(test_a_request_that_stays_in_flight_is_found),
		TEST(test_while_faults_go_on_outcomes_may_be_unknown),
		TEST(test_an_answer_of_another_buyers_order_is_found),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Hand-made histories for the judge: what a buyer may have, and keys. What is broken is found by
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

/* --- P3 --- */

static void test_more_than_the_limit_is_found(void **state)
{
	begin(3);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	assert_found("p3-limit");
	(void)state;
}

static void test_who_has_cancelled_may_buy_again(void **state)
{
	uint32_t cancel;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', NULL);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	story_settled(&story, cancel, 'a', "cancelled");
	story_sell(&story, 'b', "bob", "k2", 1);
	assert_lawful();
	(void)state;
}

static void test_two_orders_of_a_key_are_found(void **state)
{
	story_begin(&story, &(struct story_terms){.units = 3, .limit = 3});
	story_buy(&story, "bob", "k1", 1, 0);
	story_buy(&story, "bob", "k1", 1, 0);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_reserved(&story, 'b', "bob", "k1", 1, 0);
	assert_found("p3-key");
	(void)state;
}

static void test_a_key_of_two_buyers_is_two_keys(void **state)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "eve", "k1", 1);
	assert_lawful();
	(void)state;
}

static void test_a_replay_in_another_text_is_found(void **state)
{
	struct history_order it = {.state = "held", .quantity = 1, .buyer = "bob"};

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	it.id = story_id('a');
	it.hold_expires_at_ms = story.held_until_ms['a'];
	history_answer(story.judge, story_buy(&story, "bob", "k1", 1, 0),
		       &(struct history_answer){.status = 202, .replayed = true, .body = 4711, .orders = &it, .order_count = 1});
	assert_found("p3-replay");
	(void)state;
}

static void test_an_order_for_two_keys_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_bought(&story, story_buy(&story, "bob", "k2", 1, 0), 'a');
	assert_found("wrong-answer");
	(void)state;
}

static void test_the_same_order_without_a_key_twice_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", NULL, 1);
	story_bought(&story, story_buy(&story, "bob", NULL, 1, 0), 'a');
	assert_found("p3-replay");
	(void)state;
}

static void test_a_replay_after_everything_is_lawful(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 20000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	story_bought(&story, story_buy(&story, "bob", "k1", 1, 0), 'a');
	assert_lawful();
	(void)state;
}

/* --- The rate --- */

static void begin_with_rate(void)
{
	story_begin(&story, &(struct story_terms){.units = 9, .limit = 9, .rate_requests = 2, .rate_seconds = 5});
}

static void test_more_purchases_than_the_rate_are_found(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	assert_null(judge_breach(story.judge));
	story_sell(&story, 'c', "bob", "k3", 1);
	assert_found("p3-rate");
	(void)state;
}

static void test_a_window_of_the_rate_ends(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	story_at(&story, 6000);
	story_sell(&story, 'c', "bob", "k3", 1);
	story_sell(&story, 'd', "eve", "k1", 1);
	assert_lawful();
	(void)state;
}

static void test_a_stock_that_was_built_again_has_forgotten_the_rate(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	history_stock_lost(story.judge, 0);
	story_sell(&story, 'c', "bob", "k3", 1);
	assert_lawful();
	(void)state;
}

/* By gates that do not believe a Redis that was restarted, though it has lost nothing. */
static void test_a_stock_under_a_new_epoch_has_forgotten_the_rate(void **state)
{
	struct history_stock_lot lot = {.available = 3, .held = 6, .allocated = 9};

	begin_with_rate();
	history_stock(story.judge, 0, 1, 1, true, &lot, 1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	story_at(&story, 2000);
	history_stock(story.judge, 0, 1, 2, true, &lot, 1);
	story_sell(&story, 'c', "bob", "k3", 1);
	assert_null(judge_breach(story.judge));
	(void)state;
}

static void test_a_refusal_by_the_rate_without_purchases_is_found(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 429, "rate-limited");
	assert_found("dishonest-429");
	(void)state;
}

/* Found by the embedded world 9020524. */
static void test_a_gate_that_stood_still_counts_the_rate_by_its_own_clock(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	story_at(&story, 20000);
	history_stood(story.judge, 0, 15000 * STORY_MS);
	story_refused(&story, story_buy(&story, "bob", "k3", 1, 0), 429, "rate-limited");
	assert_lawful();
	(void)state;
}

static void test_a_rate_whose_time_is_over_in_spite_of_a_pause_is_found(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "bob", "k2", 1);
	story_at(&story, 20000);
	history_stood(story.judge, 0, 10000 * STORY_MS);
	story_refused(&story, story_buy(&story, "bob", "k3", 1, 0), 429, "rate-limited");
	assert_found("dishonest-429");
	(void)state;
}

static void test_what_failed_long_ago_has_no_place_in_the_rate(void **state)
{
	begin_with_rate();
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "overloaded");
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 503, "overloaded");
	story_at(&story, 20000);
	story_refused(&story, story_buy(&story, "bob", "k3", 1, 0), 429, "rate-limited");
	assert_found("dishonest-429");
	(void)state;
}

static void test_what_was_refused_and_told_has_no_place_in_the_rate(void **state)
{
	begin_with_rate();
	story_refused(&story, story_buy(&story, "bob", "k1", 1, 0), 503, "journal-unavailable");
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 503, "journal-unavailable");
	story_at(&story, 1001);
	story_refused(&story, story_buy(&story, "bob", "k3", 1, 0), 429, "rate-limited");
	assert_found("dishonest-429");
	(void)state;
}

static void test_what_is_refused_meanwhile_has_a_place_in_the_rate(void **state)
{
	uint32_t first, second, third;

	begin_with_rate();
	first = story_buy(&story, "bob", "k1", 1, 0);
	second = story_buy(&story, "bob", "k2", 1, 0);
	third = story_buy(&story, "bob", "k3", 1, 0);
	story_at(&story, 1001);
	story_refused(&story, first, 503, "journal-unavailable");
	story_refused(&story, second, 503, "journal-unavailable");
	story_refused(&story, third, 429, "rate-limited");
	assert_lawful();
	(void)state;
}

static void test_a_refusal_by_the_rate_with_purchases_is_lawful(void **state)
{
	begin_with_rate();
	story_sell(&story, 'a', "bob", "k1", 1);
	story_refused(&story, story_buy(&story, "bob", "k2", 1, 0), 503, "outcome-unknown");
	story_refused(&story, story_buy(&story, "bob", "k3", 1, 0), 429, "rate-limited");
	assert_lawful();
	(void)state;
}

/* --- A key after a refund --- */

static void pay_and_refund(void)
{
	story_begin(&story, &(struct story_terms){.units = 1});
	story_sell(&story, 'a', "bob", "k1", 1);
	history_none(story.judge, story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "pay"));
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_record(&story, RECORD_REFUNDED, 'a', "ann");
	story_at(&story, 3000);
}

static void test_a_confirm_that_is_refused_after_the_refund_is_found(void **state)
{
	pay_and_refund();
	story_refused(&story, story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "pay"), 409, "order-state");
	assert_found("key-forgotten");
	(void)state;
}

static void test_another_confirm_is_refused_after_the_refund(void **state)
{
	pay_and_refund();
	story_refused(&story, story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "again"), 409, "order-state");
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_more_than_the_limit_is_found),
		TEST(test_who_has_cancelled_may_buy_again),
		TEST(test_two_orders_of_a_key_are_found),
		TEST(test_a_key_of_two_buyers_is_two_keys),
		TEST(test_a_replay_in_another_text_is_found),
		TEST(test_an_order_for_two_keys_is_found),
		TEST(test_the_same_order_without_a_key_twice_is_found),
		TEST(test_a_replay_after_everything_is_lawful),
		TEST(test_more_purchases_than_the_rate_are_found),
		TEST(test_a_window_of_the_rate_ends),
		TEST(test_a_stock_that_was_built_again_has_forgotten_the_rate),
		TEST(test_a_stock_under_a_new_epoch_has_forgotten_the_rate),
		TEST(test_a_refusal_by_the_rate_without_purchases_is_found),
		TEST(test_a_gate_that_stood_still_counts_the_rate_by_its_own_clock),
		TEST(test_a_rate_whose_time_is_over_in_spite_of_a_pause_is_found),
		TEST(test_what_failed_long_ago_has_no_place_in_the_rate),
		TEST(test_what_was_refused_and_told_has_no_place_in_the_rate),
		TEST(test_what_is_refused_meanwhile_has_a_place_in_the_rate),
		TEST(test_a_refusal_by_the_rate_with_purchases_is_lawful),
		TEST(test_a_confirm_that_is_refused_after_the_refund_is_found),
		TEST(test_another_confirm_is_refused_after_the_refund),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

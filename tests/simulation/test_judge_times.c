/*
 * Hand-made histories for the judge: holds and stops. What is broken is found by its name, what is
 * lawful is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story_test.h"

/* --- Holds --- */

static void test_a_hold_that_ends_early_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 9000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_found("hold-early");
	(void)state;
}

static void test_a_hold_ends_after_its_length(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 11010);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	story_sell(&story, 'b', "eve", "k2", 1);
	assert_lawful();
	(void)state;
}

/* Bought at the moment 6000 by a gate whose clock stood; told a moment that is 7000 ms later. */
static void expire_what_a_gate_granted_that_stood_for(int64_t for_ms)
{
	begin_shared(1);
	story_at(&story, 6000);
	history_stood(story.judge, 0, for_ms * STORY_MS);
	story.held_until_ms['a'] = STORY_WALL_MS + 13000;
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 13100);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
}

/* Found by the world 9030233 of a cluster. */
static void test_a_gate_that_stood_still_grants_a_shorter_hold(void **state)
{
	expire_what_a_gate_granted_that_stood_for(4000);
	assert_lawful();
	(void)state;
}

static void test_a_hold_that_is_shorter_than_a_gate_stood_for_is_found(void **state)
{
	expire_what_a_gate_granted_that_stood_for(1000);
	assert_found("hold-early");
	(void)state;
}

/*
 * Gate 1 stood still for so long, and a stock was built at 5000. Gate 0, which was not held up,
 * sells at granted_ms, and tells a moment that is 7000 ms later.
 */
static void expire_what_a_builder_shortens(int64_t stood_ms, int64_t granted_ms)
{
	begin_shared(1);
	story_at(&story, 4900);
	history_stood(story.judge, 1, stood_ms * STORY_MS);
	story_at(&story, 5000);
	story_counter(&story, 2, 1, 0, 0);
	story_at(&story, granted_ms);
	story_counter(&story, 2, 0, 1, 0);
	story.held_until_ms['a'] = STORY_WALL_MS + granted_ms + 7000;
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, granted_ms + 7100);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
}

/* Found by the world 70012691 of a cluster. */
static void test_a_gate_that_stood_still_and_builds_the_stock_shortens_the_holds_of_others(void **state)
{
	expire_what_a_builder_shortens(4000, 6000);
	assert_lawful();
	(void)state;
}

static void test_a_hold_that_is_shorter_than_its_stocks_builder_stood_for_is_found(void **state)
{
	expire_what_a_builder_shortens(1000, 6000);
	assert_found("hold-early");
	(void)state;
}

static void test_a_hold_that_was_granted_long_behind_a_builder_that_stood_has_its_length(void **state)
{
	expire_what_a_builder_shortens(4000, 10100);
	assert_found("hold-early");
	(void)state;
}

static void test_a_hold_that_was_extended_ends_later(void **state)
{
	uint32_t extend;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 5000);
	extend = story_ask(&story, HISTORY_EXTEND, 'a', "ann");
	story_record(&story, RECORD_EXTENDED, 'a', "ann");
	story.held_until_ms['a'] = STORY_WALL_MS + 5000 + STORY_HOLD_S * 1000;
	story_settled(&story, extend, 'a', "held");
	assert_null(judge_breach(story.judge));
	story_at(&story, 12000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_found("hold-early");
	(void)state;
}

static void test_a_clock_that_is_ahead_may_end_a_hold_by_that(void **state)
{
	begin(1);
	history_clock(story.judge, 3, 2000);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 11001);
	story.held_until_ms['a'] += 1500; /* a gate whose clock is ahead has told so */
	story_settled(&story, story_ask(&story, HISTORY_READ_ORDER, 'a', NULL), 'a', "held");
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_lawful();
	(void)state;
}

static void test_a_stock_that_was_built_again_ends_holds_by_the_wall_clock(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_clock(story.judge, 0, 9000);
	history_stock_lost(story.judge, 0);
	story_at(&story, 3000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_lawful();
	(void)state;
}

/*
 * A clock is ahead, and the stock is built again without a loss: Redis has the functions no more.
 */
static void expire_behind_a_rebuild_at(int64_t at_ms, int64_t ahead_ms)
{
	history_clock(story.judge, 0, ahead_ms);
	story_at(&story, at_ms);
	story_counter(&story, 2, 0, 1, 0);
	story_at(&story, 3000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
}

/* Found by the world 31019941 of a cluster. */
static void test_a_stock_that_was_fenced_and_is_built_again_ends_holds_by_the_wall_clock(void **state)
{
	begin_shared(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	expire_behind_a_rebuild_at(2000, 9000);
	assert_lawful();
	(void)state;
}

static void test_a_rebuild_does_not_end_a_hold_before_the_moment_that_was_told(void **state)
{
	begin_shared(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	expire_behind_a_rebuild_at(2000, 7000);
	assert_found("hold-early");
	(void)state;
}

static void test_a_hold_that_was_granted_behind_a_rebuild_has_its_length(void **state)
{
	begin_shared(1);
	history_clock(story.judge, 0, 9000);
	story_counter(&story, 2, 1, 0, 0);
	story_at(&story, 1500);
	story_counter(&story, 2, 0, 1, 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 4000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_found("hold-early");
	(void)state;
}

static void test_hold_expired_before_it_was_told_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 3000);
	story_refused(&story, story_ask(&story, HISTORY_CONFIRM, 'a', "ann"), 409, "hold-expired");
	assert_found("hold-early");
	(void)state;
}

static void test_a_drifting_clock_may_shorten_a_hold_by_its_drift(void **state)
{
	story_begin(&story, &(struct story_terms){.units = 1, .drift_ppm = 100000});
	history_clock(story.judge, 3, 1000);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 10100);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_lawful();
	(void)state;
}

/* --- Stops --- */

static void test_a_sale_behind_a_stop_that_was_told_is_found(void **state)
{
	begin(1);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 2000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_found("sold-while-paused");
	(void)state;
}

static void taken(void)
{
	const uint32_t pause = story_move(&story, HISTORY_PAUSE, 0, "p");

	history_answer(story.judge, pause, &(struct history_answer){.status = 202});
}

static void test_a_sale_long_behind_a_stop_that_was_taken_is_found(void **state)
{
	begin(1);
	taken();
	history_calm(story.judge, true);
	story_at(&story, 11000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_found("sold-while-paused");
	(void)state;
}

/* Not each gate has heard of it. */
static void test_a_sale_soon_behind_a_stop_that_was_taken_is_lawful(void **state)
{
	begin(1);
	history_calm(story.judge, true);
	story_at(&story, 12000);
	taken();
	story_at(&story, 21000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_lawful();
	(void)state;
}

static void test_a_sale_behind_a_stop_that_was_taken_and_then_released_is_lawful(void **state)
{
	begin(1);
	taken();
	history_calm(story.judge, true);
	story_at(&story, 11000);
	story_done(&story, story_move(&story, HISTORY_RESUME, 0, "r"), 0);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_lawful();
	(void)state;
}

static void test_what_was_asked_before_the_stop_may_still_be_sold(void **state)
{
	uint32_t buy;

	begin(1);
	buy = story_buy(&story, "bob", "k1", 1, 0);
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 2001);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_bought(&story, buy, 'a');
	assert_lawful();
	(void)state;
}

static void test_who_has_paid_late_is_not_held_up_by_a_stop(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 20000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 21000);
	confirm_late();
	assert_lawful();
	(void)state;
}

static void test_a_stop_ends_with_a_release(void **state)
{
	begin(1);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 2000);
	history_none(story.judge, story_move(&story, HISTORY_RESUME, 0, "r"));
	story_at(&story, 3000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_lawful();
	(void)state;
}

static void test_a_release_without_an_answer_may_come_behind_the_stop(void **state)
{
	begin(1);
	history_none(story.judge, story_move(&story, HISTORY_RESUME, 0, "r"));
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 3000);
	story_sell(&story, 'a', "bob", "k1", 1);
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_hold_that_ends_early_is_found),
		TEST(test_a_hold_ends_after_its_length),
		TEST(test_a_gate_that_stood_still_grants_a_shorter_hold),
		TEST(test_a_hold_that_is_shorter_than_a_gate_stood_for_is_found),
		TEST(test_a_gate_that_stood_still_and_builds_the_stock_shortens_the_holds_of_others),
		TEST(test_a_hold_that_is_shorter_than_its_stocks_builder_stood_for_is_found),
		TEST(test_a_hold_that_was_granted_long_behind_a_builder_that_stood_has_its_length),
		TEST(test_a_hold_that_was_extended_ends_later),
		TEST(test_a_clock_that_is_ahead_may_end_a_hold_by_that),
		TEST(test_a_stock_that_was_built_again_ends_holds_by_the_wall_clock),
		TEST(test_a_stock_that_was_fenced_and_is_built_again_ends_holds_by_the_wall_clock),
		TEST(test_a_rebuild_does_not_end_a_hold_before_the_moment_that_was_told),
		TEST(test_a_hold_that_was_granted_behind_a_rebuild_has_its_length),
		TEST(test_hold_expired_before_it_was_told_is_found),
		TEST(test_a_drifting_clock_may_shorten_a_hold_by_its_drift),
		TEST(test_a_sale_behind_a_stop_that_was_told_is_found),
		TEST(test_a_sale_long_behind_a_stop_that_was_taken_is_found),
		TEST(test_a_sale_soon_behind_a_stop_that_was_taken_is_lawful),
		TEST(test_a_sale_behind_a_stop_that_was_taken_and_then_released_is_lawful),
		TEST(test_what_was_asked_before_the_stop_may_still_be_sold),
		TEST(test_who_has_paid_late_is_not_held_up_by_a_stop),
		TEST(test_a_stop_ends_with_a_release),
		TEST(test_a_release_without_an_answer_may_come_behind_the_stop),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Hand-made histories for the judge: what must be so where nothing goes wrong. What is broken is
 * found by its name, what is lawful is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story_test.h"

/* --- Holds end --- */

enum { OVER_MS = 1000 + STORY_HOLD_S * 1000, LATE_MS = STORY_LATE_S * 1000 };

static void test_a_hold_that_does_not_end_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, OVER_MS + LATE_MS - 1000);
	assert_null(judge_breach(story.judge));
	story_at(&story, OVER_MS + LATE_MS + 1000);
	assert_found("hold-late");
	(void)state;
}

static void test_a_hold_that_ends_somewhat_late_has_ended(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, OVER_MS + LATE_MS - 1000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	story_at(&story, OVER_MS + 10 * LATE_MS);
	assert_lawful();
	(void)state;
}

static void test_while_something_goes_wrong_a_hold_may_stay(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, OVER_MS + 2 * LATE_MS);
	history_calm(story.judge, true);
	story_at(&story, OVER_MS + 2 * LATE_MS + 9000);
	assert_lawful();
	(void)state;
}

static void test_a_hold_that_stays_when_all_is_well_again_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, OVER_MS);
	history_calm(story.judge, true);
	story_at(&story, OVER_MS + 10000 + LATE_MS + 1000);
	assert_found("hold-late");
	(void)state;
}

static void test_by_a_clock_that_is_behind_a_hold_ends_later(void **state)
{
	begin(1);
	history_clock(story.judge, 0, -20000);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, OVER_MS + LATE_MS + 19000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_lawful();
	(void)state;
}

/* --- The clock of a stock --- */

static void test_a_clock_that_was_set_may_end_a_hold_by_its_jump(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_clock(story.judge, 9, 30000);
	history_stock_clock(story.judge, 1000);
	story_at(&story, OVER_MS - 900);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_lawful();
	(void)state;
}

static void test_a_clock_that_was_set_and_is_believed_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_clock(story.judge, 9, 30000);
	history_stock_clock(story.judge, 1000);
	story_at(&story, OVER_MS - 1100);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_found("hold-early");
	(void)state;
}

/* --- A sale that is let go on --- */

/* Stopped and let go on, with all of it told; at 4 s. */
static void stop_and_go(void)
{
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 3000);
	story_done(&story, story_move(&story, HISTORY_RESUME, 0, "r"), 0);
	story_at(&story, 4000);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
}

static void ask_in_vain(void)
{
	story_refused(&story, story_buy(&story, "eve", "k2", 1, 0), 409, "sale-not-open");
}

static void test_a_sale_that_stays_stopped_is_found(void **state)
{
	begin(2);
	stop_and_go();
	story_at(&story, 20000);
	ask_in_vain();
	assert_found("dishonest-409");
	(void)state;
}

/* It went by the ledger, for the stock could not be told; who sends it again tells the stock. */
static void stop_by_the_ledger(bool again)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	history_answer(story.judge, story_move(&story, HISTORY_PAUSE, 0, "p"), &(struct history_answer){.status = 202});
	story_at(&story, 3000);
	story_done(&story, story_move(&story, HISTORY_RESUME, 0, "r"), 0);
	story_at(&story, 4000);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	if (again)
		story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 20000);
	ask_in_vain();
}

static void test_a_stop_that_the_stock_was_not_told_of_is_done_when_it_is_sent_again(void **state)
{
	stop_by_the_ledger(true);
	assert_lawful();
	(void)state;
}

static void test_a_stop_that_went_by_the_ledger_and_was_let_go_on_is_found(void **state)
{
	stop_by_the_ledger(false);
	assert_found("dishonest-409");
	(void)state;
}

static void test_a_stop_that_is_done_again_with_its_key_is_found(void **state)
{
	begin(2);
	stop_and_go();
	story_at(&story, 5000);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 20000);
	ask_in_vain();
	assert_found("dishonest-409");
	(void)state;
}

static void test_another_stop_holds(void **state)
{
	begin(2);
	stop_and_go();
	story_at(&story, 5000);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "q"), 0);
	story_at(&story, 20000);
	ask_in_vain();
	assert_lawful();
	(void)state;
}

static void test_a_stop_of_unknown_end_may_come_at_any_time(void **state)
{
	begin(2);
	history_none(story.judge, story_move(&story, HISTORY_PAUSE, 0, "q"));
	stop_and_go();
	story_at(&story, 20000);
	ask_in_vain();
	assert_lawful();
	(void)state;
}

static void test_a_release_that_was_told_a_moment_ago_may_not_be_heard_of(void **state)
{
	begin(2);
	stop_and_go();
	story_at(&story, 12000);
	ask_in_vain();
	assert_lawful();
	(void)state;
}

static void test_a_sale_that_has_not_sold_may_not_be_open_yet(void **state)
{
	begin(2);
	story_at(&story, 20000);
	ask_in_vain();
	assert_lawful();
	(void)state;
}

static void test_a_sale_that_opens_by_a_clock_ahead_is_not_open_by_another(void **state)
{
	begin(2);
	history_clock(story.judge, 0, 20000);
	history_clock(story.judge, 1, -10000);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	story_at(&story, 30000);
	ask_in_vain();
	assert_lawful();
	(void)state;
}

/* --- Drains --- */

static void test_a_position_that_falls_is_found(void **state)
{
	begin(1);
	history_position(story.judge, 1, -1);
	history_position(story.judge, 1, 7);
	history_position(story.judge, 0, 3);
	history_position(story.judge, 1, 7);
	assert_null(judge_breach(story.judge));
	history_position(story.judge, 1, 5);
	assert_found("position-back");
	(void)state;
}

static void test_a_position_that_falls_with_a_backup_is_lawful(void **state)
{
	begin(1);
	history_position(story.judge, 0, 7);
	history_ledger_restored(story.judge);
	history_position(story.judge, 0, 2);
	assert_null(judge_breach(story.judge));
	history_position(story.judge, 0, 1);
	assert_found("position-back");
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_hold_that_does_not_end_is_found),
		TEST(test_a_hold_that_ends_somewhat_late_has_ended),
		TEST(test_while_something_goes_wrong_a_hold_may_stay),
		TEST(test_a_hold_that_stays_when_all_is_well_again_is_found),
		TEST(test_by_a_clock_that_is_behind_a_hold_ends_later),
		TEST(test_a_clock_that_was_set_may_end_a_hold_by_its_jump),
		TEST(test_a_clock_that_was_set_and_is_believed_is_found),
		TEST(test_a_sale_that_stays_stopped_is_found),
		TEST(test_a_stop_that_is_done_again_with_its_key_is_found),
		TEST(test_a_stop_that_the_stock_was_not_told_of_is_done_when_it_is_sent_again),
		TEST(test_a_stop_that_went_by_the_ledger_and_was_let_go_on_is_found),
		TEST(test_another_stop_holds),
		TEST(test_a_stop_of_unknown_end_may_come_at_any_time),
		TEST(test_a_release_that_was_told_a_moment_ago_may_not_be_heard_of),
		TEST(test_a_sale_that_has_not_sold_may_not_be_open_yet),
		TEST(test_a_sale_that_opens_by_a_clock_ahead_is_not_open_by_another),
		TEST(test_a_position_that_falls_is_found),
		TEST(test_a_position_that_falls_with_a_backup_is_lawful),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

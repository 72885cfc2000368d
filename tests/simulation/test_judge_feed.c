/*
 * Hand-made histories for the judge: the feed of what happened. What is broken is found by its
 * name, what is lawful is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story_test.h"

/* Order a is bought, confirmed and given back. */
static void live_a_life(void)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	(void)story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	(void)story_ask(&story, HISTORY_CANCEL, 'a', "ann");
	story_record(&story, RECORD_REFUNDED, 'a', "ann");
}

static void finish(void)
{
	for (uint32_t request = 1; request < 3; request++)
		history_none(story.judge, request);
}

static void test_a_feed_that_tells_all_in_its_order_is_lawful(void **state)
{
	live_a_life();
	story_withdrawn(&story, 'w', 1);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	story_fed(&story, RECORD_WITHDRAWN, 'w', "");
	story_fed(&story, RECORD_REFUNDED, 'a', "cancelled");
	history_feed_asked(story.judge);
	history_feed_end(story.judge);
	finish();
	assert_lawful();
	(void)state;
}

static void test_a_change_that_is_left_out_is_found(void **state)
{
	live_a_life();
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_REFUNDED, 'a', "cancelled");
	assert_found("feed-order");
	(void)state;
}

static void test_changes_that_are_told_in_another_order_are_found(void **state)
{
	live_a_life();
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	assert_found("feed-order");
	(void)state;
}

static void test_a_change_that_is_told_twice_is_found(void **state)
{
	live_a_life();
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	assert_found("feed-order");
	(void)state;
}

static void test_a_feed_that_ends_too_early_is_found(void **state)
{
	live_a_life();
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	history_feed_asked(story.judge);
	history_feed_end(story.judge);
	assert_found("feed-skipped");
	(void)state;
}

static void test_what_comes_while_the_end_is_asked_for_is_not_missed(void **state)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	history_feed_asked(story.judge);
	story_at(&story, 20000);
	story_record(&story, RECORD_EXPIRED, 'a', NULL);
	story_withdrawn(&story, 'w', 1);
	history_feed_end(story.judge);
	assert_lawful();
	(void)state;
}

static void test_a_withdrawal_that_is_left_out_is_found(void **state)
{
	begin(1);
	story_withdrawn(&story, 'w', 1);
	history_feed_asked(story.judge);
	history_feed_end(story.judge);
	assert_found("feed-skipped");
	(void)state;
}

static void test_what_the_log_does_not_have_is_found(void **state)
{
	begin(1);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	assert_found("feed-untrue");
	story_test_tear_down(state);
	begin(1);
	story_fed(&story, RECORD_WITHDRAWN, 'w', "");
	assert_found("feed-untrue");
}

static void test_an_order_that_is_shown_older_than_its_change_is_found(void **state)
{
	struct history_order now = {.id = story_id('a'), .state = "held"};

	live_a_life();
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	history_change(story.judge,
		       &(struct history_change){.kind = RECORD_CONFIRMED, .id = story_id('a'), .state = "confirmed", .order = &now});
	assert_found("feed-untrue");
	(void)state;
}

static void test_another_ledger_may_tell_again_but_leaves_nothing_out(void **state)
{
	live_a_life();
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	history_ledger_restored(story.judge);
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed"); /* its place is another now */
	history_feed_again(story.judge);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	story_fed(&story, RECORD_REFUNDED, 'a', "cancelled");
	history_feed_asked(story.judge);
	history_feed_end(story.judge);
	finish();
	assert_lawful();
	story_test_tear_down(state);
	live_a_life();
	history_ledger_restored(story.judge);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_REFUNDED, 'a', "cancelled");
	assert_found("feed-order");
}

static void test_what_the_feed_has_told_must_not_be_lost(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	(void)story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	history_reread(story.judge, false);
	assert_found("p2-lost");
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_feed_that_tells_all_in_its_order_is_lawful),
		TEST(test_a_change_that_is_left_out_is_found),
		TEST(test_changes_that_are_told_in_another_order_are_found),
		TEST(test_a_change_that_is_told_twice_is_found),
		TEST(test_a_feed_that_ends_too_early_is_found),
		TEST(test_what_comes_while_the_end_is_asked_for_is_not_missed),
		TEST(test_a_withdrawal_that_is_left_out_is_found),
		TEST(test_what_the_log_does_not_have_is_found),
		TEST(test_an_order_that_is_shown_older_than_its_change_is_found),
		TEST(test_another_ledger_may_tell_again_but_leaves_nothing_out),
		TEST(test_what_the_feed_has_told_must_not_be_lost),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

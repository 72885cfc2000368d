/*
 * Hand-made histories for the judge: what is sent again with its key. What is broken is found by
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

/* --- Extensions --- */

/* The hold of order a is moved to ten seconds from now. */
static void move_hold(void)
{
	story_record(&story, RECORD_EXTENDED, 'a', "ann");
	story.held_until_ms['a'] = STORY_WALL_MS + story.now_ms + STORY_HOLD_S * 1000;
}

static void extend(const char *key)
{
	uint32_t request = story_ask_keyed(&story, HISTORY_EXTEND, 'a', key);

	move_hold();
	story_settled(&story, request, 'a', "held");
}

static void test_an_extension_that_counts_anew_with_its_key_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	extend("e1");
	assert_null(judge_breach(story.judge));
	story_at(&story, 4000);
	(void)story_ask_keyed(&story, HISTORY_EXTEND, 'a', "e1");
	move_hold();
	assert_found("extended-twice");
	(void)state;
}

static void test_an_extension_that_is_sent_again_moves_nothing(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	extend("e1");
	story_at(&story, 4000);
	story_settled(&story, story_ask_keyed(&story, HISTORY_EXTEND, 'a', "e1"), 'a', "held");
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	assert_lawful();
	(void)state;
}

static void test_another_extension_may_move_the_hold_again(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	extend("e1");
	story_at(&story, 4000);
	extend("e2");
	story_at(&story, 5000);
	extend(NULL);
	story_at(&story, 6000);
	extend(NULL);
	story_record(&story, RECORD_CANCELLED, 'a', "bob");
	assert_lawful();
	(void)state;
}

static void test_an_extension_that_nobody_has_asked_for_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	move_hold();
	assert_found("extended-twice");
	(void)state;
}

/* --- Cancels --- */

/*
 * The cancel of a held order is refused by the journal; somebody confirms it; the cancel is sent
 * again, and answered as it is.
 */
static void cancel_around_a_confirm(const char *key, const char *code)
{
	uint32_t cancel, confirm;

	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 2000);
	story_refused(&story, story_ask_keyed(&story, HISTORY_CANCEL, 'a', "c1"), 503, code);
	story_at(&story, 3000);
	confirm = story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "p1");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	story_at(&story, 4000);
	cancel = story_ask_keyed(&story, HISTORY_CANCEL, 'a', key);
	story_record(&story, RECORD_REFUNDED, 'a', "ann");
	story_settled(&story, cancel, 'a', "cancelled");
}

static void test_a_cancel_that_becomes_a_refund_is_found(void **state)
{
	begin(1);
	cancel_around_a_confirm("c1", "journal-unavailable");
	assert_found("refund-unmeant");
	(void)state;
}

static void test_another_key_may_refund(void **state)
{
	begin(1);
	cancel_around_a_confirm("c2", "journal-unavailable");
	assert_lawful();
	(void)state;
}

static void test_a_cancel_that_no_gate_has_decided_on_may_refund(void **state)
{
	begin(1);
	cancel_around_a_confirm("c1", "stock-unavailable");
	assert_lawful();
	(void)state;
}

static void test_a_cancel_that_no_ledger_has_noted_may_refund(void **state)
{
	story_begin(&story, &(struct story_terms){.units = 1, .ledger_goes = true});
	cancel_around_a_confirm("c1", "journal-unavailable");
	assert_lawful();
	(void)state;
}

/* The log of an order that is held, or has been confirmed, after a power cut. */
static void read_anew(bool confirmed)
{
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	if (confirmed)
		story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	history_reread(story.judge, false);
}

/* Nobody is told. */
static void confirm_at(int64_t at_ms)
{
	story_at(&story, at_ms);
	story_refused(&story, story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "p1"), 503, "outcome-unknown");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
}

static void refuse_cancel_at(int64_t at_ms)
{
	story_at(&story, at_ms);
	story_refused(&story, story_ask_keyed(&story, HISTORY_CANCEL, 'a', "c1"), 503, "journal-unavailable");
}

static void refund_at(int64_t at_ms)
{
	uint32_t cancel;

	story_at(&story, at_ms);
	cancel = story_ask_keyed(&story, HISTORY_CANCEL, 'a', "c1");
	story_record(&story, RECORD_REFUNDED, 'a', "ann");
	story_settled(&story, cancel, 'a', "cancelled");
}

/* Found by the world 31000168 of the embedded shape. */
static void test_a_confirm_keeps_its_time_when_the_log_is_read_anew(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm_at(2000);
	refuse_cancel_at(3000); /* of what is confirmed */
	story_at(&story, 4000);
	read_anew(true);
	refund_at(5000);
	assert_lawful();
	(void)state;
}

static void test_a_cancel_that_becomes_a_refund_behind_a_power_cut_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	refuse_cancel_at(2000);
	confirm_at(3000);
	story_at(&story, 4000);
	read_anew(true);
	refund_at(5000);
	assert_found("refund-unmeant");
	(void)state;
}

static void test_a_confirm_that_a_power_cut_has_taken_counts_from_when_it_is_done_again(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm_at(2000);
	story_at(&story, 3000);
	read_anew(false);
	refuse_cancel_at(4000); /* of what is held */
	story_at(&story, 5000);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	refund_at(6000);
	assert_found("refund-unmeant");
	(void)state;
}

/* --- Withdrawals --- */

static void test_a_withdrawal_that_is_told_again_counts_once(void **state)
{
	uint32_t request;

	begin(3);
	request = story_move(&story, HISTORY_WITHDRAW, 2, "w1");
	story_withdrawn(&story, 'w', 2);
	story_done(&story, request, 2);
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_WITHDRAW, 2, "w1"), 2);
	assert_lawful();
	(void)state;
}

static void test_two_withdrawals_that_are_one_in_the_log_are_found(void **state)
{
	uint32_t request;

	begin(3);
	request = story_move(&story, HISTORY_WITHDRAW, 1, "w1");
	story_withdrawn(&story, 'w', 1);
	story_done(&story, request, 1);
	story_at(&story, 2000);
	story_done(&story, story_move(&story, HISTORY_WITHDRAW, 1, "w2"), 1);
	assert_found("p2-not-durable");
	(void)state;
}

/* --- Versions --- */

static void show(enum history_kind kind, const char *key, int64_t version, const char *shown)
{
	history_answer(story.judge, story_move(&story, kind, 0, key),
		       &(struct history_answer){.status = 200, .version = version, .state = shown});
}

static void test_a_version_in_two_states_is_found(void **state)
{
	begin(1);
	show(HISTORY_RESUME, "r", 4, "open");
	show(HISTORY_PAUSE, "p", 4, "paused");
	assert_found("version-twice");
	(void)state;
}

static void test_a_version_that_is_not_known_yet_is_lawful(void **state)
{
	begin(1);
	show(HISTORY_RESUME, "r", 4, "open");
	show(HISTORY_PAUSE, "p", 0, "paused");
	show(HISTORY_PAUSE, "p", 5, "paused");
	show(HISTORY_RESUME, "r", 4, "open"); /* by a gate that has not heard of it */
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_extension_that_counts_anew_with_its_key_is_found),
		TEST(test_an_extension_that_is_sent_again_moves_nothing),
		TEST(test_another_extension_may_move_the_hold_again),
		TEST(test_an_extension_that_nobody_has_asked_for_is_found),
		TEST(test_a_cancel_that_becomes_a_refund_is_found),
		TEST(test_another_key_may_refund),
		TEST(test_a_cancel_that_no_gate_has_decided_on_may_refund),
		TEST(test_a_cancel_that_no_ledger_has_noted_may_refund),
		TEST(test_a_confirm_keeps_its_time_when_the_log_is_read_anew),
		TEST(test_a_cancel_that_becomes_a_refund_behind_a_power_cut_is_found),
		TEST(test_a_confirm_that_a_power_cut_has_taken_counts_from_when_it_is_done_again),
		TEST(test_a_withdrawal_that_is_told_again_counts_once),
		TEST(test_a_version_in_two_states_is_found),
		TEST(test_a_version_that_is_not_known_yet_is_lawful),
		TEST(test_two_withdrawals_that_are_one_in_the_log_are_found),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

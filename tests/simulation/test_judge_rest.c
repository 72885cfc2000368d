/*
 * Hand-made histories for the judge: how things stand when all is over. What is broken is found by
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

/* --- The end --- */

static const struct history_rest_log confirm_of_a = {
	.actor = "ann", .action = "order.confirm", .subject = "01000000-0000-7000-8000-000000006101"};

static void rest_of_one(struct history_rest *rest, struct history_rest_order *row)
{
	*row = (struct history_rest_order){.id = story_id('a'), .state = "held", .quantity = 1, .buyer = "bob", .key = "k1"};
	*rest = (struct history_rest){.sale = 1,
				      .armed = true,
				      .lots = {{.stock = {.available = 1, .held = 1, .allocated = 2},
						.allocated = 2,
						.held = 1,
						.moved_allocated = 2,
						.moved_held = 1}},
				      .orders = row,
				      .order_count = 1};
}

static void test_what_agrees_at_the_end_is_lawful(void **state)
{
	struct history_rest rest;
	struct history_rest_order row;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	rest_of_one(&rest, &row);
	history_rest(story.judge, &rest);
	assert_lawful();
	(void)state;
}

static void end_with(void (*change)(struct history_rest *, struct history_rest_order *), const char *name)
{
	struct history_rest rest;
	struct history_rest_order row;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	rest_of_one(&rest, &row);
	change(&rest, &row);
	history_rest(story.judge, &rest);
	assert_found(name);
}

static void leak_in_stock(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->lots[0].stock.available = 0;
}

static void leak_in_movements(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->lots[0].moved_held = 0;
}

static void leak_in_ledger(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->lots[0].held = rest->lots[0].moved_held = 0;
	rest->lots[0].stock.available = 2;
	rest->lots[0].stock.held = 0;
}

static void no_row(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->order_count = 0;
}

static void another_state(struct history_rest *rest, struct history_rest_order *row)
{
	(void)rest;
	snprintf(row->state, sizeof(row->state), "expired");
}

static void dead_letter(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->dead_letters = 1;
}

static void outbox(struct history_rest *rest, struct history_rest_order *row)
{
	(void)row;
	rest->outbox = 1;
}

static void test_a_unit_that_leaked_is_found_at_the_end(void **state)
{
	end_with(leak_in_stock, "p4-rest");
	story_test_tear_down(state);
	end_with(leak_in_movements, "p4-rest");
	story_test_tear_down(state);
	end_with(leak_in_ledger, "p4-rest");
}

static void test_an_order_that_is_not_in_the_ledger_is_found_at_the_end(void **state)
{
	end_with(no_row, "p2-lost");
	story_test_tear_down(state);
	end_with(another_state, "p4-rest");
}

static void test_what_is_left_over_is_found_at_the_end(void **state)
{
	end_with(dead_letter, "dead-letter");
	story_test_tear_down(state);
	end_with(outbox, "outbox");
}

/* --- Holds have ended --- */

enum { HOLD_OVER_MS = 1000 + STORY_HOLD_S * 1000 + STORY_REST_S * 1000 };

static void rest_at(int64_t at_ms)
{
	struct history_rest rest;
	struct history_rest_order row;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, at_ms);
	rest_of_one(&rest, &row);
	history_rest(story.judge, &rest);
}

static void test_a_hold_that_has_not_ended_at_the_end_is_found(void **state)
{
	rest_at(HOLD_OVER_MS + 1000);
	assert_found("hold-for-ever");
	(void)state;
}

static void test_a_hold_that_has_not_long_been_over_at_the_end_is_lawful(void **state)
{
	rest_at(HOLD_OVER_MS - 1000);
	assert_lawful();
	(void)state;
}

/* What a world asks before it gives them up. */
static void test_holds_that_have_not_ended_are_told_of_before_they_are_judged(void **state)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, HOLD_OVER_MS - 1000);
	assert_false(judge_has_late_holds(story.judge, 1));
	story_at(&story, HOLD_OVER_MS + 1000);
	assert_true(judge_has_late_holds(story.judge, 1));
	assert_false(judge_has_late_holds(story.judge, 2));
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	assert_false(judge_has_late_holds(story.judge, 1));
	assert_lawful();
	(void)state;
}

static void test_by_a_clock_that_is_behind_a_hold_is_over_later_at_the_end(void **state)
{
	struct history_rest rest;
	struct history_rest_order row;

	begin(2);
	history_clock(story.judge, 0, -5000);
	history_stock_clock(story.judge, 1000);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, HOLD_OVER_MS + 5000);
	rest_of_one(&rest, &row);
	history_rest(story.judge, &rest);
	assert_lawful();
	(void)state;
}

static void test_a_hold_of_a_sale_that_no_stock_has_may_stay(void **state)
{
	struct history_rest rest;
	struct history_rest_order row;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	history_calm(story.judge, false);
	story_at(&story, HOLD_OVER_MS + 1000);
	rest_of_one(&rest, &row);
	rest.armed = false;
	history_rest(story.judge, &rest);
	assert_lawful();
	(void)state;
}

static void rest_of_confirmed(const struct history_rest_log *log, uint32_t log_count)
{
	struct history_rest rest;
	struct history_rest_order row;
	uint32_t confirm;

	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	rest_of_one(&rest, &row);
	snprintf(row.state, sizeof(row.state), "confirmed");
	rest.lots[0].stock.held = rest.lots[0].held = rest.lots[0].moved_held = 0;
	rest.lots[0].stock.confirmed = rest.lots[0].confirmed = rest.lots[0].moved_confirmed = 1;
	rest.log = log;
	rest.log_count = log_count;
	history_rest(story.judge, &rest);
}

static void test_a_confirm_that_nobody_is_named_for_is_found(void **state)
{
	rest_of_confirmed(NULL, 0);
	assert_found("not-logged");
	(void)state;
}

static void test_a_confirm_whose_operator_is_named_is_lawful(void **state)
{
	rest_of_confirmed(&confirm_of_a, 1);
	assert_lawful();
	(void)state;
}

static void add_twice(uint32_t rows)
{
	const struct history_rest_log row = {.actor = "ann", .action = "lot.add", .subject = "drop"};
	const struct history_rest_log log[2] = {row, row};

	begin(1);
	for (uint32_t i = 1; i <= 2; i++) {
		uint32_t add = story_move(&story, HISTORY_ADD, 1, i == 1 ? "x" : "y");

		history_allocated(story.judge, 1, 0, 1 + i);
		story_done(&story, add, 0);
	}
	history_rest(story.judge,
		     &(struct history_rest){.sale = 1, .lots = {{.allocated = 3, .moved_allocated = 3}}, .log = log, .log_count = rows});
}

static void test_each_of_two_additions_is_logged(void **state)
{
	add_twice(2);
	assert_lawful();
	story_test_tear_down(state);
	add_twice(1);
	assert_found("not-logged");
}

static void stop_with_a_retry(uint32_t rows)
{
	const struct history_rest_log row = {.actor = "ann", .action = "sale.pause", .subject = "drop"};
	const struct history_rest_log log[2] = {row, row};

	begin(1);
	history_none(story.judge, story_move(&story, HISTORY_PAUSE, 0, "p"));
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	history_rest(story.judge,
		     &(struct history_rest){.sale = 1, .lots = {{.allocated = 1, .moved_allocated = 1}}, .log = log, .log_count = rows});
}

static void test_a_stop_that_was_sent_twice_is_logged_once(void **state)
{
	stop_with_a_retry(1);
	assert_lawful();
	story_test_tear_down(state);
	stop_with_a_retry(2);
	assert_found("logged-twice");
}

struct stopped_again {
	bool released, lost; /* meanwhile */
	bool replayed;       /* the retry is told that it was done before */
	bool thrice;         /* and it is sent once more */
	uint32_t rows;
};

/* A stop is sent again with its key, and is done. */
static void stop_again(const struct stopped_again *what)
{
	const struct history_answer answer = {.status = 200, .replayed = what->replayed};
	const struct history_rest_log row = {.actor = "ann", .action = "sale.pause", .subject = "drop"};
	const struct history_rest_log log[3] = {row, row, row};

	begin(1);
	story_done(&story, story_move(&story, HISTORY_PAUSE, 0, "p"), 0);
	story_at(&story, 1010);
	if (what->released)
		story_done(&story, story_move(&story, HISTORY_RESUME, 0, "r"), 0);
	story_at(&story, 1020);
	if (what->lost)
		history_stock_lost(story.judge, 0);
	story_at(&story, 1030);
	for (int i = 0; i < (what->thrice ? 2 : 1); i++)
		history_answer(story.judge, story_move(&story, HISTORY_PAUSE, 0, "p"), &answer);
	history_rest(story.judge,
		     &(struct history_rest){
			     .sale = 1, .lots = {{.allocated = 1, .moved_allocated = 1}}, .log = log, .log_count = what->rows});
}

static void test_a_stop_that_was_forgotten_with_its_release_may_be_logged_again(void **state)
{
	stop_again(&(struct stopped_again){.released = true, .lost = true, .rows = 2});
	assert_lawful();
	(void)state;
}

/* By the ledger, which had the stop and not yet its release. */
static void test_a_stop_that_was_done_again_may_be_told_as_done_before(void **state)
{
	stop_again(&(struct stopped_again){.released = true, .lost = true, .replayed = true, .rows = 2});
	assert_lawful();
	(void)state;
}

static void test_a_stop_is_logged_twice_at_most(void **state)
{
	stop_again(&(struct stopped_again){.released = true, .lost = true, .thrice = true, .rows = 3});
	assert_found("logged-twice");
	(void)state;
}

static void test_a_stop_that_no_stock_has_forgotten_is_logged_once(void **state)
{
	stop_again(&(struct stopped_again){.released = true, .rows = 2});
	assert_found("logged-twice");
	(void)state;
}

static void test_a_stop_that_nobody_has_released_is_logged_once(void **state)
{
	stop_again(&(struct stopped_again){.lost = true, .rows = 2});
	assert_found("logged-twice");
	(void)state;
}

static void test_counters_that_do_not_add_up_are_found(void **state)
{
	struct history_stock_lot lot = {.available = 1, .held = 1, .allocated = 3};

	begin_shared(3);
	history_stock(story.judge, 0, 1, 1, true, &lot, 1);
	assert_found("p4-counter");
	(void)state;
}

enum arming { ARMED_NEVER, ARMED_IN_THE_STOCK, ARMED_BEFORE, ARMED_MEANWHILE, ARMED_AFTERWARDS };

/* A sale was told as disarmed, and the operator log does not have it. */
static void disarm_unlogged(enum arming arming)
{
	struct history_stock_lot lot = {.available = 2, .allocated = 2};
	struct history_rest rest = {.sale = 1, .lots = {{.allocated = 2, .moved_allocated = 2}}};
	uint32_t request;

	begin(2);
	if (arming != ARMED_NEVER)
		history_stock(story.judge, 0, 1, 1, true, &lot, 1);
	if (arming == ARMED_BEFORE)
		history_armed(story.judge, 1);
	story_at(&story, 1010);
	request = story_move(&story, HISTORY_DISARM, 0, "d");
	story_at(&story, 1020);
	if (arming == ARMED_MEANWHILE)
		history_armed(story.judge, 1);
	story_at(&story, 1030);
	story_done(&story, request, 0);
	story_at(&story, 1040);
	if (arming == ARMED_AFTERWARDS)
		history_armed(story.judge, 1);
	history_rest(story.judge, &rest);
}

static void test_a_disarm_that_is_not_logged_is_found(void **state)
{
	disarm_unlogged(ARMED_BEFORE);
	assert_found("not-logged");
	(void)state;
}

static void test_what_was_never_armed_is_disarmed_without_a_row(void **state)
{
	disarm_unlogged(ARMED_NEVER);
	assert_lawful();
	(void)state;
}

/* A gate has armed it, and the ledger is away, or has not come to that. */
static void test_what_the_stock_alone_has_armed_is_disarmed_without_a_row(void **state)
{
	disarm_unlogged(ARMED_IN_THE_STOCK);
	assert_lawful();
	(void)state;
}

/* The one was asked for before the other was done, so it may have come first. */
static void test_a_draft_is_disarmed_without_a_row_beside_its_arming(void **state)
{
	disarm_unlogged(ARMED_MEANWHILE);
	assert_lawful();
	(void)state;
}

static void test_a_draft_is_disarmed_without_a_row_before_its_arming(void **state)
{
	disarm_unlogged(ARMED_AFTERWARDS);
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_disarm_that_is_not_logged_is_found),
		TEST(test_what_was_never_armed_is_disarmed_without_a_row),
		TEST(test_what_the_stock_alone_has_armed_is_disarmed_without_a_row),
		TEST(test_a_draft_is_disarmed_without_a_row_beside_its_arming),
		TEST(test_a_draft_is_disarmed_without_a_row_before_its_arming),
		TEST(test_what_agrees_at_the_end_is_lawful),
		TEST(test_a_unit_that_leaked_is_found_at_the_end),
		TEST(test_an_order_that_is_not_in_the_ledger_is_found_at_the_end),
		TEST(test_what_is_left_over_is_found_at_the_end),
		TEST(test_a_hold_that_has_not_ended_at_the_end_is_found),
		TEST(test_a_hold_that_has_not_long_been_over_at_the_end_is_lawful),
		TEST(test_holds_that_have_not_ended_are_told_of_before_they_are_judged),
		TEST(test_by_a_clock_that_is_behind_a_hold_is_over_later_at_the_end),
		TEST(test_a_hold_of_a_sale_that_no_stock_has_may_stay),
		TEST(test_a_confirm_that_nobody_is_named_for_is_found),
		TEST(test_a_confirm_whose_operator_is_named_is_lawful),
		TEST(test_each_of_two_additions_is_logged),
		TEST(test_a_stop_that_was_sent_twice_is_logged_once),
		TEST(test_a_stop_that_was_forgotten_with_its_release_may_be_logged_again),
		TEST(test_a_stop_that_was_done_again_may_be_told_as_done_before),
		TEST(test_a_stop_is_logged_twice_at_most),
		TEST(test_a_stop_that_no_stock_has_forgotten_is_logged_once),
		TEST(test_a_stop_that_nobody_has_released_is_logged_once),
		TEST(test_counters_that_do_not_add_up_are_found),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

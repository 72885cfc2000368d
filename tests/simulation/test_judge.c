/*
 * Hand-made histories: each kind of breach is found, by its name, and what is lawful is not, however
 * odd it looks. What the judge takes wrongly for a breach costs a night; what it does not find, the
 * simulation does not find.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/story.h"

static struct story story;

static int tear_down(void **state)
{
	(void)state;
	story_end(&story);
	return 0;
}

static void begin(uint32_t units)
{
	story_begin(&story, &(struct story_terms){.units = units});
}

static void begin_shared(uint32_t units)
{
	story_begin(&story, &(struct story_terms){.units = units, .shared = true});
}

static void assert_found(const char *name)
{
	const char *breach = judge_end(story.judge);

	assert_non_null(breach);
	if (strncmp(breach, name, strlen(name)) != 0 || breach[strlen(name)] != ':')
		fail_msg("%s was expected: %s", name, breach);
}

static void assert_lawful(void)
{
	const char *breach = judge_end(story.judge);

	if (breach)
		fail_msg("%s", breach);
}

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

/* Order a of bob, which has expired, is confirmed: order b. */
static void confirm_late(void)
{
	char key[64], id[UUID_TEXT_SIZE];
	struct uuid expired = story_id('a');
	uint32_t confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");

	uuid_format(&expired, id);
	snprintf(key, sizeof(key), "late-confirm %s", id);
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_RESERVED, .sale = 1, .quantity = 1, .id = story_id('b'), .buyer = "bob", .key = key});
	story.buyer['b'] = "bob";
	story.units['b'] = 1;
	story_settled(&story, confirm, 'b', "confirmed");
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
	tear_down(state);
	end_with(leak_in_movements, "p4-rest");
	tear_down(state);
	end_with(leak_in_ledger, "p4-rest");
}

static void test_an_order_that_is_not_in_the_ledger_is_found_at_the_end(void **state)
{
	end_with(no_row, "p2-lost");
	tear_down(state);
	end_with(another_state, "p4-rest");
}

static void test_what_is_left_over_is_found_at_the_end(void **state)
{
	end_with(dead_letter, "dead-letter");
	tear_down(state);
	end_with(outbox, "outbox");
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
	tear_down(state);
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
	tear_down(state);
	stop_with_a_retry(2);
	assert_found("logged-twice");
}

static void test_counters_that_do_not_add_up_are_found(void **state)
{
	struct history_stock_lot lot = {.available = 1, .held = 1, .allocated = 3};

	begin_shared(3);
	history_stock(story.judge, 0, 1, 1, true, &lot, 1);
	assert_found("p4-counter");
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
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
		TEST(test_more_than_the_limit_is_found),
		TEST(test_who_has_cancelled_may_buy_again),
		TEST(test_two_orders_of_a_key_are_found),
		TEST(test_a_key_of_two_buyers_is_two_keys),
		TEST(test_a_replay_in_another_text_is_found),
		TEST(test_an_order_for_two_keys_is_found),
		TEST(test_the_same_order_without_a_key_twice_is_found),
		TEST(test_a_replay_after_everything_is_lawful),
		TEST(test_an_order_that_nobody_asked_for_is_found),
		TEST(test_a_purchase_that_was_refused_and_is_in_the_log_is_found),
		TEST(test_an_order_of_a_request_that_was_refused_before_is_found),
		TEST(test_an_unknown_outcome_may_come_true_late),
		TEST(test_a_retry_that_is_refused_says_nothing_of_the_first_request),
		TEST(test_a_late_confirm_makes_an_order_of_its_own),
		TEST(test_sold_out_with_units_all_the_time_is_found),
		TEST(test_a_gate_may_know_the_stock_as_it_was_a_tenth_of_a_second_ago),
		TEST(test_what_a_gate_knew_before_is_too_old),
		TEST(test_a_gate_that_stood_still_counts_by_its_own_clock),
		TEST(test_two_units_of_one_are_sold_out),
		TEST(test_sold_out_while_nobody_knows_the_counter_is_lawful),
		TEST(test_a_hold_that_ends_early_is_found),
		TEST(test_a_hold_ends_after_its_length),
		TEST(test_a_hold_that_was_extended_ends_later),
		TEST(test_a_clock_that_is_ahead_may_end_a_hold_by_that),
		TEST(test_a_stock_that_was_built_again_ends_holds_by_the_wall_clock),
		TEST(test_hold_expired_before_it_was_told_is_found),
		TEST(test_a_drifting_clock_may_shorten_a_hold_by_its_drift),
		TEST(test_a_sale_behind_a_stop_that_was_told_is_found),
		TEST(test_what_was_asked_before_the_stop_may_still_be_sold),
		TEST(test_who_has_paid_late_is_not_held_up_by_a_stop),
		TEST(test_a_stop_ends_with_a_release),
		TEST(test_a_release_without_an_answer_may_come_behind_the_stop),
		TEST(test_who_gets_no_answer_is_found),
		TEST(test_an_outcome_that_stays_unknown_is_found),
		TEST(test_a_request_that_stays_in_flight_is_found),
		TEST(test_while_faults_go_on_outcomes_may_be_unknown),
		TEST(test_an_answer_of_another_buyers_order_is_found),
		TEST(test_a_leaked_unit_is_found_by_who_was_told_that_there_is_none),
		TEST(test_a_unit_that_a_failing_purchase_had_meanwhile_is_lawful),
		TEST(test_a_limit_that_is_reached_by_nothing_is_found),
		TEST(test_a_limit_that_an_unknown_purchase_has_reached_is_lawful),
		TEST(test_sold_out_before_the_last_unit_was_sold_is_found),
		TEST(test_a_crowd_of_refusals_and_returns_has_an_order),
		TEST(test_what_agrees_at_the_end_is_lawful),
		TEST(test_a_unit_that_leaked_is_found_at_the_end),
		TEST(test_an_order_that_is_not_in_the_ledger_is_found_at_the_end),
		TEST(test_what_is_left_over_is_found_at_the_end),
		TEST(test_a_confirm_that_nobody_is_named_for_is_found),
		TEST(test_a_confirm_whose_operator_is_named_is_lawful),
		TEST(test_each_of_two_additions_is_logged),
		TEST(test_a_stop_that_was_sent_twice_is_logged_once),
		TEST(test_counters_that_do_not_add_up_are_found),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

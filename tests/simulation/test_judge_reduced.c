/*
 * Hand-made histories for the judge: units that orders give back. What is broken is found by its
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

static void begin_with_order(uint32_t units)
{
	story_begin(&story, &(struct story_terms){.units = 4, .limit = 4, .shared = true});
	story_sell(&story, 'a', "bob", "k1", units);
}

static void count(int64_t available, int64_t held, int64_t withdrawn)
{
	struct history_stock_lot lot = {
		.available = available, .held = held, .withdrawn = withdrawn, .allocated = available + held + withdrawn};

	history_stock(story.judge, 0, 1, 1, true, &lot, 1);
}

/* Asked for, and not answered with what came of it. */
static void reduce_unknown(const char *key, uint32_t units, enum history_place to)
{
	story_refused(&story, story_reduce(&story, 'a', key, units, to), 503, "outcome-unknown");
}

static void test_units_that_go_where_they_were_sent_are_lawful(void **state)
{
	static const enum history_place places[] = {PLACE_SALE, PLACE_WAREHOUSE, PLACE_GONE};
	static const char *const keys[] = {"r0", "r1", "r2"};

	begin_with_order(4);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t reduce = story_reduce(&story, 'a', keys[i], 1, places[i]);

		story_reduced(&story, 'a', 1, places[i]);
		count(1, 3 - i, i);
		story_settled(&story, reduce, 'a', "held");
	}
	count(0, 2, 2);
	story_sell(&story, 'b', "eve", "k2", 1);
	assert_lawful();
	(void)state;
}

static void test_a_unit_that_is_gone_and_sold_again_is_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_GONE);
	story_reduced(&story, 'a', 1, PLACE_GONE);
	count(1, 3, 0); /* for sale again */
	assert_found("p1-counter");
	(void)state;
}

static void test_a_unit_that_comes_back_before_its_reduction_is_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	count(1, 3, 0);
	assert_found("p1-counter");
	(void)state;
}

static void test_units_that_nobody_has_sent_there_are_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_GONE);
	assert_found("units-astray");
	(void)state;
}

static void test_more_units_than_anybody_has_asked_for_are_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 2, PLACE_SALE);
	assert_found("units-astray");
	(void)state;
}

static void test_a_cancel_whose_units_go_astray_is_found(void **state)
{
	begin_with_order(2);
	story_ask_keyed(&story, HISTORY_CANCEL, 'a', "c"); /* back to the sale */
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_CANCELLED, .sale = 1, .id = story_id('a'), .to = PLACE_GONE, .actor = "ann"});
	assert_found("units-astray");
	(void)state;
}

static void test_one_request_that_reduces_twice_is_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	reduce_unknown("r", 1, PLACE_SALE); /* again, with its key */
	story_reduced(&story, 'a', 1, PLACE_SALE);
	assert_found("reduced-twice");
	(void)state;
}

static void test_two_requests_that_were_both_told_of_one_reduction_are_found(void **state)
{
	uint32_t first, second;

	begin_with_order(4);
	first = story_reduce(&story, 'a', "r1", 1, PLACE_SALE);
	second = story_reduce(&story, 'a', "r2", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_settled(&story, first, 'a', "held");
	story_settled(&story, second, 'a', "held");
	assert_found("p2-not-durable");
	(void)state;
}

static void test_a_request_that_is_sent_again_may_be_told_again(void **state)
{
	begin_with_order(4);
	for (int i = 0; i < 2; i++) {
		uint32_t reduce = story_reduce(&story, 'a', "r", 1, PLACE_SALE);

		if (i == 0)
			story_reduced(&story, 'a', 1, PLACE_SALE);
		story_settled(&story, reduce, 'a', "held");
	}
	assert_lawful();
	(void)state;
}

static void test_a_reduction_that_is_told_and_not_logged_is_found(void **state)
{
	uint32_t reduce;

	begin_with_order(4);
	reduce = story_reduce(&story, 'a', "r", 1, PLACE_SALE);
	story.units['a'] = 3;
	story_settled(&story, reduce, 'a', "held");
	assert_found("wrong-answer"); /* the order never had so many */
	(void)state;
}

static void test_a_reduction_of_what_the_order_has_not_is_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_REDUCED, .sale = 1, .quantity = 1, .left = 2, .id = story_id('a'), .actor = "ann"});
	assert_found("wrong-reduction");
	(void)state;
}

static void test_the_last_unit_is_a_cancel(void **state)
{
	uint32_t reduce;

	begin_with_order(1);
	reduce = story_reduce(&story, 'a', "r", 1, PLACE_WAREHOUSE);
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_CANCELLED, .sale = 1, .id = story_id('a'), .to = PLACE_WAREHOUSE, .actor = "ann"});
	count(3, 0, 1);
	story_settled(&story, reduce, 'a', "cancelled");
	assert_lawful();
	(void)state;
}

/*
 * A reduction of a held order is refused (`reduced`: it comes through all the same); somebody
 * confirms the order; the reduction is sent again with `key`, and told as done.
 */
static void reduce_around_a_confirm(const char *key, const char *code, bool reduced)
{
	uint32_t reduce, confirm;

	story_at(&story, 2000);
	reduce = story_reduce(&story, 'a', "r", 1, PLACE_SALE);
	if (reduced)
		story_reduced(&story, 'a', 1, PLACE_SALE);
	story_refused(&story, reduce, 503, code);
	story_at(&story, 3000);
	confirm = story_ask_keyed(&story, HISTORY_CONFIRM, 'a', "p");
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, confirm, 'a', "confirmed");
	story_at(&story, 4000);
	reduce = story_reduce(&story, 'a', key, 1, PLACE_SALE);
	if (!reduced)
		story_reduced(&story, 'a', 1, PLACE_SALE);
	story_settled(&story, reduce, 'a', "confirmed");
}

static void test_a_reduction_of_a_hold_that_becomes_a_refund_is_found(void **state)
{
	begin_with_order(4);
	reduce_around_a_confirm("r", "journal-unavailable", false);
	assert_found("refund-unmeant");
	(void)state;
}

static void test_another_key_may_take_units_of_what_is_confirmed(void **state)
{
	begin_with_order(4);
	reduce_around_a_confirm("r2", "journal-unavailable", false);
	assert_lawful();
	(void)state;
}

static void test_a_reduction_that_no_gate_has_decided_on_may_become_a_refund(void **state)
{
	begin_with_order(4);
	reduce_around_a_confirm("r", "stock-unavailable", false);
	assert_lawful();
	(void)state;
}

static void test_a_reduction_that_the_ledger_has_forgotten_may_become_a_refund(void **state)
{
	begin_with_order(4);
	history_ledger_restored(story.judge);
	reduce_around_a_confirm("r", "journal-unavailable", false);
	assert_lawful();
	(void)state;
}

static void test_a_reduction_of_a_hold_may_be_told_when_it_is_confirmed(void **state)
{
	begin_with_order(4);
	reduce_around_a_confirm("r", "outcome-unknown", true);
	assert_lawful();
	(void)state;
}

/* Bought, reduced, and asked for again with its key. */
static void buy_again_behind_a_reduction(uint32_t units)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_at(&story, 2000);
	story_refused(&story, story_buy(&story, "bob", "k1", units, 0), 422, "idempotency-key-reused");
}

static void test_a_purchase_whose_key_is_forgotten_by_a_reduction_is_found(void **state)
{
	buy_again_behind_a_reduction(4);
	assert_found("key-forgotten");
	(void)state;
}

static void test_the_key_of_another_purchase_is_used(void **state)
{
	buy_again_behind_a_reduction(3); /* as many as it has now, and not as it was asked for */
	assert_lawful();
	(void)state;
}

static void test_a_purchase_is_told_as_it_was_granted(void **state)
{
	uint32_t again;

	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	again = story_buy(&story, "bob", "k1", 4, 0);
	story_bought(&story, again, 'a'); /* as it is now */
	assert_found("wrong-answer");
	(void)state;
}

static void test_what_was_given_back_counts_for_nobodys_limit(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 2, PLACE_SALE);
	story_reduced(&story, 'a', 2, PLACE_SALE);
	story_sell(&story, 'b', "bob", "k2", 2);
	assert_lawful();
	(void)state;
}

/* Where the sale is over, units that were to go back to it go to the warehouse. */
static void test_what_no_stock_sells_goes_to_the_warehouse(void **state)
{
	begin_with_order(4);
	count(0, 4, 0);
	history_stock(story.judge, 0, 1, 1, false, &(struct history_stock_lot){0}, 1);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_WAREHOUSE);
	assert_lawful();
	(void)state;
}

/* One unit to the sale, and one to the warehouse while the stock is lost, of one request each. */
static void give_to_both(void)
{
	begin_with_order(4);
	count(0, 4, 0);
	reduce_unknown("r1", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	history_stock_lost(story.judge, 0);
	reduce_unknown("r2", 1, PLACE_WAREHOUSE);
	story_reduced(&story, 'a', 1, PLACE_WAREHOUSE);
}

/*
 * What went to the warehouse when no stock had the sale is not known to have been sent to the sale.
 */
static void test_a_lost_stock_makes_no_request_anothers(void **state)
{
	give_to_both();
	reduce_unknown("r3", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	assert_lawful();
	(void)state;
}

static void test_one_more_than_was_sent_to_either_place_is_found(void **state)
{
	give_to_both();
	story_reduced(&story, 'a', 1, PLACE_WAREHOUSE); /* who has sent them to the sale has had that */
	assert_found("reduced-twice");
	(void)state;
}

static void test_where_units_went_is_kept_when_the_log_is_read_anew(void **state)
{
	begin_with_order(4);
	count(0, 4, 0);
	reduce_unknown("r1", 1, PLACE_WAREHOUSE);
	story_reduced(&story, 'a', 1, PLACE_WAREHOUSE);
	reduce_unknown("r2", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	history_stock_lost(story.judge, 0);
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 4, 0);
	story.units['a'] = 4;
	story_reduced(&story, 'a', 1, PLACE_WAREHOUSE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	history_reread(story.judge, false);
	assert_lawful();
	(void)state;
}

static void test_a_reduction_that_the_feed_leaves_out_is_found(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_fed(&story, RECORD_CONFIRMED, 'a', "confirmed");
	assert_found("feed-order");
	(void)state;
}

static void test_a_feed_that_tells_of_reductions_is_lawful(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_SALE);
	story_fed(&story, RECORD_RESERVED, 'a', "held");
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_fed(&story, RECORD_REDUCED, 'a', "held");
	history_feed_asked(story.judge);
	history_feed_end(story.judge);
	assert_lawful();
	(void)state;
}

/* A log that was read anew without its end has lost what was told. */
static void test_a_reduction_that_the_log_has_lost_is_found(void **state)
{
	uint32_t reduce;

	begin_with_order(4);
	reduce = story_reduce(&story, 'a', "r", 1, PLACE_GONE);
	story_reduced(&story, 'a', 1, PLACE_GONE);
	story_settled(&story, reduce, 'a', "held");
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 4, 0);
	history_reread(story.judge, false);
	assert_found("p2-lost");
	(void)state;
}

static void test_a_reduction_that_nobody_was_told_of_may_be_lost(void **state)
{
	begin_with_order(4);
	reduce_unknown("r", 1, PLACE_GONE);
	story_reduced(&story, 'a', 1, PLACE_GONE);
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 4, 0);
	history_reread(story.judge, false);
	count(0, 4, 0);
	assert_lawful();
	(void)state;
}

/*
 * What was bought with the room that it left was bought behind it, however late the log is read
 * anew.
 */
static void test_a_reduction_keeps_its_time_when_the_log_is_read_anew(void **state)
{
	story_begin(&story, &(struct story_terms){.units = 4, .limit = 2});
	story_sell(&story, 'a', "bob", "k1", 2);
	reduce_unknown("r", 1, PLACE_SALE);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_at(&story, 2000);
	story_sell(&story, 'b', "bob", "k2", 1);
	story_at(&story, 5000);
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 2, 0);
	story_reduced(&story, 'a', 1, PLACE_SALE);
	story_reserved(&story, 'b', "bob", "k2", 1, 0);
	history_reread(story.judge, false);
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_units_that_go_where_they_were_sent_are_lawful),
		TEST(test_a_unit_that_is_gone_and_sold_again_is_found),
		TEST(test_a_unit_that_comes_back_before_its_reduction_is_found),
		TEST(test_units_that_nobody_has_sent_there_are_found),
		TEST(test_more_units_than_anybody_has_asked_for_are_found),
		TEST(test_a_cancel_whose_units_go_astray_is_found),
		TEST(test_one_request_that_reduces_twice_is_found),
		TEST(test_two_requests_that_were_both_told_of_one_reduction_are_found),
		TEST(test_a_request_that_is_sent_again_may_be_told_again),
		TEST(test_a_reduction_that_is_told_and_not_logged_is_found),
		TEST(test_a_reduction_of_what_the_order_has_not_is_found),
		TEST(test_the_last_unit_is_a_cancel),
		TEST(test_a_reduction_of_a_hold_that_becomes_a_refund_is_found),
		TEST(test_another_key_may_take_units_of_what_is_confirmed),
		TEST(test_a_reduction_that_no_gate_has_decided_on_may_become_a_refund),
		TEST(test_a_reduction_that_the_ledger_has_forgotten_may_become_a_refund),
		TEST(test_a_reduction_of_a_hold_may_be_told_when_it_is_confirmed),
		TEST(test_a_purchase_whose_key_is_forgotten_by_a_reduction_is_found),
		TEST(test_the_key_of_another_purchase_is_used),
		TEST(test_a_purchase_is_told_as_it_was_granted),
		TEST(test_what_was_given_back_counts_for_nobodys_limit),
		TEST(test_what_no_stock_sells_goes_to_the_warehouse),
		TEST(test_a_lost_stock_makes_no_request_anothers),
		TEST(test_one_more_than_was_sent_to_either_place_is_found),
		TEST(test_where_units_went_is_kept_when_the_log_is_read_anew),
		TEST(test_a_reduction_that_the_feed_leaves_out_is_found),
		TEST(test_a_feed_that_tells_of_reductions_is_lawful),
		TEST(test_a_reduction_that_the_log_has_lost_is_found),
		TEST(test_a_reduction_that_nobody_was_told_of_may_be_lost),
		TEST(test_a_reduction_keeps_its_time_when_the_log_is_read_anew),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

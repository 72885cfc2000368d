/*
 * Hand-made histories for the judge: what orders are paid with. What is broken is found by its
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

/* Order a of bob and order b of eve are held. */
static void begin_two(void)
{
	begin(2);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_sell(&story, 'b', "eve", "k1", 1);
	story_at(&story, 2000);
}

static void pay(char order, const char *reference)
{
	uint32_t request = story_pay(&story, order, NULL, reference, STORY_PRICE);

	story_paid(&story, RECORD_CONFIRMED, order, reference);
	story_settled(&story, request, order, "confirmed");
}

static void refuse(char order, const char *reference, int64_t amount, const char *code)
{
	story_refused(&story, story_pay(&story, order, NULL, reference, amount), 409, code);
}

static void test_payments_that_are_told_again_and_refused_are_lawful(void **state)
{
	begin_two();
	pay('a', "p1");
	story_settled(&story, story_pay(&story, 'a', NULL, "p1", 0), 'a', "confirmed");
	refuse('a', "p2", STORY_PRICE, "paid-already");
	refuse('b', "p1", 0, "reference-used");
	refuse('b', "p3", STORY_PRICE + 1, "wrong-amount");
	pay('b', "p3");
	assert_lawful();
	(void)state;
}

static void test_a_second_payment_that_is_swallowed_is_found(void **state)
{
	begin_two();
	pay('a', "p1");
	story_settled(&story, story_pay(&story, 'a', NULL, "p2", 0), 'a', "confirmed");
	assert_found("payment-swallowed");
	(void)state;
}

static void test_a_payment_that_is_told_and_not_in_the_log_is_found(void **state)
{
	uint32_t request;

	begin_two();
	request = story_pay(&story, 'a', NULL, "p1", 0);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, request, 'a', "confirmed");
	assert_found("payment-lost");
	(void)state;
}

static void test_a_reference_that_pays_for_two_orders_is_found(void **state)
{
	begin_two();
	pay('a', "p1");
	story_paid(&story, RECORD_CONFIRMED, 'b', "p1");
	assert_found("reference-twice");
	(void)state;
}

static void test_an_order_that_was_given_back_keeps_its_payment(void **state)
{
	uint32_t cancel;

	begin_two();
	pay('a', "p1");
	cancel = story_ask(&story, HISTORY_CANCEL, 'a', "ann");
	story_record(&story, RECORD_REFUNDED, 'a', "ann");
	story_settled(&story, cancel, 'a', "cancelled");
	story_paid(&story, RECORD_CONFIRMED, 'b', "p1");
	assert_found("reference-twice");
	(void)state;
}

static void test_a_wrong_amount_that_is_taken_is_found(void **state)
{
	uint32_t request;

	begin_two();
	request = story_pay(&story, 'a', NULL, NULL, STORY_PRICE - 1);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	story_settled(&story, request, 'a', "confirmed");
	assert_found("payment-amount");
	(void)state;
}

static void test_refusals_without_a_cause_are_found(void **state)
{
	begin_two();
	refuse('a', "p1", STORY_PRICE, "paid-already");
	assert_found("payment-refused");
	story_test_tear_down(state);
	begin_two();
	refuse('a', "p1", STORY_PRICE, "reference-used");
	assert_found("payment-refused");
	story_test_tear_down(state);
	begin_two();
	refuse('a', "p1", STORY_PRICE, "wrong-amount");
	assert_found("payment-refused");
}

static void test_a_refusal_that_names_another_order_is_found(void **state)
{
	uint32_t request;

	begin_two();
	pay('a', "p1");
	request = story_pay(&story, 'b', NULL, "p1", 0);
	history_answer(story.judge, request,
		       &(struct history_answer){.status = 409, .code = "reference-used", .payer = story_id('b')});
	assert_found("payment-refused");
	(void)state;
}

static void test_an_order_that_was_born_confirmed_takes_the_first_payment(void **state)
{
	uint32_t request;

	story_begin(&story, &(struct story_terms){.units = 1, .born_confirmed = true});
	request = story_buy(&story, "bob", "k1", 1, 0);
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_RESERVED, .sale = 1, .quantity = 1, .id = story_id('a'), .buyer = "bob", .key = "k1"});
	story.buyer['a'] = "bob";
	story.units['a'] = 1;
	story_bought(&story, request, 'a');
	request = story_pay(&story, 'a', NULL, "p1", 0);
	story_paid(&story, RECORD_PAID, 'a', "p1");
	story_settled(&story, request, 'a', "confirmed");
	story_paid(&story, RECORD_PAID, 'a', "p2"); /* comes late, and does nothing */
	refuse('a', "p2", 0, "paid-already");
	assert_lawful();
	(void)state;
}

/*
 * Bob's order, which ann has confirmed by p1 without a reason; in the ledger it has what `row`
 * says.
 */
static void end_with_row(const struct history_rest_order *row)
{
	struct history_rest_log log[] = {{.actor = "ann", .action = "order.confirm"}};
	struct history_rest rest = {.sale = 1,
				    .lots = {{.allocated = 1, .confirmed = 1, .moved_allocated = 1, .moved_confirmed = 1}},
				    .orders = row,
				    .order_count = 1,
				    .log = log,
				    .log_count = 1};
	struct uuid id = story_id('a');

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	pay('a', "p1");
	uuid_format(&id, log[0].subject);
	history_rest(story.judge, &rest);
}

static struct history_rest_order row_of_the_order(void)
{
	return (struct history_rest_order){
		.id = story_id('a'), .state = "confirmed", .quantity = 1, .buyer = "bob", .key = "k1", .payment = "p1"};
}

static void end_with_ledgers(const char *reference)
{
	struct history_rest_order row = row_of_the_order();

	snprintf(row.payment, sizeof(row.payment), "%s", reference);
	end_with_row(&row);
}

static void end_with_who(const char *actor, const char *reason)
{
	struct history_rest_order row = row_of_the_order();

	snprintf(row.actor, sizeof(row.actor), "%s", actor);
	snprintf(row.reason, sizeof(row.reason), "%s", reason);
	end_with_row(&row);
}

static void test_who_has_changed_an_order_and_why_is_held_against_the_log(void **state)
{
	end_with_who("ann", "");
	assert_lawful();
	story_test_tear_down(state);
	end_with_who("bob", "");
	assert_found("who-lost");
	story_test_tear_down(state);
	end_with_who("ann", "another");
	assert_found("who-lost");
}

static void test_a_payment_that_is_not_in_the_ledger_at_the_end_is_found(void **state)
{
	end_with_ledgers("");
	assert_found("payment-lost");
	story_test_tear_down(state);
	end_with_ledgers("p2");
	assert_found("payment-lost");
	story_test_tear_down(state);
	end_with_ledgers("p1");
	assert_lawful();
}

static void test_a_payment_that_was_told_and_is_gone_from_the_log_is_found(void **state)
{
	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	pay('a', "p1");
	history_reread(story.judge, true);
	story_reserved(&story, 'a', "bob", "k1", 1, 0);
	story_record(&story, RECORD_CONFIRMED, 'a', "ann");
	history_reread(story.judge, false);
	assert_found("p2-lost");
	(void)state;
}

static void test_a_late_confirm_pays_for_the_order_that_it_makes(void **state)
{
	uint32_t request;

	begin(1);
	story_sell(&story, 'a', "bob", "k1", 1);
	story_at(&story, 12000);
	story_record(&story, RECORD_EXPIRED, 'a', "clock");
	request = story_pay(&story, 'a', NULL, "p1", 0);
	record_late_order();
	story_paid(&story, RECORD_PAID, 'b', "p1");
	story_settled(&story, request, 'b', "confirmed");
	refuse('a', "p2", 0, "paid-already");
	assert_lawful();
	(void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, story_test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_payments_that_are_told_again_and_refused_are_lawful),
		TEST(test_a_second_payment_that_is_swallowed_is_found),
		TEST(test_a_payment_that_is_told_and_not_in_the_log_is_found),
		TEST(test_a_reference_that_pays_for_two_orders_is_found),
		TEST(test_an_order_that_was_given_back_keeps_its_payment),
		TEST(test_a_wrong_amount_that_is_taken_is_found),
		TEST(test_refusals_without_a_cause_are_found),
		TEST(test_a_refusal_that_names_another_order_is_found),
		TEST(test_an_order_that_was_born_confirmed_takes_the_first_payment),
		TEST(test_who_has_changed_an_order_and_why_is_held_against_the_log),
		TEST(test_a_payment_that_is_not_in_the_ledger_at_the_end_is_found),
		TEST(test_a_payment_that_was_told_and_is_gone_from_the_log_is_found),
		TEST(test_a_late_confirm_pays_for_the_order_that_it_makes),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}

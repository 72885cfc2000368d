/*
 * The judge is judged: each way in which answers can break a promise is put before the book and the
 * verdict, and must be found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "crowd/book.h"
#include "crowd/verdict.h"

static const char *const skus[] = {"M", "L"};
static const char first_id[] = "01930000-0000-7000-8000-000000000001";
static const char second_id[] = "01930000-0000-7000-8000-000000000002";

static int setup(void **state)
{
	static struct book book;

	assert_int_equal(book_init(&book, 8), 0);
	strcpy(book.run, "0badcafe");
	book.sale = "drop";
	book.skus = skus;
	book.sku_count = 2;
	book.quantity = 1;
	book.people = 2;
	book.buyers = 3;
	for (uint32_t i = 0; i < 4; i++)
		book_add(&book, i % 3, 0);
	*state = &book;
	return 0;
}

static int teardown(void **state)
{
	book_deinit(*state);
	return 0;
}

static const char *order_body(const struct book *book, uint32_t purchase, const char *id)
{
	static char body[512];
	char buyer[BOOK_NAME_SIZE];

	book_buyer_name(book, book->purchases[purchase].buyer, buyer);
	snprintf(body, sizeof(body),
		 "{\"id\":\"%s\",\"sale\":\"drop\",\"sku\":\"M\",\"buyer\":\"%s\",\"quantity\":1,\"state\":\"held\","
		 "\"placed_at\":\"2027-01-01T10:00:00.000Z\",\"hold_expires_at\":\"2027-01-01T10:02:00.000Z\"}",
		 id, buyer);
	return body;
}

static enum tally_kind counted;

static enum book_next give(struct book *book, uint32_t purchase, bool after_accept, int status, const char *body, int64_t retry_after_s)
{
	struct answer answer = {.status = status, .retry_after_s = retry_after_s, .body = slice_of(body)};

	return book_answer(book, purchase, after_accept, &answer, 1000, &counted);
}

static void accept_first(struct book *book)
{
	assert_int_equal(give(book, 0, false, 202, order_body(book, 0, first_id), -1), BOOK_SETTLED);
	assert_int_equal(book->purchases[0].told, TOLD_ACCEPTED);
	assert_int_equal(counted, TALLY_ACCEPTED);
}

/* --- The book --- */

static void test_keys_are_found_again_and_strange_ones_are_not(void **state)
{
	struct book *book = *state;
	char key[BOOK_NAME_SIZE];
	uint32_t purchase = 99;

	book_key(book, 3, key);
	assert_true(book_find_key(book, slice_of(key), &purchase));
	assert_int_equal(purchase, 3);
	assert_false(book_find_key(book, SLICE("0badcafe-00000004"), &purchase));
	assert_false(book_find_key(book, SLICE("0badcafe-0000000X"), &purchase));
	assert_false(book_find_key(book, SLICE("0badcaff-00000001"), &purchase));
	assert_false(book_find_key(book, SLICE_NULL, &purchase));
}

static void test_the_same_bytes_again_are_a_replay(void **state)
{
	struct book *book = *state;

	accept_first(book);
	give(book, 0, true, 202, order_body(book, 0, first_id), -1);
	assert_int_equal(counted, TALLY_REPLAYED);
	assert_int_equal(book_faults_total(&book->faults), 0);
}

static void test_other_bytes_for_the_same_key_break_p3(void **state)
{
	struct book *book = *state;

	accept_first(book);
	give(book, 0, true, 202, order_body(book, 0, second_id), -1);
	assert_int_equal(book->faults.counts[3], 1);
	assert_non_null(strstr(book->faults.first[3], "different bytes"));
}

static void test_a_refusal_of_an_order_that_was_accepted_breaks_p3(void **state)
{
	struct book *book = *state;

	accept_first(book);
	give(book, 0, true, 410, "{\"code\":\"sold-out\"}", -1);
	assert_int_equal(book->faults.counts[3], 1);
	assert_int_equal(book->purchases[0].told, TOLD_ACCEPTED);
}

static void test_a_refusal_that_crossed_the_202_breaks_nothing(void **state)
{
	struct book *book = *state;

	accept_first(book);
	give(book, 0, false, 410, "{\"code\":\"sold-out\"}", -1);
	assert_int_equal(book_faults_total(&book->faults), 0);
}

static void test_another_buyers_order_breaks_p5(void **state)
{
	struct book *book = *state;

	give(book, 0, false, 202, order_body(book, 1, first_id), -1);
	assert_int_equal(book->faults.counts[5], 1);
	assert_int_equal(book->purchases[0].told, TOLD_NOTHING);
}

static void test_an_answer_outside_the_table_breaks_p5(void **state)
{
	struct book *book = *state;

	give(book, 0, false, 500, "{\"code\":\"internal\"}", -1);
	give(book, 0, false, 410, "{\"code\":\"gone-fishing\"}", -1);
	give(book, 0, false, 202, "not json", -1);
	assert_int_equal(book->faults.counts[5], 3);
}

static void test_overload_without_retry_after_breaks_p5(void **state)
{
	struct book *book = *state;

	assert_int_equal(give(book, 0, false, 503, "{\"code\":\"overloaded\"}", -1), BOOK_AGAIN);
	assert_int_equal(give(book, 0, false, 503, "{\"code\":\"overloaded\"}", 1), BOOK_AGAIN);
	assert_int_equal(book->faults.counts[5], 1);
}

static void test_a_lost_answer_stays_open_until_the_order_is_spoken_of(void **state)
{
	struct book *book = *state;

	book_lost(book, 0, true, 500);
	assert_int_equal(book->purchases[0].open_since_ns, 500);
	/* These speak of the moment, not of the order. */
	assert_int_equal(give(book, 0, false, 503, "{\"code\":\"shutting-down\"}", 1), BOOK_AGAIN);
	assert_int_equal(give(book, 0, false, 429, "{\"code\":\"address-rate-limited\"}", 5), BOOK_AGAIN);
	assert_int_equal(give(book, 0, false, 409, "{\"code\":\"request-in-flight\"}", 1), BOOK_AGAIN);
	assert_int_equal(book->purchases[0].open_since_ns, 500);
	assert_int_equal(give(book, 0, false, 202, order_body(book, 0, first_id), -1), BOOK_SETTLED);
	assert_int_equal(book->purchases[0].open_since_ns, 0);
	assert_int_equal(book_faults_total(&book->faults), 0);
}

static void test_a_request_that_never_left_is_not_open(void **state)
{
	struct book *book = *state;

	book_lost(book, 0, false, 500);
	assert_int_equal(book->purchases[0].open_since_ns, 0);
}

static void test_outcome_unknown_is_open(void **state)
{
	struct book *book = *state;

	assert_int_equal(give(book, 0, false, 503, "{\"code\":\"outcome-unknown\"}", 1), BOOK_AGAIN);
	assert_int_not_equal(book->purchases[0].open_since_ns, 0);
	assert_int_equal(give(book, 0, false, 410, "{\"code\":\"sold-out\"}", -1), BOOK_SETTLED);
	assert_int_equal(book->purchases[0].open_since_ns, 0);
}

static void test_an_order_that_the_operator_does_not_know_breaks_p2(void **state)
{
	struct book *book = *state;
	struct answer answer = {.status = 404, .retry_after_s = -1, .body = SLICE("{\"code\":\"unknown-order\"}")};

	accept_first(book);
	assert_int_equal(book_confirm_answer(book, 0, &answer), BOOK_SETTLED);
	assert_int_equal(book->faults.counts[2], 1);
}

/* --- The verdict --- */

static struct verdict_order ledger_order(const struct book *book, uint32_t purchase, const char *id)
{
	static char buyers[4][BOOK_NAME_SIZE], keys[4][BOOK_NAME_SIZE];
	struct verdict_order order = {
		.sku = SLICE("M"),
		.quantity = 1,
		.state = ORDER_HELD,
		.placed_at_ms = 1798797600000,
		.first_hold_expires_at_ms = 1798797720000,
	};

	book_buyer_name(book, book->purchases[purchase].buyer, buyers[purchase]);
	book_key(book, purchase, keys[purchase]);
	order.buyer = slice_of(buyers[purchase]);
	order.key = slice_of(keys[purchase]);
	assert_int_equal(uuid_parse(slice_of(id), &order.id), 0);
	return order;
}

static void judge(struct book *book, struct verdict_order *orders, size_t count, int64_t units, struct verdict *verdict)
{
	struct verdict_lot lot = {SLICE("M"), units, 0};

	assert_int_equal(verdict_init(verdict, book, &lot, 1, 1), 0);
	for (size_t i = 0; i < count; i++)
		verdict_order(verdict, &orders[i]);
	verdict_finish(verdict);
	verdict_deinit(verdict);
}

static void test_a_ledger_that_has_what_was_told_is_fine(void **state)
{
	struct book *book = *state;
	struct verdict_order order;
	struct verdict verdict;

	accept_first(book);
	order = ledger_order(book, 0, first_id);
	judge(book, &order, 1, 1, &verdict);
	assert_string_equal(verdict.faults.first[2], "");
	assert_int_equal(book_faults_total(&verdict.faults), 0);
	assert_int_equal(verdict.held, 1);
}

static void test_a_missing_order_breaks_p2(void **state)
{
	struct book *book = *state;
	struct verdict verdict;

	accept_first(book);
	judge(book, NULL, 0, 1, &verdict);
	assert_int_equal(verdict.faults.counts[2], 1);
	assert_non_null(strstr(verdict.faults.first[2], first_id));
}

static void test_other_values_than_were_told_break_p2(void **state)
{
	struct book *book = *state;
	struct verdict_order order;
	struct verdict verdict;

	accept_first(book);
	order = ledger_order(book, 0, first_id);
	order.first_hold_expires_at_ms += 1;
	judge(book, &order, 1, 1, &verdict);
	assert_int_equal(verdict.faults.counts[2], 1);
	assert_non_null(strstr(verdict.faults.first[2], "hold_expires_at"));
}

static void test_a_confirmation_that_is_gone_breaks_p2(void **state)
{
	struct book *book = *state;
	struct answer paid = {.status = 200, .retry_after_s = -1};
	struct verdict_order order;
	struct verdict verdict;

	accept_first(book);
	assert_int_equal(book_confirm_answer(book, 0, &paid), BOOK_SETTLED);
	order = ledger_order(book, 0, first_id);
	judge(book, &order, 1, 1, &verdict);
	assert_int_equal(verdict.faults.counts[2], 1);
}

static void test_more_units_than_the_lot_has_break_p1(void **state)
{
	struct book *book = *state;
	struct verdict_order orders[2];
	struct verdict verdict;

	orders[0] = ledger_order(book, 0, first_id);
	orders[1] = ledger_order(book, 1, second_id);
	judge(book, orders, 2, 1, &verdict);
	assert_int_equal(verdict.faults.counts[1], 1);
	orders[1].state = ORDER_EXPIRED;
	judge(book, orders, 2, 1, &verdict);
	assert_int_equal(verdict.faults.counts[1], 0);
}

static void test_a_buyer_above_the_limit_breaks_p3(void **state)
{
	struct book *book = *state;
	struct verdict_order orders[2];
	struct verdict verdict;

	/* Purchases 0 and 3 are the same buyer's. */
	orders[0] = ledger_order(book, 0, first_id);
	orders[1] = ledger_order(book, 3, second_id);
	judge(book, orders, 2, 10, &verdict);
	assert_int_equal(verdict.faults.counts[3], 1);
}

static void test_two_orders_for_one_key_break_p3(void **state)
{
	struct book *book = *state;
	struct verdict_order orders[2];
	struct verdict verdict;

	accept_first(book);
	orders[0] = ledger_order(book, 0, first_id);
	orders[1] = ledger_order(book, 0, second_id);
	orders[1].state = ORDER_CANCELLED;
	judge(book, orders, 2, 10, &verdict);
	assert_int_equal(verdict.faults.counts[3], 2); /* a second order, and another than was told */
}

static void test_an_order_behind_a_refusal_breaks_p5(void **state)
{
	struct book *book = *state;
	struct verdict_order order;
	struct verdict verdict;

	give(book, 0, false, 410, "{\"code\":\"sold-out\"}", -1);
	order = ledger_order(book, 0, first_id);
	judge(book, &order, 1, 1, &verdict);
	assert_int_equal(verdict.faults.counts[5], 1);
}

static void test_orders_of_others_count_for_p1_only(void **state)
{
	struct book *book = *state;
	struct verdict_order order = ledger_order(book, 0, first_id);
	struct verdict verdict;

	order.key = SLICE("somebody-else");
	judge(book, &order, 1, 1, &verdict);
	assert_int_equal(book_faults_total(&verdict.faults), 0);
	assert_int_equal(verdict.foreign, 1);
	judge(book, &order, 1, 0, &verdict);
	assert_int_equal(verdict.faults.counts[1], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_keys_are_found_again_and_strange_ones_are_not),
		TEST(test_the_same_bytes_again_are_a_replay),
		TEST(test_other_bytes_for_the_same_key_break_p3),
		TEST(test_a_refusal_of_an_order_that_was_accepted_breaks_p3),
		TEST(test_a_refusal_that_crossed_the_202_breaks_nothing),
		TEST(test_another_buyers_order_breaks_p5),
		TEST(test_an_answer_outside_the_table_breaks_p5),
		TEST(test_overload_without_retry_after_breaks_p5),
		TEST(test_a_lost_answer_stays_open_until_the_order_is_spoken_of),
		TEST(test_a_request_that_never_left_is_not_open),
		TEST(test_outcome_unknown_is_open),
		TEST(test_an_order_that_the_operator_does_not_know_breaks_p2),
		TEST(test_a_ledger_that_has_what_was_told_is_fine),
		TEST(test_a_missing_order_breaks_p2),
		TEST(test_other_values_than_were_told_break_p2),
		TEST(test_a_confirmation_that_is_gone_breaks_p2),
		TEST(test_more_units_than_the_lot_has_break_p1),
		TEST(test_a_buyer_above_the_limit_breaks_p3),
		TEST(test_two_orders_for_one_key_break_p3),
		TEST(test_an_order_behind_a_refusal_breaks_p5),
		TEST(test_orders_of_others_count_for_p1_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The driver against a tiny sale of the tests' own, which keeps its word or breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "crowd/crowd.h"
#include "crowd/verdict.h"
#include "unit/crowd/fake_sale.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static const char *const skus[] = {"M"};

static int identify(void *context, const char *buyer, struct buffer *headers)
{
	(void)context;
	buffer_printf(headers, "X-Buyer: %s\r\n", buyer);
	return 0;
}

struct fixture {
	struct fake_sale sale;
	struct pool_server place;
	struct crowd_options options;
	struct crowd *crowd;
};

static int setup(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	fixture.sale.units = 50;
	fixture.options = (struct crowd_options){
		.sale = "drop",
		.skus = skus,
		.sku_count = 1,
		.quantity = 1,
		.buyers = 300,
		.connections = 32,
		.timeout_ns = 20 * SECOND,
		.patience_ns = 40 * SECOND,
		.pay_after_ns = 20 * MS,
		.seed = 7,
		.identify = identify,
		.servers = &fixture.place,
		.server_count = 1,
	};
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	crowd_free(fixture->crowd);
	fake_sale_free(&fixture->sale);
	return 0;
}

static void start_sale(struct fixture *fixture)
{
	char url[64];

	fake_sale_start(&fixture->sale);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", fixture->sale.port);
	assert_int_equal(pool_server_parse(url, &fixture->place), 0);
}

/* Sends the crowd out and waits for its end, for a minute at most. */
static void go(struct fixture *fixture)
{
	int64_t until_ns = clock_mono_ns() + 60 * SECOND;
	const char *reason;
	int r;

	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), 0);
	do {
		r = crowd_step(fixture->crowd, 10 * MS);
		assert_true(clock_mono_ns() < until_ns);
	} while (r == CROWD_RUNNING);
	assert_int_equal(r, CROWD_DONE);
	fake_sale_stop(&fixture->sale);
}

static void run(struct fixture *fixture)
{
	start_sale(fixture);
	fixture->options.operators = &fixture->place;
	fixture->options.operator_count = 1;
	go(fixture);
}

static void judge(struct fixture *fixture, struct verdict *verdict)
{
	struct verdict_lot lot = {SLICE("M"), fixture->sale.units, 0};

	assert_int_equal(verdict_init(verdict, crowd_book(fixture->crowd), &lot, 1, 1), 0);
	for (uint32_t i = 0; i < fixture->sale.order_count; i++) {
		const struct fake_order *order = &fixture->sale.orders[i];

		verdict_order(verdict, &(struct verdict_order){
					       .id = order->id,
					       .sku = SLICE("M"),
					       .buyer = slice_of(order->buyer),
					       .key = slice_of(order->key),
					       .quantity = 1,
					       .state = order->confirmed ? ORDER_CONFIRMED : ORDER_HELD,
					       .placed_at_ms = 1798797600000,
					       .first_hold_expires_at_ms = 1798797720000,
				       });
	}
	verdict_finish(verdict);
	verdict_deinit(verdict);
}

static void assert_promises_hold(struct fixture *fixture)
{
	struct verdict verdict;

	judge(fixture, &verdict);
	for (int i = 1; i < PROMISES; i++) {
		assert_string_equal(crowd_book(fixture->crowd)->faults.first[i], "");
		assert_string_equal(verdict.faults.first[i], "");
	}
}

static uint64_t kind(const struct fixture *fixture, enum tally_kind which)
{
	return crowd_tally(fixture->crowd)->kinds[which];
}

static void test_everybody_gets_one_answer(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_progress progress;

	run(fixture);
	crowd_progress(fixture->crowd, &progress);
	assert_int_equal(progress.sent, 300);
	assert_int_equal(progress.answered, 300);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	assert_int_equal(kind(fixture, TALLY_SOLD_OUT), 250);
	assert_int_equal(crowd_latency(fixture->crowd)->total, 300);
	assert_int_equal(progress.connections, 32);
	assert_promises_hold(fixture);
}

static void test_accepted_orders_are_paid_but_for_the_abandoned(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_progress progress;

	fixture->options.abandon = 40;
	run(fixture);
	crowd_progress(fixture->crowd, &progress);
	assert_int_equal(progress.paid, fixture->sale.confirmations);
	assert_in_range(progress.paid, 15, 45);
	assert_promises_hold(fixture);
}

static void test_retries_and_double_clicks_bring_no_second_order(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.retries = 50;
	fixture->options.duplicates = 50;
	fixture->options.bots = 3;
	fixture->options.bot_requests = 20;
	run(fixture);
	assert_true(fixture->sale.purchases > 500);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	assert_true(kind(fixture, TALLY_REPLAYED) > 10);
}

static void test_lost_answers_are_resolved_with_the_same_key(void **state)
{
	struct fixture *fixture = *state;

	fixture->sale.lose_every = 3;
	run(fixture);
	assert_true(kind(fixture, TALLY_LOST) > 50);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	assert_int_equal(kind(fixture, TALLY_SOLD_OUT), 250);
	assert_promises_hold(fixture);
}

static void test_a_server_that_dies_and_comes_back_is_survived(void **state)
{
	struct fixture *fixture = *state;

	fixture->sale.die_after = 40;
	fixture->sale.die_ms = 150;
	run(fixture);
	assert_true(kind(fixture, TALLY_LOST) > 0);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	/* The stall shows in the latency of what was to be sent meanwhile. */
	assert_true(crowd_latency(fixture->crowd)->max > (uint64_t)(100 * MS));
	assert_promises_hold(fixture);
}

static void test_overload_is_an_answer_and_people_come_again(void **state)
{
	struct fixture *fixture = *state;

	fixture->sale.overload_every = 4;
	run(fixture);
	assert_true(kind(fixture, TALLY_UNAVAILABLE) > 50);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	assert_promises_hold(fixture);
}

static void test_an_open_loop_keeps_to_its_times(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_progress progress;

	fixture->options.arrival = ARRIVAL_STEADY;
	fixture->options.over_ns = 300 * MS;
	run(fixture);
	crowd_progress(fixture->crowd, &progress);
	assert_int_equal(progress.sent, 300);
	assert_true(crowd_tally(fixture->crowd)->slice_count >= 3);
}

static void test_latency_counts_from_the_intended_time(void **state)
{
	struct fixture *fixture = *state;

	/*
	 * One connection, and a server that is away for a while: what waits for the connection
	 * waits for the server.
	 */
	fixture->options.connections = 1;
	fixture->options.arrival = ARRIVAL_STEADY;
	fixture->options.over_ns = 400 * MS;
	fixture->sale.die_after = 50;
	fixture->sale.die_ms = 300;
	run(fixture);
	assert_true(histogram_quantile(crowd_latency(fixture->crowd), 0.6) > (uint64_t)(20 * MS));
}

static void test_a_crowd_comes_from_many_addresses(void **state)
{
	struct fixture *fixture = *state;

	fixture->sale.checks_source = true;
	fixture->options.addresses = 100;
	run(fixture);
	assert_int_equal(fixture->sale.sources, 100);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
}

static void test_several_servers_take_turns(void **state)
{
	struct fixture *fixture = *state;
	struct fake_sale other = {.units = 1000};
	struct pool_server places[2];
	char url[64];

	fake_sale_start(&other);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", other.port);
	assert_int_equal(pool_server_parse(url, &places[1]), 0);
	fixture->sale.units = 1000;
	start_sale(fixture);
	places[0] = fixture->place;
	fixture->options.servers = places;
	fixture->options.server_count = 2;
	/* An order is known where it was made, and paid there. */
	fixture->options.operator_count = 0;
	go(fixture);
	fake_sale_stop(&other);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 300);
	assert_int_equal(fixture->sale.purchases + other.purchases, 300);
	assert_true(fixture->sale.purchases >= 16 && other.purchases >= 16);
	fake_sale_free(&other);
}

static void test_a_server_that_is_down_is_left_out(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_progress progress;
	struct pool_server places[2];

	assert_int_equal(pool_server_parse("http://127.0.0.1:9", &places[0]), 0);
	start_sale(fixture);
	places[1] = fixture->place;
	fixture->options.servers = fixture->options.operators = places;
	fixture->options.server_count = fixture->options.operator_count = 2;
	go(fixture);
	assert_promises_hold(fixture);
	assert_int_equal(kind(fixture, TALLY_ACCEPTED), 50);
	crowd_progress(fixture->crowd, &progress);
	assert_int_equal(progress.paid, 50);
	assert_false(progress.server_down);
}

static void test_a_stopped_crowd_ends_early(void **state)
{
	struct fixture *fixture = *state;
	const char *reason;
	char url[64];
	int r;

	fake_sale_start(&fixture->sale);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", fixture->sale.port);
	assert_int_equal(pool_server_parse(url, &fixture->place), 0);
	fixture->options.arrival = ARRIVAL_STEADY;
	fixture->options.over_ns = 3600 * SECOND;
	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), 0);
	assert_int_equal(crowd_step(fixture->crowd, MS), CROWD_RUNNING);
	crowd_stop(fixture->crowd);
	do
		r = crowd_step(fixture->crowd, 10 * MS);
	while (r == CROWD_RUNNING);
	assert_int_equal(r, CROWD_DONE);
	fake_sale_stop(&fixture->sale);
}

static void test_a_server_that_never_answers_breaks_p5(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.buyers = 3;
	fixture->options.timeout_ns = 200 * MS;
	fixture->options.patience_ns = 500 * MS;
	fixture->sale.answers_late = true;
	run(fixture);
	assert_true(crowd_book(fixture->crowd)->faults.counts[5] > 0);
}

static void test_a_server_that_forgets_keys_breaks_p3(void **state)
{
	struct fixture *fixture = *state;
	struct verdict verdict;

	fixture->options.retries = 100;
	fixture->sale.forgets_keys = true;
	fixture->sale.units = 1000;
	run(fixture);
	assert_true(crowd_book(fixture->crowd)->faults.counts[3] > 0);
	judge(fixture, &verdict);
	assert_true(verdict.faults.counts[3] > 0);
}

static void test_a_server_that_oversells_breaks_p1(void **state)
{
	struct fixture *fixture = *state;
	struct verdict verdict;

	fixture->sale.oversells = true;
	run(fixture);
	judge(fixture, &verdict);
	assert_int_equal(verdict.faults.counts[1], 1);
}

static void test_a_server_that_loses_orders_breaks_p2(void **state)
{
	struct fixture *fixture = *state;
	struct verdict verdict;

	run(fixture);
	fixture->sale.order_count -= 2;
	judge(fixture, &verdict);
	assert_int_equal(verdict.faults.counts[2], 2);
}

static void test_a_seed_makes_the_same_crowd(void **state)
{
	struct fixture *fixture = *state;
	struct crowd *again;
	const char *reason;

	fixture->options.bots = 5;
	fixture->options.bot_requests = 5;
	assert_int_equal(pool_server_parse("http://127.0.0.1:9", &fixture->place), 0);
	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), 0);
	assert_int_equal(crowd_new(&again, &fixture->options, &reason), 0);
	for (size_t i = 0; i < crowd_book(again)->count; i++)
		assert_int_equal(crowd_book(again)->purchases[i].buyer, crowd_book(fixture->crowd)->purchases[i].buyer);
	crowd_free(again);
}

static void test_impossible_crowds_are_refused(void **state)
{
	struct fixture *fixture = *state;
	const char *reason;

	assert_int_equal(pool_server_parse("http://[::1]:9", &fixture->place), 0);
	fixture->options.addresses = 10;
	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), -EINVAL);
	fixture->options.addresses = 0;
	fixture->options.server_count = 0;
	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), -EINVAL);
	fixture->options.server_count = 1;
	fixture->options.buyers = 0;
	assert_int_equal(crowd_new(&fixture->crowd, &fixture->options, &reason), -EINVAL);
}

static void test_places_are_read(void **state)
{
	struct pool_server place;

	(void)state;
	assert_int_equal(pool_server_parse("http://127.0.0.1:8080", &place), 0);
	assert_string_equal(place.host, "127.0.0.1:8080");
	assert_true(pool_server_is_loopback4(&place));
	assert_int_equal(pool_server_parse("http://[::1]:8080/", &place), 0);
	assert_false(pool_server_is_loopback4(&place));
	assert_false(place.secure);
	assert_string_equal(place.name, "::1");
	assert_int_equal(pool_server_parse("https://127.0.0.1", &place), 0);
	assert_true(place.secure);
	assert_string_equal(place.name, "127.0.0.1");
	assert_int_equal(((struct sockaddr_in *)&place.address)->sin_port, htons(443));
	assert_int_equal(pool_server_parse("ftp://127.0.0.1", &place), -EINVAL);
	assert_int_equal(pool_server_parse("http://127.0.0.1/path", &place), -EINVAL);
	assert_int_equal(pool_server_parse("http://", &place), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_everybody_gets_one_answer),
		TEST(test_accepted_orders_are_paid_but_for_the_abandoned),
		TEST(test_retries_and_double_clicks_bring_no_second_order),
		TEST(test_lost_answers_are_resolved_with_the_same_key),
		TEST(test_a_server_that_dies_and_comes_back_is_survived),
		TEST(test_overload_is_an_answer_and_people_come_again),
		TEST(test_an_open_loop_keeps_to_its_times),
		TEST(test_latency_counts_from_the_intended_time),
		TEST(test_a_crowd_comes_from_many_addresses),
		TEST(test_several_servers_take_turns),
		TEST(test_a_server_that_is_down_is_left_out),
		TEST(test_a_stopped_crowd_ends_early),
		TEST(test_a_server_that_never_answers_breaks_p5),
		TEST(test_a_server_that_forgets_keys_breaks_p3),
		TEST(test_a_server_that_oversells_breaks_p1),
		TEST(test_a_server_that_loses_orders_breaks_p2),
		TEST(test_a_seed_makes_the_same_crowd),
		TEST(test_impossible_crowds_are_refused),
		TEST(test_places_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

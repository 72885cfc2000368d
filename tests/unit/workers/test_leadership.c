/*
 * Who stands for election: who has reached stock and journal of late. Ledger, stock and journal say
 * what they are told to.
 */
#include "unit/core/house.h"

#include "workers/leadership.h"

struct world {
	struct ledger ledger;
	struct stock stock;
	struct journal journal;
	struct metrics *metrics;
	struct leadership *leadership;
	int stock_health, journal_health, says; /* says: the ledger, to a candidate */
	int asked;
	bool candidate;
	enum stock_sellers sellers;
};

static struct world world;

static int elect(struct ledger *ledger, bool candidate)
{
	(void)ledger;
	world.asked++;
	world.candidate = candidate;
	return candidate ? world.says : LEDGER_LEASE_HELD;
}

static int stock_health(struct stock *stock, const char **reason)
{
	(void)stock;
	*reason = "as told";
	return world.stock_health;
}

static int journal_health(struct journal *journal, const char **reason)
{
	(void)journal;
	*reason = "as told";
	return world.journal_health;
}

static enum stock_sellers sellers(struct stock *stock)
{
	(void)stock;
	return world.sellers;
}

static int open_world(void **state)
{
	static const struct ledger_ops ledger = {.elect = elect};
	static const struct stock_ops stock = {.health = stock_health, .sellers = sellers};
	static const struct journal_ops journal = {.health = journal_health};

	(void)state;
	house_take_clock();
	world = (struct world){.ledger = {.ops = &ledger}, .stock = {.ops = &stock}, .journal = {.ops = &journal}};
	assert_int_equal(metrics_new(&world.metrics), 0);
	assert_int_equal(leadership_new(&world.leadership, &(struct leadership_settings){.ledger = &world.ledger,
											 .stock = &world.stock,
											 .journal = &world.journal,
											 .metrics = world.metrics,
											 .shared = true}),
			 0);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	leadership_free(world.leadership);
	metrics_free(world.metrics);
	clock_set_source(NULL);
	return 0;
}

static void test_the_ledger_is_asked_once_a_second_and_at_once_where_there_is_something_to_do(void **state)
{
	(void)state;
	assert_false(leadership_held(world.leadership));
	leadership_renew(world.leadership, clock_mono_ns());
	assert_true(leadership_held(world.leadership));
	house_pass(999);
	leadership_renew(world.leadership, clock_mono_ns());
	assert_int_equal(world.asked, 1);
	world.says = LEDGER_LEASE_HELD;
	assert_int_equal(leadership_claim(world.leadership), LEDGER_LEASE_HELD);
	assert_int_equal(world.asked, 2);
	assert_false(leadership_held(world.leadership));
	house_pass(1);
	leadership_renew(world.leadership, clock_mono_ns());
	assert_int_equal(world.asked, 3);
}

/*
 * Found: a claim had no such rule, so a process that reached no journal was elected to rebuild what
 * it could not.
 */
static void test_who_has_not_reached_stock_or_journal_for_seconds_is_no_candidate_for_a_claim_either(void **state)
{
	int *const services[] = {&world.stock_health, &world.journal_health};

	(void)state;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		assert_int_equal(leadership_claim(world.leadership), LEDGER_DONE);
		*services[i] = -ENOTCONN;
		house_pass(2999); /* it starts again */
		assert_int_equal(leadership_claim(world.leadership), LEDGER_DONE);
		house_pass(1);
		assert_int_equal(leadership_claim(world.leadership), LEDGER_LEASE_HELD);
		assert_false(world.candidate);
		leadership_renew(world.leadership, clock_mono_ns());
		assert_false(leadership_held(world.leadership));
		*services[i] = 0;
		assert_int_equal(leadership_claim(world.leadership), LEDGER_DONE);
		assert_true(leadership_held(world.leadership));
	}
}

/* Its sales go on, and somebody must care for them. */
static void test_a_stock_that_is_endangered_is_reached(void **state)
{
	(void)state;
	world.stock_health = STOCK_ENDANGERED;
	house_pass(3000);
	assert_int_equal(leadership_claim(world.leadership), LEDGER_DONE);
	assert_true(world.candidate);
}

static void test_a_gate_that_stands_by_is_no_candidate_and_one_may_take_over_what_nobody_sells(void **state)
{
	(void)state;
	world.sellers = STOCK_SELLERS_OTHERS;
	assert_int_equal(leadership_claim(world.leadership), LEDGER_LEASE_HELD);
	world.sellers = STOCK_SELLERS_NONE;
	world.stock_health = -ENOTCONN; /* it says so while another version's sales are there */
	leadership_renew(world.leadership, clock_mono_ns());
	assert_true(leadership_held(world.leadership));
}

static void test_a_ledger_that_does_not_answer_elects_nobody(void **state)
{
	(void)state;
	assert_int_equal(leadership_claim(world.leadership), LEDGER_DONE);
	world.says = -ENOTCONN;
	assert_int_equal(leadership_claim(world.leadership), -ENOTCONN);
	assert_false(leadership_held(world.leadership));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_ledger_is_asked_once_a_second_and_at_once_where_there_is_something_to_do,
						open_world, close_world),
		cmocka_unit_test_setup_teardown(test_who_has_not_reached_stock_or_journal_for_seconds_is_no_candidate_for_a_claim_either,
						open_world, close_world),
		cmocka_unit_test_setup_teardown(test_a_stock_that_is_endangered_is_reached, open_world, close_world),
		cmocka_unit_test_setup_teardown(test_a_gate_that_stands_by_is_no_candidate_and_one_may_take_over_what_nobody_sells,
						open_world, close_world),
		cmocka_unit_test_setup_teardown(test_a_ledger_that_does_not_answer_elects_nobody, open_world, close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

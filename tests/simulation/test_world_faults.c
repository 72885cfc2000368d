/* Faults of a world, each alone: what they take, and what they leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/log.h"
#include "simulation/world/parts.h"

enum { RECORDS = 10, APPLIED = 7 };

static struct plan plan;
static struct world world;
static struct ledger *ledger;

/*
 * A log of ten records, of which the ledger has seven; in its other partition there are ten too,
 * and of that the ledger knows nothing.
 */
static int set_up(void **state)
{
	const struct ledger_progress progress = {.partition = 0, .from = 0, .to = APPLIED, .mark = 1};
	struct ledger_drain drain = {.progress = &progress, .progress_count = 1, .now_ms = 1};

	(void)state;
	log_set_level(LOG_OFF);
	plan = (struct plan){.seed = 1, .shape = PLAN_CLUSTER, .partitions = 2};
	world = (struct world){.plan = &plan, .log = journal_sim_new(NULL, 1, 2), .server = ledger_sim_new(NULL, 1)};
	for (uint32_t partition = 0; partition < 2; partition++)
		for (int i = 0; i < RECORDS; i++)
			journal_sim_write(world.log, partition, SLICE("key"), SLICE("value"));
	assert_int_equal(ledger_sim_open(world.server, &ledger, LEDGER_OPEN_SHARED), 0);
	assert_int_equal(ledger->ops->drain(ledger, &drain), LEDGER_DONE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ledger->ops->free(ledger);
	ledger_sim_free(world.server);
	journal_sim_free(world.log);
	return 0;
}

static void retain(int64_t spared)
{
	faults_log(&world, &(struct plan_fault){.kind = FAULT_KAFKA_RETENTION, .value = spared});
	assert_int_equal(journal_sim_end(world.log, 0), RECORDS);
	assert_int_equal(journal_sim_start(world.log, 1), 0);
}

static void test_retention_takes_what_the_ledger_has_and_no_more(void **state)
{
	struct journal_record record;

	(void)state;
	retain(0);
	assert_int_equal(journal_sim_start(world.log, 0), APPLIED);
	assert_false(journal_sim_look(world.log, 0, APPLIED - 1, &record));
	assert_true(journal_sim_look(world.log, 0, APPLIED, &record));
}

static void test_retention_spares_the_last_records_of_those(void **state)
{
	(void)state;
	retain(APPLIED + 1);
	assert_int_equal(journal_sim_start(world.log, 0), 0);
	retain(3);
	assert_int_equal(journal_sim_start(world.log, 0), APPLIED - 3);
	retain(5);
	assert_int_equal(journal_sim_start(world.log, 0), APPLIED - 3); /* nothing comes back */
}

static void test_retention_spares_what_a_backup_that_is_to_be_restored_lacks(void **state)
{
	(void)state;
	world.kept_from[0] = 2;
	world.restoring = true;
	retain(0);
	assert_int_equal(journal_sim_start(world.log, 0), 2);
	world.restoring = false;
	retain(0);
	assert_int_equal(journal_sim_start(world.log, 0), APPLIED);
}

static void test_what_an_operator_writes_beside_the_log_is_no_purchase(void **state)
{
	(void)state;
	assert_false(restore_hangs_on(PLAN_BUY));
	assert_false(restore_hangs_on(PLAN_CONFIRM));
	assert_false(restore_hangs_on(PLAN_WITHDRAW)); /* its record is in the log */
	assert_false(restore_hangs_on(PLAN_AUDIT));
	assert_true(restore_hangs_on(PLAN_REFUND)); /* what its key was sent for */
	assert_true(restore_hangs_on(PLAN_EXTEND)); /* the end that a key has */
	assert_true(restore_hangs_on(PLAN_ADD));
	assert_true(restore_hangs_on(PLAN_PAUSE));
	assert_true(restore_hangs_on(PLAN_RECEIVE));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_retention_takes_what_the_ledger_has_and_no_more),
		TEST(test_retention_spares_the_last_records_of_those),
		TEST(test_retention_spares_what_a_backup_that_is_to_be_restored_lacks),
		TEST(test_what_an_operator_writes_beside_the_log_is_no_purchase),
	};

	return cmocka_run_group_tests_name("simulation: faults of a world", tests, NULL, NULL);
}

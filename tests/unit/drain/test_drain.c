/* A drain over a log and a ledger that fail as they are told, step by step. */
#include "unit/drain/fake_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
enum { BATCH_MAX = 64, TURNS_MAX = 10000 };

struct bench {
	struct fake_log log;
	struct fake_reader reader;
	struct fake_ledger ledger;
	struct metrics *metrics;
	struct drain *drain;
};

static void begin(struct bench *bench, int64_t rate)
{
	assert_int_equal(metrics_new(&bench->metrics), 0);
	assert_int_equal(drain_new(&bench->drain, &(struct drain_settings){.reader = &bench->reader.base,
									   .ledger = &bench->ledger.base,
									   .metrics = bench->metrics,
									   .pace = {rate, BATCH_MAX, 100 * MS}}),
			 0);
}

static void end(struct bench *bench)
{
	drain_free(bench->drain);
	metrics_free(bench->metrics);
}

static int bench_open(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	random_set_seed(7);
	fake_clock_take();
	fake_log_init(&bench->log, "cluster-a");
	fake_reader_init(&bench->reader, &bench->log);
	fake_ledger_init(&bench->ledger, &bench->log);
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		fake_reader_give(&bench->reader, i, true);
	begin(bench, 0);
	*state = bench;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *bench = *state;

	end(bench);
	fake_reader_deinit(&bench->reader);
	fake_ledger_deinit(&bench->ledger);
	free(bench);
	random_set_seed(0);
	clock_set_source(NULL);
	return 0;
}

/* One turn, and the wait that it asks for. */
static int64_t turn(struct bench *bench)
{
	int64_t wait_ns = drain_turn(bench->drain);

	fake_clock_pass(wait_ns);
	return wait_ns;
}

static void run_for(struct bench *bench, int64_t ns)
{
	int64_t end_ns = clock_mono_ns() + ns;

	for (int turns = 0; clock_mono_ns() < end_ns; turns++) {
		assert_in_range(turns, 0, TURNS_MAX);
		turn(bench);
	}
}

/* Until everything is in the ledger; it must come to that. */
static void run_out(struct bench *bench)
{
	for (int turns = 0; !fake_ledger_is_whole(&bench->ledger); turns++) {
		assert_in_range(turns, 0, TURNS_MAX);
		turn(bench);
	}
	turn(bench);
}

static void fill(struct bench *bench, size_t count)
{
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		fake_log_append(&bench->log, i, count, LEDGER_DONE);
}

/* A sample of /metrics, by its whole name. */
static int64_t sample(struct bench *bench, const char *name)
{
	char wanted[128];
	const char *at;
	struct buffer text;
	int64_t value;

	buffer_init(&text, 1 << 20);
	metrics_render(bench->metrics, METRICS_TEXT, &text);
	buffer_append(&text, "", 1);
	assert_false(text.failed);
	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	at = strstr(text.data, wanted);
	if (!at)
		fail_msg("there is no %s", name);
	value = strtoll(at + strlen(wanted), NULL, 10);
	buffer_deinit(&text);
	return value;
}

static struct drain_state look(struct bench *bench)
{
	struct drain_state state;

	drain_look(bench->drain, &state);
	return state;
}

static void assert_well(struct bench *bench)
{
	assert_string_equal(look(bench).reason, "");
}

static void assert_ill(struct bench *bench, const char *word)
{
	if (!strstr(look(bench).reason, word))
		fail_msg("\"%s\" does not say \"%s\"", look(bench).reason, word);
}

/* --- What goes well --- */

static void test_it_moves_the_log_into_the_ledger(void **state)
{
	struct bench *bench = *state;

	assert_ill(bench, "starting");
	fill(bench, 500);
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 500);
	assert_int_equal(bench->ledger.stale, 0);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"done\"}"), 4 * 500);
	assert_int_equal(sample(bench, "penstock_drain_batches_total"), bench->ledger.commits);
	assert_int_equal(sample(bench, "penstock_drain_commit_seconds_count"), bench->ledger.commits);
	assert_int_equal(sample(bench, "penstock_drain_lag_records"), 0);
	assert_int_equal(sample(bench, "penstock_drain_lag_seconds"), 0);
	assert_int_equal(sample(bench, "penstock_drain_batch_limit"), BATCH_MAX);
	assert_well(bench);
}

static void test_it_goes_on_where_the_ledger_stands(void **state)
{
	struct bench *bench = *state;

	fill(bench, 100);
	run_out(bench);
	end(bench);
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		fake_reader_give(&bench->reader, i, true);
	begin(bench, 0);
	fill(bench, 50);
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 150);
	assert_int_equal(bench->ledger.stale, 0);
}

static void test_outcomes_are_counted(void **state)
{
	struct bench *bench = *state;

	fake_log_append(&bench->log, 0, 5, LEDGER_DONE);
	fake_log_append(&bench->log, 0, 4, LEDGER_ALREADY);
	fake_log_append(&bench->log, 0, 3, LEDGER_STALE_EPOCH);
	fake_log_append(&bench->log, 1, 2, LEDGER_WRONG_STATE);
	fake_log_append(&bench->log, 1, 6, LEDGER_NOT_FOUND);
	fake_log_append(&bench->log, 2, 1, LEDGER_CONSTRAINT);
	fake_log_append(&bench->log, 3, 7, -1);
	run_out(bench);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"done\"}"), 5);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"already\"}"), 4);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"void\"}"), 3);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"absorbed\"}"), 2);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"dead\"}"), 6 + 1 + 7);
	assert_int_equal(sample(bench, "penstock_drain_dead_letters_total{reason=\"not_found\"}"), 6);
	assert_int_equal(sample(bench, "penstock_drain_dead_letters_total{reason=\"constraint\"}"), 1);
	assert_int_equal(sample(bench, "penstock_drain_dead_letters_total{reason=\"unreadable\"}"), 7);
	assert_well(bench);
}

static void test_the_lag_is_told_while_there_is_one(void **state)
{
	struct bench *bench = *state;

	fill(bench, 1000);
	fake_clock_pass(30 * SECOND);
	turn(bench);
	assert_int_equal(sample(bench, "penstock_drain_lag_records"), 4000 - 64);
	assert_in_range(sample(bench, "penstock_drain_lag_seconds"), 30, 31);
	run_out(bench);
	assert_int_equal(sample(bench, "penstock_drain_lag_seconds"), 0);
}

static void test_max_rate_is_kept_within_five_per_cent(void **state)
{
	static const int64_t rates[] = {50, 200, 500};
	struct bench *bench = *state;

	end(bench);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		int64_t before;

		begin(bench, rates[i]);
		for (uint32_t partition = 0; partition < FAKE_PARTITIONS; partition++)
			fake_reader_give(&bench->reader, partition, true);
		fill(bench, 900);
		run_for(bench, SECOND);
		for (int second = 0; second < 4; second++) {
			before = bench->ledger.applied;
			run_for(bench, SECOND);
			assert_in_range((bench->ledger.applied - before) * 100, rates[i] * 95, rates[i] * 105);
		}
		end(bench);
	}
	begin(bench, 0);
}

static void test_the_group_hears_from_a_slow_drain(void **state)
{
	struct bench *bench = *state;

	end(bench);
	begin(bench, 1);
	fill(bench, 100);
	run_for(bench, 20 * SECOND);
	assert_true(bench->reader.businesses + bench->reader.reads >= 20);
	assert_in_range(bench->ledger.applied, 19, 21);
	for (int i = 0; i < 10; i++)
		assert_in_range(turn(bench), 0, 500 * MS);
}

static void test_an_empty_log_is_well_and_never_committed(void **state)
{
	struct bench *bench = *state;

	run_for(bench, 10 * SECOND);
	assert_int_equal(bench->ledger.drains, 0);
	assert_well(bench);
	/* Nor is one without any partition: another drain has them. */
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		fake_reader_give(&bench->reader, i, false);
	fill(bench, 10);
	run_for(bench, 10 * SECOND);
	assert_int_equal(bench->ledger.drains, 0);
	assert_well(bench);
}

/* --- What fails for a while --- */

static void assert_survives(struct bench *bench, enum fake_fault fault, const char *failures, int64_t unknown)
{
	size_t positions;

	fill(bench, 100);
	turn(bench);
	positions = bench->ledger.positions;
	bench->ledger.fault = fault;
	turn(bench);
	assert_ill(bench, "commit");
	run_out(bench);
	assert_true(bench->ledger.positions >= positions + FAKE_PARTITIONS);
	assert_int_equal(bench->ledger.applied, 4 * 100);
	assert_int_equal(bench->ledger.stale, 0);
	assert_int_equal(sample(bench, failures), 1);
	assert_int_equal(sample(bench, "penstock_drain_unknown_total"), unknown);
	assert_well(bench);
}

static void test_a_commit_that_failed_is_done_again(void **state)
{
	assert_survives(*state, FAKE_FAILS, "penstock_drain_failures_total{step=\"commit\"}", 0);
}

static void test_a_commit_of_unknown_outcome_that_was_none_is_done_again(void **state)
{
	assert_survives(*state, FAKE_UNKNOWN_NOT, "penstock_drain_failures_total{step=\"commit\"}", 1);
}

static void test_a_commit_of_unknown_outcome_that_was_one_is_not_done_again(void **state)
{
	assert_survives(*state, FAKE_UNKNOWN_DONE, "penstock_drain_failures_total{step=\"commit\"}", 1);
}

static void test_even_a_failure_that_was_a_commit_is_not_done_again(void **state)
{
	assert_survives(*state, FAKE_LIES, "penstock_drain_failures_total{step=\"commit\"}", 0);
}

static void test_a_last_batch_of_unknown_outcome_leaves_it_well(void **state)
{
	struct bench *bench = *state;

	fake_log_append(&bench->log, 0, 10, LEDGER_DONE);
	bench->ledger.fault = FAKE_UNKNOWN_DONE;
	turn(bench);
	assert_ill(bench, "commit");
	run_for(bench, SECOND);
	assert_well(bench);
	assert_int_equal(bench->ledger.applied, 10);
}

static void test_a_ledger_away_for_an_hour_means_lag_and_not_loss(void **state)
{
	struct bench *bench = *state;
	size_t before;

	fill(bench, 100);
	turn(bench);
	bench->ledger.unhealthy = true;
	bench->ledger.recover_fault = -ENOTCONN;
	before = bench->ledger.positions + bench->ledger.drains;
	run_for(bench, 3600 * SECOND);
	assert_ill(bench, "not connected");
	/*
	 * It asked, but not all the time; and it left its partitions to others, who may reach the
	 * ledger.
	 */
	assert_true(bench->reader.resigned);
	assert_int_equal(sample(bench, "penstock_drain_partitions"), 0);
	assert_int_equal(bench->reader.shares, 1);
	assert_in_range(sample(bench, "penstock_drain_failures_total{step=\"identify\"}"), 700, 1500);
	assert_int_equal(bench->ledger.positions + bench->ledger.drains, before + 1);
	assert_true(bench->reader.businesses > 7000);
	assert_true(sample(bench, "penstock_drain_lag_seconds") >= 3599);
	bench->ledger.recover_fault = 0;
	run_out(bench);
	assert_int_equal(bench->ledger.recoveries, 1);
	assert_int_equal(bench->ledger.applied, 4 * 100);
	assert_int_equal(bench->reader.shares, 2);
	assert_int_equal(sample(bench, "penstock_drain_partitions"), 4);
	assert_well(bench);
}

static void test_a_ledger_away_for_a_moment_is_not_worth_a_rebalance(void **state)
{
	struct bench *bench = *state;

	fill(bench, 100);
	turn(bench);
	bench->ledger.unhealthy = true;
	bench->ledger.recover_fault = -ENOTCONN;
	run_for(bench, 9 * SECOND);
	bench->ledger.recover_fault = 0;
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 100);
	assert_int_equal(bench->reader.shares, 0);
}

static void test_the_batch_shrinks_and_failures_wait_longer_and_longer(void **state)
{
	struct bench *bench = *state;
	int64_t start_ns, waits[6];

	fill(bench, 500);
	for (int i = 0; i < 6; i++) {
		bench->ledger.fault = FAKE_FAILS;
		start_ns = clock_mono_ns();
		while (bench->ledger.fault != FAKE_FINE)
			turn(bench);
		waits[i] = clock_mono_ns() - start_ns;
	}
	assert_true(waits[5] > 8 * waits[1]);
	assert_int_equal(look(bench).batch, 16);
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 500);
}

static void test_a_read_that_fails_loses_nothing(void **state)
{
	struct bench *bench = *state;
	size_t seeks;

	fill(bench, 100);
	turn(bench);
	seeks = bench->reader.seeks;
	bench->reader.read_fault = -ENOTCONN;
	turn(bench);
	assert_ill(bench, "read");
	run_out(bench);
	assert_int_equal(bench->reader.seeks, seeks); /* the reader kept its positions */
	assert_int_equal(bench->ledger.applied, 4 * 100);
	assert_well(bench);
}

static void test_a_position_that_cannot_be_read_is_read_later(void **state)
{
	struct bench *bench = *state;

	fill(bench, 100);
	bench->ledger.position_fault = -ENOTCONN;
	turn(bench);
	assert_ill(bench, "position");
	assert_int_equal(bench->ledger.applied, 0);
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 100);
	assert_well(bench);
}

static void test_a_partition_that_cannot_be_positioned_now_does_not_stop_the_others(void **state)
{
	struct bench *bench = *state;

	fill(bench, 10);
	bench->reader.seek_fault[2] = -ETIMEDOUT;
	turn(bench);
	assert_int_equal(bench->ledger.applied, 3 * 10);
	run_out(bench);
	assert_int_equal(bench->ledger.applied, 4 * 10);
	assert_well(bench);
}

/* --- Other drains --- */

static void move_on(void *context)
{
	struct bench *bench = context;

	/* As another drain would have committed it. */
	bench->ledger.before = NULL;
	bench->ledger.next[1] += 5;
	bench->ledger.mark[1] = bench->log.partitions[1].records[bench->ledger.next[1] - 1].mark;
	bench->ledger.applied += 5;
}

static void test_a_stale_position_changes_nothing_and_is_read_again(void **state)
{
	struct bench *bench = *state;

	fill(bench, 100);
	bench->ledger.before = move_on;
	bench->ledger.context = bench;
	turn(bench);
	assert_int_equal(bench->ledger.stale, 1);
	assert_int_equal(bench->ledger.applied, 5);
	assert_int_equal(sample(bench, "penstock_drain_stale_positions_total"), 1);
	assert_well(bench); /* it is no failure */
	run_out(bench);
	assert_int_equal(bench->ledger.stale, 1);
	assert_int_equal(bench->ledger.applied, 4 * 100);
}

/*
 * It held what it had brought there for what is there, and would have found out with the next
 * record alone.
 */
static void test_a_ledger_that_was_restored_is_brought_up_again_though_nothing_comes(void **state)
{
	struct bench *bench = *state;
	size_t seeks;
	int64_t stood;

	run_for(bench, 30 * SECOND);
	assert_int_equal(bench->reader.seeks, FAKE_PARTITIONS);
	fill(bench, 100);
	run_out(bench);
	seeks = bench->reader.seeks;
	run_for(bench, 30 * SECOND);
	assert_int_equal(bench->reader.seeks, seeks);
	stood = bench->ledger.applied;
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
		bench->ledger.next[i] = i == 0 ? 0 : 90;
		bench->ledger.mark[i] = i == 0 ? 0 : bench->log.partitions[i].records[89].mark;
	}
	run_for(bench, 30 * SECOND);
	assert_true(fake_ledger_is_whole(&bench->ledger));
	assert_int_equal(bench->ledger.applied, stood + 100 + 3 * 10);
	assert_int_equal(bench->ledger.stale, 0);
	assert_well(bench);
}

static void take_away(void *context)
{
	struct bench *bench = context;

	fake_reader_give(&bench->reader, 3, false);
}

static void test_a_partition_that_is_taken_away_in_the_middle_is_left_alone(void **state)
{
	struct bench *bench = *state;
	int64_t kept;

	fill(bench, 200);
	bench->ledger.before = take_away;
	bench->ledger.context = bench;
	turn(bench);
	kept = bench->ledger.next[3];
	bench->ledger.before = NULL;
	run_for(bench, SECOND);
	assert_int_equal(bench->ledger.next[3], kept);
	assert_int_equal(bench->ledger.applied, 3 * 200 + kept);
	/* Another drain moves it on, then it comes back. */
	bench->ledger.next[3] += 50;
	bench->ledger.mark[3] = bench->log.partitions[3].records[bench->ledger.next[3] - 1].mark;
	bench->ledger.applied += 50;
	fake_reader_give(&bench->reader, 3, true);
	run_out(bench);
	assert_int_equal(bench->ledger.stale, 0);
	assert_int_equal(bench->ledger.applied, 4 * 200);
}

/* --- What cannot go on --- */

/*
 * Found: a drain of an older program made dead letters of events that it did not know, and buyers
 * had been told of them.
 */
static void test_an_event_of_a_newer_program_stops_its_partition_and_is_no_dead_letter(void **state)
{
	enum { BEFORE = 60, BEHIND = 40 };
	struct bench *bench = *state;
	size_t seeks;

	fill(bench, BEFORE);
	fake_log_append_newer(&bench->log, 2, LEDGER_DONE);
	fake_log_append(&bench->log, 2, BEHIND, LEDGER_DONE);
	run_for(bench, SECOND);
	assert_int_equal(bench->ledger.applied, FAKE_PARTITIONS * BEFORE); /* what lies before it is applied, behind it nothing */
	assert_int_equal(bench->ledger.next[2], BEFORE);
	assert_int_equal(sample(bench, "penstock_drain_events_total{outcome=\"dead\"}"), 0);
	assert_int_equal(sample(bench, "penstock_drain_partitions_stalled"), 1);
	assert_ill(bench, "partition 2 is stalled at 60");
	seeks = bench->reader.seeks;
	run_for(bench, 600 * SECOND);
	assert_in_range(bench->reader.seeks - seeks, 30, 90); /* it looks, and does not hammer */
	assert_int_equal(sample(bench, "penstock_drain_partitions_stalled"), 1);
	assert_int_equal(bench->ledger.next[2], BEFORE);
	fake_log_append(&bench->log, 0, 20, LEDGER_DONE); /* the others go on */
	run_for(bench, SECOND);
	assert_int_equal(bench->ledger.next[0], BEFORE + 20);
	/* The newer drain knows it. */
	bench->reader.newer = true;
	run_for(bench, 20 * SECOND);
	assert_int_equal(bench->ledger.next[2], BEFORE + 1 + BEHIND);
	assert_int_equal(sample(bench, "penstock_drain_partitions_stalled"), 0);
	assert_well(bench);
}

static void test_a_lost_record_holds_its_partition_and_no_other(void **state)
{
	struct bench *bench = *state;
	size_t seeks;

	fill(bench, 100);
	bench->log.partitions[1].start = 7; /* its first records were never read, and are gone */
	run_for(bench, SECOND);
	assert_int_equal(bench->ledger.applied, 3 * 100);
	assert_int_equal(bench->ledger.next[1], 0);
	assert_ill(bench, "partition 1 is stalled at 0");
	assert_int_equal(sample(bench, "penstock_drain_partitions_stalled"), 1);
	seeks = bench->reader.seeks;
	run_for(bench, 600 * SECOND);
	assert_in_range(bench->reader.seeks - seeks, 30, 90); /* it looks, and does not hammer */
	assert_ill(bench, "partition 1 is stalled at 0");
	fake_log_append(&bench->log, 0, 20, LEDGER_DONE);
	run_for(bench, SECOND);
	assert_int_equal(bench->ledger.next[0], 120);
	/* Somebody has brought the records back. */
	bench->log.partitions[1].start = 0;
	run_for(bench, 20 * SECOND);
	assert_true(fake_ledger_is_whole(&bench->ledger));
	assert_int_equal(sample(bench, "penstock_drain_partitions_stalled"), 0);
	assert_well(bench);
}

static void test_a_record_that_is_lost_while_it_reads_is_found_by_positioning(void **state)
{
	struct bench *bench = *state;

	fill(bench, 300);
	turn(bench);
	bench->log.partitions[2].start = 250;
	run_for(bench, 2 * SECOND);
	assert_ill(bench, "partition 2 is stalled at");
	assert_true(bench->ledger.next[2] < 250);
	assert_int_equal(bench->ledger.applied, 3 * 300 + bench->ledger.next[2]);
}

static void test_another_record_before_the_position_holds_the_partition(void **state)
{
	struct bench *bench = *state;

	fill(bench, 10);
	run_out(bench);
	bench->ledger.mark[0]++;
	fake_reader_give(&bench->reader, 0, true);
	fill(bench, 10);
	run_for(bench, SECOND);
	assert_ill(bench, "partition 0 is stalled at 10");
	assert_ill(bench, "not the log");
	assert_int_equal(bench->ledger.next[0], 10);
	assert_int_equal(bench->ledger.applied, 4 * 10 + 3 * 10);
}

static void test_a_stalled_partition_that_another_drain_gets_is_no_longer_told(void **state)
{
	struct bench *bench = *state;

	bench->log.partitions[1].start = bench->log.partitions[1].end = 7;
	run_for(bench, SECOND);
	assert_int_equal(look(bench).stalled, 1);
	fake_reader_give(&bench->reader, 1, false);
	run_for(bench, SECOND);
	assert_int_equal(look(bench).stalled, 0);
	assert_well(bench);
}

static void test_another_log_is_refused(void **state)
{
	struct bench *bench = *state;

	bench->ledger.known = strdup("cluster-b orders");
	fill(bench, 10);
	assert_int_equal(drain_identify(bench->drain), DRAIN_OTHER_LOG);
	assert_ill(bench, "another journal");
	run_for(bench, 60 * SECOND);
	assert_int_equal(bench->ledger.positions + bench->ledger.drains, 0);
	assert_int_equal(bench->reader.reads, 0);
}

static void test_another_ledger_that_answers_after_a_failure_is_found_out(void **state)
{
	struct bench *bench = *state;

	fill(bench, 100);
	turn(bench);
	bench->ledger.fault = FAKE_FAILS;
	turn(bench);
	free(bench->ledger.known);
	bench->ledger.known = strdup("cluster-b orders");
	run_for(bench, 60 * SECOND);
	assert_ill(bench, "another journal");
	assert_int_equal(bench->ledger.drains, 2);
}

static void test_identity_that_cannot_be_told_is_asked_again(void **state)
{
	struct bench *bench = *state;

	bench->reader.identity_fault = -ENOTCONN;
	assert_int_equal(drain_identify(bench->drain), -ENOTCONN);
	bench->ledger.identify_fault = -ETIMEDOUT;
	assert_int_equal(drain_identify(bench->drain), -ETIMEDOUT);
	assert_int_equal(drain_identify(bench->drain), DRAIN_DONE);
	assert_well(bench);
	fill(bench, 10);
	run_out(bench);
}

/* --- The dead --- */

static void test_what_is_no_event_is_copied_before_the_position_moves(void **state)
{
	struct bench *bench = *state;

	fake_log_append(&bench->log, 0, 3, LEDGER_DONE);
	fake_log_append(&bench->log, 0, 2, -1);
	fake_log_append(&bench->log, 0, 3, LEDGER_DONE);
	bench->reader.dead_letter_fault = -ETIMEDOUT;
	turn(bench);
	assert_int_equal(bench->ledger.drains, 0);
	assert_ill(bench, "dead-letter");
	bench->ledger.fault = FAKE_FAILS; /* now they are copied, but the commit fails: they are copied again */
	run_out(bench);
	assert_int_equal(bench->log.copies[0][3], 2);
	assert_int_equal(bench->log.copies[0][4], 2);
	assert_int_equal(bench->ledger.unreadable, 2);
	assert_int_equal(bench->ledger.applied, 6);
	assert_int_equal(sample(bench, "penstock_drain_dead_letters_total{reason=\"unreadable\"}"), 2);
	assert_well(bench);
}

static void test_nothing_is_read_before_the_dead_letters_of_a_batch_are_copied(void **state)
{
	struct bench *bench = *state;
	size_t reads;

	fake_log_append(&bench->log, 0, 40, LEDGER_DONE);
	fake_log_append(&bench->log, 0, 10, LEDGER_NOT_FOUND);
	fake_log_append(&bench->log, 0, 100, LEDGER_DONE);
	bench->reader.dead_letter_fault = -ETIMEDOUT;
	turn(bench);
	assert_int_equal(bench->ledger.dead, 10);
	assert_int_equal(bench->log.copies[0][40], 0);
	assert_ill(bench, "dead-letter");
	reads = bench->reader.reads;
	bench->reader.dead_letter_fault = -ETIMEDOUT;
	while (bench->reader.dead_letter_fault)
		turn(bench);
	assert_int_equal(bench->reader.reads, reads);
	/* The reader's memory of them is gone by now: the copies are our own. */
	run_out(bench);
	for (int i = 40; i < 50; i++)
		assert_int_equal(bench->log.copies[0][i], 1);
	assert_int_equal(bench->ledger.dead, 10);
	assert_int_equal(bench->ledger.applied, 140);
	assert_well(bench);
}

static void test_one_that_ends_with_dead_letters_uncopied_frees_them(void **state)
{
	struct bench *bench = *state;

	fake_log_append(&bench->log, 0, 10, LEDGER_CONSTRAINT);
	bench->reader.dead_letter_fault = -ETIMEDOUT;
	turn(bench);
	assert_int_equal(bench->ledger.dead, 10); /* their rows are there */
}

/* --- The thread --- */

/*
 * A thread waits by the real clock. A drain that was made by the fake one would count its pace from
 * there, and where that is ahead (a machine that has just been started) it would read nothing until
 * the real one has caught up.
 */
static void begin_by_the_real_clock(struct bench *bench)
{
	end(bench);
	clock_set_source(NULL);
	begin(bench, 0);
}

static void test_the_thread_finishes_its_batch_when_it_is_stopped(void **state)
{
	struct bench *bench = *state;
	struct drain_state shown = {.lag_records = -1};

	begin_by_the_real_clock(bench);
	fill(bench, 500);
	assert_int_equal(drain_identify(bench->drain), DRAIN_DONE);
	assert_int_equal(drain_start(bench->drain), 0);
	while (shown.lag_records != 0)
		shown = look(bench);
	drain_stop(bench->drain);
	drain_stop(bench->drain);
	assert_true(fake_ledger_is_whole(&bench->ledger));
	assert_int_equal(bench->ledger.applied, 4 * 500);
	fake_clock_take();
}

static void test_a_stop_ends_a_pause_at_once(void **state)
{
	struct bench *bench = *state;
	int64_t start_ns;

	begin_by_the_real_clock(bench);
	bench->ledger.known = strdup("cluster-b orders"); /* it looks again after many seconds */
	assert_int_equal(drain_start(bench->drain), 0);
	while (!strstr(look(bench).reason, "another journal"))
		continue;
	start_ns = clock_mono_ns();
	drain_stop(bench->drain);
	assert_true(clock_mono_ns() - start_ns < 5 * SECOND);
	fake_clock_take();
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_moves_the_log_into_the_ledger),
		TEST(it_goes_on_where_the_ledger_stands),
		TEST(outcomes_are_counted),
		TEST(the_lag_is_told_while_there_is_one),
		TEST(max_rate_is_kept_within_five_per_cent),
		TEST(the_group_hears_from_a_slow_drain),
		TEST(an_empty_log_is_well_and_never_committed),
		TEST(a_commit_that_failed_is_done_again),
		TEST(a_commit_of_unknown_outcome_that_was_none_is_done_again),
		TEST(a_commit_of_unknown_outcome_that_was_one_is_not_done_again),
		TEST(even_a_failure_that_was_a_commit_is_not_done_again),
		TEST(a_last_batch_of_unknown_outcome_leaves_it_well),
		TEST(a_ledger_away_for_an_hour_means_lag_and_not_loss),
		TEST(a_ledger_away_for_a_moment_is_not_worth_a_rebalance),
		TEST(the_batch_shrinks_and_failures_wait_longer_and_longer),
		TEST(a_read_that_fails_loses_nothing),
		TEST(a_position_that_cannot_be_read_is_read_later),
		TEST(a_partition_that_cannot_be_positioned_now_does_not_stop_the_others),
		TEST(a_stale_position_changes_nothing_and_is_read_again),
		TEST(a_ledger_that_was_restored_is_brought_up_again_though_nothing_comes),
		TEST(a_partition_that_is_taken_away_in_the_middle_is_left_alone),
		TEST(an_event_of_a_newer_program_stops_its_partition_and_is_no_dead_letter),
		TEST(a_lost_record_holds_its_partition_and_no_other),
		TEST(a_record_that_is_lost_while_it_reads_is_found_by_positioning),
		TEST(another_record_before_the_position_holds_the_partition),
		TEST(a_stalled_partition_that_another_drain_gets_is_no_longer_told),
		TEST(another_log_is_refused),
		TEST(another_ledger_that_answers_after_a_failure_is_found_out),
		TEST(identity_that_cannot_be_told_is_asked_again),
		TEST(what_is_no_event_is_copied_before_the_position_moves),
		TEST(nothing_is_read_before_the_dead_letters_of_a_batch_are_copied),
		TEST(one_that_ends_with_dead_letters_uncopied_frees_them),
		TEST(the_thread_finishes_its_batch_when_it_is_stopped),
		TEST(a_stop_ends_a_pause_at_once),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}

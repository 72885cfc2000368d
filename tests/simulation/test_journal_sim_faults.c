/*
 * What the Kafka in the process does on demand and by chance, under the simulation's scheduler:
 * each end that an append is told is true of the log, also later, and of one whose node was killed;
 * readers share the partitions, and go on where they do not know better.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "simulation/journal/journal_sim.h"
#include "simulation/scheduler/scheduler.h"

#define MS INT64_C(1000000)
enum { DEADLINE_MS = 2000, SEEDS = 300, WRITERS = 3, APPENDS = 6, BATCH_MAX = 6, SALES = 5, PARTITIONS = 3, READ_MAX = 16 };

static struct scheduler *scheduler;
static struct journal_sim *sim;
static uint64_t seed;

/* Runs `run` as the first thread of a node, until all threads have ended. */
static void run_with(uint64_t of_seed, void (*run)(void *))
{
	struct scheduler_settings settings = {.seed = of_seed, .policy = of_seed % 2 ? SCHEDULER_UNIFORM : SCHEDULER_PRIORITIES};
	enum scheduler_end end;

	seed = of_seed;
	settings.change_points = 3;
	settings.change_steps = 300;
	scheduler = scheduler_new(&settings);
	sim = journal_sim_new(scheduler_node_new(scheduler, "kafka", NULL), of_seed, PARTITIONS);
	scheduler_start(scheduler_node_new(scheduler, "first", NULL), "first", run, NULL);
	end = scheduler_run(scheduler);
	if (end != SCHEDULER_ENDED) {
		scheduler_dump(scheduler, stderr);
		fail_msg("seed %llu: %s", (unsigned long long)of_seed, scheduler_end_text(end));
	}
	journal_sim_free(sim);
	scheduler_free(scheduler);
}

static struct event event_of(struct uuid_generator *ids, uint32_t sale)
{
	int64_t now_ms = clock_wall_ms();

	return (struct event){.kind = EVENT_CONFIRMED,
			      .sale = sale,
			      .epoch = 1,
			      .at_ms = now_ms,
			      .id = uuid_make(ids, now_ms, sale),
			      .actor = SLICE("olga")};
}

static enum journal_end append_one(struct journal *journal, const struct event *event)
{
	struct journal_entry entry = {.event = event};

	journal->ops->append(journal, &entry, 1);
	return entry.end;
}

/* How often an event is in the log, and where first. */
static size_t copies_of(const struct uuid *id, uint32_t partition, int64_t *first)
{
	struct journal_record record;
	size_t copies = 0;

	for (int64_t at = journal_sim_start(sim, partition); journal_sim_look(sim, partition, at, &record); at++)
		if (uuid_equal(&record.event.id, id) && copies++ == 0)
			*first = at;
	return copies;
}

/* --- Appends --- */

static struct written {
	struct uuid id;
	uint32_t writer, append, partition;
	enum journal_end end;
	bool there_when_told;
} written[WRITERS * APPENDS * BATCH_MAX];
static size_t written_count, writers_done;
static unsigned ended[JOURNAL_UNKNOWN + 1], late, never, twice;

static void write_batch(struct journal *journal, struct uuid_generator *ids, uint32_t writer, uint32_t number)
{
	struct event events[BATCH_MAX];
	struct journal_entry entries[BATCH_MAX];
	size_t count = 1 + (seed + number) % BATCH_MAX;
	int64_t first;

	for (size_t i = 0; i < count; i++) {
		events[i] = event_of(ids, (uint32_t)((seed + i) % SALES) + 1);
		entries[i] = (struct journal_entry){.event = &events[i]};
	}
	journal->ops->append(journal, entries, count);
	for (size_t i = 0; i < count; i++) {
		struct written *one = &written[written_count++];

		assert_true(entries[i].end == JOURNAL_DURABLE || entries[i].reason);
		*one = (struct written){events[i].id,   writer, number, journal->ops->partition(journal, events[i].sale),
					entries[i].end, false};
		one->there_when_told = copies_of(&one->id, one->partition, &first) > 0;
	}
}

static void write_all(void *argument)
{
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS);
	struct uuid_generator ids = {0};

	for (uint32_t i = 0; i < APPENDS; i++) {
		write_batch(journal, &ids, (uint32_t)(uintptr_t)argument, i);
		journal->ops->append(journal, NULL, 0);
	}
	journal->ops->free(journal);
	writers_done++;
}

static void trouble(void *argument)
{
	(void)argument;
	pause_sleep(300 * MS);
	journal_sim_elect(sim, (uint32_t)(seed % PARTITIONS), (int64_t)(seed % 4) * 500 * MS);
	pause_sleep(500 * MS);
	journal_sim_set_away(sim, true);
	pause_sleep((int64_t)(seed % 5) * 1000 * MS);
	journal_sim_set_away(sim, false);
	journal_sim_set_mute(sim, seed % 2);
	pause_sleep(1000 * MS);
	journal_sim_set_mute(sim, false);
}

/* Entries of one append in one partition: none is there whose predecessor is not, before it. */
static void check_order(void)
{
	for (size_t i = 0; i < written_count; i++) {
		int64_t before = -1, at = -1;

		if (copies_of(&written[i].id, written[i].partition, &at) == 0)
			continue;
		for (size_t j = 0; j < i; j++) {
			if (written[j].writer != written[i].writer || written[j].append != written[i].append ||
			    written[j].partition != written[i].partition)
				continue;
			if (copies_of(&written[j].id, written[j].partition, &before) == 0 || before >= at)
				fail_msg("seed %llu: an entry is there without the one before it", (unsigned long long)seed);
		}
	}
}

static void check_ends(void)
{
	for (size_t i = 0; i < written_count; i++) {
		const struct written *one = &written[i];
		int64_t at;
		size_t copies = copies_of(&one->id, one->partition, &at);

		ended[one->end]++;
		twice += copies > 1;
		if (one->end == JOURNAL_DURABLE && !(one->there_when_told && copies > 0))
			fail_msg("seed %llu: what was told durable is not there", (unsigned long long)seed);
		if (one->end == JOURNAL_REFUSED && copies > 0)
			fail_msg("seed %llu: what was told refused is there", (unsigned long long)seed);
		if (one->end != JOURNAL_UNKNOWN)
			continue;
		late += copies > 0 && !one->there_when_told;
		never += copies == 0;
	}
}

static const struct journal_sim_faults all_faults = {
	.refused = 60,
	.unsent = 60,
	.lost = 60,
	.ack_lost = 60,
	.late = 100,
	.slow = 100,
	.cut = 300,
	.duplicate = 50,
	.leader = 50,
	.silent = 50,
	.dead_letter = 300,
	.expelled = 30,
	.latency_ns = 50 * MS,
	.slow_ns = 3000 * MS,
	.late_ns = 20000 * MS,
	.heartbeat_ns = 1000 * MS,
};

static void run_writers(void *argument)
{
	static const char *const names[WRITERS] = {"gate-1", "gate-2", "gate-3"};

	(void)argument;
	written_count = writers_done = 0;
	journal_sim_set_faults(sim, &all_faults);
	for (size_t i = 0; i < WRITERS; i++)
		scheduler_start(scheduler_node_new(scheduler, names[i], NULL), "writer", write_all, (void *)i);
	trouble(NULL);
	pause_sleep(120000 * MS); /* all appends have ended, and what was late has come */
	assert_int_equal(writers_done, WRITERS);
	journal_sim_settle(sim);
	assert_int_equal(journal_sim_in_flight(sim), 0);
	check_ends();
	check_order();
}

static void test_each_end_is_true_of_the_log_and_stays_so(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= SEEDS; i++)
		run_with(i, run_writers);
	/* All that may happen does. */
	assert_true(ended[JOURNAL_DURABLE] > 1000);
	assert_true(ended[JOURNAL_REFUSED] > 100);
	assert_true(ended[JOURNAL_UNKNOWN] > 100);
	assert_true(late > 50);
	assert_true(never > 50);
	assert_true(twice > 50);
}

static uint64_t log_mark;

static void run_and_mark(void *argument)
{
	struct journal_record record;

	run_writers(argument);
	log_mark = 0;
	for (uint32_t i = 0; i < PARTITIONS; i++)
		for (int64_t at = 0; journal_sim_look(sim, i, at, &record); at++)
			log_mark = log_mark * 31 + record.mark;
}

static void test_same_seed_makes_the_same_log(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		uint64_t first;

		run_with(i, run_and_mark);
		first = log_mark;
		run_with(i, run_and_mark);
		assert_int_equal(log_mark, first);
	}
}

/* --- One after the other --- */

static void run_late(void *argument)
{
	const struct journal_sim_faults late_only = {.late = 1000, .late_ns = 60000 * MS};
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS), *other = journal_sim_open(sim, DEADLINE_MS * MS);
	struct uuid_generator ids = {0};
	struct event late_one = event_of(&ids, 1), next = event_of(&ids, 1);
	uint32_t partition = journal->ops->partition(journal, 1);
	int64_t started_ns = clock_mono_ns(), at, next_at;

	(void)argument;
	journal_sim_set_faults(sim, &late_only);
	assert_int_equal(append_one(journal, &late_one), JOURNAL_UNKNOWN);
	assert_int_equal(clock_mono_ns() - started_ns, DEADLINE_MS * MS);
	assert_int_equal(copies_of(&late_one.id, partition, &at), 0);
	assert_int_equal(journal_sim_in_flight(sim), 1);
	journal_sim_set_faults(sim, NULL);
	/*
	 * Another gate drives it, and the order goes on; then the first one comes, behind all that.
	 */
	assert_int_equal(append_one(other, &late_one), JOURNAL_DURABLE);
	assert_int_equal(append_one(other, &next), JOURNAL_DURABLE);
	pause_sleep(60000 * MS);
	other->ops->append(other, NULL, 0);
	assert_int_equal(copies_of(&late_one.id, partition, &at), 2);
	assert_int_equal(copies_of(&next.id, partition, &next_at), 1);
	assert_true(at < next_at);
	assert_int_equal(journal_sim_end(sim, partition), 3);
	journal->ops->free(journal);
	other->ops->free(other);
}

static void test_late_append_comes_behind_what_was_appended_meanwhile(void **state)
{
	(void)state;
	run_with(1, run_late);
}

static struct journal *killed_journal;
static struct event killed_event;

static void append_until_killed(void *argument)
{
	(void)argument;
	(void)append_one(killed_journal, &killed_event);
	fail_msg("it was to be killed before");
}

static unsigned appeared;

static void run_killed(void *argument)
{
	const struct journal_sim_faults slow = {.latency_ns = 1000 * MS};
	struct node *node = scheduler_node_new(scheduler, "gate", NULL);
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS);
	struct uuid_generator ids = {0};
	struct event next;
	uint32_t partition = journal->ops->partition(journal, 1);
	int64_t at;

	(void)argument;
	journal_sim_set_faults(sim, &slow);
	killed_event = event_of(&ids, 1);
	killed_journal = journal_sim_open(sim, DEADLINE_MS * MS);
	journal_sim_set_mute(sim, true); /* nothing is answered before it dies */
	scheduler_start(node, "worker", append_until_killed, NULL);
	pause_sleep((int64_t)(seed % 10) * 100 * MS);
	scheduler_kill(node);
	scheduler_await_gone(node);
	journal_sim_vanish(killed_journal);
	journal_sim_set_mute(sim, false);
	/* Nothing is locked, and the others go on. */
	next = event_of(&ids, 1);
	assert_int_equal(append_one(journal, &next), JOURNAL_DURABLE);
	pause_sleep(5000 * MS);
	journal->ops->append(journal, NULL, 0);
	assert_int_equal(journal_sim_in_flight(sim), 0);
	appeared += copies_of(&killed_event.id, partition, &at) == 1;
	journal->ops->free(journal);
}

static void test_append_of_a_killed_node_appears_or_does_not_and_nothing_stays_locked(void **state)
{
	(void)state;
	appeared = 0;
	for (uint64_t i = 1; i <= 100; i++)
		run_with(i, run_killed);
	assert_in_range(appeared, 10, 90);
}

static unsigned barriers_appeared;

static void append_barrier_until_killed(void *argument)
{
	(void)argument;
	(void)killed_journal->ops->barrier(killed_journal, 1, 8, &killed_event.id);
	fail_msg("it was to be killed before");
}

/* What a restore waits for is over at a time, and then the barrier is there or never will be. */
static void run_barrier(void *argument)
{
	const struct journal_sim_faults slow = {.latency_ns = 1000 * MS};
	struct node *node = scheduler_node_new(scheduler, "gate", NULL);
	struct journal *other = journal_sim_open(sim, DEADLINE_MS * MS);
	struct uuid_generator ids = {0};
	uint32_t partition = other->ops->partition(other, 1);
	struct event event = event_of(&ids, 1);
	int64_t end;

	(void)argument;
	journal_sim_set_faults(sim, &slow);
	killed_event = (struct event){0};
	killed_journal = journal_sim_open(sim, DEADLINE_MS * MS);
	journal_sim_set_mute(sim, true);
	scheduler_start(node, "worker", append_barrier_until_killed, NULL);
	pause_sleep((int64_t)(seed % 10) * 50 * MS);
	scheduler_kill(node);
	scheduler_await_gone(node);
	journal_sim_vanish(killed_journal);
	journal_sim_set_mute(sim, false);
	while (journal_sim_barriers_in_flight(sim) > 0) {
		pause_sleep(10 * MS);
		journal_sim_arrive(sim);
	}
	end = journal_sim_end(sim, partition);
	barriers_appeared += end == 1;
	assert_int_equal(append_one(other, &event), JOURNAL_DURABLE);
	assert_int_equal(journal_sim_end(sim, partition), end + 1);
	pause_sleep(5000 * MS);
	journal_sim_arrive(sim);
	assert_int_equal(journal_sim_end(sim, partition), end + 1);
	other->ops->free(other);
}

static void test_barrier_that_is_on_its_way_is_counted_until_it_is_there(void **state)
{
	(void)state;
	barriers_appeared = 0;
	for (uint64_t i = 1; i <= 100; i++)
		run_with(i, run_barrier);
	assert_in_range(barriers_appeared, 10, 90);
}

static void run_longer(void *argument)
{
	struct journal_sim_faults faults = {.latency_ns = 5 * MS, .longer_ns = 1500 * MS};
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS);
	struct uuid_generator ids = {0};
	int64_t began_ns;

	(void)argument;
	journal_sim_set_faults(sim, &faults);
	for (uint32_t sale = 1; sale <= 3; sale++) {
		struct event event = event_of(&ids, sale);

		began_ns = clock_mono_ns();
		assert_int_equal(append_one(journal, &event), JOURNAL_DURABLE);
		assert_in_range(clock_mono_ns() - began_ns, 1500 * MS, DEADLINE_MS * MS);
	}
	journal->ops->free(journal);
}

static void test_each_append_takes_so_much_longer_and_is_durable(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		run_with(i, run_longer);
}

static void run_made_again(void *argument)
{
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS), *young;
	struct uuid_generator ids = {0};
	struct event event = event_of(&ids, 1);
	const char *reason;

	(void)argument;
	assert_int_equal(append_one(journal, &event), JOURNAL_DURABLE);
	journal_sim_delete(sim);
	assert_int_not_equal(append_one(journal, &event), JOURNAL_DURABLE);
	journal_sim_make(sim, PARTITIONS);
	assert_int_equal(append_one(journal, &event), JOURNAL_UNKNOWN); /* its offset has not risen */
	assert_int_equal(append_one(journal, &event), JOURNAL_UNKNOWN);
	assert_true(journal->ops->health(journal, &reason) < 0);
	assert_int_equal(journal->ops->barrier(journal, 1, 9, &(struct uuid){{0}}), -EINPROGRESS);
	/* Who comes anew cannot know: that is the ledger's to say. */
	young = journal_sim_open(sim, DEADLINE_MS * MS);
	assert_int_equal(append_one(young, &event), JOURNAL_DURABLE);
	journal->ops->free(journal);
	young->ops->free(young);
}

static void test_topic_that_was_made_again_is_believed_by_nobody_who_knew_the_old_one(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		run_with(i, run_made_again);
}

/* --- Readers --- */

static struct journal_record records[READ_MAX];

static size_t read_some(struct journal_reader *reader, int64_t timeout_ms)
{
	uint32_t partitions[PARTITIONS];
	size_t count = reader->ops->unpositioned(reader, partitions, PARTITIONS), got;
	int r;

	for (size_t i = 0; i < count; i++) {
		r = reader->ops->seek(reader, partitions[i], 0, 0);
		assert_true(r == 0 || r == -ETIMEDOUT || r == -ENOTCONN || r == -ENOENT);
	}
	r = reader->ops->read(reader, records, READ_MAX, timeout_ms * MS, &got);
	assert_true(r == 0 || r == -ENOTCONN);
	return got;
}

static void write_three(struct uuid_generator *ids)
{
	struct journal *journal = journal_sim_open(sim, DEADLINE_MS * MS);

	for (uint32_t sale = 1; sale <= 3; sale++) {
		struct event event = event_of(ids, sale);

		assert_int_equal(append_one(journal, &event), JOURNAL_DURABLE);
	}
	journal->ops->free(journal);
}

static void run_expelled(void *argument)
{
	struct journal_sim_faults faults = {.heartbeat_ns = 1};
	struct journal_reader *old = journal_sim_open_reader(sim), *young = journal_sim_open_reader(sim);
	struct uuid_generator ids = {0};
	int64_t deadline_ns;
	size_t seen = 0;

	(void)argument;
	journal_sim_set_faults(sim, &faults);
	assert_int_equal(young->ops->share(young, false), 0);
	while (old->ops->given(old) < PARTITIONS)
		(void)read_some(old, 10);
	assert_int_equal(young->ops->share(young, true), 0);
	/* Thrown out in this read, it hears of it ten seconds later. */
	faults = (struct journal_sim_faults){.expelled = 1000, .heartbeat_ns = 10000 * MS};
	journal_sim_set_faults(sim, &faults);
	(void)read_some(old, 0);
	faults.expelled = 0;
	faults.heartbeat_ns = 1;
	journal_sim_set_faults(sim, &faults);
	while (young->ops->given(young) < PARTITIONS)
		(void)read_some(young, 10);
	write_three(&ids);
	deadline_ns = clock_mono_ns() + 60000 * MS;
	while (old->ops->given(old) == PARTITIONS && seen < 3)
		seen += read_some(old, 10);
	if (seen == 3) { /* both have all of it: only positions in the ledger keep the rows right */
		seen = 0;
		while (seen < 3)
			seen += read_some(young, 10);
		appeared++;
	}
	while (old->ops->given(old) + young->ops->given(young) != PARTITIONS || old->ops->given(old) == 0) {
		assert_true(clock_mono_ns() < deadline_ns);
		(void)read_some(old, 10);
		(void)read_some(young, 10);
	}
	old->ops->free(old);
	young->ops->free(young);
}

static void test_reader_that_was_thrown_out_goes_on_until_it_hears_of_it(void **state)
{
	(void)state;
	appeared = 0;
	for (uint64_t i = 1; i <= 50; i++)
		run_with(i, run_expelled);
	assert_true(appeared > 10);
}

static struct journal_reader *killed_reader;

static void read_until_killed(void *argument)
{
	(void)argument;
	for (;;)
		(void)read_some(killed_reader, 100);
}

static void run_killed_reader(void *argument)
{
	struct node *node = scheduler_node_new(scheduler, "drain", NULL);
	struct journal_reader *left;
	int64_t died_ns;

	(void)argument;
	killed_reader = journal_sim_open_reader(sim);
	scheduler_start(node, "drain", read_until_killed, NULL);
	while (killed_reader->ops->given(killed_reader) < PARTITIONS)
		pause_sleep(10 * MS);
	scheduler_kill(node);
	scheduler_await_gone(node);
	journal_sim_vanish_reader(killed_reader);
	died_ns = clock_mono_ns();
	left = journal_sim_open_reader(sim);
	while (left->ops->given(left) < PARTITIONS)
		(void)read_some(left, 100);
	assert_in_range(clock_mono_ns() - died_ns, 9000 * MS, 11000 * MS); /* a session's time */
	left->ops->free(left);
}

static void test_share_of_a_killed_reader_is_given_to_another_when_its_session_is_over(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		run_with(i, run_killed_reader);
}

/*
 * Two readers, with all that can go wrong: each partition is read in order from where the owner
 * says, and nothing is left out.
 */
static int64_t read_to[PARTITIONS];
static bool written_all;

static void drain_all(void *argument)
{
	struct journal_reader *reader = journal_sim_open_reader(sim);
	int64_t deadline_ns = clock_mono_ns() + 600000 * MS;
	bool whole = false;

	(void)argument;
	while (!whole) {
		uint32_t partitions[PARTITIONS];
		int64_t next[PARTITIONS];
		size_t count = reader->ops->unpositioned(reader, partitions, PARTITIONS), got = 0;
		struct journal_record before;

		assert_true(clock_mono_ns() < deadline_ns);
		for (size_t i = 0; i < count; i++) {
			uint64_t mark = 0;
			int64_t at = read_to[partitions[i]];

			if (at > 0 && journal_sim_look(sim, partitions[i], at - 1, &before))
				mark = before.mark;
			(void)!reader->ops->seek(reader, partitions[i], at, mark);
		}
		memcpy(next, read_to, sizeof(next));
		(void)!reader->ops->read(reader, records, READ_MAX, 500 * MS, &got);
		for (size_t i = 0; i < got; i++) {
			int64_t *at = &read_to[records[i].partition];

			if (records[i].offset > *at) /* the other one is behind, or was: the ledger would say so */
				reader->ops->revoke(reader, records[i].partition);
			else if (records[i].offset == *at)
				(*at)++;
		}
		whole = written_all && journal_sim_in_flight(sim) == 0;
		for (uint32_t i = 0; i < PARTITIONS; i++)
			whole = whole && read_to[i] == journal_sim_end(sim, i);
	}
	reader->ops->free(reader);
}

static void run_drains(void *argument)
{
	memset(read_to, 0, sizeof(read_to));
	written_all = false;
	scheduler_start(scheduler_node_new(scheduler, "drain-1", NULL), "drain", drain_all, NULL);
	scheduler_start(scheduler_node_new(scheduler, "drain-2", NULL), "drain", drain_all, NULL);
	run_writers(argument);
	written_all = true;
	journal_sim_set_faults(sim, NULL);
}

static void test_readers_with_all_that_can_go_wrong_leave_nothing_out(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 100; i++)
		run_with(i, run_drains);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_end_is_true_of_the_log_and_stays_so),
		cmocka_unit_test(test_same_seed_makes_the_same_log),
		cmocka_unit_test(test_late_append_comes_behind_what_was_appended_meanwhile),
		cmocka_unit_test(test_append_of_a_killed_node_appears_or_does_not_and_nothing_stays_locked),
		cmocka_unit_test(test_barrier_that_is_on_its_way_is_counted_until_it_is_there),
		cmocka_unit_test(test_each_append_takes_so_much_longer_and_is_durable),
		cmocka_unit_test(test_topic_that_was_made_again_is_believed_by_nobody_who_knew_the_old_one),
		cmocka_unit_test(test_reader_that_was_thrown_out_goes_on_until_it_hears_of_it),
		cmocka_unit_test(test_share_of_a_killed_reader_is_given_to_another_when_its_session_is_over),
		cmocka_unit_test(test_readers_with_all_that_can_go_wrong_leave_nothing_out),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("journal: simulated, faults", tests, NULL, NULL);
}

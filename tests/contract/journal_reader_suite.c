/* The journal reader's contract. */
#include "contract/journal_reader_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"

#define MS INT64_C(1000000)
enum { PARTITIONS = LOG_PARTITIONS, SALES = 5, RECORDS_MAX = 128, PATIENCE_MS = 60000, NOW_MS = 1800000000, ACK_MS = 10000 };

static const struct log_place_kind *kind;

struct seen {
	uint32_t partition, sale;
	int64_t offset;
	uint64_t mark;
	struct uuid id;
	bool is_event;
};

struct place {
	void *topic;
	struct journal *journal;
	struct journal_reader *reader;
	struct uuid_generator ids;
	struct uuid written[RECORDS_MAX];
	struct seen seen[RECORDS_MAX];
	size_t written_count, seen_count;
};

static struct journal_record records[RECORDS_MAX];

static int set_up_with(void **state, enum log_place_want want)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->topic = kind->topic_new(want);
	place->journal = kind->open(place->topic, ACK_MS);
	place->reader = kind->open_reader(place->topic);
	*state = place;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, LOG_PLAIN);
}

static int set_up_short_session(void **state)
{
	return set_up_with(state, LOG_SHORT_SESSION);
}

static int tear_down(void **state)
{
	struct place *place = *state;

	if (place->reader)
		place->reader->ops->free(place->reader);
	place->journal->ops->free(place->journal);
	kind->topic_free(place->topic);
	free(place);
	return 0;
}

/* Appends one event of each sale in turn. */
static void write_events(struct place *place, size_t count)
{
	struct event events[RECORDS_MAX];
	struct journal_entry entries[RECORDS_MAX];

	for (size_t i = 0; i < count; i++) {
		uint32_t sale = (uint32_t)(i % SALES) + 1;

		events[i] =
			(struct event){.kind = EVENT_CONFIRMED, .sale = sale, .epoch = 1, .at_ms = NOW_MS, .actor = SLICE("olga")};
		events[i].id = place->written[place->written_count++] = uuid_make(&place->ids, NOW_MS, sale);
		entries[i] = (struct journal_entry){.event = &events[i]};
	}
	place->journal->ops->append(place->journal, entries, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(entries[i].end, JOURNAL_DURABLE);
}

/* One read; what came is noted. */
static int read_once(struct place *place, struct journal_reader *reader, size_t max, int64_t timeout_ms)
{
	size_t count;
	int result = reader->ops->read(reader, records, max, timeout_ms * MS, &count);

	assert_true(count <= max);
	for (size_t i = 0; i < count; i++) {
		assert_true(place->seen_count < RECORDS_MAX);
		place->seen[place->seen_count++] = (struct seen){records[i].partition, records[i].event.sale, records[i].offset,
								 records[i].mark,      records[i].event.id,   !records[i].reason};
	}
	return result;
}

static size_t count_unpositioned(struct journal_reader *reader)
{
	uint32_t partitions[PARTITIONS + 1];

	return reader->ops->unpositioned(reader, partitions, PARTITIONS + 1);
}

static void wait_given(struct place *place, struct journal_reader *reader, size_t count)
{
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;

	while (count_unpositioned(reader) != count) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, reader, 0, 50), 0);
	}
}

static void seek_all_to_start(struct journal_reader *reader)
{
	uint32_t partitions[PARTITIONS];
	size_t count = reader->ops->unpositioned(reader, partitions, PARTITIONS);

	for (size_t i = 0; i < count; i++)
		assert_int_equal(reader->ops->seek(reader, partitions[i], 0, 0), 0);
}

static void read_until(struct place *place, struct journal_reader *reader, size_t seen)
{
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;

	while (place->seen_count < seen) {
		if (clock_mono_ns() >= deadline_ns)
			fail_msg("%zu of %zu records came", place->seen_count, seen);
		assert_int_equal(read_once(place, reader, RECORDS_MAX - place->seen_count, 500), 0);
	}
}

/*
 * Every record that was written is there once, those of a sale in the order in which they were
 * written, and a partition's offsets without a hole.
 */
static void assert_all_seen_in_order(const struct place *place)
{
	int64_t next[PARTITIONS] = {0};

	assert_int_equal(place->seen_count, place->written_count);
	for (uint32_t sale = 1; sale <= SALES; sale++) {
		size_t at = sale - 1; /* as write_events() does */

		for (size_t i = 0; i < place->seen_count; i++) {
			if (place->seen[i].sale != sale)
				continue;
			assert_true(uuid_equal(&place->seen[i].id, &place->written[at]));
			at += SALES;
		}
		assert_int_equal(at % SALES, sale - 1);
		assert_true(at >= place->written_count);
	}
	for (size_t i = 0; i < place->seen_count; i++)
		assert_int_equal(place->seen[i].offset, next[place->seen[i].partition]++);
}

/* Any partition with at least `count` records; *last: the last of the first `count`. */
static uint32_t partition_with(const struct place *place, int64_t count, struct seen *last)
{
	*last = (struct seen){0};
	for (size_t i = 0; i < place->seen_count && !last->is_event; i++)
		if (place->seen[i].offset == count - 1)
			*last = place->seen[i];
	assert_true(last->is_event);
	return last->partition;
}

/* What was seen last of a partition; its offset is -1 where there was nothing. */
static struct seen last_of(const struct place *place, uint32_t partition)
{
	struct seen last = {.offset = -1};

	for (size_t i = 0; i < place->seen_count; i++)
		if (place->seen[i].partition == partition)
			last = place->seen[i];
	return last;
}

/* --- Reading --- */

static void test_all_is_read_in_order_and_nothing_before_seek(void **state)
{
	struct place *place = *state;

	write_events(place, 40);
	wait_given(place, place->reader, PARTITIONS);
	assert_int_equal(read_once(place, place->reader, 10, 300), 0);
	assert_int_equal(place->seen_count, 0);
	assert_int_equal(place->reader->ops->lag(place->reader), -1);
	seek_all_to_start(place->reader);
	assert_int_equal(count_unpositioned(place->reader), 0);
	read_until(place, place->reader, 7);
	read_until(place, place->reader, 40);
	write_events(place, 20);
	read_until(place, place->reader, 60);
	assert_all_seen_in_order(place);
	assert_int_equal(place->reader->ops->lag(place->reader), 0);
}

static void test_no_more_is_taken_than_was_asked_for_and_nothing_is_lost_by_it(void **state)
{
	struct place *place = *state;

	write_events(place, 40);
	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	for (int i = 0; i < 5; i++)
		assert_int_equal(read_once(place, place->reader, 0, 100), 0);
	assert_int_equal(place->seen_count, 0);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS; place->seen_count < 40;) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 3, 500), 0);
	}
	assert_all_seen_in_order(place);
}

static void test_reading_goes_on_from_a_position_that_is_known_by_its_mark(void **state)
{
	struct place *place = *state;
	struct journal_reader *reader = place->reader;
	struct seen last;
	uint32_t partition;
	size_t total;

	write_events(place, 40);
	wait_given(place, reader, PARTITIONS);
	seek_all_to_start(reader);
	read_until(place, reader, 40);
	partition = partition_with(place, 4, &last);
	reader->ops->revoke(reader, partition);
	assert_int_equal(count_unpositioned(reader), 1);
	assert_int_equal(reader->ops->seek(reader, partition, 4, last.mark + 1), -ESTALE);
	assert_int_equal(reader->ops->seek(reader, partition, 3, last.mark), -ESTALE);
	assert_int_equal(reader->ops->seek(reader, partition, 1000, last.mark), -ENODATA);
	assert_int_equal(reader->ops->seek(reader, PARTITIONS, 0, 0), -ENOENT);
	assert_int_equal(count_unpositioned(reader), 1);
	assert_int_equal(reader->ops->seek(reader, partition, 4, last.mark), 0);
	total = place->seen_count;
	read_until(place, reader, total + 1);
	assert_int_equal(place->seen[total].partition, partition);
	assert_int_equal(place->seen[total].offset, 4);
}

static void test_partition_without_position_is_silent(void **state)
{
	struct place *place = *state;
	struct journal_reader *reader = place->reader;
	size_t total;

	write_events(place, 40);
	wait_given(place, reader, PARTITIONS);
	seek_all_to_start(reader);
	assert_int_equal(read_once(place, reader, 1, PATIENCE_MS), 0);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		reader->ops->revoke(reader, i);
	total = place->seen_count;
	assert_int_equal(read_once(place, reader, 50, 300), 0);
	assert_int_equal(place->seen_count, total);
	place->seen_count = 0;
	seek_all_to_start(reader);
	read_until(place, reader, 40);
	assert_all_seen_in_order(place);
}

static void test_barrier_and_what_is_no_event_come_in_their_places(void **state)
{
	struct place *place = *state;

	assert_int_equal(place->journal->ops->barrier(place->journal, 1, 7, &(struct uuid){{0}}), 0);
	kind->write(place->topic, 0, "1", "{\"v\":1,\"sort\":\"order.eaten\"}");
	kind->write(place->topic, 0, "", "");
	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS; place->seen_count < 3;) {
		size_t before = place->seen_count;

		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 1, 500), 0);
		if (place->seen_count == before)
			continue;
		if (place->seen[before].is_event) {
			assert_int_equal(records[0].event.kind, EVENT_BARRIER);
			assert_int_equal(records[0].event.epoch, 7);
		} else {
			assert_string_equal(records[0].reason,
					    records[0].value.size ? "kind is missing or unknown" : "not valid JSON");
		}
	}
}

static void test_dead_letter_keeps_what_it_was_and_says_why(void **state)
{
	struct place *place = *state;
	static const char value[] = "{\"v\":1,\"sort\":\"order.eaten\"}";
	struct log_place_record dead = {.key = "11"};

	kind->write(place->topic, 2, "11", value);
	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	read_until(place, place->reader, 1);
	assert_int_equal(place->reader->ops->copy_dead_letter(place->reader, &records[0], records[0].reason), 0);
	assert_int_equal(place->reader->ops->copy_dead_letter(place->reader, &records[0], "again"), 0);
	snprintf(dead.value, sizeof(dead.value), "%s", value);
	assert_true(kind->is_dead(place->topic, 0, 2, 0, &dead, "kind is missing or unknown"));
	assert_true(kind->is_dead(place->topic, 1, 2, 0, &dead, "again"));
	assert_false(kind->is_dead(place->topic, 2, 2, 0, &dead, "again"));
}

/* --- The log is not what it was --- */

static void test_what_retention_took_is_told_and_never_skipped(void **state)
{
	struct place *place = *state;
	struct journal_reader *reader = place->reader;
	struct seen last;
	uint32_t partition;

	write_events(place, 60);
	wait_given(place, reader, PARTITIONS);
	seek_all_to_start(reader);
	read_until(place, reader, 60);
	partition = partition_with(place, 8, &last);
	reader->ops->revoke(reader, partition);
	/* Taken before it is asked for. */
	kind->cut(place->topic, partition, 5);
	assert_int_equal(reader->ops->seek(reader, partition, 4, last.mark), -ENODATA);
	assert_int_equal(reader->ops->seek(reader, partition, 0, 0), -ENODATA);
	/* What comes next is there; what was before it cannot be compared. */
	assert_int_equal(reader->ops->seek(reader, partition, 5, 12345), 0);
	/* Taken between the seek and the read. */
	kind->cut(place->topic, partition, 7);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS; read_once(place, reader, 10, 500) != -ENODATA;)
		assert_true(clock_mono_ns() < deadline_ns);
	assert_int_equal(place->seen_count, 60);
	assert_int_equal(read_once(place, reader, 10, 100), -ENODATA);
	reader->ops->revoke(reader, partition);
	assert_int_equal(read_once(place, reader, 10, 100), 0);
	assert_int_equal(reader->ops->seek(reader, partition, 8, last.mark), 0);
}

/*
 * One that reads on in a log that is no longer there. It may hear that there are no partitions any
 * more, and that there are some again: then it asks for what is to come next as it would have gone
 * on.
 */
static bool is_found_out(struct place *place)
{
	struct journal_reader *reader = place->reader;
	uint32_t partitions[PARTITIONS];
	size_t count = reader->ops->unpositioned(reader, partitions, PARTITIONS);

	for (size_t i = 0; i < count; i++) {
		struct seen last = last_of(place, partitions[i]);
		int result = reader->ops->seek(reader, partitions[i], last.offset + 1, last.mark);

		assert_int_not_equal(result, -ESTALE);
		if (result == -ENODATA)
			return true;
	}
	return read_once(place, reader, 10, 500) == -ENODATA;
}

/*
 * Found: where the cluster had said meanwhile that the topic has no partitions, all were given
 * anew, and nobody asked for them.
 */
static void test_topic_that_was_made_again_is_found_out(void **state)
{
	struct place *place = *state;
	struct journal_reader *reader = place->reader;
	struct seen last;
	uint32_t partition;
	int result;

	write_events(place, 40);
	wait_given(place, reader, PARTITIONS);
	seek_all_to_start(reader);
	read_until(place, reader, 40);
	partition = partition_with(place, 4, &last);
	kind->remove(place->topic);
	kind->make(place->topic);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS; !is_found_out(place);)
		assert_true(clock_mono_ns() < deadline_ns);
	assert_int_equal(place->seen_count, 40);
	/* One that is new: a log that is shorter, and then one that is as long but another. */
	reader->ops->free(reader);
	reader = place->reader = kind->open_reader(place->topic);
	wait_given(place, reader, PARTITIONS);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;
	     (result = reader->ops->seek(reader, partition, 4, last.mark)) == -ENOTCONN || result == -ETIMEDOUT;)
		assert_true(clock_mono_ns() < deadline_ns);
	assert_int_equal(result, -ENODATA);
	for (int i = 0; i < 8; i++)
		kind->write(place->topic, partition, "1", "{}");
	assert_int_equal(reader->ops->seek(reader, partition, 4, last.mark), -ESTALE);
}

/* --- Others --- */

/* Serves both until the group has given each its share. */
static void wait_shared(struct place *place, struct journal_reader *second)
{
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;

	while (count_unpositioned(place->reader) + count_unpositioned(second) != PARTITIONS || count_unpositioned(second) == 0) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 0, 50), 0);
		assert_int_equal(read_once(place, second, 0, 50), 0);
	}
}

static void test_readers_share_partitions_and_take_over(void **state)
{
	struct place *place = *state;
	struct journal_reader *second;
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;

	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	second = kind->open_reader(place->topic);
	/* Everything is given anew, also what stays: its place may have moved meanwhile. */
	wait_shared(place, second);
	assert_true(count_unpositioned(place->reader) > 0);
	seek_all_to_start(place->reader);
	seek_all_to_start(second);
	write_events(place, 40);
	while (place->seen_count < 40) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 40, 50), 0);
		assert_int_equal(read_once(place, second, 40, 50), 0);
	}
	assert_all_seen_in_order(place);
	second->ops->free(second);
	wait_given(place, place->reader, PARTITIONS);
	place->seen_count = 0;
	seek_all_to_start(place->reader);
	read_until(place, place->reader, 40);
	assert_all_seen_in_order(place);
}

/* One that does not reach its ledger, say. */
static void test_reader_that_has_no_share_leaves_all_to_the_other_until_it_has_again(void **state)
{
	struct place *place = *state;
	struct journal_reader *second;
	int64_t deadline_ns;

	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	second = kind->open_reader(place->topic);
	wait_shared(place, second);
	assert_int_equal(place->reader->ops->share(place->reader, false), 0);
	deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;
	while (count_unpositioned(second) < PARTITIONS) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 0, 50), 0);
		assert_int_equal(read_once(place, second, 0, 50), 0);
	}
	assert_int_equal(count_unpositioned(place->reader), 0);
	seek_all_to_start(second);
	write_events(place, 40);
	read_until(place, second, 40);
	assert_all_seen_in_order(place);
	assert_int_equal(place->reader->ops->share(place->reader, true), 0);
	wait_shared(place, second);
	assert_true(count_unpositioned(place->reader) > 0);
	second->ops->free(second);
}

static void test_what_was_fetched_before_a_rebalance_is_not_taken_after_it(void **state)
{
	struct place *place = *state;
	struct journal_reader *second;

	write_events(place, 40);
	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	for (int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS; place->seen_count < 5;) { /* the rest is on our side by then */
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 1, 500), 0);
	}
	second = kind->open_reader(place->topic);
	wait_shared(place, second);
	second->ops->free(second);
	wait_given(place, place->reader, PARTITIONS);
	assert_int_equal(read_once(place, place->reader, 10, 100), 0);
	assert_int_equal(place->seen_count, 5);
	/* The ledger stands further back than what was fetched: that is no gap. */
	place->seen_count = 0;
	seek_all_to_start(place->reader);
	read_until(place, place->reader, 40);
	assert_all_seen_in_order(place);
}

static void test_more_readers_than_partitions_leave_one_idle_and_well(void **state)
{
	struct place *place = *state;
	struct journal_reader *others[PARTITIONS];
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;
	size_t given = 0, idle = 0;

	wait_given(place, place->reader, PARTITIONS);
	for (size_t i = 0; i < PARTITIONS; i++)
		others[i] = kind->open_reader(place->topic);
	while (given != PARTITIONS || idle != 1) {
		assert_true(clock_mono_ns() < deadline_ns);
		assert_int_equal(read_once(place, place->reader, 0, 20), 0);
		given = count_unpositioned(place->reader);
		idle = given == 0;
		for (size_t i = 0; i < PARTITIONS; i++) {
			size_t count;

			assert_int_equal(read_once(place, others[i], 0, 20), 0);
			count = count_unpositioned(others[i]);
			given += count;
			idle += count == 0 && others[i]->ops->lag(others[i]) == 0;
		}
	}
	for (size_t i = 0; i < PARTITIONS; i++)
		others[i]->ops->free(others[i]);
	wait_given(place, place->reader, PARTITIONS);
}

static void test_partition_that_was_added_is_given_and_read(void **state)
{
	struct place *place = *state;

	wait_given(place, place->reader, PARTITIONS);
	seek_all_to_start(place->reader);
	kind->grow(place->topic, PARTITIONS + 1);
	kind->write(place->topic, PARTITIONS, "9", "{}");
	wait_given(place, place->reader, PARTITIONS + 1);
	assert_int_equal(place->reader->ops->seek(place->reader, PARTITIONS, 0, 0), 0);
	read_until(place, place->reader, 1);
	assert_int_equal(place->seen[0].partition, PARTITIONS);
	assert_int_equal(place->reader->ops->seek(place->reader, PARTITIONS + 1, 0, 0), -ENOENT);
}

/*
 * Reads until so much was seen, and goes on where it was whenever the group was formed anew; the
 * ledger would say where.
 */
static void read_on_until(struct place *place, size_t seen)
{
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;

	while (place->seen_count < seen) {
		uint32_t partitions[PARTITIONS];
		size_t count = place->reader->ops->unpositioned(place->reader, partitions, PARTITIONS);
		int result;

		assert_true(clock_mono_ns() < deadline_ns);
		for (size_t i = 0; i < count; i++) {
			struct seen last = last_of(place, partitions[i]);

			result = place->reader->ops->seek(place->reader, partitions[i], last.offset + 1, last.mark);
			assert_true(result == 0 || result == -ENOTCONN || result == -ETIMEDOUT || result == -EIO);
		}
		result = read_once(place, place->reader, 10, 100);
		assert_true(result == 0 || result == -ENOTCONN);
	}
}

static void test_broker_that_comes_back_is_read_on(void **state)
{
	struct place *place = *state;
	int64_t deadline_ns;
	const char *reason;

	write_events(place, 20);
	read_on_until(place, 20);
	kind->set_state(place->topic, LOG_DOWN);
	deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;
	while (read_once(place, place->reader, 10, 100) != -ENOTCONN)
		assert_true(clock_mono_ns() < deadline_ns);
	/* Once it has been silent for too long, what is its share is for the group to say. */
	while (place->reader->ops->lag(place->reader) != -1) {
		assert_true(clock_mono_ns() < deadline_ns);
		(void)!read_once(place, place->reader, 0, 100);
	}
	kind->set_state(place->topic, LOG_WELL);
	deadline_ns = clock_mono_ns() + PATIENCE_MS * MS;
	while (place->journal->ops->health(place->journal, &reason) < 0) {
		assert_true(clock_mono_ns() < deadline_ns);
		place->journal->ops->append(place->journal, NULL, 0);
	}
	write_events(place, 20);
	read_on_until(place, 40);
	assert_all_seen_in_order(place);
}

static void test_it_says_which_log_it_is(void **state)
{
	struct place *place = *state;
	const char *cluster, *topic;
	uint32_t partitions = 0;

	assert_int_equal(place->reader->ops->identity(place->reader, &cluster, &topic, &partitions), 0);
	assert_int_equal(partitions, kind->partitions(place->journal));
	assert_string_equal(cluster, kind->cluster(place->journal));
	assert_string_equal(topic, kind->topic(place->journal));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int journal_reader_suite_run(const struct log_place_kind *which)
{
	const struct CMUnitTest tests[] = {
		/* First: a broker that was killed looks through all it has. */
		cmocka_unit_test_setup_teardown(test_broker_that_comes_back_is_read_on, set_up_short_session, tear_down),
		TEST(test_all_is_read_in_order_and_nothing_before_seek),
		TEST(test_no_more_is_taken_than_was_asked_for_and_nothing_is_lost_by_it),
		TEST(test_reading_goes_on_from_a_position_that_is_known_by_its_mark),
		TEST(test_partition_without_position_is_silent),
		TEST(test_barrier_and_what_is_no_event_come_in_their_places),
		TEST(test_dead_letter_keeps_what_it_was_and_says_why),
		TEST(test_what_retention_took_is_told_and_never_skipped),
		TEST(test_topic_that_was_made_again_is_found_out),
		TEST(test_readers_share_partitions_and_take_over),
		TEST(test_reader_that_has_no_share_leaves_all_to_the_other_until_it_has_again),
		TEST(test_what_was_fetched_before_a_rebalance_is_not_taken_after_it),
		TEST(test_more_readers_than_partitions_leave_one_idle_and_well),
		TEST(test_partition_that_was_added_is_given_and_read),
		TEST(test_it_says_which_log_it_is),
	};

	kind = which;
	return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}

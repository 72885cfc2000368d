/*
 * The contract of a journal that is a log with partitions: records, ranges, and what it makes of a
 * log that is late, away, or another one.
 */
#include "contract/journal_log_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/thread.h"
#include "contract/ledger_kit.h"

#define MS INT64_C(1000000)
/* BRIEF_MS: of a test in which appends run into it. */
enum { DEADLINE_MS = 5000, BRIEF_MS = 10000, PATIENT_MS = 30000, AWAITED_MS = 60000, RECORDS_MAX = 64, SALES = 7 };

static const struct log_place_kind *kind;
static struct log_place_record records[RECORDS_MAX];

struct place {
	void *topic;
	struct journal *journal;
	struct uuid_generator ids;
};

static int set_up_with(void **state, enum log_place_want want, int64_t deadline_ms)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->topic = kind->topic_new(want);
	place->journal = kind->open(place->topic, deadline_ms);
	*state = place;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, LOG_PLAIN, PATIENT_MS);
}

static int set_up_states(void **state)
{
	return set_up_with(state, LOG_STATES, DEADLINE_MS);
}

/* For a test that counts what is durable: on a busy machine that takes its time. */
static int set_up_states_briefly(void **state)
{
	return set_up_with(state, LOG_STATES, BRIEF_MS);
}

static int tear_down(void **state)
{
	struct place *place = *state;

	place->journal->ops->free(place->journal);
	kind->topic_free(place->topic);
	free(place);
	return 0;
}

static struct event event_of(struct place *place, uint32_t sale)
{
	return (struct event){
		.kind = EVENT_RESERVED,
		.sale = sale,
		.epoch = 3,
		.lot = 1,
		.quantity = 2,
		.buyer_units = 2,
		.limit_per_buyer = 4,
		.id = uuid_make(&place->ids, KIT_NOW_MS, sale),
		.at_ms = KIT_NOW_MS,
		.hold_expires_at_ms = KIT_NOW_MS + 60000,
		.buyer = SLICE("ann"),
		.key = SLICE("k1"),
		.actor = SLICE("ann"),
		.trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	};
}

static enum journal_end append(struct place *place, const struct event *event)
{
	struct journal_entry entry = {.event = event};

	place->journal->ops->append(place->journal, &entry, 1);
	if (entry.end != JOURNAL_DURABLE)
		assert_non_null(entry.reason);
	return entry.end;
}

static bool is_well(struct place *place)
{
	const char *reason;

	return place->journal->ops->health(place->journal, &reason) == 0;
}

/* Looks after the journal as its owner does, until it is well. */
static void wait_well(struct place *place)
{
	int64_t deadline_ns = clock_mono_ns() + AWAITED_MS * MS;

	while (!is_well(place)) {
		assert_true(clock_mono_ns() < deadline_ns);
		place->journal->ops->append(place->journal, NULL, 0);
	}
}

static size_t copies_of(const struct event *event, size_t count)
{
	char id[UUID_TEXT_SIZE];
	size_t copies = 0;

	uuid_format(&event->id, id);
	for (size_t i = 0; i < count; i++)
		copies += strstr(records[i].value, id) != NULL;
	return copies;
}

/* --- A log that is well --- */

static void test_records_are_what_was_appended_in_order_within_a_sale(void **state)
{
	struct place *place = *state;
	struct event events[RECORDS_MAX];
	struct journal_entry entries[RECORDS_MAX];
	size_t next[SALES + 1] = {0}, count;
	int32_t partition[SALES + 1];

	for (uint32_t i = 0; i < RECORDS_MAX; i++) {
		events[i] = event_of(place, i % SALES + 1);
		entries[i] = (struct journal_entry){.event = &events[i]};
	}
	place->journal->ops->append(place->journal, entries, RECORDS_MAX);
	for (size_t i = 0; i < RECORDS_MAX; i++)
		assert_int_equal(entries[i].end, JOURNAL_DURABLE);
	count = kind->read(place->topic, records, RECORDS_MAX);
	assert_int_equal(count, RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		uint32_t sale = (uint32_t)atoi(records[i].key);
		struct buffer json;

		buffer_init(&json, 4096);
		event_encode(&events[next[sale] * SALES + sale - 1], &json);
		assert_int_equal(json.size, strlen(records[i].value));
		assert_memory_equal(records[i].value, json.data, json.size);
		buffer_deinit(&json);
		if (next[sale]++ == 0)
			partition[sale] = (int32_t)place->journal->ops->partition(place->journal, (uint32_t)sale);
		assert_int_equal(records[i].partition, partition[sale]);
	}
}

static void test_barrier_is_a_record_of_its_sale(void **state)
{
	struct place *place = *state;
	struct event event, before = event_of(place, 5);
	struct event_text text;
	const char *reason;

	assert_int_equal(append(place, &before), JOURNAL_DURABLE);
	assert_int_equal(place->journal->ops->barrier(place->journal, 5, 4, &(struct uuid){{0}}), 0);
	assert_int_equal(kind->read(place->topic, records, RECORDS_MAX), 2);
	assert_int_equal(records[0].partition, records[1].partition);
	assert_string_equal(records[1].key, "5");
	assert_int_equal(event_decode(slice_of(records[1].value), &event, &text, &reason), 0);
	assert_int_equal(event.kind, EVENT_BARRIER);
	assert_int_equal(event.sale, 5);
	assert_int_equal(event.epoch, 4);
	assert_int_equal(uuid_tag(&event.id), 5);
}

struct appender {
	struct thread thread;
	struct place *place;
	atomic_bool stop;
	uint32_t durable, others;
};

static void append_all_the_time(void *argument)
{
	struct appender *appender = argument;

	while (!atomic_load(&appender->stop)) {
		struct event event = event_of(appender->place, 2);

		if (append(appender->place, &event) == JOURNAL_DURABLE)
			appender->durable++;
		else
			appender->others++;
	}
}

/*
 * A sale is rebuilt while others are sold: the rebuilder's barriers come between the worker's
 * appends, and neither takes the other's reports.
 */
static void test_barriers_may_come_from_another_thread(void **state)
{
	struct place *place = *state;
	struct appender appender = {.place = place};
	int64_t ends[8];
	uint32_t count = 0;
	int64_t total = 0;

	assert_int_equal(thread_start(&appender.thread, "appender", append_all_the_time, &appender), 0);
	for (uint32_t i = 1; i <= 200; i++) {
		assert_int_equal(place->journal->ops->barrier(place->journal, 5, i, &(struct uuid){{0}}), 0);
		if (i % 50 == 0)
			assert_int_equal(place->journal->ops->ends(place->journal, ends, 8, &count), 0);
	}
	atomic_store(&appender.stop, true);
	thread_join(&appender.thread);
	assert_int_equal(appender.others, 0);
	assert_true(appender.durable > 0);
	assert_int_equal(place->journal->ops->ends(place->journal, ends, 8, &count), 0);
	assert_int_equal(count, 3);
	for (uint32_t i = 0; i < count; i++)
		total += ends[i];
	assert_int_equal(total, 200 + appender.durable);
}

/* --- Reading a range --- */

struct taken {
	struct place *place;
	size_t count, batches;
	int64_t offsets[RECORDS_MAX];
	uint64_t marks[RECORDS_MAX];
	struct uuid ids[RECORDS_MAX];
	const char *reasons[RECORDS_MAX];
	int stop; /* said at the first batch */
};

static int take(void *context, struct journal_record *batch, size_t count)
{
	struct taken *taken = context;

	taken->batches++;
	for (size_t i = 0; i < count; i++) {
		assert_true(taken->count < RECORDS_MAX);
		taken->offsets[taken->count] = batch[i].offset;
		taken->marks[taken->count] = batch[i].mark;
		taken->ids[taken->count] = batch[i].event.id;
		taken->reasons[taken->count++] = batch[i].reason;
	}
	return taken->stop;
}

static int read_range(struct place *place, struct taken *taken, int64_t from, uint64_t mark, int64_t to)
{
	struct journal_range range = {
		.partition = place->journal->ops->partition(place->journal, 1),
		.from = from,
		.to = to,
		.mark = mark,
	};

	*taken = (struct taken){.place = place, .stop = taken->stop};
	return place->journal->ops->read(place->journal, &range, take, taken);
}

/* Twelve events of sale 1: nothing else is in its partition. */
static void write_twelve(struct place *place, struct uuid ids[12])
{
	for (size_t i = 0; i < 12; i++) {
		struct event event = event_of(place, 1);

		ids[i] = event.id;
		assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	}
}

static void test_range_is_read_whole_and_once_from_anywhere(void **state)
{
	struct place *place = *state;
	struct taken all = {0}, some = {0};
	struct uuid ids[12];

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &all, 0, 0, 12), 0);
	assert_int_equal(all.count, 12);
	for (size_t i = 0; i < 12; i++) {
		assert_int_equal(all.offsets[i], i);
		assert_true(uuid_equal(&all.ids[i], &ids[i]));
		assert_null(all.reasons[i]);
	}
	/* What lies behind the range stays there, also where it was fetched with it. */
	assert_int_equal(read_range(place, &some, 5, all.marks[4], 9), 0);
	assert_int_equal(some.count, 4);
	assert_int_equal(some.offsets[0], 5);
	assert_int_equal(some.marks[0], all.marks[5]);
	assert_int_equal(read_range(place, &some, 12, all.marks[11], 12), 0);
	assert_int_equal(some.count, 0);
	assert_int_equal(read_range(place, &some, 0, 0, 0), 0);
	assert_int_equal(some.count, 0);
}

static void test_what_take_says_ends_the_read(void **state)
{
	struct place *place = *state;
	struct taken taken = {.stop = -ECANCELED};
	struct uuid ids[12];

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &taken, 0, 0, 12), -ECANCELED);
	assert_int_equal(taken.batches, 1);
}

static void test_range_behind_another_record_is_of_another_log(void **state)
{
	struct place *place = *state;
	struct taken taken = {0};
	struct uuid ids[12];

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &taken, 5, 4711, 12), -ESTALE);
	assert_int_equal(taken.count, 0);
	assert_int_equal(read_range(place, &taken, 12, 4711, 12), -ESTALE);
}

static void test_log_that_is_shorter_than_the_range_is_said(void **state)
{
	struct place *place = *state;
	struct taken taken = {0};
	struct uuid ids[12];

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &taken, 40, 4711, 50), -ENODATA);
	assert_int_equal(read_range(place, &taken, 13, 4711, 14), -ENODATA);
	assert_int_equal(taken.count, 0);
}

static void test_range_that_retention_has_cut_is_said(void **state)
{
	struct place *place = *state;
	struct taken all = {0}, taken = {0};
	struct uuid ids[12];

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &all, 0, 0, 12), 0);
	kind->cut(place->topic, place->journal->ops->partition(place->journal, 1), 6);
	assert_int_equal(read_range(place, &taken, 3, all.marks[2], 12), -ENODATA);
	assert_int_equal(taken.count, 0);
	assert_int_equal(read_range(place, &taken, 0, 0, 12), -ENODATA);
	/* The record before it alone is gone: all of the range is there. */
	assert_int_equal(read_range(place, &taken, 6, all.marks[5], 12), 0);
	assert_int_equal(taken.count, 6);
	assert_int_equal(taken.offsets[0], 6);
	assert_int_equal(read_range(place, &taken, 7, all.marks[6], 12), 0);
	assert_int_equal(taken.count, 5);
}

static void test_topic_that_was_made_anew_is_not_read(void **state)
{
	struct place *place = *state;
	struct taken all = {0}, taken = {0};
	struct uuid ids[12];
	char json[] = "{}";

	write_twelve(place, ids);
	assert_int_equal(read_range(place, &all, 0, 0, 12), 0);
	kind->remove(place->topic);
	kind->make(place->topic);
	assert_int_equal(read_range(place, &taken, 12, all.marks[11], 12), -ENODATA);
	for (int i = 0; i < 12; i++)
		kind->write(place->topic, place->journal->ops->partition(place->journal, 1), "1", json);
	assert_int_equal(read_range(place, &taken, 8, all.marks[7], 12), -ESTALE);
	assert_int_equal(taken.count, 0);
}

static void test_record_that_is_no_event_is_said_with_its_reason(void **state)
{
	struct place *place = *state;
	struct taken taken = {0};
	struct event event = event_of(place, 1);

	kind->write(place->topic, place->journal->ops->partition(place->journal, 1), "1", "garbage");
	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	assert_int_equal(read_range(place, &taken, 0, 0, 2), 0);
	assert_int_equal(taken.count, 2);
	assert_non_null(taken.reasons[0]);
	assert_null(taken.reasons[1]);
}

static void test_silent_broker_is_given_up_and_read_when_it_is_back(void **state)
{
	struct place *place = *state;
	struct taken taken = {0};
	struct uuid ids[12];
	int64_t start_ns, deadline_ns;
	int result;

	write_twelve(place, ids);
	kind->set_state(place->topic, LOG_HELD);
	start_ns = clock_mono_ns();
	result = read_range(place, &taken, 0, 0, 12);
	assert_true(result == -ETIMEDOUT || result == -ENOTCONN);
	assert_int_equal(taken.count, 0);
	assert_true(clock_mono_ns() - start_ns < AWAITED_MS * MS);
	kind->set_state(place->topic, LOG_CUT);
	kind->set_state(place->topic, LOG_WELL);
	deadline_ns = clock_mono_ns() + AWAITED_MS * MS;
	while ((result = read_range(place, &taken, 0, 0, 12)) != 0) {
		assert_true(result == -ETIMEDOUT || result == -ENOTCONN);
		assert_true(clock_mono_ns() < deadline_ns);
	}
	assert_int_equal(taken.count, 12);
}

/* --- A broker that is late or away --- */

static void test_lost_acknowledgement_is_unknown_and_resolved_when_driven_again(void **state)
{
	struct place *place = *state;
	struct event first = event_of(place, 1), lost = event_of(place, 1), next = event_of(place, 1);
	int64_t start_ns;

	assert_int_equal(append(place, &first), JOURNAL_DURABLE);
	kind->set_state(place->topic, LOG_MUTE);
	start_ns = clock_mono_ns();
	assert_int_equal(append(place, &lost), JOURNAL_UNKNOWN);
	assert_true(clock_mono_ns() - start_ns < AWAITED_MS * MS);
	assert_false(is_well(place));
	/* It is there: to call it refused would have sold its units twice. */
	assert_int_equal(copies_of(&lost, kind->read(place->topic, records, RECORDS_MAX)), 1);
	kind->set_state(place->topic, LOG_CUT);
	kind->set_state(place->topic, LOG_WELL);
	wait_well(place);
	assert_int_equal(append(place, &lost), JOURNAL_DURABLE);
	assert_int_equal(append(place, &next), JOURNAL_DURABLE);
	assert_int_equal(copies_of(&lost, kind->read(place->topic, records, RECORDS_MAX)), 2);
	assert_true(is_well(place));
}

static void test_acknowledgement_after_the_deadline_touches_nothing(void **state)
{
	struct place *place = *state;
	struct event first = event_of(place, 1), late = event_of(place, 1), next = event_of(place, 1);
	struct journal_entry *entry = calloc(1, sizeof(*entry));

	assert_non_null(entry);
	entry->event = &late;
	assert_int_equal(append(place, &first), JOURNAL_DURABLE); /* so that what comes next needs no answers on its way out */
	kind->set_state(place->topic, LOG_HELD);
	place->journal->ops->append(place->journal, entry, 1);
	assert_int_equal(entry->end, JOURNAL_UNKNOWN);
	free(entry); /* a report that went there now would be found by the sanitizers */
	kind->set_state(place->topic, LOG_WELL);
	wait_well(place);
	assert_int_equal(append(place, &next), JOURNAL_DURABLE);
	assert_int_equal(copies_of(&late, kind->read(place->topic, records, RECORDS_MAX)), 1);
}

static void test_what_never_left_is_refused_within_the_deadline(void **state)
{
	struct place *place = *state;
	struct event event = event_of(place, 1);
	int64_t start_ns;

	kind->set_state(place->topic, LOG_CUT);
	start_ns = clock_mono_ns();
	/* Once the client knows that the connection is gone, nothing of an append leaves. */
	for (int tries = 0; append(place, &event) != JOURNAL_REFUSED; tries++)
		assert_true(tries < 5);
	assert_true(clock_mono_ns() - start_ns < AWAITED_MS * MS);
	assert_false(is_well(place));
	assert_int_equal(append(place, &event), JOURNAL_REFUSED);
	place->journal->ops->append(place->journal, NULL, 0);
	assert_false(is_well(place));
	kind->set_state(place->topic, LOG_WELL);
	wait_well(place);
	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
}

static void test_nothing_acknowledged_is_missing_after_the_broker_was_killed(void **state)
{
	enum { BATCHES = 20, BATCH = 2 };
	struct place *place = *state;
	struct event events[BATCHES * BATCH];
	enum journal_end ends[BATCHES * BATCH];
	size_t count;

	for (size_t i = 0; i < BATCHES; i++) {
		struct journal_entry entries[BATCH];

		if (i == BATCHES / 2)
			kind->set_state(place->topic, LOG_DOWN);
		if (i == BATCHES / 2 + 2) {
			kind->set_state(place->topic, LOG_WELL);
			wait_well(place);
		}
		for (size_t j = 0; j < BATCH; j++) {
			events[i * BATCH + j] = event_of(place, (uint32_t)j + 1);
			entries[j] = (struct journal_entry){.event = &events[i * BATCH + j]};
		}
		place->journal->ops->append(place->journal, entries, BATCH);
		for (size_t j = 0; j < BATCH; j++)
			ends[i * BATCH + j] = entries[j].end;
	}
	count = kind->read(place->topic, records, RECORDS_MAX);
	for (size_t i = 0; i < BATCHES * (size_t)BATCH; i++) {
		bool away = i / BATCH == BATCHES / 2 || i / BATCH == BATCHES / 2 + 1;

		assert_true(away == (ends[i] != JOURNAL_DURABLE));
		if (ends[i] == JOURNAL_DURABLE)
			assert_int_equal(copies_of(&events[i], count), 1);
		if (ends[i] == JOURNAL_REFUSED)
			assert_int_equal(copies_of(&events[i], count), 0);
	}
	assert_int_equal(ends[(BATCHES / 2 + 1) * BATCH], JOURNAL_REFUSED);
}

/* --- Another log --- */

static void make_again(struct place *place)
{
	struct event event = event_of(place, 1);

	kind->remove(place->topic);
	/* Meanwhile there is none. (This is where the library freed a record's headers twice.) */
	place->journal->ops->append(place->journal, NULL, 0);
	assert_true(is_well(place)); /* one look that failed is a doubt */
	place->journal->ops->append(place->journal, NULL, 0);
	assert_false(is_well(place));
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
	kind->make(place->topic);
}

static void assert_lost(struct place *place)
{
	struct event event = event_of(place, 1);
	const char *reason;

	assert_true(place->journal->ops->health(place->journal, &reason) < 0);
	assert_non_null(strstr(reason, "lost records"));
	place->journal->ops->append(place->journal, NULL, 0);
	assert_int_equal(append(place, &event), JOURNAL_UNKNOWN);
	assert_int_equal(place->journal->ops->barrier(place->journal, 1, 9, &(struct uuid){{0}}), -EINPROGRESS);
	assert_false(is_well(place));
}

static void test_topic_that_was_made_again_is_never_believed(void **state)
{
	struct place *place = *state;
	struct event event = event_of(place, 1);

	for (int i = 0; i < 5; i++)
		assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	make_again(place);
	assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
	for (int tries = 0; tries < 20; tries++) {
		const char *reason;

		place->journal->ops->append(place->journal, NULL, 0);
		if (place->journal->ops->health(place->journal, &reason) < 0 && strstr(reason, "lost records"))
			break;
		assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
	}
	assert_lost(place);
}

/*
 * Found: events of a sale that followed its order in another partition came before it, and became
 * dead letters.
 */
static void test_partitions_that_were_added_stay_unused(void **state)
{
	enum { FIXED = 3, GROWN = 12, MANY_SALES = 40 };
	struct place *place = *state;
	int64_t ends[GROWN] = {0}, written = 0;
	uint32_t before[MANY_SALES], count;

	for (uint32_t sale = 1; sale <= MANY_SALES; sale++)
		before[sale - 1] = place->journal->ops->partition(place->journal, sale);
	place->journal->ops->free(place->journal);
	kind->grow(place->topic, GROWN);
	place->journal = kind->open(place->topic, PATIENT_MS);
	assert_int_equal(kind->partitions(place->journal), GROWN);
	assert_int_equal(kind->fix(place->journal, GROWN + 1), -ERANGE);
	assert_int_equal(kind->fix(place->journal, FIXED), 0);
	for (uint32_t sale = 1; sale <= MANY_SALES; sale++) {
		struct event event = event_of(place, sale);

		assert_int_equal(place->journal->ops->partition(place->journal, sale), before[sale - 1]);
		assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	}
	assert_int_equal(place->journal->ops->ends(place->journal, ends, GROWN, &count), 0);
	assert_int_equal(count, FIXED);
	for (uint32_t i = 0; i < count; i++)
		written += ends[i];
	assert_int_equal(written, MANY_SALES); /* all of them are there: nothing went to the others */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_STATES(name) cmocka_unit_test_setup_teardown(name, set_up_states, tear_down)

int journal_log_suite_run(const struct log_place_kind *which)
{
	const struct CMUnitTest tests[] = {
		/* First: a broker that was killed looks through all it has. */
		cmocka_unit_test_setup_teardown(test_nothing_acknowledged_is_missing_after_the_broker_was_killed,
						set_up_states_briefly, tear_down),
		TEST(test_records_are_what_was_appended_in_order_within_a_sale),
		TEST(test_barrier_is_a_record_of_its_sale),
		TEST(test_barriers_may_come_from_another_thread),
		TEST(test_range_is_read_whole_and_once_from_anywhere),
		TEST(test_what_take_says_ends_the_read),
		TEST(test_range_behind_another_record_is_of_another_log),
		TEST(test_log_that_is_shorter_than_the_range_is_said),
		TEST(test_range_that_retention_has_cut_is_said),
		TEST(test_topic_that_was_made_anew_is_not_read),
		TEST(test_record_that_is_no_event_is_said_with_its_reason),
		TEST_STATES(test_silent_broker_is_given_up_and_read_when_it_is_back),
		TEST_STATES(test_lost_acknowledgement_is_unknown_and_resolved_when_driven_again),
		TEST_STATES(test_acknowledgement_after_the_deadline_touches_nothing),
		TEST_STATES(test_what_never_left_is_refused_within_the_deadline),
		TEST_STATES(test_topic_that_was_made_again_is_never_believed),
		TEST(test_partitions_that_were_added_stay_unused),
	};

	kind = which;
	return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}

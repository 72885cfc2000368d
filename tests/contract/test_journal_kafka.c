/* The journal's contract, held by a real Kafka broker; and what the journal makes of one that is late, away, or has another log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "contract/journal_suite.h"
#include "contract/kafka_place.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "journal/kafka/kafka.h"
#include "ledger/sqlite/sqlite.h"

#define MS INT64_C(1000000)
enum { DEADLINE_MS = 700, RECORDS_MAX = 64, SALES = 7 };

static struct kafka_place_record records[RECORDS_MAX];

struct place {
	char topic[32], url[KAFKA_PLACE_URL_SIZE];
	struct journal *journal;
	struct uuid_generator ids;
	/* The suite's events are a ledger's. */
	struct sqlite_place *files;
	struct ledger *ledger;
};

static struct kafka_options options_of(const char *url)
{
	return (struct kafka_options){
		.url = url,
		.partitions = 3,
		.replication = 1,
		.min_insync = 1,
		.retention_ms = INT64_C(7) * 24 * 3600 * 1000,
		.ack_deadline_ns = DEADLINE_MS * MS,
	};
}

static struct journal *open_journal(const struct kafka_options *options)
{
	struct buffer error;
	struct journal *journal = NULL;

	buffer_init(&error, 4096);
	if (journal_kafka_open(&journal, options, &error) != 0)
		fail_msg("%.*s", (int)error.size, error.data);
	buffer_deinit(&error);
	return journal;
}

static struct place *new_place(bool proxied, int64_t deadline_ms)
{
	struct place *place = calloc(1, sizeof(*place));
	struct kafka_options options;

	assert_non_null(place);
	kafka_place_start(1);
	kafka_place_topic(place->topic);
	kafka_place_url(place->topic, proxied, place->url);
	options = options_of(place->url);
	options.ack_deadline_ns = deadline_ms * MS;
	place->journal = open_journal(&options);
	return place;
}

static int set_up(void **state)
{
	*state = new_place(false, 10000);
	return 0;
}

static int set_up_proxied(void **state)
{
	*state = new_place(true, DEADLINE_MS);
	return 0;
}

/* For a test that counts what is durable: on a busy machine that takes its time. */
static int set_up_proxied_patiently(void **state)
{
	*state = new_place(true, 10000);
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	failpoints_set("");
	place->journal->ops->free(place->journal);
	free(place);
	return 0;
}

static void *suite_place_new(struct journal **journal, struct ledger **ledger)
{
	struct place *place = new_place(false, 10000);

	place->files = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&place->ledger, place->files->path, LEDGER_OPEN_LEASE), 0);
	*journal = place->journal;
	*ledger = place->ledger;
	return place;
}

static void suite_place_free(void *argument)
{
	struct place *place = argument;

	place->ledger->ops->free(place->ledger);
	sqlite_place_free(place->files);
	tear_down(&argument);
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
	int64_t deadline_ns = clock_mono_ns() + 20000 * MS;

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

static void assert_header(const struct kafka_place_record *record, const char *line)
{
	if (!strstr(record->headers, line))
		fail_msg("no \"%s\" in:\n%s", line, record->headers);
}

/* --- A broker that is well --- */

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
	count = kafka_place_read(place->topic, records, RECORDS_MAX);
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

static void test_headers_are_a_cloud_event(void **state)
{
	struct place *place = *state;
	struct event event = event_of(place, 9);
	char id[UUID_TEXT_SIZE], line[128];

	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	event.trace = SLICE("");
	event.kind = EVENT_CONFIRMED;
	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	assert_int_equal(kafka_place_read(place->topic, records, RECORDS_MAX), 2);
	uuid_format(&event.id, id);
	snprintf(line, sizeof(line), "ce_id=%s/order.reserved/%d\n", id, KIT_NOW_MS);
	assert_header(&records[0], line);
	snprintf(line, sizeof(line), "ce_subject=sales/9/%s\n", id);
	assert_header(&records[0], line);
	assert_header(&records[0], "ce_specversion=1.0\n");
	assert_header(&records[0], "ce_type=penstock.order.reserved.v1\n");
	assert_header(&records[0], "ce_source=/penstock\n");
	assert_header(&records[0], "ce_time=1970-01-21T20:00:00.000Z\n");
	assert_header(&records[0], "content-type=application/json\n");
	assert_header(&records[0], "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n");
	assert_header(&records[1], "ce_type=penstock.order.confirmed.v1\n");
	assert_null(strstr(records[1].headers, "traceparent"));
}

static void test_barrier_is_a_record_of_its_sale(void **state)
{
	struct place *place = *state;
	struct event event, before = event_of(place, 5);
	struct event_text text;
	const char *reason;

	assert_int_equal(append(place, &before), JOURNAL_DURABLE);
	assert_int_equal(place->journal->ops->barrier(place->journal, 5, 4, &(struct uuid){{0}}), 0);
	assert_int_equal(kafka_place_read(place->topic, records, RECORDS_MAX), 2);
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

/* A sale is rebuilt while others are sold: the rebuilder's barriers come between the worker's appends, and neither takes the other's reports. */
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

static void test_it_says_which_log_it_is(void **state)
{
	struct place *place = *state;

	assert_string_equal(journal_kafka_cluster(place->journal), "cGVuc3RvY2stdGVzdHMtMQ");
	assert_string_equal(journal_kafka_topic(place->journal), place->topic);
}

/* --- Opening --- */

static void refuse_open(const struct kafka_options *options, int expected, const char *words)
{
	struct journal *journal = NULL;
	struct buffer error;

	buffer_init(&error, 4096);
	assert_int_equal(journal_kafka_open(&journal, options, &error), expected);
	buffer_append(&error, "", 1);
	if (!strstr(error.data, words))
		fail_msg("no \"%s\" in: %s", words, error.data);
	assert_null(strstr(error.data, "hunter2"));
	buffer_deinit(&error);
}

static void test_what_cannot_keep_a_promise_is_refused_with_a_sentence(void **state)
{
	char topic[32], url[KAFKA_PLACE_URL_SIZE];
	struct kafka_options options = options_of(url);

	(void)state;
	kafka_place_start(1);
	kafka_place_topic(topic);
	kafka_place_url(topic, false, url);
	options.replication = 3;
	refuse_open(&options, -EINVAL, "could not be made");
	options = options_of(url);
	options.min_insync = 2;
	refuse_open(&options, -EINVAL, "min_insync");
	options = options_of(url);
	options.properties = "acks=1";
	refuse_open(&options, -EINVAL, "acks is the program's own");
	options.properties = " linger.ms=1 ; sasl.pasword=hunter2";
	refuse_open(&options, -EINVAL, "no property \"sasl.pasword\"");
	options.properties = "security.protocol=hunter2";
	refuse_open(&options, -EINVAL, "security.protocol has a value");
	kafka_place_make(topic, 1, 1, "cleanup.policy", "compact");
	options = options_of(url);
	refuse_open(&options, -EINVAL, "is compacted");
	kafka_place_topic(topic);
	kafka_place_url(topic, false, url);
	kafka_place_make(topic, 1, 1, "retention.ms", "3600000");
	refuse_open(&options, -EINVAL, "keeps records for 3600 s");
	options.url = "kafka://localhost/no topic";
	refuse_open(&options, -EINVAL, "a topic's name");
	options.url = "kafka://me:hunter2@localhost/topic";
	refuse_open(&options, -EINVAL, "journal.kafka.properties");
	options.url = "kafka://localhost";
	refuse_open(&options, -EINVAL, "kafka://HOST:PORT");
}

static void test_topic_that_is_there_is_taken_as_it_is(void **state)
{
	struct place place = {0};
	struct kafka_options options;
	struct event event;

	(void)state;
	kafka_place_start(1);
	kafka_place_topic(place.topic);
	kafka_place_url(place.topic, false, place.url);
	kafka_place_make(place.topic, 1, 1, NULL, NULL);
	options = options_of(place.url);
	place.journal = open_journal(&options);
	event = event_of(&place, 1);
	assert_int_equal(append(&place, &event), JOURNAL_DURABLE);
	assert_int_equal(kafka_place_read(place.topic, records, RECORDS_MAX), 1);
	place.journal->ops->free(place.journal);
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
	kafka_place_cut(place->topic, (int32_t)place->journal->ops->partition(place->journal, 1), 6);
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
	kafka_place_delete(place->topic);
	kafka_place_make(place->topic, 3, 1, NULL, NULL);
	assert_int_equal(read_range(place, &taken, 12, all.marks[11], 12), -ENODATA);
	for (int i = 0; i < 12; i++)
		kafka_place_write(place->topic, (int32_t)place->journal->ops->partition(place->journal, 1), "1", json);
	assert_int_equal(read_range(place, &taken, 8, all.marks[7], 12), -ESTALE);
	assert_int_equal(taken.count, 0);
}

static void test_record_that_is_no_event_is_said_with_its_reason(void **state)
{
	struct place *place = *state;
	struct taken taken = {0};
	struct event event = event_of(place, 1);

	kafka_place_write(place->topic, (int32_t)place->journal->ops->partition(place->journal, 1), "1", "garbage");
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
	kafka_place_tell("proxy hold");
	start_ns = clock_mono_ns();
	result = read_range(place, &taken, 0, 0, 12);
	assert_true(result == -ETIMEDOUT || result == -ENOTCONN);
	assert_int_equal(taken.count, 0);
	assert_true(clock_mono_ns() - start_ns < 20000 * MS);
	kafka_place_tell("proxy cut");
	kafka_place_tell("proxy pass");
	deadline_ns = clock_mono_ns() + 30000 * MS;
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
	kafka_place_tell("proxy drop");
	start_ns = clock_mono_ns();
	assert_int_equal(append(place, &lost), JOURNAL_UNKNOWN);
	assert_true(clock_mono_ns() - start_ns < 2 * DEADLINE_MS * MS);
	assert_false(is_well(place));
	/* It is there: to call it refused would have sold its units twice. */
	assert_int_equal(copies_of(&lost, kafka_place_read(place->topic, records, RECORDS_MAX)), 1);
	kafka_place_tell("proxy cut");
	kafka_place_tell("proxy pass");
	wait_well(place);
	assert_int_equal(append(place, &lost), JOURNAL_DURABLE);
	assert_int_equal(append(place, &next), JOURNAL_DURABLE);
	assert_int_equal(copies_of(&lost, kafka_place_read(place->topic, records, RECORDS_MAX)), 2);
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
	kafka_place_tell("proxy hold");
	place->journal->ops->append(place->journal, entry, 1);
	assert_int_equal(entry->end, JOURNAL_UNKNOWN);
	free(entry); /* a report that went there now would be found by the sanitizers */
	kafka_place_tell("proxy pass");
	wait_well(place);
	assert_int_equal(append(place, &next), JOURNAL_DURABLE);
	assert_int_equal(copies_of(&late, kafka_place_read(place->topic, records, RECORDS_MAX)), 1);
}

static void test_what_never_left_is_refused_within_the_deadline(void **state)
{
	struct place *place = *state;
	struct event event = event_of(place, 1);
	int64_t start_ns;

	kafka_place_tell("proxy cut");
	start_ns = clock_mono_ns();
	/* Once the client knows that the connection is gone, nothing of an append leaves. */
	for (int tries = 0; append(place, &event) != JOURNAL_REFUSED; tries++)
		assert_true(tries < 5);
	assert_true(clock_mono_ns() - start_ns < 6 * 2 * DEADLINE_MS * MS);
	assert_false(is_well(place));
	assert_int_equal(append(place, &event), JOURNAL_REFUSED);
	place->journal->ops->append(place->journal, NULL, 0);
	assert_false(is_well(place));
	kafka_place_tell("proxy pass");
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
			kafka_place_tell("kill 1");
		if (i == BATCHES / 2 + 2) {
			kafka_place_tell("start 1");
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
	count = kafka_place_read(place->topic, records, RECORDS_MAX);
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

#ifdef PENSTOCK_TESTING
static void test_producer_that_has_turned_fatal_is_replaced(void **state)
{
	struct place *place = *state;
	struct event event = event_of(place, 1);

	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	failpoints_set("journal.fatal=onx1");
	assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
	assert_false(is_well(place));
	assert_int_equal(append(place, &event), JOURNAL_DURABLE);
	assert_true(is_well(place));
}
#endif

/* --- Another log --- */

static void make_again(struct place *place)
{
	struct event event = event_of(place, 1);

	kafka_place_delete(place->topic);
	/* Meanwhile there is none. (This is where the library freed a record's headers twice.) */
	place->journal->ops->append(place->journal, NULL, 0);
	assert_true(is_well(place)); /* one look that failed is a doubt */
	place->journal->ops->append(place->journal, NULL, 0);
	assert_false(is_well(place));
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
	kafka_place_make(place->topic, 3, 1, NULL, NULL);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_PROXIED(name) cmocka_unit_test_setup_teardown(name, set_up_proxied, tear_down)

/* Found: events of a sale that followed its order in another partition came before it, and became dead letters. */
static void test_partitions_that_were_added_stay_unused(void **state)
{
	enum { FIXED = 3, GROWN = 12, MANY_SALES = 40 };
	struct place *place = *state;
	struct kafka_options options = options_of(place->url);
	int64_t ends[GROWN] = {0}, written = 0;
	uint32_t before[MANY_SALES], count;

	for (uint32_t sale = 1; sale <= MANY_SALES; sale++)
		before[sale - 1] = place->journal->ops->partition(place->journal, sale);
	place->journal->ops->free(place->journal);
	kafka_place_grow(place->topic, GROWN);
	place->journal = open_journal(&options);
	assert_int_equal(journal_kafka_partitions(place->journal), GROWN);
	assert_int_equal(journal_kafka_fix(place->journal, GROWN + 1), -ERANGE);
	assert_int_equal(journal_kafka_fix(place->journal, FIXED), 0);
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

int main(void)
{
	static const struct journal_suite_adapter adapter = {"journal: kafka", suite_place_new, suite_place_free};
	const struct CMUnitTest tests[] = {
		/* First: a broker that was killed looks through all it has. */
		cmocka_unit_test_setup_teardown(test_nothing_acknowledged_is_missing_after_the_broker_was_killed,
						set_up_proxied_patiently, tear_down),
		TEST(test_records_are_what_was_appended_in_order_within_a_sale),
		TEST(test_headers_are_a_cloud_event),
		TEST(test_barrier_is_a_record_of_its_sale),
		TEST(test_barriers_may_come_from_another_thread),
		TEST(test_it_says_which_log_it_is),
		TEST(test_range_is_read_whole_and_once_from_anywhere),
		TEST(test_what_take_says_ends_the_read),
		TEST(test_range_behind_another_record_is_of_another_log),
		TEST(test_log_that_is_shorter_than_the_range_is_said),
		TEST(test_range_that_retention_has_cut_is_said),
		TEST(test_topic_that_was_made_anew_is_not_read),
		TEST(test_record_that_is_no_event_is_said_with_its_reason),
		TEST_PROXIED(test_silent_broker_is_given_up_and_read_when_it_is_back),
		cmocka_unit_test(test_what_cannot_keep_a_promise_is_refused_with_a_sentence),
		cmocka_unit_test(test_topic_that_is_there_is_taken_as_it_is),
		TEST_PROXIED(test_lost_acknowledgement_is_unknown_and_resolved_when_driven_again),
		TEST_PROXIED(test_acknowledgement_after_the_deadline_touches_nothing),
		TEST_PROXIED(test_what_never_left_is_refused_within_the_deadline),
#ifdef PENSTOCK_TESTING
		TEST(test_producer_that_has_turned_fatal_is_replaced),
#endif
		TEST_PROXIED(test_topic_that_was_made_again_is_never_believed),
		cmocka_unit_test_setup_teardown(test_partitions_that_were_added_stay_unused, set_up, tear_down),
	};

	log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_OFF);
	return journal_suite_run(&adapter) + cmocka_run_group_tests_name("journal: kafka, failures", tests, NULL, NULL);
}

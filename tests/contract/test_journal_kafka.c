/*
 * The contracts of a journal and of a log, held by a real Kafka broker; and what Kafka alone has:
 * headers, topics, a producer's fatal error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/journal_log_suite.h"
#include "contract/journal_suite.h"
#include "contract/kafka_place.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "journal/kafka/kafka.h"
#include "ledger/sqlite/sqlite.h"

#define MS INT64_C(1000000)
enum { RECORDS_MAX = 64 };

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
		.ack_deadline_ns = 10000 * MS,
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

static struct place *new_place(void)
{
	struct place *place = calloc(1, sizeof(*place));
	struct kafka_options options;

	assert_non_null(place);
	kafka_place_start(1);
	kafka_place_topic(place->topic);
	kafka_place_url(place->topic, false, place->url);
	options = options_of(place->url);
	place->journal = open_journal(&options);
	return place;
}

static int set_up(void **state)
{
	*state = new_place();
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
	struct place *place = new_place();

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

static void assert_header(const struct kafka_place_record *record, const char *line)
{
	if (!strstr(record->headers, line))
		fail_msg("no \"%s\" in:\n%s", line, record->headers);
}

/* --- A broker that is well --- */

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

/* --- A producer that cannot go on --- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct journal_suite_adapter adapter = {"journal: kafka", suite_place_new, suite_place_free};
	const struct CMUnitTest tests[] = {
		TEST(test_headers_are_a_cloud_event),
		TEST(test_it_says_which_log_it_is),
		cmocka_unit_test(test_what_cannot_keep_a_promise_is_refused_with_a_sentence),
		cmocka_unit_test(test_topic_that_is_there_is_taken_as_it_is),
#ifdef PENSTOCK_TESTING
		TEST(test_producer_that_has_turned_fatal_is_replaced),
#endif
	};
	int failed;

	log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_OFF);
	failed = journal_log_suite_run(&log_place_kafka); /* first: its first test kills the broker, which then looks through all it has */
	failed += journal_suite_run(&adapter);
	return failed + cmocka_run_group_tests_name("journal: kafka alone", tests, NULL, NULL);
}

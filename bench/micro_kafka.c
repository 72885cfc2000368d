/*
 * What an accepted event costs in the Kafka journal: micro_kafka URL [ROUNDS [IN_FLIGHT]]. URL:
 * kafka://HOST:PORT/TOPIC; a topic that is not there is made, with 12 partitions and one replica,
 * and what is written stays in it. Prints, for batches of 1, 64 and 512 (what the journal's worker
 * takes at most) and for events of one sale and of 16: events a second through append(), the same
 * by a bare librdkafka producer (idempotent, acks=all) that sends the very same records, which it
 * finds made, and waits for each batch's reports, the CPU time of an event on either side, and the
 * ratio of the rates; then what the bare producer does where it waits for nothing before the end.
 * Both sides take turns batch by batch. Each figure is the best of ROUNDS (5): what else the
 * machine did only ever slows; each ratio is the median of the rounds' own, with the least and the
 * greatest. That the records are the same is looked up in the log first.
 *
 * With IN_FLIGHT it prints instead, as a JSON object, what both do with so many events under way at
 * a time, over ROUNDS in turn: the journal in one append after the other, as its worker has them,
 * the bare producer (linger.ms 0) by a new record for each that is acknowledged.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "base/clock.h"
#include "base/log.h"
#include "journal/kafka/kafka.h"
#include "journal/kafka/client.h"

enum { BATCH_MAX = 512, EVENTS = 81920, TEXT = 40, ROUNDS_MAX = 100, WAIT_MS = 20000, RECORD_MAX = 4096 };

static struct uuid_generator ids;
static struct event events[BATCH_MAX];
static struct journal_entry entries[BATCH_MAX];
static char texts[BATCH_MAX][2][TEXT];
static uint64_t names;

/* A record that is made before the clock runs. */
static struct record {
	char id[96], type[64], subject[96], time[CLOCK_TEXT_SIZE], key[16], trace[TRACE_SIZE + 1];
	struct buffer value;
} records[BATCH_MAX];

struct bare {
	rd_kafka_t *client;
	rd_kafka_topic_t *topic;
	size_t reported;
	int32_t partition; /* of the last report */
	int64_t offset;
};

static void die(const char *what)
{
	fprintf(stderr, "micro_kafka: %s\n", what);
	exit(1);
}

/* --- What is sent --- */

/* Purchases as the gate makes them: a buyer's name, a key, a hold, a trace. */
static void fill(size_t count, uint32_t sales)
{
	static const char trace[] = "00-b607f8dca4276ed196aec1c279f23f1e-7c79cd1cdbf08b69-00";
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		uint32_t sale = 1 + (uint32_t)(names % sales);
		int buyer = snprintf(texts[i][0], TEXT, "buyer-%012llu", (unsigned long long)++names);
		int key = snprintf(texts[i][1], TEXT, "key-%020llx", (unsigned long long)names * 0x9e3779b97f4a7c15u);

		events[i] = (struct event){
			.kind = EVENT_RESERVED,
			.sale = sale,
			.epoch = 1,
			.quantity = 1,
			.buyer_units = 1,
			.limit_per_buyer = 1,
			.id = uuid_make(&ids, now_ms, sale),
			.at_ms = now_ms,
			.hold_expires_at_ms = now_ms + 120000,
			.buyer = {texts[i][0], (size_t)buyer},
			.key = {texts[i][1], (size_t)key},
			.actor = {texts[i][0], (size_t)buyer},
			.trace = {trace, TRACE_SIZE},
		};
		entries[i] = (struct journal_entry){.event = &events[i]};
	}
}

static void make_record(struct record *record, const struct event *event)
{
	const char *kind = event_kind_name(event->kind);
	char id[UUID_TEXT_SIZE];

	uuid_format(&event->id, id);
	snprintf(record->id, sizeof(record->id), "%s/%s/%lld", id, kind, (long long)event->at_ms);
	snprintf(record->type, sizeof(record->type), "penstock.%s.v1", kind);
	snprintf(record->subject, sizeof(record->subject), "sales/%u/%s", event->sale, id);
	snprintf(record->key, sizeof(record->key), "%u", event->sale);
	snprintf(record->trace, sizeof(record->trace), "%.*s", (int)event->trace.size, event->trace.data);
	clock_format(event->at_ms, record->time);
	buffer_clear(&record->value);
	event_encode(event, &record->value);
	if (record->value.failed)
		die("no memory");
}

static void make_records(size_t count, uint32_t sales)
{
	fill(count, sales);
	for (size_t i = 0; i < count; i++)
		make_record(&records[i], &events[i]);
}

/* --- The bare producer --- */

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *argument)
{
	struct bare *bare = argument;

	(void)client;
	if (message->err)
		die(rd_kafka_err2str(message->err));
	bare->partition = message->partition;
	bare->offset = message->offset;
	bare->reported++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)))
		die(why);
}

/* linger_ms: how long a record waits for company where nobody flushes. */
static void bare_open(struct bare *bare, const struct kafka_address *address, const char *linger_ms)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	*bare = (struct bare){0};
	set(conf, "bootstrap.servers", address->brokers);
	set(conf, "enable.idempotence", "true");
	set(conf, "acks", "all");
	set(conf, "partitioner", "murmur2_random");
	set(conf, "socket.nagle.disable", "true");
	set(conf, "linger.ms", linger_ms);
	rd_kafka_conf_set_opaque(conf, bare);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	bare->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!bare->client)
		die(why);
	bare->topic = rd_kafka_topic_new(bare->client, address->topic, NULL);
	if (!bare->topic)
		die("no topic");
}

static void bare_close(struct bare *bare)
{
	rd_kafka_topic_destroy(bare->topic);
	rd_kafka_destroy(bare->client);
}

static void bare_send(struct bare *bare, const struct record *record)
{
	rd_kafka_error_t *error;
	rd_kafka_vu_t fields[] = {
		{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = bare->topic},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)record->key, strlen(record->key)}},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {record->value.data, record->value.size}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_specversion", "1.0", 3}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_id", record->id, (ssize_t)strlen(record->id)}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_source", "/penstock", 9}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_type", record->type, (ssize_t)strlen(record->type)}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_subject", record->subject, (ssize_t)strlen(record->subject)}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"ce_time", record->time, CLOCK_TEXT_SIZE - 1}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"content-type", "application/json", 16}},
		{.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"traceparent", record->trace, TRACE_SIZE}},
	};

	error = rd_kafka_produceva(bare->client, fields, sizeof(fields) / sizeof(fields[0]));
	if (error)
		die(rd_kafka_error_string(error));
}

static void bare_wait(struct bare *bare)
{
	if (rd_kafka_flush(bare->client, WAIT_MS))
		die("no reports");
}

/* --- That both send the same --- */

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
	return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool same_headers(const rd_kafka_message_t *a, const rd_kafka_message_t *b)
{
	rd_kafka_headers_t *headers[2];
	const char *name[2];
	const void *value[2];
	size_t size[2], i;

	if (rd_kafka_message_headers(a, &headers[0]) || rd_kafka_message_headers(b, &headers[1]))
		return false;
	for (i = 0; !rd_kafka_header_get_all(headers[0], i, &name[0], &value[0], &size[0]); i++)
		if (rd_kafka_header_get_all(headers[1], i, &name[1], &value[1], &size[1]) || strcmp(name[0], name[1]) != 0 ||
		    !same_bytes(value[0], size[0], value[1], size[1]))
			return false;
	return i == rd_kafka_header_cnt(headers[1]);
}

static rd_kafka_message_t *next_message(rd_kafka_topic_t *topic, int32_t partition)
{
	int64_t deadline_ms = clock_mono_ms() + WAIT_MS;

	while (clock_mono_ms() < deadline_ms) {
		rd_kafka_message_t *message = rd_kafka_consume(topic, partition, 1000);

		if (message && !message->err)
			return message;
		if (message)
			rd_kafka_message_destroy(message);
	}
	die("the records cannot be read");
	return NULL;
}

/*
 * The last two records of a partition: one by append(), one by the bare producer, of the same
 * event.
 */
static void compare(const struct kafka_address *address, int32_t partition, int64_t offset)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_message_t *by_append, *by_bare;
	rd_kafka_topic_t *topic;
	rd_kafka_t *client;
	char why[256];

	set(conf, "bootstrap.servers", address->brokers);
	client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	topic = client ? rd_kafka_topic_new(client, address->topic, NULL) : NULL;
	if (!topic || rd_kafka_consume_start(topic, partition, offset - 1))
		die("no consumer");
	by_append = next_message(topic, partition);
	by_bare = next_message(topic, partition);
	if (by_bare->offset != offset || !same_bytes(by_append->key, by_append->key_len, by_bare->key, by_bare->key_len) ||
	    !same_bytes(by_append->payload, by_append->len, by_bare->payload, by_bare->len) || !same_headers(by_append, by_bare))
		die("the bare producer's record is not the journal's");
	printf("a record: %zu bytes of value, %zu of key, and 8 headers\n", by_bare->len, by_bare->key_len);
	rd_kafka_message_destroy(by_append);
	rd_kafka_message_destroy(by_bare);
	rd_kafka_consume_stop(topic, partition);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(client);
}

/* --- Measuring --- */

static void append(struct journal *journal, size_t count)
{
	journal->ops->append(journal, entries, count);
	for (size_t i = 0; i < count; i++)
		if (entries[i].end != JOURNAL_DURABLE)
			die(entries[i].reason);
}

/* Time that it took, by the clock and of this process's threads. */
struct spent {
	int64_t wall_ns, cpu_ns;
};

static int64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

static void by_append(struct journal *journal, size_t batch, uint32_t sales, struct spent *spent)
{
	int64_t start_ns, start_cpu_ns;

	fill(batch, sales);
	start_cpu_ns = cpu_ns();
	start_ns = clock_mono_ns();
	append(journal, batch);
	spent->wall_ns += clock_mono_ns() - start_ns;
	spent->cpu_ns += cpu_ns() - start_cpu_ns;
}

static void by_bare(struct bare *bare, size_t batch, uint32_t sales, struct spent *spent)
{
	size_t expected = bare->reported + batch;
	int64_t start_ns, start_cpu_ns;

	make_records(batch, sales);
	start_cpu_ns = cpu_ns();
	start_ns = clock_mono_ns();
	for (size_t i = 0; i < batch; i++)
		bare_send(bare, &records[i]);
	bare_wait(bare);
	spent->wall_ns += clock_mono_ns() - start_ns;
	spent->cpu_ns += cpu_ns() - start_cpu_ns;
	if (bare->reported != expected)
		die("a report is missing");
}

/* One that waits for all at the end alone. */
static double without_waiting(struct bare *bare)
{
	int64_t spent_ns = 0, start_ns;
	size_t done;

	for (done = 0; done < EVENTS; done += BATCH_MAX) {
		make_records(BATCH_MAX, 1);
		start_ns = clock_mono_ns();
		for (size_t i = 0; i < BATCH_MAX; i++)
			bare_send(bare, &records[i]);
		spent_ns += clock_mono_ns() - start_ns;
	}
	start_ns = clock_mono_ns();
	bare_wait(bare);
	spent_ns += clock_mono_ns() - start_ns;
	return (double)done * 1e9 / (double)spent_ns;
}

static double best(double former, double now)
{
	return now > former ? now : former;
}

static int by_size(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_size);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* A round: both take turns batch by batch, so that what else the machine does hits both alike. */
static void take_turns(struct journal *journal, struct bare *bare, size_t batch, uint32_t sales, size_t total, struct spent spent[2])
{
	spent[0] = spent[1] = (struct spent){0};
	for (size_t done = 0; done < total; done += batch) {
		bool journal_first = done / batch % 2;

		if (journal_first)
			by_append(journal, batch, sales, &spent[0]);
		by_bare(bare, batch, sales, &spent[1]);
		if (!journal_first)
			by_append(journal, batch, sales, &spent[0]);
	}
}

static void report(struct journal *journal, struct bare *bare, size_t batch, uint32_t sales, int rounds)
{
	size_t total = batch == 1 ? EVENTS / 40 : batch < BATCH_MAX ? EVENTS / 4 : EVENTS;
	double rate[2] = {0}, cpu_us[2] = {1e9, 1e9}, middle, ratios[ROUNDS_MAX];
	struct spent spent[2];

	for (int i = 0; i < rounds; i++) {
		take_turns(journal, bare, batch, sales, total, spent);
		for (int side = 0; side < 2; side++) {
			double us = (double)spent[side].cpu_ns / 1e3 / (double)total;

			rate[side] = best(rate[side], (double)total * 1e9 / (double)spent[side].wall_ns);
			cpu_us[side] = us < cpu_us[side] ? us : cpu_us[side];
		}
		ratios[i] = (double)spent[1].wall_ns / (double)spent[0].wall_ns;
	}
	middle = median(ratios, rounds); /* which sorts them */
	printf("batches of %3zu, %2u sale%s %9.0f/s appended (%.2f us of CPU)  %9.0f/s bare producer (%.2f us)  ratio %.2f (%.2f to %.2f)\n",
	       batch, sales, sales == 1 ? ": " : "s:", rate[0], cpu_us[0], rate[1], cpu_us[1], middle, ratios[0], ratios[rounds - 1]);
}

/* --- So many in flight --- */

/* One append of so many at a time. */
static void append_all(struct journal *journal, size_t in_flight, struct spent *spent)
{
	int64_t start_cpu_ns, start_ns;

	fill(in_flight, 1);
	start_cpu_ns = cpu_ns();
	start_ns = clock_mono_ns();
	for (size_t i = 0; i < EVENTS / in_flight; i++)
		append(journal, in_flight);
	spent->wall_ns += clock_mono_ns() - start_ns;
	spent->cpu_ns += cpu_ns() - start_cpu_ns;
}

static void refill(struct bare *bare, size_t in_flight, struct spent *spent)
{
	size_t before = bare->reported, total = EVENTS / in_flight * in_flight, sent = 0;
	int64_t start_cpu_ns, start_ns;

	make_records(in_flight, 1);
	start_cpu_ns = cpu_ns();
	start_ns = clock_mono_ns();
	while (bare->reported - before < total) {
		for (; sent < total && sent - (bare->reported - before) < in_flight; sent++)
			bare_send(bare, &records[sent % in_flight]);
		rd_kafka_poll(bare->client, WAIT_MS);
	}
	spent->wall_ns += clock_mono_ns() - start_ns;
	spent->cpu_ns += cpu_ns() - start_cpu_ns;
}

static void report_in_flight(struct journal *journal, const struct kafka_address *address, size_t in_flight, int rounds)
{
	struct spent ours = {0}, theirs = {0}, warm = {0};
	struct bare bare;
	double total = (double)(EVENTS / in_flight * in_flight) * rounds;

	bare_open(&bare, address, "0");
	refill(&bare, in_flight, &warm);
	append_all(journal, in_flight, &warm);
	for (int i = 0; i < rounds; i++) {
		append_all(journal, in_flight, &ours);
		refill(&bare, in_flight, &theirs);
	}
	bare_close(&bare);
	printf("{\"journal\":%.0f,\"bare\":%.0f,\"journal_cpu_ns\":%.0f,\"bare_cpu_ns\":%.0f}\n", total * 1e9 / (double)ours.wall_ns,
	       total * 1e9 / (double)theirs.wall_ns, (double)ours.cpu_ns / total, (double)theirs.cpu_ns / total);
}

static void open_all(const char *url, struct journal **journal, struct bare *bare, struct kafka_address *address)
{
	struct kafka_options options = {.url = url,
					.partitions = 12,
					.replication = 1,
					.min_insync = 1,
					.retention_ms = INT64_C(7) * 24 * 3600 * 1000,
					.ack_deadline_ns = INT64_C(10000000000)};
	struct buffer error;

	buffer_init(&error, 1024);
	if (kafka_address_parse(url, address, &error) < 0 || journal_kafka_open(journal, &options, &error) < 0) {
		fprintf(stderr, "micro_kafka: %.*s\n", (int)error.size, error.data);
		exit(1);
	}
	buffer_deinit(&error);
	/* As the journal's own: never waited for, a flush ends it. */
	bare_open(bare, address, "1000");
}

int main(int argc, char **argv)
{
	static const size_t batches[] = {1, 64, BATCH_MAX};
	static const uint32_t sales[] = {1, 16};
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	size_t in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	struct kafka_address address;
	struct journal *journal;
	struct bare bare, free_running;
	struct spent warm[2];
	double most = 0;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || in_flight > BATCH_MAX)
		die("usage: micro_kafka URL [ROUNDS [IN_FLIGHT]]");
	log_set_level(LOG_WARN);
	for (size_t i = 0; i < BATCH_MAX; i++)
		buffer_init(&records[i].value, RECORD_MAX);
	open_all(argv[1], &journal, &bare, &address);
	make_records(1, 1);
	append(journal, 1);
	bare_send(&bare, &records[0]);
	bare_wait(&bare);
	compare(&address, bare.partition, bare.offset);
	if (in_flight > 0) {
		report_in_flight(journal, &address, in_flight, rounds);
		bare_close(&bare);
		journal->ops->free(journal);
		return 0;
	}
	/* A broker that has just been started is slow at first. */
	take_turns(journal, &bare, BATCH_MAX, 16, EVENTS, warm);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		for (size_t j = 0; j < sizeof(sales) / sizeof(sales[0]); j++)
			report(journal, &bare, batches[i], sales[j], rounds);
	bare_open(&free_running, &address, "5");
	for (int i = 0; i < rounds; i++)
		most = best(most, without_waiting(&free_running));
	printf("a bare producer that waits for nothing before the end, 1 sale: %9.0f/s\n", most);
	bare_close(&free_running);
	bare_close(&bare);
	for (size_t i = 0; i < BATCH_MAX; i++)
		buffer_deinit(&records[i].value);
	journal->ops->free(journal);
	return 0;
}

/*
 * What a lone purchase in a cluster takes at least: one thread that reads a request, asks Redis to
 * reserve, has the event in Kafka, tells Redis so and answers, each by a call that blocks. No pool,
 * no batch, nobody who is woken: the same functions and the same record, through the stock's
 * adapter and a Produce request written by hand.
 *
 *   lone_parts REDIS_URL BROKERS TOPIC
 *
 * REDIS_URL is a database of its own, and empty. Makes TOPIC, with one partition on the one broker.
 * Prints the port that it listens on, and serves one connection after the other (requests of
 * bench/load.py, one at a time) until it is killed.
 */
#include <arpa/inet.h>
#include <librdkafka/rdkafka.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "journal/kafka/client.h"
#include "journal/kafka/topic.h"
#include "model/event.h"
#include "stock/redis/redis.h"

enum { SALE = 1, REQUEST_MAX = 4096, BATCH_MAX = 8192, TEXT = 128, WAIT_MS = 10000, PRODUCE_VERSION = 7 };

static struct uuid_generator ids;
static int32_t correlation;

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "lone_parts: %s\n", what);
	exit(1);
}

/* --- Sockets --- */

static void without_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int connect_to(const char *brokers)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const char *port = strrchr(brokers, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!port)
		die("BROKERS has no port");
	address.sin_port = htons((uint16_t)atoi(port + 1));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("the broker cannot be reached");
	without_delay(fd);
	return fd;
}

static int listen_somewhere(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		die("cannot listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

static int accept_next(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("nobody came");
	without_delay(fd);
	return fd;
}

static void send_whole(int fd, const char *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("something could not be sent whole");
}

static void receive_exactly(int fd, void *data, size_t size)
{
	if (recv(fd, data, size, MSG_WAITALL) != (ssize_t)size)
		die("the broker hung up");
}

/* --- Kafka's protocol --- */

static void put(struct buffer *to, uint64_t number, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;) {
		char byte = (char)(number >> 8 * i & 0xff);

		buffer_append(to, &byte, 1);
	}
}

static void put_varint(struct buffer *to, int64_t number)
{
	uint64_t left = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);

	for (; left >= 0x80; left >>= 7)
		put(to, left | 0x80, 1);
	put(to, left, 1);
}

static void put_text(struct buffer *to, const char *text, size_t size)
{
	put_varint(to, (int64_t)size);
	buffer_append(to, text, size);
}

static void put_header(struct buffer *to, const char *name, const char *value)
{
	put_text(to, name, strlen(name));
	put_text(to, value, strlen(value));
}

/* A number that was left open, once it is known. */
static void fill_in(struct buffer *in, size_t at, uint32_t number)
{
	for (size_t i = 0; i < 4; i++)
		in->data[at + i] = (char)(number >> (24 - 8 * i) & 0xff);
}

static uint32_t crc32c(const char *data, size_t size)
{
	static uint32_t table[256];
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78U : 0);
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ (unsigned char)data[i]) & 0xff];
	return ~crc;
}

/* As src/journal/kafka/record.c has it. */
static void put_record(struct buffer *to, const struct event *event)
{
	struct buffer record, value;
	char id[UUID_TEXT_SIZE], text[TEXT], time[CLOCK_TEXT_SIZE];
	const char *kind = event_kind_name(event->kind);

	buffer_init(&record, BATCH_MAX);
	buffer_init(&value, BATCH_MAX);
	uuid_format(&event->id, id);
	clock_format(event->at_ms, time);
	event_encode(event, &value);
	put(&record, 0, 1);        /* attributes */
	put_varint(&record, 0);    /* how much later than the first */
	put_varint(&record, 0);    /* the how many'th */
	put_text(&record, "1", 1); /* the key: the sale */
	put_text(&record, value.data, value.size);
	put_varint(&record, 7);
	put_header(&record, "ce_specversion", "1.0");
	snprintf(text, sizeof(text), "%s/%s/%lld", id, kind, (long long)event->at_ms);
	put_header(&record, "ce_id", text);
	put_header(&record, "ce_source", "/penstock");
	snprintf(text, sizeof(text), "penstock.%s.v1", kind);
	put_header(&record, "ce_type", text);
	snprintf(text, sizeof(text), "sales/%u/%s", event->sale, id);
	put_header(&record, "ce_subject", text);
	put_header(&record, "ce_time", time);
	put_header(&record, "content-type", "application/json");
	put_text(to, record.data, record.size);
	buffer_deinit(&record);
	buffer_deinit(&value);
}

/* A batch of one record, of a producer without a number. */
static void put_batch(struct buffer *to, const struct event *event)
{
	size_t length_at, crc_at;

	put(to, 0, 8); /* base offset */
	length_at = to->size;
	put(to, 0, 4);
	put(to, UINT32_MAX, 4); /* leader's epoch */
	put(to, 2, 1);          /* magic */
	crc_at = to->size;
	put(to, 0, 4);
	put(to, 0, 2); /* attributes */
	put(to, 0, 4); /* the last record's offset from the first's */
	put(to, (uint64_t)event->at_ms, 8);
	put(to, (uint64_t)event->at_ms, 8);
	put(to, UINT64_MAX, 8); /* producer */
	put(to, UINT64_MAX, 2);
	put(to, UINT64_MAX, 4);
	put(to, 1, 4); /* records */
	put_record(to, event);
	fill_in(to, length_at, (uint32_t)(to->size - length_at - 4));
	fill_in(to, crc_at, crc32c(to->data + crc_at + 4, to->size - crc_at - 4));
}

/* Sends it, and waits for the acknowledgement of all replicas. */
static void produce(int fd, const char *topic, const struct event *event)
{
	struct buffer request;
	unsigned char answer[1024];
	uint32_t size;
	size_t at, records_at;

	buffer_init(&request, BATCH_MAX);
	put(&request, 0, 4);
	put(&request, 0, 2); /* Produce */
	put(&request, PRODUCE_VERSION, 2);
	put(&request, (uint64_t)++correlation, 4);
	put(&request, UINT64_MAX, 2); /* no client's name */
	put(&request, UINT64_MAX, 2); /* no transaction */
	put(&request, UINT64_MAX, 2); /* acks: all */
	put(&request, WAIT_MS, 4);
	put(&request, 1, 4);
	put(&request, strlen(topic), 2);
	buffer_append(&request, topic, strlen(topic));
	put(&request, 1, 4);
	put(&request, 0, 4); /* partition */
	records_at = request.size;
	put(&request, 0, 4);
	put_batch(&request, event);
	fill_in(&request, records_at, (uint32_t)(request.size - records_at - 4));
	fill_in(&request, 0, (uint32_t)(request.size - 4));
	if (request.failed)
		die("no memory");
	send_whole(fd, request.data, request.size);
	buffer_deinit(&request);
	receive_exactly(fd, &size, 4);
	size = ntohl(size);
	/* correlation, topics, the topic's name, partitions, the partition; then its error */
	at = 4 + 4 + 2 + strlen(topic) + 4 + 4;
	if (size < at + 2 || size > sizeof(answer))
		die("the broker's answer cannot be read");
	receive_exactly(fd, answer, size);
	if (answer[at] || answer[at + 1])
		die("the broker refuses the record");
}

/* --- Purchases --- */

static struct slice header_of(const char *request, const char *name)
{
	const char *begin = strstr(request, name), *end;

	begin = begin ? begin + strlen(name) : NULL;
	end = begin ? strstr(begin, "\r\n") : NULL;
	if (!end)
		die("a request without a header");
	return (struct slice){begin, (size_t)(end - begin)};
}

static void reserve(struct stock *stock, struct stock_reserve *item, const char *request)
{
	int64_t now_ms = clock_wall_ms();
	struct slice buyer = header_of(request, "X-Buyer-Id: ");

	*item = (struct stock_reserve){
		.event = {.kind = EVENT_RESERVED,
			  .sale = SALE,
			  .quantity = 1,
			  .id = uuid_make(&ids, now_ms, SALE),
			  .at_ms = now_ms,
			  .buyer = buyer,
			  .key = header_of(request, "Idempotency-Key: "),
			  .actor = buyer},
		.hold_ns = INT64_C(120000000000),
	};
	stock->ops->reserve(stock, item, 1);
	if (item->outcome != STOCK_DONE)
		die("a purchase was not granted");
	item->event.epoch = 1;
	item->event.buyer_units = item->event.limit_per_buyer = 1;
	item->event.hold_expires_at_ms = now_ms + 120000;
}

static void acknowledge(struct stock *stock, const struct event *event)
{
	enum stock_ack said = STOCK_ACK_UNANSWERED;

	stock->ops->acknowledge_send(stock, &event, 1, &said);
	stock->ops->acknowledge_wait(stock);
	if (said != STOCK_ACK_DONE)
		die("a purchase was not acknowledged");
}

static void answer(int fd, const struct event *event)
{
	char id[UUID_TEXT_SIZE], body[512], text[1024], time[CLOCK_TEXT_SIZE];
	int body_size, size;

	uuid_format(&event->id, id);
	clock_format(event->hold_expires_at_ms, time);
	body_size = snprintf(
		body, sizeof(body),
		"{\"id\":\"%s\",\"sale\":\"s\",\"buyer\":\"%.*s\",\"quantity\":1,\"state\":\"held\",\"hold_expires_at\":\"%s\"}",
		id, (int)event->buyer.size, event->buyer.data, time);
	size = snprintf(text, sizeof(text),
			"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body_size, body);
	send_whole(fd, text, (size_t)size);
}

static void serve(int client, struct stock *stock, int broker, const char *topic)
{
	static char request[REQUEST_MAX + 1];
	static const char end[] = "\r\n\r\n{\"quantity\":1}";
	struct stock_reserve item;
	size_t size = 0;
	ssize_t got;

	while ((got = recv(client, request + size, REQUEST_MAX - size, 0)) > 0) {
		size += (size_t)got;
		request[size] = '\0';
		if (!strstr(request, end))
			continue;
		reserve(stock, &item, request);
		produce(broker, topic, &item.event);
		acknowledge(stock, &item.event);
		answer(client, &item.event);
		size = 0;
	}
}

static void make_topic(const char *brokers, const char *topic)
{
	struct kafka_topic wish = {.partitions = 1, .replication = 1, .min_insync = 1, .retention_ms = -1};
	struct kafka_address address = {0};
	struct buffer error;
	rd_kafka_conf_t *conf;
	rd_kafka_t *client;

	buffer_init(&error, 4096);
	snprintf(address.brokers, sizeof(address.brokers), "%s", brokers);
	snprintf(address.topic, sizeof(address.topic), "%s", topic);
	conf = kafka_conf_new(&address, NULL, &error);
	client = kafka_client_new(RD_KAFKA_PRODUCER, conf, &error);
	if (!client || kafka_topic_ready(client, topic, &wish, &error) < 0)
		die("TOPIC cannot be made");
	rd_kafka_destroy(client);
	buffer_deinit(&error);
}

int main(int argc, char **argv)
{
	struct stock_redis_settings settings = {.outbox_max = 1 << 20, .call_timeout_ns = INT64_C(10000000000)};
	struct stock_rules rules = {
		.sale = SALE, .epoch = 1, .limit_per_buyer = 1, .rate_requests = 5, .rate_seconds = 10, .lot_count = 1};
	int64_t units = UNITS_MAX, withdrawn = 0;
	struct stock *stock;
	int broker;

	if (argc != 4)
		die("usage: lone_parts REDIS_URL BROKERS TOPIC");
	log_set_level(LOG_WARN);
	settings.url = argv[1];
	make_topic(argv[2], argv[3]);
	if (stock_redis_open(&stock, &settings) < 0 || stock->ops->preheat_begin(stock, &rules) < 0 ||
	    stock->ops->arm(stock, SALE, &units, &withdrawn) < 0)
		die("no stock");
	broker = connect_to(argv[2]);
	for (int listener = listen_somewhere();;) {
		int client = accept_next(listener);

		serve(client, stock, broker, argv[3]);
		close(client);
	}
}

#include "journal/kafka/client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

enum { END_MS = 5000 }; /* how long an end is waited for */

/*
 * What the program sets itself, because its promises stand on it: the acknowledgement of all
 * replicas, no duplicates, order, one partition a sale, positions that live in the ledger. Each of
 * these by another hand would break one in silence.
 */
static const char *const reserved[] = {
	"acks",
	"auto.commit.enable",
	"auto.offset.reset",
	"bootstrap.servers",
	"delivery.report.only.error",
	"delivery.timeout.ms",
	"enable.auto.commit",
	"enable.auto.offset.store",
	"enable.gapless.guarantee",
	"enable.idempotence",
	"enable.partition.eof",
	"group.id",
	"group.instance.id",
	"group.protocol",
	"isolation.level",
	"max.in.flight",
	"max.in.flight.requests.per.connection",
	"message.send.max.retries",
	"message.timeout.ms",
	"metadata.broker.list",
	"partition.assignment.strategy",
	"partitioner",
	"queuing.strategy",
	"request.required.acks",
	"retries",
	"transactional.id",
};

/* They load code, or run a command: whoever may write the settings must not get a shell by them. */
static const char *const dangerous[] = {"plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location"};

static bool is_dangerous(const char *name)
{
	for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++)
		if (strcmp(dangerous[i], name) == 0)
			return true;
	return false;
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(reserved[i], name) == 0)
			return true;
	return false;
}

/* --- Address --- */

static bool topic_valid(const char *topic)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = strlen(topic);

	return size > 0 && size < KAFKA_TOPIC_SIZE - sizeof(".dead") && strspn(topic, letters) == size &&
	       strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
}

int kafka_address_parse(const char *url, struct kafka_address *address, struct buffer *error)
{
	static const char scheme[] = "kafka://";
	const char *brokers, *slash;
	size_t size;

	if (!url || strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		goto malformed;
	brokers = url + sizeof(scheme) - 1;
	slash = strchr(brokers, '/');
	if (!slash || slash == brokers)
		goto malformed;
	size = (size_t)(slash - brokers);
	if (size >= sizeof(address->brokers) || memchr(brokers, '@', size)) {
		buffer_append_literal(
			error, "the list of brokers is too long, or has an \"@\": who we are is said by journal.kafka.properties");
		return -EINVAL;
	}
	if (!topic_valid(slash + 1)) {
		buffer_append_literal(error, "a topic's name is up to 243 of A-Z a-z 0-9 . _ -");
		return -EINVAL;
	}
	memcpy(address->brokers, brokers, size);
	address->brokers[size] = '\0';
	snprintf(address->topic, sizeof(address->topic), "%s", slash + 1);
	return 0;
malformed:
	buffer_append_literal(error, "the journal's URL is kafka://HOST:PORT,HOST:PORT/TOPIC");
	return -EINVAL;
}

int kafka_options_check(const struct kafka_options *options, struct buffer *error)
{
	if (options->partitions >= 1 && options->replication >= 1 && options->min_insync >= 1 &&
	    options->min_insync <= options->replication && options->ack_deadline_ns > 0 && options->retention_ms >= 0)
		return 0;
	buffer_append_literal(
		error,
		"a topic has at least 1 partition, and no more brokers must acknowledge (min_insync) than have a copy (replication)");
	return -EINVAL;
}

/* --- Settings --- */

/* librdkafka's threads tell their own story here; ours is told by whoever uses the client. */
static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	(void)client;
	if (!log_limiter_pass(&limiter, &suppressed))
		return;
	/*
	 * syslog's levels: 0 to 4 are warnings and worse. A broker that is away is none of the
	 * program's own errors.
	 */
	if (level <= 4)
		log_warn("kafka", "the client library says", LOG_TEXT("facility", facility), LOG_TEXT("text", text),
			 LOG_INT("suppressed", suppressed));
	else
		log_debug("kafka", "the client library says", LOG_TEXT("facility", facility), LOG_TEXT("text", text),
			  LOG_INT("suppressed", suppressed));
}

void kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[256];
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, text, sizeof(text));

	ASSERT(result == RD_KAFKA_CONF_OK);
}

void kafka_conf_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	kafka_conf_set(conf, name, text);
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\n");
	end = text + strlen(text);
	while (end > text && strchr(" \t\n", end[-1]))
		*--end = '\0';
	return text;
}

static bool apply_property(rd_kafka_conf_t *conf, char *property, struct buffer *error)
{
	char *equals = strchr(property, '='), *name = property;
	char text[256];

	if (!equals) {
		buffer_append_literal(error, "a property of Kafka's client is NAME=VALUE, and the next one stands behind \";\"");
		return false;
	}
	*equals = '\0';
	name = trim(property);
	if (is_reserved(name)) {
		buffer_printf(error, "the property %s is the program's own: a promise stands on it", name);
		return false;
	}
	if (is_dangerous(name)) {
		buffer_printf(error, "the property %s loads code or runs a command, and is not taken", name);
		return false;
	}
	/* The library's text may repeat the value, which may be a secret. */
	switch (rd_kafka_conf_set(conf, name, trim(equals + 1), text, sizeof(text))) {
	case RD_KAFKA_CONF_OK:
		return true;
	case RD_KAFKA_CONF_UNKNOWN:
		buffer_printf(error, "Kafka's client has no property \"%s\"", name);
		return false;
	default:
		buffer_printf(error, "the property %s has a value that Kafka's client does not take", name);
		return false;
	}
}

bool kafka_conf_apply(rd_kafka_conf_t *conf, const char *properties, struct buffer *error)
{
	char *copy = strdup(properties), *rest = copy, *property;
	size_t size = strlen(properties);
	bool fine = copy != NULL;

	if (!copy)
		buffer_append_text(error, error_text(error_origin(-ENOMEM)));
	while (fine && (property = strsep(&rest, ";")))
		if (*trim(property))
			fine = apply_property(conf, trim(property), error);
	if (copy)
		explicit_bzero(copy, size);
	free(copy);
	return fine;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_address *address, const char *properties, struct buffer *error)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	kafka_conf_set(conf, "bootstrap.servers", address->brokers);
	kafka_conf_set(conf, "client.id", "penstock");
	/* A small request waits for nobody. */
	kafka_conf_set(conf, "socket.nagle.disable", "true");
	/* A broker that is back is found within a second, not ten. */
	kafka_conf_set(conf, "reconnect.backoff.ms", "50");
	kafka_conf_set(conf, "reconnect.backoff.max.ms", "1000");
	/*
	 * A leader that has moved is found within seconds, also where nothing was asked of the one
	 * that is gone.
	 */
	kafka_conf_set(conf, "topic.metadata.refresh.interval.ms", "2000");
	/* A question to a broker that hangs is given up within seconds, not a minute. */
	kafka_conf_set(conf, "socket.timeout.ms", "3000");
	kafka_conf_set(conf, "log.connection.close", "false");
	rd_kafka_conf_set_log_cb(conf, log_line);
	if (properties && !kafka_conf_apply(conf, properties, error)) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	return conf;
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct buffer *error)
{
	char text[256];
	rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof(text));

	if (!client) {
		rd_kafka_conf_destroy(conf);
		buffer_printf(error, "Kafka's client cannot start: %s", text);
	}
	return client;
}

/* The end of a client, on a thread of its own. */
struct client_end {
	struct client_end *next; /* of those that were left behind */
	struct thread thread;
	struct lock lock;
	struct lock_condition ended;
	rd_kafka_t *client;
	bool done;
};

static _Atomic(struct client_end *) left_behind;

static void client_end_run(void *argument)
{
	struct client_end *end = argument;

	(void)FAILPOINT("kafka.client_end"); /* librdkafka waits for a thread of its own */
	rd_kafka_destroy_flags(end->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	lock_take(&end->lock);
	end->done = true;
	lock_condition_signal(&end->ended);
	lock_release(&end->lock);
}

static bool client_end_wait(struct client_end *end)
{
	int64_t deadline_ns = clock_mono_ns() + END_MS * INT64_C(1000000);
	bool done;

	lock_take(&end->lock);
	while (!end->done && lock_condition_wait_until(&end->ended, &end->lock, deadline_ns))
		;
	done = end->done;
	lock_release(&end->lock);
	return done;
}

static void client_end_free(struct client_end *end)
{
	thread_join(&end->thread);
	lock_condition_deinit(&end->ended);
	lock_deinit(&end->lock);
	free(end);
}

/* NULL: there is no thread for it. */
static struct client_end *client_end_new(rd_kafka_t *client)
{
	struct client_end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->client = client;
	lock_init(&end->lock);
	lock_condition_init(&end->ended);
	if (thread_start(&end->thread, "kafka-end", client_end_run, end) == 0)
		return end;
	client_end_free(end);
	return NULL;
}

static void leave_behind(struct client_end *end)
{
	log_warn("kafka", "a client of Kafka does not end: it is left behind", LOG_INT("waited_ms", END_MS));
	end->next = atomic_load(&left_behind);
	while (!atomic_compare_exchange_weak(&left_behind, &end->next, end))
		;
}

void kafka_client_free(rd_kafka_t *client)
{
	struct client_end *end = client ? client_end_new(client) : NULL;

	if (end && client_end_wait(end))
		client_end_free(end);
	else if (end)
		leave_behind(end);
	else if (client)
		rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* --- Errors --- */

int kafka_errno(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return 0;
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		return -ETIMEDOUT;
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		return -ENOTCONN;
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		return -EACCES;
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		return -ENOENT;
	default:
		return -EIO;
	}
}

int kafka_ms(int64_t ns, int least)
{
	int64_t ms = ns / 1000000;

	if (ms < least)
		return least;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/*
 * Of the partitions from `first` on, in one request to each of their leaders. `which`:
 * RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END, which go for times. An offset that is not told
 * is negative; the error is the first one's.
 */
static rd_kafka_resp_err_t ask_offsets(rd_kafka_t *client, const char *topic, uint32_t first, uint32_t count, int64_t which,
				       int64_t *offsets, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new((int)count);
	rd_kafka_resp_err_t error;

	for (uint32_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(places, topic, (int32_t)(first + i))->offset = which;
	error = rd_kafka_offsets_for_times(client, places, timeout_ms);
	for (uint32_t i = 0; i < count; i++) {
		bool told = !error && !places->elems[i].err;

		offsets[i] = told ? places->elems[i].offset : -1;
	}
	for (uint32_t i = 0; i < count && !error; i++)
		error = places->elems[i].err;
	rd_kafka_topic_partition_list_destroy(places);
	return error;
}

int kafka_client_ends(rd_kafka_t *client, const char *topic, uint32_t partition, int64_t *low, int64_t *high, int timeout_ms)
{
	rd_kafka_resp_err_t error = ask_offsets(client, topic, partition, 1, RD_KAFKA_OFFSET_BEGINNING, low, timeout_ms);

	if (!error)
		error = ask_offsets(client, topic, partition, 1, RD_KAFKA_OFFSET_END, high, timeout_ms);
	return kafka_errno(error);
}

int kafka_client_all_ends(rd_kafka_t *client, const char *topic, uint32_t count, int64_t *ends, int timeout_ms)
{
	return kafka_errno(ask_offsets(client, topic, 0, count, RD_KAFKA_OFFSET_END, ends, timeout_ms));
}

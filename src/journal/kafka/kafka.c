/* The journal port over Kafka. What is known of a record's end, and why, is said in producer.c. */
#include "journal/kafka/kafka.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/fair_lock.h"
#include "base/lock.h"
#include "base/log.h"
#include "journal/kafka/producer.h"
#include "journal/kafka/record.h"
#include "journal/kafka/tail.h"

enum { OPEN_MS = 10000, ENDS_MS = 1000 };

enum { SIDES = JOURNAL_APPENDS_MAX };

/*
 * A producer of librdkafka has one append of a partition under way: it holds the next one back
 * while more than five records are unacknowledged. So each append that is to overlap another has a
 * producer of its own.
 */
struct side {
	struct fair_lock lock; /* of the producer, whole */
	struct kafka_producer producer;
};

struct journal_kafka {
	struct journal base; /* first */
	struct side sides[SIDES];
	atomic_bool busy;          /* the first side has an append: another takes the second */
	atomic_bool lost;          /* one of them has found that the log is another one: for good */
	struct uuid_generator ids; /* of barriers; under the first side's lock */
	struct lock tail_lock;     /* of the tail: one thread reads it at a time */
	struct kafka_tail tail;
	char *cluster;
	bool doubted;                    /* the last look failed, and nothing before it */
	_Atomic(const char *) unhealthy; /* static text; NULL: well */
};

static struct journal_kafka *kafka_of(struct journal *journal)
{
	return (struct journal_kafka *)journal;
}

static void set_unhealthy(struct journal_kafka *journal, const char *reason)
{
	const char *before = atomic_exchange(&journal->unhealthy, reason);

	if (!before && reason)
		log_warn("kafka", "the journal is away", LOG_TEXT("reason", reason));
	if (before && !reason)
		log_info("kafka", "the journal is back", LOG_TEXT("from", before));
}

static void end_all(struct journal_entry *entries, size_t count, enum journal_end end, const char *reason)
{
	for (size_t i = 0; i < count; i++) {
		entries[i].end = end;
		entries[i].reason = reason;
		entries[i].forbidden = false;
	}
}

/* One that is the event's own fault says nothing of the journal; it does not spend the producer. */
static const char *first_failure(const struct journal_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].end != JOURNAL_DURABLE)
			return entries[i].reason;
	return NULL;
}

/* NULL, or why appends are not expected to work. Each side knows how far the log must reach. */
static const char *look_at_sides(struct journal_kafka *journal)
{
	const char *reason = NULL;

	for (int i = 0; i < SIDES && !reason; i++) {
		struct side *side = &journal->sides[i];

		fair_lock_take(&side->lock);
		reason = kafka_producer_look(&side->producer);
		if (side->producer.lost)
			atomic_store(&journal->lost, true);
		fair_lock_release(&side->lock);
	}
	return reason;
}

/*
 * A journal that is well is not called unhealthy for a single look that failed: a broker may be
 * slow for a moment.
 */
static void look(struct journal_kafka *journal)
{
	const char *reason = look_at_sides(journal);
	bool doubtful = reason && !atomic_load(&journal->unhealthy) && !atomic_load(&journal->lost) && !journal->doubted;

	journal->doubted = doubtful;
	if (!doubtful)
		set_unhealthy(journal, reason);
}

static void append_locked(struct journal_kafka *journal, struct kafka_producer *producer, struct journal_entry *entries, size_t count)
{
	int result;

	if (atomic_load(&journal->lost)) {
		set_unhealthy(journal, kafka_producer_lost);
		end_all(entries, count, JOURNAL_UNKNOWN, kafka_producer_lost);
		return;
	}
	result = kafka_producer_ensure(producer);
	if (result < 0) {
		set_unhealthy(journal, error_text(result));
		end_all(entries, count, JOURNAL_REFUSED, error_text(result));
		return;
	}
	kafka_producer_send(producer, entries, count);
	if (producer->lost)
		atomic_store(&journal->lost, true);
	if (atomic_load(&journal->lost))
		set_unhealthy(journal, kafka_producer_lost);
	else
		set_unhealthy(journal, producer->spent ? first_failure(entries, count) : NULL);
}

static void append(struct journal *base, struct journal_entry *entries, size_t count)
{
	struct journal_kafka *journal = kafka_of(base);
	struct side *side = &journal->sides[0];
	bool first;

	if (count == 0) {
		look(journal);
		return;
	}
	first = !atomic_exchange(&journal->busy, true);
	if (!first)
		side = &journal->sides[1];
	fair_lock_take(&side->lock);
	append_locked(journal, &side->producer, entries, count);
	fair_lock_release(&side->lock);
	if (first)
		atomic_store(&journal->busy, false);
}

static int barrier(struct journal *base, uint32_t sale, uint32_t epoch, struct uuid *id)
{
	struct journal_kafka *journal = kafka_of(base);
	int64_t now_ms = clock_wall_ms();
	struct event event = {
		.kind = EVENT_BARRIER,
		.sale = sale,
		.epoch = epoch,
		.at_ms = now_ms,
		.actor_kind = ACTOR_CLOCK,
		.actor = SLICE("clock"),
	};
	struct journal_entry entry = {.event = &event};

	fair_lock_take(&journal->sides[0].lock);
	if (uuid_is_null(id))
		*id = uuid_make(&journal->ids, now_ms, sale);
	fair_lock_release(&journal->sides[0].lock);
	event.id = *id;
	append(base, &entry, 1);
	if (entry.end == JOURNAL_DURABLE)
		return 0;
	log_warn("kafka", "a barrier is not known to be in the log", LOG_INT("sale", sale), LOG_INT("epoch", epoch),
		 LOG_TEXT("reason", entry.reason));
	return entry.end == JOURNAL_UNKNOWN ? -EINPROGRESS : -EAGAIN;
}

static int ends(struct journal *base, int64_t *ends, uint32_t max, uint32_t *count)
{
	struct journal_kafka *journal = kafka_of(base);
	struct side *side = &journal->sides[0];
	struct kafka_producer *producer = &side->producer;
	int result;

	*count = producer->facts.partitions;
	if (*count > max)
		return error_origin(-ERANGE);
	fair_lock_take(&side->lock);
	result = kafka_producer_ensure(producer);
	if (result == 0)
		result = kafka_client_all_ends(producer->client, producer->address.topic, *count, ends, ENDS_MS);
	fair_lock_release(&side->lock);
	return result;
}

/* Where kafka_record_produce() puts it. */
static uint32_t partition(struct journal *base, uint32_t sale)
{
	const struct kafka_producer *producer = &kafka_of(base)->sides[0].producer;
	char key[KAFKA_KEY_SIZE];
	size_t size = kafka_record_key(sale, key);

	return kafka_record_partition((struct slice){key, size}, producer->facts.partitions);
}

static int read_range(struct journal *base, const struct journal_range *range, journal_take take, void *context)
{
	struct journal_kafka *journal = kafka_of(base);
	int result;

	lock_take(&journal->tail_lock);
	result = kafka_tail_read(&journal->tail, range, take, context);
	lock_release(&journal->tail_lock);
	return result;
}

/* The brokers' log is theirs to keep. */
static void tidy(struct journal *journal)
{
	(void)journal;
}

static int health(struct journal *base, const char **reason)
{
	*reason = atomic_load(&kafka_of(base)->unhealthy);
	return *reason ? -ENOTCONN : 0;
}

static void journal_free(struct journal *base)
{
	struct journal_kafka *journal = kafka_of(base);

	if (!base)
		return;
	kafka_tail_deinit(&journal->tail);
	for (int i = 0; i < SIDES; i++) {
		kafka_producer_deinit(&journal->sides[i].producer);
		fair_lock_deinit(&journal->sides[i].lock);
	}
	lock_deinit(&journal->tail_lock);
	free(journal->cluster);
	free(journal);
}

static const struct journal_ops kafka_ops = {
	.name = "kafka",
	.appends = SIDES,
	.append = append,
	.barrier = barrier,
	.ends = ends,
	.partition = partition,
	.read = read_range,
	.tidy = tidy,
	.health = health,
	.free = journal_free,
};

static int read_cluster(struct journal_kafka *journal, struct buffer *error)
{
	rd_kafka_t *client = journal->sides[0].producer.client;
	char *text = rd_kafka_clusterid(client, OPEN_MS);

	journal->cluster = text ? strdup(text) : NULL;
	if (text)
		rd_kafka_mem_free(client, text);
	if (journal->cluster)
		return 0;
	buffer_append_literal(error, "the cluster did not say its id");
	return -ENOTCONN;
}

/* The second has the topic that the first has found or made. */
static int init_sides(struct journal_kafka *journal, const struct kafka_options *options, struct buffer *error)
{
	struct side *sides = journal->sides;
	int result = kafka_producer_init(&sides[0].producer, options, NULL, error);

	for (int i = 1; i < SIDES && result == 0; i++)
		result = kafka_producer_init(&sides[i].producer, options, &sides[0].producer.facts, error);
	return result;
}

int journal_kafka_open(struct journal **out, const struct kafka_options *options, struct buffer *error)
{
	struct journal_kafka *journal = calloc(1, sizeof(*journal));
	const char *reason;
	int result;

	if (!journal)
		return error_origin(-ENOMEM);
	journal->base.ops = &kafka_ops;
	for (int i = 0; i < SIDES; i++)
		fair_lock_init(&journal->sides[i].lock);
	lock_init(&journal->tail_lock);
	result = init_sides(journal, options, error);
	kafka_tail_init(&journal->tail, &journal->sides[0].producer.address, journal->sides[0].producer.properties);
	if (result == 0)
		result = read_cluster(journal, error);
	if (result < 0) {
		journal_free(&journal->base);
		return result;
	}
	/*
	 * Also finds out who leads; a partition that is away for a moment is no reason not to
	 * start.
	 */
	reason = look_at_sides(journal);
	set_unhealthy(journal, reason);
	*out = &journal->base;
	return 0;
}

static const struct journal_kafka *kafka_of_const(const struct journal *journal)
{
	ASSERT(journal->ops == &kafka_ops);
	return (const struct journal_kafka *)journal;
}

uint32_t journal_kafka_partitions(const struct journal *journal)
{
	return kafka_of_const(journal)->sides[0].producer.facts.partitions;
}

int journal_kafka_fix(struct journal *base, uint32_t partitions)
{
	struct journal_kafka *journal = kafka_of(base);
	struct kafka_topic *facts = &journal->sides[0].producer.facts;
	int result = 0;

	ASSERT(base->ops == &kafka_ops);
	fair_lock_take(&journal->sides[0].lock);
	if (partitions > facts->partitions)
		result = -ERANGE;
	else if (partitions < facts->partitions)
		log_warn("kafka",
			 "the topic was given more partitions: they stay unused, for a sale's events must stay in one (operations: More partitions)",
			 LOG_TEXT("topic", journal->sides[0].producer.address.topic), LOG_INT("partitions", partitions),
			 LOG_INT("topic_has", facts->partitions));
	for (int i = 0; i < SIDES && result == 0; i++)
		journal->sides[i].producer.facts.partitions = partitions;
	fair_lock_release(&journal->sides[0].lock);
	return result;
}

const char *journal_kafka_cluster(const struct journal *journal)
{
	return kafka_of_const(journal)->cluster;
}

const char *journal_kafka_topic(const struct journal *journal)
{
	return kafka_of_const(journal)->sides[0].producer.address.topic;
}

/* The journal port over the log, but for appends (producer.c) and reads (tail.c). */
#include "simulation/journal/client.h"

#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "journal/kafka/record.h"

enum { ENDS_MS = 1000 };

static int barrier(struct journal *base, uint32_t sale, uint32_t epoch, struct uuid *id)
{
	struct broker_journal *journal = broker_journal_of(base);
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

	lock_take(&journal->lock);
	if (uuid_is_null(id))
		*id = uuid_make(&journal->ids, now_ms, sale);
	lock_release(&journal->lock);
	event.id = *id;
	base->ops->append(base, &entry, 1);
	if (entry.end == JOURNAL_DURABLE)
		return 0;
	return entry.end == JOURNAL_UNKNOWN ? -EINPROGRESS : -EAGAIN;
}

/* 0, or why the brokers do not say it now. */
static int read_ends(struct broker_journal *journal, int64_t *ends)
{
	struct journal_sim *sim = journal->sim;
	int r = 0;

	if (broker_chance(sim, sim->faults.silent) || broker_is_away(journal) || sim->mute)
		return -ETIMEDOUT;
	if (!sim->there)
		return -ENOENT;
	for (uint32_t i = 0; i < journal->partitions; i++) {
		int known = i >= sim->partition_count ? -ENOENT : broker_is_led(sim, i) ? 0 : -ENOTCONN;

		ends[i] = known < 0 ? -1 : sim->partitions[i].end;
		r = r < 0 ? r : known;
	}
	return r;
}

static int ends(struct journal *base, int64_t *ends, uint32_t max, uint32_t *count)
{
	struct broker_journal *journal = broker_journal_of(base);
	int64_t taken_ns;
	int r;

	*count = journal->partitions;
	if (*count > max)
		return error_origin(-ERANGE);
	broker_yield();
	lock_take(&journal->lock);
	broker_take(journal->sim);
	taken_ns = broker_draw_ns(journal->sim, journal->sim->faults.latency_ns);
	broker_release(journal->sim);
	broker_rest(taken_ns);
	broker_take(journal->sim);
	broker_arrive(journal->sim);
	r = read_ends(journal, ends);
	broker_release(journal->sim);
	if (r == -ETIMEDOUT)
		broker_rest(ENDS_MS * INT64_C(1000000));
	lock_release(&journal->lock);
	broker_yield();
	return r;
}

static uint32_t partition(struct journal *base, uint32_t sale)
{
	char key[KAFKA_KEY_SIZE];
	size_t size = kafka_record_key(sale, key);

	return kafka_record_partition((struct slice){key, size}, broker_journal_of(base)->partitions);
}

static void tidy(struct journal *journal)
{
	(void)journal;
}

static int health(struct journal *base, const char **reason)
{
	*reason = atomic_load(&broker_journal_of(base)->unhealthy);
	return *reason ? -ENOTCONN : 0;
}

static void end(struct broker_journal *journal)
{
	if (journal->second)
		end(journal->second);
	free(journal->append.places);
	free(journal->records);
	free(journal);
}

static void journal_free(struct journal *base)
{
	struct broker_journal *journal = broker_journal_of(base);

	if (!base)
		return;
	lock_deinit(&journal->second->tail_lock);
	lock_deinit(&journal->second->lock);
	lock_deinit(&journal->tail_lock);
	lock_deinit(&journal->lock);
	end(journal);
}

static const struct journal_ops broker_ops = {
	.name = "simulated",
	.appends = 2,
	.append = broker_append_entries,
	.barrier = barrier,
	.ends = ends,
	.partition = partition,
	.read = broker_read_range,
	.tidy = tidy,
	.health = health,
	.free = journal_free,
};

static const struct broker_journal *broker_journal_of_const(const struct journal *base)
{
	ASSERT(base->ops == &broker_ops);
	return (const struct broker_journal *)base;
}

static struct broker_journal *new_side(struct journal_sim *sim, int64_t ack_deadline_ns)
{
	struct broker_journal *journal = calloc(1, sizeof(*journal));

	ASSERT(journal);
	journal->base.ops = &broker_ops;
	journal->sim = sim;
	journal->deadline_ns = ack_deadline_ns;
	journal->partitions = sim->partition_count;
	lock_init(&journal->lock);
	lock_init(&journal->tail_lock);
	for (size_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
		journal->acknowledged[i] = -1;
	return journal;
}

struct journal *journal_sim_open(struct journal_sim *sim, int64_t ack_deadline_ns)
{
	struct broker_journal *journal;

	ASSERT(ack_deadline_ns > 0);
	journal = new_side(sim, ack_deadline_ns);
	journal->second = new_side(sim, ack_deadline_ns);
	return &journal->base;
}

void journal_sim_vanish(struct journal *base)
{
	struct broker_journal *journal = broker_journal_of(base);
	struct journal_sim *sim = journal->sim;

	ASSERT(base->ops == &broker_ops);
	broker_take(sim);
	broker_abandon(sim, journal);
	broker_abandon(sim, journal->second);
	broker_release(sim);
	end(journal); /* its locks may be taken by threads that are no more */
}

void journal_sim_cut_off(struct journal *journal)
{
	broker_journal_of(journal)->cut_off = broker_journal_of(journal)->second->cut_off = true;
}

const char *journal_sim_cluster(const struct journal *journal)
{
	ASSERT(broker_journal_of_const(journal));
	return broker_cluster;
}

const char *journal_sim_topic(const struct journal *journal)
{
	ASSERT(broker_journal_of_const(journal));
	return broker_topic;
}

uint32_t journal_sim_partitions(const struct journal *journal)
{
	return broker_journal_of_const(journal)->partitions;
}

int journal_sim_fix(struct journal *base, uint32_t partitions)
{
	struct broker_journal *journal = broker_journal_of(base);

	ASSERT(base->ops == &broker_ops);
	if (partitions > journal->partitions)
		return -ERANGE;
	journal->partitions = journal->second->partitions = partitions;
	return 0;
}

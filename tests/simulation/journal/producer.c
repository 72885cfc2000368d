/*
 * Appends: what src/journal/kafka/producer.c tells of a broker that does what the seed says.
 */
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "journal/kafka/record.h"
#include "simulation/journal/client.h"

enum { LOOK_MS = 500, RECORD_MAX = 64 << 10 };

static const char reason_lost[] = "the log has lost records that it had acknowledged, or is another one";
static const char reason_unsent[] = "no broker took it within the deadline";
static const char reason_silent[] = "no acknowledgement within the deadline";
static const char reason_gone[] = "Broker: Unknown topic or partition";
static const char reason_refused[] = "Broker: Not enough in-sync replicas";

/* --- Sending --- */

static struct broker_record record_of(struct journal_sim *sim, const struct event *event)
{
	char key[KAFKA_KEY_SIZE];
	size_t key_size = kafka_record_key(event->sale, key);
	struct broker_record record;
	struct buffer json;

	buffer_init(&json, RECORD_MAX);
	event_encode(event, &json);
	ASSERT(!json.failed);
	record.key = broker_copy(sim, (struct slice){key, key_size});
	record.value = broker_copy(sim, buffer_slice(&json));
	record.mark = kafka_record_mark(record.key, record.value);
	buffer_deinit(&json);
	return record;
}

/* Whether it arrives, and what is said of that. As many draws whatever they come to. */
static void draw_fate(struct broker_journal *journal, struct broker_request *request)
{
	struct journal_sim *sim = journal->sim;
	const struct journal_sim_faults *faults = &sim->faults;
	int64_t now_ns = broker_now_ns(sim), there_ns = broker_draw_ns(sim, faults->latency_ns) + faults->longer_ns,
		back_ns = broker_draw_ns(sim, faults->latency_ns);
	int64_t slow_ns = broker_draw_ns(sim, faults->slow_ns), late_ns = broker_draw_ns(sim, faults->late_ns);
	bool refused = broker_chance(sim, faults->refused), unsent = broker_chance(sim, faults->unsent);
	bool lost = broker_chance(sim, faults->lost), ack_lost = broker_chance(sim, faults->ack_lost);
	bool late = broker_chance(sim, faults->late), slow = broker_chance(sim, faults->slow), known_away = broker_draw(sim) % 2;
	bool away = broker_is_away(journal);

	request->left = request->arrives = request->answers = true;
	request->arrives_ns = now_ns + there_ns;
	request->answers_ns = now_ns + there_ns + back_ns;
	request->end = JOURNAL_DURABLE;
	if (unsent || (away && known_away)) { /* it waits in the client for a broker */
		request->left = false;
		request->arrives = request->answers = !unsent;
	} else if (refused) {
		request->arrives = false;
		request->end = JOURNAL_REFUSED;
		request->reason = reason_refused;
	} else if (lost || away) {
		request->arrives = request->answers = false;
	} else if (ack_lost) {
		request->answers = false;
	} else if (late) {
		request->answers = false;
		request->arrives_ns = now_ns + journal->deadline_ns + late_ns;
	} else if (slow) {
		request->arrives_ns += slow_ns;
		request->answers_ns += slow_ns;
	}
}

static void send_part(struct broker_journal *journal, uint32_t partition, size_t *places, size_t count)
{
	struct journal_sim *sim = journal->sim;
	struct broker_append *append = &journal->append;
	struct broker_record *records = broker_piece(sim, count * sizeof(*records));
	struct broker_part *part = &append->parts[append->part_count++];
	struct broker_part *before = append->part_count > 1 ? part - 1 : NULL;

	for (size_t i = 0; i < count; i++)
		records[i] = record_of(sim, append->entries[places[i]].event);
	*part = (struct broker_part){broker_send(sim, journal, partition, records, count), places, count};
	draw_fate(journal, part->request);
	if (!before || before->request->partition != partition)
		return;
	/* The idempotent producer: a broker takes nothing without what comes before it. */
	part->request->behind = before->request->number;
	if (!before->request->arrives) {
		part->request->arrives = false;
		part->request->answers = part->request->answers && part->request->end == JOURNAL_REFUSED;
	}
	if (part->request->arrives_ns < before->request->arrives_ns)
		part->request->arrives_ns = before->request->arrives_ns;
	if (part->request->left && !before->request->left) { /* it waits in the client too */
		part->request->left = false;
		part->request->answers = before->request->answers;
		part->request->arrives = before->request->arrives;
		part->request->end = JOURNAL_DURABLE;
	}
}

static void send_partition(struct broker_journal *journal, uint32_t partition, size_t *places, size_t count)
{
	struct journal_sim *sim = journal->sim;
	bool cut = broker_chance(sim, sim->faults.cut), moved = broker_chance(sim, sim->faults.leader);
	uint64_t at = broker_draw(sim);
	int64_t leaderless_ns = broker_draw_ns(sim, sim->faults.slow_ns);
	size_t first = cut && count > 1 ? 1 + at % (count - 1) : count;

	send_part(journal, partition, places, first);
	if (first < count)
		send_part(journal, partition, places + first, count - first);
	if (moved)
		broker_elect(sim, partition, leaderless_ns);
}

static void send_all(struct broker_journal *journal)
{
	struct broker_append *append = &journal->append;
	size_t used = 0;

	for (uint32_t partition = 0; partition < journal->partitions; partition++) {
		size_t *places = append->places + used, count = 0;

		for (size_t i = 0; i < append->count; i++)
			if (journal->base.ops->partition(&journal->base, append->entries[i].event->sale) == partition)
				places[count++] = i;
		used += count;
		if (count > 0)
			send_partition(journal, partition, places, count);
	}
}

/* --- What becomes of it --- */

static bool is_answered(const struct broker_journal *journal, struct broker_request *request)
{
	const struct journal_sim *sim = journal->sim;

	if (!request->answered && request->answers && request->answers_ns <= broker_now_ns(sim) && !broker_is_away(journal) &&
	    !sim->mute && (request->arrived || request->end != JOURNAL_DURABLE))
		request->answered = true;
	return request->answered;
}

static bool is_all_answered(const struct broker_journal *journal)
{
	bool all = true;

	for (size_t i = 0; i < journal->append.part_count; i++)
		all = is_answered(journal, journal->append.parts[i].request) && all;
	return all;
}

/* Offsets only ever rise: where they do not, it is another log. */
static void note_acknowledged(struct broker_journal *journal, const struct broker_request *request)
{
	int64_t *last = &journal->acknowledged[request->partition];

	if (request->offset <= *last)
		journal->lost = true;
	else
		*last = request->offset + (int64_t)request->count - 1;
}

static void end_part(struct broker_journal *journal, const struct broker_part *part)
{
	struct journal_entry *entries = journal->append.entries;
	const struct broker_request *request = part->request;
	enum journal_end end = request->answered ? request->end : request->left ? JOURNAL_UNKNOWN : JOURNAL_REFUSED;
	const char *reason = request->answered ? request->reason : request->left ? reason_silent : reason_unsent;

	if (end == JOURNAL_DURABLE)
		note_acknowledged(journal, request);
	if (journal->lost) {
		end = JOURNAL_UNKNOWN;
		reason = reason_lost;
	}
	for (size_t i = 0; i < part->count; i++) {
		entries[part->places[i]].end = end;
		entries[part->places[i]].reason = reason;
	}
}

/* There is no such topic: a broker says so, or the client knows it. */
static void end_all(struct broker_journal *journal)
{
	struct broker_append *append = &journal->append;
	enum journal_end end = broker_draw(journal->sim) % 2 ? JOURNAL_REFUSED : JOURNAL_UNKNOWN;

	for (size_t i = 0; i < append->count; i++) {
		append->entries[i].end = end;
		append->entries[i].reason = reason_gone;
	}
}

static void send_and_wait(struct broker_journal *journal)
{
	struct journal_sim *sim = journal->sim;
	struct broker_append *append = &journal->append;

	broker_take(sim);
	broker_arrive(sim);
	if (sim->there)
		send_all(journal);
	else
		end_all(journal);
	broker_arrive(sim);
	while (sim->there && !is_all_answered(journal) && broker_wait(sim, broker_next_ns(sim), append->deadline_ns))
		broker_arrive(sim);
	for (size_t i = 0; i < append->part_count; i++)
		end_part(journal, &append->parts[i]);
	for (size_t i = 0; i < append->part_count; i++)
		broker_leave(sim, append->parts[i].request);
	broker_release(sim);
}

/* --- Looking --- */

static const char *look_at_brokers(struct broker_journal *journal)
{
	struct journal_sim *sim = journal->sim;

	if (broker_chance(sim, sim->faults.silent) || broker_is_away(journal) || sim->mute)
		return "no broker answers";
	if (!sim->there)
		return "the topic is gone";
	for (uint32_t i = 0; i < journal->partitions; i++) {
		if (i >= sim->partition_count || !broker_is_led(sim, i))
			return "a partition has no leader";
		if (sim->partitions[i].end <= journal->acknowledged[i]) {
			journal->lost = true;
			return reason_lost;
		}
	}
	return NULL;
}

static void look(struct broker_journal *journal)
{
	const char *reason = reason_lost;
	bool doubtful;

	if (!journal->lost) {
		broker_take(journal->sim);
		broker_arrive(journal->sim);
		reason = look_at_brokers(journal);
		broker_release(journal->sim);
		if (reason && !journal->lost)
			broker_rest(LOOK_MS * INT64_C(1000000));
	}
	/* One look that failed is a doubt. */
	doubtful = reason && !atomic_load(&journal->unhealthy) && !journal->lost && !journal->doubted;
	journal->doubted = doubtful;
	if (!doubtful)
		atomic_store(&journal->unhealthy, reason);
}

static void append_locked(struct broker_journal *journal, struct journal_entry *entries, size_t count)
{
	struct broker_append *append = &journal->append;
	const char *failure = NULL;

	if (count == 0) {
		look(journal);
		return;
	}
	free(append->places);
	*append = (struct broker_append){.entries = entries, .count = count, .places = calloc(count, sizeof(*append->places))};
	append->deadline_ns = clock_mono_ns() + journal->deadline_ns;
	ASSERT(append->places);
	for (size_t i = 0; i < count; i++) {
		entries[i].end = JOURNAL_UNKNOWN;
		entries[i].reason = journal->lost ? reason_lost : reason_silent;
		entries[i].forbidden = false;
	}
	if (!journal->lost)
		send_and_wait(journal);
	for (size_t i = 0; i < count && !failure; i++)
		failure = entries[i].end == JOURNAL_DURABLE ? NULL : entries[i].reason;
	atomic_store(&journal->unhealthy, journal->lost ? reason_lost : failure);
}

/* What one of the two knows of the log's end and of brokers, the other one has to go by. */
static void share(struct broker_journal *journal, struct broker_journal *side)
{
	struct broker_journal *other = side == journal ? journal->second : journal;

	if (side->lost)
		other->lost = true;
	atomic_store(&journal->unhealthy, side->lost ? reason_lost : atomic_load(&side->unhealthy));
}

void broker_append_entries(struct journal *base, struct journal_entry *entries, size_t count)
{
	struct broker_journal *journal = broker_journal_of(base), *side = journal;
	bool first;

	broker_yield();
	first = count > 0 && !atomic_exchange(&journal->busy, true);
	if (count > 0 && !first)
		side = journal->second;
	lock_take(&side->lock);
	append_locked(side, entries, count);
	share(journal, side);
	lock_release(&side->lock);
	if (first)
		atomic_store(&journal->busy, false);
	broker_yield();
}

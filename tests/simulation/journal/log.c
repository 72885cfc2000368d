/*
 * The log: what each partition has, and what is on its way there.
 *
 * An append's fate is drawn when it is sent: whether and when it arrives, whether and when that is
 * answered. What happens meanwhile (brokers away, an election, the topic's end) changes it. An
 * append whose owner has gone, or has given it up, stays on its way alone.
 */
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "journal/kafka/record.h"
#include "simulation/journal/broker.h"

static const char reason_moved[] = "Broker: Not leader for partition";
static const char reason_gone[] = "Broker: Unknown topic or partition";

bool broker_is_led(const struct journal_sim *sim, uint32_t partition)
{
	return sim->partitions[partition].leaderless_until_ns <= broker_now_ns(sim);
}

int64_t broker_append(struct journal_sim *sim, uint32_t number, const struct broker_record *records, size_t count)
{
	struct broker_partition *partition = &sim->partitions[number];
	int64_t offset = partition->end;

	ASSERT(number < sim->partition_count);
	while (partition->capacity < (size_t)partition->end + count) {
		partition->capacity = partition->capacity ? 2 * partition->capacity : 64;
		partition->records = realloc(partition->records, partition->capacity * sizeof(*records));
		ASSERT(partition->records);
	}
	memcpy(partition->records + partition->end, records, count * sizeof(*records));
	partition->end += (int64_t)count;
	broker_changed(sim);
	return offset;
}

/* --- On the way --- */

struct broker_request *broker_send(struct journal_sim *sim, const void *owner, uint32_t partition, struct broker_record *records,
				   size_t count)
{
	struct broker_request *request = calloc(1, sizeof(*request));

	ASSERT(request);
	*request = (struct broker_request){
		.next = sim->requests,
		.number = ++sim->request_count,
		.owner = owner,
		.partition = partition,
		.log = sim->log,
		.records = records,
		.count = count,
		.offset = -1,
	};
	sim->requests = request;
	return request;
}

static struct broker_request *find_request(const struct journal_sim *sim, uint64_t number)
{
	for (struct broker_request *request = sim->requests; request; request = request->next)
		if (request->number == number)
			return request;
	return NULL;
}

static void forget_ended(struct journal_sim *sim)
{
	struct broker_request **link = &sim->requests;

	while (*link) {
		struct broker_request *request = *link;

		if (request->owner || (request->arrives && !request->arrived)) {
			link = &request->next;
			continue;
		}
		/* What must come behind one that never came never comes. */
		for (struct broker_request *other = sim->requests; other; other = other->next)
			if (other->behind == request->number) {
				other->behind = 0;
				other->arrives = other->arrives && request->arrived;
			}
		*link = request->next;
		free(request);
		link = &sim->requests;
	}
}

void broker_leave(struct journal_sim *sim, struct broker_request *request)
{
	request->owner = NULL;
	request->answers = false;
	if (!request->left)
		request->arrives = false;
	forget_ended(sim);
}

void broker_abandon(struct journal_sim *sim, const void *owner)
{
	broker_arrive(sim);
	for (struct broker_request *request = sim->requests; request; request = request->next) {
		if (request->owner != owner)
			continue;
		request->owner = NULL;
		request->arrives = request->arrives && request->left && broker_draw(sim) % 2;
	}
	forget_ended(sim);
}

static bool can_arrive(const struct journal_sim *sim, const struct broker_request *request)
{
	const struct broker_request *before = request->behind ? find_request(sim, request->behind) : NULL;

	return request->arrives && !request->arrived && (!before || before->arrived);
}

/* A copy that somebody else drives. */
static void send_again(struct journal_sim *sim, const struct broker_request *request)
{
	bool again = broker_chance(sim, sim->faults.duplicate);
	int64_t delay_ns = broker_draw_ns(sim, sim->faults.late_ns);
	struct broker_request *copy;

	if (!again || !request->owner) /* the copy of a copy is no news */
		return;
	copy = broker_send(sim, NULL, request->partition, request->records, request->count);
	copy->left = copy->arrives = true;
	copy->arrives_ns = broker_now_ns(sim) + delay_ns;
}

static void arrive(struct journal_sim *sim, struct broker_request *request)
{
	const struct broker_partition *partition = &sim->partitions[request->partition];

	if (request->log != sim->log || !sim->there || request->partition >= sim->partition_count) {
		request->arrives = false;
		return;
	}
	if (partition->leaderless_until_ns > broker_now_ns(sim)) { /* who waits for it sends it to the next one */
		request->arrives = request->owner != NULL;
		request->arrives_ns = partition->leaderless_until_ns;
		return;
	}
	request->left = request->arrived = true;
	request->offset = broker_append(sim, request->partition, request->records, request->count);
	send_again(sim, request);
}

void broker_arrive(struct journal_sim *sim)
{
	int64_t now_ns = broker_now_ns(sim);

	while (!sim->away) {
		struct broker_request *first = NULL;

		for (struct broker_request *request = sim->requests; request; request = request->next) {
			if (!can_arrive(sim, request) || request->arrives_ns > now_ns)
				continue;
			if (!first || request->arrives_ns < first->arrives_ns ||
			    (request->arrives_ns == first->arrives_ns && request->number < first->number))
				first = request;
		}
		if (!first)
			break;
		arrive(sim, first);
	}
	forget_ended(sim);
}

int64_t broker_next_ns(const struct journal_sim *sim)
{
	int64_t now_ns = broker_now_ns(sim), next_ns = INT64_MAX;

	if (sim->away)
		return INT64_MAX;
	for (const struct broker_request *request = sim->requests; request; request = request->next) {
		if (can_arrive(sim, request) && request->arrives_ns < next_ns)
			next_ns = request->arrives_ns;
		if (request->answers && !request->answered && request->answers_ns > now_ns && request->answers_ns < next_ns)
			next_ns = request->answers_ns;
	}
	for (uint32_t i = 0; i < sim->partition_count; i++)
		if (sim->partitions[i].leaderless_until_ns > now_ns && sim->partitions[i].leaderless_until_ns < next_ns)
			next_ns = sim->partitions[i].leaderless_until_ns;
	return next_ns;
}

/* --- What changes its fate --- */

static void answer_unknown(const struct journal_sim *sim, struct broker_request *request, const char *reason)
{
	request->answers = true;
	request->answers_ns = broker_now_ns(sim);
	request->end = JOURNAL_UNKNOWN;
	request->reason = reason;
}

/*
 * The old leader may have appended what nobody has acknowledged, and the next one may have it from
 * there. A refusal may come from the next one, which says nothing of that. See
 * src/journal/kafka/producer.c.
 */
static void move(struct journal_sim *sim, struct broker_request *request, int64_t led_ns)
{
	uint64_t drawn = broker_draw(sim);

	if (!request->owner || !request->left || request->answered || request->arrived)
		return;
	if (request->answers && request->end == JOURNAL_DURABLE && drawn % 3 == 0) { /* sent again, to the next one */
		request->arrives_ns = request->arrives_ns > led_ns ? request->arrives_ns : led_ns;
		request->answers_ns = request->answers_ns > led_ns ? request->answers_ns : led_ns;
		return;
	}
	answer_unknown(sim, request, reason_moved);
	request->arrives = drawn % 3 == 1;
	request->arrives_ns = led_ns;
}

void broker_elect(struct journal_sim *sim, uint32_t number, int64_t leaderless_ns)
{
	struct broker_partition *partition = &sim->partitions[number];

	broker_arrive(sim);
	partition->leader++;
	partition->leaderless_until_ns = broker_now_ns(sim) + leaderless_ns;
	for (struct broker_request *request = sim->requests; request; request = request->next)
		if (request->partition == number)
			move(sim, request, partition->leaderless_until_ns);
	broker_changed(sim);
}

void journal_sim_elect(struct journal_sim *sim, uint32_t partition, int64_t leaderless_ns)
{
	broker_take(sim);
	broker_elect(sim, partition, leaderless_ns);
	broker_release(sim);
}

void journal_sim_set_away(struct journal_sim *sim, bool away)
{
	broker_take(sim);
	broker_arrive(sim);
	for (struct broker_request *request = sim->requests; away && !sim->away && request; request = request->next)
		if (request->arrives && !request->arrived && broker_draw(sim) % 2) /* it was in a broker that lost it */
			request->arrives = request->owner && request->answers && request->end == JOURNAL_DURABLE;
	sim->away = away;
	for (struct broker_member *member = sim->members; !away && member; member = member->next)
		if (!member->gone)
			member->seen_ns = broker_now_ns(sim);
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_set_mute(struct journal_sim *sim, bool mute)
{
	broker_take(sim);
	broker_arrive(sim);
	sim->mute = mute;
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_retain(struct journal_sim *sim, uint32_t number, int64_t offset)
{
	struct broker_partition *partition = &sim->partitions[number];

	broker_take(sim);
	if (offset > partition->low)
		partition->low = offset < partition->end ? offset : partition->end;
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_grow(struct journal_sim *sim, uint32_t partitions)
{
	ASSERT(partitions <= BROKER_PARTITIONS_MAX);
	broker_take(sim);
	ASSERT(partitions >= sim->partition_count);
	sim->partition_count = partitions;
	broker_group_form(sim);
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_delete(struct journal_sim *sim)
{
	broker_take(sim);
	broker_arrive(sim);
	sim->there = false;
	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++) {
		free(sim->partitions[i].records);
		sim->partitions[i] = (struct broker_partition){0};
	}
	for (struct broker_request *request = sim->requests; request; request = request->next) {
		request->arrives = false;
		if (request->owner && !request->answered)
			answer_unknown(sim, request, reason_gone);
	}
	forget_ended(sim);
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_make(struct journal_sim *sim, uint32_t partitions)
{
	ASSERT(partitions > 0 && partitions <= BROKER_PARTITIONS_MAX);
	broker_take(sim);
	ASSERT(!sim->there);
	sim->there = true;
	sim->log++;
	/*
	 * Readers may have heard that there was none; one of as many partitions is else the one
	 * they know.
	 */
	if (broker_draw(sim) % 2 || partitions != sim->partition_count)
		broker_group_form(sim);
	sim->partition_count = partitions;
	broker_changed(sim);
	broker_release(sim);
}

void journal_sim_arrive(struct journal_sim *sim)
{
	broker_take(sim);
	broker_arrive(sim);
	broker_release(sim);
}

void journal_sim_settle(struct journal_sim *sim)
{
	broker_take(sim);
	for (struct broker_request *request = sim->requests; request; request = request->next)
		if (!request->owner) {
			request->arrives = request->arrives && broker_draw(sim) % 2;
			request->arrives_ns = broker_now_ns(sim);
		}
	broker_arrive(sim);
	broker_release(sim);
}

/* --- Looking --- */

int broker_decode(const struct broker_record *from, uint32_t partition, int64_t offset, struct journal_record *record)
{
	const rd_kafka_message_t message = {
		.partition = (int32_t)partition,
		.offset = offset,
		.key = (void *)(uintptr_t)from->key.data,
		.key_len = from->key.size,
		.payload = (void *)(uintptr_t)from->value.data,
		.len = from->value.size,
	};

	return kafka_record_decode(&message, record);
}

uint32_t journal_sim_partition_count(struct journal_sim *sim)
{
	return sim->partition_count;
}

int64_t journal_sim_start(struct journal_sim *sim, uint32_t partition)
{
	return sim->partitions[partition].low;
}

int64_t journal_sim_end(struct journal_sim *sim, uint32_t partition)
{
	return sim->partitions[partition].end;
}

bool journal_sim_look(struct journal_sim *sim, uint32_t number, int64_t offset, struct journal_record *record)
{
	const struct broker_partition *partition = &sim->partitions[number];
	int r;

	if (offset < partition->low || offset >= partition->end)
		return false;
	r = broker_decode(&partition->records[offset], number, offset, record);
	ASSERT(r == 0);
	return true;
}

void journal_sim_write(struct journal_sim *sim, uint32_t partition, struct slice key, struct slice value)
{
	struct broker_record record;

	broker_take(sim);
	record = (struct broker_record){broker_copy(sim, key), broker_copy(sim, value), kafka_record_mark(key, value)};
	broker_append(sim, partition, &record, 1);
	broker_release(sim);
}

size_t journal_sim_in_flight(struct journal_sim *sim)
{
	size_t count = 0;

	for (const struct broker_request *request = sim->requests; request; request = request->next)
		if (request->arrives && !request->arrived)
			count += request->count;
	return count;
}

static size_t barriers_of(const struct broker_request *request)
{
	struct journal_record record;
	size_t count = 0;

	for (size_t i = 0; i < request->count; i++)
		count += broker_decode(&request->records[i], request->partition, 0, &record) == 0 && !record.reason &&
			 record.event.kind == EVENT_BARRIER;
	return count;
}

size_t journal_sim_barriers_in_flight(struct journal_sim *sim)
{
	size_t count = 0;

	for (const struct broker_request *request = sim->requests; request; request = request->next)
		if (request->arrives && !request->arrived)
			count += barriers_of(request);
	return count;
}

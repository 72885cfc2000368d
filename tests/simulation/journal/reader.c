/*
 * The journal reader port over the log: positions are its owner's word alone, and no record is
 * handed out that does not come next. See src/journal/kafka/reader.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "simulation/journal/broker.h"

enum { SILENCE_MS = 1000 };

struct position {
	int64_t next;
	bool ours, positioned;
	bool gone; /* the log does not have `next` */
};

/* A record as it was handed out. */
struct taken {
	uint32_t partition;
	int64_t offset;
	struct slice key, value;
};

struct broker_reader {
	struct journal_reader base; /* first */
	struct journal_sim *sim;
	struct broker_member *member;
	bool shares, joined;
	uint64_t generation; /* whose share the positions are; 0: none */
	uint32_t partitions;
	struct position positions[BROKER_PARTITIONS_MAX];
	struct taken *taken; /* of the last read() */
	size_t taken_count;
};

static struct broker_reader *reader_of(struct journal_reader *base)
{
	return (struct broker_reader *)base;
}

/* --- The group's business --- */

static void take_none(struct broker_reader *reader)
{
	memset(reader->positions, 0, sizeof(reader->positions));
	reader->joined = false;
	reader->generation = 0;
}

static void take_share(struct broker_reader *reader)
{
	take_none(reader);
	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++) {
		reader->positions[i].ours = reader->member->share[i];
		if (reader->positions[i].ours && i >= reader->partitions)
			reader->partitions = i + 1;
	}
	reader->joined = true;
	reader->generation = reader->member->generation = reader->sim->generation;
}

/* No broker to ask: after a session's time it is for the group to say what is whose. */
static void serve_alone(struct broker_reader *reader)
{
	struct journal_sim *sim = reader->sim;

	if (broker_now_ns(sim) - reader->member->seen_ns <= BROKER_SESSION_MS * INT64_C(1000000))
		return;
	take_none(reader);
	broker_group_leave(sim, reader->member);
}

static void serve(struct broker_reader *reader)
{
	struct journal_sim *sim = reader->sim;
	struct broker_member *member = reader->member;
	int64_t now_ns = broker_now_ns(sim);

	broker_arrive(sim);
	if (sim->away || sim->mute) {
		serve_alone(reader);
		return;
	}
	if (member->within && now_ns - member->seen_ns <= BROKER_SESSION_MS * INT64_C(1000000))
		member->seen_ns = now_ns;
	broker_group_tick(sim);
	if (!member->within && (reader->generation == 0 || now_ns >= member->hears_ns)) {
		take_none(reader);
		member->seen_ns = now_ns;
		if (reader->shares)
			broker_group_join(sim, member);
	} else if (member->within && sim->forming && !member->rejoined && now_ns >= member->hears_ns) {
		take_none(reader);
		member->rejoined = true;
	}
	broker_group_tick(sim);
	if (member->within && !sim->forming && member->generation != sim->generation)
		take_share(reader);
}

static int64_t next_business_ns(const struct broker_reader *reader)
{
	const struct journal_sim *sim = reader->sim;
	int64_t next_ns = broker_next_ns(sim), now_ns = broker_now_ns(sim);

	for (const struct broker_member *member = sim->members; member; member = member->next) {
		int64_t over_ns = member->seen_ns + BROKER_SESSION_MS * INT64_C(1000000) + 1;

		if (member == reader->member && member->hears_ns > now_ns && member->hears_ns < next_ns)
			next_ns = member->hears_ns;
		if (member != reader->member && member->within && over_ns < next_ns)
			next_ns = over_ns;
	}
	return next_ns;
}

/* The group throws it out, and it does not know. */
static void expel_by_chance(struct broker_reader *reader)
{
	struct journal_sim *sim = reader->sim;

	if (broker_chance(sim, sim->faults.expelled))
		broker_group_leave(sim, reader->member);
}

/* --- Positions --- */

static int identity(struct journal_reader *base, const char **cluster, const char **topic, uint32_t *partitions)
{
	*partitions = reader_of(base)->partitions;
	*cluster = broker_cluster;
	*topic = broker_topic;
	return 0;
}

static int share(struct journal_reader *base, bool shares)
{
	struct broker_reader *reader = reader_of(base);
	struct journal_sim *sim = reader->sim;

	broker_yield();
	broker_take(sim);
	if (reader->shares && !shares) {
		broker_group_leave(sim, reader->member);
		reader->member->hears_ns = broker_now_ns(sim); /* by itself */
	}
	reader->shares = shares;
	broker_release(sim);
	broker_yield();
	return 0;
}

static size_t given(struct journal_reader *base)
{
	size_t count = 0;

	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
		count += reader_of(base)->positions[i].ours;
	return count;
}

static size_t unpositioned(struct journal_reader *base, uint32_t *partitions, size_t max)
{
	const struct broker_reader *reader = reader_of(base);
	size_t count = 0;

	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX && count < max; i++)
		if (reader->positions[i].ours && !reader->positions[i].positioned)
			partitions[count++] = i;
	return count;
}

/* Is the log the one that `mark` was read from? */
static int check(struct broker_reader *reader, uint32_t number, int64_t next, uint64_t mark)
{
	struct journal_sim *sim = reader->sim;
	const struct broker_partition *partition = &sim->partitions[number];

	if (broker_chance(sim, sim->faults.silent) || sim->away || sim->mute)
		return -ETIMEDOUT;
	if (!sim->there || number >= sim->partition_count)
		return -ENOENT;
	if (!broker_is_led(sim, number))
		return -ENOTCONN;
	if (next < partition->low || next > partition->end)
		return -ENODATA;
	/* Where retention has reached what comes next, what was before it cannot be compared. */
	return next > partition->low && partition->records[next - 1].mark != mark ? -ESTALE : 0;
}

static int seek(struct journal_reader *base, uint32_t partition, int64_t next, uint64_t mark)
{
	struct broker_reader *reader = reader_of(base);
	struct position *position = &reader->positions[partition < BROKER_PARTITIONS_MAX ? partition : 0];
	int r;

	ASSERT(next >= 0);
	if (partition >= BROKER_PARTITIONS_MAX || !position->ours)
		return -ENOENT;
	broker_yield();
	broker_take(reader->sim);
	broker_arrive(reader->sim);
	r = check(reader, partition, next, mark);
	if (r == 0)
		*position = (struct position){.next = next, .ours = true, .positioned = true};
	broker_release(reader->sim);
	if (r == -ETIMEDOUT)
		broker_rest(SILENCE_MS * INT64_C(1000000));
	broker_yield();
	return r;
}

static void revoke(struct journal_reader *base, uint32_t partition)
{
	struct position *position = &reader_of(base)->positions[partition < BROKER_PARTITIONS_MAX ? partition : 0];

	if (partition < BROKER_PARTITIONS_MAX && position->positioned)
		*position = (struct position){.ours = position->ours};
}

/* --- Records --- */

static void forget_taken(struct broker_reader *reader)
{
	for (size_t i = 0; i < reader->taken_count; i++) {
		free((char *)reader->taken[i].key.data);
		free((char *)reader->taken[i].value.data);
	}
	free(reader->taken);
	reader->taken = NULL;
	reader->taken_count = 0;
}

static struct slice copy_of(struct slice bytes)
{
	char *copy = malloc(bytes.size + 1);

	ASSERT(copy);
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return (struct slice){copy, bytes.size};
}

/* In memory of its own, so that who uses it after the next read is found out. */
static int hand_out(struct broker_reader *reader, uint32_t partition, int64_t offset, struct journal_record *record)
{
	const struct broker_record *from = &reader->sim->partitions[partition].records[offset];
	struct taken *taken = &reader->taken[reader->taken_count++];
	struct broker_record copy = *from;

	*taken = (struct taken){partition, offset, copy_of(from->key), copy_of(from->value)};
	copy.key = taken->key;
	copy.value = taken->value;
	return broker_decode(&copy, partition, offset, record);
}

static bool find_gone(struct broker_reader *reader)
{
	const struct journal_sim *sim = reader->sim;
	bool any = false;

	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++) {
		struct position *position = &reader->positions[i];

		if (position->positioned && sim->there && !sim->away && !sim->mute && i < sim->partition_count)
			position->gone = position->gone || position->next < sim->partitions[i].low ||
					 position->next > sim->partitions[i].end;
		any = any || position->gone;
	}
	return any;
}

static bool can_fetch(const struct broker_reader *reader, uint32_t number)
{
	const struct position *position = &reader->positions[number];

	return position->positioned && !position->gone && number < reader->sim->partition_count &&
	       position->next < reader->sim->partitions[number].end && broker_is_led(reader->sim, number);
}

/* Some of what there is, from any partition first. */
static int fetch(struct broker_reader *reader, struct journal_record *records, size_t max, size_t *count)
{
	struct journal_sim *sim = reader->sim;
	uint32_t first = (uint32_t)(broker_draw(sim) % BROKER_PARTITIONS_MAX);
	size_t most = max > 1 ? 1 + broker_draw(sim) % max : max;
	int r = 0;

	if (sim->away || sim->mute || !sim->there)
		return 0;
	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++) {
		uint32_t number = (first + i) % BROKER_PARTITIONS_MAX;
		struct position *position = &reader->positions[number];

		while (r == 0 && *count < most && can_fetch(reader, number)) {
			r = hand_out(reader, number, position->next, &records[*count]);
			position->next += r == 0;
			*count += r == 0;
		}
	}
	return *count > 0 ? 0 : r;
}

static int read_locked(struct broker_reader *reader, struct journal_record *records, size_t max, int64_t deadline_ns, size_t *count)
{
	struct journal_sim *sim = reader->sim;
	bool silent = broker_chance(sim, sim->faults.silent), gone;
	int r = 0;

	expel_by_chance(reader);
	do {
		serve(reader);
		gone = find_gone(reader);
		if (max > 0 && !silent)
			r = fetch(reader, records, max, count);
	} while (r == 0 && *count == 0 && !gone && broker_wait(sim, next_business_ns(reader), deadline_ns));
	if (r < 0 || *count > 0)
		return r;
	if (gone)
		return -ENODATA;
	return silent || sim->away || sim->mute ? -ENOTCONN : 0;
}

static int read_records(struct journal_reader *base, struct journal_record *records, size_t max, int64_t timeout_ns, size_t *count)
{
	struct broker_reader *reader = reader_of(base);
	int r;

	*count = 0;
	broker_yield();
	forget_taken(reader);
	reader->taken = calloc(max ? max : 1, sizeof(*reader->taken));
	ASSERT(reader->taken);
	broker_take(reader->sim);
	r = read_locked(reader, records, max, clock_mono_ns() + timeout_ns, count);
	broker_release(reader->sim);
	broker_yield();
	return r;
}

static int64_t lag(struct journal_reader *base)
{
	struct broker_reader *reader = reader_of(base);
	int64_t sum = 0;

	broker_take(reader->sim);
	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX && sum >= 0; i++) {
		const struct position *position = &reader->positions[i];
		int64_t end = reader->sim->partitions[i].end;

		if (position->ours && !position->positioned)
			sum = -1;
		else if (position->ours)
			sum += end > position->next ? end - position->next : 0;
	}
	broker_release(reader->sim);
	return reader->joined ? sum : -1;
}

/* --- Dead letters --- */

/* The record as it came. */
static void keep_dead(struct journal_sim *sim, const struct taken *record, const char *reason)
{
	struct journal_sim_dead *dead;

	if (sim->dead_count == sim->dead_capacity) {
		sim->dead_capacity = sim->dead_capacity ? 2 * sim->dead_capacity : 16;
		sim->dead = realloc(sim->dead, sim->dead_capacity * sizeof(*sim->dead));
		ASSERT(sim->dead);
	}
	dead = &sim->dead[sim->dead_count++];
	*dead = (struct journal_sim_dead){.partition = record->partition, .offset = record->offset};
	snprintf(dead->reason, sizeof(dead->reason), "%s", reason);
	dead->key = broker_copy(sim, record->key);
	dead->value = broker_copy(sim, record->value);
}

static int copy_dead_letter(struct journal_reader *base, const struct journal_record *record, const char *reason)
{
	struct broker_reader *reader = reader_of(base);
	struct journal_sim *sim = reader->sim;
	const struct taken *taken = NULL;
	bool failed, there;

	for (size_t i = 0; i < reader->taken_count && !taken; i++)
		if (reader->taken[i].partition == record->partition && reader->taken[i].offset == record->offset)
			taken = &reader->taken[i];
	if (!taken)
		return error_origin(-EINVAL); /* not of the last read() */
	broker_yield();
	broker_take(sim);
	failed = broker_chance(sim, sim->faults.dead_letter) || sim->away || sim->mute;
	there = broker_draw(sim) % 2;
	if (!sim->away && (there || !failed))
		keep_dead(sim, taken, reason);
	broker_release(sim);
	if (failed)
		broker_rest(SILENCE_MS * INT64_C(1000000));
	broker_yield();
	return failed ? -ETIMEDOUT : 0;
}

/* --- Beginning and end --- */

static void reader_free(struct journal_reader *base)
{
	struct broker_reader *reader = reader_of(base);

	if (!base)
		return;
	broker_take(reader->sim);
	broker_group_leave(reader->sim, reader->member);
	reader->member->gone = true;
	broker_release(reader->sim);
	forget_taken(reader);
	free(reader);
}

void journal_sim_vanish_reader(struct journal_reader *base)
{
	struct broker_reader *reader = reader_of(base);

	broker_take(reader->sim);
	reader->member->gone = true; /* the group hears nothing of it from now on */
	broker_release(reader->sim);
	forget_taken(reader);
	free(reader);
}

static const struct journal_reader_ops broker_reader_ops = {
	.name = "simulated",
	.identity = identity,
	.share = share,
	.given = given,
	.unpositioned = unpositioned,
	.seek = seek,
	.revoke = revoke,
	.read = read_records,
	.lag = lag,
	.copy_dead_letter = copy_dead_letter,
	.free = reader_free,
};

struct journal_reader *journal_sim_open_reader(struct journal_sim *sim)
{
	struct broker_reader *reader = calloc(1, sizeof(*reader));

	ASSERT(reader);
	reader->base.ops = &broker_reader_ops;
	reader->sim = sim;
	reader->shares = true;
	broker_take(sim);
	reader->partitions = sim->partition_count;
	reader->member = broker_member_new(sim);
	broker_release(sim);
	return &reader->base;
}

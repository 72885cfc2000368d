#include "contract/log_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "simulation/journal/journal_sim.h"

#define MS INT64_C(1000000)

static const struct journal_sim_faults well = {.latency_ns = 2 * MS, .heartbeat_ns = 100 * MS};

static void *topic_new(enum log_place_want want)
{
	static uint64_t seed;
	struct journal_sim *sim = journal_sim_new(NULL, ++seed, LOG_PARTITIONS);

	(void)want;
	journal_sim_set_faults(sim, &well);
	return sim;
}

static void topic_free(void *topic)
{
	journal_sim_free(topic);
}

static struct journal *open_journal(void *topic, int64_t ack_deadline_ms)
{
	return journal_sim_open(topic, ack_deadline_ms * MS);
}

static struct journal_reader *open_reader(void *topic)
{
	return journal_sim_open_reader(topic);
}

static void set_state(void *topic, enum log_place_state state)
{
	struct journal_sim_faults faults = well;

	if (state == LOG_HELD) {
		faults.late = faults.silent = 1000;
		faults.late_ns = MS;
	} else if (state == LOG_CUT || state == LOG_DOWN) {
		faults.unsent = faults.silent = 1000;
	}
	journal_sim_set_faults(topic, &faults);
	journal_sim_set_mute(topic, state == LOG_MUTE);
	journal_sim_set_away(topic, state == LOG_DOWN);
}

static void make_topic(void *topic)
{
	journal_sim_make(topic, LOG_PARTITIONS);
}

static void write_topic(void *topic, uint32_t partition, const char *key, const char *value)
{
	journal_sim_write(topic, partition, slice_of(key), slice_of(value));
}

static void copy(char *to, size_t size, struct slice from)
{
	assert_true(from.size < size);
	memcpy(to, from.data, from.size);
	to[from.size] = '\0';
}

static size_t read_topic(void *topic, struct log_place_record *records, size_t max)
{
	size_t count = 0;

	for (uint32_t i = 0; i < journal_sim_partition_count(topic); i++) {
		struct journal_record record;

		for (int64_t at = journal_sim_start(topic, i); count < max && journal_sim_look(topic, i, at, &record); at++) {
			records[count] = (struct log_place_record){.partition = (int32_t)i, .offset = at};
			copy(records[count].key, sizeof(records[count].key), record.key);
			copy(records[count].value, sizeof(records[count].value), record.value);
			count++;
		}
	}
	return count;
}

static bool is_dead(void *topic, size_t index, uint32_t partition, int64_t offset, const struct log_place_record *record,
		    const char *reason)
{
	struct journal_sim_dead dead;

	return journal_sim_dead_letter(topic, index, &dead) && dead.partition == partition && dead.offset == offset &&
	       slice_equal(dead.key, slice_of(record->key)) && slice_equal(dead.value, slice_of(record->value)) &&
	       strcmp(dead.reason, reason) == 0;
}

static void remove_topic(void *topic)
{
	journal_sim_delete(topic);
}

static void grow_topic(void *topic, uint32_t partitions)
{
	journal_sim_grow(topic, partitions);
}

static void cut_topic(void *topic, uint32_t partition, int64_t offset)
{
	journal_sim_retain(topic, partition, offset);
}

const struct log_place_kind log_place_sim = {
	.name = "log: simulated",
	.topic_new = topic_new,
	.topic_free = topic_free,
	.open = open_journal,
	.open_reader = open_reader,
	.cluster = journal_sim_cluster,
	.topic = journal_sim_topic,
	.partitions = journal_sim_partitions,
	.fix = journal_sim_fix,
	.set_state = set_state,
	.remove = remove_topic,
	.make = make_topic,
	.grow = grow_topic,
	.cut = cut_topic,
	.write = write_topic,
	.read = read_topic,
	.is_dead = is_dead,
};

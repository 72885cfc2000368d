/*
 * A log with both its ends and a hand upon it, for the suites of journals that are a log and of
 * their readers: a real Kafka (log_place_kafka), or the simulated one (log_place_sim). Asserts by
 * itself.
 */
#pragma once

#include "port/journal.h"
#include "port/journal_reader.h"

enum { LOG_PARTITIONS = 3 };

struct log_place_record {
	int32_t partition;
	int64_t offset;
	char key[32], value[1024];
};

enum log_place_state {
	LOG_WELL,
	LOG_MUTE, /* what is sent arrives, and no answer comes back */
	LOG_HELD, /* what is sent arrives when it is well again, and no answer comes meanwhile */
	LOG_CUT,  /* no connection, and the ends know it; nothing is sent */
	LOG_DOWN, /* the broker was killed */
};

enum log_place_want {
	LOG_PLAIN,
	LOG_STATES,        /* its journals are told of states other than LOG_DOWN too */
	LOG_SHORT_SESSION, /* the group soon misses its readers */
};

struct log_place_kind {
	const char *name;
	/* A topic of LOG_PARTITIONS partitions that nobody has used. */
	void *(*topic_new)(enum log_place_want want);
	void (*topic_free)(void *topic); /* its ends have been freed */
	struct journal *(*open)(void *topic, int64_t ack_deadline_ms);
	struct journal_reader *(*open_reader)(void *topic);
	/* Which log a journal is of, and over how many partitions it spreads its events. */
	const char *(*cluster)(const struct journal *journal);
	const char *(*topic)(const struct journal *journal);
	uint32_t (*partitions)(const struct journal *journal);
	int (*fix)(struct journal *journal, uint32_t partitions);
	void (*set_state)(void *topic, enum log_place_state state);
	void (*remove)(void *topic);
	void (*make)(void *topic); /* anew, with as many partitions */
	void (*grow)(void *topic, uint32_t partitions);
	void (*cut)(void *topic, uint32_t partition, int64_t offset); /* what lies before it is gone, as retention would have it */
	void (*write)(void *topic, uint32_t partition, const char *key, const char *value);
	/* Up to `max` records from the beginnings. */
	size_t (*read)(void *topic, struct log_place_record *records, size_t max);
	/*
	 * The dead letters: whether the one at `index` is of that place, with that key and value,
	 * and the reason.
	 */
	bool (*is_dead)(void *topic, size_t index, uint32_t partition, int64_t offset, const struct log_place_record *record,
			const char *reason);
};

extern const struct log_place_kind log_place_kafka, log_place_sim;

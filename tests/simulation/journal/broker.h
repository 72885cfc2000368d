/*
 * What the parts of the simulated Kafka share: log.c has the records and what is on its way to
 * them, producer.c and tail.c the journal, group.c who reads what, reader.c the readers. Private to
 * it.
 *
 * The lock is never held over a yield: nothing under it logs, allocates an id, or takes another.
 */
#pragma once

#include "base/lock.h"
#include "base/uuid.h"
#include "simulation/journal/journal_sim.h"

enum {
	BROKER_PARTITIONS_MAX = JOURNAL_SIM_PARTITIONS_MAX,
	BROKER_SESSION_MS = 10000, /* as journal/kafka/group.c has it */
	BROKER_PARTS_MAX = 2,      /* of what one append has for a partition */
};

struct broker_record {
	struct slice key, value; /* in memory that lives as long as the log */
	uint64_t mark;
};

struct broker_partition {
	struct broker_record *records; /* from offset 0 on, whatever retention took */
	size_t capacity;
	int64_t low, end;
	uint32_t leader;             /* a number that each election raises */
	int64_t leaderless_until_ns; /* the brokers' clock */
};

/* Some records of one partition that are on their way to it, all or none of them. */
struct broker_request {
	struct broker_request *next;
	uint64_t number;   /* in the order in which they were sent */
	const void *owner; /* whose append waits for it; NULL: nobody does any more */
	uint32_t partition;
	uint32_t log;    /* which one it was sent to: journal_sim.log */
	uint64_t behind; /* the number of the one that must have arrived before; 0: none */
	struct broker_record *records;
	size_t count;
	bool left; /* the node, whole */
	bool arrives, arrived;
	int64_t arrives_ns; /* the brokers' clock */
	bool answers, answered;
	int64_t answers_ns;
	enum journal_end end; /* what is answered */
	const char *reason;
	int64_t offset; /* of its first record */
};

/* A reader as the group knows it; it outlives the reader by its session. */
struct broker_member {
	struct broker_member *next;
	bool gone;           /* the reader is */
	bool within;         /* the group has it */
	bool rejoined;       /* while the group forms: it has given back what it had */
	uint64_t generation; /* that it has its share of; 0: none */
	int64_t hears_ns;    /* when it hears of what has become of the group */
	int64_t seen_ns;
	bool share[BROKER_PARTITIONS_MAX];
};

/* Memory of the log's, until its end. */
struct broker_piece {
	struct broker_piece *next;
	max_align_t bytes[];
};

struct journal_sim {
	struct lock lock;
	struct lock_condition changed;
	struct node *node;
	uint64_t random;
	struct journal_sim_faults faults;
	struct broker_piece *pieces;
	uint32_t log; /* which one it is: counts the topics of this name */
	bool there, away, mute;
	uint32_t partition_count;
	struct broker_partition partitions[BROKER_PARTITIONS_MAX];
	struct broker_request *requests;
	uint64_t request_count; /* ever */
	struct broker_member *members;
	uint64_t generation;
	bool forming;
	struct journal_sim_dead *dead;
	size_t dead_count, dead_capacity;
};

extern const char broker_cluster[], broker_topic[];

/* All but the first four: under the lock. */
void broker_yield(void);
void broker_take(struct journal_sim *sim);
void broker_release(struct journal_sim *sim);
/* Waits so long by the clock of the node. Without the lock. */
void broker_rest(int64_t time_ns);

int64_t broker_now_ns(const struct journal_sim *sim); /* the brokers' */
/*
 * Lets the lock go until something has changed, `until_ns` of the brokers' clock has come, or the
 * node's clock has reached the deadline. False: it has.
 */
bool broker_wait(struct journal_sim *sim, int64_t until_ns, int64_t deadline_ns);
void broker_changed(struct journal_sim *sim);
uint64_t broker_draw(struct journal_sim *sim);                    /* any number */
int64_t broker_draw_ns(struct journal_sim *sim, int64_t most_ns); /* 0 to most_ns */
bool broker_chance(struct journal_sim *sim, uint32_t of_thousand);
void *broker_piece(struct journal_sim *sim, size_t size);
struct slice broker_copy(struct journal_sim *sim, struct slice bytes);

/* --- The log --- */

/* What has come to its time until now. */
void broker_arrive(struct journal_sim *sim);
/* When the next does; INT64_MAX: nothing. */
int64_t broker_next_ns(const struct journal_sim *sim);
bool broker_is_led(const struct journal_sim *sim, uint32_t partition);
int64_t broker_append(struct journal_sim *sim, uint32_t partition, const struct broker_record *records, size_t count);
struct broker_request *broker_send(struct journal_sim *sim, const void *owner, uint32_t partition, struct broker_record *records,
				   size_t count);
/* Nobody waits for it: forgotten as soon as it can arrive no more. */
void broker_leave(struct journal_sim *sim, struct broker_request *request);
/* The owner was killed: what left it arrives or does not. */
void broker_abandon(struct journal_sim *sim, const void *owner);
void broker_elect(struct journal_sim *sim, uint32_t partition, int64_t leaderless_ns);
/* As a reader tells it. 0 or -ENOMEM. */
int broker_decode(const struct broker_record *from, uint32_t partition, int64_t offset, struct journal_record *record);

/* --- The group --- */

struct broker_member *broker_member_new(struct journal_sim *sim);
void broker_group_form(struct journal_sim *sim);
void broker_group_join(struct journal_sim *sim, struct broker_member *member);
void broker_group_leave(struct journal_sim *sim, struct broker_member *member);
/* Who was silent for too long is out; whoever has all it waits for is given its share. */
void broker_group_tick(struct journal_sim *sim);

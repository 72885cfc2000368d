/*
 * Kafka in the process: one topic, of which gates have journals (port/journal.h) and drains have
 * readers (port/journal_reader.h), as src/journal/kafka gives them. Records are the shipped ones:
 * the same key, value, fingerprint and partition. The contract suites run over it
 * (tests/contract/test_journal_sim.c), and over a real broker.
 *
 * What the log does is what Kafka may do to that adapter. An append that was told UNKNOWN may be in
 * the log, may appear in it at any time later, behind whatever came meanwhile, or never: no margin
 * bounds that. One that was told REFUSED never appears. What was told DURABLE is there, before the
 * call returns, and stays until retention or whoever makes the topic anew takes it. Entries of one
 * partition and one append appear in their order, and none without those before it.
 *
 * Every call yields before and after (base/node.h), and waits by the clock of its node; nothing
 * yields while the log is being changed. So a node may be dropped at any yield: nothing stays
 * locked, and an append of it that is under way appears or does not. All that is random is drawn
 * from the seed.
 *
 * Not here: the library's own threads and buffers, TLS and users, transactions, compaction.
 */
#pragma once

#include "base/node.h"
#include "port/journal.h"
#include "port/journal_reader.h"

enum { JOURNAL_SIM_PARTITIONS_MAX = 64 };

struct journal_sim;

/*
 * An empty topic, nothing goes wrong with it. The brokers' clock is that of `node`; NULL: of
 * whoever asks.
 */
struct journal_sim *journal_sim_new(struct node *node, uint64_t seed, uint32_t partitions);
void journal_sim_free(struct journal_sim *sim); /* nobody has an end of it any more */

/*
 * An end of the log, of one node: its threads' calls go by their own clock. ops->free() gives it
 * back, from a thread of the node or from none.
 */
struct journal *journal_sim_open(struct journal_sim *sim, int64_t ack_deadline_ns);
struct journal_reader *journal_sim_open_reader(struct journal_sim *sim);
/*
 * In place of ops->free(), once the node's threads are no more: its process was killed. What it has
 * on its way arrives or does not; the group misses a reader when its session is over.
 */
void journal_sim_vanish(struct journal *journal);
void journal_sim_vanish_reader(struct journal_reader *reader);

/* As journal/kafka/kafka.h has them. */
const char *journal_sim_cluster(const struct journal *journal);
const char *journal_sim_topic(const struct journal *journal);
uint32_t journal_sim_partitions(const struct journal *journal);
int journal_sim_fix(struct journal *journal, uint32_t partitions) MUST_CHECK;

/* --- What goes wrong by chance --- */

/* Chances are in a thousand. All zero: nothing goes wrong, and nothing takes time. */
struct journal_sim_faults {
	/* Of what one append has for one partition; the first that is drawn counts. */
	uint32_t refused;  /* a broker refuses it before it appends: too few replicas in step */
	uint32_t unsent;   /* it does not leave the node: refused at the deadline */
	uint32_t lost;     /* it left and never arrives: unknown */
	uint32_t ack_lost; /* it is there, and nobody says so: unknown */
	uint32_t late;     /* unknown; it appears up to late_ns after the deadline */
	uint32_t slow;     /* durable, but takes up to slow_ns, or past the deadline: unknown */
	/* Of the same, beside that. */
	uint32_t cut;       /* it arrives in two parts, which may end differently */
	uint32_t duplicate; /* it appears again up to late_ns later, as if another node had driven it */
	uint32_t leader;    /* the partition's leader changes meanwhile */
	/* Of each other call to either end: it fails now (-ENOTCONN, -ETIMEDOUT). */
	uint32_t silent;
	/* Of a copy to the dead letters: it fails, and may be there. */
	uint32_t dead_letter;
	/*
	 * Of each read() of a reader: the group throws it out, as after a pause; it goes on until
	 * it hears of that.
	 */
	uint32_t expelled;
	/* How long each way takes: up to so long. */
	int64_t latency_ns, slow_ns, late_ns;
	int64_t longer_ns;    /* each append takes so much longer than that */
	int64_t heartbeat_ns; /* until a reader hears that the group forms anew */
};
void journal_sim_set_faults(struct journal_sim *sim, const struct journal_sim_faults *faults); /* NULL: none */

/* --- What goes wrong on command --- */

/* No broker answers anybody. What is on its way waits, or is lost. */
void journal_sim_set_away(struct journal_sim *sim, bool away);
/* No broker answers this end of the log, from now on. */
void journal_sim_cut_off(struct journal *journal);
/* Brokers take what is sent, and their answers do not arrive. */
void journal_sim_set_mute(struct journal_sim *sim, bool mute);
/* Another leader, after so long without one. */
void journal_sim_elect(struct journal_sim *sim, uint32_t partition, int64_t leaderless_ns);
/* Retention takes what lies before `offset`. */
void journal_sim_retain(struct journal_sim *sim, uint32_t partition, int64_t offset);
/* To so many. */
void journal_sim_grow(struct journal_sim *sim, uint32_t partitions);
/* The topic is gone, with all it had; then another one has its name. */
void journal_sim_delete(struct journal_sim *sim);
void journal_sim_make(struct journal_sim *sim, uint32_t partitions);
/* The group forms anew. */
void journal_sim_rebalance(struct journal_sim *sim);
/* What has come to its time is in the log: else it is when somebody reads or writes there. */
void journal_sim_arrive(struct journal_sim *sim);
/* What is still on its way has arrived, or never will: nothing appears later by itself. */
void journal_sim_settle(struct journal_sim *sim);

/* --- What there is, for tests and judges; from any thread or from none, and nothing yields --- */

uint32_t journal_sim_partition_count(struct journal_sim *sim);
int64_t journal_sim_start(struct journal_sim *sim, uint32_t partition); /* the first that retention has left */
int64_t journal_sim_end(struct journal_sim *sim, uint32_t partition);
/*
 * As read() would tell it. It points into the log, where it stays until journal_sim_free(). False:
 * it is not there.
 */
bool journal_sim_look(struct journal_sim *sim, uint32_t partition, int64_t offset, struct journal_record *record);
/* A record by another hand. */
void journal_sim_write(struct journal_sim *sim, uint32_t partition, struct slice key, struct slice value);
/* Records that have not arrived yet. */
size_t journal_sim_in_flight(struct journal_sim *sim);
/* Those of them that begin an epoch. */
size_t journal_sim_barriers_in_flight(struct journal_sim *sim);
/*
 * The dead letters, in their order: where the record came from, and why. False: there are not so
 * many.
 */
struct journal_sim_dead {
	uint32_t partition;
	int64_t offset;
	char reason[128];
	struct slice key, value; /* until journal_sim_free() */
};
bool journal_sim_dead_letter(struct journal_sim *sim, size_t index, struct journal_sim_dead *dead);

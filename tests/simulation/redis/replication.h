/*
 * What a master sends to its replicas: what each command has done, in order, as Redis does it (a
 * function's commands, not its name). An offset counts such records. A replica has them a while
 * later (its lag), its master knows that after as long again, and where the two are cut off from
 * each other neither hears anything.
 *
 * A replica that comes with another history than its master's, or with more of it than the master
 * has, or whose next record is not kept any more, takes all of the master's keys and libraries
 * anew; else it goes on where it was, and its libraries keep their variables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_sim;
struct sim_call;
struct sim_logged;
struct sim_record;

enum { SIM_SERVERS_MAX = 4 };

/* What a master knows of a replica. */
struct sim_seen {
	bool there;
	uint64_t acked;   /* what it is known to have */
	int64_t heard_ms; /* when it was heard of last, by the master's wall clock */
};

struct sim_replication {
	struct redis_sim *master; /* NULL: it follows nobody */
	bool synced;              /* with that master, once at least */
	bool apart;               /* from all other servers */
	int64_t lag_ns;
	uint64_t offset;                       /* what it has */
	struct sim_seen seen[SIM_SERVERS_MAX]; /* of each server that follows it, or did so when it was heard of last */
	struct sim_record *open;               /* of the command under way */
	struct sim_logged *log;                /* the newest ones; NULL: there was none */
	uint64_t first;                        /* of those that are kept */
	char former_replid[41];                /* before a promotion, */
	uint64_t former_offset;                /* which was here */
};

/* A command that is done: it is part of the record under way. */
void sim_record_command(const struct sim_call *call);
/* The record under way is whole. */
void sim_record_end(struct redis_sim *sim);
/* What replicas have and masters know by now, in the whole group. */
void sim_replicate(struct redis_sim *sim);
/* Replicas that are connected; that have said so lately; that have all up to an offset. */
size_t sim_replicas(struct redis_sim *sim);
bool sim_has_good_replicas(struct redis_sim *sim);
int64_t sim_replicas_at(struct redis_sim *sim, uint64_t offset);
/* When another one may have it; INT64_MAX: nobody can say. */
int64_t sim_replicas_next(struct redis_sim *sim, uint64_t offset);
void sim_replication_promote(struct redis_sim *sim);
void sim_replication_follow(struct redis_sim *sim, struct redis_sim *master);
/* It has another history from here on: after a restart. */
void sim_replication_reset(struct redis_sim *sim);
void sim_replication_deinit(struct redis_sim *sim);

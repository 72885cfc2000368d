/* What the parts of a world share. */
#pragma once

#include "base/node.h"
#include "base/pause.h"
#include "base/uuid.h"
#include "engine/drain_engine.h"
#include "engine/engine.h"
#include "http/wire.h"
#include "simulation/draw.h"
#include "simulation/judge/judge.h"
#include "simulation/journal/journal_sim.h"
#include "simulation/ledger/ledger_disk.h"
#include "simulation/ledger/ledger_sim.h"
#include "simulation/redis/redis_group.h"
#include "simulation/redis/redis_sim.h"
#include "simulation/scheduler/scheduler.h"
#include "simulation/world/plan.h"
#include "simulation/world/world.h"

#define WORLD_TOKEN "a-token-of-the-world-that-is-long-enough"
enum { WORLD_BODY_MAX = 16384, WORLD_REST_MS = 60000 };
#define WORLD_MS INT64_C(1000000)

/* A gate or a drain: a process that is started, dies, and is started again. */
struct world_process {
	struct world *world;
	bool drain;
	unsigned number;              /* from 0, of its kind */
	unsigned incarnation;         /* rises when it dies: what was connected to it is not any more */
	struct node *node;            /* NULL: it is down */
	const struct node *paused;    /* of a fault that lasts; NULL: it is not */
	struct pause stop;            /* ended: it was told to stop */
	bool ended;                   /* it has */
	struct scheduler_clock clock; /* of its machine, for the next incarnation */
	struct http_wire *buyers, *operators;
	struct engine *engine; /* these of a gate */
	struct stock *stock;
	struct journal *journal;
	struct ledger *ledger;
	struct drain_engine *drain_engine; /* these, and the ledger, of a drain */
	struct journal_reader *reader;
	char die_at[32];   /* a failpoint, where it is killed; empty: none */
	bool dead;         /* it was killed there: what it had open is still to be dropped */
	bool going;        /* that is under way */
	bool cut_off;      /* of a gate: it does not reach the log any more */
	bool ledger_later; /* of a gate: it has begun without the ledger */
};

/* What a purchase of the plan has got. */
struct world_order {
	bool known;
	char id[UUID_TEXT_SIZE];
};

struct world {
	const struct plan *plan;
	struct scheduler *scheduler;
	struct node *node; /* clients, faults: its clock is true */
	struct settings *settings, *drain_settings;
	struct memory_disk *disk;  /* embedded */
	struct redis_sim *redis;   /* cluster, these three; of several the master, as far as Sentinels know */
	struct redis_group *group; /* NULL: it has no replicas */
	size_t master;             /* its number in there */
	unsigned redis_faults;     /* that last, beside: */
	bool promoting;            /* a replica becomes the master, or the old one is not back yet */
	struct node *redis_nodes[PLAN_SERVERS];
	bool redis_down;         /* nobody reaches it; what was on its way is done */
	bool redis_restarts;     /* besides: it does not run */
	struct node *redis_node; /* its machine */
	unsigned drifting;       /* gates whose clocks do */
	unsigned running_faults; /* which have begun, and are not over */
	unsigned begun_faults;   /* all that have */
	int64_t stepped_ms;      /* so far Redis' clock was set just now, when nothing else was wrong; else 0 */
	struct journal_sim *log;
	struct ledger_sim *server;
	uint32_t writing, written; /* restore.c: who writes what the log does not have, and how often that was done since the backup */
	uint32_t drafts;           /* restore.c: how many there were then */
	int64_t kept_from[JOURNAL_SIM_PARTITIONS_MAX]; /* while `restoring`: retention takes nothing behind that */
	bool restoring, closed_gates, closed_drains;   /* closed: nobody starts them */
	bool other_topic;                              /* gates may have sent into it: its number of partitions stays */
	struct world_process gates[PLAN_GATES_MAX], drains[PLAN_DRAINS_MAX];
	struct judge *judge;
	int64_t begun_ns; /* when the plan's time began */
	struct world_order orders[PLAN_OPS_MAX];
	bool over;               /* the last fault is */
	bool done[PLAN_OPS_MAX]; /* they have their answer, or are given up */
	struct lock lock;        /* of `busy_…`, for who waits for them to be none */
	struct lock_condition rested;
	uint32_t busy_clients, busy_faults, asking; /* who have something to do; who wait for an answer */
	struct world_result *result;
};

/* --- world.c --- */

/* The first counts. */
void world_breach(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Milliseconds since the plan's time began. */
int64_t world_now_ms(const struct world *world);
void world_sleep_until(const struct world *world, int64_t at_ms);
void world_rest_one(struct world *world, uint32_t *busy);                           /* one of them is busy no more */
void world_await_rest(struct world *world, const uint32_t *busy, int64_t until_ns); /* by this thread's clock */

/* While nobody waits for an answer, the world's processes need not be punctual. */
void world_ask_begins(struct world *world);
void world_ask_ends(struct world *world);

/* --- process.c --- */

void process_start(struct world_process *process);
void process_kill(struct world_process *process);
/*
 * By a thread of its own: process_kill() is to follow. Does not return but where a shield is held.
 */
void process_die(struct world_process *process);
/* As by SIGTERM; waits until it has ended, or kills it. */
void process_stop(struct world_process *process);
void process_meet_settings(struct world *world);

/* --- network.c --- */

struct redis_transport;
const struct redis_transport *network_transport(struct world *world);

/* --- watches.c: the judge's eyes --- */

void watches_open(struct world *world);
void watches_step(struct world *world); /* something may have become durable, or time has gone on */
void watches_lose_gate(struct world *world, unsigned gate);
void watches_lose_stock(struct world *world);
void watches_last_look(struct world *world);                             /* at the stock, before nobody reaches it */
void watches_promote(struct world *world, size_t server);                /* the stock is sold from there, too */
void watches_demote(struct world *world, size_t server);                 /* no more */
void watches_lose_ledger(struct world *world);                           /* its server is another, with a backup */
void watches_lose_log(struct world *world);                              /* its topic is another */
bool watches_is_drained(struct world *world);                            /* the ledger has all of the log */
void watches_lose_disk(struct world *world);                             /* what was not synced may be gone */
void watches_clock(const struct world_process *process);                 /* its wall clock was moved */
void watches_calm(struct world *world, bool calm);                       /* nothing goes wrong, or something does */
void watches_stock_clock(struct world *world, int64_t by_ms);            /* its clock was set; its time may have jumped so far */
void watches_stood(const struct world_process *process, int64_t for_ns); /* it stood still, and its clock with it */
int64_t watches_applied(struct world *world, uint32_t partition);        /* where the ledger stands there; -1: nobody can say */
void watches_await_quiet(struct world *world); /* the ledger has all of the log, and nothing is under way */
void watches_rest(struct world *world);        /* how things stand at the end */

/* --- client.c --- */

struct world_request {
	bool staff, patient;                              /* patient: its world need not be punctual meanwhile */
	const char *method, *target, *key, *buyer, *body; /* key, body: NULL for none */
};
struct world_answer {
	int status; /* 0: none came */
	char code[48];
	bool replayed;
	int64_t retry_after_ms; /* -1: not said */
	char body[WORLD_BODY_MAX];
};
/* One attempt at one gate, for so long at most. */
void client_ask(struct world *world, struct world_process *gate, const struct world_request *request, int64_t patience_ns,
		struct world_answer *answer);
/* By a thread of the world's node: all that the plan has for that client. */
void client_run(struct world *world, uint32_t client);
/* Items and sales, made and opened, before the plan's time begins. */
void client_set_up(struct world *world);

/* --- faults.c --- */

/* How the services are where nothing goes wrong. */
extern const struct journal_sim_faults world_usual_log;
extern const struct ledger_sim_chances world_usual_ledger;

/* Returns when all are over, and everything is reachable again. */
void faults_run(struct world *world);
/* faults_log.c: of the log. */
void faults_log(struct world *world, const struct plan_fault *fault);
void faults_empty_redis(struct world *world);
/* faults_redis.c */
void faults_promote(struct world *world, const struct plan_fault *fault);
void faults_step_redis_clock(struct world *world, const struct plan_fault *fault);
void faults_disturb_redis_clock(struct world *world); /* another fault begins */
/* As scheduler_settings has them. */
void faults_at_step(struct world *world);
int faults_at_point(struct world *world, const char *name);

/* --- follower.c: who reads the feed of what happened --- */

void follower_run(struct world *world, const struct plan_op *op);
/* When all has come to rest: to its end. */
void follower_end(struct world *world);

/* --- restore.c --- */

/* Whether such an operation writes to the ledger what the log does not have. */
bool restore_hangs_on(enum plan_kind kind);
void restore_ledger(struct world *world, const struct plan_fault *fault);
/* The log's topic is made anew, and ledger and stock are told so as docs/operations.md has it. */
void restore_topic(struct world *world, const struct plan_fault *fault);

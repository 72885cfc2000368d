/*
 * What a run does, all of it, before it does any of it: a list of operations and faults with their
 * times, made from the run's seed. So a run can be done again without some of them (`--without`),
 * which is how a failure is made small.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PLAN_GATES_MAX = 3,
	PLAN_DRAINS_MAX = 2,
	PLAN_SALES_MAX = 3,
	PLAN_LOTS_MAX = 4, /* the last is for scenes */
	PLAN_BUYERS_MAX = 40,
	PLAN_CLIENTS_MAX = 10,
	PLAN_OPS_MAX = 320,
	PLAN_FAULTS_MAX = 64,
	PLAN_SERVERS = 3, /* Redis' master and its replicas, where it has some */
	PLAN_PRICE = 100, /* of a unit */
	PLAN_NONE = UINT32_MAX,
};

enum plan_shape {
	PLAN_EMBEDDED, /* one gate: stock in memory, the ledger's own commit, SQLite */
	PLAN_CLUSTER,  /* gates and drains: stock in Redis, a log, a ledger in common */
};

enum plan_kind {
	PLAN_BUY,
	PLAN_CANCEL, /* by the buyer */
	PLAN_READ_ORDER,
	PLAN_LIST_ORDERS, /* the buyer's own */
	PLAN_READ_SALE,
	PLAN_FIND_PAYMENT, /* the orders that it has paid for */
	PLAN_CONFIRM,      /* by an operator, from here on */
	PLAN_REFUND,       /* a cancel; of a held order it is one too */
	PLAN_REDUCE,       /* a cancel of so many of its units */
	PLAN_EXTEND,
	PLAN_ADD,
	PLAN_WITHDRAW,
	PLAN_PAUSE,
	PLAN_RESUME,
	PLAN_CHANGE, /* of the sale's name */
	PLAN_DISARM, /* and armed and opened again, where that was done */
	PLAN_END,
	PLAN_OPEN, /* what was disarmed; the clerk's, from here on */
	PLAN_RECEIVE,
	PLAN_ADJUST,
	PLAN_AUDIT,
	PLAN_FOLLOW, /* reads the feed of what happened until all is over: each `units` seconds, for a while of its own */
	PLAN_KINDS,
};

/* Something that a client asks for, until it has a definite answer. */
struct plan_op {
	enum plan_kind kind;
	int64_t at_ms; /* since the beginning; later where its client is not done with what came before */
	uint32_t client;
	uint32_t sale, lot, buyer;
	uint32_t units; /* to buy, add, withdraw or give back; an extension's seconds */
	uint32_t to;    /* where units go that an order gives back: as history_place */
	uint32_t target; /* of what a PLAN_BUY got, its number; of a PLAN_BUY that asks again with another's key, that one's; else PLAN_NONE */
	bool keyed;     /* it has an Idempotency-Key */
	uint32_t again; /* it asks once more what that one has asked, with its key, when that is done: its number plus 1; 0: none */
	uint32_t payment, amount; /* payment: of a confirm, its number; 0: none. amount: what was paid; 0: it is not said */
	int64_t hang_up_ms;       /* the first attempt is left so long after it was sent; 0: it is waited for */
	bool without;
};

enum plan_fault_kind {
	FAULT_GATE_KILLED,
	FAULT_GATE_STOPPED, /* as by SIGTERM */
	FAULT_GATE_PAUSED,
	FAULT_GATE_CLOCK_STEP,  /* its wall clock jumps by `value` ms */
	FAULT_GATE_CLOCK_DRIFT, /* its clocks go by `value` parts in a thousand faster */
	FAULT_DRAIN_KILLED,
	FAULT_DRAIN_PAUSED,
	FAULT_DRAIN_CLOCK_STEP,
	FAULT_FAILPOINT, /* `value`: which */
	FAULT_POWER,     /* of the embedded shape: the machine loses it within the `value`-th write of its disk */
	FAULT_REDIS_CUT, /* a batch is cut behind its first `value` commands */
	FAULT_REDIS_DOWN,
	FAULT_REDIS_SLOW,
	FAULT_REDIS_RESTARTED, /* with all that it had */
	FAULT_REDIS_BEHIND,    /* restarted with what it had `value` ms before, at most: a log that lacks its end */
	FAULT_REDIS_EMPTY,
	FAULT_REDIS_FUNCTIONS_GONE,
	FAULT_REDIS_FULL,
	FAULT_REDIS_CORRUPT,
	FAULT_KAFKA, /* `value`: a draw that the model makes its own of */
	FAULT_LEDGER,
	FAULT_KAFKA_RETENTION,      /* takes what the ledger has, up to the `value`-th record before where it stands */
	FAULT_KAFKA_CHANCE,         /* one kind of fault of appends: `value` / 1000, of so many in a thousand */
	FAULT_LEDGER_CHANCE,        /* the same of the ledger's calls */
	FAULT_LEDGER_REFUSES,       /* whoever calls it */
	FAULT_GATE_WITHOUT_LOG,     /* it does not reach the log any more: for good */
	FAULT_REDIS_CLOCK_STEP,     /* its wall clock jumps by `value` ms, when nothing else is wrong */
	FAULT_LEDGER_RESTORED,      /* `node`: how; `value`: ms between the backup and then */
	FAULT_LEDGER_AWAY_AT_START, /* a gate and a drain begin meanwhile, `value` ms after they were killed; odd: it is silent */
	FAULT_KAFKA_ANEW, /* the topic, as operators do it; `value` ms: for so long gates and drains go on; -1: they were ended before */
	FAULT_KAFKA_SLOW, /* each append takes `value` ms longer */
	FAULT_REDIS_PROMOTED, /* a replica that is behind; the master ends, or goes on, cut off from the others and the gates of the mask `node`, for so long */
	FAULT_KINDS,
};

enum plan_restore {
	RESTORE_BY_THE_BOOK, /* nobody runs; the drain first */
	RESTORE_EARLY,       /* gates with it */
	RESTORE_UNDER_ALL,   /* who runs goes on */
	RESTORE_KINDS,
};

struct plan_fault {
	enum plan_fault_kind kind;
	int64_t at_ms, for_ms; /* for_ms: how long it lasts, where it lasts */
	uint32_t node;         /* which gate or drain */
	int64_t value;
	bool without;
};

struct plan_sale {
	uint32_t lots, units[PLAN_LOTS_MAX], spare; /* spare: units of each lot's item that are left on hand */
	uint32_t limit, rate_requests, rate_seconds, hold_seconds;
	bool late_confirm, draft;    /* draft: it is made, and opened by the plan's operations */
	int64_t opens_ms, closes_ms; /* by the clocks of the gates, that long after the plan's time begins; 0: by hand */
};

struct plan {
	uint64_t seed;
	enum plan_shape shape;
	uint32_t gates, drains, partitions, threads; /* threads: of each gate */
	uint32_t sale_count, buyer_count, client_count;
	struct plan_sale sales[PLAN_SALES_MAX];
	struct plan_op ops[PLAN_OPS_MAX];
	uint32_t op_count;
	struct plan_fault faults[PLAN_FAULTS_MAX]; /* by time */
	uint32_t fault_count;
	int64_t until_ms;  /* when the last fault is mended */
	bool replicas;     /* Redis has some, and Sentinels */
	bool ledger_stays; /* nothing goes wrong with the ledger, nor with the disk below it */
	bool corrupt;      /* what Redis says is not what it said: no promise stands on that, but nothing may crash */
};

void plan_make(struct plan *plan, uint64_t seed, enum plan_shape shape);
/* scenes.c: what it adds to a plan that has its operations and faults. */
void plan_add_scenes(struct plan *plan);
/* payments.c: what confirms tell of payments, and who reads the feed. */
void plan_add_payments(struct plan *plan);
void plan_add_follower(struct plan *plan);
/* reductions.c: operators who give back some of an order's units, and say where to. */
void plan_add_reductions(struct plan *plan);
void plan_add_giving_back(struct plan *plan);
/* What comes when the last fault is over: `until_ms` is known. */
void plan_add_aftermath(struct plan *plan);
void plan_add_old_epoch(struct plan *plan);
void plan_add_claimed_cancels(struct plan *plan);
void plan_add_stop_by_ledger(struct plan *plan);
void plan_add_late_payments(struct plan *plan);
/*
 * The payment of an order, by the purchase that brings that; `turn`: 0, or another one for the
 * same. Never 0.
 */
uint32_t plan_payment_of(uint32_t purchase, uint32_t turn);
/* holds.c: holds that end, or must not, while something else is out of time. */
void plan_add_holds(struct plan *plan);
/*
 * Leaves items out: numbers and ranges with commas between ("3,7-9"), operations first and faults
 * behind them, as they are printed. False: the text is none.
 */
bool plan_leave_out(struct plan *plan, const char *list);
/* A line of it, without its end. */
void plan_print_op(const struct plan *plan, uint32_t op, char *text, size_t size);
void plan_print_fault(const struct plan *plan, uint32_t fault, char *text, size_t size);

/*
 * What happened in a world, as far as anybody outside of the program can see it: what clients asked
 * and what they were answered, and what lies in the services that the program leaves its work in.
 * The world tells it while it runs, each thing at the moment that it happens; the judge
 * (judge/judge.h) holds the promises against it there and then.
 *
 * A caller: judge_new(), history_sale() for each sale, then history_time() whenever the true time
 * has moved and one call for each thing that happened, in their order. Nothing here yields, waits,
 * draws random numbers or allocates by more than the number of things; texts are copied. Times are
 * nanoseconds of the world's own clock, which no node has: nodes' clocks are told by
 * history_clock(). Wall times in answers and records are milliseconds, as the program writes them;
 * the world's wall clock is history_time() plus judge_terms.wall_ms.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/uuid.h"
#include "text/slice.h"

enum { HISTORY_LOTS = 4, HISTORY_SALES = 4, HISTORY_NODES = 16 };

struct judge;

/* The time from here on; it never falls. */
void history_time(struct judge *judge, int64_t now_ns);

/* --- Clients: buyers and operators --- */

enum history_kind {
	HISTORY_BUY = 1,
	HISTORY_CONFIRM,
	HISTORY_CANCEL, /* by the order's buyer (actor is empty) or by an operator: of a confirmed order a refund */
	HISTORY_EXTEND,
	HISTORY_REDUCE, /* a cancel of so many of its units: of all that it has it is one like HISTORY_CANCEL */
	HISTORY_ADD,
	HISTORY_WITHDRAW,
	HISTORY_ARM,
	HISTORY_OPEN,
	HISTORY_PAUSE,
	HISTORY_RESUME,
	HISTORY_END,
	HISTORY_DISARM,
	HISTORY_READ_ORDER,  /* GET /v1/orders/{order} */
	HISTORY_READ_ORDERS, /* a buyer's own in a sale; those of a payment */
	HISTORY_OTHER,       /* what the judge has no opinion of, but for its answer's coming */
};

/* Where units go that an order gives back. */
enum history_place { PLACE_SALE = 0, PLACE_WAREHOUSE, PLACE_GONE };

struct history_operation {
	enum history_kind kind;
	uint32_t sale;         /* its number in the ledger; of orders too */
	uint32_t lot;          /* buy, add, withdraw */
	uint32_t units;        /* buy: quantity; add, withdraw; reduce: how many it gives back */
	enum history_place to; /* cancel, reduce */
	bool up_to;            /* withdraw: what is there */
	struct uuid order;     /* of an order: its id */
	const char *buyer;     /* who buys, reads or cancels; NULL: an operator asks */
	const char *actor;     /* the operator's name; NULL: a buyer asks */
	const char *key;       /* Idempotency-Key; NULL: none */
	uint32_t node;         /* which gate it was sent to */
	const char *payment;   /* confirm: the payment's reference; NULL: none */
	int64_t amount;        /* confirm: what was paid; 0: not said */
};

/* One HTTP request is one operation; a retry is another one. Its number, from 0. */
uint32_t history_invoke(struct judge *judge, const struct history_operation *operation);

/* An order as an answer shows it. */
struct history_order {
	struct uuid id;
	char state[12]; /* "held", … */
	uint32_t lot, quantity;
	char buyer[64];
	int64_t placed_at_ms, hold_expires_at_ms; /* 0: null */
	char payment[32];                         /* its reference; empty: none is shown */
};

struct history_answer {
	int status;                         /* 202, … */
	const char *code;                   /* of a problem, "sold-out"; NULL or empty: none */
	bool replayed;                      /* Idempotent-Replayed: true */
	uint64_t body;                      /* any hash of its bytes, for what must be alike byte for byte; 0: not looked at */
	const struct history_order *orders; /* buy, confirm, cancel, extend, read: one; a list: several */
	uint32_t order_count;
	uint32_t units;    /* withdraw, 2xx: how many were */
	int64_t version;   /* of a sale as operators are shown it; 0: not said */
	const char *state; /* its state; NULL: not said */
	struct uuid payer; /* reference-used: the order that it has paid for; null: not said */
	const char *paid;  /* paid-already: the payment that the order has; NULL: not said */
};

/* The whole answer has come. */
void history_answer(struct judge *judge, uint32_t operation, const struct history_answer *answer);
/* None will come: the client hung up, the connection ended, its time was over, the gate died. */
void history_none(struct judge *judge, uint32_t operation);

/* --- Sales --- */

struct history_sale {
	uint32_t number, lot_count, limit_per_buyer, hold_seconds;
	uint32_t rate_requests, rate_seconds; /* how many purchases of a buyer in any so many seconds; 0: as many as it likes */
	const char *id;                       /* its name in requests, and in the operator log */
	uint32_t allocated[HISTORY_LOTS];
	int64_t price; /* of a unit */
};
/* It was made, or its terms were changed, which is possible before anybody has bought there. */
void history_sale(struct judge *judge, const struct history_sale *sale);

/* --- The log: Kafka's partitions, or the ledger where the journal is direct --- */

enum history_record_kind {
	RECORD_RESERVED = 1,
	RECORD_CONFIRMED,
	RECORD_CANCELLED, /* of a held order */
	RECORD_REFUNDED,  /* of a confirmed one */
	RECORD_EXPIRED,
	RECORD_EXTENDED,
	RECORD_WITHDRAWN,
	RECORD_PAID,    /* of an order that was confirmed without a payment */
	RECORD_REDUCED, /* some of its units, and not the last */
	RECORD_BARRIER,
};

struct history_record {
	enum history_record_kind kind;
	uint32_t sale, epoch; /* epoch: 0 where the log says none (a row of the ledger: it was checked by the commit) */
	uint32_t lot, quantity;
	struct uuid id;             /* the order's, the movement's */
	int64_t hold_expires_at_ms; /* reserved, extended; reserved: 0 where it is born confirmed */
	uint32_t left;              /* reduced: what the order has then; `quantity` is what it gives back */
	enum history_place to;      /* cancelled, refunded, reduced */
	const char *buyer, *key;    /* reserved; key NULL: none */
	const char *actor;          /* who did it: its buyer, an operator, "clock"; NULL: not said */
	const char *payment;        /* confirmed, paid: its reference; NULL: none */
	const char *reason;         /* of an order's: why; NULL: it was not said */
};
/*
 * It is in the log, durable, at the end of its sale's stream. Late and second copies too, as they
 * come.
 */
void history_record(struct judge *judge, const struct history_record *record);
/*
 * A log that the program lost the end of (a power cut; a ledger's file) is told again: all records
 * of it from the first on follow, then history_reread(judge, false).
 */
void history_reread(struct judge *judge, bool begins);
/* Units of a lot were added: in the ledger, committed. `allocated` is the lot's new sum. */
void history_allocated(struct judge *judge, uint32_t sale, uint32_t lot, uint32_t allocated);
/*
 * The ledger has it armed, or in a later state, committed. A stock may have it before, and is made
 * to forget it where that could not be written.
 */
void history_armed(struct judge *judge, uint32_t sale);

/* --- The stock --- */

struct history_stock_lot {
	int64_t available, held, confirmed, withdrawn, allocated;
};
/*
 * The counters of a sale in one stock (a Redis, the memory of one gate) changed: `server` tells the
 * stocks of a world apart. `armed`: purchases are granted from them under `epoch`.
 */
void history_stock(struct judge *judge, uint32_t server, uint32_t sale, uint32_t epoch, bool armed,
		   const struct history_stock_lot *lots, uint32_t lot_count);
/*
 * A stock has lost its memory, or part of it, or its gate has died: what it holds counts only when
 * it was armed again.
 */
void history_stock_lost(struct judge *judge, uint32_t server);
/*
 * It is no master any more, and nobody sells from it: as if it were lost, but for that nothing is.
 */
void history_stock_left(struct judge *judge, uint32_t server);

/* --- Faults --- */

/*
 * How far a node's wall clock (a gate's, a stock's) is ahead of the world's; negative: behind. When
 * it changes, and when its node begins.
 */
void history_clock(struct judge *judge, uint32_t node, int64_t ahead_ms);
/* A gate stood still for so long up to now, and its monotonic clock with it. */
void history_stood(struct judge *judge, uint32_t node, int64_t for_ns);
/* Nothing goes wrong from now on, or something does. A world begins calm. */
void history_calm(struct judge *judge, bool calm);
/*
 * The clock that a shared stock ends holds by was set: it may have gone so far from then on, at
 * once.
 */
void history_stock_clock(struct judge *judge, int64_t by_ms);
/* A drain has come so far in a partition, by the ledger; negative: there is no row. */
void history_position(struct judge *judge, uint32_t partition, int64_t next);
/*
 * The ledger is from now on what a backup of it was: its drains begin again where they were then.
 */
void history_ledger_restored(struct judge *judge);
/* The ledger is to take another log, of which it knows no place. */
void history_log_forgotten(struct judge *judge);
/*
 * No more faults begin; everything is reachable. Once. The judge holds the rest of the promises 60
 * s later.
 */
void history_faults_end(struct judge *judge);

/* --- The feed of what happened, as one reader reads it --- */

struct history_change {
	enum history_record_kind kind;
	struct uuid id;                    /* the order's, the movement's */
	int64_t hold_expires_at_ms;        /* extended */
	uint32_t left;                     /* reduced */
	const char *payment;               /* confirmed, paid: its reference; NULL: none */
	const char *state;                 /* what it has made of the order; NULL: not said */
	const struct history_order *order; /* as it is when that is told; NULL: not said */
};
/* The next one that the reader is told. */
void history_change(struct judge *judge, const struct history_change *change);
/* Its cursor is another ledger's: it reads from the beginning again. */
void history_feed_again(struct judge *judge);
/* It asks what is behind its place, when the ledger has all of the log. */
void history_feed_asked(struct judge *judge);
/* There is nothing behind it: what the log had when it asked, it must have been told. */
void history_feed_end(struct judge *judge);

/*
 * --- How things stand at the end, when faults have been over for 60 s and clients have got their
 * answers ---
 */

struct history_rest_lot {
	struct history_stock_lot stock;                                        /* where it is armed */
	int64_t allocated, held, confirmed, withdrawn;                         /* the ledger's row */
	int64_t moved_allocated, moved_held, moved_confirmed, moved_withdrawn; /* sums of its movements */
};
struct history_rest_order {
	struct uuid id;
	char state[12];
	uint32_t lot, quantity;
	char buyer[64], key[64]; /* key empty: none */
	char payment[32];        /* its reference; empty: none */
	char actor[64];          /* who has changed it last; empty: it is not looked at */
	char reason[64];         /* and why; empty: it was not said */
};
struct history_rest_log {
	char actor[64], action[32], subject[64]; /* a row of the operator log */
};
struct history_rest {
	uint32_t sale;
	char state[12]; /* the ledger's */
	bool armed;     /* a stock has it, so that the counters below count */
	struct history_rest_lot lots[HISTORY_LOTS];
	int64_t outbox; /* entries of the sale that wait, and settlements on their way */
	const struct history_rest_order *orders;
	uint32_t order_count;
	const struct history_rest_log *log; /* the whole operator log, of all sales */
	uint32_t log_count;
	uint32_t dead_letters; /* of all sales */
};
void history_rest(struct judge *judge, const struct history_rest *rest);

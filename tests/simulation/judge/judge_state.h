/* What the judge keeps of a world. Private to tests/simulation/judge. */
#pragma once

#include "simulation/judge/judge.h"

enum { TEXT_MAX = 96, BUYERS_MAX = 256, STOOD_MAX = 64, PARTITIONS_MAX = 64, STEPS_MAX = 64 };

/* A request, and what came of it. */
enum asked_end { ASKED_OPEN, ASKED_ANSWERED, ASKED_NOTHING };
struct asked {
	struct history_operation what; /* its texts are those below, or NULL */
	char buyer[TEXT_MAX], actor[TEXT_MAX], key[TEXT_MAX], payment[32];
	int64_t invoked_ns, ended_ns;
	enum asked_end end;
	int status;
	char code[32];
	bool replayed;
	struct uuid order; /* of a 202 */
	uint32_t units;
	uint64_t body;
};

/* What has become of an order, each thing that was not so before. */
enum order_life { LIFE_HELD = 1, LIFE_CONFIRMED, LIFE_CANCELLED, LIFE_EXPIRED };
struct order_step {
	enum history_record_kind kind;
	int64_t hold_expires_at_ms; /* extended */
	bool pays;                  /* confirmed, paid: with the order's payment */
	uint32_t units, left;       /* what it has given back; what the order has since, or had when it ended */
	enum history_place to;
	enum order_life life;   /* of the order since */
	bool unsold;            /* no stock had the sale any more */
	int64_t at_ns, told_ns; /* reduced: when the log had it; when somebody was told; INT64_MAX: nobody was */
};

/* An order as the log has it. */
struct known_order {
	struct uuid id;
	uint32_t sale, lot;
	uint32_t granted, quantity; /* quantity: what it has, or had when it ended */
	uint32_t withdrawn;         /* what it has given to no sale */
	uint32_t told_left;         /* the fewest units that anybody was told; 0: nobody was */
	char buyer[TEXT_MAX], key[TEXT_MAX];
	enum order_life life;
	bool is_void;                        /* its reservation lies behind a barrier */
	bool confirmed, cancelled, refunded; /* there is a record of it that counts */
	bool missing;                        /* not found again in a log that was read anew */
	int64_t granted_from_ns;             /* it was granted at the earliest then */
	int64_t logged_ns, freed_ns;         /* its first record; the one that freed its units, INT64_MAX */
	int64_t built_ns, lost_ns;           /* as its sale's, and all stocks', when it was logged: built, lost last; -1 */
	int64_t confirmed_ns;                /* when the log had that it is; 0: not yet, or born so */
	int64_t freed_told_ns;               /* when somebody was told that it is cancelled; INT64_MAX */
	int64_t hold_expires_at_ms;          /* the log's; 0: born confirmed */
	int64_t first_hold_expires_at_ms, told_hold_ms; /* as granted; the latest that anybody was told */
	bool told, told_confirmed, told_cancelled;
	uint32_t extensions; /* how often its hold was moved */
	uint64_t body;
	char freed_by[TEXT_MAX];
	char actor[TEXT_MAX], reason[TEXT_MAX]; /* of its newest record that counts */
	char paid[32];                          /* its payment's reference; empty: none */
	bool told_paid, paid_later;             /* later: by a record of its own */
	struct order_step steps[STEPS_MAX];
	uint32_t steps_before;    /* as the log had it before it was read anew: so many, at most */
	uint32_t step_count, fed; /* fed: so many of them the reader of the feed was told */
	uint32_t due;             /* so many there were when he asked last */
};

/* Units that an operator, or the clock, took out of a lot. */
struct known_movement {
	struct uuid id;
	uint32_t sale, lot, quantity;
	int64_t logged_ns;
	bool missing;
	bool fed, due; /* the reader of the feed was told of it; it was there when he asked last */
	char actor[TEXT_MAX];
};

/* A step of a lot's counter: from then on so many units were for sale; -1: nobody knows. */
struct counter_step {
	int64_t at_ns;
	int64_t available;
};
struct lot_book {
	int64_t allocated;
	int64_t live, withdrawn; /* in the log */
	struct counter_step *steps;
	uint32_t step_count, step_room;
};
/* A lot's sum was raised: ledger first, then the counter. */
struct added {
	uint32_t sale, lot;
	int64_t units, at_ns;
};

/* A sale was shown so. */
struct seen_version {
	int64_t version;
	char state[12];
};

struct stock_book {
	bool lost; /* what it has counts when it was armed under a newer epoch */
	bool armed;
	uint32_t epoch;
	struct history_stock_lot lots[HISTORY_LOTS];
};
struct sale_book {
	struct history_sale terms; /* number 0: none */
	char id[TEXT_MAX];
	uint32_t barrier;
	struct lot_book lots[HISTORY_LOTS];
	struct stock_book stocks[HISTORY_NODES];
	struct seen_version *versions; /* as operators were shown it */
	uint32_t version_count, version_room;
	int64_t armed_ns;  /* when the ledger had it armed first; -1: it has been a draft ever since */
	int64_t built_ns;  /* when a stock was armed with it last; -1: never */
	int64_t paused_ns; /* a pause was told then, and nobody has asked to let it go on since; -1 */
	int64_t taken_ns;  /* the same of one that is only taken (202): everybody hears of it where all is well; -1 */
};

struct stood {
	uint32_t node;
	int64_t from_ns, to_ns;
};

struct judge {
	struct judge_terms terms;
	int64_t now_ns, faults_end_ns; /* -1: they go on */
	int64_t stock_lost_ns;         /* the last time; -1 */
	int64_t ahead_ms, behind_ms;   /* the most that any node's wall clock was ahead of the world's, or behind it */
	int64_t jumps_ms;              /* how far the shared stock's clock may have jumped, all in all */
	int64_t calm_ns;               /* since when nothing goes wrong; INT64_MAX: something does */
	int64_t looked_ns;             /* when the holds were looked at last */
	int64_t positions[PARTITIONS_MAX];
	bool restored; /* the ledger was, once at least */
	char breach[1024];
	struct sale_book sales[HISTORY_SALES + 1]; /* by number */
	struct asked *asked;
	uint32_t asked_count, asked_room;
	struct known_order *orders;
	uint32_t order_count, order_room;
	struct known_movement *movements;
	uint32_t movement_count, movement_room;
	struct added *added;
	uint32_t added_count, added_room;
	struct stood stood[STOOD_MAX];
	uint32_t stood_count;
};

/* The first of all; `name` is the assertion's. */
void judge_broken(struct judge *judge, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* NULL: the judge was not told of this sale, or it has not this lot. */
struct sale_book *judge_sale(struct judge *judge, uint32_t number);
struct lot_book *judge_lot(struct judge *judge, uint32_t number, uint32_t lot);
struct known_order *judge_order(struct judge *judge, const struct uuid *id);
int64_t judge_wall_ms(const struct judge *judge);
void judge_copy(char *to, size_t size, const char *text);
/* Room for one more. */
void *judge_more(void *array, uint32_t count, uint32_t *room, size_t size);
static inline bool life_is_live(enum order_life life)
{
	return life == LIFE_HELD || life == LIFE_CONFIRMED;
}

/* The end of what can come of a request: it did it, it did nothing, or nobody can say. */
enum asked_effect { EFFECT_DONE, EFFECT_NONE, EFFECT_OPEN };
enum asked_effect asked_effect(const struct asked *asked);
/* Whether this request may have brought the order. */
bool asked_may_have(const struct asked *asked, const struct known_order *order);
/* Made of a confirm that came too late: nobody bought it. */
bool order_is_late_confirm(const struct known_order *order);
/* Holds that each order in the log has a request that may have brought it. */
void judge_match(struct judge *judge, const struct known_order *order);

/*
 * How many units were in the counter at least, from `from_ns` to now; -1: at some moment nobody
 * knows.
 */
int64_t judge_least_available(const struct judge *judge, const struct lot_book *lot, int64_t from_ns, int64_t to_ns);
/* P1 of one lot, by the log and by each counter that counts. */
void judge_oversold(struct judge *judge, uint32_t sale, uint32_t lot);
/*
 * When what a gate knew at `at_ns` may have been read at the earliest: `latch_ns` before by its own
 * clock.
 */
int64_t judge_known_since(const struct judge *judge, uint32_t node, int64_t at_ns);
/* So long before that moment by a gate's clock, which may have stood still meanwhile. */
int64_t judge_before(const struct judge *judge, uint32_t node, int64_t at_ns, int64_t length_ns);

/*
 * judge_calm.c: whether nothing has gone wrong for so long that there is no excuse any more; what
 * must be so then.
 */
bool judge_is_calm(const struct judge *judge, int64_t since_ns);
/* Whether everybody has heard of it by then, where nothing goes wrong. */
bool judge_has_heard(int64_t from_ns, int64_t by_ns);
void judge_holds(struct judge *judge);
void judge_not_open(struct judge *judge, const struct asked *asked);

/* judge_hold.c: of an order whose hold has ended just now. */
void judge_hold(struct judge *judge, const struct known_order *order);

/* judge_version.c: of an answer that shows a sale. */
void judge_version(struct judge *judge, const struct asked *asked, const struct history_answer *answer);

/* judge_again.c: of requests that were sent again. */
void judge_known_confirm(struct judge *judge, const struct asked *asked);
void judge_refund(struct judge *judge, const struct asked *asked);
void judge_extensions(struct judge *judge, struct known_order *order);

/*
 * judge_reduced.c: what the order's newest record gives back; what was told of a reduction, as
 * done.
 */
void judge_given_back(struct judge *judge, const struct known_order *order);
void judge_reduced(struct judge *judge, const struct asked *asked, struct known_order *order, const struct history_order *told);
/* Whether the order has, or has had, so many units. */
bool order_had(const struct known_order *order, uint32_t quantity);

/*
 * judge_payment.c: the order's payment, which the log has from now on; what was told of one, as
 * done and as refused.
 */
void judge_paid(struct judge *judge, struct known_order *order, const char *reference);
void judge_payment_done(struct judge *judge, const struct asked *asked, struct known_order *order, const struct history_order *told);
void judge_payment_refused(struct judge *judge, const struct asked *asked, const struct history_answer *answer);
/* Whether this order is what a late confirm has made. */
bool asked_confirms_late(const struct asked *asked, const struct known_order *order);

/*
 * judge_rate.c: of an order that the log has now, and of a purchase that was refused as too many.
 */
void judge_rate(struct judge *judge, const struct known_order *order);
void judge_rate_limited(struct judge *judge, const struct asked *asked);
void judge_linear(struct judge *judge, const struct sale_book *sale);

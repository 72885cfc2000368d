/* What the parts of the stock in Redis share. See redis.c for the whole picture. */
#pragma once

#include "port/stock.h"
#include "stock/brake_table.h"
#include "stock/redis/changes.h"
#include "stock/redis/numbers.h"
#include "stock/redis/pool.h"
#include "stock/redis/sales.h"
#include "stock/redis/scatter.h"
#include "stock/redis/trip.h"
#include "stock/redis/versions.h"

/*
 * What a whole call came to, beside those answers: it was done under an epoch that this process's
 * catalog does not know.
 */
enum { REDIS_UNKNOWN_EPOCH = 102 };

/*
 * Where a grant is: its batch of the outbox, and its place in that, from 1 on. As the functions
 * read both, in one number; 0: nowhere.
 */
static inline uint64_t redis_place(uint32_t batch, uint16_t place)
{
	return (uint64_t)place << 32 | batch;
}

/* An event that has come to its end, as much of it as the functions want to know. */
struct redis_ending {
	struct uuid id;
	int64_t after;  /* what it leads to: an extension's end of the hold, what a reduction leaves */
	uint64_t place; /* redis_place() */
	uint16_t run; /* how many it tells of: with it those behind it, whose places follow its own; 0: one before it tells of it */
	uint32_t sale, epoch;
	enum event_kind kind;
};

/* Ends that are told in one trip. */
struct redis_report {
	const struct redis_question *question;
	struct redis_ending items[REDIS_BATCH];
	size_t count;
	enum stock_ack *answers; /* what became of each; NULL: nobody wants to know */
	struct redis_scatter scatter;
};

struct stock_redis {
	struct stock stock; /* first member */
	struct redis_pool pool;
	struct redis_sales sales;
	struct brake_table brakes;
	struct redis_library library;
	struct redis_versions versions;
	struct redis_changes changes;
	bool first_is_there;  /* at the start: the first version's library */
	atomic_bool looked;   /* which version sells was heard at least once */
	_Atomic int64_t beat; /* the number that this gate changes while it lives */
	_Atomic int64_t next_attend_ns, next_libraries_ns;
	_Atomic int told_sellers;   /* what was logged last */
	_Atomic int64_t unreadable; /* entries of the outbox that were met and could not be read */
	size_t outbox_max;
	bool may_evict;                    /* stock.redis.eviction allow: the operator takes that risk */
	_Atomic int64_t next_look_ns;      /* when the server is looked at again */
	_Atomic uint32_t expire_from;      /* the sale whose holds are looked for next */
	int64_t lease_ns;                  /* see attend.c; 0: there are no replicas that could be promoted */
	int64_t replicas_set;              /* how many there are by min-replicas-to-write; 0: it does not tell */
	_Atomic uint64_t lease_generation; /* of the connections to the server that it is of */
	_Atomic int64_t lease_since_ns;    /* monotonic: at that moment a replica followed it; 0: it is not known */
	struct redis_report acknowledging; /* between the two halves of an acknowledgement: there is one at a time */
};

static inline struct stock_redis *redis_of(struct stock *stock)
{
	return (struct stock_redis *)stock;
}

/*
 * Reads the status and head of an answered call, and learns from it. STOCK_DONE; or what the whole
 * call came to: STOCK_UNKNOWN_SALE, STOCK_FENCED, STOCK_FULL, STOCK_UNAVAILABLE,
 * STOCK_OUTCOME_UNKNOWN, REDIS_STALE, REDIS_OUT_OF_RANGE; REDIS_UNKNOWN_EPOCH, with the head:
 * nothing is learnt of it, the sale is fenced here until the catalog has read it again, and what
 * was granted must be compensated.
 */
int redis_take_head(struct stock_redis *redis, uint32_t sale, enum redis_end end, struct redis_reader *answer,
		    struct redis_head *head);
/* What a whole call came to, as one of its items. */
enum stock_outcome redis_outcome(int status);
/* An order as the functions tell it. */
void redis_take_order(struct redis_reader *answer, struct stock_order *order);
/* Asks for the rest of the names until there are no more. */
void redis_read_names(struct stock_redis *redis, uint32_t sale);
/* A request as the function `reserve` takes it; for the bench too. */
void redis_reserve_pack(struct buffer *out, const struct stock_reserve *item);
/* Milliseconds, rounded up. */
int64_t redis_ms(int64_t ns);

/*
 * The brake at the end of a refresh's answer. True: this process knows a later one, which Redis has
 * forgotten.
 */
bool redis_take_brake(struct stock_redis *redis, uint32_t sale, struct redis_reader *answer);
/* Puts back what this process knows, where Redis does not know it. */
void redis_brake_restore(struct stock_redis *redis, uint32_t sale);

/* See attend.c. At the start: 0 or negative, -ENOTCONN, -EIO, -EACCES. */
int redis_attend_first(struct stock_redis *redis, struct redis_connection *connection) MUST_CHECK;
void redis_attend(struct stock_redis *redis);
/*
 * Whether what this server says may be told: a replica that could be promoted in its place has
 * followed it a moment ago.
 */
bool redis_lease_holds(struct stock_redis *redis, const struct redis_connection *connection);
/*
 * Behind a write that was sent on this connection at sent_ns, with nothing since: whether a replica
 * has it, which begins the lease anew, and so many of them. True where there are no replicas.
 */
bool redis_confirm(struct stock_redis *redis, struct redis_connection *connection, int64_t sent_ns, int64_t replicas);
/*
 * A call that writes whatever there is, for redis_confirm(): what was there before it a replica
 * that has it has too. Its answer is of no interest.
 */
void redis_attend_write(struct stock_redis *redis, struct redis_trip *trip);
/*
 * How many replicas may be promoted: as many as this process has ever seen at a master, for one
 * that is away now may come back, or as min-replicas-to-write tells. The server is asked.
 */
int64_t redis_followers(struct stock_redis *redis, struct redis_connection *connection);
/* Why this process sells nothing from this Redis; NULL: it does. */
const char *redis_why_standing_by(struct stock_redis *redis);
/*
 * A sale's row as it is kept; for tests too. Reading one: malloc'd, or NULL where it is not one, or
 * there is no memory.
 */
void redis_row_write(const struct sale *sale, struct buffer *out);
struct sale *redis_row_read(struct slice text);

/* The port's functions, by file. */
extern const struct stock_ops redis_ops;
void redis_reserve(struct stock *stock, struct stock_reserve *items, size_t count);
void redis_settle(struct stock *stock, struct stock_settle *items, size_t count);
void redis_find(struct stock *stock, struct stock_find *items, size_t count);
void redis_orders(struct stock *stock, struct stock_orders *item);
size_t redis_expire(struct stock *stock, int64_t now_ns, int64_t now_ms, int64_t grace_ns, struct event *out, size_t max,
		    int64_t *next_ns);
void redis_acknowledge_send(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers);
void redis_acknowledge_wait(struct stock *stock);
void redis_compensate(struct stock *stock, const struct event *const *events, size_t count, bool *undone);
size_t redis_claim(struct stock *stock, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max);
int redis_preheat_begin(struct stock *stock, const struct stock_rules *rules);
int redis_preheat_load(struct stock *stock, uint32_t sale, const struct stock_load *orders, size_t count, int64_t now_ns);
void redis_preheat_find(struct stock *stock, struct stock_find *items, size_t count);
int redis_preheat_withdrawals(struct stock *stock, uint32_t sale, const struct stock_withdrawn *withdrawals, size_t count);
int redis_arm(struct stock *stock, uint32_t sale, const int64_t *allocated, const int64_t *withdrawn);
void redis_drop(struct stock *stock, uint32_t sale, uint32_t epoch);
int redis_allocate(struct stock *stock, uint32_t sale, uint32_t lot, int64_t allocated);
int redis_brake(struct stock *stock, uint32_t sale, const struct stock_brake_change *change);
void redis_brake_written(struct stock *stock, uint32_t sale, uint32_t serial);
void redis_brake_hear(struct stock *stock, uint32_t sale);
bool redis_brake_of(struct stock *stock, uint32_t sale, struct stock_brake *brake);
void redis_keep(struct stock *stock, const struct sale *const *sales, size_t count);
int redis_recall(struct stock *stock, uint32_t number, struct sale **sale);
int redis_kept(struct stock *stock, uint32_t after, uint32_t *numbers, size_t max, size_t *count);
void redis_keep_log(struct stock *stock, const struct stock_log *log);
int redis_recall_log(struct stock *stock, struct stock_log *log);
int redis_withdraw(struct stock *stock, struct stock_withdrawal *withdrawal);
enum stock_sellers redis_sellers(struct stock *stock);
int redis_take_over(struct stock *stock);
void redis_leave(struct stock *stock);
void redis_refresh(struct stock *stock, struct stock_refresh *items, size_t count);

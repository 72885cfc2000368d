/*
 * The PostgreSQL ledger itself, and what the files of the adapter share. Nobody else includes this.
 */
#pragma once

#include <stdatomic.h>
#include "base/backoff.h"
#include "base/fair_lock.h"
#include "base/lock.h"
#include "ledger/adapter.h"
#include "ledger/log_chain.h"
#include "ledger/reader_pool.h"
#include "ledger/postgres/postgres.h"
#include "ledger/postgres/connection.h"
#include "ledger/transaction.h"

struct pg_batch; /* batch.h */

/* When connecting may be tried again. */
extern const struct backoff_range pg_retry;

enum { PG_NOBODY_KNOWS = -1 };

/* The one that writes, and holds the lease. Everything here is under `lock`. */
struct pg_writer {
	struct fair_lock lock;
	struct pg_connection connection;
	struct backoff backoff;
	int64_t lease;           /* our number, or that of all who share it; 0: not yet taken */
	int64_t id;              /* our row of `writers`, where the lease is shared */
	_Atomic bool joined;     /* the lease was taken, and the schema is ours: the ledger may be used */
	_Atomic bool lease_lost; /* another process has taken it since: for good */
	int64_t session, since;  /* the server's process that serves us, and when it began: it may outlive our connection */
	int64_t commit_number;   /* of the last transaction that is known to be there */
	int64_t found_number;    /* that the ledger had when the session was resumed; PG_NOBODY_KNOWS */
	bool told_settings;      /* what the server's settings mean has been said */
	struct pg_batch *batch;
};

/* How far the feed may be read: changes.c. Of one connection. */
enum { PG_WRITERS_TEXT_MAX = 8192 };
struct pg_horizon {
	int64_t safe;      /* no number up to it will be committed any more */
	int64_t candidate; /* nor up to this one, once these transactions have ended */
	char writers[PG_WRITERS_TEXT_MAX];
};

/* One that only reads. */
struct pg_reader {
	struct pg_connection connection;
	struct pg_horizon horizon;
};

/* Who is elected has a lock on a session of its own. */
struct pg_elector {
	struct lock lock;
	struct pg_connection connection;
	struct backoff backoff;
	bool elected;
};

struct postgres_ledger {
	struct sql_ledger base; /* first */
	char *url;
	bool read_only, shared;
	struct pg_writer writer;
	struct pg_elector elector;
	struct reader_pool pool;
	struct pg_reader readers[LEDGER_READERS_MAX];
	struct pg_patience patience; /* the readers' */
	struct backoff reading;      /* under the pool's lock: when a reader may connect again */
	_Atomic int health;          /* 0, or what the last write failed with */
};

static inline struct postgres_ledger *postgres_ledger_of(struct ledger *ledger)
{
	return (struct postgres_ledger *)ledger;
}

/* --- session.c: the writer's session and its lease --- */

/*
 * Connects, takes the lease for the first time, alone or shared, and migrates. 0,
 * LEDGER_LEASE_HELD, LEDGER_TOO_NEW, or negative.
 */
int pg_session_begin(struct postgres_ledger *ledger) MUST_CHECK;
/*
 * Connects again and takes the lease back, if nobody else has had it. Then found_number is what had
 * been committed, and a commit of our own has made sure of it. 0 or negative.
 */
int pg_session_resume(struct postgres_ledger *ledger) MUST_CHECK;

/* Gives the lease up. */
void pg_session_end(struct postgres_ledger *ledger);
/*
 * The statement that each transaction begins with: of the lease, or our row of `writers`, and the
 * next number. A string constant.
 */
const char *pg_take_number_sql(const struct postgres_ledger *ledger);

/* --- writer.c --- */

/* Of a ledger that was opened for later: reaches it for the first time. 0 or negative. */
int pg_writer_join(struct postgres_ledger *ledger) MUST_CHECK;
void pg_writer_init(struct pg_writer *writer);
void pg_writer_deinit(struct postgres_ledger *ledger);
void pg_writer_lock(struct postgres_ledger *ledger);
void pg_writer_unlock(struct postgres_ledger *ledger);

/* Under the lock: there is a session with the lease. 0 or negative. */
int pg_writer_ready(struct postgres_ledger *ledger) MUST_CHECK;
/* Adds what every transaction begins with. */
void pg_add_begin(struct postgres_ledger *ledger);
/*
 * Runs a trip of the running transaction. Besides pg_run(): PG_FENCED is settled here (-EBUSY), and
 * what failed is rolled back.
 */
int pg_transaction_run(struct postgres_ledger *ledger, PGresult **results) MUST_CHECK;
/* What pg_transaction_run() does after its trip, for one that was run otherwise. */
int pg_transaction_settle(struct postgres_ledger *ledger, int end) MUST_CHECK;
/*
 * Adds COMMIT, and runs the trip. 0: it is committed. Positive: enum pg_end, rolled back. Negative:
 * it is not there, or -EINPROGRESS where nobody can say.
 */
int pg_transaction_commit(struct postgres_ledger *ledger) MUST_CHECK;
/* Nothing of the transaction stays. Returns `result`, or what rolling back failed with. */
int pg_transaction_abandon(struct postgres_ledger *ledger, int result) MUST_CHECK;
/*
 * What a failure of a transaction that is certainly not there comes to for the ledger's health.
 * Returns `code`.
 */
int pg_writer_failed(struct postgres_ledger *ledger, int code);

/*
 * The end of a trip as an outcome of the port: `on_constraint` for a constraint; what must not be
 * is negative.
 */
int pg_outcome(int end, int on_constraint) MUST_CHECK;

enum { PG_TRIES_MAX = 5 }; /* of one transaction that a deadlock has ended */

/*
 * Lock and transaction in one, for calls that are a transaction each:
 *
 *     while (pg_work_begin(&work))
 *         pg_work_end(&work, result);
 *     return work.result;
 *
 * It goes round again where the server has ended the transaction for a deadlock: nothing of it is
 * there.
 */
struct pg_work {
	struct transaction transaction; /* first; for work that is one (transaction.c) */
	struct postgres_ledger *ledger;
	bool logs;         /* it writes a row of the operator log: its end is locked */
	bool changes_sale; /* it changes a sale: `change` is its number, and nobody else changes one meanwhile */
	struct pg_connection *connection;
	int64_t change;
	int result, tries;
	bool over;
};
bool pg_work_begin(struct pg_work *work); /* false: see work.result */
/*
 * result 0: commits; anything else, an outcome or negative: nothing stays. work.result: it, or what
 * committing failed with.
 */
void pg_work_end(struct pg_work *work, int result);

/* --- unequal_lots.c --- */
extern const char pg_unequal_lots_sql[];
void pg_unequal_lot_read(const PGresult *result, int row, struct ledger_unequal_lot *lot);
/* --- Rows of a transaction, by file; see ledger/transaction.h --- */

static inline struct pg_work *pg_work_of(struct transaction *transaction)
{
	return (struct pg_work *)transaction;
}
static inline struct pg_connection *pg_connection_of(struct transaction *transaction)
{
	return pg_work_of(transaction)->connection;
}
extern const struct transaction_rows pg_transaction_rows;
extern const struct sale_rows pg_sale_rows;
extern const struct lot_rows pg_lot_rows;
extern const struct item_rows pg_item_rows;

int pg_movement_write(struct transaction *transaction, const struct movement *movement) MUST_CHECK;
int pg_movement_exists(struct transaction *transaction, const struct uuid *id) MUST_CHECK;
/* The transaction has the log's end locked (TRANSACTION_LOGS). */
int pg_log_row_write(struct transaction *transaction, const struct ledger_actor *actor, enum log_action action,
		     struct slice subject, struct slice detail_json) MUST_CHECK;
int pg_request_read(struct transaction *transaction, struct ledger_request *request) MUST_CHECK;
int pg_request_write(struct transaction *transaction, const struct ledger_request *request, int64_t at_ms) MUST_CHECK;
int pg_dead_letter_write(struct transaction *transaction, struct slice json, const char *reason, int64_t now_ms) MUST_CHECK;
int pg_relay_read(struct transaction *transaction, struct slice name, struct ledger_relay *relay) MUST_CHECK;
int pg_relay_write(struct transaction *transaction, const struct ledger_relay *relay) MUST_CHECK;
int pg_dead_letter_remove(struct transaction *transaction, int64_t number) MUST_CHECK;

/* --- elect.c --- */

void pg_elector_init(struct pg_elector *elector);
void pg_elector_deinit(struct pg_elector *elector);

/* --- readers.c --- */

void pg_readers_init(struct postgres_ledger *ledger);
void postgres_leave(struct ledger *base);
/* Waits while all are out. For as many rows as there are. 0 or negative. */
int pg_reader_begin(struct postgres_ledger *ledger, struct pg_reader **reader) MUST_CHECK;
/* Gives it back; returns `result`, a positive pg_end as -EIO. */
int pg_reader_end(struct postgres_ledger *ledger, struct pg_reader *reader, int result) MUST_CHECK;
/*
 * One statement on a reader: 0 with *result, to be cleared, or negative. Where the connection turns
 * out to be dead, once more on a fresh one.
 */
int pg_read(struct postgres_ledger *ledger, enum pg_trip trip, const char *sql, const struct pg_params *params,
	    PGresult **result) MUST_CHECK;
/* Several at one moment. */
int pg_read_snapshot(struct postgres_ledger *ledger, enum pg_trip trip, const char *const *sql, const struct pg_params *params,
		     size_t count, PGresult **results) MUST_CHECK;

/* --- migrate.c --- */

/* Brings the tables up to this program's. 0, LEDGER_TOO_NEW, or negative. */
int pg_migrate(struct pg_connection *connection) MUST_CHECK;
/* For read-only opening: 0, LEDGER_TOO_NEW, or negative where the tables are not this program's. */
int pg_schema_check(struct pg_connection *connection) MUST_CHECK;

/* --- Rows of a sale, for a snapshot; by file --- */

/*
 * sales_read.c: number $1, and its lots; read by pg_sale_read(). NULL where there is none (*end: 0)
 * or it cannot be read (negative).
 */
extern const char *const pg_sale_by_number[2];
struct sale *pg_sale_read(PGresult *const results[static 2], int *end);
/*
 * orders.c: of sale $1, behind the id $2, at most $3; read by pg_order_read(), which leaves out the
 * names of sale and item.
 */
#define PG_ORDER_COLUMNS                                                                                                              \
	"orders.id, orders.sale, orders.lot, orders.quantity, orders.epoch, orders.state, orders.placed_at_ms, orders.changed_at_ms," \
	" orders.hold_expires_at_ms, orders.first_hold_expires_at_ms, orders.buyer, orders.trace, orders.key,"                        \
	" orders.price_minor, orders.reference, orders.metadata, orders.confirmed_at_ms, orders.actor, orders.reason,"                \
	" coalesce(orders.first_quantity, orders.quantity), orders.withdrawn_units,"                                                  \
	" payments.reference, payments.amount_minor, payments.currency, payments.method, payments.at_ms"
#define PG_ORDER_PAYMENT " LEFT JOIN payments ON payments.sale = orders.sale AND payments.order_id = orders.id"
enum { PG_ORDER_COLUMN_COUNT = 26 };
extern const char pg_orders_of_sale[];
void pg_order_read(const PGresult *result, int row, struct ledger_order *order);

/* --- log.c --- */

/* The number and hash of the log's last row. */
struct pg_log_head {
	int64_t number;
	char hash[SHA256_TEXT_SIZE];
};
extern const char pg_log_head_sql[], pg_log_head_lock_sql[], pg_log_head_update_sql[];
void pg_log_head_read(const PGresult *result, struct pg_log_head *head);
void pg_log_head_put(struct pg_params *params, const struct pg_log_head *head);

/* postgres_apply() to postgres_recover(): what of the port is this adapter's alone. */
LEDGER_ADAPTER_CALLS(postgres);

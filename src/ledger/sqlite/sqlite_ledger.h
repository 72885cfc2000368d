/* The SQLite ledger itself, and what the files of the adapter share. Nobody else includes this. */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>
#include "base/fair_lock.h"
#include "base/pause.h"
#include "base/thread.h"
#include "ledger/adapter.h"
#include "ledger/log_chain.h"
#include "ledger/reader_pool.h"
#include "ledger/sqlite/sqlite.h"
#include "ledger/sqlite/buyer_index.h"
#include "ledger/sqlite/commit_mark.h"
#include "ledger/sqlite/connection.h"
#include "ledger/sqlite/write_gather.h"
#include "ledger/transaction.h"

/* Of orders, or of movements, that go by one statement. */
enum { SQLITE_ROWS = 8 };

struct apply_scratch; /* apply.c */

/* The one writer: owns all writes and checkpoints. Everything here is under `lock`. */
struct sqlite_writer {
	struct fair_lock lock;
	struct sqlite_connection connection;
	struct sqlite_commit_mark mark;     /* of the last transaction that is known to be there */
	struct sqlite_commit_mark doubtful; /* that a COMMIT of unknown outcome would have left; number 0: none */
	bool doubt_is_short;                /* a write failed, so its commit frame is not whole in the file */
	int log_frames;                     /* frames in SQLite's write-ahead log after the last commit */
	int commits;                        /* since the last checkpoint was tried */
	int slice_frames, overdue_frames;   /* see writer.c: so many more are a reason for a checkpoint */
	int tried_frames;                   /* what the log had when the last one was tried */
	int64_t put_movement;               /* up to this one the sales have been told of their orders, or it was tried */
	bool poisoned;                      /* a checkpoint failed: the handle must not be used again */
	unsigned int forgotten;             /* batches that the judge's switch has left uncommitted */
	struct apply_scratch *scratch;
	_Atomic int64_t held_since_ns; /* the lock, by whoever has it; 0: nobody. Read by all */
	_Atomic bool hang_told;        /* in the log */
};

/* One that only reads. */
struct sqlite_reader {
	struct sqlite_connection connection;
};

/*
 * The files that were opened, so that others in their place are not taken for them. Under the
 * writer's lock, but for `lost`.
 */
enum watched_file { WATCHED_NONE, WATCHED_DATABASE, WATCHED_LOG, WATCHED_INDEX, WATCHED_LEASE };
struct file_watch {
	struct thread thread;
	struct pause rest;
	char *resolved_path, *log_path, *index_path, *lease_path;
	bool through_link; /* resolved_path is not the path that was given */
	struct file_identity {
		bool known;
		dev_t device;
		ino_t inode;
	} database, log, index, lease;
	_Atomic int lost;                         /* enum watched_file */
	int64_t looked_at_ns, lease_looked_at_ns; /* under the writer's lock */
	bool saved;                               /* what the handle has is in a file */
	int64_t save_at_ns;
};

struct sqlite_ledger {
	struct sql_ledger base; /* first */
	char *path;
	char *vfs;                  /* NULL: the usual one, whose files are the kernel's */
	struct write_gather gather; /* over it: what the writer opens with */
	bool read_only;
	int lease_fd; /* -1: none */
	struct sqlite_writer writer;
	struct reader_pool pool;
	struct sqlite_reader readers[LEDGER_READERS_MAX];
	struct file_watch watch;
	struct buyer_index buyers;
	_Atomic int health; /* 0, or what the last write failed with */
};

static inline struct sqlite_ledger *sqlite_ledger_of(struct ledger *ledger)
{
	return (struct sqlite_ledger *)ledger;
}

/* --- writer.c --- */

void sqlite_writer_init(struct sqlite_writer *writer);
/* Opens for the first time and migrates. 0, LEDGER_TOO_NEW, or negative. */
int sqlite_writer_open(struct sqlite_ledger *ledger) MUST_CHECK;
void sqlite_writer_deinit(struct sqlite_ledger *ledger);

void sqlite_writer_lock(struct sqlite_ledger *ledger);
void sqlite_writer_unlock(struct sqlite_ledger *ledger);
/*
 * Under the lock. Begins a transaction; reopens first where the connection was lost. 0 or negative.
 */
int sqlite_transaction_begin(struct sqlite_ledger *ledger) MUST_CHECK;
/*
 * Under the lock. result 0: commits; anything else: nothing of the transaction stays. Returns
 * `result`, or what the commit failed with: -EINPROGRESS where nobody can say. Where the failure
 * leaves the handle in doubt, it is closed and another opened.
 */
int sqlite_transaction_end(struct sqlite_ledger *ledger, int result) MUST_CHECK;
/* Under the lock, after a failure: whether rows that were read now are as durable as they look. */
bool sqlite_writer_trusted(const struct sqlite_ledger *ledger);

/*
 * Lock and transaction in one, for calls that are a transaction each. After a negative
 * sqlite_writer_begin() nothing is held.
 */
int sqlite_writer_begin(struct sqlite_ledger *ledger, struct sqlite_connection **connection) MUST_CHECK;
int sqlite_writer_end(struct sqlite_ledger *ledger, int result) MUST_CHECK;

/* --- sale_orders.c --- */

/*
 * At opening: tells the sales of the orders that an older program has left, or a killed one. 0 or
 * negative.
 */
int sqlite_put_orders_opening(struct sqlite_writer *writer) MUST_CHECK;
/* Under the lock, in no transaction, when everybody is answered: the same, where it is time. */
void sqlite_put_orders(struct sqlite_ledger *ledger);

/* --- watch.c --- */

/*
 * After the writer was opened for the first time: remembers which files these are, and looks at
 * them each second from now on. 0 or negative.
 */
int sqlite_watch_begin(struct sqlite_ledger *ledger) MUST_CHECK;
/* Before the writer is closed; may be repeated, and without a beginning. */
void sqlite_watch_end(struct sqlite_ledger *ledger);
/*
 * Under the writer's lock: looks now. True: they are not the files that were opened; nothing may be
 * begun, or told as done.
 */
bool sqlite_watch_lost(struct sqlite_ledger *ledger);
/* The same, where the last look is not from just now. */
bool sqlite_watch_lost_lately(struct sqlite_ledger *ledger);
/* Under the writer's lock: the database was opened again, and its -wal and -shm may be new. */
void sqlite_watch_reopened(struct sqlite_ledger *ledger);
/* As it was last seen, in words; NULL: they are there. Any thread. */
const char *sqlite_watch_reason(const struct sqlite_ledger *ledger);

/* --- log_room.c --- */

/*
 * What the log comes to before it is written again from its beginning: a slice of a checkpoint
 * (writer.c), and the commit with which it is full.
 */
enum { SQLITE_LOG_ROOM = 1024 * 1024 + 64 * 1024 };

/* After sqlite_watch_begin(). Where there is no room, it does without. */
void sqlite_log_make_room(struct sqlite_ledger *ledger);

/* --- readers.c --- */

void sqlite_readers_init(struct sqlite_ledger *ledger);
/* Waits while all are out. 0 or negative. */
int sqlite_reader_begin(struct sqlite_ledger *ledger, struct sqlite_reader **reader) MUST_CHECK;
/* The same, with one statement ready to be bound. */
int sqlite_read_begin(struct sqlite_ledger *ledger, const char *sql, struct sqlite_reader **reader, sqlite3_stmt **statement) MUST_CHECK;
/* Gives it back; returns `result`. A reader that failed is closed. */
int sqlite_reader_end(struct sqlite_ledger *ledger, struct sqlite_reader *reader, int result) MUST_CHECK;

/* --- migrate.c --- */

/*
 * Brings the tables up to this program's; `path` is the file's. Before a step that takes long it
 * says for how long and how much free space that needs. 0, LEDGER_TOO_NEW, or negative; -ENOSPC:
 * that space is not there, and nothing was begun.
 */
int sqlite_migrate(struct sqlite_connection *connection, const char *path) MUST_CHECK;
/* The number of this program's schema: its last migration's. */
int64_t sqlite_schema_number(void);
/* For read-only opening: 0, LEDGER_TOO_NEW, or negative where the tables are not this program's. */
int sqlite_schema_check(struct sqlite_connection *connection) MUST_CHECK;

/* --- transaction.c --- */

struct sqlite_transaction {
	struct transaction base; /* first */
	struct sqlite_connection *connection;
};
static inline struct sqlite_connection *sqlite_connection_of(struct transaction *transaction)
{
	return ((struct sqlite_transaction *)transaction)->connection;
}
extern const struct transaction_rows sqlite_transaction_rows;

/* --- Rows of a transaction, by file; see ledger/transaction.h --- */

extern const struct sale_rows sqlite_sale_rows;
extern const struct lot_rows sqlite_lot_rows;
extern const struct item_rows sqlite_item_rows;

int sqlite_movement_write(struct transaction *transaction, const struct movement *movement) MUST_CHECK;
/* At most SQLITE_ROWS; so many are one statement. */
int sqlite_movements_write(struct transaction *transaction, const struct movement *const *movements, size_t count) MUST_CHECK;
int sqlite_movement_exists(struct transaction *transaction, const struct uuid *id) MUST_CHECK;
int sqlite_log_row_write(struct transaction *transaction, const struct ledger_actor *actor, enum log_action action,
			 struct slice subject, struct slice detail_json) MUST_CHECK;
int sqlite_request_read(struct transaction *transaction, struct ledger_request *request) MUST_CHECK;
int sqlite_request_write(struct transaction *transaction, const struct ledger_request *request, int64_t at_ms) MUST_CHECK;
int sqlite_dead_letter_write(struct transaction *transaction, struct slice json, const char *reason, int64_t now_ms) MUST_CHECK;
int sqlite_relay_read(struct transaction *transaction, struct slice name, struct ledger_relay *relay) MUST_CHECK;
int sqlite_relay_write(struct transaction *transaction, const struct ledger_relay *relay) MUST_CHECK;
int sqlite_dead_letter_remove(struct transaction *transaction, int64_t number) MUST_CHECK;

/* In a transaction that has changed the sale: the number of that change. */
int sqlite_sale_changed(struct sqlite_connection *connection, uint32_t sale) MUST_CHECK;

/* --- sales_read.c, orders.c --- */

/* In a transaction: a sale with its lots, malloc'd. 0, LEDGER_NOT_FOUND, or negative. */
int sqlite_sale_read(struct sqlite_connection *connection, uint32_t number, struct sale **sale) MUST_CHECK;
/* Of a row of SQLITE_ORDER_COLUMNS; the names of sale and item are left out. */
#define SQLITE_ORDER_COLUMNS                                                                                                          \
	"orders.id, orders.sale, orders.lot, orders.quantity, orders.epoch, orders.state, orders.placed_at_ms, orders.changed_at_ms," \
	" orders.hold_expires_at_ms, orders.first_hold_expires_at_ms, orders.buyer, orders.trace, orders.key,"                        \
	" orders.price_minor, orders.reference, orders.metadata, orders.confirmed_at_ms, orders.actor, orders.reason,"                \
	" coalesce(orders.first_quantity, orders.quantity), orders.withdrawn_units,"                                                  \
	" payments.reference, payments.amount_minor, payments.currency, payments.method, payments.at_ms"
#define SQLITE_ORDER_PAYMENT " LEFT JOIN payments ON payments.order_id = orders.id"
enum { SQLITE_ORDER_COLUMN_COUNT = 26 };
void sqlite_order_read(sqlite3_stmt *statement, struct ledger_order *order);
/*
 * In a reading transaction: the orders of a sale above `after` by rising id, so many ids `at_once`.
 * End it, whatever its beginning came to.
 */
struct sqlite_order_walk {
	struct sqlite_connection *connection;
	sqlite3_stmt *statement;
	uint32_t sale;
	struct uuid after; /* the last of the ids */
	size_t at_once, count, at;
	struct uuid *ids;
	bool is_last; /* there are no more */
	bool is_near; /* the statement stands at the order before: the next one may be the one behind it */
};
int sqlite_order_walk_begin(struct sqlite_order_walk *walk, struct sqlite_connection *connection, uint32_t sale,
			    const struct uuid *after, size_t at_once) MUST_CHECK;
/* STEP_ROW: walk->statement stands at a row for sqlite_order_read(); STEP_DONE, or negative. */
int sqlite_order_walk_next(struct sqlite_order_walk *walk) MUST_CHECK;
void sqlite_order_walk_end(struct sqlite_order_walk *walk);
/*
 * Orders of a page by their lot, so that its names are looked up once and not for every order: the
 * last one seen in each of a few places.
 */
enum { SQLITE_RECENT_LOTS = 64 };
struct sqlite_recent_lots {
	const struct ledger_order *orders[SQLITE_RECENT_LOTS];
};
/*
 * The names of the order's sale and item, by its sale and lot. `recent` may be NULL. 0 or negative.
 */
int sqlite_order_name(struct sqlite_connection *connection, struct ledger_order *order, struct sqlite_recent_lots *recent) MUST_CHECK;

/* --- unequal_lots.c --- */

extern const char sqlite_unequal_lots_sql[];
void sqlite_unequal_lot_read(sqlite3_stmt *statement, struct ledger_unequal_lot *lot);

/* --- log.c --- */

/*
 * Follows the log from end to end; `first` (size bytes) gets the first fault in words if it is
 * still empty.
 */
int sqlite_log_verify(struct sqlite_connection *connection, int64_t *rows, int64_t *broken, char *first, size_t size) MUST_CHECK;

/* apply_lots.c */
void sqlite_scratch_free(struct apply_scratch *scratch);

/* sqlite_apply() to sqlite_recover(): what of the port is this adapter's alone. */
LEDGER_ADAPTER_CALLS(sqlite);

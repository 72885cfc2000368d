/*
 * A ledger's server in the process, in PostgreSQL's part: several gates and drains have handles on
 * one ledger, each with a session that can end, and the server can be away, slow, restored from a
 * backup or without power. The rows are the SQLite adapter's, on a disk in memory.
 *
 * The model. A call is a message there, a transaction and a message back. The transaction runs at
 * once and alone: between its statements nobody else runs, as row locks and snapshots have it there
 * too. Around it lies all that is chance: where the node has a scheduler, others run before and
 * after it, and it takes time of the node's clock. So a node that is killed is killed outside of a
 * transaction: it was not begun, or it is committed (or, where it is late, it comes when its client
 * is gone). Whoever kills a node says so (ledger_sim_drop()), and its handles are freed.
 *
 * As the PostgreSQL adapter does it: a session that died in silence is replaced in the next call
 * and costs nothing; a server that is away is tried with growing pauses, in which calls fail at
 * once; one writer for each handle, and LEDGER_READERS_MAX readers; the lease alone or shared, and
 * the fence of either when the other has come in; the election by a session of its own, which ends
 * where its owner has not asked for five seconds of the server's clock.
 *
 * Not here: statements of one transaction between those of another (deadlocks, waiting for a row),
 * SQL, the wire. Those are tests/contract/test_ledger_postgres_shared.c's.
 */
#pragma once

#include <sqlite3.h>
#include "base/clock.h"
#include "base/node.h"
#include "port/ledger.h"

struct ledger_sim;

/*
 * An empty ledger. The server's clock; NULL: the kernel's. Aborts where there is no memory, as all
 * here does.
 */
struct ledger_sim *ledger_sim_new(const struct clock_source *clock, uint64_t seed);
void ledger_sim_free(struct ledger_sim *sim); /* every handle was freed or dropped */

/* A handle for the node of this thread. flags, and the result, as ledger_postgres_open(). */
int ledger_sim_open(struct ledger_sim *sim, struct ledger **ledger, int flags) MUST_CHECK;

/* --- What goes wrong when it is told to. None of these yields. --- */

/*
 * The node was killed, or (NULL) all were: its handles are freed, and nobody may call them any
 * more. at_once: its sessions end now, as those of a process that was killed; else as those of a
 * machine that is gone, when the server misses it.
 */
void ledger_sim_drop(struct ledger_sim *sim, const struct node *node, bool at_once);
/* The sessions of a node's handles end in silence, that of its election too. NULL: of all. */
void ledger_sim_end_sessions(struct ledger_sim *sim, const struct node *node);

enum ledger_sim_presence {
	LEDGER_SIM_HERE,
	LEDGER_SIM_REFUSES, /* nobody listens: calls fail at once; sessions have ended */
	LEDGER_SIM_SILENT,  /* nothing comes back: a call takes as long as the adapter waits; what it changes is done or not */
};
/* While the power is off it stays REFUSES. */
void ledger_sim_set_presence(struct ledger_sim *sim, enum ledger_sim_presence presence);

/* A backup of what is committed now takes the place of the one before. */
void ledger_sim_back_up(struct ledger_sim *sim);
/* The server is another, with what the last backup has. All sessions end; it is HERE. */
void ledger_sim_restore(struct ledger_sim *sim);
/*
 * What operators do when the log is gone for good (docs/operations.md): the ledger is to take
 * another, from its beginning. False: nothing is forgotten, for the server is off, or its power was
 * cut meanwhile.
 */
bool ledger_sim_forget_log(struct ledger_sim *sim);
/*
 * The server's machine loses its power within the `writes`-th write of its disk from now on, and
 * REFUSES until ledger_sim_power_on(), after which all is there that was told to be.
 */
void ledger_sim_cut_power(struct ledger_sim *sim, unsigned int writes);
bool ledger_sim_is_off(const struct ledger_sim *sim);
void ledger_sim_power_on(struct ledger_sim *sim);

/* --- What goes wrong by chance: in so many of a million calls --- */

struct ledger_sim_chances {
	uint32_t ended;  /* the session has ended before the call: it is found out, and replaced */
	uint32_t lost;   /* the call never arrives: it fails, and nothing was done */
	uint32_t done;   /* a change is committed, and nobody can say so (-EINPROGRESS) */
	uint32_t undone; /* nobody can say, and it is not, and never will be */
	uint32_t late; /* as undone; but what was applied or drained may be committed later, until its handle has another session */
	uint32_t slow; /* takes up to slow_ns each way; the others up to usual_ns */
	int64_t usual_ns, slow_ns;
};
void ledger_sim_set_chances(struct ledger_sim *sim, const struct ledger_sim_chances *chances);
/* What is late is committed now, or never: before a run is judged. */
void ledger_sim_settle(struct ledger_sim *sim);

/* --- For a judge --- */

/*
 * A connection to the tables that only reads, and sees each commit; the server's. NULL while the
 * power is off. Another one after a restore and a power cut, so it is asked for each time.
 * Statements that are left prepared, and reset, are finalized with it.
 */
sqlite3 *ledger_sim_database(struct ledger_sim *sim);
/* Rises with each write of its disk: who looks at all of it need not look where it has not. */
uint64_t ledger_sim_writes(const struct ledger_sim *sim);
/* ledger.audit, without any of the faults, and without a yield. */
int ledger_sim_audit(struct ledger_sim *sim, struct ledger_audit *audit) MUST_CHECK;

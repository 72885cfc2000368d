/*
 * The server and its clients' handles, and what the files of this folder share. Nobody else
 * includes this.
 */
#pragma once

#include "base/backoff.h"
#include "base/fair_lock.h"
#include "base/lock.h"
#include "ledger/reader_pool.h"
#include "simulation/ledger/ledger_disk.h"
#include "simulation/ledger/ledger_sim.h"

struct sim_late; /* late.c */

struct sim_handle {
	struct ledger base; /* first */
	struct ledger_sim *sim;
	const struct node *node;
	struct sim_handle *next;
	bool read_only, shared;
	bool joined;     /* the server was reached once */
	bool session;    /* the writer has one: with it goes its part in the lease */
	int64_t gone_ns; /* its machine is gone, and the server misses it then; 0: it is there */
	int64_t lease;   /* the number that it came in under */
	bool lease_lost; /* another came in: for good */
	bool elected;    /* as it was told */
	_Atomic int health;
	struct fair_lock writer;
	struct lock elector;
	struct backoff writer_backoff, elector_backoff;
	struct reader_pool readers;
};

struct ledger_sim {
	struct fair_lock lock; /* around all below and the ledger inside, where threads are the kernel's */
	struct node node;      /* who runs in it does not yield */
	struct memory_disk *disk;
	struct ledger *inside; /* NULL: the power is off */
	sqlite3 *database;     /* the judge's; NULL: not yet asked for */
	uint64_t random;
	enum ledger_sim_presence presence;
	struct ledger_sim_chances chances;
	struct sim_handle *handles;
	struct sim_late *late; /* in the order in which they came */
	int64_t lease;         /* raised when one comes in who does not share with those before */
	bool lease_alone;      /* who came in last has it alone */
	/*
	 * Who has the election's lock: a handle's session, or one that its handle does not know any
	 * more.
	 */
	struct {
		const struct sim_handle *owner;
		bool taken;
		int64_t asked_ns;
	} election;
	struct {
		void *bytes;
		size_t size;
		int64_t lease;
		bool lease_alone;
	} backup;
};

static inline struct sim_handle *sim_handle_of(struct ledger *ledger)
{
	return (struct sim_handle *)ledger;
}

/* --- ledger_sim.c --- */

/* Into the server: nothing in between yields. sim_server_leave() takes what it returned. */
struct node *sim_server_enter(struct ledger_sim *sim);
void sim_server_leave(struct ledger_sim *sim, struct node *before);
/* Inside: whether something with so many chances of a million happens. */
bool sim_server_chance(struct ledger_sim *sim, uint32_t chance);
/* Inside: at most `most` ns, any. */
int64_t sim_server_time(struct ledger_sim *sim, int64_t most);
/*
 * Inside, after the ledger was used: whether the power has failed meanwhile. Then all sessions have
 * ended.
 */
bool sim_server_failed(struct ledger_sim *sim);

/* --- session.c --- */

enum sim_kind {
	SIM_READ,
	SIM_SETTLED, /* reads, behind what the writer has left in doubt */
	SIM_CHANGE,
};

/* A call on its way. */
struct sim_call {
	/* What is to be applied or drained: it may come late. */
	struct ledger_entry *entries;
	size_t count;
	const struct ledger_drain *drain;
	/* The rest is session.c's. */
	struct sim_handle *handle;
	enum sim_kind kind;
	bool untold;    /* it is done, and nobody says so */
	bool silent;    /* the caller waits for it in vain */
	bool looked_up; /* of one that was not done, the entries say what is there */
	size_t reader;
	struct ledger *inside;
	struct node *before;
};

/*
 * 0: it is in the server, with call->inside, and sim_call_end() tells the caller's answer.
 * Negative: that is the answer, and nothing is held.
 */
int sim_call_begin(struct sim_call *call, struct ledger *ledger, enum sim_kind kind) MUST_CHECK;
int sim_call_end(struct sim_call *call, int result) MUST_CHECK;
int sim_handle_open(struct sim_handle *handle, bool later) MUST_CHECK;
/* Inside: the sessions of a handle end, of which it will find out. */
void sim_sessions_end(struct ledger_sim *sim, struct sim_handle *handle);
/* Inside: takes it out of the server. */
void sim_handle_remove(struct sim_handle *handle);
void sim_handle_free(struct sim_handle *handle);
/* Inside: those whose machines are gone, and are missed by now. */
void sim_sessions_miss(struct ledger_sim *sim);
int sim_elect(struct ledger *ledger, bool candidate) MUST_CHECK;
int sim_health(struct ledger *ledger, const char **reason);
int sim_recover(struct ledger *ledger) MUST_CHECK;

/* --- late.c --- */

/* Inside: a copy of these; they are committed some time, or never. */
void sim_late_add(struct ledger_sim *sim, const struct sim_handle *handle, const struct ledger_entry *entries, size_t count);
void sim_late_add_drain(struct ledger_sim *sim, const struct sim_handle *handle, const struct ledger_drain *drain);
/* Inside: those of this handle (NULL: of all) come to their end. */
void sim_late_settle(struct ledger_sim *sim, const struct sim_handle *handle);
/* Inside: those whose time has come are committed. */
void sim_late_run(struct ledger_sim *sim);
/* Inside: none of them ever is. */
void sim_late_forget(struct ledger_sim *sim);

/* --- calls.c --- */

extern const struct ledger_ops sim_ops;

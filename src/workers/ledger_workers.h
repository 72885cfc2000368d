/*
 * The threads that do blocking work on the ledger for threads that must not block: one for each
 * class of task, with a lane of its own, so that no class ever waits for another. Within a class
 * tasks run in the order in which they came.
 */
#pragma once

#include "workers/message.h"

/*
 * Who waits for whom is decided here: nothing that sells, settles or stops a sale shares a thread
 * with what may take long; and audits step back from the cores where others want them.
 */
enum task_class {
	TASK_STOP,    /* pause: it waits for no ledger, whatever else is asked */
	TASK_RELEASE, /* resume: the ledger is asked which stops it answers */
	TASK_SETTLE,  /* what a settlement needs of the ledger: late confirms, refunds, an order that the stock has no more */
	TASK_CHANGE,  /* what else operators change */
	TASK_LOOKUP,  /* one row by its id */
	TASK_LIST,    /* pages of many rows */
	TASK_FEED,    /* pages of what happened: whoever follows it asks all the time */
	TASK_AUDIT,   /* all rows: minutes in a large ledger */
	TASK_CLASSES,
};

struct ledger_workers;

/*
 * Room for each class where buyers have so many connections at most: more than that, as who has
 * hung up is still waited for, and operators have their own; and never without bound.
 */
size_t ledger_workers_lane_max(int64_t connections);
/* lane_max: tasks that may wait in each class. 0 or negative errno. */
int ledger_workers_new(struct ledger_workers **workers, size_t lane_max) MUST_CHECK;
int ledger_workers_start(struct ledger_workers *workers) MUST_CHECK;
/* False: there is no room, or it is stopping; the task is still the caller's. Any thread. */
bool ledger_workers_send(struct ledger_workers *workers, enum task_class class, struct blocking_task *task) MUST_CHECK;
/* Tasks that wait. Any thread. */
size_t ledger_workers_depth(const struct ledger_workers *workers, enum task_class class);
const char *ledger_workers_class_name(enum task_class class);
/* Takes no more tasks, finishes those that were taken, joins. May be repeated. */
void ledger_workers_stop(struct ledger_workers *workers);
void ledger_workers_free(struct ledger_workers *workers); /* NULL is fine */

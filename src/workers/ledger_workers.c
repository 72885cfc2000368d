#include "workers/ledger_workers.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/thread.h"
#include "port/ledger.h"

enum { BATCH = 64 };

/*
 * Who reads the ledger in a gate: each of these, how old it is, the sale keeper, the promises, the
 * rebuild. With a reader less than that a stop could stand behind an audit.
 */
_Static_assert((int)TASK_CLASSES + 4 == (int)LEDGER_READERS_MAX, "as many readers as threads that read");

struct worker {
	struct thread thread;
	struct lane *lane;
	bool steps_back;
};

struct ledger_workers {
	struct worker workers[TASK_CLASSES];
};

const char *ledger_workers_class_name(enum task_class class)
{
	static const char *const names[TASK_CLASSES] = {
		[TASK_STOP] = "stop",     [TASK_RELEASE] = "release", [TASK_SETTLE] = "settle", [TASK_CHANGE] = "change",
		[TASK_LOOKUP] = "lookup", [TASK_LIST] = "list",       [TASK_FEED] = "feed",     [TASK_AUDIT] = "audit",
	};

	return names[class];
}

size_t ledger_workers_lane_max(int64_t connections)
{
	enum { MOST = 4096, OF_OPERATORS = 256, A_CONNECTION = 4 };

	return connections < (MOST - OF_OPERATORS) / A_CONNECTION ? (size_t)(OF_OPERATORS + A_CONNECTION * connections) : MOST;
}

int ledger_workers_new(struct ledger_workers **out, size_t lane_max)
{
	struct ledger_workers *workers = calloc(1, sizeof(*workers));
	int r = workers ? 0 : error_origin(-ENOMEM);

	for (int i = 0; i < TASK_CLASSES && r == 0; i++)
		r = lane_new(&workers->workers[i].lane, lane_max);
	if (r < 0) {
		ledger_workers_free(workers);
		return r;
	}
	*out = workers;
	return 0;
}

static void ledger_workers_run(void *argument)
{
	struct worker *worker = argument;
	void *items[BATCH];

	if (worker->steps_back)
		thread_step_back();
	for (;;) {
		size_t count = lane_pop(worker->lane, items, BATCH, -1);

		if (count == 0)
			break;
		for (size_t i = 0; i < count; i++) {
			struct blocking_task *task = items[i];

			task->run(task);
			message_return(&task->message);
		}
	}
}

int ledger_workers_start(struct ledger_workers *workers)
{
	char name[16];
	int r = 0;

	for (int i = 0; i < TASK_CLASSES && r == 0; i++) {
		workers->workers[i].steps_back = i == TASK_AUDIT;
		snprintf(name, sizeof(name), "ledger-%s", ledger_workers_class_name((enum task_class)i));
		r = thread_start(&workers->workers[i].thread, name, ledger_workers_run, &workers->workers[i]);
	}
	return r;
}

bool ledger_workers_send(struct ledger_workers *workers, enum task_class class, struct blocking_task *task)
{
	void *item = task;

	return lane_push(workers->workers[class].lane, LANE_NORMAL, &item, 1) == 1;
}

size_t ledger_workers_depth(const struct ledger_workers *workers, enum task_class class)
{
	return lane_depth(workers->workers[class].lane);
}

void ledger_workers_stop(struct ledger_workers *workers)
{
	for (int i = 0; i < TASK_CLASSES; i++)
		if (workers->workers[i].lane)
			lane_close(workers->workers[i].lane);
	for (int i = 0; i < TASK_CLASSES; i++)
		thread_join(&workers->workers[i].thread);
}

void ledger_workers_free(struct ledger_workers *workers)
{
	if (!workers)
		return;
	ledger_workers_stop(workers);
	for (int i = 0; i < TASK_CLASSES; i++)
		lane_free(workers->workers[i].lane);
	free(workers);
}

#include "workers/clerk.h"

#include <stdlib.h>
#include "base/thread.h"

enum { BATCH = 64 };

struct clerk {
	struct thread thread;
	struct lane *lane;
};

int clerk_new(struct clerk **out, struct lane *lane)
{
	struct clerk *clerk = calloc(1, sizeof(*clerk));

	if (!clerk)
		return error_origin(-ENOMEM);
	clerk->lane = lane;
	*out = clerk;
	return 0;
}

static void run(void *argument)
{
	struct clerk *clerk = argument;
	void *items[BATCH];

	for (;;) {
		size_t count = lane_pop(clerk->lane, items, BATCH, -1);

		if (count == 0)
			break;
		for (size_t i = 0; i < count; i++) {
			struct errand *errand = items[i];

			errand->run(errand);
			message_return(&errand->message);
		}
	}
}

int clerk_start(struct clerk *clerk)
{
	return thread_start(&clerk->thread, "clerk", run, clerk);
}

void clerk_stop(struct clerk *clerk)
{
	lane_close(clerk->lane);
	thread_join(&clerk->thread);
}

void clerk_free(struct clerk *clerk)
{
	if (!clerk)
		return;
	clerk_stop(clerk);
	free(clerk);
}

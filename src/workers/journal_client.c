#include "workers/journal_client.h"

#include <stdlib.h>
#include "base/clock.h"

struct journal_client {
	struct lane *to, *reply;
};

int journal_client_new(struct journal_client **out, struct lane *lane)
{
	struct journal_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return error_origin(-ENOMEM);
	client->to = lane;
	r = lane_new(&client->reply, 1);
	if (r < 0) {
		free(client);
		return r;
	}
	*out = client;
	return 0;
}

void journal_client_free(struct journal_client *client)
{
	if (!client)
		return;
	lane_free(client->reply);
	free(client);
}

enum journal_end journal_client_append(struct journal_client *client, const struct event *event)
{
	struct job job = {.message = {.reply = client->reply}, .event = *event, .started_ns = clock_mono_ns()};
	void *item = &job;

	event_own(&job.event, &job.text);
	if (lane_push(client->to, LANE_URGENT, &item, 1) == 0)
		return JOURNAL_UNKNOWN;
	while (lane_pop(client->reply, &item, 1, -1) == 0)
		continue;
	return job.end;
}

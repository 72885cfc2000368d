#include "workers/journal_client.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/lock.h"
#include "core/ack_deadline.h"

struct journal_client {
	struct lock lock; /* one append at a time: held until its job is back */
	struct lane *to, *reply;
	int64_t ack_deadline_ns;
};

int journal_client_new(struct journal_client **out, struct lane *lane, int64_t ack_deadline_ns)
{
	struct journal_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return error_origin(-ENOMEM);
	client->to = lane;
	client->ack_deadline_ns = ack_deadline_ns;
	r = lane_new(&client->reply, 1);
	if (r < 0) {
		free(client);
		return r;
	}
	lock_init(&client->lock);
	*out = client;
	return 0;
}

void journal_client_free(struct journal_client *client)
{
	if (!client)
		return;
	lane_free(client->reply);
	lock_deinit(&client->lock);
	free(client);
}

enum journal_end journal_client_append(struct journal_client *client, const struct event *event, int64_t started_ns, bool *no_stock)
{
	struct job job = {.message = {.reply = client->reply}, .event = event, .started_ns = started_ns, .end = JOURNAL_UNKNOWN};
	void *item = &job;
	int64_t now_ns;

	lock_take(&client->lock);
	if (lane_push(client->to, LANE_URGENT, &item, 1) == 1)
		while (lane_pop(client->reply, &item, 1, -1) == 0)
			continue;
	lock_release(&client->lock);
	now_ns = clock_mono_ns();
	if (no_stock)
		*no_stock = job.proof == EPOCH_NO_STOCK &&
			    ack_deadline_end(job.end, EPOCH_PROVEN, started_ns, client->ack_deadline_ns, now_ns) == JOURNAL_DURABLE;
	return ack_deadline_end(job.end, job.proof, started_ns, client->ack_deadline_ns, now_ns);
}

static enum journal_end append(void *context, const struct event *event, int64_t started_ns, bool *no_stock)
{
	return journal_client_append(context, event, started_ns, no_stock);
}

struct journal_commit journal_client_commit(struct journal_client *client)
{
	return (struct journal_commit){append, client};
}

/*
 * Who reads the feed of what happened, at whichever gate, and keeps its place (docs/http.md, "What
 * happened"). What it is told goes to the judge when a page has come whole.
 */
#include <stdlib.h>
#include <string.h>
#include "simulation/judge/watch_log.h"
#include "simulation/world/asking.h"

enum { PAGE = 12, PATIENCE_MS = 10000, PAUSE_MS = 500, TRIES_MAX = 200 };

/* There is one. */
static struct {
	bool reads;
	struct draw draw;
	char after[64];
} follower;

static void tell_change(struct world *world, json_t *item)
{
	json_t *data = json_object_get(item, "data"), *event = json_object_get(data, "event"),
	       *shown = json_object_get(data, "order");
	const char *id = json_string_value(json_object_get(event, "id"));
	struct history_order order;
	struct history_change change = {
		.kind = watch_log_kind(json_string_value(json_object_get(event, "kind"))),
		.hold_expires_at_ms = answer_time(event, "hold_expires_at"),
		.left = (uint32_t)json_integer_value(json_object_get(event, "left")),
		.payment = json_string_value(json_object_get(event, "payment_reference")),
		.state = json_string_value(json_object_get(data, "state")),
	};

	if (!id || !change.kind || uuid_parse(slice_of(id), &change.id) < 0 ||
	    (json_is_object(shown) && !answer_read_order(shown, &order))) {
		world_breach(world, "answer.change: the feed has told what nobody can read");
		return;
	}
	change.order = json_is_object(shown) ? &order : NULL;
	history_change(world->judge, &change);
}

/* How many changes it has. */
static size_t tell_page(struct world *world, const char *body)
{
	json_t *root = json_loads(body, 0, NULL), *list = json_object_get(root, "changes"), *item;
	const char *next = json_string_value(json_object_get(root, "next"));
	size_t i, count = json_array_size(list);

	history_time(world->judge, scheduler_now_ns(world->scheduler));
	json_array_foreach(list, i, item) tell_change(world, item);
	snprintf(follower.after, sizeof(follower.after), "%s", next ? next : "");
	json_decref(root);
	return count;
}

/* One attempt: how many changes have come; -1: no answer. */
static int read_page(struct world *world, bool waits)
{
	struct world_process *gate = &world->gates[draw_below(&follower.draw, world->plan->gates)];
	struct world_answer *answer = malloc(sizeof(*answer));
	char target[160];
	struct world_request request = {.staff = true, .patient = !world->over, .method = "GET", .target = target};
	int count = -1;

	if (!answer)
		abort();
	snprintf(target, sizeof(target), "/v1/changes?limit=%d%s%s%s", PAGE, follower.after[0] ? "&after=" : "", follower.after,
		 waits ? "&wait=2s" : "");
	client_ask(world, gate, &request, PATIENCE_MS * WORLD_MS, answer);
	scheduler_note(world->scheduler, "the feed behind '%s' at gate %u: %d %s", follower.after, gate->number, answer->status,
		       answer->code);
	if (answer->status == 200) {
		count = (int)tell_page(world, answer->body);
	} else if (strcmp(answer->code, "cursor-unknown") == 0) {
		follower.after[0] = '\0';
		history_feed_again(world->judge);
	} else if (answer->status != 0 && answer->status != 503) {
		world_breach(world, "answer.change: the feed is answered %d: %s", answer->status, answer->body);
	}
	free(answer);
	return count;
}

void follower_run(struct world *world, const struct plan_op *op)
{
	follower.reads = true;
	follower.after[0] = '\0';
	follower.draw = draw_of(world->plan->seed, "follower", 1);
	while (!world->over) {
		if (read_page(world, draw_chance(&follower.draw, 10)) == PAGE)
			continue;
		pause_sleep(op->units * 1000 * WORLD_MS);
	}
}

void follower_end(struct world *world)
{
	int count = 0;

	for (unsigned tries = 0; follower.reads && !world->result->breach[0]; tries++) {
		if (tries == TRIES_MAX)
			world_breach(world, "live.unanswered: the feed does not come to its end");
		watches_await_quiet(world); /* a hold may run out at any moment, at this one too */
		history_feed_asked(world->judge);
		count = read_page(world, false);
		if (count == 0) {
			history_feed_end(world->judge);
			return;
		}
		if (count < 0)
			pause_sleep(PAUSE_MS * WORLD_MS);
	}
}

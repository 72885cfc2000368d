/* How far relays of the feed have come: kept for their processes, which never open the ledger. */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/body.h"
#include "gate/operator/routes.h"
#include "gate/render.h"
#include "model/event.h"

enum { CURSOR_TEXT_MAX = 64 };

static void render_skipped(const char *skipped, struct buffer *out)
{
	buffer_append_literal(out, "[");
	for (const char *at = skipped; *at;) {
		size_t size = strcspn(at, " ");

		if (at != skipped)
			buffer_append_literal(out, ",");
		buffer_append_json_string(out, (struct slice){at, size});
		at += size + (at[size] == ' ');
	}
	buffer_append_literal(out, "]");
}

static void render_relay(const struct ledger_relay *relay, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_text_member(out, "relay", slice_of(relay->name));
	render_int_member(out, "version", relay->version);
	render_name(out, "updated_at");
	render_time(relay->version ? relay->at_ms : SALE_NO_TIME, out);
	render_name(out, "position");
	buffer_append_text(out, relay->position[0] ? relay->position : "null"); /* JSON already */
	render_name(out, "skipped");
	render_skipped(relay->skipped, out);
	buffer_append_literal(out, "}");
}

/* The relay that the path names. Else it has answered. */
static bool take_name(struct ledger_task *task, struct ledger_relay *relay)
{
	struct slice name = {task->names[0], strlen(task->names[0])};

	*relay = (struct ledger_relay){0};
	if (!sale_id_valid(name)) {
		reply_refuse(&task->reply, PROBLEM_NOT_FOUND, "A relay's name is made like a sale's id.");
		return false;
	}
	memcpy(relay->name, name.data, name.size);
	return true;
}

/* What the ledger has of it now. */
static void answer(struct ledger_task *task, struct slice name)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_relay relay;
	int r = ledger->ops->relay_get(ledger, name, &relay);

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else
		render_relay(&relay, &task->reply.body);
}

void operator_relays_show(struct ledger_task *task)
{
	struct ledger_relay relay;

	if (take_name(task, &relay))
		answer(task, slice_of(relay.name));
}

static bool is_cursor(const json_t *value)
{
	size_t size = json_string_length(value);

	return json_is_string(value) && size > 0 && size <= CURSOR_TEXT_MAX &&
	       strspn(json_string_value(value), "0123456789abcdef.") == size;
}

/* {"after": where all is done, or null, "ahead": [[sale, cursor], …]} */
static bool position_valid(const json_t *position)
{
	const json_t *after = json_object_get(position, "after"), *ahead = json_object_get(position, "ahead");
	bool valid = json_object_size(position) == 2 && (json_is_null(after) || is_cursor(after)) && json_is_array(ahead);

	for (size_t i = 0; valid && i < json_array_size(ahead); i++) {
		const json_t *pair = json_array_get(ahead, i), *sale = json_array_get(pair, 0);

		valid = json_array_size(pair) == 2 && json_is_string(sale) &&
			sale_id_valid((struct slice){json_string_value(sale), json_string_length(sale)}) &&
			is_cursor(json_array_get(pair, 1));
	}
	return valid;
}

void operator_relays_keep(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_relay relay;
	json_t *position = NULL;
	struct body_field fields[] = {
		{.name = "version", .kind = BODY_INTEGER, .target = &relay.version, .required = true, .min = 0, .max = INT64_MAX},
		{.name = "position", .kind = BODY_OBJECT, .target = &position, .required = true},
	};
	char *text;
	int r;

	if (!take_name(task, &relay) || body_read(task->body, fields, 2, "", &task->reply))
		return;
	if (!position_valid(position)) {
		reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "position",
				"position has `after`, a cursor or null, and `ahead`, pairs of a sale and a cursor, and no more.");
		return;
	}
	text = json_dumps(position, JSON_COMPACT);
	if (!text || strlen(text) > LEDGER_RELAY_TEXT_MAX) {
		reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "position", "position has at most %d bytes.",
				LEDGER_RELAY_TEXT_MAX);
		free(text);
		return;
	}
	memcpy(relay.position, text, strlen(text) + 1);
	free(text);
	relay.at_ms = clock_wall_ms();
	r = ledger->ops->relay_put(ledger, &relay);
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_CONFLICT)
		reply_problem(&task->reply, PROBLEM_RELAY_CHANGED, NULL);
	else
		answer(task, slice_of(relay.name));
}

void operator_relays_skip(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct ledger_relay relay;
	struct slice change = SLICE_NULL, reason = SLICE_NULL;
	struct body_field fields[] = {
		{.name = "change",
		 .kind = BODY_TEXT,
		 .target = &change,
		 .required = true,
		 .valid = event_name_valid,
		 .rule = "the `id` of a change: ID/KIND/MS or ID/KIND/MS/LEFT"},
		{.name = "reason",
		 .kind = BODY_TEXT,
		 .target = &reason,
		 .required = true,
		 .valid = sale_name_valid,
		 .rule = "1 to 200 bytes of text without control characters"},
	};
	struct buffer detail;
	int r;

	if (!take_name(task, &relay) || body_read(task->body, fields, 2, "", &task->reply))
		return;
	buffer_init(&detail, 1024);
	buffer_append_literal(&detail, "{");
	render_text_member(&detail, "change", change);
	render_text_member(&detail, "reason", reason);
	buffer_append_literal(&detail, "}");
	r = ledger->ops->relay_skip(ledger, slice_of(relay.name), change, &actor, buffer_slice(&detail));
	buffer_deinit(&detail);
	(void)ledger_task_repeats(task, &r);
	if (!ledger_task_refuses(task, r))
		answer(task, slice_of(relay.name));
}

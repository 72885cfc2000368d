/* The operator log. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "gate/ledger_task.h"
#include "gate/operator/routes.h"
#include "gate/render.h"

static void render_row(const struct ledger_log_row *row, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_int_member(out, "number", row->number);
	render_name(out, "at");
	render_time(row->at_ms, out);
	render_text_member(out, "actor", slice_of(row->actor));
	render_text_member(out, "action", slice_of(row->action));
	render_text_member(out, "subject", slice_of(row->subject));
	render_name(out, "detail");
	buffer_append_text(out, row->detail[0] ? row->detail : "{}"); /* JSON already */
	render_text_member(out, "hash", slice_of(row->hash));
	buffer_append_literal(out, "}");
}

static void work_log(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct buffer *out = &task->reply.body;
	struct ledger_log_filter filter = task->log.filter;
	struct ledger_log_row *rows;
	size_t count = 0;
	char last[24];
	int r;

	if (!gate_after_number(task->after, INT64_MAX, &filter.after, &task->reply))
		return;
	filter.actor = slice_of(task->log.actor);
	filter.action = slice_of(task->log.action);
	filter.subject = slice_of(task->log.subject);
	rows = calloc((size_t)task->limit, sizeof(*rows));
	r = rows ? ledger->ops->log_rows(ledger, &filter, rows, (size_t)task->limit, &count) : -ENOMEM;
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
	} else {
		buffer_append_literal(out, "{\"rows\":[");
		for (size_t i = 0; i < count; i++) {
			if (i)
				buffer_append_literal(out, ",");
			render_row(&rows[i], out);
		}
		snprintf(last, sizeof(last), "%lld", count ? (long long)rows[count - 1].number : 0);
		ledger_task_end_list(task, count, slice_of(last));
	}
	free(rows);
}

/* One parameter that is a text; false: it has answered. */
static bool take_text(struct gate_request *request, const char *name, char *text, size_t size)
{
	if (http_request_query(request->http, slice_of(name), text, size) >= 0)
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, name, "%s must be a text of at most %zu bytes, once.",
			name, size - 1);
	gate_answer(request, &request->thread->reply);
	return false;
}

/* `action`, which must be one that there is; false: it has answered. */
static bool take_action(struct gate_request *request, char *action, size_t size)
{
	struct buffer known;

	if (!take_text(request, "action", action, size))
		return false;
	if (action[0] == '\0' || log_action_asked(slice_of(action)))
		return true;
	buffer_init(&known, 1024);
	for (size_t i = 0; i < ACTION_COUNT; i++)
		buffer_printf(&known, "%s%s", i ? ", " : "", log_action_name((enum log_action)i));
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, "action",
			"action must be one of %.*s; or what stands before a dot.", (int)known.size, known.size ? known.data : "");
	buffer_deinit(&known);
	gate_answer(request, &request->thread->reply);
	return false;
}

/*
 * One parameter that is one of two words; *first: it is the first. False: it has answered. *given:
 * it is there.
 */
static bool take_word(struct gate_request *request, const char *name, const char *one, const char *other, bool *given, bool *first)
{
	char text[16];
	int r = http_request_query(request->http, slice_of(name), text, sizeof(text));

	*given = r == 0;
	*first = r == 0 && strcmp(text, one) == 0;
	if (r == 1 || *first || (r == 0 && strcmp(text, other) == 0))
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, name, "%s must be %s or %s.", name, one, other);
	gate_answer(request, &request->thread->reply);
	return false;
}

static bool take_since(struct gate_request *request, int64_t *since_ms)
{
	char text[64];
	int r = http_request_query(request->http, SLICE("since"), text, sizeof(text));

	if (r == 1 || (r == 0 && clock_parse(text, strlen(text), since_ms) == 0))
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, "since", "since must be a time like 2027-01-01T10:00:00Z.");
	gate_answer(request, &request->thread->reply);
	return false;
}

static bool take_filters(struct gate_request *request, struct ledger_task *task)
{
	struct ledger_log_filter *filter = &task->log.filter;
	bool given, payments;

	if (!take_text(request, "actor", task->log.actor, sizeof(task->log.actor)) ||
	    !take_action(request, task->log.action, sizeof(task->log.action)) ||
	    !take_text(request, "subject", task->log.subject, sizeof(task->log.subject)) ||
	    !take_word(request, "order", "newest", "oldest", &given, &filter->newest_first) ||
	    !take_word(request, "kind", "payments", "doings", &given, &payments) || !take_since(request, &filter->since_ms))
		return false;
	filter->kind = !given ? LEDGER_LOG_ALL : payments ? LEDGER_LOG_PAYMENTS : LEDGER_LOG_DOINGS;
	return true;
}

void operator_log(struct gate_request *request)
{
	char after[LEDGER_TASK_NAME_MAX + 1];
	struct ledger_task *task;
	int64_t limit;

	if (!gate_page(request, after, sizeof(after), &limit))
		return;
	task = ledger_task_new(request, work_log);
	if (!task)
		return;
	memcpy(task->after, after, sizeof(after));
	task->limit = limit;
	if (take_filters(request, task))
		ledger_task_send(request, task);
	else
		ledger_task_free(task);
}

/* --- Tokens that nobody has: one row a minute, however many come --- */

static const int64_t note_pause_ns = 60000000000;

struct note {
	struct blocking_task task; /* first */
	struct ledger *ledger;
	uint64_t tokens;
	char address[ADDRESS_TEXT_SIZE];
};

static void run_note(struct blocking_task *task)
{
	const struct note *note = (const struct note *)task;
	char detail[64];

	snprintf(detail, sizeof(detail), "{\"tokens\":%llu}", (unsigned long long)note->tokens);
	operator_log_note(note->ledger, SLICE("nobody"), ACTION_OPERATOR_REFUSED, slice_of(note->address), slice_of(detail));
}

static void note_is_back(struct message *message, void *receiver)
{
	struct gate_thread *thread = receiver;

	thread->noting = false;
	free(message); /* the note's first member's */
}

void operator_log_wrong_token(struct gate_request *request)
{
	struct gate_thread *thread = request->thread;
	int64_t now_ns = http_loop_now(thread->loop);
	struct address client = gate_client(request);
	struct note *note;

	thread->wrong_tokens++;
	if (thread->noting || now_ns < thread->note_due_ns)
		return;
	note = calloc(1, sizeof(*note));
	if (!note)
		return;
	note->task.message = (struct message){.reply = thread->replies, .on_complete = note_is_back};
	note->task.run = run_note;
	note->ledger = thread->gate->settings.ledger;
	note->tokens = thread->wrong_tokens;
	address_format(&client, note->address);
	if (!ledger_workers_send(thread->gate->settings.ledger_workers, TASK_CHANGE, &note->task)) {
		free(note);
		return;
	}
	thread->noting = true;
	thread->wrong_tokens = 0;
	thread->note_due_ns = now_ns + note_pause_ns;
}

void operator_log_note(struct ledger *ledger, struct slice actor, enum log_action action, struct slice subject, struct slice detail_json)
{
	const struct ledger_actor who = {.kind = ACTOR_OPERATOR, .name = actor, .now_ms = clock_wall_ms()};
	int r = ledger->ops->log_append(ledger, &who, action, subject, detail_json);

	if (r)
		log_warn("gate", "what was done is not in the operator log: the ledger cannot be written",
			 LOG_TEXT("action", log_action_name(action)), LOG_SLICE("actor", actor), LOG_TEXT("error", error_text(r)));
}

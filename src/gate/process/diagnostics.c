/* For load balancers, people and Prometheus. */
#include <stdio.h>
#include "base/clock.h"
#include "gate/body.h"
#include "gate/ledger_task.h"
#include "gate/process/routes.h"
#include "gate/readiness.h"
#include "gate/render.h"
#include "gate/thread.h"

static void answer_text(struct gate_request *request, int status, const char *text)
{
	struct reply *reply = &request->thread->reply;

	reply->status = status;
	reply->content_type = SLICE("text/plain; charset=utf-8");
	buffer_append_text(&reply->body, text);
	gate_answer(request, reply);
}

void diagnostics_live(struct gate_request *request)
{
	answer_text(request, 200, "ok\n");
}

/* 200 or 503; with ?verbose the checks by name, in the manner of Kubernetes. */
void diagnostics_ready(struct gate_request *request)
{
	struct health_check checks[READY_CHECKS];
	struct buffer text;
	bool verbose;
	char none[2];

	readiness_look(request->thread, checks);
	verbose = http_request_query(request->http, SLICE("verbose"), none, sizeof(none)) != 1;
	buffer_init(&text, 4096);
	health_render_ready(checks, READY_CHECKS, verbose, &text);
	if (buffer_reserve(&text, 1)) {
		text.data[text.size] = '\0';
		answer_text(request, health_is_ready(checks, READY_CHECKS) ? 200 : 503, text.data);
	}
	buffer_deinit(&text);
}

static void stock_component(const struct gate *gate, const struct health_check *check, struct buffer *out)
{
	struct stock *stock = gate->settings.admission->stock;
	struct stock_totals totals = {0};

	stock->ops->totals(stock, &totals);
	health_begin_component(out, "stock", check->reason ? "DOWN" : "UP");
	render_text_member(out, "kind", slice_of(stock->ops->name));
	if (check->reason)
		render_text_member(out, "reason", slice_of(check->reason));
	render_int_member(out, "available", totals.available);
	render_int_member(out, "held", totals.held);
	render_int_member(out, "confirmed", totals.confirmed);
	render_int_member(out, "withdrawn", totals.withdrawn);
	render_int_member(out, "buyers", totals.buyers);
	render_int_member(out, "orders", totals.orders);
	render_int_member(out, "outbox", totals.outbox);
	render_int_member(out, "memory_bytes", totals.memory_bytes);
	health_end_component(out);
}

/* What a shared stock has forgotten is rebuilt by one process of several: this one's part in it. */
static void rebuild_component(const struct gate *gate, struct buffer *out)
{
	const struct rebuild_progress *progress;

	if (!gate->settings.rebuilder)
		return;
	progress = rebuilder_progress(gate->settings.rebuilder);
	health_begin_component(out, "rebuild", "UP");
	render_text_member(out, "phase", slice_of(rebuilder_phase_name((enum rebuild_phase)atomic_load(&progress->phase))));
	render_int_member(out, "sales", atomic_load(&progress->sales));
	render_int_member(out, "held", atomic_load(&progress->held));
	render_int_member(out, "rebuilt", atomic_load(&progress->rebuilt_total));
	render_int_member(out, "failed", atomic_load(&progress->failed_total));
	health_end_component(out);
}

static void sales_component(struct gate_thread *thread, struct buffer *out)
{
	const struct sale_table *table = gate_sales(thread);
	int64_t open = 0, now_ms = clock_wall_ms();

	for (size_t i = 0; i < sale_table_count(table); i++)
		open += sale_phase(sale_table_at(table, i)->sale, now_ms) == SALE_PHASE_OPEN;
	health_begin_component(out, "sales", "UP");
	render_int_member(out, "known", (int64_t)sale_table_count(table));
	render_int_member(out, "open", open);
	health_end_component(out);
}

static void lanes_component(const struct gate *gate, struct buffer *out)
{
	int64_t undelivered = journal_worker_undelivered(gate->settings.journal_worker), ledger = 0;

	for (int i = 0; i < TASK_CLASSES; i++)
		ledger += (int64_t)ledger_workers_depth(gate->settings.ledger_workers, (enum task_class)i);
	health_begin_component(out, "lanes", "UP");
	render_int_member(out, "journal", (int64_t)lane_depth(gate->settings.journal_lane));
	render_int_member(out, "ledger", ledger);
	render_int_member(out, "outcome_unknown", undelivered);
	health_end_component(out);
}

/* In the shape of Spring Boot's Actuator, which dashboards know. */
void diagnostics_health(struct gate_request *request)
{
	struct gate *gate = request->thread->gate;
	struct reply *reply = &request->thread->reply;
	struct health_check checks[READY_CHECKS];
	struct buffer components;
	const char *status = "UP";

	readiness_look(request->thread, checks);
	buffer_init(&components, 16384);
	buffer_append_literal(&components, "{");
	health_render_check(&checks[READY_LEDGER], gate->settings.ledger->ops->name, &components);
	health_render_check(&checks[READY_JOURNAL], gate->settings.journal->ops->name, &components);
	stock_component(gate, &checks[READY_STOCK], &components);
	rebuild_component(gate, &components);
	sales_component(request->thread, &components);
	lanes_component(gate, &components);
	if (!health_render_promises(gate->settings.promises, &components) || checks[READY_STOCK].reason ||
	    checks[READY_JOURNAL].reason || checks[READY_LEDGER].reason)
		status = "DOWN";
	buffer_append_literal(&components, "}");
	if (checks[READY_SERVING].reason || checks[READY_STOPPING].reason)
		status = "OUT_OF_SERVICE";
	reply->status = strcmp(status, "UP") == 0 ? 200 : 503;
	health_render(status, buffer_slice(&components), &reply->body);
	buffer_deinit(&components);
	gate_answer(request, reply);
}

void diagnostics_metrics(struct gate_request *request)
{
	struct reply *reply = &request->thread->reply;
	enum metrics_format format = metrics_format_asked(http_request_header(request->http, SLICE("Accept")));

	reply->content_type = metrics_content_type(format);
	reply_header(reply, "Vary", SLICE("Accept"));
	metrics_render(request->thread->gate->settings.metrics, format, &reply->body);
	gate_answer(request, reply);
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", [LOG_OFF] = "off"};

	return names[level];
}

static void render_level(struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_text_member(out, "level", slice_of(level_name(log_get_level())));
	buffer_append_literal(out, "}");
}

void diagnostics_log_level(struct gate_request *request)
{
	render_level(&request->thread->reply.body);
	gate_answer(request, &request->thread->reply);
}

static bool level_valid(struct slice text)
{
	for (int i = LOG_DEBUG; i <= LOG_OFF; i++)
		if (slice_equal(text, slice_of(level_name((enum log_level)i))))
			return true;
	return false;
}

void diagnostics_set_log_level(struct ledger_task *task)
{
	struct slice text = SLICE_NULL;
	struct body_field fields[] = {
		{.name = "level",
		 .kind = BODY_TEXT,
		 .target = &text,
		 .required = true,
		 .valid = level_valid,
		 .rule = "one of debug, info, warn, error, off"},
	};
	char detail[64];

	if (body_read(task->body, fields, 1, "", &task->reply))
		return;
	for (int i = LOG_DEBUG; i <= LOG_OFF; i++)
		if (slice_equal(text, slice_of(level_name((enum log_level)i))))
			log_set_level((enum log_level)i);
	/* Whoever looks for what is wrong with the ledger can still do it. */
	snprintf(detail, sizeof(detail), "{\"level\":\"%.*s\"}", (int)text.size, text.data);
	operator_log_note(ledger_task_ledger(task), slice_of(task->actor), ACTION_LOG_LEVEL, SLICE("log"), slice_of(detail));
	render_level(&task->reply.body);
}

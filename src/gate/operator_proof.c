/* Proof: the audit of P1 to P4 now, and the operator log. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "gate/errand.h"
#include "gate/render.h"

static void render_promise(struct buffer *out, const char *name, int64_t broken)
{
	render_name(out, name);
	buffer_append_literal(out, "{");
	render_int_member(out, "broken", broken);
	buffer_append_literal(out, "}");
}

static void render_totals(const struct ledger_audit *audit, struct buffer *out)
{
	render_name(out, "totals");
	buffer_append_literal(out, "{");
	render_int_member(out, "sales", audit->sales);
	render_int_member(out, "lots", audit->lots);
	render_int_member(out, "orders", audit->orders);
	render_int_member(out, "held", audit->held);
	render_int_member(out, "confirmed", audit->confirmed);
	render_int_member(out, "cancelled", audit->cancelled);
	render_int_member(out, "expired", audit->expired);
	render_int_member(out, "units_allocated", audit->units_allocated);
	render_int_member(out, "units_available", audit->units_available);
	render_int_member(out, "units_held", audit->units_held);
	render_int_member(out, "units_confirmed", audit->units_confirmed);
	render_int_member(out, "units_withdrawn", audit->units_withdrawn);
	render_int_member(out, "movements", audit->movements);
	render_int_member(out, "dead_letters", audit->dead_letters);
	buffer_append_literal(out, "}");
}

static void count_broken(struct promises *promises, const struct ledger_audit *audit)
{
	promises_break(promises, PROMISE_NEVER_OVERSOLD, (uint64_t)audit->p1_broken);
	promises_break(promises, PROMISE_NEVER_LOST, (uint64_t)audit->p2_broken);
	promises_break(promises, PROMISE_NEVER_TWICE, (uint64_t)audit->p3_broken);
	promises_break(promises, PROMISE_NEVER_LEAKED, (uint64_t)audit->p4_broken);
}

static void work_audit(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct buffer *out = &errand->reply.body;
	struct ledger_audit audit;
	int r = ledger->ops->audit(ledger, &audit);

	if (r < 0) {
		errand_refuse_fatal(errand, r);
		return;
	}
	count_broken(errand->thread->gate->settings.promises, &audit);
	buffer_append_literal(out, "{");
	render_name(out, "ok");
	buffer_append_text(out, audit.p1_broken + audit.p2_broken + audit.p3_broken + audit.p4_broken + audit.log_broken ? "false"
															 : "true");
	render_name(out, "promises");
	buffer_append_literal(out, "{");
	render_promise(out, "p1", audit.p1_broken);
	render_promise(out, "p2", audit.p2_broken);
	render_promise(out, "p3", audit.p3_broken);
	render_promise(out, "p4", audit.p4_broken);
	buffer_append_literal(out, "}");
	render_name(out, "operator_log");
	buffer_append_literal(out, "{");
	render_int_member(out, "rows", audit.log_rows);
	render_int_member(out, "broken", audit.log_broken);
	buffer_append_literal(out, "}");
	render_totals(&audit, out);
	render_name(out, "first");
	if (audit.first[0])
		buffer_append_json_string(out, slice_of(audit.first));
	else
		buffer_append_literal(out, "null");
	buffer_append_literal(out, "}");
}

void operator_audit(struct gate_request *request)
{
	errand_start(request, work_audit);
}

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

static void work_log(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct buffer *out = &errand->reply.body;
	struct ledger_log_row *rows;
	size_t count = 0;
	int64_t after;
	char last[24];
	int r;

	if (!gate_after_number(errand->after, INT64_MAX, &after, &errand->reply))
		return;
	rows = calloc((size_t)errand->limit, sizeof(*rows));
	r = rows ? ledger->ops->log_rows(ledger, after, rows, (size_t)errand->limit, &count) : -ENOMEM;
	if (r < 0) {
		errand_refuse_fatal(errand, r);
	} else {
		buffer_append_literal(out, "{\"rows\":[");
		for (size_t i = 0; i < count; i++) {
			if (i)
				buffer_append_literal(out, ",");
			render_row(&rows[i], out);
		}
		snprintf(last, sizeof(last), "%lld", count ? (long long)rows[count - 1].number : 0);
		errand_end_list(errand, count, slice_of(last));
	}
	free(rows);
}

void operator_log(struct gate_request *request)
{
	errand_start_list(request, work_log);
}

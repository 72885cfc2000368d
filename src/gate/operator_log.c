/* The operator log. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "gate/errand.h"
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

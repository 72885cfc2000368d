/* What is for sale, as buyers see it: from the gate's own snapshot, without I/O. */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/siphash.h"
#include "gate/buyer/routes.h"
#include "gate/render.h"
#include "gate/thread.h"

static void render(struct gate_thread *thread, const struct sale *sale, struct buffer *out)
{
	struct stock_lot_state lots[LOTS_MAX];

	render_public_sale(sale, gate_lots(thread->gate, sale, lots) ? lots : NULL, clock_wall_ms(), out);
}

/*
 * The same for all who ask, and good for a second: a cache before the gates may answer a stampede.
 * A client that has it already is told so.
 */
static void answer_cacheable(struct gate_request *request)
{
	static const struct siphash_key key = {0};
	struct reply *reply = &request->thread->reply;
	char tag[32];

	snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", siphash64(&key, reply->body.data, reply->body.size));
	reply_header(reply, "Cache-Control", SLICE("public, max-age=1, stale-while-revalidate=5"));
	reply_header(reply, "ETag", slice_of(tag));
	if (http_request_has_tag(request->http, slice_of(tag))) {
		reply->status = 304;
		reply->content_type = SLICE_NULL;
		buffer_clear(&reply->body);
	}
	gate_answer(request, reply);
}

void sales_show(struct gate_request *request)
{
	struct gate_thread *thread = request->thread;
	struct sale_entry *entry = sale_table_find(gate_sales(thread), request->parameters[0]);

	if (!entry || sale_phase(entry->sale, clock_wall_ms()) == SALE_PHASE_HIDDEN) {
		gate_refuse(request, entry ? PROBLEM_UNKNOWN_SALE : gate_no_sale(thread->gate), NULL);
		return;
	}
	render(thread, entry->sale, &thread->reply.body);
	answer_cacheable(request);
}

void sales_list(struct gate_request *request)
{
	struct gate_thread *thread = request->thread;
	const struct sale_table *table = gate_sales(thread);
	struct buffer *out = &thread->reply.body;
	int64_t limit, number, shown = 0, now_ms = clock_wall_ms();
	uint32_t last = 0;
	char after[16];
	bool more = false;

	if (!gate_page(request, after, sizeof(after), &limit))
		return;
	if (!sale_catalog_is_whole(thread->gate->settings.catalog)) { /* a list that lacks some would say that they are not there */
		gate_refuse(request, PROBLEM_LEDGER_UNAVAILABLE, NULL);
		return;
	}
	if (!gate_after_number(after, UUID_TAG_MAX, &number, &thread->reply)) {
		gate_answer(request, &thread->reply);
		return;
	}
	buffer_append_literal(out, "{\"sales\":[");
	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		if (sale->number <= number || sale_phase(sale, now_ms) == SALE_PHASE_HIDDEN)
			continue;
		more = shown == limit;
		if (more)
			break;
		if (shown++)
			buffer_append_literal(out, ",");
		render(thread, sale, out);
		last = sale->number;
	}
	buffer_append_literal(out, "],\"next\":");
	if (more)
		buffer_printf(out, "\"%u\"", last);
	else
		buffer_append_literal(out, "null");
	buffer_append_literal(out, "}");
	answer_cacheable(request);
}

#include "gate/sale_view.h"

#include "base/clock.h"
#include "gate/readiness.h"
#include "gate/render.h"

enum { POINTS_AT_ONCE = 600 }; /* 60 KB of text at the most: a watcher who reads slowly has room for an hour of them */
static const int64_t step_ns = 1000000000;

bool sale_view_due(const struct gate_thread *thread, const struct sale *sale, const struct sale_view_place *place, int64_t now_ns)
{
	return place->sent_ns == 0 || sale_history_end(thread->history, sale->number) > place->next ||
	       now_ns - place->sent_ns > 2 * step_ns;
}

static void render_columns(struct buffer *out)
{
	buffer_append_literal(out, ",\"columns\":[\"unix_ms\"");
	for (int i = 0; i < ANSWER_CLASSES; i++) {
		buffer_append_literal(out, ",\"");
		buffer_append_text(out, sale_history_classes[i]);
		buffer_append_literal(out, "\"");
	}
	buffer_append_literal(out, ",\"available\",\"held\",\"confirmed\",\"withdrawn\"]");
}

static void render_point(const struct history_point *point, struct buffer *out)
{
	const int64_t units[] = {point->available, point->held, point->confirmed, point->withdrawn};

	buffer_append_literal(out, "[");
	buffer_append_int(out, point->at_ms);
	for (int i = 0; i < ANSWER_CLASSES; i++) {
		buffer_append_literal(out, ",");
		buffer_append_int(out, point->purchases[i]);
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		buffer_append_literal(out, ",");
		buffer_append_int(out, units[i]);
	}
	buffer_append_literal(out, "]");
}

static void render_points(const struct sale_history *history, uint32_t sale, uint64_t from, uint64_t to, struct buffer *out)
{
	render_name(out, "points");
	buffer_append_literal(out, "[");
	for (uint64_t i = from; i < to; i++) {
		if (i > from)
			buffer_append_literal(out, ",");
		render_point(sale_history_at(history, sale, i), out);
	}
	buffer_append_literal(out, "]");
}

/* Of the newest point, or what the stock has now. Left out where it has none. */
static void render_lots(const struct gate_thread *thread, const struct sale *sale, bool of_point, struct buffer *out)
{
	struct stock_lot_state fresh[LOTS_MAX];
	const struct stock_lot_state *lots = fresh;

	if (of_point) {
		const struct history_now *now = sale_history_now(thread->history, sale->number);

		if (now->lot_count != sale->lot_count)
			return;
		lots = now->lots;
	} else if (!gate_lots(thread->gate, sale, fresh)) {
		return;
	}
	render_name(out, "lots");
	buffer_append_literal(out, "[");
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		render_operator_lot(sale->lots[i].sku, &lots[i], out);
	}
	buffer_append_literal(out, "]");
}

/* What is not well, and which promises were seen broken. */
static void render_trouble(struct gate_thread *thread, struct buffer *out)
{
	struct health_check checks[READY_CHECKS];
	bool first = true;

	readiness_look(thread, checks);
	render_name(out, "trouble");
	buffer_append_literal(out, "[");
	for (size_t i = 0; i < READY_CHECKS; i++) {
		if (!checks[i].reason)
			continue;
		buffer_append_text(out, first ? "{" : ",{");
		render_text_member(out, "check", slice_of(checks[i].name));
		render_text_member(out, "reason", slice_of(checks[i].reason));
		buffer_append_literal(out, "}");
		first = false;
	}
	buffer_append_literal(out, "]");
	first = true;
	render_name(out, "broken");
	buffer_append_literal(out, "[");
	for (int i = 0; i < PROMISE_COUNT; i++) {
		if (promises_broken(thread->gate->settings.promises, (enum promise)i) == 0)
			continue;
		buffer_append_text(out, first ? "\"" : ",\"");
		buffer_append_text(out, promise_name((enum promise)i));
		buffer_append_literal(out, "\"");
		first = false;
	}
	buffer_append_literal(out, "]");
}

void sale_view_render(struct gate_thread *thread, const struct sale *sale, struct sale_view_place *place, int64_t now_ns,
		      struct buffer *out)
{
	const struct sale_history *history = thread->history;
	uint64_t end = sale_history_end(history, sale->number), first = sale_history_first(history, sale->number);
	uint64_t from = place->next < first || place->next > end ? first : place->next; /* beyond the end: it was begun anew */
	uint64_t to = end - from > POINTS_AT_ONCE ? from + POINTS_AT_ONCE : end;
	bool of_point = sale_history_goes_on(history, sale->number);

	render_clock(of_point ? sale_history_at(history, sale->number, end - 1)->at_ms : clock_wall_ms(), out);
	out->size--; /* the closing brace comes after more members */
	render_columns(out);
	render_points(history, sale->number, from, to, out);
	render_name(out, "more");
	buffer_append_text(out, to < end ? "true" : "false");
	if (to == end) {
		render_lots(thread, sale, of_point, out);
		render_trouble(thread, out);
	}
	buffer_append_literal(out, "}");
	place->next = to;
	place->sent_ns = now_ns;
}

#include "ledger/log_detail.h"

#include <stdio.h>
#include <string.h>

void log_detail_terms(struct buffer *out, const struct sale *sale)
{
	int64_t units = 0;

	for (uint32_t i = 0; i < sale->lot_count; i++)
		units += sale->lots[i].allocated;
	buffer_printf(out, "{\"lots\":%u,\"units\":%lld,\"price\":%lld,\"currency\":\"%s\",\"limit_per_buyer\":%u,",
		      sale->lot_count, (long long)units, (long long)sale->price_minor, sale->currency, sale->limit_per_buyer);
	buffer_printf(out, "\"rate\":\"%u/%u\",\"hold_seconds\":%u,\"opens_at_ms\":%lld,\"closes_at_ms\":%lld,", sale->rate_requests,
		      sale->rate_seconds, sale->hold_seconds, (long long)sale->opens_at_ms, (long long)sale->closes_at_ms);
	buffer_printf(out, "\"schedule\":%s,\"announce\":%s,\"name\":", sale->scheduled ? "true" : "false",
		      sale->announced ? "true" : "false");
	buffer_append_json_string(out, slice_of(sale->name));
	buffer_append_literal(out, "}");
}

struct slice log_detail_item(char text[static LOG_DETAIL_SIZE], int64_t on_hand)
{
	snprintf(text, LOG_DETAIL_SIZE, "{\"on_hand\":%lld}", (long long)on_hand);
	return slice_of(text);
}

struct slice log_detail_import(char text[static LOG_DETAIL_SIZE], size_t items, size_t sales)
{
	snprintf(text, LOG_DETAIL_SIZE, "{\"items\":%zu,\"sales\":%zu}", items, sales);
	return slice_of(text);
}

/* `,"reason":…` in `why`, which has room for any; nothing where there is none. */
static void add_reason(struct buffer *why, struct slice reason)
{
	buffer_init(why, LOG_DETAIL_SIZE);
	if (reason.size == 0)
		return;
	buffer_append_literal(why, ",\"reason\":");
	buffer_append_json_string(why, reason);
}

static const char *text_of(const struct buffer *why)
{
	return why->size && !why->failed ? why->data : "";
}

struct slice log_detail_receive(char text[static LOG_DETAIL_SIZE], int64_t units, struct slice reason, const struct uuid *movement)
{
	char id[UUID_TEXT_SIZE];
	struct buffer why;

	uuid_format(movement, id);
	add_reason(&why, reason);
	snprintf(text, LOG_DETAIL_SIZE, "{\"units\":%lld,\"movement\":\"%s\"%.*s}", (long long)units, id, (int)why.size,
		 text_of(&why));
	buffer_deinit(&why);
	return slice_of(text);
}

struct slice log_detail_units(char text[static LOG_DETAIL_SIZE], const char *sku, uint32_t units, const struct uuid *movement)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(movement, id);
	snprintf(text, LOG_DETAIL_SIZE, "{\"sku\":\"%s\",\"units\":%u,\"movement\":\"%s\"}", sku, units, id);
	return slice_of(text);
}

struct slice log_detail_lots(char text[static LOG_DETAIL_SIZE], const struct sale_lot *lots, uint32_t count)
{
	static const char more[] = "},\"more\":4294967295}";
	int size = snprintf(text, LOG_DETAIL_SIZE, "{\"lots\":{");
	uint32_t told = 0;

	while (told < count) {
		char lot[sizeof(lots->sku) + 32];
		int added = snprintf(lot, sizeof(lot), "%s\"%s\":%lld", told ? "," : "", lots[told].sku,
				     (long long)lots[told].allocated);

		if (size + added + (int)sizeof(more) > LOG_DETAIL_SIZE)
			break;
		memcpy(text + size, lot, (size_t)added);
		size += added;
		told++;
	}
	if (told < count)
		snprintf(text + size, sizeof(more), "},\"more\":%u}", count - told);
	else
		snprintf(text + size, sizeof(more), "}}");
	return slice_of(text);
}

/* `,"quantity":…,"units":…,"reference":…` of what gives units back, as far as it was said. */
static void add_given_back(struct buffer *why, const struct event *event)
{
	if (event->kind == EVENT_REDUCED)
		buffer_printf(why, ",\"quantity\":%u,\"left\":%u", event->quantity, event->left);
	if (event->units_to != UNITS_TO_SALE)
		buffer_printf(why, ",\"units\":\"%s\"", order_units_to_name(event->units_to));
	if (event->refund.size == 0)
		return;
	buffer_append_literal(why, ",\"reference\":");
	buffer_append_json_string(why, event->refund);
}

struct slice log_detail_order(char text[static LOG_DETAIL_SIZE], const char *sale_id, const char *sku, const struct event *event)
{
	struct buffer why;

	add_reason(&why, event->reason);
	add_given_back(&why, event);
	snprintf(text, LOG_DETAIL_SIZE, "{\"sale\":\"%s\",\"sku\":\"%s\"%.*s}", sale_id, sku, (int)why.size, text_of(&why));
	buffer_deinit(&why);
	return slice_of(text);
}

enum log_action log_action_of_sale(enum sale_action action)
{
	switch (action) {
	case SALE_ARM:
		return ACTION_SALE_ARM;
	case SALE_START:
		return ACTION_SALE_OPEN;
	case SALE_PAUSE:
		return ACTION_SALE_PAUSE;
	case SALE_RESUME:
		return ACTION_SALE_RESUME;
	case SALE_END:
		return ACTION_SALE_END;
	case SALE_DELETE:
		return ACTION_SALE_DELETE;
	case SALE_DISARM:
		return ACTION_SALE_DISARM;
	}
	assertion_failed("a known action", __FILE__, __LINE__, __func__);
}

enum log_action log_action_of_event(enum event_kind kind)
{
	switch (kind) {
	case EVENT_CONFIRMED:
		return ACTION_ORDER_CONFIRM;
	case EVENT_CANCELLED:
		return ACTION_ORDER_CANCEL;
	case EVENT_REFUNDED:
		return ACTION_ORDER_REFUND;
	case EVENT_REDUCED:
		return ACTION_ORDER_REDUCE;
	case EVENT_EXTENDED:
		return ACTION_ORDER_EXTEND;
	case EVENT_PAID:
		return ACTION_ORDER_PAID;
	case EVENT_WITHDRAWN:
		return ACTION_LOT_WITHDRAW;
	case EVENT_RESERVED:
	case EVENT_EXPIRED:
	case EVENT_BARRIER:
		break;
	}
	assertion_failed("a kind of event that is an operator's", __FILE__, __LINE__, __func__);
}

/* Events as JSON, written. */
#include "base/clock.h"
#include "model/event_kinds.h"

enum { TIME_DIGITS_MAX = 15 };

static void put_integer(struct buffer *out, const char *name, int64_t value)
{
	buffer_append_literal(out, ",\"");
	buffer_append_text(out, name);
	buffer_append_literal(out, "\":");
	buffer_append_int(out, value);
}

static void put_time(struct buffer *out, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	buffer_append_literal(out, ",\"");
	buffer_append_text(out, name);
	buffer_append_literal(out, "\":\"");
	clock_format(wall_ms, text);
	buffer_append(out, text, CLOCK_TEXT_SIZE - 1);
	buffer_append_literal(out, "\"");
}

static void put_text(struct buffer *out, const char *name, struct slice text)
{
	if (text.size == 0)
		return;
	buffer_append_literal(out, ",\"");
	buffer_append_text(out, name);
	buffer_append_literal(out, "\":");
	buffer_append_json_string(out, text);
}

static void put_payment(struct buffer *out, const struct payment *payment)
{
	if (payment->reference.size == 0)
		return;
	put_text(out, "payment_reference", payment->reference);
	if (payment->amount != PAYMENT_NO_AMOUNT)
		put_integer(out, "payment_amount", payment->amount);
	put_text(out, "payment_currency", slice_of(payment->currency));
	put_text(out, "payment_method", payment->method);
}

static void put_labels(struct buffer *out, const struct labels *labels)
{
	put_text(out, "reference", labels->reference);
	if (labels->metadata.size == 0)
		return;
	buffer_append_literal(out, ",\"metadata\":");
	buffer_append_slice(out, labels->metadata); /* JSON already */
}

static void put_units(struct buffer *out, const struct event *event)
{
	if (event->quantity)
		put_integer(out, "quantity", event->quantity);
	if (event->left)
		put_integer(out, "left", event->left);
	if (event->units_to != UNITS_TO_SALE)
		put_text(out, "units", slice_of(order_units_to_name(event->units_to)));
	put_text(out, "reference", event->refund);
}

void event_name(const struct event *event, struct buffer *out)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&event->id, id);
	buffer_append(out, id, UUID_TEXT_SIZE - 1);
	buffer_append_literal(out, "/");
	buffer_append_text(out, event_kind_name(event->kind));
	buffer_append_literal(out, "/");
	buffer_append_int(out, event->at_ms);
	if (event->kind != EVENT_REDUCED)
		return;
	buffer_append_literal(out, "/");
	buffer_append_int(out, event->left);
}

/* The next part of a name, up to a slash or its end. */
static struct slice next_part(struct slice *rest)
{
	const char *slash = rest->size ? memchr(rest->data, '/', rest->size) : NULL;
	struct slice part = {rest->data, slash ? (size_t)(slash - rest->data) : rest->size};

	*rest = slash ? (struct slice){slash + 1, rest->size - part.size - 1} : SLICE_NULL;
	return part;
}

/* What is too long, has a sign or leading zeros is not written so again. */
static int64_t number_of(struct slice digits)
{
	int64_t number = 0;

	for (size_t i = 0; i < digits.size && i < TIME_DIGITS_MAX; i++)
		number = number * 10 + (digits.data[i] & 15);
	return number;
}

/* Read for what it says, and written again. */
bool event_name_valid(struct slice text)
{
	struct slice rest = text, id = next_part(&rest), kind = next_part(&rest), at = next_part(&rest);
	struct event event = {.at_ms = number_of(at), .left = (uint32_t)number_of(rest)};
	struct buffer again;
	bool equal;

	for (int i = EVENT_RESERVED; i < (int)EVENT_KINDS_END; i++)
		if (slice_equal(kind, slice_of(event_kind_forms[i].name)))
			event.kind = (enum event_kind)i;
	if (!event.kind || uuid_parse(id, &event.id) < 0)
		return false;
	buffer_init(&again, 256);
	event_name(&event, &again);
	equal = slice_equal(text, buffer_slice(&again));
	buffer_deinit(&again);
	return equal;
}

void event_encode(const struct event *event, struct buffer *out)
{
	const struct event_kind_form *kind = &event_kind_forms[event->kind];
	char id[UUID_TEXT_SIZE];

	ASSERT((size_t)event->kind >= EVENT_RESERVED);
	ASSERT((size_t)event->kind < EVENT_KINDS_END);
	buffer_append_literal(out, "{\"v\":1,\"kind\":\"");
	buffer_append_text(out, kind->name);
	buffer_append_literal(out, "\",\"id\":\"");
	uuid_format(&event->id, id);
	buffer_append(out, id, UUID_TEXT_SIZE - 1);
	buffer_append_literal(out, "\"");
	put_integer(out, "sale", event->sale);
	put_integer(out, "epoch", event->epoch);
	put_time(out, "at", event->at_ms);
	if (kind->carries & WITH_LOT) {
		put_integer(out, "lot", event->lot);
		put_integer(out, "quantity", event->quantity);
	}
	if (kind->carries & WITH_BUYER) {
		put_text(out, "buyer", event->buyer);
		put_text(out, "key", event->key);
		put_integer(out, "buyer_units", event->buyer_units);
		put_integer(out, "limit_per_buyer", event->limit_per_buyer);
		if (event->priced)
			put_integer(out, "price", event->unit_price);
		put_labels(out, &event->labels);
	}
	if (kind->carries & WITH_HOLD) {
		if (event->hold_expires_at_ms != 0)
			put_time(out, "hold_expires_at", event->hold_expires_at_ms);
		else
			buffer_append_literal(out, ",\"hold_expires_at\":null");
	}
	if (!uuid_is_null(&event->request)) {
		uuid_format(&event->request, id);
		put_text(out, "request", slice_of(id));
	}
	if (kind->carries & WITH_PAYMENT)
		put_payment(out, &event->payment);
	if (kind->carries & WITH_UNITS)
		put_units(out, event);
	if (kind->carries & WITH_REASON)
		put_text(out, "reason", event->reason);
	put_text(out, "actor", event->actor);
	ASSERT((size_t)event->actor_kind < EVENT_ACTOR_KINDS_END);
	if (event->actor_kind != ACTOR_UNSAID)
		put_text(out, "actor_kind", slice_of(event_actor_kinds[event->actor_kind]));
	put_text(out, "trace", event->trace);
	buffer_append_literal(out, "}");
}

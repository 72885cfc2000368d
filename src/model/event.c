#include "model/event.h"

#include <jansson.h>
#include "base/clock.h"
#include "base/error.h"
#include "model/event_kinds.h"
#include "model/sale.h"
#include "text/json_flat.h"

enum { EVENT_VERSION = 1 };

const struct event_kind_form event_kind_forms[EVENT_KINDS_END] = {
	[EVENT_RESERVED] = {"order.reserved", WITH_LOT | WITH_BUYER | WITH_HOLD | WITH_REASON},
	[EVENT_CONFIRMED] = {"order.confirmed", WITH_PAYMENT | WITH_REASON},
	[EVENT_CANCELLED] = {"order.cancelled", WITH_UNITS | WITH_REASON},
	[EVENT_REFUNDED] = {"order.refunded", WITH_UNITS | WITH_REASON},
	[EVENT_EXPIRED] = {"order.expired", 0},
	[EVENT_EXTENDED] = {"order.extended", WITH_HOLD | HOLD_NEEDED | WITH_REASON},
	[EVENT_WITHDRAWN] = {"stock.withdrawn", WITH_LOT},
	[EVENT_BARRIER] = {"sale.barrier", 0},
	[EVENT_PAID] = {"order.paid", WITH_PAYMENT | PAYMENT_NEEDED | WITH_REASON},
	[EVENT_REDUCED] = {"order.reduced", WITH_LEFT | WITH_UNITS | WITH_REASON},
};
const char *const event_actor_kinds[EVENT_ACTOR_KINDS_END] = {
	[ACTOR_BUYER] = "buyer", [ACTOR_OPERATOR] = "operator", [ACTOR_CLOCK] = "clock"};

static const struct event_kind_form *kind_of(enum event_kind kind)
{
	ASSERT((size_t)kind >= EVENT_RESERVED);
	ASSERT((size_t)kind < EVENT_KINDS_END);
	return &event_kind_forms[kind];
}

const char *event_kind_name(enum event_kind kind)
{
	return kind_of(kind)->name;
}

const char *event_actor_kind_name(enum actor_kind kind)
{
	ASSERT((size_t)kind < EVENT_ACTOR_KINDS_END);
	return event_actor_kinds[kind];
}

enum event_kind event_kind_of(enum order_action action)
{
	switch (action) {
	case ORDER_CONFIRM:
		return EVENT_CONFIRMED;
	case ORDER_CANCEL:
		return EVENT_CANCELLED;
	case ORDER_REFUND:
		return EVENT_REFUNDED;
	case ORDER_EXPIRE:
		return EVENT_EXPIRED;
	case ORDER_EXTEND:
		return EVENT_EXTENDED;
	case ORDER_REDUCE:
		return EVENT_REDUCED;
	}
	assertion_failed("a known action", __FILE__, __LINE__, __func__);
}

struct uuid event_request_done(const struct uuid *request)
{
	struct uuid done = *request;

	done.bytes[sizeof(done.bytes) - 1] ^= 1;
	return done;
}

#define METADATA_OF(text) ((text)->labels + ORDER_REFERENCE_MAX)

static void own(struct slice *slice, char *text, size_t size_max)
{
	ASSERT(slice->size <= size_max);
	if (slice->size > 0)
		memmove(text, slice->data, slice->size); /* it may be there already */
	slice->data = text;
}

void event_own(struct event *event, struct event_text *text)
{
	if (event->payment.reference.size) {
		ASSERT(event->buyer.size == 0 && event->key.size == 0 && event->refund.size == 0);
		own(&event->payment.reference, text->reference, sizeof(text->reference));
		own(&event->payment.method, text->method, sizeof(text->method));
	} else if (event->refund.size) {
		ASSERT(event->buyer.size == 0 && event->key.size == 0);
		own(&event->refund, text->reference, sizeof(text->reference));
	} else {
		own(&event->buyer, text->buyer, sizeof(text->buyer));
		own(&event->key, text->key, sizeof(text->key));
	}
	own(&event->labels.reference, text->labels, ORDER_REFERENCE_MAX);
	own(&event->labels.metadata, METADATA_OF(text), METADATA_MAX);
	own(&event->actor, text->actor, sizeof(text->actor));
	own(&event->trace, text->trace, sizeof(text->trace));
	own(&event->reason, text->reason, sizeof(text->reason));
}

/* --- Decode --- */

/*
 * An event as event_encode() writes it is read in place; jansson would take half of a drain's CPU
 * time for it. Whatever else it is (another writer's spaces and escapes, a newer version's nested
 * fields, no JSON at all) is jansson's. The rules are the same for both.
 *
 * The readers share this and do nothing once one has failed: the first fault is the one that is
 * told.
 */
struct decoding {
	const json_t *object; /* NULL: the fields are it */
	const struct json_flat_field *fields;
	size_t count, next; /* next: behind the one that was found last, where the next one most likely is */
	const char *fault;
	char *metadata; /* METADATA_MAX: where one is kept */
};

/* What a name stands for. Not there: ABSENT; neither text, whole number nor null: OTHER. */
struct value {
	enum { ABSENT, TEXT, INTEGER, NOTHING, OTHER } type;
	struct slice text;
	int64_t integer;
};

static void fail(struct decoding *decoding, const char *fault)
{
	if (!decoding->fault)
		decoding->fault = fault;
}

static struct value value_of_json(const json_t *value)
{
	if (!value)
		return (struct value){.type = ABSENT};
	if (json_is_string(value))
		return (struct value){.type = TEXT, .text = {json_string_value(value), json_string_length(value)}};
	if (json_is_integer(value))
		return (struct value){.type = INTEGER, .integer = json_integer_value(value)};
	return (struct value){.type = json_is_null(value) ? NOTHING : OTHER};
}

static struct value value_of_field(const struct json_flat_field *field)
{
	switch (field->type) {
	case JSON_FLAT_TEXT:
		return (struct value){.type = TEXT, .text = field->text};
	case JSON_FLAT_INTEGER:
		return (struct value){.type = INTEGER, .integer = field->integer};
	case JSON_FLAT_NULL:
		break;
	}
	return (struct value){.type = NOTHING};
}

static struct value get(struct decoding *decoding, const char *name)
{
	if (decoding->object)
		return value_of_json(json_object_get(decoding->object, name));
	for (size_t i = 0; i < decoding->count; i++) {
		size_t place = (decoding->next + i) % decoding->count;

		if (!slice_equal(decoding->fields[place].name, slice_of(name)))
			continue;
		decoding->next = place + 1;
		return value_of_field(&decoding->fields[place]);
	}
	return (struct value){.type = ABSENT};
}

static int64_t within(struct decoding *decoding, struct value value, int64_t low, int64_t high, const char *fault)
{
	if (value.type == INTEGER && value.integer >= low && value.integer <= high)
		return value.integer;
	fail(decoding, fault);
	return 0;
}

static uint32_t get_integer(struct decoding *decoding, const char *name, int64_t low, int64_t high, const char *fault)
{
	return (uint32_t)within(decoding, get(decoding, name), low, high, fault);
}

static int64_t get_time(struct decoding *decoding, const char *name, const char *fault)
{
	struct value value = get(decoding, name);
	int64_t wall_ms = 0;

	if (value.type != TEXT || clock_parse(value.text.data, value.text.size, &wall_ms) < 0)
		fail(decoding, fault);
	return wall_ms;
}

/* One that is not there is empty; one that is there must be valid. */
static struct slice get_text(struct decoding *decoding, const char *name, bool (*valid)(struct slice), const char *fault)
{
	struct value value = get(decoding, name);

	if (value.type == ABSENT)
		return SLICE("");
	if (value.type != TEXT || !valid(value.text)) {
		fail(decoding, fault);
		return SLICE("");
	}
	return value.text;
}

static bool units_valid(struct slice units)
{
	enum units_to to;

	return order_units_to_parse(units, &to) == 0;
}

static bool trace_valid(struct slice trace)
{
	if (trace.size != TRACE_SIZE)
		return false;
	for (size_t i = 0; i < trace.size; i++)
		if (!strchr("0123456789abcdef-", trace.data[i]) || trace.data[i] == '\0')
			return false;
	return true;
}

bool event_reason_valid(struct slice reason)
{
	_Static_assert((int)REASON_MAX == (int)NAME_MAX_BYTES, "a reason is as long as a name");
	return sale_name_valid(reason);
}

bool event_valid(const struct event *event)
{
	bool ordered = event->kind == EVENT_RESERVED;

	return event->id.bytes[6] >> 4 == 7 && (!ordered || sale_buyer_valid(event->buyer)) &&
	       (event->payment.reference.size == 0 || payment_reference_valid(event->payment.reference)) &&
	       (event->refund.size == 0 || payment_reference_valid(event->refund)) &&
	       (event->payment.method.size == 0 || payment_method_valid(event->payment.method)) &&
	       (event->key.size == 0 || sale_key_valid(event->key)) &&
	       (event->labels.reference.size == 0 || labels_reference_valid(event->labels.reference)) &&
	       (event->labels.metadata.size == 0 || labels_metadata_valid(event->labels.metadata)) &&
	       (event->actor.size == 0 || sale_name_valid(event->actor)) && (event->trace.size == 0 || trace_valid(event->trace)) &&
	       (event->reason.size == 0 || event_reason_valid(event->reason));
}

static enum event_kind get_kind(struct decoding *decoding)
{
	struct value value = get(decoding, "kind");

	for (int kind = EVENT_RESERVED; kind < (int)EVENT_KINDS_END; kind++)
		if (value.type == TEXT && slice_equal(value.text, slice_of(event_kind_forms[kind].name)))
			return (enum event_kind)kind;
	fail(decoding, "kind is missing or unknown");
	return EVENT_RESERVED;
}

static void get_id(struct decoding *decoding, struct uuid *id)
{
	struct value value = get(decoding, "id");

	if (value.type != TEXT || uuid_parse(value.text, id) < 0)
		fail(decoding, "id is no UUID of version 7");
}

/* Not there: null. */
static void get_request(struct decoding *decoding, struct uuid *request)
{
	struct value value = get(decoding, "request");

	if (value.type != ABSENT && (value.type != TEXT || uuid_parse(value.text, request) < 0))
		fail(decoding, "request is no hash");
}

/* Not there: unsaid. */
static enum actor_kind get_actor_kind(struct decoding *decoding)
{
	struct value value = get(decoding, "actor_kind");

	if (value.type == ABSENT)
		return ACTOR_UNSAID;
	for (int kind = ACTOR_BUYER; kind < (int)EVENT_ACTOR_KINDS_END; kind++)
		if (value.type == TEXT && slice_equal(value.text, slice_of(event_actor_kinds[kind])))
			return (enum actor_kind)kind;
	fail(decoding, "actor_kind is none");
	return ACTOR_UNSAID;
}

static void get_hold(struct decoding *decoding, bool needed, int64_t *hold_expires_at_ms)
{
	static const char fault[] = "hold_expires_at is no time";

	if (get(decoding, "hold_expires_at").type == NOTHING && !needed)
		return;
	*hold_expires_at_ms = get_time(decoding, "hold_expires_at", fault);
	if (*hold_expires_at_ms <= 0) /* 0 says that there is none */
		fail(decoding, fault);
}

static void get_payment(struct decoding *decoding, bool needed, struct payment *payment)
{
	struct slice reference = get_text(decoding, "payment_reference", payment_reference_valid, "payment_reference is invalid");
	struct value amount = get(decoding, "payment_amount");
	struct slice currency = get_text(decoding, "payment_currency", payment_currency_valid, "payment_currency is none");

	if (needed && reference.size == 0)
		fail(decoding, "payment_reference is missing");
	if (reference.size == 0)
		return;
	payment->reference = reference;
	payment->method = get_text(decoding, "payment_method", payment_method_valid, "payment_method is invalid");
	payment->amount = PAYMENT_NO_AMOUNT;
	if (amount.type != ABSENT)
		payment->amount = within(decoding, amount, 0, PAYMENT_AMOUNT_MAX, "payment_amount is out of range");
	if (currency.size)
		(void)payment_set_currency(payment, currency);
}

/* Nested, so it is never read in place. */
static void get_metadata(struct decoding *decoding, struct slice *metadata)
{
	const json_t *object = decoding->object ? json_object_get(decoding->object, "metadata") : NULL;
	int size = object ? labels_write_metadata(object, decoding->metadata) : 0;

	if (size < 0 || (!object && get(decoding, "metadata").type != ABSENT))
		fail(decoding, "metadata is no object of texts, or too long");
	if (size > 0)
		*metadata = (struct slice){decoding->metadata, (size_t)size};
}

static void get_labels(struct decoding *decoding, struct event *event)
{
	struct value price = get(decoding, "price");

	event->priced = price.type != ABSENT;
	if (event->priced)
		event->unit_price = within(decoding, price, 0, PAYMENT_AMOUNT_MAX, "price is out of range");
	event->labels.reference = get_text(decoding, "reference", labels_reference_valid, "reference is invalid");
	get_metadata(decoding, &event->labels.metadata);
}

/* Of what gives units back. Not there: as before there was a choice. */
static void get_units(struct decoding *decoding, bool with_left, struct event *event)
{
	struct slice units = get_text(decoding, "units", units_valid, "units is none of sale, warehouse, gone");

	if (units.size)
		(void)!order_units_to_parse(units, &event->units_to);
	if (with_left || get(decoding, "quantity").type != ABSENT)
		event->quantity = get_integer(decoding, "quantity", 1, UNITS_MAX, "quantity is out of range");
	if (with_left)
		event->left = get_integer(decoding, "left", 1, UNITS_MAX, "left is out of range");
	event->refund = get_text(decoding, "reference", payment_reference_valid, "reference is invalid");
	get_request(decoding, &event->request);
}

static void get_fields(struct decoding *decoding, struct event *event)
{
	unsigned carries;

	get_integer(decoding, "v", EVENT_VERSION, EVENT_VERSION, "v is not 1");
	event->kind = get_kind(decoding);
	carries = kind_of(event->kind)->carries;
	get_id(decoding, &event->id);
	event->sale = get_integer(decoding, "sale", 1, UUID_TAG_MAX, "sale is no sale's number");
	event->epoch = get_integer(decoding, "epoch", 0, UINT32_MAX, "epoch is out of range");
	event->at_ms = get_time(decoding, "at", "at is no time");
	if (carries & WITH_LOT) {
		event->lot = get_integer(decoding, "lot", 0, LOTS_MAX - 1, "lot is out of range");
		event->quantity = get_integer(decoding, "quantity", 1, UNITS_MAX, "quantity is out of range");
	}
	if (event->kind == EVENT_WITHDRAWN || event->kind == EVENT_CONFIRMED || event->kind == EVENT_PAID)
		get_request(decoding, &event->request);
	if (carries & WITH_BUYER) {
		event->buyer = get_text(decoding, "buyer", sale_buyer_valid, "buyer is invalid");
		event->key = get_text(decoding, "key", sale_key_valid, "key is invalid");
		event->buyer_units = get_integer(decoding, "buyer_units", 1, UNITS_MAX, "buyer_units is out of range");
		event->limit_per_buyer = get_integer(decoding, "limit_per_buyer", 1, LIMIT_MAX, "limit_per_buyer is out of range");
		if (event->buyer.size == 0)
			fail(decoding, "buyer is missing");
		get_labels(decoding, event);
	}
	if (carries & WITH_HOLD)
		get_hold(decoding, carries & HOLD_NEEDED, &event->hold_expires_at_ms);
	if (carries & WITH_PAYMENT)
		get_payment(decoding, carries & PAYMENT_NEEDED, &event->payment);
	if (carries & WITH_UNITS)
		get_units(decoding, carries & WITH_LEFT, event);
	if (carries & WITH_REASON)
		event->reason = get_text(decoding, "reason", event_reason_valid, "reason is invalid");
	event->actor = get_text(decoding, "actor", sale_name_valid, "actor is invalid");
	event->actor_kind = get_actor_kind(decoding);
	event->trace = get_text(decoding, "trace", trace_valid, "trace is no traceparent");
}

/*
 * Whether what has a fault is an event of a newer program: of a version above ours, or of a kind
 * with a name that is not known here.
 */
static bool is_newer(struct decoding *decoding)
{
	struct value version = get(decoding, "v"), kind = get(decoding, "kind");

	if (version.type != INTEGER || kind.type != TEXT || kind.text.size == 0)
		return false;
	if (version.integer != EVENT_VERSION)
		return version.integer > EVENT_VERSION;
	for (size_t i = EVENT_RESERVED; i < EVENT_KINDS_END; i++)
		if (slice_equal(kind.text, slice_of(event_kind_forms[i].name)))
			return false;
	return true;
}

/* jansson's object; NULL: it is none, and the fault is told, or there is no memory (*result). */
static json_t *load(struct slice json, struct decoding *decoding, int *result)
{
	json_error_t error;
	json_t *root = json_loadb(json.data ? json.data : "", json.size, JSON_REJECT_DUPLICATES, &error);

	if (!root && json_error_code(&error) == json_error_out_of_memory)
		*result = error_origin(-ENOMEM);
	else if (!json_is_object(root))
		fail(decoding, root ? "not a JSON object" : "not valid JSON");
	decoding->object = root;
	return root;
}

int event_decode(struct slice json, struct event *event, struct event_text *text, const char **reason)
{
	struct json_flat_field fields[JSON_FLAT_FIELDS_MAX];
	struct decoding decoding = {
		.fields = fields, .count = json.data ? json_flat_read(json, fields) : 0, .metadata = METADATA_OF(text)};
	struct event decoded = {0};
	json_t *root = NULL;
	int result = 0;

	*reason = NULL;
	if (decoding.count == 0)
		root = load(json, &decoding, &result);
	if (result == 0 && !decoding.fault)
		get_fields(&decoding, &decoded);
	if (result == 0 && !decoding.fault) {
		event_own(&decoded, text);
		*event = decoded;
	}
	*reason = decoding.fault;
	if (decoding.fault)
		result = -EBADMSG;
	if (decoding.fault && (root || decoding.count) && is_newer(&decoding)) {
		*reason = "an event of a version or kind that this program does not know";
		result = -EPROTONOSUPPORT;
	}
	json_decref(root);
	return result;
}

bool event_may_be_purchase(struct slice json)
{
	struct event event;
	struct event_text text;
	const char *reason;

	return event_decode(json, &event, &text, &reason) < 0 || event.kind == EVENT_RESERVED;
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/random.h"
#include "model/event.h"

static const enum event_kind every_kind[] = {
	EVENT_RESERVED, EVENT_CONFIRMED, EVENT_CANCELLED, EVENT_REFUNDED, EVENT_EXPIRED,
	EVENT_EXTENDED, EVENT_WITHDRAWN, EVENT_BARRIER,   EVENT_PAID,     EVENT_REDUCED,
};
enum { KINDS = sizeof(every_kind) / sizeof(every_kind[0]) };

#define ID "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define HEAD "{\"v\":1,\"kind\":\"order.reserved\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,\"at\":\"2027-01-01T10:00:00.123Z\""
static const char reserved[] = HEAD
	",\"lot\":2,\"quantity\":1,\"buyer\":\"b1\",\"key\":\"k 1\",\"buyer_units\":1,\"limit_per_buyer\":2,"
	"\"hold_expires_at\":\"2027-01-01T10:02:00.123Z\",\"actor\":\"b1\",\"actor_kind\":\"buyer\",\"trace\":\"" TRACE "\"}";
#define REQUEST "01a22e2a-79b0-7dd3-88c4-dc0c0c07398e"

/* An empty buffer; the last one's memory goes. */
static struct buffer *make(void)
{
	static struct buffer out;

	buffer_deinit(&out);
	buffer_init(&out, 4096);
	return &out;
}

static struct event full_event(enum event_kind kind)
{
	struct event event = {
		.kind = kind,
		.sale = 7,
		.epoch = 3,
		.at_ms = 1798797600123,
		.actor_kind = ACTOR_BUYER,
		.actor = SLICE("b1"),
		.trace = SLICE(TRACE),
	};

	assert_int_equal(uuid_parse(SLICE(ID), &event.id), 0);
	if (kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_REDUCED) {
		event.quantity = 2;
		event.left = kind == EVENT_REDUCED ? 1 : 0;
		event.units_to = UNITS_TO_WAREHOUSE;
		event.refund = SLICE("re_3N");
		assert_int_equal(uuid_parse(SLICE(REQUEST), &event.request), 0);
	}
	if (kind == EVENT_RESERVED || kind == EVENT_WITHDRAWN) {
		event.lot = 2;
		event.quantity = 1;
	}
	if (kind == EVENT_RESERVED) {
		event.buyer = SLICE("b1");
		event.key = SLICE("k 1");
		event.buyer_units = 1;
		event.limit_per_buyer = 2;
	}
	if (kind == EVENT_CONFIRMED || kind == EVENT_PAID)
		event.payment = (struct payment){SLICE("pi_3N"), SLICE("card"), 35800, "EUR"};
	if (kind == EVENT_WITHDRAWN || kind == EVENT_CONFIRMED || kind == EVENT_PAID)
		assert_int_equal(uuid_parse(SLICE(REQUEST), &event.request), 0);
	if (kind == EVENT_RESERVED || kind == EVENT_EXTENDED)
		event.hold_expires_at_ms = 1798797720123;
	if (kind == EVENT_CONFIRMED || kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_EXTENDED ||
	    kind == EVENT_PAID || kind == EVENT_REDUCED)
		event.reason = SLICE("a \"robot\" \xc3\xbc");
	return event;
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(uuid_equal(&a->id, &b->id));
	assert_int_equal(a->sale, b->sale);
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->lot, b->lot);
	assert_int_equal(a->quantity, b->quantity);
	assert_int_equal(a->left, b->left);
	assert_int_equal(a->units_to, b->units_to);
	assert_true(slice_equal(a->refund, b->refund));
	assert_int_equal(a->buyer_units, b->buyer_units);
	assert_int_equal(a->limit_per_buyer, b->limit_per_buyer);
	assert_int_equal(a->at_ms, b->at_ms);
	assert_int_equal(a->hold_expires_at_ms, b->hold_expires_at_ms);
	assert_true(slice_equal(a->buyer, b->buyer));
	assert_true(slice_equal(a->key, b->key));
	assert_int_equal(a->actor_kind, b->actor_kind);
	assert_true(slice_equal(a->actor, b->actor));
	assert_true(slice_equal(a->trace, b->trace));
	assert_true(slice_equal(a->reason, b->reason));
	assert_true(uuid_equal(&a->request, &b->request));
	assert_int_equal(a->priced, b->priced);
	assert_int_equal(a->unit_price, b->unit_price);
	assert_true(slice_equal(a->labels.reference, b->labels.reference));
	assert_true(slice_equal(a->labels.metadata, b->labels.metadata));
	assert_true(slice_equal(a->payment.reference, b->payment.reference));
	assert_true(slice_equal(a->payment.method, b->payment.method));
	assert_int_equal(a->payment.amount, b->payment.amount);
	assert_string_equal(a->payment.currency, b->payment.currency);
}

/* Behind a space: not as the encoder writes it, so that the reader of all of JSON has it. */
static int decode_spaced(struct slice json, struct event *event, struct event_text *text, const char **reason)
{
	char spaced[4096];
	int size = snprintf(spaced, sizeof(spaced), " %.*s", (int)json.size, json.data ? json.data : "");

	return event_decode((struct slice){spaced, (size_t)size}, event, text, reason);
}

static void assert_round_trip(const struct event *event)
{
	struct buffer *out = make();
	struct event again;
	struct event_text text;
	const char *reason;

	event_encode(event, out);
	assert_false(out->failed);
	assert_int_equal(decode_spaced(buffer_slice(out), &again, &text, &reason), 0);
	assert_same(event, &again);
	assert_int_equal(event_decode(buffer_slice(out), &again, &text, &reason), 0);
	assert_null(reason);
	memset(out->data, 'x', out->size); /* the texts must be the event's own */
	assert_same(event, &again);
}

static void test_encoded_event_is_as_documented(void **state)
{
	struct event event = full_event(EVENT_RESERVED);
	struct buffer *out = make();

	(void)state;
	event_encode(&event, out);
	assert_int_equal(out->size, strlen(reserved));
	assert_memory_equal(out->data, reserved, out->size);
}

static void test_every_kind_survives_a_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct event event = full_event(every_kind[i]);

		assert_round_trip(&event);
		event.actor = event.trace = event.key = event.reason = SLICE_NULL;
		event.request = (struct uuid){{0}};
		for (int actor = ACTOR_UNSAID; actor <= ACTOR_CLOCK; actor++) {
			event.actor_kind = (enum actor_kind)actor;
			assert_round_trip(&event);
		}
	}
}

static void test_price_and_labels_are_as_documented_and_may_be_missing(void **state)
{
	struct event event = full_event(EVENT_RESERVED);
	struct buffer *out = make();

	(void)state;
	event.priced = true;
	event.unit_price = 0; /* given away: not the same as unknown */
	assert_round_trip(&event);
	event.unit_price = 17900;
	event.labels.reference = SLICE("INV-7");
	assert_round_trip(&event);
	event.labels.metadata = SLICE("{\"channel\":\"app\",\"note\":\"a \\\"b\\\" \xc3\xbc\"}");
	assert_round_trip(&event);
	event_encode(&event, out);
	buffer_append(out, "", 1);
	assert_non_null(strstr(out->data, ",\"limit_per_buyer\":2,\"price\":17900,\"reference\":\"INV-7\","
					  "\"metadata\":{\"channel\":\"app\",\"note\":\"a \\\"b\\\" \xc3\xbc\"},"));
	event.labels.reference = SLICE_NULL;
	assert_round_trip(&event);
}

static void test_price_and_labels_that_are_none_are_refused(void **state)
{
	static const char *const wrong[] = {
		",\"price\":-1",
		",\"price\":\"1\"",
		",\"price\":null",
		",\"reference\":\"\"",
		",\"reference\":\"a b\"",
		",\"reference\":7",
		",\"metadata\":\"{}\"",
		",\"metadata\":[]",
		",\"metadata\":{\"a\":1}",
		",\"metadata\":{\"\":\"1\"}",
		",\"metadata\":{\"a b\":\"1\"}",
		",\"metadata\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\"}",
	};
	char json[1024];
	struct event event;
	struct event_text text;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int size = snprintf(json, sizeof(json), "%.*s%s}", (int)strlen(reserved) - 1, reserved, wrong[i]);

		assert_int_equal(event_decode((struct slice){json, (size_t)size}, &event, &text, &reason), -EBADMSG);
		assert_non_null(reason);
	}
}

static void test_payment_is_as_documented_and_its_parts_may_be_missing(void **state)
{
	struct event event = full_event(EVENT_PAID);
	struct buffer *out = make();

	(void)state;
	event_encode(&event, out);
	buffer_append(out, "", 1);
	assert_non_null(strstr(out->data, ",\"payment_reference\":\"pi_3N\",\"payment_amount\":35800,\"payment_currency\":\"EUR\","
					  "\"payment_method\":\"card\","));
	event.payment = (struct payment){.reference = SLICE("pi_3N"), .amount = PAYMENT_NO_AMOUNT};
	assert_round_trip(&event);
	event = full_event(EVENT_CONFIRMED);
	event.payment = (struct payment){0};
	assert_round_trip(&event);
}

static void test_payment_that_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		",\"payment_reference\":\"a b\"",
		",\"payment_reference\":7",
		",\"payment_reference\":\"a\",\"payment_amount\":-1",
		",\"payment_reference\":\"a\",\"payment_amount\":1000000000000001",
		",\"payment_reference\":\"a\",\"payment_amount\":\"1\"",
		",\"payment_reference\":\"a\",\"payment_currency\":\"eur\"",
		",\"payment_reference\":\"a\",\"payment_method\":\"\"",
	};
	char json[512];
	struct event event;
	struct event_text text;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(json, sizeof(json),
			 "{\"v\":1,\"kind\":\"order.paid\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
			 "\"at\":\"2027-01-01T10:00:00.123Z\"%s}",
			 wrong[i]);
		assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), -EBADMSG);
		assert_non_null(strstr(reason, "payment_"));
	}
}

static void test_reason_is_as_documented_and_what_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {"\"\"", "7", "null", "\"a\\nb\"", "\"\\u0000\""};
	char json[1024], reason_text[REASON_MAX + 2];
	struct event event = full_event(EVENT_CANCELLED);
	struct buffer *out = make();
	struct event_text text;
	const char *reason;

	(void)state;
	event_encode(&event, out);
	buffer_append(out, "", 1);
	assert_non_null(strstr(out->data, ",\"reason\":\"a \\\"robot\\\" \xc3\xbc\",\"actor\":\"b1\","));
	memset(reason_text, 'x', sizeof(reason_text));
	event.reason = (struct slice){reason_text, REASON_MAX};
	assert_true(event_valid(&event));
	assert_round_trip(&event);
	event.reason.size++;
	assert_false(event_valid(&event));
	/*
	 * Beside labels, which lie where its text does: of an order that a late confirm has made.
	 */
	event = full_event(EVENT_RESERVED);
	event.labels = (struct labels){SLICE("INV-7"), SLICE("{\"a\":\"b\"}")};
	event.reason = SLICE("paid late");
	assert_round_trip(&event);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int size = snprintf(json, sizeof(json), "%.*s,\"reason\":%s}", (int)strlen(reserved) - 1, reserved, wrong[i]);

		assert_int_equal(event_decode((struct slice){json, (size_t)size}, &event, &text, &reason), -EBADMSG);
		assert_non_null(reason);
	}
}

static void assert_encoded(const struct event *event, const char *expected)
{
	struct buffer *out = make();

	event_encode(event, out);
	buffer_append(out, "", 1);
	assert_string_equal(out->data, expected);
}

#define REDUCED_HEAD \
	"{\"v\":1,\"kind\":\"order.reduced\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,\"at\":\"2027-01-01T10:00:00.123Z\""

static void test_reduction_is_as_documented_and_needs_what_it_leaves(void **state)
{
	static const char *const wrong[] = {
		"",
		",\"quantity\":1",
		",\"left\":1",
		",\"quantity\":0,\"left\":1",
		",\"quantity\":1,\"left\":0",
		",\"quantity\":1,\"left\":1,\"units\":\"lost\"",
		",\"quantity\":1,\"left\":1,\"units\":null",
		",\"quantity\":1,\"left\":1,\"reference\":\"re 1\"",
		",\"quantity\":1,\"left\":1,\"request\":\"k\"",
	};
	struct event event = full_event(EVENT_REDUCED);
	struct event_text text;
	const char *reason;
	char json[1024];

	(void)state;
	assert_encoded(&event, REDUCED_HEAD
		       ",\"request\":\"" REQUEST "\",\"quantity\":2,\"left\":1,\"units\":\"warehouse\",\"reference\":\"re_3N\""
		       ",\"reason\":\"a \\\"robot\\\" \xc3\xbc\",\"actor\":\"b1\",\"actor_kind\":\"buyer\",\"trace\":\"" TRACE "\"}");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(json, sizeof(json), "%s%s}", REDUCED_HEAD, wrong[i]);
		assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), -EBADMSG);
		assert_non_null(reason);
	}
	snprintf(json, sizeof(json), "%s,\"quantity\":3,\"left\":2}", REDUCED_HEAD);
	assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), 0);
	assert_int_equal(event.quantity, 3);
	assert_int_equal(event.left, 2);
	assert_int_equal(event.units_to, UNITS_TO_SALE);
	assert_int_equal(event.refund.size, 0);
	assert_true(uuid_is_null(&event.request));
}

/* As before units had anywhere else to go. */
static void test_older_cancels_and_refunds_are_read(void **state)
{
	static const char json[] = "{\"v\":1,\"kind\":\"order.refunded\",\"id\":\"" ID
				   "\",\"sale\":7,\"epoch\":3,\"at\":\"2027-01-01T10:00:00.123Z\"}";
	struct event event;
	struct event_text text;
	const char *reason;

	(void)state;
	assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), 0);
	assert_int_equal(event.quantity, 0);
	assert_int_equal(event.units_to, UNITS_TO_SALE);
	assert_int_equal(event.refund.size, 0);
	assert_encoded(&event, json);
}

static void assert_name(const struct event *event, const char *expected)
{
	struct buffer *out = make();

	event_name(event, out);
	buffer_append(out, "", 1);
	assert_string_equal(out->data, expected);
	assert_true(event_name_valid(slice_of(expected)));
}

static void test_only_what_is_made_like_a_name_is_one(void **state)
{
	static const char *const others[] = {
		"",
		"never",
		"/",
		"//",
		ID,
		ID "/order.reserved",
		ID "/order.reserved/",
		ID "/order.reserved/-1",
		ID "/order.reserved/01798797600123",
		ID "/order.reserved/1798797600123/",
		ID "/order.reserved/1798797600123/1",
		ID "/order.reserved/179879760012e",
		ID "/order.reserved/99999999999999999999",
		ID "/border.reserved/1798797600123",
		ID "/order/1798797600123",
		ID "x/order.reserved/1798797600123",
		" " ID "/order.reserved/1798797600123",
		ID "/order.reduced/1798797600123",
		ID "/order.reduced/1798797600123/",
		ID "/order.reduced/1798797600123/1/1",
		ID "/order.reduced/1798797600123/4294967297",
	};

	(void)state;
	assert_false(event_name_valid(SLICE_NULL));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (event_name_valid(slice_of(others[i])))
			fail_msg("\"%s\" is no name", others[i]);
}

static void test_two_reductions_in_one_millisecond_have_two_names(void **state)
{
	struct event event = full_event(EVENT_REDUCED);

	(void)state;
	assert_name(&event, ID "/order.reduced/1798797600123/1");
	event.left = UNITS_MAX;
	assert_name(&event, ID "/order.reduced/1798797600123/1000000000");
	event = full_event(EVENT_REFUNDED);
	assert_name(&event, ID "/order.refunded/1798797600123");
}

/* As they were written before events said who acted, and what was asked. */
static void test_older_events_are_read(void **state)
{
	static const char withdrawn[] =
		"{\"v\":1,\"kind\":\"stock.withdrawn\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
		"\"at\":\"2027-01-01T10:00:00.123Z\",\"lot\":2,\"quantity\":1,\"actor\":\"b1\",\"trace\":\"" TRACE "\"}";
	struct event event, expected = full_event(EVENT_WITHDRAWN);
	struct event_text text;
	const char *reason;

	(void)state;
	expected.actor_kind = ACTOR_UNSAID;
	expected.request = (struct uuid){{0}};
	assert_int_equal(event_decode(slice_of(withdrawn), &event, &text, &reason), 0);
	assert_same(&event, &expected);
	assert_int_equal(decode_spaced(slice_of(withdrawn), &event, &text, &reason), 0);
	assert_same(&event, &expected);
}

static void test_order_that_was_born_confirmed_has_no_hold(void **state)
{
	struct event event = full_event(EVENT_RESERVED);
	struct buffer *out = make();

	(void)state;
	event.hold_expires_at_ms = 0;
	assert_round_trip(&event);
	event_encode(&event, out);
	buffer_append(out, "", 1);
	assert_non_null(strstr(out->data, "\"hold_expires_at\":null"));
}

static void test_largest_event_survives_a_round_trip(void **state)
{
	char long_text[NAME_MAX_BYTES];
	struct event event = full_event(EVENT_RESERVED);

	(void)state;
	memset(long_text, '"', sizeof(long_text)); /* doubles when it is escaped */
	event.sale = UUID_TAG_MAX;
	event.epoch = UINT32_MAX;
	event.lot = LOTS_MAX - 1;
	event.quantity = UNITS_MAX;
	event.buyer_units = UNITS_MAX;
	event.limit_per_buyer = LIMIT_MAX;
	event.buyer = (struct slice){long_text, BUYER_MAX};
	event.key = (struct slice){long_text, KEY_MAX};
	event.actor = (struct slice){long_text, NAME_MAX_BYTES};
	event.actor_kind = ACTOR_OPERATOR;
	assert_round_trip(&event);
}

static uint32_t random_up_to(uint32_t low, uint32_t high)
{
	return low + (uint32_t)(random_u64() % ((uint64_t)high - low + 1));
}

static struct slice random_text(char *text, size_t size_max, char low)
{
	size_t size = 1 + random_u64() % size_max;

	for (size_t i = 0; i < size; i++)
		text[i] = (char)(low + (char)(random_u64() % (uint64_t)('~' - low + 1)));
	return (struct slice){text, size};
}

static void test_random_events_survive_a_round_trip(void **state)
{
	struct uuid_generator generator = {0};
	char buyer[BUYER_MAX], key[KEY_MAX], actor[NAME_MAX_BYTES];
	const uint64_t seed = 20270101;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	for (int i = 0; i < 5000; i++) {
		struct event event = full_event(every_kind[random_u64() % KINDS]);

		event.sale = random_up_to(1, UUID_TAG_MAX);
		event.epoch = random_up_to(0, UINT32_MAX);
		event.at_ms = (int64_t)(random_u64() % 253402300800000);
		event.id = uuid_make(&generator, event.at_ms, event.sale);
		event.actor = random_text(actor, sizeof(actor), ' ');
		event.actor_kind = random_up_to(ACTOR_UNSAID, ACTOR_CLOCK);
		if (event.kind == EVENT_WITHDRAWN)
			event.request = uuid_make(&generator, event.at_ms, event.sale);
		if (event.kind == EVENT_RESERVED || event.kind == EVENT_WITHDRAWN) {
			event.lot = random_up_to(0, LOTS_MAX - 1);
			event.quantity = random_up_to(1, UNITS_MAX);
		}
		if (event.buyer.size) {
			event.buyer = random_text(buyer, sizeof(buyer), '!');
			event.key = random_text(key, sizeof(key), ' ');
			event.buyer_units = random_up_to(1, UNITS_MAX);
			event.limit_per_buyer = random_up_to(1, LIMIT_MAX);
		}
		if (event.hold_expires_at_ms)
			event.hold_expires_at_ms = 1 + (int64_t)(random_u64() % 253402300799999);
		assert_round_trip(&event);
	}
	random_set_seed(0);
}

static void test_unknown_fields_are_let_through(void **state)
{
	static const char json[] = "{\"v\":1,\"kind\":\"order.confirmed\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
				   "\"at\":\"2027-01-01T10:00:00Z\",\"colour\":{\"red\":[1,2]},\"lot\":\"not read\"}";
	struct event event;
	struct event_text text;
	const char *reason;

	(void)state;
	assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), 0);
	assert_int_equal(event.kind, EVENT_CONFIRMED);
	assert_int_equal(event.lot, 0);
	assert_int_equal(event.buyer.size, 0);
}

/* --- Bad input --- */

static void assert_refused(struct slice json, const char *expected)
{
	struct event event = {.kind = 99};
	struct event_text text;
	const char *reason = NULL;

	assert_int_equal(event_decode(json, &event, &text, &reason), -EBADMSG);
	assert_non_null(reason);
	assert_string_equal(reason, expected);
	assert_int_equal(event.kind, 99);
}

static void test_what_is_no_object_is_refused(void **state)
{
	(void)state;
	assert_refused(SLICE_NULL, "not valid JSON");
	assert_refused(SLICE(""), "not valid JSON");
	assert_refused(SLICE("{"), "not valid JSON");
	assert_refused(SLICE("{}x"), "not valid JSON");
	assert_refused(SLICE("{\"v\":1,\"v\":1}"), "not valid JSON"); /* twice the same name */
	assert_refused(SLICE("{\"a\":\"\xff\"}"), "not valid JSON");
	assert_refused(SLICE("[]"), "not a JSON object");
	assert_refused(SLICE("{}"), "v is not 1");
}

/* The good event with `from` replaced by `to`. */
static void assert_refused_with(const char *from, const char *to, const char *expected)
{
	char json[2048];
	const char *found = strstr(reserved, from);

	assert_non_null(found);
	snprintf(json, sizeof(json), "%.*s%s%s", (int)(found - reserved), reserved, to, found + strlen(from));
	assert_refused(slice_of(json), expected);
}

/*
 * It may have been told, so it is no rubbish: who meets it stops, and is not to go on without it.
 */
static void test_event_of_a_newer_program_is_told_from_what_is_no_event(void **state)
{
	static const char *const newer[][2] = {
		{"\"v\":1", "\"v\":2"}, {"order.reserved", "order.moved"}, {"order.reserved", "order.reserved\\u0041"}};

	(void)state;
	for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
		const char *found = strstr(reserved, newer[i][0]), *reason = NULL;
		struct event event = {.kind = 99};
		struct event_text text;
		char json[2048];

		assert_non_null(found);
		snprintf(json, sizeof(json), "%.*s%s%s", (int)(found - reserved), reserved, newer[i][1], found + strlen(newer[i][0]));
		assert_int_equal(event_decode(slice_of(json), &event, &text, &reason), -EPROTONOSUPPORT);
		assert_string_equal(reason, "an event of a version or kind that this program does not know");
		assert_int_equal(event.kind, 99);
	}
}

static void test_each_bad_field_is_named(void **state)
{
	static const struct {
		const char *from, *to, *expected;
	} cases[] = {
		{"\"v\":1", "\"v\":\"1\"", "v is not 1"},
		{"\"v\":1", "\"v\":1.0", "v is not 1"},
		{"\"v\":1", "\"v\":0", "v is not 1"},
		{"\"order.reserved\"", "1", "kind is missing or unknown"},
		{"\"kind\"", "\"kin\"", "kind is missing or unknown"},
		{ID, "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "id is no UUID of version 7"},
		{"\"" ID "\"", "null", "id is no UUID of version 7"},
		{"\"id\"", "\"di\"", "id is no UUID of version 7"},
		{"\"sale\":7", "\"sale\":0", "sale is no sale's number"},
		{"\"sale\":7", "\"sale\":16777216", "sale is no sale's number"},
		{"\"sale\":7", "\"sale\":-1", "sale is no sale's number"},
		{"\"sale\":7", "\"sale\":\"7\"", "sale is no sale's number"},
		{"\"sale\":7,", "", "sale is no sale's number"},
		{"\"epoch\":3", "\"epoch\":4294967296", "epoch is out of range"},
		{"\"epoch\":3", "\"epoch\":-1", "epoch is out of range"},
		{"\"epoch\":3", "\"epoch\":null", "epoch is out of range"},
		{"\"2027-01-01T10:00:00.123Z\"", "1798797600123", "at is no time"},
		{"2027-01-01T10:00:00.123Z", "2027-02-30T10:00:00.123Z", "at is no time"},
		{"\"at\"", "\"ta\"", "at is no time"},
		{"\"lot\":2", "\"lot\":200", "lot is out of range"},
		{"\"lot\":2", "\"lot\":-1", "lot is out of range"},
		{"\"lot\":2,", "", "lot is out of range"},
		{"\"quantity\":1", "\"quantity\":0", "quantity is out of range"},
		{"\"quantity\":1", "\"quantity\":1000000001", "quantity is out of range"},
		{"\"quantity\":1", "\"quantity\":true", "quantity is out of range"},
		{"\"buyer\":\"b1\",", "", "buyer is missing"},
		{"\"buyer\":\"b1\"", "\"buyer\":\"\"", "buyer is invalid"},
		{"\"buyer\":\"b1\"", "\"buyer\":\"b 1\"", "buyer is invalid"},
		{"\"buyer\":\"b1\"", "\"buyer\":1", "buyer is invalid"},
		{"\"key\":\"k 1\"", "\"key\":\"\\n\"", "key is invalid"},
		{"\"key\":\"k 1\"", "\"key\":\"\xc3\xa9\"", "key is invalid"},
		{"\"buyer_units\":1", "\"buyer_units\":0", "buyer_units is out of range"},
		{"\"limit_per_buyer\":2", "\"limit_per_buyer\":1001", "limit_per_buyer is out of range"},
		{"\"hold_expires_at\":\"2027-01-01T10:02:00.123Z\",", "", "hold_expires_at is no time"},
		{"2027-01-01T10:02:00.123Z", "1970-01-01T00:00:00.000Z", "hold_expires_at is no time"},
		{"2027-01-01T10:02:00.123Z", "soon", "hold_expires_at is no time"},
		{"\"actor\":\"b1\"", "\"actor\":\"\\u0007\"", "actor is invalid"},
		{"\"actor\":\"b1\"", "\"actor\":[]", "actor is invalid"},
		{"\"actor_kind\":\"buyer\"", "\"actor_kind\":\"robot\"", "actor_kind is none"},
		{"\"actor_kind\":\"buyer\"", "\"actor_kind\":\"\"", "actor_kind is none"},
		{"\"actor_kind\":\"buyer\"", "\"actor_kind\":1", "actor_kind is none"},
		{"\"actor_kind\":\"buyer\"", "\"actor_kind\":null", "actor_kind is none"},
		{TRACE, "00-4bf92f", "trace is no traceparent"},
		{"4bf92f3577b34da6", "4BF92F3577B34DA6", "trace is no traceparent"},
		{TRACE "\"", TRACE "0\"", "trace is no traceparent"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused_with(cases[i].from, cases[i].to, cases[i].expected);
}

static void test_a_request_is_a_hash(void **state)
{
	static const char *const wrong[] = {"\"" REQUEST "0\"", "\"\"", "1", "null"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char json[1024];

		snprintf(json, sizeof(json),
			 "{\"v\":1,\"kind\":\"stock.withdrawn\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
			 "\"at\":\"2027-01-01T10:00:00.123Z\",\"lot\":2,\"quantity\":1,\"request\":%s}",
			 wrong[i]);
		assert_refused(slice_of(json), "request is no hash");
		snprintf(json, sizeof(json),
			 "{\"v\":1,\"kind\":\"order.confirmed\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
			 "\"at\":\"2027-01-01T10:00:00.123Z\",\"request\":%s}",
			 wrong[i]);
		assert_refused(slice_of(json), "request is no hash");
	}
}

static void test_text_longer_than_its_limit_is_refused(void **state)
{
	char to[NAME_MAX_BYTES + 64], text[NAME_MAX_BYTES + 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	snprintf(to, sizeof(to), "\"buyer\":\"%.*s\"", BUYER_MAX + 1, text);
	assert_refused_with("\"buyer\":\"b1\"", to, "buyer is invalid");
	snprintf(to, sizeof(to), "\"key\":\"%.*s\"", KEY_MAX + 1, text);
	assert_refused_with("\"key\":\"k 1\"", to, "key is invalid");
	snprintf(to, sizeof(to), "\"actor\":\"%.*s\"", NAME_MAX_BYTES + 1, text);
	assert_refused_with("\"actor\":\"b1\"", to, "actor is invalid");
}

static void test_extension_needs_its_hold(void **state)
{
	static const char json[] = "{\"v\":1,\"kind\":\"order.extended\",\"id\":\"" ID "\",\"sale\":7,\"epoch\":3,"
				   "\"at\":\"2027-01-01T10:00:00Z\",\"hold_expires_at\":null}";

	(void)state;
	assert_refused(slice_of(json), "hold_expires_at is no time");
}

/* A cut at every byte: never anything but a clear refusal. */
static void test_every_beginning_of_an_event_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(reserved) - 1; size++)
		assert_refused((struct slice){reserved, size}, "not valid JSON");
}

static void test_own_copies_every_text(void **state)
{
	struct event event = full_event(EVENT_RESERVED);
	char buyer[] = "somebody";
	struct event_text text, moved;

	(void)state;
	event.buyer = slice_of(buyer);
	event_own(&event, &text);
	memset(buyer, 'x', sizeof(buyer) - 1);
	assert_true(slice_equal(event.buyer, SLICE("somebody")));
	assert_ptr_equal(event.key.data, text.key);
	event_own(&event, &moved);
	memset(&text, 0, sizeof(text));
	event_own(&event, &moved); /* its own already */
	assert_true(slice_equal(event.buyer, SLICE("somebody")));
	assert_true(slice_equal(event.trace, SLICE(TRACE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encoded_event_is_as_documented),
		cmocka_unit_test(test_every_kind_survives_a_round_trip),
		cmocka_unit_test(test_price_and_labels_are_as_documented_and_may_be_missing),
		cmocka_unit_test(test_price_and_labels_that_are_none_are_refused),
		cmocka_unit_test(test_payment_is_as_documented_and_its_parts_may_be_missing),
		cmocka_unit_test(test_payment_that_is_none_is_refused),
		cmocka_unit_test(test_reason_is_as_documented_and_what_is_none_is_refused),
		cmocka_unit_test(test_reduction_is_as_documented_and_needs_what_it_leaves),
		cmocka_unit_test(test_older_cancels_and_refunds_are_read),
		cmocka_unit_test(test_only_what_is_made_like_a_name_is_one),
		cmocka_unit_test(test_two_reductions_in_one_millisecond_have_two_names),
		cmocka_unit_test(test_older_events_are_read),
		cmocka_unit_test(test_order_that_was_born_confirmed_has_no_hold),
		cmocka_unit_test(test_largest_event_survives_a_round_trip),
		cmocka_unit_test(test_random_events_survive_a_round_trip),
		cmocka_unit_test(test_unknown_fields_are_let_through),
		cmocka_unit_test(test_what_is_no_object_is_refused),
		cmocka_unit_test(test_event_of_a_newer_program_is_told_from_what_is_no_event),
		cmocka_unit_test(test_each_bad_field_is_named),
		cmocka_unit_test(test_a_request_is_a_hash),
		cmocka_unit_test(test_text_longer_than_its_limit_is_refused),
		cmocka_unit_test(test_extension_needs_its_hold),
		cmocka_unit_test(test_every_beginning_of_an_event_is_refused),
		cmocka_unit_test(test_own_copies_every_text),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	make();
	return failed;
}

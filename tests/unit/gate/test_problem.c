#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "gate/reply.h"

/* As the interface promises: they are stable. */
static const struct {
	enum problem problem;
	int status;
	const char *code;
} promised[] = {
	{PROBLEM_MALFORMED_REQUEST, 400, "malformed-request"},
	{PROBLEM_LENGTH_REQUIRED, 411, "length-required"},
	{PROBLEM_BODY_TOO_LARGE, 413, "body-too-large"},
	{PROBLEM_HEADERS_TOO_LARGE, 431, "headers-too-large"},
	{PROBLEM_HTTP_VERSION, 505, "http-version"},
	{PROBLEM_TRANSFER_ENCODING, 501, "transfer-encoding"},
	{PROBLEM_EXPECTATION, 417, "expectation"},
	{PROBLEM_REQUEST_TIMEOUT, 408, "request-timeout"},
	{PROBLEM_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type"},
	{PROBLEM_INVALID_VALUE, 422, "invalid-value"},
	{PROBLEM_UNKNOWN_FIELD, 422, "unknown-field"},
	{PROBLEM_KEY_REUSED, 422, "idempotency-key-reused"},
	{PROBLEM_UNAUTHORIZED, 401, "unauthorized"},
	{PROBLEM_FORBIDDEN, 403, "forbidden"},
	{PROBLEM_NOT_FOUND, 404, "not-found"},
	{PROBLEM_UNKNOWN_SALE, 404, "unknown-sale"},
	{PROBLEM_UNKNOWN_ORDER, 404, "unknown-order"},
	{PROBLEM_UNKNOWN_ITEM, 404, "unknown-item"},
	{PROBLEM_METHOD_NOT_ALLOWED, 405, "method-not-allowed"},
	{PROBLEM_WRONG_HOST, 421, "wrong-host"},
	{PROBLEM_SALE_NOT_OPEN, 409, "sale-not-open"},
	{PROBLEM_BUYER_LIMIT, 409, "buyer-limit-reached"},
	{PROBLEM_IN_FLIGHT, 409, "request-in-flight"},
	{PROBLEM_HOLD_EXPIRED, 409, "hold-expired"},
	{PROBLEM_ORDER_STATE, 409, "order-state"},
	{PROBLEM_ORDER_QUANTITY, 409, "order-quantity"},
	{PROBLEM_PAID_ALREADY, 409, "paid-already"},
	{PROBLEM_WRONG_AMOUNT, 409, "wrong-amount"},
	{PROBLEM_REFERENCE_USED, 409, "reference-used"},
	{PROBLEM_SALE_STATE, 409, "sale-state"},
	{PROBLEM_NOT_ENOUGH_UNITS, 409, "not-enough-units"},
	{PROBLEM_NAME_TAKEN, 409, "name-taken"},
	{PROBLEM_SALE_CHANGED, 409, "sale-changed"},
	{PROBLEM_RELAY_CHANGED, 409, "relay-changed"},
	{PROBLEM_SOLD_OUT, 410, "sold-out"},
	{PROBLEM_SALE_ENDED, 410, "sale-ended"},
	{PROBLEM_CURSOR_UNKNOWN, 410, "cursor-unknown"},
	{PROBLEM_RATE_LIMITED, 429, "rate-limited"},
	{PROBLEM_ADDRESS_RATE_LIMITED, 429, "address-rate-limited"},
	{PROBLEM_OVERLOADED, 503, "overloaded"},
	{PROBLEM_FENCED, 503, "fenced"},
	{PROBLEM_JOURNAL_UNAVAILABLE, 503, "journal-unavailable"},
	{PROBLEM_STOCK_UNAVAILABLE, 503, "stock-unavailable"},
	{PROBLEM_LEDGER_UNAVAILABLE, 503, "ledger-unavailable"},
	{PROBLEM_SHUTTING_DOWN, 503, "shutting-down"},
	{PROBLEM_OUTCOME_UNKNOWN, 503, "outcome-unknown"},
};

static void test_each_problem_is_as_promised_and_its_code_its_own(void **state)
{
	(void)state;
	assert_int_equal(sizeof(promised) / sizeof(promised[0]), PROBLEM_COUNT);
	for (size_t i = 0; i < PROBLEM_COUNT; i++) {
		assert_int_equal(problem_status(promised[i].problem), promised[i].status);
		assert_string_equal(problem_code(promised[i].problem), promised[i].code);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(promised[i].code, promised[j].code);
	}
}

static json_t *load(const struct buffer *buffer)
{
	json_t *document = json_loadb(buffer->data, buffer->size, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(document);
	return document;
}

static void test_each_is_a_whole_document(void **state)
{
	struct buffer buffer;
	char type[96];

	(void)state;
	buffer_init(&buffer, 4096);
	for (int i = 0; i < PROBLEM_COUNT; i++) {
		json_t *document;

		buffer_clear(&buffer);
		problem_render((enum problem)i, NULL, SLICE_NULL, &buffer);
		document = load(&buffer);
		assert_int_equal(json_object_size(document), 5);
		snprintf(type, sizeof(type), "urn:penstock:problem:%s", problem_code((enum problem)i));
		assert_string_equal(json_string_value(json_object_get(document, "type")), type);
		assert_string_equal(json_string_value(json_object_get(document, "code")), problem_code((enum problem)i));
		assert_int_equal(json_integer_value(json_object_get(document, "status")), problem_status((enum problem)i));
		assert_true(json_string_length(json_object_get(document, "title")) > 0);
		assert_true(json_string_length(json_object_get(document, "detail")) > 0);
		json_decref(document);
	}
	buffer_deinit(&buffer);
}

static void test_detail_and_members_are_told(void **state)
{
	struct buffer buffer;
	json_t *document;

	(void)state;
	buffer_init(&buffer, 4096);
	problem_render(PROBLEM_SOLD_OUT, "a \"detail\"\n", SLICE(",\"may_return\":true"), &buffer);
	document = load(&buffer);
	assert_string_equal(json_string_value(json_object_get(document, "detail")), "a \"detail\"\n");
	assert_true(json_is_true(json_object_get(document, "may_return")));
	json_decref(document);
	buffer_deinit(&buffer);
}

/* --- Replies --- */

static const char *headers(struct reply *reply)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%.*s", (int)reply->headers.size, reply->headers.data ? reply->headers.data : "");
	return text;
}

static void test_unavailability_always_says_when_to_come_back(void **state)
{
	struct reply reply;

	(void)state;
	reply_init(&reply);
	for (int i = 0; i < PROBLEM_COUNT; i++) {
		reply_clear(&reply);
		reply_problem(&reply, (enum problem)i, NULL);
		assert_string_equal(headers(&reply), problem_status((enum problem)i) == 503 ? "Retry-After: 1\r\n" : "");
		assert_true(slice_equal(reply.content_type, SLICE("application/problem+json")));
	}
	reply_deinit(&reply);
	reply_deinit(&reply);
}

static void test_retry_after_is_rounded_up_to_seconds(void **state)
{
	static const struct {
		int64_t ms;
		const char *header;
	} waits[] = {{1, "Retry-After: 1\r\n"}, {1000, "Retry-After: 1\r\n"}, {1001, "Retry-After: 2\r\n"}, {60000, "Retry-After: 60\r\n"}};
	struct reply reply;

	(void)state;
	reply_init(&reply);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		reply_clear(&reply);
		reply_problem(&reply, PROBLEM_RATE_LIMITED, &(struct problem_options){.retry_after_ms = waits[i].ms});
		assert_string_equal(headers(&reply), waits[i].header);
	}
	reply_deinit(&reply);
}

static void test_a_problem_takes_the_place_of_a_half_made_answer(void **state)
{
	struct reply reply;
	json_t *document;

	(void)state;
	reply_init(&reply);
	buffer_append_literal(&reply.body, "{\"orders\":[");
	reply_bad_field(&reply, PROBLEM_INVALID_VALUE, "a\"b", "%s is %d.", "it", 7);
	document = load(&reply.body);
	assert_string_equal(json_string_value(json_object_get(document, "field")), "a\"b");
	assert_string_equal(json_string_value(json_object_get(document, "detail")), "it is 7.");
	json_decref(document);
	reply_clear(&reply);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.problem, PROBLEM_COUNT);
	assert_int_equal(reply.body.size, 0);
	reply_deinit(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_problem_is_as_promised_and_its_code_its_own),
		cmocka_unit_test(test_each_is_a_whole_document),
		cmocka_unit_test(test_detail_and_members_are_told),
		cmocka_unit_test(test_unavailability_always_says_when_to_come_back),
		cmocka_unit_test(test_retry_after_is_rounded_up_to_seconds),
		cmocka_unit_test(test_a_problem_takes_the_place_of_a_half_made_answer),
	};

	return cmocka_run_group_tests_name("gate: problem", tests, NULL, NULL);
}

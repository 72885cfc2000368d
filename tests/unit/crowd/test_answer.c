#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "crowd/answer.h"

static const char accepted[] =
	"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\ncontent-length: 5\r\nIdempotent-Replayed: true\r\n\r\nhello";

static int read_text(const char *text, struct answer *answer)
{
	const char *reason;
	size_t used = 0;
	int outcome = answer_read(text, strlen(text), answer, &used, &reason);

	if (outcome == ANSWER_WHOLE)
		assert_int_equal(used, strlen(text));
	return outcome;
}

static void test_reads_an_answer(void **state)
{
	struct answer answer;

	(void)state;
	assert_int_equal(read_text(accepted, &answer), ANSWER_WHOLE);
	assert_int_equal(answer.status, 202);
	assert_true(answer.replayed);
	assert_false(answer.close);
	assert_int_equal(answer.retry_after_s, -1);
	assert_true(slice_equal(answer.body, SLICE("hello")));
}

static void test_asks_for_more_at_every_byte(void **state)
{
	struct answer answer;
	const char *reason;
	size_t used;

	(void)state;
	for (size_t size = 0; size < sizeof(accepted) - 1; size++) {
		char *exact = malloc(size + 1); /* so that a sanitizer sees a step too far */

		memcpy(exact, accepted, size);
		assert_int_equal(answer_read(exact, size, &answer, &used, &reason), ANSWER_MORE);
		free(exact);
	}
}

static void test_leaves_what_follows(void **state)
{
	struct answer answer;
	const char *reason, two[] = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK";
	size_t used;

	(void)state;
	assert_int_equal(answer_read(two, sizeof(two) - 1, &answer, &used, &reason), ANSWER_WHOLE);
	assert_int_equal(used, 27);
	assert_int_equal(answer.body.size, 0);
}

static void test_knows_when_to_come_again(void **state)
{
	struct answer answer;

	(void)state;
	assert_int_equal(read_text("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
				   &answer),
			 ANSWER_WHOLE);
	assert_int_equal(answer.retry_after_s, 2);
	assert_true(answer.close);
}

static void test_refuses_what_is_unclear(void **state)
{
	static const char *const faults[] = {
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 503 Later\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
	};
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		assert_int_equal(read_text(faults[i], &answer), ANSWER_FAULT);
}

static void test_finds_the_code_of_a_problem(void **state)
{
	(void)state;
	assert_true(slice_equal(answer_code(SLICE("{\"status\":410,\"code\":\"sold-out\",\"may_return\":true}")), SLICE("sold-out")));
	assert_int_equal(answer_code(SLICE("{\"status\":410}")).size, 0);
	assert_int_equal(answer_code(SLICE("{\"code\":\"cut")).size, 0);
	assert_int_equal(answer_code(SLICE_NULL).size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_an_answer),         cmocka_unit_test(test_asks_for_more_at_every_byte),
		cmocka_unit_test(test_leaves_what_follows),     cmocka_unit_test(test_knows_when_to_come_again),
		cmocka_unit_test(test_refuses_what_is_unclear), cmocka_unit_test(test_finds_the_code_of_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

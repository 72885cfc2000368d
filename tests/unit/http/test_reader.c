#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "http/reader.h"

static struct http_request request;
static size_t used;
static enum http_fault fault;
static const struct http_bounds *bounds = &(struct http_bounds){8192, 64, HTTP_BODY_MAX};

/* In memory of exactly its size, so that a sanitizer sees a byte read beyond it. */
static enum http_read_outcome read_exactly(const char *data, size_t size)
{
	static char *kept;
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, data, size);
	free(kept);
	kept = copy;
	return http_read(copy, size, bounds, &request, &used, &fault);
}

static void assert_slice(struct slice slice, const char *text)
{
	if (slice.size != strlen(text) || memcmp(slice.data, text, slice.size) != 0)
		fail_msg("'%.*s' is not '%s'", (int)slice.size, slice.data, text);
}

/* Every beginning gives MORE or BODY until the whole gives WHOLE. */
static void accept_split(const char *data, size_t size)
{
	bool body = false;

	for (size_t i = 0; i < size; i++) {
		enum http_read_outcome outcome = read_exactly(data, i);

		if (outcome != HTTP_READ_MORE && outcome != HTTP_READ_BODY)
			fail_msg("outcome %d, fault %d after %zu of %zu bytes of: %s", outcome, fault, i, size, data);
		assert_true(!body || outcome == HTTP_READ_BODY);
		body = outcome == HTTP_READ_BODY;
		assert_int_equal(used, body ? size : 0);
	}
	if (read_exactly(data, size) != HTTP_READ_WHOLE)
		fail_msg("fault %d in: %s", fault, data);
	assert_int_equal(used, size);
}

static void take_whole(const char *text)
{
	accept_split(text, strlen(text));
}

/*
 * Every beginning gives MORE, until one gives the fault; from then on it is that fault, whatever
 * follows.
 */
static void refuse_split(const char *data, size_t size, enum http_fault expected)
{
	bool refused = false;

	for (size_t i = 0; i <= size; i++) {
		enum http_read_outcome outcome = read_exactly(data, i);

		if (refused || outcome == HTTP_READ_FAULT) {
			refused = true;
			if (outcome != HTTP_READ_FAULT || fault != expected)
				fail_msg("outcome %d, fault %d, not fault %d, after %zu of %zu bytes of: %s", outcome, fault,
					 expected, i, size, data);
		} else if (outcome != HTTP_READ_MORE) {
			fail_msg("outcome %d after %zu bytes of: %s", outcome, i, data);
		}
	}
	if (!refused)
		fail_msg("not refused: %s", data);
}

static void refuse(const char *text, enum http_fault expected)
{
	refuse_split(text, strlen(text), expected);
}

/* With one header line more than is needed. */
static void refuse_header(const char *line, enum http_fault expected)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", line);
	refuse(text, expected);
}

static void accept_header(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", line);
	take_whole(text);
}

static void refuse_line(const char *line, enum http_fault expected)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s\r\nHost: a\r\n\r\n", line);
	refuse(text, expected);
}

static void accept_line(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s\r\nHost: a\r\n\r\n", line);
	take_whole(text);
}

static void refuse_host(const char *host)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
	refuse(text, HTTP_FAULT_HOST);
}

static void accept_host(const char *host)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
	take_whole(text);
}

static void test_a_purchase_is_read_whole(void **state)
{
	(void)state;
	take_whole("POST /v1/sales/aj1/orders?dry=1&x HTTP/1.1\r\n"
		   "Host: shop.example:8080\r\n"
		   "authorization: Bearer abc.def\r\n"
		   "Content-Type:application/json\r\n"
		   "CONTENT-LENGTH:  14 \t\r\n"
		   "Idempotency-Key: 7\r\n"
		   "X-Forwarded-For: 192.0.2.1\r\n"
		   "x-forwarded-for: 192.0.2.2\r\n"
		   "\r\n"
		   "{\"quantity\":1}");
	assert_int_equal(request.method, HTTP_POST);
	assert_slice(request.method_name, "POST");
	assert_slice(request.path, "/v1/sales/aj1/orders");
	assert_slice(request.query, "dry=1&x");
	assert_slice(request.known[HTTP_HOST], "shop.example:8080");
	assert_slice(request.known[HTTP_AUTHORIZATION], "Bearer abc.def");
	assert_slice(request.known[HTTP_CONTENT_TYPE], "application/json");
	assert_slice(request.known[HTTP_CONTENT_LENGTH], "14");
	assert_slice(request.known[HTTP_IDEMPOTENCY_KEY], "7");
	assert_null(request.known[HTTP_TRACEPARENT].data);
	assert_slice(request.body, "{\"quantity\":1}");
	assert_true(request.has_length);
	assert_true(request.keep_alive);
	assert_false(request.expect_continue);
	assert_int_equal(request.header_count, 7);
	assert_slice(request.headers[4].name, "Idempotency-Key");

	size_t place = 0;
	assert_slice(http_request_next_header(&request, SLICE("X-Forwarded-For"), &place), "192.0.2.1");
	assert_slice(http_request_next_header(&request, SLICE("X-Forwarded-For"), &place), "192.0.2.2");
	assert_null(http_request_next_header(&request, SLICE("X-Forwarded-For"), &place).data);
}

static void test_every_known_header_is_picked_out(void **state)
{
	(void)state;
	take_whole("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nContent-Type: t\r\nContent-Length: 0\r\nIdempotency-Key: k\r\n"
		   "Traceparent: p\r\nIf-None-Match: m\r\nLast-Event-ID: e\r\nAccept: c\r\n\r\n");
	static const char *const values[HTTP_KNOWN_COUNT] = {"h", "a", "t", "0", "k", "p", "m", "e", "c"};
	for (size_t i = 0; i < HTTP_KNOWN_COUNT; i++)
		assert_slice(request.known[i], values[i]);
	/* Names of the same length that are others. */
	accept_header("Acc_pt: x");
	assert_null(request.known[HTTP_ACCEPT].data);
	accept_header("content.length: 5");
	assert_false(request.has_length);
}

static void test_pipelined_requests_are_read_one_at_a_time(void **state)
{
	static const char first[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
	char both[128];

	(void)state;
	snprintf(both, sizeof(both), "%sGET /2 HTTP/1.1\r\n", first);
	assert_int_equal(read_exactly(both, strlen(both)), HTTP_READ_WHOLE);
	assert_int_equal(used, strlen(first));
	assert_int_equal(request.body.size, 0);
	assert_slice(request.path, "/1");
}

static void test_one_empty_line_before_the_request_is_skipped(void **state)
{
	(void)state;
	take_whole("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	refuse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_FAULT_REQUEST_LINE);
	refuse("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_FAULT_REQUEST_LINE);
	refuse("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_FAULT_REQUEST_LINE);
}

static void test_methods_are_told_apart_by_case(void **state)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "PURGE"};
	char text[128];

	(void)state;
	for (int i = 0; i <= HTTP_OTHER; i++) {
		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", names[i]);
		take_whole(text);
		assert_int_equal(request.method, i);
		assert_slice(request.method_name, names[i]);
	}
	accept_line("get / HTTP/1.1");
	assert_int_equal(request.method, HTTP_OTHER);
	accept_line("GETT / HTTP/1.1");
	assert_int_equal(request.method, HTTP_OTHER);
	accept_line("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1");
}

static void test_malformed_request_lines_are_refused(void **state)
{
	(void)state;
	refuse_line(" / HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("G@T / HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("G\xc3\x84T / HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET\t/ HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET  / HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET /  HTTP/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / HTTP/1.1 ", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET /", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / http/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / HTTP/1", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / HTTP/11", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / HTTP/1.10", HTTP_FAULT_REQUEST_LINE);
	refuse_line("GET / HTTPS/1.1", HTTP_FAULT_REQUEST_LINE);
	refuse("GET / HTTP/1.1\nHost: a\n\n", HTTP_FAULT_REQUEST_LINE);
	refuse("GET / HTTP/1.1\rHost: a\r\r", HTTP_FAULT_REQUEST_LINE);
	/* The first bytes of a TLS handshake. */
	refuse_split("\x16\x03\x01\x02\x00\x01", 6, HTTP_FAULT_REQUEST_LINE);
}

static void test_versions_but_1_0_and_1_1_are_refused(void **state)
{
	(void)state;
	refuse_line("GET / HTTP/1.2", HTTP_FAULT_VERSION);
	refuse_line("GET / HTTP/2.0", HTTP_FAULT_VERSION);
	refuse_line("GET / HTTP/0.9", HTTP_FAULT_VERSION);
	refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_FAULT_VERSION);
	accept_line("GET / HTTP/1.0");
	assert_int_equal(request.minor_version, 0);
}

static void test_targets_are_in_origin_form(void **state)
{
	(void)state;
	accept_line("GET /a-z_A.Z~0!$&'()*+,;=:@%41%fF//?q=/?:@ HTTP/1.1");
	assert_slice(request.path, "/a-z_A.Z~0!$&'()*+,;=:@%41%fF//");
	assert_slice(request.query, "q=/?:@");
	accept_line("GET /? HTTP/1.1");
	assert_non_null(request.query.data);
	assert_int_equal(request.query.size, 0);
	accept_line("GET / HTTP/1.1");
	assert_null(request.query.data);
	accept_line("OPTIONS * HTTP/1.1");
	assert_slice(request.path, "*");
	refuse_line("GET * HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("OPTIONS *a HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("OPTIONS *? HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET http://a/ HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("CONNECT a:443 HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("CONNECT / HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET a HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET ?a HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /#a HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /\x7f HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /\t HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /\xc3\xa4 HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /\\ HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /\" HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /<a> HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /{a} HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /%4 HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /%4g HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_line("GET /% HTTP/1.1", HTTP_FAULT_TARGET);
	refuse_split("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28, HTTP_FAULT_TARGET);
}

static void test_malformed_header_lines_are_refused(void **state)
{
	(void)state;
	refuse_header("A : b", HTTP_FAULT_HEADER);
	refuse_header("A\t: b", HTTP_FAULT_HEADER);
	refuse_header("A", HTTP_FAULT_HEADER);
	refuse_header(": b", HTTP_FAULT_HEADER);
	refuse_header("A b: c", HTTP_FAULT_HEADER);
	refuse_header("A(: c", HTTP_FAULT_HEADER);
	refuse_header("A\x80: c", HTTP_FAULT_HEADER);
	refuse_header("A: b\r\n c", HTTP_FAULT_HEADER);
	refuse_header("A: b\r\n\tc", HTTP_FAULT_HEADER);
	refuse_header("A: b\nC: d", HTTP_FAULT_HEADER);
	refuse_header("A: b\rC: d", HTTP_FAULT_HEADER);
	refuse_header("A: b\r\r\nC: d", HTTP_FAULT_HEADER);
	refuse_header("A: b\n", HTTP_FAULT_HEADER);
	refuse("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HTTP_FAULT_HEADER);
	refuse("GET / HTTP/1.1\r\nHost: a\r\n\n", HTTP_FAULT_HEADER);
	refuse("GET / HTTP/1.1\r\nHost: a\r\n\rX", HTTP_FAULT_HEADER);
}

static void test_no_control_character_is_in_a_value(void **state)
{
	char text[] = "GET / HTTP/1.1\r\nHost: a\r\nA: 0123456789abcdef0123456789abcdef\r\n\r\n";
	size_t start = sizeof("GET / HTTP/1.1\r\nHost: a\r\nA: ") - 1;

	(void)state;
	/* At every place, for the words that are skipped whole. */
	for (size_t i = 0; i < 32; i++) {
		char kept = text[start + i];

		for (int c = 0; c < 256; c++) {
			bool bad = (c < 0x20 && c != '\t') || c == 0x7f;

			text[start + i] = (char)c;
			if (bad != (read_exactly(text, sizeof(text) - 1) == HTTP_READ_FAULT))
				fail_msg("character 0x%02x at %zu", c, i);
			assert_int_equal(fault, bad ? HTTP_FAULT_HEADER : HTTP_FAULT_NONE);
		}
		text[start + i] = kept;
	}
	refuse_split("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", 33, HTTP_FAULT_HEADER);
}

static void test_values_lose_the_space_around_them(void **state)
{
	(void)state;
	accept_header("A: \t b\t c \t");
	assert_slice(http_request_header(&request, SLICE("a")), "b\t c");
	accept_header("A:");
	assert_non_null(http_request_header(&request, SLICE("A")).data);
	assert_int_equal(http_request_header(&request, SLICE("A")).size, 0);
	accept_header("A: \t ");
	assert_int_equal(http_request_header(&request, SLICE("A")).size, 0);
	assert_null(http_request_header(&request, SLICE("B")).data);
	accept_header("A: \xc3\xa4\xff");
}

static void test_there_is_exactly_one_host(void **state)
{
	(void)state;
	refuse("GET / HTTP/1.1\r\n\r\n", HTTP_FAULT_HOST);
	refuse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HTTP_FAULT_HOST);
	refuse("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HTTP_FAULT_HOST);
	take_whole("GET / HTTP/1.0\r\n\r\n");
	accept_host("a.example");
	accept_host("192.0.2.1:80");
	accept_host("[2001:db8::1]:8080");
	accept_host("a:");
	accept_host("%41b");
	refuse_host("");
	refuse_host(":80");
	refuse_host("a b");
	refuse_host("a/b");
	refuse_host("u@a");
	refuse_host("a:8x");
	refuse_host("a:80:80");
	refuse_host("[::1");
	refuse_host("[]");
	refuse_host("[::1]x");
	refuse_host("%4");
	refuse_host("\xc3\xa4");
}

static void test_known_headers_are_given_once(void **state)
{
	(void)state;
	refuse_header("Authorization: a\r\nauthorization: a", HTTP_FAULT_REPEATED_HEADER);
	refuse_header("Idempotency-Key: a\r\nIdempotency-Key: b", HTTP_FAULT_REPEATED_HEADER);
	refuse_header("Content-Type: a\r\nContent-Type: a", HTTP_FAULT_REPEATED_HEADER);
	refuse_header("Traceparent:\r\nTraceparent:", HTTP_FAULT_REPEATED_HEADER);
	refuse_header("Content-Length: 1\r\nContent-Length: 1", HTTP_FAULT_CONTENT_LENGTH);
	accept_header("X-Forwarded-For: a\r\nX-Forwarded-For: a\r\nX: b\r\nX: c");
}

static void test_content_length_is_plain_digits(void **state)
{
	static const char *const wrong[] = {"", "+1", "-1", "0x1", "1 1", "1,1", "1, 1", "1.0", "one", "1a", "\xb2"};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), "Content-Length: %s", wrong[i]);
		refuse_header(line, HTTP_FAULT_CONTENT_LENGTH);
	}
	take_whole("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc");
	assert_slice(request.body, "abc");
	accept_header("Content-Length: 0");
	assert_true(request.has_length);
	take_whole("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
	assert_slice(request.body, "ab");
}

static void test_a_body_has_a_limit(void **state)
{
	static char text[256 + HTTP_BODY_MAX];
	size_t head;

	(void)state;
	head = (size_t)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", HTTP_BODY_MAX);
	memset(text + head, 'x', HTTP_BODY_MAX);
	assert_int_equal(read_exactly(text, head + HTTP_BODY_MAX - 1), HTTP_READ_BODY);
	assert_int_equal(request.body.size, HTTP_BODY_MAX - 1);
	assert_int_equal(used, head + HTTP_BODY_MAX);
	assert_int_equal(read_exactly(text, head + HTTP_BODY_MAX), HTTP_READ_WHOLE);
	assert_int_equal(request.body.size, HTTP_BODY_MAX);
	refuse_header("Content-Length: 16385", HTTP_FAULT_BODY_TOO_LARGE);
	refuse_header("Content-Length: 18446744073709551617", HTTP_FAULT_BODY_TOO_LARGE);
	refuse_header("Content-Length: 99999999999999999999999999999999999999999999999999", HTTP_FAULT_BODY_TOO_LARGE);
	refuse_header("Content-Length: 99999999999999999999999999999999999999999999999999x", HTTP_FAULT_CONTENT_LENGTH);
}

static void test_without_a_length_there_is_no_body(void **state)
{
	static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
		take_whole(text);
		assert_false(request.has_length);
		assert_int_equal(request.body.size, 0);
	}
}

static void test_transfer_codings_are_refused(void **state)
{
	(void)state;
	refuse_header("Transfer-Encoding: chunked", HTTP_FAULT_LENGTH_REQUIRED);
	refuse_header("transfer-encoding: Chunked", HTTP_FAULT_LENGTH_REQUIRED);
	refuse_header("Transfer-Encoding: gzip, chunked", HTTP_FAULT_TRANSFER_ENCODING);
	refuse_header("Transfer-Encoding: identity", HTTP_FAULT_TRANSFER_ENCODING);
	refuse_header("Transfer-Encoding: xchunked", HTTP_FAULT_TRANSFER_ENCODING);
	refuse_header("Transfer-Encoding:", HTTP_FAULT_TRANSFER_ENCODING);
	refuse_header("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", HTTP_FAULT_TRANSFER_ENCODING);
	refuse_header("Transfer-Encoding: chunked\r\nContent-Length: 3", HTTP_FAULT_CONTENT_LENGTH);
	refuse_header("Content-Length: 3\r\nTransfer-Encoding: chunked", HTTP_FAULT_CONTENT_LENGTH);
	refuse("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_FAULT_LENGTH_REQUIRED);
}

static void test_connection_options_say_whether_to_go_on(void **state)
{
	static const struct {
		const char *version, *line;
		bool keep;
	} cases[] = {
		{"1.1", "X: y", true},
		{"1.1", "Connection: close", false},
		{"1.1", "Connection: Close", false},
		{"1.1", "Connection: keep-alive", true},
		{"1.1", "Connection: keep-alive, close", false},
		{"1.1", "Connection: close\r\nConnection: keep-alive", false},
		{"1.1", "Connection: upgrade , \tclose", false},
		{"1.1", "Connection: closed, xclose", true},
		{"1.1", "Connection:", true},
		{"1.1", "Connection: ,,close", false},
		{"1.0", "X: y", false},
		{"1.0", "Connection: Keep-Alive", true},
		{"1.0", "Connection: keep-alive\r\nConnection: close", false},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n\r\n", cases[i].version, cases[i].line);
		take_whole(text);
		if (request.keep_alive != cases[i].keep)
			fail_msg("%s", text);
	}
	refuse_header("Connection: close;x", HTTP_FAULT_HEADER);
	refuse_header("Connection: a b", HTTP_FAULT_HEADER);
	refuse_header("Connection: \"close\"", HTTP_FAULT_HEADER);
}

static void test_only_100_continue_can_be_expected(void **state)
{
	(void)state;
	take_whole("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab");
	assert_true(request.expect_continue);
	refuse_header("Expect: 101-continue", HTTP_FAULT_EXPECTATION);
	refuse_header("Expect:", HTTP_FAULT_EXPECTATION);
	refuse_header("Expect: 100-continue\r\nExpect: 100-continue", HTTP_FAULT_EXPECTATION);
	take_whole("GET / HTTP/1.0\r\nExpect: something\r\n\r\n");
	assert_false(request.expect_continue);
}

static size_t make_head(char *text, size_t size)
{
	size_t place = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nA: ");

	memset(text + place, 'x', size - place - 4);
	memcpy(text + size - 4, "\r\n\r\n", 4);
	return size;
}

static void check_head_limit(size_t max)
{
	static char text[HTTP_HEAD_MAX * 2];

	assert_int_equal(read_exactly(text, make_head(text, max)), HTTP_READ_WHOLE);
	make_head(text, max + 1);
	assert_int_equal(read_exactly(text, max - 1), HTTP_READ_MORE);
	for (size_t size = max; size < max + 2; size++) {
		assert_int_equal(read_exactly(text, size), HTTP_READ_FAULT);
		assert_int_equal(fault, HTTP_FAULT_HEADERS_TOO_LARGE);
	}
	/* However the bytes are spread. */
	memset(text, 'G', sizeof(text));
	assert_int_equal(read_exactly(text, max - 1), HTTP_READ_MORE);
	assert_int_equal(read_exactly(text, sizeof(text)), HTTP_READ_FAULT);
	assert_int_equal(fault, HTTP_FAULT_HEADERS_TOO_LARGE);
	memcpy(text, "GET /", 5);
	assert_int_equal(read_exactly(text, sizeof(text)), HTTP_READ_FAULT);
	assert_int_equal(fault, HTTP_FAULT_HEADERS_TOO_LARGE);
}

static void check_fields_limit(uint32_t max)
{
	char text[8192];
	size_t size = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");

	for (uint32_t i = 1; i < max; i++)
		size += (size_t)sprintf(text + size, "A%u: b\r\n", i);
	strcpy(text + size, "\r\n");
	take_whole(text);
	assert_int_equal(request.header_count, max);
	strcpy(text + size, "Z: b\r\n\r\n");
	refuse(text, HTTP_FAULT_HEADERS_TOO_LARGE);
}

static void test_the_bounds_of_a_head_are_those_that_were_set(void **state)
{
	static const struct http_bounds set[] = {{1024, 16, HTTP_BODY_MAX},
						 {8192, 64, HTTP_BODY_MAX},
						 {16384, 100, HTTP_BODY_MAX},
						 {HTTP_HEAD_MAX, HTTP_HEADERS_MAX, HTTP_BODY_MAX}};
	const struct http_bounds *standard = bounds;

	(void)state;
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		bounds = &set[i];
		check_head_limit(bounds->head_bytes);
		check_fields_limit(bounds->header_fields);
	}
	bounds = standard;
}

static void test_every_fault_has_a_status_and_a_code(void **state)
{
	static const struct {
		enum http_fault fault;
		int status;
	} statuses[] = {
		{HTTP_FAULT_REQUEST_LINE, 400},    {HTTP_FAULT_VERSION, 505},           {HTTP_FAULT_HEADERS_TOO_LARGE, 431},
		{HTTP_FAULT_LENGTH_REQUIRED, 411}, {HTTP_FAULT_TRANSFER_ENCODING, 501}, {HTTP_FAULT_BODY_TOO_LARGE, 413},
		{HTTP_FAULT_EXPECTATION, 417},     {HTTP_FAULT_TIMEOUT, 408},
	};

	(void)state;
	for (int i = 1; i < HTTP_FAULT_COUNT; i++) {
		const struct http_fault_info *info = http_fault_info((enum http_fault)i);

		assert_in_range(info->status, 400, 599);
		assert_true(strlen(info->code) > 0);
		assert_true(strlen(info->detail) > 0);
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		assert_int_equal(http_fault_info(statuses[i].fault)->status, statuses[i].status);
}

static void query(const char *text)
{
	request.query = slice_of(text);
}

static void test_query_values_are_found_and_decoded(void **state)
{
	char text[8];

	(void)state;
	query("sale=aj1&buyer=a%2Bb%20c&x&empty=&sal=2");
	assert_int_equal(http_request_query(&request, SLICE("sale"), text, sizeof(text)), 0);
	assert_string_equal(text, "aj1");
	assert_int_equal(http_request_query(&request, SLICE("buyer"), text, sizeof(text)), 0);
	assert_string_equal(text, "a+b c");
	assert_int_equal(http_request_query(&request, SLICE("x"), text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(http_request_query(&request, SLICE("empty"), text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(http_request_query(&request, SLICE("sa"), text, sizeof(text)), 1);
	query("");
	assert_int_equal(http_request_query(&request, SLICE("x"), text, sizeof(text)), 1);
	request.query = SLICE_NULL;
	assert_int_equal(http_request_query(&request, SLICE("x"), text, sizeof(text)), 1);
	query("a+b=1&a=x+y");
	assert_int_equal(http_request_query(&request, SLICE("a"), text, sizeof(text)), 0);
	assert_string_equal(text, "x+y");
}

static void test_query_parameters_are_walked_in_order(void **state)
{
	struct slice name, value;
	size_t place = 0;

	(void)state;
	query("&a=1&&flag&empty=&=x&");
	assert_true(http_request_next_query(&request, &place, &name, &value));
	assert_slice(name, "a");
	assert_slice(value, "1");
	assert_true(http_request_next_query(&request, &place, &name, &value));
	assert_slice(name, "flag");
	assert_null(value.data);
	assert_true(http_request_next_query(&request, &place, &name, &value));
	assert_slice(name, "empty");
	assert_slice(value, "");
	assert_true(http_request_next_query(&request, &place, &name, &value));
	assert_slice(name, "");
	assert_slice(value, "x");
	assert_false(http_request_next_query(&request, &place, &name, &value));
	request.query = SLICE_NULL;
	place = 0;
	assert_false(http_request_next_query(&request, &place, &name, &value));
}

static void test_bad_query_values_are_refused(void **state)
{
	char text[4];

	(void)state;
	query("a=%4&b=%4g&c=%00&d=1&d=1&e=1234&f=123&g=%");
	assert_int_equal(http_request_query(&request, SLICE("a"), text, sizeof(text)), -EINVAL);
	assert_int_equal(http_request_query(&request, SLICE("b"), text, sizeof(text)), -EINVAL);
	assert_int_equal(http_request_query(&request, SLICE("c"), text, sizeof(text)), -EINVAL);
	assert_int_equal(http_request_query(&request, SLICE("d"), text, sizeof(text)), -EINVAL);
	assert_int_equal(http_request_query(&request, SLICE("e"), text, sizeof(text)), -EINVAL);
	assert_int_equal(http_request_query(&request, SLICE("f"), text, sizeof(text)), 0);
	assert_int_equal(http_request_query(&request, SLICE("g"), text, sizeof(text)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_purchase_is_read_whole),
		cmocka_unit_test(test_every_known_header_is_picked_out),
		cmocka_unit_test(test_pipelined_requests_are_read_one_at_a_time),
		cmocka_unit_test(test_one_empty_line_before_the_request_is_skipped),
		cmocka_unit_test(test_methods_are_told_apart_by_case),
		cmocka_unit_test(test_malformed_request_lines_are_refused),
		cmocka_unit_test(test_versions_but_1_0_and_1_1_are_refused),
		cmocka_unit_test(test_targets_are_in_origin_form),
		cmocka_unit_test(test_malformed_header_lines_are_refused),
		cmocka_unit_test(test_no_control_character_is_in_a_value),
		cmocka_unit_test(test_values_lose_the_space_around_them),
		cmocka_unit_test(test_there_is_exactly_one_host),
		cmocka_unit_test(test_known_headers_are_given_once),
		cmocka_unit_test(test_content_length_is_plain_digits),
		cmocka_unit_test(test_a_body_has_a_limit),
		cmocka_unit_test(test_without_a_length_there_is_no_body),
		cmocka_unit_test(test_transfer_codings_are_refused),
		cmocka_unit_test(test_connection_options_say_whether_to_go_on),
		cmocka_unit_test(test_only_100_continue_can_be_expected),
		cmocka_unit_test(test_the_bounds_of_a_head_are_those_that_were_set),
		cmocka_unit_test(test_every_fault_has_a_status_and_a_code),
		cmocka_unit_test(test_query_values_are_found_and_decoded),
		cmocka_unit_test(test_query_parameters_are_walked_in_order),
		cmocka_unit_test(test_bad_query_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The loop over connections without sockets: what a client does there comes to the handler as it
 * does over a socket.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/thread.h"
#include "http/loop.h"
#include "unit/http/wire_client.h"

enum { LARGE = 1000000 };
static const int64_t PATIENCE_NS = 60000000000;
static const char deferred_request[] = "GET /defer HTTP/1.1\r\nHost: a\r\n\r\n";

struct bench {
	struct http_handler handler; /* first: the loop calls back with it */
	struct http_loop *loop;
	struct http_quota quota;
	struct http_wire *wire;
	struct lane *lane;
	struct thread thread;
	struct address peer;
	struct http_handle waiting;
	_Atomic int deferred, gone;
};
static struct bench bench;
static struct wire_answer answer;

static void respond(struct http_exchange *exchange, struct slice body)
{
	http_respond(exchange, &(struct http_response){.status = 200, .content_type = SLICE("text/plain"), .body = body});
}

static void on_request(struct http_handler *handler, struct http_exchange *exchange)
{
	const struct http_request *request = http_exchange_request(exchange);
	char *large;

	(void)handler;
	if (slice_equal(request->path, SLICE("/defer"))) {
		bench.waiting = http_exchange_handle(exchange);
		http_defer(exchange);
		atomic_fetch_add(&bench.deferred, 1);
	} else if (slice_equal(request->path, SLICE("/large"))) {
		large = calloc(1, LARGE);
		assert_non_null(large);
		memset(large, 'x', LARGE);
		respond(exchange, (struct slice){large, LARGE});
		free(large);
	} else {
		respond(exchange, request->body.size > 0 ? request->body : SLICE("hello"));
	}
}

static void on_fault(struct http_handler *handler, struct http_exchange *exchange, enum http_fault fault)
{
	(void)handler;
	(void)fault;
	http_respond(exchange, &(struct http_response){.status = 400, .close = true});
}

static bool on_head(struct http_handler *handler, struct http_exchange *exchange)
{
	(void)handler;
	(void)exchange;
	return true;
}

static void on_round_end(struct http_handler *handler)
{
	(void)handler;
}

static void on_wake(struct http_handler *handler)
{
	struct http_exchange *exchange = http_find(bench.loop, bench.waiting);
	void *item;

	(void)handler;
	while (lane_pop(bench.lane, &item, 1, 0))
		if (exchange)
			respond(exchange, SLICE("later"));
}

static int64_t on_tick(struct http_handler *handler, int64_t now_ns)
{
	(void)handler;
	(void)now_ns;
	return INT64_MAX;
}

static void on_gone(struct http_handler *handler, struct http_handle handle)
{
	(void)handler;
	(void)handle;
	atomic_fetch_add(&bench.gone, 1);
}

static void run(void *argument)
{
	http_loop_run(((struct bench *)argument)->loop);
}

static int begin(void **state)
{
	struct http_loop_settings settings = {.handler = &bench.handler, .quota = &bench.quota, .bounds = {8192, 64, HTTP_BODY_MAX}};

	(void)state;
	memset(&bench, 0, sizeof(bench));
	bench.handler = (struct http_handler){on_request, on_head, on_fault, on_round_end, on_wake, on_tick, on_gone};
	bench.quota.connections_max = 100;
	assert_int_equal(address_parse(SLICE("192.0.2.7"), &bench.peer), 0);
	assert_int_equal(http_wire_new(&bench.wire), 0);
	assert_int_equal(lane_new(&bench.lane, 4), 0);
	settings.wire = bench.wire;
	assert_int_equal(http_loop_new(&bench.loop, &settings), 0);
	assert_int_equal(http_loop_watch(bench.loop, bench.lane), 0);
	assert_int_equal(thread_start(&bench.thread, "loop", run, &bench), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	http_loop_stop(bench.loop, clock_mono_ns() + PATIENCE_NS);
	thread_join(&bench.thread);
	assert_int_equal(atomic_load(&bench.quota.connections), 0);
	http_loop_free(bench.loop);
	lane_free(bench.lane);
	http_wire_free(bench.wire);
	return 0;
}

static struct http_wire_end *connect_and_send(const char *text)
{
	struct http_wire_end *wire_end;

	assert_int_equal(http_wire_connect(bench.wire, &bench.peer, 0, &wire_end), 0);
	assert_int_equal(http_wire_send(wire_end, text, strlen(text)), 0);
	return wire_end;
}

static void await(_Atomic int *count, int value)
{
	int64_t until_ns = clock_mono_ns() + PATIENCE_NS;

	while (atomic_load(count) < value && clock_mono_ns() < until_ns)
		thread_yield();
	assert_int_equal(atomic_load(count), value);
}

/* What came until the text ends so. */
static void expect_end(struct http_wire_end *wire_end, const char *text)
{
	char got[4096];
	size_t size = 0, length = strlen(text);

	while (size < length || memcmp(got + size - length, text, length) != 0) {
		ssize_t more = http_wire_receive(wire_end, got + size, sizeof(got) - size, clock_mono_ns() + PATIENCE_NS);

		assert_true(more > 0);
		size += (size_t)more;
	}
}

static void test_a_request_is_answered(void **state)
{
	(void)state;
	wire_ask(bench.wire, "GET", "/", "", NULL, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "hello");
	wire_ask(bench.wire, "POST", "/", "", "{\"a\":1}", &answer);
	assert_string_equal(answer.body, "{\"a\":1}");
}

static void test_a_request_in_pieces_on_a_kept_connection_is_answered(void **state)
{
	struct http_wire_end *client = connect_and_send("GET / HT");

	(void)state;
	assert_int_equal(http_wire_send(client, "TP/1.1\r\nHost: a\r\n\r\n", 19), 0);
	expect_end(client, "hello");
	assert_int_equal(http_wire_send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 0);
	expect_end(client, "hello");
	http_wire_close(client);
}

static void test_a_deferred_answer_leaves_when_the_lane_wakes_the_loop(void **state)
{
	struct http_wire_end *client = connect_and_send(deferred_request);
	void *item = client;

	(void)state;
	await(&bench.deferred, 1);
	assert_int_equal(lane_push(bench.lane, LANE_NORMAL, &item, 1), 1);
	expect_end(client, "later");
	assert_int_equal(atomic_load(&bench.gone), 0);
	http_wire_close(client);
}

static void test_a_client_that_hangs_up_makes_its_exchange_go(void **state)
{
	struct http_wire_end *client = connect_and_send(deferred_request);

	(void)state;
	await(&bench.deferred, 1);
	http_wire_close(client);
	await(&bench.gone, 1);
}

static void test_a_client_that_sends_no_more_still_gets_its_answer(void **state)
{
	struct http_wire_end *client = connect_and_send(deferred_request);
	void *item = client;

	(void)state;
	http_wire_finish(client);
	await(&bench.deferred, 1);
	assert_int_equal(lane_push(bench.lane, LANE_NORMAL, &item, 1), 1);
	expect_end(client, "later");
	http_wire_close(client);
}

/* More than the wire takes at once: the rest leaves as the client reads. */
static void test_a_large_answer_waits_for_its_reader(void **state)
{
	struct http_wire_end *client = connect_and_send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	static char got[65536];
	size_t size = 0;
	ssize_t more;

	(void)state;
	while ((more = http_wire_receive(client, got, sizeof(got), clock_mono_ns() + PATIENCE_NS)) > 0)
		size += (size_t)more;
	assert_int_equal(more, 0);
	assert_in_range(size, LARGE, LARGE + 1000);
	http_wire_close(client);
}

static void test_nobody_connects_to_a_loop_that_has_stopped(void **state)
{
	struct http_wire_end *client = connect_and_send(deferred_request);
	struct http_wire_end *late;
	void *item = client;

	(void)state;
	await(&bench.deferred, 1);
	http_loop_stop(bench.loop, clock_mono_ns() + PATIENCE_NS);
	assert_int_equal(lane_push(bench.lane, LANE_NORMAL, &item, 1), 1);
	expect_end(client, "later"); /* what was in flight is answered */
	http_wire_close(client);
	thread_join(&bench.thread);
	assert_int_equal(http_wire_connect(bench.wire, &bench.peer, 0, &late), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_request_is_answered, begin, end),
		cmocka_unit_test_setup_teardown(test_a_request_in_pieces_on_a_kept_connection_is_answered, begin, end),
		cmocka_unit_test_setup_teardown(test_a_deferred_answer_leaves_when_the_lane_wakes_the_loop, begin, end),
		cmocka_unit_test_setup_teardown(test_a_client_that_hangs_up_makes_its_exchange_go, begin, end),
		cmocka_unit_test_setup_teardown(test_a_client_that_sends_no_more_still_gets_its_answer, begin, end),
		cmocka_unit_test_setup_teardown(test_a_large_answer_waits_for_its_reader, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_connects_to_a_loop_that_has_stopped, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

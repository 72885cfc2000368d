/*
 * How long what a loop reads has waited: by itself, in a loop over wires, and over sockets whose
 * clients wait to be accepted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/thread.h"
#include "http/queue_age.h"
#include "unit/http/loop_fixture.h"

enum { CROWD = 900, A_ROUND = 256, SOCKETS = 200 };
static const int64_t MS = 1000000, TARGET_NS = 50000000, PATIENCE_NS = 60000000000;
static const char ask[] = "GET /overdue HTTP/1.1\r\nHost: a\r\n\r\n";

static struct {
	struct clock_source source; /* first */
	_Atomic int64_t now_ns;
} fake;

static int64_t fake_wall_us(const struct clock_source *source)
{
	(void)source;
	return atomic_load(&fake.now_ns) / 1000;
}

static int64_t fake_mono_ns(const struct clock_source *source)
{
	(void)source;
	return atomic_load(&fake.now_ns);
}

static int take_clock(void **state)
{
	(void)state;
	fake.source = (struct clock_source){fake_wall_us, fake_mono_ns};
	atomic_store(&fake.now_ns, PATIENCE_NS);
	clock_set_source(&fake.source);
	return 0;
}

static int give_clock_back(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

/* --- By itself --- */

struct line {
	struct http_wire *wire;
	struct wire_port *port;
	struct http_wire_end *end;
	struct endpoint at;
};

/* One client, whose bytes come now. */
static void line_open(struct line *line)
{
	struct address peer = {{0}};

	assert_int_equal(http_wire_new(&line->wire), 0);
	assert_int_equal(wire_port_new(&line->port, line->wire), 0);
	assert_int_equal(http_wire_connect(line->wire, &peer, 0, &line->end), 0);
	line->at = (struct endpoint){.fd = -1, .wire = wire_port_accept(line->port, &peer)};
	assert_int_equal(http_wire_send(line->end, "x", 1), 0);
}

static void line_close(struct line *line)
{
	http_wire_close(line->end);
	endpoint_close(&line->at);
	wire_port_free(line->port);
	http_wire_free(line->wire);
}

static int64_t pass(int64_t ns)
{
	return atomic_fetch_add(&fake.now_ns, ns) + ns;
}

static bool is_beyond(struct queue_age *queue, const struct line *line)
{
	return queue_age_is_beyond(queue, &line->at, TARGET_NS, clock_mono_ns());
}

static void test_a_round_that_leaves_nobody_behind_is_no_queue(void **state)
{
	struct queue_age queue = {0};
	struct line line;

	(void)state;
	line_open(&line);
	queue_age_begin_round(&queue, false, pass(1000 * MS));
	assert_false(is_beyond(&queue, &line));
	assert_int_equal(queue_age_ns(&queue), 0);
	line_close(&line);
}

static void test_a_queue_that_has_just_begun_makes_nobody_late(void **state)
{
	struct queue_age queue = {0};
	struct line line;

	(void)state;
	line_open(&line);
	queue_age_begin_round(&queue, true, pass(1000 * MS)); /* the loop was held up */
	queue_age_begin_round(&queue, true, pass(STANDING_TIMES * TARGET_NS));
	assert_false(is_beyond(&queue, &line));
	queue_age_begin_round(&queue, true, pass(STANDING_TIMES));
	assert_true(is_beyond(&queue, &line));
	queue_age_begin_round(&queue, false, pass(MS));
	assert_false(is_beyond(&queue, &line));
	assert_int_equal(queue_age_ns(&queue), 0);
	line_close(&line);
}

static void test_in_a_standing_queue_who_has_come_just_now_is_in_time(void **state)
{
	struct queue_age queue = {0};
	struct line old, young;

	(void)state;
	line_open(&old);
	queue_age_begin_round(&queue, true, pass(MS));
	queue_age_begin_round(&queue, true, pass(300 * MS));
	line_open(&young);
	assert_false(is_beyond(&queue, &young));
	queue_age_begin_round(&queue, true, pass(MS));
	assert_true(is_beyond(&queue, &old));
	assert_int_equal(queue_age_ns(&queue), 302 * MS);
	line_close(&young);
	line_close(&old);
}

static void test_one_of_sixteen_is_looked_at(void **state)
{
	struct queue_age queue = {0};
	struct line old, young;

	(void)state;
	line_open(&old);
	queue_age_begin_round(&queue, true, pass(MS));
	queue_age_begin_round(&queue, true, pass(300 * MS));
	line_open(&young);
	assert_true(is_beyond(&queue, &old));
	for (int i = 1; i < QUEUE_AGE_STEP; i++)
		assert_true(is_beyond(&queue, &young));
	assert_false(is_beyond(&queue, &young));
	line_close(&young);
	line_close(&old);
}

static void test_what_was_read_in_an_earlier_round_is_not_looked_at(void **state)
{
	struct queue_age queue = {0};

	(void)state;
	queue_age_begin_round(&queue, true, pass(MS));
	queue_age_begin_round(&queue, true, pass(300 * MS));
	assert_false(queue_age_is_beyond(&queue, NULL, TARGET_NS, clock_mono_ns()));
}

/* --- A loop over wires --- */

struct bench {
	struct http_handler handler; /* first: the loop calls back with it */
	struct http_loop *loop;
	struct http_quota quota;
	struct http_wire *wire;
	struct thread thread;
	struct http_wire_end *ends[CROWD];
};

/* Each request takes a millisecond. */
static void on_request(struct http_handler *handler, struct http_exchange *exchange)
{
	bool late = http_exchange_overdue(exchange, TARGET_NS);

	(void)handler;
	pass(MS);
	http_respond(exchange, &(struct http_response){.status = late ? 503 : 200});
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

static void on_nothing(struct http_handler *handler)
{
	(void)handler;
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
}

static void run(void *argument)
{
	http_loop_run(((struct bench *)argument)->loop);
}

static int status_of(struct http_wire_end *end)
{
	char text[1024];
	ssize_t got = http_wire_receive(end, text, sizeof(text) - 1, INT64_MAX);
	int status = 0;

	assert_true(got > 0);
	text[got] = '\0';
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	return status;
}

/* So many are there before the loop runs, and each asks so often. How many answers were late. */
static size_t serve_crowd(size_t size, int times)
{
	static struct bench bench;
	struct http_loop_settings settings = {.handler = &bench.handler, .quota = &bench.quota, .bounds = {8192, 64, HTTP_BODY_MAX}};
	struct address peer = {{0}};
	size_t late = 0;

	memset(&bench, 0, sizeof(bench));
	bench.handler = (struct http_handler){on_request, on_head, on_fault, on_nothing, on_nothing, on_tick, on_gone};
	bench.quota.connections_max = CROWD;
	assert_int_equal(http_wire_new(&bench.wire), 0);
	settings.wire = bench.wire;
	assert_int_equal(http_loop_new(&bench.loop, &settings), 0);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(http_wire_connect(bench.wire, &peer, 0, &bench.ends[i]), 0);
		assert_int_equal(http_wire_send(bench.ends[i], ask, sizeof(ask) - 1), 0);
	}
	assert_int_equal(thread_start(&bench.thread, "loop", run, &bench), 0);
	while (times-- > 0)
		for (size_t i = 0; i < size; i++) {
			late += status_of(bench.ends[i]) == 503;
			if (times > 0)
				assert_int_equal(http_wire_send(bench.ends[i], ask, sizeof(ask) - 1), 0);
		}
	for (size_t i = 0; i < size; i++)
		http_wire_close(bench.ends[i]);
	http_loop_stop(bench.loop, INT64_MAX);
	thread_join(&bench.thread);
	http_loop_free(bench.loop);
	http_wire_free(bench.wire);
	return late;
}

static void test_of_a_crowd_that_comes_at_once_those_in_the_middle_are_late(void **state)
{
	(void)state;
	/* In the second round the queue has stood for 256 ms; behind the fourth nobody waits. */
	assert_int_equal(serve_crowd(CROWD, 1), 2 * A_ROUND);
}

static void test_a_round_of_all_there_are_leaves_nobody_behind(void **state)
{
	(void)state;
	assert_int_equal(serve_crowd(A_ROUND, 4), 0);
}

/* --- Sockets --- */

static void test_who_waited_to_be_accepted_is_late(void **state)
{
	static struct client clients[SOCKETS];
	struct fixture fixture;
	int64_t sent_ns;
	int late = 0;

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0", fixture_limits(), SOCKETS);
	for (int i = 0; i < SOCKETS; i++) {
		client_connect(&clients[i], &fixture);
		client_send(&clients[i], ask);
	}
	sent_ns = clock_mono_ns();
	WAIT_UNTIL(clock_mono_ns() - sent_ns > TARGET_NS); /* more than a tick of any kernel */
	fixture_run(&fixture);
	for (int i = 0; i < SOCKETS; i++)
		late += client_answer(&clients[i], false)->status == 503;
	/*
	 * 64 a round are accepted: nobody is late of the first, nor of the last, behind which
	 * nobody waits.
	 */
	assert_in_range(late, 1, SOCKETS - 64);
	for (int i = 0; i < SOCKETS; i++)
		client_close(&clients[i]);
	fixture_stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_round_that_leaves_nobody_behind_is_no_queue, take_clock, give_clock_back),
		cmocka_unit_test_setup_teardown(test_a_queue_that_has_just_begun_makes_nobody_late, take_clock, give_clock_back),
		cmocka_unit_test_setup_teardown(test_in_a_standing_queue_who_has_come_just_now_is_in_time, take_clock, give_clock_back),
		cmocka_unit_test_setup_teardown(test_one_of_sixteen_is_looked_at, take_clock, give_clock_back),
		cmocka_unit_test_setup_teardown(test_what_was_read_in_an_earlier_round_is_not_looked_at, take_clock, give_clock_back),
		cmocka_unit_test_setup_teardown(test_of_a_crowd_that_comes_at_once_those_in_the_middle_are_late, take_clock,
						give_clock_back),
		cmocka_unit_test_setup_teardown(test_a_round_of_all_there_are_leaves_nobody_behind, take_clock, give_clock_back),
		cmocka_unit_test(test_who_waited_to_be_accepted_is_late),
	};

	return cmocka_run_group_tests_name("queue_age", tests, NULL, NULL);
}

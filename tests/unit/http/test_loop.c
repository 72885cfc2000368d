#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "unit/http/loop_fixture.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static const int64_t MS = 1000000;
static struct fixture fixture;
static struct client client;

static void start(void)
{
	fixture_start(&fixture, fixture_limits(), 1000);
	client_connect(&client, &fixture);
}

static void end(void)
{
	client_close(&client);
	fixture_stop(&fixture);
}

static void assert_body(const struct answer *answer, const char *text)
{
	assert_int_equal(answer->size, strlen(text));
	assert_string_equal(answer->body, text);
}

static void assert_head(const struct answer *answer, const char *line)
{
	if (!strstr(answer->head, line))
		fail_msg("no '%s' in: %s", line, answer->head);
}

static void assert_no_head(const struct answer *answer, const char *line)
{
	if (strstr(answer->head, line))
		fail_msg("'%s' in: %s", line, answer->head);
}

static void test_a_connection_is_kept_for_more_requests(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		client_send(&client, GET("/now?hello"));
		const struct answer *answer = client_expect(&client, 200);

		assert_body(answer, "hello");
		assert_head(answer, "HTTP/1.1 200 OK\r\n");
		assert_head(answer, "\r\nX-Now: 1\r\n");
		assert_head(answer, " GMT\r\n");
		assert_no_head(answer, "Connection:");
	}
	assert_int_equal(http_loop_stats(fixture.loop)->accepted, 1);
	assert_int_equal(http_loop_stats(fixture.loop)->requests, 3);
	end();
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
	enum { COUNT = 700 };
	static char all[COUNT * 64];
	size_t size = 0;

	(void)state;
	start();
	for (int i = 0; i < COUNT; i++)
		size += (size_t)sprintf(all + size, "GET %s?%d HTTP/1.1\r\nHost: a\r\n\r\n", i % 7 == 3 ? "/round" : "/now", i);
	client_send_bytes(&client, all, size);
	for (int i = 0; i < COUNT; i++) {
		const struct answer *answer = client_answer(&client, false);
		char expected[16];

		snprintf(expected, sizeof(expected), "%d", i);
		assert_int_equal(answer->status, i % 7 == 3 ? 202 : 200);
		assert_body(answer, i % 7 == 3 ? "round" : expected);
	}
	assert_true(client_is_silent(&client));
	end();
}

static void test_what_is_behind_a_deferred_request_waits(void **state)
{
	(void)state;
	start();
	client_send(&client, GET("/later") GET("/now?2"));
	WAIT_UNTIL(fixture.deferred == 1);
	client_send(&client, GET("/now?3"));
	assert_int_equal(http_loop_stats(fixture.loop)->requests, 1);
	assert_true(client_is_silent(&client));
	fixture_release(&fixture);
	assert_body(client_expect(&client, 202), "later");
	assert_body(client_expect(&client, 200), "2");
	assert_body(client_expect(&client, 200), "3");
	assert_int_equal(fixture.gone, 0);
	end();
}

static void test_a_client_that_hangs_up_makes_its_exchange_go(void **state)
{
	(void)state;
	start();
	client_send(&client, GET("/later"));
	WAIT_UNTIL(fixture.deferred == 1);
	client_reset(&client);
	WAIT_UNTIL(fixture.gone == 1);
	fixture_release(&fixture); /* finds nothing */
	client_connect(&client, &fixture);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	assert_int_equal(http_loop_stats(fixture.loop)->hangups, 1);
	end();
	assert_int_equal(fixture.gone, 1);
}

static void test_a_client_that_has_finished_sending_gets_its_answers(void **state)
{
	(void)state;
	start();
	client_send(&client, GET("/later") GET("/now?2"));
	shutdown(client.fd, SHUT_WR);
	WAIT_UNTIL(fixture.deferred == 1);
	fixture_release(&fixture);
	client_expect(&client, 202);
	assert_body(client_expect(&client, 200), "2");
	client_expect_end(&client);
	client_close(&client);

	client_connect(&client, &fixture);
	client_send(&client, GET("/now?1"));
	shutdown(client.fd, SHUT_WR);
	assert_body(client_expect(&client, 200), "1");
	client_expect_end(&client);
	assert_int_equal(fixture.gone, 0);
	end();
}

static void test_half_a_request_and_an_end_is_closed(void **state)
{
	(void)state;
	start();
	client_send(&client, "GET / HT");
	shutdown(client.fd, SHUT_WR);
	client_expect_end(&client);
	end();
}

static void test_head_and_204_have_no_body(void **state)
{
	(void)state;
	start();
	client_send(&client, "HEAD /now?hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/empty") GET("/now?2"));
	const struct answer *answer = client_answer(&client, true);

	assert_head(answer, "Content-Length: 5\r\n");
	answer = client_expect(&client, 204);
	assert_no_head(answer, "Content-Length");
	assert_body(client_expect(&client, 200), "2");
	client_send(&client, "HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n" GET("/now?3"));
	assert_head(client_answer(&client, true), "Content-Length: 3000000\r\n");
	assert_body(client_expect(&client, 200), "3");
	end();
}

static void test_connections_end_where_they_are_to(void **state)
{
	static const char *const requests[] = {
		"GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		GET("/close"),
		"GET /now HTTP/1.0\r\n\r\n",
	};

	(void)state;
	start();
	for (size_t i = 0; i < 3; i++) {
		client_send(&client, requests[i]);
		assert_head(client_expect(&client, 200), "Connection: close\r\n");
		client_expect_end(&client);
		client_close(&client);
		client_connect(&client, &fixture);
	}
	client_send(&client, "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_head(client_expect(&client, 200), "Connection: keep-alive\r\n");
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	end();
}

static void test_a_request_may_come_byte_by_byte(void **state)
{
	static const char text[] = "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET("/now?2");

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		client_send_bytes(&client, text + i, 1);
	assert_body(client_expect(&client, 200), "hello");
	assert_body(client_expect(&client, 200), "2");
	/* Each byte a segment that is read by itself. */
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		uint64_t before = http_loop_stats(fixture.loop)->bytes_in;

		client_send_bytes(&client, text + i, 1);
		WAIT_UNTIL(http_loop_stats(fixture.loop)->bytes_in > before);
	}
	assert_body(client_expect(&client, 200), "hello");
	assert_body(client_expect(&client, 200), "2");
	end();
}

static void test_the_largest_body_comes_in_pieces(void **state)
{
	static char body[HTTP_BODY_MAX];
	char head[128];

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 26);
	snprintf(head, sizeof(head), "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", HTTP_BODY_MAX);
	for (size_t step = 1000; step <= sizeof(body); step *= 3) {
		client_send(&client, head);
		for (size_t i = 0; i < sizeof(body); i += step) {
			uint64_t before = http_loop_stats(fixture.loop)->bytes_in;

			client_send_bytes(&client, body + i, sizeof(body) - i < step ? sizeof(body) - i : step);
			WAIT_UNTIL(http_loop_stats(fixture.loop)->bytes_in > before);
		}
		const struct answer *answer = client_expect(&client, 200);

		assert_int_equal(answer->size, sizeof(body));
		assert_memory_equal(answer->body, body, sizeof(body));
	}
	end();
}

static void test_a_client_that_asks_is_told_to_go_on(void **state)
{
	(void)state;
	start();
	client_send(&client, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	assert_head(client_expect(&client, 100), "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(&client, "a");
	client_send(&client, "b");
	assert_body(client_expect(&client, 200), "ab");
	/* Not where the body is there already. */
	client_send(&client, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab");
	client_expect(&client, 200);
	end();
}

static void test_a_body_that_nobody_wants_is_not_waited_for(void **state)
{
	static char much[HTTP_BODY_MAX - 1];
	static const char head[] = "POST /not-you HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n";
	static const char later[] = "POST /not-you-later HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\nExpect: 100-continue\r\n\r\n";
	const struct answer *answer;

	(void)state;
	start();
	/* What is pipelined before it is answered; the head may come in pieces. */
	client_send(&client, GET("/now?1"));
	client_send_bytes(&client, head, 20);
	assert_body(client_expect(&client, 200), "1");
	client_send_bytes(&client, head + 20, sizeof(head) - 21);
	answer = client_expect(&client, 401);
	assert_body(answer, "who?");
	assert_head(answer, "Connection: close\r\n");
	client_send_bytes(&client, much, sizeof(much)); /* costs nobody the answer */
	client_expect_end(&client);
	client_close(&client);

	/* Nor is anybody told to go on; and what came of a body with its head is thrown away. */
	client_connect(&client, &fixture);
	client_send(&client, later);
	WAIT_UNTIL(fixture.deferred == 1);
	client_send_bytes(&client, much, sizeof(much));
	fixture_release(&fixture);
	assert_head(client_expect(&client, 202), "Connection: close\r\n");
	client_expect_end(&client);
	client_close(&client);
	client_connect(&client, &fixture);
	client_send(&client, "POST /not-you HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nGET /now HTTP/1.1");
	client_expect(&client, 401);
	client_expect_end(&client);
	assert_int_equal(fixture.heads, 3);
	assert_int_equal(http_loop_stats(fixture.loop)->requests, 4);
	end();
}

static void test_a_head_is_looked_at_once_and_only_without_its_body(void **state)
{
	(void)state;
	start();
	client_send(&client, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	assert_body(client_expect(&client, 200), "abc");
	assert_int_equal(fixture.heads, 0);
	client_send(&client, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
	WAIT_UNTIL(fixture.heads == 1);
	for (const char *at = "xyz"; *at; at++)
		client_send_bytes(&client, at, 1);
	assert_body(client_expect(&client, 200), "xyz");
	assert_int_equal(fixture.heads, 1);
	assert_int_equal(http_loop_stats(fixture.loop)->requests, 2);
	end();
}

static void test_faults_are_answered_and_end_the_connection(void **state)
{
	static char much[200000];

	(void)state;
	start();
	client_send(&client, GET("/now?1") "GET / HTTP/3.0\r\n\r\n" GET("/now?2"));
	assert_body(client_expect(&client, 200), "1");
	const struct answer *answer = client_expect(&client, 505);

	assert_body(answer, "http-version");
	assert_head(answer, "Connection: close\r\n");
	client_expect_end(&client);
	client_close(&client);

	/* What the client sends meanwhile must not cost it the answer. */
	client_connect(&client, &fixture);
	client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
	client_send_bytes(&client, much, sizeof(much));
	assert_body(client_expect(&client, 413), "body-too-large");
	client_expect_end(&client);
	client_close(&client);
	client_connect(&client, &fixture);
	client_send(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
	client_send_bytes(&client, much, sizeof(much));
	shutdown(client.fd, SHUT_WR);
	assert_body(client_expect(&client, 413), "body-too-large");
	client_expect_end(&client);
	assert_int_equal(http_loop_stats(fixture.loop)->faults, 3);
	end();
}

/*
 * A limit that a test waits out beside requests that must not meet it: so long that a client which
 * a busy machine keeps from its core between two calls is still in time.
 */
static const int64_t WAITED_OUT_NS = 2000 * MS;

static void test_slow_requests_are_timed_out(void **state)
{
	struct http_limits limits = fixture_limits();

	(void)state;
	limits.header_ns = WAITED_OUT_NS;
	limits.body_ns = 60 * MS;
	fixture_start(&fixture, limits, 10);
	/* No head in time, though bytes keep coming. */
	client_connect(&client, &fixture);
	client_send(&client, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 40 && client_is_silent(&client); i++) {
		(void)send(client.fd, "X: y\r\n", 6, MSG_NOSIGNAL);
		poll(NULL, 0, 100);
	}
	assert_body(client_expect(&client, 408), "request-timeout");
	client_close(&client);
	/* No body in time, on a connection that had a request before. */
	client_connect(&client, &fixture);
	client_send(&client, GET("/now") "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
	client_expect(&client, 200);
	client_expect(&client, 408);
	client_expect_end(&client);
	client_close(&client);
	/* Nothing at all: there is nothing to answer. */
	client_connect(&client, &fixture);
	client_expect_end(&client);
	assert_int_equal(http_loop_stats(fixture.loop)->timeouts, 3);
	end();
}

static void test_idle_connections_are_closed(void **state)
{
	struct http_limits limits = fixture_limits();
	int64_t last_ns = 0;

	(void)state;
	limits.idle_ns = WAITED_OUT_NS;
	fixture_start(&fixture, limits, 10);
	client_connect(&client, &fixture);
	for (int i = 0; i < 5; i++) {
		last_ns = clock_mono_ns();
		client_send(&client, GET("/now"));
		client_expect(&client, 200);
	}
	client_expect_end(&client);
	assert_true(clock_mono_ns() - last_ns >= WAITED_OUT_NS);
	end();
}

static void test_a_deferred_request_has_no_deadline_of_the_loop(void **state)
{
	struct http_limits limits = {30 * MS, 30 * MS, 30 * MS, 30 * MS, 0, 65536};
	int ticks;

	(void)state;
	fixture_start(&fixture, limits, 10);
	client_connect(&client, &fixture);
	client_send(&client, GET("/later"));
	WAIT_UNTIL(fixture.deferred == 1);
	ticks = fixture.ticks;
	WAIT_UNTIL(fixture.ticks > ticks + 8); /* 20 ms each */
	fixture_release(&fixture);
	client_expect(&client, 202);
	end();
	assert_int_equal(fixture.gone, 0);
}

static void test_a_connection_beyond_the_quota_is_refused(void **state)
{
	struct client second, third;

	(void)state;
	fixture_start(&fixture, fixture_limits(), 2);
	client_connect(&client, &fixture);
	client_connect(&second, &fixture);
	client_send(&client, GET("/now"));
	client_send(&second, GET("/now"));
	client_expect(&client, 200);
	client_expect(&second, 200);
	for (int i = 0; i < 20; i++) {
		client_connect(&third, &fixture);
		(void)send(third.fd, GET("/now"), sizeof(GET("/now")) - 1, MSG_NOSIGNAL);
		assert_body(client_expect(&third, 503), "full");
		client_expect_end(&third);
		client_close(&third);
	}
	assert_int_equal(http_loop_stats(fixture.loop)->refused, 20);
	assert_int_equal(http_loop_stats(fixture.loop)->open, 2);
	/* A place that becomes free is given again. */
	client_close(&second);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->open == 1);
	client_connect(&second, &fixture);
	client_send(&second, GET("/now"));
	client_expect(&second, 200);
	client_close(&second);
	end();
}

/* A client of another address of this machine. */
static void connect_from(struct client *from, const char *source)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = client_socket(0);

	assert_int_equal(inet_pton(AF_INET, source, &address.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	client_connect_with(from, &fixture, fd);
}

static void ask_from(struct client *from, const char *source)
{
	connect_from(from, source);
	client_send(from, GET("/now"));
	client_expect(from, 200);
}

/*
 * Found: one address could open as many connections as there may be, and everybody else was
 * refused.
 */
static void test_when_it_is_full_the_longest_idle_of_whoever_has_most_goes(void **state)
{
	struct client greedy[3], modest, newcomer;

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0", fixture_limits(), 4);
	fixture.proxies.count = 0;
	fixture_run(&fixture);
	ask_from(&modest, "127.0.0.3"); /* idle for the longest time, but it has only one */
	for (int i = 0; i < 3; i++)
		ask_from(&greedy[i], "127.0.0.2");
	client_send(&greedy[0], GET("/now")); /* so that the second has been idle longest */
	client_expect(&greedy[0], 200);
	ask_from(&newcomer, "127.0.0.4");
	client_expect_end(&greedy[1]);
	client_send(&greedy[2], "GET /now HTTP/1.1\r\nHo"); /* half a request is idleness too */
	client_send(&greedy[0], GET("/never"));
	WAIT_UNTIL(fixture.deferred == 1);
	client_close(&newcomer);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->open == 3);
	ask_from(&newcomer, "127.0.0.4");
	ask_from(&client, "127.0.0.5");
	client_expect_end(&greedy[2]);
	client_send(&modest, GET("/now"));
	client_expect(&modest, 200);
	assert_int_equal(http_loop_stats(fixture.loop)->evicted, 2);
	assert_int_equal(http_loop_stats(fixture.loop)->refused, 0);
	client_close(&greedy[0]);
	client_close(&greedy[1]);
	client_close(&greedy[2]);
	client_close(&modest);
	client_close(&newcomer);
	end();
}

static void ask_named(struct client *from, const char *named)
{
	char text[256];

	client_connect(from, &fixture);
	snprintf(text, sizeof(text), "PROXY TCP4 %s 127.0.0.1 1000 80\r\n" GET("/now"), named);
	client_send(from, text);
	client_expect(from, 200);
}

/* All of them are the proxy's, and none of them is: each counts for the client that it names. */
static void test_behind_the_proxy_protocol_the_clients_are_counted(void **state)
{
	struct client greedy[3], modest;

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0 proxy", fixture_limits(), 4);
	fixture_run(&fixture);
	ask_named(&modest, "192.0.2.1");
	for (int i = 0; i < 3; i++)
		ask_named(&greedy[i], "192.0.2.2");
	client_connect(&client, &fixture); /* who it is for is not known yet: whoever has most gives way all the same */
	client_expect_end(&greedy[0]);
	client_send(&client, "PROXY TCP4 192.0.2.3 127.0.0.1 1000 80\r\n" GET("/now"));
	client_expect(&client, 200);
	client_send(&modest, GET("/now"));
	client_expect(&modest, 200);
	for (int i = 0; i < 3; i++)
		client_close(&greedy[i]);
	client_close(&modest);
	end();
}

/* An HTTP proxy's connections mix many clients: it ends them itself. */
static void test_connections_of_an_http_proxy_do_not_go_for_others(void **state)
{
	struct client more;

	(void)state;
	fixture_start(&fixture, fixture_limits(), 1); /* 127.0.0.1 is one */
	client_connect(&client, &fixture);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	connect_from(&more, "127.0.0.2");
	client_send(&more, GET("/now"));
	client_expect(&more, 503);
	client_close(&more);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	end();
}

static void test_where_nobody_is_idle_the_reserve_answers_those_whom_it_is_for(void **state)
{
	struct client more;

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0", fixture_limits(), 1);
	fixture.proxies.count = 0;
	fixture_run(&fixture);
	client_connect(&client, &fixture);
	client_send(&client, GET("/never"));
	WAIT_UNTIL(fixture.deferred == 1);
	for (int i = 0; i < 3 * HTTP_RESERVE; i++) {
		connect_from(&more, "127.0.0.2");
		client_send(&more, i % 2 ? GET("/probe") : GET("/now"));
		client_expect(&more, i % 2 ? 200 : 503);
		client_expect_end(&more);
		client_close(&more);
	}
	assert_int_equal(http_loop_stats(fixture.loop)->open, 1);
	end();
}

/* Who waits for a refusal that is slow on purpose does not keep others out. */
static void test_an_expendable_exchange_gives_its_place(void **state)
{
	struct client slowed[2];

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0", fixture_limits(), 2);
	fixture.proxies.count = 0;
	fixture_run(&fixture);
	for (int i = 0; i < 2; i++) {
		connect_from(&slowed[i], "127.0.0.2");
		client_send(&slowed[i], GET("/expendable"));
		WAIT_UNTIL(fixture.deferred == i + 1);
	}
	ask_from(&client, "127.0.0.3");
	client_expect_end(&slowed[0]);
	assert_int_equal(fixture.gone, 1);
	client_close(&slowed[0]);
	client_close(&slowed[1]);
	end();
}

/* Found: a client that took a little now and then kept its place for ever. */
static void test_a_client_that_reads_far_too_slowly_is_cut_though_it_reads(void **state)
{
	struct http_limits limits = fixture_limits();
	char data[2048];

	(void)state;
	limits.write_ns = WAITED_OUT_NS;
	limits.read_rate_min = 100000000; /* so that a test need not last long: a client on this machine is far below it */
	fixture_start(&fixture, limits, 10);
	client_connect_with(&client, &fixture, client_socket(4096));
	client_send(&client, GET("/big?30000000"));
	while (http_loop_stats(fixture.loop)->timeouts == 0) {
		/* Much sooner than in write_ns, each time. */
		assert_true(recv(client.fd, data, sizeof(data), 0) > 0 || http_loop_stats(fixture.loop)->timeouts > 0);
		poll(NULL, 0, 2);
	}
	WAIT_UNTIL(http_loop_stats(fixture.loop)->open == 0);
	assert_true(http_loop_stats(fixture.loop)->bytes_out < 30000000);
	/* What is read as fast as that is no longer late for having taken long. */
	client_close(&client);
	client_connect(&client, &fixture);
	client_send(&client, GET("/big?1000000") GET("/now"));
	client_expect(&client, 200);
	client_expect(&client, 200);
	end();
}

static void test_running_out_of_file_descriptors_is_survived(void **state)
{
	enum { CLIENTS = 8 };
	struct client clients[CLIENTS];
	struct rlimit before, low;
	int sockets[CLIENTS], first, rounds, answered = 0;

	(void)state;
	fixture_start(&fixture, fixture_limits(), 100);
	for (int i = 0; i < CLIENTS; i++)
		sockets[i] = client_socket(0);
	client_connect(&client, &fixture);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);

	/* Every number below the limit is taken; the loop's spare one is the only way in. */
	first = dup(0);
	close(first);
	getrlimit(RLIMIT_NOFILE, &before);
	low = (struct rlimit){(rlim_t)first, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	client_connect_with(&clients[0], &fixture, sockets[0]);
	assert_body(client_expect(&clients[0], 503), "full");
	client_expect_end(&clients[0]);
	for (int i = 1; i < CLIENTS; i++) {
		client_connect_with(&clients[i], &fixture, sockets[i]);
		client_send(&clients[i], GET("/now"));
	}
	/* It waits without spinning, and serves those it has. */
	rounds = fixture.rounds;
	poll(NULL, 0, 200);
	assert_in_range(fixture.rounds - rounds, 0, 100);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	assert_true(http_loop_stats(fixture.loop)->accept_errors > 0);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 1; i < CLIENTS; i++) {
		const struct answer *answer = client_answer(&clients[i], false);

		assert_true(answer->status == 200 || answer->status == 503);
		answered += answer->status == 200;
		client_close(&clients[i]);
	}
	assert_true(answered > 0);
	client_close(&clients[0]);
	end();
}

static void test_large_answers_wait_for_a_slow_client(void **state)
{
	(void)state;
	fixture_start(&fixture, fixture_limits(), 10);
	client_connect_with(&client, &fixture, client_socket(4096));
	client_send(&client, GET("/big?4000000") GET("/now?1") GET("/page") GET("/now?2") GET("/big?20000") GET("/now?3"));
	WAIT_UNTIL(http_loop_stats(fixture.loop)->bytes_out > 4096);
	const struct answer *answer = client_expect(&client, 200);

	assert_int_equal(answer->size, 4000000);
	assert_int_equal(answer->body[0], 'b');
	assert_int_equal(answer->body[3999999], 'b');
	assert_body(client_expect(&client, 200), "1");
	assert_int_equal(client_expect(&client, 200)->size, FIXTURE_PAGE_SIZE);
	assert_body(client_expect(&client, 200), "2");
	assert_int_equal(client_expect(&client, 200)->size, 20000);
	assert_body(client_expect(&client, 200), "3");
	end();
}

static void test_a_client_that_takes_nothing_is_cut_off(void **state)
{
	static char all[4000 * sizeof(GET("/big?15000"))];
	struct http_limits limits = fixture_limits();

	(void)state;
	limits.write_ns = WAITED_OUT_NS;
	fixture_start(&fixture, limits, 10);
	client_connect_with(&client, &fixture, client_socket(4096));
	client_send(&client, GET("/big?30000000"));
	WAIT_UNTIL(http_loop_stats(fixture.loop)->timeouts == 1);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->open == 0);
	client_close(&client);
	/*
	 * The same with very many small answers: the loop stops reading instead of piling them up.
	 */
	for (size_t size = 0; size + sizeof(GET("/big?15000")) <= sizeof(all); size += sizeof(GET("/big?15000")) - 1)
		memcpy(all + size, GET("/big?15000"), sizeof(GET("/big?15000")));
	client_connect_with(&client, &fixture, client_socket(4096));
	client_send_bytes(&client, all, strlen(all));
	WAIT_UNTIL(http_loop_stats(fixture.loop)->timeouts == 2);
	assert_true(http_loop_stats(fixture.loop)->requests < 2000);
	end();
}

static void start_proxied(const char *place)
{
	fixture_open(&fixture, place, fixture_limits(), 10);
	fixture_run(&fixture);
	client_connect(&client, &fixture);
}

static void test_a_proxy_names_the_client(void **state)
{
	static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\2\x12\x67\0\x50" GET("/peer");
	static const char v1[] = "PROXY TCP6 2001:db8::7 2001:db8::8 1 2\r\n" GET("/peer");

	(void)state;
	start_proxied("127.0.0.1:0 proxy");
	client_send_bytes(&client, v2, sizeof(v2) - 1);
	assert_body(client_expect(&client, 200), "192.0.2.7");
	client_close(&client);
	client_connect(&client, &fixture);
	for (size_t i = 0; i < sizeof(v1) - 1; i++) {
		uint64_t before = http_loop_stats(fixture.loop)->bytes_in;

		client_send_bytes(&client, v1 + i, 1);
		WAIT_UNTIL(http_loop_stats(fixture.loop)->bytes_in > before);
	}
	assert_body(client_expect(&client, 200), "2001:db8::7");
	client_send(&client, GET("/peer"));
	assert_body(client_expect(&client, 200), "2001:db8::7");
	client_close(&client);
	client_connect(&client, &fixture);
	client_send(&client, "PROXY UNKNOWN\r\n" GET("/peer"));
	assert_body(client_expect(&client, 200), "127.0.0.1");
	end();
}

/* Closed in whatever way, without a byte. */
static void expect_nothing(void)
{
	char byte;

	assert_true(recv(client.fd, &byte, 1, 0) <= 0);
}

static void test_where_a_proxy_is_required_others_are_closed_without_an_answer(void **state)
{
	(void)state;
	start_proxied("127.0.0.1:0 proxy");
	client_send(&client, GET("/peer"));
	expect_nothing();
	client_close(&client);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->faults == 1);
	fixture_stop(&fixture);

	fixture_open(&fixture, "127.0.0.1:0 proxy", fixture_limits(), 10);
	fixture.proxies.count = 0; /* nobody may say who the client is */
	fixture_run(&fixture);
	client_connect(&client, &fixture);
	(void)send(client.fd, "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", 32, MSG_NOSIGNAL);
	expect_nothing();
	end();
}

static void test_without_proxy_such_a_header_is_a_fault(void **state)
{
	(void)state;
	start();
	client_send(&client, "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" GET("/peer"));
	client_expect(&client, 400);
	end();
}

static void open_stream(void)
{
	client_send(&client, GET("/stream"));
	const struct answer *answer = client_expect(&client, 200);

	assert_head(answer, "Content-Type: text/event-stream\r\n");
	assert_head(answer, "Cache-Control: no-store\r\n");
	assert_no_head(answer, "Content-Length");
	client_skip(&client, 9);
}

static void test_a_stream_gets_its_events_and_its_end(void **state)
{
	struct http_limits limits = fixture_limits();

	(void)state;
	limits.stream_backlog_max = 8000000;
	fixture_start(&fixture, limits, 10);
	client_connect(&client, &fixture);
	open_stream();
	assert_int_equal(http_loop_stats(fixture.loop)->streams, 1);
	fixture_publish(&fixture, 100);
	client_skip(&client, 100);
	fixture_publish(&fixture, 60000);
	client_skip(&client, 60000);
	/* More than any buffer of the loop. */
	fixture_publish(&fixture, 5000000);
	client_skip(&client, 5000000);
	fixture_end_streams(&fixture);
	client_expect_end(&client);
	end();
	assert_int_equal(fixture.gone, 0);
}

static void test_the_stream_of_a_head_request_ends_at_once(void **state)
{
	(void)state;
	start();
	client_send(&client, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_head(client_answer(&client, true), "text/event-stream");
	client_expect_end(&client);
	assert_int_equal(fixture.gone, 1);
	end();
}

static void test_a_stream_goes_with_its_reader(void **state)
{
	(void)state;
	start();
	open_stream();
	client_close(&client);
	WAIT_UNTIL(fixture.gone == 1);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->streams == 0);
	fixture_publish(&fixture, 100);
	client_connect(&client, &fixture);
	client_send(&client, GET("/now"));
	client_expect(&client, 200);
	end();
}

static void test_a_slow_reader_of_a_stream_is_cut_off(void **state)
{
	struct client quick;

	(void)state;
	fixture_start(&fixture, fixture_limits(), 10);
	client_connect_with(&client, &fixture, client_socket(4096));
	open_stream();
	quick = client;
	client_connect(&client, &fixture);
	open_stream();
	for (int i = 0; i < 1000 && fixture.gone == 0; i++) {
		fixture_publish(&fixture, 50000);
		client_skip(&client, 50000);
	}
	WAIT_UNTIL(fixture.gone == 1);
	fixture_publish(&fixture, 10);
	client_skip(&client, 10);
	client_close(&quick);
	end();
}

static void test_a_place_is_shared_only_with_those_who_let_it(void **state)
{
	struct fixture first, other;
	struct listen_list list = {.count = 1};
	uint16_t port;

	(void)state;
	fixture_open(&first, "127.0.0.1:0", (struct http_limits){0}, 10);
	fixture_open(&other, "127.0.0.1:0", (struct http_limits){0}, 10);
	assert_int_equal(address_parse(SLICE("127.0.0.1"), &list.items[0].address), 0);
	list.items[0].port = first.port;
	/* The socket lets others in by now; who asks first whether anybody is there is refused. */
	assert_int_equal(http_loop_listen(other.loop, &list.items[0], true, &port), -EADDRINUSE);
	assert_int_equal(http_loop_listen(other.loop, &list.items[0], false, &port), 0);
	assert_int_equal(port, first.port);
	fixture_close(&other);
	fixture_close(&first);
}

static void test_stopping_answers_what_is_in_flight(void **state)
{
	struct client idle, stream;

	(void)state;
	start();
	client_send(&client, GET("/later"));
	WAIT_UNTIL(fixture.deferred == 1);
	client_connect(&idle, &fixture);
	client_send(&idle, GET("/now"));
	client_expect(&idle, 200);
	client_connect(&stream, &fixture);
	client_send(&stream, GET("/stream"));
	client_expect(&stream, 200);
	assert_false(http_loop_stopping(fixture.loop));

	http_loop_stop(fixture.loop, clock_mono_ns() + FIXTURE_PATIENCE_MS * MS);
	assert_true(http_loop_stopping(fixture.loop));
	client_expect_end(&idle);
	client_skip(&stream, 9);
	client_expect_end(&stream);
	assert_int_equal(fixture.gone, 1);
	assert_false(fixture.ended);
	fixture_release(&fixture);
	assert_head(client_expect(&client, 202), "Connection: close\r\n");
	client_expect_end(&client);
	client_close(&idle);
	client_close(&stream);
	client_close(&client);
	WAIT_UNTIL(fixture.ended);
	fixture_stop(&fixture);
}

/*
 * Some ask when the loop has begun to stop already: for half a second they may, so they do it
 * before anything is waited for.
 */
static void test_stopping_serves_the_backlog_first(void **state)
{
	enum { CLIENTS = 100, LATE_EACH = 20 };
	struct client clients[CLIENTS];

	(void)state;
	fixture_open(&fixture, "127.0.0.1:0", fixture_limits(), 1000);
	for (int i = 0; i < CLIENTS; i++) {
		client_connect(&clients[i], &fixture);
		if (i % LATE_EACH)
			client_send(&clients[i], GET("/now"));
	}
	http_loop_stop(fixture.loop, clock_mono_ns() + FIXTURE_PATIENCE_MS * MS);
	fixture_run(&fixture);
	for (int i = 0; i < CLIENTS; i += LATE_EACH)
		client_send(&clients[i], GET("/now"));
	for (int i = 0; i < CLIENTS; i++) {
		client_expect(&clients[i], 200);
		client_expect_end(&clients[i]);
		client_close(&clients[i]);
	}
	WAIT_UNTIL(fixture.ended);
	fixture_stop(&fixture);
}

static void test_stopping_cuts_at_its_deadline(void **state)
{
	struct client silent;
	int64_t start_ns;

	(void)state;
	start();
	client_connect(&silent, &fixture);
	client_send(&client, GET("/never"));
	WAIT_UNTIL(fixture.deferred == 1);
	start_ns = clock_mono_ns();
	http_loop_stop(fixture.loop, start_ns + 100 * MS);
	WAIT_UNTIL(fixture.ended);
	assert_true(clock_mono_ns() - start_ns >= 100 * MS);
	assert_int_equal(fixture.gone, 1);
	client_close(&silent);
	end();
}

static void test_loops_share_a_listening_place(void **state)
{
	struct fixture other;
	char place[32];
	uint64_t first, second;

	(void)state;
	fixture_start(&fixture, fixture_limits(), 1000);
	snprintf(place, sizeof(place), "127.0.0.1:%d", fixture.port);
	fixture_open(&other, place, fixture_limits(), 1000);
	assert_int_equal(other.port, fixture.port);
	fixture_run(&other);
	for (int i = 0; i < 64; i++) {
		client_connect(&client, &fixture);
		client_send(&client, GET("/now"));
		client_expect(&client, 200);
		client_close(&client);
	}
	first = http_loop_stats(fixture.loop)->requests;
	second = http_loop_stats(other.loop)->requests;
	assert_int_equal(first + second, 64);
	assert_true(first > 0);
	assert_true(second > 0);
	fixture_stop(&other);
	fixture_stop(&fixture);
}

static void test_many_idle_connections_are_held_and_served(void **state)
{
	enum { CLIENTS = 400 };
	static struct client clients[CLIENTS];

	(void)state;
	fixture_start(&fixture, fixture_limits(), CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_connect(&clients[i], &fixture);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CLIENTS; i++)
			client_send(&clients[i], i % 2 ? GET("/now") : GET("/round"));
		for (int i = 0; i < CLIENTS; i++)
			client_expect(&clients[i], i % 2 ? 200 : 202);
	}
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	WAIT_UNTIL(http_loop_stats(fixture.loop)->open == 0);
	fixture_stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_connection_is_kept_for_more_requests),
		cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
		cmocka_unit_test(test_what_is_behind_a_deferred_request_waits),
		cmocka_unit_test(test_a_client_that_hangs_up_makes_its_exchange_go),
		cmocka_unit_test(test_a_client_that_has_finished_sending_gets_its_answers),
		cmocka_unit_test(test_half_a_request_and_an_end_is_closed),
		cmocka_unit_test(test_head_and_204_have_no_body),
		cmocka_unit_test(test_connections_end_where_they_are_to),
		cmocka_unit_test(test_a_request_may_come_byte_by_byte),
		cmocka_unit_test(test_the_largest_body_comes_in_pieces),
		cmocka_unit_test(test_a_client_that_asks_is_told_to_go_on),
		cmocka_unit_test(test_a_body_that_nobody_wants_is_not_waited_for),
		cmocka_unit_test(test_a_head_is_looked_at_once_and_only_without_its_body),
		cmocka_unit_test(test_faults_are_answered_and_end_the_connection),
		cmocka_unit_test(test_slow_requests_are_timed_out),
		cmocka_unit_test(test_idle_connections_are_closed),
		cmocka_unit_test(test_a_deferred_request_has_no_deadline_of_the_loop),
		cmocka_unit_test(test_a_connection_beyond_the_quota_is_refused),
		cmocka_unit_test(test_when_it_is_full_the_longest_idle_of_whoever_has_most_goes),
		cmocka_unit_test(test_behind_the_proxy_protocol_the_clients_are_counted),
		cmocka_unit_test(test_connections_of_an_http_proxy_do_not_go_for_others),
		cmocka_unit_test(test_where_nobody_is_idle_the_reserve_answers_those_whom_it_is_for),
		cmocka_unit_test(test_an_expendable_exchange_gives_its_place),
		cmocka_unit_test(test_a_client_that_reads_far_too_slowly_is_cut_though_it_reads),
		cmocka_unit_test(test_running_out_of_file_descriptors_is_survived),
		cmocka_unit_test(test_large_answers_wait_for_a_slow_client),
		cmocka_unit_test(test_a_client_that_takes_nothing_is_cut_off),
		cmocka_unit_test(test_a_proxy_names_the_client),
		cmocka_unit_test(test_where_a_proxy_is_required_others_are_closed_without_an_answer),
		cmocka_unit_test(test_without_proxy_such_a_header_is_a_fault),
		cmocka_unit_test(test_a_stream_gets_its_events_and_its_end),
		cmocka_unit_test(test_the_stream_of_a_head_request_ends_at_once),
		cmocka_unit_test(test_a_stream_goes_with_its_reader),
		cmocka_unit_test(test_a_slow_reader_of_a_stream_is_cut_off),
		cmocka_unit_test(test_a_place_is_shared_only_with_those_who_let_it),
		cmocka_unit_test(test_stopping_answers_what_is_in_flight),
		cmocka_unit_test(test_stopping_serves_the_backlog_first),
		cmocka_unit_test(test_stopping_cuts_at_its_deadline),
		cmocka_unit_test(test_loops_share_a_listening_place),
		cmocka_unit_test(test_many_idle_connections_are_held_and_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

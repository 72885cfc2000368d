#include "unit/http/loop_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"

static char page[FIXTURE_PAGE_SIZE];

static void answer(struct http_exchange *exchange, int status, struct slice body)
{
	http_respond(exchange, &(struct http_response){.status = status, .content_type = SLICE("text/plain"), .body = body});
}

static void add(struct http_handle *list, size_t *size, struct http_handle handle)
{
	assert_true(*size < FIXTURE_WAITING_MAX);
	list[(*size)++] = handle;
}

static void answer_big(struct http_exchange *exchange, size_t size)
{
	char *body = malloc(size);

	memset(body, 'b', size);
	answer(exchange, 200, (struct slice){body, size});
	free(body);
}

static void defer(struct fixture *fixture, struct http_exchange *exchange)
{
	http_defer(exchange);
	atomic_fetch_add(&fixture->deferred, 1);
}

static void on_request(struct http_handler *handler, struct http_exchange *exchange)
{
	struct fixture *fixture = (struct fixture *)handler;
	const struct http_request *request = http_exchange_request(exchange);
	struct http_handle handle = http_exchange_handle(exchange);
	struct slice path = request->path;

	assert_ptr_equal(http_find(fixture->loop, handle), exchange);
	if (http_exchange_reserved(exchange) && !slice_equal(path, SLICE("/probe"))) {
		http_refuse(exchange);
	} else if (slice_equal(path, SLICE("/now")) || slice_equal(path, SLICE("/probe"))) {
		http_respond(exchange,
			     &(struct http_response){.status = 200, .headers = SLICE("X-Now: 1\r\n"), .body = request->query});
	} else if (slice_equal(path, SLICE("/echo"))) {
		answer(exchange, 200, request->body);
	} else if (slice_equal(path, SLICE("/expendable"))) {
		http_defer_expendable(exchange);
		fixture->deferred++;
	} else if (slice_equal(path, SLICE("/overdue"))) {
		answer(exchange, http_exchange_overdue(exchange, 0) ? 503 : 200, SLICE_NULL);
	} else if (slice_equal(path, SLICE("/empty"))) {
		answer(exchange, 204, SLICE_NULL);
	} else if (slice_equal(path, SLICE("/peer"))) {
		char text[ADDRESS_TEXT_SIZE];

		address_format(http_exchange_peer(exchange), text);
		answer(exchange, 200, slice_of(text));
	} else if (slice_equal(path, SLICE("/big"))) {
		answer_big(exchange, strtoul(request->query.data, NULL, 10));
	} else if (slice_equal(path, SLICE("/page"))) {
		http_respond(exchange, &(struct http_response){.status = 200, .body = {page, sizeof(page)}, .body_stays = true});
	} else if (slice_equal(path, SLICE("/close"))) {
		http_respond(exchange, &(struct http_response){.status = 200, .close = true});
	} else if (slice_equal(path, SLICE("/stream"))) {
		http_stream_start(exchange, SLICE("Cache-Control: no-store\r\n"));
		http_stream_write(exchange, SLICE(": hello\n\n"));
		add(fixture->streams, &fixture->stream_count, handle);
		atomic_fetch_add(&fixture->streaming, 1);
	} else if (slice_equal(path, SLICE("/later"))) {
		add(fixture->waiting, &fixture->waiting_count, handle);
		defer(fixture, exchange);
	} else if (slice_equal(path, SLICE("/round"))) {
		add(fixture->round, &fixture->round_count, handle);
		defer(fixture, exchange);
	} else if (slice_equal(path, SLICE("/never"))) {
		defer(fixture, exchange);
	} else {
		answer(exchange, 404, SLICE("what?"));
	}
}

static void on_fault(struct http_handler *handler, struct http_exchange *exchange, enum http_fault fault)
{
	const struct http_fault_info *info = http_fault_info(fault);

	(void)handler;
	answer(exchange, info->status, slice_of(info->code));
}

static bool on_head(struct http_handler *handler, struct http_exchange *exchange)
{
	struct fixture *fixture = (struct fixture *)handler;
	const struct http_request *request = http_exchange_request(exchange);

	atomic_fetch_add(&fixture->heads, 1);
	if (slice_equal(request->path, SLICE("/not-you"))) {
		answer(exchange, 401, SLICE("who?"));
		return false;
	}
	if (slice_equal(request->path, SLICE("/not-you-later"))) {
		add(fixture->waiting, &fixture->waiting_count, http_exchange_handle(exchange));
		defer(fixture, exchange);
		return false;
	}
	return true;
}

static void on_round_end(struct http_handler *handler)
{
	struct fixture *fixture = (struct fixture *)handler;

	atomic_fetch_add(&fixture->rounds, 1);
	for (size_t i = 0; i < fixture->round_count; i++) {
		struct http_exchange *exchange = http_find(fixture->loop, fixture->round[i]);

		if (exchange)
			answer(exchange, 202, SLICE("round"));
	}
	fixture->round_count = 0;
}

static void publish(struct fixture *fixture, size_t size)
{
	char *data = malloc(size);

	memset(data, 's', size);
	for (size_t i = 0; i < fixture->stream_count; i++) {
		struct http_exchange *exchange = http_find(fixture->loop, fixture->streams[i]);

		if (exchange)
			http_stream_write(exchange, (struct slice){data, size});
	}
	free(data);
}

static void on_wake(struct http_handler *handler)
{
	struct fixture *fixture = (struct fixture *)handler;
	size_t size = atomic_exchange(&fixture->publish_size, 0);
	void *items[8];

	while (lane_pop(fixture->wakes, items, 8, 0) > 0)
		continue;
	if (size > 0)
		publish(fixture, size);
	if (atomic_exchange(&fixture->end_streams, false)) {
		for (size_t i = 0; i < fixture->stream_count; i++) {
			struct http_exchange *exchange = http_find(fixture->loop, fixture->streams[i]);

			if (exchange)
				http_stream_end(exchange);
		}
	}
	if (atomic_exchange(&fixture->release, false)) {
		for (size_t i = 0; i < fixture->waiting_count; i++) {
			struct http_exchange *exchange = http_find(fixture->loop, fixture->waiting[i]);

			if (exchange)
				answer(exchange, 202, SLICE("later"));
		}
		fixture->waiting_count = 0;
	}
}

static int64_t on_tick(struct http_handler *handler, int64_t now_ns)
{
	struct fixture *fixture = (struct fixture *)handler;

	atomic_fetch_add(&fixture->ticks, 1);
	return now_ns + 20000000;
}

static void on_gone(struct http_handler *handler, struct http_handle handle)
{
	struct fixture *fixture = (struct fixture *)handler;

	assert_null(http_find(fixture->loop, handle));
	atomic_fetch_add(&fixture->gone, 1);
}

struct http_limits fixture_limits(void)
{
	const int64_t minute = 60000000000;

	return (struct http_limits){minute, minute, minute, minute, 0, 65536};
}

void fixture_open(struct fixture *fixture, const char *place, struct http_limits limits, int64_t connections_max)
{
	struct http_loop_settings settings = {
		.handler = &fixture->handler,
		.quota = &fixture->quota,
		.limits = limits,
		.bounds = {8192, 64, HTTP_BODY_MAX},
		.proxies = &fixture->proxies,
		.refusal = SLICE("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull"),
	};
	struct listen_list list;
	struct slice bad;

	memset(fixture, 0, sizeof(*fixture));
	fixture->handler = (struct http_handler){on_request, on_head, on_fault, on_round_end, on_wake, on_tick, on_gone};
	fixture->quota.connections_max = connections_max;
	assert_int_equal(lane_new(&fixture->wakes, 64), 0);
	assert_int_equal(network_list_parse(SLICE("127.0.0.1"), &fixture->proxies, &bad), 0);
	assert_int_equal(listen_list_parse(slice_of(place), &list, &bad), 0);
	assert_int_equal(http_loop_new(&fixture->loop, &settings), 0);
	assert_int_equal(http_loop_listen(fixture->loop, &list.items[0], list.items[0].port == 0, &fixture->port), 0);
	assert_int_equal(http_loop_watch(fixture->loop, fixture->wakes), 0);
}

static void run(void *argument)
{
	struct fixture *fixture = argument;

	http_loop_run(fixture->loop);
	atomic_store(&fixture->ended, true);
}

void fixture_run(struct fixture *fixture)
{
	assert_int_equal(thread_start(&fixture->thread, "loop", run, fixture), 0);
}

void fixture_start(struct fixture *fixture, struct http_limits limits, int64_t connections_max)
{
	fixture_open(fixture, "127.0.0.1:0", limits, connections_max);
	fixture_run(fixture);
}

void fixture_stop(struct fixture *fixture)
{
	http_loop_stop(fixture->loop, clock_mono_ns() + 2000000000);
	thread_join(&fixture->thread);
	assert_int_equal(atomic_load(&fixture->quota.connections), 0);
	assert_int_equal(http_loop_stats(fixture->loop)->open, 0);
	assert_int_equal(http_loop_stats(fixture->loop)->streams, 0);
	fixture_close(fixture);
}

void fixture_close(struct fixture *fixture)
{
	void *item;

	http_loop_free(fixture->loop);
	while (lane_pop(fixture->wakes, &item, 1, 0) > 0)
		continue;
	lane_free(fixture->wakes);
}

static void wake(struct fixture *fixture)
{
	void *item = fixture;

	assert_int_equal(lane_push(fixture->wakes, LANE_NORMAL, &item, 1), 1);
}

void fixture_release(struct fixture *fixture)
{
	atomic_store(&fixture->release, true);
	wake(fixture);
}

void fixture_publish(struct fixture *fixture, size_t size)
{
	atomic_store(&fixture->publish_size, size);
	wake(fixture);
}

void fixture_end_streams(struct fixture *fixture)
{
	atomic_store(&fixture->end_streams, true);
	wake(fixture);
}

/* --- the client --- */

int client_socket(int receive_buffer)
{
	struct timeval patience = {.tv_sec = FIXTURE_PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (receive_buffer > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	return fd;
}

void client_connect_with(struct client *client, const struct fixture *fixture, int fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fixture->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*client = (struct client){.fd = fd};
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

void client_connect(struct client *client, const struct fixture *fixture)
{
	client_connect_with(client, fixture, client_socket(0));
}

void client_close(struct client *client)
{
	close(client->fd);
	free(client->data);
	*client = (struct client){.fd = -1};
}

void client_reset(struct client *client)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	client_close(client);
}

void client_send_bytes(struct client *client, const void *data, size_t size)
{
	const char *place = data;

	while (size > 0) {
		ssize_t sent = send(client->fd, place, size, MSG_NOSIGNAL);

		if (sent <= 0)
			fail_msg("send: %s", strerror(errno));
		place += sent;
		size -= (size_t)sent;
	}
}

void client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

/* Reads something more; false at the end. */
static bool client_read(struct client *client, int flags)
{
	ssize_t got;

	if (client->capacity - client->size < 65536) {
		client->capacity = client->capacity * 2 + 65536;
		client->data = realloc(client->data, client->capacity);
	}
	got = recv(client->fd, client->data + client->size, client->capacity - client->size, flags);
	if (got < 0 && flags)
		return false;
	if (got < 0)
		fail_msg("recv: %s", strerror(errno));
	client->size += (size_t)got;
	return got > 0;
}

static void take(struct client *client, size_t size)
{
	client->size -= size;
	memmove(client->data, client->data + size, client->size);
}

const struct answer *client_answer(struct client *client, bool head_only)
{
	static struct answer kept;
	char *end, *length;
	size_t head;

	while (!client->data || !(end = memmem(client->data, client->size, "\r\n\r\n", 4))) {
		if (!client_read(client, 0))
			fail_msg("the connection ended before an answer");
	}
	head = (size_t)(end + 4 - client->data);
	assert_true(head < sizeof(kept.head));
	memcpy(kept.head, client->data, head);
	kept.head[head] = '\0';
	take(client, head);
	assert_int_equal(sscanf(kept.head, "HTTP/1.1 %d ", &kept.status), 1);
	length = strstr(kept.head, "Content-Length: ");
	kept.size = length && !head_only ? strtoul(length + 16, NULL, 10) : 0;
	while (client->size < kept.size) {
		if (!client_read(client, 0))
			fail_msg("the connection ended in a body");
	}
	free(kept.body);
	kept.body = malloc(kept.size + 1);
	if (kept.size > 0)
		memcpy(kept.body, client->data, kept.size);
	kept.body[kept.size] = '\0';
	take(client, kept.size);
	return &kept;
}

const struct answer *client_expect(struct client *client, int status)
{
	const struct answer *got = client_answer(client, false);

	if (got->status != status)
		fail_msg("not %d but: %s", status, got->head);
	return got;
}

void client_skip(struct client *client, size_t size)
{
	while (size > 0) {
		if (client->size == 0 && !client_read(client, 0))
			fail_msg("the connection ended early");
		size_t now = client->size < size ? client->size : size;

		take(client, now);
		size -= now;
	}
}

void client_expect_end(struct client *client)
{
	assert_false(client_read(client, 0));
	assert_int_equal(client->size, 0);
}

bool client_is_silent(struct client *client)
{
	client_read(client, MSG_DONTWAIT);
	return client->size == 0;
}

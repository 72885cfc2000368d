/*
 * A loop in a thread, with a handler that does what the path says, and a client on a real socket.
 * For tests of the loop.
 *
 *   /now        200, the query as body            /later      deferred until fixture_release()
 *   /round      deferred, answered in round_end   /never      deferred, never answered
 *   /echo       200, the request's body           /peer       200, the client's address
 *   /big?N      200, N bytes, copied              /page       200, FIXTURE_PAGE_SIZE bytes that stay
 *   /stream     a stream; fixture_publish()       /close      200 and the end of the connection
 *   /empty      204                            /probe      as /now, also from the reserve
 *   /overdue    200; 503 where it had waited at all (http_exchange_overdue)
 *   /not-you    401 as soon as its head is there, and its body is not (/not-you-later: deferred then)
 *   /expendable deferred, never answered, and may be asked to go
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include "base/thread.h"
#include "http/loop.h"

enum { FIXTURE_PAGE_SIZE = 3000000, FIXTURE_WAITING_MAX = 1024, FIXTURE_PATIENCE_MS = 60000 };

struct fixture {
	struct http_handler handler; /* first */
	struct http_loop *loop;
	struct http_quota quota;
	struct network_list proxies;
	struct thread thread;
	uint16_t port;
	struct lane *wakes;
	_Atomic size_t publish_size; /* bytes for every stream, once */
	_Atomic bool release, end_streams;
	_Atomic int heads, gone, rounds, deferred, streaming, ticks;
	struct http_handle waiting[FIXTURE_WAITING_MAX], streams[FIXTURE_WAITING_MAX], round[FIXTURE_WAITING_MAX];
	size_t waiting_count, stream_count, round_count;
	_Atomic bool ended; /* http_loop_run() has returned */
};

/* Generous limits; a test makes those short that it is about. */
struct http_limits fixture_limits(void);
/* place: as in a listen_list, with port 0; connections_max. The loop does not run yet. */
void fixture_open(struct fixture *fixture, const char *place, struct http_limits limits, int64_t connections_max);
void fixture_run(struct fixture *fixture);
/* Both, on 127.0.0.1. */
void fixture_start(struct fixture *fixture, struct http_limits limits, int64_t connections_max);
/* Stops the loop (within a moment), joins and frees. */
void fixture_stop(struct fixture *fixture);
/* Frees what was opened and never ran. */
void fixture_close(struct fixture *fixture);
void fixture_release(struct fixture *fixture);
void fixture_publish(struct fixture *fixture, size_t size);
void fixture_end_streams(struct fixture *fixture);

struct client {
	int fd;
	char *data; /* read and not taken yet */
	size_t size, capacity;
};
struct answer {
	int status;
	char head[1024]; /* status line and headers */
	char *body;
	size_t size;
};

int client_socket(int receive_buffer); /* 0: the system's size */
void client_connect(struct client *client, const struct fixture *fixture);
void client_connect_with(struct client *client, const struct fixture *fixture, int fd);
void client_close(struct client *client);
void client_reset(struct client *client); /* RST */
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *data, size_t size);
/* The next answer; valid until the next call. `head_only`: to HEAD. */
const struct answer *client_answer(struct client *client, bool head_only);
/* One answer with that status. */
const struct answer *client_expect(struct client *client, int status);
/* Bytes as they come, until at least `size` are there; takes them. */
void client_skip(struct client *client, size_t size);
/* An orderly end with nothing more before it. */
void client_expect_end(struct client *client);
/* True when nothing has come, without waiting. */
bool client_is_silent(struct client *client);

/* Waits until the expression holds; fails the test when it does not in time. */
#define WAIT_UNTIL(condition)                                                  \
	do {                                                                   \
		int patience_ = FIXTURE_PATIENCE_MS;                           \
		while (!(condition)) {                                         \
			if (patience_-- == 0)                                  \
				fail_msg("waited in vain for %s", #condition); \
			poll(NULL, 0, 1);                                      \
		}                                                              \
	} while (0)

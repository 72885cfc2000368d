/*
 * How a connection is read. A request that arrives whole, which is nearly every one, is read into
 * the loop's buffer, handed over from there and answered from there: one recv(), one send(), no
 * copy, no memory. Only a part of a request, or what waits behind a deferred one, is copied to
 * memory of the connection's own, at most what a head and a body may have (http_bounds) and one
 * read (16 KiB); an idle connection has none.
 *
 * While an exchange is deferred, or output waits for the client, nothing is read, so the kernel's
 * window holds the client back.
 */
#include "http/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "http/loop_state.h"
#include "http/output.h"
#include "http/proxy.h"

/* --- handing over --- */

static void begin_exchange(struct connection *connection)
{
	connection_enter(connection, PHASE_CALLED);
	connection->exchange.generation++;
	connection->exchange.mark = 0;
	connection->exchange.started_ns = connection->loop->now_ns;
	connection->exchange.head_only = connection->loop->request.method == HTTP_HEAD;
	connection->fresh = connection->continued = connection->expendable = false;
	connection->in_need = 0;
}

static void hand_over(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	begin_exchange(connection);
	connection->exchange.keep_alive = loop->request.keep_alive;
	connection->exchange.says_keep_alive = loop->request.minor_version == 0;
	loop_count(&loop->stats.requests, 1);
	loop->handler->request(loop->handler, &connection->exchange);
	ASSERT(connection->phase != PHASE_CALLED); /* the handler answers, defers or starts a stream */
}

void serve_fault(struct connection *connection, enum http_fault fault)
{
	struct http_loop *loop = connection->loop;

	begin_exchange(connection);
	connection->exchange.keep_alive = false;
	loop_count(&loop->stats.faults, 1);
	loop->handler->fault(loop->handler, &connection->exchange, fault);
	ASSERT(connection->phase == PHASE_CLOSING);
}

static size_t serve_proxy(struct connection *connection, const char *data, size_t size)
{
	size_t used = 0;

	switch (proxy_read(data, size, &connection->peer, &used)) {
	case PROXY_WHOLE:
		connection_join(connection);
		connection_enter(connection, PHASE_IDLE);
		return used;
	case PROXY_MORE:
		connection->starved = true;
		connection->in_need = size < PROXY_SIZE_MAX ? 0 : size + 1;
		return 0;
	case PROXY_MALFORMED:
		break;
	}
	loop_count(&connection->loop->stats.faults, 1);
	connection_doom(connection);
	return 0;
}

/*
 * Whether the handler would have the body; else it has the exchange, and there is no more to read.
 */
static bool wants_body(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	begin_exchange(connection);
	connection->exchange.keep_alive = false;
	if (loop->handler->head(loop->handler, &connection->exchange)) {
		connection_enter(connection, PHASE_BODY);
		return true;
	}
	ASSERT(connection->phase != PHASE_CALLED);
	loop_count(&loop->stats.requests, 1);
	return false;
}

/* The head is whole and fine; its body is not there yet. */
static void await_body(struct connection *connection, const struct http_request *request, size_t need)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	connection->in_need = need;
	connection->starved = true;
	if (request->expect_continue && request->body.size == 0 && !connection->continued) {
		connection->continued = true;
		output_append(connection, go_on, sizeof(go_on) - 1);
	}
}

/* Takes one request from the front; returns how many bytes it took. */
static size_t serve_one(struct connection *connection, const char *data, size_t size)
{
	struct http_request *request = &connection->loop->request;
	enum http_fault fault;
	size_t used;

	switch (http_read(data, size, &connection->loop->settings.bounds, request, &used, &fault)) {
	case HTTP_READ_WHOLE:
		hand_over(connection);
		return used;
	case HTTP_READ_MORE:
		connection->starved = true;
		if (connection->phase != PHASE_HEAD)
			connection_enter(connection, PHASE_HEAD);
		return 0;
	case HTTP_READ_BODY:
		if (connection->phase != PHASE_BODY && !wants_body(connection))
			return size;
		await_body(connection, request, used);
		return 0;
	case HTTP_READ_FAULT:
		serve_fault(connection, fault);
		return size; /* what follows a fault has no meaning */
	}
	return 0;
}

/*
 * Hands over what is whole at the front of `data`, as far as its turn goes; returns how many bytes
 * were taken.
 */
static size_t serve(struct connection *connection, const char *data, size_t size)
{
	struct http_loop *loop = connection->loop;
	size_t used = 0;

	loop->serving = connection;
	connection->starved = false;
	while (used < size && connection_is_reading(connection) && !connection->starved && !connection->doomed &&
	       !connection_has_output(connection) && loop->requests_left > 0) {
		if (connection->phase == PHASE_PROXY) {
			used += serve_proxy(connection, data + used, size - used);
		} else {
			used += serve_one(connection, data + used, size - used);
			loop->requests_left--;
		}
	}
	loop->serving = NULL;
	return used;
}

/* --- reading --- */

static bool grow_input(struct connection *connection, size_t capacity)
{
	char *in;

	if (capacity <= connection->in_capacity)
		return true;
	in = realloc(connection->in, capacity);
	if (!in) {
		connection_doom(connection);
		return false;
	}
	connection->in = in;
	connection->in_capacity = capacity;
	return true;
}

static void consume_input(struct connection *connection, size_t used)
{
	connection->in_size -= used;
	if (connection->in_size == 0)
		connection_free_input(connection);
	else if (used > 0)
		memmove(connection->in, connection->in + used, connection->in_size);
}

size_t serve_receive(struct connection *connection, char *data, size_t size)
{
	struct http_loop *loop = connection->loop;
	ssize_t got = endpoint_receive(&connection->at, data, size, 0);

	if (got < 0) {
		connection->readable = false;
		if (got != -EAGAIN)
			connection_doom(connection);
		return 0;
	}
	if (got == 0) {
		connection->readable = false;
		connection->peer_done = true;
		return 0;
	}
	/*
	 * A short read has emptied the socket and the next bytes come with an edge; but FIN's edge
	 * may have come with these bytes.
	 */
	if ((size_t)got < size)
		connection->readable = connection->half_closed;
	loop_count(&loop->stats.bytes_in, (uint64_t)got);
	return (size_t)got;
}

static void read_shared(struct connection *connection)
{
	struct http_loop *loop = connection->loop;
	size_t size = serve_receive(connection, loop->input, INPUT_SIZE);
	size_t used = size > 0 ? serve(connection, loop->input, size) : 0;

	if (used < size && !connection->doomed && connection->phase != PHASE_CLOSING && grow_input(connection, size - used)) {
		memcpy(connection->in, loop->input + used, size - used);
		connection->in_size = size - used;
	}
}

static void read_own(struct connection *connection)
{
	enum { STEP = 1024 };
	const struct http_bounds *bounds = &connection->loop->settings.bounds;
	size_t need = connection->in_need > connection->in_size ? connection->in_need : connection->in_size + STEP;
	size_t size;
	bool line;

	if (!grow_input(connection, need))
		return;
	size = serve_receive(connection, connection->in + connection->in_size, connection->in_capacity - connection->in_size);
	if (size == 0)
		return;
	/*
	 * A part of a line decides nothing, unless it is too long: looking only where a line ended
	 * keeps a head that drips in from costing its square.
	 */
	line = memchr(connection->in + connection->in_size, '\n', size) != NULL || connection->in_size + size >= bounds->head_bytes;
	connection->in_size += size;
	if (connection->in_need > 0 ? connection->in_size >= connection->in_need : line)
		connection->starved = false;
	else if (connection->phase == PHASE_PROXY)
		connection->starved = false;
}

void serve_requests(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	loop->requests_left = REQUESTS_PER_TURN;
	while (connection_is_reading(connection) && !connection->doomed && !connection_has_output(connection) &&
	       loop->requests_left > 0) {
		if (connection->in_size > 0 && !connection->starved)
			consume_input(connection, serve(connection, connection->in, connection->in_size));
		else if (!connection->readable)
			break;
		else if (connection->in_size > 0)
			read_own(connection);
		else
			read_shared(connection);
	}
	if (loop->output_owner == connection)
		output_flush(loop);
	if (connection->doomed)
		connection_drop(connection);
	else if (connection_has_output(connection))
		return;
	else if (connection->phase == PHASE_CLOSING)
		connection_linger(connection);
	else if (!connection_is_reading(connection))
		return;
	else if (connection->readable || (connection->in_size > 0 && !connection->starved))
		connection_queue(connection);
	else if (connection->peer_done)
		connection_drop(connection);
}

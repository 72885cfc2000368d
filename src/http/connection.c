/*
 * Slots, phases and the end of connections. A socket is registered once, edge-triggered for
 * everything, and never again: `readable` remembers what an edge said until a short read shows that
 * the kernel has no more.
 *
 * A client that has shut down its sending side still gets its answers; one that is gone (EPOLLHUP,
 * EPOLLERR) makes its exchange go.
 *
 * The last answer is followed by FIN, and what the client still sends is thrown away for a second
 * or 256 KiB: closing at once with unread bytes would send RST, and that can destroy the answer on
 * its way (RFC 9112, section 9.6).
 */
#include "http/connection.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http/loop_state.h"
#include "http/output.h"
#include "http/serve.h"

static const int64_t RESERVED_NS = 1000000000; /* what a connection in the reserve may take to say what it wants */
static const int64_t LINGER_NS = 1000000000, LINGER_STOPPING_NS = 300000000;
enum { LINGER_BYTES_MAX = 262144, LINGER_READS = 4 };

/* --- slots --- */

static bool add_chunk(struct http_loop *loop)
{
	struct connection *chunk;

	if (loop->chunk_count == loop->chunk_max)
		return false;
	chunk = calloc(CHUNK_CONNECTIONS, sizeof(*chunk));
	if (!chunk)
		return false;
	for (size_t i = CHUNK_CONNECTIONS; i-- > 0;) {
		chunk[i].loop = loop;
		chunk[i].slot = (uint32_t)(loop->chunk_count * CHUNK_CONNECTIONS + i);
		chunk[i].next_free = loop->free;
		loop->free = &chunk[i];
	}
	loop->chunks[loop->chunk_count++] = chunk;
	return true;
}

/* Its events from here on. */
static bool watch(struct connection *connection, const struct endpoint *at)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)SOURCE_CONNECTION << 32 | connection->slot,
	};

	if (!at->wire)
		return epoll_ctl(connection->loop->epoll_fd, EPOLL_CTL_ADD, at->fd, &event) == 0;
	wire_end_watch(at->wire, connection->slot);
	return true;
}

struct connection *connection_new(struct http_loop *loop, const struct endpoint *at, const struct address *peer, bool proxy,
				  bool counted)
{
	struct connection *connection;

	if (!loop->free && !add_chunk(loop))
		return NULL;
	connection = loop->free;
	if (!watch(connection, at))
		return NULL;
	loop->free = connection->next_free;
	loop->live++;

	connection->at = *at;
	connection->peer = connection->transport = *peer;
	connection->counted = counted;
	connection->fresh = true;
	connection->readable = connection->half_closed = connection->peer_done = connection->starved = false;
	connection->continued = connection->doomed = connection->expendable = false;
	connection->exchange.started_ns = loop->now_ns;
	connection->out_since_ns = 0;
	connection->drained = 0;
	if (counted)
		loop_count_level(&loop->stats.open, 1);
	else
		loop->reserved++;
	if (!proxy)
		connection_join(connection);
	connection_enter(connection, proxy ? PHASE_PROXY : PHASE_IDLE);
	return connection;
}

void connection_join(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	if (!loop->settings.proxies || !network_list_contains(loop->settings.proxies, &connection->peer))
		peers_join(&loop->peers, &connection->seat, &connection->peer);
}

struct connection *connection_of_seat(struct peer_seat *seat)
{
	return (struct connection *)((char *)seat - offsetof(struct connection, seat));
}

int64_t connection_idle_since(const struct peer_seat *seat)
{
	const struct connection *connection = (const struct connection *)((const char *)seat - offsetof(struct connection, seat));

	if (!connection->counted && connection->loop->reserved < HTTP_RESERVE)
		return INT64_MAX; /* nobody needs its place */
	switch (connection->phase) {
	case PHASE_PROXY:
	case PHASE_IDLE:
	case PHASE_HEAD:
	case PHASE_BODY:
		if (connection->readable && !connection_has_output(connection))
			return INT64_MAX; /* it has said something that was not read yet */
		break;
	case PHASE_DEFERRED:
		if (!connection->expendable)
			return INT64_MAX;
		break;
	case PHASE_FREE:
	case PHASE_CALLED:
	case PHASE_STREAM:
		return INT64_MAX;
	case PHASE_CLOSING:
	case PHASE_LINGER:
		break;
	}
	return connection->exchange.started_ns;
}

void connection_free_input(struct connection *connection)
{
	free(connection->in);
	connection->in = NULL;
	connection->in_size = connection->in_capacity = connection->in_need = 0;
}

static void free_output(struct connection *connection)
{
	free(connection->out);
	connection->out = NULL;
	connection->out_start = connection->out_size = connection->out_capacity = 0;
	connection->tail = SLICE_NULL;
	if (connection->loop->output_owner == connection) {
		connection->loop->output_owner = NULL;
		connection->loop->output_size = 0;
	}
}

void connection_drop(struct connection *connection)
{
	struct http_loop *loop = connection->loop;
	struct http_handle handle = {connection->slot, connection->exchange.generation};
	bool alive = connection->phase == PHASE_DEFERRED || connection->phase == PHASE_STREAM;

	ASSERT(connection->phase != PHASE_CALLED);
	connection_enter(connection, PHASE_FREE);
	timers_remove(&connection->timer);
	peers_leave(&loop->peers, &connection->seat);
	endpoint_close(&connection->at);
	connection_free_input(connection);
	free_output(connection);
	connection->next_free = loop->closed;
	loop->closed = connection;
	loop->live--;
	if (connection->counted) {
		atomic_fetch_sub(&loop->settings.quota->connections, 1);
		loop_count_level(&loop->stats.open, -1);
	} else {
		loop->reserved--;
	}
	if (loop->accept_ns != INT64_MAX)
		listeners_resume(loop);
	if (alive) {
		loop_count(&loop->stats.hangups, 1);
		loop->handler->gone(loop->handler, handle);
	}
}

void connection_queue(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	if (connection->in_ready)
		return;
	connection->in_ready = true;
	connection->next_ready = NULL;
	*loop->ready_end = connection;
	loop->ready_end = &connection->next_ready;
}

void connection_doom(struct connection *connection)
{
	connection->doomed = true;
	connection_queue(connection);
}

/* --- phases --- */

#define MAY(phase) (1u << PHASE_##phase)
static const unsigned moves[] = {
	[PHASE_FREE] = MAY(PROXY) | MAY(IDLE),
	[PHASE_PROXY] = MAY(IDLE) | MAY(FREE),
	[PHASE_IDLE] = MAY(HEAD) | MAY(BODY) | MAY(CALLED) | MAY(LINGER) | MAY(FREE),
	[PHASE_HEAD] = MAY(BODY) | MAY(CALLED) | MAY(FREE),
	[PHASE_BODY] = MAY(CALLED) | MAY(FREE),
	[PHASE_CALLED] = MAY(BODY) | MAY(IDLE) | MAY(DEFERRED) | MAY(STREAM) | MAY(CLOSING),
	[PHASE_DEFERRED] = MAY(IDLE) | MAY(STREAM) | MAY(CLOSING) | MAY(FREE),
	[PHASE_STREAM] = MAY(CLOSING) | MAY(FREE),
	[PHASE_CLOSING] = MAY(LINGER) | MAY(FREE),
	[PHASE_LINGER] = MAY(FREE),
};
#undef MAY

void connection_enter(struct connection *connection, enum phase phase)
{
	enum phase from = connection->phase;

	ASSERT(moves[from] & 1u << phase);
	if (from == PHASE_STREAM || phase == PHASE_STREAM)
		loop_count_level(&connection->loop->stats.streams, phase == PHASE_STREAM ? 1 : -1);
	connection->phase = phase;
	switch (phase) {
	case PHASE_FREE:
	case PHASE_CALLED: /* on its way to another */
		return;
	case PHASE_IDLE:
	case PHASE_HEAD:
		/*
		 * The time for the first head counts from accepting, through the PROXY header too.
		 */
		if (connection->fresh && from != PHASE_FREE)
			return;
		break;
	default:
		break;
	}
	connection_set_deadline(connection);
}

/*
 * What a client may still take to read on: the time without a byte, and on average the least rate.
 * At least 1.
 */
static int64_t output_time(struct connection *connection)
{
	const struct http_limits *limits = &connection->loop->settings.limits;
	int64_t now_ns = connection->loop->now_ns, left_ns;

	if (connection->out_since_ns == 0) {
		connection->out_since_ns = now_ns;
		connection->out_taken = 0;
	}
	if (limits->write_ns == 0 || limits->read_rate_min == 0)
		return limits->write_ns;
	left_ns = connection->out_since_ns + limits->write_ns +
		  (int64_t)connection->out_taken * (1000000000 / limits->read_rate_min) - now_ns;
	if (left_ns > limits->write_ns)
		return limits->write_ns;
	return left_ns > 0 ? left_ns : 1;
}

void connection_set_deadline(struct connection *connection)
{
	struct http_loop *loop = connection->loop;
	const struct http_limits *limits = &loop->settings.limits;
	int64_t allowed = 0;

	if (connection->phase == PHASE_FREE)
		return;
	switch (connection->phase) {
	case PHASE_IDLE:
		allowed = connection->fresh ? limits->header_ns : limits->idle_ns;
		break;
	case PHASE_PROXY:
	case PHASE_HEAD:
		allowed = limits->header_ns;
		break;
	case PHASE_BODY:
		allowed = limits->body_ns;
		break;
	case PHASE_LINGER:
		allowed = loop->stopping ? LINGER_STOPPING_NS : LINGER_NS;
		break;
	default:
		break;
	}
	if (!connection->counted && connection_is_reading(connection) && allowed > RESERVED_NS)
		allowed = RESERVED_NS;
	if (connection_has_output(connection))
		allowed = output_time(connection);
	else
		connection->out_since_ns = 0;
	timers_set(&loop->timers, &connection->timer, allowed > 0 ? loop->now_ns + allowed : TIMER_NEVER);
}

/* --- the end --- */

static void drain(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	for (int i = 0; i < LINGER_READS && connection->readable && !connection->doomed; i++)
		connection->drained += serve_receive(connection, loop->input, INPUT_SIZE);
	if (connection->peer_done || connection->doomed || connection->drained > LINGER_BYTES_MAX)
		connection_drop(connection);
	else if (connection->readable)
		connection_queue(connection);
}

void connection_linger(struct connection *connection)
{
	connection_free_input(connection);
	if (connection->peer_done || endpoint_shutdown(&connection->at) < 0) {
		connection_drop(connection);
		return;
	}
	connection_enter(connection, PHASE_LINGER);
	connection->readable = true;
	drain(connection);
}

void connection_end_stream(struct connection *connection)
{
	struct http_loop *loop = connection->loop;
	struct http_handle handle = {connection->slot, connection->exchange.generation};

	connection_enter(connection, PHASE_CLOSING);
	connection_queue(connection);
	loop->handler->gone(loop->handler, handle);
}

void connection_progress(struct connection *connection)
{
	if (connection->phase == PHASE_FREE)
		return;
	if (connection->doomed) {
		connection_drop(connection);
		return;
	}
	if (connection_has_output(connection) && !output_resume(connection)) {
		if (connection->doomed)
			connection_drop(connection);
		return;
	}
	if (connection->phase == PHASE_LINGER)
		drain(connection);
	else if (connection->phase == PHASE_CLOSING)
		connection_linger(connection);
	else if (connection->phase == PHASE_STREAM && connection->exchange.head_only)
		connection_end_stream(connection);
	else if (connection_is_reading(connection))
		serve_requests(connection);
}

static bool is_lost(const struct connection *connection, uint32_t events)
{
	if (events & EPOLLERR)
		return true;
	/*
	 * After FIN both ways: what is unread yet must be read, or closing would send RST after
	 * all.
	 */
	if (connection->phase == PHASE_LINGER)
		return false;
	/* A stream's reader has nothing more to say; where it sends FIN it has left. */
	return events & EPOLLHUP || (events & EPOLLRDHUP && connection->phase == PHASE_STREAM);
}

void connection_event(struct connection *connection, uint32_t events)
{
	if (connection->phase == PHASE_FREE)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP))
		connection->readable = true;
	if (events & EPOLLRDHUP)
		connection->half_closed = true;
	if (is_lost(connection, events))
		connection_drop(connection);
	else
		connection_progress(connection);
}

/* So that the kernel does not keep what the client does not take. */
static void reset(struct connection *connection)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (!connection->at.wire)
		setsockopt(connection->at.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	connection_drop(connection);
}

void connection_break_off(struct connection *connection, enum http_fault fault)
{
	struct http_loop *loop = connection->loop;
	enum http_fault ignored;
	size_t used;

	/* For what is known of it: a HEAD request gets no body. */
	(void)http_read(connection->in, connection->in_size, &loop->settings.bounds, &loop->request, &used, &ignored);
	loop->serving = connection;
	serve_fault(connection, fault);
	loop->serving = NULL;
	output_flush(loop);
	connection_queue(connection);
}

void connection_expired(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	if (connection->phase == PHASE_LINGER) {
		connection_drop(connection);
		return;
	}
	loop_count(&loop->stats.timeouts, 1);
	if (connection_has_output(connection)) {
		reset(connection);
	} else if (connection->phase == PHASE_HEAD || connection->phase == PHASE_BODY) {
		connection_break_off(connection, HTTP_FAULT_TIMEOUT);
	} else {
		connection_drop(connection);
	}
}

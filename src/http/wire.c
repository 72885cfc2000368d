#include "http/wire.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include "base/clock.h"
#include "base/lock.h"
#include "text/buffer.h"

/*
 * One lock a wire: what it guards is a copy of bytes, and who waits for it is a test. An end lives
 * until both halves have closed it.
 */
enum { PORTS_MAX = 64, UNREAD_MAX = 262144 /* bytes that a client may leave unread: as a socket's buffers */ };

struct http_wire_end {
	struct http_wire *wire;
	struct wire_port *port;
	struct address peer;
	struct buffer asked, answered; /* to the loop, and from it */
	bool finished, client_gone;    /* the client's half: sends no more; has closed */
	bool shut, loop_gone;          /* the loop's */
	bool full;                     /* the loop was told that there is no room */
	bool watched, queued;          /* its events are wanted; it is in the port's queue */
	uint32_t slot, events;
	int64_t asked_ns;           /* when the client's last bytes came */
	struct http_wire_end *next; /* in `arrivals` or in the port's queue */
};

struct end_queue {
	struct http_wire_end *first, **last;
};

struct wire_port {
	struct http_wire *wire;
	struct lock_condition happened;
	struct end_queue arrivals, changed;
	bool rung, woken;
};

struct http_wire {
	struct lock lock; /* all of the wire, its ports and ends; innermost */
	struct lock_condition answered;
	struct wire_port *ports[PORTS_MAX];
	size_t port_count;
};

/* --- Queues --- */

static void queue_init(struct end_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_put(struct end_queue *queue, struct http_wire_end *end)
{
	end->next = NULL;
	*queue->last = end;
	queue->last = &end->next;
}

static struct http_wire_end *queue_take(struct end_queue *queue)
{
	struct http_wire_end *end = queue->first;

	if (!end)
		return NULL;
	queue->first = end->next;
	if (!queue->first)
		queue->last = &queue->first;
	return end;
}

static void queue_remove(struct end_queue *queue, const struct http_wire_end *end)
{
	struct http_wire_end **at = &queue->first;

	while (*at != end)
		at = &(*at)->next;
	*at = end->next;
	if (!end->next)
		queue->last = at;
}

/* --- A wire --- */

int http_wire_new(struct http_wire **out)
{
	struct http_wire *wire = calloc(1, sizeof(*wire));

	if (!wire)
		return error_origin(-ENOMEM);
	lock_init(&wire->lock);
	lock_condition_init(&wire->answered);
	*out = wire;
	return 0;
}

void http_wire_free(struct http_wire *wire)
{
	if (!wire)
		return;
	ASSERT(wire->port_count == 0);
	lock_condition_deinit(&wire->answered);
	lock_deinit(&wire->lock);
	free(wire);
}

/* Under the lock. Something has happened that the loop's half must hear of. */
static void tell_loop(struct http_wire_end *end, uint32_t events)
{
	if (!end->watched || end->loop_gone)
		return;
	end->events |= events;
	if (!end->queued)
		queue_put(&end->port->changed, end);
	end->queued = true;
	lock_condition_signal(&end->port->happened);
}

/* Under the lock: frees it where the other half has closed it too. */
static void let_go(struct http_wire_end *end)
{
	if (!end->client_gone || !end->loop_gone)
		return;
	buffer_deinit(&end->asked);
	buffer_deinit(&end->answered);
	free(end);
}

/* --- The client's half --- */

int http_wire_connect(struct http_wire *wire, const struct address *peer, unsigned pick, struct http_wire_end **out)
{
	struct http_wire_end *end = calloc(1, sizeof(*end));
	int r = 0;

	if (!end)
		return -ENOMEM;
	end->wire = wire;
	end->peer = *peer;
	buffer_init(&end->asked, SIZE_MAX);
	buffer_init(&end->answered, SIZE_MAX);
	lock_take(&wire->lock);
	if (wire->port_count > 0) {
		end->port = wire->ports[pick % wire->port_count];
		queue_put(&end->port->arrivals, end);
		lock_condition_signal(&end->port->happened);
	} else {
		r = -ECONNREFUSED;
	}
	lock_release(&wire->lock);
	if (r < 0)
		free(end);
	else
		*out = end;
	return r;
}

int http_wire_send(struct http_wire_end *end, const void *data, size_t size)
{
	struct http_wire *wire = end->wire;
	int r = 0;

	lock_take(&wire->lock);
	if (end->loop_gone) {
		r = -EPIPE;
	} else {
		buffer_append(&end->asked, data, size);
		end->asked_ns = clock_mono_ns();
		r = end->asked.failed ? -ENOMEM : 0;
		tell_loop(end, EPOLLIN);
	}
	lock_release(&wire->lock);
	return r;
}

static ssize_t take_bytes(struct buffer *buffer, char *data, size_t max, bool peek)
{
	size_t size = buffer->size < max ? buffer->size : max;

	memcpy(data, buffer->data, size);
	if (!peek)
		buffer_consume(buffer, size);
	return (ssize_t)size;
}

ssize_t http_wire_receive(struct http_wire_end *end, char *data, size_t max, int64_t deadline_ns)
{
	struct http_wire *wire = end->wire;
	ssize_t got = -ETIMEDOUT;
	bool waits = true;

	lock_take(&wire->lock);
	while (end->answered.size == 0 && !end->shut && !end->loop_gone && waits)
		waits = lock_condition_wait_until(&wire->answered, &wire->lock, deadline_ns);
	if (end->answered.size > 0) {
		got = take_bytes(&end->answered, data, max, false);
		if (end->full)
			tell_loop(end, EPOLLOUT);
		end->full = false;
	} else if (end->shut || end->loop_gone) {
		got = 0;
	}
	lock_release(&wire->lock);
	return got;
}

void http_wire_finish(struct http_wire_end *end)
{
	struct http_wire *wire = end->wire;

	lock_take(&wire->lock);
	end->finished = true;
	tell_loop(end, EPOLLIN | EPOLLRDHUP);
	lock_release(&wire->lock);
}

void http_wire_close(struct http_wire_end *end)
{
	struct http_wire *wire = end->wire;

	lock_take(&wire->lock);
	end->finished = end->client_gone = true;
	tell_loop(end, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	let_go(end);
	lock_release(&wire->lock);
}

/* --- The loop's half --- */

int wire_port_new(struct wire_port **out, struct http_wire *wire)
{
	struct wire_port *port = calloc(1, sizeof(*port));
	bool added;

	if (!port)
		return error_origin(-ENOMEM);
	port->wire = wire;
	lock_condition_init(&port->happened);
	queue_init(&port->arrivals);
	queue_init(&port->changed);
	lock_take(&wire->lock);
	added = wire->port_count < PORTS_MAX;
	if (added)
		wire->ports[wire->port_count++] = port;
	lock_release(&wire->lock);
	if (!added) {
		wire_port_free(port);
		return error_origin(-E2BIG);
	}
	*out = port;
	return 0;
}

void wire_port_close(struct wire_port *port)
{
	struct http_wire *wire = port->wire;

	lock_take(&wire->lock);
	for (size_t i = 0; i < wire->port_count; i++)
		if (wire->ports[i] == port)
			wire->ports[i--] = wire->ports[--wire->port_count];
	lock_release(&wire->lock);
}

void wire_port_free(struct wire_port *port)
{
	struct http_wire_end *end;
	struct address peer;

	if (!port)
		return;
	wire_port_close(port);
	while ((end = wire_port_accept(port, &peer)))
		wire_end_close(end);
	lock_condition_deinit(&port->happened);
	free(port);
}

/* Under the lock. */
static size_t take_events(struct wire_port *port, struct wire_event *events, size_t max)
{
	struct http_wire_end *end;
	size_t count = 0;

	if (port->woken && count < max) {
		events[count++] = (struct wire_event){.source = WIRE_WOKEN};
		port->woken = false;
	}
	if (port->rung && count < max) {
		events[count++] = (struct wire_event){.source = WIRE_RUNG};
		port->rung = false;
	}
	if (port->arrivals.first && count < max)
		events[count++] = (struct wire_event){.source = WIRE_ARRIVAL};
	while (count < max && (end = queue_take(&port->changed))) {
		events[count++] = (struct wire_event){WIRE_CONNECTION, end->slot, end->events};
		end->events = 0;
		end->queued = false;
	}
	return count;
}

size_t wire_port_wait(struct wire_port *port, struct wire_event *events, size_t max, int64_t deadline_ns)
{
	struct http_wire *wire = port->wire;
	size_t count;

	lock_take(&wire->lock);
	while ((count = take_events(port, events, max)) == 0) {
		if (deadline_ns == INT64_MAX)
			lock_condition_wait(&port->happened, &wire->lock);
		else if (!lock_condition_wait_until(&port->happened, &wire->lock, deadline_ns))
			break;
	}
	lock_release(&wire->lock);
	return count;
}

static void happen(struct wire_port *port, bool *what)
{
	lock_take(&port->wire->lock);
	*what = true;
	lock_condition_signal(&port->happened);
	lock_release(&port->wire->lock);
}

void wire_port_ring(void *port)
{
	happen(port, &((struct wire_port *)port)->rung);
}

void wire_port_wake(struct wire_port *port)
{
	happen(port, &port->woken);
}

struct http_wire_end *wire_port_accept(struct wire_port *port, struct address *peer)
{
	struct http_wire_end *end;

	lock_take(&port->wire->lock);
	end = queue_take(&port->arrivals);
	if (end)
		*peer = end->peer;
	lock_release(&port->wire->lock);
	return end;
}

void wire_end_watch(struct http_wire_end *end, uint32_t slot)
{
	lock_take(&end->wire->lock);
	end->slot = slot;
	end->watched = true;
	tell_loop(end, (uint32_t)EPOLLOUT | (end->asked.size > 0 || end->finished ? EPOLLIN : 0) |
			       (end->finished ? EPOLLRDHUP : 0) | (end->client_gone ? EPOLLHUP : 0));
	lock_release(&end->wire->lock);
}

ssize_t wire_end_receive(struct http_wire_end *end, char *data, size_t max, bool peek)
{
	ssize_t got;

	lock_take(&end->wire->lock);
	if (end->asked.size > 0)
		got = take_bytes(&end->asked, data, max, peek);
	else
		got = end->finished ? 0 : -EAGAIN;
	lock_release(&end->wire->lock);
	return got;
}

ssize_t wire_end_send(struct http_wire_end *end, const char *data, size_t size)
{
	struct http_wire *wire = end->wire;
	size_t room;
	ssize_t sent = -EPIPE;

	lock_take(&wire->lock);
	if (!end->client_gone) {
		room = UNREAD_MAX - end->answered.size;
		end->full = room < size;
		size = size < room ? size : room;
		buffer_append(&end->answered, data, size);
		sent = end->answered.failed ? -ENOMEM : size > 0 ? (ssize_t)size : -EAGAIN;
		lock_condition_broadcast(&wire->answered);
	}
	lock_release(&wire->lock);
	return sent;
}

int64_t wire_end_waited_ns(struct http_wire_end *end)
{
	int64_t asked_ns;

	lock_take(&end->wire->lock);
	asked_ns = end->asked_ns;
	lock_release(&end->wire->lock);
	return clock_mono_ns() - asked_ns;
}

int wire_end_shutdown(struct http_wire_end *end)
{
	struct http_wire *wire = end->wire;
	int r;

	lock_take(&wire->lock);
	r = end->client_gone ? -ENOTCONN : 0;
	end->shut = true;
	lock_condition_broadcast(&wire->answered);
	lock_release(&wire->lock);
	return r;
}

void wire_end_close(struct http_wire_end *end)
{
	struct http_wire *wire = end->wire;

	lock_take(&wire->lock);
	if (end->queued)
		queue_remove(&end->port->changed, end);
	end->queued = false;
	end->loop_gone = true;
	lock_condition_broadcast(&wire->answered);
	let_go(end);
	lock_release(&wire->lock);
}

/*
 * The rounds of the loop. What costs a system call is done only where it must be: a round asks for
 * its time once, the timers' next deadline is a number that is at hand, the Date line is made once
 * a second, and connections change nothing in epoll.
 *
 * Stopping is a phase of its own: listeners take in what their backlogs hold and close; idle
 * connections are read once more, for what may have come in the meantime, and get FIN; new ones
 * have a moment for the request that they came with; streams end; what is not a whole request is
 * told so and closed; everything else is answered as always, with "Connection: close".
 */
#include "http/loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "http/loop_state.h"
#include "http/output.h"

/* What a connection that has not asked yet may take to do so once the loop is stopping. */
static const int64_t LAST_CHANCE_NS = 500000000;
enum { CONNECTIONS_MAX = 1 << 20 };

static int watch(struct http_loop *loop, int fd, enum source source, uint32_t index)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_descriptors(struct http_loop *loop)
{
	if (loop->settings.wire)
		return wire_port_new(&loop->port, loop->settings.wire);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0 || loop->spare_fd < 0)
		return -errno;
	return watch(loop, loop->stop_fd, SOURCE_STOP, 0);
}

int http_loop_new(struct http_loop **made, const struct http_loop_settings *settings)
{
	struct http_loop *loop = calloc(1, sizeof(*loop));
	int64_t most = settings->quota->connections_max;
	int r;

	if (!loop)
		return -ENOMEM;
	loop->settings = *settings;
	loop->handler = settings->handler;
	loop->epoll_fd = loop->stop_fd = loop->spare_fd = -1;
	loop->accept_ns = INT64_MAX;
	loop->ready_end = &loop->ready;
	loop->now_ns = clock_mono_ns();
	timers_init(&loop->timers, loop->now_ns);
	most = (most < 0 || most > CONNECTIONS_MAX ? CONNECTIONS_MAX : most) + HTTP_RESERVE + DROPPED_PER_ROUND;
	loop->chunk_max = ((size_t)most + CHUNK_CONNECTIONS - 1) / CHUNK_CONNECTIONS;
	loop->chunks = calloc(loop->chunk_max, sizeof(struct connection *));
	loop->input = malloc(INPUT_SIZE);
	loop->output = malloc(OUTPUT_SIZE);
	r = loop->chunks && loop->input && loop->output ? peers_init(&loop->peers, (size_t)most) : -ENOMEM;
	if (r == 0)
		r = open_descriptors(loop);
	if (r < 0) {
		http_loop_free(loop);
		return r;
	}
	*made = loop;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Every connection that is there. */
static void for_each(struct http_loop *loop, void (*visit)(struct connection *connection))
{
	for (size_t i = 0; i < loop->chunk_count * CHUNK_CONNECTIONS; i++) {
		struct connection *connection = loop_connection(loop, (uint32_t)i);

		if (connection->phase != PHASE_FREE)
			visit(connection);
	}
}

void http_loop_free(struct http_loop *loop)
{
	if (!loop)
		return;
	for_each(loop, connection_drop);
	for (size_t i = 0; i < loop->listener_count; i++)
		close_if_open(loop->listeners[i].fd);
	for (size_t i = 0; i < loop->chunk_count; i++)
		free(loop->chunks[i]);
	close_if_open(loop->epoll_fd);
	close_if_open(loop->stop_fd);
	close_if_open(loop->spare_fd);
	wire_port_free(loop->port);
	peers_deinit(&loop->peers);
	free(loop->chunks);
	free(loop->input);
	free(loop->output);
	free(loop);
}

int http_loop_listen(struct http_loop *loop, const struct listen_place *place, bool first, uint16_t *port)
{
	struct listener listener;
	int r;

	if (loop->listener_count == LISTEN_MAX)
		return -E2BIG;
	r = listener_open(&listener, place, first, port);
	if (r < 0)
		return r;
	r = watch(loop, listener.fd, SOURCE_LISTENER, (uint32_t)loop->listener_count);
	if (r < 0) {
		close(listener.fd);
		return r;
	}
	loop->listeners[loop->listener_count++] = listener;
	return 0;
}

int http_loop_watch(struct http_loop *loop, struct lane *lane)
{
	ASSERT(!loop->watched);
	loop->watched = lane;
	if (loop->port) {
		lane_listen(lane, wire_port_ring, loop->port);
		return 0;
	}
	return watch(loop, lane_event_fd(lane), SOURCE_WATCH, 0);
}

void http_loop_stop(struct http_loop *loop, int64_t deadline_ns)
{
	uint64_t one = 1;
	int kept = errno; /* a signal handler must not change it */
	ssize_t ignored;

	atomic_store(&loop->stop_deadline_ns, deadline_ns);
	atomic_store(&loop->stop_asked, true);
	if (loop->port) {
		wire_port_wake(loop->port);
		return;
	}
	ignored = write(loop->stop_fd, &one, sizeof(one));
	(void)ignored;
	errno = kept;
}

bool http_loop_stopping(const struct http_loop *loop)
{
	return atomic_load(&loop->stop_asked);
}

const struct http_stats *http_loop_stats(const struct http_loop *loop)
{
	return &loop->stats;
}

void http_loop_set_proxies(struct http_loop *loop, const struct network_list *proxies)
{
	loop->settings.proxies = proxies;
}

int64_t http_loop_queue_age(const struct http_loop *loop)
{
	return queue_age_ns(&loop->queue);
}

int64_t http_loop_now(const struct http_loop *loop)
{
	return loop->now_ns;
}

/* --- a round --- */

/* "Date: Tue, 24 Nov 2026 02:07:41 GMT", whatever the locale (RFC 9110, section 5.6.7). */
static void make_date_line(struct http_loop *loop)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int64_t wall_ms = clock_wall_ms();
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = {0};
	char line[64];

	gmtime_r(&seconds, &tm);
	snprintf(line, sizeof(line), "Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n", days[tm.tm_wday % 7],
		 (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	memcpy(loop->date_line, line, DATE_LINE_SIZE);
	loop->date_ns = loop->now_ns + (1000 - wall_ms % 1000) * 1000000;
}

static void note_time(struct http_loop *loop)
{
	loop->now_ns = clock_mono_ns();
	if (loop->now_ns >= loop->date_ns)
		make_date_line(loop);
}

/* Until when the wait may be; INT64_MAX: for ever. */
static int64_t wait_until_ns(const struct http_loop *loop)
{
	int64_t next = timers_next_ns(&loop->timers);

	if (loop->ready)
		return 0;
	if (loop->tick_ns < next)
		next = loop->tick_ns;
	if (loop->accept_ns < next)
		next = loop->accept_ns;
	if (loop->stopping && atomic_load(&loop->stop_deadline_ns) < next)
		next = atomic_load(&loop->stop_deadline_ns);
	return next;
}

/* In epoll's milliseconds: rounded up, so that a round never comes just before its reason. */
static int wait_ms(const struct http_loop *loop)
{
	int64_t next = wait_until_ns(loop), now;

	if (next == 0)
		return 0;
	if (next == INT64_MAX)
		return -1;
	now = clock_mono_ns();
	if (next <= now)
		return 0;
	return next - now > 3600000000000 ? 3600000 : (int)((next - now + 999999) / 1000000);
}

static void expired(struct timer *timer, void *context)
{
	(void)context;
	connection_expired((struct connection *)((char *)timer - offsetof(struct connection, timer)));
}

/* What was queued before this round; what is queued meanwhile has the next. */
static void run_ready(struct http_loop *loop)
{
	struct connection *connection = loop->ready;

	loop->ready = NULL;
	loop->ready_end = &loop->ready;
	while (connection) {
		struct connection *next = connection->next_ready;

		connection->in_ready = false;
		connection_progress(connection);
		connection = next;
	}
}

static void take_event(struct http_loop *loop, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;
	uint64_t told;
	ssize_t ignored;

	switch ((enum source)(event->data.u64 >> 32)) {
	case SOURCE_CONNECTION:
		connection_event(loop_connection(loop, index), event->events);
		break;
	case SOURCE_LISTENER:
		if (index < loop->listener_count)
			loop->unaccepted |= !listener_accept(loop, &loop->listeners[index]);
		break;
	case SOURCE_WATCH:
		loop->handler->wake(loop->handler);
		break;
	case SOURCE_STOP:
		ignored = read(loop->stop_fd, &told, sizeof(told));
		(void)ignored;
		break;
	}
}

/* Closed connections may be used again: no event of an older round can name them. */
static void reuse_closed(struct http_loop *loop)
{
	while (loop->closed) {
		struct connection *connection = loop->closed;

		loop->closed = connection->next_free;
		connection->next_free = loop->free;
		loop->free = connection;
	}
}

static void wind_down(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	if (connection->phase == PHASE_STREAM) {
		connection_end_stream(connection);
		return;
	}
	if (!connection_is_reading(connection))
		return;
	connection->readable = true;
	connection_progress(connection);
	if (!connection_is_reading(connection) || connection_has_output(connection))
		return;
	if (connection->phase == PHASE_HEAD || connection->phase == PHASE_BODY)
		connection_break_off(connection, HTTP_FAULT_STOPPING);
	else if (connection->in_size > 0)
		return;
	else if (connection->fresh)
		timers_set(&loop->timers, &connection->timer, loop->now_ns + LAST_CHANCE_NS);
	else if (connection->phase == PHASE_IDLE)
		connection_linger(connection);
}

static void begin_stop(struct http_loop *loop)
{
	loop->stopping = true;
	listeners_close(loop);
	for_each(loop, wind_down);
}

static void take_wire_event(struct http_loop *loop, const struct wire_event *event)
{
	switch (event->source) {
	case WIRE_CONNECTION:
		connection_event(loop_connection(loop, event->slot), event->events);
		break;
	case WIRE_ARRIVAL:
		listener_accept_wire(loop);
		break;
	case WIRE_RUNG:
		loop->handler->wake(loop->handler);
		break;
	case WIRE_WOKEN:
		break;
	}
}

/*
 * Time has passed: what it brings comes before the round's events, of which there are as many as
 * there may be (`full`), or all.
 */
static void begin_round(struct http_loop *loop, bool full)
{
	note_time(loop);
	/* A full round of all connections leaves nobody behind. */
	queue_age_begin_round(&loop->queue, (full && loop->live > EVENTS_PER_ROUND) || loop->unaccepted, loop->now_ns);
	loop->unaccepted = false;
	/* Its event may be far behind those of this round. */
	if (full && loop->watched && lane_depth(loop->watched) > 0)
		loop->handler->wake(loop->handler);
	timers_run(&loop->timers, loop->now_ns, expired, NULL);
	run_ready(loop);
}

static void wait_on_wire(struct http_loop *loop)
{
	struct wire_event events[EVENTS_PER_ROUND];
	size_t count = wire_port_wait(loop->port, events, EVENTS_PER_ROUND, wait_until_ns(loop));

	begin_round(loop, count == EVENTS_PER_ROUND);
	for (size_t i = 0; i < count; i++)
		take_wire_event(loop, &events[i]);
}

static void wait_on_sockets(struct http_loop *loop)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, wait_ms(loop));

	begin_round(loop, count == EVENTS_PER_ROUND);
	for (int i = 0; i < count; i++)
		take_event(loop, &events[i]);
}

static void run_round(struct http_loop *loop)
{
	if (loop->port)
		wait_on_wire(loop);
	else
		wait_on_sockets(loop);
	if (loop->now_ns >= loop->accept_ns)
		listeners_resume(loop);
	if (loop->now_ns >= loop->tick_ns)
		loop->tick_ns = loop->handler->tick(loop->handler, loop->now_ns);
	loop->handler->round_end(loop->handler);
	if (!loop->stopping && atomic_load_explicit(&loop->stop_asked, memory_order_relaxed))
		begin_stop(loop);
	if (loop->stopping && loop->now_ns >= atomic_load(&loop->stop_deadline_ns))
		for_each(loop, connection_drop);
	reuse_closed(loop);
}

void http_loop_run(struct http_loop *loop)
{
	note_time(loop);
	while (!loop->stopping || loop->live > 0)
		run_round(loop);
}

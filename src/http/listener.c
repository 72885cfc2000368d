#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/log.h"
#include "http/loop_state.h"

enum { BACKLOG = 4096, ACCEPTS_PER_ROUND = 64 };
static const int64_t PAUSE_NS = 100000000;

static socklen_t to_sockaddr(const struct listen_place *place, struct sockaddr_storage *socket)
{
	*socket = (struct sockaddr_storage){0};
	if (address_is_ipv4(&place->address)) {
		struct sockaddr_in *in = (struct sockaddr_in *)socket;

		in->sin_family = AF_INET;
		in->sin_port = htons(place->port);
		memcpy(&in->sin_addr, place->address.bytes + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)socket;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(place->port);
	memcpy(&in6->sin6_addr, place->address.bytes, 16);
	return sizeof(*in6);
}

static int set_option(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on)) < 0 ? -errno : 0;
}

/*
 * Several loops listen at one place, which takes SO_REUSEPORT; but with it another process of the
 * same user could as well, and would get its part of the connections without a word. So the first
 * of them binds without it, which fails where anybody is there, and only then lets others in.
 */
static int bind_place(int fd, const struct sockaddr *where, socklen_t size, bool first)
{
	int r = first ? 0 : set_option(fd, SOL_SOCKET, SO_REUSEPORT);

	if (r == 0 && bind(fd, where, size) < 0)
		r = -errno;
	if (r == 0 && first)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

static int prepare(int fd, const struct listen_place *place, bool first, uint16_t *port)
{
	struct sockaddr_storage where;
	socklen_t size = to_sockaddr(place, &where);
	int r = 0;

	if (where.ss_family == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY); /* so that 0.0.0.0 and [::] can stand side by side */
	if (r == 0)
		r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0)
		r = set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
	if (r == 0)
		r = bind_place(fd, (const struct sockaddr *)&where, size, first);
	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *)&where, &size) < 0)
		return -errno;
	*port = ntohs(where.ss_family == AF_INET ? ((struct sockaddr_in *)&where)->sin_port
						 : ((struct sockaddr_in6 *)&where)->sin6_port);
	return 0;
}

int listener_open(struct listener *listener, const struct listen_place *place, bool first, uint16_t *port)
{
	int family = address_is_ipv4(&place->address) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = prepare(fd, place, first, port);
	if (r < 0) {
		close(fd);
		return r;
	}
	*listener = (struct listener){.fd = fd, .proxy = place->proxy};
	return 0;
}

static void send_refusal(struct http_loop *loop, const struct endpoint *at)
{
	struct slice refusal = loop->settings.refusal;

	loop_count(&loop->stats.refused, 1);
	if (refusal.size > 0 && endpoint_send(at, refusal.data, refusal.size, 0) > 0)
		loop_count(&loop->stats.bytes_out, refusal.size);
}

/* What has come already is read, so that closing sends FIN and not RST. */
static void close_refused(struct http_loop *loop, struct endpoint *at)
{
	ssize_t ignored;

	(void)endpoint_shutdown(at);
	ignored = endpoint_receive(at, loop->input, INPUT_SIZE, MSG_DONTWAIT);
	(void)ignored;
	endpoint_close(at);
}

/*
 * Asks the longest idle connection of whoever has most to go. What has come and was not read yet is
 * no idleness, as a look shows.
 */
static bool make_room(struct http_loop *loop, const struct address *newcomer)
{
	enum { TRIES = 8 };
	char byte;

	for (int i = 0; i < TRIES; i++) {
		struct peer_seat *seat = peers_victim(&loop->peers, newcomer, loop->now_ns, connection_idle_since);
		struct connection *connection;

		if (!seat)
			return false;
		connection = connection_of_seat(seat);
		if (connection_is_reading(connection) && !connection_has_output(connection) &&
		    endpoint_receive(&connection->at, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
			connection->readable = true;
			connection_queue(connection);
			continue;
		}
		loop_count(&loop->stats.evicted, 1);
		connection_drop(connection);
		return true;
	}
	return false;
}

static bool take_place(struct http_quota *quota)
{
	if (atomic_fetch_add(&quota->connections, 1) < quota->connections_max)
		return true;
	atomic_fetch_sub(&quota->connections, 1);
	return false;
}

static void take(struct http_loop *loop, struct endpoint *at, const struct address *peer, bool proxy)
{
	struct http_quota *quota = loop->settings.quota;
	bool counted;

	if (proxy && !(loop->settings.proxies && network_list_contains(loop->settings.proxies, peer))) {
		/* Whoever may say who the client is must be known. */
		loop_count(&loop->stats.faults, 1);
		endpoint_close(at);
		return;
	}
	counted = take_place(quota) || (make_room(loop, peer) && take_place(quota));
	if ((counted || loop->reserved < HTTP_RESERVE) && connection_new(loop, at, peer, proxy, counted)) {
		loop_count(&loop->stats.accepted, 1);
		return;
	}
	if (counted)
		atomic_fetch_sub(&quota->connections, 1);
	send_refusal(loop, at);
	close_refused(loop, at);
}

static int accept_one(const struct listener *listener, struct address *peer)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int fd = accept4(listener->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	address_from_sockaddr((const struct sockaddr *)&from, peer);
	return fd;
}

/*
 * Out of file descriptors: the spare one lets one client be told so, instead of all waiting without
 * a word; then accepting pauses.
 */
static void run_dry(struct http_loop *loop, const struct listener *listener)
{
	static struct log_limiter limiter;
	uint64_t suppressed;
	struct address peer;

	if (log_limiter_pass(&limiter, &suppressed))
		log_warn("http", "out of file descriptors, accepting pauses", LOG_INT("suppressed", suppressed));
	if (loop->spare_fd >= 0) {
		close(loop->spare_fd);
		loop->spare_fd = -1;
		struct endpoint at = {.fd = accept_one(listener, &peer)};

		if (at.fd >= 0) {
			send_refusal(loop, &at);
			close_refused(loop, &at);
		}
		loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	listeners_pause(loop);
}

bool listener_accept(struct http_loop *loop, struct listener *listener)
{
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		struct address peer;
		int fd = accept_one(listener, &peer);

		if (fd >= 0) {
			take(loop, &(struct endpoint){.fd = fd}, &peer, listener->proxy);
			continue;
		}
		if (fd == -EAGAIN)
			return true;
		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		loop_count(&loop->stats.accept_errors, 1);
		if (fd != -EMFILE && fd != -ENFILE && fd != -ENOBUFS && fd != -ENOMEM)
			continue; /* an error of that connection alone (accept(2) lists many) */
		run_dry(loop, listener);
		return true;
	}
	return false;
}

void listener_accept_wire(struct http_loop *loop)
{
	struct endpoint at = {.fd = -1};
	struct address peer;

	while ((at.wire = wire_port_accept(loop->port, &peer)))
		take(loop, &at, &peer, false);
}

static void set_events(struct http_loop *loop, uint32_t events)
{
	for (size_t i = 0; i < loop->listener_count; i++) {
		struct epoll_event event = {.events = events, .data.u64 = (uint64_t)SOURCE_LISTENER << 32 | i};

		if (loop->listeners[i].fd >= 0)
			(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->listeners[i].fd, &event);
	}
}

void listeners_pause(struct http_loop *loop)
{
	if (loop->accept_ns == INT64_MAX)
		set_events(loop, 0);
	loop->accept_ns = loop->now_ns + PAUSE_NS;
}

void listeners_resume(struct http_loop *loop)
{
	loop->accept_ns = INT64_MAX;
	if (loop->spare_fd < 0)
		loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set_events(loop, EPOLLIN);
}

void listeners_close(struct http_loop *loop)
{
	for (size_t i = 0; i < loop->listener_count; i++) {
		struct listener *listener = &loop->listeners[i];

		/* Bounded by what a backlog holds: a stampede could go on for ever. */
		for (int round = 0; round < BACKLOG / ACCEPTS_PER_ROUND && !listener_accept(loop, listener); round++)
			;
		close(listener->fd);
		listener->fd = -1;
	}
	if (loop->port) {
		wire_port_close(loop->port);
		listener_accept_wire(loop);
	}
	loop->accept_ns = INT64_MAX;
	loop->listener_count = 0;
}

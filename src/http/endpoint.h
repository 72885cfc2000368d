/*
 * Where a connection's bytes come from and go to: a socket, or a wire (http/wire.h). As the calls
 * of the kernel that do not block, but for errors, which are negative errno.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http/wire.h"

struct endpoint {
	int fd;
	struct http_wire_end *wire; /* NULL: a socket */
};

static inline ssize_t endpoint_receive(const struct endpoint *at, char *data, size_t size, int flags)
{
	ssize_t got;

	if (at->wire)
		return wire_end_receive(at->wire, data, size, flags & MSG_PEEK);
	do
		got = recv(at->fd, data, size, flags);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static inline ssize_t endpoint_send(const struct endpoint *at, const char *data, size_t size, int flags)
{
	ssize_t sent;

	if (at->wire)
		return wire_end_send(at->wire, data, size);
	do
		sent = send(at->fd, data, size, MSG_NOSIGNAL | flags);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/*
 * For how long its last bytes have been here; 0 where nobody can say. By the kernel's ticks: 1 to
 * 10 ms.
 */
static inline int64_t endpoint_waited_ns(const struct endpoint *at)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (at->wire)
		return wire_end_waited_ns(at->wire);
	if (getsockopt(at->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return 0;
	return (int64_t)info.tcpi_last_data_recv * 1000000;
}

/* Sends FIN. */
static inline int endpoint_shutdown(const struct endpoint *at)
{
	if (at->wire)
		return wire_end_shutdown(at->wire);
	return shutdown(at->fd, SHUT_WR) < 0 ? -errno : 0;
}

static inline void endpoint_close(struct endpoint *at)
{
	if (at->wire)
		wire_end_close(at->wire);
	else
		close(at->fd);
	*at = (struct endpoint){.fd = -1};
}

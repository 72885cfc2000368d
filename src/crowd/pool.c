#include "crowd/pool.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { NONE = -1, READ_STEP = 4096, IN_MAX = ANSWER_HEAD_MAX + 256 * 1024, OUT_MAX = 64 * 1024 };
static const int64_t DOWN_NS = 25 * INT64_C(1000000); /* a server that refuses connections is left alone for so long */

enum { ATTEMPT_MS = 250 }; /* so long one address is waited for before the next is tried (RFC 8305, section 5) */

/*
 * A connection to a port of our own machine where nobody listens may, by chance, be given that very
 * port as its own, and meet itself (simultaneous open, RFC 9293, section 3.5). It would answer us
 * with our own words.
 */
static bool met_itself(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && own_size == peer_size &&
	       memcmp(&own, &peer, own_size) == 0;
}

static bool listens(const struct addrinfo *address)
{
	struct pollfd opening = {.events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;

	opening.fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (opening.fd < 0)
		return false;
	if (connect(opening.fd, address->ai_addr, address->ai_addrlen) < 0)
		error = errno;
	if (error == EINPROGRESS &&
	    (poll(&opening, 1, ATTEMPT_MS) != 1 || getsockopt(opening.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0))
		error = ETIMEDOUT;
	if (error == 0 && met_itself(opening.fd))
		error = ECONNREFUSED;
	close(opening.fd);
	return error == 0;
}

/*
 * Of a name's addresses the first at which somebody listens: "localhost" is ::1 and 127.0.0.1, and
 * most listen at one of them. The first of all where nobody does, for somebody may come.
 */
static const struct addrinfo *choose(const struct addrinfo *found)
{
	if (!found->ai_next)
		return found;
	for (const struct addrinfo *address = found; address; address = address->ai_next)
		if (listens(address))
			return address;
	return found;
}

int pool_server_parse(const char *url, struct pool_server *server)
{
	static const char plain[] = "http://", secure[] = "https://";
	char host[POOL_HOST_SIZE], *colon, *name = host;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	const struct addrinfo *chosen;
	size_t size;

	*server = (struct pool_server){.secure = strncmp(url, secure, sizeof(secure) - 1) == 0};
	if (!server->secure && strncmp(url, plain, sizeof(plain) - 1) != 0)
		return -EINVAL;
	url += server->secure ? sizeof(secure) - 1 : sizeof(plain) - 1;
	size = strcspn(url, "/");
	if (size == 0 || size >= sizeof(host) || (url[size] == '/' && url[size + 1] != '\0'))
		return -EINVAL;
	memcpy(host, url, size);
	host[size] = '\0';
	memcpy(server->host, host, size + 1);
	colon = strrchr(host, ':');
	if (colon && strchr(colon, ']'))
		colon = NULL;
	if (colon)
		*colon = '\0';
	if (name[0] == '[' && name[strlen(name) - 1] == ']') {
		name[strlen(name) - 1] = '\0';
		name++;
	}
	snprintf(server->name, sizeof(server->name), "%s", name);
	if (getaddrinfo(name, colon ? colon + 1 : server->secure ? "443" : "80", &hints, &found) != 0)
		return -EHOSTUNREACH;
	chosen = choose(found);
	memcpy(&server->address, chosen->ai_addr, chosen->ai_addrlen);
	server->size = chosen->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

bool pool_server_is_loopback4(const struct pool_server *server)
{
	const struct sockaddr_in *address = (const struct sockaddr_in *)&server->address;

	return server->address.ss_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

int pool_init(struct pool *pool, const struct pool_server *servers, size_t server_count, int epoll, uint32_t tag, uint32_t count,
	      uint32_t sources)
{
	size_t lists = (sources ? sources : 1) * server_count;

	ASSERT(server_count <= POOL_SERVERS_MAX);
	*pool = (struct pool){
		.servers = servers,
		.server_count = (uint32_t)server_count,
		.epoll = epoll,
		.tag = tag,
		.sources = sources,
		.count = count,
		.oldest = NONE,
		.newest = NONE,
	};
	pool->connections = calloc(count, sizeof(pool->connections[0]));
	pool->free = calloc(count, sizeof(pool->free[0]));
	pool->by_source = calloc(lists ? lists : 1, sizeof(pool->by_source[0]));
	if (!pool->connections || !pool->free || !pool->by_source)
		return -ENOMEM;
	for (size_t i = 0; i < lists; i++)
		pool->by_source[i] = NONE;
	for (uint32_t i = 0; i < count; i++) {
		pool->connections[i].socket = -1;
		buffer_init(&pool->connections[i].in, IN_MAX);
		buffer_init(&pool->connections[i].out, OUT_MAX);
		pool->free[pool->free_count++] = (int32_t)(count - 1 - i);
	}
	return 0;
}

void pool_deinit(struct pool *pool)
{
	for (uint32_t i = 0; pool->connections && i < pool->count; i++) {
		tls_close(pool->connections[i].tls);
		if (pool->connections[i].socket >= 0)
			close(pool->connections[i].socket);
		buffer_deinit(&pool->connections[i].in);
		buffer_deinit(&pool->connections[i].out);
	}
	free(pool->connections);
	free(pool->free);
	free(pool->by_source);
	*pool = (struct pool){0};
}

static int32_t index_of(const struct pool *pool, const struct pool_connection *connection)
{
	return (int32_t)(connection - pool->connections);
}

/* --- The idle ones: a list by age, and one for each source and server --- */

static int32_t *idle_list(const struct pool *pool, uint32_t source, uint32_t server)
{
	return &pool->by_source[(size_t)source * pool->server_count + server];
}

static void idle_add(struct pool *pool, struct pool_connection *connection)
{
	int32_t index = index_of(pool, connection), *head = idle_list(pool, connection->source, connection->server);

	pool->idle++;
	connection->older = pool->newest;
	connection->newer = NONE;
	if (pool->newest != NONE)
		pool->connections[pool->newest].newer = index;
	else
		pool->oldest = index;
	pool->newest = index;
	connection->source_older = *head;
	connection->source_newer = NONE;
	if (*head != NONE)
		pool->connections[*head].source_newer = index;
	*head = index;
}

static void idle_remove(struct pool *pool, struct pool_connection *connection)
{
	pool->idle--;
	if (connection->older != NONE)
		pool->connections[connection->older].newer = connection->newer;
	else
		pool->oldest = connection->newer;
	if (connection->newer != NONE)
		pool->connections[connection->newer].older = connection->older;
	else
		pool->newest = connection->older;
	if (connection->source_older != NONE)
		pool->connections[connection->source_older].source_newer = connection->source_newer;
	if (connection->source_newer != NONE)
		pool->connections[connection->source_newer].source_older = connection->source_older;
	else
		*idle_list(pool, connection->source, connection->server) = connection->source_older;
}

/* --- Opening and closing --- */

/*
 * 127.1.0.0 and on: all of 127.0.0.0/8 is this machine, so one machine can be a crowd of addresses.
 */
static int bind_source(int fd, uint32_t source)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl((127U << 24) + (1U << 16) + source),
	};
	int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static int open_connection(struct pool *pool, struct pool_connection *connection, uint32_t source, uint32_t server)
{
	const struct pool_server *to = &pool->servers[server];
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)pool->tag << 32 | (uint32_t)index_of(pool, connection),
	};
	int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, r = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (pool->sources > 0)
		r = bind_source(fd, source);
	if (r == 0 && epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		r = -errno;
	if (r == 0 && connect(fd, (const struct sockaddr *)&to->address, to->size) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0 && to->secure) {
		connection->tls = tls_open(to->tls, fd, to->name);
		r = connection->tls ? 0 : -ENOMEM;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	connection->socket = fd;
	connection->source = source;
	connection->server = server;
	connection->state = POOL_CONNECTING;
	pool->opened++;
	return 0;
}

void pool_close(struct pool *pool, struct pool_connection *connection)
{
	ASSERT(connection->state != POOL_CLOSED);
	if (connection->state == POOL_IDLE)
		idle_remove(pool, connection);
	tls_close(connection->tls);
	connection->tls = NULL;
	close(connection->socket);
	connection->socket = -1;
	connection->state = POOL_CLOSED;
	pool->free[pool->free_count++] = index_of(pool, connection);
	pool->used--;
}

uint32_t pool_busy(const struct pool *pool)
{
	return pool->used - pool->idle;
}

bool pool_has_room(const struct pool *pool)
{
	return pool->free_count > 0 || pool->oldest != NONE;
}

/* --- Several servers take turns --- */

int64_t pool_up_at(const struct pool *pool)
{
	int64_t first = INT64_MAX;

	for (uint32_t i = 0; i < pool->server_count; i++)
		if (pool->down_until_ns[i] < first)
			first = pool->down_until_ns[i];
	return first;
}

static uint32_t next_server(struct pool *pool, int64_t now_ns)
{
	for (uint32_t i = 0; i < pool->server_count; i++) {
		uint32_t server = pool->turn++ % pool->server_count;

		if (pool->down_until_ns[server] <= now_ns)
			return server;
	}
	ASSERT(false);
	return 0;
}

/*
 * An idle connection of that source, if need be to another server that is up; NONE: there is none.
 */
static int32_t find_idle(const struct pool *pool, uint32_t source, uint32_t server, int64_t now_ns)
{
	int32_t found = *idle_list(pool, source, server);

	if (found != NONE || pool->free_count > 0)
		return found;
	/* All connections are open: one that is there is better used than closed for another. */
	for (uint32_t i = 0; i < pool->server_count && found == NONE; i++)
		if (pool->down_until_ns[i] <= now_ns)
			found = *idle_list(pool, source, i);
	return found;
}

struct pool_connection *pool_take(struct pool *pool, uint32_t source, int64_t now_ns, int *error)
{
	struct pool_connection *connection;
	uint32_t server = next_server(pool, now_ns);
	int32_t idle = find_idle(pool, source, server, now_ns);

	*error = 0;
	ASSERT(source < (pool->sources ? pool->sources : 1));
	if (idle != NONE) {
		connection = &pool->connections[idle];
		idle_remove(pool, connection);
		connection->state = POOL_BUSY;
	} else {
		if (pool->free_count == 0 && pool->oldest != NONE)
			pool_close(pool, &pool->connections[pool->oldest]);
		if (pool->free_count == 0)
			return NULL;
		connection = &pool->connections[pool->free[pool->free_count - 1]];
		*error = open_connection(pool, connection, source, server);
		if (*error < 0) {
			pool->down_until_ns[server] = now_ns + DOWN_NS;
			return NULL;
		}
		pool->free_count--;
		pool->used++;
	}
	buffer_clear(&connection->in);
	buffer_clear(&connection->out);
	connection->written = false;
	return connection;
}

void pool_refused(struct pool *pool, const struct pool_connection *connection, int64_t now_ns)
{
	pool->down_until_ns[connection->server] = now_ns + DOWN_NS;
}

void pool_release(struct pool *pool, struct pool_connection *connection)
{
	ASSERT(connection->state == POOL_BUSY);
	connection->state = POOL_IDLE;
	idle_add(pool, connection);
}

/* --- Bytes --- */

/* 0: it is open; 1: not yet; negative. */
static int finish_opening(struct pool *pool, struct pool_connection *connection)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer), error_size = sizeof(int);
	int error = 0, r = 0;

	getsockopt(connection->socket, SOL_SOCKET, SO_ERROR, &error, &error_size);
	if (error) {
		pool->refused++;
		return -error;
	}
	if (getpeername(connection->socket, (struct sockaddr *)&peer, &size) < 0)
		return 1;
	if (met_itself(connection->socket))
		return -ECONNREFUSED;
	if (connection->tls)
		r = tls_handshake(connection->tls);
	if (r == 0)
		connection->state = POOL_BUSY;
	/* A server that dies before it has shaken hands has taken nothing. */
	return r == TLS_MORE ? 1 : r == -ECONNRESET ? -ECONNREFUSED : r;
}

/* As send() and recv(), with a negative error. */
static ssize_t put_bytes(struct pool_connection *connection, const void *data, size_t size)
{
	ssize_t sent;

	if (connection->tls)
		return tls_write(connection->tls, data, size);
	do
		sent = send(connection->socket, data, size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static ssize_t get_bytes(struct pool_connection *connection, void *data, size_t size)
{
	ssize_t got;

	if (connection->tls)
		return tls_read(connection->tls, data, size);
	do
		got = recv(connection->socket, data, size, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int pool_send(struct pool *pool, struct pool_connection *connection)
{
	if (connection->state == POOL_CONNECTING) {
		int r = finish_opening(pool, connection);

		if (r != 0)
			return r < 0 ? r : 0;
	}
	while (connection->out.size > 0) {
		ssize_t sent = put_bytes(connection, connection->out.data, connection->out.size);

		if (sent < 0)
			return sent == -EAGAIN ? 0 : (int)sent;
		connection->written = true;
		buffer_consume(&connection->out, (size_t)sent);
	}
	return 0;
}

int pool_receive(struct pool_connection *connection)
{
	if (connection->state == POOL_CONNECTING)
		return 0; /* its handshake is not over */
	for (;;) {
		char *room = buffer_reserve(&connection->in, READ_STEP);
		ssize_t got;

		if (!room)
			return -EMSGSIZE;
		got = get_bytes(connection, room, READ_STEP);
		if (got < 0)
			return got == -EAGAIN ? 0 : (int)got;
		if (got == 0)
			return -EPIPE;
		connection->in.size += (size_t)got;
		if (got < READ_STEP && !connection->tls)
			return 0; /* edge-triggered, but a short read has emptied the socket */
	}
}

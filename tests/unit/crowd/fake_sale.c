#include "unit/crowd/fake_sale.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"

enum { IN_MAX = 4096, SOURCES = 1 << 16 };

struct client {
	int fd;
	size_t size;
	char in[IN_MAX + 1];
};

static int listen_on(struct fake_sale *sale)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(sale->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	sale->port = ntohs(address.sin_port);
	return fd;
}

static void header(const char *in, const char *name, char *value, size_t size)
{
	const char *at = strstr(in, name);
	size_t length;

	value[0] = '\0';
	if (!at)
		return;
	at += strlen(name);
	length = strcspn(at, "\r");
	snprintf(value, size, "%.*s", (int)length, at);
}

static void answer(int fd, int status, const char *more, const char *body)
{
	char text[2048];
	int size = snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, more, strlen(body), body);

	(void)!send(fd, text, (size_t)size, MSG_NOSIGNAL);
}

static struct fake_order *find_order(struct fake_sale *sale, const char *key)
{
	for (uint32_t i = 0; i < sale->order_count; i++)
		if (strcmp(sale->orders[i].key, key) == 0)
			return &sale->orders[i];
	return NULL;
}

/* True: the connection is to be closed. */
static bool purchase(struct fake_sale *sale, int fd, const char *in)
{
	char key[64], body[512], id[UUID_TEXT_SIZE];
	struct fake_order *order;

	sale->purchases++;
	if (sale->answers_late)
		return false;
	header(in, "Idempotency-Key: ", key, sizeof(key));
	order = sale->forgets_keys ? NULL : find_order(sale, key);
	if (!order && sale->overload_every && sale->purchases % sale->overload_every == 0) {
		answer(fd, 503, "Retry-After: 0\r\n", "{\"code\":\"overloaded\"}");
		return false;
	}
	if (!order && (sale->order_count < sale->units || sale->oversells)) {
		assert_true(sale->order_count < FAKE_ORDERS_MAX);
		order = &sale->orders[sale->order_count++];
		order->id = uuid_make(&sale->ids, clock_wall_ms(), 1);
		strcpy(order->key, key);
		header(in, "X-Buyer: ", order->buyer, sizeof(order->buyer));
	}
	if (sale->lose_every && sale->purchases % sale->lose_every == 0)
		return true;
	if (!order) {
		answer(fd, 410, "", "{\"code\":\"sold-out\",\"may_return\":false}");
		return false;
	}
	uuid_format(&order->id, id);
	snprintf(body, sizeof(body),
		 "{\"id\":\"%s\",\"sale\":\"drop\",\"sku\":\"M\",\"buyer\":\"%s\",\"quantity\":1,\"state\":\"held\","
		 "\"placed_at\":\"2027-01-01T10:00:00.000Z\",\"hold_expires_at\":\"2027-01-01T10:02:00.000Z\"}",
		 id, order->buyer);
	answer(fd, 202, "", body);
	return false;
}

static void confirm(struct fake_sale *sale, int fd, const char *in)
{
	struct uuid id;

	sale->confirmations++;
	assert_int_equal(uuid_parse((struct slice){strstr(in, "/v1/orders/") + 11, 36}, &id), 0);
	for (uint32_t i = 0; i < sale->order_count; i++) {
		if (uuid_equal(&sale->orders[i].id, &id)) {
			sale->orders[i].confirmed = true;
			answer(fd, 200, "", "{}");
			return;
		}
	}
	answer(fd, 404, "", "{\"code\":\"unknown-order\"}");
}

/* Every whole request that has come in. False: close it. */
static bool serve(struct fake_sale *sale, struct client *client)
{
	for (;;) {
		char *end, length[16];
		size_t used;

		client->in[client->size] = '\0';
		end = strstr(client->in, "\r\n\r\n");
		if (!end)
			return true;
		header(client->in, "Content-Length: ", length, sizeof(length));
		used = (size_t)(end + 4 - client->in) + (size_t)atoi(length);
		if (client->size < used)
			return true;
		if (strncmp(client->in, "POST /v1/sales/drop/orders HTTP/1.1\r\n", 37) == 0) {
			if (purchase(sale, client->fd, client->in))
				return false;
		} else {
			confirm(sale, client->fd, client->in);
		}
		client->size -= used;
		memmove(client->in, client->in + used, client->size);
	}
}

static void accept_client(struct fake_sale *sale, int listener, struct client *clients, size_t *count)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
	uint32_t source;

	if (fd < 0 || *count == FAKE_CONNECTIONS_MAX) {
		if (fd >= 0)
			close(fd);
		return;
	}
	source = ntohl(peer.sin_addr.s_addr) % SOURCES;
	if (sale->checks_source && !sale->seen_sources[source]) {
		sale->seen_sources[source] = 1;
		sale->sources++;
	}
	clients[(*count)++] = (struct client){.fd = fd};
}

static void close_all(struct client *clients, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		struct linger reset = {1, 0};

		setsockopt(clients[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(clients[i].fd);
	}
	*count = 0;
}

static void run(void *argument)
{
	struct fake_sale *sale = argument;
	struct client *clients = calloc(FAKE_CONNECTIONS_MAX, sizeof(clients[0]));
	struct pollfd polls[FAKE_CONNECTIONS_MAX + 1];
	int listener = sale->listener;
	size_t count = 0;

	while (!atomic_load(&sale->stop)) {
		size_t polled = count;

		polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < count; i++)
			polls[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
		poll(polls, polled + 1, 5);
		for (size_t i = polled; i-- > 0;) {
			struct client *client = &clients[i];
			ssize_t got;

			if (!polls[i + 1].revents)
				continue;
			got = recv(client->fd, client->in + client->size, IN_MAX - client->size, 0);
			client->size += got > 0 ? (size_t)got : 0;
			if (got <= 0 || !serve(sale, client)) {
				close(client->fd);
				*client = clients[--count];
			}
		}
		if (polls[0].revents)
			accept_client(sale, listener, clients, &count);
		if (sale->die_after && sale->purchases >= sale->die_after) {
			sale->die_after = 0;
			close(listener);
			close_all(clients, &count);
			poll(NULL, 0, (int)sale->die_ms);
			listener = listen_on(sale);
		}
	}
	close(listener);
	close_all(clients, &count);
	free(clients);
}

void fake_sale_start(struct fake_sale *sale)
{
	sale->listener = listen_on(sale);
	sale->orders = calloc(FAKE_ORDERS_MAX, sizeof(sale->orders[0]));
	sale->seen_sources = calloc(1, SOURCES);
	assert_int_equal(thread_start(&sale->thread, "fake-sale", run, sale), 0);
}

void fake_sale_stop(struct fake_sale *sale)
{
	atomic_store(&sale->stop, true);
	thread_join(&sale->thread);
}

void fake_sale_free(struct fake_sale *sale)
{
	free(sale->orders);
	free(sale->seen_sources);
	sale->orders = NULL;
	sale->seen_sources = NULL;
}

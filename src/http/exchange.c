/* The handler's side: answers, deferred answers and streams. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "http/loop_state.h"
#include "http/output.h"

static struct connection *connection_of(struct http_exchange *exchange)
{
	return (struct connection *)exchange; /* its first member */
}

static const struct connection *connection_of_const(const struct http_exchange *exchange)
{
	return (const struct connection *)exchange;
}

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
	const struct connection *connection = connection_of_const(exchange);

	ASSERT(connection->phase == PHASE_CALLED);
	return &connection->loop->request;
}

const struct address *http_exchange_peer(const struct http_exchange *exchange)
{
	return &connection_of_const(exchange)->peer;
}

const struct address *http_exchange_transport(const struct http_exchange *exchange)
{
	return &connection_of_const(exchange)->transport;
}

struct address http_exchange_local(const struct http_exchange *exchange)
{
	struct sockaddr_storage socket = {0};
	socklen_t size = sizeof(socket);
	struct address local = {{0}};

	if (getsockname(connection_of_const(exchange)->at.fd, (struct sockaddr *)&socket, &size) == 0)
		address_from_sockaddr((const struct sockaddr *)&socket, &local);
	return local;
}

int64_t http_exchange_started(const struct http_exchange *exchange)
{
	return exchange->started_ns;
}

bool http_exchange_overdue(const struct http_exchange *exchange, int64_t target_ns)
{
	const struct connection *connection = connection_of_const(exchange);
	struct http_loop *loop = connection->loop;
	/* What was kept in memory of its own may have been read in an earlier round. */
	const struct endpoint *at = connection->in_size == 0 ? &connection->at : NULL;

	ASSERT(connection->phase == PHASE_CALLED);
	return queue_age_is_beyond(&loop->queue, at, target_ns, loop->now_ns);
}

void http_exchange_set_mark(struct http_exchange *exchange, uint8_t mark)
{
	exchange->mark = mark;
}

uint8_t http_exchange_mark(const struct http_exchange *exchange)
{
	return exchange->mark;
}

struct http_handle http_exchange_handle(const struct http_exchange *exchange)
{
	return (struct http_handle){connection_of_const(exchange)->slot, exchange->generation};
}

struct http_exchange *http_find(struct http_loop *loop, struct http_handle handle)
{
	struct connection *connection;

	if (handle.slot >= loop->chunk_count * CHUNK_CONNECTIONS)
		return NULL;
	connection = loop_connection(loop, handle.slot);
	if (connection->exchange.generation != handle.generation)
		return NULL;
	if (connection->phase != PHASE_CALLED && connection->phase != PHASE_DEFERRED && connection->phase != PHASE_STREAM)
		return NULL;
	return &connection->exchange;
}

/* --- the head of an answer --- */

static const char *status_line(int status)
{
	switch (status) {
#define STATUS(code, reason) \
	case code:           \
		return "HTTP/1.1 " #code " " reason "\r\n";
		STATUS(200, "OK")
		STATUS(201, "Created")
		STATUS(202, "Accepted")
		STATUS(204, "No Content")
		STATUS(301, "Moved Permanently")
		STATUS(302, "Found")
		STATUS(303, "See Other")
		STATUS(304, "Not Modified")
		STATUS(307, "Temporary Redirect")
		STATUS(308, "Permanent Redirect")
		STATUS(400, "Bad Request")
		STATUS(401, "Unauthorized")
		STATUS(403, "Forbidden")
		STATUS(404, "Not Found")
		STATUS(405, "Method Not Allowed")
		STATUS(406, "Not Acceptable")
		STATUS(408, "Request Timeout")
		STATUS(409, "Conflict")
		STATUS(410, "Gone")
		STATUS(411, "Length Required")
		STATUS(412, "Precondition Failed")
		STATUS(413, "Content Too Large")
		STATUS(415, "Unsupported Media Type")
		STATUS(417, "Expectation Failed")
		STATUS(421, "Misdirected Request")
		STATUS(422, "Unprocessable Content")
		STATUS(429, "Too Many Requests")
		STATUS(431, "Request Header Fields Too Large")
		STATUS(500, "Internal Server Error")
		STATUS(501, "Not Implemented")
		STATUS(503, "Service Unavailable")
		STATUS(504, "Gateway Timeout")
		STATUS(505, "HTTP Version Not Supported")
#undef STATUS
	default:
		return NULL;
	}
}

enum { HEAD_SIZE = 512, CONTENT_TYPE_MAX = 128 };

struct head {
	char text[HEAD_SIZE];
	size_t size;
};

static void put(struct head *head, const void *data, size_t size)
{
	memcpy(head->text + head->size, data, size);
	head->size += size;
}
#define put_literal(head, literal) put((head), literal, sizeof(literal) - 1)

static void put_number(struct head *head, size_t number)
{
	char digits[20];
	size_t start = sizeof(digits);

	do
		digits[--start] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	put(head, digits + start, sizeof(digits) - start);
}

static void put_status(struct head *head, const struct http_loop *loop, int status)
{
	const char *line = status_line(status);

	if (line)
		put(head, line, strlen(line));
	else
		head->size += (size_t)snprintf(head->text, 32, "HTTP/1.1 %03d Other\r\n", status % 1000);
	put(head, loop->date_line, DATE_LINE_SIZE);
}

static void put_content_type(struct head *head, struct slice type)
{
	ASSERT(type.size <= CONTENT_TYPE_MAX);
	if (type.size == 0)
		return;
	put_literal(head, "Content-Type: ");
	put(head, type.data, type.size);
	put_literal(head, "\r\n");
}

/* --- answering --- */

/*
 * Leaves the handler's hands: the answer goes out now, unless more may follow from the bytes that
 * are being read.
 */
static void release(struct connection *connection)
{
	struct http_loop *loop = connection->loop;

	if (loop->serving == connection)
		return;
	if (loop->output_owner == connection)
		output_flush(loop);
	/* Whatever else there is to do is done in the next round, not inside the handler's call. */
	if (connection->phase == PHASE_CLOSING || connection->in_size > 0 || connection->readable)
		connection_queue(connection);
}

void http_respond(struct http_exchange *exchange, const struct http_response *response)
{
	struct connection *connection = connection_of(exchange);
	struct http_loop *loop = connection->loop;
	bool keep = exchange->keep_alive && !response->close && !loop->stopping && connection->counted;
	bool no_body = response->status == 204 || response->status == 304;
	struct head head = {.size = 0};
	struct slice body = response->body;

	ASSERT(connection->phase == PHASE_CALLED || connection->phase == PHASE_DEFERRED);
	put_status(&head, loop, response->status);
	put_content_type(&head, response->content_type);
	if (!no_body) {
		put_literal(&head, "Content-Length: ");
		put_number(&head, body.size);
		put_literal(&head, "\r\n");
	}
	if (!keep)
		put_literal(&head, "Connection: close\r\n");
	else if (exchange->says_keep_alive)
		put_literal(&head, "Connection: keep-alive\r\n");
	if (response->headers.size == 0)
		put_literal(&head, "\r\n");
	output_append(connection, head.text, head.size);
	if (response->headers.size > 0) {
		output_append(connection, response->headers.data, response->headers.size);
		output_append(connection, "\r\n", 2);
	}
	connection_enter(connection, keep ? PHASE_IDLE : PHASE_CLOSING);
	if (no_body || exchange->head_only)
		body.size = 0;
	if (body.size >= LARGE_SIZE)
		output_append_large(connection, body, response->body_stays);
	else if (body.size > 0)
		output_append(connection, body.data, body.size);
	release(connection);
}

void http_defer(struct http_exchange *exchange)
{
	struct connection *connection = connection_of(exchange);

	ASSERT(connection->phase == PHASE_CALLED);
	connection_enter(connection, PHASE_DEFERRED);
}

void http_defer_expendable(struct http_exchange *exchange)
{
	http_defer(exchange);
	connection_of(exchange)->expendable = true;
}

bool http_exchange_reserved(const struct http_exchange *exchange)
{
	return !connection_of_const(exchange)->counted;
}

void http_refuse(struct http_exchange *exchange)
{
	struct connection *connection = connection_of(exchange);
	struct slice refusal = connection->loop->settings.refusal;

	ASSERT(connection->phase == PHASE_CALLED);
	loop_count(&connection->loop->stats.refused, 1);
	output_append(connection, refusal.data, refusal.size);
	connection_enter(connection, PHASE_CLOSING);
	release(connection);
}

void http_stream_start(struct http_exchange *exchange, struct slice headers)
{
	struct connection *connection = connection_of(exchange);
	struct head head = {.size = 0};

	ASSERT(connection->phase == PHASE_CALLED || connection->phase == PHASE_DEFERRED);
	put_status(&head, connection->loop, 200);
	put_content_type(&head, SLICE("text/event-stream"));
	put_literal(&head, "Connection: close\r\n");
	output_append(connection, head.text, head.size);
	if (headers.size > 0)
		output_append(connection, headers.data, headers.size);
	output_append(connection, "\r\n", 2);
	connection_enter(connection, PHASE_STREAM);
	if (exchange->head_only) /* that was all: the loop ends it in its next round */
		connection_queue(connection);
	release(connection);
}

void http_stream_write(struct http_exchange *exchange, struct slice data)
{
	struct connection *connection = connection_of(exchange);

	ASSERT(connection->phase == PHASE_STREAM);
	if (exchange->head_only || data.size == 0)
		return;
	output_append(connection, data.data, data.size);
	release(connection);
	if (connection->out_size > connection->loop->settings.limits.stream_backlog_max)
		connection_doom(connection);
}

void http_stream_end(struct http_exchange *exchange)
{
	struct connection *connection = connection_of(exchange);

	ASSERT(connection->phase == PHASE_STREAM);
	connection_enter(connection, PHASE_CLOSING);
	release(connection);
}

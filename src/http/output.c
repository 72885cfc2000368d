#include "http/output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "http/loop_state.h"

/*
 * Sends; returns how many bytes went, 0 where the client takes none now. Doomed where it never
 * will.
 */
static size_t send_some(struct connection *connection, const char *data, size_t size, int flags)
{
	ssize_t sent = endpoint_send(&connection->at, data, size, flags);

	if (sent >= 0) {
		loop_count(&connection->loop->stats.bytes_out, (uint64_t)sent);
		return (size_t)sent;
	}
	if (sent != -EAGAIN && sent != -ENOBUFS && sent != -ENOMEM)
		connection_doom(connection);
	return 0;
}

static void keep(struct connection *connection, const void *data, size_t size)
{
	size_t end = connection->out_start + connection->out_size;

	if (connection->doomed)
		return;
	if (end + size > connection->out_capacity && connection->out_start > 0) {
		memmove(connection->out, connection->out + connection->out_start, connection->out_size);
		connection->out_start = 0;
		end = connection->out_size;
	}
	if (end + size > connection->out_capacity) {
		size_t capacity = connection->out_capacity * 2 > end + size ? connection->out_capacity * 2 : end + size;
		char *out = realloc(connection->out, capacity);

		if (!out) {
			connection_doom(connection);
			return;
		}
		connection->out = out;
		connection->out_capacity = capacity;
	}
	memcpy(connection->out + end, data, size);
	connection->out_size += size;
}

static void flush(struct http_loop *loop, int flags)
{
	struct connection *owner = loop->output_owner;
	size_t size = loop->output_size, sent;

	loop->output_owner = NULL;
	loop->output_size = 0;
	if (!owner || size == 0 || owner->doomed)
		return;
	sent = send_some(owner, loop->output, size, flags);
	if (sent < size) {
		keep(owner, loop->output + sent, size - sent);
		connection_set_deadline(owner);
	}
}

void output_flush(struct http_loop *loop)
{
	flush(loop, 0);
}

void output_append(struct connection *connection, const void *data, size_t size)
{
	struct http_loop *loop = connection->loop;

	if (connection->doomed)
		return;
	if (loop->output_owner != connection)
		flush(loop, 0);
	if (loop->output_size + size > OUTPUT_SIZE)
		flush(loop, MSG_MORE);
	if (connection_has_output(connection)) {
		/*
		 * Behind a borrowed tail nothing can wait: but nothing is answered while a tail
		 * waits.
		 */
		ASSERT(connection->tail.size == 0);
		keep(connection, data, size);
		return;
	}
	if (size > OUTPUT_SIZE) {
		output_append_large(connection, (struct slice){data, size}, false);
		return;
	}
	loop->output_owner = connection;
	memcpy(loop->output + loop->output_size, data, size);
	loop->output_size += size;
}

void output_append_large(struct connection *connection, struct slice data, bool stays)
{
	struct http_loop *loop = connection->loop;

	if (loop->output_owner == connection)
		flush(loop, MSG_MORE);
	while (data.size > 0 && !connection->doomed && !connection_has_output(connection)) {
		size_t sent = send_some(connection, data.data, data.size, 0);

		if (sent == 0)
			break;
		data = (struct slice){data.data + sent, data.size - sent};
	}
	if (data.size == 0 || connection->doomed)
		return;
	if (stays)
		connection->tail = data;
	else
		keep(connection, data.data, data.size);
	connection_set_deadline(connection);
}

bool output_resume(struct connection *connection)
{
	bool progress = false;

	while (connection_has_output(connection) && !connection->doomed) {
		bool own = connection->out_size > 0;
		const char *data = own ? connection->out + connection->out_start : connection->tail.data;
		size_t sent = send_some(connection, data, own ? connection->out_size : connection->tail.size,
					own && connection->tail.size > 0 ? MSG_MORE : 0);

		if (sent == 0)
			break;
		progress = true;
		connection->out_taken += sent;
		if (own) {
			connection->out_start += sent;
			connection->out_size -= sent;
		} else {
			connection->tail = (struct slice){connection->tail.data + sent, connection->tail.size - sent};
		}
		if (own && connection->out_size == 0) {
			free(connection->out);
			connection->out = NULL;
			connection->out_start = connection->out_capacity = 0;
		}
	}
	if (progress)
		connection_set_deadline(connection);
	return !connection_has_output(connection);
}

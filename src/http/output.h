/*
 * Bytes on their way to a client. An answer is put together in one buffer of the loop, shared by
 * all connections, and leaves with one send(); only what the kernel does not take is copied to the
 * connection's own memory. The buffer has one owner at a time: who writes for another connection
 * sends the owner's bytes first.
 *
 * The loop's thread only. A connection whose client has gone is doomed, never dropped, here.
 */
#pragma once

#include <stdbool.h>
#include "http/connection.h"

void output_append(struct connection *connection, const void *data, size_t size);
/*
 * Large data goes from where it is; what the kernel does not take is copied, or only remembered
 * where it `stays` for ever.
 */
void output_append_large(struct connection *connection, struct slice data, bool stays);
/* Sends what the shared buffer holds for its owner. */
void output_flush(struct http_loop *loop);
/* Sends what a connection has kept; true when nothing is left. */
bool output_resume(struct connection *connection);

/*
 * From bytes to requests: reads a connection and hands over what is whole. The loop's thread only.
 */
#pragma once

#include "http/connection.h"

/*
 * Reads and hands over, as far as a turn goes; then writes, or ends the connection. Not from within
 * a callback.
 */
void serve_requests(struct connection *connection);
/*
 * Has the handler answer a fault; the connection is in PHASE_CLOSING then. loop->request holds what
 * is known of the request.
 */
void serve_fault(struct connection *connection, enum http_fault fault);
/*
 * One recv(). What it got, 0 where there is nothing now; notes the client's end, and dooms a
 * connection that is broken.
 */
size_t serve_receive(struct connection *connection, char *data, size_t size);

/*
 * Listening sockets and what comes in there: the quota, the refusal beyond it, and running out of
 * file descriptors. The loop's thread only.
 */
#pragma once

#include <stdbool.h>
#include "base/address.h"

struct http_loop;

struct listener {
	int fd;
	bool proxy; /* a PROXY header is required */
};

/*
 * first: -EADDRINUSE where anybody listens there; else it shares the place with those who let it.
 */
int listener_open(struct listener *listener, const struct listen_place *place, bool first, uint16_t *port) MUST_CHECK;
/* Accepts what waits, up to a bound a round. True when the backlog is empty. */
bool listener_accept(struct http_loop *loop, struct listener *listener);
/* Accepts what waits on the loop's wire. */
void listener_accept_wire(struct http_loop *loop);
/* Out of file descriptors: no accepting until one was closed or a while has passed. */
void listeners_pause(struct http_loop *loop);
void listeners_resume(struct http_loop *loop);
/* Takes in what the backlogs hold, then closes. */
void listeners_close(struct http_loop *loop);

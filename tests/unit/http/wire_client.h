/* One request over a wire, as a client that opens a connection for each. Asserts by itself. */
#pragma once

#include "http/wire.h"

struct wire_answer {
	int status;
	char text[65536]; /* the whole answer, NUL-terminated */
	const char *body; /* in it */
};

/* `head`: further header lines, each with its CRLF; body: NULL, or JSON. From 127.0.0.1. */
void wire_ask(struct http_wire *wire, const char *method, const char *target, const char *head, const char *body,
	      struct wire_answer *answer);

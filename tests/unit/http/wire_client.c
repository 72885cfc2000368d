#include "unit/http/wire_client.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"

enum { REQUEST_MAX = 8192 };
static const int64_t PATIENCE_NS = 60000000000;

static size_t read_whole(struct http_wire_end *end, char *text, size_t max)
{
	int64_t deadline_ns = clock_mono_ns() + PATIENCE_NS;
	size_t size = 0;
	ssize_t got;

	while ((got = http_wire_receive(end, text + size, max - size, deadline_ns)) > 0)
		size += (size_t)got;
	assert_int_equal(got, 0);
	return size;
}

void wire_ask(struct http_wire *wire, const char *method, const char *target, const char *head, const char *body,
	      struct wire_answer *answer)
{
	struct address peer;
	char request[REQUEST_MAX];
	struct http_wire_end *end;
	size_t size;
	int length;

	length = snprintf(request, sizeof(request),
			  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%sContent-Length: %zu\r\n\r\n%s", method,
			  target, head, body ? "Content-Type: application/json\r\n" : "", body ? strlen(body) : 0, body ? body : "");
	assert_in_range(length, 1, sizeof(request) - 1);
	assert_int_equal(address_parse(SLICE("127.0.0.1"), &peer), 0);
	assert_int_equal(http_wire_connect(wire, &peer, 0, &end), 0);
	assert_int_equal(http_wire_send(end, request, (size_t)length), 0);
	size = read_whole(end, answer->text, sizeof(answer->text) - 1);
	http_wire_close(end);
	answer->text[size] = '\0';
	assert_int_equal(sscanf(answer->text, "HTTP/1.1 %d", &answer->status), 1);
	answer->body = strstr(answer->text, "\r\n\r\n");
	assert_non_null(answer->body);
	answer->body += 4;
}

/* One request of a client, over a wire. */
#include <stdlib.h>
#include <string.h>
#include "base/address.h"
#include "base/clock.h"
#include "simulation/world/parts.h"

enum { REQUEST_MAX = 2048, LOOK_MS = 20, PATIENT_MS = 60000 };

struct talk {
	struct world_process *gate;
	unsigned incarnation; /* another: the gate has died, and the connection with it */
	struct http_wire_end *end;
	char text[WORLD_BODY_MAX + 2048];
	size_t size;
};

static bool is_dead(const struct talk *talk)
{
	return talk->gate->incarnation != talk->incarnation;
}

/* False: the other end is gone, or nobody listens. */
static bool send_request(struct talk *talk, const struct world_request *request)
{
	struct http_wire *wire = request->staff ? talk->gate->operators : talk->gate->buyers;
	char text[REQUEST_MAX];
	struct address peer;
	int length;

	length = snprintf(text, sizeof(text),
			  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%s%s%s%s%s%sContent-Length: %zu\r\n\r\n%s",
			  request->method, request->target, request->staff ? "Authorization: Bearer " WORLD_TOKEN "\r\n" : "",
			  request->buyer ? "X-Buyer-Id: " : "", request->buyer ? request->buyer : "",
			  request->buyer ? "\r\n" : "", request->key ? "Idempotency-Key: " : "", request->key ? request->key : "",
			  request->key ? "\r\n" : "", request->body ? "Content-Type: application/json\r\n" : "",
			  request->body ? strlen(request->body) : 0, request->body ? request->body : "");
	if (!wire || address_parse(SLICE("127.0.0.1"), &peer) < 0 || http_wire_connect(wire, &peer, 0, &talk->end) < 0)
		return false;
	if (http_wire_send(talk->end, text, (size_t)length) == 0)
		return true;
	http_wire_close(talk->end);
	return false;
}

/* Until the gate has closed, as it does behind its answer. False: no whole answer has come. */
static bool receive(struct talk *talk, int64_t until_ns, int64_t each_ns)
{
	while (!is_dead(talk)) {
		int64_t now_ns = clock_mono_ns(), look_ns = now_ns + each_ns;
		ssize_t got = http_wire_receive(talk->end, talk->text + talk->size, sizeof(talk->text) - 1 - talk->size,
						look_ns < until_ns ? look_ns : until_ns);

		if (got > 0)
			talk->size += (size_t)got;
		if (got == 0 || (got < 0 && clock_mono_ns() >= until_ns))
			break;
	}
	if (is_dead(talk))
		return false; /* the end is as its owner's end has left it: it stays so until the world ends */
	http_wire_close(talk->end);
	talk->text[talk->size] = '\0';
	return talk->size > 0;
}

static bool has_header(const char *text, const char *header, const char **value)
{
	const char *found = strstr(text, header), *end = strstr(text, "\r\n\r\n");

	if (!found || !end || found > end)
		return false;
	*value = found + strlen(header);
	return true;
}

static void read_code(struct world_answer *answer)
{
	const char *code = strstr(answer->body, "\"code\":\"");

	if (code && answer->status >= 400)
		sscanf(code + 8, "%47[^\"]", answer->code);
}

/* Status 0: it is not whole. */
static void read_answer(const char *text, struct world_answer *answer)
{
	const char *body = strstr(text, "\r\n\r\n"), *value;
	size_t size;

	if (!body || !has_header(text, "\r\nContent-Length: ", &value))
		return;
	size = (size_t)strtoul(value, NULL, 10);
	if (strlen(body + 4) != size || size >= sizeof(answer->body) || sscanf(text, "HTTP/1.1 %d", &answer->status) != 1)
		return;
	memcpy(answer->body, body + 4, size + 1);
	answer->replayed = has_header(text, "\r\nIdempotent-Replayed: true", &value);
	if (has_header(text, "\r\nRetry-After: ", &value))
		answer->retry_after_ms = strtol(value, NULL, 10) * 1000;
	read_code(answer);
}

void client_ask(struct world *world, struct world_process *gate, const struct world_request *request, int64_t patience_ns,
		struct world_answer *answer)
{
	struct talk *talk = malloc(sizeof(*talk));

	if (!talk)
		abort();
	answer->status = 0;
	answer->code[0] = answer->body[0] = '\0';
	answer->replayed = false;
	answer->retry_after_ms = -1;
	talk->gate = gate;
	talk->incarnation = gate->incarnation;
	talk->size = 0;
	world->result->requests++;
	if (!request->patient)
		world_ask_begins(world);
	if (send_request(talk, request) &&
	    receive(talk, clock_mono_ns() + patience_ns, (request->patient ? PATIENT_MS : LOOK_MS) * WORLD_MS))
		read_answer(talk->text, answer);
	if (!request->patient)
		world_ask_ends(world);
	world->result->answers += answer->status != 0;
	free(talk);
}

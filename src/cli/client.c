#include "cli/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/backoff.h"
#include "base/clock.h"
#include "base/pause.h"
#include "base/uuid.h"
#include "cli/secrets.h"
#include "model/limits.h"

enum { TIMEOUT_MS = 30000, READ_STEP = 64 * 1024, REQUEST_MAX = 1024 * 1024 };

/*
 * Before what is undecided is asked for again: 3 to 6 s in all. What is in flight is decided within
 * journal.ack_deadline (2 s), and what nobody drives any more is claimed a second later.
 */
enum { AGAIN_MAX = 5 };
static const struct backoff_range again_after = {.first_ns = 250000000, .most_ns = 2000000000};

void client_url(const struct listen_list *listen, char url[static CLIENT_URL_SIZE])
{
	static const struct address any;
	const struct listen_place *place = &listen->items[0];
	char address[ADDRESS_TEXT_SIZE];
	bool v4 = address_is_ipv4(&place->address);

	address_format(&place->address, address);
	if (memcmp(&place->address, &any, sizeof(any)) == 0)
		strcpy(address, "::1");
	else if (strcmp(address, "0.0.0.0") == 0)
		strcpy(address, "127.0.0.1");
	snprintf(url, CLIENT_URL_SIZE, v4 ? "http://%s:%u" : "http://[%s]:%u", address, place->port);
}

static int open_https(struct client *client, const char *url, const char *cacert)
{
	const char *reason = "";
	size_t host = strcspn(url + strlen("https://"), "/");
	int r = https_new(&client->https, url, cacert, &reason);

	snprintf(client->place.host, sizeof(client->place.host), "%.*s", (int)host, url + strlen("https://"));
	if (r == -EINVAL)
		return cli_error(CLI_USAGE, "%s: wanted is https://HOST:PORT", url);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s: %s", url, r == -ENOENT ? reason : error_text(r));
	return CLI_GO;
}

int client_open_url(struct client *client, const char *url, const char *cacert)
{
	int r;

	*client = (struct client){.socket = -1};
	buffer_init(&client->in, ANSWER_HEAD_MAX + ANSWER_BODY_MAX);
	if (strncmp(url, "https://", 8) == 0)
		return open_https(client, url, cacert);
	r = pool_server_parse(url, &client->place);
	if (r < 0)
		return cli_error(CLI_USAGE, "%s: %s", url,
				 r == -EINVAL ? "wanted is http://HOST:PORT or https://HOST:PORT" : "there is no such host");
	return CLI_GO;
}

const char *client_name(const struct client *client, char text[static CLIENT_NAME_SIZE])
{
	snprintf(text, CLIENT_NAME_SIZE, "http%s://%s", client->https ? "s" : "", client->place.host);
	return text;
}

const char *client_error(const struct client *client, int code)
{
	if (code == -EBADMSG)
		return "what answers there is no Penstock";
	return client->https && https_reason(client->https)[0] ? https_reason(client->https) : error_text(code);
}

int client_open(struct client *client, const struct settings *settings, const char *url, const char *cacert)
{
	char own[CLIENT_URL_SIZE];
	int code;

	client_url(&settings->operator.listen, own);
	code = client_open_url(client, url ? url : own, cacert);
	return code == CLI_GO ? secrets_operator_token(settings, &client->token) : code;
}

static void disconnect(struct client *client)
{
	if (client->socket >= 0)
		close(client->socket);
	client->socket = -1;
	buffer_clear(&client->in);
	client->used = 0;
}

void client_close(struct client *client)
{
	disconnect(client);
	https_free(client->https);
	client->https = NULL;
	buffer_deinit(&client->in);
	if (client->token)
		explicit_bzero(client->token, strlen(client->token));
	free(client->token);
	client->token = NULL;
}

static int wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd poller = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = until_ms - clock_mono_ms();
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		r = poll(&poller, 1, (int)left);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_to(struct client *client, int64_t until_ms)
{
	int fd = socket(client->place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0, error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&client->place.address, client->place.size) < 0) {
		r = errno == EINPROGRESS ? wait_for(fd, POLLOUT, until_ms) : -errno;
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
			r = -error;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	client->socket = fd;
	return 0;
}

static int send_all(int fd, const struct buffer *out, int64_t until_ms)
{
	size_t at = 0;

	while (at < out->size) {
		ssize_t sent = send(fd, out->data + at, out->size - at, MSG_NOSIGNAL);

		if (sent > 0) {
			at += (size_t)sent;
		} else if (errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, until_ms);

			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int receive(struct client *client, struct answer *answer, int64_t until_ms)
{
	const char *reason;

	for (;;) {
		int outcome = answer_read(client->in.data, client->in.size, answer, &client->used, &reason), r;
		char *room;
		ssize_t got;

		if (outcome == ANSWER_WHOLE)
			return 0;
		if (outcome == ANSWER_FAULT)
			return -EBADMSG;
		r = wait_for(client->socket, POLLIN, until_ms);
		room = buffer_reserve(&client->in, READ_STEP);
		if (r < 0 || !room)
			return r < 0 ? r : -ENOMEM;
		got = recv(client->socket, room, READ_STEP, 0);
		if (got == 0)
			return -ECONNRESET;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (got > 0)
			client->in.size += (size_t)got;
	}
}

/* One request, as it is sent. */
struct call {
	const char *method, *path;
	const char *body;      /* NULL: none */
	char key[KEY_MAX + 1]; /* empty: none */
};

static void write_headers(const struct client *client, const struct call *call, struct buffer *out)
{
	if (client->token)
		buffer_printf(out, "Authorization: Bearer %s\r\n", client->token);
	if (call->body)
		buffer_append_text(out, "Content-Type: application/json\r\n");
	if (call->key[0])
		buffer_printf(out, "Idempotency-Key: %s\r\n", call->key);
}

static void write_request(const struct client *client, const struct call *call, struct buffer *out)
{
	bool reads = strcmp(call->method, "GET") == 0;

	buffer_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", call->method, call->path, client->place.host);
	write_headers(client, call, out);
	if (!reads)
		buffer_printf(out, "Content-Length: %zu\r\n", call->body ? strlen(call->body) : 0);
	buffer_append_text(out, "\r\n");
	if (call->body)
		buffer_append_text(out, call->body);
}

static int exchange(struct client *client, const struct buffer *out, struct answer *answer)
{
	int64_t until_ms = clock_mono_ms() + TIMEOUT_MS;
	int r = client->socket >= 0 ? 0 : connect_to(client, until_ms);

	buffer_consume(&client->in, client->used);
	client->used = 0;
	if (r == 0)
		r = send_all(client->socket, out, until_ms);
	return r < 0 ? r : receive(client, answer, until_ms);
}

/* An answer in its parts: the status, and its body, which stands in `in`. */
struct received {
	int status;
	bool close;
	struct slice body;
};

static int call_plain(struct client *client, const struct call *call, struct received *received)
{
	struct answer answer = {0};
	struct buffer out;
	bool reused;
	int r;

	buffer_init(&out, REQUEST_MAX);
	write_request(client, call, &out);
	reused = client->socket >= 0;
	r = out.failed ? -ENOMEM : exchange(client, &out, &answer);
	/*
	 * A connection that lay idle may have been closed at the other end meanwhile. What is read,
	 * and what has a key, is sent again.
	 */
	if ((r == -ECONNRESET || r == -EPIPE) && reused && (strcmp(call->method, "GET") == 0 || call->key[0])) {
		disconnect(client);
		r = exchange(client, &out, &answer);
	}
	buffer_deinit(&out);
	*received = (struct received){answer.status, answer.close, answer.body};
	return r;
}

static bool take_body(void *context, const char *data, size_t size)
{
	struct client *client = context;

	buffer_append(&client->in, data, size);
	return !client->in.failed;
}

static int call_https(struct client *client, const struct call *call, struct received *received)
{
	struct buffer headers;
	int r;

	buffer_init(&headers, REQUEST_MAX);
	write_headers(client, call, &headers);
	buffer_append(&headers, "", 1);
	buffer_clear(&client->in);
	r = headers.failed ? -ENOMEM
			   : https_call(client->https,
					&(struct https_request){
						.method = call->method,
						.path = call->path,
						.headers = headers.data,
						.body = call->body,
						.take = take_body,
						.context = client,
						.every_status = true,
						.timeout_ms = TIMEOUT_MS,
					},
					&received->status);
	if (headers.data)
		explicit_bzero(headers.data, headers.size);
	buffer_deinit(&headers);
	received->close = false;
	received->body = buffer_slice(&client->in);
	return r;
}

/* One try, under the call's key. */
static int attempt(struct client *client, const struct call *call, int *status, json_t **result)
{
	struct received received = {0};
	int r = client->https ? call_https(client, call, &received) : call_plain(client, call, &received);

	*result = NULL;
	if (r < 0) {
		disconnect(client);
		return r;
	}
	*status = received.status;
	*result = json_loadb(received.body.data ? received.body.data : "", received.body.size, JSON_REJECT_DUPLICATES, NULL);
	if (received.close)
		disconnect(client);
	return 0;
}

/* What was asked is still being decided, and the same under the same key learns what came of it. */
static bool is_undecided(int status, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	return code && ((status == 409 && strcmp(code, "request-in-flight") == 0) ||
			(status == 503 && strcmp(code, "outcome-unknown") == 0));
}

/* Takes `body`, which becomes the call's. */
static int perform(struct client *client, struct call *call, json_t *body, int *status, json_t **result)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct backoff backoff = {0};
	int r = -ENOMEM;

	*result = NULL;
	call->body = text;
	if (!body || text)
		r = attempt(client, call, status, result);
	for (int again = 0; again < AGAIN_MAX && r == 0 && is_undecided(*status, *result); again++) {
		json_decref(*result);
		pause_sleep(backoff_fail(&backoff, &again_after, *status));
		r = attempt(client, call, status, result);
	}
	free(text);
	json_decref(body);
	return r;
}

int client_call(struct client *client, const char *method, const char *path, json_t *body, int *status, json_t **result)
{
	struct uuid_generator ids = {0};
	struct call call = {.method = method, .path = path};

	/*
	 * So that what changes something may be sent again, by us or by the server's word: it is
	 * done once.
	 */
	if (strcmp(method, "POST") == 0) {
		struct uuid key = uuid_make(&ids, clock_wall_ms(), 0);

		uuid_format(&key, call.key);
	}
	return perform(client, &call, body, status, result);
}

int client_call_keyed(struct client *client, const char *path, const char *key, json_t *body, int *status, json_t **result)
{
	struct call call = {.method = "POST", .path = path};

	snprintf(call.key, sizeof(call.key), "%s", key);
	return perform(client, &call, body, status, result);
}

int client_judge(struct client *client, const char *method, const char *path, int called, int status, json_t **answer)
{
	const char *code, *detail;
	char name[CLIENT_NAME_SIZE];

	if (called == -ECONNREFUSED)
		return cli_error(CLI_FAILED, "no server answers at %s; is `penstock serve` running?", client_name(client, name));
	if (called < 0)
		return cli_error(CLI_FAILED, "%s: %s", client_name(client, name), client_error(client, called));
	if (status == 202)
		fprintf(stderr,
			"penstock: taken, and not in force everywhere yet: a gate that has not heard of it may sell for some seconds\n");
	if (status >= 200 && status < 300)
		return CLI_GO;
	code = json_string_value(json_object_get(*answer, "code"));
	detail = json_string_value(json_object_get(*answer, "detail"));
	if (!detail)
		detail = json_string_value(json_object_get(*answer, "title"));
	cli_error(CLI_FAILED, "%s %s: %d %s%s%s", method, path, status, code ? code : "", detail ? ": " : "", detail ? detail : "");
	if (status == 404 && code && strcmp(code, "not-found") == 0)
		cli_error(CLI_FAILED, "is %s the operator listener (operator.listen)? The buyers' listener does not have this",
			  client_name(client, name));
	if (status == 401)
		cli_error(CLI_FAILED, "give the operator's token with --operator.token_file, or run this in the server's folder");
	json_decref(*answer);
	*answer = NULL;
	return CLI_FAILED;
}

int client_ask(struct client *client, const char *method, const char *path, json_t *body, json_t **answer)
{
	int status = 0, r = client_call(client, method, path, body, &status, answer);

	return client_judge(client, method, path, r, status, answer);
}

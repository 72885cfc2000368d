/*
 * The operator's routes from a terminal: a blocking HTTP client with JSON on one connection, plain
 * to any address, or over TLS (https.h). One thread.
 */
#pragma once

#include <jansson.h>
#include "cli/cli.h"
#include "cli/https.h"
#include "crowd/pool.h"

struct client {
	struct pool_server place; /* over TLS: its host alone */
	struct https *https;      /* NULL: plain */
	char *token;              /* NULL: none */
	int socket;               /* -1: not connected */
	struct buffer in;
	size_t used; /* of `in`: the last answer, dropped with the next call */
};

/*
 * url: "http://HOST:PORT" or "https://HOST:PORT", or NULL for the operator listener of the
 * settings. cacert: as https_new(). With the operator's token as secrets_operator_token() has it.
 * Connects with the first call. CLI_GO, or the exit code, the error told. Close in either case.
 */
int client_open(struct client *client, const struct settings *settings, const char *url, const char *cacert) MUST_CHECK;
/* With no token and for any address. */
int client_open_url(struct client *client, const char *url, const char *cacert) MUST_CHECK;
void client_close(struct client *client);

/*
 * One request; a POST has an Idempotency-Key of its own, made here. `body` is taken over (NULL:
 * none). While the answer is that it is not decided yet (409 request-in-flight, 503
 * outcome-unknown) the same is sent again under the same key, a few times, later each time; then
 * that is the answer. *answer: the body where it is JSON, else NULL; the caller's. 0, or negative:
 * no answer came (-ECONNREFUSED, -ETIMEDOUT, -EBADMSG…).
 */
int client_call(struct client *client, const char *method, const char *path, json_t *body, int *status, json_t **answer) MUST_CHECK;
/*
 * A POST under a key that is told, of 1 to KEY_MAX printable ASCII characters: so it can be sent
 * again by another process, too.
 */
int client_call_keyed(struct client *client, const char *path, const char *key, json_t *body, int *status, json_t **answer) MUST_CHECK;
/*
 * As client_call(), and tells every error, also one that the server answered. CLI_GO with a 2xx
 * answer, or the exit code.
 */
int client_ask(struct client *client, const char *method, const char *path, json_t *body, json_t **answer) MUST_CHECK;
/*
 * What tells them: `called` and `status` are what a call came to. Drops an answer that is none of
 * 2xx.
 */
int client_judge(struct client *client, const char *method, const char *path, int called, int status, json_t **answer) MUST_CHECK;

/* "http://HOST:PORT" for messages; it stands in `text`. */
enum { CLIENT_NAME_SIZE = POOL_HOST_SIZE + 8 };
const char *client_name(const struct client *client, char text[static CLIENT_NAME_SIZE]);
/* What a negative code of client_call() means, in words. */
const char *client_error(const struct client *client, int code);

/* The address of a listener, to reach it from this machine: an "any" address becomes loopback. */
enum { CLIENT_URL_SIZE = 80 };
void client_url(const struct listen_list *listen, char url[static CLIENT_URL_SIZE]);

/* The options that every command with a client has. */
#define CLIENT_OPTIONS(url, json)                                                                   \
	{"operator", 0, OPTION_TEXT, (url), "URL", "the operator listener (that of the settings)"}, \
	{                                                                                           \
		"json", 'j', OPTION_FLAG, (json), NULL, "as JSON"                                   \
	}

/*
 * The operator's routes from a terminal: a blocking HTTP client with JSON on one connection. One
 * thread.
 */
#pragma once

#include <jansson.h>
#include "cli/cli.h"
#include "crowd/pool.h"

struct client {
	struct pool_server place;
	char *token; /* NULL: none */
	int socket;  /* -1: not connected */
	struct buffer in;
	size_t used; /* of `in`: the last answer, dropped with the next call */
};

/*
 * url: "http://HOST:PORT", or NULL for the operator listener of the settings. With the operator's
 * token as secrets_operator_token() has it. Connects with the first call. CLI_GO, or the exit code,
 * the error told. Close in either case.
 */
int client_open(struct client *client, const struct settings *settings, const char *url) MUST_CHECK;
/* With no token and for any address. */
int client_open_url(struct client *client, const char *url) MUST_CHECK;
void client_close(struct client *client);

/*
 * One request; a POST has an Idempotency-Key of its own, made here. `body` is taken over (NULL:
 * none). *answer: the body where it is JSON, else NULL; the caller's. 0, or negative: no answer
 * came (-ECONNREFUSED, -ETIMEDOUT, -EBADMSG…).
 */
int client_call(struct client *client, const char *method, const char *path, json_t *body, int *status, json_t **answer) MUST_CHECK;
/*
 * As client_call(), and tells every error, also one that the server answered. CLI_GO with a 2xx
 * answer, or the exit code.
 */
int client_ask(struct client *client, const char *method, const char *path, json_t *body, json_t **answer) MUST_CHECK;

/* The address of a listener, to reach it from this machine: an "any" address becomes loopback. */
enum { CLIENT_URL_SIZE = 80 };
void client_url(const struct listen_list *listen, char url[static CLIENT_URL_SIZE]);

/* The options that every command with a client has. */
#define CLIENT_OPTIONS(url, json)                                                                   \
	{"operator", 0, OPTION_TEXT, (url), "URL", "the operator listener (that of the settings)"}, \
	{                                                                                           \
		"json", 'j', OPTION_FLAG, (json), NULL, "as JSON"                                   \
	}

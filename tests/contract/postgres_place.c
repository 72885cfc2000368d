#include "contract/postgres_place.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/*
 * tools/services/postgres.py runs as our child; it ends its server when our end of its input
 * closes, however we end.
 */
static struct {
	pid_t process;
	FILE *input;
	char folder[96];
	int port;
	unsigned int made, idle_count;
	char idle[8][32]; /* databases that were given back: making one costs more than emptying one */
} server;

static void end_server(void)
{
	if (!server.process)
		return;
	fclose(server.input);
	waitpid(server.process, NULL, 0);
	server.process = 0;
}

static void become_server(int input, int output)
{
	const char *root = getenv("SOURCE_ROOT");
	char script[4096];

	snprintf(script, sizeof(script), "%s/tools/services/postgres.py", root ? root : ".");
	if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	execl("/usr/bin/python3", "python3", script, "run", (char *)NULL);
	_exit(127);
}

static void start_server(void)
{
	int to[2], from[2];
	FILE *output;

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	server.process = fork();
	assert_true(server.process >= 0);
	if (server.process == 0)
		become_server(to[0], from[1]);
	close(to[0]);
	close(from[1]);
	server.input = fdopen(to[1], "w");
	output = fdopen(from[0], "r");
	assert_non_null(server.input);
	assert_non_null(output);
	if (fscanf(output, "%95s %d", server.folder, &server.port) != 2)
		fail_msg("no PostgreSQL came up: SOURCE_ROOT must be the source's folder, and tools/setup test must have run");
	fclose(output);
	atexit(end_server);
}

static void run(const char *url, const char *sql)
{
	PGconn *connection = PQconnectdb(url);
	PGresult *result;

	if (PQstatus(connection) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(connection));
	result = PQexec(connection, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(connection));
	PQclear(result);
	PQfinish(connection);
}

static void make_url(char *url, size_t size, const char *name)
{
	snprintf(url, size, "postgresql://penstock@/%s?host=%s&port=%d", name, server.folder, server.port);
}

struct postgres_place *postgres_place_new(void)
{
	struct postgres_place *place = calloc(1, sizeof(*place));
	char url[192], sql[64];

	assert_non_null(place);
	if (!server.process)
		start_server();
	if (server.idle_count) {
		memcpy(place->name, server.idle[--server.idle_count], sizeof(place->name));
		make_url(place->url, sizeof(place->url), place->name);
		return place;
	}
	snprintf(place->name, sizeof(place->name), "place_%u", ++server.made);
	make_url(url, sizeof(url), "postgres");
	make_url(place->url, sizeof(place->url), place->name);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s", place->name);
	run(url, sql);
	return place;
}

void postgres_place_free(struct postgres_place *place)
{
	if (server.idle_count < sizeof(server.idle) / sizeof(server.idle[0])) {
		run(place->url, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS penstock CASCADE");
		memcpy(server.idle[server.idle_count++], place->name, sizeof(place->name));
	}
	free(place);
}

void postgres_place_run(const struct postgres_place *place, const char *sql)
{
	run(place->url, sql);
}

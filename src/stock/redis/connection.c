#include "stock/redis/connection.h"

#include <stdarg.h>
#include <stdlib.h>
#include "base/log.h"

enum { SCRATCH_MAX = 1 << 20 };

static void complain(const char *message, const struct redis_address *address, const char *error)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	if (log_limiter_pass(&limiter, &suppressed))
		log_warn("stock", message, LOG_TEXT("host", address->host), LOG_INT("port", address->port),
			 LOG_TEXT("error", error), LOG_INT("suppressed", suppressed));
}

static bool connect_to(struct redis_link *link, const struct redis_transport *transport, const struct redis_address *address,
		       const struct redis_timeouts *timeouts)
{
	*link = (struct redis_link){.transport = transport};
	if (transport->open(link, address, timeouts) == REDIS_OK)
		return true;
	complain("a Redis cannot be reached", address, link->context ? link->context->errstr : "out of memory");
	transport->close(link);
	return false;
}

static redisReply *ask_with(struct redis_link *link, const char *format, va_list arguments)
{
	void *reply = NULL;

	if (redisvAppendCommand(link->context, format, arguments) != REDIS_OK || link->transport->reply(link, &reply) != REDIS_OK)
		return NULL;
	return reply;
}

static redisReply *ask(struct redis_link *link, const char *format, ...)
{
	redisReply *reply;
	va_list arguments;

	va_start(arguments, format);
	reply = ask_with(link, format, arguments);
	va_end(arguments);
	return reply;
}

static bool is_error(const redisReply *reply, const char *start)
{
	return reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, start, strlen(start)) == 0;
}

static redisReply *log_in(struct redis_link *link, const struct redis_url *url)
{
	return url->user[0] ? ask(link, "AUTH %s %s", url->user, url->password) : ask(link, "AUTH %s", url->password);
}

/* A Sentinel has a password of its own, or the servers' too, or none. */
static redisReply *ask_sentinel(struct redis_link *link, const struct redis_url *url)
{
	static const char question[] = "SENTINEL GET-MASTER-ADDR-BY-NAME %s";
	redisReply *reply = ask(link, question, url->name);

	if (is_error(reply, "NOAUTH") && url->password[0]) {
		freeReplyObject(reply);
		reply = log_in(link, url);
		if (reply && reply->type != REDIS_REPLY_ERROR) {
			freeReplyObject(reply);
			reply = ask(link, question, url->name);
		}
	}
	return reply;
}

static bool find_master(const struct redis_transport *transport, const struct redis_address *sentinel,
			const struct redis_url *url, const struct redis_timeouts *timeouts, struct redis_address *master)
{
	struct redis_link link;
	redisReply *reply;
	bool found;

	if (!connect_to(&link, transport, sentinel, timeouts))
		return false;
	reply = ask_sentinel(&link, url);
	found = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->type == REDIS_REPLY_STRING &&
		reply->element[1]->type == REDIS_REPLY_STRING && reply->element[0]->len <= REDIS_HOST_MAX;
	if (found) {
		memcpy(master->host, reply->element[0]->str, reply->element[0]->len + 1);
		master->port = atoi(reply->element[1]->str);
	} else {
		complain("a Sentinel does not know the master", sentinel,
			 reply && reply->type == REDIS_REPLY_ERROR ? reply->str : url->name);
	}
	if (reply)
		freeReplyObject(reply);
	transport->close(&link);
	return found;
}

static void read_text(const char *info, const char *name, char *out, size_t size)
{
	const char *found = strstr(info, name);
	size_t length;

	out[0] = '\0';
	if (!found)
		return;
	found += strlen(name);
	length = strcspn(found, "\r\n");
	if (length >= size)
		length = size - 1;
	memcpy(out, found, length);
	out[length] = '\0';
}

static int64_t read_number(const char *info, const char *name)
{
	char text[24];

	read_text(info, name, text, sizeof(text));
	return strtoll(text, NULL, 10);
}

static bool read_server(const char *info, struct redis_server *server)
{
	char role[16];

	read_text(info, "\nredis_version:", server->version, sizeof(server->version));
	read_text(info, "\nrun_id:", server->run_id, sizeof(server->run_id));
	read_text(info, "\nmaster_replid:", server->replid, sizeof(server->replid));
	read_text(info, "\nmaxmemory_policy:", server->policy, sizeof(server->policy));
	read_text(info, "\nrole:", role, sizeof(role));
	server->master = strcmp(role, "master") == 0;
	server->aof = read_number(info, "\naof_enabled:") == 1;
	server->memory_bytes = read_number(info, "\nused_memory:");
	server->maxmemory_bytes = read_number(info, "\nmaxmemory:");
	server->replicas = read_number(info, "\nconnected_slaves:");
	return strlen(server->run_id) == REDIS_ID_SIZE && strlen(server->replid) == REDIS_ID_SIZE;
}

redisReply *redis_connection_command(struct redis_connection *connection, const char *format, ...)
{
	redisReply *reply;
	va_list arguments;

	va_start(arguments, format);
	reply = ask_with(&connection->link, format, arguments);
	va_end(arguments);
	if (!reply)
		connection->broken = true;
	return reply;
}

/* What no waiting mends. */
static const char refused_user[] = "Redis refused the user or password of stock.url",
		  refused_database[] = "Redis refused the database of stock.url";

bool redis_reason_is_refusal(const char *reason)
{
	return reason == refused_user || reason == refused_database;
}

/*
 * What a server says to one whom it does not know, or to what it does not have; not that it is
 * loading, or full.
 */
static bool is_refusal(const redisReply *reply)
{
	static const char *const starts[] = {"WRONGPASS", "NOAUTH", "NOPERM", "ERR AUTH", "ERR invalid password", "ERR DB index"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (is_error(reply, starts[i]))
			return true;
	return false;
}

/* -EACCES where it does not want us, else -ENOTCONN. */
static int say_refused(const redisReply *reply)
{
	log_warn("stock", "Redis does not tell who it is", LOG_TEXT("redis", reply->str));
	return is_refusal(reply) ? -EACCES : -ENOTCONN;
}

int redis_connection_look(struct redis_connection *connection)
{
	redisReply *reply = redis_connection_command(connection, "INFO");
	int r = -ENOTCONN;

	if (reply && reply->type == REDIS_REPLY_STRING && read_server(reply->str, &connection->server))
		r = 0;
	else if (reply && reply->type == REDIS_REPLY_ERROR)
		r = say_refused(reply);
	if (reply)
		freeReplyObject(reply);
	connection->broken |= r < 0;
	return r;
}

/*
 * One step of the greeting. NULL where it went well, else what went wrong; `refusal` where the
 * server does not want us.
 */
static const char *expect_ok(redisReply *reply, const char *refusal)
{
	const char *fault = NULL;

	if (!reply)
		return "Redis does not answer";
	if (reply->type == REDIS_REPLY_ERROR) {
		fault = is_refusal(reply) ? refusal : "Redis takes no login now";
		log_warn("stock", fault, LOG_TEXT("redis", reply->str));
	}
	freeReplyObject(reply);
	return fault;
}

static const char *greet(struct redis_connection *connection, const struct redis_url *url)
{
	const char *fault = NULL;
	int looked = 0;

	if (url->password[0])
		fault = expect_ok(log_in(&connection->link, url), refused_user);
	if (!fault && url->database > 0)
		fault = expect_ok(ask(&connection->link, "SELECT %d", url->database), refused_database);
	if (!fault)
		looked = redis_connection_look(connection);
	if (looked < 0)
		fault = looked == -EACCES ? refused_user : "Redis does not tell who it is (INFO)";
	if (!fault && !connection->server.master)
		fault = "this Redis is a replica: its master is needed";
	return fault;
}

static struct redis_connection *open_at(const struct redis_transport *transport, const struct redis_address *address,
					const struct redis_url *url, const struct redis_timeouts *timeouts, const char **reason)
{
	struct redis_connection *connection = calloc(1, sizeof(*connection));

	*reason = "Redis cannot be reached";
	if (!connection || !connect_to(&connection->link, transport, address, timeouts)) {
		free(connection);
		return NULL;
	}
	buffer_init(&connection->scratch, SCRATCH_MAX);
	*reason = greet(connection, url);
	if (!*reason)
		return connection;
	complain(*reason, address, "");
	redis_connection_free(connection);
	return NULL;
}

struct redis_connection *redis_connection_open(const struct redis_transport *transport, const struct redis_url *url,
					       const struct redis_timeouts *timeouts, const char **reason)
{
	struct redis_address master;

	if (!url->sentinel)
		return open_at(transport, &url->addresses[0], url, timeouts, reason);
	*reason = "no Sentinel knows a master that can be reached";
	for (int i = 0; i < url->address_count; i++) {
		struct redis_connection *connection;

		if (!find_master(transport, &url->addresses[i], url, timeouts, &master))
			continue;
		connection = open_at(transport, &master, url, timeouts, reason);
		if (connection)
			return connection;
	}
	return NULL;
}

void redis_connection_free(struct redis_connection *connection)
{
	if (!connection)
		return;
	connection->link.transport->close(&connection->link);
	buffer_deinit(&connection->scratch);
	free(connection);
}

bool redis_connection_is_quiet(const struct redis_connection *connection)
{
	return connection->link.transport->is_quiet(&connection->link);
}

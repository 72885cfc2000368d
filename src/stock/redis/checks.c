#include "stock/redis/checks.h"

#include <stdlib.h>
#include <string.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "stock/redis/library.h"

enum { VERSION_MIN = 7, UNKNOWN_LAG_SECONDS = 11, LOADS_MAX = 10 };

static int check_version(const struct redis_server *server)
{
	if (atoi(server->version) >= VERSION_MIN)
		return 0;
	log_error("stock", "Redis 7.0 or newer is needed (for its functions)", LOG_TEXT("version", server->version));
	return -ENOTSUP;
}

static int check_policy(const struct redis_server *server, bool force)
{
	if (redis_server_keeps_all(server))
		return 0;
	if (force) {
		log_warn("stock", "this Redis may throw orders away when its memory is full: a sale that loses some is not noticed",
			 LOG_TEXT("maxmemory_policy", server->policy));
		return 0;
	}
	log_error("stock", "this Redis throws keys away when its memory is full, orders among them: set maxmemory-policy noeviction",
		  LOG_TEXT("maxmemory_policy", server->policy));
	return -EPERM;
}

/* The value of a setting in an answer of CONFIG GET; "" where it is not told. */
static const char *setting(const redisReply *reply, const char *name)
{
	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
		if (reply->element[i]->str && strcmp(reply->element[i]->str, name) == 0 && reply->element[i + 1]->str)
			return reply->element[i + 1]->str;
	return "";
}

/*
 * A replica that is promoted has one replica less than its master had, and its settings are the
 * same as a rule.
 */
static void tell_promotion(int64_t wanted, int64_t replicas)
{
	if (replicas == 0 || wanted < replicas)
		return;
	log_warn("stock",
		 "a replica that is promoted could not sell until the old master is back: it would have fewer replicas than "
		 "min-replicas-to-write asks for. Set that to the number of replicas less one, with at least two of them",
		 LOG_INT("min_replicas_to_write", wanted), LOG_INT("replicas", replicas));
}

/*
 * What its settings mean. None of them endangers a promise: what Redis loses is fenced, and built
 * again from the ledger.
 */
static void tell_settings(const redisReply *reply, const struct redis_server *server)
{
	const char *replicas = setting(reply, "min-replicas-to-write");

	if (!server->aof)
		log_info("stock", "Redis keeps no log (appendonly no): a restart fences its sales until they are built again");
	else if (strcmp(setting(reply, "appendfsync"), "always") != 0)
		log_info("stock",
			 "Redis keeps a log that may lack its last second: a restart fences its sales until they are built again",
			 LOG_TEXT("appendfsync", setting(reply, "appendfsync")));
	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		log_info("stock",
			 "the user of stock.url may not read Redis' settings (CONFIG GET): see to min-replicas-to-write yourself");
		return;
	}
	tell_promotion(atoi(replicas), server->replicas);
	if (atoi(replicas) == 0)
		log_info("stock",
			 "min-replicas-to-write is 0: right for a server without replicas; with them, a master that is cut off goes on "
			 "selling what the ledger will void until it is found out, so set it to their number less one",
			 LOG_TEXT("min_replicas_to_write", replicas));
	else
		log_info("stock", "a master that is cut off from its replicas stops by itself",
			 LOG_TEXT("min_replicas_to_write", replicas),
			 LOG_TEXT("min_replicas_max_lag", setting(reply, "min-replicas-max-lag")));
}

/* See redis_check_server(). */
static int64_t cut_off_ns(const redisReply *reply, bool sentinel)
{
	const char *replicas = setting(reply, "min-replicas-to-write");
	int seconds = 0;

	if (!*replicas && sentinel)
		seconds = UNKNOWN_LAG_SECONDS;
	else if (atoi(replicas) > 0)
		seconds = atoi(setting(reply, "min-replicas-max-lag")) + 1;
	return seconds * INT64_C(1000000000);
}

static int check_settings(struct redis_connection *connection, bool sentinel, int64_t *lag_ns, int64_t *replicas)
{
	redisReply *reply = redis_connection_command(connection, "CONFIG GET %s %s %s", "appendfsync", "min-replicas-to-write",
						     "min-replicas-max-lag");

	if (!reply)
		return -ENOTCONN;
	tell_settings(reply, &connection->server);
	*lag_ns = cut_off_ns(reply, sentinel);
	*replicas = atoi(setting(reply, "min-replicas-to-write"));
	*replicas += *replicas > 0;
	freeReplyObject(reply);
	return 0;
}

/* 0; -ENOENT: the functions are gone, nothing is logged; or negative. */
static int check_permissions(struct redis_connection *connection, const struct redis_library *library)
{
	redisReply *reply = redis_connection_command(connection, "FCALL %s 1 {ps:0}", library->functions[REDIS_CHECK]);
	int r = 0;

	if (!reply)
		return -ENOTCONN;
	if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR Function not found", 22) == 0) {
		r = -ENOENT;
	} else if (reply->type != REDIS_REPLY_STRING || reply->len > 0) {
		log_error("stock", "the user of stock.url lacks permissions (see the ACL line in docs/operations.md)",
			  LOG_TEXT("lacks", reply->str ? reply->str : ""));
		r = -EACCES;
	}
	freeReplyObject(reply);
	return r;
}

/*
 * Gates of another version delete functions that no living gate uses, and this one has not said yet
 * that it is there: they are loaded again. Later that is for redis_library_restore().
 */
static int check_functions(struct redis_connection *connection, const struct redis_library *library)
{
	int r = -ENOENT;

	for (int i = 0; i < LOADS_MAX && r == -ENOENT; i++) {
		r = redis_library_install(connection, library);
		(void)FAILPOINT("stock.functions_loaded");
		if (r >= 0)
			r = check_permissions(connection, library);
	}
	if (r != -ENOENT)
		return r;
	log_error("stock", "Redis loses the functions as soon as they are loaded: does somebody else delete them?",
		  LOG_TEXT("library", library->name));
	return -EIO;
}

int redis_check_server(struct redis_connection *connection, const struct redis_library *library, bool force, bool sentinel,
		       int64_t *lag_ns, int64_t *replicas)
{
	int r = check_version(&connection->server);

	if (r == 0)
		r = check_policy(&connection->server, force);
	if (r == 0)
		r = check_functions(connection, library);
	if (r == 0)
		r = check_settings(connection, sentinel, lag_ns, replicas);
	return r;
}

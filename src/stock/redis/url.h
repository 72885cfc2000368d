/*
 * Where a Redis is:
 *
 *   redis://[user:password@]host[:port][/db]
 *   redis+sentinel://[user:password@]host[:port][,host[:port]...]/name[/db]
 *
 * User and password are percent-encoded where they have characters of the URL's own; `:password@`
 * alone is the user `default`. An IPv6 address stands in brackets.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"

enum { REDIS_SENTINELS_MAX = 8, REDIS_HOST_MAX = 255, REDIS_SECRET_MAX = 255, REDIS_NAME_MAX = 127 };

struct redis_address {
	char host[REDIS_HOST_MAX + 1];
	int port;
};

struct redis_url {
	bool sentinel;
	struct redis_address addresses[REDIS_SENTINELS_MAX]; /* the server, or the Sentinels */
	int address_count;
	char name[REDIS_NAME_MAX + 1]; /* of the master, as the Sentinels call it */
	char user[REDIS_SECRET_MAX + 1], password[REDIS_SECRET_MAX + 1];
	int database;
};

/* 0, or -EINVAL with what is wrong and what would be right (static text). */
int redis_url_parse(const char *text, struct redis_url *url, const char **reason) MUST_CHECK;

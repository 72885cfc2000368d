#include "stock/redis/url.h"

#include <stdlib.h>
#include "text/slice.h"

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, DATABASE_MAX = 65535 };

static int wrong(const char **reason, const char *why)
{
	*reason = why;
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes. False where it is malformed, has a NUL, or is too long. */
static bool decode(struct slice from, char *to, size_t size_max)
{
	size_t size = 0;

	for (size_t i = 0; i < from.size; i++) {
		int c = (unsigned char)from.data[i];

		if (c == '%') {
			int high = i + 2 < from.size ? hex_digit(from.data[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(from.data[i + 2]) : -1;

			if (low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c == 0 || size == size_max)
			return false;
		to[size++] = (char)c;
	}
	to[size] = '\0';
	return true;
}

/* A decimal number up to `max`; -1 where it is none. */
static int number(struct slice text, int max)
{
	int value = 0;

	if (text.size == 0 || text.size > 9)
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		value = value * 10 + (text.data[i] - '0');
	}
	return value <= max ? value : -1;
}

/*
 * Cuts `text` at the first `mark`; what is behind it goes to *rest. False, and nothing is cut,
 * where there is none.
 */
static bool cut(struct slice *text, char mark, struct slice *rest)
{
	const char *found = text->size ? memchr(text->data, mark, text->size) : NULL;

	if (!found)
		return false;
	*rest = (struct slice){found + 1, (size_t)(text->data + text->size - found - 1)};
	text->size = (size_t)(found - text->data);
	return true;
}

static int parse_user(struct slice text, struct redis_url *url, const char **reason)
{
	struct slice password;

	if (!cut(&text, ':', &password))
		return wrong(reason, "write user:password@host, or :password@host for the user default");
	if (!decode(text, url->user, REDIS_SECRET_MAX) || !decode(password, url->password, REDIS_SECRET_MAX))
		return wrong(reason, "user or password is malformed: write a percent sign as %25, @ as %40, : as %3A, / as %2F");
	if (url->password[0] == '\0')
		return wrong(reason, "there is a user without a password: write user:password@host");
	return 0;
}

static int parse_address(struct slice text, int standard_port, struct redis_address *address, const char **reason)
{
	struct slice port = SLICE_NULL, host = text;
	bool has_port;

	if (text.size && text.data[0] == '[') {
		struct slice behind;

		host = (struct slice){text.data + 1, text.size - 1};
		if (!cut(&host, ']', &behind))
			return wrong(reason, "an IPv6 address needs both brackets: [::1]:6379");
		has_port = behind.size > 0;
		if (has_port && behind.data[0] != ':')
			return wrong(reason, "behind the brackets of an IPv6 address comes :port or nothing");
		if (has_port)
			port = (struct slice){behind.data + 1, behind.size - 1};
	} else {
		has_port = cut(&host, ':', &port);
	}
	if (host.size == 0 || host.size > REDIS_HOST_MAX)
		return wrong(reason, "there is no host: write redis://host:6379/0");
	memcpy(address->host, host.data, host.size);
	address->host[host.size] = '\0';
	address->port = has_port ? number(port, 65535) : standard_port;
	return address->port > 0 ? 0 : wrong(reason, "the port is no number from 1 to 65535");
}

static int parse_sentinels(struct slice hosts, struct redis_url *url, const char **reason)
{
	struct slice rest = SLICE_NULL;
	bool more = true;

	while (more) {
		int r;

		if (url->address_count == REDIS_SENTINELS_MAX)
			return wrong(reason, "there are more than 8 Sentinels: name some of them, they know the rest");
		more = cut(&hosts, ',', &rest);
		r = parse_address(hosts, SENTINEL_PORT, &url->addresses[url->address_count++], reason);
		if (r < 0)
			return r;
		hosts = rest;
	}
	return 0;
}

static int parse_scheme(struct slice *text, struct redis_url *url, const char **reason)
{
	static const struct slice plain = {"redis://", 8}, sentinel = {"redis+sentinel://", 17}, tls = {"rediss://", 9};
	const struct slice *scheme;

	if (text->size >= tls.size && memcmp(text->data, tls.data, tls.size) == 0)
		return wrong(reason, "rediss:// (TLS) is not built in: run a TLS tunnel beside the program (stunnel, HAProxy) and name its "
				     "local end, redis://127.0.0.1:PORT");
	url->sentinel = text->size >= sentinel.size && memcmp(text->data, sentinel.data, sentinel.size) == 0;
	scheme = url->sentinel ? &sentinel : &plain;
	if (text->size < scheme->size || memcmp(text->data, scheme->data, scheme->size) != 0)
		return wrong(reason, "it begins with redis://host:port/db or redis+sentinel://host:port,host:port/name");
	*text = (struct slice){text->data + scheme->size, text->size - scheme->size};
	return 0;
}

/* The last @ ends the user's part: a password may have been written with one. */
static int take_user(struct slice *text, struct redis_url *url, const char **reason)
{
	struct slice user = *text;

	while (user.size && user.data[user.size - 1] != '@')
		user.size--;
	if (user.size == 0)
		return 0;
	*text = (struct slice){text->data + user.size, text->size - user.size};
	user.size--;
	return parse_user(user, url, reason);
}

int redis_url_parse(const char *text, struct redis_url *url, const char **reason)
{
	struct slice rest = slice_of(text), path = SLICE_NULL, database = SLICE_NULL;
	int r;

	*url = (struct redis_url){0};
	r = parse_scheme(&rest, url, reason);
	if (r < 0)
		return r;
	if (rest.size && (memchr(rest.data, '?', rest.size) || memchr(rest.data, '#', rest.size)))
		return wrong(reason, "it has no ?parameters: write a question mark of a password as %3F");
	r = take_user(&rest, url, reason);
	if (r < 0)
		return r;
	cut(&rest, '/', &path);
	r = url->sentinel ? parse_sentinels(rest, url, reason) : parse_address(rest, REDIS_PORT, &url->addresses[0], reason);
	if (r < 0)
		return r;
	if (url->sentinel) {
		cut(&path, '/', &database);
		if (path.size == 0 || path.size > REDIS_NAME_MAX)
			return wrong(reason, "behind the Sentinels comes the master's name: redis+sentinel://host:26379/mymaster");
		memcpy(url->name, path.data, path.size);
	} else {
		url->address_count = 1;
		database = path;
	}
	url->database = database.size ? number(database, DATABASE_MAX) : 0;
	return url->database >= 0 ? 0 : wrong(reason, "the database is no number: write redis://host:6379/0");
}

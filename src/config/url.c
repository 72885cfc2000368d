#include <ctype.h>
#include <stdio.h>
#include "config/setting.h"

/*
 * URLs carry passwords, and broken ones carry them in odd places:
 * "postgresql://shop:p@ss/w?rd@host/db", "postgresql://shop:password host/db". So what is shown of
 * a URL is not the URL without what looks like a password, but only those parts that are certain to
 * be none: the scheme; a user's name, hosts and ports in their plain letters; the path behind them;
 * parameters by name, and the values of a few. The rest is "(hidden)".
 */

static const char hidden[] = "(hidden)";

/* Parameters of libpq whose values anybody may see. */
static bool is_open_parameter(struct slice name)
{
	static const char *const names[] = {
		"application_name", "connect_timeout",      "dbname", "gssencmode", "host", "hostaddr", "port",
		"sslmode",          "target_session_attrs", "user",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_equal(name, slice_of(names[i])))
			return true;
	return false;
}

static bool all_of(struct slice text, const char *marks)
{
	for (size_t i = 0; i < text.size; i++)
		if (!isalnum((unsigned char)text.data[i]) && !strchr(marks, text.data[i]))
			return false;
	return true;
}

/*
 * "host", "host:5432", "[::1]:5432". A port is a number that one can be: the password of a URL
 * without its "@" would stand there.
 */
static bool is_host(struct slice text)
{
	const char *colon = text.size ? memrchr(text.data, ':', text.size) : NULL;
	struct slice port = SLICE_NULL;
	long number = 0;

	if (text.size && text.data[0] == '[' && text.data[text.size - 1] == ']')
		colon = NULL;
	if (colon) {
		port = (struct slice){colon + 1, (size_t)(text.data + text.size - colon) - 1};
		text.size = (size_t)(colon - text.data);
	}
	for (size_t i = 0; i < port.size; i++) {
		if (!isdigit((unsigned char)port.data[i]) || number > 65535)
			return false;
		number = number * 10 + (port.data[i] - '0');
	}
	if (number > 65535)
		return false;
	if (text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']')
		return all_of((struct slice){text.data + 1, text.size - 2}, ":.%");
	return all_of(text, ".-_%");
}

static bool are_hosts(struct slice text)
{
	while (text.size) {
		const char *comma = memchr(text.data, ',', text.size);
		size_t size = comma ? (size_t)(comma - text.data) : text.size;

		if (!is_host((struct slice){text.data, size}))
			return false;
		text.data += size + (comma != NULL);
		text.size -= size + (comma != NULL);
	}
	return true;
}

static void append_parameters(struct slice query, struct buffer *out)
{
	while (query.size) {
		size_t size = 0, name_size;
		struct slice name;

		while (size < query.size && query.data[size] != '&')
			size++;
		for (name_size = 0; name_size < size && query.data[name_size] != '='; name_size++)
			;
		name = (struct slice){query.data, name_size};
		if (!all_of(name, "_.-")) {
			buffer_append_text(out, hidden);
		} else if (is_open_parameter(name)) {
			buffer_append(out, query.data, size);
		} else {
			buffer_append_slice(out, name);
			if (name_size < size)
				buffer_printf(out, "=%s", hidden);
		}
		size += size < query.size;
		if (size && query.data[size - 1] == '&')
			buffer_append_literal(out, "&");
		query.data += size;
		query.size -= size;
	}
}

/* "USER:(hidden)@" */
static void append_user(struct slice user, struct buffer *out)
{
	const char *colon = user.size ? memchr(user.data, ':', user.size) : NULL;
	struct slice name = {user.data, colon ? (size_t)(colon - user.data) : user.size};

	if (all_of(name, "._-%"))
		buffer_append_slice(out, name);
	else
		buffer_append_text(out, hidden);
	if (colon && colon + 1 < user.data + user.size)
		buffer_printf(out, ":%s", hidden);
	else if (colon)
		buffer_append_literal(out, ":");
	buffer_append_literal(out, "@");
}

/* What follows "scheme://". */
static void append_rest(struct slice rest, struct buffer *out)
{
	const char *at = rest.size ? memrchr(rest.data, '@', rest.size) : NULL;
	size_t size;

	if (at) {
		append_user((struct slice){rest.data, (size_t)(at - rest.data)}, out);
		rest = (struct slice){at + 1, (size_t)(rest.data + rest.size - at) - 1};
	}
	for (size = 0; size < rest.size && rest.data[size] != '/' && rest.data[size] != '?'; size++)
		;
	if (!are_hosts((struct slice){rest.data, size})) {
		buffer_append_text(out, hidden);
		return;
	}
	buffer_append(out, rest.data, size);
	rest = (struct slice){rest.data + size, rest.size - size};
	for (size = 0; size < rest.size && rest.data[size] != '?'; size++)
		;
	if (all_of((struct slice){rest.data, size}, "/._-%"))
		buffer_append(out, rest.data, size);
	else
		buffer_append_literal(out, "/(hidden)");
	if (size == rest.size)
		return;
	buffer_append_literal(out, "?");
	append_parameters((struct slice){rest.data + size + 1, rest.size - size - 1}, out);
}

void setting_url_shown(const char *url, struct buffer *out)
{
	const char *colon = strchr(url, ':');
	struct slice scheme = {url, colon ? (size_t)(colon - url) : 0};

	if (slice_equal(scheme, SLICE("sqlite"))) {
		buffer_append_text(out, url); /* a path */
		return;
	}
	if (!colon || !all_of(scheme, "+-.")) {
		buffer_append_text(out, hidden);
		return;
	}
	buffer_append(out, url, scheme.size + 1);
	if (strncmp(colon, "://", 3) == 0) {
		buffer_append_literal(out, "//");
		append_rest(slice_of(colon + 3), out);
	} else if (colon[1]) {
		buffer_append_text(out, hidden);
	}
}

void settings_url_text(const char *url, char text[static SETTINGS_URL_TEXT_SIZE])
{
	struct buffer out;

	buffer_init(&out, 64 << 10);
	setting_url_shown(url, &out);
	snprintf(text, SETTINGS_URL_TEXT_SIZE, "%.*s", out.failed ? 0 : (int)out.size, out.data ? out.data : "");
	buffer_deinit(&out);
}

bool settings_url_is_plain(const char *url)
{
	const char *start = strstr(url, "://"), *end, *at;

	if (!start)
		return true;
	start += 3;
	end = start + strcspn(start, "?");
	at = memrchr(start, '@', (size_t)(end - start));
	/*
	 * One "@", and before it no slash: whoever reads the URL finds its user, password and hosts
	 * where we do.
	 */
	if (at && (memchr(start, '@', (size_t)(at - start)) || memchr(start, '/', (size_t)(at - start))))
		return false;
	start = at ? at + 1 : start;
	return are_hosts((struct slice){start, strcspn(start, "/?")}) && !strchr(start, ' ');
}

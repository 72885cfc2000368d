#include "text/web_origin.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_host(struct slice host)
{
	bool bracketed = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
	const char *more = bracketed ? ":." : "-._";

	if (bracketed)
		host = (struct slice){host.data + 1, host.size - 2};
	for (size_t i = 0; i < host.size; i++) {
		char letter = host.data[i];

		if (!islower((unsigned char)letter) && !isdigit((unsigned char)letter) && !memchr(more, letter, strlen(more)))
			return false;
	}
	return host.size > 0;
}

/*
 * Digits without a zero before them, up to 65535, and not the scheme's own, which browsers leave
 * out.
 */
static bool is_port(struct slice port, const char *standard)
{
	char text[6];

	if (port.size == 0 || port.size >= sizeof(text) || port.data[0] == '0' || slice_equal(port, slice_of(standard)))
		return false;
	for (size_t i = 0; i < port.size; i++)
		if (!isdigit((unsigned char)port.data[i]))
			return false;
	memcpy(text, port.data, port.size);
	text[port.size] = '\0';
	return atoi(text) <= 65535;
}

static bool is_origin(struct slice text)
{
	static const struct {
		const char *scheme, *port;
	} kinds[] = {{"https://", "443"}, {"http://", "80"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t size = strlen(kinds[i].scheme);
		struct slice host = {text.data + size, text.size - size};
		const char *bracket, *colon;

		if (text.size <= size || memcmp(text.data, kinds[i].scheme, size) != 0)
			continue;
		bracket = memrchr(host.data, ']', host.size);
		colon = memrchr(host.data, ':', host.size);
		if (!colon || (bracket && colon < bracket))
			return is_host(host);
		return is_host((struct slice){host.data, (size_t)(colon - host.data)}) &&
		       is_port((struct slice){colon + 1, (size_t)(host.data + host.size - colon - 1)}, kinds[i].port);
	}
	return false;
}

int web_origin_list_parse(struct slice text, struct web_origin_list *list, struct slice *bad)
{
	struct slice item;

	*list = (struct web_origin_list){.count = 0};
	text = slice_trim(text);
	list->any = slice_equal(text, SLICE("*"));
	if (text.size == 0 || list->any)
		return 0;
	while (slice_next_item(&text, &item)) {
		*bad = item;
		if (item.size > WEB_ORIGIN_MAX || !is_origin(item))
			return -EINVAL;
		if (list->count == WEB_ORIGINS_MAX)
			return -E2BIG;
		memcpy(list->items[list->count++], item.data, item.size);
	}
	return 0;
}

int web_origin_list_find(const struct web_origin_list *list, struct slice origin)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_equal(slice_of(list->items[i]), origin))
			return (int)i;
	return -1;
}

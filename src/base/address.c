#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct address mapped(const void *ipv4)
{
	struct address address;

	memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(address.bytes + sizeof(mapped_prefix), ipv4, 4);
	return address;
}

/* A number of digits alone, without leading zeros, up to `max`; -1 where it is none. */
static long parse_number(struct slice text, long max)
{
	long number = 0;

	if (text.size == 0 || text.size > 9 || (text.size > 1 && text.data[0] == '0'))
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		number = number * 10 + (text.data[i] - '0');
	}
	return number <= max ? number : -1;
}

int address_parse(struct slice text, struct address *address)
{
	char copy[ADDRESS_TEXT_SIZE];
	bool brackets = text.size > 1 && text.data[0] == '[' && text.data[text.size - 1] == ']';
	struct in_addr ipv4;

	if (brackets)
		text = (struct slice){text.data + 1, text.size - 2};
	if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size))
		return -EINVAL;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (!brackets && inet_pton(AF_INET, copy, &ipv4) == 1) {
		*address = mapped(&ipv4);
		return 0;
	}
	return inet_pton(AF_INET6, copy, address->bytes) == 1 ? 0 : -EINVAL;
}

void address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, address->bytes + sizeof(mapped_prefix), text, ADDRESS_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
}

void address_from_sockaddr(const struct sockaddr *socket, struct address *address)
{
	if (socket->sa_family == AF_INET)
		*address = mapped(&((const struct sockaddr_in *)socket)->sin_addr);
	else if (socket->sa_family == AF_INET6)
		memcpy(address->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr, sizeof(address->bytes));
	else
		*address = (struct address){{0}};
}

bool address_is_ipv4(const struct address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool address_is_loopback(const struct address *address)
{
	static const struct address loopback = {{[15] = 1}};

	if (address_is_ipv4(address))
		return address->bytes[12] == 127;
	return memcmp(address, &loopback, sizeof(loopback)) == 0;
}

/* Only the first `bits` bits; the others are 0. */
static struct address prefix_of(const struct address *address, unsigned bits)
{
	struct address prefix = *address;

	for (unsigned i = 0; i < sizeof(prefix.bytes); i++) {
		unsigned kept = bits <= i * 8 ? 0 : bits - i * 8;

		if (kept < 8)
			prefix.bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
	return prefix;
}

struct address address_client_key(const struct address *address)
{
	return address_is_ipv4(address) ? *address : prefix_of(address, 64);
}

struct address address_site(const struct address *address)
{
	return address_is_ipv4(address) ? *address : prefix_of(address, 48);
}

static int parse_network(struct slice text, struct network *network)
{
	const char *slash = memchr(text.data, '/', text.size);
	struct slice host = {text.data, slash ? (size_t)(slash - text.data) : text.size};
	struct address prefix;
	int added;
	long bits;

	if (address_parse(host, &network->address) < 0)
		return -EINVAL;
	/*
	 * The mapped form has 96 bits before the four bytes; "::ffff:10.0.0.0/104" is written with
	 * all of its bits.
	 */
	added = address_is_ipv4(&network->address) && !memchr(host.data, ':', host.size) ? 96 : 0;
	bits = slash ? parse_number((struct slice){slash + 1, text.size - host.size - 1}, 128 - added) : 128 - added;
	if (bits < 0)
		return -EINVAL;
	network->bits = (uint8_t)(bits + added);
	/* A bit beyond the prefix is a slip of the pen: which network was meant is a guess. */
	prefix = prefix_of(&network->address, network->bits);
	return memcmp(&prefix, &network->address, sizeof(prefix)) == 0 ? 0 : -EINVAL;
}

int network_list_parse(struct slice text, struct network_list *list, struct slice *bad)
{
	struct slice place = text.data ? text : SLICE(""), item;

	list->count = 0;
	if (slice_trim(text).size == 0)
		return 0;
	while (slice_next_item(&place, &item)) {
		*bad = item;
		if (list->count == NETWORKS_MAX)
			return -E2BIG;
		if (item.size == 0 || parse_network(item, &list->items[list->count]) < 0)
			return -EINVAL;
		list->count++;
	}
	return 0;
}

bool network_list_is_everybody(const struct network_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].bits == 0 || (list->items[i].bits <= 96 && address_is_ipv4(&list->items[i].address)))
			return true;
	return false;
}

bool network_list_contains(const struct network_list *list, const struct address *address)
{
	for (size_t i = 0; i < list->count; i++) {
		struct address prefix = prefix_of(address, list->items[i].bits);

		if (memcmp(&prefix, &list->items[i].address, sizeof(prefix)) == 0)
			return true;
	}
	return false;
}

/*
 * One hop as proxies write it: an address, with or without a port ("192.0.2.1:4711",
 * "[2001:db8::1]:4711").
 */
static int parse_hop(struct slice text, struct address *address)
{
	const char *colon;

	if (address_parse(text, address) == 0)
		return 0;
	colon = text.size ? memrchr(text.data, ':', text.size) : NULL;
	if (!colon || parse_number((struct slice){colon + 1, (size_t)(text.data + text.size - colon - 1)}, 65535) < 0)
		return -EINVAL;
	text.size = (size_t)(colon - text.data);
	if (text.size == 0 || (text.data[0] != '[' && memchr(text.data, ':', text.size)))
		return -EINVAL;
	return address_parse(text, address);
}

struct address address_behind_proxies(const struct address *peer, struct slice forwarded_for, const struct network_list *trusted)
{
	struct address client = *peer;

	while (forwarded_for.size > 0 && network_list_contains(trusted, &client)) {
		const char *comma = memrchr(forwarded_for.data, ',', forwarded_for.size);
		size_t start = comma ? (size_t)(comma + 1 - forwarded_for.data) : 0;
		struct slice hop = slice_trim((struct slice){forwarded_for.data + start, forwarded_for.size - start});
		struct address address;

		if (parse_hop(hop, &address) < 0)
			break;
		client = address;
		forwarded_for.size = comma ? start - 1 : 0;
	}
	return client;
}

/* "address:port", and "proxy" after white space. */
static int parse_place(struct slice text, struct listen_place *place)
{
	const char *space = memchr(text.data, ' ', text.size);
	struct slice where = {text.data, space ? (size_t)(space - text.data) : text.size};
	struct slice word = space ? slice_trim((struct slice){space, text.size - where.size}) : SLICE_NULL;
	const char *colon = memrchr(where.data, ':', where.size);
	struct slice host;
	long port;

	if (!colon)
		return -EINVAL;
	host = (struct slice){where.data, (size_t)(colon - where.data)};
	port = parse_number((struct slice){colon + 1, where.size - host.size - 1}, 65535);
	/* "::1:8080" has two readings; IPv6 is written in brackets here. */
	if (port < 0 || host.size == 0 || (host.data[0] != '[' && memchr(host.data, ':', host.size)))
		return -EINVAL;
	if (word.size > 0 && !slice_equal(word, SLICE("proxy")))
		return -EINVAL;
	place->port = (uint16_t)port;
	place->proxy = word.size > 0;
	return address_parse(host, &place->address);
}

int listen_list_parse(struct slice text, struct listen_list *list, struct slice *bad)
{
	struct slice place = text.data ? text : SLICE(""), item;

	list->count = 0;
	while (slice_next_item(&place, &item)) {
		*bad = item;
		if (list->count == LISTEN_MAX)
			return -E2BIG;
		if (item.size == 0 || parse_place(item, &list->items[list->count]) < 0)
			return -EINVAL;
		list->count++;
	}
	return 0;
}

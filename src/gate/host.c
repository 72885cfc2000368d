#include "gate/host.h"

#include <strings.h>

static bool same_name(struct slice a, struct slice b)
{
	return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* Without the port, and the dot that ends an absolute name. */
static struct slice name_of(struct slice host)
{
	const char *colon = memrchr(host.data, ':', host.size), *bracket = memrchr(host.data, ']', host.size);

	if (colon && (!bracket || colon > bracket) && strspn(colon + 1, "0123456789") >= (size_t)(host.data + host.size - colon - 1))
		host.size = (size_t)(colon - host.data);
	if (host.size > 0 && host.data[host.size - 1] == '.')
		host.size--;
	return host;
}

static struct slice trim(struct slice text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = (struct slice){text.data + 1, text.size - 1};
	while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

static bool is_listed(struct slice name, struct slice hosts)
{
	while (hosts.size > 0) {
		const char *comma = memchr(hosts.data, ',', hosts.size);
		size_t size = comma ? (size_t)(comma - hosts.data) : hosts.size;
		struct slice item = trim((struct slice){hosts.data, size});

		if (item.size > 0 && same_name(name, item))
			return true;
		size += comma ? 1 : 0;
		hosts = (struct slice){hosts.data + size, hosts.size - size};
	}
	return false;
}

bool host_allowed(struct slice host, struct slice hosts, const struct address *local)
{
	struct address address;
	struct slice name;

	if (!host.data)
		return true;
	name = name_of(host);
	if (same_name(name, SLICE("localhost")))
		return true;
	if (address_parse(name, &address) == 0 && (address_is_loopback(&address) || memcmp(&address, local, sizeof(address)) == 0))
		return true;
	return is_listed(name, hosts);
}

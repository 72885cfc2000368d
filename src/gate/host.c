#include "gate/host.h"

#include <string.h>

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

static bool is_listed(struct slice name, struct slice hosts)
{
	struct slice item;

	while (slice_next_item(&hosts, &item))
		if (item.size > 0 && slice_equal_any_case(name, item))
			return true;
	return false;
}

bool host_allowed(struct slice host, struct slice hosts, const struct address *local)
{
	struct address address;
	struct slice name;

	if (!host.data)
		return true;
	name = name_of(host);
	if (slice_equal_any_case(name, SLICE("localhost")))
		return true;
	if (address_parse(name, &address) == 0 && (address_is_loopback(&address) || memcmp(&address, local, sizeof(address)) == 0))
		return true;
	return is_listed(name, hosts);
}

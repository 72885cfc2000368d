/*
 * X-Forwarded-For, behind a proxy that is trusted. The first byte chooses which networks are
 * trusted too. Held: no crash; the client is the peer or an address that the header has; of a peer
 * that is not trusted the header says nothing.
 */
#include <stdint.h>
#include <string.h>
#include "base/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const lists[] = {"", "10.0.0.0/8", "::/1, 127.0.0.1", "10.0.0.1, 2001:db8::/32"};
	struct address peer, client, again;
	struct network_list trusted = {.count = 0};
	struct slice bad, text;
	char shown[ADDRESS_TEXT_SIZE];

	if (size < 1)
		return 0;
	ASSERT(network_list_parse(slice_of(lists[data[0] % 4]), &trusted, &bad) == 0);
	ASSERT(address_parse(SLICE("10.0.0.1"), &peer) == 0);
	text = (struct slice){(const char *)data + 1, size - 1};
	client = address_behind_proxies(&peer, text, &trusted);
	if (!network_list_contains(&trusted, &peer))
		ASSERT(memcmp(&client, &peer, sizeof(peer)) == 0);
	address_format(&client, shown);
	ASSERT(address_parse(slice_of(shown), &again) == 0);
	ASSERT(memcmp(&client, &again, sizeof(client)) == 0);
	return 0;
}

/*
 * Internet addresses as values: IPv6, with IPv4 in its mapped form (RFC 4291, section 2.5.5.2), so
 * that one kind of key fits both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/error.h"
#include "text/slice.h"

struct address {
	uint8_t bytes[16];
};
struct network {
	struct address address;
	uint8_t bits; /* of the 128 */
};
enum { ADDRESS_TEXT_SIZE = 46 };
enum { NETWORKS_MAX = 64 };

struct network_list {
	struct network items[NETWORKS_MAX];
	size_t count;
};

/*
 * "192.0.2.1", "2001:db8::1", "[2001:db8::1]"; 0 or -EINVAL. A port, where it is allowed: ":8080"
 * after either form (*port -1: none).
 */
int address_parse(struct slice text, struct address *address);
void address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);
void address_from_sockaddr(const struct sockaddr *socket, struct address *address);
bool address_is_ipv4(const struct address *address);
bool address_is_loopback(const struct address *address); /* 127.0.0.0/8, ::1 */
/* What is counted as one client: the address itself, or its /64 where it is IPv6. */
struct address address_client_key(const struct address *address);
/*
 * What one customer of a provider has at the most: the address itself, or its /48 where it is IPv6.
 */
struct address address_site(const struct address *address);

/*
 * "10.0.0.0/8, 2001:db8::/32, 127.0.0.1": comma-separated, empty is an empty list. 0, -EINVAL (bad
 * item in *bad), -E2BIG.
 */
int network_list_parse(struct slice text, struct network_list *list, struct slice *bad);
/* Whether one of them is all of IPv4 or all of IPv6. */
bool network_list_is_everybody(const struct network_list *list);
bool network_list_contains(const struct network_list *list, const struct address *address);
/*
 * The client behind proxies: `peer` itself unless it is trusted; else the rightmost address of
 * X-Forwarded-For (several headers joined by commas) that is not trusted; the leftmost where all
 * are. A part that is no address ends the walk: the last good one counts.
 */
struct address address_behind_proxies(const struct address *peer, struct slice forwarded_for, const struct network_list *trusted);

/*
 * Listening places: "127.0.0.1:8080, [::1]:8080, 0.0.0.0:8090 proxy". `proxy`: a PROXY protocol
 * header is required there.
 */
enum { LISTEN_MAX = 8 };
struct listen_place {
	struct address address;
	uint16_t port; /* 0: any free one */
	bool proxy;
};
struct listen_list {
	struct listen_place items[LISTEN_MAX];
	size_t count;
};
/* 0, -EINVAL (bad item in *bad), -E2BIG. At least one is needed. */
int listen_list_parse(struct slice text, struct listen_list *list, struct slice *bad);

/*
 * Whose connections a loop has, so that it knows whom to ask to go when there are as many as there
 * may be.
 *
 * Everybody may have as many connections as like to come: a cap that spares a company of a thousand
 * buyers stops nobody who wants the whole shop. When there is no room, the connection that has been
 * idle longest, of whoever has most, goes first. Whoever has most is counted by site: an IPv4
 * address, or an IPv6 /48, for whoever has one can ask from 65,536 networks; within a /48 by /64,
 * so that one customer of a provider does not pay for another.
 *
 * Sites are ranked by their number of connections: a list for each number, so joining and leaving
 * are a few pointers. Nothing is done for a request: how long somebody has been idle is asked when
 * it matters, of a bounded number of seats (PEERS_LOOKS), which then go to the end of their ring.
 * So the longest idle one is found for certain among so many, and nearly among more.
 *
 * The loop's thread only.
 */
#pragma once

#include "base/address.h"
#include "base/siphash.h"

enum {
	PEERS_SLOTS = 4096,      /* of each hash table */
	PEERS_LOOKS = 64,        /* seats of a group that are looked at */
	PEERS_GROUPS_LOOKS = 16, /* groups of a site */
	PEERS_SITES_LOOKS = 8,   /* sites */
};
/*
 * Of somebody who does not have more than who comes: a connection this young may have a request on
 * its way.
 */
#define PEERS_YOUNG_NS INT64_C(100000000)

struct peer_group;
struct peer_site;

/* In each connection. */
struct peer_seat {
	struct peer_group *group; /* NULL: not counted */
	struct peer_seat *previous, *next;
};

struct peers {
	struct siphash_key key;
	size_t rank_max, rank_top;
	struct peer_site **ranks; /* by how many connections a site has; rank_max + 1 */
	struct peer_site *sites[PEERS_SLOTS];
	struct peer_group *groups[PEERS_SLOTS];
};

/* connections_max: there are never more seats. 0 or -ENOMEM. */
int peers_init(struct peers *peers, size_t connections_max) MUST_CHECK;
void peers_deinit(struct peers *peers); /* after everybody has left */
/* Without memory for it the seat is not counted: it is never asked to go. */
void peers_join(struct peers *peers, struct peer_seat *seat, const struct address *client);
void peers_leave(struct peers *peers, struct peer_seat *seat); /* one that is not counted too */
/* How many seats there are of this client's address, or of its IPv6 /64. */
size_t peers_count(const struct peers *peers, const struct address *client);
/*
 * Who goes, so that `newcomer` may come; NULL: nobody. idle_since: since when it does nothing
 * (monotonic), INT64_MAX where it may not go.
 */
struct peer_seat *peers_victim(struct peers *peers, const struct address *newcomer, int64_t now_ns,
			       int64_t (*idle_since)(const struct peer_seat *seat));

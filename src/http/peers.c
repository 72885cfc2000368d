#include "http/peers.h"

#include <stdlib.h>
#include "base/random.h"

struct peer_group {
	struct address key; /* an IPv4 address or an IPv6 /64 */
	struct peer_site *site;
	struct peer_seat *first; /* a ring */
	size_t count;
	struct peer_group *previous, *next; /* of the site: not sorted, but who outgrew the first is first */
	struct peer_group *next_in_slot;
};

struct peer_site {
	struct address key; /* an IPv4 address or an IPv6 /48 */
	struct peer_group *groups;
	size_t count;
	struct peer_site *previous, *next; /* of its rank */
	struct peer_site *next_in_slot;
};

int peers_init(struct peers *peers, size_t connections_max)
{
	*peers = (struct peers){.rank_max = connections_max};
	random_bytes(&peers->key, sizeof(peers->key));
	peers->ranks = calloc(connections_max + 1, sizeof(struct peer_site *));
	return peers->ranks ? 0 : error_origin(-ENOMEM);
}

void peers_deinit(struct peers *peers)
{
	free(peers->ranks);
	peers->ranks = NULL;
}

static size_t slot_of(const struct peers *peers, const struct address *key)
{
	return siphash64(&peers->key, key->bytes, sizeof(key->bytes)) % PEERS_SLOTS;
}

static bool same(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- Ranks --- */

static void unrank(struct peers *peers, struct peer_site *site)
{
	if (site->count == 0)
		return;
	if (site->previous)
		site->previous->next = site->next;
	else
		peers->ranks[site->count] = site->next;
	if (site->next)
		site->next->previous = site->previous;
}

static void rank(struct peers *peers, struct peer_site *site)
{
	if (site->count == 0)
		return;
	site->previous = NULL;
	site->next = peers->ranks[site->count];
	if (site->next)
		site->next->previous = site;
	peers->ranks[site->count] = site;
}

static void change_count(struct peers *peers, struct peer_site *site, bool more)
{
	unrank(peers, site);
	if (more)
		site->count++;
	else
		site->count--;
	ASSERT(site->count <= peers->rank_max);
	rank(peers, site);
	if (site->count > peers->rank_top)
		peers->rank_top = site->count;
	while (peers->rank_top > 0 && !peers->ranks[peers->rank_top])
		peers->rank_top--;
}

/* --- Sites and groups --- */

static struct peer_site *find_site(const struct peers *peers, const struct address *key)
{
	struct peer_site *site = peers->sites[slot_of(peers, key)];

	while (site && !same(&site->key, key))
		site = site->next_in_slot;
	return site;
}

static struct peer_site *take_site(struct peers *peers, const struct address *key)
{
	struct peer_site **slot = &peers->sites[slot_of(peers, key)], *site = find_site(peers, key);

	if (site)
		return site;
	site = calloc(1, sizeof(*site));
	if (!site)
		return NULL;
	site->key = *key;
	site->next_in_slot = *slot;
	*slot = site;
	return site;
}

static void drop_site(struct peers *peers, struct peer_site *site)
{
	struct peer_site **link = &peers->sites[slot_of(peers, &site->key)];

	while (*link != site)
		link = &(*link)->next_in_slot;
	*link = site->next_in_slot;
	free(site);
}

static void link_first(struct peer_group *group)
{
	group->previous = NULL;
	group->next = group->site->groups;
	if (group->next)
		group->next->previous = group;
	group->site->groups = group;
}

static void unlink_group(struct peer_group *group)
{
	if (group->previous)
		group->previous->next = group->next;
	else
		group->site->groups = group->next;
	if (group->next)
		group->next->previous = group->previous;
}

static struct peer_group *find_group(const struct peers *peers, const struct address *key)
{
	struct peer_group *group = peers->groups[slot_of(peers, key)];

	while (group && !same(&group->key, key))
		group = group->next_in_slot;
	return group;
}

size_t peers_count(const struct peers *peers, const struct address *client)
{
	struct address key = address_client_key(client);
	const struct peer_group *group = find_group(peers, &key);

	return group ? group->count : 0;
}

static struct peer_group *take_group(struct peers *peers, const struct address *client)
{
	struct address key = address_client_key(client), site_key = address_site(client);
	struct peer_group **slot = &peers->groups[slot_of(peers, &key)], *group = find_group(peers, &key);
	struct peer_site *site;

	if (group)
		return group;
	site = take_site(peers, &site_key);
	group = site ? calloc(1, sizeof(*group)) : NULL;
	if (!group) {
		if (site && site->count == 0)
			drop_site(peers, site);
		return NULL;
	}
	group->key = key;
	group->site = site;
	link_first(group);
	group->next_in_slot = *slot;
	*slot = group;
	return group;
}

static void drop_group(struct peers *peers, struct peer_group *group)
{
	struct peer_group **link = &peers->groups[slot_of(peers, &group->key)];

	while (*link != group)
		link = &(*link)->next_in_slot;
	*link = group->next_in_slot;
	unlink_group(group);
	free(group);
}

void peers_join(struct peers *peers, struct peer_seat *seat, const struct address *client)
{
	struct peer_group *group = take_group(peers, client);

	ASSERT(!seat->group);
	if (!group)
		return;
	seat->group = group;
	if (group->first) { /* the newest is the last */
		seat->next = group->first;
		seat->previous = group->first->previous;
		seat->previous->next = seat;
		group->first->previous = seat;
	} else {
		group->first = seat->next = seat->previous = seat;
	}
	group->count++;
	change_count(peers, group->site, true);
	if (group->site->groups != group && group->count > group->site->groups->count) {
		unlink_group(group);
		link_first(group);
	}
}

void peers_leave(struct peers *peers, struct peer_seat *seat)
{
	struct peer_group *group = seat->group;
	struct peer_site *site;

	if (!group)
		return;
	site = group->site;
	if (group->first == seat)
		group->first = seat->next == seat ? NULL : seat->next;
	seat->previous->next = seat->next;
	seat->next->previous = seat->previous;
	*seat = (struct peer_seat){0};
	group->count--;
	change_count(peers, site, false);
	if (group->count == 0)
		drop_group(peers, group);
	if (site->count == 0)
		drop_site(peers, site);
}

/* --- Who goes --- */

struct candidate {
	struct peer_seat *seat;
	size_t group_count;
	int64_t since_ns;
};

static void look_at_group(struct peer_group *group, int64_t (*idle_since)(const struct peer_seat *seat), struct candidate *best)
{
	struct peer_seat *seat = group->first;
	size_t looks = group->count < PEERS_LOOKS ? group->count : PEERS_LOOKS;

	for (size_t i = 0; i < looks; i++, seat = seat->next) {
		int64_t since_ns = idle_since(seat);

		if (since_ns == INT64_MAX)
			continue;
		if (best->seat &&
		    (group->count < best->group_count || (group->count == best->group_count && since_ns >= best->since_ns)))
			continue;
		*best = (struct candidate){seat, group->count, since_ns};
	}
	group->first = seat; /* others are looked at the next time */
}

static struct candidate look_at_site(const struct peer_site *site, int64_t (*idle_since)(const struct peer_seat *seat))
{
	struct candidate best = {0};
	struct peer_group *group = site->groups;

	for (int i = 0; group && i < PEERS_GROUPS_LOOKS; i++, group = group->next)
		look_at_group(group, idle_since, &best);
	return best;
}

struct peer_seat *peers_victim(struct peers *peers, const struct address *newcomer, int64_t now_ns,
			       int64_t (*idle_since)(const struct peer_seat *seat))
{
	struct address key = address_site(newcomer);
	const struct peer_site *own = find_site(peers, &key);
	size_t own_count = own ? own->count : 0;
	int looks = 0;

	for (size_t count = peers->rank_top; count > 0; count--)
		for (const struct peer_site *site = peers->ranks[count]; site; site = site->next) {
			struct candidate best;

			if (looks++ == PEERS_SITES_LOOKS)
				return NULL;
			best = look_at_site(site, idle_since);
			if (!best.seat)
				continue;
			if (site == own || count > own_count + 1 || now_ns - best.since_ns >= PEERS_YOUNG_NS)
				return best.seat;
		}
	return NULL;
}

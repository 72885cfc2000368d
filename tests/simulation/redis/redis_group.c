#include "simulation/redis/redis_group.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/group.h"
#include "simulation/redis/link.h"

/* --- Addresses --- */

static struct redis_sim *server_at(struct redis_group *group, const char *host)
{
	unsigned number;

	if (sscanf(host, "server-%u", &number) == 1 && number < group->count)
		return group->servers[number];
	if (sscanf(host, "sentinel-%u", &number) == 1 && number < REDIS_GROUP_SENTINELS)
		return group->sentinels[number];
	return NULL;
}

static int open_link(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	return sim_link_open(link, server_at((struct redis_group *)link->transport, address->host), timeouts);
}

const struct redis_transport *redis_group_transport(struct redis_group *group)
{
	return &group->transport;
}

struct redis_sim *redis_group_server(struct redis_group *group, size_t server)
{
	ASSERT(server < group->count);
	return group->servers[server];
}

struct redis_sim *redis_group_sentinel(struct redis_group *group, size_t sentinel)
{
	ASSERT(sentinel < REDIS_GROUP_SENTINELS);
	return group->sentinels[sentinel];
}

/* --- The group --- */

static struct redis_sim *new_member(struct redis_group *group, struct node *node)
{
	struct redis_sim *sim = redis_sim_new(node);

	sim->group = group;
	sim->lock = &group->lock;
	return sim;
}

struct redis_group *redis_group_new(struct node *const *nodes, size_t servers)
{
	struct redis_group *group = sim_alloc(sizeof(*group));

	ASSERT(servers > 0 && servers <= SIM_SERVERS_MAX);
	group->transport = sim_transport(open_link);
	lock_init(&group->lock);
	group->count = servers;
	for (size_t i = 0; i < servers; i++)
		group->servers[i] = new_member(group, nodes[i]);
	for (size_t i = 1; i < servers; i++)
		sim_replication_follow(group->servers[i], group->servers[0]);
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++)
		group->sentinels[i] = new_member(group, nodes[0]);
	sim_replicate(group->servers[0]);
	return group;
}

void redis_group_free(struct redis_group *group)
{
	if (!group)
		return;
	for (size_t i = 0; i < group->count; i++)
		redis_sim_free(group->servers[i]);
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++)
		redis_sim_free(group->sentinels[i]);
	lock_deinit(&group->lock);
	free(group);
}

void redis_group_configure(struct redis_group *group, const char *name, const char *value)
{
	for (size_t i = 0; i < group->count; i++) {
		redisReply *reply = redis_sim_ask(group->servers[i], "CONFIG SET %s %s", name, value);

		ASSERT(reply->type == REDIS_REPLY_STATUS);
		freeReplyObject(reply);
	}
}

void redis_group_end_client(struct redis_group *group, const struct node *client, bool arrives)
{
	for (size_t i = 0; i < group->count; i++)
		redis_sim_end_client(group->servers[i], client, arrives);
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++)
		redis_sim_end_client(group->sentinels[i], client, arrives);
}

/* --- What goes wrong between them --- */

/* Before anything changes, all is done that should have been by now. */
static struct redis_sim *begin_change(struct redis_group *group, size_t server)
{
	struct redis_sim *sim = redis_group_server(group, server);

	sim_lock(sim);
	sim_catch_up(sim);
	return sim;
}

static void end_change(struct redis_sim *sim)
{
	sim_catch_up(sim);
	for (size_t i = 0; i < sim->group->count; i++)
		sim_wake_all(sim->group->servers[i]);
	sim_unlock(sim);
}

void redis_group_set_lag(struct redis_group *group, size_t server, int64_t lag_ns)
{
	struct redis_sim *sim = begin_change(group, server);

	sim->replication.lag_ns = lag_ns;
	end_change(sim);
}

void redis_group_set_apart(struct redis_group *group, size_t server, bool apart)
{
	struct redis_sim *sim = begin_change(group, server);

	sim->replication.apart = apart;
	end_change(sim);
}

void redis_group_promote(struct redis_group *group, size_t server)
{
	struct redis_sim *sim = begin_change(group, server);

	ASSERT(sim->replica);
	sim_replication_promote(sim);
	end_change(sim);
}

void redis_group_follow(struct redis_group *group, size_t server, size_t master)
{
	struct redis_sim *sim = begin_change(group, server);

	ASSERT(server != master);
	sim_replication_follow(sim, redis_group_server(group, master));
	end_change(sim);
}

void redis_group_point(struct redis_group *group, size_t sentinel, size_t server)
{
	struct redis_sim *sim = redis_group_sentinel(group, sentinel);

	sim_lock(sim);
	sim->named = server;
	sim_unlock(sim);
}

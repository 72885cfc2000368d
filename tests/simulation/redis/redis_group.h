/*
 * Several servers in the process, and three Sentinels: one of them is the master, the others follow
 * it. All addresses lead to one of them; whom a gate meets is what its Sentinel says. What is done
 * when (a server is found to be away, a replica is promoted) is up to the test: Sentinels do
 * nothing by themselves, so that they may also be late, or wrong.
 */
#pragma once

#include "simulation/redis/redis_sim.h"

enum { REDIS_GROUP_SENTINELS = 3 };
/* For stock.url: by the Sentinels; one server alone, by its number, is redis://server-N. */
#define REDIS_GROUP_URL "redis+sentinel://sentinel-0,sentinel-1,sentinel-2/mymaster"
static const size_t REDIS_GROUP_NOBODY = SIZE_MAX;

struct redis_group;

/*
 * The first is the master, and the Sentinels say so. Each server has the clock and the random
 * numbers of its node (redis_sim_new()); there are as many nodes as servers, four at most.
 */
struct redis_group *redis_group_new(struct node *const *nodes, size_t servers);
void redis_group_free(struct redis_group *group); /* no connection is open any more */
const struct redis_transport *redis_group_transport(struct redis_group *group);
struct redis_sim *redis_group_server(struct redis_group *group, size_t server);
struct redis_sim *redis_group_sentinel(struct redis_group *group, size_t sentinel);
/* CONFIG SET, on all servers. */
void redis_group_configure(struct redis_group *group, const char *name, const char *value);
/* For each server and Sentinel. */
void redis_group_end_client(struct redis_group *group, const struct node *client, bool arrives);

/* --- What goes wrong between them --- */

/* So long takes what its master does to a replica, and again so long its word that it has it. */
void redis_group_set_lag(struct redis_group *group, size_t server, int64_t lag_ns);
/* It and the other servers hear nothing of each other. Clients reach it as before. */
void redis_group_set_apart(struct redis_group *group, size_t server, bool apart);
/*
 * A replica becomes a master, with what it has. Its former one is told nothing: there may be two.
 */
void redis_group_promote(struct redis_group *group, size_t server);
/* What it has is the other's from the moment on when they can hear each other. */
void redis_group_follow(struct redis_group *group, size_t server, size_t master);
/* Whom a Sentinel calls the master; REDIS_GROUP_NOBODY. */
void redis_group_point(struct redis_group *group, size_t sentinel, size_t server);

/* What a group is made of, for its parts. */
#pragma once

#include "simulation/redis/redis_group.h"
#include "simulation/redis/server.h"

struct redis_group {
	struct redis_transport transport; /* first member */
	struct lock lock;
	struct redis_sim *servers[SIM_SERVERS_MAX], *sentinels[REDIS_GROUP_SENTINELS];
	size_t count; /* of servers */
};

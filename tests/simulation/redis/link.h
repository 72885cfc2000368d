/* A client's side of a connection. */
#pragma once

#include "simulation/redis/server.h"

/*
 * To that server; NULL: nobody has this address. Without timeouts it is a test's own
 * (redis_sim_ask()).
 */
int sim_link_open(struct redis_link *link, struct redis_sim *sim, const struct redis_timeouts *timeouts);
struct redis_transport sim_transport(int (*open)(struct redis_link *link, const struct redis_address *address,
						 const struct redis_timeouts *timeouts));

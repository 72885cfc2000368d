/* The way between a gate and Redis, where nothing goes wrong: it takes some time. */
#include "base/pause.h"
#include "simulation/world/parts.h"
#include "stock/redis/transport.h"

struct way {
	struct redis_transport transport; /* first */
	const struct redis_transport *server;
	struct world *world;
	struct draw draw;
};

static struct way network;

static void travel(void)
{
	pause_sleep(draw_between(&network.draw, 20000, 400000));
}

static int open_link(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	int r;

	travel();
	link->transport = network.server;
	r = network.server->open(link, address, timeouts);
	link->transport = &network.transport;
	return r;
}

static int write_link(struct redis_link *link, int *done)
{
	int r;

	travel();
	link->transport = network.server;
	r = network.server->write(link, done);
	link->transport = &network.transport;
	return r;
}

static int take_reply(struct redis_link *link, void **reply)
{
	int r;

	travel();
	link->transport = network.server;
	r = network.server->reply(link, reply);
	link->transport = &network.transport;
	return r;
}

static bool is_quiet(const struct redis_link *link)
{
	struct redis_link inner = *link;

	inner.transport = network.server;
	return network.server->is_quiet(&inner);
}

static void close_link(struct redis_link *link)
{
	link->transport = network.server;
	network.server->close(link);
	link->transport = &network.transport;
}

const struct redis_transport *network_transport(struct world *world)
{
	network = (struct way){
		.transport = {open_link, write_link, take_reply, is_quiet, close_link},
		.server = world->group ? redis_group_transport(world->group) : redis_sim_transport(world->redis),
		.world = world,
		.draw = network.world ? network.draw : draw_of(world->plan->seed, "network", 0),
	};
	return &network.transport;
}

/* What goes wrong with a server, its connections and its memory. */
#include <stdio.h>
#include "base/random.h"
#include "simulation/redis/server.h"

static void make_id(char id[SIM_ID_SIZE + 1])
{
	snprintf(id, SIM_ID_SIZE + 1, "%016llx%016llx%08llx", (unsigned long long)random_u64(), (unsigned long long)random_u64(),
		 (unsigned long long)(random_u64() >> 32));
}

void sim_make_ids(struct redis_sim *sim, bool run)
{
	struct node *before = sim_enter_node(sim);

	if (run)
		make_id(sim->run_id);
	make_id(sim->replid);
	node_enter(before);
}

void sim_close_peers(struct redis_sim *sim)
{
	for (struct sim_peer *peer = sim->peers; peer; peer = peer->next)
		peer->closed = true;
}

/* --- On the way --- */

bool sim_cut_here(struct sim_peer *peer)
{
	struct redis_sim *sim = peer->sim;

	if (peer->closed || !sim->cut.armed || sim->cut.left > 0)
		return peer->closed;
	if (!sim->cut.told)
		buffer_clear(&peer->out);
	sim->cut.armed = false;
	peer->closed = true;
	return true;
}

void sim_cut_count(struct redis_sim *sim)
{
	if (sim->cut.armed && sim->cut.left > 0)
		sim->cut.left--;
}

/* Its frame stays: what a peer sends that is no reply at all, hiredis refuses. */
void sim_corrupt(struct sim_peer *peer, size_t from)
{
	char *reply = peer->out.data + from, *body = memchr(reply, '\n', peer->out.size - from);
	size_t size = body ? (size_t)(peer->out.data + peer->out.size - body) : 0;

	if (peer->sim->corrupt == 0 || *reply != '$' || size <= 3)
		return;
	peer->sim->corrupt--;
	for (uint64_t i = 1 + random_u64() % 4; i > 0; i--)
		body[1 + random_u64() % (size - 3)] = (char)random_u64();
}

void redis_sim_cut(struct redis_sim *sim, unsigned done, bool told)
{
	lock_take(&sim->lock);
	sim->cut.armed = true;
	sim->cut.told = told;
	sim->cut.left = done;
	lock_release(&sim->lock);
}

void redis_sim_corrupt(struct redis_sim *sim, unsigned replies)
{
	lock_take(&sim->lock);
	sim->corrupt = replies;
	lock_release(&sim->lock);
}

/* --- The server --- */

void redis_sim_mark(struct redis_sim *sim)
{
	lock_take(&sim->lock);
	for (int i = 0; i < SIM_DATABASES; i++) {
		sim_forget_all(&sim->marked[i]);
		sim->marked[i] = sim_keys_copy(&sim->databases[i]);
	}
	lock_release(&sim->lock);
}

void redis_sim_restart(struct redis_sim *sim, enum redis_sim_memory memory)
{
	lock_take(&sim->lock);
	sim_close_peers(sim);
	for (int i = 0; i < SIM_DATABASES && memory != REDIS_SIM_ALL; i++) {
		sim_forget_all(&sim->databases[i]);
		if (memory == REDIS_SIM_MARK)
			sim->databases[i] = sim_keys_copy(&sim->marked[i]);
	}
	sim->scripts = sim_scripts_again(sim, sim->scripts, memory != REDIS_SIM_NOTHING);
	sim->replica = false;
	sim_make_ids(sim, true);
	lock_release(&sim->lock);
}

void redis_sim_set_down(struct redis_sim *sim, bool down)
{
	lock_take(&sim->lock);
	sim->down = down;
	if (down)
		sim_close_peers(sim);
	lock_release(&sim->lock);
}

void redis_sim_set_replica(struct redis_sim *sim, bool replica)
{
	lock_take(&sim->lock);
	sim->replica = replica;
	sim_make_ids(sim, false);
	lock_release(&sim->lock);
}

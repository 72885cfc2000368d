/* What goes wrong with a server, its connections and its memory. */
#include <stdio.h>
#include "base/assertion.h"
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

static void close_peer(struct sim_peer *peer)
{
	peer->closed = true;
	sim_way_clear(&peer->there);
	buffer_clear(&peer->in);
	peer->waiting.armed = false;
	sim_peer_wake(peer);
	if (peer->gone)
		sim_peer_leave(peer);
}

void sim_close_peers(struct redis_sim *sim)
{
	for (struct sim_peer *peer = sim->peers, *next; peer; peer = next) {
		next = peer->next;
		if (peer->direct)
			peer->closed = false;
		else
			close_peer(peer);
	}
}

void redis_sim_close_client(struct redis_sim *sim, const struct node *client)
{
	sim_lock(sim);
	sim_catch_up(sim);
	for (struct sim_peer *peer = sim->peers, *next; peer; peer = next) {
		next = peer->next;
		if (peer->client == client && !peer->direct)
			close_peer(peer);
	}
	sim_unlock(sim);
}

/* --- On the way --- */

bool sim_cut_here(struct sim_peer *peer)
{
	struct redis_sim *sim = peer->sim;

	if (peer->closed || peer->direct || !sim->cut.armed || sim->cut.left > 0)
		return peer->closed;
	if (!sim->cut.told) {
		buffer_clear(&peer->out);
		sim_way_clear(&peer->back);
	}
	sim->cut.armed = false;
	peer->closed = true;
	return true;
}

void sim_cut_count(struct sim_peer *peer)
{
	struct redis_sim *sim = peer->sim;

	if (!peer->direct && sim->cut.armed && sim->cut.left > 0)
		sim->cut.left--;
}

/* Its frame stays: what a peer sends that is no reply at all, hiredis refuses. */
void sim_corrupt(struct sim_peer *peer, size_t from)
{
	char *reply = peer->out.data + from, *body = memchr(reply, '\n', peer->out.size - from);
	size_t size = body ? (size_t)(peer->out.data + peer->out.size - body) : 0;

	if (peer->sim->corrupt == 0 || peer->direct || *reply != '$' || size <= 3)
		return;
	peer->sim->corrupt--;
	for (uint64_t i = 1 + random_u64() % 4; i > 0; i--)
		body[1 + random_u64() % (size - 3)] = (char)random_u64();
}

void redis_sim_cut(struct redis_sim *sim, unsigned done, bool told)
{
	sim_lock(sim);
	sim->cut.armed = true;
	sim->cut.told = told;
	sim->cut.left = done;
	sim_unlock(sim);
}

void redis_sim_corrupt(struct redis_sim *sim, unsigned replies)
{
	sim_lock(sim);
	sim->corrupt = replies;
	sim_unlock(sim);
}

/* --- The server --- */

void redis_sim_mark(struct redis_sim *sim)
{
	sim_lock(sim);
	for (int i = 0; i < SIM_DATABASES; i++) {
		sim_forget_all(&sim->marked[i]);
		sim->marked[i] = sim_keys_copy(&sim->databases[i]);
	}
	sim_unlock(sim);
}

void redis_sim_restart(struct redis_sim *sim, enum redis_sim_memory memory)
{
	sim_lock(sim);
	sim_catch_up(sim);
	sim_close_peers(sim);
	for (int i = 0; i < SIM_DATABASES && memory != REDIS_SIM_ALL; i++) {
		sim_forget_all(&sim->databases[i]);
		if (memory == REDIS_SIM_MARK)
			sim->databases[i] = sim_keys_copy(&sim->marked[i]);
	}
	sim_scripts_renew(sim, memory == REDIS_SIM_NOTHING ? NULL : sim->scripts);
	sim->replica = sim->replication.master != NULL;
	sim->paused = false;
	sim_make_ids(sim, true);
	sim_replication_reset(sim);
	sim->changes++;
	sim_unlock(sim);
}

void redis_sim_set_down(struct redis_sim *sim, bool down)
{
	sim_lock(sim);
	sim_catch_up(sim);
	sim->down = down;
	if (down)
		sim_close_peers(sim);
	sim_unlock(sim);
}

void redis_sim_set_replica(struct redis_sim *sim, bool replica)
{
	sim_lock(sim);
	sim->replica = replica;
	sim_make_ids(sim, false);
	sim_unlock(sim);
}

/* --- Between it and its clients --- */

void redis_sim_set_delay(struct redis_sim *sim, int64_t there_ns, int64_t back_ns)
{
	sim_lock(sim);
	sim->there_ns = there_ns;
	sim->back_ns = back_ns;
	sim_unlock(sim);
}

void redis_sim_set_paused(struct redis_sim *sim, bool paused)
{
	sim_lock(sim);
	sim_catch_up(sim);
	sim->paused = paused;
	sim_wake_all(sim);
	sim_unlock(sim);
}

void redis_sim_set_cut_off(struct redis_sim *sim, struct node *client, bool cut_off)
{
	size_t kept = 0;

	sim_lock(sim);
	sim_catch_up(sim);
	for (size_t i = 0; i < sim->cut_off_count; i++)
		if (sim->cut_off[i] != client)
			sim->cut_off[kept++] = sim->cut_off[i];
	sim->cut_off_count = kept;
	if (cut_off) {
		ASSERT(kept < SIM_CUT_OFF_MAX);
		sim->cut_off[sim->cut_off_count++] = client;
	}
	sim_wake_all(sim);
	sim_unlock(sim);
}

void redis_sim_end_client(struct redis_sim *sim, const struct node *client, bool arrives)
{
	sim_lock(sim);
	sim_catch_up(sim);
	for (struct sim_peer *peer = sim->peers, *next; peer; peer = next) {
		next = peer->next;
		if (peer->client != client || peer->gone)
			continue;
		if (!arrives)
			sim_way_clear(&peer->there);
		sim_peer_leave(peer);
	}
	sim_unlock(sim);
}

#include "simulation/redis/replication.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "simulation/redis/group.h"

enum { RECORDS_MAX = 4096 };
static const int64_t TIMEOUT_MS = 60000; /* repl-timeout */

struct sim_done {
	unsigned database;
	size_t count;
	struct slice *args;
};

struct sim_record {
	unsigned servers; /* that keep it */
	int64_t now_ms;   /* wall, of the first master: keys end by it */
	struct sim_done *commands;
	size_t count;
};

/* A server's own moment of it. */
struct sim_logged {
	struct sim_record *record;
	int64_t at_ns;
};

/* --- Records --- */

void sim_record_command(const struct sim_call *call)
{
	struct sim_replication *replication = &call->sim->replication;
	struct sim_record *record = replication->open;
	struct sim_done *done;

	call->sim->changes++;
	if (!call->sim->group || call->obeys)
		return;
	if (!record)
		record = replication->open = sim_alloc(sizeof(*record));
	record->now_ms = call->now_ms;
	record->commands = realloc(record->commands, (record->count + 1) * sizeof(*record->commands));
	ASSERT(record->commands);
	done = &record->commands[record->count++];
	*done = (struct sim_done){call->peer->database, call->count, sim_alloc(call->count * sizeof(struct slice))};
	for (size_t i = 0; i < call->count; i++)
		done->args[i] = sim_copy(call->args[i]);
}

static void release(struct sim_record *record)
{
	if (--record->servers > 0)
		return;
	for (size_t i = 0; i < record->count; i++) {
		for (size_t j = 0; j < record->commands[i].count; j++)
			free((char *)record->commands[i].args[j].data);
		free(record->commands[i].args);
	}
	free(record->commands);
	free(record);
}

static struct sim_logged *logged(const struct redis_sim *sim, uint64_t offset)
{
	return &sim->replication.log[offset - sim->replication.first];
}

static void drop_first(struct sim_replication *replication, size_t count)
{
	size_t kept = (size_t)(replication->offset - replication->first) - count;

	for (size_t i = 0; i < count; i++)
		release(replication->log[i].record);
	if (kept > 0)
		memmove(replication->log, replication->log + count, kept * sizeof(*replication->log));
	replication->first += count;
}

static void append(struct redis_sim *sim, struct sim_record *record)
{
	struct sim_replication *replication = &sim->replication;

	if (!replication->log)
		replication->log = sim_alloc(RECORDS_MAX * sizeof(*replication->log));
	if (replication->offset - replication->first == RECORDS_MAX)
		drop_first(replication, RECORDS_MAX / 2);
	record->servers++;
	replication->offset++;
	*logged(sim, replication->offset - 1) = (struct sim_logged){record, clock_mono_ns()};
}

void sim_record_end(struct redis_sim *sim)
{
	if (sim->replication.open)
		append(sim, sim->replication.open);
	sim->replication.open = NULL;
}

static void forget_log(struct sim_replication *replication, uint64_t offset)
{
	drop_first(replication, (size_t)(replication->offset - replication->first));
	replication->first = replication->offset = offset;
}

void sim_replication_reset(struct redis_sim *sim)
{
	if (sim->replication.log)
		forget_log(&sim->replication, 0);
	sim->replication.synced = false;
	sim->replication.former_replid[0] = '\0';
	memset(sim->replication.seen, 0, sizeof(sim->replication.seen));
}

void sim_replication_deinit(struct redis_sim *sim)
{
	sim_replication_reset(sim);
	free(sim->replication.log);
}

/* --- A replica and its master --- */

/* Whether the two can speak. */
static bool can_hear(const struct redis_sim *sim, const struct redis_sim *master)
{
	return !sim->down && !sim->paused && !master->down && !master->paused && !sim->replication.apart && !master->replication.apart;
}

static void apply(struct redis_sim *sim, struct sim_record *record)
{
	struct buffer out;

	buffer_init(&out, 1 << 30);
	for (size_t i = 0; i < record->count; i++) {
		const struct sim_done *done = &record->commands[i];
		struct sim_peer peer = {.sim = sim, .database = done->database};
		struct sim_call call = {.sim = sim,
					.peer = &peer,
					.args = done->args,
					.count = done->count,
					.out = &out,
					.now_ms = record->now_ms,
					.obeys = true};

		buffer_clear(&out);
		sim_run(&call);
		ASSERT(out.data[0] != '-'); /* it was done on the master */
	}
	buffer_deinit(&out);
	append(sim, record);
}

static bool can_go_on(const struct redis_sim *sim, const struct redis_sim *master)
{
	const struct sim_replication *own = &sim->replication, *theirs = &master->replication;
	uint64_t shared = 0;

	if (strcmp(sim->replid, master->replid) == 0)
		shared = theirs->offset;
	else if (strcmp(sim->replid, theirs->former_replid) == 0)
		shared = theirs->former_offset;
	else
		return false;
	return own->offset <= shared && own->offset >= theirs->first;
}

static void take_all(struct redis_sim *sim, const struct redis_sim *master)
{
	for (int i = 0; i < SIM_DATABASES; i++) {
		sim_forget_all(&sim->databases[i]);
		sim->databases[i] = sim_keys_copy(&master->databases[i]);
	}
	sim->changes++;
	sim_scripts_renew(sim, master->scripts);
	forget_log(&sim->replication, master->replication.offset);
}

static void sync(struct redis_sim *sim, const struct redis_sim *master)
{
	struct sim_replication *replication = &sim->replication;

	if (replication->synced && strcmp(sim->replid, master->replid) == 0 && replication->offset >= master->replication.first)
		return;
	if (!can_go_on(sim, master))
		take_all(sim, master);
	replication->synced = true;
	memcpy(sim->replid, master->replid, sizeof(sim->replid));
}

static void hear(struct redis_sim *sim, struct redis_sim *master, struct sim_seen *seen)
{
	struct sim_replication *own = &sim->replication;
	struct node *before = sim_enter_node(master);
	int64_t now_ns = clock_mono_ns();
	uint64_t known;

	seen->heard_ms = clock_wall_ms();
	node_enter(before);
	sync(sim, master);
	before = sim_enter_node(sim);
	while (own->offset < master->replication.offset && logged(master, own->offset)->at_ns + own->lag_ns <= now_ns)
		apply(sim, logged(master, own->offset)->record);
	node_enter(before);
	if (!seen->there)
		seen->acked = 0;
	seen->there = true;
	known = own->offset;
	while (known > seen->acked && known > master->replication.first && logged(master, known - 1)->at_ns + 2 * own->lag_ns > now_ns)
		known--;
	seen->acked = known;
}

/* What each server knows of the one that can speak to it again, or still. */
static void meet(struct redis_sim *sim, size_t number, struct redis_sim *master)
{
	struct sim_seen *seen = &master->replication.seen[number];

	if (sim->down)
		seen->there = false; /* its connection has ended */
	if (sim == master || !can_hear(sim, master))
		return;
	if (sim->replication.master == master)
		hear(sim, master, seen);
	else
		seen->there = false;
}

void sim_replicate(struct redis_sim *sim)
{
	struct redis_group *group = sim->group;

	for (size_t i = 0; group && i < group->count; i++)
		for (size_t j = 0; j < group->count; j++)
			meet(group->servers[i], i, group->servers[j]);
}

/* --- What a master knows of its replicas --- */

static bool is_there(struct redis_sim *sim, const struct sim_seen *seen)
{
	struct node *before = sim_enter_node(sim);
	int64_t silent_ms = clock_wall_ms() - seen->heard_ms;

	node_enter(before);
	return seen->there && silent_ms <= TIMEOUT_MS;
}

size_t sim_replicas(struct redis_sim *sim)
{
	size_t count = 0;

	for (size_t i = 0; i < SIM_SERVERS_MAX; i++)
		count += is_there(sim, &sim->replication.seen[i]);
	return count;
}

bool sim_has_good_replicas(struct redis_sim *sim)
{
	int64_t wanted = sim_read_whole(sim_setting(sim, "min-replicas-to-write").data), lag_s, good = 0;

	if (wanted == 0 || sim->replica)
		return true;
	lag_s = sim_read_whole(sim_setting(sim, "min-replicas-max-lag").data);
	if (lag_s == 0)
		return true;
	for (size_t i = 0; i < SIM_SERVERS_MAX; i++) {
		const struct sim_seen *seen = &sim->replication.seen[i];

		good += is_there(sim, seen) && (clock_wall_ms() - seen->heard_ms) / 1000 <= lag_s;
	}
	return good >= wanted;
}

int64_t sim_replicas_at(struct redis_sim *sim, uint64_t offset)
{
	int64_t count = 0;

	for (size_t i = 0; i < SIM_SERVERS_MAX; i++)
		count += is_there(sim, &sim->replication.seen[i]) && sim->replication.seen[i].acked >= offset;
	return count;
}

int64_t sim_replicas_next(struct redis_sim *sim, uint64_t offset)
{
	int64_t next_ns = INT64_MAX, at_ns;

	for (size_t i = 0; sim->group && i < sim->group->count; i++) {
		const struct redis_sim *other = sim->group->servers[i];
		const struct sim_seen *seen = &sim->replication.seen[i];

		if (other->replication.master != sim || !can_hear(other, sim) || !seen->there || seen->acked >= offset ||
		    offset <= sim->replication.first)
			continue;
		at_ns = logged(sim, offset - 1)->at_ns + 2 * other->replication.lag_ns;
		next_ns = at_ns < next_ns ? at_ns : next_ns;
	}
	return next_ns;
}

/* --- Who is the master --- */

void sim_replication_promote(struct redis_sim *sim)
{
	struct sim_replication *replication = &sim->replication;

	memcpy(replication->former_replid, sim->replid, sizeof(sim->replid));
	replication->former_offset = replication->offset;
	replication->master = NULL;
	sim->replica = false;
	sim_make_ids(sim, false);
}

void sim_replication_follow(struct redis_sim *sim, struct redis_sim *master)
{
	for (struct sim_peer *peer = sim->peers; peer; peer = peer->next)
		if (peer->waiting.armed)
			sim_peer_break_off(peer);
	sim->replication.master = master;
	sim->replication.synced = false;
	sim->replica = true;
}

/* Connections as the server has them: what arrives, what is done with it, and what leaves. */
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "simulation/redis/group.h"
#include "simulation/redis/server.h"

enum { ARGUMENTS_MAX = 1024, BYTES_MAX = 1 << 30 };

struct sim_peer *sim_peer_new(struct redis_sim *sim, int64_t call_ns)
{
	struct sim_peer *peer = sim_alloc(sizeof(*peer));

	peer->sim = sim;
	peer->client = node_current;
	peer->call_ns = call_ns;
	buffer_init(&peer->in, BYTES_MAX);
	buffer_init(&peer->out, BYTES_MAX);
	sim_way_init(&peer->there);
	sim_way_init(&peer->back);
	peer->next = sim->peers;
	sim->peers = peer;
	return peer;
}

static void free_peer(struct sim_peer *peer)
{
	buffer_deinit(&peer->in);
	buffer_deinit(&peer->out);
	sim_way_deinit(&peer->there);
	sim_way_deinit(&peer->back);
	free(peer);
}

/* Of those whose clients are gone: what can arrive no more, and what waits for nobody's sake. */
static void sweep(struct redis_sim *sim)
{
	struct sim_peer **at = &sim->peers, *peer;

	while ((peer = *at)) {
		if (peer->gone && (peer->closed || peer->waiting.armed || peer->there.count == 0)) {
			*at = peer->next;
			free_peer(peer);
		} else {
			at = &peer->next;
		}
	}
}

void sim_peer_leave(struct sim_peer *peer)
{
	peer->gone = true;
	sweep(peer->sim);
}

bool sim_is_cut_off(const struct sim_peer *peer)
{
	const struct redis_sim *sim = peer->sim;
	bool cut_off = false;

	for (size_t i = 0; i < sim->cut_off_count; i++)
		cut_off |= sim->cut_off[i] == peer->client;
	return cut_off && !peer->direct;
}

static bool stands_still(const struct sim_peer *peer)
{
	return peer->sim->paused && !peer->direct;
}

int64_t sim_peer_next(const struct sim_peer *peer)
{
	int64_t next_ns = sim_way_next(&peer->back), other_ns = INT64_MAX;

	if (sim_is_cut_off(peer))
		return INT64_MAX;
	if (stands_still(peer))
		return next_ns;
	if (peer->waiting.armed) {
		other_ns = sim_replicas_next(peer->sim, peer->offset);
		next_ns = peer->waiting.until_ns < next_ns ? peer->waiting.until_ns : next_ns;
	} else {
		other_ns = sim_way_next(&peer->there);
	}
	return other_ns < next_ns ? other_ns : next_ns;
}

void sim_peer_wake(struct sim_peer *peer)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->wake(scheduler, peer, true);
}

void sim_wake_all(struct redis_sim *sim)
{
	for (struct sim_peer *peer = sim->peers; peer; peer = peer->next)
		sim_peer_wake(peer);
}

/* --- What a connection sends --- */

/* The number behind `mark`, and where it ends; 0: it is not all there. */
static size_t take_number(const char *data, size_t size, char mark, int64_t *number)
{
	const char *end = memchr(data, '\n', size);

	if (!end)
		return 0;
	ASSERT(data[0] == mark && end > data && end[-1] == '\r'); /* hiredis writes nothing else */
	*number = sim_read_whole(data + 1);
	return (size_t)(end + 1 - data);
}

/*
 * One command's arguments, each with a NUL behind it, where they are. The bytes that it took; 0: it
 * is not all there.
 */
static size_t take_command(struct buffer *in, struct slice *args, size_t *count)
{
	int64_t wanted, size;
	size_t at = take_number(in->data, in->size, '*', &wanted), line;

	*count = 0;
	ASSERT(at == 0 || (wanted > 0 && wanted <= ARGUMENTS_MAX));
	for (int64_t i = 0; at > 0 && i < wanted; i++) {
		line = take_number(in->data + at, in->size - at, '$', &size);
		if (line == 0 || in->size - at - line < (size_t)size + 2)
			return 0;
		args[(*count)++] = (struct slice){in->data + at + line, (size_t)size};
		at += line + (size_t)size + 2;
	}
	for (size_t i = 0; i < *count; i++)
		in->data[args[i].data - in->data + (ptrdiff_t)args[i].size] = '\0'; /* in the place of CR LF */
	return at;
}

static void run(struct sim_peer *peer, const struct slice *args, size_t count)
{
	struct sim_call call = {
		.sim = peer->sim, .peer = peer, .args = args, .count = count, .out = &peer->out, .now_ms = clock_wall_ms()};
	size_t from = peer->out.size;

	sim_run(&call);
	sim_record_end(peer->sim);
	if (peer->waiting.armed)
		return;
	peer->offset = peer->sim->replication.offset;
	sim_corrupt(peer, from);
	sim_cut_count(peer);
}

static void send_replies(struct sim_peer *peer)
{
	if (peer->out.size > 0)
		sim_way_put(&peer->back, peer->out.data, peer->out.size, clock_mono_ns() + (peer->direct ? 0 : peer->sim->back_ns));
	buffer_clear(&peer->out);
	sim_peer_wake(peer);
}

void sim_peer_break_off(struct sim_peer *peer)
{
	peer->waiting.armed = false;
	buffer_append_literal(&peer->out,
			      "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n");
	send_replies(peer);
	peer->closed = true;
}

/* All that has come whole is done, one after the other, unless one of them waits. */
static void serve(struct sim_peer *peer)
{
	struct slice args[ARGUMENTS_MAX];
	size_t count, size = 1;

	while (size > 0 && peer->in.size > 0 && !peer->waiting.armed && !sim_cut_here(peer)) {
		size = take_command(&peer->in, args, &count);
		if (size > 0)
			run(peer, args, count);
		buffer_consume(&peer->in, size);
	}
	if (!peer->waiting.armed)
		(void)sim_cut_here(peer);
	send_replies(peer);
}

/* --- What should have happened by now --- */

/* Whose command arrives first; NULL: none has arrived. */
static struct sim_peer *first_to_arrive(struct redis_sim *sim)
{
	struct sim_peer *first = NULL;

	for (struct sim_peer *peer = sim->peers; peer; peer = peer->next)
		if (!stands_still(peer) && !sim_is_cut_off(peer) && !peer->waiting.armed &&
		    (!first || sim_way_next(&peer->there) < sim_way_next(&first->there)))
			first = peer;
	return first;
}

static bool serve_arrived(struct redis_sim *sim)
{
	struct sim_peer *peer = first_to_arrive(sim);

	if (!peer || !sim_way_take(&peer->there, clock_mono_ns(), &peer->in))
		return false;
	serve(peer);
	return true;
}

/* One whose WAIT is over. */
static bool end_wait(struct redis_sim *sim)
{
	int64_t now_ns = clock_mono_ns(), count;

	for (struct sim_peer *peer = sim->peers; peer; peer = peer->next) {
		if (!peer->waiting.armed || stands_still(peer))
			continue;
		count = sim_replicas_at(sim, peer->offset);
		if (count < peer->waiting.replicas && now_ns < peer->waiting.until_ns)
			continue;
		peer->waiting.armed = false;
		buffer_printf(&peer->out, ":%lld\r\n", (long long)count);
		sim_cut_count(peer);
		serve(peer);
		return true;
	}
	return false;
}

static bool catch_up_one(struct redis_sim *sim)
{
	struct node *before = sim_enter_node(sim);
	bool busy = false;

	while (serve_arrived(sim) || end_wait(sim))
		busy = true;
	sweep(sim);
	node_enter(before);
	return busy;
}

void sim_catch_up(struct redis_sim *sim)
{
	bool busy = true;

	while (busy) {
		sim_replicate(sim);
		busy = catch_up_one(sim);
		for (size_t i = 0; sim->group && i < sim->group->count; i++)
			busy |= catch_up_one(sim->group->servers[i]);
	}
}

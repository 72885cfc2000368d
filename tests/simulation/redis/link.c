/* The transport: what hiredis has in its buffers comes to a server, and replies come back. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "base/pause.h"
#include "simulation/redis/link.h"

static const int64_t LOOK_NS = 1000000; /* without a scheduler nobody tells that something has changed */

/* A test's own commands run between two steps of all others. */
static void yield(bool direct)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler && !direct)
		scheduler->ops->yield(scheduler, false);
}

static void rest(const void *address, int64_t time_ns)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->wait(scheduler, address, time_ns == INT64_MAX ? INT64_MAX : clock_mono_ns() + time_ns);
	else
		pause_sleep(time_ns < LOOK_NS ? time_ns : LOOK_NS);
}

/* --- Opening --- */

static int fail(struct redis_link *link, const char *reason)
{
	link->context->err = REDIS_ERR_IO;
	snprintf(link->context->errstr, sizeof(link->context->errstr), "%s", reason);
	return REDIS_ERR;
}

static bool is_out_of_reach(const struct redis_sim *sim)
{
	const struct sim_peer here = {.sim = (struct redis_sim *)sim, .client = node_current};

	return sim_is_cut_off(&here);
}

static void wait_in_vain(const struct redis_link *link, int64_t time_ns)
{
	int64_t until_ns = clock_mono_ns() + time_ns, left_ns;

	while ((left_ns = until_ns - clock_mono_ns()) > 0)
		rest(link, left_ns);
}

int sim_link_open(struct redis_link *link, struct redis_sim *sim, const struct redis_timeouts *timeouts)
{
	bool out_of_reach;

	yield(!timeouts);
	link->context = redisConnectFd(-1); /* it never reads or writes there */
	ASSERT(link->context);
	if (!sim)
		return fail(link, "Name or service not known");
	sim_lock(sim);
	out_of_reach = timeouts && is_out_of_reach(sim);
	if (!out_of_reach && (!timeouts || !sim->down)) {
		struct sim_peer *peer = sim_peer_new(sim, timeouts ? timeouts->call_ns : 0);

		peer->direct = !timeouts;
		link->peer = peer;
	}
	sim_unlock(sim);
	if (out_of_reach)
		wait_in_vain(link, timeouts->connect_ns);
	if (!link->peer)
		return fail(link, out_of_reach ? "Connection timed out" : "Connection refused");
	yield(!timeouts);
	return REDIS_OK;
}

/* --- Commands and replies --- */

static bool seems_closed(const struct sim_peer *peer)
{
	return peer->closed && !sim_is_cut_off(peer);
}

/* Whether it could be sent. */
static bool send_bytes(struct sim_peer *peer, const char *data, size_t size)
{
	struct redis_sim *sim = peer->sim;
	struct node *before;
	bool sent;

	sim_lock(sim);
	before = sim_enter_node(sim);
	sent = !seems_closed(peer);
	if (sent && !peer->closed)
		sim_way_put(&peer->there, data, size, clock_mono_ns() + (peer->direct ? 0 : sim->there_ns));
	sim_catch_up(sim);
	node_enter(before);
	sim_unlock(sim);
	return sent;
}

static int write_link(struct redis_link *link, int *done)
{
	redisContext *context = link->context;
	struct sim_peer *peer = link->peer;
	size_t size = sdslen(context->obuf);

	*done = 1;
	if (size == 0)
		return REDIS_OK;
	yield(peer->direct);
	if (!send_bytes(peer, context->obuf, size))
		return fail(link, "Connection reset by peer");
	sdsrange(context->obuf, (int)size, -1);
	yield(peer->direct);
	return REDIS_OK;
}

/*
 * What has come goes to the reader. How long until more may; 0: never; INT64_MAX: nobody can say.
 */
static int64_t receive(struct sim_peer *peer, redisReader *reader)
{
	struct redis_sim *sim = peer->sim;
	struct node *before;
	struct buffer bytes;
	int64_t now_ns, next_ns;

	buffer_init(&bytes, 1 << 30);
	sim_lock(sim);
	before = sim_enter_node(sim);
	sim_catch_up(sim);
	now_ns = clock_mono_ns();
	while (!sim_is_cut_off(peer) && sim_way_take(&peer->back, now_ns, &bytes))
		continue;
	next_ns = sim_peer_next(peer);
	if (next_ns != INT64_MAX)
		next_ns = next_ns > now_ns ? next_ns - now_ns : 1;
	else if (!sim_is_cut_off(peer) && (peer->closed || (peer->there.count == 0 && !peer->waiting.armed)))
		next_ns = 0;
	node_enter(before);
	sim_unlock(sim);
	if (bytes.size > 0)
		redisReaderFeed(reader, bytes.data, bytes.size);
	buffer_deinit(&bytes);
	return next_ns;
}

static int reply_of_link(struct redis_link *link, void **reply)
{
	struct sim_peer *peer = link->peer;
	int64_t until_ns = peer->call_ns > 0 ? clock_mono_ns() + peer->call_ns : INT64_MAX, next_ns, left_ns;
	int done, r;

	*reply = NULL;
	if (write_link(link, &done) != REDIS_OK)
		return REDIS_ERR;
	for (;;) {
		next_ns = receive(peer, link->context->reader);
		r = redisReaderGetReply(link->context->reader, reply);
		if (r != REDIS_OK || *reply)
			break;
		if (next_ns == 0)
			return fail(link, "Server closed the connection");
		left_ns = until_ns == INT64_MAX ? INT64_MAX : until_ns - clock_mono_ns();
		if (left_ns <= 0)
			return fail(link, "Resource temporarily unavailable");
		rest(peer, next_ns < left_ns ? next_ns : left_ns);
	}
	yield(peer->direct);
	return r;
}

static bool link_is_quiet(const struct redis_link *link)
{
	struct sim_peer *peer = link->peer;
	struct redis_sim *sim = peer->sim;
	struct node *before;
	bool quiet;

	sim_lock(sim);
	before = sim_enter_node(sim);
	quiet = sim_is_cut_off(peer) || (!peer->closed && sim_way_next(&peer->back) > clock_mono_ns());
	node_enter(before);
	sim_unlock(sim);
	return quiet;
}

static void close_link(struct redis_link *link)
{
	struct sim_peer *peer = link->peer;
	struct redis_sim *sim = peer ? peer->sim : NULL;

	if (peer) {
		sim_lock(sim);
		sim_peer_leave(peer);
		sim_unlock(sim);
	}
	redisFree(link->context);
}

struct redis_transport sim_transport(int (*open)(struct redis_link *link, const struct redis_address *address,
						 const struct redis_timeouts *timeouts))
{
	return (struct redis_transport){
		.open = open, .write = write_link, .reply = reply_of_link, .is_quiet = link_is_quiet, .close = close_link};
}

/* --- A test's own commands --- */

static redisReply *ask_link(struct redis_link *link, int appended)
{
	void *reply = NULL;

	ASSERT(appended == REDIS_OK);
	ASSERT(reply_of_link(link, &reply) == REDIS_OK);
	close_link(link);
	return reply;
}

redisReply *redis_sim_ask_argv(struct redis_sim *sim, int count, const char **arguments, const size_t *sizes)
{
	struct redis_link link = {0};

	ASSERT(sim_link_open(&link, sim, NULL) == REDIS_OK);
	return ask_link(&link, redisAppendCommandArgv(link.context, count, arguments, sizes));
}

redisReply *redis_sim_ask(struct redis_sim *sim, const char *format, ...)
{
	struct redis_link link = {0};
	va_list arguments;
	int appended;

	ASSERT(sim_link_open(&link, sim, NULL) == REDIS_OK);
	va_start(arguments, format);
	appended = redisvAppendCommand(link.context, format, arguments);
	va_end(arguments);
	return ask_link(&link, appended);
}

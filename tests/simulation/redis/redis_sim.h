/*
 * A Redis in the process: what stock/redis asks of one, without a socket, a process or a kernel's
 * clock. Functions run in Lua 5.1, as they do in Redis, and their text is the shipped one; commands
 * are those of deploy/redis/users.acl, with what tests look at it by. The stock's contract suite
 * runs over it (tests/contract/test_stock_redis_sim.c), and test_redis_differential.c holds it
 * against a real server, byte by byte.
 *
 * Not here: users and their rights (everyone may everything), persistence, scripts by EVAL, RESP3.
 * Replication is redis_group.h.
 *
 * Under a scheduler (base/node.h) a client's calls yield before and after each command leaves and
 * behind each reply, and wait by the scheduler's time. Without one, who has to wait needs a clock
 * that goes on.
 */
#pragma once

#include <hiredis/hiredis.h>
#include "base/node.h"
#include "text/slice.h"

struct redis_sim;
struct redis_transport;

/*
 * An empty server, started. Its clock and its random numbers are those of `node`; NULL: of whoever
 * asks.
 */
struct redis_sim *redis_sim_new(struct node *node);
void redis_sim_free(struct redis_sim *sim); /* no connection is open any more */
/* For stock_redis_settings: every address leads to this server. */
const struct redis_transport *redis_sim_transport(struct redis_sim *sim);
/*
 * A command as a test gives it, on a connection of its own, to which nothing of what is said below
 * happens. It waits for nothing but WAIT. The reply is the caller's.
 */
redisReply *redis_sim_ask(struct redis_sim *sim, const char *format, ...);
/*
 * What the first database has, a string or a field of a hash, without a command: for who looks at
 * every step. False: nothing, or nothing of that kind. Until the next command.
 */
bool redis_sim_text(struct redis_sim *sim, const char *key, struct slice *text);
bool redis_sim_field(struct redis_sim *sim, const char *key, const char *field, struct slice *text);
/*
 * Rises with each command that writes, and with a restart: who looks at all of it need not look
 * where it has not.
 */
uint64_t redis_sim_changes(const struct redis_sim *sim);
redisReply *redis_sim_ask_argv(struct redis_sim *sim, int count, const char **arguments, const size_t *sizes);

/* --- What goes wrong --- */

enum redis_sim_memory {
	REDIS_SIM_NOTHING, /* neither keys nor functions */
	REDIS_SIM_MARK,    /* what it had at the last mark: a log that lacks its end, a replica that was behind */
	REDIS_SIM_ALL,
};
void redis_sim_mark(struct redis_sim *sim);
/*
 * Another run of it, or another server in its place: all connections end, its ids are new, and
 * functions have the variables of their beginning.
 */
void redis_sim_restart(struct redis_sim *sim, enum redis_sim_memory memory);
/* Connections end, and none is taken, until it is up again. */
void redis_sim_set_down(struct redis_sim *sim, bool down);
/* A replica from here on, whose connections stay; or a master again, by another replid. */
void redis_sim_set_replica(struct redis_sim *sim, bool replica);
/*
 * Of the commands that come next, whoever sends them, `done` are done; then their connection ends.
 * `told`: the replies to those have left before.
 */
void redis_sim_cut(struct redis_sim *sim, unsigned done, bool told);
/*
 * How long commands take to arrive from now on, and replies. What has left arrives whatever becomes
 * of its client: one that waits no longer has not undone it.
 */
void redis_sim_set_delay(struct redis_sim *sim, int64_t there_ns, int64_t back_ns);
/* It does nothing: commands wait for its return. Connections stay, and new ones are taken. */
void redis_sim_set_paused(struct redis_sim *sim, bool paused);
/*
 * The network between it and a client (the node that it runs in) holds everything back; new
 * connections are not made.
 */
void redis_sim_set_cut_off(struct redis_sim *sim, struct node *client, bool cut_off);
/* Its connections end, as both sides see. */
void redis_sim_close_client(struct redis_sim *sim, const struct node *client);
/*
 * All connections that a client has opened end without its help, for it is no more. `arrives`: what
 * it has sent is done nevertheless.
 */
void redis_sim_end_client(struct redis_sim *sim, const struct node *client, bool arrives);
/* So many replies to come have bytes changed, by the random numbers of the server's node. */
void redis_sim_corrupt(struct redis_sim *sim, unsigned replies);

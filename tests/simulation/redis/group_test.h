/*
 * What the tests of several servers share: a master with two replicas and Sentinels in the process,
 * and a gate that sells from it. For tests alone.
 */
#pragma once

#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "simulation/lone_thread.h"
#include "simulation/redis/redis_group.h"
#include "stock/redis/transport.h"

enum { SERVERS = 3, UNITS = 5, LEASE_MS = 1000, MAX_LAG_MS = 10000 };
#define OLD_URL "redis://server-0"

static struct lone_thread lone;
static struct lone_clock clocks[SERVERS];
static struct node nodes[SERVERS];
static struct redis_group *group;
static struct gate gate;

static inline void open_gate(struct gate *opened, const char *url)
{
	gate_open_over(opened, redis_group_transport(group), url);
}

static inline int set_up(void **state)
{
	struct node *members[SERVERS];

	(void)state;
	lone_thread_begin(&lone);
	for (int i = 0; i < SERVERS; i++) {
		lone_clock_init(&clocks[i], &lone);
		nodes[i] = (struct node){.clock = &clocks[i].clock, .seeded = true, .random = (uint64_t)i};
		members[i] = &nodes[i];
	}
	group = redis_group_new(members, SERVERS);
	redis_group_configure(group, "min-replicas-to-write", "1");
	open_gate(&gate, REDIS_GROUP_URL);
	return gate_sell(&gate, 1, UNITS);
}

static inline int tear_down(void **state)
{
	(void)state;
	gate_close(&gate);
	redis_group_free(group);
	lone_thread_end(&lone);
	return 0;
}

/* Gates look at their sales all the time; what comes of it is no matter here. */
static inline void pass_looking(struct gate *looks, int64_t ms)
{
	for (; ms > 0; ms -= 50) {
		lone_thread_pass(&lone, 50);
		(void)gate_refresh(looks);
	}
}

static inline redisReply *ask(size_t server, const char *command)
{
	return redis_sim_ask(redis_group_server(group, server), command);
}

static inline void expect(size_t server, const char *command, const char *answer)
{
	redisReply *reply = ask(server, command);

	assert_non_null(reply->str);
	assert_memory_equal(reply->str, answer, strlen(answer));
	freeReplyObject(reply);
}

static inline int64_t number(size_t server, const char *command)
{
	redisReply *reply = ask(server, command);
	int64_t value = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	return value;
}

static inline void set_lag(int64_t lag_ns)
{
	for (size_t i = 1; i < SERVERS; i++)
		redis_group_set_lag(group, i, lag_ns);
}

static inline void point_to(size_t server)
{
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++)
		redis_group_point(group, i, server);
}

/*
 * The second server is promoted, while the first is cut off from the others and hears nothing of
 * it.
 */
static inline void split(void)
{
	redis_group_set_apart(group, 0, true);
	redis_group_promote(group, 1);
	redis_group_follow(group, 2, 1);
	point_to(1);
}

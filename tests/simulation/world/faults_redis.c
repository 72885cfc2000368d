/*
 * Redis' clock is set; or a replica becomes the master, and the old one ends, or goes on until it
 * hears of that.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "simulation/world/parts.h"

static const int64_t LOOK_NS = 10000000;
enum { KNOWN_MS = 6000, JUMP_MS = 1000 }; /* until gates have heard of it again; how far Redis' clock may then be off */

/* Whether nothing else goes wrong for so long. */
static bool is_alone_for(const struct world *world, int64_t for_ms)
{
	unsigned begun = world->begun_faults;
	bool alone = world->running_faults == 1;

	pause_sleep((alone ? for_ms : KNOWN_MS / 10) * WORLD_MS);
	return alone && world->begun_faults == begun;
}

/*
 * Gates may not know Redis' time any more before they see it again: who knows nothing believes it.
 */
void faults_disturb_redis_clock(struct world *world)
{
	if (world->stepped_ms)
		watches_stock_clock(world, world->stepped_ms);
	world->stepped_ms = 0;
}

/*
 * Whoever has seen its time holds it to that within a second, so gates must have seen it, and must
 * see it again. Where something else goes wrong meanwhile a gate that knows nothing may come first,
 * and believes it.
 */
void faults_step_redis_clock(struct world *world, const struct plan_fault *fault)
{
	int64_t until_ns = clock_mono_ns() + 20000 * WORLD_MS;

	if (world->group)
		return; /* another server has another clock: nobody can say how far holds are moved by all */
	while (!is_alone_for(world, KNOWN_MS))
		if (clock_mono_ns() >= until_ns)
			return;
	scheduler_note(world->scheduler, "redis' clock is set by %lld ms", (long long)fault->value);
	scheduler_clock_step(world->redis_node, fault->value * 1000);
	watches_stock_clock(world, JUMP_MS);
	world->stepped_ms = llabs(fault->value);
	(void)is_alone_for(world, KNOWN_MS);
	world->stepped_ms = 0;
}

/* What a plan says of a promotion. */
struct promotion {
	size_t old, fresh, third;
	bool ends;                          /* the old master does */
	int64_t slow_ns;                    /* so long its last replies take */
	struct node *moved[PLAN_GATES_MAX]; /* gates that do not reach the old master any more */
};

static struct promotion promotion_of(const struct world *world, const struct plan_fault *fault)
{
	struct promotion its = {.old = world->master, .ends = fault->value % 3 == 0};

	its.fresh = (its.old + 1 + (size_t)fault->value % 2) % PLAN_SERVERS;
	its.third = PLAN_SERVERS - its.old - its.fresh;
	if (fault->value % 5 < 2)
		its.slow_ns = (500 + fault->value / 17 % 450) * WORLD_MS;
	return its;
}

/* Some gates stay on the old master's side, and the others' connections to it end. */
static void part_gates(struct world *world, const struct plan_fault *fault, struct promotion *its)
{
	struct redis_sim *old = redis_group_server(world->group, its->old);

	for (uint32_t i = 0; i < world->plan->gates; i++) {
		its->moved[i] = fault->node >> i & 1 ? world->gates[i].node : NULL;
		if (!its->moved[i])
			continue;
		redis_sim_set_cut_off(old, its->moved[i], true);
		redis_sim_close_client(old, its->moved[i]);
	}
}

/*
 * The replica that will be promoted was behind when the master was last heard; the other one is a
 * little.
 */
static void part_master(struct world *world, const struct plan_fault *fault, const struct promotion *its)
{
	struct redis_sim *old = redis_group_server(world->group, its->old);

	redis_group_set_lag(world->group, its->fresh, fault->value / 6 % 500 * WORLD_MS);
	redis_group_set_lag(world->group, its->third, (60 + fault->value / 23 % 60) * WORLD_MS);
	redis_sim_set_delay(old, 0, its->slow_ns);
	pause_sleep(its->slow_ns + 600 * WORLD_MS);
	redis_sim_set_delay(old, 0, 0);
	if (its->ends)
		redis_sim_set_down(old, true);
	redis_group_set_apart(world->group, its->old, true);
}

/* Who is connected to the old master is not told; Sentinels hear of the other one by and by. */
static void promote_replica(struct world *world, const struct plan_fault *fault, const struct promotion *its)
{
	redis_group_promote(world->group, its->fresh);
	redis_group_follow(world->group, its->third, its->fresh);
	world->master = its->fresh;
	world->redis = redis_group_server(world->group, its->fresh);
	world->redis_node = world->redis_nodes[its->fresh];
	watches_promote(world, its->fresh);
	for (size_t i = 0; i < REDIS_GROUP_SENTINELS; i++) {
		redis_group_point(world->group, i, its->fresh);
		pause_sleep(fault->value / 11 % 300 * WORLD_MS);
	}
	redis_group_set_lag(world->group, its->fresh, 0);
	redis_group_set_lag(world->group, its->third, 0);
}

static void join_master(struct world *world, const struct promotion *its)
{
	struct redis_sim *old = redis_group_server(world->group, its->old);

	for (uint32_t i = 0; i < PLAN_GATES_MAX; i++)
		if (its->moved[i])
			redis_sim_set_cut_off(old, its->moved[i], false);
	redis_sim_set_down(old, false);
	redis_group_set_apart(world->group, its->old, false);
	redis_group_follow(world->group, its->old, its->fresh);
	watches_demote(world, its->old);
}

/* Other faults of the master come before or behind. */
void faults_promote(struct world *world, const struct plan_fault *fault)
{
	struct promotion its;

	while (world->promoting || world->redis_faults > 0)
		pause_sleep(LOOK_NS);
	world->promoting = true;
	its = promotion_of(world, fault);
	part_master(world, fault, &its);
	pause_sleep((100 + fault->value / 7 % 900) * WORLD_MS);
	promote_replica(world, fault, &its);
	part_gates(world, fault, &its);
	pause_sleep(fault->for_ms * WORLD_MS);
	join_master(world, &its);
	world->promoting = false;
}

/*
 * The consumer group: an eager one, as src/journal/kafka/group.c joins it. Whenever somebody comes
 * or goes, or the topic has more partitions, it forms anew: each reader hears of it within a
 * heartbeat, gives back all it had, and once everybody within has, each gets its share.
 *
 * So of two that are within none has what the other has. One that the group has thrown out, because
 * it was silent or because the seed says so, goes on with what it had until it hears of that.
 */
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/journal/broker.h"

struct broker_member *broker_member_new(struct journal_sim *sim)
{
	struct broker_member *member = calloc(1, sizeof(*member));

	ASSERT(member);
	member->next = sim->members;
	sim->members = member;
	return member;
}

static void forget_gone(struct journal_sim *sim)
{
	struct broker_member **link = &sim->members;

	while (*link) {
		struct broker_member *member = *link;

		if (!member->gone || member->within) {
			link = &member->next;
			continue;
		}
		*link = member->next;
		free(member);
	}
}

void broker_group_form(struct journal_sim *sim)
{
	sim->forming = true;
	for (struct broker_member *member = sim->members; member; member = member->next) {
		int64_t heard_ns = broker_draw_ns(sim, sim->faults.heartbeat_ns);

		if (!member->within)
			continue;
		member->rejoined = false;
		member->hears_ns = broker_now_ns(sim) + heard_ns;
	}
	broker_changed(sim);
}

void broker_group_join(struct journal_sim *sim, struct broker_member *member)
{
	member->within = true;
	broker_group_form(sim);
	member->rejoined = true;
}

void broker_group_leave(struct journal_sim *sim, struct broker_member *member)
{
	if (!member->within)
		return;
	member->within = false;
	member->generation = 0;
	broker_group_form(sim);
	member->hears_ns = broker_now_ns(sim) + broker_draw_ns(sim, sim->faults.heartbeat_ns);
}

/* In turn, from any of them on. */
static void share_out(struct journal_sim *sim, size_t count)
{
	size_t first = broker_draw(sim) % count, at = 0;

	sim->forming = false;
	sim->generation++;
	for (struct broker_member *member = sim->members; member; member = member->next) {
		if (!member->within)
			continue;
		for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
			member->share[i] = i < sim->partition_count && (i + first) % count == at;
		at++;
	}
	broker_changed(sim);
}

void broker_group_tick(struct journal_sim *sim)
{
	int64_t now_ns = broker_now_ns(sim);
	size_t within = 0, rejoined = 0;

	for (struct broker_member *member = sim->members; member; member = member->next)
		if (member->within && now_ns - member->seen_ns > BROKER_SESSION_MS * INT64_C(1000000))
			broker_group_leave(sim, member);
	for (struct broker_member *member = sim->members; member; member = member->next) {
		within += member->within;
		rejoined += member->within && member->rejoined;
	}
	if (sim->forming && within > 0 && rejoined == within)
		share_out(sim, within);
	forget_gone(sim);
}

void journal_sim_rebalance(struct journal_sim *sim)
{
	broker_take(sim);
	broker_group_form(sim);
	broker_release(sim);
}

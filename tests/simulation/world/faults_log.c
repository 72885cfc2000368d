/* What goes wrong with the log. */
#include "base/clock.h"
#include "simulation/world/parts.h"

static void disturb(struct world *world, const struct plan_fault *fault)
{
	struct draw draw = draw_of(world->plan->seed, "log", (uint64_t)fault->value);
	struct journal_sim_faults chances;
	uint32_t *const one[] = {&chances.refused, &chances.unsent, &chances.lost,    &chances.ack_lost,
				 &chances.late,    &chances.slow,   &chances.cut,     &chances.duplicate,
				 &chances.leader,  &chances.silent, &chances.expelled};
	uint32_t partition = (uint32_t)draw_below(&draw, world->plan->partitions);

	switch (draw_below(&draw, 6)) {
	case 0:
		journal_sim_set_away(world->log, true);
		pause_sleep(fault->for_ms * WORLD_MS);
		journal_sim_set_away(world->log, false);
		break;
	case 1:
		journal_sim_set_mute(world->log, true);
		pause_sleep(fault->for_ms * WORLD_MS);
		journal_sim_set_mute(world->log, false);
		break;
	case 2:
		journal_sim_elect(world->log, partition, fault->for_ms * WORLD_MS);
		break;
	case 3:
		if (fault->value % 2 && !world->other_topic)
			journal_sim_grow(world->log, journal_sim_partition_count(world->log) + 1); /* which nobody uses */
		journal_sim_rebalance(world->log);
		break;
	default:
		chances = world_usual_log;
		for (unsigned i = 0; i < 3; i++)
			*one[draw_below(&draw, sizeof(one) / sizeof(one[0]))] = (uint32_t)draw_between(&draw, 10, 600);
		chances.slow_ns = chances.late_ns = draw_between(&draw, 1, 6000) * WORLD_MS;
		journal_sim_set_faults(world->log, &chances);
		pause_sleep(fault->for_ms * WORLD_MS);
		journal_sim_set_faults(world->log, &world_usual_log);
		break;
	}
}

/* One kind alone, for a while. */
static void chance(struct world *world, const struct plan_fault *fault)
{
	struct draw draw = draw_of(world->plan->seed, "chance", (uint64_t)fault->at_ms);
	struct journal_sim_faults chances = world_usual_log;
	uint32_t *const one[] = {&chances.refused, &chances.unsent, &chances.lost,      &chances.ack_lost, &chances.late,
				 &chances.slow,    &chances.cut,    &chances.duplicate, &chances.leader,   &chances.expelled};

	*one[fault->value / 1000] = (uint32_t)(fault->value % 1000);
	chances.cut = chances.cut ? chances.cut : 300;               /* two parts may fare differently */
	chances.slow_ns = draw_between(&draw, 500, 2500) * WORLD_MS; /* `journal.ack_deadline` is two seconds */
	chances.late_ns = draw_between(&draw, 500, 5000) * WORLD_MS;
	journal_sim_set_faults(world->log, &chances);
	pause_sleep(fault->for_ms * WORLD_MS);
	journal_sim_set_faults(world->log, &world_usual_log);
}

/* All alike. */
static void slow_down(struct world *world, const struct plan_fault *fault)
{
	struct journal_sim_faults chances = world_usual_log;

	chances.longer_ns = fault->value * WORLD_MS;
	journal_sim_set_faults(world->log, &chances);
	pause_sleep(fault->for_ms * WORLD_MS);
	journal_sim_set_faults(world->log, &world_usual_log);
}

/* What no drain and no rebuild asks for any more is gone, as after days of a real topic. */
static void retain(struct world *world, const struct plan_fault *fault)
{
	for (uint32_t i = 0; i < journal_sim_partition_count(world->log); i++) {
		int64_t keep_from = watches_applied(world, i) - fault->value;

		if (world->restoring && world->kept_from[i] < keep_from)
			keep_from = world->kept_from[i];
		if (keep_from > journal_sim_start(world->log, i))
			journal_sim_retain(world->log, i, keep_from);
	}
}

void faults_log(struct world *world, const struct plan_fault *fault)
{
	if (fault->kind == FAULT_KAFKA_RETENTION)
		retain(world, fault);
	else if (fault->kind == FAULT_KAFKA_CHANCE)
		chance(world, fault);
	else if (fault->kind == FAULT_KAFKA_SLOW)
		slow_down(world, fault);
	else
		disturb(world, fault);
}

#include "simulation/journal/journal_sim.h"

#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "base/pause.h"
#include "simulation/journal/broker.h"

/* As a cluster says it: an id of its own. */
const char broker_cluster[] = "simulated-cluster-0001";
const char broker_topic[] = "orders";

struct journal_sim *journal_sim_new(struct node *node, uint64_t seed, uint32_t partitions)
{
	struct journal_sim *sim = calloc(1, sizeof(*sim));

	ASSERT(sim);
	ASSERT(partitions > 0 && partitions <= BROKER_PARTITIONS_MAX);
	lock_init(&sim->lock);
	lock_condition_init(&sim->changed);
	sim->node = node;
	sim->random = seed;
	sim->there = true;
	sim->partition_count = partitions;
	return sim;
}

void journal_sim_free(struct journal_sim *sim)
{
	if (!sim)
		return;
	for (struct broker_request *request = sim->requests, *next; request; request = next) {
		next = request->next;
		free(request);
	}
	for (struct broker_member *member = sim->members, *next; member; member = next) {
		next = member->next;
		free(member);
	}
	for (struct broker_piece *piece = sim->pieces, *next; piece; piece = next) {
		next = piece->next;
		free(piece);
	}
	for (uint32_t i = 0; i < BROKER_PARTITIONS_MAX; i++)
		free(sim->partitions[i].records);
	free(sim->dead);
	lock_condition_deinit(&sim->changed);
	lock_deinit(&sim->lock);
	free(sim);
}

void journal_sim_set_faults(struct journal_sim *sim, const struct journal_sim_faults *faults)
{
	broker_take(sim);
	sim->faults = faults ? *faults : (struct journal_sim_faults){0};
	broker_release(sim);
}

bool journal_sim_dead_letter(struct journal_sim *sim, size_t index, struct journal_sim_dead *dead)
{
	if (index >= sim->dead_count)
		return false;
	*dead = sim->dead[index];
	return true;
}

/* --- Time, chance, memory --- */

void broker_yield(void)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->yield(scheduler, false);
}

void broker_take(struct journal_sim *sim)
{
	lock_take(&sim->lock);
}

void broker_release(struct journal_sim *sim)
{
	lock_release(&sim->lock);
}

void broker_rest(int64_t time_ns)
{
	if (time_ns > 0)
		pause_sleep(time_ns);
}

int64_t broker_now_ns(const struct journal_sim *sim)
{
	struct node *before = node_enter(sim->node ? sim->node : node_current);
	int64_t now_ns = clock_mono_ns();

	node_enter(before);
	return now_ns;
}

bool broker_wait(struct journal_sim *sim, int64_t until_ns, int64_t deadline_ns)
{
	static const int64_t LEAST_NS = 1000; /* two clocks may run apart */
	int64_t now_ns = clock_mono_ns(), wake_ns = deadline_ns;

	if (until_ns != INT64_MAX) {
		int64_t left_ns = until_ns - broker_now_ns(sim);

		left_ns = left_ns > LEAST_NS ? left_ns : LEAST_NS;
		if (left_ns < deadline_ns - now_ns)
			wake_ns = now_ns + left_ns;
	}
	(void)lock_condition_wait_until(&sim->changed, &sim->lock, wake_ns);
	return clock_mono_ns() < deadline_ns;
}

void broker_changed(struct journal_sim *sim)
{
	lock_condition_broadcast(&sim->changed);
}

/* SplitMix64, as base/random.c has it for a node. */
uint64_t broker_draw(struct journal_sim *sim)
{
	uint64_t mixed = sim->random += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

int64_t broker_draw_ns(struct journal_sim *sim, int64_t most_ns)
{
	uint64_t drawn = broker_draw(sim);

	return most_ns > 0 ? (int64_t)(drawn % ((uint64_t)most_ns + 1)) : 0;
}

bool broker_chance(struct journal_sim *sim, uint32_t of_thousand)
{
	return broker_draw(sim) % 1000 < of_thousand;
}

void *broker_piece(struct journal_sim *sim, size_t size)
{
	struct broker_piece *piece = calloc(1, sizeof(*piece) + size);

	ASSERT(piece);
	piece->next = sim->pieces;
	sim->pieces = piece;
	return piece->bytes;
}

struct slice broker_copy(struct journal_sim *sim, struct slice bytes)
{
	char *copy = broker_piece(sim, bytes.size);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return (struct slice){copy, bytes.size};
}

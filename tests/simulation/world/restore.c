/*
 * The ledger's server is lost, and another has its last backup: with the log beside it nothing that
 * was sold is lost (docs/operations.md, "Backup and restore of the cluster").
 *
 * What is not in the log is as old as the backup, and operators do it again. Nobody does in a
 * world, so the backup is of a moment behind which nothing was written that the log does not have:
 * it is made anew while somebody does such a thing, and where a gate has armed a sale by its
 * schedule, which would be armed once more from that backup, with all its units.
 */
#include <sqlite3.h>
#include <string.h>
#include "base/clock.h"
#include "simulation/judge/watch_ledger.h"
#include "simulation/world/parts.h"

static const int64_t LOOK_NS = 10000000;

bool restore_hangs_on(enum plan_kind kind)
{
	return kind >= PLAN_REFUND && kind < PLAN_AUDIT && kind != PLAN_WITHDRAW;
}

static uint32_t count_drafts(struct world *world)
{
	sqlite3 *database;

	while (!(database = ledger_sim_database(world->server)))
		pause_sleep(LOOK_NS);
	return watch_ledger_drafts(database);
}

static void back_up(struct world *world)
{
	do { /* its power may fail meanwhile */
		while (ledger_sim_is_off(world->server))
			pause_sleep(LOOK_NS);
		world->written = 0;
		world->drafts = count_drafts(world);
		ledger_sim_back_up(world->server);
	} while (ledger_sim_is_off(world->server));
	for (uint32_t i = 0; i < JOURNAL_SIM_PARTITIONS_MAX; i++)
		world->kept_from[i] = i < journal_sim_partition_count(world->log) ? watches_applied(world, i) : 0;
	scheduler_note(world->scheduler, "the ledger is backed up");
}

/* The backup lacks what the log does not have. */
static bool is_behind(struct world *world)
{
	return world->written > 0 || count_drafts(world) != world->drafts;
}

/* When it returns the backup has all that the log does not have. */
static void keep_backed_up(struct world *world, int64_t for_ns)
{
	int64_t until_ns = clock_mono_ns() + for_ns;

	back_up(world);
	while (clock_mono_ns() < until_ns || world->writing > 0 || is_behind(world)) {
		if (world->writing == 0 && is_behind(world))
			back_up(world);
		else
			pause_sleep(LOOK_NS);
	}
}

/* --- Its processes --- */

static struct world_process *process_at(struct world *world, unsigned number)
{
	unsigned gates = world->plan->gates;

	return number < gates                         ? &world->gates[number]
	       : number < gates + world->plan->drains ? &world->drains[number - gates]
						      : NULL;
}

static void end_all(struct world *world, bool drains)
{
	struct world_process *process;
	bool some = true;

	while (some) {
		some = false;
		for (unsigned i = 0; (process = process_at(world, i)); i++) {
			if (process->drain && !drains)
				continue;
			process_kill(process);
			some = some || process->node;
		}
		if (some)
			pause_sleep(LOOK_NS);
	}
}

static void start_all(struct world *world, bool drains)
{
	struct world_process *process;

	for (unsigned i = 0; (process = process_at(world, i)); i++)
		if (process->drain == drains && !process->node)
			process_start(process);
}

static void await_drains(struct world *world)
{
	while (!watches_is_drained(world))
		pause_sleep(LOOK_NS);
}

/*
 * Nobody runs. Neither the backup nor an empty Redis knows the epoch of a barrier that comes later,
 * and what is sold under an older one behind it is void: so operators wait. Whatever else comes
 * late does no harm: the barrier of its epoch lies before it, where a rebuild finds it.
 */
static void await_barriers(struct world *world)
{
	while (journal_sim_barriers_in_flight(world->log) > 0) {
		pause_sleep(LOOK_NS);
		journal_sim_arrive(world->log);
	}
}

static void empty_redis(struct world *world)
{
	while (world->redis_down || world->promoting)
		pause_sleep(LOOK_NS);
	faults_empty_redis(world);
}

/* --- The restore --- */

/*
 * As operators do it; early: gates begin while the drain reads what the log has beyond the backup.
 */
static void restore_stopped(struct world *world, bool early)
{
	world->closed_gates = world->closed_drains = true;
	end_all(world, true);
	await_barriers(world);
	if (world->writing > 0 || is_behind(world))
		back_up(world); /* that may have got through meanwhile */
	ledger_sim_restore(world->server);
	watches_lose_ledger(world);
	world->closed_drains = false;
	start_all(world, true);
	if (!early)
		await_drains(world);
	empty_redis(world);
	world->closed_gates = false;
	start_all(world, false);
}

void restore_ledger(struct world *world, const struct plan_fault *fault)
{
	if (world->restoring)
		return;
	world->restoring = true;
	keep_backed_up(world, fault->value * WORLD_MS);
	if (fault->node == RESTORE_UNDER_ALL) {
		ledger_sim_restore(world->server);
		watches_lose_ledger(world);
	} else {
		restore_stopped(world, fault->node == RESTORE_EARLY);
	}
	scheduler_note(world->scheduler, "the ledger is what its backup was");
	await_drains(world);
	world->restoring = false;
}

/* --- The log's topic --- */

/*
 * Returns where the ledger has all of it, and nothing is on its way: nobody has come in between
 * since.
 */
static void await_drained(struct world *world)
{
	while (!watches_is_drained(world) || journal_sim_in_flight(world->log) > 0) {
		if (world->closed_gates)
			journal_sim_settle(world->log);
		pause_sleep(LOOK_NS);
	}
}

/*
 * What was not drained would be lost, so it goes when all is; gates that go on may have told nobody
 * of what they send into the other one. They send it where the number of partitions that they know
 * says, so it has as many, and nobody adds any (docs/operations.md, "More partitions"); those that
 * somebody has added before are used where gates were ended before.
 */
void restore_topic(struct world *world, const struct plan_fault *fault)
{
	uint32_t partitions = fault->value < 0 ? journal_sim_partition_count(world->log) : world->plan->partitions;

	while (world->restoring)
		pause_sleep(LOOK_NS);
	world->restoring = true;
	memset(world->kept_from, 0, sizeof(world->kept_from)); /* retention takes nothing */
	if (fault->value < 0) {
		world->closed_gates = true;
		end_all(world, false);
	} else {
		world->other_topic = true;
	}
	await_drained(world);
	journal_sim_delete(world->log);
	journal_sim_make(world->log, partitions);
	watches_lose_log(world);
	scheduler_note(world->scheduler, "the topic is another");
	if (fault->value > 0)
		pause_sleep(fault->value * WORLD_MS);
	world->closed_gates = world->closed_drains = true;
	end_all(world, true);
	while (!ledger_sim_forget_log(world->server)) /* its power may be cut meanwhile */
		pause_sleep(LOOK_NS);
	history_log_forgotten(world->judge);
	empty_redis(world);
	world->closed_gates = world->closed_drains = false;
	start_all(world, true);
	start_all(world, false);
	world->restoring = false;
}

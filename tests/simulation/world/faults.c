/* The faults of a plan, as they begin and as they end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "simulation/world/parts.h"

static const int64_t LOOK_NS = 10000000;

/* --- Failpoints --- */

static const struct point {
	const char *name;
	int value;
} embedded_points[] =
	{
		{"ledger.begin", -EIO},       {"ledger.insert", -EIO},         {"ledger.before_commit", -ENOSPC},
		{"ledger.commit_lost", -EIO}, {"ledger.commit_unknown", -EIO}, {"ledger.reopen", -EIO},
},
  cluster_points[] = {
	  {"redis.reply_lost", 1},
};

/* Where a gate may die, beside anywhere. */
static const char *const deaths[] = {
	"stock.decided",  "journal.before_append", "journal.after_append", "journal.acknowledged",
	"expire.decided", "add.in_ledger",         "withdraw.decided",     "extend.fixed",
	"rebuild.begun",  "disarm.begun",          "ledger.after_commit",  "reduce.fixed",
};

static struct {
	const struct point *point; /* NULL: none fails */
	const struct node *node;
	unsigned percent;
	struct draw draw;
} failing;

int faults_at_point(struct world *world, const char *name)
{
	/*
	 * A world's sales have few orders: in every second world they come into rows as soon as may
	 * be.
	 */
	if (strcmp(name, "ledger.put_soon") == 0)
		return world->plan->seed % 2;
	for (unsigned i = 0; i < world->plan->gates; i++) {
		struct world_process *gate = &world->gates[i];

		if (gate->node == node_current && strcmp(gate->die_at, name) == 0)
			process_die(gate);
	}
	if (failing.point && failing.node == node_current && strcmp(failing.point->name, name) == 0 &&
	    draw_chance(&failing.draw, failing.percent))
		return failing.point->value;
	return 0;
}

static void fail_at_points(struct world *world, const struct plan_fault *fault)
{
	bool embedded = world->plan->shape == PLAN_EMBEDDED;
	size_t count = embedded ? sizeof(embedded_points) / sizeof(embedded_points[0])
				: sizeof(cluster_points) / sizeof(cluster_points[0]);

	failing.draw = draw_of(world->plan->seed, "failpoint", (uint64_t)fault->value);
	failing.point = (embedded ? embedded_points : cluster_points) + draw_below(&failing.draw, count);
	failing.percent = (unsigned)draw_between(&failing.draw, 5, 100);
	failing.node = world->gates[fault->node].node;
}

/* --- Gates and drains --- */

static void restart_later(struct world_process *process, int64_t for_ms)
{
	const struct world *world = process->world;

	pause_sleep(for_ms * WORLD_MS);
	while (process->drain ? world->closed_drains : world->closed_gates)
		pause_sleep(LOOK_NS);
	if (!process->node)
		process_start(process);
}

/* Where it comes to the failpoint within the time; else then, where it stands. */
static void kill_at_point(struct world_process *process, int64_t for_ms)
{
	int64_t until_ns = clock_mono_ns() + for_ms * WORLD_MS;

	while (process->node && !process->dead && clock_mono_ns() < until_ns)
		pause_sleep(WORLD_MS);
	process->die_at[0] = '\0';
	process_kill(process);
}

static void kill_gate(struct world_process *process, const struct plan_fault *fault)
{
	if (fault->value < (int64_t)(sizeof(deaths) / sizeof(deaths[0]))) {
		snprintf(process->die_at, sizeof(process->die_at), "%s", deaths[fault->value]);
		kill_at_point(process, 5000);
	} else {
		process_kill(process);
	}
	restart_later(process, fault->for_ms);
}

static void pause_process(struct world_process *process, const struct plan_fault *fault)
{
	struct node *node = process->node;
	int64_t before_ns = clock_mono_ns();
	/* Beside a master that was cut off a clock that stands is what SECURITY.md says is left. */
	bool stands = fault->value && !process->world->group;

	if (!node || process->paused == node) /* what stands still stands still */
		return;
	process->paused = node;
	scheduler_pause(node, stands ? SCHEDULER_CLOCK_STANDS : SCHEDULER_CLOCK_GOES_ON);
	pause_sleep(fault->for_ms * WORLD_MS);
	if (process->paused == node)
		process->paused = NULL;
	if (process->node != node)
		return; /* it was killed meanwhile */
	scheduler_resume(node);
	watches_stood(process, stands ? clock_mono_ns() - before_ns : 0);
}

static void step_clock(struct world_process *process, int64_t by_ms)
{
	if (process->node)
		scheduler_clock_step(process->node, by_ms * 1000);
	else
		process->clock.wall_ahead_us += by_ms * 1000;
	watches_clock(process);
}

static void drift_clock(struct world_process *process, const struct plan_fault *fault)
{
	process->world->drifting++;
	process->clock.drift_ppb = fault->value * 1000000;
	if (process->node)
		scheduler_clock_drift(process->node, process->clock.drift_ppb);
	pause_sleep(fault->for_ms * WORLD_MS);
	process->clock.drift_ppb = 0;
	if (process->node)
		scheduler_clock_drift(process->node, 0);
	process->world->drifting--;
	watches_clock(process);
}

/* Within a write of the disk, where one comes in time; else between two. */
static void cut_power(struct world *world, const struct plan_fault *fault)
{
	struct world_process *gate = &world->gates[0];
	int64_t until_ns = clock_mono_ns() + 5000 * WORLD_MS;

	memory_disk_cut(world->disk, (unsigned)fault->value);
	while (!memory_disk_is_off(world->disk) && clock_mono_ns() < until_ns)
		pause_sleep(WORLD_MS);
	process_kill(gate);
	memory_disk_power_on(world->disk);
	watches_lose_disk(world);
	restart_later(gate, fault->for_ms);
}

/* The machine's processes are no more from then on. */
void faults_at_step(struct world *world)
{
	struct world_process *gate = &world->gates[0];

	if (world->disk && gate->node && !gate->dead && memory_disk_is_off(world->disk))
		process_die(gate);
}

/* --- Services --- */

static void drop_answer(redisReply *reply)
{
	if (reply)
		freeReplyObject(reply);
}

/* A server that is away does nothing. */
static void tell_redis(struct world *world, const char *command)
{
	if (!world->redis_down)
		drop_answer(redis_sim_ask(world->redis, command));
}

void faults_empty_redis(struct world *world)
{
	watches_lose_stock(world);
	tell_redis(world, "FLUSHALL");
}

/* Whichever of several faults is over first makes it reachable, and then it runs. */
static void set_redis_down(struct world *world, bool down)
{
	redis_sim_set_down(world->redis, down);
	world->redis_down = down;
	world->redis_restarts = world->redis_restarts && down;
}

static void restart_redis(struct world *world, const struct plan_fault *fault, enum redis_sim_memory memory)
{
	watches_last_look(world);
	if (memory != REDIS_SIM_ALL)
		watches_lose_stock(world);
	redis_sim_restart(world->redis, memory);
	set_redis_down(world, true);
	world->redis_restarts = true;
	pause_sleep(fault->for_ms * WORLD_MS);
	set_redis_down(world, false);
}

/*
 * It is slow, or the way to it, or the way back; it does nothing for a while; or one gate does not
 * reach it.
 */
static void slow_redis(struct world *world, const struct plan_fault *fault)
{
	struct redis_sim *redis = world->redis;
	struct node *gate = world->gates[fault->node].node;
	int64_t late_ns = fault->value * WORLD_MS;

	switch (fault->value % 5) {
	case 0:
		if (gate)
			redis_sim_set_cut_off(redis, gate, true);
		pause_sleep(fault->for_ms * WORLD_MS);
		if (gate)
			redis_sim_set_cut_off(redis, gate, false);
		break;
	case 1:
		redis_sim_set_paused(redis, true);
		pause_sleep(fault->for_ms * WORLD_MS);
		redis_sim_set_paused(redis, false);
		break;
	default:
		redis_sim_set_delay(redis, fault->value % 5 == 2 ? 0 : late_ns, fault->value % 5 == 3 ? 0 : late_ns);
		pause_sleep(fault->for_ms * WORLD_MS);
		redis_sim_set_delay(redis, 0, 0);
		break;
	}
}

static void fault_redis(struct world *world, const struct plan_fault *fault)
{
	switch (fault->kind) {
	case FAULT_REDIS_CUT:
		redis_sim_cut(world->redis, (unsigned)fault->value, fault->for_ms % 2);
		break;
	case FAULT_REDIS_DOWN:
		set_redis_down(world, true);
		pause_sleep(fault->for_ms * WORLD_MS);
		set_redis_down(world, false);
		break;
	case FAULT_REDIS_SLOW:
		slow_redis(world, fault);
		break;
	case FAULT_REDIS_RESTARTED:
		restart_redis(world, fault, REDIS_SIM_ALL);
		break;
	case FAULT_REDIS_BEHIND:
		redis_sim_mark(world->redis);
		pause_sleep(fault->value * WORLD_MS);
		restart_redis(world, fault, REDIS_SIM_MARK);
		break;
	case FAULT_REDIS_EMPTY:
		if (fault->value)
			restart_redis(world, fault, REDIS_SIM_NOTHING);
		else
			faults_empty_redis(world);
		break;
	case FAULT_REDIS_FUNCTIONS_GONE:
		tell_redis(world, "FUNCTION FLUSH");
		break;
	case FAULT_REDIS_FULL:
		tell_redis(world, "CONFIG SET maxmemory 1");
		pause_sleep(fault->for_ms * WORLD_MS);
		while (world->redis_down)
			pause_sleep(LOOK_NS);
		tell_redis(world, "CONFIG SET maxmemory 0");
		break;
	default:
		redis_sim_corrupt(world->redis, (unsigned)fault->value);
		break;
	}
}

/* Within one of its next writes, where they come in time. */
static void ledger_without_power(struct world *world, const struct plan_fault *fault)
{
	int64_t until_ns = clock_mono_ns() + 5000 * WORLD_MS;

	ledger_sim_cut_power(world->server, (unsigned)(fault->value % 20) + 1);
	while (!ledger_sim_is_off(world->server) && clock_mono_ns() < until_ns)
		pause_sleep(LOOK_NS);
	if (!ledger_sim_is_off(world->server)) {
		ledger_sim_cut_power(world->server, 0);
		return;
	}
	pause_sleep(fault->for_ms * WORLD_MS);
	ledger_sim_power_on(world->server);
}

static void ledger_is_away(struct world *world, enum ledger_sim_presence how, const struct plan_fault *fault)
{
	ledger_sim_set_presence(world->server, how);
	pause_sleep(fault->for_ms * WORLD_MS);
	ledger_sim_set_presence(world->server, LEDGER_SIM_HERE);
}

static void fault_ledger(struct world *world, const struct plan_fault *fault)
{
	struct draw draw = draw_of(world->plan->seed, "ledger", (uint64_t)fault->value);
	struct ledger_sim_chances chances = world_usual_ledger;
	uint32_t *const one[] = {&chances.ended, &chances.lost, &chances.done, &chances.undone, &chances.late, &chances.slow};

	switch (draw_below(&draw, 5)) {
	case 0:
		ledger_is_away(world, LEDGER_SIM_REFUSES, fault);
		break;
	case 1:
		ledger_is_away(world, LEDGER_SIM_SILENT, fault);
		break;
	case 2:
		if (fault->value % 2)
			ledger_without_power(world, fault);
		else
			ledger_sim_end_sessions(world->server, world->gates[fault->node].node);
		break;
	default:
		for (unsigned i = 0; i < 2; i++)
			*one[draw_below(&draw, sizeof(one) / sizeof(one[0]))] = (uint32_t)draw_between(&draw, 10000, 600000);
		chances.slow_ns = draw_between(&draw, 1, 3000) * WORLD_MS;
		ledger_sim_set_chances(world->server, &chances);
		pause_sleep(fault->for_ms * WORLD_MS);
		ledger_sim_set_chances(world->server, &world_usual_ledger);
		break;
	}
}

/* One kind alone, for a while. */
static void set_ledger_chance(struct world *world, const struct plan_fault *fault)
{
	struct ledger_sim_chances chances = world_usual_ledger;
	uint32_t *const one[] = {&chances.ended, &chances.lost, &chances.done, &chances.undone, &chances.late, &chances.slow};

	*one[fault->value / 1000] = (uint32_t)(fault->value % 1000) * 1000;
	chances.slow_ns = 2000 * WORLD_MS;
	ledger_sim_set_chances(world->server, &chances);
	pause_sleep(fault->for_ms * WORLD_MS);
	ledger_sim_set_chances(world->server, &world_usual_ledger);
}

/* A gate and a drain begin while nobody can ask it. */
static void begin_without_ledger(struct world *world, const struct plan_fault *fault)
{
	struct world_process *gate = &world->gates[fault->node],
			     *drain = &world->drains[(uint64_t)fault->value % world->plan->drains];
	int64_t until_ns = clock_mono_ns() + fault->for_ms * WORLD_MS;

	ledger_sim_set_presence(world->server, fault->value % 2 ? LEDGER_SIM_SILENT : LEDGER_SIM_REFUSES);
	process_kill(gate);
	process_kill(drain);
	pause_sleep(fault->value * WORLD_MS);
	if (!gate->node && !world->closed_gates)
		process_start(gate);
	if (!drain->node && !world->closed_drains)
		process_start(drain);
	if (clock_mono_ns() < until_ns)
		pause_sleep(until_ns - clock_mono_ns());
	ledger_sim_set_presence(world->server, LEDGER_SIM_HERE);
	restart_later(gate, 0);
	restart_later(drain, 0);
}

/* --- All of them --- */

struct running_fault {
	struct world *world;
	const struct plan_fault *fault;
};

static void begin(struct world *world, const struct plan_fault *fault)
{
	switch (fault->kind) {
	case FAULT_GATE_KILLED:
		kill_gate(&world->gates[fault->node], fault);
		break;
	case FAULT_GATE_STOPPED:
		process_stop(&world->gates[fault->node]);
		restart_later(&world->gates[fault->node], fault->for_ms);
		break;
	case FAULT_GATE_PAUSED:
		pause_process(&world->gates[fault->node], fault);
		break;
	case FAULT_GATE_CLOCK_STEP:
		step_clock(&world->gates[fault->node], fault->value);
		break;
	case FAULT_GATE_CLOCK_DRIFT:
		drift_clock(&world->gates[fault->node], fault);
		break;
	case FAULT_DRAIN_KILLED:
		process_kill(&world->drains[fault->node]);
		restart_later(&world->drains[fault->node], fault->for_ms);
		break;
	case FAULT_DRAIN_PAUSED:
		pause_process(&world->drains[fault->node], fault);
		break;
	case FAULT_DRAIN_CLOCK_STEP:
		step_clock(&world->drains[fault->node], fault->value);
		break;
	case FAULT_FAILPOINT:
		fail_at_points(world, fault);
		pause_sleep(fault->for_ms * WORLD_MS);
		failing.point = NULL;
		break;
	case FAULT_POWER:
		cut_power(world, fault);
		break;
	case FAULT_GATE_WITHOUT_LOG:
		world->gates[fault->node].cut_off = true;
		if (world->gates[fault->node].journal)
			journal_sim_cut_off(world->gates[fault->node].journal);
		break;
	case FAULT_LEDGER_CHANCE:
		set_ledger_chance(world, fault);
		break;
	case FAULT_REDIS_CLOCK_STEP:
		faults_step_redis_clock(world, fault);
		break;
	case FAULT_KAFKA:
	case FAULT_KAFKA_RETENTION:
	case FAULT_KAFKA_CHANCE:
	case FAULT_KAFKA_SLOW:
		faults_log(world, fault);
		break;
	case FAULT_LEDGER_AWAY_AT_START:
		begin_without_ledger(world, fault);
		break;
	case FAULT_KAFKA_ANEW:
		restore_topic(world, fault);
		break;
	case FAULT_LEDGER_RESTORED:
		restore_ledger(world, fault);
		break;
	case FAULT_LEDGER_REFUSES:
		ledger_is_away(world, LEDGER_SIM_REFUSES, fault);
		break;
	case FAULT_LEDGER:
		fault_ledger(world, fault);
		break;
	case FAULT_REDIS_PROMOTED:
		faults_promote(world, fault);
		break;
	default:
		while (world->promoting)
			pause_sleep(LOOK_NS);
		world->redis_faults++;
		fault_redis(world, fault);
		world->redis_faults--;
		break;
	}
}

static void run_one(void *argument)
{
	struct running_fault *running = argument;
	struct world *world = running->world;
	char text[160];

	world_sleep_until(world, running->fault->at_ms);
	plan_print_fault(world->plan, (uint32_t)(running->fault - world->plan->faults), text, sizeof(text));
	scheduler_note(world->scheduler, "fault begins: %s", text);
	if (world->running_faults++ == 0)
		watches_calm(world, false);
	world->begun_faults++;
	faults_disturb_redis_clock(world);
	begin(world, running->fault);
	if (--world->running_faults == 0)
		watches_calm(world, true);
	scheduler_note(world->scheduler, "fault ends: %s", text);
	world_rest_one(world, &world->busy_faults);
	free(running);
}

/* Each in a thread of its own: faults overlap. */
void faults_run(struct world *world)
{
	for (uint32_t i = 0; i < world->plan->fault_count; i++) {
		struct running_fault *running;

		if (world->plan->faults[i].without)
			continue;
		running = malloc(sizeof(*running));
		if (!running)
			abort();
		*running = (struct running_fault){world, &world->plan->faults[i]};
		world->busy_faults++;
		scheduler_start(world->node, "fault", run_one, running);
	}
	world_await_rest(world, &world->busy_faults, INT64_MAX);
	if (world->log)
		journal_sim_settle(world->log);
	if (world->server)
		ledger_sim_settle(world->server);
}

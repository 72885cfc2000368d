/* Processes of a world: how a gate and a drain begin, die and begin again. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "engine/services.h"
#include "engine/waiting.h"
#include "journal/direct/direct.h"
#include "simulation/scheduler/port_yield.h"
#include "simulation/world/parts.h"
#include "stock/memory/memory.h"
#include "stock/redis/redis.h"

enum { OUTBOX_MAX = 1024, STOP_PATIENCE_MS = 40000 };
static const int64_t AGAIN_NS = 1000000000, LOOK_NS = 10000000;

/* --- What a gate stands on --- */

/*
 * Over the stock's word and the ledger's, as the engine does it for the journal that it opens
 * itself.
 */
static int meet_log(struct world_process *gate)
{
	struct stock_log log = {.partitions = journal_sim_partitions(gate->journal)};
	uint32_t used = gate->ledger_later ? log.partitions : 0;
	const char *cluster = journal_sim_cluster(gate->journal), *topic = journal_sim_topic(gate->journal);
	char *known = NULL;
	int r = gate->ledger->ops->journal_identify(gate->ledger, slice_of(cluster), slice_of(topic), &log.partitions, &known);

	free(known);
	if (r == 0 && used && log.partitions != used)
		r = -EINVAL;
	if (r == 0)
		r = journal_sim_fix(gate->journal, log.partitions);
	if (r != 0)
		return r;
	snprintf(log.cluster, sizeof(log.cluster), "%s", cluster);
	snprintf(log.topic, sizeof(log.topic), "%s", topic);
	gate->stock->ops->keep_log(gate->stock, &log);
	return 0;
}

static int meet_later(void *context)
{
	return meet_log(context);
}

/*
 * As engine/services.c begins without the ledger, which has come to `away`: what the stock has
 * armed is sold, into the log that it names.
 */
static int open_without_ledger(struct world_process *gate, int away)
{
	struct stock_log kept;
	int r = gate->stock->ops->recall_log(gate->stock, &kept);

	if (r || strcmp(kept.cluster, journal_sim_cluster(gate->journal)) != 0 ||
	    strcmp(kept.topic, journal_sim_topic(gate->journal)) != 0 || !services_sell(gate->stock))
		return away;
	r = journal_sim_fix(gate->journal, kept.partitions);
	if (r == 0)
		r = ledger_sim_open(gate->world->server, &gate->ledger, LEDGER_OPEN_SHARED | LEDGER_OPEN_LATER);
	gate->ledger_later = r == 0;
	if (r == 0)
		scheduler_note(gate->world->scheduler, "gate %u begins without the ledger", gate->number);
	return r;
}

static int open_cluster(struct world_process *gate)
{
	struct world *world = gate->world;
	const struct stock_redis_settings redis = {.url = world->group ? REDIS_GROUP_URL : "redis://in.process",
						   .outbox_max = OUTBOX_MAX,
						   .transport = network_transport(world)};
	int away = 0, r = 0;

	if (!gate->ledger)
		away = ledger_sim_open(world->server, &gate->ledger, LEDGER_OPEN_SHARED);
	if (!waiting_is_for(away))
		r = away;
	if (r == 0 && !gate->journal)
		gate->journal = journal_sim_open(world->log, world->settings->journal.ack_deadline_ns);
	if (r == 0 && gate->cut_off)
		journal_sim_cut_off(gate->journal);
	if (r == 0 && !gate->stock) {
		r = stock_redis_open(&gate->stock, &redis);
		if (r == 0)
			port_yield_stock(gate->stock, false); /* the log and the ledger's server yield by themselves */
	}
	if (r == 0 && away)
		return open_without_ledger(gate, away);
	return r == 0 ? meet_log(gate) : r;
}

static int open_embedded(struct world_process *gate)
{
	int r = ledger_disk_open(&gate->ledger, gate->world->disk, LEDGER_OPEN_LEASE);

	if (r == 0)
		r = journal_direct_new(&gate->journal, gate->ledger);
	if (r == 0)
		r = stock_memory_new(&gate->stock, OUTBOX_MAX);
	if (r < 0)
		return r;
	port_yield_ledger(gate->ledger, false);
	port_yield_journal(gate->journal, false);
	port_yield_stock(gate->stock, false);
	return 0;
}

/* Each is nobody's while it goes: who is killed meanwhile has it no more. */
static void close_services(struct world_process *process)
{
	struct stock *stock = process->stock;
	struct journal *journal = process->journal;
	struct journal_reader *reader = process->reader;
	struct ledger *ledger = process->ledger;

	process->stock = NULL;
	if (stock) {
		stock->ops->free(stock);
		watches_lose_gate(process->world, process->number);
	}
	process->journal = NULL;
	if (journal)
		journal->ops->free(journal);
	process->reader = NULL;
	if (reader)
		reader->ops->free(reader);
	process->ledger = NULL;
	process->ledger_later = false;
	if (ledger)
		ledger->ops->free(ledger);
}

/* --- A process --- */

static struct world *current;

void process_meet_settings(struct world *world)
{
	current = world;
}

/* Whose thread this is: who is asked by `told` gets no argument. */
static struct world_process *own(void)
{
	for (unsigned i = 0; i < PLAN_GATES_MAX; i++)
		if (current->gates[i].node == node_current)
			return &current->gates[i];
	for (unsigned i = 0; i < PLAN_DRAINS_MAX; i++)
		if (current->drains[i].node == node_current)
			return &current->drains[i];
	abort();
}

static bool told(int64_t wait_ns)
{
	return !pause_rest(&own()->stop, wait_ns);
}

/* False: it could not begin, and whoever manages it starts it again. */
static bool serve(struct world_process *gate)
{
	const struct engine_ports ports = {.stock = gate->stock,
					   .journal = gate->journal,
					   .ledger = gate->ledger,
					   .meet_ledger = gate->ledger_later ? meet_later : NULL,
					   .context = gate,
					   .buyers = gate->buyers,
					   .operators = gate->operators};
	bool served;

	if (engine_new(&gate->engine, gate->world->settings, &ports) < 0)
		return false;
	served = engine_start(gate->engine, told) == 0;
	if (served)
		scheduler_note(gate->world->scheduler, "gate %u serves", gate->number);
	while (served && !told(AGAIN_NS))
		continue;
	engine_stop(gate->engine);
	engine_free(gate->engine);
	gate->engine = NULL;
	return served;
}

static bool drain(struct world_process *process)
{
	const struct drain_engine_ports ports = {process->ledger, process->reader, process->buyers};
	bool served;

	if (drain_engine_new(&process->drain_engine, process->world->settings, &ports) < 0)
		return false;
	served = drain_engine_start(process->drain_engine, told) == 0;
	while (served && !told(AGAIN_NS))
		continue;
	drain_engine_stop(process->drain_engine);
	drain_engine_free(process->drain_engine);
	process->drain_engine = NULL;
	return served;
}

static int open_services(struct world_process *process)
{
	int r;

	if (!process->drain)
		return process->world->plan->shape == PLAN_CLUSTER ? open_cluster(process) : open_embedded(process);
	r = process->ledger ? 0 : ledger_sim_open(process->world->server, &process->ledger, LEDGER_OPEN_SHARED);
	if (r == 0)
		process->reader = journal_sim_open_reader(process->world->log);
	return r;
}

static void live(void *argument)
{
	struct world_process *process = argument;

	while (!pause_ended(&process->stop)) {
		int r = open_services(process);

		if (r != 0)
			scheduler_note(process->world->scheduler, "%s %u: its services come to %d",
				       process->drain ? "drain" : "gate", process->number, r);
		else if (process->drain)
			drain(process);
		else
			serve(process);
		close_services(process);
		if (told(AGAIN_NS))
			break;
	}
	process->ended = true;
}

void process_start(struct world_process *process)
{
	struct world *world = process->world;
	struct node *before = node_enter(world->node);
	char name[16];

	process->buyers = process->operators = NULL;
	if (http_wire_new(&process->buyers) < 0 || http_wire_new(&process->operators) < 0)
		abort();
	pause_init(&process->stop);
	process->ended = false;
	snprintf(name, sizeof(name), "%s-%u", process->drain ? "drain" : "gate", process->number);
	process->node = scheduler_node_new(world->scheduler, name, &process->clock);
	node_enter(before);
	scheduler_start(process->node, "main", live, process);
}

/* Its machine's clocks go on. */
static void keep_clock(struct world_process *process)
{
	struct node *before = node_enter(process->node);
	int64_t wall_us = clock_wall_us(), mono_ns = clock_mono_ns();

	node_enter(process->world->node);
	process->clock.wall_ahead_us = wall_us - clock_wall_us();
	process->clock.mono_ahead_ns = mono_ns - clock_mono_ns();
	node_enter(before);
}

/* What it had open is as its end has left it. */
static void drop_services(struct world_process *process, struct node *node)
{
	struct world *world = process->world;

	if (world->disk)
		memory_disk_leave(world->disk);
	else
		ledger_sim_drop(world->server, node, true);
	if (world->group && !process->drain)
		redis_group_end_client(world->group, node, process->incarnation % 2);
	else if (world->redis && !process->drain)
		redis_sim_end_client(world->redis, node, process->incarnation % 2);
	if (world->log && process->journal)
		journal_sim_vanish(process->journal);
	if (process->reader)
		journal_sim_vanish_reader(process->reader);
	process->stock = NULL;
	process->journal = NULL;
	process->reader = NULL;
	process->ledger = NULL;
	process->ledger_later = false;
	process->engine = NULL;
	process->drain_engine = NULL;
}

/* Nobody is connected to it any more. */
static void end_life(struct world_process *process)
{
	keep_clock(process);
	watches_clock(process); /* it may have stood until now */
	process->incarnation++;
	process->buyers = process->operators = NULL;
	process->dead = true;
	scheduler_note(process->world->scheduler, "%s is killed", scheduler_node_name(process->node));
}

void process_die(struct world_process *process)
{
	end_life(process);
	scheduler_kill(process->node);
}

void process_kill(struct world_process *process)
{
	struct node *node = process->node;

	if (!node || process->going)
		return;
	process->going = true;
	if (!process->dead)
		end_life(process);
	scheduler_kill(node);
	scheduler_await_gone(node);
	drop_services(process, node);
	process->node = NULL;
	process->dead = process->going = false;
	if (!process->drain)
		watches_lose_gate(process->world, process->number);
}

void process_stop(struct world_process *process)
{
	struct node *node = process->node;
	int64_t until_ns = clock_mono_ns() + STOP_PATIENCE_MS * WORLD_MS;

	if (!node)
		return;
	pause_end(&process->stop);
	while (!process->ended && clock_mono_ns() < until_ns)
		pause_sleep(LOOK_NS);
	process_kill(process);
}

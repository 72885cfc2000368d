/* What a judge is told of a world beside what its clients see. */
#include <sqlite3.h>
#include <stdlib.h>
#include "base/clock.h"
#include "simulation/judge/watch_ledger.h"
#include "simulation/judge/watch_log.h"
#include "simulation/judge/watch_stock.h"
#include "simulation/world/parts.h"

enum {
	QUIET_MS = 20000,
	ENDS_MS = 10000,
	LOOK_MS = 100,
	STOCK = HISTORY_NODES - 1
}; /* STOCK: the judge's number of its machine */

static struct {
	struct watch_ledger *ledger;
	struct watch_log *log;                  /* of a world with a log, which is another than its ledger */
	struct watch_stock stock[PLAN_SERVERS]; /* the gate's memory, or Redis and what was its replica, by its number */
	bool watched[PLAN_SERVERS];
	sqlite3 *database;                    /* of the embedded shape: our own connection */
	uint64_t disk_writes;                 /* until there we have looked */
	uint64_t redis_changes[PLAN_SERVERS]; /* until there we have looked */
	bool stock_lost;                      /* and not since then */
	uint32_t armed_count;
	uint64_t armed;    /* the sales that the ledger has had armed, each a bit */
	int64_t looked_ns; /* when we have looked at the clocks */
	int64_t raced_ns;  /* how far a sale's time may have run ahead: as fast as the fastest of the gates' clocks */
} eyes;

/* --- The ledger --- */

static void open_database(struct world *world)
{
	int code = sqlite3_open_v2(LEDGER_DISK_PATH, &eyes.database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   memory_disk_vfs(world->disk));

	if (code != SQLITE_OK)
		abort();
	sqlite3_db_config(eyes.database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static void close_database(void)
{
	watch_ledger_release(eyes.ledger);
	sqlite3_close(eyes.database);
	eyes.database = NULL;
}

/* The first time; what was armed once is not asked for again. */
static void look_at_armings(struct world *world, sqlite3 *database)
{
	uint64_t armed = 0;

	if (eyes.armed_count < world->plan->sale_count)
		armed = watch_ledger_armed(database) & ~eyes.armed;
	eyes.armed |= armed;
	for (uint32_t number = 1; number <= HISTORY_SALES; number++)
		if (armed >> number & 1) {
			history_armed(world->judge, number);
			eyes.armed_count++;
		}
}

static void look_at_disk(struct world *world)
{
	if (memory_disk_writes(world->disk) == eyes.disk_writes || memory_disk_is_off(world->disk))
		return;
	if (!eyes.database)
		open_database(world);
	if (!watch_ledger_look(eyes.ledger, eyes.database))
		return;
	eyes.disk_writes = memory_disk_writes(world->disk);
	look_at_armings(world, eyes.database);
}

static void look_at_server(void *context)
{
	struct world *world = context;

	(void)watch_ledger_look(eyes.ledger, ledger_sim_database(world->server));
	watch_ledger_release(eyes.ledger);
}

/* --- While it runs --- */

void watches_open(struct world *world)
{
	bool cluster = world->plan->shape == PLAN_CLUSTER;

	eyes.ledger = watch_ledger_new(world->judge, !cluster);
	for (uint32_t i = 0; i < PLAN_SERVERS; i++)
		eyes.stock[i] = (struct watch_stock){.judge = world->judge, .server = i, .sales = world->plan->sale_count};
	eyes.watched[0] = true;
	if (!cluster)
		return;
	eyes.log = watch_log_new(world->judge, world->log);
	for (uint32_t i = 0; i < PLAN_SERVERS; i++) {
		eyes.stock[i].grows = look_at_server;
		eyes.stock[i].context = world;
	}
}

static void look_at_redis(struct world *world, size_t server)
{
	struct redis_sim *redis = world->group ? redis_group_server(world->group, server) : world->redis;
	uint64_t changes = redis_sim_changes(redis);
	bool lost = server == world->master && eyes.stock_lost;

	if (!eyes.watched[server] || (server == world->master && world->redis_restarts) ||
	    (changes == eyes.redis_changes[server] && !lost))
		return;
	eyes.redis_changes[server] = changes;
	eyes.stock_lost = eyes.stock_lost && !lost;
	watch_stock_redis(&eyes.stock[server], redis);
}

/* Where the drains stand. */
static void look_at_positions(struct world *world)
{
	uint32_t count = journal_sim_partition_count(world->log);
	uint64_t writes = ledger_sim_writes(world->server);
	int64_t positions[JOURNAL_SIM_PARTITIONS_MAX];
	sqlite3 *database;

	if (writes == eyes.disk_writes)
		return;
	database = ledger_sim_database(world->server);
	if (!database)
		return;
	eyes.disk_writes = writes;
	watch_ledger_positions(database, positions, count);
	for (uint32_t i = 0; i < count; i++)
		history_position(world->judge, i, positions[i]);
	look_at_armings(world, database);
}

/*
 * A fast clock moves the time of each sale that its gate asks Redis about (stock/redis/redis.c), be
 * its wall clock behind or not.
 */
static void look_at_clocks(struct world *world)
{
	int64_t now_ns = scheduler_now_ns(world->scheduler), fastest_ppb = 0;

	for (unsigned i = 0; world->drifting > 0 && i < world->plan->gates; i++) {
		watches_clock(&world->gates[i]);
		if (world->gates[i].clock.drift_ppb > fastest_ppb)
			fastest_ppb = world->gates[i].clock.drift_ppb;
	}
	if (fastest_ppb > 0 && !world->disk) {
		eyes.raced_ns += (now_ns - eyes.looked_ns) * fastest_ppb / 1000000000;
		history_clock(world->judge, STOCK, eyes.raced_ns / 1000000);
	}
	eyes.looked_ns = now_ns;
}

static void look_at_servers(struct world *world)
{
	for (size_t i = 0; i < (world->group ? PLAN_SERVERS : 1); i++)
		look_at_redis(world, i);
}

void watches_step(struct world *world)
{
	history_time(world->judge, scheduler_now_ns(world->scheduler));
	look_at_clocks(world);
	if (world->disk) {
		look_at_disk(world);
		if (world->gates[0].stock)
			watch_stock_memory(&eyes.stock[0], world->gates[0].stock);
		return;
	}
	watch_log_look(eyes.log);
	look_at_servers(world);
	look_at_positions(world);
}

/* --- What goes wrong --- */

void watches_last_look(struct world *world)
{
	history_time(world->judge, scheduler_now_ns(world->scheduler));
	look_at_servers(world);
}

static void forget_stock(size_t server)
{
	for (size_t i = 0; i <= HISTORY_SALES; i++)
		eyes.stock[server].told[i] = false;
}

static void lose_stock(struct world *world, size_t server)
{
	history_stock_lost(world->judge, eyes.stock[server].server);
	forget_stock(server);
}

void watches_lose_gate(struct world *world, unsigned gate)
{
	(void)gate;
	if (!world->disk)
		return;
	lose_stock(world, 0);
	if (eyes.database)
		close_database();
}

void watches_lose_stock(struct world *world)
{
	lose_stock(world, world->master);
	eyes.stock_lost = true;
}

void watches_promote(struct world *world, size_t server)
{
	lose_stock(world, server);
	eyes.watched[server] = true;
}

void watches_demote(struct world *world, size_t server)
{
	history_stock_left(world->judge, eyes.stock[server].server);
	forget_stock(server);
	eyes.watched[server] = false;
}

void watches_lose_ledger(struct world *world)
{
	history_ledger_restored(world->judge);
	watch_ledger_free(eyes.ledger);
	eyes.ledger = watch_ledger_new(world->judge, false);
}

void watches_lose_log(struct world *world)
{
	watch_log_free(eyes.log);
	eyes.log = watch_log_new(world->judge, world->log);
}

void watches_lose_disk(struct world *world)
{
	if (eyes.database)
		close_database();
	open_database(world);
	if (!watch_ledger_look_again(eyes.ledger, eyes.database))
		abort();
	eyes.disk_writes = memory_disk_writes(world->disk);
	close_database();
}

void watches_clock(const struct world_process *process)
{
	struct world *world = process->world;
	int64_t ahead_us = process->clock.wall_ahead_us;
	struct node *before;

	if (process->drain)
		return;
	if (process->node) {
		before = node_enter(process->node);
		ahead_us = clock_wall_us() - scheduler_wall_us(world->scheduler);
		node_enter(before);
	}
	history_clock(world->judge, process->number, ahead_us / 1000);
}

void watches_calm(struct world *world, bool calm)
{
	history_calm(world->judge, calm);
}

void watches_stock_clock(struct world *world, int64_t by_ms)
{
	struct node *before = node_enter(world->redis_node);
	int64_t ahead_us = clock_wall_us() - scheduler_wall_us(world->scheduler);

	node_enter(before);
	history_clock(world->judge, STOCK, ahead_us / 1000);
	history_stock_clock(world->judge, by_ms);
}

void watches_stood(const struct world_process *process, int64_t for_ns)
{
	if (process->drain)
		return;
	if (for_ns > 0)
		history_stood(process->world->judge, process->number, for_ns);
	watches_clock(process);
}

/* --- The end --- */

int64_t watches_applied(struct world *world, uint32_t partition)
{
	sqlite3 *database = ledger_sim_database(world->server);
	int64_t positions[JOURNAL_SIM_PARTITIONS_MAX];

	if (!database)
		return -1;
	watch_ledger_positions(database, positions, partition + 1);
	return positions[partition];
}

bool watches_is_drained(struct world *world)
{
	for (uint32_t i = 0; i < journal_sim_partition_count(world->log); i++) {
		int64_t end = journal_sim_end(world->log, i);

		if (end > 0 && watches_applied(world, i) != end)
			return false;
	}
	return true;
}

static bool is_quiet(struct world *world)
{
	for (uint32_t sale = 1; world->redis && sale <= world->plan->sale_count; sale++)
		if (watch_stock_redis_outbox(world->redis, sale) > 0)
			return false;
	if (!world->redis && world->gates[0].stock && watch_stock_memory_outbox(world->gates[0].stock) > 0)
		return false;
	return !world->log || (watches_is_drained(world) && journal_sim_in_flight(world->log) == 0);
}

/* Whether the stock has it; nobody has a stock in memory while its gate is away. */
static bool look_at_lots(struct world *world, uint32_t sale, struct history_stock_lot *lots, uint32_t *count)
{
	uint32_t epoch;

	*count = 0;
	if (world->redis)
		return watch_stock_redis_lots(world->redis, sale, &epoch, lots, count);
	return world->gates[0].stock && watch_stock_memory_lots(world->gates[0].stock, sale, &epoch, lots, count);
}

static void tell_rest(struct world *world, uint32_t sale)
{
	struct history_rest rest = {.sale = sale};
	struct history_stock_lot lots[HISTORY_LOTS] = {{0}};
	uint32_t count;

	rest.armed = look_at_lots(world, sale, lots, &count);
	if (world->redis)
		rest.outbox = watch_stock_redis_outbox(world->redis, sale);
	for (uint32_t i = 0; i < count; i++)
		rest.lots[i].stock = lots[i];
	watch_ledger_rest(eyes.ledger, world->disk ? eyes.database : ledger_sim_database(world->server), &rest);
}

static bool has_late_holds(struct world *world)
{
	struct history_stock_lot lots[HISTORY_LOTS];
	uint32_t count;

	for (uint32_t sale = 1; sale <= world->plan->sale_count; sale++)
		if (judge_has_late_holds(world->judge, sale) && look_at_lots(world, sale, lots, &count))
			return true;
	return false;
}

void watches_await_quiet(struct world *world)
{
	int64_t until_ns = clock_mono_ns() + QUIET_MS * WORLD_MS;

	while (!is_quiet(world) && clock_mono_ns() < until_ns)
		pause_sleep(LOOK_MS * WORLD_MS);
}

/*
 * Who rests as worlds let it does so with work at hand as well: an end that waits for company, for
 * milliseconds, is too late for the log then, and is taken back, time after time. So nobody rests
 * late before a hold is said to have no end.
 */
static void await_ends(struct world *world)
{
	int64_t until_ns = clock_mono_ns() + ENDS_MS * WORLD_MS;

	world_ask_begins(world);
	while (has_late_holds(world) && clock_mono_ns() < until_ns)
		pause_sleep(LOOK_MS * WORLD_MS);
	world_ask_ends(world);
	watches_await_quiet(world);
}

void watches_rest(struct world *world)
{
	struct node *before;

	watches_await_quiet(world);
	if (has_late_holds(world))
		await_ends(world);
	before = node_enter(NULL); /* nothing yields */
	if (world->disk && !eyes.database)
		open_database(world);
	for (uint32_t sale = 1; sale <= world->plan->sale_count; sale++)
		tell_rest(world, sale);
	node_enter(before);
}

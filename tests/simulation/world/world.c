#include "simulation/world/world.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "simulation/world/parts.h"
#include "stock/redis/redis.h"

static const uint64_t STEPS_MAX = 20000000;
static const int64_t LATE_NS = 4000000000;
static const int64_t WALL_US = 1800000000000000; /* 2027-01-15T08:00:00Z */

const struct journal_sim_faults world_usual_log = {.latency_ns = 3 * WORLD_MS, .heartbeat_ns = 300 * WORLD_MS};
const struct ledger_sim_chances world_usual_ledger = {.usual_ns = 500000};

static struct world world;

void world_breach(struct world *of, const char *format, ...)
{
	va_list arguments;

	if (of->result->breach[0] || of->plan->corrupt)
		return;
	va_start(arguments, format);
	vsnprintf(of->result->breach, sizeof(of->result->breach), format, arguments);
	va_end(arguments);
	scheduler_note(of->scheduler, "breach: %s", of->result->breach);
}

int64_t world_now_ms(const struct world *of)
{
	return (scheduler_now_ns(of->scheduler) - of->begun_ns) / WORLD_MS;
}

void world_sleep_until(const struct world *of, int64_t at_ms)
{
	int64_t left_ns = of->begun_ns + at_ms * WORLD_MS - scheduler_now_ns(of->scheduler);

	if (left_ns > 0)
		pause_sleep(left_ns);
}

void world_rest_one(struct world *of, uint32_t *busy)
{
	lock_take(&of->lock);
	if (--*busy == 0)
		lock_condition_broadcast(&of->rested);
	lock_release(&of->lock);
}

void world_await_rest(struct world *of, const uint32_t *busy, int64_t until_ns)
{
	lock_take(&of->lock);
	while (*busy > 0 && clock_mono_ns() < until_ns)
		(void)lock_condition_wait_until(&of->rested, &of->lock, until_ns);
	lock_release(&of->lock);
}

void world_ask_begins(struct world *of)
{
	if (of->asking++ == 0)
		scheduler_set_late(of->scheduler, 0);
}

void world_ask_ends(struct world *of)
{
	if (--of->asking == 0)
		scheduler_set_late(of->scheduler, LATE_NS);
}

/* --- The beginning --- */

static void add_flag(char **flags, size_t *count, const char *format, const char *value)
{
	if (asprintf(&flags[(*count)++], format, value) < 0)
		abort();
}

static void load_settings(const struct plan *plan)
{
	bool cluster = plan->shape == PLAN_CLUSTER;
	struct settings_sources sources;
	struct draw draw = draw_of(plan->seed, "settings", 0);
	char *flags[16], threads[8];
	struct buffer error;
	size_t count = 0;

	snprintf(threads, sizeof(threads), "%u", plan->threads);
	add_flag(flags, &count, "--gate.threads=%s", threads);
	add_flag(flags, &count, "--identity.mode=%s", "header");
	add_flag(flags, &count, "--gate.trusted_proxies=%s", "127.0.0.1");
	add_flag(flags, &count, "--log.level=%s", "off");
	/* What is never filled by so few buyers is not cleared for each gate anew. */
	add_flag(flags, &count, "--gate.connections_max=%s", "64");
	add_flag(flags, &count, "--gate.in_flight_max=%s", "16");
	add_flag(flags, &count, "--journal.lane_max=%s", "64");
	/* A batch of one is full at once: with two buyers, appends overlap. */
	add_flag(flags, &count, "--journal.batch_max=%s", cluster && draw_chance(&draw, 50) ? "1" : "64");
	add_flag(flags, &count, "--drain.batch_max=%s", "64");
	add_flag(flags, &count, "--identity.cache_entries=%s", "16");
	add_flag(flags, &count, "--operator.token=%s", WORLD_TOKEN);
	add_flag(flags, &count, "--ledger.url=%s", cluster ? "postgresql://in.process/ledger" : "sqlite:" LEDGER_DISK_PATH);
	if (cluster)
		add_flag(flags, &count, "--stock.url=%s", "redis://in.process");
	sources = (struct settings_sources){.flag_count = count, .flags = flags};
	buffer_init(&error, 4096);
	if (settings_load(&world.settings, &sources, &error) < 0) {
		fprintf(stderr, "%.*s\n", (int)error.size, error.data);
		abort();
	}
	buffer_deinit(&error);
	for (size_t i = 0; i < count; i++)
		free(flags[i]);
}

static struct node *service_node(const char *name)
{
	return scheduler_node_new(world.scheduler, name, NULL);
}

/* One alone, or a master with two replicas. */
static void open_redis(const struct plan *plan)
{
	static const char *const names[] = {"redis-server", "redis-replica-1", "redis-replica-2"};

	for (size_t i = 0; i < (plan->replicas ? PLAN_SERVERS : 1); i++)
		world.redis_nodes[i] = service_node(names[i]);
	world.redis_node = world.redis_nodes[0];
	if (!plan->replicas) {
		world.redis = redis_sim_new(world.redis_node);
		return;
	}
	world.group = redis_group_new(world.redis_nodes, PLAN_SERVERS);
	redis_group_configure(world.group, "min-replicas-to-write", "1");
	world.redis = redis_group_server(world.group, 0);
}

static void open_services(const struct plan *plan)
{
	struct node *server;

	if (plan->shape == PLAN_EMBEDDED) {
		world.disk = ledger_disk_new(draw_of(plan->seed, "disk", 0).state);
		return;
	}
	server = service_node("ledger-server");
	open_redis(plan);
	world.log = journal_sim_new(service_node("log-server"), draw_of(plan->seed, "log", 0).state, plan->partitions);
	journal_sim_set_faults(world.log, &world_usual_log);
	world.server = ledger_sim_new(server->clock, draw_of(plan->seed, "ledger", 0).state);
	ledger_sim_set_chances(world.server, &world_usual_ledger);
}

static void make_processes(const struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "clocks", 0);

	for (unsigned i = 0; i < plan->gates; i++) {
		world.gates[i] = (struct world_process){.world = &world, .number = i};
		world.gates[i].clock.wall_ahead_us = draw_chance(&draw, 50) ? draw_between(&draw, -2000000, 2000000) : 0;
		world.gates[i].clock.mono_ahead_ns = draw_between(&draw, 0, 1000000000000);
		process_start(&world.gates[i]);
		watches_clock(&world.gates[i]);
	}
	for (unsigned i = 0; i < plan->drains; i++) {
		world.drains[i] = (struct world_process){.world = &world, .number = i, .drain = true};
		process_start(&world.drains[i]);
	}
}

/* --- A run --- */

static void run_client(void *argument)
{
	client_run(&world, (uint32_t)(uintptr_t)argument);
	world_rest_one(&world, &world.busy_clients);
}

/* Everybody is answered within a minute of the last fault's end. */
static void await_clients(void)
{
	int64_t until_ns = clock_mono_ns() + WORLD_REST_MS * WORLD_MS;

	world_await_rest(&world, &world.busy_clients, until_ns);
	for (uint32_t i = 0; i < world.plan->op_count; i++)
		if (!world.done[i])
			world_breach(&world, "live.unanswered: operation %u has no definite answer %d s after the last fault", i,
				     WORLD_REST_MS / 1000);
	until_ns -= clock_mono_ns();
	if (until_ns > 0)
		pause_sleep(until_ns);
}

static void run(void *argument)
{
	const struct plan *plan = argument;

	make_processes(plan);
	client_set_up(&world);
	world.begun_ns = scheduler_now_ns(world.scheduler);
	scheduler_note(world.scheduler, "the plan begins");
	world.busy_clients = plan->client_count;
	for (uint32_t i = 0; i < plan->client_count; i++)
		scheduler_start(world.node, "client", run_client, (void *)(uintptr_t)i);
	faults_run(&world);
	world_sleep_until(&world, plan->until_ms);
	scheduler_note(world.scheduler, "faults are over");
	history_faults_end(world.judge);
	world.over = true;
	await_clients();
	watches_rest(&world);
	follower_end(&world);
	if (!world.result->breach[0])
		scheduler_note(world.scheduler, "all is well");
	scheduler_stop(world.scheduler);
}

static void step(void *context)
{
	const char *breach;

	(void)context;
	faults_at_step(&world);
	watches_step(&world);
	breach = judge_breach(world.judge);
	if (breach)
		world_breach(&world, "%s", breach);
	if (world.result->breach[0])
		scheduler_stop(world.scheduler);
}

static int at_failpoint(void *context, const char *name)
{
	(void)context;
	return faults_at_point(&world, name);
}

static void tell_end(enum scheduler_end end, FILE *trace)
{
	const char *breach;

	if (end != SCHEDULER_STOPPED)
		world_breach(&world, "run.%s: step %llu", scheduler_end_text(end),
			     (unsigned long long)scheduler_steps(world.scheduler));
	if (world.result->breach[0]) {
		if (trace)
			scheduler_dump(world.scheduler, trace);
		return;
	}
	breach = judge_end(world.judge);
	if (breach)
		world_breach(&world, "%s", breach);
}

/*
 * SQLite's first memory for pages and for journals of statements is more than a world's ledger ever
 * fills.
 */
static void prepare_sqlite(void)
{
	if (sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1) != SQLITE_OK)
		abort();
}

void world_prepare(void)
{
	struct redis_sim *redis = redis_sim_new(NULL);
	const struct stock_redis_settings settings = {
		.url = "redis://in.process", .outbox_max = 1, .transport = redis_sim_transport(redis)};
	struct stock *stock;

	log_set_level(LOG_OFF);
	prepare_sqlite();
	memory_disk_free(ledger_disk_new(0));
	if (stock_redis_open(&stock, &settings) < 0)
		abort();
	stock->ops->free(stock);
	redis_sim_free(redis);
}

void world_run(const struct plan *plan, FILE *trace, struct world_result *result)
{
	struct draw draw = draw_of(plan->seed, "schedule", 0);
	struct scheduler_settings settings = {
		.seed = draw_next(&draw),
		.policy = draw_chance(&draw, 50) ? SCHEDULER_UNIFORM : SCHEDULER_PRIORITIES,
		.change_points = (unsigned)draw_below(&draw, 6),
		.change_steps = 200000,
		.step_ns = 500,
		.stall_ppm = draw_chance(&draw, 50) ? (unsigned)draw_below(&draw, 1000) : 0,
		.stall_max_ns = draw_between(&draw, 1, 3000) * WORLD_MS,
		.wall_us = WALL_US,
		.steps_max = STEPS_MAX,
		.trace = trace,
		.on_step = step,
		.on_failpoint = at_failpoint,
	};
	/*
	 * Where a stock is shared, each who must hear of a hold before it ends may rest for seconds
	 * longer: LATE_NS. That is over at the end, but where Redis has replicas: who rests so long
	 * has no lease, and lets no hold end.
	 */
	const struct judge_terms terms = {.wall_ms = WALL_US / 1000,
					  .shared = plan->shape == PLAN_CLUSTER,
					  .ledger_stays = plan->ledger_stays,
					  .late_ms = plan->shape == PLAN_CLUSTER ? 0 : 15000,
					  .rest_ms = plan->replicas ? 0 : 30000,
					  .drift_ppm = 50000};

	memset(result, 0, sizeof(*result));
	log_set_level(trace ? LOG_INFO : LOG_OFF);
	world = (struct world){.plan = plan, .result = result};
	lock_init(&world.lock);
	lock_condition_init(&world.rested);
	world.judge = judge_new(&terms);
	world.scheduler = scheduler_new(&settings);
	world.node = scheduler_node_new(world.scheduler, "world", NULL);
	scheduler_set_punctual(world.node);
	load_settings(plan);
	process_meet_settings(&world);
	open_services(plan);
	watches_open(&world);
	scheduler_start(world.node, "main", run, (void *)(uintptr_t)plan);
	tell_end(scheduler_run(world.scheduler), trace);
	result->steps = scheduler_steps(world.scheduler);
	result->fingerprint = scheduler_fingerprint(world.scheduler);
	result->virtual_s = (double)scheduler_now_ns(world.scheduler) / 1e9;
}

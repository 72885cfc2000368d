#include "engine/drain_engine.h"

#include <stdlib.h>
#include "engine/adapters.h"
#include "base/clock.h"
#include "text/json_write.h"
#include "base/log.h"
#include "engine/component_metrics.h"
#include "drain/drain.h"
#include "monitor/monitor.h"
#include "workers/promise_watch.h"
#include "build_info.h"
#include "engine/reload.h"
#include "engine/waiting.h"

static const int64_t LOOK_AGAIN_NS = 1000000000; /* while the journal cannot be reached at the start */
static const int64_t ANSWER_NS = 1000000000;     /* for answers in flight when it stops */
enum { CHECK_SERVING, CHECK_STOPPING, CHECK_DRAIN, CHECK_LEDGER, CHECK_COUNT };

struct drain_engine {
	const struct settings *settings;
	struct drain_engine_ports handed; /* those that are not ours to free */
	struct reload reload;
	struct ledger *ledger;
	struct journal_reader *reader;
	struct metrics *metrics;
	struct drain *drain;
	struct promises promises;
	struct promise_watch *promise_watch;
	struct monitor *monitor;
	struct drain_state shown; /* the monitor's thread only: what its reasons point into */
	atomic_bool ready, stopping;
};

/* --- Health --- */

static size_t look(void *context, struct health_check *checks)
{
	struct drain_engine *engine = context;
	const char *reason = NULL;

	drain_look(engine->drain, &engine->shown);
	checks[CHECK_SERVING] =
		(struct health_check){"serving", atomic_load(&engine->ready) ? NULL : "starting: the journal is waited for", true};
	checks[CHECK_STOPPING] = (struct health_check){"stopping", atomic_load(&engine->stopping) ? "stopping" : NULL, true};
	checks[CHECK_DRAIN] = (struct health_check){"drain", engine->shown.reason[0] ? engine->shown.reason : NULL, true};
	checks[CHECK_LEDGER] =
		(struct health_check){"ledger", engine->ledger->ops->health(engine->ledger, &reason) < 0 ? reason : NULL, true};
	return CHECK_COUNT;
}

static bool show(void *context, struct buffer *out)
{
	struct drain_engine *engine = context;
	struct health_check checks[HEALTH_CHECKS_MAX];
	size_t count = look(engine, checks);
	const struct drain_state *state = &engine->shown;

	health_begin_component(out, "drain", checks[CHECK_DRAIN].reason ? "DOWN" : "UP");
	json_write_text(out, "kind", slice_of(engine->reader->ops->name));
	if (checks[CHECK_DRAIN].reason)
		json_write_text(out, "reason", slice_of(checks[CHECK_DRAIN].reason));
	json_write_int(out, "lag_records", state->lag_records);
	json_write_int(out, "max_rate", state->rate);
	json_write_int(out, "batch", state->batch);
	json_write_int(out, "partitions_stalled", state->stalled);
	health_end_component(out);
	health_render_check(&checks[CHECK_LEDGER], engine->ledger->ops->name, out);
	return health_render_promises(&engine->promises, out) && health_is_ready(checks, count);
}

/* --- Start and stop --- */

static int open_services(void *context, enum waiting_service *service)
{
	struct drain_engine *engine = context;
	int r = 0;

	*service = WAITING_LEDGER;
	if (!engine->ledger)
		r = adapters_open_own_ledger(engine->settings, &engine->ledger);
	if (r == 0)
		*service = WAITING_JOURNAL;
	if (r == 0 && !engine->reader)
		r = adapters_open_reader(engine->settings, &engine->reader);
	return r;
}

static int wait_for_services(struct drain_engine *engine, bool (*told)(int64_t wait_ns))
{
	const struct waiting_start start = {
		.open = open_services,
		.context = engine,
		.operators = &engine->settings->drain.listen,
		.metrics = engine->metrics,
		.told = told,
	};

	return waiting_run(&start);
}

/* Everything in place, nothing running. 0 or negative. */
static int make(struct drain_engine *engine)
{
	const struct settings *settings = engine->settings;
	const struct monitor_source source = {.context = engine, .checks = look, .components = show, .wire = engine->handed.monitor};
	struct drain_settings drain = {
		.pace = {.rate = settings->drain.max_rate,
			 .batch_max = (size_t)settings->drain.batch_max,
			 .target_ns = settings->drain.latency_target_ns},
	};
	int r;

	drain.reader = engine->reader;
	drain.ledger = engine->ledger;
	drain.metrics = engine->metrics;
	promises_register(&engine->promises, engine->metrics);
	r = promise_watch_new(&engine->promise_watch, engine->ledger, &engine->promises);
	if (r == 0)
		r = drain_new(&engine->drain, &drain);
	if (r < 0)
		return r;
	components_register_drain(engine->metrics, engine->drain, engine->ledger);
	metrics_process(engine->metrics, PENSTOCK_VERSION, PENSTOCK_REVISION);
	return monitor_new(&engine->monitor, &settings->drain.listen, engine->metrics, &source);
}

/* Until the log is known to be the ledger's. 0, DRAIN_ENGINE_STOPPED, or negative. */
static int identify(struct drain_engine *engine, bool (*told)(int64_t wait_ns))
{
	int r, last = 0;

	while ((r = drain_identify(engine->drain)) != DRAIN_DONE) {
		if (r == DRAIN_OTHER_LOG)
			return -EINVAL;
		if (r != last)
			log_warn("engine", "the journal or the ledger cannot be asked yet: it goes on trying",
				 LOG_TEXT("error", error_text(r)));
		last = r;
		if (told(LOOK_AGAIN_NS))
			return DRAIN_ENGINE_STOPPED;
	}
	return 0;
}

int drain_engine_new(struct drain_engine **out, const struct settings *settings, const struct drain_engine_ports *ports)
{
	struct drain_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return error_origin(-ENOMEM);
	engine->settings = settings;
	reload_init(&engine->reload, settings);
	if (ports)
		engine->handed = *ports;
	engine->ledger = engine->handed.ledger;
	engine->reader = engine->handed.reader;
	r = metrics_new(&engine->metrics);
	if (r < 0) {
		free(engine);
		return r;
	}
	*out = engine;
	return 0;
}

int drain_engine_start(struct drain_engine *engine, bool (*told)(int64_t wait_ns))
{
	char ledger[SETTINGS_URL_TEXT_SIZE], journal[SETTINGS_URL_TEXT_SIZE];
	int r = wait_for_services(engine, told);

	if (r == WAITING_STOPPED)
		return DRAIN_ENGINE_STOPPED;
	if (r == 0)
		r = make(engine);
	if (r == 0)
		r = monitor_start(engine->monitor);
	if (r == 0)
		r = identify(engine, told);
	if (r)
		return r;
	r = drain_start(engine->drain);
	if (r == 0)
		r = promise_watch_start(engine->promise_watch);
	if (r < 0)
		return error_origin(r);
	atomic_store(&engine->ready, true);
	settings_url_text(engine->settings->ledger.url, ledger);
	settings_url_text(engine->settings->journal.url, journal);
	log_info("engine", "the drain is ready", LOG_INT("port", monitor_port(engine->monitor)), LOG_TEXT("journal", journal),
		 LOG_TEXT("ledger", ledger));
	return 0;
}

void drain_engine_stop(struct drain_engine *engine)
{
	atomic_store(&engine->stopping, true);
	if (engine->promise_watch)
		promise_watch_stop(engine->promise_watch);
	if (engine->drain)
		drain_stop(engine->drain);
	if (engine->monitor)
		monitor_stop(engine->monitor, clock_mono_ns() + ANSWER_NS);
}

void drain_engine_free(struct drain_engine *engine)
{
	if (!engine)
		return;
	monitor_free(engine->monitor);
	promise_watch_free(engine->promise_watch);
	drain_free(engine->drain);
	metrics_free(engine->metrics);
	if (engine->reader && !engine->handed.reader)
		engine->reader->ops->free(engine->reader);
	if (engine->ledger && !engine->handed.ledger)
		engine->ledger->ops->free(engine->ledger);
	reload_deinit(&engine->reload);
	free(engine);
}

/* --- While it runs --- */

void drain_engine_reload(struct drain_engine *engine, const struct settings_sources *sources)
{
	struct settings *fresh;

	if (reload_read(sources, &fresh))
		reload_end(&engine->reload, fresh, NULL);
}

bool drain_engine_alive(const struct drain_engine *engine, int64_t within_ns)
{
	return monitor_alive(engine->monitor, within_ns);
}

uint16_t drain_engine_port(const struct drain_engine *engine)
{
	return monitor_port(engine->monitor);
}

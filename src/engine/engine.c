#include "engine/engine.h"

#include <stdlib.h>
#include "engine/adapters.h"
#include "base/clock.h"
#include "engine/component_metrics.h"
#include "engine/credentials.h"
#include "gate/gate.h"
#include "recovery/catalog_load.h"
#include "recovery/rebuild.h"
#include "recovery/unsold.h"
#include "workers/housekeeper.h"
#include "workers/journal_client.h"
#include "workers/ledger_age.h"
#include "workers/ledger_workers.h"
#include "workers/rebuilder.h"
#include "workers/promise_watch.h"
#include "workers/sale_keeper.h"
#include "workers/stock_worker.h"
#include "build_info.h"
#include "engine/reload.h"
#include "engine/services.h"
#include "engine/waiting.h"

enum { FENCED_LANE_MAX = 4096, STOCK_BATCH_MAX = 1024 };

struct engine {
	const struct settings *settings;
	struct engine_ports handed; /* those that are not ours to free */
	struct reload reload;
	struct stock_figure figures[STOCK_FIGURES];
	struct ledger *ledger;
	struct journal *journal;
	struct stock *stock;
	struct metrics *metrics;
	struct promises promises;
	struct sale_catalog *catalog;
	struct lane *journal_lane;
	struct lane *stock_lane, *fenced_lane; /* of a stock that is not local */
	_Atomic int64_t held_sales;            /* of a stock of our own: those that the ledger's rows keep from being armed */
	uint64_t change;                       /* of the sale table as it was loaded; where the ledger is shared */
	struct stock_worker *stock_worker;     /* of a stock that is not local */
	struct leadership *leadership;
	struct rebuilder *rebuilder; /* of a stock that is not local */
	struct journal_worker *journal_worker;
	struct journal_client *journal_client;
	struct sale_turn *sales;
	struct ledger_workers *ledger_workers;
	struct ledger_age *ledger_age; /* of a ledger that a drain fills */
	struct housekeeper *housekeeper;
	struct sale_keeper *sale_keeper;
	struct promise_watch *promise_watch;
	struct unsold unsold;
	struct identity *identity;
	struct operators *operators;
	struct admission admission;
	struct gate *gate;
	struct services services; /* as they were opened */
};

/* --- Start --- */

static double read_held(void *context)
{
	return (double)atomic_load_explicit((_Atomic int64_t *)context, memory_order_relaxed);
}

static void register_metrics(struct engine *engine)
{
	promises_register(&engine->promises, engine->metrics);
	components_register_stock(engine->metrics, engine->stock, engine->figures);
	if (engine->stock->ops->local) /* of a shared one it is the rebuilder's */
		metrics_reader(engine->metrics, "gauge", "penstock_rebuild_held_sales",
			       "Sales that cannot be rebuilt until somebody helps: they stay fenced.", NULL, read_held,
			       &engine->held_sales);
	components_register_gate(engine->metrics, engine->stock, engine->journal, engine->ledger);
	metrics_process(engine->metrics, PENSTOCK_VERSION, PENSTOCK_REVISION);
}

static int make_stock_workers(struct engine *engine)
{
	const struct stock_worker_settings stock_worker = {
		.admission = &engine->admission,
		.lane = engine->stock_lane,
		.journal_lane = engine->journal_lane,
		.metrics = engine->metrics,
		.batch_max = STOCK_BATCH_MAX,
	};
	const struct rebuilder_settings rebuilder = {
		.ledger = engine->ledger,
		.leadership = engine->leadership,
		.stock = engine->stock,
		.journal = engine->journal,
		.catalog = engine->catalog,
		.fenced = engine->fenced_lane,
		.metrics = engine->metrics,
		.ack_deadline_ns = engine->settings->journal.ack_deadline_ns,
		.pace = rebuilder_pace_usual,
	};
	int r = stock_worker_new(&engine->stock_worker, &stock_worker);

	return r < 0 ? r : rebuilder_new(&engine->rebuilder, &rebuilder);
}

static int make_sales(struct engine *engine, const struct sale_control_settings *settings)
{
	struct sale_control *control;
	int r = sale_control_new(&control, settings);

	if (r == 0) {
		r = sale_turn_new(&engine->sales, control);
		if (r < 0)
			sale_control_free(control);
	}
	return r;
}

static int make_leadership(struct engine *engine)
{
	const struct leadership_settings settings = {
		.ledger = engine->ledger,
		.stock = engine->stock,
		.journal = engine->journal,
		.metrics = engine->metrics,
		.shared = adapters_shared(engine->settings),
	};

	return leadership_new(&engine->leadership, &settings);
}

static int make_workers(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	const struct journal_worker_settings journal_worker = {
		.journal = engine->journal,
		.stock = engine->stock,
		.lane = engine->journal_lane,
		.metrics = engine->metrics,
		.batch_max = (size_t)settings->journal.batch_max,
		.ack_deadline_ns = settings->journal.ack_deadline_ns,
	};
	struct sale_control_settings control = {
		.ledger = engine->ledger,
		.stock = engine->stock,
		.catalog = engine->catalog,
		.stock_shared = !engine->stock->ops->local,
		.proof = {.unsold = engine->journal->ops->in_ledger ? NULL : unsold_prove, .context = &engine->unsold},
		.retention_ms = settings->sale.retention_ns / 1000000,
	};
	struct housekeeper_settings housekeeper = {
		.stock = engine->stock,
		.catalog = engine->catalog,
		.journal_lane = engine->journal_lane,
		.fenced_lane = engine->fenced_lane,
		.metrics = engine->metrics,
		.promises = &engine->promises,
		.hold_grace_ns = settings->sale.hold_grace_ns,
	};
	int r = journal_worker_new(&engine->journal_worker, &journal_worker);

	engine->unsold = (struct unsold){engine->ledger, engine->stock, engine->journal,
					 settings->journal.ack_deadline_ns + rebuilder_pace_usual.margin_ns};
	if (r == 0)
		r = journal_client_new(&engine->journal_client, engine->journal_lane, settings->journal.ack_deadline_ns);
	if (r < 0)
		return r;
	control.commit = journal_client_commit(engine->journal_client);
	r = make_sales(engine, &control);
	if (r == 0)
		r = housekeeper_new(&engine->housekeeper, &housekeeper);
	if (r == 0)
		r = ledger_workers_new(&engine->ledger_workers, ledger_workers_lane_max(settings->gate.connections_max));
	if (r == 0 && !engine->journal->ops->in_ledger)
		r = ledger_age_new(&engine->ledger_age, engine->journal, engine->ledger);
	if (r == 0)
		r = make_leadership(engine);
	return r == 0 && !engine->stock->ops->local ? make_stock_workers(engine) : r;
}

static int make_gate(struct engine *engine)
{
	const struct gate_settings settings = {
		.settings = engine->settings,
		.admission = &engine->admission,
		.catalog = engine->catalog,
		.sales = engine->sales,
		.orders = {engine->ledger, engine->stock, journal_client_commit(engine->journal_client)},
		.ledger = engine->ledger,
		.journal = engine->journal,
		.journal_worker = engine->journal_worker,
		.journal_lane = engine->journal_lane,
		.ledger_workers = engine->ledger_workers,
		.ledger_age = engine->ledger_age,
		.stock_lane = engine->stock_lane,
		.stock_worker = engine->stock_worker,
		.rebuilder = engine->rebuilder,
		.identity = engine->identity,
		.operators = engine->operators,
		.metrics = engine->metrics,
		.promises = &engine->promises,
		.buyers_wire = engine->handed.buyers,
		.operators_wire = engine->handed.operators,
	};

	return gate_new(&engine->gate, &settings);
}

/* To the worker between a stock that is not local and the gate, and to the one that rebuilds it. */
static int make_stock_lanes(struct engine *engine)
{
	int r = lane_new(&engine->stock_lane, (size_t)engine->settings->journal.lane_max);

	return r < 0 ? r : lane_new(&engine->fenced_lane, FENCED_LANE_MAX);
}

/* --- Services that are away when it starts --- */

static int wait_for_services(struct engine *engine, bool (*told)(int64_t wait_ns))
{
	const struct waiting_start start = {
		.open = services_open,
		.context = &engine->services,
		.operators = &engine->settings->operator.listen,
		.buyers = &engine->settings->gate.listen,
		.metrics = engine->metrics,
		.told = told,
	};
	const struct engine_ports *handed = &engine->handed;
	int r;

	engine->services = (struct services){engine->settings, engine->ledger,      engine->journal,     engine->stock,
					     engine->journal,  handed->meet_ledger, handed->meet_ledger, handed->context};
	r = waiting_run(&start);
	engine->ledger = engine->services.ledger;
	engine->journal = engine->services.journal;
	engine->stock = engine->services.stock;
	return r;
}

/* Everything in place, nothing running. 0 or negative. */
static int make(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	int r = credentials_identity(settings, settings, &engine->identity);
	if (r == 0)
		r = credentials_operators(settings, settings, &engine->operators);
	if (r == 0)
		r = sale_catalog_new(&engine->catalog);
	if (r == 0)
		r = lane_new(&engine->journal_lane, (size_t)settings->journal.lane_max);
	if (r == 0 && !engine->stock->ops->local)
		r = make_stock_lanes(engine);
	if (r < 0)
		return r;
	engine->admission = (struct admission){engine->stock, settings->journal.ack_deadline_ns, !engine->stock->ops->local};
	register_metrics(engine);
	r = make_workers(engine);
	return r < 0 ? r : make_gate(engine);
}

/*
 * What this process sells: with a stock of its own that is built from the ledger; a shared one is
 * there already, or is rebuilt where it is not.
 */
static int load_sales(struct engine *engine)
{
	int64_t start_ns = clock_mono_ns(), live_since_ms = clock_wall_ms() - engine->settings->sale.retention_ns / 1000000;
	struct rebuild_result rebuilt = {0};
	int r;

	if (engine->services.ledger_later) {
		log_warn("engine", "the ledger is away: what the stock has armed is sold, and what needs the ledger waits for it");
		sale_catalog_set_whole(engine->catalog, false);
		return catalog_recall_all(engine->stock, engine->catalog);
	}
	if (engine->stock->ops->local)
		r = rebuild_stock(engine->ledger, engine->stock, engine->catalog, live_since_ms, &rebuilt);
	else
		r = catalog_load(engine->ledger, engine->stock, engine->catalog, live_since_ms, &engine->change);
	if (r < 0)
		log_error("engine", "the stock cannot be built from the ledger", LOG_TEXT("error", error_text(r)));
	else
		log_info("engine", "stock loaded", LOG_INT("sales", rebuilt.sales), LOG_INT("orders", rebuilt.orders),
			 LOG_INT("held_sales", rebuilt.held), LOG_INT("milliseconds", (clock_mono_ns() - start_ns) / 1000000));
	atomic_store(&engine->held_sales, (int64_t)rebuilt.held);
	return r;
}

/* After the sales are loaded: it goes on from there. */
static int make_sale_keeper(struct engine *engine)
{
	const struct sale_keeper_settings settings = {
		.ledger = engine->ledger,
		.stock = engine->stock,
		.leadership = engine->leadership,
		.sales = engine->sales,
		.catalog = engine->catalog,
		.retention_ms = engine->settings->sale.retention_ns / 1000000,
		.shared = adapters_shared(engine->settings),
		.change = engine->change,
		.meet_ledger = engine->services.ledger_later ? services_meet_ledger : NULL,
		.context = &engine->services,
	};
	int r = promise_watch_new(&engine->promise_watch, engine->ledger, &engine->promises);

	return r == 0 ? sale_keeper_new(&engine->sale_keeper, &settings) : r;
}

static int start_threads(struct engine *engine)
{
	int r = journal_worker_start(engine->journal_worker);

	if (r == 0 && engine->stock_worker)
		r = stock_worker_start(engine->stock_worker);
	if (r == 0)
		r = ledger_workers_start(engine->ledger_workers);
	if (r == 0 && engine->ledger_age)
		r = ledger_age_start(engine->ledger_age);
	if (r == 0)
		r = housekeeper_start(engine->housekeeper);
	if (r == 0)
		r = sale_keeper_start(engine->sale_keeper);
	if (r == 0)
		r = promise_watch_start(engine->promise_watch);
	if (r == 0 && engine->rebuilder)
		r = rebuilder_start(engine->rebuilder);
	if (r == 0)
		r = gate_start(engine->gate);
	return r < 0 ? error_origin(r) : 0;
}

int engine_new(struct engine **out, const struct settings *settings, const struct engine_ports *ports)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return error_origin(-ENOMEM);
	engine->settings = settings;
	reload_init(&engine->reload, settings);
	if (ports)
		engine->handed = *ports;
	engine->stock = engine->handed.stock;
	engine->journal = engine->handed.journal;
	engine->ledger = engine->handed.ledger;
	r = metrics_new(&engine->metrics);
	if (r < 0) {
		free(engine);
		return r;
	}
	*out = engine;
	return 0;
}

int engine_start(struct engine *engine, bool (*told)(int64_t wait_ns))
{
	char ledger[SETTINGS_URL_TEXT_SIZE];
	int r = wait_for_services(engine, told);

	if (r == WAITING_STOPPED)
		return ENGINE_STOPPED;
	if (r == 0)
		r = make(engine);
	if (r == 0)
		r = load_sales(engine);
	if (r == 0)
		r = make_sale_keeper(engine);
	if (r == 0)
		r = start_threads(engine);
	if (r < 0)
		return r;
	gate_set_ready(engine->gate, true);
	settings_url_text(engine->settings->ledger.url, ledger);
	log_info("engine", "penstock is ready", LOG_INT("public_port", gate_public_port(engine->gate)),
		 LOG_INT("operator_port", gate_operator_port(engine->gate)), LOG_TEXT("ledger", ledger));
	return 0;
}

/* --- Stop --- */

/*
 * In the order of the way of a purchase: no new requests and the last answers; the work on the
 * ledger; the expiries on their way; what is with the stock's worker; what is in the journal's
 * lane.
 */
void engine_stop(struct engine *engine)
{
	if (engine->gate) {
		gate_set_ready(engine->gate, false);
		gate_stop(engine->gate, clock_mono_ns() + engine->settings->gate.stop_timeout_ns);
		gate_join(engine->gate);
	}
	ledger_leave(engine->ledger);
	if (engine->ledger_workers)
		ledger_workers_stop(engine->ledger_workers);
	if (engine->ledger_age)
		ledger_age_stop(engine->ledger_age);
	if (engine->housekeeper)
		housekeeper_stop(engine->housekeeper);
	if (engine->rebuilder)
		rebuilder_stop(engine->rebuilder);
	if (engine->promise_watch)
		promise_watch_stop(engine->promise_watch);
	if (engine->sale_keeper)
		sale_keeper_stop(engine->sale_keeper);
	if (engine->stock_worker)
		stock_worker_stop(engine->stock_worker);
	if (engine->journal_worker)
		journal_worker_stop(engine->journal_worker);
	if (engine->stock && engine->stock->ops->leave)
		engine->stock->ops->leave(engine->stock);
	if (engine->gate)
		gate_take_home(engine->gate);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	gate_free(engine->gate);
	ledger_workers_free(engine->ledger_workers);
	ledger_age_free(engine->ledger_age);
	housekeeper_free(engine->housekeeper);
	rebuilder_free(engine->rebuilder);
	promise_watch_free(engine->promise_watch);
	sale_keeper_free(engine->sale_keeper);
	leadership_free(engine->leadership);
	stock_worker_free(engine->stock_worker);
	sale_turn_free(engine->sales);
	journal_client_free(engine->journal_client);
	journal_worker_free(engine->journal_worker);
	lane_free(engine->journal_lane);
	lane_free(engine->stock_lane);
	lane_free(engine->fenced_lane);
	sale_catalog_free(engine->catalog);
	metrics_free(engine->metrics);
	if (engine->stock && !engine->handed.stock)
		engine->stock->ops->free(engine->stock);
	if (engine->journal && !engine->handed.journal)
		engine->journal->ops->free(engine->journal);
	operators_free(engine->operators);
	identity_free(engine->identity);
	if (engine->ledger && !engine->handed.ledger)
		engine->ledger->ops->free(engine->ledger);
	reload_deinit(&engine->reload);
	free(engine);
}

/* --- While it runs --- */

static int take_over(struct engine *engine, const struct settings *fresh)
{
	struct identity *identity = NULL;
	struct operators *operators = NULL;
	int r = credentials_identity(engine->settings, fresh, &identity);

	if (r == 0)
		r = credentials_operators(engine->settings, fresh, &operators);
	if (r == 0)
		r = gate_reload(engine->gate, identity, operators, &fresh->gate.trusted_proxies);
	if (r < 0) {
		identity_free(identity);
		operators_free(operators);
	}
	return r;
}

void engine_reload(struct engine *engine, const struct settings_sources *sources)
{
	struct settings *fresh;
	const char *reason;

	if (!reload_read(sources, &fresh))
		return;
	if (adapters_check(fresh, &reason) >= 0 && take_over(engine, fresh) < 0)
		reason = "a key or token of the new settings cannot be used";
	operator_log_note(engine->ledger, SLICE("SIGHUP"), ACTION_SETTINGS_RELOAD, SLICE("settings"),
			  reload_end(&engine->reload, fresh, reason));
}

void engine_tend(struct engine *engine)
{
	if (reload_keys_changed(&engine->reload))
		reload_keys_done(&engine->reload, take_over(engine, reload_now(&engine->reload)));
}

bool engine_alive(const struct engine *engine, int64_t within_ns)
{
	return gate_alive(engine->gate, within_ns);
}

uint16_t engine_public_port(const struct engine *engine)
{
	return gate_public_port(engine->gate);
}

uint16_t engine_operator_port(const struct engine *engine)
{
	return gate_operator_port(engine->gate);
}

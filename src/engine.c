#include "engine.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "gate/gate.h"
#include "identity/key_file.h"
#include "journal/direct.h"
#include "ledger/postgres.h"
#include "ledger/sqlite.h"
#include "recovery/rebuild.h"
#include "stock/memory.h"
#include "workers/clerk.h"
#include "workers/housekeeper.h"
#include "workers/journal_client.h"
#include "build_info.h"
#include "process.h"

enum { CLERK_LANE_MAX = 4096, STOCK_FIGURES = 8 };

/* A field of struct stock_totals, for /metrics. */
struct stock_figure {
	struct stock *stock;
	size_t offset;
};

struct engine {
	const struct settings *settings;
	struct stock_figure figures[STOCK_FIGURES];
	struct ledger *ledger;
	struct journal *journal;
	struct stock *stock;
	struct metrics *metrics;
	struct promises promises;
	struct sale_catalog *catalog;
	struct lane *journal_lane, *clerk_lane;
	struct journal_worker *journal_worker;
	struct journal_client *journal_client;
	struct sale_control *control;
	struct clerk *clerk;
	struct housekeeper *housekeeper;
	struct identity *identity;
	struct operators *operators;
	struct admission admission;
	struct gate *gate;
};

/* --- Adapters by URL --- */

static const char *after_scheme(const char *url, const char *scheme)
{
	size_t size = strlen(scheme);

	return strncmp(url, scheme, size) == 0 ? url + size : NULL;
}

static bool is_postgres(const char *url)
{
	return after_scheme(url, "postgresql://") || after_scheme(url, "postgres://");
}

int engine_open_ledger(const char *url, int flags, struct ledger **ledger)
{
	const char *path = after_scheme(url, "sqlite:");

	if (is_postgres(url))
		return ledger_postgres_open(ledger, url, flags);
	if (!path || !*path)
		return -EINVAL;
	return ledger_sqlite_open(ledger, path, flags);
}

int engine_check_profile(const struct settings *settings, const char **reason)
{
	const char *path = after_scheme(settings->ledger.url, "sqlite:");

	*reason = NULL;
	if (strcmp(settings->stock.url, "memory:") != 0)
		*reason = "stock.url: this program has the stock memory: and no other; set stock.url = memory:";
	else if (strcmp(settings->journal.url, "direct:") != 0)
		*reason = "journal.url: this program has the journal direct: and no other; set journal.url = direct:";
	else if (!is_postgres(settings->ledger.url) && (!path || !*path))
		*reason = "ledger.url: this program has the ledgers sqlite:PATH and postgresql://... and no other; set ledger.url = sqlite:penstock.db";
	else if (settings->identity.mode == IDENTITY_HEADER && settings->gate.trusted_proxies.count == 0)
		*reason = "identity.mode = header takes the buyer's name from trusted proxies alone; list them in gate.trusted_proxies";
	return *reason ? -EINVAL : 0;
}

static int open_ledger(struct engine *engine)
{
	const char *url = engine->settings->ledger.url;
	int r = engine_open_ledger(url, LEDGER_OPEN_LEASE, &engine->ledger);
	char name[SETTINGS_URL_TEXT_SIZE];

	settings_url_text(url, name);
	switch (r) {
	case LEDGER_LEASE_HELD:
		log_error("engine",
			  "another penstock uses this ledger: the stock in memory is only right with a single one. Stop it, or name another ledger.url",
			  LOG_TEXT("ledger", name));
		return -EBUSY;
	case LEDGER_TOO_NEW:
		log_error("engine", "this ledger was written by a newer penstock: run that one, or restore a backup of before",
			  LOG_TEXT("ledger", name));
		return -EINVAL;
	}
	if (r < 0)
		log_error("engine", "the ledger cannot be opened", LOG_TEXT("ledger", name), LOG_TEXT("error", error_text(r)));
	return r;
}

/* --- Keys --- */

/* The secret of a setting, or of the file beside the ledger, made where it is missing. malloc'd; NULL: logged why. */
static char *secret(const struct engine *engine, const char *set, const char *suffix, const char *name)
{
	char *path, *key = NULL;
	int r;

	if (*set)
		return strdup(set);
	path = key_file_path(engine->settings->ledger.url, suffix);
	r = path ? key_file_load_or_make(path, &key) : -ENOMEM;
	if (r < 0)
		log_error("engine", "a key file cannot be used", LOG_TEXT("for", name), LOG_TEXT("path", path ? path : ""),
			  LOG_TEXT("error", key_file_error(r)));
	else
		log_info("engine", "no setting names this secret: it is kept in a file", LOG_TEXT("for", name),
			 LOG_TEXT("path", path));
	free(path);
	return r < 0 ? NULL : key;
}

static void forget(char *key)
{
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
}

static enum identity_algorithm algorithm(enum jwt_algorithm set)
{
	switch (set) {
	case JWT_HS256:
		return IDENTITY_HS256;
	case JWT_RS256:
		return IDENTITY_RS256;
	case JWT_ES256:
		return IDENTITY_ES256;
	}
	assertion_failed("a known algorithm", __FILE__, __LINE__, __func__);
}

static int make_identity(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	struct identity_settings identity = {
		.algorithm = algorithm(settings->identity.jwt_algorithm),
		.issuer = slice_of(settings->identity.jwt_issuer),
		.audience = slice_of(settings->identity.jwt_audience),
		.leeway_ms = settings->identity.jwt_leeway_ns / 1000000,
		.cache_entries = (size_t)settings->identity.cache_entries,
	};
	const char *reason = "";
	char *key;
	int r;

	if (settings->identity.mode == IDENTITY_HEADER)
		return 0;
	if (!*settings->identity.jwt_key && identity.algorithm != IDENTITY_HS256) {
		log_error("engine", "identity.jwt_key must be the public key (PEM) for this identity.jwt_algorithm");
		return -EINVAL;
	}
	key = secret(engine, settings->identity.jwt_key, KEY_FILE_JWT_KEY, "identity.jwt_key");
	if (!key)
		return -EINVAL;
	identity.key = slice_of(key);
	r = identity_new(&engine->identity, &identity, &reason);
	if (r < 0)
		log_error("engine", "identity.jwt_key cannot be used", LOG_TEXT("reason", reason));
	forget(key);
	return r;
}

static bool only_loopback(const struct listen_list *places)
{
	for (size_t i = 0; i < places->count; i++)
		if (!address_is_loopback(&places->items[i].address))
			return false;
	return true;
}

static int make_operators(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	const char *reason = "";
	char *token = NULL;
	int r = operators_new(&engine->operators);

	if (r < 0)
		return r;
	if (*settings->operator.tokens)
		r = operators_parse(engine->operators, slice_of(settings->operator.tokens), &reason);
	if (r == 0 && (*settings->operator.token || operators_count(engine->operators) == 0)) {
		if (!*settings->operator.token && !only_loopback(&settings->operator.listen)) {
			log_error("engine",
				  "operator.listen is not a loopback address: set operator.token or operator.tokens (see `penstock token --help`)");
			return -EINVAL;
		}
		token = secret(engine, settings->operator.token, KEY_FILE_OPERATOR_TOKEN, "operator.token");
		r = token ? operators_add(engine->operators, SLICE("operator"), OPERATOR_ALL, slice_of(token), &reason) : -EINVAL;
		forget(token);
	}
	if (r < 0)
		log_error("engine", "the operators' tokens cannot be used", LOG_TEXT("reason", reason));
	return r;
}

/* --- Start --- */

/* One figure of the stock's totals. */
static double read_total(void *context)
{
	const struct stock_figure *figure = context;
	struct stock_totals totals = {0};

	figure->stock->ops->totals(figure->stock, &totals);
	return (double)*(const int64_t *)((const char *)&totals + figure->offset);
}

static void register_metrics(struct engine *engine)
{
	static const char units[] = "penstock_stock_units", units_help[] = "Units in the stock, over all its sales.";
	static const struct {
		const char *name, *help, *labels;
		size_t offset;
	} figures[STOCK_FIGURES] = {
		{units, units_help, "state=\"available\"", offsetof(struct stock_totals, available)},
		{units, units_help, "state=\"held\"", offsetof(struct stock_totals, held)},
		{units, units_help, "state=\"confirmed\"", offsetof(struct stock_totals, confirmed)},
		{units, units_help, "state=\"withdrawn\"", offsetof(struct stock_totals, withdrawn)},
		{"penstock_stock_buyers", "Buyers remembered.", NULL, offsetof(struct stock_totals, buyers)},
		{"penstock_stock_orders", "Orders remembered.", NULL, offsetof(struct stock_totals, orders)},
		{"penstock_stock_outbox_entries", "Events granted and not yet known to be in the journal.", NULL,
		 offsetof(struct stock_totals, outbox)},
		{"penstock_stock_memory_bytes", "Memory of the stock.", NULL, offsetof(struct stock_totals, memory_bytes)},
	};

	promises_register(&engine->promises, engine->metrics);
	for (size_t i = 0; i < STOCK_FIGURES; i++) {
		engine->figures[i] = (struct stock_figure){engine->stock, figures[i].offset};
		metrics_reader(engine->metrics, "gauge", figures[i].name, figures[i].help, figures[i].labels, read_total,
			       &engine->figures[i]);
	}
	metrics_process(engine->metrics, PENSTOCK_VERSION, PENSTOCK_REVISION);
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
		.retention_ms = settings->sale.retention_ns / 1000000,
	};
	struct housekeeper_settings housekeeper = {
		.stock = engine->stock,
		.catalog = engine->catalog,
		.journal_lane = engine->journal_lane,
		.metrics = engine->metrics,
		.promises = &engine->promises,
		.hold_grace_ns = settings->sale.hold_grace_ns,
	};
	int r = journal_worker_new(&engine->journal_worker, &journal_worker);

	if (r == 0)
		r = journal_client_new(&engine->journal_client, engine->journal_lane);
	if (r < 0)
		return r;
	control.commit = journal_client_commit(engine->journal_client);
	r = sale_control_new(&engine->control, &control);
	if (r < 0)
		return r;
	housekeeper.control = engine->control;
	r = housekeeper_new(&engine->housekeeper, &housekeeper);
	return r < 0 ? r : clerk_new(&engine->clerk, engine->clerk_lane);
}

static int make_gate(struct engine *engine)
{
	const struct gate_settings settings = {
		.settings = engine->settings,
		.admission = &engine->admission,
		.catalog = engine->catalog,
		.control = engine->control,
		.orders = {engine->ledger, engine->stock, journal_client_commit(engine->journal_client)},
		.ledger = engine->ledger,
		.journal = engine->journal,
		.journal_worker = engine->journal_worker,
		.journal_lane = engine->journal_lane,
		.clerk_lane = engine->clerk_lane,
		.identity = engine->identity,
		.operators = engine->operators,
		.metrics = engine->metrics,
		.promises = &engine->promises,
	};

	return gate_new(&engine->gate, &settings);
}

/* Everything in place, nothing running. */
static int make(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	int r = open_ledger(engine);

	if (r == 0)
		r = make_identity(engine);
	if (r == 0)
		r = make_operators(engine);
	if (r == 0)
		r = journal_direct_new(&engine->journal, engine->ledger);
	if (r == 0)
		r = stock_memory_new(&engine->stock, (size_t)settings->stock.outbox_max);
	if (r == 0)
		r = metrics_new(&engine->metrics);
	if (r == 0)
		r = sale_catalog_new(&engine->catalog);
	if (r == 0)
		r = lane_new(&engine->journal_lane, (size_t)settings->journal.lane_max);
	if (r == 0)
		r = lane_new(&engine->clerk_lane, CLERK_LANE_MAX);
	if (r < 0)
		return r;
	engine->admission = (struct admission){engine->stock, settings->journal.ack_deadline_ns};
	register_metrics(engine);
	r = make_workers(engine);
	return r < 0 ? r : make_gate(engine);
}

static int write_ready_file(const struct engine *engine, const char *path)
{
	char text[256];

	snprintf(text, sizeof(text), "public http://127.0.0.1:%u\noperator http://127.0.0.1:%u\n", gate_public_port(engine->gate),
		 gate_operator_port(engine->gate));
	return process_write_ready_file(path, text);
}

static int start(struct engine *engine, const struct engine_options *options)
{
	int64_t start_ns = clock_mono_ns(), live_since_ms = clock_wall_ms() - engine->settings->sale.retention_ns / 1000000;
	struct rebuild_result rebuilt;
	char ledger[SETTINGS_URL_TEXT_SIZE];
	int r = rebuild_stock(engine->ledger, engine->stock, engine->catalog, live_since_ms, &rebuilt);

	if (r < 0) {
		log_error("engine", "the stock cannot be built from the ledger", LOG_TEXT("error", error_text(r)));
		return r;
	}
	log_info("engine", "stock loaded", LOG_INT("sales", rebuilt.sales), LOG_INT("orders", rebuilt.orders),
		 LOG_INT("milliseconds", (clock_mono_ns() - start_ns) / 1000000));
	r = journal_worker_start(engine->journal_worker);
	if (r == 0)
		r = clerk_start(engine->clerk);
	if (r == 0)
		r = housekeeper_start(engine->housekeeper);
	if (r == 0)
		r = gate_start(engine->gate);
	if (r < 0)
		return error_origin(r);
	gate_set_ready(engine->gate, true);
	settings_url_text(engine->settings->ledger.url, ledger);
	log_info("engine", "penstock is ready", LOG_INT("public_port", gate_public_port(engine->gate)),
		 LOG_INT("operator_port", gate_operator_port(engine->gate)), LOG_TEXT("ledger", ledger));
	return options->ready_file ? write_ready_file(engine, options->ready_file) : 0;
}

/* --- Stop --- */

/*
 * In the order of the way of a purchase: no new requests and the last answers; the errands; the expiries on their way; what is in the journal's lane.
 */
static void stop(struct engine *engine)
{
	if (engine->gate) {
		gate_set_ready(engine->gate, false);
		gate_stop(engine->gate, clock_mono_ns() + engine->settings->gate.stop_timeout_ns);
		gate_join(engine->gate);
	}
	if (engine->clerk)
		clerk_stop(engine->clerk);
	if (engine->housekeeper)
		housekeeper_stop(engine->housekeeper);
	if (engine->journal_worker)
		journal_worker_stop(engine->journal_worker);
	if (engine->gate)
		gate_take_home(engine->gate);
}

static void release(struct engine *engine)
{
	gate_free(engine->gate);
	clerk_free(engine->clerk);
	housekeeper_free(engine->housekeeper);
	sale_control_free(engine->control);
	journal_client_free(engine->journal_client);
	journal_worker_free(engine->journal_worker);
	if (engine->clerk_lane)
		lane_free(engine->clerk_lane);
	if (engine->journal_lane)
		lane_free(engine->journal_lane);
	sale_catalog_free(engine->catalog);
	metrics_free(engine->metrics);
	if (engine->stock)
		engine->stock->ops->free(engine->stock);
	if (engine->journal)
		engine->journal->ops->free(engine->journal);
	operators_free(engine->operators);
	identity_free(engine->identity);
	if (engine->ledger)
		engine->ledger->ops->free(engine->ledger);
}

int engine_run(const struct settings *settings, const struct engine_options *options)
{
	struct engine engine = {.settings = settings};
	int r;

	process_block_signals();
	r = make(&engine);
	if (r == 0)
		r = start(&engine, options);
	if (r == 0)
		process_wait_signal(-1);
	stop(&engine);
	release(&engine);
	if (r == 0)
		log_info("engine", "stopped");
	return r;
}

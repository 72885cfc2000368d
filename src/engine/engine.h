/*
 * The engine: owns the modules of a gate, starts and stops them in order. There may be several in
 * one process, each in a node of its own (base/node.h); signals, ready files and the log's writer
 * are the process's (cli/process/process.h).
 *
 *   engine_new ─> engine_start ─> engine_stop ─> engine_free        engine_free() after any of them
 *
 * All but engine_alive() is called by one thread, in the engine's node.
 */
#pragma once

#include "base/error.h"
#include "config/settings.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct engine;
struct http_wire;
enum { ENGINE_STOPPED = 1 }; /* it was told to stop before it began */

/*
 * Handed in, and the caller's until after engine_free(). NULL: opened by its URL of the settings,
 * and freed with the engine.
 */
struct engine_ports {
	struct stock *stock;
	struct journal *journal;
	struct ledger *ledger;
	/*
	 * The ledger was opened to be asked later (LEDGER_OPEN_LATER): what is done when it can be
	 * (services.h); NULL: it was there.
	 */
	int (*meet_ledger)(void *context);
	void *context;
	struct http_wire *buyers, *operators; /* where clients are served in place of the listeners' sockets (http/wire.h); both or none */
};

/*
 * Nothing is opened yet. `settings` is borrowed, `ports` is copied; NULL: none is handed in. 0 or
 * -ENOMEM.
 */
int engine_new(struct engine **engine, const struct settings *settings, const struct engine_ports *ports) MUST_CHECK;
/*
 * Opens what was not handed in, waits for services that are away, loads the sales, and serves.
 * `told` rests so long between two tries and says whether to stop. 0, ENGINE_STOPPED, or negative:
 * the log said why. Whatever it returns, engine_stop() comes next.
 */
int engine_start(struct engine *engine, bool (*told)(int64_t wait_ns)) MUST_CHECK;
/* What is in flight is answered, for gate.stop_timeout at most; then everything ends in order. */
void engine_stop(struct engine *engine);
void engine_free(struct engine *engine); /* NULL is fine */

/*
 * Reads the settings again, and takes over what may change, whole or not at all; the log says
 * which. While it serves.
 */
void engine_reload(struct engine *engine, const struct settings_sources *sources);
/* Asked once a second: reads identity.jwks_file again where it has changed. */
void engine_tend(struct engine *engine);
/* Whether every loop has run within that time. Any thread, while it serves. */
bool engine_alive(const struct engine *engine, int64_t within_ns);
/* As they were bound. */
uint16_t engine_public_port(const struct engine *engine);
uint16_t engine_operator_port(const struct engine *engine);

/*
 * The engine of `penstock drain`: a journal's reader, a ledger, the drain between them and a
 * listener for those who watch. It lives as the gate's does (engine/engine.h), and may be in one
 * process with others.
 */
#pragma once

#include "base/error.h"
#include "config/settings.h"
#include "port/journal_reader.h"
#include "port/ledger.h"

struct drain_engine;
struct http_wire;
enum { DRAIN_ENGINE_STOPPED = 1 }; /* it was told to stop before it began */

/*
 * Handed in, and the caller's until after drain_engine_free(). NULL: opened by its URL of the
 * settings, and freed with the engine.
 */
struct drain_engine_ports {
	struct ledger *ledger;
	struct journal_reader *reader;
	struct http_wire *monitor; /* where it is asked in place of its listener's sockets (http/wire.h) */
};

/*
 * Nothing is opened yet. `settings` is borrowed, `ports` is copied; NULL: none is handed in. 0 or
 * -ENOMEM.
 */
int drain_engine_new(struct drain_engine **engine, const struct settings *settings, const struct drain_engine_ports *ports) MUST_CHECK;
/*
 * Opens what was not handed in, waits for what is away, finds out that the log is the ledger's, and
 * drains. `told` rests so long between two tries and says whether to stop. 0, DRAIN_ENGINE_STOPPED,
 * or negative: the log said why. drain_engine_stop() comes next.
 */
int drain_engine_start(struct drain_engine *engine, bool (*told)(int64_t wait_ns)) MUST_CHECK;
/* The batch at hand is finished. */
void drain_engine_stop(struct drain_engine *engine);
void drain_engine_free(struct drain_engine *engine); /* NULL is fine */

/* Reads the settings again, and takes over what may change. While it drains. */
void drain_engine_reload(struct drain_engine *engine, const struct settings_sources *sources);
/* Whether the listener's loop has run within that time. Any thread, while it drains. */
bool drain_engine_alive(const struct drain_engine *engine, int64_t within_ns);
uint16_t drain_engine_port(const struct drain_engine *engine); /* of the listener, as it was bound */

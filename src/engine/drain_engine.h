/*
 * The engine of `penstock drain`: a journal's reader, a ledger, the drain between them and a listener for those who watch. One a process.
 */
#pragma once

#include "base/error.h"
#include "config/settings.h"

struct drain_engine_options {
	const struct settings_sources *sources; /* what a reload (SIGHUP) reads again; borrowed */
	const char *ready_file; /* NULL, or a path: once it drains, "monitor URL\n" is written there, whole or not at all */
};

/*
 * Drains until SIGTERM or SIGINT (a second one forces): the batch at hand is finished. 0 after an orderly stop, or negative: the log said why. A journal that
 * cannot be reached at the start is waited for.
 */
int drain_engine_run(const struct settings *settings, const struct drain_engine_options *options) MUST_CHECK;

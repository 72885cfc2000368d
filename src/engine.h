/*
 * The engine: owns the modules, starts and stops them in order, and is the one place that names adapters. One engine a process.
 */
#pragma once

#include "config/settings.h"
#include "port/ledger.h"

struct engine_options {
	const char *ready_file; /* NULL, or a path: once ready "public URL\noperator URL\n" is written there, whole or not at all */
};

/* Runs the server until SIGTERM or SIGINT (a second one forces). 0 after an orderly stop, or negative: the log said why. */
int engine_run(const struct settings *settings, const struct engine_options *options) MUST_CHECK;

/*
 * Opens the ledger that a URL names, alone: for the commands that look at a ledger without a server. flags: enum ledger_open_flags. 0, a
 * positive enum ledger_outcome (lease held, too new), or negative; -EINVAL: no such kind of ledger.
 */
int engine_open_ledger(const char *url, int flags, struct ledger **ledger) MUST_CHECK;

/* Checks that the URLs of stock, journal and ledger go together. 0, or -EINVAL with what is wrong and what would be right in *reason. */
int engine_check_profile(const struct settings *settings, const char **reason) MUST_CHECK;

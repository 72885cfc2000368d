/*
 * The engine: owns the modules of a server, starts and stops them in order. One engine a process.
 */
#pragma once

#include "config/settings.h"
#include "base/error.h"

struct engine_options {
	const struct settings_sources *sources; /* what a reload (SIGHUP) reads again; borrowed */
	const char *ready_file; /* NULL, or a path: once ready "public URL\noperator URL\n" is written there, whole or not at all */
};

/* Runs the server until SIGTERM or SIGINT (a second one forces). 0 after an orderly stop, or negative: the log said why. */
int engine_run(const struct settings *settings, const struct engine_options *options) MUST_CHECK;

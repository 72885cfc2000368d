/*
 * The settings, read again while the program runs (SIGHUP): all of what may change is taken over,
 * or nothing, and the log says which. What only a restart changes is named and left. A process's
 * environment and flags cannot change: what they say still wins over the file. Main thread.
 */
#pragma once

#include "config/settings.h"

struct reload {
	const struct settings *start; /* in force for all that cannot change */
	struct settings *last;        /* NULL: none was taken over yet */
};

/* *fresh: what the sources say now, the caller's. False: it is logged why not. */
bool reload_read(const struct settings_sources *sources, struct settings **fresh);
/*
 * Everything else has been taken over: the log level is too, it is said, and `fresh` is ours from
 * here on.
 */
void reload_done(struct reload *reload, struct settings *fresh);
void reload_deinit(struct reload *reload);

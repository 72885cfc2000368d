/*
 * The settings, read again while the program runs (SIGHUP): all of what may change is taken over,
 * or nothing, and the log says which. What only a restart changes is named and left. A process's
 * environment and flags cannot change: what they say still wins over the file. Main thread.
 */
#pragma once

#include "config/settings.h"

/* By what its folder says of it. All zero where there is no such file. */
struct file_stamp {
	uint64_t device, inode, size;
	int64_t changed_s, changed_ns;
};

struct reload {
	const struct settings *start; /* in force for all that cannot change */
	struct settings *last;        /* NULL: none was taken over yet */
	struct file_stamp keys;       /* identity.jwks_file as it was last seen */
};

/* Before the settings' keys are read. */
void reload_init(struct reload *reload, const struct settings *start);
/* What is in force of what may change. */
const struct settings *reload_now(const struct reload *reload);
/* Whether identity.jwks_file is another one than when this, or reload_init(), last looked. */
bool reload_keys_changed(struct reload *reload);
/* What came of reading the keys again, for the log. */
void reload_keys_done(const struct reload *reload, int result);

/* *fresh: what the sources say now, the caller's. False: it is logged why not. */
bool reload_read(const struct settings_sources *sources, struct settings **fresh);
/*
 * Takes `fresh`. refused NULL: everything else has been taken over; the log level is too, and it is
 * said. Else it is said why nothing was. What the operator log has of it: static text.
 */
struct slice reload_end(struct reload *reload, struct settings *fresh, const char *refused);
void reload_deinit(struct reload *reload);

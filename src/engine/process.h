/*
 * What the engines share: how a process of ours is told to stop, and how it says that it is ready. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

/*
 * Keeps SIGTERM, SIGINT and SIGHUP from everybody, ignores SIGUSR1 and SIGUSR2, and starts the log's writer; before any other thread starts. 0, or negative: logged.
 * Without `core_dumps` a crash leaves nothing of the memory behind: it holds keys.
 */
int process_begin(bool core_dumps) MUST_CHECK;
/* After all other threads have ended: what was logged is written, as far as somebody reads it. */
void process_end(void);
/*
 * Waits for SIGTERM or SIGINT; at most so long (negative: for ever). True when it came; it is logged, and a second one ends the process at once. A SIGHUP
 * stays for process_run().
 */
bool process_wait_signal(int64_t timeout_ns);

struct process_hooks {
	void *context;
	void (*reload)(void *context);                   /* SIGHUP */
	bool (*alive)(void *context, int64_t within_ns); /* its loops have all run within that time */
};
/* Tells the service manager that it serves, and its watchdog that it is alive while it is; returns when it was told to stop. */
void process_run(const struct process_hooks *hooks);
/* Writes the text to `path`, whole or not at all. 0, or negative: logged. */
int process_write_ready_file(const char *path, const char *text) MUST_CHECK;

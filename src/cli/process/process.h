/*
 * The process around an engine: its signals, its log's writer, its service manager, and the file
 * that says that it is ready. One a process; the main thread.
 */
#pragma once

#include "cli/cli.h"

struct process_service {
	void *context;
	/*
	 * Serves from here on. `told` rests at most so long and says whether to stop. 0; positive:
	 * it was told to; negative: logged.
	 */
	int (*start)(void *context, bool (*told)(int64_t wait_ns));
	void (*addresses)(void *context, char *text, size_t size);             /* lines for the ready file */
	void (*reload)(void *context, const struct settings_sources *sources); /* SIGHUP */
	void (*tend)(void *context);                                           /* once a second; NULL: there is nothing to do */
	bool (*alive)(void *context, int64_t within_ns);                       /* its loops have all run within that time */
	bool (*over)(void *context); /* it has come to its end by itself; NULL: it never does */
	void (*end)(void *context);  /* stops and frees it, whatever start() came to */
};

/* What such a command was given. */
struct process_call {
	const struct settings *settings; /* process.core_dumps: else a crash leaves nothing of the memory behind, which holds keys */
	struct settings_sources sources; /* for a reload */
	const char *ready_file;          /* NULL, or a path: once ready the addresses are written there, whole or not at all */
};

/*
 * A command that runs a service: reads its options (--ready-file, which `what` explains) and the
 * settings, and calls `run`. The exit code.
 */
int process_command(struct cli *cli, const char *what, int (*run)(const struct process_call *call));
/* The log as the settings have it; and what of the environment is none of them. */
void process_set_log(const struct settings *settings);

/*
 * Runs it until SIGTERM or SIGINT, or until it is over; a second signal ends the process at once.
 * Tells the service manager how it is, and its watchdog that it is alive while it is. SIGUSR1 and
 * SIGUSR2 are ignored. 0 after an orderly stop, or negative: logged.
 */
int process_run(const struct process_service *service, const struct process_call *call) MUST_CHECK;

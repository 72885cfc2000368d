/*
 * A server of our own as a child process: this same program, `serve`, in a folder of its own; and
 * commands beside it. For the demonstration.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "cli/client.h"

enum { SERVER_PATH_SIZE = 1024, SERVER_FLAGS_MAX = 32 };
struct server_process {
	pid_t pid; /* 0: none */
	char folder[SERVER_PATH_SIZE];
	char ready_file[SERVER_PATH_SIZE + 16], log_file[SERVER_PATH_SIZE + 16];
	uint16_t public_port, operator_port;
	char public_url[CLIENT_URL_SIZE], operator_url[CLIENT_URL_SIZE];
	const char *flags[SERVER_FLAGS_MAX]; /* more flags for serve, NULL-terminated */
	bool log_to_terminal;                /* else to log_file */
	int exit_status;                     /* of waitpid(), once it has ended */
};

/*
 * A folder that is there, and the ports that would be liked; where one is taken, or 0, a free one
 * is chosen below the range from which outgoing connections get theirs. 0 or negative.
 */
int server_process_init(struct server_process *server, const char *folder, uint16_t public_port, uint16_t operator_port) MUST_CHECK;
/* Starts it and does not wait. Without the PENSTOCK_ settings of our environment. 0 or negative. */
int server_process_start(struct server_process *server) MUST_CHECK;
/* 1: ready; 0: not yet; -ECHILD: it has ended (exit_status). */
int server_process_ready(struct server_process *server) MUST_CHECK;
/* Waits until it is ready. 0, -ECHILD, -ETIMEDOUT. */
int server_process_wait_ready(struct server_process *server, int64_t timeout_ms) MUST_CHECK;
/*
 * Another command of this program beside a server, in its folder and without our PENSTOCK_
 * settings: its arguments, NULL-terminated, "penstock" first. End it as a server. 0 or negative.
 */
int server_process_start_beside(struct server_process *process, const struct server_process *server,
				const char *const *arguments) MUST_CHECK;
/* Sends a signal and waits for its end; nothing to do where none runs. SIGKILL after 15 s. */
void server_process_end(struct server_process *server, int signal);

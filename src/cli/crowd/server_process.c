#include "cli/crowd/server_process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/pause.h"
#include "base/random.h"

enum { LOOK_AGAIN_NS = 5000000, END_MS = 15000, ARGUMENTS_MAX = SERVER_FLAGS_MAX + 16 };

static bool is_free(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	return bound;
}

/*
 * Not port 0: a port of the range for outgoing connections could be taken by one of them while the
 * server is down, and the same addresses must serve after the restart.
 */
static uint16_t free_port(uint16_t other)
{
	for (int i = 0; i < 1000; i++) {
		uint16_t port = (uint16_t)(20000 + random_u64() % 12000);

		if (port != other && is_free(port))
			return port;
	}
	return 0;
}

int server_process_init(struct server_process *server, const char *folder, uint16_t public_port, uint16_t operator_port)
{
	*server = (struct server_process){0};
	if (snprintf(server->folder, SERVER_PATH_SIZE, "%s", folder) >= SERVER_PATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(server->ready_file, sizeof(server->ready_file), "%s/ready", folder);
	snprintf(server->log_file, sizeof(server->log_file), "%s/server.log", folder);
	server->public_port = public_port && is_free(public_port) ? public_port : free_port(0);
	server->operator_port = operator_port && is_free(operator_port) ? operator_port : free_port(server->public_port);
	if (server->public_port == 0 || server->operator_port == 0)
		return -EADDRINUSE;
	snprintf(server->public_url, CLIENT_URL_SIZE, "http://127.0.0.1:%u", server->public_port);
	snprintf(server->operator_url, CLIENT_URL_SIZE, "http://127.0.0.1:%u", server->operator_port);
	return 0;
}

/* Settings of our own environment are not meant for this server. */
static void forget_settings(void)
{
	bool found;

	do {
		found = false;
		for (char **entry = environ; *entry && !found; entry++) {
			char name[256];

			if (strncmp(*entry, "PENSTOCK_", 9) != 0)
				continue;
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(*entry, "="), *entry);
			found = unsetenv(name) == 0;
		}
	} while (found);
}

/* In the child. */
static _Noreturn void become(const struct server_process *server, const char *const *arguments)
{
	/* A group of its own: the terminal's Ctrl-C is for us, and we stop it in order. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	forget_settings();
	if (chdir(server->folder) == 0)
		execv("/proc/self/exe", (char **)arguments);
	_exit(127);
}

/* In the child. */
static _Noreturn void become_server(const struct server_process *server)
{
	char public_listen[32], operator_listen[32];
	const char *arguments[ARGUMENTS_MAX] = {
		"penstock",      "serve",       "--ready-file",      server->ready_file,
		"--gate.listen", public_listen, "--operator.listen", operator_listen,
	};
	size_t count = 8;

	snprintf(public_listen, sizeof(public_listen), "127.0.0.1:%u", server->public_port);
	snprintf(operator_listen, sizeof(operator_listen), "127.0.0.1:%u", server->operator_port);
	for (size_t i = 0; server->flags[i]; i++)
		arguments[count++] = server->flags[i];
	if (!server->log_to_terminal) {
		int log = open(server->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

		if (log < 0 || dup2(log, STDERR_FILENO) < 0)
			_exit(126);
	}
	become(server, arguments);
}

int server_process_start(struct server_process *server)
{
	pid_t pid;

	ASSERT(server->pid == 0);
	if (unlink(server->ready_file) < 0 && errno != ENOENT)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_server(server);
	server->pid = pid;
	return 0;
}

int server_process_start_beside(struct server_process *process, const struct server_process *server, const char *const *arguments)
{
	fflush(NULL);
	*process = (struct server_process){.pid = fork()};
	if (process->pid < 0) {
		process->pid = 0;
		return -errno;
	}
	if (process->pid == 0)
		become(server, arguments);
	return 0;
}

int server_process_ready(struct server_process *server)
{
	if (server->pid == 0 || waitpid(server->pid, &server->exit_status, WNOHANG) == server->pid) {
		server->pid = 0;
		return -ECHILD;
	}
	return access(server->ready_file, F_OK) == 0;
}

int server_process_wait_ready(struct server_process *server, int64_t timeout_ms)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	int r;

	while ((r = server_process_ready(server)) == 0) {
		if (clock_mono_ms() > until_ms)
			return -ETIMEDOUT;
		pause_sleep(LOOK_AGAIN_NS);
	}
	return r < 0 ? r : 0;
}

void server_process_end(struct server_process *server, int signal)
{
	int64_t until_ms = clock_mono_ms() + END_MS;
	bool forced = false;

	if (server->pid == 0)
		return;
	kill(server->pid, signal);
	while (waitpid(server->pid, &server->exit_status, signal == SIGKILL || forced ? 0 : WNOHANG) == 0) {
		if (clock_mono_ms() > until_ms && !forced) {
			kill(server->pid, SIGKILL);
			forced = true;
		}
		pause_sleep(LOOK_AGAIN_NS);
	}
	server->pid = 0;
}

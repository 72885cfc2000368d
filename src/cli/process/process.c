#include "cli/process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/log.h"
#include "base/service_notify.h"

static void stop_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
}

static void all_signals(sigset_t *signals)
{
	stop_signals(signals);
	sigaddset(signals, SIGHUP);
}

/*
 * No core file, and for a core that is piped to a collector, which that limit does not stop, none
 * of the memory in it (core(5)). PR_SET_DUMPABLE would do both, and take debuggers and the leak
 * sanitizer with it.
 */
static void forbid_core_dumps(void)
{
	const struct rlimit none = {0, 0};
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (setrlimit(RLIMIT_CORE, &none) < 0 || fd < 0 || write(fd, "0", 1) != 1)
		log_warn("engine", "core files cannot be kept from being written: a crash could leave keys in one");
	if (fd >= 0)
		close(fd);
}

/* Before any other thread starts, which inherits the mask. */
static int begin(bool core_dumps)
{
	sigset_t signals;

	if (!core_dumps)
		forbid_core_dumps();
	all_signals(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	/* Sent by habit, or for another program: not worth a sale. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	return log_start();
}

static void force(int signal)
{
	static const char text[] = "penstock: stopped by force\n";

	(void)signal;
	log_at_once(text, sizeof(text) - 1);
	_exit(1);
}

/* From here on a second signal ends the process at once. */
static void arm_force(const sigset_t *signals)
{
	struct sigaction action = {.sa_handler = force};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* The signal that came, or 0. */
static int wait_for(const sigset_t *signals, int64_t timeout_ns)
{
	const struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
	int signal;

	do
		signal = timeout_ns < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &timeout);
	while (signal < 0 && errno == EINTR);
	return signal < 0 ? 0 : signal;
}

static void begin_stop(int signal)
{
	sigset_t signals;

	stop_signals(&signals);
	log_info("engine", "stopping", LOG_TEXT("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"));
	arm_force(&signals);
	service_notify_stopping();
}

/* While it starts, and waits for a service. A SIGHUP stays for later. */
static bool told(int64_t wait_ns)
{
	sigset_t signals;
	int signal;

	service_notify_starting();
	stop_signals(&signals);
	signal = wait_for(&signals, wait_ns);
	if (signal)
		begin_stop(signal);
	return signal != 0;
}

static void serve(const struct process_service *service, const struct settings_sources *sources)
{
	const int64_t look_ns = service->over ? 100000000 : 1000000000, watchdog_ns = service_watchdog_ns();
	int64_t rest_ns = watchdog_ns ? watchdog_ns / 3 : -1;
	sigset_t signals;

	if ((service->tend || service->over) && (rest_ns < 0 || rest_ns > look_ns))
		rest_ns = look_ns;
	all_signals(&signals);
	service_notify_ready();
	for (;;) {
		int signal = wait_for(&signals, rest_ns);

		if (signal == SIGTERM || signal == SIGINT) {
			begin_stop(signal);
			return;
		}
		if (service->over && service->over(service->context)) {
			service_notify_stopping();
			return;
		}
		if (signal == SIGHUP) {
			service_notify_reloading();
			service->reload(service->context, sources);
			service_notify_ready();
		}
		if (service->tend)
			service->tend(service->context);
		if (watchdog_ns && service->alive(service->context, watchdog_ns))
			service_notify_alive();
	}
}

static int write_whole(const char *path, const char *text)
{
	char temporary[4096];
	size_t size = strlen(text);
	int fd;
	bool fine;

	if (snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid()) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	fine = write(fd, text, size) == (ssize_t)size;
	close(fd);
	return fine && rename(temporary, path) == 0 ? 0 : -EIO;
}

static int write_ready_file(const struct process_service *service, const char *path)
{
	char text[256];
	int r;

	service->addresses(service->context, text, sizeof(text));
	r = write_whole(path, text);
	if (r < 0)
		log_error("engine", "the ready file cannot be written", LOG_TEXT("path", path), LOG_TEXT("error", error_text(r)));
	return r;
}

int process_run(const struct process_service *service, const struct process_call *call)
{
	int r = begin(call->settings->process.core_dumps == CORE_DUMPS_ON);

	if (r == 0)
		r = service->start(service->context, told);
	if (r == 0 && call->ready_file)
		r = write_ready_file(service, call->ready_file);
	if (r == 0)
		serve(service, &call->sources);
	service->end(service->context);
	if (r >= 0)
		log_info("engine", "stopped");
	log_stop();
	return r < 0 ? r : 0;
}

/* --- The command --- */

int process_command(struct cli *cli, const char *what, int (*run)(const struct process_call *call))
{
	struct process_call call = {0};
	const struct option table[] = {{"ready-file", 0, OPTION_TEXT, &call.ready_file, "PATH", what}};
	struct settings *settings;
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	call.sources = cli_sources(cli); /* --config is known now */
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	call.settings = settings;
	code = run(&call);
	settings_free(settings);
	return code;
}

void process_set_log(const struct settings *settings)
{
	log_set_level(settings->log.level);
	log_set_format(settings->log.format);
	if (*settings_ignored(settings))
		log_info("settings", "variables of the environment that Kubernetes made are no settings",
			 LOG_TEXT("ignored", settings_ignored(settings)));
}

#include "base/service_notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"

/*
 * The socket's address as NOTIFY_SOCKET has it: a path, or a name that begins with "@" (abstract).
 */
static void send_state(const char *text)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t size = path ? strlen(path) : 0;
	int fd;

	if (size < 2 || size >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, size);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0)
		log_debug("service", "the service manager does not listen");
	if (fd >= 0)
		close(fd);
}

/* Asked again before the time is over, it goes on. */
void service_notify_starting(void)
{
	send_state("EXTEND_TIMEOUT_USEC=60000000\nSTATUS=waiting for a service that is needed");
}

/* What it waited for is there: systemd keeps a status until it hears another. */
void service_notify_ready(void)
{
	send_state("READY=1\nSTATUS=");
}

/*
 * Of Type=notify-reload, and harmless with Type=notify: systemd wants the time by its own clock,
 * CLOCK_MONOTONIC.
 */
void service_notify_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	send_state(text);
}

void service_notify_stopping(void)
{
	send_state("STOPPING=1");
}

void service_notify_alive(void)
{
	send_state("WATCHDOG=1");
}

int64_t service_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long interval = usec ? strtoll(usec, NULL, 10) : 0;

	if (pid && strtoll(pid, NULL, 10) != (long long)getpid())
		return 0;
	return interval > 0 && interval < INT64_MAX / 1000 ? interval * 1000 : 0;
}

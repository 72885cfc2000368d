#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/service_notify.h"

struct manager {
	int fd;
};

/* At an address without a file: its name begins with "@" in NOTIFY_SOCKET. */
static int listen_as_manager(void **state)
{
	static struct manager manager;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[32];
	int size = snprintf(name, sizeof(name), "@penstock-test-%d", (int)getpid());

	memcpy(address.sun_path + 1, name + 1, (size_t)size - 1);
	manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*state = &manager;
	if (manager.fd < 0 || setenv("NOTIFY_SOCKET", name, 1) < 0)
		return -1;
	return bind(manager.fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size));
}

static int close_manager(void **state)
{
	const struct manager *manager = *state;

	unsetenv("NOTIFY_SOCKET");
	return close(manager->fd);
}

static void hear(const struct manager *manager, char *text, size_t size)
{
	ssize_t read = recv(manager->fd, text, size - 1, MSG_DONTWAIT);

	assert_true(read > 0);
	text[read] = '\0';
}

static void test_waiting_asks_for_time_and_says_why(void **state)
{
	char text[256];

	service_notify_starting();
	hear(*state, text, sizeof(text));
	assert_non_null(strstr(text, "EXTEND_TIMEOUT_USEC="));
	assert_non_null(strstr(text, "\nSTATUS=waiting"));
}

/* systemd shows the last status that it was told for as long as it hears no other. */
static void test_who_is_ready_waits_no_more(void **state)
{
	char text[256];

	service_notify_ready();
	hear(*state, text, sizeof(text));
	assert_string_equal(text, "READY=1\nSTATUS=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_waiting_asks_for_time_and_says_why, listen_as_manager, close_manager),
		cmocka_unit_test_setup_teardown(test_who_is_ready_waits_no_more, listen_as_manager, close_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

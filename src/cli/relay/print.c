#include "cli/relay/print.h"

#include <poll.h>
#include <unistd.h>
#include "cli/change_line.h"

enum { ROOM_MS = 100 };

/* Of a pipe that is ready a line fits into what is free of it: so a stop is heard. */
static int write_all(const char *text, size_t size)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (poll(&out, 1, ROOM_MS) < 1)
		return -EAGAIN;
	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, text, size);

		if (written < 0 && (errno == EINTR || errno == EAGAIN)) {
			(void)poll(&out, 1, ROOM_MS);
			continue;
		}
		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return 0;
}

int print_change(const char *body, bool json)
{
	struct buffer line;
	json_t *change = NULL;
	int result;

	buffer_init(&line, 65536);
	if (json) {
		buffer_append_text(&line, body);
		buffer_append_text(&line, "\n");
	} else if ((change = json_loads(body, 0, NULL))) {
		change_line(change, &line);
	}
	json_decref(change);
	result = line.failed || line.size == 0 ? error_origin(-ENOMEM) : write_all(line.data, line.size);
	buffer_deinit(&line);
	return result;
}

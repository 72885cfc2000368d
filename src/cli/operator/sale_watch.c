#include "cli/operator/sale_watch.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/output.h"

enum { READ_STEP = 16 * 1024, SILENCE_MS = 45000 /* a sign of life comes every 15 s */ };

/* One event, as its data says: the whole sale, or a part of it. */
static void print_event(const char *data, bool json)
{
	char now[CLOCK_TEXT_SIZE];
	json_t *sale, *lot;
	size_t index;

	sale = json ? NULL : json_loads(data, 0, NULL);
	if (!json_is_object(sale)) {
		puts(data);
	} else {
		clock_format(clock_wall_ms(), now);
		printf("%.12s  %-8s", now + 11, output_field_text(sale, "state"));
		json_array_foreach(json_object_get(sale, "lots"), index, lot)
		{
			printf("  %s", output_field_text(lot, "sku"));
			if (json_object_get(lot, "available"))
				printf(" %" PRId64 " left", output_field_integer(lot, "available"));
			if (json_is_true(json_object_get(lot, "sold_out")))
				printf(" sold out%s", json_is_true(json_object_get(lot, "may_return")) ? " (some may return)" : "");
		}
		putchar('\n');
	}
	fflush(stdout);
	json_decref(sale);
}

/* Prints the whole lines "data: ..." at the start of `in`, and drops them. */
static void take_lines(struct buffer *in, bool json)
{
	const char *end;

	while ((end = in->size > 0 ? memchr(in->data, '\n', in->size) : NULL)) {
		size_t size = (size_t)(end - in->data);

		if (size > 5 && memcmp(in->data, "data:", 5) == 0) {
			char *data = strndup(in->data + 5, size - 5);

			if (data) {
				size_t length = strlen(data);

				if (length > 0 && data[length - 1] == '\r')
					data[length - 1] = '\0';
				print_event(data[0] == ' ' ? data + 1 : data, json);
			}
			free(data);
		}
		buffer_consume(in, size + 1);
	}
}

/* Reads more; 0, 1 at the end of the stream, or negative. */
static int read_more(int fd, struct buffer *in)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	char *room = buffer_reserve(in, READ_STEP);
	ssize_t got;
	int r;

	if (!room)
		return -EMSGSIZE;
	r = poll(&poller, 1, SILENCE_MS);
	if (r == 0)
		return -ETIMEDOUT;
	if (r < 0)
		return -errno;
	got = recv(fd, room, READ_STEP, 0);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	in->size += (size_t)got;
	return got == 0;
}

static int read_head(int fd, struct buffer *in, int *status)
{
	const char *end;
	int r = 0;

	while (r == 0 && !(end = in->size > 0 ? memmem(in->data, in->size, "\r\n\r\n", 4) : NULL))
		r = read_more(fd, in);
	if (r != 0)
		return r < 0 ? r : -ECONNRESET;
	if (in->size < 12 || memcmp(in->data, "HTTP/1.1 ", 9) != 0)
		return -EBADMSG;
	*status = atoi(in->data + 9);
	buffer_consume(in, (size_t)(end + 4 - in->data));
	return 0;
}

struct watch {
	struct buffer in;
	bool json;
};

static bool take_part(void *context, const char *data, size_t size)
{
	struct watch *watch = context;

	buffer_append(&watch->in, data, size);
	take_lines(&watch->in, watch->json);
	return !watch->in.failed;
}

/* Until the stream ends: 1; or negative. */
static int watch_plain(struct client *client, const char *path, const char *headers, struct watch *watch, int *status)
{
	int fd = socket(client->place.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;
	struct buffer out;

	buffer_init(&out, 8192);
	buffer_printf(&out, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, client->place.host, headers);
	r = fd < 0 || connect(fd, (const struct sockaddr *)&client->place.address, client->place.size) < 0 ||
			    send(fd, out.data, out.size, MSG_NOSIGNAL) != (ssize_t)out.size
		    ? -errno
		    : read_head(fd, &watch->in, status);
	while (r == 0 && *status == 200) {
		take_lines(&watch->in, watch->json);
		r = read_more(fd, &watch->in);
		if (r == 1)
			take_lines(&watch->in, watch->json);
	}
	if (fd >= 0)
		close(fd);
	buffer_deinit(&out);
	return r;
}

static int watch_https(struct client *client, const char *path, const char *headers, struct watch *watch, int *status)
{
	const struct https_request request = {.method = "GET", .path = path, .headers = headers, .take = take_part, .context = watch};
	int r = https_call(client->https, &request, status);

	return r < 0 ? r : 1;
}

int sale_watch(struct client *client, const char *path, bool json)
{
	struct watch watch = {.json = json};
	char name[CLIENT_NAME_SIZE];
	struct buffer headers;
	int status = 0, r;

	buffer_init(&watch.in, 1024 * 1024);
	buffer_init(&headers, 4096);
	buffer_append_text(&headers, "Accept: text/event-stream\r\n");
	if (client->token)
		buffer_printf(&headers, "Authorization: Bearer %s\r\n", client->token);
	buffer_append(&headers, "", 1);
	r = client->https ? watch_https(client, path, headers.data, &watch, &status)
			  : watch_plain(client, path, headers.data, &watch, &status);
	if (status != 0 && status != 200)
		cli_error(CLI_FAILED, "GET %s: %d", path, status);
	else if (r < 0)
		cli_error(CLI_FAILED, "%s: %s", client_name(client, name), client_error(client, r));
	else
		cli_error(CLI_FAILED, "%s: the server has ended the stream: it has stopped, or this token may not watch any more",
			  client_name(client, name));
	buffer_deinit(&headers);
	buffer_deinit(&watch.in);
	return CLI_FAILED; /* it watches until somebody ends it, and then it does not come here */
}

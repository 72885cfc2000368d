#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "contract/redis_place.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 12000, LOOK_NS = 5000000, STARTS = 5 };

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

void redis_place_await(bool (*seen)(void *context), void *context)
{
	for (int i = 0; i < LOOKS; i++) {
		if (seen(context))
			return;
		pause_a_little();
	}
	fail_msg("it did not come about");
}

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void become_server(const struct redis_place *place)
{
	const char *arguments[32] = {"redis-server", "--bind",    "127.0.0.1", "--dir",
				     place->folder,  "--logfile", "redis.log", "--port"};
	char port[16], file[96];
	size_t count = 8;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(port, sizeof(port), "%d", place->port);
	arguments[count++] = port;
	if (place->sentinel) { /* its file comes first */
		snprintf(file, sizeof(file), "%s/sentinel.conf", place->folder);
		memmove(arguments + 2, arguments + 1, (count - 1) * sizeof(arguments[0]));
		arguments[1] = file;
		count++;
		arguments[count++] = "--sentinel";
	} else {
		arguments[count++] = "--save";
		arguments[count++] = "";
	}
	for (size_t i = 0; place->options[i]; i++)
		arguments[count++] = place->options[i];
	arguments[count] = NULL;
	execvp("redis-server", (char *const *)arguments);
	_exit(127);
}

/* Whether the server answers; *ended where it is gone. */
static bool answers(struct redis_place *place, bool *ended)
{
	redisContext *context = redisConnect("127.0.0.1", place->port);
	redisReply *reply = context && !context->err ? redisCommand(context, "PING") : NULL;
	bool fine = reply && (reply->type == REDIS_REPLY_STATUS || strncmp(reply->str, "NOAUTH", 6) == 0);

	if (reply)
		freeReplyObject(reply);
	if (context)
		redisFree(context);
	*ended = !fine && waitpid(place->process, NULL, WNOHANG) == place->process;
	return fine;
}

/* False where it ended: another took the port meanwhile. */
static bool start(struct redis_place *place)
{
	bool ended = false;

	place->process = fork();
	assert_true(place->process >= 0);
	if (place->process == 0)
		become_server(place);
	for (int i = 0; i < LOOKS && !ended; i++) {
		if (answers(place, &ended))
			return true;
		pause_a_little();
	}
	place->process = 0;
	return false;
}

void redis_place_start(struct redis_place *place)
{
	assert_int_equal(place->process, 0);
	if (!start(place))
		fail_msg("no redis-server came up in %s", place->folder);
}

static void start_anywhere(struct redis_place *place)
{
	bool started = false;

	for (int i = 0; i < STARTS && !started; i++) {
		place->port = free_port();
		started = start(place);
	}
	if (!started)
		fail_msg("no redis-server came up: tools/setup test must have run");
}

static struct redis_place *make_place(void)
{
	struct redis_place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/penstock-redis-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	return place;
}

struct redis_place *redis_place_new_sentinel(const struct redis_place *master)
{
	struct redis_place *place = make_place();
	char path[96];
	FILE *file;

	place->sentinel = true;
	snprintf(path, sizeof(path), "%s/sentinel.conf", place->folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "sentinel monitor mymaster 127.0.0.1 %d 1\nsentinel failover-timeout mymaster 5000\n", master->port);
	assert_int_equal(fclose(file), 0);
	start_anywhere(place);
	snprintf(place->url, sizeof(place->url), "redis+sentinel://127.0.0.1:%d/mymaster", place->port);
	return place;
}

struct redis_place *redis_place_new(const char *option, ...)
{
	struct redis_place *place = make_place();
	size_t count = 0;
	va_list options;

	va_start(options, option);
	for (; option; option = va_arg(options, const char *)) {
		assert_true(count < REDIS_PLACE_OPTIONS);
		place->options[count++] = option;
	}
	va_end(options);
	start_anywhere(place);
	snprintf(place->url, sizeof(place->url), "redis://127.0.0.1:%d", place->port);
	return place;
}

void redis_place_kill(struct redis_place *place)
{
	if (!place->process)
		return;
	kill(place->process, SIGKILL);
	waitpid(place->process, NULL, 0);
	place->process = 0;
}

void redis_place_pause(struct redis_place *place, bool paused)
{
	assert_int_equal(kill(place->process, paused ? SIGSTOP : SIGCONT), 0);
}

static void remove_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char inside[512];

	while (folder && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
		if (unlink(inside) < 0)
			remove_folder(inside);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}

void redis_place_free(struct redis_place *place)
{
	if (!place)
		return;
	redis_place_kill(place);
	remove_folder(place->folder);
	free(place);
}

static redisReply *ask(const struct redis_place *place, const char *format, va_list arguments)
{
	redisContext *context = redisConnect("127.0.0.1", place->port);
	redisReply *reply;

	assert_non_null(context);
	reply = redisvCommand(context, format, arguments);
	assert_non_null(reply);
	redisFree(context);
	return reply;
}

redisReply *redis_place_ask(const struct redis_place *place, const char *format, ...)
{
	redisReply *reply;
	va_list arguments;

	va_start(arguments, format);
	reply = ask(place, format, arguments);
	va_end(arguments);
	return reply;
}

void redis_place_run(const struct redis_place *place, const char *format, ...)
{
	redisReply *reply;
	va_list arguments;

	va_start(arguments, format);
	reply = ask(place, format, arguments);
	va_end(arguments);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	freeReplyObject(reply);
}

#include "base/failpoint.h"

#ifdef PENSTOCK_TESTING

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/assertion.h"
#include "base/node.h"

enum { POINTS_MAX = 32, NAME_SIZE = 64, SPEC_SIZE = 4096, LOOK_NS = 2000000 };
enum action { ACTION_KILL, ACTION_ERROR, ACTION_DELAY, ACTION_HOLD, ACTION_ON };

struct point {
	char name[NAME_SIZE];
	enum action action;
	long argument;
	uint64_t skip, count; /* hits that still pass, hits that still act */
};
struct failpoints {
	struct point points[POINTS_MAX];
	size_t count;
};

/*
 * Of all nodes: a test build's, and never held where another thread may be chosen. So it is no
 * seam.
 */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct failpoints from_environment, from_file;
static bool environment_read;
static struct stat file_seen;

static bool parse_action(struct point *point, char *text)
{
	char *argument = strchr(text, ':'), *end = NULL;

	if (argument) {
		*argument++ = '\0';
		point->argument = strtol(argument, &end, 10);
		if (end == argument || *end || point->argument <= 0)
			return false;
	}
	if (strcmp(text, "kill") == 0)
		point->action = ACTION_KILL;
	else if (strcmp(text, "error") == 0)
		point->action = ACTION_ERROR;
	else if (strcmp(text, "delay") == 0)
		point->action = ACTION_DELAY;
	else if (strcmp(text, "hold") == 0)
		point->action = ACTION_HOLD;
	else if (strcmp(text, "on") == 0)
		point->action = ACTION_ON;
	else
		return false;
	return (point->action == ACTION_ERROR || point->action == ACTION_DELAY) == (argument != NULL);
}

/* Cuts "MARKNUMBER" off the end of the text. */
static bool take_number(char *text, char mark, uint64_t *number)
{
	char *found = strrchr(text, mark), *end;

	if (!found)
		return true;
	if (found[1] < '0' || found[1] > '9')
		return mark == 'x'; /* the letter may be part of a word */
	*number = strtoull(found + 1, &end, 10);
	*found = '\0';
	return *end == '\0';
}

static bool parse_point(struct point *point, char *text)
{
	char *equals = strchr(text, '=');

	memset(point, 0, sizeof(*point));
	point->count = UINT64_MAX;
	if (!equals || equals == text || equals - text >= NAME_SIZE)
		return false;
	memcpy(point->name, text, (size_t)(equals - text));
	return take_number(equals + 1, 'x', &point->count) && take_number(equals + 1, '@', &point->skip) &&
	       parse_action(point, equals + 1);
}

static bool parse_set(struct failpoints *set, char *text)
{
	char *rest = NULL;

	set->count = 0;
	for (char *part = strtok_r(text, ", \t\n", &rest); part; part = strtok_r(NULL, ", \t\n", &rest)) {
		if (set->count == POINTS_MAX || !parse_point(&set->points[set->count], part)) {
			fprintf(stderr, "failpoints: cannot read \"%s\"\n", part);
			return false;
		}
		set->count++;
	}
	return true;
}

static void read_environment(void)
{
	const char *value = getenv("PENSTOCK_FAILPOINTS");
	char text[SPEC_SIZE];

	environment_read = true;
	if (!value)
		return;
	/* A test that believes it has set a failpoint and has not would prove nothing. */
	if (strlen(value) >= sizeof(text) || !parse_set(&from_environment, strcpy(text, value)))
		abort();
}

/*
 * A file that is being written may be read in halves: a bad one counts as empty until it changes
 * again.
 */
static void read_file(void)
{
	const char *path = getenv("PENSTOCK_FAILPOINTS_FILE");
	char text[SPEC_SIZE];
	struct stat now;
	size_t size;
	FILE *file;

	if (!path)
		return;
	if (stat(path, &now) < 0) {
		from_file.count = 0;
		memset(&file_seen, 0, sizeof(file_seen));
		return;
	}
	if (now.st_mtim.tv_sec == file_seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == file_seen.st_mtim.tv_nsec &&
	    now.st_size == file_seen.st_size && now.st_ino == file_seen.st_ino)
		return;
	file_seen = now;
	file = fopen(path, "re");
	if (!file)
		return;
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	if (!parse_set(&from_file, text))
		from_file.count = 0;
}

static bool find_hit(struct failpoints *set, const char *name, struct point *hit)
{
	for (size_t i = 0; i < set->count; i++) {
		struct point *point = &set->points[i];

		if (strcmp(point->name, name) != 0)
			continue;
		if (point->skip > 0) {
			point->skip--;
			continue;
		}
		if (point->count == 0)
			continue;
		if (point->count != UINT64_MAX)
			point->count--;
		*hit = *point;
		return true;
	}
	return false;
}

/* Before it acts, for a test that waits for it. Switches act all the time, and are not told. */
static void record(const struct point *hit)
{
	const char *path = getenv("PENSTOCK_FAILPOINTS_HITS");
	FILE *file;

	if (!path || hit->action == ACTION_ON)
		return;
	file = fopen(path, "ae");
	if (!file)
		abort();
	fprintf(file, "%s\n", hit->name); /* one write, so that two processes' lines do not mix */
	fclose(file);
}

/*
 * Whether it is still set, by the file or the node: what the environment has could never be lifted.
 */
static bool is_held(const char *name)
{
	const struct failpoints *set;
	bool found = false;

	pthread_mutex_lock(&mutex);
	set = node_current->failpoints;
	if (!set) {
		read_file();
		set = &from_file;
	}
	for (size_t i = 0; i < set->count && !found; i++)
		found = set->points[i].action == ACTION_HOLD && strcmp(set->points[i].name, name) == 0;
	pthread_mutex_unlock(&mutex);
	return found;
}

/* Of the node that it runs in; the process's own looks at the file and the environment. */
static bool find(const char *name, struct point *hit)
{
	struct failpoints *own;
	bool found;

	pthread_mutex_lock(&mutex);
	own = node_current->failpoints;
	if (own) {
		found = find_hit(own, name, hit);
	} else {
		if (!environment_read)
			read_environment();
		read_file();
		found = find_hit(&from_file, name, hit) || find_hit(&from_environment, name, hit);
	}
	pthread_mutex_unlock(&mutex);
	return found;
}

int failpoint_hit(const char *name)
{
	struct scheduler *scheduler = node_scheduler();
	struct point hit;

	if (scheduler)
		return scheduler->ops->failpoint(scheduler, name);
	if (!find(name, &hit))
		return 0;
	record(&hit);
	switch (hit.action) {
	case ACTION_KILL:
		kill(getpid(), SIGKILL);
		pause();
		return 0;
	case ACTION_ERROR:
		return (int)-hit.argument;
	case ACTION_DELAY:
		nanosleep(&(struct timespec){hit.argument / 1000, hit.argument % 1000 * 1000000}, NULL);
		return 0;
	case ACTION_HOLD:
		while (is_held(name))
			nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
		return 0;
	case ACTION_ON:
		return 1;
	}
	return 0;
}

void failpoints_set(const char *specification)
{
	struct failpoints *fresh = NULL, *former;
	char text[SPEC_SIZE];

	if (specification) {
		fresh = calloc(1, sizeof(*fresh));
		ASSERT(fresh);
		ASSERT(strlen(specification) < sizeof(text));
		if (!parse_set(fresh, strcpy(text, specification)))
			abort();
	}
	pthread_mutex_lock(&mutex);
	former = node_current->failpoints;
	node_current->failpoints = fresh;
	pthread_mutex_unlock(&mutex);
	free(former);
}

#else

/* ISO C wants something in every translation unit. */
typedef int failpoints_are_off;

#endif

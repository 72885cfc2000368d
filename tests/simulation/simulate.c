/*
 * Simulates sales of the whole program: each seed is a world of its own (world/world.h), in a
 * process of its own. A seed and a commit make the same run, bit for bit.
 *
 *   simulate --seed N [--shape embedded|cluster] [--without LIST] [--plan] [--trace]     one, told in full
 *   simulate [--seeds N] [--from N] [--hours H] [--jobs N] [--first] [--shape …]         many, by turns of both shapes; --first: until one fails
 *
 * What failed is a line that can be pasted, on standard output; 0, 1 (a breach) or 2 (it was asked
 * wrongly).
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "build_info.h"
#include "simulation/world/world.h"
#include "simulation/world_heap.h"

enum { JOBS_MAX = 64, TELL_S = 600 };

struct options {
	bool one, both_shapes, plan, trace, first;
	uint64_t seed, count;
	enum plan_shape shape;
	double hours;
	unsigned jobs;
	const char *without;
};

static const char *const shapes[] = {[PLAN_EMBEDDED] = "embedded", [PLAN_CLUSTER] = "cluster"};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- One seed --- */

/* A process that runs one, and what it leaves in memory that it shares with this one. */
struct job {
	pid_t process; /* 0: none */
	uint64_t seed;
	enum plan_shape shape;
	struct world_result *result;
	unsigned place; /* its number among those of this run */
};

static void run_seed(const struct options *options, const struct job *job)
{
	static struct plan plan;

	world_heap_begin(job->place);
	plan_make(&plan, job->seed, job->shape);
	if (options->without && !plan_leave_out(&plan, options->without))
		exit(2);
	world_run(&plan, options->trace ? stdout : NULL, job->result);
	fflush(stdout);
	_exit(job->result->breach[0] ? 1 : 0); /* what the world has left lies about as it was */
}

static void begin(const struct options *options, struct job *job, uint64_t seed, enum plan_shape shape)
{
	job->seed = seed;
	job->shape = shape;
	memset(job->result, 0, sizeof(*job->result));
	fflush(NULL);
	job->process = fork();
	if (job->process < 0) {
		perror("simulate: fork");
		exit(2);
	}
	if (job->process == 0)
		run_seed(options, job);
}

/* Whether all was well. */
static bool finish(const struct options *options, struct job *job, int status)
{
	struct world_result *result = job->result;

	job->process = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		exit(2);
	if (WIFSIGNALED(status))
		snprintf(result->breach, sizeof(result->breach), "crash: SIG%s", sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0 && !result->breach[0])
		snprintf(result->breach, sizeof(result->breach), "crash: exit status %d", WEXITSTATUS(status));
	if (!result->breach[0])
		return true;
	printf("breach: %s\n\tmake simulate SEED=%llu SHAPE=%s%s%s\n\tstep %llu, %.3f s, commit %s\n", result->breach,
	       (unsigned long long)job->seed, shapes[job->shape], options->without ? " WITHOUT=" : "",
	       options->without ? options->without : "", (unsigned long long)result->steps, result->virtual_s, PENSTOCK_REVISION);
	fflush(stdout);
	return false;
}

static void print_plan(const struct options *options)
{
	static struct plan plan;
	char text[200];

	plan_make(&plan, options->seed, options->shape);
	if (options->without && !plan_leave_out(&plan, options->without))
		exit(2);
	for (uint32_t i = 0; i < plan.op_count; i++) {
		plan_print_op(&plan, i, text, sizeof(text));
		puts(text);
	}
	for (uint32_t i = 0; i < plan.fault_count; i++) {
		plan_print_fault(&plan, i, text, sizeof(text));
		puts(text);
	}
}

static struct world_result *share_results(unsigned count)
{
	struct world_result *results =
		mmap(NULL, count * sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (results == MAP_FAILED) {
		perror("simulate: mmap");
		exit(2);
	}
	return results;
}

static int run_one(const struct options *options)
{
	struct job job = {.result = share_results(1)};
	int status;

	begin(options, &job, options->seed, options->shape);
	waitpid(job.process, &status, 0);
	if (!finish(options, &job, status))
		return 1;
	printf("seed %llu, %s: all is well after %.1f s, %llu steps, %u requests with %u answers (%016llx)\n",
	       (unsigned long long)options->seed, shapes[options->shape], job.result->virtual_s, (unsigned long long)job.result->steps,
	       job.result->requests, job.result->answers, (unsigned long long)job.result->fingerprint);
	return 0;
}

/* --- Many --- */

struct tally {
	uint64_t begun, ended, failed, steps, requests;
	double virtual_s, begun_s, told_s;
};

/* Whoever ends a long run early is told as much as is known. */
static volatile sig_atomic_t told_to_end;

static void end_early(int signal)
{
	(void)signal;
	told_to_end = 1;
}

static void print_tally(const struct options *options, const struct tally *tally)
{
	double seconds = now_s() - tally->begun_s;

	printf("%llu seeds from %llu, %llu failed: %.1f s, %.0f sales a minute on %u cores, %.0f steps and %.0f requests a sale, commit %s\n",
	       (unsigned long long)tally->ended, (unsigned long long)options->seed, (unsigned long long)tally->failed, seconds,
	       (double)tally->ended / seconds * 60, options->jobs, (double)tally->steps / (double)tally->ended,
	       (double)tally->requests / (double)tally->ended, PENSTOCK_REVISION);
	fflush(stdout);
}

static void begin_next(const struct options *options, struct job *job, struct tally *tally)
{
	uint64_t number = tally->begun++;
	enum plan_shape shape = options->shape;

	if (options->both_shapes)
		shape = number % 2 ? PLAN_CLUSTER : PLAN_EMBEDDED;
	begin(options, job, options->seed + number, shape);
}

static void end_one(const struct options *options, struct job *jobs, struct tally *tally)
{
	int status;
	pid_t ended = wait(&status);

	for (unsigned i = 0; i < options->jobs; i++) {
		if (jobs[i].process != ended)
			continue;
		tally->failed += !finish(options, &jobs[i], status);
		tally->ended++;
		tally->steps += jobs[i].result->steps;
		tally->requests += jobs[i].result->requests;
		tally->virtual_s += jobs[i].result->virtual_s;
	}
}

static int run_many(const struct options *options)
{
	struct world_result *results = share_results(options->jobs);
	struct job jobs[JOBS_MAX] = {0};
	struct tally tally = {.begun_s = now_s(), .told_s = now_s()};
	double until_s = tally.begun_s + options->hours * 3600;
	bool more = true;

	signal(SIGINT, end_early);
	signal(SIGTERM, end_early);
	while (more || tally.ended < tally.begun) {
		for (unsigned i = 0; more && i < options->jobs; i++) {
			jobs[i].result = &results[i];
			jobs[i].place = i;
			if (!jobs[i].process)
				begin_next(options, &jobs[i], &tally);
			more = options->hours > 0 ? now_s() < until_s : tally.begun < options->count;
			more = more && !told_to_end && !(options->first && tally.failed > 0);
		}
		end_one(options, jobs, &tally);
		if (now_s() - tally.told_s < TELL_S)
			continue;
		tally.told_s = now_s();
		print_tally(options, &tally);
	}
	print_tally(options, &tally);
	return tally.failed > 0;
}

/* --- What is asked for --- */

static void usage(void)
{
	fputs("usage: simulate --seed N [--shape embedded|cluster] [--without LIST] [--plan] [--trace]\n"
	      "       simulate [--seeds N] [--from N] [--hours H] [--jobs N] [--first] [--shape embedded|cluster]\n",
	      stderr);
	exit(2);
}

static uint64_t read_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (end == text || *end)
		usage();
	return number;
}

static void read_shape(struct options *options, const char *name)
{
	options->both_shapes = false;
	if (strcmp(name, "cluster") == 0)
		options->shape = PLAN_CLUSTER;
	else if (strcmp(name, "embedded") == 0)
		options->shape = PLAN_EMBEDDED;
	else
		usage();
}

static void take(struct options *options, int name)
{
	switch (name) {
	case 's':
		options->one = true;
		options->seed = read_number(optarg);
		break;
	case 'n':
		options->count = read_number(optarg);
		break;
	case 'f':
		options->seed = read_number(optarg);
		break;
	case 'h':
		options->hours = strtod(optarg, NULL);
		break;
	case 'j':
		options->jobs = (unsigned)read_number(optarg);
		break;
	case 'S':
		read_shape(options, optarg);
		break;
	case 'w':
		options->without = optarg;
		break;
	case 'p':
		options->plan = true;
		break;
	case '1':
		options->first = true;
		break;
	case 't':
		options->trace = true;
		break;
	default:
		usage();
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'},
		{"from", required_argument, NULL, 'f'},
		{"hours", required_argument, NULL, 'h'},
		{"jobs", required_argument, NULL, 'j'},
		{"shape", required_argument, NULL, 'S'},
		{"without", required_argument, NULL, 'w'},
		{"plan", no_argument, NULL, 'p'},
		{"trace", no_argument, NULL, 't'},
		{"first", no_argument, NULL, '1'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.both_shapes = true, .count = 1000, .seed = 1, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1)
		take(&options, name);
	if (optind < argc || options.jobs == 0 || options.jobs > JOBS_MAX || options.count == 0)
		usage();
	if (options.plan) {
		print_plan(&options);
		return 0;
	}
	world_heap_reserve(options.one ? 1 : options.jobs);
	world_prepare();
	return options.one ? run_one(&options) : run_many(&options);
}

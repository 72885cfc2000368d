#include <inttypes.h>
#include <stdarg.h>
#include "simulation/scheduler/scheduler_own.h"

static const char *const causes[] = {"starts", "goes on", "was woken", "its time has come", "was held up"};

void trace_print(FILE *file, uint64_t step, const struct step_record *record)
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
		trace_print(simulation->settings.trace, simulation->steps, record);
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

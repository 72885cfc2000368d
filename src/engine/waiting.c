#include "engine/waiting.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "monitor/monitor.h"

static const int64_t ANSWER_NS = 200000000; /* for answers in flight when it ends */
static const int64_t LOOK_AGAIN_NS = 1000000000;

struct waiting {
	_Atomic int service;
	const char *_Atomic why;
	struct monitor *buyers, *operators;
};

static const struct {
	const char *name, *code;
} services[] = {
	[WAITING_LEDGER] = {"ledger", "ledger-unavailable"},
	[WAITING_JOURNAL] = {"journal", "journal-unavailable"},
	[WAITING_STOCK] = {"stock", "stock-unavailable"},
};

static size_t look(void *context, struct health_check *checks)
{
	struct waiting *waiting = context;

	checks[0] = (struct health_check){"serving", "starting: a service that is needed is waited for", true};
	checks[1] = (struct health_check){services[atomic_load(&waiting->service)].name, atomic_load(&waiting->why), true};
	return 2;
}

static bool show(void *context, struct buffer *out)
{
	struct health_check checks[HEALTH_CHECKS_MAX];

	(void)look(context, checks);
	health_render_check(&checks[1], "service", out);
	return false;
}

static const char *away(void *context)
{
	const struct waiting *waiting = context;

	return services[atomic_load(&waiting->service)].code;
}

static void log_waiting(struct waiting *waiting, enum waiting_service service, const char *why)
{
	atomic_store(&waiting->service, (int)service);
	atomic_store(&waiting->why, why);
}

static void end(struct waiting *waiting)
{
	if (!waiting)
		return;
	if (waiting->buyers)
		monitor_stop(waiting->buyers, clock_mono_ns() + ANSWER_NS);
	if (waiting->operators)
		monitor_stop(waiting->operators, clock_mono_ns() + ANSWER_NS);
	monitor_free(waiting->buyers);
	monitor_free(waiting->operators);
	free(waiting);
}

/* Opens the listeners and answers from here on. 0 or negative, logged. */
static int begin(struct waiting **out, const struct waiting_start *start)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct monitor_source source = {.context = waiting, .checks = look, .components = show, .away = away};
	int r;

	if (!waiting)
		return error_origin(-ENOMEM);
	log_waiting(waiting, WAITING_LEDGER, "it has not answered yet");
	r = monitor_new(&waiting->operators, start->operators, start->metrics, &source);
	source.probes_only = true;
	if (r == 0 && start->buyers)
		r = monitor_new(&waiting->buyers, start->buyers, start->metrics, &source);
	if (r == 0)
		r = monitor_start(waiting->operators);
	if (r == 0 && waiting->buyers)
		r = monitor_start(waiting->buyers);
	if (r < 0) {
		end(waiting);
		return r;
	}
	*out = waiting;
	return 0;
}

bool waiting_is_for(int r)
{
	return r == -ENOTCONN || r == -ETIMEDOUT;
}

int waiting_run(const struct waiting_start *start)
{
	struct waiting *waiting = NULL;
	enum waiting_service service;
	int r = start->open(start->context, &service), begun = 0;

	while (waiting_is_for(r)) {
		if (!waiting) {
			log_warn("engine", "a service is away: this process is alive, and not ready until it is there",
				 LOG_TEXT("service", services[service].name));
			begun = begin(&waiting, start);
			if (begun < 0)
				return begun;
		}
		log_waiting(waiting, service, error_text(r));
		r = start->told(LOOK_AGAIN_NS) ? WAITING_STOPPED : start->open(start->context, &service);
	}
	end(waiting);
	return r;
}

#include "engine/waiting.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "monitor/monitor.h"

static const int64_t ANSWER_NS = 200000000; /* for answers in flight when it ends */

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

const char *waiting_service_name(enum waiting_service service)
{
	return services[service].name;
}

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

int waiting_begin(struct waiting **out, const struct settings *settings, const struct metrics *metrics)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct monitor_source source = {.context = waiting, .checks = look, .components = show, .away = away};
	int r;

	if (!waiting)
		return error_origin(-ENOMEM);
	waiting_for(waiting, WAITING_LEDGER, "it has not answered yet");
	r = monitor_new(&waiting->operators, &settings->operator.listen, metrics, &source);
	source.probes_only = true;
	if (r == 0)
		r = monitor_new(&waiting->buyers, &settings->gate.listen, metrics, &source);
	if (r == 0)
		r = monitor_start(waiting->operators);
	if (r == 0)
		r = monitor_start(waiting->buyers);
	if (r < 0) {
		waiting_end(waiting);
		return r;
	}
	*out = waiting;
	return 0;
}

void waiting_for(struct waiting *waiting, enum waiting_service service, const char *why)
{
	atomic_store(&waiting->service, (int)service);
	atomic_store(&waiting->why, why);
}

void waiting_end(struct waiting *waiting)
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

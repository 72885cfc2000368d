/*
 * A listener for processes that serve nobody but those who watch them: GET /metrics, /health,
 * /readyz and /livez, in the shapes of the gate's operator listener. It owns its thread. It asks
 * for no token: it shows figures, and listens on loopback unless it is told otherwise.
 */
#pragma once

#include "base/address.h"
#include "metrics/metrics.h"
#include "monitor/health_report.h"

struct monitor;
struct http_wire;
/* What it asks; on its own thread, with `context`. */
struct monitor_source {
	void *context;
	/*
	 * Fills up to HEALTH_CHECKS_MAX checks, and returns how many; the reasons live until the
	 * next call.
	 */
	size_t (*checks)(void *context, struct health_check *checks);
	/* Appends the components of /health. False: something is down. */
	bool (*components)(void *context, struct buffer *out);
	/*
	 * NULL, or of a process that is not there yet: the problem's code that all other requests
	 * are told, with 503.
	 */
	const char *(*away)(void *context);
	bool probes_only;       /* /readyz and /livez alone: for everybody to see */
	struct http_wire *wire; /* NULL, or where it is asked in place of sockets (http/wire.h): no place is opened */
};

/*
 * Opens the listeners, so that a port that is taken stops the start. All is borrowed. 0 or negative
 * errno, logged.
 */
int monitor_new(struct monitor **monitor, const struct listen_list *places, const struct metrics *metrics,
		const struct monitor_source *source) MUST_CHECK;
/* Whether its loop has run within that time. Any thread. */
bool monitor_alive(const struct monitor *monitor, int64_t within_ns);
int monitor_start(struct monitor *monitor) MUST_CHECK;
/*
 * No new requests; what is in flight is answered until then (monotonic ns). Waits for the end; may
 * be repeated.
 */
void monitor_stop(struct monitor *monitor, int64_t deadline_ns);
void monitor_free(struct monitor *monitor);           /* NULL is fine; stops it at once */
uint16_t monitor_port(const struct monitor *monitor); /* of the first listener, as it was bound */

/*
 * What every process of ours says of its health, in the shapes that load balancers, Kubernetes and
 * dashboards know: /readyz, with the checks by name for ?verbose, and /health as Spring Boot's
 * Actuator has it. Pure functions.
 */
#pragma once

#include "metrics/promises.h"
#include "text/buffer.h"

enum { HEALTH_CHECKS_MAX = 8 };
struct health_check {
	const char *name, *reason; /* reason NULL: well */
	bool needed;               /* not ready without it */
};

bool health_is_ready(const struct health_check *checks, size_t count);
/* The answer of /readyz. */
void health_render_ready(const struct health_check *checks, size_t count, bool verbose, struct buffer *out);

/*
 * A component of /health is begun, gets its details by json_write.h, and is ended. status: "UP",
 * "DOWN".
 */
void health_begin_component(struct buffer *out, const char *name, const char *status);
void health_end_component(struct buffer *out);
/* A whole component: a check and what kind of thing it looked at. */
void health_render_check(const struct health_check *check, const char *kind, struct buffer *out);
/* The component of the promises. False: one is broken. */
bool health_render_promises(const struct promises *promises, struct buffer *out);
/* The answer of /health. components: an object. */
void health_render(const char *status, struct slice components, struct buffer *out);

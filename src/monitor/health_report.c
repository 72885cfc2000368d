#include "monitor/health_report.h"

#include "text/json_write.h"

bool health_is_ready(const struct health_check *checks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (checks[i].reason && checks[i].needed)
			return false;
	return true;
}

void health_render_ready(const struct health_check *checks, size_t count, bool verbose, struct buffer *out)
{
	for (size_t i = 0; verbose && i < count; i++)
		buffer_printf(out, "[%s]%s %s\n", checks[i].reason ? "-" : "+", checks[i].name,
			      checks[i].reason ? checks[i].reason : "ok");
	buffer_append_text(out, health_is_ready(checks, count) ? "ready\n" : "not ready\n");
}

void health_begin_component(struct buffer *out, const char *name, const char *status)
{
	json_write_name(out, name);
	buffer_append_literal(out, "{");
	json_write_text(out, "status", slice_of(status));
	json_write_name(out, "details");
	buffer_append_literal(out, "{");
}

void health_end_component(struct buffer *out)
{
	buffer_append_literal(out, "}}");
}

void health_render_check(const struct health_check *check, const char *kind, struct buffer *out)
{
	health_begin_component(out, check->name, check->reason ? "DOWN" : "UP");
	json_write_text(out, "kind", slice_of(kind));
	if (check->reason)
		json_write_text(out, "reason", slice_of(check->reason));
	health_end_component(out);
}

bool health_render_promises(const struct promises *promises, struct buffer *out)
{
	bool whole = true;

	for (int i = 0; i < PROMISE_COUNT; i++)
		whole = whole && promises_broken(promises, (enum promise)i) == 0;
	health_begin_component(out, "promises", whole ? "UP" : "DOWN");
	for (int i = 0; i < PROMISE_COUNT; i++)
		json_write_int(out, promise_name((enum promise)i), (int64_t)promises_broken(promises, (enum promise)i));
	health_end_component(out);
	return whole;
}

void health_render(const char *status, struct slice components, struct buffer *out)
{
	buffer_append_literal(out, "{");
	json_write_text(out, "status", slice_of(status));
	json_write_name(out, "components");
	buffer_append_slice(out, components);
	buffer_append_literal(out, "}");
}

#include "gate/problem.h"

static const struct {
	int status;
	const char *code, *title, *detail;
} table[PROBLEM_COUNT] = {
#define PROBLEM(name, status, code, title, detail) [PROBLEM_##name] = {status, code, title, detail},
	PROBLEMS(PROBLEM)
#undef PROBLEM
};

int problem_status(enum problem problem)
{
	ASSERT(problem < PROBLEM_COUNT);
	return table[problem].status;
}

const char *problem_code(enum problem problem)
{
	ASSERT(problem < PROBLEM_COUNT);
	return table[problem].code;
}

void problem_render(enum problem problem, const char *detail, struct slice members, struct buffer *out)
{
	ASSERT(problem < PROBLEM_COUNT);
	buffer_append_literal(out, "{\"type\":\"urn:penstock:problem:");
	buffer_append_text(out, table[problem].code);
	buffer_append_literal(out, "\",\"title\":\"");
	buffer_append_text(out, table[problem].title);
	buffer_append_literal(out, "\",\"status\":");
	buffer_append_int(out, table[problem].status);
	buffer_append_literal(out, ",\"code\":\"");
	buffer_append_text(out, table[problem].code);
	buffer_append_literal(out, "\",\"detail\":");
	buffer_append_json_string(out, slice_of(detail ? detail : table[problem].detail));
	buffer_append_slice(out, members);
	buffer_append_literal(out, "}");
}

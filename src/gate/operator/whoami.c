/*
 * Whom a token belongs to and what it allows: for a page that offers what can be done, and no more.
 */
#include "gate/operator/routes.h"
#include "gate/thread.h"
#include "text/json_write.h"

void operator_whoami(struct gate_request *request)
{
	struct buffer *body = &request->thread->reply.body;
	const char *between = "";

	buffer_append_literal(body, "{");
	json_write_text(body, "name", slice_of(request->actor));
	buffer_append_literal(body, ",\"scopes\":[");
	for (unsigned scope = OPERATOR_READ; scope <= OPERATOR_ALL; scope <<= 1) {
		if (!(request->scopes & scope))
			continue;
		buffer_append_text(body, between);
		buffer_append_json_string(body, slice_of(operator_scope_name((enum operator_scope)scope)));
		between = ",";
	}
	buffer_append_literal(body, "]}");
	gate_answer(request, &request->thread->reply);
}

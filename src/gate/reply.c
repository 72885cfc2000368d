#include "gate/reply.h"

#include <stdarg.h>
#include <stdio.h>

void reply_init(struct reply *reply)
{
	buffer_init(&reply->headers, REPLY_HEADERS_MAX);
	buffer_init(&reply->body, REPLY_BODY_MAX);
	reply_clear(reply);
}

void reply_deinit(struct reply *reply)
{
	buffer_deinit(&reply->headers);
	buffer_deinit(&reply->body);
}

void reply_clear(struct reply *reply)
{
	reply->status = 200;
	reply->problem = PROBLEM_COUNT;
	reply->content_type = SLICE("application/json");
	buffer_clear(&reply->headers);
	buffer_clear(&reply->body);
	reply->page = SLICE_NULL;
}

void reply_header(struct reply *reply, const char *name, struct slice value)
{
	buffer_append_text(&reply->headers, name);
	buffer_append_literal(&reply->headers, ": ");
	buffer_append_slice(&reply->headers, value);
	buffer_append_literal(&reply->headers, "\r\n");
}

void reply_problem(struct reply *reply, enum problem problem, const struct problem_options *options)
{
	static const struct problem_options none;
	int64_t retry_after_ms;

	if (!options)
		options = &none;
	retry_after_ms = options->retry_after_ms;
	reply->status = problem_status(problem);
	reply->problem = problem;
	reply->content_type = SLICE("application/problem+json");
	reply->page = SLICE_NULL;
	buffer_clear(&reply->body);
	problem_render(problem, options->detail, options->members, &reply->body);
	if (retry_after_ms == 0 && reply->status == 503)
		retry_after_ms = 1000;
	if (retry_after_ms > 0) {
		buffer_append_literal(&reply->headers, "Retry-After: ");
		buffer_append_int(&reply->headers, (retry_after_ms + 999) / 1000);
		buffer_append_literal(&reply->headers, "\r\n");
	}
}

void reply_refuse(struct reply *reply, enum problem problem, const char *format, ...)
{
	char detail[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	reply_problem(reply, problem, &(struct problem_options){.detail = detail});
}

void reply_change_refused(struct reply *reply)
{
	reply_problem(reply, PROBLEM_JOURNAL_UNAVAILABLE,
		      &(struct problem_options){.detail = "The change could not be made durable. Nothing was done."});
}

void reply_change_unknown(struct reply *reply, enum reply_retry retry)
{
#define UNKNOWN "It cannot be said yet whether this was done. "
	static const char *const details[] = {
		[RETRY_CHANGES_NOTHING] = UNKNOWN "Send it again shortly: it is not done twice.",
		[RETRY_WITH_KEY] = UNKNOWN "Send it again with the same Idempotency-Key: it is not done twice.",
		[RETRY_AFTER_LOOK] = UNKNOWN "Read what is there before you send it again: without an Idempotency-Key it may be done "
					     "twice.",
		[RETRY_EXTENDS] = UNKNOWN "Read the order before you send it again: the seconds count from then, and move the hold "
					  "once more.",
		[RETRY_STATES] = UNKNOWN "Send it again shortly, unless somebody has moved the sale since: it would be moved back.",
	};
#undef UNKNOWN

	reply_problem(reply, PROBLEM_OUTCOME_UNKNOWN, &(struct problem_options){.detail = details[retry]});
}

void reply_bad_field(struct reply *reply, enum problem problem, const char *field, const char *format, ...)
{
	struct buffer members;
	char detail[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	buffer_init(&members, 1024);
	buffer_append_literal(&members, ",\"field\":");
	buffer_append_json_string(&members, slice_of(field));
	reply_problem(reply, problem, &(struct problem_options){.detail = detail, .members = buffer_slice(&members)});
	buffer_deinit(&members);
}

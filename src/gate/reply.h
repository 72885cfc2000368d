/*
 * An answer while it is made, and the handle that knows where it goes. Replies are made on any
 * thread; reply handles are answered on the loop's own.
 */
#pragma once

#include "gate/problem.h"
#include "gate/trace.h"
#include "http/loop.h"
#include "model/order.h"
#include "text/buffer.h"

enum { REPLY_BODY_MAX = 8 << 20, REPLY_HEADERS_MAX = 8192 };

struct reply {
	int status;
	enum problem problem; /* PROBLEM_COUNT: none */
	struct slice content_type;
	struct buffer headers; /* whole lines */
	struct buffer body;
	struct slice page; /* where it is set, it is the body: static storage, sent without a copy */
};

void reply_init(struct reply *reply);
void reply_deinit(struct reply *reply);
void reply_clear(struct reply *reply); /* 200, JSON, empty; keeps the memory */

struct problem_options {
	const char *detail;     /* NULL: the table's */
	struct slice members;   /* further JSON members, each beginning with a comma */
	int64_t retry_after_ms; /* 0: no Retry-After; else rounded up to seconds */
};
/*
 * Makes it a problem document. options may be NULL. Problems of 503 get a Retry-After of 1 s where
 * none is given (P5).
 */
void reply_problem(struct reply *reply, enum problem problem, const struct problem_options *options);
/* As reply_problem(), with a detail made by printf. */
void reply_refuse(struct reply *reply, enum problem problem, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What comes of a change that is sent again while its end is unknown. */
enum reply_retry {
	RETRY_CHANGES_NOTHING, /* what was done stays as it is: confirm, cancel */
	RETRY_WITH_KEY,        /* it had a key that is kept: it is not done twice */
	RETRY_AFTER_LOOK,      /* it had none, and may be done twice */
	RETRY_EXTENDS,         /* counts from when it is asked */
	RETRY_STATES,          /* says how it is to be, whoever has said otherwise since: pause, resume */
};
/*
 * What a repeated settlement does: each but an extension without a key finds what it wants done
 * already.
 */
static inline enum reply_retry reply_retry_of(enum order_action action, bool has_key)
{
	if (action != ORDER_EXTEND)
		return RETRY_CHANGES_NOTHING;
	return has_key ? RETRY_WITH_KEY : RETRY_EXTENDS;
}
/*
 * journal-unavailable, of a change that the journal has refused; outcome-unknown, of one whose end
 * it does not know.
 */
void reply_change_refused(struct reply *reply);
void reply_change_unknown(struct reply *reply, enum reply_retry retry);
/* invalid-value or unknown-field, with its "field" member. */
void reply_bad_field(struct reply *reply, enum problem problem, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* "Name: value" with its line end; the value must have no control characters. */
void reply_header(struct reply *reply, const char *name, struct slice value);

/* The thread that runs errands: blocking work on the ledger for threads that must not block (operators' requests, old orders). */
#pragma once

#include "core/message.h"

struct clerk;

/* `lane`: of struct message pointers that begin a struct errand; borrowed. 0 or -ENOMEM. */
int clerk_new(struct clerk **clerk, struct lane *lane) MUST_CHECK;
int clerk_start(struct clerk *clerk) MUST_CHECK;
/* Closes the lane, lets the thread finish what is in it, joins. May be repeated. */
void clerk_stop(struct clerk *clerk);
void clerk_free(struct clerk *clerk);

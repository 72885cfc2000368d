/*
 * The relay: follows the feed of what happened over the operator's HTTP, and posts each change,
 * those of a sale in their order. Its position is kept by the server, so the process owns nothing.
 */
#pragma once

#include <stdatomic.h>
#include "base/pause.h"
#include "base/thread.h"
#include "cli/client.h"
#include "cli/relay/lines.h"
#include "cli/relay/post.h"
#include "cli/relay/sign.h"

struct relay {
	const struct settings *settings;
	const char *name;
	struct client client;
	struct poster *poster;
	struct sign_key key;
	struct lines lines;
	int64_t version;        /* of the position, as the server has it */
	json_t *kept, *skipped; /* what was kept last; ids that an operator has given up */
	json_t *sent;           /* what was sent last to be kept: it may be there although no answer said so */
	int64_t fetch_due_ns, keep_due_ns;
	struct backoff server; /* of the server that does not answer */
	bool moved;            /* there is more to keep */
	struct pause rest;
	struct thread thread;
	atomic_bool lost;        /* it has ended by itself: logged */
	_Atomic int64_t turn_ns; /* of the loop's last turn */
	_Atomic int64_t delivered, refused, failing, standing, waiting;
};

/* The loop, until pause_end(&relay->rest). On its own thread. */
void relay_run(void *relay);

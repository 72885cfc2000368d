/*
 * The relay: follows the feed of what happened over the operator's HTTP, and posts each change,
 * those of a sale in their order. Its position is kept by the server, so the process owns nothing.
 * A replay sends again what was sent, and ends.
 */
#pragma once

#include <stdatomic.h>
#include "base/clock.h"
#include "base/pause.h"
#include "base/thread.h"
#include "cli/client.h"
#include "cli/relay/lines.h"
#include "cli/relay/post.h"
#include "cli/relay/sign.h"

enum { CURSOR_TEXT_MAX = 64 };

/* Where it starts that has no position yet, or that sends again; and where a replay ends. */
struct relay_start {
	char since[CLOCK_TEXT_SIZE]; /* changes of this time and later; "": from the beginning */
	const char *change;          /* with since: from the one of this id on; NULL: all of them */
	char until[CLOCK_TEXT_SIZE]; /* of a replay: changes before this time; "": until now */
	const char *last;            /* of a replay: up to the one of this id; NULL: until now */
	bool replay;                 /* up to what there is now, and its position stays as it is */
	bool json;                   /* what is printed is JSON */
};

struct relay {
	const struct settings *settings;
	const char *name;
	const struct relay_start *start;
	struct client client;
	struct poster *poster; /* NULL: changes are printed */
	struct sign_key key;
	struct lines lines;
	char next[CURSOR_TEXT_MAX + 1]; /* what the feed is asked for next: behind this one; "": from the start */
	bool begun;                     /* a change has come: the time to start from counts no more */
	bool sought;                    /* the change to start with was found, or none is looked for */
	bool caught_up;                 /* a replay has read all that it sends */
	int64_t version;                /* of the position, as the server has it */
	json_t *kept, *skipped;         /* what was kept last; ids that an operator has given up */
	json_t *unknown;                /* positions that were sent and had no answer: one of them may be there */
	bool settled; /* a position that it did not keep itself is another process's, not a predecessor's last */
	int64_t fetch_due_ns, keep_due_ns;
	struct backoff server; /* of the server that does not answer */
	bool moved;            /* there is more to keep */
	struct pause rest;
	struct thread thread;
	atomic_bool lost;        /* it has ended by itself: logged */
	atomic_bool done;        /* a replay has sent all */
	_Atomic int64_t turn_ns; /* of the loop's last turn */
	_Atomic int64_t delivered, refused, failing, standing, waiting;
};

/* The loop, until pause_end(&relay->rest). On its own thread. */
void relay_run(void *relay);

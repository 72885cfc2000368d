/*
 * Which of the events in a journal's lane make the next append, and when they go.
 *
 * Alone, an append takes what is there; a few wait for those who come back, for up to half of an
 * append's time. Beside one that is under way, another goes where there are enough for one of their
 * own: who would fill it does not wait for the first one's end, and a few do, for an append costs
 * the journal hardly less than a large one. Where the first ends meanwhile, those who are there are
 * taken as if there had been none.
 */
#pragma once

#include <stdbool.h>
#include "base/lock.h"
#include "port/journal.h"
#include "workers/queue_wait.h"

struct append_pace_settings {
	struct lane *lane;             /* borrowed, as the journal */
	const struct journal *journal; /* a few linger where it is a log; appends overlap where it takes two */
	size_t batch_max;
};

struct append_pace {
	struct append_pace_settings settings;
	struct lock taking;            /* of who takes from the lane: a lane has one consumer at a time */
	struct lock lock;              /* of what follows; nobody waits for anything while he has it */
	struct lock_condition crowded; /* a second append is worth while, or never will be */
	size_t expected;               /* of the last append, and those who were waiting when it ended: so many may come soon */
	int64_t append_ns;             /* what the last one took */
	unsigned under_way;            /* appends */
	bool behind;                   /* who takes from the lane does so behind an append: its end is news to him */
	bool stopping;
	struct queue_wait queue;
};

void append_pace_init(struct append_pace *pace, const struct append_pace_settings *settings);
void append_pace_deinit(struct append_pace *pace);
/*
 * Takes up to batch_max messages for an append, within a moment (IDLE_NS of append_pace.c) where
 * there are some. How many; 0: none, or it was woken. Each thread that appends.
 */
size_t append_pace_take(struct append_pace *pace, struct message **messages) MUST_CHECK;
/* An append begins, and ends: of so many, in such a time. */
void append_pace_begin(struct append_pace *pace);
void append_pace_end(struct append_pace *pace, size_t count, int64_t took_ns);
/* Waits until a second append is worth while. False: it was stopped. */
bool append_pace_wait_for_crowd(struct append_pace *pace);
/* Closes the lane, and ends waits. May be repeated. */
void append_pace_stop(struct append_pace *pace);

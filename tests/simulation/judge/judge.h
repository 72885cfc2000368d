/*
 * The judge of a world: it knows the promises (docs/architecture.md) and nothing of how they are
 * kept, and shares no code with the program but the form of ids. It is told what happens by
 * judge/history.h, and holds each thing against the promises when it is told, so that the first
 * breach is found at the step that made it. The world asks judge_breach() at each step: one load.
 *
 * Each assertion has a name that never changes, so that a plan can be made smaller while the same
 * one is broken (judge.c lists them).
 */
#pragma once

#include "simulation/judge/history.h"

struct judge_terms {
	int64_t wall_ms;    /* the world's wall clock when its time was 0 */
	bool shared;        /* several gates, one stock: what a gate knows of it may be `latch_ns` old */
	int64_t latch_ns;   /* 0: 100 ms; with drift on top, as the gate's own clock counts it */
	int64_t late_ms;    /* how late a hold may end where nothing goes wrong; 0: nobody can say */
	int64_t rest_ms;    /* how late a hold may be at the end of all; 0: nobody can say */
	bool ledger_stays;  /* nothing ever goes wrong with the ledger */
	uint32_t drift_ppm; /* how fast or slow a node's clock may go */
};

struct judge *judge_new(const struct judge_terms *terms);
void judge_free(struct judge *judge);

/* NULL, or the first breach: "NAME: what, with ids and times". Never another one after that. */
const char *judge_breach(const struct judge *judge);
/*
 * Whether history_rest() would find a hold of this sale that has not ended, if the stock has the
 * sale.
 */
bool judge_has_late_holds(const struct judge *judge, uint32_t sale);
/*
 * The world is over: holds the histories of the sales against a sale of one thread
 * (judge/linear.h), and what must be so when faults have been over for 60 s, where
 * history_rest() was told. As judge_breach().
 */
const char *judge_end(struct judge *judge);

/*
 * The past of the sales that sell, for the operators' pages: a point a second, for an hour. The
 * operators' thread makes the points and is the only one that reads them.
 *
 * Memory: 250 KB a sale, for the newest SALES_MAX of those that are counted by sale
 * (gate/sale_tally.h): at most 5 MB. The past of a sale that has ended stays until its room is
 * wanted. It is this process's alone, and begins anew with it.
 */
#pragma once

#include "gate/sale_metrics.h"

enum { HISTORY_POINTS = 3600, HISTORY_SALES = 20 };

/* What answers to purchases come to here, by their status. */
enum answer_class { ANSWER_ACCEPTED, ANSWER_REPLAYED, ANSWER_GONE, ANSWER_REFUSED, ANSWER_UNAVAILABLE, ANSWER_CLASSES };
extern const char *const sale_history_classes[ANSWER_CLASSES];

struct history_point {
	int64_t at_ms;                                 /* wall */
	uint32_t purchases[ANSWER_CLASSES];            /* since the point before */
	int64_t available, held, confirmed, withdrawn; /* units, over all lots */
};

/* The newest point's lots: of the same instant. */
struct history_now {
	uint32_t lot_count;
	struct stock_lot_state lots[LOTS_MAX];
};

struct sale_history;
int sale_history_new(struct sale_history **history, struct gate_thread *thread) MUST_CHECK;
void sale_history_free(struct sale_history *history); /* NULL is fine */
/* Makes the points that are due. Returns when it wants to be called next. */
int64_t sale_history_tick(struct sale_history *history, int64_t now_ns);
/*
 * How many points were ever made of this sale; 0: none. Those from sale_history_first() on are
 * there.
 */
uint64_t sale_history_end(const struct sale_history *history, uint32_t sale);
uint64_t sale_history_first(const struct sale_history *history, uint32_t sale);
/* The point of this number, which is there. */
const struct history_point *sale_history_at(const struct sale_history *history, uint32_t sale, uint64_t number);
/* Whether points of it are still made; else its newest is of when it ended. */
bool sale_history_goes_on(const struct sale_history *history, uint32_t sale);
/* Of a sale that has points. */
const struct history_now *sale_history_now(const struct sale_history *history, uint32_t sale);

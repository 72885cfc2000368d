/* Private to the gate: what the routes of sales and of their lots share. */
#pragma once

#include "gate/ledger_task.h"

/* The turn to change sales (workers/sale_turn.h). */
struct sale_control *operator_control_take(const struct ledger_task *task);
void operator_control_end(const struct ledger_task *task);
/* As ledger_task_repeats(), of an outcome of sale control. */
bool operator_control_repeats(struct ledger_task *task, int *r);
/* Says what a refusal or a failure of sale control means; id: the sale's. */
void operator_say_control(struct ledger_task *task, const char *id, int r);
/*
 * Times of a sale that cannot be meant; path: what the sale is called ("", "sales[2]."). True: it
 * was one of those.
 */
bool operator_say_times(struct reply *reply, const char *path, int r);
/* An item that is to be made. 0, or 1: refused, the reply says why. path: likewise. */
int operator_item_read(const json_t *body, const char *path, struct ledger_item *item, struct reply *reply) MUST_CHECK;
enum { ON_HAND_TEXT_SIZE = 256 };
/*
 * How many units the item has, and were wanted; on_hand below zero: it cannot be said. beside: as
 * of operator_say_on_hand().
 */
void operator_on_hand_text(char text[static ON_HAND_TEXT_SIZE], const char *sku, int64_t on_hand, const char *beside, int64_t wanted);
/*
 * An item that has fewer units than were wanted of it, and how many it has; beside: what those do
 * not count, " beside what…", or "".
 */
void operator_say_on_hand(struct ledger_task *task, const char *sku, const char *beside, int64_t wanted);
/* A sale as the gates see it; in_row: its state in the row that it was read from. */
void operator_sales_render(struct ledger_task *task, const struct sale *sale, enum sale_state in_row);
/* Answers with the sale as it is now, or with why it cannot be shown. */
void operator_sales_answer(struct ledger_task *task, const char *id);

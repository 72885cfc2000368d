/*
 * Whose turn it is to change sales. Sale control belongs to one thread at a time, for the whole of
 * an operation and across its I/O: the worker of operators' changes, or the sale keeper. It is had
 * by taking the turn alone, so that nobody forgets to wait for it.
 */
#pragma once

#include "core/sale_control.h"

struct sale_turn;

/* Takes `control` over where it returns 0; -ENOMEM. */
int sale_turn_new(struct sale_turn **turn, struct sale_control *control) MUST_CHECK;
void sale_turn_free(struct sale_turn *turn); /* NULL is fine; nobody has it any more */
/* Waits for its turn. The control is this thread's until it ends it. Threads that may block. */
struct sale_control *sale_turn_take(struct sale_turn *turn);
void sale_turn_end(struct sale_turn *turn);
/* sale_control_brake(), which waits for nobody. Any thread. */
int sale_turn_brake(const struct sale_turn *turn, uint32_t sale, bool stopped, const struct ledger_actor *actor) MUST_CHECK;

/* What the parts of order_control share. Private to them. */
#pragma once

#include "core/order_control.h"

/* What the journal's end of an event comes to. */
int order_control_outcome_of(enum journal_end end);
/*
 * The sale as it is now; 0 and *sale (the caller's), or negative; an order's sale is always there.
 */
int order_control_sale(const struct order_control *control, const struct ledger_order *order, struct sale **sale);
/* Who has changed it now, and why. */
void order_control_changed(struct ledger_order *order, int64_t at_ms, const struct ledger_actor *actor);
/*
 * Whether the ledger has the event's epoch still: the record lies before the barrier of any later
 * one.
 */
bool order_control_is_current(const struct order_control *control, const struct ledger_order *order, const struct event *event);

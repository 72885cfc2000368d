/*
 * The brake: an operator's stop, and its release. It goes to the stock first, which holds it for
 * every process from its next call on; the gates show it at once; the ledger is told when it can be
 * reached (sale_control_care()). Until then the stock's word counts, not the ledger's; a release
 * that is the stock's last word counts on against a row that has only stops which it answers
 * (model/sale_stops.h). It waits for no ledger and for no lock that anybody holds across I/O.
 */
#pragma once

#include "core/sale_catalog.h"
#include "port/ledger.h"
#include "port/stock.h"

/*
 * stops: of a release, how many the ledger has counted as far as is known. 0; STOCK_REPLAY: the
 * actor's request was done before, and nothing was done now; STOCK_UNAVAILABLE, STOCK_FULL,
 * STOCK_OUTCOME_UNKNOWN: others may sell on. A stop holds here whatever is returned, and reaches
 * the stock as soon as that can be reached.
 */
int brake_set(struct stock *stock, struct sale_catalog *catalog, uint32_t sale, bool stopped, uint32_t stops,
	      const struct ledger_actor *actor) MUST_CHECK;
/* Shows the gates what the stock knows by now. 0 or -ENOMEM. */
int brake_follow(struct stock *stock, struct sale_catalog *catalog, uint32_t sale) MUST_CHECK;
/*
 * Whether this process has known a change that was made for the request, and the stock has another
 * history since: one from before it, or one that has gone on without it.
 */
bool brake_has_lost(struct stock *stock, uint32_t sale, const struct uuid *request);
/* The state of a sale as the ledger has it, with what the stock knows. */
enum sale_state brake_state(struct stock *stock, const struct sale *sale);
/*
 * Whether the row that a sale was read from is of the state that it is shown in: the ledger has
 * heard of every stop, and the row is not from before that. What is shown with another state has
 * no version yet.
 */
bool brake_is_in_row(struct stock *stock, const struct sale *shown, enum sale_state in_row);
/*
 * Tells the ledger of each change that it has not been told of, in their order; of `sale` its
 * number, id and opening time are looked at. 0 or negative.
 */
int brake_write(struct stock *stock, struct ledger *ledger, const struct sale *sale) MUST_CHECK;

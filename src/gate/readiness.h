/*
 * Private to the gate: whether it sells. One rule for what buyers meet and for what /readyz says:
 * it is not ready while a purchase cannot come to anything but 503, by what is known of the parts,
 * or by what purchases have come to, whatever the cause.
 */
#pragma once

#include "gate/thread.h"
#include "monitor/health_report.h"

enum { READY_SERVING, READY_STOPPING, READY_STOCK, READY_JOURNAL, READY_SALES, READY_PURCHASES, READY_LEDGER, READY_CHECKS };

/*
 * A purchase came to this: a problem, OUTCOME_ACCEPTED or OUTCOME_REPLAYED. One that was turned
 * away because of those before it is not told of: a gate that has more to do than it can do is
 * well, and the others would have its part to do as well. Its thread.
 */
void readiness_note(struct gate_thread *thread, int outcome);
/* The reasons are static texts, or live as long as the gate. */
void readiness_look(struct gate_thread *thread, struct health_check checks[READY_CHECKS]);

/*
 * A start whose services are away. What waits for them is alive and not ready, says why, and tells everybody else to ask again: on the
 * gate's own listeners, until the gate takes them over.
 */
#pragma once

#include "config/settings.h"
#include "metrics/metrics.h"

enum waiting_service { WAITING_LEDGER, WAITING_JOURNAL, WAITING_STOCK };
struct waiting;

/* Opens the listeners and answers from here on. Borrowed: all. 0 or negative errno, logged. */
int waiting_begin(struct waiting **waiting, const struct settings *settings, const struct metrics *metrics) MUST_CHECK;
/* What is waited for now, and why: static text. Any thread. */
void waiting_for(struct waiting *waiting, enum waiting_service service, const char *why);
const char *waiting_service_name(enum waiting_service service);
/* Closes the listeners; NULL is fine. */
void waiting_end(struct waiting *waiting);

/* What comes behind the demonstration's rush: refunds, the report, the feed. */
#pragma once

#include "cli/client.h"

/*
 * Tells a payment of some paid orders, gives it back, and prints what became of the sale and the
 * last of what a shop hears. CLI_OK or the exit code.
 */
int demo_after(struct client *client, const char *sale) MUST_CHECK;

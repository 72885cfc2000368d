/*
 * What became of a sale: its orders by outcome, by lot and by minute, and the money. Made of its
 * orders as they are now, read page after page: the memory is that of a page and of the minutes.
 */
#pragma once

#include "cli/client.h"

/* The exit code. json: as JSON, for other programs. */
int sale_report(struct client *client, const char *sale, bool json) MUST_CHECK;

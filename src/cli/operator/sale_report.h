/*
 * What became of a sale: its orders by outcome, by lot and by minute, and the money. Made of its
 * orders as they are now, read page after page, and of the feed, which alone says where units went:
 * from the first of them that was ever changed until nothing of it is to come, and what lies before
 * a late refund is passed over. The memory is that of a page, of the minutes, and of
 * unseen_changes.
 */
#pragma once

#include "cli/client.h"

/* The exit code. json: as JSON, for other programs. */
int sale_report(struct client *client, const char *sale, bool json) MUST_CHECK;

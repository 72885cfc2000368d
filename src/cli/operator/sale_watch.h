/*
 * Follows a sale's events (Server-Sent Events) and prints one line for each, until the server ends
 * the stream.
 */
#pragma once

#include "cli/client.h"

/* json: the data of each event as it came. Exit code. */
int sale_watch(struct client *client, const char *path, bool json);

/*
 * Writes to SQLite's files, gathered: a VFS over another one, for the writer's handle.
 *
 * SQLite writes each page to its log by two calls, a header and the page, one behind the other, and
 * a checkpoint writes pages that often follow each other. Here a write that begins where the last
 * one ended waits beside it, and they go to the file below as one: when anything else is asked of
 * the file (a sync, a read, a lock, its size), when a write begins elsewhere, or when there is no
 * more room. So nobody who asks this handle can tell the difference.
 *
 * Other handles could. SQLite tells them of what was written (in its index, which is memory that
 * they share) only behind a sync of it, if and only if the connection has synchronous = FULL: the
 * writer's has.
 *
 * No more than a page of the kernel's cache waits: with larger writes the cache takes larger pages,
 * and then counts the whole of one as to be written for each part of it (bytes_an_order_64: 804 for
 * 687; what goes to the disk is the same), and they cost no less: 64 KiB were tried.
 *
 * A write of which the file below says that it failed may be one that was told as done. So the
 * handle has failed with it: each later write, sync and read says the same, and it writes nothing
 * more. What is waiting when it is closed was never synced, and is left out.
 */
#pragma once

#include <sqlite3.h>
#include "base/error.h"

enum { WRITE_GATHER_SIZE = 4096 };

struct write_gather {
	sqlite3_vfs vfs; /* first */
	char name[32];   /* what a connection opens with */
};

/*
 * Over the VFS of that name; NULL: the usual one. It must lie where it is until it is unregistered,
 * and no connection may have it then. 0 or negative.
 */
int write_gather_register(struct write_gather *gather, const char *below) MUST_CHECK;
/* May be repeated, and without having been registered (all zero). */
void write_gather_unregister(struct write_gather *gather);

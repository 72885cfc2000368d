/*
 * A disk that fails on demand: a SQLite VFS over the usual one. Once installed, every connection
 * opened by default goes through it. It counts the writes and syncs of the database and its log
 * (not of the shared-memory index), and fails the ones it was told to.
 */
#pragma once

enum fault {
	FAULT_NONE,
	FAULT_WRITE_FULL, /* the write fails with SQLITE_FULL, nothing is written */
	FAULT_WRITE_IO,   /* a part of it is written, then SQLITE_IOERR_WRITE */
	FAULT_SYNC,       /* SQLITE_IOERR_FSYNC; what was written stays readable */
};

void fault_vfs_install(void);
/* From the `at`-th write or sync from now on (1: the next), `count` of them fail. at 0: none. */
void fault_vfs_arm(enum fault fault, unsigned int at, unsigned int count);
/* That part: so many bytes, or all but the last where it has no more. Before it is set: half. */
void fault_vfs_write_first(int bytes);
/* Of the last write that failed so. */
int fault_vfs_failed_size(void);
/* Writes and syncs (of the armed kind) seen since then. */
unsigned int fault_vfs_seen(void);

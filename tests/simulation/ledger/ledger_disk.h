/*
 * The SQLite ledger on a disk in memory: the real adapter, without files of the kernel. An empty
 * ledger with all its migrations is made once a process, and copied for each that is asked for.
 */
#pragma once

#include "port/ledger.h"
#include "simulation/ledger/memory_disk.h"

#define LEDGER_DISK_PATH "/ledger.db"

/*
 * A disk with an empty ledger at LEDGER_DISK_PATH; 0.1 ms. To fork after the first is cheaper
 * still.
 */
struct memory_disk *ledger_disk_new(uint64_t seed);
/*
 * Opens it: LEDGER_OPEN_LEASE or LEDGER_OPEN_READ_ONLY. There is no lease file on such a disk: that
 * one process has it at a time is the caller's to see to. Whoever dies with it open leaves the disk
 * first (memory_disk_leave()), and its handle is not used again. As ledger_sqlite_open().
 */
int ledger_disk_open(struct ledger **ledger, struct memory_disk *disk, int flags) MUST_CHECK;

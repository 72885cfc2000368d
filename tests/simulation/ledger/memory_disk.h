/*
 * A disk in memory for SQLite: a VFS with files, locks and shared memory of its own, as much as a
 * database in WAL mode needs. It loses power on demand: what was written and not synced is then
 * there or not, by sectors, as the seed has it.
 *
 * A disk's calls are made by one thread at a time: by coroutines that yield outside of SQLite, or
 * under a lock. They never wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_disk;

/* Empty. Registers a VFS for it. Aborts where there is no memory, as all here does. */
struct memory_disk *memory_disk_new(uint64_t seed);
/* Every file is closed, or was left (memory_disk_leave()). */
void memory_disk_free(struct memory_disk *disk);
/* The name of its VFS; the disk's. */
const char *memory_disk_vfs(const struct memory_disk *disk);

/*
 * A file as programs see it: written, if not synced. NULL: there is none. Valid until the next
 * write to it.
 */
const void *memory_disk_file(const struct memory_disk *disk, const char *name, size_t *size);
/* Writes and syncs a whole file, which nobody has open; data NULL: removes it. */
void memory_disk_put(struct memory_disk *disk, const char *name, const void *data, size_t size);
/*
 * The same with data that stays as it is for as long as the disk: it is copied where somebody
 * writes to it.
 */
void memory_disk_lend(struct memory_disk *disk, const char *name, const void *data, size_t size);

/*
 * Whoever has files open is dead: their locks end, and what they still call fails. Files stay as
 * they were written.
 */
void memory_disk_leave(struct memory_disk *disk);

/*
 * The power fails within the `writes`-th write or sync from now on (1: the next): that call and all
 * behind it fail until memory_disk_power_on(). 0: it does not.
 */
void memory_disk_cut(struct memory_disk *disk, unsigned int writes);
/* Called within that write, so that whoever runs on this machine is let die at its next yield. */
void memory_disk_on_cut(struct memory_disk *disk, void (*told)(void *context), void *context);
/* Whether the power is off. */
bool memory_disk_is_off(const struct memory_disk *disk);
/*
 * Power is back, or fails and is back at once where it was on. Files are as they were synced, and
 * each sector that was written since is there or not. Those who had files open are dead.
 */
void memory_disk_power_on(struct memory_disk *disk);

/* Writes and syncs so far. */
uint64_t memory_disk_writes(const struct memory_disk *disk);

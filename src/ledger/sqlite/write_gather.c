#include "ledger/sqlite/write_gather.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Ours, and behind it the file of the VFS below. */
struct gathered_file {
	sqlite3_file base; /* first */
	sqlite3_file *below;
	sqlite3_int64 offset; /* here begins what waits: */
	int size;
	int failed; /* what a write came to; SQLITE_OK */
	bool gathers;
	unsigned char bytes[WRITE_GATHER_SIZE];
};

enum { ALIGNMENT = 16, OWN_SIZE = (sizeof(struct gathered_file) + ALIGNMENT - 1) & ~(ALIGNMENT - 1) };

static struct gathered_file *file_of(sqlite3_file *base)
{
	return (struct gathered_file *)base;
}

static int write_below(struct gathered_file *file, const void *data, int size, sqlite3_int64 offset)
{
	if (file->failed == SQLITE_OK)
		file->failed = file->below->pMethods->xWrite(file->below, data, size, offset);
	return file->failed;
}

/* What waits is written. Remembers a failure, which whoever cannot tell it may pass over. */
static int settle(struct gathered_file *file)
{
	int size = file->size;

	file->size = 0;
	return size > 0 ? write_below(file, file->bytes, size, file->offset) : file->failed;
}

/* --- A file --- */

/* Behind what waits, or as its beginning. */
static int file_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
	struct gathered_file *file = file_of(base);
	bool follows = file->size > 0 && offset == file->offset + file->size && size <= WRITE_GATHER_SIZE - file->size;

	if (!follows && settle(file) != SQLITE_OK)
		return file->failed;
	if (!file->gathers || size > WRITE_GATHER_SIZE)
		return write_below(file, data, size, offset);
	if (!follows)
		file->offset = offset;
	memcpy(file->bytes + file->size, data, (size_t)size);
	file->size += size;
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct gathered_file *file = file_of(base);

	return settle(file) != SQLITE_OK ? file->failed : file->below->pMethods->xSync(file->below, flags);
}

static int file_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
	struct gathered_file *file = file_of(base);

	return settle(file) != SQLITE_OK ? file->failed : file->below->pMethods->xRead(file->below, data, size, offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct gathered_file *file = file_of(base);

	return settle(file) != SQLITE_OK ? file->failed : file->below->pMethods->xTruncate(file->below, size);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct gathered_file *file = file_of(base);

	return settle(file) != SQLITE_OK ? file->failed : file->below->pMethods->xFileSize(file->below, size);
}

static int file_close(sqlite3_file *base)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xClose(file->below);
}

static int file_lock(sqlite3_file *base, int lock)
{
	struct gathered_file *file = file_of(base);

	(void)settle(file);
	return file->below->pMethods->xLock(file->below, lock);
}

static int file_unlock(sqlite3_file *base, int lock)
{
	struct gathered_file *file = file_of(base);

	(void)settle(file);
	return file->below->pMethods->xUnlock(file->below, lock);
}

static int file_reserved(sqlite3_file *base, int *reserved)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xCheckReservedLock(file->below, reserved);
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
	struct gathered_file *file = file_of(base);

	(void)settle(file);
	return file->below->pMethods->xFileControl(file->below, operation, argument);
}

static int file_sector(sqlite3_file *base)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xSectorSize(file->below);
}

static int file_device(sqlite3_file *base)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xDeviceCharacteristics(file->below);
}

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **map)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xShmMap(file->below, region, size, extend, map);
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
	struct gathered_file *file = file_of(base);

	(void)settle(file);
	return file->below->pMethods->xShmLock(file->below, offset, count, flags);
}

static void shm_barrier(sqlite3_file *base)
{
	struct gathered_file *file = file_of(base);

	(void)settle(file);
	file->below->pMethods->xShmBarrier(file->below);
}

static int shm_unmap(sqlite3_file *base, int remove)
{
	struct gathered_file *file = file_of(base);

	return file->below->pMethods->xShmUnmap(file->below, remove);
}

/* Of version 2: a file that is mapped is read past what waits. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_device,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* --- The VFS: what is not about an open file is asked of the one below, as itself --- */

static sqlite3_vfs *below_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

/* Of the files only the database and its log are written much. */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
	sqlite3_file *below = (sqlite3_file *)((char *)base + OWN_SIZE);
	int code = below_of(vfs)->xOpen(below_of(vfs), name, below, flags, flags_out);

	*file_of(base) = (struct gathered_file){
		.base.pMethods = below->pMethods ? &methods : NULL,
		.below = below,
		.gathers = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL),
	};
	return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	return below_of(vfs)->xDelete(below_of(vfs), name, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *there)
{
	return below_of(vfs)->xAccess(below_of(vfs), name, flags, there);
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int size, char *full)
{
	return below_of(vfs)->xFullPathname(below_of(vfs), name, size, full);
}

static int vfs_random(sqlite3_vfs *vfs, int size, char *bytes)
{
	return below_of(vfs)->xRandomness(below_of(vfs), size, bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	return below_of(vfs)->xSleep(below_of(vfs), us);
}

static int vfs_time(sqlite3_vfs *vfs, double *days)
{
	return below_of(vfs)->xCurrentTime(below_of(vfs), days);
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	return below_of(vfs)->xCurrentTimeInt64(below_of(vfs), ms);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *text)
{
	return below_of(vfs)->xGetLastError(below_of(vfs), size, text);
}

int write_gather_register(struct write_gather *gather, const char *name)
{
	sqlite3_vfs *below = sqlite3_vfs_find(name);

	if (!below || below->iVersion < 2)
		return error_origin(-ENOTSUP);
	snprintf(gather->name, sizeof(gather->name), "gather-%p", (void *)gather);
	gather->vfs = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = OWN_SIZE + below->szOsFile,
		.mxPathname = below->mxPathname,
		.zName = gather->name,
		.pAppData = below,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_name,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xCurrentTimeInt64 = vfs_time_ms,
		.xGetLastError = vfs_last_error,
	};
	return sqlite3_vfs_register(&gather->vfs, 0) == SQLITE_OK ? 0 : error_origin(-ENOMEM);
}

void write_gather_unregister(struct write_gather *gather)
{
	sqlite3_vfs_unregister(&gather->vfs);
}

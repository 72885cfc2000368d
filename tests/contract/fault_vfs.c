#include "contract/fault_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "base/error.h"

/* Our file, and behind it the real one's, which begins at the next 16 bytes. */
struct fault_file {
	sqlite3_file base; /* first */
	sqlite3_file *real;
};

static sqlite3_vfs vfs;
static enum fault armed;
static unsigned int seen, first_at, count_of;
static int written_first = -1, failed_size;

void fault_vfs_arm(enum fault fault, unsigned int at, unsigned int count)
{
	armed = fault;
	seen = 0;
	first_at = at;
	count_of = count;
}

void fault_vfs_write_first(int bytes)
{
	written_first = bytes;
}

int fault_vfs_failed_size(void)
{
	return failed_size;
}

unsigned int fault_vfs_seen(void)
{
	return seen;
}

static bool fails(void)
{
	seen++;
	return first_at && seen >= first_at && seen - first_at < count_of;
}

static sqlite3_file *real(sqlite3_file *file)
{
	return ((struct fault_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
	return real(file)->pMethods->xClose(real(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	return real(file)->pMethods->xRead(real(file), data, size, offset);
}

static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	if (armed == FAULT_WRITE_FULL && fails())
		return SQLITE_FULL;
	if (armed == FAULT_WRITE_IO && fails()) {
		int first = written_first < 0 ? size / 2 : written_first;

		failed_size = size;
		real(file)->pMethods->xWrite(real(file), data, first < size ? first : size - 1, offset);
		return SQLITE_IOERR_WRITE;
	}
	return real(file)->pMethods->xWrite(real(file), data, size, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	if (armed == FAULT_SYNC && fails())
		return SQLITE_IOERR_FSYNC;
	return real(file)->pMethods->xSync(real(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xLock(real(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xUnlock(real(file), lock);
}

static int file_reserved(sqlite3_file *file, int *reserved)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
	return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int file_sector(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int file_device(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **map)
{
	return real(file)->pMethods->xShmMap(real(file), page, size, extend, map);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
	real(file)->pMethods->xShmBarrier(real(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
	return real(file)->pMethods->xShmUnmap(real(file), remove);
}

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

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	struct fault_file *ours = (struct fault_file *)file;
	sqlite3_vfs *usual = self->pAppData;
	int result;

	ours->real = (sqlite3_file *)((char *)file + ((sizeof(*ours) + 15) & ~(size_t)15));
	result = usual->xOpen(usual, name, ours->real, flags, flags_out);
	ours->base.pMethods = ours->real->pMethods ? &methods : NULL;
	return result;
}

/*
 * SQLite asks for errno when it has come out of all its calls. By then one of its own may have set
 * it, which looks for a journal that is not there: from 3.46 on behind a failed sync, too.
 */
static int vfs_last_error(sqlite3_vfs *self, int size, char *text)
{
	sqlite3_vfs *usual = self->pAppData;

	return armed == FAULT_NONE ? usual->xGetLastError(usual, size, text) : ENOENT;
}

void fault_vfs_install(void)
{
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
	int result;

	ASSERT(usual != NULL);
	vfs = *usual;
	vfs.pNext = NULL;
	vfs.zName = "fault";
	vfs.pAppData = usual;
	vfs.szOsFile = (int)((sizeof(struct fault_file) + 15) & ~(size_t)15) + usual->szOsFile;
	vfs.xOpen = vfs_open;
	vfs.xGetLastError = vfs_last_error;
	result = sqlite3_vfs_register(&vfs, 1);
	ASSERT(result == SQLITE_OK);
}

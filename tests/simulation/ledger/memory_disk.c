/*
 * A file has two contents: what programs see, and what a power cut leaves, which a sync makes the
 * same. Only the first is there; of the second what was overwritten or cut off since the last sync.
 * Between them lies the list of what was written since, by range; at a cut each sector of it is
 * there or not. That a file was made or removed is durable at once, as SQLite syncs the folder
 * where it matters to it.
 *
 * Locks are counted by file, as the kernel's are by process: who is dead (an older generation of
 * the disk) has none. SQLite takes a lock that it cannot get as busy, and asks again after
 * xSleep(), which here is no time at all: with one thread at a time, nobody is waited for.
 */
#include "simulation/ledger/memory_disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"

enum {
	FILES_MAX = 8,
	NAME_MAX_SIZE = 64,
	SECTOR = 512,
	SHM_REGIONS_MAX = 64,
	SHM_LOCKS = 8,
	RANGE_GROWTH = 64,
};

struct range {
	size_t from, to;
};

struct content {
	unsigned char *bytes;
	size_t size, capacity; /* capacity 0, and bytes: they are another's, who keeps them */
};

/* What stood there at the last sync. */
struct former {
	struct range range;
	unsigned char *bytes;
};

struct disk_file {
	char name[NAME_MAX_SIZE]; /* empty: none */
	struct content seen;
	size_t durable_size;   /* at the last sync */
	struct former *former; /* since then, in this order */
	size_t former_count, former_capacity;
	struct range *unsynced;
	size_t unsynced_count, unsynced_capacity;
	unsigned int handles; /* of this generation */
	/* Of the database: how many share it, and who is to write, or has it alone. */
	unsigned int shared;
	const void *reserved, *exclusive;
	/* Of its index in shared memory. */
	unsigned char *regions[SHM_REGIONS_MAX];
	unsigned int shm_handles;
	unsigned int shm_shared[SHM_LOCKS];
	const void *shm_exclusive[SHM_LOCKS];
};

struct memory_disk {
	sqlite3_vfs vfs;
	char name[32];
	struct disk_file files[FILES_MAX];
	uint64_t generation, random, writes;
	unsigned int cut_in; /* writes; 0: never */
	bool off;
	void (*on_cut)(void *context);
	void *on_cut_context;
};

struct handle {
	sqlite3_file base; /* first */
	struct memory_disk *disk;
	struct disk_file *file;
	uint64_t generation;
	int lock; /* SQLITE_LOCK_* */
	bool remove_at_close, has_shm;
	bool shm_shared[SHM_LOCKS], shm_exclusive[SHM_LOCKS];
};

static void *must_have(void *memory)
{
	ASSERT(memory != NULL);
	return memory;
}

static uint64_t draw(struct memory_disk *disk)
{
	uint64_t x = disk->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* --- Contents --- */

/* So that it may be written to. */
static void make_room(struct content *content, size_t size)
{
	const unsigned char *borrowed = content->capacity == 0 ? content->bytes : NULL;
	size_t wanted = size > content->size ? size : content->size;

	if (wanted <= content->capacity)
		return;
	content->capacity = wanted > 2 * content->capacity ? wanted : 2 * content->capacity;
	content->bytes = must_have(realloc(borrowed ? NULL : content->bytes, content->capacity));
	if (borrowed)
		memcpy(content->bytes, borrowed, content->size);
}

static void resize(struct content *content, size_t size)
{
	make_room(content, size);
	if (size > content->size)
		memset(content->bytes + content->size, 0, size - content->size);
	content->size = size;
}

static void forget_content(struct content *content)
{
	if (content->capacity > 0)
		free(content->bytes);
	*content = (struct content){0};
}

static void copy_range(struct content *to, const struct content *from, size_t begin, size_t end)
{
	if (end > from->size)
		end = from->size;
	if (begin >= end)
		return;
	if (to->size < end)
		resize(to, end);
	memcpy(to->bytes + begin, from->bytes + begin, end - begin);
}

static void forget_former(struct disk_file *file)
{
	while (file->former_count > 0)
		free(file->former[--file->former_count].bytes);
}

/* This range is about to be another. */
static void keep_former(struct disk_file *file, size_t from, size_t to)
{
	size_t most = file->seen.size < file->durable_size ? file->seen.size : file->durable_size;
	struct former *former;

	to = to < most ? to : most;
	if (from >= to)
		return;
	if (file->former_count == file->former_capacity) {
		file->former_capacity += RANGE_GROWTH + file->former_capacity;
		file->former = must_have(realloc(file->former, file->former_capacity * sizeof(*file->former)));
	}
	former = &file->former[file->former_count++];
	*former = (struct former){{from, to}, must_have(malloc(to - from))};
	memcpy(former->bytes, file->seen.bytes + from, to - from);
}

static void note_unsynced(struct disk_file *file, size_t from, size_t to)
{
	struct range *last = file->unsynced_count ? &file->unsynced[file->unsynced_count - 1] : NULL;

	if (last && last->to == from) {
		last->to = to;
		return;
	}
	if (file->unsynced_count == file->unsynced_capacity) {
		file->unsynced_capacity += RANGE_GROWTH + file->unsynced_capacity;
		file->unsynced = must_have(realloc(file->unsynced, file->unsynced_capacity * sizeof(*file->unsynced)));
	}
	file->unsynced[file->unsynced_count++] = (struct range){from, to};
}

static void sync_file(struct disk_file *file)
{
	file->unsynced_count = 0;
	forget_former(file);
	file->durable_size = file->seen.size;
}

/* As it was at the last sync. */
static struct content durable_of(const struct disk_file *file)
{
	struct content durable = {0};

	resize(&durable, file->durable_size);
	copy_range(&durable, &file->seen, 0, file->durable_size);
	for (size_t i = file->former_count; i > 0; i--) {
		const struct former *former = &file->former[i - 1];

		memcpy(durable.bytes + former->range.from, former->bytes, former->range.to - former->range.from);
	}
	return durable;
}

static void lose_unsynced(struct memory_disk *disk, struct disk_file *file)
{
	struct content durable = durable_of(file);

	if (file->seen.size < durable.size && draw(disk) & 1)
		resize(&durable, file->seen.size);
	for (size_t i = 0; i < file->unsynced_count; i++) {
		size_t at = file->unsynced[i].from, end = file->unsynced[i].to, next;

		for (; at < end; at = next) {
			next = at - at % SECTOR + SECTOR;
			if (draw(disk) & 1)
				copy_range(&durable, &file->seen, at, next < end ? next : end);
		}
	}
	forget_content(&file->seen);
	file->seen = durable;
	sync_file(file);
}

static struct disk_file *find(const struct memory_disk *disk, const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (disk->files[i].name[0] && strcmp(disk->files[i].name, name) == 0)
			return (struct disk_file *)&disk->files[i];
	return NULL;
}

static struct disk_file *make(struct memory_disk *disk, const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *file = &disk->files[i];

		if (file->name[0] || file->handles)
			continue;
		ASSERT(strlen(name) < sizeof(file->name));
		strcpy(file->name, name);
		return file;
	}
	must_have(NULL);
	return NULL;
}

static void free_shm(struct disk_file *file)
{
	for (size_t i = 0; i < SHM_REGIONS_MAX && file->regions[i]; i++) {
		free(file->regions[i]);
		file->regions[i] = NULL;
	}
	file->shm_handles = 0;
	memset(file->shm_shared, 0, sizeof(file->shm_shared));
	memset(file->shm_exclusive, 0, sizeof(file->shm_exclusive));
}

static void remove_file(struct disk_file *file)
{
	unsigned int handles = file->handles;

	forget_content(&file->seen);
	forget_former(file);
	free(file->former);
	free(file->unsynced);
	free_shm(file);
	*file = (struct disk_file){.handles = handles};
}

/* --- The methods of an open file --- */

static struct handle *handle_of(sqlite3_file *file)
{
	return (struct handle *)file;
}

static bool dead(const struct handle *handle)
{
	return handle->disk->off || handle->generation != handle->disk->generation;
}

/* Whether the power fails within this write. */
static bool cut(struct memory_disk *disk)
{
	disk->writes++;
	if (disk->cut_in == 0 || --disk->cut_in > 0)
		return false;
	disk->off = true;
	if (disk->on_cut)
		disk->on_cut(disk->on_cut_context);
	return true;
}

static int file_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
	const struct handle *handle = handle_of(base);
	const struct content *content = &handle->file->seen;
	size_t at = (size_t)offset, there;

	if (dead(handle))
		return SQLITE_IOERR_READ;
	there = at >= content->size ? 0 : content->size - at;
	if (there >= (size_t)size) {
		memcpy(data, content->bytes + at, (size_t)size);
		return SQLITE_OK;
	}
	memset(data, 0, (size_t)size);
	if (there)
		memcpy(data, content->bytes + at, there);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
	struct handle *handle = handle_of(base);
	struct content *content = &handle->file->seen;
	size_t at = (size_t)offset, end = at + (size_t)size;

	if (dead(handle))
		return SQLITE_IOERR_WRITE;
	keep_former(handle->file, at, end);
	resize(content, end > content->size ? end : content->size);
	memcpy(content->bytes + at, data, (size_t)size);
	note_unsynced(handle->file, at, end);
	return cut(handle->disk) ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct handle *handle = handle_of(base);

	if (dead(handle))
		return SQLITE_IOERR_TRUNCATE;
	keep_former(handle->file, (size_t)size, handle->file->seen.size);
	resize(&handle->file->seen, (size_t)size);
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct handle *handle = handle_of(base);

	(void)flags;
	if (dead(handle) || cut(handle->disk))
		return SQLITE_IOERR_FSYNC;
	sync_file(handle->file);
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	const struct handle *handle = handle_of(base);

	if (dead(handle))
		return SQLITE_IOERR_FSTAT;
	*size = (sqlite3_int64)handle->file->seen.size;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int lock)
{
	struct handle *handle = handle_of(base);
	struct disk_file *file = handle->file;

	if (handle->generation != handle->disk->generation)
		return SQLITE_IOERR_LOCK;
	if (lock <= handle->lock)
		return SQLITE_OK;
	if (file->exclusive && file->exclusive != handle)
		return SQLITE_BUSY;
	if (lock >= SQLITE_LOCK_RESERVED && file->reserved && file->reserved != handle)
		return SQLITE_BUSY;
	if (lock == SQLITE_LOCK_EXCLUSIVE && file->shared > (handle->lock >= SQLITE_LOCK_SHARED))
		return SQLITE_BUSY;
	if (handle->lock == SQLITE_LOCK_NONE)
		file->shared++;
	if (lock >= SQLITE_LOCK_RESERVED)
		file->reserved = handle;
	if (lock == SQLITE_LOCK_EXCLUSIVE)
		file->exclusive = handle;
	handle->lock = lock;
	return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int lock)
{
	struct handle *handle = handle_of(base);
	struct disk_file *file = handle->file;

	if (handle->generation != handle->disk->generation || lock >= handle->lock)
		return SQLITE_OK;
	if (file->exclusive == handle)
		file->exclusive = NULL;
	if (file->reserved == handle)
		file->reserved = NULL;
	if (lock == SQLITE_LOCK_NONE)
		file->shared--;
	handle->lock = lock;
	return SQLITE_OK;
}

static int file_reserved(sqlite3_file *base, int *reserved)
{
	*reserved = handle_of(base)->file->reserved != NULL;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
	(void)base;
	(void)operation;
	(void)argument;
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
	(void)base;
	return SECTOR;
}

static int file_device(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
	struct handle *handle = handle_of(base);
	struct disk_file *file = handle->file;

	*out = NULL;
	if (handle->generation != handle->disk->generation || region >= SHM_REGIONS_MAX)
		return SQLITE_IOERR_SHMMAP;
	if (!handle->has_shm) {
		handle->has_shm = true;
		file->shm_handles++;
	}
	if (!file->regions[region] && extend)
		file->regions[region] = must_have(calloc(1, (size_t)size));
	*out = file->regions[region];
	return SQLITE_OK;
}

static int shm_unlock(struct handle *handle, int from, int to)
{
	for (int i = from; i < to; i++) {
		if (handle->shm_exclusive[i])
			handle->file->shm_exclusive[i] = NULL;
		if (handle->shm_shared[i])
			handle->file->shm_shared[i]--;
		handle->shm_exclusive[i] = handle->shm_shared[i] = false;
	}
	return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int from, int count, int flags)
{
	struct handle *handle = handle_of(base);
	struct disk_file *file = handle->file;
	bool shared = flags & SQLITE_SHM_SHARED;
	int to = from + count;

	if (handle->generation != handle->disk->generation)
		return flags & SQLITE_SHM_UNLOCK ? SQLITE_OK : SQLITE_IOERR_SHMLOCK;
	if (flags & SQLITE_SHM_UNLOCK)
		return shm_unlock(handle, from, to);
	for (int i = from; i < to; i++) {
		if (file->shm_exclusive[i] && file->shm_exclusive[i] != handle)
			return SQLITE_BUSY;
		if (!shared && file->shm_shared[i] > handle->shm_shared[i])
			return SQLITE_BUSY;
	}
	for (int i = from; i < to; i++) {
		if (shared && !handle->shm_shared[i])
			file->shm_shared[i]++;
		if (!shared)
			file->shm_exclusive[i] = handle;
		handle->shm_shared[i] |= shared;
		handle->shm_exclusive[i] |= !shared;
	}
	return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
	(void)base;
}

static int shm_unmap(sqlite3_file *base, int remove)
{
	struct handle *handle = handle_of(base);

	(void)remove;
	if (!handle->has_shm || handle->generation != handle->disk->generation)
		return SQLITE_OK;
	shm_unlock(handle, 0, SHM_LOCKS);
	handle->has_shm = false;
	if (--handle->file->shm_handles == 0)
		free_shm(handle->file);
	return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
	struct handle *handle = handle_of(base);

	if (handle->generation != handle->disk->generation)
		return SQLITE_OK;
	file_unlock(base, SQLITE_LOCK_NONE);
	shm_unmap(base, 0);
	handle->file->handles--;
	if (handle->remove_at_close)
		remove_file(handle->file);
	return SQLITE_OK;
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

/* --- The file system --- */

static struct memory_disk *disk_of(sqlite3_vfs *vfs)
{
	return (struct memory_disk *)vfs;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
	struct memory_disk *disk = disk_of(vfs);
	struct handle *handle = handle_of(base);
	struct disk_file *file;

	*handle = (struct handle){.disk = disk, .generation = disk->generation};
	if (disk->off)
		return SQLITE_CANTOPEN;
	file = name ? find(disk, name) : NULL;
	if (!file && !(flags & SQLITE_OPEN_CREATE))
		return SQLITE_CANTOPEN;
	if (!file)
		file = make(disk, name ? name : "temporary");
	handle->base.pMethods = &methods;
	handle->file = file;
	handle->remove_at_close = flags & SQLITE_OPEN_DELETEONCLOSE;
	file->handles++;
	if (flags_out)
		*flags_out = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	struct memory_disk *disk = disk_of(vfs);
	struct disk_file *file = find(disk, name);

	(void)sync;
	if (disk->off)
		return SQLITE_IOERR_DELETE;
	if (!file)
		return SQLITE_IOERR_DELETE_NOENT;
	remove_file(file);
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *there)
{
	struct memory_disk *disk = disk_of(vfs);

	(void)flags;
	if (disk->off)
		return SQLITE_IOERR_ACCESS;
	*there = find(disk, name) != NULL;
	return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int size, char *full)
{
	(void)vfs;
	return snprintf(full, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int size, char *bytes)
{
	for (int i = 0; i < size; i++)
		bytes[i] = (char)draw(disk_of(vfs));
	return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	enum { JULIAN_DAY_OF_1970_TWICE = 4881175 };

	(void)vfs;
	*ms = clock_wall_ms() + (sqlite3_int64)JULIAN_DAY_OF_1970_TWICE * 43200000;
	return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *days)
{
	sqlite3_int64 ms;

	(void)vfs_time_ms(vfs, &ms);
	*days = (double)ms / 86400000;
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs;
	(void)size;
	(void)text;
	return 0;
}

/* --- The disk --- */

struct memory_disk *memory_disk_new(uint64_t seed)
{
	static _Atomic unsigned int disks;
	struct memory_disk *disk = must_have(calloc(1, sizeof(*disk)));
	int result;

	disk->random = seed;
	disk->generation = 1;
	snprintf(disk->name, sizeof(disk->name), "memory-disk-%u", ++disks);
	disk->vfs = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct handle),
		.mxPathname = NAME_MAX_SIZE - 1,
		.zName = disk->name,
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
	result = sqlite3_vfs_register(&disk->vfs, 0);
	ASSERT(result == SQLITE_OK);
	return disk;
}

void memory_disk_free(struct memory_disk *disk)
{
	sqlite3_vfs_unregister(&disk->vfs);
	for (size_t i = 0; i < FILES_MAX; i++) {
		ASSERT(disk->files[i].handles == 0);
		remove_file(&disk->files[i]);
	}
	free(disk);
}

const char *memory_disk_vfs(const struct memory_disk *disk)
{
	return disk->name;
}

const void *memory_disk_file(const struct memory_disk *disk, const char *name, size_t *size)
{
	const struct disk_file *file = find(disk, name);

	*size = file ? file->seen.size : 0;
	return file ? file->seen.bytes : NULL;
}

void memory_disk_lend(struct memory_disk *disk, const char *name, const void *data, size_t size)
{
	struct disk_file *file = find(disk, name);

	if (file) {
		ASSERT(file->handles == 0);
		remove_file(file);
	}
	if (!data)
		return;
	file = make(disk, name);
	file->seen = (struct content){(unsigned char *)data, size, 0};
	sync_file(file);
}

void memory_disk_put(struct memory_disk *disk, const char *name, const void *data, size_t size)
{
	memory_disk_lend(disk, name, data, size);
	if (data)
		make_room(&find(disk, name)->seen, size);
}

void memory_disk_leave(struct memory_disk *disk)
{
	disk->generation++;
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *file = &disk->files[i];

		file->handles = file->shared = 0;
		file->reserved = file->exclusive = NULL;
		free_shm(file);
	}
}

void memory_disk_cut(struct memory_disk *disk, unsigned int writes)
{
	disk->cut_in = writes;
}

void memory_disk_on_cut(struct memory_disk *disk, void (*told)(void *context), void *context)
{
	disk->on_cut = told;
	disk->on_cut_context = context;
}

bool memory_disk_is_off(const struct memory_disk *disk)
{
	return disk->off;
}

void memory_disk_power_on(struct memory_disk *disk)
{
	memory_disk_leave(disk);
	disk->off = false;
	disk->cut_in = 0;
	for (size_t i = 0; i < FILES_MAX; i++)
		lose_unsynced(disk, &disk->files[i]);
}

uint64_t memory_disk_writes(const struct memory_disk *disk)
{
	return disk->writes;
}

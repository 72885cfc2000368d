/*
 * The ledger's files, watched while they are open.
 *
 * The problem. A file that is removed, moved away or replaced goes on living for whoever has it
 * open: commits succeed, everything looks well, and the next start finds another file or none.
 * Somebody's clean-up, a restore into the wrong folder or a second set-up does that.
 *
 * The model. What was opened is known by device and inode. After each commit (so before anything is
 * told), before a transaction that no look has just preceded, and once a second each path is asked
 * whether it still leads there: that of the database as SQLite resolved it and, where that is
 * another text, as it was given, for a link in it may have been turned; the write-ahead log (-wal),
 * which has the newest orders, its index (-shm), by which processes see each other's locks, and the
 * lease. Only stat() looks at them: closing any descriptor of a database drops the locks that
 * SQLite has on it. A look is three calls, which a lone order pays for, and a fourth now and then:
 * what is committed is in the database whoever has the lease, so that is looked at as often as
 * before a transaction.
 *
 * What comes of it. Nothing more is begun; what was committed last may be where nobody will look,
 * so its outcome is unknown. A handle that was closed is not opened again, for that would be
 * another file. Where the database or its log is gone, all that it has is in the open handle alone:
 * it is copied to a file beside it by SQLite's backup, which has its name only once it is whole;
 * tried again each minute. If the files come back to their place, it goes on.
 *
 * Not seen: a file whose contents are overwritten in place. That is damage, as a failing disk does
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "ledger/sqlite/sqlite_ledger.h"

static const int64_t LOOK_NS = 1000000000, SAVE_AGAIN_NS = 60 * LOOK_NS;
static const int64_t FRESH_NS = 10000000; /* what was seen this long ago is good enough to begin with */

/* False only where it is certain that the path does not lead to the file any more. */
static bool leads_to(const char *path, const struct file_identity *file)
{
	struct stat found;

	if (!file->known)
		return true;
	if (stat(path, &found) < 0)
		return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
	return found.st_dev == file->device && found.st_ino == file->inode;
}

static void identify(const char *path, struct file_identity *file)
{
	struct stat found;

	file->known = stat(path, &found) == 0;
	if (file->known) {
		file->device = found.st_dev;
		file->inode = found.st_ino;
	}
}

static enum watched_file look_at_lease(struct sqlite_ledger *ledger)
{
	struct file_watch *watch = &ledger->watch;
	bool is_lost = atomic_load(&watch->lost) == WATCHED_LEASE;

	if (!is_lost && clock_mono_ns() < watch->lease_looked_at_ns + FRESH_NS)
		return WATCHED_NONE;
	watch->lease_looked_at_ns = clock_mono_ns();
	return leads_to(watch->lease_path, &watch->lease) ? WATCHED_NONE : WATCHED_LEASE;
}

static enum watched_file find_lost(struct sqlite_ledger *ledger)
{
	const struct file_watch *watch = &ledger->watch;

	if (!leads_to(watch->resolved_path, &watch->database) || (watch->through_link && !leads_to(ledger->path, &watch->database)))
		return WATCHED_DATABASE;
	/* While the handle is closed another program that closes last may tidy these two up. */
	if (ledger->writer.connection.db && !leads_to(watch->log_path, &watch->log))
		return WATCHED_LOG;
	if (ledger->writer.connection.db && !leads_to(watch->index_path, &watch->index))
		return WATCHED_INDEX;
	return look_at_lease(ledger);
}

static const char *const reasons[] = {
	[WATCHED_NONE] = NULL,
	[WATCHED_DATABASE] = "the ledger's file was removed, moved or replaced",
	[WATCHED_LOG] = "the ledger's -wal file was removed or replaced",
	[WATCHED_INDEX] = "the ledger's -shm file was removed or replaced",
	[WATCHED_LEASE] = "the ledger's lease file was removed or replaced: another penstock could use the same ledger",
};

const char *sqlite_watch_reason(const struct sqlite_ledger *ledger)
{
	return reasons[atomic_load(&ledger->watch.lost)];
}

static void say(const struct sqlite_ledger *ledger, enum watched_file lost)
{
	if (lost == WATCHED_NONE) {
		log_warn("ledger", "the ledger's files are in their place again: it goes on", LOG_TEXT("path", ledger->path));
		return;
	}
	log_error("ledger", "NOTHING MORE IS ACCEPTED: the ledger's files are not those that were opened",
		  LOG_TEXT("reason", reasons[lost]), LOG_TEXT("path", ledger->path),
		  LOG_TEXT("what_to_do",
			   lost == WATCHED_LEASE || lost == WATCHED_INDEX
				   ? "see that no other penstock uses this ledger, and restart this one"
				   : "move the file back, and it goes on; or wait until it says where it has saved what it had, and do not end it before"));
}

bool sqlite_watch_lost(struct sqlite_ledger *ledger)
{
	enum watched_file lost = find_lost(ledger);

	if (atomic_exchange(&ledger->watch.lost, lost) != (int)lost) {
		say(ledger, lost);
		if (lost == WATCHED_NONE)
			ledger->watch.saved = false;
		ledger->watch.save_at_ns = 0;
	}
	ledger->watch.looked_at_ns = clock_mono_ns();
	return lost != WATCHED_NONE;
}

bool sqlite_watch_lost_lately(struct sqlite_ledger *ledger)
{
	const struct file_watch *watch = &ledger->watch;

	if (atomic_load(&watch->lost) == WATCHED_NONE && clock_mono_ns() < watch->looked_at_ns + FRESH_NS)
		return false;
	return sqlite_watch_lost(ledger);
}

/* --- Saving what the open handle has --- */

static int copy(struct sqlite_ledger *ledger, const char *path)
{
	sqlite3 *to = NULL;
	sqlite3_backup *backup;
	int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_exec(to, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
	if (code == SQLITE_OK) {
		backup = sqlite3_backup_init(to, "main", ledger->writer.connection.db, "main");
		code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
		sqlite3_backup_finish(backup);
	}
	sqlite3_close_v2(to);
	return code == SQLITE_DONE ? 0 : -EIO;
}

/* The copy is whole: it gets its name for good. */
static int name_copy(const char *unfinished, const char *path)
{
	char folder[4096];
	int fd, result;

	if (rename(unfinished, path) < 0)
		return -errno;
	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return result;
}

/*
 * "PATH.saved-2027-01-01T10:00:00.000Z", beside the ledger; nobody else's to read. Until it is
 * whole it is ".saving-": what has the name can be put in the ledger's place, whenever the server
 * ended.
 */
static int save(struct sqlite_ledger *ledger, char *path, size_t size)
{
	char time[CLOCK_TEXT_SIZE], unfinished[4096];
	int fd, result;

	clock_format(clock_wall_ms(), time);
	if (snprintf(path, size, "%s.saved-%s", ledger->path, time) >= (int)size ||
	    snprintf(unfinished, sizeof(unfinished), "%s.saving-%s", ledger->path, time) >= (int)sizeof(unfinished))
		return -ENAMETOOLONG;
	fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	result = ledger->writer.connection.db ? copy(ledger, unfinished) : -ENODATA;
	if (result == 0)
		result = name_copy(unfinished, path);
	if (result < 0)
		unlink(unfinished);
	return result;
}

static void save_lost(struct sqlite_ledger *ledger)
{
	struct file_watch *watch = &ledger->watch;
	int lost = atomic_load(&watch->lost), result;
	int64_t now_ns = clock_mono_ns();
	char path[4096];

	if ((lost != WATCHED_DATABASE && lost != WATCHED_LOG) || watch->saved || now_ns < watch->save_at_ns)
		return;
	result = save(ledger, path, sizeof(path));
	watch->saved = result == 0;
	watch->save_at_ns = now_ns + SAVE_AGAIN_NS;
	if (watch->saved)
		log_error("ledger",
			  "what the ledger had is saved: end this server, move that file to the ledger's place, and start it again",
			  LOG_TEXT("saved", path), LOG_TEXT("ledger", ledger->path));
	else
		log_error("ledger", "what the ledger had cannot be saved yet: it is tried again in a minute",
			  LOG_TEXT("saved", path), LOG_TEXT("error", error_text(result)));
}

/* --- The watch --- */

static void sqlite_watch_run(void *argument)
{
	struct sqlite_ledger *ledger = argument;

	while (!pause_ended(&ledger->watch.rest)) {
		sqlite_writer_lock(ledger);
		if (sqlite_watch_lost(ledger))
			save_lost(ledger);
		sqlite_writer_unlock(ledger);
		(void)pause_rest(&ledger->watch.rest, LOOK_NS);
	}
}

void sqlite_watch_reopened(struct sqlite_ledger *ledger)
{
	if (!ledger->watch.log_path)
		return; /* nothing is watched */
	identify(ledger->watch.log_path, &ledger->watch.log);
	identify(ledger->watch.index_path, &ledger->watch.index);
}

/*
 * Whether `path` says what SQLite made of it in full: no link, and no folder said in another way,
 * is between them.
 */
static bool is_same_text(const char *path, const char *resolved)
{
	char folder[4096];
	size_t length;

	if (path[0] == '/')
		return strcmp(path, resolved) == 0;
	if (!getcwd(folder, sizeof(folder)))
		return false;
	length = strlen(folder);
	return strncmp(resolved, folder, length) == 0 && resolved[length] == '/' && strcmp(resolved + length + 1, path) == 0;
}

int sqlite_watch_begin(struct sqlite_ledger *ledger)
{
	struct file_watch *watch = &ledger->watch;
	const char *resolved = sqlite3_db_filename(ledger->writer.connection.db, "main");
	struct stat lease;

	watch->resolved_path = strdup(resolved);
	if (!watch->resolved_path || asprintf(&watch->log_path, "%s-wal", resolved) < 0 ||
	    asprintf(&watch->index_path, "%s-shm", resolved) < 0 || asprintf(&watch->lease_path, "%s-lease", ledger->path) < 0)
		return error_origin(-ENOMEM);
	watch->through_link = !is_same_text(ledger->path, resolved);
	identify(ledger->path, &watch->database);
	if (ledger->lease_fd >= 0 && fstat(ledger->lease_fd, &lease) == 0)
		watch->lease = (struct file_identity){true, lease.st_dev, lease.st_ino};
	sqlite_watch_reopened(ledger);
	return thread_start(&watch->thread, "ledger-watch", sqlite_watch_run, ledger);
}

void sqlite_watch_end(struct sqlite_ledger *ledger)
{
	struct file_watch *watch = &ledger->watch;

	pause_end(&watch->rest);
	thread_join(&watch->thread);
	pause_deinit(&watch->rest);
	free(watch->resolved_path);
	free(watch->log_path);
	free(watch->index_path);
	free(watch->lease_path);
	*watch = (struct file_watch){0};
}

/*
 * Room in SQLite's write-ahead log (-wal) before it is needed.
 *
 * A file that grows makes the file system write its own journal at each sync: a commit of a lone
 * order waits 250 us for the disk in place of 150. The log has its room once it has been filled,
 * for after a checkpoint it is written again from its beginning, but whoever closes last removes
 * it: so it is the first orders after a start that would wait. They are written into zeros: room
 * that is only given by the file system has to be told from data, which is the file system's
 * journal again.
 *
 * Zeros behind its end are to SQLite what any garbage there is: no frame of the log. Under the lock
 * that writers have, nobody else's frames can be where they go. No lock of SQLite's is on this
 * file, so closing a descriptor of it drops none.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "ledger/sqlite/sqlite_ledger.h"

/*
 * By pages of the kernel's cache: with larger writes it would take larger ones, see write_gather.h.
 */
enum { BLOCK = 4096 };

static int fill(int fd, off_t from)
{
	static const char zeros[BLOCK];

	for (off_t at = from; at < SQLITE_LOG_ROOM; at += BLOCK - at % BLOCK)
		if (pwrite(fd, zeros, (size_t)(BLOCK - at % BLOCK), at) < 0)
			return -errno;
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* What a disk has left when it is not enough is left to who needs it. */
static int make_room(const char *log_path)
{
	int fd = open(log_path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat file;
	int result;

	if (fd < 0)
		return -errno;
	result = fstat(fd, &file) < 0 ? -errno : 0;
	if (result == 0 && file.st_size < SQLITE_LOG_ROOM) {
		result = fill(fd, file.st_size);
		if (result < 0 && ftruncate(fd, file.st_size) < 0)
			result = -errno;
	}
	close(fd);
	return result;
}

void sqlite_log_make_room(struct sqlite_ledger *ledger)
{
	struct sqlite_connection *connection = &ledger->writer.connection;
	int result = sqlite_connection_run(connection, "BEGIN IMMEDIATE");

	if (result == 0) {
		result = make_room(ledger->watch.log_path);
		if (sqlite_connection_run(connection, "ROLLBACK") < 0)
			result = -EIO;
	}
	if (result < 0)
		log_info("ledger", "the -wal file has no room beforehand: the first commits take longer",
			 LOG_TEXT("error", error_text(result)));
}

/*
 * Opening and closing the SQLite ledger, its lease, and the table of its calls. The design is told
 * in writer.c and apply.c.
 */
#include "ledger/sqlite/sqlite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "ledger/sqlite/sqlite_ledger.h"

/*
 * A lock on a file beside the database, never on the database: closing any descriptor of a file
 * drops the POSIX locks that SQLite holds on it. The file stays when the lease is given up:
 * removing it could take it from under somebody who has just locked it.
 */
static int take_lease(struct sqlite_ledger *ledger)
{
	char text[32];
	char *path;
	int fd, result = 0;

	if (asprintf(&path, "%s-lease", ledger->path) < 0)
		return error_origin(-ENOMEM);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		result = error_origin(-errno);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		result = errno == EWOULDBLOCK ? LEDGER_LEASE_HELD : error_origin(-errno);
	free(path);
	if (result != 0) {
		if (fd >= 0)
			close(fd);
		return result;
	}
	if (fchmod(fd, 0600) < 0)
		log_warn("ledger", "the lease file does not take its mode", LOG_TEXT("error", error_text(-errno)));
	/* Only for people who look who has it; the lock is what counts. */
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) < 0)
		log_warn("ledger", "the lease file does not take our process id");
	ledger->lease_fd = fd;
	return 0;
}

/*
 * Makes the file where there is none, so that nobody else can read it whatever the umask says;
 * SQLite gives its -wal and -shm the same mode. Under the lease and before SQLite has opened it:
 * closing a descriptor later would drop SQLite's locks. *made: it is new.
 */
static int make_file(const char *path, bool *made)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat file;
	int result = 0;

	*made = fd >= 0;
	if (fd >= 0) {
		result = fchmod(fd, 0600) < 0 ? error_origin(-errno) : 0;
		close(fd);
	} else if (stat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_mode & 077) {
		log_warn("ledger", "other users of this machine may open the ledger's file: chmod 600 it, and its -wal and -shm",
			 LOG_TEXT("path", path));
	}
	return result; /* what else is wrong SQLite says when it opens it */
}

static int open_own(struct sqlite_ledger *ledger)
{
	bool made;
	int result;

	result = write_gather_register(&ledger->gather, ledger->vfs);
	if (result == 0 && ledger->vfs)
		return sqlite_writer_open(ledger);
	if (result == 0)
		result = take_lease(ledger);
	if (result == 0)
		result = make_file(ledger->path, &made);
	if (result == 0)
		result = sqlite_writer_open(ledger);
	if (result == 0)
		result = sqlite_watch_begin(ledger);
	if (result == 0)
		sqlite_log_make_room(ledger);
	if (result == 0 && made)
		log_info("ledger", "there was no ledger: a new, empty one was made", LOG_TEXT("path", ledger->path));
	return result;
}

static int open_read_only(struct sqlite_ledger *ledger)
{
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	return result < 0 ? result : sqlite_reader_end(ledger, reader, sqlite_schema_check(&reader->connection));
}

static void ledger_free(struct ledger *base)
{
	struct sqlite_ledger *ledger;

	if (!base)
		return;
	ledger = sqlite_ledger_of(base);
	sqlite_watch_end(ledger);
	/*
	 * Readers first: the writer, closing last, moves the whole -wal into the database and
	 * removes it.
	 */
	reader_pool_deinit(&ledger->pool);
	sqlite_writer_deinit(ledger);
	write_gather_unregister(&ledger->gather);
	buyer_index_deinit(&ledger->buyers);
	if (ledger->lease_fd >= 0)
		close(ledger->lease_fd);
	free(ledger->path);
	free(ledger->vfs);
	free(ledger);
}

static const struct ledger_ops sqlite_ops = {
	.name = "sqlite",
	LEDGER_TRANSACTIONS,
	LEDGER_ADAPTER_TABLE(sqlite),
	.free = ledger_free,
};

/*
 * SQLite counts its memory under a lock that every connection of the process shares; nobody asks
 * for the figure.
 */
static void configure(void)
{
	if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
		log_debug("ledger", "SQLite was in use before the ledger: it goes on counting its memory");
}

int ledger_sqlite_open_on(struct ledger **out, const char *path, int flags, const char *vfs)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	struct sqlite_ledger *ledger;
	int result;

	pthread_once(&configured, configure);
	if (flags == LEDGER_OPEN_SHARED) {
		log_error("ledger", "a SQLite ledger is one process's alone: several need a PostgreSQL ledger");
		return -ENOTSUP;
	}
	if (flags != LEDGER_OPEN_LEASE && flags != LEDGER_OPEN_READ_ONLY)
		return error_origin(-EINVAL);
	ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return error_origin(-ENOMEM);
	ledger->base = (struct sql_ledger){{&sqlite_ops}, &sqlite_transaction_rows};
	ledger->read_only = flags == LEDGER_OPEN_READ_ONLY;
	ledger->lease_fd = -1;
	sqlite_readers_init(ledger);
	pause_init(&ledger->watch.rest);
	sqlite_writer_init(&ledger->writer);
	buyer_index_init(&ledger->buyers);
	ledger->path = strdup(path);
	ledger->vfs = vfs ? strdup(vfs) : NULL;
	if (!ledger->path || (vfs && !ledger->vfs)) {
		result = error_origin(-ENOMEM);
	} else if (ledger->read_only) {
		result = open_read_only(ledger);
	} else {
		result = open_own(ledger);
	}
	if (result != 0) {
		ledger_free(&ledger->base.base);
		return result;
	}
	*out = &ledger->base.base;
	return 0;
}

int ledger_sqlite_open(struct ledger **out, const char *path, int flags)
{
	return ledger_sqlite_open_on(out, path, flags, NULL);
}

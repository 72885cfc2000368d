/*
 * Writes that wait for those behind them: when they go to the file below, and what becomes of a
 * failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "base/log.h"
#include "contract/fault_vfs.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"
#include "ledger/sqlite/write_gather.h"

enum { HEADER = 24, PAGE = 1024, FRAME = HEADER + PAGE };

struct fixture {
	struct write_gather gather;
	struct sqlite_place *place;
	char path[256]; /* ends in more than one 0, as SQLite has it */
	sqlite3_file *file;
};

static void open_file(struct fixture *fixture)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(fixture->gather.name);
	int flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

	assert_non_null(vfs);
	fixture->file = calloc(1, (size_t)vfs->szOsFile);
	assert_non_null(fixture->file);
	assert_int_equal(vfs->xOpen(vfs, fixture->path, fixture->file, flags, &flags), SQLITE_OK);
}

static void close_file(struct fixture *fixture)
{
	if (fixture->file)
		fixture->file->pMethods->xClose(fixture->file);
	free(fixture->file);
	fixture->file = NULL;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = sqlite_place_new();
	snprintf(fixture->path, sizeof(fixture->path) - 2, "%s", fixture->place->path);
	assert_int_equal(write_gather_register(&fixture->gather, NULL), 0);
	open_file(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	fault_vfs_arm(FAULT_NONE, 0, 0);
	fault_vfs_write_first(-1);
	close_file(fixture);
	write_gather_unregister(&fixture->gather);
	assert_null(sqlite3_vfs_find(fixture->gather.name));
	sqlite_place_free(fixture->place);
	free(fixture);
	return 0;
}

static int write_at(struct fixture *fixture, char what, int size, sqlite3_int64 offset)
{
	static char bytes[2 * WRITE_GATHER_SIZE];

	memset(bytes, what, (size_t)size);
	return fixture->file->pMethods->xWrite(fixture->file, bytes, size, offset);
}

/* A frame of the log, from there on: as SQLite writes it. */
static void write_frame(struct fixture *fixture, char what, sqlite3_int64 offset)
{
	assert_int_equal(write_at(fixture, what, HEADER, offset), SQLITE_OK);
	assert_int_equal(write_at(fixture, what, PAGE, offset + HEADER), SQLITE_OK);
}

static int sync_file(struct fixture *fixture)
{
	return fixture->file->pMethods->xSync(fixture->file, SQLITE_SYNC_NORMAL);
}

static long long on_disk(const struct fixture *fixture)
{
	struct stat file;

	assert_int_equal(stat(fixture->path, &file), 0);
	return file.st_size;
}

static void count_writes(void)
{
	fault_vfs_arm(FAULT_WRITE_FULL, 0, 0);
}

static void assert_reads(struct fixture *fixture, char what, sqlite3_int64 offset)
{
	char byte = 0;

	assert_int_equal(fixture->file->pMethods->xRead(fixture->file, &byte, 1, offset), SQLITE_OK);
	assert_int_equal(byte, what);
}

static void test_frames_behind_each_other_are_one_write_at_the_sync(void **state)
{
	struct fixture *fixture = *state;

	count_writes();
	for (int i = 0; i < 3; i++)
		write_frame(fixture, (char)('a' + i), i * FRAME);
	assert_int_equal(on_disk(fixture), 0);
	assert_int_equal(sync_file(fixture), SQLITE_OK);
	assert_int_equal(fault_vfs_seen(), 1);
	assert_int_equal(on_disk(fixture), 3 * FRAME);
	for (int i = 0; i < 3; i++)
		assert_reads(fixture, (char)('a' + i), (i + 1) * FRAME - 1);
}

static void test_what_waits_is_read_and_counted_as_if_it_were_written(void **state)
{
	struct fixture *fixture = *state;
	sqlite3_int64 size;

	write_frame(fixture, 'a', 0);
	assert_reads(fixture, 'a', FRAME - 1);
	write_frame(fixture, 'b', FRAME);
	assert_int_equal(fixture->file->pMethods->xFileSize(fixture->file, &size), SQLITE_OK);
	assert_int_equal(size, 2 * FRAME);
	write_frame(fixture, 'c', 2 * FRAME);
	assert_int_equal(fixture->file->pMethods->xTruncate(fixture->file, FRAME), SQLITE_OK);
	assert_int_equal(on_disk(fixture), FRAME);
}

static void test_who_waits_for_a_lock_sees_what_was_written_before_it_was_given_up(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture->file->pMethods->xLock(fixture->file, SQLITE_LOCK_SHARED), SQLITE_OK);
	write_frame(fixture, 'a', 0);
	assert_int_equal(fixture->file->pMethods->xUnlock(fixture->file, SQLITE_LOCK_NONE), SQLITE_OK);
	assert_int_equal(on_disk(fixture), FRAME);
}

static void test_write_elsewhere_comes_behind_what_waits(void **state)
{
	struct fixture *fixture = *state;

	count_writes();
	write_frame(fixture, 'a', 0);
	write_frame(fixture, 'b', 10 * FRAME);
	assert_int_equal(fault_vfs_seen(), 1);
	assert_int_equal(write_at(fixture, 'c', PAGE, HEADER), SQLITE_OK); /* written again */
	assert_int_equal(sync_file(fixture), SQLITE_OK);
	assert_int_equal(fault_vfs_seen(), 3);
	assert_reads(fixture, 'a', 0);
	assert_reads(fixture, 'c', HEADER);
	assert_reads(fixture, 'b', 10 * FRAME);
}

static void test_no_more_waits_than_there_is_room_for(void **state)
{
	struct fixture *fixture = *state;

	count_writes();
	for (int i = 0; i < 8; i++)
		write_frame(fixture, (char)('a' + i), i * FRAME);
	assert_int_equal(fault_vfs_seen(), 2);
	assert_int_equal(write_at(fixture, 'z', WRITE_GATHER_SIZE + 1, 8 * FRAME), SQLITE_OK);
	assert_int_equal(on_disk(fixture), 8 * FRAME + WRITE_GATHER_SIZE + 1);
	for (int i = 0; i < 8; i++)
		assert_reads(fixture, (char)('a' + i), (i + 1) * FRAME - 1);
}

/* It was told that it was written: it must not be told so of what comes behind it. */
static void test_failed_write_fails_the_sync_and_all_that_follows(void **state)
{
	struct fixture *fixture = *state;
	char byte;

	write_frame(fixture, 'a', 0);
	assert_int_equal(sync_file(fixture), SQLITE_OK);
	write_frame(fixture, 'b', FRAME);
	fault_vfs_arm(FAULT_WRITE_FULL, 1, 1);
	assert_int_equal(sync_file(fixture), SQLITE_FULL);
	fault_vfs_arm(FAULT_NONE, 0, 0);
	assert_int_equal(sync_file(fixture), SQLITE_FULL);
	assert_int_equal(write_at(fixture, 'c', PAGE, FRAME), SQLITE_FULL);
	assert_int_equal(fixture->file->pMethods->xRead(fixture->file, &byte, 1, 0), SQLITE_FULL);
	close_file(fixture);
	assert_int_equal(on_disk(fixture), FRAME);
	open_file(fixture); /* another handle: as well as the disk */
	write_frame(fixture, 'd', FRAME);
	assert_int_equal(sync_file(fixture), SQLITE_OK);
	assert_reads(fixture, 'd', FRAME);
}

/* A lock cannot say that a write failed; the sync that must come says it. */
static void test_failure_that_nobody_was_told_of_is_told_at_the_sync(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture->file->pMethods->xLock(fixture->file, SQLITE_LOCK_SHARED), SQLITE_OK);
	write_frame(fixture, 'a', 0);
	fault_vfs_arm(FAULT_WRITE_IO, 1, 1);
	assert_int_equal(fixture->file->pMethods->xUnlock(fixture->file, SQLITE_LOCK_NONE), SQLITE_OK);
	assert_int_equal(fault_vfs_seen(), 1);
	assert_int_equal(sync_file(fixture), SQLITE_IOERR_WRITE);
}

/* A handle that is in doubt is closed, and must write nothing more. */
static void test_what_was_never_synced_is_left_out_when_it_is_closed(void **state)
{
	struct fixture *fixture = *state;

	write_frame(fixture, 'a', 0);
	close_file(fixture);
	assert_int_equal(on_disk(fixture), 0);
}

static void test_lone_order_is_one_write_and_one_sync(void **state)
{
	struct fixture *fixture = *state;
	struct ledger *ledger;
	struct event event;
	struct kit kit;

	close_file(fixture);
	assert_int_equal(remove(fixture->path), 0);
	assert_int_equal(ledger_sqlite_open(&ledger, fixture->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(&kit, ledger);
	event = kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	count_writes();
	event = kit_reserve(&kit, KIT_SHIRT, 1, "ben");
	assert_int_equal(fault_vfs_seen(), 1);
	fault_vfs_arm(FAULT_SYNC, 0, 0);
	event = kit_reserve(&kit, KIT_SHIRT, 1, "cid");
	assert_int_equal(fault_vfs_seen(), 1);
	(void)event;
	ledger->ops->free(ledger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames_behind_each_other_are_one_write_at_the_sync),
		TEST(test_what_waits_is_read_and_counted_as_if_it_were_written),
		TEST(test_who_waits_for_a_lock_sees_what_was_written_before_it_was_given_up),
		TEST(test_write_elsewhere_comes_behind_what_waits),
		TEST(test_no_more_waits_than_there_is_room_for),
		TEST(test_failed_write_fails_the_sync_and_all_that_follows),
		TEST(test_failure_that_nobody_was_told_of_is_told_at_the_sync),
		TEST(test_what_was_never_synced_is_left_out_when_it_is_closed),
		TEST(test_lone_order_is_one_write_and_one_sync),
	};

	log_set_level(LOG_OFF);
	fault_vfs_install();
	return cmocka_run_group_tests_name("ledger: sqlite write gather", tests, NULL, NULL);
}

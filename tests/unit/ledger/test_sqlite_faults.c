/*
 * A disk that fails, at every step of a commit: what the ledger says must be what it has, now and
 * after a restart, and it gets well by itself when the disk does. The disk is a VFS that fails on
 * demand; failpoints stand in where the failure must be between two of our own steps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <fcntl.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/fault_vfs.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

/* More, with keys of this length, than goes to the log by one write. */
enum { BATCH = 8, KEY_LENGTH = 128 };

struct fixture {
	struct sqlite_place *place;
	struct kit kit;
};

static void reopen(struct fixture *fixture)
{
	if (fixture->kit.ledger)
		fixture->kit.ledger->ops->free(fixture->kit.ledger);
	fixture->kit.ledger = NULL;
	assert_int_equal(ledger_sqlite_open(&fixture->kit.ledger, fixture->place->path, LEDGER_OPEN_LEASE), 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = sqlite_place_new();
	reopen(fixture);
	kit_stock(&fixture->kit, fixture->kit.ledger);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	failpoints_set("");
	fault_vfs_arm(FAULT_NONE, 0, 0);
	if (fixture->kit.ledger)
		fixture->kit.ledger->ops->free(fixture->kit.ledger);
	sqlite_place_free(fixture->place);
	free(fixture);
	return 0;
}

/* Whether the order is there. */
static bool is_there(struct kit *kit, const struct uuid *id)
{
	struct ledger_order order;
	int result = kit->ledger->ops->order_get(kit->ledger, id, &order);

	assert_true(result == LEDGER_DONE || result == LEDGER_NOT_FOUND);
	return result == LEDGER_DONE;
}

/*
 * What was said of each event must be what is there, after the fault has gone and after a restart.
 */
static void hold_against_truth(struct fixture *fixture, const struct ledger_entry *entries, size_t count, int result)
{
	struct kit *kit = &fixture->kit;

	fault_vfs_arm(FAULT_NONE, 0, 0);
	failpoints_set("");
	assert_int_equal(kit->ledger->ops->recover(kit->ledger), 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		for (size_t i = 0; i < count; i++) {
			bool there = is_there(kit, &entries[i].event->id);
			int outcome = entries[i].outcome;

			if (result == 0)
				assert_true(outcome >= 0);
			if (outcome == LEDGER_DONE || outcome == LEDGER_ALREADY)
				assert_true(there);
			else if (outcome != -EINPROGRESS)
				assert_false(there);
		}
		kit_assert_audit(kit);
		reopen(fixture);
	}
	/* Driven again, each has its one end. */
	for (size_t i = 0; i < count; i++) {
		bool there = is_there(kit, &entries[i].event->id);

		assert_int_equal(kit_apply(kit, entries[i].event), there ? LEDGER_ALREADY : LEDGER_DONE);
	}
	kit_assert_audit(kit);
}

static int apply_batch(struct kit *kit, struct event *events, struct ledger_entry *entries)
{
	static const char *const buyers[BATCH] = {"ann", "ben", "cid", "dan", "eve", "fay", "gus", "hal"};
	static char keys[BATCH][KEY_LENGTH];

	for (size_t i = 0; i < BATCH; i++) {
		events[i] = kit_reserved(kit, KIT_SHIRT, 1, buyers[i]);
		memset(keys[i], 'a' + (int)i, KEY_LENGTH);
		events[i].key = (struct slice){keys[i], KEY_LENGTH};
		entries[i] = (struct ledger_entry){&events[i], -EINPROGRESS};
	}
	return kit->ledger->ops->apply(kit->ledger, entries, BATCH);
}

/*
 * Fails the n-th operation of a batch, for n from 1 until a batch passes without meeting the fault.
 * Returns how many failed it.
 */
static unsigned int sweep(enum fault fault, unsigned int in_a_row)
{
	unsigned int failed = 0;

	for (unsigned int at = 1; at < 100; at++) {
		struct ledger_entry entries[BATCH];
		struct event events[BATCH];
		struct fixture *fixture;
		void *state;
		int result;

		set_up(&state);
		fixture = state;
		fault_vfs_arm(fault, at, in_a_row);
		result = apply_batch(&fixture->kit, events, entries);
		if (fault_vfs_seen() < at) {
			assert_int_equal(result, 0);
			tear_down(&state);
			return failed;
		}
		failed++;
		hold_against_truth(fixture, entries, BATCH, result);
		tear_down(&state);
	}
	fail_msg("no batch ever passed");
	return 0;
}

static void test_full_disk_at_every_write_of_a_commit(void **state)
{
	(void)state;
	assert_true(sweep(FAULT_WRITE_FULL, 1) >= 2);
	assert_true(sweep(FAULT_WRITE_FULL, 1000) >= 2);
}

static void test_io_error_at_every_write_of_a_commit(void **state)
{
	(void)state;
	assert_true(sweep(FAULT_WRITE_IO, 1) >= 2);
	assert_true(sweep(FAULT_WRITE_IO, 1000) >= 2);
}

/*
 * Frames of the log that go to it by one write: of the commit's there may be all, but not the last
 * whole.
 */
static void test_io_error_within_a_write_of_many_frames(void **state)
{
	enum { STEP = 300, MANY_FRAMES = 3000 };
	int largest = 0, first = 0;

	(void)state;
	do {
		fault_vfs_write_first(first);
		assert_true(sweep(FAULT_WRITE_IO, 1000) >= 2);
		if (largest < fault_vfs_failed_size())
			largest = fault_vfs_failed_size();
		first += STEP;
	} while (first < largest);
	fault_vfs_write_first(-1);
	assert_true(largest >= MANY_FRAMES);
}

static void test_io_error_at_the_sync_of_a_commit(void **state)
{
	(void)state;
	assert_true(sweep(FAULT_SYNC, 1) >= 1);
	assert_true(sweep(FAULT_SYNC, 2) >= 1);
	assert_true(sweep(FAULT_SYNC, 1000) >= 1);
}

/*
 * What a power cut would leave now: the files as they are, in a place of their own. By another
 * process, for SQLite's locks are ours.
 */
static struct sqlite_place *crash_image(const struct sqlite_place *place)
{
	struct sqlite_place *image = sqlite_place_new();
	char command[512];

	snprintf(command, sizeof(command), "cp %s %s && cp %s-wal %s-wal", place->path, image->path, place->path, image->path);
	assert_int_equal(system(command), 0);
	return image;
}

static void test_failed_sync_is_refused_for_good_while_another_process_reads(void **state)
{
	struct fixture *fixture = *state, after = {0};
	struct kit *kit = &fixture->kit;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	sqlite3_stmt *statement;
	sqlite3 *other;
	int result;

	/*
	 * It keeps the shared index alive, so that the failed frames are not looked at again before
	 * a crash.
	 */
	assert_int_equal(sqlite3_open_v2(fixture->place->path, &other, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(other, "SELECT count(*) FROM items", -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	sqlite3_reset(statement);
	fault_vfs_arm(FAULT_SYNC, 1, 1);
	result = apply_batch(kit, events, entries);
	fault_vfs_arm(FAULT_NONE, 0, 0);
	assert_int_equal(result, -EIO);
	after.place = crash_image(fixture->place);
	reopen(&after);
	for (size_t i = 0; i < BATCH; i++) {
		assert_int_equal(entries[i].outcome, -EIO);
		assert_false(is_there(&after.kit, &events[i].id));
	}
	after.kit.ledger->ops->free(after.kit.ledger);
	sqlite_place_free(after.place);
	sqlite3_finalize(statement);
	sqlite3_close(other);
	hold_against_truth(fixture, entries, BATCH, result);
}

static void test_failed_sync_is_done_only_when_the_database_itself_has_it(void **state)
{
	struct fixture *fixture = *state, after = {0};
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	char command[512];

	fault_vfs_arm(FAULT_SYNC, 1, 1);
	assert_int_equal(apply_batch(&fixture->kit, events, entries), 0);
	fault_vfs_arm(FAULT_NONE, 0, 0);
	/*
	 * The log's pages may never reach the disk after a failed sync: what was said to be done
	 * must be found without it.
	 */
	after.place = sqlite_place_new();
	snprintf(command, sizeof(command), "cp %s %s", fixture->place->path, after.place->path);
	assert_int_equal(system(command), 0);
	reopen(&after);
	for (size_t i = 0; i < BATCH; i++)
		assert_true(is_there(&after.kit, &events[i].id));
	after.kit.ledger->ops->free(after.kit.ledger);
	sqlite_place_free(after.place);
	hold_against_truth(fixture, entries, BATCH, 0);
}

static void test_failure_before_the_commit_changes_nothing(void **state)
{
	static const char *const points[] = {"ledger.begin=error:5", "ledger.insert=error:5@2", "ledger.before_commit=error:28",
					     "ledger.insert=error:12@1", "ledger.begin=error:16"};

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct ledger_entry entries[BATCH];
		struct event events[BATCH];
		struct fixture *fixture = *state;
		const char *reason;
		int result;

		failpoints_set(points[i]);
		result = apply_batch(&fixture->kit, events, entries);
		assert_true(result < 0);
		for (size_t j = 0; j < BATCH; j++)
			assert_int_equal(entries[j].outcome, result);
		assert_int_equal(fixture->kit.ledger->ops->health(fixture->kit.ledger, &reason), result);
		assert_non_null(reason);
		failpoints_set("");
		assert_int_equal(fixture->kit.ledger->ops->recover(fixture->kit.ledger), 0);
		assert_int_equal(fixture->kit.ledger->ops->health(fixture->kit.ledger, &reason), 0);
		for (size_t j = 0; j < BATCH; j++)
			assert_false(is_there(&fixture->kit, &events[j].id));
	}
}

static void test_commit_that_happened_is_found_to_have(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];

	failpoints_set("ledger.commit_unknown=error:5x1");
	assert_int_equal(apply_batch(&fixture->kit, events, entries), 0);
	hold_against_truth(fixture, entries, BATCH, 0);
}

static void test_commit_that_did_not_happen_is_found_not_to_have(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];

	failpoints_set("ledger.commit_lost=error:5x1");
	assert_int_equal(apply_batch(&fixture->kit, events, entries), -EIO);
	hold_against_truth(fixture, entries, BATCH, -EIO);
}

static void test_commit_stays_unknown_until_reopening_works(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	const char *reason;

	failpoints_set("ledger.commit_unknown=error:5x1,ledger.reopen=error:5");
	assert_int_equal(apply_batch(kit, events, entries), -EINPROGRESS);
	for (size_t i = 0; i < BATCH; i++)
		assert_int_equal(entries[i].outcome, -EINPROGRESS);
	assert_true(kit->ledger->ops->recover(kit->ledger) < 0);
	assert_true(kit->ledger->ops->health(kit->ledger, &reason) < 0);
	failpoints_set("");
	assert_int_equal(kit->ledger->ops->recover(kit->ledger), 0);
	for (size_t i = 0; i < BATCH; i++)
		assert_true(is_there(kit, &events[i].id));
}

static void test_operators_call_is_answered_truly_too(void **state)
{
	struct fixture *fixture = *state;
	struct ledger *ledger = fixture->kit.ledger;
	struct ledger_actor actor = kit_actor(&fixture->kit);
	struct uuid movement = kit_id(&fixture->kit);
	int64_t on_hand;

	failpoints_set("ledger.commit_lost=error:5x1");
	assert_int_equal(ledger->ops->item_receive(ledger, SLICE("SHOE"), 10, &movement, &actor, &on_hand), -EIO);
	kit_assert_item(&fixture->kit, "SHOE", KIT_ON_HAND - KIT_SHOES, KIT_SHOES);
	failpoints_set("ledger.commit_unknown=error:5x1");
	assert_int_equal(ledger->ops->item_receive(ledger, SLICE("SHOE"), 10, &movement, &actor, &on_hand), LEDGER_DONE);
	kit_assert_item(&fixture->kit, "SHOE", KIT_ON_HAND - KIT_SHOES + 10, KIT_SHOES);
	kit_assert_audit(&fixture->kit);
}

static void test_lock_of_another_process_is_busy_and_passes(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	const char *reason;
	sqlite3 *other;

	assert_int_equal(sqlite3_open(fixture->place->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(apply_batch(&fixture->kit, events, entries), -EBUSY);
	assert_int_equal(fixture->kit.ledger->ops->health(fixture->kit.ledger, &reason), -EBUSY);
	assert_string_equal(reason, "another process has locked the ledger");
	sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(other);
	assert_int_equal(fixture->kit.ledger->ops->apply(fixture->kit.ledger, entries, BATCH), 0);
	hold_against_truth(fixture, entries, BATCH, 0);
}

static void test_garbage_in_the_file_is_corrupt_and_told_so(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	struct ledger_item item;
	const char *reason;
	struct event event;
	char garbage[4096];
	int fd;

	kit->ledger->ops->free(kit->ledger);
	kit->ledger = NULL;
	memset(garbage, 0xa5, sizeof(garbage));
	fd = open(fixture->place->path, O_WRONLY);
	assert_true(fd >= 0);
	/*
	 * All but the first page, which has the schema's root: opening may work, using it must not.
	 */
	for (off_t at = sizeof(garbage); at < lseek(fd, 0, SEEK_END); at += (off_t)sizeof(garbage))
		assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
	close(fd);
	if (ledger_sqlite_open(&kit->ledger, fixture->place->path, LEDGER_OPEN_LEASE) == -EUCLEAN) {
		kit->ledger = NULL;
		return;
	}
	assert_non_null(kit->ledger);
	assert_int_equal(kit->ledger->ops->item_get(kit->ledger, SLICE("SHOE"), &item), -EUCLEAN);
	event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	assert_int_equal(kit_apply(kit, &event), -EUCLEAN);
	assert_int_equal(kit->ledger->ops->health(kit->ledger, &reason), -EUCLEAN);
	assert_string_equal(reason, "the ledger's file is corrupt");
}

/* A small disk of our own. NULL with a reason where we may not mount one. */
static struct sqlite_place *small_disk(const char *options)
{
	struct sqlite_place *place = sqlite_place_new();

	if (geteuid() == 0 && mount("tmpfs", place->folder, "tmpfs", 0, options) == 0)
		return place;
	print_message("skipped: mounting a small tmpfs needs root\n");
	sqlite_place_free(place);
	return NULL;
}

/* Until not even the smallest commit finds room. */
static void fill_log(struct kit *kit)
{
	struct ledger_actor actor = kit_actor(kit);

	do {
		while (kit->ledger->ops->log_append(kit->ledger, &actor, ACTION_LOG_LEVEL, SLICE("a"), SLICE("{}")) == LEDGER_DONE)
			;
	} while (kit->ledger->ops->recover(kit->ledger) == 0);
}

static void test_full_disk_refuses_and_gets_well_when_there_is_room(void **state)
{
	struct fixture fixture = {.place = small_disk("size=1m")};
	struct kit *kit = &fixture.kit;
	char filler[96 + 8], zeros[4096] = "";
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	const char *reason;
	int fd, result;

	(void)state;
	if (!fixture.place)
		skip();
	reopen(&fixture);
	kit_stock(kit, kit->ledger);
	snprintf(filler, sizeof(filler), "%s.fill", fixture.place->path);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
	fill_log(kit); /* what is free within its last block */

	result = apply_batch(kit, events, entries);
	assert_int_equal(result, -ENOSPC);
	for (size_t i = 0; i < BATCH; i++)
		assert_int_equal(entries[i].outcome, -ENOSPC);
	assert_int_equal(kit->ledger->ops->health(kit->ledger, &reason), -ENOSPC);
	assert_string_equal(reason, "the ledger's disk is full");
	assert_int_equal(kit->ledger->ops->recover(kit->ledger), -ENOSPC);
	kit_assert_audit(kit); /* reading goes on */

	assert_int_equal(unlink(filler), 0);
	hold_against_truth(&fixture, entries, BATCH, result);
	kit->ledger->ops->free(kit->ledger);
	umount(fixture.place->folder);
	sqlite_place_free(fixture.place);
}

static void test_read_only_disk_refuses_and_gets_well(void **state)
{
	struct fixture fixture = {.place = small_disk("size=8m")};
	struct kit *kit = &fixture.kit;
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	const char *reason;
	int result;

	(void)state;
	if (!fixture.place)
		skip();
	reopen(&fixture);
	kit_stock(kit, kit->ledger);
	kit->ledger->ops->free(kit->ledger);
	kit->ledger = NULL;
	/*
	 * Files that are open for writing keep a file system from turning read-only, so the ledger
	 * is opened on it.
	 */
	assert_int_equal(mount(NULL, fixture.place->folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(ledger_sqlite_open(&kit->ledger, fixture.place->path, LEDGER_OPEN_LEASE), -EROFS);
	kit->ledger = NULL;
	assert_int_equal(mount(NULL, fixture.place->folder, NULL, MS_REMOUNT, "size=8m"), 0);
	reopen(&fixture);
	failpoints_set("ledger.insert=error:30x1");
	result = apply_batch(kit, events, entries);
	assert_int_equal(result, -EROFS);
	assert_int_equal(kit->ledger->ops->health(kit->ledger, &reason), -EROFS);
	assert_string_equal(reason, "the ledger is read-only");
	hold_against_truth(&fixture, entries, BATCH, result);
	kit->ledger->ops->free(kit->ledger);
	umount(fixture.place->folder);
	sqlite_place_free(fixture.place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk_at_every_write_of_a_commit),
		cmocka_unit_test(test_io_error_at_every_write_of_a_commit),
		cmocka_unit_test(test_io_error_within_a_write_of_many_frames),
		cmocka_unit_test(test_io_error_at_the_sync_of_a_commit),
		TEST(test_failed_sync_is_refused_for_good_while_another_process_reads),
		TEST(test_failed_sync_is_done_only_when_the_database_itself_has_it),
		TEST(test_failure_before_the_commit_changes_nothing),
		TEST(test_commit_that_happened_is_found_to_have),
		TEST(test_commit_that_did_not_happen_is_found_not_to_have),
		TEST(test_commit_stays_unknown_until_reopening_works),
		TEST(test_operators_call_is_answered_truly_too),
		TEST(test_lock_of_another_process_is_busy_and_passes),
		TEST(test_garbage_in_the_file_is_corrupt_and_told_so),
		cmocka_unit_test(test_full_disk_refuses_and_gets_well_when_there_is_room),
		cmocka_unit_test(test_read_only_disk_refuses_and_gets_well),
	};

	log_set_level(LOG_OFF);
	fault_vfs_install();
	return cmocka_run_group_tests_name("ledger: sqlite faults", tests, NULL, NULL);
}

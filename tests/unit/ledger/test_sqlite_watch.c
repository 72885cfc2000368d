/* The ledger's files are taken away, or others put in their place, while they are open. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

static const int64_t PATIENCE_NS = 60000000000;

static int set_up(void **state)
{
	*state = sqlite_place_new();
	return 0;
}

static int tear_down(void **state)
{
	sqlite_place_free(*state);
	return 0;
}

static struct ledger *open_place(struct sqlite_place *place)
{
	struct ledger *ledger;

	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), 0);
	return ledger;
}

static const char *beside(const struct sqlite_place *place, const char *suffix)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s%s", place->path, suffix);
	return path;
}

/* Polls: the watch looks once a second. */
static void await_health(struct ledger *ledger, int expected, const char *text)
{
	int64_t until_ns = clock_mono_ns() + PATIENCE_NS;
	struct timespec pause = {.tv_nsec = 5000000};
	const char *reason = NULL;

	while (ledger->ops->health(ledger, &reason) != expected) {
		assert_true(clock_mono_ns() < until_ns);
		nanosleep(&pause, NULL);
	}
	if (text)
		assert_non_null(strstr(reason, text));
}

/* It is neither done nor refused. */
static void assert_unknown(struct kit *kit, const struct event *event)
{
	struct ledger_entry entry = {.event = event};

	assert_true(kit->ledger->ops->apply(kit->ledger, &entry, 1) < 0);
	assert_int_equal(entry.outcome, -EINPROGRESS);
}

static void assert_nothing_is_told(struct kit *kit, const char *buyer)
{
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, buyer);

	assert_unknown(kit, &event);
}

static void test_nothing_is_accepted_once_the_file_was_moved_away_and_it_goes_on_when_it_is_back(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct event before;
	struct kit kit;

	kit_stock(&kit, ledger);
	before = kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	assert_int_equal(rename(place->path, beside(place, ".away")), 0);
	await_health(ledger, -ESTALE, "removed, moved or replaced");
	assert_nothing_is_told(&kit, "ben");
	/* One that is driven again is in a file that no restart will find. */
	assert_unknown(&kit, &before);
	assert_int_equal(rename(beside(place, ".away"), place->path), 0);
	await_health(ledger, 0, NULL);
	kit_reserve(&kit, KIT_SHIRT, 1, "cleo");
	kit_assert_lot(&kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	ledger->ops->free(ledger);
}

static void put_another(const struct sqlite_place *place)
{
	int fd = open(beside(place, ".new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rename(beside(place, ".new"), place->path), 0);
}

static void test_a_file_that_was_moved_on_top_is_never_opened(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct stat file;
	struct kit kit;

	kit_stock(&kit, ledger);
	put_another(place);
	/* Without the watch's second. */
	assert_nothing_is_told(&kit, "ann");
	assert_nothing_is_told(&kit, "ben");
	await_health(ledger, -ESTALE, "replaced");
	ledger->ops->free(ledger);
	assert_int_equal(stat(place->path, &file), 0);
	assert_int_equal(file.st_size, 0);
}

static void test_each_of_the_files_beside_it_is_missed(void **state)
{
	static const struct {
		const char *suffix, *text;
	} files[] = {{"-wal", "-wal"}, {"-shm", "-shm"}, {"-lease", "lease"}};
	struct sqlite_place *place = *state;

	for (size_t i = 0; i < 3; i++) {
		struct ledger *ledger = open_place(place);

		assert_int_equal(rename(beside(place, files[i].suffix), beside(place, ".away")), 0);
		await_health(ledger, -ESTALE, files[i].text);
		assert_int_equal(rename(beside(place, ".away"), beside(place, files[i].suffix)), 0);
		await_health(ledger, 0, NULL);
		ledger->ops->free(ledger);
	}
}

static void turn_link(const struct sqlite_place *place, const char *to)
{
	assert_int_equal(symlink(to, beside(place, ".link.new")), 0);
	assert_int_equal(rename(beside(place, ".link.new"), beside(place, ".link")), 0);
}

/*
 * By its own path the file is where it was; who starts next comes to another one. And the other way
 * round.
 */
static void test_a_link_on_the_way_is_looked_at_as_well_as_what_it_leads_to(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger;
	struct kit kit;

	turn_link(place, place->path);
	assert_int_equal(ledger_sqlite_open(&ledger, beside(place, ".link"), LEDGER_OPEN_LEASE), 0);
	kit_stock(&kit, ledger);
	turn_link(place, beside(place, ".other"));
	assert_nothing_is_told(&kit, "ann");
	turn_link(place, place->path);
	await_health(ledger, 0, NULL);
	kit_reserve(&kit, KIT_SHIRT, 1, "ben");
	assert_int_equal(rename(place->path, beside(place, ".moved")), 0);
	turn_link(place, beside(place, ".moved"));
	assert_nothing_is_told(&kit, "cleo");
	assert_int_equal(rename(beside(place, ".moved"), place->path), 0);
	turn_link(place, place->path);
	await_health(ledger, 0, NULL);
	ledger->ops->free(ledger);
}

/* The name of the file in the place that has `text` in its name; empty: there is none. */
static void find_file(const struct sqlite_place *place, const char *text, char *path, size_t size)
{
	DIR *folder = opendir(place->folder);

	path[0] = '\0';
	assert_non_null(folder);
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
		if (strstr(entry->d_name, text))
			snprintf(path, size, "%s/%s", place->folder, entry->d_name);
	closedir(folder);
}

static void test_what_the_open_ledger_has_is_saved_when_its_file_is_removed(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	int64_t until_ns = clock_mono_ns() + PATIENCE_NS;
	struct timespec pause = {.tv_nsec = 5000000};
	struct event order;
	char saved[768], unfinished[768];
	struct stat found, file;
	struct kit kit;

	kit_stock(&kit, ledger);
	order = kit_reserve(&kit, KIT_SHIRT, 2, "ann");
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(unlink(beside(place, "-wal")), 0);
	do {
		assert_true(clock_mono_ns() < until_ns);
		nanosleep(&pause, NULL);
		find_file(place, ".saved-", saved, sizeof(saved));
	} while (!saved[0]);
	/* It has that name only since it is whole, so nobody takes the half of it. */
	assert_int_equal(stat(saved, &found), 0);
	ledger->ops->free(ledger); /* ends the watch */
	assert_int_equal(stat(saved, &file), 0);
	assert_true(found.st_size > 0 && found.st_size == file.st_size);
	find_file(place, ".saving-", unfinished, sizeof(unfinished));
	assert_string_equal(unfinished, "");
	assert_int_equal(file.st_mode & 0777, 0600);
	assert_int_equal(rename(saved, place->path), 0);
	kit.ledger = ledger = open_place(place);
	kit_assert_order(&kit, &order.id, ORDER_HELD);
	kit_assert_lot(&kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	kit_assert_audit(&kit);
	ledger->ops->free(ledger);
}

static void test_what_it_makes_is_nobody_elses_whatever_the_umask(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-lease"};
	static const mode_t umasks[] = {0, 0777};
	struct sqlite_place *place = *state;

	for (size_t u = 0; u < 2; u++) {
		mode_t before = umask(umasks[u]);
		struct ledger *ledger = open_place(place);
		struct stat file;

		umask(before);
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(stat(beside(place, suffixes[i]), &file), 0);
			assert_int_equal(file.st_mode & 0777, 0600);
		}
		ledger->ops->free(ledger);
		assert_int_equal(unlink(place->path), 0);
		assert_int_equal(unlink(beside(place, "-lease")), 0);
	}
}

static void test_a_ledger_that_is_there_keeps_its_mode(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct stat file;

	ledger->ops->free(ledger);
	assert_int_equal(chmod(place->path, 0640), 0);
	ledger = open_place(place);
	assert_int_equal(stat(place->path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0640);
	ledger->ops->free(ledger);
}

int main(void)
{
#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PLACED(test_nothing_is_accepted_once_the_file_was_moved_away_and_it_goes_on_when_it_is_back),
		PLACED(test_a_file_that_was_moved_on_top_is_never_opened),
		PLACED(test_each_of_the_files_beside_it_is_missed),
		PLACED(test_a_link_on_the_way_is_looked_at_as_well_as_what_it_leads_to),
		PLACED(test_what_the_open_ledger_has_is_saved_when_its_file_is_removed),
		PLACED(test_what_it_makes_is_nobody_elses_whatever_the_umask),
		PLACED(test_a_ledger_that_is_there_keeps_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

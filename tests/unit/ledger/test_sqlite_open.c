/* Opening: the lease, the migrations, what is refused; and readers beside the writer. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

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

static void test_lease_has_one_holder_at_a_time(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *first = open_place(place), *second;

	assert_int_equal(ledger_sqlite_open(&second, place->path, LEDGER_OPEN_LEASE), LEDGER_LEASE_HELD);
	first->ops->free(first);
	second = open_place(place);
	second->ops->free(second);
}

static void test_reading_needs_no_lease_and_writes_nothing(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *writer = open_place(place), *reader;
	struct ledger_item item = {.sku = "HAT", .name = "Hat"};
	struct ledger_audit audit;
	struct ledger_actor actor;
	struct event event;
	struct kit kit;

	kit_stock(&kit, writer);
	kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	actor = kit_actor(&kit);
	assert_int_equal(ledger_sqlite_open(&reader, place->path, LEDGER_OPEN_READ_ONLY), 0);
	assert_int_equal(reader->ops->audit(reader, &audit), 0);
	assert_int_equal(audit.orders, 1);
	assert_int_equal(reader->ops->item_create(reader, &item, &actor), -EROFS);
	event = kit_reserved(&kit, KIT_SHIRT, 1, "ben");
	kit.ledger = reader;
	assert_int_equal(kit_apply(&kit, &event), -EROFS);
	reader->ops->free(reader);
	writer->ops->free(writer);
	/*
	 * With nobody writing, the files beside the database are gone; reading works all the same.
	 */
	assert_int_equal(ledger_sqlite_open(&reader, place->path, LEDGER_OPEN_READ_ONLY), 0);
	assert_int_equal(reader->ops->audit(reader, &audit), 0);
	assert_int_equal(audit.orders, 1);
	reader->ops->free(reader);
}

static void test_opening_what_is_not_there_to_read_fails(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger;

	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_READ_ONLY), -ENOENT);
	assert_int_equal(access(place->path, F_OK), -1);
	assert_int_equal(ledger_sqlite_open(&ledger, "/nonexistent/folder/ledger.db", LEDGER_OPEN_LEASE), -ENOENT);
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, 0), -EINVAL);
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE | LEDGER_OPEN_READ_ONLY), -EINVAL);
}

static void test_newer_ledger_is_refused_and_left_alone(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);

	ledger->ops->free(ledger);
	sqlite_place_run(place, "INSERT INTO schema_migrations SELECT max(number) + 1, 'later', 'x', 0 FROM schema_migrations");
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), LEDGER_TOO_NEW);
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_READ_ONLY), LEDGER_TOO_NEW);
	/* The refusal has given the lease back. */
	sqlite_place_run(place, "DELETE FROM schema_migrations WHERE name = 'later'");
	ledger = open_place(place);
	ledger->ops->free(ledger);
}

static void test_ledger_of_other_migrations_is_refused(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);

	ledger->ops->free(ledger);
	sqlite_place_run(place, "UPDATE schema_migrations SET hash = 'other' WHERE number = 1");
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), -EUCLEAN);
}

static void test_file_that_is_no_ledger_is_refused_and_left_alone(void **state)
{
	static const char text[] =
		"This is not a database, but a letter of some length, kept here by mistake. It must not be overwritten.";
	struct sqlite_place *place = *state;
	struct ledger *ledger;
	char back[sizeof(text)] = "";
	int fd;

	sqlite_place_run(place, "CREATE TABLE recipes (name TEXT)");
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), -EUCLEAN);
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_READ_ONLY), -EUCLEAN);
	unlink(place->path);
	fd = open(place->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), -EUCLEAN);
	assert_int_equal(pread(fd, back, sizeof(back), 0), sizeof(back));
	assert_string_equal(back, text);
	close(fd);
}

/*
 * --- A ledger of the schema before: two sales, orders in every state, with and without a key ---
 */

/* Undoes the fourth migration. */
#define BACK_TO_THE_THIRD                                                                                                                     \
	"DROP TABLE relays; DROP TABLE payments; DROP TABLE sale_orders; DROP TABLE sale_orders_end;"                                         \
	"DELETE FROM movement_causes WHERE number > 10;"                                                                                      \
	"CREATE TABLE orders_by_sale (sale INTEGER NOT NULL, id BLOB NOT NULL, lot INTEGER NOT NULL, quantity INTEGER NOT NULL,"              \
	" state INTEGER NOT NULL, epoch INTEGER NOT NULL, buyer_units INTEGER NOT NULL, limit_per_buyer INTEGER NOT NULL,"                    \
	" placed_at_ms INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL, hold_expires_at_ms INTEGER, first_hold_expires_at_ms INTEGER,"       \
	" buyer TEXT NOT NULL, trace BLOB, key TEXT, price_minor INTEGER, reference TEXT, metadata TEXT, confirmed_at_ms INTEGER,"            \
	" PRIMARY KEY (sale, id)) STRICT, WITHOUT ROWID;"                                                                                     \
	"INSERT INTO orders_by_sale SELECT sale, id, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms," \
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace, key, price_minor, reference, metadata, confirmed_at_ms FROM orders;"    \
	"DROP TABLE orders; ALTER TABLE orders_by_sale RENAME TO orders;"                                                                     \
	"ALTER TABLE movements DROP COLUMN reason; ALTER TABLE movements DROP COLUMN left_units; ALTER TABLE movements DROP COLUMN refund;"   \
	"ALTER TABLE movements DROP COLUMN epoch; ALTER TABLE movements DROP COLUMN hold_expires_at_ms;"                                      \
	"ALTER TABLE sales DROP COLUMN stops; ALTER TABLE sales DROP COLUMN stops_answered; ALTER TABLE sales DROP COLUMN stop_requests;"     \
	"UPDATE commit_numbers SET schema = 3 WHERE one = 1;"                                                                                 \
	"DELETE FROM schema_migrations WHERE number > 3;"
/*
 * Undoes the third migration too: what an older program has left. Its rows are the new one's, in
 * the old tables.
 */
static const char back_to_the_second[] = BACK_TO_THE_THIRD
	"CREATE TABLE old_orders (id BLOB PRIMARY KEY, sale INTEGER NOT NULL, lot INTEGER NOT NULL, quantity INTEGER NOT NULL, state INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL, buyer_units INTEGER NOT NULL, limit_per_buyer INTEGER NOT NULL, placed_at_ms INTEGER NOT NULL,"
	" changed_at_ms INTEGER NOT NULL, hold_expires_at_ms INTEGER, first_hold_expires_at_ms INTEGER, buyer TEXT NOT NULL, trace TEXT)"
	" STRICT, WITHOUT ROWID;"
	"INSERT INTO old_orders SELECT id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms,"
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, CASE WHEN trace IS NOT NULL THEN lower(hex(substr(trace, 1, 1)) || '-' || hex(substr(trace, 2, 16)) || '-' ||"
	" hex(substr(trace, 18, 8)) || '-' || hex(substr(trace, 26))) END FROM orders;"
	"CREATE TABLE idempotency_keys (order_id BLOB PRIMARY KEY, key TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO idempotency_keys SELECT id, key FROM orders WHERE key IS NOT NULL;"
	"DROP TABLE orders; ALTER TABLE old_orders RENAME TO orders; DROP INDEX movements_by_sale;"
	"CREATE TABLE commits (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;"
	"INSERT INTO commits SELECT one, number FROM commit_numbers; DROP TABLE commit_numbers;"
	"ALTER TABLE journal DROP COLUMN partitions; DELETE FROM schema_migrations WHERE number > 2;"
	"ALTER TABLE sales DROP COLUMN scheduled;"
	"ALTER TABLE sales DROP COLUMN announced; ALTER TABLE sales DROP COLUMN opened;"
	"ALTER TABLE lots DROP COLUMN barrier_held; ALTER TABLE lots DROP COLUMN barrier_confirmed;"
	"ALTER TABLE lots DROP COLUMN barrier_withdrawn;"
	"ALTER TABLE lots DROP COLUMN armed_epoch; ALTER TABLE lots DROP COLUMN armed_held;"
	"ALTER TABLE lots DROP COLUMN armed_confirmed; ALTER TABLE lots DROP COLUMN armed_withdrawn;"
	"DELETE FROM sale_states WHERE number = 6;"
	"DROP TABLE operator_requests;"
	"DELETE FROM movement_causes WHERE number = 10;";

enum { OLD_ORDERS = 4 };

/*
 * The orders as they were, of the first sale but for the last; `back` makes the schema an older
 * one.
 */
static void make_old(struct sqlite_place *place, const char *back, struct ledger_order orders[static OLD_ORDERS])
{
	struct ledger *ledger = open_place(place);
	struct event events[OLD_ORDERS], settled;
	struct kit kit;

	kit_stock(&kit, ledger);
	events[0] = kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	events[1] = kit_reserve(&kit, KIT_SHOE, 2, "ben");
	settled = kit_settled(&kit, EVENT_CONFIRMED, &events[1]);
	assert_int_equal(kit_apply(&kit, &settled), LEDGER_DONE);
	events[2] = kit_reserved(&kit, KIT_SHIRT, 1, "cid");
	events[2].key = events[2].trace = SLICE_NULL;
	assert_int_equal(kit_apply(&kit, &events[2]), LEDGER_DONE);
	settled = kit_settled(&kit, EVENT_CANCELLED, &events[2]);
	assert_int_equal(kit_apply(&kit, &settled), LEDGER_DONE);
	events[3] = kit_reserved(&kit, 0, 1, "ann");
	kit_in_sale(&kit, &events[3], kit_big_sale(&kit, 10));
	assert_int_equal(kit_apply(&kit, &events[3]), LEDGER_DONE);
	for (size_t i = 0; i < OLD_ORDERS; i++)
		assert_int_equal(ledger->ops->order_get(ledger, &events[i].id, &orders[i]), LEDGER_DONE);
	ledger->ops->free(ledger);
	sqlite_place_run(place, back);
}

/* times: whether the older program kept when an order was confirmed. */
static void assert_brought_up_to_date(struct sqlite_place *place, const char *back, bool times)
{
	struct ledger_order before[OLD_ORDERS], after;
	struct ledger_audit audit;
	struct ledger *ledger;

	make_old(place, back, before);
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_READ_ONLY), -ENOTSUP);
	for (int opened = 0; opened < 2; opened++) {
		ledger = open_place(place);
		for (size_t i = 0; i < OLD_ORDERS; i++) {
			assert_int_equal(ledger->ops->order_get(ledger, &before[i].id, &after), LEDGER_DONE);
			before[i].confirmed_at_ms = times ? before[i].confirmed_at_ms : 0;
			before[i].actor_kind = ACTOR_UNSAID; /* it did not keep who */
			memset(before[i].actor, 0, sizeof(before[i].actor));
			assert_memory_equal(&after, &before[i], sizeof(after));
		}
		assert_int_equal(ledger->ops->audit(ledger, &audit), 0);
		assert_string_equal(audit.first, "");
		assert_int_equal(audit.orders, OLD_ORDERS);
		ledger->ops->free(ledger);
	}
}

static void test_ledger_of_the_schema_before_is_brought_up_to_date(void **state)
{
	assert_brought_up_to_date(*state, BACK_TO_THE_THIRD, true);
}

static void test_ledger_of_two_schemas_before_is_brought_up_to_date(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger;
	struct sale *sale;

	assert_brought_up_to_date(place, back_to_the_second, false);
	/* The clock armed every draft that had a time: it still does. */
	ledger = open_place(place);
	assert_int_equal(ledger->ops->sale_get(ledger, 0, SLICE("drop"), &sale), LEDGER_DONE);
	assert_true(sale->opens_at_ms != SALE_NO_TIME);
	assert_true(sale->scheduled);
	free(sale);
	assert_int_equal(ledger->ops->sale_get(ledger, 0, SLICE("big"), &sale), LEDGER_DONE);
	assert_int_equal(sale->scheduled, sale->opens_at_ms != SALE_NO_TIME);
	free(sale);
	ledger->ops->free(ledger);
}

static void test_migration_without_the_space_it_needs_is_not_begun(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger_order before[OLD_ORDERS];
	struct ledger *ledger;

	make_old(place, back_to_the_second, before);
	failpoints_set("ledger.migrate_no_space=on");
	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), -ENOSPC);
	failpoints_set("");
	sqlite_place_run(place, "SELECT key FROM idempotency_keys"); /* all as it was */
	ledger = open_place(place);
	ledger->ops->free(ledger);
}

static void test_writer_of_an_older_schema_is_refused_in_its_next_transaction(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct event event;
	struct kit kit;

	kit_stock(&kit, ledger);
	kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	event = kit_reserved(&kit, KIT_SHIRT, 1, "ben");
	sqlite_place_run(place, "UPDATE commit_numbers SET schema = schema + 1"); /* a newer program, past the lease */
	assert_int_equal(kit_apply(&kit, &event), -EBUSY);
	sqlite_place_run(place, "UPDATE commit_numbers SET schema = schema - 1");
	assert_int_equal(kit_apply(&kit, &event), LEDGER_DONE); /* nothing of the refused one is there */
	kit_assert_audit(&kit);
	ledger->ops->free(ledger);
}

/* --- What a commit writes --- */

static int64_t read_number(const char *path, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	int64_t number;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

/*
 * Its movement's number tells whether its commit is there: a row that every commit raises is a page
 * more for each.
 */
static void test_purchase_raises_no_number_of_commits(void **state)
{
	static const char commits[] = "SELECT number FROM commit_numbers";
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct ledger_actor actor;
	int64_t before;
	struct kit kit;

	kit_stock(&kit, ledger);
	before = read_number(place->path, commits);
	kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	assert_int_equal(read_number(place->path, commits), before);
	actor = kit_actor(&kit);
	assert_int_equal(ledger->ops->log_append(ledger, &actor, ACTION_LOG_LEVEL, SLICE("a"), SLICE("{}")), LEDGER_DONE); /* moves nothing */
	assert_int_equal(read_number(place->path, commits), before + 1);
	ledger->ops->free(ledger);
}

static void test_new_file_has_small_pages_and_an_old_one_keeps_its_own(void **state)
{
	struct sqlite_place *place = *state;
	struct ledger *ledger = open_place(place);
	struct kit kit;

	ledger->ops->free(ledger);
	assert_int_equal(read_number(place->path, "PRAGMA page_size"), 1024);
	sqlite_place_run(place, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM");
	ledger = open_place(place);
	kit_stock(&kit, ledger);
	kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	kit_assert_audit(&kit);
	ledger->ops->free(ledger);
	assert_int_equal(read_number(place->path, "PRAGMA page_size"), 4096);
}

/* docs/operations.md has the command. */
static void test_old_file_gets_small_pages_by_a_copy(void **state)
{
	struct sqlite_place *place = *state;
	char copy[sizeof(place->path) + 8], sql[sizeof(copy) + 64];
	struct ledger *ledger = open_place(place);
	struct event event;
	struct kit kit;

	kit_stock(&kit, ledger);
	event = kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	ledger->ops->free(ledger);
	sqlite_place_run(place, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM; PRAGMA journal_mode = WAL");
	snprintf(copy, sizeof(copy), "%s.copy", place->path);
	snprintf(sql, sizeof(sql), "PRAGMA page_size = 1024; VACUUM INTO '%s'", copy);
	sqlite_place_run(place, sql);
	assert_int_equal(rename(copy, place->path), 0);
	kit.ledger = open_place(place);
	assert_int_equal(read_number(place->path, "PRAGMA page_size"), 1024);
	kit_assert_order(&kit, &event.id, ORDER_HELD);
	kit_assert_audit(&kit);
	kit_reserve(&kit, KIT_SHIRT, 1, "ben");
	kit.ledger->ops->free(kit.ledger);
}

/* --- Readers beside the writer --- */

enum { READING_THREADS = 6, BATCHES = 60, BATCH = 16 };

struct reading {
	struct ledger *ledger;
	_Atomic bool stop;
	_Atomic int faults;
	_Atomic int rounds;
};

static void *read_on(void *argument)
{
	struct reading *reading = argument;
	struct ledger_order_filter filter = {0};
	struct ledger_order orders[32];
	struct ledger_audit audit;
	size_t count;

	while (!atomic_load(&reading->stop)) {
		if (reading->ledger->ops->audit(reading->ledger, &audit) != 0 || audit.first[0])
			atomic_fetch_add(&reading->faults, 1);
		if (audit.orders % BATCH != 0) /* half a batch was seen */
			atomic_fetch_add(&reading->faults, 1);
		if (reading->ledger->ops->orders(reading->ledger, &filter, orders, 32, &count) != 0)
			atomic_fetch_add(&reading->faults, 1);
		atomic_fetch_add(&reading->rounds, 1);
	}
	return NULL;
}

static void test_readers_see_whole_batches_while_the_writer_works(void **state)
{
	struct ledger *ledger = open_place(*state);
	struct reading reading = {.ledger = ledger};
	pthread_t threads[READING_THREADS];
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	char buyers[BATCH][32];
	struct ledger_actor actor;
	struct uuid movement;
	int64_t on_hand;
	struct kit kit;

	kit_stock(&kit, ledger);
	actor = kit_actor(&kit);
	movement = kit_id(&kit);
	assert_int_equal(ledger->ops->item_receive(ledger, SLICE("SHIRT"), BATCH * BATCHES, &movement, &actor, &on_hand), 0);
	movement = kit_id(&kit);
	assert_int_equal(ledger->ops->lot_add(ledger, kit.sale, KIT_SHIRT, BATCH * BATCHES, &movement, &actor), 0);
	for (size_t i = 0; i < READING_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &reading), 0);
	for (size_t batch = 0; batch < BATCHES; batch++) {
		for (size_t i = 0; i < BATCH; i++) {
			snprintf(buyers[i], sizeof(buyers[i]), "b%zu-%zu", batch, i);
			events[i] = kit_reserved(&kit, KIT_SHIRT, 1, buyers[i]);
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		assert_int_equal(ledger->ops->apply(ledger, entries, BATCH), 0);
	}
	atomic_store(&reading.stop, true);
	for (size_t i = 0; i < READING_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&reading.faults), 0);
	assert_true(atomic_load(&reading.rounds) > 0);
	kit_assert_audit(&kit);
	ledger->ops->free(ledger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lease_has_one_holder_at_a_time),
		TEST(test_reading_needs_no_lease_and_writes_nothing),
		TEST(test_opening_what_is_not_there_to_read_fails),
		TEST(test_newer_ledger_is_refused_and_left_alone),
		TEST(test_ledger_of_other_migrations_is_refused),
		TEST(test_ledger_of_the_schema_before_is_brought_up_to_date),
		TEST(test_ledger_of_two_schemas_before_is_brought_up_to_date),
		TEST(test_migration_without_the_space_it_needs_is_not_begun),
		TEST(test_writer_of_an_older_schema_is_refused_in_its_next_transaction),
		TEST(test_purchase_raises_no_number_of_commits),
		TEST(test_new_file_has_small_pages_and_an_old_one_keeps_its_own),
		TEST(test_old_file_gets_small_pages_by_a_copy),
		TEST(test_file_that_is_no_ledger_is_refused_and_left_alone),
		TEST(test_readers_see_whole_batches_while_the_writer_works),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("ledger: sqlite open", tests, NULL, NULL);
}

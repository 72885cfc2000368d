#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/thread.h"
#include "core/sale_catalog.h"

static struct sale *make(uint32_t number, const char *id, uint32_t version)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));

	assert_non_null(sale);
	sale->number = number;
	sale->version = version;
	sale->lot_count = 2;
	snprintf(sale->id, sizeof(sale->id), "%s", id);
	return sale;
}

static void put(struct sale_catalog *catalog, uint32_t number, const char *id, uint32_t version)
{
	assert_int_equal(sale_catalog_put(catalog, make(number, id, version)), 0);
}

static int set_up(void **state)
{
	struct sale_catalog *catalog;

	if (sale_catalog_new(&catalog) < 0)
		return -1;
	*state = catalog;
	return 0;
}

static int tear_down(void **state)
{
	sale_catalog_free(*state);
	return 0;
}

static void test_an_empty_table_finds_nothing(void **state)
{
	const struct sale_table *table = sale_catalog_ref(*state);

	assert_int_equal(sale_table_count(table), 0);
	assert_null(sale_table_find(table, SLICE("drop")));
	assert_null(sale_table_find(table, SLICE("")));
	assert_null(sale_table_find_number(table, 0));
	assert_null(sale_table_find_number(table, 1));
	sale_table_unref(table);
	sale_table_unref(NULL);
}

static void test_sales_are_found_by_id_and_number_and_lie_by_number(void **state)
{
	static const uint32_t numbers[] = {5, 1, 9, 3, 7};
	struct sale_catalog *catalog = *state;
	const struct sale_table *table;
	char id[32];

	for (size_t i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "sale-%u", numbers[i]);
		put(catalog, numbers[i], id, 1);
	}
	table = sale_catalog_ref(catalog);
	assert_int_equal(sale_table_count(table), 5);
	for (size_t i = 0; i < 5; i++) {
		struct sale_entry *entry = sale_table_at(table, i);

		assert_int_equal(entry->sale->number, 2 * i + 1);
		assert_ptr_equal(sale_table_find(table, slice_of(entry->sale->id)), entry);
		assert_ptr_equal(sale_table_find_number(table, entry->sale->number), entry);
		assert_null(sale_table_find_number(table, (uint32_t)(2 * i)));
	}
	assert_null(sale_table_find(table, SLICE("sale-")));
	assert_null(sale_table_find(table, SLICE("sale-11")));
	sale_table_unref(table);
}

static void test_thousands_are_found(void **state)
{
	enum { MANY = 1000 };
	struct sale_catalog *catalog = *state;
	const struct sale_table *table;
	char id[32];

	for (uint32_t i = 1; i <= MANY; i++) {
		snprintf(id, sizeof(id), "s%u", i);
		put(catalog, i, id, 1);
	}
	for (uint32_t i = 2; i <= MANY; i += 2)
		assert_int_equal(sale_catalog_remove(catalog, i), 0);
	table = sale_catalog_ref(catalog);
	assert_int_equal(sale_table_count(table), MANY / 2);
	for (uint32_t i = 1; i <= MANY; i++) {
		struct sale_entry *entry;

		snprintf(id, sizeof(id), "s%u", i);
		entry = sale_table_find(table, slice_of(id));
		assert_ptr_equal(sale_table_find_number(table, i), entry);
		assert_int_equal(entry != NULL, i % 2);
		if (entry)
			assert_int_equal(entry->sale->number, i);
	}
	sale_table_unref(table);
}

static void test_a_replaced_sale_starts_unlatched_and_the_others_keep_their_latch(void **state)
{
	struct sale_catalog *catalog = *state;
	const struct sale_table *before, *after;
	struct sale_entry *other;

	put(catalog, 1, "one", 1);
	put(catalog, 2, "two", 1);
	before = sale_catalog_ref(catalog);
	for (size_t i = 0; i < 2; i++)
		atomic_store(&sale_table_at(before, i)->latches[1].word, 77);
	put(catalog, 1, "one", 2);
	after = sale_catalog_ref(catalog);
	assert_int_equal(sale_table_count(after), 2);
	assert_int_equal(sale_table_at(after, 0)->sale->version, 2);
	assert_int_equal(atomic_load(&sale_table_at(after, 0)->latches[1].word), 0);
	other = sale_table_at(after, 1);
	assert_int_equal(atomic_load(&other->latches[1].word), 77);
	/*
	 * Both tables share the entry that did not change: a latch set in one is seen in the other.
	 */
	assert_ptr_equal(sale_table_at(before, 1), other);
	sale_table_unref(before);
	sale_table_unref(after);
}

/*
 * Found: of two that read the ledger, the slower could put back what the faster had replaced, and
 * nobody ever looked again.
 */
static void test_an_older_change_never_replaces_a_newer(void **state)
{
	struct sale_catalog *catalog = *state;
	static const struct {
		uint64_t change;
		uint32_t version, shown;
	} puts[] = {{7, 1, 1}, {9, 2, 2}, {8, 3, 2}, {9, 4, 4}, {0, 5, 5}, {1, 6, 6}};

	for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
		struct sale *sale = make(1, "one", puts[i].version);
		const struct sale_table *table;

		sale->change = puts[i].change;
		assert_int_equal(sale_catalog_put(catalog, sale), 0);
		table = sale_catalog_ref(catalog);
		assert_int_equal(sale_table_find_number(table, 1)->sale->version, puts[i].shown);
		sale_table_unref(table);
	}
}

static void test_a_reader_keeps_its_table(void **state)
{
	struct sale_catalog *catalog = *state;
	const struct sale_table *table;

	put(catalog, 1, "one", 1);
	table = sale_catalog_ref(catalog);
	put(catalog, 1, "one", 2);
	put(catalog, 2, "two", 1);
	assert_int_equal(sale_catalog_remove(catalog, 1), 0);
	assert_int_equal(sale_table_count(table), 1);
	assert_int_equal(sale_table_find(table, SLICE("one"))->sale->version, 1);
	assert_null(sale_table_find(table, SLICE("two")));
	sale_table_unref(table);
	table = sale_catalog_ref(catalog);
	assert_null(sale_table_find(table, SLICE("one")));
	assert_non_null(sale_table_find(table, SLICE("two")));
	sale_table_unref(table);
}

static void test_the_generation_rises_with_every_change(void **state)
{
	struct sale_catalog *catalog = *state;
	uint64_t last = sale_catalog_generation(catalog);

	for (uint32_t i = 0; i < 5; i++) {
		const struct sale_table *table;

		if (i == 3)
			assert_int_equal(sale_catalog_remove(catalog, 1), 0);
		else
			put(catalog, 1, "one", i);
		assert_true(sale_catalog_generation(catalog) > last);
		last = sale_catalog_generation(catalog);
		table = sale_catalog_ref(catalog);
		assert_int_equal(sale_table_generation(table), last);
		sale_table_unref(table);
	}
}

static void test_removing_what_is_not_there_leaves_the_rest(void **state)
{
	struct sale_catalog *catalog = *state;
	const struct sale_table *table;

	put(catalog, 2, "two", 1);
	assert_int_equal(sale_catalog_remove(catalog, 1), 0);
	assert_int_equal(sale_catalog_remove(catalog, 3), 0);
	table = sale_catalog_ref(catalog);
	assert_int_equal(sale_table_count(table), 1);
	sale_table_unref(table);
}

/* --- Readers beside writers --- */

enum { WRITERS = 2, READERS = 2, CHANGES = 2000 };

struct party {
	struct thread thread;
	struct sale_catalog *catalog;
	uint32_t number;
	atomic_bool *stop;
	bool wrong;
	uint64_t looks;
};

static void write_on(void *argument)
{
	struct party *party = argument;
	char id[16];

	snprintf(id, sizeof(id), "sale-%u", party->number);
	for (uint32_t i = 1; i <= CHANGES; i++) {
		if (i % 16 == 0)
			party->wrong |= sale_catalog_remove(party->catalog, party->number) < 0;
		else
			party->wrong |= sale_catalog_put(party->catalog, make(party->number, id, i)) < 0;
	}
}

static void read_on(void *argument)
{
	struct party *party = argument;
	uint32_t seen[WRITERS + 1] = {0};
	uint64_t generation = 0;

	do {
		const struct sale_table *table = sale_catalog_ref(party->catalog);

		party->wrong |= sale_table_generation(table) < generation;
		generation = sale_table_generation(table);
		for (size_t i = 0; i < sale_table_count(table); i++) {
			struct sale_entry *entry = sale_table_at(table, i);

			party->wrong |= sale_table_find(table, slice_of(entry->sale->id)) != entry;
			party->wrong |= entry->sale->version < seen[entry->sale->number];
			seen[entry->sale->number] = entry->sale->version;
			atomic_store(&entry->latches[0].word, generation);
		}
		sale_table_unref(table);
		party->looks++;
	} while (!atomic_load(party->stop));
}

static void test_readers_see_whole_tables_while_writers_swap_them(void **state)
{
	struct party writers[WRITERS] = {0}, readers[READERS] = {0};
	atomic_bool stop = false;
	const struct sale_table *table;

	for (uint32_t i = 0; i < READERS; i++) {
		readers[i].catalog = *state;
		readers[i].stop = &stop;
		assert_int_equal(thread_start(&readers[i].thread, "reader", read_on, &readers[i]), 0);
	}
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i].catalog = *state;
		writers[i].number = i + 1;
		assert_int_equal(thread_start(&writers[i].thread, "writer", write_on, &writers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		thread_join(&writers[i].thread);
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		thread_join(&readers[i].thread);
	for (int i = 0; i < WRITERS; i++)
		assert_false(writers[i].wrong);
	for (int i = 0; i < READERS; i++) {
		assert_false(readers[i].wrong);
		assert_true(readers[i].looks > 0);
	}
	/* 2,000 is a multiple of 16: both ended with a removal. */
	table = sale_catalog_ref(*state);
	assert_int_equal(sale_table_count(table), 0);
	assert_int_equal(sale_table_generation(table), 1 + WRITERS * CHANGES);
	sale_table_unref(table);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_table_finds_nothing),
		TEST(test_sales_are_found_by_id_and_number_and_lie_by_number),
		TEST(test_thousands_are_found),
		TEST(test_a_replaced_sale_starts_unlatched_and_the_others_keep_their_latch),
		TEST(test_an_older_change_never_replaces_a_newer),
		TEST(test_a_reader_keeps_its_table),
		TEST(test_the_generation_rises_with_every_change),
		TEST(test_removing_what_is_not_there_leaves_the_rest),
		TEST(test_readers_see_whole_tables_while_writers_swap_them),
	};

	return cmocka_run_group_tests_name("core: sale catalog", tests, NULL, NULL);
}

/* What a process knows of a sale in Redis, from answers that are made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stock/redis/sales.h"

enum { SALE = 7, EPOCH = 3 };

static struct redis_sales sales;

static int open_sales(void **state)
{
	(void)state;
	redis_sales_init(&sales);
	return redis_sales_expect(&sales, SALE, EPOCH, 1);
}

static int close_sales(void **state)
{
	(void)state;
	redis_sales_deinit(&sales);
	return 0;
}

/* An answer's part of the list of names: `chunk`, from there on, of so many bytes. */
static bool learn(uint32_t epoch, uint64_t from, uint64_t total, const char *chunk)
{
	struct redis_reader reader;
	struct buffer answer;
	bool more;

	buffer_init(&answer, 1000);
	redis_write(&answer, from, 8);
	redis_write(&answer, total, 8);
	redis_write(&answer, strlen(chunk), 4);
	buffer_append_text(&answer, chunk);
	reader = (struct redis_reader){.data = (const unsigned char *)answer.data, .size = answer.size};
	more = redis_sales_learn_names(&sales, SALE, epoch, &reader);
	assert_false(reader.failed);
	buffer_deinit(&answer);
	return more;
}

static bool complete(void)
{
	return atomic_load(&redis_sales_find(&sales, SALE)->names_complete);
}

static uint64_t names_from(void)
{
	return atomic_load(&redis_sales_find(&sales, SALE)->names_from);
}

/* While it is not, everybody may have an order. */
static void test_the_list_of_names_is_complete_with_its_last_byte(void **state)
{
	(void)state;
	assert_true(learn(EPOCH, 0, 12, "ann\nbo"));
	assert_int_equal(names_from(), 4); /* a name that is cut is read again */
	assert_false(complete());
	assert_true(learn(EPOCH, 8, 12, "cid\n")); /* a part that came before its turn fills no gap */
	assert_int_equal(names_from(), 4);
	assert_false(complete());
	assert_false(learn(EPOCH, 4, 12, "bob\ncid\n"));
	assert_int_equal(names_from(), 12);
	assert_true(complete());
}

static void test_an_empty_list_is_complete(void **state)
{
	(void)state;
	assert_false(learn(EPOCH, 0, 0, ""));
	assert_true(complete());
}

static void test_the_list_of_another_epoch_completes_nothing(void **state)
{
	(void)state;
	assert_false(learn(EPOCH - 1, 0, 4, "ann\n"));
	assert_int_equal(names_from(), 0);
	assert_false(complete());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sales, close_sales)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_list_of_names_is_complete_with_its_last_byte),
		TEST(test_an_empty_list_is_complete),
		TEST(test_the_list_of_another_epoch_completes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

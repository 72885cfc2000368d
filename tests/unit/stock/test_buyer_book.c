/* One shard's memory of who has bought what: what random names and keys do not meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stock/memory/buyer_book.h"

static struct buyer_book book;
static _Atomic int64_t memory;

static int open_book(void **state)
{
	const struct rate_window rate = {3, 60000};

	(void)state;
	buyer_book_init(&book, &rate, &memory);
	return 0;
}

static int close_book(void **state)
{
	(void)state;
	buyer_book_deinit(&book);
	return atomic_load(&memory) == 0 ? 0 : -1;
}

static uint32_t place(uint32_t buyer, struct hash128 key)
{
	uint32_t order = buyer_book_order_new(&book, buyer, &key);

	assert_int_not_equal(order, 0);
	buyer_book_order(&book, order)->quantity = 1;
	buyer_book_order_link(&book, order);
	return order;
}

/* More orders than hang in the chain: the rest is found through the index. */
static uint32_t spilling_buyer(uint64_t name)
{
	uint32_t buyer = buyer_book_add(&book, (struct hash128){name << 32, name});

	assert_int_not_equal(buyer, 0);
	for (uint64_t i = 0; i < BUYER_BOOK_CHAIN_MAX; i++)
		place(buyer, (struct hash128){i << 32, name});
	return buyer;
}

/*
 * The index knows 32 bits of a key; two keys that share them are two keys. The other half is its
 * caller's to compare.
 */
static void test_spilled_keys_are_found_by_their_low_half(void **state)
{
	const struct hash128 key = {0x7777777700000001, 1}, low = {0x7777777700000002, 1}, high = {0x7777777700000001, 2};
	uint32_t ann = spilling_buyer(1), orders[2];

	(void)state;
	orders[0] = place(ann, key);
	assert_int_equal(buyer_book_find_key(&book, ann, key), orders[0]);
	assert_int_equal(buyer_book_find_key(&book, ann, low), 0);
	assert_int_equal(buyer_book_find_key(&book, ann, high), orders[0]);
	orders[1] = place(ann, low);
	assert_int_equal(buyer_book_find_key(&book, ann, key), orders[0]);
	assert_int_equal(buyer_book_find_key(&book, ann, low), orders[1]);
	buyer_book_order_forget(&book, orders[0]);
	assert_int_equal(buyer_book_find_key(&book, ann, key), 0);
	assert_int_equal(buyer_book_find_key(&book, ann, low), orders[1]);
}

static void test_a_spilled_key_of_another_buyer_is_another_key(void **state)
{
	const struct hash128 key = {0x7777777700000001, 1};
	uint32_t ann = spilling_buyer(1), bob = spilling_buyer(2), order = place(ann, key);

	(void)state;
	assert_int_equal(buyer_book_find_key(&book, bob, key), 0);
	assert_int_equal(buyer_book_find_key(&book, ann, key), order);
}

static void test_names_that_share_a_hash_are_compared_whole(void **state)
{
	const struct hash128 name = {0x7777777700000001, 1}, low = {0x7777777700000002, 1}, high = {0x7777777700000001, 2};
	uint32_t buyer = buyer_book_add(&book, name);

	(void)state;
	assert_int_equal(buyer_book_find(&book, name), buyer);
	assert_int_equal(buyer_book_find(&book, low), 0);
	assert_int_equal(buyer_book_find(&book, high), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_book, close_book)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_spilled_keys_are_found_by_their_low_half),
		TEST(test_a_spilled_key_of_another_buyer_is_another_key),
		TEST(test_names_that_share_a_hash_are_compared_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

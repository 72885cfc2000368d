/* The memory of worlds: what the C library promises, and that no world sees another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "simulation/world_heap.h"

enum { LARGE = 3 << 20 };

static void assert_is(const unsigned char *memory, size_t size, int value)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(memory[i], value);
}

static void test_blocks_of_all_sizes_are_whole_and_apart(void **state)
{
	unsigned char *blocks[200];
	size_t sizes[200], size = 1;

	(void)state;
	for (int i = 0; i < 200; i++) {
		sizes[i] = size;
		blocks[i] = malloc(size);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		memset(blocks[i], i, size);
		size = size > LARGE ? 1 : size + size / 9 + 1;
	}
	for (int i = 0; i < 200; i++) {
		assert_is(blocks[i], sizes[i], i);
		free(blocks[i]);
	}
}

static void test_what_is_grown_keeps_its_bytes(void **state)
{
	(void)state;
	for (size_t from = 1; from <= LARGE; from *= 3) {
		for (size_t to = from; to <= 2 * LARGE; to *= 5) {
			unsigned char *memory = malloc(from);

			memset(memory, 7, from);
			memory = realloc(memory, to);
			assert_is(memory, from, 7);
			memory = realloc(memory, from);
			assert_is(memory, from, 7);
			free(memory);
		}
	}
}

static void test_zeroed_memory_is_zero_where_another_was(void **state)
{
	(void)state;
	for (size_t size = 1; size <= LARGE; size = size * 3 + 1) {
		unsigned char *memory = malloc(size);

		memset(memory, 7, size);
		free(memory);
		memory = calloc(size, 1);
		assert_is(memory, size, 0);
		free(memory);
	}
}

static void test_more_than_there_are_addresses_is_refused(void **state)
{
	volatile size_t size = SIZE_MAX / 2;

	(void)state;
	errno = 0;
	assert_null(calloc(size, 3));
	assert_int_equal(errno, ENOMEM);
}

static void test_aligned_memory_is_aligned_and_freed(void **state)
{
	(void)state;
	for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
		for (int i = 0; i < 100; i++) {
			unsigned char *memory = aligned_alloc(alignment, 4096);

			assert_int_equal((uintptr_t)memory % alignment, 0);
			memset(memory, i, 4096);
			assert_is(memory, 4096, i);
			free(memory);
		}
	}
}

/* What one world has left, and frees of what was there before. */
static int use_all(unsigned char *before)
{
	int seen = 0;

	world_heap_begin(0);
	free(before);
	for (int i = 0; i < 100; i++) {
		unsigned char *memory = malloc(10000);

		for (size_t at = 0; at < 10000; at++)
			seen |= memory[at];
		memset(memory, 0xff, 10000);
	}
	return seen;
}

static void test_no_world_sees_another(void **state)
{
	unsigned char *before = malloc(100);
	int status;

	(void)state;
	world_heap_reserve(1);
	memset(before, 0, 100);
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(use_all(before));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	assert_is(before, 100, 0);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_of_all_sizes_are_whole_and_apart),
		cmocka_unit_test(test_what_is_grown_keeps_its_bytes),
		cmocka_unit_test(test_zeroed_memory_is_zero_where_another_was),
		cmocka_unit_test(test_more_than_there_are_addresses_is_refused),
		cmocka_unit_test(test_aligned_memory_is_aligned_and_freed),
		cmocka_unit_test(test_no_world_sees_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One process, many worlds: its memory is put back as it was. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "simulation/world_memory.h"

enum { PAGE = 4096, PAGES = 100, CANNOT_GO_ON = 3 };

static char written[PAGES * PAGE] = {1}; /* of the file */
static char zeroed[PAGES * PAGE];
static __thread int of_thread = 5;

static char *map(int flags)
{
	char *memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* What a test does to its process happens in another. */
static int status_of(int (*run)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(run());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* How many of the bytes are not `value`. */
static int others(const char *memory, char value)
{
	int count = 0;

	for (size_t i = 0; i < (size_t)PAGES * PAGE; i++)
		count += memory[i] != value;
	return count;
}

static int write_everywhere(void)
{
	char *heap = malloc((size_t)PAGES * PAGE), *mapped = map(MAP_PRIVATE);
	int wrong = 0;

	memset(heap, 2, (size_t)PAGES * PAGE);
	mapped[PAGE] = 3;
	zeroed[PAGE] = 4;
	world_memory_keep();
	for (int i = 0; i < 3; i++) {
		memset(heap, 9, (size_t)PAGES * PAGE);
		memset(mapped, 9, (size_t)PAGES * PAGE);
		memset(zeroed, 9, sizeof(zeroed));
		memset(written, 9, sizeof(written));
		of_thread = 9;
		if (!world_memory_put_back())
			return CANNOT_GO_ON;
		wrong += others(heap, 2) != 0 || others(mapped, 0) != 1 || mapped[PAGE] != 3;
		wrong += others(zeroed, 0) != 1 || zeroed[PAGE] != 4 || others(written, 0) != 1 || written[0] != 1;
		wrong += of_thread != 5;
	}
	return wrong != 0;
}

static void test_all_that_was_written_is_as_before(void **state)
{
	(void)state;
	assert_int_equal(status_of(write_everywhere), 0);
}

static int write_to_shared_memory(void)
{
	char *shared = map(MAP_SHARED);

	world_memory_keep();
	shared[0] = 7;
	return world_memory_put_back() ? shared[0] : 0;
}

static void test_what_is_shared_stays(void **state)
{
	(void)state;
	assert_int_equal(status_of(write_to_shared_memory), 7);
}

static int open_and_map(void)
{
	volatile char *mapped;
	unsigned char there;
	int file;

	world_memory_keep();
	mapped = map(MAP_PRIVATE);
	mapped[0] = 1;
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!world_memory_put_back())
		return CANNOT_GO_ON;
	return (fcntl(file, F_GETFD) == -1) + 2 * (mincore((void *)mapped, PAGE, &there) == -1);
}

static void test_what_was_opened_and_mapped_is_gone(void **state)
{
	(void)state;
	assert_int_equal(status_of(open_and_map), 1 + 2);
}

static int unmap_what_was_there(void)
{
	char *mapped = map(MAP_PRIVATE);

	world_memory_keep();
	munmap(mapped + PAGE, PAGE);
	return world_memory_put_back();
}

static void test_where_something_is_missing_it_says_so(void **state)
{
	(void)state;
	assert_int_equal(status_of(unmap_what_was_there), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_was_written_is_as_before),
		cmocka_unit_test(test_what_is_shared_stays),
		cmocka_unit_test(test_what_was_opened_and_mapped_is_gone),
		cmocka_unit_test(test_where_something_is_missing_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "simulation/world_memory.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/assertion.h"
#include "simulation/scheduler/coroutine.h"

#if defined(COROUTINE_ASAN) || defined(COROUTINE_TSAN)

bool world_memory_keep(void)
{
	return false;
}

bool world_memory_put_back(void)
{
	return false;
}

#else

enum { PAGE = 4096, PAGES_AT_ONCE = 512, SPANS_MAX = 1024, RUNS_MAX = 8192, TEXT_MAX = 1 << 18, COPIES_MAX = 1 << 28 };
static const uint64_t HAS_CONTENT = UINT64_C(3) << 62; /* /proc/self/pagemap: the page is in memory, or was swapped out */

struct span {
	char *from, *to;
	bool ours; /* this process alone may write there */
};
/* Pages of a span that have a content, or have none: they are zero, or as in the file. */
struct run {
	char *from;
	size_t size;
	const char *copy; /* NULL: none */
};

/* Shared memory, so it is not put back itself. */
struct kept {
	struct span spans[SPANS_MAX];
	struct run runs[RUNS_MAX];
	size_t span_count, run_count, copied;
	unsigned first_file; /* from there on none was open */
	char text[TEXT_MAX];
	char copies[COPIES_MAX]; /* of addresses: pages are there once they have been used */
};

static struct kept *kept;

/* --- What is mapped --- */

static void read_maps(void)
{
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got;

	ASSERT(file >= 0);
	while ((got = read(file, kept->text + size, TEXT_MAX - 1 - size)) > 0)
		size += (size_t)got;
	ASSERT(got == 0 && size < TEXT_MAX - 1);
	kept->text[size] = '\0';
	close(file);
}

/*
 * The next line's, as "FROM-TO rw-p OFFSET DEVICE INODE NAME"; false: there is none. The kernel's
 * own and the stack are passed over.
 */
static bool next_span(const char **at, struct span *span)
{
	const char *line, *end, *name;
	char *rest;

	do {
		line = *at;
		end = strchr(line, '\n');
		if (!end)
			return false;
		*at = end + 1;
		name = memchr(line, '[', (size_t)(end - line));
	} while (name && (strncmp(name, "[stack", 6) == 0 || strncmp(name, "[v", 2) == 0));
	span->from = (char *)(uintptr_t)strtoull(line, &rest, 16); /* NOLINT: an address is what is written there */
	span->to = (char *)(uintptr_t)strtoull(rest + 1, &rest, 16);
	span->ours = memcmp(rest, " rw-p", 5) == 0;
	return true;
}

/* --- Keeping --- */

static void keep_run(char *from, size_t size, bool content)
{
	struct run *run = &kept->runs[kept->run_count];

	ASSERT(kept->run_count < RUNS_MAX);
	*run = (struct run){.from = from, .size = size};
	kept->run_count++;
	if (!content)
		return;
	ASSERT(kept->copied + size <= COPIES_MAX);
	run->copy = memcpy(kept->copies + kept->copied, from, size);
	kept->copied += size;
}

/* Whether each of so many pages has a content; the number of those that are told. */
static size_t read_states(int pagemap, const char *from, size_t count, uint64_t states[PAGES_AT_ONCE])
{
	ssize_t got;

	if (count > PAGES_AT_ONCE)
		count = PAGES_AT_ONCE;
	got = pread(pagemap, states, count * sizeof(*states), (off_t)((uintptr_t)from / PAGE * sizeof(*states)));
	ASSERT(got == (ssize_t)(count * sizeof(*states)));
	return count;
}

static void keep_span(int pagemap, const struct span *span)
{
	uint64_t states[PAGES_AT_ONCE];
	char *run = span->from;
	bool content = false;
	size_t count;

	for (char *from = span->from; from < span->to; from += count * PAGE) {
		count = read_states(pagemap, from, (size_t)(span->to - from) / PAGE, states);
		for (size_t i = 0; i < count; i++) {
			char *at = from + i * PAGE;

			if (at > run && content != ((states[i] & HAS_CONTENT) != 0)) {
				keep_run(run, (size_t)(at - run), content);
				run = at;
			}
			content = (states[i] & HAS_CONTENT) != 0;
		}
	}
	keep_run(run, (size_t)(span->to - run), content);
}

static unsigned first_free_file(void)
{
	int file = dup(STDOUT_FILENO);

	ASSERT(file >= 0);
	close(file);
	return (unsigned)file;
}

bool world_memory_keep(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	const char *at;

	if (pagemap < 0)
		return false;
	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(kept != MAP_FAILED);
	read_maps();
	at = kept->text;
	while (next_span(&at, &kept->spans[kept->span_count])) {
		kept->span_count++;
		ASSERT(kept->span_count < SPANS_MAX);
	}
	for (size_t i = 0; i < kept->span_count; i++)
		if (kept->spans[i].ours)
			keep_span(pagemap, &kept->spans[i]);
	close(pagemap);
	kept->first_file = first_free_file();
	return true;
}

/* --- Putting back --- */

static void unmap(char *from, const char *to)
{
	if (from < to)
		munmap(from, (size_t)(to - from));
}

/* Both lists are by addresses, and a mapping may have grown together with what was there. */
static bool unmap_others(void)
{
	const char *at = kept->text;
	struct span now;
	size_t i = 0;

	read_maps();
	while (next_span(&at, &now)) {
		while (i < kept->span_count && kept->spans[i].to <= now.to) {
			if (kept->spans[i].from < now.from)
				return false;
			unmap(now.from, kept->spans[i].from);
			now.from = kept->spans[i++].to;
		}
		if (i < kept->span_count && kept->spans[i].from < now.to)
			return false;
		unmap(now.from, now.to);
	}
	return i == kept->span_count;
}

bool world_memory_put_back(void)
{
	if (!unmap_others())
		return false;
	for (size_t i = 0; i < kept->run_count; i++) {
		const struct run *run = &kept->runs[i];

		if (run->copy)
			memcpy(run->from, run->copy, run->size);
		else
			madvise(run->from, run->size, MADV_DONTNEED);
	}
	close_range(kept->first_file, ~0U, 0);
	return true;
}

#endif

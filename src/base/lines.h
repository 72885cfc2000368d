/*
 * Memory that begins with a cache line, for structs in which what one thread writes lies apart from
 * what the others read (alignas(64)). docs/performance.md says which those are, and why.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 64 };

/* All zeros; free() takes it back. NULL: no memory. */
static inline void *lines_new(size_t size)
{
	size_t whole = (size + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE;
	void *memory = aligned_alloc(LINE_SIZE, whole);

	if (memory)
		memset(memory, 0, whole);
	return memory;
}

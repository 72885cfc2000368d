/*
 * Randomness is a seam too: getrandom(2) through a buffer per thread. Any thread may call; aborts
 * if the kernel has no entropy to give (it never does after boot). After fork() the child must not
 * use the parent's buffer: the program does not fork after the first call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *data, size_t size);
uint64_t random_u64(void);
/*
 * Tests and the simulation: every later call in this thread's node comes from a seeded generator (0
 * restores the real one).
 */
void random_set_seed(uint64_t seed);

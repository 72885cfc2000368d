/*
 * One process, many worlds: when one has ended, the process's memory is put back as it was before
 * the first, byte by byte, so that the next one begins as in a process of its own, without a fork
 * and without a fault for each page anew. What is shared with other processes stays as it is, and
 * so does the stack of whoever asks.
 *
 * One thread of the kernel. Not for a sanitizer's build, whose shadow is not put back.
 */
#pragma once

#include <stdbool.h>

/* From here on it can be put back. False: not in this build. */
bool world_memory_keep(void);
/*
 * As it was then: what was mapped and opened since is gone. False: something that was there is gone
 * too, and the process cannot go on.
 */
bool world_memory_put_back(void);

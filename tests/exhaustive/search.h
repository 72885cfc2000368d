/* What the two halves of the search share: interleave.c chooses, memory.c is what threads see. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "exhaustive/interleave.h"

/* --- interleave.c --- */

/*
 * The thread that runs; -1: none does, what happens is the scene's begin or end, or no part of it.
 */
int search_thread(void);
/* One of so many, all of which are tried. */
unsigned search_choose(unsigned count);
/* Another thread may be chosen here. */
void search_point(void);
/* Whether one more surprise may be tried in this run. */
bool search_may_surprise(void);
void search_count_surprise(void);
_Noreturn void search_fail(const char *rule);
/* The run goes on, but does not count: all begins again behind it. */
void search_begin_again(void);
bool search_is_void(void); /* that was said of this run: what orders it was not all seen */
void search_trace(const char *what, const void *address, uint64_t value, const void *place);

/* --- memory.c --- */

void memory_forget(void);    /* before a search: which variables are shared */
void memory_begin_run(void); /* before the scene's begin */
void memory_begin_threads(void);

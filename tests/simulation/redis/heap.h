/* Memory of an interpreter: of small sizes much and often, and all of it is gone with it. */
#pragma once

#include <stddef.h>

struct sim_heap;

struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *heap);
/* As lua_Alloc has it; `heap` is one. */
void *sim_heap_resize(void *heap, void *memory, size_t size, size_t wanted);

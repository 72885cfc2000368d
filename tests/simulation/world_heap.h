/*
 * The memory of worlds, in place of the C library's. Each page that a process touches for the first
 * time costs a fault, and a world has thousands: so worlds that run one after the other at a place
 * have the same pages, which this process keeps, and sixteen of them come at a fault. What a world
 * is given is zero before it is used for the first time, as pages of the kernel are: no world sees
 * another.
 *
 * One thread of the kernel. Not for a sanitizer's build, which has memory of its own.
 */
#pragma once

/* Before the first fork: for so many worlds at a time. */
void world_heap_reserve(unsigned places);
/*
 * By a child: it has that place, from 0, to its end; whatever was allocated before stays as it is.
 * What is large and zeroed comes from addresses of its own, whose pages are new again when its
 * memory is put back (world_memory.h).
 */
void world_heap_begin(unsigned place);

/*
 * Functions of a library that is loaded where it is wanted: what does not need it is not linked
 * with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A function's name, and where its address goes: a pointer to such a function. */
struct library_symbol {
	const char *name;
	void *place;
};

/*
 * For as long as the process lives. False: it is not there, or lacks one of them; some places may
 * be set all the same. A static build loads nothing: its callers say so before.
 */
bool library_load(const char *file, const struct library_symbol *symbols, size_t count);

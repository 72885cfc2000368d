/* For suggestions ("did you mean ..."). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	EDIT_DISTANCE_MAX = 64, /* bytes of a word that are looked at */
	EDIT_SLIPS_MAX = 2,     /* two slips of the finger are a slip; three are another word */
};

/*
 * How many slips lie between two words: letters that are added, left out or exchanged, and
 * neighbours that are swapped.
 */
size_t edit_distance(const char *a, const char *b);
/*
 * Whether the name of a command or an option may have been meant by this word, and is nearer than
 * all that were asked about before; *least: EDIT_SLIPS_MAX + 1 before the first.
 */
bool edit_is_nearer(const char *name, const char *word, size_t *least);

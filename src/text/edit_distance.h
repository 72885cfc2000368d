/* For suggestions ("did you mean ..."). */
#pragma once

#include <stddef.h>

enum { EDIT_DISTANCE_MAX = 64 }; /* bytes of a word that are looked at */

/*
 * How many slips lie between two words: letters that are added, left out or exchanged, and
 * neighbours that are swapped.
 */
size_t edit_distance(const char *a, const char *b);

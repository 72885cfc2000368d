#include "text/edit_distance.h"

#include <stdint.h>
#include <string.h>

/* Optimal string alignment (Damerau 1964): a swapped pair is one slip, and is not touched again. */
size_t edit_distance(const char *a, const char *b)
{
	uint8_t table[EDIT_DISTANCE_MAX + 1][EDIT_DISTANCE_MAX + 1];
	size_t rows = strnlen(a, EDIT_DISTANCE_MAX), columns = strnlen(b, EDIT_DISTANCE_MAX);

	for (size_t i = 0; i <= rows; i++) {
		for (size_t j = 0; j <= columns; j++) {
			size_t best;

			if (i == 0 || j == 0) {
				table[i][j] = (uint8_t)(i + j);
				continue;
			}
			best = table[i - 1][j - 1] + (size_t)(a[i - 1] != b[j - 1]);
			if (table[i - 1][j] + 1u < best)
				best = table[i - 1][j] + 1u;
			if (table[i][j - 1] + 1u < best)
				best = table[i][j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && table[i - 2][j - 2] + 1u < best)
				best = table[i - 2][j - 2] + 1u;
			table[i][j] = (uint8_t)best;
		}
	}
	return table[rows][columns];
}

bool edit_is_nearer(const char *name, const char *word, size_t *least)
{
	size_t distance = edit_distance(name, word);
	bool nearer = distance < *least && distance < strlen(name);

	if (nearer)
		*least = distance;
	return nearer;
}

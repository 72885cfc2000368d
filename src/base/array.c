#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_AT_FIRST = 16 };

int array_fit(void *items, size_t *room, size_t needed, size_t size)
{
	size_t more = *room ? *room : ROOM_AT_FIRST;
	void *elements;

	if (needed <= *room)
		return 0;
	if (needed > SIZE_MAX / 2 / size)
		return -ENOMEM;
	while (more < needed)
		more *= 2;
	memcpy(&elements, items, sizeof(elements)); /* a pointer to any type: not to be read as a void pointer in place */
	elements = realloc(elements, more * size);
	if (!elements)
		return -ENOMEM;
	memcpy(items, &elements, sizeof(elements));
	*room = more;
	return 0;
}

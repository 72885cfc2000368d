/* An array that grows. Its owner keeps the elements, how many there are, and the room for them. */
#pragma once

#include <stddef.h>
#include "base/error.h"

/*
 * Room for `needed` elements of `size` bytes. Where `*room` is less it doubles until they fit, and
 * the elements may move; what is new is not set. `items`: the address of the owner's pointer, of
 * any type; NULL stands in it while `*room` is 0. free() takes the elements back. 0; -ENOMEM, which
 * says nothing in the log: all is as it was.
 */
int array_fit(void *items, size_t *room, size_t needed, size_t size) MUST_CHECK;

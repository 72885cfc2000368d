/* The Authorization header of bearer tokens (RFC 6750, section 2.1). */
#pragma once

#include "text/slice.h"

/*
 * The token after "Bearer "; size 0 where the header is absent or of another scheme. The scheme's
 * case does not matter (RFC 9110, section 11.1).
 */
static inline struct slice bearer_token(struct slice authorization)
{
	static const char scheme[] = "bearer ";
	size_t size = sizeof(scheme) - 1;

	if (!authorization.data || authorization.size <= size)
		return SLICE_NULL;
	for (size_t i = 0; i < size; i++)
		if ((authorization.data[i] | 0x20) != (scheme[i] | 0x20))
			return SLICE_NULL;
	while (size < authorization.size && authorization.data[size] == ' ')
		size++;
	return (struct slice){authorization.data + size, authorization.size - size};
}

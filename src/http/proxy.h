/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy says about the
 * client before the first byte of HTTP. A pure function over the bytes that are there, like the
 * reader.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/address.h"

enum { PROXY_SIZE_MAX = 4096 }; /* bytes; a header with more extensions than that is refused */

enum proxy_outcome {
	PROXY_WHOLE = 0,     /* *used bytes belong to it */
	PROXY_MORE = 1,      /* not all there yet */
	PROXY_MALFORMED = 2, /* it is none, or a wrong one */
};
/*
 * *source is set where the header names a TCP client; LOCAL, UNKNOWN and other families leave it as
 * it is.
 */
enum proxy_outcome proxy_read(const char *data, size_t size, struct address *source, size_t *used);

/* What a Redis must be like for the promises to hold, looked at once, at the start. */
#pragma once

#include "stock/redis/connection.h"
#include "stock/redis/library.h"

/*
 * 0, or negative with why in the log: -ENOTSUP, -EPERM, -EACCES, -ENOTCONN, -EIO, -ENOMEM. The
 * functions are loaded by it. *lag_ns: how long a master that is cut off, from its replicas and
 * from us, may go on granting until it misses them (min-replicas-max-lag, and a second). 0 where it
 * has no replicas to miss, or never stops by itself; where it may not be asked and Sentinels
 * (`sentinel`) may promote another, what Redis does if it is not told otherwise. *replicas: how
 * many there are, by min-replicas-to-write, which is to be one less; 0 where that does not tell.
 */
int redis_check_server(struct redis_connection *connection, const struct redis_library *library, bool force, bool sentinel,
		       int64_t *lag_ns, int64_t *replicas) MUST_CHECK;

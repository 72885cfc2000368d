/* The library `penstock` of Redis Functions: its text, and that the server has it. */
#pragma once

#include "stock/redis/connection.h"

enum redis_library_end {
	REDIS_LIBRARY_SAME = 0,     /* it was there */
	REDIS_LIBRARY_LOADED = 1,   /* it was not there */
	REDIS_LIBRARY_REPLACED = 2, /* another build's was there: its sales are fenced by this */
};

/* At the start. enum redis_library_end; or -ENOTSUP where a newer program's is there, -EACCES, -EIO, -ENOTCONN: logged. */
int redis_library_install(struct redis_connection *connection) MUST_CHECK;
/* Loads it where it is missing, later. 0 or negative. */
int redis_library_restore(struct redis_connection *connection) MUST_CHECK;

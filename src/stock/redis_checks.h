/* What a Redis must be like for the promises to hold, looked at once, at the start. */
#pragma once

#include "stock/redis_connection.h"

/* 0, or negative with why in the log: -ENOTSUP, -EPERM, -EACCES, -ENOTCONN, -EIO, -ENOMEM. The functions are loaded by it. */
int redis_check_server(struct redis_connection *connection, bool force) MUST_CHECK;

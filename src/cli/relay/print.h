/* Changes of a relay on standard output, a line each. One thread. */
#pragma once

#include <stdbool.h>
#include "base/error.h"

/*
 * `body`: the change as it would be posted; json: as it is, else a line for people. 0, -EAGAIN: who
 * reads it has no room yet, a moment was waited; or negative: nobody reads any more.
 */
int print_change(const char *body, bool json) MUST_CHECK;

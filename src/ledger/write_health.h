/* What the last write of a ledger came to: said when it changes. Private to the adapters. */
#pragma once

#include <stdatomic.h>

/* code: 0, or what a write failed with. Under the writer's lock. */
void ledger_health_set(_Atomic int *health, int code);

/* Rule 3, the deadline on telling: for purchases, settlements and withdrawals alike. */
#pragma once

#include <stdint.h>
#include "port/journal.h"

/*
 * What may be told, at now_ns, of an event whose end is `end`. What is durable later than the deadline may lie behind a barrier that has made it void, so
 * nobody can say: JOURNAL_UNKNOWN. started_ns: from before the stock, or whoever else grants the event its epoch, was asked. Both on clock_mono_ns().
 */
enum journal_end telling_end(enum journal_end end, int64_t started_ns, int64_t ack_deadline_ns, int64_t now_ns);

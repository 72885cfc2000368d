#include "core/telling.h"

#include "base/failpoint.h"

enum journal_end telling_end(enum journal_end end, int64_t started_ns, int64_t ack_deadline_ns, int64_t now_ns)
{
	if (end != JOURNAL_DURABLE || now_ns - started_ns <= ack_deadline_ns ||
	    FAILPOINT("gate.tell_late")) /* which breaks rule 3 on purpose */
		return end;
	return JOURNAL_UNKNOWN;
}

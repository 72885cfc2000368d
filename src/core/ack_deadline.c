#include "core/ack_deadline.h"

#include "base/failpoint.h"

enum epoch_proof ack_deadline_proof_of(enum stock_ack answer)
{
	switch (answer) {
	case STOCK_ACK_DONE:
	case STOCK_ACK_ALREADY:
		return EPOCH_PROVEN;
	case STOCK_ACK_NO_SALE:
		return EPOCH_NO_STOCK;
	case STOCK_ACK_UNANSWERED:
	case STOCK_ACK_UNKNOWN:
	case STOCK_ACK_OTHER_EPOCH:
		return EPOCH_UNPROVEN;
	}
	assertion_failed("a known answer", __FILE__, __LINE__, __func__);
}

enum journal_end ack_deadline_end(enum journal_end end, enum epoch_proof proof, int64_t started_ns, int64_t ack_deadline_ns,
				  int64_t now_ns)
{
	if (end != JOURNAL_DURABLE)
		return end;
	if (proof != EPOCH_PROVEN && FAILPOINT("ack.without_proof") <= 0) /* breaks rule 3 on purpose */
		return JOURNAL_UNKNOWN;
	if (now_ns - started_ns > ack_deadline_ns && FAILPOINT("ack.clock_stands_still") <= 0) /* a machine that was paused with its clock */
		return JOURNAL_UNKNOWN;
	return JOURNAL_DURABLE;
}

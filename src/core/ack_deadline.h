/*
 * Rule 3: what may be told of an event, for purchases, settlements and withdrawals alike. Success
 * is told only of what is in the journal under an epoch that was still in force once it was there:
 * a rebuild begins the new epoch in ledger and stock before it appends its barrier, so whoever
 * still finds the old one after the journal's acknowledgement knows, without any clock, that the
 * record lies before the barrier.
 */
#pragma once

#include <stdint.h>
#include "port/journal.h"
#include "port/stock.h"

/* What shows that an event's epoch was in force after the journal had acknowledged it. */
enum epoch_proof {
	EPOCH_UNPROVEN = 0, /* nothing does: nobody can say whether the event lies behind a barrier */
	EPOCH_PROVEN = 1,   /* the stock's answer to the acknowledgement, or the commit of a journal that checks epochs itself */
	EPOCH_NO_STOCK = 2, /* no stock has the sale: the ledger's epoch has to be read again */
};
enum epoch_proof ack_deadline_proof_of(enum stock_ack answer);

/*
 * What may be told, at now_ns, of an event whose end in the journal is `end`: JOURNAL_UNKNOWN of
 * what is durable but not proven, or known later than the deadline, which bounds the answer (P5)
 * and how long a stock's old master that was cut off may still prove anything. started_ns: from
 * before the stock, or whoever else grants the event its epoch, was asked. Both on clock_mono_ns().
 */
enum journal_end ack_deadline_end(enum journal_end end, enum epoch_proof proof, int64_t started_ns, int64_t ack_deadline_ns,
				  int64_t now_ns);

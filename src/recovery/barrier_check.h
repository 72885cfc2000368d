/*
 * What a rebuild has armed, held against what the drain makes of the same log: the ledger writes down what the sums of each lot are where the barrier lies, in
 * the transaction of the drain that passes it. They must be the sums that the stock was armed with. Where they are not, one of the two has lost an event or
 * counted one twice, which nothing else would say before the sale is over. It is said in the log with both figures, and counted; nothing else changes.
 *
 * The sums are kept here, in the memory of the process that has armed: what it has not compared when it ends is not compared.
 */
#pragma once

#include "port/ledger.h"

struct barrier_check {
	struct ledger *ledger; /* borrowed */
	struct sale **armed;   /* with the sums that they were armed with, under `epoch` */
	size_t count, room;
	size_t next; /* the one that is looked at next */
};

void barrier_check_init(struct barrier_check *check, struct ledger *ledger);
void barrier_check_deinit(struct barrier_check *check);
/* The sale was armed with the sums in its lots, under this epoch; an older one of it is not waited for any more. 0 or -ENOMEM. */
int barrier_check_add(struct barrier_check *check, const struct sale *armed, uint32_t epoch) MUST_CHECK;
/*
 * Looks at up to `most` of them, in turn: whether the drain has passed the barrier, and then whether the sums are the same. Returns how many lots differ. Blocks
 * for as many reads of the ledger; where that cannot be read, they are looked at again.
 */
size_t barrier_check_look(struct barrier_check *check, size_t most);

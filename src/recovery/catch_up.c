#include "recovery/catch_up.h"

/* One that no drain can go on with need not hold up the sales of the others. */
int catch_up_mark(struct catch_up *mark, struct journal *journal, const uint32_t *sales, size_t count)
{
	bool wanted[JOURNAL_PARTITIONS_MAX] = {false};
	int r = journal->ops->ends(journal, mark->ends, JOURNAL_PARTITIONS_MAX, &mark->partitions);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && mark->partitions; i++)
		wanted[journal->ops->partition(journal, sales[i])] = true;
	for (uint32_t i = 0; i < mark->partitions; i++)
		if (!wanted[i])
			mark->ends[i] = 0;
	return 0;
}

int catch_up_reached(const struct catch_up *mark, struct ledger *ledger)
{
	for (uint32_t i = 0; i < mark->partitions; i++) {
		int64_t next;
		uint64_t last;
		int r;

		if (mark->ends[i] == 0)
			continue;
		r = ledger->ops->journal_position(ledger, i, &next, &last);
		if (r < 0)
			return r;
		if (r == LEDGER_NOT_FOUND || next < mark->ends[i])
			return 0;
	}
	return 1;
}

/*
 * The ledger's commit as the journal: one append is one transaction, and what the ledger says of
 * each event is its end.
 *
 * A settlement that the ledger's state does not allow (LEDGER_WRONG_STATE: the order is terminal
 * there, or held where a refund needs it confirmed) is refused, not durable: it is not in the
 * ledger and never will be, and whoever told the buyer "confirmed" on the strength of an
 * acknowledgement would lie about an order that the ledger has as expired. The same settlement a
 * second time is LEDGER_ALREADY, which is durable, so driving one again is safe.
 *
 * When the transaction fails, the ledger looks up each event, because one that is driven again may
 * be there from before: to call it refused would give back units of an order that exists.
 */
#include "journal/direct/direct.h"

#include <stdlib.h>
#include "base/array.h"
#include "base/log.h"

enum { ENTRIES_START = 256 };

struct journal_direct {
	struct journal base; /* first */
	struct ledger *ledger;
	struct ledger_entry *entries;
	size_t capacity;
};

static struct journal_direct *direct_of(struct journal *journal)
{
	return (struct journal_direct *)journal;
}

static void set_end(struct journal_entry *entry, int outcome)
{
	entry->end = JOURNAL_REFUSED;
	entry->forbidden = false;
	switch (outcome) {
	case LEDGER_DONE:
	case LEDGER_ALREADY:
		entry->end = JOURNAL_DURABLE;
		entry->reason = NULL;
		break;
	case LEDGER_NOT_FOUND:
		entry->reason = "no such order or lot";
		break;
	case LEDGER_WRONG_STATE:
		entry->reason = "the order's state does not allow it";
		break;
	case LEDGER_STALE_EPOCH:
		entry->reason = "stale epoch";
		break;
	case LEDGER_CONSTRAINT:
		entry->reason = "a constraint of the ledger";
		entry->forbidden = true;
		break;
	case -EINPROGRESS:
		entry->end = JOURNAL_UNKNOWN;
		entry->reason = "the outcome of the commit is unknown";
		break;
	default:
		ASSERT(outcome < 0);
		entry->reason = error_text(outcome);
	}
}

static void append(struct journal *base, struct journal_entry *entries, size_t count)
{
	struct journal_direct *journal = direct_of(base);
	struct ledger *ledger = journal->ledger;
	const char *reason;
	int result;

	if (count == 0) {
		if (ledger->ops->health(ledger, &reason) < 0 && ledger->ops->recover(ledger) == 0)
			log_info("journal", "the ledger has recovered", LOG_TEXT("from", reason));
		return;
	}
	if (array_fit(&journal->entries, &journal->capacity, count, sizeof(*journal->entries))) {
		/* Not sent, but what is driven again may be there from before. */
		for (size_t i = 0; i < count; i++)
			set_end(&entries[i], -EINPROGRESS);
		return;
	}
	for (size_t i = 0; i < count; i++)
		journal->entries[i] = (struct ledger_entry){entries[i].event, -EINPROGRESS};
	result = ledger->ops->apply(ledger, journal->entries, count);
	for (size_t i = 0; i < count; i++) {
		/* Only a failed apply() may leave a failure behind. */
		if (result == 0)
			ASSERT(journal->entries[i].outcome >= 0);
		set_end(&entries[i], journal->entries[i].outcome);
	}
}

/* The ledger holds each event's epoch against its sale's in the transaction that applies it. */
static int barrier(struct journal *journal, uint32_t sale, uint32_t epoch, struct uuid *id)
{
	(void)journal;
	(void)sale;
	(void)epoch;
	(void)id;
	return 0;
}

static int ends(struct journal *journal, int64_t *ends, uint32_t max, uint32_t *count)
{
	(void)journal;
	(void)ends;
	(void)max;
	*count = 0;
	return 0;
}

static uint32_t partition(struct journal *journal, uint32_t sale)
{
	(void)journal;
	(void)sale;
	return 0;
}

/* All that is durable is in the ledger: there is no tail. */
static int read_range(struct journal *journal, const struct journal_range *range, journal_take take, void *context)
{
	(void)journal;
	(void)range;
	(void)take;
	(void)context;
	return 0;
}

static void tidy(struct journal *journal)
{
	struct ledger *ledger = direct_of(journal)->ledger;

	ledger->ops->tidy(ledger);
}

static int health(struct journal *journal, const char **reason)
{
	struct ledger *ledger = direct_of(journal)->ledger;

	return ledger->ops->health(ledger, reason);
}

static void journal_free(struct journal *base)
{
	if (!base)
		return;
	free(direct_of(base)->entries);
	free(direct_of(base));
}

static const struct journal_ops direct_ops = {
	.name = "direct",
	.in_ledger = true,
	.append = append,
	.barrier = barrier,
	.ends = ends,
	.partition = partition,
	.read = read_range,
	.tidy = tidy,
	.health = health,
	.free = journal_free,
};

int journal_direct_new(struct journal **out, struct ledger *ledger)
{
	struct journal_direct *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return error_origin(-ENOMEM);
	journal->base.ops = &direct_ops;
	journal->ledger = ledger;
	journal->capacity = ENTRIES_START;
	journal->entries = calloc(ENTRIES_START, sizeof(*journal->entries));
	if (!journal->entries) {
		free(journal);
		return error_origin(-ENOMEM);
	}
	*out = &journal->base;
	return 0;
}

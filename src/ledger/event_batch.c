#include "ledger/event_batch.h"

#include "base/log.h"

int event_batch_halve(event_range *apply, void *context, struct ledger_entry *entries, size_t count)
{
	size_t half = count / 2;
	bool broken = false;
	int result = apply(context, entries, count, &broken);

	if (result != 0 || !broken)
		return result;
	if (count == 1) {
		entries->outcome = LEDGER_CONSTRAINT;
		return 0;
	}
	result = event_batch_halve(apply, context, entries, half);
	return result != 0 ? result : event_batch_halve(apply, context, entries + half, count - half);
}

void event_batch_log_violations(const struct ledger_entry *entries, size_t count)
{
	char id[UUID_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (entries[i].outcome != LEDGER_CONSTRAINT)
			continue;
		uuid_format(&entries[i].event->id, id);
		log_error("ledger", "a last-line constraint fired: an event that must not be was kept out", LOG_TEXT("id", id),
			  LOG_TEXT("kind", event_kind_name(entries[i].event->kind)), LOG_INT("sale", entries[i].event->sale));
	}
}

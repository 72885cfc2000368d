#include "recovery/barrier_check.h"

#include "base/log.h"

void barrier_check_init(struct barrier_check *check, struct ledger *ledger)
{
	*check = (struct barrier_check){.ledger = ledger};
}

void barrier_check_deinit(struct barrier_check *check)
{
	for (size_t i = 0; i < check->count; i++)
		free(check->armed[i]);
	free(check->armed);
	*check = (struct barrier_check){0};
}

static void drop(struct barrier_check *check, size_t place)
{
	free(check->armed[place]);
	check->armed[place] = check->armed[--check->count];
}

static int fit(struct barrier_check *check)
{
	size_t room = check->room ? 2 * check->room : 16;
	struct sale **grown;

	if (check->count < check->room)
		return 0;
	grown = realloc(check->armed, room * sizeof(*grown));
	if (!grown)
		return error_origin(-ENOMEM);
	check->armed = grown;
	check->room = room;
	return 0;
}

int barrier_check_add(struct barrier_check *check, const struct sale *armed, uint32_t epoch)
{
	size_t size = sizeof(*armed) + armed->lot_count * sizeof(armed->lots[0]);
	struct sale *copy;

	for (size_t i = check->count; i > 0; i--)
		if (check->armed[i - 1]->number == armed->number)
			drop(check, i - 1);
	copy = fit(check) == 0 ? malloc(size) : NULL;
	if (!copy)
		return error_origin(-ENOMEM);
	memcpy(copy, armed, size);
	copy->epoch = epoch;
	check->armed[check->count++] = copy;
	return 0;
}

/* How many lots the drain has other sums of. */
static size_t compare(const struct sale *armed, const struct sale *now)
{
	size_t unequal = 0;

	for (uint32_t i = 0; i < armed->lot_count && i < now->lot_count; i++) {
		const struct sale_lot *ours = &armed->lots[i], *drained = &now->lots[i];

		if (ours->held == drained->barrier_held && ours->confirmed == drained->barrier_confirmed &&
		    ours->withdrawn == drained->barrier_withdrawn)
			continue;
		unequal++;
		log_error("rebuild", "THE STOCK WAS ARMED WITH OTHER UNITS THAN THE LEDGER HAS AT THE BARRIER",
			  LOG_TEXT("sale", armed->id), LOG_TEXT("sku", ours->sku), LOG_INT("epoch", armed->epoch),
			  LOG_INT("armed_held", ours->held), LOG_INT("armed_confirmed", ours->confirmed),
			  LOG_INT("armed_withdrawn", ours->withdrawn), LOG_INT("ledger_held", drained->barrier_held),
			  LOG_INT("ledger_confirmed", drained->barrier_confirmed),
			  LOG_INT("ledger_withdrawn", drained->barrier_withdrawn));
	}
	return unequal;
}

size_t barrier_check_look(struct barrier_check *check, size_t most)
{
	size_t unequal = 0;

	for (size_t looked = 0, all = check->count; looked < most && looked < all; looked++) {
		size_t place = check->next < check->count ? check->next : 0;
		const struct sale *armed = check->armed[place];
		struct sale *now = NULL;
		int r = check->ledger->ops->sale_get(check->ledger, armed->number, SLICE_NULL, &now);

		if (r < 0)
			break;
		check->next = place + 1;
		if (r == 0 && now->barrier == armed->epoch)
			unequal += compare(armed, now);
		/* Behind a newer barrier the sums are of that one: who has armed under it compares them. */
		if (r > 0 || now->barrier >= armed->epoch) {
			drop(check, place);
			check->next = place;
		}
		free(now);
	}
	return unequal;
}

#include "engine/services.h"

#include <stdlib.h>
#include "engine/adapters.h"

bool services_sell(struct stock *stock)
{
	uint32_t number = 0;
	size_t count = 1;

	while (stock->ops->kept(stock, number, &number, 1, &count) == 0 && count) {
		struct sale *sale;

		if (stock->ops->recall(stock, number, &sale) == 0) {
			free(sale);
			return true;
		}
	}
	return false;
}

/*
 * `away`: what the ledger came to. What the stock has armed is sold meanwhile; where it has nothing
 * the ledger is waited for.
 */
static int open_without_ledger(struct services *services, int away, enum waiting_service *service)
{
	const struct settings *settings = services->settings;
	int r = 0;

	*service = WAITING_JOURNAL;
	if (!services->journal)
		r = adapters_open_journal(settings, NULL, &services->journal);
	if (r == 0)
		*service = WAITING_STOCK;
	if (r == 0 && !services->stock)
		r = adapters_open_stock(settings, &services->stock);
	if (r < 0)
		return r;
	*service = WAITING_LEDGER;
	r = adapters_check_journal_by_stock(services->journal, services->stock);
	if (r < 0 || !services_sell(services->stock))
		return away;
	r = adapters_open_ledger_later(settings, &services->ledger);
	services->journal_checked = services->ledger_later = r == 0;
	return r;
}

int services_open(void *context, enum waiting_service *service)
{
	struct services *services = context;
	const struct settings *settings = services->settings;
	int r = 0;

	*service = WAITING_LEDGER;
	if (!services->ledger)
		r = adapters_open_own_ledger(settings, &services->ledger);
	if (waiting_is_for(r) && adapters_outlives_ledger(settings))
		return open_without_ledger(services, r, service);
	if (r == 0)
		*service = WAITING_JOURNAL;
	if (r == 0 && !services->journal)
		r = adapters_open_journal(settings, services->ledger, &services->journal);
	if (r == 0)
		*service = WAITING_STOCK;
	if (r == 0 && !services->stock)
		r = adapters_open_stock(settings, &services->stock);
	if (r == 0 && !services->journal_checked) {
		*service = WAITING_LEDGER;
		r = adapters_check_journal(settings, services->ledger, services->journal, services->stock, false);
		services->journal_checked = r == 0;
	}
	return r;
}

int services_meet_ledger(void *context)
{
	struct services *services = context;

	if (services->meet)
		return services->meet(services->context);
	return adapters_check_journal(services->settings, services->ledger, services->journal, services->stock, true);
}

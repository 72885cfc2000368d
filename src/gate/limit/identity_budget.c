#include "gate/limit/identity_budget.h"

#include <stdlib.h>
#include "gate/limit/address_limit.h"

struct identity_budget {
	struct address_limit *clients, *sites;
};

int identity_budget_new(struct identity_budget **out, uint32_t requests, uint32_t seconds)
{
	struct identity_budget *budget = calloc(1, sizeof(*budget));
	int r;

	if (!budget)
		return error_origin(-ENOMEM);
	r = address_limit_new(&budget->clients, requests, seconds, ADDRESS_LIMIT_CLIENTS);
	if (r == 0)
		r = address_limit_new(&budget->sites, requests * IDENTITY_BUDGET_SITE, seconds, ADDRESS_LIMIT_SITES);
	if (r < 0) {
		identity_budget_free(budget);
		return r;
	}
	*out = budget;
	return 0;
}

void identity_budget_free(struct identity_budget *budget)
{
	if (!budget)
		return;
	address_limit_free(budget->clients);
	address_limit_free(budget->sites);
	free(budget);
}

bool identity_budget_may_be_spent(const struct identity_budget *budget, int64_t now_ms)
{
	return address_limit_may_be_full(budget->clients, now_ms) || address_limit_may_be_full(budget->sites, now_ms);
}

bool identity_budget_spent(struct identity_budget *budget, const struct address *client, int64_t now_ms, int64_t *retry_after_ms)
{
	struct address site = address_site(client);

	if (address_limit_full(budget->clients, client, now_ms, retry_after_ms))
		return true;
	return !address_is_ipv4(client) && address_limit_full(budget->sites, &site, now_ms, retry_after_ms);
}

void identity_budget_count(struct identity_budget *budget, const struct address *client, int64_t now_ms)
{
	struct address site = address_site(client);
	int64_t ignored;

	(void)address_limit_pass(budget->clients, client, now_ms, &ignored);
	if (!address_is_ipv4(client))
		(void)address_limit_pass(budget->sites, &site, now_ms, &ignored);
}

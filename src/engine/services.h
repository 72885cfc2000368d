/*
 * The services of a gate, opened in their order: ledger, journal, stock. Where the ledger is away
 * and what is sold needs none (the stock is in Redis, the journal in Kafka), a gate begins without
 * it: what the stock has armed it sells by the rows that the stock has kept, and into the log that
 * the stock names. Once the ledger can be asked, its word is held against that.
 */
#pragma once

#include "config/settings.h"
#include "engine/waiting.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct services {
	const struct settings *settings; /* borrowed */
	struct ledger *ledger;           /* the caller's, these three; NULL: not open yet */
	struct journal *journal;
	struct stock *stock;
	bool journal_checked;       /* it is the log that the ledger is filled from */
	bool ledger_later;          /* the ledger was opened to be asked later */
	int (*meet)(void *context); /* of one that was handed in so: in place of what is done here; NULL */
	void *context;
};

/*
 * Whether the stock has armed a sale whose row it has kept: then a gate may begin without the
 * ledger.
 */
bool services_sell(struct stock *stock);
/* As waiting_start.open, with the services as its context. */
int services_open(void *services, enum waiting_service *service) MUST_CHECK;
/*
 * As sale_keeper_settings.meet_ledger: the ledger can be asked for the first time. 0; -EINVAL: it
 * is filled from another log, or spread otherwise, than what was sold by; another negative: it
 * cannot say now. Logged.
 */
int services_meet_ledger(void *services) MUST_CHECK;

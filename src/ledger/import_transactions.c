#include "ledger/import_transactions.h"

#include "ledger/item_transactions.h"
#include "ledger/log_detail.h"
#include "ledger/sale_transactions.h"
#include "ledger/transaction.h"

/* Of what a dry run would have done nothing stays; no part of an import tells this itself. */
enum { WOULD_BE_DONE = LEDGER_ALREADY };

struct importing {
	struct ledger_import *import;
	const struct ledger_actor *actor;
};

/*
 * The request is that of the whole, so each part is done without it; one row more has it, and says
 * what belongs together.
 */
static int run(struct transaction *transaction, void *request)
{
	const struct importing *importing = request;
	struct ledger_import *import = importing->import;
	struct ledger_actor part = *importing->actor;
	char detail[LOG_DETAIL_SIZE];
	int result = transaction_check_request(transaction, importing->actor);

	part.request = NULL;
	import->in_sale = false;
	for (size_t i = 0; i < import->item_count && result == 0; i++) {
		import->at = i;
		result = item_transaction_insert(transaction, &import->items[i], &part);
	}
	for (size_t i = 0; i < import->sale_count && result == 0; i++) {
		import->in_sale = true;
		import->at = i;
		result = sale_transaction_insert(transaction, import->sales[i], &part, &import->lot);
	}
	if (result == 0)
		result = transaction->rows->records->write_log(transaction, importing->actor, ACTION_IMPORT, SLICE("items and sales"),
							       log_detail_import(detail, import->item_count, import->sale_count));
	return result == 0 && import->dry_run ? WOULD_BE_DONE : result;
}

int import_transaction(struct ledger *ledger, struct ledger_import *import, const struct ledger_actor *actor)
{
	struct importing importing = {import, actor};
	int result = transaction_run(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, run, &importing);

	return import->dry_run && result == WOULD_BE_DONE ? LEDGER_DONE : result;
}

/*
 * What operators ask for, as one transaction of the writer each; and the rows that it is made of
 * (ledger/transaction.h).
 */
#include "ledger/sqlite/sqlite_ledger.h"

static const struct record_rows records = {
	.write_movement = sqlite_movement_write,
	.movement_exists = sqlite_movement_exists,
	.write_log = sqlite_log_row_write,
	.find_request = sqlite_request_read,
	.write_request = sqlite_request_write,
	.read_relay = sqlite_relay_read,
	.write_relay = sqlite_relay_write,
	.write_dead_letter = sqlite_dead_letter_write,
	.remove_dead_letter = sqlite_dead_letter_remove,
};

/* There is one writer: whatever the scope, nobody else changes anything meanwhile. */
static int sqlite_transaction_run(struct ledger *base, unsigned int scope, transaction_fn *body, void *request)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_transaction transaction = {.base.rows = &sqlite_transaction_rows};
	int result = sqlite_writer_begin(ledger, &transaction.connection);

	(void)scope;
	return result < 0 ? result : sqlite_writer_end(ledger, body(&transaction.base, request));
}

const struct transaction_rows sqlite_transaction_rows = {
	.run = sqlite_transaction_run,
	.sales = &sqlite_sale_rows,
	.lots = &sqlite_lot_rows,
	.items = &sqlite_item_rows,
	.records = &records,
};

/*
 * What operators ask for, as one transaction of the writer each; and the rows that it is made of
 * (ledger/transaction.h).
 */
#include "ledger/postgres/postgres_ledger.h"

static const struct record_rows records = {
	.write_movement = pg_movement_write,
	.movement_exists = pg_movement_exists,
	.write_log = pg_log_row_write,
	.find_request = pg_request_read,
	.write_request = pg_request_write,
	.read_relay = pg_relay_read,
	.write_relay = pg_relay_write,
	.write_dead_letter = pg_dead_letter_write,
	.remove_dead_letter = pg_dead_letter_remove,
};

static int run_in_writer(struct ledger *base, unsigned int scope, transaction_fn *body, void *request)
{
	struct pg_work work = {.transaction = {&pg_transaction_rows},
			       .ledger = postgres_ledger_of(base),
			       .logs = scope & TRANSACTION_LOGS,
			       .changes_sale = scope & TRANSACTION_CHANGES_SALES};

	while (pg_work_begin(&work))
		pg_work_end(&work, body(&work.transaction, request));
	return work.result;
}

const struct transaction_rows pg_transaction_rows = {
	.run = run_in_writer,
	.sales = &pg_sale_rows,
	.lots = &pg_lot_rows,
	.items = &pg_item_rows,
	.records = &records,
};

#include "ledger/request_transactions.h"

#include "ledger/transaction.h"

struct request_note {
	struct ledger_request *request;
	int64_t outcome, at_ms;
};

static int note(struct transaction *transaction, void *argument)
{
	const struct record_rows *records = transaction->rows->records;
	const struct request_note *noted = argument;
	int result;

	noted->request->outcome = noted->outcome;
	result = records->find_request(transaction, noted->request);
	if (result == 0)
		result = records->write_request(transaction, noted->request, noted->at_ms);
	if (result != 0)
		return result;
	/*
	 * Of two at once one has written it down by the time the other goes on, and then reads it.
	 */
	result = records->find_request(transaction, noted->request);
	return result == LEDGER_REPEATED && noted->request->outcome == noted->outcome ? 0 : result;
}

int request_transaction_note(struct ledger *ledger, struct ledger_request *request, int64_t at_ms)
{
	struct request_note noted = {request, request->outcome, at_ms};

	return transaction_run(ledger, 0, note, &noted);
}

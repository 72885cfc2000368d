#include "ledger/log_transactions.h"

#include "ledger/transaction.h"

struct log_entry {
	const struct ledger_actor *actor;
	enum log_action action;
	struct slice subject, detail;
};

static int append(struct transaction *transaction, void *request)
{
	const struct log_entry *entry = request;
	int result = transaction_check_request(transaction, entry->actor);

	if (result != 0)
		return result;
	return transaction->rows->records->write_log(transaction, entry->actor, entry->action, entry->subject, entry->detail);
}

int log_transaction_append(struct ledger *ledger, const struct ledger_actor *actor, enum log_action action, struct slice subject,
			   struct slice detail_json)
{
	struct log_entry entry = {actor, action, subject, detail_json};

	return transaction_run(ledger, TRANSACTION_LOGS, append, &entry);
}

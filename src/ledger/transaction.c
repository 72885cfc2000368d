#include "ledger/transaction.h"

int transaction_run(struct ledger *ledger, unsigned int scope, transaction_fn *body, void *request)
{
	const struct sql_ledger *sql = (const struct sql_ledger *)ledger;

	return sql->rows->run(ledger, scope, body, request);
}

int transaction_check_request(struct transaction *transaction, const struct ledger_actor *actor)
{
	return actor->request ? transaction->rows->records->find_request(transaction, actor->request) : 0;
}

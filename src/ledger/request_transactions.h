/*
 * The transaction of a request whose change follows in another one. A call of the port, see
 * ledger_ops. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

int request_transaction_note(struct ledger *ledger, struct ledger_request *request, int64_t at_ms);

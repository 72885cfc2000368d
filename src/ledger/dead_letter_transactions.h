/* Transactions of dead letters. Calls of the port, see ledger_ops. Private to the adapters. */
#pragma once

#include "port/ledger.h"

int dead_letter_transaction_write(struct ledger *ledger, const struct event *event, const char *reason, int64_t now_ms);
int dead_letter_transaction_remove(struct ledger *ledger, int64_t number);
int dead_letter_transaction_forget(struct ledger *ledger, const struct ledger_actor *actor, int64_t number, struct slice detail_json);

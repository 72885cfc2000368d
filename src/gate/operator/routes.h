/* What answers an operator: on a ledger worker's thread, or on the loop's. */
#pragma once

#include "gate/ledger_task.h"

void operator_items_list(struct ledger_task *task);
void operator_items_create(struct ledger_task *task);
void operator_items_show(struct ledger_task *task);
void operator_items_receive(struct ledger_task *task);
void operator_items_adjust(struct ledger_task *task);
void operator_imports(struct ledger_task *task);
void operator_sales_list(struct ledger_task *task);
void operator_sales_create(struct ledger_task *task);
void operator_sales_show(struct ledger_task *task);
void operator_sales_change(struct ledger_task *task);
void operator_sales_move(struct ledger_task *task); /* argument: enum sale_action */
void operator_sales_delete(struct ledger_task *task);
void operator_relays_show(struct ledger_task *task);
void operator_relays_keep(struct ledger_task *task);
void operator_relays_skip(struct ledger_task *task);
void operator_lots_add(struct ledger_task *task);
void operator_lots_withdraw(struct ledger_task *task);

void operator_sales_brake(struct gate_request *request); /* argument: SALE_PAUSE, SALE_RESUME */
void operator_whoami(struct gate_request *request);
void operator_audit(struct gate_request *request);
void operator_log(struct gate_request *request);
void operator_changes(struct gate_request *request);

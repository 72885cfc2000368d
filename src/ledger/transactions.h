/* The calls of the port that are transactions of rows (transaction.h), for an adapter's table. Private to the adapters. */
#pragma once

#include "ledger/dead_letter_transactions.h"
#include "ledger/item_transactions.h"
#include "ledger/log_transactions.h"
#include "ledger/lot_transactions.h"
#include "ledger/request_transactions.h"
#include "ledger/sale_transactions.h"

/* clang-format off */
#define LEDGER_TRANSACTIONS                                   \
	.item_create = item_transaction_create,               \
	.item_receive = item_transaction_receive,             \
	.item_adjust = item_transaction_adjust,               \
	.sale_create = sale_transaction_create,               \
	.sale_update = sale_transaction_update,               \
	.sale_move = sale_transaction_move,                   \
	.sale_raise_epoch = sale_transaction_raise_epoch,     \
	.sale_set_lots = lot_transaction_set,                 \
	.lot_add = lot_transaction_add,                       \
	.lots_armed = lot_transaction_arm,                    \
	.request_note = request_transaction_note,             \
	.log_append = log_transaction_append,                 \
	.dead_letter = dead_letter_transaction_write,         \
	.dead_letter_remove = dead_letter_transaction_remove, \
	.dead_letter_forget = dead_letter_transaction_forget
/* clang-format on */

/*
 * The calls of the port, for an adapter's table: the transactions of rows, which are said once
 * (transaction.h), and those that each adapter has itself, as ADAPTER_apply() and so on. Private to
 * the adapters.
 */
#pragma once

#include "ledger/dead_letter_transactions.h"
#include "ledger/import_transactions.h"
#include "ledger/item_transactions.h"
#include "ledger/log_transactions.h"
#include "ledger/lot_transactions.h"
#include "ledger/relay_transactions.h"
#include "ledger/request_transactions.h"
#include "ledger/sale_transactions.h"

/* The same in every adapter. */
/* clang-format off */
#define LEDGER_TRANSACTIONS                                   \
	.import = import_transaction,                         \
	.item_create = item_transaction_create,               \
	.item_receive = item_transaction_receive,             \
	.item_adjust = item_transaction_adjust,               \
	.sale_create = sale_transaction_create,               \
	.sale_update = sale_transaction_update,               \
	.sale_move = sale_transaction_move,                   \
	.sale_release = sale_transaction_release,             \
	.sale_disarm = sale_transaction_disarm,               \
	.sale_raise_epoch = sale_transaction_raise_epoch,     \
	.sale_set_lots = lot_transaction_set,                 \
	.lot_add = lot_transaction_add,                       \
	.lots_armed = lot_transaction_arm,                    \
	.request_note = request_transaction_note,             \
	.relay_put = relay_transaction_put,                   \
	.relay_skip = relay_transaction_skip,                 \
	.log_append = log_transaction_append,                 \
	.dead_letter = dead_letter_transaction_write,         \
	.dead_letter_remove = dead_letter_transaction_remove, \
	.dead_letter_forget = dead_letter_transaction_forget
/* clang-format on */

/* An adapter's own, each as the port says: declared, and in its table. */
#define LEDGER_ADAPTER_CALLS(adapter)                                                                                                 \
	int adapter##_apply(struct ledger *ledger, struct ledger_entry *entries, size_t count);                                       \
	int adapter##_drain(struct ledger *ledger, struct ledger_drain *batch);                                                       \
	int adapter##_journal_identify(struct ledger *ledger, struct slice cluster, struct slice topic, uint32_t *partitions,         \
				       char **known);                                                                                 \
	int adapter##_journal_position(struct ledger *ledger, uint32_t partition, int64_t *next, uint64_t *mark);                     \
	int adapter##_elect(struct ledger *ledger, bool candidate);                                                                   \
	int adapter##_item_get(struct ledger *ledger, struct slice sku, struct ledger_item *item);                                    \
	int adapter##_items(struct ledger *ledger, struct slice after, struct ledger_item *items, size_t max, size_t *count);         \
	int adapter##_sale_get(struct ledger *ledger, uint32_t number, struct slice id, struct sale **sale);                          \
	int adapter##_sales(struct ledger *ledger, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max,            \
			    size_t *count);                                                                                           \
	int adapter##_sales_changed(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count);           \
	int adapter##_order_get(struct ledger *ledger, const struct uuid *id, struct ledger_order *order);                            \
	int adapter##_orders(struct ledger *ledger, const struct ledger_order_filter *filter, struct ledger_order *orders,            \
			     size_t max, size_t *count);                                                                              \
	int adapter##_changes(struct ledger *ledger, const struct ledger_change_filter *filter, struct ledger_change *changes,        \
			      size_t max, size_t *count, struct ledger_cursor *next);                                                 \
	int adapter##_sale_snapshot(struct ledger *ledger, uint32_t sale, struct ledger_snapshot *snapshot,                           \
				    ledger_orders_fn *page, void *context);                                                           \
	int adapter##_lots_unequal(struct ledger *ledger, struct ledger_unequal_lot *lots, size_t max, size_t *count);                \
	int adapter##_payments_shared(struct ledger *ledger, int64_t *count);                                                         \
	int adapter##_request_find(struct ledger *ledger, struct ledger_request *request);                                            \
	int adapter##_relay_get(struct ledger *ledger, struct slice name, struct ledger_relay *relay);                                \
	int adapter##_log_rows(struct ledger *ledger, const struct ledger_log_filter *filter, struct ledger_log_row *rows,            \
			       size_t max, size_t *count);                                                                            \
	int adapter##_dead_letters(struct ledger *ledger, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count); \
	int adapter##_audit(struct ledger *ledger, struct ledger_audit *audit);                                                       \
	int adapter##_health(struct ledger *ledger, const char **reason);                                                             \
	int adapter##_recover(struct ledger *ledger);                                                                                 \
	void adapter##_tidy(struct ledger *ledger)

/* clang-format off */
#define LEDGER_ADAPTER_TABLE(adapter)                   \
	.apply = adapter##_apply,                       \
	.drain = adapter##_drain,                       \
	.journal_identify = adapter##_journal_identify, \
	.journal_position = adapter##_journal_position, \
	.elect = adapter##_elect,                       \
	.item_get = adapter##_item_get,                 \
	.items = adapter##_items,                       \
	.sale_get = adapter##_sale_get,                 \
	.sales = adapter##_sales,                       \
	.sales_changed = adapter##_sales_changed,       \
	.order_get = adapter##_order_get,               \
	.orders = adapter##_orders,                     \
	.changes = adapter##_changes,                   \
	.sale_snapshot = adapter##_sale_snapshot,       \
	.lots_unequal = adapter##_lots_unequal,         \
	.payments_shared = adapter##_payments_shared,   \
	.request_find = adapter##_request_find,         \
	.relay_get = adapter##_relay_get,               \
	.log_rows = adapter##_log_rows,                 \
	.dead_letters = adapter##_dead_letters,         \
	.audit = adapter##_audit,                       \
	.health = adapter##_health,                     \
	.recover = adapter##_recover,                   \
	.tidy = adapter##_tidy
/* clang-format on */

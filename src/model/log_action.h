/*
 * What rows of the operator log are about, said once: a new action is a row here.
 */
#pragma once

#include <stdbool.h>
#include "text/slice.h"

/* ACTION(name, text): ACTION_name, and `text` in the ledger, where it stays what it was. */
#define LOG_ACTIONS(ACTION)                              \
	ACTION(ITEM_CREATE, "item.create")               \
	ACTION(ITEM_RECEIVE, "item.receive")             \
	ACTION(ITEM_ADJUST, "item.adjust")               \
	ACTION(IMPORT, "import")                         \
	ACTION(SALE_CREATE, "sale.create")               \
	ACTION(SALE_UPDATE, "sale.update")               \
	ACTION(SALE_LOTS, "sale.lots")                   \
	ACTION(SALE_ARM, "sale.arm")                     \
	ACTION(SALE_DISARM, "sale.disarm")               \
	ACTION(SALE_OPEN, "sale.open")                   \
	ACTION(SALE_PAUSE, "sale.pause")                 \
	ACTION(SALE_RESUME, "sale.resume")               \
	ACTION(SALE_END, "sale.end")                     \
	ACTION(SALE_DELETE, "sale.delete")               \
	ACTION(LOT_ADD, "lot.add")                       \
	ACTION(LOT_WITHDRAW, "lot.withdraw")             \
	ACTION(ORDER_CONFIRM, "order.confirm")           \
	ACTION(ORDER_PAID, "order.paid")                 \
	ACTION(ORDER_EXTEND, "order.extend")             \
	ACTION(ORDER_CANCEL, "order.cancel")             \
	ACTION(ORDER_REFUND, "order.refund")             \
	ACTION(ORDER_REDUCE, "order.reduce")             \
	ACTION(RELAY_SKIP, "relay.skip")                 \
	ACTION(DEAD_LETTER_FORGET, "dead-letter.forget") \
	ACTION(OPERATOR_REFUSED, "operator.refused")     \
	ACTION(LOG_LEVEL, "log.level")                   \
	ACTION(SETTINGS_RELOAD, "settings.reload")

enum log_action {
#define ACTION(name, text) ACTION_##name,
	LOG_ACTIONS(ACTION)
#undef ACTION
		ACTION_COUNT
};

const char *log_action_name(enum log_action action);
/* What rows may be asked for by: an action, or what stands before the dot of some. */
bool log_action_asked(struct slice text);

/*
 * What the operator log says of each change: its action's name and its detail in JSON. The same in
 * every database. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

enum { LOG_DETAIL_SIZE = 1024, LOG_TERMS_MAX = 4096 };

/* `out` starts empty, with room for LOG_TERMS_MAX; the caller looks at out->failed. */
void log_detail_terms(struct buffer *out, const struct sale *sale);
struct slice log_detail_item(char text[static LOG_DETAIL_SIZE], int64_t on_hand);
/* Units of an item received, or (with a reason) adjusted. */
struct slice log_detail_receive(char text[static LOG_DETAIL_SIZE], int64_t units, struct slice reason, const struct uuid *movement);
struct slice log_detail_import(char text[static LOG_DETAIL_SIZE], size_t items, size_t sales);
/* Units of a lot added or withdrawn. */
struct slice log_detail_units(char text[static LOG_DETAIL_SIZE], const char *sku, uint32_t units, const struct uuid *movement);
/*
 * Lots and the units that each is to have: the first ones, as many as there is room for, and how
 * many more there are.
 */
struct slice log_detail_lots(char text[static LOG_DETAIL_SIZE], const struct sale_lot *lots, uint32_t count);
/* With what the event says of its reason, and of where units go. */
struct slice log_detail_order(char text[static LOG_DETAIL_SIZE], const char *sale_id, const char *sku, const struct event *event);

enum log_action log_action_of_sale(enum sale_action action);
enum log_action log_action_of_event(enum event_kind kind);

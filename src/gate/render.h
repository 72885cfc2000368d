/* JSON of what the interface shows. */
#pragma once

#include "port/ledger.h"
#include "port/stock.h"
#include "text/json_write.h"

/* An order as its buyer sees it. hold_expires_at_ms 0: null. */
struct order_view {
	struct uuid id;
	struct slice sale, sku, buyer, trace; /* trace: operators only; empty: left out */
	uint32_t quantity;
	enum order_state state;
	int64_t hold_expires_at_ms;
	const struct payment_row *payment; /* operators only; NULL or without a reference: left out */
	const char *currency;              /* operators only: of the price; NULL: without a price */
	int64_t unit_price;
	int64_t updated_at_ms, confirmed_at_ms; /* 0: left out */
	enum actor_kind actor_kind;             /* operators only, as what follows: who changed it at updated_at_ms, and why */
	struct slice actor, reason;             /* empty: left out */
	struct labels labels;                   /* operators only; what is empty is left out */
};
void render_order(const struct order_view *order, struct buffer *out);
/* Of a lot that its sale has; payment NULL: for its buyer. */
void render_stock_order(const struct stock_order *order, const struct sale *sale, struct slice buyer,
			const struct payment_row *payment, struct buffer *out);
void render_ledger_order(const struct ledger_order *order, struct buffer *out); /* for operators: with its trace and its payment */
void render_hide_operators(struct ledger_order *order);                         /* what buyers do not see */

/*
 * For buyers: what is sold out, but no numbers. `lots`: of the stock; NULL where it has none: then
 * nothing of an ended sale is left, and of another one nobody can say so.
 */
void render_public_sale(const struct sale *sale, const struct stock_lot_state *lots, int64_t wall_ms, struct buffer *out);
/* As render_public_sale(), without its lots. */
void render_public_terms(const struct sale *sale, int64_t wall_ms, struct buffer *out);
/*
 * For operators; where the stock has no such sale the ledger's own figures stand. Without a version
 * where the ledger is yet to be told of a change, which will raise it.
 */
void render_operator_sale(const struct sale *sale, const struct stock_lot_state *lots, bool has_version, struct buffer *out);
/* As render_operator_sale(), without its lots, its version and its epoch. */
void render_operator_terms(const struct sale *sale, struct buffer *out);
/* What is on hand and gone by the ledger's figures. */
struct stock_lot_state render_lot_state_in_ledger(const struct sale_lot *lot);
void render_operator_lot(const char *sku, const struct stock_lot_state *lot, struct buffer *out);
void render_item(const struct ledger_item *item, struct buffer *out);

void render_time(int64_t wall_ms, struct buffer *out); /* a string, or null where it is not set */
/* {"time":…,"unix_ms":…} */
void render_clock(int64_t wall_ms, struct buffer *out);

/* As json_write.h has them. */
static inline void render_name(struct buffer *out, const char *name)
{
	json_write_name(out, name);
}
static inline void render_int_member(struct buffer *out, const char *name, int64_t value)
{
	json_write_int(out, name, value);
}
static inline void render_text_member(struct buffer *out, const char *name, struct slice value)
{
	json_write_text(out, name, value);
}

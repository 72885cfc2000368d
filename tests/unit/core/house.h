/*
 * A whole house without threads or sockets: a SQLite ledger in a folder of its own, memory stock,
 * direct journal, catalog and control, and a clock that stands still until it is told. Asserts by
 * itself.
 */
#pragma once

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "contract/sqlite_place.h"
#include "core/admission.h"
#include "core/sale_control.h"

enum { HOUSE_ON_HAND = 1000, HOUSE_RETENTION_MS = 3600000, HOUSE_HOLD_S = 60 };
#define HOUSE_NOW_MS INT64_C(1800000000000)

struct house {
	struct sqlite_place *place;
	struct ledger *ledger;
	struct journal *journal;
	struct stock *stock;
	struct sale_catalog *catalog;
	struct sale_control *control;
	struct order_control orders;
	struct uuid_generator ids;
	/* The next appends come to this end without reaching the ledger; 0: the journal's own. */
	enum journal_end pretend;
	bool no_stock; /* what is durable no stock can prove the epoch of */
	/* What the last append was asked for. */
	struct event last;
	struct event_text last_text;
	size_t appends;
	/* Runs inside an append, before its end: what others see at that moment. */
	void (*during)(struct house *house);
	bool during_ran;
};

/* cmocka's set-up and tear-down: *state is a struct house with items SHIRT and SHOE, no sale. */
int house_open(void **state);
int house_close(void **state);
/*
 * Everything but the ledger's file is made anew, as a program that starts again would; the stock is
 * empty.
 */
void house_restart(struct house *house);
/* From here on the control takes the stock for one that others sell from, too. */
void house_share_stock(struct house *house);

/*
 * The clock alone, for tests that need no house: it stands still at HOUSE_NOW_MS.
 * clock_set_source(NULL) gives it back.
 */
void house_take_clock(void);
void house_pass(int64_t ms);   /* both clocks */
void house_jump(int64_t ms);   /* the wall clock alone */
void house_let_time_run(void); /* for tests with threads: both clocks go on from here, until the house is closed */
/* Bounded polling; fails the test where the condition does not come. */
void house_wait(bool (*condition)(void *context), void *context);
struct ledger_actor house_actor(void); /* "olga", now */

/*
 * A draft of lots SHIRT (10) and SHOE (5), limit 3, hold HOUSE_HOLD_S, no times; the caller changes
 * it and creates it.
 */
struct sale *house_draft(const char *id);
void house_create(struct house *house, struct sale *draft); /* frees the draft */
void house_sell(struct house *house, const char *id);       /* a draft, created and open */
int house_move(struct house *house, const char *id, enum sale_action action);
struct sale *house_sale(struct house *house, const char *id); /* as the ledger has it; free() */
uint32_t house_number(struct house *house, const char *id);
/* As the catalog shows it, or 0. */
enum sale_state house_shown(struct house *house, const char *id);

/* A purchase of lot 0 through stock and journal, durable; its id. */
struct uuid house_buy(struct house *house, const char *id, uint32_t lot, const char *buyer, const char *key, uint32_t quantity);
/* A settlement through stock and journal; STOCK_DONE expected. */
void house_settle(struct house *house, const struct uuid *order, enum order_action action);
/* Expires what has run out, through the journal; how many. */
size_t house_expire(struct house *house);
struct ledger_order house_order(struct house *house, const struct uuid *order);

struct stock_lot_state house_lot(struct house *house, const char *id, uint32_t lot);
#define house_assert_lot(house, id, lot, a, h, c, w) \
	house_assert_lot_at((house), (id), (lot), (a), (h), (c), (w), __FILE__, __LINE__)
/* available, held, confirmed, withdrawn: in the stock and in the ledger alike. */
void house_assert_lot_at(struct house *house, const char *id, uint32_t lot, int64_t available, int64_t held, int64_t confirmed,
			 int64_t withdrawn, const char *file, int line);
int64_t house_on_hand(struct house *house, const char *sku);
void house_assert_audit(struct house *house); /* every promise holds */
/* The journal's way of the core: what `control` and `orders` commit by. */
enum journal_end house_append(void *context, const struct event *event, int64_t started_ns, bool *no_stock);

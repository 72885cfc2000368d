/*
 * A sale: what it sells, to whom, when; and its life by hand and by the clock:
 *
 *   draft -arm-> armed -open-> open <-pause/resume-> paused        armed, open, paused -end-> ended
 *   armed <-pause/resume-> paused, where it was never open
 *   armed -disarm-> draft, and paused where it was never open, while it has no orders
 *   draft -delete-> deleted
 *
 * A draft is nobody's business but the operators': neither the public nor the clock sees it, unless
 * it is announced (the public sees its name and its times) or scheduled (the clock arms it before
 * it opens). `sold out` is not a state but a fact about the stock; it may lift.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "model/limits.h"
#include "model/sale_stops.h"
#include "text/slice.h"

enum sale_state { SALE_DRAFT = 1, SALE_ARMED = 2, SALE_OPEN = 3, SALE_PAUSED = 4, SALE_ENDED = 5, SALE_DELETED = 6 };
enum sale_action {
	SALE_ARM = 1,
	SALE_START = 2,
	SALE_PAUSE = 3,
	SALE_RESUME = 4,
	SALE_END = 5,
	SALE_DELETE = 6,
	SALE_DISARM = 7,
	SALE_ACTION_LAST = SALE_DISARM
};

enum { SALE_NO_TIME = -1 }; /* opens_at_ms, closes_at_ms, ended_at_ms: not set */

struct sale_lot {
	char sku[SKU_MAX + 1];
	uint32_t item;                /* ledger number of the item */
	int64_t allocated, withdrawn; /* units, as the ledger had them when this was read */
	int64_t held, confirmed;
	int64_t barrier_held, barrier_confirmed, barrier_withdrawn; /* what they were where `barrier` lies in the journal */
};

/* As the ledger has it. Lots are numbered by their place, from 0; the place never changes. */
struct sale {
	uint32_t number; /* ledger's, 1 to UUID_TAG_MAX: the tag of its orders' ids */
	uint32_t epoch;
	uint32_t barrier; /* the newest epoch whose barrier the ledger has seen in the journal; 0: none */
	uint32_t version; /* rises with every change of this record */
	uint64_t change; /* the ledger's number of the last change of anything here but held, confirmed and withdrawn: see sales_changed() */
	enum sale_state state;
	char id[SALE_ID_MAX + 1];
	char name[NAME_MAX_BYTES + 1];
	int64_t price_minor;
	char currency[4]; /* ISO 4217 */
	uint32_t limit_per_buyer;
	uint32_t rate_requests, rate_seconds; /* rate_requests 0: no limit */
	uint32_t hold_seconds;                /* 0: orders are born confirmed */
	bool scheduled;                       /* of a draft: the clock arms it */
	bool announced;                       /* of a draft: the public sees it as coming */
	bool opened;                          /* it has been open: one that is paused and was not is resumed to armed */
	bool late_confirm;                    /* a confirm after expiry may reserve again while units are left */
	struct sale_stops stops;
	int64_t opens_at_ms, closes_at_ms; /* wall; SALE_NO_TIME */
	int64_t created_at_ms, ended_at_ms;
	uint32_t lot_count;
	struct sale_lot lots[]; /* lot_count of them */
};

/*
 * 0: *next is the new state; SALE_MOVE_ALREADY, SALE_MOVE_REFUSED: it is not. Unknown values abort.
 */
enum sale_move { SALE_MOVED = 0, SALE_MOVE_ALREADY = 1, SALE_MOVE_REFUSED = 2 };
enum sale_move sale_next(enum sale_state state, bool opened, enum sale_action action, enum sale_state *next) MUST_CHECK;

/*
 * Whether an operator may do it now: what sale_next() moves, and the start of a draft, which is
 * armed on its way.
 */
bool sale_allows(enum sale_state state, bool opened, enum sale_action action);
const char *sale_action_name(enum sale_action action); /* as in the path of its route: "arm" */

/*
 * What the sale is at this moment for a buyer: the clock counts even before the housekeeper has
 * written the new state down, so opening and closing are exact to the millisecond.
 */
enum sale_phase {
	SALE_PHASE_HIDDEN,
	SALE_PHASE_COMING,
	SALE_PHASE_WAITING,
	SALE_PHASE_OPEN,
	SALE_PHASE_PAUSED,
	SALE_PHASE_ENDED
};
enum sale_phase sale_phase(const struct sale *sale, int64_t wall_ms);

/* Whether the stock must have it: it was armed, and not disarmed since. */
bool sale_in_stock(const struct sale *sale);

const char *sale_state_name(enum sale_state state);
/* What an operator can do with a sale of this state, in words that follow "it can be". */
const char *sale_state_allows(enum sale_state state, bool opened);
int sale_state_parse(struct slice name, enum sale_state *state); /* 0 or -EINVAL */
/* The place of the lot with this SKU, or -1. */
int sale_find_lot(const struct sale *sale, struct slice sku);
struct sale *sale_copy(const struct sale *sale); /* malloc'd, NULL when out of memory; free() */

/* Syntax of names that come from outside. */
bool sale_id_valid(struct slice id);
bool sale_sku_valid(struct slice sku);
bool sale_name_valid(struct slice name);
bool sale_buyer_valid(struct slice buyer);
bool sale_key_valid(struct slice key);
/*
 * Keys that the program makes itself for a buyer, which no buyer may use: of a late confirm,
 * LATE_CONFIRM_KEY and the order's id.
 */
#define LATE_CONFIRM_KEY "late-confirm "
bool sale_key_reserved(struct slice key);

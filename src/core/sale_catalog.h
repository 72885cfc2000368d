/*
 * The sale table as the gates see it: an immutable snapshot, swapped whole. A reader keeps a
 * reference of its own and asks once per loop whether there is a newer one (one atomic read); it
 * never waits for the writer's work.
 *
 * Each entry carries the sold-out latch of its lots: the least quantity that was refused, and the
 * version of the lot's stock at which it was. A latch holds only for so many units or more, and
 * while the stock still has that version; units that come back or are added raise the version and
 * lift it. Of a shared stock the version is what this process heard of last, so there the latch
 * also holds only while that is young (admission.h). An entry that is replaced starts unlatched,
 * which costs one more look at the stock.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include "base/error.h"
#include "model/sale.h"

struct sale_latch {
	_Atomic uint64_t word; /* admission.c; 0: not latched */
	atomic_uint asking;    /* purchases at the stock only because what is known of it is too old; see admission_ask() */
};

/* What each request reads lies apart from what each purchase of a shared stock writes. */
struct sale_entry {
	alignas(64) atomic_uint references;
	alignas(64) const struct sale *sale; /* owned; its state with the brake */
	enum sale_state ledger_state;
	bool recalled;               /* as a shared stock has kept it: the ledger has not been asked */
	struct sale_latch latches[]; /* one a lot */
};

/* For who keeps an entry longer than its table. Any thread. */
void sale_entry_ref(struct sale_entry *entry);
void sale_entry_unref(struct sale_entry *entry); /* NULL is fine */

struct sale_table; /* immutable */
struct sale_catalog;

int sale_catalog_new(struct sale_catalog **catalog) MUST_CHECK;
void sale_catalog_free(struct sale_catalog *catalog);

/* Writers (any slow thread). Takes `sale` over (it was malloc'd), adds it or replaces the one with its number, unless that is of a newer change: two that read the
 * ledger may come here in either order. 0 or -ENOMEM (sale is freed). */
int sale_catalog_put(struct sale_catalog *catalog, struct sale *sale) MUST_CHECK;
int sale_catalog_remove(struct sale_catalog *catalog, uint32_t number) MUST_CHECK;
/*
 * The same of what a shared stock has kept: it takes the place of what is older, and what the
 * ledger says later takes its place, whatever it is.
 */
int sale_catalog_put_recalled(struct sale_catalog *catalog, struct sale *sale) MUST_CHECK;
/* Takes out what was recalled and what the ledger has not said since. 0 or -ENOMEM. */
int sale_catalog_remove_recalled(struct sale_catalog *catalog) MUST_CHECK;
/*
 * Whether what is not in there is known not to be there: not while the ledger has not been asked.
 * Any thread.
 */
bool sale_catalog_is_whole(const struct sale_catalog *catalog);
void sale_catalog_set_whole(struct sale_catalog *catalog, bool whole);

/*
 * Told by who follows the ledger's changes, before and behind each look; whether such a look has
 * waited for long now, so that one more would wait as well. Any thread.
 */
void sale_catalog_looks(struct sale_catalog *catalog, bool looks);
bool sale_catalog_waits(const struct sale_catalog *catalog);

/*
 * What an operator has told the stock, and the ledger may not have yet: it counts more than the
 * state that the ledger has, also of what is put later, until it is told otherwise. STOP: what is
 * open or armed is paused. GO: what is paused is open, where the release answers the stops that the
 * sale was read with; so a row from before the release and one with a newer stop are told apart.
 */
struct sale_brake {
	enum { SALE_BRAKE_NONE, SALE_BRAKE_STOP, SALE_BRAKE_GO } word;
	struct sale_release release; /* of GO */
};
/* What a sale that was read in this state is with the brake. */
enum sale_state sale_brake_state(const struct sale *sale, enum sale_state ledger, const struct sale_brake *brake);
/* 0 or -ENOMEM. */
int sale_catalog_brake(struct sale_catalog *catalog, uint32_t number, const struct sale_brake *brake) MUST_CHECK;

/* Readers. The generation rises with every change. */
uint64_t sale_catalog_generation(const struct sale_catalog *catalog);
const struct sale_table *sale_catalog_ref(struct sale_catalog *catalog);
void sale_table_unref(const struct sale_table *table); /* NULL is fine */
/* Valid as long as the table's reference; NULL where there is none. */
struct sale_entry *sale_table_find(const struct sale_table *table, struct slice id);
struct sale_entry *sale_table_find_number(const struct sale_table *table, uint32_t number);
/* Entries by rising number. */
size_t sale_table_count(const struct sale_table *table);
struct sale_entry *sale_table_at(const struct sale_table *table, size_t place);
uint64_t sale_table_generation(const struct sale_table *table);

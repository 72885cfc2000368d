/*
 * One round of rebuilding: sales that a shared stock has forgotten get their stock back, each as
 * soon as it can have it (rule 4). Plain steps, called in this order by the one who is elected
 * (workers/rebuilder.h), who waits between them where that is needed:
 *
 *   learn     the journal's tail is read to its end, once for all sales: which epochs were used, and where each sale's last event is
 *   begin     each sale's epoch is raised above all that was seen, and its stock begun anew
 *   barriers  into the journal; then the tail is read on to them
 *   load      sale by sale, those that sell first and ended ones last, of those the small ones first: the ledger's orders in one snapshot, held against the
 *             ledger's own sums; over them the tail; the epoch once more in the ledger; armed
 *
 * No step waits for a drain. With a journal that is in the ledger there is no tail, and learn and
 * barriers do nothing.
 *
 * What goes wrong with one sale is its own: the others go on. It stays fenced, with why: `held`
 * where only a person, or the drain, can help.
 */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"
#include "recovery/tail.h"

struct round_sale {
	struct tail_sale tail;
	struct sale *sale; /* as the ledger had it when it was begun */
	bool armed;
	size_t orders;    /* of the ledger */
	int error;        /* 0; -ESTALE: another process rebuilds it, or its epoch is no longer ours; else what kept it */
	const char *held; /* static text: it must stay fenced; NULL: nothing */
};

/* A partition of the log, as far as it was learnt. */
struct round_log {
	bool wanted;
	int64_t next;
	uint64_t mark;
};

struct round {
	struct ledger *ledger; /* borrowed, as the others are */
	struct stock *stock;
	struct journal *journal;
	struct round_sale *sales; /* by rising number */
	size_t count, room;
	struct round_log *logs; /* JOURNAL_PARTITIONS_MAX */
	int64_t *ends;          /* likewise */
	bool has_tail;          /* the journal is not in the ledger */
	int64_t short_tail;     /* one of so many records is read for a sale by itself; a longer one once for all that have it */
};

/* 0 or -ENOMEM. */
int round_init(struct round *round, struct ledger *ledger, struct stock *stock, struct journal *journal) MUST_CHECK;
void round_deinit(struct round *round); /* may be repeated */
/* Takes the sale over, whatever comes. Not twice the same number. 0 or -ENOMEM. */
int round_add(struct round *round, struct sale *sale) MUST_CHECK;

/*
 * Each: 0, or negative: the round cannot go on now (a service is away). What is one sale's alone is
 * in its `error`.
 */
int round_learn(struct round *round) MUST_CHECK;
int round_begin(struct round *round) MUST_CHECK;
/*
 * How long to wait between begin and barriers, of a round with a tail: until no stock can grant
 * under an older epoch any more (no gate takes the word of a master that was cut off for longer),
 * nor anybody tell any more who tells after the journal alone, as gates of older versions do for
 * told_ns.
 */
int64_t round_wait_ns(const struct round *round, int64_t told_ns);
int round_barriers(struct round *round) MUST_CHECK;
/*
 * told(): after each sale that came to its end. `stopping` is asked between sales: true breaks off
 * with -ECANCELED.
 */
int round_load(struct round *round, void (*told)(void *context, const struct round_sale *sale), bool (*stopping)(void *context),
	       void *context) MUST_CHECK;

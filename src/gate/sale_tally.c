#include "gate/sale_tally.h"

#include <stdlib.h>
#include <string.h>
#include "base/lines.h"
#include "gate/tally_row.h"

enum { PLACES = 256 }; /* of the index: more than twice the rows, so that the first look mostly finds it */

struct place {
	uint32_t sale; /* 0: none */
	uint32_t row;
};

struct sale_tally {
	struct place index[PLACES]; /* the owner's alone */
	struct tally_row rows[TALLY_SALES];
	_Atomic uint64_t counts[TALLY_SALES][PURCHASE_OUTCOMES];
};

static bool counts_sale(const struct sale *sale)
{
	return sale_in_stock(sale) && sale->state != SALE_ENDED;
}

void sale_tally_choose(const struct sale_table *table, struct sale_choice *choice)
{
	size_t lots = 0;

	choice->count = choice->left_out = 0;
	for (size_t i = sale_table_count(table); i-- > 0;) {
		const struct sale_entry *entry = sale_table_at(table, i);

		if (!counts_sale(entry->sale))
			continue;
		if (choice->count == TALLY_SALES || lots + entry->sale->lot_count > TALLY_LOTS) {
			choice->left_out++;
			continue;
		}
		choice->entries[choice->count++] = entry;
		lots += entry->sale->lot_count;
	}
}

int sale_tally_new(struct sale_tally **out)
{
	struct sale_tally *tally = lines_new(sizeof(*tally));

	if (!tally)
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < TALLY_SALES; i++)
		tally->rows[i].counts = tally->counts[i];
	*out = tally;
	return 0;
}

void sale_tally_free(struct sale_tally *tally)
{
	free(tally);
}

static const struct place *find(const struct sale_tally *tally, uint32_t sale)
{
	const struct place *place = &tally->index[sale % PLACES];

	while (place->sale && place->sale != sale)
		place = place == &tally->index[PLACES - 1] ? tally->index : place + 1;
	return place->sale ? place : NULL;
}

/* The index anew, of what the rows have. */
static void index_rows(struct sale_tally *tally)
{
	memset(tally->index, 0, sizeof(tally->index));
	for (uint32_t i = 0; i < TALLY_SALES; i++) {
		uint32_t sale = tally_row_sale(&tally->rows[i]), at = sale % PLACES;

		if (!sale)
			continue;
		while (tally->index[at].sale)
			at = (at + 1) % PLACES;
		tally->index[at] = (struct place){sale, i};
	}
}

static bool chosen(const struct sale_choice *choice, uint32_t sale)
{
	for (size_t i = 0; i < choice->count; i++)
		if (choice->entries[i]->sale->number == sale)
			return true;
	return false;
}

void sale_tally_follow(struct sale_tally *tally, const struct sale_table *table)
{
	struct sale_choice choice;
	size_t next = 0;

	sale_tally_choose(table, &choice);
	for (size_t i = 0; i < TALLY_SALES; i++)
		if (!chosen(&choice, tally_row_sale(&tally->rows[i])))
			tally_row_give(&tally->rows[i], 0, 0);
	for (size_t i = 0; i < choice.count; i++) {
		uint32_t sale = choice.entries[i]->sale->number;

		if (find(tally, sale))
			continue;
		while (tally_row_sale(&tally->rows[next]))
			next++;
		tally_row_give(&tally->rows[next], sale, PURCHASE_OUTCOMES);
	}
	index_rows(tally);
}

void sale_tally_count(struct sale_tally *tally, uint32_t sale, size_t outcome)
{
	const struct place *place = find(tally, sale);

	if (place)
		tally_row_add(&tally->rows[place->row], outcome);
}

void sale_tally_add_up(const struct sale_tally *tally, uint32_t sale, uint64_t counts[PURCHASE_OUTCOMES])
{
	uint64_t found[PURCHASE_OUTCOMES];

	for (size_t i = 0; i < TALLY_SALES; i++) {
		if (!tally_row_read(&tally->rows[i], sale, found, PURCHASE_OUTCOMES))
			continue;
		for (size_t outcome = 0; outcome < PURCHASE_OUTCOMES; outcome++)
			counts[outcome] += found[outcome];
		return;
	}
}

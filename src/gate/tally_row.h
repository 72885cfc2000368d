/*
 * The counts of one sale, in a row that goes from sale to sale: one thread writes, any may read,
 * and no reader takes one sale's counts for another's. A row that changes hands is nobody's first,
 * then its counts are 0, then it has its new sale; and what a count is read from, is read before
 * the row's sale is looked at again.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_row {
	_Atomic uint32_t sale; /* 0: nobody's */
	_Atomic uint64_t *counts;
};

/* Writer. sale 0: it is nobody's from here on. */
void tally_row_give(struct tally_row *row, uint32_t sale, size_t count);
void tally_row_add(struct tally_row *row, size_t place);
uint32_t tally_row_sale(const struct tally_row *row);
/* Any thread. False: it is not this sale's, or was not all the time. */
bool tally_row_read(const struct tally_row *row, uint32_t sale, uint64_t *counts, size_t count);

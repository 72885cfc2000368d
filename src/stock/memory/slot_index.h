/*
 * A hash index from 32-bit hashes to 32-bit record numbers (1 and up). It does not know the keys:
 * the caller compares the records that share a hash. Eight bytes a slot, open addressing, no
 * chains: a look-up reads one cache line, seldom two.
 *
 * The place of a hash is hash * capacity / 2^32, which rises with the hash, and entries are kept in
 * the order of their hashes (linear probing with sorted runs). That buys three things: a search
 * that finds nothing ends at the first larger hash, so the table may be four fifths full; the
 * capacity need not be a power of two, so it grows by half and wastes little; and growing is one
 * sequential pass over both tables, with no random access: about 2 ns an entry.
 *
 * One owner (the lock of whoever embeds it), except slot_index_prefetch().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct slot_index {
	_Atomic(uint64_t *) slots; /* hash << 32 | value; 0: free. The last slot is always free */
	_Atomic uint32_t capacity; /* home places; SLOT_INDEX_SLACK slots more follow */
	uint32_t count;
	_Atomic int64_t *memory; /* bytes are counted here */
};

enum { SLOT_INDEX_SLACK = 32 }; /* room for the runs at the end; one that outgrows it makes the table grow */

void slot_index_init(struct slot_index *index, _Atomic int64_t *memory);
void slot_index_deinit(struct slot_index *index); /* may be repeated */

/*
 * Makes sure that one insertion of this hash needs no memory. False when out of memory, or where
 * too many share one hash.
 */
bool slot_index_make_room(struct slot_index *index, uint32_t hash);
/* After slot_index_make_room() of this hash. */
void slot_index_insert(struct slot_index *index, uint32_t hash, uint32_t value);
/* The pair must be there. */
void slot_index_remove(struct slot_index *index, uint32_t hash, uint32_t value);

/*
 * for (at = slot_index_seek(i, hash); slot_index_match(i, at, hash, &value); at++): every value of
 * this hash.
 */
uint32_t slot_index_seek(const struct slot_index *index, uint32_t hash);
bool slot_index_match(const struct slot_index *index, uint32_t at, uint32_t hash, uint32_t *value);
/* A hint to the processor; needs no lock. */
void slot_index_prefetch(struct slot_index *index, uint32_t hash);

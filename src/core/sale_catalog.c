#include "core/sale_catalog.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/lines.h"
#include "base/lock.h"

static const int64_t LOOK_MAX_NS = 500000000;

struct sale_table {
	atomic_uint references;
	uint64_t generation;
	size_t count, slot_mask;
	uint32_t *slots;              /* place + 1 by hash of the id; 0: free */
	struct sale_entry *entries[]; /* by number */
};

/* Of a sale that an operator has stopped, or let go on: they are few. */
struct braked {
	uint32_t number;
	struct sale_brake brake;
};

struct sale_catalog {
	struct lock lock; /* guards `table` and `braked`; held for the swap and while the next table is made */
	struct sale_table *table;
	_Atomic uint64_t generation;
	atomic_bool whole;
	_Atomic int64_t looks_ns; /* monotonic, when the look began that goes on; 0: none does */
	struct braked *braked;
	size_t braked_count;
};

static uint64_t hash_id(struct slice id)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a: ids are the operator's, not the crowd's */

	for (size_t i = 0; i < id.size; i++)
		hash = (hash ^ (unsigned char)id.data[i]) * 1099511628211u;
	return hash;
}

void sale_entry_ref(struct sale_entry *entry)
{
	atomic_fetch_add(&entry->references, 1);
}

void sale_entry_unref(struct sale_entry *entry)
{
	if (!entry || atomic_fetch_sub(&entry->references, 1) != 1)
		return;
	free((void *)entry->sale);
	free(entry);
}

static struct sale_entry *entry_new(struct sale *sale)
{
	struct sale_entry *entry = lines_new(sizeof(*entry) + sale->lot_count * sizeof(entry->latches[0]));

	if (!entry)
		return NULL;
	atomic_init(&entry->references, 1);
	entry->sale = sale;
	entry->ledger_state = sale->state;
	return entry;
}

static struct sale_table *table_new(size_t count, uint64_t generation)
{
	struct sale_table *table = calloc(1, sizeof(*table) + count * sizeof(table->entries[0]));
	size_t slots = 16;

	if (!table)
		return NULL;
	while (slots < 2 * count)
		slots *= 2;
	table->slots = calloc(slots, sizeof(*table->slots));
	if (!table->slots) {
		free(table);
		return NULL;
	}
	atomic_init(&table->references, 1);
	table->generation = generation;
	table->slot_mask = slots - 1;
	return table;
}

void sale_table_unref(const struct sale_table *constant)
{
	struct sale_table *table = (struct sale_table *)constant;

	if (!table || atomic_fetch_sub(&table->references, 1) != 1)
		return;
	for (size_t i = 0; i < table->count; i++)
		sale_entry_unref(table->entries[i]);
	free(table->slots);
	free(table);
}

static void table_append(struct sale_table *table, struct sale_entry *entry)
{
	size_t slot = hash_id(slice_of(entry->sale->id)) & table->slot_mask;

	table->entries[table->count++] = entry;
	while (table->slots[slot])
		slot = (slot + 1) & table->slot_mask;
	table->slots[slot] = (uint32_t)table->count;
}

int sale_catalog_new(struct sale_catalog **out)
{
	struct sale_catalog *catalog = calloc(1, sizeof(*catalog));

	if (!catalog)
		return error_origin(-ENOMEM);
	catalog->table = table_new(0, 1);
	if (!catalog->table) {
		free(catalog);
		return error_origin(-ENOMEM);
	}
	atomic_init(&catalog->generation, 1);
	atomic_init(&catalog->whole, true);
	lock_init(&catalog->lock);
	*out = catalog;
	return 0;
}

void sale_catalog_free(struct sale_catalog *catalog)
{
	if (!catalog)
		return;
	sale_table_unref(catalog->table);
	free(catalog->braked);
	lock_deinit(&catalog->lock);
	free(catalog);
}

/*
 * Whether the table has a newer state of this sale: whoever read this one was slower. A sale
 * without a number of change is always new; so is the ledger's word behind a recalled one.
 */
static bool is_old(const struct sale_table *table, const struct sale_entry *entry)
{
	const struct sale_entry *present = entry ? sale_table_find_number(table, entry->sale->number) : NULL;

	if (!present)
		return false;
	if (entry->recalled)
		return entry->sale->epoch < present->sale->epoch ||
		       (entry->sale->epoch == present->sale->epoch && entry->sale->change < present->sale->change);
	return !present->recalled && entry->sale->change && entry->sale->change < present->sale->change;
}

/* Under the lock. NULL: none was ever told. */
static struct braked *find_braked(struct sale_catalog *catalog, uint32_t number)
{
	for (size_t i = 0; i < catalog->braked_count; i++)
		if (catalog->braked[i].number == number)
			return &catalog->braked[i];
	return NULL;
}

enum sale_state sale_brake_state(const struct sale *sale, enum sale_state ledger, const struct sale_brake *brake)
{
	if (brake->word == SALE_BRAKE_STOP && (ledger == SALE_OPEN || ledger == SALE_ARMED))
		return SALE_PAUSED;
	if (brake->word == SALE_BRAKE_GO && ledger == SALE_PAUSED && sale_release_answers(&brake->release, &sale->stops))
		return sale->opened ? SALE_OPEN : SALE_ARMED;
	return ledger;
}

/* Under the lock, before anybody sees the entry. */
static void heed_brake(struct sale_catalog *catalog, struct sale_entry *entry)
{
	const struct braked *braked = find_braked(catalog, entry->sale->number);
	struct sale *sale = (struct sale *)entry->sale;

	sale->state = braked ? sale_brake_state(sale, entry->ledger_state, &braked->brake) : entry->ledger_state;
}

/*
 * Makes the next table: the present one without `number`, with `entry` (which may be NULL) in its
 * place. Takes no references over on failure.
 */
static int replace(struct sale_catalog *catalog, uint32_t number, struct sale_entry *entry)
{
	struct sale_table *old, *next;
	bool placed = entry == NULL;

	lock_take(&catalog->lock);
	old = catalog->table;
	if (is_old(old, entry)) {
		lock_release(&catalog->lock);
		sale_entry_unref(entry);
		return 0;
	}
	if (entry)
		heed_brake(catalog, entry);
	next = table_new(old->count + 1, old->generation + 1);
	if (!next) {
		lock_release(&catalog->lock);
		return error_origin(-ENOMEM);
	}
	for (size_t i = 0; i < old->count; i++) {
		struct sale_entry *kept = old->entries[i];

		if (!placed && kept->sale->number >= number) {
			table_append(next, entry);
			placed = true;
		}
		if (kept->sale->number == number)
			continue;
		sale_entry_ref(kept);
		table_append(next, kept);
	}
	if (!placed)
		table_append(next, entry);
	catalog->table = next;
	atomic_store(&catalog->generation, next->generation);
	lock_release(&catalog->lock);
	sale_table_unref(old);
	return 0;
}

static int put(struct sale_catalog *catalog, struct sale *sale, bool recalled)
{
	struct sale_entry *entry = entry_new(sale);
	int r;

	if (!entry) {
		free(sale);
		return error_origin(-ENOMEM);
	}
	entry->recalled = recalled;
	r = replace(catalog, sale->number, entry);
	if (r < 0)
		sale_entry_unref(entry);
	return r;
}

int sale_catalog_put(struct sale_catalog *catalog, struct sale *sale)
{
	return put(catalog, sale, false);
}

int sale_catalog_put_recalled(struct sale_catalog *catalog, struct sale *sale)
{
	return put(catalog, sale, true);
}

int sale_catalog_remove_recalled(struct sale_catalog *catalog)
{
	const struct sale_table *table = sale_catalog_ref(catalog);
	int r = 0;

	for (size_t i = 0; i < table->count && r == 0; i++)
		if (table->entries[i]->recalled)
			r = sale_catalog_remove(catalog, table->entries[i]->sale->number);
	sale_table_unref(table);
	return r;
}

bool sale_catalog_is_whole(const struct sale_catalog *catalog)
{
	return atomic_load_explicit(&catalog->whole, memory_order_relaxed);
}

void sale_catalog_set_whole(struct sale_catalog *catalog, bool whole)
{
	atomic_store(&catalog->whole, whole);
}

void sale_catalog_looks(struct sale_catalog *catalog, bool looks)
{
	atomic_store(&catalog->looks_ns, looks ? clock_mono_ns() : 0);
}

bool sale_catalog_waits(const struct sale_catalog *catalog)
{
	const int64_t since_ns = atomic_load_explicit(&catalog->looks_ns, memory_order_relaxed);

	return since_ns != 0 && clock_mono_ns() - since_ns > LOOK_MAX_NS;
}

int sale_catalog_remove(struct sale_catalog *catalog, uint32_t number)
{
	return replace(catalog, number, NULL);
}

static bool is_same(const struct sale_brake *a, const struct sale_brake *b)
{
	const struct sale_release *ours = &a->release, *theirs = &b->release;

	return a->word == b->word && ours->stops == theirs->stops && ours->before_count == theirs->before_count &&
	       memcmp(ours->before, theirs->before, ours->before_count * sizeof(ours->before[0])) == 0;
}

/* True: it is another one than before. */
static int note_brake(struct sale_catalog *catalog, uint32_t number, const struct sale_brake *brake)
{
	struct braked *braked = find_braked(catalog, number), *grown;

	if (braked ? is_same(&braked->brake, brake) : brake->word == SALE_BRAKE_NONE)
		return false;
	if (!braked) {
		grown = realloc(catalog->braked, (catalog->braked_count + 1) * sizeof(*grown));
		if (!grown)
			return error_origin(-ENOMEM);
		catalog->braked = grown;
		braked = &grown[catalog->braked_count++];
		braked->number = number;
	}
	braked->brake = *brake;
	return true;
}

int sale_catalog_brake(struct sale_catalog *catalog, uint32_t number, const struct sale_brake *brake)
{
	struct sale_entry *present, *entry = NULL;
	struct sale *sale = NULL;
	int r;

	lock_take(&catalog->lock);
	r = note_brake(catalog, number, brake);
	present = r == true ? sale_table_find_number(catalog->table, number) : NULL;
	if (present) {
		sale = sale_copy(present->sale);
		entry = sale ? entry_new(sale) : NULL;
		r = entry ? true : error_origin(-ENOMEM);
	}
	if (entry) {
		entry->ledger_state = present->ledger_state;
		entry->recalled = present->recalled;
	} else {
		free(sale);
	}
	lock_release(&catalog->lock);
	if (!entry)
		return r < 0 ? r : 0;
	r = replace(catalog, number, entry);
	if (r < 0)
		sale_entry_unref(entry);
	return r;
}

uint64_t sale_catalog_generation(const struct sale_catalog *catalog)
{
	return atomic_load_explicit(&catalog->generation, memory_order_acquire);
}

const struct sale_table *sale_catalog_ref(struct sale_catalog *catalog)
{
	struct sale_table *table;

	lock_take(&catalog->lock);
	table = catalog->table;
	atomic_fetch_add(&table->references, 1);
	lock_release(&catalog->lock);
	return table;
}

struct sale_entry *sale_table_find(const struct sale_table *table, struct slice id)
{
	size_t slot = hash_id(id) & table->slot_mask;

	for (; table->slots[slot]; slot = (slot + 1) & table->slot_mask) {
		struct sale_entry *entry = table->entries[table->slots[slot] - 1];

		if (slice_equal(slice_of(entry->sale->id), id))
			return entry;
	}
	return NULL;
}

struct sale_entry *sale_table_find_number(const struct sale_table *table, uint32_t number)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->entries[middle]->sale->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < table->count && table->entries[low]->sale->number == number)
		return table->entries[low];
	return NULL;
}

size_t sale_table_count(const struct sale_table *table)
{
	return table->count;
}

struct sale_entry *sale_table_at(const struct sale_table *table, size_t place)
{
	ASSERT(place < table->count);
	return table->entries[place];
}

uint64_t sale_table_generation(const struct sale_table *table)
{
	return table->generation;
}

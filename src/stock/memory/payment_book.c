#include "stock/memory/payment_book.h"

struct payment_record {
	struct hash128 reference;
	struct uuid order;
	bool durable;
};

void payment_book_init(struct payment_book *book, const struct siphash_key *id_key, _Atomic int64_t *memory)
{
	lock_init(&book->lock);
	book->id_key = *id_key;
	record_arena_init(&book->records, sizeof(struct payment_record), memory);
	slot_index_init(&book->by_reference, memory);
	slot_index_init(&book->by_order, memory);
}

void payment_book_deinit(struct payment_book *book)
{
	record_arena_deinit(&book->records);
	slot_index_deinit(&book->by_reference);
	slot_index_deinit(&book->by_order);
	lock_deinit(&book->lock);
}

static uint32_t hash_of_order(const struct payment_book *book, const struct uuid *order)
{
	return (uint32_t)(siphash64(&book->id_key, order->bytes, sizeof(order->bytes)) >> 32);
}

static uint32_t hash_of(struct hash128 reference)
{
	return (uint32_t)(reference.low >> 32);
}

static struct payment_record *record_at(const struct payment_book *book, uint32_t number)
{
	return record_arena_at(&book->records, number);
}

static uint32_t find_order(const struct payment_book *book, const struct uuid *order)
{
	uint32_t hash = hash_of_order(book, order), number;

	for (uint32_t at = slot_index_seek(&book->by_order, hash); slot_index_match(&book->by_order, at, hash, &number); at++)
		if (uuid_equal(&record_at(book, number)->order, order))
			return number;
	return 0;
}

static bool same(struct hash128 a, struct hash128 b)
{
	return a.low == b.low && a.high == b.high;
}

static uint32_t find_reference(const struct payment_book *book, struct hash128 reference)
{
	uint32_t hash = hash_of(reference), number;

	for (uint32_t at = slot_index_seek(&book->by_reference, hash); slot_index_match(&book->by_reference, at, hash, &number); at++)
		if (same(record_at(book, number)->reference, reference))
			return number;
	return 0;
}

static struct payment_standing look(const struct payment_book *book, const struct uuid *order, struct hash128 reference)
{
	uint32_t its = find_order(book, order), holder = find_reference(book, reference);
	struct payment_standing standing = {.paid = its != 0, .same = its != 0 && its == holder, .used = holder != 0 && its != holder};

	if (standing.used) {
		standing.pending = !record_at(book, holder)->durable;
		standing.payer = record_at(book, holder)->order;
	}
	return standing;
}

struct payment_standing payment_book_look(struct payment_book *book, const struct uuid *order, struct hash128 reference)
{
	struct payment_standing standing;

	lock_take(&book->lock);
	standing = look(book, order, reference);
	lock_release(&book->lock);
	return standing;
}

static int add(struct payment_book *book, const struct uuid *order, struct hash128 reference)
{
	uint32_t by_order = hash_of_order(book, order), number;

	if (!slot_index_make_room(&book->by_reference, hash_of(reference)) || !slot_index_make_room(&book->by_order, by_order))
		return error_origin(-ENOMEM);
	number = record_arena_new(&book->records);
	if (!number)
		return error_origin(-ENOMEM);
	*record_at(book, number) = (struct payment_record){.reference = reference, .order = *order};
	slot_index_insert(&book->by_reference, hash_of(reference), number);
	slot_index_insert(&book->by_order, by_order, number);
	return 0;
}

int payment_book_take(struct payment_book *book, const struct uuid *order, struct hash128 reference, struct payment_standing *standing)
{
	int r = 0;

	lock_take(&book->lock);
	*standing = look(book, order, reference);
	if (!standing->paid && !standing->used)
		r = add(book, order, reference);
	lock_release(&book->lock);
	return r;
}

void payment_book_settle(struct payment_book *book, const struct uuid *order)
{
	uint32_t number;

	lock_take(&book->lock);
	number = find_order(book, order);
	if (number)
		record_at(book, number)->durable = true;
	lock_release(&book->lock);
}

void payment_book_forget(struct payment_book *book, const struct uuid *order)
{
	uint32_t number;

	lock_take(&book->lock);
	number = find_order(book, order);
	if (number && !record_at(book, number)->durable) {
		slot_index_remove(&book->by_reference, hash_of(record_at(book, number)->reference), number);
		slot_index_remove(&book->by_order, hash_of_order(book, order), number);
		record_arena_free(&book->records, number);
	}
	lock_release(&book->lock);
}

bool payment_book_is_paid(struct payment_book *book, const struct uuid *order)
{
	uint32_t number;
	bool paid;

	lock_take(&book->lock);
	number = find_order(book, order);
	paid = number && record_at(book, number)->durable;
	lock_release(&book->lock);
	return paid;
}

#include "stock/memory/buyer_book.h"

#include <string.h>
#include "base/failpoint.h"

struct rate_log {
	uint32_t count;
	uint32_t stamps[];
};

/* These have one writer at a time: no locked instruction needed. */
static void count(_Atomic uint32_t *counter, int32_t delta)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint32_t)delta, memory_order_relaxed);
}

void buyer_book_init(struct buyer_book *book, const struct rate_window *rate, _Atomic int64_t *memory)
{
	memset(book, 0, sizeof(*book));
	record_arena_init(&book->buyers, sizeof(struct buyer_record), memory);
	record_arena_init(&book->orders, sizeof(struct order_record), memory);
	record_arena_init(&book->logs, sizeof(struct rate_log) + rate->requests * sizeof(uint32_t), memory);
	slot_index_init(&book->by_name, memory);
	slot_index_init(&book->by_key, memory);
}

void buyer_book_deinit(struct buyer_book *book)
{
	record_arena_deinit(&book->buyers);
	record_arena_deinit(&book->orders);
	record_arena_deinit(&book->logs);
	slot_index_deinit(&book->by_name);
	slot_index_deinit(&book->by_key);
}

static bool same(struct hash128 a, struct hash128 b)
{
	return a.low == b.low && a.high == b.high;
}

static struct rate_log *log_of(const struct buyer_book *book, const struct buyer_record *record)
{
	return record_arena_at(&book->logs, record->rate);
}

uint32_t buyer_book_find(const struct buyer_book *book, struct hash128 name)
{
	uint32_t hash = buyer_book_hash(name), buyer;

	for (uint32_t at = slot_index_seek(&book->by_name, hash); slot_index_match(&book->by_name, at, hash, &buyer); at++)
		if (same(buyer_book_buyer(book, buyer)->name, name))
			return buyer;
	return 0;
}

uint32_t buyer_book_add(struct buyer_book *book, struct hash128 name)
{
	uint32_t hash = buyer_book_hash(name), buyer;
	struct buyer_record *record;

	if (!slot_index_make_room(&book->by_name, hash))
		return 0;
	buyer = record_arena_new(&book->buyers);
	if (!buyer)
		return 0;
	record = buyer_book_buyer(book, buyer);
	record->name = name;
	record->used = 1;
	slot_index_insert(&book->by_name, hash, buyer);
	count(&book->buyer_count, 1);
	return buyer;
}

static bool has_orders(const struct buyer_record *record)
{
	return record->chained || record->spilled;
}

/* The buyer's log, where it has one, goes. */
static void end_log(struct buyer_book *book, struct buyer_record *record)
{
	if (record->rate_log)
		record_arena_free(&book->logs, record->rate);
	record->rate_log = 0;
	record->rate = 0;
}

void buyer_book_leave(struct buyer_book *book, uint32_t buyer)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);

	if (has_orders(record))
		return;
	end_log(book, record);
	slot_index_remove(&book->by_name, buyer_book_hash(record->name), buyer);
	record_arena_free(&book->buyers, buyer);
	count(&book->buyer_count, -1);
}

/* A single stamp and a log look the same from here on. */
static uint32_t prune(const struct buyer_book *book, const struct rate_window *rate, struct buyer_record *record, int64_t now_ns)
{
	struct rate_log *log;

	if (record->rate_one)
		record->rate_one = rate_window_counts(rate, record->rate, now_ns);
	if (!record->rate_log)
		return record->rate_one;
	log = log_of(book, record);
	log->count = rate_window_prune(rate, log->stamps, log->count, now_ns);
	return log->count;
}

/* The second grant within a window: from one stamp to a log. */
static bool start_log(struct buyer_book *book, struct buyer_record *record)
{
	uint32_t number = record_arena_new(&book->logs);
	struct rate_log *log;

	if (!number)
		return false;
	log = record_arena_at(&book->logs, number);
	log->count = 1;
	log->stamps[0] = record->rate;
	record->rate = number;
	record->rate_one = 0;
	record->rate_log = 1;
	return true;
}

uint32_t buyer_book_rate_left(const struct buyer_book *book, const struct rate_window *rate, uint32_t buyer, int64_t now_ns)
{
	if (rate->requests == 0)
		return UINT32_MAX;
	return rate->requests - (buyer ? prune(book, rate, buyer_book_buyer(book, buyer), now_ns) : 0);
}

int64_t buyer_book_rate_wait_ms(const struct buyer_book *book, const struct rate_window *rate, uint32_t buyer, int64_t now_ns)
{
	const struct buyer_record *record = buyer_book_buyer(book, buyer);

	return rate_window_wait_ms(rate, record->rate_log ? log_of(book, record)->stamps[0] : record->rate, now_ns);
}

bool buyer_book_rate_book(struct buyer_book *book, uint32_t buyer)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);

	return !record->rate_one || start_log(book, record);
}

uint32_t buyer_book_rate_count(struct buyer_book *book, uint32_t buyer, int64_t now_ns)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);
	struct rate_log *log;

	if (record->rate_log) {
		log = log_of(book, record);
		rate_window_insert(log->stamps, log->count++, now_ns);
	} else {
		record->rate = rate_window_stamp(now_ns);
		record->rate_one = 1;
	}
	return rate_window_stamp(now_ns);
}

void buyer_book_rate_return(struct buyer_book *book, uint32_t buyer, uint32_t stamp)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);
	struct rate_log *log;

	if (record->rate_one && record->rate == stamp)
		record->rate_one = 0;
	if (!record->rate_log)
		return;
	log = log_of(book, record);
	log->count = rate_window_remove(log->stamps, log->count, stamp);
}

uint32_t buyer_book_find_key(const struct buyer_book *book, uint32_t buyer, struct hash128 key)
{
	const struct buyer_record *record = buyer_book_buyer(book, buyer);
	uint32_t hash = buyer_book_hash(key), order = record->first;

	for (int i = 0; i < record->chained; i++, order = buyer_book_order(book, order)->next)
		if (buyer_book_order(book, order)->has_key && buyer_book_order(book, order)->key.low == key.low)
			return order;
	if (!record->spilled)
		return 0;
	for (uint32_t at = slot_index_seek(&book->by_key, hash); slot_index_match(&book->by_key, at, hash, &order); at++)
		if (buyer_book_order(book, order)->buyer == buyer && buyer_book_order(book, order)->key.low == key.low)
			return order;
	return 0;
}

uint32_t buyer_book_order_new(struct buyer_book *book, uint32_t buyer, const struct hash128 *key)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);
	bool spills = record->chained == BUYER_BOOK_CHAIN_MAX;
	struct order_record *fresh;
	uint32_t order;

	if (FAILPOINT("stock.drop_key")) /* breaks P3 on purpose: the key is not remembered */
		key = NULL;
	if (spills && key && !slot_index_make_room(&book->by_key, buyer_book_hash(*key)))
		return 0;
	order = record_arena_new(&book->orders);
	if (!order)
		return 0;
	fresh = buyer_book_order(book, order);
	fresh->buyer = buyer;
	fresh->spilled = spills;
	if (key) {
		fresh->key = *key;
		fresh->has_key = 1;
	}
	return order;
}

/* Where the chain ends: the link to the newest of the orders behind it. */
static uint32_t *behind_chain(const struct buyer_book *book, struct buyer_record *buyer)
{
	struct order_record *last;
	uint32_t order = buyer->first;

	if (buyer->chained == 0)
		return &buyer->first;
	for (int i = 1; i < buyer->chained; i++)
		order = buyer_book_order(book, order)->next;
	last = buyer_book_order(book, order);
	return &last->next;
}

void buyer_book_order_link(struct buyer_book *book, uint32_t order)
{
	struct order_record *record = buyer_book_order(book, order);
	struct buyer_record *buyer = buyer_book_buyer(book, record->buyer);

	ASSERT(record->quantity > 0);
	if (!record->spilled) {
		record->next = buyer->first;
		buyer->first = order;
		buyer->chained++;
	} else {
		uint32_t *behind = behind_chain(book, buyer);

		record->next = *behind;
		*behind = order;
		buyer->spilled = 1;
		if (record->has_key)
			slot_index_insert(&book->by_key, buyer_book_hash(record->key), order);
	}
	count(&book->order_count, 1);
}

static void unlink_order(struct buyer_book *book, uint32_t order)
{
	struct order_record *record = buyer_book_order(book, order);
	struct buyer_record *buyer = buyer_book_buyer(book, record->buyer);
	uint32_t previous = buyer->first;

	count(&book->order_count, -1);
	if (!record->spilled)
		buyer->chained--;
	else if (record->has_key)
		slot_index_remove(&book->by_key, buyer_book_hash(record->key), order);
	if (previous == order) {
		buyer->first = record->next;
		return;
	}
	while (buyer_book_order(book, previous)->next != order)
		previous = buyer_book_order(book, previous)->next;
	buyer_book_order(book, previous)->next = record->next;
}

uint32_t buyer_book_newest(const struct buyer_book *book, uint32_t buyer, uint32_t *orders, bool *more)
{
	struct buyer_record *record = buyer_book_buyer(book, buyer);
	uint32_t order = record->first, found = 0;

	for (; found < record->chained; order = buyer_book_order(book, order)->next)
		orders[found++] = order;
	for (int i = 0; order && i < BUYER_BOOK_CHAIN_MAX; i++, order = buyer_book_order(book, order)->next)
		orders[found++] = order;
	*more = order != 0;
	return found;
}

void buyer_book_order_forget(struct buyer_book *book, uint32_t order)
{
	if (buyer_book_order(book, order)->quantity)
		unlink_order(book, order);
	record_arena_free(&book->orders, order);
}

void buyer_book_sweep(struct buyer_book *book, const struct rate_window *rate, int64_t now_ns, uint32_t max)
{
	for (uint32_t i = 0; i < max && book->buyers.used; i++) {
		struct buyer_record *record;

		book->sweep_hand = book->sweep_hand % book->buyers.used + 1;
		record = buyer_book_buyer(book, book->sweep_hand);
		if (!record->used || !(record->rate_one || record->rate_log) || prune(book, rate, record, now_ns))
			continue;
		end_log(book, record);
	}
}

#include "stock/memory/sale_stock.h"

#include <stdlib.h>
#include <string.h>

static int64_t earliest_ns(struct calendar_seat *seat)
{
	struct sale_stock *sale = (struct sale_stock *)seat;
	int64_t earliest = INT64_MAX;

	if (atomic_load(&sale->state) != SALE_STOCK_ARMED)
		return INT64_MAX;
	for (int i = 0; i < SALE_SHARDS; i++) {
		int64_t of_shard = atomic_load(&sale->shards[i].earliest_ns);

		if (of_shard < earliest)
			earliest = of_shard;
	}
	return earliest;
}

static void hold_moved(void *owner, uint32_t what, uint32_t position)
{
	struct sale_shard *shard = owner;

	buyer_book_order(&shard->book, what)->hold_position = position;
}

static void init_shards(struct sale_stock *sale)
{
	for (int i = 0; i < SALE_SHARDS; i++) {
		struct sale_shard *shard = &sale->shards[i];

		lock_init(&shard->lock);
		buyer_book_init(&shard->book, &sale->rate, &sale->memory);
		deadline_heap_init(&shard->holds, hold_moved, shard, &sale->memory);
		atomic_init(&shard->earliest_ns, INT64_MAX);
		lock_init(&sale->directories[i].lock);
		slot_index_init(&sale->directories[i].places, &sale->memory);
	}
}

/* aligned_alloc() wants whole multiples; both sizes are, by alignas(64). */
static void *zeroed(size_t size)
{
	void *memory = aligned_alloc(64, size);

	if (memory)
		memset(memory, 0, size);
	return memory;
}

int sale_stock_new(struct sale_stock **out, struct stock_common *common, const struct stock_rules *rules)
{
	struct sale_stock *sale = zeroed((sizeof(*sale) + 63) / 64 * 64);
	size_t lots_bytes = rules->lot_count * sizeof(struct lot_units);

	if (!sale)
		return error_origin(-ENOMEM);
	sale->lots = zeroed(lots_bytes);
	if (!sale->lots || calendar_join(&common->calendar, &sale->seat, earliest_ns) < 0) {
		free(sale->lots);
		free(sale);
		return error_origin(-ENOMEM);
	}
	sale->common = common;
	sale->rules = *rules;
	sale->rate = (struct rate_window){rules->rate_requests, rules->rate_seconds * 1000};
	atomic_store(&sale->memory, (int64_t)(sizeof(*sale) + lots_bytes));
	buyer_filter_init(&sale->filter, &sale->memory);
	lock_init(&sale->movement_lock);
	movement_log_init(&sale->movements, &sale->memory);
	payment_book_init(&sale->payments, &common->id_key, &sale->memory);
	init_shards(sale);
	*out = sale;
	return 0;
}

void sale_stock_free(struct sale_stock *sale)
{
	calendar_leave(&sale->common->calendar, &sale->seat);
	for (int i = 0; i < SALE_SHARDS; i++) {
		buyer_book_deinit(&sale->shards[i].book);
		deadline_heap_deinit(&sale->shards[i].holds);
		lock_deinit(&sale->shards[i].lock);
		slot_index_deinit(&sale->directories[i].places);
		lock_deinit(&sale->directories[i].lock);
	}
	movement_log_deinit(&sale->movements);
	payment_book_deinit(&sale->payments);
	lock_deinit(&sale->movement_lock);
	buyer_filter_deinit(&sale->filter);
	/* Every byte that was counted has come back. */
	ASSERT(atomic_load(&sale->memory) == (int64_t)(sizeof(*sale) + sale->rules.lot_count * sizeof(struct lot_units)));
	free(sale->lots);
	free(sale);
}

struct hash128 sale_names_buyer(const struct stock_common *common, uint32_t sale, struct slice buyer)
{
	char text[sizeof(sale) + BUYER_MAX];

	ASSERT(buyer.size <= BUYER_MAX);
	memcpy(text, &sale, sizeof(sale));
	if (buyer.size)
		memcpy(text + sizeof(sale), buyer.data, buyer.size);
	return siphash128(&common->buyer_key, text, sizeof(sale) + buyer.size);
}

struct sale_names sale_names_make(const struct stock_common *common, uint32_t sale, struct slice buyer, struct slice key,
				  uint64_t labels, const struct uuid *id)
{
	struct sale_names names = {
		.buyer = sale_names_buyer(common, sale, buyer),
		.id_hash = siphash64(&common->id_key, id->bytes, sizeof(id->bytes)),
		.has_key = key.size > 0,
	};
	char text[sizeof(names.buyer) + KEY_MAX];

	ASSERT(key.size <= KEY_MAX);
	if (names.has_key) {
		memcpy(text, &names.buyer, sizeof(names.buyer));
		memcpy(text + sizeof(names.buyer), key.data, key.size);
		names.key = siphash128(&common->key_key, text, sizeof(names.buyer) + key.size);
		names.key.high ^= labels;
	}
	return names;
}

struct hash128 sale_stock_reference(const struct sale_stock *sale, struct slice reference)
{
	return siphash128(&sale->common->key_key, reference.data, reference.size);
}

static struct sale_directory *directory_of(struct sale_stock *sale, uint64_t id_hash)
{
	return &sale->directories[id_hash & (SALE_SHARDS - 1)];
}

static uint32_t directory_hash(uint64_t id_hash)
{
	return (uint32_t)(id_hash >> 32);
}

uint32_t sale_stock_place(const struct sale_stock *sale, const struct sale_shard *shard, uint32_t number)
{
	return number << SALE_SHARD_BITS | (uint32_t)(shard - sale->shards);
}

enum { CACHE_LINE = 64 };

static void prefetch(const void *start, size_t size)
{
	for (size_t at = 0; at < size; at += CACHE_LINE)
		__builtin_prefetch((const char *)start + at, 1);
}

void sale_stock_prefetch(struct sale_stock *sale)
{
	prefetch(sale, offsetof(struct sale_stock, directories));
}

void sale_stock_prefetch_shard(struct sale_stock *sale, const struct sale_names *names, uint32_t lot)
{
	prefetch(sale_stock_shard(sale, names->buyer), sizeof(struct sale_shard));
	prefetch(directory_of(sale, names->id_hash), sizeof(struct sale_directory));
	prefetch(&sale->lots[lot], sizeof(sale->lots[lot]));
}

void sale_stock_prefetch_slots(struct sale_stock *sale, const struct sale_names *names)
{
	slot_index_prefetch(&sale_stock_shard(sale, names->buyer)->book.by_name, buyer_book_hash(names->buyer));
	slot_index_prefetch(&directory_of(sale, names->id_hash)->places, directory_hash(names->id_hash));
	buyer_filter_prefetch(&sale->filter, names->buyer);
}

bool sale_stock_directory_add(struct sale_stock *sale, uint64_t id_hash, struct sale_shard *shard, uint32_t number)
{
	struct sale_directory *directory = directory_of(sale, id_hash);
	bool room;

	ASSERT(number < 1u << (32 - SALE_SHARD_BITS));
	lock_take(&directory->lock);
	room = slot_index_make_room(&directory->places, directory_hash(id_hash));
	if (room)
		slot_index_insert(&directory->places, directory_hash(id_hash), sale_stock_place(sale, shard, number));
	lock_release(&directory->lock);
	return room;
}

void sale_stock_directory_remove(struct sale_stock *sale, uint64_t id_hash, struct sale_shard *shard, uint32_t number)
{
	struct sale_directory *directory = directory_of(sale, id_hash);

	lock_take(&directory->lock);
	slot_index_remove(&directory->places, directory_hash(id_hash), sale_stock_place(sale, shard, number));
	lock_release(&directory->lock);
}

/*
 * Places of ids that share the hash: nearly always one or none. More than this many of one 64-bit
 * SipHash do not happen.
 */
enum { SAME_HASH_MAX = 8 };

static int candidates(struct sale_stock *sale, uint64_t id_hash, uint32_t *places)
{
	struct sale_directory *directory = directory_of(sale, id_hash);
	uint32_t hash = directory_hash(id_hash);
	int count = 0;

	lock_take(&directory->lock);
	for (uint32_t at = slot_index_seek(&directory->places, hash);
	     count < SAME_HASH_MAX && slot_index_match(&directory->places, at, hash, &places[count]); at++)
		count++;
	lock_release(&directory->lock);
	return count;
}

/*
 * The order with this id, its shard locked, where it is in that place; else NULL. Since the place
 * was told the order may have gone, and its record may be another's: so the id is compared under
 * the shard's lock.
 */
static struct order_record *find_at(struct sale_stock *sale, const struct uuid *id, uint32_t place, struct sale_shard **shard,
				    uint32_t *number)
{
	struct order_record *record;

	*shard = &sale->shards[place & (SALE_SHARDS - 1)];
	*number = place >> SALE_SHARD_BITS;
	lock_take(&(*shard)->lock);
	if (*number > 0 && *number <= (*shard)->book.orders.used) {
		record = buyer_book_order(&(*shard)->book, *number);
		if (record->quantity && uuid_equal(&record->id, id))
			return record;
	}
	lock_release(&(*shard)->lock);
	return NULL;
}

struct order_record *sale_stock_locate(struct sale_stock *sale, const struct uuid *id, struct sale_shard **shard, uint32_t *number)
{
	uint64_t id_hash = siphash64(&sale->common->id_key, id->bytes, sizeof(id->bytes));
	uint32_t places[SAME_HASH_MAX];
	int count = candidates(sale, id_hash, places);

	for (int i = 0; i < count; i++) {
		struct order_record *record = find_at(sale, id, places[i], shard, number);

		if (record)
			return record;
	}
	return NULL;
}

struct order_record *sale_stock_locate_event(struct sale_stock *sale, const struct event *event, struct sale_shard **shard,
					     uint32_t *number)
{
	struct order_record *record = NULL;

	if (event->stock_place)
		record = find_at(sale, &event->id, (uint32_t)event->stock_place, shard, number);
	return record ? record : sale_stock_locate(sale, &event->id, shard, number);
}

void sale_stock_tell(const struct order_record *record, struct stock_order *order)
{
	*order = (struct stock_order){
		.id = record->id,
		.lot = record->lot,
		.quantity = record->quantity,
		.first_quantity = record->first_quantity,
		.state = (enum order_state)record->state,
		.settling = record->settling,
		.durable = record->durable,
		.hold_expires_at_ms = record->hold_expires_at_ms,
		.first_hold_expires_at_ms = record->first_hold_expires_at_ms,
	};
}

void sale_stock_publish(struct sale_stock *sale, struct sale_shard *shard)
{
	int64_t earliest = deadline_heap_first(&shard->holds);

	if (earliest == atomic_load_explicit(&shard->earliest_ns, memory_order_relaxed))
		return;
	atomic_store(&shard->earliest_ns, earliest);
	if (earliest < atomic_load(&sale->seat.bound_ns) && atomic_load(&sale->state) == SALE_STOCK_ARMED)
		calendar_lower(&sale->common->calendar, &sale->seat, earliest);
}

static void fill_loaded(struct order_record *record, const struct stock_load *order)
{
	record->id = order->id;
	record->lot = order->lot & 0xff;
	record->quantity = order->quantity & 0x3ff;
	record->first_quantity = order->first_quantity & 0x3ff;
	record->state = order->state & 7;
	record->durable = 1;
	record->counted = order_is_live(order->state);
	record->hold_expires_at_ms = order->hold_expires_at_ms;
	record->first_hold_expires_at_ms = order->first_hold_expires_at_ms;
}

/* What was counted of a loaded order is counted no more. */
static void uncount_loaded(struct sale_stock *sale, struct sale_shard *shard, struct order_record *record)
{
	struct buyer_record *buyer = buyer_book_buyer(&shard->book, record->buyer);

	if (!order_is_live((enum order_state)record->state))
		return;
	lot_units_unload(&sale->lots[record->lot], record->quantity, record->state == ORDER_CONFIRMED);
	buyer->live = (uint16_t)(buyer->live - (buyer->live < record->quantity ? buyer->live : record->quantity));
	if (record->hold_position) {
		deadline_heap_remove(&shard->holds, record->hold_position);
		deadline_heap_unbook(&shard->holds);
	}
	sale_stock_publish(sale, shard);
}

/* Counts a loaded live order: units of its lot and of its buyer, and its hold. */
static void count_loaded(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct stock_load *order,
			 int64_t now_ns)
{
	struct buyer_record *buyer = buyer_book_buyer(&shard->book, buyer_book_order(&shard->book, number)->buyer);

	if (!order_is_live(order->state))
		return;
	lot_units_load(&sale->lots[order->lot], order->quantity, order->state == ORDER_CONFIRMED);
	if (buyer->live + order->quantity > sale->rules.limit_per_buyer) {
		atomic_store(&sale->over_limit, true);
		return;
	}
	buyer->live = (uint16_t)(buyer->live + order->quantity);
	if (order->state == ORDER_HELD) {
		deadline_heap_push(&shard->holds, now_ns + order->hold_left_ns, number);
		sale_stock_publish(sale, shard);
	}
}

static int load_locked(struct sale_stock *sale, struct sale_shard *shard, const struct stock_load *order,
		       const struct sale_names *names, int64_t now_ns)
{
	struct buyer_book *book = &shard->book;
	uint32_t buyer = buyer_book_find(book, names->buyer), number;

	if (!buyer)
		buyer = buyer_book_add(book, names->buyer);
	if (!buyer)
		return error_origin(-ENOMEM);
	number = buyer_book_order_new(book, buyer, names->has_key ? &names->key : NULL);
	if (!number || (order->state == ORDER_HELD && !deadline_heap_book(&shard->holds)))
		return error_origin(-ENOMEM);
	if (!sale_stock_directory_add(sale, names->id_hash, shard, number))
		return error_origin(-ENOMEM);
	fill_loaded(buyer_book_order(book, number), order);
	buyer_book_order_link(book, number);
	count_loaded(sale, shard, number, order, now_ns);
	buyer_filter_add(&sale->filter, names->buyer);
	return 0;
}

static int load_again(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct stock_load *order, int64_t now_ns)
{
	struct order_record *record = buyer_book_order(&shard->book, number);

	if (record->lot != order->lot || record->first_quantity != order->first_quantity)
		return error_origin(-ERANGE);
	uncount_loaded(sale, shard, record);
	if (order->state == ORDER_HELD && !deadline_heap_book(&shard->holds))
		return error_origin(-ENOMEM);
	fill_loaded(record, order);
	count_loaded(sale, shard, number, order, now_ns);
	return 0;
}

/*
 * The order's first one, and the reference's first order, count: who loads them again changes
 * nothing.
 */
static int load_payment(struct sale_stock *sale, const struct stock_load *order)
{
	struct payment_standing standing;
	int r = payment_book_take(&sale->payments, &order->id, sale_stock_reference(sale, order->paid), &standing);

	payment_book_settle(&sale->payments, &order->id);
	return r;
}

int sale_stock_load(struct sale_stock *sale, const struct stock_load *order, const struct sale_names *names, int64_t now_ns)
{
	struct sale_shard *shard;
	uint32_t number;
	int r;

	if (order->lot >= sale->rules.lot_count || order->quantity == 0 || order->quantity > order->first_quantity ||
	    order->first_quantity > LIMIT_MAX)
		return error_origin(-ERANGE);
	if (sale_stock_locate(sale, &order->id, &shard, &number)) {
		r = load_again(sale, shard, number, order, now_ns);
	} else {
		shard = sale_stock_shard(sale, names->buyer);
		lock_take(&shard->lock);
		r = load_locked(sale, shard, order, names, now_ns);
	}
	if (r == 0 && order->paid.size)
		r = load_payment(sale, order);
	lock_release(&shard->lock);
	return r;
}

int sale_stock_arm(struct sale_stock *sale, const int64_t *allocated, const int64_t *withdrawn)
{
	int r = 0;

	if (atomic_load(&sale->over_limit))
		return error_origin(-ERANGE);
	lock_take(&sale->movement_lock);
	for (uint32_t i = 0; i < sale->rules.lot_count && r == 0; i++)
		r = lot_units_arm(&sale->lots[i], allocated[i], withdrawn[i], sale->version_base + 1);
	lock_release(&sale->movement_lock);
	if (r < 0)
		return error_origin(r);
	atomic_store(&sale->state, SALE_STOCK_ARMED);
	calendar_refresh(&sale->common->calendar, &sale->seat);
	return 0;
}

void sale_stock_sweep(struct sale_stock *sale, int64_t now_ns, uint32_t max)
{
	for (int i = 0; i < SALE_SHARDS; i++) {
		lock_take(&sale->shards[i].lock);
		buyer_book_sweep(&sale->shards[i].book, &sale->rate, now_ns, max);
		lock_release(&sale->shards[i].lock);
	}
}

void sale_stock_count(struct sale_stock *sale, struct stock_totals *totals)
{
	struct stock_lot_state lots[LOTS_MAX];

	totals->memory_bytes += atomic_load(&sale->memory);
	for (int i = 0; i < SALE_SHARDS; i++) {
		totals->buyers += atomic_load_explicit(&sale->shards[i].book.buyer_count, memory_order_relaxed);
		totals->orders += atomic_load_explicit(&sale->shards[i].book.order_count, memory_order_relaxed);
	}
	if (atomic_load(&sale->state) != SALE_STOCK_ARMED)
		return;
	sale_stock_snapshot(sale, lots);
	for (uint32_t i = 0; i < sale->rules.lot_count; i++) {
		totals->available += lots[i].available;
		totals->held += lots[i].held;
		totals->confirmed += lots[i].confirmed;
		totals->withdrawn += lots[i].withdrawn;
	}
}

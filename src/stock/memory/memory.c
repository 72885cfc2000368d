/*
 * The stock in memory.
 *
 * The problem: hundreds of thousands of decisions a second, each of which must know what this buyer
 * did before, and none of which may sell a unit twice, lose one, or wait behind anything slow.
 *
 * The model. Every sale stands alone (sale_stock.h), so a thousand sales cost what one costs, and a
 * sale is forgotten in one stroke. It has
 *   - a counter per lot: one word, one compare-and-swap (lot_units.h);
 *   - sixteen shards by the buyer's fingerprint, each a mutex over a buyer book (buyer_book.h: who
 *     has what, which key, how often) and a heap of its holds (deadline_heap.h);
 *   - a directory from order ids to shards, in sixteen parts with a mutex each;
 *   - a filter of those who may have an order, which is read without any lock (buyer_filter.h).
 * All sales share the outbox (outbox.h), bounded, and the calendar that knows which sale has the
 * next deadline (calendar.h).
 *
 * Locks, in their order. Each is held for memory work only, never across I/O or another call of
 * this port:
 *   shard -> directory part | filter growth | outbox | calendar        movement lock -> outbox
 * Nobody holds two shards. Look-ups of sales take none: a thread inside the gate (reader_gate.h)
 * may use every sale that it finds, and who takes a sale out waits until all who were inside have
 * left before it is freed. Only preheat_begin() and drop() wait so; readers never do.
 *
 * The invariants, in this order of importance:
 *   - available + held + confirmed + withdrawn = allocated, for every reader at every moment (one
 *     word, see lot_units.h);
 *   - units go back only in acknowledge() of an end, in compensate() of a grant or withdrawal that
 *     nobody has claimed, or in allocate();
 *   - an order has at most one event on its way, and its outbox entry knows how to finish or undo
 *     it;
 *   - the heaps hold exactly the orders that are held, durable and not settling. So an expiry, a
 *     confirm and a cancel of one order have one winner, and an order whose grant is in doubt is
 *     left alone until the doubt is gone.
 *
 * Memory. An order of a buyer with a key costs 68 (order) + 28 (buyer) + about 22 (two index
 * entries) + about 15 (hold) + 3 (filter) bytes: 136 in all at a million, measured
 * (bench/micro_stock). Nothing is kept of a buyer without an order. Orders, also ended ones, stay
 * until the sale is dropped: a retry must get its order back. What a sale has grown to goes back to
 * the system when it is dropped or replaced.
 *
 * Terms. A re-heated sale is a new sale_stock: whoever was inside the old one may still finish
 * there, with an old epoch, which the ledger voids. The versions of its lots go on above the old
 * ones, so that a latch of the old term never fits the new.
 *
 * Not done here: names (only fingerprints; the ledger has the names), durability (the journal),
 * more than one process (the engine holds the lease).
 *
 * Turned down: one table for all sales (a drop would have to look for its orders, and a re-heat
 * could not be swapped in); chained hash tables (a cache miss a link); a lock-free buyer table (an
 * uncontended mutex is 20 ns of the 5,000 of a request); a timer wheel (next_ns must be exact, and
 * it is a scan there).
 */
#include "stock/memory/memory.h"

#include <stdlib.h>
#include "base/random.h"
#include "stock/memory/memory_state.h"

enum { SWEEP_BUYERS = 64 }; /* of each shard of one sale, with every call of expire() */

/*
 * With many sales or buyers nothing of a purchase is in the cache, and waiting for one line after
 * the other would cost more than the decision. So a group is walked in steps: each asks for the
 * lines that the next one needs, and while they come it is busy with the others.
 */
static void reserve_group(struct stock_memory *memory, struct stock_reserve *items, size_t count)
{
	struct sale_stock *sales[MEMORY_GROUP];
	struct sale_names names[MEMORY_GROUP];

	for (size_t i = 0; i < count; i++) {
		sales[i] = sale_registry_find(&memory->registry, items[i].event.sale);
		if (sales[i])
			sale_stock_prefetch(sales[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct event *event = &items[i].event;

		sales[i] = memory_armed(memory, event->sale, &items[i].outcome);
		if (!sales[i])
			continue;
		names[i] = sale_names_make(&memory->common, event->sale, event->buyer, event->key,
					   labels_fingerprint(&event->labels), &event->id);
		sale_stock_prefetch_shard(sales[i], &names[i], event->lot);
	}
	for (size_t i = 0; i < count; i++)
		if (sales[i])
			sale_stock_prefetch_slots(sales[i], &names[i]);
	for (size_t i = 0; i < count; i++)
		if (sales[i])
			sale_stock_reserve(sales[i], &items[i], &names[i]);
}

static void memory_reserve(struct stock *stock, struct stock_reserve *items, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t start = 0; start < count; start += MEMORY_GROUP)
		reserve_group(memory, items + start, count - start < MEMORY_GROUP ? count - start : MEMORY_GROUP);
	reader_gate_leave(&memory->registry.gate, stripe);
}

static void memory_settle(struct stock *stock, struct stock_settle *items, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++) {
		struct sale_stock *sale = memory_armed(memory, items[i].sale, &items[i].outcome);

		if (sale)
			sale_stock_settle(sale, &items[i]);
	}
	reader_gate_leave(&memory->registry.gate, stripe);
}

static void memory_find(struct stock *stock, struct stock_find *items, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++) {
		struct sale_stock *sale = memory_armed(memory, items[i].sale, &items[i].outcome);

		if (sale)
			sale_stock_find(sale, &items[i]);
		else
			items[i].outcome = STOCK_UNKNOWN_SALE;
	}
	reader_gate_leave(&memory->registry.gate, stripe);
}

static void memory_orders(struct stock *stock, struct stock_orders *item)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = memory_armed(memory, item->sale, &item->outcome);

	item->count = 0;
	if (sale)
		sale_stock_orders(sale, item);
	reader_gate_leave(&memory->registry.gate, stripe);
}

/*
 * Every call looks after one sale more. A stamp must be forgotten within 24 days (rate_window.h).
 */
static void sweep_next(struct stock_memory *memory, int64_t now_ns)
{
	uint32_t number = atomic_load_explicit(&memory->sweep_sale, memory_order_relaxed);
	struct sale_stock *sale = sale_registry_next(&memory->registry, &number);

	if (sale)
		sale_stock_sweep(sale, now_ns, SWEEP_BUYERS);
	atomic_store_explicit(&memory->sweep_sale, sale ? number + 1 : 0, memory_order_relaxed);
}

static size_t memory_expire(struct stock *stock, int64_t now_ns, int64_t now_ms, int64_t grace_ns, struct event *out, size_t max,
			    int64_t *next_ns)
{
	struct stock_memory *memory = memory_of(stock);
	const struct sale_expiry expiry = {.cutoff_ns = now_ns - grace_ns, .now_ns = now_ns, .now_ms = now_ms};
	struct calendar *calendar = &memory->common.calendar;
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct calendar_seat *seat;
	bool outbox_full = false;
	int64_t deadline_ns;
	size_t count = 0;

	while ((seat = calendar_first(calendar, &deadline_ns)) && deadline_ns <= expiry.cutoff_ns && count < max && !outbox_full) {
		count += sale_stock_expire((struct sale_stock *)seat, &expiry, out + count, max - count, &outbox_full);
		calendar_refresh(calendar, seat);
	}
	*next_ns = deadline_ns > INT64_MAX - grace_ns ? INT64_MAX : deadline_ns + grace_ns;
	sweep_next(memory, now_ns);
	reader_gate_leave(&memory->registry.gate, stripe);
	return count;
}

static enum stock_ack acknowledge_one(struct stock_memory *memory, const struct event *event)
{
	struct sale_stock *sale = sale_registry_find(&memory->registry, event->sale);

	if (!sale)
		return STOCK_ACK_NO_SALE;
	if (event->epoch != sale->rules.epoch)
		return STOCK_ACK_OTHER_EPOCH;
	return event->kind == EVENT_WITHDRAWN ? sale_stock_acknowledge_withdrawal(sale, event) : sale_stock_acknowledge(sale, event);
}

static void memory_acknowledge(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++) {
		enum stock_ack said = acknowledge_one(memory, events[i]);

		if (answers)
			answers[i] = said;
	}
	reader_gate_leave(&memory->registry.gate, stripe);
}

/* It was done at once. */
static void memory_acknowledge_wait(struct stock *stock)
{
	(void)stock;
}

static void memory_compensate(struct stock *stock, const struct event *const *events, size_t count, bool *undone)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++) {
		struct sale_stock *sale = sale_registry_find(&memory->registry, events[i]->sale);

		undone[i] = true;
		if (!sale)
			continue;
		if (events[i]->kind == EVENT_WITHDRAWN)
			undone[i] = sale_stock_compensate_withdrawal(sale, events[i]);
		else
			undone[i] = sale_stock_compensate(sale, events[i]);
	}
	reader_gate_leave(&memory->registry.gate, stripe);
}

static size_t memory_claim(struct stock *stock, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max)
{
	return outbox_claim(memory_of(stock)->common.outbox, before_ns, now_ns, out, max);
}

/* While a sale is being loaded nobody knows yet who is in it. */
static bool memory_may_have_order(struct stock *stock, uint32_t number, struct slice buyer)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = sale_registry_find(&memory->registry, number);
	bool may_have = false;

	if (sale && atomic_load(&sale->state) == SALE_STOCK_LOADING)
		may_have = true;
	else if (sale && buyer.size <= BUYER_MAX)
		may_have = buyer_filter_may_have(&sale->filter, sale_names_buyer(&memory->common, number, buyer));
	reader_gate_leave(&memory->registry.gate, stripe);
	return may_have;
}

static int memory_withdraw(struct stock *stock, struct stock_withdrawal *withdrawal)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	enum stock_outcome why;
	struct sale_stock *sale = memory_armed(memory, withdrawal->sale, &why);
	int outcome = (int)why;

	withdrawal->event = (struct event){0};
	if (sale)
		outcome = sale_stock_withdraw(sale, withdrawal);
	reader_gate_leave(&memory->registry.gate, stripe);
	return outcome;
}

static int memory_brake(struct stock *stock, uint32_t number, const struct stock_brake_change *change)
{
	struct stock_memory *memory = memory_of(stock);
	int outcome = brake_table_change(&memory->brakes, number, change);

	memory_heed_brake(memory, number);
	return outcome;
}

static void memory_brake_written(struct stock *stock, uint32_t number, uint32_t serial)
{
	brake_table_written(&memory_of(stock)->brakes, number, serial);
}

/* Nobody else has said anything. */
static void memory_brake_hear(struct stock *stock, uint32_t number)
{
	(void)stock;
	(void)number;
}

static bool memory_brake_of(struct stock *stock, uint32_t number, struct stock_brake *brake)
{
	return brake_table_get(&memory_of(stock)->brakes, number, brake);
}

/* Nobody else has it. */
static void memory_keep(struct stock *stock, const struct sale *const *sales, size_t count)
{
	(void)stock;
	(void)sales;
	(void)count;
}

static int memory_recall(struct stock *stock, uint32_t number, struct sale **sale)
{
	(void)stock;
	(void)number;
	*sale = NULL;
	return STOCK_UNKNOWN_SALE;
}

static int memory_kept(struct stock *stock, uint32_t after, uint32_t *numbers, size_t max, size_t *count)
{
	(void)stock;
	(void)after;
	(void)numbers;
	(void)max;
	*count = 0;
	return 0;
}

static void memory_keep_log(struct stock *stock, const struct stock_log *log)
{
	(void)stock;
	(void)log;
}

static int memory_recall_log(struct stock *stock, struct stock_log *log)
{
	(void)stock;
	(void)log;
	return STOCK_UNKNOWN_SALE;
}

/* Nobody else has this stock: what is here is what there is. */
static void memory_refresh(struct stock *stock, struct stock_refresh *sales, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++)
		if (memory_armed(memory, sales[i].sale, &sales[i].outcome))
			sales[i].outcome = STOCK_DONE;
	reader_gate_leave(&memory->registry.gate, stripe);
}

static int memory_health(struct stock *stock, const char **reason)
{
	(void)stock;
	*reason = NULL;
	return 0;
}

static int memory_snapshot(struct stock *stock, uint32_t number, struct stock_lot_state *lots, uint32_t *lot_count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	enum stock_outcome why;
	struct sale_stock *sale = memory_armed(memory, number, &why);

	if (sale) {
		*lot_count = sale->rules.lot_count;
		sale_stock_snapshot(sale, lots);
	}
	reader_gate_leave(&memory->registry.gate, stripe);
	return sale ? 0 : STOCK_UNKNOWN_SALE;
}

static uint64_t memory_version(struct stock *stock, uint32_t number, uint32_t lot)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	enum stock_outcome why;
	struct sale_stock *sale = memory_armed(memory, number, &why);
	uint64_t version = sale && lot < sale->rules.lot_count ? atomic_load(&sale->lots[lot].version) : 0;

	reader_gate_leave(&memory->registry.gate, stripe);
	return version;
}

static void memory_totals(struct stock *stock, struct stock_totals *totals)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale;

	*totals = (struct stock_totals){
		.outbox = (int64_t)outbox_count(memory->common.outbox),
		.memory_bytes = (int64_t)sizeof(*memory) + atomic_load(&memory->common.memory) + outbox_memory(memory->common.outbox),
	};
	for (uint32_t number = 0; (sale = sale_registry_next(&memory->registry, &number)); number++)
		sale_stock_count(sale, totals);
	reader_gate_leave(&memory->registry.gate, stripe);
}

static void memory_free(struct stock *stock)
{
	struct stock_memory *memory = memory_of(stock);

	for (uint32_t number = 0; sale_registry_next(&memory->registry, &number); number++)
		memory_drop(stock, number, UINT32_MAX);
	ASSERT(outbox_count(memory->common.outbox) == 0);
	sale_registry_deinit(&memory->registry);
	brake_table_deinit(&memory->brakes);
	calendar_deinit(&memory->common.calendar);
	outbox_free(memory->common.outbox);
	free(memory);
}

static const struct stock_ops memory_ops = {
	.name = "memory",
	.local = true,
	.reserve = memory_reserve,
	.settle = memory_settle,
	.expire = memory_expire,
	.acknowledge_send = memory_acknowledge,
	.acknowledge_wait = memory_acknowledge_wait,
	.compensate = memory_compensate,
	.claim = memory_claim,
	.find = memory_find,
	.orders = memory_orders,
	.may_have_order = memory_may_have_order,
	.preheat_begin = memory_preheat_begin,
	.preheat_load = memory_preheat_load,
	.preheat_find = memory_preheat_find,
	.preheat_withdrawals = memory_preheat_withdrawals,
	.arm = memory_arm,
	.drop = memory_drop,
	.allocate = memory_allocate,
	.withdraw = memory_withdraw,
	.brake = memory_brake,
	.brake_written = memory_brake_written,
	.brake_hear = memory_brake_hear,
	.brake_of = memory_brake_of,
	.keep = memory_keep,
	.recall = memory_recall,
	.kept = memory_kept,
	.keep_log = memory_keep_log,
	.recall_log = memory_recall_log,
	.refresh = memory_refresh,
	.health = memory_health,
	.snapshot = memory_snapshot,
	.version = memory_version,
	.totals = memory_totals,
	.free = memory_free,
};

int stock_memory_new(struct stock **stock, size_t outbox_max)
{
	struct stock_memory *memory = aligned_alloc(64, (sizeof(*memory) + 63) / 64 * 64);
	int r;

	if (!memory)
		return error_origin(-ENOMEM);
	*memory = (struct stock_memory){.stock.ops = &memory_ops};
	r = outbox_new(&memory->common.outbox, outbox_max);
	if (r < 0) {
		free(memory);
		return r;
	}
	random_bytes(&memory->common.buyer_key, sizeof(memory->common.buyer_key));
	random_bytes(&memory->common.key_key, sizeof(memory->common.key_key));
	random_bytes(&memory->common.id_key, sizeof(memory->common.id_key));
	calendar_init(&memory->common.calendar, &memory->common.memory);
	sale_registry_init(&memory->registry, &memory->common.memory);
	brake_table_init(&memory->brakes);
	*stock = &memory->stock;
	return 0;
}

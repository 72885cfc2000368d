/*
 * How a sale comes into the stock in memory, and goes: begun, loaded, armed, given more units,
 * dropped.
 */
#include "stock/memory/memory_state.h"

/*
 * Out of the registry already. Whoever was inside may still grant from it and seat it: after the
 * first wait nobody can, after the second nobody has found it in the calendar either. Its outbox
 * entries are void: their epoch is over.
 */
static void retire(struct stock_memory *memory, struct sale_stock *sale)
{
	if (!sale)
		return;
	atomic_store(&sale->state, SALE_STOCK_RETIRED);
	reader_gate_wait(&memory->registry.gate);
	calendar_leave(&memory->common.calendar, &sale->seat);
	reader_gate_wait(&memory->registry.gate);
	outbox_purge(memory->common.outbox, sale);
	sale_stock_free(sale);
}

/* The highest version that anyone can have seen of the sale's former stock. */
static uint64_t last_version(const struct sale_stock *sale)
{
	uint64_t last = sale->version_base;

	for (uint32_t i = 0; i < sale->rules.lot_count; i++) {
		uint64_t version = atomic_load(&sale->lots[i].version);

		last = version > last ? version : last;
	}
	return last;
}

static bool rules_valid(const struct stock_rules *rules)
{
	return rules->sale >= 1 && rules->sale <= UUID_TAG_MAX && rules->lot_count >= 1 && rules->lot_count <= LOTS_MAX &&
	       rules->limit_per_buyer >= 1 && rules->limit_per_buyer <= LIMIT_MAX && rules->rate_requests <= RATE_REQUESTS_MAX &&
	       rules->rate_seconds <= RATE_SECONDS_MAX;
}

void memory_heed_brake(struct stock_memory *memory, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = sale_registry_find(&memory->registry, number);
	struct stock_brake brake;

	if (sale && brake_table_get(&memory->brakes, number, &brake))
		atomic_store(&sale->stopped, brake.stopped);
	reader_gate_leave(&memory->registry.gate, stripe);
}

int memory_preheat_begin(struct stock *stock, const struct stock_rules *rules)
{
	struct stock_memory *memory = memory_of(stock);
	struct sale_stock *sale, *former;
	unsigned stripe;
	int r;

	if (!rules_valid(rules))
		return error_origin(-EINVAL);
	r = sale_registry_make_room(&memory->registry, rules->sale);
	if (r < 0)
		return r;
	r = sale_stock_new(&sale, &memory->common, rules);
	if (r < 0)
		return r;
	stripe = reader_gate_enter(&memory->registry.gate);
	former = sale_registry_find(&memory->registry, rules->sale);
	if (former)
		sale->version_base = last_version(former) + 1; /* one more: a return may be on its way */
	reader_gate_leave(&memory->registry.gate, stripe);
	retire(memory, sale_registry_swap(&memory->registry, rules->sale, sale));
	memory_heed_brake(memory, rules->sale);
	return 0;
}

static int load_group(struct stock_memory *memory, struct sale_stock *sale, const struct stock_load *orders, size_t count,
		      int64_t now_ns)
{
	struct sale_names names[MEMORY_GROUP];
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		names[i] = sale_names_make(&memory->common, sale->rules.sale, orders[i].buyer, orders[i].key, orders[i].labels,
					   &orders[i].id);
		sale_stock_prefetch_slots(sale, &names[i]);
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = sale_stock_load(sale, &orders[i], &names[i], now_ns);
	return r;
}

/* The sale where it is being loaded, and nowhere else. Within the registry's gate. */
static struct sale_stock *find_loading(struct stock_memory *memory, uint32_t number)
{
	struct sale_stock *sale = sale_registry_find(&memory->registry, number);

	return sale && atomic_load(&sale->state) == SALE_STOCK_LOADING ? sale : NULL;
}

int memory_preheat_load(struct stock *stock, uint32_t number, const struct stock_load *orders, size_t count, int64_t now_ns)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = find_loading(memory, number);
	int r = sale ? 0 : error_origin(-EINVAL);

	for (size_t start = 0; start < count && r == 0; start += MEMORY_GROUP)
		r = load_group(memory, sale, orders + start, count - start < MEMORY_GROUP ? count - start : MEMORY_GROUP, now_ns);
	reader_gate_leave(&memory->registry.gate, stripe);
	return r;
}

void memory_preheat_find(struct stock *stock, struct stock_find *items, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);

	for (size_t i = 0; i < count; i++) {
		struct sale_stock *sale = sale_registry_find(&memory->registry, items[i].sale);

		if (!sale || atomic_load(&sale->state) != SALE_STOCK_LOADING)
			items[i].outcome = sale ? STOCK_FENCED : STOCK_UNKNOWN_SALE;
		else
			sale_stock_find(sale, &items[i]);
	}
	reader_gate_leave(&memory->registry.gate, stripe);
}

int memory_preheat_withdrawals(struct stock *stock, uint32_t number, const struct stock_withdrawn *withdrawals, size_t count)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = find_loading(memory, number);
	int r = sale ? sale_stock_load_withdrawals(sale, withdrawals, count) : error_origin(-EINVAL);

	reader_gate_leave(&memory->registry.gate, stripe);
	return r;
}

int memory_arm(struct stock *stock, uint32_t number, const int64_t *allocated, const int64_t *withdrawn)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = find_loading(memory, number);
	int r = sale ? sale_stock_arm(sale, allocated, withdrawn) : error_origin(-EINVAL);

	reader_gate_leave(&memory->registry.gate, stripe);
	return r;
}

void memory_drop(struct stock *stock, uint32_t number, uint32_t epoch)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	struct sale_stock *sale = sale_registry_find(&memory->registry, number);
	bool newer = sale && sale->rules.epoch > epoch;

	reader_gate_leave(&memory->registry.gate, stripe);
	if (sale && !newer) {
		retire(memory, sale_registry_swap(&memory->registry, number, NULL));
		brake_table_forget(&memory->brakes, number);
	}
}

int memory_allocate(struct stock *stock, uint32_t number, uint32_t lot, int64_t allocated)
{
	struct stock_memory *memory = memory_of(stock);
	unsigned stripe = reader_gate_enter(&memory->registry.gate);
	enum stock_outcome why;
	struct sale_stock *sale = memory_armed(memory, number, &why);

	if (sale)
		sale_stock_allocate(sale, lot, allocated);
	reader_gate_leave(&memory->registry.gate, stripe);
	return sale ? 0 : (int)why;
}

#include "stock/redis/sales.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

enum { USUAL_AGE_MS = 3000 }; /* until the first claim says it */

void redis_sales_init(struct redis_sales *sales)
{
	sale_registry_init(&sales->registry, &sales->memory);
	lock_init(&sales->changing);
	random_bytes(&sales->name_key, sizeof(sales->name_key));
	redis_sales_look_back(sales, USUAL_AGE_MS);
}

static void free_sale(struct redis_sale *sale)
{
	if (!sale)
		return;
	buyer_filter_deinit(&sale->filter);
	lock_deinit(&sale->lock);
	free(sale);
}

void redis_sales_deinit(struct redis_sales *sales)
{
	for (uint32_t number = 0; sale_registry_next(&sales->registry, &number); number++)
		free_sale(sale_registry_swap(&sales->registry, number, NULL));
	sale_registry_deinit(&sales->registry);
	lock_deinit(&sales->changing);
}

struct hash128 redis_sales_name(const struct redis_sales *sales, struct slice buyer)
{
	return siphash128(&sales->name_key, buyer.data, buyer.size);
}

/* --- The sale's time --- */

int64_t redis_sale_now_ms(const struct redis_sale *sale)
{
	return atomic_load(&sale->clock.timed) ? atomic_load(&sale->clock.least_ms) + clock_mono_ms() : clock_wall_ms();
}

int64_t redis_sale_seen_ms(struct redis_sale *sale, int64_t before_ms)
{
	struct redis_clock *clock = &sale->clock;
	int64_t seen = 0;

	lock_take(&sale->lock);
	for (unsigned i = 0; i < clock->reading_count && i < REDIS_READINGS; i++) {
		const struct redis_reading *reading = &clock->readings[i];

		if (reading->mono_ms <= before_ms && reading->time_ms > seen)
			seen = reading->time_ms;
	}
	lock_release(&sale->lock);
	return seen;
}

void redis_sales_look_back(struct redis_sales *sales, int64_t age_ms)
{
	atomic_store_explicit(&sales->reading_ms, age_ms > 0 ? 2 * age_ms / REDIS_READINGS : 0, memory_order_relaxed);
}

static void keep_reading(struct redis_sale *sale, int64_t mono_ms, int64_t time_ms, int64_t apart_ms)
{
	struct redis_clock *clock = &sale->clock;
	int64_t next_ms = atomic_load_explicit(&clock->next_ms, memory_order_relaxed);

	if (mono_ms < next_ms || !atomic_compare_exchange_strong(&clock->next_ms, &next_ms, mono_ms + apart_ms))
		return;
	lock_take(&sale->lock);
	clock->readings[clock->reading_count++ % REDIS_READINGS] = (struct redis_reading){mono_ms, time_ms};
	lock_release(&sale->lock);
}

static void tell_clock(const struct redis_sale *sale, int64_t off_ms, bool first)
{
	static struct log_limiter first_limiter, set_limiter;
	uint64_t suppressed;

	if (first && log_limiter_pass(&first_limiter, &suppressed))
		log_info("stock", "a sale's time is what the clock of Redis says: this process has measured nothing yet",
			 LOG_INT("sale", sale->number), LOG_INT("suppressed", suppressed));
	if (!first && log_limiter_pass(&set_limiter, &suppressed))
		log_warn("stock", "the clock of Redis was set: holds and rates go on by the time that has passed",
			 LOG_INT("sale", sale->number), LOG_INT("ahead_ms", off_ms), LOG_INT("suppressed", suppressed));
}

enum { OFF_NEWS_MS = 500 }; /* less is a clock that is steered */

static void learn_time(struct redis_sale *sale, int64_t sent_ms, int64_t time_ms, int64_t wall_ms, int64_t apart_ms)
{
	struct redis_clock *clock = &sale->clock;
	int64_t mono_ms = clock_mono_ms(), off_ms = wall_ms - time_ms,
		was_ms = atomic_load_explicit(&clock->off_ms, memory_order_relaxed);
	bool first = !atomic_load_explicit(&clock->timed, memory_order_relaxed);

	atomic_store_explicit(&clock->least_ms, time_ms - mono_ms, memory_order_relaxed);
	atomic_store_explicit(&clock->most_ms, time_ms - sent_ms, memory_order_relaxed);
	atomic_store(&clock->timed, true);
	keep_reading(sale, mono_ms, time_ms, apart_ms);
	if (first || off_ms > was_ms + OFF_NEWS_MS || off_ms < was_ms - OFF_NEWS_MS) {
		atomic_store(&clock->off_ms, off_ms);
		tell_clock(sale, off_ms, first);
	}
}

/* What was measured goes on in another epoch. */
static void keep_clock(struct redis_sale *sale, const struct redis_sale *former)
{
	atomic_store(&sale->clock.least_ms, atomic_load(&former->clock.least_ms));
	atomic_store(&sale->clock.most_ms, atomic_load(&former->clock.most_ms));
	atomic_store(&sale->clock.off_ms, atomic_load(&former->clock.off_ms));
	atomic_store(&sale->clock.timed, atomic_load(&former->clock.timed));
}

/* --- Entries --- */

struct redis_look redis_sales_look(struct redis_sales *sales, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	struct redis_look look = {0};

	if (sale)
		look = (struct redis_look){
			.known = atomic_load(&sale->known),
			.names_epoch = sale->epoch,
			.begun = atomic_load(&sale->begun),
			.names_from = atomic_load(&sale->names_from),
			.timed = atomic_load(&sale->clock.timed),
			.least_ms = atomic_load_explicit(&sale->clock.least_ms, memory_order_relaxed),
			.most_ms = atomic_load_explicit(&sale->clock.most_ms, memory_order_relaxed),
		};
	reader_gate_leave(&sales->registry.gate, stripe);
	return look;
}

static void raise_to(_Atomic uint32_t *known, uint32_t epoch)
{
	uint32_t seen = atomic_load(known);

	while (seen < epoch && !atomic_compare_exchange_weak(known, &seen, epoch))
		;
}

static struct redis_sale *make_sale(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count)
{
	struct redis_sale *sale = calloc(1, sizeof(*sale) + lot_count * sizeof(sale->lots[0]));

	if (!sale)
		return NULL;
	sale->number = number;
	sale->epoch = epoch;
	sale->lot_count = lot_count;
	atomic_init(&sale->known, epoch);
	atomic_init(&sale->doubts, 1);
	atomic_init(&sale->state, REDIS_SALE_FENCED);
	buyer_filter_init(&sale->filter, &sales->memory);
	lock_init(&sale->lock);
	return sale;
}

/* Nobody else changes the registry meanwhile, so what is found here stays. */
static int put(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count, bool begins)
{
	struct redis_sale *former = redis_sales_find(sales, number), *sale;
	int r;

	if (former && !begins && former->epoch >= epoch && former->lot_count >= lot_count && !atomic_load(&former->dropped))
		return 0;
	r = sale_registry_make_room(&sales->registry, number);
	if (r < 0)
		return r;
	sale = make_sale(sales, number, epoch, lot_count);
	if (!sale)
		return error_origin(-ENOMEM);
	if (former) {
		keep_clock(sale, former);
		atomic_init(&sale->doubts, atomic_load(&former->doubts) + 1); /* what is on its way about the former one settles nothing */
		atomic_store(&sale->begun, atomic_load(&former->begun));
		raise_to(&sale->known, atomic_load(&former->known));
	}
	if (begins) {
		atomic_store(&sale->begun, epoch);
		atomic_store(&sale->state, REDIS_SALE_LOADING);
	}
	sale_registry_swap(&sales->registry, number, sale);
	reader_gate_wait(&sales->registry.gate);
	free_sale(former);
	return 0;
}

int redis_sales_expect(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count)
{
	int r;

	lock_take(&sales->changing);
	r = put(sales, number, epoch, lot_count, false);
	lock_release(&sales->changing);
	return r;
}

int redis_sales_begin(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count)
{
	int r;

	lock_take(&sales->changing);
	r = put(sales, number, epoch, lot_count, true);
	lock_release(&sales->changing);
	return r;
}

void redis_sales_forget(struct redis_sales *sales, uint32_t number)
{
	struct redis_sale *former;

	lock_take(&sales->changing);
	former = redis_sales_find(sales, number) ? sale_registry_swap(&sales->registry, number, NULL) : NULL;
	if (former)
		reader_gate_wait(&sales->registry.gate);
	lock_release(&sales->changing);
	free_sale(former);
}

void redis_sales_hear_of(struct redis_sales *sales, uint32_t number, uint32_t epoch)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);

	if (sale)
		raise_to(&sale->known, epoch);
	reader_gate_leave(&sales->registry.gate, stripe);
}

/* A fence that comes late, of a term that is over, does no harm: the next answer opens it again. */
void redis_sales_fence(struct redis_sales *sales, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);

	if (sale && atomic_load(&sale->state) == REDIS_SALE_ARMED) {
		atomic_store(&sale->state, REDIS_SALE_FENCED);
		for (uint32_t i = 0; i < sale->lot_count; i++)
			atomic_store(&sale->lots[i].version, 0);
	}
	reader_gate_leave(&sales->registry.gate, stripe);
}

void redis_sales_add_buyer(struct redis_sales *sales, uint32_t number, struct slice buyer)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);

	if (sale)
		buyer_filter_add(&sale->filter, redis_sales_name(sales, buyer));
	reader_gate_leave(&sales->registry.gate, stripe);
}

/* --- Answers --- */

static void learn_lot(struct redis_sale *sale, uint32_t lot, struct redis_reader *answer)
{
	struct stock_lot_state state = {0};
	uint32_t count, revision;

	state.available = redis_read32(answer);
	state.held = redis_read32(answer);
	state.confirmed = redis_read32(answer);
	state.withdrawn = redis_read32(answer);
	state.allocated = redis_read32(answer);
	count = redis_read32(answer);
	revision = redis_read32(answer);
	if (!sale || answer->failed || lot >= sale->lot_count)
		return;
	state.version = (uint64_t)sale->epoch << 32 | count;
	lock_take(&sale->lock);
	if (revision >= sale->lots[lot].revision) {
		sale->lots[lot].state = state;
		sale->lots[lot].revision = revision;
	}
	if (atomic_load(&sale->state) == REDIS_SALE_ARMED)
		atomic_store(&sale->lots[lot].version, sale->lots[lot].state.version);
	lock_release(&sale->lock);
}

/* Inside the gate. The entry that an answer of this epoch tells of, or NULL. */
static struct redis_sale *entry_of(struct redis_sales *sales, uint32_t number, uint32_t epoch)
{
	struct redis_sale *sale = redis_sales_find(sales, number);

	return sale && sale->epoch == epoch && !atomic_load(&sale->dropped) ? sale : NULL;
}

bool redis_sales_learn(struct redis_sales *sales, uint32_t number, struct redis_reader *answer, struct redis_head *head)
{
	int64_t wall_ms, deadline_ms;
	struct redis_sale *sale;
	uint32_t touched;
	unsigned stripe;

	head->epoch = redis_read32(answer);
	head->limit = redis_read_within(answer, 4, 1, LIMIT_MAX);
	head->now_ms = redis_read_time(answer);
	wall_ms = redis_read_time(answer);
	deadline_ms = redis_read_time(answer);
	(void)redis_read_within(answer, 2, 1, LOTS_MAX); /* how many lots there are the catalog says */
	touched = redis_read_within(answer, 2, 0, LOTS_MAX);
	if (answer->failed)
		return false;
	head->foreign = head->epoch > redis_sales_look(sales, number).known;
	if (head->foreign) {
		for (uint32_t i = 0; i < touched; i++)
			learn_lot(NULL, redis_read16(answer), answer);
		redis_sales_fence(sales, number);
		return !answer->failed;
	}
	stripe = reader_gate_enter(&sales->registry.gate);
	sale = entry_of(sales, number, head->epoch);
	if (sale) {
		atomic_store(&sale->deadline_ms, deadline_ms);
		learn_time(sale, answer->sent_ms, head->now_ms, wall_ms,
			   atomic_load_explicit(&sales->reading_ms, memory_order_relaxed));
	}
	for (uint32_t i = 0; i < touched; i++)
		learn_lot(sale, redis_read16(answer), answer);
	reader_gate_leave(&sales->registry.gate, stripe);
	return !answer->failed;
}

void redis_sales_learn_lots(struct redis_sales *sales, uint32_t number, uint32_t epoch, struct redis_reader *answer)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = entry_of(sales, number, epoch);
	uint32_t count = redis_read_within(answer, 2, 0, LOTS_MAX);

	if (sale && !answer->failed)
		atomic_store(&sale->state, REDIS_SALE_ARMED);
	for (uint32_t i = 0; i < count; i++)
		learn_lot(sale, i, answer);
	reader_gate_leave(&sales->registry.gate, stripe);
}

static void add_names(struct redis_sales *sales, struct redis_sale *sale, struct slice names)
{
	size_t start = 0;

	for (size_t i = 0; i < names.size; i++) {
		if (names.data[i] != '\n')
			continue;
		buyer_filter_add(&sale->filter, redis_sales_name(sales, (struct slice){names.data + start, i - start}));
		start = i + 1;
	}
}

/* The part of a chunk up to the end of its last whole name: the next chunk begins there. */
static struct slice whole_names(struct slice chunk)
{
	while (chunk.size && chunk.data[chunk.size - 1] != '\n')
		chunk.size--;
	return chunk;
}

bool redis_sales_learn_names(struct redis_sales *sales, uint32_t number, uint32_t epoch, struct redis_reader *answer)
{
	uint64_t from = (uint64_t)redis_read64(answer), total = (uint64_t)redis_read64(answer);
	struct slice names = whole_names(redis_read_bytes(answer, redis_read32(answer)));
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = entry_of(sales, number, epoch);
	uint64_t end = from + names.size, seen;
	bool more = false;

	if (sale && !answer->failed) {
		add_names(sales, sale, names);
		seen = atomic_load(&sale->names_from);
		while (seen >= from && seen < end && !atomic_compare_exchange_weak(&sale->names_from, &seen, end))
			;
		seen = atomic_load(&sale->names_from);
		if (seen >= total)
			atomic_store(&sale->names_complete, true);
		more = seen < total && names.size > 0; /* who says that there are more, and tells none, is not asked on and on */
	}
	reader_gate_leave(&sales->registry.gate, stripe);
	return more;
}

void redis_sales_note_known(struct redis_sales *sales, uint32_t number, uint32_t epoch, int64_t sent_ns)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = entry_of(sales, number, epoch);
	int64_t known_ns = sale ? atomic_load(&sale->known_ns) : 0;

	while (sale && known_ns < sent_ns && !atomic_compare_exchange_weak(&sale->known_ns, &known_ns, sent_ns))
		;
	reader_gate_leave(&sales->registry.gate, stripe);
}

void redis_sales_learn_outbox(struct redis_sales *sales, uint32_t number, uint32_t epoch, int64_t oldest_ms)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = entry_of(sales, number, epoch);

	if (sale)
		atomic_store(&sale->oldest_ms, oldest_ms);
	reader_gate_leave(&sales->registry.gate, stripe);
}

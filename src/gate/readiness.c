#include "gate/readiness.h"

#include "base/clock.h"

static const int64_t STREAK_NS = 1000000000; /* so long nothing but 503 is what buyers meet, and no single one's bad luck */
static const int64_t STALE_NS = 5000000000;  /* who was taken out of rotation hears of no purchase: then it is tried again */

/*
 * What shows that purchases are decided. The rest says nothing about it: a bad token, a limit, a
 * key used twice.
 */
static bool is_decision(int outcome)
{
	switch (outcome) {
	case OUTCOME_ACCEPTED:
	case OUTCOME_REPLAYED:
	case PROBLEM_SOLD_OUT:
	case PROBLEM_SALE_ENDED:
	case PROBLEM_SALE_NOT_OPEN:
	case PROBLEM_BUYER_LIMIT:
		return true;
	}
	return false;
}

static void set(_Atomic int64_t *value, int64_t to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

void readiness_note(struct gate_thread *thread, int outcome)
{
	struct purchase_streak *streak = &thread->refused;
	int64_t now_ns = http_loop_now(thread->loop);

	if (is_decision(outcome)) {
		set(&streak->decided_ns, now_ns);
		if (get(&streak->since_ns))
			set(&streak->since_ns, 0);
		return;
	}
	if (outcome >= PROBLEM_COUNT || problem_status((enum problem)outcome) != 503)
		return;
	if (get(&streak->since_ns) == 0 || now_ns - get(&streak->last_ns) > STALE_NS)
		set(&streak->since_ns, now_ns);
	atomic_store_explicit(&streak->problem, outcome, memory_order_relaxed);
	set(&streak->last_ns, now_ns);
}

/* Why all purchases of late were 503, whichever thread they came to; NULL: they were not. */
static const char *look_at_purchases(const struct gate *gate)
{
	int64_t since_ns = INT64_MAX, last_ns = 0, decided_ns = 0, now_ns = clock_mono_ns();
	int problem = PROBLEM_COUNT;

	for (size_t i = 0; i < gate->thread_count; i++) {
		const struct purchase_streak *streak = &gate->threads[i].refused;
		int64_t began_ns = get(&streak->since_ns), ended_ns = get(&streak->last_ns);

		if (get(&streak->decided_ns) > decided_ns)
			decided_ns = get(&streak->decided_ns);
		if (began_ns == 0 || now_ns - ended_ns > STALE_NS)
			continue;
		if (began_ns < since_ns)
			since_ns = began_ns;
		if (ended_ns >= last_ns) {
			last_ns = ended_ns;
			problem = atomic_load_explicit(&streak->problem, memory_order_relaxed);
		}
	}
	if (problem == PROBLEM_COUNT)
		return NULL;
	if (decided_ns > since_ns)
		since_ns = decided_ns;
	return now_ns - since_ns < STREAK_NS ? NULL : problem_code((enum problem)problem);
}

/* Why none of the open sales can be bought from; NULL: one can, or none is open. */
static const char *look_at_sales(struct gate_thread *thread)
{
	const struct sale_table *table = gate_sales(thread);
	struct stock *stock = thread->gate->settings.admission->stock;
	struct stock_lot_state lots[LOTS_MAX];
	int64_t now_ms = clock_wall_ms();
	uint32_t lot_count;
	bool open = false;

	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		if (sale_phase(sale, now_ms) != SALE_PHASE_OPEN)
			continue;
		if (stock->ops->snapshot(stock, sale->number, lots, &lot_count) == 0)
			return NULL;
		open = true;
	}
	if (sale_table_count(table) == 0 && !sale_catalog_is_whole(thread->gate->settings.catalog))
		return "the ledger has not been asked, and the stock tells of no sale";
	return open ? "every open sale is being rebuilt" : NULL;
}

void readiness_look(struct gate_thread *thread, struct health_check checks[READY_CHECKS])
{
	const struct gate *gate = thread->gate;
	struct journal *journal = gate->settings.journal;
	struct ledger *ledger = gate->settings.ledger;
	struct stock *stock = gate->settings.admission->stock;
	const char *reason = NULL;
	int stock_health = stock->ops->health(stock, &reason);

	checks[READY_STOCK] = (struct health_check){"stock", stock_health ? reason : NULL, stock_health < 0};
	checks[READY_SERVING] =
		(struct health_check){"serving", atomic_load(&gate->ready) ? NULL : "starting: stock is being loaded", true};
	checks[READY_STOPPING] = (struct health_check){"stopping", atomic_load(&gate->stopping) ? "stopping" : NULL, true};
	checks[READY_JOURNAL] = (struct health_check){"journal", journal->ops->health(journal, &reason) < 0 ? reason : NULL, true};
	checks[READY_SALES] = (struct health_check){"sales", look_at_sales(thread), true};
	checks[READY_PURCHASES] = (struct health_check){"purchases", look_at_purchases(gate), true};
	checks[READY_LEDGER] = (struct health_check){"ledger", ledger->ops->health(ledger, &reason) < 0 ? reason : NULL, false};
}

#include "recovery/round.h"

#include <stdlib.h>
#include "base/array.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "core/preheat.h"
#include "recovery/rebuild.h"

/*
 * A sale with a short tail waits for no other one's orders; and a long tail costs a reading that
 * many sales can share.
 */
enum { SHORT_TAIL = 20000, EPOCH_SEEN_MAX = INT32_MAX };

static const char other_log[] = "the journal is not the one that the ledger was filled from";
static const char gap[] = "the journal does not have all that the ledger lacks: its retention took some, or it is shorter";
static const char no_right[] = "this gate may not read the journal";
static const char no_room[] = "an event in the journal has an epoch that leaves no room for a newer one";
static const char unequal[] = "the ledger's orders are not what its own sums say: run `penstock audit`";
static const char too_many[] = "the orders exceed the sale's units or its limit per buyer: run `penstock audit`";

int round_init(struct round *round, struct ledger *ledger, struct stock *stock, struct journal *journal)
{
	*round = (struct round){
		.short_tail = SHORT_TAIL,
		.ledger = ledger,
		.stock = stock,
		.journal = journal,
		.logs = calloc(JOURNAL_PARTITIONS_MAX, sizeof(struct round_log)),
		.ends = calloc(JOURNAL_PARTITIONS_MAX, sizeof(int64_t)),
		.has_tail = !journal->ops->in_ledger && FAILPOINT("rebuild.no_barrier") <= 0, /* the failpoint breaks rule 4 on purpose */
	};
	if (round->logs && round->ends)
		return 0;
	round_deinit(round);
	return error_origin(-ENOMEM);
}

void round_deinit(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		tail_sale_deinit(&round->sales[i].tail);
		free(round->sales[i].sale);
	}
	free(round->sales);
	free(round->logs);
	free(round->ends);
	*round = (struct round){0};
}

int round_add(struct round *round, struct sale *sale)
{
	size_t place = round->count;

	if (array_fit(&round->sales, &round->room, round->count + 1, sizeof(*round->sales))) {
		free(sale);
		return error_origin(-ENOMEM);
	}
	while (place > 0 && round->sales[place - 1].tail.number > sale->number)
		place--;
	memmove(&round->sales[place + 1], &round->sales[place], (round->count - place) * sizeof(*round->sales));
	round->sales[place] = (struct round_sale){.sale = sale};
	tail_sale_init(&round->sales[place].tail, sale->number,
		       round->has_tail ? round->journal->ops->partition(round->journal, sale->number) : 0);
	round->count++;
	return 0;
}

static void hold(struct round_sale *sale, int error, const char *why)
{
	sale->error = error;
	sale->held = why;
}

/* What the journal says of a partition is so for all its sales. */
static void blame(struct round_sale *sale, int error)
{
	switch (error) {
	case -ESTALE:
		hold(sale, error, other_log);
		break;
	case -ENODATA:
		hold(sale, error, gap);
		break;
	case -EACCES:
		hold(sale, error, no_right);
		break;
	default:
		sale->error = error;
	}
}

/* --- The tail, learnt --- */

/*
 * The sales of a partition that are not given up, by rising number. Their count; *them is the
 * caller's to free, NULL without memory.
 */
static size_t sales_of(struct round *round, uint32_t partition, struct tail_sale ***them)
{
	size_t count = 0;

	*them = calloc(round->count + 1, sizeof(struct tail_sale *));
	for (size_t i = 0; *them && i < round->count; i++)
		if (round->sales[i].tail.partition == partition && !round->sales[i].error)
			(*them)[count++] = &round->sales[i].tail;
	return count;
}

/* Reads on to the partition's end. */
static int learn_partition(struct round *round, uint32_t partition)
{
	struct round_log *log = &round->logs[partition];
	struct journal_range range = {.partition = partition, .from = log->next, .to = round->ends[partition], .mark = log->mark};
	struct tail_sale **sales;
	struct tail tail;
	size_t count = sales_of(round, partition, &sales);
	int r = sales ? tail_init(&tail, round->stock, sales, count) : error_origin(-ENOMEM);

	if (r < 0) {
		free(sales);
		return r;
	}
	tail.mark = log->mark;
	r = range.from <= range.to ? round->journal->ops->read(round->journal, &range, tail_learn, &tail) : -ENODATA;
	if (r == 0) {
		log->next = range.to;
		log->mark = tail.mark;
	}
	tail_deinit(&tail);
	free(sales);
	return r;
}

static int learn_on(struct round *round)
{
	uint32_t count;
	int r = round->journal->ops->ends(round->journal, round->ends, JOURNAL_PARTITIONS_MAX, &count);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		r = round->logs[i].wanted ? learn_partition(round, i) : 0;
		if (r == -ENOMEM)
			return r;
		for (size_t j = 0; r < 0 && j < round->count; j++)
			if (round->sales[j].tail.partition == i && !round->sales[j].error)
				blame(&round->sales[j], r);
	}
	return 0;
}

int round_learn(struct round *round)
{
	struct ledger *ledger = round->ledger;

	if (!round->has_tail)
		return 0;
	for (size_t i = 0; i < round->count; i++) {
		uint32_t partition = round->sales[i].tail.partition;
		struct round_log *log = &round->logs[partition];
		int r = log->wanted ? 0 : ledger->ops->journal_position(ledger, partition, &log->next, &log->mark);

		if (r < 0)
			return r;
		if (r == LEDGER_NOT_FOUND)
			log->next = 0;
		log->wanted = true;
	}
	return learn_on(round);
}

/* --- The new epoch --- */

int round_begin(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		struct round_sale *sale = &round->sales[i];
		int r;

		if (!sale->error && sale->tail.highest > EPOCH_SEEN_MAX)
			hold(sale, error_origin(-EBADMSG), no_room);
		if (sale->error)
			continue;
		r = rebuild_begin(round->ledger, round->stock, sale->sale, sale->tail.highest);
		sale->tail.epoch = sale->sale->epoch;
		sale->error = r;
		if (r < 0 && r != -ESTALE)
			return r;
	}
	return 0;
}

int64_t round_wait_ns(const struct round *round, int64_t told_ns)
{
	int64_t wait_ns = round->stock->quiesce_ns, other_version_ns = atomic_load(&round->stock->other_version_ns);

	if (!round->has_tail)
		return 0;
	if (other_version_ns) {
		int64_t left_ns = other_version_ns + told_ns - clock_mono_ns();

		if (left_ns > 0 && round->stock->quiesce_other_ns > wait_ns)
			wait_ns = round->stock->quiesce_other_ns;
		wait_ns = left_ns > wait_ns ? left_ns : wait_ns;
	}
	return wait_ns;
}

int round_barriers(struct round *round)
{
	struct journal *journal = round->journal;
	int r;

	if (!round->has_tail)
		return 0;
	for (size_t i = 0; i < round->count; i++) {
		struct tail_sale *tail = &round->sales[i].tail;

		r = round->sales[i].error ? 0 : journal->ops->barrier(journal, tail->number, tail->epoch, &tail->barrier);
		if (r < 0)
			return r;
	}
	r = learn_on(round);
	for (size_t i = 0; i < round->count && r == 0; i++) {
		struct round_sale *sale = &round->sales[i];

		if (sale->error)
			continue;
		if (sale->tail.overtaken)
			sale->error = error_origin(-ESTALE);
		else if (!sale->tail.barrier_met)
			sale->error = error_origin(-EAGAIN);
	}
	return r;
}

/* --- Loading --- */

/*
 * The stock's epoch never goes back: between begin and arm the ledger must still have the one that
 * was begun. Who disarms a sale does so under the epoch that he has read: where the ledger has it
 * armed under ours, nobody can have made it a draft from before.
 */
static int look_again(struct round *round, struct round_sale *sale, struct sale **now)
{
	int r = round->ledger->ops->sale_get(round->ledger, sale->tail.number, SLICE_NULL, now);

	if (r < 0)
		return r;
	if (r == LEDGER_NOT_FOUND || ((*now)->epoch != sale->tail.epoch && FAILPOINT("rebuild.epoch_unread") <= 0)) {
		log_warn("rebuild", "another process has begun a newer epoch: this rebuild is broken off",
			 LOG_TEXT("sale", sale->sale->id), LOG_INT("epoch", sale->tail.epoch));
		return error_origin(-ESTALE);
	}
	if (!sale_in_stock(*now)) {
		log_warn("rebuild", "the sale was disarmed meanwhile: its stock is not built", LOG_TEXT("sale", sale->sale->id),
			 LOG_INT("epoch", sale->tail.epoch));
		round->stock->ops->drop(round->stock, sale->tail.number, sale->tail.epoch);
		return error_origin(-ESTALE);
	}
	return 0;
}

/*
 * Arms it with the units that the snapshot and the tail have left, and those that were added
 * meanwhile: the ledger has them first.
 */
static int arm(struct round *round, struct round_sale *sale)
{
	struct sale *loaded = sale->tail.snapshot.sale, *now = NULL;
	int r = look_again(round, sale, &now);

	for (uint32_t i = 0; r == 0 && i < loaded->lot_count && i < now->lot_count; i++)
		if (now->lots[i].allocated > loaded->lots[i].allocated)
			loaded->lots[i].allocated = now->lots[i].allocated;
	free(now);
	/* Before: whoever dies behind it leaves what to compare. */
	if (r == 0 && round->has_tail)
		r = round->ledger->ops->lots_armed(round->ledger, loaded, sale->tail.epoch);
	if (r == 0)
		r = preheat_arm(round->stock, loaded);
	if (r == -ERANGE)
		sale->held = too_many;
	sale->armed = r == 0;
	return r;
}

/* The ledger's orders. 0 or negative. */
static int load(struct round *round, struct round_sale *sale)
{
	struct ledger_snapshot snapshot = {0};
	int r = rebuild_load_sale(round->ledger, round->stock, sale->tail.number, &snapshot, &sale->orders);

	if (r == -EUCLEAN)
		sale->held = unequal;
	if (r == 0)
		r = tail_sale_start(&sale->tail, &snapshot);
	ledger_snapshot_deinit(&snapshot);
	if (r == 0 && sale->tail.overtaken)
		r = error_origin(-ESTALE);
	return r;
}

/*
 * The tail of some sales of one partition, in one reading from where the first of their snapshots
 * stands.
 */
static int apply(struct round *round, struct tail_sale **sales, size_t count)
{
	struct journal_range range = {.partition = sales[0]->partition, .from = INT64_MAX, .to = round->logs[sales[0]->partition].next};
	struct tail tail;
	int r = tail_init(&tail, round->stock, sales, count);

	for (size_t i = 0; i < count; i++) {
		if (sales[i]->next >= range.from)
			continue;
		range.from = sales[i]->next;
		range.mark = sales[i]->mark;
	}
	if (r == 0)
		r = round->journal->ops->read(round->journal, &range, tail_apply, &tail);
	tail_deinit(&tail);
	return r;
}

/* After its orders and its tail. */
static int finish(struct round *round, struct round_sale *sale)
{
	if (sale->tail.fault) {
		sale->held = sale->tail.fault;
		return error_origin(-EBADMSG);
	}
	if (round->has_tail && !sale->tail.ended && tail_sale_has_tail(&sale->tail))
		return error_origin(-EAGAIN);
	return arm(round, sale);
}

static bool is_long(const struct round *round, const struct tail_sale *sale)
{
	return round->logs[sale->partition].next - sale->next > round->short_tail;
}

struct loading {
	struct round *round;
	void (*told)(void *context, const struct round_sale *sale);
	bool (*stopping)(void *context);
	void *context;
	bool *waits; /* by place: its tail is read with those of others */
};

/* The sale comes to its end, armed or not. */
static void conclude(struct loading *loading, struct round_sale *sale, int r)
{
	sale->error = r;
	loading->told(loading->context, sale);
}

static void load_one(struct loading *loading, size_t place)
{
	struct round *round = loading->round;
	struct round_sale *sale = &round->sales[place];
	struct tail_sale *tail = &sale->tail;
	int r = load(round, sale);

	if (r == 0 && round->has_tail && tail_sale_has_tail(tail)) {
		loading->waits[place] = is_long(round, tail);
		if (loading->waits[place])
			return;
		r = apply(round, &tail, 1);
		if (r < 0)
			blame(sale, r);
	}
	conclude(loading, sale, r == 0 ? finish(round, sale) : r);
}

/* All that wait for the tail of one partition. */
static int load_tail(struct loading *loading, uint32_t partition)
{
	struct round *round = loading->round;
	struct tail_sale **sales = calloc(round->count + 1, sizeof(*sales));
	size_t count = 0;
	int r;

	if (!sales)
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < round->count; i++)
		if (loading->waits[i] && round->sales[i].tail.partition == partition)
			sales[count++] = &round->sales[i].tail;
	ASSERT(count > 0); /* one waits, or nobody would ask */
	r = apply(round, sales, count);
	free(sales);
	for (size_t i = 0; i < round->count; i++) {
		struct round_sale *sale = &round->sales[i];

		if (!loading->waits[i] || sale->tail.partition != partition)
			continue;
		loading->waits[i] = false;
		if (r < 0)
			blame(sale, r);
		conclude(loading, sale, r == 0 ? finish(round, sale) : r);
	}
	return 0;
}

static int rank(enum sale_state state)
{
	return state == SALE_OPEN ? 0 : state == SALE_ENDED ? 2 : 1;
}

static int64_t live_units(const struct sale *sale)
{
	int64_t units = 0;

	for (uint32_t i = 0; i < sale->lot_count; i++)
		units += sale->lots[i].held + sale->lots[i].confirmed;
	return units;
}

static int compare(const void *left, const void *right, void *argument)
{
	const struct round_sale *sales = argument;
	const struct sale *a = sales[*(const size_t *)left].sale, *b = sales[*(const size_t *)right].sale;
	int64_t units = live_units(a) - live_units(b);

	if (rank(a->state) != rank(b->state))
		return rank(a->state) - rank(b->state);
	if (units)
		return units < 0 ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/*
 * The sales from order[first] on that are of one rank. Returns where the next rank begins, or
 * negative.
 */
static int64_t load_rank(struct loading *loading, const size_t *order, size_t first)
{
	struct round *round = loading->round;
	int its = rank(round->sales[order[first]].sale->state), r = 0;
	size_t next = first;

	for (; next < round->count && rank(round->sales[order[next]].sale->state) == its; next++) {
		struct round_sale *sale = &round->sales[order[next]];

		if (loading->stopping(loading->context))
			return -ECANCELED;
		if (sale->error)
			conclude(loading, sale, sale->error);
		else
			load_one(loading, order[next]);
	}
	for (size_t i = first; i < next && r == 0; i++)
		if (loading->waits[order[i]])
			r = load_tail(loading, round->sales[order[i]].tail.partition);
	return r < 0 ? r : (int64_t)next;
}

int round_load(struct round *round, void (*told)(void *context, const struct round_sale *sale), bool (*stopping)(void *context),
	       void *context)
{
	struct loading loading = {.round = round, .told = told, .stopping = stopping, .context = context};
	size_t *order = calloc(round->count + 1, sizeof(*order));
	int64_t next = 0;

	loading.waits = calloc(round->count + 1, sizeof(*loading.waits));
	if (!order || !loading.waits)
		next = error_origin(-ENOMEM);
	for (size_t i = 0; order && i < round->count; i++)
		order[i] = i;
	if (order && round->count)
		qsort_r(order, round->count, sizeof(*order), compare, round->sales);
	while (next >= 0 && (size_t)next < round->count)
		next = load_rank(&loading, order, (size_t)next);
	free(order);
	free(loading.waits);
	return next < 0 ? (int)next : 0;
}

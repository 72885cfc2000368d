#include "simulation/world/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "simulation/draw.h"
#include "simulation/world/scenes.h"

enum { SALE_MS = 120000, BEGIN_MS = 1000 };

static void make_sale(struct plan_sale *sale, struct draw *draw)
{
	*sale = (struct plan_sale){
		.lots = (uint32_t)draw_between(draw, 1, PLAN_LOTS_MAX - 1),
		.spare = (uint32_t)draw_below(draw, 6),
		.limit = (uint32_t)draw_between(draw, 1, 3),
		.hold_seconds = (uint32_t)draw_between(draw, 1, 30),
		.late_confirm = draw_chance(draw, 50),
	};
	if (draw_chance(draw, 10))
		sale->hold_seconds = 0;
	if (draw_chance(draw, 30)) {
		sale->rate_requests = (uint32_t)draw_between(draw, 2, 4);
		sale->rate_seconds = (uint32_t)draw_between(draw, 2, 20);
	}
}

/* Two to twelve units in all. */
static uint32_t make_sales(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "sales", 0);
	uint32_t units = 0;

	plan->sale_count = (uint32_t)draw_between(&draw, 1, PLAN_SALES_MAX);
	for (uint32_t i = 0; i < plan->sale_count; i++) {
		make_sale(&plan->sales[i], &draw);
		for (uint32_t lot = 0; lot < plan->sales[i].lots; lot++) {
			plan->sales[i].units[lot] = (uint32_t)draw_between(&draw, i + lot == 0 ? 2 : 1, 4);
			units += plan->sales[i].units[lot];
		}
	}
	return units;
}

/* --- Operations --- */

/* How often each is drawn, of a hundred and more. */
static const unsigned weights[PLAN_KINDS] = {
	[PLAN_BUY] = 44,     [PLAN_CANCEL] = 8, [PLAN_READ_ORDER] = 5, [PLAN_LIST_ORDERS] = 4, [PLAN_READ_SALE] = 1,
	[PLAN_CONFIRM] = 14, [PLAN_REFUND] = 8, [PLAN_EXTEND] = 5,     [PLAN_ADD] = 3,         [PLAN_WITHDRAW] = 3,
	[PLAN_PAUSE] = 2,    [PLAN_RESUME] = 3, [PLAN_CHANGE] = 1,     [PLAN_DISARM] = 0,      [PLAN_END] = 0,
};

static enum plan_kind draw_kind(struct draw *draw)
{
	unsigned sum = 0;
	uint64_t at;

	for (int kind = 0; kind < PLAN_KINDS; kind++)
		sum += weights[kind];
	at = draw_below(draw, sum);
	for (int kind = 0; kind < PLAN_KINDS; kind++) {
		if (at < weights[kind])
			return (enum plan_kind)kind;
		at -= weights[kind];
	}
	return PLAN_BUY;
}

static bool is_purchase(const struct plan_op *op)
{
	return op->kind == PLAN_BUY;
}

/* One of the purchases so far, with more chance for the last; PLAN_NONE. */
static uint32_t draw_purchase(const struct plan *plan, struct draw *draw)
{
	for (int tries = 0; tries < 8 && plan->op_count > 0; tries++) {
		uint32_t reach = plan->op_count < 20 || draw_chance(draw, 30) ? plan->op_count : 20;
		uint32_t at = plan->op_count - 1 - (uint32_t)draw_below(draw, reach);

		if (is_purchase(&plan->ops[at]))
			return at;
	}
	return PLAN_NONE;
}

static bool needs_order(enum plan_kind kind)
{
	return kind == PLAN_CANCEL || kind == PLAN_READ_ORDER || kind == PLAN_CONFIRM || kind == PLAN_REFUND || kind == PLAN_EXTEND;
}

static void take_after(struct plan_op *op, const struct plan_op *purchase, uint32_t target)
{
	op->target = target;
	op->sale = purchase->sale;
	op->lot = purchase->lot;
	op->buyer = purchase->buyer;
	if (op->kind == PLAN_BUY)
		op->units = purchase->units;
}

static void make_op(struct plan *plan, struct plan_op *op, int64_t at_ms, struct draw *draw)
{
	uint32_t purchase;

	*op = (struct plan_op){.kind = draw_kind(draw), .at_ms = at_ms, .target = PLAN_NONE};
	op->client = (uint32_t)draw_below(draw, plan->client_count);
	op->sale = (uint32_t)draw_below(draw, plan->sale_count);
	op->lot = (uint32_t)draw_below(draw, plan->sales[op->sale].lots);
	op->buyer = (uint32_t)draw_below(draw, plan->buyer_count);
	op->units = draw_chance(draw, 75) ? 1 : 2;
	op->keyed = draw_chance(draw, 85);
	op->hang_up_ms = draw_chance(draw, 10) ? draw_between(draw, 1, 60) : 0;
	if (op->kind == PLAN_EXTEND)
		op->units = (uint32_t)draw_between(draw, 1, 40);
	purchase = draw_purchase(plan, draw);
	if (needs_order(op->kind) && purchase == PLAN_NONE)
		op->kind = PLAN_BUY;
	if (needs_order(op->kind))
		take_after(op, &plan->ops[purchase], purchase);
	else if (op->kind == PLAN_BUY && purchase != PLAN_NONE && plan->ops[purchase].keyed && draw_chance(draw, 10)) {
		take_after(op, &plan->ops[purchase], purchase);
		op->keyed = true;
	}
	if (op->kind >= PLAN_ADD)
		op->keyed = true; /* what is not alike without one */
}

/* They come in bursts: a crowd at the beginning, smaller ones later, some alone. */
static void make_ops(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "operations", 0);
	uint32_t count = (uint32_t)draw_between(&draw, 30, 90);
	int64_t at_ms = BEGIN_MS;

	while (plan->op_count < count) {
		make_op(plan, &plan->ops[plan->op_count], at_ms, &draw);
		plan->op_count++;
		if (draw_chance(&draw, 60))
			at_ms += (int64_t)draw_below(&draw, 20);
		else if (draw_chance(&draw, 60))
			at_ms += (int64_t)draw_below(&draw, 2000);
		else
			at_ms += (int64_t)draw_below(&draw, 2 * SALE_MS / count * 3);
		if (at_ms > SALE_MS)
			at_ms = SALE_MS;
	}
	if (draw_chance(&draw, 40)) { /* a sale ends before the others do */
		struct plan_op *op = &plan->ops[plan->op_count - 1 - draw_below(&draw, plan->op_count / 3)];

		op->kind = draw_chance(&draw, 80) ? PLAN_END : PLAN_DISARM;
		op->target = PLAN_NONE;
		op->keyed = true;
	}
}

/* --- What came later: each from a stream of its own, so that the rest is as it was --- */

/* Sales that the gates open and end, each by its own clock. */
static void make_times(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "times", 0);

	for (uint32_t i = 0; i < plan->sale_count; i++) {
		if (draw_chance(&draw, 25))
			plan->sales[i].opens_ms = draw_between(&draw, 5000, 20000);
		if (draw_chance(&draw, 20))
			plan->sales[i].closes_ms = draw_between(&draw, 30000, SALE_MS);
	}
}

/* A client of its own cares for the items, opens again what was disarmed, and audits. */
static void make_clerk(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "clerk", 0);
	uint32_t count = (uint32_t)draw_below(&draw, 7);
	int64_t at_ms = BEGIN_MS;

	for (uint32_t i = 0; i < count; i++) {
		struct plan_op *op = &plan->ops[plan->op_count++];

		at_ms += draw_between(&draw, 1, 2 * (SALE_MS - BEGIN_MS) / count);
		*op = (struct plan_op){.kind = (enum plan_kind)draw_between(&draw, PLAN_OPEN, PLAN_AUDIT),
				       .at_ms = at_ms < SALE_MS ? at_ms : SALE_MS,
				       .client = plan->client_count,
				       .target = PLAN_NONE,
				       .keyed = true};
		op->sale = (uint32_t)draw_below(&draw, plan->sale_count);
		op->lot = (uint32_t)draw_below(&draw, plan->sales[op->sale].lots);
		op->units = (uint32_t)draw_between(&draw, 1, 3);
	}
	plan->client_count++;
}

/* --- Faults --- */

struct fault_rule {
	bool embedded, cluster;
	int64_t for_min_ms, for_max_ms;
	int64_t low, high;
	enum { ANY_NODE, OF_GATE, OF_DRAIN } node;
};

static const struct fault_rule rules[FAULT_KINDS] = {
	[FAULT_GATE_KILLED] = {true, true, 1, 4000, 0, 22, OF_GATE},
	[FAULT_GATE_STOPPED] = {true, true, 1, 4000, 0, 0, OF_GATE},
	[FAULT_GATE_PAUSED] = {true, true, 1, 12000, 0, 1, OF_GATE},
	[FAULT_GATE_CLOCK_STEP] = {true, true, 0, 0, -30000, 30000, OF_GATE},
	[FAULT_GATE_CLOCK_DRIFT] = {true, true, 1000, 60000, -50, 50, OF_GATE},
	[FAULT_DRAIN_KILLED] = {false, true, 1, 8000, 0, 0, OF_DRAIN},
	[FAULT_DRAIN_PAUSED] = {false, true, 1, 20000, 0, 1, OF_DRAIN},
	[FAULT_DRAIN_CLOCK_STEP] = {false, true, 0, 0, -30000, 30000, OF_DRAIN},
	[FAULT_FAILPOINT] = {true, true, 1, 3000, 0, 1 << 20, OF_GATE},
	[FAULT_POWER] = {true, false, 1, 3000, 1, 30, ANY_NODE},
	[FAULT_REDIS_CUT] = {false, true, 0, 0, 0, 3, ANY_NODE},
	[FAULT_REDIS_DOWN] = {false, true, 1, 8000, 0, 0, ANY_NODE},
	[FAULT_REDIS_SLOW] = {false, true, 100, 5000, 1, 2500, ANY_NODE},
	[FAULT_REDIS_RESTARTED] = {false, true, 1, 3000, 0, 0, ANY_NODE},
	[FAULT_REDIS_BEHIND] = {false, true, 1, 3000, 1, 1000, ANY_NODE},
	[FAULT_REDIS_EMPTY] = {false, true, 1, 3000, 0, 1, ANY_NODE},
	[FAULT_REDIS_FUNCTIONS_GONE] = {false, true, 0, 0, 0, 0, ANY_NODE},
	[FAULT_REDIS_FULL] = {false, true, 100, 5000, 0, 0, ANY_NODE},
	[FAULT_REDIS_CORRUPT] = {false, true, 0, 0, 1, 4, ANY_NODE},
	[FAULT_KAFKA] = {false, true, 1, 5000, 0, 1 << 20, ANY_NODE},
	[FAULT_LEDGER] = {false, true, 1, 5000, 0, 1 << 20, ANY_NODE},
};

static int by_time(const void *a, const void *b)
{
	const struct plan_fault *one = a, *other = b;

	return one->at_ms < other->at_ms ? -1 : one->at_ms > other->at_ms;
}

/* Each seed has a random half of the kinds: faults of many kinds at once hide each other. */
static void make_faults(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "faults", 0);
	enum plan_fault_kind kinds[FAULT_KINDS];
	uint32_t kind_count = 0, count;

	for (int kind = 0; kind <= FAULT_LEDGER; kind++) { /* those behind it have streams of their own */
		bool here = plan->shape == PLAN_EMBEDDED ? rules[kind].embedded : rules[kind].cluster;
		/* Worlds with these are only looked at for crashes. */
		unsigned percent = kind == FAULT_REDIS_CORRUPT ? 5 : 50;

		if (draw_chance(&draw, percent) && here)
			kinds[kind_count++] = (enum plan_fault_kind)kind;
	}
	count = kind_count == 0 || draw_chance(&draw, 10) ? 0 : (uint32_t)draw_between(&draw, 1, 10);
	for (uint32_t i = 0; i < count; i++) {
		struct plan_fault *fault = &plan->faults[plan->fault_count++];
		const struct fault_rule *rule;

		*fault = (struct plan_fault){.kind = kinds[draw_below(&draw, kind_count)]};
		rule = &rules[fault->kind];
		/* Most come where most happens. */
		fault->at_ms = draw_chance(&draw, 50) ? draw_between(&draw, BEGIN_MS, BEGIN_MS + 3000)
						      : draw_between(&draw, BEGIN_MS, SALE_MS);
		fault->for_ms =
			draw_between(&draw, rule->for_min_ms,
				     draw_chance(&draw, 50) ? rule->for_max_ms : (rule->for_min_ms + rule->for_max_ms + 9) / 10);
		fault->value = draw_between(&draw, rule->low, rule->high);
		fault->node = (uint32_t)draw_below(&draw, rule->node == OF_DRAIN ? plan->drains : plan->gates);
	}
}

/*
 * Half of the clusters have a log that keeps no more than what the ledger still needs, or little
 * more.
 */
static void make_retention(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "retention", 0);
	uint32_t count = draw_chance(&draw, 50) ? (uint32_t)draw_between(&draw, 1, 4) : 0;

	for (uint32_t i = 0; plan->shape == PLAN_CLUSTER && i < count; i++) {
		plan->faults[plan->fault_count++] = (struct plan_fault){
			.kind = FAULT_KAFKA_RETENTION,
			.at_ms = draw_between(&draw, BEGIN_MS, SALE_MS),
			.value = draw_chance(&draw, 50) ? 0 : draw_between(&draw, 1, 8),
		};
	}
}

/*
 * One of eight clusters. A sale that waits to be opened in the backup is armed by who comes early,
 * so then nobody does; and a stop comes to the ledger when its operator has gone, so where there is
 * one nobody goes on.
 */
static void make_restore(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "restore", 0);
	bool happens = draw_below(&draw, 8) == 0, waits = false, stops = false;
	struct plan_fault fault = {.kind = FAULT_LEDGER_RESTORED,
				   .at_ms = draw_between(&draw, BEGIN_MS, SALE_MS / 2),
				   .value = draw_chance(&draw, 50) ? draw_between(&draw, 1, 1500) : draw_between(&draw, 1, 30000),
				   .node = (uint32_t)draw_below(&draw, RESTORE_KINDS)};

	for (uint32_t i = 0; i < plan->sale_count; i++)
		waits = waits || plan->sales[i].opens_ms;
	for (uint32_t i = 0; i < plan->op_count; i++)
		stops = stops || plan->ops[i].kind == PLAN_PAUSE || plan->ops[i].kind == PLAN_RESUME;
	if (waits || (stops && fault.node == RESTORE_UNDER_ALL))
		fault.node = RESTORE_BY_THE_BOOK;
	if (happens && plan->shape == PLAN_CLUSTER && plan->fault_count < PLAN_FAULTS_MAX)
		plan->faults[plan->fault_count++] = fault;
}

/* One of eight clusters. */
static void make_start(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "start", 0);
	bool happens = plan->shape == PLAN_CLUSTER && draw_below(&draw, 8) == 0;

	for (uint64_t i = 0, count = draw_between(&draw, 1, 2); happens && i < count && plan->fault_count < PLAN_FAULTS_MAX; i++) {
		plan->faults[plan->fault_count++] = (struct plan_fault){
			.kind = FAULT_LEDGER_AWAY_AT_START,
			.at_ms = draw_between(&draw, BEGIN_MS, SALE_MS / 2),
			.for_ms = draw_between(&draw, 2000, 25000),
			.value = draw_between(&draw, 1, 3000),
			.node = (uint32_t)draw_below(&draw, plan->gates),
		};
	}
}

/* One of fourteen clusters has them. */
static void make_replicas(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "replicas", 0);

	plan->replicas = plan->shape == PLAN_CLUSTER && draw_below(&draw, 14) == 0;
	for (uint64_t i = 0, count = draw_between(&draw, 1, 3); plan->replicas && i < count; i++)
		scene_promotion(plan, &draw);
}

/* One of ten. */
static void make_topic(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "topic", 0);

	if (draw_below(&draw, 10) != 0 || plan->shape != PLAN_CLUSTER || plan->fault_count == PLAN_FAULTS_MAX)
		return;
	plan->faults[plan->fault_count++] = (struct plan_fault){
		.kind = FAULT_KAFKA_ANEW,
		.at_ms = draw_between(&draw, BEGIN_MS, SALE_MS / 2),
		.value = draw_chance(&draw, 50) ? -1 : draw_between(&draw, 1, 8000),
	};
}

void plan_make(struct plan *plan, uint64_t seed, enum plan_shape shape)
{
	struct draw draw = draw_of(seed, "plan", 0);
	bool cluster = shape == PLAN_CLUSTER;
	uint32_t units;

	*plan = (struct plan){.seed = seed, .shape = shape};
	plan->gates = cluster ? (uint32_t)draw_between(&draw, 1, PLAN_GATES_MAX) : 1;
	plan->drains = cluster ? (uint32_t)draw_between(&draw, 1, PLAN_DRAINS_MAX) : 0;
	plan->partitions = cluster ? (uint32_t)draw_between(&draw, 1, 3) : 0;
	plan->threads = draw_chance(&draw, 30) ? 2 : 1;
	plan->client_count = (uint32_t)draw_between(&draw, 3, PLAN_CLIENTS_MAX);
	units = make_sales(plan);
	plan->buyer_count = units + 3 < PLAN_BUYERS_MAX ? units + 3 : PLAN_BUYERS_MAX;
	make_ops(plan);
	make_times(plan);
	make_clerk(plan);
	make_faults(plan);
	make_retention(plan);
	plan_add_scenes(plan);
	make_restore(plan);
	make_start(plan);
	make_topic(plan);
	make_replicas(plan);
	plan_add_old_epoch(plan);
	plan_add_holds(plan);
	plan_add_claimed_cancels(plan);
	plan_add_stop_by_ledger(plan);
	qsort(plan->faults, plan->fault_count, sizeof(plan->faults[0]), by_time);
	plan->until_ms = SALE_MS;
	plan->ledger_stays = cluster;
	for (uint32_t i = 0; i < plan->fault_count; i++) {
		plan->corrupt = plan->corrupt || plan->faults[i].kind == FAULT_REDIS_CORRUPT;
		plan->ledger_stays = plan->ledger_stays && plan->faults[i].kind != FAULT_LEDGER &&
				     plan->faults[i].kind != FAULT_LEDGER_CHANCE && plan->faults[i].kind != FAULT_LEDGER_REFUSES &&
				     plan->faults[i].kind != FAULT_LEDGER_RESTORED &&
				     plan->faults[i].kind != FAULT_LEDGER_AWAY_AT_START;
	}
	for (uint32_t i = 0; i < plan->fault_count; i++)
		if (plan->faults[i].at_ms + plan->faults[i].for_ms > plan->until_ms)
			plan->until_ms = plan->faults[i].at_ms + plan->faults[i].for_ms;
	plan_add_aftermath(plan);
	plan_add_reductions(plan);
	plan_add_payments(plan);
	plan_add_late_payments(plan);
	plan_add_follower(plan);
}

/* --- Without some of it --- */

static bool leave_out(struct plan *plan, unsigned long from, unsigned long to)
{
	if (from > to || to >= (unsigned long)plan->op_count + plan->fault_count)
		return false;
	for (; from <= to; from++) {
		if (from < plan->op_count)
			plan->ops[from].without = true;
		else
			plan->faults[from - plan->op_count].without = true;
	}
	return true;
}

bool plan_leave_out(struct plan *plan, const char *list)
{
	while (*list) {
		char *end;
		unsigned long from = strtoul(list, &end, 10), to = from;

		if (end == list)
			return false;
		list = end;
		if (*list == '-') {
			to = strtoul(list + 1, &end, 10);
			if (end == list + 1)
				return false;
			list = end;
		}
		if (*list && *list++ != ',')
			return false;
		if (!leave_out(plan, from, to))
			return false;
	}
	return true;
}

/* --- As text --- */

static const char *const op_names[PLAN_KINDS] = {
	"buy",    "cancel", "read order", "list orders", "read sale", "find payment", "confirm", "refund",
	"reduce", "extend", "add",        "withdraw",    "pause",     "resume",       "change",  "disarm",
	"end",    "open",   "receive",    "adjust",      "audit",     "follow",
};
static const char *const fault_names[FAULT_KINDS] = {
	"gate killed",
	"gate stopped",
	"gate paused",
	"gate's clock steps",
	"gate's clock drifts",
	"drain killed",
	"drain paused",
	"drain's clock steps",
	"failpoint",
	"power fails",
	"redis cut",
	"redis down",
	"redis slow",
	"redis restarted",
	"redis behind",
	"redis empty",
	"redis without functions",
	"redis full",
	"redis corrupt",
	"kafka",
	"ledger",
	"kafka retention",
	"kafka chance",
	"ledger chance",
	"ledger refuses",
	"gate without log",
	"redis' clock steps",
	"ledger restored",
	"ledger away at a start",
	"topic made anew",
	"kafka slow",
	"redis promoted",
};

void plan_print_op(const struct plan *plan, uint32_t at, char *text, size_t size)
{
	const struct plan_op *op = &plan->ops[at];
	int length = snprintf(text, size, "%3u  %7.3f s  client %u: %s, sale %u lot %u, buyer %u, %u", at,
			      (double)op->at_ms / 1000, op->client, op_names[op->kind], op->sale, op->lot, op->buyer, op->units);

	if (op->target != PLAN_NONE && length > 0 && (size_t)length < size)
		length += snprintf(text + length, size - (size_t)length, ", of %u", op->target);
	if (op->to && length > 0 && (size_t)length < size)
		length += snprintf(text + length, size - (size_t)length, ", to %u", op->to);
	if (op->payment && length > 0 && (size_t)length < size)
		length += snprintf(text + length, size - (size_t)length, ", payment %u", op->payment);
	if (op->amount && length > 0 && (size_t)length < size)
		length += snprintf(text + length, size - (size_t)length, ", amount %u", op->amount);
	if (op->again && length > 0 && (size_t)length < size)
		length += snprintf(text + length, size - (size_t)length, ", again %u", op->again - 1);
	if (length > 0 && (size_t)length < size)
		snprintf(text + length, size - (size_t)length, "%s%s%s", op->keyed ? ", with a key" : "",
			 op->hang_up_ms ? ", hangs up" : "", op->without ? " (left out)" : "");
}

void plan_print_fault(const struct plan *plan, uint32_t at, char *text, size_t size)
{
	const struct plan_fault *fault = &plan->faults[at];

	snprintf(text, size, "%3u  %7.3f s  %s %u, for %.3f s, %lld%s", plan->op_count + at, (double)fault->at_ms / 1000,
		 fault_names[fault->kind], fault->node, (double)fault->for_ms / 1000, (long long)fault->value,
		 fault->without ? " (left out)" : "");
}

/*
 * Scenes of a plan: a few operations, and the faults that make them hard, close together. Chance alone brings them together in one of a thousand
 * worlds. Each kind draws from a stream of its own, and has clients of its own, so that the rest of a plan is as it was.
 */
#include "base/assertion.h"
#include "simulation/draw.h"
#include "simulation/world/plan.h"

enum { BEGIN_MS = 1000, END_MS = 110000, SECOND = 1000 };

/* Some milliseconds: mostly at once, else soon, or later. */
static int64_t draw_wait(struct draw *draw)
{
	switch (draw_below(draw, 3)) {
	case 0:
		return (int64_t)draw_below(draw, 300);
	case 1:
		return (int64_t)draw_below(draw, 3 * SECOND);
	default:
		return draw_between(draw, 3 * SECOND, 12 * SECOND);
	}
}

static struct plan_op *add_op(struct plan *plan, enum plan_kind kind, int64_t at_ms, uint32_t client)
{
	struct plan_op *op = &plan->ops[plan->op_count++];

	ASSERT(plan->op_count <= PLAN_OPS_MAX);
	*op = (struct plan_op){.kind = kind, .at_ms = at_ms, .client = client, .target = PLAN_NONE, .units = 1, .keyed = true};
	return op;
}

static void add_fault(struct plan *plan, enum plan_fault_kind kind, int64_t at_ms, int64_t for_ms, int64_t value, uint32_t node)
{
	ASSERT(plan->fault_count < PLAN_FAULTS_MAX);
	plan->faults[plan->fault_count++] =
		(struct plan_fault){.kind = kind, .at_ms = at_ms, .for_ms = for_ms, .value = value, .node = node};
}

/* A sale's purchase by anybody. Its number. */
static uint32_t add_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, uint32_t client, struct draw *draw)
{
	struct plan_op *op = add_op(plan, PLAN_BUY, at_ms, client);

	op->sale = sale;
	op->lot = (uint32_t)draw_below(draw, plan->sales[sale].lots);
	op->buyer = (uint32_t)draw_below(draw, plan->buyer_count);
	return plan->op_count - 1;
}

static uint32_t add_settlement(struct plan *plan, enum plan_kind kind, uint32_t purchase, int64_t at_ms, uint32_t client,
			       struct draw *draw)
{
	const struct plan_op bought = plan->ops[purchase];
	struct plan_op *op = add_op(plan, kind, at_ms, client);

	op->target = purchase;
	op->sale = bought.sale;
	op->lot = bought.lot;
	op->buyer = bought.buyer;
	op->units = kind == PLAN_EXTEND ? (uint32_t)draw_between(draw, 5, 40) : 1;
	return plan->op_count - 1;
}

/* The same once more, with its key. */
static void add_again(struct plan *plan, uint32_t first, int64_t at_ms, uint32_t client)
{
	struct plan_op op = plan->ops[first];

	ASSERT(plan->op_count < PLAN_OPS_MAX);
	op.at_ms = at_ms;
	op.client = client;
	op.again = first + 1;
	op.hang_up_ms = 0;
	plan->ops[plan->op_count++] = op;
}

static uint32_t gate_of(const struct plan *plan, struct draw *draw)
{
	return (uint32_t)draw_below(draw, plan->gates);
}

/* --- Asked again --- */

/* Some clients ask once more when they have had their answer: a browser that is reloaded, a job that is run twice. */
static void ask_again(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "again", 0);
	uint32_t count = plan->op_count, client = plan->client_count;
	int64_t at_ms = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct plan_op *op = &plan->ops[i];
		bool asks = draw_chance(&draw, 8);
		int64_t wait_ms = draw_wait(&draw);

		if (!asks || !op->keyed || op->at_ms + wait_ms < at_ms)
			continue;
		at_ms = op->at_ms + wait_ms;
		add_again(plan, i, at_ms, client);
		plan->client_count = client + 1;
	}
}

/* --- A payment's story: one order, moved by several, each of whom may ask again --- */

static enum plan_kind draw_settlement(struct draw *draw)
{
	static const enum plan_kind kinds[] = {PLAN_CONFIRM, PLAN_CONFIRM, PLAN_CONFIRM, PLAN_REFUND,
					       PLAN_REFUND,  PLAN_REFUND,  PLAN_EXTEND,  PLAN_CANCEL};

	return kinds[draw_below(draw, sizeof(kinds) / sizeof(kinds[0]))];
}

/* What makes it hard to say what has become of it. */
static void disturb_payment(struct plan *plan, int64_t at_ms, struct draw *draw)
{
	int64_t before_ms = (int64_t)draw_below(draw, 20), for_ms = draw_between(draw, 20, 1500);

	if (plan->shape == PLAN_EMBEDDED) {
		add_fault(plan, FAULT_FAILPOINT, at_ms - before_ms, for_ms, (int64_t)draw_below(draw, 1 << 20), 0);
		return;
	}
	switch (draw_below(draw, 4)) {
	case 0:
		add_fault(plan, FAULT_GATE_KILLED, at_ms - before_ms, for_ms, (int64_t)draw_below(draw, 4), gate_of(plan, draw));
		break;
	case 1:
		add_fault(plan, FAULT_DRAIN_PAUSED, at_ms - before_ms, draw_between(draw, 2 * SECOND, 20 * SECOND), 0, 0);
		if (plan->drains > 1)
			add_fault(plan, FAULT_DRAIN_PAUSED, at_ms - before_ms, draw_between(draw, 2 * SECOND, 20 * SECOND), 0, 1);
		break;
	default: /* refused, unsent, lost, or told to nobody */
		add_fault(plan, FAULT_KAFKA_CHANCE, at_ms - before_ms, for_ms,
			  (int64_t)draw_below(draw, 4) * 1000 + draw_between(draw, 500, 999), 0);
		break;
	}
}

static void add_payment(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 2, 4), purchase;
	int64_t at_ms = draw_between(draw, BEGIN_MS, END_MS / 2), again_ms = at_ms;

	purchase = add_purchase(plan, (uint32_t)draw_below(draw, plan->sale_count), at_ms, clients, draw);
	plan->client_count += 4; /* the buyer, two operators, and who asks again for them */
	at_ms += draw_between(draw, 50, 1000);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t move = add_settlement(plan, draw_settlement(draw), purchase, at_ms, clients + 1 + i % 2, draw);

		if (draw_chance(draw, 30))
			disturb_payment(plan, at_ms, draw);
		if (draw_chance(draw, 60)) {
			again_ms = (again_ms > at_ms ? again_ms : at_ms) + draw_wait(draw);
			add_again(plan, move, again_ms, clients + 3);
		}
		at_ms += draw_wait(draw);
	}
}

/* --- Stops and releases, by two operators, one of whom asks again --- */

static void add_stops(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = (uint32_t)draw_below(draw, plan->sale_count);
	int64_t at_ms = draw_between(draw, BEGIN_MS, END_MS / 2), again_ms = at_ms;

	plan->client_count += 4;
	for (uint32_t i = 0; i < 4; i++) {
		add_op(plan, i % 2 ? PLAN_RESUME : PLAN_PAUSE, at_ms, clients + i % 2)->sale = sale;
		if (draw_chance(draw, 60)) {
			again_ms = (again_ms > at_ms ? again_ms : at_ms) + draw_wait(draw);
			add_again(plan, plan->op_count - 1, again_ms, clients + 2);
		}
		if (draw_chance(draw, 30)) {
			if (plan->shape == PLAN_CLUSTER && draw_chance(draw, 50))
				add_fault(plan, FAULT_LEDGER, at_ms, draw_between(draw, 500, 5000),
					  (int64_t)draw_below(draw, 1 << 20), gate_of(plan, draw));
			else
				add_fault(plan, FAULT_GATE_KILLED, at_ms + (int64_t)draw_below(draw, 1200), 500, 22,
					  gate_of(plan, draw));
		}
		at_ms += draw_wait(draw);
	}
	at_ms = at_ms > again_ms ? at_ms : again_ms;
	for (uint32_t i = 0; i < 3; i++) {
		at_ms += draw_between(draw, 100, 20 * SECOND);
		add_purchase(plan, sale, at_ms, clients + 3, draw);
	}
}

/* --- A stock is built again while appends are late --- */

static void add_rebuild(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 2, 5);
	uint32_t sale = (uint32_t)draw_below(draw, plan->sale_count), bought[8];
	int64_t at_ms = draw_between(draw, BEGIN_MS + 2 * SECOND, END_MS), lost_ms = at_ms + draw_between(draw, 5, 500);

	plan->client_count += count;
	for (uint32_t i = 0; i < count; i++)
		bought[i] = add_purchase(plan, sale, at_ms - draw_between(draw, SECOND, 2 * SECOND), clients + i, draw);
	/* Up to several seconds late, each second one. */
	add_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 20, lost_ms - at_ms + draw_between(draw, 50, 3000),
		  5000 + draw_between(draw, 200, 900), 0);
	add_fault(plan, FAULT_REDIS_EMPTY, lost_ms, 1, (int64_t)draw_below(draw, 2), 0);
	for (uint32_t i = 0; i < count; i++) {
		int64_t its_ms = at_ms + (int64_t)draw_below(draw, 300);
		uint32_t move = draw_chance(draw, 50)
					? add_purchase(plan, sale, its_ms, clients + i, draw)
					: add_settlement(plan, draw_settlement(draw), bought[i], its_ms, clients + i, draw);

		if (draw_chance(draw, 50))
			plan->ops[move].hang_up_ms = draw_between(draw, 20, 1000);
	}
}

/* --- Many at once at one gate, and buyers who come again --- */

static void add_crowd(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 3, 8),
		 sale = (uint32_t)draw_below(draw, plan->sale_count);
	uint32_t buyers = (uint32_t)draw_between(draw, 1, 3), first = (uint32_t)draw_below(draw, plan->buyer_count);
	int64_t at_ms = draw_between(draw, BEGIN_MS, END_MS);

	plan->client_count += count;
	for (uint32_t turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t purchase = add_purchase(plan, sale, at_ms, clients + i, draw);

			plan->ops[purchase].buyer = (first + i % buyers) % plan->buyer_count;
		}
		if (draw_chance(draw, 60))
			add_fault(plan, plan->shape == PLAN_CLUSTER ? FAULT_KAFKA_CHANCE : FAULT_FAILPOINT, at_ms,
				  draw_between(draw, 10, 300),
				  plan->shape == PLAN_CLUSTER ? (int64_t)draw_below(draw, 4) * 1000 + draw_between(draw, 300, 999)
							      : (int64_t)draw_below(draw, 1 << 20),
				  0);
		at_ms += draw_between(draw, 500, 3000);
	}
}

/* --- A sale that nobody was seen to buy from is disarmed --- */

static void add_disarm(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = (uint32_t)draw_below(draw, plan->sale_count);
	int64_t at_ms = draw_between(draw, 200, 1500);

	if (plan->sales[sale].opens_ms)
		return;
	plan->client_count += 2;
	for (uint32_t i = 0; i < plan->drains; i++)
		add_fault(plan, FAULT_DRAIN_PAUSED, at_ms - 100, draw_between(draw, 1000, 8000), 0, i);
	add_purchase(plan, sale, at_ms, clients, draw);
	add_op(plan, PLAN_DISARM, at_ms + draw_between(draw, 0, 2000), clients + 1)->sale = sale;
	add_op(plan, PLAN_OPEN, at_ms + draw_between(draw, 3000, 12000), clients + 1)->sale = sale;
}

/* Two of them, of different kinds or not. */
void plan_add_scenes(struct plan *plan)
{
	static void (*const shared[])(struct plan *, struct draw *) = {add_payment, add_rebuild, add_stops,
								       add_crowd,   add_rebuild, add_disarm};
	static void (*const alone[])(struct plan *, struct draw *) = {add_payment, add_stops, add_crowd};
	struct draw draw = draw_of(plan->seed, "scenes", 0);
	uint32_t count = (uint32_t)draw_below(&draw, 4);

	ask_again(plan);
	for (uint32_t i = 0; i < count; i++) {
		struct draw its = draw_of(plan->seed, "scene", i);

		if (plan->shape == PLAN_CLUSTER)
			shared[draw_below(&draw, sizeof(shared) / sizeof(shared[0]))](plan, &its);
		else
			alone[draw_below(&draw, sizeof(alone) / sizeof(alone[0]))](plan, &its);
	}
	if (plan->shape == PLAN_CLUSTER && draw_chance(&draw, 30))
		add_fault(plan, FAULT_REDIS_CLOCK_STEP, draw_between(&draw, BEGIN_MS, END_MS), 0,
			  draw_between(&draw, -40000, 40000), 0);
}

/* Everybody who still wants something asks when all is well again: what is refused then has no excuse. */
void plan_add_aftermath(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "aftermath", 0);
	int64_t at_ms = plan->until_ms + 12 * SECOND;

	for (uint32_t sale = 0; sale < plan->sale_count; sale++) {
		uint32_t purchase = add_purchase(plan, sale, at_ms, plan->client_count, &draw);

		add_settlement(plan, PLAN_CONFIRM, purchase, at_ms + 500, plan->client_count, &draw);
		at_ms += draw_between(&draw, SECOND, 5 * SECOND);
	}
	plan->client_count++;
}

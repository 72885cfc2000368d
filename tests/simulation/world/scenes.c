/*
 * Scenes of a plan: a few operations, and the faults that make them hard, close together. Chance
 * alone brings them together in one of a thousand worlds. Each kind draws from a stream of its own,
 * and has clients of its own, so that the rest of a plan is as it was.
 */
#include "base/assertion.h"
#include "simulation/world/scenes.h"

int64_t scene_wait(struct draw *draw)
{
	switch (draw_below(draw, 3)) {
	case 0:
		return (int64_t)draw_below(draw, 300);
	case 1:
		return (int64_t)draw_below(draw, 3 * SECOND_MS);
	default:
		return draw_between(draw, 3 * SECOND_MS, 12 * SECOND_MS);
	}
}

struct plan_op *scene_op(struct plan *plan, enum plan_kind kind, int64_t at_ms, uint32_t client)
{
	struct plan_op *op = &plan->ops[plan->op_count++];

	ASSERT(plan->op_count <= PLAN_OPS_MAX);
	*op = (struct plan_op){.kind = kind, .at_ms = at_ms, .client = client, .target = PLAN_NONE, .units = 1, .keyed = true};
	return op;
}

void scene_fault(struct plan *plan, enum plan_fault_kind kind, int64_t at_ms, int64_t for_ms, int64_t value, uint32_t node)
{
	ASSERT(plan->fault_count < PLAN_FAULTS_MAX);
	plan->faults[plan->fault_count++] =
		(struct plan_fault){.kind = kind, .at_ms = at_ms, .for_ms = for_ms, .value = value, .node = node};
}

uint32_t scene_any_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, uint32_t client, struct draw *draw)
{
	struct plan_op *op = scene_op(plan, PLAN_BUY, at_ms, client);

	op->sale = sale;
	op->lot = (uint32_t)draw_below(draw, plan->sales[sale].lots);
	op->buyer = (uint32_t)draw_below(draw, plan->buyer_count);
	return plan->op_count - 1;
}

uint32_t scene_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, uint32_t client, struct draw *draw)
{
	uint32_t purchase = scene_any_purchase(plan, sale, at_ms, client, draw);
	struct plan_sale *its = &plan->sales[sale];

	if (its->lots < PLAN_LOTS_MAX)
		its->units[its->lots++] = 0;
	its->units[its->lots - 1]++;
	plan->ops[purchase].lot = its->lots - 1;
	plan->ops[purchase].buyer = plan->buyer_count++;
	return purchase;
}

uint32_t scene_sale(const struct plan *plan, struct draw *draw)
{
	uint32_t first = (uint32_t)draw_below(draw, plan->sale_count);

	for (uint32_t i = 0; i < plan->sale_count; i++) {
		uint32_t sale = (first + i) % plan->sale_count;

		if (!plan->sales[sale].opens_ms && !plan->sales[sale].closes_ms)
			return sale;
	}
	return first;
}

uint32_t scene_move(struct plan *plan, enum plan_kind kind, uint32_t purchase, int64_t at_ms, uint32_t client, struct draw *draw)
{
	const struct plan_op bought = plan->ops[purchase];
	struct plan_op *op = scene_op(plan, kind, at_ms, client);

	op->target = purchase;
	op->sale = bought.sale;
	op->lot = bought.lot;
	op->buyer = bought.buyer;
	op->units = kind == PLAN_EXTEND ? (uint32_t)draw_between(draw, 5, 40) : 1;
	return plan->op_count - 1;
}

void scene_again(struct plan *plan, uint32_t first, int64_t at_ms, uint32_t client)
{
	struct plan_op op = plan->ops[first];

	ASSERT(plan->op_count < PLAN_OPS_MAX);
	op.at_ms = at_ms;
	op.client = client;
	op.again = first + 1;
	op.hang_up_ms = 0;
	plan->ops[plan->op_count++] = op;
}

uint32_t scene_gate(const struct plan *plan, struct draw *draw)
{
	return (uint32_t)draw_below(draw, plan->gates);
}

uint32_t scene_gate_of(const struct plan *plan, uint32_t op)
{
	struct draw draw = draw_of(plan->seed, "client", op);

	return (uint32_t)draw_below(&draw, plan->gates);
}

enum plan_kind scene_settlement(struct draw *draw)
{
	static const enum plan_kind kinds[] = {PLAN_CONFIRM, PLAN_CONFIRM, PLAN_CONFIRM, PLAN_REFUND,
					       PLAN_REFUND,  PLAN_REFUND,  PLAN_EXTEND,  PLAN_CANCEL};

	return kinds[draw_below(draw, sizeof(kinds) / sizeof(kinds[0]))];
}

/* --- Asked again --- */

uint32_t scene_own_sale(struct plan *plan, uint32_t hold_seconds)
{
	plan->sales[plan->sale_count] = (struct plan_sale){.lots = 1, .units = {1}, .limit = 1, .hold_seconds = hold_seconds};
	return plan->sale_count++;
}

uint32_t scene_own_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, struct draw *draw)
{
	uint32_t purchase = scene_any_purchase(plan, sale, at_ms, plan->client_count++, draw);

	plan->ops[purchase].buyer = plan->buyer_count++;
	plan->sales[sale].units[0]++;
	return purchase;
}

bool scene_has_room(const struct plan *plan, uint32_t purchases, uint32_t faults)
{
	return plan->shape == PLAN_CLUSTER && plan->sale_count < PLAN_SALES_MAX &&
	       plan->op_count + purchases <= PLAN_OPS_MAX - 60 && plan->fault_count + faults <= PLAN_FAULTS_MAX;
}

/*
 * Some clients ask once more when they have had their answer: a browser that is reloaded, a job
 * that is run twice.
 */
static void ask_again(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "again", 0);
	uint32_t count = plan->op_count, client = plan->client_count;
	int64_t at_ms = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct plan_op *op = &plan->ops[i];
		bool asks = draw_chance(&draw, 8);
		int64_t wait_ms = scene_wait(&draw);

		if (!asks || !op->keyed || op->at_ms + wait_ms < at_ms)
			continue;
		at_ms = op->at_ms + wait_ms;
		scene_again(plan, i, at_ms, client);
		plan->client_count = client + 1;
	}
}

/* Up to four of them, of different kinds or not. */
void plan_add_scenes(struct plan *plan)
{
	static void (*const shared[])(struct plan *, struct draw *) = {
		scene_payment,   scene_refund, scene_late_stop,  scene_latch,      scene_cancel, scene_stops,    scene_rebuild,
		scene_two_moves, scene_claims, scene_unfit_gate, scene_late_drain, scene_crowd,  scene_refusals, scene_disarm,
	};
	static void (*const alone[])(struct plan *, struct draw *) = {scene_payment, scene_refund, scene_cancel, scene_stops,
								      scene_crowd};
	struct draw draw = draw_of(plan->seed, "scenes", 0);
	uint32_t count = (uint32_t)draw_between(&draw, 1, 4);

	ask_again(plan);
	for (uint32_t i = 0; i < count; i++) {
		struct draw its = draw_of(plan->seed, "scene", i);

		if (plan->shape == PLAN_CLUSTER)
			shared[draw_below(&its, sizeof(shared) / sizeof(shared[0]))](plan, &its);
		else
			alone[draw_below(&its, sizeof(alone) / sizeof(alone[0]))](plan, &its);
	}
	if (plan->shape == PLAN_CLUSTER && draw_chance(&draw, 30))
		scene_fault(plan, FAULT_REDIS_CLOCK_STEP, draw_between(&draw, SCENES_BEGIN_MS, SCENES_END_MS), 0,
			    draw_between(&draw, -40000, 40000), 0);
	plan_add_giving_back(plan);
}

/*
 * One of sixteen clusters, where nobody arms a sale by its schedule, and no other ledger is
 * restored.
 */
void plan_add_old_epoch(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "old backup", 0);
	bool happens = plan->shape == PLAN_CLUSTER && draw_below(&draw, 16) == 0;

	for (uint32_t i = 0; i < plan->sale_count; i++)
		happens = happens && !plan->sales[i].opens_ms;
	for (uint32_t i = 0; i < plan->fault_count; i++)
		happens = happens && plan->faults[i].kind != FAULT_LEDGER_RESTORED;
	if (happens)
		scene_old_epoch(plan, &draw);
}

/* One of twelve clusters. */
void plan_add_claimed_cancels(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "claimed cancels", 0);

	if (plan->shape == PLAN_CLUSTER && draw_below(&draw, 12) == 0)
		scene_claimed_cancels(plan, &draw);
}

/*
 * Everybody who still wants something asks when all is well again: what is refused then has no
 * excuse.
 */
void plan_add_aftermath(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "aftermath", 0);
	int64_t at_ms = plan->until_ms + 12 * SECOND_MS;

	for (uint32_t sale = 0; sale < plan->sale_count; sale++) {
		uint32_t purchase = scene_any_purchase(plan, sale, at_ms, plan->client_count, &draw);

		scene_move(plan, PLAN_CONFIRM, purchase, at_ms + 500, plan->client_count, &draw);
		at_ms += draw_between(&draw, SECOND_MS, 5 * SECOND_MS);
	}
	plan->client_count++;
}

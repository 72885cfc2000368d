/*
 * What a plan has of reductions, from a stream of its own: some of an order's units go, and some of
 * them not back to the sale.
 */
#include "simulation/draw.h"
#include "simulation/judge/history.h"
#include "simulation/world/scenes.h"

/* Where units go; half of them back to the sale. */
static uint32_t draw_place(struct draw *draw)
{
	return draw_chance(draw, 50) ? PLACE_SALE : draw_chance(draw, 50) ? PLACE_WAREHOUSE : PLACE_GONE;
}

/* Bought to be reduced: of one unit there is nothing to give back but all. */
static void buy_more(struct plan *plan, uint32_t purchase, struct draw *draw)
{
	uint32_t limit = plan->sales[plan->ops[purchase].sale].limit, units = (uint32_t)draw_between(draw, 2, 3);

	if (plan->ops[purchase].units == 1 && limit > 1)
		plan->ops[purchase].units = units < limit ? units : limit;
}

/*
 * Who asks with another's key asks for what that one does, or it is a conflict: which a plan has by
 * chance alone.
 */
static void follow_first(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->op_count; i++) {
		struct plan_op *op = &plan->ops[i];

		if (op->kind == PLAN_BUY && op->target != PLAN_NONE)
			op->units = plan->ops[op->target].units;
	}
}

/* In two of three worlds. */
void plan_add_reductions(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "reductions", 0);

	if (draw_below(&draw, 3) == 0)
		return;
	for (uint32_t i = 0; i < plan->op_count; i++) {
		struct plan_op *op = &plan->ops[i];

		if (op->again) {
			op->kind = plan->ops[op->again - 1].kind;
			op->units = plan->ops[op->again - 1].units;
			op->to = plan->ops[op->again - 1].to;
			continue;
		}
		if (op->kind != PLAN_REFUND || op->target == PLAN_NONE)
			continue;
		op->to = draw_place(&draw);
		if (draw_chance(&draw, 30))
			continue;
		op->kind = PLAN_REDUCE;
		op->keyed = true;
		op->units = draw_chance(&draw, 75) ? 1 : 2;
		if (draw_chance(&draw, 70))
			buy_more(plan, op->target, &draw);
	}
	follow_first(plan);
}

/* --- A scene: one order whose units go one by one, and who asks again for it --- */

/* By a buyer of its own, who may have so many. */
static uint32_t buy_several(struct plan *plan, uint32_t units, int64_t at_ms, uint32_t client, struct draw *draw)
{
	uint32_t sale = scene_sale(plan, draw), purchase = scene_purchase(plan, sale, at_ms, client, draw);

	plan->ops[purchase].units = units;
	plan->sales[sale].units[plan->ops[purchase].lot] += units - 1;
	if (plan->sales[sale].limit < units)
		plan->sales[sale].limit = units;
	return purchase;
}

static uint32_t give_one(struct plan *plan, uint32_t purchase, int64_t at_ms, uint32_t client, struct draw *draw)
{
	uint32_t move = scene_move(plan, PLAN_REDUCE, purchase, at_ms, client, draw);

	plan->ops[move].to = draw_place(draw);
	return move;
}

/* The log refuses the first; before it is sent again another operator confirms the order. */
static void confirm_between(struct plan *plan, uint32_t purchase, int64_t at_ms, uint32_t client, struct draw *draw)
{
	int64_t for_ms = draw_between(draw, 100, 600);

	if (plan->shape == PLAN_CLUSTER)
		scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 20, for_ms, 999, 0);
	else
		scene_fault(plan, FAULT_FAILPOINT, at_ms - 20, for_ms, (int64_t)draw_below(draw, 1 << 20), 0);
	scene_move(plan, PLAN_CONFIRM, purchase, at_ms + for_ms + draw_between(draw, 0, 300), client, draw);
}

/*
 * The gate of the first stands still until another has claimed that, and brought it to its end; it
 * goes on while the next is on its way.
 */
static void stand_between(struct plan *plan, uint32_t first, int64_t at_ms, struct draw *draw)
{
	int64_t stands_ms = at_ms + draw_between(draw, 60, 400), goes_on_ms = at_ms + draw_between(draw, 4500, 7000);

	if (plan->gates < 2)
		plan->gates = 2;
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 10, draw_between(draw, 30, 60), draw_chance(draw, 50) ? 1999 : 5999,
		    0); /* unsent, or slow */
	scene_fault(plan, FAULT_GATE_PAUSED, stands_ms, goes_on_ms - stands_ms, (int64_t)draw_below(draw, 2),
		    scene_gate_of(plan, first));
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms + draw_between(draw, 3200, 3800), 4 * SECOND_MS,
		    draw_between(draw, 4, 5) * 1000 + 900, 0); /* late, or slow */
}

/* The stock is built again: out of the ledger, or of nothing but that. */
static void forget_between(struct plan *plan, int64_t at_ms, struct draw *draw)
{
	if (plan->shape == PLAN_CLUSTER)
		scene_fault(plan, FAULT_REDIS_EMPTY, at_ms + draw_between(draw, 100, 1500), 1, (int64_t)draw_below(draw, 2), 0);
	else
		scene_fault(plan, FAULT_GATE_KILLED, at_ms + draw_between(draw, 100, 1500), draw_between(draw, 1, 2000), 22, 0);
}

static void scene_giving_back(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, units = (uint32_t)draw_between(draw, 3, 4), purchase, first;
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS / 2), next_ms;

	plan->client_count += 5;
	purchase = buy_several(plan, units, at_ms, clients, draw);
	at_ms += draw_between(draw, 300, 900);
	next_ms = at_ms;
	first = give_one(plan, purchase, at_ms, clients, draw);
	switch (draw_below(draw, plan->shape == PLAN_CLUSTER ? 4 : 2)) {
	case 0:
		confirm_between(plan, purchase, at_ms, clients + 1, draw);
		next_ms += 3 * SECOND_MS;
		break;
	case 1:
		forget_between(plan, at_ms, draw);
		break;
	default:
		stand_between(plan, first, at_ms, draw);
		break;
	}
	scene_again(plan, purchase, at_ms + draw_between(draw, 500, 3 * SECOND_MS), clients + 4);
	for (uint32_t i = 1; i <= units; i++) { /* the last finds nothing, or as much as others have left it */
		next_ms += draw_between(draw, 1200, 2500);
		give_one(plan, purchase, next_ms, clients + 1 + i % 3, draw);
	}
	scene_again(plan, first, at_ms + draw_between(draw, 3 * SECOND_MS, 12 * SECOND_MS), clients);
	scene_again(plan, purchase, at_ms + draw_between(draw, 6 * SECOND_MS, 12 * SECOND_MS), clients + 4);
}

/* In one of four worlds. */
void plan_add_giving_back(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "reducing", 0);

	if (draw_below(&draw, 4) == 0 && plan->fault_count + 3 <= PLAN_FAULTS_MAX && plan->op_count + 12 <= PLAN_OPS_MAX - 60)
		scene_giving_back(plan, &draw);
}

/*
 * What a plan has of reductions, from a stream of its own: some of an order's units go, and some of
 * them not back to the sale.
 */
#include "simulation/draw.h"
#include "simulation/judge/history.h"
#include "simulation/world/plan.h"

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

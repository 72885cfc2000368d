/* What a plan has of payments, and of the feed: each from a stream of its own. */
#include "simulation/draw.h"
#include "simulation/world/plan.h"

enum { PRICE = PLAN_PRICE, OF_ONE_ORDER = 4 };

uint32_t plan_payment_of(uint32_t purchase, uint32_t turn)
{
	return (purchase + 1) * OF_ONE_ORDER + turn;
}

/* One that an earlier confirm of the sale has told; `instead` where none is found soon. */
static uint32_t any_payment(const struct plan *plan, uint32_t before, uint32_t sale, uint32_t instead, struct draw *draw)
{
	for (int tries = 0; tries < 12 && before > 0; tries++) {
		const struct plan_op *op = &plan->ops[draw_below(draw, before)];

		if (op->kind == PLAN_CONFIRM && op->sale == sale && op->payment)
			return op->payment;
	}
	return instead;
}

/* Told once, again, for another order, a second one, of another amount; or nothing is told. */
static void pay(const struct plan *plan, uint32_t number, struct plan_op *op, struct draw *draw)
{
	uint64_t which = draw_below(draw, 100);
	uint32_t own = plan_payment_of(op->target, 0), other = any_payment(plan, number, op->sale, own, draw);
	bool says = draw_chance(draw, 50), wrong = draw_chance(draw, 8);

	if (which < 60)
		op->payment = own;
	else if (which < 74)
		op->payment = plan_payment_of(op->target, 1);
	else if (which < 88)
		op->payment = other;
	if (says)
		op->amount = PRICE * plan->ops[op->target].units + wrong;
}

/* In two of three worlds. */
void plan_add_payments(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "payments", 0);

	if (draw_below(&draw, 3) == 0)
		return;
	for (uint32_t i = 0; i < plan->op_count; i++) {
		struct plan_op *op = &plan->ops[i];

		if (op->again) {
			op->kind = plan->ops[op->again - 1].kind;
			op->payment = plan->ops[op->again - 1].payment;
			op->amount = plan->ops[op->again - 1].amount;
		} else if (op->kind == PLAN_CONFIRM) {
			pay(plan, i, op, &draw);
		} else if (op->kind == PLAN_LIST_ORDERS && draw_chance(&draw, 50)) {
			op->kind = PLAN_FIND_PAYMENT;
			op->payment = any_payment(plan, i, op->sale, plan_payment_of(0, 0), &draw);
		}
	}
}

/*
 * In half of the worlds, by a client of its own; more often and oftener where the ledger will be
 * another one, which gives other places.
 */
void plan_add_follower(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "follower", 0);
	bool reads = draw_chance(&draw, 50), restored = false;

	for (uint32_t i = 0; i < plan->fault_count; i++)
		restored = restored || plan->faults[i].kind == FAULT_LEDGER_RESTORED;
	if (!(reads || restored) || plan->op_count == PLAN_OPS_MAX)
		return;
	plan->ops[plan->op_count++] =
		(struct plan_op){.kind = PLAN_FOLLOW,
				 .at_ms = draw_between(&draw, 0, restored ? 2000 : 20000),
				 .client = plan->client_count++,
				 .target = PLAN_NONE,
				 .units = (uint32_t)(restored ? draw_between(&draw, 1, 4) : draw_between(&draw, 4, 30))};
}

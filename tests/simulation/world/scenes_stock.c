/* Scenes: stocks that forget, gates and drains that are out of touch, sales that are disarmed. */
#include "simulation/world/scenes.h"

/* --- A unit comes back while a gate is out of touch that has said that there is none --- */

void scene_latch(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw), purchase;
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS), for_ms = draw_between(draw, 1000, 3000);

	if (plan->gates < 2)
		plan->gates = 2;
	plan->client_count += 7;
	purchase = scene_purchase(plan, sale, at_ms, clients, draw);
	for (uint32_t i = 1; i < 7; i++) {
		struct plan_op *op;

		for (int64_t wait_ms = 300; wait_ms <= 1200; wait_ms += 900) {
			op = &plan->ops[scene_any_purchase(plan, sale, at_ms + wait_ms + (int64_t)draw_below(draw, 300), clients + i, draw)];
			op->lot = plan->ops[purchase].lot;
		}
	}
	scene_move(plan, PLAN_CANCEL, purchase, at_ms + 700, clients, draw);
	/* The gate does not reach Redis, or stands still. */
	if (draw_chance(draw, 60))
		scene_fault(plan, FAULT_REDIS_SLOW, at_ms + 650, for_ms, 5, scene_gate(plan, draw));
	else
		scene_fault(plan, FAULT_GATE_PAUSED, at_ms + 650, for_ms / 2, (int64_t)draw_below(draw, 2), scene_gate(plan, draw));
}

/* --- A stock is built again while appends are late --- */

void scene_rebuild(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 2, 5);
	uint32_t sale = scene_sale(plan, draw), bought[8];
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS + 2 * SECOND_MS, SCENES_END_MS),
		lost_ms = at_ms + draw_between(draw, 5, 500);

	plan->client_count += count;
	for (uint32_t i = 0; i < count; i++)
		bought[i] = scene_purchase(plan, sale, at_ms - draw_between(draw, SECOND_MS, 2 * SECOND_MS), clients + i, draw);
	/* Up to several seconds late, each second one. */
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 20, lost_ms - at_ms + draw_between(draw, 50, 3000),
		    5000 + draw_between(draw, 200, 900), 0);
	scene_fault(plan, FAULT_REDIS_EMPTY, lost_ms, 1, (int64_t)draw_below(draw, 2), 0);
	for (uint32_t i = 0; i < count; i++) {
		int64_t its_ms = at_ms + (int64_t)draw_below(draw, 300);
		uint32_t move = draw_chance(draw, 50)
					? scene_purchase(plan, sale, its_ms, clients + i, draw)
					: scene_move(plan, scene_settlement(draw), bought[i], its_ms, clients + i, draw);

		if (draw_chance(draw, 50))
			plan->ops[move].hang_up_ms = draw_between(draw, 20, 1000);
	}
}

/*
 * The same order is moved twice: by one whose append comes when the stock was built again, and
 * meanwhile by another.
 */
void scene_two_moves(struct plan *plan, struct draw *draw)
{
	static const enum plan_kind kinds[] = {PLAN_CANCEL, PLAN_REFUND, PLAN_CONFIRM};
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS + 3 * SECOND_MS, SCENES_END_MS);

	plan->client_count += 6;
	for (uint32_t i = 0; i < 3; i++) {
		enum plan_kind kind = kinds[draw_below(draw, 3)];
		uint32_t purchase =
			scene_purchase(plan, sale, at_ms - draw_between(draw, SECOND_MS, 3 * SECOND_MS), clients + i, draw);

		scene_move(plan, kind, purchase, at_ms, clients + i, draw);
		scene_move(plan, kind, purchase, at_ms + draw_between(draw, 1200, 1900), clients + 3 + i, draw);
	}
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 10, 25, 5900, 0);
	scene_fault(plan, FAULT_REDIS_EMPTY, at_ms + draw_between(draw, 10, 60), 1, (int64_t)draw_below(draw, 2), 0);
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms + 1250, 700, 5900, 0);
}

/*
 * A gate stands still with appends that were not sent, until another has claimed what they are of,
 * and waits for the log as well.
 */
void scene_claims(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS);

	if (plan->gates < 2)
		plan->gates = 2;
	plan->client_count += 4;
	for (uint32_t i = 0; i < 4; i++)
		scene_purchase(plan, sale, at_ms + (int64_t)draw_below(draw, 40), clients + i, draw);
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 10, 100, 1999, 0);
	scene_fault(plan, FAULT_GATE_PAUSED, at_ms + draw_between(draw, 60, 1800),
		    draw_between(draw, 4 * SECOND_MS, 9 * SECOND_MS), (int64_t)draw_below(draw, 2), scene_gate(plan, draw));
	if (draw_chance(draw, 50)) /* late, or slow */
		scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms + draw_between(draw, 2700, 3000), 6 * SECOND_MS,
			    draw_between(draw, 4, 5) * 1000 + 900, 0);
}

/*
 * An operator's cancel is not sent by a gate that stands still then, and goes on while another has
 * claimed it and appends it; and others want to confirm the order.
 */
void scene_claimed_cancels(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw), moves[3];
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS + 2 * SECOND_MS, SCENES_END_MS),
		stands_ms = at_ms + draw_between(draw, 60, 300);

	if (plan->fault_count + 4 > PLAN_FAULTS_MAX || plan->op_count + 9 > PLAN_OPS_MAX - 60)
		return;
	if (plan->gates < 2)
		plan->gates = 2;
	plan->client_count += 6;
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t purchase = scene_purchase(plan, sale, at_ms - draw_between(draw, 800, 1500), clients + i, draw);

		moves[i] = scene_move(plan, PLAN_REFUND, purchase, at_ms + (int64_t)draw_below(draw, 30), clients + i, draw);
		scene_move(plan, PLAN_CONFIRM, purchase, at_ms + draw_between(draw, 3000, 4500), clients + 3 + i, draw);
	}
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 10, 60, 1999, 0);
	scene_fault(plan, FAULT_GATE_PAUSED, stands_ms, at_ms + draw_between(draw, 3600, 4800) - stands_ms, 0,
		    scene_gate_of(plan, moves[0]));
	scene_fault(plan, FAULT_KAFKA_SLOW, at_ms + 2700, 2000, draw_between(draw, 1400, 1900), 0);
	if (draw_chance(draw, 50)) /* what is undone when the log has not answered for two seconds arrives late */
		scene_fault(plan, FAULT_REDIS_SLOW, at_ms + draw_between(draw, 1500, 1950), draw_between(draw, 300, 1100),
			    draw_between(draw, 300, 400) * 5 + 3, 0);
}

/*
 * A gate does not reach the log any more, and the stock forgets: who is elected must be another
 * one.
 */
void scene_unfit_gate(struct plan *plan, struct draw *draw)
{
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS);

	if (plan->gates < 2)
		plan->gates = 2;
	scene_fault(plan, FAULT_GATE_WITHOUT_LOG, at_ms, 0, 0, plan->gates - 1); /* the same each time: another is well */
	scene_fault(plan, FAULT_REDIS_EMPTY, at_ms + draw_between(draw, 0, 20 * SECOND_MS), 1, (int64_t)draw_below(draw, 2), 0);
}

/*
 * A drain that the group has thrown out goes on, with commits that are slow, beside the one that
 * has its partition now.
 */
void scene_late_drain(struct plan *plan, struct draw *draw)
{
	uint32_t client = plan->client_count, sale = scene_sale(plan, draw);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS);

	plan->drains = PLAN_DRAINS_MAX;
	plan->client_count += 1;
	scene_fault(plan, FAULT_LEDGER_CHANCE, at_ms, draw_between(draw, 2000, 5000), (draw_chance(draw, 70) ? 5000 : 4000) + 500, 0);
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms, draw_between(draw, 2000, 5000), 9000 + draw_between(draw, 100, 600), 0);
	for (uint32_t i = 0; i < 6; i++) {
		scene_purchase(plan, sale, at_ms, client, draw);
		at_ms += draw_between(draw, 20, 800);
	}
}

/*
 * --- A sale that nobody was seen to buy from is disarmed: it has sold at a gate whose clock is
 * ahead ---
 */

/*
 * Nobody has, but units were taken out of it while the drain stands still: what is armed anew must
 * not have them.
 */
static void disarm_withdrawn(struct plan *plan, uint32_t sale, int64_t opens_ms, uint32_t client, struct draw *draw)
{
	scene_op(plan, PLAN_WITHDRAW, opens_ms - draw_between(draw, 3500, 4500), client)->sale = sale;
	scene_op(plan, PLAN_DISARM, opens_ms - draw_between(draw, 2500, 3000), client)->sale = sale;
	scene_op(plan, PLAN_OPEN, opens_ms - 2000, client)->sale = sale;
	for (uint32_t i = 0; i < 3; i++)
		scene_any_purchase(plan, sale, opens_ms - 1000, client + 1, draw);
}

void scene_disarm(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = (uint32_t)draw_below(draw, plan->sale_count);
	int64_t opens_ms =
		plan->sales[sale].opens_ms ? plan->sales[sale].opens_ms : draw_between(draw, 6 * SECOND_MS, 10 * SECOND_MS);

	if (plan->sales[sale].draft)
		return;
	plan->sales[sale].opens_ms = opens_ms;
	if (plan->gates < 2)
		plan->gates = 2;
	plan->client_count += 5;
	for (uint32_t i = 0; i < plan->drains; i++)
		scene_fault(plan, FAULT_DRAIN_PAUSED, opens_ms - 5 * SECOND_MS, draw_between(draw, 6 * SECOND_MS, 12 * SECOND_MS),
			    0, i);
	if (draw_chance(draw, 40)) {
		disarm_withdrawn(plan, sale, opens_ms, clients, draw);
		return;
	}
	for (uint32_t i = 1; i < plan->gates; i++)
		scene_fault(plan, FAULT_GATE_CLOCK_STEP, 20, 0, 5 * SECOND_MS, i);
	for (uint32_t i = 0; i < 4; i++)
		scene_purchase(plan, sale, opens_ms - draw_between(draw, 2200, 2900), clients + i, draw);
	scene_op(plan, PLAN_DISARM, opens_ms - 2200 + draw_between(draw, 0, 1000), clients + 4)->sale = sale;
	scene_op(plan, PLAN_OPEN, opens_ms + draw_between(draw, SECOND_MS, 5 * SECOND_MS), clients + 4)->sale = sale;
}

/*
 * Redis' master is cut off, and another promoted: both may be sold from, before the sales are built
 * again and behind that.
 */
void scene_promotion(struct plan *plan, struct draw *draw)
{
	uint32_t sale = scene_sale(plan, draw), count = (uint32_t)draw_between(draw, 3, 8);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS - 10 * SECOND_MS);

	if (plan->fault_count == PLAN_FAULTS_MAX || plan->op_count + count > PLAN_OPS_MAX - 60)
		return;
	if (plan->gates < 2)
		plan->gates = 2;
	scene_fault(plan, FAULT_REDIS_PROMOTED, at_ms, draw_between(draw, 1, 15 * SECOND_MS), draw_between(draw, 0, 100000),
		    (uint32_t)draw_below(draw, 1 << plan->gates));
	/* A gate that stands still meanwhile has not heard of anything when it goes on. */
	if (draw_chance(draw, 60) && plan->fault_count < PLAN_FAULTS_MAX)
		scene_fault(plan, FAULT_GATE_PAUSED, at_ms + draw_between(draw, 300, 1200), draw_between(draw, 4, 10) * SECOND_MS,
			    0, scene_gate(plan, draw));
	for (uint32_t i = 0; i < count; i++)
		scene_purchase(plan, sale, at_ms + draw_between(draw, 1500, 5 * SECOND_MS), plan->client_count + i, draw);
	plan->client_count += count;
}

/*
 * A ledger is restored whose backup is older than the sales' last rebuild, the stock forgets again,
 * and appends of before are on their way: an epoch that the log has already would let them count.
 */
void scene_old_epoch(struct plan *plan, struct draw *draw)
{
	uint32_t sale = scene_sale(plan, draw), count = (uint32_t)draw_between(draw, 2, 5);
	int64_t backup_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS),
		restored_ms = backup_ms + draw_between(draw, 5 * SECOND_MS, 8 * SECOND_MS);

	if (plan->fault_count + 3 > PLAN_FAULTS_MAX || plan->op_count + count > PLAN_OPS_MAX - 60)
		return;
	scene_fault(plan, FAULT_LEDGER_RESTORED, backup_ms, 0, restored_ms - backup_ms, RESTORE_EARLY);
	scene_fault(plan, FAULT_REDIS_EMPTY, backup_ms + draw_between(draw, 100, 800), 1, (int64_t)draw_below(draw, 2), 0);
	scene_fault(plan, FAULT_KAFKA_CHANCE, restored_ms - SECOND_MS, SECOND_MS, 4000 + draw_between(draw, 500, 900), 0);
	for (uint32_t i = 0; i < count; i++)
		scene_purchase(plan, sale, restored_ms - draw_between(draw, 20, 900), plan->client_count + i, draw);
	plan->client_count += count;
}

/* Scenes: orders that are paid, given back and refused, stops, crowds. */
#include "simulation/world/scenes.h"

/* --- A payment's story: one order, moved by several, each of whom may ask again --- */

/* What makes it hard to say what has become of it. */
static void disturb_payment(struct plan *plan, int64_t at_ms, struct draw *draw)
{
	int64_t before_ms = (int64_t)draw_below(draw, 20), for_ms = draw_between(draw, 20, 1500);

	if (plan->shape == PLAN_EMBEDDED) {
		scene_fault(plan, FAULT_FAILPOINT, at_ms - before_ms, for_ms, (int64_t)draw_below(draw, 1 << 20), 0);
		return;
	}
	switch (draw_below(draw, 4)) {
	case 0:
		scene_fault(plan, FAULT_GATE_KILLED, at_ms - before_ms, for_ms, (int64_t)draw_below(draw, 4), scene_gate(plan, draw));
		break;
	case 1:
		scene_fault(plan, FAULT_DRAIN_PAUSED, at_ms - before_ms, draw_between(draw, 2 * SECOND_MS, 20 * SECOND_MS), 0, 0);
		if (plan->drains > 1)
			scene_fault(plan, FAULT_DRAIN_PAUSED, at_ms - before_ms,
				    draw_between(draw, 2 * SECOND_MS, 20 * SECOND_MS), 0, 1);
		break;
	default: /* refused, unsent, lost, or told to nobody */
		scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - before_ms, for_ms,
			    (int64_t)draw_below(draw, 4) * 1000 + draw_between(draw, 500, 999), 0);
		break;
	}
}

void scene_payment(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 2, 4), purchase;
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS / 2), again_ms = at_ms;

	purchase = scene_purchase(plan, scene_sale(plan, draw), at_ms, clients, draw);
	plan->client_count += 4; /* the buyer, two operators, and who asks again for them */
	at_ms += draw_between(draw, 50, 1000);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t move = scene_move(plan, scene_settlement(draw), purchase, at_ms, clients + 1 + i % 2, draw);

		if (draw_chance(draw, 30))
			disturb_payment(plan, at_ms, draw);
		if (draw_chance(draw, 60)) {
			again_ms = (again_ms > at_ms ? again_ms : at_ms) + scene_wait(draw);
			scene_again(plan, move, again_ms, clients + 3);
		}
		at_ms += scene_wait(draw);
	}
}

/*
 * What was paid is given back, and who has heard that it is paid asks once more, before the ledger
 * has heard of all that.
 */
void scene_refund(struct plan *plan, struct draw *draw)
{
	uint32_t client = plan->client_count, sale = scene_sale(plan, draw), purchase, confirm;
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS), for_ms = draw_between(draw, 50, 800);

	plan->client_count += 1;
	purchase = scene_purchase(plan, sale, at_ms, client, draw);
	at_ms += draw_between(draw, 300, 900);
	confirm = scene_move(plan, PLAN_CONFIRM, purchase, at_ms, client, draw);
	switch (plan->shape == PLAN_CLUSTER ? draw_below(draw, 4) : 3) {
	case 0:
		for (uint32_t i = 0; i < plan->drains; i++)
			scene_fault(plan, FAULT_DRAIN_PAUSED, at_ms, draw_between(draw, 3 * SECOND_MS, 15 * SECOND_MS), 0, i);
		break;
	case 1: /* of the confirm nothing is left but what another gate drives */
		scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 20, for_ms, 2999, 0);
		break;
	case 2:
		scene_fault(plan, FAULT_GATE_KILLED, at_ms - 20, for_ms, (int64_t)draw_below(draw, 2), scene_gate(plan, draw));
		break;
	default:
		break;
	}
	scene_move(plan, PLAN_REFUND, purchase, at_ms + draw_between(draw, 10, 500), client, draw);
	scene_again(plan, confirm, at_ms + draw_between(draw, 500, 2000), client);
}

/* One operator's cancel is refused; before he sends it again another confirms the order. */
void scene_cancel(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw), purchase;
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS), for_ms = draw_between(draw, 100, 600);

	plan->client_count += 2;
	purchase = scene_purchase(plan, sale, at_ms, clients, draw);
	at_ms += draw_between(draw, 300, 900);
	scene_move(plan, PLAN_REFUND, purchase, at_ms, clients, draw);
	scene_move(plan, PLAN_CONFIRM, purchase, at_ms + for_ms + draw_between(draw, 0, 300), clients + 1, draw);
	if (plan->shape == PLAN_CLUSTER)
		scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 20, for_ms, 999, 0);
	else
		scene_fault(plan, FAULT_FAILPOINT, at_ms - 20, for_ms, (int64_t)draw_below(draw, 1 << 20), 0);
}

/* --- Stops and releases, by two operators, one of whom asks again --- */

void scene_stops(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS / 2), again_ms = at_ms;

	plan->client_count += 4;
	for (uint32_t i = 0; i < 4; i++) {
		scene_op(plan, i % 2 ? PLAN_RESUME : PLAN_PAUSE, at_ms, clients + i % 2)->sale = sale;
		if (draw_chance(draw, 60)) {
			again_ms = (again_ms > at_ms ? again_ms : at_ms) + scene_wait(draw);
			scene_again(plan, plan->op_count - 1, again_ms, clients + 2);
		}
		if (draw_chance(draw, 30)) {
			if (plan->shape == PLAN_CLUSTER && draw_chance(draw, 50))
				scene_fault(plan, FAULT_LEDGER, at_ms, draw_between(draw, 500, 5000),
					    (int64_t)draw_below(draw, 1 << 20), scene_gate(plan, draw));
			else
				scene_fault(plan, FAULT_GATE_KILLED, at_ms + (int64_t)draw_below(draw, 1200), 500, 22,
					    scene_gate(plan, draw));
		}
		if (i % 2 == 0) /* as soon as it is told, at whichever gate */
			scene_purchase(plan, sale, at_ms, clients, draw);
		at_ms += scene_wait(draw);
	}
	at_ms = at_ms > again_ms ? at_ms : again_ms;
	for (uint32_t i = 0; i < 3; i++) {
		at_ms += draw_between(draw, 100, 20 * SECOND_MS);
		scene_purchase(plan, sale, at_ms, clients + 3, draw);
	}
}

/*
 * In one of twelve clusters: a sale is stopped, and let go on while the ledger is away; Redis goes
 * away before all have heard of it, and with it a gate, which may be the only one that has. Then
 * the sale is stopped by the ledger alone, and nobody lets it go on.
 */
void plan_add_stop_by_ledger(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "stop by the ledger", 0);
	int64_t at_ms = draw_between(&draw, SCENES_BEGIN_MS, SCENES_END_MS), released_ms = at_ms + 1500;
	uint32_t sale, operator;

	if (draw_below(&draw, 12) != 0 || !scene_has_room(plan, 8, 3))
		return;
	if (plan->gates < 2)
		plan->gates = 2;
	sale = scene_own_sale(plan, 30);
	(void)scene_own_purchase(plan, sale, at_ms, &draw);
	operator= plan->client_count++;
	scene_op(plan, PLAN_PAUSE, at_ms + 500, operator)->sale = sale;
	scene_fault(plan, FAULT_LEDGER_REFUSES, released_ms - 100, draw_between(&draw, 200, 1500), 0, 0);
	scene_op(plan, PLAN_RESUME, released_ms, operator)->sale = sale;
	scene_fault(plan, FAULT_REDIS_DOWN, released_ms + draw_between(&draw, 2, 40), draw_between(&draw, 3000, 6000), 0, 0);
	scene_fault(plan, FAULT_GATE_KILLED, released_ms + draw_between(&draw, 2, 60), 500, 22, scene_gate(plan, &draw));
	scene_op(plan, PLAN_PAUSE, released_ms + draw_between(&draw, 1600, 3000), plan->client_count++)->sale = sale;
	for (uint32_t i = 0; i < 3; i++)
		(void)scene_own_purchase(plan, sale, released_ms + draw_between(&draw, 8, 60) * SECOND_MS, &draw);
}

/*
 * A sale is opened and stopped at once, by a gate that has not heard of the one, and bought from.
 */
void scene_late_stop(struct plan *plan, struct draw *draw)
{
	uint32_t client = plan->client_count, sale = scene_sale(plan, draw);

	if (plan->sales[sale].opens_ms)
		return;
	if (plan->gates < 2)
		plan->gates = 2;
	plan->sales[sale].draft = true;
	plan->client_count += 1;
	scene_op(plan, PLAN_OPEN, 50, client)->sale = sale;
	scene_op(plan, PLAN_PAUSE, 50, client)->sale = sale;
	for (uint32_t i = 0; i < 3; i++)
		scene_purchase(plan, sale, 50, client, draw);
	scene_op(plan, PLAN_RESUME, 2000, client)->sale = sale;
}

/* --- Many at once at one gate, and buyers who come again --- */

static void crowd_in(struct plan *plan, uint32_t purchase, uint32_t buyer, struct draw *draw)
{
	plan->ops[purchase].buyer = buyer;
	plan->ops[purchase].units = (uint32_t)draw_between(draw, 1, 2);
}

void scene_crowd(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, count = (uint32_t)draw_between(draw, 3, 8), sale = scene_sale(plan, draw);
	uint32_t buyers = (uint32_t)draw_between(draw, 1, 3), everybody = plan->buyer_count,
		 first = (uint32_t)draw_below(draw, everybody);
	bool strangers = draw_chance(draw, 50);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS);

	plan->client_count += count;
	for (uint32_t turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < count; i++) {
			if (strangers)
				scene_purchase(plan, sale, at_ms, clients + i, draw);
			else
				crowd_in(plan, scene_any_purchase(plan, sale, at_ms, clients + i, draw),
					 (first + i % buyers) % everybody, draw);
		}
		if (draw_chance(draw, 60))
			scene_fault(plan, plan->shape == PLAN_CLUSTER ? FAULT_KAFKA_CHANCE : FAULT_FAILPOINT, at_ms,
				    draw_between(draw, 10, 300),
				    plan->shape == PLAN_CLUSTER ? (int64_t)draw_below(draw, 4) * 1000 + draw_between(draw, 300, 999)
								: (int64_t)draw_below(draw, 1 << 20),
				    0);
		at_ms += draw_between(draw, 500, 3000);
	}
}

/* Buyers of a sale with a rate are refused by the journal as often as the rate allows, and more. */
void scene_refusals(struct plan *plan, struct draw *draw)
{
	uint32_t clients = plan->client_count, sale = scene_sale(plan, draw);
	int64_t at_ms = draw_between(draw, SCENES_BEGIN_MS, SCENES_END_MS);

	if (plan->sales[sale].rate_requests == 0) {
		plan->sales[sale].rate_requests = (uint32_t)draw_between(draw, 2, 3);
		plan->sales[sale].rate_seconds = (uint32_t)draw_between(draw, 10, 20);
	}
	plan->client_count += 3;
	scene_fault(plan, FAULT_KAFKA_CHANCE, at_ms - 10, draw_between(draw, 2 * SECOND_MS, 6 * SECOND_MS), 999, 0);
	for (uint32_t i = 0; i < 3; i++)
		scene_purchase(plan, sale, at_ms + (int64_t)draw_below(draw, 1000), clients + i, draw);
}

/*
 * What a plan has of holds that end, or must not, while something else is out of time: scenes with
 * a sale of their own, from streams of their own, so that the rest of a plan is as it was.
 */
#include "simulation/draw.h"
#include "simulation/world/scenes.h"

enum { FAULT_SETTLES_MS = 6 * SECOND_MS };

/*
 * When they come: those before, those whose grants are late, and those who wait when holds end, so
 * that nobody rests late then.
 */
static const struct {
	int64_t from_ms, to_ms;
} late_buyers[] = {{0, 20}, {0, 20}, {0, 20}, {40, 300}, {40, 300}, {40, 300}, {1200, 1600}, {1200, 1600}, {1200, 1600}};

enum { LATE_BUYERS = sizeof(late_buyers) / sizeof(late_buyers[0]), LATE_LAST_MS = 112 * SECOND_MS };

/*
 * When all that goes wrong has gone wrong: a stock that forgets later has the hold from the ledger.
 */
static int64_t behind_faults(const struct plan *plan, int64_t at_ms)
{
	for (uint32_t i = 0; i < plan->fault_count; i++) {
		int64_t ends_ms = plan->faults[i].at_ms + plan->faults[i].for_ms + FAULT_SETTLES_MS;

		at_ms = ends_ms > at_ms ? ends_ms : at_ms;
	}
	return at_ms;
}

/*
 * A hold is over before the log has its grant: each append takes nearly as long as it may, and the
 * grant waits for the one before. (A hold of a second and its grace are three, as long as others
 * wait before they claim; two appends are longer.)
 */
static void late_grants(struct plan *plan, struct draw *draw)
{
	int64_t at_ms = behind_faults(plan, draw_between(draw, SCENES_END_MS / 2, SCENES_END_MS + 30 * SECOND_MS));
	uint32_t sale;

	if (at_ms > LATE_LAST_MS)
		return;
	sale = scene_own_sale(plan, 1);
	for (uint32_t i = 0; i < LATE_BUYERS; i++)
		scene_own_purchase(plan, sale, at_ms + draw_between(draw, late_buyers[i].from_ms, late_buyers[i].to_ms), draw);
	scene_fault(plan, FAULT_KAFKA_SLOW, at_ms - 10, 2500, draw_between(draw, 1550, 1900), 0);
}

/*
 * --- A gate that has measured nothing asks about a sale that rests, and Redis' clock was set ---
 */

enum { STEP_TAKES_MS = 12 * SECOND_MS, OWN_HOLD_S = 30 };

/* Whether nothing goes wrong from then on until a gate can have been killed and has begun again. */
static bool is_quiet(const struct plan *plan, int64_t at_ms)
{
	for (uint32_t i = 0; i < plan->fault_count; i++) {
		const struct plan_fault *fault = &plan->faults[i];

		if (fault->at_ms < at_ms + STEP_TAKES_MS + SECOND_MS && fault->at_ms + fault->for_ms + FAULT_SETTLES_MS > at_ms)
			return false;
	}
	return true;
}

static void resting_sale(struct plan *plan, struct draw *draw)
{
	int64_t at_ms = draw_between(draw, 4 * SECOND_MS, SCENES_END_MS), ends_ms = at_ms + 30 * SECOND_MS;
	uint32_t sale;

	while (!is_quiet(plan, at_ms))
		if ((at_ms += SECOND_MS) > ends_ms)
			return;
	sale = scene_own_sale(plan, OWN_HOLD_S);
	for (uint32_t i = 0; i < 2; i++)
		scene_own_purchase(plan, sale, at_ms - draw_between(draw, 0, 2 * SECOND_MS), draw);
	scene_fault(plan, FAULT_REDIS_CLOCK_STEP, at_ms, 0, draw_between(draw, 20, 60) * SECOND_MS, 0);
	scene_fault(plan, draw_chance(draw, 50) ? FAULT_GATE_KILLED : FAULT_GATE_STOPPED,
		    at_ms + STEP_TAKES_MS + draw_between(draw, 200, 1000), draw_between(draw, 1, 1000), 22, scene_gate(plan, draw));
}

/* Each in one of eight clusters, where there is room for a sale. */
void plan_add_holds(struct plan *plan)
{
	struct draw late = draw_of(plan->seed, "late grants", 0), resting = draw_of(plan->seed, "sales at rest", 0);

	if (draw_below(&late, 8) == 0 && scene_has_room(plan, LATE_BUYERS, 1))
		late_grants(plan, &late);
	if (draw_below(&resting, 8) == 0 && scene_has_room(plan, 2, 2))
		resting_sale(plan, &resting);
}

/* --- Holds that are over are paid for, two of them with one payment at once --- */

enum { LATE_PAIRS = 3 };

/* In one of twelve clusters. Each asks again when it has been answered. */
void plan_add_late_payments(struct plan *plan)
{
	struct draw draw = draw_of(plan->seed, "late payments", 0);
	int64_t at_ms = draw_between(&draw, SCENES_BEGIN_MS, SCENES_END_MS);
	uint32_t sale;

	if (draw_below(&draw, 12) != 0 || !scene_has_room(plan, LATE_PAIRS * 6, 0))
		return;
	sale = scene_own_sale(plan, 1);
	plan->sales[sale].late_confirm = true;
	for (uint32_t pair = 0; pair < LATE_PAIRS; pair++) {
		uint32_t purchases[] = {scene_own_purchase(plan, sale, at_ms, &draw), scene_own_purchase(plan, sale, at_ms, &draw)};
		int64_t paid_ms = at_ms + draw_between(&draw, 6 * SECOND_MS, 14 * SECOND_MS);

		for (uint32_t i = 0; i < 2; i++) {
			uint32_t move = scene_move(plan, PLAN_CONFIRM, purchases[i], paid_ms, plan->client_count++, &draw);

			plan->ops[move].payment = plan_payment_of(purchases[0], 0);
			scene_again(plan, move, paid_ms + draw_between(&draw, 1500, 4000), plan->client_count++);
		}
	}
}

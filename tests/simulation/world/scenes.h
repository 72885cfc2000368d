/* What scenes of a plan are made of, and the scenes. Private to tests/simulation/world. */
#pragma once

#include "simulation/draw.h"
#include "simulation/world/plan.h"

enum { SCENES_BEGIN_MS = 1000, SCENES_END_MS = 70000, SECOND_MS = 1000 };

/* Some milliseconds: at once, soon, or later. */
int64_t scene_wait(struct draw *draw);
/* An operation with a key. Valid until the next one is added. */
struct plan_op *scene_op(struct plan *plan, enum plan_kind kind, int64_t at_ms, uint32_t client);
void scene_fault(struct plan *plan, enum plan_fault_kind kind, int64_t at_ms, int64_t for_ms, int64_t value, uint32_t node);
/* One that is open all the time, where there is one. */
uint32_t scene_sale(const struct plan *plan, struct draw *draw);
uint32_t scene_gate(const struct plan *plan, struct draw *draw);
/* To which the operation's client, who draws alike, sends it first. */
uint32_t scene_gate_of(const struct plan *plan, uint32_t op);
/* A purchase of what there is, by anybody. Its number. */
uint32_t scene_any_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, uint32_t client, struct draw *draw);
/*
 * One that nothing but the scene's faults is in the way of: by a buyer of its own, of a lot that is
 * there for scenes. Its number.
 */
uint32_t scene_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, uint32_t client, struct draw *draw);
/* Nobody but the scene asks for it, until all is well again. */
uint32_t scene_own_sale(struct plan *plan, uint32_t hold_seconds);
/* Of a sale of its own, by a buyer and a client of its own. Its number. */
uint32_t scene_own_purchase(struct plan *plan, uint32_t sale, int64_t at_ms, struct draw *draw);
/* For a sale of its own, in a cluster. */
bool scene_has_room(const struct plan *plan, uint32_t purchases, uint32_t faults);
/* Of the order that a purchase brings. Its number. */
uint32_t scene_move(struct plan *plan, enum plan_kind kind, uint32_t purchase, int64_t at_ms, uint32_t client, struct draw *draw);
enum plan_kind scene_settlement(struct draw *draw);
/* The same once more, with its key. */
void scene_again(struct plan *plan, uint32_t first, int64_t at_ms, uint32_t client);

/* The scenes: scenes_orders.c, scenes_stock.c. */
void scene_payment(struct plan *plan, struct draw *draw);
void scene_refund(struct plan *plan, struct draw *draw);
void scene_cancel(struct plan *plan, struct draw *draw);
void scene_stops(struct plan *plan, struct draw *draw);
void scene_late_stop(struct plan *plan, struct draw *draw);
void scene_latch(struct plan *plan, struct draw *draw);
void scene_rebuild(struct plan *plan, struct draw *draw);
void scene_two_moves(struct plan *plan, struct draw *draw);
void scene_claims(struct plan *plan, struct draw *draw);
void scene_claimed_cancels(struct plan *plan, struct draw *draw);
void scene_unfit_gate(struct plan *plan, struct draw *draw);
void scene_late_drain(struct plan *plan, struct draw *draw);
void scene_crowd(struct plan *plan, struct draw *draw);
void scene_refusals(struct plan *plan, struct draw *draw);
void scene_disarm(struct plan *plan, struct draw *draw);
void scene_promotion(struct plan *plan, struct draw *draw);
void scene_old_epoch(struct plan *plan, struct draw *draw);

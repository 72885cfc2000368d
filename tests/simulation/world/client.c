/* Clients of a world: buyers and operators, who ask again as docs/http.md tells them to. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "simulation/world/asking.h"

enum { PATIENCE_MS = 8000, AGAIN_MS = 1000 };

static bool is_definite(const struct world_answer *answer)
{
	return answer->status != 0 && answer->status != 503 && strcmp(answer->code, "request-in-flight") != 0;
}

/* Sent again it might be done again. */
static bool is_once(const struct asking *asking)
{
	const struct plan_op *op = asking->op;

	return !op->keyed && (op->kind == PLAN_BUY || op->kind == PLAN_EXTEND);
}

static bool may_be_done(const struct world_answer *answer)
{
	return answer->status == 0 || strcmp(answer->code, "outcome-unknown") == 0;
}

static void attempt(struct asking *asking, int64_t patience_ns)
{
	struct world *world = asking->world;
	struct world_process *gate = &world->gates[draw_below(&asking->draw, world->plan->gates)];
	uint32_t operation;

	asking->history.node = gate->number;
	history_time(world->judge, scheduler_now_ns(world->scheduler));
	operation = history_invoke(world->judge, &asking->history);
	client_ask(world, gate, &asking->request, patience_ns, &asking->answer);
	scheduler_note(world->scheduler, "%u: %s %s to gate %u: %d %s", asking->number, asking->request.method,
		       asking->request.target, gate->number, asking->answer.status, asking->answer.code);
	if (asking->answer.status == 0) {
		history_time(world->judge, scheduler_now_ns(world->scheduler));
		history_none(world->judge, operation);
	} else {
		answer_tell_judge(asking, operation);
	}
}

static void ask_until_answered(struct asking *asking)
{
	const struct plan_op *op = asking->op;

	for (unsigned tries = 0;; tries++) {
		int64_t wait_ms;

		attempt(asking, (tries == 0 && op->hang_up_ms ? op->hang_up_ms : PATIENCE_MS) * WORLD_MS);
		if (is_definite(&asking->answer) || (is_once(asking) && may_be_done(&asking->answer)))
			return;
		wait_ms = asking->answer.retry_after_ms > 0 ? asking->answer.retry_after_ms : AGAIN_MS;
		pause_sleep((wait_ms + (int64_t)draw_below(&asking->draw, 200)) * WORLD_MS);
	}
}

static void ask(struct world *world, uint32_t number)
{
	const struct plan_op *op = &world->plan->ops[number];
	struct asking *asking;

	if (op->target != PLAN_NONE && op->kind != PLAN_BUY && !world->orders[op->target].known)
		return; /* nobody knows of an order yet */
	asking = calloc(1, sizeof(*asking));
	if (!asking)
		abort();
	asking->world = world;
	asking->op = op;
	asking->number = number;
	asking->draw = draw_of(world->plan->seed, "client", number);
	request_write(asking);
	world->writing += restore_hangs_on(op->kind);
	if (world->group)
		world_ask_begins(world); /* gates that rest late lose their lease: they must be punctual between two attempts, too */
	ask_until_answered(asking);
	if (world->group)
		world_ask_ends(world);
	world->writing -= restore_hangs_on(op->kind);
	world->written += restore_hangs_on(op->kind);
	if (op->kind == PLAN_AUDIT && asking->answer.status == 200 && !strstr(asking->answer.body, "\"ok\":true"))
		world_breach(world, "audit: %s", asking->answer.body);
	free(asking);
}

/* What is asked again was answered before. */
static void await_first(struct world *world, const struct plan_op *op)
{
	while (op->again && !world->done[op->again - 1])
		pause_sleep(AGAIN_MS * WORLD_MS / 10);
}

void client_run(struct world *world, uint32_t client)
{
	for (uint32_t i = 0; i < world->plan->op_count; i++) {
		const struct plan_op *op = &world->plan->ops[i];

		if (op->client != client)
			continue;
		if (!op->without) {
			world_sleep_until(world, op->at_ms);
			await_first(world, op);
			if (op->kind == PLAN_FOLLOW)
				follower_run(world, op);
			else
				ask(world, i);
		}
		world->done[i] = true;
	}
}

/* --- Before the plan's time --- */

static void operate(struct world *world, const char *key, const char *target, const char *body)
{
	const struct world_request request = {.staff = true, .method = "POST", .target = target, .key = key, .body = body};
	struct world_answer *answer = malloc(sizeof(*answer));

	if (!answer)
		abort();
	for (;;) {
		client_ask(world, &world->gates[0], &request, PATIENCE_MS * WORLD_MS, answer);
		if (answer->status >= 200 && answer->status < 300)
			break;
		if (answer->status != 0 && answer->status != 503)
			world_breach(world, "world.setup: %s is answered %d: %s", target, answer->status, answer->body);
		pause_sleep(AGAIN_MS * WORLD_MS);
	}
	free(answer);
}

/* A time by the true clock, so long from now; nothing where it is 0. */
static int write_time(int64_t in_ms, const char *name, char *text, size_t size)
{
	char time[CLOCK_TEXT_SIZE];

	if (in_ms == 0)
		return 0;
	clock_format(clock_wall_ms() + in_ms, time);
	return snprintf(text, size, ",%s:\"%s\"", name, time);
}

static void set_up_sale(struct world *world, uint32_t number)
{
	const struct plan_sale *sale = &world->plan->sales[number];
	char key[32], target[64], body[1024];
	int size;

	for (uint32_t lot = 0; lot < sale->lots; lot++) {
		snprintf(key, sizeof(key), "item-%u-%u", number, lot);
		snprintf(body, sizeof(body), "{\"sku\":\"S%uL%u\",\"name\":\"Thing\",\"on_hand\":%u}", number, lot,
			 sale->units[lot] + sale->spare);
		operate(world, key, "/v1/items", body);
	}
	size = snprintf(body, sizeof(body), "{\"id\":\"s%u\",\"name\":\"Sale\",\"lots\":[", number);
	for (uint32_t lot = 0; lot < sale->lots; lot++)
		size += snprintf(body + size, sizeof(body) - (size_t)size, "%s{\"sku\":\"S%uL%u\",\"units\":%u}", lot ? "," : "",
				 number, lot, sale->units[lot]);
	size += snprintf(body + size, sizeof(body) - (size_t)size,
			 "],\"price\":{\"amount\":%u,\"currency\":\"EUR\"},\"limit_per_buyer\":%u,\"hold_seconds\":%u,\"late_confirm\":%s,",
			 (unsigned)PLAN_PRICE, sale->limit, sale->hold_seconds, sale->late_confirm ? "true" : "false");
	if (sale->rate_requests)
		size += snprintf(body + size, sizeof(body) - (size_t)size, "\"rate\":{\"requests\":%u,\"seconds\":%u}",
				 sale->rate_requests, sale->rate_seconds);
	else
		size += snprintf(body + size, sizeof(body) - (size_t)size, "\"rate\":null");
	size += write_time(sale->opens_ms, "\"schedule\":true,\"opens_at\"", body + size, sizeof(body) - (size_t)size);
	size += write_time(sale->closes_ms, "\"closes_at\"", body + size, sizeof(body) - (size_t)size);
	snprintf(body + size, sizeof(body) - (size_t)size, "}");
	snprintf(key, sizeof(key), "sale-%u", number);
	operate(world, key, "/v1/sales", body);
	if (sale->opens_ms || sale->draft)
		return;
	snprintf(target, sizeof(target), "/v1/sales/s%u/open", number);
	snprintf(key, sizeof(key), "open-%u", number);
	operate(world, key, target, NULL);
}

void client_set_up(struct world *world)
{
	for (uint32_t i = 0; i < world->plan->sale_count; i++) {
		const struct plan_sale *sale = &world->plan->sales[i];
		char id[16];
		struct history_sale told = {.number = i + 1,
					    .lot_count = sale->lots,
					    .limit_per_buyer = sale->limit,
					    .hold_seconds = sale->hold_seconds,
					    .rate_requests = sale->rate_requests,
					    .rate_seconds = sale->rate_seconds,
					    .id = id,
					    .price = PLAN_PRICE};

		snprintf(id, sizeof(id), "s%u", i);
		for (uint32_t lot = 0; lot < sale->lots; lot++)
			told.allocated[lot] = sale->units[lot];
		history_sale(world->judge, &told);
		set_up_sale(world, i);
	}
}

#include "simulation/judge/story.h"

#include <stdio.h>
#include <string.h>

enum { SALE = 1 };

struct uuid story_id(char order)
{
	struct uuid id = {.bytes = {1, [6] = 0x70, [8] = 0x80, [14] = (uint8_t)order, [15] = SALE}};

	return id;
}

void story_begin(struct story *story, const struct story_terms *terms)
{
	struct history_sale sale = {
		.number = SALE,
		.id = "drop",
		.lot_count = terms->more_units ? 2 : 1,
		.limit_per_buyer = terms->limit ? terms->limit : 1,
		.hold_seconds = terms->born_confirmed ? 0 : STORY_HOLD_S,
		.rate_requests = terms->rate_requests,
		.rate_seconds = terms->rate_seconds,
		.allocated = {terms->units, terms->more_units},
		.price = STORY_PRICE,
	};

	*story = (struct story){.judge = judge_new(&(struct judge_terms){.wall_ms = STORY_WALL_MS,
									 .shared = terms->shared,
									 .late_ms = STORY_LATE_S * 1000,
									 .rest_ms = STORY_REST_S * 1000,
									 .ledger_stays = !terms->ledger_goes,
									 .drift_ppm = terms->drift_ppm})};
	history_sale(story->judge, &sale);
	story_at(story, 1000);
}

void story_end(struct story *story)
{
	judge_free(story->judge);
}

void story_at(struct story *story, int64_t now_ms)
{
	story->now_ms = now_ms;
	history_time(story->judge, now_ms * STORY_MS);
}

uint32_t story_buy(struct story *story, const char *buyer, const char *key, uint32_t units, uint32_t lot)
{
	return history_invoke(story->judge,
			      &(struct history_operation){
				      .kind = HISTORY_BUY, .sale = SALE, .lot = lot, .units = units, .buyer = buyer, .key = key});
}

uint32_t story_ask(struct story *story, enum history_kind kind, char order, const char *operator)
{
	return history_invoke(story->judge, &(struct history_operation){.kind = kind,
									.sale = SALE,
									.order = story_id(order),
									.buyer = operator? NULL : story->buyer[(int)order],
									.actor = operator});
}

uint32_t story_ask_keyed(struct story *story, enum history_kind kind, char order, const char *key)
{
	return history_invoke(
		story->judge,
		&(struct history_operation){.kind = kind, .sale = SALE, .order = story_id(order), .actor = "ann", .key = key});
}

uint32_t story_pay(struct story *story, char order, const char *key, const char *reference, int64_t amount)
{
	return history_invoke(story->judge, &(struct history_operation){.kind = HISTORY_CONFIRM,
									.sale = SALE,
									.order = story_id(order),
									.actor = "ann",
									.key = key,
									.payment = reference,
									.amount = amount});
}

uint32_t story_move(struct story *story, enum history_kind kind, uint32_t units, const char *key)
{
	return history_invoke(story->judge,
			      &(struct history_operation){.kind = kind, .sale = SALE, .units = units, .actor = "ann", .key = key});
}

uint32_t story_reduce(struct story *story, char order, const char *key, uint32_t units, enum history_place to)
{
	return history_invoke(story->judge, &(struct history_operation){.kind = HISTORY_REDUCE,
									.sale = SALE,
									.units = units,
									.to = to,
									.order = story_id(order),
									.actor = "ann",
									.key = key});
}

static struct history_order shown(const struct story *story, char order, const char *state)
{
	struct history_order it = {.id = story_id(order),
				   .lot = story->lot[(int)order],
				   .quantity = story->units[(int)order],
				   .hold_expires_at_ms = story->held_until_ms[(int)order]};

	snprintf(it.state, sizeof(it.state), "%s", state);
	snprintf(it.buyer, sizeof(it.buyer), "%s", story->buyer[(int)order] ? story->buyer[(int)order] : "");
	return it;
}

static void answer(struct story *story, uint32_t request, int status, char order, const char *state)
{
	struct history_order it = shown(story, order, state);

	history_answer(story->judge, request,
		       &(struct history_answer){
			       .status = status, .body = STORY_ORDER_TEXT + (uint64_t)order, .orders = &it, .order_count = 1});
}

void story_bought(struct story *story, uint32_t request, char order)
{
	answer(story, request, 202, order, story->held_until_ms[(int)order] ? "held" : "confirmed");
}

void story_settled(struct story *story, uint32_t request, char order, const char *state)
{
	answer(story, request, 200, order, state);
}

void story_refused(struct story *story, uint32_t request, int status, const char *code)
{
	history_answer(story->judge, request, &(struct history_answer){.status = status, .code = code});
}

void story_done(struct story *story, uint32_t request, uint32_t units)
{
	history_answer(story->judge, request, &(struct history_answer){.status = 200, .units = units});
}

static void reserve(struct story *story, uint32_t epoch, char order, const char *buyer, const char *key, uint32_t units,
		    uint32_t lot, int64_t held_until_ms)
{
	story->buyer[(int)order] = buyer;
	story->key[(int)order] = key;
	story->units[(int)order] = units;
	story->lot[(int)order] = lot;
	if (story->held_until_ms[(int)order] == 0)
		story->held_until_ms[(int)order] = held_until_ms;
	history_record(story->judge, &(struct history_record){.kind = RECORD_RESERVED,
							      .sale = SALE,
							      .epoch = epoch,
							      .lot = lot,
							      .quantity = units,
							      .id = story_id(order),
							      .hold_expires_at_ms = story->held_until_ms[(int)order],
							      .buyer = buyer,
							      .key = key,
							      .actor = buyer});
}

static int64_t hold_from_now(const struct story *story)
{
	return STORY_WALL_MS + story->now_ms + STORY_HOLD_S * 1000;
}

void story_reserved(struct story *story, char order, const char *buyer, const char *key, uint32_t units, uint32_t lot)
{
	reserve(story, 0, order, buyer, key, units, lot, hold_from_now(story));
}

void story_reserved_under(struct story *story, uint32_t epoch, char order, const char *buyer, const char *key, uint32_t units)
{
	reserve(story, epoch, order, buyer, key, units, 0, hold_from_now(story));
}

void story_record_under(struct story *story, uint32_t epoch, enum history_record_kind kind, char order, const char *actor)
{
	history_record(story->judge, &(struct history_record){.kind = kind,
							      .sale = SALE,
							      .epoch = epoch,
							      .id = story_id(order),
							      .hold_expires_at_ms = kind == RECORD_EXTENDED ? hold_from_now(story) : 0,
							      .actor = actor});
}

void story_record(struct story *story, enum history_record_kind kind, char order, const char *actor)
{
	story_record_under(story, 0, kind, order, actor);
}

void story_paid(struct story *story, enum history_record_kind kind, char order, const char *reference)
{
	history_record(
		story->judge,
		&(struct history_record){.kind = kind, .sale = SALE, .id = story_id(order), .actor = "ann", .payment = reference});
}

void story_reduced(struct story *story, char order, uint32_t units, enum history_place to)
{
	story->units[(int)order] -= units;
	history_record(story->judge, &(struct history_record){.kind = RECORD_REDUCED,
							      .sale = SALE,
							      .quantity = units,
							      .left = story->units[(int)order],
							      .to = to,
							      .id = story_id(order),
							      .actor = "ann"});
}

void story_fed(struct story *story, enum history_record_kind kind, char order, const char *state)
{
	struct history_order now = shown(story, order, state);

	history_change(story->judge, &(struct history_change){.kind = kind,
							      .id = story_id(order),
							      .hold_expires_at_ms = story->held_until_ms[(int)order],
							      .left = story->units[(int)order],
							      .state = state,
							      .order = &now});
}

void story_withdrawn(struct story *story, char movement, uint32_t units)
{
	history_record(story->judge,
		       &(struct history_record){
			       .kind = RECORD_WITHDRAWN, .sale = SALE, .quantity = units, .id = story_id(movement), .actor = "ann"});
}

void story_barrier(struct story *story, uint32_t epoch)
{
	history_record(story->judge, &(struct history_record){.kind = RECORD_BARRIER, .sale = SALE, .epoch = epoch});
}

void story_counter(struct story *story, uint32_t epoch, int64_t available, int64_t held, int64_t confirmed)
{
	struct history_stock_lot lot = {
		.available = available, .held = held, .confirmed = confirmed, .allocated = available + held + confirmed};

	history_stock(story->judge, 0, SALE, epoch, true, &lot, 1);
}

void story_sell(struct story *story, char order, const char *buyer, const char *key, uint32_t units)
{
	uint32_t request = story_buy(story, buyer, key, units, 0);

	story_at(story, story->now_ms + 1);
	story_reserved(story, order, buyer, key, units, 0);
	story_at(story, story->now_ms + 1);
	story_bought(story, request, order);
}

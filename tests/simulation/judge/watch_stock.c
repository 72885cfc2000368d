#include "simulation/judge/watch_stock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/node.h"
#include "simulation/redis/redis_sim.h"
#include "stock/memory/memory_state.h"

enum { LOT_SIZE = 28 }; /* in Redis: available, held, confirmed, withdrawn, allocated, version, revision, four bytes each */

static uint32_t read_u32(const char *bytes)
{
	const unsigned char *b = (const unsigned char *)bytes;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static const char *text_of(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? reply->str : NULL;
}

bool watch_stock_redis_lots(struct redis_sim *redis, uint32_t sale, uint32_t *epoch, struct history_stock_lot *lots, uint32_t *lot_count)
{
	char head[32], body[32];
	struct slice number, state, words;
	bool known, armed;

	snprintf(head, sizeof(head), "{ps:%u}:m", sale);
	snprintf(body, sizeof(body), "{ps:%u}:l", sale);
	known = redis_sim_field(redis, head, "epoch", &number);
	armed = known && redis_sim_field(redis, head, "state", &state) && slice_equal(state, SLICE("armed")) &&
		redis_sim_text(redis, body, &words);
	*lot_count = 0;
	*epoch = known ? (uint32_t)strtoul(number.data, NULL, 10) : 0; /* a NUL is behind all that a server keeps */
	for (uint32_t i = 0; armed && i < HISTORY_LOTS && (size_t)(i + 1) * LOT_SIZE <= words.size; i++) {
		const char *at = words.data + (size_t)i * LOT_SIZE;

		lots[i] = (struct history_stock_lot){(int32_t)read_u32(at), read_u32(at + 4), read_u32(at + 8), read_u32(at + 12),
						     read_u32(at + 16)};
		*lot_count = i + 1;
	}
	return armed;
}

/* Of a sale in a gate's memory: its words as they are, without its locks. */
bool watch_stock_memory_lots(struct stock *stock, uint32_t number, uint32_t *epoch, struct history_stock_lot *lots, uint32_t *lot_count)
{
	struct sale_stock *sale = sale_registry_find(&memory_of(stock)->registry, number);

	*lot_count = 0;
	if (!sale || atomic_load(&sale->state) != SALE_STOCK_ARMED)
		return false;
	*epoch = sale->rules.epoch;
	for (uint32_t i = 0; i < sale->rules.lot_count && i < HISTORY_LOTS; i++) {
		const struct lot_units *lot = &sale->lots[i];
		uint64_t word = atomic_load(&lot->counter);
		int64_t confirmed = atomic_load(&lot->confirmed);

		lots[i] = (struct history_stock_lot){(int64_t)(word >> 32), (int64_t)(word & UINT32_MAX) - confirmed, confirmed,
						     lot->withdrawn, lot->allocated};
		*lot_count = i + 1;
	}
	return true;
}

static uint64_t sum_of(const struct history_stock_lot *lot, uint32_t epoch, bool armed)
{
	uint64_t sum = epoch * 2 + armed;

	sum = sum * 1000003 + (uint64_t)lot->available;
	sum = sum * 1000003 + (uint64_t)lot->held;
	sum = sum * 1000003 + (uint64_t)lot->confirmed;
	sum = sum * 1000003 + (uint64_t)lot->withdrawn;
	return sum * 1000003 + (uint64_t)lot->allocated;
}

/* Units that were added lie in the ledger before they are sold. */
static void look_for_more(struct watch_stock *watch, uint32_t sale, const struct history_stock_lot *lots, uint32_t lot_count)
{
	bool grows = false;

	for (uint32_t i = 0; i < lot_count; i++)
		if (lots[i].allocated > watch->allocated[sale][i]) {
			watch->allocated[sale][i] = lots[i].allocated;
			grows = true;
		}
	if (grows && watch->grows)
		watch->grows(watch->context);
}

/* What is as it was need not be told. */
static void tell(struct watch_stock *watch, uint32_t sale, bool armed, uint32_t epoch, const struct history_stock_lot *lots,
		 uint32_t lot_count)
{
	bool changed = !watch->told[sale];

	for (uint32_t i = 0; i < HISTORY_LOTS; i++) {
		uint64_t sum = i < lot_count ? sum_of(&lots[i], epoch, armed) : armed;

		changed = changed || watch->seen[sale][i] != sum;
		watch->seen[sale][i] = sum;
	}
	watch->told[sale] = true;
	if (!changed)
		return;
	look_for_more(watch, sale, lots, lot_count);
	history_stock(watch->judge, watch->server, sale, epoch, armed, lots, armed ? lot_count : HISTORY_LOTS);
}

void watch_stock_redis(struct watch_stock *watch, struct redis_sim *redis)
{
	for (uint32_t sale = 1; sale <= watch->sales && sale <= HISTORY_SALES; sale++) {
		struct history_stock_lot lots[HISTORY_LOTS] = {{0}};
		uint32_t epoch = 0, lot_count;
		bool armed = watch_stock_redis_lots(redis, sale, &epoch, lots, &lot_count);

		tell(watch, sale, armed, epoch, lots, lot_count);
	}
}

void watch_stock_memory(struct watch_stock *watch, struct stock *stock)
{
	for (uint32_t sale = 1; sale <= watch->sales && sale <= HISTORY_SALES; sale++) {
		struct history_stock_lot lots[HISTORY_LOTS] = {{0}};
		uint32_t epoch = 0, lot_count;
		bool armed = watch_stock_memory_lots(stock, sale, &epoch, lots, &lot_count);

		tell(watch, sale, armed, epoch, lots, lot_count);
	}
}

int64_t watch_stock_redis_outbox(struct redis_sim *redis, uint32_t sale)
{
	redisReply *waits = redis_sim_ask(redis, "ZCARD {ps:%u}:x", sale), *odd = redis_sim_ask(redis, "ZCARD {ps:%u}:u", sale),
		   *pending = redis_sim_ask(redis, "HGET {ps:%u}:s pending", sale);
	const char *in_batches = text_of(pending);
	int64_t count = waits->integer + odd->integer + (in_batches ? strtoll(in_batches, NULL, 10) : 0);

	freeReplyObject(pending);
	freeReplyObject(waits);
	freeReplyObject(odd);
	return count;
}

int64_t watch_stock_memory_outbox(struct stock *stock)
{
	struct node *before = node_enter(NULL); /* a leaf's lock, which nobody holds who yields */
	int64_t count = (int64_t)outbox_count(memory_of(stock)->common.outbox);

	node_enter(before);
	return count;
}

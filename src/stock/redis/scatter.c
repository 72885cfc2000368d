#include "stock/redis/scatter.h"

#include "stock/redis/redis_stock.h"

static void group(struct redis_scatter *scatter, const void *items, size_t count)
{
	uint32_t (*sale_of)(const void *items, size_t index) = scatter->question->sale_of;
	bool taken[REDIS_BATCH] = {false};
	uint16_t placed = 0;

	ASSERT(count <= REDIS_BATCH);
	scatter->count = 0;
	for (size_t first = 0; first < count; first++) {
		uint32_t sale = sale_of(items, first);

		if (taken[first])
			continue;
		scatter->starts[scatter->count++] = placed;
		for (size_t i = first; i < count; i++) {
			if (taken[i] || sale_of(items, i) != sale)
				continue;
			taken[i] = true;
			scatter->order[placed++] = (uint16_t)i;
		}
	}
	scatter->starts[scatter->count] = placed;
}

/* The items of one sale. */
static void ask_of(const struct redis_scatter *scatter, struct redis_trip *trip, const void *items, uint16_t sale)
{
	const struct redis_question *question = scatter->question;
	struct buffer *out = question->joined ? redis_trip_argument(trip) : NULL;

	for (uint16_t j = scatter->starts[sale]; j < scatter->starts[sale + 1]; j++) {
		if (out) {
			const size_t start = redis_write_unsized(out);

			question->ask(out, items, scatter->order[j]);
			redis_write_size(out, start);
			if (out->size == start) /* it goes without saying */
				out->size -= REDIS_SIZE_BYTES;
		} else {
			question->ask(redis_trip_argument(trip), items, scatter->order[j]);
		}
	}
}

void redis_scatter_send(struct redis_scatter *scatter, struct stock_redis *redis, const struct redis_question *question,
			const void *items, size_t count)
{
	struct redis_trip *trip = &scatter->trip;

	scatter->question = question;
	group(scatter, items, count);
	redis_trip_begin(trip, redis);
	trip->changes = question->changes;
	for (uint16_t i = 0; i < scatter->count; i++) {
		uint32_t sale = question->sale_of(items, scatter->order[scatter->starts[i]]);
		struct redis_look look = redis_sales_look(&redis->sales, sale);

		redis_trip_call(trip, question->function, sale, &look);
		ask_of(scatter, trip, items, i);
	}
	redis_trip_send(trip);
}

void redis_scatter_take(struct redis_scatter *scatter, void *items, void *context)
{
	const struct redis_question *question = scatter->question;

	for (uint16_t i = 0; i < scatter->count; i++) {
		struct redis_gathered gathered = {
			.redis = scatter->trip.redis,
			.sale = question->sale_of(items, scatter->order[scatter->starts[i]]),
			.members = scatter->order + scatter->starts[i],
			.count = (size_t)(scatter->starts[i + 1] - scatter->starts[i]),
		};

		gathered.end = redis_trip_next(&scatter->trip, &gathered.answer);
		gathered.outcome = redis_take_head(gathered.redis, gathered.sale, gathered.end, &gathered.answer, &gathered.head);
		question->take(&gathered, items, context);
	}
	redis_trip_end(&scatter->trip);
}

/*
 * An operator's stop in Redis. See functions/brake.lua. What this process knows of it outlives what
 * Redis forgets: it is put back before a sale is armed, and whenever a refresh finds Redis behind.
 */
#include "stock/redis/redis_stock.h"

enum { TRIES = 2 };

static void take_text(struct redis_reader *answer, char *text, size_t size)
{
	struct slice slice = redis_read_text(answer);

	if (slice.size >= size)
		answer->failed = true;
	else if (slice.size)
		memcpy(text, slice.data, slice.size);
}

/* An unreadable one is none. */
static struct stock_brake take(struct redis_reader *answer)
{
	struct stock_brake brake = {.serial = redis_read32(answer)};

	if (brake.serial == 0)
		return brake;
	brake.stopped = redis_read8(answer) != 0;
	brake.pending = redis_read8(answer) != 0;
	brake.at_ms = redis_read_time(answer);
	take_text(answer, brake.actor, sizeof(brake.actor));
	take_text(answer, brake.trace, sizeof(brake.trace));
	return answer->failed ? (struct stock_brake){0} : brake;
}

bool redis_take_brake(struct stock_redis *redis, uint32_t sale, struct redis_reader *answer)
{
	struct stock_brake there = take(answer), known;

	if (brake_table_learn(&redis->brakes, sale, &there) < 0) /* no memory: it is told again with the next refresh */
		return false;
	brake_table_get(&redis->brakes, sale, &known);
	return !answer->failed && known.serial > there.serial;
}

static enum redis_end call_once(struct stock_redis *redis, uint32_t sale, int mode, const struct stock_brake *brake,
				struct stock_brake *there)
{
	const struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_trip trip;
	struct buffer *argument;
	enum redis_end end;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_BRAKE, sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write(argument, (uint64_t)mode, 1);
	redis_write(argument, brake->serial, 4);
	redis_write(argument, brake->stopped, 1);
	redis_write(argument, brake->pending, 1);
	redis_write(argument, (uint64_t)brake->at_ms, 8);
	redis_write_text(argument, slice_of(brake->actor));
	redis_write_text(argument, slice_of(brake->trace));
	redis_trip_send(&trip);
	end = redis_trip_next(&trip, &answer);
	if (end == REDIS_ANSWERED) {
		(void)redis_read8(&answer);
		*there = take(&answer);
		if (there->serial == 0)
			end = REDIS_LOST;
	}
	redis_trip_end(&trip);
	return end;
}

/* Twice the same harms nobody: a set that was lost and done is done again under a higher serial. */
static enum redis_end call(struct stock_redis *redis, uint32_t sale, int mode, const struct stock_brake *brake)
{
	enum redis_end end = REDIS_REFUSED;
	struct stock_brake there = {0};
	bool again = true, lost = false;

	for (int i = 0; i < TRIES && again; i++) {
		end = call_once(redis, sale, mode, brake, &there);
		again = end == REDIS_FORGOTTEN || end == REDIS_LOST;
		lost |= end == REDIS_LOST;
	}
	if (lost && end != REDIS_ANSWERED)
		return REDIS_LOST; /* whatever came of the second try, the first may have been done */
	if (end == REDIS_ANSWERED && brake_table_learn(&redis->brakes, sale, &there) < 0)
		end = REDIS_NO_ROOM;
	return end;
}

void redis_brake_restore(struct stock_redis *redis, uint32_t sale)
{
	struct stock_brake known;

	if (brake_table_get(&redis->brakes, sale, &known))
		(void)call(redis, sale, REDIS_BRAKE_RESTORE, &known);
}

int redis_brake(struct stock *stock, uint32_t sale, struct stock_brake *brake)
{
	struct stock_redis *redis = redis_of(stock);
	struct stock_brake known;
	enum redis_end end;

	brake_table_get(&redis->brakes, sale, &known);
	brake->serial = known.serial;
	brake->pending = true;
	end = call(redis, sale, REDIS_BRAKE_SET, brake);
	if (end != REDIS_ANSWERED && brake->stopped) {
		/* It holds here at once, and goes to Redis as soon as that can be reached. */
		brake->serial++;
		if (brake_table_learn(&redis->brakes, sale, brake) < 0)
			return STOCK_FULL;
	}
	brake_table_get(&redis->brakes, sale, brake);
	switch (end) {
	case REDIS_ANSWERED:
		return STOCK_DONE;
	case REDIS_NO_ROOM:
		return STOCK_FULL;
	case REDIS_LOST:
		return STOCK_OUTCOME_UNKNOWN;
	default:
		return STOCK_UNAVAILABLE;
	}
}

void redis_brake_written(struct stock *stock, uint32_t sale, uint32_t serial)
{
	struct stock_redis *redis = redis_of(stock);
	const struct stock_brake written = {.serial = serial};

	/* Where Redis does not hear of it, it is written once more. */
	if (call(redis, sale, REDIS_BRAKE_WRITTEN, &written) == REDIS_ANSWERED)
		brake_table_written(&redis->brakes, sale, serial);
}

bool redis_brake_of(struct stock *stock, uint32_t sale, struct stock_brake *brake)
{
	return brake_table_get(&redis_of(stock)->brakes, sale, brake);
}

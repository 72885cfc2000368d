/*
 * An operator's stop in Redis. See functions/brake.lua. What this process knows of it outlives what
 * Redis forgets: it is put back before a sale is armed, and whenever a refresh finds Redis behind.
 */
#include "base/clock.h"
#include "stock/redis/redis_stock.h"

enum { TRIES = 2 };

static void take_text(struct redis_reader *answer, char *text, size_t size)
{
	struct slice slice = redis_read_name(answer, size - 1);

	if (slice.size)
		memcpy(text, slice.data, slice.size);
}

static struct stock_brake_change take_change(struct redis_reader *answer)
{
	const uint16_t size = redis_read16(answer);
	const size_t left = answer->size;
	struct stock_brake_change change = {.serial = redis_read32(answer), .request = redis_read_id(answer)};

	change.stopped = redis_read8(answer) != 0;
	change.at_ms = redis_read_time(answer);
	change.stops = redis_read32(answer);
	take_text(answer, change.actor, sizeof(change.actor));
	take_text(answer, change.trace, sizeof(change.trace));
	if (left - answer->size != size)
		redis_read_fail(answer);
	return change;
}

static void take_changes(struct redis_reader *changes, struct stock_brake *brake)
{
	uint32_t last = 0;

	while (changes->size && brake->count < STOCK_BRAKE_CHANGES) {
		struct stock_brake_change change = take_change(changes);

		if (change.serial <= last || change.serial > brake->serial)
			redis_read_fail(changes);
		last = change.serial;
		brake->changes[brake->count++] = change;
	}
	if (changes->size)
		redis_read_fail(changes);
}

/* An unreadable one is none. */
static void take(struct redis_reader *answer, struct stock_brake *brake)
{
	struct redis_reader changes;
	struct slice text;

	brake_clear(brake);
	brake->serial = redis_read32(answer);
	if (brake->serial == 0)
		return;
	brake->written = redis_read32(answer);
	brake->stopped = redis_read8(answer) != 0;
	text = redis_read_bytes(answer, redis_read16(answer));
	changes = (struct redis_reader){.data = (const void *)text.data, .size = text.size};
	take_changes(&changes, brake);
	if (changes.failed || brake->written > brake->serial)
		redis_read_fail(answer);
	if (answer->failed)
		brake_clear(brake);
}

static void write_change(struct buffer *out, const struct stock_brake_change *change)
{
	redis_write(out, 4 + sizeof(change->request) + 1 + 8 + 4 + 1 + strlen(change->actor) + 1 + strlen(change->trace), 2);
	redis_write(out, change->serial, 4);
	buffer_append(out, change->request.bytes, sizeof(change->request));
	redis_write(out, change->stopped, 1);
	redis_write(out, (uint64_t)change->at_ms, 8);
	redis_write(out, change->stops, 4);
	redis_write_text(out, slice_of(change->actor));
	redis_write_text(out, slice_of(change->trace));
}

/* Redis has forgotten a change, or that the ledger was told of it. */
static bool is_behind(const struct stock_brake *known, const struct stock_brake *there)
{
	return known->serial > there->serial || (brake_same_newest(known, there) && known->written > there->written);
}

bool redis_take_brake(struct stock_redis *redis, uint32_t sale, struct redis_reader *answer)
{
	struct stock_brake there, known;

	take(answer, &there);
	if (brake_table_learn(&redis->brakes, sale, &there) < 0) /* no memory: it is told again with the next refresh */
		return false;
	brake_table_get(&redis->brakes, sale, &known);
	return !answer->failed && is_behind(&known, &there);
}

/* A call, and what came of it. */
struct brake_call {
	int mode;
	const struct stock_brake *known;         /* what this process knows, for a Redis that has forgotten it */
	bool by_ledger;                          /* as brake_table_look() has it */
	const struct stock_brake_change *change; /* NULL: none */
	struct stock_brake there;                /* out: as it is now */
	bool repeated;                           /* out: the change was there */
	bool proven;                             /* out: of a stop: whoever is promoted has it, or the ledger */
};

/*
 * A stop is told to whatever server can be reached: others may sell by it who have a lease where
 * this process, which was held up, has none. That it is told is said only where each replica has it
 * that may be promoted: of a stop that one of them lacks nobody has to know any more when that one
 * is the master. Where the ledger has it, one replica is enough, as proof that this is the master:
 * whoever is promoted is sold from when the sale was built again, by the ledger.
 */
static bool is_stop(const struct brake_call *asked)
{
	return asked->change && asked->change->stopped;
}

static void write_argument(struct buffer *out, const struct brake_call *asked)
{
	struct buffer changes;

	buffer_init(&changes, SIZE_MAX);
	for (uint32_t i = 0; i < asked->known->count; i++)
		write_change(&changes, &asked->known->changes[i]);
	out->failed |= changes.failed;
	redis_write(out, (uint64_t)asked->mode, 1);
	redis_write(out, asked->known->serial, 4);
	redis_write(out, asked->known->written, 4);
	redis_write(out, asked->known->stopped, 1);
	redis_write(out, asked->by_ledger, 1);
	redis_write(out, changes.size, 2);
	buffer_append_slice(out, buffer_slice(&changes));
	buffer_deinit(&changes);
	if (asked->change)
		write_change(out, asked->change);
}

/* Behind a stop that was answered. */
static bool prove(struct stock_redis *redis, struct redis_trip *trip, const struct brake_call *asked, int64_t sent_ns)
{
	const struct stock_brake_change *its = brake_find(&asked->there, &asked->change->request);
	const bool written = its && its->serial <= asked->there.written;

	return redis_confirm(redis, trip->connection, sent_ns, written ? 1 : redis_followers(redis, trip->connection));
}

static enum redis_end call_once(struct stock_redis *redis, uint32_t sale, struct brake_call *asked)
{
	const struct redis_look look = redis_sales_look(&redis->sales, sale);
	const bool asks = is_stop(asked) && redis->lease_ns > 0;
	struct redis_reader answer;
	struct redis_trip trip;
	enum redis_end end;
	int64_t sent_ns;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	trip.unconfirmed = is_stop(asked);
	redis_trip_call(&trip, REDIS_BRAKE, sale, &look);
	write_argument(redis_trip_argument(&trip), asked);
	if (asks)
		redis_attend_write(redis, &trip); /* one that was there already has written nothing */
	sent_ns = clock_mono_ns();
	redis_trip_send(&trip);
	end = redis_trip_next(&trip, &answer);
	if (end == REDIS_ANSWERED) {
		(void)redis_read8(&answer);
		asked->repeated = redis_read8(&answer) != 0;
		take(&answer, &asked->there);
		if (asked->there.serial == 0)
			end = REDIS_LOST;
	}
	asked->proven = !asks;
	if (asks && redis_trip_next(&trip, &answer) == REDIS_ANSWERED && end == REDIS_ANSWERED)
		asked->proven = prove(redis, &trip, asked, sent_ns);
	redis_trip_end(&trip);
	return end;
}

/*
 * Whether the change was there before this call, whose own first try may be what the second has
 * found. What somebody has changed since is told as what it is.
 */
static bool was_there(const struct brake_call *asked)
{
	const struct uuid *request = &asked->change->request;
	const struct stock_brake_change *found = brake_find(&asked->there, request);

	return asked->repeated && (brake_find(asked->known, request) || (found && found->serial < asked->there.serial));
}

/* Twice the same harms nobody: a set that was lost and done is not done again. */
static enum redis_end call(struct stock_redis *redis, uint32_t sale, struct brake_call *asked)
{
	enum redis_end end = REDIS_REFUSED;
	bool again = true, lost = false;

	for (int i = 0; i < TRIES && again; i++) {
		end = call_once(redis, sale, asked);
		again = end == REDIS_FORGOTTEN || end == REDIS_LOST;
		lost |= end == REDIS_LOST;
	}
	if (lost && end != REDIS_ANSWERED)
		return REDIS_LOST; /* whatever came of the second try, the first may have been done */
	if (end == REDIS_ANSWERED && is_stop(asked) && !asked->proven)
		return REDIS_LOST;
	if (lost && asked->change)
		asked->repeated = was_there(asked);
	if (end == REDIS_ANSWERED && brake_table_learn(&redis->brakes, sale, &asked->there) < 0)
		end = REDIS_NO_ROOM;
	return end;
}

void redis_brake_restore(struct stock_redis *redis, uint32_t sale)
{
	struct stock_brake known;
	struct brake_call restore = {.mode = REDIS_BRAKE_RESTORE, .known = &known};

	if (brake_table_look(&redis->brakes, sale, &known, &restore.by_ledger))
		(void)call(redis, sale, &restore);
}

/* Somebody has said otherwise since this request was done. */
static bool is_over(struct stock_redis *redis, uint32_t sale, const struct uuid *request)
{
	struct stock_brake known;
	const struct stock_brake_change *change;

	brake_table_get(&redis->brakes, sale, &known);
	change = brake_find(&known, request);
	return change && change->serial < known.serial;
}

int redis_brake(struct stock *stock, uint32_t sale, const struct stock_brake_change *change)
{
	struct stock_redis *redis = redis_of(stock);
	struct stock_brake known;
	struct brake_call set = {.mode = REDIS_BRAKE_SET, .known = &known, .change = change};
	enum redis_end end;

	(void)brake_table_look(&redis->brakes, sale, &known, &set.by_ledger);
	end = call(redis, sale, &set);
	if (end == REDIS_ANSWERED)
		return set.repeated ? STOCK_REPLAY : STOCK_DONE;
	if (is_over(redis, sale, &change->request))
		return STOCK_REPLAY;
	/* It holds here at once, and goes to Redis as soon as that can be reached. */
	if (change->stopped && brake_table_change(&redis->brakes, sale, change) == STOCK_FULL)
		return STOCK_FULL;
	switch (end) {
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
	struct stock_brake known;
	struct brake_call tell = {.mode = REDIS_BRAKE_RESTORE, .known = &known};

	brake_table_told(&redis->brakes, sale, serial);
	if (!brake_table_look(&redis->brakes, sale, &known, &tell.by_ledger))
		return;
	/*
	 * With the changes themselves: one that Redis has never had may have the number of another
	 * that it has, which nobody has written down. Where Redis does not hear of it, it is
	 * written once more.
	 */
	if (serial > known.written && serial <= known.serial)
		known.written = serial;
	if (call(redis, sale, &tell) == REDIS_ANSWERED)
		brake_table_written(&redis->brakes, sale, serial);
}

void redis_brake_hear(struct stock *stock, uint32_t sale)
{
	const struct stock_brake nothing = {.written = UINT32_MAX}; /* no change has it, so none counts as written */
	struct brake_call tell = {.mode = REDIS_BRAKE_WRITTEN, .known = &nothing};

	(void)call(redis_of(stock), sale, &tell);
}

bool redis_brake_of(struct stock *stock, uint32_t sale, struct stock_brake *brake)
{
	return brake_table_get(&redis_of(stock)->brakes, sale, brake);
}

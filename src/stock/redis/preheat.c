/*
 * A sale's life: begun, loaded, armed, dropped; and units that come and go. See functions/life.lua
 * and functions/movement.lua.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "stock/redis/redis_stock.h"

enum { TRIES = 2, TOKEN_SIZE = 32, CALLS_PER_TRIP = 8 };

/* What a call came to, as a fatal error. */
static int to_error(int outcome)
{
	switch (outcome) {
	case STOCK_DONE:
		return 0;
	case REDIS_STALE:
		return -ESTALE;
	case REDIS_OUT_OF_RANGE:
		return -ERANGE;
	case STOCK_FULL:
		return -ENOMEM;
	case STOCK_UNAVAILABLE:
		return -ENOTCONN;
	case STOCK_OUTCOME_UNKNOWN:
		return -ETIMEDOUT;
	case STOCK_UNKNOWN_SALE:
		return -EINVAL; /* out of turn */
	default:
		return -EAGAIN; /* fenced: Redis has forgotten what was begun, or it is armed already */
	}
}

static bool rules_valid(const struct stock_rules *rules)
{
	return rules->sale >= 1 && rules->sale <= UUID_TAG_MAX && rules->lot_count >= 1 && rules->lot_count <= LOTS_MAX &&
	       rules->limit_per_buyer >= 1 && rules->limit_per_buyer <= LIMIT_MAX && rules->rate_requests <= RATE_REQUESTS_MAX &&
	       rules->rate_seconds <= RATE_SECONDS_MAX;
}

static void write_token(struct buffer *out)
{
	unsigned char bytes[TOKEN_SIZE / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		buffer_printf(out, "%02x", bytes[i]);
}

/*
 * The version that had the sale. What its gates were granted until now they may still tell, where
 * they ask no stock before they do.
 */
static void note_former(struct stock_redis *redis, uint32_t former)
{
	if (former == REDIS_FIRST_VERSION)
		atomic_store(&redis->stock.other_version_ns, clock_mono_ns());
}

/* *again: the functions were missing, and nothing was done. */
static int begin_once(struct stock_redis *redis, const struct stock_rules *rules, bool *again)
{
	bool limited = rules->rate_requests > 0 && rules->rate_seconds > 0;
	struct redis_look look = redis_sales_look(&redis->sales, rules->sale);
	struct redis_reader answer;
	struct redis_trip trip;
	struct buffer *argument;
	enum redis_end end;
	int outcome;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_BEGIN, rules->sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write(argument, rules->epoch, 4);
	redis_write(argument, rules->limit_per_buyer, 4);
	redis_write(argument, limited ? rules->rate_requests : 0, 4);
	redis_write(argument, limited ? rules->rate_seconds * 1000 : 0, 4);
	redis_write(argument, rules->lot_count, 4);
	write_token(argument);
	redis_trip_send(&trip);
	end = redis_trip_next(&trip, &answer);
	*again = end == REDIS_FORGOTTEN;
	outcome = redis_take_head(redis, rules->sale, end, &answer, NULL);
	if (outcome == STOCK_DONE) {
		(void)redis_read32(&answer); /* the epoch */
		note_former(redis, redis_read32(&answer));
	}
	redis_trip_end(&trip);
	return outcome;
}

int redis_preheat_begin(struct stock *stock, const struct stock_rules *rules)
{
	struct stock_redis *redis = redis_of(stock);
	bool again = true;
	int outcome = STOCK_UNAVAILABLE;

	if (!rules_valid(rules))
		return error_origin(-EINVAL);
	if (redis_sellers(stock) != STOCK_SELLERS_OURS)
		return error_origin(-ENOTCONN); /* it is another version's to sell */
	for (int i = 0; i < TRIES && again; i++)
		outcome = begin_once(redis, rules, &again);
	if (outcome != STOCK_DONE)
		return error_origin(to_error(outcome));
	return redis_sales_begin(&redis->sales, rules->sale, rules->epoch, rules->lot_count);
}

static int64_t sale_now_ms(struct stock_redis *redis, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&redis->sales.registry.gate);
	struct redis_sale *sale = redis_sales_find(&redis->sales, number);
	int64_t now_ms = sale ? redis_sale_now_ms(sale) : clock_wall_ms();

	reader_gate_leave(&redis->sales.registry.gate, stripe);
	return now_ms;
}

static void write_load(struct buffer *out, const struct stock_load *order, int64_t clock_ms)
{
	/*
	 * The deadline is what the buyer was told: it was this clock, or one like it, that told it.
	 */
	int64_t hold_ms = order->state == ORDER_HELD && order->hold_expires_at_ms == 0 ? clock_ms + redis_ms(order->hold_left_ns)
										       : order->hold_expires_at_ms;

	redis_write_id(out, &order->id);
	redis_write(out, order->lot, 2);
	redis_write(out, order->quantity, 2);
	redis_write(out, order->first_quantity, 2);
	redis_write(out, (uint64_t)order->state, 1);
	redis_write(out, (uint64_t)hold_ms, 8);
	redis_write(out, (uint64_t)order->first_hold_expires_at_ms, 8);
	redis_write_text(out, order->buyer);
	redis_write_text(out, order->key);
	redis_write_text(out, order->paid);
	redis_write(out, order->labels ? sizeof(order->labels) : 0, 1);
	if (order->labels)
		redis_write(out, order->labels, sizeof(order->labels));
}

/* Some calls in one round trip. 0 or negative. */
static int load_some(struct stock_redis *redis, uint32_t sale, const struct redis_look *look, const struct stock_load *orders,
		     size_t count)
{
	int64_t clock_ms = sale_now_ms(redis, sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	int outcome = STOCK_DONE;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	for (size_t start = 0; start < count; start += REDIS_BATCH) {
		redis_trip_call(&trip, REDIS_LOAD, sale, look);
		redis_write(redis_trip_argument(&trip), look->begun, 4);
		for (size_t i = start; i < count && i < start + REDIS_BATCH; i++)
			write_load(redis_trip_argument(&trip), &orders[i], clock_ms);
	}
	redis_trip_send(&trip);
	for (size_t start = 0; start < count; start += REDIS_BATCH) {
		enum redis_end end = redis_trip_next(&trip, &answer);
		int one = redis_take_head(redis, sale, end, &answer, &head);

		outcome = outcome == STOCK_DONE ? one : outcome;
	}
	redis_trip_end(&trip);
	return to_error(outcome);
}

static int check_loads(const struct stock_load *orders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (orders[i].lot >= LOTS_MAX || orders[i].quantity == 0 || orders[i].quantity > orders[i].first_quantity ||
		    orders[i].first_quantity > LIMIT_MAX)
			return -ERANGE;
	return 0;
}

int redis_preheat_load(struct stock *stock, uint32_t sale, const struct stock_load *orders, size_t count, int64_t now_ns)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	int r = look.begun ? check_loads(orders, count) : -EINVAL;

	(void)now_ns;
	for (size_t start = 0; start < count && r == 0; start += CALLS_PER_TRIP * REDIS_BATCH) {
		size_t size = count - start < CALLS_PER_TRIP * REDIS_BATCH ? count - start : CALLS_PER_TRIP * REDIS_BATCH;

		r = load_some(redis, sale, &look, orders + start, size);
	}
	return r < 0 ? error_origin(r) : 0;
}

static int load_withdrawals(struct stock_redis *redis, uint32_t sale, const struct redis_look *look,
			    const struct stock_withdrawn *withdrawals, size_t count)
{
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	int outcome;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_LOAD_WITHDRAWALS, sale, look);
	redis_write(redis_trip_argument(&trip), look->begun, 4);
	for (size_t i = 0; i < count; i++) {
		struct buffer *argument = redis_trip_argument(&trip);

		redis_write_id(argument, &withdrawals[i].movement);
		redis_write(argument, withdrawals[i].lot, 2);
		redis_write(argument, withdrawals[i].units, 4);
	}
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, sale, redis_trip_next(&trip, &answer), &answer, &head);
	redis_trip_end(&trip);
	return to_error(outcome);
}

int redis_preheat_withdrawals(struct stock *stock, uint32_t sale, const struct stock_withdrawn *withdrawals, size_t count)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	int r = look.begun ? 0 : -EINVAL;

	for (size_t i = 0; i < count && r == 0; i++)
		r = withdrawals[i].lot < LOTS_MAX ? 0 : -ERANGE;
	for (size_t start = 0; start < count && r == 0; start += REDIS_BATCH) {
		size_t size = count - start < REDIS_BATCH ? count - start : REDIS_BATCH;

		r = load_withdrawals(redis, sale, &look, withdrawals + start, size);
	}
	return r < 0 ? error_origin(r) : 0;
}

int redis_arm(struct stock *stock, uint32_t sale, const int64_t *allocated, const int64_t *withdrawn)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	unsigned stripe;
	struct redis_sale *entry;
	uint32_t lot_count;
	bool more = false;
	int outcome;

	stripe = reader_gate_enter(&redis->sales.registry.gate);
	entry = redis_sales_find(&redis->sales, sale);
	lot_count = entry ? entry->lot_count : 0;
	reader_gate_leave(&redis->sales.registry.gate, stripe);
	if (!look.begun)
		return error_origin(-EINVAL);
	redis_brake_restore(redis, sale); /* first: not one purchase comes in between */
	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_ARM, sale, &look);
	redis_write(redis_trip_argument(&trip), look.begun, 4);
	for (uint32_t i = 0; i < lot_count; i++) {
		struct buffer *argument = redis_trip_argument(&trip);

		redis_write(argument, (uint64_t)allocated[i], 4);
		redis_write(argument, (uint64_t)withdrawn[i], 4);
	}
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, sale, redis_trip_next(&trip, &answer), &answer, &head);
	if (outcome == STOCK_DONE) {
		more = redis_sales_learn_names(&redis->sales, sale, head.epoch, &answer);
		redis_sales_learn_lots(&redis->sales, sale, head.epoch, &answer);
	}
	redis_trip_end(&trip);
	if (more)
		redis_read_names(redis, sale);
	return outcome == STOCK_DONE ? 0 : error_origin(to_error(outcome));
}

/*
 * Where Redis cannot be told now, or another version's gates sell from it, refresh() tells it
 * later.
 */
void redis_drop(struct stock *stock, uint32_t sale, uint32_t epoch)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_trip trip;
	struct redis_sale *entry;
	unsigned stripe;
	bool newer, told;

	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_DROP, sale, &look);
	redis_write(redis_trip_argument(&trip), epoch, 4);
	redis_trip_send(&trip);
	told = redis_trip_next(&trip, &answer) == REDIS_ANSWERED && redis_read8(&answer) == STOCK_DONE;
	redis_trip_end(&trip);
	stripe = reader_gate_enter(&redis->sales.registry.gate);
	entry = redis_sales_find(&redis->sales, sale);
	newer = entry && entry->epoch > epoch;
	if (entry && !newer && !told)
		atomic_store(&entry->dropped, true);
	reader_gate_leave(&redis->sales.registry.gate, stripe);
	if (!newer && told) {
		redis_sales_forget(&redis->sales, sale);
		brake_table_forget(&redis->brakes, sale);
	}
}

int redis_allocate(struct stock *stock, uint32_t sale, uint32_t lot, int64_t allocated)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	struct buffer *argument;
	int outcome;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_ALLOCATE, sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write(argument, lot, 2);
	redis_write(argument, (uint64_t)allocated, 4);
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, sale, redis_trip_next(&trip, &answer), &answer, &head);
	redis_trip_end(&trip);
	return redis_outcome(outcome);
}

int redis_withdraw(struct stock *stock, struct stock_withdrawal *withdrawal)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, withdrawal->sale);
	struct redis_reader answer;
	struct redis_head head;
	struct redis_trip trip;
	struct buffer *argument;
	uint32_t lot = 0, quantity = 0;
	const struct event *event = &withdrawal->event;
	bool foreign, undone;
	int outcome;

	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_WITHDRAW, withdrawal->sale, &look);
	argument = redis_trip_argument(&trip);
	redis_write_id(argument, &withdrawal->movement);
	redis_write(argument, withdrawal->lot, 2);
	redis_write(argument, withdrawal->units, 4);
	redis_write(argument, withdrawal->exact, 1);
	redis_write(argument, (uint64_t)withdrawal->now_ms, 8);
	redis_write(argument, (uint64_t)withdrawal->actor_kind, 1);
	redis_write_text(argument, withdrawal->actor);
	redis_write_text(argument, withdrawal->trace);
	redis_write_id(argument, &withdrawal->request);
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, withdrawal->sale, redis_trip_next(&trip, &answer), &answer, &head);
	foreign = outcome == REDIS_UNKNOWN_EPOCH;
	if (outcome == STOCK_DONE || foreign) {
		lot = redis_read_within(&answer, 2, 0, LOTS_MAX - 1);
		quantity = redis_read_within(&answer, 4, 0, UNITS_MAX);
		outcome = answer.failed ? STOCK_OUTCOME_UNKNOWN : STOCK_DONE;
	}
	redis_trip_end(&trip);
	withdrawal->event = (struct event){0};
	if (outcome == STOCK_DONE && quantity > 0)
		withdrawal->event = (struct event){
			.kind = EVENT_WITHDRAWN,
			.sale = withdrawal->sale,
			.epoch = head.epoch,
			.lot = lot,
			.quantity = quantity,
			.id = withdrawal->movement,
			.at_ms = withdrawal->now_ms,
			.actor_kind = withdrawal->actor_kind,
			.actor = withdrawal->actor,
			.trace = withdrawal->trace,
			.request = withdrawal->request,
		};
	if (outcome == STOCK_BUSY)
		return STOCK_BUSY;
	if (!foreign || outcome != STOCK_DONE)
		return redis_outcome(outcome);
	redis_compensate(stock, &event, 1, &undone); /* as of a grant: see give_back() in reserve.c */
	return undone ? STOCK_FENCED : STOCK_OUTCOME_UNKNOWN;
}

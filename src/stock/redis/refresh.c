/*
 * What other processes have done: which sales they have changed (changes.h), then one call for each
 * of those, all in one round trip.
 */
#include "base/clock.h"
#include "base/log.h"
#include "stock/redis/redis_stock.h"

enum {
	SALES_PER_TRIP = REDIS_BATCH, /* beyond so many, another round trip */
	LOOK_NS = 1000000000,         /* how often a connection asks again who its server is */
};

static void learn_counts(struct stock_redis *redis, uint32_t number, const struct redis_head *head, struct redis_reader *answer)
{
	int64_t oldest_ms = redis_read_time(answer), outbox = redis_read32(answer), orders = redis_read32(answer),
		buyers = redis_read32(answer);
	unsigned stripe = reader_gate_enter(&redis->sales.registry.gate);
	struct redis_sale *sale = redis_sales_find(&redis->sales, number);

	if (sale && sale->epoch == head->epoch) {
		atomic_store(&sale->oldest_ms, oldest_ms);
		atomic_store(&sale->outbox, outbox);
		atomic_store(&sale->orders, orders);
		atomic_store(&sale->buyers, buyers);
	}
	reader_gate_leave(&redis->sales.registry.gate, stripe);
}

/* A sale that is asked about. */
struct asked {
	struct stock_refresh *item;
	uint32_t doubts; /* before it was asked */
	bool more;       /* there are names still to be read; what is known of the sale is of sent_ns only once they are */
	bool behind;     /* Redis has forgotten a brake */
};

static void take(struct stock_redis *redis, enum redis_end end, int64_t sent_ns, struct redis_reader *answer, struct asked *asked)
{
	struct stock_refresh *item = asked->item;
	struct redis_head head;
	int outcome = redis_take_head(redis, item->sale, end, answer, &head);

	asked->more = asked->behind = false;
	if (outcome == STOCK_DONE) {
		learn_counts(redis, item->sale, &head, answer);
		asked->more = redis_sales_learn_names(&redis->sales, item->sale, head.epoch, answer);
		redis_sales_learn_lots(&redis->sales, item->sale, head.epoch, answer);
		asked->behind = redis_take_brake(redis, item->sale, answer);
		if (answer->failed)
			outcome = STOCK_OUTCOME_UNKNOWN;
	}
	if (outcome == STOCK_DONE && !asked->more) {
		redis_sales_note_known(&redis->sales, item->sale, head.epoch, sent_ns);
		if (!asked->behind)
			redis_changes_settle(&redis->sales, item->sale, head.epoch, asked->doubts, item->ended, sent_ns);
	}
	/* What another version's gates sell is neither lost nor old. */
	if (outcome != STOCK_DONE && redis_sellers(&redis->stock) != STOCK_SELLERS_OURS)
		outcome = STOCK_UNAVAILABLE;
	switch (outcome) {
	case STOCK_DONE:
	case STOCK_UNKNOWN_SALE:
	case STOCK_FENCED:
	case REDIS_UNKNOWN_EPOCH:
		item->outcome = redis_outcome(outcome);
		break;
	default:
		item->outcome = STOCK_UNAVAILABLE;
	}
}

static void ask(struct redis_trip *trip, struct asked *asked)
{
	struct redis_look look = redis_sales_look(&trip->redis->sales, asked->item->sale);

	asked->doubts = redis_changes_doubts(&trip->redis->sales, asked->item->sale);
	redis_trip_call(trip, REDIS_REFRESH, asked->item->sale, &look);
}

/*
 * A server can become another behind a connection that stays: a master that was a replica for a
 * while. And one that nobody follows may be an old master, which goes on: Sentinels know.
 */
static void look_again(struct stock_redis *redis)
{
	int64_t now_ns = clock_mono_ns(), next_ns = atomic_load(&redis->next_look_ns);
	struct redis_connection *connection;

	if (now_ns < next_ns || !atomic_compare_exchange_strong(&redis->next_look_ns, &next_ns, now_ns + LOOK_NS))
		return;
	connection = redis_pool_take(&redis->pool);
	if (!connection)
		return;
	connection->moved = false;
	if (redis_connection_look(connection) == 0) {
		redis_pool_compare(&redis->pool, connection);
		connection->moved = !connection->server.master || !redis_lease_holds(redis, connection);
	}
	redis_pool_give(&redis->pool, connection);
}

/* A dropped sale that Redis could not be told of. */
static bool next_dropped(struct redis_sales *sales, uint32_t *number, uint32_t *epoch)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale;

	while ((sale = sale_registry_next(&sales->registry, number)) && !atomic_load(&sale->dropped))
		++*number;
	if (sale)
		*epoch = sale->epoch;
	reader_gate_leave(&sales->registry.gate, stripe);
	return sale != NULL;
}

static void drop_again(struct stock_redis *redis)
{
	uint32_t number = 0, epoch = 0;

	for (; next_dropped(&redis->sales, &number, &epoch); number++)
		redis_drop(&redis->stock, number, epoch);
}

static void ask_batch(struct stock_redis *redis, struct asked *asked, size_t count)
{
	struct redis_reader answer;
	struct redis_trip trip;
	int64_t sent_ns;

	redis_trip_begin(&trip, redis);
	for (size_t i = 0; i < count; i++)
		ask(&trip, &asked[i]);
	sent_ns = clock_mono_ns();
	redis_trip_send(&trip);
	for (size_t i = 0; i < count; i++) {
		enum redis_end end = redis_trip_next(&trip, &answer);

		take(redis, end, sent_ns, &answer, &asked[i]);
	}
	redis_trip_end(&trip);
	for (size_t i = 0; i < count; i++) {
		if (asked[i].more)
			redis_read_names(redis, asked[i].item->sale);
		if (asked[i].behind)
			redis_brake_restore(redis, asked[i].item->sale);
	}
}

/* Behind redis_changes_hear(), sent at heard_ns; 0: nothing was heard, and every sale is asked. */
static void refresh_sales(struct stock_redis *redis, struct stock_refresh *items, size_t count, int64_t heard_ns)
{
	struct asked asked[SALES_PER_TRIP];
	size_t asking = 0;

	for (size_t i = 0; i < count; i++) {
		if (heard_ns && redis_changes_rests(&redis->sales, items[i].sale, heard_ns)) {
			items[i].outcome = STOCK_DONE;
			continue;
		}
		asked[asking++].item = &items[i];
		if (asking == SALES_PER_TRIP) {
			ask_batch(redis, asked, asking);
			asking = 0;
		}
	}
	if (asking)
		ask_batch(redis, asked, asking);
}

static void set_outcomes(struct stock_refresh *items, size_t count, enum stock_outcome outcome)
{
	for (size_t i = 0; i < count; i++)
		items[i].outcome = outcome;
}

void redis_refresh(struct stock *stock, struct stock_refresh *items, size_t count)
{
	struct stock_redis *redis = redis_of(stock);
	int64_t heard_ns = 0;

	if (count && redis_sellers(stock) == STOCK_SELLERS_OURS && redis_changes_quiet(redis, items, count, clock_mono_ns())) {
		set_outcomes(items, count, STOCK_DONE);
		return;
	}
	redis_attend(redis);
	look_again(redis);
	if (redis_sellers(stock) == STOCK_SELLERS_OURS)
		drop_again(redis);
	for (size_t i = 0; i < count; i++)
		if (items[i].epoch > 0 && redis_sales_expect(&redis->sales, items[i].sale, items[i].epoch, items[i].lot_count) == 0)
			redis_sales_hear_of(&redis->sales, items[i].sale, items[i].epoch);
	if (count && redis_sellers(stock) == STOCK_SELLERS_OURS) {
		heard_ns = clock_mono_ns();
		if (redis_changes_hear(redis, items, count, heard_ns) == REDIS_NEWS_NONE) {
			set_outcomes(items, count, STOCK_UNAVAILABLE);
			return;
		}
	}
	refresh_sales(redis, items, count, heard_ns);
}

/* One more call for each megabyte: the first time that a process looks at a large sale. */
void redis_read_names(struct stock_redis *redis, uint32_t sale)
{
	struct stock_refresh item = {.sale = sale};
	struct asked asked = {.item = &item, .more = true};
	struct redis_reader answer;
	struct redis_trip trip;

	while (asked.more) {
		int64_t sent_ns = clock_mono_ns();

		redis_trip_begin(&trip, redis);
		ask(&trip, &asked);
		redis_trip_send(&trip);
		take(redis, redis_trip_next(&trip, &answer), sent_ns, &answer, &asked);
		redis_trip_end(&trip);
	}
}

#include "stock/redis/changes.h"

#include "base/clock.h"
#include "stock/redis/redis_stock.h"

static const int64_t LOOK_NS = 1000000000, ASK_NS = 30000000000;      /* how often each sale is looked at, and asked about */
static const int64_t QUIET_NS = 1000000000, QUIET_TURN_NS = 50000000; /* since when nothing was changed; how seldom it is asked then */
enum { ENDED = 10 };                                                  /* times less often, once it has ended */
enum { PHASES = 10 };                                                 /* not all of them in one turn */
enum { LOOKS_MAX = 1024 };                                            /* in one call: the others with the next */

void redis_changes_init(struct redis_changes *changes)
{
	changes->heard = (struct redis_change){.number = -1};
	lock_init(&changes->lock);
}

void redis_changes_deinit(struct redis_changes *changes)
{
	lock_deinit(&changes->lock);
}

static void doubt(struct redis_sales *sales, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);

	if (sale)
		atomic_fetch_add(&sale->doubts, 1);
	reader_gate_leave(&sales->registry.gate, stripe);
}

static void doubt_all(struct redis_sales *sales)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale;

	for (uint32_t number = 0; (sale = sale_registry_next(&sales->registry, &number)); number++)
		atomic_fetch_add(&sale->doubts, 1);
	reader_gate_leave(&sales->registry.gate, stripe);
}

/* The next such moment of this sale's; each has a phase of its own. */
static int64_t next_turn(uint32_t number, int64_t now_ns, int64_t apart_ns)
{
	const int64_t phase_ns = number % PHASES * (apart_ns / PHASES);

	return ((now_ns - phase_ns) / apart_ns + 1) * apart_ns + phase_ns;
}

/*
 * How often it is looked at. One that has ended may have holds, and they go by its time: only looks
 * bound that, as long as nobody asks about it (see functions/changes.lua).
 */
static int64_t looks_apart_ns(struct redis_sale *sale, bool ended)
{
	return (ended && atomic_load(&sale->deadline_ms) == 0 ? ENDED : 1) * LOOK_NS;
}

/* Inside the gate. */
static bool is_settled(struct redis_sale *sale)
{
	return atomic_load(&sale->state) == REDIS_SALE_ARMED && atomic_load(&sale->oldest_ms) == 0 &&
	       atomic_load(&sale->known) == sale->epoch && !atomic_load(&sale->dropped) &&
	       atomic_load(&sale->settled) == atomic_load(&sale->doubts);
}

/* Inside the gate. */
static bool rests(struct redis_sale *sale, int64_t now_ns)
{
	return is_settled(sale) && now_ns < atomic_load(&sale->ask_ns);
}

/* True: it is looked at. */
static bool look_at(struct redis_sales *sales, const struct stock_refresh *item, struct buffer *out, int64_t now_ns)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, item->sale);
	bool looks = sale && is_settled(sale) && now_ns >= atomic_load(&sale->look_ns);
	const int64_t now_ms = clock_mono_ms();

	if (looks) {
		atomic_store(&sale->look_ns, next_turn(item->sale, now_ns, looks_apart_ns(sale, item->ended)));
		redis_write(out, item->sale, 4);
		redis_write(out, (uint64_t)(atomic_load(&sale->clock.least_ms) + now_ms), 8);
		redis_write(out, (uint64_t)(atomic_load(&sale->clock.most_ms) + now_ms), 8);
	}
	reader_gate_leave(&sales->registry.gate, stripe);
	return looks;
}

static void write_call(struct redis_trip *trip, const struct redis_change *heard, const struct stock_refresh *sales, size_t count,
		       int64_t now_ns)
{
	struct redis_look nothing = {0};
	struct buffer *argument;
	size_t looks = 0;

	redis_trip_call(trip, REDIS_CHANGES, 0, &nothing);
	argument = redis_trip_argument(trip);
	buffer_append(argument, heard->term, sizeof(heard->term));
	redis_write(argument, (uint64_t)heard->number, 8);
	argument = redis_trip_argument(trip);
	for (size_t i = 0; i < count && looks < LOOKS_MAX; i++)
		looks += look_at(&trip->redis->sales, &sales[i], argument, now_ns);
}

/*
 * What this process has heard of this very server; else less than any number. (Another thread may
 * hear a later one meanwhile, or the same again: what is told twice is doubted twice.)
 */
static struct redis_change last_heard(struct redis_changes *changes, const struct redis_connection *connection)
{
	struct redis_change heard;

	lock_take(&changes->lock);
	heard = changes->heard;
	lock_release(&changes->lock);
	if (!connection || connection->generation == heard.generation)
		return heard;
	return (struct redis_change){.generation = connection->generation, .number = -1};
}

/* Doubts what the answer names; all, where it says so. False: it cannot be read. */
static bool take(struct stock_redis *redis, struct redis_reader *answer, struct redis_change *change, int64_t now_ns)
{
	struct redis_changes *changes = &redis->changes;
	struct slice term = redis_read_bytes(answer, REDIS_TERM_SIZE);
	uint32_t count;
	bool all;

	change->number = redis_read64(answer);
	all = redis_read8(answer) != 0;
	count = redis_read32(answer);
	for (uint32_t i = 0; i < count && !answer->failed; i++)
		doubt(&redis->sales, redis_read32(answer));
	if (answer->failed)
		return false;
	memcpy(change->term, term.data, REDIS_TERM_SIZE);
	if (all)
		doubt_all(&redis->sales);
	if (all || count > 0)
		atomic_store(&changes->news_ns, now_ns);
	atomic_store(&changes->heard_ns, now_ns);
	lock_take(&changes->lock);
	changes->heard = *change;
	lock_release(&changes->lock);
	return true;
}

bool redis_changes_quiet(struct stock_redis *redis, const struct stock_refresh *sales, size_t count, int64_t now_ns)
{
	struct redis_changes *changes = &redis->changes;
	bool quiet = !atomic_exchange(&changes->wanted, false) && now_ns - atomic_load(&changes->heard_ns) < QUIET_TURN_NS &&
		     now_ns - atomic_load(&changes->news_ns) >= QUIET_NS;
	unsigned stripe = reader_gate_enter(&redis->sales.registry.gate);

	for (size_t i = 0; i < count && quiet; i++) {
		struct redis_sale *sale = redis_sales_find(&redis->sales, sales[i].sale);

		quiet = sale && sale->epoch >= sales[i].epoch && rests(sale, now_ns);
	}
	reader_gate_leave(&redis->sales.registry.gate, stripe);
	return quiet;
}

enum redis_news redis_changes_hear(struct stock_redis *redis, const struct stock_refresh *sales, size_t count, int64_t now_ns)
{
	struct redis_change change;
	struct redis_reader answer;
	struct redis_trip trip;
	bool heard = false;
	int outcome;

	redis_trip_begin(&trip, redis);
	change = last_heard(&redis->changes, trip.connection);
	write_call(&trip, &change, sales, count, now_ns);
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, 0, redis_trip_next(&trip, &answer), &answer, NULL);
	if (outcome == STOCK_DONE)
		heard = take(redis, &answer, &change, now_ns);
	redis_trip_end(&trip);
	if (!heard) {
		doubt_all(&redis->sales);
		atomic_store(&redis->changes.news_ns, now_ns);
	}
	/*
	 * Nothing was ever begun there, or the functions were gone: the sales themselves say what
	 * that means.
	 */
	return heard || outcome == STOCK_FENCED || outcome == STOCK_UNKNOWN_SALE ? REDIS_NEWS_HEARD : REDIS_NEWS_NONE;
}

bool redis_changes_rests(struct redis_sales *sales, uint32_t number, int64_t sent_ns)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	bool is_resting = sale && rests(sale, sent_ns);
	uint32_t epoch = sale ? sale->epoch : 0;

	reader_gate_leave(&sales->registry.gate, stripe);
	if (is_resting)
		redis_sales_note_known(sales, number, epoch, sent_ns);
	return is_resting;
}

uint32_t redis_changes_doubts(struct redis_sales *sales, uint32_t number)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	uint32_t doubts = sale ? atomic_load(&sale->doubts) : 0;

	reader_gate_leave(&sales->registry.gate, stripe);
	return doubts;
}

void redis_changes_settle(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t doubts, bool ended, int64_t sent_ns)
{
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);

	if (sale && sale->epoch == epoch) {
		atomic_store(&sale->ask_ns, next_turn(number, sent_ns, (ended ? ENDED : 1) * ASK_NS));
		atomic_store(&sale->look_ns, next_turn(number, sent_ns, looks_apart_ns(sale, ended)));
		atomic_store(&sale->settled, doubts);
	}
	reader_gate_leave(&sales->registry.gate, stripe);
}

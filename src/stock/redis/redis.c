/*
 * The stock in a Redis that several gates share.
 *
 * The problem: the decisions of stock/memory/memory.c, for processes that share no memory, in a
 * store that answers in a tenth of a millisecond, does one thing at a time, and may forget: all of
 * it, or its last second, and it does not always say so.
 *
 * The model. A library of Redis Functions (functions/) has the decisions; a call carries a whole
 * batch for one sale and is one atomic step, for all keys of a sale share the hash tag {ps:NUMBER}.
 * This side packs batches, reads answers, and keeps what any thread may ask without waiting
 * (sales.h). Every answer tells the lots it has touched and the next deadline, so a process sees
 * its own doing at once and others' doing at its next refresh().
 *
 * What Redis is asked costs it time that nobody else gets, so a function reads and writes for its
 * whole batch at once: some ten commands a call, whatever it carries. Three shapes follow from
 * that:
 *   - an order is one record in one hash. What a call has granted waits in the outbox as one batch:
 *     its number by the time of the call, what its events carry, and a byte for each grant that
 *     says whether it has ended. So an acknowledgement writes a few bytes and no order's record;
 *     what is claimed leaves its batch for an entry of its own;
 *   - what a purchase must know of its buyer is one field: the live units, the times of the grants
 *     that its rate counts, its newest orders with their keys. A refusal gives its place in the
 *     rate back, so nothing is left of those who only knocked. Keys that find no room in the field
 *     are in a hash of their own, so the field stays small however much somebody buys;
 *   - the names of buyers are appended to one list, in pieces of a mebibyte (to a long string Redis
 *     appends by copying it), so that a process asks for what it has not read by an offset. Whoever
 *     is told "sold out" gets the rest of them in the same answer: from then on may_have_order()
 *     says no to nobody who has an order.
 *
 * One clock, the sale's: deadlines are told and kept by it, windows slide by it, claims age by it.
 * It is what has passed since Redis' wall clock was believed once. That clock moves it on, but
 * somebody may set it: so every call brings two bounds from this machine's monotonic clock and the
 * last answer (sales.h), and the sale's time stays between them, but for a second. now_ns only says
 * how long ago something was, now_ms what an event is dated.
 *
 * Fencing. A sale is armed with its epoch, with the run_id and replid of the server, and with the
 * term: a word in a variable of the library, in no file and on no replica. Every call brings the
 * newest epoch that this process knows and the run_id and replid that its connection read when it
 * was opened, and a function does nothing unless all of it fits. So these are all the same to a
 * gate, STOCK_FENCED: a restart (other run_id, no term), also with an old log; FLUSHALL (the sale
 * is gone, and this process knew it); FUNCTION FLUSH or a reload (no term); a promotion (no term,
 * other run_id); an old master promoted again (its term stands, but a promotion changes its replid,
 * and a connection asks once a second). A spurious change fences too and costs a rebuild, nothing
 * else: the replid also changes when a master gets its first replica, and an hour after it lost its
 * last one. The term is set when a sale is begun, not when it is armed, so that a restart in the
 * middle of loading is seen as well.
 *
 * Versions. Each has a library of its own, and functions of its own names. A sale names the version
 * that it belongs to, and the keys that it has; a function touches no sale of another version's,
 * and begins one only where its version is the one that sells (functions/versions.lua, versions.h,
 * attend.c).
 *
 * Three ends. A call that could not be sent, or was refused whole, is STOCK_UNAVAILABLE; one that
 * was sent and not answered is STOCK_OUTCOME_UNKNOWN, and is never undone: what it granted is in
 * the outbox. An idle connection is looked at before it is used, so that a server which went away
 * in the meantime costs no unknowns.
 *
 * Locks. pool.lock, sales.changing, versions.lock, an entry's lock: leaves, each held for memory
 * work only; sales.changing also while the gate empties, which takes as long as a look. None is
 * held across I/O.
 *
 * What grows: a sale's keys, with its buyers and orders, until drop(). A drop that Redis did not
 * hear of is repeated by refresh().
 *
 * Not done here: TLS (hiredis 0.14 has none), Redis Cluster (a sale would fit, the fence would not:
 * it is of one server), names in other processes' logs.
 *
 * Turned down: an EVAL script (no variable that outlives a call, so no term); one key a buyer (a
 * command each, and a sale to be dropped key by key); a stream as outbox (above); a lock per sale
 * (one call is the lock); WAIT after each call (a replica that is behind is noticed by the fence,
 * and the ledger keeps the promises).
 */
#include "stock/redis/redis.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "stock/redis/checks.h"
#include "stock/redis/redis_stock.h"

#define SECOND INT64_C(1000000000)

/*
 * See attend.c. A replica that says nothing for so long stops this gate's sales; a rebuild behind a
 * journal waits so long, and for clocks that run apart.
 */
static const int64_t LEASE_NS = SECOND, LEASE_MARGIN_NS = SECOND / 4;

int64_t redis_ms(int64_t ns)
{
	return ns > 0 ? (ns + 999999) / 1000000 : ns / 1000000;
}

static int take_status(struct stock_redis *redis, uint32_t sale, struct redis_reader *answer, struct redis_head *head)
{
	int status = redis_read8(answer);

	if (status == STOCK_DONE && !head)
		return STOCK_DONE;
	if (status == STOCK_DONE) {
		if (!redis_sales_learn(&redis->sales, sale, answer, head))
			return STOCK_OUTCOME_UNKNOWN;
		return head->foreign ? REDIS_UNKNOWN_EPOCH : STOCK_DONE;
	}
	switch (answer->failed ? -1 : status) {
	case STOCK_FENCED:
		redis_sales_fence(&redis->sales, sale);
		return status;
	case STOCK_UNKNOWN_SALE:
	case STOCK_FULL:
	case STOCK_BUSY:
	case REDIS_STALE:
	case REDIS_OUT_OF_RANGE:
		return status;
	default: /* no answer of ours: whether anything was done it does not say */
		return STOCK_OUTCOME_UNKNOWN;
	}
}

enum stock_outcome redis_outcome(int status)
{
	switch (status) {
	case REDIS_UNKNOWN_EPOCH:
		return STOCK_FENCED;
	case STOCK_BUSY: /* of a withdrawal alone */
	case REDIS_STALE:
	case REDIS_OUT_OF_RANGE:
		return STOCK_OUTCOME_UNKNOWN;
	default:
		return (enum stock_outcome)status;
	}
}

int redis_take_head(struct stock_redis *redis, uint32_t sale, enum redis_end end, struct redis_reader *answer, struct redis_head *head)
{
	switch (end) {
	case REDIS_ANSWERED:
		return take_status(redis, sale, answer, head);
	case REDIS_REFUSED:
		return STOCK_UNAVAILABLE;
	case REDIS_FORGOTTEN:
		redis_sales_fence(&redis->sales, sale);
		return redis_sales_look(&redis->sales, sale).known ? STOCK_FENCED : STOCK_UNKNOWN_SALE;
	case REDIS_NO_ROOM:
		return STOCK_FULL;
	case REDIS_LOST:
		return STOCK_OUTCOME_UNKNOWN;
	}
	assertion_failed("a known end", __FILE__, __LINE__, __func__);
}

void redis_take_order(struct redis_reader *answer, struct stock_order *order)
{
	uint8_t flags;

	order->id = redis_read_id(answer);
	order->state = redis_read_within(answer, 1, ORDER_HELD, ORDER_EXPIRED);
	flags = redis_read8(answer);
	order->settling = flags & REDIS_SETTLING;
	order->durable = flags & REDIS_DURABLE;
	order->hold_expires_at_ms = redis_read_time(answer);
	order->first_hold_expires_at_ms = redis_read_time(answer);
	order->lot = redis_read_within(answer, 2, 0, LOTS_MAX - 1);
	order->quantity = redis_read_within(answer, 2, 1, LIMIT_MAX);
	order->first_quantity = redis_read_within(answer, 2, order->quantity, LIMIT_MAX);
}

/* --- What any thread may ask --- */

static bool may_have_order(struct stock *stock, uint32_t number, struct slice buyer)
{
	struct redis_sales *sales = &redis_of(stock)->sales;
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	bool may_have = true;

	if (sale && atomic_load(&sale->state) == REDIS_SALE_ARMED && atomic_load(&sale->names_complete))
		may_have = buyer_filter_may_have(&sale->filter, redis_sales_name(sales, buyer));
	reader_gate_leave(&sales->registry.gate, stripe);
	return may_have;
}

static int health(struct stock *stock, const char **reason)
{
	struct stock_redis *redis = redis_of(stock);

	*reason = atomic_load(&redis->pool.fault);
	if (!*reason)
		*reason = redis_why_standing_by(redis);
	if (*reason)
		return -ENOTCONN;
	if (redis->may_evict || !atomic_load(&redis->pool.evicts))
		return 0;
	*reason = "this Redis was set to throw keys away when its memory is full, orders among them: set maxmemory-policy noeviction";
	return STOCK_ENDANGERED;
}

static void copy_lots(struct redis_sale *sale, struct stock_lot_state *lots)
{
	lock_take(&sale->lock);
	for (uint32_t i = 0; i < sale->lot_count; i++)
		lots[i] = sale->lots[i].state;
	lock_release(&sale->lock);
}

static int snapshot(struct stock *stock, uint32_t number, struct stock_lot_state *lots, uint32_t *lot_count)
{
	struct redis_sales *sales = &redis_of(stock)->sales;
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	bool known = sale && atomic_load(&sale->state) == REDIS_SALE_ARMED && !atomic_load(&sale->dropped);

	if (known) {
		*lot_count = sale->lot_count;
		copy_lots(sale, lots);
	}
	reader_gate_leave(&sales->registry.gate, stripe);
	return known ? 0 : STOCK_UNKNOWN_SALE;
}

static uint64_t version(struct stock *stock, uint32_t number, uint32_t lot)
{
	struct redis_sales *sales = &redis_of(stock)->sales;
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	uint64_t seen = sale && lot < sale->lot_count ? atomic_load(&sale->lots[lot].version) : 0;

	reader_gate_leave(&sales->registry.gate, stripe);
	return seen;
}

static int64_t known_ns(struct stock *stock, uint32_t number)
{
	struct redis_sales *sales = &redis_of(stock)->sales;
	unsigned stripe = reader_gate_enter(&sales->registry.gate);
	struct redis_sale *sale = redis_sales_find(sales, number);
	int64_t known = sale ? atomic_load(&sale->known_ns) : 0;

	reader_gate_leave(&sales->registry.gate, stripe);
	redis_changes_want(&redis_of(stock)->changes);
	return known;
}

static void add_up(struct redis_sale *sale, struct stock_totals *totals)
{
	struct stock_lot_state lots[LOTS_MAX] = {0};

	totals->outbox += atomic_load(&sale->outbox);
	totals->orders += atomic_load(&sale->orders);
	totals->buyers += atomic_load(&sale->buyers);
	copy_lots(sale, lots);
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		totals->available += lots[i].available;
		totals->held += lots[i].held;
		totals->confirmed += lots[i].confirmed;
		totals->withdrawn += lots[i].withdrawn;
	}
}

/* Memory: what the whole server uses, and what this side keeps. */
static void totals(struct stock *stock, struct stock_totals *totals)
{
	struct stock_redis *redis = redis_of(stock);
	unsigned stripe = reader_gate_enter(&redis->sales.registry.gate);
	struct redis_sale *sale;

	*totals = (struct stock_totals){.unreadable = atomic_load(&redis->unreadable),
					.memory_bytes =
						redis_pool_server(&redis->pool).memory_bytes + atomic_load(&redis->sales.memory)};
	for (uint32_t number = 0; (sale = sale_registry_next(&redis->sales.registry, &number)); number++)
		if (atomic_load(&sale->state) == REDIS_SALE_ARMED && !atomic_load(&sale->dropped))
			add_up(sale, totals);
	reader_gate_leave(&redis->sales.registry.gate, stripe);
}

/* --- Open and free --- */

static void free_redis(struct stock *stock)
{
	struct stock_redis *redis = redis_of(stock);

	redis_pool_deinit(&redis->pool);
	redis_sales_deinit(&redis->sales);
	brake_table_deinit(&redis->brakes);
	redis_changes_deinit(&redis->changes);
	redis_versions_deinit(&redis->versions);
	free(redis);
}

const struct stock_ops redis_ops = {
	.name = "redis",
	.local = false,
	.reserve = redis_reserve,
	.settle = redis_settle,
	.expire = redis_expire,
	.acknowledge_send = redis_acknowledge_send,
	.acknowledge_wait = redis_acknowledge_wait,
	.compensate = redis_compensate,
	.claim = redis_claim,
	.find = redis_find,
	.orders = redis_orders,
	.may_have_order = may_have_order,
	.known_ns = known_ns,
	.preheat_begin = redis_preheat_begin,
	.preheat_load = redis_preheat_load,
	.preheat_find = redis_preheat_find,
	.preheat_withdrawals = redis_preheat_withdrawals,
	.arm = redis_arm,
	.drop = redis_drop,
	.allocate = redis_allocate,
	.withdraw = redis_withdraw,
	.brake = redis_brake,
	.brake_written = redis_brake_written,
	.brake_hear = redis_brake_hear,
	.brake_of = redis_brake_of,
	.keep = redis_keep,
	.recall = redis_recall,
	.kept = redis_kept,
	.keep_log = redis_keep_log,
	.recall_log = redis_recall_log,
	.refresh = redis_refresh,
	.sellers = redis_sellers,
	.take_over = redis_take_over,
	.leave = redis_leave,
	.health = health,
	.snapshot = snapshot,
	.version = version,
	.totals = totals,
	.free = free_redis,
};

int stock_redis_check_url(const char *url, const char **reason)
{
	struct redis_url parsed;

	return redis_url_parse(url, &parsed, reason);
}

static int check_server(struct stock_redis *redis, bool force)
{
	struct redis_connection *connection = redis_pool_take(&redis->pool);
	int r;

	if (!connection) {
		const char *reason = atomic_load(&redis->pool.fault);

		log_error("stock", "Redis cannot be used", LOG_TEXT("reason", reason));
		return redis_reason_is_refusal(reason) ? error_origin(-EACCES) : -ENOTCONN;
	}
	r = redis_check_server(connection, &redis->library, force, redis->pool.url.sentinel, &redis->stock.quiesce_other_ns,
			       &redis->replicas_set);
	if (redis->stock.quiesce_other_ns > 0) {
		redis->lease_ns = LEASE_NS;
		redis->stock.quiesce_ns = LEASE_NS + LEASE_MARGIN_NS;
	}
	if (r == 0)
		r = redis_attend_first(redis, connection);
	redis_pool_give(&redis->pool, connection);
	return r;
}

static uint32_t library_version(const struct stock_redis_settings *settings)
{
	uint32_t version = REDIS_LIBRARY_VERSION;

#ifdef PENSTOCK_TESTING
	version = settings->library_version ? settings->library_version : version;
#else
	(void)settings;
#endif
	/* A program that differs in nothing but this, for tests of two versions side by side. */
	return FAILPOINT("stock.next_version") > 0 ? version + 1 : version;
}

int stock_redis_open(struct stock **stock, const struct stock_redis_settings *settings)
{
	struct redis_timeouts timeouts = {
		.connect_ns = settings->connect_timeout_ns > 0 ? settings->connect_timeout_ns : SECOND,
		.call_ns = settings->call_timeout_ns > 0 ? settings->call_timeout_ns : SECOND,
	};
	struct stock_redis *redis;
	struct redis_url url;
	const char *reason;
	int r = redis_url_parse(settings->url, &url, &reason);

	if (r < 0) {
		log_error("stock", "stock.url is no Redis URL", LOG_TEXT("reason", reason));
		return r;
	}
	redis = aligned_alloc(64, (sizeof(*redis) + 63) / 64 * 64);
	if (!redis)
		return error_origin(-ENOMEM);
	*redis = (struct stock_redis){.stock.ops = &redis_ops, .outbox_max = settings->outbox_max, .may_evict = settings->force};
	redis_pool_init(&redis->pool, settings->transport ? settings->transport : &redis_sockets, &url, &timeouts);
	redis_sales_init(&redis->sales);
	brake_table_init(&redis->brakes);
	redis_changes_init(&redis->changes);
	redis_library_init(&redis->library, library_version(settings));
	atomic_store(&redis->told_sellers, -1);
	r = redis_versions_init(&redis->versions, redis->library.version);
	if (r == 0)
		r = check_server(redis, settings->force);
	if (r < 0) {
		free_redis(&redis->stock);
		return r;
	}
	*stock = &redis->stock;
	return 0;
}

#ifdef PENSTOCK_TESTING
void stock_redis_set_clock(struct stock *stock, int64_t now_ms)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_connection *connection = redis_pool_take(&redis->pool);
	redisReply *reply;

	if (!connection)
		return;
	reply = redis_connection_command(connection, "FCALL %s_test_clock 0 %lld", redis->library.name, (long long)now_ms);
	if (reply)
		freeReplyObject(reply);
	redis_pool_give(&redis->pool, connection);
}
#endif

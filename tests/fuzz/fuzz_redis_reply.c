/*
 * Any bytes as what Redis answers: every call of the stock reads them without falling over, and
 * comes to an outcome that its callers know. The first byte says which call, the rest is its
 * answer, and that of whatever else is asked on the way. hiredis has the answers before they are
 * asked for; what is asked goes to a pair of sockets that nobody reads.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/lines.h"
#include "base/log.h"
#include "core/admission.h"
#include "stock/redis/redis_stock.h"

enum { SALE = 7, EPOCH = 3, LOTS = 2, ITEMS = 3, ANSWERS = 4, CALLS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stock_redis redis;
static int far_end = -1;

static void disconnect(void)
{
	while (redis.pool.idle) {
		struct redis_connection *connection = redis.pool.idle;

		redis.pool.idle = connection->next;
		redis_connection_free(connection);
	}
	redis.pool.idle_count = 0;
	if (far_end >= 0)
		close(far_end);
	far_end = -1;
}

/* A connection as if it had just been opened and greeted. */
static void connect_pair(const uint8_t *data, size_t size)
{
	struct redis_connection *connection = calloc(1, sizeof(*connection));
	char head[32];
	int pair[2], length = snprintf(head, sizeof(head), "$%zu\r\n", size);

	ASSERT(connection);
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	far_end = pair[1];
	connection->link.transport = &redis_sockets;
	connection->link.context = redisConnectFd(pair[0]);
	ASSERT(connection->link.context);
	ASSERT(redisSetTimeout(connection->link.context, (struct timeval){.tv_usec = 1000}) == REDIS_OK);
	memset(connection->server.run_id, 'a', REDIS_ID_SIZE);
	memset(connection->server.replid, 'b', REDIS_ID_SIZE);
	connection->server.master = true;
	connection->generation = redis.pool.generation;
	buffer_init(&connection->scratch, 1 << 20);
	for (int i = 0; i < ANSWERS; i++) {
		ASSERT(redisReaderFeed(connection->link.context->reader, head, (size_t)length) == REDIS_OK);
		ASSERT(redisReaderFeed(connection->link.context->reader, (const char *)data, size) == REDIS_OK);
		ASSERT(redisReaderFeed(connection->link.context->reader, "\r\n", 2) == REDIS_OK);
	}
	redis_pool_give(&redis.pool, connection);
}

static struct event event_of(enum event_kind kind)
{
	struct event event = {.kind = kind, .sale = SALE, .epoch = EPOCH, .quantity = 1, .buyer = SLICE("ann"), .actor = SLICE("ann")};

	event.id.bytes[6] = 0x70;
	return event;
}

/* With what asks the stock, so that its own assertions look at the outcomes. */
static void call_reserve(struct stock *stock)
{
	const struct admission admission = {.stock = stock, .ack_deadline_ns = INT64_C(1000000000)};
	struct sale_entry *entry = lines_new(sizeof(*entry) + ITEMS * sizeof(entry->latches[0]));
	struct purchase purchases[ITEMS] = {0}, *pointers[ITEMS];

	ASSERT(entry);
	for (int i = 0; i < ITEMS; i++) {
		purchases[i].event = event_of(EVENT_RESERVED);
		purchases[i].hold_ns = i == 0 ? 0 : 1000000000;
		purchases[i].refusal = i == 2 ? VERDICT_SALE_ENDED : VERDICT_NONE;
		purchases[i].entry = entry;
		pointers[i] = &purchases[i];
	}
	admission_reserve(&admission, pointers, ITEMS);
	for (int i = 0; i < ITEMS; i++)
		if (purchases[i].verdict == VERDICT_NONE) {
			ASSERT(purchases[i].refusal == VERDICT_NONE);
			ASSERT(purchases[i].event.epoch <= EPOCH);
			ASSERT(order_state_name(purchases[i].order.state));
		}
	free(entry);
}

static void call_settle(struct stock *stock)
{
	struct stock_settle items[] = {{.action = ORDER_CONFIRM},
				       {.action = ORDER_CANCEL},
				       {.action = ORDER_EXTEND},
				       {.action = ORDER_REFUND},
				       {.action = ORDER_REDUCE, .from = 3, .quantity = 1}};
	enum { COUNT = sizeof(items) / sizeof(items[0]) };

	for (size_t i = 0; i < COUNT; i++) {
		items[i].sale = SALE;
		items[i].id = event_of(EVENT_CONFIRMED).id;
		items[i].actor = SLICE("olga");
	}
	stock->ops->settle(stock, items, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		ASSERT(items[i].outcome <= STOCK_PAUSED);
		if (items[i].outcome == STOCK_DONE)
			ASSERT(order_state_name(items[i].order.state));
		if (items[i].outcome == STOCK_DONE && items[i].action == ORDER_REDUCE)
			ASSERT(items[i].event.left == 2 && items[i].order.quantity == 2 && items[i].order.first_quantity >= 2);
	}
}

static void call_find(struct stock *stock)
{
	struct stock_find items[ITEMS] = {0};

	for (int i = 0; i < ITEMS; i++)
		items[i].sale = SALE;
	stock->ops->find(stock, items, ITEMS);
	for (int i = 0; i < ITEMS; i++)
		if (items[i].outcome == STOCK_DONE)
			ASSERT(order_state_name(items[i].order.state));
}

static void call_end(struct stock *stock, bool durable)
{
	struct event events[ITEMS] = {event_of(EVENT_RESERVED), event_of(EVENT_EXPIRED), event_of(EVENT_WITHDRAWN)};
	const struct event *pointers[ITEMS] = {&events[0], &events[1], &events[2]};
	enum stock_ack answers[ITEMS];
	bool undone[ITEMS];

	if (!durable) {
		stock->ops->compensate(stock, pointers, ITEMS, undone);
		return;
	}
	stock->ops->acknowledge_send(stock, pointers, ITEMS, answers);
	stock->ops->acknowledge_wait(stock);
	for (int i = 0; i < ITEMS; i++)
		(void)ack_deadline_proof_of(answers[i]);
}

static void call_claim(struct stock *stock)
{
	static struct stock_claim claims[ITEMS];
	struct buffer json;
	size_t count;

	redis_sales_learn_outbox(&redis.sales, SALE, EPOCH, 1);
	count = stock->ops->claim(stock, 1000000, INT64_C(2000000), claims, ITEMS);
	ASSERT(count <= ITEMS);
	buffer_init(&json, 65536);
	for (size_t i = 0; i < count; i++)
		event_encode(&claims[i].event, &json);
	buffer_deinit(&json);
}

static void call_expire(struct stock *stock)
{
	struct event out[ITEMS];
	int64_t next_ns;

	ASSERT(stock->ops->expire(stock, 1, 1, 0, out, ITEMS, &next_ns) <= ITEMS);
}

static void call_preheat(struct stock *stock)
{
	const struct stock_load load = {.quantity = 1, .first_quantity = 1, .state = ORDER_HELD, .buyer = SLICE("ann")};
	const int64_t allocated[LOTS] = {5, 5}, withdrawn[LOTS] = {0};

	(void)!stock->ops->preheat_begin(
		stock, &(struct stock_rules){.sale = SALE, .epoch = EPOCH, .limit_per_buyer = 1, .lot_count = LOTS});
	(void)!stock->ops->preheat_load(stock, SALE, &load, 1, 0);
	(void)!stock->ops->preheat_withdrawals(stock, SALE, &(struct stock_withdrawn){.units = 1}, 1);
	(void)!stock->ops->arm(stock, SALE, allocated, withdrawn);
}

static void call_refresh(struct stock *stock)
{
	struct stock_refresh item = {.sale = SALE, .epoch = EPOCH, .lot_count = LOTS};

	stock->ops->refresh(stock, &item, 1);
	ASSERT(item.outcome == STOCK_DONE || item.outcome == STOCK_UNKNOWN_SALE || item.outcome == STOCK_FENCED ||
	       item.outcome == STOCK_UNAVAILABLE);
}

static void call_orders(struct stock *stock)
{
	struct stock_orders item = {.sale = SALE, .buyer = SLICE("ann")};

	stock->ops->orders(stock, &item);
	for (size_t i = 0; i < item.count && item.outcome == STOCK_DONE; i++)
		ASSERT(order_state_name(item.orders[i].state));
}

/* Who else is there, and which version sells. */
static void call_attend(struct stock *stock)
{
	const char *reason;

	atomic_store(&redis.next_attend_ns, 0);
	redis_attend(&redis);
	ASSERT(redis.versions.count <= REDIS_GATES_MAX);
	(void)!stock->ops->take_over(stock);
	(void)stock->ops->health(stock, &reason);
	stock->ops->leave(stock);
}

/* What a gate without a ledger would sell by. */
static void call_recall(struct stock *stock, bool log)
{
	struct stock_log kept;
	uint32_t numbers[ITEMS];
	struct sale *sale;
	size_t count;

	if (log && stock->ops->recall_log(stock, &kept) == 0)
		ASSERT(memchr(kept.topic, 0, sizeof(kept.topic)));
	if (log && stock->ops->kept(stock, 0, numbers, ITEMS, &count) == 0)
		ASSERT(count <= ITEMS);
	if (log || stock->ops->recall(stock, SALE, &sale) != 0)
		return;
	ASSERT(sale->number == SALE);
	ASSERT(sale->lot_count <= LOTS_MAX);
	stock->ops->keep(stock, (const struct sale *const *)&sale, 1);
	free(sale);
}

static void call(struct stock *stock, unsigned which)
{
	struct stock_withdrawal withdrawal = {.sale = SALE, .units = 3, .movement = event_of(EVENT_WITHDRAWN).id};
	struct stock_brake_change brake = {.stopped = true};

	switch (which) {
	case 0:
		call_reserve(stock);
		return;
	case 1:
		call_settle(stock);
		return;
	case 2:
		call_find(stock);
		return;
	case 3:
	case 4:
		call_end(stock, which == 3);
		return;
	case 5:
		call_claim(stock);
		return;
	case 6:
		call_expire(stock);
		return;
	case 7:
		call_preheat(stock);
		return;
	case 8:
		ASSERT(stock->ops->allocate(stock, SALE, 0, 9) <= STOCK_PAUSED);
		return;
	case 9:
		ASSERT(stock->ops->withdraw(stock, &withdrawal) <= STOCK_PAUSED);
		return;
	case 10:
		(void)!stock->ops->brake(stock, SALE, &brake);
		return;
	case 11:
		call_refresh(stock);
		return;
	case 12:
	case 13:
		call_recall(stock, which == 12);
		return;
	case 14:
		call_orders(stock);
		return;
	default:
		call_attend(stock);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stock *stock;
	struct stock_lot_state lots[LOTS_MAX];
	struct stock_totals totals;
	uint32_t count;

	if (size == 0)
		return 0;
	if (!stock) {
		const struct redis_timeouts timeouts = {1000000, 1000000};
		struct redis_url url = {.address_count = 1};

		log_set_level(LOG_OFF);
		strcpy(url.addresses[0].host, "127.0.0.1");
		url.addresses[0].port = 1; /* nobody is there */
		redis.stock.ops = &redis_ops;
		redis.outbox_max = 100;
		redis_pool_init(&redis.pool, &redis_sockets, &url, &timeouts);
		redis_sales_init(&redis.sales);
		brake_table_init(&redis.brakes);
		redis_library_init(&redis.library, REDIS_LIBRARY_VERSION);
		ASSERT(redis_versions_init(&redis.versions, REDIS_LIBRARY_VERSION) == 0);
		atomic_store(&redis.looked, true);
		atomic_store(&redis.next_libraries_ns, INT64_MAX);
		stock = &redis.stock;
	}
	redis_versions_take(&redis.versions, REDIS_LIBRARY_VERSION, NULL, 0, 1);
	atomic_store(&redis.next_attend_ns, INT64_MAX);
	atomic_store(&redis.next_look_ns, INT64_MAX);
	redis_sales_forget(&redis.sales, SALE);
	ASSERT(redis_sales_begin(&redis.sales, SALE, EPOCH, LOTS) == 0);
	connect_pair(data + 1, size - 1);
	call(stock, data[0] % CALLS);
	(void)stock->ops->snapshot(stock, SALE, lots, &count);
	stock->ops->totals(stock, &totals);
	(void)stock->ops->may_have_order(stock, SALE, SLICE("ann"));
	disconnect();
	return 0;
}

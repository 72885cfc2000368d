/*
 * The Redis in the process against a real one: the same random calls to both, the same bytes in
 * each reply, and the same keys at the end of each world. The adapter makes the calls, so that most
 * of them do something; each is sent again with bytes changed; and commands go to both as they are.
 *
 * SEED and CALLS in the environment repeat a run, or make it longer; what differs prints what it
 * was sent.
 */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "contract/redis_place.h"
#include "simulation/redis/tee.h"
#include "stock/redis/redis.h"

#define MS INT64_C(1000000)
enum { CALLS = 10000, WORLD = 400, SALE = 7, LOTS = 3, BUYERS = 6, EVENTS = 32, ARGUMENTS = 64 };

static struct world {
	int64_t now_ms;
	struct tee tee;
	struct redis_link raw; /* to both */
	struct stock *stock;
	uint32_t epoch;
	struct event events[EVENTS]; /* on their way to the journal */
	size_t count;
	struct uuid ids[EVENTS];                                  /* of orders, the newest last */
	uint64_t reserved[UINT8_MAX + 1], settled[UINT8_MAX + 1]; /* how often each outcome came */
} world;

static uint64_t any(uint64_t below)
{
	return tee_any(&world.tee, below);
}

static int64_t wall_us(const struct clock_source *source)
{
	(void)source;
	return world.now_ms * 1000;
}

static int64_t mono_ns(const struct clock_source *source)
{
	(void)source;
	return world.now_ms * MS;
}

static struct slice a_buyer(void)
{
	static const char names[BUYERS][8] = {"ann", "bob", "cid", "dora", "eve", "f"};

	return slice_of(names[any(BUYERS)]);
}

static struct uuid a_new_id(void)
{
	struct uuid id;

	for (size_t i = 0; i < sizeof(id.bytes); i++)
		id.bytes[i] = (uint8_t)any(256);
	memmove(world.ids, world.ids + 1, sizeof(world.ids) - sizeof(world.ids[0]));
	world.ids[EVENTS - 1] = id;
	return id;
}

static struct uuid a_known_id(void)
{
	return world.ids[any(EVENTS)];
}

/* --- What the adapter is asked --- */

static void keep_event(const struct event *event)
{
	world.events[world.count < EVENTS ? world.count++ : any(EVENTS)] = *event;
}

static void reserve(void)
{
	static const char keys[][4] = {"", "", "k1", "k2"};
	struct stock_reserve items[4] = {0};
	size_t count = 1 + any(4);

	for (size_t i = 0; i < count; i++) {
		struct event *event = &items[i].event;

		event->sale = SALE;
		event->lot = (uint32_t)any(LOTS + 1);
		event->quantity = (uint32_t)(1 + any(3));
		event->id = any(10) ? a_new_id() : a_known_id();
		event->at_ms = world.now_ms;
		event->buyer = event->actor = a_buyer();
		event->key = slice_of(keys[any(4)]);
		event->actor_kind = ACTOR_BUYER;
		items[i].now_ns = world.now_ms * MS;
		items[i].hold_ns = any(3) ? (int64_t)(1 + any(120000)) * MS : 0;
		items[i].replay_only = any(20) == 0;
		items[i].unlimited_rate = any(10) == 0;
	}
	world.stock->ops->reserve(world.stock, items, count);
	for (size_t i = 0; i < count; i++) {
		world.reserved[(uint8_t)items[i].outcome]++;
		if (items[i].outcome == STOCK_DONE)
			keep_event(&items[i].event);
	}
}

static void settle(void)
{
	struct stock_settle item = {.sale = SALE,
				    .id = a_known_id(),
				    .action = (enum order_action)(ORDER_CONFIRM + any(5)),
				    .buyer = any(3) ? SLICE("") : a_buyer(),
				    .now_ns = world.now_ms * MS,
				    .now_ms = world.now_ms,
				    .grace_ns = (int64_t)any(3) * 1000 * MS,
				    .extend_ns = (int64_t)any(200000) * MS,
				    .actor_kind = ACTOR_OPERATOR,
				    .actor = SLICE("olga")};

	world.stock->ops->settle(world.stock, &item, 1);
	world.settled[(uint8_t)item.outcome]++;
	if (item.outcome == STOCK_DONE)
		keep_event(&item.event);
}

static void end_events(void)
{
	const struct event *events[4];
	bool undone[4];
	size_t count = world.count ? 1 + any(world.count < 4 ? world.count : 4) : 0;

	for (size_t i = 0; i < count; i++)
		events[i] = &world.events[any(world.count)];
	if (count > 0 && any(3))
		stock_acknowledge(world.stock, events, count);
	else if (count > 0)
		world.stock->ops->compensate(world.stock, events, count, undone);
}

static void look(void)
{
	struct stock_refresh refresh = {.sale = SALE, .epoch = world.epoch, .lot_count = LOTS};
	struct stock_find find = {.sale = SALE, .id = a_known_id(), .buyer = any(2) ? SLICE("") : a_buyer()};
	struct stock_orders orders = {.sale = SALE, .buyer = a_buyer()};

	switch (any(3)) {
	case 0:
		world.stock->ops->refresh(world.stock, &refresh, 1);
		break;
	case 1:
		world.stock->ops->find(world.stock, &find, 1);
		break;
	default:
		world.stock->ops->orders(world.stock, &orders);
	}
}

static void pass_time(void)
{
	world.now_ms += (int64_t)any(any(10) ? 1000 : 60000);
	stock_redis_set_clock(world.stock, world.now_ms);
}

static void keep_house(void)
{
	static struct stock_claim claims[8];
	struct event out[8];
	int64_t next_ns, now_ns = world.now_ms * MS;

	if (any(2))
		world.stock->ops->expire(world.stock, now_ns, world.now_ms, (int64_t)any(3) * 1000 * MS, out, 8, &next_ns);
	else
		world.stock->ops->claim(world.stock, now_ns - (int64_t)any(5000) * MS, now_ns, claims, 1 + any(8));
}

static void operate(void)
{
	struct stock_withdrawal withdrawal = {.sale = SALE,
					      .lot = (uint32_t)any(LOTS),
					      .units = (uint32_t)any(4),
					      .exact = any(2),
					      .movement = any(3) ? a_new_id() : a_known_id(),
					      .now_ns = world.now_ms * MS,
					      .now_ms = world.now_ms,
					      .actor_kind = ACTOR_OPERATOR,
					      .actor = SLICE("olga")};
	struct stock_brake_change brake = {
		.stopped = any(4) == 0, .at_ms = world.now_ms, .request = any(3) ? a_new_id() : a_known_id(), .actor = "olga"};

	switch (any(3)) {
	case 0:
		(void)!world.stock->ops->allocate(world.stock, SALE, (uint32_t)any(LOTS), (int64_t)any(60));
		break;
	case 1:
		if (world.stock->ops->withdraw(world.stock, &withdrawal) == STOCK_DONE)
			keep_event(&withdrawal.event);
		break;
	default:
		(void)!world.stock->ops->brake(world.stock, SALE, &brake);
	}
}

static void load_orders(void)
{
	struct stock_load orders[3] = {0};

	for (int i = 0; i < 3; i++) {
		orders[i] = (struct stock_load){.id = any(3) ? a_new_id() : a_known_id(),
						.lot = (uint32_t)any(LOTS),
						.quantity = 1,
						.first_quantity = 1,
						.state = (enum order_state)(ORDER_HELD + any(4)),
						.buyer = a_buyer(),
						.key = any(2) ? SLICE("k1") : SLICE(""),
						.hold_left_ns = 60000 * MS};
		orders[i].hold_expires_at_ms = orders[i].first_hold_expires_at_ms = world.now_ms + 60000;
	}
	(void)!world.stock->ops->preheat_load(world.stock, SALE, orders, 3, world.now_ms * MS);
}

static void begin_sale(void)
{
	const struct stock_rules rules = {.sale = SALE,
					  .epoch = ++world.epoch,
					  .limit_per_buyer = (uint32_t)(2 + any(4)),
					  .rate_requests = (uint32_t)any(4),
					  .rate_seconds = (uint32_t)(1 + any(20)),
					  .lot_count = LOTS};
	const int64_t allocated[LOTS] = {12, 12, 5}, withdrawn[LOTS] = {0, 1, 0};

	world.count = 0;
	if (any(8) == 0)
		world.stock->ops->drop(world.stock, SALE, world.epoch);
	(void)!world.stock->ops->preheat_begin(world.stock, &rules);
	if (any(2))
		load_orders();
	(void)!world.stock->ops->arm(world.stock, SALE, allocated, withdrawn);
}

static void call_adapter(void)
{
	switch (any(14)) {
	case 0:
	case 1:
	case 2:
	case 3:
		reserve();
		break;
	case 4:
	case 5:
		settle();
		break;
	case 6:
	case 7:
	case 8:
		end_events();
		break;
	case 9:
	case 10:
		look();
		break;
	case 11:
		pass_time();
		break;
	case 12:
		keep_house();
		break;
	default:
		if (any(10))
			operate();
		else
			begin_sale();
	}
}

/* --- The same again, not quite --- */

/* begin() makes as much as it is told, and a test's clock is no number's business. */
static bool is_varied(const char *name, size_t size)
{
	return !memmem(name, size, "begin", 5) && !memmem(name, size, "test_", 5);
}

static void vary(void)
{
	const char *arguments[ARGUMENTS];
	size_t sizes[ARGUMENTS];
	int count = tee_last_call(&world.tee, arguments, sizes, ARGUMENTS), which;
	char changed[4096];

	if (count == 0 || !is_varied(arguments[1], sizes[1]))
		return;
	which = 4 + (int)any((uint64_t)(count - 3)) - (any(4) == 0);
	which = which < count ? which : count - 1;
	if (sizes[which] + 8 > sizeof(changed) || which < 3)
		return;
	memcpy(changed, arguments[which], sizes[which]);
	arguments[which] = changed;
	if (any(3) == 0)
		sizes[which] = any(sizes[which] + 1);
	else if (sizes[which] > 0 && which > 4)
		changed[any(sizes[which])] = (char)any(256);
	else if (any(2))
		changed[sizes[which]++] = 'x';
	else if (count > 5)
		count--;
	freeReplyObject(tee_ask(&world.tee, &world.raw, true, count, arguments, sizes));
}

/* --- Commands as they are --- */

static const char *a_word(char *text, size_t size)
{
	static const char *const words[] = {"a",   "b",    "c",    "",   "1",          "2",       "-1",    "7",   "10",
					    "x y", "-inf", "+inf", "(1", "WITHSCORES", "BYSCORE", "LIMIT", "1.5", "0"};

	snprintf(text, size, "%s", words[any(sizeof(words) / sizeof(words[0]))]);
	return text;
}

static void command(void)
{
	static const char *const names[] = {"get",    "set",  "getrange", "setrange", "strlen",  "append",  "hget",  "hmget",
					    "hset",   "hdel", "hlen",     "zadd",     "zrem",    "zrange",  "zcard", "unlink",
					    "exists", "type", "zrange",   "zadd",     "nothing", "pexpire", "wait"};
	const char *name = names[any(sizeof(names) / sizeof(names[0]))], *arguments[12];
	char texts[12][24];
	size_t sizes[12];
	int count = 1 + (int)any(7);

	arguments[0] = name;
	snprintf(texts[1], sizeof(texts[1]), "{ps:9}:%c", (char)('a' + any(5)));
	arguments[1] = texts[1];
	for (int i = 2; i < count; i++)
		arguments[i] = a_word(texts[i], sizeof(texts[i]));
	if (strcmp(name, "pexpire") == 0 && count > 3)
		count = 3; /* its options are not there */
	if (strcmp(name, "pexpire") == 0 && count > 2)
		arguments[2] = any(3) ? "1000000" : "-1"; /* nothing runs out in the middle */
	if (strcmp(name, "wait") == 0 && count > 2 && strcmp(arguments[2], "0") == 0)
		arguments[2] = "1"; /* no replica will ever come */
	for (int i = 0; i < count; i++)
		sizes[i] = strlen(arguments[i]);
	freeReplyObject(tee_ask(&world.tee, &world.raw, true, count, arguments, sizes));
}

/* --- What is there at the end --- */

static redisReply *ask(bool compared, const char *a, const char *b, size_t size, const char *c, const char *d, const char *e)
{
	const char *arguments[] = {a, b, c, d, e};
	const size_t sizes[] = {strlen(a), size, c ? strlen(c) : 0, d ? strlen(d) : 0, e ? strlen(e) : 0};

	return tee_ask(&world.tee, &world.raw, compared, c ? 5 : b ? 2 : 1, arguments, sizes);
}

static void compare_field(const char *key, const redisReply *hash, size_t i)
{
	const char *arguments[] = {"HGET", key, hash->element[i]->str};
	const size_t sizes[] = {4, strlen(key), hash->element[i]->len};

	freeReplyObject(tee_ask(&world.tee, &world.raw, true, 3, arguments, sizes));
}

static void compare_key(const redisReply *key)
{
	redisReply *type = ask(true, "TYPE", key->str, key->len, NULL, NULL, NULL), *there;

	if (strcmp(type->str, "string") == 0) {
		freeReplyObject(ask(true, "GET", key->str, key->len, NULL, NULL, NULL));
	} else if (strcmp(type->str, "zset") == 0) {
		freeReplyObject(ask(true, "ZRANGE", key->str, key->len, "0", "-1", "WITHSCORES"));
	} else {
		freeReplyObject(ask(true, "HLEN", key->str, key->len, NULL, NULL, NULL));
		there = ask(false, "HGETALL", key->str, key->len, NULL, NULL, NULL);
		for (size_t i = 0; i < there->elements; i += 2)
			compare_field(key->str, there, i);
		freeReplyObject(there);
	}
	freeReplyObject(type);
}

static void compare_keys(void)
{
	redisReply *keys = ask(false, "KEYS", "*", 1, NULL, NULL, NULL), *ours = redis_sim_ask(world.tee.sim, "KEYS *");

	assert_int_equal(keys->elements, ours->elements);
	for (size_t i = 0; i < keys->elements; i++)
		compare_key(keys->element[i]);
	freeReplyObject(keys);
	freeReplyObject(ours);
}

static void run_world(struct redis_place *place)
{
	const struct stock_redis_settings settings = {
		.url = place->url, .outbox_max = 24, .call_timeout_ns = 60000 * MS, .transport = &world.tee.transport};
	const char *flush[] = {"FUNCTION", "FLUSH"};
	const size_t sizes[] = {8, 5};

	freeReplyObject(ask(true, "FLUSHALL", NULL, 0, NULL, NULL, NULL));
	freeReplyObject(tee_ask(&world.tee, &world.raw, true, 2, flush, sizes));
	assert_int_equal(stock_redis_open(&world.stock, &settings), 0);
	stock_redis_set_clock(world.stock, world.now_ms);
	world.epoch = 0;
	begin_sale();
	for (uint64_t end = world.tee.replies + WORLD; world.tee.replies < end;) {
		call_adapter();
		if (any(3) == 0)
			vary();
		if (any(3) == 0)
			command();
	}
	compare_keys();
	world.stock->ops->free(world.stock);
}

/* That the calls were about something. */
static void check_outcomes(void)
{
	static const enum stock_outcome reserves[] = {STOCK_DONE,        STOCK_REPLAY,       STOCK_NO_REPLAY,   STOCK_SOLD_OUT,
						      STOCK_BUYER_LIMIT, STOCK_RATE_LIMITED, STOCK_KEY_CONFLICT},
					settles[] = {STOCK_DONE, STOCK_NO_ORDER, STOCK_REFUSED, STOCK_ALREADY, STOCK_BUSY};

	for (size_t i = 0; i < sizeof(reserves) / sizeof(reserves[0]); i++)
		assert_true(world.reserved[reserves[i]] > 0);
	for (size_t i = 0; i < sizeof(settles) / sizeof(settles[0]); i++)
		assert_true(world.settled[settles[i]] > 0);
}

static struct redis_place *place;
static struct redis_sim *sim;

static int begin(void **state)
{
	static struct node kernel; /* keys end by the clock that the real one has */
	const struct redis_timeouts timeouts = {1000 * MS, 60000 * MS};
	struct redis_address address = {.host = "127.0.0.1"};

	(void)state;
	place = redis_place_new(NULL);
	sim = redis_sim_new(&kernel);
	address.port = place->port;
	tee_init(&world.tee, sim);
	world.raw.transport = &world.tee.transport;
	return world.tee.transport.open(&world.raw, &address, &timeouts);
}

static int end(void **state)
{
	(void)state;
	world.tee.transport.close(&world.raw);
	tee_deinit(&world.tee);
	redis_sim_free(sim);
	redis_place_free(place);
	return 0;
}

static void test_a_redis_in_the_process_answers_as_a_real_one(void **state)
{
	static const struct clock_source source = {wall_us, mono_ns};
	uint64_t calls = tee_calls(CALLS);

	(void)state;
	world.now_ms = INT64_C(1800000000000);
	clock_set_source(&source);
	while (world.tee.replies < calls)
		run_world(place);
	if (calls >= CALLS)
		check_outcomes();
	clock_set_source(NULL);
}

static void same(int count, const char *const *arguments)
{
	const char *copy[8];
	size_t sizes[8];

	for (int i = 0; i < count; i++) {
		copy[i] = arguments[i];
		sizes[i] = strlen(arguments[i]);
	}
	freeReplyObject(tee_ask(&world.tee, &world.raw, true, count, copy, sizes));
}
#define SAME(...) same(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static const char library[] = "#!lua name=own\n"
			      "redis.register_function('writes', function(keys) return redis.call('SET', keys[1], '1') end)\n"
			      "redis.register_function{function_name='reads', flags={'no-writes'},\n"
			      "  callback=function(keys) return redis.call('GET', keys[1]) end}\n";

static void try_all(void)
{
	SAME("SET", "{ps:9}:a", "1");
	SAME("GET", "{ps:9}:a");
	SAME("UNLINK", "{ps:9}:a");
	SAME("FCALL", "writes", "1", "{ps:9}:a");
	SAME("FCALL", "reads", "1", "{ps:9}:a");
	SAME("FUNCTION", "LOAD", "REPLACE", library);
	SAME("FUNCTION", "DELETE", "other");
	SAME("WAIT", "1", "1");
	SAME("WAIT", "0", "1");
	SAME("WAIT", "a", "1");
	SAME("WAIT", "1", "a");
	SAME("WAIT", "1", "-1");
}

/* A library that looks at a global while it is loaded. */
static void load_looking(char *text, size_t size, const char *global)
{
	snprintf(text, size, "#!lua name=seen\nlocal seen = %s\nredis.register_function('seen', function() return 1 end)\n", global);
	SAME("FUNCTION", "LOAD", "REPLACE", text);
}

/* `redis` and nothing else; the functions that it registers see what they need. */
static void test_a_library_sees_the_same_globals_while_it_is_loaded(void **state)
{
	/* The rest is not in the process: no function of the program's needs it. */
	static const char *const callable[] = {"redis",    "string",   "table", "math",  "struct", "pcall",  "error", "type",
					       "tostring", "tonumber", "next",  "pairs", "ipairs", "unpack", "select"};
	static const char *const others[] = {"_G",     "xpcall",  "cjson",   "cmsgpack", "bit",          "os",
					     "rawget", "rawset",  "assert",  "rawequal", "setmetatable", "coroutine",
					     "KEYS",   "require", "getfenv", "_VERSION", "getmetatable", "nothing"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(callable) / sizeof(callable[0]); i++) {
		load_looking(text, sizeof(text), callable[i]);
		snprintf(text, sizeof(text), "#!lua name=seen\nredis.register_function('seen', function() return %s and 1 end)\n",
			 callable[i]);
		SAME("FUNCTION", "LOAD", "REPLACE", text);
		SAME("FCALL", "seen", "0");
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		load_looking(text, sizeof(text), others[i]);
}

/* What it takes to be refused: a master that misses its replicas, and a replica. */
static void test_who_may_not_write_is_refused_in_the_same_words(void **state)
{
	(void)state;
	SAME("FUNCTION", "LOAD", library);
	try_all();
	SAME("CONFIG", "SET", "min-replicas-to-write", "1");
	try_all();
	SAME("CONFIG", "SET", "min-replicas-max-lag", "0"); /* that is: however long they are silent */
	try_all();
	SAME("CONFIG", "SET", "min-replicas-max-lag", "10");
	redis_place_run(place, "REPLICAOF 127.0.0.1 1");
	redis_sim_set_replica(sim, true);
	try_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_redis_in_the_process_answers_as_a_real_one, begin, end),
		cmocka_unit_test_setup_teardown(test_a_library_sees_the_same_globals_while_it_is_loaded, begin, end),
		cmocka_unit_test_setup_teardown(test_who_may_not_write_is_refused_in_the_same_words, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

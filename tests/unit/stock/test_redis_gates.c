/* Several gates on one Redis: what one does the others learn, and nothing is done twice. */
#include "unit/stock/redis_gate.h"

#include "base/clock.h"
#include "base/thread.h"

enum { GATES = 2, THREADS = 2, BUYERS = 150, UNITS = 400 };

static struct redis_place *place;
static struct gate gates[GATES];

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new(NULL);
	for (int i = 0; i < GATES; i++)
		gate_open_patient(&gates[i], place->url);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < GATES; i++)
		gate_close(&gates[i]);
	clock_set_source(NULL);
	redis_place_free(place);
	return 0;
}

static void sell(int64_t units)
{
	assert_int_equal(gate_sell(&gates[0], 1, units), 0);
	gates[1].epoch = 1;
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
}

static int64_t now_ms = 1000000;

static int64_t test_wall_us(const struct clock_source *source)
{
	(void)source;
	return now_ms * 1000;
}

static int64_t test_mono_ns(const struct clock_source *source)
{
	(void)source;
	return now_ms * MS;
}

/* One clock for all: Redis, and both gates. It stands, but for pass(). */
static void stand_still(void)
{
	static const struct clock_source source = {test_wall_us, test_mono_ns};

	clock_set_source(&source);
	stock_redis_set_clock(gates[0].stock, now_ms);
}

static void pass(int64_t ms)
{
	now_ms += ms;
	stock_redis_set_clock(gates[0].stock, now_ms);
}

static void test_each_hold_expires_once(void **state)
{
	enum { HOLDS = 30 };
	struct event out[GATES][HOLDS];
	size_t counts[GATES];
	char buyer[16];
	int64_t next;

	(void)state;
	stand_still();
	sell(HOLDS);
	for (int i = 0; i < HOLDS; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		gate_order(&gates[i % GATES], buyer, "");
	}
	for (int i = 0; i < GATES; i++)
		gate_refresh(&gates[i]);
	pass(GATE_HOLD_MS);
	counts[0] = gates[0].stock->ops->expire(gates[0].stock, 0, 1, 0, out[0], 20, &next);
	assert_true(next <= 0); /* there are more */
	counts[1] = gates[1].stock->ops->expire(gates[1].stock, 0, 1, 0, out[1], HOLDS, &next);
	assert_int_equal(counts[0], 20);
	assert_int_equal(counts[1], 10);
	for (size_t i = 0; i < counts[0]; i++)
		for (size_t j = 0; j < counts[1]; j++)
			assert_false(uuid_equal(&out[0][i].id, &out[1][j].id));
	assert_int_equal(gates[0].stock->ops->expire(gates[0].stock, 0, 1, 0, out[0], HOLDS, &next), 0);
	assert_true(next == INT64_MAX);
	for (int i = 0; i < GATES; i++) /* each is acknowledged by both: the second changes nothing */
		for (size_t j = 0; j < counts[1]; j++)
			gate_acknowledge(&gates[i], &out[1][j]);
	assert_int_equal(gate_lot(&gates[0]).available, 10);
}

/* One hold in a sale behind GATE_SALE. */
static void order_elsewhere(struct gate *gate)
{
	struct stock_rules rules = gate->rules;
	struct stock_reserve item = gate_ask(gate, "zoe", "");
	int64_t units = 1, withdrawn = 0;

	rules.sale = item.event.sale = GATE_SALE + 1;
	rules.epoch = 1;
	item.event.id = uuid_make(&gate->ids, clock_wall_ms(), rules.sale);
	assert_int_equal(gate->stock->ops->preheat_begin(gate->stock, &rules), 0);
	assert_int_equal(gate->stock->ops->arm(gate->stock, rules.sale, &units, &withdrawn), 0);
	gate->stock->ops->reserve(gate->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	gate_acknowledge(gate, &item.event);
}

/*
 * The sale with the lowest number was asked first each time, and for as long as it had holds that
 * had run out nobody else was.
 */
static void test_a_storm_of_one_sale_keeps_no_holds_of_another(void **state)
{
	enum { HOLDS = 8, SLICE_MAX = 2 };
	struct event out[SLICE_MAX];
	char buyer[16];
	int64_t next;

	(void)state;
	stand_still();
	sell(HOLDS);
	for (int i = 0; i < HOLDS; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		gate_order(&gates[0], buyer, "");
	}
	order_elsewhere(&gates[0]);
	pass(GATE_HOLD_MS);
	assert_int_equal(gates[0].stock->ops->expire(gates[0].stock, 0, 1, 0, out, SLICE_MAX, &next), SLICE_MAX);
	assert_int_equal(out[0].sale, GATE_SALE);
	assert_int_equal(gates[0].stock->ops->expire(gates[0].stock, 0, 1, 0, out, SLICE_MAX, &next), SLICE_MAX);
	assert_int_equal(out[0].sale, GATE_SALE + 1);
	assert_int_equal(out[1].sale, GATE_SALE);
	assert_true(next <= 0); /* there are more */
}

static void test_the_entries_of_a_dead_gate_go_to_another_and_are_not_compensated(void **state)
{
	struct stock_claim *claims = calloc(8, sizeof(*claims));
	struct stock_reserve item;

	(void)state;
	assert_non_null(claims);
	stand_still();
	sell(5);
	item = gate_buy(&gates[0], "ann", "k"); /* and then nothing is heard of it */
	gate_refresh(&gates[1]);
	pass(3000);
	gate_refresh(&gates[1]);
	assert_int_equal(gates[1].stock->ops->claim(gates[1].stock, gate_now_ns() - 5000 * MS, gate_now_ns(), claims, 8), 0);
	assert_int_equal(gates[1].stock->ops->claim(gates[1].stock, gate_now_ns() - 2000 * MS, gate_now_ns(), claims, 8), 1);
	assert_true(uuid_equal(&claims[0].event.id, &item.event.id));
	assert_true(slice_equal(claims[0].event.buyer, SLICE("ann")));
	assert_true(slice_equal(claims[0].event.key, SLICE("k")));
	assert_true(claims[0].event.hold_expires_at_ms == item.event.hold_expires_at_ms);
	gate_refresh(&gates[0]);
	assert_int_equal(gates[0].stock->ops->claim(gates[0].stock, gate_now_ns() - 2000 * MS, gate_now_ns(), claims, 8), 0);
	gate_compensate(&gates[0], &item.event); /* it was not dead, only slow, and is refused now: too late */
	assert_int_equal(gate_lot(&gates[0]).available, 4);
	gate_acknowledge(&gates[1], &claims[0].event);
	item = gate_buy(&gates[0], "ann", "k");
	assert_int_equal(item.outcome, STOCK_REPLAY);
	assert_true(item.order.durable);
	free(claims);
}

static void stop(struct gate *gate)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change change = {.stopped = true, .actor = "anna", .request = uuid_make(&ids, 0, GATE_SALE)};

	assert_int_equal(gate->stock->ops->brake(gate->stock, GATE_SALE, &change), 0);
}

/*
 * A stop and what was set aside had one key, so that the first such entry beside a stop broke every
 * claim.
 */
static void test_an_unreadable_entry_is_set_aside_beside_a_stop(void **state)
{
	struct stock_claim *claims = calloc(8, sizeof(*claims));
	struct stock_reserve broken, whole;
	struct stock_totals totals;

	(void)state;
	assert_non_null(claims);
	stand_still();
	sell(5);
	broken = gate_buy(&gates[0], "ann", "");
	whole = gate_buy(&gates[0], "bob", "");
	redis_place_run(place, "HSET {ps:%d}:o %b x", GATE_SALE, broken.event.id.bytes, (size_t)16);
	stop(&gates[0]);
	gate_refresh(&gates[1]);
	pass(3000);
	gate_refresh(&gates[1]);
	assert_int_equal(gates[1].stock->ops->claim(gates[1].stock, gate_now_ns() - 2000 * MS, gate_now_ns(), claims, 8), 1);
	assert_true(uuid_equal(&claims[0].event.id, &whole.event.id));
	gates[1].stock->ops->totals(gates[1].stock, &totals);
	assert_int_equal(totals.unreadable, 1);
	assert_int_equal(gate_buy(&gates[1], "cid", "").outcome, STOCK_PAUSED);
	free(claims);
}

static int64_t number_of(const char *command)
{
	redisReply *reply = redis_place_ask(place, command);
	int64_t number = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	return number;
}

static void test_of_a_batch_that_has_ended_nothing_is_left(void **state)
{
	struct stock_reserve items[3];
	const struct event *events[] = {&items[0].event, &items[1].event, &items[2].event};

	(void)state;
	sell(5);
	for (int i = 0; i < 3; i++)
		items[i] = gate_ask(&gates[0], i == 0 ? "ann" : i == 1 ? "bob" : "cid", "k");
	gates[0].stock->ops->reserve(gates[0].stock, items, 3);
	assert_int_equal(number_of("HLEN {ps:7}:y"), 1);
	assert_int_equal(number_of("HLEN {ps:7}:s"), 3); /* it, which was the newest, and how many are pending */
	assert_int_equal(number_of("ZCARD {ps:7}:g"), 1);
	stock_acknowledge(gates[0].stock, events, 2);
	assert_int_equal(number_of("ZCARD {ps:7}:g"), 1);
	stock_acknowledge(gates[0].stock, events + 2, 1);
	assert_int_equal(number_of("HLEN {ps:7}:y"), 0);
	assert_int_equal(number_of("HLEN {ps:7}:s"), 2);
	assert_int_equal(number_of("ZCARD {ps:7}:g"), 0);
}

static void test_an_unreadable_grant_is_set_aside_and_those_of_its_batch_are_not(void **state)
{
	struct stock_claim *claims = calloc(8, sizeof(*claims));
	struct stock_find broken = {.sale = GATE_SALE};
	struct stock_reserve items[3];

	(void)state;
	assert_non_null(claims);
	stand_still();
	sell(5);
	for (int i = 0; i < 3; i++)
		items[i] = gate_ask(&gates[0], i == 0 ? "ann" : i == 1 ? "bob" : "cid", "");
	gates[0].stock->ops->reserve(gates[0].stock, items, 3);
	broken.id = items[1].event.id;
	redis_place_run(place, "EVAL %s 1 {ps:%d}:o %b",
			"redis.call('HSET', KEYS[1], 'kept', redis.call('HGET', KEYS[1], ARGV[1])) redis.call('HSET', KEYS[1], ARGV[1], 'x') return 1",
			GATE_SALE, broken.id.bytes, (size_t)16);
	gate_refresh(&gates[1]);
	pass(3000);
	gate_refresh(&gates[1]);
	assert_int_equal(gates[1].stock->ops->claim(gates[1].stock, gate_now_ns() - 2000 * MS, gate_now_ns(), claims, 8), 2);
	assert_true(uuid_equal(&claims[0].event.id, &items[0].event.id));
	assert_true(uuid_equal(&claims[1].event.id, &items[2].event.id));
	for (int i = 0; i < 2; i++)
		gate_acknowledge(&gates[1], &claims[i].event);
	redis_place_run(place, "EVAL %s 1 {ps:%d}:o %b",
			"redis.call('HSET', KEYS[1], ARGV[1], redis.call('HGET', KEYS[1], 'kept')) return 1", GATE_SALE,
			broken.id.bytes, (size_t)16);
	gates[1].stock->ops->find(gates[1].stock, &broken, 1);
	assert_int_equal(broken.outcome, STOCK_DONE);
	assert_false(broken.order.durable); /* nobody has said so */
	free(claims);
}

static void test_a_stop_holds_at_every_gate_at_its_next_call(void **state)
{
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	assert_false(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_PAUSED);
	gate_refresh(&gates[1]);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_true(brake.stopped);
	assert_int_equal(brake.count, 1);
	assert_string_equal(brake.changes[0].actor, "anna");
}

/* Who disarms a sale has begun it anew, and no refresh tells of a sale that is not armed. */
static void test_a_stop_of_a_sale_that_is_not_armed_is_heard_by_who_asks_for_it(void **state)
{
	struct gate *gate = &gates[0];
	struct stock_brake brake;

	(void)state;
	sell(5);
	gate->rules.epoch = gate->epoch = 2;
	assert_int_equal(gate->stock->ops->preheat_begin(gate->stock, &gate->rules), 0);
	gate->stock->ops->brake_hear(gate->stock, GATE_SALE);
	assert_false(gate->stock->ops->brake_of(gate->stock, GATE_SALE, &brake)); /* there is none */
	stop(&gates[1]);
	assert_int_not_equal(gate_refresh(gate), STOCK_DONE);
	assert_false(gate->stock->ops->brake_of(gate->stock, GATE_SALE, &brake));
	gate->stock->ops->brake_hear(gate->stock, GATE_SALE);
	assert_true(gate->stock->ops->brake_of(gate->stock, GATE_SALE, &brake));
	assert_true(stock_brake_pending(&brake)); /* to hear of it writes nothing down */
	assert_string_equal(brake.changes[0].actor, "anna");
}

static void test_a_stop_that_redis_has_forgotten_is_put_back_before_the_sale_is_armed(void **state)
{
	(void)state;
	sell(5);
	stop(&gates[0]);
	gate_refresh(&gates[1]);
	redis_place_run(place, "FLUSHALL");
	gates[1].epoch = 1;
	assert_int_equal(gate_sell(&gates[1], 2, 5), 0);
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_PAUSED);
}

static void test_a_stop_that_the_one_who_armed_never_heard_of_is_put_back_by_who_did(void **state)
{
	(void)state;
	sell(5);
	stop(&gates[0]);
	redis_place_run(place, "FLUSHALL");
	assert_int_equal(gate_sell(&gates[1], 2, 5), 0);
	gates[0].epoch = 2;
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_PAUSED);
}

/*
 * Found by a simulated world: Redis came back from a copy in which a release was still to be
 * written; the ledger had it, and a pause behind it. A gate that had not heard of the writing took
 * the release for newer than the row, and sold.
 */
static void test_that_the_ledger_was_told_is_put_back_by_who_knows_it(void **state)
{
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	gate_refresh(&gates[1]);
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 1);
	redis_place_run(place, "HSET {ps:%d}:z written 0", GATE_SALE); /* as the copy has it */
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_true(stock_brake_pending(&brake));
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_false(stock_brake_pending(&brake));
}

static void test_another_change_of_the_same_number_is_not_written_for_that(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change another = {.stopped = true, .actor = "olga", .request = uuid_make(&ids, 7, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 1);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &another), 0);
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	gates[1].epoch = 1;
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_true(stock_brake_pending(&brake));
}

/*
 * Found by the world 31024757 of a cluster: a gate that could not reach Redis stopped the sale, and
 * told the ledger; another let it go on. The release counted as written, and the sale stayed
 * stopped.
 */
static void test_what_was_stopped_without_redis_is_not_taken_for_the_release_behind_it(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change release = {.stopped = false, .actor = "olga", .request = uuid_make(&ids, 7, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE); /* it has never heard of the stop */
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &release), 0);
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 1);
	gates[1].epoch = 1;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(gate_refresh(&gates[i]), STOCK_DONE);
		assert_true(gates[i].stock->ops->brake_of(gates[i].stock, GATE_SALE, &brake));
		assert_false(brake.stopped);
		assert_true(stock_brake_pending(&brake));
		assert_string_equal(brake.changes[0].actor, "olga");
	}
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 1);
	gate_refresh(&gates[1]);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_false(stock_brake_pending(&brake));
}

/*
 * Found by the world 31024757 of a cluster, too: the one gate that knew whose stop it was forgot it
 * when it took the history of Redis, and a late retry stopped the sale again.
 */
static void test_whose_stop_it_was_is_remembered_where_the_history_of_redis_lacks_it(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change release = {.stopped = false, .actor = "olga", .request = uuid_make(&ids, 7, GATE_SALE)};
	struct stock_brake_change made;
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	assert_true(gates[0].stock->ops->brake_of(gates[0].stock, GATE_SALE, &brake));
	made = brake.changes[0];
	assert_false(stock_brake_has_lost(&brake, &made.request));
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 1);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE); /* it has never heard of the stop */
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &release), 0);
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	assert_true(gates[0].stock->ops->brake_of(gates[0].stock, GATE_SALE, &brake));
	assert_int_equal(brake.count, 1);
	assert_string_equal(brake.changes[0].actor, "olga");
	assert_true(stock_brake_has_lost(&brake, &made.request));
	assert_false(stock_brake_has_lost(&brake, &release.request));
}

/*
 * What one gate did is known at another for its request, also where Redis has forgotten it in
 * between.
 */
static void test_a_request_that_was_done_at_another_gate_is_not_done_again_by_a_redis_that_forgets(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change pause = {.stopped = true, .actor = "anna", .request = uuid_make(&ids, 1, GATE_SALE)};
	const struct stock_brake_change resume = {.stopped = false, .actor = "olga", .request = uuid_make(&ids, 2, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), 0);
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &resume), 0);
	redis_place_run(place, "FLUSHALL");
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &pause), STOCK_REPLAY);
	assert_int_equal(gate_sell(&gates[0], 2, 5), 0);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), STOCK_REPLAY);
	assert_true(gates[0].stock->ops->brake_of(gates[0].stock, GATE_SALE, &brake));
	assert_false(brake.stopped);
	assert_int_equal(brake.count, 2);
	assert_string_equal(brake.changes[0].actor, "anna");
	assert_string_equal(brake.changes[1].actor, "olga");
}

/* Both gates know of a stop and its release, and the ledger was told. */
static void stop_and_let_go_on(struct uuid_generator *ids)
{
	const struct stock_brake_change release = {.stopped = false, .actor = "olga", .request = uuid_make(ids, 7, GATE_SALE)};

	stop(&gates[0]);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &release), 0);
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 2);
}

/*
 * Found by the world 81000475 of a cluster: Redis had forgotten a stop and its release, and a gate
 * that knew of neither stopped the sale. One that did put both back over the new stop, and the sale
 * sold.
 */
static void test_a_stop_is_kept_by_who_puts_back_what_redis_has_forgotten(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change pause = {.stopped = true, .actor = "eva", .request = uuid_make(&ids, 8, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop_and_let_go_on(&ids);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &pause), 0);
	for (int i = 0; i < 3; i++) /* it hears of it, puts its own back, and does it once */
		assert_int_equal(gate_refresh(&gates[i % 2]), STOCK_DONE);
	for (size_t i = 0; i < 2; i++) {
		assert_true(gates[i].stock->ops->brake_of(gates[i].stock, GATE_SALE, &brake));
		assert_true(brake.stopped);
		assert_true(stock_brake_pending(&brake));
		assert_int_equal(brake.count, 3);
		assert_int_equal(brake.changes[2].serial, 3);
		assert_string_equal(brake.changes[2].actor, "eva");
		assert_int_equal(gate_buy(&gates[i], "ann", "").outcome, STOCK_PAUSED);
	}
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), STOCK_REPLAY);
}

/*
 * Found by the world 105001935 of a cluster: Redis had forgotten a stop and its release, and a gate
 * that knew of neither was sent the stop again, and told it as done. One that knew both took it for
 * the old one, and the sale sold.
 */
static void test_a_stop_that_was_told_again_is_kept_by_who_knew_of_its_release(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change release = {.stopped = false, .actor = "olga", .request = uuid_make(&ids, 7, GATE_SALE)};
	struct stock_brake_change pause = {.stopped = true, .actor = "eva", .at_ms = 1000, .request = uuid_make(&ids, 8, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), 0);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &release), 0);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	pause.at_ms = 2000;
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &pause), 0);
	for (int i = 0; i < 6; i++) /* each puts its own back, and it is done once */
		assert_int_equal(gate_refresh(&gates[i % 2]), STOCK_DONE);
	for (size_t i = 0; i < 2; i++) {
		assert_true(gates[i].stock->ops->brake_of(gates[i].stock, GATE_SALE, &brake));
		assert_true(brake.stopped);
		assert_int_equal(brake.count, 3);
		assert_false(uuid_equal(&brake.changes[2].request, &pause.request)); /* the ledger writes it down as another */
		assert_int_equal(gate_buy(&gates[i], "ann", "").outcome, STOCK_PAUSED);
		assert_int_equal(gates[i].stock->ops->brake(gates[i].stock, GATE_SALE, &pause), STOCK_REPLAY);
	}
	/* The old one, which Redis has from a copy, is no other. */
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &release), STOCK_REPLAY);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_int_equal(brake.count, 3);
}

/* A Redis that was away is asked again after a moment, which may not be over. */
static bool lets_go_on(void *context)
{
	int outcome = gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, context);

	return outcome == STOCK_DONE || outcome == STOCK_REPLAY;
}

static bool puts_back_what_it_knows(void *context)
{
	(void)context;
	return gate_sell(&gates[0], 2, 5) == 0;
}

/*
 * Redis is away, and the sale is stopped twice at the first gate; it comes back, and the second one
 * lets the sale go on before the first has been there. Whether the sale is stopped then.
 */
static bool stays_stopped(bool by_ledger)
{
	struct uuid_generator ids = {0};
	struct stock_brake_change release = {.stopped = false, .actor = "eva", .request = uuid_make(&ids, 8, GATE_SALE), .stops = 2};
	struct stock_brake brake;

	sell(5);
	redis_place_kill(place);
	for (int i = 0; i < 2; i++) {
		const struct stock_brake_change pause = {.stopped = true, .actor = "anna", .request = uuid_make(&ids, i, GATE_SALE)};

		assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), STOCK_UNAVAILABLE);
	}
	if (by_ledger)
		gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 2);
	redis_place_start(place);
	redis_place_await(lets_go_on, &release);
	redis_place_await(puts_back_what_it_knows, NULL);
	gates[0].stock->ops->brake_written(gates[0].stock, GATE_SALE, 2);
	for (size_t i = 0; i < 2; i++) {
		gates[i].epoch = 2;
		assert_int_equal(gate_refresh(&gates[i]), STOCK_DONE);
	}
	assert_true(gates[0].stock->ops->brake_of(gates[0].stock, GATE_SALE, &brake));
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake) && stock_brake_pending(&brake) == by_ledger);
	return brake.stopped;
}

/*
 * Found by the world 131001725 of a cluster: two stops that the ledger alone had were put over the
 * release that answered them, and the sale was not sold any more, though it was open.
 */
static void test_stops_by_the_ledger_alone_are_not_put_over_a_release(void **state)
{
	(void)state;
	assert_false(stays_stopped(true));
}

/* Of a stop that the ledger has not got nobody could know. */
static void test_stops_that_nobody_has_heard_of_are_put_over_a_release(void **state)
{
	(void)state;
	assert_true(stays_stopped(false));
}

/* Which of the two came last nobody knows: the sale stays stopped. */
static void test_a_release_is_not_put_behind_a_stop_that_redis_has_forgotten(void **state)
{
	struct uuid_generator ids = {0};
	const struct stock_brake_change release = {.stopped = false, .actor = "eva", .request = uuid_make(&ids, 8, GATE_SALE)};
	const struct stock_brake_change pause = {.stopped = true, .actor = "anna", .request = uuid_make(&ids, 9, GATE_SALE)};
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop_and_let_go_on(&ids);
	assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &pause), 0);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	assert_int_equal(gates[1].stock->ops->brake(gates[1].stock, GATE_SALE, &release), 0);
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_true(brake.stopped);
	assert_int_equal(brake.count, 3);
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_PAUSED);
}

/* What a whole history has pushed out of itself is older than all of it, and stays out. */
static void test_a_stop_that_a_full_history_has_pushed_out_is_not_put_behind_it(void **state)
{
	struct uuid_generator ids = {0};
	struct stock_brake brake;

	(void)state;
	sell(5);
	redis_place_run(place, "DEL {ps:%d}:z", GATE_SALE);
	stop(&gates[0]);
	redis_place_run(place, "COPY {ps:%d}:z {ps:%d}:copy", GATE_SALE, GATE_SALE);
	for (uint64_t i = 1; i <= STOCK_BRAKE_CHANGES; i++) {
		const struct stock_brake_change change = {.stopped = i % 2 == 0 && i < STOCK_BRAKE_CHANGES,
							  .actor = "olga",
							  .request = uuid_make(&ids, (int64_t)i, GATE_SALE)};

		assert_int_equal(gates[0].stock->ops->brake(gates[0].stock, GATE_SALE, &change), 0);
	}
	redis_place_run(place, "RENAME {ps:%d}:copy {ps:%d}:z", GATE_SALE, GATE_SALE);
	assert_int_equal(gate_refresh(&gates[0]), STOCK_DONE);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_false(brake.stopped);
	assert_int_equal(brake.serial, STOCK_BRAKE_CHANGES + 1);
}

/* A history that Redis does not have whole is no reason to read past its end, or to believe it. */
static void test_a_history_that_cannot_be_read_is_none(void **state)
{
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	redis_place_run(place, "HSET {ps:%d}:z changes %b", GATE_SALE, "\x05\x00\x01\x00\x00\x00\x00", (size_t)7);
	gate_refresh(&gates[1]);
	assert_false(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_PAUSED);
	stop(&gates[1]); /* and none to refuse a stop */
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_int_equal(brake.serial, 2);
	assert_int_equal(brake.count, 1);
}

/*
 * A sale that was disarmed and is armed anew: what was stopped is gone, and a gate that still knows
 * of the stop must not bring it back.
 */
static void test_a_stop_that_was_dropped_is_not_put_back_by_who_knew_of_it(void **state)
{
	struct stock_brake brake;

	(void)state;
	sell(5);
	stop(&gates[0]);
	gate_refresh(&gates[1]);
	gates[0].stock->ops->drop(gates[0].stock, GATE_SALE, 1);
	assert_int_equal(gate_sell(&gates[1], 2, 5), 0);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_int_equal(gate_buy(&gates[1], "ann", "").outcome, STOCK_DONE);
	assert_true(gates[1].stock->ops->brake_of(gates[1].stock, GATE_SALE, &brake));
	assert_false(brake.stopped);
	/* A new one stays, though what was released has a time to live. */
	redis_place_run(place, "PEXPIRE {ps:%d}:z 1000000", GATE_SALE);
	stop(&gates[1]);
	redis_place_run(place, "PEXPIRE {ps:%d}:z 0 NX", GATE_SALE); /* only where it has none */
	assert_int_equal(gate_buy(&gates[1], "bob", "").outcome, STOCK_DONE);
}

static void test_who_has_bought_elsewhere_is_known_with_the_next_refresh(void **state)
{
	char buyer[16];

	(void)state;
	sell(100);
	for (int i = 0; i < 60; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		gate_order(&gates[0], buyer, "");
	}
	assert_false(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, SLICE("buyer-7")));
	gate_refresh(&gates[1]);
	for (int i = 0; i < 60; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		assert_true(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, slice_of(buyer)));
	}
	assert_false(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, SLICE("stranger")));
}

static void test_sold_out_tells_who_has_bought_before_anybody_is_turned_away(void **state)
{
	char buyer[16];

	(void)state;
	sell(60);
	for (int i = 0; i < 60; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		gate_order(&gates[0], buyer, "");
	}
	assert_int_equal(gate_buy(&gates[1], "late", "").outcome, STOCK_SOLD_OUT); /* no refresh in between */
	for (int i = 0; i < 60; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		assert_true(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, slice_of(buyer)));
	}
}

/*
 * A sale that so many have bought from, each with a name of so many bytes: by the first gate.
 * Names: the caller's.
 */
static char (*load_names(int orders, int size))[BUYER_MAX + 1]
{
	struct stock_load *loads = calloc((size_t)orders, sizeof(*loads));
	char(*names)[BUYER_MAX + 1] = calloc((size_t)orders, sizeof(*names));
	int64_t units = orders, withdrawn = 0;

	assert_non_null(loads);
	assert_non_null(names);
	for (int i = 0; i < orders; i++) {
		snprintf(names[i], sizeof(names[i]), "%0*d", size, i);
		loads[i] = (struct stock_load){.id = uuid_make(&gates[0].ids, 1, GATE_SALE),
					       .quantity = 1,
					       .first_quantity = 1,
					       .state = ORDER_CONFIRMED,
					       .buyer = slice_of(names[i])};
	}
	gates[0].rules.epoch = 1;
	assert_int_equal(gates[0].stock->ops->preheat_begin(gates[0].stock, &gates[0].rules), 0);
	assert_int_equal(gates[0].stock->ops->preheat_load(gates[0].stock, GATE_SALE, loads, (size_t)orders, 0), 0);
	assert_int_equal(gates[0].stock->ops->arm(gates[0].stock, GATE_SALE, &units, &withdrawn), 0);
	gates[1].epoch = 1;
	free(loads);
	return names;
}

static void test_names_of_more_than_a_chunk_are_read_to_their_end(void **state)
{
	enum { ORDERS = 12000, UNKNOWN = 200 };
	char(*names)[BUYER_MAX + 1] = load_names(ORDERS, 127); /* a chunk ends with a whole name, and tells nothing of the next */
	int mistaken = 0;

	(void)state;
	assert_int_equal(gate_buy(&gates[0], "late", "").outcome, STOCK_SOLD_OUT);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_true(gates[1].stock->ops->known_ns(gates[1].stock, GATE_SALE) > 0);
	for (int g = 0; g < GATES; g++)
		for (int i = 0; i < ORDERS; i++)
			assert_true(gates[g].stock->ops->may_have_order(gates[g].stock, GATE_SALE, slice_of(names[i])));
	/* A filter errs by its seed, so many are asked: it does not take everybody for a buyer. */
	for (int i = 0; i < UNKNOWN; i++) {
		char name[16];

		snprintf(name, sizeof(name), "unknown-%d", i);
		mistaken += gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, slice_of(name));
	}
	assert_in_range(mistaken, 0, UNKNOWN - 1);
	free(names);
}

/* A long string is copied as a whole when it grows, and Redis does nothing else meanwhile. */
static void test_names_lie_in_pieces_that_some_names_cross_and_a_drop_removes(void **state)
{
	enum { ORDERS = 17000, SIZE = 125, PIECE = 1 << 20 };
	char(*names)[BUYER_MAX + 1] = load_names(ORDERS, SIZE);
	redisReply *keys;

	(void)state;
	assert_int_equal(number_of("STRLEN {ps:7}:n"), PIECE);
	assert_int_equal(number_of("STRLEN {ps:7}:n1"), PIECE);
	assert_int_equal(number_of("STRLEN {ps:7}:n2"), ORDERS * (SIZE + 1) - 2 * PIECE);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	for (int i = 0; i < ORDERS; i++)
		assert_true(gates[1].stock->ops->may_have_order(gates[1].stock, GATE_SALE, slice_of(names[i])));
	gates[0].stock->ops->drop(gates[0].stock, GATE_SALE, 1);
	keys = redis_place_ask(place, "KEYS {ps:%d}*", GATE_SALE);
	assert_int_equal(keys->elements, 0);
	freeReplyObject(keys);
	free(names);
}

static void test_a_latch_is_lifted_by_what_another_gate_returns(void **state)
{
	struct stock_reserve item, refused;
	struct stock_settle settle;

	(void)state;
	sell(1);
	item = gate_order(&gates[0], "ann", "");
	refused = gate_buy(&gates[1], "bob", "");
	assert_int_equal(refused.outcome, STOCK_SOLD_OUT);
	assert_true(refused.may_return);
	assert_true(refused.version == gates[1].stock->ops->version(gates[1].stock, GATE_SALE, 0));
	settle = gate_settle(&gates[0], &item.order.id, ORDER_CANCEL);
	gate_acknowledge(&gates[0], &settle.event);
	assert_true(refused.version == gates[1].stock->ops->version(gates[1].stock, GATE_SALE, 0)); /* not heard of yet */
	gate_refresh(&gates[1]);
	assert_true(refused.version < gates[1].stock->ops->version(gates[1].stock, GATE_SALE, 0));
	assert_int_equal(gate_buy(&gates[1], "bob", "").outcome, STOCK_DONE);
}

static int64_t known(struct gate *gate)
{
	return gate->stock->ops->known_ns(gate->stock, GATE_SALE);
}

/*
 * Found: what a gate remembered had no age, so that one which slept, or was cut off, told what had
 * been true once.
 */
static void test_what_is_known_is_as_old_as_the_sending_of_the_last_refresh_that_was_answered(void **state)
{
	bool from_sending = false;
	int64_t before, after, first;

	(void)state;
	assert_true(known(&gates[1]) == 0);
	assert_int_equal(gate_sell(&gates[0], 1, 5), 0);
	gates[1].epoch = 1;
	before = gate_now_ns();
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	first = known(&gates[1]);
	assert_true(first >= before);
	assert_true(first <= gate_now_ns());
	/* A server that is slow: the answer is of the moment when it was asked, at best. */
	for (int i = 0; i < 50 && !from_sending; i++) {
		redis_place_run(place, "CLIENT PAUSE 60 ALL");
		before = gate_now_ns();
		assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
		after = gate_now_ns();
		from_sending = after - before > 40 * MS && known(&gates[1]) - before < after - known(&gates[1]);
	}
	assert_true(from_sending);
	first = known(&gates[1]);
	(void)gate_buy(&gates[1], "ann", ""); /* tells of what it touched, not of all */
	assert_true(known(&gates[1]) == first);
	redis_place_pause(place, true);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_UNAVAILABLE);
	redis_place_pause(place, false);
	assert_true(known(&gates[1]) == first);
}

/* Whatever an answer says of epochs: only the ledger gives them, by way of the catalog. */
static void test_a_grant_under_an_epoch_that_the_catalog_does_not_know_is_given_back(void **state)
{
	struct stock_reserve item;
	struct uuid order;

	(void)state;
	sell(5);
	order = gate_order(&gates[0], "ann", "").order.id;
	assert_int_equal(gate_sell(&gates[0], 2, 5), 0);
	assert_int_equal(gate_buy(&gates[1], "bob", "").outcome, STOCK_FENCED);
	assert_int_equal(gate_lot(&gates[0]).available, 5);
	item = gate_order(&gates[0], "cid", "");
	order = item.order.id;
	assert_int_equal(gate_settle(&gates[1], &order, ORDER_CONFIRM).outcome, STOCK_FENCED);
	assert_int_equal(gate_settle(&gates[0], &order, ORDER_CANCEL).outcome, STOCK_DONE);
	assert_int_equal(gate_refresh(&gates[1]), STOCK_FENCED);
	gates[1].epoch = 2;
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	assert_int_equal(gate_buy(&gates[1], "bob", "").event.epoch, 2);
}

static void test_versions_of_a_new_term_are_above_the_old(void **state)
{
	uint64_t version;

	(void)state;
	sell(1);
	version = gates[1].stock->ops->version(gates[1].stock, GATE_SALE, 0);
	assert_int_equal(gate_sell(&gates[0], 2, 1), 0);
	gates[1].epoch = 2;
	gate_refresh(&gates[1]);
	assert_true(gates[1].stock->ops->version(gates[1].stock, GATE_SALE, 0) > version);
	assert_int_equal(gate_buy(&gates[1], "bob", "").event.epoch, 2);
}

/* --- All at once --- */

static pthread_mutex_t acknowledging[GATES] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER}; /* a gate has one thread that does */

struct crowd {
	struct thread thread;
	struct gate gate; /* ids of its own */
	pthread_mutex_t *acknowledging;
	int granted, by_buyer[BUYERS];
};

static void storm(void *argument)
{
	struct crowd *crowd = argument;
	const struct event *events[16];
	bool undone[16];
	struct stock_reserve items[16];
	char buyers[16][16];
	int who[16];

	for (int round = 0; round < 60; round++) {
		size_t granted = 0;

		for (int i = 0; i < 16; i++) {
			who[i] = (round * 16 + i * 7) % BUYERS;
			snprintf(buyers[i], sizeof(buyers[i]), "b%d", who[i]);
			items[i] = gate_ask(&crowd->gate, buyers[i], "");
		}
		crowd->gate.stock->ops->reserve(crowd->gate.stock, items, 16);
		for (int i = 0; i < 16; i++) {
			if (items[i].outcome != STOCK_DONE)
				continue;
			crowd->by_buyer[who[i]]++;
			crowd->granted++;
			events[granted++] = &items[i].event;
		}
		if (round % 3 == 2) { /* the journal refuses some */
			crowd->gate.stock->ops->compensate(crowd->gate.stock, events, granted, undone);
			for (int i = 0; i < 16; i++)
				crowd->by_buyer[who[i]] -= items[i].outcome == STOCK_DONE;
			crowd->granted -= (int)granted;
		} else {
			pthread_mutex_lock(crowd->acknowledging);
			stock_acknowledge(crowd->gate.stock, events, granted);
			pthread_mutex_unlock(crowd->acknowledging);
		}
		gate_refresh(&crowd->gate);
	}
}

static void test_a_crowd_over_all_gates_gets_what_there_is_and_nobody_too_much(void **state)
{
	static struct crowd crowds[GATES * THREADS];
	int granted = 0;
	struct stock_lot_state lot;

	(void)state;
	sell(UNITS);
	for (int i = 0; i < GATES * THREADS; i++) {
		crowds[i].gate = gates[i % GATES];
		crowds[i].acknowledging = &acknowledging[i % GATES];
		crowds[i].gate.hold_ms = i % 2 ? GATE_HOLD_MS : 0;
		assert_int_equal(thread_start(&crowds[i].thread, "crowd", storm, &crowds[i]), 0);
	}
	for (int i = 0; i < GATES * THREADS; i++) {
		thread_join(&crowds[i].thread);
		granted += crowds[i].granted;
	}
	for (int b = 0; b < BUYERS; b++) {
		int units = 0;

		for (int i = 0; i < GATES * THREADS; i++)
			units += crowds[i].by_buyer[b];
		assert_true(units <= 2);
	}
	lot = gate_lot(&gates[0]);
	assert_int_equal(lot.allocated, UNITS);
	assert_int_equal(lot.held + lot.confirmed, granted);
	assert_int_equal(granted, BUYERS * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_hold_expires_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_storm_of_one_sale_keeps_no_holds_of_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_entries_of_a_dead_gate_go_to_another_and_are_not_compensated, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_an_unreadable_entry_is_set_aside_beside_a_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_of_a_batch_that_has_ended_nothing_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_unreadable_grant_is_set_aside_and_those_of_its_batch_are_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_holds_at_every_gate_at_its_next_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_of_a_sale_that_is_not_armed_is_heard_by_who_asks_for_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_that_redis_has_forgotten_is_put_back_before_the_sale_is_armed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_that_the_one_who_armed_never_heard_of_is_put_back_by_who_did, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_that_the_ledger_was_told_is_put_back_by_who_knows_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_change_of_the_same_number_is_not_written_for_that, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_stopped_without_redis_is_not_taken_for_the_release_behind_it,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whose_stop_it_was_is_remembered_where_the_history_of_redis_lacks_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_request_that_was_done_at_another_gate_is_not_done_again_by_a_redis_that_forgets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_history_that_cannot_be_read_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_is_kept_by_who_puts_back_what_redis_has_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_that_was_told_again_is_kept_by_who_knew_of_its_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_release_is_not_put_behind_a_stop_that_redis_has_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stops_by_the_ledger_alone_are_not_put_over_a_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stops_that_nobody_has_heard_of_are_put_over_a_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_that_a_full_history_has_pushed_out_is_not_put_behind_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_that_was_dropped_is_not_put_back_by_who_knew_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_has_bought_elsewhere_is_known_with_the_next_refresh, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sold_out_tells_who_has_bought_before_anybody_is_turned_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_of_more_than_a_chunk_are_read_to_their_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_lie_in_pieces_that_some_names_cross_and_a_drop_removes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_latch_is_lifted_by_what_another_gate_returns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_known_is_as_old_as_the_sending_of_the_last_refresh_that_was_answered,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_grant_under_an_epoch_that_the_catalog_does_not_know_is_given_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_versions_of_a_new_term_are_above_the_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_crowd_over_all_gates_gets_what_there_is_and_nobody_too_much, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What the judge sees of a ledger and of stocks is what they have: rows that the adapters write,
 * keys that the functions write.
 */
#include "unit/stock/redis_gate.h"

#include <string.h>
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"
#include "simulation/judge/watch_ledger.h"
#include "simulation/judge/watch_log.h"
#include "simulation/judge/watch_stock.h"
#include "simulation/redis/redis_sim.h"
#include "stock/memory/memory.h"

/* --- A ledger that is the log --- */

struct scene {
	struct sqlite_place *place;
	struct ledger *ledger;
	struct kit kit;
	sqlite3 *database;
	struct judge *judge;
	struct watch_ledger *watch;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct history_sale sale = {.number = 1,
					  .id = "drop",
					  .lot_count = 2,
					  .limit_per_buyer = KIT_LIMIT,
					  .hold_seconds = KIT_HOLD_MS / 1000,
					  .allocated = {KIT_SHIRTS, KIT_SHOES}};

	scene->place = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&scene->ledger, scene->place->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(&scene->kit, scene->ledger);
	assert_int_equal(scene->kit.sale, 1);
	assert_int_equal(sqlite3_open_v2(scene->place->path, &scene->database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	scene->judge = judge_new(&(struct judge_terms){.wall_ms = KIT_NOW_MS});
	history_sale(scene->judge, &sale);
	scene->watch = watch_ledger_new(scene->judge, true);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	watch_ledger_free(scene->watch);
	sqlite3_close(scene->database);
	judge_free(scene->judge);
	scene->ledger->ops->free(scene->ledger);
	sqlite_place_free(scene->place);
	free(scene);
	return 0;
}

static void look(struct scene *scene)
{
	assert_true(watch_ledger_look(scene->watch, scene->database));
	if (judge_breach(scene->judge))
		fail_msg("%s", judge_breach(scene->judge));
}

static uint32_t asks(struct scene *scene, const char *buyer)
{
	return history_invoke(scene->judge,
			      &(struct history_operation){
				      .kind = HISTORY_BUY, .sale = 1, .lot = KIT_SHIRT, .units = 2, .buyer = buyer, .key = buyer});
}

static struct history_order shown(const struct event *event, const char *state)
{
	struct history_order order = {.id = event->id, .lot = KIT_SHIRT, .quantity = 2, .hold_expires_at_ms = event->hold_expires_at_ms};

	snprintf(order.state, sizeof(order.state), "%s", state);
	snprintf(order.buyer, sizeof(order.buyer), "%.*s", (int)event->buyer.size, event->buyer.data);
	return order;
}

static void answered(struct scene *scene, uint32_t request, int status, struct history_order order)
{
	history_answer(scene->judge, request, &(struct history_answer){.status = status, .orders = &order, .order_count = 1});
	if (judge_breach(scene->judge))
		fail_msg("%s", judge_breach(scene->judge));
}

/* Nothing of what was committed is told before the look: the judge would not believe it. */
static void test_each_commit_is_a_record(void **state)
{
	struct scene *scene = *state;
	uint32_t request = asks(scene, "bob"), settlement;
	struct event order = kit_reserve(&scene->kit, KIT_SHIRT, 2, "bob"), extended, confirmed;
	struct history_order longer;

	look(scene);
	answered(scene, request, 202, shown(&order, "held"));

	settlement = history_invoke(
		scene->judge, &(struct history_operation){.kind = HISTORY_EXTEND, .sale = 1, .order = order.id, .actor = "olga"});
	extended = kit_settled(&scene->kit, EVENT_EXTENDED, &order);
	assert_int_equal(kit_apply(&scene->kit, &extended), LEDGER_DONE);
	look(scene);
	longer = shown(&order, "held");
	longer.hold_expires_at_ms = extended.hold_expires_at_ms;
	answered(scene, settlement, 200, longer);

	settlement = history_invoke(
		scene->judge, &(struct history_operation){.kind = HISTORY_CONFIRM, .sale = 1, .order = order.id, .actor = "olga"});
	confirmed = kit_settled(&scene->kit, EVENT_CONFIRMED, &order);
	assert_int_equal(kit_apply(&scene->kit, &confirmed), LEDGER_DONE);
	look(scene);
	answered(scene, settlement, 200, shown(&order, "confirmed"));
	assert_null(judge_end(scene->judge));
}

static void test_what_is_not_committed_is_not_told(void **state)
{
	struct scene *scene = *state;
	uint32_t request = asks(scene, "bob");
	struct event order = kit_reserved(&scene->kit, KIT_SHIRT, 2, "bob");
	struct history_order it = shown(&order, "held");

	look(scene);
	history_answer(scene->judge, request, &(struct history_answer){.status = 202, .orders = &it, .order_count = 1});
	assert_non_null(strstr(judge_breach(scene->judge), "p2-not-durable"));
}

static void test_the_same_ledger_read_again_is_lawful(void **state)
{
	struct scene *scene = *state;
	uint32_t request = asks(scene, "bob");
	struct event order = kit_reserve(&scene->kit, KIT_SHIRT, 2, "bob"), cancelled;
	struct event withdrawn = kit_withdrawn(&scene->kit, KIT_SHOE, 1);

	look(scene);
	answered(scene, request, 202, shown(&order, "held"));
	cancelled = kit_settled(&scene->kit, EVENT_CANCELLED, &order);
	assert_int_equal(kit_apply(&scene->kit, &cancelled), LEDGER_DONE);
	assert_int_equal(kit_apply(&scene->kit, &withdrawn), LEDGER_DONE);
	look(scene);
	assert_true(watch_ledger_look_again(scene->watch, scene->database));
	assert_null(judge_end(scene->judge));
}

/* Found by the world 31014060 of the embedded shape: read again, the payment was the confirm's. */
static void test_a_payment_of_the_moment_of_the_confirm_has_its_own_record(void **state)
{
	static const enum history_record_kind kinds[] = {RECORD_RESERVED, RECORD_CONFIRMED, RECORD_PAID};
	struct scene *scene = *state;
	const uint32_t request = asks(scene, "bob");
	struct event order = kit_reserve(&scene->kit, KIT_SHIRT, 2, "bob"), confirmed, paid;

	look(scene);
	answered(scene, request, 202, shown(&order, "held"));
	for (int i = 0; i < 2; i++)
		(void)history_invoke(scene->judge, &(struct history_operation){.kind = HISTORY_CONFIRM,
									       .sale = 1,
									       .order = order.id,
									       .actor = "olga",
									       .payment = i ? "pi_1" : NULL});
	confirmed = kit_settled(&scene->kit, EVENT_CONFIRMED, &order);
	assert_int_equal(kit_apply(&scene->kit, &confirmed), LEDGER_DONE);
	paid = kit_settled(&scene->kit, EVENT_PAID, &order);
	paid.at_ms = confirmed.at_ms;
	paid.payment.reference = SLICE("pi_1");
	assert_int_equal(kit_apply(&scene->kit, &paid), LEDGER_DONE);
	look(scene);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		history_change(scene->judge, &(struct history_change){.kind = kinds[i],
								      .id = order.id,
								      .payment = kinds[i] == RECORD_PAID ? "pi_1" : NULL});
	assert_null(judge_breach(scene->judge));
}

static void test_the_end_is_read_whole(void **state)
{
	struct scene *scene = *state;
	uint32_t request = asks(scene, "bob");
	struct event order = kit_reserve(&scene->kit, KIT_SHIRT, 2, "bob");
	struct history_rest rest = {
		.sale = 1,
		.armed = true,
		.lots = {{.stock = {.available = KIT_SHIRTS - 2, .held = 2, .allocated = KIT_SHIRTS}},
			 {.stock = {.available = KIT_SHOES, .allocated = KIT_SHOES}}},
	};

	look(scene);
	answered(scene, request, 202, shown(&order, "held"));
	watch_ledger_rest(scene->watch, scene->database, &rest);
	assert_null(judge_end(scene->judge));
	assert_int_equal(rest.order_count, 1);
	assert_int_equal(rest.lots[0].moved_held, 2);
	assert_string_equal(rest.log[0].action, "item.create");
	rest.lots[0].stock.available--;
	watch_ledger_rest(scene->watch, scene->database, &rest);
	assert_non_null(strstr(judge_breach(scene->judge), "p4-rest"));
}

/* --- A log --- */

/* The journal has these events, the last under an older epoch than the barrier before it. */
static void append(struct journal *journal, struct event *event)
{
	struct journal_entry entry = {.event = event};

	journal->ops->append(journal, &entry, 1);
	assert_int_equal(entry.end, JOURNAL_DURABLE);
}

static struct event bought(const char *buyer, uint32_t epoch, char last)
{
	struct uuid id = {.bytes = {1, [6] = 0x70, [8] = 0x80, [14] = (uint8_t)last, [15] = 1}};

	return (struct event){.kind = EVENT_RESERVED,
			      .actor_kind = ACTOR_BUYER,
			      .sale = 1,
			      .epoch = epoch,
			      .lot = KIT_SHIRT,
			      .quantity = 2,
			      .buyer_units = 2,
			      .limit_per_buyer = KIT_LIMIT,
			      .id = id,
			      .at_ms = KIT_NOW_MS,
			      .hold_expires_at_ms = KIT_NOW_MS + KIT_HOLD_MS,
			      .buyer = slice_of(buyer),
			      .key = slice_of(buyer),
			      .actor = slice_of(buyer)};
}

static void test_each_record_of_a_log_is_told(void **state)
{
	struct scene *scene = *state;
	struct journal_sim *sim = journal_sim_new(NULL, 1, 3);
	struct journal *journal = journal_sim_open(sim, 2000000000);
	struct watch_log *watch = watch_log_new(scene->judge, sim);
	struct event first = bought("bob", 1, 'a'), second = bought("eve", 1, 'b');
	uint32_t of_bob = asks(scene, "bob"), of_eve = asks(scene, "eve");
	struct uuid barrier = {{0}};
	struct history_order it = shown(&second, "held");

	assert_int_equal(journal_sim_fix(journal, 3), 0);
	append(journal, &first);
	watch_log_look(watch);
	answered(scene, of_bob, 202, shown(&first, "held"));
	assert_int_equal(journal->ops->barrier(journal, 1, 2, &barrier), 0);
	append(journal, &second);
	watch_log_look(watch);
	assert_null(judge_breach(scene->judge));
	history_answer(scene->judge, of_eve, &(struct history_answer){.status = 202, .orders = &it, .order_count = 1});
	assert_non_null(strstr(judge_breach(scene->judge), "p2-void"));
	watch_log_free(watch);
	journal->ops->free(journal);
	journal_sim_free(sim);
}

/* --- Stocks --- */

static void assert_alike(struct gate *gate, const struct history_stock_lot *seen)
{
	struct stock_lot_state lot = gate_lot(gate);

	assert_int_equal(seen->available, lot.available);
	assert_int_equal(seen->held, lot.held);
	assert_int_equal(seen->confirmed, lot.confirmed);
	assert_int_equal(seen->withdrawn, lot.withdrawn);
	assert_int_equal(seen->allocated, lot.allocated);
}

static void confirm(struct gate *gate, const struct uuid *id)
{
	struct stock_settle settle = gate_settle(gate, id, ORDER_CONFIRM);

	assert_int_equal(settle.outcome, STOCK_DONE);
	gate_acknowledge(gate, &settle.event);
}

static void test_the_keys_of_a_redis_are_its_stock(void **state)
{
	struct redis_sim *sim = redis_sim_new(NULL);
	struct history_stock_lot lots[HISTORY_LOTS];
	uint32_t epoch, count;
	struct stock_reserve order;
	struct gate gate;

	(void)state;
	gate_open_over(&gate, redis_sim_transport(sim), "redis://in.process");
	assert_false(watch_stock_redis_lots(sim, GATE_SALE, &epoch, lots, &count));
	assert_int_equal(gate_sell(&gate, 3, 5), 0);
	order = gate_order(&gate, "bob", "k1");
	confirm(&gate, &order.event.id);
	assert_int_equal(watch_stock_redis_outbox(sim, GATE_SALE), 0);
	assert_int_equal(gate_buy(&gate, "eve", "k2").outcome, STOCK_DONE);
	assert_int_equal(watch_stock_redis_outbox(sim, GATE_SALE), 1);
	assert_true(watch_stock_redis_lots(sim, GATE_SALE, &epoch, lots, &count));
	assert_int_equal(epoch, 3);
	assert_int_equal(count, 1);
	assert_alike(&gate, &lots[0]);
	gate_close(&gate);
	redis_sim_free(sim);
}

static void test_the_words_of_a_gates_memory_are_its_stock(void **state)
{
	struct history_stock_lot lots[HISTORY_LOTS];
	uint32_t epoch, count;
	struct stock_reserve order;
	struct gate gate = {.hold_ms = GATE_HOLD_MS, .rules = {.sale = GATE_SALE, .limit_per_buyer = 2, .lot_count = 1}};

	(void)state;
	assert_int_equal(stock_memory_new(&gate.stock, 64), 0);
	assert_false(watch_stock_memory_lots(gate.stock, GATE_SALE, &epoch, lots, &count));
	assert_int_equal(gate_sell(&gate, 3, 5), 0);
	order = gate_order(&gate, "bob", "k1");
	confirm(&gate, &order.event.id);
	assert_int_equal(gate_buy(&gate, "eve", "k2").outcome, STOCK_DONE);
	assert_int_equal(watch_stock_memory_outbox(gate.stock), 1);
	assert_true(watch_stock_memory_lots(gate.stock, GATE_SALE, &epoch, lots, &count));
	assert_int_equal(epoch, 3);
	assert_int_equal(count, 1);
	assert_alike(&gate, &lots[0]);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_commit_is_a_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_not_committed_is_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_same_ledger_read_again_is_lawful, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_payment_of_the_moment_of_the_confirm_has_its_own_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_end_is_read_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_record_of_a_log_is_told, set_up, tear_down),
		cmocka_unit_test(test_the_keys_of_a_redis_are_its_stock),
		cmocka_unit_test(test_the_words_of_a_gates_memory_are_its_stock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * An operator's stop and its release over a real ledger and stock: what the gates show, what the
 * ledger and the operator log get of it, and what is asked twice.
 */
#include "core/brake.h"

#include <string.h>
#include "base/sha256.h"
#include "unit/core/house.h"

static int care(struct house *house)
{
	return sale_control_care(house->control, clock_wall_ms(), true);
}

static int no_move(struct ledger *ledger, uint32_t sale, enum sale_action action, const struct ledger_actor *actor)
{
	(void)ledger;
	(void)sale;
	(void)action;
	(void)actor;
	return -ENOTCONN;
}

static int no_sale(struct ledger *ledger, uint32_t number, struct slice id, struct sale **sale)
{
	(void)ledger;
	(void)number;
	(void)id;
	*sale = NULL;
	return -ENOTCONN;
}

static enum stock_outcome ask(struct house *house, const char *buyer)
{
	struct stock_reserve item = {
		.event = {.sale = house_number(house, "drop"), .quantity = 1, .buyer = slice_of(buyer), .actor = slice_of(buyer)},
		.now_ns = clock_mono_ns(),
		.replay_only = false,
	};

	item.event.id = uuid_make(&house->ids, clock_wall_ms(), item.event.sale);
	house->stock->ops->reserve(house->stock, &item, 1);
	if (item.outcome == STOCK_DONE) {
		const struct event *event = &item.event;
		bool undone;

		house->stock->ops->compensate(house->stock, &event, 1, &undone);
	}
	return item.outcome;
}

static int brake(struct house *house, bool stopped)
{
	const struct ledger_actor actor = house_actor();

	return sale_control_brake(house->control, house_number(house, "drop"), stopped, &actor);
}

static enum sale_state in_ledger(struct house *house)
{
	struct sale *sale = house_sale(house, "drop");
	enum sale_state state = sale->state;

	free(sale);
	return state;
}

/* The stop button was impossible while the ledger could not be written to, and the sale sold on. */
static void test_a_sale_is_stopped_and_let_go_on_while_the_ledger_is_away(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_ops away = *ops;
	struct ledger_log_row row;
	size_t count;

	house_sell(house, "drop");
	away.sale_move = no_move;
	house->ledger->ops = &away;
	assert_int_equal(brake(house, true), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	assert_int_equal(ask(house, "ann"), STOCK_PAUSED);
	assert_true(care(house) < 0);
	assert_int_equal(in_ledger(house), SALE_OPEN);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);

	house->ledger->ops = ops;
	house_pass(2000);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	for (int64_t after = 0;
	     ops->log_rows(house->ledger, &(struct ledger_log_filter){.after = after}, &row, 1, &count) == 0 && count;
	     after = row.number)
		continue;
	assert_string_equal(row.actor, "olga"); /* who stopped it, and not the clock that wrote it down */

	house->ledger->ops = &away;
	assert_int_equal(brake(house, false), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	assert_int_equal(ask(house, "ann"), STOCK_DONE);
	house->ledger->ops = ops;
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_OPEN);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

static int brake_by(struct house *house, const char *name, bool stopped, struct ledger_request *request)
{
	struct ledger_actor actor = house_actor();

	actor.name = slice_of(name);
	actor.request = request;
	return sale_control_brake(house->control, house_number(house, "drop"), stopped, &actor);
}

/* The rows of the operator log that stops and releases have left: "-anna +olga". */
static void read_stops(struct house *house, char *text, size_t size)
{
	struct ledger_log_row row;
	size_t count;

	*text = '\0';
	for (int64_t after = 0;
	     house->ledger->ops->log_rows(house->ledger, &(struct ledger_log_filter){.after = after}, &row, 1, &count) == 0 && count;
	     after = row.number)
		if (strcmp(row.action, "sale.pause") == 0 || strcmp(row.action, "sale.resume") == 0)
			snprintf(text + strlen(text), size - strlen(text), "%s%c%s", *text ? " " : "",
				 row.action[5] == 'p' ? '-' : '+', row.actor);
}

/*
 * The keeper wrote the last one alone, and the operator log did not say who had stopped the sale.
 */
static void test_each_stop_between_two_turns_of_the_keeper_is_in_the_log_once(void **state)
{
	struct house *house = *state;
	char stops[512];

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(brake_by(house, "eva", true, NULL), 0);
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna +olga -eva");
	assert_int_equal(in_ledger(house), SALE_PAUSED);
}

/*
 * A stop that was told and then the end of the sale, within one turn: the ledger had no use for the
 * stop, and nobody was named (world 66).
 */
static void test_a_stop_that_the_sales_end_has_overtaken_is_in_the_log(void **state)
{
	struct house *house = *state;
	char stops[512];

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(care(house), 0);
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna");
	assert_int_equal(in_ledger(house), SALE_ENDED);
}

static struct house *stopped_house;
static const struct ledger_ops *stopped_ops;

static int disarm_and_stop(struct ledger *ledger, uint32_t sale, uint32_t epoch, const struct ledger_actor *actor)
{
	int r = stopped_ops->sale_disarm(ledger, sale, epoch, actor);

	assert_int_equal(brake_by(stopped_house, "anna", true, NULL), 0);
	return r;
}

static void arm_to_be_stopped(struct house *house, struct ledger_ops *ops)
{
	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	stopped_house = house;
	stopped_ops = house->ledger->ops;
	ops->sale_disarm = disarm_and_stop;
}

/*
 * It was told, and the stock forgot it with the sale: nobody was named (world 41000787 of a
 * cluster).
 */
static void test_a_stop_that_a_disarm_has_overtaken_is_in_the_log(void **state)
{
	struct house *house = *state;
	struct ledger_ops ops = *house->ledger->ops;
	char stops[512];

	arm_to_be_stopped(house, &ops);
	house->ledger->ops = &ops;
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_DONE);
	house->ledger->ops = stopped_ops;
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna");
	assert_int_equal(in_ledger(house), SALE_DRAFT);
}

static int no_row(struct ledger *ledger, const struct ledger_actor *actor, enum log_action action, struct slice subject,
		  struct slice detail_json)
{
	(void)ledger;
	(void)actor;
	(void)action;
	(void)subject;
	(void)detail_json;
	return -EIO;
}

static void test_a_stop_that_cannot_be_logged_outlives_the_disarm(void **state)
{
	struct house *house = *state;
	struct ledger_ops ops = *house->ledger->ops;
	char stops[512];

	arm_to_be_stopped(house, &ops);
	ops.log_append = no_row;
	house->ledger->ops = &ops;
	assert_int_equal(house_move(house, "drop", SALE_DISARM), -EIO);
	house->ledger->ops = stopped_ops;
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_ALREADY); /* asked again */
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna");
}

static void not_heard(struct stock *stock, uint32_t sale, uint32_t serial)
{
	(void)stock;
	(void)sale;
	(void)serial;
}

/* Two processes may tell the ledger of the same: an operator's disarm does, beside the keeper. */
static void test_what_another_process_has_written_down_is_not_written_twice(void **state)
{
	struct house *house = *state;
	const struct stock_ops *ops = house->stock->ops;
	struct stock_ops deaf = *ops;
	char stops[512];

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	deaf.brake_written = not_heard;
	house->stock->ops = &deaf;
	assert_int_equal(care(house), 0);
	house->stock->ops = ops;
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna +olga");
	assert_int_equal(in_ledger(house), SALE_OPEN);
}

/*
 * A worlds' seed showed one version of a sale in two states: the ledger had heard of a stop, and
 * the gate's table not of that.
 */
static void test_a_version_from_before_a_stop_is_not_shown_with_it(void **state)
{
	struct house *house = *state;
	struct sale shown = {.number = 0};
	struct sale *row;

	house_sell(house, "drop");
	shown.number = house_number(house, "drop");
	shown.state = SALE_OPEN;
	assert_true(brake_is_in_row(house->stock, &shown, SALE_OPEN));
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	shown.state = house_shown(house, "drop");
	assert_int_equal(shown.state, SALE_PAUSED);
	assert_false(brake_is_in_row(house->stock, &shown, SALE_OPEN));
	row = house_sale(house, "drop");
	assert_int_equal(brake_write(house->stock, house->ledger, row), 0);
	free(row);
	assert_false(brake_is_in_row(house->stock, &shown, SALE_OPEN)); /* the row that the table has is an older one */
	assert_true(brake_is_in_row(house->stock, &shown, SALE_PAUSED));
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	shown.state = house_shown(house, "drop");
	assert_false(brake_is_in_row(house->stock, &shown, SALE_OPEN)); /* the ledger has not heard of the release */
}

/*
 * More stops than the stock remembers, while the ledger is away: the sale is as the last one says,
 * and the log has those that are left.
 */
static void test_stops_beyond_what_is_remembered_cost_the_oldest_rows_of_the_log(void **state)
{
	struct house *house = *state;
	char stops[512];

	house_sell(house, "drop");
	for (int i = 0; i < STOCK_BRAKE_CHANGES + 3; i++)
		assert_int_equal(brake_by(house, i % 2 ? "olga" : "anna", i % 2 == 0, NULL), 0);
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_true(strncmp(stops, "-anna +olga -anna", 17) == 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
}

/*
 * A client's late retry of its stop stopped the sale again that somebody had let go on meanwhile.
 */
static void test_a_late_retry_of_a_stop_does_nothing_with_its_key(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};
	char stops[512];

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, &request), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED); /* before the ledger was told */
	assert_int_equal(care(house), 0);
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED); /* and after */
	assert_int_equal(ask(house, "ann"), STOCK_DONE);
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna +olga");
}

/* By then the stock has the newer changes alone: the ledger knows that it was done. */
static void test_a_late_retry_of_a_stop_that_the_history_has_no_more_does_nothing(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};
	uint8_t no_body[SHA256_SIZE];
	char stops[2048], before[2048];

	sha256(SLICE(""), no_body);
	request.body = uuid_of_hash(no_body);
	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, &request), 0);
	assert_int_equal(care(house), 0);
	for (int i = 0; i < STOCK_BRAKE_CHANGES + 1; i++)
		assert_int_equal(brake_by(house, "olga", i % 2, NULL), 0);
	assert_int_equal(care(house), 0);
	read_stops(house, before, sizeof(before));
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED);
	assert_int_equal(ask(house, "ann"), STOCK_DONE);
	assert_int_equal(care(house), 0);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, before);
}

/*
 * A stock in memory forgets with a restart who has asked for what: a client's late retry of its
 * release sold from a sale that somebody had stopped since, until the ledger had said so.
 */
static void test_a_late_retry_of_a_release_does_nothing_though_the_stock_has_forgotten_it(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};
	struct stock_brake brake;
	uint8_t no_body[SHA256_SIZE];

	sha256(SLICE(""), no_body);
	request.body = uuid_of_hash(no_body);
	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(brake_by(house, "olga", false, &request), 0);
	assert_int_equal(care(house), 0);
	house_restart(house);
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(brake_by(house, "olga", false, &request), SALE_CONTROL_REPEATED);
	assert_true(house->stock->ops->brake_of(house->stock, house_number(house, "drop"), &brake));
	assert_true(brake.stopped);
}

/* Another process reads the sale from the ledger in between, where it is open still. */
static void test_what_the_ledger_does_not_know_yet_is_not_shown_over_a_stop(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	assert_int_equal(brake(house, true), 0);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), false), 0); /* not elected: it tells nobody */
	assert_int_equal(in_ledger(house), SALE_OPEN);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
}

/* The clock has opened it for buyers, and the ledger has not heard of that yet. */
static void test_a_sale_that_only_the_clock_has_opened_is_stopped(void **state)
{
	struct house *house = *state;
	struct sale *draft = house_draft("drop");

	draft->opens_at_ms = clock_wall_ms() + 1000;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	house_pass(1500);
	assert_int_equal(brake(house, true), 0);
	assert_int_equal(ask(house, "ann"), STOCK_PAUSED);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
}

/* As a gate does that cannot tell the stock. */
static int stop_by_ledger(struct house *house, const char *name, struct ledger_request *request)
{
	struct ledger_actor actor = house_actor();

	actor.name = slice_of(name);
	actor.request = request;
	return house->ledger->ops->sale_move(house->ledger, house_number(house, "drop"), SALE_PAUSE, &actor);
}

/*
 * A release that the ledger had not heard of was written down behind a stop that went by the ledger
 * alone, which lost: its operator had heard 202, and the sale sold on.
 */
static void test_a_release_from_before_a_stop_by_the_ledger_alone_moves_nothing(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};
	char stops[512];

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(care(house), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	assert_int_equal(stop_by_ledger(house, "eva", &request), LEDGER_ALREADY);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	read_stops(house, stops, sizeof(stops));
	assert_string_equal(stops, "-anna -eva +olga");            /* who has stopped it stands there */
	assert_int_equal(brake_by(house, "olga", false, NULL), 0); /* she knows of it now */
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_OPEN);
}

/*
 * The ledger's order is not the one in which they were made: the stop before the release is counted
 * behind the one by the ledger.
 */
static void test_a_stop_between_what_the_keeper_writes_is_not_answered(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(stop_by_ledger(house, "eva", &request), LEDGER_DONE);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_PAUSED);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
}

/* Nobody can ask the ledger who takes the release: what its gate has heard of counts. */
static void test_a_release_while_the_ledger_is_away_answers_what_its_gate_knows(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	const struct ledger_actor actor = house_actor();
	struct ledger_ops away = *ops;
	uint32_t number;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(care(house), 0);
	house_restart(house);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	away.sale_get = no_sale;
	house->ledger->ops = &away;
	assert_int_equal(sale_control_brake(house->control, number, false, &actor), 0);
	house->ledger->ops = ops;
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_OPEN);
}

/*
 * The elected gate had written a release down, and another's row was the paused one until its next
 * look: its buyers heard that the sale is not open.
 */
static void test_a_row_from_before_a_release_is_not_shown_when_that_is_written_down(void **state)
{
	struct house *house = *state;
	struct sale *row;

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, NULL), 0);
	assert_int_equal(care(house), 0);
	row = house_sale(house, "drop");
	assert_int_equal(row->state, SALE_PAUSED);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(brake_write(house->stock, house->ledger, row), 0); /* by another gate: this one reads no row */
	assert_int_equal(brake_follow(house->stock, house->catalog, row->number), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	/* One with a stop that it does not know is newer, and counts. */
	assert_int_equal(stop_by_ledger(house, "eva", NULL), LEDGER_DONE);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	free(row);
}

/*
 * A stock that has forgotten its history took a late retry of a stop for a new one, and told it as
 * done; then another gate put the history back, in which the sale was let go on since.
 */
static void test_a_late_retry_of_a_stop_does_nothing_though_the_stock_has_forgotten_it(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};
	struct stock_brake brake;

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, &request), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(care(house), 0);
	house_restart(house);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED);
	assert_false(house->stock->ops->brake_of(house->stock, house_number(house, "drop"), &brake));
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

/* Sent again, a stop that went by the ledger alone reaches the stock, be it the newest or not. */
static void test_a_retry_of_a_stop_that_a_sale_is_paused_by_reaches_the_stock(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)}, other = {.id = uuid_make(&ids, 1, 1)};
	struct stock_brake brake;

	house_sell(house, "drop");
	assert_int_equal(stop_by_ledger(house, "anna", &request), LEDGER_DONE);
	assert_int_equal(stop_by_ledger(house, "eva", &other), LEDGER_ALREADY);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED);
	assert_true(house->stock->ops->brake_of(house->stock, house_number(house, "drop"), &brake));
	assert_true(brake.stopped);
}

/* Buyers heard that it is not open, for good: the keeper had no use for a stop that it knew. */
static void test_a_retry_of_a_stop_that_is_released_does_nothing_before_the_ledger_knows(void **state)
{
	struct house *house = *state;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};

	house_sell(house, "drop");
	assert_int_equal(stop_by_ledger(house, "anna", &request), LEDGER_DONE);
	assert_int_equal(sale_catalog_put(house->catalog, house_sale(house, "drop")), 0);
	assert_int_equal(brake_by(house, "olga", false, NULL), 0);
	assert_int_equal(brake_by(house, "anna", true, &request), SALE_CONTROL_REPEATED);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	assert_int_equal(care(house), 0);
	assert_int_equal(in_ledger(house), SALE_OPEN);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

/*
 * Another gate writes each change; the first stop was pushed out of the history, and in the way of
 * each release.
 */
static void test_a_gate_without_a_ledger_stops_a_sale_and_lets_it_go_on_often(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	const struct ledger_actor actor = house_actor();
	struct ledger_ops away = *ops;
	uint32_t number;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	away.sale_get = no_sale;
	for (int i = 0; i < 4 * STOCK_BRAKE_CHANGES; i++) {
		struct sale *row;

		house->ledger->ops = &away;
		assert_int_equal(sale_control_brake(house->control, number, i % 2 == 0, &actor), 0);
		house->ledger->ops = ops;
		row = house_sale(house, "drop");
		assert_int_equal(brake_write(house->stock, house->ledger, row), 0);
		free(row);
		assert_int_equal(in_ledger(house), i % 2 == 0 ? SALE_PAUSED : SALE_OPEN);
	}
}

static int no_request(struct ledger *ledger, struct ledger_request *request)
{
	(void)ledger;
	(void)request;
	return -ETIMEDOUT;
}

/* It was refused, though nobody can say that it was done before. */
static void test_a_stop_that_the_ledger_cannot_be_asked_about_is_made(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_ops away = *ops;
	struct uuid_generator ids = {0};
	struct ledger_request request = {.id = uuid_make(&ids, 1, 1)};

	house_sell(house, "drop");
	assert_int_equal(brake_by(house, "anna", true, &request), 0);
	for (int i = 0; i < STOCK_BRAKE_CHANGES + 1; i++)
		assert_int_equal(brake_by(house, "olga", i % 2 != 0, NULL), 0);
	assert_true(brake_has_lost(house->stock, house_number(house, "drop"), &request.id));
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	away.request_find = no_request;
	house->ledger->ops = &away;
	assert_int_equal(brake_by(house, "anna", true, &request), 0);
	house->ledger->ops = ops;
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
}

static int late_sale(struct ledger *ledger, uint32_t number, struct slice id, struct sale **sale)
{
	house_pass(3000);
	return no_sale(ledger, number, id, sale);
}

/* Its operator was told that nobody knows, and has stopped the sale since. */
static void test_a_release_that_waited_for_the_ledger_too_long_is_not_made(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_actor actor = house_actor();
	struct ledger_ops late = *ops;
	uint32_t number;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	assert_int_equal(brake(house, true), 0);
	late.sale_get = late_sale;
	house->ledger->ops = &late;
	actor.until_ns = clock_mono_ns() + 2000 * INT64_C(1000000);
	assert_int_equal(sale_control_brake(house->control, number, false, &actor), SALE_CONTROL_UNKNOWN);
	house->ledger->ops = ops;
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
}

static void test_a_ledger_that_does_not_answer_is_not_asked_by_a_release(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_actor actor = house_actor();
	struct ledger_ops late = *ops;
	uint32_t number;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	assert_int_equal(brake(house, true), 0);
	late.sale_get = late_sale;
	house->ledger->ops = &late;
	sale_catalog_looks(house->catalog, true); /* and has no answer */
	house_pass(1000);
	actor.until_ns = clock_mono_ns() + 2000 * INT64_C(1000000);
	assert_int_equal(sale_control_brake(house->control, number, false, &actor), 0);
	house->ledger->ops = ops;
	sale_catalog_looks(house->catalog, false);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_sale_is_stopped_and_let_go_on_while_the_ledger_is_away),
		TEST(test_each_stop_between_two_turns_of_the_keeper_is_in_the_log_once),
		TEST(test_a_stop_that_the_sales_end_has_overtaken_is_in_the_log),
		TEST(test_a_stop_that_a_disarm_has_overtaken_is_in_the_log),
		TEST(test_a_stop_that_cannot_be_logged_outlives_the_disarm),
		TEST(test_what_another_process_has_written_down_is_not_written_twice),
		TEST(test_a_version_from_before_a_stop_is_not_shown_with_it),
		TEST(test_stops_beyond_what_is_remembered_cost_the_oldest_rows_of_the_log),
		TEST(test_a_late_retry_of_a_stop_does_nothing_with_its_key),
		TEST(test_a_late_retry_of_a_stop_that_the_history_has_no_more_does_nothing),
		TEST(test_a_late_retry_of_a_release_does_nothing_though_the_stock_has_forgotten_it),
		TEST(test_what_the_ledger_does_not_know_yet_is_not_shown_over_a_stop),
		TEST(test_a_sale_that_only_the_clock_has_opened_is_stopped),
		TEST(test_a_release_from_before_a_stop_by_the_ledger_alone_moves_nothing),
		TEST(test_a_stop_between_what_the_keeper_writes_is_not_answered),
		TEST(test_a_release_while_the_ledger_is_away_answers_what_its_gate_knows),
		TEST(test_a_row_from_before_a_release_is_not_shown_when_that_is_written_down),
		TEST(test_a_late_retry_of_a_stop_does_nothing_though_the_stock_has_forgotten_it),
		TEST(test_a_retry_of_a_stop_that_a_sale_is_paused_by_reaches_the_stock),
		TEST(test_a_retry_of_a_stop_that_is_released_does_nothing_before_the_ledger_knows),
		TEST(test_a_gate_without_a_ledger_stops_a_sale_and_lets_it_go_on_often),
		TEST(test_a_stop_that_the_ledger_cannot_be_asked_about_is_made),
		TEST(test_a_release_that_waited_for_the_ledger_too_long_is_not_made),
		TEST(test_a_ledger_that_does_not_answer_is_not_asked_by_a_release),
	};

	return cmocka_run_group_tests_name("core: the brake", tests, NULL, NULL);
}

/*
 * The rows of sales that Redis keeps for gates which cannot ask the ledger: what they say comes
 * back as it was, or not at all.
 */
#include "unit/stock/redis_gate.h"

#include "stock/redis/redis_stock.h"

static struct redis_place *place;

static int set_up(void **state)
{
	(void)state;
	place = redis_place_new(NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	redis_place_free(place);
	return 0;
}

static struct sale *make_sale(uint32_t epoch, uint64_t change)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));

	assert_non_null(sale);
	*sale = (struct sale){
		.number = GATE_SALE,
		.epoch = epoch,
		.version = 3,
		.change = change,
		.state = SALE_OPEN,
		.id = "drop",
		.name = "The drop, na\u00efve",
		.price_minor = 17900,
		.currency = "EUR",
		.limit_per_buyer = 2,
		.rate_requests = 3,
		.rate_seconds = 60,
		.hold_seconds = 120,
		.late_confirm = true,
		.opens_at_ms = SALE_NO_TIME,
		.closes_at_ms = INT64_C(1900000000000),
		.created_at_ms = INT64_C(1800000000000),
		.ended_at_ms = SALE_NO_TIME,
		.lot_count = 2,
	};
	snprintf(sale->lots[0].sku, sizeof(sale->lots[0].sku), "AJ1-42");
	snprintf(sale->lots[1].sku, sizeof(sale->lots[1].sku), "AJ1-43");
	sale->lots[0].allocated = 1000;
	sale->lots[0].withdrawn = 1;
	sale->lots[1].item = 4;
	sale_stops_add(&sale->stops, &(struct uuid){{7}});
	sale_stops_add(&sale->stops, &(struct uuid){{8}});
	sale->stops.answered = 1;
	return sale;
}

static void assert_same(const struct sale *a, const struct sale *b)
{
	size_t head = offsetof(struct sale, lots);

	assert_memory_equal(a, b, head);
	for (uint32_t i = 0; i < a->lot_count; i++)
		assert_memory_equal(&a->lots[i], &b->lots[i], sizeof(a->lots[i]));
}

/* --- The row itself --- */

static void test_a_row_is_read_as_it_was_written(void **state)
{
	struct sale *sale = make_sale(5, 9), *read;
	struct buffer row;

	(void)state;
	buffer_init(&row, 65536);
	redis_row_write(sale, &row);
	read = redis_row_read(buffer_slice(&row));
	assert_non_null(read);
	assert_same(sale, read);
	free(read);
	free(sale);
	buffer_deinit(&row);
}

/*
 * Cut anywhere, with something behind it, or with any byte another: a row that is one by chance has
 * only values that a sale may have.
 */
static void test_a_row_that_is_none_is_not_read(void **state)
{
	struct sale *sale = make_sale(5, 9), *read;
	struct buffer row;
	char *text;
	size_t size;

	(void)state;
	buffer_init(&row, 65536);
	redis_row_write(sale, &row);
	size = row.size;
	text = malloc(size + 1);
	assert_non_null(text);
	memcpy(text, row.data, size);
	text[size] = 0;
	for (size_t end = 0; end < size; end++)
		assert_null(redis_row_read((struct slice){text, end}));
	assert_null(redis_row_read((struct slice){text, size + 1}));
	for (size_t i = 0; i < size; i++)
		for (int value = 0; value < 256; value++) {
			text[i] = (char)value;
			read = redis_row_read((struct slice){text, size});
			if (read) {
				assert_true(sale_id_valid(slice_of(read->id)));
				assert_in_range(read->lot_count, 1, LOTS_MAX);
				assert_in_range(read->limit_per_buyer, 1, LIMIT_MAX);
			}
			free(read);
			text[i] = row.data[i];
		}
	free(text);
	free(sale);
	buffer_deinit(&row);
}

/* --- In Redis --- */

static void keep(struct gate *gate, uint32_t epoch, uint64_t change)
{
	struct sale *sale = make_sale(epoch, change);

	gate->stock->ops->keep(gate->stock, (const struct sale *const *)&sale, 1);
	free(sale);
}

/* The change of what is recalled; 0: nothing, with *outcome. */
static uint64_t recalled(struct gate *gate, int *outcome)
{
	uint64_t change = 0;
	struct sale *sale;

	*outcome = gate->stock->ops->recall(gate->stock, GATE_SALE, &sale);
	if (*outcome == 0) {
		change = sale->change;
		assert_int_equal(sale->number, GATE_SALE);
	}
	free(sale);
	return change;
}

static void test_an_armed_sale_is_recalled_under_its_epoch_alone(void **state)
{
	uint32_t numbers[4];
	struct gate gate, other;
	size_t count;
	int outcome;

	(void)state;
	gate_open_patient(&gate, place->url);
	gate_open_patient(&other, place->url); /* its ledger is away: it has heard of nothing */
	keep(&gate, 5, 9);
	assert_int_equal(recalled(&other, &outcome), 0);
	assert_int_equal(outcome, STOCK_UNKNOWN_SALE);
	assert_int_equal(gate_sell(&gate, 5, 10), 0);
	assert_int_equal(recalled(&other, &outcome), 0); /* what was kept before it was begun is of no epoch */
	assert_int_equal(outcome, STOCK_UNKNOWN_SALE);
	keep(&gate, 4, 10);
	assert_int_equal(recalled(&other, &outcome), 0);
	keep(&gate, 5, 9);
	keep(&gate, 5, 8); /* an older one */
	keep(&gate, 4, 20);
	assert_int_equal(recalled(&other, &outcome), 9);
	keep(&gate, 5, 12);
	assert_int_equal(recalled(&other, &outcome), 12);
	assert_int_equal(other.stock->ops->kept(other.stock, 0, numbers, 4, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(numbers[0], GATE_SALE);
	assert_int_equal(other.stock->ops->kept(other.stock, GATE_SALE, numbers, 4, &count), 0);
	assert_int_equal(count, 0);
	gate.stock->ops->drop(gate.stock, GATE_SALE, 5);
	assert_int_equal(other.stock->ops->kept(other.stock, 0, numbers, 4, &count), 0);
	assert_int_equal(count, 0);
	gate_close(&gate);
	gate_close(&other);
}

/* An epoch that Redis tells counts only together with its fence. */
static void test_behind_a_fence_nothing_is_recalled(void **state)
{
	struct gate gate;
	int outcome;

	(void)state;
	gate_open_patient(&gate, place->url);
	assert_int_equal(gate_sell(&gate, 5, 10), 0);
	keep(&gate, 5, 9);
	assert_int_equal(recalled(&gate, &outcome), 9);
	redis_place_run(place, "FUNCTION FLUSH");
	assert_int_equal(recalled(&gate, &outcome), 0);
	assert_int_equal(outcome, STOCK_FENCED);
	gate.rules.epoch = gate.epoch = 6;
	assert_int_equal(gate.stock->ops->preheat_begin(gate.stock, &gate.rules), 0);
	keep(&gate, 6, 10);
	assert_int_equal(recalled(&gate, &outcome), 0); /* being loaded */
	assert_int_equal(outcome, STOCK_FENCED);
	gate_close(&gate);
}

static void test_the_log_is_recalled_as_it_was_kept(void **state)
{
	const struct stock_log log = {.cluster = "MkU3OEVBNTcwNTJENDM2Qk", .topic = "penstock", .partitions = 12};
	struct stock_log read;
	struct gate gate;

	(void)state;
	gate_open_patient(&gate, place->url);
	assert_int_equal(gate.stock->ops->recall_log(gate.stock, &read), STOCK_UNKNOWN_SALE);
	gate.stock->ops->keep_log(gate.stock, &log);
	assert_int_equal(gate.stock->ops->recall_log(gate.stock, &read), 0);
	assert_string_equal(read.cluster, log.cluster);
	assert_string_equal(read.topic, log.topic);
	assert_int_equal(read.partitions, 12);
	redis_place_run(place, "HSET {ps:0}:j row xyzxyzxyzxyz");
	assert_int_equal(gate.stock->ops->recall_log(gate.stock, &read), STOCK_UNAVAILABLE);
	gate_close(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_row_is_read_as_it_was_written),
		cmocka_unit_test(test_a_row_that_is_none_is_not_read),
		cmocka_unit_test_setup_teardown(test_an_armed_sale_is_recalled_under_its_epoch_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_behind_a_fence_nothing_is_recalled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_log_is_recalled_as_it_was_kept, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

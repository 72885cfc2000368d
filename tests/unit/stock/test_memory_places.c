/*
 * The stock in memory says with a grant where it has the order. An acknowledgement goes by that,
 * and by the order's id wherever it is not true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/uuid.h"
#include "stock/memory/memory.h"

enum { SALE = 5, UNITS = 10 };

static struct uuid_generator ids;

static struct stock *open_stock(void)
{
	struct stock_rules rules = {.sale = SALE, .epoch = 1, .limit_per_buyer = 1, .lot_count = 1};
	int64_t units = UNITS, withdrawn = 0;
	struct stock *stock;

	assert_int_equal(stock_memory_new(&stock, 16), 0);
	assert_int_equal(stock->ops->preheat_begin(stock, &rules), 0);
	assert_int_equal(stock->ops->arm(stock, SALE, &units, &withdrawn), 0);
	return stock;
}

static struct stock_reserve buy(struct stock *stock, const char *buyer)
{
	struct stock_reserve item = {
		.event = {.sale = SALE, .quantity = 1, .id = uuid_make(&ids, 1, SALE), .buyer = slice_of(buyer)},
		.hold_ns = 1000,
	};

	stock->ops->reserve(stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_true(item.event.stock_place > 0);
	return item;
}

static bool is_durable(struct stock *stock, const struct uuid *id)
{
	struct stock_find item = {.sale = SALE, .id = *id};

	stock->ops->find(stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	return item.order.durable;
}

static enum stock_ack acknowledge(struct stock *stock, const struct event *event)
{
	enum stock_ack answer;

	stock->ops->acknowledge_send(stock, &event, 1, &answer);
	stock->ops->acknowledge_wait(stock);
	return answer;
}

static void test_a_place_that_is_not_true_is_not_believed(void **state)
{
	struct stock *stock = open_stock();
	struct stock_reserve ann = buy(stock, "ann"), bob = buy(stock, "bob");
	const uint64_t places[] = {bob.event.stock_place, 0, UINT32_MAX, 1};

	(void)state;
	assert_true(ann.event.stock_place != bob.event.stock_place);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		ann.event.stock_place = places[i];
		assert_int_equal(acknowledge(stock, &ann.event), i == 0 ? STOCK_ACK_DONE : STOCK_ACK_ALREADY);
		assert_true(is_durable(stock, &ann.event.id));
		assert_false(is_durable(stock, &bob.event.id));
	}
	assert_int_equal(acknowledge(stock, &bob.event), STOCK_ACK_DONE);
	assert_true(is_durable(stock, &bob.event.id));
	stock->ops->free(stock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_place_that_is_not_true_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "ledger/log_detail.h"

static struct sale_lot lots[LOTS_MAX];

/* Lots 0, 1, 2 ... with names as long as may be, and as many units. */
static void make_lots(void)
{
	for (int i = 0; i < LOTS_MAX; i++) {
		memset(lots[i].sku, 'x', SKU_MAX);
		snprintf(lots[i].sku, 4, "%03d", i);
		lots[i].sku[3] = '-';
		lots[i].allocated = UNITS_MAX;
	}
}

static void test_few_lots_are_all_told(void **state)
{
	static const struct sale_lot few[] = {{.sku = "A-1", .allocated = 5}, {.sku = "A-2", .allocated = 0}};
	char text[LOG_DETAIL_SIZE];

	(void)state;
	assert_true(slice_equal(log_detail_lots(text, few, 2), SLICE("{\"lots\":{\"A-1\":5,\"A-2\":0}}")));
	assert_true(slice_equal(log_detail_lots(text, few, 0), SLICE("{\"lots\":{}}")));
}

/* Found: of a sale with many lots nothing was told but that it was omitted. */
static void test_of_many_lots_the_first_are_told_and_how_many_more_there_are(void **state)
{
	char text[LOG_DETAIL_SIZE];

	(void)state;
	make_lots();
	for (uint32_t count = 1; count <= LOTS_MAX; count++) {
		struct slice detail = log_detail_lots(text, lots, count);
		json_t *object = json_loadb(detail.data, detail.size, 0, NULL);
		const json_t *told = json_object_get(object, "lots");
		size_t shown = json_object_size(told);

		assert_true(detail.size < LOG_DETAIL_SIZE);
		assert_non_null(object);
		assert_true(shown > 0);
		assert_int_equal(shown + (size_t)json_integer_value(json_object_get(object, "more")), count);
		for (size_t i = 0; i < shown; i++)
			assert_int_equal(json_integer_value(json_object_get(told, lots[i].sku)), UNITS_MAX);
		json_decref(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_lots_are_all_told),
		cmocka_unit_test(test_of_many_lots_the_first_are_told_and_how_many_more_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

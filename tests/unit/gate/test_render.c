#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gate/render.h"

#define AT INT64_C(1798797600127) /* 2027-01-01T10:00:00.127Z */
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static struct buffer out;

static int set_up(void **state)
{
	(void)state;
	buffer_init(&out, 1 << 16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_deinit(&out);
	return 0;
}

static void assert_out(const char *text)
{
	buffer_append(&out, "", 1);
	assert_string_equal(out.data, text);
	buffer_clear(&out);
}

static struct uuid id(void)
{
	struct uuid_generator generator = {0};

	return uuid_make(&generator, AT, 7);
}

static struct sale *sale(void)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));

	assert_non_null(sale);
	*sale = (struct sale){.number = 3,
			      .epoch = 4,
			      .version = 5,
			      .state = SALE_OPEN,
			      .id = "aj1",
			      .name = "Air \"1\"",
			      .price_minor = 17900,
			      .currency = "EUR",
			      .limit_per_buyer = 1,
			      .rate_requests = 3,
			      .rate_seconds = 60,
			      .hold_seconds = 120,
			      .opens_at_ms = AT,
			      .closes_at_ms = SALE_NO_TIME,
			      .created_at_ms = AT,
			      .ended_at_ms = SALE_NO_TIME,
			      .lot_count = 2};
	sale->lots[0] = (struct sale_lot){.sku = "A", .item = 1, .allocated = 10, .held = 1, .confirmed = 2, .withdrawn = 3};
	sale->lots[1] = (struct sale_lot){.sku = "B", .item = 2, .allocated = 5};
	return sale;
}

static void test_a_time_is_a_text_or_null(void **state)
{
	(void)state;
	render_time(AT, &out);
	assert_out("\"2027-01-01T10:00:00.127Z\"");
	render_time(0, &out);
	assert_out("\"1970-01-01T00:00:00.000Z\"");
	render_time(SALE_NO_TIME, &out);
	assert_out("null");
}

static void test_an_order(void **state)
{
	struct order_view order = {.id = id(),
				   .sale = SLICE("aj1"),
				   .sku = SLICE("A"),
				   .buyer = SLICE("b\"1"),
				   .quantity = 2,
				   .state = ORDER_HELD,
				   .hold_expires_at_ms = AT + 120000};
	char text[UUID_TEXT_SIZE], expected[512];

	(void)state;
	uuid_format(&order.id, text);
	render_order(&order, &out);
	snprintf(expected, sizeof(expected),
		 "{\"id\":\"%s\",\"sale\":\"aj1\",\"sku\":\"A\",\"buyer\":\"b\\\"1\",\"quantity\":2,\"state\":\"held\","
		 "\"placed_at\":\"2027-01-01T10:00:00.127Z\",\"hold_expires_at\":\"2027-01-01T10:02:00.127Z\"}",
		 text);
	assert_out(expected);
	order.hold_expires_at_ms = 0;
	order.state = ORDER_CONFIRMED;
	order.trace = SLICE(TRACE);
	render_order(&order, &out);
	snprintf(expected, sizeof(expected),
		 "{\"id\":\"%s\",\"sale\":\"aj1\",\"sku\":\"A\",\"buyer\":\"b\\\"1\",\"quantity\":2,\"state\":\"confirmed\","
		 "\"placed_at\":\"2027-01-01T10:00:00.127Z\",\"hold_expires_at\":null,\"trace\":\"" TRACE "\"}",
		 text);
	assert_out(expected);
}

/*
 * A replay, and an operator's look, must be the same bytes: both ways to an order lead to one
 * writer.
 */
static void test_an_order_of_the_ledger_is_the_same_text(void **state)
{
	struct ledger_order row = {.id = id(),
				   .quantity = 2,
				   .sale_id = "aj1",
				   .sku = "A",
				   .buyer = "b1",
				   .state = ORDER_EXPIRED,
				   .placed_at_ms = AT,
				   .hold_expires_at_ms = AT + 1};
	struct order_view view = {.id = row.id,
				  .sale = SLICE("aj1"),
				  .sku = SLICE("A"),
				  .buyer = SLICE("b1"),
				  .quantity = 2,
				  .state = ORDER_EXPIRED,
				  .hold_expires_at_ms = AT + 1};
	char text[512];

	(void)state;
	render_order(&view, &out);
	snprintf(text, sizeof(text), "%.*s", (int)out.size, out.data);
	buffer_clear(&out);
	render_ledger_order(&row, &out);
	assert_out(text);
}

#define TERMS                                                                                                                                   \
	"\"id\":\"aj1\",\"name\":\"Air \\\"1\\\"\",\"state\":\"open\",\"price\":{\"amount\":17900,\"currency\":\"EUR\"},\"limit_per_buyer\":1," \
	"\"rate\":{\"requests\":3,\"seconds\":60},\"hold_seconds\":120,\"opens_at\":\"2027-01-01T10:00:00.127Z\",\"closes_at\":null"

static void test_buyers_see_no_numbers_of_a_sale(void **state)
{
	struct stock_lot_state lots[] = {{.available = 0, .held = 1, .allocated = 10}, {.available = 5, .allocated = 5}};
	struct sale *shown = sale();

	(void)state;
	render_public_sale(shown, lots, AT, &out);
	assert_out("{" TERMS
		   ",\"lots\":[{\"sku\":\"A\",\"sold_out\":true,\"may_return\":true},{\"sku\":\"B\",\"sold_out\":false,\"may_return\":false}]}");
	lots[0].held = 0;
	render_public_sale(shown, lots, AT, &out);
	assert_out("{" TERMS
		   ",\"lots\":[{\"sku\":\"A\",\"sold_out\":true,\"may_return\":false},{\"sku\":\"B\",\"sold_out\":false,\"may_return\":false}]}");
	render_public_sale(shown, NULL, AT, &out); /* nobody can say */
	assert_out("{" TERMS
		   ",\"lots\":[{\"sku\":\"A\",\"sold_out\":false,\"may_return\":false},{\"sku\":\"B\",\"sold_out\":false,\"may_return\":false}]}");
	shown->state = SALE_ENDED;
	render_public_sale(shown, NULL, AT, &out);
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, "\"sku\":\"B\",\"sold_out\":true,\"may_return\":false"));
	buffer_clear(&out);
	free(shown);
}

static void test_buyers_see_the_state_by_the_clock(void **state)
{
	struct sale *shown = sale();

	(void)state;
	shown->state = SALE_ARMED;
	shown->closes_at_ms = AT + 1000;
	render_public_sale(shown, NULL, AT - 1, &out);
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, "\"state\":\"armed\""));
	buffer_clear(&out);
	render_public_sale(shown, NULL, AT, &out);
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, "\"state\":\"open\""));
	buffer_clear(&out);
	render_public_sale(shown, NULL, AT + 1000, &out);
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, "\"state\":\"ended\""));
	free(shown);
}

static void test_operators_see_the_stocks_figures_or_the_ledgers(void **state)
{
	static const char more[] =
		",\"number\":3,\"epoch\":4,\"version\":5,\"late_confirm\":false,\"schedule\":false,\"announce\":false,\"created_at\":\"2027-01-01T10:00:00.127Z\","
		"\"ended_at\":null,\"moves\":[\"pause\",\"end\"],\"lots\":[";
	struct stock_lot_state lots[] = {{9, 8, 7, 6, 30, 1}, {5, 0, 0, 0, 5, 1}};
	struct sale *shown = sale();
	char expected[1024];

	(void)state;
	render_operator_sale(shown, lots, true, &out);
	snprintf(expected, sizeof(expected),
		 "{" TERMS "%s{\"sku\":\"A\",\"units\":30,\"available\":9,\"held\":8,\"confirmed\":7,\"withdrawn\":6},"
		 "{\"sku\":\"B\",\"units\":5,\"available\":5,\"held\":0,\"confirmed\":0,\"withdrawn\":0}]}",
		 more);
	assert_out(expected);
	render_operator_sale(shown, NULL, true, &out);
	snprintf(expected, sizeof(expected),
		 "{" TERMS "%s{\"sku\":\"A\",\"units\":10,\"available\":4,\"held\":1,\"confirmed\":2,\"withdrawn\":3},"
		 "{\"sku\":\"B\",\"units\":5,\"available\":5,\"held\":0,\"confirmed\":0,\"withdrawn\":0}]}",
		 more);
	assert_out(expected);
	render_operator_sale(shown, NULL, false, &out); /* the stock knows of a change that the ledger will count */
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, ",\"version\":null,"));
	buffer_clear(&out);
	free(shown);
}

static void test_a_sale_without_rate_has_null(void **state)
{
	struct sale *shown = sale();

	(void)state;
	shown->rate_requests = 0;
	render_public_sale(shown, NULL, AT, &out);
	buffer_append(&out, "", 1);
	assert_non_null(strstr(out.data, ",\"rate\":null,"));
	free(shown);
}

static void test_an_item(void **state)
{
	struct ledger_item item = {.sku = "A", .name = "Air\t1", .on_hand = 5000, .allocated = 10};

	(void)state;
	render_item(&item, &out);
	assert_out("{\"sku\":\"A\",\"name\":\"Air\\t1\",\"on_hand\":5000}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_time_is_a_text_or_null),
		TEST(test_an_order),
		TEST(test_an_order_of_the_ledger_is_the_same_text),
		TEST(test_buyers_see_no_numbers_of_a_sale),
		TEST(test_buyers_see_the_state_by_the_clock),
		TEST(test_operators_see_the_stocks_figures_or_the_ledgers),
		TEST(test_a_sale_without_rate_has_null),
		TEST(test_an_item),
	};

	return cmocka_run_group_tests_name("gate: render", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/error.h"
#include "http/request.h"
#include "http/router.h"

struct entry {
	struct http_route route;
	int other; /* so that the stride matters */
};

static const struct entry entries[] = {
	{{HTTP_GET, "/"}, 0},
	{{HTTP_GET, "/v1/sales"}, 0},
	{{HTTP_POST, "/v1/sales"}, 0},
	{{HTTP_GET, "/v1/sales/{sale}"}, 0},
	{{HTTP_PATCH, "/v1/sales/{sale}"}, 0},
	{{HTTP_POST, "/v1/sales/{sale}/orders"}, 0},
	{{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/add"}, 0},
	{{HTTP_GET, "/v1/sales/all"}, 0},
	{{HTTP_GET, "/v1/sales/all/summary"}, 0},
};
enum { ROOT_ROUTE, SALES, MAKE_SALE, SALE, CHANGE_SALE, ORDERS, ADD, ALL, SUMMARY };

static struct http_router *router;
static struct http_match match;
static char allow[HTTP_ALLOW_SIZE];

static int set_up(void **state)
{
	(void)state;
	return http_router_new(&router, entries, sizeof(entries) / sizeof(entries[0]), sizeof(entries[0]));
}

static int tear_down(void **state)
{
	(void)state;
	http_router_free(router);
	http_router_free(NULL);
	return 0;
}

static int find(enum http_method method, const char *path)
{
	return http_router_find(router, method, slice_of(path), &match, allow);
}

static void assert_route(enum http_method method, const char *path, size_t route)
{
	assert_int_equal(find(method, path), HTTP_ROUTE_FOUND);
	assert_int_equal(match.route, route);
}

static void assert_parameter(size_t index, const char *text)
{
	assert_true(slice_equal(match.parameters[index], slice_of(text)));
}

static void test_paths_find_their_routes(void **state)
{
	(void)state;
	assert_route(HTTP_GET, "/", ROOT_ROUTE);
	assert_route(HTTP_GET, "/v1/sales", SALES);
	assert_route(HTTP_POST, "/v1/sales", MAKE_SALE);
	assert_route(HTTP_PATCH, "/v1/sales/aj1", CHANGE_SALE);
	assert_parameter(0, "aj1");
	assert_route(HTTP_POST, "/v1/sales/a%20j/lots/AJ1-42/add", ADD);
	assert_parameter(0, "a%20j");
	assert_parameter(1, "AJ1-42");
}

static void test_a_path_is_the_same_with_its_letters_percent_encoded(void **state)
{
	static const char *const pairs[][2] = {
		{"/v1/sales/dr%6Fp", "/v1/sales/drop"},
		{"/%76%31/%7e%2D%2e%5f", "/v1/~-._"},
		{"/a%2Fb", "/a%2Fb"},
		{"/a%20%41", "/a%20A"},
		{"/%2541", "/%2541"},
		{"/plain", "/plain"},
		{"/%4", "/%4"},
		{"/%", "/%"},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct slice path = http_path_normal(slice_of(pairs[i][0]), text, sizeof(text));

		assert_true(slice_equal(path, slice_of(pairs[i][1])));
	}
	assert_int_equal(http_path_normal(SLICE("/%41%41"), text, 3).size, 0);
}

static void test_a_literal_wins_but_does_not_hide_what_is_below_a_parameter(void **state)
{
	(void)state;
	assert_route(HTTP_GET, "/v1/sales/all", ALL);
	assert_route(HTTP_GET, "/v1/sales/all/summary", SUMMARY);
	assert_route(HTTP_POST, "/v1/sales/all/orders", ORDERS);
	assert_parameter(0, "all");
	assert_route(HTTP_GET, "/v1/sales/alla", SALE);
}

static void test_other_paths_are_unknown(void **state)
{
	static const char *const paths[] = {"",
					    "*",
					    "v1/sales",
					    "/v1",
					    "/v1/",
					    "/v1/sales/",
					    "/v1//sales",
					    "//",
					    "/v1/sales/a/",
					    "/V1/sales",
					    "/v1/sales/a/orders/",
					    "/v1/sales//orders",
					    "/v1/sales/a/lots/b",
					    "/v1/salesx",
					    "/v1/sale",
					    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(find(HTTP_GET, paths[i]), HTTP_ROUTE_UNKNOWN);
}

static void test_head_goes_to_get(void **state)
{
	(void)state;
	assert_route(HTTP_HEAD, "/v1/sales", SALES);
}

static void test_other_methods_are_told_what_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(find(HTTP_DELETE, "/v1/sales"), HTTP_ROUTE_METHOD);
	assert_string_equal(allow, "GET, HEAD, POST, OPTIONS");
	assert_int_equal(find(HTTP_OPTIONS, "/v1/sales/x/orders"), HTTP_ROUTE_METHOD);
	assert_string_equal(allow, "POST, OPTIONS");
	assert_int_equal(find(HTTP_HEAD, "/v1/sales/x/orders"), HTTP_ROUTE_METHOD);
	assert_int_equal(find(HTTP_OTHER, "/v1/sales/x"), HTTP_ROUTE_METHOD);
	assert_string_equal(allow, "GET, HEAD, PATCH, OPTIONS");
}

static void test_every_method_fits_into_allow(void **state)
{
	static const struct http_route all[] = {{HTTP_GET, "/"},   {HTTP_HEAD, "/"}, {HTTP_POST, "/"},
						{HTTP_PATCH, "/"}, {HTTP_PUT, "/"},  {HTTP_DELETE, "/"}};
	struct http_router *other;

	(void)state;
	assert_int_equal(http_router_new(&other, all, 6, sizeof(all[0])), 0);
	assert_int_equal(http_router_find(other, HTTP_OTHER, SLICE("/"), &match, allow), HTTP_ROUTE_METHOD);
	assert_string_equal(allow, "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS");
	http_router_free(other);
}

static void assert_refused(struct http_route first, struct http_route second)
{
	struct http_route routes[] = {first, second};
	struct http_router *other;

	assert_int_equal(http_router_new(&other, routes, 2, sizeof(routes[0])), -EINVAL);
}

static void test_wrong_tables_are_refused(void **state)
{
	struct http_route good = {HTTP_GET, "/a/{b}"};

	(void)state;
	assert_refused(good, good);
	assert_refused(good, (struct http_route){HTTP_GET, "/a/{c}"});
	assert_refused(good, (struct http_route){HTTP_OTHER, "/"});
	assert_refused(good, (struct http_route){HTTP_GET, ""});
	assert_refused(good, (struct http_route){HTTP_GET, "a"});
	assert_refused(good, (struct http_route){HTTP_GET, "/{a}/{b}/{c}/{d}"});
	assert_refused(good, (struct http_route){HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_find_their_routes),
		cmocka_unit_test(test_a_path_is_the_same_with_its_letters_percent_encoded),
		cmocka_unit_test(test_a_literal_wins_but_does_not_hide_what_is_below_a_parameter),
		cmocka_unit_test(test_other_paths_are_unknown),
		cmocka_unit_test(test_head_goes_to_get),
		cmocka_unit_test(test_other_methods_are_told_what_is_allowed),
		cmocka_unit_test(test_every_method_fits_into_allow),
		cmocka_unit_test(test_wrong_tables_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * What a sale costs at a Redis in the process that is new for it: a simulation makes thousands a
 * minute. CPU, not time, for the machine may be busy; of several the middle one.
 */
#include "unit/stock/redis_gate.h"

#include <time.h>
#include "base/clock.h"
#include "simulation/lone_thread.h"
#include "simulation/redis/redis_sim.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MOST_US = 400000 };
#else
enum { MOST_US = 20000 };
#endif
enum { SALES = 15, OPERATIONS = 60 };

static struct lone_thread lone;

static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void live_through(struct gate *gate, int number)
{
	char buyer[16];
	struct stock_reserve item;
	struct stock_settle settle;

	snprintf(buyer, sizeof(buyer), "buyer-%d", number);
	item = gate_order(gate, buyer, "k");
	settle = gate_settle(gate, &item.order.id, number % 2 ? ORDER_CONFIRM : ORDER_CANCEL);
	assert_int_equal(settle.outcome, STOCK_DONE);
	gate_acknowledge(gate, &settle.event);
	assert_int_equal(gate_refresh(gate), STOCK_DONE);
	lone_thread_pass(&lone, 1000);
}

static int64_t cost_of_a_sale(void)
{
	int64_t from_us = cpu_us();
	struct redis_sim *sim = redis_sim_new(&lone.node);
	struct gate gates[2];

	for (int i = 0; i < 2; i++)
		gate_open_over(&gates[i], redis_sim_transport(sim), "redis://in.process");
	assert_int_equal(gate_sell(&gates[0], 1, OPERATIONS), 0);
	gates[1].epoch = 1;
	assert_int_equal(gate_refresh(&gates[1]), STOCK_DONE);
	for (int i = 0; i < OPERATIONS; i++)
		live_through(&gates[i % 2], i);
	for (int i = 0; i < 2; i++)
		gate_close(&gates[i]);
	redis_sim_free(sim);
	return cpu_us() - from_us;
}

static int by_size(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

static void test_a_sale_with_a_server_of_its_own_is_cheap(void **state)
{
	int64_t costs_us[SALES];

	(void)state;
	lone_thread_begin(&lone);
	for (int i = 0; i < SALES; i++)
		costs_us[i] = cost_of_a_sale();
	lone_thread_end(&lone);
	qsort(costs_us, SALES, sizeof(costs_us[0]), by_size);
	print_message("a sale: %lld us of CPU\n", (long long)costs_us[SALES / 2]);
	assert_true(costs_us[SALES / 2] < MOST_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sale_with_a_server_of_its_own_is_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

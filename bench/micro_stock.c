/*
 * What a purchase costs in the memory stock alone: micro_stock [ROUNDS]. Prints, for few and many
 * buyers and sales, CPU nanoseconds of a reserve and its acknowledgement (every buyer new, with a
 * key and a hold), of a sold-out refusal, of a replay; bytes a remembered buyer; and the time to
 * load a million orders. Each figure is the median of ROUNDS (5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "stock/memory/memory.h"

enum { BATCH = 64, MEASURED = 100000, MILLION = 1000000, ROUNDS_MAX = 99, OUTBOX = 4096 };
#define SECOND INT64_C(1000000000)

static struct uuid_generator ids;

/* Numbers buyers apart over all sales; a buyer's name is its number. */
static uint64_t names;

/* CPU time of this process: what else runs on the machine does not count. */
static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "micro_stock: %s\n", what);
	exit(1);
}

static struct stock *open_stock(uint32_t sales, int64_t units)
{
	struct stock *stock;
	int64_t withdrawn = 0;

	if (stock_memory_new(&stock, OUTBOX) < 0)
		die("no stock");
	for (uint32_t sale = 1; sale <= sales; sale++) {
		struct stock_rules rules = {
			.sale = sale, .epoch = 1, .limit_per_buyer = 1, .rate_requests = 3, .rate_seconds = 60, .lot_count = 1};

		if (stock->ops->preheat_begin(stock, &rules) < 0 || stock->ops->arm(stock, sale, &units, &withdrawn) < 0)
			die("no sale");
	}
	return stock;
}

/*
 * `count` purchases round-robin over the sales; from is the first buyer's number. Returns
 * nanoseconds each.
 */
static double purchases(struct stock *stock, uint32_t sales, uint64_t from, size_t count, enum stock_outcome expected)
{
	static struct stock_reserve items[BATCH];
	static char texts[BATCH][2][32];
	const struct event *events[BATCH];
	int64_t spent = 0;

	for (size_t done = 0; done < count; done += BATCH) {
		int64_t start;
		size_t size = count - done < BATCH ? count - done : BATCH;

		for (size_t i = 0; i < size; i++) {
			uint64_t name = from + done + i;
			uint32_t sale = 1 + (uint32_t)(name % sales);
			int buyer = snprintf(texts[i][0], sizeof(texts[i][0]), "buyer-%012llu", (unsigned long long)name);
			int key = snprintf(texts[i][1], sizeof(texts[i][1]), "key-%020llx",
					   (unsigned long long)name * 0x9e3779b97f4a7c15u);

			items[i] = (struct stock_reserve){
				.event = {.sale = sale,
					  .quantity = 1,
					  .id = uuid_make(&ids, INT64_C(1800000000000), sale),
					  .hold_expires_at_ms = 1,
					  .buyer = {texts[i][0], (size_t)buyer},
					  .key = {texts[i][1], (size_t)key}},
				.now_ns = SECOND,
				.hold_ns = 120 * SECOND,
			};
			events[i] = &items[i].event;
		}
		start = cpu_ns();
		stock->ops->reserve(stock, items, size);
		if (expected == STOCK_DONE)
			stock_acknowledge(stock, events, size);
		spent += cpu_ns() - start;
		for (size_t i = 0; i < size; i++)
			if (items[i].outcome != expected)
				die("an outcome that was not expected");
	}
	return (double)spent / (double)count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_value);
	return values[count / 2];
}

static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size = 0, resident = 0;

	if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
		die("no statm");
	fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* A purchase where so many buyers are remembered, over so many sales. */
static double cost(uint32_t sales, size_t remembered, size_t measured)
{
	struct stock *stock = open_stock(sales, UNITS_MAX);
	double each;

	names = 0;
	purchases(stock, sales, names, remembered, STOCK_DONE);
	each = purchases(stock, sales, names + remembered, measured, STOCK_DONE);
	stock->ops->free(stock);
	return each;
}

/* With few buyers the measured ones must stay few: many short runs. */
static double cost_few(void)
{
	double sum = 0;

	enum { RUNS = 50, FEW = 1000 };

	for (int i = 0; i < RUNS; i++)
		sum += cost(1, FEW, FEW);
	return sum / RUNS;
}

static void report_flat(int rounds)
{
	double few[ROUNDS_MAX], many[ROUNDS_MAX], one[ROUNDS_MAX], thousand[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		few[i] = cost_few();
		many[i] = cost(1, MILLION, MEASURED);
		one[i] = cost(1, MEASURED, MEASURED);
		thousand[i] = cost(1000, MEASURED, MEASURED);
	}
	printf("reserve + acknowledge, 1 thousand buyers   %8.0f ns\n", median(few, rounds));
	printf("reserve + acknowledge, 1 million buyers    %8.0f ns   ratio %.2f\n", median(many, rounds),
	       median(many, rounds) / median(few, rounds));
	printf("reserve + acknowledge, 1 sale              %8.0f ns\n", median(one, rounds));
	printf("reserve + acknowledge, 1,000 sales         %8.0f ns   ratio %.2f\n", median(thousand, rounds),
	       median(thousand, rounds) / median(one, rounds));
}

static void report_memory(void)
{
	double before = resident_bytes();
	struct stock *stock = open_stock(1, MILLION);
	struct stock_totals totals;

	purchases(stock, 1, 0, MILLION, STOCK_DONE);
	stock->ops->totals(stock, &totals);
	printf("bytes a buyer at 1 million, by its own count %6.1f, resident %6.1f\n", (double)totals.memory_bytes / MILLION,
	       (resident_bytes() - before) / MILLION);
	printf("replay at 1 million                        %8.0f ns\n", purchases(stock, 1, 0, MEASURED, STOCK_REPLAY));
	printf("sold out at 1 million, each buyer new      %8.0f ns\n", purchases(stock, 1, MILLION, MEASURED, STOCK_SOLD_OUT));
	stock->ops->free(stock);
}

static void report_load(void)
{
	enum { PAGE = 1000 };
	static struct stock_load orders[PAGE];
	static char texts[PAGE][2][32];
	struct stock_rules rules = {.sale = 1, .epoch = 1, .limit_per_buyer = 1, .lot_count = 1};
	int64_t units = MILLION, withdrawn = 0, spent = 0;
	struct stock *stock;

	if (stock_memory_new(&stock, OUTBOX) < 0 || stock->ops->preheat_begin(stock, &rules) < 0)
		die("no stock");
	for (int done = 0; done < MILLION; done += PAGE) {
		int64_t start;

		for (int i = 0; i < PAGE; i++) {
			int buyer = snprintf(texts[i][0], sizeof(texts[i][0]), "buyer-%012d", done + i);
			int key = snprintf(texts[i][1], sizeof(texts[i][1]), "key-%020d", done + i);

			orders[i] = (struct stock_load){.id = uuid_make(&ids, INT64_C(1800000000000), 1),
							.quantity = 1,
							.first_quantity = 1,
							.state = ORDER_HELD,
							.buyer = {texts[i][0], (size_t)buyer},
							.key = {texts[i][1], (size_t)key},
							.hold_left_ns = done + i};
		}
		start = cpu_ns();
		if (stock->ops->preheat_load(stock, 1, orders, PAGE, SECOND) < 0)
			die("not loaded");
		spent += cpu_ns() - start;
	}
	if (stock->ops->arm(stock, 1, &units, &withdrawn) < 0)
		die("not armed");
	printf("load of 1 million orders                   %8.3f s\n", (double)spent / 1e9);
	stock->ops->free(stock);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		die("ROUNDS is 1 to 99");
	report_memory();
	report_load();
	report_flat(rounds);
	return 0;
}

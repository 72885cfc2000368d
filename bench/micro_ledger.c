/*
 * What an order costs in the ledger alone: micro_ledger FILE|URL [ORDERS]. URL: an empty database, postgresql://... Prints wall and CPU microseconds per reserved order for batches of 1, 256,
 * 1024 and 4096, then what settling, a scan of all orders (a restart) and an audit cost. FILE is made new and removed; what is made in the database stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres.h"
#include "ledger/sqlite.h"

enum { BATCH_MAX = 4096, LOTS = 5, BUYER_SIZE = 24, SCAN_PAGE = 4096 };

static struct uuid_generator generator;
static uint64_t buyers;

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double wall_us(void)
{
	return (double)clock_mono_ns() / 1e3;
}

static void check(const char *what, int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "micro_ledger: %s: %d\n", what, result);
	exit(1);
}

static bool is_url(const char *place)
{
	return strncmp(place, "postgres", 8) == 0 && strstr(place, "://");
}

static void open_ledger(struct ledger **ledger, const char *place)
{
	if (is_url(place))
		check("open", ledger_postgres_open(ledger, place, LEDGER_OPEN_LEASE));
	else
		check("open", ledger_sqlite_open(ledger, place, LEDGER_OPEN_LEASE));
}

static void remove_files(const char *path)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-lease"};
	char name[4096];

	if (is_url(path))
		return;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		unlink(name);
	}
}

static uint32_t make_sale(struct ledger *ledger)
{
	struct ledger_actor actor = {SLICE("bench"), SLICE_NULL, clock_wall_ms()};
	struct sale *sale = calloc(1, sizeof(*sale) + LOTS * sizeof(sale->lots[0]));
	uint32_t lot, number;

	if (!sale)
		exit(1);
	snprintf(sale->id, sizeof(sale->id), "bench");
	snprintf(sale->name, sizeof(sale->name), "Bench");
	snprintf(sale->currency, sizeof(sale->currency), "EUR");
	sale->limit_per_buyer = 1;
	sale->opens_at_ms = sale->closes_at_ms = SALE_NO_TIME;
	sale->lot_count = LOTS;
	for (uint32_t i = 0; i < LOTS; i++) {
		struct ledger_item item = {.name = "Item", .on_hand = UNITS_MAX};

		snprintf(item.sku, sizeof(item.sku), "SKU-%u", i);
		check("item", ledger->ops->item_create(ledger, &item, &actor));
		snprintf(sale->lots[i].sku, sizeof(sale->lots[i].sku), "SKU-%u", i);
		sale->lots[i].allocated = UNITS_MAX;
	}
	check("sale", ledger->ops->sale_create(ledger, sale, &actor, &lot));
	number = sale->number;
	free(sale);
	return number;
}

static void fill(struct event *events, char (*names)[BUYER_SIZE], struct ledger_entry *entries, size_t count, uint32_t sale)
{
	static const char key[] = "1c3a4b0e-5a1f-4c8e-9d0a-0123456789ab";
	static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		int size = snprintf(names[i], BUYER_SIZE, "buyer-%llu", (unsigned long long)++buyers);

		events[i] = (struct event){.kind = EVENT_RESERVED,
					   .sale = sale,
					   .epoch = 1,
					   .lot = (uint32_t)(buyers % LOTS),
					   .quantity = 1,
					   .buyer_units = 1,
					   .limit_per_buyer = 1,
					   .id = uuid_make(&generator, now_ms, sale),
					   .at_ms = now_ms,
					   .hold_expires_at_ms = now_ms + 120000,
					   .buyer = {names[i], (size_t)size},
					   .key = {key, sizeof(key) - 1},
					   .actor = {names[i], (size_t)size},
					   .trace = {trace, sizeof(trace) - 1}};
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
}

static void reserve(struct ledger *ledger, uint32_t sale, size_t batch, size_t orders)
{
	static struct event events[BATCH_MAX];
	static struct ledger_entry entries[BATCH_MAX];
	static char names[BATCH_MAX][BUYER_SIZE];
	double wall = 0, cpu = 0;

	for (size_t done = 0; done < orders; done += batch) {
		fill(events, names, entries, batch, sale);
		wall -= wall_us();
		cpu -= cpu_us();
		check("apply", ledger->ops->apply(ledger, entries, batch));
		wall += wall_us();
		cpu += cpu_us();
		for (size_t i = 0; i < batch; i++)
			check("outcome", entries[i].outcome);
	}
	printf("reserve, batches of %4zu: %8.2f us wall, %7.2f us CPU an order (%zu orders)\n", batch, wall / (double)orders,
	       cpu / (double)orders, orders);
}

static void scan(struct ledger *ledger, bool confirm)
{
	static struct ledger_order orders[SCAN_PAGE];
	static struct event events[SCAN_PAGE];
	static struct ledger_entry entries[SCAN_PAGE];
	struct ledger_order_filter filter = {0};
	size_t count, total = 0;
	double start = wall_us();

	do {
		check("orders", ledger->ops->orders(ledger, &filter, orders, SCAN_PAGE, &count));
		total += count;
		if (count)
			filter.after = orders[count - 1].id;
		for (size_t i = 0; i < count && confirm; i++) {
			events[i] = (struct event){
				.kind = EVENT_EXPIRED, .sale = orders[i].sale, .epoch = 1, .id = orders[i].id, .at_ms = 1};
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		if (confirm)
			check("settle", ledger->ops->apply(ledger, entries, count));
	} while (count == SCAN_PAGE);
	printf("%s %zu orders: %.0f ms, %.2f us an order\n", confirm ? "scan and expire" : "scan", total,
	       (wall_us() - start) / 1e3, (wall_us() - start) / (double)total);
}

int main(int count, char **arguments)
{
	size_t orders = count > 2 ? (size_t)atol(arguments[2]) : 200000;
	struct ledger_audit audit;
	struct ledger *ledger;
	double start;
	uint32_t sale;

	if (count < 2) {
		fprintf(stderr, "usage: micro_ledger FILE|URL [ORDERS]\n");
		return 2;
	}
	log_set_level(LOG_WARN);
	remove_files(arguments[1]);
	open_ledger(&ledger, arguments[1]);
	sale = make_sale(ledger);
	reserve(ledger, sale, 1, 500);
	reserve(ledger, sale, 256, orders / 256 / 4 * 256);
	reserve(ledger, sale, 1024, orders / 1024 * 1024);
	reserve(ledger, sale, 4096, orders / 4096 * 4096);
	scan(ledger, false);
	start = wall_us();
	check("audit", ledger->ops->audit(ledger, &audit));
	printf("audit: %.0f ms%s%s\n", (wall_us() - start) / 1e3, audit.first[0] ? ": " : "", audit.first);
	scan(ledger, true);
	ledger->ops->free(ledger);
	start = wall_us();
	open_ledger(&ledger, arguments[1]);
	printf("open again: %.0f ms\n", (wall_us() - start) / 1e3);
	ledger->ops->free(ledger);
	remove_files(arguments[1]);
	return 0;
}

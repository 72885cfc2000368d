/*
 * What an order costs in the ledger alone: micro_ledger FILE|URL [ORDERS]. URL: an empty database,
 * postgresql://... Prints wall and CPU microseconds per reserved order for batches of 1, 64, 256,
 * 1024 and 4096, how long a commit takes, and the bytes that this process has written to its disk
 * for an order until it was in the database (a FILE's log goes there at the end of each); then what
 * settling, a scan of all orders of a sale (a restart) and an audit cost. FILE is made new and
 * removed; what is made in the database stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "orders.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres/postgres.h"
#include "ledger/sqlite/sqlite.h"

enum { BATCH_MAX = 4096, SCAN_PAGE = 4096 };

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
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

/* What the kernel has to write for this process: whole pages of its files. */
static double written(void)
{
	FILE *file = fopen("/proc/self/io", "re");
	unsigned long long bytes = 0;
	char line[128];

	check("/proc/self/io", file ? 0 : -errno);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
			break;
	fclose(file);
	return (double)bytes;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static void reserve(struct ledger *ledger, uint32_t sale, size_t batch, size_t orders)
{
	static struct event events[BATCH_MAX];
	static struct ledger_entry entries[BATCH_MAX];
	static char names[BATCH_MAX][BUYER_SIZE];
	double *walls = must_have(calloc(orders / batch, sizeof(*walls)));
	double wall = 0, cpu = 0, start;
	size_t count = 0;

	for (size_t done = 0; done < orders; done += batch) {
		fill(events, names, entries, batch, sale);
		cpu -= cpu_us();
		start = wall_us();
		check("apply", ledger->ops->apply(ledger, entries, batch));
		walls[count] = wall_us() - start;
		cpu += cpu_us();
		wall += walls[count++];
		ledger->ops->tidy(ledger); /* as the journal's worker does, when it has answered */
		for (size_t i = 0; i < batch; i++)
			check("outcome", entries[i].outcome);
	}
	qsort(walls, count, sizeof(*walls), compare);
	printf("reserve, batches of %4zu: %8.2f us wall, %7.2f us CPU an order; a commit p50 %.2f, p99 %.2f, p99.9 %.2f ms",
	       batch, wall / (double)orders, cpu / (double)orders, walls[count / 2] / 1e3, walls[count * 99 / 100] / 1e3,
	       walls[count * 999 / 1000] / 1e3);
	free(walls);
}

/* With the move of what its log has into the database. */
static void reserve_all(const char *place, uint32_t sale, size_t batch, size_t orders)
{
	struct ledger *ledger;
	double before;

	orders -= orders % batch;
	open_ledger(&ledger, place);
	before = written(); /* opening writes once, whatever comes then */
	reserve(ledger, sale, batch, orders);
	ledger->ops->free(ledger);
	printf("; %.0f bytes an order (%zu orders)\n", (written() - before) / (double)orders, orders);
}

static void scan(struct ledger *ledger, uint32_t sale, bool confirm)
{
	static struct ledger_order orders[SCAN_PAGE];
	static struct event events[SCAN_PAGE];
	static struct ledger_entry entries[SCAN_PAGE];
	struct ledger_order_filter filter = {.sale = sale};
	size_t count, total = 0;
	double start = wall_us(), cpu = cpu_us();

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
	printf("%s %zu orders: %.0f ms, %.2f us wall, %.2f us CPU an order\n", confirm ? "scan and expire" : "scan", total,
	       (wall_us() - start) / 1e3, (wall_us() - start) / (double)total, (cpu_us() - cpu) / (double)total);
}

int main(int count, char **arguments)
{
	size_t orders = count > 2 ? (size_t)atol(arguments[2]) : 200000;
	struct ledger_audit audit;
	struct ledger *ledger;
	double start, cpu;
	uint32_t sale;

	if (count < 2) {
		fprintf(stderr, "usage: micro_ledger FILE|URL [ORDERS]\n");
		return 2;
	}
	log_set_level(LOG_WARN);
	remove_files(arguments[1]);
	open_ledger(&ledger, arguments[1]);
	sale = make_sale(ledger);
	ledger->ops->free(ledger);
	reserve_all(arguments[1], sale, 1, 2000);
	reserve_all(arguments[1], sale, 64, orders / 4);
	reserve_all(arguments[1], sale, 256, orders / 4);
	reserve_all(arguments[1], sale, 1024, orders);
	reserve_all(arguments[1], sale, 4096, orders);
	open_ledger(&ledger, arguments[1]);
	scan(ledger, sale, false);
	start = wall_us();
	cpu = cpu_us();
	check("audit", ledger->ops->audit(ledger, &audit));
	printf("audit: %.0f ms, %.0f ms CPU%s%s\n", (wall_us() - start) / 1e3, (cpu_us() - cpu) / 1e3, audit.first[0] ? ": " : "",
	       audit.first);
	scan(ledger, sale, true);
	ledger->ops->free(ledger);
	start = wall_us();
	open_ledger(&ledger, arguments[1]);
	printf("open again: %.0f ms\n", (wall_us() - start) / 1e3);
	ledger->ops->free(ledger);
	remove_files(arguments[1]);
	return 0;
}

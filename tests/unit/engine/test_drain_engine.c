/*
 * Drain engines that are handed their ports: two of them fill one ledger in one process, on a
 * scheduler.
 */
#include "unit/drain/fake_log.h"

#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "base/random.h"
#include "engine/drain_engine.h"
#include "simulation/scheduler/scheduler.h"
#include "unit/http/wire_client.h"

enum { DRAINS = 2, RECORDS = 500 };
static const int64_t SECOND_NS = 1000000000;

struct station {
	struct fake_reader reader;
	struct journal_reader_ops ops;
	struct http_wire *wire;
	struct drain_engine *engine;
};

static struct fake_log record_log;
static struct fake_ledger ledger;
static struct ledger_ops ledger_ops;
static struct station stations[DRAINS];
static struct wire_answer answer;
static const struct journal_reader_ops *fake_ops;

/* A reader waits where nothing is to be read: the fake's clock does not pass here. */
static int read_or_wait(struct journal_reader *reader, struct journal_record *records, size_t max, int64_t timeout_ns, size_t *count)
{
	int r = fake_ops->read(reader, records, max, timeout_ns, count);

	if (r == 0 && *count == 0 && timeout_ns > 0)
		pause_sleep(timeout_ns);
	return r;
}

/* The fake has neither dead letters nor lots: nothing of either is to be told. */
static int no_dead_letters(struct ledger *base, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count)
{
	(void)base;
	(void)after;
	(void)rows;
	(void)max;
	*count = 0;
	return 0;
}

static int no_unequal_lots(struct ledger *base, struct ledger_unequal_lot *lots, size_t max, size_t *count)
{
	(void)base;
	(void)lots;
	(void)max;
	*count = 0;
	return 0;
}

static int no_shared_payments(struct ledger *base, int64_t *count)
{
	(void)base;
	*count = 0;
	return 0;
}

static void ledger_open(void)
{
	fake_ledger_init(&ledger, &record_log);
	ledger_ops = *ledger.base.ops;
	ledger_ops.dead_letters = no_dead_letters;
	ledger_ops.lots_unequal = no_unequal_lots;
	ledger_ops.payments_shared = no_shared_payments;
	ledger.base.ops = &ledger_ops;
}

static bool never_told(int64_t wait_ns)
{
	pause_sleep(wait_ns);
	return false;
}

static struct settings *make_settings(void)
{
	static char level[] = "--log.level=off";
	char *flags[] = {level};
	const struct settings_sources sources = {.flag_count = 1, .flags = flags};
	struct settings *settings;
	struct buffer error;

	buffer_init(&error, 4096);
	assert_int_equal(settings_load(&settings, &sources, &error), 0);
	buffer_deinit(&error);
	return settings;
}

static void station_open(struct station *station, const struct settings *settings)
{
	struct drain_engine_ports ports = {.ledger = &ledger.base, .reader = &station->reader.base};

	fake_reader_init(&station->reader, &record_log);
	fake_ops = station->reader.base.ops;
	station->ops = *fake_ops;
	station->ops.read = read_or_wait;
	station->reader.base.ops = &station->ops;
	assert_int_equal(http_wire_new(&station->wire), 0);
	ports.monitor = station->wire;
	assert_int_equal(drain_engine_new(&station->engine, settings, &ports), 0);
	assert_int_equal(drain_engine_start(station->engine, never_told), 0);
}

static void station_close(struct station *station)
{
	drain_engine_stop(station->engine);
	drain_engine_free(station->engine);
	http_wire_free(station->wire);
	fake_reader_deinit(&station->reader); /* it was handed in, and is ours still */
}

static void await_whole(void)
{
	int64_t until_ns = clock_mono_ns() + 600 * SECOND_NS;

	while (!fake_ledger_is_whole(&ledger) && clock_mono_ns() < until_ns)
		pause_sleep(SECOND_NS / 10);
	assert_true(fake_ledger_is_whole(&ledger));
}

static void drain_all(void *argument)
{
	struct settings *settings = make_settings();

	random_set_seed(*(const uint64_t *)argument);
	fake_log_init(&record_log, "cluster-a");
	ledger_open();
	for (size_t i = 0; i < DRAINS; i++)
		station_open(&stations[i], settings);
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
		fake_reader_give(&stations[i % DRAINS].reader, i, true);
		fake_log_append(&record_log, i, RECORDS, LEDGER_DONE);
	}
	await_whole();
	/* One ends; the other has its partitions from here on. */
	station_close(&stations[0]);
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++) {
		fake_reader_give(&stations[1].reader, i, true);
		fake_log_append(&record_log, i, RECORDS, LEDGER_DONE);
	}
	await_whole();
	wire_ask(stations[1].wire, "GET", "/readyz", "", NULL, &answer);
	assert_int_equal(answer.status, 200);
	station_close(&stations[1]);
	assert_int_equal(ledger.applied, 2 * FAKE_PARTITIONS * RECORDS);
	fake_ledger_deinit(&ledger);
	settings_free(settings);
}

static void test_two_drains_fill_one_ledger_in_one_process(void **state)
{
	(void)state;
	log_set_level(LOG_OFF);
	for (uint64_t seed = 1; seed <= 10; seed++)
		scheduler_run_alone(seed, drain_all, &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_drains_fill_one_ledger_in_one_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

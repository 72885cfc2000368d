/*
 * SIGKILL at every step of a commit and at moments of chance: what was acknowledged is there after
 * the restart, batches are there whole or not at all, and every promise holds. A child works on the
 * ledger and tells us through a pipe what was acknowledged; we judge what it leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

enum { BATCH = 8, BATCHES_MAX = 400, UNITS = BATCH * BATCHES_MAX };

/* What the child tells: before an apply, and after it. */
struct told {
	struct uuid ids[BATCH];
	bool acknowledged;
};

struct story {
	struct told told[2 * BATCHES_MAX];
	size_t count;
};

static uint32_t stock_up(const struct sqlite_place *place)
{
	struct ledger_actor actor;
	struct ledger *ledger;
	struct uuid movement = {{1}};
	struct kit kit;
	int64_t on_hand;

	assert_int_equal(ledger_sqlite_open(&ledger, place->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(&kit, ledger);
	actor = kit_actor(&kit);
	assert_int_equal(ledger->ops->item_receive(ledger, SLICE("SHIRT"), UNITS, &movement, &actor, &on_hand), 0);
	movement.bytes[0] = 2;
	assert_int_equal(ledger->ops->lot_add(ledger, kit.sale, KIT_SHIRT, UNITS, &movement, &actor), 0);
	ledger->ops->free(ledger);
	return kit.sale;
}

static void tell(int pipe, const struct told *told)
{
	if (write(pipe, told, sizeof(*told)) != (ssize_t)sizeof(*told))
		_exit(1);
}

/* The child: batch after batch, until somebody kills it or there is no more to do. */
_Noreturn static void work(const struct sqlite_place *place, uint32_t sale, int pipe, uint64_t seed)
{
	struct kit kit = {.now_ms = KIT_NOW_MS, .sale = sale};
	struct ledger_entry entries[BATCH];
	struct event events[BATCH];
	char buyers[BATCH][32];
	struct told told;

	random_set_seed(seed);
	if (ledger_sqlite_open(&kit.ledger, place->path, LEDGER_OPEN_LEASE) != 0)
		_exit(1);
	for (size_t batch = 0; batch < BATCHES_MAX; batch++) {
		for (size_t i = 0; i < BATCH; i++) {
			snprintf(buyers[i], sizeof(buyers[i]), "b%llu-%zu-%zu", (unsigned long long)seed, batch, i);
			kit.now_ms++;
			events[i] = kit_reserved(&kit, KIT_SHIRT, 1, buyers[i]);
			entries[i] = (struct ledger_entry){&events[i], -1};
			told.ids[i] = events[i].id;
		}
		told.acknowledged = false;
		tell(pipe, &told);
		if (kit.ledger->ops->apply(kit.ledger, entries, BATCH) != 0)
			_exit(1);
		told.acknowledged = true;
		tell(pipe, &told);
	}
	_exit(0);
}

/*
 * Starts the child, reads what it tells, kills it after `acknowledged_max` batches (0: leaves that
 * to a failpoint). Returns whether it was killed.
 */
static bool live_and_die(const struct sqlite_place *place, uint32_t sale, uint64_t seed, size_t acknowledged_max, struct story *story)
{
	size_t acknowledged = 0;
	struct told told;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		work(place, sale, ends[1], seed);
	}
	close(ends[1]);
	story->count = 0;
	while (read(ends[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		assert_true(story->count < 2 * BATCHES_MAX);
		story->told[story->count++] = told;
		acknowledged += told.acknowledged;
		if (acknowledged_max && acknowledged == acknowledged_max)
			kill(child, SIGKILL);
	}
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* How many orders of a batch are there. */
static size_t count_there(struct kit *kit, const struct told *told)
{
	struct ledger_order order;
	size_t there = 0;

	for (size_t i = 0; i < BATCH; i++)
		there += kit->ledger->ops->order_get(kit->ledger, &told->ids[i], &order) == LEDGER_DONE;
	return there;
}

static void judge(const struct sqlite_place *place, uint32_t sale, const struct story *story)
{
	struct kit kit = {.sale = sale};

	assert_int_equal(ledger_sqlite_open(&kit.ledger, place->path, LEDGER_OPEN_LEASE), 0);
	for (size_t i = 0; i < story->count; i++) {
		size_t there = count_there(&kit, &story->told[i]);

		if (story->told[i].acknowledged)
			assert_int_equal(there, BATCH);
		else
			assert_true(there == 0 || there == BATCH);
	}
	kit_assert_audit(&kit);
	kit.ledger->ops->free(kit.ledger);
}

static void test_acknowledged_orders_outlive_a_kill_at_each_step(void **state)
{
	static const char *const points[] = {"ledger.begin=kill@5",         "ledger.insert=kill@3",
					     "ledger.insert=kill@43",       "ledger.before_commit=kill@0",
					     "ledger.before_commit=kill@7", "ledger.after_commit=kill@0",
					     "ledger.after_commit=kill@9"};
	struct sqlite_place *place = sqlite_place_new();
	uint32_t sale = stock_up(place);
	static struct story story;

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		failpoints_set(points[i]);
		assert_true(live_and_die(place, sale, i + 1, 0, &story));
		failpoints_set("");
		judge(place, sale, &story);
	}
	sqlite_place_free(place);
}

static void test_acknowledged_orders_outlive_kills_at_moments_of_chance(void **state)
{
	struct sqlite_place *place = sqlite_place_new();
	uint32_t sale = stock_up(place);
	static struct story story;

	(void)state;
	for (size_t round = 1; round <= 12; round++) {
		assert_true(live_and_die(place, sale, 100 + round, 3 * round - 2, &story));
		judge(place, sale, &story);
	}
	sqlite_place_free(place);
}

static void test_forgotten_fsync_is_seen_by_this_very_test(void **state)
{
	struct sqlite_place *place = sqlite_place_new();
	uint32_t sale = stock_up(place);
	struct kit kit = {.sale = sale};
	static struct story story;
	size_t lost = 0;

	(void)state;
	failpoints_set("ledger.forget_fsync=on,ledger.before_commit=kill@20"); /* before the switch commits after all: it does so now and then */
	assert_true(live_and_die(place, sale, 1, 0, &story));
	failpoints_set("");
	assert_int_equal(ledger_sqlite_open(&kit.ledger, place->path, LEDGER_OPEN_LEASE), 0);
	for (size_t i = 0; i < story.count; i++)
		lost += story.told[i].acknowledged && count_there(&kit, &story.told[i]) < BATCH;
	assert_true(lost > 0);
	kit.ledger->ops->free(kit.ledger);
	sqlite_place_free(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acknowledged_orders_outlive_a_kill_at_each_step),
		cmocka_unit_test(test_acknowledged_orders_outlive_kills_at_moments_of_chance),
		cmocka_unit_test(test_forgotten_fsync_is_seen_by_this_very_test),
	};

	log_set_level(LOG_OFF);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ledger: sqlite crash", tests, NULL, NULL);
}

/* Whose turn it is to write: an operator's beside a stream of batches. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"
#include "model/limits.h"

enum {
	BATCH = 8,
	UNITS = UNITS_MAX / 2, /* more than are sold while a test may last */
	ROUNDS = 5,
	/*
	 * Batches that pass before one operator's change is done: the one that is being written,
	 * and those that begin before the change is asked for, which take as many more as this
	 * thread may be kept from the core by others. Where turns are not kept it is thousands.
	 */
	PASSED_MAX = 200,
};

/* Writes batch after batch and asks for the next turn at once. */
struct stream {
	struct kit kit;
	uint32_t sale;
	_Atomic int64_t batches;
	_Atomic bool ended;
	_Atomic int failed;
};

static void *write_on(void *argument)
{
	struct stream *stream = argument;
	struct event events[BATCH];
	struct ledger_entry entries[BATCH];

	while (!atomic_load(&stream->ended) && !atomic_load(&stream->failed)) {
		for (size_t i = 0; i < BATCH; i++) {
			events[i] = kit_reserved(&stream->kit, 0, 1, "ann");
			kit_in_sale(&stream->kit, &events[i], stream->sale);
			events[i].key = SLICE_NULL;
			events[i].buyer_units = 0;
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		atomic_store(&stream->failed, stream->kit.ledger->ops->apply(stream->kit.ledger, entries, BATCH));
		atomic_fetch_add(&stream->batches, 1);
	}
	return NULL;
}

/*
 * On one core, where who is woken does not push aside who runs: there the writer has the lock again
 * before another has woken up, every time.
 */
static void stay_behind(cpu_set_t *before)
{
	const struct sched_param none = {0};
	cpu_set_t one;
	int core = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(*before), before), 0);
	while (!CPU_ISSET(core, before))
		core++;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
}

static void stay_behind_no_more(const cpu_set_t *before)
{
	const struct sched_param none = {0};

	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(*before), before), 0);
}

static void test_operator_gets_a_turn_beside_a_stream_of_batches(void **state)
{
	struct kit *kit = &((struct ledger_fixture *)*state)->kit;
	struct stream stream = {.kit = *kit, .sale = kit_big_sale(kit, UNITS)};
	struct ledger_actor actor = kit_actor(kit);
	int64_t passed = 0, on_hand;
	cpu_set_t before;
	pthread_t thread;

	stream.kit.ids = (struct uuid_generator){0};
	stay_behind(&before);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &stream), 0);
	for (int round = 0; round < ROUNDS && !atomic_load(&stream.failed); round++) {
		struct uuid movement = kit_id(kit);
		int64_t from = atomic_load(&stream.batches);

		while (atomic_load(&stream.batches) == from && !atomic_load(&stream.failed))
			sched_yield();
		from = atomic_load(&stream.batches);
		assert_int_equal(kit->ledger->ops->item_receive(kit->ledger, SLICE("SHIRT"), 1, &movement, &actor, &on_hand),
				 LEDGER_DONE);
		passed += atomic_load(&stream.batches) - from;
	}
	atomic_store(&stream.ended, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	stay_behind_no_more(&before);
	assert_int_equal(atomic_load(&stream.failed), 0);
	assert_in_range(passed, 0, ROUNDS * PASSED_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_turns_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_operator_gets_a_turn_beside_a_stream_of_batches),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

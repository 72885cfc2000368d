/* The simulated ledger fails on demand: each fault, as its clients meet it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "contract/ledger_kit.h"
#include "simulation/ledger/ledger_sim.h"
#include "simulation/scheduler/scheduler.h"

enum { ALWAYS = 1000000, SEEDS = 100 };
static const int64_t MS = 1000000;

/* A server and a client with the kit's warehouse, in a run of their own. */
struct scene {
	struct scheduler *scheduler;
	struct node *client;
	struct ledger_sim *sim;
	struct kit kit;
	uint64_t seed;
	void (*play)(struct scene *scene);
};

static struct ledger *open_as(struct scene *scene, int flags)
{
	struct ledger *ledger;

	assert_int_equal(ledger_sim_open(scene->sim, &ledger, flags), 0);
	return ledger;
}

static void begin_scene(void *argument)
{
	struct scene *scene = argument;

	kit_stock(&scene->kit, open_as(scene, LEDGER_OPEN_SHARED));
	scene->play(scene);
}

/* The run's fingerprint. */
static uint64_t play(uint64_t seed, void (*what)(struct scene *scene))
{
	struct scene scene = {.seed = seed, .play = what};
	struct ledger_audit audit;
	enum scheduler_end end;
	uint64_t fingerprint;

	scene.scheduler = scheduler_new(&(struct scheduler_settings){.seed = seed});
	scene.client = scheduler_node_new(scene.scheduler, "client", NULL);
	scene.sim = ledger_sim_new(scheduler_node_new(scene.scheduler, "server", NULL)->clock, seed);
	scheduler_start(scene.client, "client", begin_scene, &scene);
	end = scheduler_run(scene.scheduler);
	if (end != SCHEDULER_ENDED)
		scheduler_dump(scene.scheduler, stderr);
	assert_int_equal(end, SCHEDULER_ENDED);
	fingerprint = scheduler_fingerprint(scene.scheduler);
	ledger_sim_power_on(scene.sim);
	ledger_sim_settle(scene.sim);
	assert_int_equal(ledger_sim_audit(scene.sim, &audit), 0);
	assert_string_equal(audit.first, "");
	ledger_sim_drop(scene.sim, NULL, true);
	ledger_sim_free(scene.sim);
	scheduler_free(scene.scheduler);
	return fingerprint;
}

static void set(struct scene *scene, struct ledger_sim_chances chances)
{
	ledger_sim_set_chances(scene->sim, &chances);
}

/* *outcome: the entry's. What apply() came to. */
static int apply(struct kit *kit, const struct event *event, int *outcome)
{
	struct ledger_entry entry = {event, 1};
	int result = kit->ledger->ops->apply(kit->ledger, &entry, 1);

	*outcome = entry.outcome;
	return result;
}

static int find(struct kit *kit, const struct event *event)
{
	struct ledger_order order;

	return kit->ledger->ops->order_get(kit->ledger, &event->id, &order);
}

/* As long as who tries again waits at the most. */
static void wait_a_while(void)
{
	pause_sleep(1100 * MS);
}

/* --- A change whose end nobody can say --- */

static void play_done(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	const char *reason;
	int outcome;

	set(scene, (struct ledger_sim_chances){.done = ALWAYS});
	assert_int_equal(apply(kit, &event, &outcome), -EINPROGRESS);
	assert_int_equal(outcome, -EINPROGRESS);
	assert_int_equal(kit->ledger->ops->health(kit->ledger, &reason), -ENOTCONN);
	set(scene, (struct ledger_sim_chances){0});
	wait_a_while();
	assert_int_equal(apply(kit, &event, &outcome), 0);
	assert_int_equal(outcome, LEDGER_ALREADY);
	assert_int_equal(kit->ledger->ops->recover(kit->ledger), 0);
	assert_int_equal(kit->ledger->ops->health(kit->ledger, &reason), 0);
}

static void test_change_is_done_and_nobody_can_say(void **state)
{
	(void)state;
	play(1, play_done);
}

static void play_undone(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	int outcome;

	set(scene, (struct ledger_sim_chances){.undone = ALWAYS});
	assert_int_equal(apply(kit, &event, &outcome), -EINPROGRESS);
	assert_int_equal(outcome, -EINPROGRESS);
	set(scene, (struct ledger_sim_chances){0});
	wait_a_while();
	assert_int_equal(apply(kit, &event, &outcome), 0);
	assert_int_equal(outcome, LEDGER_DONE);
}

static void test_change_is_not_done_and_nobody_can_say(void **state)
{
	(void)state;
	play(1, play_undone);
}

static int came, stayed_away;

/* It is not there when it is looked for, and then, for some, it is. */
static void play_late(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	int outcome, found;

	set(scene, (struct ledger_sim_chances){.late = ALWAYS});
	assert_int_equal(apply(kit, &event, &outcome), -EINPROGRESS);
	set(scene, (struct ledger_sim_chances){0});
	assert_int_equal(find(kit, &event), LEDGER_NOT_FOUND);
	pause_sleep((int64_t)(scene->seed % 5) * 1200 * MS);
	found = find(kit, &event);
	wait_a_while();
	assert_int_equal(apply(kit, &event, &outcome), 0);
	if (found == LEDGER_DONE)
		assert_int_equal(outcome, LEDGER_ALREADY);
	came += outcome == LEDGER_ALREADY;
	stayed_away += outcome == LEDGER_DONE;
	assert_int_equal(find(kit, &event), LEDGER_DONE);
}

static void test_change_comes_late_or_never_and_is_done_once(void **state)
{
	(void)state;
	came = stayed_away = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_late);
	assert_in_range(came, 1, SEEDS - 1);
	assert_int_equal(came + stayed_away, SEEDS);
}

/* The positions of a drain move with what comes late, or not at all. */
static void play_late_drain(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	struct ledger_entry entry = {&event, -1};
	uint64_t mark;
	int64_t next = 0;
	int result;

	set(scene, (struct ledger_sim_chances){.late = ALWAYS});
	assert_int_equal(kit_drain(kit, 0, &entry, 1), -EINPROGRESS);
	set(scene, (struct ledger_sim_chances){0});
	wait_a_while();
	result = kit->ledger->ops->journal_position(kit->ledger, 0, &next, &mark);
	if (result == LEDGER_DONE)
		assert_int_equal(next, 1);
	else
		assert_int_equal(result, LEDGER_NOT_FOUND);
	assert_int_equal(find(kit, &event), result);
	came += result == LEDGER_DONE;
	pause_sleep(6000 * MS);
	assert_int_equal(find(kit, &event), result); /* who has a new session knows */
}

static void test_drain_comes_late_with_its_position_or_never(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_late_drain);
	assert_in_range(came, 1, SEEDS - 1);
}

static void play_lost(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	int outcome;

	set(scene, (struct ledger_sim_chances){.lost = ALWAYS});
	assert_int_equal(apply(kit, &event, &outcome), -ENOTCONN);
	assert_true(outcome == -EINPROGRESS || outcome == -ENOTCONN);
	came += outcome == -ENOTCONN;
	set(scene, (struct ledger_sim_chances){0});
	assert_int_equal(apply(kit, &event, &outcome), -ENOTCONN); /* it waits before it tries */
	assert_int_equal(find(kit, &event), LEDGER_NOT_FOUND);
	wait_a_while();
	assert_int_equal(apply(kit, &event, &outcome), 0);
	assert_int_equal(outcome, LEDGER_DONE);
}

static void test_call_that_is_lost_has_done_nothing(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_lost);
	assert_in_range(came, 1, SEEDS - 1);
}

static void play_ended(struct scene *scene)
{
	struct event event = kit_reserved(&scene->kit, KIT_SHIRT, 1, "ann");

	set(scene, (struct ledger_sim_chances){.ended = ALWAYS});
	assert_int_equal(kit_apply(&scene->kit, &event), LEDGER_DONE);
	assert_int_equal(scene->kit.ledger->ops->elect(scene->kit.ledger, true), LEDGER_DONE);
}

static void test_session_that_ended_is_replaced_at_once(void **state)
{
	(void)state;
	play(1, play_ended);
}

/* --- A server that is away --- */

static void play_refusal(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	struct ledger *later, *other;
	const char *reason;
	int outcome;

	ledger_sim_set_presence(scene->sim, LEDGER_SIM_REFUSES);
	assert_int_equal(apply(kit, &event, &outcome), -ENOTCONN);
	assert_int_equal(outcome, -EINPROGRESS); /* nor can be asked for it */
	assert_int_equal(find(kit, &event), -ENOTCONN);
	assert_int_equal(ledger_sim_open(scene->sim, &other, LEDGER_OPEN_SHARED), -ENOTCONN);
	later = open_as(scene, LEDGER_OPEN_SHARED | LEDGER_OPEN_LATER);
	assert_int_equal(later->ops->health(later, &reason), -ENOTCONN);
	assert_int_equal(later->ops->elect(later, true), -ENOTCONN);
	ledger_sim_set_presence(scene->sim, LEDGER_SIM_HERE);
	wait_a_while();
	kit->ledger->ops->free(kit->ledger);
	kit->ledger = later;
	assert_int_equal(find(kit, &event), -ENOTCONN); /* it was not reached yet */
	assert_int_equal(later->ops->elect(later, true), LEDGER_DONE);
	assert_int_equal(later->ops->health(later, &reason), 0);
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
}

static void test_server_that_refuses_is_reached_later(void **state)
{
	(void)state;
	play(1, play_refusal);
}

static void play_silence(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	int64_t begun_ns = clock_mono_ns();
	int outcome;

	ledger_sim_set_presence(scene->sim, LEDGER_SIM_SILENT);
	assert_int_equal(apply(kit, &event, &outcome), -EINPROGRESS);
	assert_true(clock_mono_ns() - begun_ns >= 5000 * MS);
	assert_int_equal(find(kit, &event), -ETIMEDOUT);
	ledger_sim_set_presence(scene->sim, LEDGER_SIM_HERE);
	wait_a_while();
	came += find(kit, &event) == LEDGER_DONE;
	assert_int_equal(apply(kit, &event, &outcome), 0);
}

static void test_server_that_is_silent_has_done_it_or_not(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_silence);
	assert_in_range(came, 1, SEEDS - 1);
}

static void buy_slowly(void *argument)
{
	struct scene *scene = argument;
	struct kit kit = scene->kit;
	struct event event;

	kit.ledger = open_as(scene, LEDGER_OPEN_SHARED);
	kit.ids = (struct uuid_generator){0};
	event = kit_reserved(&kit, KIT_SHIRT, 1, "ben");
	for (came = 0; came < 3; came++)
		assert_int_equal(kit_apply(&kit, &event), came ? LEDGER_ALREADY : LEDGER_DONE);
	kit.ledger->ops->free(kit.ledger);
}

static void play_slow(struct scene *scene)
{
	int64_t begun_ns;
	struct event event = kit_reserved(&scene->kit, KIT_SHIRT, 1, "ann");

	came = 0;
	scheduler_start(scheduler_node_new(scene->scheduler, "other", NULL), "other", buy_slowly, scene);
	while (came == 0)
		pause_sleep(MS);
	begun_ns = clock_mono_ns();
	set(scene, (struct ledger_sim_chances){.slow = ALWAYS, .slow_ns = 10000 * MS});
	assert_int_equal(kit_apply(&scene->kit, &event), LEDGER_DONE);
	assert_true(clock_mono_ns() - begun_ns > 10 * MS);
	set(scene, (struct ledger_sim_chances){0});
}

static void test_call_that_is_slow_takes_time_and_holds_up_nobody_else(void **state)
{
	(void)state;
	play(1, play_slow);
	assert_int_equal(came, 3);
}

/* --- The election --- */

static void play_silent_leader(struct scene *scene)
{
	struct ledger *first = scene->kit.ledger, *second = open_as(scene, LEDGER_OPEN_SHARED);

	assert_int_equal(first->ops->elect(first, true), LEDGER_DONE);
	pause_sleep(4900 * MS);
	assert_int_equal(second->ops->elect(second, true), LEDGER_LEASE_HELD);
	pause_sleep(200 * MS);
	assert_int_equal(second->ops->elect(second, true), LEDGER_DONE);
	assert_int_equal(first->ops->elect(first, true), LEDGER_LEASE_HELD);
}

static void test_elected_one_that_is_silent_is_so_no_longer(void **state)
{
	(void)state;
	play(1, play_silent_leader);
}

static void lead(void *argument)
{
	struct scene *scene = argument;
	struct ledger *ledger = open_as(scene, LEDGER_OPEN_SHARED);

	assert_int_equal(ledger->ops->elect(ledger, true), LEDGER_DONE);
	for (;;)
		pause_sleep(1000 * MS);
}

static void play_dead_leader(struct scene *scene)
{
	struct ledger *mine = scene->kit.ledger;

	for (int at_once = 0; at_once <= 1; at_once++) {
		struct node *leader = scheduler_node_new(scene->scheduler, "leader", NULL);

		scheduler_start(leader, "leader", lead, scene);
		pause_sleep(100 * MS);
		assert_int_equal(mine->ops->elect(mine, true), LEDGER_LEASE_HELD);
		scheduler_kill(leader);
		ledger_sim_drop(scene->sim, leader, at_once);
		if (!at_once) {
			assert_int_equal(mine->ops->elect(mine, true), LEDGER_LEASE_HELD);
			pause_sleep(5000 * MS);
		}
		assert_int_equal(mine->ops->elect(mine, true), LEDGER_DONE);
		assert_int_equal(mine->ops->elect(mine, false), LEDGER_LEASE_HELD);
	}
}

static void test_elected_one_that_was_killed_is_followed(void **state)
{
	(void)state;
	play(1, play_dead_leader);
}

/* --- Other contents --- */

static void play_restore(struct scene *scene)
{
	struct kit *kit = &scene->kit;
	struct event before = kit_reserved(kit, KIT_SHIRT, 1, "ann"), behind = kit_reserved(kit, KIT_SHIRT, 1, "ben");

	assert_int_equal(kit_apply(kit, &before), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->elect(kit->ledger, true), LEDGER_DONE);
	ledger_sim_back_up(scene->sim);
	assert_int_equal(kit_apply(kit, &behind), LEDGER_DONE);
	ledger_sim_restore(scene->sim);
	assert_int_equal(find(kit, &before), LEDGER_DONE);
	assert_int_equal(find(kit, &behind), LEDGER_NOT_FOUND);
	assert_int_equal(kit_apply(kit, &behind), LEDGER_DONE);
	ledger_sim_restore(scene->sim); /* the backup stays */
	assert_int_equal(find(kit, &before), LEDGER_DONE);
	assert_int_equal(find(kit, &behind), LEDGER_NOT_FOUND);
}

static void test_restored_ledger_has_what_the_backup_had(void **state)
{
	(void)state;
	play(1, play_restore);
}

static void play_another_log(struct scene *scene)
{
	struct ledger *ledger = scene->kit.ledger;
	struct event event = kit_reserved(&scene->kit, KIT_SHIRT, 1, "ann");
	uint32_t partitions = 3;
	char *known = NULL;

	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("one"), SLICE("topic"), &partitions, &known), LEDGER_DONE);
	assert_int_equal(kit_apply(&scene->kit, &event), LEDGER_DONE);
	assert_true(ledger_sim_forget_log(scene->sim));
	partitions = 5;
	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("other"), SLICE("topic"), &partitions, &known), LEDGER_DONE);
	assert_int_equal(partitions, 5);
	assert_int_equal(find(&scene->kit, &event), LEDGER_DONE);
	free(known);
}

static void test_ledger_that_has_forgotten_its_log_takes_another(void **state)
{
	(void)state;
	play(1, play_another_log);
}

static const char *const names[KIT_SHIRTS] = {"ann", "ben", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "jon"};

static void play_power_cut(struct scene *scene)
{
	enum { ORDERS = KIT_SHIRTS };
	struct kit *kit = &scene->kit;
	struct event events[ORDERS];
	int told[ORDERS];
	size_t count;

	ledger_sim_cut_power(scene->sim, 1 + (unsigned int)scene->seed / 4); /* an order takes two writes */
	for (count = 0; count < ORDERS && !ledger_sim_is_off(scene->sim); count++) {
		events[count] = kit_reserved(kit, KIT_SHIRT, 1, names[count]);
		told[count] = kit_apply(kit, &events[count]);
	}
	came += ledger_sim_is_off(scene->sim);
	if (ledger_sim_is_off(scene->sim)) {
		assert_int_equal(told[count - 1], -EINPROGRESS);
		assert_int_equal(find(kit, &events[0]), -ENOTCONN);
		assert_null(ledger_sim_database(scene->sim));
	}
	ledger_sim_power_on(scene->sim);
	wait_a_while();
	for (size_t i = 0; i < count; i++)
		if (told[i] == LEDGER_DONE)
			assert_int_equal(find(kit, &events[i]), LEDGER_DONE);
	for (size_t i = 0; i < count; i++)
		assert_in_range(kit_apply(kit, &events[i]), LEDGER_DONE, LEDGER_ALREADY);
}

static void test_power_cut_of_the_server_keeps_what_was_told(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_power_cut);
	assert_in_range(came, SEEDS / 3, SEEDS - 1);
}

/*
 * What an operator does to the server closes its ledger and opens it again: writes, in which its
 * power can go.
 */
static void play_power_cut_of(struct scene *scene, void (*what)(struct ledger_sim *sim))
{
	struct kit *kit = &scene->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");

	ledger_sim_back_up(scene->sim);
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	ledger_sim_cut_power(scene->sim, 1 + (unsigned int)scene->seed);
	what(scene->sim);
	came += ledger_sim_is_off(scene->sim);
	if (ledger_sim_is_off(scene->sim))
		assert_int_equal(find(kit, &event), -ENOTCONN);
	ledger_sim_power_on(scene->sim);
	wait_a_while();
	assert_int_equal(find(kit, &event), LEDGER_DONE);
	ledger_sim_restore(scene->sim); /* of before the cut, or of now */
	assert_in_range(kit_apply(kit, &event), LEDGER_DONE, LEDGER_ALREADY);
}

static void play_power_cut_of_a_backup(struct scene *scene)
{
	play_power_cut_of(scene, ledger_sim_back_up);
}

/* A ledger that was not told to forget, though its operator thought so, stalls at the other log. */
static void forget_until_it_is_done(struct ledger_sim *sim)
{
	bool forgotten = ledger_sim_forget_log(sim);

	assert_true(forgotten || ledger_sim_is_off(sim));
	if (!forgotten)
		assert_false(ledger_sim_forget_log(sim)); /* nobody has turned it on */
}

static void play_power_cut_of_forgetting(struct scene *scene)
{
	struct ledger *ledger = scene->kit.ledger;
	uint32_t partitions = 3;
	char *known = NULL;

	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("one"), SLICE("topic"), &partitions, &known), LEDGER_DONE);
	play_power_cut_of(scene, forget_until_it_is_done);
	assert_true(ledger_sim_forget_log(scene->sim));
	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("other"), SLICE("topic"), &partitions, &known), LEDGER_DONE);
	free(known);
}

static void test_power_cut_while_an_operator_is_at_the_server(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		play(seed, play_power_cut_of_a_backup);
		play(seed, play_power_cut_of_forgetting);
	}
	assert_in_range(came, 10, 2 * SEEDS);
}

/* --- A client that is killed, wherever it is --- */

enum { BUYERS = 2, EACH = 4 };

struct buyer {
	struct scene *scene;
	struct node *node;
	struct kit kit;
	size_t first; /* of its names */
	struct event events[EACH];
	int told[EACH];
	bool over;
};

static void keep_buying(void *argument)
{
	struct buyer *buyer = argument;

	buyer->kit.ledger = open_as(buyer->scene, LEDGER_OPEN_SHARED);
	for (size_t i = 0; i < EACH; i++) {
		buyer->events[i] = kit_reserved(&buyer->kit, KIT_SHIRT, 1, names[buyer->first + i]);
		buyer->told[i] = kit_apply(&buyer->kit, &buyer->events[i]);
	}
	buyer->over = true;
}

static void play_kill(struct scene *scene)
{
	struct buyer buyers[BUYERS];

	set(scene, (struct ledger_sim_chances){.usual_ns = 10 * MS, .late = 50000});
	for (size_t i = 0; i < BUYERS; i++) {
		buyers[i] = (struct buyer){.scene = scene, .kit = scene->kit, .first = i * EACH, .told = {1000, 1000, 1000, 1000}};
		buyers[i].kit.ids = (struct uuid_generator){0};
		buyers[i].node = scheduler_node_new(scene->scheduler, "buyer", NULL);
		scheduler_start(buyers[i].node, "buyer", keep_buying, &buyers[i]);
	}
	pause_sleep((int64_t)scene->seed * MS);
	scheduler_kill(buyers[0].node);
	ledger_sim_drop(scene->sim, buyers[0].node, true);
	while (!buyers[1].over)
		pause_sleep(MS);
	for (size_t i = 0; i < BUYERS; i++)
		for (size_t j = 0; j < EACH && buyers[i].told[j] != 1000; j++)
			if (buyers[i].told[j] == LEDGER_DONE)
				assert_int_equal(find(&scene->kit, &buyers[i].events[j]), LEDGER_DONE);
	came += !buyers[0].over;
}

static void test_client_that_is_killed_anywhere_leaves_the_server_whole(void **state)
{
	(void)state;
	came = 0;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		play(seed, play_kill);
	assert_in_range(came, SEEDS / 3, SEEDS);
}

static void test_same_seed_makes_the_same_run(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++)
		assert_int_equal(play(seed, play_kill), play(seed, play_kill));
	assert_int_not_equal(play(1, play_kill), play(2, play_kill));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change_is_done_and_nobody_can_say),
		cmocka_unit_test(test_change_is_not_done_and_nobody_can_say),
		cmocka_unit_test(test_change_comes_late_or_never_and_is_done_once),
		cmocka_unit_test(test_drain_comes_late_with_its_position_or_never),
		cmocka_unit_test(test_call_that_is_lost_has_done_nothing),
		cmocka_unit_test(test_session_that_ended_is_replaced_at_once),
		cmocka_unit_test(test_server_that_refuses_is_reached_later),
		cmocka_unit_test(test_server_that_is_silent_has_done_it_or_not),
		cmocka_unit_test(test_call_that_is_slow_takes_time_and_holds_up_nobody_else),
		cmocka_unit_test(test_elected_one_that_is_silent_is_so_no_longer),
		cmocka_unit_test(test_elected_one_that_was_killed_is_followed),
		cmocka_unit_test(test_restored_ledger_has_what_the_backup_had),
		cmocka_unit_test(test_ledger_that_has_forgotten_its_log_takes_another),
		cmocka_unit_test(test_power_cut_of_the_server_keeps_what_was_told),
		cmocka_unit_test(test_power_cut_while_an_operator_is_at_the_server),
		cmocka_unit_test(test_client_that_is_killed_anywhere_leaves_the_server_whole),
		cmocka_unit_test(test_same_seed_makes_the_same_run),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("faults of the simulated ledger", tests, NULL, NULL);
}

/* Who goes when there is no room: seats whose idle time the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "http/peers.h"

enum { SEATS = 400 };
#define NOW_NS INT64_C(1000000000000)

struct chair {
	struct peer_seat seat; /* first */
	int64_t since_ns;
};

static struct peers peers;
static struct chair chairs[SEATS];

static int set_up(void **state)
{
	(void)state;
	memset(chairs, 0, sizeof(chairs));
	return peers_init(&peers, SEATS);
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < SEATS; i++)
		peers_leave(&peers, &chairs[i].seat);
	assert_int_equal(peers.rank_top, 0);
	peers_deinit(&peers);
	return 0;
}

static struct address address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(slice_of(text), &address), 0);
	return address;
}

/* idle_ns ago; negative: busy. */
static void join(int chair, const char *text, int64_t idle_ns)
{
	struct address client = address(text);

	chairs[chair].since_ns = idle_ns < 0 ? INT64_MAX : NOW_NS - idle_ns;
	peers_join(&peers, &chairs[chair].seat, &client);
	assert_non_null(chairs[chair].seat.group);
}

static int64_t idle_since(const struct peer_seat *seat)
{
	return ((const struct chair *)seat)->since_ns;
}

/* The number of the chair; -1: nobody. */
static int victim(const char *newcomer)
{
	struct address client = address(newcomer);
	struct peer_seat *seat = peers_victim(&peers, &client, NOW_NS, idle_since);

	return seat ? (int)((struct chair *)seat - chairs) : -1;
}

static void test_the_longest_idle_of_the_greediest_goes(void **state)
{
	(void)state;
	assert_int_equal(victim("192.0.2.1"), -1);
	join(0, "192.0.2.1", 9000000000); /* idle for ever so long, but alone */
	join(1, "192.0.2.2", 10);
	join(2, "192.0.2.2", 30);
	join(3, "192.0.2.2", 20);
	join(4, "192.0.2.2", -1);
	assert_int_equal(victim("192.0.2.9"), 2);
	peers_leave(&peers, &chairs[2].seat);
	assert_int_equal(victim("192.0.2.9"), 3);
	chairs[1].since_ns = chairs[3].since_ns = INT64_MAX; /* all are busy: the next greedy one */
	assert_int_equal(victim("192.0.2.9"), 0);
}

static void test_who_is_not_greedier_gives_way_only_after_a_while(void **state)
{
	(void)state;
	join(0, "192.0.2.1", PEERS_YOUNG_NS - 1); /* perhaps its request is on its way */
	join(1, "192.0.2.2", 5);
	assert_int_equal(victim("192.0.2.3"), -1);
	chairs[0].since_ns--;
	assert_int_equal(victim("192.0.2.3"), 0);
	/* One's own place is one's own to give. */
	chairs[0].since_ns = NOW_NS;
	assert_int_equal(victim("192.0.2.1"), 0);
}

static void test_a_48_is_one_site_and_its_networks_are_judged_apart(void **state)
{
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	for (int i = 0; i < 20; i++) { /* one connection from each network */
		snprintf(text, sizeof(text), "2001:db8:1:%x::1", i + 1);
		join(i, text, 100 + i);
	}
	for (int i = 20; i < 25; i++)
		join(i, "192.0.2.1", 5000 + i);
	join(30, "2001:db8:1:ff::1", 1);
	join(31, "2001:db8:1:ff::2", 2);
	assert_int_equal(victim("192.0.2.9"), 31); /* of the /48 that has most, the /64 that has most */
	for (int i = 0; i < 20; i++)
		peers_leave(&peers, &chairs[i].seat);
	assert_int_equal(victim("192.0.2.9"), 24); /* now the IPv4 address has most */
}

static void test_among_very_many_another_part_is_looked_at_each_time(void **state)
{
	bool gone[SEATS] = {false};

	(void)state;
	for (int i = 0; i < SEATS; i++)
		join(i, "192.0.2.1", 2 * PEERS_YOUNG_NS - i);
	for (int i = 0; i < SEATS; i++) {
		int who = victim("192.0.2.9");

		assert_true(who >= 0);
		assert_false(gone[who]);
		gone[who] = true;
		peers_leave(&peers, &chairs[who].seat);
	}
	assert_int_equal(victim("192.0.2.9"), -1);
}

static void test_a_client_is_counted_by_its_address_or_its_64(void **state)
{
	const struct address v4 = address("192.0.2.1"), v6 = address("2001:db8::ffff"), other = address("2001:db8:0:1::1");

	(void)state;
	join(0, "192.0.2.1", 1);
	join(1, "192.0.2.1", 1);
	join(2, "2001:db8::1", 1);
	assert_int_equal(peers_count(&peers, &v4), 2);
	assert_int_equal(peers_count(&peers, &v6), 1);
	assert_int_equal(peers_count(&peers, &other), 0);
	peers_leave(&peers, &chairs[0].seat);
	assert_int_equal(peers_count(&peers, &v4), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_client_is_counted_by_its_address_or_its_64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_longest_idle_of_the_greediest_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_not_greedier_gives_way_only_after_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_48_is_one_site_and_its_networks_are_judged_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_among_very_many_another_part_is_looked_at_each_time, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

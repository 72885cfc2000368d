/* The journal reader's contract, held by a real Kafka broker; and the end of a client of Kafka. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/journal_reader_suite.h"

#ifdef PENSTOCK_TESTING
/* librdkafka may join a thread of its own for ever: a stop must not. */
static void test_client_that_does_not_end_is_left_behind(void **state)
{
	void *topic = log_place_kafka.topic_new(LOG_PLAIN);
	struct journal_reader *reader = log_place_kafka.open_reader(topic);

	(void)state;
	failpoints_set("kafka.client_end=hold");
	reader->ops->free(reader);
	failpoints_set(NULL);
	log_place_kafka.topic_free(topic);
}
#endif

int main(void)
{
	int failed;

	log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_OFF);
	failed = journal_reader_suite_run(&log_place_kafka);
#ifdef PENSTOCK_TESTING
	{
		const struct CMUnitTest tests[] = {cmocka_unit_test(test_client_that_does_not_end_is_left_behind)};

		failed += cmocka_run_group_tests_name("journal reader: kafka alone", tests, NULL, NULL);
	}
#endif
	return failed;
}

/* The listener for those who watch, asked over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "monitor/monitor.h"
#include "text/json_write.h"

struct bench {
	struct metrics *metrics;
	struct monitor *monitor;
	_Atomic bool ill;
	char answer[65536];
};

static size_t checks(void *context, struct health_check *checks)
{
	struct bench *bench = context;

	checks[0] = (struct health_check){"drain", bench->ill ? "partition 3 is stalled" : NULL, true};
	checks[1] = (struct health_check){"weather", "rain", false};
	return 2;
}

static bool components(void *context, struct buffer *out)
{
	struct bench *bench = context;
	struct health_check all[HEALTH_CHECKS_MAX];
	size_t count = checks(context, all);

	health_render_check(&all[0], "fake", out);
	health_begin_component(out, "weather", "UP");
	json_write_int(out, "drops", 7);
	health_end_component(out);
	(void)bench;
	return health_is_ready(all, count);
}

static double read_seven(void *context)
{
	(void)context;
	return 7;
}

static int bench_open(void **state)
{
	static struct bench bench;
	static struct listen_list places;
	struct slice bad;

	memset(&bench, 0, sizeof(bench));
	assert_int_equal(listen_list_parse(SLICE("127.0.0.1:0"), &places, &bad), 0);
	assert_int_equal(metrics_new(&bench.metrics), 0);
	metrics_reader(bench.metrics, "gauge", "penstock_seven", "Seven.", NULL, read_seven, NULL);
	assert_int_equal(monitor_new(&bench.monitor, &places, bench.metrics,
				     &(struct monitor_source){.context = &bench, .checks = checks, .components = components}),
			 0);
	assert_int_equal(monitor_start(bench.monitor), 0);
	*state = &bench;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *bench = *state;

	monitor_stop(bench->monitor, clock_mono_ns() + INT64_C(5000000000));
	monitor_stop(bench->monitor, 0);
	monitor_free(bench->monitor);
	monitor_free(NULL);
	metrics_free(bench->metrics);
	return 0;
}

/* The whole answer, with its head. */
static const char *ask(struct bench *bench, const char *method, const char *path)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(monitor_port(bench->monitor))};
	char request[256];
	int size = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", method, path);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t got = 0;
	ssize_t part;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, request, (size_t)size), size);
	while ((part = read(fd, bench->answer + got, sizeof(bench->answer) - 1 - got)) > 0)
		got += (size_t)part;
	bench->answer[got] = '\0';
	close(fd);
	return bench->answer;
}

static void assert_answer(const char *answer, const char *status, const char *body)
{
	char line[64];
	const char *end = strstr(answer, "\r\n\r\n");

	snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
	assert_memory_equal(answer, line, strlen(line));
	assert_non_null(end);
	if (body)
		assert_string_equal(end + 4, body);
}

static void test_it_shows_what_it_is_asked_for(void **state)
{
	struct bench *bench = *state;
	const char *answer;

	assert_answer(ask(bench, "GET", "/livez"), "200", "ok\n");
	assert_answer(ask(bench, "GET", "/readyz"), "200", "ready\n");
	assert_answer(ask(bench, "GET", "/readyz?verbose"), "200", "[+]drain ok\n[-]weather rain\nready\n");
	assert_answer(ask(bench, "GET", "/health"), "200",
		      "{\"status\":\"UP\",\"components\":{\"drain\":{\"status\":\"UP\",\"details\":{\"kind\":\"fake\"}},"
		      "\"weather\":{\"status\":\"UP\",\"details\":{\"drops\":7}}}}");
	answer = ask(bench, "GET", "/metrics");
	assert_answer(answer, "200", "# HELP penstock_seven Seven.\n# TYPE penstock_seven gauge\npenstock_seven 7\n");
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_answer(ask(bench, "HEAD", "/metrics"), "200", "");
}

static void test_what_is_ill_is_not_ready(void **state)
{
	struct bench *bench = *state;

	bench->ill = true;
	assert_answer(ask(bench, "GET", "/livez"), "200", "ok\n");
	assert_answer(ask(bench, "GET", "/readyz"), "503", "not ready\n");
	assert_answer(ask(bench, "GET", "/readyz?verbose"), "503", "[-]drain partition 3 is stalled\n[-]weather rain\nnot ready\n");
	assert_answer(ask(bench, "GET", "/health"), "503",
		      "{\"status\":\"DOWN\",\"components\":{\"drain\":{\"status\":\"DOWN\",\"details\":{\"kind\":\"fake\","
		      "\"reason\":\"partition 3 is stalled\"}},\"weather\":{\"status\":\"UP\",\"details\":{\"drops\":7}}}}");
}

static void test_nothing_else_is_there(void **state)
{
	struct bench *bench = *state;
	const char *answer;

	assert_answer(ask(bench, "GET", "/v1/sales"), "404", NULL);
	answer = ask(bench, "POST", "/metrics");
	assert_answer(answer, "405", NULL);
	assert_non_null(strstr(answer, "Allow: GET, HEAD"));
	assert_answer(ask(bench, "OPTIONS", "/metrics"), "204", "");
	answer = ask(bench, "GET", "nonsense");
	assert_answer(answer, "400", NULL);
	assert_non_null(strstr(answer, "application/problem+json"));
}

static const char *stock_is_away(void *context)
{
	(void)context;
	return "stock-unavailable";
}

/* What is not there yet is no 404: a buyer would not ask again. */
static void test_who_waits_tells_all_but_the_probes_to_ask_again(void **state)
{
	struct bench *bench = *state, waiting = {.metrics = bench->metrics};
	struct monitor_source source = {
		.context = &waiting, .checks = checks, .components = components, .away = stock_is_away, .probes_only = true};
	struct listen_list places = {.count = 1};
	const char *answer;

	assert_int_equal(address_parse(SLICE("127.0.0.1"), &places.items[0].address), 0);
	assert_int_equal(monitor_new(&waiting.monitor, &places, bench->metrics, &source), 0);
	assert_int_equal(monitor_start(waiting.monitor), 0);
	answer = ask(&waiting, "POST", "/v1/sales/drop/orders");
	assert_answer(answer, "503", NULL);
	assert_non_null(strstr(answer, "Retry-After: 1"));
	assert_non_null(strstr(answer, "stock-unavailable"));
	assert_answer(ask(&waiting, "GET", "/metrics"), "503", NULL); /* figures are not for everybody */
	assert_answer(ask(&waiting, "GET", "/livez"), "200", NULL);
	assert_answer(ask(bench, "GET", "/v1/sales"), "404", NULL);
	monitor_free(waiting.monitor);
}

static void test_a_port_that_is_taken_stops_the_start(void **state)
{
	struct bench *bench = *state;
	struct listen_list places = {.count = 1};
	struct monitor *other = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(address_parse(SLICE("127.0.0.1"), &places.items[0].address), 0);
	places.items[0].port = ntohs(address.sin_port);
	assert_int_equal(monitor_new(&other, &places, bench->metrics,
				     &(struct monitor_source){.context = bench, .checks = checks, .components = components}),
			 -EADDRINUSE);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_shows_what_it_is_asked_for),
		TEST(what_is_ill_is_not_ready),
		TEST(nothing_else_is_there),
		TEST(who_waits_tells_all_but_the_probes_to_ask_again),
		TEST(a_port_that_is_taken_stops_the_start),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}

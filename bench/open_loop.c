/*
 * Purchases at a fixed rate, whatever becomes of those before: an open loop, as a crowd is that
 * nobody can slow down.
 *
 *   open_loop PORT FILE SIZE FIRST RATE MS CONNECTIONS STATUS PID
 *
 * For MS milliseconds RATE requests a second of FILE (SIZE bytes each, from number FIRST on) are
 * due, evenly spread. Each is sent as soon as it is due and one of CONNECTIONS has no request under
 * way. Its latency counts from when it was due, not from when it was sent: where the server holds
 * all connections up, those who wait for one wait too. Waits for every answer, up to 20 s longer.
 * Prints a JSON object: how many had STATUS and how many another one, the latencies of each kind,
 * how late the load itself was where a connection was free, CPU nanoseconds of the process PID in
 * all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include "sender.h"

enum { CONNECTIONS_MAX = 8192, EVENTS_MAX = 512, PATIENCE_MS = 20000 };
static const int64_t second_ns = 1000000000;

struct connection {
	int fd;
	int64_t due_ns; /* of the request under way */
	struct answer answer;
};

struct latencies {
	int64_t *ns;
	size_t count;
};

static struct connection connections[CONNECTIONS_MAX];
static size_t idle[CONNECTIONS_MAX], idle_count;
static struct latencies wanted, others, own; /* own: from due, or from a connection's getting free, to sent */

static void open_connections(int epoll, int port, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = i}};

		connections[i].fd = connect_to(port);
		if (fcntl(connections[i].fd, F_SETFL, O_NONBLOCK) != 0)
			die("a socket cannot be made non-blocking");
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0)
			die("epoll");
		idle[idle_count++] = i;
	}
}

static void note(struct latencies *latencies, int64_t ns)
{
	latencies->ns[latencies->count++] = ns;
}

static void receive(size_t index, int expected)
{
	struct connection *connection = &connections[index];
	int status = receive_answer(connection->fd, &connection->answer);

	if (status == 0)
		return;
	note(status == expected ? &wanted : &others, now_ns(CLOCK_MONOTONIC) - connection->due_ns);
	connection->answer.size = 0;
	idle[idle_count++] = index;
}

static void send_request(const char *request, size_t size, int64_t due_ns)
{
	struct connection *connection = &connections[idle[--idle_count]];

	connection->due_ns = due_ns;
	send_whole(connection->fd, request, size);
}

/* Of sorted ones, in microseconds; `part` of 1,000. */
static double percentile(const struct latencies *latencies, size_t part)
{
	size_t index = latencies->count * part / 1000;

	if (latencies->count == 0)
		return 0;
	return (double)latencies->ns[index < latencies->count ? index : latencies->count - 1] / 1000;
}

static void print_latencies(const char *name, struct latencies *latencies)
{
	qsort(latencies->ns, latencies->count, sizeof(*latencies->ns), by_value);
	printf("\"%s\":{\"count\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f},", name, latencies->count,
	       percentile(latencies, 500), percentile(latencies, 990), percentile(latencies, 999));
}

/* Until `due_ns`, or, where that is past, not at all. Takes what has been answered. */
static void wait_for_answers(int epoll, int64_t due_ns, int expected)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t left_ns = due_ns - now_ns(CLOCK_MONOTONIC);
	struct timespec left = {.tv_sec = left_ns > 0 ? left_ns / second_ns : 0, .tv_nsec = left_ns > 0 ? left_ns % second_ns : 0};
	int count = epoll_pwait2(epoll, events, EVENTS_MAX, &left, NULL);

	if (count < 0 && errno != EINTR)
		die("epoll");
	for (int i = 0; i < count; i++)
		receive(events[i].data.u64, expected);
}

static void run(int epoll, const char *requests, size_t size, size_t count, double each_ns, int expected)
{
	int64_t start_ns = now_ns(CLOCK_MONOTONIC),
		end_ns = start_ns + (int64_t)((double)count * each_ns) + PATIENCE_MS * INT64_C(1000000), free_ns = start_ns;
	size_t sent = 0;

	while (wanted.count + others.count < count) {
		int64_t due_ns = start_ns + (int64_t)((double)sent * each_ns), now = now_ns(CLOCK_MONOTONIC);
		bool full = idle_count == 0;

		if (now > end_ns)
			die("not every request was answered");
		if (sent < count && !full && due_ns <= now) {
			note(&own, now - (due_ns > free_ns ? due_ns : free_ns));
			send_request(requests + sent++ * size, size, due_ns);
			/* A burst that is due at once must not keep the answers waiting. */
			if (sent % 32 != 0)
				continue;
			due_ns = now;
		}
		wait_for_answers(epoll, sent < count && !full ? due_ns : end_ns, expected);
		if (full)
			free_ns = now_ns(CLOCK_MONOTONIC);
	}
}

static struct latencies room_for(size_t count)
{
	struct latencies latencies = {.ns = calloc(count, sizeof(*latencies.ns))};

	if (!latencies.ns)
		die("no memory");
	return latencies;
}

int main(int argc, char **argv)
{
	size_t file_size, size, first, count, connection_count;
	int64_t cpu_ns, start_ns, took_ns;
	const char *requests;
	clockid_t cpu;
	int epoll;
	double rate;

	if (argc != 10)
		die("usage: open_loop PORT FILE SIZE FIRST RATE MS CONNECTIONS STATUS PID");
	requests = map_file(argv[2], &file_size);
	size = (size_t)atol(argv[3]);
	first = (size_t)atol(argv[4]);
	rate = atof(argv[5]);
	count = (size_t)(rate * atof(argv[6]) / 1000);
	connection_count = (size_t)atol(argv[7]);
	if (connection_count < 1 || connection_count > CONNECTIONS_MAX || rate <= 0 || count < 1 || (first + count) * size > file_size)
		die("numbers that do not fit");
	cpu = cpu_clock(argv[9]);
	wanted = room_for(count);
	others = room_for(count);
	own = room_for(count);
	epoll = epoll_create1(0);
	if (epoll < 0)
		die("epoll");
	open_connections(epoll, atoi(argv[1]), connection_count);
	cpu_ns = -now_ns(cpu);
	start_ns = now_ns(CLOCK_MONOTONIC);
	run(epoll, requests + first * size, size, count, (double)second_ns / rate, atoi(argv[8]));
	took_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
	cpu_ns += now_ns(cpu);
	printf("{");
	print_latencies("wanted", &wanted);
	print_latencies("others", &others);
	print_latencies("own", &own);
	printf("\"requests\":%zu,\"ns\":%lld,\"cpu_ns\":%lld}\n", count, (long long)took_ns, (long long)cpu_ns);
	return 0;
}

/*
 * A fixed number of purchases in lockstep: one request on each of CONNECTIONS, then every answer,
 * and again. So the server's batches have the same size in every run, and runs can be compared by
 * what they cost it.
 *
 *   burst PORT FILE SIZE FIRST COUNT CONNECTIONS STATUS PID [SYNC_FILE SYNC_SIZE]
 *
 * Sends COUNT requests of FILE (SIZE bytes each), from number FIRST on; each must be answered with
 * STATUS. With SYNC_FILE every step is followed by SYNC_SIZE bytes written into that file, which
 * has room for all of them, and one fdatasync: what the step could cost at least. Prints a JSON
 * object: CPU nanoseconds of the process PID per request, the median and the p99 of a step, the
 * median of a sync.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sender.h"

enum { CONNECTIONS_MAX = 1024, SYNC_MAX = 1 << 20 };

/* One whole answer, which must have this status. */
static void expect(int fd, int status)
{
	struct answer answer;
	int seen;

	answer.size = 0;
	while ((seen = receive_answer(fd, &answer)) == 0)
		continue;
	if (seen != status)
		die(answer.text);
}

static char bytes[SYNC_MAX];

/* A file with room for all that is to come: its blocks are there, and its size does not change. */
static int make_log(const char *path, size_t size, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (size_t i = 0; i < count && fd >= 0; i++)
		if (write(fd, bytes, size) != (ssize_t)size)
			die("SYNC_FILE cannot be written");
	if (fd < 0 || fsync(fd) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		die("SYNC_FILE cannot be made");
	memset(bytes, 'x', size);
	return fd;
}

/* The next of it, and a sync; nanoseconds. */
static int64_t write_and_sync(int fd, size_t size)
{
	int64_t start;

	start = now_ns(CLOCK_MONOTONIC);
	if (write(fd, bytes, size) != (ssize_t)size || fdatasync(fd) != 0)
		die("SYNC_FILE cannot be written");
	return now_ns(CLOCK_MONOTONIC) - start;
}

/* `part` of 100; sorts them. */
static long long percentile(int64_t *values, size_t count, size_t part)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count * part / 100];
}

int main(int argc, char **argv)
{
	static int sockets[CONNECTIONS_MAX];
	size_t file_size, size, first, count, connections, sync_size, steps = 0;
	int64_t *step_ns, *sync_ns, cpu_ns;
	int port, status, sync_fd = -1;
	const char *requests;
	clockid_t cpu;

	if (argc != 9 && argc != 11)
		die("usage: burst PORT FILE SIZE FIRST COUNT CONNECTIONS STATUS PID [SYNC_FILE SYNC_SIZE]");
	port = atoi(argv[1]);
	requests = map_file(argv[2], &file_size);
	size = (size_t)atol(argv[3]);
	first = (size_t)atol(argv[4]);
	count = (size_t)atol(argv[5]);
	connections = (size_t)atol(argv[6]);
	status = atoi(argv[7]);
	sync_size = argc == 11 ? (size_t)atol(argv[10]) : 0;
	if (connections < 1 || connections > CONNECTIONS_MAX || count < 1 || (first + count) * size > file_size || sync_size > SYNC_MAX)
		die("numbers that do not fit");
	cpu = cpu_clock(argv[8]);
	if (argc == 11)
		sync_fd = make_log(argv[9], sync_size, count);
	step_ns = calloc(count, sizeof(*step_ns));
	sync_ns = calloc(count, sizeof(*sync_ns));
	if (!step_ns || !sync_ns)
		die("no memory");
	for (size_t i = 0; i < connections; i++)
		sockets[i] = connect_to(port);
	cpu_ns = -now_ns(cpu);
	for (size_t done = 0; done < count; steps++) {
		size_t step = count - done < connections ? count - done : connections;
		int64_t start = now_ns(CLOCK_MONOTONIC);

		for (size_t i = 0; i < step; i++)
			send_whole(sockets[i], requests + (first + done + i) * size, size);
		for (size_t i = 0; i < step; i++)
			expect(sockets[i], status);
		step_ns[steps] = now_ns(CLOCK_MONOTONIC) - start;
		if (sync_fd >= 0)
			sync_ns[steps] = write_and_sync(sync_fd, sync_size);
		done += step;
	}
	cpu_ns += now_ns(cpu);
	printf("{\"requests\":%zu,\"cpu_ns\":%.0f,\"step_ns\":%lld,\"step_p99_ns\":%lld,\"sync_ns\":%lld}\n", count,
	       (double)cpu_ns / (double)count, percentile(step_ns, steps, 50), percentile(step_ns, steps, 99),
	       percentile(sync_ns, steps, 50));
	return 0;
}

/*
 * A fixed number of purchases in lockstep: one request on each of CONNECTIONS, then every answer, and again. So the server's batches have the same size in
 * every run, and runs can be compared by what they cost it.
 *
 *   burst PORT FILE SIZE FIRST COUNT CONNECTIONS STATUS PID [SYNC_FILE SYNC_SIZE]
 *
 * Sends COUNT requests of FILE (SIZE bytes each), from number FIRST on; each must be answered with STATUS. With SYNC_FILE every step is followed by
 * SYNC_SIZE bytes written into that file, which has room for all of them, and one fdatasync: what the step could cost at least. Prints a JSON object: CPU nanoseconds of the process
 * PID per request, the median and the p99 of a step, the median of a sync.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 4096, SYNC_MAX = 1 << 20 };

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "burst: %s\n", what);
	exit(1);
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		die("the clock of PID cannot be read");
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("a request could not be sent whole");
}

/* Reads one whole answer, which must have this status. */
static void receive(int fd, int status)
{
	static const char length_name[] = "\r\nContent-Length: ";
	char answer[ANSWER_MAX + 1];
	size_t size = 0;

	for (;;) {
		ssize_t got = recv(fd, answer + size, ANSWER_MAX - size, 0);
		char *end, *length;

		if (got <= 0)
			die("an answer did not come whole");
		size += (size_t)got;
		answer[size] = '\0';
		end = strstr(answer, "\r\n\r\n");
		if (!end)
			continue;
		length = strstr(answer, length_name);
		if (!length || length > end)
			die("an answer without a length");
		if (size >= (size_t)(end + 4 - answer) + (size_t)atol(length + sizeof(length_name) - 1))
			break;
	}
	if (atoi(answer + sizeof("HTTP/1.1 ") - 1) != status)
		die(answer);
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

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* `part` of 100; sorts them. */
static long long percentile(int64_t *values, size_t count, size_t part)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count * part / 100];
}

static const char *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat stat;
	const char *data;

	if (fd < 0 || fstat(fd, &stat) != 0)
		die("FILE cannot be read");
	*size = (size_t)stat.st_size;
	data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		die("FILE cannot be mapped");
	return data;
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
	if (clock_getcpuclockid((pid_t)atoi(argv[8]), &cpu) != 0)
		die("no process PID");
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
			send_all(sockets[i], requests + (first + done + i) * size, size);
		for (size_t i = 0; i < step; i++)
			receive(sockets[i], status);
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

#include "sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		die("the clock of PID cannot be read");
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

clockid_t cpu_clock(const char *pid)
{
	clockid_t clock;

	if (clock_getcpuclockid((pid_t)atoi(pid), &clock) != 0)
		die("no process PID");
	return clock;
}

int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

const char *map_file(const char *path, size_t *size)
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

void send_whole(int fd, const char *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("a request could not be sent whole");
}

/*
 * Whether a body of chunks has come to its last one. Nothing of ours or of a peer's has its mark
 * within.
 */
static bool ends_with_last_chunk(const struct answer *answer)
{
	static const char last[] = "\r\n0\r\n\r\n";
	size_t size = sizeof(last) - 1;

	return answer->size >= size && memcmp(answer->text + answer->size - size, last, size) == 0;
}

/* 0: it is not whole yet. */
static int status_of(const struct answer *answer)
{
	static const char length_name[] = "\r\nContent-Length: ", chunked[] = "\r\nTransfer-Encoding: chunked";
	const char *end = strstr(answer->text, "\r\n\r\n"), *length = strstr(answer->text, length_name),
		   *chunks = strstr(answer->text, chunked);
	bool whole;

	if (!end)
		return 0;
	if (length && length < end)
		whole = answer->size >= (size_t)(end + 4 - answer->text) + (size_t)atol(length + sizeof(length_name) - 1);
	else if (chunks && chunks < end)
		whole = ends_with_last_chunk(answer);
	else
		die("an answer without a length");
	return whole ? atoi(answer->text + sizeof("HTTP/1.1 ") - 1) : 0;
}

int receive_answer(int fd, struct answer *answer)
{
	ssize_t got = recv(fd, answer->text + answer->size, ANSWER_MAX - answer->size, 0);

	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got <= 0)
		die("a connection ended, or an answer is too long");
	answer->size += (size_t)got;
	answer->text[answer->size] = '\0';
	return status_of(answer);
}

int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

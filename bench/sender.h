/*
 * What sends purchases to a server: requests that were made beforehand and lie in a file one after
 * the other, all of the same size, and the answers to them. What fails ends the program, with why.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>
#include <time.h>

enum { ANSWER_MAX = 4096 };

struct answer {
	size_t size;
	char text[ANSWER_MAX + 1]; /* NUL-terminated */
};

_Noreturn void die(const char *what);
int64_t now_ns(clockid_t clock);
/* The CPU time of a process. */
clockid_t cpu_clock(const char *pid);
/* Of the machine itself; it blocks. */
int connect_to(int port);
const char *map_file(const char *path, size_t *size);
void send_whole(int fd, const char *data, size_t size);
/* Takes what there is. The answer's status once it is whole; 0: it is not, or nothing was there. */
int receive_answer(int fd, struct answer *answer);
/* For qsort(). */
int by_value(const void *a, const void *b);

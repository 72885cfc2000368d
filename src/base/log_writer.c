#include "base/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/thread.h"

/*
 * Whoever reads standard error may stop reading: a stalled journal, a container's log driver, a
 * pager, Ctrl-S on a terminal. A thread that wrote there itself would stop with it, and with it
 * sales, the operator's pause and the end of the program. So a line goes into a ring in memory,
 * under a lock that is held for a copy, and a thread of its own writes; it alone may be stopped.
 * What finds no room is dropped and counted, and said as soon as there is room again, in its place
 * among the lines.
 *
 * The ring holds whole lines as bytes; the writer takes as many as fit into LOG_LINE_MAX bytes,
 * which is what a pipe takes whole or not at all (PIPE_BUF), so that lines of several processes do
 * not mix.
 *
 * What must not be lost goes past the ring (log_at_once()): it asks the descriptor whether it would
 * take the line now, and writes if it would. Standard error itself is never made non-blocking: the
 * open file is shared with whoever started us.
 *
 * A stop gives the writer FLUSH_NS. One that is still stuck then is left where it is, and the
 * process ends around it.
 */
enum { RING_SIZE = 1 << 20, AT_ONCE_MS = 100, RETRY_MS = 1000 };
static const int64_t FLUSH_NS = 100000000;

/* LEFT: the writer was stuck at the stop. What is logged after that is dropped. */
enum state { DIRECT, RUNNING, LEFT };

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t arrived, ended; /* CLOCK_MONOTONIC */
	struct thread thread;
	size_t head, size;
	unsigned long long unsaid; /* dropped since it was last said */
	bool stopping, over;
} writer = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static _Atomic int state = DIRECT;
static _Atomic uint64_t dropped;
static char ring_memory[RING_SIZE];

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static bool takes_now(int timeout_ms)
{
	struct pollfd descriptor = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&descriptor, 1, timeout_ms) == 1 && descriptor.revents & POLLOUT;
}

/* All of it, however long that takes. False where standard error takes nothing any more. */
static bool write_whole(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(STDERR_FILENO, data, size);

		if (written > 0) {
			data += written;
			size -= (size_t)written;
		} else if (written < 0 && errno == EAGAIN) {
			/* Somebody who shares the open file has made it non-blocking. */
			takes_now(RETRY_MS);
		} else if (written == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

void log_at_once(const char *text, size_t size)
{
	while (size > 0 && takes_now(AT_ONCE_MS)) {
		size_t part = size < LOG_LINE_MAX ? size : LOG_LINE_MAX;

		if (write(STDERR_FILENO, text, part) < 0)
			return;
		text += part;
		size -= part;
	}
}

/* --- The ring, under the lock --- */

static bool ring_put(const char *line, size_t size)
{
	size_t tail = (writer.head + writer.size) % RING_SIZE;
	size_t first = size < RING_SIZE - tail ? size : RING_SIZE - tail;

	if (size > RING_SIZE - writer.size)
		return false;
	memcpy(ring_memory + tail, line, first);
	memcpy(ring_memory, line + first, size - first);
	writer.size += size;
	return true;
}

/* As many whole lines as fit into `data`, which has LOG_LINE_MAX bytes. Returns their size. */
static size_t ring_take(char *data)
{
	size_t size = writer.size < LOG_LINE_MAX ? writer.size : LOG_LINE_MAX;
	size_t first = size < RING_SIZE - writer.head ? size : RING_SIZE - writer.head;

	memcpy(data, ring_memory + writer.head, first);
	memcpy(data + first, ring_memory, size - first);
	while (size > 0 && data[size - 1] != '\n')
		size--;
	writer.head = (writer.head + size) % RING_SIZE;
	writer.size -= size;
	return size;
}

/*
 * That lines were dropped is said before the next line that has room beside it. False: there is
 * none yet.
 */
static bool say_dropped(size_t beside)
{
	char line[LOG_LINE_MAX];
	size_t size;

	if (writer.unsaid == 0)
		return true;
	size = log_dropped_line(line, writer.unsaid);
	if (size + beside > RING_SIZE - writer.size)
		return false;
	writer.unsaid = 0;
	return ring_put(line, size);
}

static void drop(void)
{
	writer.unsaid++;
	atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

void log_writer_put(const char *line, size_t size)
{
	if (atomic_load_explicit(&state, memory_order_acquire) == DIRECT) {
		write_whole(line, size);
		return;
	}
	pthread_mutex_lock(&writer.mutex);
	if (atomic_load_explicit(&state, memory_order_relaxed) == LEFT || !say_dropped(size) || !ring_put(line, size))
		drop();
	pthread_mutex_unlock(&writer.mutex);
	pthread_cond_signal(&writer.arrived);
}

/* --- The writer --- */

static void lose(const char *data, size_t size)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	atomic_fetch_add_explicit(&dropped, lines, memory_order_relaxed);
}

static void log_writer_run(void *argument)
{
	char data[LOG_LINE_MAX];

	(void)argument;
	pthread_mutex_lock(&writer.mutex);
	for (;;) {
		size_t size;

		if (writer.size == 0)
			say_dropped(0);
		size = ring_take(data);
		if (size == 0 && writer.stopping)
			break;
		if (size == 0) {
			pthread_cond_wait(&writer.arrived, &writer.mutex);
			continue;
		}
		pthread_mutex_unlock(&writer.mutex);
		if (!write_whole(data, size))
			lose(data, size);
		pthread_mutex_lock(&writer.mutex);
	}
	writer.over = true;
	pthread_cond_broadcast(&writer.ended);
	pthread_mutex_unlock(&writer.mutex);
}

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

int log_start(void)
{
	int r;

	if (atomic_load(&state) != DIRECT)
		return 0;
	init_condition(&writer.arrived);
	init_condition(&writer.ended);
	writer.stopping = writer.over = false;
	r = thread_start(&writer.thread, "log", log_writer_run, NULL);
	if (r == 0)
		atomic_store_explicit(&state, RUNNING, memory_order_release);
	return r;
}

void log_stop(void)
{
	struct timespec deadline;
	bool over;

	if (atomic_load(&state) != RUNNING)
		return;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += FLUSH_NS;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	pthread_mutex_lock(&writer.mutex);
	writer.stopping = true;
	pthread_cond_signal(&writer.arrived);
	while (!writer.over && pthread_cond_timedwait(&writer.ended, &writer.mutex, &deadline) != ETIMEDOUT)
		;
	over = writer.over;
	atomic_store(&state, over ? DIRECT : LEFT);
	pthread_mutex_unlock(&writer.mutex);
	if (over)
		thread_join(&writer.thread);
}

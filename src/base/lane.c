#include "base/lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/*
 * One mutex around two rings. A lock-free queue was turned down: a push hands over a batch under one uncontended lock (some 25 ns), which is
 * far below what the items cost, and a consumer that blocks needs the condition variable anyway.
 *
 * Wake-ups cost system calls, so each is made only where someone may be waiting: the condition is signalled while the consumer is in
 * lane_pop(), the eventfd is written once when the lane turns non-empty and only if lane_event_fd() was ever asked for. That write happens
 * outside the lock; it may therefore land after the consumer has taken the items. Such a late write makes the eventfd readable for
 * an empty lane, so a pop that finds nothing always reads it. It is read under the lock while the lane is empty, so a read can
 * never swallow the signal of items that are there.
 */
enum { CLASSES = 2 };

struct ring {
	void **items;
	size_t head, count;
};

struct lane {
	pthread_mutex_t mutex;
	pthread_cond_t arrived;
	struct ring rings[CLASSES];
	size_t capacity;
	bool waiting;         /* the consumer is in pthread_cond_wait() */
	bool signalled;       /* the eventfd has been, or is about to be, written */
	bool watched;         /* lane_event_fd() was called */
	_Atomic bool closed;  /* written under the mutex */
	_Atomic size_t depth; /* written under the mutex */
	int event_fd;
};

static int init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int failed;

	/* A wait must not be stretched or cut by a jump of the wall clock. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	failed = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return -failed;
}

int lane_new(struct lane **out, size_t capacity)
{
	struct lane *lane;
	int error;

	if (capacity == 0)
		return error_origin(-EINVAL);
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return error_origin(-ENOMEM);
	lane->capacity = capacity;
	lane->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lane->event_fd < 0) {
		error = error_origin(-errno);
		free(lane);
		return error;
	}
	error = -pthread_mutex_init(&lane->mutex, NULL);
	ASSERT(error == 0); /* neither allocates with glibc */
	error = init_condition(&lane->arrived);
	ASSERT(error == 0);
	for (size_t i = 0; i < CLASSES; i++) {
		lane->rings[i].items = calloc(capacity, sizeof(void *));
		if (!lane->rings[i].items) {
			lane_free(lane);
			return error_origin(-ENOMEM);
		}
	}
	*out = lane;
	return 0;
}

void lane_free(struct lane *lane)
{
	if (!lane)
		return;
	ASSERT(lane_depth(lane) == 0);
	for (size_t i = 0; i < CLASSES; i++)
		free(lane->rings[i].items);
	pthread_cond_destroy(&lane->arrived);
	pthread_mutex_destroy(&lane->mutex);
	close(lane->event_fd);
	free(lane);
}

static size_t ring_put(struct ring *ring, size_t capacity, void *const *items, size_t count)
{
	size_t room = capacity - ring->count;
	size_t taken = count < room ? count : room;
	size_t tail = (ring->head + ring->count) % capacity;
	size_t first = taken < capacity - tail ? taken : capacity - tail; /* up to the ring's end */

	memcpy(ring->items + tail, items, first * sizeof(void *));
	memcpy(ring->items, items + first, (taken - first) * sizeof(void *));
	ring->count += taken;
	return taken;
}

static size_t ring_take(struct ring *ring, size_t capacity, void **items, size_t max)
{
	size_t taken = max < ring->count ? max : ring->count;
	size_t first = taken < capacity - ring->head ? taken : capacity - ring->head;

	memcpy(items, ring->items + ring->head, first * sizeof(void *));
	memcpy(items + first, ring->items, (taken - first) * sizeof(void *));
	ring->head = (ring->head + taken) % capacity;
	ring->count -= taken;
	return taken;
}

static void write_event(int fd)
{
	const uint64_t one = 1;

	/* Fails only when the count is full, and then it is readable already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void read_event(int fd)
{
	uint64_t count;

	/* Fails when nothing was written yet. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

size_t lane_push(struct lane *lane, enum lane_class class, void *const *items, size_t count)
{
	bool wake, signal;
	size_t taken;

	if (count == 0)
		return 0;
	pthread_mutex_lock(&lane->mutex);
	if (lane_closed(lane)) {
		pthread_mutex_unlock(&lane->mutex);
		return 0;
	}
	taken = ring_put(&lane->rings[class], lane->capacity, items, count);
	atomic_fetch_add_explicit(&lane->depth, taken, memory_order_relaxed);
	wake = taken > 0 && lane->waiting;
	signal = taken > 0 && !lane->signalled && lane->watched;
	lane->signalled |= signal;
	pthread_mutex_unlock(&lane->mutex);
	if (wake)
		pthread_cond_signal(&lane->arrived);
	if (signal)
		write_event(lane->event_fd);
	return taken;
}

/* Under the mutex. False once the time is over. */
static bool wait_for_items(struct lane *lane, const struct timespec *deadline)
{
	int failed;

	lane->waiting = true;
	failed = deadline ? pthread_cond_timedwait(&lane->arrived, &lane->mutex, deadline)
			  : pthread_cond_wait(&lane->arrived, &lane->mutex);
	lane->waiting = false;
	return failed != ETIMEDOUT;
}

static void set_deadline(struct timespec *deadline, int64_t timeout_ns)
{
	clock_gettime(CLOCK_MONOTONIC, deadline); /* the clock that the condition waits by; base/clock has another */
	deadline->tv_sec += timeout_ns / 1000000000;
	deadline->tv_nsec += timeout_ns % 1000000000;
	if (deadline->tv_nsec >= 1000000000) {
		deadline->tv_sec++;
		deadline->tv_nsec -= 1000000000;
	}
}

size_t lane_pop(struct lane *lane, void **items, size_t max, int64_t timeout_ns)
{
	struct timespec deadline;
	bool deadline_set = false;
	size_t taken;

	pthread_mutex_lock(&lane->mutex);
	while (lane_depth(lane) == 0 && timeout_ns != 0 && !lane_closed(lane)) {
		if (timeout_ns > 0 && !deadline_set) {
			set_deadline(&deadline, timeout_ns);
			deadline_set = true;
		}
		if (!wait_for_items(lane, deadline_set ? &deadline : NULL))
			break;
	}
	taken = ring_take(&lane->rings[LANE_URGENT], lane->capacity, items, max);
	taken += ring_take(&lane->rings[LANE_NORMAL], lane->capacity, items + taken, max - taken);
	atomic_fetch_sub_explicit(&lane->depth, taken, memory_order_relaxed);
	if (lane_depth(lane) == 0 && (lane->signalled || taken == 0) && lane->watched) {
		read_event(lane->event_fd);
		lane->signalled = false;
	}
	pthread_mutex_unlock(&lane->mutex);
	return taken;
}

void lane_close(struct lane *lane)
{
	pthread_mutex_lock(&lane->mutex);
	atomic_store(&lane->closed, true);
	pthread_mutex_unlock(&lane->mutex);
	pthread_cond_broadcast(&lane->arrived);
}

bool lane_closed(const struct lane *lane)
{
	return atomic_load_explicit(&lane->closed, memory_order_acquire);
}

size_t lane_depth(const struct lane *lane)
{
	return atomic_load_explicit(&lane->depth, memory_order_relaxed);
}

int lane_event_fd(struct lane *lane)
{
	pthread_mutex_lock(&lane->mutex);
	if (!lane->watched) {
		lane->watched = true;
		if (lane_depth(lane) > 0) {
			lane->signalled = true;
			write_event(lane->event_fd);
		}
	}
	pthread_mutex_unlock(&lane->mutex);
	return lane->event_fd;
}

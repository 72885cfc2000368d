#include "base/lane.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/lock.h"

/*
 * One mutex around three rings. A lock-free queue was turned down: a push hands over a batch under
 * one uncontended lock (some 25 ns), which is far below what the items cost, and a consumer that
 * blocks needs the condition variable anyway.
 *
 * Wake-ups cost system calls, so each is made only where someone may be waiting: the condition is
 * signalled while the consumer is in lane_pop(), and there are as many as it wants, the eventfd is
 * written once when the lane turns non-empty and only if lane_event_fd() was ever asked for. That
 * write happens outside the lock; it may therefore land after the consumer has taken the items.
 * Such a late write makes the eventfd readable for an empty lane, so a pop that finds nothing
 * always reads it. It is read under the lock while the lane is empty, so a read can never swallow
 * the signal of items that are there.
 */
enum { CLASSES = 3 };

struct ring {
	void **items;
	size_t head, count;
};

struct lane {
	struct lock lock;
	struct lock_condition arrived;
	struct ring rings[CLASSES];
	size_t capacity;
	bool woken;           /* lane_wake() was called since the last wait */
	size_t wanted;        /* the consumer is in wait_for_items() until so many are there; 0: it is not */
	bool signalled;       /* the eventfd has been, or is about to be, written */
	bool watched;         /* lane_event_fd() was called */
	_Atomic bool closed;  /* written under the lock */
	_Atomic size_t depth; /* written under the lock */
	int event_fd;
	void (*listener)(void *context); /* in place of the eventfd; NULL: nobody listens */
	void *listener_context;
};

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
	lock_init(&lane->lock);
	lock_condition_init(&lane->arrived);
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
	lock_condition_deinit(&lane->arrived);
	lock_deinit(&lane->lock);
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

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A place of the batch in two, and a slice at most, is kept for the background. */
static size_t take_classes(struct lane *lane, void **items, size_t max)
{
	struct ring *background = &lane->rings[LANE_BACKGROUND];
	size_t others_max = max - least(least(background->count, LANE_SLICE), max / 2), taken, slice;

	taken = ring_take(&lane->rings[LANE_URGENT], lane->capacity, items, others_max);
	taken += ring_take(&lane->rings[LANE_NORMAL], lane->capacity, items + taken, others_max - taken);
	slice = taken == 0 ? LANE_SLICE_ALONE : taken / 2 > LANE_SLICE ? taken / 2 : LANE_SLICE;
	return taken + ring_take(background, lane->capacity, items + taken, least(slice, max - taken));
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

static void tell_watcher(struct lane *lane)
{
	if (lane->listener)
		lane->listener(lane->listener_context);
	else
		write_event(lane->event_fd);
}

size_t lane_push(struct lane *lane, enum lane_class class, void *const *items, size_t count)
{
	bool wake, signal;
	size_t taken;

	if (count == 0)
		return 0;
	lock_take(&lane->lock);
	if (lane_closed(lane)) {
		lock_release(&lane->lock);
		return 0;
	}
	taken = ring_put(&lane->rings[class], lane->capacity, items, count);
	atomic_fetch_add_explicit(&lane->depth, taken, memory_order_relaxed);
	wake = taken > 0 && lane->wanted > 0 && lane_depth(lane) >= lane->wanted;
	signal = taken > 0 && !lane->signalled && (lane->watched || lane->listener);
	lane->signalled |= signal;
	lock_release(&lane->lock);
	if (wake)
		lock_condition_signal(&lane->arrived);
	if (signal)
		tell_watcher(lane);
	return taken;
}

/* Under the lock. False once the time is over. */
static bool wait_for_items(struct lane *lane, size_t wanted, int64_t deadline_ns)
{
	bool goes_on = true;

	lane->wanted = wanted;
	if (deadline_ns == INT64_MAX)
		lock_condition_wait(&lane->arrived, &lane->lock);
	else
		goes_on = lock_condition_wait_until(&lane->arrived, &lane->lock, deadline_ns);
	lane->wanted = 0;
	return goes_on;
}

size_t lane_pop(struct lane *lane, void **items, size_t max, int64_t timeout_ns)
{
	return lane_gather(lane, items, 1, max, timeout_ns);
}

size_t lane_gather(struct lane *lane, void **items, size_t enough, size_t max, int64_t timeout_ns)
{
	int64_t deadline_ns = 0; /* not known yet: most pops wait for nothing, and ask no clock */
	size_t taken;

	lock_take(&lane->lock);
	while (lane_depth(lane) < enough && timeout_ns != 0 && !lane->woken && !lane_closed(lane)) {
		if (!deadline_ns)
			deadline_ns = timeout_ns < 0 ? INT64_MAX : clock_mono_ns() + timeout_ns;
		if (!wait_for_items(lane, enough, deadline_ns))
			break;
	}
	if (timeout_ns != 0)
		lane->woken = false;
	taken = take_classes(lane, items, max);
	atomic_fetch_sub_explicit(&lane->depth, taken, memory_order_relaxed);
	if (lane_depth(lane) == 0 && (lane->signalled || taken == 0) && lane->watched)
		read_event(lane->event_fd);
	if (lane_depth(lane) == 0)
		lane->signalled = false;
	lock_release(&lane->lock);
	return taken;
}

void lane_wake(struct lane *lane)
{
	lock_take(&lane->lock);
	lane->woken = true;
	lock_release(&lane->lock);
	lock_condition_signal(&lane->arrived);
}

void lane_close(struct lane *lane)
{
	lock_take(&lane->lock);
	atomic_store(&lane->closed, true);
	lock_release(&lane->lock);
	lock_condition_broadcast(&lane->arrived);
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
	lock_take(&lane->lock);
	if (!lane->watched) {
		lane->watched = true;
		if (lane_depth(lane) > 0) {
			lane->signalled = true;
			write_event(lane->event_fd);
		}
	}
	lock_release(&lane->lock);
	return lane->event_fd;
}

void lane_listen(struct lane *lane, void (*arrived)(void *context), void *context)
{
	lock_take(&lane->lock);
	lane->listener = arrived;
	lane->listener_context = context;
	lock_release(&lane->lock);
}

/*
 * Time is a seam: nothing else in the program asks the operating system what time it is. Wall time
 * is for sale windows and records (it may jump); monotonic time (CLOCK_BOOTTIME: it goes on while
 * the machine sleeps) is for holds, rates and deadlines. Any thread may call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01T00:00:00Z */
int64_t clock_wall_us(void);
int64_t clock_mono_ns(void); /* CLOCK_BOOTTIME, nanoseconds; meaningful as differences only */
static inline int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

/* Clocks of a node's own (base/node.h). They answer from any of its threads. */
struct clock_source {
	int64_t (*wall_us)(const struct clock_source *source);
	int64_t (*mono_ns)(const struct clock_source *source);
};
/*
 * The clocks of this thread's node from here on; NULL restores the kernel's. Before other threads
 * of it start.
 */
void clock_set_source(const struct clock_source *source);

/* "2027-01-01T10:00:00.000Z": always CLOCK_TEXT_SIZE - 1 characters for years 0 to 9999. */
enum { CLOCK_TEXT_SIZE = 25 };
void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE]);
/*
 * RFC 3339: "YYYY-MM-DDThh:mm:ss[.fraction]Z", upper or lower case t and z, or with an offset
 * ("+01:00"; not "-00:00", which says that nobody knows it); digits past the millisecond are cut.
 * 0, or -EINVAL. The text need not be NUL-terminated.
 */
int clock_parse(const char *text, size_t size, int64_t *wall_ms);

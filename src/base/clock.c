#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include "base/assertion.h"
#include "base/node.h"

enum { DAYS_400_YEARS = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */, MS_PER_DAY = 86400000 };

void clock_set_source(const struct clock_source *source)
{
	node_current->clock = source;
}

int64_t clock_wall_us(void)
{
	const struct clock_source *source = node_current->clock;
	struct timespec now;

	if (source)
		return source->wall_us(source);
	ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	int64_t us = clock_wall_us();

	return us / 1000 - (us % 1000 < 0);
}

int64_t clock_mono_ns(void)
{
	const struct clock_source *source = node_current->clock;
	struct timespec now;

	if (source)
		return source->mono_ns(source);
	ASSERT(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * Days since 1970-01-01 and back in the proleptic Gregorian calendar, by years that begin on 1
 * March, so that a leap day is a year's last (H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms"). Years 0 to 9999.
 */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t shifted = year - (month <= 2);
	int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
	int64_t year_of_era = shifted - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + DAYS_TO_1970;
	int64_t era = (shifted >= 0 ? shifted : shifted - DAYS_400_YEARS + 1) / DAYS_400_YEARS;
	int64_t day_of_era = shifted - era * DAYS_400_YEARS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
	*month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static void put_digits(char *text, int value, int count)
{
	while (count-- > 0) {
		text[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE])
{
	const int64_t first = days_of(0, 1, 1) * MS_PER_DAY, last = (days_of(9999, 12, 31) + 1) * MS_PER_DAY - 1;
	int64_t days;
	int year, month, day, ms;

	wall_ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
	days = wall_ms / MS_PER_DAY - (wall_ms % MS_PER_DAY < 0);
	ms = (int)(wall_ms - days * MS_PER_DAY);
	date_of(days, &year, &month, &day);
	memcpy(text, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_SIZE);
	put_digits(text, year, 4);
	put_digits(text + 5, month, 2);
	put_digits(text + 8, day, 2);
	put_digits(text + 11, ms / 3600000, 2);
	put_digits(text + 14, ms / 60000 % 60, 2);
	put_digits(text + 17, ms / 1000 % 60, 2);
	put_digits(text + 20, ms % 1000, 3);
}

/* `count` digits at `text` that make a number from `low` to `high`. */
static bool take_number(const char *text, int count, int low, int high, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (text[i] - '0');
	}
	return *value >= low && *value <= high;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/*
 * "Z" or "+hh:mm" (RFC 3339, section 4); *minutes: how far the text is ahead of UTC. "-00:00" says
 * that nobody knows where it is: refused.
 */
static bool take_offset(const char *text, size_t size, int *minutes)
{
	int hours;

	*minutes = 0;
	if (size == 1)
		return text[0] == 'Z' || text[0] == 'z';
	if (size != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !take_number(text + 1, 2, 0, 23, &hours) ||
	    !take_number(text + 4, 2, 0, 59, minutes))
		return false;
	*minutes += 60 * hours;
	if (text[0] == '-' && *minutes == 0)
		return false;
	*minutes = text[0] == '-' ? -*minutes : *minutes;
	return true;
}

int clock_parse(const char *text, size_t size, int64_t *wall_ms)
{
	enum { SECONDS_END = 19 }; /* "YYYY-MM-DDThh:mm:ss" */
	int year, month, day, hour, minute, second, offset, ms = 0;
	size_t at = SECONDS_END;

	if (size < SECONDS_END + 1)
		return -EINVAL;
	if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
		return -EINVAL;
	/* A leap second (":60") has no place in POSIX time: refused, not guessed. */
	if (!take_number(text, 4, 0, 9999, &year) || !take_number(text + 5, 2, 1, 12, &month) ||
	    !take_number(text + 8, 2, 1, days_in_month(year, month), &day) || !take_number(text + 11, 2, 0, 23, &hour) ||
	    !take_number(text + 14, 2, 0, 59, &minute) || !take_number(text + 17, 2, 0, 59, &second))
		return -EINVAL;
	if (text[at] == '.') {
		int scale = 100;
		size_t first = ++at;

		for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
			ms += (text[at] - '0') * scale;
			scale /= 10;
		}
		if (at == first)
			return -EINVAL;
	}
	if (!take_offset(text + at, size - at, &offset))
		return -EINVAL;
	*wall_ms = days_of(year, month, day) * MS_PER_DAY + hour * 3600000LL + (minute - offset) * 60000LL + second * 1000LL + ms;
	return 0;
}

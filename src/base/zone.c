#include "base/zone.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"

enum { ZONE_NAME_MAX = 64 };

/*
 * As a name below the zone files: letters, digits and what stands between them, and never upwards.
 */
static bool zone_exists(const char *name)
{
	char path[ZONE_NAME_MAX + 32];

	if (strlen(name) > ZONE_NAME_MAX || strstr(name, "..") || name[0] == '/' ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != strlen(name))
		return false;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	return access(path, R_OK) == 0;
}

static bool same_minute(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday && a->tm_hour == b->tm_hour &&
	       a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/* In the zone that is set. */
static int to_wall(const struct tm *wanted, int64_t *wall_ms)
{
	int found = 0;
	time_t at = 0;

	for (int summer = 0; summer <= 1; summer++) {
		struct tm made = *wanted;
		time_t moment;

		made.tm_isdst = summer;
		moment = mktime(&made);
		if (made.tm_isdst != summer || !same_minute(&made, wanted))
			continue;
		if (found++ == 0 || moment == at)
			at = moment;
		else
			return -ERANGE;
	}
	if (found == 0)
		return -ERANGE;
	*wall_ms = (int64_t)at * 1000;
	return 0;
}

static int in_zone(const struct tm *wanted, const char *zone, int64_t *wall_ms)
{
	const char *before = getenv("TZ");
	char *kept = before ? strdup(before) : NULL;
	int r;

	setenv("TZ", zone, 1);
	tzset();
	r = to_wall(wanted, wall_ms);
	if (kept)
		setenv("TZ", kept, 1);
	else
		unsetenv("TZ");
	tzset();
	free(kept);
	return r;
}

int zone_parse(const char *text, int64_t *wall_ms)
{
	struct tm wanted = {0};
	int end = 0, second = 0;
	char zone[ZONE_NAME_MAX + 2] = "";

	if (clock_parse(text, strlen(text), wall_ms) == 0)
		return 0;
	if (sscanf(text, "%4d-%2d-%2d %2d:%2d%n", &wanted.tm_year, &wanted.tm_mon, &wanted.tm_mday, &wanted.tm_hour,
		   &wanted.tm_min, &end) != 5)
		return -EINVAL;
	text += end;
	if (sscanf(text, ":%2d%n", &second, &end) == 1)
		text += end;
	wanted.tm_sec = second;
	wanted.tm_year -= 1900;
	wanted.tm_mon--;
	if (*text == ' ' && sscanf(text, " %65s%n", zone, &end) == 1)
		text += end;
	if (*text || wanted.tm_mon < 0 || wanted.tm_mon > 11 || wanted.tm_hour < 0 || wanted.tm_hour > 23 || wanted.tm_min < 0 ||
	    wanted.tm_min > 59 || second < 0 || second > 59)
		return -EINVAL;
	if (*zone && !zone_exists(zone))
		return -ENOENT;
	tzset();
	return *zone ? in_zone(&wanted, zone, wall_ms) : to_wall(&wanted, wall_ms);
}

void zone_format(int64_t wall_ms, char text[static ZONE_TEXT_SIZE])
{
	time_t at = (time_t)(wall_ms / 1000);
	struct tm local;

	tzset();
	if (!localtime_r(&at, &local) || strftime(text, ZONE_TEXT_SIZE, "%Y-%m-%d %H:%M %Z", &local) == 0)
		text[0] = '\0';
}

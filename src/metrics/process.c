#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "metrics/process.h"

/*
 * What every Prometheus client says of its process, from /proc. What cannot be read is NaN:
 * unknown, never 0.
 */

static bool read_small_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	if (got < 0)
		return false;
	text[got] = '\0';
	return true;
}

static double read_cpu_seconds(void *context)
{
	struct rusage usage;

	(void)context;
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return NAN;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* proc_pid_statm(5): pages; the first number is virtual, the second resident. */
static double read_memory(const char *format)
{
	char text[128];
	unsigned long pages;

	if (!read_small_file("/proc/self/statm", text, sizeof(text)) || sscanf(text, format, &pages) != 1)
		return NAN;
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double read_virtual_memory(void *context)
{
	(void)context;
	return read_memory("%lu");
}

static double read_resident_memory(void *context)
{
	(void)context;
	return read_memory("%*u %lu");
}

static double read_open_fds(void *context)
{
	DIR *folder = opendir("/proc/self/fd");
	double count = -1; /* the folder's own */

	(void)context;
	if (!folder)
		return NAN;
	for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
		if (entry->d_name[0] != '.')
			count++;
	closedir(folder);
	return count;
}

static double read_max_fds(void *context)
{
	struct rlimit limit;

	(void)context;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return NAN;
	return limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
}

/*
 * proc_pid_stat(5): the 2nd field may hold anything, so fields are counted from its end; the 20th
 * after it is the start, in ticks since boot.
 */
static double start_seconds(void)
{
	char text[1024];
	const char *at;
	double since_boot, boot = (double)clock_wall_ms() * 1e-3 - (double)clock_mono_ns() * 1e-9;

	if (!read_small_file("/proc/self/stat", text, sizeof(text)))
		return NAN;
	at = strrchr(text, ')');
	for (int field = 0; at && field < 20; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return NAN;
	since_boot = strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
	return floor((boot + since_boot) * 100 + 0.5) / 100; /* a tick is no finer */
}

static double read_start_seconds(void *context)
{
	const struct process_facts *facts = context;

	return facts->start_seconds;
}

static double read_log_dropped(void *context)
{
	(void)context;
	return (double)log_dropped();
}

static double read_one(void *context)
{
	(void)context;
	return 1;
}

void metrics_process(struct metrics *metrics, const char *version, const char *revision)
{
	struct process_facts *facts = metrics_process_facts(metrics);

	facts->start_seconds = start_seconds();
	snprintf(facts->build_labels, sizeof(facts->build_labels), "version=\"%s\",revision=\"%s\"", version, revision);
	metrics_reader(metrics, "gauge", "penstock_build_info", "Which program this is; the value is always 1.",
		       facts->build_labels, read_one, NULL);
	metrics_reader(metrics, "counter", "process_cpu_seconds_total", "User and system CPU time spent, in seconds.", NULL,
		       read_cpu_seconds, NULL);
	metrics_reader(metrics, "gauge", "process_resident_memory_bytes", "Resident memory, in bytes.", NULL,
		       read_resident_memory, NULL);
	metrics_reader(metrics, "gauge", "process_virtual_memory_bytes", "Virtual memory, in bytes.", NULL, read_virtual_memory, NULL);
	metrics_reader(metrics, "gauge", "process_open_fds", "Open file descriptors.", NULL, read_open_fds, NULL);
	metrics_reader(metrics, "gauge", "process_max_fds", "File descriptors that may be open.", NULL, read_max_fds, NULL);
	metrics_reader(metrics, "gauge", "process_start_time_seconds", "When the process started, in seconds since 1970.", NULL,
		       read_start_seconds, facts);
	metrics_reader(metrics, "counter", "penstock_log_dropped_total",
		       "Log lines dropped, as whoever reads the log did not keep up.", NULL, read_log_dropped, NULL);
}

/*
 * Where log lines go: at once to standard error, until log_start(); from then on through a bounded
 * memory to a thread that writes them. Private to the log, which alone makes lines.
 */
#pragma once

#include <stddef.h>

/*
 * One whole line, with its newline; at most LOG_LINE_MAX bytes. Any thread. Waits for nobody once
 * the writer runs.
 */
void log_writer_put(const char *line, size_t size);
/*
 * Makes the line that says how many lines were dropped into `line` (LOG_LINE_MAX bytes), and
 * returns its size. The log's.
 */
size_t log_dropped_line(char *line, unsigned long long count);

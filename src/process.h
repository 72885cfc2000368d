/*
 * What the engines share: how a process of ours is told to stop, and how it says that it is ready. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

/* Keeps SIGTERM and SIGINT from everybody, and starts the log's writer; before any other thread starts. 0, or negative: logged. */
int process_begin(void) MUST_CHECK;
/* After all other threads have ended: what was logged is written, as far as somebody reads it. */
void process_end(void);
/* Waits for one of them; at most so long (negative: for ever). True when it came; it is logged, and a second one ends the process at once. */
bool process_wait_signal(int64_t timeout_ns);
/* Writes the text to `path`, whole or not at all. 0, or negative: logged. */
int process_write_ready_file(const char *path, const char *text) MUST_CHECK;

/*
 * Failpoints: named places where a test build can be told to fail, stall or die. In a release build
 * (no PENSTOCK_TESTING) a failpoint is the constant 0 and costs nothing.
 *
 * PENSTOCK_FAILPOINTS="name=action[:argument][@skip][xcount],…": actions `kill` (SIGKILL to the
 * process itself), `error:ERRNO-NUMBER` (the failpoint's value is -number), `delay:MILLISECONDS`,
 * `hold` (until it is set no more), `on` (value 1; switches that break a rule on purpose). @skip:
 * the first so many hits pass; xcount: then so many hits act (default: all). Changed at run time by
 * writing the same syntax to the file named by PENSTOCK_FAILPOINTS_FILE (read again when its mtime
 * changes). To the one named by PENSTOCK_FAILPOINTS_HITS each point that acts (but for `on`) adds a
 * line with its name before it does.
 *
 * A node (base/node.h) can have its own instead; where it has a scheduler, that one says what a
 * failpoint does.
 */
#pragma once

#ifdef PENSTOCK_TESTING
int failpoint_hit(const char *name);
#define FAILPOINT(name) failpoint_hit(name)
/*
 * Those of this thread's node, in the same syntax, in place of the process's; NULL: the process's
 * again. What cannot be read aborts.
 */
void failpoints_set(const char *specification);
#else
#define FAILPOINT(name) 0
#endif

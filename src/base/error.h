/*
 * One theory of errors, held everywhere:
 *
 *   0         fine.
 *   positive  a declared outcome of that function ("sold out"); the caller must handle it. Each
 *             function that has outcomes declares them in an enum beside its prototype.
 *   negative  fatal for the operation (a negated errno, or one of the codes below); it is passed
 *             upward, and error_origin() says in the log where it happened, once.
 *
 * Foreign codes (SQLite, OpenSSL, jansson) are translated at the edge, never passed on.
 */
#pragma once

#include <errno.h>
#include "base/assertion.h"

#define MUST_CHECK __attribute__((warn_unused_result))

/* Logs (level error) where a fatal error began and returns it unchanged. Use at the origin only. */
#ifdef __clang_analyzer__
#define error_origin(code) (code) /* clang-tidy does not see into the function, and must know that the code comes back */
#else
#define error_origin(code) error_origin_at((code), __FILE__, __LINE__, __func__)
#endif
int error_origin_at(int code, const char *file, int line, const char *function);

/* Short lower-case text of a negative error code ("no space left on device"). Static storage. */
const char *error_text(int code);

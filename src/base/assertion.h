/* What must be true, or the program is not itself any more. */
#pragma once

/*
 * Assertion that stays on in release builds. The condition must have no side effect; one condition
 * each. Prints the place and aborts.
 */
#define ASSERT(condition) ((condition) ? (void)0 : assertion_failed(#condition, __FILE__, __LINE__, __func__))
_Noreturn void assertion_failed(const char *condition, const char *file, int line, const char *function);
/*
 * A source's path from src/ on: builds differ in what stands before it, and what is logged should
 * not.
 */
const char *assertion_place(const char *file);

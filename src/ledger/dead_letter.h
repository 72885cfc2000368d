/* What a dead letter says: the same in every database. Private to the adapters. */
#pragma once

#include "port/ledger.h"

/*
 * An event's texts are at most some 600 bytes; escaped and with its names it stays far below. A
 * record of another origin is cut to it.
 */
enum { DEAD_LETTER_MAX = 16384 };

/* The event as JSON. `out` has room for DEAD_LETTER_MAX; the caller looks at out->failed. */
void dead_letter_event(struct buffer *out, const struct event *event);
/*
 * A record that is no event: as it is where that is text (UTF-8 without NUL) and not too long, or
 * an object with its size and, in base64url, its beginning.
 */
void dead_letter_record(struct buffer *out, struct slice record);
/* Why an event that was judged so is a dead letter; NULL: it is none. */
const char *dead_letter_reason(int outcome);
/* Writes one. 0 or negative. */
typedef int dead_letter_fn(void *context, struct slice json, const char *reason);
/*
 * Those that a drain leaves behind once its events have outcomes: its bad records, and the events
 * that no transaction can apply. 0 or negative.
 */
int dead_letters_of_drain(const struct ledger_drain *drain, dead_letter_fn *write, void *context) MUST_CHECK;

/*
 * A record of the journal as its readers tell it: the drain's (port/journal_reader.h), and that of
 * a rebuild (journal.read).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "model/event.h"
#include "text/slice.h"

struct journal_record {
	uint32_t partition;
	int64_t offset;
	uint64_t mark;      /* fingerprint of the record's bytes */
	const char *reason; /* static text: why it is no event; NULL: it is one */
	bool newer; /* and that is because it is an event of a newer program: it may have been told, so nobody goes on behind it without it */
	struct event event;
	struct event_text text; /* the event's */
	struct slice key;   /* as read: the sale's number in decimal, where it is an event of ours; the reader's, as `value` is */
	struct slice value; /* as read; the reader's until the next read(), or until take() returns */
};

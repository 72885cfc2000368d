#include "ledger/dead_letter.h"

#include "base/base64url.h"
#include "base/json_text.h"

/* Of a record that is not kept whole: what it begins with tells whose it is, and the journal's own dead letters have all of it. */
enum { BEGINNING_MAX = 4096 };

void dead_letter_event(struct buffer *out, const struct event *event)
{
	event_encode(event, out);
}

static bool is_text(struct slice record)
{
	size_t size;

	while (record.size) {
		size = record.data[0] ? json_utf8_sequence(record) : 0;
		if (size == 0)
			return false;
		record.data += size;
		record.size -= size;
	}
	return true;
}

void dead_letter_record(struct buffer *out, struct slice record)
{
	char text[BASE64URL_SIZE(BEGINNING_MAX) + 1];
	size_t beginning = record.size < BEGINNING_MAX ? record.size : BEGINNING_MAX;

	if (record.size <= DEAD_LETTER_MAX && is_text(record)) {
		buffer_append_slice(out, record);
		return;
	}
	base64url_encode(record.data, beginning, text);
	buffer_printf(out, "{\"size\":%zu,\"base64url\":\"%s\"}", record.size, text);
}

const char *dead_letter_reason(int outcome)
{
	switch (outcome) {
	case LEDGER_NOT_FOUND:
		return "its sale, lot or order is not in the ledger";
	case LEDGER_CONSTRAINT:
		return "the ledger's last-line constraints keep it out";
	default:
		return NULL;
	}
}

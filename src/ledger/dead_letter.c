#include "ledger/dead_letter.h"

#include "text/base64url.h"
#include "text/json_text.h"

/*
 * Of a record that is not kept whole: what it begins with tells whose it is, and the journal's own
 * dead letters have all of it.
 */
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

/* event NULL: it is a record. */
static int write_one(const struct event *event, struct slice record, const char *reason, dead_letter_fn *write, void *context)
{
	struct buffer json;
	int result;

	buffer_init(&json, DEAD_LETTER_MAX);
	if (event)
		dead_letter_event(&json, event);
	else
		dead_letter_record(&json, record);
	result = json.failed ? error_origin(-ENOMEM) : write(context, buffer_slice(&json), reason);
	buffer_deinit(&json);
	return result;
}

int dead_letters_of_drain(const struct ledger_drain *drain, dead_letter_fn *write, void *context)
{
	int result = 0;

	for (size_t i = 0; i < drain->bad_count && result == 0; i++)
		result = write_one(NULL, drain->bad[i].record, drain->bad[i].reason, write, context);
	for (size_t i = 0; i < drain->count && result == 0; i++) {
		const char *reason = dead_letter_reason(drain->entries[i].outcome);

		if (reason)
			result = write_one(drain->entries[i].event, SLICE_NULL, reason, write, context);
	}
	return result;
}

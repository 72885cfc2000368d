#include "ledger/log_chain.h"

#include <stdio.h>
#include "text/buffer.h"

/* The longest row as it is hashed: its fields, six lengths and two numbers. */
enum { CANONICAL_MAX = 4096 };

const char log_first_hash[SHA256_TEXT_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";

static struct slice cut(struct slice text, size_t max)
{
	return (struct slice){text.data, text.size < max ? text.size : max};
}

struct log_fields log_fields_of(const struct ledger_actor *actor, enum log_action action, struct slice subject, struct slice detail_json)
{
	const struct ledger_log_row *room = NULL; /* for the sizes of its fields only */

	return (struct log_fields){
		.at_ms = actor->now_ms,
		.actor = cut(actor->name, sizeof(room->actor) - 1),
		.action = cut(slice_of(log_action_name(action)), sizeof(room->action) - 1),
		.subject = cut(subject, sizeof(room->subject) - 1),
		.detail = detail_json.size < sizeof(room->detail) ? detail_json : SLICE("{\"omitted\":\"too long\"}"),
		.trace = cut(actor->trace, TRACE_SIZE),
	};
}

int log_chain_hash(struct slice before, const struct log_fields *row, char hash[static SHA256_TEXT_SIZE])
{
	const struct slice texts[] = {before, row->actor, row->action, row->subject, row->detail, row->trace};
	struct buffer buffer;
	int result = 0;

	buffer_init(&buffer, CANONICAL_MAX);
	buffer_printf(&buffer, "%lld:%lld", (long long)row->number, (long long)row->at_ms);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buffer_printf(&buffer, ":%zu:", texts[i].size);
		buffer_append_slice(&buffer, texts[i]);
	}
	if (buffer.failed)
		result = error_origin(-ENOMEM);
	else
		sha256_hex(buffer_slice(&buffer), hash);
	buffer_deinit(&buffer);
	return result;
}

int64_t log_page_bound(const struct ledger_log_filter *filter)
{
	return filter->newest_first && filter->after == 0 ? INT64_MAX : filter->after;
}

static void fault(struct log_follower *follower, const char *text, int64_t number)
{
	follower->broken++;
	if (follower->first[0] == '\0')
		snprintf(follower->first, follower->first_size, "operator log, row %lld: %s", (long long)number, text);
}

void log_follow_start(struct log_follower *follower, char *first, size_t first_size)
{
	*follower = (struct log_follower){.first = first, .first_size = first_size};
	memcpy(follower->before, log_first_hash, sizeof(log_first_hash));
}

int log_follow(struct log_follower *follower, const struct log_fields *row, struct slice hash)
{
	char must_be[SHA256_TEXT_SIZE];
	int result = log_chain_hash(slice_of(follower->before), row, must_be);

	if (result < 0)
		return result;
	follower->rows++;
	if (row->number != follower->last + 1)
		fault(follower, "rows before it are gone", row->number);
	else if (!slice_equal(slice_of(must_be), hash))
		fault(follower, "its hash does not follow", row->number);
	/*
	 * From here on by what is written: one changed row is one fault, not as many as follow it.
	 */
	snprintf(follower->before, sizeof(follower->before), "%.*s", (int)hash.size, hash.data);
	follower->last = row->number;
	return 0;
}

void log_follow_end(struct log_follower *follower, int64_t given)
{
	if (given != follower->last)
		fault(follower, "it is the last that was written, and it is gone", given);
}

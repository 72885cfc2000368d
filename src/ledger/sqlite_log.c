/*
 * The operator log: who did what. Append only (triggers refuse the rest), and each row carries the SHA-256 of the row before's hash and its own
 * fields, so that a row that was changed, removed or put between breaks every hash after it. Fields go into the hash with their lengths, so that no
 * two different rows read the same. What it does not do: a person who may write the file can write the whole chain anew; against that, keep
 * a hash elsewhere from time to time.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include "base/buffer.h"
#include "ledger/sqlite_private.h"

/* The longest row as it is hashed: its fields, six lengths and two numbers. */
enum { CANONICAL_MAX = 4096 };

static const char first_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

void sha256_hex(struct slice data, char text[static SHA256_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[32];
	unsigned int size = sizeof(hash);

	if (EVP_Digest(data.data, data.size, hash, &size, EVP_sha256(), NULL) != 1)
		assertion_failed("SHA-256 works", __FILE__, __LINE__, __func__);
	for (size_t i = 0; i < sizeof(hash); i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	text[2 * sizeof(hash)] = '\0';
}

struct log_fields {
	int64_t number, at_ms;
	struct slice actor, action, subject, detail, trace;
};

static int hash_row(struct slice before, const struct log_fields *row, char hash[static SHA256_TEXT_SIZE])
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

/* The number and hash of the last row. */
static int read_head(struct connection *connection, int64_t *number, char hash[static SHA256_TEXT_SIZE])
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "SELECT number, hash FROM operator_log ORDER BY number DESC LIMIT 1", &statement);

	*number = 0;
	memcpy(hash, first_hash, sizeof(first_hash));
	if (result < 0)
		return result;
	result = step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	*number = sqlite3_column_int64(statement, 0);
	column_text(statement, 1, hash, SHA256_TEXT_SIZE);
	sqlite3_reset(statement);
	return 0;
}

static struct slice cut(struct slice text, size_t max)
{
	return (struct slice){text.data, text.size < max ? text.size : max};
}

int log_row_write(struct connection *connection, const struct ledger_actor *actor, const char *action, struct slice subject,
		  struct slice detail_json)
{
	const struct ledger_log_row *room = NULL; /* for the sizes of its fields only */
	char before[SHA256_TEXT_SIZE], hash[SHA256_TEXT_SIZE];
	struct log_fields row = {
		.at_ms = actor->now_ms,
		.actor = cut(actor->name, sizeof(room->actor) - 1),
		.action = cut(slice_of(action), sizeof(room->action) - 1),
		.subject = cut(subject, sizeof(room->subject) - 1),
		.detail = detail_json.size < sizeof(room->detail) ? detail_json : SLICE("{\"omitted\":\"too long\"}"),
		.trace = cut(actor->trace, TRACE_SIZE),
	};
	sqlite3_stmt *statement;
	int result = read_head(connection, &row.number, before);

	row.number++;
	if (result == 0)
		result = hash_row(slice_of(before), &row, hash);
	if (result == 0)
		result = connection_prepare(connection,
					    "INSERT INTO operator_log (number, at_ms, actor, action, subject, detail, trace, hash)"
					    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
					    &statement);
	if (result < 0)
		return result;
	bind_int(statement, 1, row.number);
	bind_int(statement, 2, row.at_ms);
	bind_text(statement, 3, row.actor);
	bind_text(statement, 4, row.action);
	bind_text(statement, 5, row.subject);
	bind_text(statement, 6, row.detail);
	bind_text(statement, 7, row.trace);
	bind_text(statement, 8, slice_of(hash));
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

static void note(char *first, size_t size, const char *text, int64_t number)
{
	if (first[0] == '\0')
		snprintf(first, size, "operator log, row %lld: %s", (long long)number, text);
}

/* The highest number that was ever given, so that a log without its last rows is seen to be short. */
static int verify_end(struct connection *connection, int64_t last, int64_t *broken, char *first, size_t size)
{
	sqlite3_stmt *statement;
	int64_t given = 0;
	int result = connection_prepare(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'operator_log'", &statement);

	if (result < 0)
		return result;
	result = step_row(connection, statement);
	if (result < 0)
		return result;
	if (result == STEP_ROW)
		given = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	if (given != last) {
		++*broken;
		note(first, size, "it is the last that was written, and it is gone", given);
	}
	return 0;
}

int log_verify(struct connection *connection, int64_t *rows, int64_t *broken, char *first, size_t size)
{
	char before[SHA256_TEXT_SIZE], hash[SHA256_TEXT_SIZE];
	struct log_fields row;
	sqlite3_stmt *statement;
	int64_t last = 0;
	int result = connection_prepare(
		connection, "SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log ORDER BY number",
		&statement);

	*rows = *broken = 0;
	memcpy(before, first_hash, sizeof(first_hash));
	if (result < 0)
		return result;
	while ((result = step_row(connection, statement)) == STEP_ROW) {
		row = (struct log_fields){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
					  column_slice(statement, 2),         column_slice(statement, 3),
					  column_slice(statement, 4),         column_slice(statement, 5),
					  column_slice(statement, 6)};
		result = hash_row(slice_of(before), &row, hash);
		if (result < 0) {
			sqlite3_reset(statement);
			return result;
		}
		++*rows;
		if (row.number != last + 1 || !slice_equal(slice_of(hash), column_slice(statement, 7))) {
			++*broken;
			note(first, size, row.number != last + 1 ? "rows before it are gone" : "its hash does not follow", row.number);
		}
		/* From here on by what is written: one changed row is one fault, not as many as follow it. */
		column_text(statement, 7, before, sizeof(before));
		last = row.number;
	}
	return result < 0 ? result : verify_end(connection, last, broken, first, size);
}

int sqlite_log_append(struct ledger *base, const struct ledger_actor *actor, const char *action, struct slice subject,
		      struct slice detail_json)
{
	struct connection *connection;
	int result = writer_begin(sqlite_ledger_of(base), &connection);

	if (result < 0)
		return result;
	return writer_end(sqlite_ledger_of(base), log_row_write(connection, actor, action, subject, detail_json));
}

int sqlite_log_rows(struct ledger *base, int64_t after, struct ledger_log_row *rows, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct reader *reader;
	sqlite3_stmt *statement;
	int result = reader_begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = connection_prepare(&reader->connection,
				    "SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log"
				    " WHERE number > ?1 ORDER BY number LIMIT ?2",
				    &statement);
	if (result < 0)
		return reader_end(ledger, reader, result);
	bind_int(statement, 1, after);
	bind_int(statement, 2, (int64_t)max);
	while ((result = step_row(&reader->connection, statement)) == STEP_ROW) {
		struct ledger_log_row *row = &rows[(*count)++];

		row->number = sqlite3_column_int64(statement, 0);
		row->at_ms = sqlite3_column_int64(statement, 1);
		column_text(statement, 2, row->actor, sizeof(row->actor));
		column_text(statement, 3, row->action, sizeof(row->action));
		column_text(statement, 4, row->subject, sizeof(row->subject));
		column_text(statement, 5, row->detail, sizeof(row->detail));
		column_text(statement, 6, row->trace, sizeof(row->trace));
		column_text(statement, 7, row->hash, sizeof(row->hash));
	}
	return reader_end(ledger, reader, result);
}

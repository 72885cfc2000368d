#include "cli/csv.h"

#include <string.h>

void csv_append(struct buffer *out, struct slice field, bool first)
{
	bool quoted = false;

	for (size_t i = 0; i < field.size && !quoted; i++)
		quoted = field.data[i] == ',' || field.data[i] == '"' || field.data[i] == '\r' || field.data[i] == '\n';
	if (!first)
		buffer_append_literal(out, ",");
	if (!quoted) {
		buffer_append_slice(out, field);
		return;
	}
	buffer_append_literal(out, "\"");
	for (size_t i = 0; i < field.size; i++) {
		if (field.data[i] == '"')
			buffer_append_literal(out, "\"");
		buffer_append(out, &field.data[i], 1);
	}
	buffer_append_literal(out, "\"");
}

void csv_end_line(struct buffer *out)
{
	buffer_append_literal(out, "\r\n");
}

/* --- Reading --- */

void csv_reader_init(struct csv_reader *reader, struct slice text)
{
	text = slice_without_mark(text);
	*reader = (struct csv_reader){.at = text.data, .end = text.data + text.size, .line = 1};
}

/* Behind a field: a comma, a line's end, or the text's. */
static bool at_end_of_field(const struct csv_reader *reader)
{
	return reader->at == reader->end || *reader->at == ',' || *reader->at == '\n' ||
	       (*reader->at == '\r' && (reader->at + 1 == reader->end || reader->at[1] == '\n'));
}

/* Unquoted fields stand where they are; the others are written into the row's own memory. */
static int read_quoted(struct csv_reader *reader, struct csv_row *row, struct slice *field)
{
	size_t start = row->unquoted.size;

	for (reader->at++; reader->at < reader->end; reader->at++) {
		if (*reader->at == '"' && (reader->at + 1 == reader->end || reader->at[1] != '"'))
			break;
		if (*reader->at == '"')
			reader->at++;
		reader->line += *reader->at == '\n';
		buffer_append(&row->unquoted, reader->at, 1);
	}
	if (reader->at == reader->end)
		return -EBADMSG;
	reader->at++;
	*field = (struct slice){row->unquoted.data ? row->unquoted.data + start : "", row->unquoted.size - start};
	return row->unquoted.failed ? error_origin(-ENOMEM) : at_end_of_field(reader) ? 0 : -EBADMSG;
}

static int read_field(struct csv_reader *reader, struct csv_row *row, struct slice *field)
{
	const char *start = reader->at;

	if (reader->at < reader->end && *reader->at == '"')
		return read_quoted(reader, row, field);
	while (!at_end_of_field(reader))
		reader->at++;
	*field = (struct slice){start, (size_t)(reader->at - start)};
	return 0;
}

static void end_line(struct csv_reader *reader)
{
	if (reader->at < reader->end && *reader->at == '\r')
		reader->at++;
	if (reader->at < reader->end && *reader->at == '\n')
		reader->at++;
	reader->line++;
}

/* Spreadsheets fill rows up with empty fields. */
static bool too_wide(const struct csv_reader *reader, const struct csv_row *row)
{
	for (size_t i = reader->width; i < row->count; i++)
		if (row->fields[i].size > 0)
			return true;
	return false;
}

int csv_read(struct csv_reader *reader, struct csv_row *row)
{
	/*
	 * What is written never moves: a row's quoted fields are no more than what is left of the
	 * text.
	 */
	if (!row->unquoted.data) {
		buffer_init(&row->unquoted, (size_t)(reader->end - reader->at) + 1);
		if (!buffer_reserve(&row->unquoted, (size_t)(reader->end - reader->at) + 1))
			return error_origin(-ENOMEM);
	}
	buffer_clear(&row->unquoted);
	for (;;) {
		row->count = 0;
		row->line = reader->line;
		if (reader->at == reader->end)
			return 0;
		for (;;) {
			int r = row->count == CSV_FIELDS_MAX ? -EBADMSG : read_field(reader, row, &row->fields[row->count]);

			if (r < 0)
				return r;
			row->count++;
			if (reader->at == reader->end || *reader->at != ',')
				break;
			reader->at++;
		}
		end_line(reader);
		if (row->count == 1 && row->fields[0].size == 0)
			continue;
		if (reader->width == 0)
			reader->width = row->count;
		return too_wide(reader, row) ? -EBADMSG : 1;
	}
}

void csv_row_deinit(struct csv_row *row)
{
	buffer_deinit(&row->unquoted);
}

int csv_column(const struct csv_row *titles, const char *title)
{
	for (size_t i = 0; i < titles->count; i++)
		if (slice_equal(slice_trim(titles->fields[i]), slice_of(title)))
			return (int)i;
	return -1;
}

struct slice csv_field(const struct csv_row *row, int place)
{
	return place >= 0 && (size_t)place < row->count ? slice_trim(row->fields[place]) : SLICE_NULL;
}

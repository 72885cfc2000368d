#include "cli/csv.h"

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

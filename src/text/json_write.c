#include "text/json_write.h"

void json_write_name(struct buffer *out, const char *name)
{
	if (out->size && out->data[out->size - 1] != '{')
		buffer_append_literal(out, ",");
	buffer_append_literal(out, "\"");
	buffer_append_text(out, name);
	buffer_append_literal(out, "\":");
}

void json_write_int(struct buffer *out, const char *name, int64_t value)
{
	json_write_name(out, name);
	buffer_append_int(out, value);
}

void json_write_text(struct buffer *out, const char *name, struct slice value)
{
	json_write_name(out, name);
	buffer_append_json_string(out, value);
}

#include "text/json_flat.h"

#include <stdbool.h>
#include "text/json_text.h"

enum { DIGITS_MAX = 18 }; /* what no number of so many digits can overflow */

/* The bytes not read yet. */
struct input {
	const char *at, *end;
};

static bool take(struct input *input, char byte)
{
	if (input->at == input->end || *input->at != byte)
		return false;
	input->at++;
	return true;
}

static bool take_text(struct input *input, struct slice *text)
{
	if (!take(input, '"'))
		return false;
	*text = (struct slice){input->at, (size_t)(input->end - input->at)};
	text->size = json_plain_run(*text);
	input->at += text->size;
	return take(input, '"');
}

static bool take_integer(struct input *input, int64_t *integer)
{
	bool negative = take(input, '-');
	const char *first = input->at;
	int64_t value = 0;

	while (input->at < input->end && *input->at >= '0' && *input->at <= '9' && input->at - first < DIGITS_MAX)
		value = value * 10 + (*input->at++ - '0');
	*integer = negative ? -value : value;
	/*
	 * What follows the digits is looked at by the caller: a fraction, an exponent or one more
	 * digit is no comma.
	 */
	return input->at > first && (*first != '0' || input->at - first == 1);
}

static bool take_value(struct input *input, struct json_flat_field *field)
{
	static const char null[] = "null";

	if (input->at == input->end)
		return false;
	if (*input->at == '"') {
		field->type = JSON_FLAT_TEXT;
		return take_text(input, &field->text);
	}
	if (*input->at != 'n') {
		field->type = JSON_FLAT_INTEGER;
		return take_integer(input, &field->integer);
	}
	field->type = JSON_FLAT_NULL;
	for (const char *byte = null; *byte; byte++)
		if (!take(input, *byte))
			return false;
	return true;
}

static bool is_new(const struct json_flat_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(fields[i].name, fields[count].name))
			return false;
	return true;
}

size_t json_flat_read(struct slice json, struct json_flat_field fields[static JSON_FLAT_FIELDS_MAX])
{
	struct input input = {json.data, json.data + json.size};
	size_t count = 0;

	if (!take(&input, '{'))
		return 0;
	do {
		struct json_flat_field *field = &fields[count];

		if (count == JSON_FLAT_FIELDS_MAX)
			return 0;
		*field = (struct json_flat_field){0};
		if (!take_text(&input, &field->name) || !take(&input, ':') || !take_value(&input, field) || !is_new(fields, count))
			return 0;
		count++;
	} while (take(&input, ','));
	return take(&input, '}') && input.at == input.end ? count : 0;
}

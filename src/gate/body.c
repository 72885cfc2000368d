#include "gate/body.h"

#include <stdio.h>
#include "base/clock.h"
#include "model/sale.h"

/* application/json, with any parameters (RFC 8259 knows none that matter). */
static bool is_json(struct slice type)
{
	struct slice json = SLICE("application/json"), head = {type.data, json.size};

	if (type.size < json.size || !slice_equal_any_case(head, json))
		return false;
	return type.size == json.size || type.data[json.size] == ';' || type.data[json.size] == ' ';
}

/* Names of the library are not for the client. */
static void refuse_json(const json_error_t *error, struct reply *reply)
{
	const char *text = error->text;

	switch (json_error_code(error)) {
	case json_error_numeric_overflow:
		reply_refuse(reply, PROBLEM_INVALID_VALUE, "Line %d, column %d: the number is too large.", error->line, error->column);
		return;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		text = "a text may not have the character U+0000 in it";
		break;
	default:
		break;
	}
	reply_refuse(reply, PROBLEM_MALFORMED_REQUEST, "The body is not valid JSON: line %d, column %d: %s.", error->line,
		     error->column, text);
}

json_t *body_parse(const struct http_request *request, struct reply *reply)
{
	json_error_t error;
	json_t *document;

	if (request->body.size == 0)
		return json_object();
	if (!is_json(request->known[HTTP_CONTENT_TYPE])) {
		reply_problem(reply, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
		return NULL;
	}
	document = json_loadb(request->body.data, request->body.size, JSON_REJECT_DUPLICATES, &error);
	/*
	 * A whole number beyond 64 bits is JSON all the same: as a real it comes to the field that
	 * it is too large for.
	 */
	if (!document && json_error_code(&error) == json_error_numeric_overflow)
		document = json_loadb(request->body.data, request->body.size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				      &error);
	if (!document) {
		refuse_json(&error, reply);
		return NULL;
	}
	if (!json_is_object(document)) {
		json_decref(document);
		reply_refuse(reply, PROBLEM_MALFORMED_REQUEST, "The body must be a JSON object.");
		return NULL;
	}
	return document;
}

static int bad(struct reply *reply, const char *path, const struct body_field *field, const char *rule)
{
	char name[160];

	snprintf(name, sizeof(name), "%s%s", path, field->name);
	reply_bad_field(reply, PROBLEM_INVALID_VALUE, name, "%s must be %s.", name, rule);
	return 1;
}

/*
 * A whole number as JSON Schema has it: 100.0 is one. Beyond 2^53 a double may stand for several.
 */
static bool whole_number(const json_t *value, int64_t *number)
{
	const double exact_max = 9007199254740992;
	double real = json_real_value(value);

	if (json_is_integer(value))
		*number = json_integer_value(value);
	else if (json_is_real(value) && real >= -exact_max && real <= exact_max && (double)(int64_t)real == real)
		*number = (int64_t)real;
	else
		return false;
	return true;
}

static int read_integer(const json_t *value, struct body_field *field, const char *path, struct reply *reply)
{
	int64_t number;
	char rule[96];

	if (whole_number(value, &number) && number >= field->min && number <= field->max) {
		*(int64_t *)field->target = number;
		return 0;
	}
	snprintf(rule, sizeof(rule), "a whole number from %lld to %lld", (long long)field->min, (long long)field->max);
	return bad(reply, path, field, rule);
}

static int read_text(const json_t *value, struct body_field *field, const char *path, struct reply *reply)
{
	struct slice text = {json_string_value(value), json_string_length(value)};

	if (!json_is_string(value) || (field->valid && !field->valid(text)))
		return bad(reply, path, field, field->rule ? field->rule : "a text");
	*(struct slice *)field->target = text;
	return 0;
}

static int read_time(const json_t *value, struct body_field *field, const char *path, struct reply *reply)
{
	int64_t *target = field->target;

	if (json_is_null(value)) {
		*target = SALE_NO_TIME;
		return 0;
	}
	if (json_is_string(value) && clock_parse(json_string_value(value), json_string_length(value), target) == 0 && *target >= 0)
		return 0;
	return bad(reply, path, field, "a time like 2027-01-01T10:00:00.000Z or 2027-01-01T11:00:00+01:00, or null");
}

static int read_array(json_t *value, struct body_field *field, const char *path, struct reply *reply)
{
	char rule[96];

	if (json_is_array(value) && (int64_t)json_array_size(value) >= field->min && (int64_t)json_array_size(value) <= field->max) {
		*(json_t **)field->target = value;
		return 0;
	}
	snprintf(rule, sizeof(rule), "an array of %lld to %lld elements", (long long)field->min, (long long)field->max);
	return bad(reply, path, field, rule);
}

static int read_value(json_t *value, struct body_field *field, const char *path, struct reply *reply)
{
	switch (field->kind) {
	case BODY_INTEGER:
		return read_integer(value, field, path, reply);
	case BODY_BOOLEAN:
		if (!json_is_boolean(value))
			return bad(reply, path, field, "true or false");
		*(bool *)field->target = json_is_true(value);
		return 0;
	case BODY_TEXT:
		return read_text(value, field, path, reply);
	case BODY_TIME:
		return read_time(value, field, path, reply);
	case BODY_OBJECT:
		if (!json_is_object(value))
			return bad(reply, path, field, "an object");
		*(json_t **)field->target = value;
		return 0;
	case BODY_ARRAY:
		return read_array(value, field, path, reply);
	}
	assertion_failed("a known kind", __FILE__, __LINE__, __func__);
}

static struct body_field *find_field(struct body_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static void refuse_unknown(struct reply *reply, struct body_field *fields, size_t count, const char *path, const char *name)
{
	char known[320] = "", full[200];
	size_t used = 0;

	for (size_t i = 0; i < count && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", fields[i].name);
	snprintf(full, sizeof(full), "%s%.100s", path, name);
	reply_bad_field(reply, PROBLEM_UNKNOWN_FIELD, full, "There is no field %s here. Known are: %s.", full, count ? known : "none");
}

int body_read(const json_t *object, struct body_field *fields, size_t count, const char *path, struct reply *reply)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		struct body_field *field = find_field(fields, count, name);

		if (!field) {
			refuse_unknown(reply, fields, count, path, name);
			return 1;
		}
		if (read_value(value, field, path, reply))
			return 1;
		field->given = true;
	}
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && !fields[i].given)
			return bad(reply, path, &fields[i], "given");
	return 0;
}

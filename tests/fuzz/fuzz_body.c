/*
 * JSON bodies: any bytes as a body, read by tables of fields of every kind. Held: no crash; what is
 * refused is a whole problem document with the status of its code; what is accepted is within its
 * bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "gate/body.h"
#include "model/sale.h"

enum { BODY_MAX = 16384, FIELDS = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	int64_t quantity, opens_at;
	bool late;
	struct slice sku, name;
	json_t *price, *lots;
};

static void tabulate(struct values *values, struct body_field fields[FIELDS])
{
	const struct body_field table[FIELDS] = {
		{.name = "quantity", .kind = BODY_INTEGER, .target = &values->quantity, .min = 1, .max = LIMIT_MAX},
		{.name = "late", .kind = BODY_BOOLEAN, .target = &values->late},
		{.name = "sku", .kind = BODY_TEXT, .target = &values->sku, .valid = sale_sku_valid, .rule = "a SKU"},
		{.name = "name", .kind = BODY_TEXT, .target = &values->name, .valid = sale_name_valid, .rule = "a name"},
		{.name = "opens_at", .kind = BODY_TIME, .target = &values->opens_at},
		{.name = "price", .kind = BODY_OBJECT, .target = &values->price},
		{.name = "lots", .kind = BODY_ARRAY, .target = &values->lots, .min = 1, .max = 3},
	};

	memcpy(fields, table, sizeof(table));
}

static void check_refusal(const struct reply *reply)
{
	json_t *document = json_loadb(reply->body.data, reply->body.size, JSON_REJECT_DUPLICATES, NULL);

	ASSERT(reply->problem < PROBLEM_COUNT);
	ASSERT(reply->status == problem_status(reply->problem));
	ASSERT(document != NULL);
	ASSERT(strcmp(json_string_value(json_object_get(document, "code")), problem_code(reply->problem)) == 0);
	ASSERT(json_string_length(json_object_get(document, "detail")) > 0);
	json_decref(document);
}

static void check_values(const struct values *values, const struct body_field fields[FIELDS])
{
	if (fields[0].given) {
		ASSERT(values->quantity >= 1);
		ASSERT(values->quantity <= LIMIT_MAX);
	}
	ASSERT(!fields[2].given || sale_sku_valid(values->sku));
	ASSERT(!fields[3].given || sale_name_valid(values->name));
	ASSERT(!fields[4].given || values->opens_at >= SALE_NO_TIME);
	ASSERT(!fields[5].given || json_is_object(values->price));
	ASSERT(!fields[6].given || (json_array_size(values->lots) >= 1 && json_array_size(values->lots) <= 3));
}

/* What is nested is read by the same table, under its path. */
static void read_object(const json_t *object, const char *path, struct reply *reply, int depth)
{
	struct body_field fields[FIELDS];
	struct values values = {0};
	json_t *element;
	size_t i;

	tabulate(&values, fields);
	if (body_read(object, fields, FIELDS, path, reply)) {
		check_refusal(reply);
		return;
	}
	check_values(&values, fields);
	if (fields[5].given && depth < 4)
		read_object(values.price, "price.", reply, depth + 1);
	if (!fields[6].given)
		return;
	json_array_foreach(values.lots, i, element)
	{
		if (json_is_object(element) && depth < 4)
			read_object(element, "lots[0].", reply, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request = {.known[HTTP_CONTENT_TYPE] = SLICE("application/json"), .has_length = true};
	struct reply reply;
	json_t *document;

	if (size > BODY_MAX)
		return 0;
	request.body = (struct slice){(const char *)data, size};
	reply_init(&reply);
	document = body_parse(&request, &reply);
	if (document)
		read_object(document, "", &reply, 0);
	else
		check_refusal(&reply);
	json_decref(document);
	reply_deinit(&reply);
	return 0;
}

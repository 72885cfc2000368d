/*
 * Values on their way to the server and back, in the binary forms of its types (big-endian; docs of
 * PostgreSQL, "Frontend/Backend Protocol").
 */
#include <stdlib.h>
#include "ledger/postgres/connection.h"

enum { ARRAY_MAX = 64 * 1024 * 1024 };

/* Types that every server has under these numbers (its catalog pg_type). */
enum {
	OID_INT8 = 20,
	OID_TEXT = 25,
	OID_BYTEA = 17,
	OID_UUID = 2950,
	OID_INT8_ARRAY = 1016,
	OID_TEXT_ARRAY = 1009,
	OID_UUID_ARRAY = 2951
};

/* --- Parameters --- */

static void store_big_endian(char *out, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(value >> (8 * (size - 1 - i)));
}

static void put(struct pg_params *params, Oid type, const char *value, size_t size)
{
	ASSERT(params->count < PG_PARAMS_MAX);
	params->types[params->count] = type;
	params->values[params->count] = value;
	params->sizes[params->count++] = (int)size;
}

void pg_put_int(struct pg_params *params, int64_t value)
{
	char *bytes = params->numbers[params->count];

	store_big_endian(bytes, (uint64_t)value, 8);
	put(params, OID_INT8, bytes, 8);
}

void pg_put_int_or_null(struct pg_params *params, int64_t value, int64_t none)
{
	if (value == none)
		put(params, OID_INT8, NULL, 0);
	else
		pg_put_int(params, value);
}

void pg_put_text(struct pg_params *params, struct slice text)
{
	put(params, OID_TEXT, text.size ? text.data : "", text.size);
}

void pg_put_text_or_null(struct pg_params *params, struct slice text)
{
	put(params, OID_TEXT, text.size ? text.data : NULL, text.size);
}

void pg_put_bytes(struct pg_params *params, struct slice bytes)
{
	put(params, OID_BYTEA, bytes.size ? bytes.data : "", bytes.size);
}

void pg_put_uuid(struct pg_params *params, const struct uuid *id)
{
	put(params, OID_UUID, id ? (const char *)id->bytes : NULL, id ? sizeof(id->bytes) : 0);
}

/* --- Arrays --- */

void pg_array_init(struct pg_array *array, enum pg_kind kind)
{
	*array = (struct pg_array){.kind = kind};
	buffer_init(&array->bytes, ARRAY_MAX);
	pg_array_clear(array);
}

void pg_array_deinit(struct pg_array *array)
{
	buffer_deinit(&array->bytes);
}

void pg_array_clear(struct pg_array *array)
{
	buffer_clear(&array->bytes);
	array->count = 0;
	array->has_null = false;
	if (buffer_reserve(&array->bytes, PG_ARRAY_HEADER))
		array->bytes.size = PG_ARRAY_HEADER; /* written when the array is complete */
}

static void element(struct pg_array *array, const void *data, size_t size)
{
	char *out = buffer_reserve(&array->bytes, 4 + size);

	array->count++;
	if (!out)
		return;
	store_big_endian(out, size, 4);
	if (size)
		memcpy(out + 4, data, size);
	array->bytes.size += 4 + size;
}

void pg_array_int(struct pg_array *array, int64_t value)
{
	char bytes[8];

	ASSERT(array->kind == PG_INT);
	store_big_endian(bytes, (uint64_t)value, 8);
	element(array, bytes, 8);
}

void pg_array_text(struct pg_array *array, struct slice text)
{
	ASSERT(array->kind == PG_TEXT);
	element(array, text.data, text.size);
}

void pg_array_uuid(struct pg_array *array, const struct uuid *id)
{
	ASSERT(array->kind == PG_UUID);
	element(array, id->bytes, sizeof(id->bytes));
}

void pg_array_null(struct pg_array *array)
{
	char *out = buffer_reserve(&array->bytes, 4);

	array->count++;
	array->has_null = true;
	if (!out)
		return;
	store_big_endian(out, UINT32_MAX, 4);
	array->bytes.size += 4;
}

void pg_put_array(struct pg_params *params, struct pg_array *array)
{
	static const Oid elements[] = {[PG_INT] = OID_INT8, [PG_TEXT] = OID_TEXT, [PG_UUID] = OID_UUID};
	static const Oid arrays[] = {[PG_INT] = OID_INT8_ARRAY, [PG_TEXT] = OID_TEXT_ARRAY, [PG_UUID] = OID_UUID_ARRAY};
	char *header = array->bytes.data;

	if (array->bytes.failed) {
		put(params, 0, NULL, 0); /* seen by pg_add() */
		return;
	}
	store_big_endian(header, array->count ? 1 : 0, 4); /* dimensions */
	store_big_endian(header + 4, array->has_null, 4);
	store_big_endian(header + 8, elements[array->kind], 4);
	store_big_endian(header + 12, array->count, 4);
	store_big_endian(header + 16, 1, 4); /* subscripts from 1 */
	put(params, arrays[array->kind], header, array->count ? array->bytes.size : 12);
}

/* --- Results --- */

int64_t pg_get_int_or(const PGresult *result, int row, int column, int64_t none)
{
	const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, row, column);
	int size = PQgetlength(result, row, column);
	uint64_t value = 0;

	if (PQgetisnull(result, row, column))
		return none;
	ASSERT(size == 1 || size == 2 || size == 4 || size == 8);
	for (int i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	switch (size) {
	case 2:
		return (int16_t)value;
	case 4:
		return (int32_t)value;
	default:
		return (int64_t)value;
	}
}

int64_t pg_get_int(const PGresult *result, int row, int column)
{
	return pg_get_int_or(result, row, column, 0);
}

struct slice pg_get_slice(const PGresult *result, int row, int column)
{
	return (struct slice){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

void pg_get_text(const PGresult *result, int row, int column, char *text, size_t size)
{
	struct slice value = pg_get_slice(result, row, column);
	size_t length = value.size < size - 1 ? value.size : size - 1;

	memcpy(text, value.data, length);
	text[length] = '\0';
}

void pg_get_uuid(const PGresult *result, int row, int column, struct uuid *id)
{
	struct slice value = pg_get_slice(result, row, column);

	*id = (struct uuid){{0}};
	if (value.size == sizeof(id->bytes))
		memcpy(id->bytes, value.data, value.size);
}

int64_t pg_changed(PGresult *result)
{
	return strtoll(PQcmdTuples(result), NULL, 10);
}

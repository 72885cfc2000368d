/*
 * New orders by COPY, for many at once. The columns of a batch are arrays in the protocol's binary
 * form, and an element of an array has the form of a field of COPY's binary rows (length, value),
 * so a row is a field from each; only integers are narrowed to their column's type, which COPY does
 * not do.
 */
#include "ledger/postgres/rows.h"

enum { COLUMNS_MAX = 20, ROWS_MAX_BYTES = 256 * 1024 * 1024 };

struct column {
	const struct pg_array *array; /* NULL: the number 0 in every row */
	size_t width;                 /* of an integer; 0: as it is */
	const char *at;
};

static const char copy_orders[] =
	"COPY orders (id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms,"
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace, key, price_minor, reference, metadata, confirmed_at_ms) FROM STDIN (FORMAT binary)";
static const char copy_movements[] =
	"COPY movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held, confirmed,"
	" withdrawn, actor, epoch, hold_expires_at_ms, reason, left_units, refund) FROM STDIN (FORMAT binary)";

static int32_t size_at(const char *at)
{
	const uint8_t *bytes = (const uint8_t *)at;

	return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]);
}

/* Whether the big-endian number of 8 bytes is one of `width` bytes. */
static bool fits(const char *value, size_t width)
{
	const char sign = (char)((value[8 - width] & 0x80) ? 0xff : 0);

	for (size_t i = 0; i < 8 - width; i++)
		if (value[i] != sign)
			return false;
	return true;
}

/* The column's next field. false: a number that its column cannot hold. */
static bool add_field(struct buffer *rows, struct column *column)
{
	static const char zero[] = {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0};
	const char *at = column->array ? column->at : zero;
	int32_t size = size_at(at);
	const char narrow[4] = {0, 0, 0, (char)column->width};

	if (column->array)
		column->at += 4 + (size > 0 ? size : 0);
	if (size < 0 || column->width == 0 || column->width == (size_t)size) {
		buffer_append(rows, at, 4 + (size > 0 ? (size_t)size : 0));
		return true;
	}
	if (!fits(at + 4, column->width))
		return false;
	buffer_append(rows, narrow, sizeof(narrow));
	buffer_append(rows, at + 4 + 8 - column->width, column->width);
	return true;
}

/* Rows from the columns. 0, PG_CONSTRAINT, or -ENOMEM. */
static int make_rows(struct buffer *rows, struct column *columns, size_t count)
{
	static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* the literal's own end is the last byte of its 19 */
	const char fields[2] = {0, (char)count}, trailer[2] = {(char)0xff, (char)0xff};

	buffer_clear(rows);
	buffer_append(rows, header, sizeof(header));
	for (size_t i = 0; i < count; i++)
		columns[i].at = columns[i].array ? columns[i].array->bytes.data + PG_ARRAY_HEADER : NULL;
	ASSERT(count > 0 && columns[0].array);
	for (uint32_t row = 0; row < columns[0].array->count; row++) {
		buffer_append(rows, fields, sizeof(fields));
		for (size_t i = 0; i < count; i++)
			if (!add_field(rows, &columns[i]))
				return PG_CONSTRAINT;
	}
	buffer_append(rows, trailer, sizeof(trailer));
	return rows->failed ? error_origin(-ENOMEM) : 0;
}

static int copy(struct pg_connection *connection, const char *sql, struct buffer *rows, struct column *columns, size_t count)
{
	int end;

	for (size_t i = 0; i < count; i++)
		if (columns[i].array && columns[i].array->bytes.failed)
			return error_origin(-ENOMEM);
	end = make_rows(rows, columns, count);
	return end != 0 ? end : pg_send_rows(connection, sql, buffer_slice(rows));
}

int pg_copy_orders(struct pg_connection *connection, struct pg_batch *batch)
{
	const struct pg_array *new = batch->new, *moves = batch->moves;
	struct column orders[] = {
		{&new[NEW_ID], 0, NULL},          {&new[NEW_SALE], 4, NULL},      {&new[NEW_LOT], 4, NULL},
		{&new[NEW_QUANTITY], 4, NULL},    {&new[NEW_STATE], 2, NULL},     {&new[NEW_EPOCH], 8, NULL},
		{&new[NEW_BUYER_UNITS], 4, NULL}, {&new[NEW_LIMIT], 4, NULL},     {&new[NEW_AT], 8, NULL},
		{&new[NEW_AT], 8, NULL},          {&new[NEW_HOLD], 8, NULL},      {&new[NEW_HOLD], 8, NULL},
		{&new[NEW_BUYER], 0, NULL},       {&new[NEW_TRACE], 0, NULL},     {&new[NEW_KEY], 0, NULL},
		{&new[NEW_PRICE], 8, NULL},       {&new[NEW_REFERENCE], 0, NULL}, {&new[NEW_METADATA], 0, NULL},
		{&new[NEW_CONFIRMED], 8, NULL},
	};
	struct column movements[] = {
		{&moves[MOVE_AT], 8, NULL},     {&moves[MOVE_CAUSE], 2, NULL},     {&moves[MOVE_ITEM], 4, NULL},
		{&moves[MOVE_SALE], 4, NULL},   {&moves[MOVE_LOT], 4, NULL},       {&moves[MOVE_ORDER], 0, NULL},
		{&moves[MOVE_ID], 0, NULL},     {&moves[MOVE_ON_HAND], 8, NULL},   {NULL, 8, NULL},
		{&moves[MOVE_HELD], 8, NULL},   {&moves[MOVE_CONFIRMED], 8, NULL}, {&moves[MOVE_WITHDRAWN], 8, NULL},
		{&moves[MOVE_ACTOR], 0, NULL},  {&moves[MOVE_EPOCH], 8, NULL},     {&moves[MOVE_HOLD], 8, NULL},
		{&moves[MOVE_REASON], 0, NULL}, {&moves[MOVE_LEFT], 4, NULL},      {&moves[MOVE_REFUND], 0, NULL},
	};
	struct buffer rows;
	int end;

	buffer_init(&rows, ROWS_MAX_BYTES);
	end = copy(connection, copy_orders, &rows, orders, sizeof(orders) / sizeof(orders[0]));
	if (end == 0)
		end = copy(connection, copy_movements, &rows, movements, sizeof(movements) / sizeof(movements[0]));
	buffer_deinit(&rows);
	return end;
}

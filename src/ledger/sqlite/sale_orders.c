#include "ledger/sqlite/sale_orders.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/assertion.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/rules.h"
#include "ledger/sqlite/sqlite_ledger.h"

enum {
	ROW_IDS = 64,            /* 1 KiB: a page of the smallest size */
	BEHIND_AT_OPENING = 256, /* movements that each sale of a restart may have to look through */
	BEHIND_SOON = 4,         /* in a test that wants it often */
};

struct listed_order {
	uint32_t sale;
	struct uuid id;
};

static int by_sale_and_id(const void *left, const void *right)
{
	const struct listed_order *a = left, *b = right;

	if (a->sale != b->sale)
		return a->sale < b->sale ? -1 : 1;
	return uuid_compare(&a->id, &b->id);
}

static int by_id(const void *left, const void *right)
{
	return uuid_compare(left, right);
}

/* --- Putting them into rows --- */

static int insert_row(struct sqlite_connection *connection, uint32_t sale, const struct uuid *ids, size_t count)
{
	sqlite3_stmt *statement;
	int result =
		sqlite_connection_prepare(connection, "INSERT INTO sale_orders (sale, last, ids) VALUES (?1, ?2, ?3)", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, &ids[count - 1]);
	sqlite_bind_bytes_or_null(statement, 3, (struct slice){(const char *)ids, count * sizeof(*ids)});
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EUCLEAN) : result;
}

static int delete_row(struct sqlite_connection *connection, uint32_t sale, const struct uuid *last)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "DELETE FROM sale_orders WHERE sale = ?1 AND last = ?2", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, last);
	return sqlite_step_once(connection, statement);
}

/*
 * The first row of the sale that ends at or behind `id`: its ids, and their last one. STEP_ROW,
 * STEP_DONE where there is none, or negative.
 */
static int find_row(struct sqlite_connection *connection, uint32_t sale, const struct uuid *id, struct uuid ids[static ROW_IDS],
		    size_t *count)
{
	sqlite3_stmt *statement;
	struct slice found;
	int result = sqlite_connection_prepare(
		connection, "SELECT ids FROM sale_orders WHERE sale = ?1 AND last >= ?2 ORDER BY last LIMIT 1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, id);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	found = sqlite_column_slice(statement, 0);
	*count = found.size / sizeof(*ids);
	if (found.size == 0 || found.size % sizeof(*ids) || *count > ROW_IDS)
		result = error_origin(-EUCLEAN);
	else
		memcpy(ids, found.data, found.size);
	sqlite3_reset(statement);
	return result;
}

/* In as few rows as take them, of about the same length. */
static int insert_rows(struct sqlite_connection *connection, uint32_t sale, const struct uuid *ids, size_t count)
{
	size_t rows = (count + ROW_IDS - 1) / ROW_IDS;
	int result = 0;

	for (size_t size; rows > 0 && result == 0; rows--) {
		size = count / rows;
		result = insert_row(connection, sale, ids, size);
		ids += size;
		count -= size;
	}
	return result;
}

/*
 * The row again, with the ids of `added` that are not behind its end; *taken: how many these are.
 */
static int add_to_row(struct sqlite_connection *connection, uint32_t sale, const struct uuid *row, size_t row_count,
		      const struct uuid *added, size_t count, struct uuid *merged, size_t *taken)
{
	const struct uuid *last = &row[row_count - 1];
	size_t in_row = 0, size = 0;
	int result = delete_row(connection, sale, last);

	*taken = 0;
	while (in_row < row_count) {
		int order = *taken < count ? uuid_compare(&added[*taken], &row[in_row]) : 1;

		if (order == 0) /* an order that has two movements: the audit tells */
			++*taken;
		else
			merged[size++] = order < 0 ? added[(*taken)++] : row[in_row++];
	}
	return result < 0 ? result : insert_rows(connection, sale, merged, size);
}

/* Of one sale; they rise. `merged` has room for them and a row. */
static int put_of_sale(struct sqlite_connection *connection, uint32_t sale, const struct uuid *added, size_t count, struct uuid *merged)
{
	struct uuid row[ROW_IDS];
	size_t row_count, taken;
	int result = 0;

	for (size_t done = 0; done < count && result == 0; done += taken) {
		result = find_row(connection, sale, &added[done], row, &row_count);
		taken = count - done;
		if (result == STEP_DONE)
			result = insert_rows(connection, sale, added + done, taken);
		else if (result == STEP_ROW)
			result = add_to_row(connection, sale, row, row_count, added + done, count - done, merged, &taken);
	}
	return result;
}

/* They are sorted; `ids` and `merged` have room for all and a row. */
static int put_all(struct sqlite_connection *connection, const struct listed_order *orders, size_t count, struct uuid *ids,
		   struct uuid *merged)
{
	int result = 0;

	for (size_t at = 0; at < count && result == 0;) {
		uint32_t sale = orders[at].sale;
		size_t size = 0;

		for (; at < count && orders[at].sale == sale; at++)
			if (size == 0 || !uuid_equal(&ids[size - 1], &orders[at].id))
				ids[size++] = orders[at].id;
		result = put_of_sale(connection, sale, ids, size, merged);
	}
	return result;
}

/* Those of the movements above `above`, up to and with `until`. */
static int read_movements(struct sqlite_connection *connection, int64_t above, int64_t until,
			  struct listed_order orders[static SALE_ORDERS_A_TIME], size_t *count)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "SELECT sale, order_id FROM movements WHERE number > ?1 AND number <= ?2 AND cause = ?3", &statement);

	*count = 0;
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, above);
	sqlite_bind_int(statement, 2, until);
	sqlite_bind_int(statement, 3, ledger_event_cause(EVENT_RESERVED));
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		ASSERT(*count < SALE_ORDERS_A_TIME);
		orders[*count].sale = (uint32_t)sqlite3_column_int64(statement, 0);
		sqlite_column_uuid(statement, 1, &orders[(*count)++].id);
	}
	return result;
}

static int write_end(struct sqlite_connection *connection, int64_t movement)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE sale_orders_end SET movement = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, movement);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sale_orders_put(struct sqlite_connection *connection, int64_t *movement)
{
	struct listed_order *orders = malloc(SALE_ORDERS_A_TIME * sizeof(*orders));
	struct uuid *ids = malloc(SALE_ORDERS_A_TIME * sizeof(*ids)),
		    *merged = malloc((SALE_ORDERS_A_TIME + ROW_IDS) * sizeof(*merged));
	int result = orders && ids && merged ? 0 : error_origin(-ENOMEM);
	int64_t above = 0, until = 0;
	size_t count;

	if (result == 0)
		result = sqlite_connection_read_number(connection, "SELECT movement FROM sale_orders_end", &above);
	if (result == 0)
		result = sqlite_connection_read_number(connection, "SELECT coalesce(max(number), 0) FROM movements", &until);
	if (until > above + SALE_ORDERS_A_TIME)
		until = above + SALE_ORDERS_A_TIME;
	if (result == 0)
		result = read_movements(connection, above, until, orders, &count);
	if (result == 0) {
		qsort(orders, count, sizeof(*orders), by_sale_and_id);
		result = put_all(connection, orders, count, ids, merged);
	}
	if (result == 0)
		result = write_end(connection, until);
	*movement = until;
	free(orders);
	free(ids);
	free(merged);
	return result;
}

int sale_orders_behind(struct sqlite_connection *connection, int64_t *movements)
{
	return sqlite_connection_read_number(
		connection, "SELECT coalesce((SELECT max(number) FROM movements), 0) - movement FROM sale_orders_end", movements);
}

/* --- Finding them --- */

struct found_ids {
	struct uuid *ids;
	size_t count, room;
};

static int append(struct found_ids *found, const struct uuid *ids, size_t count)
{
	if (array_fit(&found->ids, &found->room, found->count + count, sizeof(*ids)))
		return error_origin(-ENOMEM);
	memcpy(found->ids + found->count, ids, count * sizeof(*ids));
	found->count += count;
	return 0;
}

/* From the rows, which do not overlap: the first ones are in the first rows. */
static int find_in_rows(struct sqlite_connection *connection, uint32_t sale, const struct uuid *after, size_t max,
			struct found_ids *found)
{
	sqlite3_stmt *statement;
	int appended = 0, result = sqlite_connection_prepare(
				  connection, "SELECT ids FROM sale_orders WHERE sale = ?1 AND last > ?2 ORDER BY last", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, after);
	while (appended == 0 && found->count < max && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct slice row = sqlite_column_slice(statement, 0);
		struct uuid ids[ROW_IDS];
		size_t count = row.size / sizeof(ids[0]), first = 0;

		if (count > ROW_IDS) {
			appended = error_origin(-EUCLEAN);
			break;
		}
		memcpy(ids, row.data, count * sizeof(ids[0]));
		while (first < count && uuid_compare(&ids[first], after) <= 0)
			first++;
		appended = append(found, ids + first, count - first);
	}
	sqlite3_reset(statement);
	if (appended < 0 || result < 0)
		return appended < 0 ? appended : result;
	return 0;
}

/* Those that are in no row yet. */
static int find_in_movements(struct sqlite_connection *connection, uint32_t sale, const struct uuid *after, struct found_ids *found)
{
	sqlite3_stmt *statement;
	int appended = 0,
	    result = sqlite_connection_prepare(connection,
					       "SELECT order_id FROM movements WHERE number > (SELECT movement FROM sale_orders_end)"
					       " AND cause = ?1 AND sale = ?2 AND order_id > ?3",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, ledger_event_cause(EVENT_RESERVED));
	sqlite_bind_int(statement, 2, sale);
	sqlite_bind_uuid(statement, 3, after);
	while (appended == 0 && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct uuid id;

		sqlite_column_uuid(statement, 0, &id);
		appended = append(found, &id, 1);
	}
	sqlite3_reset(statement);
	return appended < 0 ? appended : result;
}

/* Each once, in their order; what comes late may lie among what was there. */
static void put_in_order(struct found_ids *found)
{
	size_t kept = 0;

	for (size_t i = 1; i < found->count; i++)
		if (uuid_compare(&found->ids[i - 1], &found->ids[i]) >= 0) {
			qsort(found->ids, found->count, sizeof(found->ids[0]), by_id);
			break;
		}
	for (size_t i = 0; i < found->count; i++)
		if (kept == 0 || !uuid_equal(&found->ids[kept - 1], &found->ids[i]))
			found->ids[kept++] = found->ids[i];
	found->count = kept;
}

int sale_orders_find(struct sqlite_connection *connection, uint32_t sale, const struct uuid *after, size_t max, struct uuid **ids,
		     size_t *count)
{
	struct found_ids found = {0};
	int result = find_in_rows(connection, sale, after, max, &found);

	if (result == 0)
		result = find_in_movements(connection, sale, after, &found);
	if (result < 0) {
		free(found.ids);
		return result;
	}
	put_in_order(&found);
	*ids = found.ids;
	*count = found.count < max ? found.count : max;
	return 0;
}

/*
 * --- When: in commits of the writer's own, of which nobody waits for an answer. What fails is tried
 * again after as many movements; until then whoever reads a sale looks through more. ---
 */

static int64_t behind_max(int64_t usually)
{
	return FAILPOINT("ledger.put_soon") > 0 ? BEHIND_SOON : usually;
}

int sqlite_put_orders_opening(struct sqlite_writer *writer)
{
	struct sqlite_connection *connection = &writer->connection;
	int64_t behind = 0;
	int result = sale_orders_behind(connection, &behind);

	while (result == 0 && behind > behind_max(BEHIND_AT_OPENING)) {
		result = sqlite_connection_run(connection, "BEGIN IMMEDIATE");
		if (result == 0)
			result = sale_orders_put(connection, &writer->put_movement);
		if (result == 0)
			result = sqlite_connection_run(connection, "COMMIT");
		if (result == 0)
			result = sale_orders_behind(connection, &behind);
	}
	return result < 0
		       ? result
		       : sqlite_connection_read_number(connection, "SELECT movement FROM sale_orders_end", &writer->put_movement);
}

void sqlite_put_orders(struct sqlite_ledger *ledger)
{
	struct sqlite_writer *writer = &ledger->writer;
	int64_t movement = 0;
	int result;

	if (writer->mark.movement - writer->put_movement < behind_max(SALE_ORDERS_A_TIME))
		return;
	result = sqlite_transaction_begin(ledger);
	if (result == 0)
		result = sqlite_transaction_end(ledger, sale_orders_put(&writer->connection, &movement));
	writer->put_movement = result == 0 ? movement : writer->mark.movement;
	if (result < 0)
		log_warn("ledger", "the sales' lists of their orders were not written; it is tried again later",
			 LOG_TEXT("error", error_text(result)));
}

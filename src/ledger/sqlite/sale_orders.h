/*
 * Which orders a sale has. Private to the adapter.
 *
 * The problem: orders lie in the order of their ids, so that a purchase writes at the end of their
 * tree, whichever its sale is; and a sale's orders are wanted by themselves: to build its stock
 * again, and in lists. An index that grows with each order has a page of its own for each sale that
 * sells, and a commit would write them all: as many as orders that lie by their sale.
 *
 * The model. The ids of a sale are kept in rows of up to so many that a page takes them, and come
 * there late: those of some thousand movements at once, when everybody is answered, so that a row
 * is written once for all that came to its sale meanwhile. Whose turn has not come is found in the
 * movements, which say of each order what its sale is, and are numbered in the order of their
 * commits: all up to one number are in the rows, and all above it are not. That holds in whatever
 * order ids come, for a clock that was put back puts them among older ones.
 *
 * The rows of a sale never overlap: they are known by their last id, an id goes into the first row
 * that ends behind it, and a row that has become too long is made two.
 */
#pragma once

#include "ledger/sqlite/connection.h"

/*
 * Movements: so far the rows may be behind. Fewer would write more rows, for each has fewer ids;
 * more would be more to look through, and more to write at once (10 ms, where each order is another
 * sale's).
 */
enum { SALE_ORDERS_A_TIME = 8192 };

/*
 * In a transaction that writes: puts the orders of the next SALE_ORDERS_A_TIME movements into their
 * sales' rows; *movement: up to this one they are there then. 0 or negative.
 */
int sale_orders_put(struct sqlite_connection *connection, int64_t *movement) MUST_CHECK;
/* How many movements the rows are behind. 0 or negative. */
int sale_orders_behind(struct sqlite_connection *connection, int64_t *movements) MUST_CHECK;

/*
 * In a transaction: the ids of the sale's orders above `after`, rising, the first `max` of them.
 * *ids is malloc'd. 0 or negative.
 */
int sale_orders_find(struct sqlite_connection *connection, uint32_t sale, const struct uuid *after, size_t max, struct uuid **ids,
		     size_t *count) MUST_CHECK;

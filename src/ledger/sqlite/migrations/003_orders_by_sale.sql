-- Orders are found by their sale: docs/decisions/0001-orders-by-sale.md has what each way costs. An order's id ends in its sale's number, so what
-- knows the id knows the place. The key of its purchase is in the order's row. Columns from price_minor on are for what is to come: null until then.
CREATE TABLE orders_by_sale (
	sale INTEGER NOT NULL,
	id BLOB NOT NULL,
	lot INTEGER NOT NULL,
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
	epoch INTEGER NOT NULL,
	buyer_units INTEGER NOT NULL,     -- the buyer's live units of the sale, with this order, when it was granted
	limit_per_buyer INTEGER NOT NULL, -- that it was granted under
	placed_at_ms INTEGER NOT NULL,
	changed_at_ms INTEGER NOT NULL,
	hold_expires_at_ms INTEGER,
	first_hold_expires_at_ms INTEGER,
	buyer TEXT NOT NULL,
	trace BLOB,            -- a traceparent's 26 bytes, without its dashes; one that is longer is text, of an older program
	key TEXT,              -- that the buyer chose; that a key has one order is the stock's to hold and the audit's to prove
	price_minor INTEGER,   -- of a unit, when it was granted
	reference TEXT,        -- the shop's own name for it
	metadata TEXT,         -- JSON
	confirmed_at_ms INTEGER,
	PRIMARY KEY (sale, id),
	CHECK (buyer_units <= limit_per_buyer) -- P3, the last line
) STRICT, WITHOUT ROWID;
INSERT INTO orders_by_sale
	SELECT orders.sale, orders.id, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms, hold_expires_at_ms,
		first_hold_expires_at_ms, buyer, CAST(trace AS BLOB), idempotency_keys.key, NULL, NULL, NULL, NULL
	FROM orders LEFT JOIN idempotency_keys ON idempotency_keys.order_id = orders.id ORDER BY orders.sale, orders.id;
DROP TABLE idempotency_keys;
DROP TABLE orders;
ALTER TABLE orders_by_sale RENAME TO orders;

-- Units that an operator has moved, by their sale: few, and a stock that is built again must know them.
CREATE INDEX movements_by_sale ON movements (sale, number) WHERE movement_id IS NOT NULL AND sale IS NOT NULL;

-- A writer names the schema that it was made for with every commit: one of an older schema commits nothing. (Older programs look for the old table.)
CREATE TABLE commit_numbers (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, schema INTEGER NOT NULL) STRICT;
INSERT INTO commit_numbers SELECT one, number, 3 FROM commits;
DROP TABLE commits;

-- How many partitions the topic had when it was first read: an event's partition follows from it, so it never changes. 0: not yet known.
ALTER TABLE journal ADD COLUMN partitions INTEGER NOT NULL DEFAULT 0;

-- A draft is moved by the clock only where it is scheduled; the public sees its name and times where it is announced.
ALTER TABLE sales ADD COLUMN scheduled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sales ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
-- Until now the clock armed every draft that had a time: tomorrow's drop must open.
UPDATE sales SET scheduled = 1 WHERE state = 1 AND opens_at_ms IS NOT NULL;
-- Whether it has been open: a sale that is paused and has not is resumed to armed.
ALTER TABLE sales ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;
UPDATE sales SET opened = 1 WHERE state IN (3, 4);
INSERT INTO sale_states VALUES (6, 'deleted');

-- Operators' requests that had an Idempotency-Key: what was done once is not done again.
CREATE TABLE operator_requests (
	id BLOB PRIMARY KEY,      -- hash of actor, route and key; of a change that moves units, its movement's id too
	body BLOB NOT NULL,       -- hash of the body
	outcome INTEGER NOT NULL, -- units withdrawn, else 0
	at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO movement_causes VALUES (10, 'adjust');

-- What the sums of a lot were where its sale's newest barrier lies in the journal: the stock was armed with the same, or a rebuild was wrong.
ALTER TABLE lots ADD COLUMN barrier_held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lots ADD COLUMN barrier_confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lots ADD COLUMN barrier_withdrawn INTEGER NOT NULL DEFAULT 0;
-- Of the last rebuild over a journal's tail: what it armed the lot with.
ALTER TABLE lots ADD COLUMN armed_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lots ADD COLUMN armed_held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lots ADD COLUMN armed_confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lots ADD COLUMN armed_withdrawn INTEGER NOT NULL DEFAULT 0;

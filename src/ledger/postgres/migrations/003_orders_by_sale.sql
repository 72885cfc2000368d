-- Orders are found by their sale: docs/decisions/0001-orders-by-sale.md has what each way costs. An order's id ends in its sale's number, so what
-- knows the id knows the place. The key of its purchase is in the order's row. Columns from price_minor on are for what is to come: null until then.
CREATE TABLE orders_by_sale (
	id uuid NOT NULL,
	placed_at_ms bigint NOT NULL,
	changed_at_ms bigint NOT NULL,
	hold_expires_at_ms bigint,
	first_hold_expires_at_ms bigint,
	sale integer NOT NULL,
	lot integer NOT NULL,
	quantity integer NOT NULL CHECK (quantity > 0),
	epoch bigint NOT NULL,
	buyer_units integer NOT NULL,     -- the buyer's live units of the sale, with this order, when it was granted
	limit_per_buyer integer NOT NULL, -- that it was granted under
	state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
	buyer text COLLATE "C" NOT NULL,
	trace text,
	key text COLLATE "C", -- that the buyer chose; that a key has one order is the stock's to hold and the audit's to prove
	price_minor bigint,   -- of a unit, when it was granted
	reference text COLLATE "C", -- the shop's own name for it
	metadata text,              -- JSON
	confirmed_at_ms bigint,
	CHECK (buyer_units <= limit_per_buyer) -- P3, the last line
) WITH (fillfactor = 85); -- an order is settled once: room for its new row beside the old
INSERT INTO orders_by_sale
	SELECT orders.id, placed_at_ms, changed_at_ms, hold_expires_at_ms, first_hold_expires_at_ms, sale, lot, quantity, epoch, buyer_units,
		limit_per_buyer, state, buyer, trace, idempotency_keys.key, NULL, NULL, NULL, NULL
	FROM orders LEFT JOIN idempotency_keys ON idempotency_keys.order_id = orders.id ORDER BY orders.sale, orders.id;
DROP TABLE idempotency_keys;
DROP TABLE orders;
ALTER TABLE orders_by_sale RENAME TO orders;
ALTER TABLE orders ADD PRIMARY KEY (sale, id);
ANALYZE orders;

-- Units that an operator has moved, by their sale: few, and a stock that is built again must know them.
CREATE INDEX movements_by_sale ON movements (sale, number) WHERE movement_id IS NOT NULL AND sale IS NOT NULL;

-- How many partitions the topic had when it was first read: an event's partition follows from it, so it never changes. 0: not yet known.
ALTER TABLE journal ADD COLUMN partitions integer NOT NULL DEFAULT 0;

-- A draft is moved by the clock only where it is scheduled; the public sees its name and times where it is announced.
ALTER TABLE sales
	ADD COLUMN scheduled boolean NOT NULL DEFAULT false,
	ADD COLUMN announced boolean NOT NULL DEFAULT false;
-- Until now the clock armed every draft that had a time: tomorrow's drop must open.
UPDATE sales SET scheduled = true WHERE state = 1 AND opens_at_ms IS NOT NULL;
-- Whether it has been open: a sale that is paused and has not is resumed to armed.
ALTER TABLE sales ADD COLUMN opened boolean NOT NULL DEFAULT false;
UPDATE sales SET opened = true WHERE state IN (3, 4);
INSERT INTO sale_states VALUES (6, 'deleted');

-- Operators' requests that had an Idempotency-Key: what was done once is not done again.
CREATE TABLE operator_requests (
	id uuid PRIMARY KEY,     -- hash of actor, route and key; of a change that moves units, its movement's id too
	body uuid NOT NULL,      -- hash of the body
	outcome bigint NOT NULL, -- units withdrawn, else 0
	at_ms bigint NOT NULL
);
INSERT INTO movement_causes VALUES (10, 'adjust');

-- As before, and above what the caller has seen in the journal: a ledger that was restored from a backup has not met all epochs that there were.
DROP FUNCTION raise_epoch(bigint);
CREATE FUNCTION raise_epoch(sale bigint, above bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	raised bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(1885695589, (sale % 64)::integer);
	UPDATE sales SET epoch = greatest(epoch, barrier, above) + 1, version = version + 1, change = next_change()
		WHERE number = sale RETURNING epoch INTO raised;
	RETURN raised;
END $$;

-- What the sums of a lot were where its sale's newest barrier lies in the journal: the stock was armed with the same, or a rebuild was wrong.
ALTER TABLE lots
	ADD COLUMN barrier_held bigint NOT NULL DEFAULT 0,
	ADD COLUMN barrier_confirmed bigint NOT NULL DEFAULT 0,
	ADD COLUMN barrier_withdrawn bigint NOT NULL DEFAULT 0,
	ADD COLUMN armed_epoch bigint NOT NULL DEFAULT 0, -- of the last rebuild over a journal's tail; what it armed the lot with
	ADD COLUMN armed_held bigint NOT NULL DEFAULT 0,
	ADD COLUMN armed_confirmed bigint NOT NULL DEFAULT 0,
	ADD COLUMN armed_withdrawn bigint NOT NULL DEFAULT 0;

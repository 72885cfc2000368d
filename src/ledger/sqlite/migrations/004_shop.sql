-- What orders were paid with, as the payment side told: at most one payment an order. That a reference pays for one order of its sale is the
-- stock's to hold (the ledger may be minutes behind); across sales, and after the fact, the index finds it.
CREATE TABLE payments (
	order_id BLOB PRIMARY KEY,
	sale INTEGER NOT NULL,
	at_ms INTEGER NOT NULL,
	reference TEXT NOT NULL, -- the payment side's own name for it
	amount_minor INTEGER,    -- null, as what follows: it was not told
	currency TEXT,
	method TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_by_reference ON payments (reference);

-- Every event of an order has a movement, extensions and payments too (which move nothing), so the movements are the feed of all that happened.
INSERT INTO movement_causes VALUES (11, 'extend'), (12, 'pay'), (13, 'reduce');
ALTER TABLE movements ADD COLUMN epoch INTEGER;              -- of the stock that decided it; null: it is no event, or an older program's
ALTER TABLE movements ADD COLUMN hold_expires_at_ms INTEGER; -- of an extension: the hold's new end

-- How far each relay of the feed has come. Its process keeps it here, by the operator's interface.
CREATE TABLE relays (
	name TEXT PRIMARY KEY NOT NULL,
	version INTEGER NOT NULL,  -- raised by each change: of two processes of one name the second finds out
	at_ms INTEGER NOT NULL,
	position TEXT NOT NULL, -- JSON: a low-water mark, and the sales ahead of it
	skipped TEXT NOT NULL   -- changes that an operator has given up, by id, with a space between; the newest last
) STRICT, WITHOUT ROWID;

ALTER TABLE movements ADD COLUMN reason TEXT; -- null: it was not said

-- What leaves an order while it lives: its quantity falls, and a movement says how many units went where. Withdrawn and on hand: to the
-- warehouse; withdrawn alone: they are gone.
ALTER TABLE movements ADD COLUMN left_units INTEGER;  -- of a reduction: what the order has after it
ALTER TABLE movements ADD COLUMN refund TEXT;         -- the payment side's own name for what it pays back; null: it was not said

-- Orders by their ids, which rise with time: whatever the sale, they are written at the end of the tree (docs/decisions/0021-orders-by-id.md).
CREATE TABLE orders_by_id (
	id BLOB PRIMARY KEY,              -- ends in its sale's number
	sale INTEGER NOT NULL,
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
	trace BLOB,                       -- a traceparent's 26 bytes, without its dashes; one that is longer is text, of an older program
	key TEXT,                         -- that the buyer chose; that a key has one order is the stock's to hold and the audit's to prove
	price_minor INTEGER,              -- of a unit, when it was granted
	reference TEXT,                   -- the shop's own name for it
	metadata TEXT,                    -- JSON
	confirmed_at_ms INTEGER,
	actor TEXT,                       -- of the newest change: an operator; null: the order's own buyer, or the clock where it is expired
	reason TEXT,                      -- likewise; a purchase tells neither and so writes nothing here
	first_quantity INTEGER,           -- as granted; null: as it is
	withdrawn_units INTEGER,          -- units that have left it and are not for sale again; null: none
	CHECK (buyer_units <= limit_per_buyer) -- P3, the last line
) STRICT, WITHOUT ROWID;
INSERT INTO orders_by_id
	SELECT id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms, hold_expires_at_ms,
		first_hold_expires_at_ms, buyer, trace, key, price_minor, reference, metadata, confirmed_at_ms, NULL, NULL, NULL, NULL
	FROM orders ORDER BY id;
DROP TABLE orders;
ALTER TABLE orders_by_id RENAME TO orders;
-- By the shop's own name for them: one without a name writes nothing here.
CREATE INDEX orders_by_reference ON orders (reference) WHERE reference IS NOT NULL;

-- Which orders a sale has. Each order is listed some thousands of movements after its own: a list by sale that grows with each order would write
-- a page of its own for each.
CREATE TABLE sale_orders (
	sale INTEGER NOT NULL,
	last BLOB NOT NULL, -- of the ids, which rise: no other row of the sale has one between this one's
	ids BLOB NOT NULL,
	PRIMARY KEY (sale, last)
) STRICT, WITHOUT ROWID;
-- Whose orders were not: those of the movements above this one.
CREATE TABLE sale_orders_end (one INTEGER PRIMARY KEY CHECK (one = 1), movement INTEGER NOT NULL) STRICT;
INSERT INTO sale_orders_end VALUES (1, 0);

-- How often an operator has stopped it, and whose the newest stops were: a release that does not know of one of them moves nothing.
ALTER TABLE sales ADD COLUMN stops INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sales ADD COLUMN stops_answered INTEGER NOT NULL DEFAULT 0; -- by the release that let it go on last: of those, so many
ALTER TABLE sales ADD COLUMN stop_requests BLOB; -- ids of the newest ones' requests, 16 bytes each, oldest first; zeros: it had no key

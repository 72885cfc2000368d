-- What orders were paid with, as the payment side told: at most one payment an order. That a reference pays for one order of its sale is the
-- stock's to hold (the ledger may be minutes behind); across sales, and after the fact, the index finds it.
CREATE TABLE payments (
	sale INTEGER NOT NULL,
	order_id BLOB NOT NULL,
	at_ms INTEGER NOT NULL,
	reference TEXT NOT NULL, -- the payment side's own name for it
	amount_minor INTEGER,    -- null, as what follows: it was not told
	currency TEXT,
	method TEXT,
	PRIMARY KEY (sale, order_id)
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

-- Orders by the shop's own name for them: one without a name writes nothing here.
CREATE INDEX orders_by_reference ON orders (reference) WHERE reference IS NOT NULL;

-- Who has changed what, and why. Of an order: its newest change, for a purchase tells neither and so writes nothing here.
ALTER TABLE orders ADD COLUMN actor TEXT;     -- an operator; null: the order's own buyer, or the clock where it is expired
ALTER TABLE orders ADD COLUMN reason TEXT;    -- null: it was not said
ALTER TABLE movements ADD COLUMN reason TEXT; -- likewise

-- What leaves an order while it lives: its quantity falls, and a movement says how many units went where. Withdrawn and on hand: to the
-- warehouse; withdrawn alone: they are gone.
ALTER TABLE orders ADD COLUMN first_quantity INTEGER;  -- as granted; null: as it is
ALTER TABLE orders ADD COLUMN withdrawn_units INTEGER; -- units that have left it and are not for sale again; null: none
ALTER TABLE movements ADD COLUMN left_units INTEGER;  -- of a reduction: what the order has after it
ALTER TABLE movements ADD COLUMN refund TEXT;         -- the payment side's own name for what it pays back; null: it was not said

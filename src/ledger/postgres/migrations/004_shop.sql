-- What orders were paid with, as the payment side told: at most one payment an order. That a reference pays for one order of its sale is the
-- stock's to hold (the ledger may be minutes behind); across sales, and after the fact, the index finds it.
CREATE TABLE payments (
	order_id uuid NOT NULL,
	at_ms bigint NOT NULL,
	amount_minor bigint, -- null, as currency and method: it was not told
	sale integer NOT NULL,
	reference text COLLATE "C" NOT NULL, -- the payment side's own name for it
	currency text,
	method text,
	PRIMARY KEY (sale, order_id)
);
CREATE INDEX payments_by_reference ON payments (reference);

-- Every event of an order has a movement, extensions and payments too (which move nothing), so the movements are the feed of all that happened.
INSERT INTO movement_causes VALUES (11, 'extend'), (12, 'pay'), (13, 'reduce');
ALTER TABLE movements
	ADD COLUMN hold_expires_at_ms bigint, -- of an extension: the hold's new end
	ADD COLUMN epoch bigint;              -- of the stock that decided it; null: it is no event, or an older program's

-- How far each relay of the feed has come. Its process keeps it here, by the operator's interface.
CREATE TABLE relays (
	name text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL,  -- raised by each change: of two processes of one name the second finds out
	at_ms bigint NOT NULL,
	position text NOT NULL, -- JSON: a low-water mark, and the sales ahead of it
	skipped text NOT NULL   -- changes that an operator has given up, by id, with a space between; the newest last
) WITH (fillfactor = 10);

-- One buyer's orders: a Bloom filter over each 32 pages of orders. An order writes nothing into it: autovacuum adds the pages that are full, and
-- what has no filter yet is looked at. PostgreSQL 12 and 13 have no such filters and look at every order.
DO $$
BEGIN
	IF current_setting('server_version_num')::integer >= 140000 THEN
		CREATE INDEX orders_by_buyer ON orders USING brin (buyer text_bloom_ops(n_distinct_per_range = 2500)) -- some 60 orders a page
			WITH (pages_per_range = 32, autosummarize = on);
		-- It begins with a filter even of nothing, into which the first 32 pages of orders would be put one by one.
		IF NOT EXISTS (SELECT FROM orders) THEN
			PERFORM brin_desummarize_range('orders_by_buyer', 0);
		END IF;
	END IF;
END $$;
-- The planner takes the filters for worthless, since buyers stand in no order.
CREATE FUNCTION orders_of_buyer(wanted text) RETURNS SETOF orders LANGUAGE sql STABLE SET enable_seqscan = off
	AS 'SELECT * FROM orders WHERE buyer = wanted';

-- Orders by the shop's own name for them: one without a name writes nothing here.
CREATE INDEX orders_by_reference ON orders (reference) WHERE reference IS NOT NULL;

-- Who has changed what, and why. Of an order: its newest change, for a purchase tells neither and so writes nothing here.
ALTER TABLE orders ADD COLUMN actor text;     -- an operator; null: the order's own buyer, or the clock where it is expired
ALTER TABLE orders ADD COLUMN reason text;    -- null: it was not said
ALTER TABLE movements ADD COLUMN reason text; -- likewise

-- What leaves an order while it lives: its quantity falls, and a movement says how many units went where. Withdrawn and on hand: to the
-- warehouse; withdrawn alone: they are gone.
ALTER TABLE orders ADD COLUMN first_quantity integer;  -- as granted; null: as it is
ALTER TABLE orders ADD COLUMN withdrawn_units integer; -- units that have left it and are not for sale again; null: none
ALTER TABLE movements
	ADD COLUMN left_units integer, -- of a reduction: what the order has after it
	ADD COLUMN refund text;        -- the payment side's own name for what it pays back; null: it was not said

-- How often an operator has stopped it, and whose the newest stops were: a release that does not know of one of them moves nothing.
ALTER TABLE sales
	ADD COLUMN stops bigint NOT NULL DEFAULT 0,
	ADD COLUMN stops_answered bigint NOT NULL DEFAULT 0, -- by the release that let it go on last: of those, so many
	ADD COLUMN stop_requests bytea NOT NULL DEFAULT ''; -- ids of the newest ones' requests, 16 bytes each, oldest first; zeros: it had no key

-- A journal outside of the ledger, and what changed in the sale table. (Several processes on one ledger are PostgreSQL's.)

-- Which log this ledger is filled from: its rows and no other log's are here.
CREATE TABLE journal (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	cluster TEXT NOT NULL,
	topic TEXT NOT NULL
) STRICT;

-- No program has ever written to the first journal_offsets.
DROP TABLE journal_offsets;
CREATE TABLE journal_offsets (
	partition INTEGER PRIMARY KEY,
	next INTEGER NOT NULL, -- the record that is to be read next
	mark INTEGER NOT NULL  -- fingerprint of the record before it
) STRICT;

-- One row that every change of a sale raises, and the sale takes the number over.
CREATE TABLE sale_changes (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO sale_changes SELECT 1, coalesce(max(number), 0) FROM sales;

ALTER TABLE sales ADD COLUMN barrier INTEGER NOT NULL DEFAULT 0; -- the newest epoch whose barrier was met in the journal
ALTER TABLE sales ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
UPDATE sales SET change = number;
CREATE UNIQUE INDEX sales_by_change ON sales (change);

-- The ledger's tables. Times are milliseconds of wall time since 1970-01-01T00:00:00Z; counts are units.
-- Numbers instead of names in the hot tables keep a row short; order_states and movement_causes are their dictionary.

CREATE TABLE order_states (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO order_states VALUES (1, 'held'), (2, 'confirmed'), (3, 'cancelled'), (4, 'expired');

CREATE TABLE sale_states (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO sale_states VALUES (1, 'draft'), (2, 'armed'), (3, 'open'), (4, 'paused'), (5, 'ended');

CREATE TABLE movement_causes (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO movement_causes VALUES
	(1, 'receive'), (2, 'allocate'), (3, 'add'), (4, 'withdraw'),
	(5, 'reserve'), (6, 'confirm'), (7, 'cancel'), (8, 'refund'), (9, 'expire');

-- One row that every transaction raises by one: after a commit of unknown outcome it tells whether the transaction is there.
CREATE TABLE commits (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO commits VALUES (1, 0);

CREATE TABLE items (
	number INTEGER PRIMARY KEY,
	sku TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	on_hand INTEGER NOT NULL CHECK (on_hand >= 0) -- units that no sale has
) STRICT;

CREATE TABLE sales (
	number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 16777215), -- the tag of its orders' ids has 24 bits
	id TEXT NOT NULL UNIQUE,
	epoch INTEGER NOT NULL,
	version INTEGER NOT NULL,
	state INTEGER NOT NULL REFERENCES sale_states,
	name TEXT NOT NULL,
	price_minor INTEGER NOT NULL,
	currency TEXT NOT NULL,
	limit_per_buyer INTEGER NOT NULL,
	rate_requests INTEGER NOT NULL,
	rate_seconds INTEGER NOT NULL,
	hold_seconds INTEGER NOT NULL,
	late_confirm INTEGER NOT NULL,
	opens_at_ms INTEGER,
	closes_at_ms INTEGER,
	created_at_ms INTEGER NOT NULL,
	ended_at_ms INTEGER
) STRICT;

CREATE TABLE lots (
	sale INTEGER NOT NULL REFERENCES sales,
	place INTEGER NOT NULL, -- in its sale, from 0; never changes
	item INTEGER NOT NULL REFERENCES items,
	allocated INTEGER NOT NULL,
	held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
	confirmed INTEGER NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
	withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn >= 0),
	PRIMARY KEY (sale, place),
	CHECK (held + confirmed + withdrawn <= allocated) -- P1, the last line
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX lots_by_item ON lots (item, sale);

-- Ids rise with time, so rows are appended at the end of the tree. No other index: one on (sale, buyer) costs more than the
-- rest of an order's writing together.
CREATE TABLE orders (
	id BLOB PRIMARY KEY,
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
	trace TEXT,
	CHECK (buyer_units <= limit_per_buyer) -- P3, the last line
) STRICT, WITHOUT ROWID;

-- By order, so that it grows at its end too; that a key has one order is the stock's to hold and the audit's to prove.
CREATE TABLE idempotency_keys (
	order_id BLOB PRIMARY KEY,
	key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every change of stock with its cause. The sum of the movements of an item or a lot is its balance.
CREATE TABLE movements (
	number INTEGER PRIMARY KEY,
	at_ms INTEGER NOT NULL,
	cause INTEGER NOT NULL,
	item INTEGER,      -- where units of the item on hand changed
	sale INTEGER,
	lot INTEGER,
	order_id BLOB,     -- of an order's movements
	movement_id BLOB,  -- of those that an operator asked for: repeating one changes nothing
	on_hand INTEGER NOT NULL,
	allocated INTEGER NOT NULL,
	held INTEGER NOT NULL,
	confirmed INTEGER NOT NULL,
	withdrawn INTEGER NOT NULL,
	actor TEXT         -- null: the order's own buyer
) STRICT;
CREATE UNIQUE INDEX movements_by_id ON movements (movement_id) WHERE movement_id IS NOT NULL;
CREATE TRIGGER movements_no_update BEFORE UPDATE ON movements BEGIN SELECT RAISE(ABORT, 'movements are append only'); END;
CREATE TRIGGER movements_no_delete BEFORE DELETE ON movements BEGIN SELECT RAISE(ABORT, 'movements are append only'); END;

-- Where a journal outside the ledger has been read up to.
CREATE TABLE journal_offsets (
	cluster TEXT NOT NULL,
	topic TEXT NOT NULL,
	partition INTEGER NOT NULL,
	next INTEGER NOT NULL,
	PRIMARY KEY (cluster, topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms INTEGER NOT NULL,
	reason TEXT NOT NULL,
	event TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT keeps the highest number ever given, so a log that lost its last rows is seen to be short.
CREATE TABLE operator_log (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms INTEGER NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	detail TEXT NOT NULL,
	trace TEXT NOT NULL,
	hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER operator_log_no_update BEFORE UPDATE ON operator_log BEGIN SELECT RAISE(ABORT, 'the operator log is append only'); END;
CREATE TRIGGER operator_log_no_delete BEFORE DELETE ON operator_log BEGIN SELECT RAISE(ABORT, 'the operator log is append only'); END;

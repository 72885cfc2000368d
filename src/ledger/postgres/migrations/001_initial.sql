-- The ledger's tables, in the schema `penstock` of whatever database they are given. Times are milliseconds of wall time since
-- 1970-01-01T00:00:00Z; counts are units. Numbers instead of names in the hot tables keep a row short; order_states and movement_causes are
-- their dictionary. Names are compared by byte (COLLATE "C"), as everywhere else in the program.

CREATE TABLE order_states (number smallint PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO order_states VALUES (1, 'held'), (2, 'confirmed'), (3, 'cancelled'), (4, 'expired');

CREATE TABLE sale_states (number smallint PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO sale_states VALUES (1, 'draft'), (2, 'armed'), (3, 'open'), (4, 'paused'), (5, 'ended');

CREATE TABLE movement_causes (number smallint PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO movement_causes VALUES
	(1, 'receive'), (2, 'allocate'), (3, 'add'), (4, 'withdraw'),
	(5, 'reserve'), (6, 'confirm'), (7, 'cancel'), (8, 'refund'), (9, 'expire');

-- One row that every transaction raises by one: after a commit of unknown outcome it tells whether the transaction is there. `lease` is the
-- number of the process that may write: each that takes the lease raises it, and a transaction of another number commits nothing.
CREATE TABLE commits (
	one smallint PRIMARY KEY CHECK (one = 1),
	lease bigint NOT NULL,
	number bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO commits VALUES (1, 0, 0);

CREATE FUNCTION take_commit(holder bigint, next bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE commits SET number = next WHERE lease = holder AND number = next - 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another process has taken the lease' USING ERRCODE = 'PS001';
	END IF;
END $$;

CREATE TABLE items (
	number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sku text COLLATE "C" NOT NULL UNIQUE,
	name text NOT NULL,
	on_hand bigint NOT NULL CHECK (on_hand >= 0) -- units that no sale has
) WITH (fillfactor = 70);

CREATE TABLE sales (
	number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (number BETWEEN 1 AND 16777215), -- the tag of its orders' ids has 24 bits
	id text COLLATE "C" NOT NULL UNIQUE,
	epoch bigint NOT NULL,
	version bigint NOT NULL,
	state smallint NOT NULL REFERENCES sale_states,
	name text NOT NULL,
	price_minor bigint NOT NULL,
	currency text NOT NULL,
	limit_per_buyer integer NOT NULL,
	rate_requests integer NOT NULL,
	rate_seconds integer NOT NULL,
	hold_seconds integer NOT NULL,
	late_confirm boolean NOT NULL,
	opens_at_ms bigint,
	closes_at_ms bigint,
	created_at_ms bigint NOT NULL,
	ended_at_ms bigint
) WITH (fillfactor = 70);

-- Every batch writes its lots' balances anew: half-empty pages keep the new rows beside the old (heap-only tuples).
CREATE TABLE lots (
	sale integer NOT NULL REFERENCES sales,
	place integer NOT NULL, -- in its sale, from 0; never changes
	item integer NOT NULL REFERENCES items,
	allocated bigint NOT NULL,
	held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
	confirmed bigint NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
	withdrawn bigint NOT NULL DEFAULT 0 CHECK (withdrawn >= 0),
	PRIMARY KEY (sale, place),
	CHECK (held + confirmed + withdrawn <= allocated) -- P1, the last line
) WITH (fillfactor = 30);
CREATE UNIQUE INDEX lots_by_item ON lots (item, sale);

-- Before an event's rows are written without reading first: whether each sale still has the epoch that the writer knows of.
CREATE FUNCTION check_epochs(numbers bigint[], epochs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM unnest(numbers, epochs) AS known (number, epoch)
		LEFT JOIN sales ON sales.number = known.number WHERE sales.epoch IS DISTINCT FROM known.epoch) THEN
		RAISE EXCEPTION 'a sale has another epoch' USING ERRCODE = 'PS002';
	END IF;
END $$;

-- Ids rise with time, so rows are appended at the end of the tree. No other index: one on (sale, buyer) costs more than the
-- rest of an order's writing together.
CREATE TABLE orders (
	id uuid PRIMARY KEY,
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
	CHECK (buyer_units <= limit_per_buyer) -- P3, the last line
) WITH (fillfactor = 85); -- an order is settled once: room for its new row beside the old

-- By order, so that it grows at its end too; that a key has one order is the stock's to hold and the audit's to prove.
CREATE TABLE idempotency_keys (
	order_id uuid PRIMARY KEY,
	key text COLLATE "C" NOT NULL
);

-- Every change of stock with its cause. The sum of the movements of an item or a lot is its balance.
CREATE TABLE movements (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at_ms bigint NOT NULL,
	item integer,     -- where units of the item on hand changed
	sale integer,
	lot integer,
	cause smallint NOT NULL,
	order_id uuid,    -- of an order's movements
	movement_id uuid, -- of those that an operator asked for: repeating one changes nothing
	on_hand bigint NOT NULL,
	allocated bigint NOT NULL,
	held bigint NOT NULL,
	confirmed bigint NOT NULL,
	withdrawn bigint NOT NULL,
	actor text        -- null: the order's own buyer
);
CREATE UNIQUE INDEX movements_by_id ON movements (movement_id) WHERE movement_id IS NOT NULL;

-- Where a journal outside the ledger has been read up to.
CREATE TABLE journal_offsets (
	cluster text NOT NULL,
	topic text NOT NULL,
	partition integer NOT NULL,
	next bigint NOT NULL,
	PRIMARY KEY (cluster, topic, partition)
);

CREATE TABLE dead_letters (
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at_ms bigint NOT NULL,
	reason text NOT NULL,
	event text NOT NULL
);

CREATE TABLE operator_log (
	number bigint PRIMARY KEY,
	at_ms bigint NOT NULL,
	actor text NOT NULL,
	action text NOT NULL,
	subject text NOT NULL,
	detail text NOT NULL,
	trace text NOT NULL,
	hash text NOT NULL
);
-- The last row ever written: what the next one follows. A log that lost its last rows is seen to be short.
CREATE TABLE operator_log_head (
	one smallint PRIMARY KEY CHECK (one = 1),
	number bigint NOT NULL,
	hash text NOT NULL
) WITH (fillfactor = 50);
INSERT INTO operator_log_head VALUES (1, 0, repeat('0', 64));

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON movements
	FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER operator_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_log
	FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

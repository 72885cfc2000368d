SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA penstock;
CREATE FUNCTION penstock.check_barriers(numbers bigint[], barriers bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
	IF EXISTS (SELECT FROM unnest(numbers, barriers) AS known (number, barrier)
		LEFT JOIN sales ON sales.number = known.number WHERE sales.barrier IS DISTINCT FROM known.barrier) THEN
		RAISE EXCEPTION 'a sale has another barrier' USING ERRCODE = 'PS002';
	END IF;
END $$;
CREATE FUNCTION penstock.check_epochs(numbers bigint[], epochs bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
	IF EXISTS (SELECT FROM unnest(numbers, epochs) AS known (number, epoch)
		LEFT JOIN sales ON sales.number = known.number WHERE sales.epoch IS DISTINCT FROM known.epoch) THEN
		RAISE EXCEPTION 'a sale has another epoch' USING ERRCODE = 'PS002';
	END IF;
END $$;
CREATE FUNCTION penstock.hold_epochs(numbers bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1885695589, stripe) FROM
		(SELECT DISTINCT (number % 64)::integer AS stripe FROM unnest(numbers) AS known (number) ORDER BY 1) AS stripes;
END $$;
CREATE FUNCTION penstock.join_writers(OUT taken_writer integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
BEGIN
	DELETE FROM writers WHERE seen < now() - interval '1 hour' AND pg_try_advisory_xact_lock(1885695607, id);
	INSERT INTO writers DEFAULT VALUES RETURNING id INTO taken_writer;
	PERFORM pg_advisory_lock(1885695607, taken_writer);
END $$;
CREATE FUNCTION penstock.move_positions(partitions bigint[], froms bigint[], tos bigint[], marks bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
	step record;
BEGIN
	FOR step IN SELECT * FROM unnest(partitions, froms, tos, marks) AS moved (number, was, becomes, mark) ORDER BY number LOOP
		UPDATE journal_offsets SET next = step.becomes, mark = step.mark WHERE partition = step.number AND next = step.was;
		IF NOT FOUND AND step.was = 0 THEN
			INSERT INTO journal_offsets VALUES (step.number, step.becomes, step.mark) ON CONFLICT DO NOTHING;
		END IF;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'another drain has moved partition %', step.number USING ERRCODE = 'PS003';
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION penstock.next_change() RETURNS bigint
    LANGUAGE sql
    AS $$UPDATE sale_changes SET number = number + 1 RETURNING number$$;
CREATE FUNCTION penstock.open_alone(OUT taken_lease bigint, OUT taken_number bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
	UPDATE commits SET lease = lease + 1, number = number + 1, shared = false RETURNING lease, number INTO taken_lease, taken_number;
	DELETE FROM writers;
END $$;
CREATE FUNCTION penstock.open_shared(OUT taken_lease bigint, OUT taken_writer integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
	UPDATE commits SET lease = lease + (NOT shared)::integer, number = number + 1, shared = true RETURNING lease INTO taken_lease;
	taken_writer := join_writers();
END $$;
CREATE FUNCTION penstock.raise_epoch(sale bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	raised bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(1885695589, (sale % 64)::integer);
	-- A ledger that was restored from a backup has met barriers of epochs that it had not raised itself: what is granted now must not lie before them.
	UPDATE sales SET epoch = greatest(epoch, barrier) + 1, version = version + 1, change = next_change()
		WHERE number = sale RETURNING epoch INTO raised;
	RETURN raised;
END $$;
CREATE FUNCTION penstock.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
	RAISE EXCEPTION '% is append only', TG_TABLE_NAME;
END $$;
CREATE FUNCTION penstock.take_commit(holder bigint, next bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
	UPDATE commits SET number = next WHERE lease = holder AND number = next - 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another process has taken the lease' USING ERRCODE = 'PS001';
	END IF;
END $$;
CREATE FUNCTION penstock.take_turn(writer bigint, next bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
	UPDATE writers SET number = next WHERE id = writer AND number = next - 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another process has taken the lease' USING ERRCODE = 'PS001';
	END IF;
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE penstock.commits (
    one smallint NOT NULL,
    lease bigint NOT NULL,
    number bigint NOT NULL,
    shared boolean DEFAULT false NOT NULL,
    CONSTRAINT commits_one_check CHECK ((one = 1))
)
WITH (fillfactor='10');
CREATE TABLE penstock.dead_letters (
    number bigint NOT NULL,
    at_ms bigint NOT NULL,
    reason text NOT NULL,
    event text NOT NULL
);
ALTER TABLE penstock.dead_letters ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME penstock.dead_letters_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE penstock.idempotency_keys (
    order_id uuid NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE penstock.items (
    number integer NOT NULL,
    sku text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    on_hand bigint NOT NULL,
    CONSTRAINT items_on_hand_check CHECK ((on_hand >= 0))
)
WITH (fillfactor='70');
ALTER TABLE penstock.items ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME penstock.items_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE penstock.journal (
    one smallint NOT NULL,
    cluster text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT journal_one_check CHECK ((one = 1))
);
CREATE TABLE penstock.journal_offsets (
    partition integer NOT NULL,
    next bigint NOT NULL,
    mark bigint NOT NULL
)
WITH (fillfactor='10');
CREATE TABLE penstock.lots (
    sale integer NOT NULL,
    place integer NOT NULL,
    item integer NOT NULL,
    allocated bigint NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    confirmed bigint DEFAULT 0 NOT NULL,
    withdrawn bigint DEFAULT 0 NOT NULL,
    CONSTRAINT lots_check CHECK ((((held + confirmed) + withdrawn) <= allocated)),
    CONSTRAINT lots_confirmed_check CHECK ((confirmed >= 0)),
    CONSTRAINT lots_held_check CHECK ((held >= 0)),
    CONSTRAINT lots_withdrawn_check CHECK ((withdrawn >= 0))
)
WITH (fillfactor='30');
CREATE TABLE penstock.movement_causes (
    number smallint NOT NULL,
    name text NOT NULL
);
CREATE TABLE penstock.movements (
    number bigint NOT NULL,
    at_ms bigint NOT NULL,
    item integer,
    sale integer,
    lot integer,
    cause smallint NOT NULL,
    order_id uuid,
    movement_id uuid,
    on_hand bigint NOT NULL,
    allocated bigint NOT NULL,
    held bigint NOT NULL,
    confirmed bigint NOT NULL,
    withdrawn bigint NOT NULL,
    actor text
);
ALTER TABLE penstock.movements ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME penstock.movements_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE penstock.operator_log (
    number bigint NOT NULL,
    at_ms bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    trace text NOT NULL,
    hash text NOT NULL
);
CREATE TABLE penstock.operator_log_head (
    one smallint NOT NULL,
    number bigint NOT NULL,
    hash text NOT NULL,
    CONSTRAINT operator_log_head_one_check CHECK ((one = 1))
)
WITH (fillfactor='50');
CREATE TABLE penstock.order_states (
    number smallint NOT NULL,
    name text NOT NULL
);
CREATE TABLE penstock.orders (
    id uuid NOT NULL,
    placed_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL,
    hold_expires_at_ms bigint,
    first_hold_expires_at_ms bigint,
    sale integer NOT NULL,
    lot integer NOT NULL,
    quantity integer NOT NULL,
    epoch bigint NOT NULL,
    buyer_units integer NOT NULL,
    limit_per_buyer integer NOT NULL,
    state smallint NOT NULL,
    buyer text NOT NULL COLLATE pg_catalog."C",
    trace text,
    CONSTRAINT orders_check CHECK ((buyer_units <= limit_per_buyer)),
    CONSTRAINT orders_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT orders_state_check CHECK (((state >= 1) AND (state <= 4)))
)
WITH (fillfactor='85');
CREATE TABLE penstock.sale_changes (
    one smallint NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT sale_changes_one_check CHECK ((one = 1))
)
WITH (fillfactor='10');
CREATE TABLE penstock.sale_states (
    number smallint NOT NULL,
    name text NOT NULL
);
CREATE TABLE penstock.sales (
    number integer NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    epoch bigint NOT NULL,
    version bigint NOT NULL,
    state smallint NOT NULL,
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
    ended_at_ms bigint,
    barrier bigint DEFAULT 0 NOT NULL,
    change bigint NOT NULL,
    CONSTRAINT sales_number_check CHECK (((number >= 1) AND (number <= 16777215)))
)
WITH (fillfactor='70');
ALTER TABLE penstock.sales ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME penstock.sales_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE penstock.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    hash text NOT NULL,
    applied_at_ms bigint NOT NULL
);
CREATE TABLE penstock.writers (
    id integer NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    seen timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='10');
ALTER TABLE penstock.writers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME penstock.writers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO penstock.commits VALUES (1, 1, 27, false);
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38a2-7000-b6f1-d5e079000001', 'key-0');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38a5-7000-9301-847371000001', 'key-1');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38a8-7000-9dbf-d6a490000001', 'key-2');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38ad-7000-832b-2daeca000001', 'key-4');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38b1-7000-b70d-62f86b000001', 'key-5');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38b5-7000-a6b5-6607c7000001', 'key-0b');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38b8-7000-8864-335f3b000002', 'key-0');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38ba-7000-9ae2-2d3214000002', 'key-1');
INSERT INTO penstock.idempotency_keys VALUES ('01a22368-38bb-7000-865a-26b485000002', 'key-2');
INSERT INTO penstock.items OVERRIDING SYSTEM VALUE VALUES (2, 'SHOE', 'Shoe', 40);
INSERT INTO penstock.items OVERRIDING SYSTEM VALUE VALUES (1, 'SHIRT', 'Shirt', 79);
INSERT INTO penstock.lots VALUES (2, 1, 2, 5, 0, 0, 0);
INSERT INTO penstock.lots VALUES (2, 0, 1, 10, 0, 3, 0);
INSERT INTO penstock.lots VALUES (1, 1, 2, 5, 1, 1, 0);
INSERT INTO penstock.lots VALUES (1, 0, 1, 15, 4, 0, 4);
INSERT INTO penstock.movement_causes VALUES (1, 'receive');
INSERT INTO penstock.movement_causes VALUES (2, 'allocate');
INSERT INTO penstock.movement_causes VALUES (3, 'add');
INSERT INTO penstock.movement_causes VALUES (4, 'withdraw');
INSERT INTO penstock.movement_causes VALUES (5, 'reserve');
INSERT INTO penstock.movement_causes VALUES (6, 'confirm');
INSERT INTO penstock.movement_causes VALUES (7, 'cancel');
INSERT INTO penstock.movement_causes VALUES (8, 'refund');
INSERT INTO penstock.movement_causes VALUES (9, 'expire');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (1, 1795890362473, 1, NULL, NULL, 1, NULL, NULL, 100, 0, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (2, 1795890362486, 2, NULL, NULL, 1, NULL, NULL, 50, 0, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (3, 1795890362489, 1, 1, 0, 2, NULL, NULL, -10, 10, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (4, 1795890362489, 2, 1, 1, 2, NULL, NULL, -5, 5, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (5, 1795890362514, 1, 2, 0, 2, NULL, NULL, -10, 10, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (6, 1795890362514, 2, 2, 1, 2, NULL, NULL, -5, 5, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (7, 1795890362530, NULL, 1, 1, 5, '01a22368-38a2-7000-b6f1-d5e079000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (8, 1795890362533, NULL, 1, 0, 5, '01a22368-38a5-7000-9301-847371000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (9, 1795890362536, NULL, 1, 1, 5, '01a22368-38a8-7000-9dbf-d6a490000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (10, 1795890362538, NULL, 1, 0, 5, '01a22368-38aa-7000-aa52-5981bf000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (11, 1795890362541, NULL, 1, 1, 5, '01a22368-38ad-7000-832b-2daeca000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (12, 1795890362545, NULL, 1, 0, 5, '01a22368-38b1-7000-b70d-62f86b000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (13, 1795890362549, NULL, 1, 0, 5, '01a22368-38b5-7000-a6b5-6607c7000001', NULL, 0, 0, 2, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (14, 1795890362552, NULL, 2, 0, 5, '01a22368-38b8-7000-8864-335f3b000002', NULL, 0, 0, 0, 1, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (15, 1795890362554, NULL, 2, 0, 5, '01a22368-38ba-7000-9ae2-2d3214000002', NULL, 0, 0, 0, 1, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (16, 1795890362555, NULL, 2, 0, 5, '01a22368-38bb-7000-865a-26b485000002', NULL, 0, 0, 0, 1, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (17, 1795890362557, NULL, 1, 1, 6, '01a22368-38a2-7000-b6f1-d5e079000001', NULL, 0, 0, -1, 1, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (18, 1795890362562, NULL, 1, 0, 7, '01a22368-38a5-7000-9301-847371000001', NULL, 0, 0, -1, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (19, 1795890362565, NULL, 1, 1, 6, '01a22368-38a8-7000-9dbf-d6a490000001', NULL, 0, 0, -1, 1, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (20, 1795890362570, NULL, 1, 1, 8, '01a22368-38a8-7000-9dbf-d6a490000001', NULL, 0, 0, 0, -1, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (21, 1795890362572, 1, 1, 0, 3, NULL, '01a22368-38cc-7000-8097-fb909d000001', -5, 5, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (22, 1795890362579, 1, 1, 0, 4, NULL, '01a22368-38d3-7000-b5ee-13ae33000001', 4, 0, 0, 0, 4, 'operator');
INSERT INTO penstock.operator_log VALUES (1, 1795890362473, 'operator', 'item.create', 'SHIRT', '{"on_hand":100}', '00-35ad8000f252e1014daf1bd72de3f729-22c0ac3b19a73cbf-00', '226bd25ad4f9c4893e00c1b7954fe5658b7c0e61f292b33e0e7ab3c431545167');
INSERT INTO penstock.operator_log VALUES (2, 1795890362486, 'operator', 'item.create', 'SHOE', '{"on_hand":50}', '00-24eaded58b9d83e3b1c72aeda602b875-fcead7494bf4595f-00', '81b3caa4f51a2d38a8f4e6349190b7938a172f2c13e3244c6147e761e8143088');
INSERT INTO penstock.operator_log VALUES (3, 1795890362489, 'operator', 'sale.create', 'drop', '{"lots":2,"units":15,"price":17900,"currency":"EUR","limit_per_buyer":3,"rate":"50/60","hold_seconds":3600,"opens_at_ms":-1,"closes_at_ms":-1,"name":"Drop"}', '00-01e194a0de0a15f7948ff4d102f1db91-3426f2eef59a1839-00', '440a38254b8dda2ede0ece246e0558a6a9db49bae0254df65b18db93eccc376b');
INSERT INTO penstock.operator_log VALUES (4, 1795890362502, 'operator', 'sale.arm', 'drop', '{}', '00-7ff209fc3c9792bb723107dc2d45b4d7-ebaabe89e0a3624f-00', '7348110847f9145b03fcdc25dd65b6b54ab58ed588033b9e1c6c6dc01ff43ed7');
INSERT INTO penstock.operator_log VALUES (5, 1795890362510, 'operator', 'sale.open', 'drop', '{}', '00-a1cea4511264227186f47c7a52d1a995-f219c85af1fd2d6f-00', '123092cb5a99f37daf162f5ff2ad3baaf2e6e4623749325aee39676b3e9fb738');
INSERT INTO penstock.operator_log VALUES (6, 1795890362514, 'operator', 'sale.create', 'second', '{"lots":2,"units":15,"price":17900,"currency":"EUR","limit_per_buyer":3,"rate":"50/60","hold_seconds":0,"opens_at_ms":-1,"closes_at_ms":-1,"name":"Second"}', '00-7cfea84f02749fdf411386a5ed9dfa3f-34ae36508edc5fc7-00', 'c924fbb0bd7f5c2e2a74f99be3f396018c15e5a0c1c7fbdc7a15a4cabf11d0c4');
INSERT INTO penstock.operator_log VALUES (7, 1795890362518, 'operator', 'sale.arm', 'second', '{}', '00-b191d3074f66367b7d1712d19c4f413b-d52bd0a460444411-00', '73de60a16726c75193836d64fe7d8591a4ae2eb59cbac54cf28b0ad08a371957');
INSERT INTO penstock.operator_log VALUES (8, 1795890362525, 'operator', 'sale.open', 'second', '{}', '00-acd74082d8199b9f5896be3280fed0ba-7b33ab2d224b0edb-00', 'fc1da0e425394e7aeb47f2c5928a7f1307cf5f5d8f8d76d6b8c4ce98d717884d');
INSERT INTO penstock.operator_log VALUES (9, 1795890362557, 'operator', 'order.confirm', '01a22368-38a2-7000-b6f1-d5e079000001', '{"sale":"drop","sku":"SHOE"}', '00-5710779f626ffc17bb9ccfb4db51b4a2-fc3a93e06be8cd7b-00', '65e42cb32e0743fb0e16308fc9d9e90b357737ca6d1be3835d7e8c9736a45cfe');
INSERT INTO penstock.operator_log VALUES (10, 1795890362562, 'operator', 'order.cancel', '01a22368-38a5-7000-9301-847371000001', '{"sale":"drop","sku":"SHIRT"}', '00-bd7d7ae3f30f4427aa17b36eb63b2942-6fc8919aa614bed5-00', '434e3cbcd59583fd707a694e81508437e474c00428960f7dc82a6606080b7843');
INSERT INTO penstock.operator_log VALUES (11, 1795890362565, 'operator', 'order.confirm', '01a22368-38a8-7000-9dbf-d6a490000001', '{"sale":"drop","sku":"SHOE"}', '00-ce7ff1871d73203b3a4612176dcd134d-a467109949815d1b-00', '21eb92a9eac8b37a78a73cb51aaba6ba7c82a5d35b9725e03b8e26b0912541ce');
INSERT INTO penstock.operator_log VALUES (12, 1795890362570, 'operator', 'order.refund', '01a22368-38a8-7000-9dbf-d6a490000001', '{"sale":"drop","sku":"SHOE"}', '00-f77f9cec038dc9c3248aaf3043a99e87-87923702d444f00d-00', 'db606a2381fba60799d548515362f512ac9753d1f7d45c08c1f4e85ed0a5d42b');
INSERT INTO penstock.operator_log VALUES (13, 1795890362572, 'operator', 'lot.add', 'drop', '{"sku":"SHIRT","units":5,"movement":"01a22368-38cc-7000-8097-fb909d000001"}', '00-c5aedcece15b35d5cb308655a00f26ee-40a949b263e6a047-00', 'c54cff5461f724e45114ccd278085da57f1cc16d5edb6d4d98983b859db6a79d');
INSERT INTO penstock.operator_log VALUES (14, 1795890362579, 'operator', 'lot.withdraw', 'drop', '{"sku":"SHIRT","units":4,"movement":"01a22368-38d3-7000-b5ee-13ae33000001"}', '00-51cb709c7dd169ad17b492f3df8059df-b57794c767006589-00', '559aa7acbbf48fd3cd47fa0d26654216d0a01a1484b8fe90971781d4f218eec9');
INSERT INTO penstock.operator_log_head VALUES (1, 14, '559aa7acbbf48fd3cd47fa0d26654216d0a01a1484b8fe90971781d4f218eec9');
INSERT INTO penstock.order_states VALUES (1, 'held');
INSERT INTO penstock.order_states VALUES (2, 'confirmed');
INSERT INTO penstock.order_states VALUES (3, 'cancelled');
INSERT INTO penstock.order_states VALUES (4, 'expired');
INSERT INTO penstock.orders VALUES ('01a22368-38aa-7000-aa52-5981bf000001', 1795890362538, 1795890362538, 1795893962538, 1795893962538, 1, 0, 1, 2, 1, 3, 1, 'buyer-3', '00-5cdb5516e09909472da0c17a2a0e3de7-5943cdf9bba647b3-00');
INSERT INTO penstock.orders VALUES ('01a22368-38ad-7000-832b-2daeca000001', 1795890362541, 1795890362541, 1795893962541, 1795893962541, 1, 1, 1, 2, 1, 3, 1, 'buyer-4', '00-dd3c6ca826447615859b9400772d8d71-161397ae073d6ff5-00');
INSERT INTO penstock.orders VALUES ('01a22368-38b1-7000-b70d-62f86b000001', 1795890362545, 1795890362545, 1795893962545, 1795893962545, 1, 0, 1, 2, 1, 3, 1, 'buyer-5', '00-e4d7bcfc5a97e63956c7321847ecd0a4-9053fe7fa8c2ac7f-00');
INSERT INTO penstock.orders VALUES ('01a22368-38b5-7000-a6b5-6607c7000001', 1795890362549, 1795890362549, 1795893962549, 1795893962549, 1, 0, 2, 2, 3, 3, 1, 'buyer-0', '00-a74f7a2198a8a18ff8096e8a6b4ce018-a33e078dd4800f2b-00');
INSERT INTO penstock.orders VALUES ('01a22368-38b8-7000-8864-335f3b000002', 1795890362552, 1795890362552, NULL, NULL, 2, 0, 1, 2, 1, 3, 2, 'buyer-0', '00-9d96cc7622fe5a090d5a8c8ed4ba486a-73fd7ee289f1b0c5-00');
INSERT INTO penstock.orders VALUES ('01a22368-38ba-7000-9ae2-2d3214000002', 1795890362554, 1795890362554, NULL, NULL, 2, 0, 1, 2, 1, 3, 2, 'buyer-1', '00-888ae32d88e0a9450088ae1e53eac5a7-d2249add258aea51-00');
INSERT INTO penstock.orders VALUES ('01a22368-38bb-7000-865a-26b485000002', 1795890362555, 1795890362555, NULL, NULL, 2, 0, 1, 2, 1, 3, 2, 'buyer-2', '00-4abaeb5032fcf98d98bbec5d2ad6f6a9-0dd0d506a5a38825-00');
INSERT INTO penstock.orders VALUES ('01a22368-38a2-7000-b6f1-d5e079000001', 1795890362530, 1795890362557, 1795893962530, 1795893962530, 1, 1, 1, 2, 1, 3, 2, 'buyer-0', '00-aacbed64a849f03b27a7b0a4271a7880-6e5207fedf896acf-00');
INSERT INTO penstock.orders VALUES ('01a22368-38a5-7000-9301-847371000001', 1795890362533, 1795890362562, 1795893962533, 1795893962533, 1, 0, 1, 2, 1, 3, 3, 'buyer-1', '00-649a68958b9a1ca57347351ed3316c17-601efda581cf115f-00');
INSERT INTO penstock.orders VALUES ('01a22368-38a8-7000-9dbf-d6a490000001', 1795890362536, 1795890362570, 1795893962536, 1795893962536, 1, 1, 1, 2, 1, 3, 3, 'buyer-2', '00-01818ac9eba80a5f1afab55f6749e185-4a73d7f15322290f-00');
INSERT INTO penstock.sale_changes VALUES (1, 9);
INSERT INTO penstock.sale_states VALUES (1, 'draft');
INSERT INTO penstock.sale_states VALUES (2, 'armed');
INSERT INTO penstock.sale_states VALUES (3, 'open');
INSERT INTO penstock.sale_states VALUES (4, 'paused');
INSERT INTO penstock.sale_states VALUES (5, 'ended');
INSERT INTO penstock.sales OVERRIDING SYSTEM VALUE VALUES (2, 'second', 2, 4, 3, 'Second', 17900, 'EUR', 3, 50, 60, 0, false, NULL, NULL, 1795890362514, NULL, 0, 8);
INSERT INTO penstock.sales OVERRIDING SYSTEM VALUE VALUES (1, 'drop', 2, 5, 3, 'Drop', 17900, 'EUR', 3, 50, 60, 3600, false, NULL, NULL, 1795890362489, NULL, 0, 9);
INSERT INTO penstock.schema_migrations VALUES (1, 'initial', '8ddba5dc57cb7cbc28fa8f2e9dc0770b8b127edddafbf1c77ffd4cb96208459f', 1795890362313);
INSERT INTO penstock.schema_migrations VALUES (2, 'several_processes', '8e7f7be246740050c50ca7393122e3622cb9324e6bcbb906eba39ab23fd3a62f', 1795890362425);
SELECT pg_catalog.setval('penstock.dead_letters_number_seq', 1, false);
SELECT pg_catalog.setval('penstock.items_number_seq', 2, true);
SELECT pg_catalog.setval('penstock.movements_number_seq', 22, true);
SELECT pg_catalog.setval('penstock.sales_number_seq', 2, true);
SELECT pg_catalog.setval('penstock.writers_id_seq', 1, false);
ALTER TABLE ONLY penstock.commits
    ADD CONSTRAINT commits_pkey PRIMARY KEY (one);
ALTER TABLE ONLY penstock.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY penstock.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.items
    ADD CONSTRAINT items_sku_key UNIQUE (sku);
ALTER TABLE ONLY penstock.journal_offsets
    ADD CONSTRAINT journal_offsets_pkey PRIMARY KEY (partition);
ALTER TABLE ONLY penstock.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (one);
ALTER TABLE ONLY penstock.lots
    ADD CONSTRAINT lots_pkey PRIMARY KEY (sale, place);
ALTER TABLE ONLY penstock.movement_causes
    ADD CONSTRAINT movement_causes_name_key UNIQUE (name);
ALTER TABLE ONLY penstock.movement_causes
    ADD CONSTRAINT movement_causes_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.movements
    ADD CONSTRAINT movements_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.operator_log_head
    ADD CONSTRAINT operator_log_head_pkey PRIMARY KEY (one);
ALTER TABLE ONLY penstock.operator_log
    ADD CONSTRAINT operator_log_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.order_states
    ADD CONSTRAINT order_states_name_key UNIQUE (name);
ALTER TABLE ONLY penstock.order_states
    ADD CONSTRAINT order_states_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY penstock.sale_changes
    ADD CONSTRAINT sale_changes_pkey PRIMARY KEY (one);
ALTER TABLE ONLY penstock.sale_states
    ADD CONSTRAINT sale_states_name_key UNIQUE (name);
ALTER TABLE ONLY penstock.sale_states
    ADD CONSTRAINT sale_states_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.sales
    ADD CONSTRAINT sales_id_key UNIQUE (id);
ALTER TABLE ONLY penstock.sales
    ADD CONSTRAINT sales_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.writers
    ADD CONSTRAINT writers_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX lots_by_item ON penstock.lots USING btree (item, sale);
CREATE UNIQUE INDEX movements_by_id ON penstock.movements USING btree (movement_id) WHERE (movement_id IS NOT NULL);
CREATE UNIQUE INDEX sales_by_change ON penstock.sales USING btree (change);
CREATE TRIGGER movements_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON penstock.movements FOR EACH STATEMENT EXECUTE FUNCTION penstock.refuse_change();
CREATE TRIGGER operator_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON penstock.operator_log FOR EACH STATEMENT EXECUTE FUNCTION penstock.refuse_change();
ALTER TABLE ONLY penstock.lots
    ADD CONSTRAINT lots_item_fkey FOREIGN KEY (item) REFERENCES penstock.items(number);
ALTER TABLE ONLY penstock.lots
    ADD CONSTRAINT lots_sale_fkey FOREIGN KEY (sale) REFERENCES penstock.sales(number);
ALTER TABLE ONLY penstock.sales
    ADD CONSTRAINT sales_state_fkey FOREIGN KEY (state) REFERENCES penstock.sale_states(number);

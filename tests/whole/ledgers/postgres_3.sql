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
CREATE FUNCTION penstock.raise_epoch(sale bigint, above bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	raised bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(1885695589, (sale % 64)::integer);
	UPDATE sales SET epoch = greatest(epoch, barrier, above) + 1, version = version + 1, change = next_change()
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
    partitions integer DEFAULT 0 NOT NULL,
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
    barrier_held bigint DEFAULT 0 NOT NULL,
    barrier_confirmed bigint DEFAULT 0 NOT NULL,
    barrier_withdrawn bigint DEFAULT 0 NOT NULL,
    armed_epoch bigint DEFAULT 0 NOT NULL,
    armed_held bigint DEFAULT 0 NOT NULL,
    armed_confirmed bigint DEFAULT 0 NOT NULL,
    armed_withdrawn bigint DEFAULT 0 NOT NULL,
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
CREATE TABLE penstock.operator_requests (
    id uuid NOT NULL,
    body uuid NOT NULL,
    outcome bigint NOT NULL,
    at_ms bigint NOT NULL
);
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
    key text COLLATE pg_catalog."C",
    price_minor bigint,
    reference text COLLATE pg_catalog."C",
    metadata text,
    confirmed_at_ms bigint,
    CONSTRAINT orders_by_sale_check CHECK ((buyer_units <= limit_per_buyer)),
    CONSTRAINT orders_by_sale_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT orders_by_sale_state_check CHECK (((state >= 1) AND (state <= 4)))
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
    scheduled boolean DEFAULT false NOT NULL,
    announced boolean DEFAULT false NOT NULL,
    opened boolean DEFAULT false NOT NULL,
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
INSERT INTO penstock.commits VALUES (1, 2, 38, false);
INSERT INTO penstock.items OVERRIDING SYSTEM VALUE VALUES (1, 'SHIRT', 'Shirt', 51);
INSERT INTO penstock.items OVERRIDING SYSTEM VALUE VALUES (2, 'SHOE', 'Shoe', 47);
INSERT INTO penstock.lots VALUES (3, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO penstock.lots VALUES (1, 0, 1, 6, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO penstock.lots VALUES (1, 1, 2, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO penstock.lots VALUES (2, 0, 2, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO penstock.movement_causes VALUES (1, 'receive');
INSERT INTO penstock.movement_causes VALUES (2, 'allocate');
INSERT INTO penstock.movement_causes VALUES (3, 'add');
INSERT INTO penstock.movement_causes VALUES (4, 'withdraw');
INSERT INTO penstock.movement_causes VALUES (5, 'reserve');
INSERT INTO penstock.movement_causes VALUES (6, 'confirm');
INSERT INTO penstock.movement_causes VALUES (7, 'cancel');
INSERT INTO penstock.movement_causes VALUES (8, 'refund');
INSERT INTO penstock.movement_causes VALUES (9, 'expire');
INSERT INTO penstock.movement_causes VALUES (10, 'adjust');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (1, 1795943179285, 1, NULL, NULL, 1, NULL, NULL, 60, 0, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (2, 1795943179291, 2, NULL, NULL, 1, NULL, NULL, 60, 0, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (3, 1795943179305, 1, 1, 0, 2, NULL, NULL, -6, 6, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (4, 1795943179305, 2, 1, 1, 2, NULL, NULL, -6, 6, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (5, 1795943179352, 2, 2, 0, 2, NULL, NULL, -5, 5, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (6, 1795943179368, 1, 3, 0, 2, NULL, NULL, -4, 4, 0, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (7, 1795943179379, NULL, 1, 1, 5, '01a2268e-2473-7000-ace8-8031a5000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (8, 1795943179384, NULL, 1, 0, 5, '01a2268e-2478-7000-b71a-7cc952000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (9, 1795943179385, NULL, 1, 1, 5, '01a2268e-2479-7000-9f18-938452000001', NULL, 0, 0, 2, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (10, 1795943179387, NULL, 1, 0, 5, '01a2268e-247b-7000-a427-385ba4000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (11, 1795943179391, NULL, 1, 1, 5, '01a2268e-247f-7000-88ff-6f2145000001', NULL, 0, 0, 2, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (12, 1795943179401, NULL, 1, 0, 5, '01a2268e-2489-7000-99a5-193d6b000001', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (13, 1795943179403, NULL, 2, 0, 5, '01a2268e-248b-7000-8b8f-92a9b5000002', NULL, 0, 0, 0, 1, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (14, 1795943179406, NULL, 2, 0, 5, '01a2268e-248e-7000-8f44-168306000002', NULL, 0, 0, 0, 1, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (15, 1795943179416, NULL, 3, 0, 5, '01a2268e-2498-7000-8930-9e2359000003', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (16, 1795943179417, NULL, 3, 0, 5, '01a2268e-2499-7000-8fc3-812526000003', NULL, 0, 0, 1, 0, 0, NULL);
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (17, 1795943179420, NULL, 1, 1, 6, '01a2268e-2473-7000-ace8-8031a5000001', NULL, 0, 0, -1, 1, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (18, 1795943179429, NULL, 1, 1, 6, '01a2268e-247f-7000-88ff-6f2145000001', NULL, 0, 0, -2, 2, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (19, 1795943179435, NULL, 1, 1, 7, '01a2268e-2479-7000-9f18-938452000001', NULL, 0, 0, -2, 0, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (20, 1795943179438, NULL, 1, 1, 8, '01a2268e-247f-7000-88ff-6f2145000001', NULL, 0, 0, 0, -2, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (21, 1795943179445, NULL, 2, 0, 8, '01a2268e-248e-7000-8f44-168306000002', NULL, 0, 0, 0, -1, 0, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (22, 1795943182419, NULL, 3, 0, 9, '01a2268e-2499-7000-8fc3-812526000003', NULL, 0, 0, -1, 0, 0, 'clock');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (23, 1795943182419, NULL, 3, 0, 9, '01a2268e-2498-7000-8930-9e2359000003', NULL, 0, 0, -1, 0, 0, 'clock');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (24, 1795943182449, 1, 1, 0, 4, NULL, '01a2268e-3071-7000-99c8-8a7f72000001', 1, 0, 0, 0, 1, 'operator');
INSERT INTO penstock.movements OVERRIDING SYSTEM VALUE VALUES (25, 1795943182516, 2, 1, 1, 3, NULL, '01a2268e-30b4-7000-8dea-785fd3000001', -2, 2, 0, 0, 0, 'operator');
INSERT INTO penstock.operator_log VALUES (1, 1795943179285, 'operator', 'item.create', 'SHIRT', '{"on_hand":60}', '00-f798b3574d00bc63667224c02248288e-302ed1412d370007-00', '6863e10a6deab71843c8219b0055989d5332435b0e8b302d34e466c9f010783c');
INSERT INTO penstock.operator_log VALUES (2, 1795943179291, 'operator', 'item.create', 'SHOE', '{"on_hand":60}', '00-728c16b91595e67bbf539a8ba3dcdb4e-c544eef6272d06fd-00', '215783b9133110e29d55e5ed005ece3cedb4269da5c9b4a6021fbf0ca33bc7a7');
INSERT INTO penstock.operator_log VALUES (3, 1795943179305, 'operator', 'sale.create', 'drop', '{"lots":2,"units":12,"price":100,"currency":"EUR","limit_per_buyer":3,"rate":"0/0","hold_seconds":3600,"opens_at_ms":-1,"closes_at_ms":-1,"schedule":false,"announce":false,"name":"drop"}', '00-29b9d8f68d28a68b2843dff513e363a1-56e8698c135c1919-00', '652e1fc5cfd39d6d8f4c1449ab2799d02392e091ed6aaec982642fe141bef76c');
INSERT INTO penstock.operator_log VALUES (4, 1795943179326, 'operator', 'sale.arm', 'drop', '{}', '00-39fee45860a175c3abdff56ab5ec8dae-2b838ef84294df1f-00', '3fede64ecfb88c3cfddeaac47bd53be9a44b88db71c2673b2c797afe0d7b3d48');
INSERT INTO penstock.operator_log VALUES (5, 1795943179326, 'operator', 'sale.open', 'drop', '{}', '00-39fee45860a175c3abdff56ab5ec8dae-2b838ef84294df1f-00', '5303b3a2f572162a401a34b505b372b29da0f12ddda2441dc4217adf22279a39');
INSERT INTO penstock.operator_log VALUES (6, 1795943179352, 'operator', 'sale.create', 'second', '{"lots":1,"units":5,"price":100,"currency":"EUR","limit_per_buyer":1,"rate":"0/0","hold_seconds":0,"opens_at_ms":-1,"closes_at_ms":-1,"schedule":false,"announce":false,"name":"second"}', '00-4562b8ccfa2ee2cf25226e33e26bbcdf-753b409ec67cc737-00', 'cbcfcd865d2f47fb1942db37b0260ab08941cbaf398ef935fa80747ad1aa32b3');
INSERT INTO penstock.operator_log VALUES (7, 1795943179360, 'operator', 'sale.arm', 'second', '{}', '00-9d143fddf2ec285778c52bb7c1ac8d01-5c3001bbf87fbe5b-00', 'd7806e85b2973e54c8a7a3fb157c999ab9cf5addf3ec9eaec3f614cab29070eb');
INSERT INTO penstock.operator_log VALUES (8, 1795943179360, 'operator', 'sale.open', 'second', '{}', '00-9d143fddf2ec285778c52bb7c1ac8d01-5c3001bbf87fbe5b-00', '0b58cc76fc46b9d0c946ad01f4ad966786b8c530cd6ad555fff9b6b4fb960310');
INSERT INTO penstock.operator_log VALUES (9, 1795943179368, 'operator', 'sale.create', 'short', '{"lots":1,"units":4,"price":100,"currency":"EUR","limit_per_buyer":1,"rate":"0/0","hold_seconds":1,"opens_at_ms":-1,"closes_at_ms":-1,"schedule":false,"announce":false,"name":"short"}', '00-8272aee078c74e470ce49c4323e8d56a-5a28c341202dab7d-00', '40ed6debc46020081d6e032110763eb52cffffa6d77d35df95275a378fee5c12');
INSERT INTO penstock.operator_log VALUES (10, 1795943179369, 'operator', 'sale.arm', 'short', '{}', '00-aa67ef021f1877e5bfc684c1563feeb9-ffd1f0a5278345ed-00', '47b98d120c041852ff305cd2d12b61d798628c496d3b3b1e9ef56d5dc04a46bc');
INSERT INTO penstock.operator_log VALUES (11, 1795943179369, 'operator', 'sale.open', 'short', '{}', '00-aa67ef021f1877e5bfc684c1563feeb9-ffd1f0a5278345ed-00', '52c4e0f2b1278039b9d2ff979d3b6b21d859c9b3ba7a081882efa99585be925a');
INSERT INTO penstock.operator_log VALUES (12, 1795943179420, 'operator', 'order.confirm', '01a2268e-2473-7000-ace8-8031a5000001', '{"sale":"drop","sku":"SHOE"}', '00-d7cd2573b5122f178b3a15b32253e93d-c9a3ee2f5cfa8b33-00', '20ce893dbcdbb670955b9f1e76d227a461c6311dc54e18e1b7e9b151ee0950e2');
INSERT INTO penstock.operator_log VALUES (13, 1795943179429, 'operator', 'order.confirm', '01a2268e-247f-7000-88ff-6f2145000001', '{"sale":"drop","sku":"SHOE"}', '00-4bb6a7e383268663bb9c066d7451acda-c8d77bc07ad1a7c1-00', 'e50454292ee127c364277385b0069ed83a95171fb79200806a04703e4244c216');
INSERT INTO penstock.operator_log VALUES (14, 1795943179435, 'operator', 'order.cancel', '01a2268e-2479-7000-9f18-938452000001', '{"sale":"drop","sku":"SHOE"}', '00-595ce900f68e836d1dc66c73b9723725-2852e12cd55167d1-00', 'ecbc368a0a5e3fff8e17640549ca460e6892812bd92bfaf46dc9a3476fe24ce2');
INSERT INTO penstock.operator_log VALUES (15, 1795943179438, 'operator', 'order.refund', '01a2268e-247f-7000-88ff-6f2145000001', '{"sale":"drop","sku":"SHOE"}', '00-0ead78eaafb4d36d719617d7bad871c9-723f5acdd583452d-00', '756d03c85445fc2b449f2e62b971b1e35a2d433fae864702f778510dde3809e6');
INSERT INTO penstock.operator_log VALUES (16, 1795943179445, 'operator', 'order.refund', '01a2268e-248e-7000-8f44-168306000002', '{"sale":"second","sku":"SHOE"}', '00-33eecd8e6bec91454125a92272639a91-3f4b2a98673bbf1b-00', '79d249317094c3a7880cceaa6e4021b5180c094b61242b33dfc8dea01589d088');
INSERT INTO penstock.operator_log VALUES (17, 1795943179447, 'operator', 'order.extend', '01a2268e-2489-7000-99a5-193d6b000001', '{"sale":"drop","sku":"SHIRT"}', '00-b6ec4edc340dcf654f6bb2353e2e94ac-93ea175bdd7f3b9f-00', '38bbf39d44fcf5cff4c4fee9d897053e9775445ae5bd04fe536258ded7a23177');
INSERT INTO penstock.operator_log VALUES (18, 1795943182449, 'operator', 'lot.withdraw', 'drop', '{"sku":"SHIRT","units":1,"movement":"01a2268e-3071-7000-99c8-8a7f72000001"}', '00-30ad05562efc37b37d82b2e1595dc3e9-7ce9a5a6e6e57767-00', 'd83e7e30750a8342ab34324ddb7deabc6f73f2512d30668321566015bb09a856');
INSERT INTO penstock.operator_log VALUES (19, 1795943182516, 'operator', 'lot.add', 'drop', '{"sku":"SHOE","units":2,"movement":"01a2268e-30b4-7000-8dea-785fd3000001"}', '00-75a488e9703e1163ac90bc625c361c88-943157b447f3da23-00', 'ff65aeb46eff7b9534780a4e53e1be5746d592c80b4cab45075d5ede6afe3be6');
INSERT INTO penstock.operator_log_head VALUES (1, 19, 'ff65aeb46eff7b9534780a4e53e1be5746d592c80b4cab45075d5ede6afe3be6');
INSERT INTO penstock.order_states VALUES (1, 'held');
INSERT INTO penstock.order_states VALUES (2, 'confirmed');
INSERT INTO penstock.order_states VALUES (3, 'cancelled');
INSERT INTO penstock.order_states VALUES (4, 'expired');
INSERT INTO penstock.orders VALUES ('01a2268e-2478-7000-b71a-7cc952000001', 1795943179384, 1795943179384, 1795946779384, 1795946779384, 1, 0, 1, 2, 1, 3, 1, 'buyer-1', '00-a46ec3a71eb1a9ab53b40432ca4b2d83-b550a42c0df7320d-00', 'key-1', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-247b-7000-a427-385ba4000001', 1795943179387, 1795943179387, 1795946779387, 1795946779387, 1, 0, 1, 2, 1, 3, 1, 'buyer-3', '00-f72894f4518144191e0f8a2806b3b47a-4e7eaf94616492cd-00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-248b-7000-8b8f-92a9b5000002', 1795943179403, 1795943179403, NULL, NULL, 2, 0, 1, 2, 1, 1, 2, 'buyer-0', '00-6673c3392e266e096e01c53f673d27b4-14d927ca163857f9-00', 'key-0', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-2473-7000-ace8-8031a5000001', 1795943179379, 1795943179420, 1795946779379, 1795946779379, 1, 1, 1, 2, 1, 3, 2, 'buyer-0', '00-ad92ef7033ecd29702794e839450832a-f31ba74aac5cfe27-00', 'key-0', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-2479-7000-9f18-938452000001', 1795943179385, 1795943179435, 1795946779385, 1795946779385, 1, 1, 2, 2, 2, 3, 3, 'buyer-2', '00-ffd6237a96c5d91b9091f7b53f2b1635-00c20764265bced5-00', 'key-2', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-247f-7000-88ff-6f2145000001', 1795943179391, 1795943179438, 1795946779391, 1795946779391, 1, 1, 2, 2, 2, 3, 3, 'buyer-4', '00-76805db39279456b46bd6dff4ead2a05-7c7fa9ca8cc72671-00', 'key-4', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-248e-7000-8f44-168306000002', 1795943179406, 1795943179445, NULL, NULL, 2, 0, 1, 2, 1, 1, 3, 'buyer-1', '00-c51246ee0e788fa3261d84a3884b626a-5ea14afed88fea01-00', 'key-1', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-2489-7000-99a5-193d6b000001', 1795943179401, 1795943179447, 1795950379447, 1795946779401, 1, 0, 1, 2, 1, 3, 1, 'buyer-5', '00-6a29757f0e27aab378dd0db572e39c76-f3441ea0228d0b85-00', 'key-5', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-2498-7000-8930-9e2359000003', 1795943179416, 1795943182419, 1795943180416, 1795943180416, 3, 0, 1, 2, 1, 1, 4, 'buyer-0', '00-78beef1937e958e7cdb2ae2a678f8255-35515b0f24258ea9-00', 'key-0', NULL, NULL, NULL, NULL);
INSERT INTO penstock.orders VALUES ('01a2268e-2499-7000-8fc3-812526000003', 1795943179417, 1795943182419, 1795943180417, 1795943180417, 3, 0, 1, 2, 1, 1, 4, 'buyer-1', '00-58454caa3ccf0adb9c00836da5475e69-bf74bda86221e9dd-00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO penstock.sale_changes VALUES (1, 16);
INSERT INTO penstock.sale_states VALUES (1, 'draft');
INSERT INTO penstock.sale_states VALUES (2, 'armed');
INSERT INTO penstock.sale_states VALUES (3, 'open');
INSERT INTO penstock.sale_states VALUES (4, 'paused');
INSERT INTO penstock.sale_states VALUES (5, 'ended');
INSERT INTO penstock.sale_states VALUES (6, 'deleted');
INSERT INTO penstock.sales OVERRIDING SYSTEM VALUE VALUES (1, 'drop', 3, 6, 3, 'drop', 100, 'EUR', 3, 0, 0, 3600, true, NULL, NULL, 1795943179305, NULL, 0, 14, false, false, true);
INSERT INTO penstock.sales OVERRIDING SYSTEM VALUE VALUES (2, 'second', 3, 5, 3, 'second', 100, 'EUR', 1, 0, 0, 0, false, NULL, NULL, 1795943179352, NULL, 0, 15, false, false, true);
INSERT INTO penstock.sales OVERRIDING SYSTEM VALUE VALUES (3, 'short', 3, 5, 3, 'short', 100, 'EUR', 1, 0, 0, 1, false, NULL, NULL, 1795943179368, NULL, 0, 16, false, false, true);
INSERT INTO penstock.schema_migrations VALUES (1, 'initial', '8ddba5dc57cb7cbc28fa8f2e9dc0770b8b127edddafbf1c77ffd4cb96208459f', 1795943178768);
INSERT INTO penstock.schema_migrations VALUES (2, 'several_processes', '8e7f7be246740050c50ca7393122e3622cb9324e6bcbb906eba39ab23fd3a62f', 1795943179145);
INSERT INTO penstock.schema_migrations VALUES (3, 'orders_by_sale', 'd80cffae3b56b9c2b006a1f6d4387b130382b0320177164e484e6acd282ddad8', 1795943179207);
SELECT pg_catalog.setval('penstock.dead_letters_number_seq', 1, false);
SELECT pg_catalog.setval('penstock.items_number_seq', 6, true);
SELECT pg_catalog.setval('penstock.movements_number_seq', 25, true);
SELECT pg_catalog.setval('penstock.sales_number_seq', 3, true);
SELECT pg_catalog.setval('penstock.writers_id_seq', 1, false);
ALTER TABLE ONLY penstock.commits
    ADD CONSTRAINT commits_pkey PRIMARY KEY (one);
ALTER TABLE ONLY penstock.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (number);
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
ALTER TABLE ONLY penstock.operator_requests
    ADD CONSTRAINT operator_requests_pkey PRIMARY KEY (id);
ALTER TABLE ONLY penstock.order_states
    ADD CONSTRAINT order_states_name_key UNIQUE (name);
ALTER TABLE ONLY penstock.order_states
    ADD CONSTRAINT order_states_pkey PRIMARY KEY (number);
ALTER TABLE ONLY penstock.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (sale, id);
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
CREATE INDEX movements_by_sale ON penstock.movements USING btree (sale, number) WHERE ((movement_id IS NOT NULL) AND (sale IS NOT NULL));
CREATE UNIQUE INDEX sales_by_change ON penstock.sales USING btree (change);
CREATE TRIGGER movements_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON penstock.movements FOR EACH STATEMENT EXECUTE FUNCTION penstock.refuse_change();
CREATE TRIGGER operator_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON penstock.operator_log FOR EACH STATEMENT EXECUTE FUNCTION penstock.refuse_change();
ALTER TABLE ONLY penstock.lots
    ADD CONSTRAINT lots_item_fkey FOREIGN KEY (item) REFERENCES penstock.items(number);
ALTER TABLE ONLY penstock.lots
    ADD CONSTRAINT lots_sale_fkey FOREIGN KEY (sale) REFERENCES penstock.sales(number);
ALTER TABLE ONLY penstock.sales
    ADD CONSTRAINT sales_state_fkey FOREIGN KEY (state) REFERENCES penstock.sale_states(number);

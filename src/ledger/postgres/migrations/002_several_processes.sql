-- Several gates and drains on one ledger, and a journal outside of it.

-- Which log this ledger is filled from: its rows and no other log's are here.
CREATE TABLE journal (
	one smallint PRIMARY KEY CHECK (one = 1),
	cluster text NOT NULL,
	topic text NOT NULL
);

-- No program has ever written to the first journal_offsets.
DROP TABLE journal_offsets;
CREATE TABLE journal_offsets (
	partition integer PRIMARY KEY,
	next bigint NOT NULL, -- the record that is to be read next
	mark bigint NOT NULL  -- fingerprint of the record before it
) WITH (fillfactor = 10);

-- Moves positions on, each from where the drain found it; where another drain has been, nothing of the transaction stays.
CREATE FUNCTION move_positions(partitions bigint[], froms bigint[], tos bigint[], marks bigint[]) RETURNS void LANGUAGE plpgsql AS $$
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

-- One row that every change of a sale raises, and the sale takes the number over. The row stays locked until the commit, so the numbers become visible
-- in their order: who has seen one has seen all below it.
CREATE TABLE sale_changes (
	one smallint PRIMARY KEY CHECK (one = 1),
	number bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO sale_changes SELECT 1, coalesce(max(number), 0) FROM sales;
CREATE FUNCTION next_change() RETURNS bigint LANGUAGE sql AS 'UPDATE sale_changes SET number = number + 1 RETURNING number';

ALTER TABLE sales
	ADD COLUMN barrier bigint NOT NULL DEFAULT 0, -- the newest epoch whose barrier was met in the journal
	ADD COLUMN change bigint NOT NULL DEFAULT 0;
UPDATE sales SET change = number;
ALTER TABLE sales ALTER COLUMN change DROP DEFAULT;
CREATE UNIQUE INDEX sales_by_change ON sales (change);

-- As check_epochs(), for a drain.
CREATE FUNCTION check_barriers(numbers bigint[], barriers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM unnest(numbers, barriers) AS known (number, barrier)
		LEFT JOIN sales ON sales.number = known.number WHERE sales.barrier IS DISTINCT FROM known.barrier) THEN
		RAISE EXCEPTION 'a sale has another barrier' USING ERRCODE = 'PS002';
	END IF;
END $$;

-- Keeps the epochs of these sales as they are until the end of the transaction; raise_epoch() waits its turn. Locks that queue: a stream of those who hold
-- never starves the one who raises, as row locks would (FOR SHARE lets newcomers pass who waits). 64 of them stand for all sales: bounded in one transaction.
CREATE FUNCTION hold_epochs(numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1885695589, stripe) FROM
		(SELECT DISTINCT (number % 64)::integer AS stripe FROM unnest(numbers) AS known (number) ORDER BY 1) AS stripes;
END $$;
CREATE FUNCTION raise_epoch(sale bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	raised bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(1885695589, (sale % 64)::integer);
	-- A ledger that was restored from a backup has met barriers of epochs that it had not raised itself: what is granted now must not lie before them.
	UPDATE sales SET epoch = greatest(epoch, barrier) + 1, version = version + 1, change = next_change()
		WHERE number = sale RETURNING epoch INTO raised;
	RETURN raised;
END $$;

-- Who shares the lease: one row a process, raised by each of its transactions as `commits` is by the one that has the lease alone. Opening alone
-- deletes them, so that nobody who shared commits after it; opening shared raises commits.lease over who was alone before.
ALTER TABLE commits ADD COLUMN shared boolean NOT NULL DEFAULT false;
CREATE TABLE writers (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	number bigint NOT NULL DEFAULT 0,
	seen timestamptz NOT NULL DEFAULT now() -- the last connection
) WITH (fillfactor = 10);

CREATE FUNCTION take_turn(writer bigint, next bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE writers SET number = next WHERE id = writer AND number = next - 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another process has taken the lease' USING ERRCODE = 'PS001';
	END IF;
END $$;

CREATE FUNCTION open_alone(OUT taken_lease bigint, OUT taken_number bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE commits SET lease = lease + 1, number = number + 1, shared = false RETURNING lease, number INTO taken_lease, taken_number;
	DELETE FROM writers;
END $$;

-- A writer's own lock says that its session lives. Rows that nobody has had for an hour are swept out here.
CREATE FUNCTION join_writers(OUT taken_writer integer) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM writers WHERE seen < now() - interval '1 hour' AND pg_try_advisory_xact_lock(1885695607, id);
	INSERT INTO writers DEFAULT VALUES RETURNING id INTO taken_writer;
	PERFORM pg_advisory_lock(1885695607, taken_writer);
END $$;
CREATE FUNCTION open_shared(OUT taken_lease bigint, OUT taken_writer integer) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE commits SET lease = lease + (NOT shared)::integer, number = number + 1, shared = true RETURNING lease INTO taken_lease;
	taken_writer := join_writers();
END $$;

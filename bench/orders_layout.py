#!/usr/bin/env python3
"""What finding orders by their sale costs, in each way of keeping them:
docs/decisions/0001-orders-by-sale.md.

    bench/orders_layout.py [ORDERS]         rows of every layout, in SQLite and in a private PostgreSQL

Three sales take turns, batch by batch, as in a shop with several drops on at once; the last of them
is small. A row is what an order is; CPU is that of whoever inserts (SQLite) or of the server's
process (PostgreSQL).
"""

import os
import random
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from services.postgres import Postgres

BATCH = 256
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEY = "1c3a4b0e-5a1f-4c8e-9d0a-0123456789ab"
COLUMNS = """id {blob} NOT NULL, sale integer NOT NULL, lot integer NOT NULL, quantity integer NOT NULL, state {small} NOT NULL,
    epoch {big} NOT NULL, buyer_units integer NOT NULL, limit_per_buyer integer NOT NULL, placed_at_ms {big} NOT NULL,
    changed_at_ms {big} NOT NULL, hold_expires_at_ms {big}, first_hold_expires_at_ms {big}, buyer text NOT NULL, trace text"""
KEYS = "CREATE TABLE keys (order_id {blob} PRIMARY KEY, key text NOT NULL){rowless}"
# name: (is the key in the order's row, table, further statements)
LAYOUTS = {
    "id, key in a table of its own (as it was)": (False, "PRIMARY KEY (id)", [KEYS]),
    "id": (True, "PRIMARY KEY (id)", []),
    "id, index (sale, id)": (True, "PRIMARY KEY (id)", ["CREATE INDEX by_sale ON orders (sale, id)"]),
    "(sale, id)": (True, "PRIMARY KEY (sale, id)", []),
    "(sale, id), index (id)": (True, "PRIMARY KEY (sale, id)", ["CREATE UNIQUE INDEX by_id ON orders (id)"]),
}
SALES = (3, 5, 4)


def orders(count):
    """Batches of rows; ids rise, and end in the number of their sale."""
    made = 0
    wall_ms = 1_800_000_000_000
    while made < count:
        turn = made // BATCH
        sale = SALES[2] if turn % 50 == 49 else SALES[turn % 2]
        batch = []
        for place in range(BATCH):
            number = made + place
            head = (wall_ms + number // 100) << 16 | 0x7000 | (number % 100) * 40
            tail = (2 << 62 | random.getrandbits(38) << 24 | sale).to_bytes(8, "big")
            at = wall_ms + number // 100
            batch.append((head.to_bytes(8, "big") + tail, sale, number % 5, 1, 1, 1, 1, 1, at, at, at + 120000, at + 120000,
                          f"buyer-{number}", TRACE, KEY))
        yield batch
        made += BATCH


def sqlite(name, with_key, primary, more, count):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "l.db"
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        types = {"blob": "BLOB", "small": "integer", "big": "integer", "rowless": " WITHOUT ROWID"}
        key = ", key text" if with_key else ""
        db.execute(f"CREATE TABLE orders ({COLUMNS.format(**types)}{key}, {primary}) WITHOUT ROWID")
        for sql in more:
            db.execute(sql.format(**types))
        width = 15 if with_key else 14
        insert = f"INSERT INTO orders VALUES ({','.join('?' * width)})"
        used, frames, batches = 0.0, 0, 0
        for batch in orders(count):
            rows = [row[:width] for row in batch]
            keys = [(row[0], row[14]) for row in batch]
            started = resource.getrusage(resource.RUSAGE_SELF)
            db.execute("BEGIN IMMEDIATE")
            db.executemany(insert, rows)
            if not with_key:
                db.executemany("INSERT INTO keys VALUES (?, ?)", keys)
            db.execute("COMMIT")
            ended = resource.getrusage(resource.RUSAGE_SELF)
            used += ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime
            batches += 1
            if batches % 40 == 0:
                frames += db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[1]
        frames += db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[1]
        size = path.stat().st_size
        took = time.perf_counter()
        if "sale" in primary or more and "by_sale" in more[0]:
            # as the planner would: the range of one sale
            found = len(db.execute("SELECT * FROM orders WHERE sale = ? ORDER BY id", (SALES[0],)).fetchall())
        else:
            found = len(db.execute("SELECT * FROM orders WHERE sale = ?", (SALES[0],)).fetchall())
        took = time.perf_counter() - took
        db.close()
        log = frames * 4120
        print(f"| SQLite | {name} | {size / count:.0f} | {log / count:.0f} | {used / count * 1e6:.2f} | {took / found * 1e6:.2f} |", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    count -= count % (BATCH * 100)
    print("| database | primary key | bytes an order, on disk | bytes an order, in its log | CPU us an order | us an order, one sale read |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, (with_key, primary, more) in LAYOUTS.items():
        sqlite(name, with_key, primary, more, count)
    postgres(count)


def script_of(count, width, with_key):
    """What psql runs: a transaction a batch, its rows by COPY; then what it came to."""
    yield "SET synchronous_commit = off;"
    for batch in orders(count):
        yield "BEGIN;\nCOPY orders FROM STDIN;"
        for row in batch:
            yield "\t".join((row[0].hex(), *map(str, row[1:width])))
        yield r"\."
        if not with_key:
            yield "COPY keys FROM STDIN;"
            for row in batch:
                yield f"{row[0].hex()}\t{row[14]}"
            yield r"\."
        yield "COMMIT;"
    yield "SELECT pg_current_wal_lsn() - '0/0', (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('orders', 'keys'));"
    yield "SELECT pg_read_file('/proc/self/stat', 0, 1000);"


def postgres(count):
    server = Postgres().start()
    try:
        for name, (with_key, primary, more) in LAYOUTS.items():
            base = server.make_database()
            types = {"blob": "uuid", "small": "smallint", "big": "bigint", "rowless": ""}
            key = ", key text" if with_key else ""
            server.sql(f"CREATE TABLE orders ({COLUMNS.format(**types)}{key}, {primary}) WITH (fillfactor = 85)", base)
            for sql in more:
                server.sql(sql.format(**types), base)
            script = server.folder / "script"
            script.write_text("\n".join(script_of(count, 15 if with_key else 14, with_key)))
            server.sql("CHECKPOINT", base)
            before = int(server.sql("SELECT (pg_current_wal_lsn() - '0/0')::bigint", base)[0][0])
            out = server.program("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", server.url(base), "-f", script).splitlines()
            after, size = (float(value) for value in out[0].split("|"))
            fields = out[1].rsplit(")", 1)[1].split()
            cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            server.sql("VACUUM ANALYZE", base)
            read = f"EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM orders WHERE sale = {SALES[0]} ORDER BY id"
            server.sql(read, base)
            took = float(server.sql(read, base)[-1][0].split()[2])
            found = int(server.sql(f"SELECT count(*) FROM orders WHERE sale = {SALES[0]}", base)[0][0])
            print(f"| PostgreSQL | {name} | {size / count:.0f} | {(after - before) / count:.0f} | {cpu / count * 1e6:.2f} | {took / found * 1e3:.2f} |", flush=True)
    finally:
        server.free()


main()

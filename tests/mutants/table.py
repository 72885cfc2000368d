"""The faults that are planted on purpose, and the tests that must find them (`make mutants`).

A mutant is one small change of the program that breaks a rule of docs/architecture.md or a condition of it. `old` stands in `file`
exactly once and becomes `new`. `tests` are tried in their order, the quickest first: "unit NAME" is a test of Meson's, "whole
FILE::TEST" one of pytest's. A fault that was found by hand belongs here once it is mended: its mutant is the mend taken out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    why: str
    file: str
    old: str
    new: str
    tests: tuple


MUTANTS = [
    # --- Rule 1: the hot counter never runs ahead of the log ---
    Mutant("unit-returns-early", "Redis: a unit comes back before the record that frees it is durable",
           "src/stock/redis/functions/settle.lua", "has(sale.broken, RETURN_EARLY)", "true",
           ("unit stock_redis",)),
    Mutant("refund-to-first-lot", "Redis: the units of a cancelled order go back to lot 0",
           "src/stock/redis/functions/outbox.lua", "local lot = lot_of(sale, lot_number)\n\tflags = flags % CLAIMED - SETTLING",
           "local lot = lot_of(sale, 0)\n\tflags = flags % CLAIMED - SETTLING",
           ("unit redis_model",)),
    Mutant("version-before-units", "memory: a lot's version rises before its units have come back, so a latch outlives them",
           "src/stock/memory/lot_units.c",
           "\tatomic_fetch_add(&lot->counter, delta);\n\tatomic_fetch_add(&lot->version, 1); /* after the units: see above */",
           "\tatomic_fetch_add(&lot->version, 1);\n\tatomic_fetch_add(&lot->counter, delta);",
           ("unit lot_units",)),
    # --- Rule 2: three ends ---
    Mutant("claimed-entry-undone", "Redis: a gate compensates an outbox entry that another gate has claimed",
           "src/stock/redis/functions/outbox.lua", "record)\n\tif not durable and has(flags, CLAIMED) and not has(sale.broken, UNDO_CLAIMED) then",
           "record)\n\tif false then",
           ("unit stock_redis",)),
    Mutant("kafka-without-idempotence", "the producer asks one broker, and may write twice",
           "src/journal/kafka/producer.c", 'kafka_conf_set(conf, "enable.idempotence", "true"); ',
           'kafka_conf_set(conf, "acks", "1"); ',
           ("whole test_kafka_faults.py::test_one_broker_alone_keeps_no_promise",)),
    # --- Rule 3: told under the epoch that granted it ---
    Mutant("told-without-proof", "success is told of what no stock has acknowledged under its epoch",
           "src/core/ack_deadline.c", "if (proof != EPOCH_PROVEN && FAILPOINT", "if (false && FAILPOINT",
           ("unit journal_worker", "unit admission", "whole test_told.py")),
    Mutant("any-answer-proves", "an answer of another epoch to the acknowledgement counts as the proof",
           "src/core/ack_deadline.c", "\tcase STOCK_ACK_OTHER_EPOCH:\n\t\treturn EPOCH_UNPROVEN;",
           "\t\treturn EPOCH_UNPROVEN;\n\tcase STOCK_ACK_OTHER_EPOCH:\n\t\treturn EPOCH_PROVEN;",
           ("unit journal_worker", "whole test_told.py")),
    Mutant("old-epoch-acknowledged", "Redis: the acknowledgement of an order that an older epoch granted is taken",
           "src/stock/redis/functions/outbox.lua", "if epoch ~= sale.epoch then", "if false then",
           ("unit stock_redis",)),
    Mutant("master-trusted-for-ever", "a gate takes a master's word however long ago a replica followed it",
           "src/stock/redis/attend.c", "since_ns > 0 && clock_mono_ns() - since_ns < redis->lease_ns", "since_ns > 0",
           ("whole test_failover.py::test_a_gate_takes_a_masters_word_only_while_a_replica_follows_it",)),
    # --- Rule 4: epoch and barrier, and what a rebuild loads ---
    Mutant("row-of-another-epoch", "Redis: what was kept under an older epoch is told as the row of the sale that is armed now",
           "src/stock/redis/functions/kept.lua", "tonumber(m[1] or 0) ~= epoch or tonumber(m[2] or 0) ~= VERSION", "false",
           ("unit redis_kept",)),
    Mutant("row-behind-a-fence", "Redis: a sale's row is told whether or not the sale is fenced",
           "src/stock/redis/functions/kept.lua", "local sale, refusal = enter(keys, args, 'armed')\n\tif not sale then\n\t\treturn refusal\n\tend\n\tlocal kept",
           "local sale = {key = keys[1], epoch = tonumber(call('HGET', keys[1] .. ':m', 'epoch') or 0)}\n\tlocal kept",
           ("unit redis_kept",)),
    Mutant("epoch-not-read-again", "a rebuild arms without looking whether another process has begun a newer epoch",
           "src/recovery/round.c", "((*now)->epoch != sale->tail.epoch && FAILPOINT", "(false && FAILPOINT",
           ("unit round",)),
    Mutant("newer-barrier-overlooked", "a rebuild arms although the log has a newer barrier than its own",
           "src/recovery/tail.c", "sale->epoch && is_of_another(sale, event))", "false)",
           ("unit round",)),
    Mutant("epoch-below-the-tail", "a rebuild's epoch is not above those that the journal's tail has",
           "src/recovery/round.c", "rebuild_begin(round->ledger, round->stock, sale->sale, sale->tail.highest)",
           "rebuild_begin(round->ledger, round->stock, sale->sale, 0)",
           ("unit round",)),
    Mutant("sums-not-compared", "what was loaded is not held against the sums that the ledger keeps per lot",
           "src/recovery/rebuild.c", "return agree ? 0 : error_origin(-EUCLEAN);", "return agree || true ? 0 : error_origin(-EUCLEAN);",
           ("unit rebuild",)),
    Mutant("snapshot-of-many-moments", "PostgreSQL: a sale's rows are read as each statement finds them, not at one moment",
           "src/ledger/postgres/snapshot.c", '"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"', '"BEGIN READ ONLY"',
           ("unit ledger_postgres",)),
    # --- Two versions of the functions in one Redis ---
    Mutant("sale-of-another-version", "Redis: a function takes a sale that belongs to another version's library",
           "src/stock/redis/functions/common.lua", "if tonumber(m[10] or 0) ~= VERSION then", "if false then",
           ("unit redis_versions",)),
    Mutant("begin-by-who-stands-by", "Redis: a gate begins a sale although another version sells",
           "src/stock/redis/functions/life.lua", "if not sells() then\n\t\treturn pack('<BI', FENCED, m[1] or 0)", "if false then\n\t\treturn pack('<BI', FENCED, m[1] or 0)",
           ("unit redis_versions",)),
    Mutant("drop-by-who-stands-by", "Redis: a gate drops the keys of a sale although another version sells",
           "src/stock/redis/functions/life.lua", "if not sells() then\n\t\treturn pack('<BI', FENCED, 0)", "if false then\n\t\treturn pack('<BI', FENCED, 0)",
           ("unit redis_versions",)),
    Mutant("old-keys-stay", "Redis: who begins a sale of another version removes its own keys and not those that the sale names",
           "src/stock/redis/functions/life.lua", "forget(key, its_keys, tonumber(m[2] or 0), clock.time)", "forget(key, KEYS_OF_SALE, tonumber(m[2] or 0), clock.time)",
           ("unit redis_versions",)),
    Mutant("taken-over-unseen", "Redis: a version takes over whichever version sells by then",
           "src/stock/redis/functions/versions.lua", "if version == former then", "if true then",
           ("unit redis_versions",)),
    Mutant("living-gate-overlooked", "a newer version takes over while a gate of the older one lives",
           "src/stock/redis/versions.c", "if ((gate->version == versions->selling || gate->version > versions->own) && lives(gate, now_ns))",
           "if (gate->version > versions->own && lives(gate, now_ns))",
           ("unit redis_sellers", "unit redis_versions")),
    Mutant("dead-gate-waited-for", "a gate whose number stands still is waited for, for ever",
           "src/stock/redis/versions.c", "return now_ns - gate->moved_ns < REDIS_GONE_NS;", "return gate->moved_ns > 0;",
           ("unit redis_sellers",)),
    Mutant("taken-for-lost", "who stands by says that the sales of others are fenced, so they are rebuilt away from those who sell",
           "src/stock/redis/refresh.c", "if (outcome != STOCK_DONE && redis_sellers(&redis->stock) != STOCK_SELLERS_OURS)", "if (false)",
           ("unit redis_versions",)),
    Mutant("no-wait-after-first-version", "a rebuild that follows the first version does not wait until its gates have told all",
           "src/stock/redis/preheat.c", "if (former == REDIS_FIRST_VERSION)", "if (false)",
           ("unit redis_versions",)),
    Mutant("rebuild-does-not-wait", "a rebuild that must wait until the first version's gates have told all begins at once",
           "src/workers/rebuilder.c", "wait_ns = left_ns > wait_ns ? left_ns : wait_ns;", "(void)left_ns;",
           ("whole test_rolling_upgrade.py::test_the_sales_of_the_first_version_move_to_who_is_elected",)),
    Mutant("broken-off-forgets-the-first", "Redis: a rebuild of the first version's sale that was broken off is taken for this version's own",
           "src/stock/redis/functions/life.lua", "if m[5] == 'loading' and m[6] then", "if false then",
           ("unit redis_versions",)),
    Mutant("library-deleted-under-a-gate", "the library of a version that still has gates is deleted",
           "src/stock/redis/attend.c", "int r = redis_versions_lives(&redis->versions, versions[i], clock_mono_ns())", "int r = false",
           ("unit redis_versions",)),
    # --- What a gate remembers of a shared stock ---
    Mutant("latch-without-age", "a gate answers 410 from what it knew a second ago",
           "src/core/admission.c", "return !admission->shared || clock_mono_ns()", "return true || clock_mono_ns()",
           ("unit admission",)),
    Mutant("names-complete-too-early", "the list of buyers' names is taken as read before its end",
           "src/stock/redis/sales.c", "\tif (seen >= total)\n", "\tif (true)\n",
           ("unit redis_sales",)),
    Mutant("wall-clock-believed", "a step of Redis' wall clock moves the holds of a sale",
           "src/stock/redis/functions/common.lua", "if most > 0 and time > most + JUMP_MS then", "if false then",
           ("unit redis_clock",)),
    # --- Limits and keys ---
    Mutant("spilled-key-not-compared", "memory: of a buyer with many orders the first key with the same hash is taken",
           "src/stock/memory/buyer_book.c",
           "if (buyer_book_order(book, order)->buyer == buyer && same(buyer_book_order(book, order)->key, key))",
           "if (buyer_book_order(book, order)->buyer == buyer)",
           ("unit buyer_book",)),
    Mutant("refusal-consumes", "Redis: a purchase that was compensated keeps its place in the buyer's rate window",
           "src/stock/redis/functions/outbox.lua", "if stamp > 0 then", "if false then",
           ("unit stock_redis",)),
    Mutant("expired-order-counts", "Redis: an expired order keeps counting against its buyer",
           "src/stock/redis/functions/outbox.lua", "if has(flags, COUNTED) then\n\t\t\tlists.buyers[buyer]",
           "if has(flags, COUNTED) and kind ~= EV_EXPIRED then\n\t\t\tlists.buyers[buyer]",
           ("unit redis_model",)),
]

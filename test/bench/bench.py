#!/usr/bin/python3
"""The measurements of "make bench": ratios taken in one run.

Called by bench.sh, which has started everything; see there.  Each measure is
taken in rounds, one program after the other, and the medians are compared.
"""
import datetime
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time

import bson
import pymongo

ROWS = int(os.environ.get("SY_BENCH_ROWS", "300000"))
ROUNDS = int(os.environ.get("SY_BENCH_ROUNDS", "5"))
LOOKUPS = 2000
KEYS = 1000
DIRECTORY = sys.argv[1]
PORT = int(sys.argv[2])
FILE = os.path.join(DIRECTORY, "wide.db")
URI = "mongodb://127.0.0.1:%d/?replicaSet=rs0" % PORT

COLUMNS = ("id bigint OPTIONS (key 'true') NOT NULL, big bigint, small integer, ratio double precision, name text, note text,"
           " at timestamp{iso}, day date{iso}, flag boolean, price double precision, data bytea, maybe text")

LOOKUP = """
CREATE FUNCTION lookup_{name}(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
    found text;
BEGIN
    FOR i IN 1 .. n LOOP
        SELECT name INTO STRICT found FROM {name}_wide WHERE id = i;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
"""


def rows(dates_as_text):
    """The test data: 12 columns of the common types, always the same."""
    dice = random.Random(1)
    epoch = datetime.datetime(2020, 1, 1)
    for i in range(1, ROWS + 1):
        at = epoch + datetime.timedelta(milliseconds=i * 1000 + dice.randrange(1000))
        yield (i, dice.randrange(1 << 50), dice.randrange(1 << 20), dice.random() * 1000, "name%016d" % i,
               "note %095d" % i, at.isoformat(" ", "microseconds") if dates_as_text else at,
               at.date().isoformat() if dates_as_text else datetime.datetime.combine(at.date(), datetime.time()),
               i % 2 == 0, dice.randrange(100000) / 100, bytes(dice.getrandbits(8) for _ in range(16)),
               None if i % 2 else "maybe %d" % i)


def load():
    """Fill the file and the collection."""
    db = sqlite3.connect(FILE)
    db.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, big INTEGER, small INTEGER, ratio REAL, name TEXT, note TEXT,"
               " at TEXT, day TEXT, flag BOOLEAN, price REAL, data BLOB, maybe TEXT)")
    db.executemany("INSERT INTO wide VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows(True))
    db.commit()
    db.close()
    names = ("id", "big", "small", "ratio", "name", "note", "at", "day", "flag", "price", "data", "maybe")
    collection = pymongo.MongoClient(URI).bench.wide
    batch = []
    for row in rows(False):
        document = dict(zip(names, row))
        document["id"] = bson.Int64(document["id"])
        document["big"] = bson.Int64(document["big"])
        batch.append(document)
        if len(batch) == 5000:
            collection.insert_many(batch)
            batch = []
    if batch:
        collection.insert_many(batch)
    collection.create_index("id")


def psql(script):
    """Run a script; returns its output's lines."""
    done = subprocess.run(["psql", "-XtAq", "-v", "ON_ERROR_STOP=1"], input=script, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    return done.stdout.strip().split("\n")


def prepare():
    """Servers, foreign tables, and the local table to compare with."""
    psql("""
CREATE EXTENSION switchyard;
CREATE SERVER file FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s', read_only 'true');
CREATE SERVER mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '%s', database 'bench');
CREATE FOREIGN TABLE sqlite_wide (%s) SERVER file OPTIONS ("table" 'wide');
CREATE FOREIGN TABLE mongo_wide (%s) SERVER mongo OPTIONS (collection 'wide');
CREATE TABLE heap_wide AS SELECT * FROM sqlite_wide;
ALTER TABLE heap_wide ADD PRIMARY KEY (id);
CREATE TABLE keys AS SELECT (i * 7919 %% %d + 1)::bigint AS id FROM generate_series(1, %d) i;
ANALYZE sqlite_wide; ANALYZE mongo_wide; ANALYZE keys;
VACUUM ANALYZE heap_wide;
%s
CREATE FUNCTION interrupt_ms(victim int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE began timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_cancel_backend(victim);
    LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = victim AND state = 'active');
        PERFORM pg_sleep(0.0005);
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
""" % (FILE, URI, COLUMNS.format(iso=" OPTIONS (storage 'iso')"), COLUMNS.format(iso=""), ROWS, KEYS,
       "".join(LOOKUP.format(name=name) for name in ("sqlite", "mongo", "heap"))))


def explained(query, warm, settings="SET jit = off"):
    """A measure: execution time of a query, its rows thrown away, in a warm session."""
    def run():
        lines = psql("%s; %s;\nEXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) %s;" % (settings, warm, query))
        return float([line for line in lines if line.startswith("Execution Time")][0].split()[2])
    return run


def called(function):
    """A measure: what a function returns, in a warm session."""
    return lambda: float(psql("SET jit = off; SELECT %s(10);\nSELECT %s(%d);" % (function, function, LOOKUPS))[-1])


def program(*command):
    """A measure: the milliseconds that a program prints."""
    def run():
        done = subprocess.run([os.path.join(DIRECTORY, command[0]), *map(str, command[1:])], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("bench: %s: %s" % (command[0], done.stderr))
        return float(done.stdout)
    return run


def compare(title, ours, base):
    """Take two measures in turn and print their medians and the ratio."""
    pairs = [(base(), ours()) for _ in range(ROUNDS)]
    bare, mine = (statistics.median(column) for column in zip(*pairs))
    print("%-58s %9.1f %9.1f %7.2f" % (title, bare, mine, mine / bare), flush=True)


def cancelled(title, query, stop=None, warm="SELECT 1"):
    """Print the milliseconds from a cancel to its effect, median and worst."""
    taken = []
    for _ in range(ROUNDS):
        victim = subprocess.Popen(["psql", "-XtAq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        victim.stdin.write("%s;\nSELECT pg_backend_pid();\n" % warm)
        victim.stdin.flush()
        pid = None
        while not pid:
            line = victim.stdout.readline().strip()
            pid = int(line) if line.isdigit() and int(line) > 100 else None
        if stop:
            os.kill(stop, 19)
        victim.stdin.write("%s;\n" % query)
        victim.stdin.flush()
        time.sleep(0.3)
        taken.append(float(psql("SELECT interrupt_ms(%d)" % pid)[0]))
        if stop:
            os.kill(stop, 18)
        victim.stdin.close()
        victim.wait()
    print("%-58s %9.1f %9.1f" % (title, statistics.median(taken), max(taken)), flush=True)


def main():
    """Load, prepare, measure, print."""
    load()
    prepare()
    few = "SELECT count(*) FROM %s WHERE id < 3"
    sqlite_warm, mongo_warm = few % "sqlite_wide", few % "mongo_wide"
    nested = "SET jit = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
    join = "SELECT count(w.name) FROM keys k JOIN %s w ON w.id = k.id"
    print("\n%d rows of 12 columns, %d rounds, medians in ms" % (ROWS, ROUNDS))
    print("%-58s %9s %9s %7s" % ("", "base", "ours", "ratio"))
    compare("SQLite, full scan / bare libsqlite3",
            explained("SELECT * FROM sqlite_wide", sqlite_warm), program("bare_sqlite", FILE, "scan", "SELECT * FROM wide"))
    for column in ("small", "big", "ratio", "name", "at", "data"):
        compare("SQLite, one column (%s) / bare libsqlite3" % column,
                explained("SELECT %s FROM sqlite_wide" % column, sqlite_warm),
                program("bare_sqlite", FILE, "scan", "SELECT %s FROM wide" % column))
    compare("SQLite, %d point lookups / local table" % LOOKUPS, called("lookup_sqlite"), called("lookup_heap"))
    compare("SQLite, %d point lookups / bare libsqlite3" % LOOKUPS, called("lookup_sqlite"),
            program("bare_sqlite", FILE, "lookup", "SELECT name FROM wide WHERE id = ?1", 1, LOOKUPS))
    compare("SQLite, join with %d keys / local table" % KEYS,
            explained(join % "sqlite_wide", sqlite_warm, nested), explained(join % "heap_wide", "SELECT 1", nested))
    compare("MongoDB, full scan / bare libmongoc",
            explained("SELECT * FROM mongo_wide", mongo_warm), program("bare_mongo", URI, "bench", "wide", "scan", "{}"))
    compare("MongoDB, one column (small) / bare libmongoc, projected",
            explained("SELECT small FROM mongo_wide", mongo_warm),
            program("bare_mongo", URI, "bench", "wide", "scan", '{"small": 1}'))
    compare("MongoDB, %d point lookups / bare libmongoc" % LOOKUPS, called("lookup_mongo"),
            program("bare_mongo", URI, "bench", "wide", "lookup", "id", 1, LOOKUPS))
    compare("MongoDB, %d point lookups / local table" % LOOKUPS, called("lookup_mongo"), called("lookup_heap"))
    compare("MongoDB, join with %d keys / that many bare finds" % KEYS, explained(join % "mongo_wide", mongo_warm, nested),
            program("bare_mongo", URI, "bench", "wide", "lookup", "id", 1, KEYS))
    compare("MongoDB, join with %d keys / local table" % KEYS,
            explained(join % "mongo_wide", mongo_warm, nested), explained(join % "heap_wide", "SELECT 1", nested))
    print("\n%-58s %9s %9s" % ("cancel to return, ms", "median", "worst"))
    cancelled("SQLite, row loop", "SELECT count(a.ratio + b.ratio) FROM sqlite_wide a CROSS JOIN sqlite_wide b")
    with open(os.path.join(DIRECTORY, "..", "mongo", "node0", "mongod.pid"), encoding="ascii") as file:
        pid = int(file.read())
    cancelled("MongoDB, find on a stopped server", "SELECT count(name) FROM mongo_wide", stop=pid, warm=mongo_warm)


if __name__ == "__main__":
    main()

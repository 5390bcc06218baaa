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

import bson
import pymongo

from common import DIRECT, DIRECTORY, PORT, TEST, URI, Proxy, Session, goal, psql, setting

ROWS = setting("ROWS", 300000)
ROUNDS = setting("ROUNDS", 5)
LOOKUPS = setting("LOOKUPS", 2000)
KEYS = setting("KEYS", 1000)
DELAY = setting("DELAY", 20)
MEMBERS = 5
FILE = os.path.join(DIRECTORY, "wide.db")

COLUMNS = ("id bigint OPTIONS (key 'true') NOT NULL, big bigint, small integer, ratio double precision, name text, note text,"
           " at timestamp{iso}, day date{iso}, flag boolean, price double precision, data bytea, maybe text")

NESTED = "SET jit = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
JOIN = "SELECT count(w.name) FROM keys k JOIN %s w ON w.id = k.id"

LOOKUP = """
CREATE FUNCTION lookup_{name}(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
    found {type};
BEGIN
    FOR i IN 1 .. n LOOP
        SELECT {what} INTO STRICT found FROM {table} WHERE {key} = i % {rows} + 1;
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
    collection.database.byid.insert_many([{"_id": bson.Int64(i), "name": "name%016d" % i} for i in range(1, ROWS + 1)])


def prepare():
    """Servers, foreign tables, and the local table to compare with."""
    psql("""
CREATE EXTENSION switchyard;
CREATE SERVER file FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s', read_only 'true');
CREATE SERVER mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '%s', database 'bench');
CREATE FOREIGN TABLE sqlite_wide (%s) SERVER file OPTIONS ("table" 'wide');
CREATE FOREIGN TABLE mongo_wide (%s) SERVER mongo OPTIONS (collection 'wide');
CREATE FOREIGN TABLE mongo_byid (_id bigint OPTIONS (key 'true') NOT NULL, name text) SERVER mongo OPTIONS (collection 'byid');
CREATE TABLE heap_wide AS SELECT * FROM sqlite_wide;
ALTER TABLE heap_wide ADD PRIMARY KEY (id);
CREATE TABLE keys AS SELECT (i * 7919 %% %d + 1)::bigint AS id FROM generate_series(1, %d) i;
ANALYZE sqlite_wide; ANALYZE mongo_wide; ANALYZE mongo_byid; ANALYZE keys;
VACUUM ANALYZE heap_wide;
%s
""" % (FILE, URI, COLUMNS.format(iso=" OPTIONS (storage 'iso')"), COLUMNS.format(iso=""), ROWS, KEYS,
       "".join(LOOKUP.format(name=name, table=table, key=key, what=what, type=type, rows=ROWS)
               for name, table, key, what, type in
               (("sqlite", "sqlite_wide", "id", "*", "sqlite_wide"), ("heap", "heap_wide", "id", "*", "heap_wide"),
                ("mongo", "mongo_wide", "id", "name", "text"), ("byid", "mongo_byid", "_id", "name", "text")))))


def explained(query, warm, settings="SET jit = off"):
    """A measure: execution time of a query, its rows thrown away, in a warm session."""
    def run():
        lines = psql("%s; %s;\nEXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) %s;" % (settings, warm, query))
        return float([line for line in lines if line.startswith("Execution Time")][0].split()[2])
    return run


def called(name, level="READ COMMITTED", count=LOOKUPS):
    """A measure: LOOKUPS look-ups, out of "count" in one transaction of a warm session."""
    return lambda: float(psql("SET jit = off; BEGIN ISOLATION LEVEL %s; SELECT lookup_%s(10);\nSELECT lookup_%s(%d); COMMIT" %
                              (level, name, name, count))[-1]) * LOOKUPS / count


def program(*command):
    """A measure: the milliseconds that a program prints."""
    def run():
        done = subprocess.run([os.path.join(DIRECTORY, command[0]), *map(str, command[1:])], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("bench: %s: %s" % (command[0], done.stderr))
        return float(done.stdout)
    return run


def compare(title, ours, base, goals=None, rounds=ROUNDS):
    """Take two measures in turn and print their medians, and that of the ratios: turns share what disturbs them."""
    pairs = [(base(), ours()) for _ in range(rounds)]
    line(title, *(statistics.median(column) for column in zip(*pairs)), goals,
         statistics.median(pair[1] / pair[0] for pair in pairs))


def line(title, base, ours, goals=None, ratio=None):
    """Print one line of the table."""
    ratio = ratio if ratio is not None else ours / base
    print("%-54s %9.1f %9.1f %7.2f %s" % (title, base, ours, ratio, goal(ratio, *goals) if goals else ""), flush=True)


def of_sqlite():
    """The measures of the file."""
    warm = "SELECT count(*) FROM sqlite_wide WHERE id < 3"
    compare("SQLite, full scan / R", explained("SELECT * FROM sqlite_wide", warm),
            program("bare_sqlite", FILE, "scan", "SELECT * FROM wide"), (1.5, 1.2))
    for column in ("id", "big", "small", "ratio", "name", "note", "at", "day", "flag", "price", "data", "maybe"):
        compare("SQLite, one column (%s) / R" % column, explained("SELECT %s FROM sqlite_wide" % column, warm),
                program("bare_sqlite", FILE, "scan", "SELECT %s FROM wide" % column), (1.5, 1.35), 3 * ROUNDS)
    for level, reach in (("READ COMMITTED", 3), ("REPEATABLE READ", 2)):
        compare("SQLite, point lookups, %s / heap" % level, called("sqlite", level), called("heap", level), (reach, 1.5))
        compare("... of %d in one transaction / of %d" % (10 * LOOKUPS, LOOKUPS),
                called("sqlite", level, 10 * LOOKUPS), called("sqlite", level), (1.1, 1.0))
    compare("SQLite, point lookups / bare libsqlite3", called("sqlite"),
            program("bare_sqlite", FILE, "lookup", "SELECT * FROM wide WHERE id = ?1", 1, LOOKUPS))
    compare("SQLite, join with %d keys / heap" % KEYS, explained(JOIN % "sqlite_wide", warm, NESTED),
            explained(JOIN % "heap_wide", "SELECT 1", NESTED), (10, 5))


def received(query):
    """The bytes that a query receives."""
    lines = psql("EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) %s;" % query)
    return float([text for text in lines if "Remote Bytes" in text][0].split()[-1])


def of_mongodb():
    """The measures of the collection."""
    warm = "SELECT count(*) FROM mongo_wide WHERE id < 3"
    bare = ("bare_mongo", URI, "bench")
    compare("MongoDB, full scan / M", explained("SELECT * FROM mongo_wide", warm),
            program(*bare, "wide", "scan", "{}"), (1.15, 0.85))
    line("MongoDB, one int of twelve, bytes / whole documents", received("SELECT * FROM mongo_wide"),
         received("SELECT small FROM mongo_wide"), (0.15, 0.15))
    compare("MongoDB, one int of twelve / M with that projection", explained("SELECT small FROM mongo_wide", warm),
            program(*bare, "wide", "scan", '{"small": 1}'), (1.3, 1.0))
    compare("MongoDB, _id lookups / bare commands", called("byid"),
            program(*bare, "byid", "lookup", "_id", 1, LOOKUPS), (1.3, 1.05))
    compare("... of %d in one transaction / of %d" % (10 * LOOKUPS, LOOKUPS),
            called("byid", count=10 * LOOKUPS), called("byid"), (1.1, 1.0))
    compare("MongoDB, indexed lookups / bare commands", called("mongo"),
            program(*bare, "wide", "lookup", "id", 1, LOOKUPS))
    compare("MongoDB, join with %d keys / bare finds" % KEYS, explained(JOIN % "mongo_wide", warm, NESTED),
            program(*bare, "wide", "lookup", "id", 1, KEYS), (1.3, 0.05))


def servers_apart():
    """An Append over servers that are DELAY ms away, beside one of them."""
    folders = [os.path.join(DIRECTORY, "member%d" % i) for i in range(MEMBERS)]
    starter = [sys.executable, os.path.join(TEST, "mongod.py")]
    proxies = []
    ddl = "CREATE TABLE far (n bigint, v text);"
    try:
        for i, folder in enumerate(folders):
            started = subprocess.run([*starter, "start", "--standalone", "--dir", folder], capture_output=True, text=True)
            if started.returncode != 0:
                sys.exit("bench: " + started.stderr)
            port = int(started.stdout)
            pymongo.MongoClient(DIRECT % port).bench.far.insert_many([{"n": n, "v": "x" * 100} for n in range(20)])
            proxies.append(Proxy(port))
            ddl += ("CREATE SERVER far%d FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '%s', database 'bench',"
                    " transactions 'off');" % (i, DIRECT % proxies[i].port))
            ddl += "CREATE FOREIGN TABLE far_%d () INHERITS (far) SERVER far%d OPTIONS (collection 'far');" % (i, i)
        psql(ddl)
        for proxy in proxies:
            proxy.command("delay %d" % DELAY)
        compare("MongoDB, Append over %d servers %d ms away / one" % (MEMBERS, DELAY),
                explained("SELECT v FROM far", "SELECT v FROM far"), explained("SELECT v FROM far_0", "SELECT v FROM far_0"),
                (1.5, 1.2))
    finally:
        for proxy in proxies:
            proxy.close()
        for folder in folders:
            subprocess.run([*starter, "stop", "--dir", folder], check=False)


def memory():
    """The most memory of a session that scans, above one that does nothing."""
    idle = Session()
    idle.must("EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM keys")
    base = idle.peak_mb()
    idle.close()
    print("\nMB at the most, of a session that scans %d rows" % ROWS)
    print("%-54s %9s %9s %7s %8s %8s" % ("", "idle", "ours", "more", "goal", "stretch"))
    for title, table, reach in (("SQLite", "sqlite_wide", 8), ("MongoDB", "mongo_wide", 16)):
        session = Session()
        session.must("EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM " + table)
        peak = session.peak_mb()
        session.close()
        print("%-54s %9.1f %9.1f %7.1f %s" % (title + ", full scan", base, peak, peak - base, goal(peak - base, reach, reach)),
              flush=True)


def main():
    """Load, prepare, measure, print."""
    load()
    prepare()
    print("\n%d rows of 12 columns, %d rounds, medians in ms (bytes in bytes)" % (ROWS, ROUNDS))
    print("%-54s %9s %9s %7s %8s %8s" % ("", "base", "ours", "ratio", "goal", "stretch"), flush=True)
    of_sqlite()
    of_mongodb()
    servers_apart()
    memory()


if __name__ == "__main__":
    main()

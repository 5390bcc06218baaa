#!/usr/bin/python3
"""Damaged SQLite files: each query gives what the file's own library reads, or
a clear error, in time; the server goes on.

    damage.py DSN FILE VARIANTS SEED

Makes FILE (a name that PostgreSQL can reach) again for each variant, damaged
in one way or another.  Prints a summary; exits with 1 if something was wrong.
"""
import os
import random
import sqlite3
import sys
import time

import psycopg2

PAGE = 1024
LIMIT_S = 6     # the promise is 2 s, on a machine that does nothing else
ALLOWED = {"XX001", "58030", "08001", "HV004", "HV000", "42P01", "HV005", "22021", "22P02", "22003", "54000", "53200", "55P03", "25006"}

TABLES = """
CREATE TABLE a (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
CREATE INDEX a_k ON a (k);
CREATE TABLE w (k TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
CREATE TABLE big (id INTEGER PRIMARY KEY, b BLOB);
CREATE TABLE gone (id INTEGER PRIMARY KEY, b BLOB);
CREATE VIEW both AS SELECT a.id, w.n FROM a JOIN w ON w.n = a.k;
"""
FLAVOURS = ["", "PRAGMA encoding = 'UTF-16le'", "PRAGMA auto_vacuum = 1"]

# What runs here, and the same for the file's own library.
QUERIES = [
    ("SELECT id, k, v FROM f.a", "SELECT id, k, v FROM a"),
    ("SELECT count(*) FROM f.a", "SELECT count(*) FROM a"),
    ("SELECT id, k, v FROM f.a WHERE k = 7", "SELECT id, k, v FROM a WHERE k = 7"),
    ("SELECT id, v FROM f.a WHERE id = 150", "SELECT id, v FROM a WHERE id = 150"),
    ("SELECT id, v FROM f.a ORDER BY id DESC LIMIT 5", "SELECT id, v FROM a ORDER BY id DESC NULLS FIRST LIMIT 5"),
    ("SELECT k, n FROM f.w", "SELECT k, n FROM w"),
    ("SELECT k, n FROM f.w WHERE k = 'key 30'", "SELECT k, n FROM w WHERE k = 'key 30'"),
    ("SELECT id, b FROM f.big", "SELECT id, b FROM big"),
    ("SELECT id, n FROM f.both", "SELECT id, n FROM both"),
]


def build(path, flavour):
    """A sound file of this flavour, as bytes."""
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size = %d" % PAGE)
    if flavour:
        db.execute(flavour)
    db.executescript(TABLES)
    db.execute("BEGIN")
    db.executemany("INSERT INTO a VALUES (?, ?, ?)", [(i, i % 20, "some text %d" % i) for i in range(300)])
    db.executemany("INSERT INTO w VALUES (?, ?)", [("key %d" % i, i) for i in range(100)])
    db.executemany("INSERT INTO big VALUES (?, ?)", [(i, bytes([i]) * 5000) for i in range(10)])
    db.executemany("INSERT INTO gone VALUES (?, ?)", [(i, bytes(3000)) for i in range(10)])
    db.execute("DELETE FROM gone")
    db.execute("COMMIT")
    db.close()
    with open(path, "rb") as file:
        return file.read()


def damage(dice, data):
    """(what was done, the damaged bytes)"""
    data = bytearray(data)
    pages = len(data) // PAGE
    page = dice.randrange(pages)
    start = page * PAGE
    header = start + (100 if page == 0 else 0)
    kind = dice.choice(["header", "type", "count", "pointers", "chain", "freelist", "child", "cell", "bytes", "burst",
                        "cut", "swap", "schema", "zero"])
    if kind == "header":
        data[dice.randrange(16, 100)] = dice.randrange(256)
    elif kind == "type":
        data[header] = dice.choice([0, 1, 2, 3, 5, 10, 13, 255])
    elif kind == "count":
        data[header + 3:header + 5] = dice.randrange(65536).to_bytes(2, "big")
    elif kind == "pointers":
        for _ in range(4):
            at = header + 8 + 2 * dice.randrange(20)
            data[at:at + 2] = dice.randrange(65536).to_bytes(2, "big")
    elif kind == "chain":           # overflow pages begin with the number of the next
        for _ in range(8):
            at = dice.randrange(1, pages) * PAGE
            data[at:at + 4] = dice.choice([at // PAGE + 1, dice.randrange(pages + 2), 1]).to_bytes(4, "big")
    elif kind == "freelist":
        data[32:40] = dice.randrange(pages + 2).to_bytes(4, "big") + dice.randrange(2 * pages).to_bytes(4, "big")
    elif kind == "child":           # the right-most child of an inner page, also itself
        data[header + 8:header + 12] = dice.choice([page + 1, dice.randrange(pages + 3), 1]).to_bytes(4, "big")
    elif kind == "cell":
        at = start + dice.randrange(PAGE // 2, PAGE - 16)
        data[at:at + 9] = dice.choice([b"\xff" * 9, bytes(dice.randrange(256) for _ in range(9)), b"\x81\x80\x80\x80\x00\x7f\x7f\x7f\x7f"])
    elif kind == "bytes":
        for _ in range(dice.choice([1, 10, 100])):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif kind == "burst":
        at = dice.randrange(len(data) - 600)
        data[at:at + 600] = bytes(dice.randrange(256) for _ in range(600))
    elif kind == "cut":
        del data[dice.choice([1, 15, 16, 99, 100, 512, PAGE, PAGE + 1, dice.randrange(len(data))]):]
    elif kind == "swap":
        other = dice.randrange(pages) * PAGE
        data[start:start + PAGE], data[other:other + PAGE] = data[other:other + PAGE], data[start:start + PAGE]
    elif kind == "schema":
        for _ in range(5):
            data[dice.randrange(100, PAGE)] = dice.randrange(256)
    else:
        data[start:start + PAGE] = bytes(PAGE)
    return "%s at page %d" % (kind, page + 1), bytes(data)


def own(path, sql):
    """What the file's own library reads; None if it fails."""
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    db.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    until = time.monotonic() + LIMIT_S
    db.set_progress_handler(lambda: time.monotonic() > until, 100000)
    try:
        return db.execute(sql).fetchall()
    except (sqlite3.Error, OverflowError, UnicodeError):
        return None
    finally:
        db.close()


def main():
    """Go through the variants."""
    dsn, path, variants, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    dice = random.Random(seed)
    sound = [build(path, flavour) for flavour in FLAVOURS]
    server = psycopg2.connect(dsn)
    server.autocommit = True
    run = server.cursor()
    run.execute("""DROP SCHEMA IF EXISTS f CASCADE; CREATE SCHEMA f; DROP SERVER IF EXISTS damaged CASCADE;
        CREATE SERVER damaged FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path %s, breaker 'off');
        CREATE FOREIGN TABLE f.a (id bigint OPTIONS (key 'true'), k bigint, v text) SERVER damaged;
        CREATE FOREIGN TABLE f.w (k text OPTIONS (key 'true'), n bigint) SERVER damaged;
        CREATE FOREIGN TABLE f.big (id bigint, b bytea) SERVER damaged;
        CREATE FOREIGN TABLE f.both (id bigint, n bigint) SERVER damaged;
        SET statement_timeout = '20s'""", (path,))
    rows = errors = wrong = 0
    slowest = 0.0
    codes = {}

    def complain(text):
        nonlocal wrong
        wrong += 1
        if wrong <= 20:
            print("variant %d (%s): %s" % (variant, what, text), file=sys.stderr)

    def attempt(sql):
        """(rows, None) or (None, SQLSTATE)"""
        nonlocal slowest
        began = time.monotonic()
        try:
            run.execute(sql)
            result = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in run.fetchall()] \
                if run.description else []
            code = None
        except psycopg2.Error as error:
            if server.closed:
                raise SystemExit("variant %d (%s): %s ended the session: %s" % (variant, what, sql, error))
            result, code = None, error.pgcode
            codes[code] = codes.get(code, 0) + 1
            if code not in ALLOWED:
                complain("%s: %s" % (sql, error))
        took = time.monotonic() - began
        slowest = max(slowest, took)
        if took > LIMIT_S:
            complain("%s took %.1f s" % (sql, took))
        return result, code

    for variant in range(variants):
        what, data = damage(dice, dice.choice(sound))
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)
        for ours, theirs in QUERIES:
            result, code = attempt(ours)
            if code:
                errors += 1
                continue
            rows += 1
            expected = own(path, theirs)
            if expected is None or sorted(map(repr, result)) != sorted(map(repr, expected)):
                complain("%s: %.200r, but the file's library reads %.200r" % (ours, result, expected))
        if variant % 5 == 0:
            attempt("ANALYZE f.a")
            attempt("CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA main FROM SERVER damaged INTO imported")
            run.execute("DROP SCHEMA IF EXISTS imported CASCADE")
    print("%d variants, %d results, %d errors %r, slowest %.2f s, %d wrong" % (variants, rows, errors, codes, slowest, wrong),
          file=sys.stderr if wrong else sys.stdout)
    sys.exit(1 if wrong or not rows or not errors else 0)


main()

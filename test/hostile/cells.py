#!/usr/bin/python3
"""Random SQLite cells, stored by the file's own library, read through columns
of every type: the value or an error, never a crash; with random conditions
and sort orders: what a local table gives, or an error.

    cells.py DSN FILE SECONDS SEED

Where a type's values are Python's too, what is read is compared.  Prints a
summary; exits with 1 if something was wrong.
"""
import decimal
import json
import math
import os
import random
import sqlite3
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from judge import Column, Judge  # noqa: E402

ROWS = 60
# Type and option storage of each column.
COLUMNS = [(t, None) for t in (
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(10,3)", "numeric(3,-2)", "boolean",
    "text", "varchar(5)", "char(5)", "bytea", "json", "jsonb", "uuid", "date", "timestamp", "timestamptz", "timestamp(0)")]
COLUMNS += [("numeric", "text"), ("uuid", "blob")]
COLUMNS += [(t, s) for t in ("date", "timestamp", "timestamptz", "timestamptz(2)") for s in ("iso", "julian", "unix", "unix_ms")]


def number(dice):
    """An integer, often near a limit."""
    base = dice.choice([0, 1, 2 ** 15, 2 ** 31, 2 ** 53, 2 ** 63, 10 ** 15, 10 ** 18, 86400, 1700000000, 1700000000000,
                        9223372036854, 9224318015999999, 253402300800])
    value = dice.choice([1, -1]) * base + dice.randrange(-3, 4)
    return max(-2 ** 63, min(2 ** 63 - 1, dice.choice([value, value, dice.randrange(-2 ** 63, 2 ** 63)])))


def real(dice):
    """A double, also of the special kinds; NULL is what NaN becomes."""
    return dice.choice([
        lambda: struct.unpack("d", dice.randbytes(8))[0], lambda: float(number(dice)), lambda: dice.random(),
        lambda: dice.choice([math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 3.5e38, 2440587.5, 1e-45]),
        lambda: dice.uniform(1721000, 5400000), lambda: round(dice.uniform(-1e6, 1e6), dice.randrange(12))])()


def text(dice):
    """Text that nearly is something."""
    form = dice.choice([
        lambda: "%04d-%02d-%02d" % (dice.randrange(0, 10000), dice.randrange(0, 14), dice.randrange(0, 33)),
        lambda: "%04d-%02d-%02d%s%02d:%02d:%02d.%d%s" % (
            dice.randrange(1, 10000), dice.randrange(1, 13), dice.randrange(1, 29), dice.choice("T "), dice.randrange(26), dice.randrange(62),
            dice.randrange(62), dice.randrange(10 ** dice.randrange(1, 9)), dice.choice(["", "Z", "+02", "-0330", "+15:59", "+16:00", "x"])),
        lambda: "%s%d.%d%s" % (dice.choice(["", "-", "+", " "]), dice.randrange(10 ** dice.randrange(1, 30)), dice.randrange(10 ** 9),
                               dice.choice(["", "e5", "E-400", "e99999", "e2147483648", "e", " "])),
        lambda: str(number(dice)),
        lambda: "%08x-%04x-%04x-%04x-%012x" % tuple(dice.randrange(16 ** n) for n in (8, 4, 4, 4, 12)),
        lambda: dice.choice(["NaN", "Infinity", "-Infinity", "true", "null", "", "0", "{}", "[]", "\"\\u0000\"", "\"\\ud800\"", "[" * 20000]),
        lambda: json.dumps({"a": [number(dice), real(dice), {"b": "é\u2028" * dice.randrange(9)}]}),
        lambda: "".join(chr(dice.choice([dice.randrange(1, 128), dice.randrange(128, 0xd800), dice.randrange(0xe000, 0x110000)]))
                        for _ in range(dice.randrange(12)))])
    value = form()
    if value and dice.random() < 0.3:
        at = dice.randrange(len(value))
        value = value[:at] + dice.choice(["\0", "9", "-", "", "\u00a0", "é", "\x01"]) + value[at + 1:]
    return value * dice.choice([1] * 30 + [3000])


def cell(dice):
    """(SQL expression, its parameter)"""
    return dice.choice([
        lambda: ("?", number(dice)), lambda: ("?", real(dice)), lambda: ("?", text(dice)), lambda: ("?", text(dice)),
        lambda: ("CAST(? AS TEXT)", dice.randbytes(dice.randrange(20))), lambda: ("?", dice.randbytes(dice.choice([0, 1, 15, 16, 17, 3000]))),
        lambda: ("?", None)])()


def check(kind, storage, stored, got):
    """Is "got" (text, or None) what "stored" is?  None: not judged."""
    base = kind.split("(")[0]
    if stored is None or got is None:
        return stored is None and got is None
    if base in ("smallint", "integer", "bigint"):
        return isinstance(stored, (int, float)) and int(got) == stored
    if base == "double precision":
        return isinstance(stored, (int, float)) and float(got) == stored
    if base == "real":
        return isinstance(stored, (int, float)) and struct.pack("f", float(got)) == struct.pack("f", stored)
    if kind == "numeric" and storage is None and isinstance(stored, int):
        return decimal.Decimal(got) == stored
    if kind == "numeric" and storage is None and isinstance(stored, float):
        return float(got) == stored
    if kind == "numeric" and storage == "text":
        return decimal.Decimal(got).compare(decimal.Decimal(stored.strip())) in (0, decimal.Decimal("NaN")) or got == "NaN"
    if base in ("text", "varchar", "json"):
        return isinstance(stored, str) and got == stored
    if base == "bytea":
        return isinstance(stored, bytes) and got == "\\x" + stored.hex()
    if base == "boolean":
        return stored in (0, 1) and got == ("true" if stored else "false")
    if base == "uuid":
        return got == stored if storage is None else got.replace("-", "") == stored.hex()
    if base == "date" and storage in (None, "iso"):
        return got == stored
    return None


def store(path, dice):
    """Make the file anew; returns its cells by rowid."""
    if os.path.exists(path + ".new"):
        os.remove(path + ".new")
    db = sqlite3.connect(path + ".new", isolation_level=None)
    db.execute("PRAGMA encoding = '%s'" % dice.choice(["UTF-8", "UTF-8", "UTF-16le", "UTF-16be"]))
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v%s)" % dice.choice(["", "", " TEXT", " NUMERIC", " REAL", " INTEGER"]))
    if dice.random() < 0.3:
        db.execute("CREATE INDEX i ON t (v)")
    theme = dice.choice([None, None, number, real, text])
    db.execute("BEGIN")
    for i in range(ROWS):
        sql, value = ("?", theme(dice)) if theme and dice.random() < 0.97 else cell(dice)
        db.execute("INSERT INTO t VALUES (%d, %s)" % (i, sql), (value,))
    db.execute("COMMIT")
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    stored = dict(db.execute("SELECT id, v FROM t").fetchall())
    db.close()
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)
    return stored


def make_columns(judge, path):
    """The foreign tables: (Column, storage) of each."""
    run = judge.cursor.execute
    run("DROP SERVER IF EXISTS cells CASCADE; CREATE SERVER cells FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path %s, breaker 'off')", (path,))
    columns = []
    for i, (kind, storage) in enumerate(COLUMNS):
        column = Column("c%d" % i, kind, " stored as " + storage if storage else "")
        run("CREATE FOREIGN TABLE %s (id bigint OPTIONS (key 'true'), v %s%s) SERVER cells OPTIONS (\"table\" 't')"
            % (column.table, kind, " OPTIONS (storage '%s')" % storage if storage else ""))
        judge.add(column)
        columns.append((column, storage))
    return columns


def judgement(kind, storage, stored):
    """The function that judges an outcome, for Judge.read."""
    return lambda outcome: None if outcome is False and stored is not None else check(kind, storage, stored, outcome)


def main():
    """Store, read, compare, until the time is over."""
    dsn, path, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    dice = random.Random(seed)
    judge = Judge(dsn, dice)
    columns = make_columns(judge, path)
    until = time.monotonic() + seconds
    while time.monotonic() < until and judge.wrong < 20:
        cells = store(path, dice)
        for column, storage in dice.sample(columns, 12):
            texts, bad = {}, {}
            for row, stored in cells.items():
                text, code = judge.read(column, row, repr(stored)[:1000], judgement(column.kind, storage, stored))
                if code:
                    bad[row] = code
                else:
                    texts[row] = text
            judge.compare(column, cells, texts, bad, 6)
    judge.finish(seed)


main()

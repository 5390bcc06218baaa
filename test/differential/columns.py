"""The columns of the tested tables: every type in every form of storage.

A column's "pairs" are in its domain; "bad" are stored values outside of it,
each with the SQLSTATEs that reading it may raise.
"""
import json
import math
import uuid

from bson.binary import Binary
from bson.code import Code
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

import values as v

TYPE = "HV004"
RANGE = "22003"
DATE_RANGE = "22008"
ENCODING = "22021"
FORM = "22P02"
LENGTH = "22001"


class Column:
    """One column: its name, types on both sides, options and values."""

    def __init__(self, name, type_, pairs, decl="", bad=(), **options):
        self.name = name
        self.type = type_
        self.pairs = list(pairs)
        self.decl = decl            # SQLite's declaration
        self.bad = list(bad)        # (stored, {SQLSTATE, ...})
        self.options = options
        self.base = type_.split("(")[0]

    @property
    def texts(self):
        """The values as PostgreSQL writes them, without NULL."""
        return [text for text, _ in self.pairs if text is not None]

    def definition(self, foreign):
        """The column in CREATE [FOREIGN] TABLE."""
        options = ", ".join("%s '%s'" % item for item in sorted(self.options.items()))
        return "%s %s%s" % (self.name, self.type, " OPTIONS (%s)" % options if foreign and options else "")


def bad(*values):
    """Pairs of a stored value and the only SQLSTATE for it, from (code, values...) lists."""
    return [(stored, {code}) for code, *group in values for stored in group]


# ---------------------------------------------------------------- SQLite


def sqlite_times(kind, storage):
    """Pairs of a date or time type in one storage form."""
    text = {"date": lambda us: v.date_text(us // v.US_PER_DAY), "timestamp": v.time_text,
            "timestamptz": v.zoned_text}[kind]
    unit = {"iso": 1, "julian": 1000, "unix": 10**6, "unix_ms": 1000}[storage]
    result = []
    for i, us in enumerate(v.times()):
        us -= us % (v.US_PER_DAY if kind == "date" else unit)
        if storage == "iso":
            plain = v.time_text(us)
            if kind == "date":
                stored = plain[:10]
            else:
                stored = [plain, plain.replace(" ", "T"), plain.rstrip("0").rstrip("."),
                          plain[:16] if us % (60 * 10**6) == 0 else plain,
                          plain[:10] if us % v.US_PER_DAY == 0 else plain][i % 5]
                if kind == "timestamptz" and len(stored) > 10:
                    stored += ["", "Z", "+00:00"][i % 3]
                    if i % 4 == 0 and -719000 < us // v.US_PER_DAY < 2932000:
                        stored = v.time_text(us + 7200 * 10**6) + "+02:00"
        elif storage == "julian":
            stored = us / v.US_PER_DAY + v.EPOCH_JULIAN
        else:
            stored = us // unit
        result.append((text(us), stored))
    if storage != "iso":
        result.append((text(-210866803200 * 10**6), v.EPOCH_JULIAN - 2440588 + 0.0 if storage == "julian"
                       else -210866803200 * 10**6 // unit))
    return result


def sqlite_time_columns():
    """date, timestamp and timestamptz in each storage form."""
    wrong = {"iso": bad((FORM, "2024-1-2", "yesterday", "2024-13-01", "2024-02-30", "2024-01-02 25:00:00", "", 20240102, 2460311.5),
                        (TYPE, b"2024-01-02")),
             "julian": bad((TYPE, "2024-01-02", b"x"), (DATE_RANGE, 1e300)),
             "unix": bad((TYPE, "2024-01-02", 1.5, b"x"), (DATE_RANGE, 2**62)),
             "unix_ms": bad((TYPE, "2024-01-02", 1.5, b"x"), (DATE_RANGE, 2**62))}
    for kind, short in (("date", "d"), ("timestamp", "ts"), ("timestamptz", "tz")):
        for storage in ("iso", "julian", "unix", "unix_ms"):
            yield Column("%s_%s" % (short, storage), kind, sqlite_times(kind, storage),
                         {"iso": "TEXT", "julian": "REAL"}.get(storage, "INTEGER"), wrong[storage], storage=storage)


def reals(numbers):
    """Pairs of doubles that SQLite keeps as numbers."""
    return [(v.shortest(n), n) for n in numbers]


def sqlite_columns():
    """The columns of the SQLite table, without its id."""
    ints = [(str(n), n) for n in v.INTS]
    numbers = [(str(n), n) for n in v.INTS + v.INT8_EDGE] + reals([0.1, 0.3, 2.5, 6.5, -100.25, 1e15, 1e22, 1e100, 5e-324,
                                                                  123456789.125, 667413.2665041])
    json_pairs = [(json.dumps(d), json.dumps(d)) for d in v.DOCUMENTS] + [(t, t) for t in ("null", "1", "\"x\"", "[1, null]")]
    wrong_real = bad((TYPE, "abc", "", b"5"))
    wrong_number = wrong_real + bad((TYPE, "5"))
    return [
        Column("b", "bool", [("t", 1), ("f", 0)], "BOOLEAN", bad((TYPE, 2, "t", "true", 0.5, b"\1"))),
        Column("i2", "int2", ints + [(str(n), n) for n in v.INT2_EDGE], "SMALLINT",
               bad((TYPE, "x", b"1"), (RANGE, 40000, 5.5, 1e300))),
        Column("i4", "int4", ints + [(str(n), n) for n in v.INT4_EDGE], "INTEGER",
               bad((TYPE, "x", b"1"), (RANGE, 2**31, 5.5, -1e300))),
        Column("i8", "int8", ints + [(str(n), n) for n in v.INT8_EDGE], "INTEGER",
               bad((TYPE, "x", b"1"), (RANGE, 1e19, 5.5, math.inf)), key="true"),
        Column("ir", "int8", ints + [(str(n), float(n)) for n in v.INTS + [2**53, -2**53, 2**53 - 1, 4294967296]] +
               [(str(n), n) for n in v.INT8_EDGE], "", wrong_number + bad((RANGE, 2.0**60, 0.1, -5.5))),
        Column("f8", "float8", reals(v.FLOATS + [math.inf, -math.inf]), "REAL", wrong_real, key="true"),
        Column("fn", "float8", reals(v.FLOATS + [math.inf, -math.inf, -0.0]) + ints + [("9007199254740992", 2**53)], "",
               wrong_number + bad((RANGE, 2**53 + 1, -2**53 - 1))),
        Column("f4", "float4", reals(v.float4s() + [math.inf, -math.inf]), "REAL", wrong_real + bad((RANGE, 0.1, 1e300))),
        Column("nu", "numeric", numbers, "NUMERIC", bad((TYPE, "x", b"1"))),
        Column("nn", "numeric", numbers + reals([1.0, 7.0, -0.5]), "", wrong_number),
        Column("np", "numeric(10,2)", [(t, int(t) if "." not in t else float(t)) for t in v.CENTS], "NUMERIC",
               bad((TYPE, "x", b"1"), (RANGE, 0.125, 1e9, 10**8))),
        Column("nt", "numeric", [(t, t) for t in v.DECIMALS + ["NaN", "Infinity", "-Infinity"]], "TEXT",
               bad((FORM, "abc", "1,5", ""), (TYPE, b"1")), storage="text"),
        Column("s", "text", [(t, t) for t in v.TEXTS], "TEXT", bad((TYPE, b"x"), (ENCODING, "a\0b"), (ENCODING, Invalid(b"a\xff"))), key="true"),
        Column("sn", "text", [(t, t) for t in v.TEXTS], "TEXT COLLATE NOCASE", bad((TYPE, b"x"))),
        Column("sr", "text", [(t, t) for t in v.SHORT_TEXTS], "TEXT COLLATE RTRIM"),
        Column("si", "text", [(t, t) for t in ("", "a", "A", "b", "5x", "x5", "\u00e4", "zz")], "INTEGER", bad((TYPE, 5, 5.5, "5", b"a"))),
        Column("su", "text", [(t, t) for t in v.SHORT_TEXTS], "", bad((TYPE, 5, 5.5, b"a"))),
        Column("v", "varchar(12)", [(t, t) for t in v.SHORT_TEXTS], "VARCHAR(12)", bad((LENGTH, "x" * 13), (TYPE, b"x"))),
        Column("c", "char(6)", [(t, t) for t in v.CHARS] + [(t, t.ljust(6)) for t in v.CHARS], "CHAR(6)",
               bad((LENGTH, "abcdefg"), (TYPE, b"x"))),
        Column("by", "bytea", [("\\x" + t.hex(), t) for t in v.BYTES], "BLOB", bad((TYPE, "x", 5, 5.5))),
        Column("ut", "uuid", [(t, t) for t in v.UUIDS], "TEXT",
               bad((FORM, v.UUIDS[4].upper(), v.UUIDS[4].replace("-", ""), "x"), (TYPE, uuid.UUID(v.UUIDS[2]).bytes))),
        Column("ub", "uuid", [(t, uuid.UUID(t).bytes) for t in v.UUIDS], "BLOB", bad((TYPE, v.UUIDS[2]), (FORM, b"short")), storage="blob"),
        Column("j", "json", json_pairs, "TEXT", bad((FORM, "{", ""), (TYPE, b"{}"))),
        Column("jb", "jsonb", json_pairs, "TEXT", bad((FORM, "{", ""), (TYPE, b"{}"))),
        *sqlite_time_columns(),
    ]


class Parent:
    """A value in the place of the first document on a column's path."""

    def __init__(self, value):
        self.value = value


class Invalid:
    """Bytes to be stored as TEXT although they are no UTF-8."""

    def __init__(self, data):
        self.data = data


# --------------------------------------------------------------- MongoDB


def mongo_ints(numbers):
    """Integers in all forms that a document may hold them."""
    for i, n in enumerate(numbers):
        yield str(n), n if -2**31 <= n < 2**31 else v.int64(n)
        yield str(n), [v.int64(n), v.decimal(str(n)), v.decimal("%d.0" % n)][i % 3]
        if -2**53 <= n <= 2**53:
            yield str(n), float(n)
    yield "0", -0.0


def mongo_times(kind):
    """Dates; the type's text of each."""
    text = {"date": lambda ms: v.date_text(ms * 1000 // v.US_PER_DAY), "timestamp": lambda ms: v.time_text(ms * 1000),
            "timestamptz": lambda ms: v.zoned_text(ms * 1000)}[kind]
    for us in v.times() + [-210866803200 * 10**6, 9224318015999 * 10**6 + 999000, -62135596800 * 10**6 - 1000]:
        ms = us // 1000
        if kind == "date":
            ms -= ms % 86400000
        yield text(ms), v.Date(ms)


def mongo_arrays():
    """Pairs for int8[] and for text[]."""
    ints = [[], [1], [1, 2], [2, 1], [1, None], [None], [[1, 2], [3, 4]], [9007199254740993], [0, 0]]
    texts = [[], ["a"], ["a", "b"], ["a", None], ["NULL"], ["", "\"x\"", "\\"], ["\u00e4"], [["a"], ["b"]]]

    def stored(item):
        return [stored(i) for i in item] if isinstance(item, list) else v.int64(item) if isinstance(item, int) else item
    return [(v.array_text(i), stored(i)) for i in ints], [(v.array_text(t), t) for t in texts]


def mongo_columns():
    """The columns of the collection, without its _id."""
    ints, texts = mongo_arrays()
    numerics = ([(t, v.decimal(t)) for t in v.DECIMALS + ["NaN", "Infinity", "-Infinity"] if len(t) < 36] +
                [(str(n), n if abs(n) < 2**31 else v.int64(n)) for n in v.INTS + v.INT8_EDGE] +
                [(v.shortest(n), n) for n in (0.1, 0.3, 2.5, 6.5, 1.0, -100.25, 1e15, 1e22, 9007199254740992.0, 667413.2665041)])
    doubles = [(v.shortest(n), n) for n in v.FLOATS + [math.inf, -math.inf, math.nan, -0.0]]
    json_pairs = [(json.dumps(d, ensure_ascii=False), d) for d in v.DOCUMENTS] + [("1", 1), ("\"x\"", "x"), ("true", True), ("[1, null]", [1, None]),
                                                              ("[]", []), ("1.5", 1.5)]
    nothing = [MinKey(), MaxKey(), Regex("a"), Code("x")]
    alien = [*nothing, ObjectId(), {"a": 1}, [1]]
    alien_number = bad((TYPE, "5", True, v.Date(0), *alien))
    alien_text = bad((TYPE, 5, 5.5, True, v.Date(0), v.decimal("1"), Binary(b"a", 0), *alien))
    alien_date = bad((TYPE, 5, 5.5, "2024-01-02", v.int64(0), Timestamp(1, 1), True, *alien))
    return [
        Column("b", "bool", [("t", True), ("f", False)], bad=bad((TYPE, 0, 1, "true", 1.0, *alien))),
        Column("i2", "int2", mongo_ints(v.INTS + v.INT2_EDGE), bad=alien_number + bad((RANGE, 40000, 5.5, math.nan, v.decimal("1E3000")))),
        Column("i4", "int4", mongo_ints(v.INTS + v.INT4_EDGE),
               bad=alien_number + bad((RANGE, v.int64(2**31), 5.5, math.inf, v.decimal("0.5"), v.decimal("NaN")))),
        Column("i8", "int8", mongo_ints(v.INTS + v.INT8_EDGE), key="true",
               bad=alien_number + bad((RANGE, 2.0**63, 5.5, -math.inf, v.decimal("9223372036854775808")))),
        Column("f8", "float8", doubles + [(str(n), n) for n in v.INTS] + [("9007199254740992", v.int64(2**53)), ("0.5", v.decimal("0.5"))],
               key="true", bad=alien_number + bad((RANGE, v.int64(2**53 + 1), v.decimal("0.1")))),
        Column("f4", "float4", [(v.shortest(n), n) for n in v.float4s() + [math.inf, -math.inf, math.nan, -0.0]],
               bad=alien_number + bad((RANGE, 0.1, 1e300))),
        Column("nu", "numeric", numerics, bad=bad((TYPE, "5", True, v.Date(0), *alien))),
        Column("np", "numeric(10,2)", [(t, v.decimal(t)) for t in v.CENTS] + [(t, float(t)) for t in ("0.1", "2.5", "7")] + [("3", 3)],
               bad=bad((TYPE, "5", *alien), (RANGE, 0.125, v.decimal("0.001"), v.decimal("100000000"), 1e9, 10**8))),
        Column("s", "text", [(t, t) for t in v.TEXTS] + [("sym", v.raw_string(b"sym", 14))], key="true",
               bad=alien_text + bad((ENCODING, v.raw_string(b"a\0b"), v.raw_string(b"a\xff")))),
        Column("v", "varchar(12)", [(t, t) for t in v.SHORT_TEXTS], bad=alien_text + bad((LENGTH, "x" * 13), (ENCODING, v.raw_string(b"\xc3")))),
        Column("c", "char(6)", [(t, t) for t in v.CHARS] + [(t, t.ljust(6)) for t in v.CHARS], bad=alien_text + bad((LENGTH, "abcdefg"))),
        Column("o", "text", [(t, ObjectId(t)) for t in v.OBJECTIDS], bson_type="objectid", bad=bad((TYPE, "x", v.OBJECTIDS[2], 5, *nothing))),
        Column("oc", "char(24)", [(t, ObjectId(t)) for t in v.OBJECTIDS], bson_type="objectid", bad=bad((TYPE, v.OBJECTIDS[2]))),
        Column("by", "bytea", [("\\x" + t.hex(), Binary(t, 0)) for t in v.BYTES], bad=bad((TYPE, "x", 5, Binary(b"a", 5), *alien))),
        Column("u", "uuid", [(t, Binary(uuid.UUID(t).bytes, 4)) for t in v.UUIDS],
               bad=bad((TYPE, v.UUIDS[2], v.legacy_uuid(v.UUIDS[2]), Binary(b"short", 4), Binary(b"a" * 16, 0), *alien))),
        Column("ul", "uuid", [(t, v.legacy_uuid(t)) for t in v.UUIDS], bson_type="uuid_legacy",
               bad=bad((TYPE, v.UUIDS[2], Binary(uuid.UUID(v.UUIDS[2]).bytes, 4)))),
        Column("d", "date", mongo_times("date"), bad=alien_date + bad((DATE_RANGE, v.Date(1), v.Date(86399999), v.Date(2**62)))),
        Column("ts", "timestamp", mongo_times("timestamp"), bad=alien_date + bad((DATE_RANGE, v.Date(2**62), v.Date(-2**62)))),
        Column("tz", "timestamptz", mongo_times("timestamptz"), key="true", bad=alien_date + bad((DATE_RANGE, v.Date(2**62), v.Date(-2**62)))),
        Column("ai", "int8[]", ints, bad=bad((TYPE, 5, "x", {"a": 1}, ["x"], [1, "x"], [[1], 2], [[1], [2, 3]], [{}]))),
        Column("at", "text[]", texts, bad=bad((TYPE, "x", [5], ["a", 5], {"a": 1}))),
        Column("j", "json", json_pairs),
        Column("jb", "jsonb", json_pairs),
        Column("pa", "int4", [(str(n), n) for n in v.INTS], path="p.a", bad=bad((TYPE, "x", [1], Parent([{"a": 1}]), Parent([1]), Parent([])))),
        Column("ps", "text", [(t, t) for t in v.SHORT_TEXTS], path="q.r.s", bad=bad((TYPE, 5, Parent([{"r": {"s": "a"}}]), Parent({"r": [{"s": "a"}]})))),
        Column("xy", "int4", [(str(n), n) for n in v.INTS], column_name="x.y", bad=bad((TYPE, "x"))),
    ]


def whole_documents():
    """The documents of the table with a column for all of a document."""
    return [{"_id": i + 1, "n": i, **({} if i % 3 else {"x": None}), **document} for i, document in enumerate(v.DOCUMENTS)]


def whole_columns():
    """Its columns: the document, twice, and two fields of it."""
    documents = whole_documents()
    texts = [json.dumps(document, ensure_ascii=False) for document in documents]
    return [
        Column("doc", "jsonb", [(text, None) for text in texts], path="."),
        Column("again", "json", [(text, None) for text in texts], path="."),
        Column("n", "int4", [(str(document["n"]), None) for document in documents]),
        Column("x", "text", [(None, None) for _ in documents]),
    ]

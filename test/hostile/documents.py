#!/usr/bin/python3
"""Random BSON documents, stored by MongoDB's own client, read through columns
of every type: the value or an error, never a crash; with random conditions
and sort orders: what a local table gives, or an error.

    documents.py DSN MONGO_PORT SECONDS SEED

Every type of BSON is there, the deprecated ones too, with bytes that no client
would write: strings that are not UTF-8, fields without or with the same name,
documents in each other.  Prints a summary; exits with 1 if something was
wrong.
"""
import datetime
import decimal
import json
import math
import os
import random
import struct
import sys
import time
import uuid

import bson
import pymongo
from bson.decimal128 import Decimal128
from bson.raw_bson import RawBSONDocument

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from judge import Column, Judge  # noqa: E402

ROWS = 30
UNIX_EPOCH_JDATE = 2440588
FIRST_MS = -UNIX_EPOCH_JDATE * 86400000         # 4714-11-24 BC
END_MS = (109203528 - UNIX_EPOCH_JDATE) * 86400000     # of timestamps
KINDS = [("int2", ""), ("int4", ""), ("int8", ""), ("float4", ""), ("float8", ""), ("numeric", ""), ("numeric(10,3)", ""),
         ("numeric(3,-2)", ""), ("bool", ""), ("text", ""), ("varchar(5)", ""), ("char(5)", ""), ("bytea", ""), ("uuid", ""),
         ("uuid", "bson_type 'uuid_legacy'"), ("text", "bson_type 'objectid'"), ("char(24)", "bson_type 'objectid'"), ("date", ""),
         ("timestamp", ""), ("timestamptz", ""), ("timestamp(0)", ""), ("timestamptz(2)", ""), ("json", ""), ("jsonb", ""),
         ("int4", "path 'p.v'"), ("text", "path 'p.v'"), ("jsonb", "path '.'"), ("json", "path 'p'")]
KINDS += [(kind + "[]", "") for kind in ("int4", "int8", "float8", "numeric", "text", "varchar(3)", "bool", "date", "timestamptz", "uuid", "bytea")]
NUMBERS = ("int", "double", "decimal")
BAD = object()          # an error is the only right outcome
UNKNOWN = object()


class Value:
    """A BSON value: its type's code, its bytes, and what it means."""

    def __init__(self, code, data, name, meaning=None):
        self.code = code
        self.data = data
        self.name = name
        self.meaning = meaning

    def __repr__(self):
        meaning = self.meaning if len(self.data) < 1000 else "..."
        return "%s %.200r, type %d, %d bytes %s" % (self.name, meaning, self.code, len(self.data), self.data[:300].hex())


def cstring(data):
    """Bytes as a string that ends with NUL."""
    return data.replace(b"\0", b"") + b"\0"


def block(data):
    """Bytes as a string with its length."""
    return struct.pack("<i", len(data) + 1) + data + b"\0"


def document(fields):
    """The bytes of a document of (name, Value)."""
    body = b"".join(bytes([value.code]) + cstring(name) + value.data for name, value in fields)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def array(values):
    """An array."""
    return Value(4, document([(b"%d" % i, value) for i, value in enumerate(values)]), "array", values)


# ------------------------------------------------------------------ values


def integer(dice):
    """A number, often near a limit."""
    base = dice.choice([0, 0, 1, 2 ** 15, 2 ** 31, 2 ** 53, 2 ** 63, 10 ** 15, 10 ** 18, 10 ** 7])
    number = dice.choice([1, -1]) * base + dice.randrange(-3, 4)
    number = max(-2 ** 63, min(2 ** 63 - 1, dice.choice([number] * 4 + [dice.randrange(-2 ** 63, 2 ** 63)])))
    if -2 ** 31 <= number < 2 ** 31 and dice.random() < 0.7:
        return Value(16, struct.pack("<i", number), "int", number)
    return Value(18, struct.pack("<q", number), "int", number)


def double(dice):
    """A double, of any kind."""
    data = dice.choice([
        lambda: dice.randbytes(8), lambda: struct.pack("<d", integer(dice).meaning), lambda: struct.pack("<d", dice.random()),
        lambda: struct.pack("<d", dice.choice([math.nan, math.inf, -math.inf, -0.0, 5e-324, 2e-310, 1.7976931348623157e308, 3.5e38, 1e-45])),
        lambda: struct.pack("<d", struct.unpack("<f", dice.randbytes(4))[0]),
        lambda: struct.pack("<d", round(dice.uniform(-1e6, 1e6), dice.randrange(12)))])()
    return Value(1, data, "double", struct.unpack("<d", data)[0])


def decimal128(dice):
    """A Decimal128, also of bytes that stand for no canonical number."""
    number = dice.choice([
        lambda: Decimal128.from_bid(dice.randbytes(16)), lambda: Decimal128(str(integer(dice).meaning)),
        lambda: Decimal128(dice.choice(["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "0", "-0", "0E+6111", "0E-6176", "1E-6176", "9.99E+6144",
                                        "1E+6111", "-1E-6143", "1E+400", "1E-400", "12345678901234567890123456789012345E-20"[:-5]])),
        lambda: Decimal128("%dE%d" % (dice.randrange(-10 ** 9, 10 ** 9), dice.randrange(-12, 12))),
        lambda: Decimal128("%dE%d" % (dice.randrange(10 ** 34), dice.randrange(-6176, 6111)))])()
    bits = int.from_bytes(number.bid, "little")
    if bits >> 125 & 3 != 3 and bits & 2 ** 113 - 1 >= 10 ** 34:    # more digits than there may be mean zero
        return Value(19, number.bid, "decimal", decimal.Decimal(0))
    return Value(19, number.bid, "decimal", number.to_decimal())


def characters(dice):
    """Bytes of a string, mostly UTF-8."""
    data = dice.choice([
        lambda: b"", lambda: dice.choice([b"a", b"b", b"A", b"ab", b"abc  ", b" x", b"%", b"_a\\", b"$v", b"12", b"{}", b"2024-01-02", b"t", b"NULL", b'"']),
        lambda: "".join(chr(dice.choice([dice.randrange(1, 128), dice.randrange(128, 0xd800), dice.randrange(0xe000, 0x110000)]))
                        for _ in range(dice.randrange(8))).encode(),
        lambda: str(uuid.UUID(bytes=dice.randbytes(16))).encode(), lambda: bson.ObjectId(dice.randbytes(12)).__str__().encode(),
        lambda: dice.choice([b"a\0b", b"\0", b"\xff", b"\xc3", b"a\xc3\xa4\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x82"]),
        lambda: dice.randbytes(dice.randrange(6))])()
    return data * dice.choice([1] * 30 + [2000])


def date(dice):
    """A Date."""
    ms = dice.choice([
        lambda: dice.randrange(-10 ** 13, 10 ** 13), lambda: dice.randrange(-10 ** 5, 10 ** 5) * 86400000, lambda: dice.randrange(-10 ** 9, 10 ** 9) * 1000,
        lambda: dice.choice([FIRST_MS, END_MS, 0, 253402300800000, -62135596800000, 2 ** 53, 9223372036854775]) + dice.randrange(-2, 3),
        lambda: dice.choice([2 ** 63 - 1, -2 ** 63, 9223372036854776, -9223372036854776, 106751991167 * 86400000, 5881580 * 365 * 86400000]),
        lambda: dice.randrange(-2 ** 63, 2 ** 63)])()
    return Value(9, struct.pack("<q", max(-2 ** 63, min(2 ** 63 - 1, ms))), "date", max(-2 ** 63, min(2 ** 63 - 1, ms)))


def binary(dice):
    """A binary of any subtype."""
    subtype = dice.choice([0, 0, 0, 2, 3, 4, 4, 5, 6, 128, dice.randrange(256)])
    data = dice.randbytes(dice.choice([16, 16, 16, 0, 1, 15, 17, 1000]))
    if subtype == 2:
        inner = data
        length = dice.choice([len(data)] * 5 + [0, -1, len(data) + 1, 2 ** 31 - 1])
        data = struct.pack("<i", length) + data
        return Value(5, struct.pack("<iB", len(data), 2) + data, "binary", (2, inner if length == len(inner) else None))
    return Value(5, struct.pack("<iB", len(data), subtype) + data, "binary", (subtype, data))


def name(dice):
    """A field's name."""
    return dice.choice([b"a", b"b", b"v", b"", b"a", b"x.y", b"$x", b"0", "ä".encode(), b"\xff", b"k" * 70])


def nested(dice, depth):
    """A document or an array."""
    if depth == 0 and dice.random() < 0.03:
        inner = Value(16, b"\1\0\0\0", "int", 1)
        for _ in range(dice.choice([20, 100, 170])):
            inner = array([inner]) if dice.random() < 0.5 else Value(3, document([(b"a", inner)]), "document", [(b"a", inner)])
        return inner
    count = dice.choice([0, 1, 2, 3, 5] + [300, 20000] * (depth == 0 and dice.random() < 0.05))
    if dice.random() < 0.6:
        if dice.random() < 0.6:
            make = dice.choice(SCALARS)
            return array([make(dice) if dice.random() < 0.9 else null(dice) for _ in range(count)])
        if dice.random() < 0.4:
            make, width = dice.choice(SCALARS), dice.randrange(1, 4)
            return array([array([make(dice) for _ in range(width)]) for _ in range(count)])
        return array([value(dice, depth + 1) for _ in range(count)])
    fields = [(name(dice), value(dice, depth + 1)) for _ in range(count)]
    return Value(3, document(fields), "document", fields)


def rare(dice):
    """A type that no column has."""
    return dice.choice([
        lambda: Value(255, b"", "minKey"), lambda: Value(127, b"", "maxKey"), lambda: Value(17, dice.randbytes(8), "timestamp"),
        lambda: Value(11, cstring(characters(dice)) + cstring(dice.choice([b"", b"i", b"imsx", b"zz"])), "regex"),
        lambda: Value(13, block(characters(dice)), "code"),
        lambda: Value(12, block(characters(dice)) + dice.randbytes(12), "dbPointer"),
        lambda: (lambda body: Value(15, struct.pack("<i", len(body) + 4) + body, "codeWithScope"))(
            block(characters(dice)) + document([(name(dice), value(dice, 3)) for _ in range(dice.randrange(3))]))])()


def string(dice):
    """A string or, rarely, a symbol."""
    data = characters(dice)
    return Value(14 if dice.random() < 0.05 else 2, block(data), "string", data)


def null(dice):
    """Null or undefined."""
    return Value(6, b"", "null") if dice.random() < 0.2 else Value(10, b"", "null")


def boolean(dice):
    """A boolean."""
    truth = dice.random() < 0.5
    return Value(8, b"\1" if truth else b"\0", "bool", truth)


def objectid(dice):
    """An ObjectId."""
    data = dice.choice([dice.randbytes(12), b"\0" * 12, b"\xff" * 12])
    return Value(7, data, "objectid", data)


SCALARS = [integer, double, decimal128, string, date, binary, boolean, objectid]


def value(dice, depth=0):
    """Any value."""
    return dice.choice(SCALARS + [rare, null] + [lambda d: nested(d, depth)] * (0 if depth > 3 else 4))(dice)


# ------------------------------------------------------------ what is right


def number_of(stored):
    """An exact Decimal, or a special double."""
    if stored.name == "decimal":
        return stored.meaning if stored.meaning.is_finite() else float("nan" if stored.meaning.is_nan() else str(stored.meaning))
    if stored.name == "double" and not math.isfinite(stored.meaning):
        return stored.meaning
    return decimal.Decimal(stored.meaning)


def as_integer(stored, bits):
    """What an integer column shows."""
    number = number_of(stored)
    if isinstance(number, float) or (number and number.adjusted() > 30) or number != number.to_integral_value():
        return BAD
    return int(number) if -2 ** (bits - 1) <= int(number) < 2 ** (bits - 1) else BAD


def as_float(stored, single):
    """What a float column shows."""
    number = number_of(stored)
    if stored.name == "decimal" and stored.meaning.is_snan():
        return BAD
    if not isinstance(number, float):
        if stored.name == "decimal" and number and not -330 < number.adjusted() < 310:
            return BAD
        exact, number = number, float(number)
        if math.isinf(number) or decimal.Decimal(number) != exact:
            return BAD
    if single and math.isfinite(number):
        try:
            if struct.unpack("f", struct.pack("f", number))[0] != number:
                return BAD
        except OverflowError:
            return BAD
    return number


def as_numeric(stored, precision, scale):
    """What a numeric column shows; of a double, one of the decimals that give it back."""
    number = number_of(stored)
    if isinstance(number, float):
        return number if math.isnan(number) or precision is None else BAD
    if stored.name == "double":
        number = decimal.Decimal(repr(stored.meaning))
    if precision is not None and number:
        digits = number.as_tuple()
        last = digits.exponent + len(digits.digits) - len("".join(map(str, digits.digits)).rstrip("0"))
        if last < -scale or number.adjusted() >= precision - scale:
            return BAD
    return stored.meaning if stored.name == "double" else number


def as_text(data, limit, padded):
    """What a text column shows."""
    try:
        text = data.decode()
    except UnicodeError:
        return BAD
    if "\0" in text:
        return BAD
    text = text.rstrip(" ") if padded else text
    return BAD if limit and len(text) > limit else text


def as_time(ms, kind):
    """What a date or time column shows, in milliseconds; only some are judged."""
    if not FIRST_MS <= ms < (END_MS if kind != "date" else (2147483494 - UNIX_EPOCH_JDATE) * 86400000):
        return BAD
    grid = 86400000 if kind == "date" else {"timestamp(0)": 1000, "timestamptz(2)": 10}.get(kind, 1)
    return BAD if ms % grid else ms


def as_array(stored, element):
    """What an array column shows: lists, in each other."""
    if stored.name != "array":
        return BAD
    result = [None if one.name == "null" else as_array(one, element) if one.name == "array" else right(one, element, "")
              for one in stored.meaning]
    lists = [one for one in result if isinstance(one, list)]
    if BAD in result or (lists and (len(lists) < len(result) or [] in lists or len({json.dumps(shape(one)) for one in lists}) > 1)):
        return BAD
    if len(shape(result)) > 6:
        return BAD
    return UNKNOWN if UNKNOWN in result else result


def shape(lists):
    """The lengths of lists in each other."""
    return [len(lists), *(shape(lists[0]) if isinstance(lists[0], list) else [])] if lists else [0]


def as_json(stored):
    """The value as json, as far as it is simple."""
    if stored.name == "array":
        result = [as_json(one) for one in stored.meaning]
        return BAD if BAD in result else UNKNOWN if UNKNOWN in result else result
    if stored.name == "document":
        result = [(as_text(cstring(key)[:-1], 0, False), as_json(one)) for key, one in stored.meaning]
        members = [one for pair in result for one in pair]
        return BAD if BAD in members else UNKNOWN if UNKNOWN in members else dict(result)
    if stored.name in ("int", "bool") or (stored.name == "double" and math.isfinite(stored.meaning)):
        return stored.meaning
    if stored.name == "null" and stored.code == 10:
        return None
    if stored.name == "objectid":
        return {"$oid": stored.meaning.hex()}
    if stored.code == 2 and b"\0" not in stored.meaning:
        return as_text(stored.meaning, 0, False)
    return UNKNOWN


def right(stored, kind, options):
    """What a column shows of a value that is not null: a Python value, BAD, or UNKNOWN."""
    if kind.endswith("[]"):
        return as_array(stored, kind[:-2])
    if kind in ("json", "jsonb"):
        found = as_json(stored)
        return UNKNOWN if found is BAD else found
    if "objectid" in options:
        return stored.meaning.hex() if stored.name == "objectid" else BAD
    if stored.name in NUMBERS:
        if kind in ("int2", "int4", "int8"):
            return as_integer(stored, 8 * int(kind[-1]))
        if kind in ("float4", "float8"):
            return as_float(stored, kind == "float4")
        if kind.startswith("numeric"):
            return as_numeric(stored, *{"numeric": (None, 0), "numeric(10,3)": (10, 3), "numeric(3,-2)": (3, -2)}[kind])
        return BAD
    if stored.name == "bool":
        return stored.meaning if kind == "bool" else BAD
    if stored.name == "string" and kind.split("(")[0] in ("text", "varchar", "char"):
        return as_text(stored.meaning, int(kind.split("(")[1][:-1]) if "(" in kind else 0, kind.startswith("char"))
    if stored.name == "date" and kind.split("(")[0] in ("date", "timestamp", "timestamptz"):
        return as_time(stored.meaning, kind)
    if stored.name == "binary":
        subtype, data = stored.meaning
        if kind == "bytea" and subtype in (0, 2):
            return UNKNOWN if data is None else data
        if kind == "uuid" and subtype == (3 if "legacy" in options else 4) and len(data) == 16:
            return data
    return BAD


def at_path(fields, path):
    """The value at a path of names, None, or BAD if it leads through an array."""
    for i, step in enumerate(path):
        found = next((one for key, one in fields if key == step), None)
        if found is None or i == len(path) - 1:
            return found
        if found.name != "document":
            return BAD if found.name == "array" else None
        fields = found.meaning
    return None


def epoch_of(text):
    """Microseconds since 1970 of a date or time as PostgreSQL writes it; None beyond the years of Python."""
    if "BC" in text or len(text.split("-")[0]) > 4:
        return None
    stamp = datetime.datetime.fromisoformat(text[:-3] if text.endswith("+00") else text)
    return (stamp - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def same_json(found, wanted):
    """Are both the same, numbers as doubles where that was stored?"""
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same_json, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same_json(found[key], wanted[key]) for key in found)
    return float(found) == wanted if isinstance(wanted, float) else found == wanted and isinstance(found, type(wanted))


def matches(text, wanted, kind):
    """Is the text, which is not None, the value?"""
    if kind.endswith("[]"):
        return None
    base = kind.split("(")[0]
    if base in ("int2", "int4", "int8"):
        return int(text) == wanted
    if base in ("float4", "float8"):
        number = float(text) if base == "float8" else struct.unpack("f", struct.pack("f", float(text)))[0]
        return math.isnan(number) and math.isnan(wanted) or number == wanted
    if base == "numeric":
        number = decimal.Decimal(text)
        if isinstance(wanted, float):
            return number.is_nan() if math.isnan(wanted) else float(number) == wanted and len(number.as_tuple().digits) < 330
        return number == wanted
    if base == "bool":
        return text == ("true" if wanted else "false")
    if base == "bytea":
        return text == "\\x" + wanted.hex()
    if base == "uuid":
        return text == str(uuid.UUID(bytes=wanted))
    if base in ("json", "jsonb"):
        return same_json(json.loads(text), wanted)
    if base in ("date", "timestamp", "timestamptz"):
        found = epoch_of(text)
        return None if found is None else found == wanted * 1000
    return text == wanted


def damaged(fields):
    """Is there a binary of subtype 2 whose inner length is wrong?  The document cannot be read then."""
    def wrong(one):
        if one.name == "array":
            return any(map(wrong, one.meaning))
        if one.name == "document":
            return damaged(one.meaning)
        return one.name == "codeWithScope" or one.name == "binary" and one.meaning[1] is None
    return any(wrong(one) for _, one in fields)


def judgement(stored, kind, options, is_damaged):
    """The function that judges an outcome, for Judge.read."""
    def judge(outcome):
        if outcome is False and is_damaged:
            return None
        if stored is None or (stored is not BAD and stored.name == "null" and "path '.'" not in options):
            return outcome is None
        wanted = BAD if stored is BAD else right(stored, kind, options)
        if outcome is False or wanted is BAD:
            return None if wanted is UNKNOWN else (outcome is False) == (wanted is BAD)
        if wanted is UNKNOWN:
            return None
        if outcome is None:
            return kind in ("json", "jsonb") and wanted is None
        return matches(outcome, wanted, kind)
    return judge


# ------------------------------------------------------------------- rounds


def make_columns(judge, port):
    """The foreign tables: (Column, options) of each."""
    run = judge.cursor.execute
    run("DROP SERVER IF EXISTS documents CASCADE")
    run("CREATE SERVER documents FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri %s, database 'fuzz', breaker 'off')",
        ("mongodb://127.0.0.1:%d/?directConnection=true" % port,))
    columns = []
    for i, (kind, options) in enumerate(KINDS):
        column = Column("d%d" % i, kind, " " + options if options else "")
        path = options if "path" in options else ", ".join(filter(None, ["column_name 'v'", options]))
        run("CREATE FOREIGN TABLE %s (id bigint OPTIONS (column_name '_id', key 'true'), v %s OPTIONS (%s)) SERVER documents OPTIONS (collection 'fuzz')"
            % (column.table, kind, path))
        judge.add(column)
        columns.append((column, options))
    return columns


def store(collection, dice):
    """Fill the collection; returns the fields of each document that the server took, by id."""
    theme = dice.choice([None, None, *SCALARS, lambda d: nested(d, 0)])
    documents = {}
    for i in range(ROWS):
        make = theme if theme and dice.random() < 0.97 else value
        fields = [(b"_id", Value(16, struct.pack("<i", i), "int", i))]
        if dice.random() < 0.95:
            fields.append((b"v", make(dice)))
        inner = [(b"v", make(dice))]
        parent = Value(3, document(inner), "document", inner)
        fields.append((b"p", dice.choice([parent] * 6 + [array([parent]), make(dice)])))
        if dice.random() < 0.03:
            fields.append((name(dice), make(dice)))
        documents[i] = fields
    collection.drop()
    try:
        collection.insert_many([RawBSONDocument(document(fields)) for fields in documents.values()], ordered=False)
    except pymongo.errors.BulkWriteError as error:
        for failure in error.details["writeErrors"]:
            del documents[failure["index"]]
    return documents


def import_and_sample(judge, column, dice):
    """What else reads documents: IMPORT, a scan of what it made, and ANALYZE."""
    judge.run("DROP SCHEMA IF EXISTS taken CASCADE; CREATE SCHEMA taken; IMPORT FOREIGN SCHEMA fuzz FROM SERVER documents INTO taken"
              " OPTIONS (nested '%s'); SELECT 1" % dice.choice(["columns", "jsonb", "none"]), "IMPORT")
    judge.run("SELECT f::text FROM taken.fuzz f", "what IMPORT made")
    judge.run("ANALYZE %s; SELECT 1" % column.table, "ANALYZE of " + column.kind)


def main():
    """Store, read, compare, until the time is over."""
    dsn, port, seconds, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    dice = random.Random(seed)
    decimal.getcontext().prec = 50
    judge = Judge(dsn, dice)
    collection = pymongo.MongoClient("127.0.0.1", port, directConnection=True).fuzz.fuzz
    columns = make_columns(judge, port)
    until = time.monotonic() + seconds
    while time.monotonic() < until and judge.wrong < 20:
        documents = store(collection, dice)
        import_and_sample(judge, dice.choice(columns)[0], dice)
        for column, options in dice.sample(columns, 12):
            texts, bad, values = {}, {}, {}
            for i, fields in documents.items():
                if "path '.'" in options:
                    stored = Value(3, b"", "document", fields)
                else:
                    path = options.split("'")[1] if "path" in options else "v"
                    stored = at_path(fields, path.encode().split(b"."))
                values[i] = stored
                text, code = judge.read(column, i, stored, judgement(stored, column.kind, options, damaged(fields)))
                if code:
                    bad[i] = code
                else:
                    texts[i] = text
            if not any(map(damaged, documents.values())):
                judge.compare(column, values, texts, bad, 6)
    judge.finish(seed)


main()

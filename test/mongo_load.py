#!/usr/bin/python3
"""Fill the databases of the regression tests, by an independent client.

    mongo_load.py types|pushdown|import

The server is on 127.0.0.1 at the port that SY_MONGO_PORT names.  Each part
drops and fills the database "sy_test_" + its name.
"""
import datetime
import os
import sys

import bson
import pymongo
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument

NAN = float("nan")
INF = float("inf")
UUID = bytes(range(16))


def date(*parts):
    return datetime.datetime(*parts)


def before_5(db):
    """Is the server older than MongoDB 5.0?"""
    return db.client.server_info()["versionArray"][0] < 5


def insert(collection, documents):
    """Insert documents with field names that pymongo would refuse; up to 4.4 the server does, too, but not as a replica."""
    documents = [RawBSONDocument(bson.encode(document)) for document in documents]
    if before_5(collection.database):
        collection.database.create_collection(collection.name)
        collection.database.client.admin.command(
            "applyOps", [{"op": "i", "ns": collection.full_name, "o": document} for document in documents])
    else:
        collection.insert_many(documents)


def element(kind, value):
    """A document {_id: ..., v: ...} of a type or content that pymongo does not make."""
    def make(key):
        body = bson.encode({"_id": key})[4:-1] + bytes([kind]) + b"v\0" + value
        return RawBSONDocument((len(body) + 5).to_bytes(4, "little") + body + b"\0")
    return make


def string(data):
    return (len(data) + 1).to_bytes(4, "little") + data + b"\0"


def ms(value):
    return element(9, value.to_bytes(8, "little", signed=True))


# One value of each kind that a column may have to judge.
VALUES = {
    "null": None, "undefined": element(6, b""),
    "true": True, "false": False,
    "int32": 7, "int32 max": 2**31 - 1, "int16 over": 40000,
    "int64": Int64(7), "int64 max": Int64(2**63 - 1), "int64 min": Int64(-2**63), "int64 inexact": Int64(2**53 + 1),
    "double": 7.0, "double fraction": 7.5, "double tenth": 0.1, "double minus zero": -0.0, "double large": 1e300,
    "double 2^63": 2.0**63, "double NaN": NAN, "double inf": INF, "double -inf": -INF,
    "decimal": Decimal128("7"), "decimal scale": Decimal128("7.00"), "decimal fraction": Decimal128("7.5"),
    "decimal tenth": Decimal128("0.1"), "decimal exponent": Decimal128("7E+2"), "decimal huge": Decimal128("1E+6000"),
    "decimal tiny": Decimal128("1E-6000"), "decimal NaN": Decimal128("NaN"), "decimal inf": Decimal128("Infinity"),
    "decimal 34 digits": Decimal128("1234567890123456789012345678901234"),
    "decimal sNaN": Decimal128("sNaN"),
    "decimal 35 digits": element(19, (10**34 | 6176 << 113).to_bytes(16, "little")),    # which means 0
    "string": "abc", "string empty": "", "string digits": "7", "string unicode": "naïve 日本 😀", "string long": "x" * 70,
    "string spaces": "ab    ", "string NUL": "a\0b", "string not UTF-8": element(2, string(b"a\xff\xfe")),
    "string oid": "0123456789abcdef01234567",
    "symbol": element(14, string(b"abc")),
    "objectid": ObjectId("0123456789abcdef01234567"),
    "date": date(2024, 2, 29), "date ms": date(2024, 2, 29, 12, 34, 56, 789000), "date second": date(2024, 2, 29, 12, 34, 56),
    "date before 1970": date(1969, 12, 31, 23, 59, 59, 999000), "date year 1": date(1, 1, 1),
    "date 4714 BC": ms(-210866803200000), "date too early": ms(-210866803200001),
    "date 294276": ms(9224318015999000), "date 294276 ms": ms(9224318015999998), "date 294277": ms(9224318016000000), "date far": ms(2**62),
    "binary": Binary(b"\0abc\xff", 0), "binary empty": Binary(b"", 0), "binary old": Binary(b"abc", 2),
    "binary md5": Binary(UUID, 5), "uuid": Binary(UUID, 4), "uuid short": Binary(UUID[:15], 4), "uuid legacy": Binary(UUID, 3),
    "array empty": [], "array int": [1, 2, None], "array string": ["a", None], "array mixed": [1, "a"], "array nested": [[1, 2], [3, 4]],
    "array ragged": [[1, 2], [3]], "array deeper": [[1], 2], "array of empty": [[], []], "array fraction": [1.5],
    "array oid": [ObjectId("0123456789abcdef01234567")],
    "document": {"b": 7, "c": {"d": "x"}}, "document empty": {}, "document of array": {"b": [1], "c": [{"d": 1}]},
    "document of null": {"b": None, "c": None}, "array of document": [{"b": 7}],
    "regex": Regex("a.c", "i"), "code": Code("f()"), "code scope": Code("f()", {"a": 1}), "timestamp": Timestamp(5, 1),
    "min key": MinKey(), "max key": MaxKey(), "dbref": DBRef("c", 1),
}


def load_types(db):
    """Collection values: each value under its name, and "missing"."""
    documents = [value(key) if callable(value) and not isinstance(value, (Code, bson.SON)) else {"_id": key, "v": value}
                 for key, value in VALUES.items()]
    db["values"].insert_many(documents + [{"_id": "missing"}])

    # A binary whose inner length is wrong.
    db["damaged"].insert_one(element(5, bytes([4, 0, 0, 0, 2, 1, 0, 0, 0]))("odd"))

    # Keys of every type, odd names, and a field that comes twice.
    db["keys"].insert_many([{"_id": key, "v": number} for number, key in enumerate(
        [1, Int64(2**40), 1.5, Decimal128("2.50"), "text", "", "long " * 20, "tab\there", ObjectId("0123456789abcdef01234567"),
         date(2024, 2, 29), True, Binary(UUID, 4), {"a": 1, "b": "x"}, None])])
    insert(db["names"], [{"_id": 1, "a.b": "dot", "$c": "dollar", "Upper Case": "spaces", "select": "word", "ä": "umlaut",
                            "x" * 70: "long", "it's \"q\"": "quotes", "a": {"b": "path", "$c": "path dollar", "": "path empty"}, "": "empty"}])
    body = bson.encode({"_id": 1})[4:-1] + b"\x10v\0\x01\0\0\0" + b"\x10v\0\x02\0\0\0"
    db["twice"].insert_one(RawBSONDocument((len(body) + 5).to_bytes(4, "little") + body + b"\0"))


def load_pushdown(db):
    """Collection good: values of each column's domain.  Collection bad: those and others."""
    texts = ["", "a", "ab", "abc", "b", "B", "é", "a%b", "a_b", "a\\b", "a\nb", "axbyc", "(a)", "$a", None]
    good = []
    for n in range(60):
        document = {
            "_id": n, "i": [n % 10, Int64(n % 10), float(n % 10), Decimal128(str(n % 10))][n % 4],
            "f": [1.5, NAN, INF, -INF, 0.0, -0.0, 2][n % 7], "t": texts[n % len(texts)], "l": texts[n % len(texts)],
            "n": [0.1, Decimal128("0.1"), Decimal128("0.10"), 5, Int64(5), Decimal128("NaN"), 2.0**-30,
                  Decimal128("9.31322574615478515625E-10"), Decimal128("9.313225746154785E-10")][n % 9],
            "o": ObjectId("%024x" % (n % 4)), "b": [True, False, None][n % 3],
            "d": date(2024, 1, 1) + datetime.timedelta(days=n % 5), "ts": date(1969, 12, 31, 23, 59, 59, 998000) + datetime.timedelta(milliseconds=n % 5),
            "u": Binary(bytes([n % 3]) * 16, 4), "by": Binary(b"abc"[:n % 4], [0, 2][n % 2]), "c": ["a", "a ", "ab"][n % 3],
            "arr": [[], [1], [None, 1], None][n % 4], "s": [{"p": n % 3, "q": {"r": "x"}}, {"p": None}, {}, None, 5][n % 5],
        }
        for position, key in enumerate(list(document)[1:]):
            if (n + position) % 11 == 0:
                del document[key]
        good.append(document)
    db["good"].insert_many(good)
    db["good"].create_index("i")
    db["bad"].insert_many(good + [{"_id": 100 + n, **extra} for n, extra in enumerate(
        [{"i": 5.5}, {"i": "5"}, {"i": [5]}, {"i": Int64(2**40)}, {"i": NAN}, {"f": "x"}, {"f": [1.5]}, {"f": Int64(2**53 + 1)},
         {"t": 5}, {"t": ["a"]}, {"t": "a\0b"}, {"l": "a" * 20}, {"d": date(2024, 1, 1, 1)}, {"u": Binary(b"\0" * 16, 3)}, {"s": [{"p": 1}]}])])
    # Comparisons are by bytes, whatever the collection's own collation says.
    folded = db.create_collection("folded", collation={"locale": "en", "strength": 1})
    folded.insert_many([{"_id": n, "t": text} for n, text in enumerate(["a", "A", "á", "b", "B"])])
    db.command("create", "folded_view", viewOn="folded", pipeline=[], collation={"locale": "en", "strength": 1})
    db["long"].insert_many([{"_id": 1, "t": "a" + "x" * 630 + "b"}, {"_id": 2, "t": "a" + "x" * 300000 + "b"}, {"_id": 3, "t": "x" * 300000},
                            {"_id": 4, "t": "ab" * 200}])


def load_import(db):
    """Collections whose columns are to be found out."""
    db["scalars"].insert_many([
        {"_id": ObjectId("%024x" % n), "flag": True, "whole": Int64(n), "mostly": [n, n + 0.5][n % 2],
         "wide": [Int64(2**53 + 1), 0.5][n % 2], "money": Decimal128("1.50"), "any_number": [n, 0.5, Decimal128("1")][n % 3],
         "title": "t", "at": date(2024, 1, 1), "raw": Binary(b"a"), "guid": Binary(UUID, 4), "old_guid": Binary(UUID, 3),
         "mixed": [1, "a"][n % 2], "nothing": None, "sometimes": [None, "x"][n % 2], "pattern": Regex("a"),
         "tags": [["a", None], []][n % 2], "refs": [ObjectId("0" * 24)], "odd": [1, "a"], "empty": [], "matrix": [[1]], "people": [{"name": "x"}]}
        for n in range(6)])
    db["scalars"].create_index("whole")
    db["scalars"].create_index([("title", pymongo.DESCENDING), ("flag", pymongo.ASCENDING)])
    db["scalars"].create_index("mostly", sparse=True)
    db["scalars"].create_index("money", partialFilterExpression={"flag": True})
    db["scalars"].create_index([("guid", pymongo.HASHED)])
    db["scalars"].create_index("tags")
    db["scalars"].create_index("sometimes", collation={"locale": "en"})
    insert(db["nested"], [{"_id": n, "size": {"w": 1, "h": {"cm": 2.5}}, "maybe": [None, {"x": 1}][n % 2], "either": [1, {"x": 1}][n % 2],
                               "hollow": {}, "dots": {"a.b": 1}, "votes": {"user%d" % (n * 20 + k): 1 for k in range(20)}} for n in range(20)])
    db["nested"].create_index("size.w")
    names = {"_id": 1, "Upper Case": 1, "a.b": 1, "$money": 1, "it's": 1, "": 1, "x" * 70: 1, "x" * 69 + "y": 1, "ä" * 40: 1, "a": {"$b": 1}}
    insert(db["Odd Names"], [names])
    db["n" * 80].insert_one({"_id": 1})
    db.create_collection("validated", validator={"$jsonSchema": {"bsonType": "object", "required": ["name"], "properties": {
        "name": {"bsonType": "string"}, "year": {"bsonType": ["int", "null"]}, "ratio": {"bsonType": ["int", "double"]},
        "total": {"bsonType": ["long", "double"]}, "price": {"bsonType": "decimal"}, "where": {"bsonType": "object", "properties": {
            "lat": {"bsonType": "double"}, "label": {"bsonType": "string"}}}, "free": {"bsonType": "object"},
        "labels": {"bsonType": "array", "items": {"bsonType": "string"}}, "choice": {"enum": [1, "a"]}}}})
    db["validated"].insert_one({"_id": "a text", "name": "n", "unlisted": 1})
    db.command("create", "seen", viewOn="scalars", pipeline=[{"$project": {"title": 1}}])
    reading = {"at": date(2024, 1, 1), "sensor": "s", "value": 1.5}
    if before_5(db):
        # No time series yet; a view has no key, either.
        db.command("create", "readings", viewOn="scalars", pipeline=[
            {"$limit": 3}, {"$replaceRoot": {"newRoot": {"_id": ObjectId("0" * 24), **reading}}}])
    else:
        db.create_collection("readings", timeseries={"timeField": "at", "metaField": "sensor"})
        db["readings"].insert_many([dict(reading) for _ in range(3)])
    db.create_collection("vacant")


def main():
    part = sys.argv[1]
    client = pymongo.MongoClient("127.0.0.1", int(os.environ["SY_MONGO_PORT"]), directConnection=True, w="majority")
    client.drop_database("sy_test_" + part)
    {"types": load_types, "pushdown": load_pushdown, "import": load_import}[part](client["sy_test_" + part])


main()

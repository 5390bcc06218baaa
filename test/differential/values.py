"""Values as PostgreSQL writes them, each with a form that a source stores.

A pair (text, stored) says: the source holds "stored", a Python object, and
PostgreSQL must read "text" from it.  NULL is (None, ...).
"""
import decimal as decimal_module
import math
import struct
import uuid

import bson
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64

US_PER_DAY = 86400 * 10**6
EPOCH_JULIAN = 2440587.5

INTS = [0, 1, -1, 2, 3, 5, 7, 10, 42, 100, -100, 1000]
INT2_EDGE = [32767, -32768, 32766]
INT4_EDGE = [2147483647, -2147483648, 2147483646, 65536, 16777217]
INT8_EDGE = [9223372036854775807, -9223372036854775808, 9223372036854775806, 9007199254740991, 9007199254740992,
             9007199254740993, 9007199254740994, -9007199254740993, 4611686018427387905, 4294967296]
FLOATS = [0.0, 1.0, -1.0, 2.0, 0.1, 0.2, 0.30000000000000004, 0.3, 1.5, 2.5, -2.5, 6.5, 7.0, 100.25, 667413.2665041,
          1e15, 1e16, 123456789.125, 9007199254740992.0, 9007199254740994.0, 9223372036854775808.0, 1e22, 1e23, 1e100,
          1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, 1e-7, 3.4028234663852886e38]
DECIMALS = ["0", "1", "-1", "1.0", "1.00", "0.1", "0.10", "0.3", "2.5", "6.5", "7", "100.25", "-100.25", "1000",
            "0.1000000000000000055511151231257827", "9007199254740993", "9007199254740992", "9007199254740993.5",
            "12345678901234567890.123", "0.0000001", "1234567890123456789012345678901234", "-0.000001"]
CENTS = ["0", "1", "-1", "1.25", "-7.5", "3.10", "0.1", "0.3", "99999999.99", "-99999999.99", "6.50", "7"]
TEXTS = ["", " ", "a", "A", "b", "B", "ab", "abc", "ABC", "aB", "Zebra", "zebra", "_", "%", "\\", "*", "?", "[", "]", "[a]",
         "$", "$a", "$$ROOT", "'", "''", "\"", "a'b", "a%b", "a_b", "a\\b", "a*b", "a?b", "a[b]c", "a  ", "a b", "  a", "a\tb",
         "a\nb", "\u00e4", "\u00c4", "\u00df", "ss", "\u0131", "I", "i", "\u00e9", "e\u0301", "e", "\u65e5\u672c",
         "\U0001f600", "\uffff", "\ue000", "\u0153", "null", "NULL", "true", "1", "01", "1.0", "-", "--", ";", "NaN", ".", "a.b",
         "^a", "a$", "(a)", "{a}", "a|b", "#", "\x01", "\x7f", "x" * 300, "ab" * 40 + "c", "abcabcabc"]
SHORT_TEXTS = [t for t in TEXTS if len(t) <= 12]
CHARS = ["", "a", "A", "ab", "abc", "abcdef", "x y", "\u00e4", "%", "_", "a'b", " a", "B", "[", "\u65e5"]
BYTES = [b"", b"\0", b"\0\0", b"a", b"b", b"ab", b"aa", b"\xff", b"\xff\xfe", b"abc\0def", b"\x7f", b"\x80", b"A" * 100, b"zz"]
UUIDS = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
         "01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdee",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "80000000-0000-4000-8000-000000000000"]
OBJECTIDS = ["000000000000000000000000", "ffffffffffffffffffffffff", "507f1f77bcf86cd799439011",
             "507f1f77bcf86cd799439012", "507f191e810c19729de860ea", "61a000000000000000000000"]
# Days since 1970.
DAYS = [0, 1, -1, 19723, 19724, 19782, 11016, -25567, 2932896, -719162, 20000, 20088, 364, 365]
# Microseconds of a day.
CLOCKS = [0, 1000, 1, 999999, 500000, 3600 * 10**6, 43200 * 10**6, US_PER_DAY - 1, US_PER_DAY - 1000, 45296123000,
          45296123456, 45296000000]
DOCUMENTS = [{"a": 1}, {"a": None}, {"a": "x"}, {"a": [1, 2]}, {}, {"b": {"c": 1.5}}, {"a": True, "k": "\u00e4\"\\"}]


def civil(days):
    """(year, month, day) in the proleptic Gregorian calendar; year 0 is 1 BC."""
    days += 719468
    era = days // 146097
    doe = days - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    month = (5 * doy + 2) // 153
    day = doy - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month, day


def date_text(days):
    """A date as PostgreSQL reads it."""
    year, month, day = civil(days)
    return "%04d-%02d-%02d%s" % (year if year > 0 else 1 - year, month, day, "" if year > 0 else " BC")


def time_text(us):
    """A timestamp of microseconds since 1970 as PostgreSQL reads it."""
    days, rest = divmod(us, US_PER_DAY)
    year, month, day = civil(days)
    seconds, fraction = divmod(rest, 10**6)
    return "%04d-%02d-%02d %02d:%02d:%02d.%06d%s" % (
        year if year > 0 else 1 - year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60, fraction,
        "" if year > 0 else " BC")


def zoned_text(us):
    """The same as a timestamptz."""
    text = time_text(us)
    return text[:-3] + "+00 BC" if text.endswith(" BC") else text + "+00"


def shortest(number):
    """A double as the shortest text that reads back the same, in PostgreSQL's spelling."""
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if math.isnan(number):
        return "NaN"
    text = repr(number)
    return text[:-2] if text.endswith(".0") else text


def as_float4(number):
    """The double that a float4 of this number is."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def float4s():
    """Doubles that are float4."""
    return sorted({as_float4(n) for n in FLOATS if abs(n) < 3.5e38} | {as_float4(1e-45), as_float4(16777216.0)})


def times():
    """Microseconds since 1970 of many kinds."""
    return [day * US_PER_DAY + clock for i, day in enumerate(DAYS) for clock in (CLOCKS[i % len(CLOCKS)],
                                                                             CLOCKS[(i * 5 + 3) % len(CLOCKS)], 0)]


def nearby(type_, text, dice):
    """A text that is close to another one: a neighbour, an exact expansion, a longer or shorter string."""
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    if type_ in ("float8", "float4"):
        number = float(text)
        if type_ == "float4" and not 1e-37 < abs(number) < 1e38:
            return text
        return shortest(math.nextafter(number, dice.choice([-math.inf, math.inf]))) if abs(number) < 1e308 else text
    if type_ == "numeric":
        exact = "%f" % decimal_of(float(text)) if abs(float(text)) < 1e20 else text
        return dice.choice([exact, text + ("" if "." in text or "e" in text else ".") + "01", text + "0"] if "e" not in text else [exact, text])
    if type_ in ("text", "varchar", "char") and len(text) < 12:
        return dice.choice([text + "\x01", text + " ", text + "a", text[:-1], text.swapcase(), text + "\uffff", text[1:]])
    if type_ in ("timestamp", "timestamptz") and "BC" not in text and "9999" not in text and len(text) > 10:
        zone = "+00" if text.endswith("+00") else ""
        stamp = text[:len(text) - len(zone)]
        return stamp[:-1] + dice.choice("0159") + zone if "." in stamp else text
    if type_ == "bytea":
        return dice.choice([text + "00", text[:-2] if len(text) > 2 else text, text + "ff"])
    return text


def decimal_of(number):
    """All digits of a double."""
    return decimal_module.Decimal(number)


# ------------------------------------------------------------------ BSON


class Date:
    """A BSON date, of any milliseconds since 1970."""

    def __init__(self, ms):
        self.ms = ms


class Raw:
    """A BSON element by type number and bytes."""

    def __init__(self, code, data):
        self.code = code
        self.data = data


UNDEFINED = Raw(6, b"")
ABSENT = object()


def raw_string(data, code=2):
    """A BSON string (or another type of that layout) of any bytes."""
    return Raw(code, struct.pack("<i", len(data) + 1) + data + b"\0")


def element(name, value):
    """One element of a BSON document."""
    key = name.encode() + b"\0"
    if value is ABSENT:
        return b""
    if isinstance(value, Date):
        return b"\x09" + key + struct.pack("<q", value.ms)
    if isinstance(value, Raw):
        return bytes([value.code]) + key + value.data
    if isinstance(value, dict):
        return b"\x03" + key + document(value)
    if isinstance(value, list):
        return b"\x04" + key + document({str(i): v for i, v in enumerate(value)})
    coded = bson.encode({"k": value})
    return coded[4:5] + key + coded[7:-1]


def document(fields):
    """A BSON document of fields that may hold Date, Raw and ABSENT."""
    body = b"".join(element(name, value) for name, value in fields.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def legacy_uuid(text):
    """A UUID of subtype 3, its bytes in order."""
    return Binary(uuid.UUID(text).bytes, 3)


def array_text(items):
    """A PostgreSQL array literal of texts, None and nested lists."""
    def one(item):
        if item is None:
            return "NULL"
        if isinstance(item, list):
            return array_text(item)
        return "\"%s\"" % str(item).replace("\\", "\\\\").replace("\"", "\\\"")
    return "{%s}" % ",".join(one(item) for item in items)


def decimal(text):
    """A Decimal128."""
    return Decimal128(text)


def int64(number):
    """A BSON long, even for small numbers."""
    return Int64(number)

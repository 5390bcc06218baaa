"""What doc/pushdown.md promises to send, construct by construct and column by column.

The sweep asks every form of every construct on every column, and looks at the
plan: that the answer is right proves nothing about who gave it.
"""
import re

import queries

EXACT, WIDER, LOCAL = "exact", "wider", "local"
UNDER_C = "exact under C"       # else local

# Of a column: = and IN, <> and NOT IN, < and BETWEEN, LIKE, IS NOT NULL, ORDER BY.
SQLITE = {
    "plain": (EXACT, EXACT, EXACT, None, EXACT, True),          # bool, int, float, bytea, uuid, date, unix times
    "numeric": (EXACT, EXACT, EXACT, None, EXACT, False),
    "text": (EXACT, EXACT, UNDER_C, EXACT, EXACT, UNDER_C),
    "char": (EXACT, EXACT, UNDER_C, LOCAL, EXACT, UNDER_C),
    "iso": (WIDER, LOCAL, WIDER, None, EXACT, False),
    "local": (LOCAL, LOCAL, LOCAL, None, EXACT, False),         # decimal text, julian, json
}
MONGODB = {
    "plain": (EXACT, EXACT, EXACT, None, EXACT, True),          # bool, int, float8, uuid, times
    "weak": (WIDER, WIDER, WIDER, None, WIDER, False),          # float4, numeric(p,s)
    "numeric": (EXACT, EXACT, EXACT, None, EXACT, False),
    "text": (EXACT, EXACT, UNDER_C, EXACT, EXACT, UNDER_C),
    "objectid": (EXACT, EXACT, UNDER_C, LOCAL, EXACT, UNDER_C),
    "char": (EXACT, LOCAL, LOCAL, LOCAL, EXACT, False),
    "bytea": (EXACT, WIDER, LOCAL, None, WIDER, False),
    "json": (LOCAL, LOCAL, LOCAL, None, WIDER, False),          # arrays too
    "nothing": (LOCAL, LOCAL, LOCAL, None, LOCAL, False),       # names with a dot
}


def kind_of(driver, column):
    """The column's row of the table above."""
    storage = column.options.get("storage")
    if driver == "sqlite":
        if column.base in ("json", "jsonb") or storage == "julian" or (column.base == "numeric" and storage == "text"):
            return "local"
        if column.base in ("timestamp", "timestamptz") and storage == "iso":
            return "iso"
    elif "." in column.options.get("column_name", "") or column.options.get("path") == ".":
        return "nothing"
    elif column.base.endswith("[]") or column.base in ("json", "jsonb"):
        return "json"
    elif column.options.get("bson_type") == "objectid":
        return "objectid"
    elif column.type == "float4" or column.type.startswith("numeric("):
        return "weak"
    elif column.base == "bytea":
        return "bytea"
    if column.base in ("text", "varchar"):
        return "text"
    return column.base if column.base in ("char", "numeric") else "plain"


class Form:
    """One way to write a construct; {c} is the column, {0} and so on are values."""

    def __init__(self, group, template, count=1, array=False, parameter=None):
        self.group = group              # position in the tables above
        self.template = template
        self.count = count
        self.array = array              # the value is an array of count
        self.parameter = parameter      # the class if values are parameters, if it differs


EQUAL, UNEQUAL, RANGE, LIKE, NOT_NULL = range(5)
NULL = "null"
COMPARED = [
    Form(EQUAL, "{c} = {0}"), Form(EQUAL, "{0} = {c}"), Form(EQUAL, "{c} IN ({0}, {1})", 2, parameter=WIDER),
    Form(EQUAL, "{c} = ANY ({0})", 3, True, WIDER), Form(EQUAL, "{c} IS NOT DISTINCT FROM {0}"), Form(EQUAL, "NOT ({c} <> {0})"),
    Form(EQUAL, "{c} = {0} OR {c} = {1}", 2),
    Form(UNEQUAL, "{c} <> {0}"), Form(UNEQUAL, "{c} NOT IN ({0}, {1})", 2, parameter=WIDER), Form(UNEQUAL, "{c} <> ALL ({0})", 3, True, WIDER),
    Form(UNEQUAL, "{c} IS DISTINCT FROM {0}"), Form(UNEQUAL, "NOT ({c} = {0})"), Form(UNEQUAL, "({c} = {0}) IS FALSE"),
    Form(RANGE, "{c} < {0}"), Form(RANGE, "{c} <= {0}"), Form(RANGE, "{c} > {0}"), Form(RANGE, "{c} >= {0}"),
    Form(RANGE, "{0} < {c}"), Form(RANGE, "{0} >= {c}"), Form(RANGE, "{c} BETWEEN {0} AND {1}", 2), Form(RANGE, "{c} NOT BETWEEN {0} AND {1}", 2),
    Form(RANGE, "NOT ({c} < {0})"), Form(RANGE, "({c} >= {0}) IS TRUE"),
    Form(RANGE, "{c} < ANY ({0})", 3, True, LOCAL), Form(RANGE, "{c} >= ALL ({0})", 2, True, LOCAL),
]
NULLS = [Form(NULL, "{c} IS NULL", 0), Form(NOT_NULL, "{c} IS NOT NULL", 0), Form(NOT_NULL, "NOT ({c} IS NULL)", 0)]
LIKES = [Form(LIKE, "{c} %s '%s'" % (word, pattern), 0) for word in ("LIKE", "NOT LIKE")
         for pattern in ("a", "a%", "%a", "%b%", "a%c", "_b%", "[%", "%\\_%", "*%")]
LIKES += [Form(LIKE, "{c} %s {0}" % word, parameter=WIDER) for word in ("LIKE", "NOT LIKE")]
BOOLEAN = [Form(EQUAL, template, 0) for template in (
    "{c}", "NOT {c}", "{c} IS TRUE", "{c} IS NOT TRUE", "{c} IS FALSE", "{c} IS NOT FALSE")]
BOOLEAN += [Form(NULL, "{c} IS UNKNOWN", 0), Form(NOT_NULL, "{c} IS NOT UNKNOWN", 0)]
COLLATED = [(" COLLATE \"C\"", True, True), (" COLLATE \"en-x-icu\"", True, False), (" COLLATE l.blind", False, False)]

ORDERS = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]

FILTER = re.compile(r' WHERE |"filter"\s*:\s*\{\s*"|"\$match"')
SORT = re.compile(r' ORDER BY |"sort"\s*:|"\$sort"')
LIMIT = re.compile(r' LIMIT |"limit"\s*:|"\$limit"')
OFFSET = re.compile(r' OFFSET |"skip"\s*:|"\$skip"')
COUNT = re.compile(r'SELECT count\(\*\)|"\$count"')


def seen(remote, plan):
    """The class that a plan shows."""
    if not plan:
        return "error"
    repeated = any(re.match(r"\s*Filter:", line) for line in plan)
    if not FILTER.search(" ".join(remote)):
        return LOCAL
    return WIDER if repeated else EXACT


def forms_of(column):
    """All forms that the column's type has operators for."""
    forms = list(NULLS)
    if column.base != "json":
        forms += [form for form in COMPARED if not (form.array and column.base.endswith("[]"))]
    if column.base == "bool":
        forms += BOOLEAN
    if column.base in queries.TEXTS:
        forms += LIKES
    return forms


def promised(driver, column, form, c_order, c_equal=True, parameter=False):
    """The class that the documentation promises; c_order: the collation's order is that of bytes."""
    if form.group == NULL:
        return LOCAL if kind_of(driver, column) == "nothing" else EXACT
    row = (SQLITE if driver == "sqlite" else MONGODB)[kind_of(driver, column)]
    result = row[form.group]
    if result == UNDER_C:
        result = EXACT if c_order else LOCAL
    if not c_equal and form.group != NOT_NULL:
        return LOCAL
    if driver == "mongodb" and form.group == LIKE and result == EXACT and "%b%c" in form.template and column.base == "text":
        return WIDER
    if "IS NOT DISTINCT" in form.template and kind_of(driver, column) == "iso":
        return LOCAL
    if parameter and form.parameter:
        if form.group != LIKE and form.parameter == WIDER and driver == "mongodb":
            return result               # it takes lists of any length
        return min(result, form.parameter, key=[LOCAL, WIDER, EXACT].index)
    return result


def promised_order(driver, column, c_order):
    """Is ORDER BY this column promised?"""
    row = (SQLITE if driver == "sqlite" else MONGODB)[kind_of(driver, column)]
    if driver == "sqlite" and column.type.startswith("numeric("):
        return True
    return c_order if row[5] == UNDER_C else row[5]

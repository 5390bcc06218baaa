"""Random queries over one table.

A query is a tree of Python objects, so that it can be rendered with constants,
parameters or columns of another table in the place of its values, and made
smaller when it fails.
"""
import values as v

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
INTEGERS = ("int2", "int4", "int8")
FLOAT_RANGES = {"float4": (1e-44, 3.4e38), "float8": (1e-320, 1.7e308)}
NUMBERS = INTEGERS + ("float4", "float8", "numeric")
TEXTS = ("text", "varchar", "char")
TIMES = ("date", "timestamp", "timestamptz")
UNORDERED = ("json",)

# What a column of a type is compared with: its own type most often.
PARTNERS = {
    "int2": ("int2", "int4", "int8", "numeric", "float8", "float4"),
    "int4": ("int4", "int2", "int8", "numeric", "float8", "float4"),
    "int8": ("int8", "int4", "int2", "numeric", "float8", "float4"),
    "float4": ("float4", "float8", "int4", "numeric"),
    "float8": ("float8", "float4", "int8", "numeric"),
    "numeric": ("numeric", "int4", "int8", "float8"),
    "date": ("date", "timestamp", "timestamptz"),
    "timestamp": ("timestamp", "date", "timestamptz"),
    "timestamptz": ("timestamptz", "timestamp", "date"),
    "text": ("text", "varchar"),
    "varchar": ("text", "varchar"),
    "char": ("char", "text"),
}

# Further constants of each type, beside what the columns hold.
MORE = {
    "bool": ["t", "f"],
    "int2": [str(n) for n in v.INTS + v.INT2_EDGE],
    "int4": [str(n) for n in v.INTS + v.INT4_EDGE],
    "int8": [str(n) for n in v.INTS + v.INT8_EDGE],
    "float8": [v.shortest(n) for n in v.FLOATS] + ["NaN", "Infinity", "-Infinity", "-0", "9007199254740993", "0.5", "4.9e-324",
                                                  "9223372036854775807", "-9223372036854775808", "1e19", "-1e19"],
    "float4": ["NaN", "Infinity", "-Infinity", "-0", "0", "1", "0.1", "2.5", "16777216", "3.4028235e38", "1e-45"],
    "numeric": v.DECIMALS + v.CENTS + ["NaN", "Infinity", "-Infinity", "9007199254740991.5", "9223372036854775807", "9223372036854775808",
                                       "-9223372036854775809", "1e40", "-1e40", "1e-40", "0.30000000000000004", "32767.5",
                                       "0.125", "1e100", "1e310", "5e-324", "667413.2665041", "12345678901234567890123456789012345678"],
    "text": v.TEXTS,
    "varchar": v.SHORT_TEXTS,
    "char": v.CHARS + ["a ", "ab  "],
    "bytea": ["\\x" + b.hex() for b in v.BYTES],
    "uuid": v.UUIDS,
    "date": [v.date_text(d) for d in v.DAYS] + ["infinity", "-infinity", "4714-11-24 BC", "0044-03-15 BC", "5874897-12-31"],
    "timestamp": [v.time_text(t) for t in v.times()] + ["infinity", "-infinity", "4714-11-24 00:00 BC", "294276-12-31 23:59:59.999999"],
    "timestamptz": [v.zoned_text(t) for t in v.times()] + ["infinity", "-infinity", "294276-12-31 23:59:59.999999+00"],
    "json": ["{}"],
    "jsonb": ["{}", "1", "null", "{\"a\": 1}"],
    "int8[]": ["{}", "{1}", "{1,2}", "{NULL}"],
    "text[]": ["{}", "{a}", "{a,b}", "{NULL}"],
}

# Values that some other types of their family do not have.
FAR = ("4714-11-24 BC", "5874897-12-31", "4714-11-24 00:00 BC", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999+00", "1e310")

PATTERNS = ["", "%", "_", "a%", "%a", "%a%", "a_", "_b", "a%c", "%b%c", "a%b%", "\\%%", "%\\_%", "\\\\%", "%\\\\", "%*%", "%?%", "[%", "%[a]%",
            "%]%", "$%", "%$%", "^%", "%.%", "_.%", "%|%", "(%", "%'%", "%\"%", "\u00e4%", "%\u00e4", "_\u0301", "%\u65e5%", "x%x%x", "A%", "%B",
            "% ", " %", "__", "____%", "%%", "%%a%%", "\\a%", "%\n%", "%\t_", "\U0001f600", "_%_", "a", "ab", "zebra", "%c%", "%ab%ab%c", "a  ",
            "%\uffff", "#%", "%{%}", "%-%", "\x01%"]


class Value:
    """A value in a query: a type and a text, or None for NULL."""

    def __init__(self, type_, text, bare=False):
        self.type = sql_type(type_)
        self.text = text
        self.bare = bare            # as a constant without a type of its own

    def literal(self):
        """As a constant."""
        return quote(self.text) if self.bare else self.typed()

    def typed(self):
        """As a constant with its type."""
        return "NULL::%s" % self.type if self.text is None else "%s::%s" % (quote(self.text), self.type)


class Leaf:
    """A condition without AND, OR, NOT."""

    def __init__(self, construct, template, columns, draw=None, column=None):
        self.construct = construct      # for the count of what was pushed
        self.template = template        # {0}, {1}: the values
        self.columns = columns          # names
        self.draw = draw or (lambda dice: [])
        self.column = column            # if it is about one column alone
        self.values = []

    def redraw(self, dice):
        """Other values of the same types."""
        self.values = self.draw(dice)

    def leaves(self):
        """Itself."""
        return [self]

    def render(self, show):
        """SQL, with show(value) for each value."""
        return self.template.format(*[show(value) for value in self.values])

    def smaller(self):
        """Nothing simpler is known."""
        return []


class Tree:
    """AND, OR or NOT of conditions."""

    construct = "tree"

    def __init__(self, word, children):
        self.word = word
        self.children = children

    def leaves(self):
        """All conditions in it."""
        return [leaf for child in self.children for leaf in child.leaves()]

    def render(self, show):
        """SQL."""
        if self.word == "NOT":
            return "NOT (%s)" % self.children[0].render(show)
        return "(%s)" % (" %s " % self.word).join(child.render(show) for child in self.children)

    def smaller(self):
        """Simpler trees to try in its place."""
        yield from self.children
        for i, child in enumerate(self.children):
            for other in child.smaller():
                yield Tree(self.word, self.children[:i] + [other] + self.children[i + 1:])
            if len(self.children) > 2:
                yield Tree(self.word, self.children[:i] + self.children[i + 1:])


class Shape:
    """What a query is beside its select list, condition, order and bounds."""

    def __init__(self, name, head="SELECT", tail="", wrap="%s", ties=False, loose=False):
        self.name = name
        self.head = head        # "SELECT DISTINCT"
        self.tail = tail        # behind WHERE
        self.wrap = wrap        # around the query
        self.ties = ties        # FETCH FIRST n ROWS WITH TIES
        self.loose = loose      # the order is not total


PLAIN = Shape("plain")


class Query:
    """SELECT targets FROM table WHERE condition ORDER BY orders LIMIT/OFFSET bounds."""

    def __init__(self, table, targets, where=None, orders=(), limit=None, offset=None, shape=PLAIN):
        self.table = table
        self.targets = targets          # SQL of the select list
        self.where = where
        self.orders = list(orders)      # (SQL of the key, column's name or None)
        self.limit = limit              # a Value or None
        self.offset = offset
        self.shape = shape

    def values(self):
        """The values, in the order in which render() shows them."""
        result = [value for leaf in (self.where.leaves() if self.where else []) for value in leaf.values]
        return result + [bound for bound in (self.limit, self.offset) if bound is not None]

    def assign(self, values):
        """Put other values in the place of values()."""
        values = list(values)
        for leaf in self.where.leaves() if self.where else []:
            leaf.values = [values.pop(0) for _ in leaf.values]
        if self.limit is not None:
            self.limit = values.pop(0)
        if self.offset is not None:
            self.offset = values.pop(0)

    def redraw(self, dice):
        """Other values everywhere."""
        for leaf in self.where.leaves() if self.where else []:
            leaf.redraw(dice)
        if self.limit is not None:
            self.limit = draw_bound(dice)
        if self.offset is not None:
            self.offset = draw_bound(dice)

    def ordered(self):
        """Does the result have an order that is total?"""
        return bool(self.orders) and not self.shape.loose

    def mentions(self):
        """Names of the columns of conditions and sort keys."""
        names = {name for leaf in (self.where.leaves() if self.where else []) for name in leaf.columns}
        return names | {name for _, name in self.orders if name}

    def render(self, source, show=Value.literal):
        """SQL over the FROM item "source"."""
        sql = "%s %s FROM %s AS t" % (self.shape.head, ", ".join(self.targets), source)
        if self.where:
            sql += " WHERE " + self.where.render(show)
        sql += self.shape.tail
        if self.orders:
            sql += " ORDER BY " + ", ".join(key for key, _ in self.orders)
        if self.limit is not None:
            sql += (" FETCH FIRST (%s) ROWS WITH TIES" if self.shape.ties else " LIMIT %s") % show(self.limit)
        if self.offset is not None:
            sql += " OFFSET " + show(self.offset)
        return self.shape.wrap.replace("%s", sql)

    def smaller(self):
        """Simpler queries to try in its place."""
        def copy(**changes):
            parts = {"targets": self.targets, "where": self.where, "orders": self.orders, "limit": self.limit, "offset": self.offset,
                     "shape": self.shape}
            parts.update(changes)
            return Query(self.table, **parts)
        if self.shape is not PLAIN and not self.shape.tail:
            yield copy(shape=PLAIN)
        if self.limit is not None:
            yield copy(limit=None)
        if self.offset is not None:
            yield copy(offset=None)
        if self.orders and self.limit is None and self.offset is None:
            yield copy(orders=[])
        if len(self.orders) > 1:
            for i in range(len(self.orders) - 1):
                yield copy(orders=self.orders[:i] + self.orders[i + 1:])
        if self.where:
            yield copy(where=None)
            for where in self.where.smaller():
                yield copy(where=where)
        for i in range(len(self.targets) if len(self.targets) > 1 and self.shape is PLAIN else 0):
            yield copy(targets=self.targets[:i] + self.targets[i + 1:])


def quote(text):
    """An SQL string; escapes for what must not stand in it."""
    if "\\" in text:
        return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''")
    return "'%s'" % text.replace("'", "''")


def becomes_float(text, base):
    """Is the numeric within a float type's range?"""
    low, high = FLOAT_RANGES[base]
    return text in ("NaN", "Infinity", "-Infinity") or low < abs(float(text)) < high or not text.strip("-0.")


def draw_bound(dice):
    """A LIMIT or OFFSET."""
    return Value("int8", dice.choice(["0", "1", "2", "3", "5", "10", "50", "1000", None] * 6 + ["-1", "9223372036854775807"]))


class Generator:
    """Makes queries."""

    def __init__(self, dice):
        self.dice = dice

    # ------------------------------------------------------------- values

    def text_of(self, type_, column=None):
        """The text of a value of this type, often one that the column holds."""
        if column is not None and column.texts and fits(column, type_) and self.dice.random() < 0.65:
            text = self.dice.choice(column.texts)
            return v.nearby(type_, text, self.dice) if self.dice.random() < 0.25 else text
        # What the type beside it has no place for is an error, but not for every plan: dates beyond any timestamp, numerics as floats.
        if type_ == "date" and (column is None or column.base != "date"):
            return self.dice.choice(MORE[type_][:-1])
        if type_ == "numeric" and column is not None and column.base in FLOAT_RANGES:
            return self.dice.choice([text for text in MORE[type_] if becomes_float(text, column.base)])
        return self.dice.choice(MORE[type_])

    def value(self, type_, column=None, null=0.04):
        """A value of a type; "column" is what it is compared with."""
        if self.dice.random() < null:
            return Value(type_, None)
        text = self.text_of(type_, column)
        return Value(type_, text, bare=column is not None and type_ == column.base and self.dice.random() < 0.15)

    def partner(self, column):
        """A type to compare this column with."""
        partners = PARTNERS.get(column.base, (column.base,))
        return partners[0] if self.dice.random() < 0.6 else self.dice.choice(partners)

    def array(self, type_, column):
        """An array value."""
        if self.dice.random() < 0.03:
            return Value(sql_type(type_) + "[]", None)
        count = self.dice.choice([0, 1, 1, 2, 3, 5, 20] * 8 + [120, 1100])
        null = 0.15 if self.dice.random() < 0.3 else 0
        return Value(sql_type(type_) + "[]", v.array_text([self.value(type_, column, null).text for _ in range(count)]))

    # ------------------------------------------------------------- leaves

    def collate(self, column):
        """A COLLATE clause, now and then, for text."""
        if column.base not in TEXTS or self.dice.random() < 0.8:
            return ""
        return self.dice.choice([" COLLATE \"C\"", " COLLATE \"C\"", " COLLATE \"en-x-icu\"", " COLLATE l.blind", " COLLATE \"POSIX\""])

    def comparison(self, column):
        """column op value"""
        type_ = self.partner(column)
        op = self.dice.choice(COMPARISONS)
        template = "t.%s%s %s {0}" % (column.name, self.collate(column), op)
        if self.dice.random() < 0.2:
            template = "{0} %s t.%s" % (op, column.name)
        kind = "mixed" if type_ != column.base else "equal" if op in ("=", "<>") else "range"
        return Leaf(kind, template, [column.name], lambda dice: [self.value(type_, column)], column)

    def between(self, column):
        """column BETWEEN value AND value"""
        type_ = self.partner(column)
        word = self.dice.choice(["BETWEEN", "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"])

        def draw(dice):
            pair = [self.value(type_, column, 0.02), self.value(type_, column, 0.02)]
            return pair if word.startswith("NOT") or dice.random() < 0.5 else pair[::-1]
        return Leaf("between", "t.%s%s %s {0} AND {1}" % (column.name, self.collate(column), word), [column.name], draw, column)

    def in_list(self, column):
        """column [NOT] IN (values)"""
        type_ = self.partner(column)
        count = self.dice.choice([1, 2, 3, 5, 12] * 8 + [150])
        null = 0.1 if self.dice.random() < 0.25 else 0
        word = self.dice.choice(["IN", "IN", "NOT IN"])
        template = "t.%s%s %s (%s)" % (column.name, self.collate(column), word, ", ".join("{%d}" % i for i in range(count)))

        def draw(dice):
            values = [self.value(type_, column, null) for _ in range(count)]
            # PostgreSQL casts these to the column's type, which may be an error: raised before the scan, even if no row comes so far.
            return [Value(type_, None) if type_ != column.base and value.text in FAR else value for value in values]
        return Leaf("in", template, [column.name], draw, column)

    def any_array(self, column):
        """column op ANY (array), column op ALL (array)"""
        type_ = self.partner(column)
        op, word = self.dice.choice([("=", "ANY"), ("=", "ANY"), ("<>", "ALL"), ("<>", "ALL"), ("<", "ANY"), (">=", "ALL"), ("=", "ALL"), ("<>", "ANY")])
        construct = "any" if (op, word) in (("=", "ANY"), ("<>", "ALL")) else "any order"
        return Leaf(construct, "t.%s%s %s %s ({0})" % (column.name, self.collate(column), op, word), [column.name], lambda dice: [self.array(type_, column)], column)

    def null_test(self, column):
        """column IS [NOT] NULL"""
        return Leaf("null", "t.%s IS %sNULL" % (column.name, self.dice.choice(["", "NOT "])), [column.name], column=column)

    def distinct(self, column):
        """column IS [NOT] DISTINCT FROM value"""
        type_ = self.partner(column)
        return Leaf("distinct", "t.%s%s IS %sDISTINCT FROM {0}" % (column.name, self.collate(column), self.dice.choice(["", "NOT "])), [column.name],
                    lambda dice: [self.value(type_, column, 0.15)], column)

    def boolean(self, column):
        """b, NOT b, b IS TRUE ..."""
        word = self.dice.choice(["", " IS TRUE", " IS NOT TRUE", " IS FALSE", " IS NOT FALSE", " IS UNKNOWN", " IS NOT UNKNOWN"])
        return Leaf("test", "t.%s%s" % (column.name, word), [column.name], column=column)

    def like(self, column):
        """column [NOT] LIKE pattern"""
        word = self.dice.choice(["LIKE", "LIKE", "NOT LIKE", "~~", "!~~"])
        escape = self.dice.choice([""] * 8 + [" ESCAPE '!'", " ESCAPE ''"]) if "~" not in word else ""

        def draw(dice):
            if dice.random() < 0.1:
                return [Value("text", None)]
            if dice.random() < 0.3:
                text = dice.choice(column.texts).replace("\\", "\\\\")
                at = dice.randrange(len(text) + 1)
                return [Value("text", (text[:at] + dice.choice("%_") + text[at + dice.randrange(3):]).rstrip("\\") or "%")]
            return [Value("text", dice.choice(PATTERNS))]
        collate = self.collate(column)
        while "blind" in collate:       # an error, see lone_leaf
            collate = self.collate(column)
        return Leaf("like", "t.%s%s %s {0}%s" % (column.name, collate, word, escape), [column.name], draw, column)

    def leaf(self, table):
        """A condition that may be shipped."""
        column = self.dice.choice(table.columns)
        if self.dice.random() < 0.05:
            column = next((c for c in table.columns if c.base == "bool"), column)
        kinds = [self.null_test]
        if column.base == "bool":
            kinds += [self.boolean] * 4
        if column.base not in ("json",):
            kinds += [self.comparison] * 6 + [self.between, self.in_list, self.in_list, self.any_array, self.any_array, self.distinct, self.distinct]
        if column.base.endswith("[]"):
            kinds = [self.null_test, self.comparison, self.distinct]
        if column.base in ("text", "varchar"):
            kinds += [self.like] * 5
        if column.base == "char":
            kinds += [self.like]
        leaf = self.dice.choice(kinds)(column)
        leaf.redraw(self.dice)
        return leaf

    def local_leaf(self, table):
        """A condition that stays here."""
        def named(*bases):
            return self.dice.choice([c.name for c in table.columns if c.base in bases])
        number = named("int4")
        text = named("text", "varchar")
        other = self.dice.choice(table.columns)
        twin = self.dice.choice([c for c in table.columns if c.base == other.base])
        kinds = [("upper(t.%s) = {0}" % text, [text], "text"), ("length(t.%s) > 2" % text, [text], None),
                 ("t.%s || 'x' <> {0}" % text, [text], "text"), ("t.%s ILIKE '%%A%%'" % text, [text], None), ("t.%s ~ '^[ab]'" % text, [text], None),
                 ("abs(t.%s::int8) > 5" % number, [number], None), ("t.%s::int8 + 1 > {0}" % number, [number], "int8"),
                 ("coalesce(t.%s, 0) = 0" % number, [number], None), ("CASE WHEN t.%s > 3 THEN true ELSE t.%s IS NULL END" % (number, text), [number, text], None),
                 ("t.%s %% 3 = 1" % number, [number], None), ("t.jb ->> 'a' = '1'", ["jb"], None), ("jsonb_typeof(t.jb) = 'object'", ["jb"], None),
                 ("random() >= 0", [], None), ("EXISTS (SELECT 1 FROM generate_series(1, 5) g WHERE g = t.%s)" % number, [number], None),
                 ("t.%s IN (SELECT g FROM generate_series(0, 9) g)" % number, [number], None), ("t.%s = lower(t.%s)" % (text, text), [text], None),
                 ("(t.%s, t.id) < (5, 100)" % number, [number], None), ("(t.%s, t.id) IN ((1, 5), (2, 6), (0, 7))" % number, [number], None),
                 ("t.%s::text = {0}" % other.name, [other.name], "text"), ("num_nulls(t.%s, t.%s) = 1" % (other.name, text), [other.name, text], None),
                 ("nullif(t.%s, 3) IS NULL" % number, [number], None)]
        if other.base not in ("json",):
            kinds += [("t.%s = t.%s" % (other.name, twin.name), [other.name, twin.name], None),
                      ("t.%s IS NOT DISTINCT FROM t.%s" % (other.name, twin.name), [other.name, twin.name], None)] * 2
        template, columns, type_ = self.dice.choice(kinds)
        leaf = Leaf("local", template.replace("{0}", "\0").replace("{", "{{").replace("}", "}}").replace("\0", "{0}"), columns,
                    (lambda dice: [self.value(type_, None)]) if type_ else None)
        leaf.redraw(self.dice)
        return leaf

    def lone_leaf(self, table):
        """A condition that raises for some rows: whether it does beside others, nobody promises."""
        def named(*bases):
            return self.dice.choice([c.name for c in table.columns if c.base in bases])
        text = named("text", "varchar")
        number = named("int4")
        template, name = self.dice.choice([
            ("t.%s LIKE {0}", text), ("t.%s NOT LIKE {0}", text), ("t.%s COLLATE l.blind LIKE '%%a%%'", text), ("t.%s LIKE 'a' ESCAPE 'ab'", text),
            ("1 / t.%s > 0", number), ("t.%s::int2 > 3", number), ("t.%s::int4 = 1", text), ("t.%s + 2147483000 > 0", number),
            ("sqrt(t.%s) > 1", named("float8"))])
        leaf = Leaf("error", template % name, [name], lambda dice: [Value("text", dice.choice(["a\\", "%\\", "\\", "_\\", "a%\\"]))])
        if "{0}" not in template:
            leaf.draw = lambda dice: []
        leaf.redraw(self.dice)
        return leaf

    def wrapped(self, table):
        """(condition) IS [NOT] TRUE and the like."""
        leaf = self.leaf(table)
        word = self.dice.choice(["TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "UNKNOWN", "NOT UNKNOWN"])
        result = Leaf("wrapped", "(%s) IS %s" % (leaf.template, word), leaf.columns, leaf.draw)
        result.values = leaf.values
        return result

    def condition(self, table, depth=0):
        """A condition with AND, OR, NOT."""
        roll = self.dice.random()
        if depth < 3 and roll < (0.45 if depth == 0 else 0.3):
            word = self.dice.choice(["AND", "AND", "OR", "OR", "NOT"])
            count = 1 if word == "NOT" else self.dice.choice([2, 2, 3])
            return Tree(word, [self.condition(table, depth + 1) for _ in range(count)])
        if roll > 0.95:
            return self.local_leaf(table)
        if roll > 0.92:
            return self.wrapped(table)
        return self.leaf(table)

    # ------------------------------------------------------------- queries

    def orders(self, table, most=3):
        """Sort keys, the last of them unique."""
        result = []
        for column in self.dice.sample(table.columns, self.dice.randrange(most + 1)):
            if column.base not in UNORDERED:
                key = "t.%s%s%s%s" % (column.name, self.collate(column), self.dice.choice(["", " DESC"]), self.dice.choice(["", " NULLS FIRST", " NULLS LAST"]))
                result.append((key, column.name))
        return result + [("t.id" + self.dice.choice(["", " DESC"]), None)]

    def shaped(self, table, where):
        """A query that is more than a plain SELECT."""
        number = self.dice.choice([c.name for c in table.columns if c.base in INTEGERS])
        other = self.dice.choice([c.name for c in table.columns])
        by_id = [("t.id", None)]
        few = Value("int8", self.dice.choice(["1", "3", "5"]))
        more = Value("int8", self.dice.choice(["1", "2", "7", None]))
        kind = self.dice.randrange(15)
        if kind < 4:
            counts = [["count(*)", "count(*) + 1"], ["count(*)", "count(t.%s)" % other], ["count(*) FILTER (WHERE t.id > 50)"], ["count(*)"]][kind]
            return Query(table, counts, where, shape=Shape("counted", tail=" HAVING count(*) > 5" if kind == 3 else ""))
        if kind == 4:
            return Query(table, ["t." + number, "count(*)"], where, shape=Shape("grouped", tail=" GROUP BY t." + number))
        if kind == 5:
            return Query(table, ["t." + number], where, shape=Shape("distinct", head="SELECT DISTINCT"))
        if kind == 6:
            return Query(table, ["t.id", "t." + number], where, [("t." + number, number)] + by_id, few, shape=Shape("distinct on", "SELECT DISTINCT ON (t.%s)" % number))
        if kind == 7:
            return Query(table, ["t.id", "row_number() OVER (ORDER BY t.%s, t.id)" % number], where, by_id, few, more, Shape("windowed"))
        if kind == 8:
            return Query(table, ["t.id"], where, [("t." + number, number)], few, None, Shape("with ties", ties=True, loose=True))
        if kind < 13:
            return Query(table, ["t.id", "1000 / t.id", "t.%s" % other], where, self.orders(table, 1), few, more, Shape("computed"))
        if kind == 13:
            return Query(table, ["t.id", "t." + other], where, by_id, few, more, Shape("nested", wrap="SELECT q.* FROM (%s) AS q WHERE q.id % 2 = 0 ORDER BY 1"))
        return Query(table, ["t.id"], where, by_id, few, more, Shape("united", wrap="(%s) UNION ALL SELECT count(*) FROM (%s) AS q", loose=True))

    def query(self, table):
        """A query."""
        where = None
        roll = self.dice.random()
        if roll < 0.93:
            where = self.lone_leaf(table) if roll < 0.03 else self.leaf(table) if roll < 0.4 else self.condition(table)
        if self.dice.random() < 0.1:
            return Query(table, ["count(*)"], where)
        if self.dice.random() < 0.08 and (where is None or where.construct != "error"):
            return self.shaped(table, where)
        targets = ["t.id"] + ["t." + column.name for column in self.dice.sample(table.columns, self.dice.choice([0, 1, 2, 3]))]
        if self.dice.random() < 0.03:
            targets = ["t.*"]
        query = Query(table, targets, where)
        if where is not None and where.construct == "error":
            return query
        if self.dice.random() < 0.45:
            query.orders = self.orders(table)
            if self.dice.random() < 0.6:
                query.limit = draw_bound(self.dice)
            if self.dice.random() < 0.3:
                query.offset = draw_bound(self.dice)
        return query


def sql_type(type_):
    """The type's name in a cast; "char" alone would be char(1)."""
    return "bpchar" if type_ == "char" else type_


def fits(column, type_):
    """Can the texts of this column be values of another type?"""
    if type_ == column.base:
        return True
    if type_ in ("numeric", "float8"):
        return column.base in NUMBERS and not (type_ == "float8" and column.base == "numeric" and column.name in ("nt",))
    if type_ in ("text", "varchar"):
        return column.base in TEXTS
    if type_ == "char":
        return column.base in TEXTS
    if type_ in ("timestamp", "timestamptz"):
        return column.base in TIMES
    return False

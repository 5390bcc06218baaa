"""Fill the sources and the local copies.

Sources are filled through their own clients, local copies from the texts of
the values, so that no line of switchyard takes part in what is expected.

Schema f holds foreign tables, schema l local ones.  For each driver:
    t_<driver>_all      every column, many rows
    t_<driver>_none     the same columns, no row
    t_<driver>_view     the same rows as _all, and so are
    t_sqlite_keyed      without rowid
    t_sqlite_utf16      in a file of another encoding
    t_sqlite_strict     a STRICT table
    t_sqlite_generated  of generated columns
    t_mongodb_plain     without collation and indexes
    t_mongodb_piped     a view that computes
    t_mongodb_collated  a view with a collation of its own
    t_mongodb_whole     whole documents as a column
    t_<driver>_parent   inherited by both
    t_<driver>_root     partitioned into it and a local table, with policies
    t_..._barrier       a view of them with a condition of its own
    t_<driver>_bad_<c>  id, x, g: x is of one of the columns, and in one row
                        outside of its domain
The local copies of the last kind hold the rows once for each "variant": 0
without the bad row, the others with a good value in its place.
"""
import os
import sqlite3

import pymongo
from bson.raw_bson import RawBSONDocument

import cases
import columns as c
import values as v

ROWS = 220
BAD_ID = 4
GOOD_IDS = (1, 2, 3, 5, 6, 7)
VARIANTS = 4
OTHERS = {"sqlite": ("view", "keyed", "utf16", "strict", "generated"), "mongodb": ("view", "plain", "piped", "collated")}
STRICT_TYPES = ("INTEGER", "REAL", "TEXT", "BLOB")
READER = cases.READER
MONGO_DATABASE = "differential_%d" % os.getpid()


class Table:
    """A foreign table with its local copy."""

    def __init__(self, driver, name, columns, like=None):
        self.driver = driver
        self.name = name
        self.columns = columns
        self.local = like.name if like else name        # the table in schema l

    def named(self, name):
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)


class BadTable(Table):
    """A foreign table that has one bad value, which changes."""

    def __init__(self, driver, column, dice):
        options = {key: value for key, value in column.options.items() if key != "column_name"}
        self.x = c.Column("x", column.type, column.pairs, column.decl, column.bad, **options)
        super().__init__(driver, "t_%s_bad_%s" % (driver, column.name), [self.x, good_column()])
        self.choices = [dice.choice([pair for pair in column.pairs if pair[0] is not None]) for _ in GOOD_IDS]
        self.choices[dice.randrange(len(self.choices))] = (None, None)

    def stored_rows(self):
        """(id, stored values) of the good rows."""
        return [(number, (pair[1], number % 3)) for number, pair in zip(GOOD_IDS, self.choices)]

    def local_rows(self):
        """The rows of the local copy, as texts."""
        texts = self.x.texts
        substitutes = [None] + [texts[i * (len(texts) - 1) // (VARIANTS - 2)] for i in range(VARIANTS - 1)]
        for variant in range(VARIANTS + 1):
            yield from ([str(variant), str(number), pair[0], str(number % 3)] for number, pair in zip(GOOD_IDS, self.choices))
            if variant > 0:
                yield [str(variant), str(BAD_ID), substitutes[variant - 1], str(BAD_ID % 3)]


def good_column():
    """A column beside the bad one."""
    return c.Column("g", "int4", [(str(n), n) for n in (1, 2, 3, None) if n is not None], "INTEGER")


def pick_rows(columns, count, dice):
    """Rows of (text, stored) pairs; each value of each column comes at least once, if there is room."""
    decks = []
    for column in columns:
        deck = list(column.pairs)
        dice.shuffle(deck)
        deck = deck[:count]
        while len(deck) < count:
            deck.append((None, None) if dice.random() < 0.15 else dice.choice(column.pairs))
        dice.shuffle(deck)
        decks.append(deck)
    return list(zip(*decks))


# --------------------------------------------------------------- sources


def insert_sqlite(db, name, number, row, encoding=None):
    """Insert a row of stored values; text as bytes of this encoding: bound, it would be converted, and lose U+FFFF."""
    places = []
    values = []
    for stored in row:
        if encoding and isinstance(stored, str):
            places.append("CAST(x'%s' AS TEXT)" % stored.encode(encoding).hex())
            continue
        places.append("CAST(? AS TEXT)" if isinstance(stored, c.Invalid) else "?")
        values.append(stored.data if isinstance(stored, c.Invalid) else stored)
    db.execute("INSERT INTO %s VALUES (%s)" % (name, ", ".join([str(number)] + places)), values)


def strict_declaration(column):
    """The column's type in a STRICT table, where it keeps the same values."""
    decl, *collation = column.decl.split(" ", 1)
    kind = {"BOOLEAN": "INTEGER", "SMALLINT": "INTEGER", "VARCHAR(12)": "TEXT", "CHAR(6)": "TEXT"}.get(decl, decl)
    return " ".join([kind if kind in STRICT_TYPES and column.name != "si" else "ANY"] + collation)


def fill_generated(db, name, columns, rows):
    """A table whose columns are all generated from others."""
    db.execute("CREATE TABLE %s (id INTEGER PRIMARY KEY%s%s)" % (
        name, "".join(", raw_%s" % column.name for column in columns),
        "".join(", %s %s AS (raw_%s) %s" % (column.name, column.decl, column.name, "STORED" if i % 2 else "VIRTUAL")
                for i, column in enumerate(columns))))
    for number, row in rows:
        insert_sqlite(db, "%s (id, %s)" % (name, ", ".join("raw_" + column.name for column in columns)), number, row)
    for column in columns:
        if "key" in column.options:
            db.execute("CREATE INDEX %s_%s ON %s (%s)" % (name, column.name, name, column.name))


def fill_sqlite(db, name, columns, rows, more="", encoding=None):
    """Create and fill a table; rows are of stored values."""
    declaration = strict_declaration if more == "STRICT" else lambda column: column.decl
    db.execute("CREATE TABLE %s (id INTEGER PRIMARY KEY%s) %s" % (
        name, "".join(", %s %s" % (column.name, declaration(column)) for column in columns), more))
    for number, row in rows:
        insert_sqlite(db, name, number, row, encoding)
    for column in columns:
        if "key" in column.options:
            db.execute("CREATE INDEX %s_%s ON %s (%s)" % (name, column.name, name, column.name))


def mongo_document(number, columns, row):
    """The document of a row; NULL is null, undefined or missing by turns."""
    fields = {"_id": number}
    for i, (column, stored) in enumerate(zip(columns, row)):
        if stored is None:
            stored = [None, v.ABSENT, v.UNDEFINED, v.ABSENT][(number + i) % 4]
        path = column.options.get("path")
        if isinstance(stored, c.Parent):
            fields[path.split(".")[0]] = stored.value
            continue
        if path is None:
            fields[column.options.get("column_name", column.name)] = stored
            continue
        for step in reversed(path.split(".")[1:]):
            stored = {step: stored}
        # Parents may be missing or be no documents too.
        if list(stored.values())[0] is v.ABSENT and number % 3 == 0:
            stored = [5, "x", v.ABSENT, None][number % 4]
        fields[path.split(".")[0]] = stored
    return RawBSONDocument(v.document(fields))


def fill_mongo(db, name, columns, rows, collation=None):
    """Create and fill a collection, with a collation that must not matter."""
    db.create_collection(name, **({"collation": {"locale": "en", "strength": 2}} if collation else {}))
    documents = [mongo_document(number, columns, row) for number, row in rows]
    if documents:
        db[name].insert_many(documents)
    for column in columns:
        if "key" in column.options:
            db[name].create_index(column.name, collation={"locale": "simple"})


class Sources:
    """The SQLite file and the MongoDB database, filled by a seed."""

    def __init__(self, directory, mongo_port, dice, drivers):
        self.directory = directory
        self.mongo_port = mongo_port
        self.file = os.path.join(directory, "differential_%d.db" % os.getpid())
        self.file16 = self.file + "16"
        self.tables = {}
        self.others = {}
        self.small = {}         # with columns of their own
        self.bad = {}
        self.rows = {}
        for driver in drivers:
            columns = c.sqlite_columns() if driver == "sqlite" else c.mongo_columns()
            everything = Table(driver, "t_%s_all" % driver, columns)
            nothing = Table(driver, "t_%s_none" % driver, columns)
            self.tables[driver] = [everything, nothing]
            self.others[driver] = [Table(driver, "t_%s_%s" % (driver, kind), columns, everything) for kind in OTHERS[driver]]
            self.rows[everything.name] = pick_rows(columns, ROWS, dice)
            self.rows[nothing.name] = []
            self.small[driver] = [Table(driver, "t_mongodb_whole", c.whole_columns())] if driver == "mongodb" else []
            for table in self.small[driver]:
                self.rows[table.name] = [[column.pairs[i] for column in table.columns] for i in range(len(table.columns[0].pairs))]
            self.bad[driver] = [BadTable(driver, column, dice) for column in columns if column.bad]
        if "sqlite" in drivers:
            self.sqlite = sqlite3.connect(self.file, isolation_level=None)
            self.load_sqlite()
        if "mongodb" in drivers:
            self.client = pymongo.MongoClient("127.0.0.1", mongo_port, directConnection=True, w="majority")
            self.load_mongo()

    def stored_rows(self, table):
        """(id, stored values) of a table of the source."""
        if isinstance(table, BadTable):
            return table.stored_rows()
        return [(i + 1, [stored for _, stored in row]) for i, row in enumerate(self.rows[table.name])]

    def load_sqlite(self):
        """Write the file."""
        self.sqlite.execute("BEGIN")
        for table in self.tables["sqlite"] + self.bad["sqlite"]:
            fill_sqlite(self.sqlite, table.name, table.columns, self.stored_rows(table))
        everything = self.tables["sqlite"][0]
        rows = self.stored_rows(everything)
        self.sqlite.execute("CREATE VIEW t_sqlite_view AS SELECT * FROM %s" % everything.name)
        fill_sqlite(self.sqlite, "t_sqlite_keyed", everything.columns, rows, "WITHOUT ROWID")
        fill_sqlite(self.sqlite, "t_sqlite_strict", everything.columns, rows, "STRICT")
        fill_generated(self.sqlite, "t_sqlite_generated", everything.columns, rows)
        self.sqlite.execute("COMMIT")
        other = sqlite3.connect(self.file16, isolation_level=None)
        other.execute("PRAGMA encoding = 'UTF-16le'")
        other.execute("BEGIN")
        fill_sqlite(other, "t_sqlite_utf16", everything.columns, rows, encoding="utf-16-le")
        other.execute("COMMIT")
        other.close()

    def load_mongo(self):
        """Write the collections."""
        self.client.drop_database(MONGO_DATABASE)
        for i, table in enumerate(self.tables["mongodb"] + self.bad["mongodb"]):
            fill_mongo(self.client[MONGO_DATABASE], table.name, table.columns, self.stored_rows(table), i % 2 == 0)
        everything = self.tables["mongodb"][0]
        db = self.client[MONGO_DATABASE]
        db[everything.name].create_index("i4", sparse=True, collation={"locale": "simple"})
        db[everything.name].create_index([("np", -1), ("i8", 1)], collation={"locale": "simple"})
        db.create_collection("t_mongodb_view", viewOn=everything.name, pipeline=[])
        db.create_collection("t_mongodb_piped", viewOn=everything.name, pipeline=[
            {"$match": {"_id": {"$gt": 0}}}, {"$addFields": {"more": {"$literal": 1}}}, {"$sort": {"_id": -1}}])
        db.create_collection("t_mongodb_collated", viewOn="t_mongodb_plain", pipeline=[], collation={"locale": "en", "strength": 2})
        db["t_mongodb_whole"].insert_many(c.whole_documents())
        fill_mongo(db, "t_mongodb_plain", [], [])
        db["t_mongodb_plain"].insert_many(mongo_document(number, everything.columns, row) for number, row in self.stored_rows(everything))

    def put_bad(self, table, stored):
        """Store the bad value of a table."""
        row = (BAD_ID, (stored, BAD_ID % 3))
        if table.driver == "sqlite":
            self.sqlite.execute("DELETE FROM %s WHERE id = %d" % (table.name, BAD_ID))
            insert_sqlite(self.sqlite, table.name, *row)
        else:
            collection = self.client[MONGO_DATABASE][table.name]
            collection.delete_one({"_id": BAD_ID})
            collection.insert_one(mongo_document(row[0], table.columns, row[1]))

    def remove(self):
        """Remove them."""
        if "sqlite" in self.tables:
            self.sqlite.close()
            os.unlink(self.file)
            os.unlink(self.file16)
        if "mongodb" in self.tables:
            self.client.drop_database(MONGO_DATABASE)

    # ------------------------------------------------------------ PostgreSQL

    def create_servers(self, cursor):
        """Extension, servers, schemas."""
        cursor.execute("CREATE EXTENSION switchyard")
        cursor.execute("CREATE SCHEMA f")
        cursor.execute("CREATE SCHEMA l")
        cursor.execute("CREATE COLLATION l.blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false)")
        cursor.execute("CREATE TABLE l.scratch AS SELECT i::int8 AS id, 0 AS n FROM generate_series(1, %d) i" % ROWS)
        cursor.execute("CREATE FUNCTION l.looped(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN "
                       "FOR i IN 1 .. 3 LOOP FOR r IN EXECUTE query LOOP RETURN NEXT r::text; END LOOP; END LOOP; END $$")
        if "sqlite" in self.tables:
            for name, path in (("sqlite", self.file), ("sqlite16", self.file16)):
                cursor.execute("CREATE SERVER %s FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s')" % (name, path))
        if "mongodb" in self.tables:
            cursor.execute("CREATE SERVER mongodb FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS "
                           "(uri 'mongodb://127.0.0.1:%d/?replicaSet=rs0', database '%s')" % (self.mongo_port, MONGO_DATABASE))
            cursor.execute("CREATE USER MAPPING FOR %s SERVER mongodb OPTIONS (password_required 'false')" % READER)

    def create_tables(self, cursor):
        """Foreign tables and their local copies."""
        for driver, tables in self.tables.items():
            identity = "id int8 OPTIONS (%skey 'true')" % ("" if driver == "sqlite" else "column_name '_id', ")
            option = "\"table\"" if driver == "sqlite" else "collection"
            for table in tables + self.others[driver] + self.small[driver] + self.bad[driver]:
                cursor.execute("CREATE FOREIGN TABLE f.%s (%s) SERVER %s OPTIONS (%s '%s')" % (
                    table.name, ", ".join([identity] + [column.definition(True) for column in table.columns]),
                    "sqlite16" if table.name.endswith("utf16") else driver, option, table.name))
            for table in tables + self.small[driver]:
                local_copy(cursor, table.name, table.columns,
                           [[str(i + 1)] + [text for text, _ in row] for i, row in enumerate(self.rows[table.name])])
            for schema in "fl":
                more_relations(cursor, schema, driver, tables)
                policies(cursor, schema, driver, tables[0])
            for table in self.others[driver]:
                barrier(cursor, "f", table.name)
            for table in self.bad[driver]:
                cursor.execute("CREATE TABLE l.%s (variant int, id int8, x %s, g int4)" % (table.name, table.x.type))
                insert(cursor, table.name, list(table.local_rows()))


def barrier(cursor, schema, name):
    """A view whose condition comes before the query's."""
    cursor.execute("CREATE VIEW %s.%s_barrier WITH (security_barrier) AS SELECT * FROM %s.%s WHERE i4 > 0 OR s IS NOT NULL" % (schema, name, schema, name))


def more_relations(cursor, schema, driver, tables):
    """Views with barriers, and a parent with a row of its own."""
    for table in tables:
        barrier(cursor, schema, table.name)
    columns = ", ".join(["id int8"] + [column.definition(False) for column in tables[0].columns])
    cursor.execute("CREATE TABLE %s.t_%s_parent (%s)" % (schema, driver, columns))
    cursor.execute("INSERT INTO %s.t_%s_parent (id, i4, s) VALUES (1000, 5, 'a'), (1001, NULL, '')" % (schema, driver))
    for table in tables:
        cursor.execute("ALTER TABLE %s.%s INHERIT %s.t_%s_parent" % (schema, table.name, schema, driver))


def policies(cursor, schema, driver, table):
    """A partitioned root with row security over the table's rows and two of its own."""
    definitions = ", ".join(["id int8"] + [column.definition(False) for column in table.columns])
    root = "%s.t_%s_root" % (schema, driver)
    cursor.execute("CREATE TABLE %s (%s) PARTITION BY RANGE (id)" % (root, definitions))
    if schema == "f":
        cursor.execute("CREATE FOREIGN TABLE %s_1 PARTITION OF %s FOR VALUES FROM (MINVALUE) TO (1000) SERVER %s OPTIONS (%s '%s')" % (
            root, root, driver, "\"table\"" if driver == "sqlite" else "collection", table.name))
        for column in table.columns:
            for option, value in sorted(column.options.items()):
                cursor.execute("ALTER FOREIGN TABLE %s_1 ALTER %s OPTIONS (ADD %s '%s')" % (root, column.name, option, value))
        if driver == "mongodb":
            cursor.execute("ALTER FOREIGN TABLE %s_1 ALTER id OPTIONS (ADD column_name '_id')" % root)
        cursor.execute("ALTER FOREIGN TABLE %s_1 ALTER id OPTIONS (ADD key 'true')" % root)
    else:
        cursor.execute("CREATE TABLE %s_1 PARTITION OF %s FOR VALUES FROM (MINVALUE) TO (1000)" % (root, root))
        cursor.execute("INSERT INTO %s_1 SELECT * FROM l.%s" % (root, table.name))
    cursor.execute("CREATE TABLE %s_2 PARTITION OF %s DEFAULT" % (root, root))
    cursor.execute("INSERT INTO %s (id, i4, s) VALUES (1000, 5, 'a'), (1001, NULL, '')" % root)
    cursor.execute("ALTER TABLE %s ENABLE ROW LEVEL SECURITY" % root)
    cursor.execute("CREATE POLICY sent ON %s USING (id > 3 AND (i4 > 0 OR s IS NOT NULL))" % root)
    cursor.execute("CREATE POLICY kept ON %s AS RESTRICTIVE USING (abs(id) %% 11 <> 4)" % root)
    cursor.execute("GRANT USAGE ON SCHEMA %s TO %s" % (schema, READER))
    cursor.execute("GRANT SELECT ON %s TO %s" % (root, READER))


def insert(cursor, name, rows):
    """Insert rows of texts."""
    if rows:
        line = "(%s)" % ",".join(["%s"] * len(rows[0]))
        cursor.execute("INSERT INTO l.%s VALUES %s" % (name, ",".join([line] * len(rows))), [text for row in rows for text in row])


def local_copy(cursor, name, columns, rows):
    """A heap table with the same rows."""
    cursor.execute("CREATE TABLE l.%s (%s)" % (name, ", ".join(["id int8 PRIMARY KEY"] + [column.definition(False) for column in columns])))
    insert(cursor, name, rows)
    cursor.execute("ANALYZE l.%s" % name)

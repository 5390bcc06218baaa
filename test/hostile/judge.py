"""Reads what was stored through foreign tables and judges it: the value, or an
error that says why not; never another value, a crash, or a wrong result of a
condition that was sent.
"""
import sys

import psycopg2

# Classes of errors that a stored value may bring about.
ALLOWED = ("22", "HV", "54")
SHOWN = 20
UNORDERED = ("json", "point")

CONDITIONS = ["v = {0}", "v <> {0}", "v < {0}", "v >= {0}", "v BETWEEN {0} AND {1}", "v IN ({0}, {1}, {2})", "v NOT IN ({0}, {1})",
              "v IS DISTINCT FROM {0}", "NOT (v = {0} OR v > {1})", "v = {0} OR v < {1}", "v > {0} AND v <> {1}", "v IS NULL", "v IS NOT NULL"]
LIKE = ["v LIKE {0}", "v NOT LIKE {0}"]
QUERIES = ["SELECT id FROM {table} WHERE {where} ORDER BY id", "SELECT count(*) FROM {table} WHERE {where}",
           "SELECT id, v::text FROM {table} WHERE {where} ORDER BY v, id LIMIT 5",
           "SELECT id FROM {table} WHERE {where} ORDER BY v DESC, id DESC OFFSET 1 LIMIT 3",
           "SELECT count(v) FROM {table} WHERE {where}", "SELECT id FROM {table} WHERE {where} AND id > 5 ORDER BY id LIMIT 4"]


class Column:
    """A foreign table with the columns id and v."""

    def __init__(self, table, kind, note=""):
        self.table = table
        self.kind = kind            # v's type
        self.note = note            # its options, for messages
        self.base = kind if kind.endswith("[]") else kind.split("(")[0]


class Judge:
    """A session, and what was found in it."""

    def __init__(self, dsn, dice):
        self.server = psycopg2.connect(dsn)
        self.server.autocommit = True
        self.cursor = self.server.cursor()
        self.dice = dice
        self.values = self.errors = self.queries = self.wrong = 0
        self.codes = {}
        self.cursor.execute("SET extra_float_digits = 1; SET datestyle = iso; SET timezone = 'UTC'; SET statement_timeout = '60s'")

    def add(self, column):
        """Prepare for the column's foreign table, which is there."""
        self.cursor.execute("PREPARE %s (bigint) AS SELECT v::text FROM %s WHERE id = $1" % (column.table, column.table))
        self.cursor.execute("CREATE TEMP TABLE l_%s (id bigint, v %s)" % (column.table, column.kind))

    def complain(self, text):
        """Count and print what is wrong."""
        self.wrong += 1
        if self.wrong <= SHOWN:
            print(text[:1500], file=sys.stderr)

    def run(self, sql, what):
        """(rows, None) or (None, SQLSTATE); what: to say when the error is not one that a value may bring about."""
        try:
            self.cursor.execute(sql)
            return self.cursor.fetchall(), None
        except psycopg2.Error as error:
            if self.server.closed:
                raise SystemExit("%s\n%s\nended the session: %s" % (what, sql, error)) from error
            self.codes[error.pgcode] = self.codes.get(error.pgcode, 0) + 1
            if error.pgcode[:2] not in ALLOWED:
                self.complain("%s\n%s\n%s" % (what, sql, error))
            return None, error.pgcode

    def read(self, column, row, stored, right):
        """
        Read one row.  right(text) says whether that is the value: True, False, or None: unknown; text None is NULL, and False an
        error.  Returns (text, SQLSTATE).
        """
        what = "%s as %s%s" % (stored, column.kind, column.note)
        rows, code = self.run("EXECUTE %s (%d)" % (column.table, row), what)
        if code:
            self.errors += 1
            if right(False) is False:
                self.complain("%s: error %s, but it has a value" % (what, code))
            return None, code
        self.values += 1
        if len(rows) != 1:
            self.complain("%s: %d rows" % (what, len(rows)))
            return None, None
        if right(rows[0][0]) is False:
            self.complain("%s: %.300r" % (what, rows[0][0]))
        return rows[0][0], None

    def literals(self, column, texts):
        """Three values for conditions, as SQL; None if there are none."""
        texts = [text for text in texts if text is not None and len(text) < 1000]
        if not texts:
            return None
        return [self.cursor.mogrify("%s::" + column.kind, (self.dice.choice(texts),)).decode() for _ in range(3)]

    def passing(self, column, where, stored, bad):
        """Those bad rows that a condition lets pass, for messages."""
        passing = []
        for row in bad:
            rows, _ = self.run("SELECT count(*) FROM %s WHERE (%s) AND id = %d" % (column.table, where, row), "")
            if rows and rows[0][0]:
                passing.append("\n  counts %s, which is %s" % (stored[row], bad[row]))
        return "".join(passing)

    def compare(self, column, stored, texts, bad, count):
        """
        Conditions, counts, sort orders and limits over the rows, whose good ones are texts by id, the others SQLSTATEs by id.  Each
        gives what a local table of the good rows gives, or one of those errors.
        """
        codes = set(bad.values())
        local = "l_" + column.table
        self.cursor.execute("TRUNCATE " + local)
        if texts:
            self.cursor.execute("INSERT INTO %s VALUES " % local + ", ".join(
                self.cursor.mogrify("(%s, %s)", pair).decode() for pair in texts.items()))
        values = self.literals(column, texts.values())
        for _ in range(count):
            where = self.dice.choice(CONDITIONS[-2:] if values is None or column.base in UNORDERED else CONDITIONS)
            if values and column.base in ("text", "varchar") and self.dice.random() < 0.2:
                pattern = self.dice.choice([text for text in texts.values() if text is not None]).replace("\\", "")[:20]
                values = [self.cursor.mogrify("%s", (self.dice.choice(["%s%%", "%%%s", "%%%s%%", "_%s%%"]) % pattern,)).decode()] * 3
                where = self.dice.choice(LIKE)
            query = self.dice.choice(QUERIES[:2] if column.base in UNORDERED else QUERIES)
            rows, code = self.run(query.format(table=column.table, where=where.format(*(values or []))), "")
            right, _ = self.run(query.format(table=local, where=where.format(*(values or []))), "")
            self.queries += 1
            if code in codes or (code is None and rows == right):
                values = self.literals(column, texts.values())
                continue
            self.complain("%s%s: %s\n  gave %.300s, right is %.300s%s%s" % (
                column.kind, column.note, query.format(table=column.table, where=where.format(*(values or []))), code or rows, right,
                " or one of " + " ".join(sorted(codes)) if codes else "", self.passing(column, where.format(*(values or [])), stored, bad)))
            values = self.literals(column, texts.values())

    def finish(self, seed):
        """Print the summary and exit."""
        print("%d values, %d errors %r, %d queries, %d wrong (seed %d)" % (
            self.values, self.errors, self.codes, self.queries, self.wrong, seed), file=sys.stderr if self.wrong else sys.stdout)
        sys.exit(1 if self.wrong or not self.values or not self.errors else 0)

"""How a query is asked, and what came of it."""
import psycopg2
import psycopg2.extensions

MODES = ("constants", "prepared", "generic", "lateral", "subselects", "cursor")


class Outcome:
    """The rows of a statement, or its SQLSTATE."""

    def __init__(self, rows=None, state=None, message=None):
        self.rows = rows
        self.state = state
        self.message = message

    def same(self, other, ordered):
        """Is it the same result?"""
        if self.state or other.state:
            return self.state == other.state
        return key_of(self.rows, ordered) == key_of(other.rows, ordered)

    def __str__(self):
        return "%s: %s" % (self.state, self.message) if self.state else "%d rows" % len(self.rows)


def key_of(rows, ordered):
    """Rows in a form that compares equal if they are."""
    return rows if ordered else sorted(rows, key=lambda row: [("", "") if cell is None else ("x", cell) for cell in row])


class Session:
    """A connection that returns texts, whatever the type."""

    def __init__(self, database, settings=()):
        self.connection = psycopg2.connect(dbname=database)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute("SELECT oid FROM pg_type")
        oids = tuple(row[0] for row in self.cursor.fetchall())
        plain = psycopg2.extensions.new_type(oids, "PLAIN", lambda value, cursor: value)
        psycopg2.extensions.register_type(plain, self.connection)
        self.execute("SET extra_float_digits = 1; SET timezone = 'UTC'; SET intervalstyle = 'postgres'")
        self.values = {}
        for name, value in settings:
            self.set(name, value)

    def execute(self, sql):
        """Run SQL without parameters; raises."""
        self.cursor.execute(sql)

    def set(self, name, value):
        """Change a setting, if it is not so already."""
        if self.values.get(name) != value:
            self.execute("SET %s = %s" % (name, value))
            self.values[name] = value

    def rows(self, sql):
        """The rows of a statement; raises."""
        self.cursor.execute(sql)
        return self.cursor.fetchall() if self.cursor.description else []

    def outcome(self, *statements):
        """The rows of all statements together, or the first error."""
        rows = []
        try:
            for sql in statements:
                rows += self.rows(sql)
            return Outcome(rows=rows)
        except psycopg2.Error as error:
            if self.connection.closed:
                raise
            return Outcome(state=error.pgcode, message=str(error).strip().split("\n", maxsplit=1)[0])

    def remote(self, sql):
        """The remote texts of EXPLAIN (VERBOSE), and the whole plan."""
        try:
            plan = [row[0] for row in self.rows("EXPLAIN (VERBOSE, COSTS OFF) " + sql)]
        except psycopg2.Error as error:
            return [str(error).strip()], []
        return [line.strip() for line in plan if line.strip().startswith(("Remote SQL:", "Remote Query:"))], plan


class Case:
    """A query, the way it is asked, and the values it is asked with in turn."""

    def __init__(self, query, mode, rounds):
        self.query = query
        self.mode = mode
        self.rounds = rounds        # lists of values

    def ordered(self):
        """Is the order of the rows told?"""
        return self.query.ordered() and self.mode != "lateral"

    def run(self, session, source):
        """An outcome for each statement that returns something."""
        session.set("plan_cache_mode", "force_generic_plan" if self.mode == "generic" else "auto")
        session.set("enable_hashjoin", "off" if self.mode == "lateral" else "on")
        session.set("enable_mergejoin", "off" if self.mode == "lateral" else "on")
        return getattr(self, "run_" + self.mode)(session, source)

    def sql(self, source):
        """The statement with constants."""
        self.query.assign(self.rounds[0])
        return self.query.render(source)

    def run_constants(self, session, source):
        """Values are constants."""
        outcomes = []
        for values in self.rounds:
            self.query.assign(values)
            outcomes.append(session.outcome(self.query.render(source)))
        return outcomes

    def run_prepared(self, session, source):
        """Values are parameters."""
        numbers = {}

        def show(value):
            return "$%d" % numbers[id(value)]
        self.query.assign(self.rounds[0])
        values = self.query.values()
        numbers.update((id(value), i + 1) for i, value in enumerate(values))
        types = "(%s)" % ", ".join(value.type for value in values) if values else ""
        prepared = session.outcome("PREPARE q%s AS %s" % (types, self.query.render(source, show)))
        if prepared.state:
            return [prepared]
        outcomes = []
        for row in self.rounds:
            arguments = "(%s)" % ", ".join(value.typed() for value in row) if row else ""
            outcomes.append(session.outcome("EXECUTE q%s" % arguments))
        session.execute("DEALLOCATE q")
        return outcomes

    run_generic = run_prepared

    def run_lateral(self, session, source):
        """Values are columns of another table."""
        self.query.assign(self.rounds[0])
        return [session.outcome(self.lateral_sql(source))]

    def lateral_sql(self, source):
        """The statement of run_lateral."""
        values = self.query.values()
        bounds = [value for value in (self.query.limit, self.query.offset) if value is not None]
        names = {id(value): "k.a%d" % i for i, value in enumerate(values) if value not in bounds}

        def show(value):
            return names.get(id(value)) or value.literal()
        lines = ", ".join("(%s)" % ", ".join([str(n)] + [value.typed() for value in row])
                          for n, row in enumerate(self.rounds))
        columns = ", ".join(["n"] + ["a%d" % i for i in range(len(values))])
        return "SELECT k.n, q.* FROM (VALUES %s) AS k (%s) CROSS JOIN LATERAL (%s) AS q" % (lines, columns, self.query.render(source, show))

    def run_subselects(self, session, source):
        """Values are results of sub-selects."""
        outcomes = []
        for values in self.rounds:
            self.query.assign(values)
            sql = self.query.render(source, lambda value: "(SELECT %s)::%s" % (value.typed(), value.type))
            outcomes.append(session.outcome(sql))
        return outcomes

    def run_cursor(self, session, source):
        """Through a cursor that also goes back."""
        outcomes = []
        for values in self.rounds[:1]:
            self.query.assign(values)
            sql = self.query.render(source)
            session.execute("BEGIN")
            if self.query.ordered():
                outcomes.append(session.outcome("DECLARE d SCROLL CURSOR FOR " + sql, "FETCH 3 FROM d", "MOVE BACKWARD 2 FROM d",
                                                "FETCH 5 FROM d", "FETCH FIRST FROM d", "FETCH ALL FROM d"))
                session.execute("ROLLBACK")
                continue
            declared = session.outcome("DECLARE d CURSOR WITH HOLD FOR " + sql)
            try:
                session.execute("COMMIT")
                outcomes.append(declared if declared.state else session.outcome("FETCH ALL FROM d"))
                session.execute("CLOSE ALL")
            except psycopg2.Error as error:
                if session.connection.closed:
                    raise
                outcomes.append(Outcome(state=error.pgcode, message=str(error).strip()))
        return outcomes

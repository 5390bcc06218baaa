"""How a query is asked, and what came of it."""
import os

import psycopg2
import psycopg2.extensions

from queries import PLAIN, quote

MODES = ("constants", "prepared", "generic", "lateral", "exists", "subselects", "cursor", "parallel", "repeatable", "altered", "joined", "locked",
         "barrier", "inherited", "policy", "merged", "written", "looped")
ROUNDS = {"prepared": 7, "generic": 2, "lateral": 3, "exists": 3, "altered": 4}
MAY_STOP = ("exists", "locked", "joined", "barrier", "lateral", "policy", "merged", "written")     # some before the row that raises
UNORDERED = ("lateral", "exists", "joined", "locked", "merged", "written")
MERGED = ("int2", "int4", "int8", "float8", "text", "uuid", "date", "timestamp", "timestamptz", "numeric", "bytea")
READER = "differential_%d" % os.getpid()    # a role that row security binds


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
        self.parallel = "debug_parallel_query" if self.connection.server_version >= 160000 else "force_parallel_mode"
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
        return self.query.ordered() and self.mode not in UNORDERED

    def run(self, session, source):
        """An outcome for each statement that returns something."""
        session.set("plan_cache_mode", "force_generic_plan" if self.mode == "generic" else "auto")
        nested = self.mode in ("lateral", "exists", "joined", "locked") and len(self.query.targets) != 2
        session.set("enable_hashjoin", "off" if nested or self.mode == "merged" else "on")
        session.set("enable_mergejoin", "off" if nested else "on")
        session.set("enable_nestloop", "off" if self.mode == "merged" else "on")
        session.set(session.parallel, "on" if self.mode == "parallel" else "off")
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

    def explain(self, session, source):
        """Session.remote() of the first execution, as it would be run."""
        if self.mode != "generic":
            return session.remote(self.sql(source))
        numbers = {}
        self.query.assign(self.rounds[0])
        values = self.query.values()
        numbers.update((id(value), i + 1) for i, value in enumerate(values))
        session.execute("PREPARE e (%s) AS %s" % (", ".join(value.type for value in values),
                                                  self.query.render(source, lambda value: "$%d" % numbers[id(value)])))
        result = session.remote("EXECUTE e (%s)" % ", ".join(value.typed() for value in values))
        session.execute("DEALLOCATE e")
        return result

    def run_prepared(self, session, source, between=None):
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
        for i, row in enumerate(self.rounds):
            if between:
                between(i)
            arguments = "(%s)" % ", ".join(value.typed() for value in row) if row else ""
            outcomes.append(session.outcome("EXECUTE q%s" % arguments))
        session.execute("DEALLOCATE q")
        return outcomes

    run_generic = run_prepared

    def run_altered(self, session, source):
        """The same, and between executions options and settings change."""
        pushdown = session.values["switchyard.enable_pushdown"]

        def between(number):
            if source.startswith("f."):
                session.execute("ALTER FOREIGN TABLE %s OPTIONS (%s)" % (source, ("ADD fetch_size '17'", "SET fetch_size '50'", "DROP fetch_size")[number % 3]))
            session.set("switchyard.enable_pushdown", pushdown if number % 2 else "off")
        outcomes = self.run_prepared(session, source, between)
        if source.startswith("f.") and len(outcomes) == len(self.rounds) and len(outcomes) % 3 != 0:
            session.execute("ALTER FOREIGN TABLE %s OPTIONS (DROP fetch_size)" % source)
        session.set("switchyard.enable_pushdown", pushdown)
        return outcomes

    def run_lateral(self, session, source):
        """Values are columns of another table."""
        self.query.assign(self.rounds[0])
        return [session.outcome(self.lateral_sql(source))]

    def keys(self):
        """(FROM item with a row of values for each round, function that shows a value as its column)."""
        values = self.query.values()
        bounds = [id(value) for value in (self.query.limit, self.query.offset) if value is not None]
        names = {id(value): "k.a%d" % i for i, value in enumerate(values) if id(value) not in bounds}
        lines = ", ".join("(%s)" % ", ".join([str(n)] + [value.typed() for value in row]) for n, row in enumerate(self.rounds))
        columns = ", ".join(["n"] + ["a%d" % i for i in range(len(values))])
        return "(VALUES %s) AS k (%s)" % (lines, columns), lambda value: names.get(id(value)) or value.typed()

    def lateral_sql(self, source):
        """The statement of run_lateral."""
        keys, show = self.keys()
        return "SELECT k.n, q.* FROM %s CROSS JOIN LATERAL (%s) AS q" % (keys, self.query.render(source, show))

    def run_exists(self, session, source):
        """As semi-join, anti-join and sub-plan."""
        self.query.assign(self.rounds[0])
        keys, show = self.keys()
        sql = self.query.render(source, show)
        return [session.outcome("SELECT k.n FROM %s WHERE EXISTS (%s)" % (keys, sql)),
                session.outcome("SELECT k.n FROM %s WHERE NOT EXISTS (%s)" % (keys, sql)),
                session.outcome("SELECT k.n, (SELECT count(*) FROM (%s) AS q) FROM %s" % (sql, keys))]

    run_parallel = run_constants

    def run_repeatable(self, session, source):
        """Twice in one transaction with one snapshot."""
        self.query.assign(self.rounds[0])
        sql = self.query.render(source)
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" + (", READ ONLY" if len(sql) % 2 else ""))
        outcomes = [session.outcome(sql)]
        if not outcomes[0].state:
            outcomes.append(session.outcome(sql))
        session.execute("ROLLBACK")
        return outcomes

    def condition(self):
        """The query's condition, with constants."""
        self.query.assign(self.rounds[0])
        return self.query.where.render(lambda value: value.literal()) if self.query.where else "true"

    def run_joined(self, session, source):
        """The table joined with itself: two scans of one session."""
        condition = self.condition()
        names = sorted(self.query.mentions()) or ["id"]
        column = next(c.name for c in self.query.table.columns if c.name in ("i8", "x", "s"))
        return [session.outcome("SELECT t.id, u.id FROM %s AS t %s JOIN %s AS u ON u.%s = t.%s AND u.id < 40 WHERE %s" % (
            source, "LEFT" if len(names) > 1 else "", source, column, column, condition))]

    def run_merged(self, session, source):
        """The table joined with itself in the order of one column."""
        condition = self.condition()
        sortable = [c.name for c in self.query.table.columns if c.base in MERGED]
        column = sortable[len(condition) % len(sortable)]
        return [session.outcome("SELECT t.id, u.id FROM (SELECT * FROM %s AS t WHERE %s) AS t FULL JOIN %s AS u ON u.%s = t.%s" % (
            source, condition, source, column, column))]

    def shown(self):
        """The select list, if it can be that of another query."""
        return ", ".join(self.query.targets) if self.query.shape is PLAIN and self.query.targets != ["count(*)"] else "t.id"

    def run_written(self, session, source):
        """As the source of rows for a local table."""
        condition = self.condition()
        session.execute("BEGIN")
        outcomes = [session.outcome("INSERT INTO l.scratch SELECT t.id + 1000, count(*) OVER () FROM %s AS t WHERE %s RETURNING *" % (source, condition))]
        if not outcomes[0].state:
            outcomes.append(session.outcome(
                "MERGE INTO l.scratch AS s USING (SELECT * FROM %s AS t WHERE %s) AS t ON s.id = t.id + 1 "
                "WHEN MATCHED AND s.id %% 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.n + 7 "
                "WHEN NOT MATCHED THEN INSERT VALUES (t.id + 5000, 1)" % (source, condition), "SELECT * FROM l.scratch"))
        session.execute("ROLLBACK")
        return outcomes

    def run_locked(self, session, source):
        """Beside a local table that is changed or locked."""
        condition = self.condition()
        targets = self.shown()
        session.execute("BEGIN")
        outcomes = [session.outcome("SELECT s.id, %s FROM l.scratch AS s JOIN %s AS t ON t.id = s.id WHERE %s FOR UPDATE OF s" % (targets, source, condition))]
        if not outcomes[0].state:
            outcomes.append(session.outcome("UPDATE l.scratch AS s SET n = s.n + 1 FROM %s AS t WHERE t.id = s.id AND (%s) RETURNING s.n, %s" % (
                source, condition, targets)))
        if not outcomes[-1].state:
            outcomes.append(session.outcome("DELETE FROM l.scratch AS s USING %s AS t WHERE t.id = s.id AND (%s) RETURNING s.*, t.*" % (source, condition)))
        session.execute("ROLLBACK")
        return outcomes

    def run_barrier(self, session, source):
        """Through a view with a condition of its own, which comes first."""
        return self.run_constants(session, source + "_barrier")

    def run_inherited(self, session, source):
        """As the child of a parent that has other children."""
        return self.run_constants(session, source[:source.rindex("_")] + "_parent")

    def run_policy(self, session, source):
        """As a partition of a table with row security, by a role that it binds."""
        session.execute("SET ROLE " + READER)
        outcomes = self.run_constants(session, source[:source.rindex("_")] + "_root")
        session.execute("RESET ROLE")
        return outcomes

    def run_looped(self, session, source):
        """Again and again within one command."""
        return [session.outcome("SELECT l.looped(%s)" % quote(self.sql(source)))]

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

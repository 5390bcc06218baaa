"""Options that change between executions of one prepared statement.

Column x of f.turn_... is now one, now another of the source's columns of its
type, by the options column_name, path, storage and bson_type; the key option
comes and goes; the table is now the full, now the empty one; options of the
server change.  What each execution must give is asked of a view in schema l.
"""
import cases
import columns as c
import queries

# Columns of one type, each stored in another way.
TURNS = {
    "sqlite": [("int8", ["i8", "ir"]), ("float8", ["f8", "fn"]), ("numeric", ["nu", "nn", "nt"]), ("text", ["s", "sn", "sr", "si", "su"]),
               ("uuid", ["ut", "ub"]), ("date", ["d_iso", "d_unix", "d_julian", "d_unix_ms"]), ("timestamp", ["ts_unix", "ts_iso", "ts_unix_ms", "ts_julian"])],
    "mongodb": [("int4", ["i4", "pa", "xy"]), ("text", ["s", "ps", "o"]), ("uuid", ["u", "ul"])],
}
SERVER_OPTIONS = {"sqlite": [("busy_timeout", "'5s'"), ("query_timeout", "'2min'"), ("read_only", "'true'")],
                  "mongodb": [("fetch_size", "'2'"), ("query_timeout", "'2min'"), ("read_only", "'true'")]}
ROUNDS = 8


class Turning:
    """One foreign table whose options change."""

    def __init__(self, tester, driver, sources, number, dice):
        self.session = tester.pushing
        self.driver = driver
        self.dice = dice
        self.everything, self.nothing = sources.tables[driver]
        self.type, self.names = TURNS[driver][number]
        self.name = "turn_%s_%s" % (driver, self.type)
        self.present = {}           # options of column x that are set
        self.server = None          # the option that the server has beside its own
        self.table_option = "table" if driver == "sqlite" else "collection"
        self.session.execute("CREATE FOREIGN TABLE f.%s (id int8 OPTIONS (%s), x %s) SERVER %s OPTIONS (\"%s\" '%s')" % (
            self.name, "column_name 'id'" if driver == "sqlite" else "column_name '_id'", self.type, driver, self.table_option, self.everything.name))
        self.pseudo = Pseudo(self.everything.named(self.names[0]))

    def turn(self):
        """Change options; returns what the local side reads x from, and the local table."""
        column = self.everything.named(self.dice.choice(self.names))
        wanted = {"column_name": column.name, **column.options}
        if "path" in wanted:
            del wanted["column_name"]
        if self.dice.random() < 0.5:
            wanted["key"] = "true"
        changes = ["DROP " + option for option in self.present if option not in wanted]
        changes += ["%s %s '%s'" % ("SET" if option in self.present else "ADD", option, value) for option, value in wanted.items()]
        self.session.execute("ALTER FOREIGN TABLE f.%s ALTER x OPTIONS (%s)" % (self.name, ", ".join(changes)))
        self.present = wanted
        table = self.dice.choice([self.everything] * 4 + [self.nothing])
        self.session.execute("ALTER FOREIGN TABLE f.%s OPTIONS (SET \"%s\" '%s')" % (self.name, self.table_option, table.name))
        self.turn_server()
        return "(SELECT id, %s AS x FROM l.%s)" % (column.name, table.name)

    def turn_server(self):
        """Give the server an option, or take it away."""
        if self.server:
            self.session.execute("ALTER SERVER %s OPTIONS (DROP %s)" % (self.driver, self.server))
        self.server, value = self.dice.choice(SERVER_OPTIONS[self.driver])
        self.session.execute("ALTER SERVER %s OPTIONS (ADD %s %s)" % (self.driver, self.server, value))

    def query(self, generator):
        """A query about x."""
        leaf = generator.dice.choice([generator.comparison, generator.in_list, generator.any_array, generator.distinct, generator.null_test])
        where = leaf(self.pseudo.columns[0])
        where.redraw(generator.dice)
        query = queries.Query(self.pseudo, ["t.id", "t.x"], where)
        roll = generator.dice.random()
        if roll < 0.2:
            query.targets = ["count(*)"]
        elif roll < 0.6:
            query.orders = [("t.x", "x"), ("t.id", None)]
            query.limit = queries.draw_bound(generator.dice)
        return query

    def run(self, generator):
        """(failures of one prepared statement, as texts; executions that gave rows)."""
        query = self.query(generator)
        rounds = []
        for _ in range(ROUNDS):
            rounds.append(query.values())
            query.redraw(generator.dice)
        sources = []
        case = cases.Case(query, "prepared", rounds)
        self.session.set("plan_cache_mode", generator.dice.choice(["auto", "force_generic_plan"]))
        outcomes = case.run_prepared(self.session, "f." + self.name, lambda number: sources.append(self.turn()))
        failures = []
        for outcome, source, values in zip(outcomes, sources, rounds):
            query.assign(values)
            local = self.session.outcome(query.render(source))
            if not outcome.same(local, query.ordered()):
                failures.append("%s: %s; %s: %s" % (query.render("f." + self.name), outcome, source, local))
        return failures, sum(bool(outcome.rows) for outcome in outcomes)

    def close(self):
        """Put everything back."""
        self.session.execute("DROP FOREIGN TABLE f.%s" % self.name)
        if self.server:
            self.session.execute("ALTER SERVER %s OPTIONS (DROP %s)" % (self.driver, self.server))


class Pseudo:
    """A table with a column x that has the values of another column."""

    name = "turn"

    def __init__(self, column):
        self.columns = [c.Column("x", column.type, column.pairs)]


def check(tester, driver, sources, count, dice):
    """Statements over all types; one assertion."""
    generator = queries.Generator(dice)
    failures = []
    executions = fruitful = 0
    for number in range(len(TURNS[driver])):
        turning = Turning(tester, driver, sources, number, dice)
        for _ in range(count):
            broken, with_rows = turning.run(generator)
            failures += broken
            executions += ROUNDS
            fruitful += with_rows
        turning.close()
    for line in failures[:10]:
        tester.tap.note(line)
    tester.tap.assertion(not failures and fruitful > executions // 3, "%s, %s: options change between %d executions (%d with rows)" % (
        driver, tester.collation, executions, fruitful))

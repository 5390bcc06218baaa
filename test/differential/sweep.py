"""Every form of every construct on every column, one after the other."""
import cases
import promises as p
import queries

AVOIDED = ("NaN", "Infinity", "-Infinity", "")     # sent in words of their own
COLLATED_COLUMNS = ("s", "v", "c", "o")             # for COLLATE clauses


class Sweep:
    """The forms of one driver's columns in one database."""

    def __init__(self, tester, driver, dice):
        self.tester = tester
        self.driver = driver
        self.dice = dice
        self.generator = queries.Generator(dice)
        self.c_order = tester.collation == "c"
        self.broken = []        # promises
        self.wrong = 0          # results
        self.counts = {}        # by kind of column and class

    def values(self, column, form):
        """Values of the domain, or an array of them."""
        texts = [text for text in column.texts if text not in AVOIDED and "BC" not in text and not text.endswith("\\")] or ["a"]
        picked = sorted(self.dice.sample(texts, min(form.count, len(texts))))
        picked += picked[-1:] * (form.count - len(picked))
        type_ = queries.sql_type(column.base)
        if form.array:
            return [queries.Value(type_ + "[]", queries.v.array_text(picked))]
        return [queries.Value("text" if form.group == p.LIKE else type_, text) for text in picked]

    def leaf(self, column, form, collate=""):
        """The form as a condition."""
        leaf = queries.Leaf("sweep", form.template.replace("{c}", "t." + column.name + collate), [column.name], column=column)
        leaf.values = self.values(column, form)
        return leaf

    def edge(self, column, form):
        """The form with values of any kind and any type that the column is compared with."""
        leaf = self.leaf(column, form)
        if form.group == p.LIKE:
            leaf.values = [queries.Value("text", self.dice.choice(queries.PATTERNS))]
        elif form.array:
            leaf.values = [self.generator.array(self.generator.partner(column), column)]
        else:
            type_ = self.generator.partner(column)
            leaf.values = [self.generator.value(type_, column, 0.15) for _ in leaf.values]
        return leaf

    def compare(self, case, table):
        """Is the result right?"""
        if self.tester.disagreement(case, table, ("pushed",)):
            self.wrong += 1
            self.tester.show(case, table)

    def check(self, table, query, wanted, label, generic):
        """Is the result right, and the class the promised one?"""
        case = cases.Case(query, "generic" if generic else "constants", [query.values()])
        found = self.class_of(case, table)
        key = (p.kind_of(self.driver, query.where.column), found)
        self.counts[key] = self.counts.get(key, 0) + 1
        if found != wanted:
            self.broken.append("%s, %s: %s is %s, not %s" % (self.driver, self.tester.collation, label, found, wanted))
        self.compare(case, table)

    def class_of(self, case, table):
        """EXACT, WIDER or LOCAL, as the plan of its first execution shows."""
        session = self.tester.pushing
        session.set("plan_cache_mode", "force_generic_plan" if case.mode == "generic" else "auto")
        return p.seen(*case.explain(session, "f." + table.name))

    def conditions(self, table, column):
        """All forms of conditions on a column."""
        for form in p.forms_of(column):
            query = queries.Query(table, ["t.id"], self.leaf(column, form))
            label = "%s %s" % (column.type, query.where.template.replace("t." + column.name, column.name))
            self.check(table, query, p.promised(self.driver, column, form, self.c_order), label, False)
            if query.values():
                self.check(table, query, p.promised(self.driver, column, form, self.c_order, parameter=True), label + " with a parameter", True)
                query.where = self.edge(column, form)
                self.compare(cases.Case(query, self.dice.choice(["constants", "generic"]), [query.values()]), table)
        if column.name in COLLATED_COLUMNS:
            for collate, equal, order in p.COLLATED:
                for form in p.COMPARED:
                    query = queries.Query(table, ["t.id"], self.leaf(column, form, collate))
                    self.check(table, query, p.promised(self.driver, column, form, order, equal), "%s %s" % (column.type, query.where.template), False)

    def parts(self, table, column):
        """ORDER BY, and what needs exact conditions: count(*), LIMIT, OFFSET."""
        if column.base not in queries.UNORDERED:
            for order in p.ORDERS:
                query = queries.Query(table, ["t.id", "t." + column.name], None, [("t." + column.name + order, column.name), ("t.id", None)],
                                      queries.Value("int8", "40"))
                wanted = p.promised_order(self.driver, column, self.c_order)
                self.part(table, query, p.SORT, wanted, "ORDER BY %s%s" % (column.name, order))
        forms = {p.promised(self.driver, column, form, self.c_order): form for form in reversed(p.forms_of(column))}
        for promised, form in forms.items():
            leaf = self.leaf(column, form)
            label = "%s where %s %s" % (column.type, column.name, promised)
            exact = promised == p.EXACT
            three, one = queries.Value("int8", "3"), queries.Value("int8", "1")
            by_id = [("t.id", None)]
            self.part(table, queries.Query(table, ["count(*)"], leaf), p.COUNT, exact, "count(*) of " + label)
            self.part(table, queries.Query(table, ["t.id"], leaf, by_id, three, one), p.LIMIT, exact, "LIMIT of " + label)
            self.part(table, queries.Query(table, ["t.id"], leaf, by_id, None, one), p.OFFSET, exact, "OFFSET of " + label)
            self.part(table, queries.Query(table, ["1000 / t.id"], leaf, by_id, three, one), p.LIMIT, exact, "LIMIT of computed " + label)

    def part(self, table, query, pattern, wanted, label):
        """Is the result right, and is this part sent, or not?"""
        case = cases.Case(query, "constants", [query.values()])
        remote, _ = case.explain(self.tester.pushing, "f." + table.name)
        found = bool(pattern.search(" ".join(remote)))
        if found != wanted:
            self.broken.append("%s, %s: %s is %ssent" % (self.driver, self.tester.collation, label, "" if found else "not "))
        self.compare(case, table)

    def limits(self, table):
        """Lists, trees and sort keys that just fit, and such as do not."""
        column = table.named("i8")

        def ask(template, wanted):
            leaf = queries.Leaf("limits", template, ["i8"], column=column)
            self.check(table, queries.Query(table, ["t.id"], leaf), wanted, template[:40] + "...", False)

        def numbers(count):
            return ", ".join(str(n * 3 - 100) for n in range(count))

        def tree(depth, leaf="t.i8 > 5", wide=1):
            if depth == 1:
                return leaf
            word = (" AND ", " OR ")[depth % 2]
            return "(%s)" % word.join(["t.i8 <> %d" % (depth * 50 + i) for i in range(wide)] + [tree(depth - 1, leaf, wide)])
        longer = p.WIDER if self.driver == "sqlite" else p.EXACT
        for count, in_class, any_class in ((100, p.EXACT, p.EXACT), (101, p.EXACT, p.LOCAL), (1000, p.EXACT, p.LOCAL), (1001, longer, p.LOCAL)):
            ask("t.i8 IN (%s)" % numbers(count), in_class)
            ask("t.i8 NOT IN (%s)" % numbers(count), in_class)
            ask("t.i8 < ANY ('{{%s}}')" % numbers(count), any_class)
            ask("t.i8 >= ALL ('{{%s}}')" % numbers(count), any_class)
        ask(tree(16), p.EXACT)
        ask(tree(17), p.LOCAL)
        ask(tree(8, wide=8), p.EXACT)
        ask(tree(9, wide=8), p.LOCAL)
        # The deepest that is sent, beside many other clauses, over a leaf that is written at length and must be guarded.
        leaf = queries.Leaf("limits", " AND ".join(["t.i8 <> %d" % n for n in range(1500 if self.driver == "sqlite" else 100)] + [tree(16, "t.nu > 12345678901234567890.5")]), ["i8", "nu"])
        self.part(table, queries.Query(table, ["count(*)"], leaf), p.COUNT, True, "count(*) of a deep tree")
        plain = [c for c in table.columns if p.kind_of(self.driver, c) == "plain"]
        keys = [("t.%s" % c.name, c.name) for c in plain] + [("t.id", None)]
        for count in (16, 17):
            part = queries.Query(table, ["t.id"], None, (keys[:-1] * 2)[:count - 1] + keys[-1:], queries.Value("int8", "20"))
            if len(keys) >= count:
                self.part(table, part, p.SORT, self.driver == "sqlite" or count <= 16, "%d sort keys" % count)

    def barrier(self, table):
        """What could tell of rows that a barrier hides waits behind it; what cannot goes out."""
        def remote(condition):
            return self.tester.pushing.remote("SELECT id, i4, s FROM f.%s_barrier WHERE %s" % (table.name, condition))[0]
        if remote("s LIKE 'a%'") != remote("true"):
            self.broken.append("%s: LIKE is sent before a barrier" % self.driver)
        if remote("i4 = 5") == remote("true"):
            self.broken.append("%s: a leakproof condition waits behind a barrier" % self.driver)

    def run(self, sources):
        """All columns; two assertions."""
        tap = self.tester.tap
        self.barrier(sources.tables[self.driver][0])
        self.limits(sources.tables[self.driver][0])
        for table in sources.tables[self.driver][:1] + sources.small[self.driver]:
            for column in table.columns:
                if self.c_order or column.base in queries.TEXTS:    # the database's collation matters to text only
                    self.conditions(table, column)
                    self.parts(table, column)
        for (kind, found), count in sorted(self.counts.items()):
            tap.note("sent to %s, %s: %-8s %-5s %4d forms" % (self.driver, self.tester.collation, kind, found, count))
        for line in self.broken:
            tap.note(line)
        tap.assertion(not self.broken, "%s, %s: each construct is sent as is promised" % (self.driver, self.tester.collation))
        tap.assertion(self.wrong == 0, "%s, %s: each construct on each column gives the right rows" % (self.driver, self.tester.collation))

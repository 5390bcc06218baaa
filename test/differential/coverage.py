"""How much was really pushed down: agreement alone would prove nothing."""
import re

import queries

FILTER = re.compile(r' WHERE |"filter"\s*:\s*\{\s*"|"\$match"')
SORT = re.compile(r' ORDER BY |"sort"\s*:|"\$sort"')
LIMIT = re.compile(r' LIMIT |"limit"\s*:|"\$limit"|"skip"|"\$skip"')
COUNT = re.compile(r'SELECT count\(\*\)|"\$count"')

# Least shares of single conditions that must reach the source, by family of
# the column and construct, over both databases.  What is a constant FALSE, or
# NULL, is a filter of another form, so nothing is ever asked for whole.
COMMON = {"equal": 0.9, "range": 0.9, "in": 0.85, "any": 0.8, "distinct": 0.8, "between": 0.8, "null": 1.0}
LEAST = {
    "bool": {**COMMON, "any": 0.5, "test": 1.0},
    "int": {**COMMON, "mixed": 0.9, "any order": 0.7},
    "float": {**COMMON, "mixed": 0.8},
    "numeric": {**COMMON, "any": 0.5, "range": 0.8, "in": 0.7, "distinct": 0.6},
    "text": {**COMMON, "equal": 0.75, "in": 0.75, "range": 0.3, "between": 0.2, "like": 0.8},
    "char": {"null": 1.0, "equal": 0.25, "in": 0.25},
    "bytea": {"equal": 0.9, "in": 0.8, "null": 1.0},
    "uuid": COMMON,
    "objectid": {**COMMON, "equal": 0.7, "any": 0.5, "range": 0.3, "between": 0.2},
    "time": {**COMMON, "any": 0.4, "distinct": 0.5, "between": 0.5, "in": 0.5},
    "iso": {"range": 0.9, "between": 0.5, "null": 1.0},
    "array": {"null": 1.0},
    "json": {"null": 1.0},
}
# The same for conditions that the source evaluates alone.
LEAST_EXACT = {
    "int": {"equal": 0.85, "range": 0.85, "in": 0.8},
    "text": {"equal": 0.75, "in": 0.7},
    "bool": {"test": 0.9},
}
LEAST_PARTS = {"filter": 0.55, "sort": 0.3, "limit": 0.2, "count": 0.4}
ENOUGH = 8              # fewer cases than this say nothing


def family(column):
    """Columns that are pushed down alike."""
    storage = column.options.get("storage")
    if "." in column.options.get("column_name", ""):
        return "dotted name"
    if column.options.get("bson_type") == "objectid":
        return "objectid"
    if column.base.endswith("[]"):
        return "array"
    if column.base in queries.TIMES:
        return {"iso": "time" if column.base == "date" else "iso", "julian": "julian"}.get(storage, "time")
    if column.base == "numeric":
        return "decimal text" if storage == "text" else "numeric"
    for name, types in (("int", queries.INTEGERS), ("float", ("float4", "float8")), ("text", ("text", "varchar")), ("json", ("json", "jsonb"))):
        if column.base in types:
            return name
    return column.base


class Coverage:
    """Counts by driver, family and construct."""

    def __init__(self):
        self.counts = {}

    def add(self, driver, group, construct, pushed):
        """One more case."""
        pair = self.counts.setdefault((driver, group, construct), [0, 0])
        pair[0] += 1
        pair[1] += bool(pushed)

    def count(self, driver, query, remote, plan):
        """Look at the plan of a query."""
        text = " ".join(remote)
        if not remote:
            return
        filtered = FILTER.search(text)
        where = query.where
        if isinstance(where, queries.Leaf) and where.column is not None:
            group = family(where.column)
            self.add(driver, group, where.construct, filtered)
            local = any(re.match(r"\s*(Filter|One-Time Filter):", line) for line in plan)
            self.add(driver, "exact " + group, where.construct, filtered and not local)
        if where is not None:
            self.add(driver, "parts", "filter", filtered)
        if query.orders:
            self.add(driver, "parts", "sort", SORT.search(text))
        if query.limit is not None or query.offset is not None:
            self.add(driver, "parts", "limit", LIMIT.search(text))
        if query.targets == ["count(*)"]:
            self.add(driver, "parts", "count", COUNT.search(text))

    def judge(self, tap, drivers):
        """Assert for each driver that enough was pushed."""
        least = {**LEAST, "parts": LEAST_PARTS, **{"exact " + name: shares for name, shares in LEAST_EXACT.items()}}
        for driver in drivers:
            poor = []
            for (owner, group, construct), (total, pushed) in sorted(self.counts.items()):
                wanted = least.get(group, {}).get(construct)
                if owner != driver:
                    continue
                mark = ""
                if wanted is not None and total >= ENOUGH and pushed < wanted * total:
                    poor.append("%s %s" % (group, construct))
                    mark = "  TOO FEW, %d %% expected" % (100 * wanted)
                tap.note("pushed to %-8s %-14s %-10s %5d of %5d%s" % (driver, group, construct, pushed, total, mark))
            tap.assertion(not poor, "%s: enough is really pushed down%s" % (driver, ": not " + ", ".join(poor) if poor else ""))

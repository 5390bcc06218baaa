"""How much of what the random queries ask was really pushed down.

The sweep holds each form of each construct against what is promised; this
counts how often the generator brings about each construct that can be sent.
"""
import promises
import queries

# How often each must have been sent in 1000 cases of a driver: conditions that
# stand alone, and parts of queries.
LEAST = {
    "equal": 20, "range": 35, "mixed": 12, "in": 30, "any": 10, "any order": 10, "distinct": 25, "between": 9, "null": 20, "test": 2, "like": 6,
    "filter": 300, "sort": 80, "limit": 20, "offset": 6, "count": 25, "skipped here": 2,
}


class Coverage:
    """Counts by driver and construct: [sent, asked]."""

    def __init__(self):
        self.counts = {}

    def add(self, driver, construct, sent):
        """One more case."""
        pair = self.counts.setdefault((driver, construct), [0, 0])
        pair[0] += bool(sent)
        pair[1] += 1

    def count(self, driver, query, remote, plan):
        """Look at the plan of a query."""
        text = " ".join(remote)
        if not remote:
            return
        filtered = promises.FILTER.search(text)
        where = query.where
        if isinstance(where, queries.Leaf) and where.column is not None:
            self.add(driver, where.construct, filtered)
        if where is not None:
            self.add(driver, "filter", filtered)
        if query.orders:
            self.add(driver, "sort", promises.SORT.search(text))
        if query.limit is not None:
            self.add(driver, "limit", promises.LIMIT.search(text))
        if query.offset is not None:
            self.add(driver, "offset", promises.OFFSET.search(text))
        if query.shape.name == "computed":
            self.add(driver, "skipped here", promises.LIMIT.search(text) and any(line.strip().startswith("Limit") for line in plan))
        if query.targets == ["count(*)"]:
            self.add(driver, "count", promises.COUNT.search(text))

    def judge(self, tap, drivers, cases):
        """Assert for each driver that each construct was sent often enough."""
        for driver in drivers:
            poor = []
            for construct, least in LEAST.items():
                sent, asked = self.counts.get((driver, construct), [0, 0])
                wanted = least * cases // 1000
                if sent < wanted:
                    poor.append("%s (%d of %d)" % (construct, sent, wanted))
                tap.note("sent to %-8s %-12s %5d of %5d" % (driver, construct, sent, asked))
            tap.assertion(not poor, "%s: every construct is really sent%s" % (driver, ": not " + ", ".join(poor) if poor else ""))

#!/usr/bin/python3
"""The second table of "make bench": milliseconds from an interrupt to its effect.

For each situation: a cancel, a statement_timeout, and a terminated backend,
as the client sees them, and the end of the terminated process, which may take
up to a second longer to tell its source.  The worst of SY_BENCH_ROUNDS each.
"""
import os
import signal
import sqlite3
import sys
import time

import pymongo

from common import DIRECT, DIRECTORY, PORT, Proxy, Session, psql, setting

ROUNDS = setting("ROUNDS", 5)
SORT_MB = setting("SORT_MB", 500)
MEMBERS = 5
AFTER = 0.3
# What was told to no avail is told again before the next query.
CLOSE = "DO $$ DECLARE c refcursor := 'c'; BEGIN CLOSE c; PERFORM n FROM c_0 WHERE n = 1; END $$"
REACH = 100
STRETCH = 5
UNMEASURED = []


class Situation:
    """A statement, what brings it to where it is interrupted, and what mends that."""

    def __init__(self, title, sql, warm="SELECT 1", begin=None, mend=None, after=(AFTER,)):
        self.title = title
        self.sql = sql
        self.warm = warm
        self.begin = begin
        self.mend = mend
        self.after = after

    def take(self, how, after):
        """One interrupt; returns (ms to its effect, ms to the end of the process), or what came instead."""
        session = Session()
        try:
            session.must(self.warm)
            if self.begin:
                self.begin()
            if how == "timeout":
                session.must("SET statement_timeout = %d" % (after * 1000))
            began = time.monotonic()
            session.send(self.sql + ";\n\\echo over")
            if how != "timeout":
                if session.wait(lambda line: line == "over", after):
                    return [line for _, line in session.lines if line not in ("over", None)]
                began = time.monotonic() - after
                os.kill(session.pid, signal.SIGINT if how == "cancel" else signal.SIGTERM)
            answer = session.wait(lambda line: "canceling statement" in line or "terminating connection" in line, 20)
            told = (answer[0] - began - after) * 1000 if answer else float("inf")
            while how == "terminate" and os.path.exists("/proc/%d" % session.pid):
                time.sleep(0.001)
            return told, (time.monotonic() - began - after) * 1000
        finally:
            if self.mend:
                self.mend()
            session.close()

    def measure(self):
        """Print a line of the table; one without figures is remembered in UNMEASURED."""
        worst = {"cancel": 0.0, "timeout": 0.0, "terminate": 0.0, "gone": 0.0}
        for number in range(ROUNDS):
            for how in ("cancel", "timeout", "terminate"):
                after = self.after[number % len(self.after)]
                taken = self.take(how, after)
                for share in (0.7, 0.5, 0.3):
                    # It may be over sooner than when it was timed.
                    if isinstance(taken, list) and len(self.after) > 1:
                        taken = self.take(how, after * share)
                if isinstance(taken, list):
                    print("%-44s NOT MEASURED, it did not wait: %s" % (self.title, " ".join(taken)[:200]), flush=True)
                    UNMEASURED.append(self.title)
                    return
                worst[how] = max(worst[how], taken[0])
                if how == "terminate":
                    worst["gone"] = max(worst["gone"], taken[1])
        most = max(worst["cancel"], worst["timeout"], worst["terminate"])
        print("%-44s %8.1f %8.1f %8.1f %8.1f  %s" %
              (self.title, worst["cancel"], worst["timeout"], worst["terminate"], worst["gone"],
               "MISSED" if most > REACH else "stretch" if most <= STRETCH else "reached"), flush=True)


def servers(backlog, proxies):
    """The DDL for MongoDB: one server a situation, all of one mongod.

    What is given up again and again before the server has said a word would
    open a breaker.
    """
    def server(name, uri):
        return ("CREATE SERVER %s FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '%s', database 'cancel',"
                " connect_timeout '60s', breaker 'off');" % (name, uri))
    ddl = server("c_full", DIRECT % backlog.port) + server("c_tls", DIRECT % proxies[0].port + "&tls=true&tlsInsecure=true")
    ddl += server("c_scram", DIRECT % proxies[0].port)
    ddl += "CREATE USER MAPPING FOR PUBLIC SERVER c_scram OPTIONS (username 'u', password 'p');"
    for name in ("full", "tls", "scram"):
        ddl += "CREATE FOREIGN TABLE c_%s (n bigint) SERVER c_%s OPTIONS (collection 'big');" % (name, name)
    ddl += "CREATE TABLE c_all (n bigint, filler text);"
    for i, proxy in enumerate(proxies):
        ddl += server("c_%d" % i, DIRECT % proxy.port)
        ddl += "CREATE FOREIGN TABLE c_%d () INHERITS (c_all) SERVER c_%d OPTIONS (collection 'big');" % (i, i)
    return ddl


def mongodb():
    """The situations of a connection to a server."""
    collection = pymongo.MongoClient(DIRECT % PORT).cancel.big
    collection.insert_many([{"n": i, "filler": "x" * 2000} for i in range(5000)])
    backlog = Proxy()
    proxies = [Proxy(PORT) for _ in range(MEMBERS)]
    psql(servers(backlog, proxies))

    def everywhere(*lines):
        return lambda: [proxy.command(line) for proxy in proxies for line in lines]

    warm = "SELECT n FROM c_0 WHERE n = 1"
    cursor = "BEGIN; DECLARE c CURSOR FOR SELECT n, filler FROM c_0; FETCH 1 FROM c"
    mend = everywhere("pass", "release")
    kill = everywhere("hold killCursors", "hold killSessions")
    situations = [
        Situation("MongoDB, connect (full backlog)", "SELECT * FROM c_full"),
        Situation("MongoDB, TLS handshake", "SELECT * FROM c_tls", begin=everywhere("hold *"), mend=mend),
        Situation("MongoDB, hello", "SELECT * FROM c_0", begin=everywhere("stall"), mend=mend),
        Situation("MongoDB, SCRAM", "SELECT * FROM c_scram", begin=everywhere("hold saslStart"), mend=mend),
        Situation("MongoDB, find", "SELECT * FROM c_0", warm, everywhere("hold find"), mend),
        Situation("MongoDB, getMore", "SELECT count(filler) FROM c_0", warm, everywhere("hold getMore"), mend),
        Situation("MongoDB, a reply that trickles", "SELECT count(filler) FROM c_0", warm, everywhere("trickle 5"), mend),
        Situation("MongoDB, killSessions of a closed cursor", CLOSE, cursor, kill, mend),
        Situation("MongoDB, %d coroutines in flight" % MEMBERS, "SELECT count(filler) FROM c_all",
                  "SELECT count(*) FROM c_all WHERE n = 1", everywhere("hold find"), mend),
    ]
    for situation in situations:
        situation.measure()
    for proxy in [backlog, *proxies]:
        proxy.close()


def sqlite():
    """The situations of a file."""
    path = os.path.join(DIRECTORY, "cancel.db")
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("""
CREATE TABLE t (i INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
CREATE VIEW unsorted AS WITH RECURSIVE n(i) AS
    (SELECT 1 UNION ALL SELECT (i * 1103515245 + 12345) %% 2147483648 FROM n LIMIT %d)
    SELECT i, hex(randomblob(500)) AS pad FROM n;
""" % (SORT_MB * 1000))
    psql("""
CREATE SERVER c_file FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s', busy_timeout '60s');
CREATE FOREIGN TABLE c_t (i bigint) SERVER c_file OPTIONS ("table" 't');
CREATE FOREIGN TABLE c_endless (i bigint) SERVER c_file OPTIONS ("table" 'endless');
CREATE FOREIGN TABLE c_unsorted (i bigint, pad text) SERVER c_file OPTIONS ("table" 'unsorted');
""" % path)
    sort = "FETCH 1 FROM c"
    cursor = "BEGIN; DECLARE c CURSOR FOR SELECT i, pad FROM c_unsorted ORDER BY i"
    session = Session()
    if any("Sort" in line for line in session.must("EXPLAIN (COSTS OFF) SELECT i, pad FROM c_unsorted ORDER BY i")):
        sys.exit("bench: the sort is not sent: its line would measure another thing")
    session.must(cursor)
    began = time.monotonic()
    session.must(sort)
    whole = time.monotonic() - began
    session.close()
    Situation("SQLite, row loop", "SELECT count(i + 0) FROM c_endless WHERE i + 0 < 0").measure()
    Situation("SQLite, filter within SQLite", "SELECT i FROM c_endless WHERE i < 0").measure()
    Situation("SQLite, sort of %d MB (%.1f s)" % (SORT_MB, whole), sort, cursor,
              after=[whole * share for share in (0.5, 0.8, 0.65, 0.9, 0.3)]).measure()
    Situation("SQLite, busy wait", "SELECT * FROM c_t", "SELECT * FROM c_t",
              lambda: db.execute("BEGIN EXCLUSIVE"), lambda: db.execute("ROLLBACK")).measure()
    db.close()


def main():
    """Print the table."""
    print("\nms from an interrupt to its effect, the worst of %d; goal %d, stretch %d" % (ROUNDS, REACH, STRETCH))
    print("%-44s %8s %8s %8s %8s" % ("", "cancel", "timeout", "termin.", "process"), flush=True)
    psql("SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS switchyard")
    mongodb()
    sqlite()
    if UNMEASURED:
        sys.exit("bench: NOT MEASURED: " + "; ".join(UNMEASURED))


if __name__ == "__main__":
    main()

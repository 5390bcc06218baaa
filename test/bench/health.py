#!/usr/bin/python3
"""What health costs: the part of "make bench" that needs two clusters.

    health.py DIRECTORY WITH WITHOUT

WITH and WITHOUT are the socket directories of a cluster with the library as
it is, and of one whose library asks src/health nothing.
"""
import os
import sqlite3
import statistics
import subprocess
import sys

ROUNDS = int(os.environ.get("SY_BENCH_ROUNDS", "5")) * 2 + 1
SECONDS = int(os.environ.get("SY_BENCH_SECONDS", "2"))
DIRECTORY, WITH, WITHOUT = sys.argv[1:]
FILE = os.path.join(DIRECTORY, "lookup.db")
LOOKUP = os.path.join(DIRECTORY, "lookup.sql")


def psql(host, script):
    """Run a script; returns its output's lines."""
    done = subprocess.run(["psql", "-XtAq", "-h", host, "-v", "ON_ERROR_STOP=1"], input=script, capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    return done.stdout.strip().split("\n")


def lookup_us(host):
    """Microseconds of a point lookup, by pgbench."""
    done = subprocess.run(["pgbench", "-n", "-h", host, "-M", "prepared", "-T", str(SECONDS), "-f", LOOKUP],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    tps = [line for line in done.stdout.split("\n") if line.startswith("tps = ")]
    return 1000000 / float(tps[0].split()[2])


def main():
    """Prepare both clusters, measure, print."""
    with open(LOOKUP, "w", encoding="ascii") as file:
        file.write("\\set id random(1, 1000)\nSELECT name FROM lookup WHERE id = :id;\n")
    db = sqlite3.connect(FILE)
    db.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT)")
    db.executemany("INSERT INTO names VALUES (?, ?)", ((i, "name%016d" % i) for i in range(1, 1001)))
    db.commit()
    db.close()
    for host in WITH, WITHOUT:
        psql(host, """
CREATE EXTENSION IF NOT EXISTS switchyard;
CREATE SERVER lookup FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s', read_only 'true');
CREATE FOREIGN TABLE lookup (id bigint OPTIONS (key 'true'), name text) SERVER lookup OPTIONS ("table" 'names');
""" % FILE)
    admission, success = psql(WITH, """
CREATE EXTENSION switchyard_test CASCADE;
SELECT unnest(switchyard_test.health_ns(2000));""")
    print("\n%-58s %9s" % ("a closed breaker", "ns"))
    print("%-58s %9.1f" % ("admission (goal: < 50)", float(admission)))
    print("%-58s %9.1f" % ("completion (goal: < 100)", float(success)))

    refusal = psql(WITH, """
CREATE SERVER dead FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '%s.absent', failure_threshold '1');
CREATE FOREIGN TABLE dead (id bigint) SERVER dead;
CREATE FUNCTION refusals(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
BEGIN
    BEGIN
        PERFORM FROM dead;
    EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN NULL;
    END;
    began := clock_timestamp();
    FOR i IN 1 .. n LOOP
        BEGIN
            PERFORM FROM dead;
        EXCEPTION WHEN cannot_connect_now THEN NULL;
        END;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - began) * 1000 / n;
END $$;
SELECT refusals(1000);""" % FILE)[-1]
    print("%-58s %9.3f" % ("a refusal in a warm session, ms (goal: < 1)", float(refusal)))

    pairs = [(lookup_us(WITHOUT), lookup_us(WITH)) for _ in range(ROUNDS)]
    without, with_health = (statistics.median(column) for column in zip(*pairs))
    print("\n%-58s %9s %9s %7s" % ("SQLite point lookups by pgbench, us", "without", "with", "ratio"))
    print("%-58s %9.1f %9.1f %7.3f" % ("median of %d paired runs (goal: <= 1.03)" % ROUNDS, without, with_health,
                                       statistics.median(b / a for a, b in pairs)), flush=True)


if __name__ == "__main__":
    main()

-- LIMIT and OFFSET: what may be sent, and what must happen here.
\getenv dir SY_TEST_DIR
\set file :dir '/limits.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, ''a''), (2, ''b''), (3, ''c''), (4, ''d'')';
\o
\a\t

CREATE SCHEMA limits;
SET search_path = limits;
CREATE SERVER regress_sy_limits FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file');
CREATE FOREIGN TABLE t (id bigint OPTIONS (key 'true'), v text) SERVER regress_sy_limits;

-- Bounds travel, evaluated at the start of each scan.
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v FROM t ORDER BY id LIMIT 2 OFFSET 1;
SELECT id, v FROM t ORDER BY id LIMIT 2 OFFSET 1;
SELECT o, ARRAY(SELECT id FROM t ORDER BY id LIMIT o OFFSET o - 1) FROM generate_series(1, 4) o;

-- A condition that every value meets still looks at each.
EXPLAIN (VERBOSE, COSTS OFF) SELECT v FROM t WHERE v COLLATE "C" > ALL ('{}') ORDER BY id LIMIT 1 OFFSET 2;
SELECT v FROM t WHERE v COLLATE "C" > ALL ('{}') ORDER BY id LIMIT 1 OFFSET 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT v FROM t WHERE v <> ALL ('{}') ORDER BY id LIMIT 1 OFFSET 2;

PREPARE p(bigint, bigint) AS SELECT id FROM t ORDER BY id LIMIT $1 OFFSET $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(1, 2);
EXECUTE p(NULL, 3);
EXECUTE p(2, NULL);
EXECUTE p(0, 0);
EXECUTE p(-1, 0);
EXECUTE p(1, -1);
RESET plan_cache_mode;

-- What OFFSET skips is evaluated all the same: an error there is one, a
-- sequence advances.
SELECT 1 / (id - 1) FROM t ORDER BY id LIMIT 1 OFFSET 1;
CREATE SEQUENCE s;
SELECT nextval('s') FROM t ORDER BY id LIMIT 1 OFFSET 2;
SELECT (SELECT 1 / (count(*) - 4) FROM t), id FROM t ORDER BY id LIMIT 1 OFFSET 3;
SELECT (SELECT 1 / (count(*) - 4) FROM t), id FROM t ORDER BY id LIMIT 1 OFFSET 4;
CREATE FUNCTION beside(assigned bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	IF assigned THEN
		SELECT 1 AS f INTO r;
	END IF;
	PERFORM r.f, id FROM t ORDER BY id LIMIT 1 OFFSET 4;
	RETURN 'no error';
END
$$;
SELECT beside(true);
\set VERBOSITY terse
SELECT beside(false);
\set VERBOSITY default
SELECT id || '!' FROM t ORDER BY id LIMIT 2;

-- The source cuts behind the last row that is looked at all the same, where
-- LIMIT is there to cut.
EXPLAIN (VERBOSE, COSTS OFF) SELECT id || '!' FROM t ORDER BY id LIMIT 2 OFFSET 1;
SELECT id || '!' FROM t ORDER BY id LIMIT 2 OFFSET 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id || '!' FROM t OFFSET 1;
SELECT currval('s');
PREPARE n(bigint, bigint) AS SELECT nextval('s'), id || '!' FROM t ORDER BY id LIMIT $1 OFFSET $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE n(1, 1);
EXECUTE n(1, 1);
EXECUTE n(2, NULL);
EXECUTE n(NULL, 2);
EXECUTE n(0, 2);
EXECUTE n(9223372036854775807, 3);
EXECUTE n(1, 9223372036854775807);
EXECUTE n(-1, 9223372036854775807);
EXECUTE n(1, -9223372036854775808);
RESET plan_cache_mode;
EXECUTE n(9223372036854775807, 1);
EXECUTE n(-1, 1);

-- A scan that never ran is shown with its filter; other lines differ between
-- versions.
CREATE FUNCTION scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ '(never executed|Remote)' THEN
			RETURN NEXT btrim(line);
		END IF;
	END LOOP;
END
$$;
\pset format unaligned
SELECT scans('SELECT v FROM t WHERE id = 3 AND (SELECT count(*) FROM t) > 4');
\pset format aligned

SET client_min_messages = warning;
DROP SCHEMA limits CASCADE;
DROP SERVER regress_sy_limits;

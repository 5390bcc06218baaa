-- SQLite: what is sent, in which form, and that it never changes a result.
\getenv dir SY_TEST_DIR
\set file :dir '/sqlite_pushdown.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT $sql$
CREATE TABLE t (id INTEGER PRIMARY KEY, b BOOLEAN, i INTEGER, f REAL, r, n NUMERIC, s TEXT, k TEXT COLLATE NOCASE,
    c TEXT, y BLOB, u TEXT, d DATE, ts DATETIME, tu INTEGER, j TEXT, m NUMERIC);
CREATE INDEX t_s ON t (s);
INSERT INTO t VALUES
    (1, 1, 1, 0.1, 0.5, 0.1, 'abc', 'Abc', 'ab', x'01', '00000000-0000-4000-8000-000000000001', '2024-01-01', '2024-01-01 00:00:00', 0, '{}', 'x'),
    (2, 0, 5, 9e999, 2, 5, 'ABC', 'abc', 'ab  ', x'0100', '00000000-0000-4000-8000-000000000002', '2024-01-02', '2024-01-01T12:30', 1704067200, '[1]', '5x'),
    (3, NULL, -7, -1.5, -1.5, 9.99, 'a%c', 'ABC', 'abc', x'', NULL, '0001-01-01', '2024-01-02', -1, NULL, '!'),
    (4, 1, 9223372036854775807, 0.30000000000000004, 3, 9223372036854775807, 'a*c', 'x', '', NULL, NULL, '9999-12-31', '2023-12-31 23:59:59.999999', 1, 'null', '~'),
    (5, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, 1, 0, 1e300, 0, 1152921504606846976, 'é', 'é', 'é', x'ff', 'ffffffff-ffff-4fff-bfff-ffffffffffff', '1970-01-01', '1970-01-01', 1704067199, '1', ''),
    (7, 0, 5, 0.5, 5, -0.5, 'a[b]?', 'z', 'z', x'00', '00000000-0000-4000-8000-00000000000f', '2024-02-29', '2024-02-29 10:00:00.5', 253402300799, '"x"', 'b');
CREATE TABLE untidy (id INTEGER PRIMARY KEY, i, s, n NUMERIC);
INSERT INTO untidy VALUES (1, 5, 'a', 1), (2, 'five', 'b', 'x'), (3, 6.5, x'61', 2), (4, 7.0, 9, 3.5), (5, NULL, NULL, NULL);
$sql$;
\o
\a\t

CREATE SCHEMA sqlite_pushdown;
SET search_path = sqlite_pushdown;
SET timezone = 'UTC';
SET datestyle = ISO;
CREATE SERVER regress_sy_pushdown FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', read_only 'true');
CREATE FOREIGN TABLE t (
    id bigint OPTIONS (key 'true'), b boolean, i bigint, f double precision, r real, n numeric,
    s text COLLATE "C", k text, c char(5), y bytea, u uuid, d date, ts timestamp,
    tu timestamptz OPTIONS (storage 'unix'), j jsonb, m text COLLATE "C") SERVER regress_sy_pushdown;

-- What is sent for a condition, what stays here, the rows, and whether they
-- are those of a local evaluation.
CREATE FUNCTION try(condition text) RETURNS TABLE (sent text, here text, ids text)
LANGUAGE plpgsql AS $$
DECLARE
    line text;
    local_ids text;
BEGIN
    sent := '(nothing)';
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM t WHERE ' || condition LOOP
        sent := coalesce(substring(line from 'WHERE (.*)'), sent);
        here := coalesce(substring(line from 'Filter: (.*)'), here);
        IF line ~ 'One-Time Filter: false' THEN
            sent := '(no scan)';
        END IF;
    END LOOP;
    EXECUTE 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM (SELECT id FROM t WHERE ' || condition || ') x' INTO ids;
    PERFORM set_config('switchyard.enable_pushdown', 'off', true);
    EXECUTE 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM (SELECT id FROM t WHERE ' || condition || ') x' INTO local_ids;
    PERFORM set_config('switchyard.enable_pushdown', 'on', true);
    IF ids IS DISTINCT FROM local_ids THEN
        ids := ids || ' BUT ' || local_ids;
    END IF;
    RETURN NEXT;
END $$;

\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
--
-- Numbers
--
SELECT * FROM try('i = 5');
SELECT * FROM try('i <> 5');
SELECT * FROM try('i > 4.5');
SELECT * FROM try('i < 9223372036854775807');
SELECT * FROM try('i BETWEEN 0 AND 5');
SELECT * FROM try('i IN (1, 5, NULL)');
SELECT * FROM try('i NOT IN (1, 5)');
SELECT * FROM try('i NOT IN (1, NULL)');
SELECT * FROM try('i = ANY (ARRAY[]::bigint[])');
SELECT * FROM try('i IS NULL');
SELECT * FROM try('i IS NOT NULL');
SELECT * FROM try('i IS DISTINCT FROM 5');
SELECT * FROM try('i IS NOT DISTINCT FROM 5');
SELECT * FROM try('i IS DISTINCT FROM NULL');
SELECT * FROM try('f = 0.1');
SELECT * FROM try('f = 0.30000000000000004');
SELECT * FROM try('f < ''NaN''');
SELECT * FROM try('f >= ''NaN''');
SELECT * FROM try('f = ''Infinity''');
SELECT * FROM try('f IN (0.1, ''NaN'')');
SELECT * FROM try('f NOT IN (0.1, ''NaN'')');
SELECT * FROM try('r > 0.5::real');
SELECT * FROM try('n = 0.1');
SELECT * FROM try('n = 0.1000000000000000000000001');
SELECT * FROM try('n < 0.1000000000000000000000001');
SELECT * FROM try('n > 9.98999999999999999999');
SELECT * FROM try('n = 9223372036854775807');
SELECT * FROM try('n > 9223372036854775806.5');
SELECT * FROM try('n <> 1152921504606847000');
SELECT * FROM try('n IN (5, 9223372036854775807, 0.1)');
SELECT * FROM try('n IS DISTINCT FROM 1152921504606846976');
SELECT * FROM try('n < 1e400 AND n > -1e400');
SELECT * FROM try('n < ''NaN''');
SELECT * FROM try('i % 10 = 5');

--
-- Booleans
--
SELECT * FROM try('b');
SELECT * FROM try('NOT b');
SELECT * FROM try('b IS TRUE');
SELECT * FROM try('b IS NOT TRUE');
SELECT * FROM try('b IS NOT FALSE');
SELECT * FROM try('b IS UNKNOWN');
SELECT * FROM try('b <> true');
SELECT * FROM try('b < true');

--
-- Text: the collation is always named; order only under C.
--
SELECT * FROM try('s = ''abc''');
SELECT * FROM try('k = ''abc''');
SELECT * FROM try('k IN (''abc'', ''x'')');
SELECT * FROM try('k <> ''abc''');
SELECT * FROM try('s < ''abc''');
SELECT * FROM try('s COLLATE "C" BETWEEN ''a'' AND ''b''');
SELECT * FROM try('s IS DISTINCT FROM ''é''');
SELECT * FROM try('c = ''ab''');
SELECT * FROM try('c = ''ab   ''');
SELECT * FROM try('c IN (''ab'', ''z'')');
SELECT * FROM try('c LIKE ''ab   ''');
SELECT * FROM try('s LIKE ''a%''');
SELECT * FROM try('s LIKE ''a\%c''');
SELECT * FROM try('s LIKE ''a*c''');
SELECT * FROM try('s LIKE ''%[b]?''');
SELECT * FROM try('s NOT LIKE ''_b_''');
SELECT * FROM try('k LIKE ''a%''');
SELECT * FROM try('s LIKE ''_''');
SELECT sent, left(here, 20), ids FROM try('s LIKE repeat(''x'', 50001)');
SELECT * FROM try('s ILIKE ''a%''');
SELECT * FROM try('m = ''5x''');
SELECT * FROM try('m > ''5''');
SELECT * FROM try('m < ''5''');
-- A pattern that is an error is one here.
SELECT id FROM t WHERE s LIKE 'a\';

--
-- Bytes, UUIDs, dates and times
--
SELECT * FROM try('y > ''\x01''');
SELECT * FROM try('u = ''00000000-0000-4000-8000-000000000002''');
SELECT * FROM try('u > ''00000000-0000-4000-8000-000000000002''');
SELECT * FROM try('d = ''2024-01-01''');
SELECT * FROM try('d < ''0044-03-15 BC''');
SELECT * FROM try('d < ''infinity''');
SELECT * FROM try('d > ''9999-12-30''');
SELECT * FROM try('ts = ''2024-01-01 12:30''');
SELECT * FROM try('ts < ''2024-01-01 00:00:00.000001''');
SELECT * FROM try('ts >= ''2024-01-01 12:30''');
SELECT * FROM try('ts IN (''2024-01-01'', ''2024-02-29 10:00:00.5'')');
SELECT * FROM try('ts <> ''2024-01-01''');
SELECT * FROM try('tu = ''2024-01-01 00:00:00.5Z''');
SELECT * FROM try('tu < ''1970-01-01 00:00:00.5Z''');
SELECT * FROM try('tu >= ''1970-01-01 00:00:00.5Z''');
SELECT * FROM try('tu <= ''infinity''');
SELECT * FROM try('j IS NOT NULL');
SELECT * FROM try('j = ''1''');

--
-- AND, OR, NOT
--
SELECT * FROM try('i = 5 AND s = ''ABC''');
SELECT * FROM try('i = 5 OR s = ''abc''');
SELECT * FROM try('NOT (i = 5 OR s = ''abc'')');
SELECT * FROM try('i = 5 AND i % 10 = 5');
SELECT * FROM try('i = 5 OR i % 10 = 1');
SELECT * FROM try('(i = 5 AND b) OR (i = 1 AND NOT b) OR i IS NULL');
SELECT length(sent) > 1000 AS all_sent, here, ids FROM try('id = 1 OR ' || (SELECT string_agg(format('i < %s AND s = ''q''', g), ' OR ') FROM generate_series(1, 1500) g));
SELECT length(sent) > 3000 AS all_sent, here, ids FROM try('i IN (' || (SELECT string_agg(g::text, ',') FROM generate_series(1, 1000) g) || ')');
SELECT length(sent) > 3000 AS all_sent, length(here) > 3000 AS repeated, ids FROM try('i IN (' || (SELECT string_agg(g::text, ',') FROM generate_series(1, 1001) g) || ')');
\pset tuples_only off
\pset format aligned

--
-- Values that come late
--
SET plan_cache_mode = force_generic_plan;
PREPARE by_id(bigint) AS SELECT s FROM t WHERE id = $1;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_id(1);
EXECUTE by_id(1);
EXECUTE by_id(NULL);
PREPARE by_numeric(numeric) AS SELECT id FROM t WHERE n > $1 ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_numeric(1);
EXECUTE by_numeric(9.99);
EXECUTE by_numeric('NaN');
EXECUTE by_numeric(9223372036854775806);
PREPARE by_pattern(text) AS SELECT id FROM t WHERE s LIKE $1 ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_pattern('a%');
EXECUTE by_pattern('a%');
EXECUTE by_pattern('a\');
PREPARE by_array(bigint[]) AS SELECT id FROM t WHERE i = ANY ($1) ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_array('{1,5}');
EXECUTE by_array('{1,5,NULL}');
EXECUTE by_array('{}');
EXECUTE by_array(NULL);
SELECT array_agg(g) AS many FROM generate_series(0, 300000) g \gset
EXECUTE by_array(:'many');
PREPARE by_time(timestamp) AS SELECT id FROM t WHERE ts > $1 ORDER BY id;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_time('2024-01-01');
EXECUTE by_time('2024-01-01 00:00:00');
EXECUTE by_time('infinity');
RESET plan_cache_mode;
-- A key of another table.
CREATE TABLE keys (id bigint);
INSERT INTO keys VALUES (2), (NULL), (7), (99);
ANALYZE keys;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT keys.id, t.s FROM keys JOIN t USING (id);
SELECT keys.id, t.s FROM keys JOIN t USING (id) ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;

--
-- Order, limits, counts
--
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM t ORDER BY i DESC NULLS LAST, id LIMIT 3 OFFSET 1;
SELECT id, i FROM t ORDER BY i DESC NULLS LAST, id LIMIT 3 OFFSET 1;
SELECT id, i FROM t ORDER BY i, id LIMIT 3;
SELECT id, i FROM t ORDER BY i NULLS FIRST, id LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM t ORDER BY id LIMIT ALL OFFSET 5;
SELECT id FROM t ORDER BY id LIMIT ALL OFFSET 5;
SELECT id FROM t ORDER BY id LIMIT 0;
SELECT id FROM t ORDER BY id LIMIT -1;
SELECT id, s FROM t ORDER BY s COLLATE "C" LIMIT 4;
SELECT id, c FROM t ORDER BY c COLLATE "C", id LIMIT 4;
SELECT id, f FROM t ORDER BY f DESC, id LIMIT 3;
SELECT id, d FROM t ORDER BY d, id LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM t WHERE i = 5;
SELECT count(*) FROM t WHERE i = 5;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM t;
SELECT count(*) FROM t;
SELECT count(*) FROM t WHERE i = 5 AND i % 10 = 5;

--
-- Values outside of a column's domain are not counted, skipped or found
--
CREATE FOREIGN TABLE untidy (id bigint, i bigint, s text COLLATE "C", n numeric) SERVER regress_sy_pushdown;
SELECT count(*) FROM untidy;
SELECT count(*) FROM untidy WHERE i > 4;
SELECT count(*) FROM untidy WHERE i IS NOT NULL;
SELECT count(*) FROM untidy WHERE i IS NULL;
SELECT count(*) FROM untidy WHERE s >= 'a';
SELECT count(*) FROM untidy WHERE n <> 1;
SELECT id FROM untidy WHERE i = 7;
SELECT id FROM untidy WHERE i > 4 ORDER BY id LIMIT 1 OFFSET 1;
SELECT id FROM untidy WHERE i > 4;

SET client_min_messages = warning;
DROP SCHEMA sqlite_pushdown CASCADE;
DROP SERVER regress_sy_pushdown CASCADE;

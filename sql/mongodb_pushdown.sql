-- MongoDB: what is evaluated by the server, in which words, and that the answer is the same without.
\getenv port SY_MONGO_PORT
\! $SY_PYTHON "$PG_ABS_SRCDIR/test/mongo_load.py" pushdown
\set uri 'mongodb://127.0.0.1:' :port '/'
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SERVER sy_test_mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'sy_test_pushdown');
CREATE FOREIGN TABLE sy_test_good (
	_id integer OPTIONS (key 'true'), i integer OPTIONS (key 'true'), f double precision, f4 real OPTIONS (column_name 'f'), t text COLLATE "C", n numeric,
	o text OPTIONS (bson_type 'objectid') COLLATE "C", b boolean, d date, ts timestamp, u uuid, by bytea, c char(4) COLLATE "C", v varchar(10) OPTIONS (column_name 'l') COLLATE "C",
	arr integer[], j jsonb OPTIONS (column_name 's'), p integer OPTIONS (path 's.p'), r text OPTIONS (path 's.q.r') COLLATE "C", whole jsonb OPTIONS (path '.')
) SERVER sy_test_mongo OPTIONS (collection 'good');

-- The remote query and the local rest of a condition, and whether the rows
-- are those of a local evaluation.
CREATE FUNCTION sy_test_push(condition text, relation text DEFAULT 'sy_test_good')
RETURNS TABLE (remote text, local text, matching bigint, same boolean) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
	here bigint[];
	there bigint[];
BEGIN
	EXECUTE format('EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT _id FROM %I WHERE %s', relation, condition) INTO plan;
	remote := plan #>> '{0,Plan,Remote Query}';
	remote := coalesce((remote::jsonb -> 'filter')::text, '') || CASE WHEN remote::jsonb ? 'collation' THEN ' simple' ELSE '' END;
	local := replace(plan #>> '{0,Plan,Filter}', relation || '.', '');
	EXECUTE format('SELECT array_agg(_id ORDER BY _id) FROM %I WHERE %s', relation, condition) INTO there;
	SET LOCAL switchyard.enable_pushdown = off;
	EXECUTE format('SELECT array_agg(_id ORDER BY _id) FROM %I WHERE %s', relation, condition) INTO here;
	SET LOCAL switchyard.enable_pushdown = on;
	matching := coalesce(cardinality(there), 0);
	same := here IS NOT DISTINCT FROM there;
	RETURN NEXT;
END
$$;
\pset format unaligned
\pset tuples_only on

-- Integers.
SELECT * FROM sy_test_push('i = 5');
SELECT * FROM sy_test_push('i <> 5');
SELECT * FROM sy_test_push('i BETWEEN 3 AND 6 OR i > 8');
SELECT * FROM sy_test_push('i IN (1, 2, NULL)');
SELECT * FROM sy_test_push('i NOT IN (1, 2)');
SELECT * FROM sy_test_push('i = ANY (''{1,2}'')');
SELECT * FROM sy_test_push('i > 6.5');
SELECT * FROM sy_test_push('i IS NULL');
SELECT * FROM sy_test_push('i IS NOT NULL');
SELECT * FROM sy_test_push('i IS DISTINCT FROM 5');
SELECT * FROM sy_test_push('i IS NOT DISTINCT FROM 5');
SELECT * FROM sy_test_push('NOT (i = 5 AND t = ''a'')');
SELECT * FROM sy_test_push('i + 1 = 5');

-- NaN is equal to itself and greater than all numbers.
SELECT * FROM sy_test_push('f > 1.5');
SELECT * FROM sy_test_push('f <= 0');
SELECT * FROM sy_test_push('f = ''NaN''');
SELECT * FROM sy_test_push('f < ''NaN''');
SELECT * FROM sy_test_push('f >= ''NaN''');
SELECT * FROM sy_test_push('f > ''NaN''');
SELECT * FROM sy_test_push('f <> ''Infinity''');
SELECT * FROM sy_test_push('f4 = 1.5');

-- A Double in a numeric column is what its shortest text says.
SELECT * FROM sy_test_push('n = 0.1');
SELECT * FROM sy_test_push('n > 0.1');
SELECT * FROM sy_test_push('n = 5');
SELECT * FROM sy_test_push('n <> 9.313225746154785e-10');
SELECT * FROM sy_test_push('n = 9.31322574615478515625e-10');
SELECT * FROM sy_test_push('n < 1234567890123456789012345678901234567890.5');
SELECT * FROM sy_test_push('n >= ''NaN''');
SELECT * FROM sy_test_push('n IN (5, 0.1)');
SELECT * FROM sy_test_push('n NOT IN (5, 0.1)');

-- Text: bytes, whatever the collection's own collation.
SELECT * FROM sy_test_push('t = ''a''');
SELECT * FROM sy_test_push('t <> ''$a''');
SELECT * FROM sy_test_push('t < ''b''');
SELECT * FROM sy_test_push('t COLLATE "en-x-icu" < ''b''');
SELECT * FROM sy_test_push('t COLLATE "en-x-icu" = ''b''');
SELECT * FROM sy_test_push('t IS DISTINCT FROM ''a''');
CREATE FOREIGN TABLE sy_test_folded (_id integer, t text COLLATE "C") SERVER sy_test_mongo OPTIONS (collection 'folded');
SELECT * FROM sy_test_push('t = ''a''', 'sy_test_folded');
SELECT * FROM sy_test_push('t > ''a''', 'sy_test_folded');
SELECT * FROM sy_test_push('t IN (''b'', ''á'')', 'sy_test_folded');
SELECT t FROM sy_test_folded ORDER BY t LIMIT 10;

-- A view with a collation of its own: known after the first try, and then text is compared here.
CREATE FOREIGN TABLE sy_test_view (_id integer, t text COLLATE "C") SERVER sy_test_mongo OPTIONS (collection 'folded_view');
SELECT count(*) FROM sy_test_view WHERE _id > 0;
PREPARE sy_test_view AS SELECT count(*) FROM sy_test_view WHERE t > 'a';
EXECUTE sy_test_view;
EXECUTE sy_test_view;
SELECT * FROM sy_test_push('t = ''a''', 'sy_test_view');
SELECT t FROM sy_test_view ORDER BY t LIMIT 10;

-- LIKE.
SELECT * FROM sy_test_push('t LIKE ''a''');
SELECT * FROM sy_test_push('t LIKE ''a%''');
SELECT * FROM sy_test_push('t LIKE ''%b''');
SELECT * FROM sy_test_push('t LIKE ''a%b''');
SELECT * FROM sy_test_push('t LIKE ''%b%''');
SELECT * FROM sy_test_push('t LIKE ''_''');
SELECT * FROM sy_test_push('t LIKE ''%x%y%''');
SELECT * FROM sy_test_push('v LIKE ''%x%y%''');
SELECT * FROM sy_test_push('t NOT LIKE ''a%''');
SELECT * FROM sy_test_push('t NOT LIKE ''a%x%y''');
SELECT * FROM sy_test_push('t LIKE ''%''');
SELECT * FROM sy_test_push('t NOT LIKE ''%''');
SELECT * FROM sy_test_push('t LIKE ''a\%b''');
SELECT * FROM sy_test_push('t LIKE ''a\\b''');
SELECT * FROM sy_test_push('t LIKE ''(_)''');
SELECT * FROM sy_test_push('t LIKE ''''');
SELECT * FROM sy_test_push('t LIKE ''a\''');
CREATE FOREIGN TABLE sy_test_long (_id integer, t text COLLATE "C") SERVER sy_test_mongo OPTIONS (collection 'long');
SELECT * FROM sy_test_push('t LIKE ''%a%b%''', 'sy_test_long');
SELECT * FROM sy_test_push('t LIKE ''a%x%x%b''', 'sy_test_long');
SELECT * FROM sy_test_push('t NOT LIKE ''%a%b%''', 'sy_test_long');
SELECT * FROM sy_test_push('t LIKE ''%a%a%a%a%a%a%''', 'sy_test_long');

-- ObjectIds as text: 24 lower-case digits or nothing.
SELECT * FROM sy_test_push('o = ''000000000000000000000001''');
SELECT * FROM sy_test_push('o = ''1''');
SELECT * FROM sy_test_push('o <> ''00000000000000000000000A''');
SELECT * FROM sy_test_push('o > ''0000000000000000000000010''');
SELECT * FROM sy_test_push('o < ''00000000000000000000000:''');
SELECT * FROM sy_test_push('o >= ''''');
SELECT * FROM sy_test_push('o IN (''000000000000000000000001'', ''x'')');
SELECT * FROM sy_test_push('o LIKE ''%1''');

-- Booleans, dates, times, binaries, char(n).
SELECT * FROM sy_test_push('b');
SELECT * FROM sy_test_push('NOT b');
SELECT * FROM sy_test_push('b IS NOT TRUE');
SELECT * FROM sy_test_push('b IS UNKNOWN');
SELECT * FROM sy_test_push('d > ''2024-01-03''');
SELECT * FROM sy_test_push('d < ''infinity''');
SELECT * FROM sy_test_push('d = ''-infinity''');
SELECT * FROM sy_test_push('ts = ''1969-12-31 23:59:59.999''');
SELECT * FROM sy_test_push('ts = ''1969-12-31 23:59:59.9995''');
SELECT * FROM sy_test_push('ts < ''1969-12-31 23:59:59.9995''');
SELECT * FROM sy_test_push('ts >= ''1969-12-31 23:59:59.9995''');
SELECT * FROM sy_test_push('u = ''01010101-0101-0101-0101-010101010101''');
SELECT * FROM sy_test_push('u < ''01010101-0101-0101-0101-010101010101''');
SELECT * FROM sy_test_push('by = ''abc''');
SELECT * FROM sy_test_push('by <> ''abc''');
SELECT * FROM sy_test_push('by < ''abc''');
SELECT * FROM sy_test_push('c = ''a''');
SELECT * FROM sy_test_push('c <> ''a''');
SELECT * FROM sy_test_push('c LIKE ''a''');

-- Arrays, documents, paths.
SELECT * FROM sy_test_push('arr IS NULL');
SELECT * FROM sy_test_push('arr IS NOT NULL');
SELECT * FROM sy_test_push('arr = ''{1}''');
SELECT * FROM sy_test_push('j IS NULL');
SELECT * FROM sy_test_push('j IS NOT NULL');
SELECT * FROM sy_test_push('j @> ''{"p": 1}''');
SELECT * FROM sy_test_push('whole IS NOT NULL');
SELECT * FROM sy_test_push('p = 1');
SELECT * FROM sy_test_push('p IS NULL');
SELECT * FROM sy_test_push('r = ''x'' AND p IN (1, 2)');

-- Parameters, in a plan that knows none of them.
SET plan_cache_mode = force_generic_plan;
PREPARE sy_test_all (integer, text, text, integer[], numeric, integer, integer) AS
	SELECT _id FROM sy_test_good WHERE i >= $1 AND t < $2 AND t LIKE $3 AND i <> ALL ($4) AND n > $5 ORDER BY _id LIMIT $6 OFFSET $7;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE sy_test_all (1, 'b', 'a%', '{3,4}', 0.05, 3, 1);
EXECUTE sy_test_all (1, 'b', 'a%', '{3,4}', 0.05, 3, 1);
EXECUTE sy_test_all (1, 'b', '%', '{}', 'NaN', 3, 1);
EXECUTE sy_test_all (1, 'b', 'a%', NULL, 0.05, 3, 1);
EXECUTE sy_test_all (1, 'b', 'a\', '{3,4}', 0.05, NULL, NULL);
SET switchyard.enable_pushdown = off;
EXECUTE sy_test_all (1, 'b', 'a%', '{3,4}', 0.05, 3, 1);
RESET switchyard.enable_pushdown;
RESET plan_cache_mode;

-- Order, limit, count.
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id, i FROM sy_test_good ORDER BY i NULLS FIRST LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id, i FROM sy_test_good WHERE i > 3 ORDER BY i DESC, _id NULLS FIRST LIMIT 3 OFFSET 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id, i FROM sy_test_good ORDER BY i, f DESC LIMIT 3;
-- An index gives NULLs where the server has them, so they come apart, but not in a transaction.
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM sy_test_good ORDER BY i LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT i FROM sy_test_good ORDER BY i DESC LIMIT 3;
SELECT i FROM sy_test_good ORDER BY i LIMIT 4 OFFSET 52;
SELECT i FROM sy_test_good ORDER BY i DESC LIMIT 4 OFFSET 4;
-- What was sent: the rest of what EXPLAIN ANALYZE tells differs between versions.
CREATE FUNCTION sy_test_sent(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ '(Remote Query|Remote Rows|Round Trips):' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END
$$;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT sy_test_sent('SELECT i FROM sy_test_good ORDER BY i DESC LIMIT 3');
SELECT i FROM sy_test_good ORDER BY i LIMIT 4 OFFSET 52;
SELECT i FROM sy_test_good ORDER BY i DESC LIMIT 4 OFFSET 4;
COMMIT;
CREATE FOREIGN TABLE sy_test_float (f double precision OPTIONS (key 'true')) SERVER sy_test_mongo OPTIONS (collection 'good');
EXPLAIN (VERBOSE, COSTS OFF) SELECT f FROM sy_test_float ORDER BY f DESC LIMIT 3;
SELECT f FROM sy_test_float ORDER BY f DESC LIMIT 4 OFFSET 3;
SELECT f FROM sy_test_float ORDER BY f LIMIT 4 OFFSET 45;
SELECT f FROM sy_test_float WHERE f > 1.5 ORDER BY f LIMIT 4 OFFSET 15;
SELECT _id, i, f FROM sy_test_good ORDER BY i, f DESC, _id LIMIT 12;
SELECT _id, f FROM sy_test_good ORDER BY f, _id LIMIT 70 OFFSET 25;
SELECT _id, f FROM sy_test_good ORDER BY f DESC NULLS LAST, _id DESC LIMIT 15;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM sy_test_good ORDER BY t COLLATE "en-x-icu" LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM sy_test_good ORDER BY n LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM sy_test_good LIMIT 0;
SELECT _id FROM sy_test_good LIMIT 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM sy_test_good;
SELECT count(*) FROM sy_test_good;
SELECT count(*) FROM sy_test_good WHERE i = 77;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM sy_test_good WHERE i = 5;

-- What is fetched: no more than half of the columns by name, else whole documents.
EXPLAIN (VERBOSE, COSTS OFF) SELECT p, j FROM sy_test_good;
EXPLAIN (VERBOSE, COSTS OFF) SELECT 1 FROM sy_test_good;
EXPLAIN (VERBOSE, COSTS OFF) SELECT whole FROM sy_test_good;
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM sy_test_folded;

-- Values outside of a column's domain are found when read, and never counted.
CREATE FOREIGN TABLE sy_test_bad (
	_id integer, i integer, f double precision, t text COLLATE "C", d date, u uuid, v varchar(10) OPTIONS (column_name 'l') COLLATE "C", p integer OPTIONS (path 's.p')
) SERVER sy_test_mongo OPTIONS (collection 'bad');
SELECT i FROM sy_test_bad WHERE i > 3;
SELECT count(*) FROM sy_test_bad WHERE i > 3;
SELECT count(*) FROM sy_test_good WHERE i > 3;
-- A row counts whose condition is true whatever the bad value is.
SELECT count(*) FROM sy_test_bad WHERE i > 3 OR _id = 100;
SELECT f FROM sy_test_bad WHERE f > 1.5;
SELECT count(*) FROM sy_test_bad WHERE f > 1.5;
SELECT count(*) FROM sy_test_good WHERE f > 1.5;
SELECT t FROM sy_test_bad WHERE t >= 'a';
SELECT count(*) FROM sy_test_bad WHERE t >= 'a';
SELECT count(*) FROM sy_test_good WHERE t >= 'a';
SELECT v FROM sy_test_bad WHERE v LIKE 'a%';
SELECT count(*) FROM sy_test_bad WHERE v LIKE 'a%';
SELECT count(*) FROM sy_test_good WHERE v LIKE 'a%';
SELECT d FROM sy_test_bad WHERE d >= '2024-01-01';
SELECT count(*) FROM sy_test_bad WHERE d >= '2024-01-01';
SELECT count(*) FROM sy_test_good WHERE d >= '2024-01-01';
SELECT u FROM sy_test_bad WHERE u IS NOT NULL;
SELECT count(*) FROM sy_test_bad WHERE u IS NOT NULL;
SELECT count(*) FROM sy_test_good WHERE u IS NOT NULL;
SELECT p FROM sy_test_bad WHERE p = 1;
SELECT count(*) FROM sy_test_bad WHERE p = 1;
SELECT count(*) FROM sy_test_good WHERE p = 1;
\pset format aligned
\pset tuples_only off

-- A list that is a parameter is sent whatever its length.
PREPARE sy_test_list(text[]) AS SELECT count(*) FROM sy_test_good WHERE t = ANY ($1);
SET plan_cache_mode = force_generic_plan;
EXECUTE sy_test_list(array_fill(repeat('x', 1048576), ARRAY[15]));
EXECUTE sy_test_list(array_fill(repeat('x', 1048576), ARRAY[16]));
SET plan_cache_mode = force_custom_plan;
EXECUTE sy_test_list(array_fill(repeat('x', 1048576), ARRAY[16]));
RESET plan_cache_mode;
SELECT count(*) FROM sy_test_good JOIN unnest(array_fill(repeat('x', 1048576), ARRAY[16])) AS l ON l = t;

SET client_min_messages = warning;
DROP SERVER sy_test_mongo CASCADE;
DROP FUNCTION sy_test_push;

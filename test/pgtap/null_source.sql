-- A third kind of source is one folder and its declarations: what all sources
-- share works for the null driver of test/module/null.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS switchyard CASCADE;
CREATE EXTENSION IF NOT EXISTS switchyard_test CASCADE;
BEGIN;
SELECT no_plan();

CREATE SERVER nothing FOREIGN DATA WRAPPER switchyard_null;
CREATE SERVER slow FOREIGN DATA WRAPPER switchyard_null OPTIONS (delay '20ms');
CREATE FOREIGN TABLE n (number bigint NOT NULL, name text) SERVER nothing OPTIONS (rows '1000');
CREATE FOREIGN TABLE broken (number bigint) SERVER nothing OPTIONS (rows '1000', fail_at '500');
CREATE FOREIGN TABLE slow (number bigint) SERVER slow OPTIONS (rows '1000');
CREATE FOREIGN TABLE endless (number bigint) SERVER slow OPTIONS (rows '2000000000');

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	lines text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		lines := lines || line || E'\n';
	END LOOP;
	RETURN lines;
END $$;

-- Reading.
SELECT is((SELECT count(*) FROM n), 1000::bigint, 'count(*)');
SELECT is((SELECT sum(number) FROM n), 500500::numeric, 'all rows');
SELECT is((SELECT name FROM n WHERE number = 7), 'row 7', 'one row');
SELECT is((SELECT array_agg(number) FROM (SELECT number FROM n ORDER BY number LIMIT 3 OFFSET 5) _),
	'{6,7,8}'::bigint[], 'LIMIT and OFFSET');
SELECT is((SELECT count(*) FROM n a JOIN n b USING (number)), 1000::bigint, 'two scans of one source');
SELECT is((SELECT count(*) FROM n a, LATERAL (SELECT 1 FROM n b WHERE b.number = a.number AND a.number <= 10 OFFSET 0) _),
	10::bigint, 'rescans with changing parameters');
SELECT is((SELECT sum(number) FROM slow), 500500::numeric, 'a source that blocks');
SELECT is((SELECT count(*) FROM (SELECT number FROM slow UNION ALL SELECT number FROM n) _), 2000::bigint, 'below Append');

-- What is sent.
SELECT matches(plan_of('SELECT * FROM n WHERE number > 5'), 'Null Query: numbers of n where number > 5', 'a filter is sent');
SELECT doesnt_match(plan_of('SELECT * FROM n WHERE number > 5'), 'Filter', 'and not repeated');
SELECT matches(plan_of($$SELECT * FROM n WHERE name = 'row 5'$$), 'Filter', 'what the driver cannot do stays');
SELECT matches(plan_of('SELECT count(*) FROM n WHERE number > 5'), 'count of n', 'count(*) is sent');
SELECT matches(plan_of('SELECT * FROM n ORDER BY number LIMIT 3'), 'in order limit 3', 'so are a sort and a limit');
SET LOCAL switchyard.enable_pushdown = off;
SELECT doesnt_match(plan_of('SELECT * FROM n WHERE number > 5 ORDER BY number LIMIT 3'), 'where|order|limit', 'but not with push-down off');
SELECT is((SELECT count(*) FROM n WHERE number > 5), 995::bigint, 'which gives the same rows');
RESET switchyard.enable_pushdown;
PREPARE filtered(bigint) AS SELECT count(*) FROM n WHERE number > $1;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT is((SELECT count(*) FROM n WHERE number > 998), 2::bigint, 'a generic plan');
SELECT results_eq('EXECUTE filtered(990)', ARRAY[10::bigint], 'a parameter');
SELECT results_eq('EXECUTE filtered(999)', ARRAY[1::bigint], 'another value of it');

-- Errors and interrupts.
SELECT throws_matching('SELECT count(number + 0) FROM broken', 'could not read row 500 of source "nothing"', 'a failing row is an error');
SELECT throws_ok('SELECT sum(number) FROM broken', '08006', NULL, 'with the driver''s SQLSTATE');
CREATE FUNCTION interrupted(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'not interrupted';
EXCEPTION WHEN query_canceled THEN
	RETURN SQLERRM;
END $$;
SET LOCAL statement_timeout = '200ms';
SELECT is(interrupted('SELECT sum(number) FROM endless'), 'canceling statement due to statement timeout', 'a blocked source can be interrupted');
RESET statement_timeout;
SELECT is((SELECT sum(number) FROM slow), 500500::numeric, 'and used again');

-- Declarations.
SELECT throws_ok('CREATE SERVER x FOREIGN DATA WRAPPER switchyard_null OPTIONS (delai ''1s'')', 'HV00D', NULL, 'a misspelt option');
SELECT throws_ok('ALTER FOREIGN TABLE n OPTIONS (SET rows ''many'')', 'HV024', NULL, 'a wrong value');
CREATE FOREIGN TABLE unsupported (d date) SERVER nothing;
SELECT throws_ok('SELECT * FROM unsupported', '0A000', NULL, 'a type that the driver lacks');
SELECT throws_ok('INSERT INTO n VALUES (1)', '0A000', NULL, 'writing is refused');
IMPORT FOREIGN SCHEMA anything FROM SERVER nothing INTO public;
SELECT is((SELECT count(*) FROM numbers), 3::bigint, 'IMPORT FOREIGN SCHEMA');
SELECT matches(switchyard.version(), 'null 0.0|null', 'version() names the driver');
ANALYZE n;
SELECT is((SELECT reltuples FROM pg_class WHERE oid = 'n'::regclass), 1000::real, 'ANALYZE');

SELECT * FROM finish();
ROLLBACK;

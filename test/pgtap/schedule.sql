-- Whom the prober asks next, and which database gets a prober next.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS switchyard CASCADE;
CREATE EXTENSION IF NOT EXISTS switchyard_test CASCADE;
BEGIN;
SET LOCAL search_path = switchyard_test, public;
SELECT no_plan();

-- Sources: due, busy, blocking, suspect.
SELECT is(schedule_due('{}', '{}', '{}', '{}', 100), '{}', 'without sources there is nothing to do');
SELECT is(schedule_due('{50,100,101}', '{f,f,f}', '{f,f,f}', '{f,f,f}', 100), '{1,2}',
	'a source is due at its instant, not before');
SELECT is(schedule_due('{50,50}', '{t,f}', '{f,f}', '{f,f}', 100), '{2}', 'nobody is asked twice at once');
SELECT is(schedule_due('{10,20,30}', '{f,f,f}', '{t,f,t}', '{f,f,f}', 100), '{2,1,3}',
	'network sources are asked before files');
SELECT is(schedule_due('{10,20,30,40}', '{f,f,f,f}', '{t,f,t,f}', '{t,f,f,f}', 100), '{2,4,3,1}',
	'a suspect file comes last');
SELECT is(schedule_due('{30,10,20,40}', '{f,f,f,f}', '{t,t,t,f}', '{t,t,t,f}', 100), '{4,2}',
	'one suspect in a round, the one that waits for longest');
SELECT is(schedule_due('{30,200,20,40}', '{f,f,t,f}', '{t,t,t,f}', '{t,t,t,f}', 100), '{4,1}',
	'only of those that are due and not busy');
SELECT is(schedule_next('{30,20,40}', '{f,t,f}', '{f,f,f}', '{f,f,f}'), 30::bigint,
	'the next instant is the earliest of those that are not busy');
SELECT is(schedule_next('{30}', '{t}', '{f}', '{f}'), 0::bigint, 'there may be none');

-- No suspect is left out for ever: each round takes one, and asks it later again.
SELECT is(array_agg(DISTINCT pick ORDER BY pick), '{1,2,3}', 'suspects take turns')
FROM (
	WITH RECURSIVE rounds(n, due, pick) AS (
		SELECT 0, '{10,20,30}'::bigint[], NULL::int
		UNION ALL
		SELECT n + 1, array(SELECT CASE WHEN i = chosen THEN 1000 + n ELSE due[i] END FROM generate_series(1, 3) i), chosen
		FROM (SELECT n, due, (schedule_due(due, '{f,f,f}', '{t,t,t}', '{t,t,t}', 500))[1] AS chosen FROM rounds WHERE n < 3) _
	)
	SELECT pick FROM rounds WHERE n > 0
) _;

SELECT ok(NOT schedule_is_suspect(true, 1000), 'a file that answers soon is none');
SELECT ok(schedule_is_suspect(true, 1500000), 'one that took long is');
SELECT ok(schedule_is_suspect(false, 1000), 'one that failed is');

-- Workers: half of all, the launcher among them.
SELECT is(schedule_limit(n), expected, format('%s workers: %s probers', n, expected))
FROM (VALUES (8, 3), (9, 3), (10, 4), (16, 7), (100, 49), (4, 1), (3, 1), (2, 1), (1, 1)) _(n, expected);
SELECT ok(NOT schedule_takes_turns(3, 0, 3), 'as many databases as probers: each has its own');
SELECT ok(schedule_takes_turns(4, 0, 3), 'one more: they take turns');
SELECT ok(NOT schedule_takes_turns(2, 50, 3), 'one prober looks at new databases, the others stay');
SELECT ok(schedule_takes_turns(3, 1, 3), 'unless all are taken');

-- Databases: running, withdrawn, due, started.
SELECT is(schedule_database('{}', '{}', '{}', '{}', 3, 100), NULL, 'without databases there is nothing to start');
SELECT is(schedule_database('{f,f}', '{f,f}', '{0,0}', '{50,0}', 3, 100), 2, 'who never had a prober is first');
SELECT is(schedule_database('{f,f,f}', '{f,f,f}', '{0,0,0}', '{50,20,30}', 3, 100), 2, 'then who had none for longest');
SELECT is(schedule_database('{f,f}', '{t,f}', '{0,0}', '{0,50}', 3, 100), 2, 'not one that is withdrawn');
SELECT is(schedule_database('{f,f}', '{f,f}', '{200,0}', '{0,50}', 3, 100), 2, 'not one that is to wait');
SELECT is(schedule_database('{t,f}', '{f,f}', '{0,0}', '{0,50}', 1, 100), NULL, 'not more than there may be');
SELECT is(schedule_database('{t,f}', '{f,f}', '{0,0}', '{0,50}', 2, 100), 2, 'but as many');

-- 50 databases and 3 probers: within 17 starts each, everybody had one.
DO $$
DECLARE
	started bigint[] := array_fill(0::bigint, '{50}');
	chosen int;
BEGIN
	FOR now IN 1 .. 50 LOOP
		chosen := schedule_database(array_fill(false, '{50}'), array_fill(false, '{50}'),
									array_fill(0::bigint, '{50}'), started, 3, now);
		started[chosen] := now;
	END LOOP;
	PERFORM set_config('switchyard_test.served', (SELECT count(*)::text FROM unnest(started) s WHERE s > 0), true);
END $$;
SELECT is(current_setting('switchyard_test.served'), '50', '50 starts serve 50 databases');

SELECT is(array_agg(schedule_retry_ms(n) ORDER BY n), '{1000,2000,4000,8000,16000,32000,60000,60000}',
	'after each failure the wait doubles, up to a minute')
FROM generate_series(1, 8) n;
SELECT is(schedule_retry_ms(1000000), 60000, 'for ever');

SELECT * FROM finish();
ROLLBACK;

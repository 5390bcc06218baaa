-- The circuit breaker walks every edge of its machine, by a clock that the
-- test sets, and agrees with a plain model at random.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS switchyard CASCADE;
CREATE EXTENSION IF NOT EXISTS switchyard_test CASCADE;
BEGIN;
SET LOCAL search_path = switchyard_test, public;
SELECT no_plan();

-- A breaker with the defaults that began at second 1000.
CREATE FUNCTION pg_temp.begin(unproven boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
	SELECT breaker_limits();
	SELECT breaker_clock(1000000000);
	SELECT breaker_new(unproven);
$$;
-- The same, opened by five failures: generation 2.
CREATE FUNCTION pg_temp.begin_open() RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.begin();
	SELECT breaker_result(1, 0, 'failure') FROM generate_series(1, 5);
$$;
-- The same, half open: generation 3.
CREATE FUNCTION pg_temp.begin_half() RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.begin_open();
	SELECT breaker_result(2, 0, 'success', probe => true);
$$;

-- CLOSED
SELECT pg_temp.begin();
SELECT is(breaker_show(), 'closed g1 f0 p0 t0', 'a breaker is closed at first');
SELECT is(breaker_admit(), 'go', 'a closed breaker lets calls go');
SELECT is(breaker_result(1, 0, 'failure'), 'counted', 'a failure counts');
SELECT is(breaker_result(1, 0, 'neither'), 'counted', 'what says nothing is counted ...');
SELECT is(breaker_show(), 'closed g1 f1 p0 t0', '... and changes nothing');
SELECT is(breaker_result(1, 0, 'success', probe => true), 'counted', 'a good probe is taken notice of ...');
SELECT is(breaker_show(), 'closed g1 f1 p0 t0', '... but does not hide that queries fail');
SELECT is(breaker_result(1, 0, 'success'), 'counted', 'a good call counts ...');
SELECT is(breaker_show(), 'closed g1 f0 p0 t0', '... and ends the row of failures');
SELECT is((SELECT string_agg(breaker_result(1, 0, outcome, probe), ',') FROM (VALUES ('failure', false), ('failure', true),
	('failure', false), ('failure', true)) AS v(outcome, probe)), 'counted,counted,counted,counted', 'queries and probes fail in turn');
SELECT is(breaker_show(), 'closed g1 f4 p0 t0', '... and all of it counts');
SELECT is(breaker_result(1, 0, 'success', probe => true), 'counted', 'a good probe then ...');
SELECT is(breaker_show(), 'closed g1 f2 p0 t0', '... takes back what probes have met, and nothing of the queries');
SELECT is(breaker_result(1, 0, 'success', probe => true), 'counted', 'another one ...');
SELECT is(breaker_show(), 'closed g1 f2 p0 t0', '... takes nothing back twice');
SELECT is(breaker_result(1, 0, 'failure', probe => true), 'counted', 'a probe fails ...');
SELECT is(breaker_result(1, 0, 'success'), 'counted', '... a query works ...');
SELECT is(breaker_result(1, 0, 'failure'), 'counted', '... another fails ...');
SELECT is(breaker_result(1, 0, 'success', probe => true), 'counted', '... and a good probe ...');
SELECT is(breaker_show(), 'closed g1 f1 p0 t0', '... takes back nothing of an earlier row');
SELECT breaker_result(1, 0, 'success');
SELECT is((SELECT string_agg(breaker_result(1, 0, CASE i % 2 WHEN 1 THEN 'failure' ELSE 'success' END, probe => true), ',') FROM generate_series(1, 12) i),
	repeat('counted,', 11) || 'counted', 'probes that fail now and then do not open it');
SELECT is(breaker_show(), 'closed g1 f0 p0 t0', '... and leave no failure behind');
SELECT is(breaker_result(1, 0, 'failure', probe => true), 'counted', 'a failed probe counts like a call');
SELECT is((SELECT string_agg(breaker_result(1, 0, 'failure'), ',') FROM generate_series(1, 3)), 'counted,counted,counted', 'three more failures');
SELECT is(breaker_show(), 'closed g1 f4 p0 t0', 'four in a row do not open it');
SELECT is(breaker_result(1, 0, 'failure'), 'counted; closed -> open: too many consecutive failures', 'the fifth opens it');
SELECT is(breaker_show(), 'open g2 f5 p0 t0', 'it is open, and the generation is another');
SELECT is(breaker_result(1, 0, 'success'), 'ignored', 'a late success of an earlier generation changes nothing');
SELECT is(breaker_result(1, 0, 'failure'), 'ignored', 'nor does a late failure');
SELECT is(breaker_show(), 'open g2 f5 p0 t0', 'really nothing');

-- by rate
SELECT pg_temp.begin();
SELECT is(breaker_result(1, 0, 'failure', calls => 19, errors => 19), 'counted', 'nineteen calls are no rate');
SELECT is(breaker_result(1, 0, 'failure', calls => 20, errors => 9), 'counted', 'less than half do not open it');
SELECT is(breaker_result(1, 0, 'failure', calls => 20, errors => 10), 'counted; closed -> open: too high a rate of failures', 'half of twenty open it');
SELECT pg_temp.begin();
SELECT breaker_limits(failure_rate => 0);
SELECT is(breaker_result(1, 0, 'failure', calls => 100, errors => 100), 'counted', 'rate 0 sets no limit');
SELECT breaker_limits(failure_threshold => 2);
SELECT is(breaker_result(1, 0, 'failure'), 'counted; closed -> open: too many consecutive failures', 'a threshold that was lowered counts at once');

-- OPEN
SELECT pg_temp.begin_open();
SELECT is(breaker_admit(), 'refused', 'an open breaker refuses');
SELECT is(breaker_admit(1, true), 'refused', 'also within a transaction');
SELECT is(breaker_lease(), '0', 'and has no trials');
SELECT is(breaker_result(2, 0, 'failure', probe => true), 'counted', 'a failed probe ...');
SELECT is(breaker_show(), 'open g2 f5 p0 t0', '... leaves it open');
SELECT breaker_clock(1000000000 + 299999999);
SELECT is(breaker_admit(), 'refused', 'a microsecond before the end of recovery_timeout it refuses');
SELECT breaker_clock(1000000000 + 300000000);
SELECT is(breaker_admit(), 'trial 1; open -> half_open: recovery_timeout is over', 'at its end a call is a trial');
SELECT pg_temp.begin_open();
SELECT breaker_clock(1000000000 + 300000000);
SELECT is(breaker_tick(), 'open -> half_open: recovery_timeout is over', 'time alone does it too');
SELECT pg_temp.begin_open();
SELECT breaker_limits(recovery_ms => 1000);
SELECT breaker_clock(1000000000 + 1000000);
SELECT is(breaker_tick(), 'open -> half_open: recovery_timeout is over', 'a recovery_timeout that was lowered counts at once');
SELECT pg_temp.begin_open();
SELECT is(breaker_result(2, 0, 'success', probe => true), 'counted; open -> half_open: a probe succeeded', 'a good probe ends it earlier');

-- clock steps
SELECT pg_temp.begin_open();
SELECT breaker_clock(1000000001, '2036-01-01');
SELECT is(breaker_tick(), '', 'a wall clock that jumps ahead ends nothing');
SELECT breaker_clock(1000000000 + 300000000, '1996-01-01');
SELECT is(breaker_tick(), 'open -> half_open: recovery_timeout is over', 'one that jumps back delays nothing');
SELECT pg_temp.begin_open();
SELECT breaker_clock(5);
SELECT is(breaker_tick(), '', 'should the monotonic clock jump back, nothing is over');
SELECT breaker_clock(1000000000 + 300000000);
SELECT is(breaker_tick(), 'open -> half_open: recovery_timeout is over', 'and nothing is lost');

-- HALF_OPEN
SELECT pg_temp.begin_half();
SELECT is(breaker_show(), 'half_open g3 f5 p0 t0', 'half open');
SELECT is(breaker_admit(1), 'trial 1', 'the first trial');
SELECT is(breaker_admit(2), 'trial 2', 'the second');
SELECT is(breaker_admit(1), 'go', 'a query may read twice during its own trial');
SELECT is(breaker_admit(3), 'trial 3', 'the third');
SELECT is(breaker_admit(4), 'refused', 'no fourth');
SELECT is(breaker_lease(5), '0', 'not for a probe either');
SELECT is(breaker_result(3, 1, 'success'), 'counted', 'the first succeeds');
SELECT is(breaker_show(), 'half_open g3 f5 p1 t2', 'one passed, two are out');
SELECT is(breaker_admit(4), 'refused', 'three calls in all, not three at a time');
SELECT is(breaker_result(3, 2, 'neither'), 'counted', 'the second says nothing ...');
SELECT is(breaker_admit(4), 'trial 4', '... so another may try');
SELECT is(breaker_result(3, 3, 'success'), 'counted', 'the third succeeds');
SELECT is(breaker_result(3, 3, 'success'), 'ignored', 'but only once');
SELECT is(breaker_result(3, 0, 'success'), 'counted', 'a success without a lease ...');
SELECT is(breaker_show(), 'half_open g3 f5 p2 t1', '... is no trial');
SELECT is(breaker_result(3, 4, 'success'), 'counted; half_open -> closed: trial calls succeeded', 'the third success closes it');
SELECT is(breaker_show(), 'closed g4 f0 p0 t0', 'it is closed, without failures');
SELECT pg_temp.begin_half();
SELECT is(breaker_admit(1), 'trial 1', 'a trial');
SELECT is(breaker_admit(2), 'trial 2', 'another');
SELECT is(breaker_result(3, 1, 'failure'), 'counted; half_open -> open: a trial call failed', 'any failure opens it again');
SELECT is(breaker_result(3, 2, 'success'), 'ignored', 'the other trial comes too late');
SELECT is(breaker_show(), 'open g4 f5 p0 t0', 'it is open');
SELECT pg_temp.begin_half();
SELECT is(breaker_result(3, 0, 'failure', probe => true), 'counted; half_open -> open: a trial call failed', 'a failed probe without a lease opens it, too');
SELECT pg_temp.begin_half();
SELECT is((SELECT string_agg(breaker_result(3, breaker_lease(9)::integer, 'success', probe => true), ',') FROM generate_series(1, 3)),
	'counted,counted,counted; half_open -> closed: trial calls succeeded', 'good probes are trials');
SELECT pg_temp.begin_half();
SELECT is(breaker_admit(), 'trial 1', 'a trial');
SELECT is(breaker_result(3, 1, 'success'), 'counted', 'passes');
SELECT breaker_limits(half_open_calls => 1);
SELECT is(breaker_tick(), 'half_open -> closed: trial calls succeeded', 'with half_open_calls lowered that is enough');

-- leases end
SELECT pg_temp.begin_half();
SELECT breaker_limits(half_open_calls => 1);
SELECT is(breaker_admit(1), 'trial 1', 'the only trial');
SELECT breaker_clock(1000000000 + 59999999);
SELECT is(breaker_admit(2), 'refused', 'for a minute nobody else has one');
SELECT breaker_clock(1000000000 + 60000000);
SELECT is(breaker_admit(2), 'trial 2', 'then another may try');
SELECT is(breaker_result(3, 1, 'failure'), 'ignored', 'and the first comes too late');
SELECT is(breaker_result(3, 2, 'success'), 'counted; half_open -> closed: trial calls succeeded', 'the second counts');
SELECT pg_temp.begin_half();
SELECT breaker_limits(half_open_calls => 1, connect_ms => 2000, query_ms => 3000);
SELECT is(breaker_admit(1), 'trial 1', 'a trial');
SELECT breaker_clock(1000000000 + 4999999);
SELECT is(breaker_admit(2), 'refused', 'it lasts connect_timeout and query_timeout');
SELECT breaker_clock(1000000000 + 5000000);
SELECT is(breaker_admit(2), 'trial 2', 'no longer');
SELECT breaker_give_back(2);
SELECT is(breaker_admit(3), 'trial 3', 'one that is given back is free at once');

-- FORCED_OPEN
SELECT pg_temp.begin();
SELECT is(breaker_command('trip'), 'closed -> forced_open: by command', 'trip');
SELECT is(breaker_show(), 'forced_open g2 f0 p0 t0', 'without an end');
SELECT is(breaker_admit(1, true), 'refused', 'it refuses everybody');
SELECT is(breaker_result(2, 0, 'success', probe => true), 'counted', 'a good probe ...');
SELECT breaker_clock(1000000000 + 900000000000);
SELECT is(breaker_tick(), '', '... or time does not open it');
SELECT is(breaker_command('trip', 5000), 'forced_open -> forced_open: by command', 'trip again, for 5 s');
SELECT is(breaker_show(), 'forced_open g3 f0 p0 t0 until', 'with an end');
SELECT breaker_clock(1000000000 + 900000000000 + 4999999);
SELECT is(breaker_admit(), 'refused', 'it lasts so long');
SELECT breaker_clock(1000000000 + 900000000000 + 5000000);
SELECT is(breaker_admit(), 'trial 1; forced_open -> half_open: the time of the command is over', 'then trials begin');
SELECT is(breaker_command('trip'), 'half_open -> forced_open: by command', 'from half open');
SELECT is(breaker_command('drain'), 'forced_open -> drained: by command', 'to drained');
SELECT is(breaker_command('trip'), 'drained -> forced_open: by command', 'and back');
SELECT is(breaker_command('reset'), 'forced_open -> closed: by command', 'reset');
SELECT pg_temp.begin_open();
SELECT is(breaker_command('trip'), 'open -> forced_open: by command', 'from open');
SELECT breaker_limits(breaker => false);
SELECT is(breaker_admit(), 'refused', 'breaker off does not undo a command');

-- DRAINED
SELECT pg_temp.begin();
SELECT is(breaker_command('drain'), 'closed -> drained: by command', 'drain');
SELECT is(breaker_admit(), 'refused', 'no new transactions');
SELECT is(breaker_admit(1, true), 'go', 'running ones finish');
SELECT is(breaker_result(2, 0, 'failure'), 'counted', 'their failures ...');
SELECT is(breaker_show(), 'drained g2 f0 p0 t0', '... change nothing');
SELECT is(breaker_command('drain'), 'drained -> drained: by command', 'drain again');
SELECT is(breaker_command('reset'), 'drained -> closed: by command', 'reset');
SELECT pg_temp.begin_open();
SELECT is(breaker_command('drain'), 'open -> drained: by command', 'from open');
SELECT pg_temp.begin_half();
SELECT is(breaker_command('drain'), 'half_open -> drained: by command', 'from half open');

-- reset
SELECT pg_temp.begin();
SELECT is(breaker_command('reset'), 'closed -> closed: by command', 'reset of a closed breaker');
SELECT is(breaker_result(1, 0, 'failure'), 'ignored', 'makes what is under way count for nothing');
SELECT pg_temp.begin_open();
SELECT is(breaker_command('reset'), 'open -> closed: by command', 'reset of an open breaker');
SELECT is(breaker_show(), 'closed g3 f0 p0 t0', 'its failures are gone');
SELECT pg_temp.begin_half();
SELECT is(breaker_admit(), 'trial 1', 'a trial');
SELECT is(breaker_command('reset'), 'half_open -> closed: by command', 'reset of a half open breaker');
SELECT is(breaker_result(3, 1, 'failure'), 'ignored', 'its trial counts for nothing');

-- OFF
SELECT pg_temp.begin();
SELECT breaker_limits(breaker => false);
SELECT is(breaker_admit(), 'go; closed -> off: option breaker was turned off', 'off');
SELECT is((SELECT string_agg(breaker_result(2, 0, 'failure', calls => 100, errors => 100), ',') FROM generate_series(1, 6)),
	'counted,counted,counted,counted,counted,counted', 'no failure ...');
SELECT is(breaker_show(), 'off g2 f0 p0 t0', '... opens it');
SELECT is(breaker_command('reset'), 'off -> off: by command', 'reset leaves it off');
SELECT is(breaker_command('trip', 1000), 'off -> forced_open: by command', 'trip works though');
SELECT breaker_clock(1000000000 + 1000000);
SELECT is(breaker_tick(), 'forced_open -> half_open: the time of the command is over; half_open -> off: option breaker was turned off', 'at its end it is off again');
SELECT is(breaker_command('drain'), 'off -> drained: by command', 'so does drain');
SELECT is(breaker_command('reset'), 'drained -> closed: by command', 'reset ...');
SELECT is(breaker_tick(), 'closed -> off: option breaker was turned off', '... ends in off');
SELECT breaker_limits();
SELECT is(breaker_admit(), 'go; off -> closed: option breaker was turned on', 'on again');
SELECT pg_temp.begin_open();
SELECT breaker_limits(breaker => false);
SELECT is(breaker_admit(), 'go; open -> off: option breaker was turned off', 'turning it off opens the way');

-- unproven
SELECT pg_temp.begin(true);
SELECT is(breaker_admit(1), 'trial 1', 'after a start the first call is a trial');
SELECT is(breaker_admit(2), 'wait', 'the second waits for it');
SELECT is(breaker_admit(1), 'go', 'but nobody waits for himself');
SELECT is(breaker_result(1, 1, 'failure'), 'counted', 'it fails');
SELECT is(breaker_show(), 'closed g1 f1 p0 t0 unproven', 'the source is not proven yet');
SELECT is(breaker_admit(2), 'trial 2', 'the next one tries');
SELECT is(breaker_admit(3), 'wait', 'one at a time');
SELECT is(breaker_result(1, 2, 'success'), 'counted', 'it succeeds');
SELECT is(breaker_admit(3), 'go', 'now all may go');
SELECT is(breaker_show(), 'closed g1 f0 p0 t0', 'the source is proven');
SELECT pg_temp.begin(true);
SELECT is(breaker_admit(1), 'trial 1', 'a trial');
SELECT is(breaker_result(1, 0, 'success', probe => true), 'counted', 'a good probe meanwhile ...');
SELECT is(breaker_admit(2), 'go', '... proves the source');
SELECT pg_temp.begin(true);
SELECT is((SELECT string_agg(breaker_admit(i) || ' ' || breaker_result(1, i, 'failure'), ',') FROM generate_series(1, 5) i),
	'trial 1 counted,trial 2 counted,trial 3 counted,trial 4 counted,trial 5 counted; closed -> open: too many consecutive failures',
	'five failed trials open it');
SELECT is(breaker_admit(), 'refused', 'then it refuses');

-- A plain model says the same, whatever happens.
SELECT is(breaker_random(1000000, seed), 'closed open half_open forced_open drained off',
	'a million random events: no difference to a plain model, all states seen (seed ' || seed || ')')
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint % 1000000007 AS seed) AS s;

-- Windows
SELECT is(stats_window('1000000s 1000001f 2000000s', 2000000, 0), '3 1', 'calls of the last minute are counted');
SELECT is(stats_window('1000000s 1000001f 2000000s', 60999999, 0), '3 1', 'for 60 seconds');
SELECT is(stats_window('1000000s 1000001f 2000000s', 61000000, 0), '1 0', 'and no longer');
SELECT is(stats_window('1000000s 65000000f', 65000000, 0), '1 1', 'a bucket that is used again begins anew');
SELECT is(stats_window('5000000f 6000000s 7000000f', 7000000, 5500000), '2 1', 'of an earlier state nothing counts');
SELECT is(stats_percentile(0, 1000, 1000, 2, 0.5), -1::float8, 'no calls, no percentile');
SELECT ok(abs(stats_percentile(100, 1000, 1000, 2, 0.5) - 1) < 0.15, 'a millisecond is about a millisecond');
SELECT ok(abs(stats_percentile(100, 1000, 64000, 2, 0.25) - 1) < 0.15, 'two minutes are looked at');
SELECT ok(abs(stats_percentile(100, 1000, 64000, 2, 0.75) - 64) < 10, 'both of them');
SELECT ok(abs(stats_percentile(100, 1000, 64000, 3, 0.25) - 64) < 10, 'and no third one');
SELECT is(stats_percentile(100, 1000, 64000, 4, 0.25), -1::float8, 'what is older is forgotten');

SELECT * FROM finish();
ROLLBACK;

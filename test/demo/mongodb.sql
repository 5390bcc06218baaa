-- The MongoDB half of the demo; it goes on where sqlite.sql ended.
\echo
\echo :bold'5. Two MongoDB servers':plain
\echo 'The documents have no declared types: IMPORT samples them.  Nested documents become columns.'
\echo
CREATE SERVER hot FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'hot', database 'media');
CREATE SERVER cold FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'cold', database 'media');
CREATE SCHEMA hot;
CREATE SCHEMA cold;
IMPORT FOREIGN SCHEMA media FROM SERVER hot INTO hot;
IMPORT FOREIGN SCHEMA media FROM SERVER cold INTO cold;
SELECT column_name, data_type FROM information_schema.columns
	WHERE table_schema = 'hot' AND table_name = 'files' ORDER BY ordinal_position;

\echo
\echo :bold'6. A filter runs inside MongoDB':plain
\echo 'The exact find is shown; with ANALYZE also the time spent there, the rows and bytes that came, and the round trips.'
\echo
EXPLAIN (VERBOSE, COSTS OFF)
SELECT name, bytes FROM hot.files WHERE chat_id = 7 AND "downloads.total" > 900;
EXPLAIN (ANALYZE, COSTS OFF)
SELECT name, bytes FROM hot.files WHERE chat_id = 7 AND "downloads.total" > 900;
SELECT name, bytes, "downloads.total" FROM hot.files WHERE chat_id = 7 AND "downloads.total" > 900 ORDER BY name LIMIT 5;

\echo
\echo :bold'7. MongoDB and SQLite in one query':plain
\echo 'Files of two MongoDB servers and one SQLite file, with the people of another file.'
\echo
SELECT p.name, count(*) AS files, count(*) FILTER (WHERE f.home = 'archive') AS archived, pg_size_pretty(sum(f.bytes)) AS size
	FROM (SELECT 'hot' AS home, chat_id, bytes FROM hot.files
		UNION ALL SELECT 'cold', chat_id, bytes FROM cold.files
		UNION ALL SELECT 'archive', chat_id, bytes FROM archive.files) f
	JOIN chats c ON c.id = f.chat_id JOIN people p ON p.id = c.owner
	GROUP BY p.name ORDER BY sum(f.bytes) DESC LIMIT 5;

\echo
\echo :bold'8. A statement_timeout strikes on time, also when the server hangs':plain
\echo 'The mongod behind "cold" is stopped: it keeps its connections and answers nothing.'
\echo
\echo kill -STOP the mongod of cold
\! kill -STOP $COLD_PID
SET statement_timeout = '500ms';
\set ON_ERROR_STOP 0
\timing on
SELECT count(name) FROM cold.files;
\timing off
\set struck :ERROR
\set ON_ERROR_STOP 1
RESET statement_timeout;
\echo kill -CONT the mongod of cold
\! kill -CONT $COLD_PID
SELECT count(name) AS "it answers again" FROM cold.files;
\set ECHO none
SELECT 1 / (:'struck' = 'true')::int AS as_expected \gset
\set ECHO queries

\echo
\echo :bold'9. A source that dies and returns: the circuit breaker':plain
\echo 'All sessions share what one of them finds out.  This is how the sources are now.'
\echo
ALTER SERVER cold OPTIONS (ADD failure_threshold '3', ADD probe_interval '1s', ADD connect_timeout '2s');
SELECT * FROM switchyard.report();
\echo kill -KILL the mongod of cold
\! kill -KILL $COLD_PID
\echo
\echo 'The first queries fail with the source''s own error.  Three failures in a row, of queries or of the prober, and the'
\echo 'breaker opens: from then on all sessions are refused at once.'
\echo
\set ON_ERROR_STOP 0
SELECT count(name) FROM cold.files;
\set first :ERROR
SELECT count(name) FROM cold.files;
SELECT count(name) FROM cold.files;
\set ECHO none
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		EXIT WHEN (SELECT state FROM switchyard.breakers WHERE source = 'cold') = 'open';
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
\set ECHO queries
\timing on
SELECT count(name) FROM cold.files;
\timing off
\set state :SQLSTATE
\set ON_ERROR_STOP 1
\echo
\echo 'SQLSTATE' :state
\echo
\set ECHO none
SELECT 1 / (:'first' = 'true' AND :'state' = '57P03')::int AS as_expected \gset
\set ECHO queries
SELECT source, state, failures, failure_threshold, retry_at - since AS stays_open, reason FROM switchyard.breakers;
\echo the mongod of cold is started again
\! $SY_PYTHON $SY_TMP/test/mongod.py restart --dir $SY_TMP/cold >/dev/null
\echo
\echo 'Nobody does anything: the prober sees the source return, and its next probes are the trials that close the breaker.'
\echo
\set ECHO none
DO $$
BEGIN
	FOR i IN 1..300 LOOP
		EXIT WHEN (SELECT state FROM switchyard.breakers WHERE source = 'cold') = 'closed';
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
\set ECHO queries
SELECT count(name) AS "it answers again" FROM cold.files;
SELECT to_char(at, 'HH24:MI:SS.MS') AS at, kind, failures, threshold, message FROM switchyard.events WHERE source = 'cold' ORDER BY id;
SELECT * FROM switchyard.report();

\echo
\echo :bold'10. A mongod that dies in the middle of a scan':plain
\echo 'A cursor has read some rows when the server behind "hot" is killed.  What remains is an error, never a short result.'
\echo
BEGIN;
DECLARE reader CURSOR FOR SELECT name, kind, preview FROM hot.files;
MOVE FORWARD 500 FROM reader;
\echo kill -KILL the mongod of hot
\! kill -KILL $HOT_PID
\set ON_ERROR_STOP 0
MOVE FORWARD ALL FROM reader;
\set struck :ERROR
\set state :SQLSTATE
ROLLBACK;
\set ON_ERROR_STOP 1
\echo
\echo 'SQLSTATE' :state
\echo
\set ECHO none
SELECT 1 / (:'struck' = 'true' AND :'state' = '08006')::int AS as_expected \gset
\set ECHO queries
SELECT count(*) AS "the other server still answers" FROM cold.files;

-- trip(), drain() and reset(): what an administrator says holds at once.
\getenv dir SY_TEST_DIR
\set file :dir '/control.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)';
\o
\a\t
SET client_min_messages = error;    -- whether other sessions learn of it is not the same everywhere
CREATE SCHEMA control;
SET search_path = control;
CREATE SERVER regress_sy_control FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', probe_interval '1d');
CREATE FOREIGN TABLE t (id bigint) SERVER regress_sy_control;
CREATE VIEW breaker AS
    SELECT state, since BETWEEN now() - interval '1 min' AND clock_timestamp() AS since, reason, retry_at, set_by = current_user AS set_by,
           set_until > now() AS set_until
      FROM switchyard.breakers WHERE source = 'regress_sy_control';
CREATE VIEW status AS SELECT status FROM switchyard.sources WHERE source = 'regress_sy_control';
SELECT ok FROM switchyard.probe('regress_sy_control');

-- trip() refuses all queries, and a ROLLBACK does not undo it.
BEGIN;
SELECT switchyard.trip('regress_sy_control', reason => 'the disk is changed');
ROLLBACK;
TABLE breaker;
TABLE status;
\set VERBOSITY terse
SELECT * FROM t;
\echo :LAST_ERROR_SQLSTATE
EXPLAIN (COSTS OFF) SELECT * FROM t;
-- It is still probed, and stays.
SELECT ok, status FROM switchyard.probe('regress_sy_control');
SELECT state, rejected FROM switchyard.breakers WHERE source = 'regress_sy_control';

-- With an end; the later word counts.
SELECT switchyard.trip('regress_sy_control', '1 hour');
TABLE breaker;
SELECT switchyard.trip('regress_sy_control', '30 ms', 'a moment');
SELECT pg_sleep(0.05);
SELECT * FROM t LIMIT 1;

-- drain(): the transaction that uses the source ends in peace.
SELECT switchyard.reset('regress_sy_control');
BEGIN;
SELECT count(*) FROM t;
SELECT switchyard.drain('regress_sy_control', 'moves to another host');
SELECT count(*) FROM t;
TABLE breaker;
TABLE status;
-- Also after its session had to be replaced.
ALTER SERVER regress_sy_control OPTIONS (ADD pool_size '6');
SELECT count(*) FROM t;
COMMIT;
SELECT count(*) FROM t;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM switchyard.connections WHERE source = 'regress_sy_control';

-- reset(): all is as it was, the counters are zero.
SELECT switchyard.reset('regress_sy_control');
TABLE breaker;
TABLE status;
SELECT calls, errors, rejected, opens FROM switchyard.breakers WHERE source = 'regress_sy_control';
SELECT count(*) FROM t;
SELECT switchyard.trip('regress_sy_control');
SELECT switchyard.reset();
SELECT count(*) FROM t;

-- What was said is written down, in order.
SELECT kind, failures, threshold, sqlstate, message, usename = current_user AS by_me
  FROM switchyard.events
 WHERE source = 'regress_sy_control' AND pid = pg_backend_pid() AND kind IN ('forced', 'drained', 'reset') ORDER BY id;

-- Arguments that say nothing sensible.
SELECT switchyard.trip(NULL);
SELECT switchyard.drain(NULL);
SELECT switchyard.trip('regress_sy_control', '-1 s');
SELECT switchyard.trip('regress_sy_control', '0');
SELECT switchyard.trip('regress_sy_control', reason => repeat('x', 128));
SELECT switchyard.drain('regress_sy_control', repeat('x', 128));
SELECT switchyard.drain('regress_sy_control', E'two\nlines');
\echo :LAST_ERROR_SQLSTATE
-- None of it was heard; what has just room is kept whole.
SELECT state FROM breaker;
SELECT switchyard.drain('regress_sy_control', repeat('x', 127));
SELECT length(reason) FROM breaker;
SELECT switchyard.reset('regress_sy_control');
SELECT switchyard.trip('regress_sy_none');
SELECT switchyard.drain('regress_sy_none');
SELECT switchyard.reset('regress_sy_none');
SELECT switchyard.disconnect('regress_sy_none');
\set VERBOSITY default

DROP SERVER regress_sy_control CASCADE;
DROP SCHEMA control CASCADE;
RESET client_min_messages;

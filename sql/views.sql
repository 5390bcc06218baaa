-- The views, probe() and report(): what they say of sources that answer.
\getenv dir SY_TEST_DIR
\getenv port SY_MONGO_PORT
\set file :dir '/views.db'
\set uri 'mongodb://127.0.0.1:' :port '/'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT 'CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO files VALUES (1, ''a''), (2, ''b''), (3, ''c'');'
       'CREATE TABLE kinds (k TEXT); CREATE INDEX kinds_k ON kinds (k); INSERT INTO kinds VALUES (''x''); ANALYZE;';
\o
\a\t
SET client_min_messages = error;    -- whether sessions share what they know is not the same everywhere
CREATE SCHEMA views;
SET search_path = views;

-- The columns, which programs rely on.
SELECT c.relname AS view, a.attnum AS n, a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'switchyard'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
 ORDER BY 1, 2;
SELECT proname, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result
  FROM pg_proc WHERE pronamespace = 'switchyard'::regnamespace AND proname IN ('probe', 'trip', 'drain', 'reset', 'disconnect', 'report')
 ORDER BY 1;

-- A source that nobody has used yet is there, with what its options say.
CREATE SERVER regress_sy_view_file FOREIGN DATA WRAPPER switchyard_sqlite
    OPTIONS (path :'file', read_only 'true', role 'archive', size_limit '1MB', probe_interval '1d', pool_size '3', max_overflow '4',
             failure_threshold '7', half_open_calls '2');
CREATE SERVER regress_sy_view_set FOREIGN DATA WRAPPER switchyard_mongodb
    OPTIONS (uri :'uri', database 'sy_test_views', probe_interval '1d');
CREATE SERVER regress_sy_view_hosts FOREIGN DATA WRAPPER switchyard_mongodb
    OPTIONS (uri 'mongodb://127.0.0.1:1,[::1]:2,localhost/wanted?replicaSet=s', probe_interval '1d');
SELECT source, driver, role, replace(replace(endpoint, :'dir', 'DIR'), :'port', 'PORT') AS endpoint, remote_database, read_only,
       size_limit_bytes, bytes_written_since AS written, sessions, session_limit, waiting
  FROM switchyard.sources WHERE source LIKE 'regress\_sy\_view%' ORDER BY source COLLATE "C";
SELECT source, state, retry_at, set_by, set_until, failure_threshold, trials_max, calls, rejected, opens, success_ratio, p50_ms
  FROM switchyard.breakers WHERE source IN ('regress_sy_view_file', 'regress_sy_view_set') ORDER BY source COLLATE "C";
SELECT DISTINCT health_scope IN ('cluster', 'backend') FROM switchyard.sources;
DROP SERVER regress_sy_view_hosts;

-- A probe tells, and what it has found stays in the views.
SELECT source, ok, status, remote_database, server_version <> '' AS version, probe_ms > 0 AS ms, size_bytes >= 0 AS size, sqlstate, message
  FROM switchyard.probe('regress_sy_view_file')
UNION ALL
SELECT source, ok, status, remote_database, server_version <> '', probe_ms > 0, size_bytes >= 0, sqlstate, message
  FROM switchyard.probe('regress_sy_view_set');
SELECT source, status, server_version <> '' AS version, status_since <= probed_at AS since, probe_ms > 0 AS ms,
       probed_at BETWEEN now() - interval '1 min' AND clock_timestamp() AS probed, sampled_at IS NOT NULL AS sampled, tables, rows_estimate,
       last_error_at, last_sqlstate, last_error
  FROM switchyard.sources WHERE source LIKE 'regress\_sy\_view%' ORDER BY source COLLATE "C";
SELECT size_bytes = (pg_stat_file(:'file')).size AS size, used_ratio = size_bytes::float8 / size_limit_bytes AS ratio
  FROM switchyard.sources WHERE source = 'regress_sy_view_file';

-- All sources at once; and one that is not there.
SELECT count(*) FROM switchyard.probe() WHERE source LIKE 'regress\_sy\_view%' AND ok;
SELECT count(*) FROM switchyard.probe(NULL) WHERE source LIKE 'regress\_sy\_view%' AND ok;
\set VERBOSITY terse
SELECT * FROM switchyard.probe('regress_sy_view_none');
CREATE FOREIGN DATA WRAPPER regress_sy_view_wrapper;
CREATE SERVER regress_sy_view_other FOREIGN DATA WRAPPER regress_sy_view_wrapper;
SELECT * FROM switchyard.probe('regress_sy_view_other');
SELECT count(*) FROM switchyard.sources WHERE source = 'regress_sy_view_other';
\set VERBOSITY default
DROP FOREIGN DATA WRAPPER regress_sy_view_wrapper CASCADE;

-- Calls are counted, sessions shown.
CREATE FOREIGN TABLE files (id bigint, name text) SERVER regress_sy_view_file;
CREATE FOREIGN TABLE kinds_here (k text) SERVER regress_sy_view_file OPTIONS ("table" 'kinds');
CREATE FOREIGN TABLE documents (_id bigint) SERVER regress_sy_view_set OPTIONS (collection 'some.documents');
SELECT switchyard.reset('regress_sy_view_file');
BEGIN;
SELECT count(name) FROM files;
SELECT connected_at = used_at AS used FROM switchyard.connections WHERE pid = pg_backend_pid() AND source = 'regress_sy_view_file';
SELECT k FROM kinds_here;
SELECT usename = current_user AS mine, source, state, connected_at <= used_at AS used, wrote, calls
  FROM switchyard.connections WHERE pid = pg_backend_pid() AND source LIKE 'regress\_sy\_view%';
COMMIT;
SELECT state, calls, errors, rejected, opens, success_ratio, p50_ms > 0 AS p50, p50_ms <= p95_ms AND p95_ms <= p99_ms AS ordered,
       p50_ms || ' ' || p95_ms || ' ' || p99_ms !~ '\d\.\d{4}' AS rounded,
       last_failure_class, stats_reset > now() - interval '1 min' AS reset
  FROM switchyard.breakers WHERE source = 'regress_sy_view_file';
SELECT source, state, wrote FROM switchyard.connections WHERE pid = pg_backend_pid() AND source LIKE 'regress\_sy\_view%';
SELECT sessions FROM switchyard.sources WHERE source = 'regress_sy_view_file';
SELECT count(id) FROM files, generate_series(1, 1) WHERE id > 0;
DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM id FROM views.files WHERE id = i; END LOOP; END $$;
SELECT calls, success_ratio FROM switchyard.breakers WHERE source = 'regress_sy_view_file';

-- Foreign tables.
SELECT relation, source, driver, remote_name, route, root, writable, rows_estimate
  FROM switchyard.tables WHERE source LIKE 'regress\_sy\_view%' ORDER BY relation::text;
ANALYZE files;
SELECT relation, rows_estimate FROM switchyard.tables WHERE relation = 'files'::regclass;

-- The report, with numbers and words of time left out.
CREATE FUNCTION branch(wanted text, dir text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(regexp_replace(replace(line, dir, 'DIR'), '(for|sampled|probed) \d+ (s|min|h|days)', '\1 TIME'), '\d+(\.\d+)*', 'N', 'g')
  FROM (SELECT line, n, max(n) FILTER (WHERE line ~ '^(\||`)-- ') OVER (ORDER BY n) AS branch,
               max(n) FILTER (WHERE line LIKE '|-- ' || wanted || ' (%') OVER () AS own
          FROM switchyard.report() WITH ORDINALITY AS r (line, n)) r
 WHERE branch = own ORDER BY n
$$;
SELECT branch AS report FROM branch('regress_sy_view_file', :'dir');
SELECT branch AS report FROM branch('regress_sy_view_set', :'dir');
SELECT line ~ '^switchyard [0-9.]+: \d+ sources?, \d+ ok' AS first FROM switchyard.report() AS line LIMIT 1;
SELECT count(*) FROM switchyard.report() AS line WHERE line ~ '^`-- together: calls \d+, errors \d+, rejected \d+, sessions \d+, size \d+ \w+';

-- A server that is dropped is gone; a new one of its name begins anew.
DROP SERVER regress_sy_view_file CASCADE;
SELECT count(*) FROM switchyard.sources WHERE source = 'regress_sy_view_file';
CREATE SERVER regress_sy_view_file FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', probe_interval '1d');
SELECT calls FROM switchyard.breakers WHERE source = 'regress_sy_view_file';

DROP SERVER regress_sy_view_file, regress_sy_view_set CASCADE;
DROP SCHEMA views CASCADE;
RESET client_min_messages;

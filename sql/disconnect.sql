-- disconnect() closes this session's idle sessions, and no others.
\getenv dir SY_TEST_DIR
\set file :dir '/disconnect.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)';
\o
\a\t
CREATE SERVER regress_sy_disconnect FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', probe_interval '1d');
CREATE SCHEMA disconnect;
SET search_path = disconnect;
CREATE FOREIGN TABLE t (id bigint) SERVER regress_sy_disconnect;
SELECT count(*) FROM t;
SELECT switchyard.disconnect('regress_sy_disconnect');
SELECT switchyard.disconnect('regress_sy_disconnect');
SELECT count(*) FROM t;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t;
FETCH c;
SELECT switchyard.disconnect();
FETCH c;
CLOSE c;
SELECT switchyard.disconnect('regress_sy_disconnect');
COMMIT;
SELECT count(*) FROM t;
SELECT switchyard.disconnect('regress_sy_disconnect');

SET client_min_messages = warning;
DROP SERVER regress_sy_disconnect CASCADE;
DROP SCHEMA disconnect CASCADE;
RESET client_min_messages;

-- Several queries at once over one SQLite file: a backend keeps four handles
-- of it, and reads the oldest query ahead when a fifth is wanted.
\getenv dir SY_TEST_DIR
\set file :dir '/cursors.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT $sql$
CREATE TABLE wide (id INTEGER PRIMARY KEY, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO wide SELECT i, hex(zeroblob(500)) FROM n;
CREATE TABLE bad (id INTEGER PRIMARY KEY, v);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    INSERT INTO bad SELECT i, iif(i = 50, 'oops', i) FROM n;
$sql$;
\o
\a\t

CREATE SCHEMA cursors;
SET search_path = cursors;
CREATE SERVER regress_sy_cursors FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file');
CREATE FOREIGN TABLE wide (id bigint OPTIONS (key 'true'), v text) SERVER regress_sy_cursors;
CREATE FOREIGN TABLE bad (id bigint OPTIONS (key 'true'), v bigint) SERVER regress_sy_cursors;
-- One more handle than there are: opens three cursors.
CREATE PROCEDURE take_handles() LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    id bigint;
BEGIN
    FOR i IN 1..3 LOOP
        c := 'taken' || i;
        OPEN c FOR SELECT w.id FROM wide w;
        FETCH c INTO id;
    END LOOP;
END $$;
-- Counts the rows that are left.
CREATE FUNCTION rest(c refcursor) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint := -1;
BEGIN
    LOOP
        MOVE c;
        n := n + 1;
        EXIT WHEN NOT FOUND;
    END LOOP;
    RETURN n;
END $$;

-- Rows read ahead outlive the statement that needed the handle, also on disk.
SET work_mem = '64kB';
BEGIN;
DECLARE c CURSOR FOR SELECT id, length(v), v FROM wide;
MOVE 2 c;
CALL take_handles();
SELECT sum(length(v)) FROM wide;
SELECT rest('c');
COMMIT;
RESET work_mem;

-- A bad value is an error of the query that reads it, not of the other one,
-- and never the end of its rows.
BEGIN;
DECLARE c CURSOR FOR SELECT id, v FROM bad;
FETCH c;
CALL take_handles();
SELECT count(v) FROM wide;
SELECT rest('c');
ROLLBACK;

-- So is what an interruption of the reading ahead left unread.
BEGIN;
DECLARE c CURSOR FOR SELECT a.id FROM wide a WHERE a.v || a.id <> '';
FETCH c;
CALL take_handles();
SAVEPOINT s;
SET LOCAL work_mem = '64kB';
SET LOCAL temp_file_limit = 0;
\set VERBOSITY sqlstate
SELECT count(v || 'x') FROM wide;
\set VERBOSITY default
ROLLBACK TO s;
SET LOCAL temp_file_limit = -1;
SELECT count(v || 'x') FROM wide;
SELECT rest('c');
ROLLBACK;

-- A query that failed in a subtransaction keeps no handle.
BEGIN;
DECLARE c CURSOR FOR SELECT 1 / (id - 2) FROM wide;
FETCH c;
SAVEPOINT s;
FETCH c;
ROLLBACK TO s;
CALL take_handles();
SELECT count(v || 'x') FROM wide;
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA cursors CASCADE;
DROP SERVER regress_sy_cursors;

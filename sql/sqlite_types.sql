-- SQLite: every type, strict.  A stored value that a column cannot hold
-- unchanged is an error that names column, row and value.
\getenv dir SY_TEST_DIR
\set file :dir '/sqlite_types.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT $sql$
CREATE TABLE good (id INTEGER PRIMARY KEY, b BOOLEAN, i2, i4 INT, i8 NUMERIC, f4, f8 REAL, n DECIMAL,
    n2 NUMERIC, nt TEXT, t TEXT, v TEXT, c TEXT, y BLOB, u TEXT, ub BLOB, j TEXT, jb TEXT);
INSERT INTO good VALUES (1, 1, 32767, 2147483647, 9223372036854775807, 0.5, 0.1, 0.1, 9.99, '1.10', '',
    'abc', 'ab', x'00ff', '0123abcd-0000-4000-8000-00000000ffff', x'0123abcd00004000800000000000ffff',
    '{"a": 1}', '{"a":1, "b": [2]}');
INSERT INTO good VALUES (2, 0, -32768, -2147483648, -9223372036854775808, 3, 9e999, 12345678901234567,
    5, '0.00000000000000000000001', 'hé', 'hé', 'ab   ', x'', NULL, NULL, 'null', 'null');
INSERT INTO good VALUES (3, NULL, 5.0, 5.0, 5.0, -1e30, -9e999, 1e20, -0.5, '-7', 'a b ', '', '', NULL,
    NULL, NULL, NULL, NULL);
INSERT INTO good (id, f8, n) VALUES (4, -0.25, 123456789.123456), (5, 0.30000000000000004,
    0.30000000000000004), (6, 9007199254740992, 1152921504606846976);
UPDATE good SET f4 = -2.5 WHERE id = 3;
CREATE TABLE dates (id INTEGER PRIMARY KEY, d DATE, du INTEGER, dj REAL, ts DATETIME, tsu INTEGER,
    tsm INTEGER, tsj REAL, tz TEXT, tzm INTEGER);
INSERT INTO dates VALUES (1, '2024-02-29', 1709164800, 2460369.5, '2024-02-29 12:34:56.789', 1709210096,
    1709210096789, 2460370.0, '2024-02-29T12:34:56+02:00', -1);
INSERT INTO dates VALUES (2, '0001-01-01', -86400, 2440587.5, '9999-12-31', -1, -1, 2440587.5,
    '2024-02-29 12:34Z', 253402300799999);
INSERT INTO dates VALUES (3, '9999-12-31', 0, NULL, '2024-02-29T00:00:00.123456', 0, 0,
    2460311.0000014235, '2024-02-29', 0);
CREATE TABLE bad (id INTEGER PRIMARY KEY, x);
INSERT INTO bad VALUES (1, 5), (2, 5.5), (3, 'five'), (4, x'ff00'), (5, 9223372036854775807), (6, 1e19),
    (7, CAST(x'61ff62' AS TEXT)), (8, CAST(x'610062' AS TEXT)), (9, '2024-02-30'), (10,
    '2024-01-01 10:00:00'), (11, '{"a":'), (12,
    'abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz'), (13,
    'A1B2C3D4-0000-4000-8000-000000000000'), (14, 9.999), (15, 2), (16, 0.1), (17, 70000), (18,
    '2024-01-01 10:00:00+02'), (19, '1.5'), (20, '2024-01-01 10:00-0330');
CREATE TABLE keyed (a INT, b TEXT, x, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO keyed VALUES (1, 'k', 'not a number');
CREATE TABLE hides (rowid TEXT, oid TEXT, x);
INSERT INTO hides VALUES ('r', 'o', 'not a number');
CREATE VIEW seen AS SELECT x FROM bad WHERE id = 3;
$sql$;
\o
\a\t

CREATE SCHEMA sqlite_types;
SET search_path = sqlite_types;
SET timezone = 'UTC';
SET datestyle = ISO;
CREATE SERVER regress_sy_types FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', read_only 'true');

--
-- Values that fit
--
CREATE FOREIGN TABLE good (
    id bigint, b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision,
    n numeric, n2 numeric(5,2), nt numeric OPTIONS (storage 'text'), t text, v varchar(3), c char(4),
    y bytea, u uuid, ub uuid OPTIONS (storage 'blob'), j json, jb jsonb) SERVER regress_sy_types;
SELECT id, b, i2, i4, i8, f4, f8 FROM good ORDER BY id;
SELECT id, n, n2, nt FROM good ORDER BY id;
SELECT id, t, v, c, length(c), octet_length(c), y, u, ub, j, jb FROM good ORDER BY id;
-- One row, all columns NULL but the key, and an empty result.
SELECT count(b), count(i2), count(t), count(y) FROM good WHERE id = 6;
SELECT * FROM good WHERE id = 7;

CREATE FOREIGN TABLE dates (
    id bigint, d date, du date OPTIONS (storage 'unix'), dj date OPTIONS (storage 'julian'),
    ts timestamp, tsu timestamp OPTIONS (storage 'unix'), tsm timestamp OPTIONS (storage 'unix_ms'),
    tsj timestamp OPTIONS (storage 'julian'), tz timestamptz, tzm timestamptz OPTIONS (storage 'unix_ms'))
    SERVER regress_sy_types;
\x on
SELECT * FROM dates ORDER BY id;
\x off

--
-- Values that do not
--
-- All of table bad as one type: the value, or SQLSTATE, message and detail.
CREATE FUNCTION read_as(type text, options text DEFAULT '') RETURNS TABLE (id bigint, result text)
LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE bad (id bigint OPTIONS (key ''true''), x %s %s) SERVER regress_sy_types', type, options);
    FOR i IN 1..20 LOOP
        id := i;
        BEGIN
            EXECUTE format('SELECT x::text FROM bad WHERE id = %s', id) INTO result;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
            result := SQLSTATE || ' ' || SQLERRM || ' - ' || detail;
        END;
        RETURN NEXT;
    END LOOP;
    DROP FOREIGN TABLE bad;
END $$;
\a\t
SELECT * FROM read_as('boolean');
SELECT * FROM read_as('smallint') WHERE id IN (1, 2, 3, 5, 6, 17);
SELECT * FROM read_as('integer') WHERE id IN (1, 2, 3, 5, 6, 17);
SELECT * FROM read_as('bigint') WHERE id IN (1, 2, 3, 4, 5, 6);
SELECT * FROM read_as('real') WHERE id IN (1, 2, 5, 6, 14, 16, 19);
SELECT * FROM read_as('double precision') WHERE id IN (1, 2, 3, 5, 16, 19);
SELECT * FROM read_as('numeric') WHERE id IN (2, 3, 4, 6, 14, 19);
SELECT * FROM read_as('numeric(3,1)') WHERE id IN (1, 2, 6, 14, 15, 17);
SELECT * FROM read_as('numeric', 'OPTIONS (storage ''text'')') WHERE id IN (1, 3, 19);
SELECT * FROM read_as('text');
SELECT * FROM read_as('varchar(4)') WHERE id IN (3, 12, 19);
SELECT * FROM read_as('char(4)') WHERE id IN (3, 12, 19);
SELECT * FROM read_as('bytea') WHERE id IN (1, 3, 4);
SELECT * FROM read_as('uuid') WHERE id IN (3, 4, 13);
SELECT * FROM read_as('uuid', 'OPTIONS (storage ''blob'')') WHERE id IN (4, 13);
SELECT * FROM read_as('date') WHERE id IN (1, 3, 9, 10);
SELECT * FROM read_as('timestamp') WHERE id IN (1, 3, 9, 10, 18);
SELECT * FROM read_as('timestamptz') WHERE id IN (9, 10, 18, 20);
SELECT * FROM read_as('date', 'OPTIONS (storage ''unix'')') WHERE id IN (2, 3, 5, 15);
SELECT * FROM read_as('timestamp', 'OPTIONS (storage ''unix_ms'')') WHERE id IN (2, 3, 5, 17);
SELECT * FROM read_as('timestamp', 'OPTIONS (storage ''julian'')') WHERE id IN (3, 6, 14);
SELECT * FROM read_as('json') WHERE id IN (1, 3, 7, 11, 19);
SELECT * FROM read_as('jsonb') WHERE id IN (1, 3, 8, 11, 19);
\a\t

-- Which row it was: the key where there is no rowid, another name of the
-- rowid where columns hide it, the view where there is neither.
CREATE FOREIGN TABLE keyed (x integer) SERVER regress_sy_types;
SELECT * FROM keyed;
CREATE FOREIGN TABLE hides (x integer) SERVER regress_sy_types;
SELECT * FROM hides;
CREATE FOREIGN TABLE seen (x integer) SERVER regress_sy_types;
SELECT * FROM seen;
-- It is found by its place in the result, behind rows that fit.
CREATE FOREIGN TABLE later (id bigint, x bigint) SERVER regress_sy_types OPTIONS ("table" 'bad');
SELECT x FROM later WHERE id > 4;
SELECT x FROM later WHERE id < 6 ORDER BY id DESC LIMIT 3;

-- Columns that SQLite cannot serve say so when the table is first planned.
CREATE FOREIGN TABLE wrong (x integer[]) SERVER regress_sy_types OPTIONS ("table" 'bad');
SELECT * FROM wrong;
DROP FOREIGN TABLE wrong;
CREATE FOREIGN TABLE wrong (x interval) SERVER regress_sy_types OPTIONS ("table" 'bad');
SELECT * FROM wrong;
DROP FOREIGN TABLE wrong;
CREATE FOREIGN TABLE wrong (x integer OPTIONS (storage 'julian')) SERVER regress_sy_types OPTIONS ("table" 'bad');
SELECT * FROM wrong;

-- A table, and a column, that is not there.
CREATE FOREIGN TABLE absent (x integer) SERVER regress_sy_types;
SELECT * FROM absent;
CREATE FOREIGN TABLE absent_column (y integer) SERVER regress_sy_types OPTIONS ("table" 'bad');
SELECT * FROM absent_column;

SET client_min_messages = warning;
DROP SCHEMA sqlite_types CASCADE;
DROP SERVER regress_sy_types CASCADE;

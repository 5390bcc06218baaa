-- SQLite: IMPORT FOREIGN SCHEMA takes types from declarations where the
-- values agree, and leaves nothing of an ordinary file out.
\getenv dir SY_TEST_DIR
\set file :dir '/sqlite_import.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT $sql$
CREATE TABLE declared (a INTEGER PRIMARY KEY, b BIGINT NOT NULL, c SMALLINT, d REAL, e FLOAT, f DOUBLE PRECISION,
    g VARCHAR(10), h NCHAR(5), i CLOB, j TEXT NOT NULL, k BLOB, l BOOLEAN, m DECIMAL(10,2), n NUMERIC, o DATE, p DATETIME,
    q TIMESTAMP, r, s JSON, "t u" UUID);
CREATE TABLE dates (d_iso DATE, d_text DATE, d_number DATE, ts_iso DATETIME, ts_mixed DATETIME, tz_iso TIMESTAMP,
    ts_unix DATETIME, ts_ms DATETIME, ts_julian DATETIME, d_none DATE);
INSERT INTO dates VALUES
    ('2024-01-01', '1 Jan', 20240101, '2024-01-01 10:00', '2024-01-01 10:00', '2024-01-01T10:00:00Z', 1704067200, 1704067200000, 2460311.25, NULL),
    ('2024-01-02', '2024-01-02', 20240102, '2024-01-02', '2024-01-01 10:00Z', '2024-01-01 10:00+02:00', 1704067201, 1704067200001, 2460311.5, NULL);
CREATE TABLE refuted (i INTEGER, b BOOLEAN, r REAL, n NUMERIC, untyped, mixed TEXT, blobs TEXT);
INSERT INTO refuted VALUES ('one', 'yes', 'x', 'y', 1, 't', x'00'), ('two', 1, 'z', 'z', 2, x'01', x'01');
CREATE TABLE keys (id INTEGER PRIMARY KEY, u TEXT UNIQUE, i1 INT, i2 INT, nc TEXT, p INT, e INT);
CREATE INDEX keys_i ON keys (i1, i2);
CREATE INDEX keys_nc ON keys (nc COLLATE NOCASE);
CREATE INDEX keys_p ON keys (p) WHERE p > 0;
CREATE INDEX keys_e ON keys (abs(e));
CREATE TABLE text_key (k TEXT PRIMARY KEY, v INT);
CREATE TABLE no_rowid (b TEXT, a INT, v INT NOT NULL, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE generated (a INT, virt INT AS (a * 2), stored INT AS (a + 1) STORED);
INSERT INTO generated (a) VALUES (20);
CREATE TABLE strict_one (a INT, b TEXT, c ANY) STRICT;
CREATE TABLE empty (a INT);
CREATE TABLE system_names (ctid INT, xmin INT, ctid_1 INT, v INT);
INSERT INTO system_names VALUES (1, 2, 3, 4);
CREATE TABLE "Upper Case" ("Some Column" INT, "quote""d" TEXT, "$dollar.dot" INT, "select" INT);
INSERT INTO "Upper Case" VALUES (1, 'q', 2, 3);
CREATE TABLE a_table_with_a_name_that_is_longer_than_sixty_three_bytes_and_ends_in_1
    (a_column_with_a_name_that_is_longer_than_sixty_three_bytes_and_ends_in_1 INT,
    a_column_with_a_name_that_is_longer_than_sixty_three_bytes_and_ends_in_2 INT);
INSERT INTO a_table_with_a_name_that_is_longer_than_sixty_three_bytes_and_ends_in_1 VALUES (1, 2);
CREATE VIEW a_view AS SELECT a, a + 1 AS next FROM generated;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
$sql$;
\o
\a\t

CREATE SERVER regress_sy_import FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file');
CREATE SCHEMA sqlite_import;
SET search_path = sqlite_import;
IMPORT FOREIGN SCHEMA main FROM SERVER regress_sy_import INTO sqlite_import;
CREATE VIEW imported AS
    SELECT c.relname AS relation, c.oid, ft.ftoptions AS options
      FROM pg_foreign_table ft JOIN pg_class c ON c.oid = ft.ftrelid
     WHERE c.relnamespace = 'sqlite_import'::regnamespace;
SELECT relation, options FROM imported ORDER BY relation COLLATE "C";
SELECT relation, attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null, attfdwoptions AS options
  FROM imported JOIN pg_attribute ON attrelid = oid AND attnum > 0
 ORDER BY relation COLLATE "C", attnum;

-- They can be read.
SET timezone = 'UTC';
SET datestyle = ISO;
\x on
SELECT * FROM system_names;
SELECT * FROM dates WHERE ts_unix = '2024-01-01Z';
\x off
SELECT b, blobs FROM refuted;
SELECT i, untyped FROM refuted;
SELECT * FROM generated;
SELECT * FROM a_view;
SELECT * FROM "Upper Case";
SELECT * FROM a_table_with_a_name_that_is_longer_than_sixty_three_bytes_and_e;
SELECT count(*) FROM counted;

-- The names to take, or not to take; another schema; options.
CREATE SCHEMA sqlite_import_some;
IMPORT FOREIGN SCHEMA main LIMIT TO (keys, empty, nothing_like_it) FROM SERVER regress_sy_import INTO sqlite_import_some;
IMPORT FOREIGN SCHEMA main LIMIT TO (a_table_with_a_name_that_is_longer_than_sixty_three_bytes_and_ends_in_1)
    FROM SERVER regress_sy_import INTO sqlite_import_some;
SELECT relname FROM pg_class WHERE relnamespace = 'sqlite_import_some'::regnamespace ORDER BY relname COLLATE "C";
SET client_min_messages = warning;
DROP SCHEMA sqlite_import_some CASCADE;
RESET client_min_messages;
CREATE SCHEMA sqlite_import_some;
IMPORT FOREIGN SCHEMA main EXCEPT (dates, declared, refuted, "Upper Case") FROM SERVER regress_sy_import
    INTO sqlite_import_some OPTIONS (import_not_null 'false', sample '1');
SELECT relname FROM pg_class WHERE relnamespace = 'sqlite_import_some'::regnamespace ORDER BY relname COLLATE "C";
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'sqlite_import_some.no_rowid'::regclass AND attnum > 0;
SET client_min_messages = warning;
DROP SCHEMA sqlite_import_some CASCADE;
RESET client_min_messages;
CREATE SCHEMA sqlite_import_some;
-- Without a sample declarations are believed, but not those of dates.
IMPORT FOREIGN SCHEMA main LIMIT TO (dates, refuted) FROM SERVER regress_sy_import
    INTO sqlite_import_some OPTIONS (sample '0');
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
 WHERE attrelid IN ('sqlite_import_some.dates'::regclass, 'sqlite_import_some.refuted'::regclass) AND attnum > 0
 ORDER BY 1, attnum;
IMPORT FOREIGN SCHEMA other FROM SERVER regress_sy_import INTO sqlite_import_some;
IMPORT FOREIGN SCHEMA main FROM SERVER regress_sy_import INTO sqlite_import_some OPTIONS (sample '-1');
IMPORT FOREIGN SCHEMA main FROM SERVER regress_sy_import INTO sqlite_import_some OPTIONS (nested 'none');

-- Statistics come by ANALYZE.
ANALYZE sqlite_import.dates;
SELECT reltuples FROM pg_class WHERE oid = 'sqlite_import.dates'::regclass;
ANALYZE sqlite_import.refuted;

SET client_min_messages = warning;
DROP SCHEMA sqlite_import, sqlite_import_some CASCADE;
DROP SERVER regress_sy_import CASCADE;

-- MongoDB: IMPORT FOREIGN SCHEMA finds columns, types and keys, from samples and validators.
\getenv port SY_MONGO_PORT
\! $SY_PYTHON "$PG_ABS_SRCDIR/test/mongo_load.py" import
\set uri 'mongodb://127.0.0.1:' :port '/'
SET timezone = 'UTC';
CREATE SERVER sy_test_mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'sy_test_import');
CREATE SCHEMA sy_test_a;
CREATE SCHEMA sy_test_b;
CREATE SCHEMA sy_test_c;
CREATE VIEW sy_test_tables AS
	SELECT n.nspname AS schema, c.relname AS name, t.ftoptions AS options
	  FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	 WHERE n.nspname LIKE 'sy\_test\__' ORDER BY 1, 2;
CREATE VIEW sy_test_columns AS
	SELECT n.nspname AS schema, c.relname AS relation, a.attname AS name, format_type(atttypid, atttypmod) AS type, a.attfdwoptions AS options
	  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	 WHERE c.relkind = 'f' AND n.nspname LIKE 'sy\_test\__' AND a.attnum > 0 ORDER BY 1, 2, a.attnum;

-- Everything: collections, a view, a time series; nothing of the system's.
IMPORT FOREIGN SCHEMA sy_test_import FROM SERVER sy_test_mongo INTO sy_test_a;
-- Before MongoDB 5.0 a view stands in for the time series.
SELECT name, options FROM sy_test_tables WHERE name <> 'readings';
SELECT name, type, options FROM sy_test_columns WHERE relation = 'scalars';
SELECT name, type, options FROM sy_test_columns WHERE relation = 'nested';
SELECT name, type, options FROM sy_test_columns WHERE relation = 'validated';
SELECT relation, name, type, options FROM sy_test_columns WHERE relation IN ('seen', 'readings', 'vacant');
SELECT name, type, options FROM sy_test_columns WHERE relation = 'Odd Names';
\x on
SELECT * FROM sy_test_a.scalars ORDER BY _id LIMIT 2;
SELECT * FROM sy_test_a.nested ORDER BY _id LIMIT 1;
SELECT * FROM sy_test_a."Odd Names";
\x off
SELECT _id, name FROM sy_test_a.validated;
SELECT count(*) FROM sy_test_a.readings;
SELECT count(*) FROM sy_test_a.seen;
SELECT count(*) FROM sy_test_a.vacant;

-- Embedded documents as they are, or not at all.
IMPORT FOREIGN SCHEMA sy_test_import LIMIT TO (nested) FROM SERVER sy_test_mongo INTO sy_test_b OPTIONS (nested 'jsonb');
SELECT name, type, options FROM sy_test_columns WHERE schema = 'sy_test_b';
IMPORT FOREIGN SCHEMA sy_test_import LIMIT TO (nested) FROM SERVER sy_test_mongo INTO sy_test_c OPTIONS (nested 'none', sample '900');
SELECT name, type, options FROM sy_test_columns WHERE schema = 'sy_test_c';

-- All but some.
DROP SCHEMA sy_test_b CASCADE;
CREATE SCHEMA sy_test_b;
IMPORT FOREIGN SCHEMA sy_test_import EXCEPT (scalars, nested, "Odd Names", validated, vacant) FROM SERVER sy_test_mongo INTO sy_test_b;
SELECT name FROM sy_test_tables WHERE schema = 'sy_test_b';

-- Only the server's own database is a schema.
IMPORT FOREIGN SCHEMA other FROM SERVER sy_test_mongo INTO sy_test_b;
IMPORT FOREIGN SCHEMA sy_test_import FROM SERVER sy_test_mongo INTO sy_test_b OPTIONS (nested 'sometimes');

-- Statistics.
ANALYZE sy_test_a.scalars, sy_test_a.seen, sy_test_a.readings;
SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'sy_test_a'::regnamespace AND relname IN ('scalars', 'seen', 'readings') ORDER BY relname;

SET client_min_messages = warning;
DROP SERVER sy_test_mongo CASCADE;
DROP VIEW sy_test_tables, sy_test_columns;
DROP SCHEMA sy_test_a, sy_test_b, sy_test_c;

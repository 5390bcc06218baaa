-- MongoDB: every kind of stored value in every type of column: shown as it is, or an error that names it.
\getenv port SY_MONGO_PORT
\! $SY_PYTHON "$PG_ABS_SRCDIR/test/mongo_load.py" types
\set uri 'mongodb://127.0.0.1:' :port '/'
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET extra_float_digits = 1;
CREATE SERVER sy_test_mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'sy_test_types');

-- What a column of some type makes of the value stored under each key.
CREATE FUNCTION sy_test_try(type text, options text DEFAULT '')
RETURNS TABLE (key text, result text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE sy_test_try (_id text, v %s %s) SERVER sy_test_mongo OPTIONS (collection ''values'')', type, options);
	FOR key IN SELECT _id FROM sy_test_keys ORDER BY _id COLLATE "C" LOOP
		BEGIN
			EXECUTE 'SELECT coalesce(v::text, ''NULL'') FROM sy_test_try WHERE _id = $1' INTO STRICT result USING key;
			result := left(result, 80);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			-- That a type has no place in the column is the same error each time.
			CONTINUE WHEN SQLSTATE = 'HV004' AND detail LIKE '%document _id ' || key || '.';
			result := SQLSTATE || ' ' || detail;
		END;
		RETURN NEXT;
	END LOOP;
	DROP FOREIGN TABLE sy_test_try;
END
$$;
CREATE FOREIGN TABLE sy_test_keys (_id text) SERVER sy_test_mongo OPTIONS (collection 'values');
SELECT count(*) FROM sy_test_keys;

SELECT * FROM sy_test_try('boolean');
SELECT * FROM sy_test_try('smallint');
SELECT * FROM sy_test_try('integer');
SELECT * FROM sy_test_try('bigint');
SELECT * FROM sy_test_try('real');
SELECT * FROM sy_test_try('double precision');
SELECT * FROM sy_test_try('numeric');
SELECT * FROM sy_test_try('numeric(5,1)');
SELECT * FROM sy_test_try('text');
SELECT * FROM sy_test_try('varchar(5)');
SELECT * FROM sy_test_try('char(3)');
SELECT * FROM sy_test_try('text', $$OPTIONS (bson_type 'objectid')$$);
SELECT * FROM sy_test_try('bytea');
SELECT * FROM sy_test_try('uuid');
SELECT * FROM sy_test_try('uuid', $$OPTIONS (bson_type 'uuid_legacy')$$);
SELECT * FROM sy_test_try('date');
SELECT * FROM sy_test_try('timestamp');
SELECT * FROM sy_test_try('timestamp(0)');
SELECT * FROM sy_test_try('timestamptz');
SELECT * FROM sy_test_try('integer[]');
SELECT * FROM sy_test_try('text[]');
SELECT * FROM sy_test_try('text[]', $$OPTIONS (bson_type 'objectid')$$);
SELECT * FROM sy_test_try('double precision[]');
SELECT * FROM sy_test_try('jsonb');
SELECT * FROM sy_test_try('json');

-- Paths lead through embedded documents only.
SELECT * FROM sy_test_try('integer', $$OPTIONS (path 'v.b')$$) WHERE key ~ 'document|array';
SELECT * FROM sy_test_try('text', $$OPTIONS (path 'v.c.d')$$) WHERE key ~ 'document|array';

-- An error of a type that does not fit, in full; and the names of rows.
CREATE FOREIGN TABLE sy_test_values (_id text, v integer) SERVER sy_test_mongo OPTIONS (collection 'values');
SELECT v FROM sy_test_values WHERE _id = 'string long';
SELECT v FROM sy_test_values WHERE _id = 'regex';
CREATE FOREIGN TABLE sy_test_id (id jsonb OPTIONS (column_name '_id'), v bigint) SERVER sy_test_mongo OPTIONS (collection 'keys');
SELECT * FROM sy_test_id ORDER BY v;
CREATE FUNCTION sy_test_row(place bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM v FROM sy_test_bad WHERE n = place;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
CREATE FOREIGN TABLE sy_test_bad (n bigint OPTIONS (column_name 'v'), v boolean) SERVER sy_test_mongo OPTIONS (collection 'keys');
SELECT n, sy_test_row(n) FROM generate_series(0, 13) n;

-- Names with any characters can be read; not all can be named in a filter.
CREATE FOREIGN TABLE sy_test_names (
	"a.b" text, "$c" text, "Upper Case" text, "select" text, "ä" text, "it's ""q""" text,
	long text OPTIONS (column_name 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
	nothing text OPTIONS (column_name ''),
	path text OPTIONS (path 'a.b'), path_dollar text OPTIONS (path 'a.$c'), parent jsonb OPTIONS (column_name 'a'),
	whole jsonb OPTIONS (path '.'), absent text OPTIONS (path 'a.b.c')
) SERVER sy_test_mongo OPTIONS (collection 'names');
\x on
SELECT * FROM sy_test_names;
SELECT "a.b", path, parent FROM sy_test_names;
SELECT path, path_dollar FROM sy_test_names WHERE "a.b" = 'dot' AND "$c" = 'dollar' AND path = 'path' AND "Upper Case" = 'spaces' AND absent IS NULL;
\x off
EXPLAIN (VERBOSE, COSTS OFF)
SELECT path, path_dollar FROM sy_test_names WHERE "a.b" = 'dot' AND "$c" = 'dollar' AND path = 'path' AND "Upper Case" = 'spaces' AND absent IS NULL;
EXPLAIN (VERBOSE, COSTS OFF) SELECT path, parent FROM sy_test_names;

-- Of a field that comes twice the first one counts.
CREATE FOREIGN TABLE sy_test_twice (v int) SERVER sy_test_mongo OPTIONS (collection 'twice');
SELECT * FROM sy_test_twice;

-- What no column can be.
CREATE FOREIGN TABLE sy_test_interval (v interval) SERVER sy_test_mongo;
SELECT * FROM sy_test_interval;
CREATE FOREIGN TABLE sy_test_objectid (v int OPTIONS (bson_type 'objectid')) SERVER sy_test_mongo;
SELECT * FROM sy_test_objectid;
CREATE FOREIGN TABLE sy_test_objectid_short (v char(10) OPTIONS (bson_type 'objectid')) SERVER sy_test_mongo;
SELECT * FROM sy_test_objectid_short;
CREATE FOREIGN TABLE sy_test_legacy (v text OPTIONS (bson_type 'uuid_legacy')) SERVER sy_test_mongo;
SELECT * FROM sy_test_legacy;
CREATE FOREIGN TABLE sy_test_whole (v text OPTIONS (path '.')) SERVER sy_test_mongo;
SELECT * FROM sy_test_whole;
CREATE FOREIGN TABLE sy_test_jsonb_array (v jsonb[]) SERVER sy_test_mongo;
SELECT * FROM sy_test_jsonb_array;

-- A document that cannot be read is no failure of the source: its breaker stays closed.
CREATE SERVER sy_test_careful FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'sy_test_types', failure_threshold '1');
CREATE FOREIGN TABLE sy_test_damaged (_id text, v bytea, w int) SERVER sy_test_careful OPTIONS (collection 'damaged');
SELECT v FROM sy_test_damaged;
SELECT w FROM sy_test_damaged;
SELECT _id FROM sy_test_damaged;

-- A collection that is not there is empty.
CREATE FOREIGN TABLE sy_test_absent (v int) SERVER sy_test_mongo;
SELECT * FROM sy_test_absent;
SELECT count(*) FROM sy_test_absent;
ANALYZE sy_test_absent;
ANALYZE sy_test_keys;
SELECT reltuples FROM pg_class WHERE relname = 'sy_test_keys';

SET client_min_messages = warning;
DROP SERVER sy_test_mongo, sy_test_careful CASCADE;
DROP FUNCTION sy_test_try, sy_test_row;

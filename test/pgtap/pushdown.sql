-- Classified and normalized filters find the rows that PostgreSQL finds.
--
-- test/module/pushdown_test.c evaluates neutral trees over an ordinary table;
-- no source and no driver takes part.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
BEGIN;
CREATE SCHEMA pushdown;
SET LOCAL search_path = pushdown, public;
SET LOCAL TimeZone = 'Europe/Berlin';
SET LOCAL jit = off;

CREATE FUNCTION run(rel regclass, condition text, types regtype[], arguments text[],
	simplify bool, moody bool, OUT ship text, OUT planned text, OUT run text, OUT ids int[])
	RETURNS record STRICT LANGUAGE c AS 'switchyard_test', 'switchyard_test_pushdown';
CREATE FUNCTION sort_key(rel regclass, ordering text) RETURNS text
	STRICT LANGUAGE c AS 'switchyard_test', 'switchyard_test_order';
CREATE FUNCTION bound(rel regclass, bound text, types regtype[], arguments text[], is_limit bool)
	RETURNS text STRICT LANGUAGE c AS 'switchyard_test', 'switchyard_test_bound';

CREATE DOMAIN positive AS int;
CREATE COLLATION nondeterministic (provider = icu, locale = 'und', deterministic = false);
CREATE TABLE edge (id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text,
	v varchar(20), c char(4), b bool, y bytea, u uuid, d date, ts timestamp, tz timestamptz,
	gone int, dom positive, j jsonb, a int[], nd text COLLATE nondeterministic, tc text COLLATE "C");
ALTER TABLE edge DROP COLUMN gone;

SELECT no_plan();

-- What becomes of one condition: its class, the tree with constants known,
-- the tree with all values known.  Parameters are "type:value".
CREATE FUNCTION tree(condition text, VARIADIC parameters text[] DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN ship = 'local' THEN 'local'
		WHEN planned = run THEN ship || ': ' || run
		ELSE ship || ': ' || planned || ' -> ' || run END
	FROM run('edge', condition,
		(SELECT coalesce(array_agg(split_part(p, ':', 1)::regtype ORDER BY o), '{}')
			FROM unnest(parameters) WITH ORDINALITY AS _ (p, o)),
		(SELECT coalesce(array_agg(nullif(substr(p, strpos(p, ':') + 1), 'NULL') ORDER BY o), '{}')
			FROM unnest(parameters) WITH ORDINALITY AS _ (p, o)), true, false)
$$;

-- Integers against wider types.
SELECT is(tree('i4 = 5'), 'exact: i4 = 5', 'an integer constant');
SELECT is(tree('5 < i4'), 'exact: i4 > 5', 'a commuted comparison');
SELECT is(tree('i2 >= 70000'), 'exact: i2 >= 70000', 'int2 against int4');
SELECT is(tree('i4 = $1', 'int8:5'), 'exact: i4 = $1 -> i4 = 5', 'a parameter');
SELECT is(tree('i4 = $1 + 1', 'int:5'), 'exact: i4 = $1 -> i4 = 6', 'an expression of a parameter');
SELECT is(tree('i4 = $1', 'int8:NULL'), 'exact: i4 = $1 -> FALSE', 'a NULL parameter');
SELECT is(tree('i4 > 6.5'), 'exact: i4 > 6', 'a bound between integers: >');
SELECT is(tree('i4 >= 6.5'), 'exact: i4 >= 7', 'a bound between integers: >=');
SELECT is(tree('i4 < 6.5'), 'exact: i4 < 7', 'a bound between integers: <');
SELECT is(tree('i4 <= -6.5'), 'exact: i4 <= -7', 'a bound between integers: <=');
SELECT is(tree('i4 = 6.5'), 'exact: FALSE', 'equal to a fraction');
SELECT is(tree('i4 <> 6.5'), 'exact: i4 IS NOT NULL', 'different from a fraction');
SELECT is(tree('i4 IS DISTINCT FROM 6.5'), 'exact: (i4 IS NULL OR i4 IS NOT NULL)', 'distinct from a fraction');
SELECT is(tree('i4 IS NOT DISTINCT FROM 6.5'), 'exact: FALSE', 'not distinct from a fraction');
SELECT is(tree('i4 = 6.0'), 'exact: i4 = 6', 'equal to an integral numeric');
SELECT is(tree('i4 < 3e9'), 'exact: i4 IS NOT NULL', 'a bound above the type');
SELECT is(tree('i4 > 3e9'), 'exact: FALSE', 'a bound above the type, other side');
SELECT is(tree('i2 >= -32768.5'), 'exact: i2 IS NOT NULL', 'below the least int2');
SELECT is(tree('i2 >= -32767.5'), 'exact: i2 >= -32767', 'above the least int2');
SELECT is(tree('i2 <= 32766.5'), 'exact: i2 <= 32766', 'below the greatest int2');
SELECT is(tree('i2 > 32767.5'), 'exact: FALSE', 'above the greatest int2');
SELECT is(tree('i4 >= -2147483648.5'), 'exact: i4 IS NOT NULL', 'below the least int4');
SELECT is(tree('i4 >= -2147483647.5'), 'exact: i4 >= -2147483647', 'above the least int4');
SELECT is(tree('i4 <= 2147483646.5'), 'exact: i4 <= 2147483646', 'below the greatest int4');
SELECT is(tree('i8 < -9223372036854775808.5'), 'exact: FALSE', 'below the least int8');
SELECT is(tree('i8 < -9223372036854775807.5'), 'exact: i8 < -9223372036854775807', 'above the least int8');
SELECT is(tree('i8 > 9223372036854775806.5'), 'exact: i8 > 9223372036854775806', 'below the greatest int8');
SELECT is(tree('i8 < $1', 'numeric:NaN'), 'exact: i8 < $1 -> i8 IS NOT NULL', 'numeric NaN is above all');
SELECT is(tree('i8 > $1', 'numeric:-Infinity'), 'exact: i8 > $1 -> i8 IS NOT NULL', 'numeric -Infinity');
SELECT is(tree('i8 = 9007199254740993.0'), 'exact: i8 = 9007199254740993', 'numeric beyond 2^53 is exact');
SELECT is(tree('i8 = $1', 'float8:9007199254740992'),
	'exact: i8 = $1 -> (i8 >= 9007199254740992 AND i8 <= 9007199254740993)', 'integers that round to a float8');
SELECT is(tree('i8 <> $1', 'float8:9007199254740996'),
	'exact: i8 <> $1 -> (i8 < 9007199254740995 OR i8 > 9007199254740997)', 'integers that do not round to a float8');
SELECT is(tree('i8 >= $1', 'float8:9223372036854775807'),
	'exact: i8 >= $1 -> i8 >= 9223372036854775296', 'the end of the type rounds up to 2^63');
SELECT is(tree('i8 IS DISTINCT FROM $1', 'float8:9007199254740992'),
	'exact: i8 IS DISTINCT FROM $1 -> (i8 IS NULL OR i8 < 9007199254740992 OR i8 > 9007199254740993)',
	'distinct from a float8 with several integers');
SELECT is(tree('i4 < $1', 'float8:NaN'), 'exact: i4 < $1 -> i4 IS NOT NULL', 'float8 NaN is above all');
SELECT is(tree('i4 >= $1', 'float8:Infinity'), 'exact: i4 >= $1 -> FALSE', 'float8 infinity');
SELECT is(tree('f4 = $1', 'float8:0.1'), 'exact: f4 = $1 -> f4 = 0.1', 'float4 against float8');
SELECT is(tree('f4 = 0.1::float4'), 'exact: f4 = 0.10000000149011612', 'float4 widens exactly');
SELECT is(tree('f4 = 0.1'), 'exact: f4 = 0.1', 'float4 against a numeric literal is float8');
SELECT is(tree('n = 5'), 'exact: n = 5', 'numeric against an integer');
SELECT is(tree('n = $1', 'float8:5'), 'local', 'numeric against float8 rounds the column');

-- Lists.
SELECT is(tree('i4 IN (1, NULL, 2)'), 'exact: i4 IN 1, 2', 'IN drops NULL');
SELECT is(tree('i4 NOT IN (1, NULL, 2)'), 'exact: FALSE', 'NOT IN a list with NULL');
SELECT is(tree('i4 IN (1, 2.5, 3)'), 'exact: i4 IN 1, 3', 'IN drops fractions');
SELECT is(tree('i4 NOT IN (1.5, 2.5)'), 'exact: i4 IS NOT NULL', 'NOT IN fractions only');
SELECT is(tree('i4 = ANY ($1)', 'int[]:{1,2}'), 'exact: i4 IN $1 -> i4 IN 1, 2', 'an array parameter');
SELECT is(tree('i4 = ANY ($1)', 'int[]:{}'), 'exact: i4 IN $1 -> FALSE', '= ANY of nothing');
SELECT is(tree('i4 <> ALL ($1)', 'int[]:{}'), 'exact: i4 NOT IN $1 -> TRUE', '<> ALL of nothing, NULL or not');
SELECT is(tree('i4 <> ALL ($1)', 'int[]:NULL'), 'exact: i4 NOT IN $1 -> FALSE', '<> ALL of NULL');
SELECT is(tree('i4 = ANY ($1)', 'int[]:{{1,2},{3,4}}'), 'exact: i4 IN $1 -> i4 IN 1, 2, 3, 4', 'two dimensions');
SELECT is(tree('i4 IN ($1, $2)', 'int:7', 'int:8'), 'exact: i4 IN $1 -> i4 IN 7, 8', 'a list of parameters');
SELECT is(tree('i8 = ANY ($1)', 'float8[]:{5,9007199254740992}'),
	'exact: i8 IN $1 -> ((i8 >= 9007199254740992 AND i8 <= 9007199254740993) OR i8 IN 5)', 'IN with a range');
SELECT is(tree('i8 <> ALL ($1)', 'float8[]:{5,9007199254740992}'),
	'exact: i8 NOT IN $1 -> ((i8 < 9007199254740992 OR i8 > 9007199254740993) AND i8 NOT IN 5)', 'NOT IN with a range');
SELECT is(tree('i4 > ANY (''{1,5}'')'), 'exact: (i4 > 1 OR i4 > 5)', '> ANY is written out');
SELECT is(tree('i4 > ALL (''{1,5}'')'), 'exact: (i4 > 1 AND i4 > 5)', '> ALL is written out');
SELECT is(tree('i4 > ALL (''{1,NULL}'')'), 'exact: FALSE', '> ALL with NULL');
SELECT is(tree('i4 > ANY ($1)', 'int[]:{1,5}'), 'local', '> ANY of a parameter');
SELECT is(tree('1 = ANY (a)'), 'local', 'a column of arrays');

-- Truth.
SELECT is(tree('b'), 'exact: b = t', 'a boolean column');
SELECT is(tree('NOT b'), 'exact: b = f', 'NOT a boolean column');
SELECT is(tree('b IS NOT TRUE'), 'exact: b IS DISTINCT FROM t', 'IS NOT TRUE');
SELECT is(tree('b IS FALSE'), 'exact: b = f', 'IS FALSE');
SELECT is(tree('b IS UNKNOWN'), 'exact: b IS NULL', 'IS UNKNOWN');
SELECT is(tree('(i4 > 5) IS TRUE'), 'exact: i4 > 5', 'IS TRUE of a comparison');
SELECT is(tree('(i4 > 5) IS FALSE'), 'exact: i4 <= 5', 'IS FALSE of a comparison');
SELECT is(tree('(i4 > 5) IS NOT TRUE'), 'local', 'IS NOT TRUE of a comparison');
SELECT is(tree('NOT (i4 > 5 AND b)'), 'exact: (i4 <= 5 OR b = f)', 'NOT over AND');
SELECT is(tree('NOT (i4 IN (1, 2) OR t LIKE ''a%'')'), 'exact: (i4 NOT IN 1, 2 AND t NOT LIKE a%)', 'NOT over OR');
SELECT is(tree('NOT (i4 IS NOT DISTINCT FROM 5)'), 'exact: i4 IS DISTINCT FROM 5', 'NOT over IS NOT DISTINCT');
SELECT is(tree('i4 = 1 AND length(t) = 2'), 'superset: i4 = 1', 'AND with a local part');
SELECT is(tree('i4 = 1 OR length(t) = 2'), 'local', 'OR with a local part');
SELECT is(tree('i4 = 1 OR (i2 = 2 AND length(t) = 2)'), 'superset: (i4 = 1 OR i2 = 2)', 'AND with a local part below OR');
SELECT is(tree('i4 = 1 AND i4 = 1.5'), 'exact: FALSE', 'a contradiction');
SELECT is(tree('length(t) = 2 AND i4 = 1.5'), 'exact: FALSE', 'a contradiction beside a local part');
SELECT is(tree('i4 = $1 OR i8 = $1', 'int:3'), 'exact: (i4 = $1 OR i8 = $1) -> (i4 = 3 OR i8 = 3)', 'one parameter, twice');
SELECT is(tree('i4 = $2 AND i8 = $1', 'int:3', 'int:4'), 'exact: (i4 = $1 AND i8 = $2) -> (i4 = 4 AND i8 = 3)',
	'parameters are numbered as they are met');
SELECT is(tree('i4 BETWEEN 1 AND $1', 'int:NULL'), 'exact: (i4 >= 1 AND i4 <= $1) -> FALSE', 'BETWEEN with NULL');

-- Text.
SELECT is(tree('t = ''x'''), 'exact: t = x', 'text');
SELECT is(tree('v = ''x'''), 'exact: v = x', 'varchar');
SELECT is(tree('c = ''x'''), 'exact: c = x', 'char(n)');
SELECT is(tree('t = ''x''::bpchar'), 'exact: t = x', 'text against char(n) compares as text');
SELECT is(tree('t::bpchar = ''x'''), 'local', 'text taken for char(n)');
SELECT is(tree('c::text = ''x'''), 'local', 'char(n) taken for text');
SELECT is(tree('c LIKE ''x%'''), 'local', 'char(n) LIKE');
SELECT is(tree('tc < ''x'''), 'exact: tc < x', 'text in C');
SELECT is(tree('t COLLATE "C" < ''x'''), 'exact: t < x', 'a collation of the expression');
SELECT is(tree('nd = ''x'''), 'local', 'a nondeterministic collation');
SELECT is(tree('nd IS NULL'), 'exact: nd IS NULL', 'NULL has no collation');
SELECT is(tree('t LIKE ''a%'''), 'exact: t LIKE a%', 'LIKE');
SELECT is(tree('t LIKE $1', 'text:a%'), 'superset: t LIKE $1 -> t LIKE a%', 'a LIKE pattern not known may be an error');
SELECT is(tree('t LIKE $1', E'text:a\\'), 'superset: t LIKE $1 -> TRUE', 'a LIKE pattern that is an error');
SELECT is(tree('t LIKE $1', E'text:a\\\\'), E'superset: t LIKE $1 -> t LIKE a\\\\', 'an escaped escape is none');
SELECT is(tree(E't LIKE E''a\\\\'''), 'local', 'a constant LIKE pattern that is an error');
SELECT is(tree('t LIKE ANY (''{a%,b%}'')'), 'exact: (t LIKE a% OR t LIKE b%)', 'LIKE ANY');
SELECT is(tree('''x'' LIKE t'), 'local', 'the pattern is the column');

-- What is none of ours.
SELECT is(tree('i4 = random()'), 'local', 'a volatile value');
SELECT is(tree('i4 = (SELECT 1)'), 'local', 'a subquery');
SELECT is(tree('i4 = i8'), 'local', 'two columns');
SELECT is(tree('dom = 5'), 'local', 'a domain');
SELECT is(tree('j = ''{}'''), 'local', 'jsonb equality');
SELECT is(tree('j IS NULL'), 'exact: j IS NULL', 'jsonb IS NULL');
SELECT is(tree('d = ''2024-01-01''::timestamp'), 'local', 'date against timestamp');
SELECT is(tree('ts < now()'), 'local', 'timestamp against timestamptz');
SELECT matches(tree('tz < now()'), '^exact: tz < \$1 -> tz < \d', 'a stable function is evaluated');
SELECT is(tree('ctid = ''(0,1)'''), 'local', 'a system column');
SELECT is(tree('edge IS NULL'), 'local', 'a whole row');
CREATE FUNCTION mine(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS
	'BEGIN RETURN $1 = $2; END';
CREATE OPERATOR pushdown.= (FUNCTION = mine, LEFTARG = int, RIGHTARG = int);
SELECT is(tree('i4 OPERATOR(pushdown.=) 5'), 'local', 'an operator of the same name');

-- Sort keys.
SELECT is(sort_key('edge', 'i4'), 'i4 ASC NULLS LAST', 'sort by an integer');
SELECT is(sort_key('edge', 'i8 DESC'), 'i8 DESC NULLS FIRST', 'sort downwards');
SELECT is(sort_key('edge', 'n NULLS FIRST'), 'n ASC NULLS FIRST', 'sort NULLs first');
SELECT is(sort_key('edge', 'tc'), 'tc ASC NULLS LAST C', 'sort text in C');
SELECT is(sort_key('edge', 'v COLLATE "C" DESC'), 'v DESC NULLS FIRST C', 'sort varchar in C');
SELECT is(sort_key('edge', 't COLLATE "und-x-icu"'), 't ASC NULLS LAST deterministic', 'sort text in another collation');
SELECT is(sort_key('edge', 'nd'), NULL, 'no sort in a nondeterministic collation');
SELECT is(sort_key('edge', 't USING ~<~'), NULL, 'no sort by another operator class');
SELECT is(sort_key('edge', 'i4 + 1'), NULL, 'no sort by an expression');
SELECT is(sort_key('edge', 'i4::float8'), NULL, 'no sort by a cast');
SELECT is(sort_key('edge', 't::bpchar'), NULL, 'no sort of text as char(n)');
SELECT is(sort_key('edge', 'a'), NULL, 'no sort by an array');
SELECT is(sort_key('edge', 'j'), NULL, 'no sort by jsonb');
SELECT is(sort_key('edge', 'dom'), NULL, 'no sort by a domain');

-- Limits.
SELECT is(bound('edge', '10', '{}', '{}', true), '10 -> 10', 'LIMIT constant');
SELECT is(bound('edge', 'NULL', '{}', '{}', true), 'none -> none', 'LIMIT NULL');
SELECT is(bound('edge', 'ALL', '{}', '{}', true), 'none -> none', 'LIMIT ALL');
SELECT is(bound('edge', '-1', '{}', '{}', true), NULL, 'a negative constant stays');
SELECT is(bound('edge', '$1 + 1', '{int8}', '{4}', true), '$1 -> 5', 'LIMIT expression');
SELECT is(bound('edge', '$1', '{int8}', '{NULL}', true), '$1 -> none', 'LIMIT parameter NULL');
SELECT is(bound('edge', '(random() * 5)::int8', '{}', '{}', true), NULL, 'a volatile LIMIT stays');
SELECT throws_ok($$SELECT bound('edge', '$1', '{int8}', '{-1}', true)$$, '2201W',
	'LIMIT must not be negative', 'a negative LIMIT parameter');
SELECT throws_ok($$SELECT bound('edge', '$1', '{int8}', '{-1}', false)$$, '2201X',
	'OFFSET must not be negative', 'a negative OFFSET parameter');

-- Generated conditions.  A condition is text with values as @1@, @2@ …; it is
-- run with constants and with parameters in their places, as the parser
-- makes it and simplified, for a driver that ships all and one that does not.

-- Values to store and to compare with.
CREATE TABLE literals (type text PRIMARY KEY, items text[]);
INSERT INTO literals VALUES
	('int2', '{-32768,-20001,-1,0,1,5,7,32767,NULL}'),
	('int4', '{-2147483648,-1000000001,-32769,-1,0,1,5,7,32768,2147483647,NULL}'),
	('int8', '{-9223372036854775808,-9223372036854775807,-9007199254740993,-2147483649,-1,0,1,5,7,2147483648,
		9007199254740991,9007199254740992,9007199254740993,9007199254740994,9007199254740995,9007199254740997,
		9223372036854774784,9223372036854775295,9223372036854775296,9223372036854775806,9223372036854775807,NULL}'),
	('numeric', '{NaN,Infinity,-Infinity,-1e30,1e30,-20000.5,-1000000000.5,-5e18,20000.5,6.5,-6.5,0,0.0,1,1.10,5,5.0,-0.5,7.000001,32767.5,-32768.5,
		2147483647.5,-2147483648.5,9007199254740992.5,9007199254740993,9223372036854775807,9223372036854775807.5,
		9223372036854775808,-9223372036854775808,-9223372036854775808.5,-9223372036854775809,NULL}'),
	('float4', '{NaN,Infinity,-Infinity,-0,0,0.1,-1.5,5,7,16777216,16777218,3.4028235e38,1e-45,9.223372e18,NULL}'),
	('float8', '{NaN,Infinity,-Infinity,-0,0,0.1,0.10000000149011612,-1.5,5,6.5,-20000.5,-1000000000.5,-5e18,7,16777217,32767.5,2147483647,2147483648,
		9007199254740991,9007199254740992,9007199254740994,9007199254740996,-9007199254740992,9223372036854774784,
		9223372036854775807,-9223372036854775808,-9223372036854777856,1e19,1e300,4.9e-324,NULL}'),
	('text', array['', 'a', 'ab', 'aB', 'abc', 'A', E'\u00e1', 'z', '%', 'a_b', 'a ', ' a', 'ab  ', '7', NULL]),
	('varchar', array['', 'a', 'ab', 'abc', 'A', 'z', 'a ', NULL]),
	('bpchar', array['', 'a', 'ab', 'abc', 'A', 'z', 'a ', 'ab  ', NULL]),
	('bool', '{t,f,NULL}'),
	('bytea', array['\x', '\x00', '\x0001', '\x61', '\xff', NULL]),
	('uuid', array['00000000-0000-0000-0000-000000000000', '01234567-89ab-cdef-0123-456789abcdef',
		'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL]),
	('date', array['-infinity', '4713-01-01 BC', '1969-12-31', '1970-01-01', '2024-02-29', '2024-03-31', 'infinity', NULL]),
	('timestamp', array['-infinity', '1969-12-31 23:59:59.999999', '1970-01-01', '2024-02-29 12:00:00.000001',
		'2024-03-31 02:30', 'infinity', NULL]),
	('timestamptz', array['-infinity', '1969-12-31 23:59:59.999999+00', '1970-01-01 00:00+00',
		'2024-02-29 12:00:00.000001+00', '2024-03-31 03:30+02', 'infinity', NULL]),
	('pattern', array['%', 'a%', '%a', '_', 'a_b', E'a\\_b', '%b%', 'ab', '', E'\\%', NULL]);

-- Columns, the type of what they store, the types that they are compared with.
CREATE TABLE columns (name text, stores text, compares text[]);
INSERT INTO columns VALUES
	('i2', 'int2', '{int2,int4,int8,numeric,float8,float4}'),
	('i4', 'int4', '{int2,int4,int8,numeric,float8,float4}'),
	('i8', 'int8', '{int2,int4,int8,numeric,float8,float8,float4}'),
	('f4', 'float4', '{float4,float8,numeric,int4,int8}'),
	('f8', 'float8', '{float4,float8,numeric,int8}'),
	('n', 'numeric', '{numeric,int8,int4,float8}'),
	('t', 'text', '{text,varchar,bpchar}'),
	('v', 'varchar', '{text,varchar,bpchar}'),
	('c', 'bpchar', '{bpchar,text}'),
	('tc', 'text', '{text}'),
	('b', 'bool', '{bool}'),
	('y', 'bytea', '{bytea}'),
	('u', 'uuid', '{uuid}'),
	('d', 'date', '{date,date,timestamp}'),
	('ts', 'timestamp', '{timestamp,timestamp,date}'),
	('tz', 'timestamptz', '{timestamptz,timestamptz,timestamp}');

CREATE FUNCTION pick(items text[]) RETURNS text LANGUAGE sql VOLATILE AS
	'SELECT items[1 + floor(random() * cardinality(items))::int]';
CREATE FUNCTION literal(wanted text) RETURNS text LANGUAGE sql VOLATILE AS
	'SELECT pick(items) FROM literals WHERE type = wanted';

CREATE TABLE arguments (number int, type text, value text);

-- Register a value; what stands for it.
CREATE FUNCTION argument(type text, value text) RETURNS text LANGUAGE sql VOLATILE AS $$
	INSERT INTO arguments SELECT count(*) + 1, argument.type, argument.value FROM arguments
	RETURNING '@' || number || '@'
$$;
CREATE FUNCTION an_array(type text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	items text[] := '{}';
BEGIN
	IF random() < 0.05 THEN
		RETURN argument(type || '[]', NULL);
	END IF;
	FOR i IN 1 .. floor(random() * 5) LOOP
		items := items || literal(type);
	END LOOP;
	IF random() < 0.6 THEN
		items := array_remove(items, NULL);
	END IF;
	RETURN argument(type || '[]', items::text);
END $$;

-- A comparison, test or the like of one column.
CREATE FUNCTION leaf() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	col columns;
	type text;
	op text := pick('{=,<>,<,<=,>,>=}');
	negation text := pick('{"","NOT "}');
BEGIN
	SELECT * INTO col FROM columns ORDER BY random() LIMIT 1;
	type := pick(col.compares);
	CASE floor(random() * 16)
		WHEN 0, 1, 2, 3 THEN
			RETURN format('%s %s %s', col.name, op, argument(type, literal(type)));
		WHEN 4 THEN
			RETURN format('%s %s %s', argument(type, literal(type)), op, col.name);
		WHEN 5 THEN
			RETURN format('%s %sIN (%s, %s, %s)', col.name, negation, argument(type, literal(type)),
				argument(type, literal(type)), argument(type, literal(type)));
		WHEN 6, 7 THEN
			RETURN format('%s %s (%s)', col.name, pick('{= ANY,<> ALL}'), an_array(type));
		WHEN 8 THEN
			RETURN format('%s %s %s (%s)', col.name, op, pick('{ANY,ALL}'), an_array(type));
		WHEN 9 THEN
			RETURN format('%s IS %sNULL', col.name, negation);
		WHEN 10, 11 THEN
			RETURN format('%s IS %sDISTINCT FROM %s', col.name, negation, argument(type, literal(type)));
		WHEN 12 THEN
			RETURN format('%s %sBETWEEN %s%s AND %s', col.name, negation, pick('{"","SYMMETRIC "}'),
				argument(type, literal(type)), argument(type, literal(type)));
		WHEN 13 THEN
			RETURN format('%s %sLIKE %s', pick('{t,v,c,tc}'), negation, argument('text', literal('pattern')));
		WHEN 14 THEN
			RETURN pick('{b,NOT b,b IS TRUE,b IS NOT TRUE,b IS FALSE,b IS NOT FALSE,b IS UNKNOWN,b IS NOT UNKNOWN}');
		ELSE
			RETURN pick(array['i4 % 7 = 1', 'length(t) > 1', 't ILIKE ''A%''', 'i4 = i2', 'i4::numeric > n',
				'random() >= 0', 'i4 = 1 / (SELECT 1)', 'TRUE', 'FALSE', 'NULL', 'dom = 1', 'a = ''{1}''']);
	END CASE;
END $$;

CREATE FUNCTION condition(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	dice float := random();
BEGIN
	IF depth = 0 OR dice < 0.3 THEN
		RETURN '(' || leaf() || ')';
	ELSIF dice < 0.5 THEN
		RETURN '(NOT ' || condition(depth - 1) || ')';
	ELSIF dice < 0.6 THEN
		RETURN '(' || condition(depth - 1) || pick('{" IS TRUE"," IS FALSE"," IS NOT TRUE"," IS UNKNOWN"}') || ')';
	END IF;
	RETURN '(' || condition(depth - 1) || pick('{" AND "," OR "}') || condition(depth - 1) || ')';
END $$;

-- Fill the table with rows that mix the values of all columns.
CREATE FUNCTION fill(rows int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. rows LOOP
		INSERT INTO edge VALUES (i, literal('int2')::int2, literal('int4')::int4, literal('int8')::int8,
			literal('float4')::float4, literal('float8')::float8, literal('numeric')::numeric,
			literal('text'), literal('varchar'), literal('bpchar'), literal('bool')::bool,
			literal('bytea')::bytea, literal('uuid')::uuid, literal('date')::date,
			literal('timestamp')::timestamp, literal('timestamptz')::timestamptz,
			literal('int2')::int, '{}', '{1}', literal('text'), literal('text'));
	END LOOP;
END $$;

-- One condition in all its ways; what went wrong, or nothing.
CREATE TABLE outcomes (moody bool, ship text, times bigint, PRIMARY KEY (moody, ship));
CREATE FUNCTION try(depth int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	template text;
	constant text;
	parametric text;
	arg arguments;
	types regtype[] := '{}';
	items text[] := '{}';
	expected int[];
	result record;
	way int;
BEGIN
	DELETE FROM arguments;
	template := condition(depth);
	constant := template;
	parametric := template;
	FOR arg IN SELECT * FROM arguments ORDER BY number LOOP
		constant := replace(constant, '@' || arg.number || '@', quote_nullable(arg.value) || '::' || arg.type);
		parametric := replace(parametric, '@' || arg.number || '@', '$' || arg.number);
		types := types || arg.type::regtype;
		items := items || arg.value;
	END LOOP;
	EXECUTE 'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM edge WHERE ' || constant INTO expected;
	FOR way IN 0 .. 7 LOOP
		BEGIN
			result := run('edge', CASE WHEN way & 1 = 0 THEN constant ELSE parametric END,
				CASE WHEN way & 1 = 0 THEN '{}' ELSE types END,
				CASE WHEN way & 1 = 0 THEN '{}' ELSE items END, way & 2 = 0, way & 4 <> 0);
		EXCEPTION WHEN OTHERS THEN
			RETURN NEXT format('way %s of %s: %s', way, constant, SQLERRM);
			CONTINUE;
		END;
		INSERT INTO outcomes VALUES (way & 4 <> 0, result.ship, 1)
			ON CONFLICT (moody, ship) DO UPDATE SET times = outcomes.times + 1;
		IF (result.ship = 'exact' AND result.ids <> expected) OR
			(result.ship = 'superset' AND NOT result.ids @> expected) THEN
			RETURN NEXT format('way %s of %s: %s %s finds %s, not %s', way, constant, result.ship, result.run,
				result.ids, expected);
		END IF;
	END LOOP;
END $$;

SELECT setseed(0.4711);
SELECT fill(60);
CREATE TABLE failures (depth int, text text);
INSERT INTO failures SELECT 0, f FROM generate_series(1, 1500), LATERAL try(0 * generate_series) AS f;
INSERT INTO failures SELECT 3, f FROM generate_series(1, 700), LATERAL try(3 + 0 * generate_series) AS f;
SELECT is((SELECT count(*) FROM failures WHERE depth = 0), 0::bigint, '1500 generated comparisons find PostgreSQL''s rows');
SELECT is((SELECT count(*) FROM failures WHERE depth = 3), 0::bigint, '700 generated trees find PostgreSQL''s rows');
SELECT diag(text) FROM (SELECT * FROM failures ORDER BY length(text) LIMIT 8) AS _;
SELECT cmp_ok(times, '>', 2000::bigint, format('%s conditions were %s for the %s driver', times, ship,
	CASE WHEN moody THEN 'moody' ELSE 'willing' END))
	FROM outcomes WHERE ship = 'exact' ORDER BY moody;
SELECT cmp_ok(times, '>', 300::bigint, format('%s conditions were %s for the %s driver', times, ship,
	CASE WHEN moody THEN 'moody' ELSE 'willing' END))
	FROM outcomes WHERE ship = 'superset' ORDER BY moody;

SELECT * FROM finish();
ROLLBACK;

-- Remote values become PostgreSQL's without change, or are refused with the
-- SQLSTATE that says why; what errors show of values and URIs.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS switchyard CASCADE;
CREATE EXTENSION IF NOT EXISTS switchyard_test CASCADE;
BEGIN;
SET LOCAL search_path = switchyard_test, public;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL extra_float_digits = 1;
SELECT no_plan();

-- One row per case: a result that begins with "!" is the SQLSTATE of a refusal.
CREATE TEMP TABLE cases (how text, value text, target regtype, typmod int DEFAULT -1, expected text);

INSERT INTO cases (how, value, target, expected) VALUES
	('int64', '0', 'int2', '0'),
	('int64', '32767', 'int2', '32767'),
	('int64', '-32768', 'int2', '-32768'),
	('int64', '32768', 'int2', '!22003'),
	('int64', '-32769', 'int2', '!22003'),
	('int64', '2147483647', 'int4', '2147483647'),
	('int64', '2147483648', 'int4', '!22003'),
	('int64', '-9223372036854775808', 'int8', '-9223372036854775808'),
	('int64', '9223372036854775807', 'numeric', '9223372036854775807'),
	('int64', '-9223372036854775808', 'numeric', '-9223372036854775808'),
	('int64', '9007199254740992', 'float8', '9.007199254740992e+15'),
	('int64', '9007199254740993', 'float8', '!22003'),
	('int64', '16777216', 'float4', '1.6777216e+07'),
	('int64', '16777217', 'float4', '!22003'),

	('double', '5', 'int4', '5'),
	('double', '-0.0', 'int4', '0'),
	('double', '5.5', 'int4', '!22003'),
	('double', 'nan', 'int4', '!22003'),
	('double', 'inf', 'int8', '!22003'),
	('double', '9223372036854775808', 'int8', '!22003'),
	('double', '-9223372036854775808', 'int8', '-9223372036854775808'),
	('double', '2147483648', 'int4', '!22003'),
	('double', '0.1', 'float8', '0.1'),
	('double', '-0.0', 'float8', '-0'),
	('double', 'nan', 'float8', 'NaN'),
	('double', '-inf', 'float8', '-Infinity'),
	('double', '1.7976931348623157e308', 'float8', '1.7976931348623157e+308'),
	('double', '5e-324', 'float8', '5e-324'),
	('double', '0.5', 'float4', '0.5'),
	('double', '0.1', 'float4', '!22003'),
	('double', '1e300', 'float4', '!22003'),
	('double', '1e-300', 'float4', '!22003'),
	('double', 'nan', 'float4', 'NaN'),
	('double', '0.1', 'numeric', '0.1'),
	('double', '0.30000000000000004', 'numeric', '0.30000000000000004'),
	('double', '1e22', 'numeric', '10000000000000000000000'),
	('double', 'nan', 'numeric', 'NaN'),
	('double', '-inf', 'numeric', '-Infinity'),

	('decimal', '5', 'int4', '5'),
	('decimal', '5.00', 'int4', '5'),
	('decimal', '5.5', 'int4', '!22003'),
	('decimal', '99999999999', 'int4', '!22003'),
	('decimal', 'NaN', 'int4', '!22003'),
	('decimal', '0.5', 'float8', '0.5'),
	('decimal', '0.1', 'float8', '!22003'),
	('decimal', 'NaN', 'float8', 'NaN'),
	('decimal', '1234567890123456789012345678901234', 'numeric', '1234567890123456789012345678901234'),
	('decimal', 'NaN', 'numeric', 'NaN'),
	('decimal', '-Infinity', 'numeric', '-Infinity'),

	('utf8', '', 'text', ''),
	('utf8', 'c3a4', 'text', 'ä'),
	('utf8', 'f09f9880', 'text', '😀'),
	('utf8', 'ff', 'text', '!22021'),
	('utf8', 'c3', 'text', '!22021'),
	('utf8', 'eda080', 'text', '!22021'),
	('utf8', '610062', 'text', '!22021'),
	('utf8', '7b7d', 'jsonb', '!HV004'),

	('json', '7b2261223a20317d', 'jsonb', '{"a": 1}'),
	('json', '7b2261223a', 'jsonb', '!22P02'),
	('json', '7b2261223a20317d', 'json', '{"a": 1}'),
	('json', 'ff', 'json', '!22021'),

	('bytes', '00ff', 'bytea', '\x00ff'),
	('bytes', '', 'bytea', '\x'),
	('bytes', '00112233445566778899aabbccddeeff', 'uuid', '00112233-4455-6677-8899-aabbccddeeff'),
	('bytes', '0011', 'uuid', '!22P02'),

	('unix_us', '0', 'timestamptz', '1970-01-01 00:00:00+00'),
	('unix_us', '-1', 'timestamptz', '1969-12-31 23:59:59.999999+00'),
	('unix_us', '0', 'timestamp', '1970-01-01 00:00:00'),
	('unix_us', '86400000000', 'date', '1970-01-02'),
	('unix_us', '-86400000000', 'date', '1969-12-31'),
	('unix_us', '1', 'date', '!22008'),
	('unix_us', '9223372036854775807', 'timestamptz', '294247-01-10 04:00:54.775807+00'),
	('unix_us', '-9223372036854775808', 'timestamp', '!22008'),
	('unix_us', '-210866803200000000', 'timestamp', '4714-11-24 00:00:00 BC'),
	('unix_us', '-210866803200000001', 'timestamp', '!22008'),

	('int64', '1', 'text', '!HV004'),
	('int64', '1', 'bytea', '!HV004'),
	('double', '1', 'text', '!HV004'),
	('unix_us', '0', 'int8', '!HV004');

-- Type modifiers; numeric's is made as PostgreSQL makes it.
CREATE FUNCTION numeric_typmod(p int, s int) RETURNS int LANGUAGE sql AS 'SELECT ((p << 16) | s) + 4';
INSERT INTO cases VALUES
	('int64', '999', 'numeric', numeric_typmod(4, 1), '999.0'),
	('int64', '1000', 'numeric', numeric_typmod(4, 1), '!22003'),
	('double', '0.25', 'numeric', numeric_typmod(4, 1), '!22003'),
	('double', '0.5', 'numeric', numeric_typmod(4, 1), '0.5'),
	('decimal', '12.30', 'numeric', numeric_typmod(4, 1), '12.3'),
	('decimal', '12.34', 'numeric', numeric_typmod(4, 1), '!22003'),
	('decimal', 'NaN', 'numeric', numeric_typmod(4, 1), 'NaN'),
	('decimal', 'Infinity', 'numeric', numeric_typmod(4, 1), '!22003'),
	('utf8', '616263', 'varchar', 4 + 3, 'abc'),
	('utf8', '61626364', 'varchar', 4 + 3, '!22001'),
	('utf8', 'c3a4c3b6c3bc', 'varchar', 4 + 3, 'äöü'),
	('utf8', '6162', 'bpchar', 4 + 3, 'ab '),
	('utf8', '61626320', 'bpchar', 4 + 3, 'abc'),
	('utf8', '61626364', 'bpchar', 4 + 3, '!22001'),
	('unix_us', '1500000', 'timestamp', 0, '!22008'),
	('unix_us', '1500000', 'timestamp', 1, '1970-01-01 00:00:01.5');

SELECT is(
	CASE WHEN expected LIKE '!%' THEN '!' || left(convert(how, value, target, typmod), 5)
		ELSE convert(how, value, target, typmod) END,
	expected,
	format('%s %s to %s%s', how, value, target, CASE WHEN typmod >= 0 THEN ' with modifier ' || typmod END))
FROM cases;

-- Every double that is written shortest comes back the same as numeric.
SELECT is(count(*), 0::bigint, 'numeric from double reads back as the same double')
FROM (SELECT (random() - 0.5) * 10 ^ (random() * 600 - 300) AS d FROM generate_series(1, 5000)) _
WHERE convert('double', d::text, 'numeric')::float8 IS DISTINCT FROM d;

-- Errors of values.
SELECT is(value_error(NULL, 'TEXT', 'abc', 'row rowid=7 of table "t"'),
	E'cannot convert TEXT value to column "c" of type integer\nValue "abc" in row rowid=7 of table "t".',
	'an error names column, type, value and row');
SELECT is(value_error('the value is out of range', 'Int64', NULL, 'document _id 5'),
	E'cannot convert Int64 value to column "c" of type integer\nIn document _id 5: the value is out of range.',
	'an error without an excerpt');
SELECT alike(value_error(NULL, 'BLOB', '\x00ff22', 'row 1'), '%"\\x00\\xff%', 'bytes are escaped');
SELECT ok(length(value_error(NULL, 'TEXT', convert_to(repeat('x', 1000), 'UTF8'), 'row 1')) < 200,
	'a long value is cut');

-- Credentials in URIs.
SELECT is(redact('mongodb://app:secret@host/db'), 'mongodb://***@host/db', 'user and password go');
SELECT is(redact('mongodb://host1,host2/db?replicaSet=rs0'), 'mongodb://host1,host2/db?replicaSet=rs0', 'hosts stay');
SELECT unalike(redact('could not use "mongodb+srv://a:p@ss/w:rd@h.example/?x=1" now'), '%p@ss%', 'an @ in the password');
SELECT unalike(redact('mongodb://h/?tlsCertificateKeyFilePassword=hush&a=b'), '%hush%', 'a secret option');
SELECT unalike(redact('mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hush'), '%hush%', 'another secret option');
SELECT unalike(redact('a mongodb://u:one@h/ and b mongodb://u:two@h/'), '%two%', 'the second URI of a text too');
SELECT is(redact('nothing to hide'), 'nothing to hide', 'other text stays');

SELECT * FROM finish();
ROLLBACK;

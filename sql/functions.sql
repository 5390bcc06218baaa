-- version() and objectid_timestamp().
SET TimeZone = 'UTC';

-- All versions that matter in a bug report.
SELECT regexp_replace(switchyard.version(), '\d+(\.\d+)+', 'N', 'g') ~
       '^switchyard N, libmongoc N, .*SQLite N, built against PostgreSQL N' AS names_all;
SELECT substring(switchyard.version() FROM '^switchyard ([0-9.]+),') = extversion AS same_version
  FROM pg_extension WHERE extname = 'switchyard';

-- The first four bytes are seconds since 1970, without a sign.
SELECT id, switchyard.objectid_timestamp(id)
  FROM (VALUES ('000000000000000000000000'), ('507f1f77bcf86cd799439011'), ('507F1F77BCF86CD799439011'),
               ('7fffffff0000000000000000'), ('800000000000000000000000'), ('ffffffffffffffffffffffff'), (NULL)) AS v (id);
SET TimeZone = 'Asia/Tokyo';
SELECT switchyard.objectid_timestamp('507f1f77bcf86cd799439011');

-- Anything but 24 hexadecimal digits is an error.
SELECT switchyard.objectid_timestamp('507f1f77bcf86cd79943901');
\set VERBOSITY sqlstate
SELECT switchyard.objectid_timestamp('');
SELECT switchyard.objectid_timestamp('507f1f77bcf86cd7994390111');
SELECT switchyard.objectid_timestamp(' 507f1f77bcf86cd79943901');
SELECT switchyard.objectid_timestamp('0x7f1f77bcf86cd799439011');
SELECT switchyard.objectid_timestamp('507f1f77bcf86cd79943901g');
SELECT switchyard.objectid_timestamp('-07f1f77bcf86cd799439011');
\set VERBOSITY default

-- It may stand in an index: the same answer whatever the settings.
CREATE TEMPORARY TABLE documents (id text);
CREATE INDEX ON documents (switchyard.objectid_timestamp(id));
INSERT INTO documents VALUES ('507f1f77bcf86cd799439011');
SELECT provolatile, proisstrict, proparallel
  FROM pg_proc WHERE oid = 'switchyard.objectid_timestamp(text)'::regprocedure;
DROP TABLE documents;
RESET TimeZone;

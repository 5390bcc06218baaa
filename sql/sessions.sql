-- Who may use which session: one without a login is the superuser's alone.
\getenv port SY_MONGO_PORT
\set uri 'mongodb://127.0.0.1:' :port '/'
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_sy_reader;
RESET client_min_messages;
CREATE ROLE regress_sy_reader;
CREATE SCHEMA sessions;
GRANT USAGE ON SCHEMA sessions TO regress_sy_reader;
SET search_path = sessions;
CREATE SERVER regress_sy_open FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'sessions');
CREATE FOREIGN TABLE t (_id bigint) SERVER regress_sy_open;
CREATE VIEW owners AS SELECT * FROM t;
CREATE VIEW invokers WITH (security_invoker = true) AS SELECT * FROM t;
CREATE FUNCTION definers() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM sessions.t';
GRANT SELECT ON t, owners, invokers TO regress_sy_reader;
PREPARE p AS SELECT count(*) FROM t;

-- The superuser's session is there, and not lent.
EXECUTE p;
SET ROLE regress_sy_reader;
EXECUTE p;
SELECT _id FROM t;
SELECT _id FROM invokers;
SELECT count(*) FROM owners;
SELECT definers();
-- Nor is it within one transaction, or behind a mapping that has no login.
RESET ROLE;
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_open;
BEGIN;
EXECUTE p;
SET ROLE regress_sy_reader;
EXECUTE p;
ROLLBACK;
RESET ROLE;
-- A superuser may allow it.
ALTER USER MAPPING FOR PUBLIC SERVER regress_sy_open OPTIONS (password_required 'false');
EXECUTE p;
SET ROLE regress_sy_reader;
EXECUTE p;
RESET ROLE;
-- Rights that are gone are gone at once.
ALTER USER MAPPING FOR PUBLIC SERVER regress_sy_open OPTIONS (DROP password_required);
ALTER ROLE regress_sy_reader SUPERUSER;
SET ROLE regress_sy_reader;
EXECUTE p;
ALTER ROLE regress_sy_reader NOSUPERUSER;
EXECUTE p;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA sessions CASCADE;
DROP SERVER regress_sy_open CASCADE;
DROP ROLE regress_sy_reader;

-- Who sees what, and who may steer; and that no secret is ever to be seen.
\getenv dir SY_TEST_DIR
\set file :dir '/privileges.db'
\set gone :dir '/nothing/here.db'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)';
\o
\a\t
SET client_min_messages = error;    -- whether other sessions learn of it is not the same everywhere
DROP ROLE IF EXISTS regress_sy_owner, regress_sy_monitor, regress_sy_user, regress_sy_other;
CREATE ROLE regress_sy_owner;
CREATE ROLE regress_sy_monitor;
CREATE ROLE regress_sy_user;
CREATE ROLE regress_sy_other;
GRANT pg_monitor TO regress_sy_monitor;
CREATE SCHEMA privileges;
GRANT USAGE ON SCHEMA privileges TO PUBLIC;
SET search_path = privileges;
CREATE SERVER regress_sy_priv FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file', probe_interval '1d');
CREATE SERVER regress_sy_priv_gone FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'gone', probe_interval '1d', failure_threshold '1000');
ALTER SERVER regress_sy_priv_gone OWNER TO regress_sy_owner;
ALTER SERVER regress_sy_priv OWNER TO regress_sy_owner;
CREATE FOREIGN TABLE t (id bigint) SERVER regress_sy_priv;
CREATE FOREIGN TABLE gone (id bigint) SERVER regress_sy_priv_gone;
GRANT SELECT ON t, gone TO regress_sy_user;
SELECT switchyard.reset('regress_sy_priv');

-- A user's query fails.
\set VERBOSITY sqlstate
SET ROLE regress_sy_user;
SELECT * FROM gone;
RESET ROLE;
\set VERBOSITY terse

-- Everybody sees all rows; where a source is, and what it said, only some do.
CREATE FUNCTION seen() RETURNS TABLE (view text, rows bigint, texts bigint) LANGUAGE sql AS $$
SELECT 'sources', count(*), count(endpoint) FROM switchyard.sources WHERE source LIKE 'regress\_sy\_priv%'
UNION ALL
SELECT 'last errors', count(last_sqlstate), count(last_error) FROM switchyard.sources WHERE source = 'regress_sy_priv_gone'
UNION ALL
SELECT 'events', count(*), count(message) FROM switchyard.events WHERE source = 'regress_sy_priv_gone' AND pid = pg_backend_pid()
UNION ALL
SELECT 'report', count(*) FILTER (WHERE line LIKE '|-- regress\_sy\_priv%'), count(*) FILTER (WHERE line ~ 'privileges.db|could not open')
  FROM switchyard.report() AS line
$$;
SELECT 'superuser' AS who, * FROM seen();
SET ROLE regress_sy_owner;
SELECT 'owner' AS who, * FROM seen();
SET ROLE regress_sy_monitor;
SELECT 'monitor' AS who, * FROM seen();
SET ROLE regress_sy_user;
SELECT 'who failed' AS who, * FROM seen();
SET ROLE regress_sy_other;
SELECT 'others' AS who, * FROM seen();

-- Nobody else's affair: control. An administrator grants it, and then it
-- still takes the server's owner.
SELECT * FROM switchyard.probe();
SELECT switchyard.trip('regress_sy_priv');
SELECT switchyard.drain('regress_sy_priv');
SELECT switchyard.reset('regress_sy_priv');
SELECT switchyard.disconnect();
SET ROLE regress_sy_owner;
SELECT switchyard.trip('regress_sy_priv');
RESET ROLE;
GRANT EXECUTE ON FUNCTION switchyard.trip(name, interval, text), switchyard.drain(name, text), switchyard.reset(name)
   TO regress_sy_owner, regress_sy_other;
SET ROLE regress_sy_other;
SELECT switchyard.trip('regress_sy_priv');
SELECT switchyard.drain('regress_sy_priv');
SELECT switchyard.reset('regress_sy_priv');
SELECT switchyard.reset();
SET ROLE regress_sy_owner;
SELECT switchyard.trip('regress_sy_priv', reason => 'mine');
SET ROLE regress_sy_user;
SELECT * FROM t;
\echo :LAST_ERROR_SQLSTATE
SELECT state, reason, set_by FROM switchyard.breakers WHERE source = 'regress_sy_priv';
SET ROLE regress_sy_other;
SELECT switchyard.reset();
SELECT state FROM switchyard.breakers WHERE source = 'regress_sy_priv';
SET ROLE regress_sy_owner;
SELECT switchyard.reset();
SELECT state FROM switchyard.breakers WHERE source = 'regress_sy_priv';

-- Probing is for monitors, with the monitor's own mapping.
SET ROLE regress_sy_monitor;
SELECT source, ok, sqlstate FROM switchyard.probe('regress_sy_priv');
RESET ROLE;
CREATE SERVER regress_sy_priv_set FOREIGN DATA WRAPPER switchyard_mongodb
    OPTIONS (uri 'mongodb://127.0.0.1:1/?appname=x', database 'd', connect_timeout '2s', probe_interval '1d');
CREATE USER MAPPING FOR regress_sy_user SERVER regress_sy_priv_set OPTIONS (username 'somebody', password 'hunter2');
SET ROLE regress_sy_monitor;
SELECT ok, sqlstate, message FROM switchyard.probe('regress_sy_priv_set');
RESET ROLE;
GRANT pg_monitor TO regress_sy_user;
SET ROLE regress_sy_user;
SELECT ok, sqlstate FROM switchyard.probe('regress_sy_priv_set');
RESET ROLE;
SELECT last_sqlstate FROM switchyard.sources WHERE source = 'regress_sy_priv_set';

-- No secret, nor the user who has it.
SELECT count(*) AS secrets FROM (
    SELECT s::text FROM switchyard.sources s UNION ALL SELECT b::text FROM switchyard.breakers b UNION ALL
    SELECT e::text FROM switchyard.events e UNION ALL SELECT c::text FROM switchyard.connections c UNION ALL
    SELECT t::text FROM switchyard.tables t UNION ALL SELECT * FROM switchyard.report() UNION ALL
    SELECT p::text FROM switchyard.probe() p) AS shown (line)
 WHERE line ~ 'hunter2|somebody';

-- Nothing runs with another role's rights, or may be called by mistake.
SELECT proname, provolatile AS v, proisstrict AS strict, proparallel AS p, prosecdef AS definer, proacl IS NOT NULL AS restricted
  FROM pg_proc WHERE pronamespace = 'switchyard'::regnamespace AND prorettype <> 'fdw_handler'::regtype ORDER BY 1;
SELECT count(*) AS unreadable FROM pg_class
 WHERE relnamespace = 'switchyard'::regnamespace AND NOT has_table_privilege('regress_sy_other', oid, 'SELECT');

DROP SERVER regress_sy_priv, regress_sy_priv_gone, regress_sy_priv_set CASCADE;
DROP SCHEMA privileges CASCADE;
REVOKE ALL ON FUNCTION switchyard.trip(name, interval, text), switchyard.drain(name, text), switchyard.reset(name)
  FROM regress_sy_owner, regress_sy_other;
DROP ROLE regress_sy_owner, regress_sy_monitor, regress_sy_user, regress_sy_other;
RESET client_min_messages;

/* sql/switchyard--0.1.sql */

\echo Use "CREATE EXTENSION switchyard" to load this file. \quit

-- The schema belongs to the extension: one that somebody else made before is
-- an error here, and DROP EXTENSION takes it away.
CREATE SCHEMA switchyard;
GRANT USAGE ON SCHEMA switchyard TO PUBLIC;
COMMENT ON SCHEMA switchyard IS 'objects of the extension switchyard';

--
-- Wrappers.  The names of handler and validator tell which driver serves the
-- wrapper: switchyard_<driver>_handler, switchyard_<driver>_validator.
--

CREATE FUNCTION switchyard.switchyard_mongodb_handler()
    RETURNS fdw_handler
    AS 'MODULE_PATHNAME', 'switchyard_fdw_handler'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.switchyard_mongodb_handler() IS
    'handler of the foreign-data wrapper switchyard_mongodb';

CREATE FUNCTION switchyard.switchyard_mongodb_validator(text[], oid)
    RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_fdw_validator'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.switchyard_mongodb_validator(text[], oid) IS
    'checks options of the foreign-data wrapper switchyard_mongodb';

CREATE FOREIGN DATA WRAPPER switchyard_mongodb
    HANDLER switchyard.switchyard_mongodb_handler
    VALIDATOR switchyard.switchyard_mongodb_validator;
COMMENT ON FOREIGN DATA WRAPPER switchyard_mongodb IS
    'foreign tables over MongoDB collections';

CREATE FUNCTION switchyard.switchyard_sqlite_handler()
    RETURNS fdw_handler
    AS 'MODULE_PATHNAME', 'switchyard_fdw_handler'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.switchyard_sqlite_handler() IS
    'handler of the foreign-data wrapper switchyard_sqlite';

CREATE FUNCTION switchyard.switchyard_sqlite_validator(text[], oid)
    RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_fdw_validator'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.switchyard_sqlite_validator(text[], oid) IS
    'checks options of the foreign-data wrapper switchyard_sqlite';

CREATE FOREIGN DATA WRAPPER switchyard_sqlite
    HANDLER switchyard.switchyard_sqlite_handler
    VALIDATOR switchyard.switchyard_sqlite_validator;
COMMENT ON FOREIGN DATA WRAPPER switchyard_sqlite IS
    'foreign tables over SQLite database files';

--
-- Functions
--

CREATE FUNCTION switchyard.version()
    RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_version'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.version() IS
    'versions of switchyard, the client libraries, and the PostgreSQL it was built against';

CREATE FUNCTION switchyard.objectid_timestamp(id text)
    RETURNS timestamp with time zone
    AS 'MODULE_PATHNAME', 'switchyard_objectid_timestamp'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION switchyard.objectid_timestamp(text) IS
    'when a MongoDB ObjectId, given as 24 hexadecimal digits, was made';

--
-- Views.  Each reads a function of the same name, which hides from a role
-- what it may not see.
--

CREATE FUNCTION switchyard.sources()
    RETURNS TABLE (source name, driver text, role text, endpoint text, remote_database text,
                   server_version text, status text, status_since timestamp with time zone,
                   read_only boolean, probed_at timestamp with time zone, probe_ms double precision,
                   last_error_at timestamp with time zone, last_sqlstate text, last_error text,
                   tables integer, rows_estimate bigint, size_bytes bigint, size_limit_bytes bigint,
                   used_ratio double precision, sampled_at timestamp with time zone,
                   bytes_written_since bigint, sessions integer, session_limit integer,
                   waiting integer, health_scope text)
    AS 'MODULE_PATHNAME', 'switchyard_sources'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION switchyard.sources() IS
    'what the view switchyard.sources shows';

CREATE VIEW switchyard.sources AS
    SELECT source, driver, role, endpoint, remote_database, server_version, status, status_since,
           read_only, probed_at, probe_ms, last_error_at, last_sqlstate, last_error, tables,
           rows_estimate, size_bytes, size_limit_bytes, used_ratio, sampled_at,
           bytes_written_since, sessions, session_limit, waiting, health_scope
      FROM switchyard.sources();
GRANT SELECT ON switchyard.sources TO PUBLIC;
COMMENT ON VIEW switchyard.sources IS
    'the sources of this database: where they are, how they are, how large they are';

CREATE FUNCTION switchyard.breakers()
    RETURNS TABLE (source name, state text, since timestamp with time zone, reason text,
                   retry_at timestamp with time zone, set_by name,
                   set_until timestamp with time zone, failures integer,
                   failure_threshold integer, trials integer, trials_max integer, calls bigint,
                   errors bigint, rejected bigint, opens bigint, success_ratio double precision,
                   p50_ms double precision, p95_ms double precision, p99_ms double precision,
                   last_failure_class text, stats_reset timestamp with time zone)
    AS 'MODULE_PATHNAME', 'switchyard_breakers'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION switchyard.breakers() IS
    'what the view switchyard.breakers shows';

CREATE VIEW switchyard.breakers AS
    SELECT source, state, since, reason, retry_at, set_by, set_until, failures, failure_threshold,
           trials, trials_max, calls, errors, rejected, opens, success_ratio, p50_ms, p95_ms,
           p99_ms, last_failure_class, stats_reset
      FROM switchyard.breakers();
GRANT SELECT ON switchyard.breakers TO PUBLIC;
COMMENT ON VIEW switchyard.breakers IS
    'the circuit breaker of each source, and the calls that it has seen';

CREATE FUNCTION switchyard.events()
    RETURNS TABLE (id bigint, at timestamp with time zone, source name, route name, kind text,
                   failures integer, threshold integer, sqlstate text, message text, pid integer,
                   usename name)
    AS 'MODULE_PATHNAME', 'switchyard_events'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION switchyard.events() IS
    'what the view switchyard.events shows';

CREATE VIEW switchyard.events AS
    SELECT id, at, source, route, kind, failures, threshold, sqlstate, message, pid, usename
      FROM switchyard.events();
GRANT SELECT ON switchyard.events TO PUBLIC;
COMMENT ON VIEW switchyard.events IS
    'what has happened to the sources of this database lately; a restart forgets it';

CREATE FUNCTION switchyard.connections()
    RETURNS TABLE (pid integer, usename name, source name, state text,
                   connected_at timestamp with time zone, used_at timestamp with time zone,
                   wrote boolean, calls bigint)
    AS 'MODULE_PATHNAME', 'switchyard_connections'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION switchyard.connections() IS
    'what the view switchyard.connections shows';

CREATE VIEW switchyard.connections AS
    SELECT pid, usename, source, state, connected_at, used_at, wrote, calls
      FROM switchyard.connections();
GRANT SELECT ON switchyard.connections TO PUBLIC;
COMMENT ON VIEW switchyard.connections IS
    'the open sessions with the sources of this database';

CREATE FUNCTION switchyard.tables()
    RETURNS TABLE (relation regclass, source name, driver text, remote_name text, route name,
                   root regclass, writable boolean, rows_estimate bigint)
    AS 'MODULE_PATHNAME', 'switchyard_tables'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION switchyard.tables() IS
    'what the view switchyard.tables shows';

CREATE VIEW switchyard.tables AS
    SELECT relation, source, driver, remote_name, route, root, writable, rows_estimate
      FROM switchyard.tables();
GRANT SELECT ON switchyard.tables TO PUBLIC;
COMMENT ON VIEW switchyard.tables IS
    'the foreign tables of this database, and what they are called in their sources';

--
-- Control
--

CREATE FUNCTION switchyard.probe(source name DEFAULT NULL)
    RETURNS TABLE (source name, ok boolean, status text, remote_database text,
                   server_version text, probe_ms double precision, size_bytes bigint,
                   sqlstate text, message text)
    AS 'MODULE_PATHNAME', 'switchyard_probe'
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 10;
REVOKE ALL ON FUNCTION switchyard.probe(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION switchyard.probe(name) TO pg_monitor;
COMMENT ON FUNCTION switchyard.probe(name) IS
    'contacts a source, or all, now';

CREATE FUNCTION switchyard.trip(source name, duration interval DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_trip'
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION switchyard.trip(name, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION switchyard.trip(name, interval, text) IS
    'opens the breaker of a source by hand; not undone by ROLLBACK';

CREATE FUNCTION switchyard.drain(source name, reason text DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_drain'
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION switchyard.drain(name, text) FROM PUBLIC;
COMMENT ON FUNCTION switchyard.drain(name, text) IS
    'lets transactions on a source end and begins no new ones; not undone by ROLLBACK';

CREATE FUNCTION switchyard.reset(source name DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_reset'
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION switchyard.reset(name) FROM PUBLIC;
COMMENT ON FUNCTION switchyard.reset(name) IS
    'closes the breaker of a source, or of all, and zeroes its counters; not undone by ROLLBACK';

CREATE FUNCTION switchyard.disconnect(source name DEFAULT NULL)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'switchyard_disconnect'
    LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED;
COMMENT ON FUNCTION switchyard.disconnect(name) IS
    'closes this session''s idle sessions with a source, or with all';

CREATE FUNCTION switchyard.report()
    RETURNS SETOF text
    AS 'MODULE_PATHNAME', 'switchyard_report'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 50;
COMMENT ON FUNCTION switchyard.report() IS
    'all sources as a tree, for people';

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

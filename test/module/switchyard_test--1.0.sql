/* test/module/switchyard_test--1.0.sql */

\echo Use "CREATE EXTENSION switchyard_test" to load this file. \quit

-- All that a third kind of source needs besides its folder.
CREATE FUNCTION switchyard_test.switchyard_null_handler()
    RETURNS fdw_handler
    AS '$libdir/switchyard', 'switchyard_fdw_handler'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION switchyard_test.switchyard_null_validator(text[], oid)
    RETURNS void
    AS '$libdir/switchyard', 'switchyard_fdw_validator'
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
CREATE FOREIGN DATA WRAPPER switchyard_null
    HANDLER switchyard_test.switchyard_null_handler
    VALIDATOR switchyard_test.switchyard_null_validator;

-- Convert a remote value by the function of source/value.h that is named
-- ("int64", "double", ...), its argument given as text (bytes: hexadecimal).
-- Returns the result's text, or "SQLSTATE: reason".
CREATE FUNCTION switchyard_test.convert(how text, value text, target regtype, typmod integer DEFAULT -1)
    RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_convert'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;

-- The primary message and the detail of sy_value_error(), one per line.
CREATE FUNCTION switchyard_test.value_error(reason text, remote_type text, excerpt bytea, what_row text)
    RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_value_error'
    LANGUAGE C STABLE PARALLEL SAFE;

-- sy_error_redact().
CREATE FUNCTION switchyard_test.redact(value text)
    RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_redact'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

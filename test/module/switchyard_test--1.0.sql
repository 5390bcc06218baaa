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

-- src/worker/schedule.c: sources and databases as arrays of their members.
CREATE FUNCTION switchyard_test.schedule_due(due bigint[], busy boolean[], blocking boolean[], suspect boolean[], now bigint)
    RETURNS integer[]
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_due'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_next(due bigint[], busy boolean[], blocking boolean[], suspect boolean[])
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_next'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_is_suspect(ok boolean, took bigint)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_is_suspect'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_limit(max_worker_processes integer)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_limit'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_takes_turns(known integer, unknown integer, probers integer)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_takes_turns'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_database(running boolean[], withdrawn boolean[], due bigint[], started bigint[], probers integer, now bigint)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_database'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION switchyard_test.schedule_retry_ms(tries integer)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'switchyard_test_schedule_retry_ms'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- src/health/breaker.c: one breaker, its limits and its clock, per session.
CREATE FUNCTION switchyard_test.breaker_new(unproven boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_new' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_limits(breaker boolean DEFAULT true, failure_threshold integer DEFAULT 5,
        failure_rate float8 DEFAULT 0.5, recovery_ms integer DEFAULT 300000, half_open_calls integer DEFAULT 3,
        connect_ms integer DEFAULT 10000, query_ms integer DEFAULT 0) RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_limits' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_clock(us bigint, wall timestamptz DEFAULT '2026-01-01 00:00:00+00') RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_clock' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_tick() RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_tick' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_admit(owner integer DEFAULT 1, in_transaction boolean DEFAULT false) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_admit' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_result(generation integer, lease integer, outcome text,
        probe boolean DEFAULT false, calls bigint DEFAULT 0, errors bigint DEFAULT 0) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_result' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_lease(owner integer DEFAULT 1) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_lease' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_give_back(lease integer) RETURNS void
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_give_back' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_command(command text, duration_ms bigint DEFAULT 0) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_command' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_show() RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_show' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION switchyard_test.breaker_random(events bigint, seed bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_breaker_random' LANGUAGE C VOLATILE STRICT;

-- src/health/stats.c: calls as "us s" (well) or "us f" (failed), no blank between.
CREATE FUNCTION switchyard_test.stats_window(calls text, now bigint, since bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'switchyard_test_stats_window' LANGUAGE C VOLATILE STRICT;
-- n calls in minute 1 and n in minute 2, of so many us each.
CREATE FUNCTION switchyard_test.stats_percentile(n integer, first bigint, second bigint, minute integer, percentile float8)
    RETURNS float8
    AS 'MODULE_PATHNAME', 'switchyard_test_stats_percentile' LANGUAGE C VOLATILE STRICT;

-- What a closed breaker costs: ns of an admission and of a success, over a
-- thousand of each in a round.
CREATE FUNCTION switchyard_test.health_ns(rounds integer) RETURNS float8[]
    AS 'MODULE_PATHNAME', 'switchyard_test_health_ns' LANGUAGE C VOLATILE STRICT;

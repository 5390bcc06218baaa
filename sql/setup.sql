-- The extension: who may create it, what it consists of, who may use it.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_sy_nobody;
RESET client_min_messages;
CREATE ROLE regress_sy_nobody;

-- Only superusers create it, and never into a schema that is already there.
SET ROLE regress_sy_nobody;
CREATE EXTENSION switchyard;
RESET ROLE;
CREATE SCHEMA switchyard;
\set VERBOSITY terse
CREATE EXTENSION switchyard;
\set VERBOSITY default
DROP SCHEMA switchyard;
CREATE EXTENSION switchyard;

-- All that belongs to it, and what it says about itself; later versions of
-- PostgreSQL count the types of the views' rows, too.
SELECT pg_describe_object(classid, objid, 0) COLLATE "C" AS object,
       obj_description(objid, classid::regclass::text::name) AS comment
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'switchyard')
   AND classid <> 'pg_type'::regclass
 ORDER BY 1;

-- Everybody may look into the schema, nobody may create in it or use the
-- wrappers without a grant.
SET ROLE regress_sy_nobody;
SELECT has_schema_privilege('switchyard', 'USAGE') AS usage, has_schema_privilege('switchyard', 'CREATE') AS create;
CREATE SERVER regress_sy_server FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db');
RESET ROLE;

-- It leaves nothing behind, and comes back.
DROP EXTENSION switchyard;
SELECT nspname FROM pg_namespace WHERE nspname = 'switchyard';
CREATE EXTENSION switchyard;

DROP ROLE regress_sy_nobody;

-- Options and settings: each is checked when it is set, with a hint that
-- helps, and obeyed from then on.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_sy_owner;
RESET client_min_messages;
CREATE ROLE regress_sy_owner;

--
-- Names: misspelt, misplaced, or of the other driver.  HV00D.
--
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', busy_timeot '1s');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', readonly 'true');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', "table" 't');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', uri 'mongodb://h/');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/', databse 'd');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/', username 'u');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/', collection 'c');
CREATE FOREIGN DATA WRAPPER regress_sy_w
    HANDLER switchyard.switchyard_sqlite_handler VALIDATOR switchyard.switchyard_sqlite_validator OPTIONS (path '/nonexistent/a.db');
\set VERBOSITY sqlstate
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', nonsense '1');
\set VERBOSITY default

--
-- Values, by type.  HV024.
--
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', read_only 'perhaps');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', fetch_size '1.5');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', fetch_size '-1');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', fetch_size '10kB');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', connect_timeout '0');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', query_timeout '10 parsecs');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', query_timeout '0.4ms');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', query_timeout '25d');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', query_timeout 'NaN');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/', transactions 'auto');
\set VERBOSITY sqlstate
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', fetch_size '');
\set VERBOSITY default

--
-- SQLite: the file.
--
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite;
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path 'a.db');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path 'file:/nonexistent/a.db');
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db', immutable 'true');

-- A file that is not there is no error now, as a dump must be restorable.
CREATE SERVER regress_sy_a FOREIGN DATA WRAPPER switchyard_sqlite
    OPTIONS (path '/nonexistent/a.db', read_only 'true', immutable 'true', busy_timeout '1.5s',
             connect_timeout '2s', query_timeout '1min', fetch_size '100');
ALTER SERVER regress_sy_a OPTIONS (DROP path);
ALTER SERVER regress_sy_a OPTIONS (DROP immutable, SET fetch_size '0');
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_a OPTIONS (username 'u');

--
-- MongoDB: the URI holds no secret, and what is refused is not repeated.
--
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb;
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://app:hunter2@h/');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://app@h/');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/?tls=true&tlsCertificateKeyFilePassword=hunter2');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'http://h/');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/', database 'a.b');
CREATE SERVER regress_sy_b FOREIGN DATA WRAPPER switchyard_mongodb
    OPTIONS (uri 'mongodb://h1:27017,h2:27017/?replicaSet=rs', database 'd', transactions 'off');
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_b OPTIONS (username 'u', pasword 'hunter2');
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_b OPTIONS (password 'hunter2');
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_b OPTIONS (username 'u', password 'hunter2', password_required 'maybe');
CREATE USER MAPPING FOR PUBLIC SERVER regress_sy_b OPTIONS (username 'u', password 'hunter2', password_required 'false');

--
-- Tables and columns.
--
CREATE FOREIGN TABLE regress_sy_t (a int) SERVER regress_sy_a OPTIONS (collection 'c');
CREATE FOREIGN TABLE regress_sy_t (a int) SERVER regress_sy_a OPTIONS (query_timeout '1s');
CREATE FOREIGN TABLE regress_sy_t (a int OPTIONS (path 'b')) SERVER regress_sy_a;
CREATE FOREIGN TABLE regress_sy_t (a int OPTIONS (kee 'true')) SERVER regress_sy_a;
CREATE FOREIGN TABLE regress_sy_t (a date OPTIONS (storage 'epoch')) SERVER regress_sy_a;
CREATE FOREIGN TABLE regress_sy_t (a text OPTIONS (bson_type 'oid')) SERVER regress_sy_b;
CREATE FOREIGN TABLE regress_sy_t (a text OPTIONS (path 'x..y')) SERVER regress_sy_b;
CREATE FOREIGN TABLE regress_sy_t (a int OPTIONS (key 'true'), "From" text OPTIONS (column_name 'from'))
    SERVER regress_sy_a OPTIONS ("table" 'mail', fetch_size '10', read_only 'false');
CREATE FOREIGN TABLE regress_sy_m (id text OPTIONS (column_name '_id', bson_type 'objectid'), city text OPTIONS (path 'address.city'))
    SERVER regress_sy_b OPTIONS (collection 'people');
IMPORT FOREIGN SCHEMA main FROM SERVER regress_sy_a INTO public OPTIONS (samples '1');
IMPORT FOREIGN SCHEMA d FROM SERVER regress_sy_b INTO public OPTIONS (nested 'flat');

-- A type that a source does not have is refused when the table is first used.
CREATE FOREIGN TABLE regress_sy_types (a int, b point) SERVER regress_sy_a;
EXPLAIN SELECT a FROM regress_sy_types;
ALTER FOREIGN TABLE regress_sy_types ALTER b TYPE text[];
EXPLAIN SELECT a FROM regress_sy_types;
ALTER FOREIGN TABLE regress_sy_types DROP b;
EXPLAIN (COSTS OFF) SELECT a FROM regress_sy_types;
CREATE DOMAIN regress_sy_domain AS int;
ALTER FOREIGN TABLE regress_sy_types ADD c regress_sy_domain;
EXPLAIN SELECT a FROM regress_sy_types;
DROP FOREIGN TABLE regress_sy_types;
DROP DOMAIN regress_sy_domain;

--
-- Altering takes effect in plans that are already made.
--
PREPARE mail AS SELECT "From" FROM regress_sy_t WHERE a = 1;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
ALTER FOREIGN TABLE regress_sy_t OPTIONS (SET "table" 'post');
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
ALTER FOREIGN TABLE regress_sy_t ALTER "From" OPTIONS (SET column_name 'sender');
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
BEGIN;
ALTER FOREIGN TABLE regress_sy_t ALTER "From" OPTIONS (DROP column_name);
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
ROLLBACK;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
SET switchyard.enable_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
RESET switchyard.enable_pushdown;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
BEGIN;
SET LOCAL switchyard.enable_pushdown = off;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;
ROLLBACK;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE mail;

-- The same for MongoDB, where the text is another.
EXPLAIN (VERBOSE, COSTS OFF) SELECT city FROM regress_sy_m WHERE id = '507f1f77bcf86cd799439011';
ALTER FOREIGN TABLE regress_sy_m OPTIONS (SET collection 'persons');
ALTER FOREIGN TABLE regress_sy_m ALTER city OPTIONS (SET path 'home.city');
EXPLAIN (VERBOSE, COSTS OFF) SELECT city FROM regress_sy_m WHERE id = '507f1f77bcf86cd799439011';

-- A wrapper's options are defaults for its servers, a server's for its tables.
ALTER FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (database 'everybody', uri 'mongodb://h/');
ALTER FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (database 'everybody');
ALTER FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (DROP database);
ALTER FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (read_only 'true', connect_timeout 'soon');
ALTER FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (read_only 'true', connect_timeout '3s');
ALTER FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (DROP read_only, DROP connect_timeout);

--
-- Rights: files are for those who may use the server's files anyhow.
--
GRANT USAGE ON FOREIGN DATA WRAPPER switchyard_sqlite, switchyard_mongodb TO regress_sy_owner;
SET ROLE regress_sy_owner;
CREATE SERVER regress_sy_c FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/c.db');
RESET ROLE;
GRANT pg_read_server_files TO regress_sy_owner;
SET ROLE regress_sy_owner;
CREATE SERVER regress_sy_c FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/c.db');
CREATE SERVER regress_sy_c FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/c.db', read_only 'true');
ALTER SERVER regress_sy_c OPTIONS (SET read_only 'false');
ALTER SERVER regress_sy_c OPTIONS (DROP read_only);
RESET ROLE;
GRANT pg_write_server_files TO regress_sy_owner;
SET ROLE regress_sy_owner;
ALTER SERVER regress_sy_c OPTIONS (DROP read_only);
RESET ROLE;
REVOKE pg_read_server_files, pg_write_server_files FROM regress_sy_owner;
SET ROLE regress_sy_owner;
ALTER SERVER regress_sy_c OPTIONS (ADD busy_timeout '1s');
CREATE SERVER regress_sy_d FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/?tls=true&tlsCAFile=/nonexistent/ca.pem');
CREATE SERVER regress_sy_d FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://h/?tls=true', database 'd');
CREATE USER MAPPING FOR regress_sy_owner SERVER regress_sy_d OPTIONS (username 'u', password_required 'false');
CREATE USER MAPPING FOR regress_sy_owner SERVER regress_sy_d OPTIONS (username 'u', password 'hunter2');
RESET ROLE;

--
-- Settings.
--
SELECT name, unit, context, vartype, boot_val
  FROM pg_settings
  WHERE name LIKE 'switchyard.%' AND name <> 'switchyard.max_sources' -- not without preload
  ORDER BY name;
SET switchyard.enable_pushdwon = off;
SET switchyard.sqlite_directories = '/nonexistent';
ALTER SYSTEM SET switchyard.sqlite_directories = 'relative/path';
SET switchyard.log_remote_queries = on;
RESET switchyard.log_remote_queries;
SET ROLE regress_sy_owner;
SET switchyard.log_remote_queries = on;
SET switchyard.enable_pushdown = off;
RESET switchyard.enable_pushdown;
RESET ROLE;

DEALLOCATE mail;
SET client_min_messages = warning;
DROP SERVER regress_sy_a, regress_sy_b, regress_sy_c, regress_sy_d CASCADE;
RESET client_min_messages;
DROP OWNED BY regress_sy_owner;
DROP ROLE regress_sy_owner;

-- The SQLite half of the demo.
\echo
\echo :bold'1. Two SQLite files become servers, and their tables foreign tables':plain
\echo 'Types come from the declarations; nothing is copied.'
\echo
CREATE EXTENSION switchyard;
CREATE SERVER archive FOREIGN DATA WRAPPER switchyard_sqlite
	OPTIONS (path :'archive', read_only 'true');
CREATE SERVER people FOREIGN DATA WRAPPER switchyard_sqlite
	OPTIONS (path :'people', read_only 'true');
CREATE SCHEMA archive;
IMPORT FOREIGN SCHEMA main LIMIT TO (files) FROM SERVER archive INTO archive;
IMPORT FOREIGN SCHEMA main FROM SERVER people INTO public;
SELECT table_schema || '.' || table_name AS "table", string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) AS columns
	FROM information_schema.columns WHERE table_schema IN ('archive', 'public') GROUP BY 1 ORDER BY 1;

\echo
\echo :bold'2. A filter, a sort and a limit run inside SQLite':plain
\echo 'EXPLAIN (VERBOSE) shows the exact statement that is sent.  Only the columns that are needed are read.'
\echo
EXPLAIN (VERBOSE, COSTS OFF)
SELECT id, name FROM archive.files WHERE kind = 'video' AND bytes > 1000000 ORDER BY bytes DESC LIMIT 3;
SELECT id, name, bytes FROM archive.files WHERE kind = 'video' AND bytes > 1000000 ORDER BY bytes DESC LIMIT 3;

\echo
\echo :bold'3. Two files in one query':plain
\echo 'PostgreSQL joins what the two files deliver.'
\echo
SELECT p.name, count(*) AS files, pg_size_pretty(sum(f.bytes)) AS size
	FROM archive.files f JOIN chats c ON c.id = f.chat_id JOIN people p ON p.id = c.owner
	GROUP BY p.name ORDER BY sum(f.bytes) DESC LIMIT 3;

\echo
\echo :bold'4. A statement_timeout strikes on time, also inside SQLite':plain
\echo 'The view every_number of that file never ends; here it is declared by hand.  See the time of the failing'
\echo 'statement.'
\echo
CREATE FOREIGN TABLE every_number (i bigint) SERVER archive;
SET statement_timeout = '500ms';
\set ON_ERROR_STOP 0
\timing on
SELECT count(*) FROM every_number;
\timing off
\set struck :ERROR
\set ON_ERROR_STOP 1
\set ECHO none
SELECT 1 / (:'struck' = 'true')::int AS as_expected \gset
\set ECHO queries
RESET statement_timeout;
SELECT count(*) AS "the session goes on" FROM archive.files WHERE kind = 'voice';

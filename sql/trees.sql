-- Parents whose members are stored in SQLite, in MongoDB and here.
\getenv dir SY_TEST_DIR
\getenv port SY_MONGO_PORT
\set file :dir '/trees.db'
\set uri 'mongodb://127.0.0.1:' :port '/?replicaSet=rs0'
\set load '| rm -f ' :file '; /usr/bin/python3 -c "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())" ' :file
\a\t
\o :load
SELECT $sql$
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
$sql$;
\o
\a\t

CREATE SCHEMA trees;
SET search_path = trees;
CREATE SERVER regress_sy_file FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path :'file');
CREATE SERVER regress_sy_mongo FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri :'uri', database 'trees');
CREATE TABLE parent (id bigint, v text);
CREATE FOREIGN TABLE file_member () INHERITS (parent) SERVER regress_sy_file OPTIONS ("table" 't');
CREATE FOREIGN TABLE mongo_member () INHERITS (parent) SERVER regress_sy_mongo OPTIONS (collection 'nothing');
ALTER FOREIGN TABLE file_member ALTER id OPTIONS (key 'true');
INSERT INTO parent VALUES (3, 'here'), (4, 'four');
CREATE TABLE local (id bigint, w text);
INSERT INTO local VALUES (1, 'a'), (3, 'c'), (5, 'e');

-- Rows of all members can be remembered for rechecks, though only some of
-- them have a place here.
UPDATE local SET w = w || p.v FROM parent p
 WHERE p.id = local.id AND p.tableoid = 'file_member'::regclass
RETURNING local.*, p.*, p.tableoid::regclass;
SELECT local.id, p, p.v FROM local JOIN parent p USING (id) ORDER BY 1, 3 FOR UPDATE OF local;
SELECT local.id, p.v FROM local LEFT JOIN parent p ON p.id = local.id AND p.v <> 'here'
 ORDER BY 1 FOR UPDATE OF local;
-- Where nothing is remembered, there is no such place to be shown.
SELECT ctid FROM parent;
SELECT ctid FROM file_member;
SELECT p.id FROM parent p FOR UPDATE;

-- A member with another layout cannot be rechecked.
CREATE FOREIGN TABLE shifted (v text, id bigint) SERVER regress_sy_file OPTIONS ("table" 't');
ALTER FOREIGN TABLE shifted INHERIT parent;
SELECT count(*) FROM parent;
SELECT local.id FROM local JOIN parent p USING (id) FOR UPDATE OF local;
DROP FOREIGN TABLE shifted;

-- One column carries the identity of the rows of all members; the first row
-- to be written is refused.
EXPLAIN (VERBOSE, COSTS OFF) UPDATE parent SET v = 'x' WHERE id = 3;
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM parent WHERE id = 3;
UPDATE parent SET v = 'x' WHERE id = 3;
UPDATE parent SET v = 'x' WHERE id = 4;
DELETE FROM parent USING local WHERE parent.id = local.id;
DELETE FROM parent WHERE id = 5;

-- A table that is written to by itself refuses before there is a row; one that
-- rows are only routed to does not.
EXPLAIN (COSTS OFF) INSERT INTO file_member SELECT id, w FROM local WHERE false;
EXPLAIN (COSTS OFF) UPDATE file_member SET v = 'x' WHERE id = 9;
INSERT INTO file_member SELECT id, w FROM local WHERE false;
UPDATE mongo_member SET v = 'x' WHERE id = 9;
DELETE FROM mongo_member WHERE false;
WITH none AS (DELETE FROM mongo_member WHERE id = 9 RETURNING id) SELECT * FROM none;
COPY file_member FROM '/dev/null';
EXPLAIN (ANALYZE, COSTS OFF) DELETE FROM file_member WHERE id = 9;
ALTER FOREIGN TABLE file_member OPTIONS (read_only 'true');
INSERT INTO file_member SELECT id, w FROM local WHERE false;
COPY file_member FROM '/dev/null';
CREATE TABLE routed (id bigint, v text) PARTITION BY LIST (id);
CREATE FOREIGN TABLE file_partition PARTITION OF routed FOR VALUES IN (1) SERVER regress_sy_file OPTIONS ("table" 't');
CREATE TABLE here_partition PARTITION OF routed DEFAULT;
INSERT INTO routed SELECT id, w FROM local WHERE id > 1;
COPY routed FROM '/dev/null';
INSERT INTO routed SELECT id, w FROM local;
UPDATE routed SET v = 'x' WHERE id = 3;
UPDATE routed SET id = 1 WHERE id = 3;

SET client_min_messages = warning;
DROP SCHEMA trees CASCADE;
DROP SERVER regress_sy_file;
DROP SERVER regress_sy_mongo;

/*-------------------------------------------------------------------------
 *
 * mongodb.h
 *	  What the files of the MongoDB driver share.
 *
 * The driver has two halves.  The language half (ship.c, compile.c, reader.c,
 * import.c) turns a query into a command and documents into Datums; it never
 * touches a connection.  The connection half (session.c, command.c, scan.c,
 * stream.c, coroutine.c and the rest) runs commands; it never looks inside
 * a filter or a document of a collection.
 *
 * A bson_t of ours holds malloc'd memory, so a function that receives one
 * says who frees it, and none is alive in a local variable where PostgreSQL
 * may throw: it hangs on a SyGuard, or it is a view of bytes that live in a
 * memory context.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/mongodb.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_H
#define SY_MONGODB_H

#include "postgres.h"

#include <bson/bson.h>

#include "pushdown/query.h"
#include "source/driver.h"

typedef struct MongoSession MongoSession;	/* extends SySession; session.h */
typedef struct MongoReader MongoReader; /* reader.c */
typedef struct MongoCursor MongoCursor; /* command.c */

/* Services of core, set when the driver is loaded. */
extern const SyHost *mongo_host;

/* What hello and buildInfo told; all zero before the first contact. */
typedef struct MongoServerFacts
{
	bool		known;
	int			max_wire_version;	/* 9: 4.4, 13: 5.0, 17: 6.0, 21: 7.0 */
	int			max_bson_bytes;
	bool		standalone;		/* neither a set's member nor a mongos */
	bool		mongos;
	char		version[64];	/* "6.0.5"; "" until ping() asked for it */
} MongoServerFacts;

/* A BSON document in memory that someone else owns. */
typedef struct MongoDocument
{
	const uint8_t *data;
	uint32		length;
} MongoDocument;

/*
 * Language half
 */

/* ship.c: the driver's members of the same names, see source/driver.h */
extern const char *mongo_check_column(const SyTable *table, const SyColumn *column);
extern SyShip mongo_ship(const SyTable *table, const SyNode *leaf);
extern bool mongo_ship_order(const SyTable *table, const SyOrder *order, int position);

/* The server refused the simple collation for this table (code 167). */
extern void mongo_ship_leave_text(Oid relid);

/*
 * compile.c
 *
 * mongo_compile() appends the whole command to "command", which is
 * initialised and empty, and which the caller frees also if this throws.
 * Its first key is "find" or "aggregate"; the connection half adds $db,
 * lsid, batchSize (or cursor: {batchSize}), maxTimeMS, readConcern and
 * $readPreference.  All values of the query are known.  With query->count
 * the pipeline yields one document {n: <integer>}, or none for 0 rows.
 * "facts" may be all zero; "transaction" says that the command may run in
 * a remote transaction, which takes fewer stages.  False: "err" is set.
 *
 * mongo_describe(): see source/driver.h; "session" may be NULL.
 */
extern bool mongo_compile(const SyQuery *query, const MongoServerFacts *facts, bool transaction,
						  bson_t *command, SyError *err);
extern bool mongo_order_by_index(const SyQuery *query);
extern char *mongo_describe(const SyQuery *query, SySession *session, bool hide_constants);

/*
 * reader.c
 *
 * A reader turns documents of one query into values[target->slot]; Datums
 * are allocated in CurrentMemoryContext; "data" stays put until the next
 * row.  False: "err" is set.  The bytes come from a server and are checked
 * as they are read.
 */
extern MongoReader *mongo_reader_create(const SyQuery *query, MemoryContext cxt);
extern bool mongo_reader_row(MongoReader *reader, const uint8_t *data, uint32 length,
							 Datum *values, bool *nulls, SyError *err);

/* import.c: members of the same names; they may wait, and so may throw */
extern List *mongo_import(SySession *session, const SyImport *request, SyError *err);
extern bool mongo_estimate(SySession *session, const SyTable *table,
						   SyEstimate *result, SyError *err);

/*
 * Connection half, as the language half sees it
 */

/* session.c: what the server is, and the database; NULL is never returned
 * after a command succeeded in this session. */
extern const MongoServerFacts *mongo_session_facts(SySession *session);
extern const char *mongo_session_database(SySession *session);

/* session.c: may the scans of now run in a remote transaction? */
extern bool mongo_session_in_transaction(SySession *session);

/*
 * command.c
 *
 * For work outside scans, on the backend's stack.  These wait with interrupts
 * served, so they may throw; nothing leaks then, and no cursor stays open.
 *
 * "command" comes from bson_new() and is taken over: it is freed whatever
 * happens.  It goes to the source's database, without $db, lsid, maxTimeMS
 * and readConcern, which are added.  Replies and documents live in the
 * memory context that was current at the call; a false return with
 * err->cls == SY_ERROR_NONE means "no more documents", any other false an
 * error.  mongo_cursor_open() takes commands that answer with a cursor
 * (find, aggregate, listCollections, listIndexes), without batchSize;
 * documents are valid until the next call.
 *
 * A caller that stops before the end calls mongo_cursor_close(); after the
 * end, or after an error, it may.
 */
extern bool mongo_command_run(SySession *session, bson_t *command,
							  MongoDocument *reply, SyError *err);
extern MongoCursor *mongo_cursor_open(SySession *session, bson_t *command, SyError *err);
extern bool mongo_cursor_next(MongoCursor *cursor, MongoDocument *document, SyError *err);
extern void mongo_cursor_close(MongoCursor *cursor);

/*
 * error.c
 *
 * Class and SQLSTATE of a server's error code (pushdown-semantics, section
 * on errors): "text" is the server's message.
 */
extern int	mongo_error_sqlstate(int code, const char *text, SyErrorClass *cls);

#endif							/* SY_MONGODB_H */

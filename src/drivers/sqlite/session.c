/*-------------------------------------------------------------------------
 *
 * session.c
 *	  A database file held open: its settings and its statements.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "sqlite.h"

/* How often a running statement asks whether it shall stop. */
#define PROGRESS_OPCODES	1000

/*
 * A sort keeps at least so many pages in memory, and orders them without
 * asking; snapshot.c says how much at the most.
 */
#define SORT_PAGES			32

#define MAX_STATEMENTS		64
#define MAX_VALUE_BYTES		(64 * 1024 * 1024)
#define MAX_PROGRAM			1000000
#define HARD_HEAP_LIMIT		(INT64CONST(1024) * 1024 * 1024)
#define TEMP_DIRECTORY		"base/pgsql_tmp"

#define DEFAULT_BUSY_TIMEOUT_MS	30000

/*
 * Memory
 *
 * Compiling has no progress handler before SQLite 3.41, and views upon views
 * take exponential time to compile, also within a step of pragma functions.
 * So an interrupt makes SQLite run out of memory then, which it can bear.
 */

static sqlite3_mem_methods library_memory;
SqliteSession *sqlite_at_work = NULL;	/* whose statement runs, or is compiled */

/* May the library have more memory? */
static inline bool
may_allocate(void)
{
	return !(sqlite_at_work != NULL && (QueryCancelPending || ProcDiePending));
}

static void *
allocate(int size)
{
	return may_allocate() ? library_memory.xMalloc(size) : NULL;
}

static void *
reallocate(void *chunk, int size)
{
	return may_allocate() ? library_memory.xRealloc(chunk, size) : NULL;
}

/* Put ours before the library's functions.  False: it is too late for that. */
static bool
watch_memory(void)
{
	sqlite3_mem_methods watched;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &library_memory) != SQLITE_OK)
		return false;
	watched = library_memory;
	watched.xMalloc = allocate;
	watched.xRealloc = reallocate;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &watched) == SQLITE_OK;
}

/*
 * What SQLite does once for the process: at the first session, so never in
 * the postmaster.  False: it could not.
 */
static bool
initialize_library(void)
{
	static bool done = false;
	struct stat st;
	char		directory[MAXPGPATH];

	if (done)
		return true;
	snprintf(directory, sizeof(directory), "%s/%s", DataDir, TEMP_DIRECTORY);
	if (stat(directory, &st) != 0 && mkdir(directory, S_IRWXU) != 0 && errno != EEXIST)
		return false;
	/* Not if another library uses SQLite, too. */
	(void) watch_memory();
	(void) sqlite3_config(SQLITE_CONFIG_PMASZ, SORT_PAGES);
	if (sqlite3_initialize() != SQLITE_OK || !sqlite_vfs_register())
		return false;
	sqlite3_temp_directory = sqlite3_mprintf("%s", directory);
	(void) sqlite3_hard_heap_limit64(HARD_HEAP_LIMIT);
	done = true;
	return true;
}

/* Shall what SQLite does for the session end?  Must not throw. */
static bool
must_stop(SqliteSession *session)
{
	if (QueryCancelPending || ProcDiePending)
		return true;
	if (session->step_until == 0 || !sy_deadline_passed(session->step_until))
		return false;
	session->timed_out = true;
	return true;
}

/* Progress handler: nonzero ends the running statement. */
static int
on_progress(void *arg)
{
	return must_stop((SqliteSession *) arg);
}

/* The same question where the session is not at hand; false between steps. */
bool
sqlite_session_stops(void)
{
	return sqlite_at_work != NULL && must_stop(sqlite_at_work);
}

/* Collation of ordered text where the file stores UTF-16: bytes of UTF-8. */
static int
compare_utf8(void *arg, int alength, const void *a, int blength, const void *b)
{
	int			result = memcmp(a, b, Min(alength, blength));

	return result != 0 ? result : alength - blength;
}

/*
 * SQL function switchyard_fits(value, column number): can the running scan's
 * column hold the value?  PostgreSQL's errors must not cross SQLite's frames:
 * they are kept for sqlite_session_rethrow().
 */
static void
fits_function(sqlite3_context *context, int nargs, sqlite3_value **args)
{
	SqliteSession *session = (SqliteSession *) sqlite3_user_data(context);
	MemoryContext old = CurrentMemoryContext;
	volatile bool fits = false;

	if (session->running == NULL || session->caught != NULL)
	{
		sqlite3_result_error(context, "not within a scan", -1);
		return;
	}
	MemoryContextSwitchTo(session->scratch);
	PG_TRY();
	{
		fits = sqlite_scan_fits(session, sqlite3_value_int(args[1]), args[0]);
		MemoryContextReset(session->scratch);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(session->base.cxt);
		session->caught = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (session->caught != NULL)
		sqlite3_result_error(context, "conversion failed", -1);
	else
		sqlite3_result_int(context, fits ? 1 : 0);
}

/* SQL function switchyard_bytes(text): its UTF-8 as a blob; else NULL. */
static void
bytes_function(sqlite3_context *context, int nargs, sqlite3_value **args)
{
	const void *text;

	if (sqlite3_value_type(args[0]) != SQLITE_TEXT)
		return;
	text = sqlite3_value_text(args[0]);
	if (text == NULL)
		sqlite3_result_error_nomem(context);
	else
		sqlite3_result_blob(context, text, sqlite3_value_bytes(args[0]), SQLITE_TRANSIENT);
}

/*
 * SQL function switchyard_glob(pattern, text): what GLOB does, with the
 * UTF-8 of the pattern as a blob; NULL for what is no text.
 */
static void
glob_function(sqlite3_context *context, int nargs, sqlite3_value **args)
{
	const char *text;
	char	   *pattern;

	if (sqlite3_value_type(args[1]) != SQLITE_TEXT)
		return;
	text = (const char *) sqlite3_value_text(args[1]);
	pattern = sqlite3_mprintf("%.*s", sqlite3_value_bytes(args[0]),
							  (const char *) sqlite3_value_blob(args[0]));
	if (text == NULL || pattern == NULL)
		sqlite3_result_error_nomem(context);
	else
		sqlite3_result_int(context, sqlite3_strglob(pattern, text) == 0);
	sqlite3_free(pattern);
}

/* Throw the error that was caught within SQLite, if there is one. */
void
sqlite_session_rethrow(SqliteSession *session)
{
	ErrorData  *caught = session->caught;

	if (caught == NULL)
		return;
	session->caught = NULL;
	ReThrowError(caught);
}

/* Settings that make a file of unknown origin as harmless as can be. */
static bool
harden(SqliteSession *session)
{
	sqlite3    *db = session->db;
	bool		ok = true;

	(void) sqlite3_extended_result_codes(db, 1);
	(void) sqlite3_busy_timeout(db, 0);
	ok = ok && sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK;
	ok = ok && sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK;
	ok = ok && sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL) == SQLITE_OK;
	ok = ok && sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL) == SQLITE_OK;
	ok = ok && sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL) == SQLITE_OK;
	(void) sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	(void) sqlite3_limit(db, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
	(void) sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, MAX_PROGRAM);
	(void) sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	session->max_variables = sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);

	/* None of these reads the file. */
	ok = ok && sqlite3_exec(db, "PRAGMA query_only = 1; PRAGMA cell_size_check = 1; "
							"PRAGMA mmap_size = 0; PRAGMA threads = 0",
							NULL, NULL, NULL) == SQLITE_OK;
	ok = ok && sqlite3_create_function_v2(db, SQLITE_FITS_FUNCTION, 2,
										  SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
										  session, fits_function, NULL, NULL, NULL) == SQLITE_OK;
	ok = ok && sqlite3_create_function_v2(db, SQLITE_BYTES_FUNCTION, 1,
										  SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
										  NULL, bytes_function, NULL, NULL, NULL) == SQLITE_OK;
	ok = ok && sqlite3_create_function_v2(db, SQLITE_GLOB_FUNCTION, 2,
										  SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
										  NULL, glob_function, NULL, NULL, NULL) == SQLITE_OK;
	ok = ok && sqlite3_create_collation_v2(db, SQLITE_UTF8_COLLATION, SQLITE_UTF8, NULL,
										   compare_utf8, NULL) == SQLITE_OK;
	sqlite3_progress_handler(db, PROGRESS_OPCODES, on_progress, session);
	return ok;
}

/* The name to open: a URI, every unusual byte escaped, if it is immutable. */
static char *
name_to_open(const SqliteSession *session)
{
	StringInfoData name;

	initStringInfo(&name);
	if (!session->immutable)
		appendStringInfoString(&name, session->file.path);
	else
	{
		appendStringInfoString(&name, "file://");
		for (const char *p = session->file.path; *p; p++)
		{
			if (*p == '/' || *p == '.' || *p == '_' || *p == '-' ||
				(*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'))
				appendStringInfoChar(&name, *p);
			else
				appendStringInfo(&name, "%%%02X", (unsigned char) *p);
		}
		appendStringInfoString(&name, "?immutable=1");
	}
	return name.data;
}

/* Milliseconds of the option busy_timeout; its form was checked at DDL. */
static int
busy_timeout_ms(const SySource *source)
{
	const char *value = sy_options_get(&source->options, "busy_timeout");
	int			result;

	if (value == NULL || !parse_int(value, &result, GUC_UNIT_MS, NULL))
		return DEFAULT_BUSY_TIMEOUT_MS;
	return result;
}

/* Open the file for reading and set the connection up. */
static bool
open_database(SqliteSession *session, SyError *err)
{
	char	   *name = name_to_open(session);
	int			flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
	(session->immutable ? SQLITE_OPEN_URI : 0);
	int			rc = sqlite3_open_v2(name, &session->db, flags, SQLITE_VFS_NAME);

	pfree(name);
	if (rc == SQLITE_OK && harden(session))
	{
		session->database = sqlite_deferred_database(session->db);
		return true;
	}
	if (session->db != NULL)
		sqlite_error_set(session, err);
	else
		sy_error_set(err, SY_ERROR_OVERLOAD, ERRCODE_OUT_OF_MEMORY,
					 "could not read from source \"%s\"", session->base.source->name);
	return false;
}

/*
 * Open the file of "source".  NULL: "err" says why it could not be opened.
 */
SySession *
sqlite_session_create(const SySource *source, MemoryContext cxt, SyError *err)
{
	SqliteSession *session = MemoryContextAllocZero(cxt, sizeof(SqliteSession));

	session->base.source = source;
	session->base.cxt = cxt;
	session->scratch = AllocSetContextCreate(cxt, "switchyard sqlite scratch",
											 ALLOCSET_SMALL_SIZES);
	session->tables_cxt = AllocSetContextCreate(cxt, "switchyard sqlite tables",
												ALLOCSET_SMALL_SIZES);
	dlist_init(&session->statements);
	session->immutable = sqlite_option_bool(&source->options, "immutable");
	session->busy_timeout_ms = busy_timeout_ms(source);
	session->directories = MemoryContextStrdup(cxt, sy_sqlite_directories);
	if (!sqlite_file_locate(source, &session->file, err))
		return NULL;
	if (!sqlite_file_beside(session, err))
		return NULL;
	session->foreign = sqlite_file_is_foreign(&session->file);
	if (!initialize_library())
	{
		sy_error_set(err, SY_ERROR_OVERLOAD, ERRCODE_SYSTEM_ERROR,
					 "could not initialize SQLite for source \"%s\"", source->name);
		return NULL;
	}
	if (!open_database(session, err) || !sqlite_file_unchanged(session, err))
	{
		sqlite_session_close(&session->base);
		return NULL;
	}
	session->base.driver = &sqlite_driver;
	return &session->base;
}

/* Close the connection with all that hangs on it. */
void
sqlite_session_close(SySession *base)
{
	SqliteSession *session = (SqliteSession *) base;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &session->statements)
		(void) sqlite3_finalize(dlist_container(SqliteStatement, node, iter.cur)->stmt);
	(void) sqlite3_finalize(session->holder);
	session->holder = NULL;
	dlist_init(&session->statements);
	session->nstatements = 0;
	if (session->db != NULL)
		(void) sqlite3_close_v2(session->db);
	session->db = NULL;
	sqlite_vfs_close_kept();
}

/*
 * Is it still the file at the source's path, as it was opened, and checked
 * against the directories that are allowed now?
 */
bool
sqlite_session_usable(SySession *base)
{
	SqliteSession *session = (SqliteSession *) base;

	return session->db != NULL && sqlite_file_same(session) &&
		strcmp(session->directories, sy_sqlite_directories) == 0 &&
		sqlite_file_unchanged(session, NULL);
}

/*
 * Statements
 */

/* Finalize one that is not in use. */
static void
drop_statement(SqliteSession *session, SqliteStatement *statement)
{
	dlist_delete(&statement->node);
	session->nstatements--;
	(void) sqlite3_finalize(statement->stmt);
	pfree(statement->sql);
	pfree(statement);
}

/* Make room: drop the statement that was not used for longest. */
static void
drop_oldest(SqliteSession *session)
{
	dlist_iter	iter;

	dlist_reverse_foreach(iter, &session->statements)
	{
		SqliteStatement *statement = dlist_container(SqliteStatement, node, iter.cur);

		if (!statement->in_use)
		{
			drop_statement(session, statement);
			return;
		}
	}
}

/*
 * The prepared statement of a text, from those kept or a new one; the caller
 * returns it with sqlite_statement_release().  NULL: "err" says why not.
 */
SqliteStatement *
sqlite_statement_get(SqliteSession *session, const char *sql, int length, SyError *err)
{
	uint32		hash = hash_bytes((const unsigned char *) sql, length);
	SqliteStatement *statement;
	sqlite3_stmt *stmt = NULL;
	dlist_iter	iter;
	char	   *copy;
	int			rc;

	dlist_foreach(iter, &session->statements)
	{
		statement = dlist_container(SqliteStatement, node, iter.cur);
		if (statement->hash == hash && !statement->in_use && statement->length == length &&
			memcmp(statement->sql, sql, length) == 0)
		{
			dlist_move_head(&session->statements, &statement->node);
			statement->in_use = true;
			return statement;
		}
	}

	if (session->nstatements >= MAX_STATEMENTS)
		drop_oldest(session);
	copy = MemoryContextAlloc(session->base.cxt, length + 1);
	statement = MemoryContextAlloc(session->base.cxt, sizeof(*statement));
	sqlite_at_work = session;
	rc = sqlite3_prepare_v3(session->db, sql, length + 1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	sqlite_at_work = NULL;
	if (rc != SQLITE_OK)
	{
		sqlite_error_set(session, err);
		pfree(copy);
		pfree(statement);
		return NULL;
	}
	memcpy(copy, sql, length + 1);
	statement->hash = hash;
	statement->length = length;
	statement->sql = copy;
	statement->stmt = stmt;
	statement->in_use = true;
	dlist_push_head(&session->statements, &statement->node);
	session->nstatements++;
	return statement;
}

/* Bind the values of a compiled text.  False: SQLite's error says why. */
bool
sqlite_statement_bind(SqliteStatement *statement, const SqliteText *text)
{
	sqlite3_stmt *stmt = statement->stmt;
	int			rc = SQLITE_OK;

	for (int i = 0; i < text->nbinds && rc == SQLITE_OK; i++)
	{
		const SqliteBind *bind = &text->binds[i];

		switch (bind->kind)
		{
			case SQLITE_BIND_INT:
				rc = sqlite3_bind_int64(stmt, i + 1, bind->value.integer);
				break;
			case SQLITE_BIND_DOUBLE:
				rc = sqlite3_bind_double(stmt, i + 1, bind->value.number);
				break;
			case SQLITE_BIND_TEXT:
				rc = sqlite3_bind_text(stmt, i + 1, bind->value.bytes, bind->length, SQLITE_STATIC);
				break;
			case SQLITE_BIND_BLOB:
				rc = sqlite3_bind_blob(stmt, i + 1, bind->value.bytes, bind->length, SQLITE_STATIC);
				break;
		}
	}
	return rc == SQLITE_OK;
}

/*
 * Give a statement back, reset and without values.  If it was interrupted,
 * the client has been told before its scan is closed.
 */
void
sqlite_statement_release(SqliteSession *session, SqliteStatement *statement)
{
	(void) sqlite3_reset(statement->stmt);
	(void) sqlite3_clear_bindings(statement->stmt);
	sqlite_vfs_close_kept();
	statement->in_use = false;
}

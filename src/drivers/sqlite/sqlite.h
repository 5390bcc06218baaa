/*-------------------------------------------------------------------------
 *
 * sqlite.h
 *	  What the files of the SQLite driver share.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/sqlite.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SQLITE_H
#define SY_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>
#include <time.h>

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "datatype/timestamp.h"

#include "pushdown/query.h"
#include "source/driver.h"
#include "source/value.h"

/* Private names within a connection; our users' files cannot see them. */
#define SQLITE_FITS_FUNCTION	"switchyard_fits"
#define SQLITE_BYTES_FUNCTION	"switchyard_bytes"
#define SQLITE_GLOB_FUNCTION	"switchyard_glob"
#define SQLITE_UTF8_COLLATION	"switchyard_utf8"
#define SQLITE_VFS_NAME			"switchyard"

/* Largest array whose elements are sent, one parameter each. */
#define SQLITE_MAX_EXACT_ARRAY	1000

/* Longest pattern that GLOB takes, in bytes of UTF-8. */
#define SQLITE_MAX_PATTERN_BYTES 50000

/* How a column's values are stored (option storage). */
typedef enum SqliteStorage
{
	SQLITE_STORAGE_NATIVE,		/* the one that the type suggests */
	SQLITE_STORAGE_TEXT,
	SQLITE_STORAGE_ISO,
	SQLITE_STORAGE_JULIAN,
	SQLITE_STORAGE_UNIX,
	SQLITE_STORAGE_UNIX_MS,
	SQLITE_STORAGE_BLOB
} SqliteStorage;

/* The database file behind a source. */
typedef struct SqliteFile
{
	char		path[MAXPGPATH];	/* absolute, without symbolic links */
	dev_t		device;
	ino_t		inode;
	uid_t		owner;
	gid_t		gid;
	mode_t		mode;
	off_t		size;
	struct timespec modified;
} SqliteFile;

/* What identifies a row of a table. */
typedef enum SqliteIdentity
{
	SQLITE_IDENTITY_ROWID,
	SQLITE_IDENTITY_KEY,		/* WITHOUT ROWID: the primary key */
	SQLITE_IDENTITY_NONE		/* views, virtual tables without a rowid */
} SqliteIdentity;

/* What a session learned of a table; dropped when the schema changes. */
typedef struct SqliteTable
{
	struct SqliteTable *next;
	char	   *name;			/* as it was asked for, UTF-8 */
	SqliteIdentity identity;
	const char *rowid;			/* ROWID: the alias that no column hides */
	List	   *keys;			/* KEY: of char *, the primary key's columns */
	List	   *numeric;		/* of char *: columns that turn text into
								 * numbers */
} SqliteTable;

/* A prepared statement, in use by a scan or kept for the next one. */
typedef struct SqliteStatement
{
	dlist_node	node;			/* in the session's list, newest first */
	uint32		hash;
	int			length;
	char	   *sql;
	sqlite3_stmt *stmt;
	bool		in_use;
} SqliteStatement;

struct SqliteScan;

typedef struct SqliteSession
{
	SySession	base;
	sqlite3    *db;
	struct DatabaseFile *database;	/* its file, see deferred.c */
	SqliteFile	file;
	char	   *directories;	/* switchyard.sqlite_directories then */
	bool		immutable;
	bool		foreign;		/* other OS users write the file, too */
	bool		encoding_known;
	bool		utf16;			/* text is stored as UTF-16 */
	bool		changed;		/* an immutable file was seen to change */
	bool		changes_known;
	unsigned char changes[4];	/* its change counter when it was opened */
	int			busy_timeout_ms;
	int			max_variables;

	/* The present snapshot. */
	SyIsolation isolation;
	bool		in_transaction;
	bool		deferred;		/* perhaps without a lock: see snapshot.c */
	TimestampTz locked_at;		/* client command that took a lock last */
	sqlite3_stmt *holder;		/* stands at its row meanwhile; NULL: never yet */
	bool		waiting;		/* a try to take one found the file locked */
	int			tries;
	int			suspicions;		/* tries that found a journal left behind */
	SyDeadline	give_up_at;		/* busy_timeout */
	SyDeadline	try_again_at;
	int			schema_version;
	SyPing	   *ping;			/* where a blocked ping() shall answer */
	SySize	   *size;			/* where a blocked sample() shall answer */

	/* The running step. */
	struct SqliteScan *running; /* whose columns SQLITE_FITS_FUNCTION means */
	SyDeadline	step_until;		/* query_timeout */
	bool		timed_out;
	MemoryContext scratch;		/* of SQLITE_FITS_FUNCTION, and of catalogs */
	ErrorData  *caught;			/* PostgreSQL's error within a function of ours */

	dlist_head	statements;		/* of SqliteStatement */
	int			nstatements;
	MemoryContext tables_cxt;
	SqliteTable *tables;
} SqliteSession;

/* A value bound to a parameter of a statement. */
typedef struct SqliteBind
{
	enum
	{
		SQLITE_BIND_INT,
		SQLITE_BIND_DOUBLE,
		SQLITE_BIND_TEXT,
		SQLITE_BIND_BLOB
	}			kind;
	int			length;			/* TEXT, BLOB */
	union
	{
		int64		integer;
		double		number;
		const char *bytes;
	}			value;
} SqliteBind;

/* Give a parameter its value; bytes are not copied. */
static inline void
sqlite_set_int(SqliteBind *bind, int64 value)
{
	bind->kind = SQLITE_BIND_INT;
	bind->length = 0;
	bind->value.integer = value;
}

static inline void
sqlite_set_double(SqliteBind *bind, double value)
{
	bind->kind = SQLITE_BIND_DOUBLE;
	bind->length = 0;
	bind->value.number = value;
}

static inline void
sqlite_set_bytes(SqliteBind *bind, bool is_text, const char *bytes, int length)
{
	bind->kind = is_text ? SQLITE_BIND_TEXT : SQLITE_BIND_BLOB;
	bind->length = length;
	bind->value.bytes = bytes;
}

/* What is left of "column op value". */
typedef enum SqliteTermKind
{
	SQLITE_TERM_FALSE,					/* never true */
	SQLITE_TERM_NOT_NULL,				/* true of every value */
	SQLITE_TERM_COMPARE,				/* column op bind */
	SQLITE_TERM_RANGE,					/* low <= column < high, weaker than it */
	SQLITE_TERM_SPLIT					/* op bind for integers, real_op real for reals */
} SqliteTermKind;

typedef struct SqliteTerm
{
	SqliteTermKind	kind;
	SyOp		op;
	SqliteBind	bind;			/* RANGE: low; SPLIT: for integers */
	bool		has_low;
	bool		has_high;
	SqliteBind	high;
	SyOp		real_op;
	double		real;
	SqliteTermKind	integer;		/* SPLIT: FALSE, NOT_NULL or COMPARE */
} SqliteTerm;

/* A query as SQL text and the values of its parameters, in order. */
typedef struct SqliteText
{
	const SyQuery *query;
	const SqliteTable *table;	/* NULL: nothing was learned of it */
	bool		utf16;
	bool		identify;		/* the row's identity is wanted, too */
	int			max_variables;
	StringInfoData sql;
	int			nbinds;
	int			maxbinds;
	SqliteBind *binds;
} SqliteText;

/* How to read one result column. */
typedef struct SqliteTarget
{
	const SyColumn *column;		/* NULL: the row's identity */
	SyTypeKind	kind;			/* of the column */
	SqliteStorage storage;
	int			slot;
	int			position;		/* among the result columns */
} SqliteTarget;

typedef struct SqliteScan
{
	SyScan		base;
	SqliteStatement *statement; /* NULL: none taken yet */
	SqliteText	text;
	MemoryContext text_cxt;		/* what its values point to */
	int			ntargets;
	SqliteTarget *targets;
	int			ncolumns;		/* result columns before the row's identity */
	int64		row;			/* the present one's number since the start */
	bool		timed;			/* look at the clock before and after a step */
	bool		empty;			/* no row can come: not even started */
	bool		done;
	bool		again;			/* the snapshot was lost: start again */
	int64		worked_us;		/* of query_timeout */
} SqliteScan;

/* driver.c */
extern const SyHost *sqlite_host;
extern const SyDriver sqlite_driver;
extern const SyDriver *sy_sqlite_driver(const SyHost *host);
extern bool sqlite_option_bool(const SyOptions *options, const char *name);

/* file.c */
extern bool sqlite_file_locate(const SySource *source, SqliteFile *file, SyError *err);
extern bool sqlite_file_is_foreign(const SqliteFile *file);
extern bool sqlite_file_beside(const SqliteSession *session, SyError *err);
extern bool sqlite_file_same(const SqliteSession *session);
extern bool sqlite_file_readable(SqliteSession *session, SyError *err);
extern bool sqlite_file_unchanged(SqliteSession *session, SyError *err);

/* snapshot.c */
extern void sqlite_session_wait(SySession *base, SyWaitSpec *spec);
extern void sqlite_session_abandon(SySession *base);
extern void sqlite_session_begin(SySession *base, SyIsolation isolation);
extern void sqlite_session_end(SySession *base);
extern SyProgress sqlite_session_snapshot(SqliteSession *session, SyError *err);
extern SyProgress sqlite_session_deferred_snapshot(SqliteSession *session, SyError *err);
extern void sqlite_session_lose_snapshot(SqliteSession *session);
extern bool sqlite_session_wait_snapshot(SqliteSession *session, SyError *err);

/* session.c */
extern SqliteSession *sqlite_at_work;
extern SySession *sqlite_session_create(const SySource *source, MemoryContext cxt, SyError *err);
extern void sqlite_session_close(SySession *base);
extern bool sqlite_session_usable(SySession *base);
extern void sqlite_session_rethrow(SqliteSession *session);
extern bool sqlite_session_stops(void);
extern SqliteStatement *sqlite_statement_get(SqliteSession *session, const char *sql,
											 int length, SyError *err);
extern bool sqlite_statement_bind(SqliteStatement *statement, const SqliteText *text);
extern void sqlite_statement_release(SqliteSession *session, SqliteStatement *statement);

/* sqlite3_step() that an interrupt ends soon. */
static inline int
sqlite_statement_step(SqliteSession *session, sqlite3_stmt *stmt)
{
	int			rc;

	sqlite_at_work = session;
	rc = sqlite3_step(stmt);
	sqlite_at_work = NULL;
	return rc;
}

/* deferred.c */
extern int	sqlite_deferred_size(sqlite3_vfs *vfs);
extern int	sqlite_deferred_open(const char *name, sqlite3_file *file, int flags, int *flags_out);
extern int	sqlite_deferred_access(const char *name, int flags, int *result);
extern struct DatabaseFile *sqlite_deferred_database(sqlite3 *connection);
extern void sqlite_deferred_allow(struct DatabaseFile *db, bool allow);
extern bool sqlite_deferred_now(const struct DatabaseFile *db);
extern bool sqlite_deferred_lost(const struct DatabaseFile *db);

/* vfs.c */
extern bool sqlite_vfs_register(void);
extern void sqlite_vfs_close_kept(void);

/* probe.c */
extern SyProgress sqlite_probe_ping(SySession *base, SyPing *result, SyError *err);
extern SyProgress sqlite_probe_sample(SySession *base, SySize *result, SyError *err);
extern SyProgress sqlite_probe_step(SySession *base, SyError *err);

/* error.c */
extern void sqlite_error_set(SqliteSession *session, SyError *err);
extern void sqlite_error_missing_table(SqliteSession *session, const char *name, SyError *err);

/* ship.c */
extern const char *sqlite_check_column(const SyTable *table, const SyColumn *column);
extern SyShip sqlite_ship(const SyTable *table, const SyNode *leaf);
extern bool sqlite_ship_order(const SyTable *table, const SyOrder *order, int position);
extern bool sqlite_order_by_index(const SyQuery *query);
extern SqliteStorage sqlite_storage(const SyColumn *column);
extern bool sqlite_pattern(const SyValue *value, char **glob, int *length);

/* compile.c */
extern void sqlite_compile(SqliteText *text);
extern char *sqlite_describe(const SyQuery *query, SySession *base, bool hide_constants);
extern void sqlite_append_name(StringInfo sql, const char *name);

/* term.c */
extern void sqlite_term_reduce(SqliteTerm *term, const SyColumn *column, SyOp op,
							   const SyValue *value);
extern void sqlite_term_range(SqliteTerm *term, SyOp op, SyTypeKind kind, int64 time);

/* leaf.c */
extern void sqlite_compile_leaf(SqliteText *text, const SyNode *leaf);
extern void sqlite_compile_guard(SqliteText *text, const SyColumn *column, bool equality);
extern void sqlite_compile_column(SqliteText *text, const SyColumn *column);
extern const char *sqlite_compile_collation(const SqliteText *text, const SyColumn *column,
											bool ordered);
extern void sqlite_bind_int(SqliteText *text, int64 value);

/* value.c */
extern bool sqlite_value_read(const SyColumn *column, SqliteStorage storage,
							  sqlite3_value *value, int class, Datum *result,
							  SyProblem *problem);
extern const char *sqlite_value_class(sqlite3_value *value);
extern char *sqlite_value_excerpt(sqlite3_value *value, size_t *length);

/* scan.c */
extern SyScan *sqlite_scan_create(SySession *base, const SyQuery *query, MemoryContext cxt);
extern SyProgress sqlite_scan_start(SyScan *base, SyError *err);
extern SyProgress sqlite_scan_start_more(SyScan *base, SyError *err);
extern SyProgress sqlite_scan_next(SyScan *base, Datum *values, bool *nulls, SyError *err);
extern void sqlite_scan_close(SyScan *base);
extern bool sqlite_scan_fits(SqliteSession *session, int attnum, sqlite3_value *value);

/* identity.c */
extern bool sqlite_identity_read(const SqliteScan *scan, Datum *result);
extern char *sqlite_identity_phrase(const SqliteScan *scan, const SqliteTarget *target);

/* catalog.c */
extern const SqliteTable *sqlite_catalog_table(SqliteSession *session, const char *name,
											   SyError *err);
extern char *sqlite_to_utf8(const char *text);
extern char *sqlite_from_utf8(const char *text);
extern bool sqlite_catalog_affinity_is_numeric(const char *type);

/* import.c */
extern List *sqlite_import(SySession *base, const SyImport *request, SyError *err);
extern bool sqlite_estimate(SySession *base, const SyTable *table,
							SyEstimate *result, SyError *err);

#endif							/* SY_SQLITE_H */

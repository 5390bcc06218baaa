/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Can the file be read, and how large is it?
 *
 * A probe reads as a query does, with the same checks before: it takes a
 * snapshot, which reads the schema's version, and gives it up at once unless
 * a transaction had one already.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/probe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite.h"

/*
 * Run a statement without parameters that yields one row with one value.
 * False: failed; "err" is set.  NULL is -1, as is what no count can be.
 */
static bool
sqlite_probe_value(SqliteSession *session, const char *sql, int64 *value, SyError *err)
{
	SqliteStatement *statement = sqlite_statement_get(session, sql, strlen(sql), err);
	bool		ok;
	double		number;

	if (statement == NULL)
		return false;
	ok = sqlite3_step(statement->stmt) == SQLITE_ROW;
	if (!ok)
		sqlite_error_set(session, err);
	else if (sqlite3_column_type(statement->stmt, 0) == SQLITE_FLOAT)
	{
		number = sqlite3_column_double(statement->stmt, 0);
		*value = number >= 0 && number < 9e18 ? (int64) number : -1;
	}
	else if (sqlite3_column_type(statement->stmt, 0) == SQLITE_INTEGER)
		*value = Max(sqlite3_column_int64(statement->stmt, 0), -1);
	else
		*value = -1;
	sqlite_statement_release(session, statement);
	return ok;
}

/* Bytes of the write-ahead log; 0: there is none. */
static int64
sqlite_probe_log(const SqliteSession *session)
{
	char		name[MAXPGPATH + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s-wal", session->file.path);
	return !session->immutable && stat(name, &st) == 0 ? st.st_size : 0;
}

/*
 * Tables, rows and bytes, in a snapshot.  Rows are what ANALYZE noted, for
 * the tables that it has seen.  Free pages hold nothing by either metric.
 */
static bool
sqlite_probe_measure(SqliteSession *session, SySize *size, SyError *err)
{
	int64		tables;
	int64		analyzed;
	int64		pages;
	int64		unused;
	int64		page_bytes;

	if (!sqlite_probe_value(session, "SELECT count(*) FROM main.sqlite_schema "
							"WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
							&tables, err) ||
		!sqlite_probe_value(session, "SELECT count(*) FROM main.sqlite_schema "
							"WHERE type = 'table' AND name = 'sqlite_stat1'", &analyzed, err) ||
		!sqlite_probe_value(session, "PRAGMA main.page_count", &pages, err) ||
		!sqlite_probe_value(session, "PRAGMA main.freelist_count", &unused, err) ||
		!sqlite_probe_value(session, "PRAGMA main.page_size", &page_bytes, err))
		return false;
	size->tables = (int) Min(tables, INT_MAX);
	size->bytes = (pages - unused) * page_bytes + sqlite_probe_log(session);
	return analyzed <= 0 ||
		sqlite_probe_value(session, "SELECT CASE WHEN count(*) > 0 THEN total(n) END FROM "
						   "(SELECT max(CAST(stat AS INTEGER)) AS n FROM main.sqlite_stat1 "
						   "GROUP BY tbl)", &size->rows, err);
}

/* The driver's member: can the file be read, and who is it? */
SyProgress
sqlite_probe_ping(SySession *base, SyPing *result, SyError *err)
{
	SqliteSession *session = (SqliteSession *) base;

	session->ping = result;
	session->size = NULL;
	return sqlite_probe_step(base, err);
}

/* The driver's member: how large is it? */
SyProgress
sqlite_probe_sample(SySession *base, SySize *result, SyError *err)
{
	SqliteSession *session = (SqliteSession *) base;

	session->ping = NULL;
	session->size = result;
	result->tables = -1;
	result->rows = -1;
	result->bytes = -1;
	result->degraded[0] = '\0';
	return sqlite_probe_step(base, err);
}

/* The driver's member: go on with ping() or sample(). */
SyProgress
sqlite_probe_step(SySession *base, SyError *err)
{
	SqliteSession *session = (SqliteSession *) base;
	bool		had_snapshot = session->in_transaction;
	SyProgress	progress = sqlite_session_snapshot(session, err);
	SyPing	   *ping = session->ping;
	SySize	   *size = session->size;

	if (progress == SY_BLOCKED)
		return progress;
	if (progress == SY_DONE && size != NULL && !sqlite_probe_measure(session, size, err))
		progress = SY_FAILED;
	if (!had_snapshot)
		sqlite_session_end(base);
	session->ping = NULL;
	session->size = NULL;
	if (progress == SY_DONE && ping != NULL)
	{
		strlcpy(ping->server_version, sqlite3_libversion(), sizeof(ping->server_version));
		ping->database[0] = '\0';
		ping->read_only = faccessat(AT_FDCWD, session->file.path, W_OK, AT_EACCESS) != 0;
	}
	return progress;
}

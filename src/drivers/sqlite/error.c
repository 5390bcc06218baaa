/*-------------------------------------------------------------------------
 *
 * error.c
 *	  From SQLite's result codes to error records, whose texts are UTF-8.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/error.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sqlite.h"

/* What a result code means.  Extended codes come before their primary one. */
typedef struct CodeMeaning
{
	int			code;
	SyErrorClass cls;
	int			sqlstate;
	const char *hint;
} CodeMeaning;

static const CodeMeaning meanings[] = {
	{SQLITE_BUSY_SNAPSHOT, SY_ERROR_REQUEST, ERRCODE_T_R_SERIALIZATION_FAILURE, NULL},
	{SQLITE_READONLY_ROLLBACK, SY_ERROR_SOURCE, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"A program died while it wrote. Open the file once with a program that may write it, so that its change is rolled back."},
	{SQLITE_READONLY_RECOVERY, SY_ERROR_SOURCE, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"A program died while it wrote. Open the file once with a program that may write it, so that its log is recovered."},
	{SQLITE_READONLY_CANTINIT, SY_ERROR_SOURCE, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"A database in WAL mode needs a directory that PostgreSQL's operating system user may write, or the options read_only and immutable."},
	{SQLITE_READONLY_DIRECTORY, SY_ERROR_SOURCE, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"A database in WAL mode needs a directory that PostgreSQL's operating system user may write, or the options read_only and immutable."},
	{SQLITE_BUSY, SY_ERROR_OVERLOAD, ERRCODE_LOCK_NOT_AVAILABLE, NULL},
	{SQLITE_LOCKED, SY_ERROR_OVERLOAD, ERRCODE_LOCK_NOT_AVAILABLE, NULL},
	{SQLITE_READONLY, SY_ERROR_REQUEST, ERRCODE_READ_ONLY_SQL_TRANSACTION, NULL},
	{SQLITE_FULL, SY_ERROR_CAPACITY, ERRCODE_DISK_FULL, NULL},
	{SQLITE_NOMEM, SY_ERROR_OVERLOAD, ERRCODE_OUT_OF_MEMORY, NULL},
	{SQLITE_TOOBIG, SY_ERROR_REQUEST, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	"Rows and values of more than 64 MB are not read."},
	{SQLITE_CORRUPT, SY_ERROR_SOURCE, ERRCODE_DATA_CORRUPTED, NULL},
	{SQLITE_NOTADB, SY_ERROR_SOURCE, ERRCODE_DATA_CORRUPTED,
	"The file is not a SQLite database, or it is encrypted."},
	{SQLITE_CANTOPEN, SY_ERROR_SOURCE, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
	"PostgreSQL's operating system user must be allowed to read the file, and in WAL mode to write its directory."},
	{SQLITE_PERM, SY_ERROR_AUTH, ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},
	{SQLITE_AUTH, SY_ERROR_AUTH, ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},
	{SQLITE_IOERR, SY_ERROR_SOURCE, ERRCODE_IO_ERROR, NULL},
	{SQLITE_MISMATCH, SY_ERROR_REQUEST, ERRCODE_FDW_INVALID_DATA_TYPE, NULL},
	{0, SY_ERROR_REQUEST, ERRCODE_FDW_ERROR, NULL}
};

/* What the result code "code" means; never NULL. */
static const CodeMeaning *
find_meaning(int code)
{
	const CodeMeaning *meaning;

	for (meaning = meanings; meaning->code != 0; meaning++)
		if (meaning->code == code)
			return meaning;
	for (meaning = meanings; meaning->code != 0; meaning++)
		if (meaning->code == (code & 0xff))
			return meaning;
	return meaning;
}

/* The work was given up by our progress handler: why? */
static void
set_canceled(SqliteSession *session, SyError *err)
{
	const SySource *source = session->base.source;

	if (session->timed_out && !QueryCancelPending && !ProcDiePending)
	{
		sy_error_set(err, SY_ERROR_CANCELED, ERRCODE_QUERY_CANCELED,
					 "canceling query on source \"%s\" due to query_timeout", source->name);
		sy_error_detail(err, "SQLite worked for more than %d ms.", source->query_timeout_ms);
	}
	else
		sy_error_set(err, SY_ERROR_CANCELED, ERRCODE_QUERY_CANCELED,
					 "canceling query on source \"%s\" due to user request", source->name);
	session->timed_out = false;
}

/* A table that a query names (in UTF-8) is not there. */
void
sqlite_error_missing_table(SqliteSession *session, const char *name, SyError *err)
{
	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_UNDEFINED_TABLE,
				 "table \"%s\" does not exist in source \"%s\"",
				 name, sqlite_to_utf8(session->base.source->name));
	sy_error_hint(err, "Import the schema again, or correct the foreign table's option \"table\".");
}

/*
 * Fill "err" with the last error of the session's connection.
 */
void
sqlite_error_set(SqliteSession *session, SyError *err)
{
	const SySource *source = session->base.source;
	int			code = sqlite3_extended_errcode(session->db);
	const char *text = sqlite3_errmsg(session->db);
	const CodeMeaning *meaning = find_meaning(code);

	if ((code & 0xff) == SQLITE_INTERRUPT ||
		((code & 0xff) == SQLITE_NOMEM && (QueryCancelPending || ProcDiePending)))
	{
		set_canceled(session, err);
		return;
	}
	if (strncmp(text, "no such table: ", 15) == 0)
	{
		text += 15;
		if (strncmp(text, "main.", 5) == 0)
			text += 5;
		sqlite_error_missing_table(session, text, err);
		return;
	}
	if (strncmp(text, "no such column: ", 16) == 0)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_COLUMN_NAME_NOT_FOUND,
					 "column \"%s\" does not exist in source \"%s\"",
					 strncmp(text + 16, "t.", 2) == 0 ? text + 18 : text + 16, sqlite_to_utf8(source->name));
		sy_error_hint(err, "Import the schema again, or correct the column's option \"column_name\".");
		return;
	}
	sy_error_set(err, meaning->cls, meaning->sqlstate,
				 "could not read from source \"%s\"", sqlite_to_utf8(source->name));
	sy_error_detail(err, "SQLite says: %s (code %d).", text, code);
	if (meaning->hint)
		sy_error_hint(err, "%s", meaning->hint);
}

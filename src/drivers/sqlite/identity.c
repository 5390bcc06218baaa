/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Which row is it: for those who write it later, and for messages.
 *
 * A row's identity travels as bytes, for the writer that gets it back:
 *
 *		1, then the rowid as 8 bytes, most significant first
 *		2, then each column of the primary key of a WITHOUT ROWID table:
 *			i and 8 bytes: an integer, most significant byte first
 *			r and 8 bytes: the bits of a double, most significant byte first
 *			t or b, 4 bytes of length, bytes: text (UTF-8) or blob
 *			n: NULL
 *
 * A scan asks for the identity only if somebody wants it: to fetch it costs as
 * much as a short column.  A message about a row of another scan finds it by
 * the row's place in the result.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/builtins.h"

#include "sqlite.h"

#define IDENTITY_ROWID	1
#define IDENTITY_KEY	2

/* Append eight bytes, most significant first. */
static void
append_int64(StringInfo buffer, uint64 value)
{
	value = pg_hton64(value);
	appendBinaryStringInfo(buffer, (char *) &value, sizeof(value));
}

/* Append one column of a primary key; see the head of this file. */
static void
append_key(StringInfo buffer, sqlite3_value *value)
{
	double		number;
	uint64		bits;
	uint32		length;
	int			class = sqlite3_value_type(value);

	switch (class)
	{
		case SQLITE_INTEGER:
			appendStringInfoChar(buffer, 'i');
			append_int64(buffer, (uint64) sqlite3_value_int64(value));
			break;
		case SQLITE_FLOAT:
			number = sqlite3_value_double(value);
			memcpy(&bits, &number, sizeof(bits));
			appendStringInfoChar(buffer, 'r');
			append_int64(buffer, bits);
			break;
		case SQLITE_TEXT:
		case SQLITE_BLOB:
			{
				const char *bytes = class == SQLITE_TEXT ?
				(const char *) sqlite3_value_text(value) : sqlite3_value_blob(value);

				length = pg_hton32((uint32) sqlite3_value_bytes(value));
				appendStringInfoChar(buffer, class == SQLITE_TEXT ? 't' : 'b');
				appendBinaryStringInfo(buffer, (char *) &length, sizeof(length));
				if (bytes != NULL)
					appendBinaryStringInfo(buffer, bytes, sqlite3_value_bytes(value));
				break;
			}
		default:
			appendStringInfoChar(buffer, 'n');
			break;
	}
}

/* The row's identity as bytea; false if it has none. */
bool
sqlite_identity_read(const SqliteScan *scan, Datum *result)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	int			count = sqlite3_column_count(stmt);
	bool		is_key = scan->text.table->identity == SQLITE_IDENTITY_KEY;
	StringInfoData buffer;
	bytea	   *bytes;

	if (scan->text.table->identity == SQLITE_IDENTITY_NONE || scan->ncolumns >= count ||
		(!is_key && scan->text.table->rowid == NULL))
		return false;
	initStringInfo(&buffer);
	appendStringInfoChar(&buffer, is_key ? IDENTITY_KEY : IDENTITY_ROWID);
	if (!is_key)
		append_int64(&buffer, (uint64) sqlite3_column_int64(stmt, scan->ncolumns));
	for (int i = scan->ncolumns; is_key && i < count; i++)
		append_key(&buffer, sqlite3_column_value(stmt, i));
	bytes = palloc(VARHDRSZ + buffer.len);
	SET_VARSIZE(bytes, VARHDRSZ + buffer.len);
	memcpy(VARDATA(bytes), buffer.data, buffer.len);
	*result = PointerGetDatum(bytes);
	return true;
}

/* Are two values the same, byte by byte? */
static bool
is_same(sqlite3_value *a, sqlite3_value *b)
{
	int			class = sqlite3_value_type(a);
	double		x;
	double		y;

	if (class != sqlite3_value_type(b))
		return false;
	switch (class)
	{
		case SQLITE_INTEGER:
			return sqlite3_value_int64(a) == sqlite3_value_int64(b);
		case SQLITE_FLOAT:
			x = sqlite3_value_double(a);
			y = sqlite3_value_double(b);
			return memcmp(&x, &y, sizeof(x)) == 0;
		case SQLITE_TEXT:
		case SQLITE_BLOB:
			return sqlite3_value_bytes(a) == sqlite3_value_bytes(b) &&
				(sqlite3_value_bytes(a) == 0 ||
				 memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), sqlite3_value_bytes(a)) == 0);
		default:
			return true;
	}
}

/*
 * Step a statement that asks for the scan's rows with their identities to the
 * scan's present row.  The snapshot is the same, and so is the order; that the
 * value of "target" is the same, too, makes sure.  False: it was not found, or
 * an interrupt or query_timeout came.
 */
static bool
step_to_row(const SqliteScan *scan, const SqliteTarget *target, sqlite3_stmt *stmt)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	int			timeout_ms = session->base.source->query_timeout_ms;
	int			rc = SQLITE_ROW;

	if (timeout_ms > 0)
		session->step_until = sy_now_us() + (int64) timeout_ms * 1000 - scan->worked_us;
	for (int64 row = 0; row < scan->row && rc == SQLITE_ROW; row++)
		rc = sqlite_statement_step(session, stmt);
	session->step_until = 0;
	session->timed_out = false;
	return rc == SQLITE_ROW &&
		is_same(sqlite3_column_value(stmt, target->position),
				sqlite3_column_value(scan->statement->stmt, target->position));
}

/*
 * A statement that stands at the scan's present row and asks for its identity,
 * too; the caller releases it.  NULL: the row could not be found.
 */
static SqliteStatement *
find_row(const SqliteScan *scan, const SqliteTarget *target)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	SqliteText	text = scan->text;
	SqliteStatement *statement;
	SyError		err;

	text.identify = true;
	text.binds = palloc(text.maxbinds * sizeof(SqliteBind));
	initStringInfo(&text.sql);
	sqlite_compile(&text);
	statement = sqlite_statement_get(session, text.sql.data, text.sql.len, &err);
	if (statement == NULL)
		return NULL;
	if (sqlite_statement_bind(statement, &text) && step_to_row(scan, target, statement->stmt))
		return statement;
	sqlite_statement_release(session, statement);
	return NULL;
}

/* Append what a statement that stands at a row says of its identity. */
static void
append_identity(StringInfo phrase, const SqliteScan *scan, sqlite3_stmt *stmt)
{
	const SqliteTable *table = scan->text.table;
	char		excerpt[SY_VALUE_EXCERPT_SIZE];
	ListCell   *lc;
	size_t		length;

	if (table->identity == SQLITE_IDENTITY_ROWID)
	{
		appendStringInfo(phrase, "row rowid=" INT64_FORMAT,
						 (int64) sqlite3_column_int64(stmt, scan->ncolumns));
		return;
	}
	appendStringInfoString(phrase, "row");
	foreach(lc, table->keys)
	{
		int			i = foreach_current_index(lc);
		const char *bytes = sqlite_value_excerpt(sqlite3_column_value(stmt, scan->ncolumns + i),
												 &length);

		appendStringInfo(phrase, "%s %s=%s", i > 0 ? "," : "", (char *) lfirst(lc),
						 sy_value_excerpt(bytes, length, excerpt));
	}
}

/*
 * A phrase that tells the present row from others, in UTF-8, palloc'd, for a
 * message about its value of "target".
 */
char *
sqlite_identity_phrase(const SqliteScan *scan, const SqliteTarget *target)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	const SqliteTable *table = scan->text.table;
	SqliteStatement *statement = scan->text.identify ? scan->statement : NULL;
	bool		has_identity = table->identity == SQLITE_IDENTITY_KEY ||
	(table->identity == SQLITE_IDENTITY_ROWID && table->rowid != NULL);
	StringInfoData phrase;

	initStringInfo(&phrase);
	if (has_identity && statement == NULL)
		statement = find_row(scan, target);
	if (has_identity && statement != NULL)
		append_identity(&phrase, scan, statement->stmt);
	else
		appendStringInfoString(&phrase, "a row");
	if (statement != NULL && statement != scan->statement)
		sqlite_statement_release(session, statement);
	sqlite_session_rethrow(session);
	appendStringInfo(&phrase, " of table \"%s\"", sqlite_to_utf8(scan->base.query->table->remote_name));
	return phrase.data;
}

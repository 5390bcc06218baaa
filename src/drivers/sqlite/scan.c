/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Running a query and delivering its rows.
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
 * IDENTIFICATION
 *	  src/drivers/sqlite/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "sqlite.h"

#define IDENTITY_ROWID	1
#define IDENTITY_KEY	2

/*
 * Prepare to run "query".  Nothing is touched yet.
 */
SyScan *
sqlite_scan_create(SySession *base, const SyQuery *query, MemoryContext cxt)
{
	SqliteSession *session = (SqliteSession *) base;
	MemoryContext old = MemoryContextSwitchTo(cxt);
	SqliteScan *scan = palloc0(sizeof(SqliteScan));
	int			position = 0;

	scan->base.session = base;
	scan->base.query = query;
	scan->base.cxt = cxt;
	scan->text.query = query;
	scan->text.max_variables = session->max_variables;
	scan->text.maxbinds = 16;
	scan->text.binds = palloc(scan->text.maxbinds * sizeof(SqliteBind));
	initStringInfo(&scan->text.sql);
	scan->text_cxt = AllocSetContextCreate(cxt, "switchyard sqlite values",
										   ALLOCSET_SMALL_SIZES);
	scan->ntargets = query->count ? 0 : query->ntargets;
	scan->targets = palloc0(Max(scan->ntargets, 1) * sizeof(SqliteTarget));
	for (int i = 0; i < scan->ntargets; i++)
	{
		SqliteTarget *target = &scan->targets[i];

		target->column = query->targets[i].column;
		target->slot = query->targets[i].slot;
		if (target->column == NULL)
			continue;
		target->storage = sqlite_storage(target->column);
		target->position = position++;
	}
	scan->identity_at = position;
	MemoryContextSwitchTo(old);
	return &scan->base;
}

/* Bind the values of the compiled text.  False: SQLite's error says why. */
static bool
bind_values(SqliteScan *scan)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	int			rc = SQLITE_OK;

	for (int i = 0; i < scan->text.nbinds && rc == SQLITE_OK; i++)
	{
		const SqliteBind *bind = &scan->text.binds[i];

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

/* Take the statement of the compiled text, or keep the one at hand. */
static bool
take_statement(SqliteScan *scan, SyError *err)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	SqliteStatement *statement = scan->statement;

	if (statement != NULL)
	{
		if (statement->length == scan->text.sql.len &&
			memcmp(statement->sql, scan->text.sql.data, statement->length) == 0)
			return true;
		sqlite_statement_release(session, statement);
	}
	scan->statement = sqlite_statement_get(session, scan->text.sql.data,
										   scan->text.sql.len, err);
	return scan->statement != NULL;
}

/* Can the query have no rows at all? */
static bool
is_empty(const SyQuery *query)
{
	if (query->count)
		return false;
	return (query->where != NULL && query->where->kind == SY_NODE_FALSE) ||
		(query->limit.present && query->limit.known && query->limit.value == 0);
}

/* Start with the query's present values, also again. */
SyProgress
sqlite_scan_start(SyScan *base, SyError *err)
{
	SqliteScan *scan = (SqliteScan *) base;
	SqliteSession *session = (SqliteSession *) base->session;

	if (scan->statement != NULL)
		(void) sqlite3_reset(scan->statement->stmt);
	session->waiting = false;
	scan->done = false;
	scan->worked_us = 0;
	scan->empty = is_empty(base->query);
	return scan->empty ? SY_DONE : sqlite_scan_start_more(base, err);
}

/* Go on with a start that found the file locked. */
SyProgress
sqlite_scan_start_more(SyScan *base, SyError *err)
{
	SqliteScan *scan = (SqliteScan *) base;
	SqliteSession *session = (SqliteSession *) base->session;
	SyProgress	progress = sqlite_session_snapshot(session, err);
	MemoryContext old;
	bool		ok;

	if (progress != SY_DONE)
		return progress;
	MemoryContextReset(scan->text_cxt);
	old = MemoryContextSwitchTo(scan->text_cxt);
	scan->text.utf16 = session->utf16;
	scan->text.table = sqlite_catalog_table(session,
											sqlite_to_utf8(base->query->table->remote_name), err);
	ok = scan->text.table != NULL;
	if (ok)
	{
		sqlite_compile(&scan->text);
		ok = take_statement(scan, err);
	}
	if (ok && !bind_values(scan))
	{
		sqlite_error_set(session, err);
		ok = false;
	}
	MemoryContextSwitchTo(old);
	return ok ? SY_DONE : SY_FAILED;
}

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
static bool
read_identity(SqliteScan *scan, Datum *result)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	int			count = sqlite3_column_count(stmt);
	bool		is_key = scan->text.table->identity == SQLITE_IDENTITY_KEY;
	StringInfoData buffer;
	bytea	   *bytes;

	if (scan->text.table->identity == SQLITE_IDENTITY_NONE || scan->identity_at >= count ||
		(!is_key && scan->text.table->rowid == NULL))
		return false;
	initStringInfo(&buffer);
	appendStringInfoChar(&buffer, is_key ? IDENTITY_KEY : IDENTITY_ROWID);
	if (!is_key)
		append_int64(&buffer, (uint64) sqlite3_column_int64(stmt, scan->identity_at));
	for (int i = scan->identity_at; is_key && i < count; i++)
		append_key(&buffer, sqlite3_column_value(stmt, i));
	bytes = palloc(VARHDRSZ + buffer.len);
	SET_VARSIZE(bytes, VARHDRSZ + buffer.len);
	memcpy(VARDATA(bytes), buffer.data, buffer.len);
	*result = PointerGetDatum(bytes);
	return true;
}

/* A phrase that tells the present row from others, in UTF-8, palloc'd. */
static char *
name_row(SqliteScan *scan)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	const SqliteTable *table = scan->text.table;
	const char *name = sqlite_to_utf8(scan->base.query->table->remote_name);
	StringInfoData phrase;
	char		excerpt[SY_VALUE_EXCERPT_SIZE];
	ListCell   *lc;
	size_t		length;

	initStringInfo(&phrase);
	if (table->identity == SQLITE_IDENTITY_ROWID && table->rowid != NULL)
		appendStringInfo(&phrase, "row rowid=" INT64_FORMAT,
						 (int64) sqlite3_column_int64(stmt, scan->identity_at));
	else if (table->identity == SQLITE_IDENTITY_KEY)
	{
		appendStringInfoString(&phrase, "row");
		foreach(lc, table->keys)
		{
			int			i = foreach_current_index(lc);
			sqlite3_value *value = sqlite3_column_value(stmt, scan->identity_at + i);
			const char *bytes = sqlite_value_excerpt(value, &length);

			appendStringInfo(&phrase, "%s %s=%s", i > 0 ? "," : "", (char *) lfirst(lc),
							 sy_value_excerpt(bytes, length, excerpt));
		}
	}
	else
		appendStringInfoString(&phrase, "a row");
	appendStringInfo(&phrase, " of table \"%s\"", name);
	return phrase.data;
}

/* A stored value does not fit its column: say which and where. */
static void
set_value_error(SqliteScan *scan, const SqliteTarget *target, const SyProblem *problem,
				SyError *err)
{
	sqlite3_value *value = sqlite3_column_value(scan->statement->stmt, target->position);
	size_t		length;
	const char *class = sqlite_value_class(value);
	char	   *excerpt = sqlite_value_excerpt(value, &length);

	sy_value_error(err, target->column, problem, class, excerpt, length, name_row(scan));
}

/* Convert the present row. */
static bool
read_row(SqliteScan *scan, Datum *values, bool *nulls, SyError *err)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	SyProblem	problem;

	for (int i = 0; i < scan->ntargets; i++)
	{
		const SqliteTarget *target = &scan->targets[i];
		sqlite3_value *value;
		int			class;

		if (unlikely(target->column == NULL))
		{
			nulls[target->slot] = !read_identity(scan, &values[target->slot]);
			continue;
		}
		value = sqlite3_column_value(stmt, target->position);
		class = sqlite3_value_type(value);
		nulls[target->slot] = class == SQLITE_NULL;
		if (class != SQLITE_NULL &&
			unlikely(!sqlite_value_read(target->column, target->storage, value, class,
										&values[target->slot], &problem)))
		{
			set_value_error(scan, target, &problem, err);
			return false;
		}
	}
	return true;
}

/* One step of the statement, timed and limited where that is wanted. */
static int
step(SqliteScan *scan)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	int			timeout_ms = session->base.source->query_timeout_ms;
	int64		begun = 0;
	int			rc;

	session->running = scan;
	session->step_until = 0;
	if (scan->base.timing || timeout_ms > 0)
		begun = sy_now_us();
	if (timeout_ms > 0)
		session->step_until = begun + (int64) timeout_ms * 1000 - scan->worked_us;
	rc = sqlite_statement_step(scan->statement->stmt);
	if (begun != 0)
	{
		int64		worked = sy_now_us() - begun;

		scan->worked_us += worked;
		scan->base.stats.remote_us += worked;
	}
	session->step_until = 0;
	session->running = NULL;
	return rc;
}

/* No more rows: give the statement's locks back now, not at the close. */
static SyProgress
finish(SqliteScan *scan, SyError *err)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;

	scan->done = true;
	(void) sqlite3_reset(scan->statement->stmt);
	return sqlite_file_unchanged(session, err) ? SY_DONE : SY_FAILED;
}

/*
 * Deliver the next row.
 */
SyProgress
sqlite_scan_next(SyScan *base, Datum *values, bool *nulls, SyError *err)
{
	SqliteScan *scan = (SqliteScan *) base;
	SqliteSession *session = (SqliteSession *) base->session;
	int			rc;

	if (scan->empty || scan->done)
		return SY_DONE;
	rc = step(scan);
	if (likely(rc == SQLITE_ROW))
	{
		base->stats.rows++;
		if (base->query->count)
		{
			values[0] = Int64GetDatum(sqlite3_column_int64(scan->statement->stmt, 0));
			nulls[0] = false;
			return SY_ROW;
		}
		return read_row(scan, values, nulls, err) ? SY_ROW : SY_FAILED;
	}
	if (rc == SQLITE_DONE)
		return finish(scan, err);

	sqlite_error_set(session, err);
	scan->done = true;
	(void) sqlite3_reset(scan->statement->stmt);
	sqlite_session_rethrow(session);
	return SY_FAILED;
}

/* Give the statement back to the session. */
void
sqlite_scan_close(SyScan *base)
{
	SqliteScan *scan = (SqliteScan *) base;

	if (scan->statement != NULL)
		sqlite_statement_release((SqliteSession *) base->session, scan->statement);
	scan->statement = NULL;
}

/*
 * Can the column number "attnum" of the running scan's table hold the value?
 * Called within sqlite3_step(); may throw for want of memory.
 */
bool
sqlite_scan_fits(SqliteSession *session, int attnum, sqlite3_value *value)
{
	const SyTable *table = session->running->base.query->table;
	const SyColumn *column;
	Datum		datum;
	SyProblem	problem;
	int			class = sqlite3_value_type(value);

	if (attnum < 1 || attnum > table->natts || table->columns[attnum - 1] == NULL)
		elog(ERROR, "no column %d in table \"%s\"", attnum, table->name);
	column = table->columns[attnum - 1];
	return class == SQLITE_NULL ||
		sqlite_value_read(column, sqlite_storage(column), value, class, &datum, &problem);
}

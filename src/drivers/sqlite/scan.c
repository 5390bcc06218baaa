/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Running a query and delivering its rows.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "sqlite.h"

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
		{
			scan->text.identify = true;
			continue;
		}
		target->kind = target->column->kind;
		target->storage = sqlite_storage(target->column);
		target->position = position++;
	}
	scan->ncolumns = position;
	MemoryContextSwitchTo(old);
	return &scan->base;
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
	scan->done = scan->again = false;
	scan->row = 0;
	scan->timed = base->timing || session->base.source->query_timeout_ms > 0;
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
	SyProgress	progress = base->query->alone ? sqlite_session_deferred_snapshot(session, err) :
		sqlite_session_snapshot(session, err);
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
	if (ok && !sqlite_statement_bind(scan->statement, &scan->text))
	{
		sqlite_error_set(session, err);
		ok = false;
	}
	MemoryContextSwitchTo(old);
	if (!ok && session->deferred)
	{
		sqlite_session_lose_snapshot(session);
		sy_error_clear(err);
		return sqlite_scan_start_more(base, err);
	}
	return ok ? SY_DONE : SY_FAILED;
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

	sy_value_error(err, target->column, problem, class, excerpt, length,
				   sqlite_identity_phrase(scan, target));
	if (problem->sqlstate == ERRCODE_FDW_INVALID_DATA_TYPE)
		sy_error_hint(err, "Give the column a type that holds all of its values, leave it out of the foreign table, or read a view in the file that casts it.");
}

/* Convert the present row. */
static inline bool
read_row(SqliteScan *scan, Datum *values, bool *nulls, SyError *err)
{
	sqlite3_stmt *stmt = scan->statement->stmt;
	const SqliteTarget *end = scan->targets + scan->ntargets;
	SyProblem	problem;

	for (const SqliteTarget *target = scan->targets; target < end; target++)
	{
		int			slot = target->slot;
		sqlite3_value *value;
		int			class;

		if (unlikely(target->column == NULL))
		{
			nulls[slot] = !sqlite_identity_read(scan, &values[slot]);
			continue;
		}
		value = sqlite3_column_value(stmt, target->position);
		class = sqlite3_value_type(value);
		nulls[slot] = class == SQLITE_NULL;

		/* the commonest ones, which need no check, in place */
		if (class == SQLITE_NULL)
			continue;
		if (class == SQLITE_INTEGER && target->kind == SY_TYPE_INT8)
			values[slot] = Int64GetDatum(sqlite3_value_int64(value));
		else if (class == SQLITE_FLOAT && target->kind == SY_TYPE_FLOAT8)
			values[slot] = Float8GetDatum(sqlite3_value_double(value));
		else if (unlikely(!sqlite_value_read(target->column, target->storage, value, class,
											 &values[slot], &problem)))
		{
			set_value_error(scan, target, &problem, err);
			return false;
		}
	}
	return true;
}

/* A step that is timed, and ends with query_timeout. */
static int
timed_step(SqliteScan *scan)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	int			timeout_ms = session->base.source->query_timeout_ms;
	int64		begun = sy_now_us();
	int64		worked;
	int			rc;

	if (timeout_ms > 0)
		session->step_until = begun + (int64) timeout_ms * 1000 - scan->worked_us;
	rc = sqlite_statement_step(session, scan->statement->stmt);
	session->step_until = 0;
	worked = sy_now_us() - begun;
	scan->worked_us += worked;
	scan->base.stats.remote_us += worked;
	return rc;
}

/* One step of the running statement. */
static inline int
step(SqliteScan *scan)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;

	session->running = scan;
	return unlikely(scan->timed) ? timed_step(scan) :
		sqlite_statement_step(session, scan->statement->stmt);
}

/* Deliver the row at which the statement stands. */
static inline SyProgress
deliver(SqliteScan *scan, Datum *values, bool *nulls, SyError *err)
{
	scan->base.stats.rows++;
	scan->row++;
	if (unlikely(scan->base.query->count))
	{
		values[0] = Int64GetDatum(sqlite3_column_int64(scan->statement->stmt, 0));
		nulls[0] = false;
		return SY_ROW;
	}
	return read_row(scan, values, nulls, err) ? SY_ROW : SY_FAILED;
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

/* The statement failed, or was made to stop. */
static SyProgress
fail(SqliteScan *scan, SyError *err)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;

	sqlite_error_set(session, err);
	scan->done = true;
	(void) sqlite3_reset(scan->statement->stmt);
	sqlite_session_rethrow(session);
	return SY_FAILED;
}

/* Give up a snapshot without a lock, and all that was read in it. */
static SyProgress
begin_again(SqliteScan *scan, Datum *values, bool *nulls, SyError *err)
{
	(void) sqlite3_reset(scan->statement->stmt);
	sqlite_session_lose_snapshot((SqliteSession *) scan->base.session);
	scan->base.stats.rows -= scan->row;
	scan->row = 0;
	scan->again = true;
	return sqlite_scan_next(&scan->base, values, nulls, err);
}

/*
 * The first row of a scan whose snapshot may be without a lock.  It is
 * delivered if it is the only one, or if a lock was needed meanwhile, and
 * taken.  If not, all begins again with a lock.
 */
static SyProgress
first_deferred(SqliteScan *scan, Datum *values, bool *nulls, SyError *err)
{
	SqliteSession *session = (SqliteSession *) scan->base.session;
	int			rc = step(scan);
	bool		found = rc == SQLITE_ROW && !sqlite_deferred_lost(session->database);

	if (found)
	{
		if (deliver(scan, values, nulls, err) == SY_FAILED)
			return SY_FAILED;
		if (!sqlite_deferred_now(session->database))
		{
			session->deferred = false;
			return SY_ROW;
		}
		rc = step(scan);
	}
	if (session->caught == NULL && (rc == SQLITE_ROW || sqlite_deferred_lost(session->database)))
		return begin_again(scan, values, nulls, err);
	if (rc != SQLITE_DONE)
		return fail(scan, err);
	if (finish(scan, err) == SY_FAILED)
		return SY_FAILED;
	return found ? SY_ROW : SY_DONE;
}

/*
 * Deliver the next row.
 */
SyProgress
sqlite_scan_next(SyScan *base, Datum *values, bool *nulls, SyError *err)
{
	SqliteScan *scan = (SqliteScan *) base;
	SqliteSession *session = (SqliteSession *) base->session;
	SyProgress	progress;
	int			rc;

	if (unlikely(scan->empty || scan->done))
		return SY_DONE;
	if (unlikely(scan->again))
	{
		progress = sqlite_scan_start_more(base, err);
		if (progress != SY_DONE)
			return progress;
		scan->again = false;
	}
	if (unlikely(session->deferred))
		return first_deferred(scan, values, nulls, err);

	rc = step(scan);
	if (likely(rc == SQLITE_ROW))
		return deliver(scan, values, nulls, err);
	return rc == SQLITE_DONE ? finish(scan, err) : fail(scan, err);
}

/* Give the statement back to the session. */
void
sqlite_scan_close(SyScan *base)
{
	SqliteScan *scan = (SqliteScan *) base;
	SqliteSession *session = (SqliteSession *) base->session;

	if (scan->statement != NULL)
		sqlite_statement_release(session, scan->statement);
	scan->statement = NULL;
	if (session->running == scan)
		session->running = NULL;
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

/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  Running queries: a driver's scan on a session, tied to a memory context.
 *
 * IDENTIFICATION
 *	  src/conn/cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "conn/cursor.h"

/*
 * Who is about to read what, for log_access(); in "cxt".  At its end a
 * transaction that aborts can ask no catalog.
 */
static char *
access_text(const SyTable *table, MemoryContext cxt)
{
	char	   *role = GetUserNameFromId(table->source->userid, false);
	MemoryContext caller = MemoryContextSwitchTo(cxt);
	char	   *text = psprintf("role \"%s\", source \"%s\", relation \"%s.%s\"", role,
								table->source->name, table->schema, table->name);

	MemoryContextSwitchTo(caller);
	return text;
}

/*
 * Write to the log who has read what, and how it ended; see the setting
 * log_access.  May be called while a transaction aborts.
 */
static void
log_access(const SyCursor *cursor)
{
	long long	nrows = cursor->scan != NULL ? cursor->scan->stats.rows : 0;
	char		outcome[32] = "";

	if (cursor->sqlstate != 0)
		snprintf(outcome, sizeof(outcome), ", error %s", unpack_sql_state(cursor->sqlstate));
	else if (!cursor->finished)
		strlcpy(outcome, ", given up", sizeof(outcome));

	/* a message serves interrupts at its end, but this is no place for that */
	HOLD_INTERRUPTS();
	ereport(LOG,
			(errmsg("access: %s, read, %lld rows%s", cursor->access, nrows, outcome),
			 errhidestmt(true), errhidecontext(true)));
	RESUME_INTERRUPTS();
}

/* Guard callback: the cursor's owner is going away.  Waits for nothing. */
static void
release_cursor(void *object)
{
	SyCursor   *cursor = (SyCursor *) object;
	SyConn	   *conn = cursor->conn;

	if (cursor->access != NULL)
		log_access(cursor);
	sy_admit_forget(&cursor->call);
	if (conn == NULL)
		return;
	if (cursor->scan != NULL)
		conn->driver->scan_close(cursor->scan);
	if (conn->call == &cursor->call)
		conn->call = NULL;
	dlist_delete(&cursor->node);
	sy_conn_unuse(conn);
	if (cursor->cxt != NULL)
		MemoryContextDelete(cursor->cxt);
}

/* Open a cursor; see cursor.h. */
SyCursor *
sy_cursor_open(const SyQuery *query, const void *statement, bool timing,
			   MemoryContext cxt, SyDrain drain, void *owner)
{
	SyCursor   *cursor = MemoryContextAllocZero(cxt, sizeof(SyCursor));
	SyGuard    *guard = sy_guard_reserve(cxt, release_cursor);
	SyConn	   *volatile conn = NULL;

	if (sy_log_access == SY_LOG_ACCESS_ALL)
		cursor->access = access_text(query->table, cxt);
	cursor->guard = guard;
	cursor->resowner = CurrentResourceOwner;
	cursor->state = SY_DONE;
	cursor->drain = drain;
	cursor->owner = owner;
	guard->object = cursor;

	PG_TRY();
	{
		conn = sy_conn_use(query->table->source, statement, &cursor->call);
	}
	PG_CATCH();
	{
		cursor->sqlstate = geterrcode();
		PG_RE_THROW();
	}
	PG_END_TRY();
	dlist_push_tail(&conn->cursors, &cursor->node);
	cursor->conn = conn;
	cursor->cxt = AllocSetContextCreate(conn->cxt, "switchyard scan", ALLOCSET_SMALL_SIZES);
	cursor->scan = conn->driver->scan_create(conn->session, query, cursor->cxt);
	cursor->scan->timing = timing;
	return cursor;
}

/*
 * Close a cursor and tell the source, which may take a round trip.  An
 * interrupt that came meanwhile is this statement's, not the next one's.
 */
void
sy_cursor_close(SyCursor *cursor)
{
	SyConn	   *conn = cursor->conn;

	cursor->finished = true;
	sy_guard_release(cursor->guard);
	sy_conn_settle(conn);
	CHECK_FOR_INTERRUPTS();
}

/* Error context: which table was being read. */
static void
table_context(void *arg)
{
	const SyTable *table = (const SyTable *) arg;

	errcontext("foreign table \"%s.%s\"", table->schema, table->name);
}

/*
 * The same while a driver works for a cursor.  What it throws by itself, and
 * does not return, is an error too.
 */
static void
cursor_context(void *arg)
{
	SyCursor   *cursor = (SyCursor *) arg;
	int			category = ERRCODE_TO_CATEGORY(geterrcode());

	if (category != ERRCODE_SUCCESSFUL_COMPLETION && category != ERRCODE_WARNING &&
		category != ERRCODE_NO_DATA)
		cursor->sqlstate = geterrcode();
	table_context((void *) cursor->scan->query->table);
}

/* Write the query to the log, constants hidden. */
static void
log_query(const SyCursor *cursor)
{
	const SyQuery *query = cursor->scan->query;

	ereport(LOG,
			(errmsg("remote query on source \"%s\": %s", query->table->source->name,
					cursor->conn->driver->describe(query, cursor->conn->session, true)),
			 errhidestmt(true)));
}

/* One step of a start; failures are thrown. */
SyProgress
sy_cursor_try_start(SyCursor *cursor)
{
	const SyDriver *driver = cursor->conn->driver;
	bool		resume = cursor->state == SY_BLOCKED && cursor->starting;
	ErrorContextCallback context;
	SyError		err;

	context.callback = cursor_context;
	context.arg = cursor;
	context.previous = error_context_stack;
	error_context_stack = &context;

	if (!resume && sy_log_remote_queries)
		log_query(cursor);
	sy_error_clear(&err);
	cursor->starting = true;
	cursor->conn->call = &cursor->call;
	cursor->state = SY_FAILED;
	cursor->state = resume ? driver->scan_start_more(cursor->scan, &err) :
		driver->scan_start(cursor->scan, &err);
	if (cursor->state == SY_FAILED)
	{
		sy_conn_failed(cursor->conn, &err);
		sy_conn_throw(&err);
	}

	error_context_stack = context.previous;
	return cursor->state;
}

/* The first batch is there, or nothing is. */
static void
answered(SyCursor *cursor)
{
	const SySource *source = cursor->scan->query->table->source;

	sy_admit_success(&cursor->call, source->name, &source->limits);
	cursor->answered = true;
}

/* One step towards the next row, failures included; runs for every row. */
static pg_attribute_always_inline SyProgress
next_step(SyCursor *cursor, Datum *values, bool *nulls, SyError *err)
{
	ErrorContextCallback context;

	context.callback = cursor_context;
	context.arg = cursor;
	context.previous = error_context_stack;
	error_context_stack = &context;

	err->cls = SY_ERROR_NONE;
	cursor->starting = false;
	cursor->conn->call = &cursor->call;
	cursor->state = SY_FAILED;
	cursor->state = cursor->conn->driver->scan_next(cursor->scan, values, nulls, err);
	if (unlikely(cursor->state == SY_FAILED))
	{
		cursor->sqlstate = err->sqlstate != 0 ? err->sqlstate : ERRCODE_FDW_ERROR;
		sy_conn_failed(cursor->conn, err);
	}
	else
	{
		cursor->sqlstate = 0;	/* the driver caught what it threw */
		if (cursor->state != SY_BLOCKED && unlikely(!cursor->answered))
			answered(cursor);
	}

	error_context_stack = context.previous;
	return cursor->state;
}

/* Throw an error that came back from reading a table. */
void
sy_cursor_throw(const SyTable *table, const SyError *err)
{
	ErrorContextCallback context;

	context.callback = table_context;
	context.arg = (void *) table;
	context.previous = error_context_stack;
	error_context_stack = &context;
	sy_conn_throw(err);
}

/* One step towards the next row; failures are thrown. */
static pg_attribute_always_inline SyProgress
try_next(SyCursor *cursor, Datum *values, bool *nulls)
{
	SyError		err;
	SyProgress	progress = next_step(cursor, values, nulls, &err);

	if (unlikely(progress == SY_FAILED))
		sy_cursor_throw(cursor->scan->query->table, &err);
	return progress;
}

/* The same, for others. */
SyProgress
sy_cursor_try_next(SyCursor *cursor, Datum *values, bool *nulls)
{
	return try_next(cursor, values, nulls);
}

/* Wait for the source; what interrupts that is how the scan ended. */
static void
wait_noting_error(SyCursor *cursor)
{
	PG_TRY();
	{
		sy_conn_wait(cursor->conn->session);
	}
	PG_CATCH();
	{
		cursor->sqlstate = geterrcode();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Wait until a blocked cursor can go on; counts the time if asked to. */
static void
wait_for(SyCursor *cursor)
{
	int64		began_us = cursor->scan->timing ? sy_now_us() : 0;

	wait_noting_error(cursor);
	if (cursor->scan->timing)
		cursor->scan->stats.remote_us += sy_now_us() - began_us;
}

/* Start, or start again, with the query's present values. */
void
sy_cursor_start(SyCursor *cursor)
{
	while (sy_cursor_try_start(cursor) == SY_BLOCKED)
		wait_for(cursor);
}

/* The next row, or false at the end. */
bool
sy_cursor_next(SyCursor *cursor, Datum *values, bool *nulls)
{
	SyProgress	progress;

	CHECK_FOR_INTERRUPTS();
	while ((progress = try_next(cursor, values, nulls)) == SY_BLOCKED)
		wait_for(cursor);
	return progress == SY_ROW;
}

/* The next row, the end, or what the source did wrong; throws interrupts. */
SyProgress
sy_cursor_read(SyCursor *cursor, Datum *values, bool *nulls, SyError *err)
{
	SyProgress	progress;

	CHECK_FOR_INTERRUPTS();
	while ((progress = next_step(cursor, values, nulls, err)) == SY_BLOCKED)
		wait_for(cursor);
	if (progress == SY_FAILED && err->cls == SY_ERROR_CANCELED)
		CHECK_FOR_INTERRUPTS();
	return progress;
}

/* What a blocked cursor waits for. */
void
sy_cursor_wait_spec(SyCursor *cursor, SyWaitSpec *spec)
{
	cursor->conn->driver->wait(cursor->conn->session, spec);
}

/*
 * Wait until one of several blocked cursors can go on.  If that is
 * interrupted, all of them are abandoned before the error goes on.
 */
void
sy_cursor_wait_any(SyCursor **cursors, int ncursors)
{
	SyWaitSpec *specs = palloc(ncursors * sizeof(SyWaitSpec));

	for (int i = 0; i < ncursors; i++)
	{
		cursors[i]->conn->waiting = true;
		sy_cursor_wait_spec(cursors[i], &specs[i]);
	}
	PG_TRY();
	{
		sy_wait(specs, ncursors);
	}
	PG_CATCH();
	{
		for (int i = 0; i < ncursors; i++)
		{
			cursors[i]->conn->waiting = false;
			cursors[i]->sqlstate = geterrcode();
			sy_conn_interrupted(cursors[i]->conn);
			cursors[i]->conn->driver->abandon(cursors[i]->conn->session);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	for (int i = 0; i < ncursors; i++)
		cursors[i]->conn->waiting = false;
	pfree(specs);
}

/* Is an operation of another cursor under way on the same session? */
bool
sy_cursor_session_busy(const SyCursor *cursor)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cursor->conn->cursors)
	{
		const SyCursor *other = dlist_container(SyCursor, node, iter.cur);

		if (other != cursor && other->state == SY_BLOCKED)
			return true;
	}
	return false;
}

/* Read all cursors of a session to their ends; see cursor.h. */
void
sy_cursor_drain(SyConn *conn)
{
	while (!dlist_is_empty(&conn->cursors))
	{
		SyCursor   *cursor = dlist_head_element(SyCursor, node, &conn->cursors);

		cursor->drain(cursor, cursor->owner);
		cursor->finished = true;
		sy_guard_release(cursor->guard);
	}
}

/* Can that end all uses of the session?  See cursor.h. */
bool
sy_cursor_can_drain(SyConn *conn)
{
	dlist_iter	iter;
	int			ncursors = 0;

	dlist_foreach(iter, &conn->cursors)
	{
		if (dlist_container(SyCursor, node, iter.cur)->drain == NULL)
			return false;
		ncursors++;
	}
	return ncursors == conn->uses;
}

/* Close the cursors that a resource owner's query had; see cursor.h. */
void
sy_cursor_close_owned(SyConn *conn, ResourceOwner owner)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &conn->cursors)
	{
		SyCursor   *cursor = dlist_container(SyCursor, node, iter.cur);

		if (cursor->resowner == owner)
			sy_guard_release(cursor->guard);
	}
}

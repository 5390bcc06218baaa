/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  Running queries: a driver's scan on a session, tied to a memory context.
 *
 * IDENTIFICATION
 *	  src/conn/cursor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_CURSOR_H
#define SY_CURSOR_H

#include "utils/resowner.h"

#include "conn/conn.h"
#include "pushdown/query.h"

typedef struct SyCursor SyCursor;

/*
 * Reads all remaining rows of a cursor into its owner's keeping, because its
 * session is needed for a later statement.  sy_conn_use() closes the cursor
 * afterwards.  What the source does wrong is for the reader of the rows to
 * learn, not for the later statement: it is kept too.  May throw otherwise;
 * the cursor then stays and cannot be read any more.
 */
typedef void (*SyDrain) (SyCursor *cursor, void *owner);

struct SyCursor
{
	dlist_node	node;			/* in conn->cursors */
	SyConn	   *conn;
	SyScan	   *scan;
	MemoryContext cxt;			/* of the scan */
	SyGuard    *guard;			/* closes it with its owner's context */
	ResourceOwner resowner;		/* of who opened it; its abort closes it too */
	SyProgress	state;			/* what the last call returned */
	bool		starting;		/* that call was a start */
	bool		answered;		/* the first batch has come */
	bool		finished;		/* its reader needs no more of it */
	int			sqlstate;		/* of the error that ended it, if it is known */
	char	   *access;			/* who reads what, for the log; NULL: it is not
								 * to be logged */
	SyDrain		drain;
	void	   *owner;
	SyCall		call;			/* from its opening to its end: what is read
								 * again over the same session is no new one */
};

/*
 * Open a cursor that lives until sy_cursor_close() or the end of "cxt",
 * whichever is first; contacts nothing but may open a file.  "query" is the
 * caller's and outlives the cursor.
 */
extern SyCursor *sy_cursor_open(const SyQuery *query, const void *statement, bool timing,
								MemoryContext cxt, SyDrain drain, void *owner);
extern void sy_cursor_close(SyCursor *cursor);

/* Start, or start again, with the query's present values; next row or false
 * at the end.  These wait, and throw the source's errors. */
extern void sy_cursor_start(SyCursor *cursor);
extern bool sy_cursor_next(SyCursor *cursor, Datum *values, bool *nulls);

/*
 * As sy_cursor_next(), but what the source did wrong is returned: SY_ROW,
 * SY_DONE, or SY_FAILED and *err.  An interrupt is thrown.
 */
extern SyProgress sy_cursor_read(SyCursor *cursor, Datum *values, bool *nulls, SyError *err);

/* Throw an error that sy_cursor_read() returned for a table. */
pg_noreturn extern void sy_cursor_throw(const SyTable *table, const SyError *err);

/*
 * The same without waiting, for overlap: SY_BLOCKED, or SY_DONE and SY_ROW as
 * a driver's scan_start() and scan_next() return them; failures are thrown.
 */
extern SyProgress sy_cursor_try_start(SyCursor *cursor);
extern SyProgress sy_cursor_try_next(SyCursor *cursor, Datum *values, bool *nulls);

/* What a blocked cursor waits for. */
extern void sy_cursor_wait_spec(SyCursor *cursor, SyWaitSpec *spec);

/* Wait until one of several blocked cursors can go on. */
extern void sy_cursor_wait_any(SyCursor **cursors, int ncursors);

/* Is an operation of another cursor under way on the same session? */
extern bool sy_cursor_session_busy(const SyCursor *cursor);

/* Read all cursors of a session to their ends, so that it can serve another
 * statement; and can that end all its uses? */
extern void sy_cursor_drain(SyConn *conn);
extern bool sy_cursor_can_drain(SyConn *conn);

/* Close the cursors that were opened under a resource owner; waits for nothing. */
extern void sy_cursor_close_owned(SyConn *conn, ResourceOwner owner);

#endif							/* SY_CURSOR_H */

/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What health is told when an operation of a session goes wrong.
 *
 * IDENTIFICATION
 *	  src/conn/outcome.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "conn/conn.h"

/* Has the source never sent a byte over the session's connection? */
static bool
is_silent(SyConn *conn)
{
	return conn->driver->session_silent != NULL && conn->driver->session_silent(conn->session);
}

/* The source has failed an operation; see conn.h. */
void
sy_conn_failed(SyConn *conn, SyError *err)
{
	const SySource *source = conn->session->source;

	if (conn->call == NULL || conn->call->slot == NULL)
		return;
	sy_admit_judge(conn->call->slot, &source->limits, err);
	if (err->cls == SY_ERROR_CANCELED && !ProcDiePending && is_silent(conn))
		sy_admit_silence(conn->call, source->name, &source->limits);
	else
		sy_admit_failure(conn->call, source->name, &source->limits, err);
}

/*
 * A wait was interrupted; see conn.h.  Within PG_CATCH, before the operation
 * is abandoned.
 */
void
sy_conn_interrupted(SyConn *conn)
{
	const SySource *source = conn->session->source;

	if (conn->call != NULL && geterrcode() == ERRCODE_QUERY_CANCELED && is_silent(conn))
		sy_admit_silence(conn->call, source->name, &source->limits);
}

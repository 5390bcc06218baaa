/*-------------------------------------------------------------------------
 *
 * conn.h
 *	  Sessions with sources: kept between statements, tied to transactions.
 *
 * IDENTIFICATION
 *	  src/conn/conn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_CONN_H
#define SY_CONN_H

#include "lib/ilist.h"

#include "base/guard.h"
#include "health/health.h"
#include "source/source.h"

/* A cached session and who uses it. */
typedef struct SyConn
{
	dlist_node	node;			/* in conn.c's list, most recently used first */
	MemoryContext cxt;			/* holds this struct and the session */
	const SyDriver *driver;
	SySession  *session;
	SySessionKey key;
	Oid			serverid;
	Oid			umid;
	uint32		generation;		/* of the options that it was opened with */
	SubTransactionId subid;		/* opened in it; invalid in later transactions */
	bool		undone;			/* what it was opened in was rolled back */
	const void *statement;		/* SY_CAP_SNAPSHOT_SESSION in READ COMMITTED:
								 * the statement that it serves */
	int			uses;			/* cursors and acquisitions */
	bool		begun;			/* between the driver's begin() and end() */
	bool		waiting;		/* an operation is blocked and not yet resumed */
	dlist_head	cursors;		/* of SyCursor, conn/cursor.c */
	dlist_head	acquired;		/* other uses, conn.c */
	SySeat	   *seat;			/* the session as other backends see it */
	SyCall	   *call;			/* that the operation in progress, or the last
								 * one, is part of; NULL: its owner is gone */
} SyConn;

/*
 * A session fit for a new use by "statement", counted as used: any address
 * that all scans of one statement share and no other running one does.
 * Throws the source's error.  The caller ends the use by sy_conn_unuse(),
 * which never throws.
 *
 * First the source must have a session to spare and its breaker must admit
 * "call", zeroed by the caller, who ends it whether this throws or not.  With
 * NULL nobody is asked: for probes.
 */
extern SyConn *sy_conn_use(const SySource *source, const void *statement, SyCall *call);
extern void sy_conn_unuse(SyConn *conn);

/* The source has failed an operation of conn->call: tell its health, which may
 * know better what the error means. */
extern void sy_conn_failed(SyConn *conn, SyError *err);

/* The same, if a wait for the source has just thrown an error. */
extern void sy_conn_interrupted(SyConn *conn);

/* Pay what the session owes, as far as that is possible at once. */
extern void sy_conn_settle(SyConn *conn);

/*
 * A session for work outside of scans; the use ends with "cxt".  The work's
 * end is told to sy_conn_done(), which throws its error if there is one.
 */
extern SySession *sy_conn_acquire(const SySource *source, MemoryContext cxt);
extern void sy_conn_done(SySession *session, SyError *err);

/*
 * Close the sessions of this backend with a server that the present
 * transaction does not use; "nbusy" counts those that it does.
 */
extern int	sy_conn_disconnect(Oid serverid, int *nbusy);

/* SyHost.wait */
extern void sy_conn_wait(SySession *session);

/* Throw a driver's error; a pending interrupt goes first. */
pg_noreturn extern void sy_conn_throw(const SyError *err);

#endif							/* SY_CONN_H */

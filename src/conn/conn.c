/*-------------------------------------------------------------------------
 *
 * conn.c
 *	  The cache of sessions, and what transactions do to them.
 *
 * A session is kept until the backend exits, its server or user mapping is
 * altered, or it breaks.  Which session serves whom:
 *
 * - Network sources: one session for a user mapping; all cursors share it.
 * - Sources with SY_CAP_SNAPSHOT_SESSION: one session for the whole
 *   transaction from REPEATABLE READ on.  In READ COMMITTED a session belongs
 *   to one statement while it has open cursors; a later statement takes
 *   another one, MAX_HANDLES at most, beyond which the cursors of the least
 *   recently used are read to their ends.
 *
 * Everything here is private to the backend, so there are no locks.
 *
 * IDENTIFICATION
 *	  src/conn/conn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "conn/conn.h"
#include "conn/cursor.h"

/* Sessions of one file that may be open in a backend at the same time. */
#define MAX_HANDLES			4

/* Time for telling all sources what is over, in ms. */
#define SETTLE_MS			1000	/* a transaction or the backend ends */
#define SETTLE_ABORT_MS		60	/* a transaction is canceled */
#define SETTLE_CLOSE_MS		100 /* a scan ends */

static dlist_head conns = DLIST_STATIC_INIT(conns);
static bool callbacks_registered = false;

/* Throw a driver's error; a pending interrupt goes first. */
void
sy_conn_throw(const SyError *err)
{
	if (err->cls == SY_ERROR_CANCELED)
		CHECK_FOR_INTERRUPTS();
	sy_error_throw(err);
}

/* What reads of the present transaction may see. */
static SyIsolation
present_isolation(void)
{
	if (!IsolationUsesXactSnapshot())
		return SY_READ_COMMITTED;
	return XactReadOnly ? SY_REPEATABLE_READ_ONLY : SY_REPEATABLE_READ;
}

/* Does a session of this driver belong to one statement at a time? */
static bool
is_per_statement(const SyDriver *driver)
{
	return (driver->caps & SY_CAP_SNAPSHOT_SESSION) != 0 && !IsolationUsesXactSnapshot();
}

/* End what the driver's begin() began.  Never throws, never waits. */
static void
end_session(SyConn *conn)
{
	if (!conn->begun)
		return;
	conn->begun = false;
	conn->statement = NULL;
	conn->driver->end(conn->session);
}

/* A use of a session by sy_conn_acquire(). */
typedef struct Acquired
{
	dlist_node	node;			/* in conn->acquired */
	SyConn	   *conn;			/* NULL: not yet */
	SyGuard    *guard;
	SyCall		call;
} Acquired;

/* End all uses of a session: its transaction or its backend ends. */
static void
end_uses(SyConn *conn)
{
	if (conn->waiting)
	{
		conn->waiting = false;
		conn->driver->abandon(conn->session);
	}
	while (!dlist_is_empty(&conn->cursors))
		sy_guard_release(dlist_head_element(SyCursor, node, &conn->cursors)->guard);
	while (!dlist_is_empty(&conn->acquired))
		sy_guard_release(dlist_head_element(Acquired, node, &conn->acquired)->guard);
	Assert(conn->uses == 0);
}

/* Close a session that nobody uses, and forget it. */
static void
close_conn(SyConn *conn)
{
	Assert(conn->uses == 0);
	if (conn->begun)
	{
		end_session(conn);
		sy_conn_settle(conn);
	}
	conn->driver->session_close(conn->session);
	sy_seat_close(conn->seat);
	dlist_delete(&conn->node);
	MemoryContextDelete(conn->cxt);
}

/* Pay what the session owes; true if nothing is owed any more. */
static bool
settle(SyConn *conn, SyDeadline until)
{
	return conn->driver->settle == NULL || conn->driver->settle(conn->session, until);
}

/*
 * Pay what the session owes at the end of a scan.  An answer that does not
 * come soon is given up, and the source then told so.
 */
void
sy_conn_settle(SyConn *conn)
{
	if (!settle(conn, sy_deadline_in(SETTLE_CLOSE_MS)))
		(void) settle(conn, sy_deadline_in(SETTLE_CLOSE_MS));
}

/*
 * The deadline for the next of "nleft" sessions that share the time until
 * "until": one that hangs leaves something for the others.
 */
static SyDeadline
next_deadline(SyDeadline until, int nleft)
{
	int64		now = sy_now_us();

	return now + Max(until - now, 0) / Max(nleft, 1);
}

/* The number of cached sessions. */
static int
count_conns(void)
{
	dlist_iter	iter;
	int			n = 0;

	dlist_foreach(iter, &conns)
		n++;
	return n;
}

/* Are the options in force those that the session was opened with? */
static bool
is_current(const SyConn *conn)
{
	return conn->generation == sy_source_generation(conn->serverid, conn->umid);
}

/* May the session go on into the next transaction? */
static bool
is_fit(SyConn *conn)
{
	return is_current(conn) && conn->driver->session_usable(conn->session);
}

/*
 * May the session serve another scan?  While the transaction lasts, changes of
 * options do not count, unless those that it was opened with were undone by
 * ROLLBACK TO SAVEPOINT.
 */
static bool
may_go_on(SyConn *conn)
{
	if (conn->uses == 0 && !conn->begun)
		return is_fit(conn);
	conn->undone = conn->undone && !is_current(conn);
	return conn->uses > 0 || !conn->undone;
}

/*
 * End all uses and transactions, pay debts for "ms" at most, and close what
 * was opened with options that are no longer in force, or would be one idle
 * session too many.
 */
static void
finish_transaction(int ms)
{
	SyDeadline	until = sy_deadline_in(ms);
	int			nleft = count_conns();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		end_uses(conn);
		end_session(conn);
		(void) settle(conn, next_deadline(until, nleft--));
		conn->subid = InvalidSubTransactionId;
		conn->undone = false;
		if (sy_seat_release(conn->seat, &conn->session->source->limits) || !is_current(conn))
			close_conn(conn);
	}
	sy_seat_forget_left();
}

/*
 * Transaction callback.  Reads have nothing to commit, so that everything is
 * over before commit begins; what cannot be told to a source now is owed.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			finish_transaction(SETTLE_MS);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			finish_transaction(SETTLE_ABORT_MS);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
			break;
	}
}

/* Subtransaction callback: notes whose opening was undone. */
static void
at_savepoint_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	dlist_iter	iter;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	dlist_foreach(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		if (conn->subid != mine)
			continue;
		conn->subid = parent;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			conn->undone = true;
	}
}

/*
 * Resource owner callback.  The cursors of a query that failed are closed
 * with the subtransaction that it failed in.  Its memory may live on, in a
 * portal that will not run again, and must not keep the session in use.
 */
static void
at_resource_release(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	dlist_iter	iter;

	if (phase != RESOURCE_RELEASE_BEFORE_LOCKS || is_commit)
		return;
	dlist_foreach(iter, &conns)
		sy_cursor_close_owned(dlist_container(SyConn, node, iter.cur), CurrentResourceOwner);
}

/* Exit callback: nothing may stay behind at a source. */
static void
at_backend_exit(int code, Datum arg)
{
	SyDeadline	until = sy_deadline_in(SETTLE_MS);
	int			nleft = count_conns();

	while (!dlist_is_empty(&conns))
	{
		SyConn	   *conn = dlist_head_element(SyConn, node, &conns);

		end_uses(conn);
		end_session(conn);
		(void) settle(conn, next_deadline(until, nleft--));
		close_conn(conn);
	}
}

/* Register the callbacks, once. */
static void
register_callbacks(void)
{
	if (callbacks_registered)
		return;
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_savepoint_end, NULL);
	RegisterResourceReleaseCallback(at_resource_release, NULL);
	before_shmem_exit(at_backend_exit, (Datum) 0);
	callbacks_registered = true;
}

/* Tell health that the source has failed, and throw its error. */
pg_noreturn static void
fail(const SySource *source, SyCall *call, const SyError *err)
{
	if (call != NULL)
		sy_admit_failure(call, source->name, &source->limits, err);
	sy_conn_throw(err);
}

/* Open a session and add it to the cache; its seat is the caller's to fill in. */
static SyConn *
open_conn(const SySource *source, const SySessionKey *key, SyCall *call)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "switchyard session",
											  ALLOCSET_SMALL_SIZES);
	SyConn	   *volatile conn = NULL;
	SyError		err;

	register_callbacks();
	sy_error_clear(&err);
	MemoryContextSetIdentifier(cxt, MemoryContextStrdup(cxt, source->name));
	PG_TRY();
	{
		SySource   *copy = sy_source_copy(source, cxt);

		conn = MemoryContextAllocZero(cxt, sizeof(SyConn));
		conn->cxt = cxt;
		conn->driver = source->driver;
		conn->key = *key;
		conn->serverid = source->serverid;
		conn->umid = source->umid;
		conn->generation = source->generation;
		conn->subid = GetCurrentSubTransactionId();
		dlist_init(&conn->cursors);
		dlist_init(&conn->acquired);
		conn->session = source->driver->session_create(copy, cxt, &err);
	}
	PG_CATCH();
	{
		MemoryContextDelete(cxt);
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (conn->session == NULL)
	{
		MemoryContextDelete(cxt);
		fail(source, call, &err);
	}
	dlist_push_head(&conns, &conn->node);
	return conn;
}

/* Is the session the one that "statement" works on already, or free for it? */
static bool
may_serve(const SyConn *conn, const void *statement)
{
	if (!is_per_statement(conn->driver))
		return true;
	return conn->statement == statement || (conn->uses == 0 && !conn->begun);
}

/* Was the session opened for this server and mapping? */
static bool
is_for_source(const SyConn *conn, const SySource *source)
{
	return conn->driver == source->driver && conn->serverid == source->serverid &&
		conn->umid == source->umid;
}

/*
 * A cached session that may serve, by server, mapping and user: the common
 * case, which asks no file system.  NULL if there is none; unfit ones are
 * closed.  Another user, or one who has lost a superuser's rights, has to
 * ask the driver for the key, which may refuse.
 */
static SyConn *
find_by_server(const SySource *source, const void *statement)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		if (!is_for_source(conn, source) ||
			conn->session->source->userid != source->userid ||
			conn->session->source->superuser != source->superuser ||
			!may_serve(conn, statement))
			continue;
		if (may_go_on(conn))
			return conn;
		close_conn(conn);
	}
	return NULL;
}

/*
 * A cached session that may serve, by key: another server may name the same
 * file, another user have the same mapping.  An idle one that was opened for
 * another server is closed, so that the options of this one count.  "nbusy"
 * counts those that cannot serve, "oldest" is the least recently used of them.
 */
static SyConn *
find_by_key(const SySource *source, const SySessionKey *key, const void *statement,
			int *nbusy, SyConn **oldest)
{
	dlist_mutable_iter iter;

	*nbusy = 0;
	*oldest = NULL;
	dlist_foreach_modify(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		if (conn->driver != source->driver ||
			memcmp(&conn->key, key, sizeof(SySessionKey)) != 0)
			continue;
		if (!may_serve(conn, statement))
		{
			(*nbusy)++;
			*oldest = conn;
		}
		else if (may_go_on(conn) &&
				 (conn->uses > 0 || conn->begun || is_for_source(conn, source)))
			return conn;
		else
			close_conn(conn);
	}
	return NULL;
}

/*
 * The limits of a source as other sessions have made them by now.  Of a server
 * that was dropped, those that it had.
 */
static const SyLimits *
reread_limits(const void *arg)
{
	const SySource *source = arg;

	AcceptInvalidationMessages();
	if (SearchSysCacheExists1(FOREIGNSERVEROID, ObjectIdGetDatum(source->serverid)))
		source = sy_source_get(source->serverid, source->userid);
	return &source->limits;
}

/*
 * May a call go over the session that has, or will have, this seat?  Takes a
 * permit for the transaction and asks the breaker; throws if not.
 */
static void
enter(SySeat *seat, const SySource *source, SySlot *slot, SyCall *call)
{
	bool		in_transaction = sy_seat_in_use(slot);

	if (call == NULL)
		return;
	while (!sy_seat_use(seat, source->name, &source->limits, reread_limits, source))
	{
		/* it waited in vain, unless the breaker has changed its mind again */
		sy_admit_call(slot, source->name, &source->limits, in_transaction, call);
		sy_admit_forget(call);
	}
	sy_admit_call(slot, source->name, &source->limits, in_transaction, call);
}

/* A new session, once it may be opened. */
static SyConn *
enter_and_open(SySeat *seat, const SySource *source, SySlot *slot, const SySessionKey *key,
			   SyCall *call)
{
	SyConn	   *conn;

	PG_TRY();
	{
		enter(seat, source, slot, call);
		conn = open_conn(source, key, call);
	}
	PG_CATCH();
	{
		sy_seat_close(seat);
		PG_RE_THROW();
	}
	PG_END_TRY();
	conn->seat = seat;
	sy_seat_connected(seat);
	return conn;
}

/*
 * A session for "statement" that find_by_server() does not know.  Who has one
 * with the file already and could do without another does not wait for it.
 */
static SyConn *
find_or_open(const SySource *source, SySlot *slot, const void *statement, SyCall *call)
{
	SySessionKey key;
	SyConn	   *conn;
	SyConn	   *oldest;
	SySeat	   *seat;
	SyError		err;
	int			nbusy;

	memset(&key, 0, sizeof(key));
	sy_error_clear(&err);
	if (!source->driver->session_key(source, &key, &err))
	{
		if (call != NULL)
			sy_admit_call(slot, source->name, &source->limits, sy_seat_in_use(slot), call);
		fail(source, call, &err);
	}
	conn = find_by_key(source, &key, statement, &nbusy, &oldest);
	if (conn == NULL)
	{
		seat = sy_seat_open(slot, source->userid);
		if (nbusy == 0 || !sy_cursor_can_drain(oldest) ||
			(nbusy < MAX_HANDLES && sy_seat_use(seat, source->name, &source->limits, NULL, NULL)))
			return enter_and_open(seat, source, slot, &key, call);
		sy_seat_close(seat);
		sy_cursor_drain(oldest);
		Assert(oldest->uses == 0 && !oldest->begun);
		conn = oldest;
	}
	enter(conn->seat, source, slot, call);
	return conn;
}

/* A session for "statement", cached or new; see conn.h. */
SyConn *
sy_conn_use(const SySource *source, const void *statement, SyCall *call)
{
	SySlot	   *slot = sy_slot_get(source->serverid, source->name);
	SyConn	   *conn = find_by_server(source, statement);

	if (conn != NULL)
	{
		enter(conn->seat, source, slot, call);
		if (call != NULL)
			call->warm = true;
	}
	else
		conn = find_or_open(source, slot, statement, call);

	if (!conn->begun)
	{
		conn->begun = true;
		conn->driver->begin(conn->session, present_isolation());
	}
	conn->statement = is_per_statement(conn->driver) ? statement : NULL;
	conn->uses++;
	conn->call = call;
	sy_seat_set_state(conn->seat, SY_SEAT_ACTIVE);
	dlist_move_head(&conns, &conn->node);
	return conn;
}

/* End one use of a session; see conn.h. */
void
sy_conn_unuse(SyConn *conn)
{
	Assert(conn->uses > 0);
	if (--conn->uses > 0)
		return;
	sy_seat_set_state(conn->seat, SY_SEAT_IN_TRANSACTION);
	if (conn->statement != NULL)
		end_session(conn);
}

/* Guard callback of sy_conn_acquire(). */
static void
release_conn(void *object)
{
	Acquired   *acquired = (Acquired *) object;
	SyConn	   *conn = acquired->conn;

	sy_admit_forget(&acquired->call);
	if (conn == NULL)
		return;
	if (conn->call == &acquired->call)
		conn->call = NULL;
	dlist_delete(&acquired->node);
	sy_conn_unuse(conn);
}

/* The cached connection of a session. */
static SyConn *
conn_of(const SySession *session)
{
	dlist_iter	iter;

	dlist_foreach(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		if (conn->session == session)
			return conn;
	}
	return NULL;
}

/* A session for work outside of scans; see conn.h. */
SySession *
sy_conn_acquire(const SySource *source, MemoryContext cxt)
{
	Acquired   *acquired = MemoryContextAllocZero(cxt, sizeof(Acquired));
	SyGuard    *guard = sy_guard_reserve(cxt, release_conn);

	guard->object = acquired;
	acquired->guard = guard;
	acquired->conn = sy_conn_use(source, guard, &acquired->call);
	dlist_push_tail(&acquired->conn->acquired, &acquired->node);
	return acquired->conn->session;
}

/* Work outside of scans has ended; see conn.h. */
void
sy_conn_done(SySession *session, SyError *err)
{
	SyConn	   *conn = conn_of(session);

	if (err->cls == SY_ERROR_NONE)
	{
		if (conn->call != NULL)
			sy_admit_success(conn->call, session->source->name, &session->source->limits);
		return;
	}
	sy_conn_failed(conn, err);
	sy_conn_throw(err);
}

/*
 * SyHost.wait: wait on the backend's own stack for what "session" is blocked
 * on.  Serves interrupts; the operation is abandoned before an error goes on.
 */
void
sy_conn_wait(SySession *session)
{
	SyConn	   *volatile conn = conn_of(session);
	SyWaitSpec	spec;

	/* FATAL does not pass PG_CATCH: the exit callback looks at this */
	if (conn != NULL)
		conn->waiting = true;
	PG_TRY();
	{
		session->driver->wait(session, &spec);
		sy_wait(&spec, 1);
	}
	PG_CATCH();
	{
		if (conn != NULL)
		{
			conn->waiting = false;
			sy_conn_interrupted(conn);
		}
		session->driver->abandon(session);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (conn != NULL)
		conn->waiting = false;
}

/* Close this backend's idle sessions with a server; see conn.h. */
int
sy_conn_disconnect(Oid serverid, int *nbusy)
{
	dlist_mutable_iter iter;
	int			nclosed = 0;

	*nbusy = 0;
	dlist_foreach_modify(iter, &conns)
	{
		SyConn	   *conn = dlist_container(SyConn, node, iter.cur);

		if (conn->serverid != serverid)
			continue;
		if (conn->uses > 0 || conn->begun ||
			sy_seat_in_use(sy_slot_find(serverid, conn->session->source->name)))
			(*nbusy)++;
		else
		{
			close_conn(conn);
			nclosed++;
		}
	}
	return nclosed;
}

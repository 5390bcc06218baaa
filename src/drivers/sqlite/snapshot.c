/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  The state of a file that scans read: taking it, keeping it, leaving it.
 *
 * A session's snapshot, SQLite's read transaction, is taken when the first
 * scan starts and given up at end(); all scans in between see it.
 * What holds it is a statement that stands at its row: that costs less than
 * BEGIN and COMMIT, and a scan that fails does not end it.
 * A locked file never makes us sleep within SQLite: the try is given up, the
 * caller waits where interrupts are served, and tries again.
 *
 * A function that looks up row after row would spend most of its time on
 * locks.  So a snapshot for one start of one scan may be taken without one,
 * see deferred.c, from the second such statement of a client's command on: the
 * first one has waited for whoever held the file locked.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/snapshot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "sqlite.h"

/*
 * A sort keeps as much in memory as the page cache may have, and orders that
 * without asking; the file would choose how much that is.
 */
#define CACHE_PRAGMA		"PRAGMA main.cache_size = -2000"	/* kB */

/* Milliseconds between tries to read a locked file; the last one repeats. */
static const int back_off_ms[] = {1, 2, 5, 10, 25};

/* So often is looked again at what a dead program may have left. */
#define MAX_SUSPICIONS		6

/* Reads that follow belong together; nothing is touched yet. */
void
sqlite_session_begin(SySession *base, SyIsolation isolation)
{
	SqliteSession *session = (SqliteSession *) base;

	session->isolation = isolation;
	sqlite_deferred_allow(session->database, false);	/* if an error left it */
	sqlite_session_abandon(base);
}

/* Give up the snapshot. */
void
sqlite_session_end(SySession *base)
{
	SqliteSession *session = (SqliteSession *) base;

	sqlite_session_abandon(base);
	if (session->in_transaction)
		(void) sqlite3_reset(session->holder);
	session->in_transaction = session->deferred = false;
}

/* Give up waiting for a snapshot. */
void
sqlite_session_abandon(SySession *base)
{
	SqliteSession *session = (SqliteSession *) base;

	session->waiting = false;
	session->ping = NULL;
	session->size = NULL;
}

/* Pauses between tries; interrupts are served meanwhile. */
void
sqlite_session_wait(SySession *base, SyWaitSpec *spec)
{
	SqliteSession *session = (SqliteSession *) base;

	spec->nitems = 0;
	spec->items = NULL;
	spec->until = session->try_again_at;
}

/* Begin to wait, unless that has begun; "now" is what is waited from. */
static void
begin_waiting(SqliteSession *session, SyDeadline now)
{
	if (session->waiting)
		return;
	session->waiting = true;
	session->tries = session->suspicions = 0;
	session->give_up_at = now + (int64) session->busy_timeout_ms * 1000;
}

/* Microseconds to the next try. */
static int64
next_pause_us(SqliteSession *session)
{
	int			pause = Min(session->tries, (int) lengthof(back_off_ms) - 1);

	session->tries++;
	return back_off_ms[pause] * 1000;
}

/*
 * The file is locked: plan the next try, or give up after busy_timeout, when
 * "err" (filled by SQLite's words) becomes ours.
 */
static SyProgress
plan_next_try(SqliteSession *session, SyError *err)
{
	SyDeadline	now = sy_now_us();

	begin_waiting(session, now);
	if (now >= session->give_up_at)
	{
		session->waiting = false;
		sy_error_set(err, SY_ERROR_OVERLOAD, ERRCODE_LOCK_NOT_AVAILABLE,
					 "could not read from source \"%s\": the file is locked",
					 session->base.source->name);
		sy_error_detail(err, "Another program kept \"%s\" locked for the busy_timeout of %d ms.",
						session->file.path, session->busy_timeout_ms);
		return SY_FAILED;
	}
	session->try_again_at = Min(now + next_pause_us(session), session->give_up_at);
	return SY_BLOCKED;
}

/* Step the session's holder to its row, which takes the lock. */
static bool
step_holder(SqliteSession *session)
{
	return (session->holder != NULL ||
			sqlite3_prepare_v3(session->db, "PRAGMA main.schema_version", -1,
							   SQLITE_PREPARE_PERSISTENT, &session->holder, NULL) == SQLITE_OK) &&
		sqlite3_step(session->holder) == SQLITE_ROW;
}

/*
 * What is done before the first snapshot: learn the file's text encoding, and
 * replace the cache size that it names.  Not within the snapshot, since SQLite
 * from some version on (3.46 does, 3.40 does not) refuses to learn of UTF-16
 * while a statement is active.  An encoding never changes once there are
 * tables: "encoding_known" is set if there were any before it was learned.
 */
static bool
learn_encoding(SqliteSession *session, SyError *err)
{
	sqlite3_stmt *encoding = NULL;
	const char *name = NULL;

	if (session->encoding_known)
		return true;
	if (!sqlite_file_readable(session, err))
		return false;
	if (step_holder(session))
	{
		bool		has_tables = sqlite3_column_int(session->holder, 0) != 0;

		(void) sqlite3_reset(session->holder);
		if (!sqlite_file_readable(session, err))
			return false;
		if (sqlite3_prepare_v2(session->db, "PRAGMA encoding", -1, &encoding, NULL) == SQLITE_OK &&
			sqlite3_step(encoding) == SQLITE_ROW &&
			sqlite3_exec(session->db, CACHE_PRAGMA, NULL, NULL, NULL) == SQLITE_OK)
			name = (const char *) sqlite3_column_text(encoding, 0);
		if (name)
		{
			session->utf16 = strcmp(name, "UTF-8") != 0;
			session->encoding_known = has_tables;
		}
	}
	if (name == NULL)
		sqlite_error_set(session, err);
	(void) sqlite3_reset(session->holder);
	(void) sqlite3_finalize(encoding);
	return name != NULL;
}

/*
 * Hold the snapshot, and see whether what we know of tables still holds.
 * False: failed, and nothing is held.  Whether SQLite may touch the file must
 * be asked before each lock: the file may have become a WAL database.
 */
static bool
hold_snapshot(SqliteSession *session, SyError *err)
{
	int			version;

	if (!learn_encoding(session, err) || !sqlite_file_readable(session, err))
		return false;
	if (!step_holder(session))
	{
		sqlite_error_set(session, err);
		(void) sqlite3_reset(session->holder);
		return false;
	}
	version = sqlite3_column_int(session->holder, 0);
	if (version != 0 && !session->encoding_known)
	{
		/* The first tables came just now, and the encoding with them. */
		(void) sqlite3_reset(session->holder);
		return hold_snapshot(session, err);
	}
	if (version != session->schema_version)
	{
		session->tables = NULL;
		MemoryContextReset(session->tables_cxt);
		session->schema_version = version;
	}
	return true;
}

/*
 * May a program that writes only look as if it had died, or had shut us out?
 * SQLite asks whether the journal is there, whether its writer has the lock,
 * and what is in it, one after the other; a commit in between makes a journal
 * look abandoned.  A program that opens a log gives the files their rights when
 * it has made them, empties the index before it takes the lock to write that
 * anew, and only then says from where on it may be read.  Who may write the
 * files makes sure by the writer's lock.  A reader cannot, and must ask again.
 * (SQLite: hasHotJournal() in pager.c, robust_open() in os_unix.c,
 * walIndexReadHdr() and walTryBeginRead() in wal.c.)
 */
static bool
may_be_alive(SqliteSession *session)
{
	int			code = sqlite3_errcode(session->db) & 0xff;

	return (code == SQLITE_READONLY || code == SQLITE_CANTOPEN) &&
		(!session->waiting || session->suspicions < MAX_SUSPICIONS);
}

/*
 * Look soon again at what seems to be left behind.  Whether it is does not
 * depend on how long a lock is waited for: busy_timeout does not count.
 */
static SyProgress
plan_next_look(SqliteSession *session)
{
	SyDeadline	now = sy_now_us();

	begin_waiting(session, now);
	session->suspicions++;
	session->try_again_at = now + next_pause_us(session);
	return SY_BLOCKED;
}

/*
 * Take the snapshot if there is none yet.  SY_BLOCKED: the file is locked,
 * call again after the wait.
 */
SyProgress
sqlite_session_snapshot(SqliteSession *session, SyError *err)
{
	if (session->in_transaction)
		return SY_DONE;
	if (hold_snapshot(session, err))
	{
		session->in_transaction = true;
		session->waiting = false;
		session->deferred = sqlite_deferred_now(session->database);
		if (!session->deferred)
			session->locked_at = GetCurrentStatementStartTimestamp();
		return SY_DONE;
	}
	if (err->cls == SY_ERROR_SOURCE && may_be_alive(session))
		return plan_next_look(session);
	if (err->sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		return plan_next_try(session, err);
	session->waiting = false;
	return SY_FAILED;
}

/*
 * The same for one start of a scan that can begin again: "deferred" is set if
 * the lock may have been put off.
 */
SyProgress
sqlite_session_deferred_snapshot(SqliteSession *session, SyError *err)
{
	SyProgress	progress;

	if (session->isolation != SY_READ_COMMITTED || session->foreign || session->in_transaction ||
		session->locked_at != GetCurrentStatementStartTimestamp())
		return sqlite_session_snapshot(session, err);
	sqlite_deferred_allow(session->database, true);
	progress = sqlite_session_snapshot(session, err);
	sqlite_deferred_allow(session->database, false);
	if (progress == SY_DONE)
		return SY_DONE;
	session->waiting = false;
	session->locked_at = 0;
	sy_error_clear(err);
	return sqlite_session_snapshot(session, err);
}

/*
 * A snapshot without a lock did not last.  The next one will have a lock.
 */
void
sqlite_session_lose_snapshot(SqliteSession *session)
{
	(void) sqlite3_reset(session->holder);
	session->in_transaction = session->deferred = false;
	session->locked_at = 0;
}

/* Take the snapshot, waiting for it.  False: failed.  May throw. */
bool
sqlite_session_wait_snapshot(SqliteSession *session, SyError *err)
{
	SyProgress	progress;

	while ((progress = sqlite_session_snapshot(session, err)) == SY_BLOCKED)
		sqlite_host->wait(&session->base);
	return progress == SY_DONE;
}

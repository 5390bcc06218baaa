/*-------------------------------------------------------------------------
 *
 * job.c
 *	  One operation at a time on a session's coroutine, seen from the
 *	  backend's stack.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/job.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/*
 * Begin an operation; the session has none.  "command" (malloc'd) is taken
 * over; NULL: pay all debts.  The caller sets what else the job needs, then
 * calls mongo_job_advance().  receive() gets the outcome, from whoever
 * happens to finish the job.
 */
MongoJob *
mongo_job_begin(MongoSession *session, bson_t *command, MongoReadMode mode,
				MongoReceiver receive, void *owner)
{
	MongoJob   *job = &session->job;

	Assert(!job->active);
	if (command != NULL && session->client == NULL)
		mongo_hosts_recall(session);
	memset(job, 0, sizeof(*job));
	job->active = true;
	job->database = session->database;
	job->command = command;
	job->mode = mode;
	job->transaction = session->transaction;
	job->owner = owner;
	job->receive = receive;
	job->until = sy_deadline_in(session->base.source->connect_timeout_ms);
	job->bytes_before = session->wire.bytes_in;
	mongo_wire_begin(&session->wire);
	mongo_coroutine_start(session->wire.coroutine, mongo_attempt_main, session);
	return job;
}

/* Hand the outcome over; the session is free then. */
static void
mongo_job_finish(MongoSession *session)
{
	MongoJob   *job = &session->job;

	job->active = false;
	if (job->command != NULL)
		bson_destroy(job->command);
	job->command = NULL;
	if (job->owner != NULL)
		job->receive(job);
	mongo_batch_free(job->batch);
	job->batch = NULL;
	if (job->second != NULL)
		mongo_ticket_return(session, job->second, false);
	job->second = NULL;
}

/*
 * Go on with the job.  True: it is finished and its outcome was received.
 * False: the session is blocked, see mongo_wait().
 *
 * Without coroutines an interrupt ends the job; it is served here, so that
 * this may throw then (but for the paying of debts).
 */
bool
mongo_job_advance(MongoSession *session)
{
	int64		begun_us = sy_now_us();
	bool		is_over;

	Assert(session->job.active);
	session->draining = false;
	is_over = mongo_coroutine_resume(session->wire.coroutine);
	session->job.remote_us += sy_now_us() - begun_us;
	if (!is_over)
		return false;
	mongo_job_finish(session);
#if !MONGO_COROUTINES
	if (session->wire.refusal == MONGO_INTERRUPTED && session->job.owner != NULL)
		mongo_host->wait(&session->base);
#endif
	return true;
}

/*
 * Finish what is under way on the session: SY_DONE when it is free.  If the
 * wait for that is interrupted, the job is not the one to give up.
 */
SyProgress
mongo_job_acquire(MongoSession *session)
{
	if (!session->job.active || mongo_job_advance(session))
		return SY_DONE;
	session->draining = true;
	return SY_BLOCKED;
}

/* Give the job up: all its I/O fails from now on, so it ends at once. */
void
mongo_job_refuse(MongoSession *session, MongoRefusal refusal)
{
	if (!session->job.active)
		return;
	if (session->wire.refusal == MONGO_ACCEPTED)
		session->wire.refusal = refusal;
	while (!mongo_coroutine_resume(session->wire.coroutine))
		 /* it only unwinds */ ;
	mongo_job_finish(session);
}

/*-------------------------------------------------------------------------
 *
 * command.c
 *	  Commands outside scans, for IMPORT and ANALYZE: they wait where they are
 *	  called, with interrupts served.
 *
 * Never in the remote transaction of REPEATABLE READ, where most of these
 * commands are refused and an error would end it.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/command.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/* Outcome of a single command. */
typedef struct MongoAnswer
{
	bool		finished;
	bool		ok;
	MongoBatch *batch;
	MongoFailure failure;
} MongoAnswer;

/* Take the outcome. */
static void
mongo_answer_receive(MongoJob *job)
{
	MongoAnswer *answer = job->owner;

	answer->finished = true;
	answer->ok = job->ok;
	answer->failure = job->failure;
	answer->batch = job->batch;
	job->batch = NULL;
}

/* When the command is thrown away before it is finished. */
static void
mongo_answer_free(void *object)
{
	mongo_batch_free(((MongoAnswer *) object)->batch);
}

/* Can this command have a readConcern, and so our default one? */
static MongoReadMode
mongo_command_mode(const bson_t *command)
{
	return bson_has_field(command, "find") || bson_has_field(command, "aggregate") ?
		MONGO_READ_MAJORITY : MONGO_READ_NONE;
}

/* Wait until nothing is under way on the session. */
static void
mongo_wait_for_session(MongoSession *session)
{
	while (mongo_job_acquire(session) == SY_BLOCKED)
		mongo_host->wait(&session->base);
}

/* See mongodb.h. */
bool
mongo_command_run(SySession *base, bson_t *command, MongoDocument *reply, SyError *err)
{
	MongoSession *session = (MongoSession *) base;
	SyGuard    *command_guard = sy_guard_reserve(CurrentMemoryContext,
												 (void (*) (void *)) bson_destroy);
	MongoAnswer *answer;
	SyGuard    *guard;
	uint8_t    *copy;

	sy_error_clear(err);
	command_guard->object = command;
	answer = palloc0(sizeof(MongoAnswer));
	guard = sy_guard_reserve(CurrentMemoryContext, mongo_answer_free);
	guard->object = answer;
	mongo_wait_for_session(session);

	(void) mongo_job_begin(session, command, mongo_command_mode(command),
						   mongo_answer_receive, answer);
	command_guard->object = NULL;
	session->job.fresh_start = true;
	while (!answer->finished && !mongo_job_advance(session))
		mongo_host->wait(base);
	if (!answer->ok)
	{
		mongo_error_fill(session, &answer->failure, err);
		sy_guard_release(guard);
		return false;
	}
	copy = palloc(answer->batch->reply.len);
	memcpy(copy, bson_get_data(&answer->batch->reply), answer->batch->reply.len);
	reply->data = copy;
	reply->length = answer->batch->reply.len;
	sy_guard_release(guard);
	return true;
}

/* See mongodb.h. */
MongoCursor *
mongo_cursor_open(SySession *base, bson_t *command, SyError *err)
{
	MongoSession *session = (MongoSession *) base;
	SyGuard    *guard = sy_guard_reserve(CurrentMemoryContext, (void (*) (void *)) bson_destroy);
	MongoCursor *cursor;

	sy_error_clear(err);
	guard->object = command;
	cursor = mongo_cursor_create(session, CurrentMemoryContext);
	guard->object = NULL;
	mongo_cursor_prepare(cursor, command, mongo_command_mode(command));
	for (;;)
	{
		switch (mongo_cursor_start(cursor, err))
		{
			case SY_DONE:
				return cursor;
			case SY_BLOCKED:
				mongo_host->wait(base);
				break;
			default:
				mongo_cursor_drop(cursor);
				return NULL;
		}
	}
}

/* See mongodb.h. */
bool
mongo_cursor_next(MongoCursor *cursor, MongoDocument *document, SyError *err)
{
	sy_error_clear(err);
	for (;;)
	{
		switch (mongo_cursor_fetch(cursor, document, err))
		{
			case SY_ROW:
				return true;
			case SY_BLOCKED:
				mongo_host->wait(&cursor->session->base);
				break;
			default:
				mongo_cursor_drop(cursor);
				return false;
		}
	}
}

/* See mongodb.h. */
void
mongo_cursor_close(MongoCursor *cursor)
{
	mongo_cursor_drop(cursor);
}

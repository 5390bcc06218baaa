/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  A command that answers with a cursor, and its getMores.
 *
 * Run by hand instead of with mongoc_cursor_t: the next getMore is sent
 * before the documents of the last batch are looked at, the end is checked,
 * and nothing is killed behind our back.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "session.h"

/* What a batch should take, and the server's own choice for a first batch. */
#define MONGO_BATCH_BYTES	(1024 * 1024)
#define MONGO_FIRST_BATCH	101
#define MONGO_LARGEST_BATCH	100000

/* The server's codes for a cursor that does not exist any more. */
#define CURSOR_NOT_FOUND	43
#define CURSOR_KILLED		237

/* An empty batch.  libbson and we alike abort when malloc() fails. */
MongoBatch *
mongo_batch_new(void)
{
	void	   *memory;

	if (posix_memalign(&memory, Max(_Alignof(MongoBatch), sizeof(void *)),
					   sizeof(MongoBatch)) != 0)
		abort();
	((MongoBatch *) memory)->filled = false;
	return memory;
}

/* NULL is allowed. */
void
mongo_batch_free(MongoBatch *batch)
{
	if (batch == NULL)
		return;
	if (batch->filled)
		bson_destroy(&batch->reply);
	free(batch);
}

/* When the cursor's memory goes away: free what malloc() gave. */
static void
mongo_cursor_free(void *object)
{
	MongoCursor *cursor = object;

	mongo_cursor_drop(cursor);
	mongo_batch_free(cursor->batch);
	mongo_batch_free(cursor->next);
	if (cursor->command != NULL)
		bson_destroy(cursor->command);
}

/* A cursor in "cxt", which owns it.  No contact. */
MongoCursor *
mongo_cursor_create(MongoSession *session, MemoryContext cxt)
{
	MongoCursor *cursor = MemoryContextAllocZero(cxt, sizeof(MongoCursor));
	SyGuard    *guard = sy_guard_reserve(cxt, mongo_cursor_free);

	cursor->session = session;
	cursor->cxt = cxt;
	cursor->prefetch = true;
	guard->object = cursor;
	return cursor;
}

/* Forget the last run's batches. */
static void
mongo_cursor_clear(MongoCursor *cursor)
{
	mongo_batch_free(cursor->batch);
	mongo_batch_free(cursor->next);
	cursor->batch = NULL;
	cursor->next = NULL;
}

/*
 * Give up what the cursor has on the server, now or when the reply that is
 * under way has come: it becomes a debt.  No wait, no throw.
 */
void
mongo_cursor_drop(MongoCursor *cursor)
{
	MongoSession *session = cursor->session;

	if (!cursor->linked)
		return;
	if (session->job.active && session->job.owner == cursor)
	{
		session->job.owner = NULL;
		cursor->ticket = session->job.ticket;
	}
	dlist_delete(&cursor->node);
	cursor->linked = false;
	if (cursor->ticket != NULL)
		mongo_ticket_return(session, cursor->ticket, cursor->id != 0 || cursor->fetching);
	cursor->ticket = NULL;
	cursor->fetching = false;
	cursor->id = 0;
}

/* Begin a new run with this command, which is taken over. */
void
mongo_cursor_prepare(MongoCursor *cursor, bson_t *command, MongoReadMode mode)
{
	mongo_cursor_drop(cursor);
	mongo_cursor_clear(cursor);
	if (cursor->command != NULL)
		bson_destroy(cursor->command);
	cursor->command = command;
	cursor->mode = mode;
	cursor->state = MONGO_CURSOR_NEW;
	cursor->failed = false;
	cursor->ticket = mongo_ticket_take(cursor->session);
	dlist_push_tail(&cursor->session->cursors, &cursor->node);
	cursor->linked = true;
}

/* The reply makes no sense. */
static bool
mongo_cursor_garbled(MongoCursor *cursor)
{
	memset(&cursor->failure, 0, sizeof(cursor->failure));
	cursor->failure.fault = MONGO_FAULT_LOST;
	strlcpy(cursor->failure.error.message, "the reply is not a cursor's",
			sizeof(cursor->failure.error.message));
	return false;
}

/* Take "ns" of the first reply apart; getMore wants the collection alone. */
static bool
mongo_cursor_set_collection(MongoCursor *cursor, const bson_iter_t *ns)
{
	const char *name = bson_iter_utf8(ns, NULL);
	const char *dot = strchr(name, '.');

	return dot != NULL &&
		strlcpy(cursor->collection, dot + 1, sizeof(cursor->collection)) <
		sizeof(cursor->collection);
}

/* The instant that the first read of a snapshot was given. */
static void
mongo_cursor_set_snapshot(MongoSession *session, const bson_iter_t *time)
{
	bson_iter_timestamp(time, &session->snapshot_time, &session->snapshot_increment);
	session->have_snapshot = true;
}

/* Find id and documents in the reply; false: it is garbled. */
static bool
mongo_cursor_open_batch(MongoCursor *cursor, MongoBatch *batch)
{
	bson_iter_t top;
	bson_iter_t iter;
	bool		first = cursor->state != MONGO_CURSOR_READING;
	bool		have_id = false;
	bool		have_rows = false;
	bool		have_name = !first;

	if (!bson_iter_init_find(&top, &batch->reply, "cursor") ||
		!BSON_ITER_HOLDS_DOCUMENT(&top) || !bson_iter_recurse(&top, &iter))
		return false;
	while (bson_iter_next(&iter))
	{
		const char *key = bson_iter_key(&iter);

		if (strcmp(key, "id") == 0 && (have_id = BSON_ITER_HOLDS_INT(&iter)))
			cursor->id = bson_iter_as_int64(&iter);
		else if (first && strcmp(key, "ns") == 0 && BSON_ITER_HOLDS_UTF8(&iter))
			have_name = mongo_cursor_set_collection(cursor, &iter);
		else if (strcmp(key, first ? "firstBatch" : "nextBatch") == 0 &&
				 BSON_ITER_HOLDS_ARRAY(&iter))
			have_rows = bson_iter_recurse(&iter, &batch->rows);
		else if (strcmp(key, "atClusterTime") == 0 && BSON_ITER_HOLDS_TIMESTAMP(&iter) &&
				 cursor->mode == MONGO_READ_SNAPSHOT && !cursor->session->have_snapshot)
			mongo_cursor_set_snapshot(cursor->session, &iter);
	}
	return have_id && have_rows && have_name;
}

/*
 * After the server answered with an error: is there no cursor on it?  A
 * getMore may be refused before it gets as far as that.
 */
static bool
mongo_cursor_is_gone(const MongoCursor *cursor)
{
	int			code = (int) cursor->failure.error.code;

	return cursor->state != MONGO_CURSOR_READING || code == CURSOR_NOT_FOUND ||
		code == CURSOR_KILLED;
}

/*
 * A command of the cursor ended, well or not.  After a failure the server may
 * still be at work, unless it was the server that said so.
 */
static void
mongo_cursor_receive(MongoJob *job)
{
	MongoCursor *cursor = job->owner;

	cursor->fetching = false;
	cursor->ticket = job->ticket;
	cursor->counters.bytes += job->bytes;
	cursor->counters.remote_us += job->remote_us;
	cursor->mode = job->mode;
	if (job->ok || job->failure.fault == MONGO_FAULT_SERVER)
		cursor->counters.round_trips++;
	if (job->ok)
	{
		cursor->server_id = job->answered_by;
		cursor->client_number = cursor->session->client_number;
		cursor->next = job->batch;
		job->batch = NULL;
		cursor->failed = !mongo_cursor_open_batch(cursor, cursor->next) &&
			!mongo_cursor_garbled(cursor);
		cursor->state = MONGO_CURSOR_READING;
		return;
	}
	cursor->failed = true;
	cursor->failure = job->failure;
	if (job->failure.fault == MONGO_FAULT_SERVER)
	{
		if (mongo_cursor_is_gone(cursor))
			cursor->id = 0;
	}
	else if (job->sent)
	{
		mongo_ticket_return(cursor->session, cursor->ticket, true);
		cursor->ticket = NULL;
	}
}

/* How many documents the next batch should have. */
static int64
mongo_cursor_batch_size(const MongoCursor *cursor)
{
	int64		mean;

	if (cursor->fetch_size > 0)
		return cursor->fetch_size;
	if (cursor->documents == 0)
		return MONGO_FIRST_BATCH;
	mean = Max(cursor->document_bytes / cursor->documents, 1);
	return Min(Max(MONGO_BATCH_BYTES / mean, 1), MONGO_LARGEST_BATCH);
}

/* Send a getMore; the session is free.  Sent, not answered. */
static void
mongo_cursor_get_more(MongoCursor *cursor)
{
	MongoSession *session = cursor->session;
	bson_t	   *command = bson_new();
	MongoJob   *job;

	BSON_APPEND_INT64(command, "getMore", cursor->id);
	BSON_APPEND_UTF8(command, "collection", cursor->collection);
	BSON_APPEND_INT64(command, "batchSize", mongo_cursor_batch_size(cursor));
	job = mongo_job_begin(session, command, cursor->mode, mongo_cursor_receive, cursor);
	job->ticket = cursor->ticket;
	job->server_id = cursor->server_id;
	cursor->fetching = true;
	(void) mongo_job_advance(session);
}

/* Start a getMore if that is possible and wise now. */
static void
mongo_cursor_prefetch(MongoCursor *cursor)
{
	if (cursor->prefetch && cursor->id != 0 && !cursor->session->job.active &&
		cursor->client_number == cursor->session->client_number)
		mongo_cursor_get_more(cursor);
}

/* Learn the documents' size from a first batch, which nobody has read yet. */
static void
mongo_cursor_measure(MongoCursor *cursor)
{
	bson_iter_t rows = cursor->batch->rows;
	const uint8_t *data;
	uint32_t	length;

	while (bson_iter_next(&rows))
	{
		if (!BSON_ITER_HOLDS_DOCUMENT(&rows))
			break;
		bson_iter_document(&rows, &length, &data);
		cursor->documents++;
		cursor->document_bytes += length;
	}
}

/*
 * Go on to the batch that was received, and ask for the one after it before
 * anything else.
 */
static void
mongo_cursor_next_batch(MongoCursor *cursor)
{
	mongo_batch_free(cursor->batch);
	cursor->batch = cursor->next;
	cursor->next = NULL;
	if (cursor->id != 0 && cursor->fetch_size == 0 && cursor->documents == 0)
		mongo_cursor_measure(cursor);
	mongo_cursor_prefetch(cursor);
}

/* Say why the cursor failed. */
static SyProgress
mongo_cursor_fail(MongoCursor *cursor, SyError *err)
{
	mongo_error_fill(cursor->session, &cursor->failure, err);
	return SY_FAILED;
}

/* Add the size of the first batch and our limit on time to the command. */
static void
mongo_cursor_complete(MongoCursor *cursor)
{
	const SySource *source = cursor->session->base.source;
	bson_t	   *command = cursor->command;
	int64		size = cursor->fetch_size > 0 ? cursor->fetch_size : MONGO_FIRST_BATCH;
	bson_iter_t iter;
	bson_t		options;

	if (bson_has_field(command, "find"))
	{
		if (bson_iter_init_find(&iter, command, "limit") && cursor->fetch_size == 0 &&
			bson_iter_as_int64(&iter) > 0 && bson_iter_as_int64(&iter) < 1000)
			size = bson_iter_as_int64(&iter) + 1;	/* one more: it closes itself */
		BSON_APPEND_INT64(command, "batchSize", size);
	}
	else
	{
		BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &options);
		if (cursor->fetch_size > 0 || bson_has_field(command, "aggregate"))
			BSON_APPEND_INT64(&options, "batchSize", size);
		bson_append_document_end(command, &options);
	}
	if (source->query_timeout_ms > 0 && source->query_timeout_ms <= MONGO_MAX_TIME_MS)
		BSON_APPEND_INT32(command, "maxTimeMS", source->query_timeout_ms);
}

/*
 * Send the command and take its first reply.  SY_BLOCKED: wait and call
 * again.  SY_DONE: documents can be fetched.
 */
SyProgress
mongo_cursor_start(MongoCursor *cursor, SyError *err)
{
	MongoSession *session = cursor->session;

	if (cursor->state == MONGO_CURSOR_NEW)
	{
		MongoTicket *second;
		MongoJob   *job;

		if (mongo_job_acquire(session) == SY_BLOCKED)
			return SY_BLOCKED;
		second = mongo_ticket_take(session);
		mongo_cursor_complete(cursor);
		job = mongo_job_begin(session, cursor->command, cursor->mode,
							  mongo_cursor_receive, cursor);
		cursor->command = NULL;
		job->ticket = cursor->ticket;
		job->second = second;
		job->fresh_start = true;
		cursor->fetching = true;
		cursor->state = MONGO_CURSOR_STARTING;
	}
	if (cursor->fetching && !mongo_job_advance(session))
		return SY_BLOCKED;
	if (cursor->failed)
		return mongo_cursor_fail(cursor, err);
	mongo_cursor_next_batch(cursor);
	return SY_DONE;
}

/* The next document of the batch; false: there is none in it. */
static bool
mongo_cursor_read(MongoCursor *cursor, MongoDocument *document)
{
	bson_iter_t *rows = &cursor->batch->rows;

	if (!bson_iter_next(rows))
	{
		if (rows->err_off != 0)
			cursor->failed = !mongo_cursor_garbled(cursor);
		return false;
	}
	if (!BSON_ITER_HOLDS_DOCUMENT(rows))
	{
		cursor->failed = !mongo_cursor_garbled(cursor);
		return false;
	}
	bson_iter_document(rows, &document->length, &document->data);
	return true;
}

/*
 * The next document: SY_ROW, valid until the next call; SY_DONE at the end,
 * SY_BLOCKED: wait and call again.  A failure of the batch that was asked for
 * ahead of time shows only after the documents before it.
 */
SyProgress
mongo_cursor_fetch(MongoCursor *cursor, MongoDocument *document, SyError *err)
{
	MongoSession *session = cursor->session;

	for (;;)
	{
		if (cursor->batch != NULL && mongo_cursor_read(cursor, document))
			return SY_ROW;
		if (cursor->failed)
			return mongo_cursor_fail(cursor, err);
		if (cursor->next != NULL)
			mongo_cursor_next_batch(cursor);
		else if (cursor->fetching)
		{
			if (!mongo_job_advance(session))
				return SY_BLOCKED;
		}
		else if (cursor->id == 0)
			return SY_DONE;
		else if (mongo_job_acquire(session) == SY_BLOCKED)
			return SY_BLOCKED;
		else if (cursor->client_number != session->client_number)
		{
			memset(&cursor->failure, 0, sizeof(cursor->failure));
			cursor->failure.fault = MONGO_FAULT_CURSOR_LOST;
			cursor->failed = true;
		}
		else
			mongo_cursor_get_more(cursor);
	}
}

/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Is the server well, and how large is what it holds?
 *
 * hello and buildInfo need no login and no right at all; dbStats and
 * listCollections need the role "read" on the database.  What the user may
 * not ask is left unknown, with the reason.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/probe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "session.h"

#define CODE_COMMAND_NOT_FOUND	59

/* Forget the probe in progress, if there is one.  No wait, no throw. */
void
mongo_probe_end(MongoSession *session)
{
	MongoProbe *probe = &session->probe;

	mongo_batch_free(probe->batch);
	probe->batch = NULL;
	if (probe->cxt != NULL)
		MemoryContextDelete(probe->cxt);
	probe->cxt = NULL;
	probe->others = NIL;
	probe->cursor = NULL;
	probe->ping = NULL;
	probe->size = NULL;
	probe->stage = MONGO_PROBE_NONE;
}

/* A command's outcome is kept for mongo_step(). */
static void
mongo_probe_receive(MongoJob *job)
{
	MongoProbe *probe = job->owner;

	probe->finished = true;
	probe->ok = job->ok;
	probe->failure = job->failure;
	mongo_batch_free(probe->batch);
	probe->batch = job->batch;
	job->batch = NULL;
}

/* Go on to another stage, whose command is sent next. */
static SyProgress
mongo_probe_go(MongoProbe *probe, MongoProbeStage stage)
{
	mongo_batch_free(probe->batch);
	probe->batch = NULL;
	probe->stage = stage;
	probe->begun = false;
	probe->finished = false;
	return SY_ROW;
}

/* The command of the present stage, and its database; from bson_new(). */
static bson_t *
mongo_probe_command(MongoSession *session, const char **database)
{
	MongoProbe *probe = &session->probe;
	bson_t	   *command = bson_new();

	*database = "admin";
	switch (probe->stage)
	{
		case MONGO_PROBE_HELLO:
			BSON_APPEND_INT32(command, "hello", 1);
			break;
		case MONGO_PROBE_VERSION:
			BSON_APPEND_INT32(command, "buildInfo", 1);
			break;
		case MONGO_PROBE_DATABASES:
			BSON_APPEND_INT32(command, "listDatabases", 1);
			BSON_APPEND_BOOL(command, "nameOnly", true);
			BSON_APPEND_BOOL(command, "authorizedDatabases", false);
			break;
		default:
			*database = probe->stage == MONGO_PROBE_STATS ? session->database :
				(const char *) linitial(probe->others);
			BSON_APPEND_INT32(command, "dbStats", 1);
			BSON_APPEND_INT32(command, "freeStorage", 1);
			break;
	}
	return command;
}

/* The text of a field of the reply; NULL: it is not there. */
static const char *
mongo_probe_text(const MongoProbe *probe, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, &probe->batch->reply, name) &&
		BSON_ITER_HOLDS_UTF8(&iter) ? bson_iter_utf8(&iter, NULL) : NULL;
}

/* Is a boolean field of the reply there and true? */
static bool
mongo_probe_flag(const MongoProbe *probe, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, &probe->batch->reply, name) &&
		BSON_ITER_HOLDS_BOOL(&iter) && bson_iter_bool(&iter);
}

/*
 * A number of the reply, which may be a double; -1: it is not there, or is
 * none that a size can be.
 */
static int64
mongo_probe_number(const MongoProbe *probe, const char *name)
{
	bson_iter_t iter;
	double		number;

	if (!bson_iter_init_find(&iter, &probe->batch->reply, name))
		return -1;
	if (BSON_ITER_HOLDS_INT(&iter))
		return Max(bson_iter_as_int64(&iter), -1);
	if (!BSON_ITER_HOLDS_DOUBLE(&iter))
		return -1;
	number = bson_iter_double(&iter);
	return number >= 0 && number < 9e18 ? (int64) number : -1;
}

/* The command failed: the probe does. */
static SyProgress
mongo_probe_fail(MongoSession *session, SyError *err)
{
	mongo_error_fill(session, &session->probe.failure, err);
	return SY_FAILED;
}

/*
 * A command of the sample failed.  If the server only refused it, note that
 * "what" is unknown for that reason and return true.
 */
static bool
mongo_probe_refused(MongoSession *session, const char *what, const MongoFailure *failure)
{
	SySize	   *size = session->probe.size;
	SyErrorClass cls;

	if (failure->fault != MONGO_FAULT_SERVER)
		return false;
	(void) mongo_error_sqlstate((int) failure->error.code, failure->error.message, &cls);
	if (cls == SY_ERROR_SOURCE)
		return false;
	if (size->degraded[0] == '\0')
		snprintf(size->degraded, sizeof(size->degraded), "the server refused %s (code %d%s%s)",
				 what, (int) failure->error.code,
				 failure->code_name[0] ? ", " : "", failure->code_name);
	return true;
}

/*
 * Take the answer to hello.  A connection that was kept may lead to a server
 * that is the primary no more: look for the new one then, once, unless
 * somebody still reads over it.
 */
static SyProgress
mongo_probe_take_hello(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;
	bool		writable;

	if (!probe->ok && (probe->failure.fault != MONGO_FAULT_SERVER ||
					   probe->failure.error.code != CODE_COMMAND_NOT_FOUND))
		return mongo_probe_fail(session, err);
	if (probe->ok)
	{
		writable = mongo_probe_flag(probe, "isWritablePrimary");
		if (!writable && session->primary_only && !session->takes_no_writes &&
			!probe->reselected && session->transaction == NULL &&
			dlist_is_empty(&session->cursors))
		{
			probe->reselected = true;
			mongo_client_drop(session);
			return mongo_probe_go(probe, MONGO_PROBE_HELLO);
		}
		if (session->primary_only)
			session->takes_no_writes = !writable || mongo_probe_flag(probe, "readOnly");
	}
	if (probe->version_of != session->client_number)
		return mongo_probe_go(probe, MONGO_PROBE_VERSION);
	return SY_DONE;
}

/* Take the answer to buildInfo; a server may keep its version to itself. */
static SyProgress
mongo_probe_take_version(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;
	const char *version;

	if (!probe->ok && probe->failure.fault != MONGO_FAULT_SERVER)
		return mongo_probe_fail(session, err);
	version = probe->ok ? mongo_probe_text(probe, "version") : NULL;
	if (version != NULL)
		strlcpy(session->facts.version, version, sizeof(session->facts.version));
	probe->version_of = session->client_number;
	return SY_DONE;
}

/*
 * What the metric makes of the answer to dbStats.  Storage that is free for
 * further documents is not occupied, as far as the server tells.
 */
static int64
mongo_probe_bytes(const MongoSession *session)
{
	const MongoProbe *probe = &session->probe;
	int64		indexes = mongo_probe_number(probe, "indexSize");
	int64		data = mongo_probe_number(probe, "dataSize");
	int64		total = mongo_probe_number(probe, "totalSize");
	int64		unused = mongo_probe_number(probe, "totalFreeStorageSize");

	if (!session->base.source->size_of_storage)
		return data < 0 || indexes < 0 ? -1 : data + indexes;
	if (total < 0)
		return -1;
	return unused > 0 && unused <= total ? total - unused : total;
}

/*
 * How many documents the database holds.  The server counts those of
 * system.views as well: one for each view and each time series.
 */
static int64
mongo_probe_rows(const MongoProbe *probe)
{
	int64		objects = mongo_probe_number(probe, "objects");
	int64		views = mongo_probe_number(probe, "views");

	return views > 0 && views <= objects ? objects - views : objects;
}

/* Take the answer to dbStats of the session's database. */
static SyProgress
mongo_probe_take_stats(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;

	if (!probe->ok && !mongo_probe_refused(session, "the statistics of the database", &probe->failure))
		return mongo_probe_fail(session, err);
	if (probe->ok)
	{
		probe->size->rows = mongo_probe_rows(probe);
		probe->size->bytes = mongo_probe_bytes(session);
	}
	return mongo_probe_go(probe, probe->size->bytes >= 0 && session->base.source->size_of_cluster ?
						  MONGO_PROBE_DATABASES : MONGO_PROBE_COLLECTIONS);
}

/*
 * Take the answer to listDatabases: all of them but the session's own, which
 * was asked already, and the server's own.
 */
static SyProgress
mongo_probe_take_databases(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;
	bson_iter_t databases;
	bson_iter_t database;
	bson_iter_t name;
	MemoryContext caller;

	if (!probe->ok)
	{
		if (!mongo_probe_refused(session, "the list of databases", &probe->failure))
			return mongo_probe_fail(session, err);
		probe->size->bytes = -1;
		return mongo_probe_go(probe, MONGO_PROBE_COLLECTIONS);
	}
	if (!bson_iter_init_find(&databases, &probe->batch->reply, "databases") ||
		!BSON_ITER_HOLDS_ARRAY(&databases) || !bson_iter_recurse(&databases, &database))
		probe->size->bytes = -1;
	else
	{
		caller = MemoryContextSwitchTo(probe->cxt);
		while (bson_iter_next(&database))
		{
			const char *text;

			if (!BSON_ITER_HOLDS_DOCUMENT(&database) || !bson_iter_recurse(&database, &name) ||
				!bson_iter_find(&name, "name") || !BSON_ITER_HOLDS_UTF8(&name))
				continue;
			text = bson_iter_utf8(&name, NULL);
			if (strcmp(text, session->database) != 0 && strcmp(text, "local") != 0 &&
				strcmp(text, "config") != 0)
				probe->others = lappend(probe->others, pstrdup(text));
		}
		MemoryContextSwitchTo(caller);
	}
	return mongo_probe_go(probe, probe->others != NIL ? MONGO_PROBE_OTHER_STATS :
						  MONGO_PROBE_COLLECTIONS);
}

/* Take the answer to dbStats of another database: add it, or give the sum up. */
static SyProgress
mongo_probe_take_other_stats(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;
	int64		bytes = -1;

	if (probe->ok)
		bytes = mongo_probe_bytes(session);
	else if (!mongo_probe_refused(session, "the statistics of another database", &probe->failure))
		return mongo_probe_fail(session, err);
	if (bytes < 0)
	{
		probe->size->bytes = -1;
		return mongo_probe_go(probe, MONGO_PROBE_COLLECTIONS);
	}
	probe->size->bytes += bytes;
	probe->others = list_delete_first(probe->others);
	return mongo_probe_go(probe, probe->others != NIL ? MONGO_PROBE_OTHER_STATS :
						  MONGO_PROBE_COLLECTIONS);
}

/* A cursor for the names of what holds documents. */
static void
mongo_probe_open_cursor(MongoSession *session)
{
	MongoProbe *probe = &session->probe;
	bson_t	   *command;
	bson_t		filter;
	bson_t		type;
	bson_t		words;

	probe->cursor = mongo_cursor_create(session, probe->cxt);
	command = bson_new();
	BSON_APPEND_INT32(command, "listCollections", 1);
	BSON_APPEND_BOOL(command, "nameOnly", true);
	BSON_APPEND_DOCUMENT_BEGIN(command, "filter", &filter);
	BSON_APPEND_DOCUMENT_BEGIN(&filter, "type", &type);
	mongo_array_begin(&type, "$in", &words);
	BSON_APPEND_UTF8(&words, "0", "collection");
	BSON_APPEND_UTF8(&words, "1", "timeseries");
	bson_append_array_end(&type, &words);
	bson_append_document_end(&filter, &type);
	bson_append_document_end(command, &filter);
	mongo_cursor_prepare(probe->cursor, command, MONGO_READ_NONE);
}

/* Count the collections; the server's own are none of them. */
static SyProgress
mongo_probe_count_collections(MongoSession *session, SyError *err)
{
	MongoProbe *probe = &session->probe;
	MongoCursor *cursor = probe->cursor;
	MongoDocument document;
	SyProgress	progress = SY_DONE;

	if (cursor == NULL)
	{
		mongo_probe_open_cursor(session);
		cursor = probe->cursor;
	}
	if (cursor->state != MONGO_CURSOR_READING || cursor->batch == NULL)
		progress = mongo_cursor_start(cursor, err);
	if (progress == SY_DONE)
	{
		probe->size->tables = Max(probe->size->tables, 0);
		while ((progress = mongo_cursor_fetch(cursor, &document, err)) == SY_ROW)
		{
			bson_t		row;
			bson_iter_t iter;

			if (bson_init_static(&row, document.data, document.length) &&
				bson_iter_init_find(&iter, &row, "name") && BSON_ITER_HOLDS_UTF8(&iter) &&
				strncmp(bson_iter_utf8(&iter, NULL), "system.", 7) != 0)
				probe->size->tables++;
		}
	}
	if (progress != SY_FAILED)
		return progress;
	probe->size->tables = -1;
	return mongo_probe_refused(session, "the list of collections", &cursor->failure) ?
		SY_DONE : SY_FAILED;
}

/* Take the answer to the stage's command; SY_ROW: go on with the next stage. */
static SyProgress
mongo_probe_take(MongoSession *session, SyError *err)
{
	switch (session->probe.stage)
	{
		case MONGO_PROBE_HELLO:
			return mongo_probe_take_hello(session, err);
		case MONGO_PROBE_VERSION:
			return mongo_probe_take_version(session, err);
		case MONGO_PROBE_STATS:
			return mongo_probe_take_stats(session, err);
		case MONGO_PROBE_DATABASES:
			return mongo_probe_take_databases(session, err);
		default:
			return mongo_probe_take_other_stats(session, err);
	}
}

/* Send the stage's command, if the session is free for it. */
static SyProgress
mongo_probe_begin(MongoSession *session)
{
	const char *database;
	bson_t	   *command;

	if (mongo_job_acquire(session) == SY_BLOCKED)
		return SY_BLOCKED;
	command = mongo_probe_command(session, &database);
	mongo_job_begin(session, command, MONGO_READ_NONE, mongo_probe_receive, &session->probe);
	session->job.database = database;
	session->job.fresh_start = true;
	session->probe.begun = true;
	return SY_DONE;
}

/* The ping has been answered. */
static void
mongo_probe_answer(MongoSession *session)
{
	SyPing	   *ping = session->probe.ping;

	if (ping == NULL)
		return;
	strlcpy(ping->server_version, session->facts.version, sizeof(ping->server_version));
	strlcpy(ping->database, session->database, sizeof(ping->database));
	ping->read_only = session->takes_no_writes;
	strlcpy(ping->hosts, session->found, sizeof(ping->hosts));
}

/* The driver's member: go on with ping() or sample(). */
SyProgress
mongo_step(SySession *base, SyError *err)
{
	MongoSession *session = (MongoSession *) base;
	MongoProbe *probe = &session->probe;
	SyProgress	progress;

	do
	{
		if (probe->stage == MONGO_PROBE_COLLECTIONS)
			progress = mongo_probe_count_collections(session, err);
		else if (!probe->begun && mongo_probe_begin(session) == SY_BLOCKED)
			progress = SY_BLOCKED;
		else if (!probe->finished && !mongo_job_advance(session))
			progress = SY_BLOCKED;
		else
			progress = mongo_probe_take(session, err);
	} while (progress == SY_ROW);

	if (progress == SY_DONE)
		mongo_probe_answer(session);
	if (progress != SY_BLOCKED)
		mongo_probe_end(session);
	return progress;
}

/* The driver's member: see source/driver.h. */
SyProgress
mongo_ping(SySession *base, SyPing *result, SyError *err)
{
	MongoSession *session = (MongoSession *) base;

	mongo_probe_end(session);
	session->looks_up = true;
	session->probe.ping = result;
	session->probe.reselected = false;
	(void) mongo_probe_go(&session->probe, MONGO_PROBE_HELLO);
	return mongo_step(base, err);
}

/* The driver's member: see source/driver.h. */
SyProgress
mongo_sample(SySession *base, SySize *result, SyError *err)
{
	MongoSession *session = (MongoSession *) base;

	mongo_probe_end(session);
	result->tables = -1;
	result->rows = -1;
	result->bytes = -1;
	result->degraded[0] = '\0';
	session->probe.cxt = AllocSetContextCreate(session->base.cxt, "switchyard mongodb sample",
											   ALLOCSET_SMALL_SIZES);
	session->probe.size = result;
	(void) mongo_probe_go(&session->probe, MONGO_PROBE_STATS);
	return mongo_step(base, err);
}

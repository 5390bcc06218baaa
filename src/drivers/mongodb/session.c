/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Sessions: creation, end, transactions.
 *
 * A session is a libmongoc client of one user mapping.  The client connects
 * within the first job; one that could not is thrown away, since the library
 * would refuse to look at the server again for seconds.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "session.h"

/* What the server is, as far as this session knows. */
const MongoServerFacts *
mongo_session_facts(SySession *session)
{
	return &((MongoSession *) session)->facts;
}

/* The database's name, in UTF-8. */
const char *
mongo_session_database(SySession *session)
{
	return ((MongoSession *) session)->database;
}

/* The driver's member: one session for each user mapping. */
bool
mongo_session_key(const SySource *source, SySessionKey *key, SyError *err)
{
	if (!mongo_check_login(source, err))
		return false;
	memset(key, 0, sizeof(*key));
	key->a = ((uint64) source->serverid << 32) | source->umid;
	key->b = OidIsValid(source->umid) ? 0 : source->userid;
	return true;
}

/*
 * The database to use: the option, or the one that the URI names.  In UTF-8,
 * allocated in "cxt"; NULL: there is none.
 */
static char *
mongo_choose_database(const SySource *source, const mongoc_uri_t *uri, MemoryContext cxt)
{
	const char *option = sy_options_get(&source->options, "database");
	const char *named = mongoc_uri_get_database(uri);

	if (option != NULL)
		return MemoryContextStrdup(cxt, mongo_to_utf8(option));
	return named ? MemoryContextStrdup(cxt, named) : NULL;
}

/* Set what the URI and the options decide; false: "err" is set. */
static bool
mongo_session_configure(MongoSession *session, SyError *err)
{
	const SySource *source = session->base.source;
	const mongoc_uri_t *uri = session->uri;
	const char *transactions = sy_options_get(&source->options, "transactions");
	const char *level = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_READCONCERNLEVEL, NULL);
	const mongoc_read_prefs_t *preference = mongoc_uri_get_read_prefs_t(uri);

	session->database = mongo_choose_database(source, uri, session->base.cxt);
	if (session->database == NULL)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
					 "source \"%s\" has no database", source->name);
		sy_error_hint(err, "Set option \"database\" of the server.");
		return false;
	}
	session->srv = mongoc_uri_get_srv_hostname(uri);
	if (session->srv != NULL)
		session->srv_rest = mongo_uri_rest(source, session->base.cxt);
	session->read_concern = MemoryContextStrdup(session->base.cxt, level ? level : "majority");
	session->transactions = transactions == NULL || strcmp(transactions, "off") != 0;
	session->primary_only = preference == NULL ||
		mongoc_read_prefs_get_mode(preference) == MONGOC_READ_PRIMARY;
	mongo_uri_tls(source, uri, &session->wire, session->base.cxt);
	return true;
}

/* The driver's member: see source/driver.h. */
SySession *
mongo_session_create(const SySource *source, MemoryContext cxt, SyError *err)
{
	MongoSession *session = MemoryContextAllocZero(cxt, sizeof(MongoSession));
	SyGuard    *guard = sy_guard_reserve(cxt, (void (*) (void *)) mongoc_uri_destroy);

	session->base.driver = source->driver;
	session->base.source = source;
	session->base.cxt = cxt;
	dlist_init(&session->owed);
	dlist_init(&session->spare);
	dlist_init(&session->cursors);
	slist_init(&session->tickets);
	session->wire.wait_in_place = mongo_host->wait_quietly;

	session->uri = mongo_uri_build(source, err);
	guard->object = session->uri;
	if (session->uri == NULL || !mongo_session_configure(session, err))
		return NULL;
	session->wire.coroutine = mongo_coroutine_create();
	if (session->wire.coroutine != NULL)
		return &session->base;
	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_OUT_OF_MEMORY, "out of memory");
	sy_error_detail(err, "There is no memory for the stack of a session.");
	return NULL;
}

/* The driver's member: no wait, since all I/O is refused. */
void
mongo_session_close(SySession *base)
{
	MongoSession *session = (MongoSession *) base;

	mongo_job_refuse(session, MONGO_ABANDONED);
	mongo_probe_end(session);
	while (!dlist_is_empty(&session->cursors))
		mongo_cursor_drop(dlist_head_element(MongoCursor, node, &session->cursors));
	mongo_client_drop(session);
	mongo_hosts_forget(session);
	mongo_wire_free(&session->wire);
}

/* The driver's member: whatever was lost, the next job connects anew. */
bool
mongo_session_usable(SySession *base)
{
	return true;
}

/*
 * The driver's member: see source/driver.h.  A client whose connection was
 * given up is thrown away, so what counts is what the present one received.
 */
bool
mongo_session_silent(SySession *base)
{
	MongoSession *session = (MongoSession *) base;

	return session->wire.bytes_in == session->bytes_before;
}

/* On the coroutine: a server said hello.  Note its set. */
static void
mongo_note_hello(const mongoc_apm_server_heartbeat_succeeded_t *event)
{
	MongoSession *session = mongoc_apm_server_heartbeat_succeeded_get_context(event);
	const bson_t *hello = mongoc_apm_server_heartbeat_succeeded_get_reply(event);
	bson_iter_t iter;

	session->hello_heard = !bson_has_field(hello, "isreplicaset");
	session->set_found[0] = '\0';
	if (bson_iter_init_find(&iter, hello, "setName") && BSON_ITER_HOLDS_UTF8(&iter))
		strlcpy(session->set_found, bson_iter_utf8(&iter, NULL), sizeof(session->set_found));
}

/* Have the library tell us what servers say of themselves. */
static void
mongo_listen(MongoSession *session)
{
	mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();

	session->hello_heard = false;
	mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, mongo_note_hello);
	(void) mongoc_client_set_apm_callbacks(session->client, callbacks, session);
	mongoc_apm_callbacks_destroy(callbacks);
}

/*
 * Make a client; on the coroutine, as names may be looked up here.  False:
 * "error" is set.
 */
bool
mongo_client_make(MongoSession *session, bson_error_t *error)
{
	memset(error, 0, sizeof(*error));
	session->client = mongoc_client_new_from_uri_with_error(session->direct ? session->direct :
															session->uri, error);
	if (session->client == NULL)
		return false;
	if (session->direct == NULL)
		mongo_hosts_take(session, session->client);
	session->client_number++;
	session->bytes_before = session->wire.bytes_in;
	session->proven = false;
	session->wire.asked = 0;
	session->wire.answered_at = 0;
	mongoc_client_set_error_api(session->client, MONGOC_ERROR_API_VERSION_2);
	mongoc_client_set_stream_initiator(session->client, mongo_stream_initiate, &session->wire);
	if (mongoc_uri_get_appname(session->uri) == NULL)
		mongoc_client_set_appname(session->client, "switchyard");
	mongo_listen(session);
	return true;
}

/*
 * Throw the client away without telling the server anything: what must be
 * told is owed, see debt.c.  Handles die with their client.
 */
void
mongo_client_drop(MongoSession *session)
{
	MongoRefusal refusal = session->wire.refusal;
	slist_iter	iter;

	if (session->client == NULL)
		return;
	if (refusal == MONGO_ACCEPTED)
		session->wire.refusal = MONGO_ABANDONED;
	mongoc_client_reset(session->client);
	slist_foreach(iter, &session->tickets)
	{
		MongoTicket *ticket = slist_container(MongoTicket, all, iter.cur);

		if (ticket->handle != NULL)
			mongoc_client_session_destroy(ticket->handle);
		ticket->handle = NULL;
	}
	mongoc_client_destroy(session->client);
	session->client = NULL;
	session->proven = false;
	session->wire.refusal = refusal;
}

/* The driver's member: what is the session blocked on? */
void
mongo_wait(SySession *base, SyWaitSpec *spec)
{
	MongoSession *session = (MongoSession *) base;

	spec->nitems = session->job.active ? session->wire.nitems : 0;
	spec->items = session->wire.items;
	spec->until = session->job.active ? session->wire.until : sy_now_us();
}

/*
 * The driver's member: see source/driver.h.  A batch that is on its way for
 * another cursor than the one that waited is not given up: whatever comes
 * next receives it first.
 */
void
mongo_abandon(SySession *base)
{
	MongoSession *session = (MongoSession *) base;

	if (!session->draining)
		mongo_job_refuse(session, MONGO_ABANDONED);
	mongo_probe_end(session);
}

/* The driver's member: nothing travels before the first scan. */
void
mongo_begin(SySession *base, SyIsolation isolation)
{
	MongoSession *session = (MongoSession *) base;

	session->isolation = isolation;
	session->settle_failed = false;
	session->doomed = false;
	session->have_snapshot = false;
}

/* The driver's member: an open remote transaction becomes a debt. */
void
mongo_end(SySession *base)
{
	MongoSession *session = (MongoSession *) base;

	while (!dlist_is_empty(&session->cursors))
		mongo_cursor_drop(dlist_head_element(MongoCursor, node, &session->cursors));
	if (session->transaction != NULL)
		mongo_ticket_return(session, session->transaction,
							session->transaction->in_transaction);
	session->transaction = NULL;
	session->isolation = SY_READ_COMMITTED;
	session->doomed = false;
	session->have_snapshot = false;
}

/*
 * How scans read now.  The ticket of a remote transaction is taken here, as
 * that allocates.
 */
MongoReadMode
mongo_session_mode(MongoSession *session)
{
	if (session->isolation == SY_READ_COMMITTED || !session->transactions)
		return MONGO_READ_MAJORITY;
	if (session->transaction == NULL)
		session->transaction = mongo_ticket_take(session);
	return session->isolation == SY_REPEATABLE_READ ?
		MONGO_READ_TRANSACTION : MONGO_READ_SNAPSHOT;
}

/* May the scans of now run in a remote transaction?  See mongodb.h. */
bool
mongo_session_in_transaction(SySession *session)
{
	return mongo_session_mode((MongoSession *) session) != MONGO_READ_MAJORITY;
}

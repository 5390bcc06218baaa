/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  What a job does on the coroutine: reach a server, pay debts to it, run
 *	  the command, try again where that is allowed.
 *
 * No PostgreSQL code that allocates or throws may be called here.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/attempt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/* maxTimeMS strikes first; this much later our own deadline does. */
#define MONGO_DEADLINE_SLACK_MS	100

/*
 * No server could be selected: note whether a set's members that we reach have
 * no primary among them now, or whether who answered is not of the set that the
 * URI names: the library has then forgotten it.
 */
static void
mongo_note_set(MongoSession *session)
{
	MongoFailure *failure = &session->job.failure;
	const char *wanted = mongoc_uri_get_replica_set(mongoc_client_get_uri(session->client));
	mongoc_server_description_t **servers;
	size_t		nservers;
	bool		reached = false;
	bool		primary = false;

	servers = mongoc_client_get_server_descriptions(session->client, &nservers);
	for (size_t i = 0; i < nservers; i++)
	{
		const char *type = mongoc_server_description_type(servers[i]);

		reached = reached || strcmp(type, "RSSecondary") == 0 ||
			strcmp(type, "RSOther") == 0 || strcmp(type, "RSGhost") == 0;
		primary = primary || strcmp(type, "RSPrimary") == 0;
	}
	mongoc_server_descriptions_destroy_all(servers, nservers);
	failure->no_primary = reached && !primary;
	failure->other_set = nservers == 0 && session->hello_heard && wanted != NULL &&
		strcmp(wanted, session->set_found) != 0;
	if (!failure->other_set)
		return;
	strlcpy(failure->set_wanted, wanted, sizeof(failure->set_wanted));
	strlcpy(failure->set_found, session->set_found, sizeof(failure->set_found));
}

/* Note what hello said. */
static void
mongo_learn(MongoSession *session, const mongoc_server_description_t *server)
{
	MongoServerFacts *facts = &session->facts;
	const char *type = mongoc_server_description_type(server);
	const bson_t *hello = mongoc_server_description_hello_response(server);
	bson_iter_t iter;

	facts->known = true;
	facts->standalone = strcmp(type, "Standalone") == 0;
	facts->mongos = strcmp(type, "Mongos") == 0;
	if (bson_iter_init_find(&iter, hello, "maxWireVersion"))
		facts->max_wire_version = (int) bson_iter_as_int64(&iter);
	if (bson_iter_init_find(&iter, hello, "maxBsonObjectSize"))
		facts->max_bson_bytes = (int) bson_iter_as_int64(&iter);
	session->takes_no_writes = strcmp(type, "RSSecondary") == 0 && session->primary_only;
	if (bson_iter_init_find(&iter, hello, "readOnly"))
		session->takes_no_writes = bson_iter_as_bool(&iter);
}

/*
 * The server that "wanted" numbers, or the one that readPreference selects.
 * To be destroyed by the caller; NULL: the failure is noted.
 */
static mongoc_server_description_t *
mongo_select(MongoSession *session, uint32 wanted, bool for_writes)
{
	mongoc_server_description_t *server;
	bson_error_t error;

	memset(&error, 0, sizeof(error));
	if (wanted != 0)
	{
		server = mongoc_client_get_server_description(session->client, wanted);
		if (server == NULL)
			mongo_failure_note(session, MONGO_FAULT_CURSOR_LOST, NULL);
		return server;
	}
	server = mongoc_client_select_server(session->client, for_writes,
										 for_writes ? NULL :
										 mongoc_client_get_read_prefs(session->client),
										 &error);
	if (server == NULL)
	{
		mongo_failure_note(session, MONGO_FAULT_CONNECT, &error);
		mongo_note_set(session);
	}
	return server;
}

/* Make the library connect to the server and log in now. */
static bool
mongo_prove(MongoSession *session, uint32 server_id)
{
	bson_t		command = BSON_INITIALIZER;
	bson_t		reply;
	bson_error_t error;
	bool		ok;

	memset(&error, 0, sizeof(error));
	BSON_APPEND_INT32(&command, "ping", 1);
	ok = mongoc_client_command_simple_with_server_id(session->client, "admin", &command, NULL,
													 server_id, &reply, &error);
	bson_destroy(&command);
	bson_destroy(&reply);
	if (!ok)
		mongo_failure_note(session, MONGO_FAULT_CONNECT, &error);
	return ok;
}

/*
 * Have a connection to a server, logged in, within the job's time.  Whenever
 * a stream has come or gone, a ping makes the library connect and log in
 * while connect_timeout counts, and not later within a command.
 *
 * "host" (MONGO_HOST_SIZE) receives its address.  False: the failure is
 * noted; a client that could not connect is gone.
 */
bool
mongo_attempt_reach(MongoSession *session, uint32 wanted, bool for_writes,
					uint32 *server_id, char *host)
{
	mongoc_server_description_t *server;
	bson_error_t error;

	mongo_hosts_refresh(session);
	if (session->client == NULL && !mongo_client_make(session, &error))
	{
		mongo_failure_note(session, MONGO_FAULT_CONNECT, &error);
		session->job.retried = true;	/* a look-up of names that took its time */
		return false;
	}
	server = mongo_select(session, wanted, for_writes);
	if (server == NULL)
	{
		mongo_client_drop(session);
		return false;
	}
	mongo_learn(session, server);
	*server_id = mongoc_server_description_id(server);
	strlcpy(host, mongoc_server_description_host(server)->host_and_port, MONGO_HOST_SIZE);
	mongoc_server_description_destroy(server);

	if (session->proven && !session->wire.changed)
		return true;
	if (!mongo_prove(session, *server_id))
	{
		mongo_client_drop(session);
		return false;
	}
	session->proven = true;
	session->wire.changed = false;
	return true;
}

/* The ticket's handle for this client, made if need be; NULL: noted. */
static mongoc_client_session_t *
mongo_ticket_handle(MongoSession *session, MongoTicket *ticket, const char *host)
{
	mongoc_session_opt_t *options;
	bson_error_t error;
	const bson_t *lsid;

	if (ticket->handle == NULL)
	{
		options = mongoc_session_opts_new();
		mongoc_session_opts_set_causal_consistency(options, false);
		memset(&error, 0, sizeof(error));
		ticket->handle = mongoc_client_start_session(session->client, options, &error);
		mongoc_session_opts_destroy(options);
		if (ticket->handle == NULL)
		{
			mongo_failure_note(session, MONGO_FAULT_CLIENT, &error);
			return NULL;
		}
	}
	lsid = mongoc_client_session_get_lsid(ticket->handle);
	ticket->lsid_length = Min(lsid->len, (uint32) sizeof(ticket->lsid));
	memcpy(ticket->lsid, bson_get_data(lsid), ticket->lsid_length);
	strlcpy(ticket->host, host, sizeof(ticket->host));
	return ticket->handle;
}

/* Let the first command of the remote transaction begin it. */
static bool
mongo_begin_transaction(MongoSession *session, MongoTicket *ticket)
{
	mongoc_transaction_opt_t *options;
	mongoc_read_concern_t *concern;
	bson_error_t error;
	bool		ok;

	if (ticket->in_transaction)
		return true;
	memset(&error, 0, sizeof(error));
	options = mongoc_transaction_opts_new();
	concern = mongoc_read_concern_new();
	(void) mongoc_read_concern_set_level(concern, MONGOC_READ_CONCERN_LEVEL_SNAPSHOT);
	mongoc_transaction_opts_set_read_concern(options, concern);
	ok = mongoc_client_session_start_transaction(ticket->handle, options, &error);
	mongoc_read_concern_destroy(concern);
	mongoc_transaction_opts_destroy(options);
	ticket->in_transaction = ok;
	if (!ok)
		mongo_failure_note(session, MONGO_FAULT_CLIENT, &error);
	return ok;
}

/*
 * Decide how the command reads, now that the server is known: a snapshot
 * without transaction exists from 5.0 on.  False: it cannot; noted.
 */
static bool
mongo_decide_mode(MongoSession *session, MongoJob *job)
{
	MongoFault	fault = MONGO_FAULT_NONE;

	if (job->mode != MONGO_READ_TRANSACTION && job->mode != MONGO_READ_SNAPSHOT)
		return true;
	if (job->mode == MONGO_READ_SNAPSHOT && !session->have_snapshot &&
		(session->facts.max_wire_version < 13 || job->transaction->in_transaction))
		job->mode = MONGO_READ_TRANSACTION;

	if (session->facts.standalone)
		fault = MONGO_FAULT_NO_TRANSACTIONS;
	else if (job->mode == MONGO_READ_TRANSACTION && !session->primary_only)
		fault = MONGO_FAULT_READ_PREFERENCE;
	else if (job->mode == MONGO_READ_TRANSACTION &&
			 (session->doomed ||
			  (job->transaction->in_transaction && job->transaction->handle == NULL)))
		fault = MONGO_FAULT_DOOMED;
	if (fault == MONGO_FAULT_NONE)
		return true;
	mongo_failure_note(session, fault, NULL);
	return false;
}

/* Add readConcern for this mode to a command that can have one. */
static void
mongo_append_read_concern(const MongoSession *session, MongoReadMode mode, bson_t *command)
{
	bson_t		concern;

	if ((mode != MONGO_READ_MAJORITY && mode != MONGO_READ_SNAPSHOT) ||
		bson_has_field(command, "readConcern") || bson_has_field(command, "getMore"))
		return;
	BSON_APPEND_DOCUMENT_BEGIN(command, "readConcern", &concern);
	BSON_APPEND_UTF8(&concern, "level",
					 mode == MONGO_READ_SNAPSHOT ? "snapshot" : session->read_concern);
	if (mode == MONGO_READ_SNAPSHOT && session->have_snapshot)
		BSON_APPEND_TIMESTAMP(&concern, "atClusterTime", session->snapshot_time,
							  session->snapshot_increment);
	bson_append_document_end(command, &concern);
}

/* Send the command with its lsid and take the reply. */
static bool
mongo_send(MongoSession *session, MongoJob *job, MongoTicket *ticket, uint32 server_id)
{
	int			timeout_ms = session->base.source->query_timeout_ms;
	bson_t		command;
	bson_t		options = BSON_INITIALIZER;
	bson_error_t error;
	bool		ok = true;

	memset(&error, 0, sizeof(error));
	bson_copy_to(job->command, &command);
	mongo_append_read_concern(session, job->mode, &command);
	if (ticket != NULL)
		ok = mongoc_client_session_append(ticket->handle, &options, &error);
	if (job->mode != MONGO_READ_TRANSACTION || !session->facts.mongos)
		BSON_APPEND_INT32(&options, "serverId", (int32_t) server_id);
	mongo_wire_limit(&session->wire,
					 timeout_ms > 0 ? sy_deadline_in((int64) timeout_ms + MONGO_DEADLINE_SLACK_MS) : 0,
					 MONGO_QUERY_TIMEOUT);
	if (ok)
	{
		job->sent = true;
		job->answered_by = server_id;
		ok = mongoc_client_read_command_with_opts(session->client, job->database, &command, NULL,
												  &options, &job->batch->reply, &error);
		job->batch->filled = true;
	}
	bson_destroy(&options);
	bson_destroy(&command);
	if (!ok)
		mongo_failure_note(session, MONGO_FAULT_LOST, &error);
	return ok;
}

/* One try of a command.  False: the failure is noted. */
static bool
mongo_attempt_command(MongoSession *session, MongoJob *job)
{
	MongoTicket *ticket = job->ticket;
	char		host[MONGO_HOST_SIZE];
	uint32		server_id;

	if (job->mode == MONGO_READ_TRANSACTION && !session->primary_only)
	{
		mongo_failure_note(session, MONGO_FAULT_READ_PREFERENCE, NULL);
		return false;
	}
	if (!mongo_attempt_reach(session, job->server_id, job->mode == MONGO_READ_TRANSACTION,
							 &server_id, host) ||
		!mongo_decide_mode(session, job) ||
		!mongo_debt_pay(session, server_id, host))
		return false;
	if (job->owner == NULL)
	{
		mongo_failure_note(session, MONGO_FAULT_CLIENT, NULL);	/* nobody reads it */
		return false;
	}
	if (job->mode == MONGO_READ_TRANSACTION)
		ticket = job->transaction;
	if (ticket != NULL && mongo_ticket_handle(session, ticket, host) == NULL)
		return false;
	if (job->mode == MONGO_READ_TRANSACTION && !mongo_begin_transaction(session, ticket))
		return false;

	if (job->batch == NULL)
		job->batch = mongo_batch_new();
	else if (job->batch->filled)
	{
		bson_destroy(&job->batch->reply);
		job->batch->filled = false;
	}
	job->bytes_before = session->wire.bytes_in;
	if (mongo_send(session, job, ticket, server_id))
		return true;
	if (job->mode == MONGO_READ_TRANSACTION && job->transaction == session->transaction)
		session->doomed = true;
	return false;
}

/*
 * After a failed try: may the command be sent again?  Waits for an election.
 * Everything that follows a first answer, or belongs to a transaction that
 * had begun, is never repeated.
 */
static bool
mongo_attempt_again(MongoSession *session, MongoJob *job)
{
	MongoFailure *failure = &job->failure;
	bool		electing = failure->no_primary ||
		(failure->fault == MONGO_FAULT_SERVER && !session->facts.standalone &&
		 mongo_error_is_election((int) failure->error.code));

	if (job->owner == NULL || !job->fresh_start || session->wire.refusal != MONGO_ACCEPTED || failure->in_transaction)
		return false;
	if (electing)
	{
		mongo_wire_limit(&session->wire, job->until, MONGO_CONNECT_TIMEOUT);
		if (!mongo_wire_pause(&session->wire, sy_deadline_in(MONGO_ELECTION_PAUSE_MS)))
			return false;
	}
	else if (job->retried ||
			 (failure->fault != MONGO_FAULT_CONNECT && failure->fault != MONGO_FAULT_LOST))
		return false;
	else
		job->retried = true;
	if (job->sent && failure->fault == MONGO_FAULT_LOST)
		mongo_ticket_replace(session);
	mongo_client_drop(session);
	session->wire.patient = true;	/* the primary may be the slow one */
	return true;
}

/* The job, from its beginning to its end. */
void
mongo_attempt_main(void *arg)
{
	MongoSession *session = arg;
	MongoJob   *job = &session->job;
	MongoRefusal meaning = job->command ? MONGO_CONNECT_TIMEOUT : MONGO_SETTLE_TIMEOUT;
	bool		had_worked = session->client != NULL && session->proven;

	do
	{
		memset(&job->failure, 0, sizeof(job->failure));
		session->wire.trouble.noted = false;
		session->wire.dismissed = false;
		session->wire.failed = false;
		job->sent = false;
		mongo_wire_limit(&session->wire, job->until, meaning);
		if (job->command == NULL)
			job->ok = mongo_debt_pay_all(session);
		else
			job->ok = mongo_attempt_command(session, job);
		if (!job->ok && job->failure.fault == MONGO_FAULT_CONNECT && !job->failure.no_primary)
			mongo_hosts_distrust(session);
		job->lost = job->lost || had_worked || job->sent;
		job->failure.dismissed = session->wire.dismissed && !session->wire.failed &&
			session->wire.refusal == MONGO_ACCEPTED && !job->lost;
	} while (!job->ok && job->command != NULL && mongo_attempt_again(session, job));

	/*
	 * After a real loss the library would look for the server again, but sleep
	 * first, for up to half a second that nothing can interrupt.
	 */
	if (!job->ok && job->failure.fault == MONGO_FAULT_LOST)
		mongo_client_drop(session);
	job->bytes = session->wire.bytes_in - job->bytes_before;
	mongo_wire_limit(&session->wire, 0, MONGO_ACCEPTED);
	job->finished = true;
}

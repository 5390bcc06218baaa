/*-------------------------------------------------------------------------
 *
 * debt.c
 *	  Session ids, and what servers must still be told about them.
 *
 * Closing a connection is not enough to end what was begun over it: a getMore
 * runs on, cursors stay for minutes, a transaction keeps its locks.  Every
 * cursor has an lsid of its own, and killSessions ends whatever it stands
 * for; until that was answered the lsid is owed and not used for anything
 * else.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/debt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "utils/memutils.h"

#include "session.h"

/* To a server that has just failed to answer, how long to offer payment. */
#define MONGO_SECOND_SETTLE_MS	50

/* An lsid for a new cursor or transaction; its handle is made at first use. */
MongoTicket *
mongo_ticket_take(MongoSession *session)
{
	MongoTicket *ticket;

	if (!dlist_is_empty(&session->spare))
		return dlist_container(MongoTicket, node, dlist_pop_head_node(&session->spare));
	ticket = MemoryContextAllocZero(session->base.cxt, sizeof(MongoTicket));
	slist_push_head(&session->tickets, &ticket->all);
	return ticket;
}

/*
 * Its user is done with it.  With "kill", something may be left on the
 * server: then it is owed, unless it never got there.
 */
void
mongo_ticket_return(MongoSession *session, MongoTicket *ticket, bool kill)
{
	if (kill && ticket->host[0] != '\0')
		dlist_push_tail(&session->owed, &ticket->node);
	else
		dlist_push_head(&session->spare, &ticket->node);
}

/* The settling job's outcome; mongo_settle() looks at the lists itself. */
static void
mongo_settle_receive(MongoJob *job)
{
}

/* Go on with the session's job until "until"; false: it had to be given up. */
static bool
mongo_settle_drive(MongoSession *session, SyDeadline until)
{
	SyWaitSpec	spec;

	while (!mongo_job_advance(session))
	{
		mongo_wait(&session->base, &spec);
		spec.until = sy_deadline_min(spec.until, until);
		if (mongo_host->wait_quietly(&spec) && !sy_deadline_passed(until))
			continue;
		mongo_job_refuse(session, MONGO_SETTLE_TIMEOUT);
		return false;
	}
	return true;
}

/*
 * The driver's member: see source/driver.h.
 *
 * A job whose answer did not come in time is given up, and the debts are left
 * to the next call, which does not wait long for a server that did not answer
 * this one.
 *
 * A source that could not be told is tried again when the session is used
 * again, which pays by itself, and at the end of the process: not at the end
 * of every transaction that has nothing to do with it.
 */
bool
mongo_settle(SySession *base, SyDeadline until)
{
	MongoSession *session = (MongoSession *) base;
	MongoJob   *job;

	if (session->job.active && !mongo_settle_drive(session, until))
	{
		session->gave_up = true;
		return dlist_is_empty(&session->owed);
	}
	if (dlist_is_empty(&session->owed))
		return true;
	if (session->settle_failed && !proc_exit_inprogress)
		return false;
	if (session->gave_up && !proc_exit_inprogress)
		until = sy_deadline_min(until, sy_deadline_in(MONGO_SECOND_SETTLE_MS));
	session->gave_up = false;
	job = mongo_job_begin(session, NULL, MONGO_READ_NONE, mongo_settle_receive, NULL);
	job->until = until;
	(void) mongo_settle_drive(session, until);
	session->settle_failed = !dlist_is_empty(&session->owed);
	return !session->settle_failed;
}

/*
 * On the coroutine from here on.
 */

/*
 * End the transactions that this client knows to be open on "host": the
 * library wants to be asked, else it would do so whenever it pleases.
 * False: an answer did not come.
 */
static bool
mongo_abort_transactions(MongoSession *session, const char *host)
{
	dlist_iter	iter;

	dlist_foreach(iter, &session->owed)
	{
		MongoTicket *ticket = dlist_container(MongoTicket, node, iter.cur);
		bson_error_t error;

		if (!ticket->in_transaction || strcmp(ticket->host, host) != 0)
			continue;
		if (ticket->handle != NULL && mongoc_client_session_in_transaction(ticket->handle))
			(void) mongoc_client_session_abort_transaction(ticket->handle, &error);
		if (session->wire.changed || session->wire.refusal != MONGO_ACCEPTED)
			return false;
		ticket->in_transaction = false;
	}
	return true;
}

/*
 * The job's command was sent and no answer came: before it is sent again, let
 * what the server may have begun be owed.  The second try gets an lsid of its
 * own.
 */
void
mongo_ticket_replace(MongoSession *session)
{
	MongoJob   *job = &session->job;

	if (job->second == NULL)
		return;
	mongo_ticket_return(session, job->ticket, true);
	job->ticket = job->second;
	job->second = NULL;
}

/* {killSessions: [...]} for all that is owed to "host"; false: nothing. */
static bool
mongo_kill_command(MongoSession *session, const char *host, bson_t *command)
{
	dlist_iter	iter;
	bson_t		list;
	int			n = 0;

	mongo_array_begin(command, "killSessions", &list);
	dlist_foreach(iter, &session->owed)
	{
		MongoTicket *ticket = dlist_container(MongoTicket, node, iter.cur);
		char		number[16];
		bson_t		lsid;

		if (strcmp(ticket->host, host) != 0 ||
			!bson_init_static(&lsid, ticket->lsid, ticket->lsid_length))
			continue;
		snprintf(number, sizeof(number), "%d", n++);
		bson_append_document(&list, number, -1, &lsid);
	}
	bson_append_array_end(command, &list);
	return n > 0;
}

/* All that was owed to "host" is paid. */
static void
mongo_debt_paid(MongoSession *session, const char *host)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &session->owed)
	{
		MongoTicket *ticket = dlist_container(MongoTicket, node, iter.cur);

		if (strcmp(ticket->host, host) != 0)
			continue;
		ticket->host[0] = '\0';
		ticket->in_transaction = false;
		dlist_delete(&ticket->node);
		dlist_push_head(&session->spare, &ticket->node);
	}
}

/* Is anything owed to "host"? */
static bool
mongo_owes(MongoSession *session, const char *host)
{
	dlist_iter	iter;

	dlist_foreach(iter, &session->owed)
		if (strcmp(dlist_container(MongoTicket, node, iter.cur)->host, host) == 0)
			return true;
	return false;
}

/*
 * Tell the server "server_id" at "host", to which there is a connection, what
 * is owed to it.  An error that it answers with is an answer: asking again
 * would change nothing.  False: no answer; the failure is noted.
 */
bool
mongo_debt_pay(MongoSession *session, uint32 server_id, const char *host)
{
	bson_t		command = BSON_INITIALIZER;
	bson_t		reply;
	bson_error_t error;
	bool		ok;

	if (!mongo_owes(session, host))
	{
		bson_destroy(&command);
		return true;
	}
	memset(&error, 0, sizeof(error));
	ok = mongo_abort_transactions(session, host);
	if (ok && mongo_kill_command(session, host, &command))
	{
		ok = mongoc_client_command_simple_with_server_id(session->client, "admin", &command, NULL,
														 server_id, &reply, &error);
		ok = ok || error.domain == MONGOC_ERROR_SERVER;
		bson_destroy(&reply);
	}
	bson_destroy(&command);
	if (ok)
		mongo_debt_paid(session, host);
	else
		mongo_failure_note(session, MONGO_FAULT_LOST, &error);
	return ok;
}

/* The number of the server at "host", 0 if the set does not know it. */
static uint32
mongo_server_at(MongoSession *session, const char *host, bool *reached)
{
	mongoc_server_description_t **servers;
	size_t		nservers;
	uint32		found = 0;

	servers = mongoc_client_get_server_descriptions(session->client, &nservers);
	for (size_t i = 0; i < nservers; i++)
	{
		if (strcmp(mongoc_server_description_host(servers[i])->host_and_port, host) != 0)
			continue;
		found = mongoc_server_description_id(servers[i]);
		*reached = strcmp(mongoc_server_description_type(servers[i]), "Unknown") != 0;
	}
	mongoc_server_descriptions_destroy_all(servers, nservers);
	return found;
}

/*
 * Pay all debts that can be paid: those to other servers than the selected
 * one as well.  A server that has left the set is owed nothing.  False: some
 * remain.
 */
bool
mongo_debt_pay_all(MongoSession *session)
{
	char		host[MONGO_HOST_SIZE];
	char		owed_to[MONGO_HOST_SIZE];
	uint32		server_id;

	if (!mongo_attempt_reach(session, 0, false, &server_id, host) ||
		!mongo_debt_pay(session, server_id, host))
		return false;
	while (!dlist_is_empty(&session->owed))
	{
		bool		reached = false;

		strlcpy(owed_to, dlist_container(MongoTicket, node, dlist_head_node(&session->owed))->host,
				sizeof(owed_to));
		server_id = mongo_server_at(session, owed_to, &reached);
		if (server_id == 0)
			mongo_debt_paid(session, owed_to);
		else if (!reached || !mongo_debt_pay(session, server_id, owed_to))
			return false;
	}
	return true;
}

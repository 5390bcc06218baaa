/*-------------------------------------------------------------------------
 *
 * session.h
 *	  The connection half's own structures: session, operation, cursor.
 *
 * Three parts stand on each other:
 *
 *	job		one operation on the coroutine: connect if need be, pay debts to
 *			that server, run one command, retry where that is allowed
 *	cursor	a command that answers with a cursor, and its getMores, the next
 *			one always under way while the last batch is read
 *	scan	a cursor whose documents become rows
 *
 * A session has one connection and so one job at a time.  A job has an owner,
 * a cursor mostly; who finds the session busy first finishes that job, and
 * its reply is kept with the owner.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_SESSION_H
#define SY_MONGODB_SESSION_H

#include "lib/ilist.h"

#include "base/guard.h"
#include "mongodb.h"
#include "stream.h"

/* Between two tries while a set elects its primary. */
#define MONGO_ELECTION_PAUSE_MS	100

/* The server refuses larger ones on small clusters. */
#define MONGO_MAX_TIME_MS	300000

/* Host and port, as libmongoc writes them. */
#define MONGO_HOST_SIZE		(BSON_HOST_NAME_MAX + 8)

/*
 * One lsid: what the server files a cursor, a running operation and a
 * transaction under.  In the session's memory, from then on for ever: either
 * in use by one cursor, or owed (to be killed before it can be used again),
 * or free.
 */
typedef struct MongoTicket
{
	dlist_node	node;			/* in MongoSession.owed or .spare, or unused */
	slist_node	all;			/* in MongoSession.tickets */
	mongoc_client_session_t *handle;	/* NULL: none with this client (any
										 * more) */
	uint8_t		lsid[64];		/* BSON; valid if host is not empty */
	uint32		lsid_length;
	char		host[MONGO_HOST_SIZE];	/* where it was used; "": nowhere */
	bool		in_transaction; /* and it has not been ended */
} MongoTicket;

/*
 * A reply and the position in its batch.  By itself in malloc'd memory, since
 * BSON structs have an alignment that palloc() does not know.
 */
typedef struct MongoBatch
{
	bson_t		reply;
	bson_iter_t rows;
	bool		filled;			/* "reply" is to be destroyed */
} MongoBatch;

/* How one command reads. */
typedef enum MongoReadMode
{
	MONGO_READ_NONE,			/* no readConcern of ours */
	MONGO_READ_MAJORITY,
	MONGO_READ_TRANSACTION,		/* in the session's remote transaction */
	MONGO_READ_SNAPSHOT			/* at the session's one cluster time */
} MongoReadMode;

/* What stage of an operation failed. */
typedef enum MongoFault
{
	MONGO_FAULT_NONE,
	MONGO_FAULT_CLIENT,			/* libmongoc could not even begin */
	MONGO_FAULT_CONNECT,		/* no connection, TLS or hello */
	MONGO_FAULT_LOGIN,			/* the server did not accept the user */
	MONGO_FAULT_LOST,			/* the connection, during a command */
	MONGO_FAULT_SERVER,			/* the server answered with an error */
	MONGO_FAULT_REFUSED,		/* by us: see "refusal" */
	MONGO_FAULT_NO_TRANSACTIONS,	/* a standalone server */
	MONGO_FAULT_READ_PREFERENCE,	/* not primary, in a transaction */
	MONGO_FAULT_DOOMED,			/* the remote transaction is already gone */
	MONGO_FAULT_CURSOR_LOST		/* its lsid belonged to a former connection */
} MongoFault;

/* A failure as the coroutine records it; error.c makes a SyError of it. */
typedef struct MongoFailure
{
	MongoFault	fault;
	MongoRefusal refusal;
	bool		connecting;		/* no command had been sent */
	bool		in_transaction;
	bool		no_primary;		/* the set is there but has no primary */
	bool		dismissed;		/* each server that was tried and did not reply
								 * closed the new connection without a word, and
								 * no other one was lost before */
	bool		other_set;		/* who answered is not of the URI's set */
	bson_error_t error;
	char		code_name[64];
	MongoTrouble trouble;
	char		log[256];
	char		auth_source[64];	/* where the server looks for the user; UTF-8 */
	char		set_wanted[64]; /* other_set: the URI's; UTF-8 */
	char		set_found[64];	/* other_set: the server's; "": none */
} MongoFailure;

typedef struct MongoJob MongoJob;

/* Receives a job's outcome on the backend's stack; must not throw. */
typedef void (*MongoReceiver) (MongoJob *job);

/* One operation. */
struct MongoJob
{
	bool		active;			/* begun, and its outcome not yet taken */
	bool		finished;

	/* What to do. */
	const char *database;		/* static, or the session's */
	bson_t	   *command;		/* owned; NULL: pay all debts, nothing else */
	MongoReadMode mode;
	bool		fresh_start;	/* may be sent again on a new connection */
	uint32		server_id;		/* a cursor's home; 0: by readPreference */
	MongoTicket *ticket;		/* NULL: no lsid of ours */
	MongoTicket *second;		/* for another try, when the server may still
								 * be at work under the first; or NULL */
	MongoTicket *transaction;	/* the session's, when the job began */
	SyDeadline	until;			/* connecting ends then, or paying */
	void	   *owner;			/* NULL: gone; what was not sent will not be,
								 * the outcome is dropped */
	MongoReceiver receive;

	/* On the way. */
	bool		sent;			/* the server may be working on it */
	bool		retried;
	bool		lost;			/* a connection that had worked */
	int64		bytes_before;

	/* What came of it. */
	bool		ok;
	MongoBatch *batch;			/* the reply; the receiver may take it */
	uint32		answered_by;	/* server id */
	int64		bytes;
	int64		remote_us;		/* within libmongoc; core adds the waits */
	MongoFailure failure;
};

/* What a ping() or a sample() asks next. */
typedef enum MongoProbeStage
{
	MONGO_PROBE_NONE,			/* none is in progress */
	MONGO_PROBE_HELLO,
	MONGO_PROBE_VERSION,
	MONGO_PROBE_STATS,			/* of the session's database */
	MONGO_PROBE_DATABASES,		/* which ones are there? */
	MONGO_PROBE_OTHER_STATS,	/* of the first of "others" */
	MONGO_PROBE_COLLECTIONS
} MongoProbeStage;

/* A ping() or a sample(): some commands, one after the other. */
typedef struct MongoProbe
{
	MongoProbeStage stage;
	SyPing	   *ping;			/* where to answer, or NULL */
	SySize	   *size;			/* where to answer, or NULL */
	uint32		version_of;		/* the client whose server's version is known */
	bool		reselected;		/* another primary was looked for */

	/* The command. */
	bool		begun;			/* it is under way or finished */
	bool		finished;
	bool		ok;
	MongoBatch *batch;			/* its reply, or NULL */
	MongoFailure failure;

	/* A sample's. */
	MemoryContext cxt;			/* holds the rest; NULL: not there */
	List	   *others;			/* of char *: databases still to be asked */
	MongoCursor *cursor;		/* of the collections */
} MongoProbe;

struct MongoSession
{
	SySession	base;			/* first */
	char	   *database;		/* UTF-8 */
	mongoc_uri_t *uri;			/* with credentials; in nobody's messages */
	const char *srv;			/* the name whose records tell the hosts; NULL: the
								 * URI names them */
	const char *srv_rest;		/* what stands behind it in the URI; UTF-8 */
	mongoc_uri_t *direct;		/* the same with hosts that a probe has found; NULL:
								 * they are to be looked up */
	bool		distrusts;		/* those could not be reached, and the name was
								 * not looked up since */
	bool		looks_up;		/* it probes: it is the one to find them */
	int64		looked_up_us;	/* when it last tried to; 0: never */
	char		found[SY_HOSTS_SIZE];	/* what it found; see hosts.c */
	const char *read_concern;	/* level for plain reads */
	bool		transactions;	/* option transactions 'required' */
	bool		primary_only;	/* readPreference is primary */
	mongoc_client_t *client;	/* NULL: to be made at the next job */
	uint32		client_number;	/* which one it is; server ids and lsid handles
								 * of another are void */
	int64		bytes_before;	/* received over earlier clients */
	bool		proven;			/* a command succeeded over this client */
	MongoServerFacts facts;
	bool		takes_no_writes;	/* as hello says */
	bool		hello_heard;	/* over this client, not of one that waits to be
								 * taken into a set */
	char		set_found[64];	/* then: whose set it is of; "": none */
	MongoWire	wire;
	MongoJob	job;
	bool		draining;		/* blocked on a job that another one waits for */
	dlist_head	owed;			/* of MongoTicket: to be killed */
	dlist_head	spare;			/* of MongoTicket: to be used again */
	slist_head	tickets;		/* of MongoTicket: all */
	bool		settle_failed;	/* and the session was not used since */
	bool		gave_up;		/* settling, on an answer: see mongo_settle() */
	dlist_head	cursors;		/* of MongoCursor: all that exist */

	/* The transaction, as begin() said. */
	SyIsolation isolation;
	MongoTicket *transaction;	/* NULL: not touched yet */
	bool		doomed;			/* a command in it failed */
	bool		have_snapshot;
	uint32		snapshot_time;	/* atClusterTime, a BSON timestamp */
	uint32		snapshot_increment;

	MongoProbe	probe;
};

/* What commands of one cursor add up to. */
typedef struct MongoCounters
{
	int64		bytes;
	int64		round_trips;
	int64		remote_us;		/* within libmongoc; core adds the waits */
} MongoCounters;

typedef enum MongoCursorState
{
	MONGO_CURSOR_NEW,			/* its command waits for the connection */
	MONGO_CURSOR_STARTING,		/* its command is under way */
	MONGO_CURSOR_READING		/* it was answered */
} MongoCursorState;

struct MongoCursor
{
	dlist_node	node;			/* in MongoSession.cursors, unless dropped */
	MongoSession *session;
	MemoryContext cxt;
	MongoCursorState state;
	bool		linked;			/* is in MongoSession.cursors */
	MongoReadMode mode;
	bool		prefetch;
	int			fetch_size;		/* documents a batch; 0: about 1 MB */
	bson_t	   *command;		/* owned, until the job takes it */
	MongoTicket *ticket;
	MongoBatch *batch;			/* being read, or NULL */
	MongoBatch *next;			/* received ahead of time, or NULL */
	int64		id;				/* of the server's cursor; 0: it is closed */
	char		collection[512];	/* for getMore */
	uint32		server_id;
	uint32		client_number;
	bool		fetching;		/* a command of ours is under way */
	bool		failed;			/* "failure" says why; seen after "batch" */
	int64		documents;		/* in all batches that were read to the end */
	int64		document_bytes;
	int64		batch_documents;	/* read of this batch */
	MongoCounters counters;
	MongoFailure failure;
};

/* uri.c */
extern const SyOption mongo_options[];
extern void mongo_check_options(SyLevel level, const SyOptions *options);
extern void mongo_endpoint(const SySource *source, SyEndpoint *result);
extern bool mongo_check_login(const SySource *source, SyError *err);
extern mongoc_uri_t *mongo_uri_build(const SySource *source, SyError *err);
extern char *mongo_uri_rest(const SySource *source, MemoryContext cxt);
extern mongoc_uri_t *mongo_uri_direct(const SySource *source, const mongoc_uri_t *from,
									  const char *hosts, const char *rest);
extern void mongo_uri_tls(const SySource *source, const mongoc_uri_t *uri,
						  MongoWire *wire, MemoryContext cxt);
extern char *mongo_to_utf8(const char *text);

/* session.c */
extern bool mongo_session_key(const SySource *source, SySessionKey *key, SyError *err);
extern SySession *mongo_session_create(const SySource *source, MemoryContext cxt,
									   SyError *err);
extern void mongo_session_close(SySession *session);
extern bool mongo_session_usable(SySession *session);
extern bool mongo_session_silent(SySession *session);
extern void mongo_wait(SySession *session, SyWaitSpec *spec);
extern void mongo_abandon(SySession *session);
extern void mongo_begin(SySession *session, SyIsolation isolation);
extern void mongo_end(SySession *session);
extern bool mongo_client_make(MongoSession *session, bson_error_t *error);
extern void mongo_client_drop(MongoSession *session);
extern MongoReadMode mongo_session_mode(MongoSession *session);

/* hosts.c: all but the first on the coroutine */
extern void mongo_hosts_recall(MongoSession *session);
extern void mongo_hosts_forget(MongoSession *session);
extern void mongo_hosts_distrust(MongoSession *session);
extern void mongo_hosts_take(MongoSession *session, const mongoc_client_t *client);
extern void mongo_hosts_refresh(MongoSession *session);

/* probe.c */
extern SyProgress mongo_ping(SySession *session, SyPing *result, SyError *err);
extern SyProgress mongo_sample(SySession *session, SySize *result, SyError *err);
extern SyProgress mongo_step(SySession *session, SyError *err);
extern void mongo_probe_end(MongoSession *session);

/* job.c */
extern MongoJob *mongo_job_begin(MongoSession *session, bson_t *command, MongoReadMode mode,
								 MongoReceiver receive, void *owner);
extern SyProgress mongo_job_acquire(MongoSession *session);
extern bool mongo_job_advance(MongoSession *session);
extern void mongo_job_refuse(MongoSession *session, MongoRefusal refusal);

/* attempt.c: on the coroutine */
extern void mongo_attempt_main(void *session);
extern bool mongo_attempt_reach(MongoSession *session, uint32 wanted, bool for_writes,
								uint32 *server_id, char *host);

/* debt.c: the second part on the coroutine */
extern MongoTicket *mongo_ticket_take(MongoSession *session);
extern void mongo_ticket_return(MongoSession *session, MongoTicket *ticket, bool kill);
extern void mongo_ticket_replace(MongoSession *session);
extern bool mongo_settle(SySession *session, SyDeadline until);
extern bool mongo_debt_pay(MongoSession *session, uint32 server_id, const char *host);
extern bool mongo_debt_pay_all(MongoSession *session);

/* cursor.c */
extern MongoBatch *mongo_batch_new(void);
extern void mongo_batch_free(MongoBatch *batch);
extern MongoCursor *mongo_cursor_create(MongoSession *session, MemoryContext cxt);
extern void mongo_cursor_prepare(MongoCursor *cursor, bson_t *command, MongoReadMode mode);
extern SyProgress mongo_cursor_start(MongoCursor *cursor, SyError *err);
extern SyProgress mongo_cursor_fetch(MongoCursor *cursor, MongoDocument *document,
									 SyError *err);
extern void mongo_cursor_drop(MongoCursor *cursor);

/* error.c */
extern void mongo_failure_note(MongoSession *session, MongoFault fault,
							   const bson_error_t *error);
extern void mongo_error_fill(const MongoSession *session, const MongoFailure *failure,
							 SyError *err);
extern bool mongo_error_is_election(int code);

/* scan.c */
extern SyScan *mongo_scan_create(SySession *session, const SyQuery *query,
								 MemoryContext cxt);
extern SyProgress mongo_scan_start(SyScan *scan, SyError *err);
extern SyProgress mongo_scan_start_more(SyScan *scan, SyError *err);
extern SyProgress mongo_scan_next(SyScan *scan, Datum *values, bool *nulls, SyError *err);
extern void mongo_scan_close(SyScan *scan);

#endif							/* SY_MONGODB_SESSION_H */

/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  The sockets under libmongoc, and how their waits reach the backend.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_STREAM_H
#define SY_MONGODB_STREAM_H

#include "base/wait.h"
#include "compat.h"
#include "coroutine.h"

/*
 * Why all I/O of a session is refused.  Sticky until the next operation,
 * because libmongoc goes on trying after the first failure.
 */
typedef enum MongoRefusal
{
	MONGO_ACCEPTED = 0,
	MONGO_CONNECT_TIMEOUT,		/* connect_timeout is over */
	MONGO_QUERY_TIMEOUT,		/* query_timeout is over */
	MONGO_SETTLE_TIMEOUT,		/* no more time to pay debts */
	MONGO_INTERRUPTED,			/* in place only: an interrupt is pending */
	MONGO_ABANDONED				/* the wait was interrupted */
} MongoRefusal;

/* What our own streams saw go wrong last; libmongoc loses most of it. */
typedef struct MongoTrouble
{
	bool		noted;
	const char *what;			/* static: "connecting to", "reading from" */
	int			error;			/* errno; 0: see "text" */
	char		host[BSON_HOST_NAME_MAX + 8];
	char		text[256];
} MongoTrouble;

/*
 * What the streams of one client share.  Written on the coroutine; plain
 * memory, no PostgreSQL code.
 */
typedef struct MongoWire
{
	MongoCoroutine *coroutine;
	bool		(*wait_in_place) (SyWaitSpec *spec);	/* without coroutines */

	/* The present operation. */
	MongoRefusal refusal;
	SyDeadline	deadline;
	MongoRefusal on_deadline;	/* what passing it means */
	bool		patient;		/* wait for every member of a set */
	MongoTrouble trouble;
	bool		dismissed;		/* a server closed a connection without a word */
	bool		failed;			/* a server failed in another way */

	/* What is waited for, valid while the coroutine is suspended. */
	SyWaitItem *items;			/* malloc'd */
	int			nitems;
	int			maxitems;
	SyDeadline	until;

	/* Bookkeeping over all streams. */
	bool		changed;		/* a stream came or went since it was reset */
	int			asked;			/* streams in a scan that have not answered */
	SyDeadline	asked_at;		/* when the scan's last question went out */
	SyDeadline	answered_at;	/* when its first answer came; 0: not yet */
	int64		bytes_in;

	/* TLS; the strings outlive all streams. */
	bool		use_tls;
	mongoc_ssl_opt_t tls;
	MongoTlsInternal tls_internal;
} MongoWire;

extern void mongo_wire_begin(MongoWire *wire);
extern void mongo_wire_limit(MongoWire *wire, SyDeadline deadline, MongoRefusal meaning);
extern bool mongo_wire_pause(MongoWire *wire, SyDeadline until);
extern void mongo_wire_free(MongoWire *wire);

extern mongoc_stream_t *MONGO_CALLBACK mongo_stream_initiate(const mongoc_uri_t *uri,
															 const mongoc_host_list_t *host,
															 void *data,
															 bson_error_t *error);

extern const char *mongo_log_last(void);
extern void mongo_log_clear(void);
extern void MONGO_CALLBACK mongo_log_handler(mongoc_log_level_t level, const char *domain,
											 const char *message, void *data);

#endif							/* SY_MONGODB_STREAM_H */

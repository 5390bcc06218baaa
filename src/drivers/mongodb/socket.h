/*-------------------------------------------------------------------------
 *
 * socket.h
 *	  One stream's socket, below what libmongoc sees.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/socket.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_SOCKET_H
#define SY_MONGODB_SOCKET_H

#include <errno.h>
#include <netdb.h>

#include "stream.h"

typedef enum MongoPhase
{
	MONGO_CONNECTING,
	MONGO_SHAKING,				/* TLS handshake */
	MONGO_READY,
	MONGO_BROKEN				/* also: closed */
} MongoPhase;

typedef struct MongoStream
{
	mongoc_stream_t vtable;		/* first */
	MongoWire  *wire;
	struct MongoStream *outer;	/* raw stream below TLS: who owns the fd */
	mongoc_stream_t *tls;		/* outer stream: what it wraps, or NULL */
	MongoPhase	phase;
	int			fd;				/* -1: none */
	uint64		serial;
	int			shake_events;	/* what the handshake waits for: POLLIN or POLLOUT */
	bool		asked;			/* takes part in a scan, not answered yet */
	bool		heard;			/* the server has sent something */
	bool		replied;		/* something that libmongoc could read */
	bool		dismissed;		/* it has closed without sending anything */
	int			last_errno;		/* of the last read or write */
	struct addrinfo *addresses; /* from getaddrinfo(); NULL: unix socket */
	struct addrinfo *address;	/* the one in use */
	SyDeadline	address_until;	/* then try the next one; 0: never */
	char		host[BSON_HOST_NAME_MAX + 1];
	char		host_and_port[BSON_HOST_NAME_MAX + 8];
} MongoStream;

/* May a read or write that failed so be repeated? */
static inline bool
mongo_would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}

/* Whose descriptor a stream reads and writes. */
static inline MongoStream *
mongo_stream_owner(MongoStream *stream)
{
	return stream->outer ? stream->outer : stream;
}

extern void mongo_stream_note(MongoStream *stream, const char *what, int error,
							  const char *text);
extern bool mongo_stream_refuses(MongoStream *stream);
extern void mongo_stream_closed(MongoStream *stream);
extern void mongo_stream_asked(MongoStream *stream);
extern void mongo_stream_answered(MongoStream *stream, bool really);
extern void mongo_stream_break(MongoStream *stream);
extern bool mongo_stream_connect(MongoStream *stream, const mongoc_host_list_t *host);
extern void mongo_stream_check_connect(MongoStream *stream);
extern void mongo_wire_add(MongoWire *wire, const MongoStream *stream, int poll_events);
extern bool mongo_stream_wait(MongoStream *stream, int poll_events);
extern ssize_t MONGO_CALLBACK mongo_raw_readv(mongoc_stream_t *base, mongoc_iovec_t *iov,
											  size_t iovcnt, size_t min_bytes,
											  int32_t timeout_msec);
extern ssize_t MONGO_CALLBACK mongo_raw_writev(mongoc_stream_t *base, mongoc_iovec_t *iov,
											   size_t iovcnt, int32_t timeout_msec);

#endif							/* SY_MONGODB_SOCKET_H */

/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Our own mongoc_stream_t: a socket whose waits can be cancelled.
 *
 * The library sees one kind of stream.  It is returned while TCP still
 * connects, and over TLS while hands are still to be shaken: the topology
 * scanner's poll() drives both, for all members of a set at once, and reports
 * a stream as writable when both are done.  Over TLS the library's TLS stream
 * hangs inside ours and reads and writes through a second, raw one:
 *
 *		libmongoc -> outer stream -> mongoc's TLS stream -> raw stream -> fd
 *
 * Time-outs that libmongoc passes are ignored but for 0 ("do not wait"):
 * deadlines are ours, see wire.c.  When I/O is refused, each function fails
 * with ECANCELED, timed_out() says true (so that the library keeps the server
 * as known and just drops the connection) and should_retry() false.
 *
 * Runs on the coroutine's stack: no allocation by PostgreSQL, no errors.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#include <sys/socket.h>

#include "socket.h"

#define MONGO_STREAM_TYPE	0x5359	/* no number of the library's own */

/* After the first answer of a scan, how long to wait for the others. */
#define MONGO_SCAN_GRACE_US	200000

/* When the members that have not answered are given up; 0: not yet known. */
static SyDeadline
mongo_stream_grace_end(const MongoWire *wire)
{
	if (wire->answered_at == 0 || wire->patient)
		return 0;
	return Max(wire->answered_at, wire->asked_at) + MONGO_SCAN_GRACE_US;
}

/* TLS: one step of the handshake.  Leaves SHAKING at its end. */
static void
mongo_stream_shake(MongoStream *stream)
{
	bson_error_t error;
	int			events = 0;

	memset(&error, 0, sizeof(error));
	errno = 0;
	if (mongoc_stream_tls_handshake(stream->tls, stream->host, 0, &events, &error))
	{
		stream->phase = MONGO_READY;
		return;
	}
	if (events != 0)
	{
		stream->shake_events = events;
		return;
	}
	mongo_stream_note(stream, "Opening TLS with", 0,
					  error.message[0] ? error.message : "the connection was closed");
	mongo_stream_break(stream);
}

/*
 * Get on with connecting as far as possible without waiting.  Returns the
 * poll() events to wait for; 0 when the stream is ready or broken.
 */
static int
mongo_stream_advance(MongoStream *stream)
{
	if (stream->phase == MONGO_CONNECTING)
		mongo_stream_check_connect(stream);
	if (stream->phase == MONGO_CONNECTING)
		return POLLOUT;
	if (stream->phase == MONGO_SHAKING)
		mongo_stream_shake(stream);
	if (stream->phase == MONGO_SHAKING)
		return stream->shake_events;
	return 0;
}

/*
 * Before a read or write: the stream must be ready.  With "wait" false a
 * stream that is not yet ready fails with EAGAIN.
 */
static bool
mongo_stream_establish(MongoStream *stream, bool wait)
{
	int			events;

	if (mongo_stream_refuses(stream))
		return false;
	while ((events = mongo_stream_advance(stream)) != 0)
	{
		if (!wait)
		{
			stream->last_errno = errno = EAGAIN;
			return false;
		}
		if (!mongo_stream_wait(stream, events))
			return false;
	}
	if (stream->phase == MONGO_READY)
		return true;
	stream->last_errno = errno = ENOTCONN;
	return false;
}

/*
 * The stream that libmongoc sees
 */

/* Read: through TLS or not; a read that does not wait is a scan's. */
static ssize_t MONGO_CALLBACK
mongo_stream_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt,
				   size_t min_bytes, int32_t timeout_msec)
{
	MongoStream *stream = (MongoStream *) base;
	ssize_t		n;

	if (!mongo_stream_establish(stream, timeout_msec != 0))
		return -1;
	if (stream->tls == NULL)
		n = mongo_raw_readv(base, iov, iovcnt, min_bytes, timeout_msec);
	else
	{
		n = mongoc_stream_readv(stream->tls, iov, iovcnt, min_bytes, timeout_msec);
		stream->last_errno = n < 0 ? errno : 0;
	}
	if (n > 0)
	{
		stream->replied = true;
		mongo_stream_answered(stream, true);
	}
	if (n < 0 && stream->wire->refusal != MONGO_ACCEPTED)
		errno = ECANCELED;
	return n;
}

/* Write: through TLS or not; a write that does not wait is a scan's. */
static ssize_t MONGO_CALLBACK
mongo_stream_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt,
					int32_t timeout_msec)
{
	MongoStream *stream = (MongoStream *) base;
	ssize_t		n;

	if (!mongo_stream_establish(stream, timeout_msec != 0))
		return -1;
	if (timeout_msec == 0)
		mongo_stream_asked(stream);
	if (stream->tls == NULL)
		return mongo_raw_writev(base, iov, iovcnt, timeout_msec);
	n = mongoc_stream_writev(stream->tls, iov, iovcnt, timeout_msec);
	stream->last_errno = n < 0 ? errno : 0;
	if (n < 0 && stream->wire->refusal != MONGO_ACCEPTED)
		errno = ECANCELED;
	return n;
}

/* What poll() has to report for one stream now; 0: it must be waited for. */
static int
mongo_stream_poll_one(MongoStream *stream, int events, SyDeadline grace_end,
					  int *wait_events)
{
	struct pollfd item;

	*wait_events = mongo_stream_advance(stream);
	if (stream->phase == MONGO_BROKEN)
		return POLLERR;
	if (*wait_events == 0)
	{
		item.fd = stream->fd;
		item.events = events;
		item.revents = 0;
		if (poll(&item, 1, 0) > 0)
		{
			if ((item.revents & (POLLERR | POLLHUP)) != 0)
				mongo_stream_closed(stream);
			return item.revents;
		}
		*wait_events = events;
	}
	if (stream->asked && sy_deadline_passed(grace_end))
	{
		mongo_stream_note(stream, "Waiting for", 0,
						  "it did not answer while another member did");
		return POLLERR;
	}
	return 0;
}

/* One round over all streams; returns how many have something to report. */
static int
mongo_stream_poll_round(mongoc_stream_poll_t *streams, size_t nstreams, SyDeadline *until)
{
	MongoWire  *wire = ((MongoStream *) streams[0].stream)->wire;
	SyDeadline	grace_end = mongo_stream_grace_end(wire);
	int			ready = 0;

	*until = grace_end;
	wire->nitems = 0;
	for (size_t i = 0; i < nstreams; i++)
	{
		MongoStream *stream = (MongoStream *) streams[i].stream;
		int			wait_events;

		streams[i].revents = mongo_stream_poll_one(stream, streams[i].events,
												   grace_end, &wait_events);
		if (streams[i].revents != 0)
		{
			ready++;
			continue;
		}
		mongo_wire_add(wire, stream, wait_events);
		if (stream->phase == MONGO_CONNECTING)
			*until = sy_deadline_min(*until, stream->address_until);
	}
	return ready;
}

/*
 * Poll streams of one client.  A refusal is reported as POLLERR on every one
 * of them: anything else makes the scanner go on until its own time-out.
 */
static ssize_t MONGO_CALLBACK
mongo_stream_poll(mongoc_stream_poll_t *streams, size_t nstreams, int32_t timeout_msec)
{
	MongoWire  *wire = ((MongoStream *) streams[0].stream)->wire;
	SyDeadline	end = timeout_msec > 0 ? sy_deadline_in(timeout_msec) : 0;

	for (;;)
	{
		SyDeadline	until;
		int			ready;

		if (wire->refusal != MONGO_ACCEPTED)
			break;
		ready = mongo_stream_poll_round(streams, nstreams, &until);
		if (ready > 0)
			return ready;
		if (timeout_msec == 0 || sy_deadline_passed(end))
			return 0;
		if (!mongo_wire_pause(wire, sy_deadline_min(until, end)))
			break;
	}
	for (size_t i = 0; i < nstreams; i++)
		streams[i].revents = POLLERR;
	errno = ECANCELED;
	return (ssize_t) nstreams;
}

/*
 * Close the descriptor; a raw stream has none of its own.  Who never got a
 * reply was dismissed, or the server is not there or hangs.
 */
static int	MONGO_CALLBACK
mongo_stream_close(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;

	if (stream->outer == NULL)
	{
		if (!stream->replied && !stream->dismissed)
			stream->wire->failed = true;
		stream->wire->changed = true;
		mongo_stream_break(stream);
	}
	return 0;
}

/* Also "failed": free the stream, and what it wraps. */
static void MONGO_CALLBACK
mongo_stream_destroy(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;

	(void) mongo_stream_close(base);
	if (stream->tls != NULL)
		mongoc_stream_destroy(stream->tls);
	if (stream->addresses != NULL)
		freeaddrinfo(stream->addresses);
	bson_free(stream);
}

static int	MONGO_CALLBACK
mongo_stream_flush(mongoc_stream_t *base)
{
	return 0;
}

static int	MONGO_CALLBACK
mongo_stream_setsockopt(mongoc_stream_t *base, int level, int name, void *value,
						mongoc_socklen_t length)
{
	MongoStream *stream = (MongoStream *) base;
	MongoStream *owner = mongo_stream_owner(stream);

	return setsockopt(owner->fd, level, name, value, length);
}

/* Has the other side closed the connection? */
static bool MONGO_CALLBACK
mongo_stream_check_closed(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;
	MongoStream *owner = mongo_stream_owner(stream);
	char		byte;
	ssize_t		n;

	if (owner->phase != MONGO_READY)
		return owner->phase == MONGO_BROKEN;
	do
		n = recv(owner->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == 0 || (n < 0 && !mongo_would_block(errno));
}

/* A refusal is to look like a time-out: see the file's head. */
static bool MONGO_CALLBACK
mongo_stream_timed_out(mongoc_stream_t *base)
{
	return ((MongoStream *) base)->wire->refusal != MONGO_ACCEPTED;
}

/* Did the last read or write fail only because it would have had to wait? */
static bool MONGO_CALLBACK
mongo_stream_should_retry(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;

	if (stream->wire->refusal != MONGO_ACCEPTED || stream->phase == MONGO_BROKEN)
		return false;
	if (stream->tls != NULL && stream->phase == MONGO_READY)
		return mongoc_stream_should_retry(stream->tls);
	return mongo_would_block(stream->last_errno);
}

/* A stream without a descriptor yet. */
static MongoStream *
mongo_stream_new(MongoWire *wire, MongoStream *outer)
{
	MongoStream *stream = bson_malloc0(sizeof(MongoStream));

	stream->vtable.type = MONGO_STREAM_TYPE;
	stream->vtable.destroy = mongo_stream_destroy;
	stream->vtable.failed = mongo_stream_destroy;
	stream->vtable.close = mongo_stream_close;
	stream->vtable.flush = mongo_stream_flush;
	stream->vtable.readv = outer ? mongo_raw_readv : mongo_stream_readv;
	stream->vtable.writev = outer ? mongo_raw_writev : mongo_stream_writev;
	stream->vtable.setsockopt = mongo_stream_setsockopt;
	stream->vtable.check_closed = mongo_stream_check_closed;
	stream->vtable.poll = mongo_stream_poll;
	stream->vtable.timed_out = mongo_stream_timed_out;
	stream->vtable.should_retry = mongo_stream_should_retry;
	stream->wire = wire;
	stream->outer = outer;
	stream->fd = -1;
	stream->phase = MONGO_BROKEN;
	return stream;
}

/* Hang the library's TLS stream into an outer stream; false: it failed. */
static bool
mongo_stream_add_tls(MongoStream *stream)
{
	MongoStream *raw = mongo_stream_new(stream->wire, stream);

	raw->phase = MONGO_READY;
	stream->tls = mongoc_stream_tls_new_with_hostname(&raw->vtable, stream->host,
													  &stream->wire->tls, 1);
	if (stream->tls != NULL)
		return true;
	mongoc_stream_destroy(&raw->vtable);
	mongo_stream_note(stream, "Preparing TLS for", 0,
					  mongo_log_last()[0] ? mongo_log_last() :
					  "the certificates in the URI's options could not be used");
	return false;
}

/*
 * The client's stream initiator: "data" is the MongoWire.  The stream
 * returned is still connecting, or broken, which poll() then reports.
 *
 * Never NULL: a scan that asks a known server again after a failure calls
 * this with the topology's lock held, and would take the lock a second time
 * to note that there is no stream.
 */
mongoc_stream_t *MONGO_CALLBACK
mongo_stream_initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
					  void *data, bson_error_t *error)
{
	MongoWire  *wire = data;
	MongoStream *stream = mongo_stream_new(wire, NULL);

	wire->changed = true;
	strlcpy(stream->host, host->host, sizeof(stream->host));
	strlcpy(stream->host_and_port, host->host_and_port, sizeof(stream->host_and_port));
	if (wire->refusal == MONGO_ACCEPTED &&
		(!wire->use_tls || mongo_stream_add_tls(stream)) &&
		mongo_stream_connect(stream, host))
		mongo_stream_asked(stream);
	else
		mongo_stream_break(stream);
	return &stream->vtable;
}

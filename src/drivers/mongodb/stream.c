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

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stream.h"

#define MONGO_STREAM_TYPE	0x5359	/* no number of the library's own */
#define MONGO_MAX_IOVEC		16

/* A host with several addresses: how long to try all but the last. */
#define MONGO_ADDRESS_PATIENCE_US	1000000

/* After the first answer of a scan, how long to wait for the others. */
#define MONGO_SCAN_GRACE_US	200000

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
	int			last_errno;		/* of the last read or write */
	struct addrinfo *addresses; /* from getaddrinfo(); NULL: unix socket */
	struct addrinfo *address;	/* the one in use */
	SyDeadline	address_until;	/* then try the next one; 0: never */
	char		host[BSON_HOST_NAME_MAX + 1];
	char		host_and_port[BSON_HOST_NAME_MAX + 8];
} MongoStream;

static uint64 last_serial = 0;

/*
 * Trouble and bookkeeping
 */

/* Remember what went wrong, unless it is only our own refusal. */
static void
mongo_stream_note(MongoStream *stream, const char *what, int error, const char *text)
{
	MongoTrouble *trouble = &stream->wire->trouble;

	if (stream->wire->refusal != MONGO_ACCEPTED)
		return;
	trouble->noted = true;
	trouble->what = what;
	trouble->error = error;
	strlcpy(trouble->host, stream->host_and_port, sizeof(trouble->host));
	strlcpy(trouble->text, text, sizeof(trouble->text));
}

/* The stream takes part in a scan of the topology: it was just asked. */
static void
mongo_stream_asked(MongoStream *stream)
{
	MongoWire  *wire = stream->wire;

	if (!stream->asked)
	{
		if (wire->asked == 0)
			wire->answered_at = 0;	/* a new scan begins */
		stream->asked = true;
		wire->asked++;
	}
	wire->asked_at = sy_now_us();
}

/* It answered, or never will. */
static void
mongo_stream_answered(MongoStream *stream, bool really)
{
	MongoWire  *wire = stream->wire;

	if (!stream->asked)
		return;
	stream->asked = false;
	wire->asked--;
	if (really && wire->answered_at == 0)
		wire->answered_at = sy_now_us();
}

/* When the members that have not answered are given up; 0: not yet known. */
static SyDeadline
mongo_stream_grace_end(const MongoWire *wire)
{
	if (wire->answered_at == 0 || wire->patient)
		return 0;
	return Max(wire->answered_at, wire->asked_at) + MONGO_SCAN_GRACE_US;
}

/* Does I/O on this stream have to fail? */
static bool
mongo_stream_refuses(MongoStream *stream)
{
	if (stream->wire->refusal == MONGO_ACCEPTED)
		return false;
	stream->last_errno = errno = ECANCELED;
	return true;
}

/* Add a descriptor to what the wire waits for. */
static void
mongo_wire_add(MongoWire *wire, const MongoStream *stream, int poll_events)
{
	SyWaitItem *item;

	if (wire->nitems == wire->maxitems)
	{
		wire->maxitems += 8;
		wire->items = bson_realloc(wire->items, wire->maxitems * sizeof(SyWaitItem));
	}
	item = &wire->items[wire->nitems++];
	item->fd = stream->fd;
	item->serial = stream->serial;
	item->events = ((poll_events & POLLIN) ? SY_WAIT_READABLE : 0) |
		((poll_events & POLLOUT) ? SY_WAIT_WRITABLE : 0);
	item->ready = 0;
}

/* Wait until one descriptor is ready; false: refused, errno is set. */
static bool
mongo_stream_wait(MongoStream *stream, int poll_events)
{
	MongoWire  *wire = stream->wire;
	MongoStream *owner = stream->outer ? stream->outer : stream;

	wire->nitems = 0;
	mongo_wire_add(wire, owner, poll_events);
	(void) mongo_wire_pause(wire, 0);
	return !mongo_stream_refuses(stream);
}

/*
 * Connecting
 */

static void
mongo_stream_close_fd(MongoStream *stream)
{
	if (stream->fd >= 0)
		(void) close(stream->fd);
	stream->fd = -1;
}

/* A socket as all of ours are: it does not block and notices a dead peer. */
static int
mongo_socket(int family)
{
	int			on = 1;
	int			idle_s = 120;
	int			interval_s = 10;
	int			probes = 9;
	int			fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
	{
		int			save_errno = errno;

		(void) close(fd);
		errno = save_errno;
		return -1;
	}
	if (family != AF_UNIX)
	{
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
		(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
		(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
		(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
#endif
	}
	return fd;
}

/* Open a socket and begin to connect it; false: errno is set. */
static bool
mongo_stream_begin_connect(MongoStream *stream, int family,
						   const struct sockaddr *address, socklen_t length)
{
	mongo_stream_close_fd(stream);
	stream->fd = mongo_socket(family);
	if (stream->fd < 0)
		return false;
	stream->serial = ++last_serial;
	stream->phase = MONGO_CONNECTING;
	while (connect(stream->fd, address, length) != 0)
	{
		if (errno == EINPROGRESS)
			return true;
		if (errno != EINTR)
			return false;
	}
	return true;				/* poll() finds it writable at once */
}

/*
 * Begin with the address at stream->address, or the next that does not fail
 * at once.  False: none is left; the trouble is noted.
 */
static bool
mongo_stream_try_addresses(MongoStream *stream)
{
	for (; stream->address != NULL; stream->address = stream->address->ai_next)
	{
		struct addrinfo *one = stream->address;

		if (mongo_stream_begin_connect(stream, one->ai_family, one->ai_addr,
									   one->ai_addrlen))
		{
			stream->address_until =
				one->ai_next ? sy_now_us() + MONGO_ADDRESS_PATIENCE_US : 0;
			return true;
		}
		mongo_stream_note(stream, "Connecting to", errno, "");
	}
	return false;
}

/* Begin to connect to a unix socket; false: the trouble is noted. */
static bool
mongo_stream_try_unix(MongoStream *stream, const char *path)
{
	struct sockaddr_un address;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
		errno = ENAMETOOLONG;
	else if (mongo_stream_begin_connect(stream, AF_UNIX, (struct sockaddr *) &address,
										sizeof(address)))
		return true;
	mongo_stream_note(stream, "Connecting to", errno, "");
	return false;
}

/* The stream is of no use any more. */
static void
mongo_stream_break(MongoStream *stream)
{
	stream->phase = MONGO_BROKEN;
	mongo_stream_answered(stream, false);
	mongo_stream_close_fd(stream);
}

/* The address in use failed (errno "error"): on to the next one. */
static void
mongo_stream_next_address(MongoStream *stream, int error)
{
	mongo_stream_note(stream, "Connecting to", error, "");
	if (stream->address != NULL)
	{
		stream->address = stream->address->ai_next;
		if (mongo_stream_try_addresses(stream))
			return;
	}
	mongo_stream_break(stream);
}

/* TCP: has it been established?  Leaves CONNECTING if that is known. */
static void
mongo_stream_check_connect(MongoStream *stream)
{
	struct pollfd item;
	int			error = 0;
	socklen_t	length = sizeof(error);

	item.fd = stream->fd;
	item.events = POLLOUT;
	item.revents = 0;
	if (poll(&item, 1, 0) <= 0)
	{
		if (sy_deadline_passed(stream->address_until))
			mongo_stream_next_address(stream, ETIMEDOUT);
		return;
	}
	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error != 0)
		mongo_stream_next_address(stream, error);
	else
		stream->phase = stream->tls ? MONGO_SHAKING : MONGO_READY;
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
 * Reading and writing the descriptor
 */

/* One non-blocking read or write failed: may it be repeated? */
static bool
mongo_would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}

/*
 * Read into one buffer until "need" bytes are there; *got says how many are.
 * Returns false if the stream cannot bring more now: at its end (errno 0),
 * by a failure, a refusal, or for EAGAIN when not to wait.
 */
static bool
mongo_raw_read(MongoStream *stream, char *buffer, size_t size, size_t need,
			   bool wait, size_t *got)
{
	MongoStream *owner = stream->outer ? stream->outer : stream;

	*got = 0;
	while (*got < need)
	{
		ssize_t		n;

		if (mongo_stream_refuses(stream))
			return false;
		n = recv(owner->fd, buffer + *got, size - *got, 0);
		if (n > 0)
		{
			*got += n;
			stream->wire->bytes_in += n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && mongo_would_block(errno))
		{
			stream->last_errno = EAGAIN;
			errno = EAGAIN;
			if (!wait || !mongo_stream_wait(stream, POLLIN))
				return false;
			continue;
		}
		stream->last_errno = n == 0 ? 0 : errno;
		mongo_stream_note(owner, "Reading from", stream->last_errno,
						  n == 0 ? "the server closed the connection" : "");
		errno = stream->last_errno;
		return false;
	}
	return true;
}

/*
 * Fill buffers in turn.  As libmongoc wants it: at least one byte even if
 * min_bytes is 0, short only at the end of the stream (0 bytes: nothing came)
 * or when not to wait.
 */
static ssize_t
mongo_raw_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt,
				size_t min_bytes, int32_t timeout_msec)
{
	MongoStream *stream = (MongoStream *) base;
	size_t		need = Max(min_bytes, 1);
	size_t		done = 0;

	for (size_t i = 0; i < iovcnt && done < need; i++)
	{
		size_t		size = iov[i].iov_len;
		size_t		got;
		bool		more;

		if (size == 0)
			continue;
		more = mongo_raw_read(stream, iov[i].iov_base, size, Min(size, need - done),
							  timeout_msec != 0, &got);
		done += got;
		if (more)
			continue;
		if (stream->wire->refusal != MONGO_ACCEPTED || (done == 0 && stream->last_errno != 0))
			return -1;
		break;
	}
	return (ssize_t) done;
}

/* Prepare a sendmsg() of what is left after "done" bytes; false: nothing. */
static bool
mongo_remaining(const mongoc_iovec_t *iov, size_t iovcnt, size_t done,
				struct iovec *rest, struct msghdr *message)
{
	int			n = 0;

	for (size_t i = 0; i < iovcnt && n < MONGO_MAX_IOVEC; i++)
	{
		if (done >= iov[i].iov_len)
		{
			done -= iov[i].iov_len;
			continue;
		}
		rest[n].iov_base = (char *) iov[i].iov_base + done;
		rest[n].iov_len = iov[i].iov_len - done;
		done = 0;
		n++;
	}
	memset(message, 0, sizeof(*message));
	message->msg_iov = rest;
	message->msg_iovlen = n;
	return n > 0;
}

/* Write all buffers; short only if not to wait. */
static ssize_t
mongo_raw_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt,
				 int32_t timeout_msec)
{
	MongoStream *stream = (MongoStream *) base;
	MongoStream *owner = stream->outer ? stream->outer : stream;
	struct iovec rest[MONGO_MAX_IOVEC];
	struct msghdr message;
	size_t		done = 0;

	while (mongo_remaining(iov, iovcnt, done, rest, &message))
	{
		ssize_t		n;

		if (mongo_stream_refuses(stream))
			return -1;
		n = sendmsg(owner->fd, &message, MSG_NOSIGNAL);
		if (n >= 0)
		{
			done += n;
			continue;
		}
		if (errno == EINTR)
			continue;
		stream->last_errno = errno;
		if (mongo_would_block(errno))
		{
			stream->last_errno = errno = EAGAIN;
			if (timeout_msec == 0)
				return done > 0 ? (ssize_t) done : -1;
			if (!mongo_stream_wait(stream, POLLOUT))
				return -1;
			continue;
		}
		mongo_stream_note(owner, "Writing to", errno, "");
		errno = stream->last_errno;
		return -1;
	}
	return (ssize_t) done;
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
		mongo_stream_answered(stream, true);
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
			return item.revents;
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

static int	MONGO_CALLBACK
mongo_stream_close(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;

	if (stream->outer == NULL)
	{
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
	MongoStream *owner = stream->outer ? stream->outer : stream;

	return setsockopt(owner->fd, level, name, value, length);
}

/* Has the other side closed the connection? */
static bool MONGO_CALLBACK
mongo_stream_check_closed(mongoc_stream_t *base)
{
	MongoStream *stream = (MongoStream *) base;
	MongoStream *owner = stream->outer ? stream->outer : stream;
	char		byte;
	ssize_t		n;

	if (owner->phase != MONGO_READY)
		return owner->phase == MONGO_BROKEN;
	do
		n = recv(owner->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == 0 || (n < 0 && !mongo_would_block(errno));
}

static bool MONGO_CALLBACK
mongo_stream_timed_out(mongoc_stream_t *base)
{
	return ((MongoStream *) base)->wire->refusal != MONGO_ACCEPTED;
}

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

/* Find the host's addresses and begin to connect to the first. */
static bool
mongo_stream_connect(MongoStream *stream, const mongoc_host_list_t *host)
{
	struct addrinfo hints;
	char		port[8];
	int			failure;

	if (host->family == AF_UNIX)
		return mongo_stream_try_unix(stream, host->host);
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", (unsigned) host->port);
	failure = getaddrinfo(host->host, port, &hints, &stream->addresses);
	if (failure != 0)
	{
		stream->addresses = NULL;
		mongo_stream_note(stream, "Looking up", 0, gai_strerror(failure));
		return false;
	}
	stream->address = stream->addresses;
	return mongo_stream_try_addresses(stream);
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

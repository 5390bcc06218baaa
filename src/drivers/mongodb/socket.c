/*-------------------------------------------------------------------------
 *
 * socket.c
 *	  One stream's socket: connecting it to one of a host's addresses, reading
 *	  and writing it without blocking the process.
 *
 * Runs on the coroutine's stack: no allocation by PostgreSQL, no errors.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/socket.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket.h"

#define MONGO_MAX_IOVEC		16

/* A host with several addresses: how long to try all but the last. */
#define MONGO_ADDRESS_PATIENCE_US	1000000

static uint64 last_serial = 0;

/*
 * Trouble and bookkeeping
 */

/* Remember what went wrong, unless it is only our own refusal. */
void
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
void
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
void
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

/* The other side has closed the connection: was that all that it ever did? */
void
mongo_stream_closed(MongoStream *stream)
{
	MongoStream *owner = mongo_stream_owner(stream);

	owner->dismissed = !owner->heard;
	if (owner->dismissed)
		stream->wire->dismissed = true;
	else
		stream->wire->failed = true;
}

/* Does I/O on this stream have to fail? */
bool
mongo_stream_refuses(MongoStream *stream)
{
	if (stream->wire->refusal == MONGO_ACCEPTED)
		return false;
	stream->last_errno = errno = ECANCELED;
	return true;
}

/* Add a descriptor to what the wire waits for. */
void
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
bool
mongo_stream_wait(MongoStream *stream, int poll_events)
{
	MongoWire  *wire = stream->wire;
	MongoStream *owner = mongo_stream_owner(stream);

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
void
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
void
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

/* Find the host's addresses and begin to connect to the first. */
bool
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
 * Reading and writing the descriptor
 */

/*
 * Read into one buffer until "need" bytes are there; *got says how many are.
 * Returns false if the stream cannot bring more now: at its end (errno 0),
 * by a failure, a refusal, or for EAGAIN when not to wait.
 */
static bool
mongo_raw_read(MongoStream *stream, char *buffer, size_t size, size_t need,
			   bool wait, size_t *got)
{
	MongoStream *owner = mongo_stream_owner(stream);

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
			owner->heard = true;
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
		if (n == 0 || errno == ECONNRESET)
			mongo_stream_closed(stream);
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
ssize_t MONGO_CALLBACK
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
ssize_t MONGO_CALLBACK
mongo_raw_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t iovcnt,
				 int32_t timeout_msec)
{
	MongoStream *stream = (MongoStream *) base;
	MongoStream *owner = mongo_stream_owner(stream);
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
		if (errno == EPIPE || errno == ECONNRESET)
			mongo_stream_closed(stream);
		mongo_stream_note(owner, "Writing to", stream->last_errno, "");
		errno = stream->last_errno;
		return -1;
	}
	return (ssize_t) done;
}

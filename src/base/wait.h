/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Monotonic deadlines, and the one place where a backend waits.
 *
 * IDENTIFICATION
 *	  src/base/wait.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_WAIT_H
#define SY_WAIT_H

#include <time.h>

/* A point of CLOCK_MONOTONIC in microseconds; 0 means "never". */
typedef int64 SyDeadline;

/* The present instant of the monotonic clock, in microseconds; never 0. */
static inline int64
sy_now_us(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000 + 1;
}

/* The deadline "ms" milliseconds from now; 0 or less: never. */
static inline SyDeadline
sy_deadline_in(int64 ms)
{
	return ms > 0 ? sy_now_us() + ms * 1000 : 0;
}

/* Has the deadline passed?  "Never" has not. */
static inline bool
sy_deadline_passed(SyDeadline deadline)
{
	return deadline != 0 && sy_now_us() >= deadline;
}

/* The earlier of two deadlines. */
static inline SyDeadline
sy_deadline_min(SyDeadline a, SyDeadline b)
{
	if (a == 0)
		return b;
	if (b == 0)
		return a;
	return Min(a, b);
}

#define SY_WAIT_READABLE	1
#define SY_WAIT_WRITABLE	2

/* One descriptor that is waited for. */
typedef struct SyWaitItem
{
	int			fd;
	int			events;			/* SY_WAIT_… asked for */
	int			ready;			/* out: SY_WAIT_… seen; both on an error */
	uint64		serial;			/* differs for each descriptor ever opened by
								 * this process, so that a number used again
								 * is not taken for the old connection */
} SyWaitItem;

/* What a suspended operation waits for: any item, or "until", or both. */
typedef struct SyWaitSpec
{
	int			nitems;			/* may be 0: a pause */
	SyWaitItem *items;			/* owned by the driver; valid until it is
								 * called again for this session */
	SyDeadline	until;			/* resume it then even if nothing is ready */
} SyWaitSpec;

extern void sy_wait(SyWaitSpec *specs, int nspecs);
extern bool sy_wait_quietly(SyWaitSpec *spec);
extern bool sy_wait_briefly(SyWaitSpec *specs, int nspecs);

#endif							/* SY_WAIT_H */

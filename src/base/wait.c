/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  The one place where a backend waits for a source.
 *
 * A wait is for sockets, for a deadline, and always for the backend's latch
 * and the postmaster's death.  The event set of the last wait is kept, since a
 * scan waits for the same socket thousands of times.
 *
 * IDENTIFICATION
 *	  src/base/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/wait.h"

/* One descriptor as the kept event set knows it. */
typedef struct Watched
{
	int			fd;
	int			events;
	uint64		serial;
} Watched;

#define MAX_KEPT	64

static bool latch_was_set = false;	/* in the last wait */
static WaitEventSet *kept_set = NULL;
static Watched kept_items[MAX_KEPT];
static int	kept_count = 0;

/* The events of core's API for ours. */
static uint32
core_events(int events)
{
	return ((events & SY_WAIT_READABLE) ? WL_SOCKET_READABLE : 0) |
		((events & SY_WAIT_WRITABLE) ? WL_SOCKET_WRITEABLE : 0);
}

/* Does the kept event set wait for exactly these items, in this order? */
static bool
kept_set_fits(const SyWaitSpec *specs, int nspecs)
{
	int			n = 0;

	if (kept_set == NULL)
		return false;
	for (int i = 0; i < nspecs; i++)
		for (int j = 0; j < specs[i].nitems; j++)
		{
			const SyWaitItem *item = &specs[i].items[j];

			if (n == kept_count || kept_items[n].fd != item->fd ||
				kept_items[n].events != item->events ||
				kept_items[n].serial != item->serial)
				return false;
			n++;
		}
	return n == kept_count;
}

/*
 * The event set for these items.  It belongs to this file and is valid until
 * the next call; throws for want of memory or descriptors.
 */
static WaitEventSet *
event_set_for(const SyWaitSpec *specs, int nspecs)
{
	int			nitems = 0;
	WaitEventSet *set;

	if (kept_set_fits(specs, nspecs))
		return kept_set;

	for (int i = 0; i < nspecs; i++)
		nitems += specs[i].nitems;

	if (kept_set != NULL)
	{
		set = kept_set;
		kept_set = NULL;
		FreeWaitEventSet(set);
	}
	set = sy_create_wait_event_set(nitems + 2);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	/* a single-user backend has no postmaster */
	if (IsUnderPostmaster)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	kept_count = 0;
	for (int i = 0; i < nspecs; i++)
		for (int j = 0; j < specs[i].nitems; j++)
		{
			SyWaitItem *item = &specs[i].items[j];

			AddWaitEventToSet(set, core_events(item->events), item->fd, NULL, item);
			if (kept_count < MAX_KEPT)
				kept_items[kept_count] = (Watched) {
					item->fd, item->events, item->serial
				};
			kept_count++;
		}
	kept_set = set;
	return set;
}

/* Note in the items which of them "event" says are ready. */
static void
mark_ready(SyWaitSpec *specs, int nspecs, const WaitEvent *event)
{
	int			ready = ((event->events & WL_SOCKET_READABLE) ? SY_WAIT_READABLE : 0) |
		((event->events & WL_SOCKET_WRITEABLE) ? SY_WAIT_WRITABLE : 0);

	/* by descriptor: a kept set remembers the items of an earlier call */
	for (int i = 0; i < nspecs; i++)
		for (int j = 0; j < specs[i].nitems; j++)
			if (specs[i].items[j].fd == event->fd)
				specs[i].items[j].ready |= ready;
}

/*
 * Wait once.  Returns true if an item became ready or a deadline passed,
 * false if it was the latch, which is reset.
 */
static bool
wait_once(SyWaitSpec *specs, int nspecs)
{
	WaitEvent	events[16];
	SyDeadline	until = 0;
	long		timeout_ms = -1;
	bool		over = false;
	int			nevents;
	WaitEventSet *set;

	for (int i = 0; i < nspecs; i++)
		until = sy_deadline_min(until, specs[i].until);
	if (until != 0)
	{
		int64		left_us = until - sy_now_us();

		if (left_us <= 0)
			return true;
		timeout_ms = (long) Min((left_us + 999) / 1000, 60 * 60 * 1000);
	}

	set = event_set_for(specs, nspecs);
	nevents = WaitEventSetWait(set, timeout_ms, events, lengthof(events), SY_WAIT_SOURCE);
	if (kept_count > MAX_KEPT)
	{
		/* too many to be compared next time */
		kept_set = NULL;
		FreeWaitEventSet(set);
	}
	for (int i = 0; i < nevents; i++)
	{
		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch_was_set = true;
		}
		else
		{
			mark_ready(specs, nspecs, &events[i]);
			over = true;
		}
	}
	return over || sy_deadline_passed(until);
}

/* Empty the "ready" of all items. */
static void
clear_ready(SyWaitSpec *specs, int nspecs)
{
	for (int i = 0; i < nspecs; i++)
		for (int j = 0; j < specs[i].nitems; j++)
			specs[i].items[j].ready = 0;
}

/*
 * Wait until an item of any spec is ready or the earliest deadline has
 * passed.  Serves interrupts, so it may throw.
 */
void
sy_wait(SyWaitSpec *specs, int nspecs)
{
	bool		over;

	clear_ready(specs, nspecs);
	do
	{
		CHECK_FOR_INTERRUPTS();
		over = wait_once(specs, nspecs);
	} while (!over);
	CHECK_FOR_INTERRUPTS();
}

/*
 * The same for one spec without serving interrupts: returns false at once if
 * a cancel or a termination is pending, or when one comes.  Throws only if the
 * kernel refuses an event set.
 */
bool
sy_wait_quietly(SyWaitSpec *spec)
{
	clear_ready(spec, 1);
	for (;;)
	{
		if (QueryCancelPending || ProcDiePending)
			return false;
		if (wait_once(spec, 1))
			return true;
	}
}

/*
 * Wait as sy_wait() does, but at most until the latch is set.  Returns whether
 * it was; no interrupt is served.
 */
bool
sy_wait_briefly(SyWaitSpec *specs, int nspecs)
{
	clear_ready(specs, nspecs);
	latch_was_set = false;
	(void) wait_once(specs, nspecs);
	return latch_was_set;
}

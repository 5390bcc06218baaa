/*-------------------------------------------------------------------------
 *
 * event.c
 *	  The ring of events, and the lines of the server log.
 *
 * What happens under a slot's mutex is noted in a SyNews, with the ids that
 * its events will have, and told when the mutex is free again.  So ids are in
 * the order of what happened, and a reader may find a gap at the ring's end
 * for a moment.
 *
 * Without shared memory the ring is the backend's own.
 *
 * IDENTIFICATION
 *	  src/health/event.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "health/shmem.h"

static SyEvent *private_ring = NULL;
static uint64 private_last = 0;

/* "half_opened"; a constant. */
const char *
sy_event_kind_name(SyEventKind kind)
{
	static const char *const names[] = {
		[SY_EVENT_FAILURE] = "failure",
		[SY_EVENT_OPENED] = "opened",
		[SY_EVENT_HALF_OPENED] = "half_opened",
		[SY_EVENT_CLOSED] = "closed",
		[SY_EVENT_FORCED] = "forced",
		[SY_EVENT_DRAINED] = "drained",
		[SY_EVENT_RESET] = "reset"
	};

	return names[kind];
}

/* "overload", or NULL if nothing failed; a constant. */
const char *
sy_event_class_name(SyErrorClass cls)
{
	switch (cls)
	{
		case SY_ERROR_SOURCE:
			return "source";
		case SY_ERROR_OVERLOAD:
			return "overload";
		case SY_ERROR_AUTH:
			return "auth";
		case SY_ERROR_CAPACITY:
			return "capacity";
		case SY_ERROR_NONE:
		case SY_ERROR_REQUEST:
		case SY_ERROR_CANCELED:
			break;
	}
	return NULL;
}

/* What kind of event a change of state is. */
static SyEventKind
kind_of(const SyBreakerChange *change)
{
	if (change->event == SY_BREAKER_EV_RESET)
		return SY_EVENT_RESET;
	switch (change->to)
	{
		case SY_BREAKER_OPEN:
			return SY_EVENT_OPENED;
		case SY_BREAKER_HALF_OPEN:
			return SY_EVENT_HALF_OPENED;
		case SY_BREAKER_FORCED_OPEN:
			return SY_EVENT_FORCED;
		case SY_BREAKER_DRAINED:
			return SY_EVENT_DRAINED;
		case SY_BREAKER_CLOSED:
		case SY_BREAKER_OFF:
			break;
	}
	return SY_EVENT_CLOSED;
}

/* Begin to note what happens to a slot.  Not under the mutex yet. */
void
sy_event_begin(SyNews *news, SySlot *slot)
{
	memset(news, 0, offsetof(SyNews, changes));
	news->slot = slot;
	news->failures = -1;
	news->changes.count = 0;
}

/* An error is part of the news; its text is prepared here, before the mutex. */
void
sy_event_error(SyNews *news, const SyError *err)
{
	if (sy_event_class_name(err->cls) == NULL)
		return;
	news->cls = err->cls;
	news->sqlstate = err->sqlstate;
	sy_error_excerpt(news->message, sizeof(news->message), err->message);
	sy_error_summary(news->summary, err);
}

/* What status does the slot have with that breaker, apart from a probe's age? */
SySlotStatus
sy_event_status(const SySlot *slot, const SyBreaker *breaker)
{
	switch (breaker->state)
	{
		case SY_BREAKER_OPEN:
		case SY_BREAKER_FORCED_OPEN:
			return SY_SLOT_DOWN;
		case SY_BREAKER_DRAINED:
			return SY_SLOT_DRAINED;
		case SY_BREAKER_HALF_OPEN:
			return SY_SLOT_DEGRADED;
		case SY_BREAKER_OFF:
			if (slot->probed_at != 0 && !slot->probe_ok && !slot->probe_undone)
				return SY_SLOT_DOWN;
			break;
		case SY_BREAKER_CLOSED:
			if (breaker->failures > 0)
				return SY_SLOT_DEGRADED;
			break;
	}
	return slot->degraded[0] != '\0' ? SY_SLOT_DEGRADED : SY_SLOT_OK;
}

/*
 * Make the slot agree with what its breaker has become, and take ids for the
 * events.  Under the mutex, last.
 */
void
sy_event_settle(SyNews *news, const SyInstant *now)
{
	SySlot	   *slot = news->slot;
	int			nevents = news->changes.count + (news->failed ? 1 : 0);
	SySlotStatus status;

	if (news->cls != SY_ERROR_NONE)
	{
		slot->last_class = news->cls;
		slot->last_error_at = now->wall;
		slot->last_sqlstate = news->sqlstate;
		strlcpy(slot->last_error, news->message, sizeof(slot->last_error));
	}
	if (news->changes.count > 0)
	{
		const SyBreakerChange *change = &news->changes.items[news->changes.count - 1];

		slot->set_by = news->userid;
		if (news->reason[0] != '\0')
			strlcpy(slot->reason, news->reason, sizeof(slot->reason));
		else if (change->event == SY_BREAKER_EV_THRESHOLD)
			snprintf(slot->reason, sizeof(slot->reason), "%d consecutive failure%s",
					 change->failures, change->failures == 1 ? "" : "s");
		else
			strlcpy(slot->reason, change->reason, sizeof(slot->reason));
		for (int i = 0; i < news->changes.count; i++)
			if (news->changes.items[i].to == SY_BREAKER_OPEN)
			{
				pg_atomic_fetch_add_u64(&slot->opens, 1);
				slot->opened_sqlstate = news->sqlstate;
			}
	}
	status = sy_event_status(slot, &slot->breaker);
	if (status != slot->status)
	{
		slot->status = status;
		slot->status_since = now->wall;
	}
	if (sy_shared != NULL)
		news->first_event = nevents == 0 ? 0 :
			pg_atomic_fetch_add_u64(&sy_shared->last_event, nevents) + 1;
	else
	{
		news->first_event = private_last + 1;
		private_last += nevents;
	}
	sy_slot_publish(slot);
}

/* Put an event into the ring. */
static void
record(const SyEvent *event)
{
	if (sy_shared != NULL)
	{
		LWLockAcquire(SY_LOCK_EVENTS, LW_EXCLUSIVE);
		/* who was kept waiting for a whole round comes too late */
		if (sy_shared_events[event->id % SY_EVENT_RING].id < event->id)
			sy_shared_events[event->id % SY_EVENT_RING] = *event;
		LWLockRelease(SY_LOCK_EVENTS);
		return;
	}
	if (private_ring == NULL)
		private_ring = MemoryContextAllocExtended(TopMemoryContext, SY_EVENT_RING * sizeof(SyEvent),
												  MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	if (private_ring != NULL)
		private_ring[event->id % SY_EVENT_RING] = *event;
}

/* Was the breaker opened by failures? */
static bool
is_by_failures(const SyBreakerChange *change)
{
	return change->event == SY_BREAKER_EV_THRESHOLD || change->event == SY_BREAKER_EV_RATE ||
		change->event == SY_BREAKER_EV_TRIAL_FAILED;
}

/* Why did the state change? */
static const char *
reason_of(const SyNews *news, const SyBreakerChange *change)
{
	return news->reason[0] != '\0' ? news->reason : change->reason;
}

/*
 * Put what was noted into the ring.  All of it before anything is logged,
 * which can fail: a reader waits for ids that were given out.
 */
static void
record_all(const SyNews *news, const char *name, const SyLimits *limits)
{
	SyEvent		event;

	memset(&event, 0, sizeof(SyEvent));
	event.id = news->first_event;
	event.at = GetCurrentTimestamp();
	event.dboid = MyDatabaseId;
	namestrcpy(&event.source, name);
	event.pid = MyProcPid;
	event.userid = GetUserId();
	if (news->failed)
	{
		event.kind = SY_EVENT_FAILURE;
		event.from = event.to = news->state;
		event.failures = news->failures;
		event.threshold = news->failures < 0 ? -1 : limits->failure_threshold;
		event.sqlstate = news->sqlstate;
		strlcpy(event.message, news->message, sizeof(event.message));
		record(&event);
		event.id++;
	}
	for (int i = 0; i < news->changes.count; i++)
	{
		const SyBreakerChange *change = &news->changes.items[i];

		event.kind = kind_of(change);
		event.from = change->from;
		event.to = change->to;
		event.failures = is_by_failures(change) ? change->failures : -1;
		event.threshold = is_by_failures(change) ? limits->failure_threshold : -1;
		event.sqlstate = is_by_failures(change) ? news->sqlstate : 0;
		strlcpy(event.message, reason_of(news, change), sizeof(event.message));
		record(&event);
		event.id++;
	}
}

/* Log a failure and why: "failure 3 of 5". */
static void
log_failure(const SyNews *news, const char *name, const SyLimits *limits)
{
	ereport(LOG,
			(errcode(news->sqlstate),
			 news->failures >= 0 ?
			 errmsg("source \"%s\": failure %d of %d", name, news->failures,
					limits->failure_threshold) :
			 errmsg("source \"%s\": trial call failed", name),
			 errdetail("%s", news->summary),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * Log a change of state.  What an option brought about, or a reset that
 * changed nothing, is no warning.
 */
static void
log_change(const SyNews *news, const char *name, const SyBreakerChange *change)
{
	bool		is_news = change->from != change->to &&
		change->from != SY_BREAKER_OFF && change->to != SY_BREAKER_OFF;

	ereport(is_news ? WARNING : LOG,
			(errcode(ERRCODE_WARNING),
			 change->from == change->to ?
			 errmsg("source \"%s\": circuit breaker was reset, it was %s", name,
					sy_breaker_state_name(change->from)) :
			 errmsg("source \"%s\": circuit breaker is %s now, was %s", name,
					sy_breaker_state_name(change->to), sy_breaker_state_name(change->from)),
			 errdetail("The reason: %s.", reason_of(news, change)),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * Tell what was noted: to the ring, to the log, to whoever waits for the slot
 * and to the prober.  Not under the mutex.  "limits" may be NULL for commands.
 */
void
sy_event_tell(const SyNews *news, const char *name, const SyLimits *limits)
{
	if (!news->failed && news->changes.count == 0)
		return;

	record_all(news, name, limits);
	if (news->changes.count > 0)
	{
		sy_slot_changed(news->slot);
		sy_database_wake(MyDatabaseId);
	}

	/* a message serves interrupts at its end, but this is no place for that */
	HOLD_INTERRUPTS();
	if (news->failed)
		log_failure(news, name, limits);
	for (int i = 0; i < news->changes.count; i++)
		log_change(news, name, &news->changes.items[i]);
	RESUME_INTERRUPTS();
}

/* Events of this database; see health.h. */
SyEvent *
sy_event_read(uint64 since, int *count, uint64 *last)
{
	const SyEvent *ring = sy_shared != NULL ? sy_shared_events : private_ring;
	SyEvent    *events;
	uint64		newest;

	*count = 0;
	*last = since;
	if (ring == NULL)
		return NULL;
	events = palloc(SY_EVENT_RING * sizeof(SyEvent));
	if (sy_shared != NULL)
		LWLockAcquire(SY_LOCK_EVENTS, LW_SHARED);
	newest = sy_shared != NULL ? pg_atomic_read_u64(&sy_shared->last_event) : private_last;
	if (newest > SY_EVENT_RING && since < newest - SY_EVENT_RING)
		since = newest - SY_EVENT_RING;
	for (uint64 id = since + 1; id <= newest; id++)
	{
		const SyEvent *event = &ring[id % SY_EVENT_RING];

		/* it is not written yet: go on from here next time */
		if (event->id < id)
			break;
		*last = id;
		if (event->id == id && event->dboid == MyDatabaseId)
			events[(*count)++] = *event;
	}
	if (sy_shared != NULL)
		LWLockRelease(SY_LOCK_EVENTS);
	return events;
}

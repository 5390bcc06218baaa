/*-------------------------------------------------------------------------
 *
 * control.c
 *	  An administrator's word: trip, drain, reset.
 *
 * IDENTIFICATION
 *	  src/health/control.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "health/shmem.h"

/*
 * Begin to count anew.  What a failed probe has found out is forgotten like
 * the failures of calls: until the next one nothing is known.  Under the mutex.
 */
static void
forget(SySlot *slot, const SyInstant *now)
{
	sy_stats_init(&slot->stats);
	pg_atomic_write_u64(&slot->rejected, 0);
	pg_atomic_write_u64(&slot->opens, 0);
	slot->stats_reset = now->wall;
	if (slot->probed_at == 0 || slot->probe_ok || slot->probe_undone)
		return;
	slot->probe_undone = true;
	slot->degraded[0] = '\0';
	slot->status_since = now->wall;
}

/* Obey a command. */
static void
command(SySlot *slot, const char *name, SyBreakerEvent event, int64 duration_ms,
		const char *reason, Oid userid)
{
	SyInstant	now = sy_slot_now();
	SyNews		news;

	sy_event_begin(&news, slot);
	news.userid = userid;
	if (reason != NULL)
		sy_error_excerpt(news.reason, sizeof(news.reason), reason);

	SpinLockAcquire(&slot->mutex);
	sy_breaker_command(&slot->breaker, event, duration_ms, &now, &news.changes);
	if (event == SY_BREAKER_EV_RESET)
		forget(slot, &now);
	sy_event_settle(&news, &now);
	SpinLockRelease(&slot->mutex);
	sy_event_tell(&news, name, NULL);
}

/* Refuse all calls, for a while or for good. */
void
sy_control_trip(SySlot *slot, const char *name, int64 duration_ms, const char *reason, Oid userid)
{
	command(slot, name, SY_BREAKER_EV_TRIP, duration_ms, reason, userid);
}

/* Let transactions finish, admit no new ones. */
void
sy_control_drain(SySlot *slot, const char *name, const char *reason, Oid userid)
{
	command(slot, name, SY_BREAKER_EV_DRAIN, 0, reason, userid);
}

/* Undo a manual state, zero the counters, ignore what is under way. */
void
sy_control_reset(SySlot *slot, const char *name, Oid userid)
{
	command(slot, name, SY_BREAKER_EV_RESET, 0, NULL, userid);
}

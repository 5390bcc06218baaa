/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  What probes and samples have found out.
 *
 * A failed probe counts like a failed call.  A good one is a trial call if
 * the breaker wants trials, and otherwise takes back failed probes only: a
 * source that answers a ping may still fail at queries.
 *
 * IDENTIFICATION
 *	  src/health/probe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "health/shmem.h"

/* While the breaker is half open, trial calls are made at this distance. */
#define TRIAL_INTERVAL_MS	1000

/* What an older probe has found out is not relied on. */
#define FRESH_INTERVALS		3

/* A probe begins; see health.h. */
void
sy_probe_begin(SySlot *slot, const char *name, const SyLimits *limits, SyCall *call)
{
	SyInstant	now = sy_slot_now();
	uint32		lease;
	uint64		word;
	SyNews		news;

	sy_event_begin(&news, slot);
	SpinLockAcquire(&slot->mutex);
	lease = sy_breaker_lease(&slot->breaker, limits, &now, sy_admit_owner(slot), &news.changes);
	sy_event_settle(&news, &now);
	word = pg_atomic_read_u64(&slot->word);
	SpinLockRelease(&slot->mutex);
	sy_admit_begin(call, slot, word, lease);
	sy_event_tell(&news, name, limits);
}

/* It could not be made. */
void
sy_probe_forget(SyCall *call)
{
	sy_admit_forget(call);
}

/* Keep what the probe has found.  Under the mutex. */
static void
keep(SySlot *slot, const SyProbe *probe, const char *degraded, const SyInstant *now)
{
	slot->probed_at = now->wall;
	slot->probed_us = now->us;
	slot->probe_ok = probe->err == NULL;
	slot->probe_undone = false;
	slot->probe_ms = probe->round_trip_ms;
	strlcpy(slot->degraded, degraded, sizeof(slot->degraded));
	if (probe->err != NULL)
		return;
	slot->source_read_only = probe->read_only;
	if (probe->server_version != NULL && probe->server_version[0] != '\0')
		strlcpy(slot->server_version, probe->server_version, sizeof(slot->server_version));
	if (probe->database != NULL && probe->database[0] != '\0')
		strlcpy(slot->database, probe->database, sizeof(slot->database));
	if (probe->hosts != NULL && probe->hosts[0] != '\0')
	{
		strlcpy(slot->hosts, probe->hosts, sizeof(slot->hosts));
		slot->hosts_us = now->us;
	}
}

/* A probe has ended; see health.h. */
void
sy_probe_done(SyCall *call, const char *name, const SyLimits *limits, const SyProbe *probe)
{
	SySlot	   *slot = call->slot;
	SyInstant	now = sy_slot_now();
	SyWindow	window = {0, 0};
	SyOutcome	outcome = SY_OUTCOME_SUCCESS;
	char		degraded[SY_HEALTH_REASON_SIZE] = "";
	uint32		lease;
	SyNews		news;

	if (slot == NULL)
		return;
	sy_event_begin(&news, slot);
	if (probe->err != NULL)
	{
		sy_event_error(&news, probe->err);
		outcome = probe->err->cls == SY_ERROR_SOURCE ? SY_OUTCOME_FAILURE : SY_OUTCOME_NEITHER;
		if (outcome == SY_OUTCOME_NEITHER)
			sy_error_excerpt(degraded, sizeof(degraded), probe->err->message);
	}
	else if (probe->degraded != NULL)
		sy_error_excerpt(degraded, sizeof(degraded), probe->degraded);
	lease = sy_admit_end(call);

	SpinLockAcquire(&slot->mutex);
	if (!sy_admit_is_late(call))
	{
		news.state = slot->breaker.state;
		if (outcome == SY_OUTCOME_FAILURE)
		{
			sy_stats_count(&slot->stats, now.us, true);
			pg_atomic_write_u64(&slot->failed_us, now.us);
		}
		else if (outcome == SY_OUTCOME_SUCCESS)
			sy_admit_worked(call, now.us);
		window = sy_stats_window(&slot->stats, now.us, slot->breaker.since_us);
		news.failed = outcome == SY_OUTCOME_FAILURE &&
			(news.state == SY_BREAKER_CLOSED || news.state == SY_BREAKER_HALF_OPEN);
	}
	if (sy_breaker_probed(&slot->breaker, limits, &now, call->generation, lease, outcome,
						  &window, &news.changes) == SY_VERDICT_IGNORED)
		news.failed = false;
	if (news.failed && news.state == SY_BREAKER_CLOSED)
		news.failures = slot->breaker.failures;
	keep(slot, probe, degraded, &now);
	sy_event_settle(&news, &now);
	SpinLockRelease(&slot->mutex);

	sy_slot_changed(slot);
	sy_event_tell(&news, name, limits);
}

/* When is the next probe useful, in ms? */
int
sy_probe_interval(SySlot *slot, const SyLimits *limits)
{
	if (SY_WORD_STATE(pg_atomic_read_u64(&slot->word)) == SY_BREAKER_HALF_OPEN)
		return Min(TRIAL_INTERVAL_MS, limits->probe_interval_ms);
	return limits->probe_interval_ms;
}

/* Where was the source found?  See health.h. */
bool
sy_probe_recall_hosts(SySlot *slot, const SyLimits *limits, char *hosts)
{
	int64		now_us = sy_now_us();
	bool		fresh;

	SpinLockAcquire(&slot->mutex);
	fresh = slot->hosts_us != 0 &&
		now_us - slot->hosts_us <= FRESH_INTERVALS * (int64) limits->probe_interval_ms * 1000;
	if (fresh)
		strlcpy(hosts, slot->hosts, SY_HEALTH_HOSTS_SIZE);
	SpinLockRelease(&slot->mutex);
	return fresh;
}

/* A size was sampled just now. */
void
sy_probe_sample(SySlot *slot, const SySample *sample)
{
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&slot->mutex);
	slot->sampled_at = now;
	slot->sample = *sample;
	SpinLockRelease(&slot->mutex);
}

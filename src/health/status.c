/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What is known of a source, as one consistent picture.
 *
 * IDENTIFICATION
 *	  src/health/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "health/shmem.h"

/* A ratio needs so many calls. */
#define RATIO_CALLS		10

/* After so many intervals without a probe nothing is known. */
#define STALE_INTERVALS	3

/* What can be said about a source that nobody has used yet. */
static void
fill_unknown(SyStatus *status, const SyLimits *limits)
{
	memset(status, 0, sizeof(SyStatus));
	status->state = limits->breaker ? SY_BREAKER_CLOSED : SY_BREAKER_OFF;
	status->success_ratio = -1;
	status->p50_ms = status->p95_ms = status->p99_ms = -1;
	status->status = "unknown";
	status->sample.tables = -1;
	status->sample.rows = -1;
	status->sample.bytes = -1;
}

/*
 * The breaker as the next call would find it: what only time or an option has
 * changed has not been written by anybody yet.  Returns the reason of that
 * change, NULL if there is none.  Under the mutex.
 */
static const char *
foresee(const SySlot *slot, const SyLimits *limits, const SyInstant *now, SyBreaker *breaker)
{
	SyBreakerChanges changes;
	const SyBreakerChange *last;

	changes.count = 0;
	*breaker = slot->breaker;
	sy_breaker_tick(breaker, limits, now, &changes);
	if (changes.count == 0)
		return NULL;
	last = &changes.items[changes.count - 1];
	if (last->event == SY_BREAKER_EV_UNTIL_OVER)
		breaker->since = slot->breaker.until;
	else if (last->event == SY_BREAKER_EV_COOLDOWN_OVER)
		breaker->since = slot->breaker.since + (int64) limits->recovery_timeout_ms * 1000;
	return last->reason;
}

/* Copy what the breaker is and why.  Under the mutex. */
static void
copy_breaker(const SySlot *slot, const SyLimits *limits, const SyInstant *now, SyStatus *status,
			 SySlotStatus *kind)
{
	SyBreaker	breaker;
	const char *reason = foresee(slot, limits, now, &breaker);

	status->state = breaker.state;
	status->unproven = breaker.unproven;
	status->generation = breaker.generation;
	status->since = breaker.since;
	strlcpy(status->reason, reason != NULL ? reason : slot->reason, sizeof(status->reason));
	if (breaker.state == SY_BREAKER_OPEN)
		status->retry_at = breaker.since + (int64) limits->recovery_timeout_ms * 1000;
	if (breaker.state == SY_BREAKER_FORCED_OPEN || breaker.state == SY_BREAKER_DRAINED)
		status->set_by = slot->set_by;
	status->set_until = breaker.until;
	status->failures = breaker.failures;
	status->trials = sy_breaker_trials(&breaker, now);
	*kind = sy_event_status(slot, &breaker);
	status->status_since = *kind == slot->status ? slot->status_since : breaker.since;
}

/* Copy what else the mutex protects. */
static void
copy_locked(const SySlot *slot, SyStatus *status)
{
	status->stats_reset = slot->stats_reset;
	status->last_failure_class = slot->last_class;
	status->last_error_at = slot->last_error_at;
	status->last_sqlstate = slot->last_sqlstate;
	strlcpy(status->last_error, slot->last_error, sizeof(status->last_error));
	status->probed_at = slot->probed_at;
	status->probe_ok = slot->probe_ok;
	status->probe_ms = slot->probe_ms;
	strlcpy(status->server_version, slot->server_version, sizeof(status->server_version));
	strlcpy(status->database, slot->database, sizeof(status->database));
	status->source_read_only = slot->source_read_only;
	strlcpy(status->degraded, slot->degraded, sizeof(status->degraded));
	status->sampled_at = slot->sampled_at;
	status->sample = slot->sample;
}

/* Copy what is counted by atomics. */
static void
copy_atomics(const SySlot *slot, const SyInstant *now, SyStatus *status)
{
	static const double percentiles[] = {0.50, 0.95, 0.99};
	SySlot	   *atomics = (SySlot *) slot;
	SyWindow	window = sy_stats_window(&slot->stats, now->us, 0);
	double		ms[lengthof(percentiles)];

	status->calls = pg_atomic_read_u64(&atomics->stats.calls);
	status->errors = pg_atomic_read_u64(&atomics->stats.errors);
	status->rejected = pg_atomic_read_u64(&atomics->rejected);
	status->opens = pg_atomic_read_u64(&atomics->opens);
	status->success_ratio = window.calls < RATIO_CALLS ? -1 :
		1 - (double) window.errors / window.calls;
	sy_stats_percentiles(&slot->stats, now->us, percentiles, ms, lengthof(percentiles));
	status->p50_ms = ms[0];
	status->p95_ms = ms[1];
	status->p99_ms = ms[2];
	status->sessions = pg_atomic_read_u32(&atomics->sessions);
	status->in_use = pg_atomic_read_u32(&atomics->in_use);
	status->waiting = pg_atomic_read_u32(&atomics->waiting);
}

/*
 * Is it too long ago that anybody found out how the source is?  Tells since
 * when.  Probes find out; so do calls that failed, if nothing has succeeded
 * since.
 */
static bool
is_unknown(const SyStatus *status, int64 probed_us, int64 failed_us, int64 now_us, int64 stale_us,
		   TimestampTz *since)
{
	bool		failed = status->failures > 0 && failed_us > probed_us;
	TimestampTz known_at = failed ? status->last_error_at : status->probed_at;
	int64		known_us = failed ? failed_us : probed_us;

	if (known_us == 0)
		return true;
	if (now_us - known_us <= stale_us)
		return false;
	*since = known_at + stale_us;
	return true;
}

/* A consistent picture of a source; see health.h. */
void
sy_status_get(SySlot *slot, const SyLimits *limits, SyStatus *status)
{
	static const char *const names[] = {
		[SY_SLOT_OK] = "ok",
		[SY_SLOT_DEGRADED] = "degraded",
		[SY_SLOT_DOWN] = "down",
		[SY_SLOT_DRAINED] = "drained"
	};
	SyInstant	now = sy_slot_now();
	int64		stale_us = (int64) limits->probe_interval_ms * STALE_INTERVALS * 1000;
	SySlotStatus kind;
	int64		probed_us;

	fill_unknown(status, limits);
	if (slot == NULL)
	{
		status->shared = sy_slot_is_left();
		return;
	}
	status->shared = slot->shared;
	SpinLockAcquire(&slot->mutex);
	copy_breaker(slot, limits, &now, status, &kind);
	copy_locked(slot, status);
	probed_us = slot->probe_undone ? 0 : slot->probed_us;
	SpinLockRelease(&slot->mutex);
	copy_atomics(slot, &now, status);

	/* what the breaker says is always known, the rest is forgotten */
	status->status = names[kind];
	if ((status->state == SY_BREAKER_CLOSED || status->state == SY_BREAKER_OFF) &&
		is_unknown(status, probed_us, pg_atomic_read_u64(&slot->failed_us), now.us, stale_us,
				   &status->status_since))
		status->status = "unknown";
}

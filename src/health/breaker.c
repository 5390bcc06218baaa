/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  State machine of one source's circuit breaker.
 *
 * Pure computation: no locks, no shared memory, no clock, no settings.  The
 * caller holds whatever lock protects the SyBreaker and passes the time in,
 * so test/pgtap/breaker.sql can walk every edge without sleeping.
 *
 * Only the monotonic clock decides.  Should even that one jump back, nothing
 * is over earlier than it would have been.
 *
 * IDENTIFICATION
 *	  src/health/breaker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "health/breaker.h"

/* A lease never lasts longer, nor as long if the query's time is bounded. */
#define MAX_LEASE_MS	60000

typedef struct Transition
{
	SyBreakerState from;
	SyBreakerEvent event;
	SyBreakerState to;
	const char *reason;
} Transition;

/* The whole machine.  A pair that is not listed leaves the state alone. */
static const Transition transitions[] = {
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_THRESHOLD, SY_BREAKER_OPEN, "too many consecutive failures"},
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_RATE, SY_BREAKER_OPEN, "too high a rate of failures"},
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_RESET, SY_BREAKER_CLOSED, "by command"},
	{SY_BREAKER_CLOSED, SY_BREAKER_EV_TURNED_OFF, SY_BREAKER_OFF, "option breaker was turned off"},

	{SY_BREAKER_OPEN, SY_BREAKER_EV_COOLDOWN_OVER, SY_BREAKER_HALF_OPEN, "recovery_timeout is over"},
	{SY_BREAKER_OPEN, SY_BREAKER_EV_PROBE_OK, SY_BREAKER_HALF_OPEN, "a probe succeeded"},
	{SY_BREAKER_OPEN, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_OPEN, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_OPEN, SY_BREAKER_EV_RESET, SY_BREAKER_CLOSED, "by command"},
	{SY_BREAKER_OPEN, SY_BREAKER_EV_TURNED_OFF, SY_BREAKER_OFF, "option breaker was turned off"},

	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_TRIALS_PASSED, SY_BREAKER_CLOSED, "trial calls succeeded"},
	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_TRIAL_FAILED, SY_BREAKER_OPEN, "a trial call failed"},
	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_RESET, SY_BREAKER_CLOSED, "by command"},
	{SY_BREAKER_HALF_OPEN, SY_BREAKER_EV_TURNED_OFF, SY_BREAKER_OFF, "option breaker was turned off"},

	{SY_BREAKER_FORCED_OPEN, SY_BREAKER_EV_UNTIL_OVER, SY_BREAKER_HALF_OPEN, "the time of the command is over"},
	{SY_BREAKER_FORCED_OPEN, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_FORCED_OPEN, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_FORCED_OPEN, SY_BREAKER_EV_RESET, SY_BREAKER_CLOSED, "by command"},

	{SY_BREAKER_DRAINED, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_DRAINED, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_DRAINED, SY_BREAKER_EV_RESET, SY_BREAKER_CLOSED, "by command"},

	{SY_BREAKER_OFF, SY_BREAKER_EV_TURNED_ON, SY_BREAKER_CLOSED, "option breaker was turned on"},
	{SY_BREAKER_OFF, SY_BREAKER_EV_TRIP, SY_BREAKER_FORCED_OPEN, "by command"},
	{SY_BREAKER_OFF, SY_BREAKER_EV_DRAIN, SY_BREAKER_DRAINED, "by command"},
	{SY_BREAKER_OFF, SY_BREAKER_EV_RESET, SY_BREAKER_OFF, "by command"}
};

static const char *const state_names[] = {
	[SY_BREAKER_CLOSED] = "closed",
	[SY_BREAKER_OPEN] = "open",
	[SY_BREAKER_HALF_OPEN] = "half_open",
	[SY_BREAKER_FORCED_OPEN] = "forced_open",
	[SY_BREAKER_DRAINED] = "drained",
	[SY_BREAKER_OFF] = "off"
};

/* "half_open"; a constant. */
const char *
sy_breaker_state_name(SyBreakerState state)
{
	return state_names[state];
}

/*
 * Enter a state.  What was under way in the former one counts no more: its
 * generation is gone, and so are its leases.
 */
static void
enter(SyBreaker *breaker, SyBreakerState state, const SyInstant *now)
{
	breaker->state = state;
	breaker->generation++;
	breaker->since_us = now->us;
	breaker->since = now->wall;
	breaker->until_us = 0;
	breaker->until = 0;
	breaker->passed = 0;
	if (state == SY_BREAKER_CLOSED || state == SY_BREAKER_OFF)
		breaker->failures = breaker->probe_failures = 0;
	for (int i = 0; i < SY_BREAKER_MAX_TRIALS; i++)
		breaker->leases[i].owner = -1;
}

/* Make the transition that "event" is for in the present state, if any. */
static void
step(SyBreaker *breaker, SyBreakerEvent event, const SyInstant *now, SyBreakerChanges *changes)
{
	for (int i = 0; i < lengthof(transitions); i++)
	{
		const Transition *transition = &transitions[i];
		SyBreakerChange *change;

		if (transition->from != breaker->state || transition->event != event)
			continue;
		Assert(changes->count < SY_BREAKER_MAX_CHANGES);
		change = &changes->items[changes->count++];
		change->from = transition->from;
		change->to = transition->to;
		change->event = event;
		change->failures = breaker->failures;
		change->reason = transition->reason;
		enter(breaker, transition->to, now);
		return;
	}
}

/* A new breaker is closed. */
void
sy_breaker_init(SyBreaker *breaker, bool unproven, const SyInstant *now)
{
	memset(breaker, 0, sizeof(SyBreaker));
	enter(breaker, SY_BREAKER_CLOSED, now);
	breaker->unproven = unproven;
}

/* Close after enough trial calls; the option may have been lowered since. */
static void
close_if_passed(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
				SyBreakerChanges *changes)
{
	if (breaker->state == SY_BREAKER_HALF_OPEN && breaker->passed >= limits->half_open_calls)
		step(breaker, SY_BREAKER_EV_TRIALS_PASSED, now, changes);
}

/* Let time and options act; see breaker.h. */
void
sy_breaker_tick(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
				SyBreakerChanges *changes)
{
	if (breaker->state == SY_BREAKER_FORCED_OPEN && breaker->until_us != 0 &&
		now->us >= breaker->until_us)
		step(breaker, SY_BREAKER_EV_UNTIL_OVER, now, changes);
	step(breaker, limits->breaker ? SY_BREAKER_EV_TURNED_ON : SY_BREAKER_EV_TURNED_OFF,
		 now, changes);
	if (breaker->state == SY_BREAKER_OPEN &&
		now->us - breaker->since_us >= (int64) limits->recovery_timeout_ms * 1000)
		step(breaker, SY_BREAKER_EV_COOLDOWN_OVER, now, changes);
	close_if_passed(breaker, limits, now, changes);
}

/* Is the lease out, and in time? */
static bool
is_out(const SyLease *lease, const SyInstant *now)
{
	return lease->owner >= 0 && now->us < lease->expires_us;
}

/* Trial calls that are out. */
int
sy_breaker_trials(const SyBreaker *breaker, const SyInstant *now)
{
	int			ntrials = 0;

	for (int i = 0; i < SY_BREAKER_MAX_TRIALS; i++)
		if (is_out(&breaker->leases[i], now))
			ntrials++;
	return ntrials;
}

/* Has this process a trial call out? */
static bool
has_lease(const SyBreaker *breaker, const SyInstant *now, int owner)
{
	for (int i = 0; i < SY_BREAKER_MAX_TRIALS; i++)
		if (breaker->leases[i].owner == owner && is_out(&breaker->leases[i], now))
			return true;
	return false;
}

/* How long a trial call may take before another one may have its place. */
static int64
lease_us(const SyLimits *limits)
{
	int64		ms = MAX_LEASE_MS;

	if (limits->query_timeout_ms > 0)
		ms = Min(ms, (int64) limits->connect_timeout_ms + limits->query_timeout_ms);
	return ms * 1000;
}

/* How many trial calls may be out at once in the present state. */
static int
trials_allowed(const SyBreaker *breaker, const SyLimits *limits)
{
	if (breaker->state == SY_BREAKER_HALF_OPEN)
		return Min(limits->half_open_calls, SY_BREAKER_MAX_TRIALS) - breaker->passed;
	return breaker->state == SY_BREAKER_CLOSED && breaker->unproven ? 1 : 0;
}

/* Give out a lease; 0 if none is left. */
static uint32
give_lease(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now, int owner)
{
	if (sy_breaker_trials(breaker, now) >= trials_allowed(breaker, limits))
		return 0;
	for (int i = 0; i < SY_BREAKER_MAX_TRIALS; i++)
	{
		SyLease    *lease = &breaker->leases[i];

		if (is_out(lease, now))
			continue;
		if (++breaker->last_lease == 0)
			breaker->last_lease = 1;
		lease->owner = owner;
		lease->id = breaker->last_lease;
		lease->expires_us = now->us + lease_us(limits);
		return lease->id;
	}
	return 0;
}

/* A lease for a probe; see breaker.h. */
uint32
sy_breaker_lease(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now, int owner,
				 SyBreakerChanges *changes)
{
	sy_breaker_tick(breaker, limits, now, changes);
	return give_lease(breaker, limits, now, owner);
}

/* May a call go?  See breaker.h. */
SyAdmission
sy_breaker_admit(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
				 int owner, bool in_transaction, uint32 *lease, SyBreakerChanges *changes)
{
	*lease = 0;
	sy_breaker_tick(breaker, limits, now, changes);
	switch (breaker->state)
	{
		case SY_BREAKER_OFF:
			return SY_ADMISSION_GO;
		case SY_BREAKER_DRAINED:
			return in_transaction ? SY_ADMISSION_GO : SY_ADMISSION_REFUSED;
		case SY_BREAKER_OPEN:
		case SY_BREAKER_FORCED_OPEN:
			return SY_ADMISSION_REFUSED;
		case SY_BREAKER_CLOSED:
			if (!breaker->unproven)
				return SY_ADMISSION_GO;
			break;
		case SY_BREAKER_HALF_OPEN:
			break;
	}

	if (has_lease(breaker, now, owner))
		return SY_ADMISSION_GO;
	*lease = give_lease(breaker, limits, now, owner);
	if (*lease != 0)
		return SY_ADMISSION_TRIAL;
	return breaker->state == SY_BREAKER_CLOSED ? SY_ADMISSION_WAIT : SY_ADMISSION_REFUSED;
}

/* The lease with a number, or NULL if it was taken back. */
static SyLease *
find_lease(SyBreaker *breaker, uint32 id)
{
	for (int i = 0; i < SY_BREAKER_MAX_TRIALS; i++)
		if (breaker->leases[i].owner >= 0 && breaker->leases[i].id == id)
			return &breaker->leases[i];
	return NULL;
}

/* A call with a lease was given up; see breaker.h. */
void
sy_breaker_give_back(SyBreaker *breaker, uint32 id)
{
	SyLease    *lease = find_lease(breaker, id);

	if (lease != NULL)
		lease->owner = -1;
}

/* Take a lease back; false if it is no more, or too old. */
static bool
take_lease(SyBreaker *breaker, uint32 id, const SyInstant *now)
{
	SyLease    *lease = find_lease(breaker, id);
	bool		in_time = lease != NULL && is_out(lease, now);

	if (lease != NULL)
		lease->owner = -1;
	return in_time;
}

/* A call or a probe failed in the present generation. */
static void
fail(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now, bool is_probe,
	 const SyWindow *window, SyBreakerChanges *changes)
{
	if (breaker->state == SY_BREAKER_HALF_OPEN)
		step(breaker, SY_BREAKER_EV_TRIAL_FAILED, now, changes);
	if (breaker->state != SY_BREAKER_CLOSED)
		return;
	breaker->failures++;
	if (is_probe)
		breaker->probe_failures++;
	if (breaker->failures >= limits->failure_threshold)
		step(breaker, SY_BREAKER_EV_THRESHOLD, now, changes);
	else if (limits->failure_rate > 0 && window->calls >= SY_BREAKER_RATE_CALLS &&
			 window->errors >= limits->failure_rate * window->calls)
		step(breaker, SY_BREAKER_EV_RATE, now, changes);
}

/*
 * A call or a probe succeeded in the present generation.  In CLOSED a call
 * ends the row of failures, a probe takes back only what probes have met.
 */
static void
succeed(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now, bool is_probe,
		uint32 lease, SyBreakerChanges *changes)
{
	breaker->unproven = false;
	if (breaker->state == SY_BREAKER_CLOSED)
	{
		breaker->failures = is_probe ? breaker->failures - breaker->probe_failures : 0;
		breaker->probe_failures = 0;
	}
	if (is_probe)
		step(breaker, SY_BREAKER_EV_PROBE_OK, now, changes);
	if (breaker->state == SY_BREAKER_HALF_OPEN && lease != 0)
		breaker->passed++;
	close_if_passed(breaker, limits, now, changes);
}

/* What calls and probes have in common when they end. */
static SyVerdict
finish(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now, bool is_probe,
	   uint32 generation, uint32 lease, SyOutcome outcome, const SyWindow *window,
	   SyBreakerChanges *changes)
{
	sy_breaker_tick(breaker, limits, now, changes);
	if (generation != breaker->generation ||
		(lease != 0 && !take_lease(breaker, lease, now)))
		return SY_VERDICT_IGNORED;

	switch (outcome)
	{
		case SY_OUTCOME_NEITHER:
			break;
		case SY_OUTCOME_FAILURE:
			fail(breaker, limits, now, is_probe, window, changes);
			break;
		case SY_OUTCOME_SUCCESS:
			succeed(breaker, limits, now, is_probe, lease, changes);
			break;
	}
	return SY_VERDICT_COUNTED;
}

/* This is how a call ended; see breaker.h. */
SyVerdict
sy_breaker_result(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
				  uint32 generation, uint32 lease, SyOutcome outcome,
				  const SyWindow *window, SyBreakerChanges *changes)
{
	return finish(breaker, limits, now, false, generation, lease, outcome, window, changes);
}

/* This is how a probe ended; see breaker.h. */
SyVerdict
sy_breaker_probed(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
				  uint32 generation, uint32 lease, SyOutcome outcome,
				  const SyWindow *window, SyBreakerChanges *changes)
{
	return finish(breaker, limits, now, true, generation, lease, outcome, window, changes);
}

/* An administrator's word; see breaker.h. */
void
sy_breaker_command(SyBreaker *breaker, SyBreakerEvent event, int64 duration_ms,
				   const SyInstant *now, SyBreakerChanges *changes)
{
	Assert(event == SY_BREAKER_EV_TRIP || event == SY_BREAKER_EV_DRAIN ||
		   event == SY_BREAKER_EV_RESET);
	step(breaker, event, now, changes);
	if (event == SY_BREAKER_EV_TRIP && duration_ms > 0)
	{
		breaker->until_us = now->us + duration_ms * 1000;
		breaker->until = now->wall + duration_ms * 1000;
	}
}

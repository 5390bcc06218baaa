/*-------------------------------------------------------------------------
 *
 * breaker.h
 *	  State machine of one source's circuit breaker.
 *
 * Pure: see breaker.c.  Only src/health and the tests include this; others
 * ask health/health.h.
 *
 * IDENTIFICATION
 *	  src/health/breaker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_BREAKER_H
#define SY_BREAKER_H

#include "datatype/timestamp.h"

#include "base/limits.h"

/* Shown to users and kept across upgrades: append only. */
typedef enum SyBreakerState
{
	SY_BREAKER_CLOSED = 0,		/* believed healthy, queries allowed */
	SY_BREAKER_OPEN = 1,		/* queries refused until the cool-down ends */
	SY_BREAKER_HALF_OPEN = 2,	/* a few trial calls allowed, others refused */
	SY_BREAKER_FORCED_OPEN = 3, /* closed to traffic by an administrator */
	SY_BREAKER_DRAINED = 4,		/* finishes its transactions, admits no new ones */
	SY_BREAKER_OFF = 5			/* does not judge: option breaker 'off' */
} SyBreakerState;

/* What moves it. */
typedef enum SyBreakerEvent
{
	SY_BREAKER_EV_THRESHOLD,	/* failure_threshold failures in a row */
	SY_BREAKER_EV_RATE,			/* too large a share of failures */
	SY_BREAKER_EV_TRIAL_FAILED,
	SY_BREAKER_EV_TRIALS_PASSED,
	SY_BREAKER_EV_PROBE_OK,
	SY_BREAKER_EV_COOLDOWN_OVER,
	SY_BREAKER_EV_UNTIL_OVER,	/* of a manual state with an end */
	SY_BREAKER_EV_TRIP,
	SY_BREAKER_EV_DRAIN,
	SY_BREAKER_EV_RESET,
	SY_BREAKER_EV_TURNED_OFF,	/* option breaker */
	SY_BREAKER_EV_TURNED_ON
} SyBreakerEvent;

/* half_open_calls cannot be set higher. */
#define SY_BREAKER_MAX_TRIALS	32

/* Calls of the last minute must be so many before their failures are a rate. */
#define SY_BREAKER_RATE_CALLS	20

/* The present instant, on both clocks.  Only "us" decides anything. */
typedef struct SyInstant
{
	int64		us;				/* monotonic */
	TimestampTz wall;			/* for people; may jump */
} SyInstant;

/* Calls that ended within the last 60 s, and how many of them failed. */
typedef struct SyWindow
{
	int64		calls;
	int64		errors;
} SyWindow;

/* The permission of one trial call. */
typedef struct SyLease
{
	int			owner;			/* number of its process; -1: not out */
	uint32		id;				/* differs for each lease ever given by this
								 * breaker; 0 is none */
	int64		expires_us;		/* then another may have it */
} SyLease;

/* All of it is protected by whatever lock its owner says. */
typedef struct SyBreaker
{
	SyBreakerState state;
	bool		unproven;		/* nobody has reached the source since the
								 * server's start: one trial at a time */
	uint32		generation;		/* of the state; changes with it, and by reset */
	int			failures;		/* consecutive; meaningful in CLOSED only */
	int			probe_failures; /* those of them that probes have met */
	int			passed;			/* trial calls that succeeded in HALF_OPEN */
	int64		since_us;		/* when the present state was entered ... */
	TimestampTz since;			/* ... on the wall clock */
	int64		until_us;		/* end of FORCED_OPEN; 0: none */
	TimestampTz until;			/* the same on the wall clock; 0: none */
	uint32		last_lease;		/* id given out last */
	SyLease		leases[SY_BREAKER_MAX_TRIALS];
} SyBreaker;

/* A change of state, for log, events and listeners. */
typedef struct SyBreakerChange
{
	SyBreakerState from;
	SyBreakerState to;
	SyBreakerEvent event;
	int			failures;		/* consecutive, before the change */
	const char *reason;			/* a constant */
} SyBreakerChange;

/* Those of one step, in their order. */
#define SY_BREAKER_MAX_CHANGES	4
typedef struct SyBreakerChanges
{
	int			count;
	SyBreakerChange items[SY_BREAKER_MAX_CHANGES];
} SyBreakerChanges;

/* An answer to "may it go?" */
typedef enum SyAdmission
{
	SY_ADMISSION_GO,
	SY_ADMISSION_TRIAL,			/* yes, as a trial call */
	SY_ADMISSION_WAIT,			/* not now: another's trial will tell (unproven) */
	SY_ADMISSION_REFUSED
} SyAdmission;

/* How a call ended. */
typedef enum SyOutcome
{
	SY_OUTCOME_SUCCESS,
	SY_OUTCOME_FAILURE,			/* of a kind that counts against the source */
	SY_OUTCOME_NEITHER			/* says nothing about the source */
} SyOutcome;

/* What has become of a result. */
typedef enum SyVerdict
{
	SY_VERDICT_IGNORED,			/* of an earlier generation, or of a lease that
								 * has expired: nothing was changed */
	SY_VERDICT_COUNTED
} SyVerdict;

/* A closed breaker; "unproven" as in the struct. */
extern void sy_breaker_init(SyBreaker *breaker, bool unproven, const SyInstant *now);

/*
 * Let time and options act: the cool-down's end, the end of a manual state,
 * breaker 'off' and 'on'.  The functions below do it first themselves.  All
 * functions add to "changes", which the caller has zeroed.
 */
extern void sy_breaker_tick(SyBreaker *breaker, const SyLimits *limits, const SyInstant *now,
							SyBreakerChanges *changes);

/*
 * May a call go?  For a TRIAL, *lease (never 0) has to be handed to
 * sy_breaker_result(), and lasts as long as the limits say.  A process whose
 * own trial call is out may go without a further lease: one query can read
 * from a source twice.  "in_transaction": the caller's transaction uses the
 * source already, so DRAINED lets it go on.
 */
extern SyAdmission sy_breaker_admit(SyBreaker *breaker, const SyLimits *limits,
									const SyInstant *now, int owner, bool in_transaction,
									uint32 *lease, SyBreakerChanges *changes);

/*
 * This is how a call ended that was admitted in "generation", with the lease
 * or 0.  "window" includes it already.
 */
extern SyVerdict sy_breaker_result(SyBreaker *breaker, const SyLimits *limits,
								   const SyInstant *now, uint32 generation, uint32 lease,
								   SyOutcome outcome, const SyWindow *window,
								   SyBreakerChanges *changes);

/*
 * A lease for a probe, or 0 if there is none or none is needed.  A probe is
 * never refused.
 */
extern uint32 sy_breaker_lease(SyBreaker *breaker, const SyLimits *limits,
							   const SyInstant *now, int owner, SyBreakerChanges *changes);

/*
 * As sy_breaker_result(), for a probe, with or without a lease.  In OPEN a
 * success gives HALF_OPEN.  In CLOSED it takes back the failures that probes
 * have met, but none of a query, because a ping would hide queries that fail.
 */
extern SyVerdict sy_breaker_probed(SyBreaker *breaker, const SyLimits *limits,
								   const SyInstant *now, uint32 generation, uint32 lease,
								   SyOutcome outcome, const SyWindow *window,
								   SyBreakerChanges *changes);

/* A call with a lease was given up, and says nothing about the source. */
extern void sy_breaker_give_back(SyBreaker *breaker, uint32 lease);

/*
 * An administrator's word: TRIP, DRAIN or RESET.  "duration_ms" ends a TRIP,
 * 0 does not.  The generation changes even if the state does not, so that
 * what was under way changes nothing any more.
 */
extern void sy_breaker_command(SyBreaker *breaker, SyBreakerEvent event, int64 duration_ms,
							   const SyInstant *now, SyBreakerChanges *changes);

/* Trial calls that are out. */
extern int	sy_breaker_trials(const SyBreaker *breaker, const SyInstant *now);

/* "half_open"; a constant. */
extern const char *sy_breaker_state_name(SyBreakerState state);

#endif							/* SY_BREAKER_H */

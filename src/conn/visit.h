/*-------------------------------------------------------------------------
 *
 * visit.h
 *	  One probe of one source, from the first question to what its breaker
 *	  and the views are told.
 *
 * The prober drives many visits at once; probe() runs one in the caller's
 * session.
 *
 * IDENTIFICATION
 *	  src/conn/visit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_VISIT_H
#define SY_VISIT_H

#include "health/health.h"
#include "source/driver.h"

typedef enum SyVisitStage
{
	SY_VISIT_IDLE,				/* none is under way */
	SY_VISIT_PING,
	SY_VISIT_SAMPLE
} SyVisitStage;

/*
 * Must not move while a visit is under way.  The caller fills the first part,
 * the rest is zeroed before the first visit.
 */
typedef struct SyVisit
{
	const SySource *source;		/* outlives the visit */
	SySlot	   *slot;
	SySession  *session;		/* of the source; NULL until there is one */

	/* Valid while the visit is under way. */
	SyVisitStage stage;
	bool		wants_sample;
	SyDeadline	until;			/* probe_timeout is over */
	int64		began_us;
	SyCall		call;

	/* What the last visit has learned. */
	bool		ok;				/* the source answered */
	bool		sampled;
	double		round_trip_ms;	/* of the ping */
	SyPing		ping;
	SySize		size;			/* the last sample of all visits */
	bool		login_failed;	/* it answers, but not to this user */
	char		degraded[SY_HEALTH_REASON_SIZE];	/* "", or why not all is
													 * known; stays until a sample
													 * or a login says otherwise */
	SyError		err;			/* if not ok */
} SyVisit;

/*
 * Begin a visit; the session may be set now or before sy_visit_start().  It
 * is over when one of the functions below says SY_DONE, or by
 * sy_visit_fail() or sy_visit_forget().
 */
extern void sy_visit_begin(SyVisit *visit, bool wants_sample);

/* Ask, or go on.  SY_BLOCKED: wait for session and "until"; or SY_DONE. */
extern SyProgress sy_visit_start(SyVisit *visit);
extern SyProgress sy_visit_step(SyVisit *visit);

/* The source could not even be asked: visit->err says why. */
extern void sy_visit_fail(SyVisit *visit);

/* An error or an interrupt ended it; says nothing about the source.  Neither
 * waits nor throws. */
extern void sy_visit_forget(SyVisit *visit);

/* Where the last visit of any process has found the source; see SyHost. */
extern bool sy_visit_recall_hosts(const SySource *source, char *hosts);

#endif							/* SY_VISIT_H */

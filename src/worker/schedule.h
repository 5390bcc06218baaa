/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  What the background workers do next: pure computation.
 *
 * IDENTIFICATION
 *	  src/worker/schedule.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SCHEDULE_H
#define SY_SCHEDULE_H

/* All instants are microseconds of the monotonic clock. */

/* A source, as the prober of its database sees it. */
typedef struct SyScheduleSource
{
	int64		due_us;			/* of its next probe */
	bool		busy;			/* a probe is under way */
	bool		blocking;		/* a probe of it lets all others wait */
	bool		suspect;		/* and may take long */
} SyScheduleSource;

/*
 * Whom to probe now, in this order: writes numbers of sources to "order",
 * which has room for all, and returns how many.  Of the suspects one, as the
 * last.
 */
extern int	sy_schedule_due(const SyScheduleSource *sources, int count, int64 now_us, int *order);

/* When is the next one due?  0: none. */
extern int64 sy_schedule_next(const SyScheduleSource *sources, int count);

/* Must the next probe be expected to take long, after this one? */
extern bool sy_schedule_is_suspect(bool ok, int64 took_us);

/* A database, as the launcher sees it. */
typedef struct SyScheduleDatabase
{
	bool		running;		/* it has a prober */
	bool		withdrawn;		/* it must not have one now */
	int64		due_us;			/* no prober before */
	int64		started_us;		/* when the last one was; 0: never */
} SyScheduleDatabase;

/* How many probers there may be at a time. */
extern int	sy_schedule_limit(int max_worker_processes);

/*
 * Must databases take turns?  "known" are to be probed, "unknown" may have
 * nothing to be probed: those are looked at one after the other.
 */
extern bool sy_schedule_takes_turns(int known, int unknown, int limit);

/* Which one gets a prober now?  -1: none, or there are enough. */
extern int	sy_schedule_database(const SyScheduleDatabase *databases, int count, int limit,
								 int64 now_us);

/* How long to wait after the "tries"th failure in a row (from 1 on), in ms. */
extern int	sy_schedule_retry_ms(int tries);

#endif							/* SY_SCHEDULE_H */

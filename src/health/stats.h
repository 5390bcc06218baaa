/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What the last minute of calls was like.
 *
 * Pure but for atomics: the time is passed in.  Counting takes no lock.
 *
 * IDENTIFICATION
 *	  src/health/stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_STATS_H
#define SY_STATS_H

#include "port/atomics.h"

#include "health/breaker.h"

#define SY_STATS_SECONDS	64	/* a power of two, more than the 60 that count */
#define SY_STATS_LATENCIES	124 /* four to each power of two, up to 71 minutes */

/* Latencies of the calls of one minute. */
typedef struct SyStatsMinute
{
	pg_atomic_uint32 minute;	/* of the monotonic clock */
	pg_atomic_uint32 counts[SY_STATS_LATENCIES];
} SyStatsMinute;

typedef struct SyStats
{
	pg_atomic_uint64 calls;		/* since the last reset */
	pg_atomic_uint64 errors;
	pg_atomic_uint64 seconds[SY_STATS_SECONDS]; /* packed: which second, calls,
												 * errors */
	SyStatsMinute minutes[2];	/* this one and the one before */
} SyStats;

/* Counters and windows are empty; for a start and for reset(). */
extern void sy_stats_init(SyStats *stats);

/* A call has ended. */
extern void sy_stats_count(SyStats *stats, int64 now_us, bool failed);

/*
 * It took so long.  False: a minute has begun, and the caller has to call
 * sy_stats_rotate() under the lock that serializes that, then this again.
 */
extern bool sy_stats_measure(SyStats *stats, int64 now_us, int64 latency_us);
extern void sy_stats_rotate(SyStats *stats, int64 now_us);

/*
 * Calls of the last 60 s, and of them only those of seconds later than the
 * one of "since_us".
 */
extern SyWindow sy_stats_window(const SyStats *stats, int64 now_us, int64 since_us);

/*
 * Percentiles (0 to 1) of the latencies of the last one or two minutes, in
 * ms; -1 if there were no calls.
 */
extern void sy_stats_percentiles(const SyStats *stats, int64 now_us,
								 const double *percentiles, double *ms, int n);

#endif							/* SY_STATS_H */

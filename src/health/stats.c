/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What the last minute of calls was like.
 *
 * Each second has a word of its own: 24 bits say which second it is, 20 each
 * count its calls and errors and stop at their ends.  A word that belongs to
 * an earlier second is begun anew by whoever comes first.
 *
 * Latencies are counted in steps of a quarter of a power of two, so that a
 * percentile is known to about a tenth.
 *
 * IDENTIFICATION
 *	  src/health/stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "health/stats.h"

#define WINDOW_SECONDS	60
#define COUNT_BITS		20
#define COUNT_MAX		((UINT64CONST(1) << COUNT_BITS) - 1)
#define SECOND_MASK		((UINT64CONST(1) << 24) - 1)

#define WORD_SECOND(word)	((word) >> (2 * COUNT_BITS))
#define WORD_CALLS(word)	(((word) >> COUNT_BITS) & COUNT_MAX)
#define WORD_ERRORS(word)	((word) & COUNT_MAX)

/* The second of an instant.  Never 0, which is what an empty word has. */
static uint64
second_of(int64 us)
{
	return ((uint64) (us / 1000000) & SECOND_MASK) | (UINT64CONST(1) << 23);
}

/* The minute of an instant; never 0. */
static uint32
minute_of(int64 us)
{
	return (uint32) (us / 60000000) + 1;
}

/* Empty all of it; see stats.h. */
void
sy_stats_init(SyStats *stats)
{
	pg_atomic_init_u64(&stats->calls, 0);
	pg_atomic_init_u64(&stats->errors, 0);
	for (int i = 0; i < SY_STATS_SECONDS; i++)
		pg_atomic_init_u64(&stats->seconds[i], 0);
	for (int i = 0; i < 2; i++)
	{
		pg_atomic_init_u32(&stats->minutes[i].minute, 0);
		for (int j = 0; j < SY_STATS_LATENCIES; j++)
			pg_atomic_init_u32(&stats->minutes[i].counts[j], 0);
	}
}

/* A call has ended. */
void
sy_stats_count(SyStats *stats, int64 now_us, bool failed)
{
	uint64		second = second_of(now_us);
	pg_atomic_uint64 *bucket = &stats->seconds[(now_us / 1000000) % SY_STATS_SECONDS];
	uint64		old = pg_atomic_read_u64(bucket);
	uint64		new;

	do
	{
		uint64		calls = 0;
		uint64		errors = 0;

		if (WORD_SECOND(old) == second)
		{
			calls = WORD_CALLS(old);
			errors = WORD_ERRORS(old);
		}
		calls = Min(calls + 1, COUNT_MAX);
		if (failed)
			errors = Min(errors + 1, COUNT_MAX);
		new = (second << (2 * COUNT_BITS)) | (calls << COUNT_BITS) | errors;
	} while (!pg_atomic_compare_exchange_u64(bucket, &old, new));

	pg_atomic_fetch_add_u64(&stats->calls, 1);
	if (failed)
		pg_atomic_fetch_add_u64(&stats->errors, 1);
}

/* Which step a latency falls into. */
static int
step_of(int64 us)
{
	int			power;

	if (us < 4)
		return Max((int) us, 0);
	if (us > PG_UINT32_MAX)
		us = PG_UINT32_MAX;
	power = pg_leftmost_one_pos32((uint32) us);
	return (power - 1) * 4 + ((us >> (power - 2)) & 3);
}

/* Where a step begins, in us. */
static double
begin_of(int step)
{
	if (step < 4)
		return step;
	return (double) ((int64) (4 + step % 4) << (step / 4 - 1));
}

/* A call took so long; see stats.h. */
bool
sy_stats_measure(SyStats *stats, int64 now_us, int64 latency_us)
{
	uint32		minute = minute_of(now_us);
	SyStatsMinute *counts = &stats->minutes[minute % 2];

	if (pg_atomic_read_u32(&counts->minute) != minute)
		return false;
	pg_atomic_fetch_add_u32(&counts->counts[step_of(latency_us)], 1);
	return true;
}

/* Begin a minute, where the one before the last was. */
void
sy_stats_rotate(SyStats *stats, int64 now_us)
{
	uint32		minute = minute_of(now_us);
	SyStatsMinute *counts = &stats->minutes[minute % 2];

	if (pg_atomic_read_u32(&counts->minute) == minute)
		return;
	for (int i = 0; i < SY_STATS_LATENCIES; i++)
		pg_atomic_write_u32(&counts->counts[i], 0);
	pg_write_barrier();
	pg_atomic_write_u32(&counts->minute, minute);
}

/* Calls of the last 60 s; see stats.h. */
SyWindow
sy_stats_window(const SyStats *stats, int64 now_us, int64 since_us)
{
	SyWindow	window = {0, 0};
	int64		now = now_us / 1000000;
	int64		first = Max(Max(now - WINDOW_SECONDS + 1, since_us / 1000000 + 1), 0);

	for (int64 at = first; at <= now; at++)
	{
		uint64		word = pg_atomic_read_u64((pg_atomic_uint64 *) &stats->seconds[at % SY_STATS_SECONDS]);

		if (WORD_SECOND(word) == second_of(at * 1000000))
		{
			window.calls += WORD_CALLS(word);
			window.errors += WORD_ERRORS(word);
		}
	}
	return window;
}

/* Add the latencies of a minute to "sums" if it is the one. */
static int64
add_minute(const SyStatsMinute *counts, uint32 minute, int64 *sums)
{
	int64		total = 0;

	if (pg_atomic_read_u32((pg_atomic_uint32 *) &counts->minute) != minute)
		return 0;
	for (int i = 0; i < SY_STATS_LATENCIES; i++)
	{
		uint32		count = pg_atomic_read_u32((pg_atomic_uint32 *) &counts->counts[i]);

		sums[i] += count;
		total += count;
	}
	return total;
}

/* Percentiles of latencies; see stats.h. */
void
sy_stats_percentiles(const SyStats *stats, int64 now_us, const double *percentiles,
					 double *ms, int n)
{
	uint32		minute = minute_of(now_us);
	int64		sums[SY_STATS_LATENCIES] = {0};
	int64		total = add_minute(&stats->minutes[minute % 2], minute, sums) +
		add_minute(&stats->minutes[(minute - 1) % 2], minute - 1, sums);

	for (int i = 0; i < n; i++)
	{
		double		rank = percentiles[i] * total;
		int			step = 0;

		ms[i] = -1;
		if (total == 0)
			continue;
		while (step < SY_STATS_LATENCIES - 1 && (sums[step] == 0 || rank > sums[step]))
			rank -= sums[step++];
		ms[i] = begin_of(step);
		if (sums[step] > 0)
			ms[i] += (begin_of(step + 1) - begin_of(step)) * Max(Min(rank / sums[step], 1), 0);
		ms[i] /= 1000;
	}
}

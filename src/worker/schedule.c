/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  What the background workers do next.
 *
 * Pure computation: no clock, no latch, no shared memory, no settings, so
 * that test/pgtap/schedule.sql can ask about any situation.
 *
 * IDENTIFICATION
 *	  src/worker/schedule.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/schedule.h"

/* A file that took longer may lie on a file system that is about to hang. */
#define SUSPECT_US		1000000

#define FIRST_RETRY_MS	1000
#define LAST_RETRY_MS	60000

/* In which of three groups is a source, if it is due?  -1: it is not. */
static int
group_of(const SyScheduleSource *source, int64 now_us)
{
	if (source->busy || source->due_us > now_us)
		return -1;
	if (!source->blocking)
		return 0;
	return source->suspect ? 2 : 1;
}

/* Whom to probe now; see schedule.h. */
int
sy_schedule_due(const SyScheduleSource *sources, int count, int64 now_us, int *order)
{
	int			found = 0;
	int			suspect = -1;

	for (int group = 0; group < 2; group++)
		for (int i = 0; i < count; i++)
			if (group_of(&sources[i], now_us) == group)
				order[found++] = i;
	for (int i = 0; i < count; i++)
		if (group_of(&sources[i], now_us) == 2 &&
			(suspect < 0 || sources[i].due_us < sources[suspect].due_us))
			suspect = i;
	if (suspect >= 0)
		order[found++] = suspect;
	return found;
}

/* When is the next one due?  See schedule.h. */
int64
sy_schedule_next(const SyScheduleSource *sources, int count)
{
	int64		next = 0;

	for (int i = 0; i < count; i++)
		if (!sources[i].busy && (next == 0 || sources[i].due_us < next))
			next = sources[i].due_us;
	return next;
}

/* Must the next probe be expected to take long?  See schedule.h. */
bool
sy_schedule_is_suspect(bool ok, int64 took_us)
{
	return !ok || took_us > SUSPECT_US;
}

/* Half of all workers, the launcher included, but one prober at least. */
int
sy_schedule_limit(int max_worker_processes)
{
	return Max(max_worker_processes / 2 - 1, 1);
}

/* Must databases take turns?  See schedule.h. */
bool
sy_schedule_takes_turns(int known, int unknown, int limit)
{
	return known + (unknown > 0 ? 1 : 0) > limit;
}

/* Of those that may have a prober now, the one that had none for longest. */
int
sy_schedule_database(const SyScheduleDatabase *databases, int count, int limit, int64 now_us)
{
	int			running = 0;
	int			best = -1;

	for (int i = 0; i < count; i++)
	{
		const SyScheduleDatabase *database = &databases[i];

		if (database->running)
			running++;
		else if (!database->withdrawn && database->due_us <= now_us &&
				 (best < 0 || database->started_us < databases[best].started_us))
			best = i;
	}
	return running < limit ? best : -1;
}

/* How long to wait after failures; see schedule.h. */
int
sy_schedule_retry_ms(int tries)
{
	int			ms = FIRST_RETRY_MS;

	while (--tries > 0 && ms < LAST_RETRY_MS)
		ms *= 2;
	return Min(ms, LAST_RETRY_MS);
}

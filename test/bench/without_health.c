/*-------------------------------------------------------------------------
 *
 * without_health.c
 *	  What a query asks src/health, answered by nothing: linked before the
 *	  real functions, to measure what they cost.
 *
 * IDENTIFICATION
 *	  test/bench/without_health.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "health/health.h"

SySlot *
sy_slot_get(Oid serverid, const char *name)
{
	return NULL;
}

void
sy_admit_call(SySlot *slot, const char *name, const SyLimits *limits, bool in_transaction,
			  SyCall *call)
{
}

void
sy_admit_success(SyCall *call, const char *name, const SyLimits *limits)
{
}

void
sy_admit_failure(SyCall *call, const char *name, const SyLimits *limits, const SyError *err)
{
}

void
sy_admit_silence(SyCall *call, const char *name, const SyLimits *limits)
{
}

void
sy_admit_forget(SyCall *call)
{
}

SySeat *
sy_seat_open(SySlot *slot, Oid userid)
{
	return NULL;
}

void
sy_seat_close(SySeat *seat)
{
}

void
sy_seat_connected(SySeat *seat)
{
}

bool
sy_seat_use(SySeat *seat, const char *name, const SyLimits *limits,
			SyLimitsReader reread, const void *source)
{
	return true;
}

bool
sy_seat_in_use(const SySlot *slot)
{
	return false;
}

bool
sy_seat_release(SySeat *seat, const SyLimits *limits)
{
	return false;
}

void
sy_seat_set_state(SySeat *seat, SySeatState state)
{
}

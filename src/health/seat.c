/*-------------------------------------------------------------------------
 *
 * seat.c
 *	  Sessions with sources: how many may be in use, and who has which.
 *
 * A seat is this backend's; what others see of it lies in a shared array, in
 * which each backend finds room near its own number.  A permit is one in a
 * slot's atomic counter.  Both are given back when the backend ends.
 *
 * IDENTIFICATION
 *	  src/health/seat.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "health/shmem.h"

/* Who waits for a permit looks this often whether the limits have changed. */
#define REREAD_MS	1000

struct SySeat
{
	dlist_node	node;			/* in "seats" */
	SySlot	   *slot;
	uint32		incarnation;	/* of the slot */
	bool		permit;			/* counted in slot->in_use */
	bool		used;			/* by the present transaction */
	bool		connected;		/* counted in slot->sessions */
	SyShownSeat *shown;			/* NULL: the array was full */
	SySeatInfo	info;			/* as shown, or as it would be */
};

static dlist_head seats = DLIST_STATIC_INIT(seats);
static dlist_head left_seats = DLIST_STATIC_INIT(left_seats);	/* closed, but used */
static bool exit_registered = false;
static bool warned = false;

/* Is the slot still the one that the seat was opened for? */
static bool
is_current(const SySeat *seat)
{
	return SY_WORD_INCARNATION(pg_atomic_read_u64(&seat->slot->word)) == seat->incarnation;
}

/* Exit callback: others wait for the permits. */
static void
at_exit(int code, Datum arg)
{
	while (!dlist_is_empty(&seats))
		sy_seat_close(dlist_head_element(SySeat, node, &seats));
}

/* A place for a session with the source; see health.h. */
SySeat *
sy_seat_open(SySlot *slot, Oid userid)
{
	SySeat	   *seat = MemoryContextAllocZero(TopMemoryContext, sizeof(SySeat));

	if (!exit_registered)
		before_shmem_exit(at_exit, (Datum) 0);
	exit_registered = true;

	seat->slot = slot;
	seat->incarnation = SY_WORD_INCARNATION(pg_atomic_read_u64(&slot->word));
	seat->info.pid = MyProcPid;
	seat->info.userid = userid;
	seat->info.serverid = slot->serverid;
	seat->info.source = slot->name;
	seat->info.state = SY_SEAT_IDLE;
	dlist_push_tail(&seats, &seat->node);
	return seat;
}

/* Find room in the shared array for a seat. */
static void
show(SySeat *seat)
{
	int			home = sy_my_proc_number() * 4;

	for (int i = 0; i < sy_shared->nseats; i++)
	{
		SyShownSeat *shown = &sy_shared_seats[(home + i) % sy_shared->nseats];
		uint32		nobody = 0;

		if (pg_atomic_read_u32(&shown->pid) != 0 ||
			!pg_atomic_compare_exchange_u32(&shown->pid, &nobody, MyProcPid))
			continue;
		pg_atomic_fetch_add_u32(&shown->changes, 1);
		shown->dboid = MyDatabaseId;
		shown->info = seat->info;
		pg_atomic_fetch_add_u32(&shown->changes, 1);
		seat->shown = shown;
		return;
	}
	if (!warned)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("not all sessions with sources can be shown"),
				 errdetail("The view switchyard.connections has room for %d.", sy_shared->nseats)));
	warned = true;
}

/* The session is open now: count and show it. */
void
sy_seat_connected(SySeat *seat)
{
	Assert(!seat->connected);
	seat->connected = true;
	pg_atomic_fetch_add_u32(&seat->slot->sessions, 1);
	seat->info.connected_at = GetCurrentTimestamp();
	seat->info.used_at = seat->info.connected_at;
	if (sy_shared != NULL && !IsParallelWorker())
		show(seat);
}

/* Give a permit back, and wake whoever waits for it. */
static void
give_back(SySeat *seat)
{
	if (!seat->permit)
		return;
	seat->permit = false;
	if (!is_current(seat))
		return;
	pg_atomic_fetch_sub_u32(&seat->slot->in_use, 1);
	if (pg_atomic_read_u32(&seat->slot->waiting) > 0)
		ConditionVariableSignal(&seat->slot->permit_free);
}

/*
 * The session is over, or was never opened; see health.h.  A transaction that
 * has used it goes on using the source, perhaps over another session.
 */
void
sy_seat_close(SySeat *seat)
{
	bool		left = seat->used && seat->connected;

	give_back(seat);
	if (seat->connected && is_current(seat))
		pg_atomic_fetch_sub_u32(&seat->slot->sessions, 1);
	if (seat->shown != NULL)
	{
		pg_atomic_fetch_add_u32(&seat->shown->changes, 1);
		pg_atomic_write_u32(&seat->shown->pid, 0);
		pg_atomic_fetch_add_u32(&seat->shown->changes, 1);
	}
	dlist_delete(&seat->node);
	if (left)
		dlist_push_head(&left_seats, &seat->node);
	else
		pfree(seat);
}

/* The transaction is over for all seats; see health.h. */
void
sy_seat_forget_left(void)
{
	while (!dlist_is_empty(&left_seats))
		pfree(dlist_container(SySeat, node, dlist_pop_head_node(&left_seats)));
}

/*
 * Take a permit if there is one.  Who began before its server was dropped, as
 * IMPORT can, needs none of the slot's next server.
 */
static bool
take_permit(SySeat *seat, const SyLimits *limits)
{
	pg_atomic_uint32 *in_use = &seat->slot->in_use;
	uint32		limit = limits->pool_size + limits->max_overflow;
	uint32		old = pg_atomic_read_u32(in_use);

	if (!is_current(seat))
		return true;
	do
	{
		if (old >= limit)
			return false;
	} while (!pg_atomic_compare_exchange_u32(in_use, &old, old + 1));
	seat->permit = true;
	return true;
}

/* Does the breaker refuse calls of a transaction that begins with the source? */
static bool
is_refusing(SySlot *slot)
{
	switch (SY_WORD_STATE(pg_atomic_read_u64(&slot->word)))
	{
		case SY_BREAKER_OPEN:
		case SY_BREAKER_FORCED_OPEN:
			return true;
		case SY_BREAKER_DRAINED:
			return !sy_seat_in_use(slot);
		case SY_BREAKER_CLOSED:
		case SY_BREAKER_HALF_OPEN:
		case SY_BREAKER_OFF:
			break;
	}
	return false;
}

/* Does this backend's transaction keep others from a session with another source? */
static bool
holds_another(const SySlot *slot)
{
	dlist_iter	iter;

	dlist_foreach(iter, &seats)
	{
		const SySeat *seat = dlist_container(SySeat, node, iter.cur);

		if (seat->slot != slot && seat->permit)
			return true;
	}
	return false;
}

/* Throw 53300: nobody has left a session within the time. */
pg_noreturn static void
give_up(const SySlot *slot, const char *name, const SyLimits *limits)
{
	ereport(ERROR,
			(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
			 errmsg("all sessions with source \"%s\" are in use", name),
			 errdetail("The options pool_size and max_overflow allow %d in all backends, and none "
					   "became free within %d ms.", limits->pool_size + limits->max_overflow,
					   limits->pool_timeout_ms),
			 holds_another(slot) ?
			 errhint("Raise pool_size or max_overflow, or end idle transactions.  This transaction holds a session with another "
					 "source, too: two that use two sources in different orders may have waited for each other.") :
			 errhint("Raise pool_size or max_overflow, or end idle transactions, which the view switchyard.connections shows.")));
}

/*
 * Wait for a permit, by the limits as they are meanwhile; false if the breaker
 * refuses calls meanwhile, so that waiting would be for nothing.  Throws the
 * cancel, or 53300.
 */
static bool
wait_for_permit(SySeat *seat, const char *name, SyLimitsReader reread, const void *source)
{
	SySlot	   *slot = seat->slot;
	int64		began_us = sy_now_us();
	const SyLimits *volatile limits = NULL;
	volatile bool permitted = false;
	volatile bool refused = false;

	sy_admit_wait_begin(slot);
	PG_TRY();
	{
		ConditionVariablePrepareToSleep(&slot->permit_free);
		for (;;)
		{
			int64		left_ms;

			limits = reread(source);
			permitted = take_permit(seat, limits);
			refused = !permitted && is_refusing(slot);
			left_ms = limits->pool_timeout_ms - (sy_now_us() - began_us) / 1000;
			if (permitted || refused || left_ms <= 0)
				break;
			(void) ConditionVariableTimedSleep(&slot->permit_free, Min(left_ms, REREAD_MS),
											   SY_WAIT_SOURCE);
		}
	}
	PG_FINALLY();
	{
		ConditionVariableCancelSleep();
		sy_admit_wait_end();
		/* who was woken and leaves without a permit wakes the next one */
		if (!permitted)
			ConditionVariableSignal(&slot->permit_free);
	}
	PG_END_TRY();

	if (!permitted && !refused)
		give_up(slot, name, limits);
	return permitted;
}

/* The session's first use in a transaction; see health.h. */
bool
sy_seat_use(SySeat *seat, const char *name, const SyLimits *limits,
			SyLimitsReader reread, const void *source)
{
	if (!seat->permit && seat->slot->shared && !IsParallelWorker() &&
		!take_permit(seat, limits) &&
		!(reread != NULL && wait_for_permit(seat, name, reread, source)))
		return false;
	seat->used = true;
	return true;
}

/* Does the present transaction of this backend use the source? */
bool
sy_seat_in_use(const SySlot *slot)
{
	dlist_iter	iter;

	dlist_foreach(iter, &seats)
	{
		const SySeat *seat = dlist_container(SySeat, node, iter.cur);

		if (seat->slot == slot && seat->used)
			return true;
	}
	dlist_foreach(iter, &left_seats)
		if (dlist_container(SySeat, node, iter.cur)->slot == slot)
			return true;
	return false;
}

/* Count the session as closed if more than pool_size are open. */
static bool
leave_if_crowded(SySeat *seat, const SyLimits *limits)
{
	pg_atomic_uint32 *sessions = &seat->slot->sessions;
	uint32		old = pg_atomic_read_u32(sessions);

	do
	{
		if (old <= (uint32) limits->pool_size)
			return false;
	} while (!pg_atomic_compare_exchange_u32(sessions, &old, old - 1));
	seat->connected = false;
	return true;
}

/* The transaction is over; see health.h. */
bool
sy_seat_release(SySeat *seat, const SyLimits *limits)
{
	bool		used = seat->used;

	seat->used = false;
	if (!is_current(seat))
		return true;
	if (SY_WORD_STATE(pg_atomic_read_u64(&seat->slot->word)) == SY_BREAKER_DRAINED)
		return true;
	if (!used)
		return false;
	sy_seat_set_state(seat, SY_SEAT_IDLE);

	if (seat->slot->shared && seat->connected && leave_if_crowded(seat, limits))
		return true;
	give_back(seat);
	return false;
}

/* What the session is doing; ACTIVE also counts a call. */
void
sy_seat_set_state(SySeat *seat, SySeatState state)
{
	seat->info.state = state;
	if (state == SY_SEAT_ACTIVE)
	{
		/* the clock would cost more than all else here */
		seat->info.used_at = Max(seat->info.connected_at, GetCurrentStatementStartTimestamp());
		seat->info.calls++;
	}
	if (seat->shown != NULL)
	{
		seat->shown->info.state = state;
		seat->shown->info.used_at = seat->info.used_at;
		seat->shown->info.calls = seat->info.calls;
	}
}

/* Copy what a place of the array shows; false: nobody has it. */
static bool
copy_shown(const SyShownSeat *shown, SySeatInfo *info)
{
	pg_atomic_uint32 *changes = (pg_atomic_uint32 *) &shown->changes;
	uint32		before;

	do
	{
		before = pg_atomic_read_u32(changes);
		pg_read_barrier();
		if (pg_atomic_read_u32((pg_atomic_uint32 *) &shown->pid) == 0 ||
			shown->dboid != MyDatabaseId || before % 2 != 0)
			return false;
		*info = shown->info;
		pg_read_barrier();
	} while (pg_atomic_read_u32(changes) != before);
	return true;
}

/* Sessions of this database, or of this backend; see health.h. */
SySeatInfo *
sy_seat_list(int *count)
{
	SySeatInfo *infos;
	dlist_iter	iter;
	int			size = 0;

	*count = 0;
	if (sy_shared != NULL)
	{
		infos = palloc(sy_shared->nseats * sizeof(SySeatInfo));
		for (int i = 0; i < sy_shared->nseats; i++)
			if (copy_shown(&sy_shared_seats[i], &infos[*count]))
				(*count)++;
		return infos;
	}
	dlist_foreach(iter, &seats)
		size++;
	infos = palloc(Max(size, 1) * sizeof(SySeatInfo));
	dlist_foreach(iter, &seats)
	{
		const SySeat *seat = dlist_container(SySeat, node, iter.cur);

		if (seat->connected)
			infos[(*count)++] = seat->info;
	}
	return infos;
}

/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory: asked for, laid out, attached to.
 *
 * There is none unless the library is preloaded.  Then every source has a
 * slot of its own in each backend; see slot.c.
 *
 * IDENTIFICATION
 *	  src/health/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/guc.h"
#include "health/shmem.h"

#define TRANCHE				"switchyard"
#define SEATS_PER_BACKEND	4

SyShared   *sy_shared = NULL;
SyEvent    *sy_shared_events = NULL;
SyShownSeat *sy_shared_seats = NULL;

static char *slots = NULL;
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

/* Sizes of the parts; used to ask for memory and to attach to it. */
static Size
slots_size(void)
{
	return mul_size(sy_max_sources, SY_SLOT_SIZE);
}

static Size
events_size(void)
{
	return mul_size(SY_EVENT_RING, sizeof(SyEvent));
}

static Size
seats_size(void)
{
	return mul_size(mul_size(MaxBackends, SEATS_PER_BACKEND), sizeof(SyShownSeat));
}

/* Hook: ask for memory and locks. */
static void
request(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(add_size(MAXALIGN(sizeof(SyShared)), PG_CACHE_LINE_SIZE));
	RequestAddinShmemSpace(add_size(slots_size(), PG_CACHE_LINE_SIZE));
	RequestAddinShmemSpace(add_size(events_size(), PG_CACHE_LINE_SIZE));
	RequestAddinShmemSpace(add_size(seats_size(), PG_CACHE_LINE_SIZE));
	RequestNamedLWLockTranche(TRANCHE, SY_LOCK_COUNT);
}

/* A slot of the shared array. */
SySlot *
sy_shmem_slot(int number)
{
	return (SySlot *) (slots + (Size) number * SY_SLOT_SIZE);
}

/* Fill what nobody has filled yet. */
static void
fill(SyShared *shared)
{
	memset(shared, 0, sizeof(SyShared));
	memset(slots, 0, slots_size());
	memset(sy_shared_events, 0, events_size());
	memset(sy_shared_seats, 0, seats_size());

	shared->layout = SY_SHMEM_LAYOUT;
	shared->locks = GetNamedLWLockTranche(TRANCHE);
	shared->nslots = sy_max_sources;
	shared->nseats = MaxBackends * SEATS_PER_BACKEND;
	pg_atomic_init_u64(&shared->last_event, 0);
	for (int i = 0; i < shared->nslots; i++)
		sy_slot_create(sy_shmem_slot(i), true);
	for (int i = 0; i < shared->nseats; i++)
	{
		pg_atomic_init_u32(&sy_shared_seats[i].pid, 0);
		pg_atomic_init_u32(&sy_shared_seats[i].changes, 0);
	}
}

/* Hook: lay the memory out, or attach to it. */
static void
startup(void)
{
	SyShared   *shared;
	bool		found;
	bool		ignored;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("switchyard", sizeof(SyShared), &found);
	slots = ShmemInitStruct("switchyard sources", slots_size(), &ignored);
	sy_shared_events = ShmemInitStruct("switchyard events", events_size(), &ignored);
	sy_shared_seats = ShmemInitStruct("switchyard sessions", seats_size(), &ignored);
	if (!found)
		fill(shared);
	LWLockRelease(AddinShmemInitLock);

	if (shared->layout != SY_SHMEM_LAYOUT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("switchyard's shared memory was laid out by another version of the library"),
				 errhint("Restart the server.")));
	sy_shared = shared;
}

/* Is there shared memory? */
bool
sy_shmem_is_shared(void)
{
	return sy_shared != NULL;
}

/* Register the hooks, if memory can still be had. */
void
sy_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

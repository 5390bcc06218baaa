/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What lies in shared memory, for the files of src/health only.
 *
 * Locks, and what they cover:
 *
 * - SySlot.mutex, a spinlock: what the struct says.  Nothing is called under
 *   it that could wait, allocate or throw; it is taken last.
 * - SY_LOCK_DIRECTORY: which slot is whose, and the registry of databases.
 * - SY_LOCK_EVENTS: the ring.
 *
 * Nobody holds two of the LWLocks.  All else is atomics.
 *
 * IDENTIFICATION
 *	  src/health/shmem.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SHMEM_H
#define SY_SHMEM_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "base/wait.h"
#include "health/health.h"
#include "health/stats.h"

/* Changes with the layout of anything in shared memory. */
#define SY_SHMEM_LAYOUT	4

#define SY_SLOT_SIZE	4096

/*
 * What the closed path reads, all of it in one word, written under the mutex:
 * the breaker's state, flags, the slot's incarnation and the generation.
 */
#define SY_WORD_STATE(word)			((SyBreakerState) ((word) & 7))
#define SY_WORD_UNPROVEN			UINT64CONST(8)
#define SY_WORD_FAILED				UINT64CONST(16)	/* failures in a row > 0 */
#define SY_WORD_INCARNATION(word)	((uint32) ((word) >> 8) & 0xFFFFFF)
#define SY_WORD_GENERATION(word)	((uint32) ((word) >> 32))

/* sources.status, but for "unknown", which is a matter of time. */
typedef enum SySlotStatus
{
	SY_SLOT_OK,
	SY_SLOT_DEGRADED,
	SY_SLOT_DOWN,
	SY_SLOT_DRAINED
} SySlotStatus;

struct SySlot
{
	pg_atomic_uint64 word;		/* see above */
	slock_t		mutex;
	uint32		incarnation;	/* how often the slot was given away; 24 bits;
								 * written under SY_LOCK_DIRECTORY and "mutex" */
	bool		shared;			/* constant */

	/* Shared slots only. */
	ConditionVariable trial_over;	/* a trial has ended, or the state changed */
	ConditionVariable permit_free;	/* or the state changed */

	/*
	 * From here on all is emptied when the slot is given to another server.
	 * Who it is; SY_LOCK_DIRECTORY.  Constant while the slot is in use.
	 */
	bool		used;
	Oid			dboid;
	Oid			serverid;
	NameData	name;

	/* Protected by "mutex". */
	SyBreaker	breaker;
	char		reason[SY_HEALTH_REASON_SIZE];	/* of the present state */
	int			opened_sqlstate;	/* of the failure that opened it last */
	Oid			set_by;
	TimestampTz stats_reset;
	SyErrorClass last_class;
	TimestampTz last_error_at;
	int			last_sqlstate;
	char		last_error[SY_HEALTH_MESSAGE_SIZE];
	SySlotStatus status;
	TimestampTz status_since;
	TimestampTz probed_at;
	int64		probed_us;
	bool		probe_ok;
	bool		probe_undone;	/* it failed before a reset: says nothing now */
	bool		source_read_only;
	double		probe_ms;
	char		server_version[SY_HEALTH_VERSION_SIZE];
	char		database[NAMEDATALEN];
	char		hosts[SY_HEALTH_HOSTS_SIZE];	/* SyPing.hosts */
	int64		hosts_us;		/* when that was last true; monotonic */
	char		degraded[SY_HEALTH_REASON_SIZE];
	TimestampTz sampled_at;
	SySample	sample;

	/* Atomics. */
	pg_atomic_uint64 rejected;
	pg_atomic_uint64 opens;
	pg_atomic_uint64 worked_us; /* last success over a session that was there
								 * before; monotonic, 0: none */
	pg_atomic_uint64 failed_us; /* last failure that counted */
	pg_atomic_uint32 sessions;	/* open */
	pg_atomic_uint32 in_use;	/* permits out */
	pg_atomic_uint32 waiting;	/* backends; changed under "mutex" */
	SyStats		stats;
};

StaticAssertDecl(sizeof(SySlot) <= SY_SLOT_SIZE, "a slot is too large");

/* One session in the shared array.  Written by its owner alone. */
typedef struct SyShownSeat
{
	pg_atomic_uint32 pid;		/* 0: free */
	pg_atomic_uint32 changes;	/* counts owners, for readers */
	Oid			dboid;
	SySeatInfo	info;
} SyShownSeat;

typedef struct SyDatabaseEntry
{
	SyDatabase	info;			/* dboid InvalidOid: free */
	Latch	   *latch;			/* the prober's */
} SyDatabaseEntry;

typedef struct SyShared
{
	uint32		layout;			/* SY_SHMEM_LAYOUT */
	LWLockPadded *locks;
	int			nslots;
	int			nseats;
	pg_atomic_uint64 last_event;	/* id given out last */

	/* SY_LOCK_DIRECTORY */
	Latch	   *launcher;
	SyDatabaseEntry databases[SY_DATABASE_MAX];
} SyShared;

#define SY_LOCK_DIRECTORY	(&sy_shared->locks[0].lock)
#define SY_LOCK_EVENTS		(&sy_shared->locks[1].lock)
#define SY_LOCK_COUNT		2

/* shmem.c; all NULL without shared memory */
extern SyShared *sy_shared;
extern SyEvent *sy_shared_events;
extern SyShownSeat *sy_shared_seats;
extern SySlot *sy_shmem_slot(int number);

/* slot.c */
extern void sy_slot_publish(SySlot *slot);
extern SyInstant sy_slot_now(void);
extern void sy_slot_create(SySlot *slot, bool shared);
extern void sy_slot_changed(SySlot *slot);
extern bool sy_slot_is_left(void);

/* What happened to a slot: collected under its mutex, told afterwards. */
typedef struct SyNews
{
	SySlot	   *slot;
	bool		failed;			/* a failure that counted */
	SyBreakerState state;		/* in which it did */
	int			failures;		/* in a row, with it; -1: of no meaning there */
	SyErrorClass cls;			/* of an error to remember; else SY_ERROR_NONE */
	int			sqlstate;
	char		message[SY_HEALTH_MESSAGE_SIZE];
	char		summary[SY_ERROR_SUMMARY_SIZE]; /* for the log: with its detail */
	char		reason[SY_HEALTH_REASON_SIZE];	/* a command's, "": none */
	Oid			userid;
	uint64		first_event;	/* ids that it has */
	SyBreakerChanges changes;
} SyNews;

/* event.c */
extern void sy_event_begin(SyNews *news, SySlot *slot);
extern void sy_event_error(SyNews *news, const SyError *err);
extern SySlotStatus sy_event_status(const SySlot *slot, const SyBreaker *breaker);
extern void sy_event_settle(SyNews *news, const SyInstant *now);
extern void sy_event_tell(const SyNews *news, const char *name, const SyLimits *limits);

/* admit.c */
extern void sy_admit_wait_begin(SySlot *slot);
extern void sy_admit_wait_end(void);
extern int	sy_admit_owner(const SySlot *slot);
extern void sy_admit_begin(SyCall *call, SySlot *slot, uint64 word, uint32 lease);
extern uint32 sy_admit_end(SyCall *call);
extern bool sy_admit_is_late(const SyCall *call);
extern void sy_admit_worked(const SyCall *call, int64 now_us);

#endif							/* SY_SHMEM_H */

/*-------------------------------------------------------------------------
 *
 * health.h
 *	  One truth about every source, shared by all backends.
 *
 * The state of a source is a slot in shared memory, named by database, server
 * OID and server name.  Without shared_preload_libraries, or without a free
 * slot, the slot is private to the backend; all functions work the same then,
 * but what they tell and bound is this backend alone.
 *
 * A query's way: sy_seat_open() for a remote session that is to be made;
 * sy_seat_use() at its first use in a transaction, which takes a permit of
 * the pool; sy_seat_connected() when it was made; sy_admit_call() before each call, which asks the breaker;
 * sy_admit_success(), sy_admit_failure() or sy_admit_forget() when the first
 * batch or an error has arrived; sy_seat_release() at the transaction's
 * end.  What was admitted is never asked again.
 *
 * Options are not in the slot: functions that depend on them take SyLimits,
 * see SySource.limits.
 *
 * Unless a comment says "throws", a function neither throws nor waits, and
 * may be called while a transaction aborts and in exit callbacks.
 *
 * IDENTIFICATION
 *	  src/health/health.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_HEALTH_H
#define SY_HEALTH_H

#include "lib/ilist.h"
#include "storage/latch.h"

#include "base/error.h"
#include "base/limits.h"
#include "health/breaker.h"

/* The state of one source, shared or private; opaque here. */
typedef struct SySlot SySlot;

/* Sizes of texts, with their final zero.  Longer ones are cut at a character. */
#define SY_HEALTH_MESSAGE_SIZE	256
#define SY_HEALTH_REASON_SIZE	128
#define SY_HEALTH_VERSION_SIZE	64
#define SY_HEALTH_HOSTS_SIZE	512

/*
 * Start-up (shmem.c)
 */

/* Called from _PG_init: asks for shared memory if the library is preloaded. */
extern void sy_shmem_init(void);

/* Is there shared memory? */
extern bool sy_shmem_is_shared(void);

/*
 * Slots (slot.c)
 */

/*
 * The slot of a server of this database, made if there is none.  Cheap, but
 * not for each call: keep the pointer, together with its incarnation if that
 * is longer than a transaction.  Throws for want of memory only; warns once
 * per backend if the slot is private for want of a free one.
 *
 * Also registers this database for the launcher.
 */
extern SySlot *sy_slot_get(Oid serverid, const char *name);

/* The same, but NULL if there is none.  Never throws. */
extern SySlot *sy_slot_find(Oid serverid, const char *name);

/*
 * For the prober, while neither a session nor a call of its own has to do with
 * the server: forget a private slot, so that the next sy_slot_get() takes a
 * shared one if one has become free.
 */
extern void sy_slot_retry(Oid serverid);

/*
 * For the prober, which alone does this: free the shared slot of a server
 * that its catalog has no more, once it has seen that.  A dropped server's
 * slot is not freed earlier, because DROP may be rolled back.
 */
extern void sy_slot_free(Oid serverid, const char *name);

/* After DROP DATABASE: free all shared slots of a database. */
extern void sy_slot_free_database(Oid dboid);

/* Which servers of this database have shared slots?  palloc'd; throws. */
typedef struct SySlotName
{
	Oid			serverid;
	NameData	name;
} SySlotName;
extern SySlotName *sy_slot_list(int *count);

/*
 * Calls (admit.c)
 */

/*
 * A call that was admitted.  Part of a struct of the caller's that must not
 * move; zeroed, it is no call.  It is ended by sy_admit_failure(),
 * sy_admit_silence() or sy_admit_forget(); ending no call does nothing.
 */
typedef struct SyCall
{
	SySlot	   *slot;			/* NULL: no call */
	uint32		incarnation;	/* of the slot */
	uint32		generation;		/* of the breaker's state */
	uint32		lease;			/* of a trial call; 0: it is none */
	bool		answered;		/* sy_admit_success() was called */
	bool		warm;			/* over a session that was there before; set by
								 * the caller once it is admitted */
	int64		began_us;		/* monotonic */
	dlist_node	node;			/* among this backend's leases, if it has one */
} SyCall;

/*
 * May a call go?  Throws 57P03 if not, with reason and hint.  While the slot
 * is unproven it may wait for another's trial, connect_timeout at most, and
 * then throws the cancel, or 08001.  "in_transaction": this transaction uses
 * the source already.
 */
extern void sy_admit_call(SySlot *slot, const char *name, const SyLimits *limits,
						  bool in_transaction, SyCall *call);

/*
 * The first batch has arrived, or the end of an empty result.  Later batches
 * may still fail; once they are not read any more the call is forgotten.
 */
extern void sy_admit_success(SyCall *call, const char *name, const SyLimits *limits);

/*
 * Before an error is told to anybody: a source that dismisses new connections
 * while a session that it has goes on working is not ill but has too many of
 * them.  Then the error becomes one of SY_ERROR_OVERLOAD, 53300.
 */
extern void sy_admit_judge(SySlot *slot, const SyLimits *limits, SyError *err);

/*
 * It failed.  What counts against the source is an error of SY_ERROR_SOURCE.
 * All else says nothing about the source, but the newest failure of class
 * overload, auth or capacity is shown.
 */
extern void sy_admit_failure(SyCall *call, const char *name, const SyLimits *limits,
							 const SyError *err);

/*
 * A cancel, statement_timeout or query_timeout ended the wait for it, and no
 * byte has ever come over the connection (SyDriver.session_silent).  That
 * counts against the source if the call has lasted SY_ADMIT_SILENCE_MS: who
 * cancels at once has learned nothing.
 */
#define SY_ADMIT_SILENCE_MS	100
extern void sy_admit_silence(SyCall *call, const char *name, const SyLimits *limits);

/* It was given up: neither a success nor a failure. */
extern void sy_admit_forget(SyCall *call);

/*
 * Sessions and permits (seat.c)
 */

/* One remote session of this backend, as the others see it; opaque here. */
typedef struct SySeat SySeat;

typedef enum SySeatState
{
	SY_SEAT_IDLE,
	SY_SEAT_IN_TRANSACTION,		/* used by the present transaction, not now */
	SY_SEAT_ACTIVE				/* a call is under way */
} SySeatState;

/*
 * A place for a session with the source, not open yet; allocated in
 * TopMemoryContext, throws for want of memory only.  Given back by
 * sy_seat_close(), with its permit, or by the end of the backend.
 */
extern SySeat *sy_seat_open(SySlot *slot, Oid userid);
extern void sy_seat_close(SySeat *seat);

/*
 * The transaction is over, and sy_seat_release() was called for each seat:
 * forget those that were closed in its midst, as after ALTER SERVER.
 */
extern void sy_seat_forget_left(void);

/* The session is open now: count and show it. */
extern void sy_seat_connected(SySeat *seat);

/* The limits that are in force now for who has those of "source"; throws.
 * They may change while somebody waits. */
typedef const SyLimits *(*SyLimitsReader) (const void *source);

/*
 * The session's first use in a transaction, before it is opened: take a
 * permit, of which there are pool_size + max_overflow in the cluster.  With
 * "reread", which is given "source" from time to time, waits pool_timeout at
 * most, then throws 53300; serves interrupts.  False: there is none and
 * "reread" is NULL, or while it waited the breaker began to refuse calls,
 * which sy_admit_call() will tell.
 *
 * Does nothing if the session has a permit.  Parallel workers take none:
 * their leader has one.  Private slots have no permits.
 */
extern bool sy_seat_use(SySeat *seat, const char *name, const SyLimits *limits,
						SyLimitsReader reread, const void *source);

/*
 * The transaction is over: give the permit back.  True if the session must be
 * closed now: more than pool_size are open, or the source is drained.  Then
 * the permit stays with it until sy_seat_close(), so that nobody opens
 * another one before.
 */
extern bool sy_seat_release(SySeat *seat, const SyLimits *limits);

/* Has the present transaction of this backend used the source? */
extern bool sy_seat_in_use(const SySlot *slot);

/* What the session is doing; ACTIVE also counts a call. */
extern void sy_seat_set_state(SySeat *seat, SySeatState state);

/* Sessions of this database, palloc'd; throws. */
typedef struct SySeatInfo
{
	int			pid;
	Oid			userid;			/* the mapping's user */
	Oid			serverid;
	NameData	source;
	SySeatState state;
	TimestampTz connected_at;
	TimestampTz used_at;		/* by a statement that began then */
	int64		calls;
} SySeatInfo;
extern SySeatInfo *sy_seat_list(int *count);

/*
 * Probes and samples (probe.c)
 */

/* The size of a source; -1: not known. */
typedef struct SySample
{
	int			tables;
	int64		rows;			/* from the source's metadata */
	int64		bytes;			/* by the option size_metric */
} SySample;

/* What a probe has learned. */
typedef struct SyProbe
{
	const SyError *err;			/* NULL: the source answered.  No answer within
								 * probe_timeout is SY_ERROR_SOURCE; other
								 * classes show, but count for nothing */
	double		round_trip_ms;
	const char *server_version; /* the rest: valid if it answered; "": unknown */
	const char *database;
	bool		read_only;		/* the source itself takes no writes */
	const char *hosts;			/* where it was found, for those who connect next:
								 * SyPing.hosts; "": says nothing */
	const char *degraded;		/* NULL, or why not all could be had, redacted:
								 * e.g. statistics were refused */
} SyProbe;

/*
 * A probe begins.  Never refused: in HALF_OPEN and while the slot is unproven
 * it takes a lease if there is one and so is a trial call.  It is ended by
 * sy_probe_done(), or sy_probe_forget() if it could not be made.
 *
 * Time acts on the breaker here: the end of a cool-down, of a trip().
 */
extern void sy_probe_begin(SySlot *slot, const char *name, const SyLimits *limits, SyCall *call);
extern void sy_probe_done(SyCall *call, const char *name, const SyLimits *limits,
						  const SyProbe *probe);
extern void sy_probe_forget(SyCall *call);

/* When is the next trial call of the prober useful, in ms?  1000 while the
 * breaker is half open, else probe_interval. */
extern int	sy_probe_interval(SySlot *slot, const SyLimits *limits);

/*
 * Where the last good probe found the source, if that is no longer ago than
 * three intervals; "hosts" has SY_HEALTH_HOSTS_SIZE.  False: nobody knows.
 */
extern bool sy_probe_recall_hosts(SySlot *slot, const SyLimits *limits, char *hosts);

/* A size was sampled just now. */
extern void sy_probe_sample(SySlot *slot, const SySample *sample);

/*
 * What is known (status.c)
 */

/* All that the views "sources" and "breakers" show of one source. */
typedef struct SyStatus
{
	bool		shared;			/* health_scope cluster or backend */

	/* breaker; "unproven" is shown nowhere but as status unknown */
	SyBreakerState state;
	bool		unproven;
	uint32		generation;
	TimestampTz since;
	char		reason[SY_HEALTH_REASON_SIZE];	/* "": none */
	TimestampTz retry_at;		/* OPEN: when it ends; else 0 */
	Oid			set_by;			/* role of a manual state; else InvalidOid */
	TimestampTz set_until;		/* 0: none */
	int			failures;
	int			trials;			/* trial calls that are out */

	/* counters since stats_reset */
	int64		calls;
	int64		errors;
	int64		rejected;
	int64		opens;
	TimestampTz stats_reset;

	/* of the last minute, or two */
	double		success_ratio;	/* -1: unknown (under 10 calls in 60 s) */
	double		p50_ms;			/* -1: unknown (no call) */
	double		p95_ms;
	double		p99_ms;

	/* newest failure of any class */
	SyErrorClass last_failure_class;	/* SY_ERROR_NONE: none yet */
	TimestampTz last_error_at;	/* 0: none yet */
	int			last_sqlstate;
	char		last_error[SY_HEALTH_MESSAGE_SIZE]; /* redacted */

	/* probes */
	const char *status;			/* 'ok', 'degraded', ...: a constant */
	TimestampTz status_since;
	TimestampTz probed_at;		/* 0: never */
	bool		probe_ok;
	double		probe_ms;
	char		server_version[SY_HEALTH_VERSION_SIZE]; /* "": never seen */
	char		database[NAMEDATALEN];
	bool		source_read_only;
	char		degraded[SY_HEALTH_REASON_SIZE];	/* "": not degraded */

	/* size sample */
	TimestampTz sampled_at;		/* 0: never */
	SySample	sample;

	/* sessions of the cluster, or of this backend */
	int			sessions;		/* open */
	int			in_use;			/* permits out */
	int			waiting;		/* backends waiting for a permit or a trial */
} SyStatus;

/*
 * A consistent picture of a source.  "slot" NULL (sy_slot_find() found none):
 * what is to be said about a source that nobody has used yet.
 */
extern void sy_status_get(SySlot *slot, const SyLimits *limits, SyStatus *status);

/*
 * Manual states (control.c).  At once, not undone by ROLLBACK, gone at
 * restart.  "reason" may be NULL.  All log, and record an event.
 */
extern void sy_control_trip(SySlot *slot, const char *name, int64 duration_ms,
							const char *reason, Oid userid);
extern void sy_control_drain(SySlot *slot, const char *name, const char *reason, Oid userid);
extern void sy_control_reset(SySlot *slot, const char *name, Oid userid);

/* Is the slot shared?  If not, manual states act on this session only. */
extern bool sy_slot_is_shared(const SySlot *slot);

/*
 * Events (event.c)
 */

/* Shown to users: append only. */
typedef enum SyEventKind
{
	SY_EVENT_FAILURE,
	SY_EVENT_OPENED,
	SY_EVENT_HALF_OPENED,
	SY_EVENT_CLOSED,
	SY_EVENT_FORCED,
	SY_EVENT_DRAINED,
	SY_EVENT_RESET
} SyEventKind;

typedef struct SyEvent
{
	uint64		id;				/* from 1 on */
	TimestampTz at;
	Oid			dboid;
	NameData	source;
	SyEventKind kind;
	SyBreakerState from;		/* equal for FAILURE, which is no transition */
	SyBreakerState to;
	int			failures;		/* "3 of 5"; -1: says nothing */
	int			threshold;
	int			sqlstate;		/* 0: none */
	int			pid;
	Oid			userid;			/* InvalidOid: the prober or nobody */
	char		message[SY_HEALTH_MESSAGE_SIZE];	/* redacted; reason */
} SyEvent;

#define SY_EVENT_RING	1024

/*
 * Events of this database newer than "since" (0: all that are left), oldest
 * first, palloc'd; throws.  *last becomes the id to go on from, even if no
 * event of this database is among those seen.
 *
 * An event sets the latch that its database's prober has registered.
 */
extern SyEvent *sy_event_read(uint64 since, int *count, uint64 *last);

/* "half_opened"; a constant. */
extern const char *sy_event_kind_name(SyEventKind kind);

/* "overload", or NULL for SY_ERROR_NONE; a constant. */
extern const char *sy_event_class_name(SyErrorClass cls);

/*
 * Databases (database.c): what launcher, probers and the ProcessUtility hook
 * tell each other.  All do nothing and return false or 0 without shared memory.
 */

#define SY_DATABASE_MAX	1024

typedef struct SyDatabase
{
	Oid			dboid;
	int			prober_pid;		/* 0: none runs */
	int64		withdrawn_until_us; /* monotonic: no prober may be started
									 * before; 0: it may */
	uint64		told;			/* event up to which listeners were told */
	int64		due_us;			/* monotonic: when the next probe is due, said
								 * by a prober that makes way for others */
} SyDatabase;

/*
 * This database has (or may have) sources.  Sets the launcher's latch if that
 * is news.
 */
extern void sy_database_register(Oid dboid);

/* Databases that are registered, palloc'd; throws. */
extern SyDatabase *sy_database_list(int *count);

/* One of them; false: it is not registered. */
extern bool sy_database_find(Oid dboid, SyDatabase *result);

/* The launcher has seen that there is nothing to probe. */
extern void sy_database_unregister(Oid dboid);

/*
 * A prober says that it works here; "latch" is set by events.  False: the
 * database is withdrawn (or not registered, or has another prober), so end.
 * Undone by sy_database_detach(), and by the end of the process.
 */
extern bool sy_database_attach(Oid dboid, Latch *latch);
extern void sy_database_detach(void);

/* The prober has told listeners of all events up to this one. */
extern void sy_database_set_told(uint64 id);

/* The prober makes way for others; its next probe will be due then. */
extern void sy_database_set_due(int64 due_us);

/*
 * DROP DATABASE and the like: no prober may be there for "ms".  Wakes the
 * launcher and the prober; returns the prober's pid, 0 if there is none.
 * Admit it again with ms 0.
 */
extern int	sy_database_withdraw(Oid dboid, int64 ms);

/* Set the latch of a database's prober: there is something to do. */
extern void sy_database_wake(Oid dboid);

/* The launcher's latch; NULL when it ends.  Undone by the end of the process. */
extern void sy_database_set_launcher(Latch *latch);
extern void sy_database_wake_launcher(void);

#endif							/* SY_HEALTH_H */

/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  May a call go?  How did it go?
 *
 * While a breaker is closed and nothing has failed, the first question reads
 * one word and the answer adds to some atomics.  All else is under the slot's
 * mutex, and told when that is free again.
 *
 * Leases are given back by whoever ends the call, and by the end of the
 * backend.
 *
 * IDENTIFICATION
 *	  src/health/admit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "health/shmem.h"

/* That a session worked says nothing after so many intervals of probes. */
#define WORKED_INTERVALS	3

/* A trial that connects may take this much longer than it is allowed to. */
#define GRACE_US	100000

/* Why a call was refused, copied from the slot. */
typedef struct Refusal
{
	SyBreakerState state;
	int64		age_us;			/* of the state */
	int64		left_us;		/* until a manual state ends; 0: never */
	int			failures;
	int			passed;
	int			sqlstate;		/* of the failure that opened the breaker */
	Oid			set_by;
	char		reason[SY_HEALTH_REASON_SIZE];
} Refusal;

static dlist_head leases = DLIST_STATIC_INIT(leases);
static SySlot *waiting_at = NULL;
static uint32 waiting_incarnation = 0;	/* of that slot */
static bool exit_registered = false;

/* Exit callback: nobody shall wait for what this backend will never tell. */
static void
at_exit(int code, Datum arg)
{
	sy_admit_wait_end();
	while (!dlist_is_empty(&leases))
		sy_admit_forget(dlist_head_element(SyCall, node, &leases));
}

/* Have at_exit() called, once. */
static void
register_exit(void)
{
	if (!exit_registered)
		before_shmem_exit(at_exit, (Datum) 0);
	exit_registered = true;
}

/*
 * This backend begins to wait for something of the slot.  Takes the mutex, so
 * that it is counted for the server that has the slot then.
 */
void
sy_admit_wait_begin(SySlot *slot)
{
	register_exit();
	Assert(waiting_at == NULL);
	waiting_at = slot;
	SpinLockAcquire(&slot->mutex);
	waiting_incarnation = slot->incarnation;
	pg_atomic_fetch_add_u32(&slot->waiting, 1);
	SpinLockRelease(&slot->mutex);
}

/* It waits no more; does nothing if it did not.  Takes the mutex likewise. */
void
sy_admit_wait_end(void)
{
	SySlot	   *slot = waiting_at;

	if (slot == NULL)
		return;
	SpinLockAcquire(&slot->mutex);
	if (slot->incarnation == waiting_incarnation)
		pg_atomic_fetch_sub_u32(&slot->waiting, 1);
	SpinLockRelease(&slot->mutex);
	waiting_at = NULL;
}

/* As whom this backend has leases. */
int
sy_admit_owner(const SySlot *slot)
{
	return slot->shared ? sy_my_proc_number() : 0;
}

/* Fill in a call that may go. */
static inline void
begin_call(SyCall *call, SySlot *slot, uint64 word)
{
	call->slot = slot;
	call->incarnation = SY_WORD_INCARNATION(word);
	call->generation = SY_WORD_GENERATION(word);
	call->lease = 0;
	call->answered = false;
	call->warm = false;
	call->began_us = sy_now_us();
}

/* Remember a lease that a call has. */
static void
hold_lease(SyCall *call, uint32 lease)
{
	call->lease = lease;
	if (lease != 0)
	{
		register_exit();
		dlist_push_tail(&leases, &call->node);
	}
}

/* A call, or a probe, that was admitted in "word" with a lease or 0. */
void
sy_admit_begin(SyCall *call, SySlot *slot, uint64 word, uint32 lease)
{
	begin_call(call, slot, word);
	hold_lease(call, lease);
}

/* It has ended, or at least its lease, which is returned. */
uint32
sy_admit_end(SyCall *call)
{
	uint32		lease = call->lease;

	if (lease != 0)
		dlist_delete(&call->node);
	call->lease = 0;
	return lease;
}

/* "25 s" */
static char *
seconds_text(int64 us)
{
	return psprintf("%lld s", (long long) Max((us + 500000) / 1000000, 0));
}

/* Who closed the source to traffic, and why; a sentence's end, palloc'd. */
static char *
command_text(const Refusal *refusal)
{
	const char *user = OidIsValid(refusal->set_by) && IsTransactionState() ?
		GetUserNameFromId(refusal->set_by, true) : NULL;
	char	   *text = user != NULL ? psprintf(" by role \"%s\"", user) : "";

	if (refusal->reason[0] == '\0')
		return psprintf("%s.", text);
	return psprintf("%s: %s.", text, refusal->reason);
}

/* Throw 57P03 for the state that refuses. */
pg_noreturn static void
refuse(const char *name, const SyLimits *limits, const Refusal *refusal)
{
	const char *since = seconds_text(refusal->age_us);
	char	   *detail = NULL;
	char	   *hint = NULL;

	switch (refusal->state)
	{
		case SY_BREAKER_OPEN:
			detail = psprintf("Its circuit breaker opened %s ago: %s (SQLSTATE %s).  "
							  "It will be tried again in %s, or as soon as a probe succeeds.",
							  since, refusal->reason, unpack_sql_state(refusal->sqlstate),
							  seconds_text((int64) limits->recovery_timeout_ms * 1000 - refusal->age_us));
			hint = psprintf("Retry later, or run switchyard.reset(%s) once the source is back.",
							quote_literal_cstr(name));
			break;
		case SY_BREAKER_HALF_OPEN:
			detail = psprintf("Its circuit breaker is half open since %s: %s.  "
							  "It admits %d trial calls, %d of which have succeeded and the others are under way.",
							  since, refusal->reason, limits->half_open_calls, refusal->passed);
			hint = pstrdup("Retry in a moment.");
			break;
		case SY_BREAKER_FORCED_OPEN:
			detail = psprintf("It was closed to traffic %s ago%s%s", since, command_text(refusal),
							  refusal->left_us == 0 ? "" :
							  psprintf("  That ends in %s.", seconds_text(refusal->left_us)));
			hint = psprintf("Run switchyard.reset(%s) to open it.", quote_literal_cstr(name));
			break;
		case SY_BREAKER_DRAINED:
			detail = psprintf("It has been drained for %s%s  Transactions that use it may finish, "
							  "others may not begin.", since, command_text(refusal));
			hint = psprintf("Run switchyard.reset(%s) to open it.", quote_literal_cstr(name));
			break;
		case SY_BREAKER_CLOSED:
		case SY_BREAKER_OFF:
			elog(ERROR, "breaker state %d refuses nothing", (int) refusal->state);
	}
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("source \"%s\" is not accepting queries", name),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

/* Ask the breaker once, under the mutex. */
static SyAdmission
ask(SySlot *slot, const char *name, const SyLimits *limits, bool in_transaction,
	SyCall *call, Refusal *refusal)
{
	SyInstant	now = sy_slot_now();
	const SyBreaker *breaker = &slot->breaker;
	SyAdmission admission;
	SyNews		news;
	uint64		word;
	uint32		lease;

	sy_event_begin(&news, slot);
	SpinLockAcquire(&slot->mutex);
	admission = sy_breaker_admit(&slot->breaker, limits, &now, sy_admit_owner(slot),
								 in_transaction, &lease, &news.changes);
	sy_event_settle(&news, &now);
	word = pg_atomic_read_u64(&slot->word);
	refusal->state = breaker->state;
	refusal->age_us = now.us - breaker->since_us;
	refusal->left_us = breaker->until_us == 0 ? 0 : breaker->until_us - now.us;
	refusal->failures = breaker->failures;
	refusal->passed = breaker->passed;
	refusal->sqlstate = slot->opened_sqlstate;
	refusal->set_by = slot->set_by;
	strlcpy(refusal->reason, slot->reason, sizeof(refusal->reason));
	SpinLockRelease(&slot->mutex);

	if (admission == SY_ADMISSION_GO || admission == SY_ADMISSION_TRIAL)
		sy_admit_begin(call, slot, word, lease);
	sy_event_tell(&news, name, limits);
	return admission;
}

/*
 * Somebody else's trial will tell whether the source is there: wait for it.
 * Who has waited for longer than a connection takes goes ahead if nothing has
 * failed, as then the source is only slow.  Throws the cancel, or 08001.
 */
static SyAdmission
wait_for_trial(SySlot *slot, const char *name, const SyLimits *limits, bool in_transaction,
			   SyCall *call, Refusal *refusal)
{
	int64		until_us = sy_now_us() + (int64) limits->connect_timeout_ms * 1000 + GRACE_US;
	volatile SyAdmission admission;
	int64		left_us = 0;

	sy_admit_wait_begin(slot);
	PG_TRY();
	{
		ConditionVariablePrepareToSleep(&slot->trial_over);
		while ((admission = ask(slot, name, limits, in_transaction, call, refusal)) == SY_ADMISSION_WAIT &&
			   (left_us = until_us - sy_now_us()) > 0)
			(void) ConditionVariableTimedSleep(&slot->trial_over, left_us / 1000 + 1, SY_WAIT_SOURCE);
	}
	PG_FINALLY();
	{
		ConditionVariableCancelSleep();
		sy_admit_wait_end();
	}
	PG_END_TRY();

	if (admission == SY_ADMISSION_WAIT && refusal->failures > 0)
		ereport(ERROR,
				(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
				 errmsg("could not connect to source \"%s\"", name),
				 errdetail("Nobody has reached it since the server was started, and another "
						   "session's attempt did not end within %d ms.", limits->connect_timeout_ms)));
	return admission;
}

/* May a call go?  What is not answered by one word. */
static void
admit_slowly(SySlot *slot, const char *name, const SyLimits *limits, bool in_transaction,
			 SyCall *call)
{
	SyAdmission admission;
	Refusal		refusal;

	if (IsParallelWorker())
	{
		begin_call(call, slot, pg_atomic_read_u64(&slot->word));
		return;
	}
	admission = ask(slot, name, limits, in_transaction, call, &refusal);
	if (admission == SY_ADMISSION_WAIT)
		admission = wait_for_trial(slot, name, limits, in_transaction, call, &refusal);
	if (admission == SY_ADMISSION_WAIT)
		begin_call(call, slot, pg_atomic_read_u64(&slot->word));
	if (admission == SY_ADMISSION_REFUSED)
	{
		pg_atomic_fetch_add_u64(&slot->rejected, 1);
		refuse(name, limits, &refusal);
	}
}

/* May a call go?  See health.h. */
void
sy_admit_call(SySlot *slot, const char *name, const SyLimits *limits, bool in_transaction,
			  SyCall *call)
{
	uint64		word = pg_atomic_read_u64(&slot->word);

	Assert(call->slot == NULL);
	if (likely(limits->breaker ?
			   SY_WORD_STATE(word) == SY_BREAKER_CLOSED && (word & SY_WORD_UNPROVEN) == 0 :
			   SY_WORD_STATE(word) == SY_BREAKER_OFF))
		begin_call(call, slot, word);
	else
		admit_slowly(slot, name, limits, in_transaction, call);
}

/* Is the call's result one of an earlier generation, or of a freed slot? */
bool
sy_admit_is_late(const SyCall *call)
{
	uint64		word = pg_atomic_read_u64(&call->slot->word);

	return SY_WORD_GENERATION(word) != call->generation ||
		SY_WORD_INCARNATION(word) != call->incarnation;
}

/*
 * Tell the breaker how a call ended; "err" is NULL unless there is one to
 * remember.
 */
static void
settle(const SyCall *call, uint32 lease, const char *name, const SyLimits *limits,
	   SyOutcome outcome, const SyError *err)
{
	SySlot	   *slot = call->slot;
	SyInstant	now = sy_slot_now();
	SyWindow	window = {0, 0};
	SyBreakerState state;
	SyVerdict	verdict;
	SyNews		news;

	sy_event_begin(&news, slot);
	if (err != NULL)
		sy_event_error(&news, err);
	SpinLockAcquire(&slot->mutex);
	state = slot->breaker.state;
	if (outcome == SY_OUTCOME_FAILURE && !sy_admit_is_late(call))
	{
		sy_stats_count(&slot->stats, now.us, true);
		pg_atomic_write_u64(&slot->failed_us, now.us);
		window = sy_stats_window(&slot->stats, now.us, slot->breaker.since_us);
	}
	verdict = sy_breaker_result(&slot->breaker, limits, &now, call->generation, lease,
								outcome, &window, &news.changes);
	if (verdict == SY_VERDICT_IGNORED)
		news.cls = SY_ERROR_NONE;
	else if (outcome == SY_OUTCOME_FAILURE &&
			 (state == SY_BREAKER_CLOSED || state == SY_BREAKER_HALF_OPEN))
	{
		news.failed = true;
		news.state = state;
		news.failures = state == SY_BREAKER_CLOSED ? slot->breaker.failures : -1;
	}
	sy_event_settle(&news, &now);
	SpinLockRelease(&slot->mutex);

	if (lease != 0)
		sy_slot_changed(slot);
	sy_event_tell(&news, name, limits);
}

/* Begin the minute's latencies, which nobody has done yet. */
static pg_noinline void
rotate(SySlot *slot, int64 now_us, int64 latency_us)
{
	SpinLockAcquire(&slot->mutex);
	sy_stats_rotate(&slot->stats, now_us);
	SpinLockRelease(&slot->mutex);
	(void) sy_stats_measure(&slot->stats, now_us, latency_us);
}

/* A call or a probe went well: remember it if its session was there before. */
void
sy_admit_worked(const SyCall *call, int64 now_us)
{
	if (call->warm)
		pg_atomic_write_u64(&call->slot->worked_us, now_us);
}

/* Is the source ill, or has it too many sessions?  See health.h. */
void
sy_admit_judge(SySlot *slot, const SyLimits *limits, SyError *err)
{
	int64		worked_us = pg_atomic_read_u64(&slot->worked_us);
	int64		patience_us = (int64) limits->probe_interval_ms * WORKED_INTERVALS * 1000;

	if (!err->dismissed || worked_us == 0 ||
		worked_us <= (int64) pg_atomic_read_u64(&slot->failed_us) ||
		sy_now_us() - worked_us > patience_us)
		return;
	err->cls = SY_ERROR_OVERLOAD;
	err->sqlstate = ERRCODE_TOO_MANY_CONNECTIONS;
}

/* The first batch, or the end, has arrived; see health.h. */
void
sy_admit_success(SyCall *call, const char *name, const SyLimits *limits)
{
	SySlot	   *slot = call->slot;
	uint32		lease;
	uint64		word;
	int64		now_us;

	if (slot == NULL || call->answered)
		return;
	call->answered = true;
	lease = sy_admit_end(call);
	if (sy_admit_is_late(call))
		return;
	now_us = sy_now_us();
	sy_admit_worked(call, now_us);
	sy_stats_count(&slot->stats, now_us, false);
	if (!sy_stats_measure(&slot->stats, now_us, now_us - call->began_us))
		rotate(slot, now_us, now_us - call->began_us);

	word = pg_atomic_read_u64(&slot->word);
	if (unlikely(lease != 0 ||
				 (SY_WORD_STATE(word) == SY_BREAKER_CLOSED &&
				  (word & (SY_WORD_FAILED | SY_WORD_UNPROVEN)) != 0)))
		settle(call, lease, name, limits, SY_OUTCOME_SUCCESS, NULL);
}

/* It failed; see health.h. */
void
sy_admit_failure(SyCall *call, const char *name, const SyLimits *limits, const SyError *err)
{
	bool		counts = err->cls == SY_ERROR_SOURCE;

	if (call->slot == NULL)
		return;
	if (counts || sy_event_class_name(err->cls) != NULL)
		settle(call, sy_admit_end(call), name, limits,
			   counts ? SY_OUTCOME_FAILURE : SY_OUTCOME_NEITHER, err);
	sy_admit_forget(call);
}

/* A wait without an answer was cut short; see health.h. */
void
sy_admit_silence(SyCall *call, const char *name, const SyLimits *limits)
{
	SyError		err;

	if (call->slot != NULL && sy_now_us() - call->began_us >= SY_ADMIT_SILENCE_MS * 1000)
	{
		sy_error_set(&err, SY_ERROR_SOURCE, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "source \"%s\" had not sent a byte when the query was canceled", name);
		sy_admit_failure(call, name, limits, &err);
	}
	sy_admit_forget(call);
}

/* It was given up: a lease goes back, and that is all. */
void
sy_admit_forget(SyCall *call)
{
	SySlot	   *slot = call->slot;
	uint32		lease;

	if (slot == NULL)
		return;
	lease = sy_admit_end(call);
	if (lease != 0 && !sy_admit_is_late(call))
	{
		SpinLockAcquire(&slot->mutex);
		sy_breaker_give_back(&slot->breaker, lease);
		SpinLockRelease(&slot->mutex);
		sy_slot_changed(slot);
	}
	call->slot = NULL;
}

/*-------------------------------------------------------------------------
 *
 * prober.c
 *	  One for a database: probes its sources, tells listeners what happened,
 *	  frees the slots of servers that are gone.
 *
 * What is to be probed is read from the catalogs in short transactions; no
 * transaction and no snapshot is held while a source is waited for.  Network
 * sources are asked all at once, each over a session of its own that is kept;
 * a file is opened for each probe, and lets everybody wait.
 *
 * IDENTIFICATION
 *	  src/worker/prober.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "health/health.h"
#include "worker/schedule.h"
#include "worker/target.h"
#include "worker/worker.h"

/* Catalogs are read at least so often, and at most so soon after a wake. */
#define REFRESH_US		(INT64CONST(10) * 1000000)
#define WAKE_US			(INT64CONST(20) * 1000)

#define SAMPLE_US		(INT64CONST(30) * 1000000)

static MemoryContext round_cxt = NULL;	/* reset in each turn of the loop */
static bool one_round = false;
static uint64 told = 0;			/* events up to this one */
static int64 refresh_us = 0;	/* when to read the catalogs again */

/*
 * Probes
 */

/* A probe has ended. */
static void
finish_probe(SyTarget *target)
{
	SyVisit    *visit = &target->visit;
	bool		blocking = (target->source->driver->caps & SY_CAP_NETWORK) == 0;

	if (visit->sampled)
		target->sampled_us = target->probed_us;
	if (visit->login_failed)
		target->refused_us = target->probed_us;
	else if (visit->ok && visit->source == target->source)
		target->refused_us = 0;
	target->suspect = blocking &&
		sy_schedule_is_suspect(visit->ok, sy_now_us() - target->probed_us);
	if (blocking || !visit->ok || visit->login_failed)
		sy_target_close_session(target);
}

/*
 * Begin a probe; it may be over at once.  After a login was refused it is
 * not tried again with each probe, but when a sample would be due: servers
 * take such tries for an attack.
 */
static void
begin_probe(SyTarget *target)
{
	SyVisit    *visit = &target->visit;
	int64		now_us = sy_now_us();
	bool		logs_in = target->may_login &&
		(target->refused_us == 0 || now_us - target->refused_us >= SAMPLE_US);
	bool		wants_sample = logs_in &&
		(target->sampled_us == 0 || target->refused_us != 0 ||
		 now_us - target->sampled_us >= SAMPLE_US);
	const SySource *source = logs_in ? target->source : target->stranger;

	target->probed_us = now_us;
	visit->slot = sy_slot_get(target->serverid, NameStr(target->name));
	/* what we find out about a source of nobody else's would be seen by nobody */
	if (!sy_slot_is_shared(visit->slot))
		return;
	if (visit->source != source)
		sy_target_close_session(target);
	visit->source = source;
	sy_visit_begin(visit, wants_sample);
	if (visit->session == NULL && !sy_target_open_session(target))
		sy_visit_fail(visit);
	else if (sy_visit_start(visit) == SY_BLOCKED)
		return;
	finish_probe(target);
}

/* Go on with a probe. */
static void
continue_probe(SyTarget *target)
{
	if (sy_visit_step(&target->visit) == SY_DONE)
		finish_probe(target);
}

/* Do either; an error, which is none of the source's, ends this probe only. */
static void
guarded(void (*work) (SyTarget *target), SyTarget *target)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		work(target);
	}
	PG_CATCH();
	{
		sy_target_report(target, caller);
		if (IsTransactionState())
			AbortCurrentTransaction();
		sy_target_close_session(target);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* The targets as the schedule wants them, in CurrentMemoryContext. */
static SyScheduleSource *
describe_targets(void)
{
	SyScheduleSource *sources = palloc0(sizeof(SyScheduleSource) * (list_length(sy_targets) + 1));

	for (int i = 0; i < list_length(sy_targets); i++)
	{
		SyTarget   *target = (SyTarget *) list_nth(sy_targets, i);
		SySlot	   *slot;

		if (target->source == NULL || !sy_probe)
		{
			sources[i].busy = target->visit.stage != SY_VISIT_IDLE;
			sources[i].due_us = PG_INT64_MAX;
			continue;
		}
		slot = sy_slot_get(target->serverid, NameStr(target->name));
		sources[i].busy = target->visit.stage != SY_VISIT_IDLE;
		sources[i].due_us = target->probed_us == 0 ? 1 : target->probed_us +
			(int64) sy_probe_interval(slot, &target->source->limits) * 1000;
		sources[i].blocking = (target->source->driver->caps & SY_CAP_NETWORK) == 0;
		sources[i].suspect = target->suspect;
	}
	return sources;
}

/* Begin the probes that are due. */
static void
begin_due(void)
{
	int			count = list_length(sy_targets);
	int		   *order = palloc(sizeof(int) * (count + 1));

	count = sy_schedule_due(describe_targets(), count, sy_now_us(), order);
	for (int i = 0; i < count; i++)
		guarded(begin_probe, (SyTarget *) list_nth(sy_targets, order[i]));
}

/* Is anything of the spec ready, or its time over? */
static bool
is_ready(const SyWaitSpec *spec)
{
	for (int i = 0; i < spec->nitems; i++)
		if (spec->items[i].ready != 0)
			return true;
	return sy_deadline_passed(spec->until);
}

/*
 * Wait until a source answers, a probe is due, or somebody wakes us; go on
 * with the probes that can.
 */
static void
wait_and_continue(void)
{
	int			count = list_length(sy_targets);
	SyWaitSpec *specs = palloc0(sizeof(SyWaitSpec) * (count + 1));
	SyTarget  **waiting = palloc(sizeof(SyTarget *) * (count + 1));
	int64		next_us = sy_schedule_next(describe_targets(), count);
	int			nwaiting = 0;
	ListCell   *cell;

	foreach(cell, sy_targets)
	{
		SyTarget   *target = (SyTarget *) lfirst(cell);
		SyWaitSpec *spec = &specs[nwaiting];

		if (target->visit.stage == SY_VISIT_IDLE)
			continue;
		target->visit.source->driver->wait(target->visit.session, spec);
		spec->until = sy_deadline_min(spec->until, target->visit.until);
		waiting[nwaiting++] = target;
	}
	specs[nwaiting].until = next_us == 0 ? refresh_us : Max(Min(refresh_us, next_us), 1);

	if (sy_wait_briefly(specs, nwaiting + 1))
		refresh_us = Min(refresh_us, sy_now_us() + WAKE_US);
	for (int i = 0; i < nwaiting; i++)
		if (is_ready(&specs[i]))
			guarded(continue_probe, waiting[i]);
}

/* Is a probe due? */
static bool
is_due(void)
{
	int64		next_us = sy_schedule_next(describe_targets(), list_length(sy_targets));

	return next_us != 0 && next_us <= sy_now_us();
}

/* Is a probe under way? */
static bool
is_busy(void)
{
	ListCell   *cell;

	foreach(cell, sy_targets)
		if (((SyTarget *) lfirst(cell))->visit.stage != SY_VISIT_IDLE)
			return true;
	return false;
}

/*
 * The process
 */

/* Exit callback. */
static void
at_exit(int code, Datum arg)
{
	sy_target_close_all();
}

/* Read the catalogs; false: there is nothing to probe. */
static bool
refresh(void)
{
	bool		any = sy_target_refresh();

	refresh_us = sy_now_us() + REFRESH_US;
	return any;
}

/* End; it is for the launcher to know whether somebody comes after us. */
static void
leave(void)
{
	sy_target_close_all();
	sy_database_detach();
	proc_exit(0);
}

/*
 * There is nothing to probe here: take the database off the list.  But a
 * server may be made while we do that, so look once more.
 */
static void
leave_for_good(void)
{
	sy_database_detach();
	sy_database_unregister(MyDatabaseId);
	if (refresh())
	{
		sy_database_register(MyDatabaseId);
		if (sy_database_attach(MyDatabaseId, MyLatch))
			return;
	}
	leave();
}

/* Serve what other processes ask of us. */
static void
serve_interrupts(void)
{
	SyDatabase	database;

	if (ProcDiePending)
		leave();
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (!sy_database_find(MyDatabaseId, &database) || database.prober_pid != MyProcPid ||
		database.withdrawn_until_us > sy_now_us())
		leave();
}

/* Tell listeners what is new, and remember for the next prober how far. */
static void
tell_events(void)
{
	uint64		last = sy_notify_events(told);

	if (last == told)
		return;
	told = last;
	sy_database_set_told(told);
}

/* Entry point of a prober. */
void
sy_prober_main(Datum arg)
{
	Oid			dboid = DatumGetObjectId(arg);
	SyProberOrder order;
	SyDatabase	database;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	one_round = order.one_round;
	sy_worker_signals();
	/* first, so that who drops the database knows of us, or we of the drop */
	if (!sy_database_attach(dboid, MyLatch) || !sy_database_find(dboid, &database))
		proc_exit(0);
	told = database.told;
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	sy_worker_settings();
	before_shmem_exit(at_exit, (Datum) 0);
	round_cxt = AllocSetContextCreate(TopMemoryContext, "switchyard probe round",
									  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		MemoryContextSwitchTo(round_cxt);
		MemoryContextReset(round_cxt);
		serve_interrupts();
		tell_events();
		if (sy_now_us() >= refresh_us || (is_due() && !one_round))
			if (!refresh())
				leave_for_good();
		begin_due();
		if (one_round && !is_busy() && !is_due())
		{
			tell_events();
			sy_database_set_due(sy_schedule_next(describe_targets(), list_length(sy_targets)));
			leave();
		}
		wait_and_continue();
	}
}

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
 * Who the prober is: the owner of the server, by the owner's mapping, else
 * PUBLIC's.  Where these do not allow a login, it only asks what needs none.
 *
 * IDENTIFICATION
 *	  src/worker/prober.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "conn/visit.h"
#include "health/health.h"
#include "source/source.h"
#include "worker/schedule.h"
#include "worker/worker.h"

/* Catalogs are read at least so often, and at most so soon after a wake. */
#define REFRESH_US		(INT64CONST(10) * 1000000)
#define WAKE_US			(INT64CONST(20) * 1000)

#define SAMPLE_US		(INT64CONST(30) * 1000000)

/* A source that is probed. */
typedef struct Target
{
	Oid			serverid;
	NameData	name;
	Oid			owner;
	MemoryContext cxt;			/* holds this struct */
	MemoryContext source_cxt;	/* holds the source; child of it */
	const SySource *source;		/* a copy; NULL: it cannot be probed */
	const SySource *stranger;	/* the same without a mapping */
	uint32		generation;		/* of what was copied */
	bool		may_login;		/* false: the mapping allows no login */
	int64		refused_us;		/* when the source refused one; 0: it did not */
	bool		listed;			/* the catalogs have it */
	bool		suspect;
	int64		probed_us;		/* when the last probe began; 0: never */
	int64		sampled_us;		/* the same for a sample */
	MemoryContext session_cxt;	/* NULL: no session */
	SyVisit		visit;
	bool		complained;		/* why "source" is NULL was logged */
} Target;

/* A server, as the catalogs have it. */
typedef struct Listed
{
	Oid			serverid;
	NameData	name;
	Oid			owner;
} Listed;

static List *targets = NIL;		/* of Target *, in TopMemoryContext */
static MemoryContext round_cxt = NULL;	/* reset in each turn of the loop */
static bool one_round = false;
static uint64 told = 0;			/* events up to this one */
static int64 refresh_us = 0;	/* when to read the catalogs again */

/*
 * Sessions
 */

/* Close the session of a target, if it has one.  Neither waits nor throws. */
static void
close_session(Target *target)
{
	MemoryContext cxt = target->session_cxt;

	sy_visit_forget(&target->visit);
	if (target->visit.session != NULL)
		target->visit.source->driver->session_close(target->visit.session);
	target->visit.session = NULL;
	target->session_cxt = NULL;
	if (cxt != NULL)
		MemoryContextDelete(cxt);
}

/* Exit callback. */
static void
close_all(int code, Datum arg)
{
	ListCell   *cell;

	foreach(cell, targets)
		close_session((Target *) lfirst(cell));
}

/*
 * Open a session, within a transaction: names may have to be converted.
 * Contacts nothing but the file system.  False: visit.err says why not.
 */
static bool
open_session(Target *target)
{
	const SySource *source = target->visit.source;
	MemoryContext caller = CurrentMemoryContext;

	target->session_cxt = AllocSetContextCreate(TopMemoryContext, "switchyard session",
												ALLOCSET_SMALL_SIZES);
	MemoryContextSetIdentifier(target->session_cxt,
							   MemoryContextStrdup(target->session_cxt, source->name));
	StartTransactionCommand();
	target->visit.session = source->driver->session_create(source, target->session_cxt,
														   &target->visit.err);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return target->visit.session != NULL;
}

/*
 * Catalogs
 */

/* A new target, not yet copied from the catalogs. */
static Target *
add_target(const Listed *listed)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "switchyard target",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Target	   *target = MemoryContextAllocZero(cxt, sizeof(Target));

	target->cxt = cxt;
	target->source_cxt = AllocSetContextCreate(cxt, "switchyard source", ALLOCSET_SMALL_SIZES);
	target->serverid = listed->serverid;
	target->name = listed->name;
	target->owner = listed->owner;
	targets = lappend(targets, target);
	MemoryContextSwitchTo(caller);
	return target;
}

/* Forget a target. */
static void
remove_target(Target *target)
{
	close_session(target);
	targets = list_delete_ptr(targets, target);
	MemoryContextDelete(target->cxt);
}

/* The target for a server; NULL: there is none of this name and owner. */
static Target *
find_target(const Listed *listed)
{
	ListCell   *cell;

	foreach(cell, targets)
	{
		Target	   *target = (Target *) lfirst(cell);

		if (target->serverid == listed->serverid && target->owner == listed->owner &&
			strcmp(NameStr(target->name), NameStr(listed->name)) == 0)
			return target;
	}
	return NULL;
}

/*
 * Servers that are ours, or with "dirty" all servers, those included that
 * transactions in progress have made or dropped; a List of Listed *.
 */
static List *
list_servers(bool dirty)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	SnapshotData snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *result = NIL;

	InitDirtySnapshot(snapshot);
	scan = systable_beginscan(rel, InvalidOid, false, dirty ? &snapshot : NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(tuple);
		Listed	   *listed;

		if (!dirty && sy_registry_driver_name(server->oid) == NULL)
			continue;
		listed = palloc(sizeof(Listed));
		listed->serverid = server->oid;
		listed->name = server->srvname;
		listed->owner = server->srvowner;
		result = lappend(result, listed);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* Is the server of a slot in the list? */
static bool
is_listed(const List *servers, const SySlotName *slot)
{
	ListCell   *cell;

	foreach(cell, servers)
	{
		const Listed *listed = (const Listed *) lfirst(cell);

		if (listed->serverid == slot->serverid &&
			strcmp(NameStr(listed->name), NameStr(slot->name)) == 0)
			return true;
	}
	return false;
}

/*
 * Free the slots of servers that are gone.  Within a transaction.  A server
 * that is being made in one of another session has a slot but is not listed.
 */
static void
free_slots(const List *servers)
{
	int			count;
	SySlotName *slots = sy_slot_list(&count);
	List	   *all = NIL;
	bool		looked = false;

	for (int i = 0; i < count; i++)
	{
		if (is_listed(servers, &slots[i]))
			continue;
		if (!looked)
			all = list_servers(true);
		looked = true;
		if (!is_listed(all, &slots[i]))
			sy_slot_free(slots[i].serverid, NameStr(slots[i].name));
	}
}

/*
 * What health remembers of probes by an earlier prober: they need not be
 * repeated at once.
 */
static void
recall_probes(Target *target)
{
	SySlot	   *slot = sy_slot_get(target->serverid, NameStr(target->name));
	TimestampTz now = GetCurrentTimestamp();
	SyStatus	status;

	sy_status_get(slot, &target->source->limits, &status);
	if (status.probed_at != 0 && status.probed_at <= now && !status.unproven)
		target->probed_us = Max(sy_now_us() - (now - status.probed_at), 1);
	if (status.sampled_at != 0 && status.sampled_at <= now)
		target->sampled_us = Max(sy_now_us() - (now - status.sampled_at), 1);
}

/*
 * Copy the source of a target, if it is new or has changed.  Within a
 * transaction; throws.
 */
static void
copy_source(Target *target)
{
	const SySource *source = sy_source_get(target->serverid, target->owner);
	uint32		generation = sy_source_generation(source->serverid, source->umid);
	bool		is_new = target->generation == 0;
	SySource   *copy;
	SySource   *stranger;
	SySessionKey key;
	SyError		err;

	if (generation == target->generation && target->source != NULL)
		return;
	close_session(target);
	target->source = NULL;
	MemoryContextReset(target->source_cxt);
	copy = sy_source_copy(source, target->source_cxt);
	/* so that the driver, which knows more of the reason, is first to say it */
	copy->connect_timeout_ms = Min(copy->connect_timeout_ms, copy->limits.probe_timeout_ms);
	copy->query_timeout_ms = 0;
	stranger = sy_source_copy(copy, target->source_cxt);
	stranger->mapping.count = 0;

	sy_error_clear(&err);
	target->may_login = (copy->driver->caps & SY_CAP_NETWORK) == 0 ||
		copy->driver->session_key(copy, &key, &err) || err.cls != SY_ERROR_AUTH;
	target->refused_us = 0;
	target->sampled_us = 0;
	target->visit.degraded[0] = '\0';
	target->source = copy;
	target->stranger = stranger;
	target->generation = generation;
	target->complained = false;
	if (is_new)
		recall_probes(target);
}

/* Log what was caught; returns in the caller's memory context. */
static void
report_caught(const char *name, MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	FlushErrorState();
	sy_error_redact(error->message);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not probe source \"%s\"", name),
			 errdetail("%s.", error->message)));
	FreeErrorData(error);
}

/* The same with errors caught: the source then is not probed until it changes. */
static void
try_copy_source(Target *target)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		copy_source(target);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		if (!target->complained)
			report_caught(NameStr(target->name), caller);
		else
			FlushErrorState();
		target->complained = true;
		AbortCurrentTransaction();
		close_session(target);
		target->source = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/*
 * Make the targets agree with the catalogs.  False: there is nothing to probe
 * in this database.
 */
static bool
refresh_targets(void)
{
	List	   *servers = NIL;
	MemoryContext caller = CurrentMemoryContext;
	ListCell   *cell;

	StartTransactionCommand();
	MemoryContextSwitchTo(caller);
	if (OidIsValid(get_extension_oid("switchyard", true)))
		servers = list_servers(false);
	free_slots(servers);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);

	foreach(cell, targets)
		((Target *) lfirst(cell))->listed = false;
	foreach(cell, servers)
	{
		Target	   *target = find_target((Listed *) lfirst(cell));

		if (target == NULL)
			target = add_target((Listed *) lfirst(cell));
		target->listed = true;
	}
	foreach(cell, list_copy(targets))
	{
		Target	   *target = (Target *) lfirst(cell);

		if (target->listed)
			try_copy_source(target);
		else
			remove_target(target);
	}
	refresh_us = sy_now_us() + REFRESH_US;
	return servers != NIL;
}

/*
 * Probes
 */

/* A probe has ended. */
static void
finish_probe(Target *target)
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
		close_session(target);
}

/*
 * Begin a probe; it may be over at once.  After a login was refused it is
 * not tried again with each probe, but when a sample would be due: servers
 * take such tries for an attack.
 */
static void
begin_probe(Target *target)
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
		close_session(target);
	visit->source = source;
	sy_visit_begin(visit, wants_sample);
	if (visit->session == NULL && !open_session(target))
		sy_visit_fail(visit);
	else if (sy_visit_start(visit) == SY_BLOCKED)
		return;
	finish_probe(target);
}

/* Go on with a probe. */
static void
continue_probe(Target *target)
{
	if (sy_visit_step(&target->visit) == SY_DONE)
		finish_probe(target);
}

/* Do either; an error, which is none of the source's, ends this probe only. */
static void
guarded(void (*work) (Target *target), Target *target)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		work(target);
	}
	PG_CATCH();
	{
		report_caught(NameStr(target->name), caller);
		if (IsTransactionState())
			AbortCurrentTransaction();
		close_session(target);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* The targets as the schedule wants them, in CurrentMemoryContext. */
static SyScheduleSource *
describe_targets(void)
{
	SyScheduleSource *sources = palloc0(sizeof(SyScheduleSource) * (list_length(targets) + 1));

	for (int i = 0; i < list_length(targets); i++)
	{
		Target	   *target = (Target *) list_nth(targets, i);
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
	int			count = list_length(targets);
	int		   *order = palloc(sizeof(int) * (count + 1));

	count = sy_schedule_due(describe_targets(), count, sy_now_us(), order);
	for (int i = 0; i < count; i++)
		guarded(begin_probe, (Target *) list_nth(targets, order[i]));
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
	int			count = list_length(targets);
	SyWaitSpec *specs = palloc0(sizeof(SyWaitSpec) * (count + 1));
	Target	  **waiting = palloc(sizeof(Target *) * (count + 1));
	int64		next_us = sy_schedule_next(describe_targets(), count);
	int			nwaiting = 0;
	ListCell   *cell;

	foreach(cell, targets)
	{
		Target	   *target = (Target *) lfirst(cell);
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
	int64		next_us = sy_schedule_next(describe_targets(), list_length(targets));

	return next_us != 0 && next_us <= sy_now_us();
}

/* Is a probe under way? */
static bool
is_busy(void)
{
	ListCell   *cell;

	foreach(cell, targets)
		if (((Target *) lfirst(cell))->visit.stage != SY_VISIT_IDLE)
			return true;
	return false;
}

/*
 * The process
 */

/* End; it is for the launcher to know whether somebody comes after us. */
static void
leave(void)
{
	close_all(0, (Datum) 0);
	targets = NIL;
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
	if (refresh_targets())
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
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	sy_worker_settings();
	before_shmem_exit(close_all, (Datum) 0);
	round_cxt = AllocSetContextCreate(TopMemoryContext, "switchyard probe round",
									  ALLOCSET_DEFAULT_SIZES);
	if (!sy_database_attach(dboid, MyLatch) || !sy_database_find(dboid, &database))
		proc_exit(0);
	told = database.told;

	for (;;)
	{
		MemoryContextSwitchTo(round_cxt);
		MemoryContextReset(round_cxt);
		serve_interrupts();
		tell_events();
		if (sy_now_us() >= refresh_us || (is_due() && !one_round))
			if (!refresh_targets())
				leave_for_good();
		begin_due();
		if (one_round && !is_busy() && !is_due())
		{
			tell_events();
			leave();
		}
		wait_and_continue();
	}
}

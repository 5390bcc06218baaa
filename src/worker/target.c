/*-------------------------------------------------------------------------
 *
 * target.c
 *	  What a prober probes: the sources of its database, as the catalogs say.
 *
 * The catalogs are read in short transactions, and what is needed of them is
 * copied.
 *
 * Who the prober is: the owner of the server, by the owner's mapping, else
 * PUBLIC's.  Where these do not allow a login, it asks only what needs none.
 *
 * IDENTIFICATION
 *	  src/worker/target.c
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
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "source/source.h"
#include "worker/target.h"

/* A server, as the catalogs have it. */
typedef struct Listed
{
	Oid			serverid;
	NameData	name;
	Oid			owner;
} Listed;

List	   *sy_targets = NIL;	/* in TopMemoryContext */

/*
 * Sessions
 */

/* Close the session of a target, if it has one; see target.h. */
void
sy_target_close_session(SyTarget *target)
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

/* Close all sessions; see target.h. */
void
sy_target_close_all(void)
{
	ListCell   *cell;

	foreach(cell, sy_targets)
		sy_target_close_session((SyTarget *) lfirst(cell));
	sy_targets = NIL;
}

/* Open a session, within a transaction: names may have to be converted. */
bool
sy_target_open_session(SyTarget *target)
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

/* Log what was caught; see target.h. */
void
sy_target_report(const SyTarget *target, MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	FlushErrorState();
	sy_error_redact(error->message);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not probe source \"%s\"", NameStr(target->name)),
			 errdetail("%s.", error->message)));
	FreeErrorData(error);
}

/*
 * Catalogs
 */

/* A new target, not yet copied from the catalogs. */
static SyTarget *
add_target(const Listed *listed)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "switchyard target",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	SyTarget   *target = MemoryContextAllocZero(cxt, sizeof(SyTarget));

	target->cxt = cxt;
	target->source_cxt = AllocSetContextCreate(cxt, "switchyard source", ALLOCSET_SMALL_SIZES);
	target->serverid = listed->serverid;
	target->name = listed->name;
	target->owner = listed->owner;
	sy_targets = lappend(sy_targets, target);
	MemoryContextSwitchTo(caller);
	return target;
}

/* Forget a target. */
static void
remove_target(SyTarget *target)
{
	sy_target_close_session(target);
	sy_targets = list_delete_ptr(sy_targets, target);
	MemoryContextDelete(target->cxt);
}

/* The target for a server; NULL: there is none of this name. */
static SyTarget *
find_target(const Listed *listed)
{
	ListCell   *cell;

	foreach(cell, sy_targets)
	{
		SyTarget   *target = (SyTarget *) lfirst(cell);

		if (target->serverid == listed->serverid &&
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
recall_probes(SyTarget *target)
{
	SySlot	   *slot = sy_slot_get(target->serverid, NameStr(target->name));
	TimestampTz now = GetCurrentTimestamp();
	SyStatus	status;

	sy_status_get(slot, &target->source->limits, &status);
	if (status.probed_at != 0 && status.probed_at <= now && !status.unproven)
		target->probed_us = Max(sy_now_us() - (now - status.probed_at), 1);
	if (status.sampled_at != 0 && status.sampled_at <= now && status.degraded[0] == '\0')
		target->sampled_us = Max(sy_now_us() - (now - status.sampled_at), 1);
}

/*
 * Copy the source of a target, if it is new or has changed.  Within a
 * transaction; throws.
 */
static void
copy_source(SyTarget *target)
{
	const SySource *source = sy_source_get(target->serverid, target->owner);
	uint32		generation = sy_source_generation(source->serverid, source->umid);
	SySource   *copy;
	SySource   *stranger;
	SySessionKey key;
	SyError		err;

	if (generation == target->generation && target->source != NULL)
		return;
	sy_target_close_session(target);
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
	if (!target->known)
		recall_probes(target);
	target->known = true;
}

/* The same with errors caught: the source then is not probed until it changes. */
static void
try_copy_source(SyTarget *target)
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
			sy_target_report(target, caller);
		else
			FlushErrorState();
		target->complained = true;
		AbortCurrentTransaction();
		sy_target_close_session(target);
		target->source = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* Make the targets agree with the catalogs; see target.h. */
bool
sy_target_refresh(void)
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

	foreach(cell, sy_targets)
		((SyTarget *) lfirst(cell))->listed = false;
	foreach(cell, servers)
	{
		const Listed *listed = (const Listed *) lfirst(cell);
		SyTarget   *target = find_target(listed);

		if (target == NULL)
			target = add_target(listed);
		if (target->owner != listed->owner)
			target->generation = 0; /* another mapping: copy it again */
		target->owner = listed->owner;
		target->listed = true;
	}
	foreach(cell, list_copy(sy_targets))
	{
		SyTarget   *target = (SyTarget *) lfirst(cell);

		if (!target->listed)
		{
			remove_target(target);
			continue;
		}
		if (target->visit.stage == SY_VISIT_IDLE)
			sy_slot_retry(target->serverid);
		try_copy_source(target);
	}
	return servers != NIL;
}

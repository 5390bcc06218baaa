/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  Which slot is whose.
 *
 * A backend remembers the slots that it has seen by server OID.  A slot may be
 * freed and given to another server meanwhile: its incarnation tells.
 *
 * IDENTIFICATION
 *	  src/health/slot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "health/shmem.h"

typedef struct SlotEntry
{
	Oid			serverid;		/* must be first */
	uint32		incarnation;
	SySlot	   *slot;			/* NULL: the entry is being made */
} SlotEntry;

static HTAB *seen = NULL;
static bool warned = false;

/* The present instant, on both clocks. */
SyInstant
sy_slot_now(void)
{
	SyInstant	now = {sy_now_us(), GetCurrentTimestamp()};

	return now;
}

/* Is the slot shared? */
bool
sy_slot_is_shared(const SySlot *slot)
{
	return slot->shared;
}

/* Make the word say what the breaker is.  The caller holds the mutex. */
void
sy_slot_publish(SySlot *slot)
{
	const SyBreaker *breaker = &slot->breaker;

	pg_atomic_write_u64(&slot->word,
						(uint64) breaker->state |
						(breaker->unproven ? SY_WORD_UNPROVEN : 0) |
						(breaker->failures > 0 ? SY_WORD_FAILED : 0) |
						(uint64) (slot->incarnation & 0xFFFFFF) << 8 |
						(uint64) breaker->generation << 32);
}

/*
 * Give a slot that nobody has to a server.  The state is a new one.  Under the
 * mutex, as somebody may yet begin to wait for the server that had it before.
 */
static void
assign(SySlot *slot, Oid dboid, Oid serverid, const char *name)
{
	SyInstant	now = sy_slot_now();

	SpinLockAcquire(&slot->mutex);
	memset(&slot->used, 0, sizeof(SySlot) - offsetof(SySlot, used));
	slot->dboid = dboid;
	slot->serverid = serverid;
	namestrcpy(&slot->name, name);
	slot->stats_reset = now.wall;
	slot->status = SY_SLOT_OK;
	slot->status_since = now.wall;
	slot->sample.tables = -1;
	slot->sample.rows = -1;
	slot->sample.bytes = -1;
	pg_atomic_init_u64(&slot->rejected, 0);
	pg_atomic_init_u64(&slot->opens, 0);
	pg_atomic_init_u64(&slot->worked_us, 0);
	pg_atomic_init_u64(&slot->failed_us, 0);
	pg_atomic_init_u32(&slot->sessions, 0);
	pg_atomic_init_u32(&slot->in_use, 0);
	pg_atomic_init_u32(&slot->waiting, 0);
	sy_stats_init(&slot->stats);
	sy_breaker_init(&slot->breaker, slot->shared, &now);
	slot->incarnation = (slot->incarnation + 1) & 0xFFFFFF;
	slot->used = true;
	sy_slot_publish(slot);
	SpinLockRelease(&slot->mutex);
}

/* Make a slot in zeroed memory; nobody has it yet. */
void
sy_slot_create(SySlot *slot, bool shared)
{
	slot->shared = shared;
	SpinLockInit(&slot->mutex);
	ConditionVariableInit(&slot->trial_over);
	ConditionVariableInit(&slot->permit_free);
	pg_atomic_init_u64(&slot->word, 0);
}

/* The state has changed: who waits shall look at it.  Not under the mutex. */
void
sy_slot_changed(SySlot *slot)
{
	if (!slot->shared || pg_atomic_read_u32(&slot->waiting) == 0)
		return;
	ConditionVariableBroadcast(&slot->trial_over);
	ConditionVariableBroadcast(&slot->permit_free);
}

/* Is it the slot of this server?  The caller holds the directory's lock. */
static bool
is_of(const SySlot *slot, Oid dboid, Oid serverid, const char *name)
{
	return slot->used && slot->serverid == serverid && slot->dboid == dboid &&
		strcmp(NameStr(slot->name), name) == 0;
}

/* The shared slot of a server, or NULL.  The caller holds the lock. */
static SySlot *
search(Oid serverid, const char *name)
{
	for (int i = 0; i < sy_shared->nslots; i++)
		if (is_of(sy_shmem_slot(i), MyDatabaseId, serverid, name))
			return sy_shmem_slot(i);
	return NULL;
}

/* Would a server that has no slot get a shared one? */
bool
sy_slot_is_left(void)
{
	bool		left = false;

	if (sy_shared == NULL)
		return false;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	for (int i = 0; !left && i < sy_shared->nslots; i++)
		left = !sy_shmem_slot(i)->used;
	LWLockRelease(SY_LOCK_DIRECTORY);
	return left;
}

/* The shared slot of a server, taken if there is a free one; else NULL. */
static SySlot *
search_or_take(Oid serverid, const char *name)
{
	SySlot	   *slot;

	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	slot = search(serverid, name);
	for (int i = 0; slot == NULL && i < sy_shared->nslots; i++)
	{
		if (sy_shmem_slot(i)->used)
			continue;
		slot = sy_shmem_slot(i);
		assign(slot, MyDatabaseId, serverid, name);
	}
	LWLockRelease(SY_LOCK_DIRECTORY);
	return slot;
}

/* A slot of this backend's own. */
static SySlot *
make_private(Oid serverid, const char *name)
{
	SySlot	   *slot = MemoryContextAllocZero(TopMemoryContext, sizeof(SySlot));

	sy_slot_create(slot, false);
	assign(slot, MyDatabaseId, serverid, name);
	if (sy_shared != NULL && !warned)
	{
		warned = true;
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the health of source \"%s\" is not shared with other sessions", name),
				 errdetail("All %d places for sources are taken.", sy_shared->nslots),
				 errhint("Raise switchyard.max_sources and restart the server.")));
	}
	return slot;
}

/*
 * What this backend remembers of a server, or NULL.  An entry that another
 * server's slot has replaced, or whose server was renamed, is dropped.  The
 * memory of a private slot stays: a session or a call may point to it.
 */
static SlotEntry *
recall(Oid serverid, const char *name)
{
	SlotEntry  *entry;

	if (seen == NULL)
		return NULL;
	entry = hash_search(seen, &serverid, HASH_FIND, NULL);
	if (entry == NULL)
		return NULL;
	if (entry->slot != NULL &&
		SY_WORD_INCARNATION(pg_atomic_read_u64(&entry->slot->word)) == entry->incarnation &&
		strcmp(NameStr(entry->slot->name), name) == 0)
		return entry;
	(void) hash_search(seen, &serverid, HASH_REMOVE, NULL);
	return NULL;
}

/* Look for a shared slot again; see health.h. */
void
sy_slot_retry(Oid serverid)
{
	SlotEntry  *entry = seen ? hash_search(seen, &serverid, HASH_FIND, NULL) : NULL;

	if (sy_shared == NULL || entry == NULL || entry->slot == NULL || entry->slot->shared)
		return;
	pfree(entry->slot);
	(void) hash_search(seen, &serverid, HASH_REMOVE, NULL);
}

/* The slot of a server, made if there is none; see health.h. */
SySlot *
sy_slot_get(Oid serverid, const char *name)
{
	SlotEntry  *entry = recall(serverid, name);
	SySlot	   *slot = NULL;

	if (entry != NULL)
		return entry->slot;
	if (seen == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(SlotEntry);
		ctl.hcxt = TopMemoryContext;
		seen = hash_create("switchyard slots", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	if (sy_shared != NULL)
		slot = search_or_take(serverid, name);
	if (slot == NULL)
		slot = make_private(serverid, name);
	sy_database_register(MyDatabaseId);
	entry = hash_search(seen, &serverid, HASH_ENTER, NULL);
	entry->slot = slot;
	entry->incarnation = SY_WORD_INCARNATION(pg_atomic_read_u64(&slot->word));
	return slot;
}

/* The slot of a server, or NULL. */
SySlot *
sy_slot_find(Oid serverid, const char *name)
{
	SlotEntry  *entry = recall(serverid, name);
	SySlot	   *slot = NULL;

	if (entry != NULL)
		return entry->slot;
	if (sy_shared != NULL)
	{
		LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
		slot = search(serverid, name);
		LWLockRelease(SY_LOCK_DIRECTORY);
	}
	return slot;
}

/* Free a slot.  The caller holds the lock exclusively. */
static void
release(SySlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->incarnation = (slot->incarnation + 1) & 0xFFFFFF;
	slot->used = false;
	sy_slot_publish(slot);
	SpinLockRelease(&slot->mutex);
}

/* Free the shared slot of a server that is no more. */
void
sy_slot_free(Oid serverid, const char *name)
{
	SySlot	   *slot;

	if (sy_shared == NULL)
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	slot = search(serverid, name);
	if (slot != NULL)
		release(slot);
	LWLockRelease(SY_LOCK_DIRECTORY);
	if (slot != NULL)
		sy_slot_changed(slot);
}

/* Free all shared slots of a database. */
void
sy_slot_free_database(Oid dboid)
{
	if (sy_shared == NULL)
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	for (int i = 0; i < sy_shared->nslots; i++)
	{
		SySlot	   *slot = sy_shmem_slot(i);

		if (slot->used && slot->dboid == dboid)
			release(slot);
	}
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* Servers of this database that have shared slots, palloc'd. */
SySlotName *
sy_slot_list(int *count)
{
	SySlotName *names;

	*count = 0;
	if (sy_shared == NULL)
		return NULL;
	names = palloc(sy_shared->nslots * sizeof(SySlotName));
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	for (int i = 0; i < sy_shared->nslots; i++)
	{
		const SySlot *slot = sy_shmem_slot(i);

		if (!slot->used || slot->dboid != MyDatabaseId)
			continue;
		names[*count].serverid = slot->serverid;
		names[*count].name = slot->name;
		(*count)++;
	}
	LWLockRelease(SY_LOCK_DIRECTORY);
	return names;
}
